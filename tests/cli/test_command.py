"""The command `floe`: one front door, plain words, the promised exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from floe import __version__
from floe.adapters.registry import Adapters
from floe.cli import COMMANDS, main
from floe.config import Settings
from floe.errors import FloeError
from floe.store import Store
from tests.cli.without_gradio import WITHOUT_GRADIO
from tests.training.trained_before import SMALLEST_PLAN, set_trained_before

ROOT = Path(__file__).parents[2]


def floe(*words: str, cwd: Path = ROOT, without_gradio: bool = True) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command in a process of its own."""
    start = ["-c", WITHOUT_GRADIO] if without_gradio else ["-m", "floe"]
    done = subprocess.run(
        [sys.executable, *start, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"  {name}" in told for name in COMMANDS)


def test_an_unknown_command_is_a_usage_that_does_not_fit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["colour"]) == 2
    assert "There is no command 'colour'." in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"floe {__version__}\n"


@pytest.mark.parametrize("words", [["--nope"], ["run", "--nope=3"]])
def test_an_unknown_option_of_the_page_is_a_usage_that_does_not_fit(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    told = capsys.readouterr().err
    assert (
        told == "floe run: unrecognized arguments: --nope. `floe run --help` lists the options.\n"
    )


def test_a_search_for_nothing_and_an_undo_of_nothing_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["models", "search"])
    assert "search needs words to search for" in capsys.readouterr().err
    assert main(["import", "--undo", "99", "--data-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("There is no import 99")


def test_a_file_that_is_not_there_is_told_without_a_bar_or_a_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none = tmp_path / "none.jsonl"
    folder = ["--data-dir", str(tmp_path)]
    assert main(["import", str(none), *folder]) == 1
    assert capsys.readouterr().err.startswith(f"{none} cannot be read")
    assert main(["private", str(none), *folder]) == 1
    assert capsys.readouterr().err == f"{none} cannot be read: No such file or directory.\n"


EVERY = [*COMMANDS, "group host", "group join", "group flwr"]


@pytest.mark.slow  # some of them import what they start, such as Flower
@pytest.mark.parametrize("name", EVERY)
def test_every_command_shows_its_help_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main([*name.split(), "--help"])
    except SystemExit as end:
        status = int(end.code or 0)
    told = capsys.readouterr().out
    assert status == 0
    without_usage = told if name == "group" else told.split("\n\n", 1)[1]
    assert re.search(rf"floe {name}\b", without_usage)
    if name != "group":
        assert "--data-dir" in told
    if name not in ("group", "group flwr"):
        assert "--models-dir" in told


@pytest.mark.parametrize("command", ["adapters list --json", "group join --key", "group flwr list"])
@pytest.mark.parametrize("place", [1, 2])
def test_the_data_folder_is_named_before_or_after_a_sub_command(
    command: str, place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def load(**given: Any) -> None:
        seen.append(given["data_dir"])
        raise FloeError("seen")

    monkeypatch.setattr(Settings, "load", load)
    words = command.split()
    words[place:place] = ["--data-dir", str(tmp_path)]
    assert main(words) == 1
    assert seen == [tmp_path]


@pytest.mark.parametrize(
    "given", ["--data-dir {} host admit no.pub", "host admit no.pub --data-dir {}"]
)
def test_the_host_of_a_group_takes_it_in_both_places(
    given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOE_DATA_DIR", "")  # it is set for the processes that are started
    assert main(["group", *given.format(tmp_path).split()]) == 1
    assert "no certificates yet" in capsys.readouterr().err
    assert os.environ["FLOE_DATA_DIR"] == str(tmp_path)


def test_a_sentence_and_exit_code_1_where_a_person_can_mend_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(tmp_path / "none.jsonl"), "--data-dir", str(tmp_path)]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_chats_are_imported_from_any_folder(tmp_path: Path) -> None:
    chats = tmp_path / "chats.jsonl"
    said = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
    chats.write_text(json.dumps({"messages": said}) + "\n")
    code, told, _ = floe(
        "import", str(chats), "--data-dir", str(tmp_path / "data"), "--json", cwd=tmp_path
    )
    assert code == 0
    found = json.loads(told.splitlines()[-1])
    assert {"format": "openai", "chats": 1, "answers": 1, "left_out": []}.items() <= found.items()
    with Store(tmp_path / "data" / "floe.db") as store:
        assert [each.title for each in store.conversations()] == ["Why?"]
    undo = ["import", "--undo", str(found["import_id"]), "--data-dir", str(tmp_path / "data")]
    assert main(undo) == 0
    with Store(tmp_path / "data" / "floe.db") as store:
        assert store.conversations() == []
    assert main(undo) == 1


def test_ask_answers_without_a_page(tmp_path: Path) -> None:
    flags = ["--cloud", "off", "--mode", "local", "--max-tokens", "12", "--data-dir", str(tmp_path)]
    code, told, errors = floe("ask", "What is the capital of France?", *flags, "--json")
    assert code == 0, errors
    found = json.loads(told.splitlines()[-1])
    assert found["route"] == "local"
    assert "Paris" in found["text"]
    assert found["ending"] == "complete"
    assert found["cloud_requests"] == 0
    code, told, _ = floe("ask", "And of Spain?", *flags, "--conversation", "1")
    assert code == 0
    with Store(tmp_path / "floe.db") as store:
        path = store.open_conversation(1)
    assert [message.role for message in path] == ["user", "assistant"] * 2
    assert path[1].content == found["text"]
    assert told.strip() == path[3].content.strip()


@pytest.mark.timeout(600)
def test_train_does_what_the_button_does(tmp_path: Path) -> None:
    chats = tmp_path / "chats.jsonl"
    lines = (ROOT / "data" / "examples" / "harbour.jsonl").read_text().splitlines()
    chats.write_text("\n".join(lines[:10]))
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    with Store(data / "floe.db") as store:
        set_trained_before(store)
    limits = ["--seconds", str(SMALLEST_PLAN["deadline_s"])]
    limits += ["--memory-mb", str(SMALLEST_PLAN["memory_mb"])]
    flags = ["--data-dir", str(data), *limits, "--with-private", "--json"]
    code, told, errors = floe("train", "--chats", str(chats), *flags)
    assert code == 0, errors
    found = json.loads(told.splitlines()[-1])
    assert found["status"] == "complete"
    assert found["held_out_after"] < found["held_out_before"]
    # Whether it is worth using hangs on words that it wrote, and so on this device's arithmetic.
    with Store(data / "floe.db") as store:
        kept = [each.in_use for each in Adapters(store, data).all()]
    assert kept == ([True] if found["adopted"] else [])
    assert ("the new adapter is in use" in found["reason"]) == found["adopted"]
    # What the new adapter wrote by itself.
    assert 0 < found["ended"] <= 1
    assert 0.4 < found["distinct4"] <= 1
    assert 0 <= found["right"] <= found["asked"] == 12
    assert 0 <= found["manner"] <= 1
    # What the default model answers to public prompts came along: it was not asked.
    assert not (data / "base_answers").exists()
    with Store(data / "floe.db") as store:
        assert len(store.conversations()) == 10


def test_a_device_joins_a_group_stays_over_the_end_and_leaves(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path))

    def join(*words: str) -> tuple[int, str, str]:
        return floe("group", "join", *words, *where)

    code, key, _ = join("--key")
    assert (code, key.split()[0]) == (0, "ecdsa-sha2-nistp256")
    assert join("--key")[1] == key
    assert floe("group", "host", "prepare", "--address", "127.0.0.1", *where)[0] == 0
    certificate = str(tmp_path / "flower" / "host" / "ca.crt")
    code, _, said = join("127.0.0.1:9", certificate)
    assert (code, "Add --allow" in said) == (1, True)
    assert floe("import", str(ROOT / "data" / "examples" / "site.jsonl"), *where)[0] == 0
    words = ["127.0.0.1:9", certificate, "--allow", "--json", *where]
    member = subprocess.Popen(
        [sys.executable, "-m", "floe", "group", "join", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert member.stderr is not None
        # Nobody listens on port 9.
        assert any("cannot be reached" in line for line in member.stderr)
        member.send_signal(signal.SIGINT)
        told, _ = member.communicate(timeout=60)
    finally:
        member.terminate()
    assert json.loads(told)["status"] == "running"
    assert member.returncode == 0
    code, told, _ = join("--leave", "--json")
    assert (code, json.loads(told)["status"]) == (0, "left")
    assert "is in no group" in floe("group", "join", "--data-dir", str(tmp_path / "new"))[2]
