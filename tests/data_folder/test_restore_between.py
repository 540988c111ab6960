"""A restore that the page asks for: done between two sessions, with the lock held."""

from pathlib import Path

from floe.data_folder.maintenance import Maintenance
from floe.store import Store
from floe.store.backup import create_backup
from floe.store.data_lock import DataLock


def test_a_backup_takes_the_place_of_the_data_while_the_app_has_the_folder(tmp_path: Path) -> None:
    with DataLock(tmp_path).acquire():
        with Store(tmp_path / "floe.db") as store:
            store.create_conversation("Kept")
            made = create_backup(tmp_path)
            store.create_conversation("Made afterwards")
        maintenance = Maintenance(tmp_path, lambda: None)
        maintenance.ask_to_restore(made)
        assert maintenance.run()
        assert "those of the backup now" in maintenance.sentence
        with Store(tmp_path / "floe.db") as store:
            assert [each.title for each in store.conversations()] == ["Kept"]
        maintenance.ask_to_restore(tmp_path / "none.zip")
        assert maintenance.run()
        with Store(tmp_path / "floe.db") as store:
            assert [each.title for each in store.conversations()] == ["Kept"]
