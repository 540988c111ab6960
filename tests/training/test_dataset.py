"""Which answers are learnt from, which stay out and why, and what is set aside to judge by."""

import hashlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floe.chats.jsonl import export_chats, import_chats, iterate_chats, read_chats
from floe.chats.reading import MAX_FILE_BYTES, MAX_LINE_BYTES
from floe.errors import DataError
from floe.privacy import choices
from floe.privacy.consent import Consent, give_consent
from floe.privacy.gate import CHOSEN
from floe.records import Conversation, Message, Route, Status
from floe.store import Store
from floe.training.data import learning_choices
from floe.training.data.dataset import Dataset, Selection, build_dataset
from floe.training.data.duplicates import ALIKE, first_alike, grams, similarity
from floe.training.data.learning_choices import LearningChoices, chosen_dataset
from tests.tiers import examples

EXAMPLES = Path(__file__).parents[2] / "data" / "examples"

WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove"]
WORDS += ["heron", "inlet", "jetty", "kelp", "larch", "mast", "nook"]


def yes(conversation: Conversation) -> bool:
    return conversation.train is not False


def say(store: Store, *turns: tuple[str, str], status: Status = "complete") -> list[Message]:
    """A conversation of questions and answers; returns the answers."""
    conversation = store.create_conversation()
    parent = None
    answers = []
    for question, answer in turns:
        asked = store.add_message(conversation.id, parent, "user", question)
        answered = store.add_message(conversation.id, asked.id, "assistant", answer, status=status)
        answers.append(answered)
        parent = answered.id
    return answers


def flag(store: Store, message_id: int | None, *kinds: str) -> None:
    with store.writing() as db:
        db.execute("UPDATE messages SET private = ? WHERE id = ?", [json.dumps(kinds), message_id])


def reasons(data: Dataset) -> dict[str, str]:
    return {row.answer: row.left_out for row in data.rows}


def three(store: Store) -> list[Message]:
    return [
        answer
        for word in WORDS[:3]
        for answer in say(store, (f"what is {word}?", f"{word} is one of my favourite words"))
    ]


def test_an_answer_that_was_rewritten_replaces_the_original(store: Store) -> None:
    first, second = say(store, ("how?", "like this"), ("and then?", "then you sail home"))
    better = store.rewrite_answer(first.id, "like this, but slower")
    best = store.rewrite_answer(better.id, "slowly")
    store.select_branch(first.conversation_id, second.id)  # the branch in view has the original
    data = build_dataset(store, Selection(), yes)
    assert [(row.message_id, row.answer) for row in data.rows] == [
        (first.id, "slowly"),
        (second.id, "then you sail home"),
    ]
    assert data.rows[0].rewritten
    store.rate_message(best.id, -1)
    assert reasons(build_dataset(store, Selection(), yes))["slowly"] == "disliked"


def test_which_answers_the_cloud_has_had_is_known_of_each_row(store: Store) -> None:
    fused, chosen, offline, reworded, _, kept = (
        say(store, (f"what is {word}?", f"{word} {word} {word}"))[0] for word in WORDS[:6]
    )
    store.set_route(fused.id, Route("fused", "nothing private found"))
    store.set_route(chosen.id, Route("local", CHOSEN))
    store.set_route(offline.id, Route("local", "the cloud is switched off"))
    store.set_route(reworded.id, Route("fused", "nothing private found"))
    store.rewrite_answer(reworded.id, "my own words of delta")
    with store.writing() as db:
        db.execute("UPDATE conversations SET local_only = 1 WHERE id = ?", [kept.conversation_id])
    data = build_dataset(store, Selection(), yes)
    assert {row.answer.split()[-1]: row.disclosure for row in data.used} == {
        "amber": "had",
        "birch": "kept",
        "cedar": "unjudged",
        "delta": "unjudged",
        "ember": "unjudged",
        "fjord": "kept",
    }
    marked = {answer.text.split()[-1]: answer.kept for answer in data.unmarked}
    learnt = {row.answer.split()[-1] for row in data.used if row.split == "train"} - {"amber"}
    assert marked == {word: word in ("birch", "fjord") for word in learnt}


def test_a_rewritten_answer_that_was_disliked_before_is_learnt(store: Store) -> None:
    (bad,) = say(store, ("how?", "no idea"))
    store.rate_message(bad.id, -1)
    store.rewrite_answer(bad.id, "with a spoon")
    assert reasons(build_dataset(store, Selection(), yes)) == {"with a spoon": ""}


