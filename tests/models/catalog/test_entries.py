"""The catalog itself, and finding and checking a file of it."""

import os
from pathlib import Path

import pytest

from floe.config import Settings
from floe.errors import ModelError
from floe.models.catalog import (
    STAMPS,
    Catalog,
    HubSource,
    load_catalog,
    resolve_model,
    verify,
)
from floe.models.chosen import STRONGER_STAND_IN
from tests.models.catalog.tiny_model import (
    BODY,
    entry_from,
    only,
)
from tests.training.tiny import write_tiny

# The catalog itself.


def test_shipped_catalog_has_the_models_that_the_settings_name() -> None:
    catalog = load_catalog()
    settings = Settings()
    small, large = catalog[settings.model], catalog[settings.stand_in_model]
    assert (small.size, small.sha256) == (
        98_362_432,
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )
    assert (large.size, large.sha256) == (
        491_400_064,
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    )


def test_shipped_models_need_more_memory_than_their_file_and_are_pinned() -> None:
    for entry in load_catalog().models:
        assert entry.memory_mb * 1e6 > entry.size
        hubs = [source for source in entry.sources if isinstance(source, HubSource)]
        assert {source.filename for source in hubs} <= {entry.filename}
        assert len(hubs) == 1 or entry.licence == "Gemma Terms of Use"


def test_what_comes_by_itself_is_permissive() -> None:
    catalog, settings = load_catalog(), Settings()
    for name in (settings.model, settings.stand_in_model, STRONGER_STAND_IN):
        assert catalog[name].licence == "Apache-2.0"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('colour = "red"', "colour: Extra inputs are not permitted"),
        ('sha256 = "abc"', "sha256: String should match"),
        ('filename = "../tiny.gguf"', "filename: String should match"),
        ('[[models.sources]]\nkind = "torrent"', "kind"),
        (
            f'[[models.sources]]\nkind = "hub"\nrepo = "a/b"\nrevision = "main"\nfilename = "{0}"',
            "rev",
        ),
        ("size = ", "cannot be read"),
    ],
)
def test_catalog_that_does_not_fit_is_refused_at_the_door(
    tmp_path: Path, line: str, complaint: str
) -> None:
    key = line.partition(" = ")[0]
    good = 'id = "a"\ntitle = "A"\nrole = "R"\nfilename = "a.gguf"\nsize = 1\nsha256 = "%s"\n' % (
        "0" * 64
    )
    kept = "\n".join(text for text in good.splitlines() if not text.startswith(f"{key} = "))
    path = tmp_path / "catalog.toml"
    path.write_text(
        f'[[models]]\n{kept}\nlicence = "MIT"\nmemory_mb = 1\narchitecture = "llama"\n'
        f'parameters = "1"\n{line}\n'
    )
    with pytest.raises(ModelError, match=complaint):
        load_catalog(path)


def test_missing_catalog_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_catalog(tmp_path / "catalog.toml")


@pytest.mark.parametrize("changes", [{"id": "other"}, {"filename": "other.gguf"}])
def test_two_models_may_not_share_an_id_or_a_file(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="two models have the same"):
        Catalog(models=(entry_from(), entry_from(**changes)))


# Finding and checking a file.


def test_id_resolves_to_its_file(monkeypatch: pytest.MonkeyPatch, models: Path) -> None:
    only(monkeypatch, entry_from())
    models.mkdir()
    (models / "tiny.gguf").write_bytes(BODY)
    assert resolve_model("tiny", models) == models / "tiny.gguf"


def test_missing_model_names_the_command_that_fetches_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, entry_from())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"`floe models fetch tiny`"):
        resolve_model("tiny", Settings.model_fields["models_dir"].default)
    with pytest.raises(ModelError, match=r"fetch tiny --models-dir 'my models'`"):
        resolve_model("tiny", Path("my models"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(BODY[:-1], "50,003 bytes instead of 50,004"), (b"GGML" + BODY[4:], "was altered")],
)
def test_broken_model_is_not_loaded(
    monkeypatch: pytest.MonkeyPatch, models: Path, content: bytes, complaint: str
) -> None:
    only(monkeypatch, entry_from())
    models.mkdir()
    (models / "tiny.gguf").write_bytes(content)
    with pytest.raises(ModelError, match=rf"{complaint}.*floe models fetch tiny"):
        resolve_model("tiny", models)


def test_own_gguf_is_taken_by_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, models: Path
) -> None:
    write_tiny(tmp_path / "own.gguf")
    assert resolve_model(str(tmp_path / "own.gguf"), models) == tmp_path / "own.gguf"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_model("~/own.gguf", models) == tmp_path / "own.gguf"


def test_own_file_that_cannot_be_a_model_is_refused(tmp_path: Path, models: Path) -> None:
    (tmp_path / "page.gguf").write_bytes(b"<!DOCTYPE html>")
    (tmp_path / "empty.gguf").touch()
    with pytest.raises(ModelError, match="is not a GGUF file"):
        resolve_model(str(tmp_path / "page.gguf"), models)
    with pytest.raises(ModelError, match="is not a GGUF file"):
        resolve_model(str(tmp_path / "empty.gguf"), models)
    with pytest.raises(ModelError, match="is a folder"):
        resolve_model(str(tmp_path), models)
    with pytest.raises(ModelError, match=r"no file .*gone\.gguf"):
        resolve_model(str(tmp_path / "gone.gguf"), models)


def test_unknown_id_is_answered_with_the_known_ones(models: Path) -> None:
    with pytest.raises(ModelError, match=r"no model 'smollm'.*smollm2-135m-instruct, qwen2\.5"):
        resolve_model("smollm", models)


def test_file_is_hashed_once_and_again_when_it_changes(models: Path) -> None:
    entry = entry_from()
    path = models / "tiny.gguf"
    models.mkdir()
    path.write_bytes(BODY)
    hashed: list[int] = []

    def count(done: int, total: int) -> None:
        if done == total:
            hashed.append(total)

    verify(entry, models, count)
    verify(entry, models, count)
    assert len(hashed) == 1
    verify(entry, models, count, fresh=True)
    assert len(hashed) == 2

    status = path.stat()
    path.write_bytes(BODY[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(ModelError, match="was altered"):
        verify(entry, models)


def test_fresh_check_does_not_believe_the_stamp(models: Path) -> None:
    path = models / "tiny.gguf"
    models.mkdir()
    path.write_bytes(BODY)
    verify(entry_from(), models)
    status = path.stat()
    path.write_bytes(BODY[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    verify(entry_from(), models)
    with pytest.raises(ModelError, match="was altered"):
        verify(entry_from(), models, fresh=True)


@pytest.mark.parametrize("stamps", ["", "[]", '{"tiny.gguf": 1}', "\x00"])
def test_broken_stamps_cost_a_hash_and_nothing_else(models: Path, stamps: str) -> None:
    models.mkdir()
    (models / "tiny.gguf").write_bytes(BODY)
    (models / STAMPS).write_text(stamps)
    assert verify(entry_from(), models) == models / "tiny.gguf"
