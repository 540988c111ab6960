"""The key and the conversation go to one origin, in the way that was meant, and nowhere else."""

import base64
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from floe.cloud.credentials.presets import PRESETS
from floe.cloud.endpoint import NotAnApiError
from floe.cloud.link import CloudLink
from floe.config import Settings
from floe.errors import CloudError
from tests.cloud.asking import KEY, Connect, ask, failure_of
from tests.cloud.conftest import read_all, text_of
from tests.cloud.quirky import Quirks, QuirkyServer
from tests.cloud.scripted import DONE, STOP, Connection, ScriptedServer, row_event, say
from tests.faults.server import FaultServer

Make = Callable[..., CloudLink]
OTHER_KEY = "sk-of-the-other-9876543210"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[CloudLink] = []

    def link(*flags: str) -> CloudLink:
        made.append(CloudLink(Settings.load([*flags, "--data-dir", str(tmp_path)])))
        return made[-1]

    yield link
    for each in made:
        each.close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def keys_of(server: QuirkyServer) -> set[str]:
    """What the server was shown."""
    return {request.headers.get("Authorization", "") for request in server.requests}


@pytest.mark.parametrize("source", ["flag", "file", "environment"])
def test_a_given_key_is_not_sent_to_an_address_that_is_chosen_or_tested_in_the_page(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for preset in PRESETS:
        if preset.key_variable:
            monkeypatch.setenv(preset.key_variable, OTHER_KEY)
    with QuirkyServer(Quirks(key=KEY)) as own, QuirkyServer(Quirks()) as other:
        monkeypatch.setenv("FLOE_CLOUD_KEY", KEY)
        flags = []
        if source == "flag":
            flags = ["--cloud", own.url]
        elif source == "file":
            (tmp_path / "floe.toml").write_text(f'cloud = "{own.url}"\n')
        else:
            monkeypatch.setenv("FLOE_CLOUD", own.url)
        link = make(*flags)
        link.connect()
        assert link.wait(20).usable
        assert keys_of(own) == {f"Bearer {KEY}"}
        assert link.test(other.url).complete
        link.configure(other.url)
        assert link.wait(20).usable
        # The same host by another name is another place, as far as anybody can tell.
        link.test(other.url.replace("127.0.0.1", "localhost"))
        assert keys_of(other) == {"Bearer no-key"}
        link.configure(own.url)
        assert link.wait(20).usable
        assert keys_of(own) == {f"Bearer {KEY}"}


def test_a_typed_key_is_for_the_address_that_it_was_typed_for(make: Make) -> None:
    with QuirkyServer(Quirks(key=KEY)) as own, QuirkyServer(Quirks()) as other:
        link = make("--cloud", "off")
        link.configure(own.url, key=SecretStr(KEY))
        assert link.wait(20).usable
        link.configure(other.url)
        assert link.wait(20).usable
        link.test(other.url)
    assert keys_of(other) == {"Bearer no-key"}


def test_a_key_that_is_chosen_while_another_cloud_is_connected_does_not_go_there(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with QuirkyServer(Quirks()) as first, QuirkyServer(Quirks(key=KEY)) as second:
        link = make("--cloud", "off")
        connecting, go_on = threading.Event(), threading.Event()
        drop = link._disconnect

        def slow_drop() -> None:
            connecting.set()
            go_on.wait(20)
            drop()

        monkeypatch.setattr(link, "_disconnect", slow_drop)
        link.configure(first.url)
        assert connecting.wait(20)
        link.configure(second.url, key=SecretStr(KEY))
        go_on.set()
        for _ in range(100):
            if link.wait(20).usable and link.choice.base_url == second.url:
                break
        assert keys_of(second) == {f"Bearer {KEY}"}
        assert keys_of(first) <= {"Bearer no-key"}


def test_no_key_travels_in_clear(connect: Connect, make: Make) -> None:
    for url in ("http://192.0.2.1/v1", "http://example.invalid/v1"):
        with pytest.raises(CloudError, match="not encrypted"):
            connect(url, key=KEY)
        link = make("--cloud", "off")
        with pytest.raises(CloudError, match="not encrypted"):
            link.configure(url, key=SecretStr(KEY))
        assert "not encrypted" in link.test(url, key=SecretStr(KEY)).findings[0]


def test_variables_of_the_openai_package_change_no_request(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OTHER_KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", OTHER_KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-private")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-private")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv(
        "OPENAI_CUSTOM_HEADERS", f"X-Private: of-mine\nAuthorization: Bearer {OTHER_KEY}"
    )
    answer = say(row_event("x"), STOP, DONE)
    for key in (KEY, ""):
        with ScriptedServer(answer) as server:
            client = connect(server.url, key=key)
            read_all(ask(client))
            with pytest.raises(CloudError):
                client.models()
        assert len(server.requests) == 2
        for request in server.requests:
            assert "private" not in request.head
            assert "of-mine" not in request.head
            assert OTHER_KEY not in request.head
            shown = [x for x in request.head.split("\r\n") if x.lower().startswith("authorization")]
            assert shown == [f"Authorization: Bearer {key or 'no-key'}"]


def test_cookies_are_not_given_back_and_nothing_compressed_is_asked_for(connect: Connect) -> None:
    def bake(connection: Connection) -> None:
        head = "200 OK\r\nSet-Cookie: visitor=4711; Path=/"
        connection.answer(row_event("x"), STOP, DONE, status=head)

    with ScriptedServer(bake) as server:
        client = connect(server.url)
        read_all(ask(client))
        read_all(ask(client))
    for request in server.requests:
        assert "4711" not in request.head
        assert "accept-encoding: identity" in request.head.lower()


def test_a_login_in_netrc_is_not_used(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("default login somebody password of-mine\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with ScriptedServer(say(row_event("x"), STOP, DONE)) as server:
        read_all(ask(connect(server.url, key=KEY)))
    assert base64.b64encode(b"somebody:of-mine").decode() not in server.requests[0].head
    assert f"Bearer {KEY}" in server.requests[0].head


# Proxies: a place that the person set, for the way to other machines


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_goes_through_no_proxy(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, name: str, host: str
) -> None:
    answer = say(row_event("x"), STOP, DONE)
    with ScriptedServer(answer) as proxy, ScriptedServer(answer) as server:
        monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
        client = connect(server.url.replace("127.0.0.1", host), key=KEY)
        assert text_of(read_all(ask(client))) == "x"
        assert proxy.requests == []


def test_a_proxy_learns_no_key_and_of_https_not_even_the_words(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer() as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://somebody:of-mine@127.0.0.1:{proxy.port}")
        stream = ask(connect("https://cloud.invalid/v1", key=KEY))
        sentence = str(failure_of(stream))
        assert "of-mine" not in sentence
        ask_in_clear = connect("http://cloud.invalid/v1")
        assert text_of(read_all(ask(ask_in_clear))) == " The cloud says so."
        tunnel, clear = proxy.requests[0], proxy.requests[-1]
        assert tunnel.startswith(b"CONNECT cloud.invalid:443")
        assert b"colours" not in tunnel
        assert clear.startswith(b"POST http://cloud.invalid/v1/chat/completions")
        assert KEY.encode() not in b"".join(proxy.requests)


def test_a_host_that_needs_no_proxy_gets_none(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer() as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "cloud.invalid")
        error = failure_of(ask(connect("https://cloud.invalid/v1", key=KEY)))
        assert "cannot be reached" in str(error)
        assert proxy.requests == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "ftp://somebody:of-mine@proxy"),
        ("SSL_CERT_FILE", "/nowhere/of-mine.pem"),
    ],
)
def test_a_proxy_or_certificates_that_are_none_are_a_sentence(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(CloudError, match="proxy or certificates cannot be used") as caught:
        connect("https://cloud.invalid/v1", key=KEY)
    assert "of-mine" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_request_to_another_origin_is_not_made(connect: Connect) -> None:
    """Whatever the address of the API makes of a path: the hook looks at where it really goes."""
    with ScriptedServer(say(STOP, DONE)) as other, ScriptedServer(say(STOP, DONE)) as own:
        client = connect(own.url, key=KEY)

        async def go_astray() -> Any:
            return await client._client.get(f"{other.url}/models", cast_to=object)

        with pytest.raises(NotAnApiError):
            client._call(go_astray())
        assert other.requests == []
