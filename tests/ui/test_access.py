"""Access control on made-up requests: who gets through, and with what."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from floe.errors import FloeError
from floe.request_checks import LARGEST_HEADERS, LONGEST_TARGET
from floe.ui.serving.access import (
    KEY_HEADER,
    NONCE,
    TOKEN_FILE,
    AccessControl,
    AccessKeys,
    OpenRoute,
    load_token,
)
from tests.coroutines import run_coroutine
from tests.tiers import examples

KEYS = AccessKeys("a" * 43, "127.0.0.1:7860")
ROUTES = (
    OpenRoute("GET", "/", key=False),
    OpenRoute("GET", "/assets/[a-z.]+", key=False, lasting=True),
    OpenRoute("GET", "/events"),
    OpenRoute("POST", "/run", 100),
)
JSON = ("content-type", "application/json")
COOKIE = ("cookie", f"other=1; {KEYS.cookie_name}={KEYS.cookie}")
KEY = (KEY_HEADER, KEYS.key)
OWN = ("sec-fetch-site", "same-origin")


class Inner:
    """What lies behind the access control: notes what it is asked and answers 200."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] != "http":
            return
        self.bodies.append((await receive())["body"])
        headers = [
            (b"access-control-allow-origin", b"*"),
            (b"access-control-allow-credentials", b"true"),
            (b"cache-control", b"max-age=60"),
            (b"content-security-policy", b"default-src *"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"the chats"})


class Answer:
    def __init__(self, inner: Inner, sent: list[Message]) -> None:
        self.passed = bool(inner.scopes)
        self.inner = inner
        self.sent = sent
        self.status: int = sent[0]["status"] if sent and "status" in sent[0] else 0
        pairs = sent[0].get("headers", []) if sent else []
        self.headers = {name.decode(): value.decode() for name, value in pairs}
        self.body = b"".join(message.get("body", b"") for message in sent[1:]).decode()


def ask(
    *headers: tuple[str, str],
    method: str = "GET",
    target: str = "/",
    host: str | None = KEYS.host,
    chunks: tuple[bytes, ...] = (b"",),
    **changes: Any,
) -> Answer:
    path, _, query = target.partition("?")
    pairs = ([] if host is None else [("host", host)]) + list(headers)
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs],
        **changes,
    }
    coming: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks) - 1}
        for number, chunk in enumerate(chunks)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    inner = Inner()
    run_coroutine(AccessControl(inner, KEYS, ROUTES)(scope, receive, send))
    return Answer(inner, sent)


def test_the_page_itself_gets_through() -> None:
    assert ask(COOKIE, ("sec-fetch-site", "none")).passed
    assert ask(COOKIE, OWN).passed
    assert ask(COOKIE, KEY, OWN, target="/events?session_hash=1").passed
    post = ask(COOKIE, KEY, OWN, JSON, method="POST", target="/run", chunks=(b'{"a"', b": 1}"))
    assert post.inner.bodies == [b'{"a": 1}']
    assert post.body == "the chats"


def test_a_browser_that_says_nothing_of_where_a_request_comes_from_gets_through() -> None:
    origin = ("origin", KEYS.origin)
    assert ask(COOKIE).passed
    assert ask(COOKIE, KEY, target="/events").passed
    assert ask(COOKIE, KEY, JSON, origin, method="POST", target="/run").passed
    assert not ask(COOKIE, KEY, JSON, method="POST", target="/run").passed


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "rebind.example",
        "rebind.example:7860",
        "127.0.0.1",
        "127.0.0.1:7861",
        "127.0.0.1:7860.",
        "127.0.0.1.:7860",
        "127.0.0.1:07860",
        "localhost:7860",
        "[::1]:7860",
        "0.0.0.0:7860",
        "127.1:7860",
        "2130706433:7860",
        "user@127.0.0.1:7860",
        "127.0.0.1:7860, 127.0.0.1:7860",
    ],
)
def test_another_host_gets_nothing(host: str | None) -> None:
    for headers in ([COOKIE, KEY, OWN], []):
        answer = ask(*headers, host=host)
        assert (answer.passed, answer.status) == (False, 403)
    # not even somebody who has the token
    assert ask(target=f"/?token={KEYS.token}", host=host).status == 403


