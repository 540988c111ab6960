"""Training and adapters in an encrypted data folder: real trainer, real llama.cpp."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from floe.adapters.export import read_peft
from floe.bench.decode import write_random_adapter
from floe.data_folder.encryption_switch import turn_on
from floe.llama.runtime import LlamaModel
from floe.store import encryption
from tests.data_folder.filled import PASSPHRASE, holding
from tests.training.runs_of_tiny import ANSWERS
from tests.training.test_survival import Device, adopted, ended, held, usual


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Encrypted with a passphrase: a child that is not told the key cannot read anything."""
    turn_on(tmp_path, "passphrase", PASSPHRASE)
    yield tmp_path
    encryption._keys.clear()


def test_a_trainer_reads_and_leaves_nothing_in_clear(folder: Path, tmp_path: Path) -> None:
    device = Device(folder, usual())
    try:
        runs = device.open()
        run = device.start(runs)
        process = held(run)
        for answer in ANSWERS:
            assert holding(folder, answer.encode()) == []
        assert encryption.is_encrypted(run.folder.rows)
        assert encryption.is_encrypted(run.folder.path / "checkpoint" / "state.pt")
        key = encryption.key_line(folder).strip().decode()
        assert key not in repr([process.cmdline(), process.environ()])
        process.kill()
        ended(runs, run.id)
        lines = len(run.folder.read_steps(0)[0])
        assert ended(runs, runs.resume(run.id).id).status == "complete"
        assert run.folder.read_steps(0)[0][lines].step > 1  # from the checkpoint
        assert adopted(device, run)
        (adapter,) = device.adapters.all()
        kept = [each for each in adapter.folder.rglob("*") if each.is_file()]
        assert len(kept) == 4
        assert all(encryption.is_encrypted(each) for each in kept)
        assert read_peft(adapter.peft)[0]
        # What a person takes along is theirs to read.
        device.adapters.export_gguf(adapter.id, tmp_path / "out.gguf")
        assert (tmp_path / "out.gguf").read_bytes()[:4] == b"GGUF"
        device.adapters.export_peft(adapter.id, tmp_path / "out.zip")
        with zipfile.ZipFile(tmp_path / "out.zip") as archive:
            assert b'"peft_type"' in archive.read("adapter_config.json")
    finally:
        device.end()


def test_an_encrypted_adapter_acts_as_the_same_in_clear(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, smollm: LlamaModel
) -> None:
    plain = tmp_path_factory.mktemp("plain") / "adapter.gguf"
    write_random_adapter(smollm, plain, 2)
    secret = folder / "adapters" / "1" / "adapter.gguf"
    secret.parent.mkdir(parents=True)
    encryption.write_bytes(secret, plain.read_bytes())
    assert encryption.is_encrypted(secret)
    tokens = smollm.tokenize(b"The harbour is")
    logits = []
    for path in (plain, secret):
        smollm.use_adapters([(smollm.load_adapter(path), 1.0)])
        found = smollm.prefill(tokens, lambda: False)
        assert found is not None
        logits.append(found[-1].copy())
    smollm.use_adapters([])
    np.testing.assert_array_equal(*logits)
