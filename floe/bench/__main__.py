"""`python -m floe.bench NAME`: progress on stderr and, last on stdout, one JSON object."""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from floe.bench import decode, durability, federate, fusion, privacy, soak, store, train
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
    "privacy": partial(privacy.run, None),
    "soak": soak.run,
    "store": store.run,
    "train": train.run,
}


def main() -> int:
    """Run one bench; 1 after an error that was explained."""
    parser = argparse.ArgumentParser(prog="python -m floe.bench", description=__doc__)
    parser.add_argument("name", choices=sorted(BENCHES))
    parser.add_argument("--data", type=Path, metavar="FILE.jsonl", help="labelled texts: privacy")
    parser.add_argument("--turns", type=int, default=soak.TURNS, metavar="N", help="soak")
    parser.add_argument("--trainings", type=int, default=soak.TRAININGS, metavar="N", help="soak")
    given = parser.parse_args()
    if given.data is not None and given.name != "privacy":
        parser.error("--data belongs to privacy")
    own = {
        "privacy": partial(privacy.run, given.data),
        "soak": partial(soak.run, given.turns, given.trainings),
    }
    bench = own.get(given.name, BENCHES[given.name])
    try:
        result = bench()
    except FloeError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({"bench": given.name, **result}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
