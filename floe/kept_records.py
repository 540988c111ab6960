"""Choices that are kept as settings, read as what they must be, whoever wrote them."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from floe.errors import PageError

_T = TypeVar("_T")

RowId: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=(1 << 63) - 1)]
"""What SQLite numbers its rows by."""


def load_record(kind: type[_T], kept: Any, changes: Mapping[str, Any]) -> _T:
    """Load a dataclass of choices from the store, with what the page changes in it.

    Of what is kept, each field that does not fit takes its default: an older or newer Floe may
    have written it, or somebody's hand.

    Raises:
        PageError: a change does not fit.
    """
    adapters = _field_adapters(kind)  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, value in kept.items() if isinstance(kept, dict) else ():
        if name in adapters:
            with suppress(ValidationError, RecursionError):
                values[name] = adapters[name].validate_python(value)
    for name, value in changes.items():
        try:
            values[name] = adapters[name].validate_python(value)
        except (KeyError, ValidationError, RecursionError):
            raise PageError from None
    return kind(**values)


@cache
def _field_adapters(kind: type[Any]) -> dict[str, TypeAdapter[Any]]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: TypeAdapter(hints[field.name]) for field in fields(kind)}
