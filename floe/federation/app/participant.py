"""A device's part in a round, message by message: what `client_app` hands over to."""

import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from floe.adapters.router import PromptRegion
from floe.errors import FederationError
from floe.federation.app.array_records import to_record
from floe.federation.app.learner import Learner
from floe.federation.app.limits import LIMITS, MemberLimits
from floe.federation.app.messages import CONFIG, DEVICE, METRICS, UPDATE
from floe.federation.app.recipe import Recipe, common_start
from floe.federation.app.round_report import RoundReport
from floe.federation.app.update import Update, UpdateFactors, to_arrays
from floe.federation.app.update_filter import clip
from floe.federation.app.validation import (
    TrainTask,
    read_closing_task,
    read_expert_task,
    read_factors,
    read_regions,
    read_train_task,
)
from floe.federation.group.history import History
from floe.federation.group.install import ReceivedExpert, install_experts
from floe.federation.maths.aggregate import to_canonical_form, truncate_factors
from floe.federation.simulation.simulated_device import MemberDevice, device_of
from floe.store import Store
from floe.units import DAY_SECONDS

_HELD: Final = "expert"
_LABEL: Final = "label"
_PLACE: Final = "place"
_ROUNDS_OF_DAY: Final = "group_rounds_of_day"


class Participant:
    """One device while it answers messages.

    `state` is what Flower keeps for it between them, `limits` how far it follows its host.
    """

    def __init__(
        self, node: int, device: MemberDevice, state: RecordDict, limits: MemberLimits = LIMITS
    ) -> None:
        self._node, self._device, self._state = node, device, state
        self._limits = limits

    def train(self, content: RecordDict) -> RecordDict:
        """Train in one round and tell the update.

        Raises:
            FederationError: the group uses another base model, what this device should start
                from has gone, or the host asks for more than this device does for a group.
        """
        deadline = time.monotonic() + self._limits.seconds
        task, device = read_train_task(content, self._limits), self._device
        if task.base_sha256 != device.base_sha256:
            raise FederationError("this device uses another base model than the group")
        self._count_round()
        self._state[CONFIG] = ConfigRecord(task.recipe.write())
        learner = self._learner(task.recipe)
        start = self._start(task, learner)
        self._keep_report(task.report)
        examples = learner.examples(device.train)
        trained = learner.train(examples, start, device.rank, self._seed(task.round), deadline)
        # Milliseconds here, as a device has one adapter; the server would have all of them to do.
        factors = to_canonical_form(trained)
        region = self._region(learner)
        update = Update(
            update_id=uuid.uuid4().hex,
            client_id=str(self._node),
            round=task.round,
            base_sha256=device.base_sha256,
            rank=device.rank,
            alpha=float(device.rank),
            examples=len(device.train),
            factors=factors,
            centroid=region.centroid if region else None,
            radius=region.radius if region else 0.0,
        )
        held_out = learner.examples(self._device.held_out)
        metrics: dict[str, Any] = {
            "loss-base": self._base_loss(learner),
            "loss-before": learner.loss(held_out, start, device.rank),
            "loss-own": learner.loss(held_out, factors, device.rank),
        }
        return RecordDict(
            {
                UPDATE: to_record(to_arrays(clip(update, task.clip))),
                METRICS: MetricRecord(metrics),
                DEVICE: ConfigRecord({"name": device.name}),
            }
        )

    def evaluate(self, content: RecordDict) -> RecordDict:
        """Take the cluster's expert over, and tell what it is worth here."""
        task = read_expert_task(content, self._limits)
        learner = self._learner(self._recipe())
        factors = self._factors(task.expert, learner)
        self._state[_HELD] = task.expert
        self._state[_LABEL] = ConfigRecord({"cluster": task.cluster})
        loss = learner.loss(learner.examples(self._device.held_out), factors, self._device.rank)
        self._install({task.cluster: factors}, task.centroids, task.cluster)
        return RecordDict({METRICS: MetricRecord({"loss": loss})})

    def close(self, content: RecordDict) -> RecordDict:
        """After the last round: take all experts over, and the last report."""
        task = read_closing_task(content, self._limits)
        learner = self._learner(self._recipe())
        experts = {label: self._factors(record, learner) for label, record in task.experts.items()}
        self._keep_report(task.report)
        self._install(experts, task.centroids, self._own_label())
        return RecordDict()

    def _recipe(self) -> Recipe:
        """Return the recipe of the round which this device has taken part in."""
        known = self._state.config_records.get(CONFIG)
        if known is None:
            raise FederationError("this device has taken part in no round yet")
        return Recipe.read(known)

    def _count_round(self) -> None:
        """Note one more round of today's; counted in the database, as a host can start anew."""
        if self._device.home is None:
            return
        store = Store(self._device.home[0] / "floe.db")
        today = int(time.time() // DAY_SECONDS)
        day, count = store.setting(_ROUNDS_OF_DAY, [today, 0])
        done = count if day == today else 0
        if done >= self._limits.rounds_a_day:
            raise FederationError(
                f"this device has taken part in {done} rounds today; it takes part again tomorrow"
            )
        store.set_setting(_ROUNDS_OF_DAY, [today, done + 1])

    def _seed(self, number: int) -> int:
        """Flower's node numbers have 64 bits, torch's seeds have not many more than 40 to spare."""
        return 1000 * (self._node % 1_000_000) + number

    def _own_label(self) -> str:
        held = self._state.config_records.get(_LABEL)
        return str(held["cluster"]) if held is not None else ""

    def _start(self, task: TrainTask, learner: Learner) -> Mapping[str, UpdateFactors]:
        if task.start is not None:
            return self._factors(task.start, learner)
        if not task.cluster:
            return common_start(learner.shapes(), self._device.rank)
        if self._own_label() != task.cluster:
            raise FederationError("what it should start from has gone; it starts anew next time")
        return self._factors(self._state.array_records[_HELD], learner)

    def _factors(self, record: ArrayRecord, learner: Learner) -> dict[str, UpdateFactors]:
        """Read an expert, cut to this device's rank should that have become smaller."""
        return truncate_factors(
            read_factors(record, learner.shapes(), self._limits), self._device.rank
        )

    def _learner(self, recipe: Recipe) -> Learner:
        return Learner.shared(self._device.base, recipe, self._device.precision)

    def _base_loss(self, learner: Learner) -> float:
        """Return the loss of the bare base; it never changes."""
        known = self._state.metric_records.get("base")
        if known is None:
            loss = learner.loss(learner.examples(self._device.held_out), {}, self._device.rank)
            known = self._state["base"] = MetricRecord({"loss": loss})
        return float(known["loss"])  # type: ignore[arg-type]

    def _region(self, learner: Learner) -> PromptRegion | None:
        """Told the same in every round: fresh noise each time could be averaged away."""
        prompts, blur = self._device.prompts, self._device.blur
        if blur is None or not prompts:
            return None
        known = self._state.array_records.get(_PLACE)
        if known is None:
            made = learner.region_of(prompts, blur)
            numbers = np.append(made.centroid, np.float32(made.radius))
            known = self._state[_PLACE] = to_record({_PLACE: numbers})
        numbers = known[_PLACE].numpy()
        return PromptRegion(numbers[:-1], float(numbers[-1]))

    def _keep_report(self, report: RoundReport | None) -> None:
        if self._device.home is not None and report is not None:
            data_dir, federation_id = self._device.home
            History(Store(data_dir / "floe.db")).add_round(federation_id, report)

    def _install(
        self, experts: Mapping[str, dict[str, UpdateFactors]], centroids: ArrayRecord, own: str
    ) -> None:
        regions = read_regions(centroids, set(experts))
        if self._device.home is None:
            return
        data_dir, federation_id = self._device.home
        received = [
            ReceivedExpert(
                label,
                factors,
                regions.get(label),
                self._device.samples if label == own else [],
            )
            for label, factors in experts.items()
        ]
        install_experts(
            data_dir, federation_id, self._device.base, self._device.base_sha256, received
        )


def participant(node: int, config: Mapping[str, Any], state: RecordDict) -> Participant:
    """Return the one for a node; the rows to learn from are looked up anew for each message."""
    return Participant(node, device_of(config), state)
