"""Greeting and thanks around a message, which say nothing of what it is about."""

from typing import Final

import regex

_GREETS: Final = regex.compile(
    r"\W*(?:(?:(?:hi|hello|hey|hiya|greetings|good (?:morning|evening|afternoon|day)|dear (?:assistant|ai|chatbot|sir or madam|all|team))(?: (?:there|everyone|everybody|all|again|team|guys|folks))?"
    r"|sorry to (?:bother|ask)(?: you)?(?: this)?|(?:i have a |i've a )?(?:quick |small |honest )?question|i need (?:some |your )?help|(?:please|can you|could you) help(?: me)?|not sure who to ask(?: but)?"
    r"|(?:many )?thank(?:s| you)(?: (?:so|very) much| a lot)?(?: for (?:your|the|reading|helping|any)(?: \w+){0,3})?)"
    r"(?:\s*[,.!:;)-]+\s*|\s(?=i\b|i'm\b|my\b|can\b|how\b|what\b)))+",
    regex.I,
)
_THANKS: Final = regex.compile(
    r"(?:[\s.!,;-]+(?:(?:many )?thank(?:s| you)(?: (?:so|very) much| a lot| a million| again)?(?: in advance)?(?: for (?:your|the|reading|helping|any)(?: \w+){0,3})?|cheers|(?:thx|thanx|ty)(?: in advance)?|tia"
    r"|please (?:advise|help)(?: me)?|any (?:help|advice|tips?|ideas?|thoughts?)(?: (?:is|are|would be))?(?: (?:much |greatly )?(?:appreciated|welcome))?|have a (?:nice|good|great|lovely) (?:day|one|evening)"
    r"|(?:best|kind) regards|what do you think)[\s.!?:)]*)+\Z",
    regex.I,
)
_TIMEOUT: Final = 1.0
_SHORTEST: Final = 10
"""Characters that a message must have of its own."""


def core(text: str) -> tuple[int, int]:
    """Return where a text begins and ends without the greeting and the thanks around it.

    They say nothing of what it is about, and in a short message they are half of all words.
    Raises TimeoutError.
    """
    opened = _GREETS.match(text, timeout=_TIMEOUT)
    start = opened.end() if opened else 0
    closed = _THANKS.search(text, start, timeout=_TIMEOUT)
    end = closed.start() if closed else len(text)
    return (start, end) if end - start >= _SHORTEST else (0, len(text))
