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
`fit_on_answers` asks the cloud about them, a share of the requests for each, so that one long
answer does not use them all up. What was fitted on them stays until rewritten answers say enough.

Knows neither torch nor the way to the cloud.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator

from floe.adapters.follow_ups import place_question
from floe.errors import CloudError, DataError, PromptError
from floe.fusion.follower import FollowPolicy
from floe.fusion.index import index_vocabulary
from floe.fusion.protocols import OpenStream
from floe.fusion.scoring.automatic_weight import (
    DEFAULT_WEIGHT,
    FEWEST_TOKENS,
    AutoWeight,
    fit_weight,
)
from floe.fusion.scoring.kind_weights import (
    UNSHOWN_WEIGHTS,
    describe_kind_weights,
    fit_kind_weights,
)
from floe.fusion.scoring.scores import Scores, ScoreSheet, join
from floe.fusion.scoring.teacher_forcing import (
    RowAfter,
    StreamedDistributions,
    prefetch_distributions,
)
from floe.fusion.scoring.truncated_scores import add_truncated_step
from floe.llama.prompt import Prompt
from floe.llama.runtime import LlamaModel
from floe.records import PoolingRule, PromptKind, TokenStep
from floe.store import Store

SETTING: Final = "auto_weight"
REFIT_AFTER: Final = 5
"""Rewritten answers since the last fit after which it is done again."""
MAX_REQUESTS: Final = 60
MOST_ANSWERS: Final = 12
MOST_TOKENS: Final = 200
"""Tokens of one answer: the chat waits as long as this device takes to read so many."""
PATIENCE: Final = 10.0
_LATEST: Final = 400
"""Rewritten answers looked at, newest first: an adapter changes the local model with time."""
_NOTE: Final = "auto_weight_note"
_SILENT: Final = "The cloud was asked and sent no probabilities."

WeightSource = Literal["rewritten", "whole answers"]


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """One that the adapter in use has not learnt from, with the way to the cloud, past the gate."""

    prompt: Prompt
    text: str
    open_stream: OpenStream


Score = Callable[[Prompt, Sequence[int], RowAfter], Scores]
"""Reads an answer (its tokens) with the model and the adapters that would answer."""


KindOf = Callable[[str], PromptKind]
"""Tells the kind of a question in its place, with what acts now."""


def fit_on_rewritten(store: Store, rule: PoolingRule, kind_of: KindOf | None = None) -> AutoWeight:
    """Fit on the answers that the person rewrote, keep the result, and return it.

    Where those are too few, a weight that was fitted on whole answers stays.

    Args:
        store: where they are, and where the result is kept.
        rule: how the two distributions are pooled.
        kind_of: for a weight for each kind of question as well; None: one for everything.

    Raises:
        StoreError: the store cannot be read or written.
    """
    evidence: list[tuple[PromptKind, Scores]] = []
    for original, text in _rewritten(store):
        sheet = ScoreSheet()
        if _add_rewritten(sheet, store.token_steps(original), text.encode(), rule):
            kind = kind_of(place_question(store.path_to(original))) if kind_of else "general"
            evidence.append((kind, sheet.scores()))
    scores = join(each for _, each in evidence)
    auto = fit_weight(scores, rule, answers=len(evidence))
    kept = _kept(store, rule)
    if auto.tokens < FEWEST_TOKENS and kept is not None and kept.source == "whole answers":
        return _keep(store, kept.auto, rule, "whole answers", kept.kinds)
    kinds = fit_kind_weights(evidence, rule) if kind_of else {}
    return _keep(store, auto, rule, "rewritten", kinds)


