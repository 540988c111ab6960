import logging
from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, PasswordDeleteError
from pydantic import SecretStr

from floe.cloud.keys import SERVICE, Keys
from floe.cloud.presets import PRESETS, preset_by_id, preset_of

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
    assert "system's keyring" in Keys().where(OPENAI)
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
    assert sentence == keys.where(OPENAI)
    assert "until Floe ends" in sentence
    assert "FLOE_CLOUD_KEY or OPENAI_API_KEY" in sentence
    assert plain(keys.load(OPENAI)) == KEY
    assert plain(Keys().load(OPENAI)) == ""
    keys.delete(OPENAI)
    assert plain(keys.load(OPENAI)) == ""


def test_missing_keyring_is_said_before_a_key_is_typed() -> None:
    assert Keys().where(OPENAI).startswith("A key typed above lasts until Floe ends")


def test_environment_is_asked_where_the_keyring_has_none(
    monkeypatch: pytest.MonkeyPatch, memory: MemoryKeyring
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of the service")
    assert plain(Keys().load(OPENAI)) == "of the service"
    assert Keys().where(OPENAI) == "The key comes from an environment variable."
    monkeypatch.setenv("FLOE_CLOUD_KEY", "of floe")
    assert plain(Keys().load(OPENAI)) == "of floe"
    Keys().save(OPENAI, SecretStr(KEY))
    assert plain(Keys().load(OPENAI)) == KEY


def test_variables_are_for_the_endpoint_they_belong_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert plain(Keys().load("https://api.groq.com/openai/v1")) == ""
    assert plain(Keys().load("http://127.0.0.1:8000/v1")) == ""
    monkeypatch.setenv("FLOE_CLOUD", "https://api.mistral.ai/v1")
    monkeypatch.setenv("FLOE_CLOUD_KEY", "for mistral")
    assert plain(Keys().load("https://api.mistral.ai/v1")) == "for mistral"
    assert plain(Keys().load("https://api.groq.com/openai/v1")) == ""


@pytest.mark.parametrize("backend", [fail.Keyring, LockedKeyring, MemoryKeyring])
def test_key_is_in_no_log_sentence_or_repr(
    backend: type[KeyringBackend], caplog: pytest.LogCaptureFixture
) -> None:
    keyring.set_keyring(backend())
    keys = Keys()
    with caplog.at_level(logging.DEBUG):
        told = keys.save(OPENAI, SecretStr(KEY)) + keys.where(OPENAI)
        told += repr(keys.load(OPENAI)) + repr(vars(keys))
        keys.delete(OPENAI)
    assert KEY not in told
    assert KEY not in caplog.text


def test_presets_are_complete() -> None:
    assert len({preset.id for preset in PRESETS}) == len(PRESETS) == 15
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
