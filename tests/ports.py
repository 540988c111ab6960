"""A port for a server that ends and comes again."""

import random
import socket
from contextlib import suppress
from typing import Final

_RANGE: Final = range(20_000, 30_000)
"""Below what the systems we know give to whoever asks for any port."""


def lasting_port() -> int:
    """Return a free port on loopback that nobody is given by chance while its server is away."""
    for port in random.SystemRandom().sample(_RANGE, 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("a hundred ports are taken")
