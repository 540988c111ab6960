"""The question to a model hub that is on its way: a search, or the files of a repository."""

from floe.jobs.background import BackgroundJob
from floe.models.catalog import ModelFile
from floe.models.hub import (
    HubAddress,
    HubListing,
    HubRepository,
    list_hub_files,
    parse_hub_address,
    search_hub,
)
from floe.store.text import one_line


class HubSearchJob:
    """The newest question and its answer: repositories, or what one of them has.

    Attributes:
        query: the words or the repository that was asked for.
        repositories: what a search found.
        listing: the files of a repository; None: none was asked for.
    """

    def __init__(self) -> None:
        self._job = BackgroundJob("hub search")
        self._clear("")

    @property
    def running(self) -> bool:
        """True while the answer is waited for."""
        return self._job.running

    @property
    def sentence(self) -> str:
        """State of the search, for a person; empty if nothing was asked."""
        if self._job.running:
            return f"Asking the hub about {self.query}."
        if self._job.problem:
            return self._job.problem
        if self.query and self.listing is None and not self.repositories:
            return f"The hub has no GGUF repository for {self.query!r}."
        return ""

    def start(self, text: str) -> None:
        """Search for words, or list the repository of an address; returns at once.

        While an answer is on its way, nothing new is asked.

        Raises:
            FetchError: it is the address of something else.
        """
        address = parse_hub_address(text)
        query = one_line(text.strip())[:200]
        if not query or self._job.running:
            return
        self._clear(query)
        self._job.start(lambda: self._ask(query, address))

    def file(self, file_id: str) -> ModelFile | None:
        """Return the file of the repository that is shown by its id."""
        files = self.listing.files if self.listing is not None else ()
        return next((file for file in files if file.id == file_id), None)

    def wait(self, seconds: float) -> bool:
        """Sleep until it has ended, at most `seconds`; whether it has."""
        return self._job.wait(seconds)

    def close(self) -> None:
        """Wait for what goes on, and ask nothing more."""
        self._job.close()

    def _clear(self, query: str) -> None:
        self.query = query
        self.repositories: list[HubRepository] = []
        self.listing: HubListing | None = None

    def _ask(self, query: str, address: HubAddress | None) -> None:
        if address is not None:
            self.listing = list_hub_files(address)
        else:
            self.repositories = search_hub(query)
