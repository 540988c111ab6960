"""The host of a group: certificates, the SuperLink, admitting devices, starting a run.

    floe group host prepare --address 192.168.1.20
    floe group host start                # stays in the foreground
    floe group host admit device.pub
    floe group host run --rounds 5 --min-devices 3

Around Flower's own commands, with the same files each time; `docs/federation.md` shows them.
"""

import argparse
import datetime
import ipaddress
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from floe.command_flags import add_folder_flags, folder_flags_again, use_folders
from floe.config import Settings
from floe.errors import FederationError, FloeError
from floe.federation import flower_environment
from floe.federation.app.run_config import check_ranges
from floe.resources import CATALOG, FLOWER_APP, IMPORT_ROOT, PACKAGE, TASK_CHATS

PORT: Final = 8000
GROUP: Final = "group"
"""The name of the SuperLink in Flower's own configuration file."""

_YEARS: Final = 2
_FLWR: Final = (sys.executable, "-m", "floe.federation.group.owner")
"""Flower's `flwr` command with the host's secret."""


def prepare(folder: Path, address: str, port: int = PORT) -> Path:
    """Make the group's certificates, and tell Flower's commands where its SuperLink is.

    Args:
        folder: the host's Flower folder.
        address: IP address or name under which the members reach this machine.
        port: of the SuperLink.

    Returns:
        The root certificate, which the members need. Its private key is not kept: nobody, not
        even this machine, can make another server's certificate for the group.

    Raises:
        FederationError: there are certificates already, or the address cannot be used.
    """
    host = folder / "host"
    if (host / "ca.crt").exists():
        raise FederationError(
            f"{host} holds certificates already; members trust those. Move the folder away to "
            "begin anew."
        )
    host.mkdir(parents=True, exist_ok=True, mode=0o700)
    root_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("Floe group", root_key, None, root_key, None)
    server = _certificate(address, server_key, address, root_key, root)
    (host / "ca.crt").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    (host / "server.crt").write_bytes(server.public_bytes(serialization.Encoding.PEM))
    with os.fdopen(os.open(host / "server.key", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(
            server_key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    write_flower_config(folder, f"127.0.0.1:{port}")
    return host / "ca.crt"


def write_flower_config(folder: Path, address: str) -> None:
    """Tell Flower's commands where the SuperLink takes the host's words (host:port)."""
    text = (
        f'[superlink]\ndefault = "{GROUP}"\n\n'
        f'[superlink.{GROUP}]\naddress = "{address}"\n'
        f'root-certificates = "{(folder / "host" / "ca.crt").resolve()}"\n\n'
        "[superlink.simulation]\noptions.num-supernodes = 8\n"
        "options.backend.client-resources.num-cpus = 2\n"
    )
    part = folder / "config.toml.part"
    part.write_text(text, encoding="utf-8")
    part.replace(folder / "config.toml")


def superlink_command(folder: Path, listen: str, port: int = PORT) -> list[str]:
    """Return the SuperLink's command; on `listen` and `port` it serves admitted devices alone."""
    command = [sys.executable, "-m", "floe.federation.group.superlink"]
    return [*command, "--folder", str(folder), "--listen", listen, "--port", str(port)]


def admit_command(key: Path) -> list[str]:
    """Let a device in, by the file of its public key."""
    return [*_FLWR, "supernode", "register", str(key.resolve()), GROUP]


def write_app_folder(folder: Path) -> Path:
    """Write the Flower app as `flwr run` wants it: a `pyproject.toml` with what it includes beside.

    In an installed package the files of the app lie elsewhere than in a checkout, and have no
    project file above them; Flower finds an app by that file alone.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(FLOWER_APP, folder / "pyproject.toml")
    for path in PACKAGE.rglob("*.py"):
        copy = folder / path.relative_to(IMPORT_ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    shutil.copytree(TASK_CHATS, folder / "data" / "tasks")
    (folder / "models").mkdir()
    shutil.copyfile(CATALOG, folder / "models" / "catalog.toml")
    return folder


def run_command(app: Path, config: Mapping[str, str | int | float]) -> list[str]:
    """Return the command that starts a run and shows its log.

    Args:
        app: the folder of the Flower app, see `write_app_folder`.
        config: replaces values of `[tool.flwr.app.config]`.
    """
    # JSON writes strings and numbers as TOML does.
    words = " ".join(f"{key}={json.dumps(value)}" for key, value in config.items())
    return [*_FLWR, "run", str(app), GROUP, "--stream", "--run-config", words]


def run_outcome(environment: Mapping[str, str]) -> str:
    """Ask the SuperLink how its last run ended: empty if it completed, or its status in words.

    `flwr run --stream` ends well as soon as the log does, even if the ServerApp failed.
    """
    asked = subprocess.run(
        [*_FLWR, "list", GROUP, "--limit", "1", "--format", "json"],
        cwd=IMPORT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        (run,) = json.loads(asked.stdout)["runs"]
        status = str(run["status"])
        details = str(run["status-details"]).strip()
    except (ValueError, KeyError, TypeError):
        return "unknown, because the server did not say"
    if status == "finished:completed":
        return ""
    return f"{status} ({details})" if details else status


def run_flower(arguments: Sequence[str]) -> int:
    """Run `flwr` in the caller's folder, with the host's secret; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="floe group flwr",
        description="Flower's own command, with the secret of this host's server.",
        epilog="Example: floe group flwr supernode list group",
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where chats are kept")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="what comes after `flwr`")
    flags = parser.parse_args(arguments)
    environment = flower_environment(Settings.load(data_dir=flags.data_dir).data_dir)
    # Relative paths are the caller's, so Floe is found by PYTHONPATH in place of the folder.
    environment["PYTHONPATH"] = str(IMPORT_ROOT)
    return subprocess.run([*_FLWR, *flags.words], env=environment, check=False).returncode


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    address: str | None,
    issuer_key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
) -> x509.Certificate:
    """For a server at `address` (and on loopback), or without one, a root that signs itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=address is None, path_length=None), critical=True)
    )
    if address is not None:
        names = dict.fromkeys([address, "127.0.0.1", "localhost"])
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(each) for each in names]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        pass
    try:
        return x509.DNSName(address)
    except ValueError as error:
        raise FederationError(
            f"{address} is neither an IP address nor a plain host name. Choose the one under which "
            "the members reach this machine."
        ) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    flags = _flags(arguments)
    use_folders(flags)
    data_dir = Settings.load(data_dir=flags.data_dir).data_dir
    folder = data_dir.resolve() / "flower"
    with tempfile.TemporaryDirectory(prefix="floe-app-") as app:
        try:
            command = _command(flags, folder, Path(app))
        except FloeError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        if not command:
            return 0
        environment = flower_environment(data_dir)
        status = subprocess.run(command, cwd=IMPORT_ROOT, env=environment, check=False).returncode
        if status == 0 and flags.command == "run" and (outcome := run_outcome(environment)):
            sys.stderr.write(
                f"The run did not complete; its status is {outcome}. The log above says why.\n"
            )
            return 1
        return status


def _command(flags: argparse.Namespace, folder: Path, app: Path) -> list[str]:
    if flags.command == "prepare":
        certificate = prepare(folder, flags.address, flags.port)
        sys.stdout.write(
            f"Give the members {certificate} and the address {flags.address}:{flags.port}.\n"
        )
        return []
    if not (folder / "host" / "ca.crt").exists():
        raise FederationError("There are no certificates yet. Run “floe group host prepare” first.")
    if flags.command == "start":
        return superlink_command(folder, flags.listen, flags.port)
    if flags.command == "admit":
        return admit_command(flags.key)
    config = {
        "rounds": flags.rounds,
        "min-devices": flags.min_devices,
        "noise-multiplier": flags.noise_multiplier,
        "clip-norm": flags.clip_norm,
    }
    check_ranges(config)
    return run_command(write_app_folder(app), config)


def _flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="floe group host",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_folder_flags(parser)
    common = folder_flags_again()
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("prepare", help="make the group's certificates", parents=[common])
    made.add_argument("--address", required=True, help="where the members reach this machine")
    made.add_argument("--port", type=int, default=PORT)
    start = commands.add_parser(
        "start", help="run the SuperLink until it is interrupted", parents=[common]
    )
    start.add_argument("--listen", default="127.0.0.1", help="0.0.0.0: let other machines in")
    start.add_argument("--port", type=int, default=PORT)
    admit = commands.add_parser("admit", help="let a device in", parents=[common])
    admit.add_argument("key", type=Path, help="the device's public key")
    run = commands.add_parser("run", help="start rounds and show their log", parents=[common])
    run.add_argument("--rounds", type=int, default=5, help="rounds to play (%(default)s)")
    run.add_argument("--min-devices", type=int, default=2, help="begin when so many are there")
    run.add_argument(
        "--noise-multiplier", type=float, default=0.0, help="noise in units of --clip-norm; 0: none"
    )
    run.add_argument(
        "--clip-norm", type=float, default=0.0, help="largest norm of one update; 0: no limit"
    )
    return parser.parse_args(arguments)
