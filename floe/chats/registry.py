"""All formats that Floe reads, told apart by what is in a file and never by its name."""

from collections.abc import Sequence
from typing import Any, Final

from floe.chats.formats import (
    alpaca,
    chatgpt,
    claude,
    lm_studio,
    open_webui,
    openai_messages,
    sharegpt,
    sillytavern,
    text_generation_webui,
    whatsapp,
)
from floe.chats.imported import ChatFormat

FORMATS: Final[Sequence[ChatFormat]] = (
    chatgpt.FORMAT,
    claude.FORMAT,
    open_webui.FORMAT,
    lm_studio.FORMAT,
    sillytavern.FORMAT,
    text_generation_webui.FORMAT,
    sharegpt.FORMAT,
    alpaca.FORMAT,
    openai_messages.FORMAT,
    openai_messages.LOOSE,
)
"""In the order they are tried: the more that a format demands, the earlier."""

LABELS: Final = {each.id: each.label for each in FORMATS} | {whatsapp.ID: whatsapp.LABEL}
"""Names for people, by id."""

KNOWN: Final = (
    "Floe reads exports of ChatGPT, Claude, Open WebUI, LM Studio, SillyTavern, "
    "text-generation-webui and WhatsApp, and files in the manner of OpenAI, ShareGPT and Alpaca"
)


def recognise(value: Any) -> ChatFormat | None:
    """Return the format of a JSON value; None if it is no chat of any."""
    return next((each for each in FORMATS if each.recognises(value)), None)
