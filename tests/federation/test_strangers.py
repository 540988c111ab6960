"""A group's SuperLink under attack, by whoever has its address and its public certificate."""

import json
import re
import ssl
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from flwr.proto import control_pb2, fleet_pb2, grpcadapter_pb2
from flwr.proto.control_pb2 import ListNodesRequest, ListRunsRequest
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE
from flwr.supercore.protobuf.translation import PROTOBUF_REQUEST_TYPES

from floe.errors import FederationError
from floe.federation.group.gateway import FLEET_METHODS
from floe.federation.group.host import admit_command, superlink_command, write_flower_config
from floe.federation.group.membership import device_key
from floe.federation.group.owner import Owner
from tests.federation.test_deployment import Group, Process, until
from tests.training.tiny import write_tiny

FLWR = str(Path(sys.executable).with_name("flwr"))
FOREIGN_APP = """
[project]
name = "stranger"
version = "1.0.0"
description = "Leaves a file behind where it runs."
license = "Apache-2.0"

[tool.flwr.app]
publisher = "stranger"

[tool.flwr.app.components]
serverapp = "stranger.app:app"
clientapp = "stranger.app:client"

[tool.flwr.app.config]
base = ""
patience = 600.0
"""
FOREIGN_CODE = """
from pathlib import Path
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

Path({canary!r}).touch()
app = ServerApp()
client = ClientApp()


@app.main()
def main(grid, context):
    pass
"""


class Stranger:
    """Somebody with the group's address and certificate, Flower's commands, and an app."""

    def __init__(self, folder: Path, group: Group) -> None:
        self.folder, self.canary = folder, folder / "canary"
        self.home = folder / "home"
        (self.home / "flower" / "host").mkdir(parents=True)
        certificate = self.home / "flower" / "host" / "ca.crt"
        certificate.write_bytes(group.certificate.read_bytes())
        self.trust = ssl.create_default_context(cafile=str(certificate))
        self.app = folder / "app"
        (self.app / "stranger").mkdir(parents=True)
        self.base = write_tiny(folder / "tiny.gguf")
        (self.app / "pyproject.toml").write_text(FOREIGN_APP)
        code = FOREIGN_CODE.format(canary=str(self.canary))
        (self.app / "stranger" / "app.py").write_text(code)
        (self.app / "stranger" / "__init__.py").touch()
        self.key = folder / "stranger.pub"
        self.key.write_text(device_key(folder / "keys")[1])

    def tries(self, address: str, command: list[str]) -> tuple[int, str]:
        """Flower's command for the SuperLink at that address: how it ended, what it said."""
        write_flower_config(self.home / "flower", address)
        process = Process(command, self.home, self.folder / "command.log", self.app)
        return ended(process), process.said()


def ended(process: Process) -> int:
    """How it ended; other work on the machine may slow it down a lot."""
    try:
        return process.wait(250)
    finally:
        process.kill()


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    folder = tmp_path / "host"
    folder.mkdir()
    made = Group(folder)
    yield made
    made.end()


def owner_of(group: Group) -> Owner:
    return Owner.read(group.home / "flower")


def control(group: Group, secret: str) -> ControlHttpClient:
    certificate = group.certificate.read_bytes()
    made = ControlHttpClient.from_server_address(owner_of(group).address, False, certificate, [])
    made._client.headers["Authorization"] = f"Bearer {secret}"
    return made


def every_path() -> set[str]:
    """Each method of Flower's three interfaces, as Flower's routes and as its descriptors."""
    modules = (control_pb2, fleet_pb2, grpcadapter_pb2)
    services = [each for m in modules for each in m.DESCRIPTOR.services_by_name.values()]
    assert {service.name for service in services} >= {"Control", "Fleet"}
    found = {path for _, path in PROTOBUF_REQUEST_TYPES}
    for service in services:
        for method in service.methods:
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", method.name).lower()
            found |= {f"/{service.full_name}/{method.name}", f"/v1/{service.name.lower()}/{words}"}
    return found | {"/health", "/docs", "/openapi.json", "/"}


