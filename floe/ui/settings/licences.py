"""What Floe is made of: versions and licences of itself and of the packages that it stands on."""

import platform
from importlib import metadata
from typing import Final

import floe
from floe.llama.build import read_build
from floe.ui.page_values import LicencesValue

PACKAGES: Final = (
    *("gradio", "markdown-it-py", "math-core", "nh3", "Pygments", "llama-cpp-python", "gguf"),
    *("numpy", "jinja2", "psutil", "openai", "keyring", "httpx2", "idna", "starlette", "uvicorn"),
    *("orjson", "charset-normalizer", "httpx", "huggingface_hub", "truststore", "tenacity"),
    *("filelock", "tqdm", "sqlite-utils", "pydantic", "pydantic-settings", "platformdirs"),
    *("safetensors", "pypdf", "phonenumbers", "python-stdnum", "detect-secrets", "regex"),
    *("tokenizers", "onnxruntime"),
    *("cryptography", "scipy"),
    *("torch", "transformers", "peft", "accelerate", "threadpoolctl", "flwr"),
    *("dp-accounting", "scikit-learn"),
)
"""What `pyproject.toml` asks for, those of the extras for training and groups last."""

_LONGEST: Final = 40
"""Characters; some packages put the whole text of their licence into the field for its name."""


def licences_value() -> LicencesValue:
    """Tell the versions of Floe and of what it stands on, as far as it is installed."""
    rows = [(name, *found) for name in PACKAGES if (found := _package(name)) is not None]
    return {
        "version": floe.__version__,
        "python": platform.python_version(),
        "build": read_build().sentence,
        "packages": rows,
    }


def _package(name: str) -> tuple[str, str] | None:
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    return found["Version"], _licence(found)


def _licence(found: metadata.PackageMetadata) -> str:
    """Return a licence's short name: the expression, the field, or that of the classifiers."""
    names = found.get_all("License-Expression") or found.get_all("License") or [""]
    expression = str(names[0])
    if expression and len(expression) <= _LONGEST and "\n" not in expression:
        return expression
    classifiers = found.get_all("Classifier") or []
    named = [each.split(" :: ")[-1] for each in classifiers if each.startswith("License :: ")]
    return ", ".join(named) or "see its own files"
