"""`floe group join`: take part in a group without a page, until Ctrl-C.

floe group join --key                                  print this device's key for the host to admit
floe group join 192.168.1.20:8000 ca.crt --allow       let the group learn from your chats, and join
floe group join                                        rejoin the group that you have not left
floe group join --leave                                leave the group
"""

import json
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from floe.cli.arguments import add_model_flags, command_parser, settings_from
from floe.cli.data import data_folder
from floe.config import Settings
from floe.errors import FederationError
from floe.federation.group.history import Federation
from floe.federation.group.membership import BLUR, Membership, group_settings
from floe.models.catalog import fetch_missing, resolve_model
from floe.models.chosen import chosen_model
from floe.privacy.consent import Consent, consent, give_consent
from floe.store import Store

_POLL_SECONDS: Final = 0.5


def main(arguments: Sequence[str]) -> int:
    """Join, say how it stands, and stay until Ctrl-C or the end of the membership."""
    parser = command_parser("group join", __doc__)
    add_model_flags(parser)
    parser.add_argument("address", nargs="?", help="host:port of the group")
    parser.add_argument("certificate", nargs="?", type=Path, help="the group's ca.crt")
    parser.add_argument(
        "--topics", choices=[*BLUR], default="roughly", help="what the group is told of your topics"
    )
    parser.add_argument("--allow", action="store_true", help="let a group learn from your chats")
    parser.add_argument("--key", action="store_true", help="print this device's public key")
    parser.add_argument("--leave", action="store_true", help="leave the group")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    if (options.address is None) != (options.certificate is None):
        parser.error("ADDRESS and CERTIFICATE belong together")
    settings = settings_from(options)
    with data_folder(settings), Store(settings.database) as store:
        membership = Membership(store, settings.data_dir)
        try:
            if options.key:
                _print({"key": membership.public_key().strip()}, "key", as_json=options.json)
                return 0
            if options.leave:
                membership.leave()
                found = _current(membership)
            else:
                if options.allow:
                    give_consent(store, Consent(train=True, federate=True))
                if options.address is None:
                    membership.resume()
                else:
                    _join(store, settings, membership, options)
                found = _follow(membership)
        finally:
            membership.close()
    _print({"status": found.status, "sentence": found.sentence}, "sentence", as_json=options.json)
    return 1 if found.status == "failed" else 0


def _join(store: Store, settings: Settings, membership: Membership, options: Namespace) -> None:
    if not consent(store).federate:
        raise FederationError(
            "You have not allowed a group to learn from your chats. Add --allow, or say so in the "
            "page, under Federate."
        )
    name = chosen_model(settings, store).name
    fetch_missing([name], settings.models_dir)
    base = resolve_model(name, settings.models_dir)
    membership.join(
        group_settings(
            store,
            settings.data_dir,
            base,
            address=options.address,
            certificate=options.certificate,
            level=options.topics,
        )
    )


def _follow(membership: Membership) -> Federation:
    """Show each new sentence on stderr until the membership ends, or Ctrl-C."""
    said = ""
    found = _current(membership)
    try:
        while found.status == "running":
            if found.sentence != said:
                said = found.sentence
                sys.stderr.write(f"{said}\n")
                sys.stderr.flush()
            time.sleep(_POLL_SECONDS)
            found = _current(membership)
    except KeyboardInterrupt:
        sys.stderr.write("This device stays a member: `floe group join` goes back, --leave ends.\n")
    return found


def _current(membership: Membership) -> Federation:
    found = membership.current()
    if found is None:
        raise FederationError(
            "This device is in no group. Join one: floe group join ADDRESS CERTIFICATE"
        )
    return found


def _print(values: dict[str, str], shown: str, *, as_json: bool) -> None:
    text = json.dumps(values, ensure_ascii=False) if as_json else values[shown]
    sys.stdout.write(f"{text}\n")
