"""Which worker runs which file of tests: what waits stands in nobody's way."""

from typing import Final

from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]
from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

WAITING: Final = frozenset(
    ("tests/federation/test_deployment.py", "tests/federation/test_strangers.py")
)
"""Files whose tests wait for half of their time or longer: for a round's time limit, or for
connections that are tried again. None of them needs the page."""


class WaitingApart(LoadFileScheduling):  # type: ignore[misc]
    """Gives out file after file; the last worker takes what waits, and nothing else.

    The others keep the cores busy meanwhile. Where they have nothing left, they take of what waits.
    """

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Give the worker the first file that is for it, or let it end."""
        waits = self.numnodes > 1 and node.gateway.id == f"gw{self.numnodes - 1}"
        wanted = (file for file in self.workqueue if (file in WAITING) == waits)
        file = next(wanted, None if waits else next(iter(self.workqueue)))
        if file is None:
            node.shutdown()
            return
        self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)
