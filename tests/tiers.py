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

SLOW_MODULES: Final = frozenset(
    (
        *("subprocess", "multiprocessing", "torch", "transformers", "peft", "llama_cpp"),
        *("playwright", "uvicorn", "http.server", "socketserver", "floe.api.server"),
        *("floe.application", "floe.cloud.stand_in", "floe.llama.runtime", "floe.llama.trial_load"),
        *("floe.federation.group.superlink", "floe.federation.group.supernode"),
        *("floe.federation.group.node", "floe.federation.group.child"),
        *("floe.federation.simulation", "floe.training.backends", "floe.training.training_loop"),
        *("floe.training.worker", "floe.training.runs", "floe.training.process"),
        *("floe.privacy.detector", "floe.bench.soak", "floe.evaluate.answers"),
        # The last because a PDF is read in a process of its own.
        *("floe.evaluate.accuracy", "pypdf"),
    )
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

_SLOW_TO_USE: Final = SLOW_MODULES | SLOW_IMPORTS
_OURS: Final = frozenset(("tests",))
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
    return bool(names & SLOW_FIXTURES) or any(map(_is_slow_code, (function, *fixtures)))


_not_slow: dict[int, Any] = {}
"""Functions and classes that use nothing slow, by their ids; kept, so that no id is used again."""


def _is_slow_code(thing: Any) -> bool:
    """Return whether a function or class uses what is slow, itself or by another."""
    seen: dict[int, Any] = {}
    if _uses_slow(thing, seen):
        return True
    # All that it uses was followed to its end, and nothing slow was found there.
    _not_slow.update(seen)
    return False


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


@cache
def _files_of(module: str) -> tuple[Path, ...]:
    """Return the files that run when a module of ours is imported: its packages', its own."""
    if module.partition(".")[0] not in ("floe", "tests"):
        return ()
    package = module.rpartition(".")[0]
    place = ROOT.joinpath(*module.split("."))
    own = (place / "__init__.py", place.with_suffix(".py"))
    return (*(_files_of(package) if package else ()), *(file for file in own if file.is_file()))


def _uses_slow(thing: Any, seen: dict[int, Any]) -> bool:
    """Return whether something uses what is slow, apart from what was seen; `seen` grows."""
    thing = getattr(thing, "__wrapped__", thing)
    if id(thing) in seen or id(thing) in _not_slow:
        return False
    seen[id(thing)] = thing
    if isinstance(thing, type):
        parts = [each for each in vars(thing).values() if isinstance(each, FunctionType)]
        return any(_uses_slow(part, seen) for part in parts)
    if not isinstance(thing, FunctionType):
        return False
    names = frozenset(_names(thing.__code__))
    used = [thing.__globals__[name] for name in names if name in thing.__globals__]
    # A module that a function imports for itself stands among its names, in one piece.
    imported = any(_is_name_below(name, _SLOW_TO_USE) for name in names)
    return (
        imported
        or bool(names & SLOW_NAMES)
        or any(
            _is_below(each, SLOW_MODULES) or (_is_below(each, _OURS) and _uses_slow(each, seen))
            for each in used
        )
    )


def _is_below(thing: Any, modules: frozenset[str]) -> bool:
    """Return whether something is one of these modules, or stands in one or below it."""
    place = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
    return isinstance(place, str) and _is_name_below(place, modules)


@cache
def _is_name_below(place: str, modules: frozenset[str]) -> bool:
    steps = place.split(".")
    return any(".".join(steps[:length]) in modules for length in range(1, len(steps) + 1))


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that a function uses, those of functions inside it included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
