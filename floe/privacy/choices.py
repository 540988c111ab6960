"""What the person has set about privacy; kept in the store, read anew for each turn.

Knows neither the detector nor the cloud.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from floe.errors import StoreError
from floe.privacy.verdict import Leniency
from floe.store import Store
from floe.store.schema import GONE
from floe.store.text import clean

Policy = Literal["local only", "pseudonyms"]
"""What happens to a private prompt: it stays here, or the cloud sees PERSON_1 for a name."""

Treatment = Literal["keep", "pseudonym", "allow"]
"""What happens to a kind: the message stays here, a placeholder stands for it, it may be sent."""

GROUPS: Final[Mapping[str, frozenset[str]]] = {
    "names": frozenset({"name", "organisation"}),
    "contact": frozenset(
        {"phone", "e-mail", "handle", "address", "postcode", "IP address", "birth date", "date"}
    ),
    "numbers": frozenset(
        {
            *("card number", "bank account", "social security number", "licence number"),
            *("licence plate", "passport number", "identity number", "account number", "number"),
        }
    ),
    "special matters": frozenset(
        {"health", "belief", "politics", "origin", "love life", "legal matter", "family"}
    ),
    "money": frozenset({"money"}),
    "work": frozenset({"company secret"}),
    "place": frozenset({"whereabouts"}),
}
"""Kinds that a person chooses about together; passwords, keys and own words always stay here."""

MATTERS: Final = GROUPS["special matters"] | GROUPS["money"] | GROUPS["work"] | GROUPS["place"]
"""Kinds that carry the question: under pseudonyms they stay as they are, the person is masked."""

_POLICY: Final = "private_prompts"
_TREATMENTS: Final = "kind_treatments"
_LENIENCY: Final = "privacy_leniency"
_STRICTNESS: Final = "privacy_strictness"
_SHIFT: Final = 0.25
_MOST_SHIFT: Final = 1.5
"""In logits: how far each press at an unsure message moves the threshold, and how far all do."""
_ABOUT_ME: Final = "about_me"
_CONTEXT: Final = "personal_context"
_OWN_WORDS: Final = "own_words"
_SHORTEST_WORD: Final = 2
"""Characters; a single letter would make nearly every text private."""


def policy(store: Store) -> Policy:
    """Treatment of private prompts; "local only" until the person says otherwise."""
    return "pseudonyms" if store.setting(_POLICY, "") == "pseudonyms" else "local only"


def set_policy(store: Store, value: Policy) -> None:
    """From the next turn on."""
    store.set_setting(_POLICY, value)


def usual_treatment(chosen: Policy) -> Treatment:
    """Return what happens to a kind of which nothing else is said."""
    return "pseudonym" if chosen == "pseudonyms" else "keep"


def treatments_by_kind(chosen: Policy, by_group: Mapping[str, Treatment]) -> dict[str, Treatment]:
    """Return the treatment of each kind of `GROUPS`: that of its group, or the usual one."""
    usual = usual_treatment(chosen)
    return {kind: by_group.get(group, usual) for group, kinds in GROUPS.items() for kind in kinds}


def treatments(store: Store) -> dict[str, Treatment]:
    """Return what happens to each group of `GROUPS`: as the policy says, or as set."""
    usual = usual_treatment(policy(store))
    said = dict(store.setting(_TREATMENTS, {}))
    return {group: _treatment(said.get(group), usual) for group in GROUPS}


def set_treatment(store: Store, group: str, value: Treatment | None) -> None:
    """For one group, from the next turn on; None: as the policy says.

    Raises:
        KeyError: there is no such group.
    """
    if group not in GROUPS:
        raise KeyError(group)
    said = dict(store.setting(_TREATMENTS, {}))
    said.pop(group, None)
    if value is not None:
        said[group] = value
    store.set_setting(_TREATMENTS, said)


def as_treatment(value: str) -> Treatment | None:
    """Return a treatment by its name; None for anything else: as the policy says."""
    return value if value in ("keep", "pseudonym", "allow") else None  # type: ignore[return-value]


def _treatment(said: object, usual: Treatment) -> Treatment:
    """Return what was said, or the usual; "pseudonym" and "keep" are no weaker than asked for."""
    match said:
        case "keep" | "pseudonym" | "allow":
            return said
        case _:
            return usual


@dataclass(frozen=True, slots=True)
class Lesson:
    """One press of "Not private": the words that had made the message private."""

    words: tuple[str, ...]


def lessons(store: Store) -> tuple[Lesson, ...]:
    """All that was said to be not private, the oldest first."""
    return tuple(Lesson(tuple(words)) for words in store.setting(_LENIENCY, []))


def add_lesson(store: Store, words: Sequence[str]) -> None:
    """Remember that these words made a message private that was none."""
    kept = [list(lesson.words) for lesson in lessons(store)]
    store.set_setting(_LENIENCY, [*kept, [clean(word).lower() for word in words]])


def confirmations(store: Store) -> int:
    """Count the messages that the person called private where the check was unsure."""
    return int(store.setting(_STRICTNESS, 0))


def add_confirmation(store: Store) -> None:
    """Remember that an unsure message was kept rightly."""
    store.set_setting(_STRICTNESS, confirmations(store) + 1)


def forget_lessons(store: Store) -> None:
    """Undo all that unsure messages have taught; the person's own words stay."""
    store.set_setting(_LENIENCY, [])
    store.set_setting(_STRICTNESS, 0)


def leniency(store: Store) -> Leniency:
    """Return what the lessons amount to for the detector."""
    taught = lessons(store)
    words = frozenset(word for lesson in taught for word in lesson.words)
    shift = _SHIFT * (len(taught) - confirmations(store))
    return Leniency(max(-_MOST_SHIFT, min(_MOST_SHIFT, shift)), words)


def about_me(store: Store) -> str:
    """Return what the local model is told of the person; the cloud never."""
    return str(store.setting(_ABOUT_ME, ""))


def set_about_me(store: Store, text: str) -> None:
    """Empty: nothing is told."""
    store.set_setting(_ABOUT_ME, clean(text).strip())


def personal_context(store: Store) -> str:
    """Return what else the local model should know (plans, people, notes); the cloud never."""
    return str(store.setting(_CONTEXT, ""))


def set_personal_context(store: Store, text: str) -> None:
    """Empty: nothing is told."""
    store.set_setting(_CONTEXT, clean(text).strip())


def system_prompt(
    store: Store, told: str, *, about: str | None = None, context: str | None = None
) -> str:
    """Return what this device's model is told: the system prompt, and what the cloud never sees.

    Args:
        store: has what is kept of the person.
        told: the system prompt.
        about: other words about the person than those kept.
        context: likewise, what else the model should know.
    """
    about = about_me(store) if about is None else about
    parts = [
        told,
        f"About the person you talk to: {about}" if about else "",
        personal_context(store) if context is None else context,
    ]
    return "\n\n".join(filter(None, parts))


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


def copy(source: Store, target: Store) -> None:
    """Take over what is chosen about privacy from another store, but for the policy."""
    set_own_words(target, own_words(source))
    for name in (_TREATMENTS, _LENIENCY, _STRICTNESS):
        value = source.setting(name, None)
        if value is not None:
            target.set_setting(name, value)


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
