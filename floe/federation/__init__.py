"""Sharing adapters, not chats: Flower's two apps, their strategy, and what the group's host needs.

Whatever is imported from here, Flower and ray are first told not to call home, to fetch nothing,
and to listen on loopback alone.
"""

import os
import sys
from pathlib import Path
from typing import Final

from floe.child_environment import LOOPBACK_NAMES, NETWORK
from floe.training.process import environment

QUIET: Final = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's name for it: otherwise it binds to the network card even for a simulation.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


def flower_environment(data_dir: Path) -> dict[str, str]:
    """Return the environment for a Flower process whose files lie in `data_dir`/flower."""
    # Flower's programs start each other by name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    way = {name: os.environ[name] for name in NETWORK if name in os.environ}
    here = ",".join(LOOPBACK_NAMES)
    for name in ("NO_PROXY", "no_proxy"):
        # Flower's programs speak to each other on loopback, which no proxy may come between.
        way[name] = f"{way[name]},{here}" if way.get(name) else here
    return {
        **environment(),
        **way,
        **QUIET,
        "PATH": path,
        "FLWR_HOME": str(data_dir.resolve() / "flower"),
    }


os.environ.update(QUIET)
