"""`floe serve`: the assistant for other programs, over the OpenAI protocol, without a page.

floe serve                        the endpoint, with the stand-in cloud
floe serve --cloud off --port 0   this device alone, on a free port
floe serve --json                 address and key as JSON, in the first line on stdout

It listens on this device alone (127.0.0.1). Programs get the address and the key that are printed;
the key stays the same from start to start. Models: floe (fused, with the automatic weight),
floe-local, floe-cloud. docs/api.md shows how openai, llm, Open WebUI and Continue are set up.
"""

import json
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from floe.api.chat_request import MODELS
from floe.api.server import ApiServer, load_key
from floe.application import Application
from floe.cli.arguments import add_cloud_flags, add_model_flags, command_parser, settings_from
from floe.cli.ask import wait_for_cloud
from floe.cli.data import data_folder

_PORT: Final = 7861
"""Beside the page's."""
_SEEN: Final = (
    "The key was given with --key: while Floe runs, every user of this machine can read it in the "
    "list of processes. It is kept now; leave --key out from the next start on."
)


def main(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C."""
    parser = command_parser("serve", __doc__)
    add_model_flags(parser)
    add_cloud_flags(parser)
    parser.add_argument("--port", type=int, default=_PORT, help="0 picks a free one (%(default)s)")
    parser.add_argument(
        "--key", help="the key that programs send, from now on; made up if never given"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, in the first line")
    options = parser.parse_args(arguments)
    if not 0 <= options.port <= 65535:
        parser.error("--port is between 0 and 65535")
    # A service manager's way to say Ctrl-C: what runs is ended in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = settings_from(options)
    with data_folder(settings):
        key = load_key(settings.data_dir, options.key)
        if options.key is not None:
            sys.stderr.write(f"{_SEEN}\n")
        with Application.open(settings) as application:
            wait_for_cloud(application.assistant)
            with ApiServer(application, key, options.port) as server:
                application.backups.start()
                announce(server.address, key, as_json=options.json)
                sys.stderr.write(f"{application.assistant.cloud.state.sentence}\n")
                sys.stderr.write("Floe answers programs on this device. Ctrl-C ends it.\n")
                with suppress(KeyboardInterrupt):
                    threading.Event().wait()
    return 0


def announce(address: str, key: str, *, as_json: bool) -> None:
    """Print what a program needs, at once: whoever started this may wait for it."""
    if as_json:
        line = json.dumps({"address": address, "key": key, "models": list(MODELS)})
    else:
        line = f"address {address}\nkey     {key}"
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
