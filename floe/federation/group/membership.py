"""Joining and leaving a group from the app, and simulations that it starts.

Each is a process of its own that writes to the database how it stands; the page reads it there.
Knows neither Flower nor torch, so that the app starts without them.
"""

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from floe.adapters.architecture import read_architecture, require_hand_written
from floe.adapters.registry import model_sha256
from floe.errors import FederationError
from floe.extras import require
from floe.federation import flower_environment
from floe.federation.group.child import Child
from floe.federation.group.history import Federation, History
from floe.privacy.consent import consent, may_federate, may_train
from floe.store import Store
from floe.training.planning.cost import Workload
from floe.training.planning.hardware import load_or_measure_hardware
from floe.training.planning.plan import choose_plan

_ADDRESS: Final = re.compile(r"^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+):(\d{1,5})$")
_ALL: Final = 1_000_000_000
_LEFT: Final = "You left the group. What this device had sent before cannot be taken back."


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Settings that a member needs to take part.

    `address` is the SuperLink's host:port; `certificate` and `key` are paths: of the group's root
    certificate (PEM) and of this device's private key. `rank` is what this device can train.
    `blur`: deviation of the noise on the centroid of this device's prompts,
    whose embeddings are of unit length; None: the centroid is not told.
    """

    address: str
    certificate: str
    key: str
    base: str
    base_sha256: str
    rank: int
    rank_reason: str = ""
    precision: str = "float32"
    name: str = ""
    blur: float | None = 0.0

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """From the database."""
        return cls(**values)

    def node_config(self, data_dir: Path) -> str:
        """Return the option of `flower-supernode`; the rest is read from the database."""
        return f'data-dir="{data_dir.resolve()}" rank={self.rank}'


BLUR: Final[Mapping[str, float | None]] = {"nothing": None, "roughly": 0.02, "exactly": 0.0}
"""Noise on the topics that this device tells the group: deviation of the noise on each of several
hundred coordinates of its prompts' centroid, which has a length of 1 at most; None: not told."""

_TOKENS_A_ROUND: Final = 10_000
"""For the rank of this device, before anybody knows how much there will be to learn."""


def group_settings(
    store: Store,
    data_dir: Path,
    base: Path,
    *,
    address: str,
    certificate: Path,
    level: str,
) -> GroupSettings:
    """Return settings to join with, at the rank that the planner picks; may take a few seconds.

    `level` is a key of `BLUR`.

    Raises:
        ModelError: the base model is of a kind that cannot be trained.
        TrainingError: this device cannot train, or its speed cannot be measured.
        StoreError: the database cannot be used.
    """
    workload = Workload.of_tokens(_TOKENS_A_ROUND)
    architecture = read_architecture(base)
    require_hand_written(architecture)
    # A group trains on the processor, and a graphics card's memory would allow another rank.
    device = replace(load_or_measure_hardware(store), gpu=None, gpu_kind="")
    plan = choose_plan(device, architecture, workload)
    return GroupSettings(
        address=address.strip(),
        certificate=str(certificate.resolve()),
        key=str(device_key(data_dir / "flower")[0].resolve()),
        base=str(base.resolve()),
        base_sha256=model_sha256(store, base),
        rank=plan.rank,
        rank_reason=plan.reason,
        precision=plan.precision,
        blur=BLUR[level],
    )


