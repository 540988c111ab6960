"""Which worker runs which file of tests: what waits stands in nobody's way."""

import os
from typing import Final

from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]
from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

WAITING: Final = (
    "tests/federation/test_deployment.py",
    "tests/chat/test_assistant.py",
    "tests/faults/test_cloud.py",
    "tests/faults/test_processes.py",
    "tests/cli/test_command.py",
    "tests/cloud/test_stand_in.py",
    "tests/privacy/test_nothing_leaves.py",
    "tests/evaluate/test_reading.py",
    "tests/api/test_endpoint.py",
    "tests/faults/test_disk.py",
    "tests/training/test_runs.py",
    "tests/federation/test_strangers.py",
    "tests/jobs/test_weight_fit.py",
    "tests/adapters/test_foreign_adapter.py",
    "tests/cloud/test_client.py",
    "tests/cloud/test_trouble.py",
    "tests/cloud/test_wire.py",
    "tests/cloud/test_quirks.py",
)
"""Files whose tests wait for about half of their time: for a round's time limit, for a cloud that
is late, for other processes. The longest first; none of them needs the page."""
_NICENESS: Final = 10
"""Of the workers that compute: whoever waits for a deadline has the processor when it needs it.
As nice as the devices of a test's group make themselves, which would get a tenth of it else."""


class WaitingApart(LoadFileScheduling):  # type: ignore[misc]
    """Gives out file after file; the last worker takes what waits, and nothing else.

    The others keep the cores busy meanwhile. Where they have nothing left, they take of what waits.
    """

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Give the worker the first file that is for it, or let it end."""
        waits = is_last(node.gateway.id, self.numnodes)
        wanted = (file for file in self.workqueue if (file in WAITING) == waits)
        file = next(wanted, None if waits else next(iter(self.workqueue)))
        if file is None:
            node.shutdown()
            return
        self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)


def is_last(worker: str, workers: int) -> bool:
    """Return whether this is the worker, of several, that is left to what waits."""
    return workers > 1 and worker == f"gw{workers - 1}"


def give_way(worker: str, workers: int) -> None:
    """Let this process and its children come after the worker that waits, unless it is that one."""
    if not is_last(worker, workers):
        os.nice(_NICENESS)
