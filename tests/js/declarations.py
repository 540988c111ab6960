"""TypeScript declarations of what Python and the page's scripts say to each other.

`python -m tests.js.declarations` writes `floe/ui/records.d.ts` anew from the table of parts.
"""

from collections.abc import Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import BaseModel

from floe.ui.page_components import DRAWN_PARTS, DrawnPart

PATH: Final = Path(__file__).parents[2] / "floe" / "ui" / "records.d.ts"

_HEADER: Final = """\
// Made by `make records` from floe/ui/page_components.py; do not edit.
"""
_PART: Final = """\
/** No events, or no functions of the server. */
type Nothing = Record<never, never>;

/** What a part is given: where it draws, its value, and its ways to Python. */
interface Part<Value, Events, Server> {
  element: HTMLElement;
  props: { value: Value | null };
  trigger<Name extends keyof Events>(
    name: Name,
    ...data: Events[Name] extends null ? [] : [Events[Name]]
  ): void;
  server: Server;
  watch(name: "value", call: () => void): void;
}
"""


_SIMPLE: Final[dict[Any, str]] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    NoneType: "null",
    None: "null",
}


class Declarations:
    """The declarations of all records that are met, in the order they are met."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}

    def expression(self, kind: Any) -> str:
        """Return a type as TypeScript spells it; records are declared on the way."""
        origin, parts = get_origin(kind), get_args(kind)
        if kind in _SIMPLE:
            text = _SIMPLE[kind]
        elif origin is Annotated:
            notes = [each for note in parts[1:] for each in getattr(note, "metadata", [])]
            least = next((each.min_length for each in notes if hasattr(each, "min_length")), None)
            text = self._sequence(parts[0], least)
        elif origin is Literal:
            text = " | ".join(_literal(each) for each in parts)
        elif origin in (Union, UnionType):
            text = " | ".join(dict.fromkeys(self.expression(each) for each in parts))
        elif origin is NotRequired:
            text = self.expression(parts[0])
        elif origin is list or (origin is tuple and parts[-1] is Ellipsis):
            text = f"{self._element(parts[0])}[]"
        elif origin is dict:
            text = f"Record<{self.expression(parts[0])}, {self.expression(parts[1])}>"
        elif origin is tuple:
            text = f"[{', '.join(map(self.expression, parts))}]"
        else:
            text = self._record(kind)
        return text

    def _sequence(self, kind: Any, length: int | None) -> str:
        """Return what a constraint is about; a sequence of one known length as a tuple."""
        if get_origin(kind) is Sequence:
            (element,) = get_args(kind)
            if length is None:
                return f"{self._element(element)}[]"
            return f"[{', '.join([self.expression(element)] * length)}]"
        return self.expression(kind)

    def _element(self, kind: Any) -> str:
        text = self.expression(kind)
        return f"({text})" if " | " in text and text[0] != "[" else text

    def _record(self, kind: Any) -> str:
        name = str(kind.__name__)
        if name in self.records:
            return name
        self.records[name] = ""  # its place, before those that it holds
        if issubclass(kind, BaseModel):
            fields = [
                (each, info.annotation, info.is_required())
                for each, info in kind.model_fields.items()
            ]
        else:
            hints = get_type_hints(kind, include_extras=True)
            fields = [(each, hint, each in kind.__required_keys__) for each, hint in hints.items()]
        lines = [
            f"  {each}{'' if required else '?'}: {self.expression(hint)};"
            for each, hint, required in fields
        ]
        summary = (kind.__doc__ or "").splitlines()
        doc = f"/** {summary[0]} */\n" if summary and not summary[0].startswith("dict(") else ""
        self.records[name] = f"{doc}interface {name} {{\n" + "\n".join(lines) + "\n}\n"
        return name

    def part(self, part: DrawnPart) -> str:
        """Return the type of what the function that draws a part is given."""
        events = [f"{name}: {self.expression(kind)}" for name, kind in part.events.items()]
        server = [
            f"{name}(asked: {self.expression(asked)}): "
            f"Promise<{self.expression(answer)} | undefined>"
            for name, (asked, answer) in part.server.items()
        ]
        value = self.expression(part.value)
        return f"Part<\n    {value},\n    {_members(events)},\n    {_members(server)}\n  >"


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _members(members: list[str]) -> str:
    if not members:
        return "Nothing"
    return "{\n" + "".join(f"      {each};\n" for each in members) + "    }"


def declare_records() -> str:
    """Return the text of `records.d.ts`."""
    declarations = Declarations()
    parts = [f"  {name}: {declarations.part(part)};" for name, part in DRAWN_PARTS.items()]
    table = "/** What each part is given, by the name of the function that draws it. */\n"
    table += "interface DrawnParts {\n" + "\n".join(parts) + "\n}\n"
    return "\n".join([_HEADER, _PART, *declarations.records.values(), table])


if __name__ == "__main__":
    PATH.write_text(declare_records(), encoding="utf-8")