def fit_on_answers(
    store: Store,
    rule: PoolingRule,
    model: LlamaModel,
    answers: Sequence[OwnAnswer],
    score: Score,
    *,
    max_requests: int = MAX_REQUESTS,
    shared_vocabulary: bool = False,
    kind_of: KindOf | None = None,
) -> AutoWeight:
    """Fit on whole answers of the person, keep the result, and return it.

    Waits for the cloud first and for the model then, so that an answer in the making waits for
    neither.

    Args:
        store: where the result is kept.
        rule: how the two distributions are pooled.
        model: spells the answers.
        answers: what to ask about, at most.
        score: reads them.
        max_requests: for all answers together.
        shared_vocabulary: both models have the same tokens.
        kind_of: as for `fit_on_rewritten`.

    Raises:
        CloudError: the cloud refused or broke off before there was enough to go by.
        DataError: there is too little to go by.
        ModelError: an adapter does not fit.
        StoreError: the result cannot be kept.
    """
    evidence: list[tuple[PromptKind, Scores]] = []
    requests = 0
    problem: CloudError | None = None
    # Before anything is waited for: the model may be gone then.
    spelled = [model.tokenize(answer.text.encode())[:MOST_TOKENS] for answer in answers]
    index = index_vocabulary(model)
    for place, (answer, tokens) in enumerate(zip(answers, spelled, strict=True)):
        share = -(-(max_requests - requests) // (len(answers) - place))
        if share <= 0 or problem is not None:
            break
        asked = _asked(answer.open_stream, share)
        try:
            rows, problem = prefetch_distributions(
                tokens, index, asked.after, shared_vocabulary=shared_vocabulary
            )
        finally:
            asked.close()
        requests += asked.requests
        if asked.requests and not rows and problem is None:
            problem = CloudError(_SILENT)
        kind = kind_of(place_question(answer.prompt.kept)) if kind_of else "general"
        evidence += [(kind, part) for part in _scores(score, answer, tokens, rows.get)]
    scores, used = join(part for _, part in evidence), sum(len(part) > 0 for _, part in evidence)
    if len(scores) < FEWEST_TOKENS:
        raise problem or DataError(
            f"What could be asked about is {len(scores)} tokens long, and it takes "
            f"{FEWEST_TOKENS} to tell. Chat some more, then train again."
        )
    words = f"{used} of your own answers ({len(scores)} tokens), {_requests(requests)}"
    auto = fit_weight(scores, rule, answers=used, evidence=words)
    kinds = fit_kind_weights(evidence, rule) if kind_of else {}
    return _keep(store, auto, rule, "whole answers", kinds)


def kept_weight(store: Store, rule: PoolingRule) -> AutoWeight:
    """Return the weight in force and why; the default before the first fit.

    Raises:
        StoreError: the store cannot be read.
    """
    kept = _kept(store, rule)
    reason = f"{DEFAULT_WEIGHT:.2f}, the middle way: you have not rewritten any answer yet."
    auto = kept.auto if kept else AutoWeight(DEFAULT_WEIGHT, reason, 0, 0.0)
    note = store.setting(_NOTE, "")
    more = [
        describe_kind_weights(kept.kinds if kept else UNSHOWN_WEIGHTS, auto.weight),
        note if isinstance(note, str) else "",
    ]
    return replace(auto, reason=" ".join(filter(None, [auto.reason, *more])))


def kept_kind_weights(store: Store, rule: PoolingRule) -> dict[PromptKind, float]:
    """Return the weights in force for kinds of questions; a kind without one takes the one weight.

    Raises:
        StoreError: the store cannot be read.
    """
    kept = _kept(store, rule)
    return dict(kept.kinds if kept else UNSHOWN_WEIGHTS)


def fitted_on_answers(store: Store, rule: PoolingRule) -> bool:
    """Tell whether the weight in force rests on whole answers.

    Raises:
        StoreError: the store cannot be read.
    """
    kept = _kept(store, rule)
    return kept is not None and kept.source == "whole answers"


def keep_note(store: Store, sentence: str) -> None:
    """Keep a sentence to show beside the reason until the next fit; empty: none.

    Raises:
        StoreError: it cannot be kept.
    """
    store.set_setting(_NOTE, sentence)


def fit_is_due(store: Store) -> bool:
    """Tell whether enough has been rewritten since the last fit, of either kind.

    Raises:
        StoreError: the store cannot be read.
    """
    kept = _read_fit(store)
    return _count(store) - (kept.rewritten if kept else 0) >= REFIT_AFTER


def _asked(open_stream: OpenStream, max_requests: int) -> StreamedDistributions:
    spacing = FollowPolicy().min_spacing
    return StreamedDistributions(
        open_stream, max_requests=max_requests, patience=PATIENCE, spacing=spacing
    )


def _scores(
    score: Score, answer: OwnAnswer, tokens: Sequence[int], row_after: RowAfter
) -> list[Scores]:
    if row_after(b"") is None:
        return []
    try:
        return [score(answer.prompt, tokens, row_after)]
    except PromptError:
        return []  # longer than the context


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"


class _Fit(BaseModel):
    """A fit as it is kept."""

    auto: AutoWeight
    rule: PoolingRule
    rewritten: int = Field(ge=0)
    source: WeightSource = "rewritten"
    kinds: dict[PromptKind, Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]] = {}

    @field_validator("auto")
    @classmethod
    def _fits(cls, auto: AutoWeight) -> AutoWeight:
        if not (0 <= auto.weight <= 1 and math.isfinite(auto.gain)):
            raise ValueError("no weight")
        return auto


def _read_fit(store: Store) -> _Fit | None:
    """Read the last fit; None before the first, or where the store holds something else."""
    try:
        return _Fit.model_validate(store.setting(SETTING, None))
    except ValidationError:
        return None


def _kept(store: Store, rule: PoolingRule) -> _Fit | None:
    """Read the fit for this rule; None before the first."""
    kept = _read_fit(store)
    return kept if kept is not None and kept.rule == rule else None


def _keep(
    store: Store,
    auto: AutoWeight,
    rule: PoolingRule,
    source: WeightSource,
    kinds: Mapping[PromptKind, float],
) -> AutoWeight:
    kept = {
        "auto": asdict(auto),
        "rule": rule,
        "rewritten": _count(store),
        "source": source,
        "kinds": dict(kinds),
    }
    store.set_setting(SETTING, kept)
    keep_note(store, "")
    return auto


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


def _add_rewritten(
    sheet: ScoreSheet, steps: Sequence[TokenStep], text: bytes, rule: PoolingRule
) -> bool:
    """Positions up to the first change; whether there was any."""
    at = 0
    added = False
    for step in steps:
        rest = text[at:]
        if not rest or not step.text_bytes:
            break
        kept = rest.startswith(step.text_bytes)
        if step.source == "fused":
            added |= add_truncated_step(sheet, step, rest, rule)
        if not kept:
            break
        at += len(step.text_bytes)
    return added
