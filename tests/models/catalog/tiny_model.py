"""A model of 50,000 bytes, on a hub and in the chunks of two wheels."""

import hashlib
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest

from floe.models import catalog as module
from floe.models.catalog import (
    Catalog,
    CatalogEntry,
    HubSource,
    WheelPart,
    WheelSource,
)
from tests.models.file_server import FileServer

BODY = b"GGUF" + random.Random(2).randbytes(50_000)
REVISION = "0123456789abcdef" * 2 + "01234567"
HUB_PATH = f"/someone/tiny-GGUF/resolve/{REVISION}/tiny.gguf"
HUB = HubSource(kind="hub", repo="someone/tiny-GGUF", revision=REVISION, filename="tiny.gguf")
WHEELS = WheelSource(
    kind="wheel",
    parts=(
        WheelPart(requirement="tiny-part1==1.0", member="tiny_part1/part01.bin"),
        WheelPart(requirement="tiny-part2==1.0", member="tiny_part2/part02.bin"),
    ),
)
CUT = 20_000
"""Where the tiny model is cut into the chunks of its two wheels."""


def entry_from(*sources: HubSource | WheelSource, **changes: Any) -> CatalogEntry:
    fields: dict[str, Any] = {
        "id": "tiny",
        "title": "Tiny",
        "role": "For tests.",
        "filename": "tiny.gguf",
        "size": len(BODY),
        "sha256": hashlib.sha256(BODY).hexdigest(),
        "licence": "MIT",
        "memory_mb": 1,
        "architecture": "llama",
        "parameters": "1",
        "sources": sources or (HUB,),
    }
    return CatalogEntry.model_validate(fields | changes)


def build_wheel(folder: Path, name: str, member: str, content: bytes) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def publish(server: FileServer, *wheels: Path, hashes: bool = True) -> None:
    """Put the wheels into the server's package index."""
    for wheel in wheels:
        content = wheel.read_bytes()
        name = wheel.name.partition("-")[0].replace("_", "-")
        mark = f"#sha256={hashlib.sha256(content).hexdigest()}" if hashes else ""
        server.files[f"/files/{wheel.name}"] = content
        server.files[f"/simple/{name}/"] = (
            f'<!DOCTYPE html><a href="/files/{wheel.name}{mark}">{wheel.name}</a>'.encode()
        )


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def only(monkeypatch: pytest.MonkeyPatch, *entries: CatalogEntry) -> None:
    monkeypatch.setattr(module, "load_catalog", lambda: Catalog(models=entries))
