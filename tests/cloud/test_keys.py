import logging
import os
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, PasswordDeleteError
from pydantic import SecretStr

from floe.child_environment import drop_secrets
from floe.cloud.credentials.keys import SERVICE, VARIABLES, Keys
from floe.cloud.credentials.presets import PRESETS, Preset, preset_by_id, preset_of
from floe.config import Settings
from floe.errors import CloudError
from floe.origin import origin_of

KEY = "sk-very-secret-0123456789"
OPENAI = "https://api.openai.com/v1"


class MemoryKeyring(KeyringBackend):
    """A keyring as an operating system would have it, for the time of a test."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.kept:
            raise PasswordDeleteError("none")
        del self.kept[service, username]


class LockedKeyring(MemoryKeyring):
    """One that refuses, and repeats in its words what it was given."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked(f"cannot keep {password}")

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("locked")


@pytest.fixture(autouse=True)
def _own_keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = keyring.get_keyring()
    for preset in PRESETS:
        if preset.key_variable:
            monkeypatch.delenv(preset.key_variable, raising=False)
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


@pytest.fixture
def memory() -> MemoryKeyring:
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    return backend


def plain(key: SecretStr) -> str:
    return key.get_secret_value()


def test_key_is_kept_in_the_keyring_and_found_by_the_next_run(memory: MemoryKeyring) -> None:
    assert "system's keyring" in Keys().location(OPENAI)
    sentence = Keys().save(OPENAI, SecretStr(f" {KEY}\n"))
    assert sentence == "The key is kept in this system's keyring."
    assert memory.kept == {(SERVICE, "https://api.openai.com"): KEY}
    assert plain(Keys().load(OPENAI)) == KEY
    Keys().delete(OPENAI)
    assert memory.kept == {}
    assert plain(Keys().load(OPENAI)) == ""
    Keys().delete(OPENAI)


def test_empty_key_forgets_the_old_one(memory: MemoryKeyring) -> None:
    keys = Keys()
    keys.save(OPENAI, SecretStr(KEY))
    keys.save(OPENAI, SecretStr(" "))
    assert memory.kept == {}
    assert plain(keys.load(OPENAI)) == ""


def test_key_belongs_to_one_origin(memory: MemoryKeyring) -> None:
    keys = Keys()
    keys.save("https://api.deepseek.com/beta", SecretStr(KEY))
    assert plain(keys.load("https://API.deepseek.com/v1")) == KEY
    for other in (
        "http://api.deepseek.com/beta",
        "https://api.deepseek.com:8443/beta",
        "https://api.deepseek.com.example.net/beta",
        "https://api.deepseek.com@example.net/beta",
    ):
        assert plain(keys.load(other)) == ""


@pytest.mark.parametrize("backend", [fail.Keyring, null.Keyring, LockedKeyring])
def test_without_a_keyring_the_key_lasts_until_the_end(backend: type[KeyringBackend]) -> None:
    keyring.set_keyring(backend())
    keys = Keys()
    assert plain(keys.load(OPENAI)) == ""
    sentence = keys.save(OPENAI, SecretStr(KEY))
    assert sentence == keys.location(OPENAI)
    assert "until Floe ends" in sentence
    assert "FLOE_CLOUD and FLOE_CLOUD_KEY, or OPENAI_API_KEY" in sentence
    assert plain(keys.load(OPENAI)) == KEY
    assert plain(Keys().load(OPENAI)) == ""
    keys.delete(OPENAI)
    assert plain(keys.load(OPENAI)) == ""


def test_missing_keyring_is_said_before_a_key_is_typed() -> None:
    assert Keys().location(OPENAI).startswith("A key typed above lasts until Floe ends")


