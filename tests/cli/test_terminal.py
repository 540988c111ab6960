"""What foreign words can do to a terminal."""

import io
import sys

import pytest

from floe import cli
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


def main(arguments: list[str]) -> int:
    """A command that prints what a file says of itself."""
    print(SAID, *arguments)
    sys.stdout.writelines([SAID])
    sys.stderr.write("\x1b[31m\rhalf")
    return 0


@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
def test_no_command_passes_on_what_a_file_tells_a_terminal(
    monkeypatch: pytest.MonkeyPatch, kind: type[io.StringIO]
) -> None:
    out, err = kind(), kind()
    monkeypatch.setitem(cli.COMMANDS, "models", (__name__, ""))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert cli.main(["models"]) == 0
    assert (sys.stdout, sys.stderr) == (out, err)
    monkeypatch.undo()
    if kind is Terminal:
        assert out.getvalue() == f"{SHOWN}{SHOWN}".rstrip("\n")
        assert err.getvalue() == "\u241b[31m\rhalf"
    else:
        assert "\x1b]52" in out.getvalue()
