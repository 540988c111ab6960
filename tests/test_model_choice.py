"""The model in use is changed while the program runs, and kept for the next start."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from floe.application import Application
from floe.chat.turn import TurnOptions
from floe.config import Settings
from floe.errors import FloeError, ModelError
from floe.llama.free_memory import FreeMemory
from floe.models import chosen
from floe.models.catalog import Catalog
from floe.models.chosen import chosen_model, chosen_stand_in, keep_chosen_model
from floe.records import Sampling
from floe.store import Store
from tests.models.catalog.tiny_model import entry_from
from tests.training.tiny import write_tiny


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    folder = tmp_path / "models"
    folder.mkdir()
    return write_tiny(folder / "first.gguf"), write_tiny(folder / "second.gguf", "qwen2", seed=1)


@pytest.fixture
def application(files: tuple[Path, Path], tmp_path: Path) -> Iterator[Application]:
    settings = Settings(
        data_dir=tmp_path, models_dir=files[0].parent, model=str(files[0]), cloud="off", threads=1
    )
    with Application.open(settings) as opened:
        yield opened


def options(tokens: int) -> TurnOptions:
    return TurnOptions(mode="local", sampling=Sampling(max_tokens=tokens))


def answer(application: Application, text: str, tokens: int = 5) -> str:
    turn = application.assistant.ask(None, text, options(tokens))
    assert turn.wait(60)
    return application.store.message(turn.message_id).status


def test_another_model_answers_after_the_running_answer(
    application: Application, files: tuple[Path, Path]
) -> None:
    first = application.assistant.model
    running = application.assistant.ask(None, "Tell me all.", options(400))
    waiting = application.assistant.ask(None, "And then?", options(5))
    with pytest.raises(ModelError, match="no file"):
        application.use_model("/there/is/no.gguf")
    application.use_model(str(files[1]))
    # Those that had been asked before were ended by the model that they were asked of.
    assert not running.running or not running.writing
    assert not waiting.writing
    assert application.assistant.model is not first
    assert application.assistant.model.name == application.assistant.model.path.stem
    assert application.assistant.model.path == files[1]
    assert answer(application, "Who are you now?") in ("length", "complete")
    assert application.settings.model == str(files[1])
    assert application.why_kept(files[1]) == "It is in use."
    with pytest.raises(ModelError, match=r"is kept\. It is in use"):
        application.delete_model(files[1])
    with pytest.raises(ModelError, match="is not in the models folder"):
        application.delete_model(Path("/etc/passwd.gguf"))
    application.delete_model(files[0])
    assert not files[0].exists()


def test_questions_that_come_during_the_change_are_answered(
    application: Application, files: tuple[Path, Path]
) -> None:
    ended: list[str] = []

    def ask_often() -> None:
        for place in range(12):
            ended.append(answer(application, f"Question {place}?"))

    asking = threading.Thread(target=ask_often)
    asking.start()
    for path in (files[1], files[0], files[1]):
        application.use_model(str(path))
    asking.join(120)
    assert len(ended) == 12
    assert set(ended) <= {"length", "complete"}


def test_a_broken_model_leaves_the_one_in_use(
    application: Application, files: tuple[Path, Path]
) -> None:
    files[1].write_bytes(files[1].read_bytes()[:5000])
    with pytest.raises(FloeError):
        application.use_model(str(files[1]))
    assert application.assistant.model.path == files[0]
    assert answer(application, "Still there?") in ("length", "complete")


def test_no_change_under_a_training(
    application: Application, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Going:
        active = True
        base_path = files[0]

    monkeypatch.setattr(application.runs, "latest", Going)
    with pytest.raises(ModelError, match="A training that is running uses this model"):
        application.use_model(str(files[1]))
    assert application.assistant.model.path == files[0]
    assert application.store.setting("model", "") == ""


def test_the_choice_is_kept_unless_the_settings_say_otherwise(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    with Store(tmp_path / "floe.db") as store:
        free, explicit = Settings(), Settings(model="smollm2-360m-instruct")
        assert chosen_model(free, store).name == free.model
        keep_chosen_model(store, str(files[0]))
        assert chosen_model(free, store) == (str(files[0]), "")
        found = chosen_model(explicit, store)
        assert found.name == "smollm2-360m-instruct"
        assert "floe.toml name smollm2-360m-instruct" in found.reason
        files[0].unlink()
        assert chosen_model(free, store).name == free.model
        assert "is not there any more" in chosen_model(free, store).reason


def test_a_kept_model_that_breaks_does_not_keep_floe_from_starting(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    with Store(tmp_path / "floe.db") as store:
        keep_chosen_model(store, str(files[1]))
    files[1].write_bytes(b"GGUF but broken")
    settings = Settings(data_dir=tmp_path, models_dir=files[0].parent, cloud="off", threads=1)
    settings = settings.model_copy(update={"model": str(files[0])})
    settings.model_fields_set.discard("model")  # as if it were Floe's own
    with Application.open(settings) as opened:
        assert opened.assistant.model.path == files[0]
        assert "which you chose, cannot be used" in opened.model_note


def test_the_stronger_stand_in_is_used_only_where_it_is_and_memory_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = entry_from(id=chosen.STRONGER_STAND_IN, memory_mb=1000)
    monkeypatch.setattr(chosen, "load_catalog", lambda: Catalog(models=(entry,)))
    settings = Settings(models_dir=tmp_path)
    rich, poor = FreeMemory(3_000_000_000, ""), FreeMemory(2_900_000_000, "")
    assert "has not been fetched" in chosen_stand_in(settings, rich).reason
    (tmp_path / "tiny.gguf").write_bytes(bytes(entry.size))
    assert chosen_stand_in(settings, rich).name == chosen.STRONGER_STAND_IN
    assert chosen_stand_in(settings, poor).name == settings.stand_in_model
    own = Settings(models_dir=tmp_path, stand_in_model="mine")
    assert chosen_stand_in(own, rich) == ("mine", "set by you")


def test_the_job_tells_what_went_wrong(application: Application) -> None:
    application.model_switch.start("no-such-model")
    assert application.model_switch.wait(60)
    assert "There is no model 'no-such-model'" in application.model_switch.problem
    assert application.model_switch.name == ""
