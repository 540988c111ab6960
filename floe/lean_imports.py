"""Imports without what Floe has no use for, and each process would wait for.

gradio writes a stub file for each class of its components at each import, into the folder of
installed packages: editors read it, programs do not, and it takes as long as the rest of the
import. sqlite_utils imports pandas, so as to store time stamps of pandas; gradio imports it, so as
to know tables among the values of a cache that nobody uses. httpx imports its own command line, and
what that draws with: half of the import, in every process. And what modules make while they are
imported stays, so that no garbage is looked for meanwhile: a fifth of what the page's imports took.
"""

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Final

_STUB_WRITER: Final = "create_or_modify_pyi"


@contextmanager
def _without_stubs(module: ModuleType) -> Iterator[None]:
    yield
    if hasattr(module, _STUB_WRITER):
        setattr(module, _STUB_WRITER, lambda *_: None)


class _Table:
    """Stands for a class of pandas of which there is no instance."""


@contextmanager
def _replaced(name: str, module: ModuleType | None) -> Iterator[None]:
    """Have `name` mean this module, where it is not imported yet; None: there is none."""
    if name in sys.modules:
        yield
        return
    # None is the import system's way to say so.
    sys.modules[name] = module  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def _without_pandas(_module: ModuleType) -> AbstractContextManager[None]:
    return _replaced("pandas", None)


def _without_commands(_module: ModuleType) -> AbstractContextManager[None]:
    return _replaced("httpx._main", None)


def _without_tables(_module: ModuleType) -> AbstractContextManager[None]:
    pandas = ModuleType("pandas")
    vars(pandas).update(DataFrame=_Table, Series=_Table)
    return _replaced("pandas", pandas)


@contextmanager
def _without_collection(_module: ModuleType) -> Iterator[None]:
    if not gc.isenabled():  # by whoever switches it on again
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # else all of it would be looked through at once now
        gc.enable()


_LEFT_OUT: Final[dict[str, Callable[[ModuleType], AbstractContextManager[None]]]] = {
    "gradio.component_meta": _without_stubs,
    "gradio.caching": _without_tables,
    "httpx": _without_commands,
    "sqlite_utils.db": _without_pandas,
    **dict.fromkeys(
        ("floe.application", "floe.privacy.detection.analysis", "gradio", "torch"),
        _without_collection,
    ),
}
"""Module: what is done around its execution."""


class _LeanLoader(Loader):
    """Loads a module as it would be loaded, but for what is left out."""

    def __init__(self, name: str, loader: Loader) -> None:
        self._name, self._loader = name, loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Whoever asks the module for its loader, for a file of its package, gets its own.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        with _LEFT_OUT[self._name](module):
            self._loader.exec_module(module)


class _LeanFinder(MetaPathFinder):
    """Finds the modules of which something is left out, and no other."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _LEFT_OUT:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _LeanLoader(fullname, spec.loader)
        return spec


def install_lean_imports() -> None:
    """Leave it out of what is imported from here on in this process."""
    if not any(isinstance(each, _LeanFinder) for each in sys.meta_path):
        sys.meta_path.insert(0, _LeanFinder())
