"""A model hub on loopback: what the pages of `floe.models.hub` ask, over the misbehaving server."""

import hashlib
import json
from typing import Any

from tests.models.file_server import FileServer

REVISION = "89abcdef" * 5


def publish_repository(
    server: FileServer,
    repo: str,
    files: dict[str, bytes],
    *,
    licence: str = "apache-2.0",
    architecture: str = "llama",
    hashes: dict[str, str] | None = None,
) -> None:
    """Put a repository onto the hub; `hashes` replaces what it says of a file (empty: nothing)."""
    siblings: list[dict[str, Any]] = [{"rfilename": "README.md", "size": 10}]
    for name, content in files.items():
        sha256 = (hashes or {}).get(name, hashlib.sha256(content).hexdigest())
        entry: dict[str, Any] = {"rfilename": name, "size": len(content)}
        if sha256:
            entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
        siblings.append(entry)
        server.files[f"/{repo}/resolve/{REVISION}/{name}"] = content
    info = {
        "id": repo,
        "modelId": repo,
        "sha": REVISION,
        "downloads": 1234,
        "gated": False,
        "private": False,
        "tags": ["gguf", f"license:{licence}"],
        "gguf": {"architecture": architecture, "context_length": 1024},
        "siblings": siblings,
    }
    server.files[f"/api/models/{repo}"] = json.dumps(info).encode()
    found = json.loads(server.files.get("/api/models", b"[]"))
    summary = {key: info[key] for key in ("id", "downloads", "gated", "tags")}
    server.files["/api/models"] = json.dumps([*found, summary]).encode()


def file_path(repo: str, name: str) -> str:
    """The path of a file's content on the server."""
    return f"/{repo}/resolve/{REVISION}/{name}"
