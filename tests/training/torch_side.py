"""transformers and peft, as the tests that hold Floe against them use them."""

import warnings
from pathlib import Path
from typing import Any

import torch


def from_gguf(path: Path) -> Any:
    """transformers' own model of a GGUF, in float32."""
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32
        )


def with_adapter(model: Any, folder: Path) -> Any:
    """The same with an adapter that peft loads."""
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PeftModel.from_pretrained(model, folder)


def lora(model: Any, **settings: Any) -> Any:
    """The same with a fresh adapter of peft's."""
    from peft import LoraConfig, get_peft_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_peft_model(model, LoraConfig(**settings))
