"""The reading for memory beside the page."""

from pathlib import Path

from floe.jobs.memory_job import MemoryJob
from floe.memory.memory import Memory
from floe.store import Store

FACT = "My sister's name is Ilvara."


def test_all_that_is_new_is_read_and_a_folder_that_has_gone_is_said(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("My car is an Octavia.")
    with Store(tmp_path / "data" / "floe.db") as store:
        store.add_message(None, None, "user", FACT)
        memory = Memory(store, folder=tmp_path / "notes")
        job = MemoryJob(memory)
        job.start()
        assert job.wait(60)
        assert (job.problem, job.running) == ("", False)
        assert memory.state().passages == 2
        assert [each.text for each in memory.recall("What car do I drive?", None).passages] == [
            "My car is an Octavia."
        ]
        (tmp_path / "notes").rename(tmp_path / "moved")
        job.start()
        assert job.wait(60)
        assert "There is no folder" in job.problem
        job.close()
        job.start()
        assert not job.running
