"""What Python sends the list of models; see `floe.ui.page_values`."""

from typing import Literal, TypeAlias, TypedDict

from floe.jobs.model_download import DownloadState

FitMark: TypeAlias = Literal["fits", "tight", "does not fit", "unknown"]


class ModelChipValue(TypedDict):
    """The model in use, or the one that is being loaded."""

    name: str
    loading: bool


class ModelRowValue(TypedDict):
    """A model of the list, or a file of a hub; `name` is what it is asked for by.

    `personal_missing`: the command without which it cannot be personalised yet, or empty.
    """

    name: str
    title: str
    role: str
    facts: str
    fit: FitMark
    memory: str
    speed: str
    personal: bool
    personal_reason: str
    personal_missing: str
    here: bool
    in_use: bool
    fetching: bool
    can_fetch: bool
    can_drop: bool
    kept_reason: str


class ModelDownloadValue(TypedDict):
    """The download that goes on or is paused; `share` from 0 to 1."""

    name: str
    state: DownloadState
    sentence: str
    share: float


class HubRepositoryValue(TypedDict):
    """A repository that a search found."""

    repo: str
    facts: str


class HubValue(TypedDict):
    """The newest question to the hub and its answer: repositories, or the files of one."""

    query: str
    sentence: str
    running: bool
    repositories: list[HubRepositoryValue]
    repo: str
    repo_facts: str
    files: list[ModelRowValue]
    left_out: list[str]


class ModelsValue(TypedDict):
    """All of the models view; `options` are [name, value, reason]."""

    in_use: str
    note: str
    switching: str
    options: list[list[str]]
    build: str
    stand_in: str
    rows: list[ModelRowValue]
    download: ModelDownloadValue | None
    hub: HubValue
