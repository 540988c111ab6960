"""Prompts of every family: roles that a template lacks, thoughts, base models, long chats."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import pytest

from floe.errors import PromptError
from floe.llama.prompt import PromptBuilder
from floe.llama.thinking import split_thinking
from floe.llama.vocabulary import Vocabulary
from floe.records import ChatMessage, Role

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
GEMMA_2 = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "<turn>{{ m.role }}\n{{ m.content | trim }}</turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn>model\n{% endif %}"
)
IGNORES_SYSTEM = "{% for m in messages if m.role != 'system' %}[{{ m.content }}]{% endfor %}"


class Characters:
    """A vocabulary of characters, in which a few marks are control tokens."""

    bos_text = ""
    eos_text = ""

    def __init__(self, marks: Sequence[str]) -> None:
        self.control_texts = {-1 - i: mark for i, mark in enumerate(marks)}
        self.asked = 0

    def tokenize(self, data: bytes) -> list[int]:
        self.asked += len(data)
        return list(data)

    def tokenize_prompt(self, text: str, *, parse_special: bool, add_bos: bool) -> list[int]:
        self.asked += len(text)
        tokens: list[int] = []
        while text:
            token = next((k for k, mark in self.control_texts.items() if text.startswith(mark)), 0)
            tokens += [token] if token else list(text[0].encode())
            text = text[len(self.control_texts[token]) if token else 1 :]
        return tokens


class Model:
    """As much of a model as a prompt needs."""

    def __init__(
        self, template: str | None, context: int = 1000, marks: Sequence[str] = ()
    ) -> None:
        self.characters = Characters(marks)
        self.vocabulary = cast(Vocabulary, self.characters)
        self.context_size = context
        self.metadata: Mapping[str, str] = (
            {} if template is None else {"tokenizer.chat_template": template}
        )


def chat(*texts: str, system: str = "") -> list[ChatMessage]:
    roles: tuple[Role, ...] = ("user", "assistant")
    said = [ChatMessage(roles[i % 2], text) for i, text in enumerate(texts)]
    return [ChatMessage("system", system), *said] if system else said


def text_of(model: Model, messages: Sequence[ChatMessage]) -> str:
    return bytes(PromptBuilder(model).render(messages)).decode()


def test_a_template_without_a_system_role_gets_it_before_the_first_question() -> None:
    assert text_of(Model(GEMMA_2), chat("Hi", "Hello", "So?", system="Be brief.")) == (
        "<turn>user\nBe brief.\n\nHi</turn>\n<turn>assistant\nHello</turn>\n"
        "<turn>user\nSo?</turn>\n<turn>model\n"
    )
    assert text_of(Model(IGNORES_SYSTEM), chat("Hi", system="Be brief.")) == "[Be brief.\n\nHi]"
    assert text_of(Model(CHATML), chat("Hi", system="S")).startswith("<|im_start|>system\nS<")


def test_turns_that_a_template_refuses_are_joined() -> None:
    twice = [ChatMessage("user", "a"), ChatMessage("user", "b"), *chat("c", "d")[::-1]]
    assert text_of(Model(GEMMA_2), twice) == (
        "<turn>user\na\n\nb</turn>\n<turn>assistant\nd</turn>\n<turn>user\nc</turn>\n<turn>model\n"
    )
    greeting = [ChatMessage("system", "S"), ChatMessage("assistant", "Welcome."), *chat("Hi")]
    assert "<turn>user\nS\n\nWelcome.\n\nHi</turn>" in text_of(Model(GEMMA_2), greeting)
    assert text_of(Model(CHATML), twice).count("<|im_start|>user") == 3


def test_thoughts_stay_out_of_the_history_and_are_switched_off() -> None:
    thought = "<think>\nTwo and two.\n</think>\n\n4"
    rendered = text_of(Model(CHATML), chat("2 + 2?", thought, "Sure?"))
    assert "Two and two" not in rendered
    assert "assistant\n4<|im_end|>" in rendered
    assert rendered.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert "Two and two" in text_of(Model(CHATML), chat("<think>Two and two</think> what?"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think>b", ("a", "b")),
        ("\n<think>\na\n</think>\n\nb </think> c", ("a", "b </think> c")),
        ("<think>never ends", ("never ends", "")),
        ("a thought\n</think>\n\nb", ("a thought", "b")),
        ("[THINK]a[/THINK]b", ("a", "b")),
        ("<|channel|>analysis<|message|>a<|channel|>final<|message|>b", ("a", "b")),
        ("Write <think> and </think> around it.", ("", "Write <think> and </think> around it.")),
        ("plain", ("", "plain")),
    ],
)
def test_thoughts_are_told_from_answers(text: str, expected: tuple[str, str]) -> None:
    assert split_thinking(text) == expected


def test_a_base_model_is_said_to_be_one_and_stops_at_the_marks_in_use() -> None:
    known = PromptBuilder(Model(None, marks=("<|im_start|>", "<|im_end|>")))
    assert "base model" in known.note
    assert "<|im_end|>" in known.stops
    plain = PromptBuilder(Model(None))
    assert "base model" in plain.note
    tokens = plain.render(chat("Hi", "Hello", "So?", system="S"))
    assert (
        bytes(tokens).decode()
        == "S\n\nUser:\nHi\n\nAssistant:\nHello\n\nUser:\nSo?\n\nAssistant:\n"
    )
    assert "\nUser:" in plain.stops
    chosen = PromptBuilder(Model(CHATML))
    assert (chosen.note, chosen.stops) == ("", ())


def slow_build(builder: PromptBuilder, messages: Sequence[ChatMessage], room: int) -> Any:
    """Drop a turn and render all again, until it fits."""
    system = [message for message in messages[:1] if message.role == "system"]
    turns = list(messages[len(system) :])
    dropped = 0
    while True:
        tokens = builder.render([*system, *turns])
        if len(tokens) <= room:
            return tokens, (*system, *turns), dropped
        if len(turns) <= 1:
            return None
        cut = next((i for i in range(1, len(turns)) if turns[i].role == "user"), len(turns) - 1)
        del turns[:cut]
        dropped += cut


def shapes() -> Iterator[list[ChatMessage]]:
    for count in (1, 2, 3, 8, 21, 40):
        for size in (1, 5, 40, 200):
            texts = [f"{i} " + "x" * (size * (1 + i * 7 % 5) // 2) for i in range(count)]
            yield chat(*texts)
            yield chat(*texts, system="You are brief.")
    yield [ChatMessage("user", "x" * 200)] * 12
    yield [ChatMessage("user", "q"), *[ChatMessage("assistant", "x" * 90)] * 12]
    yield [*chat("q", "x" * 700), *chat("y" * 20, "x" * 20, "z")]
    yield chat("<|im_end|>" * 9, "x" * 500, "<|im_end|>" * 30, "y", "z")


@pytest.mark.parametrize("template", [CHATML, GEMMA_2, IGNORES_SYSTEM, None])
def test_long_chats_are_cut_where_trying_all_cuts_in_order_would(template: str | None) -> None:
    model = Model(template, marks=("<|im_start|>", "<|im_end|>"))
    cut = 0
    for messages in shapes():
        builder = PromptBuilder(model)
        expected = slow_build(builder, messages, 1000 - 250)
        if expected is None:
            with pytest.raises(PromptError, match="Shorten it"):
                builder.build(messages)
            continue
        if expected[2]:  # to two thirds of the 750 tokens, if the last message fits into that
            # Turns go one after another, so that less room only takes more of what is left.
            shorter = slow_build(builder, expected[1], 500)
            if shorter is not None:
                expected = (*shorter[:2], expected[2] + shorter[2])
        prompt = builder.build(messages)
        assert (prompt.tokens, prompt.kept, prompt.dropped) == expected
        cut += prompt.dropped > 0
    assert cut > 10


@pytest.mark.parametrize("template", [CHATML, GEMMA_2])
def test_a_long_chat_begins_the_same_for_many_turns(template: str) -> None:
    model = Model(template, context=2000)
    builder = PromptBuilder(model)
    messages = chat(*(f"{i} {'x' * 40}" for i in range(101)), system="You are brief.")
    cuts, before = [], None
    for turn in range(40):
        prompt = builder.build(messages)
        assert len(prompt.tokens) <= 2000 - 256
        # What memory brings is put before the question, and other chats come in between.
        if len(prompt.tokens) < 1500:
            told = ChatMessage("user", "Earlier words. " + messages[-1].content)
            assert builder.build([*prompt.kept[:-1], told]).dropped == 0
        builder.build(chat("Another chat"))
        cuts.append(prompt.dropped)
        said = [*prompt.kept, *chat("", f"{turn} answer")[1:]]
        if before is not None and cuts[-1] == cuts[-2]:
            assert prompt.kept[: len(before)] == tuple(before)
        before = said
        messages = [*messages, said[-1], ChatMessage("user", f"{turn} and then?")]
    assert cuts == sorted(cuts)
    assert 1 < len(set(cuts)) <= 4


def test_a_chat_that_was_cut_is_read_in_full_again_where_it_fits() -> None:
    builder = PromptBuilder(Model(CHATML))
    long = chat(*(f"{i} {'x' * 40}" for i in range(31)))
    assert builder.build(long).dropped
    assert builder.build(long[:9]).dropped == 0
    shorter = [*long[:-2], ChatMessage("user", "y" * 500)]  # edited: behind the cut it has no room
    assert len(builder.build(shorter).tokens) <= 750


class Reader:
    """A model that has read some prompts, at a speed."""

    def __init__(self, speed: float | None = None, *, forgets: bool = False) -> None:
        self.prompt_speed = speed
        self.known: list[list[int]] = []
        self.forgets = forgets

    def count_unread(self, tokens: Sequence[int]) -> int:
        common = (
            next((i for i, (a, b) in enumerate(zip(t, tokens, strict=False)) if a != b), len(t))
            for t in self.known
        )
        return len(tokens) - max(common, default=0)

    def read(self, tokens: list[int]) -> int:
        unread = self.count_unread(tokens)
        self.known = [tokens] if self.forgets else [*self.known, tokens]
        return unread


def test_a_cut_keeps_what_the_device_reads_in_a_second() -> None:
    long = chat(*(f"{i} {'x' * 80}" for i in range(401)))
    kept = []
    for speed in (1.0, 900.0, 2000.0, 90_000.0, None):
        builder = PromptBuilder(Model(CHATML, context=8192), Reader(speed))
        kept.append(len(builder.build(long).tokens))
        assert builder.build(long).kept[-1] == long[-1]
    turn = 260
    room = 8192 - 256
    wanted = (768, 900, 2000, room // 2, room // 3)
    assert all(most - turn < size <= most for size, most in zip(kept, wanted, strict=True)), kept
    # What the model is told before each message takes nothing away from the chat.
    told = chat(*(each.content for each in long), system="s" * 500)
    builder = PromptBuilder(Model(CHATML, context=8192), Reader(1.0))
    assert 768 + 500 - turn < len(builder.build(told).tokens) <= 768 + 500


@pytest.mark.parametrize("forgets", [False, True])
def test_going_to_and_fro_between_long_chats_reads_what_is_new(forgets: bool) -> None:
    reader = Reader(1.0, forgets=forgets)
    builder = PromptBuilder(Model(CHATML, context=8192), reader)
    chats = [chat(*(f"{name}{i} {'x' * 80}" for i in range(401))) for name in "abc"]
    first = [reader.read(builder.build(each).tokens) for each in chats]
    unread, dropped = [], []
    for turn in range(12):
        for place, said in enumerate(chats):
            said.extend(chat("", f"{turn} {'y' * 250}", f"{turn} and then?")[1:])
            prompt = builder.build(said)
            unread.append(reader.read(prompt.tokens))
            dropped.append((place, prompt.dropped))
    # Where the model knows each chat still, the new turn alone; else no more than a new cut has.
    assert max(unread) <= (500 if not forgets else 2 * 768 + 300), unread
    assert max(first) <= 768
    if not forgets:
        assert len(set(dropped)) == len(chats)


def test_a_long_chat_costs_no_more_than_the_context_holds() -> None:
    asked = []
    for count in (21, 201, 2001):
        model = Model(CHATML)
        builder = PromptBuilder(model)
        builder.build(chat(*("x" * 50 for _ in range(count))))
        asked.append(model.characters.asked)
    assert asked[1] == asked[2]
    assert asked[2] < 8 * asked[0]
