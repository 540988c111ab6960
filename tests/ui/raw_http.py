"""Requests that no HTTP library would send, to the running app."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from floe.ui.serving.access import KEY_HEADER, AccessKeys
from tests.ui.conftest import App

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class RawAnswer:
    """Status, headers in lower case, and at most the first megabyte of the body."""

    status: int
    headers: dict[str, str]
    body: bytes


def keys_of(app: App) -> AccessKeys:
    """What lets somebody in, as whoever sees the terminal has it."""
    found = re.fullmatch(r"http://(127\.0\.0\.1:\d+)/\?token=([\w-]{43})", app.url)
    assert found
    return AccessKeys(found[2], found[1])


def let_in(keys: AccessKeys) -> list[tuple[str, str]]:
    """The headers with which the page itself asks."""
    return [
        ("Cookie", f"{keys.cookie_name}={keys.cookie}"),
        (KEY_HEADER, keys.key),
        ("Sec-Fetch-Site", "same-origin"),
    ]


def send_raw(
    keys: AccessKeys,
    method: str,
    target: str,
    headers: Pairs = (),
    *,
    hosts: Sequence[str] | None = None,
    body: bytes = b"",
    seconds: float = 20.0,
) -> RawAnswer:
    """Ask once; an answer that never ends is left after its headers have come."""
    name, port = keys.host.split(":")
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"Host: {host}" for host in ([keys.host] if hosts is None else hosts)]
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    lines += ["Connection: close", "", ""]
    with socket.create_connection((name, int(port)), timeout=seconds) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1") + body)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> RawAnswer:
    """Read an answer from the socket."""
    got = b""
    while b"\r\n\r\n" not in got and (more := connection.recv(65536)):
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(": ") for line in rest]
    headers = {name.lower(): value for name, _, value in pairs}
    if "text/event-stream" not in headers.get("content-type", ""):
        while len(body) < 2**20 and (more := connection.recv(65536)):
            body += more
    return RawAnswer(int(first.split()[1]), headers, body)
