"""The drawer "Advanced": how tokens are picked, and where the settings come from."""

from floe.chat.preferences import Preferences
from floe.models.sampling_defaults import SamplingDefaults
from floe.ui.page_values import AdvancedValue


def advanced_value(kept: Preferences, defaults: SamplingDefaults) -> AdvancedValue:
    """Return the settings that hold now, which of them the person chose, and why the others."""
    sampling = kept.options(defaults.sampling).sampling
    return AdvancedValue(
        temperature=sampling.temperature,
        max_tokens=sampling.max_tokens,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        repeat_penalty=sampling.repeat_penalty,
        dry_multiplier=sampling.dry_multiplier,
        seed=sampling.seed,
        stop=list(sampling.stop),
        chosen=list(kept.sampling),
        reason=defaults.reason,
    )
