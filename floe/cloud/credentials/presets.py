"""Endpoints that people use, and what is known of them before the probe has run.

These are starting guesses from the services' own documentation (2026): they save the probe a
request or two and a person some typing. What the probe finds overrules them.
"""

from dataclasses import dataclass, replace
from typing import Final

from floe.cloud.probe.profile import EndpointProfile
from floe.cloud.protocol.continuation import Continuation
from floe.cloud.protocol.thinking import ThinkingSwitch
from floe.config import STAND_IN
from floe.origin import origin_of


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of endpoint.

    Attributes:
        id: kept in the store.
        title: as its makers spell it.
        base_url: empty: the person types it.
        model: an example; empty: the first that is listed.
        needs_key: nothing is answered without one.
        key_page: where a person gets one; empty if none is needed.
        key_variable: the environment variable that its makers use; empty: none.
        continuation: what the probe tries first.
        logprobs: whether log-probabilities are to be expected.
        note: one sentence on what to expect.
        continues_surely: every model there continues an answer in that way, or none does; else it
            is found out before the first answer is continued.
        left_out: parameters that are not sent.
        thinking_off: its models think first, unless this tells them not to.
        requires_parameters, trims_beginning: see `EndpointProfile`.
    """

    id: str
    title: str
    base_url: str
    model: str
    needs_key: bool
    key_page: str
    key_variable: str
    continuation: Continuation
    logprobs: bool
    note: str
    continues_surely: bool = True
    left_out: tuple[str, ...] = ()
    thinking_off: ThinkingSwitch = ThinkingSwitch.NONE
    requires_parameters: bool = False
    trims_beginning: bool = False

    @property
    def assumed(self) -> EndpointProfile:
        """The profile that requests go by until the endpoint has been tested."""
        profile = EndpointProfile(
            continuation=self.continuation,
            unproven=not self.continues_surely,
            left_out=self.left_out,
            thinking_off=self.thinking_off,
            requires_parameters=self.requires_parameters,
            trims_beginning=self.trims_beginning,
        )
        return profile if self.logprobs else replace(profile, logprobs="refused", top_logprobs=0)


PRESETS: Final = (
    Preset(
        id=STAND_IN,
        title="Stand-in on this device",
        base_url=STAND_IN,
        model="",
        needs_key=False,
        key_page="",
        key_variable="",
        continuation=Continuation.PREFILL,
        logprobs=True,
        note="A second, larger model that Floe runs here: all is shown, and nothing leaves.",
    ),
    Preset(
        id="openai",
        title="OpenAI",
        base_url="https://api.openai.com/v1",
        model="gpt-4.1-mini",
        needs_key=True,
        key_page="https://platform.openai.com/api-keys",
        key_variable="OPENAI_API_KEY",
        continuation=Continuation.NONE,
        logprobs=True,
        note="The gpt-4o and gpt-4.1 models give 20 candidates, but no model continues an answer: "
        "there is one request for each, and the cloud has a part in about half of it. Reasoning "
        "models give no log-probabilities while they think.",
        left_out=("max_tokens",),  # `max_completion_tokens` is known to all of its chat models
    ),
    Preset(
        id="openrouter",
        title="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        model="meta-llama/llama-3.3-70b-instruct",
        needs_key=True,
        key_page="https://openrouter.ai/settings/keys",
        key_variable="OPENROUTER_API_KEY",
        continuation=Continuation.PREFILL,
        logprobs=True,
        note="Passes requests on to many hosts, here to those that give log-probabilities if there "
        "are any: what works differs by model and by host, so test the model that you choose.",
        continues_surely=False,
        requires_parameters=True,
    ),
    Preset(
        id="deepseek",
        title="DeepSeek",
        base_url="https://api.deepseek.com/beta",
        model="deepseek-v4-flash",
        needs_key=True,
        key_page="https://platform.deepseek.com/api_keys",
        key_variable="DEEPSEEK_API_KEY",
        continuation=Continuation.PREFIX,
        logprobs=True,
        note="Gives 20 candidates, and continues answers at this beta address. Its models think "
        "first unless they are told not to, as they are here.",
        thinking_off=ThinkingSwitch.THINKING,
    ),
    Preset(
        id="together",
        title="Together AI",
        base_url="https://api.together.xyz/v1",
        model="meta-llama/Llama-3.3-70B-Instruct-Turbo",
        needs_key=True,
        key_page="https://api.together.ai/settings/api-keys",
        key_variable="TOGETHER_API_KEY",
        continuation=Continuation.PREFILL,
        logprobs=True,
        note="Log-probabilities come in a dialect of its own, often of the chosen token alone.",
        continues_surely=False,
    ),
    Preset(
        id="fireworks",
        title="Fireworks AI",
        base_url="https://api.fireworks.ai/inference/v1",
        model="accounts/fireworks/models/deepseek-v3p1",
        needs_key=True,
        key_page="https://app.fireworks.ai/settings/users/api-keys",
        key_variable="FIREWORKS_API_KEY",
        continuation=Continuation.PREFILL,
        logprobs=True,
        note="Usually gives 5 candidates; raw completions are there for every model.",
        continues_surely=False,
    ),
    Preset(
        id="mistral",
        title="Mistral",
        base_url="https://api.mistral.ai/v1",
        model="mistral-small-latest",
        needs_key=True,
        key_page="https://console.mistral.ai/api-keys",
        key_variable="MISTRAL_API_KEY",
        continuation=Continuation.PREFIX,
        logprobs=False,
        note="Continues answers, but gives no log-probabilities: its tokens count with a fixed "
        "confidence.",
    ),
    Preset(
        id="groq",
        title="Groq",
        base_url="https://api.groq.com/openai/v1",
        model="llama-3.3-70b-versatile",
        needs_key=True,
        key_page="https://console.groq.com/keys",
        key_variable="GROQ_API_KEY",
        continuation=Continuation.PREFILL,
        logprobs=False,
        note="Very fast, but refuses to give log-probabilities: its tokens count with a fixed "
        "confidence.",
    ),
    Preset(
        id="gemini",
        title="Google Gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        model="gemini-flash-latest",
        needs_key=True,
        key_page="https://aistudio.google.com/apikey",
        key_variable="GEMINI_API_KEY",
        continuation=Continuation.PREFILL,
        logprobs=False,
        note="Its models give no log-probabilities as a rule: tokens, which come many at a time, "
        "count with a fixed confidence. Most of its models think first, so test the one that you "
        "choose.",
        continues_surely=False,
    ),
    Preset(
        id="anthropic",
        title="Anthropic",
        base_url="https://api.anthropic.com/v1",
        model="claude-haiku-4-5",
        needs_key=True,
        key_page="https://console.anthropic.com/settings/keys",
        key_variable="ANTHROPIC_API_KEY",
        continuation=Continuation.PREFILL,
        logprobs=False,
        note="Gives no log-probabilities: its tokens count with a fixed confidence. Models up to "
        "4.5 continue an answer, later ones do not.",
        continues_surely=False,
        trims_beginning=True,
    ),
    Preset(
        id="xai",
        title="xAI",
        base_url="https://api.x.ai/v1",
        model="grok-4.20-non-reasoning",
        needs_key=True,
        key_page="https://console.x.ai",
        key_variable="XAI_API_KEY",
        continuation=Continuation.PREFILL,
        logprobs=True,
        note="Gives 8 candidates at most, and some models none; choose one that does not reason.",
        continues_surely=False,
    ),
    Preset(
        id="vllm",
        title="vLLM",
        base_url="http://127.0.0.1:8000/v1",
        model="",
        needs_key=False,
        key_page="",
        key_variable="",
        continuation=Continuation.FINAL_MESSAGE,
        logprobs=True,
        note="Gives 20 candidates and continues answers.",
    ),
    Preset(
        id="sglang",
        title="SGLang",
        base_url="http://127.0.0.1:30000/v1",
        model="",
        needs_key=False,
        key_page="",
        key_variable="",
        continuation=Continuation.FINAL_MESSAGE,
        logprobs=True,
        note="Gives candidates and continues answers.",
    ),
    Preset(
        id="llama-server",
        title="llama-server (llama.cpp)",
        base_url="http://127.0.0.1:8080/v1",
        model="",
        needs_key=False,
        key_page="",
        key_variable="",
        continuation=Continuation.PREFILL,
        logprobs=True,
        note="Gives candidates with exact bytes and continues answers by itself.",
    ),
    Preset(
        id="llama-cpp-python",
        title="llama-cpp-python's server",
        base_url="http://127.0.0.1:8000/v1",
        model="",
        needs_key=False,
        key_page="",
        key_variable="",
        continuation=Continuation.COMPLETIONS,
        logprobs=True,
        note="Start it with --logits_all true for log-probabilities; answers are continued by raw "
        "completions.",
    ),
    Preset(
        id="ollama",
        title="Ollama",
        base_url="http://127.0.0.1:11434/v1",
        model="",
        needs_key=False,
        key_page="",
        key_variable="",
        continuation=Continuation.PREFILL,
        logprobs=True,
        note="Gives log-probabilities since version 0.12.11; whether an answer is continued "
        "depends on the model's template.",
        continues_surely=False,
    ),
    Preset(
        id="lm-studio",
        title="LM Studio",
        base_url="http://127.0.0.1:1234/v1",
        model="",
        needs_key=False,
        key_page="",
        key_variable="",
        continuation=Continuation.PREFILL,
        logprobs=True,
        note="Start its server in the developer tab; its list of chat parameters does not name "
        "log-probabilities, so test it.",
        continues_surely=False,
    ),
    Preset(
        id="custom",
        title="Another address",
        base_url="",
        model="",
        needs_key=False,
        key_page="",
        key_variable="",
        continuation=Continuation.PREFILL,
        logprobs=True,
        note="Any server that speaks the OpenAI protocol; its address usually ends in /v1.",
        continues_surely=False,
    ),
)

CUSTOM: Final = PRESETS[-1]


def preset_by_id(preset_id: str) -> Preset:
    """Return the preset of that id; one that is not known any more is the custom one."""
    return next((preset for preset in PRESETS if preset.id == preset_id), CUSTOM)


def preset_of(base_url: str) -> Preset:
    """Return the service at an address; the custom one for all that a person runs themselves.

    Ports on this device do not tell: two of the servers share one.
    """
    origin = origin_of(base_url)
    for preset in PRESETS:
        if preset.needs_key and origin is not None and origin_of(preset.base_url) == origin:
            return preset
    return preset_by_id(base_url)
