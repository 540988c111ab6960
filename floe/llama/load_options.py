"""How a model is loaded: context, layers on a graphics card, attention, cache; each with a reason.

What is left to this module is chosen by what the build can do, the model's size and the memory
that is free. Threads are chosen in `floe.llama.threads`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from floe.errors import ModelError
from floe.llama.build import LlamaBuild
from floe.llama.cache_size import CACHE_BYTES, cache_bytes_per_token
from floe.llama.free_memory import free_memory
from floe.llama.gguf_header import GgufHeader
from floe.units import format_gigabytes

FlashAttention = Literal["auto", "on", "off"]
CacheType = Literal["auto", "f16", "q8_0", "q4_0"]

USUAL_CONTEXT: Final = 4096
_SHORTEST: Final = 1024
_CACHE_SHARE: Final = 0.5
"""Most of the memory that is free beside the weights which the cache may take by itself."""
_CARD_MARGIN: Final = 500e6
"""Bytes of a card that stay free, for buffers of a batch and for the screen."""


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """Options of the person. `gpu_layers` None, "auto", a context of 0: the choice is left here."""

    context: int = 0
    gpu_layers: int | None = None
    flash_attention: FlashAttention = "auto"
    cache_type: CacheType = "auto"


class ChosenOption(NamedTuple):
    """An option as a person reads it: its name, its value, and the reason for it."""

    name: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Parameters with which a model is to be loaded.

    `gpu_layers` counts from the last layer on. `flash_attention` None: llama.cpp decides.
    """

    context: int
    gpu_layers: int
    flash_attention: bool | None
    cache_type: Literal["f16", "q8_0", "q4_0"]
    shown: tuple[ChosenOption, ...]


def plan_load(path: Path, header: GgufHeader, options: LlamaOptions, build: LlamaBuild) -> LoadPlan:
    """Choose what the person left open.

    Raises:
        ModelError: the options do not go together, or this build cannot do what they ask.
    """
    cache_type, cache_reason = _choose_cache(options)
    per_token = cache_bytes_per_token(header) * CACHE_BYTES[cache_type] / CACHE_BYTES["f16"]
    size = path.stat().st_size
    context, context_reason = _choose_context(options.context, header, per_token, size)
    layers, layers_reason = _choose_layers(
        options.gpu_layers, header, size + context * per_token, build
    )
    flash, flash_reason = _choose_flash(options, cache_type)
    attention = {None: "as llama.cpp decides", True: "on", False: "off"}[flash]
    return LoadPlan(
        context,
        layers,
        flash,
        cache_type,
        (
            ChosenOption("Context", f"{context:,} tokens", context_reason),
            ChosenOption("Layers on the graphics card", f"{layers}", layers_reason),
            ChosenOption("Flash attention", attention, flash_reason),
            ChosenOption(
                "Cache",
                f"{cache_type}, {format_gigabytes(context * per_token / 1e6)}",
                cache_reason,
            ),
        ),
    )


def _choose_cache(options: LlamaOptions) -> tuple[Literal["f16", "q8_0", "q4_0"], str]:
    if options.cache_type == "auto":
        return "f16", "the most exact; q8_0 takes about half where memory is short"
    if options.cache_type != "f16" and options.flash_attention == "off":
        raise ModelError(
            f"A cache of the kind {options.cache_type} needs flash attention, and that is switched "
            "off. Set flash_attention to auto, or cache_type to f16."
        )
    return options.cache_type, "set by you"


def _choose_context(
    wished: int, header: GgufHeader, per_token: float, size: int
) -> tuple[int, str]:
    trained = int(header.number(f"{header.text('general.architecture')}.context_length") or 0)
    most = trained if trained > 0 else 1 << 30
    if wished:
        if wished > most:
            return most, f"you set {wished:,}, but the model was trained on no more"
        return wished, "set by you"
    context = min(USUAL_CONTEXT, most)
    room = _CACHE_SHARE * max(free_memory().bytes - size, 0)
    if context * per_token <= room or context <= _SHORTEST:
        why = "the model was trained on no more" if context == most else "enough for a long chat"
        return context, why
    while context > _SHORTEST and context * per_token > room:
        context //= 2
    return max(context, _SHORTEST), "as many as fit into the memory that is free"


def _choose_layers(
    wished: int | None, header: GgufHeader, needed: float, build: LlamaBuild
) -> tuple[int, str]:
    """Count the output as a layer of its own, as llama.cpp does."""
    architecture = header.text("general.architecture")
    every = int(header.number(f"{architecture}.block_count") or 0) + 1
    if wished:
        if not build.offload:
            raise ModelError(
                f"This build of llama.cpp has no code for graphics cards, so gpu_layers = {wished} "
                "cannot be done. Leave it out, or install another build (docs/models.md)."
            )
        return min(wished, every), "set by you"
    if wished == 0:
        return 0, "set by you"
    if not build.offload:
        return 0, "this build of llama.cpp is for the processor alone"
    if not build.devices:
        return 0, "no graphics card was found"
    free = sum(each.free for each in build.devices)
    room = free - _CARD_MARGIN * len(build.devices)
    card = build.devices[0].name if len(build.devices) == 1 else f"{len(build.devices)} cards"
    if not any(each.total for each in build.devices) or room >= needed:
        return every, f"all of them fit on {card}"
    layers = max(0, int(every * room / needed))
    have = format_gigabytes(max(room, 0) / 1e6)
    return layers, f"as many of {every} as fit into {have} of {card}"


def _choose_flash(options: LlamaOptions, cache_type: str) -> tuple[bool | None, str]:
    if options.flash_attention != "auto":
        return options.flash_attention == "on", "set by you"
    if cache_type != "f16":
        return True, f"a cache of the kind {cache_type} needs it"
    return None, "it is used where processor and model can"
