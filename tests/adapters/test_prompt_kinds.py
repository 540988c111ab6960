"""What belongs to a person is told from calculations and code, with the real model's embeddings."""

import json

import numpy as np
import pytest

from floe.adapters.prompt_kinds import PromptKinds, region_from_json, region_to_json
from floe.adapters.router import PromptRegion, PromptSpace
from floe.chats.jsonl import read_chats
from floe.llama.runtime import LlamaModel
from floe.resources import EXAMPLES, TASK_CHATS

# None of these stands among the prompts that come along, nor is of the writers below.
CALCULATIONS = [
    "What is 17 times 23?",
    "Work out 12.5 % of 640.",
    "A ferry carries 36 cars and makes 7 trips a day. How many cars does it carry in 5 days?",
    "Paul is 3 years older than Ida. Together they are 41. How old is Ida?",
    "If 4 pens cost $6, how much do 10 pens cost?",
]
CODE = [
    "Write a Python function that merges two sorted lists.",
    "How do I add a column to a table in SQL?",
    "Why does this raise an IndexError? x = [1, 2]; print(x[2])",
    "Write a bash loop that prints the numbers from 1 to 10.",
]


@pytest.fixture(scope="module")
def kinds(smollm: LlamaModel) -> PromptKinds:
    return PromptKinds(PromptSpace(smollm.path, smollm.tokenize))


def questions_of(writer: str) -> list[str]:
    chats = read_chats(EXAMPLES / f"{writer}.jsonl")
    return [m.content for chat in chats for m in chat if m.role == "user"]


@pytest.mark.parametrize("writer", ["harbour", "kitchen", "letters", "site"])
def test_questions_like_a_persons_own_are_theirs_and_sums_and_code_are_not(
    kinds: PromptKinds, writer: str
) -> None:
    asked = questions_of(writer)
    region = kinds.region_of([q for i, q in enumerate(asked) if i % 4])
    assert region is not None
    kept_aside = asked[::4]
    theirs = [kinds.choose(q, region).kind == "own" for q in kept_aside]
    assert np.mean(theirs) >= 0.7
    assert [kinds.choose(q, region).kind for q in CALCULATIONS] == ["calculation"] * 5
    # A loop to 10 may pass for a calculation: what matters is that neither is the person's.
    assert {kinds.choose(q, region).kind for q in CODE} <= {"code", "calculation"}


def test_someone_who_teaches_code_has_the_adapter_act_on_code(kinds: PromptKinds) -> None:
    chats = read_chats(TASK_CHATS / "python.jsonl")
    region = kinds.region_of([chat[0].content for chat in chats[:40]])
    choices = [kinds.choose(chat[0].content, region).kind for chat in chats[40:]]
    assert choices.count("own") >= 0.9 * len(choices)


def test_without_a_person_a_prompt_is_general_a_calculation_or_code(kinds: PromptKinds) -> None:
    found = [kinds.choose(q).kind for q in (*CALCULATIONS, *CODE[:3], "Who was Napoleon?")]
    assert found == ["calculation"] * 5 + ["code"] * 3 + ["general"]


def test_a_choice_says_why_in_words(kinds: PromptKinds) -> None:
    region = kinds.region_of(questions_of("kitchen"))
    assert region is not None
    assert "closer to calculations than" in kinds.choose(CALCULATIONS[0], region).reason
    assert "close to what you taught it" in kinds.choose("How do I boil an egg?", region).reason
    narrow = PromptRegion(region.centroid, region.radius / 2)
    far = kinds.choose("How do I boil an egg?", narrow)
    assert far.kind == "general"
    assert "2." in far.reason or "1.9" in far.reason


def test_nothing_asked_has_no_region_and_no_words_are_no_question(kinds: PromptKinds) -> None:
    assert kinds.region_of([]) is None
    assert kinds.region_of(["  "]) is None
    one = kinds.region_of(["How do I boil an egg?"])
    assert one is not None
    assert kinds.choose("", one).kind == "own"


def test_a_region_is_read_back_and_what_is_none_acts_as_before() -> None:
    region = PromptRegion(np.array([0.25, -1.5], np.float32), 0.75)
    kept = json.loads(json.dumps(region_to_json(region)))
    found = region_from_json(kept)
    assert found is not None
    assert found.radius == 0.75
    assert found.centroid.tolist() == [0.25, -1.5]
    broken = [None, "x", {}, {"centroid": "!", "radius": 1}, {**kept, "radius": "nan"}]
    assert [region_from_json(each) for each in broken] == [None] * 5
