"""The installed build of llama.cpp: its processors, asked of the build itself."""

import ctypes
import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import llama_cpp
from llama_cpp import llama_cpp as lib

from floe.store.text import one_line
from floe.units import format_gigabytes

logger = logging.getLogger(__name__)

_GPU_TYPES: Final = frozenset({1, 2})
"""GGML_BACKEND_DEVICE_TYPE_GPU and _IGPU of ggml-backend.h."""
_LONGEST: Final = 60


@dataclass(frozen=True, slots=True)
class GraphicsDevice:
    """A graphics processor that this build can use; memory in bytes, 0 where it does not say."""

    name: str
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class LlamaBuild:
    """Features of the installed build. `offload`: it has code for some graphics processor."""

    version: str
    offload: bool
    devices: tuple[GraphicsDevice, ...]

    @property
    def sentence(self) -> str:
        """Say it to a person."""
        if not self.offload:
            return (
                f"llama.cpp {self.version}, built for the processor alone: layers cannot be put on "
                "a graphics card. docs/models.md says how to install a build that can."
            )
        if not self.devices:
            return (
                f"llama.cpp {self.version}, built for graphics cards too, but it finds none here."
            )
        names = ", ".join(
            f"{each.name} ({format_gigabytes(each.free / 1e6)} free)" for each in self.devices
        )
        return f"llama.cpp {self.version}, which finds {names}."


def read_build() -> LlamaBuild:
    """Ask the installed build; the free memory of its devices is that of this moment."""
    offload = bool(lib.llama_supports_gpu_offload())
    return LlamaBuild(llama_cpp.__version__, offload, _devices() if offload else ())


def uses_amx() -> bool:
    """Return whether the build multiplies in AMX's tiles where weights are laid out anew.

    GCC 12 keeps 8 of the 64 bytes that set the tiles up (its `_tile_loadconfig` names a pointer as
    what it reads), so that what it builds ends the program by chance, or computes nonsense.
    """
    return b"AMX_INT8 = 1" in lib.llama_print_system_info()


def _devices() -> tuple[GraphicsDevice, ...]:
    ggml = _registry()
    if ggml is None:
        return ()
    found = []
    for index in range(min(ggml.ggml_backend_dev_count(), lib.llama_max_devices())):
        device = ggml.ggml_backend_dev_get(index)
        if ggml.ggml_backend_dev_type(device) not in _GPU_TYPES:
            continue
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        ggml.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
        name = (ggml.ggml_backend_dev_description(device) or b"").decode("utf-8", "replace")
        found.append(
            GraphicsDevice(one_line(name)[:_LONGEST] or "a graphics card", free.value, total.value)
        )
    return tuple(found)


@lru_cache(maxsize=1)
def _registry() -> Any:
    """Return ggml's library with the types of its functions; None where it does not have them."""
    try:
        from llama_cpp._ggml import libggml as ggml  # noqa: PLC0415

        pointer, number = ctypes.c_void_p, ctypes.c_size_t
        ggml.ggml_backend_dev_count.argtypes = []
        ggml.ggml_backend_dev_count.restype = number
        ggml.ggml_backend_dev_get.argtypes = [number]
        ggml.ggml_backend_dev_get.restype = pointer
        ggml.ggml_backend_dev_type.argtypes = [pointer]
        ggml.ggml_backend_dev_type.restype = ctypes.c_int
        ggml.ggml_backend_dev_description.argtypes = [pointer]
        ggml.ggml_backend_dev_description.restype = ctypes.c_char_p
        sizes = ctypes.POINTER(number)
        ggml.ggml_backend_dev_memory.argtypes = [pointer, sizes, sizes]
        ggml.ggml_backend_dev_memory.restype = None
    except (ImportError, AttributeError):
        logger.warning("the devices of this build of llama.cpp cannot be listed")
        return None
    return ggml
