"""What an adapter was learnt from, in numbers, and what it was learnt under: for its export.

Of the chats themselves nothing is in it but the system prompt.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from floe.models.download import ignore_progress, sha256_of
from floe.models.model_origin import find_model_origin
from floe.training.data.tokenisation import Encoder, TrainRow


def describe_provenance(base: Path, rows: Sequence[TrainRow]) -> dict[str, Any]:
    """Return origin of the base, counts of the rows, system prompt and chat template.

    Args:
        base: the GGUF that was trained on.
        rows: learnt and held out, without general answers that were learnt along.

    Raises:
        ModelError: `base` is no GGUF, or broken.
    """
    with Encoder(base) as encoder:
        template = encoder.metadata.get("tokenizer.chat_template", "")
    learnt = [row for row in rows if not row.held_out]
    systems = Counter(row.messages[0].content for row in rows if row.messages[0].role == "system")
    most_usual = systems.most_common(1)
    return {
        "origin": find_model_origin(base, sha256_of(base, ignore_progress)).to_json(),
        "rows": len(learnt),
        "answers": sum(_count_answers(row) for row in learnt),
        "rows_held_out": len(rows) - len(learnt),
        "characters": sum(len(m.content) for row in learnt for m in row.messages),
        "system_prompt": most_usual[0][0] if most_usual else "",
        "system_prompts": len(systems),
        "chat_template": template,
        "template_sha256": hashlib.sha256(template.encode()).hexdigest() if template else "",
    }


def _count_answers(row: TrainRow) -> int:
    return sum(m.role == "assistant" for m in row.messages[row.context :])
