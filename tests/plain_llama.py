"""llama-cpp-python's own classes and server, on builds that set AMX's tiles up wrongly as well.

`python -m tests.plain_llama` is `python -m llama_cpp.server`, without AMX (see `uses_amx`).
"""

import runpy
from typing import Any

from llama_cpp import llama_cpp as lib

from floe.llama.build import uses_amx


def leave_out_amx() -> None:
    """Let every model be loaded as Floe loads it, where the build has AMX."""
    if not uses_amx():
        return
    defaults = lib.llama_model_default_params

    def plain() -> Any:
        parameters = defaults()
        parameters.use_extra_bufts = False
        return parameters

    lib.llama_model_default_params = plain


if __name__ == "__main__":
    leave_out_amx()
    runpy.run_module("llama_cpp.server", run_name="__main__")
