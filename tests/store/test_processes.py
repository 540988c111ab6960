"""Other threads, other processes, kill -9: whole transactions or none."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from floe.store import Store, schema
from tests.store.chats import STEP, chat, rows, streaming

REPOSITORY = Path(__file__).parents[2]


WRITER = """
import sys
import time
from pathlib import Path
from floe.records import TokenStep
from floe.store import Store

store = Store(Path(sys.argv[1]))
conversation = store.create_conversation("killed")
answer = store.add_message(conversation.id, None, "assistant", "", status="streaming")
print(answer.id, flush=True)
text = b""
for number in range(10_000):
    steps = [TokenStep(number, f"{number}.{part} ".encode(), None, None, 1.0, 1.0, "local", 0.0)
             for part in range(10)]
    text += b"".join(step.text_bytes for step in steps)
    store.append_tokens(answer.id, steps, text.decode())
    print(number, flush=True)
    time.sleep(float(sys.argv[2]))
"""

READER = """
import sys
from pathlib import Path
from floe.store import Store

with Store(Path(sys.argv[1])) as store:
    seen = 0
    while (count := len(store.token_steps(int(sys.argv[2])))) < int(sys.argv[3]):
        assert count % 7 == 0 and count >= seen, (seen, count)
        seen = count
    print(store.message(int(sys.argv[2])).content == "x" * count)
"""


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("pause", [0.05, 0.0])
def test_kill_9_in_mid_answer_loses_nothing_that_was_acknowledged(path: Path, pause: float) -> None:
    with child(WRITER, path, pause) as process:
        assert process.stdout is not None
        answer_id = int(process.stdout.readline())
        for _ in range(12):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
    assert process.returncode == -signal.SIGKILL
    acknowledged = 10 * (1 + max([11, *map(int, rest.split())]))

    with Store(path) as store:
        steps = store.token_steps(answer_id)
        assert acknowledged <= len(steps) <= acknowledged + 10
        assert len(steps) % 10 == 0
        assert [step.token_id for step in steps] == [place // 10 for place in range(len(steps))]
        assert store.recover() == 1
        message = store.message(answer_id)
        assert message.status == "interrupted"
        assert message.content.encode() == b"".join(step.text_bytes for step in steps)
        assert store.open_conversation(message.conversation_id) == [message]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_readers_in_threads_and_in_another_process_see_whole_transactions(
    store: Store, path: Path
) -> None:
    answer = streaming(store)
    batches = 150
    written = threading.Event()

    def read() -> list[int]:
        counts = []
        while not written.is_set():
            counts.append(len(store.token_steps(answer.id)))
            assert store.search("why")[-1].message_id == answer.parent_id
            assert store.open_conversation(answer.conversation_id)[-1].id == answer.id
        return counts

    with child(READER, path, answer.id, 7 * batches) as process, ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for number in range(1, batches + 1):
                store.append_tokens(answer.id, [STEP] * 7, "x" * 7 * number)
        finally:
            written.set()
        output, errors = process.communicate()
    assert (output, errors) == ("True\n", "")
    for reader in readers:
        counts = reader.result()
        assert counts == sorted(counts)
        assert all(count % 7 == 0 for count in counts)


def test_all_reads_of_a_call_see_the_same_moment(store: Store, path: Path) -> None:
    chat(store, "before")
    with store.reading() as db, Store(path) as other:
        assert db["messages"].count == 1
        chat(other, "meanwhile")
        assert db["messages"].count == 1
    assert len(store.conversations()) == 2


def test_threads_of_one_process_write_in_turn(store: Store) -> None:
    conversation = store.create_conversation("t")

    def write(number: int) -> int:
        return store.add_message(conversation.id, None, "user", f"number {number}").id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(write, range(200)))
    assert len(ids) == 200
    assert set(store.message(min(ids)).siblings) == ids


NEWCOMER = """
import sys
from pathlib import Path
from floe.records import TokenStep
from floe.store import Store

print("ready", flush=True)
sys.stdin.readline()
with Store(Path(sys.argv[1])) as store:
    for number in range(30):
        conversation = store.create_conversation()
        question = store.add_message(conversation.id, None, "user", f"{sys.argv[2]} {number}")
        step = TokenStep(number, b"", None, None, 1.0, 1.0, "local", 0.0)
        store.append_tokens(question.id, [step], question.content)
"""


def test_processes_that_start_together_share_a_new_database(path: Path) -> None:
    newcomers = [child(NEWCOMER, path, number) for number in range(4)]
    for newcomer in newcomers:
        assert newcomer.stdout is not None
        assert newcomer.stdout.readline() == "ready\n"
    for newcomer in newcomers:
        assert newcomer.stdin is not None
        newcomer.stdin.write("\n")
        newcomer.stdin.flush()
    assert [newcomer.communicate() for newcomer in newcomers] == [("", "")] * 4
    with Store(path) as store:
        assert {each.title for each in store.conversations()} == {
            f"{number} {place}" for number in range(4) for place in range(30)
        }


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_of_two_that_start_together_one_makes_the_tables(path: Path, journal: str) -> None:
    path.parent.mkdir()
    with schema.connect(path) as first:
        first.execute(f"PRAGMA journal_mode = {journal}")
        first.execute("BEGIN IMMEDIATE")
        schema.MIGRATIONS.apply(first)
        commit = threading.Timer(0.3, first.commit)
        commit.start()
        with Store(path) as store:
            assert store.conversations() == []
        commit.join()
