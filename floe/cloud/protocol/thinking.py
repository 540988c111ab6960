"""Ways to tell a model that thinks before it answers to answer at once.

What it thinks is no part of the answer, so that there is nothing to follow meanwhile; and many
servers give no log-probabilities, or continue no answer, while a model thinks.
"""

from enum import StrEnum
from typing import Any, Final


class ThinkingSwitch(StrEnum):
    """The parameter by which an endpoint turns thinking off."""

    NONE = ""
    """Nothing is sent."""
    TEMPLATE = "chat_template_kwargs"
    """vLLM, SGLang, llama-server: models call theirs by one of two names."""
    EFFORT = "reasoning_effort"
    """OpenAI from GPT-5.1 on, Gemini, Ollama, Groq."""
    THINKING = "thinking"
    """DeepSeek, GLM, Kimi."""
    REASONING = "reasoning"
    """OpenRouter, Together."""


_VALUES: Final[dict[ThinkingSwitch, Any]] = {
    ThinkingSwitch.TEMPLATE: {"enable_thinking": False, "thinking": False},
    ThinkingSwitch.EFFORT: "none",
    ThinkingSwitch.THINKING: {"type": "disabled"},
    ThinkingSwitch.REASONING: {"enabled": False},
}
SWITCHES: Final = tuple(_VALUES)
"""In the order in which they are tried."""


def thinking_parameters(switch: ThinkingSwitch) -> dict[str, Any]:
    """Return what a request says so that the model does not think."""
    return {switch.value: _VALUES[switch]} if switch is not ThinkingSwitch.NONE else {}
