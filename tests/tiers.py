"""Which tests are slow: told by what they need, not by a list of names.

A test is slow if a fixture that it asks for brings a model, a server or a browser, or if it or
what it calls in `tests` uses something that starts a process, trains or listens. A file is slow as
a whole if it cannot be imported without what takes seconds to import: the fast tier does not even
collect it.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from hypothesis import settings

FAST_PROFILE: Final = "fast"
"""Name of the profile of hypothesis for the fast tier."""
settings.register_profile(FAST_PROFILE, max_examples=20)

ROOT: Final = Path(__file__).parents[1]

SLOW_IMPORTS: Final = frozenset(
    ("torch", "gradio", "transformers", "peft", "flwr", "playwright", "matplotlib")
)
"""Packages that take a second or more to import, or that only a slow test has a use for."""

SLOW_FIXTURES: Final = frozenset(
    (
        *("smollm", "smollm_path", "qwen", "qwen_path", "detector", "app", "browser", "page"),
        *("own", "wheels"),
    )
)
"""Fixtures that bring a model, a detector, a server, a browser or work for pip."""

SLOW_MODULES: Final = (
    *("subprocess", "multiprocessing", "torch", "transformers", "peft", "llama_cpp", "playwright"),
    *("uvicorn", "http.server", "floe.api.server", "floe.application", "floe.cloud.stand_in"),
    *("floe.federation.group.superlink", "floe.federation.group.supernode", "floe.llama.runtime"),
    *("floe.federation.group.node", "floe.federation.group.child", "floe.federation.simulation"),
    *("floe.training.backends", "floe.training.training_loop", "floe.training.worker"),
    *("floe.training.runs", "floe.training.process", "floe.privacy.detector", "socketserver"),
    # The last because a PDF is read in a process of its own.
    *("floe.bench.soak", "floe.llama.trial_load", "floe.evaluate.answers", "pypdf"),
    "floe.evaluate.accuracy",
)
"""Modules whose use makes a test slow, with all below them."""

SLOW_NAMES: Final = frozenset(
    (
        *("fork", "getfixturevalue", "WHEELS", "proxy_and_cert"),
        *("measure_hardware", "load_or_measure_hardware"),
    )
)
"""Names whose use makes a test slow, whatever they are looked up in.

All but one start a process: pip for wheels, and a measurement of this device. Which fixture
`getfixturevalue` means is known only while the test runs: those who ask so mean models.
"""

_IMPORTS: Final = re.compile(
    r"^(?:from ([\w.]+) import (?:\(([^)]*)\)|(.*))|import ([\w., ]+))", re.MULTILINE
)
"""Imports that run when a module is imported: those that are not indented."""


def examples(count: int) -> int:
    """Return how many examples of a property to try: `count`, or a fifth of it where time is short.

    `make test` tries all of them.
    """
    return max(10, count // 5) if settings.get_current_profile_name() == FAST_PROFILE else count


def is_slow(function: Any, fixtures: Iterator[Any], names: frozenset[str]) -> bool:
    """Return whether a test needs something slow; `fixtures` are functions, `names` all of them."""
    return bool(names & SLOW_FIXTURES) or any(
        _uses_slow(each, set()) for each in (function, *fixtures)
    )


@cache
def is_slow_file(path: Path) -> bool:
    """Return whether a file of tests, or what it imports of ours, imports what is slow to import.

    The file is read and not imported, so that whoever asks need not wait for it either.
    """
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        packages, files = _imported_by(file)
        if packages & SLOW_IMPORTS:
            return True
        waiting += files
    return False


@cache
def _imported_by(path: Path) -> tuple[frozenset[str], tuple[Path, ...]]:
    """Return the packages that a file of ours imports, and those of our files that it imports."""
    packages: set[str] = set()
    files: list[Path] = []
    for module, listed, line, plain in _IMPORTS.findall(path.read_text(encoding="utf-8")):
        names = [each.split(" as ")[0].strip() for each in plain.split(",")] if plain else [module]
        packages |= {name.partition(".")[0] for name in names}
        for part in re.findall(r"[\w]+", re.sub(r"#.*| as \w+", "", listed or line)):
            names.append(f"{module}.{part}")
        files += [file for name in names for file in _files_of(name)]
    return frozenset(packages), tuple(dict.fromkeys(files))


def _files_of(module: str) -> Iterator[Path]:
    """Yield the files that run when a module is imported, if it is ours: its packages', its own."""
    steps = module.split(".")
    if steps[0] not in ("floe", "tests"):
        return
    for length in range(1, len(steps) + 1):
        place = ROOT.joinpath(*steps[:length])
        yield from (
            file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()
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
    # A module that a function imports for itself stands among its names, in one piece.
    imported = any(_is_name_below(name, (*SLOW_MODULES, *SLOW_IMPORTS)) for name in names)
    return (
        imported
        or bool(names & SLOW_NAMES)
        or any(
            _is_below(each, SLOW_MODULES)
            or (_is_below(each, ("tests",)) and _uses_slow(each, seen))
            for each in used
        )
    )


def _is_below(thing: Any, modules: tuple[str, ...]) -> bool:
    """Return whether something is one of these modules, or stands in one or below it."""
    place = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
    return isinstance(place, str) and _is_name_below(place, modules)


@cache
def _is_name_below(place: str, modules: tuple[str, ...]) -> bool:
    return any(place == module or place.startswith(f"{module}.") for module in modules)


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that a function uses, those of functions inside it included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
