"""Program text to HTML with Pygments' short class names; the colours are in `prose.css`.

The language is never guessed: only the first word of a fence's info string counts, and only for
the languages below, since a lexer is a set of regular expressions and hundreds of them are more
than anybody has looked at for input that never ends.
"""

from functools import lru_cache
from html import escape
from typing import Final

from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

MAX_HIGHLIGHTED: Final = 20_000
"""Characters of a code block beyond which it stays in one colour."""

CLASSES: Final = frozenset(name for name in STANDARD_TYPES.values() if name)
"""All class names that Pygments gives."""

_LANGUAGES: Final = (
    "bash bat c c++ cmake console cpp cs csharp css csv dart diff docker dockerfile elixir elm "
    "erlang fortran go golang graphql groovy haskell hs html http ini java javascript js json "
    "json5 julia kotlin latex less lua make makefile markdown matlab md nginx objective-c "
    "ocaml patch perl php powershell ps1 py pycon python python3 r rb rs ruby rust sass scala "
    "scss sh shell sql swift tcl tex text toml ts tsx typescript vim xml yaml yml zig zsh"
)
_ALLOWED: Final = frozenset(_LANGUAGES.split())

_FORMATTER: Final = HtmlFormatter(nowrap=True)


@lru_cache(256)
def highlight_code(code: str, language: str) -> str:
    """Write HTML whose text is `code` to the letter; one colour for unknown languages."""
    if language not in _ALLOWED or len(code) > MAX_HIGHLIGHTED:
        return escape(code)
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return escape(code)
    coloured: str = highlight(code, lexer, _FORMATTER)
    return coloured