class Membership:
    """The group this device is in, if any; at most one. Any thread may call any method.

    Raises:
        StoreError: from every method, when the database cannot be used.
    """

    def __init__(self, store: Store, data_dir: Path) -> None:
        self._store, self._data_dir = store, data_dir
        self._history = History(store)
        self._child: Child | None = None
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """Folder of Flower's files and this device's key."""
        return self._data_dir / "flower"

    def public_key(self) -> str:
        """Return this device's public key, for the host to admit; made when first asked for."""
        return device_key(self.folder)[1]

    def current(self) -> Federation | None:
        """Return the group it is in, or was in last; None: never in one."""
        with self._lock:
            found = next(iter(self._history.all("joined")), None)
            ended = self._child is not None and not self._child.alive
            if found and found.status == "running" and ended:
                self._history.end(
                    found.id,
                    "failed",
                    "The connection to the group ended unexpectedly; data/flower/node.log says "
                    "more. Join again when you like.",
                )
                found = self._history.get(found.id)
            return found

    def join(self, settings: GroupSettings) -> Federation:
        """Take part from now on.

        Raises:
            FederationError: already in a group; the address or certificate cannot be used; no
                conversation may be shared in this way.
        """
        with self._lock:
            if self._child is not None and self._child.alive:
                raise FederationError("This device is in a group already. Leave it first.")
            require("group")
            check_address(settings.address)
            check_certificate(Path(settings.certificate))
            self._check_consent()
            values = asdict(settings)
            begun = self._history.begin("joined", values, "Connecting to the group.")
            return self._start(begun)

    def resume(self) -> Federation | None:
        """After a start of the app: back into the group that was never left, if there is one."""
        with self._lock:
            found = next(iter(self._history.all("joined")), None)
            if found is None or found.status != "running" or self._child is not None:
                return None
            return self._start(found.id)

    def leave(self) -> None:
        """Take no part any more; a round that is going on ends without this device."""
        with self._lock:
            self._end()
            for group in self._history.all("joined"):
                if group.status == "running":
                    self._history.end(group.id, "left", _LEFT)

    def close(self) -> None:
        """End the process with the app; the membership stays for the next start."""
        with self._lock:
            self._end()

    def _start(self, federation_id: int) -> Federation:
        self._child = Child(
            "floe.federation.group.node",
            ["--federation", str(federation_id), "--data-dir", str(self._data_dir.resolve())],
            flower_environment(self._data_dir),
            self.folder / "node.log",
        )
        self._history.say(federation_id, "Connecting to the group.", self._child.pid)
        found = self._history.get(federation_id)
        assert found is not None
        return found

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def _check_consent(self) -> None:
        general, chats = consent(self._store), self._store.conversations(_ALL)
        if any(may_federate(general, chat).yes for chat in chats):
            return
        if not chats:
            raise FederationError(
                "There is no conversation yet that a group could learn from. Chat for a while, or "
                "bring chats under Personalise, then join."
            )
        if not any(may_train(general, chat).yes for chat in chats):
            raise FederationError(
                "No conversation may train an adapter on this device yet, and adapters are what a "
                "group shares. Allow that, too, under Privacy, then join."
            )
        raise FederationError(
            "No conversation may be used for a group yet. Allow it under Privacy, or in the menus "
            "of single chats, then join."
        )


class Simulation:
    """Eight devices in one process beside the app; at most one simulation at a time."""

    def __init__(self, store: Store, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._history = History(store)
        self._child: Child | None = None
        self._running: int | None = None
        self._lock = threading.Lock()

    def start(self, base: Path, rounds: int = 5) -> int:
        """Start one; its rounds appear in the history under the id returned.

        Raises:
            FederationError: one is going on already.
        """
        with self._lock:
            if self._child is not None and self._child.alive:
                raise FederationError("A simulation is already running. Stop it, or wait for it.")
            require("group")
            settings = {"base": str(base), "rounds": rounds}
            self._running = self._history.begin("simulated", settings, "Starting.")
            self._child = Child(
                "floe.federation.simulation.simulate",
                [
                    *("--model", str(base), "--rounds", str(rounds), "--with-parent"),
                    *("--data-dir", str(self._data_dir.resolve()), "--record", str(self._running)),
                ],
                flower_environment(self._data_dir),
                self._data_dir / "flower" / "simulate.log",
            )
            self._history.say(self._running, "Loading the model.", self._child.pid)
            return self._running

    def current(self) -> Federation | None:
        """Return the last one."""
        with self._lock:
            found = next(iter(self._history.all("simulated")), None)
            dead = self._child is None or not self._child.alive
            if found and found.status == "running" and dead:
                sentence = "The simulation ended before its last round."
                self._history.end(found.id, "failed", sentence)
                found = self._history.get(found.id)
            return found

    def stop(self) -> None:
        """End it; the rounds so far stay."""
        with self._lock:
            if self._child is None:
                return
            self._child.end()
            self._child = None
            if self._running is not None:
                self._history.end(self._running, "left", "Stopped.")


def check_address(address: str) -> None:
    """Check that it is host:port.

    Raises:
        FederationError: it is not.
    """
    found = _ADDRESS.match(address)
    if not found or not 0 < int(found[2]) < 65536:
        raise FederationError(
            "The address of a group is a host and a port, as in 192.168.1.20:8000. Ask its host."
        )


def check_certificate(path: Path) -> None:
    """Check that it is a certificate in PEM form.

    Raises:
        FederationError: it is not, or cannot be read.
    """
    try:
        x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise FederationError(
            f"The certificate {path} cannot be read ({error.strerror}). Choose the file that the "
            "group's host gave you."
        ) from error
    except ValueError as error:
        raise FederationError(
            f"{path.name} is no certificate in PEM form. Choose the file that the group's host "
            "gave you."
        ) from error


def device_key(folder: Path) -> tuple[Path, str]:
    """Return the private key file and the public key as OpenSSH writes it; made if missing.

    An elliptic-curve key (P-256): the kind that SuperNode authentication takes.
    """
    path = folder / "device.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = ec.generate_private_key(ec.SECP256R1())
        text = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        part = path.with_name("device.key.part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(text)
        part.replace(path)
    key = serialization.load_ssh_private_key(path.read_bytes(), None)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return path, public.decode()
