"""`floe evaluate examples`: what few own texts are worth in the local prompt, and in an adapter.

The adapter is trained as the page trains it, on three quarters of the chats; the answers of all of
them are the own texts. Bits per byte are of the answers of `--test`, on this device alone: of the
base; with the adapter where the router lets it act; with own texts in the prompt where the chat
puts them there; with both. An adapter that the page would refuse, as it does where one answer is
all there is to judge by, is measured all the same: `adopted` tells.
"""

import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from floe.adapters.follow_ups import place_question
from floe.adapters.prompt_kinds import PromptKinds, taught_from_json
from floe.adapters.router import PromptSpace
from floe.chat.own_texts import MOST_TEXTS, rank_texts
from floe.chats.jsonl import read_chats
from floe.config import Settings
from floe.errors import DataError
from floe.evaluate.learning import hold_out, learn
from floe.evaluate.reading import CloudAnswer, LocalReader, answers_of
from floe.evaluate.scoring import local_bits
from floe.llama.runtime import LlamaModel
from floe.memory.prompt_text import chat_with_examples, fitting_examples
from floe.models.catalog import resolve_model
from floe.models.sampling_defaults import sampling_defaults
from floe.records import ChatMessage
from floe.training.comparison import judge
from floe.training.data.tokenisation import Encoder
from floe.training.trial.request import BASE_ANSWERS, TrialRequest

_CONTEXT: Final = 4096
SYSTEMS: Final = ("base", "adapter", "texts", "both")


def run_examples(train: Path, test: Path) -> dict[str, Any]:
    """Train on a file of a few chats and measure on another; the keys are those of `--json`.

    Raises:
        FloeError: a file cannot be read or holds too much or too little, or the training failed.
    """
    settings = Settings.load()
    base = resolve_model(settings.model, settings.models_dir)
    system = ChatMessage("system", settings.system_prompt)
    chats = [_told(chat, system) for chat in read_chats(train)]
    texts = _own_texts(chats)
    answers = answers_of([_told(chat, system) for chat in read_chats(test)])
    if not answers or not texts or len(texts) > MOST_TEXTS:
        raise DataError(
            f"--train needs 1 to {MOST_TEXTS} answers, because of more none is put into a prompt, "
            "and --test at least one."
        )
    learnt, held_out = hold_out(chats)
    with Encoder(base) as encoder:
        sampling = sampling_defaults(settings, encoder.metadata).sampling
    request = TrialRequest(sampling, settings.system_prompt, settings.data_dir / BASE_ANSWERS)
    with tempfile.TemporaryDirectory() as folder:
        print(f"learning from {len(learnt)} chats", file=sys.stderr)
        trained = learn(base, learnt, held_out, Path(folder) / "run", trial=request)
        adopted, reason = judge(trained.result)
        with LlamaModel(base, context=_CONTEXT, threads=settings.threads) as model:
            reader = LocalReader(model)
            kinds = PromptKinds(PromptSpace(base, model.tokenize))
            taught = taught_from_json(trained.result.get("taught"))
            acts = [
                taught is None or kinds.choose(place_question(a.context), taught).kind == "own"
                for a in answers
            ]
            told = [_with_texts(a, texts, kinds, reader) for a in answers]
            bits = {
                "base": [local_bits(reader, a) for a in answers],
                "texts": [local_bits(reader, a) for a in told],
            }
            bits |= {"adapter": bits["base"], "both": bits["texts"]}
            if trained.adapter is not None and trained.adapter.exists():
                model.use_adapters([(model.load_adapter(trained.adapter), 1.0)])
                for name, asked, without in (
                    ("adapter", answers, bits["base"]),
                    ("both", told, bits["texts"]),
                ):
                    bits[name] = [
                        local_bits(reader, a) if on else before
                        for a, on, before in zip(asked, acts, without, strict=True)
                    ]
    size = sum(len(a.text.encode()) for a in answers)
    return {
        "adopted": adopted,
        "reason": reason,
        "strength": trained.result.get("strength"),
        "texts_in_prompt": sum(a is not b for a, b in zip(told, answers, strict=True)),
        "adapter_acts": sum(acts),
        "answers": len(answers),
        "bytes": size,
        **{name: round(sum(bits[name]) / size, 4) for name in SYSTEMS},
        "change": {name: round(sum(bits[name]) / sum(bits["base"]) - 1, 4) for name in SYSTEMS[1:]},
    }


def describe_examples(result: dict[str, Any]) -> str:
    """Describe the result as a table for a terminal."""
    lines = [f"{'base':<10}{result['base']:>9.4f}"]
    lines += [
        f"{name:<10}{result[name]:>9.4f}{result['change'][name]:>9.1%}" for name in SYSTEMS[1:]
    ]
    return "\n".join(
        [
            f"bits per byte of {result['answers']} answers; own texts before "
            f"{result['texts_in_prompt']} of them, the adapter acts on {result['adapter_acts']}",
            *lines,
            result["reason"],
        ]
    )


def _told(chat: Sequence[ChatMessage], system: ChatMessage) -> tuple[ChatMessage, ...]:
    """Return the chat as the page would have had it, with its system prompt."""
    return (system, *(m for m in chat if m.role != "system"))


def _own_texts(chats: Sequence[Sequence[ChatMessage]]) -> list[tuple[str, str]]:
    """Return each answer with the question right before it."""
    return [
        (before.content, after.content)
        for chat in chats
        for before, after in pairwise(chat)
        if (before.role, after.role) == ("user", "assistant") and before.content.strip()
    ]


def _with_texts(
    answer: CloudAnswer,
    texts: Sequence[tuple[str, str]],
    kinds: PromptKinds,
    reader: LocalReader,
) -> CloudAnswer:
    """Return an answer with own texts before its chat, as the chat has them; itself without."""
    order = rank_texts(kinds, [question for question, _ in texts], answer.context)
    ranked = [texts[i] for i in order]
    costs = [sum(len(reader.model.tokenize(part.encode())) for part in each) for each in ranked]
    prompt, _ = reader.tokens(answer)
    size = reader.model.context_size
    chosen = fitting_examples(costs, size - size // 4 - len(prompt))
    if not chosen:
        return answer
    told = chat_with_examples(answer.context, [ranked[i] for i in chosen])
    return CloudAnswer(answer.row, tuple(told), answer.text)
