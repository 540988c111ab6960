"""A data folder and a keyring that lasts as long as a test."""

import os
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import pytest

from floe.store import encryption


class MemoryKeyring(keyring.backend.KeyringBackend):
    """As the system's, without the system."""

    priority = 1.0

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(autouse=True)
def kept_keys() -> Iterator[dict[tuple[str, str], str]]:
    """The entries of the keyring; afterwards this process knows no key any more."""
    before, memory = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory.kept
    keyring.set_keyring(before)
    encryption._keys.clear()


@pytest.fixture(autouse=True)
def _no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill leaves what was written with the system; waiting for the disk shows nothing here."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(autouse=True)
def _quick_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real cost of a guess is a third of a second each."""
    monkeypatch.setattr(encryption, "_SCRYPT", (2**10, 8, 1))
