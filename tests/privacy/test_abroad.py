"""German nouns and questions of the world in other languages, beside private ones like them."""

import pytest

from floe.privacy.detection.abroad import without_words
from floe.privacy.detection.analysis import Analysis
from floe.privacy.detection.german import is_german, is_noun
from floe.privacy.detection.names import find_names


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis([])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("teppich", True),
        ("rotweinflecken", True),
        ("zwetschgenknödel", True),
        ("umsatzsteuervoranmeldung", True),
        ("tulpenzwiebeln", True),
        ("annika", False),
        ("steinbach", False),
        ("kowalczyk", False),
        ("lindbauer", False),
        ("öztürk", False),
    ],
)
def test_a_german_noun_is_in_the_dictionary_or_put_together_from_it(
    word: str, expected: bool
) -> None:
    assert is_noun(word) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wie schneide ich Rosen?", True),
        ("Tipps gegen Schnecken im Gemüsebeet?", True),
        ("How do I treat Rosacea?", False),
        ("Hoe snoei ik mijn rozen?", False),
        ("", False),
    ],
)
def test_german_is_told_by_its_small_words(text: str, expected: bool) -> None:
    assert is_german(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        "Kannst du mir ein Rezept für Kartoffelsuppe mit Würstchen geben?",
        "Welche Heckenschere taugt für Kirschlorbeer?",
        "Brauche ich für Kleingewerbe eine Umsatzsteuervoranmeldung?",
        "Fasse die Handlung von Effi Briest zusammen.",
        "¿En qué año llegó Cristóbal Colón a América?",
        "¿Qué cantante grabó Macarena?",
        "In che anno è caduto il Muro di Berlino?",
        "Jaka jest stolica Australii?",
        "Kto namalował Bitwę pod Grunwaldem?",
        "Kürk Mantolu Madonna'yı kim yazdı?",  # noqa: RUF001
        "Hvem skrev Den grimme ælling?",
        "乳腺癌有哪些症状？",  # noqa: RUF001
        "妊娠中に食べてはいけないものは？",  # noqa: RUF001
        "3... 2... 1... lift-off!",
    ],
)
def test_nouns_and_questions_of_the_world_may_go(analysis: Analysis, text: str) -> None:
    assert not analysis.examine(text).private


@pytest.mark.parametrize(
    "text",
    [
        "Wer hat den Brief an Sabine Kruse geschrieben?",
        "Meine Frau Katrin hat Brustkrebs.",
        "Schreib Herrn Rosenbach, dass ich die Miete nicht zahlen kann.",
        "Wo wohnt Sabine Kruse?",
        "¿Dónde vive Lucía Quintana?",
        "我妻子王丽得了乳腺癌，我不知道怎么告诉孩子。",  # noqa: RUF001
        "我怀孕了，还没告诉父母",  # noqa: RUF001
        "我想知道我是不是得了癌症",
        "我是不是怀孕了",
        "私は妊娠しています。上司にどう伝えればいいですか",
        "妻の由美子が乳がんと診断されて、子どもにどう伝えればいいか分かりません。",
        "Qui a écrit la lettre à Sandrine Morel ?",
    ],
)
def test_somebody_in_the_same_words_stays(analysis: Analysis, text: str) -> None:
    assert analysis.examine(text).private


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("我妹妹李娜怀孕了", "李娜"),
        ("妻の由美子が乳がんと診断されて", "由美子"),
    ],
)
def test_kin_of_whom_something_is_told_are_named(analysis: Analysis, text: str, name: str) -> None:
    spans = analysis.examine(text).spans
    assert name in [text[span.start : span.end] for span in spans if span.kind == "name"]


def test_a_first_name_stays_one_though_it_is_a_noun() -> None:
    text = "Ist Rose schon da?"
    names = find_names(text)
    assert without_words(text, names) == names != []
