"""The secret of a group's host, and Flower's `flwr` command with it.

    floe group flwr supernode list group

The same words as `flwr`: without the secret its requests are refused, as are those of anybody else
who finds the port. Knows nothing of how the SuperLink checks it.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Self

from flwr.supercore.protobuf.client import ProtobufClient

from floe.errors import FederationError


@dataclass(frozen=True, slots=True)
class Owner:
    """The right to start runs and admit devices, held by whoever can read this user's files.

    `address` (host:port) is where the SuperLink takes their words in this start of it, `secret`
    what it asks for there.
    """

    address: str
    secret: str

    def write(self, folder: Path) -> None:
        """Keep it in the host's Flower folder, for this user's eyes."""
        path = _path(folder)
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(part, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
        part.replace(path)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the record that the last start wrote.

        Raises:
            FederationError: there is none, or it cannot be read.
        """
        try:
            return cls(**json.loads(_path(folder).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise FederationError(
                "The group's server is not running. Start it with “floe group host "
                "start”, as the same user."
            ) from error


def present_secret(owner: Owner) -> None:
    """From now on every Flower client in this process sends the secret, to `owner.address` alone.

    Flower's clients build themselves in many places; they all are this class.
    """
    build = ProtobufClient.__init__

    @wraps(build)
    def build_with_secret(self: ProtobufClient, base_url: str, **settings: Any) -> None:
        build(self, base_url, **settings)
        if base_url.rstrip("/") == f"https://{owner.address}":
            self._client.headers["Authorization"] = f"Bearer {owner.secret}"
            # The secret goes where it belongs and no further.
            self._client.follow_redirects = False

    ProtobufClient.__init__ = build_with_secret  # type: ignore[method-assign]


def _path(folder: Path) -> Path:
    return folder / "host" / "owner.json"


def main() -> None:
    """Run the command; `FLWR_HOME` is the host's Flower folder."""
    from flwr.cli.app import app  # noqa: PLC0415 - a second, for the command alone

    try:
        present_secret(Owner.read(Path(os.environ["FLWR_HOME"])))
    except (FederationError, KeyError) as error:
        sys.exit(str(error) if isinstance(error, FederationError) else "FLWR_HOME is not set.")
    app()


if __name__ == "__main__":
    main()