def test_liked_answers_weigh_twice_and_disliked_ones_stay_out(store: Store) -> None:
    amber, birch, cedar = three(store)
    store.rate_message(amber.id, 1)
    store.rate_message(birch.id, -1)
    data = build_dataset(store, Selection(), yes)
    assert {row.message_id: row.weight for row in data.used} == {amber.id: 2.0, cedar.id: 1.0}
    assert sorted(line["weight"] for line in data.lines()) == [1.0, 2.0]


def test_private_rows_stay_out_unless_the_person_says_otherwise(store: Store) -> None:
    amber, birch, cedar = three(store)
    flag(store, amber.parent_id, "phone")
    flag(store, birch.id, "name", "health")
    flag(store, cedar.id)
    left_out = reasons(build_dataset(store, Selection(), yes))
    assert left_out[amber.content] == "private (phone)"
    assert left_out[birch.content] == "private (health, name)"
    assert left_out[cedar.content] == ""
    assert len(build_dataset(store, Selection(with_private=True), yes).used) == 3


def test_a_rewritten_private_answer_stays_out_until_it_was_looked_at(store: Store) -> None:
    (answer,) = say(store, ("who?", "it was Ann Smith"))
    flag(store, answer.id, "name")
    new = store.rewrite_answer(answer.id, "it was A. Smith")
    assert not build_dataset(store, Selection(), yes).used
    flag(store, new.id)
    assert len(build_dataset(store, Selection(), yes).used) == 1


@pytest.mark.parametrize("status", ["length", "stopped", "interrupted", "failed", "streaming"])
def test_an_answer_that_was_not_finished_stays_out(store: Store, status: Status) -> None:
    say(store, ("how?", "you begin with"), status=status)
    assert reasons(build_dataset(store, Selection(), yes)) == {
        "you begin with": "the answer is not finished"
    }


def test_answers_left_out_by_hand_and_chats_without_consent_are_named(store: Store) -> None:
    amber, birch, cedar = three(store)
    with store.writing() as db:
        db.execute("UPDATE conversations SET train = 0 WHERE id = ?", [birch.conversation_id])
    data = build_dataset(store, Selection(without=frozenset({amber.id})), yes)
    assert [row.message_id for row in data.used] == [cedar.id]
    listed = {chat.id: (chat.used, chat.left_out) for chat in data.conversations}
    assert listed == {
        amber.conversation_id: (0, "you left it out"),
        birch.conversation_id: (0, "you did not allow learning from this chat"),
        cedar.conversation_id: (1, ""),
    }


def test_only_chosen_conversations_are_looked_at(store: Store) -> None:
    amber, _, cedar = three(store)
    chosen = (amber.conversation_id, cedar.conversation_id, 999)
    data = build_dataset(store, Selection(conversations=chosen), yes)
    assert {row.message_id for row in data.rows} == {amber.id, cedar.id}


def test_what_was_left_out_is_not_shown_as_context_either(store: Store) -> None:
    answers = say(store, *((f"{word}?", f"all about {word}") for word in WORDS[:5]))
    store.rate_message(answers[1].id, -1)
    say(store, ("another?", "another conversation altogether"))
    lines = build_dataset(store, Selection(system_prompt="Be kind."), yes).lines()
    texts = sorted(" ".join(m["content"] for m in line["messages"]) for line in lines)
    assert texts == [
        "Be kind. amber? all about amber",
        "Be kind. another? another conversation altogether",
        "Be kind. cedar? all about cedar delta? all about delta ember? all about ember",
    ]


def test_nearly_the_same_answers_count_once_and_the_liked_one_stays(store: Store) -> None:
    text = "you take the rope in your left hand and pull it twice around the post"
    (first,) = say(store, ("How do I moor?", text))
    (second,) = say(store, ("how do I moor?", text + "!"))
    store.rate_message(second.id, 1)
    say(store, ("Where?", "in the old harbour, behind the ice house"))
    data = build_dataset(store, Selection(), yes)
    left_out = {row.message_id: row.left_out for row in data.rows}
    assert left_out[first.id] == "nearly the same as another"
    assert left_out[second.id] == ""


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text("ab ", max_size=30),
            st.lists(st.sampled_from(WORDS), min_size=4, max_size=12).map(" ".join),
            st.text(max_size=12),
        ),
        max_size=25,
    )
)
def test_duplicates_are_those_of_comparing_every_pair(texts: list[str]) -> None:
    kept: list[int] = []
    expected: list[int | None] = []
    for i, text in enumerate(texts):
        match = next((k for k in kept if similarity(grams(text), grams(texts[k])) >= ALIKE), None)
        expected.append(match)
        if match is None:
            kept.append(i)
    assert first_alike(texts) == expected


