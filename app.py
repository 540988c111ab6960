"""Floe's front door: `python app.py` opens the page; `python app.py --help` shows what else."""

import sys

from floe.cli import main

if __name__ == "__main__":
    sys.exit(main())
