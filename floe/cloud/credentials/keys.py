"""API keys: in the operating system's keyring, or in an environment variable where there is none.

Never in the database, a log line or the text of an error. A key belongs to one origin (scheme,
host, port), the one that it was given for, wherever that was said, and is handed out for no other.
"""

import logging
import os
import re
from collections.abc import Mapping
from typing import Final

import keyring
from pydantic import SecretStr

from floe.cloud.credentials.presets import PRESETS, preset_of
from floe.config import Settings
from floe.errors import CloudError
from floe.origin import Origin, origin_of, parse_address

logger = logging.getLogger(__name__)

SERVICE: Final = "floe"
OWN_VARIABLE: Final = "FLOE_CLOUD_KEY"
VARIABLES: Final = (
    OWN_VARIABLE,
    *dict.fromkeys(preset.key_variable for preset in PRESETS if preset.key_variable),
)
"""All environment variables that keys are read from."""
IN_CLEAR: Final = (
    "The way to this address is not encrypted: whoever is on the network can read what is sent "
    "there, so Floe sends no key to it. Use https://, or a tunnel to 127.0.0.1."
)
_NONE: Final = SecretStr("")
_LONGEST: Final = 4096
_KEY: Final = re.compile(r"[!-~]*")


class Keys:
    """Keys by origin. Those that the keyring cannot take last until the program ends."""

    def __init__(
        self, settings: Settings | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        """Read what was given at the start.

        Args:
            settings: its key is for the origin of its address and no other; without an address of
                its own (the stand-in, no cloud) it is for none.
            environment: where services' own variables are looked up; None: this process's.
        """
        self._session: dict[Origin, SecretStr] = {}
        self._given: dict[Origin, SecretStr] = {}
        self._services: dict[Origin, SecretStr] = {}
        self._unbound = False
        variables = os.environ if environment is None else environment
        for preset in PRESETS:
            service = origin_of(preset.base_url)
            value = variables.get(preset.key_variable, "").strip() if preset.key_variable else ""
            if service is not None and value and is_key(value):
                self._services[service] = SecretStr(value)
        if settings is not None and settings.cloud_key.get_secret_value().strip():
            # None for the stand-in and for no cloud at all.
            origin = origin_of(settings.cloud_key_for or settings.cloud)
            self._unbound = origin is None
            if origin is not None:
                self._given[origin] = validate_key(settings.cloud_key)

    def load(self, base_url: str) -> SecretStr:
        """Return the key for an endpoint, empty if there is none, or if it would travel in clear.

        In this order: typed in this session, given at the start for this origin (flag,
        FLOE_CLOUD_KEY, floe.toml), the keyring, the variable of the service itself.
        """
        origin = origin_of(base_url)
        if origin is None or not origin.keeps_secrets:
            return _NONE
        for known in (self._session, self._given):
            if origin in known:
                return known[origin]
        kept = _from_keyring(origin)
        if kept and is_key(kept):
            return SecretStr(kept)
        return self._services.get(origin, _NONE)

    def save(self, base_url: str, key: SecretStr) -> str:
        """Keep a key for an endpoint.

        Returns:
            Where it is now, as a sentence.

        Raises:
            CloudError: it is no key, or `base_url` no address that a key may be sent to.
        """
        origin = parse_address(base_url).origin
        plain = validate_key(key).get_secret_value()
        if not plain:
            self.delete(base_url)
            return "No key is kept for this endpoint."
        if not origin.keeps_secrets:
            raise CloudError(IN_CLEAR)
        self._session[origin] = SecretStr(plain)
        try:
            keyring.set_password(SERVICE, str(origin), plain)
        except Exception as error:  # every backend fails in its own way
            _log_keyring_failure(error)
        return self.location(base_url)

    def delete(self, base_url: str) -> None:
        """Forget the key for an endpoint; what was given at the start stays."""
        origin = origin_of(base_url)
        if origin is None:
            return
        self._session.pop(origin, None)
        try:
            keyring.delete_password(SERVICE, str(origin))
        except Exception as error:  # as above; most often there was none
            _log_keyring_failure(error)

    def location(self, base_url: str) -> str:
        """Say where a key for this endpoint is or would be kept, for the page."""
        origin = origin_of(base_url)
        if origin is None:
            return ""
        if not origin.keeps_secrets:
            return IN_CLEAR
        where = self._location_of(base_url, origin)
        if where:
            return where
        if _has_keyring():
            where = "A key is kept in this system's keyring."
        else:
            where = f"A key typed above lasts until Floe ends: {_no_keyring(base_url)}"
        return f"{where} {self._unused_key_note}".rstrip()

    def _location_of(self, base_url: str, origin: Origin) -> str:
        """Say where the key is that `load` finds; empty if there is none."""
        typed = self._session.get(origin)
        # The key is read back, because the null backend takes everything and keeps nothing.
        kept = _from_keyring(origin)
        if typed is not None and kept != typed.get_secret_value():
            return f"The key is kept until Floe ends: {_no_keyring(base_url)}"
        if typed is None and origin in self._given:
            return "The key comes from a flag, the environment or floe.toml."
        if kept:
            return "The key is kept in this system's keyring."
        if origin in self._services:
            variable = preset_of(base_url).key_variable
            return f"The key comes from the environment variable {variable}."
        return ""

    @property
    def _unused_key_note(self) -> str:
        """A note on a key that was given at the start for no address, or for another one."""
        if self._unbound:
            return (
                f"{OWN_VARIABLE} (or its flag, or its line in floe.toml) was given without an "
                "address, so it is sent to none: say which with FLOE_CLOUD."
            )
        if self._given:
            [origin] = self._given
            return f"The key that was given at the start is for {origin} alone."
        return ""


def is_key(text: str) -> bool:
    """Return whether `text` can be sent as a key: signs of ASCII without blanks, not too many."""
    return len(text) <= _LONGEST and _KEY.fullmatch(text) is not None


def validate_key(key: SecretStr) -> SecretStr:
    """Return the key without blanks around it.

    Raises:
        CloudError: it cannot be one; the text says why, and repeats nothing of it.
    """
    plain = key.get_secret_value().strip()
    if not is_key(plain):
        raise CloudError(
            "This is no key: one has letters, digits and signs, without blanks or accents. Copy it "
            "again from the service's page."
        )
    return SecretStr(plain)


def _no_keyring(base_url: str) -> str:
    own = preset_of(base_url).key_variable
    variables = f"FLOE_CLOUD and {OWN_VARIABLE}" + (f", or {own}" if own else "")
    return (
        "this machine has no keyring that takes it. To keep it for longer, set the environment "
        f"variables {variables}."
    )


def _has_keyring() -> bool:
    try:
        return keyring.get_keyring().priority > 0
    except Exception as error:  # a backend may look for its daemon here
        _log_keyring_failure(error)
        return False


def _from_keyring(origin: Origin) -> str | None:
    try:
        return keyring.get_password(SERVICE, str(origin))
    except Exception as error:  # no backend, a locked one, a daemon that is gone
        _log_keyring_failure(error)
        return None


def _log_keyring_failure(error: Exception) -> None:
    # The kind only: a backend's own words may repeat what it was given.
    logger.debug("the keyring could not be used (%s)", type(error).__name__)
