"""A group's SuperLink: Flower's own, with one port for the members and another for its host.

    python -m floe.federation.group.superlink --folder DATA/flower --listen 0.0.0.0 --port 8000

Members reach `--listen`, where there is the fleet interface and nothing else. Control and runtime
are on a port of loopback that is chosen at each start, and ask for a secret that is made at each
start, too: `host/owner.json` has both, for this user's eyes; `owner.py` reads it.

The app of a run is this installation's: the code that `flwr run` sends along is neither unpacked
nor run, and no `flower-superexec` is started.
"""

import argparse
import asyncio
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import uvicorn
from flwr.common.constant import (
    FLWR_INTERNAL_GRPC_CONTROL_API,
    FLWR_INTERNAL_GRPC_FLEET_API,
    ISOLATION_MODE_PROCESS,
    TRANSPORT_TYPE_GRPC_RERE,
)
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.http_logging import get_uvicorn_log_config
from flwr.supercore.interceptors import (
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.retry import make_simple_http_retry_invoker
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.superlink.auth_plugin import NoOpControlAuthnPlugin
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
from flwr.superlink.config_loader import SuperLinkLifespanConfig
from flwr.superlink.main import create_app
from uvicorn.protocols.http.h11_impl import H11Protocol

from floe.errors import FederationError
from floe.federation.group.gateway import FleetGateway, OwnerGateway
from floe.federation.group.host import write_flower_config
from floe.federation.group.owner import Owner, present_secret
from floe.federation.group.server_task import start_task

logger = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
_CONNECTIONS: Final = 512
_FIRST_REQUEST_SECONDS: Final = 20.0
_HEAD_BYTES: Final = 16 * 1024
_POLL_SECONDS: Final = 0.5
_ACQUIRE: Final = frozenset({"/flwr.proto.Runtime/AcquireTask"})


class _Server(uvicorn.Server):
    """One of several in a process, which takes the signals itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to the process."""
        yield


class _ImpatientProtocol(H11Protocol):
    """HTTP that ends a connection on which nobody has asked anything for a while.

    uvicorn waits without end for the first request, and strangers could hold every connection.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        self.loop.call_later(_FIRST_REQUEST_SECONDS, self._give_up)

    def _give_up(self) -> None:
        asked: object = self.cycle  # None until the first request, whatever its annotation says
        if asked is None and not self.transport.is_closing():
            self.transport.close()


class TaskRunner:
    """Takes the runs that were started, and has each run by this installation's own app."""

    def __init__(self, owner: Owner, certificate: Path, signing_secret: bytes) -> None:
        """Nothing is asked for yet. `signing_secret` signs the requests for the next task."""
        self._owner, self._certificate = owner, certificate
        self._children: list[subprocess.Popen[bytes]] = []
        self._client = RuntimeHttpClient.from_server_address(
            server_address=owner.address,
            insecure=False,
            root_certificates=certificate.read_bytes(),
            interceptors=[
                RuntimeVersionHttpInterceptor(component_name="SuperExec"),
                SuperExecAuthHttpInterceptor(
                    master_secret=signing_secret, protected_methods=_ACQUIRE
                ),
            ],
            retry_invoker=make_simple_http_retry_invoker(),
        )

    def run(self) -> None:
        """Take one after another until the process ends."""
        wanted = AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP])
        while True:
            try:
                found = self._client.AcquireTask(wanted)
                if found.HasField("task") and found.token:
                    child = start_task(self._owner, self._certificate, found.token)
                    self._children = [each for each in self._children if each.poll() is None]
                    self._children.append(child)
            except Exception:
                logger.exception("the next run could not be taken")
            time.sleep(_POLL_SECONDS)

    def end(self) -> None:
        """End the runs that are going on."""
        for child in self._children:
            child.terminate()


def serve(folder: Path, listen: str, port: int) -> None:
    """Run the SuperLink until it is told to end.

    Args:
        folder: the host's Flower folder, with the certificates.
        listen: address on which the members reach it.
        port: likewise.

    Raises:
        FederationError: the port cannot be had.
    """
    # First of all: a second start ends here, and leaves the secret of the first alone.
    front = _listening(listen, port)
    inside = _listening(LOOPBACK, 0)
    # Flower would open ports of its own for these.
    for name in (FLWR_INTERNAL_GRPC_CONTROL_API, FLWR_INTERNAL_GRPC_FLEET_API):
        os.environ.pop(name, None)
    owner = Owner(f"{LOOPBACK}:{inside.getsockname()[1]}", secrets.token_urlsafe(32))
    signing_secret = secrets.token_bytes(32)
    config = _config(folder, int(inside.getsockname()[1]), signing_secret)
    app = create_app(config, SuperLinkLifespan)
    nodes = app.state.linkstate_factory.state
    present_secret(owner)
    owner.write(folder)
    write_flower_config(folder, owner.address)
    runner = TaskRunner(owner, folder / "host" / "ca.crt", signing_secret)
    servers = [
        (_server(OwnerGateway(app, owner.secret), config, lifespan="on"), inside),
        (_server(FleetGateway(app, nodes), config, lifespan="off"), front),
    ]
    threading.Thread(target=runner.run, daemon=True, name="runs").start()
    try:
        asyncio.run(_serve(servers))
    finally:
        runner.end()


async def _serve(servers: list[tuple[_Server, socket.socket]]) -> None:
    def end(*_: object) -> None:
        for server, _listener in servers:
            server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in servers))


def _server(app: Any, config: SuperLinkLifespanConfig, *, lifespan: Any) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http=_ImpatientProtocol,
            ws="none",
            lifespan=lifespan,
            access_log=False,
            log_config=get_uvicorn_log_config(logging.INFO),
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            h11_max_incomplete_event_size=_HEAD_BYTES,
            ssl_keyfile=config.ssl_keyfile,
            ssl_certfile=config.ssl_certfile,
        )
    )


def _listening(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family)
    except OSError as error:
        raise FederationError(
            f"Nothing can listen on {address}, port {port} ({error.strerror}). Is the group's "
            "server running already? Otherwise choose another with --listen and --port."
        ) from error


def _config(folder: Path, port: int, signing_secret: bytes) -> SuperLinkLifespanConfig:
    host = folder / "host"
    files = [host / name for name in ("ca.crt", "server.crt", "server.key")]
    root, certificate, key = (path.read_bytes() for path in files)
    return SuperLinkLifespanConfig(
        control_address="",
        health_server_address=None,
        host=LOOPBACK,
        port=port,
        insecure=False,
        certificates=(root, certificate, key),
        superexec_auth_secret=signing_secret,
        authn_plugin=NoOpControlAuthnPlugin(),
        event_log_plugin=None,
        fleet_event_log_plugin=None,
        enable_event_log=False,
        artifact_provider=None,
        enable_supernode_auth=True,
        fleet_api_type=TRANSPORT_TYPE_GRPC_RERE,
        fleet_api_address=None,
        simulation=False,
        ssl_ca_certfile=str(files[0]),
        ssl_certfile=str(files[1]),
        ssl_keyfile=str(files[2]),
        # So that after a crash the devices that were admitted still are.
        database=str(host / "superlink.db"),
        isolation=ISOLATION_MODE_PROCESS,
        runtime_dependency_install=False,
    )


def main() -> int:
    """Run the process."""
    parser = argparse.ArgumentParser(prog="python -m floe.federation.group.superlink")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--port", type=int, required=True)
    flags = parser.parse_args()
    os.umask(0o077)
    try:
        serve(flags.folder, flags.listen, flags.port)
    except FederationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
