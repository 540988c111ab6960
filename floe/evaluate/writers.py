"""The quality of one or several writers: train, score, measure."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from floe.chats.jsonl import read_chats
from floe.cloud.client import CloudClient
from floe.cloud.credentials.keys import Keys
from floe.cloud.probe.probe import check_endpoint, probe
from floe.cloud.probe.profile import EndpointProfile
from floe.cloud.protocol.continuation import Continuation
from floe.config import Settings
from floe.errors import CloudError, PrivacyError
from floe.evaluate.learning import Chat, TrainedWriter, hold_out, learn
from floe.evaluate.quality import EvaluationSet, measure, summary
from floe.evaluate.reading import Cloud, CloudAnswer, GgufCloud, LiveCloud, answers_of
from floe.evaluate.scoring import Scorer
from floe.llama.runtime import LlamaModel
from floe.models.catalog import resolve_model
from floe.privacy.detector import Detector
from floe.records import ChatMessage, PoolingRule
from floe.resources import TASK_CHATS

_CONTEXT: Final = 2048
_ANSWERS_A_TASK: Final = 6
_CHECK_SECONDS: Final = 10.0
"""The privacy check may take so long here, where nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Someone's chats to learn from and to be measured on."""

    name: str
    train: Sequence[Chat]
    test: Sequence[Chat]


def run_quality(options: argparse.Namespace) -> dict[str, Any]:
    """Run the `quality` command.

    Raises:
        FloeError: a file, a model or the cloud is of no use.
    """
    writers = [
        Writer(test.stem, read_chats(train), read_chats(test))
        for train, test in zip(options.train, options.test, strict=True)
    ]
    with opened_cloud(options) as cloud:
        result = measure_writers(writers, cloud, options.weight, options.rule)
        if isinstance(cloud, LiveCloud):
            cloud.close()
            result["requests"] = cloud.requests
        return result


@contextmanager
def opened_cloud(options: argparse.Namespace) -> Iterator[Cloud]:
    """Open the cloud that the options name."""
    settings = Settings.load(cloud=options.live or None)
    with ExitStack() as stack:
        if options.live:
            key = Keys(settings).load(options.live)
            client = CloudClient(options.live, options.cloud_model, key)
            stack.callback(client.close)
            check_endpoint(client)
            client.profile = _continuing(client)
            yield LiveCloud(client, options.max_requests, _privacy_check())
        else:
            model = stack.enter_context(
                LlamaModel(options.cloud_gguf, context=_CONTEXT, threads=settings.threads)
            )
            yield GgufCloud(model)


def _privacy_check() -> Callable[[CloudAnswer], bool]:
    """Return whether nothing private stands in an answer and what was said before it.

    The gate of a chat decides turn by turn; of a file whole answers are left out.

    Raises:
        PrivacyError: the privacy check cannot be loaded.
    """
    detector = Detector()
    detector.load()

    def may_leave(answer: CloudAnswer) -> bool:
        told = [*answer.context, ChatMessage("assistant", answer.text)]
        try:
            return not any(
                detector.examine(message.content, _CHECK_SECONDS, before=told[:place]).private
                for place, message in enumerate(told)
            )
        except PrivacyError:
            return False

    return may_leave


def _continuing(client: CloudClient) -> EndpointProfile:
    """Test an endpoint: rows along a given text are those of answers that it continues.

    Raises:
        CloudError: it does not, or could not be tested.
    """
    profile = probe(client)
    if not profile.complete:
        raise CloudError(" ".join(profile.findings[-1:]) or f"{client.host} could not be tested.")
    if profile.continuation is Continuation.NONE:
        raise CloudError(
            f"{client.host} cannot continue an answer, so what it makes of a given text cannot be "
            "measured. Choose another model or endpoint."
        )
    return profile


def measure_writers(
    writers: Sequence[Writer], cloud: Cloud, weight: float, rule: PoolingRule
) -> dict[str, Any]:
    """All figures: of each writer and, in the first place, over all of them."""
    settings = Settings.load()
    base = resolve_model(settings.model, settings.models_dir)
    with LlamaModel(base, context=_CONTEXT, threads=settings.threads) as local:
        scorer = Scorer(local, cloud)
        general = scorer.local_bits_per_byte(general_answers())
        materials = []
        reports = []
        for writer in writers:
            learnt, material, after = _material(writer, local, scorer)
            materials.append(material)
            reports.append(
                measure(material, weight, rule)
                | {"general": round(general, 4), "general_personal": round(after or general, 4)}
                | {"training": learnt.result}
            )
    return summary(materials, reports, weight, rule)


def general_answers() -> list[CloudAnswer]:
    """Text of nobody in particular, which no training sees, to measure forgetting by."""
    return [
        answer
        for path in sorted(TASK_CHATS.glob("*.jsonl"))
        for answer in answers_of(read_chats(path))[:_ANSWERS_A_TASK]
    ]


def _material(
    writer: Writer, local: LlamaModel, scorer: Scorer
) -> tuple[TrainedWriter, EvaluationSet, float | None]:
    """Also: bits per byte of general text with the adapter; None without one."""
    train, held_out = hold_out(writer.train)
    test = answers_of(writer.test)
    own = answers_of(held_out)
    with tempfile.TemporaryDirectory() as folder:
        _say(f"{writer.name}: an adapter learns from {len(train)} chats")
        learnt = learn(local.path, train, held_out, Path(folder))
        _say(f"{writer.name}: {learnt.result['sentence']}")
        _say(f"{writer.name}: {len(test)} answers are scored")
        base = scorer.score(test)
        if learnt.adapter is None:
            return learnt, EvaluationSet(writer.name, base, base, scorer.score(own)), None
        local.use_adapters([(local.load_adapter(learnt.adapter), 1.0)])
        try:
            material = EvaluationSet(writer.name, base, scorer.score(test), scorer.score(own))
            return learnt, material, scorer.local_bits_per_byte(general_answers())
        finally:
            local.use_adapters([])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
