"""The files beside an adapter's weights when it is handed over: model card, base, template.

A card is what the hub shows of a repository (`README.md`, with a head in YAML).
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # the registry writes cards
    from floe.adapters.registry import LearntAdapter

_UNKNOWN: Final = "not known"
_NO_REPO: Final = (
    "Neither the file nor Floe's catalog says from which repository its weights come, and of which "
    "revision. Name the base yourself where a program asks for it."
)


def peft_extras(adapter: "LearntAdapter") -> dict[str, str]:
    """Return the texts of an exported PEFT folder beside its own two files, by name.

    `chat_template.jinja` is the name under which transformers looks for it.
    """
    known = _provenance(adapter)
    found = {"README.md": write_card(adapter)}
    if known.get("chat_template"):
        found["chat_template.jinja"] = str(known["chat_template"])
    if known.get("system_prompt"):
        found["system_prompt.txt"] = str(known["system_prompt"])
    return found


def name_base(adapter: "LearntAdapter", config: bytes) -> bytes:
    """Put the repository of the true base into peft's configuration, where it is known."""
    origin = _provenance(adapter).get("origin") or {}
    if not origin.get("base_repo"):
        return config
    values = json.loads(config)
    values["base_model_name_or_path"] = origin["base_repo"]
    values["revision"] = origin.get("base_revision") or None
    return (json.dumps(values, indent=2) + "\n").encode()


def write_card(adapter: "LearntAdapter") -> str:
    """Write the model card."""
    known = _provenance(adapter)
    origin = known.get("origin") or {}
    parts = [
        _head(origin),
        f"# {adapter.name}\n\nA LoRA adapter that Floe "
        + (
            "brought in from elsewhere."
            if "brought_in" in adapter.metrics
            else _KINDS[adapter.kind]
        )
        + " An adapter can remember what it learnt from: treat it as you would those chats.",
        _base(origin, adapter.base_sha256),
        _plan(adapter),
        _data(adapter, known),
        _figures(adapter.metrics),
        _prompt(known),
        _use(origin),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_KINDS: Final = {
    "personal": "trained on one person's own chats, on their device.",
    "expert": "put together from the updates of several devices of a group.",
}


def _provenance(adapter: "LearntAdapter") -> Mapping[str, Any]:
    found = adapter.metrics.get("provenance")
    return found if isinstance(found, dict) else {}


def _head(origin: Mapping[str, Any]) -> str:
    lines = ["---"]
    if origin.get("base_repo"):
        lines.append(f"base_model: {json.dumps(origin['base_repo'])}")
    lines += ["library_name: peft", "pipeline_tag: text-generation", "tags: [lora, floe]", "---"]
    return "\n".join(lines)


def _base(origin: Mapping[str, Any], sha256: str) -> str:
    if not origin:
        return (
            f"## Base\n\nThe GGUF file with the sha256 `{sha256}`. {_NO_REPO} "
            "Its name is not known either."
        )
    repo = _name_weights(origin["base_repo"], origin["base_revision"])
    where = origin["file_repo"]
    of = f" of {where} at revision {origin['file_revision']}" if where else ""
    return (
        f"## Base\n\n- Model: {origin['title']}\n- Repository of its weights: {repo}\n"
        f"- Trained on the weights of the file `{origin['file']}`{of}, sha256 `{sha256}`. They may "
        "be packed: on the unpacked weights of the model the adapter acts a little differently.\n"
        "- Licence of the base: "
        f"{origin['licence'] or _UNKNOWN}"
    )


def _name_weights(repo: str, revision: str) -> str:
    """Name the repository and revision of a base, and say plainly what of them is not known."""
    if not repo:
        return f"not known. {_NO_REPO}"
    if revision:
        return f"{repo}, revision {revision}"
    return (
        f"{repo}; of which revision is not known, because GGUF files do not say it. If it has "
        "changed since, take the one of when the file was made"
    )


def _plan(adapter: "LearntAdapter") -> str:
    plan = adapter.plan
    if plan is None:
        return f"## Plan\n\nRank {adapter.rank}; how it was trained is not known."
    return (
        f"## Plan\n\n- Rank {plan.rank}, alpha {plan.alpha:g}, on {', '.join(plan.modules)} of the "
        f"upper {plan.layers} layers\n- {plan.epochs} passes, {plan.batch_tokens} tokens a batch, "
        f"rows of at most {plan.sequence_length} tokens, learning rate {plan.learning_rate:g}\n"
        f"- {plan.precision} on {plan.device}, back end {plan.backend}"
        + (", weights in the file's own blocks" if plan.blocks else "")
    )


def _data(adapter: "LearntAdapter", known: Mapping[str, Any]) -> str:
    if not known:
        return ""
    return (
        f"## Data\n\n- {known['rows']} chats with {known['answers']} answers were learnt from "
        f"({known['characters']:,} characters), {known['rows_held_out']} were kept aside to "
        "measure by\n- None of their text is in this folder\n"
        f"- Their fingerprint: `{adapter.data_sha256 or _UNKNOWN}`"
    )


def _figures(metrics: Mapping[str, Any]) -> str:
    lines = []
    for label, key, unit in (
        ("Answers kept aside", "held_out", "nats a token"),
        ("The same", "bits_per_byte", "bits a byte"),
        ("Text of nobody in particular", "general", "nats a token"),
    ):
        before, after = metrics.get(f"{key}_before"), metrics.get(f"{key}_after")
        if isinstance(before, float) and isinstance(after, float):
            lines.append(f"| {label}, {unit} | {before:.3f} | {after:.3f} |")
    trial = metrics.get("trial")
    base, own = (trial or {}).get("base") or {}, (trial or {}).get("personal") or {}
    for label, key in (
        ("Answers that come to an end, share", "ended"),
        ("Different runs of four words, share", "distinct4"),
        ("Right answers to known questions", "right"),
    ):
        if key in base and key in own:
            lines.append(f"| {label} | {base[key]:.3g} | {own[key]:.3g} |")
    if not lines:
        return ""
    head = "## Figures\n\n| | without | with the adapter |\n|---|---|---|\n"
    strength = metrics.get("strength")
    tail = f"\n\nStrength that it was left at: {strength:.0%}." if strength is not None else ""
    return head + "\n".join(lines) + tail


def _prompt(known: Mapping[str, Any]) -> str:
    if not known:
        return ""
    system = known.get("system_prompt")
    template = known.get("chat_template")
    said = "in `system_prompt.txt`" if system else "none"
    if known.get("system_prompt_left_out"):
        said += "; what else was said there, of the person, is left out"
    return f"## Prompt\n\n- System prompt: {said}\n- Chat template: " + (
        "in `chat_template.jinja`" if template else "the file has none; ChatML was used"
    )


def _use(origin: Mapping[str, Any]) -> str:
    repo = origin.get("base_repo") or "THE BASE MODEL"
    return (
        "## Use\n\n```python\nfrom peft import PeftModel\nfrom transformers import "
        "AutoModelForCausalLM\n\n"
        f'model = AutoModelForCausalLM.from_pretrained("{repo}")\n'
        'model = PeftModel.from_pretrained(model, "THIS FOLDER")\n```'
    )
