"""Each quirk of other servers: what the probe says of it, and that fusion lives with it."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from floe.cloud.answer import CloudRequests
from floe.cloud.client import CloudClient
from floe.cloud.link import CloudLink
from floe.cloud.probe.probe import probe
from floe.cloud.probe.profile import EndpointProfile
from floe.cloud.protocol.continuation import Continuation
from floe.config import Settings
from floe.fusion.decoder import Controls, Decoder
from floe.records import ChatMessage, Sampling, TokenStep
from tests.cloud.quirky import (
    BRACKETS,
    BRACKETS_TEMPLATE,
    COUNTING,
    MODEL,
    WORDS,
    Quirks,
    QuirkyServer,
    count_on,
)
from tests.fusion.fakes import FakeLocal

Connect = Callable[..., CloudClient]
Fuse = Callable[..., tuple[list[TokenStep], list[str]]]

QUESTION = [ChatMessage("system", "Be brief."), ChatMessage("user", "Count to ten.")]
VOCABULARY = [b",", b" ", *sorted({w[:k].encode() for w in WORDS for k in range(1, 6)})]
VOCABULARY += [bytes([byte]) for byte in range(ord("a"), ord("z") + 1)]
VOCABULARY = list(dict.fromkeys(VOCABULARY))
WITH_A_LEAP = "one, two, six, seven, eight, nine, ten"
"""What is fused where the local model insists on going from two to six: the cloud has to take
that up, and a server that begins a new turn would not."""


def leaping(text: bytes) -> dict[bytes, float]:
    """The local model: it counts as well, but has a will of its own after "two, "."""
    written = text.decode()
    rest = "six" if written == "one, two, " else count_on(written)
    best = b""
    if rest:
        best = max((v for v in VOCABULARY if rest.encode().startswith(v)), key=len)
    others = 0.001 / len(VOCABULARY)
    return {piece: 0.999 if piece == best else others for piece in [*VOCABULARY, b""]}


@pytest.fixture
def fuse(tmp_path: Path) -> Iterator[Fuse]:
    """Decode one answer through the whole way: link, client, follower, decoder."""
    links: list[CloudLink] = []

    def run(
        url: str, profile: EndpointProfile | None, weight: float = 0.5
    ) -> tuple[list[TokenStep], list[str]]:
        link = CloudLink(Settings.load(cloud="off", data_dir=tmp_path))
        links.append(link)
        link.configure(url, MODEL, profile=profile)
        link.wait(20)
        sampling = Sampling(max_tokens=60)
        requests = CloudRequests(link, QUESTION, sampling)
        notices: list[str] = []
        local = FakeLocal(VOCABULARY, leaping)
        decoder = Decoder(
            local,
            Controls(weight=weight, deadline=10.0),
            open_stream=requests.open,
            notify=notices.append,
        )
        decoder.begin()
        steps = list(decoder.run(local.start(), sampling))
        decoder.close()
        assert decoder.ending == "complete"
        return steps, notices

    yield run
    for link in links:
        link.close()


def text_of(steps: list[TokenStep]) -> str:
    return b"".join(step.text_bytes for step in steps).decode()


GOOD: dict[str, Any] = {
    "complete": True,
    "answers": True,
    "logprobs": "given",
    "top_logprobs": 20,
    "exact_bytes": True,
    "bytes_join": True,
    "repeats_partial": False,
    "continuation": Continuation.PREFILL,
    "before_temperature": True,
    "reports_usage": True,
    "left_out": (),
}

CASES: dict[str, tuple[Quirks, dict[str, Any], str]] = {
    "good": (Quirks(), {}, "exact bytes, and they join up to the text"),
    "repeats the beginning": (
        Quirks(repeats=True),
        {"repeats_partial": True},
        "It repeats the beginning",
    ),
    "null log-probabilities": (
        Quirks(logprobs="null"),
        {
            "logprobs": "ignored",
            "top_logprobs": 0,
            "exact_bytes": False,
            "bytes_join": False,
            "before_temperature": None,
        },
        "without a word",
    ),
    "null and repeats": (
        Quirks(logprobs="null", repeats=True),
        {
            "logprobs": "ignored",
            "top_logprobs": 0,
            "exact_bytes": False,
            "bytes_join": False,
            "before_temperature": None,
            "repeats_partial": True,
        },
        "It repeats the beginning",
    ),
    "400 on logprobs": (
        Quirks(logprobs="refused"),
        {
            "logprobs": "refused",
            "top_logprobs": 0,
            "exact_bytes": False,
            "bytes_join": False,
            "before_temperature": None,
        },
        "refuses to give log-probabilities",
    ),
    "five candidates": (Quirks(most=5), {"top_logprobs": 5}, "5 candidates for each token"),
    "no candidates": (
        Quirks(most=0),
        {"top_logprobs": 0, "before_temperature": None},
        "0 candidates for each token",
    ),
    "null bytes": (
        Quirks(spelling="null"),
        {"exact_bytes": False, "bytes_join": False},
        "come without their bytes",
    ),
    "split characters": (
        Quirks(spelling="lost"),
        {"bytes_join": False},
        "Pieces of characters come as �",
    ),
    "after temperature": (
        Quirks(after_temperature=True),
        {"before_temperature": False},
        "those after temperature",
    ),
    "no usage": (Quirks(usage=False), {"reports_usage": False}, "does not report how many tokens"),
    "refuses parameters": (
        Quirks(refuses=("max_tokens", "stream_options")),
        {"left_out": ("max_tokens", "stream_options")},
        "A streamed answer came",
    ),
    "never ends": (Quirks(endless=True), {"reports_usage": False}, "A streamed answer came"),
    "no list of models": (Quirks(models=False), {}, "No list of models"),
    "like vLLM": (
        Quirks(continues="continue_final_message"),
        {"continuation": Continuation.FINAL_MESSAGE},
        "the switch is continue_final_message",
    ),
    "like DeepSeek": (
        Quirks(continues="prefix"),
        {"continuation": Continuation.PREFIX},
        "the switch is prefix: true",
    ),
    "raw completions only": (
        Quirks(continues="completions", spelling="null"),
        {
            "continuation": Continuation.COMPLETIONS,
            "exact_bytes": False,
            "bytes_join": False,
        },
        "with this template: ChatML",
    ),
    "raw completions, told template": (
        Quirks(continues="completions", template=BRACKETS, tells_template=BRACKETS_TEMPLATE),
        {"continuation": Continuation.COMPLETIONS, "template": BRACKETS_TEMPLATE},
        "with this template: its own",
    ),
    "raw completions, five candidates": (
        Quirks(continues="completions", most=5, logprobs="given"),
        {"continuation": Continuation.COMPLETIONS, "top_logprobs": 5},
        "by raw completions",
    ),
    "raw completions, no log-probabilities": (
        Quirks(continues="completions", logprobs="null"),
        {
            "continuation": Continuation.COMPLETIONS,
            "logprobs": "ignored",
            "top_logprobs": 0,
            "exact_bytes": False,
            "bytes_join": False,
            "before_temperature": None,
        },
        "by raw completions",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_quirk_is_found_and_lived_with(name: str, connect: Connect, fuse: Fuse) -> None:
    quirks, facts, sentence = CASES[name]
    with QuirkyServer(quirks) as server:
        profile = probe(connect(server.url, MODEL))
        found = {fact: getattr(profile, fact) for fact in GOOD | facts}
        assert found == GOOD | facts, profile.findings
        assert any(sentence in finding for finding in profile.findings), profile.findings
        before = len(server.asked)
        steps, notices = fuse(server.url, profile)
        requests = len(server.asked) - before
    assert text_of(steps) == WITH_A_LEAP
    assert {step.source for step in steps} == {"fused"}
    assert notices == []
    # One from the start and one after the leap; without a list, one to see if it is there.
    assert requests == 2 + (not quirks.models)


def test_template_is_found_though_digits_hang_on_the_cache(connect: Connect) -> None:
    # As a preset says it, so that the chat's answer is the first to such a question.
    hint = EndpointProfile(continuation=Continuation.COMPLETIONS)
    with QuirkyServer(Quirks(continues="completions", cached_digits=True)) as server:
        profile = probe(connect(server.url, MODEL), hint)
    assert profile.continuation is Continuation.COMPLETIONS, profile.findings


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(continues="none"),
        # Raw completions that read another template than any we know are no continuation.
        Quirks(continues="completions", template=BRACKETS),
    ],
)
def test_without_continuation_the_device_finishes_alone(
    quirks: Quirks, connect: Connect, fuse: Fuse
) -> None:
    with QuirkyServer(quirks) as server:
        profile = probe(connect(server.url, MODEL))
        assert profile.continuation is Continuation.NONE
        assert profile.complete
        assert any("cannot continue" in finding for finding in profile.findings)
        before = len(server.asked)
        steps, notices = fuse(server.url, profile)
        assert len(server.asked) - before == 1
    assert text_of(steps) == WITH_A_LEAP
    sources = [step.source for step in steps]
    leap = len(sources) - sources[::-1].index("fused")
    assert set(sources[:leap]) == {"fused"}
    assert set(sources[leap:]) == {"offline"}
    assert text_of(steps[:leap]) == "one, two, six"
    assert "cannot continue an answer; this device finishes alone." in notices[0]


def test_a_wrong_belief_in_continuation_spoils_the_answer(fuse: Fuse) -> None:
    """Why the probe does not trust a 200: what the cases above would look like."""
    with QuirkyServer(Quirks(continues="none")) as server:
        steps, _ = fuse(server.url, EndpointProfile(model=MODEL, complete=True), weight=0.2)
    assert text_of(steps) != WITH_A_LEAP


@pytest.mark.parametrize(
    ("quirks", "sentence"),
    [
        (Quirks(limited="7"), "try again in 7 seconds"),
        (Quirks(html=True), "no OpenAI-compatible API"),
        (Quirks(cut=True), "broke off"),
        (Quirks(key="right"), " key"),
    ],
)
def test_what_stands_in_the_way_is_said_and_the_device_answers(
    quirks: Quirks, sentence: str, connect: Connect, fuse: Fuse
) -> None:
    with QuirkyServer(quirks) as server:
        profile = probe(connect(server.url, MODEL, "wrong"))
        assert not profile.complete
        assert sentence in profile.findings[-1]
        steps, notices = fuse(server.url, None)
    assert text_of(steps) == WITH_A_LEAP
    assert steps[-1].source == "offline"
    assert any(sentence in notice for notice in notices)


def test_cloud_follows_where_the_local_model_agrees(fuse: Fuse) -> None:
    with QuirkyServer(Quirks()) as server:
        steps, _ = fuse(server.url, None, weight=0.0)
        assert len(server.asked) == 1
    assert text_of(steps) == COUNTING
    assert math.isclose(sum(step.weight for step in steps), 0.0)