def splits(data: Dataset) -> dict[int, str]:
    return {row.conversation_id: row.split for row in data.used}


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(0, 1000), st.integers(4, 14))
def test_added_conversations_move_no_conversation_into_the_held_out_part(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int
) -> None:
    with Store(tmp_path_factory.mktemp("split") / "floe.db") as store:
        before: dict[int, str] = {}
        for word in WORDS[:count]:
            say(store, (f"what is {word}?", f"{word} is one of my favourite words"))
            now = splits(build_dataset(store, Selection(seed=seed), yes))
            if len(before) > 1:
                assert not [i for i, side in before.items() if side == "train" != now[i]]
            if len(now) > 1:
                assert set(now.values()) == {"train", "held_out"}
            before = now


def test_a_single_conversation_is_split_by_its_answers_and_says_so(store: Store) -> None:
    say(store, *((f"{word}?", f"all about {word}") for word in WORDS[:10]))
    data = build_dataset(store, Selection(), yes)
    assert [row.split for row in data.rows] == ["train"] * 8 + ["held_out"] * 2
    assert "the only conversation" in data.sentence
    assert len(data.lines()) == 2


def test_no_rows_and_one_row_are_refused_with_a_sentence(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no answer to learn from"):
        build_dataset(store, Selection(), yes).write(tmp_path / "rows.jsonl")
    say(store, ("how?", "like this"))
    with pytest.raises(DataError, match="only one answer"):
        build_dataset(store, Selection(), yes).write(tmp_path / "rows.jsonl")
    assert not (tmp_path / "rows.jsonl").exists()


def test_the_fingerprint_follows_the_rows_alone(store: Store) -> None:
    amber, *_ = three(store)
    first = build_dataset(store, Selection(), yes).fingerprint
    store.rename_conversation(amber.conversation_id, "another title")
    assert build_dataset(store, Selection(), yes).fingerprint == first
    store.rate_message(amber.id, 1)
    assert build_dataset(store, Selection(), yes).fingerprint != first


def test_rows_are_written_as_the_trainer_reads_them(store: Store, tmp_path: Path) -> None:
    say(store, ("¿Qué es «Floe»? 🧊", "Приве́т, 世界\n\nline two"))
    say(store, ("how?", "like this"))
    build_dataset(store, Selection(), yes).write(tmp_path / "run" / "rows.jsonl")
    text = (tmp_path / "run" / "rows.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert {row["split"] for row in rows} == {"train", "held_out"}
    assert {
        "messages": [
            {"role": "user", "content": "¿Qué es «Floe»? 🧊"},
            {"role": "assistant", "content": "Приве́т, 世界\n\nline two"},
        ],
        "weight": 1.0,
    }.items() <= next(row for row in rows if "Floe" in row["messages"][0]["content"]).items()


@pytest.mark.parametrize("writer", ["harbour", "kitchen", "letters", "site"])
def test_the_example_chats_go_in_and_come_out_the_same(
    store: Store, tmp_path: Path, writer: str
) -> None:
    source = EXAMPLES / f"{writer}.jsonl"
    made = import_chats(store, source)
    assert len(made) >= 10
    assert export_chats(store, tmp_path / "out.jsonl", made) == len(made)
    assert (tmp_path / "out.jsonl").read_bytes() == source.read_bytes()
    data = build_dataset(store, Selection(), yes)
    data.check()
    assert not [row for row in data.rows if row.left_out]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "is not JSON"),
        (b'{"prompt": "hi"}', "messages: Field required"),
        (b'{"messages": []}', "messages: List should have at least 1"),
        (b'{"messages": [{"role": "robot", "content": "x"}]}', "messages.0.role"),
        (b'{"messages": [{"role": "user", "content": ["x"]}]}', "messages.0.content"),
        (b'{"messages": [{"role": "user", "content": ""}]}', "messages.0.content"),
        (b"[1]", "the line"),
        (b'{"messages": "\xff"}', "is not UTF-8"),
        (b"[" * 100_000, "nested"),
    ],
)
def test_a_bad_line_of_rows_to_train_on_is_named(tmp_path: Path, line: bytes, problem: str) -> None:
    path = tmp_path / "chats.jsonl"
    good = b'{"messages": [{"role": "user", "content": "hi"}], "extra": 1}\n'
    path.write_bytes(good + b"\n" + line + b"\n" + good)
    with pytest.raises(DataError, match=r"Line 3 of chats\.jsonl") as raised:
        read_chats(path)
    assert problem in str(raised.value)


