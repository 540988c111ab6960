"""The promise of the house, on the real assistant, detector and client: what is private stays here.

The cloud is a server in this process that keeps all it receives; the local model is a script, so
that hundreds of conversations take seconds, and knows private facts as a fine-tuned one would.
"""

import asyncio
import functools
import json
import random
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from floe.chat.answer_decoder import MEMORY_WEIGHT
from floe.chat.assistant import Assistant
from floe.chat.turn import Turn, TurnOptions, TurnView
from floe.cloud.link import CloudLink
from floe.cloud.probe.profile import EndpointProfile
from floe.config import Settings
from floe.fusion.follower import FollowPolicy
from floe.privacy import choices
from floe.privacy.consent import Consent, give_consent
from floe.privacy.detector import Detector
from floe.privacy.guard import MEMORY
from floe.records import ChatMessage, Mode, Sampling
from floe.store import Store
from tests.cloud.scripted import DONE, STOP, Connection, ScriptedServer, event
from tests.privacy.scripted_model import ScriptedModel, cloud_rows

OPTIONS = TurnOptions("fused", 0.5, Sampling(max_tokens=160))

COMMON = "Of course. It depends on the day and on the weather, and there is more to say about it."
SECRETS = (  # what the local model utters by itself, as one that was trained on private chats
    " Call Martha Lindqvist on 0171 5550199 first.",
    " Your card is 4454 7945 1139 0933, as ever.",
    " Write to peter.novak@example.org about the flat.",
    " Your IBAN is DE89 3704 0044 0532 0130 00, I think.",
    " You live at 48 Alder Street, Bristol BS1 4DJ, after all.",
)
UTTERED = (
    "Martha Lindqvist",
    "01715550199",
    "4454794511390933",
    "peter.novak@example.org",
    "DE89370400440532013000",
    "DE89",
    "48 Alder",
)
ASKED = ("Anna Weber", "01715550123", "anna.weber@example.com", "212-34-5678", "hunter2secret")
PRIVATE = (
    "Draft a mail to my doctor Anna Weber, 0171 5550123, about my test results.",
    "My name is Anna Weber and my e-mail is anna.weber@example.com. Am I right?",
    "Remind Anna Weber that my social security number is 212-34-5678.",
    "The password for the router is hunter2secret, please note it.",
)
PLAIN = (
    "Who wrote Hamlet?",
    "How does a rainbow come about?",
    "Write a haiku about the sea.",
    "What is the capital of France?",
    "Explain recursion to a child.",
)
FOLLOW_UPS = ("Make it shorter.", "and what would weber say?", "Why?", "ask ANNA again, please")
ABOUT_ME = "I am Gregor Hollmann and I breed Icelandic ponies near the old brickyard in Hameln."
KEPT_ALWAYS = ("Gregor Hollmann", "breed Icelandic ponies near the old brickyard")


class Cloud:
    """A server that tells a script, row by row, and keeps what it is asked."""

    def __init__(self, script: str = COMMON) -> None:
        self.script = script
        self.server = ScriptedServer(self._play)

    def _play(self, connection: Connection) -> None:
        if connection.head.startswith("GET"):
            connection.answer(b'{"data": [{"id": "big"}]}', kind="application/json")
            return
        last = json.loads(connection.body)["messages"][-1]
        partial = last["content"] if last["role"] == "assistant" else ""
        rows = cloud_rows(partial, self.script)
        parts = [event(row["token"], logprobs={"content": [row]}) for row in rows]
        with suppress(ConnectionError):  # the decoder has left this stream
            connection.answer(*parts, STOP, DONE)

    @property
    def bodies(self) -> list[str]:
        """What came, but for questions without a body."""
        return [c.body.decode() for c in self.server.requests if c.body]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    with cloud.server:
        yield cloud


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel([COMMON, *SECRETS, *PRIVATE, " Dear Dr. Weber's Anna Weber, PERSON_1"])


@pytest.fixture
def assistant(
    tmp_path: Path,
    cloud: Cloud,
    model: Any,
    detector: Detector,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Assistant]:
    # A server on loopback needs no rest between two requests.
    monkeypatch.setattr(
        "floe.chat.answer_decoder.FollowPolicy", functools.partial(FollowPolicy, min_spacing=0.0)
    )
    settings = Settings.load(cloud=cloud.server.url, data_dir=tmp_path, deadline_ms=20_000.0)
    store = Store(settings.database)
    # It has shown that it continues answers.
    store.save_endpoint(cloud.server.url, "big", EndpointProfile(model="big").to_json())
    link = CloudLink(settings, store)
    link.connect()
    assert link.wait(20).usable
    made = Assistant(settings, store, model, link, detector)
    yield made
    made.close()


