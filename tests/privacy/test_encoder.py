"""The encoder computes what torch computes, and tells one's life from the world."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from floe.privacy.detection.encoder import (
    FORMS,
    MOST_PIECES,
    STRETCH,
    STRETCH_OF_LONG,
    TextEncoder,
    encoder,
    forms_at,
    is_latin,
    named_at,
    named_words,
)
from floe.privacy.detection.names import Name, find_names
from floe.privacy.detection.training.encoder import (
    BATCH,
    POSITIONS,
    WIDTH,
    Batches,
    TrainedEncoder,
    write,
)
from floe.privacy.detection.training.material import parse
from floe.privacy.detection.training.recover import recovered
from floe.privacy.detector import Detector

PIECES = ["[CLS]", "[SEP]", "[UNK]", "[MASK]", "tell", "jo", "##anna", "now"]


def _model() -> TrainedEncoder:
    torch.manual_seed(1)
    base = {"word.weight": torch.randn(len(PIECES), WIDTH), "pos": torch.randn(POSITIONS, WIDTH)}
    model = TrainedEncoder(base, layers=2).eval()
    nn.init.normal_(model.word.weight)
    nn.init.normal_(model.head.weight)
    nn.init.normal_(model.tok.weight, std=0.3)
    nn.init.normal_(model.form.weight)
    nn.init.normal_(model.case.weight)
    for each in model.parameters():
        if each.ndim == 1:  # what is alike would be written once
            nn.init.normal_(each, mean=0.5, std=0.1)
    return model


def test_what_is_written_computes_what_torch_computes(tmp_path: Path) -> None:
    model = _model()
    write(model, PIECES, "of these texts", tmp_path / "encoder.onnx")
    written = TextEncoder((tmp_path / "encoder.onnx").read_bytes())
    text = "tell Joanna"
    [reading] = written.read(text, [Name(5, 11, "given")])
    given = FORMS.index("given")
    ids, form, case = torch.tensor(
        [[[0, 4, 5, 6, 1]], [[0, 0, given, given, 0]], [[0, 0, 1, 1, 0]]]
    )
    with torch.no_grad():
        kinds, names = model(ids, form, case, torch.ones_like(ids, dtype=torch.bool))
    assert reading.places == [(0, 4), (5, 7), (7, 11)]
    assert written.inputs == "of these texts"
    # Eight bits: of logits up to fifty a hundredth or two.
    np.testing.assert_allclose(reading.logits, kinds[0], atol=0.03 * float(kinds.abs().max()))
    np.testing.assert_allclose(reading.named, names[0, 1:-1].softmax(-1)[:, 1], atol=0.05)


def test_written_weights_can_be_trained_on(tmp_path: Path) -> None:
    model = _model()
    write(model, PIECES, "of these texts", tmp_path / "encoder.onnx")
    found = recovered(tmp_path / "encoder.onnx")
    kept = model.state_dict()
    assert found.keys() == kept.keys()
    for name, value in kept.items():
        step = float(value.abs().max()) / 127
        torch.testing.assert_close(found[name], value, atol=1.01 * step, rtol=0.0)


def test_what_is_learnt_is_drawn_more_rarely() -> None:
    texts = 200
    rows = {
        **dict.fromkeys(("ids", "form", "case", "named"), np.zeros(texts, np.int64)),
        "kind": np.zeros(texts, np.int64),
        "starts": np.arange(texts + 1),
        "source": np.zeros(texts, np.int64),
    }
    batches = Batches(rows, "cpu")
    batches.losses[: texts // 2] = 0.0
    drawn = np.concatenate(batches.draw(np.random.default_rng(1), 40))
    # 0.12 against 0.6: of six one.
    assert len(drawn) == 40 * BATCH
    assert np.mean(drawn < texts // 2) == pytest.approx(1 / 6, abs=0.02)


def test_a_long_text_is_read_to_its_end() -> None:
    harmless = "Porto lies on the Douro and is known for its wine. " * 12
    text = f"{harmless}My wife has cancer and we have told nobody. {harmless}"
    readings = encoder().read(text, [])
    assert readings[0].start == 0
    assert readings[-1].end == len(text.rstrip()) or readings[-1].end == len(text)
    assert max(each.end - each.start for each in readings) <= STRETCH_OF_LONG
    assert readings[0].logits.argmax() == 0
    assert any(each.logits.argmax() > 0 for each in readings)


def test_nothing_stays_unread_behind_many_symbols(detector: Detector) -> None:
    text = "=*" * 120 + " my wife has cancer and nobody knows"
    readings = encoder().read(text, [])
    assert len(text) < STRETCH < len(text) + 200
    assert readings[-1].places[-1] == (len(text) - len("knows"), len(text))
    assert all(len(each.places) <= MOST_PIECES for each in readings)
    assert detector.examine(text).private


def test_words_side_by_side_are_one_name() -> None:
    text = "tell jo-anne K. Tull and bo"
    chances = np.zeros(len(text), np.float32)
    chances[5:20] = 0.9
    chances[25:27] = 0.3
    assert [text[a:b] for a, b in named_words(text, chances, 0.5)] == ["jo-anne K. Tull"]
    assert [text[a:b] for a, b in named_words(text, chances, 0.2)][1:] == ["bo"]


def test_beside_a_name_less_is_enough_for_another() -> None:
    text = "ocean Pettersson and summer"
    chances = np.zeros(len(text), np.float32)
    chances[6:16] = 0.9
    chances[:5] = chances[21:] = 0.1
    assert [text[a:b] for a, b in named_words(text, chances, 0.2)] == ["Pettersson"]
    found = named_words(text, chances, 0.2, beside=0.05)
    assert [text[a:b] for a, b in found] == ["ocean Pettersson"]


def test_whom_a_text_names_is_told_from_what_is_a_word() -> None:
    said = "heather from work said that roman stole it"
    found = named_at(said, encoder().read(said, find_names(said)))
    assert {said[a:b] for a, b in named_words(said, found, 0.2)} == {"heather", "roman"}
    past = "roman roads and the prince of wales, for a history essay"
    assert not named_words(past, named_at(past, encoder().read(past, [])), 0.2)


def test_lists_are_looked_up_for_each_character() -> None:
    forms = forms_at("Ada and Bo", [Name(0, 3, "given"), Name(8, 10, "unknown")])
    assert [FORMS[i] for i in forms[[0, 2, 3, 8, 9]]] == [
        *("given", "given", "", "unknown", "unknown")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("what does привет mean", False), ("how do I say Grüße in Danish", True), ("123", True)],
)
def test_a_word_of_another_script_makes_a_text_another(text: str, expected: bool) -> None:
    assert is_latin(text) is expected


def test_marks_are_taken_out_and_kept_as_places() -> None:
    assert parse("tell ⟦Jo⟧ and ⟦K. T.⟧!") == ("tell Jo and K. T.!", [(5, 7), (12, 17)])
    assert parse("\x0eJo\x0f") == ("Jo", [(0, 2)])
    assert parse("tell ⟦Jo")[1] is None
    assert parse("tell Jo⟧")[1] is None


@pytest.mark.parametrize(
    ("private", "harmless"),
    [
        (
            "Marek went to the doctor again about his back, the MRI is on Thursday",
            'correct the grammar: "Marek have been to the doctor yesterday because of his back"',
        ),
        (
            "ross said another girls name while we were in bed",
            "which episode is it where ross says rachel at the altar",
        ),
        (
            "been clean 40 days today, don't know who to tell",
            "how long does it take to get the smell of smoke out of a car",
        ),
        (
            "What was Bettina Krol's last HbA1c?",
            "What was the cause of Mozart's death?",
        ),
        (
            "Dragan aus dem dritten Stock hatte wieder einen Schlaganfall",
            "Was sind die Anzeichen eines Schlaganfalls?",
        ),
    ],
)
def test_the_sense_decides_and_not_the_words(
    detector: Detector, private: str, harmless: str
) -> None:
    assert detector.examine(private).private
    assert not detector.examine(harmless).private
