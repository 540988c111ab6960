"""Ways to tell a server to continue an answer, and chat templates in plain text.

A raw completion needs the conversation as the model reads it. Its template comes from the server
where that tells (llama-server's `/props`), else it is one of the common ones here.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

from floe.llama.chat_template import BoundedTemplate, template_values
from floe.records import ChatMessage


class Continuation(StrEnum):
    """The switch that makes a server continue a trailing assistant message."""

    PREFILL = "prefill"
    """None is needed (llama-server, many hosts of open models)."""
    FINAL_MESSAGE = "continue_final_message"
    """`continue_final_message: true, add_generation_prompt: false` (vLLM, SGLang)."""
    PREFIX = "prefix"
    """`prefix: true` in that message (DeepSeek's beta address, Mistral)."""
    COMPLETIONS = "completions"
    """Only `/completions` continues a text; the chat template is filled in here."""
    NONE = "none"
    """It begins a new turn whatever it is told (OpenAI)."""


TEMPLATES: Final[dict[str, str]] = {
    "ChatML": (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
        "{% endfor %}<|im_start|>assistant\n"
    ),
    "Llama 3": (
        "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
        "{{ m.content | trim }}<|eot_id|>{% endfor %}"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "Gemma": (
        "{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}"
        "{% set ns.system = m.content + '\n\n' %}{% else %}<start_of_turn>"
        "{{ 'model' if m.role == 'assistant' else m.role }}\n{{ ns.system }}{{ m.content | trim }}"
        "<end_of_turn>\n{% set ns.system = '' %}{% endif %}{% endfor %}<start_of_turn>model\n"
    ),
    "Mistral": (
        "{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}"
        "{% set ns.system = m.content + '\n\n' %}{% elif m.role == 'user' %}[INST] "
        "{{ ns.system }}{{ m.content }} [/INST]{% set ns.system = '' %}{% else %} "
        "{{ m.content }}</s>{% endif %}{% endfor %}"
    ),
    "Zephyr": (
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}<|assistant|>\n"
    ),
}
"""Common templates by the name that the probe reports, the most common first."""


@lru_cache(maxsize=8)
def _compiled(template: str) -> BoundedTemplate:
    """Compile a foreign server's template, which is a foreign program: in a sandbox with bounds."""
    return BoundedTemplate(template, keep_trailing_newline=True)


def render(template: str, end_text: str, messages: Sequence[ChatMessage], partial: str) -> str:
    """Render the conversation as the model reads it, up to the end of the answer's beginning.

    No BOS token is written: servers add it when they tokenise a prompt. A message that spells
    one of the template's control tokens is not protected, since only the server could do that.

    Args:
        template: Jinja2.
        end_text: spelling of the end token, for templates that write it.
        messages: user last.
        partial: the beginning of the answer.

    Raises:
        TemplateError: the template is broken, refuses the conversation, or wants too much time.
    """
    said = [{"role": message.role, "content": message.content} for message in messages]
    values = template_values(said, bos_text="", eos_text=end_text)
    return _compiled(template).render(values) + partial
