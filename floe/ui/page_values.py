"""What Python sends the page: the records that its scripts draw.

Their TypeScript declarations, `records.d.ts`, are made from these classes, and the scripts are
checked against them. A thread's rows and frames are declared in `chat.thread`.
"""

from typing import Literal, NotRequired, TypeAlias, TypedDict

from floe.memory.passages import SourceKind
from floe.privacy.choices import Policy
from floe.privacy.sent import Purpose
from floe.records import Source
from floe.store.encryption import EncryptionKind
from floe.training.data.dataset import Split
from floe.training.run_table import RunStatus

StatusMark: TypeAlias = Literal["good", "limited", "impossible"]


class FigureValue(TypedDict):
    """A figure with its name; `hint` is shown where one points at it, and may be empty."""

    name: str
    value: str
    hint: str


class ChipValue(TypedDict):
    """Decision about a question; `spans`: start, end and kind of what decided it.

    `unsure`: it stays here only perhaps rightly, and the person is asked.
    """

    kept: bool
    reason: str
    spans: tuple[tuple[int, int, str], ...]
    unsure: bool


class AttachmentValue(TypedDict):
    """A file in a message: characters `start` to `end`; `note`: its size, and where it is read."""

    name: str
    start: int
    end: int
    note: str


class WaitingFileValue(TypedDict):
    """A file that waits to be sent."""

    id: int
    name: str
    note: str


class WaitingFilesValue(TypedDict):
    """The files that go with the next message; `problem`: why the last one does not.

    `serial` counts what has been handled; `read` is the page's own number of the last file that it
    handed over and that has been read, so that it reads one after the other.
    """

    serial: int
    read: int
    files: list[WaitingFileValue]
    problem: str


class SavedDraftValue(TypedDict):
    """The number of the last draft that the store has, or that is none any more."""

    number: int


class ContextValue(TypedDict):
    """How much of what the model reads at once the chat takes; `used` None: nobody has counted."""

    used: int | None
    size: int
    cut: bool
    sentence: str


AlternativeValue: TypeAlias = tuple[str, float | None, float | None, float | None]
"""(text, p_local, p_cloud, p_fused)."""
TokenValue: TypeAlias = tuple[
    str,
    int,
    str,
    Source,
    float,
    float | None,
    float | None,
    float | None,
    int,
    list[AlternativeValue],
]
"""See `chat.tokens.token_rows`."""


class TokenPage(TypedDict):
    """Rows of an answer's tokens that the browser lacked; `live`: more will come."""

    rows: list[TokenValue]
    live: bool


class SamplingValue(TypedDict):
    """Settings of sampling that hold now; `chosen`: names of those that the person set."""

    temperature: float
    max_tokens: int
    top_p: float
    top_k: int
    min_p: float
    repeat_penalty: float
    dry_multiplier: float
    seed: int | None
    stop: list[str]
    chosen: list[str]


class PresetValue(TypedDict):
    """A text under a name; `own`: the person has written it."""

    name: str
    text: str
    own: bool


class AdvancedValue(TypedDict):
    """What holds in all chats and in the one in view; `reason`: why what nobody chose is so.

    `system`: what the models are told in this chat before it begins, empty: `general_system`.
    """

    general: SamplingValue
    chat: SamplingValue
    system: str
    general_system: str
    presets: list[PresetValue]
    reason: str


class ConversationValue(TypedDict):
    """A line of the conversation list; `when` is the heading that it stands under."""

    id: int
    title: str
    when: str
    running: bool
    pinned: bool
    archived: bool
    folder: str


class ConversationListValue(TypedDict):
    """The newest conversations, and the one in view; `more`: so many older ones are not in it.

    `version` is another number once one of those has changed.
    """

    open: int | None
    rows: list[ConversationValue]
    more: int
    version: int


class SearchHitValue(TypedDict):
    """A chat where searched words occur: in these messages, the best first, or the title alone."""

    id: int
    messages: list[int]
    title: str
    snippet: str


class SearchValue(TypedDict):
    """The best of the chats that were found; `more`: there are others."""

    hits: list[SearchHitValue]
    more: bool


class UndoValue(TypedDict):
    """The last deletion, which can be taken back; `number` 0: there is none."""

    number: int
    sentence: str


class ConsentValue(TypedDict):
    """Uses that are allowed for chats in general; None: not answered yet."""

    train: bool | None
    federate: bool | None


