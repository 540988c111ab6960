"""How long the threads of llama.cpp and torch spin for one another before they sleep.

Both compute with OpenMP, whose threads meet at a barrier some hundred times a token. GNU's library
lets a thread that is early spin for milliseconds there. On a machine with anything else to do the
one that is late has lost its processor to just those that spin: SmolLM2-135M with two threads on
two cores wrote 0.5 tokens a second beside one busy process of the lowest priority, and 92 without
it. With the count that the library itself takes where threads outnumber processors it is 30 and
89, with threads that sleep at once 48 and 28; Qwen2.5-Coder-0.5B falls to 11 of 26, where it wrote
less than one. The variable is read when the library is loaded, so it is set before that.

numpy's products in this program are small (the model of the privacy gate reads a message in some
ten milliseconds), and the threads of its OpenBLAS wait for one another in the same way: beside two
busy processes two threads took three times as long for a message as one.
"""

from collections.abc import MutableMapping
from typing import Final

SPIN_COUNT: Final = "1000"
_SET_BY_USER: Final = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def bound_spinning(environment: MutableMapping[str, str]) -> None:
    """Let waiting threads sleep soon, unless the environment says how they are to wait.

    numpy's products take one thread, unless the environment says how many.
    """
    if not any(name in environment for name in _SET_BY_USER):
        environment["GOMP_SPINCOUNT"] = SPIN_COUNT
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