def test_two_hosts_get_nothing() -> None:
    assert not ask(("host", KEYS.host), COOKIE, KEY, OWN).passed
    assert not ask(("Host", "rebind.example"), COOKIE, KEY, OWN).passed


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://127.0.0.1:7860",
        "http://127.0.0.1",
        "http://127.0.0.1:9",
        "http://localhost:7860",
        "http://evil.example",
        "http://127.0.0.1:7860.evil.example",
        "http://127.0.0.1:7860/",
        "file://",
    ],
)
def test_another_origin_gets_nothing_and_no_leave_to_read(origin: str) -> None:
    for method, target in (("GET", "/"), ("GET", "/events"), ("POST", "/run"), ("OPTIONS", "/run")):
        answer = ask(("origin", origin), COOKIE, KEY, OWN, JSON, method=method, target=target)
        assert (answer.passed, answer.status) == (False, 403)
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_two_origins_get_nothing() -> None:
    own = ("origin", KEYS.origin)
    assert not ask(own, own, COOKIE, KEY, OWN).passed


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "", "same-origin, none"])
@pytest.mark.parametrize("target", ["/", "/assets/a.js", "/events", "/run"])
def test_what_another_page_sends_gets_nothing(site: str, target: str) -> None:
    method = "POST" if target == "/run" else "GET"
    told = ("sec-fetch-site", site)
    answer = ask(COOKIE, KEY, JSON, told, method=method, target=target)
    # the address that a person types is the one thing that comes from nowhere
    assert answer.passed == (site == "none" and target == "/")


def test_a_preflight_never_succeeds() -> None:
    asked = ("access-control-request-method", "POST")
    for origin in (KEYS.origin, "http://evil.example"):
        answer = ask(("origin", origin), asked, COOKIE, KEY, OWN, method="OPTIONS", target="/run")
        assert (answer.passed, answer.status) == (False, 403)


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        f"{KEYS.cookie_name}=",
        f"{KEYS.cookie_name}={KEYS.cookie[:-1]}",
        f"{KEYS.cookie_name}={KEYS.token}",
        f"{KEYS.cookie_name}={KEYS.key}",
        f"x{KEYS.cookie_name}={KEYS.cookie}",
        f"floe-7861={KEYS.cookie}",
        f"{KEYS.cookie_name}=\xe4",
    ],
)
def test_without_the_cookie_everything_is_closed(cookie: str) -> None:
    for method, target in (("GET", "/"), ("GET", "/assets/a.js"), ("POST", "/run"), ("GET", "/x")):
        answer = ask(("cookie", cookie), KEY, OWN, JSON, method=method, target=target)
        assert (answer.passed, answer.status) == (False, 403)
        assert "address" in answer.body


def test_a_cookie_that_another_port_has_set_does_not_lock_anybody_out() -> None:
    name, good = KEYS.cookie_name, KEYS.cookie
    assert ask(("cookie", f"{name}=evil; {name}={good}; {name}=evil"), OWN).passed


def test_the_cookie_alone_which_other_ports_are_sent_too_gives_no_data() -> None:
    assert ask(COOKIE, OWN).passed  # the empty page
    for key in ("", KEYS.key[:-1], KEYS.token, KEYS.cookie, "\xe4"):
        assert not ask(COOKIE, (KEY_HEADER, key), OWN, target="/events").passed
    assert not ask(COOKIE, OWN, target="/events").passed
    assert not ask(COOKIE, OWN, JSON, method="POST", target="/run").passed


def test_the_keys_of_one_port_are_good_for_no_other() -> None:
    other = AccessKeys(KEYS.token, "127.0.0.1:7861")
    values = {KEYS.token, KEYS.cookie, KEYS.key, other.cookie, other.key}
    assert len(values) == 5
    assert other.cookie_name != KEYS.cookie_name


