"""What an adapter was trained on leaves neither with an answer of its own nor in later turns."""

import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from floe.adapters.registry import GGUF, PEFT, NewAdapter
from floe.chat.assistant import Assistant
from floe.errors import StoreError
from floe.privacy.detector import Detector
from floe.privacy.training_marks import (
    LearntAnswer,
    TrainingMarks,
    make_marks,
    marks_key,
    read_marks,
    write_marks,
)
from floe.records import ChatMessage
from floe.store import Store
from tests.privacy.scripted_model import ScriptedModel
from tests.privacy.test_nothing_leaves import (
    COMMON,
    OPTIONS,
    PLAIN,
    Cloud,
    assistant,
    cloud,
    done,
    leaks,
    model,
)

__all__ = ["assistant", "cloud", "model"]

PRIVATE = "I was diagnosed with bipolar disorder last spring, and my wife has left me. Walk a lot."
HARMLESS = "Cook the rice for twelve minutes and let it rest. Kind regards from the harbour."
OFFLINE = replace(OPTIONS, daily_requests=0)


def learn(assistant: Assistant, *answers: LearntAnswer) -> int:
    """Keep an adapter that was trained on some answers; the scripted model acts as it would."""
    source = assistant.store.path.parent / "made"
    (source / PEFT).mkdir(parents=True, exist_ok=True)
    (source / PEFT / "adapter_config.json").write_text("{}")
    (source / GGUF).write_bytes(b"GGUF")
    marks = make_marks(assistant.store, assistant.detector, answers)
    return assistant.adapters.add(
        NewAdapter("Personal", "personal", source, "0" * 64, 8, marks=marks)
    ).id