class AboutValue(TypedDict):
    """The line above the chat; None in `train` and `federate`: as in general."""

    conversation: int | None
    title: str
    local_only: bool
    train: bool | None
    federate: bool | None
    general: ConsentValue


CloudKind: TypeAlias = Literal["off", "stand-in", "cloud"]
"""Which cloud is chosen: none, a model on this device in its place, or one."""


class CloudValue(TypedDict):
    """State of the cloud, and which is chosen."""

    sentence: str
    usable: bool
    kind: CloudKind


class AutoWeightValue(TypedDict):
    """Whether the weight is set automatically, and why it stands where it does."""

    on: bool
    reason: str


class HintValue(TypedDict):
    """Facts on a known endpoint; `link` is the page where a key is got, or empty."""

    note: str
    link: str


class EndpointTestValue(TypedDict):
    """A test of an endpoint: its steps while it runs, then what it found."""

    title: str
    running: bool
    lines: list[str]
    findings: list[tuple[StatusMark, str]]


class CloudInUseValue(TypedDict):
    """The cloud that answers now, and what its test found."""

    sentence: str
    usable: bool
    tested: str
    findings: list[tuple[StatusMark, str]]
    lasts: str


class PrivacyRulesValue(TypedDict):
    """The choices of the privacy view and the state of the detector.

    `lessons`, `confirmations`: unsure messages that were called not private, or private.
    """

    policy: Policy
    own_words: str
    about_me: str
    personal_context: str
    detector: str
    treatments: dict[str, Literal["keep", "pseudonym", "allow"]]
    lessons: int
    confirmations: int


class MemoryValue(TypedDict):
    """Earlier words of the person: whether they are used, and what there is of them."""

    on: bool
    notes: str
    folder: str
    sentence: str
    problems: list[str]


class MemoryUseValue(TypedDict):
    """A passage that was read for an answer; `at` in seconds since 1970."""

    id: int
    kind: SourceKind
    source: str
    text: str
    at: float


class SentClearedValue(TypedDict):
    """The log of what was sent has changed: how many entries and bytes are left."""

    cleared: tuple[int, int]


class SentRequestValue(TypedDict):
    """A request that was sent: `at` in seconds since 1970, `size` in bytes.

    `words`: the beginning of the question in it, and the end of an answer that it goes on with.
    """

    id: int
    at: float
    endpoint: str
    model: str
    purpose: Purpose
    size: int
    words: str


class SentPage(TypedDict):
    """Some of the requests that were `found`; `size` is that of all of them, in bytes."""

    found: int
    size: int
    rows: list[SentRequestValue]


class ApiValue(TypedDict):
    """The endpoint for other programs; an empty `address`: it is off."""

    address: str


class LicencesValue(TypedDict):
    """Versions: of Floe, Python, llama.cpp in a sentence; packages as [name, version, licence]."""

    version: str
    python: str
    build: str
    packages: list[tuple[str, str, str]]


class FirstRunValue(TypedDict):
    """Whether the first steps are shown, and how the cloud is doing."""

    show: bool
    cloud: str


class BackupValue(TypedDict):
    """A backup; `at` in seconds since 1970, `size` in bytes."""

    name: str
    at: float
    kind: str
    size: int


class OwnDataValue(TypedDict):
    """Where the data are, backups and encryption; `closing`: the app will restart."""

    folder: str
    backups: list[BackupValue]
    problem: str
    encryption: EncryptionKind | Literal["off"]
    missing: str
    protects: str
    lost: str
    question: str
    sentence: str
    closing: bool


class LearningChatValue(TypedDict):
    """A conversation that may be learnt from."""

    id: int
    title: str
    chosen: bool
    facts: str


class ImportValue(TypedDict):
    """A file that brought chats; `can_swap`: who asks in it and who answers was a guess."""

    id: int
    title: str
    sentence: str
    can_swap: bool


class ExampleValue(TypedDict):
    """An invented person; `added`: the import of their chats; `used`: more was written in them."""

    file: str
    name: str
    title: str
    manner: str
    added: int | None
    used: bool


class LearningValue(TypedDict):
    """Chats that are learnt from; `examples`: invented people who can be tried out."""

    consent: bool | None
    sentence: str
    with_private: bool
    private: str
    without: tuple[int, ...]
    chats: list[LearningChatValue]
    imports: list[ImportValue]
    examples: list[ExampleValue]


