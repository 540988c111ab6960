"""A device's part in a round, message by message: what `client_app` hands over to."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from floe.errors import FederationError
from floe.federation.aggregate import canonical, cut
from floe.federation.device import Device, device_of
from floe.federation.guard import clip
from floe.federation.history import History
from floe.federation.install import ReceivedExpert, install
from floe.federation.learner import Learner
from floe.federation.messages import (
    CENTROIDS,
    CONFIG,
    DEVICE,
    EXPERT,
    EXPERTS,
    METRICS,
    START,
    UPDATE,
)
from floe.federation.recipe import Recipe, common_start
from floe.federation.report import RoundReport
from floe.federation.update import Factors, Update, to_arrays
from floe.federation.wire import from_record, to_record
from floe.personal.experts import Place
from floe.store import Store

_HELD: Final = "expert"
_LABEL: Final = "label"
_PLACE: Final = "place"
_LARGEST_RANK: Final = 64


class Participant:
    """One device while it answers messages. `state` is what Flower keeps for it between them."""

    def __init__(self, node: int, device: Device, state: RecordDict) -> None:
        self._node, self._device, self._state = node, device, state

    def train(self, content: RecordDict) -> RecordDict:
        """Train in one round and tell the update.

        Raises:
            FederationError: the group uses another base model, or what this device should
                start from has gone.
        """
        config, device = content.config_records[CONFIG], self._device
        if config["base"] != device.base_sha256:
            raise FederationError("this device uses another base model than the group")
        recipe = Recipe.read(config)
        self._state[CONFIG] = ConfigRecord(recipe.write())
        learner = self._learner(recipe)
        start = self._start(content, learner)
        report = str(config["report"])
        if report:
            self._keep_report(report)
        number = int(str(config["round"]))
        examples = learner.examples(device.train)
        trained = learner.train(examples, start, device.rank, seed=self._seed(number))
        # Milliseconds here, as a device has one adapter; the server would have all of them to do.
        factors = canonical(trained)
        place = self._place(learner)
        update = Update(
            update_id=uuid.uuid4().hex,
            client_id=str(self._node),
            round=number,
            base_sha256=device.base_sha256,
            rank=device.rank,
            alpha=float(device.rank),
            examples=len(device.train),
            factors=factors,
            centroid=place.centroid if place else None,
            radius=place.radius if place else 0.0,
        )
        held_out = learner.examples(self._device.held_out)
        metrics: dict[str, Any] = {
            "loss-base": self._base_loss(learner),
            "loss-before": learner.loss(held_out, start, device.rank),
            "loss-own": learner.loss(held_out, factors, device.rank),
        }
        return RecordDict(
            {
                UPDATE: to_record(to_arrays(clip(update, float(str(config["clip"]))))),
                METRICS: MetricRecord(metrics),
                DEVICE: ConfigRecord({"name": device.name}),
            }
        )

    def evaluate(self, content: RecordDict) -> RecordDict:
        """Take the cluster's expert over, and tell what it is worth here."""
        label = str(content.config_records[CONFIG]["cluster"])
        self._state[_HELD] = content[EXPERT]
        self._state[_LABEL] = ConfigRecord({"cluster": label})
        learner = self._learner(Recipe.read(self._state.config_records[CONFIG]))
        factors = self._factors(content.array_records[EXPERT], learner)
        loss = learner.loss(learner.examples(self._device.held_out), factors, self._device.rank)
        self._install({label: factors}, content, label)
        return RecordDict({METRICS: MetricRecord({"loss": loss})})

    def close(self, content: RecordDict) -> RecordDict:
        """After the last round: take all experts over, and the last report."""
        self._keep_report(str(content.config_records[CONFIG]["report"]))
        learner = self._learner(Recipe.read(self._state.config_records[CONFIG]))
        experts = {
            name.removeprefix(EXPERTS): self._factors(record, learner)
            for name, record in content.array_records.items()
            if name.startswith(EXPERTS)
        }
        self._install(experts, content, self._own_label())
        return RecordDict()

    def _seed(self, number: int) -> int:
        """Flower's node numbers have 64 bits, torch's seeds have not many more than 40 to spare."""
        return 1000 * (self._node % 1_000_000) + number

    def _own_label(self) -> str:
        held = self._state.config_records.get(_LABEL)
        return str(held["cluster"]) if held is not None else ""

    def _start(self, content: RecordDict, learner: Learner) -> Mapping[str, Factors]:
        label = str(content.config_records[CONFIG]["cluster"])
        if START in content:
            return self._factors(content.array_records[START], learner)
        if not label:
            return common_start(learner.shapes(), self._device.rank)
        if self._own_label() != label:
            raise FederationError("what it should start from has gone; it starts anew next time")
        return self._factors(self._state.array_records[_HELD], learner)

    def _factors(self, record: ArrayRecord, learner: Learner) -> dict[str, Factors]:
        """An expert as it came, cut to this device's rank should that have become smaller.

        The host is no more trusted with it than a device is.
        """
        shapes = learner.shapes()
        numbers = sum(d + k for d, k in shapes.values())
        arrays = from_record(record, 4 * numbers * _LARGEST_RANK + 65_536, 2 * len(shapes))
        found: dict[str, Factors] = {}
        for module, (d, k) in shapes.items():
            a, b = arrays.get(module + ".lora_A"), arrays.get(module + ".lora_B")
            if not _are_factors(a, b, d, k):
                raise FederationError("the expert that came does not fit this model")
            assert a is not None
            assert b is not None
            found[module] = (a, b)
        return cut(found, self._device.rank)

    def _learner(self, recipe: Recipe) -> Learner:
        return Learner.shared(self._device.base, recipe, self._device.precision)

    def _base_loss(self, learner: Learner) -> float:
        """Of the bare base; it never changes."""
        known = self._state.metric_records.get("base")
        if known is None:
            loss = learner.loss(learner.examples(self._device.held_out), {}, self._device.rank)
            known = self._state["base"] = MetricRecord({"loss": loss})
        return float(known["loss"])  # type: ignore[arg-type]

    def _place(self, learner: Learner) -> Place | None:
        """Told the same in every round: fresh noise each time could be averaged away."""
        prompts, blur = self._device.prompts, self._device.blur
        if blur is None or not prompts:
            return None
        known = self._state.array_records.get(_PLACE)
        if known is None:
            made = learner.place(prompts, blur)
            numbers = np.append(made.centroid, np.float32(made.radius))
            known = self._state[_PLACE] = to_record({_PLACE: numbers})
        numbers = known[_PLACE].numpy()
        return Place(numbers[:-1], float(numbers[-1]))

    def _keep_report(self, text: str) -> None:
        if self._device.home is not None:
            data_dir, federation_id = self._device.home
            report = RoundReport.from_json(text)
            History(Store(data_dir / "floe.db")).add_round(federation_id, report)

    def _install(
        self, experts: Mapping[str, dict[str, Factors]], content: RecordDict, own: str
    ) -> None:
        if self._device.home is None:
            return
        data_dir, federation_id = self._device.home
        record = content.array_records[CENTROIDS]
        places = from_record(record, 1 << 20, len(experts))
        received = [
            ReceivedExpert(
                label,
                factors,
                _place_of(places.get(label)),
                self._device.samples if label == own else [],
            )
            for label, factors in experts.items()
        ]
        install(data_dir, federation_id, self._device.base, self._device.base_sha256, received)


def _are_factors(a: Any, b: Any, d: int, k: int) -> bool:
    """Whether they are finite float32 of shapes (r, k) and (d, r)."""
    if a is None or b is None or a.dtype != np.float32 or b.dtype != np.float32:
        return False
    rank = len(a) if a.ndim == 2 else 0
    fits = 0 < rank <= _LARGEST_RANK and a.shape == (rank, k) and b.shape == (d, rank)
    return fits and bool(np.isfinite(a).all() and np.isfinite(b).all())


def _place_of(numbers: Any) -> Place | None:
    if numbers is None or numbers.ndim != 1 or not np.isfinite(numbers).all():
        return None
    return Place(numbers[:-1].astype(np.float32), float(numbers[-1]))


def participant(node: int, config: Mapping[str, Any], state: RecordDict) -> Participant:
    """The one for a node; what may be learnt from is looked up anew for each message."""
    return Participant(node, device_of(config), state)
