"""`floe group`: share what devices learnt, not the chats.

floe group host prepare --address 192.168.1.20    make the group's certificates, once
floe group host start                             run the server, in the foreground
floe group host admit anna.pub                    let a device in
floe group host run --rounds 5                    start rounds and show their log
floe group join 192.168.1.20:8000 ca.crt          take part, until Ctrl-C
floe group flwr supernode list group              any command of Flower, with the host's secret
"""

import sys
from collections.abc import Sequence
from typing import Final

_FOLDERS: Final = ("--data-dir", "--models-dir")


def main(arguments: Sequence[str]) -> int:
    """Run one of its commands; folders may be named before it, too."""
    words, folders = list(arguments), []
    while words and words[0].split("=")[0] in _FOLDERS:
        taken = 1 if "=" in words[0] else 2
        folders += words[:taken]
        del words[:taken]
    command, given = "".join(words[:1]), [*folders, *words[1:]]
    if command == "host":
        from floe.federation.group.host import main as host  # noqa: PLC0415 - certificates take time

        return host(given)
    if command == "flwr":
        from floe.federation.group.host import run_flower  # noqa: PLC0415 - likewise

        return run_flower(given)
    if command == "join":
        from floe.cli.join_group import main as join  # noqa: PLC0415 - needs the planner

        return join(given)
    asked = command in ("-h", "--help")
    (sys.stdout if asked else sys.stderr).write(__doc__ or "")
    return 0 if asked else 2
