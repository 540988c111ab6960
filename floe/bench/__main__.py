"""`floe bench NAME`: progress on stderr and, last on stdout, one JSON object.

floe bench decode                 tokens a second, beside llama.cpp alone
floe bench fuzz --cases 1000      so many hostile inputs
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from floe.bench import decode, durability, federate, fusion, fuzz, plan, privacy, soak, store, train
from floe.command_flags import add_folder_flags, use_folders
from floe.errors import FloeError


def _adapter() -> dict[str, object]:
    from floe.bench import adapter  # noqa: PLC0415 - torch stays out of the other benches

    return adapter.run()


BENCHES: dict[str, Callable[[], dict[str, object]]] = {
    "adapter": _adapter,
    "decode": decode.run,
    "durability": durability.run,
    "federate": federate.run,
    "fusion": fusion.run,
    "fuzz": fuzz.run,
    "plan": plan.run,
    "privacy": partial(privacy.run, None),
    "soak": soak.run,
    "store": store.run,
    "train": train.run,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one bench; 1 after an error that was explained."""
    parser = argparse.ArgumentParser(
        prog="floe bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_folder_flags(parser)
    parser.add_argument("name", choices=sorted(BENCHES))
    parser.add_argument("--data", type=Path, metavar="FILE.jsonl", help="labelled texts: privacy")
    parser.add_argument("--cases", type=int, help=f"fuzz: how many, {fuzz.DEFAULT_CASES:,} if not")
    parser.add_argument("--seed", type=int, help="fuzz: which ones")
    parser.add_argument("--turns", type=int, default=soak.TURNS, metavar="N", help="soak: turns")
    parser.add_argument(
        "--trainings", type=int, default=soak.TRAININGS, metavar="N", help="soak: trainings"
    )
    parser.add_argument("--calibrate", action="store_true", help="plan: fit it to this device")
    parser.add_argument("--json", action="store_true", help="always on")
    given = parser.parse_args(arguments)
    use_folders(given)
    if given.data is not None and given.name != "privacy":
        parser.error("--data belongs to privacy")
    if (given.cases, given.seed) != (None, None) and given.name != "fuzz":
        parser.error("--cases and --seed belong to fuzz")
    if given.calibrate and given.name != "plan":
        parser.error("--calibrate belongs to plan")
    own = {
        "plan": partial(plan.run, calibrate=given.calibrate),
        "privacy": partial(privacy.run, given.data),
        "fuzz": partial(fuzz.run, given.cases or fuzz.DEFAULT_CASES, given.seed or 1),
        "soak": partial(soak.run, given.turns, given.trainings),
    }
    bench = own.get(given.name, BENCHES[given.name])
    try:
        result = bench()
    except FloeError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({"bench": given.name, **result}))
    return 1 if result.get("crashes") else 0


if __name__ == "__main__":
    sys.exit(main())
