"""Where the settings of sampling come from, and that each source says so."""

import dataclasses
from pathlib import Path

import pytest

from floe.chat.preferences import SAMPLING_NAMES, Preferences
from floe.config import Settings
from floe.errors import FloeError
from floe.fusion.decoder import Controls, Decoder
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.models.catalog import load_catalog
from floe.models.sampling_defaults import GENERAL, sampling_defaults
from floe.records import ChatMessage, Sampling
from floe.sampling_choices import SamplingChoices


def test_the_ranges_name_every_setting_that_there_is() -> None:
    names = {field.name for field in dataclasses.fields(Sampling)}
    assert set(SamplingChoices.model_fields) == names
    assert set(SAMPLING_NAMES) <= names
    nothing_chosen = SamplingChoices()
    assert nothing_chosen.over(Sampling()) == Sampling()


def test_a_model_of_the_catalog_gets_what_its_authors_recommend() -> None:
    defaults = sampling_defaults(Settings(model="qwen2.5-0.5b-instruct"), {})
    sampling = defaults.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.7, 0.8, 20)
    assert sampling.repeat_penalty == 1.1
    assert "generation_config" in defaults.reason


def test_every_model_of_the_catalog_has_settings_that_end_loops() -> None:
    for entry in load_catalog().models:
        sampling, reason = sampling_defaults(Settings(model=entry.id), {})
        assert sampling.dry_multiplier > 0
        assert sampling.dry_breakers == ()
        assert reason.endswith(".")


def test_the_default_model_says_nothing_over_and_over(smollm: LlamaModel) -> None:
    """Its greedy poem is one line again and again (real weights)."""
    prompt = PromptBuilder(smollm).build([ChatMessage("user", "Write a poem about the rain.")])

    def distinct(sampling: Sampling) -> float:
        smollm.roll_back(0)
        logits = smollm.prefill(prompt.tokens, lambda: False)
        assert logits is not None
        decoder = Decoder(smollm, Controls(weight=1.0))
        steps = decoder.run(logits, dataclasses.replace(sampling, max_tokens=120))
        tokens = [step.token_id for step in steps]
        grams = list(zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False))
        return len(set(grams)) / len(grams)

    # Last digits decide which line it is: mostly 0.29, and 0.44 has been seen.
    assert distinct(Sampling()) < 0.6
    assert distinct(sampling_defaults(Settings(), smollm.metadata).sampling) > 0.7


def test_a_file_of_ones_own_says_what_it_needs_itself() -> None:
    metadata = {"general.sampling.temp": "0.6", "general.sampling.top_k": "20", "other": "1"}
    sampling, reason = sampling_defaults(Settings(model="/models/own.gguf"), metadata)
    assert (sampling.temperature, sampling.top_k, sampling.dry_multiplier) == (
        0.6,
        20,
        GENERAL.dry_multiplier,
    )
    assert "file" in reason


@pytest.mark.parametrize("junk", ["", "nan", "inf", "-3", "abc", "1e400"])
def test_a_file_that_recommends_what_cannot_be_is_not_believed(junk: str) -> None:
    metadata = {"general.sampling.temp": junk, "general.sampling.top_p": "0.9"}
    sampling = sampling_defaults(Settings(model="/models/own.gguf"), metadata).sampling
    assert (sampling.temperature, sampling.top_p) == (GENERAL.temperature, 0.9)


def test_the_settings_file_is_stronger_and_the_page_strongest() -> None:
    own = SamplingChoices(temperature=1.0, dry_multiplier=0, stop=("END",))
    settings = Settings(model="qwen2.5-0.5b-instruct", sampling=own)
    sampling, reason = sampling_defaults(settings, {})
    assert (sampling.temperature, sampling.dry_multiplier, sampling.top_p) == (1.0, 0.0, 0.8)
    assert sampling.stop == ("END",)
    assert "From your settings: temperature, dry multiplier, stop." in reason
    chosen = Preferences(temperature=0.0, seed=7).options(sampling).sampling
    assert (chosen.temperature, chosen.seed, chosen.top_p) == (0.0, 7, 0.8)


def test_settings_come_from_the_file_the_environment_and_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "floe.toml").write_text('[sampling]\ntop_p = 0.5\nstop = ["END"]\nmin_p = 0.1\n')
    monkeypatch.setenv("FLOE_SAMPLING__MIN_P", "0.2")
    found = Settings.load(["--sampling.temperature", "0.4"]).sampling
    assert found.chosen == {"top_p": 0.5, "stop": ("END",), "min_p": 0.2, "temperature": 0.4}
    for text in ("top_p = 0", "temperature = inf", "colour = 1", "repeat_penalty = 0.5"):
        (tmp_path / "floe.toml").write_text(f"[sampling]\n{text}\n")
        with pytest.raises(FloeError, match=f"sampling.{text.split()[0]}"):
            Settings.load()
