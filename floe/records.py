"""Small frozen records shared by the decoder, the store, the page and the tests.

They hold values only and know nothing of llama.cpp, HTTP, SQLite or gradio.
"""

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, get_args

Mode = Literal["local", "fused", "cloud"]
"""Who may answer: this device alone, both, or the cloud alone."""

Source = Literal["local", "fused", "cloud", "late", "offline"]
"""Who carried a token: the local model by choice; both; the cloud alone; the local
model because the cloud missed the deadline; the local model because the cloud failed."""

PoolingRule = Literal["log-linear", "linear"]
"""How the two distributions are pooled."""

PromptKind = Literal["own", "general", "calculation", "code"]
"""What a question is about, seen from this device: `own` is what the person taught it."""

PROMPT_KINDS: Final[tuple[PromptKind, ...]] = get_args(PromptKind)

Role = Literal["system", "user", "assistant"]

Status = Literal["streaming", "complete", "length", "stopped", "interrupted", "failed"]
"""`length`: the token limit was reached; `interrupted`: the program ended in mid-answer."""

UNFINISHED: Final[frozenset[Status]] = frozenset(("length", "stopped", "interrupted", "failed"))
"""How an answer ends that can be continued."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Settings of sampling; what stands here punishes nothing and cuts nothing off.

    They act in this order: the penalties, `temperature` (0 is greedy), `top_k` (0: all tokens),
    `top_p` in (0, 1], `min_p` in [0, 1] (share of the best). The penalties are llama.cpp's, over
    the answer alone: `repeat_penalty` (1: off), `frequency_penalty` and `presence_penalty` (0:
    off) look at its last `penalty_last_n` tokens (-1: all, 0: none); DRY lowers what would go on
    with a passage of `dry_allowed_length` tokens or more that stands in its last `dry_range`
    tokens by `dry_multiplier` (0: off) x `dry_base`^(length - `dry_allowed_length`); no passage
    goes across one of `dry_breakers`. The answer ends before the first of `stop`, and after
    `max_tokens`.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int | None = None
    top_k: int = 0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    penalty_last_n: int = 64
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_range: int = -1
    dry_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the cloud's proposals for a position.

    `text_bytes` are exact (a piece of a UTF-8 character is possible); `logprob` is a natural
    logarithm; `end` marks an end-of-text token, whose bytes are empty; `restored`: words that
    this device has put in the place of a placeholder, no token of the cloud; `begun`: the rest
    of a token whose beginning stands before this position already.
    """

    text_bytes: bytes
    logprob: float
    end: bool = False
    restored: bool = False
    begun: bool = False


@dataclass(frozen=True, slots=True)
class CloudToken:
    """One row of the cloud's stream: the token it chose and its candidates, chosen included.

    `restored`: as of the candidate that it chose.
    """

    text_bytes: bytes
    candidates: tuple[Candidate, ...]
    end: bool = False
    restored: bool = False


class Alternative(NamedTuple):
    """A token that could have been picked. Probabilities in [0, 1]; None: not known.

    Five are made for every token, and a frozen data class takes four times as long.
    """

    text_bytes: bytes
    p_local: float | None
    p_cloud: float | None
    p_fused: float


