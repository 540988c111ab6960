"""Devices on a plane, the nearer the more alike: for the page's cluster plot."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def classical_mds(
    similarity: NDArray[np.float64], clients: Sequence[str]
) -> tuple[tuple[str, float, float], ...]:
    """(client, x, y) by classical scaling (Torgerson 1952) of the distances 1 - cosine."""
    n = len(similarity)
    places = np.zeros((n, 2))
    if n > 1:
        centre = np.eye(n) - 1 / n
        values, vectors = np.linalg.eigh(-0.5 * centre @ np.square(1 - similarity) @ centre)
        order = np.argsort(values)[::-1][:2]
        places = vectors[:, order] * np.sqrt(np.maximum(values[order], 0))
    return tuple(
        (client, float(x), float(y)) for client, (x, y) in zip(clients, places, strict=True)
    )
