"""llama.cpp's own words, in the log of the program."""

import ctypes
import logging
from typing import Final

from llama_cpp import llama_cpp as lib

logger = logging.getLogger(__name__)

# llama.cpp's warnings are about the file or the build, nothing that a person could mend.
_LEVELS: Final = {2: logging.DEBUG, 3: logging.INFO, 4: logging.ERROR}


def _forward(level: int, text: bytes, _data: object) -> None:
    # llama.cpp ends a line in several calls; what is not a line of its own is noise.
    message = text.decode("utf-8", "replace").rstrip()
    if message and level in _LEVELS:
        logger.log(_LEVELS[level], "%s", message)


# The callback has a name here, because ctypes does not hold on to what it hands out.
_CALLBACK = lib.llama_log_callback(_forward)


def forward_log() -> None:
    """Forward the log from now on; more than once does no harm."""
    lib.llama_log_set(_CALLBACK, ctypes.c_void_p(0))
