"""Foreign text on its way to a terminal, which would take some of it for commands."""

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, Final, TextIO, cast

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but line feed and tab; what begins with them can fill the clipboard or hide what was said."""
_BUT_RETURN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""The same without the carriage return, with which progress is written over itself."""
_PICTURES: Final = 0x2400
_DELETE: Final = "\x7f"


def write_foreign(stream: TextIO, text: str) -> None:
    """Write words of a model, a server or a file at once.

    A terminal is shown pictures in place of control characters; a file or a pipe gets the text.
    """
    stream.write(_CONTROLS.sub(_picture, text) if stream.isatty() else text)
    stream.flush()


@contextmanager
def shown_plainly() -> Iterator[None]:
    """Show pictures in place of control characters, whoever writes to the terminal meanwhile.

    A file's own title, the name of an adapter: much that is printed was written elsewhere.
    """
    out, err = _plain(sys.stdout, _CONTROLS), _plain(sys.stderr, _BUT_RETURN)
    with redirect_stdout(out), redirect_stderr(err):
        yield


def _plain(stream: TextIO, controls: re.Pattern[str]) -> TextIO:
    return cast(TextIO, _PlainStream(stream, controls)) if stream.isatty() else stream


class _PlainStream:
    """A stream to a terminal; all but writing is the stream's own."""

    def __init__(self, stream: TextIO, controls: re.Pattern[str]) -> None:
        self._stream = stream
        self._controls = controls

    def write(self, text: str) -> int:
        """Write without commands."""
        self._stream.write(self._controls.sub(_picture, text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _picture(found: re.Match[str]) -> str:
    if found[0] == _DELETE:
        return "\u2421"
    return chr(_PICTURES + ord(found[0])) if found[0] < " " else "\ufffd"
