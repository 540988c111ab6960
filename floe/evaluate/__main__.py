"""`floe evaluate`: does the adapter help, does fusion help, at which weight.

    floe evaluate --train FILE.jsonl --test FILE.jsonl --cloud-gguf PATH [--json]
    floe evaluate --train FILE.jsonl --test FILE.jsonl --live URL [--cloud-model NAME]
    floe evaluate answers --train FILE.jsonl [--questions FILE.jsonl]
    floe evaluate routing --train FILE.jsonl [--test FILE.jsonl ...] [--cloud-gguf PATH]
    floe evaluate memory --train FILE.jsonl
    floe evaluate latency
    floe evaluate report

Files are chat JSONL, one {"messages": [...]} a line. Several files after `--train` and `--test`
are so many writers, pair by pair. Progress goes to stderr.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from floe.errors import FloeError
from floe.evaluate.tables import memory_table, quality_table
from floe.records import PoolingRule

COMMANDS = ("quality", "answers", "routing", "memory", "latency", "report")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one evaluation; 1 after an error that was explained."""
    options = _arguments(argv)
    try:
        result, show = _run(options)
    except FloeError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(result) if options.json else show(result))
    return 0


def _run(options: argparse.Namespace) -> tuple[dict[str, Any], Callable[[dict[str, Any]], str]]:
    # Imports are late because the report alone needs the plots.
    if options.what == "memory":
        from floe.evaluate.memory import run_memory  # noqa: PLC0415

        return run_memory(options.train[0], sample=options.samples), memory_table
    if options.what == "answers":
        from floe.evaluate.answers import describe_answers, run_answers  # noqa: PLC0415

        return run_answers(options.train[0], options.questions), describe_answers
    if options.what == "routing":
        from floe.evaluate.routing import describe_routing, run_routing  # noqa: PLC0415

        found = run_routing(
            options.train[0],
            options.test,
            cloud=options.cloud_gguf,
            limit=options.limit,
            rule=options.rule,
        )
        return found, describe_routing
    if options.what == "latency":
        from floe.evaluate.latency import run_latency  # noqa: PLC0415

        return run_latency(), lambda result: json.dumps(result, indent=1)
    if options.what == "report":
        from floe.evaluate.report import run_report  # noqa: PLC0415

        return run_report(options.folder), lambda result: str(result["table"])
    from floe.evaluate.writers import run_quality  # noqa: PLC0415

    return run_quality(options), quality_table


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="floe evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", choices=COMMANDS, default="quality")
    parser.add_argument("--train", nargs="+", type=Path, metavar="FILE", default=[])
    parser.add_argument("--test", nargs="+", type=Path, metavar="FILE", default=[])
    parser.add_argument(
        "--questions", type=Path, metavar="FILE", help='{"prompt", "answers"} a line; else our own'
    )
    parser.add_argument("--cloud-gguf", type=Path, metavar="PATH", help="the cloud, in process")
    parser.add_argument("--live", metavar="URL", help="the cloud, an OpenAI-compatible endpoint")
    parser.add_argument("--cloud-model", default="", help="of the endpoint")
    parser.add_argument("--max-requests", type=int, default=500, help="of the endpoint")
    parser.add_argument("--weight", type=float, default=0.5, help="local weight of `fused`")
    parser.add_argument("--rule", choices=get_args(PoolingRule), default="log-linear")
    parser.add_argument("--samples", type=int, default=1000, help="tries to draw out a secret")
    parser.add_argument(
        "--limit", type=int, default=100, help="answers of a test file of `routing`"
    )
    parser.add_argument("--folder", type=Path, default=Path("docs"), help="of the report's plots")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(argv)
    _check(parser, options)
    return options


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.what == "quality":
        if not options.train or len(options.train) != len(options.test):
            parser.error("as many --test files as --train files are needed, and at least one")
        if bool(options.cloud_gguf) == bool(options.live):
            parser.error("name the cloud: either --cloud-gguf PATH or --live URL")
    if options.what in ("answers", "routing", "memory") and len(options.train) != 1:
        parser.error("name the chats to learn from: --train FILE")
    if not 0 <= options.weight <= 1:
        parser.error("--weight is between 0 and 1")


if __name__ == "__main__":
    sys.exit(main())
