"""The memory that this process may still take, and who sets the limit."""

from pathlib import Path
from typing import Final, NamedTuple

import psutil

_CGROUP: Final = Path("/sys/fs/cgroup")


class FreeMemory(NamedTuple):
    """Bytes that are free; `limit` says whose limit that is: empty, or words for a sentence."""

    bytes: int
    limit: str


def free_memory(cgroup: Path = _CGROUP) -> FreeMemory:
    """Return the least of what the device has free, this process's container, and its own limit.

    A limit on the address space counts what is mapped, not only what is in use.
    """
    found = [FreeMemory(psutil.virtual_memory().available, "")]
    process = psutil.Process()
    if hasattr(psutil, "RLIMIT_AS"):  # not every system has it
        soft, _ = process.rlimit(psutil.RLIMIT_AS)
        if soft != psutil.RLIM_INFINITY:
            left = max(0, soft - process.memory_info().vms)
            found.append(FreeMemory(left, "the memory limit of this process (ulimit -v)"))
    try:
        most = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
        found.append(FreeMemory(max(0, most - used), "the memory limit of its container"))
    except (OSError, ValueError):
        pass  # no container, no limit ("max"), or another kind of system
    return min(found)