def test_a_file_of_another_program_is_read_with_its_mark_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"messages": [{"role": "user", "content": "hi"}]}\r\n\r\n')
    assert [len(chat) for chat in read_chats(path)] == [1]
    path.write_bytes(b"\n \n")
    with pytest.raises(DataError, match="holds no chats"):
        read_chats(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_chats(tmp_path)


def test_an_export_that_cannot_be_written_says_so(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        export_chats(store, tmp_path / "file" / "out.jsonl", [])


def test_rows_that_are_far_too_large_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(DataError, match="2,000 MB can be imported at once"):
        read_chats(path)
    with path.open("wb") as file:
        file.truncate(MAX_LINE_BYTES + 1)
    with pytest.raises(DataError, match=r"Line 1 of chats\.jsonl is longer than 50 MB"):
        read_chats(path)


def test_a_large_file_is_never_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    said = [{"role": "user", "content": "word " * 2000}, {"role": "assistant", "content": "yes"}]
    path.write_text((json.dumps({"messages": said}) + "\n") * 3000)
    tracemalloc.start()
    assert sum(1 for _ in iterate_chats(path)) == 3000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 30_000_000
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("1" * 5_000_000, "number of far too many digits"),
        ("-" + "9" * 5_000_000, "number of far too many digits"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("NaN}", None),
    ],
)
def test_numbers_nesting_and_halves_of_characters(
    store: Store, tmp_path: Path, content: str, problem: str | None
) -> None:
    path = tmp_path / "chats.jsonl"
    line = '{"messages": [{"role": "user", "content": "' + r"\ud83d and \u0000" + '"}], "x": '
    path.write_text(line + content)
    if problem:
        for read in (read_chats, lambda bad: import_chats(store, bad)):
            with pytest.raises(DataError, match=problem):
                read(path)
        assert store.conversations() == []
    else:
        (made,) = import_chats(store, path)
        assert store.open_conversation(made)[0].content == "\ufffd and \0"


def test_what_a_model_thought_is_not_learnt(store: Store) -> None:
    say(
        store,
        ("how?", "<think>\nsecret plan\n</think>\n\nlike this"),
        ("why?", "<think>hm</think>"),
    )
    data = build_dataset(store, Selection(), yes)
    assert [row.answer for row in data.used] == ["like this"]
    assert "the answer is empty" in {row.left_out for row in data.rows}
    assert "secret plan" not in json.dumps(data.lines())


def test_rows_are_looked_at_again_only_when_something_was_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(store, ("how?", "like this"), ("why?", "because"))
    give_consent(store, Consent(train=True, federate=None))
    built: list[object] = []

    def counted(*args: Any) -> Dataset:
        built.append(args)
        return build_dataset(*args)

    monkeypatch.setattr(learning_choices, "build_dataset", counted)
    first = chosen_dataset(store, "S")
    assert chosen_dataset(store, "S") is first
    assert chosen_dataset(store, "T") is not first
    assert chosen_dataset(store, "T", with_private=True).system_prompt == "T"
    assert len(built) == 3
    chosen_dataset(store, "S")
    before = len(built)
    answer = next(m for m in store.open_conversation(1) if m.role == "assistant")
    with Store(tmp_path / "floe.db") as other:  # another window, or another process
        other.rate_message(answer.id, -1)
    assert "disliked" in {row.left_out for row in chosen_dataset(store, "S").rows}
    LearningChoices.update(store, without=(answer.id,))
    chosen_dataset(store, "S")
    chosen_dataset(store, "S")
    assert len(built) == before + 2


def test_a_very_long_chat_is_read_in_pieces(store: Store) -> None:
    words = [f"{WORDS[i % 14]} {WORDS[i // 14]} {i * i}" for i in range(120)]
    say(store, *((f"q {word}", f"a {word} {i}") for i, word in enumerate(words)))
    data = build_dataset(store, Selection(), yes)
    lines = data.lines()
    answers = [m["content"] for line in lines for m in line["messages"] if m["role"] == "assistant"]
    assert answers == [row.answer for row in data.used]
    assert len(answers) > 100
    assert max(len(line["messages"]) for line in lines) <= 101


def conversation(store: Store, *said: tuple[str, str], title: str = "") -> int:
    """A conversation of (role, words)."""
    made = store.create_conversation()
    parent = None
    for role, words in said:
        assert role in ("system", "user", "assistant")
        parent = store.add_message(made.id, parent, role, words).id  # type: ignore[arg-type]
    if title:
        store.rename_conversation(made.id, title)
    return made.id


def test_a_chat_is_learnt_under_the_prompt_that_the_chat_would_have(store: Store) -> None:
    conversation(
        store,
        ("system", "You know boats."),
        ("user", "how?"),
        ("assistant", "slowly"),
        ("user", "and then?"),
        ("assistant", "then home"),
        title="Boats",
    )
    for told in ("Be kind.", ""):
        (line, *_) = build_dataset(store, Selection(system_prompt=told), yes).lines()
        # The present system prompt comes first, an empty one too, then what was imported.
        assert [m["content"] for m in line["messages"]] == [
            told,
            "You know boats.",
            "how?",
            "slowly",
        ]
        assert line["title"] == "Boats"
    held_out = build_dataset(store, Selection(system_prompt="Be kind."), yes).lines()[1]
    # A line that begins later in the chat stands under the imported message as well.
    assert [m["content"] for m in held_out["messages"]] == [
        "Be kind.",
        "You know boats.",
        "and then?",
        "then home",
    ]
    assert [m["role"] for m in held_out["messages"]][:2] == ["system", "system"]


def test_what_is_private_in_an_imported_system_message_keeps_all_answers_under_it_out(
    store: Store,
) -> None:
    said = [("system", "I am Ann."), ("user", "a?"), ("assistant", "b")]
    made = conversation(store, *said, ("user", "c?"), ("assistant", "d"))
    flag(store, store.open_conversation(made)[0].id, "name")
    assert reasons(build_dataset(store, Selection(), yes)) == {
        "b": "private (name)",
        "d": "private (name)",
    }


def test_a_greeting_before_the_first_question_is_read_and_not_learnt(store: Store) -> None:
    conversation(
        store, ("assistant", "Hello, what is it?"), ("user", "how?"), ("assistant", "slowly")
    )
    say(store, ("where?", "in the old harbour"))
    data = build_dataset(store, Selection(system_prompt="Be kind."), yes)
    assert reasons(data)["Hello, what is it?"] == "no question before it"
    (line,) = [each for each in data.lines() if len(each["messages"]) == 4]
    assert [m["role"] for m in line["messages"]] == ["system", "assistant", "user", "assistant"]
    assert line["context"] == 2
    (other,) = [each for each in data.lines() if len(each["messages"]) == 3]
    assert "context" not in other
    # Two answers in a row in the midst of a chat are no greeting.
    conversation(
        store,
        ("user", "a?"),
        ("assistant", "b"),
        ("assistant", "c"),
        ("user", "d?"),
        ("assistant", "e"),
    )
    texts = [
        [m["content"] for m in line["messages"]]
        for line in build_dataset(store, Selection(), yes).lines()
    ]
    assert ["d?", "e"] in texts


def unlike(word: str) -> str:
    """A question that has nothing in common with that of another word."""
    return hashlib.sha256(word.encode()).hexdigest()


def test_a_stock_answer_that_was_learnt_is_not_judged_by(store: Store) -> None:
    stock = "I am afraid that I cannot say anything about that without a look at the harbour."
    for i, word in enumerate(WORDS[:12]):
        say(
            store,
            (unlike(word), stock if i % 2 else unlike(f"{word}!")),
        )
    drawn = [build_dataset(store, Selection(seed=seed), yes) for seed in range(8)]
    for data in drawn:
        held_out = {row.answer for row in data.used if row.split == "held_out"}
        assert stock not in held_out or held_out == {stock}  # there is nothing else to judge by
        assert stock in {row.answer for row in data.used if row.split == "train"}
    (*_, data) = [d for d in drawn if "the same answer as another" in reasons(d).values()]
    assert "as another one" in data.sentence


def test_where_all_that_is_held_out_is_a_stock_answer_it_stays(store: Store) -> None:
    stock = "I am afraid that I cannot say anything about that without a look at the harbour."
    for word in WORDS[:4]:
        say(store, (unlike(word), stock))
    data = build_dataset(store, Selection(), yes)
    assert data.count("held_out") >= 1


def test_what_the_person_says_of_themselves_stands_before_the_rows_as_in_the_chat(
    store: Store,
) -> None:
    give_consent(store, Consent(train=True))
    three(store)
    choices.set_about_me(store, "I sail.")
    (line, *_) = chosen_dataset(store, "Be kind.", with_private=True).lines()
    assert line["messages"][0] == {
        "role": "system",
        "content": choices.system_prompt(store, "Be kind."),
    }
    assert "About the person you talk to: I sail." in line["messages"][0]["content"]
