"""What the person has set about privacy; kept in the store, read anew for each turn.

Knows neither the detector nor the cloud.
"""

from collections.abc import Sequence
from typing import Final, Literal

from floe.errors import StoreError
from floe.schema import GONE
from floe.store import Store
from floe.words import clean

Policy = Literal["local only", "pseudonyms"]
"""What happens to a private prompt: it stays here, or the cloud sees PERSON_1 for a name."""

_POLICY: Final = "private_prompts"
_ABOUT_ME: Final = "about_me"
_CONTEXT: Final = "personal_context"
_OWN_WORDS: Final = "own_words"
_SHORTEST_WORD: Final = 2
"""Characters; a single letter would make nearly every text private."""


def policy(store: Store) -> Policy:
    """How private prompts are treated; "local only" until the person says otherwise."""
    return "pseudonyms" if store.setting(_POLICY, "") == "pseudonyms" else "local only"


def set_policy(store: Store, value: Policy) -> None:
    """From the next turn on."""
    store.set_setting(_POLICY, value)


def about_me(store: Store) -> str:
    """What the local model is told of the person; the cloud never."""
    return str(store.setting(_ABOUT_ME, ""))


def set_about_me(store: Store, text: str) -> None:
    """Empty: nothing is told."""
    store.set_setting(_ABOUT_ME, clean(text).strip())


def personal_context(store: Store) -> str:
    """What else the local model should know (plans, people, notes); the cloud never."""
    return str(store.setting(_CONTEXT, ""))


def set_personal_context(store: Store, text: str) -> None:
    """Empty: nothing is told."""
    store.set_setting(_CONTEXT, clean(text).strip())


def own_words(store: Store) -> tuple[str, ...]:
    """Names, contacts and projects that are private wherever they stand."""
    kept = store.setting(_OWN_WORDS, [])
    return tuple(each for each in kept if isinstance(each, str)) if isinstance(kept, list) else ()


def set_own_words(store: Store, words: Sequence[str]) -> tuple[str, ...]:
    """Keep them, each once and without what is too short to tell; returns what is kept.

    A detector that runs has to be told with `Detector.learn_words`.
    """
    tidy = dict.fromkeys(" ".join(clean(word).split()) for word in words)
    kept = [word for word in tidy if len(word) >= _SHORTEST_WORD]
    store.set_setting(_OWN_WORDS, kept)
    return tuple(kept)


def set_local_only(store: Store, conversation_id: int, on: bool) -> None:
    """Whether all of a conversation stays on this device, from the next turn on.

    Raises:
        StoreError: it has been deleted, or cannot be written.
    """
    with store.writing() as db:
        rows = db.execute(
            "UPDATE conversations SET local_only = ? WHERE id = ? RETURNING id",
            [int(on), conversation_id],
        ).fetchall()
    if not rows:
        raise StoreError(GONE)
