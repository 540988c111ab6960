"""Processes that are killed at any moment: nothing that was shown as kept is missing.

A few kills each; KILLS in the environment asks for more (50 in a release).
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from floe.chat.turn import TurnOptions
from floe.records import Sampling
from floe.store import Store
from tests.faults.conftest import Open
from tests.store.chats import rows
from tests.training.test_survival import Device, adopted, ended, held, usual

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("KILLS", "4"))
Until = Callable[..., None]

WRITER = """
import json, sys, time
from pathlib import Path
from floe.chat.assistant import Assistant
from floe.cloud.link import CloudLink
from floe.config import OFF, Settings
from floe.llama.runtime import LlamaModel
from floe.privacy.detector import Detector
from floe.store import Store
from floe.records import Sampling
from floe.chat.turn import KeptEvent, TurnOptions, TurnReader
settings = Settings.load(cloud=OFF, data_dir=sys.argv[1])
store = Store(settings.database)
store.recover()
model = LlamaModel(Path(sys.argv[2]), threads=1, context=1024)
assistant = Assistant(settings, store, model, CloudLink(settings), Detector())
while True:
    options = TurnOptions("local", 1.0, Sampling(max_tokens=60))
    turn = assistant.ask(None, "Tell me a long story.", options)
    reader, cursor = TurnReader(turn.message_id), 0
    while turn.running:
        events = turn.events(cursor, seconds=1)
        cursor += len(events)
        reader.receive(events)
        view = reader.view()
        if not view.unkept:  # else the page says of the end that it is not kept
            shown = [view.message_id, view.text, len(view.steps), view.status]
            print(json.dumps(shown), flush=True)