@dataclass(frozen=True, slots=True)
class TokenStep:
    """One emitted token.

    `token_id` is the local model's (-1 where the text came from the cloud alone). `weight` is
    the local weight in force for this token (1 where the cloud had no part). Probabilities in
    [0, 1]; None: that side was not asked. `at_ms`: milliseconds since the turn began.
    """

    token_id: int
    text_bytes: bytes
    p_local: float | None
    p_cloud: float | None
    p_fused: float
    weight: float
    source: Source
    at_ms: float
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """A decision on a turn, and its reason. `spans`: what decided it, as (start, end, kind).

    `unsure`: it stays here only perhaps rightly, and the person may say otherwise.
    """

    kind: Mode
    reason: str
    spans: tuple[tuple[int, int, str], ...] = ()
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message as a chat template and the OpenAI protocol know it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class AnswerStats:
    """The cost of an answer. Times in milliseconds, counts in the unit named.

    `adapters`: which of them acted and why, in words; empty if none was switched on. `memory`:
    passages of the person's earlier words that the local model read. `local_alone`, `cloud_alone`:
    tokens a second that this device writes in single steps, and those of the cloud's own streams,
    as both were in this answer; 0: not seen. `weighed`: the weight that the kind of question was
    given, in words; empty where it was not the automatic one. `column`: the heading that it had
    where several answers were asked for side by side; empty for any other.
    """

    tokens: int = 0
    seconds: float = 0.0
    first_token_ms: float | None = None
    cloud_tokens: int = 0
    cloud_requests: int = 0
    prompt_tokens: int = 0
    dropped_messages: int = 0
    cloud_prompt_tokens: int = 0
    cloud_completion_tokens: int = 0
    adapters: str = ""
    memory: int = 0
    local_alone: float = 0.0
    cloud_alone: float = 0.0
    weighed: str = ""
    column: str = ""

    @property
    def tokens_per_second(self) -> float:
        """Emitted tokens over the whole turn, prompt included; 0 before the first."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0

    @property
    def cloud_share(self) -> float:
        """Share of tokens the cloud took part in, in [0, 1]."""
        return self.cloud_tokens / self.tokens if self.tokens else 0.0

    @property
    def cloud_percent(self) -> str:
        """The share in whole percent: "100%" only if it took part in all, "0%" only if in none."""
        percent = round(100 * self.cloud_share)
        if 0 < self.cloud_tokens < self.tokens:
            percent = min(max(percent, 1), 99)
        return f"{percent}%"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a message: characters `start` to `end` of its content, heading included.

    `left_out`: characters of the file after those, for which the model had no room.
    """

    name: str
    start: int
    end: int
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Conversation:
    """A row of the conversation list. Times are seconds since the epoch (UTC).

    `local_only`: nothing of it may leave the device. `train`, `federate`: whether it may be used
    for that; None: as the person's general consent says. `source`: the program it was imported
    from, or empty; `untouched`: it has not been used since. `pinned`: it stands before the others
    in the list; `archived`: it stands in a list of its own; `folder`: the one that the person put
    it into, or empty.
    """

    id: int
    title: str
    created_at: float
    updated_at: float
    leaf_id: int | None = None
    local_only: bool = False
    train: bool | None = None
    federate: bool | None = None
    source: str = ""
    untouched: bool = False
    pinned: bool = False
    archived: bool = False
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A node of a conversation's tree: branch, edit and regenerate are new children.

    `notices` are the plain sentences shown with the answer (the cloud was late, the oldest
    turns were left out). `siblings` are the ids of all children of the same parent, in order
    of creation, this one included. `rating`: -1 disliked, 1 liked. `edited_from`: the answer
    that the person rewrote into this one. `private`: kinds found in the text; None: nobody
    has looked. `learn`: False: the file that it was imported from says that it is never to be
    learnt. `attachments` stand at the end of the content, after the person's own words. Ids below
    0 are those of a conversation that a program brought along and that is not kept.
    """

    id: int
    conversation_id: int
    parent_id: int | None
    role: Role
    content: str
    created_at: float
    status: Status = "complete"
    route: Route | None = None
    stats: AnswerStats | None = None
    notices: tuple[str, ...] = ()
    rating: int = 0
    edited_from: int | None = None
    private: tuple[str, ...] | None = None
    siblings: tuple[int, ...] = field(default=())
    learn: bool = True
    attachments: tuple[Attachment, ...] = ()

    @property
    def words(self) -> str:
        """The content without what was attached."""
        return self.content[: self.attachments[0].start] if self.attachments else self.content

    @property
    def stored(self) -> bool:
        """Whether it is a row of the database."""
        return self.id > 0


Precision = Literal["float32", "bfloat16", "float16"]

BackendKind = Literal["cpu", "autograd"]
"""How a training step is computed: by hand-written passes, or by transformers, peft and torch."""


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """The settings of a training on this device, its expected cost, and the reason.

    `modules` are projections as peft names them (`q_proj`); `layers` of the upper end get
    adapters (the backward pass stops below them); `batch_tokens` is the tokens of one optimiser
    step, `sequence_length` the longest row; `seconds` and `peak_mb` (10^6 bytes, of the whole
    process) are predictions for `rows_tokens` tokens an epoch. `device` is torch's name; `blocks`:
    the base's weights stay in the file's own blocks; `backend_reason`: why this back end, a
    sentence.
    """

    rank: int
    alpha: float
    modules: tuple[str, ...]
    layers: int
    batch_tokens: int
    sequence_length: int
    checkpointing: bool
    precision: Precision
    epochs: int
    learning_rate: float
    threads: int
    rows_tokens: int
    seconds: float
    peak_mb: float
    reason: str
    backend: BackendKind = "cpu"
    device: str = "cpu"
    blocks: bool = False
    backend_reason: str = ""
