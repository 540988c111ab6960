"""The `fuzz` bench: what comes from outside, broken on purpose, given to the parsers that are ours.

Valid inputs are changed where it hurts (counts, lengths, kinds, nesting, pieces left out or
doubled), and some are bytes without sense. Every case must end in a value or in the error that the
parser declares, within a second; anything else is a crash, and is reported with its input. The
same seed makes the same cases.
"""

import base64
import importlib
import io
import json
import math
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

from floe.bench import fuzz_seeds as seeds
from floe.bench.fuzz_wire import check_rows, make_stream, read_stream
from floe.chats.importing import ChatSource
from floe.chats.jsonl import iterate_chat_lines
from floe.cloud.client import Exchange
from floe.cloud.probe.evidence import read_answer
from floe.cloud.protocol.distributions import TokenReader
from floe.config import Settings
from floe.errors import DataError, FederationError, FloeError
from floe.llama.gguf_checks import check_adapter_header, check_model_header
from floe.llama.gguf_header import GgufHeader, HeaderError, parse_gguf_header

DEFAULT_CASES: Final = 1_000_000
HANG_SECONDS: Final = 1.0
_WAIT_SECONDS: Final = 60.0
_MEMORY_BYTES: Final = 2 << 30
"""Address space that all cases together may take beyond what the program has at the start."""
_MOST_CRASHES: Final = 20
_PROTOCOL_ERRORS: Final = (KeyError, TypeError, ValueError, AttributeError)
"""Errors that the reader of the cloud's rows declares; its callers make sentences of them."""


@dataclass(frozen=True, slots=True)
class FuzzTarget:
    """A parser under test. `share`: its part of all cases; `declared`: errors that are answers."""

    name: str
    share: float
    make: Callable[[random.Random], bytes]
    run: Callable[[bytes], object]
    declared: tuple[type[Exception], ...]


@dataclass(slots=True)
class FuzzReport:
    """Result of one parser's cases."""

    cases: int = 0
    accepted: int = 0
    slowest_ms: float = 0.0
    crashes: list[dict[str, Any]] = field(default_factory=list)


class HangError(BaseException):
    """A case took too long; no `except Exception` of a parser may swallow it."""


def run(cases: int = DEFAULT_CASES, seed: int = 1) -> dict[str, object]:
    """Try so many cases over all parsers; figures for each, and what crashed."""
    reports: dict[str, FuzzReport] = {}
    with _bounded_memory():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for target in fuzz_targets():
            started = time.perf_counter()
            report = fuzz_parser(target, max(1, round(cases * target.share)), seed)
            reports[target.name] = report
            _tell(target.name, report.cases, time.perf_counter() - started)
        group = fuzz_group_messages(max(1, round(cases * _GROUP_SHARE)), seed)
        if group is not None:
            reports["group_messages"] = group
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    slowest = max(reports, key=lambda name: reports[name].slowest_ms)
    return {
        "seed": seed,
        "cases": {name: report.cases for name, report in reports.items()},
        "accepted": {name: report.accepted for name, report in reports.items()},
        "total": sum(report.cases for report in reports.values()),
        "slowest_ms": round(reports[slowest].slowest_ms, 1),
        "slowest": slowest,
        "extra_memory_mb": round((after - before) / 1024, 1),
        "crashes": [crash for report in reports.values() for crash in report.crashes],
    }


def fuzz_parser(target: FuzzTarget, cases: int, seed: int) -> FuzzReport:
    """Try so many cases on one parser."""
    report = FuzzReport()
    dice = random.Random(f"{seed}-{target.name}")  # noqa: S311 - cases, no secrets
    with tempfile.TemporaryDirectory() as folder, chdir(folder), _watchdog() as watch:
        with suppress(Exception):
            target.run(target.make(random.Random(0)))  # noqa: S311 - what is imported is not timed
        while report.cases < cases and len(report.crashes) < _MOST_CRASHES:
            data = target.make(dice)
            report.cases += 1
            started = time.process_time()
            try:
                with watch():
                    target.run(data)
                report.accepted += 1
            except target.declared:
                pass
            except (Exception, HangError) as error:
                report.crashes.append(_crash(target.name, error, data))
            report.slowest_ms = max(report.slowest_ms, (time.process_time() - started) * 1e3)
    return report


def fuzz_group_messages(cases: int, seed: int) -> FuzzReport | None:
    """Whole messages of a group, by the bench that belongs to it; None where it is not there."""
    try:
        module = importlib.import_module("floe.bench.fuzz_group")
    except ModuleNotFoundError:
        return None
    report = FuzzReport()
    started = time.perf_counter()
    try:
        report.cases = module.fuzz(cases, seed)
    except AssertionError as error:
        report.crashes.append(_crash("group_messages", error, b""))
    _tell("group_messages", cases, time.perf_counter() - started)
    return report


