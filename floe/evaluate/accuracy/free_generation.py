"""Answers written freely: by one model alone, many at once, or fused, token by token.

Greedy, with the page's penalties; the cloud alone goes without, as in the page. The cloud is a
model in this process, cut down to its top candidates: its rows are computed when the decoder waits
for them, so that no answer depends on how busy the machine is.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from floe.errors import CloudError
from floe.evaluate.reading import row_of
from floe.fusion.decoder import Controls, Decoder
from floe.fusion.follower import FollowPolicy
from floe.fusion.index import index_vocabulary
from floe.fusion.picking import Picker
from floe.fusion.projection import Projector
from floe.fusion.stop_strings import StopStrings
from floe.llama.parallel_decoder import SEQUENCES, ParallelDecoder
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import Adapter, LlamaModel, Logits
from floe.records import ChatMessage, CloudToken, PoolingRule, Sampling

_PROMPT_TOKENS = 320
"""Tokens of a prompt that are counted on; a longer one leaves room for fewer at once."""
_PATIENT = 1e6
"""Seconds: there is no deadline, since rows are there as soon as they are wanted."""
_UNLIMITED = FollowPolicy(min_spacing=0.0, max_requests=100_000)


class OnDemandStream:
    """A stream of the cloud whose rows are computed while the decoder waits for them."""

    error: CloudError | None = None

    def __init__(self, row_after: Callable[[bytes], CloudToken], text: bytes) -> None:
        self._row_after = row_after
        self._text = text
        self._ready: list[CloudToken] = []
        self._finished = False

    def poll(self) -> list[CloudToken]:
        """Give out what was computed."""
        ready, self._ready = self._ready, []
        return ready

    def wait(self, seconds: float) -> bool:
        """Compute the next row."""
        del seconds
        if not self._finished:
            row = self._row_after(self._text)
            self._text += row.text_bytes
            self._finished = row.end or not row.text_bytes
            self._ready.append(row)
        return bool(self._ready)

    @property
    def ended(self) -> bool:
        """Whether the last row has been computed."""
        return self._finished

    def close(self) -> None:
        """Stop computing."""
        self._finished = True


class RowsByText:
    """The cloud's greedy rows of one conversation, each computed once.

    Along a stream the text keeps the tokens that the stream chose; where it was reopened, it has
    those that a server reads it as. Reading all of it anew would make other tokens of it: after
    two spaces and one more, three in one, which a model takes for the margin of some other text.
    """

    def __init__(self, model: LlamaModel, messages: Sequence[ChatMessage]) -> None:
        self._model = model
        self._prompt = PromptBuilder(model).render(messages)
        self._rows: dict[bytes, CloudToken] = {}
        self._tokens: dict[bytes, list[int]] = {}

    def after(self, text: bytes) -> CloudToken:
        """Return the row after `text`, the beginning of an answer."""
        row = self._rows.get(text)
        if row is None:
            tokens = self._tokens.get(text) or self._model.tokenize(text)
            logits = self._model.prefill([*self._prompt, *tokens], lambda: False)
            assert logits is not None
            row = self._rows[text] = row_of(_log_softmax(logits), self._model)
            own = int(logits[0].argmax())
            self._tokens.setdefault(text + row.text_bytes, [*tokens, own])
        return row


def _log_softmax(logits: Logits) -> NDArray[np.float64]:
    scores = logits[0].astype(np.float64)
    scores -= scores.max()
    scores -= np.log(np.exp(scores).sum())
    return np.asarray(scores)


def write_alone(
    model: LlamaModel,
    conversations: Sequence[Sequence[ChatMessage]],
    sampling: Sampling,
    adapters: Sequence[tuple[Adapter, float]] = (),
) -> list[str]:
    """Answer each conversation by one model, greedily, under the penalties of `sampling`."""
    prompts = PromptBuilder(model)
    index = index_vocabulary(model)
    projector = Projector(index)
    pieces = tuple(model.pieces)
    pickers: dict[int, Picker] = {}

    def pick(number: int, written: Sequence[int], logits: NDArray[np.float32]) -> int:
        if not written:
            pickers[number] = Picker(pieces, index, projector, "log-linear")
            pickers[number].begin(sampling)
        else:
            pickers[number].accept(written[-1])
        return pickers[number].local(logits, sampling).token

    room = SEQUENCES * (_PROMPT_TOKENS + sampling.max_tokens)
    with ParallelDecoder(model, tokens=room) as decoder:
        decoder.use_adapters(list(adapters))
        rendered = [prompts.render(messages) for messages in conversations]
        decoded = decoder.decode(rendered, pick, sampling.max_tokens)
    texts = [model.vocabulary.detokenize(each.tokens) for each in decoded]
    return [_cut(text.decode("utf-8", "replace"), prompts.stops) for text in texts]


def write_fused(
    local: LlamaModel,
    rows: RowsByText,
    messages: Sequence[ChatMessage],
    weight: float,
    sampling: Sampling,
    rule: PoolingRule,
    *,
    shared_vocabulary: bool,
) -> str:
    """Answer one conversation by both, with the adapters that are in use now."""
    prompts = PromptBuilder(local)
    decoder = Decoder(
        local,
        Controls(weight, _PATIENT),
        open_stream=lambda partial: OnDemandStream(rows.after, partial.encode()),
        rule=rule,
        shared_vocabulary=shared_vocabulary,
        policy=_UNLIMITED,
    )
    decoder.begin()
    try:
        logits = local.prefill(prompts.render(messages), lambda: False)
        assert logits is not None
        steps = StopStrings((*sampling.stop, *prompts.stops)).cut(decoder.run(logits, sampling))
        return b"".join(step.text_bytes for step in steps).decode("utf-8", "replace")
    finally:
        decoder.close()


def _cut(text: str, stops: Sequence[str]) -> str:
    """Return the text before the first of the stop strings."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text
