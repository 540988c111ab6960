"""One file from an HTTP server into a `.part` file, going on where an earlier try broke off.

Knows nothing of catalogs, wheels or hubs. What has arrived is kept through every failure but one:
a whole file with the wrong hash is deleted.
"""

import errno
import hashlib
import shutil
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import truststore
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from floe.errors import FetchError
from floe.units import format_bytes

Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all). What it raises stops the transfer and comes out unchanged."""

CHUNK = 1 << 20
"""Bytes copied and hashed at a time."""

MAX_ATTEMPTS = 5
"""Tries in a row that bring nothing new before the transfer is given up."""

STALL_SECONDS = 20.0
"""A transfer that brings nothing, or next to nothing, for so long is begun again where it is."""
_LEAST_SPEED = 500
"""Bytes a second, below which a transfer counts as stalled."""
_WAIT_SLICE = 0.25

_MOST_DIGITS = 18

RETRY_WAIT = wait_exponential_jitter(initial=0.5, max=8)
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that another try may mend."""


def ignore_progress(done: int, total: int) -> None:
    """Report nothing: the `Progress` of those who do not want to know."""
    del done, total


class DiskError(FetchError):
    """This disk or folder is the trouble, so no other source can help."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file on a server. `name` and `login` (how to get access) are for the error text alone.

    `headers` may hold a token: it goes to the host of `url` and, by httpx's rule, to no other
    host that it redirects to.
    """

    url: str
    name: str
    login: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def open_client(proxy: str | None = None, cert: str | None = None) -> httpx.Client:
    """Open a client that trusts what the system trusts (and `cert`, a PEM file), as pip does.

    `proxy` None: the one of the environment. A redirect from https to http is an error: anybody
    on the way could answer it.
    """
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if cert:
        context.load_verify_locations(cert)
    return httpx.Client(
        verify=context,
        proxy=proxy,
        follow_redirects=True,
        timeout=httpx.Timeout(STALL_SECONDS, connect=15),
        headers={"Accept-Encoding": "identity"},  # ranges count the bytes as stored
        event_hooks={"response": [_require_safe_redirect]},
    )


def _require_safe_redirect(response: httpx.Response) -> None:
    if not response.has_redirect_location:
        return
    target = response.request.url.join(response.headers["Location"])
    if response.request.url.scheme == "https" and target.scheme != "https":
        raise FetchError(
            f"The server {response.request.url.host} leads to an address without encryption "
            f"({target.host}), where anybody on the way could answer. Try another source."
        )


def remote_size(client: httpx.Client, remote: Remote) -> int:
    """Ask for the file's size in bytes by a range of one byte: not every mirror knows HEAD.

    Raises:
        FetchError: the server cannot be reached, refuses, or does not say.
    """

    def ask() -> int:
        with client.stream("GET", remote.url, headers=_headers(remote, "0-0")) as response:
            _require_success(response, remote)
            return _total(response)

    with _as_fetch_error(remote):
        size = _retrying()(ask)
    if size < 0:
        raise FetchError(f"The server does not say how large {remote.name} is. Try another source.")
    return size


def download(
    client: httpx.Client, remote: Remote, part: Path, size: int, progress: Progress
) -> None:
    """Bring `part` to `size` bytes. Nothing is asked of the server if it has them already.

    Tries are counted anew whenever bytes arrive, so a shaky line gets there in the end.

    Raises:
        FetchError: the server cannot be reached, refuses, or has a file of another size.
        OSError: the disk is full or cannot be written.
    """
    # The largest size `part` has ever had. A server that ignores ranges starts at 0 each time, so
    # only this mark may not fall, else a transfer could go round in circles.
    reached = file_size(part)
    if reached > size:
        part.unlink()
        reached = 0

    def advance() -> int:
        """One try: a connection that broke has failed only if it brought nothing new."""
        try:
            _receive(client, remote, part, size, progress)
        except httpx.TransportError:
            if file_size(part) <= reached:
                raise
        return max(reached, file_size(part))

    with _as_fetch_error(remote):
        while file_size(part) < size:
            reached = _retrying(lambda: progress(file_size(part), size))(advance)
    progress(size, size)


def _receive(
    client: httpx.Client, remote: Remote, part: Path, size: int, progress: Progress
) -> None:
    have = file_size(part)
    progress(have, size)
    with client.stream("GET", remote.url, headers=_headers(remote, f"{have}-")) as response:
        _require_success(response, remote)
        if _total(response) not in {size, -1}:
            raise FetchError(_wrong_size(remote, size, _total(response)))
        have = _first_byte(response, have)
        with part.open("r+b" if have else "wb") as file:
            file.seek(have)
            since, before = time.monotonic(), have
            for chunk in response.iter_raw():
                have += len(chunk)
                if have > size:
                    raise FetchError(_wrong_size(remote, size, have))
                file.write(chunk)
                progress(have, size)
                passed = time.monotonic() - since
                if passed > STALL_SECONDS:
                    if have - before < passed * _LEAST_SPEED:
                        raise httpx.ReadTimeout("next to nothing arrives")
                    since, before = time.monotonic(), have
    if have < size:
        raise httpx.RemoteProtocolError("the connection was closed before the end")


