"""Runs of the decoder over fakes, and the slow versions that they are held against."""

import math
from collections import defaultdict
from collections.abc import Callable

from floe.fusion.cursor import StreamBreak, heal
from floe.fusion.decoder import Controls, Decoder, Leeway
from floe.fusion.follower import FollowPolicy
from floe.fusion.index import TokenIndex
from floe.fusion.pooling import local_distribution, pool
from floe.fusion.projection import Projector
from floe.records import CloudToken, PoolingRule, Sampling, TokenStep
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
    leeway: Leeway | None = None,
    long_batches: bool = False,
) -> tuple[list[TokenStep], Decoder]:
    controls = Controls(weight, deadline, tolerance, leeway=leeway)
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
    """The slow, obviously right version: one evaluation and one row for every token.

    The rows are there at once, whatever the decoder has to wait for.
    """
    index = TokenIndex(local.pieces, local.end_ids, local.tokenize)
    projector = Projector(index)
    text = b""
    at, row = 0, row_after(b"", cloud)  # boundary, its row
    written: list[bytes] | None = []  # tokens since; None: they cannot be told apart
    looked_ahead = False

    def row_ahead(count: int) -> CloudToken:
        nonlocal looked_ahead
        looked_ahead = True
        following, before = row, text[:at]
        for _ in range(count):
            before += following.text_bytes
            following = row_after(before, cloud)
        return following

    logits = local.start()[0]
    for _ in range(tokens):
        distribution = local_distribution(logits)
        looked_ahead = False
        projection = projector.project(
            row,
            text[at:],
            distribution.mass,
            spelled=None if written is None else tuple(written),
            successor=None if shared else row_ahead,
        )
        token = int(pool(distribution.mass, projection, weight, rule).dense().argmax())
        if token in local.end_ids:
            break
        text += local.pieces[token]
        written = None if written is None else [*written, local.pieces[token]]
        logits = local.evaluate([token])[0]
        while at < len(text):
            own, pending = row.text_bytes, text[at:]
            if own and pending.startswith(own):
                at += len(own)
                exact = pending == own and written is not None
                passed = StreamBreak(
                    row, own, tuple(written or ()) if exact else None, looked_ahead
                )
                looked_ahead = False
                row, written = row_after(text[:at], cloud), [] if pending == own else None
                if not shared:
                    row = heal(passed, row, index)
                continue
            following = None if row.end else row_after(text[:at] + own, cloud)
            if shared or not _may_go_on(index, row, pending, written, following):
                one = not shared and written is not None and len(written) == 1
                beyond = _beyond(row, pending) if one else b""
                before = pending.removesuffix(beyond)
                exact = written is not None and not beyond
                broken = StreamBreak(row, before, tuple(written or ()) if exact else None)
                at = len(text) - len(beyond)
                row, written = row_after(text[:at], cloud), None if beyond else []
                if not shared:
                    row = heal(broken, row, index)
                if beyond:
                    continue
            break
    return text


def _beyond(row: CloudToken, pending: bytes) -> bytes:
    """What of a local token lies beyond the cloud's token that it begins with, inside a word."""
    begun: dict[bytes, float] = defaultdict(float)
    for candidate in row.candidates:
        text = candidate.text_bytes
        if candidate.end or not text:
            continue
        if text.startswith(pending):
            return b""
        if pending.startswith(text) and pending[len(text) - 1 : len(text) + 1].isalpha():
            begun[text] += math.exp(candidate.logprob)
    best = max(begun, key=lambda text: begun[text], default=b"")
    return pending[len(best) :] if begun[best] >= 0.1 else b""


def _may_go_on(
    index: TokenIndex,
    row: CloudToken,
    pending: bytes,
    written: list[bytes] | None,
    following: CloudToken | None,
) -> bool:
    """Whether what is pending can still grow into a candidate, and does not likelier end here."""
    own = row.text_bytes
    if following is None:
        return False

    def fits(text: bytes) -> bool:
        spelling = list(index.spell_pieces(text))
        begins = written is None or spelling[: len(written)] == written
        return text.startswith(pending) and (begins or text == pending)

    p: dict[bytes, float] = {}
    for c in row.candidates:
        if fits(c.text_bytes):
            p[c.text_bytes] = p.get(c.text_bytes, 0.0) + math.exp(c.logprob)
    if own.startswith(pending) and own not in p:
        joined = [(own + c.text_bytes, math.exp(c.logprob)) for c in following.candidates]
        share = sum(probability for text, probability in joined if fits(text))
        if share:
            p[own] = share * sum(math.exp(c.logprob) for c in row.candidates if c.text_bytes == own)
    ended = p.get(pending, 0.0)
    longer = sum(p.values()) - ended
    # Where it is not the cloud's own token, a hundredth is too little to wait for.
    return longer >= ended and longer > (0 if own in p else 0.01)


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
