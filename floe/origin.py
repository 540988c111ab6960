"""The origin of an address (scheme, host, port): what a key belongs to.

Two addresses have the same origin only if a request to either goes to the same server, however
they are spelled. What can be read in two ways is refused, so that the place that is shown, the one
that a key is looked up for and the one that is connected to are always the same.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

import idna

from floe.errors import CloudError

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LONGEST: Final = 2048
_ADDRESS: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]\\%]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/\-]*)?"
)
# Underscores are no letters of host names, but names in a container's network have them.
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HINT: Final = "must begin with http:// or https://, as in https://api.openai.com/v1."


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host (lower case, ASCII, without a dot at the end) and port, all explicit."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """As a browser writes it: the usual port is left out."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host, and the port unless it is the usual one: how sentences name a server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def on_loopback(self) -> bool:
        """True if it is this device itself, which no network lies before."""
        if self.host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return bool(address.is_loopback or (mapped is not None and mapped.is_loopback))

    @property
    def keeps_secrets(self) -> bool:
        """True if nobody on the way can read what is sent: it is encrypted, or does not travel."""
        return self.scheme == "https" or self.on_loopback


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL whose parts are beyond doubt; `path` begins with a slash or is empty."""

    origin: Origin
    path: str

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


def parse_address(text: str) -> Address:
    """Read the base URL of an endpoint.

    Raises:
        CloudError: it is not an address, holds a password or a query, or could be read in two
            ways. The text is not repeated, since it may hold a secret.
    """
    found = _ADDRESS.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or found["scheme"].lower() not in DEFAULT_PORTS:
        raise CloudError(_invalid_reason(text))
    scheme = found["scheme"].lower()
    port = int(found["port"]) if found["port"] else DEFAULT_PORTS[scheme]
    if not 0 < port < 65536:
        raise CloudError("The cloud's address has a port that does not exist: 1 to 65535 do.")
    return Address(Origin(scheme, _normalise_host(found["host"]), port), found["path"] or "")


def origin_of(address: str) -> Origin | None:
    """Return the origin of an address; None for no address, which nothing may be sent to."""
    try:
        return parse_address(address).origin
    except CloudError:
        return None


def _invalid_reason(text: str) -> str:
    authority = re.match(r"(?i)https?://([^/?#\\]*)", text)
    if authority is not None and "@" in authority[1]:
        return (
            "The cloud's address must not hold a name and password: they would be kept with it. "
            "Type the key into its own field."
        )
    if authority is not None and "?api-version=" in text.lower():
        return (
            "The cloud's address must not hold a question mark: for Azure type "
            "https://NAME.openai.azure.com/openai/v1, which needs no api-version, and the "
            "deployment's name as the model."
        )
    if authority is not None and re.search(r"[?#]", text):
        return (
            "The cloud's address must not hold a question mark or a #: what follows may be a key, "
            "which would be kept with it. Type the key into its own field."
        )
    if authority is not None and authority[1].strip(":0123456789"):
        return "The cloud's address has signs that do not belong there. Check it for blanks."
    return f"The cloud's address {_HINT}"


def _normalise_host(host: str) -> str:
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise CloudError("The cloud's address has no valid IPv6 address.") from None
    try:
        # Other spellings of a name become the same name, because browsers do so.
        name = idna.encode(host.lower(), uts46=True).decode() if not host.isascii() else host
    except idna.IDNAError:
        raise CloudError("The cloud's address has an invalid host name.") from None
    name = name.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise CloudError("The cloud's address has an invalid host name.")
    # Resolvers read 127.1, 0177.0.0.1 and 2130706433 as one address, each in its own way.
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise CloudError("The cloud's address has no valid IPv4 address.") from None
    return name
