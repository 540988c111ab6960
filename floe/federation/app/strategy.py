"""The algorithm of a round, as a Flower strategy on its Message API.

A round: every device trains from where its cluster stands, at its own rank, and sends its
adapter. Each message is looked at before it is decoded, then by the guards; what is left is
clustered by task, and each cluster is merged across ranks. Every device gets its cluster's
expert cut to its own rank; after the last round those of the other clusters, too.

The same object serves a real group and the simulation: it sees a grid and messages, nothing else.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from floe.adapters.router import PromptRegion, merge_regions
from floe.errors import FederationError
from floe.federation.app.array_records import from_record, record_size, to_record
from floe.federation.app.messages import (
    CENTROIDS,
    CONFIG,
    EXPERT,
    EXPERTS,
    START,
    UPDATE,
    number,
    own_name,
    plain_text,
)
from floe.federation.app.round_report import ClientLine, ClusterLine, RoundReport, mean_loss
from floe.federation.app.run_config import RunConfig
from floe.federation.app.update import Matrix, Update, UpdateFactors
from floe.federation.app.update_filter import (
    RefusedUpdate,
    SeenUpdates,
    UpdateRules,
    admit_update,
    clip,
    filter_norms,
    find_opposed,
    find_outliers,
)
from floe.federation.maths.aggregate import aggregate_updates, truncate_factors
from floe.federation.maths.cluster import (
    ClusterNames,
    cluster,
    name_clusters,
    place_update,
    similarity,
)
from floe.federation.maths.mds import classical_mds

_POLL_SECONDS: Final = 0.3
_MARGIN_BYTES: Final = 65_536
_LATE: Final = "no answer in time"
_REASON_LENGTH: Final = 300


@dataclass(frozen=True, slots=True)
class ClusterExpert:
    """A cluster's adapter at the largest rank of its members, and where its prompts lie."""

    factors: Mapping[str, UpdateFactors]
    rank: int
    region: PromptRegion | None


