"""Flower's ServerApp of a group; the algorithm is in `strategy`."""

import logging

from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp

from floe.config import Settings
from floe.federation.app.round_report import RoundReport
from floe.federation.app.run_config import read_run_config
from floe.federation.app.strategy import TaskExperts
from floe.models.catalog import resolve_model

logger = logging.getLogger("flwr")

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """One run: so many rounds, then every expert to every device."""
    settings = Settings.load()
    wished = str(context.run_config["base"]) or settings.model
    run_config = read_run_config(context.run_config, resolve_model(wished, settings.models_dir))
    run(grid, TaskExperts(run_config, _log), float(context.run_config["round-timeout"]))


def run(grid: Grid, strategy: TaskExperts, timeout: float) -> None:
    """All rounds on a grid. `timeout`: seconds to wait for a device in each phase of a round."""
    strategy.start(grid, ArrayRecord(), strategy.run_config.rounds, timeout)
    strategy.close(grid, timeout)


def _log(report: RoundReport) -> None:
    logger.info("%s %s", report.sentence, report.privacy)