def test_the_token_is_exchanged_for_cookie_and_key_and_leaves_the_address() -> None:
    for site in ("none", "cross-site", "same-origin"):
        navigation = (("sec-fetch-site", site), ("sec-fetch-dest", "document"))
        answer = ask(*navigation, target=f"/?token={KEYS.token}")
        assert answer.status == 200
        assert not answer.passed
        cookie = answer.headers["set-cookie"]
        assert cookie == f"floe-7860={KEYS.cookie}; Path=/; HttpOnly; SameSite=Strict"
        assert 'location.replace("/")' in answer.body
        assert KEYS.token not in answer.body
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-dns-prefetch-control"] == "off"
        assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "target",
    [
        "/?token=",
        "/?token=" + "b" * 43,
        f"/?token={KEYS.token}x",
        f"/?token={KEYS.token}&next=//evil.example",
        f"/?x=1&token={KEYS.token}",
        f"/events?token={KEYS.token}",
        "/?token=%E4",
    ],
)
def test_another_token_is_exchanged_for_nothing(target: str) -> None:
    answer = ask(target=target)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


def test_the_token_opens_no_frame_and_nothing_inside_a_page() -> None:
    for kind in ("iframe", "script", "image", "empty"):
        answer = ask(("sec-fetch-dest", kind), target=f"/?token={KEYS.token}")
        assert answer.status == 403


WRONG: dict[str, st.SearchStrategy[str | None]] = {
    "host": st.one_of(st.none(), st.text("0127.:localhst[]@", max_size=20)),
    "origin": st.one_of(st.just("null"), st.text("htp:/127.0860nul", max_size=24)),
    "sec-fetch-site": st.one_of(st.sampled_from(["none", "cross-site", "same-site"]), st.text()),
    "cookie": st.one_of(
        st.none(), st.text("floe-7860=;abcdef ", max_size=90), st.just(f"floe-7860={KEYS.key}")
    ),
    KEY_HEADER: st.one_of(st.none(), st.text("abcdef0123", max_size=64), st.just(KEYS.cookie)),
}
RIGHT = {
    "host": KEYS.host,
    "origin": KEYS.origin,
    "sec-fetch-site": "same-origin",
    "cookie": COOKIE[1],
    KEY_HEADER: KEYS.key,
}


@settings(max_examples=examples(500), deadline=None)
@given(data=st.data(), wrong=st.sets(st.sampled_from(sorted(WRONG))))
def test_one_wrong_part_is_enough_to_be_refused(data: st.DataObject, wrong: set[str]) -> None:
    parts: dict[str, str | None] = dict(RIGHT)
    for name in wrong:
        parts[name] = data.draw(WRONG[name])
    differ = any(parts[name] != RIGHT[name] for name in wrong)
    said = {name: value for name, value in parts.items() if value is not None}
    headers = [(name, value.encode().decode("latin-1")) for name, value in said.items()]
    method, target = data.draw(st.sampled_from([("GET", "/events"), ("POST", "/run")]))
    answer = ask(*headers, JSON, method=method, target=target, host=None)
    assert answer.passed == (not differ)
    assert answer.status == (403 if differ else 200)


def test_only_listed_routes_are_open() -> None:
    for method, target in (
        ("GET", "/config"),
        ("HEAD", "/"),
        ("PUT", "/run"),
        ("POST", "/"),
        ("GET", "/run"),
        ("GET", "/assets/../events"),
        ("GET", "/assets/"),
        ("GET", "//"),
        ("GET", "/events/"),
        ("GET", "http://127.0.0.1:7860/events"),
        ("GET", "http://evil.example/"),
        ("GET", "*"),
        ("TRACE", "/"),
    ):
        answer = ask(COOKIE, KEY, OWN, method=method, target=target)
        assert (answer.passed, answer.status) == (False, 403), (method, target)
    disguised = ask(COOKIE, KEY, OWN, target="/events", raw_path=b"/%65vents")
    assert not disguised.passed
    newline = ask(COOKIE, KEY, OWN, target="/events\n")
    assert not newline.passed


def test_a_websocket_is_closed() -> None:
    answer = ask(COOKIE, KEY, OWN, type="websocket")
    assert answer.sent == [{"type": "websocket.close", "code": 1008}]
    assert not answer.passed
    assert not ask(COOKIE, KEY, OWN, ("upgrade", "websocket"), target="/events").passed


def test_starting_and_stopping_passes() -> None:
    assert ask(type="lifespan").passed


