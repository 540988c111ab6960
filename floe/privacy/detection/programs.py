"""Whether a stretch of text is source code. By words and marks alone."""

from typing import Final

import regex

_SEVERAL: Final = 2
_CODE_MARK: Final = regex.compile(r"[{}()\[\];=<>_]")
_CODE_DENSITY: Final = 20
_KEYWORD: Final = regex.compile(
    r"\b(?:def|return|import|from|class|function|func|fn|var|let|const|public|private|static|void|int|float|double|string|bool|print|printf|println"
    r"|console|select|where|join|group by|insert|elif|else|endif|foreach|while|async|await|lambda|self|this|null|none|true|false|include|using|namespace"
    r"|struct|enum|global|clear|close|plot|zeros|len|range|append|push|assert|throw|except|catch|try)\b",
    regex.I,
)
_MINE: Final = regex.compile(r"\b(?:my|our|mein\w*|mon|ma|mi)\s", regex.I)


def is_program(text: str) -> bool:
    """Return whether a stretch is source code: two of its keywords, and its marks all over it.

    Data in braces is none, as it may be somebody's; nor is code in which the speaker appears.
    """
    if len(_CODE_MARK.findall(text)) * _CODE_DENSITY < len(text) or _MINE.search(text):
        return False
    return len(set(_KEYWORD.findall(text))) >= _SEVERAL
