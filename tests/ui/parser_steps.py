"""Count the lines of Python that the parser runs for each text: JSON list in, JSON list out.

A process of its own, because tracing where playwright has switched greenlets never ends.
"""

import json
import sys
from types import FrameType
from typing import Any
from unittest.mock import patch

from floe.ui.chat import markdown


def count_steps(text: str) -> int:
    """Return the lines, calls and returns in files of the parser while `text` is rendered."""
    steps = 0

    def trace(frame: FrameType, _event: str, _arg: object) -> Any:
        nonlocal steps
        steps += 1
        return trace if "markdown" in frame.f_code.co_filename else None

    sys.settrace(trace)
    try:
        markdown.render_blocks(text)
    finally:
        sys.settrace(None)
    return steps


def main() -> None:
    # What the allow-list does is compiled code: nothing of it would be counted.
    with patch.object(markdown, "_clean", lambda html: html):
        json.dump([count_steps(text) for text in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
