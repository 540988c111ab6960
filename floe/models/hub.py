"""GGUF files of a model hub: search, and what a repository has, with the hub's own hashes.

Only what is asked for leaves this device: the words of a search or the name of a repository, and
the person's token where there is one. Nothing is asked before the person does so.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from floe.errors import FetchError
from floe.models.catalog import HubSource, ModelFile
from floe.models.hub_access import hub_endpoint, hub_token
from floe.store.text import one_line

_MOST_FOUND: Final = 20
_MOST_FILES: Final = 200
_SECONDS: Final = 20.0
_LONGEST: Final = 96
_HUBS: Final = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
_NAME: Final = r"[A-Za-z0-9][\w.-]{0,95}"
_REPO: Final = re.compile(rf"({_NAME}/{_NAME})(?::([\w.-]{{1,64}}))?")
_PART: Final = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class HubRepository:
    """One found repository. `licence`: as the repository names it; empty: it does not."""

    repo: str
    licence: str
    downloads: int
    gated: bool


@dataclass(frozen=True, slots=True)
class HubListing:
    """Files of a repository. `left_out`: sentences on files that cannot be fetched here."""

    repo: str
    licence: str
    architecture: str
    gated: bool
    files: tuple[ModelFile, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HubAddress:
    """A repository, and what its wanted file is called; empty: any file."""

    repo: str
    wanted: str = ""


def parse_hub_address(text: str) -> HubAddress | None:
    """Read `owner/name`, `owner/name:Q4_K_M` or the address of a page; None: words to search for.

    Raises:
        FetchError: it is an address of something else than a repository of the hub.
    """
    text = text.strip()
    if "://" not in text:
        named = _REPO.fullmatch(text.removeprefix("hf.co/").removeprefix("huggingface.co/"))
        return HubAddress(named[1], named[2] or "") if named else None
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    if host not in _HUBS | {urlsplit(hub_endpoint()).hostname}:
        raise FetchError(
            "This is not an address of the hub. Paste the page of a model or of a file at "
            f"{hub_endpoint()}, or download the file yourself and give its path."
        )
    words = [unquote(word) for word in parts.path.split("/") if word]
    if len(words) < 2 or not _REPO.fullmatch("/".join(words[:2])):
        raise FetchError("This address names no model: it should go on with owner/name.")
    file = words[4:] if words[2:3] in (["blob"], ["resolve"]) else []
    return HubAddress("/".join(words[:2]), "/".join(file))


def search_hub(words: str) -> list[HubRepository]:
    """Find repositories with GGUF files, those most often fetched first.

    Raises:
        FetchError: the hub cannot be reached or refuses.
    """
    with _hub_errors(f"a search for {words}"):
        found = _api().list_models(
            search=words,
            filter="gguf",
            sort="downloads",
            limit=_MOST_FOUND,
            expand=["downloads", "gated", "tags"],
        )
        return [
            HubRepository(
                repo=one_line(each.id)[:_LONGEST],
                licence=_licence(each.tags),
                downloads=each.downloads or 0,
                gated=bool(each.gated),
            )
            for each in islice(found, _MOST_FOUND)
            if _REPO.fullmatch(each.id)
        ]


def list_hub_files(address: HubAddress) -> HubListing:
    """Ask what a repository has now: names, sizes, and the hub's own sha256 of each file.

    Raises:
        FetchError: there is no such repository, it has no file that can be used, or the hub
            cannot be reached.
    """
    with _hub_errors(address.repo):
        info = _api().model_info(address.repo, files_metadata=True, timeout=_SECONDS)
    files: list[ModelFile] = []
    parts = unhashed = others = 0
    for each in (info.siblings or [])[: 50 * _MOST_FILES]:
        name = each.rfilename
        if not name.lower().endswith(".gguf") or "mmproj" in name.lower():
            continue
        if address.wanted and address.wanted.lower() not in name.lower():
            continue
        sha256 = each.lfs.sha256 if each.lfs is not None else ""
        if _PART.search(name):
            parts += 1
        elif not _HASH.fullmatch(sha256 or ""):
            unhashed += 1
        elif (file := _model_file(address.repo, info.sha or "", name, each.size, sha256)) is None:
            others += 1
        else:
            files.append(file)
    left_out = [
        _count(parts, "is one part of a model that was split, which cannot be fetched here"),
        _count(unhashed, "has no sha256 at the hub, so it could not be checked"),
        _count(others, "has a name that is not safe for a file here"),
    ]
    if not files:
        why = " ".join(filter(None, left_out))
        wanted = f" with {address.wanted!r} in its name" if address.wanted else ""
        raise FetchError(
            f"{address.repo} has no GGUF file{wanted} that can be fetched. {why}".strip()
        )
    gguf: dict[str, Any] = getattr(info, "gguf", None) or {}
    return HubListing(
        repo=address.repo,
        licence=_licence(info.tags),
        architecture=_shown(str(gguf.get("architecture") or ""))[:40],
        gated=bool(info.gated),
        files=tuple(sorted(files, key=lambda file: file.size)[:_MOST_FILES]),
        left_out=tuple(filter(None, left_out)),
    )


def _model_file(
    repo: str, revision: str, name: str, size: int | None, sha256: str
) -> ModelFile | None:
    """Return the file if its name and size are such as can be kept in the models folder."""
    try:
        return ModelFile(
            id=f"{repo}/{name}",
            filename=name.rpartition("/")[2],
            size=size or 0,
            sha256=sha256,
            sources=(HubSource(kind="hub", repo=repo, revision=revision, filename=name),),
        )
    except ValidationError:
        return None


def _count(files: int, why: str) -> str:
    if not files:
        return ""
    return f"1 file {why}." if files == 1 else f"{files} files are left out: each {why}."


def _licence(tags: list[str] | None) -> str:
    found = next((tag for tag in tags or [] if tag.startswith("license:")), "")
    return _shown(found.removeprefix("license:"))


def _shown(text: str) -> str:
    """Return words of a hub as a terminal may show them."""
    return "".join(filter(str.isprintable, one_line(text)))[:_LONGEST]


def _api() -> Any:
    # Imported here: it takes long, and only those who use a hub need it.
    from huggingface_hub import HfApi, constants  # noqa: PLC0415

    # Else the library asks the hub for a list of programs that it might run in, at every start.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    # The library's own words of this header describe this computer.
    token = hub_token() or False  # None: the library would look for one
    return HfApi(endpoint=hub_endpoint(), token=token, headers={"user-agent": "floe"})


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    """Turn what the library raises into a sentence."""
    import httpx2  # noqa: PLC0415  # the library's own client
    from huggingface_hub import errors  # noqa: PLC0415

    name = one_line(name)[:_LONGEST]
    try:
        yield
    except errors.GatedRepoError as error:
        raise FetchError(
            f"{name} is shown only to those who accepted its terms. Accept them on its page at "
            "the hub and set HF_TOKEN."
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise FetchError(
            "The hub is switched off by HF_HUB_OFFLINE. Unset it, then try again."
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 404):  # what the hub says of private ones, too
            raise FetchError(
                f"The hub has no {name}, or it is private. Look at the spelling: owner/name."
            ) from error
        raise FetchError(f"The hub answered {status} for {name}. Try again later.") from error
    except errors.HFValidationError as error:
        raise FetchError(f"{name} is no name of a repository: it should be owner/name.") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        reason = str(error) or type(error).__name__
        raise FetchError(
            f"The hub at {hub_endpoint()} cannot be reached: {reason}. "
            "Check the network connection."
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        # Something else than the hub answers: a login page, an older mirror.
        raise FetchError(
            f"What {hub_endpoint()} answered about {name} is not what a hub answers. Check "
            "HF_ENDPOINT and the network."
        ) from error
