"""Names that their place tells: masked under pseudonyms, whatever the word is otherwise."""

import re
from pathlib import Path

import pytest

from floe.privacy.command import Judge
from floe.privacy.detection.likely_names import find_likely_names, without_kin
from floe.privacy.detection.names import find_names
from floe.privacy.detection.rules import Sign
from floe.privacy.detector import Detector
from floe.records import ChatMessage
from floe.store import Store


@pytest.fixture(scope="module")
def detector() -> Detector:
    found = Detector()
    found.load()
    return found


def sent(detector: Detector, folder: Path, text: str, policy: str = "pseudonyms") -> str:
    """Return what would leave of a message; empty where it stays."""
    store = Store(folder / "floe.db")
    judge = Judge(store, detector, policy)  # type: ignore[arg-type]
    messages = judge.judge([ChatMessage("user", text)])["sent"]
    return messages[-1]["content"] if messages else ""  # type: ignore[index]


def words(text: str) -> set[str]:
    """Return the words of a text, without the s of a genitive."""
    return set(re.findall(r"[^\W\d_]+", text))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("i need to tell eve that her bf mo is on grindr, eve is my best mate", {"mo"}),
        ("told my mate gaz hes got a gambling problem he went mental", {"gaz"}),
        ("My sister is Ocean and our brother Rob refuses to move out. Letter to Rob.", {"Ocean"}),
        ("My lodger, Mr. Haas, has not paid since Prince moved in with him.", {"Prince"}),
        ("My student Genesis says her stepfather Prince comes into her room.", {"Prince"}),
        ("Rowan got fired. She hasn't told Reed. I'm their flatmate.", {"Rowan", "Reed"}),
        ("What can I say to Lane? His wife left him for Parker, my boss.", {"Lane", "Parker"}),
        ("Dear Dr Love, my son Finn refuses his insulin. Yours, Sandy Beach", {"Sandy", "Beach"}),
        ("Fam chat:\nAsh: dad is ill\nMe: how ill\nAsh: cancer, tell Ivo", {"Ash", "Ivo"}),
        (
            "name;amount;since\nBishop;450;March\nSnow;1200;January\nI lent them this, my cousins.",
            {"Bishop", "Snow"},
        ),
        (
            "Please summarise:\nOyelaran - dementia, needs placement\nStrand - MRSA, isolate",
            {"Oyelaran", "Strand"},
        ),
        ("write to mr and mrs tran that their son tuan failed, signed mrs li", {"tran", "li"}),
        ("fell out w ness over my hen do money, she blocked me", {"ness"}),
        ("me and star been ttc 2 yrs, her sis anja offered to be surrogate", {"star"}),
        ("bob owes me 50 and alice owes bob 30, can i take it from alice", {"bob", "alice"}),
        ("Mon ex Blanche veut la garde d'Olive et de Prune.", {"Blanche", "Olive", "Prune"}),
        ("Ma nièce Maëlle est enceinte de Loup, le fils du voisin Bertin.", {"Loup"}),
        ("got a call from school: blaze punched a kid called king", {"blaze", "king"}),
        ("Esposito, il mio socio, ha preso soldi dalla cassa.", {"Esposito"}),
        ("drew and i broke up bc of his gambling", {"drew"}),
        ("kitty_lavoie is my sister's cam name", {"kitty", "lavoie"}),
        ("Frau Sommer hat Krebs. Schreib eine Karte von Familie Winter.", {"Sommer", "Winter"}),
    ],
)
def test_who_stands_where_persons_stand_may_be_a_name(text: str, names: set[str]) -> None:
    sure = without_kin(text, [Sign(name.start, name.end, "name", 0.6) for name in find_names(text)])
    shown = [*sure, *find_likely_names(text, sure)]
    assert names <= words(" ".join(text[sign.start : sign.end] for sign in shown))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Rob owes me $50 from the vegas trip and alice owes bob 30", "from the vegas trip and"),
        ("My stepson Ty sleeps badly since his mum overdosed.", "since his mum overdosed"),
        ("Mi vecina la señora Ruiz me debe 300 euros. ¿Denuncio?", "¿Denuncio?"),
        ("Our cleaner, Dee Hart, took mum's ring.", "Our cleaner, PERSON_1"),
        ("How do I tell Hassan I'm not in love with him anymore?", "tell PERSON_1 I'm not in love"),
        ("Tell my son Ivo I'll be late, he waits at the clinic.", "PERSON_1 I'll be late"),
        ("my iban is DE89 3704 0044 0532 0130 00, put it into an invoice", "my iban is"),
        ("My son Ivo stutters. Tongue twisters help or harm? He is 4.", "Tongue twisters help"),
        ("My daughter Nora refuses to visit her dad, Karl, he drinks.", "refuses to visit her dad"),
    ],
)
def test_words_beside_persons_are_left(
    detector: Detector, tmp_path: Path, text: str, left: str
) -> None:
    assert left in sent(detector, tmp_path, text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Rosemary and Basil are my parents. A birthday card to Basil?", {"Rosemary", "Basil"}),
        ('Pls reword for my boss: "Fitz is always late. Either he goes or I go - Mo"', {"Fitz"}),
        ("Oisín owes Ebo four hundred. Ebo won't ask. Should I?", {"Oisín", "Ebo"}),
    ],
)
def test_whom_a_text_places_in_ones_life_is_masked_though_it_may_go(
    detector: Detector, tmp_path: Path, text: str, names: set[str]
) -> None:
    assert not names & words(sent(detector, tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "Why does Fox News say that Bear Stearns failed?",
        "Who directed the film Sleep With Me?",
        "In Hamlet who's Ophelia's brother and how does she die?",
        "Prove that if every friend of Ada is a friend of Bo, then Bo is his own friend.",
        "I love summer in Paris. What should I pack?",
    ],
)
def test_a_question_of_the_world_goes_as_it_is(
    detector: Detector, tmp_path: Path, text: str
) -> None:
    assert sent(detector, tmp_path, text) == text


def test_a_later_turn_masks_whom_an_earlier_one_named(detector: Detector, tmp_path: Path) -> None:
    store = Store(tmp_path / "floe.db")
    messages = [
        ChatMessage("user", "Oisín owes Ebo four hundred. Ebo won't ask. Should I?"),
        ChatMessage("assistant", "You could offer to help."),
        ChatMessage("user", "How would I begin?"),
    ]
    judged = Judge(store, detector, "pseudonyms").judge(messages)
    said = " ".join(message["content"] for message in judged["sent"])  # type: ignore[attr-defined]
    assert "How would I begin?" in said
    assert not {"Oisín", "Ebo"} & words(said)


def test_kept_on_this_device_nothing_more_is_masked(detector: Detector, tmp_path: Path) -> None:
    text = "Rosemary and Basil are my parents. A birthday card to Basil?"
    assert sent(detector, tmp_path, text, "local only") in ("", text)


@pytest.mark.parametrize("piece", ["\n", '"\n', "\t", "- \n", "My sister is ", "tell mo and "])
def test_a_long_text_of_one_piece_is_looked_through_in_time(piece: str) -> None:
    assert [*find_likely_names(piece * (20_000 // len(piece)), ())] == []
