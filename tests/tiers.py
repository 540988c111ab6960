"""Which tests are slow: told by what they need, not by a list of names.

A test is slow if a fixture that it asks for brings a model, a server or a browser, or if it or
what it calls in `tests` uses something that starts a process, trains or listens.
"""

from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

SLOW_FIXTURES: Final = frozenset(
    ("smollm", "smollm_path", "qwen", "qwen_path", "detector", "app", "browser", "page", "own")
)
"""Fixtures that bring a model, a detector, a server or a browser."""

SLOW_MODULES: Final = (
    *("subprocess", "multiprocessing", "torch", "transformers", "peft", "llama_cpp", "playwright"),
    *("uvicorn", "http.server", "floe.api.server", "floe.application", "floe.cloud.stand_in"),
    *("floe.federation.group.superlink", "floe.federation.group.supernode", "floe.llama.runtime"),
    *("floe.federation.group.node", "floe.federation.group.child", "floe.federation.simulation"),
    *("floe.training.backends", "floe.training.training_loop", "floe.training.worker"),
    *("floe.training.runs", "floe.training.process", "floe.privacy.detector", "socketserver"),
    "floe.bench.soak",
)
"""Modules whose use makes a test slow, with all below them."""


def is_slow(function: Any, fixtures: Iterator[Any], names: frozenset[str]) -> bool:
    """Return whether a test needs something slow; `fixtures` are functions, `names` all of them."""
    return bool(names & SLOW_FIXTURES) or any(
        _uses_slow(each, set()) for each in (function, *fixtures)
    )


def _uses_slow(thing: Any, seen: set[int]) -> bool:
    """Return whether a function or class of the tests uses what is slow, itself or by another."""
    thing = getattr(thing, "__wrapped__", thing)
    if id(thing) in seen:
        return False
    seen.add(id(thing))
    if isinstance(thing, type):
        parts = [each for each in vars(thing).values() if isinstance(each, FunctionType)]
        return any(_uses_slow(part, seen) for part in parts)
    if not isinstance(thing, FunctionType):
        return False
    names = frozenset(_names(thing.__code__))
    used = [thing.__globals__[name] for name in names if name in thing.__globals__]
    # Which fixture is meant is known only while the test runs: those who ask so mean models.
    return "getfixturevalue" in names or any(
        _is_below(each, SLOW_MODULES) or (_is_below(each, ("tests",)) and _uses_slow(each, seen))
        for each in used
    )


def _is_below(thing: Any, modules: tuple[str, ...]) -> bool:
    """Return whether something is one of these modules, or stands in one or below it."""
    place = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
    return isinstance(place, str) and any(
        place == module or place.startswith(f"{module}.") for module in modules
    )


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that a function uses, those of functions inside it included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