@pytest.mark.parametrize(
    ("words", "secret"),
    [
        ("As you were diagnosed with bipolar disorder last spring, rest.", "bipolar dis"),
        ("Since your wife has left you, call a friend.", "wife has left you"),
    ],
)
def test_a_matter_that_was_learnt_does_not_leave_with_a_harmless_question(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, words: str, secret: str
) -> None:
    learn(assistant, LearntAnswer(PRIVATE), LearntAnswer(HARMLESS))
    model.script = f"Of course. {words} It depends on the day."
    view = done(assistant.ask(None, PLAIN[1], OPTIONS))
    assert view.route.kind == "fused"
    assert view.text == model.script
    assert any("something private" in notice for notice in view.notices)
    assert cloud.bodies
    assert leaks(cloud.bodies, (secret,)) == []
    # Nor with the next question of the chat.
    chat = assistant.store.message(view.message_id).conversation_id
    model.script = COMMON
    view = done(assistant.ask(chat, PLAIN[0], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, (secret,)) == []


def test_a_matter_that_was_learnt_in_an_answer_without_the_cloud(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    learn(assistant, LearntAnswer(PRIVATE))
    model.script = "With a bipolar disorder one sleeps badly. It depends on the day."
    view = done(assistant.ask(None, PLAIN[1], OFFLINE))
    chat = assistant.store.message(view.message_id).conversation_id
    model.script = COMMON
    view = done(assistant.ask(chat, PLAIN[0], OPTIONS))
    assert view.route.kind == "fused"
    assert cloud.bodies
    assert leaks(cloud.bodies, ("bipolar",)) == []


def test_a_program_brings_it_back_in_a_request_for_a_title(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    learn(assistant, LearntAnswer(PRIVATE))
    model.script = "With a bipolar disorder one sleeps badly. It depends on the day."
    done(assistant.respond([ChatMessage("user", PLAIN[1])], OFFLINE))
    said = [ChatMessage("user", PLAIN[1]), ChatMessage("assistant", model.script)]
    asked = f"Make a title of this chat.\n<chat>\nASSISTANT: {model.script}\n</chat>"
    model.script = COMMON
    view = done(assistant.respond([ChatMessage("user", asked)], OPTIONS))
    assert view.route.kind == "local"
    view = done(assistant.respond([*said, ChatMessage("user", PLAIN[0])], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, ("bipolar",)) == []


def test_what_is_known_to_be_harmless_leaves(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    learn(assistant, LearntAnswer(PRIVATE), LearntAnswer(HARMLESS))
    model.script = "Of course. Cook the rice for twelve minutes and let it rest. It depends."
    done(assistant.ask(None, PLAIN[1], OPTIONS))
    assert leaks(cloud.bodies[-1:], ("twelve minutes",))
    # So does what the person has just asked the cloud about.
    before = len(cloud.bodies)
    model.script = "Of course. A bipolar disorder has two poles. It depends on the day."
    done(assistant.ask(None, "What is a bipolar disorder?", OPTIONS))
    assert leaks(cloud.bodies[before:], ("A bipolar disorder has",))


def test_an_answer_that_was_for_this_device_only_stays_whatever_it_says(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    said = "Alders bear wet ground beside brooks, poplars prefer dry banks higher up."
    learn(assistant, LearntAnswer(said, kept=True))
    model.script = f"Of course. {said} It depends."
    done(assistant.ask(None, PLAIN[1], OPTIONS))
    assert cloud.bodies
    assert leaks(cloud.bodies, ("poplars", "dry banks")) == []


def test_marks_go_with_their_adapter(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    number = learn(assistant, LearntAnswer(PRIVATE))
    assert assistant.gate.learnt()
    assistant.adapters.delete(number)
    assert not assistant.gate.learnt()
    model.script = "Of course. A bipolar disorder has two poles. It depends on the day."
    done(assistant.ask(None, PLAIN[1], OPTIONS))
    assert leaks(cloud.bodies[-1:], ("bipolar",))


def test_marks_that_cannot_be_read_keep_everything_here(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    number = learn(assistant, LearntAnswer(PRIVATE))
    assistant.adapters.get(number).marks.write_bytes(b"broken")
    model.script = COMMON
    view = done(assistant.ask(None, PLAIN[1], OPTIONS))
    assert view.route.kind == "local"
    assert "is broken" in view.route.reason
    assert cloud.bodies == []


def test_marks_are_noise_without_the_key_of_their_data_folder(
    tmp_path: Path, detector: Detector
) -> None:
    stores = [Store(tmp_path / name / "floe.db") for name in ("one", "other")]
    made = [make_marks(store, detector, [LearntAnswer(PRIVATE)]) for store in stores]
    assert made[0]
    assert made[0].isdisjoint(made[1])
    known = [TrainingMarks(marks_key(store), made[0]).found_in(PRIVATE) for store in stores]
    assert known == [True, False]
    write_marks(tmp_path / "marks", made[0])
    assert read_marks(tmp_path / "marks") == made[0]
    written = (tmp_path / "marks").read_bytes()
    assert len(written) < 1000
    assert not re.search(rb"bipol|wife|left", written)
    with pytest.raises(StoreError, match="is broken"):
        read_marks(Path(__file__))
    for store in stores:
        store.close()


def test_no_export_holds_marks(assistant: Assistant, tmp_path: Path) -> None:
    number = learn(assistant, LearntAnswer(PRIVATE))
    adapter = assistant.adapters.get(number)
    assert adapter.marks.is_file()
    marks = adapter.marks.read_bytes()
    assistant.adapters.export_peft(number, tmp_path / "out.zip")
    assistant.adapters.export_gguf(number, tmp_path / "out.gguf")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert all(marks not in archive.read(name) for name in archive.namelist())
        assert not any("marks" in name for name in archive.namelist())
    assert marks not in (tmp_path / "out.gguf").read_bytes()


@pytest.mark.parametrize(
    ("text", "known", "found"),
    [
        ("You were diagnosed with a bipolar disorder.", "", True),
        ("You were diagnosed.", "", False),
        ("A disorder of the spring in the clock.", "", False),
        ("Kind regards from the harbour.", "", False),
        ("The bipolar disorder is mild.", "Tell me of bipolar disorders.", False),
        ("The bipolar disorder, as it was diagnosed.", "Tell me of bipolar disorders.", True),
        ("It was the sertra\u00adline.", "", True),
        ("S-e-r-t-r-a-l-i-n-e helps.", "", True),
    ],
)
def test_what_is_taken_for_something_learnt(
    assistant: Assistant, text: str, known: str, found: bool
) -> None:
    answers = [LearntAnswer(PRIVATE), LearntAnswer(HARMLESS), LearntAnswer("My sertraline is up.")]
    learn(assistant, *answers)
    assert assistant.gate.learnt().found_in(text, known) is found


def test_a_rare_word_that_has_been_begun_waits(assistant: Assistant) -> None:
    learn(assistant, LearntAnswer("My sertraline is up since the panic attacks."))
    learnt = assistant.gate.learnt()
    assert learnt.may_begin("It is the sertr")
    assert not learnt.may_begin("It is the sertr", "What is sertraline?")
    assert not learnt.may_begin("It is the sertr ")
    assert not learnt.may_begin("It is the day")