@pytest.mark.timeout(900)
def test_a_stranger_with_the_certificate_gets_neither_code_nor_a_device_in(
    group: Group, tmp_path: Path
) -> None:
    until(lambda: "startup complete" in group.superlink.said())
    honest = tmp_path / "honest.pub"
    honest.write_text(device_key(tmp_path / "honest")[1])
    assert ended(Process(admit_command(honest), group.home, tmp_path / "admit.log")) == 0
    (tmp_path / "stranger").mkdir()
    stranger = Stranger(tmp_path / "stranger", group)
    inside = owner_of(group).address
    for address in (group.address, inside):
        for command in (
            [FLWR, "run", ".", "group"],
            [FLWR, "supernode", "register", str(stranger.key), "group"],
        ):
            code, said = stranger.tries(address, command)
            assert code != 0, said

    paths = every_path()
    assert len(paths) > 120
    bodies = {
        path: kind().SerializeToString() for (_, path), kind in PROTOBUF_REQUEST_TYPES.items()
    }
    ways: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": "Bearer guessed"},
        {"Origin": "https://x.example"},
    )
    # Several at a time: each answer takes a moment, in which nobody computes.
    with httpx.Client(verify=stranger.trust) as client, ThreadPoolExecutor(8) as several:

        def ask(address: str, path: str, headers: dict[str, str]) -> int:
            return client.post(
                f"https://{address}{path}",
                content=bodies.get(path, b""),
                headers={"Content-Type": PROTOBUF_MEDIA_TYPE, **headers},
            ).status_code

        for address, allowed in ((group.address, {401, 404}), (inside, {403})):
            asked = [(address, path, headers) for path in sorted(paths) for headers in ways]
            for (_, path, _), status in zip(
                asked, several.map(ask, *zip(*asked, strict=True)), strict=True
            ):
                assert status in allowed, (address, path, status)
                known = path in FLEET_METHODS and address == group.address
                assert (status == 401) == known
    with (
        control(group, "guessed") as guesser,
        pytest.raises(httpx.HTTPStatusError, match="403"),
    ):
        guesser.ListNodes(ListNodesRequest())
    with control(group, owner_of(group).secret) as owner:
        assert len(owner.ListNodes(ListNodesRequest()).nodes_info) == 1
        assert len(owner.ListRuns(ListRunsRequest()).run_dict) == 0
    assert not stranger.canary.exists()

    # Nor does the code that comes with a run get a turn where the host's own command sends it.
    words = f'base="{stranger.base}" patience=0.1'
    command = [sys.executable, "-m", "floe.federation.group.owner", "run", ".", "group", "--stream"]
    process = Process(
        [*command, "--run-config", words], group.home, tmp_path / "own.log", stranger.app
    )
    ended(process)
    assert "Only 0 of 2 devices" in process.said(), process.said()
    with control(group, owner_of(group).secret) as owner:
        assert len(owner.ListRuns(ListRunsRequest()).run_dict) == 1
    assert not stranger.canary.exists()
    assert not (group.home / "flower" / "apps").exists()


def test_the_secret_is_for_this_user_alone_and_new_at_each_start(
    group: Group, tmp_path: Path
) -> None:
    with pytest.raises(FederationError, match="is not running"):
        owner_of(group)
    until(lambda: "startup complete" in group.superlink.said())
    path = group.home / "flower" / "host" / "owner.json"
    assert path.stat().st_mode & 0o077 == 0
    first = owner_of(group)
    # A second start finds the port taken, and leaves the first one's secret alone.
    command = superlink_command(group.home / "flower", "127.0.0.1", group.port)
    second = Process(command, group.home, tmp_path / "second.log")
    assert ended(second) == 1
    assert "is the group's server running already" in second.said().lower()
    assert owner_of(group) == first
    # No program is told a secret where others can read it.
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            assert first.secret not in " ".join(process.cmdline())
    group.end()
    until(lambda: "startup complete" in group.superlink.said())
    assert owner_of(group).secret != first.secret
    assert json.loads(path.read_text()).keys() == {"address", "secret"}


def test_the_host_is_told_when_the_server_is_not_running(group: Group, tmp_path: Path) -> None:
    key = tmp_path / "device.pub"
    key.write_text(device_key(tmp_path / "keys")[1])
    process = Process(admit_command(key), group.home, tmp_path / "admit.log")
    assert ended(process) == 1
    assert "Start it with" in process.said()
