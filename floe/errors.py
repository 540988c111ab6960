"""Errors whose text is fit to show to a person: one clear sentence and a way out.

Anything that is not a `FloeError` is a bug and surfaces with its trace.
"""

from typing import Literal


class FloeError(Exception):
    """Something the user can cause, meet or mend; its text is shown as it stands."""


class UsageError(FloeError):
    """A command line holds what no command knows."""


class ModelError(FloeError):
    """A model file is missing, broken, not a GGUF, or does not fit this device."""


class FetchError(FloeError):
    """A model could not be fetched; what has arrived is kept for the next try."""


class CloudError(FloeError):
    """The cloud could not be reached, refused, or broke off; the local model goes on.

    `retry_after`: seconds that the cloud asked to be left alone; None if it did not.
    """

    retry_after: float | None = None


class PromptError(FloeError):
    """The prompt is empty or cannot be made to fit the model's context."""


StoreFailure = Literal["full", "locked", "read-only", "unreadable", "deleted", "other"]
"""Why the database refused: no room; another program holds it; it may not be written; the disk
failed; what was to be written to has been deleted; anything else."""


class StoreError(FloeError):
    """The database cannot be opened or written.

    `failure`: the kind of reason, for those who try again.
    """

    def __init__(self, sentence: str, failure: StoreFailure = "other") -> None:
        super().__init__(sentence)
        self.failure: StoreFailure = failure


class DataFolderInUseError(StoreError):
    """Another Floe has the data folder."""


class EncryptionError(StoreError):
    """Encrypted data cannot be read: the key is missing, or it is not the right one."""


class DataError(FloeError):
    """A file of chats cannot be read or written, or there is too little to learn from."""


class PrivacyError(FloeError):
    """The privacy check does not work at the moment, so nothing may leave."""


class SlowCheckError(PrivacyError):
    """The privacy check took too long; it may not the next time."""


class FederationError(FloeError):
    """A group cannot be joined, a round cannot be finished, or an update cannot be used."""


class TrainingError(FloeError):
    """A training run cannot start or go on, or what it made cannot be used here."""


class PageError(FloeError):
    """The page sent what does not fit; nothing has been changed."""

    def __init__(self) -> None:
        super().__init__(
            "The page sent something that Floe cannot use, and nothing was changed. Reload the "
            "page and try again."
        )
