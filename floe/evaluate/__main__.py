"""`floe evaluate`: does the adapter help, does fusion help, at which weight.

    floe evaluate --train FILE.jsonl --test FILE.jsonl --cloud-gguf PATH [--json]
    floe evaluate --train FILE.jsonl --test FILE.jsonl --live URL [--cloud-model NAME]
    floe evaluate answers --train FILE.jsonl [--questions FILE.jsonl] [--keep FOLDER]
    floe evaluate accuracy --set gsm,nq,code,choice [--limit N] --cloud-gguf PATH
    floe evaluate routing --train FILE.jsonl [--test FILE.jsonl ...] [--cloud-gguf PATH]
    floe evaluate examples --train FILE.jsonl --test FILE.jsonl
    floe evaluate memory --train FILE.jsonl
    floe evaluate latency
    floe evaluate report
    floe evaluate voices --folder FOLDER

Files are chat JSONL, one {"messages": [...]} a line. Several files after `--train` and `--test`
are so many writers, pair by pair. Progress goes to stderr.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, get_args

from floe.command_flags import add_folder_flags, use_folders
from floe.errors import FloeError
from floe.evaluate.accuracy.question_sets import SET_NAMES, SetName
from floe.evaluate.tables import memory_table, quality_table
from floe.records import PoolingRule


def main(argv: Sequence[str] | None = None) -> int:
    """Run one evaluation; 1 after an error that was explained."""
    options = _arguments(argv)
    try:
        result, show = _RUNS[options.what](options)
    except FloeError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(result) if options.json else show(result))
    return 0


Measurement = tuple[dict[str, Any], Callable[[dict[str, Any]], str]]
"""What was measured, and how it is shown to a person."""

# Imports are late because each of these needs what the others do not: plots, torch, a model.


def _measure_quality(options: argparse.Namespace) -> Measurement:
    from floe.evaluate.writers import run_quality  # noqa: PLC0415

    return run_quality(options), quality_table


def _measure_answers(options: argparse.Namespace) -> Measurement:
    from floe.evaluate.answers import describe_answers, run_answers  # noqa: PLC0415

    return run_answers(options.train[0], options.questions, options.keep), describe_answers


def _measure_routing(options: argparse.Namespace) -> Measurement:
    from floe.evaluate.routing import describe_routing, run_routing  # noqa: PLC0415

    found = run_routing(
        options.train[0],
        options.test,
        cloud=options.cloud_gguf,
        limit=options.limit or 100,
        rule=options.rule,
    )
    return found, describe_routing


def _measure_examples(options: argparse.Namespace) -> Measurement:
    from floe.evaluate.examples import describe_examples, run_examples  # noqa: PLC0415

    return run_examples(options.train[0], options.test[0]), describe_examples


def _measure_accuracy(options: argparse.Namespace) -> Measurement:
    from floe.evaluate.accuracy.accuracy import (  # noqa: PLC0415
        AccuracyOptions,
        accuracy_table,
        run_accuracy,
    )

    wanted = AccuracyOptions(
        options.set,
        options.cloud_gguf,
        options.limit,
        options.questions,
        options.train[0] if options.train else None,
        options.weight,
        options.rule,
    )
    return run_accuracy(wanted), accuracy_table


def _measure_memory(options: argparse.Namespace) -> Measurement:
    from floe.evaluate.memory import run_memory  # noqa: PLC0415

    return run_memory(options.train[0], sample=options.samples), memory_table


def _measure_latency(_options: argparse.Namespace) -> Measurement:
    from floe.evaluate.latency import run_latency  # noqa: PLC0415

    return run_latency(), lambda result: json.dumps(result, indent=1)


def _write_report(options: argparse.Namespace) -> Measurement:
    from floe.evaluate.report import run_report  # noqa: PLC0415

    return run_report(options.folder or Path("docs")), lambda result: str(result["table"])


def _write_voices(options: argparse.Namespace) -> Measurement:
    from floe.evaluate.public_voices import run_voices  # noqa: PLC0415

    return run_voices(options.folder), lambda result: "\n".join(result["files"])


_RUNS: Final[dict[str, Callable[[argparse.Namespace], Measurement]]] = {
    "quality": _measure_quality,
    "answers": _measure_answers,
    "routing": _measure_routing,
    "examples": _measure_examples,
    "accuracy": _measure_accuracy,
    "memory": _measure_memory,
    "latency": _measure_latency,
    "report": _write_report,
    "voices": _write_voices,
}


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="floe evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", choices=tuple(_RUNS), default="quality")
    parser.add_argument("--train", nargs="+", type=Path, metavar="FILE", default=[])
    parser.add_argument("--test", nargs="+", type=Path, metavar="FILE", default=[])
    parser.add_argument(
        "--questions", type=Path, metavar="FILE", help='{"prompt", "answers"} a line; else our own'
    )
    parser.add_argument(
        "--set", type=_sets, metavar="NAMES", default=SET_NAMES, help="accuracy: gsm,nq,code,choice"
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="most questions of each set")
    parser.add_argument("--cloud-gguf", type=Path, metavar="PATH", help="the cloud as a GGUF")
    parser.add_argument("--live", metavar="URL", help="the cloud as an OpenAI-compatible endpoint")
    parser.add_argument("--cloud-model", default="", help="model of the endpoint")
    parser.add_argument("--max-requests", type=int, default=500, help="to the endpoint")
    parser.add_argument("--weight", type=float, default=0.5, help="local weight of `fused`")
    parser.add_argument("--rule", choices=get_args(PoolingRule), default="log-linear")
    parser.add_argument(
        "--samples", type=int, default=1000, help="memory: tries to draw out a secret"
    )
    parser.add_argument("--folder", type=Path, help="where plots or voices are written")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="answers: keep the training, and go on from it"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    add_folder_flags(parser)
    options = parser.parse_args(argv)
    use_folders(options)
    _check(parser, options)
    return options


def _sets(text: str) -> tuple[SetName, ...]:
    named = [name for name in SET_NAMES if name in text.split(",")]
    if set(named) != set(text.split(",")):
        raise argparse.ArgumentTypeError(f"sets are {', '.join(SET_NAMES)}, joined by commas")
    return tuple(named)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number from 1 on")
    return int(text)


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    uneven = not options.train or len(options.train) != len(options.test)
    if options.what in ("quality", "examples") and uneven:
        parser.error("as many --test files as --train files are needed, and at least one")
    if options.what == "quality" and bool(options.cloud_gguf) == bool(options.live):
        parser.error("name the cloud: either --cloud-gguf PATH or --live URL")
    if options.what == "accuracy":
        _check_accuracy(parser, options)
    if options.what in ("answers", "routing", "examples", "memory") and len(options.train) != 1:
        parser.error("name the chats to learn from: --train FILE")
    if options.what == "voices" and options.folder is None:
        parser.error("name the folder that the voices go to: --folder FOLDER")
    if not 0 <= options.weight <= 1:
        parser.error("--weight is between 0 and 1")


def _check_accuracy(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.cloud_gguf is None or options.live:
        parser.error("name the cloud: --cloud-gguf PATH")
    if options.questions and len(options.set) != 1:
        parser.error("--questions takes the place of one set: name it with --set")
    if len(options.train) > 1:
        parser.error("one --train file, or none")


if __name__ == "__main__":
    sys.exit(main())
