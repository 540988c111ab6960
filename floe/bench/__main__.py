"""`floe bench NAME`: progress on stderr and, last on stdout, one JSON object."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from floe.bench import decode, federate, fusion, privacy, store, train
from floe.errors import FloeError


def _adapter() -> dict[str, object]:
    from floe.bench import adapter  # noqa: PLC0415 - torch stays out of the other benches

    return adapter.run()


BENCHES: dict[str, Callable[[], dict[str, object]]] = {
    "adapter": _adapter,
    "decode": decode.run,
    "federate": federate.run,
    "fusion": fusion.run,
    "privacy": partial(privacy.run, None),
    "store": store.run,
    "train": train.run,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one bench; 1 after an error that was explained."""
    parser = argparse.ArgumentParser(prog="floe bench", description=__doc__)
    parser.add_argument("name", choices=sorted(BENCHES))
    parser.add_argument("--data", type=Path, metavar="FILE.jsonl", help="labelled texts: privacy")
    given = parser.parse_args(arguments)
    if given.data is not None and given.name != "privacy":
        parser.error("--data belongs to privacy")
    bench = partial(privacy.run, given.data) if given.name == "privacy" else BENCHES[given.name]
    try:
        result = bench()
    except FloeError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({"bench": given.name, **result}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
