import json
import random
import time
from pathlib import Path

import numpy as np
import pytest

from floe.adapters.router import (
    Expert,
    ExpertChoice,
    PromptRegion,
    PromptSpace,
    choose_experts,
    experts_in_use,
    merge_regions,
)
from floe.errors import PromptError
from floe.llama.runtime import LlamaModel
from floe.store import Store

TASKS = Path(__file__).parents[2] / "data" / "tasks"

FOREIGN = [
    "Who was the first president of the United States?",
    "What is the largest ocean?",
    "Are you a robot?",
    "You are rude.",
    "Have you read Frankenstein?",
    "Who wrote The Hobbit?",
    "What is the capital of Norway?",
    "Do you like football?",
    "I feel lonely.",
    "Which team won the cup in 1998?",
    "Explain quantum mechanics.",
    "What is a carcinogen?",
    "Hello there!",
    "Do you dream?",
    "Who directed Star Wars?",
    "What does the heart do?",
    "Is the moon made of rock?",
    "What is a government?",
    "Tell me about Napoleon.",
    "My laptop screen is black.",
    "Are you happy?",
    "When was the steam engine invented?",
    "What is your opinion on war?",
    "How tall is the Eiffel Tower?",
    "Which planet has rings?",
]


def at(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=np.float32)


NORTH = Expert(1, "north", PromptRegion(at(0, 1), 0.5))
EAST = Expert(2, "east", PromptRegion(at(1, 0), 0.5), scale=0.5)


def test_the_expert_within_reach_is_chosen_with_its_own_scale() -> None:
    found = choose_experts(at(0.9, 0.1), [NORTH, EAST])
    assert found.scales == ((2, 0.5),)
    assert "east" in found.reason


def test_a_prompt_out_of_every_reach_goes_to_none_and_says_so() -> None:
    found = choose_experts(at(-1, 0), [NORTH, EAST])
    assert found.scales == ()
    assert "unlike" in found.reason
    assert "north" in found.reason


def test_a_prompt_between_two_shares_them_by_distance() -> None:
    wide = [
        Expert(1, "a", PromptRegion(at(0, 1), 1.0)),
        Expert(2, "b", PromptRegion(at(1, 0), 1.0)),
    ]
    (first, x), (second, y) = choose_experts(at(0.45, 0.55), wide).scales
    assert (first, second) == (1, 2)
    assert x > y > 0.1
    assert x + y == pytest.approx(1)
    # softmax over negative squared distances, in units of the reach
    distances = np.square([np.hypot(0.45, 0.45), np.hypot(0.55, 0.55)])
    assert x / y == pytest.approx(np.exp(8 * (distances[1] - distances[0])), rel=1e-4)


def test_no_more_experts_than_asked_for() -> None:
    same = [Expert(i, str(i), PromptRegion(at(0, 1), 1.0)) for i in range(4)]
    assert len(choose_experts(at(0, 1), same).scales) == 2
    assert len(choose_experts(at(0, 1), same, most=1).scales) == 1


def test_without_experts_there_is_no_choice() -> None:
    assert choose_experts(at(0, 1), []) == ExpertChoice((), "no experts are in use")


def test_places_of_devices_merge_by_weight() -> None:
    merged = merge_regions([(PromptRegion(at(0, 0), 0.2), 3), (PromptRegion(at(4, 0), 0.6), 1)])
    np.testing.assert_allclose(merged.centroid, at(1, 0))
    assert merged.radius == pytest.approx(0.3)


@pytest.fixture(scope="module")
def space(smollm: LlamaModel) -> PromptSpace:
    return PromptSpace(smollm.path, smollm.vocabulary.tokenize)


def test_prompts_of_four_tasks_find_their_expert_and_foreign_ones_none(
    space: PromptSpace,
) -> None:
    experts, held_out = [], []
    for i, path in enumerate(sorted(TASKS.glob("*.jsonl"))):
        lines = path.read_text("utf-8").splitlines()
        prompts = [json.loads(line)["messages"][0]["content"] for line in lines]
        random.Random(0).shuffle(prompts)
        devices = [space.region_of(prompts[:20]), space.region_of(prompts[20:40])]
        experts.append(Expert(i, path.stem, merge_regions([(device, 1) for device in devices])))
        held_out += [(i, prompt) for prompt in prompts[40:]]
    right = [
        (found := choose_experts(space.embed(prompt), experts).scales) != () and found[0][0] == task
        for task, prompt in held_out
    ]
    assert len(experts) == 4
    assert np.mean(right) >= 0.9
    alone = [choose_experts(space.embed(prompt), experts).scales == () for prompt in FOREIGN]
    assert np.mean(alone) >= 0.8


def test_no_evaluation_of_the_model_is_needed(
    space: PromptSpace, smollm: LlamaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smollm, "embed", None)
    assert space.embed("How do I make apple crumble?").shape == (576,)


def test_blur_moves_the_centroid_and_the_reach_follows(space: PromptSpace) -> None:
    prompts = [f"How do I bake {what}?" for what in ("bread", "a cake", "scones", "buns")]
    clear = space.region_of(prompts)
    blurred = space.region_of(prompts, 0.01, np.random.default_rng(0))
    moved = np.linalg.norm(blurred.centroid - clear.centroid)
    assert moved == pytest.approx(0.01 * np.sqrt(576), rel=0.1)
    assert np.linalg.norm(space.embed(prompts[0]) - blurred.centroid) <= blurred.radius


def test_an_empty_prompt_is_explained(space: PromptSpace) -> None:
    with pytest.raises(PromptError):
        space.embed("")


def test_only_experts_of_this_base_that_are_on_and_placed_are_offered(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        with store.writing() as db:
            for key, base, on, place in [
                (1, "base", 1, at(1, 2)),
                (2, "base", 0, at(1, 2)),
                (3, "other", 1, at(1, 2)),
                (4, "base", 1, at()),
            ]:
                db.execute(
                    "INSERT INTO adapters (id, name, kind, created_at, folder, base_sha256, rank,"
                    " scale, in_use) VALUES (?, ?, 'expert', ?, 'f', ?, 4, 0.5, ?)",
                    [key, f"expert {key}", time.time(), base, on],
                )
                db.execute(
                    "INSERT INTO experts (adapter_id, cluster, centroid, radius, samples)"
                    " VALUES (?, 'group-1', ?, 0.25, ?)",
                    [key, place.astype("<f4").tobytes(), json.dumps(["hello"])],
                )
        (found,) = experts_in_use(store, "base")
    assert (found.adapter_id, found.name, found.scale) == (1, "expert 1", 0.5)
    np.testing.assert_array_equal(found.region.centroid, at(1, 2))
    assert found.region.radius == 0.25
    assert found.samples == ("hello",)