def test_a_typed_key_comes_before_a_given_one_and_that_before_the_services_own(
    monkeypatch: pytest.MonkeyPatch, memory: MemoryKeyring
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-service")
    assert plain(Keys().load(OPENAI)) == "of-the-service"
    assert Keys().location(OPENAI) == "The key comes from the environment variable OPENAI_API_KEY."
    monkeypatch.setenv("FLOE_CLOUD_KEY", "of-floe")
    keys = Keys(Settings.load(cloud=OPENAI))
    assert plain(keys.load(OPENAI)) == "of-floe"
    assert "flag, the environment or floe.toml" in keys.location(OPENAI)
    keys.save(OPENAI, SecretStr(KEY))
    assert plain(keys.load(OPENAI)) == KEY
    # At the next start, what is set from outside wins again.
    assert plain(Keys(Settings.load(cloud=OPENAI)).load(OPENAI)) == "of-floe"
    assert plain(Keys().load(OPENAI)) == KEY


MISTRAL, LOCAL = "https://api.mistral.ai/v1", "http://127.0.0.1:8000/v1"
# What the flags, the environment and floe.toml say (address, key), and the address that the key
# which counts is for; None: no address at all.
BINDINGS = [
    # The README's first example.
    ({"env": (None, KEY), "flag": (OPENAI, None)}, OPENAI),
    ({"env": (None, KEY), "file": (OPENAI, None)}, OPENAI),
    ({"env": (None, KEY), "env2": (OPENAI, None)}, OPENAI),
    ({"env": (OPENAI, KEY)}, OPENAI),
    ({"file": (OPENAI, KEY)}, OPENAI),
    ({"flag": (OPENAI, KEY)}, OPENAI),
    ({"flag": (None, KEY), "env": (OPENAI, None)}, OPENAI),
    ({"flag": (None, KEY), "file": (OPENAI, None)}, OPENAI),
    # A stronger source names another address: the key stays with the one beside it.
    ({"env": (OPENAI, KEY), "flag": (MISTRAL, None)}, OPENAI),
    ({"file": (OPENAI, KEY), "flag": (MISTRAL, None)}, OPENAI),
    ({"file": (OPENAI, KEY), "env": (MISTRAL, None)}, OPENAI),
    ({"file": (OPENAI, KEY), "flag": (LOCAL, None)}, OPENAI),
    ({"file": (OPENAI, KEY), "flag": ("off", None)}, OPENAI),
    # A stronger source has a key of its own: the weaker one's address says nothing of it.
    ({"flag": (MISTRAL, KEY), "env": (OPENAI, "other-key"), "file": (LOCAL, "third-key")}, MISTRAL),
    ({"env": (MISTRAL, KEY), "file": (OPENAI, "other-key")}, MISTRAL),
    ({"env": (None, KEY), "file": (OPENAI, "other-key"), "flag": (MISTRAL, None)}, MISTRAL),
    ({"flag": (None, KEY), "file": (OPENAI, "other-key"), "env": (MISTRAL, None)}, MISTRAL),
    # No address: whatever is chosen in the page, it was not given for that.
    ({"env": (None, KEY)}, None),
    ({"file": (None, KEY)}, None),
    ({"flag": (None, KEY)}, None),
    ({"env": ("stand-in", KEY)}, None),
    ({"env": ("off", KEY), "flag": (MISTRAL, None)}, None),
    # In clear over a network: not even there.
    ({"env": ("http://192.168.1.7:8000/v1", KEY)}, None),
    ({"env": ("http://api.openai.com/v1", KEY)}, None),
]
PLACES = (
    OPENAI,
    MISTRAL,
    LOCAL,
    "https://api.openai.com:8443/v1",
    "http://api.openai.com/v1",
    "http://localhost:8000/v1",
    "http://127.0.0.1:8001/v1",
    "https://127.0.0.1:8000/v1",
    "http://192.168.1.7:8000/v1",
    "https://api.openai.com.example.net/v1",
    "https://api.openai.com@example.net/v1",
    "https://user:password@api.openai.com/v1",
    "stand-in",
    "off",
    "",
)


@pytest.mark.parametrize(("said", "place"), BINDINGS)
def test_a_key_goes_to_the_origin_that_it_was_given_for_and_to_none_else(
    said: dict[str, tuple[str | None, str | None]],
    place: str | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    flags: list[str] = []
    lines: list[str] = []
    for source, (address, key) in said.items():
        for name, value in (("cloud", address), ("cloud_key", key)):
            if value is None:
                continue
            if source == "flag":
                flags.append(f"--{name.replace('_', '-')}={value}")
            elif source == "file":
                lines.append(f'{name} = "{value}"')
            else:
                monkeypatch.setenv(f"FLOE_{name.upper()}", value)
    (tmp_path / "floe.toml").write_text("\n".join(lines))
    keys = Keys(Settings.load(flags))
    for other in PLACES:
        assert plain(keys.load(other)) == (KEY if other == place else ""), other
    if place is not None:
        assert "flag, the environment or floe.toml" in keys.location(place)
        if place != MISTRAL:
            assert f"is for {place.removesuffix('/v1')} alone" in keys.location(MISTRAL)
    assert KEY not in "".join(map(keys.location, PLACES)) + repr(vars(keys))


def test_a_key_without_an_address_is_said_to_be_of_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOE_CLOUD_KEY", KEY)
    assert "say which with FLOE_CLOUD" in Keys(Settings.load()).location(OPENAI)


@pytest.mark.parametrize("preset", [each for each in PRESETS if each.key_variable])
def test_a_services_variable_is_for_that_service_alone(
    preset: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(preset.key_variable, KEY)
    keys = Keys(Settings.load())
    for other in (*(each.base_url for each in PRESETS), *PLACES):
        shares = origin_of(other) == origin_of(preset.base_url)
        assert plain(keys.load(other)) == (KEY if shares else ""), other
    host = preset.base_url.removeprefix("https://").partition("/")[0]
    for near in (f"http://{host}", f"https://{host}:444", f"https://{host}.", f"https://a.{host}"):
        expected = KEY if near.endswith(".") else ""  # a dot at the end is the same name
        assert plain(keys.load(near)) == expected


def test_the_services_variables_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    keys = Keys()
    drop_secrets(os.environ, VARIABLES)
    assert "OPENAI_API_KEY" not in os.environ
    assert plain(keys.load(OPENAI)) == KEY


@pytest.mark.parametrize(
    "key", ["two words", "schlüssel", "a\nb", "a\r\nX-Other: b", "\0", "x" * 5000]
)
def test_what_cannot_be_a_key_is_told_and_not_repeated(key: str, memory: MemoryKeyring) -> None:
    with pytest.raises(CloudError, match="This is no key") as caught:
        Keys().save(OPENAI, SecretStr(key))
    assert key.strip() not in str(caught.value)
    assert memory.kept == {}


def test_no_key_is_kept_for_a_place_where_it_would_travel_in_clear(memory: MemoryKeyring) -> None:
    memory.kept[SERVICE, "http://192.168.1.7"] = KEY  # by an older version
    for clear in ("http://192.168.1.7/v1", "http://example.net/v1"):
        with pytest.raises(CloudError, match="not encrypted"):
            Keys().save(clear, SecretStr(KEY))
        assert plain(Keys().load(clear)) == ""
        assert "not encrypted" in Keys().location(clear)
    for near in ("http://127.0.0.1:1/v1", "http://localhost/v1", "http://[::1]:8/v1"):
        Keys().save(near, SecretStr(KEY))
        assert plain(Keys().load(near)) == KEY


@pytest.mark.parametrize("backend", [fail.Keyring, LockedKeyring, MemoryKeyring])
def test_key_is_in_no_log_sentence_or_repr(
    backend: type[KeyringBackend], caplog: pytest.LogCaptureFixture
) -> None:
    keyring.set_keyring(backend())
    keys = Keys()
    with caplog.at_level(logging.DEBUG):
        told = keys.save(OPENAI, SecretStr(KEY)) + keys.location(OPENAI)
        told += repr(keys.load(OPENAI)) + repr(vars(keys))
        keys.delete(OPENAI)
    assert KEY not in told
    assert KEY not in caplog.text


def test_presets_are_complete() -> None:
    assert len({preset.id for preset in PRESETS}) == len(PRESETS) == 18
    for preset in PRESETS:
        assert preset.note.endswith(".")
        assert bool(preset.key_page) == bool(preset.key_variable) == preset.needs_key
        if preset.needs_key:
            assert preset.base_url.startswith("https://")
            assert preset.key_page.startswith("https://")
            assert preset.model
            assert preset_of(preset.base_url) is preset
        assert preset_by_id(preset.id) is preset
        assert preset.assumed.continuation is preset.continuation
    assert preset_of("http://127.0.0.1:8000/v1").id == "custom"
    assert preset_of("stand-in").id == "stand-in"
    assert preset_by_id("gone").id == "custom"
