"""`python -m floe`: the command `floe`."""

import sys

from floe.cli import main

if __name__ == "__main__":
    sys.exit(main())
