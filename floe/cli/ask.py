"""`floe ask`: one answer, streamed to the terminal, kept as a chat like any other.

floe ask "Why is the sky blue?"
floe ask "And at night?" --conversation 3 --mode local --json
git diff | floe ask -
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, get_args

from pydantic import ValidationError

from floe.application import Application
from floe.chat.assistant import Assistant
from floe.chat.preferences import Preferences
from floe.chat.turn import NoticeEvent, TextEvent, Turn, TurnOptions
from floe.cli.arguments import add_cloud_flags, add_model_flags, command_parser, settings_from
from floe.cli.data import data_folder
from floe.cli.terminal import write_foreign
from floe.records import Mode
from floe.sampling_choices import SamplingChoices

_READY_SECONDS: Final = 120.0
"""Time that the cloud and the privacy check may take to start."""
_POLL_SECONDS: Final = 0.05
_WHOLE: Final = ("top_k", "penalty_last_n", "seed", "max_tokens")
_FLAGS: Final = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repeat_penalty",
    "frequency_penalty",
    "presence_penalty",
    "penalty_last_n",
    "dry_multiplier",
    "seed",
    "stop",
    "max_tokens",
)
"""The others are in `floe.toml`."""
_LOOK_SECONDS: Final = 0.5
"""Longest wait for the next event; a commit that does not come back is noticed then."""


def main(arguments: Sequence[str]) -> int:
    """Ask, and print the answer."""
    parser = command_parser("ask", __doc__)
    add_model_flags(parser)
    add_cloud_flags(parser)
    parser.add_argument("text", help="the question; '-' reads it from standard input")
    parser.add_argument("--mode", choices=get_args(Mode), help="who may answer (as in the page)")
    parser.add_argument("--weight", type=float, help="local weight in [0, 1] (as in the page)")
    add_sampling_flags(parser)
    parser.add_argument("--conversation", type=int, metavar="ID", help="go on with this chat")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    if options.weight is not None and not 0 <= options.weight <= 1:
        parser.error("--weight is between 0 and 1")
    try:
        sampling = SamplingChoices.model_validate(
            {name: value for name in _FLAGS if (value := getattr(options, name)) is not None}
        ).chosen
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        parser.error(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}")
    text = sys.stdin.read() if options.text == "-" else options.text
    settings = settings_from(options)
    with data_folder(settings), Application.open(settings) as application:
        chosen = turn_options(
            Preferences.load(application.store).options(application.assistant.sampling.sampling),
            sampling,
            mode=options.mode,
            weight=options.weight,
        )
        if chosen.mode != "local":
            wait_for_cloud(application.assistant)
        application.memory_job.wait(_READY_SECONDS)
        turn = application.assistant.ask(options.conversation, text, chosen)
        print_answer(turn, echo=not options.json)
        if options.json:
            sys.stdout.write(json.dumps(result_value(turn), ensure_ascii=False) + "\n")
    return 0


def add_sampling_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each setting of sampling that is chosen for one answer."""
    for name in _FLAGS:
        field = SamplingChoices.model_fields[name]
        flag = f"--{name.replace('_', '-')}"
        if name == "stop":
            parser.add_argument(
                flag, action="append", metavar="TEXT", help=f"{field.description}; may come again"
            )
        else:
            kind = int if name in _WHOLE else float
            parser.add_argument(flag, type=kind, metavar="N", help=field.description)


def turn_options(kept: TurnOptions, sampling: dict[str, Any], **changes: Any) -> TurnOptions:
    """Return what the page would use, changed by the flags that were given (None: not given)."""
    given = {name: value for name, value in changes.items() if value is not None}
    if "weight" in given:
        given["auto"] = False
    return replace(kept, sampling=replace(kept.sampling, **sampling), **given)


def wait_for_cloud(assistant: Assistant) -> None:
    """Wait until the cloud and the privacy check are ready or have failed."""
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until and (
        assistant.cloud.state.kind == "starting"
        or assistant.detector.state in ("not loaded", "loading")
    ):
        time.sleep(_POLL_SECONDS)


def print_answer(turn: Turn, *, echo: bool) -> None:
    """Print the answer while it is written (if `echo`), and its notices on stderr."""
    cursor = 0
    running = True
    while running:
        # Asked before: what comes between the two is read in the next round.
        running = turn.running
        for event in turn.events(cursor, _LOOK_SECONDS):
            cursor = event.number
            if isinstance(event, NoticeEvent):
                write_foreign(sys.stderr, f"{event.sentence}\n")
            elif isinstance(event, TextEvent) and echo:
                write_foreign(sys.stdout, event.text)
    unkept = turn.view().unkept
    if unkept:
        sys.stderr.write(f"{unkept}\n")
    if echo:
        sys.stdout.write("\n")


def result_value(turn: Turn) -> dict[str, Any]:
    """Return what `--json` prints."""
    view = turn.view()
    return {
        "text": view.text,
        "route": view.route.kind,
        "reason": view.route.reason,
        "tokens": view.stats.tokens,
        "cloud_share": view.stats.cloud_share,
        "cloud_requests": view.stats.cloud_requests,
        "ending": view.status,
        "memory": [{"source": each.source, "text": each.text} for each in turn.memory],
        "conversation": turn.conversation_id,
        "notices": list(view.notices),
    }
