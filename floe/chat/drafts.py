"""Messages that were begun and not sent: one a conversation, found again after a reload."""

import threading
from typing import Final

from pydantic import TypeAdapter, ValidationError

from floe.store import Store

_KEY: Final = "drafts"
_NEW: Final = "new"
_MOST: Final = 200
"""Drafts that are kept, the most recently written."""
_KEPT: Final[TypeAdapter[dict[str, str]]] = TypeAdapter(dict[str, str])


class Drafts:
    """Drafts by conversation; None stands for a conversation that is not there yet.

    A key that is pressed changes memory alone; `save` brings what has changed to the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._changed = False
        try:
            self._texts = _KEPT.validate_python(store.setting(_KEY, {}))
        except ValidationError:
            self._texts = {}

    def text(self, conversation_id: int | None) -> str:
        """Return what was begun there; empty for nothing."""
        return self._texts.get(_name(conversation_id), "")

    def keep(self, conversation_id: int | None, text: str) -> None:
        """Keep what has been begun there until it is sent; nothing but spaces is nothing."""
        name = _name(conversation_id)
        with self._lock:
            if self._texts.get(name, "") == text:
                return
            self._texts.pop(name, None)
            if text.strip():
                self._texts[name] = text
            for oldest in list(self._texts)[:-_MOST]:
                del self._texts[oldest]
            self._changed = True

    def save(self) -> None:
        """Bring what has changed to the store.

        Raises:
            StoreError: it cannot be kept now; the next call tries again.
        """
        with self._lock:
            if not self._changed:
                return
            self._store.set_setting(_KEY, self._texts)
            self._changed = False


def _name(conversation_id: int | None) -> str:
    return _NEW if conversation_id is None else str(conversation_id)
