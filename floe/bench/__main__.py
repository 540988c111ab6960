"""`python -m floe.bench NAME`: progress on stderr and, last on stdout, one JSON object."""

import argparse
import json
import sys
from collections.abc import Callable

from floe.bench import decode, fusion, store
from floe.errors import FloeError

BENCHES: dict[str, Callable[[], dict[str, object]]] = {
    "decode": decode.run,
    "fusion": fusion.run,
    "store": store.run,
}


def main() -> int:
    """Run one bench; 1 after an error that was explained."""
    parser = argparse.ArgumentParser(prog="python -m floe.bench", description=__doc__)
    parser.add_argument("name", choices=sorted(BENCHES))
    name = parser.parse_args().name
    try:
        result = BENCHES[name]()
    except FloeError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({"bench": name, **result}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