def file_size(path: Path) -> int:
    """Return the size in bytes; 0 if there is no such file."""
    return path.stat().st_size if path.exists() else 0


def sha256_of(path: Path, progress: Progress) -> str:
    """Return the file's SHA-256 in hexadecimal; `progress` counts the bytes read."""
    digest = hashlib.sha256()
    size = file_size(path)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            progress(file.tell(), size)
    return digest.hexdigest()


def require_hash(path: Path, sha256: str, name: str) -> None:
    """Delete the file if it is not the one named.

    Raises:
        FetchError: it was not.
    """
    if sha256_of(path, ignore_progress) != sha256:
        path.unlink()
        raise FetchError(
            f"What came as {name} is not the right file: its sha256 does not fit. It is deleted; "
            "run the same command again, from another network if it happens twice."
        )


@contextmanager
def translate_disk_errors(folder: Path, needed: int) -> Iterator[None]:
    """Turn what the operating system says of a full or read-only disk into a sentence.

    Raises:
        DiskError: writing failed; `needed` bytes had been counted on.
    """
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            text = _disk_full_sentence(folder, needed)
        else:
            text = (
                f"The folder {folder} cannot be written ({error.strerror or error}). Make it "
                "writable, or choose another with --models-dir or FLOE_MODELS_DIR."
            )
        raise DiskError(text) from error


@contextmanager
def free_space(folder: Path, needed: int) -> Iterator[None]:
    """Look for `needed` free bytes before the first is fetched, and mind the disk from there on.

    Raises:
        DiskError: they are not there, or not any more.
    """
    if shutil.disk_usage(folder).free < needed:
        raise DiskError(_disk_full_sentence(folder, needed))
    with translate_disk_errors(folder, needed):
        yield


def _disk_full_sentence(folder: Path, needed: int) -> str:
    free = shutil.disk_usage(folder).free
    return (
        f"The disk is too full: {format_bytes(needed)} are needed in {folder}, "
        f"{format_bytes(free)} are free. Make room, or choose another folder with "
        "--models-dir or FLOE_MODELS_DIR; what has arrived is kept."
    )


def _headers(remote: Remote, span: str) -> dict[str, str]:
    return {**remote.headers, "Range": f"bytes={span}"}


def _first_byte(response: httpx.Response, have: int) -> int:
    """Return where the body begins in the file: at `have`, or at 0 if the range was ignored."""
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        raise httpx.RemoteProtocolError("the server sent another range than asked for")
    return have


def _total(response: httpx.Response) -> int:
    """Return the size of the whole file in bytes; -1 if the server does not say."""
    if response.status_code == httpx.codes.PARTIAL_CONTENT:
        text = response.headers.get("Content-Range", "").rpartition("/")[2]
    else:
        text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else -1


def _require_success(response: httpx.Response, remote: Remote) -> None:
    status = response.status_code
    if status in {httpx.codes.OK, httpx.codes.PARTIAL_CONTENT}:
        return
    if status in TRANSIENT_STATUSES:
        raise httpx.TransportError(f"the server answered {status}")
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise FetchError(
            f"The server refuses access to {remote.name} ({status}). {remote.login} Then try again."
        )
    if status in {httpx.codes.NOT_FOUND, httpx.codes.GONE}:
        raise FetchError(
            f"The server has no {remote.name} ({status}). Choose another model "
            "(`floe models list`) or give the path of a GGUF file of your own."
        )
    raise FetchError(f"The server answered {status} for {remote.name}. Try again later.")


def _wrong_size(remote: Remote, size: int, found: int) -> str:
    return (
        f"The server offers {found:,} bytes as {remote.name}, but it should be {size:,}. Something "
        "between here and there (a login page, a mirror) answers in its place: try another network."
    )


def _retrying(poll: Callable[[], None] = lambda: None) -> Retrying:
    """Try again after a while; `poll` is called meanwhile, and what it raises ends the wait."""

    def sleep(seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            poll()
            time.sleep(min(left, _WAIT_SLICE))

    return Retrying(
        retry=retry_if_exception_type(httpx.TransportError),
        stop=stop_after_attempt(MAX_ATTEMPTS),
        wait=RETRY_WAIT,
        sleep=sleep,
        reraise=True,
    )


@contextmanager
def _as_fetch_error(remote: Remote) -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise FetchError(
            f"{remote.name} did not arrive: {reason}. Check the network connection and run "
            "the same command again; what has arrived is kept."
        ) from error