@pytest.mark.parametrize(
    ("headers", "chunks", "status"),
    [
        ([("content-length", "100")], (b"x" * 100,), 200),
        ([("content-length", "101")], (b"",), 413),
        ([("content-length", "9" * 30)], (b"",), 413),
        ([("content-length", "-1")], (b"",), 413),
        ([("content-length", "\xb2")], (b"",), 413),
        ([("transfer-encoding", "chunked")], (b"x" * 60, b"x" * 40), 200),
        ([("transfer-encoding", "chunked")], (b"x" * 60, b"x" * 41), 413),
        ([("transfer-encoding", "chunked")], (b"x" * 60, b"x" * 41, b"x" * 10**6), 413),
    ],
)
def test_a_body_is_taken_up_to_its_limit(
    headers: list[tuple[str, str]], chunks: tuple[bytes, ...], status: int
) -> None:
    answer = ask(COOKIE, KEY, OWN, JSON, *headers, method="POST", target="/run", chunks=chunks)
    assert answer.status == status
    assert answer.passed == (status == 200)
    if status == 413:
        assert json.loads(answer.body)["error"].endswith("at most 100 bytes here.")
        assert answer.headers["connection"] == "close"


def test_a_body_is_json_and_comes_only_where_one_is_expected() -> None:
    length = ("content-length", "5")
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/x-json"):
        typed = ("content-type", kind)
        sent = ask(
            COOKIE, KEY, OWN, typed, length, method="POST", target="/run", chunks=(b"hello",)
        )
        assert (sent.passed, sent.status) == (False, 415)
    assert ask(COOKIE, KEY, OWN, JSON, length, target="/events", chunks=(b"hello",)).status == 413


def test_a_browser_that_leaves_in_mid_body_is_asked_no_more() -> None:
    answer = ask(COOKIE, KEY, OWN, JSON, method="POST", target="/run", chunks=())
    assert not answer.passed
    assert answer.sent == []


def test_addresses_and_headers_are_bounded() -> None:
    assert ask(COOKIE, KEY, OWN, target="/events?" + "x" * LONGEST_TARGET).status == 414
    assert ask(COOKIE, KEY, OWN, ("x", "y" * LARGEST_HEADERS)).status == 431


def test_what_is_behind_sees_neither_secrets_nor_what_a_proxy_would_say() -> None:
    said = [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=evil.example"),
        ("x-gradio-server", "http://evil.example"),
        ("origin", KEYS.origin),
        ("accept", "text/html"),
    ]
    [scope] = ask(COOKIE, KEY, OWN, *said, target="/events").inner.scopes
    assert {name for name, _ in scope["headers"]} == {b"host", b"sec-fetch-site", b"accept"}


def test_every_answer_carries_our_headers_and_no_leave_for_others() -> None:
    for answer in (ask(COOKIE, OWN), ask(COOKIE, KEY, OWN, target="/events"), ask()):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'unsafe-inline'" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
    assert ask(COOKIE, OWN, target="/assets/a.js").headers["cache-control"] == "max-age=60"


def test_scripts_are_marked_by_a_word_that_is_new_for_each_answer() -> None:
    words = set()
    for _ in range(2):
        answer = ask(COOKIE, OWN)
        [scope] = answer.inner.scopes
        assert f"'nonce-{scope[NONCE]}'" in answer.headers["content-security-policy"]
        words.add(scope[NONCE])
    assert len(words) == 2


def test_the_token_is_kept_where_nobody_else_reads_it(tmp_path: Path) -> None:
    token = load_token(tmp_path)
    path = tmp_path / TOKEN_FILE
    assert len(token) == 43
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_token(tmp_path) == token
    assert [*tmp_path.iterdir()] == [path]


def test_a_token_that_others_could_have_read_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / TOKEN_FILE
    token = load_token(tmp_path)
    path.chmod(0o644)
    second = load_token(tmp_path)
    assert second != token
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("short")
    third = load_token(tmp_path)
    assert third not in {"short", second}
    # a link may lead to a file that somebody else made
    (tmp_path / "theirs").write_text("c" * 43)
    (tmp_path / "theirs").chmod(0o600)
    path.unlink()
    path.symlink_to(tmp_path / "theirs")
    assert load_token(tmp_path) != "c" * 43
    assert not path.is_symlink()


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FloeError, match="--data-dir"):
        load_token(tmp_path / "nowhere")


def test_it_knows_nothing_of_gradio() -> None:
    code = (
        "import sys, floe.ui.serving.routes, floe.ui.serving.temporary\n"
        "print('gradio' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