def fuzz_targets() -> tuple[FuzzTarget, ...]:
    """All parsers that are ours and read what others wrote."""
    return (
        FuzzTarget("gguf_header", 0.23, seeds.make_gguf, _read_gguf, (HeaderError,)),
        FuzzTarget("chat_export", 0.05, seeds.make_chat_export, _read_export, (DataError,)),
        FuzzTarget("chat_file", 0.15, seeds.make_chat_file, _read_chat_file, (DataError,)),
        FuzzTarget("cloud_chunks", 0.2, seeds.make_chunks, _read_chunks, _PROTOCOL_ERRORS),
        FuzzTarget("token_spelling", 0.1, seeds.make_spelling, _read_spelling, ()),
        FuzzTarget("cloud_text", 0.1, make_stream, read_stream, ()),
        FuzzTarget("settings", 0.02, seeds.make_settings, _read_settings, (FloeError,)),
        FuzzTarget("group_arrays", 0.15, seeds.make_group_arrays, _read_arrays, (FederationError,)),
    )


_GROUP_SHARE: Final = 0.05
_BASE_HEADER: Final[list[GgufHeader]] = []


def _read_gguf(data: bytes) -> None:
    if not _BASE_HEADER:
        _BASE_HEADER.append(parse_gguf_header(seeds.GGUF_MODEL))
    header = parse_gguf_header(data)
    if header.text("general.type") == "adapter":
        check_adapter_header(header, _BASE_HEADER[0])
    else:
        check_model_header(header)


def _read_chat_file(data: bytes) -> None:
    for chat in iterate_chat_lines(io.BytesIO(data), "chats.jsonl"):
        for message in chat:
            message.content.encode("utf-8")  # the store takes nothing else


def _read_export(data: bytes) -> None:
    source = ChatSource()
    for chat in source.read(io.BytesIO(data), "export"):
        assert chat.messages, "a chat of nothing"
        for message in chat.messages:
            message.content.encode("utf-8")
            assert message.content.strip(), "an empty message"
    for each in source.left_out:
        f"{each.where} {each.why}".encode()


def _read_chunks(data: bytes) -> None:
    exchange = Exchange()
    for line in data.split(b"\n"):
        if line.startswith(b"data: "):
            try:
                exchange.chunks.append(json.loads(line[6:]))
            except RecursionError:
                return  # openai's own decoding ends there; what it raises becomes a sentence
            exchange.at_ms.append(0.0)
    check_rows(read_answer(exchange, "The begin").tokens)


def _read_spelling(data: bytes) -> None:
    reader = TokenReader("")
    rows = []
    for entry in json.loads(data):
        content = entry["token"] if isinstance(entry["token"], str) else " far"
        choice = {"delta": {"content": content}, "logprobs": {"content": [entry]}}
        rows += reader.read(choice)
    check_rows(rows + reader.read({"delta": {}, "finish_reason": "stop"}))


def _read_settings(data: bytes) -> None:
    Path("floe.toml").write_bytes(data)
    settings = Settings.load()
    assert math.isfinite(settings.deadline_ms), "a wait without an end"
    assert settings.context == 0 or 256 <= settings.context <= 1 << 20, "a context that cannot be"


def _read_arrays(data: bytes) -> None:
    # Imported here: Flower takes seconds, and only this parser needs it.
    from flwr.app import Array, ArrayRecord  # noqa: PLC0415

    from floe.federation.app.array_records import from_record  # noqa: PLC0415
    from floe.federation.app.update import from_arrays  # noqa: PLC0415

    arrays: dict[str, Array] = {}
    offset = 0
    while offset + 4 <= len(data):
        name_length, length = struct.unpack_from("<HH", data, offset)
        offset += 4
        name = data[offset : offset + name_length].decode("utf-8", "replace")
        offset += name_length
        arrays[name] = Array("float32", (1,), "numpy.ndarray", data[offset : offset + length])
        offset += length
    from_arrays(from_record(ArrayRecord(arrays), 1 << 16, 8))


def _crash(name: str, error: BaseException, data: bytes) -> dict[str, Any]:
    return {
        "parser": name,
        "error": f"{type(error).__name__}: {error}"[:300],
        "input_base64": base64.b64encode(data).decode()[:20_000],
    }


def _tell(name: str, cases: int, seconds: float) -> None:
    print(f"fuzz: {cases:,} cases of {name} in {seconds:.0f} s", file=sys.stderr)


@contextmanager
def _watchdog() -> Iterator[Callable[[], Any]]:
    """Throw `HangError` into a case that takes too long; only the main thread has alarms.

    Processor time counts, because others may keep the processor; what waits for something that
    never comes takes none, and is told by the clock.
    """
    if threading.current_thread() is not threading.main_thread():
        yield _unwatched
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise HangError(f"more than {HANG_SECONDS} s of the processor, or {_WAIT_SECONDS} s")

    @contextmanager
    def watch() -> Iterator[None]:
        signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, _WAIT_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGALRM, signal.SIGPROF)}
    try:
        yield watch
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _unwatched() -> Iterator[None]:
    yield


@contextmanager
def _bounded_memory() -> Iterator[None]:
    """Let a case that takes gigabytes fail, where the system can (not on macOS or Windows)."""
    if not sys.platform.startswith("linux"):
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    # Flower and its libraries map a good deal more when they are imported.
    limit = pages * os.sysconf("SC_PAGE_SIZE") + _MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
