"""What an adapter was learnt from, in numbers, and what it was learnt under: for its export.

Nothing of the chats is in it, and of the system prompt only what says nothing of the person: it
leaves the device with the adapter.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from floe.models.download import ignore_progress, sha256_of
from floe.models.model_origin import find_model_origin
from floe.training.data.tokenisation import Encoder, TrainRow


def describe_provenance(base: Path, rows: Sequence[TrainRow], public_system: str) -> dict[str, Any]:
    """Return origin of the base, counts of the rows, system prompt and chat template.

    Args:
        base: the GGUF that was trained on.
        rows: learnt and held out, without general answers that were learnt along.
        public_system: their system prompt without what the person says of themselves.

    Raises:
        ModelError: `base` is no GGUF, or broken.
    """
    with Encoder(base) as encoder:
        template = encoder.metadata.get("tokenizer.chat_template", "")
    learnt = [row for row in rows if not row.held_out]
    systems = {row.messages[0].content for row in rows if row.messages[0].role == "system"}
    return {
        "origin": find_model_origin(base, sha256_of(base, ignore_progress)).to_json(),
        "rows": len(learnt),
        "answers": sum(_count_answers(row) for row in learnt),
        "rows_held_out": len(rows) - len(learnt),
        "characters": sum(len(m.content) for row in learnt for m in row.messages),
        "system_prompt": public_system if systems else "",
        "system_prompt_left_out": bool(systems - {"", public_system}),
        "chat_template": template,
        "template_sha256": hashlib.sha256(template.encode()).hexdigest() if template else "",
    }


def _count_answers(row: TrainRow) -> int:
    return sum(m.role == "assistant" for m in row.messages[row.context :])
