"""White space at the end of an answer's beginning, where a server takes none there.

Anthropic refuses a beginning that ends in white space. So it is sent without; what comes back
repeats that white space before it goes on, and the distributions after it are cut out here.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from floe.errors import CloudError
from floe.records import CloudToken

_LEAST_LEFT: Final = 1e-6
"""Rounded log-probabilities can add up to 1: something is left for what was cut out."""


class OtherSpaceError(CloudError):
    """The cloud would go on with other white space than what is written."""


class SpaceTrimmer:
    """Cuts the white space that was not sent off the tokens of one stream."""

    def __init__(self, unsent: str) -> None:
        """`unsent`: what the tokens have to begin with."""
        self._left = unsent.encode()

    def trim(self, tokens: Iterable[CloudToken], *, repeated: bool = False) -> list[CloudToken]:
        """Return what of the next tokens comes after it.

        Args:
            tokens: the next ones.
            repeated: the server has repeated all of the beginning, which is taken out already.

        Raises:
            OtherSpaceError: they do not begin with it.
        """
        if repeated:
            self._left = b""
        return [trimmed for token in tokens if (trimmed := self._trim(token)) is not None]

    def _trim(self, token: CloudToken) -> CloudToken | None:
        left, own = self._left, token.text_bytes
        if not left:
            return token
        if not token.end and left.startswith(own):
            self._left = left[len(own) :]
            return None
        if not token.end and not own.startswith(left):
            raise OtherSpaceError(
                "The cloud would go on with other spaces or line breaks here; this device goes on "
                "alone for a moment."
            )
        self._left = b""
        return _after(left, token)


def _after(beginning: bytes, token: CloudToken) -> CloudToken:
    """Return the distribution after bytes that a token begins with, given that they stand there.

    An answer that would end before them ends after them.
    """
    rests = []
    excluded = 0.0
    for candidate in token.candidates:
        text = candidate.text_bytes
        if candidate.end:
            rests.append(candidate)
        elif text.startswith(beginning) and len(text) > len(beginning):
            rests.append(replace(candidate, text_bytes=text[len(beginning) :], begun=True))
        else:
            excluded += math.exp(min(candidate.logprob, 0.0))
    scale = math.log(max(1.0 - excluded, _LEAST_LEFT))
    candidates = tuple(replace(c, logprob=min(c.logprob - scale, 0.0)) for c in rests)
    return replace(token, text_bytes=token.text_bytes[len(beginning) :], candidates=candidates)
