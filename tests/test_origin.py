"""What an origin is: the place that is shown, looked up and connected to is one and the same."""

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe.config import Settings
from floe.errors import CloudError, FloeError
from floe.origin import origin_of, parse_address

SAME = (
    ("https://api.openai.com/v1", "https://API.OpenAI.com:443/other"),
    ("https://api.openai.com/v1", "HTTPS://api.openai.com./v1"),
    ("http://localhost/v1", "http://LOCALHOST:80"),
    ("http://[::1]:8000/v1", "http://[0:0:0:0:0:0:0:1]:8000/v1"),
    ("https://münchen.example/v1", "https://xn--mnchen-3ya.example/v1"),
    ("https://MÜNCHEN.example/v1", "https://münchen.example/v1"),
    # Full-width letters and digits are other signs for the same name, to a browser and here.
    ("https://ａｐｉ.openai.com/v1", "https://api.openai.com/v1"),  # noqa: RUF001
)
DIFFERENT = (
    ("https://api.openai.com/v1", "http://api.openai.com/v1"),
    ("https://api.openai.com/v1", "https://api.openai.com:8443/v1"),
    ("https://api.openai.com/v1", "https://api.openai.com.example.net/v1"),
    ("https://api.openai.com/v1", "https://openai.com/v1"),
    ("http://localhost:1/v1", "http://127.0.0.1:1/v1"),
    ("https://арi.openai.com/v1", "https://api.openai.com/v1"),  # noqa: RUF001 - Cyrillic letters
)
REFUSED = (
    "",
    "api.openai.com/v1",
    "javascript:alert(1)",
    "javascript://api.openai.com/%0aalert(1)",
    "ftp://api.openai.com/v1",
    "file:///etc/passwd",
    "data:text/html,x",
    "//api.openai.com/v1",
    "https:/api.openai.com",
    "https://",
    "http://:80/v1",
    "https://user@api.openai.com/v1",
    "https://user:password@api.openai.com/v1",
    "https://api.openai.com@example.net/v1",
    "https://api.openai.com\\@example.net/v1",
    "https://api.openai.com#@example.net/v1",
    "https://api.openai.com/v1?key=secret",
    "https://api.openai.com/v1#secret",
    "https://api.openai.com/v1\\..",
    " https://api.openai.com/v1",
    "https://api.openai.com/v 1",
    "https://api.openai.com/v1\n",
    "https://api\t.openai.com/v1",
    "https://api.openai.com:0/v1",
    "https://api.openai.com:65536/v1",
    "https://api.openai.com:-1/v1",
    "https://api.openai.com:٨٠/v1",
    "https://api..openai.com/v1",
    "https://-api.openai.com/v1",
    "https://%61pi.openai.com/v1",
    "http://127.1/v1",
    "http://0x7f.1/v1",
    "http://0177.0.0.1/v1",
    "http://2130706433/v1",
    "http://127.0.0.1.1/v1",
    "http://[::1/v1",
    "http://[fe80::1%eth0]/v1",
    "http://[::g]/v1",
    "https://" + "a" * 64 + ".example/v1",
    "https://api.openai.com/" + "v" * 3000,
)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_origin(one: str, other: str) -> None:
    assert origin_of(one) == origin_of(other) is not None


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_origins(one: str, other: str) -> None:
    assert origin_of(one) != origin_of(other)
    assert None not in (origin_of(one), origin_of(other))


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_no_address_or_holds_a_secret_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(CloudError, match=r"^The cloud's address ") as caught:
        parse_address(address)
    assert origin_of(address) is None
    for secret in ("password", "secret", "user"):
        if secret in address:
            assert f"{secret}@" not in str(caught.value)
            assert f"={secret}" not in str(caught.value)


@pytest.mark.parametrize("address", [each for each in REFUSED if each and each.strip() == each])
def test_the_setting_is_refused_at_the_door(address: str) -> None:
    with pytest.raises(FloeError, match=r"cloud: The cloud's address .* Or 'stand-in', or 'off'"):
        Settings.load(cloud=address)


def test_a_model_name_without_an_end_is_refused() -> None:
    with pytest.raises(FloeError, match="cloud_model"):
        Settings.load(cloud_model="m" * 100_000)


def test_a_key_that_was_typed_as_an_unknown_flag_is_not_repeated() -> None:
    for words in (["--cloudkey", "sk-secret"], ["--cloud-kye=sk-secret"], ["sk-secret"]):
        with pytest.raises(FloeError, match="unrecognized arguments") as caught:
            Settings.load(words)
        assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "loopback", "safe"),
    [
        ("http://127.0.0.1:8000/v1", True, True),
        ("http://127.9.9.9/v1", True, True),
        ("http://localhost/v1", True, True),
        ("http://[::1]/v1", True, True),
        ("http://[::ffff:127.0.0.1]/v1", True, True),
        ("http://192.168.0.1/v1", False, False),
        ("http://0.0.0.0/v1", False, False),
        ("http://localhost.example/v1", False, False),
        ("http://api.openai.com/v1", False, False),
        ("https://api.openai.com/v1", False, True),
    ],
)
def test_where_nobody_can_listen(address: str, loopback: bool, safe: bool) -> None:
    origin = parse_address(address).origin
    assert (origin.on_loopback, origin.keeps_secrets) == (loopback, safe)


AUTHORITIES = st.text(
    st.sampled_from("abcAB012.-_:@[]\\/?#%& \t\nü・。．①x"),  # noqa: RUF001
    max_size=24,
) | st.from_regex(r"[a-z0-9.\-_]{1,20}(:[0-9]{1,6})?", fullmatch=True)


@given(st.sampled_from(["http", "https", "HTTP", "ws", "javascript"]), AUTHORITIES, st.text())
def test_the_client_connects_to_the_origin_that_was_read(
    scheme: str, authority: str, rest: str
) -> None:
    try:
        address = parse_address(f"{scheme}://{authority}/{rest}")
    except CloudError:
        return
    origin = address.origin
    url = httpx2.URL(str(address))
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    host = url.raw_host.decode()
    assert (url.scheme, host, port) == (origin.scheme, origin.host, origin.port)
    assert url.userinfo == url.query == b""
    assert url.fragment == ""
    # To read what was read changes nothing.
    assert parse_address(str(address)) == address
    assert origin.host.isascii()
