"""Handlers of the page for all data at once: back up, encrypt, delete.

What needs the data closed is only asked for here; `floe.data_folder.maintenance` does it.
"""

import gradio as gr

from floe.config import Settings
from floe.data_folder import encryption_switch, erasure
from floe.data_folder.maintenance import Maintenance
from floe.errors import EncryptionError, StoreError
from floe.store import backup, data_lock, encryption
from floe.store.backup import BackupSchedule
from floe.ui.page_events import BackupAsked, EncryptionAsked, ViewAsked, read_asked
from floe.ui.page_values import OwnDataValue
from floe.ui.settings.settings_panel import SettingsParts
from floe.ui.show_errors import Changes, numbered, show_errors

_CLOSING = "Floe closes its files for this and comes back by itself."


class DataActions:
    """All handlers of the sheets with all data."""

    def __init__(
        self,
        settings: Settings,
        parts: SettingsParts,
        maintenance: Maintenance,
        backups: BackupSchedule,
    ) -> None:
        self._data_dir = settings.data_dir
        self._maintenance = maintenance
        self._backups = backups
        self.parts = parts

    @show_errors
    def on_view_opened(self, event: gr.EventData) -> Changes:
        """Refresh if the view that was opened is this one."""
        if read_asked(event, ViewAsked).view != "settings":
            return {self.parts.own_data: gr.skip()}  # no value at all is an error of gradio
        return self._read()

    @show_errors
    def backup(self) -> Changes:
        """Make a backup now."""
        made = backup.create_backup(self._data_dir)
        return self._shown(f"The backup is {made.resolve()}")

    @show_errors
    def restore(self, event: gr.EventData) -> Changes:
        """Ask for a backup to take the place of the data."""
        name = read_asked(event, BackupAsked).name
        found = next((b for b in backup.list_backups(self._data_dir) if b.path.name == name), None)
        if found is None:
            raise StoreError("This backup has been deleted meanwhile. Choose another one.")
        data_lock.refuse_training(self._data_dir)
        self._maintenance.ask_to_restore(found.path)
        return self._closing()

    @show_errors
    def drop(self) -> Changes:
        """Delete all backups."""
        count = backup.delete_backups(self._data_dir)
        return self._shown(f"{count} backups have been deleted.")

    @show_errors
    def encrypt(self, event: gr.EventData) -> Changes:
        """Ask for everything to be encrypted."""
        asked = read_asked(event, EncryptionAsked)
        if asked.kind == "passphrase" and asked.passphrase != asked.again:
            raise EncryptionError("The two passphrases differ. Type them again.")
        encryption_switch.check_switch(self._data_dir, asked.kind, asked.passphrase)
        self._maintenance.ask_to_encrypt(asked.kind, asked.passphrase)
        return self._closing()

    @show_errors
    def decrypt(self) -> Changes:
        """Ask for everything to be decrypted."""
        data_lock.refuse_training(self._data_dir)
        self._maintenance.ask_to_decrypt()
        return self._closing()

    @show_errors
    def erase(self) -> Changes:
        """Ask for everything to be deleted."""
        self._maintenance.ask_to_erase()
        return self._closing()

    def _shown(self, sentence: str) -> Changes:
        return {**self._read(sentence), self.parts.notice: ""}

    @numbered
    def _read(self, sentence: str = "") -> Changes:
        return {self.parts.own_data: self._value(sentence)}

    @numbered
    def _closing(self) -> Changes:
        value = self._value(_CLOSING)
        value["closing"] = True
        return {self.parts.own_data: value, self.parts.notice: ""}

    def _value(self, sentence: str = "") -> OwnDataValue:
        kept = backup.list_backups(self._data_dir)
        header = encryption.read_header(self._data_dir)
        return {
            "folder": str(self._data_dir.resolve()),
            "backups": [
                {"name": b.path.name, "at": b.made_at, "kind": b.kind, "size": b.size} for b in kept
            ],
            "problem": self._backups.problem,
            "encryption": header.kind if header else "off",
            "missing": "" if encryption.sqlcipher else encryption.NO_SQLCIPHER,
            "protects": f"{encryption_switch.PROTECTS} {encryption_switch.PROTECTS_NOT}",
            "lost": encryption_switch.LOST,
            "question": erasure.QUESTION,
            "sentence": sentence or self._maintenance.sentence,
            "closing": False,
        }
