"""Experts of groups as the page shows them."""

import json

from floe.store import Store
from floe.ui.page_values import ExpertValue

_EXPERTS = """
    SELECT a.id, a.name, a.in_use, a.rank, e.cluster, e.samples, a.created_at
    FROM experts e JOIN adapters a ON a.id = e.adapter_id ORDER BY e.cluster, a.id
"""


def expert_rows(store: Store) -> list[ExpertValue]:
    """Return what `floe.experts` draws."""
    with store.reading() as db:
        found = db.execute(_EXPERTS).fetchall()
    return [
        {
            "id": adapter_id,
            "name": name,
            "in_use": bool(in_use),
            "facts": f"cluster {cluster} · rank {rank}",
            "samples": json.loads(samples)[:3],
        }
        for adapter_id, name, in_use, rank, cluster, samples, _ in found
    ]
