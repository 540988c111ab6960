"""Chat templates of foreign files and servers: programs in Jinja, run within bounds.

Jinja's sandbox keeps a template from Python's internals, but not from time and memory: a loop in a
loop over `range(100000)` runs for hours, `'a' * 10**10` takes ten gigabytes. Here operators,
methods and filters that make texts longer are measured before they run, and a rendering that
takes too long is ended. Knows nothing of models.
"""

import json
import math
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ctypes import c_ulong, py_object, pythonapi
from datetime import datetime
from typing import Any, Final, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MAX_SOURCE: Final = 512 << 10
"""Characters of a template: the longest have some 30,000."""
MAX_LENGTH: Final = 16 << 20
"""Characters of any text that a template makes: a hundred times what a small model reads."""
MAX_SECONDS: Final = 5.0
"""A rendering takes milliseconds; one of 2,000 messages with an elaborate template, half a second.
"""
_TICK_SECONDS: Final = 0.25
_IDLE_TICKS: Final = 20
_MAX_ITEMS: Final = 100_000
_MAX_INDENT: Final = 100
_TEXT_METHODS: Final = frozenset(
    {
        "capitalize",
        "casefold",
        "count",
        "endswith",
        "find",
        "index",
        "isalnum",
        "isalpha",
        "isdigit",
        "islower",
        "isnumeric",
        "isspace",
        "isupper",
        "join",
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "replace",
        "rfind",
        "rindex",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "title",
        "upper",
    }
)
"""Those that make no text longer, and two that are measured. `format` and `center` are missed."""
_LIST_METHODS: Final = frozenset({"count", "index"})
_FILTERS: Final = frozenset(
    {
        "abs",
        "attr",
        "batch",
        "capitalize",
        "count",
        "d",
        "default",
        "dictsort",
        "e",
        "escape",
        "first",
        "float",
        "groupby",
        "int",
        "items",
        "last",
        "length",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "reject",
        "rejectattr",
        "reverse",
        "round",
        "safe",
        "select",
        "selectattr",
        "slice",
        "sort",
        "string",
        "sum",
        "title",
        "trim",
        "unique",
        "upper",
        "wordcount",
    }
)


class TemplateBoundsError(SecurityError):
    """A template wants more time or memory than any honest one."""


class BoundedTemplate:
    """A compiled chat template.

    Raises:
        TemplateError: it is broken, or goes beyond the bounds while it is compiled.
    """

    def __init__(self, source: str, *, keep_trailing_newline: bool = False) -> None:
        if len(source) > MAX_SOURCE:
            raise TemplateBoundsError("it is far too long")
        environment = _Environment(
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=keep_trailing_newline,
            extensions=[_GenerationTag, loopcontrols],
            finalize=_finalize,
        )
        with _bounded():
            self._template = environment.from_string(source)

    def render(self, values: Mapping[str, Any]) -> str:
        """Render the text for `values` (`messages`, `bos_token` and so on).

        Raises:
            TemplateError: it refuses the conversation, or goes beyond the bounds.
        """
        with _bounded():
            return _joined(self._template.generate(values))


class _GenerationTag(Extension):
    """`{% generation %}` marks what a model is trained on; here it marks nothing."""

    tags = {"generation"}  # noqa: RUF012 - jinja's own name and type

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Keep what stands within the tag."""
        parser.stream.skip(1)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _ConcatToAdd(NodeTransformer):
    """`a ~ b` as `a|string + b|string`: the one operator that a sandbox cannot intercept."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        """Visit a concatenation; Jinja finds this by its name."""
        self.generic_visit(node)
        texts: list[nodes.Expr] = [
            nodes.Filter(each, "string", [], [], None, None, lineno=node.lineno)
            for each in node.nodes
        ]
        joined = texts[0]
        for text in texts[1:]:
            joined = nodes.Add(joined, text, lineno=node.lineno)
        return joined


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with a measure on everything that makes texts longer."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.concat = _joined  # type: ignore[method-assign]
        self.globals.pop("lipsum", None)
        self.globals["raise_exception"] = _raise_exception
        self.globals["strftime_now"] = _strftime_now
        self.filters = {name: run for name, run in self.filters.items() if name in _FILTERS}
        self.filters |= {
            "indent": _indent,
            "join": _join,
            "replace": _replace,
            "string": _string,
            "tojson": _tojson,
        }

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _ConcatToAdd().visit(super()._parse(source, name, filename))
        tree.set_environment(self)
        return tree

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse results that no template needs, before they are made."""
        if operator == "**" or (operator == "%" and isinstance(left, str)):
            raise TemplateBoundsError(f"it uses the operator {operator}")
        if operator == "+":
            _require(_length(left) + _length(right))
        elif operator == "*":
            times = [max(each, 1) for each in (left, right) if isinstance(each, int)]
            _require(max(_length(left), _length(right)) * (times[0] if len(times) == 1 else 1))
            _require(max(times, default=1).bit_length())
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow only the harmless methods of texts, lists and numbers."""
        if isinstance(obj, str):
            return attr in _TEXT_METHODS
        if isinstance(obj, list | tuple):
            return attr in _LIST_METHODS
        if isinstance(obj, int | float | bytes | range):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """Let `format` be an attribute like any other: the width it fills up to has no bound."""
        del value

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Measure the two methods of texts that can make them longer."""
        text, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if isinstance(text, str) and name == "join" and args:
            return _join(args[0], text)
        if isinstance(text, str) and name == "replace" and len(args) >= 2:
            return _replace(text, *args)
        return super().call(__context, __obj, *args, **kwargs)