class LearningAnswerValue(TypedDict):
    """An answer that may be learnt from; `by_hand`: the person left it out."""

    message: int
    question: str
    answer: str
    left_out: str
    by_hand: bool
    split: Split
    weight: float
    rewritten: bool


PlanValue = TypedDict(
    "PlanValue",
    {
        "memory_mb": int | None,
        "deadline_s": int | None,
        "afresh": bool,
        "can_go_on": bool,
        "from": str,
        "words": str,
        "reason": str,
        "ready": bool,
        "asks": bool,
    },
)
"""Limits of a plan and what came of them; `from` is the adapter that a run goes on from.

`words`: the plan in plain words, or why there is none; `reason`: its figures, empty without a plan;
`asks`: the person has not allowed learning, and nothing else is in the way.
"""


class SeriesValue(TypedDict):
    """A curve: points (x, y), x growing; `dots`: each point is marked; `side`: whose it is."""

    name: str
    points: list[list[float]]
    dots: bool
    side: NotRequired[Literal["local", "both", "cloud"]]


class PlotValue(TypedDict):
    """A figure of past answers: its name, its unit, a curve for each way of answering."""

    name: str
    unit: str
    series: list[SeriesValue]


class PastFiguresValue(TypedDict):
    """The newest answers in figures; `requests` as [endpoint, model, requests, bytes]."""

    answers: int
    plots: list[PlotValue]
    requests: list[tuple[str, str, int, int]]


class SampleValue(TypedDict):
    """A question, the person's own answer, and the model's without and with the new adapter.

    `own` is empty, and `note` says which model answers in the chat, where the person asked both.
    """

    question: str
    own: str
    before: str
    after: str
    note: str


class NoRunValue(TypedDict):
    """Before the first training run."""

    status: Literal[""]


TrialLineValue: TypeAlias = tuple[str, str, str]
"""(what was measured, of the model before, with the new adapter)."""


class RunValue(TypedDict):
    """A training run; `progress` in [0, 1], None: not known.

    `verdict`: what came of it in a few words, empty before it has ended; then `sentence` says it in
    plain words, and `measured` with figures. `trial`: what both models wrote when it was tried out,
    line by line; empty if it was not. `can_ask`: both models can be asked a question; `asked`: what
    both said to the last one.
    """

    status: RunStatus
    running: bool
    can_resume: bool
    stopping: bool
    verdict: str
    good: bool
    sentence: str
    measured: str
    progress: float | None
    left: str
    figures: list[FigureValue]
    series: list[SeriesValue]
    trial: list[TrialLineValue]
    samples: list[SampleValue]
    can_ask: bool
    asked: SampleValue | None


class OwnWeightValue(TypedDict):
    """Whether the cloud is asked about answers kept aside, and what came of it."""

    on: bool
    running: bool
    can_fit: bool
    reason: str


class AdapterValue(TypedDict):
    """An adapter; `fits`: it was made for this base model."""

    id: int
    name: str
    in_use: bool
    fits: bool
    scale: float
    largest_scale: float
    facts: str


class AdapterListValue(TypedDict):
    """All adapters."""

    rows: list[AdapterValue]


class GroupValue(TypedDict):
    """The group of this device; `certificate`: one was chosen before."""

    consent: bool | None
    running: bool
    sentence: str
    address: str
    certificate: bool
    public_key: str
    limits: str


class SimulationValue(TypedDict):
    """Whether a group is being simulated."""

    running: bool


class PositionValue(TypedDict):
    """Position of a device on the map of a round; `group` is the number of its cluster."""

    x: float
    y: float
    name: str
    cluster: str
    group: int


class RoundsValue(TypedDict):
    """The rounds of a group or a simulation; without a sentence there are none."""

    title: str
    running: bool
    sentence: str
    figures: list[FigureValue]
    promise: str
    series: list[SeriesValue]
    positions: list[PositionValue]
    columns: list[str]
    rounds: list[list[str]]


class ExpertValue(TypedDict):
    """An adapter that came from a group; `samples` are prompts that are led to it."""

    id: int
    name: str
    in_use: bool
    facts: str
    samples: list[str]


class ExpertListValue(TypedDict):
    """All experts."""

    rows: list[ExpertValue]