class TaskExperts(Strategy):
    """Clusters by task, an expert for each, across unequal ranks.

    Attributes:
        reports: of the rounds so far; `on_report` is told of each when it is complete.
        experts: by the name of their cluster.
        names: which cluster each client belongs to.
    """

    def __init__(
        self, run_config: RunConfig, on_report: Callable[[RoundReport], None] = lambda _: None
    ) -> None:
        self.run_config = run_config
        self.reports: list[RoundReport] = []
        self.experts: dict[str, ClusterExpert] = {}
        self.names = ClusterNames({})
        self._on_report = on_report
        self._seen = SeenUpdates()
        self._ranks: dict[int, int] = {}
        self._holds: dict[int, tuple[str, int]] = {}
        self._lines: dict[int, ClientLine] = {}
        self._clusters: tuple[ClusterLine, ...] = ()
        self._clustering = ""
        self._positions: tuple[tuple[str, float, float], ...] = ()
        self._began = 0.0

    def summary(self) -> None:
        """Flower's log needs no summary of ours: each round has a sentence of its own."""

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """One message a device: where to start from, unless the device holds that already."""
        del arrays, config
        self._began = time.time()
        nodes = self._wait_for_nodes(grid)
        self._lines = {node: self._client_line(node) for node in nodes}
        return [
            self._message(node, self._task(node, server_round), "train", server_round)
            for node in nodes
        ]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Guards, clusters, experts. Arrays stay here: Flower's own place for them is for one."""
        agreed = self.run_config
        rules = UpdateRules(
            agreed.shapes,
            agreed.base_sha256,
            server_round,
            agreed.max_rank,
            centroid_size=agreed.embedding,
        )
        answered: set[int] = set()
        updates: dict[int, Update] = {}
        for reply in sorted(replies, key=lambda reply: reply.metadata.src_node_id):
            node = reply.metadata.src_node_id
            if node not in self._lines or node in answered:
                continue
            answered.add(node)
            found = self._admit_reply(node, reply, rules)
            if isinstance(found, Update):
                updates[node] = clip(found, self.run_config.noise.clip)
                self._ranks[node] = found.rank
        for node in self._lines.keys() - answered:
            self._drop(node, _LATE)
        self._merge(self._filter_outliers(updates))
        return ArrayRecord(), None

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Send each device its cluster's expert, cut to its rank."""
        del arrays, config, grid
        messages = []
        for node, line in self._lines.items():
            label = self.names.of.get(line.client)
            if label is None or line.dropped == _LATE:
                continue
            content = RecordDict(
                {
                    EXPERT: self._truncate_expert(label, node),
                    CENTROIDS: to_record(self._centroids([label])),
                    CONFIG: ConfigRecord({"round": server_round, "cluster": label}),
                }
            )
            messages.append(self._message(node, content, "evaluate", server_round))
        return messages

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        """Collect each expert's loss on each device's held-out rows; this completes the round."""
        for reply in replies:
            node = reply.metadata.src_node_id
            line = self._lines.get(node)
            if line is None or reply.has_error():
                continue
            loss = number(reply.content, "loss")
            self._lines[node] = replace(line, loss_expert=loss)
            self._holds[node] = (self.names.of[line.client], server_round)
        report = self._report(server_round)
        self.reports.append(report)
        self._on_report(report)
        losses = [line.loss for line in report.clusters if line.loss is not None]
        return MetricRecord({"loss": float(np.mean(losses))}) if losses else None

    def close(self, grid: Grid, timeout: float) -> None:
        """After the last round: every expert to every device, and the last report."""
        messages = []
        for node in self._lines:
            # A device that has never answered has no rank yet, and nothing to put an expert on.
            if node not in self._ranks or not self.reports:
                continue
            content = RecordDict(
                {
                    CENTROIDS: to_record(self._centroids(list(self.experts))),
                    CONFIG: ConfigRecord({"report": self._seen_by(node)}),
                }
            )
            for label in self.experts:
                content[EXPERTS + label] = self._truncate_expert(label, node)
            messages.append(self._message(node, content, "query.closing", len(self.reports)))
        grid.send_and_receive(messages, timeout=timeout)

    def _wait_for_nodes(self, grid: Grid) -> list[int]:
        """Return the nodes that are there, once there are enough."""
        wanted = self.run_config.devices
        deadline = time.monotonic() + self.run_config.patience
        while len(nodes := sorted(grid.get_node_ids())) < wanted:
            if time.monotonic() > deadline:
                raise FederationError(
                    f"Only {len(nodes)} of {wanted} devices are there. Ask the members to join, "
                    "or start a run for fewer."
                )
            time.sleep(_POLL_SECONDS)
        return nodes

    def _client_line(self, node: int) -> ClientLine:
        client = str(node)
        known = self.reports[-1].clients if self.reports else ()
        before = next((line for line in known if line.client == client), None)
        return ClientLine(
            client,
            before.name if before else client,
            self._ranks.get(node, 0),
            self.names.of.get(client, ""),
            loss_base=before.loss_base if before else None,
        )

    def _task(self, node: int, server_round: int) -> RecordDict:
        label = self.names.of.get(str(node), "")
        config: dict[str, Any] = {
            "round": server_round,
            "rounds": self.run_config.rounds,
            "base": self.run_config.base_sha256,
            "clip": self.run_config.noise.clip,
            "cluster": label,
            "report": self._seen_by(node),
            **self.run_config.recipe.write(),
        }
        content = RecordDict({CONFIG: ConfigRecord(config)})
        if label and self._holds.get(node) != (label, server_round - 1):
            content[START] = self._truncate_expert(label, node)
        return content

    def _message(self, node: int, content: RecordDict, kind: str, server_round: int) -> Message:
        size = sum(record_size(record) for record in content.array_records.values())
        line = self._lines[node]
        self._lines[node] = replace(line, bytes_out=line.bytes_out + size)
        return Message(content, dst_node_id=node, message_type=kind, group_id=str(server_round))

    def _admit_reply(self, node: int, reply: Message, rules: UpdateRules) -> Update | RefusedUpdate:
        found = self._validate_reply(node, reply, rules)
        if isinstance(found, RefusedUpdate):
            self._drop(node, found.reason)
        return found

    def _validate_reply(
        self, node: int, reply: Message, rules: UpdateRules
    ) -> Update | RefusedUpdate:
        if reply.has_error():
            reason = plain_text(reply.error.reason or "", _REASON_LENGTH) or "no reason given"
            return RefusedUpdate(str(node), f"its part failed: {reason}")
        record = reply.content.array_records.get(UPDATE)
        if record is None:
            return RefusedUpdate(str(node), "it sent no update")
        size = record_size(record)
        line = replace(self._lines[node], bytes_in=size)
        self._lines[node] = line
        try:
            arrays = from_record(record, self._most_bytes(), 2 * len(rules.shapes) + 2)
        except FederationError as error:
            return RefusedUpdate(str(node), str(error))
        # Each node answers once, so no name can be taken twice: least of all by another's claim.
        found = admit_update(arrays, rules, self._seen, set())
        if isinstance(found, RefusedUpdate):
            return found
        if found.client_id != str(node):
            return RefusedUpdate(str(node), "it was sent in the name of another device")
        self._lines[node] = replace(
            line,
            name=own_name(reply.content, line.name),
            rank=found.rank,
            examples=found.examples,
            loss_base=number(reply.content, "loss-base") or line.loss_base,
            loss_before=number(reply.content, "loss-before"),
            loss_own=number(reply.content, "loss-own"),
        )
        return found

    def _most_bytes(self) -> int:
        """Return the size of an update of the largest rank, its header and centroid included."""
        numbers = sum(d + k for d, k in self.run_config.shapes.values())
        return 4 * numbers * self.run_config.max_rank + _MARGIN_BYTES

    def _filter_outliers(self, updates: Mapping[int, Update]) -> dict[int, Update]:
        """Those that stand up beside each other."""
        nodes = list(updates)
        reviewed = filter_norms([updates[node] for node in nodes])
        for refused in reviewed.refused:
            self._drop(int(refused.client_id), refused.reason)
        left = {nodes[i]: update for i, update in zip(reviewed.kept, reviewed.updates, strict=True)}
        if len(left) > 2:
            against = find_opposed(similarity(list(left.values())))
            left = self._drop_updates(left, against)
        return left

    def _drop_updates(
        self, updates: Mapping[int, Update], out: Mapping[int, str]
    ) -> dict[int, Update]:
        nodes = list(updates)
        for i, reason in out.items():
            self._drop(nodes[i], reason)
        return {node: updates[node] for i, node in enumerate(nodes) if i not in out}

    def _merge(self, updates: Mapping[int, Update]) -> None:
        """Put the updates in clusters, and make each cluster's expert anew."""
        if not updates:
            self._clusters, self._clustering = (), "nothing could be merged in this round"
            return
        members = self._assign_clusters(updates)
        for label in sorted(set(members.values())):
            group = [updates[node] for node, found in members.items() if found == label]
            self.experts[label] = self._expert(label, group)
        for node, label in members.items():
            self._lines[node] = replace(self._lines[node], cluster=label)

    def _assign_clusters(self, updates: Mapping[int, Update]) -> dict[int, str]:
        """Cluster of each node; sets the names, the reason and the plot.

        With fewer than half of the known devices here, or fewer than three, the clusters stay
        as they are: so few could only be thrown together. Newcomers are placed then.
        """
        clients = [str(node) for node in updates]
        if self.experts and len(updates) < max(3, len(self.names.of) / 2):
            known = {label: expert.factors for label, expert in self.experts.items()}
            for client, update in zip(clients, updates.values(), strict=True):
                if client not in self.names.of:
                    label = place_update(update.factors, known).cluster
                    self.names = ClusterNames({**self.names.of, client: label}, self.names.next)
            self._clustering = "too few devices for new clusters: the earlier ones stay"
            return {node: self.names.of[str(node)] for node in updates}
        likeness = similarity(list(updates.values()))
        found = cluster(likeness, self.run_config.clusters or None)
        strange = find_outliers(likeness, found.labels)
        self.names = name_clusters(found, clients, self.names)
        self._clustering = found.reason
        self._positions = classical_mds(likeness, clients)
        for i, reason in strange.items():
            self._drop(int(clients[i]), reason)
        return {
            node: self.names.of[str(node)] for i, node in enumerate(updates) if i not in strange
        }

    def _expert(self, label: str, group: list[Update]) -> ClusterExpert:
        rank = max(update.rank for update in group)
        before = self.experts.get(label)
        noise = self.run_config.noise
        if noise.multiplier > 0:
            basis = before.factors if before else None
            factors = noise.mean(group, self.run_config.shapes, basis, rank)
        else:
            factors = aggregate_updates(group, rank, self.run_config.rule)
        told = [
            (PromptRegion(update.centroid, update.radius), update.examples)
            for update in group
            if update.centroid is not None
        ]
        size = Counter(len(region.centroid) for region, _ in told).most_common(1)
        told = [each for each in told if len(each[0].centroid) == size[0][0]]
        region = merge_regions(told) if told else before.region if before else None
        return ClusterExpert(factors, rank, region)

    def _truncate_expert(self, label: str, node: int) -> ArrayRecord:
        arrays: dict[str, Matrix] = {}
        for module, (a, b) in truncate_factors(
            self.experts[label].factors, self._ranks[node]
        ).items():
            arrays[module + ".lora_A"], arrays[module + ".lora_B"] = a, b
        return to_record(arrays)

    def _centroids(self, labels: Iterable[str]) -> dict[str, Matrix]:
        """Centroid of each label with its radius as the last number."""
        found = {}
        for label in labels:
            expert = self.experts[label]
            if expert.region is not None:
                found[label] = np.append(expert.region.centroid, np.float32(expert.region.radius))
        return found

    def _drop(self, node: int, reason: str) -> None:
        self._lines[node] = replace(self._lines[node], dropped=reason)

    def _report(self, server_round: int) -> RoundReport:
        lines = tuple(self._lines.values())
        used = [line for line in lines if not line.dropped]
        self._clusters = tuple(
            ClusterLine(
                label,
                tuple(line.client for line in used if line.cluster == label),
                self.experts[label].rank,
                mean_loss([line for line in used if line.cluster == label]),
            )
            for label in sorted({line.cluster for line in used if line.cluster})
        )
        sizes = [len(line.clients) for line in self._clusters]
        rank = max((expert.rank for expert in self.experts.values()), default=1)
        privacy = self.run_config.noise.account_privacy(
            server_round, min(sizes, default=1), self.run_config.shapes, rank
        )
        return RoundReport(
            server_round,
            self.run_config.rounds,
            time.time(),
            time.time() - self._began,
            lines,
            self._clusters,
            self._clustering,
            None if math.isinf(privacy.epsilon) else privacy.epsilon,
            None if math.isinf(privacy.epsilon) else privacy.delta,
            privacy.sentence,
            self._positions,
        )

    def _seen_by(self, node: int) -> str:
        return self.reports[-1].seen_by(str(node)).to_json() if self.reports else ""
