"""Foreign text on its way to a terminal, which would take some of it for commands."""

import re
from typing import Final, TextIO

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but line feed and tab; what begins with them can fill the clipboard or hide what was said."""
_PICTURES: Final = 0x2400
_DELETE: Final = "\x7f"


def write_foreign(stream: TextIO, text: str) -> None:
    """Write words of a model, a server or a file at once.

    A terminal is shown pictures in place of control characters; a file or a pipe gets the text.
    """
    stream.write(_CONTROLS.sub(_picture, text) if stream.isatty() else text)
    stream.flush()


def _picture(found: re.Match[str]) -> str:
    if found[0] == _DELETE:
        return "\u2421"
    return chr(_PICTURES + ord(found[0])) if found[0] < " " else "\ufffd"