"""


def test_kill_9_at_any_moment_loses_nothing_that_was_shown_as_kept(
    tmp_path: Path, smollm_path: Path
) -> None:
    dice = random.Random()
    database = tmp_path / "floe.db"
    missing = []
    for kill in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(smollm_path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            time.sleep(dice.uniform(0, 1.5))
            process.kill()
            lines += process.stdout.read().split("\n")
        shown = {}
        for line in lines:
            with suppress(ValueError):  # the last one may be cut
                message_id, text, tokens, status = json.loads(line)
                shown[message_id] = text, tokens, status
        assert shown
        with Store(database) as store:
            interrupted = store.recover()
            assert interrupted <= 1
            for message_id, (text, tokens, status) in shown.items():
                message, steps = store.message(message_id), store.token_steps(message_id)
                whole = b"".join(step.text_bytes for step in steps).decode("utf-8", "ignore")
                if len(steps) < tokens or not message.content.startswith(text):
                    missing.append((kill, tokens, len(steps)))
                assert whole.startswith(message.content)
                assert message.status == (status if status != "streaming" else message.status)
                assert message.status != "streaming"
                assert message.stats is None or message.stats.tokens == len(steps)
        assert rows(database, "PRAGMA integrity_check") == [("ok",)]
    assert missing == []


def test_a_stand_in_killed_at_any_moment_ends_no_answer(
    tmp_path: Path, start: Open, smollm_path: Path
) -> None:
    dice = random.Random()
    assistant = start(
        tmp_path, cloud="stand-in", stand_in_model=str(smollm_path), deadline_ms=20_000.0
    )
    options = TurnOptions("fused", 0.5, Sampling(max_tokens=60))
    assistant.detector.load()
    pids = set()
    for _ in range(max(2, KILLS // 4)):
        # It is started again by the question after it has died, which need not wait for it.
        assistant.cloud._tried_at = float("-inf")
        assistant.cloud.connect()
        assert assistant.cloud.wait(60).usable
        process = assistant.cloud._stand_in
        assert process is not None
        assert process.pid is not None
        pids.add(process.pid)
        turn = assistant.ask(None, "Why is the sky blue?", options)
        assert turn.view().route.kind == "fused"
        time.sleep(dice.uniform(0, 1.0))
        os.kill(process.pid, signal.SIGKILL)
        assert turn.wait(120)
        view = turn.view()
        assert view.status in ("complete", "length")
        kept = assistant.store.message(turn.message_id)
        assert (kept.content, kept.status) == (view.text, view.status)
        assert assistant.store.token_steps(turn.message_id) == list(view.steps)
    assistant.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_trainer_killed_at_any_moment_can_go_on_and_is_finished(tmp_path: Path) -> None:
    dice = random.Random()
    device = Device(tmp_path, usual())
    try:
        runs = device.open()
        run = device.start(runs)
        kills = 0
        for _ in range(KILLS):
            assert run.pid is not None
            time.sleep(dice.uniform(0, 3.0))
            if not runs.get(run.id).active:
                break
            psutil.Process(run.pid).kill()
            kills += 1
            stopped = ended(runs, run.id)
            assert stopped.status in ("interrupted", "complete")
            if stopped.status == "complete":
                break
            assert stopped.can_resume
            run = runs.resume(run.id)
        assert kills
        run = ended(runs, run.id)
        assert run.status == "complete", run.sentence
        assert adopted(device, run)
    finally:
        device.end()


# The clock


@pytest.mark.parametrize("jump", [-365 * 86_400.0, 365 * 86_400.0])
def test_a_clock_that_jumps_by_a_year_changes_no_order_and_no_budget(
    tmp_path: Path, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    from floe.records import AnswerStats
    from floe.store.day_requests import add_request, requests_today
    from floe.ui.chat.conversations import age
    from floe.units import format_time_ago

    shift = [0.0]
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + shift[0])

    def ask(conversation: int, requests: int) -> None:
        leaf = store.conversation(conversation).leaf_id
        question = store.add_message(conversation, leaf, "user", "why?")
        answer = store.add_message(
            conversation, question.id, "assistant", "because", status="streaming"
        )
        store.finish_answer(
            answer.id,
            content="because",
            status="complete",
            stats=AnswerStats(cloud_requests=requests),
            notices=(),
        )

    def budget() -> int:
        return requests_today(store)

    with Store(tmp_path / "floe.db") as store:
        first, second = store.create_conversation("a").id, store.create_conversation("b").id
        ask(first, 3)
        add_request(store)
        assert budget() == 4
        shift[0] = jump
        assert budget() == 0  # another day, before or after
        ask(second, 5)
        assert budget() == 5
        ask(first, 1)
        assert [each.id for each in store.conversations()] == [first, second]
        messages = store.open_conversation(first)
        assert [message.role for message in messages] == ["user", "assistant"] * 2
        assert [message.id for message in messages] == sorted(message.id for message in messages)
        shift[0] = 0.0
        ask(second, 2)
        assert [each.id for each in store.conversations()] == [second, first]
        assert budget() == 4 + 2
        for conversation in store.conversations():
            assert age(conversation, time.time())
        assert format_time_ago(time.time() + 365 * 86_400, time.time()) == "just now"


def test_an_answer_in_mid_clock_jump_ends_with_sound_figures(
    tmp_path: Path, start: Open, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift = [0.0]
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + shift[0])
    assistant = start(tmp_path)
    turn = assistant.ask(None, "Name rivers.", TurnOptions("local", 1.0, Sampling(max_tokens=40)))
    until(lambda: len(turn.view().steps) > 3)
    shift[0] = -365 * 86_400.0
    until(lambda: len(turn.view().steps) > 12)
    shift[0] = 365 * 86_400.0
    assert turn.wait(120)
    view = turn.view()
    assert 0 < view.stats.seconds < 120
    assert all(a.at_ms <= b.at_ms for a, b in zip(view.steps, view.steps[1:], strict=False))
    assert assistant.store.message(turn.message_id).content == view.text


# Memory


def test_a_memory_limit_while_loading_is_a_sentence_and_no_crash(tmp_path: Path) -> None:
    start = [sys.executable, "app.py", "--cloud", "off", "--no-browser", "--port", "0"]
    start += ["--data-dir", str(tmp_path / "data")]
    for limit_mb in (350, 450, 560, 620, 700):
        result = subprocess.run(
            ["sh", "-c", f'ulimit -v {limit_mb * 1000} && exec "$@"', "sh", *start],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=120,
            check=False,
        )
        assert result.returncode == 1, (limit_mb, result.stderr[-500:])
        assert "Traceback" not in result.stderr
        assert "Floe cannot start." in result.stderr
        assert "memory" in result.stderr
        assert "choose a smaller model" in result.stderr


def test_a_container_counts_as_a_limit(tmp_path: Path) -> None:
    from floe.llama.free_memory import free_memory

    assert free_memory(tmp_path).limit == ""
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert free_memory(tmp_path).limit == ""
    (tmp_path / "memory.max").write_text("5000\n")
    assert free_memory(tmp_path) == (4000, "the memory limit of its container")
    (tmp_path / "memory.max").write_text("500\n")
    assert free_memory(tmp_path).bytes == 0


def test_a_memory_limit_while_training_is_a_sentence_and_the_run_can_go_on(tmp_path: Path) -> None:
    device = Device(tmp_path, usual())
    try:
        runs = device.open()
        run = device.start(runs)
        process = held(run)
        used = process.memory_info().vms
        process.rlimit(psutil.RLIMIT_AS, (used, used))
        process.resume()
        stopped = ended(runs, run.id)
        # What was mapped before may suffice; where it does not, the run says so.
        if stopped.status != "complete":
            assert "memory" in stopped.sentence
            assert stopped.can_resume
            stopped = ended(runs, runs.resume(run.id).id)
        assert stopped.status == "complete", stopped.sentence
        assert adopted(device, stopped)
    finally:
        device.end()
