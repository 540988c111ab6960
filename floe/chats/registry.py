"""All formats that Floe reads, told apart by what is in a file and never by its name."""

from collections.abc import Sequence
from typing import Any, Final

from floe.chats.formats import (
    alpaca,
    character_ai,
    chatbox,
    chatgpt,
    cherry_studio,
    claude,
    copilot,
    deepseek,
    gemini,
    grok,
    librechat,
    lm_studio,
    open_webui,
    openai_messages,
    openai_responses,
    sharegpt,
    sillytavern,
    telegram,
    templated,
    text_generation_webui,
    whatsapp,
)
from floe.chats.imported import ChatFormat

FORMATS: Final[Sequence[ChatFormat]] = (
    deepseek.FORMAT,
    grok.FORMAT,
    librechat.FORMAT,
    chatbox.FORMAT,
    cherry_studio.FORMAT,
    chatgpt.FORMAT,
    claude.FORMAT,
    open_webui.FORMAT,
    lm_studio.FORMAT,
    telegram.FORMAT,
    gemini.FORMAT,
    gemini.ACTIVITY,
    character_ai.FORMAT,
    copilot.FORMAT,
    copilot.TABLE,
    sillytavern.FORMAT,
    text_generation_webui.FORMAT,
    sharegpt.FORMAT,
    openai_responses.FORMAT,
    templated.FORMAT,
    alpaca.FORMAT,
    openai_messages.SAVED,
    openai_messages.FORMAT,
    openai_messages.SAVED_LOOSE,
    openai_messages.LOOSE,
)
"""In the order they are tried: the more that a format demands, the earlier."""

BETWEEN_PEOPLE: Final = frozenset(
    {whatsapp.ID, *(each.id for each in FORMATS if each.read_as is not None)}
)
"""Ids of formats in which one of the persons is the user, and the file may not say who."""

_MAY_BE_OWN: Final = (
    telegram.FORMAT,
    sharegpt.FORMAT,
    templated.FORMAT,
    alpaca.FORMAT,
    openai_messages.FORMAT,
    openai_messages.LOOSE,
)
WRITTEN_BY_MODELS: Final = frozenset(e.id for e in FORMATS) - {e.id for e in _MAY_BE_OWN}
"""Ids of formats whose answers another model wrote; the others may be a person's own work."""

LABELS: Final = {each.id: each.label for each in FORMATS} | {whatsapp.ID: whatsapp.LABEL}
"""Names for people, by id."""

KNOWN: Final = (
    "Floe reads exports of ChatGPT, Claude, Gemini, Copilot, DeepSeek, Grok, Le Chat, "
    "Character.AI, Open WebUI, LM Studio, LibreChat, Chatbox, Cherry Studio, Jan, SillyTavern, "
    "text-generation-webui, WhatsApp and Telegram, files in the manner of OpenAI, ShareGPT and "
    "Alpaca, as JSON or as a table (CSV), and text in the chat templates of models"
)


def recognise(value: Any) -> ChatFormat | None:
    """Return the format of a JSON value; None if it is no chat of any."""
    return next((each for each in FORMATS if each.recognises(value)), None)
