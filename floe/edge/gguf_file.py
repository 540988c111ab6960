"""A look at a model file before llama.cpp has one."""

from pathlib import Path
from typing import Final

from floe.errors import ModelError

_MAGIC: Final = b"GGUF"


def check_gguf(path: Path) -> None:
    """See that `path` is a GGUF file.

    Raises:
        ModelError: there is no such file, it cannot be read, or it is something else.
    """
    if path.is_dir():
        raise ModelError(f"{path} is a folder. Give the path of a GGUF file inside it.")
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except FileNotFoundError:
        raise ModelError(f"There is no file {path}. Give the path of a GGUF file.") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}). Check its rights.") from error
    if magic != _MAGIC:
        raise ModelError(
            f"{path} is not a GGUF file. llama.cpp's convert_hf_to_gguf.py makes one from a "
            "Hugging Face model."
        )