def _raise_exception(message: str) -> NoReturn:
    """Raise the error of a template that refuses a conversation."""
    raise TemplateError(message)


def _strftime_now(pattern: str) -> str:
    _require(len(pattern) * _MAX_INDENT)
    return datetime.now().astimezone().strftime(pattern)


def _require(length: int) -> None:
    if length > MAX_LENGTH:
        raise TemplateBoundsError("it makes texts that are far too long")


def _length(value: Any) -> int:
    """Count characters or items of a value; a list counts with what is in it."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_length(key) + _length(item) + 4 for key, item in value.items())
    if isinstance(value, list | tuple):
        return sum(_length(item) + 2 for item in value)
    return 8


def _finalize(value: Any) -> Any:
    if not isinstance(value, str):
        _require(_length(value))
    return value


def _joined(parts: Iterable[str]) -> str:
    kept: list[str] = []
    length = 0
    for part in parts:
        length += len(part)
        _require(length)
        kept.append(part)
    return "".join(kept)


def _items(values: Iterable[Any]) -> Iterator[Any]:
    for i, value in enumerate(values):
        if i >= _MAX_ITEMS:
            raise TemplateBoundsError("it makes lists that are far too long")
        yield value


def _join(values: Iterable[Any], separator: Any = "", attribute: str | None = None) -> str:
    found = _items(values)
    if attribute is not None:
        found = (each[attribute] for each in found)
    texts = [_string(each) for each in found]
    _require(sum(map(len, texts)) + len(_string(separator)) * len(texts))
    return _string(separator).join(texts)


def _replace(text: Any, old: str, new: str, count: int = -1) -> str:
    text, old, new = _string(text), _string(old), _string(new)
    _require(len(text) + (text.count(old) + 1) * len(new))
    return str(text.replace(old, new, -1 if count is None else count))


def _indent(text: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    if isinstance(width, int) and width > _MAX_INDENT:
        raise TemplateBoundsError("it indents texts too far")
    margin = width if isinstance(width, str) else " " * width
    lines = _string(text).splitlines()
    _require(sum(map(len, lines)) + (len(margin) + 1) * len(lines))
    shown = [margin + line if line or blank else line for line in lines[1:]]
    head = [] if not lines else [margin + lines[0] if first else lines[0]]
    return "\n".join(head + shown)


def _string(value: Any) -> str:
    _require(_length(value))
    return value if isinstance(value, str) else str(value)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Write JSON as transformers does for chat templates: without HTML's escapes."""
    if isinstance(value, Undefined):
        raise TemplateError("it writes a value that is not there")
    _require(_length(value))
    width = indent if isinstance(indent, int) and 0 <= indent <= _MAX_INDENT else None
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=width,
        separators=separators,
        sort_keys=sort_keys,
    )


@contextmanager
def _bounded() -> Iterator[None]:
    """Let what goes wrong in a template be a `TemplateError`, and end what takes too long."""
    try:
        with _WATCHDOG.watching(MAX_SECONDS):
            yield
    except TemplateError:
        raise
    except RecursionError:
        raise TemplateBoundsError("it calls itself without an end") from None
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as e:
        # AttributeError and the like come from templates that expect other messages.
        raise TemplateError(str(e) or type(e).__name__) from e


class _TimeUp(BaseException):
    """Thrown into a rendering from outside; no `except Exception` of a filter may swallow it."""


class _Watchdog:
    """Ends renderings that take too long; one thread for all, there only while it is needed.

    A thread or a timer for each rendering would take twenty times as long as the rendering.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deadlines: dict[int, float] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, seconds: float) -> Iterator[None]:
        """Throw `_TimeUp` into this thread after so long, which CPython does between bytecodes.

        No single call within a template is long, because texts and lists are measured.
        """
        thread = threading.get_ident()
        try:
            try:
                with self._lock:
                    self._deadlines[thread] = time.monotonic() + seconds
                    if self._thread is None:
                        self._thread = threading.Thread(
                            target=self._watch, name="template-watchdog", daemon=True
                        )
                        self._thread.start()
                yield
            finally:
                with self._lock:
                    self._deadlines.pop(thread, None)
                    # What was thrown in the last moment, and has not arrived, is taken back.
                    pythonapi.PyThreadState_SetAsyncExc(c_ulong(thread), None)
        except _TimeUp:
            with self._lock:
                self._deadlines.pop(thread, None)
            raise TemplateBoundsError("it takes far too long") from None

    def _watch(self) -> None:
        idle = 0
        while idle < _IDLE_TICKS:
            time.sleep(_TICK_SECONDS)
            with self._lock:
                idle = 0 if self._deadlines else idle + 1
                now = time.monotonic()
                for thread, deadline in self._deadlines.items():
                    if now >= deadline:
                        self._deadlines[thread] = math.inf  # once, or it would hit the clearing up
                        pythonapi.PyThreadState_SetAsyncExc(c_ulong(thread), py_object(_TimeUp))
                if idle == _IDLE_TICKS:
                    self._thread = None


_WATCHDOG: Final = _Watchdog()


def template_values(
    messages: Sequence[Mapping[str, str]], *, bos_text: str, eos_text: str
) -> dict[str, Any]:
    """Return what chat templates read, as llama-cpp-python and transformers give it to them."""
    return {
        "messages": messages,
        "bos_token": bos_text,
        "eos_token": eos_text,
        "add_generation_prompt": True,
        "functions": None,
        "function_call": None,
        "tools": None,
        "tool_choice": None,
        # Read by templates of models that think; what they would think is not asked for here.
        "enable_thinking": False,
    }
