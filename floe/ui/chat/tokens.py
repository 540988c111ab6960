"""The tokens of an answer as the browser draws them: short rows, only those it lacks.

The browser asks for the rows after the ones it has, a few times a second while an answer is
written, so that nothing is sent twice and a reload finds everything.
"""

import codecs
from collections.abc import Sequence
from typing import Final

from floe.chat.assistant import Assistant
from floe.chat.continuation import ranked_alternatives
from floe.errors import StoreError
from floe.records import Alternative, TokenStep
from floe.ui.page_values import AlternativeValue, TokenPage, TokenValue

END: Final = "\u2039end\u203a"
"""Drawn for an end-of-text token, whose bytes are empty."""


def _hex_error_handler(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return hex_bytes(error.object[error.start : error.end]), error.end


codecs.register_error("floe.hex", _hex_error_handler)


def hex_bytes(piece: bytes) -> str:
    """Bytes that are no whole character, like F0 9F, in guillemets and with firm spaces."""
    return "\u2039" + piece.hex(" ").upper().replace(" ", "\u202f") + "\u203a"


def token_text(text_bytes: bytes) -> str:
    """Spell a token on its own: text, bytes of broken characters in hex, `END` for the end."""
    return text_bytes.decode("utf-8", "floe.hex") if text_bytes else END


def token_rows(steps: Sequence[TokenStep], have: int = 0) -> list[TokenValue]:
    """Return the rows from number `have` on.

    A row is `(text, part, bytes, source, weight, p_local, p_cloud, p_fused, at_ms,
    alternatives)`. `text` reads on from the row before, so that the token which completes a
    character carries it whole; `part` is 0 for a token of whole characters, 1 where a character
    is begun and 2 where it is completed, and `bytes` then names this token's own. Probabilities
    are rounded to four digits, or None. An alternative is `(text, p_local, p_cloud, p_fused)`.
    """
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    rows: list[TokenValue] = []
    for number, step in enumerate(steps):
        inside = bool(utf8.getstate()[0])
        text = utf8.decode(step.text_bytes)
        pending = utf8.getstate()[0]
        if number < have:
            continue
        part = 1 if pending else 2 if inside else 0
        if pending:
            text += hex_bytes(pending[-len(step.text_bytes) :])
        rows.append(
            (
                text if step.text_bytes else END,
                part,
                token_text(step.text_bytes) if part else "",
                step.source,
                round(step.weight, 3),
                _rounded(step.p_local),
                _rounded(step.p_cloud),
                _rounded(step.p_fused),
                round(step.at_ms),
                _alternatives(step.alternatives),
            )
        )
    return rows


def token_page(assistant: Assistant, request: Sequence[int]) -> TokenPage:
    """Answer the browser's `[conversation, message, have]`: new rows, and whether more come.

    A message that was deleted meanwhile has no rows.
    """
    conversation_id, message_id, have = request
    turn = assistant.running(conversation_id)
    if turn is not None and turn.message_id == message_id:
        return {"rows": token_rows(turn.view().steps, have), "live": True}
    try:
        steps = assistant.store.token_steps(message_id)
    except StoreError:
        steps = []
    return {"rows": token_rows(steps, have), "live": False}


def _alternatives(alternatives: Sequence[Alternative]) -> list[AlternativeValue]:
    return [
        (
            token_text(each.text_bytes),
            _rounded(each.p_local),
            _rounded(each.p_cloud),
            _rounded(each.p_fused),
        )
        for each in ranked_alternatives(alternatives)
    ]


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 4)
