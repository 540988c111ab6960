"""Report of a round: who took part, which clusters were found, and what it cost.

Held as JSON in the database and sent to the members, who see the clusters and their own line, not
the others'. Knows nothing of Flower.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True)
class ClientLine:
    """One device in one round. Losses in nats per token on its held-out rows; None: not known.

    `loss_base` is that of the bare base model, `loss_before` where the round began, `loss_own`
    after its own training, `loss_expert` of the expert that came back. `bytes_in` came from it,
    `bytes_out` went to it. `dropped`: why its update was not used, or empty.
    """

    client: str
    name: str
    rank: int
    cluster: str
    examples: int = 0
    loss_base: float | None = None
    loss_before: float | None = None
    loss_own: float | None = None
    loss_expert: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    dropped: str = ""


@dataclass(frozen=True, slots=True)
class ClusterLine:
    """One cluster; `loss` is the mean of its members' `loss_expert`, weighted by examples."""

    label: str
    clients: tuple[str, ...]
    rank: int
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class RoundReport:
    """One round, numbered from 1 to `rounds`; `seconds` it took.

    `epsilon`, `delta`: what the noise promises each client over all rounds so far; None: no
    noise, no promise. `privacy` says it in words, `clustering` why there are so many clusters.
    `positions`: where each device stands on the cluster plot, (client, x, y).
    """

    round: int
    rounds: int
    at: float
    seconds: float
    clients: tuple[ClientLine, ...]
    clusters: tuple[ClusterLine, ...]
    clustering: str = ""
    epsilon: float | None = None
    delta: float | None = None
    privacy: str = ""
    positions: tuple[tuple[str, float, float], ...] = ()

    @property
    def bytes_in(self) -> int:
        """Bytes that all devices sent."""
        return sum(line.bytes_in for line in self.clients)

    @property
    def bytes_out(self) -> int:
        """Bytes that all devices received."""
        return sum(line.bytes_out for line in self.clients)

    @property
    def sentence(self) -> str:
        """The round in one line."""
        used = sum(not line.dropped for line in self.clients)
        clusters = "1 cluster" if len(self.clusters) == 1 else f"{len(self.clusters)} clusters"
        text = (
            f"Round {self.round} of {self.rounds}: {used} of {len(self.clients)} devices in "
            f"{clusters}"
        )
        losses = [line.loss for line in self.clusters if line.loss is not None]
        if losses:
            text += f", mean loss {sum(losses) / len(losses):.3f}"
        reasons = [f"{line.name}: {line.dropped}" for line in self.clients if line.dropped]
        return text + ("; left out: " + "; ".join(reasons) if reasons else "") + "."

    def seen_by(self, client: str) -> "RoundReport":
        """Return the part that one member may see: the clusters, the totals, and its own line."""
        own = tuple(line for line in self.clients if line.client == client)
        return replace(self, clients=own, positions=())

    def to_json(self) -> str:
        """Everything as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a report that `to_json` wrote; unknown keys of a newer version are left out."""
        data = json.loads(text)
        return cls(
            **{key: value for key, value in data.items() if key in cls.__slots__}
            | {
                "clients": tuple(ClientLine(**line) for line in data["clients"]),
                "clusters": tuple(
                    ClusterLine(**line | {"clients": tuple(line["clients"])})
                    for line in data["clusters"]
                ),
                "positions": tuple((str(c), float(x), float(y)) for c, x, y in data["positions"]),
            }
        )


def mean_loss(lines: Sequence[ClientLine]) -> float | None:
    """Mean of the members' `loss_expert`, weighted by examples; None where none is known."""
    known = [(line.loss_expert, max(line.examples, 1)) for line in lines]
    pairs = [(loss, weight) for loss, weight in known if loss is not None]
    if not pairs:
        return None
    return sum(loss * weight for loss, weight in pairs) / sum(weight for _, weight in pairs)
