"""Known private words, whatever hidden characters stand in them.

Apart from `lexicon`, on whose rules the classifier's weights were made.
"""

from floe.privacy.hidden import HIDDEN, visible
from floe.privacy.lexicon import Found
from floe.privacy.spellings import KnownValues


class VisibleLexicon(KnownValues):
    """A lexicon that reads a text as a person sees it."""

    def __contains__(self, value: str) -> bool:
        return super().__contains__(visible(value))

    def add(self, value: str, kind: str) -> None:
        """Look for `value` from now on, as it is seen; for a name, for each of its parts too."""
        super().add(visible(value), kind)

    def find(self, text: str) -> list[Found]:
        """Find known values where they stand in the whole text; sorted, without overlap."""
        if text.isascii() or HIDDEN.search(text) is None:
            return super().find(text)
        shown = [place for place, character in enumerate(text) if not HIDDEN.match(character)]
        found = super().find("".join(text[place] for place in shown))
        return [Found(shown[each.start], shown[each.end - 1] + 1, each.kind) for each in found]

    def breaks_off(self, text: str) -> bool:
        """Whether `text` ends in the middle of a known value: what comes next may complete it."""
        return super().breaks_off(visible(text))
