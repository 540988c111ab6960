"""Gives files to llama.cpp without a look at them first, each in a fork, and tells how it ended.

    python -m tests.llama.loading MODEL… [--adapters BASE]

One line of JSON a file: "loaded", "refused" (llama.cpp said no), or the signal that ended it.
"""

import json
import os
import signal
import sys
from pathlib import Path

from llama_cpp import llama_cpp as lib

from floe.errors import FloeError
from floe.llama import runtime
from floe.llama.load_options import LoadPlan

SECONDS = 30


def load(path: Path, base: Path | None) -> None:
    """What a chat does with a model, on a small scale."""
    with runtime.LlamaModel(base or path, context=300, threads=1) as model:
        if base is not None:
            model.use_adapters([(model.load_adapter(path), 1.0)])
        # Characters that a small vocabulary has no word for, too.
        tokens = model.vocabulary.tokenize_prompt(
            "Hi \u6771\U0001f600\n", parse_special=True, add_bos=True
        )
        model.prefill([each % len(model.vocabulary) for each in tokens], lambda: False)
        model.evaluate([3])
        model.roll_back(1)
        model.embed("text")


def outcome(path: Path, base: Path | None) -> str:
    """How loading ends, told from outside."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            load(path, base)
        except (FloeError, RuntimeError, ValueError, OverflowError):
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return "loaded" if os.WEXITSTATUS(status) == 0 else "refused"


def main() -> None:
    """Read the command line."""
    os.environ["GGML_NO_BACKTRACE"] = "1"
    given = sys.argv[1:]
    base = None
    if "--adapters" in given:
        at = given.index("--adapters")
        base = Path(given[at + 1])
        del given[at : at + 2]
    for name in ("check_model", "check_adapter"):
        setattr(runtime, name, lambda *paths: None)
    # What is planned by the header is planned by nothing here.
    plan = LoadPlan(256, 0, None, "f16", ())
    setattr(runtime, "plan_load", lambda *arguments: plan)  # noqa: B010 (mypy: another type)
    lib.llama_backend_init()
    for name in given:
        print(json.dumps({"path": name, "outcome": outcome(Path(name), base)}), flush=True)


if __name__ == "__main__":
    main()
