"""The first load of a model that nobody has vouched for, in a process that may die of it.

`floe.llama.gguf_checks` finds what llama.cpp is known to end the process over; this is the wall
behind it. It costs a load and a second, once a file: models of the catalog are known by their
hash, and a file that has been tried is remembered by its size, its time of change and its header.

    python -m floe.llama.trial_load MODEL
"""

import hashlib
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import llama_cpp

from floe.child_environment import child_environment
from floe.errors import FloeError, ModelError
from floe.llama.gguf_checks import check_model
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.records import ChatMessage
from floe.resources import IMPORT_ROOT

NOTES: Final = "tried-models.json"
SECONDS: Final = 300
"""A model of 8 GB is read from a slow disk in two minutes."""
_CONTEXT: Final = 300
_REFUSED: Final = 3
_PROGRAM: Final = (sys.executable, "-m", "floe.llama.trial_load")
_TEXT: Final = "Hi \u6771\U0001f600\n\x01"
"""Characters that a small vocabulary has no word for, too."""


def try_loading(path: Path, notes_dir: Path) -> None:
    """Load `path` in another process, unless this very file has been loaded so before.

    Args:
        path: a GGUF model.
        notes_dir: where to remember it.

    Raises:
        ModelError: it cannot be loaded, or llama.cpp ends over it.
    """
    stamp = _stamp(path)
    notes = _read_notes(notes_dir / NOTES)
    if notes.get(str(path.resolve())) == stamp:
        return
    fault = _fault(path)
    if fault:
        raise ModelError(fault)
    _write_notes(notes_dir / NOTES, {**notes, str(path.resolve()): stamp})


def _fault(path: Path) -> str:
    """Say why it cannot be loaded; empty if it can."""
    try:
        done = subprocess.run(
            [*_PROGRAM, str(path)],
            env=child_environment(),
            cwd=IMPORT_ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{path.name} took more than {SECONDS} seconds to load. Choose a smaller model."
    if done.returncode == _REFUSED:
        return done.stdout.decode("utf-8", "replace").strip()[:2000]
    if done.returncode != 0:
        return (
            f"llama.cpp broke down over {path.name} when it was tried: the file is damaged, or too "
            "new for this version. Fetch it again, or choose another."
        )
    return ""


def _stamp(path: Path) -> list[int | str]:
    header = check_model(path)
    status = path.stat()
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(header.size)).hexdigest()
    return [status.st_size, status.st_mtime_ns, digest, llama_cpp.__version__]


def _read_notes(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        notes = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(notes, dict):
            return notes
    return {}


def _write_notes(path: Path, notes: dict[str, Any]) -> None:
    """Write the notes; they only save time, so a folder that cannot be written is no error."""
    with suppress(OSError):
        part = path.with_name(f"{path.name}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(notes, file, indent=1)
        part.replace(path)


def main() -> int:
    """Do on a small scale what a chat does."""
    path = Path(sys.argv[1])
    try:
        with LlamaModel(path, context=_CONTEXT, threads=1) as model:
            prompt = PromptBuilder(model).build([ChatMessage("user", _TEXT)])
            model.prefill(prompt.tokens[:_CONTEXT], lambda: False)
            model.roll_back(len(model.tokens) - 1)
            model.evaluate(prompt.tokens[-1:])
            model.embed(_TEXT)
    except (FloeError, RuntimeError, ValueError) as error:
        print(error if isinstance(error, FloeError) else f"{path.name} cannot be used: {error}.")
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
