"""The automatic weight of this person: what shows how they write, the fit, and where it is kept.

What may count. A token that fusion picked says nothing about the weight, however well the answer
was liked: it is the likeliest token at the weight it was picked under, so a fit on such tokens
would only confirm that weight and, repeated, run away with it. What counts is text of the person's
own, and of an answer that they rewrote we have, for nothing, both models' probabilities up to and
including the first token that they changed: the tokens they kept, and the one they put in its
place. Stopping there bends nothing, for what comes before a place does not depend on what is
found at it. Answers left as they stand are not counted: to let something pass is not to write it.
Leaving them out moved the fit by less than 0.01 in a simulation with answers of a dozen tokens,
by up to 0.04 with answers of three. Each answer is judged by the model that wrote it, which had
not yet learnt from the rewritten one: the local side is never flattered.

Whole answers of the person (rows held out from training) say more, at the price of requests:
`fit_on_answers` asks the cloud about them.

Knows no torch; with `fit_on_rewritten` no model either.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from floe.edge.forced import forced_logits
from floe.edge.prompt import PromptBuilder
from floe.edge.runtime import LlamaModel
from floe.fusion.auto import DEFAULT_WEIGHT, AutoWeight, fit_weight
from floe.fusion.forcing import AskedRows, force
from floe.fusion.index import TokenIndex
from floe.fusion.partial import add_step
from floe.fusion.projection import Projector
from floe.fusion.protocols import OpenStream
from floe.fusion.scores import Scores, ScoreSheet, join
from floe.records import ChatMessage, Rule, TokenStep
from floe.store import Store

SETTING: Final = "auto_weight"
REFIT_AFTER: Final = 5
"""Rewritten answers since the last fit after which it is done again."""
MAX_REQUESTS: Final = 60
PATIENCE: Final = 10.0
_LATEST: Final = 400
"""Rewritten answers looked at, newest first: an adapter changes the local model with time."""

AskAbout = Callable[[Sequence[ChatMessage]], OpenStream]
"""The way to the cloud for a conversation, past the privacy gate."""


def fit_on_rewritten(store: Store, rule: Rule) -> AutoWeight:
    """Fit on the answers that the person rewrote, keep the result, and return it.

    Raises:
        StoreError: the store cannot be read or written.
    """
    sheet = ScoreSheet()
    answers = sum(
        _add_rewritten(sheet, store.token_steps(original), text.encode(), rule)
        for original, text in _rewritten(store)
    )
    auto = fit_weight(sheet.scores(), rule, answers=answers)
    _keep(store, auto, rule)
    return auto


def fit_on_answers(
    store: Store,
    rule: Rule,
    model: LlamaModel,
    answers: Sequence[tuple[Sequence[ChatMessage], str]],
    ask_about: AskAbout,
    *,
    max_requests: int = MAX_REQUESTS,
    shared_vocabulary: bool = False,
) -> AutoWeight:
    """Fit on whole answers that the adapter in use has not learnt from, keep and return it.

    Call it in the thread that owns the model. Answers that the requests do not reach are left
    out, the last one from where they end.

    Args:
        store: where the result is kept.
        rule: how the two distributions are pooled.
        model: with the adapters that will answer.
        answers: each as the messages before it and its text.
        ask_about: the way to the cloud.
        max_requests: for all answers together.
        shared_vocabulary: both models have the same tokens.

    Raises:
        CloudError: the cloud refused or broke off.
        StoreError: the result cannot be kept.
    """
    prompts = PromptBuilder(model)
    projector = Projector(TokenIndex(model.pieces, model.end_ids))
    parts: list[Scores] = []
    for messages, text in answers:
        if max_requests <= 0:
            break
        rows = AskedRows(ask_about(messages), max_requests=max_requests, patience=PATIENCE)
        prompt = prompts.build(messages).tokens
        tokens = model.tokenize(text.encode())
        try:
            scores = force(
                forced_logits(model, prompt, tokens),
                tokens,
                model.pieces,
                rows.after,
                projector,
                shared_vocabulary=shared_vocabulary,
            )
        finally:
            rows.close()
        max_requests -= rows.requests
        parts.append(scores)
    used = sum(len(part) > 0 for part in parts)
    auto = fit_weight(join(parts), rule, answers=used)
    _keep(store, auto, rule)
    return auto


def kept_weight(store: Store, rule: Rule) -> AutoWeight:
    """The weight in force and why; the default before the first fit.

    Raises:
        StoreError: the store cannot be read.
    """
    kept: dict[str, Any] | None = store.setting(SETTING, None)
    if kept is None or kept["rule"] != rule:
        reason = f"{DEFAULT_WEIGHT:.2f}, the middle way: you have not rewritten any answer yet."
        return AutoWeight(DEFAULT_WEIGHT, reason, 0, 0.0)
    return AutoWeight(**kept["auto"])


def fit_is_due(store: Store) -> bool:
    """Whether enough has been rewritten since the last fit, of either kind.

    Raises:
        StoreError: the store cannot be read.
    """
    kept: dict[str, Any] = store.setting(SETTING, None) or {"rewritten": 0}
    return _count(store) - int(kept["rewritten"]) >= REFIT_AFTER


def _keep(store: Store, auto: AutoWeight, rule: Rule) -> None:
    kept = {"auto": asdict(auto), "rule": rule, "rewritten": _count(store)}
    store.set_setting(SETTING, kept)


def _count(store: Store) -> int:
    with store.reading() as db:
        query = "SELECT count(*) FROM messages WHERE edited_from IS NOT NULL"
        return int(db.execute(query).fetchone()[0])


def _rewritten(store: Store) -> Iterator[tuple[int, str]]:
    """Original answers by id, and the person's last wording; disliked wordings stay out."""
    with store.reading() as db:
        found = db.execute(
            "SELECT edited_from, content FROM messages"
            " WHERE id IN (SELECT max(id) FROM messages WHERE edited_from IS NOT NULL"
            " GROUP BY edited_from) AND rating >= 0 ORDER BY id DESC LIMIT ?",
            [_LATEST],
        ).fetchall()
    yield from found


def _add_rewritten(sheet: ScoreSheet, steps: Sequence[TokenStep], text: bytes, rule: Rule) -> bool:
    """Positions up to the first change; whether there was any."""
    at = 0
    added = False
    for step in steps:
        rest = text[at:]
        if not rest or not step.text_bytes:
            break
        kept = rest.startswith(step.text_bytes)
        if step.source == "fused":
            added |= add_step(sheet, step, rest, rule)
        if not kept:
            break
        at += len(step.text_bytes)
    return added
