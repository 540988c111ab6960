"""Runs a program that a model wrote, apart from everything: see `sandbox_child.py` for the walls.

A process of its own with an empty environment, in a folder of its own, with limits on time,
memory, files and processes, without network.
"""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

SECONDS: Final = 8.0
"""Longest time of one program, start of the process included."""
_CHILD: Final = Path(__file__).with_name("sandbox_child.py")


def passes(program: str, seconds: float = SECONDS) -> bool:
    """Run a program; True if it came to its end without an error, within `seconds`.

    One that ends its process by itself has not come to its end: only then is the word written
    that it does not know.
    """
    word = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="floe-answer-") as folder:
        said = Path(folder) / "said"
        work = Path(folder) / "work"
        work.mkdir()
        with said.open("wb") as output:
            child = subprocess.Popen(
                # Isolated, without site-packages, writing no byte code.
                [sys.executable, "-I", "-S", "-B", str(_CHILD), word],
                stdin=subprocess.PIPE,
                stdout=output,  # a file, because a limit on files bounds it
                stderr=subprocess.DEVNULL,
                cwd=work,
                env={},
                start_new_session=True,
            )
            try:
                child.communicate(program.encode("utf-8", "replace"), timeout=seconds)
            except subprocess.TimeoutExpired:
                pass
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        return child.returncode == 0 and said.read_bytes() == word.encode()
