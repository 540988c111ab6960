"""Threads that wait for one another sleep soon, unless the person says otherwise."""

import subprocess
import sys

import pytest

from floe.child_environment import child_environment
from floe.spinning_threads import SPIN_COUNT, bound_spinning


@pytest.mark.parametrize(
    ("given", "after"),
    [
        ({}, {"GOMP_SPINCOUNT": SPIN_COUNT, "OPENBLAS_NUM_THREADS": "1"}),
        (
            {"GOMP_SPINCOUNT": "5", "OPENBLAS_NUM_THREADS": "4"},
            {"GOMP_SPINCOUNT": "5", "OPENBLAS_NUM_THREADS": "4"},
        ),
        (
            {"OMP_WAIT_POLICY": "active"},
            {"OMP_WAIT_POLICY": "active", "OPENBLAS_NUM_THREADS": "1"},
        ),
    ],
)
def test_what_the_person_has_set_stays(given: dict[str, str], after: dict[str, str]) -> None:
    bound_spinning(given)
    assert given == after


def test_it_is_set_before_anything_computes_and_in_children() -> None:
    child = "import floe, os; print(os.environ['GOMP_SPINCOUNT'])"
    unset = {n: v for n, v in child_environment().items() if not n.startswith(("GOMP", "OMP"))}
    done = subprocess.run(
        [sys.executable, "-c", child], env=unset, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == SPIN_COUNT
    assert child_environment(source={"GOMP_SPINCOUNT": SPIN_COUNT}) == {
        "GOMP_SPINCOUNT": SPIN_COUNT
    }
