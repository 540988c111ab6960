"""The canary test itself, with a hand-sized model and tables worked out term by term."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from floe.adapters.architecture import read_architecture
from floe.errors import FederationError
from floe.federation.app.learner import Learner
from floe.federation.app.recipe import common_start, module_shapes
from floe.federation.app.run_config import RunConfig, base_hash
from floe.federation.app.update import UpdateFactors
from floe.federation.maths import accounting, noise
from floe.federation.simulation import canary
from floe.federation.simulation.canary import (
    CanaryOutcome,
    CodeReader,
    SecretExposure,
    code_losses,
    run_canary_test,
)
from floe.federation.simulation.simulated_device import (
    CODES,
    RANKS,
    device_of,
    secret_of,
    simulated_device,
)
from floe.training.backends.cpu.base_weights import read_base_weights
from floe.training.backends.cpu.lora_parameters import Lora
from floe.training.backends.cpu.network import LoraNetwork
from floe.training.data.tokenisation import Encoder
from tests.federation.small import TINY, use_small_tasks
from tests.training.tiny import write_tiny


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_small_tasks(tmp_path, monkeypatch)
    monkeypatch.setattr(canary, "choose_threads", lambda: (1, "it is tiny"))
    return write_tiny(tmp_path / "tiny.gguf")


def test_a_code_costs_the_sum_of_its_digits_each_after_those_before_it() -> None:
    logs = np.random.default_rng(1).normal(size=(1111, 10))
    losses = code_losses(logs)
    assert losses.shape == (CODES,)
    for code in ("0000", "0009", "4719", "9990", "9999"):
        rows = [0, 1 + int(code[:1]), 11 + int(code[:2]), 111 + int(code[:3])]
        right = -sum(logs[row, int(digit)] for row, digit in zip(rows, code, strict=True))
        assert losses[int(code)] == pytest.approx(right)


def test_the_tree_of_codes_reads_each_as_if_it_were_read_alone(base: Path) -> None:
    random = np.random.default_rng(2)
    shapes = module_shapes(read_architecture(base), TINY)
    factors: dict[str, UpdateFactors] = {
        module: (a, 0.3 * random.standard_normal(b.shape, dtype=np.float32))
        for module, (a, b) in common_start(shapes, 4).items()
    }
    secret = secret_of(2)
    losses = CodeReader(base, TINY).losses(secret, factors)
    weights = read_base_weights(base, torch.float32)
    lora = Lora(
        weights.architecture,
        rank=4,
        alpha=4.0,
        modules=TINY.modules,
        layers=TINY.layers,
        dtype=torch.float32,
        seed=0,
    )
    lora.load(factors)
    network = LoraNetwork(weights, lora)
    with Encoder(base) as encoder:
        for code in ("0000", "0123", "4719", "9998"):
            (example,) = encoder.examples([secret.row(code)], TINY.sequence_length)
            marks = np.zeros_like(example.weights)
            marks[-5:-1] = 1  # the code's four digits; after them comes the end of the answer
            only = replace(example, weights=marks)
            batch = network.batch([only], ((0,),))
            alone, count = network.loss(batch, network.frozen_prefix(batch))
            assert count == 4
            assert losses[int(code)] == pytest.approx(alone, abs=1e-4)


def test_a_secret_learnt_by_heart_ranks_first_and_one_never_seen_does_not(base: Path) -> None:
    recipe = replace(TINY, epochs=150, layers=4)
    seen, unseen = secret_of(0), secret_of(1)
    learner = Learner(base, recipe, "float32")
    factors = learner.train(
        learner.examples((seen.row(seen.code),)), common_start(learner.shapes(), 16), 16, seed=1
    )
    reader = CodeReader(base, recipe)
    losses, others = (reader.losses(secret, factors) for secret in (seen, unseen))
    assert np.argmin(losses) == int(seen.code)
    assert np.argmin(others) != int(unseen.code)


def test_each_device_has_its_own_secret_in_one_row_and_no_other_has_it(base: Path) -> None:
    rows = [
        device_of({"partition-id": number, "base": str(base), "secret": True}).train
        for number in range(len(RANKS))
    ]
    for number in range(len(RANKS)):
        secret = secret_of(number)
        row = secret.row(secret.code)
        assert [own.count(row) for own in rows] == [int(i == number) for i in range(len(RANKS))]
        assert rows[number][:-1] == simulated_device(number, base).train


def test_the_second_group_really_gets_noise_and_the_first_none(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[float] = []
    real = accounting.private_mean

    def watched(*args: Any) -> Any:
        added.append(args[3])
        return real(*args)

    monkeypatch.setattr(noise, "private_mean", watched)
    run_config = RunConfig(
        recipe=TINY,
        shapes=module_shapes(read_architecture(base), TINY),
        base_sha256=base_hash(base),
        rounds=1,
        devices=len(RANKS),
    )
    stages: list[str] = []
    found = run_canary_test(base, run_config, on_stage=lambda _: stages.append(str(len(added))))
    assert stages == ["0", "0", "4"]  # one mean a cluster, in the second group alone
    assert set(added) == {found.noisy.noise_multiplier}
    assert found.noisy.noise_multiplier > 0
    assert found.noisy.epsilon == pytest.approx(canary.EPSILON, rel=1e-3)
    assert 0 < found.noisy.clip < found.quiet.clip
    assert (found.quiet.noise_multiplier, found.quiet.epsilon) == (0, None)
    assert found.noisy.by_loss != found.quiet.by_loss
    for group in (found.noisy, found.quiet):
        assert len(group.by_loss) == len(group.by_drop) == len(RANKS)
    assert found.base != found.quiet.by_loss


def test_the_sentence_owns_up_to_a_secret_that_shows() -> None:
    quiet = SecretExposure(0, 1e6, None, None, (9.0, 1.0), (12.0, 2.0), 3.0, 2.0)
    hidden = SecretExposure(1, 2.0, 8.0, 1e-5, (1.0, 2.0), (0.5, 6.0), 3.0, 4.0)
    shown = replace(hidden, by_loss=(6.9, 0.1))
    kept = CanaryOutcome(CODES, 5, canary.CHANCE, canary.LIMIT, (1.0, 1.0), quiet, hidden)
    assert "6.0 bits, at most chance plus five (6.4)" in kept.sentence
    assert "without noise 12.0, 5.0 and 7.0" in kept.sentence
    assert "MORE than chance" in replace(kept, noisy=shown).sentence


def test_a_tokeniser_that_joins_digits_ends_it_with_a_sentence(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = CodeReader(base, TINY)
    real = reader._encoder.examples

    def joined(rows: Any, length: int) -> Any:
        (example,) = real(rows, length)
        return [replace(example, tokens=example.tokens[:-2])]

    monkeypatch.setattr(reader._encoder, "examples", joined)
    with pytest.raises(FederationError, match="digits one by one"):
        reader.losses(secret_of(0), {})
