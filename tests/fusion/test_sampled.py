"""Sampled answers follow the distribution that they should, whenever the rows arrive."""

import numpy as np
import pytest

from floe.records import Sampling
from tests.fusion.decoding import decode, text_of
from tests.fusion.fakes import FakeClock, FakeCloud, FakeLocal
from tests.tiers import examples


@pytest.mark.parametrize(
    ("round_trip", "weight"),
    [(0.0, 0.5), (0.85, 0.5), (1e6, 1.0)],
    ids=["at once", "after half of the wait", "never"],
)
def test_sampled_text_follows_the_fused_distribution_of_two_equal_vocabularies(
    clock: FakeClock, round_trip: float, weight: float
) -> None:
    words = [b"a", b"b"]
    local_p = {b"a": 0.6, b"b": 0.3, b"": 0.1}
    cloud_p = {b"a": 0.2, b"b": 0.5, b"": 0.3}
    # What is there in time is fused by halves; what is not leaves the local model alone.
    fused = {k: local_p[k] ** weight * cloud_p[k] ** (1 - weight) for k in local_p}
    total = sum(fused.values())
    random = np.random.default_rng(11)
    counts: dict[bytes, int] = {}
    draws = examples(1500)

    def draw(probabilities: dict[bytes, float]) -> bytes:
        keys = list(probabilities)
        return keys[random.choice(len(keys), p=list(probabilities.values()))]

    for seed in range(draws):
        cloud = FakeCloud(lambda _: cloud_p, clock, round_trip=round_trip, pick=draw, length=4)
        steps, _ = decode(
            FakeLocal(words, lambda _: local_p),
            cloud,
            weight=0.5,
            shared=True,
            deadline=1.0,
            sampling=Sampling(1.0, max_tokens=2, seed=seed),
        )
        text = text_of(steps)
        counts[text] = counts.get(text, 0) + 1
    r = {k: v / total for k, v in fused.items()}
    expected = {b"": r[b""]}
    for x in words:
        expected[x] = r[x] * r[b""]
        for y in words:
            expected[x + y] = r[x] * r[y]
    statistic = sum((counts.get(t, 0) - draws * p) ** 2 / (draws * p) for t, p in expected.items())
    assert set(counts) <= set(expected)
    assert statistic < 27.9  # 99.99 % quantile of chi-square with 6 degrees of freedom
