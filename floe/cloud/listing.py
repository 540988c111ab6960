"""What an endpoint lists and tells of itself, in the forms in which servers do."""

from typing import Any, Final

from floe.cloud.endpoint import NotAnApiError

_MAX_TEMPLATE: Final = 1 << 16


def model_entries(models: Any) -> list[dict[str, Any]]:
    """Return the entries of a list of models; Together's stands in no object.

    Raises:
        NotAnApiError: it is no such list.
    """
    listed = models
    if isinstance(models, dict):
        if "data" not in models:
            raise NotAnApiError
        listed = models["data"] or []  # Ollama without a model: null
    if not isinstance(listed, list):  # a page of HTML comes as its text
        raise NotAnApiError
    entries = [each for each in listed if isinstance(each, dict) and each.get("id")]
    if listed and not entries:
        raise NotAnApiError
    return entries


def template_texts(told: Any) -> dict[str, str]:
    """Return the chat template and the end of an answer, as llama-server tells them."""
    if not isinstance(told, dict):
        return {}
    texts = {name: told.get(name) for name in ("chat_template", "eos_token")}
    return {
        name: text
        for name, text in texts.items()
        if isinstance(text, str) and len(text) <= _MAX_TEMPLATE
    }