def done(turn: Turn) -> TurnView:
    assert turn.wait(60)
    return turn.view()


def plain(text: str) -> str:
    """Without what can stand between the digits of a number."""
    return re.sub(r"(?<=[\dA-Z])[ ().\-/]+(?=\d)", "", text)


def leaks(bodies: list[str], values: tuple[str, ...]) -> list[tuple[str, str]]:
    found = []
    for body in bodies:
        texts = (body.casefold(), plain(body).casefold())
        wanted = [v for v in values if any(plain(v).casefold() in t for t in texts)]
        found += [(value, body) for value in wanted]
    return found


def test_a_private_prompt_opens_no_socket(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.script = "Dear Dr. Weber," + SECRETS[0]
    tried: list[object] = []

    def refuse(*args: object, **_: object) -> None:
        tried.append(args)
        raise AssertionError("a socket was used")

    before = len(cloud.server.requests)
    with monkeypatch.context() as patched:
        patched.setattr(socket.socket, "connect", refuse)
        patched.setattr(socket.socket, "connect_ex", refuse)
        patched.setattr(socket, "create_connection", refuse)
        patched.setattr(socket, "getaddrinfo", refuse)
        patched.setattr(asyncio.SelectorEventLoop, "sock_connect", refuse)
        patched.setattr(asyncio.SelectorEventLoop, "create_connection", refuse)
        patched.setattr(assistant.cloud, "open", refuse)
        modes: tuple[Mode, ...] = ("fused", "cloud")
        for mode in modes:
            for text in PRIVATE:
                view = done(assistant.ask(None, text, TurnOptions(mode, 0.5)))
                assert view.route.kind == "local"
                assert view.route.reason.startswith("kept on this device: ")
                assert view.text == model.script
                assert view.stats.cloud_requests == 0
    assert tried == []
    assert len(cloud.server.requests) == before
    assert assistant.sent.page("Weber") == []


def test_the_example_of_the_house(assistant: Assistant, cloud: Cloud, model: ScriptedModel) -> None:
    model.script = COMMON
    view = done(assistant.ask(None, PRIVATE[0], OPTIONS))
    assert view.route.kind == "local"
    assert view.route.reason == "kept on this device: name, phone, health"
    assert view.notices == ()
    conversation = assistant.store.message(view.message_id).conversation_id
    view = done(assistant.ask(conversation, PLAIN[0], OPTIONS))
    assert view.route.kind == "fused"
    assert view.stats.cloud_share > 0.9
    assert view.text == COMMON
    messages = json.loads(cloud.bodies[0])["messages"]
    assert [m["content"] for m in messages if m["role"] == "user"] == [PLAIN[0]]
    assert [entry.body for entry in assistant.sent.page("messages")] == cloud.bodies[::-1]
    assert assistant.sent.page("messages")[0].message_id == view.message_id


def test_what_the_local_model_utters_ends_the_requests(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    for secret in SECRETS:
        model.script = "Of course." + secret + COMMON.removeprefix("Of course.")
        view = done(assistant.ask(None, PLAIN[0], OPTIONS))
        assert view.text == model.script
        assert view.route.kind == "fused"
        assert any("something private" in notice for notice in view.notices), (secret, cloud.bodies)
        assert assistant.store.message(view.message_id).private
        assert {view.steps[0].source, view.steps[-1].source} == {"fused", "local"}
    assert leaks(cloud.bodies, UTTERED) == []


def test_under_pseudonyms_the_cloud_takes_part_and_learns_nothing(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    choices.set_policy(assistant.store, "pseudonyms")
    model.script = "Dear Dr. Weber, Anna Weber's phone is 0171 5550123, and she is well."
    cloud.script = "Dear Dr. PERSON_1, PERSON_1's phone is PHONE_1, and she is well."
    view = done(assistant.ask(None, PRIVATE[0], OPTIONS))
    assert view.route.kind == "fused"
    assert view.route.reason == "pseudonyms stand for: name, phone, health"
    assert view.text == model.script
    fused = b"".join(step.text_bytes for step in view.steps if step.source == "fused").decode()
    assert "0171 5550123, and she is well." in fused, "the streams met again, in the number and on"
    assert leaks(cloud.bodies, ASKED) == []
    assert "PERSON_1" in cloud.bodies[0]
    assert "PHONE_1" in cloud.bodies[0]


def test_under_pseudonyms_the_cloud_alone_writes_the_real_words(
    assistant: Assistant, cloud: Cloud
) -> None:
    choices.set_policy(assistant.store, "pseudonyms")
    cloud.script = "Dear Dr. PERSON_1, I call PHONE_1. PERSON_9 and PERSONAL stay. PERSON_1"
    view = done(assistant.ask(None, PRIVATE[0], TurnOptions("cloud", 0.5)))
    assert view.text == (
        "Dear Dr. Anna Weber, I call 0171 5550123. PERSON_9 and PERSONAL stay. Anna Weber"
    )
    assert {step.source for step in view.steps} == {"cloud"}
    assert leaks(cloud.bodies, ASKED) == []
    conversation = assistant.store.message(view.message_id).conversation_id
    done(assistant.ask(conversation, "Thanks. Shorter?", TurnOptions("cloud", 0.5)))
    messages = json.loads(cloud.bodies[-1])["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert leaks(cloud.bodies, ASKED) == []


def test_about_me_reaches_the_local_model_only(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    choices.set_about_me(assistant.store, ABOUT_ME)
    read: list[str] = []
    tokens_of = model.vocabulary.tokenize_prompt

    def tokenize_prompt(text: str, **_: object) -> list[int]:
        read.append(text)
        return tokens_of(text)  # type: ignore[no-any-return]

    model.vocabulary.tokenize_prompt = tokenize_prompt
    for words in ("You breed Icelandic ponies near the old brickyard, I know.", "Dear Gregor,"):
        model.script = f"Of course. {words} It depends on the day and on the weather."
        view = done(assistant.ask(None, PLAIN[1], OPTIONS))
        assert view.text == model.script
        assert view.route.kind == "fused"
    assert ABOUT_ME in read[-1]
    assert leaks(cloud.bodies, (*KEPT_ALWAYS, "Gregor", "Hollmann", "brickyard")) == []
    assert len(cloud.bodies) >= 2


def test_the_switch_turned_in_mid_answer_stops_what_would_leave(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.script = COMMON.replace("weather", "moon, the stars and the sea")
    view = done(assistant.ask(None, PLAIN[0], OPTIONS))
    assert view.stats.cloud_requests > 1
    conversation = assistant.store.message(view.message_id).conversation_id
    evaluate, turns = model.evaluate, iter(range(1000))

    def evaluated(tokens: Sequence[int], outputs: int = 1) -> Any:
        if next(turns) == 0:
            assistant.set_local_only(conversation, True)
        return evaluate(tokens, outputs)

    monkeypatch.setattr(model, "evaluate", evaluated)
    before = len(cloud.bodies)
    view = done(assistant.ask(conversation, PLAIN[1], OPTIONS))
    assert view.text == model.script
    assert len(cloud.bodies) == before + 1, "the one that was on its way"
    assert any("local only" in notice for notice in view.notices)
    view = done(assistant.ask(conversation, PLAIN[1], OPTIONS))
    assert "local only" in view.route.reason
    assert len(cloud.bodies) == before + 1


def test_this_device_only_chosen_in_mid_answer_stops_what_would_leave(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.script = COMMON.replace("weather", "moon, the stars and the sea")
    evaluate, turns = model.evaluate, iter(range(1000))

    def evaluated(tokens: Sequence[int], outputs: int = 1) -> Any:
        if next(turns) == 0:
            assistant.keep_all_here()
        return evaluate(tokens, outputs)

    monkeypatch.setattr(model, "evaluate", evaluated)
    view = done(assistant.ask(None, PLAIN[1], OPTIONS))
    assert view.text == model.script
    assert len(cloud.bodies) == 1, "the one that was on its way"
    assert any("this device only" in notice for notice in view.notices)


def test_the_persons_own_words_stay_here(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    try:
        assert assistant.lessons.set_own_words(["Nordlicht"]) == ("Nordlicht",)
        view = done(assistant.ask(None, "How do I plan nordlicht?", OPTIONS))
        assert view.route.reason == "kept on this device: own words"
    finally:
        assistant.lessons.set_own_words([])
    assert cloud.bodies == []


def test_over_two_hundred_conversations_nothing_private_leaves(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    dice = random.Random(5)
    choices.set_about_me(assistant.store, ABOUT_ME)
    routes: dict[str, int] = {}
    reopened = 0
    for number in range(200):
        choices.set_policy(assistant.store, "pseudonyms" if number % 3 == 0 else "local only")
        conversation: int | None = None
        texts = [dice.choice(PRIVATE if dice.random() < 0.4 else PLAIN)]
        texts += dice.choices((*FOLLOW_UPS, *PLAIN), k=dice.randrange(2))
        for text in texts:
            model.script = COMMON
            if dice.random() < 0.5:
                model.script = COMMON.replace(".", "." + dice.choice(SECRETS), 1)
            elif dice.random() < 0.3:
                model.script = COMMON.replace(".", ". Dear Dr. Weber, Anna Weber:", 1)
            mode: Mode = "cloud" if dice.random() < 0.15 else "fused"
            options = TurnOptions(mode, dice.choice((0.3, 0.5, 0.8)), OPTIONS.sampling)
            view = done(assistant.ask(conversation, text, options))
            assert view.status in ("complete", "length")
            assert view.text
            conversation = assistant.store.message(view.message_id).conversation_id
            routes[view.route.kind] = routes.get(view.route.kind, 0) + 1
            reopened += view.stats.cloud_requests > 1
    assert min(routes["local"], routes["fused"], routes["cloud"]) > 20, routes
    assert reopened > 30
    assert len(cloud.bodies) > 200
    found = leaks(cloud.bodies, (*ASKED, *UTTERED, *KEPT_ALWAYS, "Weber", "Hollmann"))
    assert found == [], "\n".join(f"{v}: {b}" for v, b in found[:4])
    # And the log has told the truth: word for word what came.
    kept = [entry.body for entry in assistant.sent.page(limit=100_000) if entry.body]
    assert sorted(kept) == sorted(cloud.bodies)


FACT = "I put the copper lantern behind the walnut wardrobe in Thurso."
FACT_WORDS = ("copper", "walnut", "wardrobe", "thurso")
ASKED_FOR_FACT = "Where did I put the lantern?"


def tell(assistant: Assistant, fact: str = FACT) -> None:
    """Say something in a chat of its own, a while ago."""
    assistant.store.add_message(None, None, "user", fact)


@pytest.mark.parametrize(
    "words",
    [
        "You put the copper lantern behind the walnut wardrobe in Thurso.",
        "Look behind the wardrobe.",  # no two words in a row as they were said
        "Perhaps near wardrobes? Or in Thurso.",
    ],
)
def test_memory_reaches_the_local_model_only(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, words: str
) -> None:
    tell(assistant)
    read: list[str] = []
    tokens_of = model.vocabulary.tokenize_prompt

    def tokenize_prompt(text: str, **_: object) -> list[int]:
        read.append(text)
        return tokens_of(text)  # type: ignore[no-any-return]

    model.vocabulary.tokenize_prompt = tokenize_prompt
    model.script = f"Of course. {words} It depends on the day and on the weather."
    turn = assistant.ask(None, ASKED_FOR_FACT, OPTIONS)
    view = done(turn)
    assert [each.text for each in turn.memory] == [FACT]
    assert view.route.kind == "fused"
    assert view.steps[0].weight == MEMORY_WEIGHT
    assert view.text == model.script
    assert FACT in read[-1]
    assert len(cloud.bodies) >= 1
    assert leaks(cloud.bodies, FACT_WORDS) == []
    assert any("something private" in notice for notice in view.notices)
    # Nor in the turn after it, of which that answer is a part.
    conversation = assistant.store.message(view.message_id).conversation_id
    model.script = "Of course. The wardrobe it is."
    view = done(assistant.ask(conversation, PLAIN[0], OPTIONS))
    assert view.route.kind == "fused"
    assert "earlier messages kept on this device: 2" in view.route.reason
    assert leaks(cloud.bodies, FACT_WORDS) == []


def test_what_a_long_chat_has_no_room_for_is_read_here_and_not_sent(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    model.context_size = 1200  # characters are its tokens
    assistant.use_model(model, assistant._settings)  # type: ignore[arg-type]
    told = last = assistant.store.add_message(None, None, "user", FACT)
    for place in range(12):
        role, said = ("user", PLAIN[place % 5]) if place % 2 else ("assistant", COMMON)
        last = assistant.store.add_message(told.conversation_id, last.id, role, said)  # type: ignore[arg-type]
    model.script = "You put the copper lantern behind the walnut wardrobe in Thurso."
    turn = assistant.ask(told.conversation_id, ASKED_FOR_FACT, OPTIONS)
    view = done(turn)
    assert view.stats.dropped_messages > 0
    assert [each.text for each in turn.memory] == [FACT]
    assert assistant.memory.uses_of(view.message_id)[0].text == FACT
    assert (view.route.kind, view.text) == ("fused", model.script)
    assert cloud.bodies
    assert leaks(cloud.bodies, FACT_WORDS) == []


def test_an_answer_from_memory_that_no_guard_saw_stays_here_afterwards(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    tell(assistant)
    model.script = "Behind the wardrobe."
    nothing_left = TurnOptions("fused", 0.5, OPTIONS.sampling, daily_requests=0)
    view = done(assistant.ask(None, ASKED_FOR_FACT, nothing_left))
    assert view.route.kind == "local"
    assert "budget" in view.route.reason
    assert assistant.store.message(view.message_id).private == (MEMORY,)
    conversation = assistant.store.message(view.message_id).conversation_id
    model.script = COMMON
    for policy in ("local only", "pseudonyms"):
        choices.set_policy(assistant.store, policy)
        view = done(assistant.ask(conversation, PLAIN[0], OPTIONS))
        assert view.route.kind == "fused"
    assert len(cloud.bodies) >= 2
    assert leaks(cloud.bodies, FACT_WORDS) == []


def test_a_rewording_of_an_answer_from_memory_stays_here_too(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    tell(assistant)
    model.script = "Behind the wardrobe."
    view = done(assistant.ask(None, ASKED_FOR_FACT, replace(OPTIONS, daily_requests=0)))
    reworded = assistant.store.rewrite_answer(view.message_id, "Behind the wardrobe, in Thurso.")
    model.script = COMMON
    view = done(assistant.ask(reworded.conversation_id, PLAIN[0], OPTIONS))
    assert view.route.kind == "fused"
    assert len(cloud.bodies) >= 1
    assert leaks(cloud.bodies, FACT_WORDS) == []


def test_a_program_that_brings_an_answer_from_memory_back_does_not_send_it(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    tell(assistant)
    model.script = "Behind the wardrobe."
    asked = [ChatMessage("user", ASKED_FOR_FACT)]
    turn = assistant.respond(asked, replace(OPTIONS, mode="local"))
    done(turn)
    assert [each.text for each in turn.memory] == [FACT]
    # Another question of the program in between, so that only the answer can give it away.
    said = [ChatMessage("user", "Any idea?"), ChatMessage("assistant", f" {model.script}\n")]
    model.script = COMMON
    view = done(assistant.respond([*said, ChatMessage("user", PLAIN[0])], OPTIONS))
    assert view.route.kind == "fused"
    assert len(cloud.bodies) >= 1
    assert leaks(cloud.bodies, FACT_WORDS) == []
    assert assistant.respond(asked, OPTIONS, memory=False).memory == ()
    assert assistant.respond(asked, OPTIONS, personal=False).memory == ()


def test_examples_of_how_the_person_writes_reach_the_local_model_only(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, smollm_path: Path
) -> None:
    model.path = smollm_path  # its embeddings tell questions apart
    give_consent(assistant.store, Consent(train=True))
    asked = assistant.store.add_message(None, None, "user", f"{PLAIN[1]} I saw one at Thurso.")
    assistant.store.add_message(
        asked.conversation_id, asked.id, "assistant", "copper first -- then a walnut wardrobe."
    )
    read: list[str] = []
    tokens_of = model.vocabulary.tokenize_prompt

    def tokenize_prompt(text: str, **_: object) -> list[int]:
        read.append(text)
        return tokens_of(text)  # type: ignore[no-any-return]

    model.vocabulary.tokenize_prompt = tokenize_prompt
    for words in ("You saw a copper one from Thurso.", "Look behind the wardrobe."):
        model.script = f"Of course. {words} It depends on the day and on the weather."
        turn = assistant.ask(None, PLAIN[1], OPTIONS)
        view = done(turn)
        assert [each.kind for each in turn.memory] == ["example"]
        assert view.route.kind == "fused"
        assert view.steps[0].weight == OPTIONS.weight
        assert view.text == model.script
        assert "walnut wardrobe" in read[-1]
        assert "Thurso" in read[-1]
        assert any("something private" in notice for notice in view.notices)
    assert len(cloud.bodies) >= 2
    # Nor in a later turn, of which that answer is a part.
    conversation = assistant.store.message(view.message_id).conversation_id
    model.script = COMMON
    done(assistant.ask(conversation, PLAIN[0], OPTIONS))
    assert leaks(cloud.bodies, FACT_WORDS) == []


def test_memory_that_is_off_is_not_read(assistant: Assistant, model: ScriptedModel) -> None:
    tell(assistant)
    model.script = COMMON
    assistant.memory.set_on(False)
    turn = assistant.ask(None, ASKED_FOR_FACT, OPTIONS)
    done(turn)
    assert turn.memory == ()
