"""Runs of the decoder over fakes, and the slow versions that they are held against."""

from collections.abc import Callable

from floe.fusion.decoder import Controls, Decoder
from floe.fusion.follower import FollowPolicy
from floe.fusion.index import TokenIndex
from floe.fusion.pooling import local_distribution, pool
from floe.fusion.projection import Projector
from floe.records import PoolingRule, Sampling, TokenStep
from tests.fusion.fakes import Distribution, FakeCloud, FakeLocal, row_after

LOCAL_WORDS = [b"a", b"b", b"c", b"ab", b"bc", b" ", b" a", b"ca"]
CLOUD_WORDS = [b"a", b"b", b"c", b" ", b"abc", b" ab", b"cab", b"b c"]
SAMPLING = Sampling(max_tokens=60)


def decode(
    local: FakeLocal,
    cloud: FakeCloud | None,
    *,
    weight: float,
    rule: PoolingRule = "log-linear",
    shared: bool = False,
    sampling: Sampling = SAMPLING,
    on_step: Callable[[list[TokenStep], Controls], None] = lambda steps, controls: None,
    deadline: float = 10.0,
    tolerance: float = 0.0,
    long_batches: bool = False,
) -> tuple[list[TokenStep], Decoder]:
    controls = Controls(weight, deadline, tolerance)
    decoder = Decoder(
        local,
        controls,
        open_stream=cloud.open if cloud is not None else None,
        rule=rule,
        shared_vocabulary=shared,
        policy=FollowPolicy(min_spacing=0.0, max_requests=10_000),
        long_batches=long_batches,
    )
    decoder.begin()
    steps: list[TokenStep] = []
    for step in decoder.run(local.start(), sampling):
        steps.append(step)
        on_step(steps, controls)
    decoder.close()
    return steps, decoder


def text_of(steps: list[TokenStep]) -> bytes:
    return b"".join(step.text_bytes for step in steps)


def one_row_at_a_time(
    local: FakeLocal,
    cloud: Distribution,
    weight: float,
    rule: PoolingRule,
    *,
    shared: bool,
    tokens: int,
) -> bytes:
    """The slow, obviously right version: one evaluation and one row for every token."""
    projector = Projector(TokenIndex(local.pieces, local.end_ids))
    text = boundary = b""
    logits = local.start()[0]
    for _ in range(tokens):
        row = row_after(boundary, cloud)
        distribution = local_distribution(logits)
        projection = projector.project(row, text[len(boundary) :], distribution.mass)
        token = int(pool(distribution.mass, projection, weight, rule).dense().argmax())
        if token in local.end_ids:
            break
        text += local.pieces[token]
        logits = local.evaluate([token])[0]
        while len(boundary) < len(text):
            own = row_after(boundary, cloud).text_bytes
            pending = text[len(boundary) :]
            if own and pending.startswith(own):
                boundary += own
                continue
            if shared or not own.startswith(pending):
                boundary = text
            break
    return text


def greedy_alone(local: FakeLocal, tokens: int) -> bytes:
    logits = local.start()[0]
    text = b""
    for _ in range(tokens):
        token = int(logits.argmax())
        if token in local.end_ids:
            break
        text += local.pieces[token]
        logits = local.evaluate([token])[0]
    return text
