"""What foreign words can do to a terminal."""

import io
import sys

import pytest

from floe.chat.turn import UnstoredTurn
from floe.cli.ask import print_answer
from floe.fusion.decoder import Controls
from floe.records import Route, TokenStep

SAID = "a\tb\n\x1b]52;c;cm0gLXJmIH4=\x07\x9b2J\x7f\rgone \U0001f642"
SHOWN = "a\tb\n\u241b]52;c;cm0gLXJmIH4=\u2407\ufffd2J\u2421\u240dgone \U0001f642\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_words_of_a_model_are_no_commands_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = UnstoredTurn(-1, Route("cloud", ""), Controls(1.0, 1.0, 0.0))
    turn.add(TokenStep(-1, SAID.encode(), None, 1.0, 1.0, 0.0, "cloud", 0.0))
    turn.notice("\x1b[31mred")
    turn.finish("complete")
    for kind, shown, told in (
        (Terminal, SHOWN, "\u241b["),
        (io.StringIO, f"{SAID}\n", "\x1b["),
    ):
        out, err = kind(), kind()
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        print_answer(turn, echo=True)
        monkeypatch.undo()
        assert out.getvalue() == shown
        assert err.getvalue().startswith(told)
