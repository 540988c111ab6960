"""One run of a group on its host: Flower's process for a ServerApp, with this installation's app.

Flower gives the run's token on the command line, where every user of the machine can read it, and
unpacks and runs the code that came with the run. Here the token comes on the standard input, and
the app is `floe.federation.app.server_app`, whatever was sent.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from queue import Queue
from typing import Any

import floe
from floe.child_environment import NETWORK, child_environment
from floe.federation.group.owner import Owner, present_secret
from floe.resources import FLOWER_APP, IMPORT_ROOT


def start_task(owner: Owner, certificate: Path, token: str) -> subprocess.Popen[bytes]:
    """Start the run that `token` stands for, as a child of this process; does not wait for it.

    `certificate` is the group's root certificate.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "floe.federation.group.server_task"],
        cwd=IMPORT_ROOT,
        env=child_environment(("FLWR_*", *NETWORK)),
        stdin=subprocess.PIPE,
    )
    assert child.stdin is not None
    words = {"owner": asdict(owner), "certificate": str(certificate), "token": token}
    with child.stdin as pipe:
        pipe.write(json.dumps(words | {"parent": os.getpid()}).encode())
    return child


def main() -> None:
    """Run the process."""
    words: dict[str, Any] = json.load(sys.stdin)
    owner = Owner(**words["owner"])
    present_secret(owner)

    from flwr.supercore.logger import mirror_output_to_queue, restore_output  # noqa: PLC0415
    from flwr.superlink.runtime import run_serverapp as runtime  # noqa: PLC0415

    from floe.federation.app.server_grid import CheckedGrid  # noqa: PLC0415

    module: Any = sys.modules[runtime.__module__]
    module.install_from_fab = lambda *_, **__: None
    module.get_fab_metadata = lambda *_: ("floe/floe", floe.__version__)
    # Where the project file is; the code is imported from this folder's package, as all of Floe.
    module.get_project_dir = lambda *_: FLOWER_APP.parent
    module.HttpGrid = CheckedGrid
    log: Queue[str | None] = Queue()
    mirror_output_to_queue(log)
    runtime(
        runtime_api_address=owner.address,
        log_queue=log,
        token=words["token"],
        insecure=False,
        certificates=Path(words["certificate"]).read_bytes(),
        parent_pid=words["parent"],
        runtime_dependency_install=False,
    )
    restore_output()


if __name__ == "__main__":
    main()
