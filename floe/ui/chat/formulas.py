r"""LaTeX to MathML, which the browser itself draws: no script and no font is loaded for it.

By math-core (Rust), which escapes all text, knows no command that makes a link, a class or an
image, and refuses what it does not know. Then the source is shown.
"""

import re
import threading
from functools import lru_cache
from html import escape
from typing import Final

from math_core import LatexError, LatexToMathML

MAX_LATEX: Final = 4_000
"""Characters of a formula; a longer one is shown as it was written."""

MAX_MATHML: Final = 100_000
"""Characters of the result: a hundred primes make a thousand elements."""

_COLUMNS: Final = {"right": "end", "left": "start", "center": "middle"}
_STYLE: Final = re.compile(r' style="(?:text-align: (right|left|center);)?[^"]*"')

_converters: Final = threading.local()


@lru_cache(1024)
def draw_formula(latex: str, *, display: bool) -> str:
    """Draw a formula in MathML, or its source as code where it cannot be drawn."""
    mathml = _convert(latex.strip(), display) if len(latex) <= MAX_LATEX else None
    return f"<code>{escape(latex)}</code>" if mathml is None else mathml


def _convert(latex: str, display: bool) -> str | None:
    try:
        mathml = _converter().convert_with_local_state(latex, displaystyle=display)
    except (LatexError, RuntimeError, ValueError):
        return None
    if len(mathml) > MAX_MATHML:
        return None
    # Columns are aligned by style attributes, which no message may have: a class says the same.
    return _STYLE.sub(lambda found: f' class="{_COLUMNS[found[1]]}"' if found[1] else "", mathml)


def _converter() -> LatexToMathML:
    """One a thread: a converter that is in use elsewhere refuses."""
    if not hasattr(_converters, "own"):
        # Formulas get no macros, because a formula could grow by their expansion.
        _converters.own = LatexToMathML(fancy_error=False, max_expansions=0)
    converter: LatexToMathML = _converters.own
    return converter
