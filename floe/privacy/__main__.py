"""`python -m floe.privacy FILE.jsonl`: the command `private`."""

import sys

from floe.privacy.command import main

sys.exit(main())
