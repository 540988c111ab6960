"""Texts in other languages, word by word in English."""

# ruff: noqa: RUF001 (letters that look like Latin ones)

import re
from importlib.resources import files
from itertools import pairwise

import pytest

from floe.privacy.detection.glossed_reading import read_glossed
from floe.privacy.detection.glossing import (
    gloss,
    glosses,
    language_of,
    languages,
    without_known_words,
)
from floe.privacy.detection.names import Name, find_names
from floe.privacy.detection.spelled_codes import find_spelled_codes
from floe.privacy.detector import Detector
from floe.privacy.scripts import may_hide_names


def english(text: str) -> str:
    return gloss(text, find_names(text), language_of(text)).text


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Ich habe morgen einen Termin beim Zahnarzt", "de"),
        ("je dois préparer un dîner pour six personnes", "fr"),
        ("necesito una receta para la cena de mañana", "es"),
        ("come posso togliere una macchia di vino", "it"),
        ("preciso de uma receita para o jantar", "pt"),
        ("hoe krijg ik mijn kind naar bed", "nl"),
        ("jak mam napisać list do mojej siostry", "pl"),
        ("jak mám napsat dopis své sestře", "cs"),
        ("vad ska jag ge min man i present", "sv"),
        ("kızıma doğum günü için ne alayım", "tr"),
        ("ce să fac de mâncare pentru copii", "ro"),
        ("mit főzzek ma este a gyerekeknek", "hu"),
        ("apa yang harus saya masak untuk anak saya", "id"),
        ("tôi nên nấu gì cho con tôi tối nay", "vi"),
        ("что подарить мужу на день рождения", "ru"),
        ("що подарувати чоловікові на день народження", "uk"),
        ("τι δώρο να πάρω στον άντρα μου", "el"),
        ("מה לקנות לבעלי ליום הולדת", "he"),
        ("ماذا أطبخ لأولادي اليوم", "ar"),
        ("मैं आज रात क्या बनाऊँ", "hi"),
        ("남편 생일 선물 추천해줘", "ko"),
        ("母の日のプレゼントを考えて", "ja"),
        ("帮我写一首关于秋天的诗", "zh"),
        ("my wife has cancer अब मैं क्या करूँ", ""),
        ("on", ""),
        ("download update", ""),
        ("buntis ako at walang nakakaalam", ""),
        ("What should I cook for my husband tonight?", ""),
        ("linkin park members", ""),
        ("If x + y = z and x * y = z, then what is x - y?", ""),
        ("My IBAN is GB82 WEST 1234 5698 7654 32", ""),
        ("cargo build --release; rustc fmt clippy tokio serde", ""),
        ("Vaimollani on rintasyöpä enkä tiedä miten kerron lapsille", ""),
        ("", ""),
    ],
)
def test_the_language_of_a_text_is_known(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("meine schwester ist schwanger", "my sister is pregnant"),
        ("MEINE SCHWESTER IST SCHWANGER", "My sister is pregnant"),
        ("mon frère est en prison", "my brother is in prison"),
        ("moj maz jest w szpitalu", "hospital"),  # as if without accents
        ("tengo mucha fiebre", "i have"),
        ("ich suche eine Geburtstagstorte", "birthday"),  # a compound
        ("tôi bị trầm cảm", "depression"),  # two syllables
        ("남편이 병원에 있어요", "husband"),  # with its ending
        ("l'hôpital est loin", "hospital"),
        ("mijn baby's zijn ziek", "baby"),
        ("旦那が浮気してる", "husband but is cheating"),
        ("Kannst du das bitte für mich übersetzen? I didn't tell my wife", "I didn't tell my wife"),
        ("Kannst du das übersetzen: 남편이 바람을 피워요", "husband"),
    ],
)
def test_words_are_put_into_english(text: str, word: str) -> None:
    assert word in english(text)


def test_names_stay_and_words_that_look_like_names_do_not() -> None:
    text = "Gestern war Anna Becker krank"
    glossed = gloss(text, find_names(text), "de")
    assert "Anna Becker" in glossed.text
    assert [glossed.text[name.start : name.end] for name in glossed.names] == ["Anna Becker"]
    text = "la mia mamma adora la Pizza"
    names = [Name(13, 18, "small"), Name(22, 27, "unknown")]
    assert without_known_words(text, names, "it") == []
    text = "Was verdient Herr Schneider?"
    names = [Name(18, 27, "unknown")]
    assert without_known_words(text, names, "de") == names
    text = "Porovnej Karla Čapka"
    assert without_known_words(text, [Name(0, 20, "full")], "cs") == [Name(9, 20, "full")]
    text = "Kdo byl Karel Čapek"
    assert without_known_words(text, [Name(8, 19, "full")], "cs") == [Name(8, 19, "public")]
    text = "chiedi a Rosa"
    assert without_known_words(text, [Name(9, 13, "given")], "it") == [Name(9, 13, "given")]


def test_what_is_read_is_told_with_the_places_of_the_original() -> None:
    text = "Gestern war Anna Becker wegen ihrer Krankheit beim Arzt"
    glossed = gloss(text, find_names(text), "de")
    (reading,) = read_glossed(glossed, text, find_names(text))
    assert (reading.start, reading.end) == (0, len(text))
    assert {text[slice(*place)] for place in reading.places} == set(text.split())
    likely = max(zip(reading.named, reading.places, strict=True))[1]
    assert text[slice(*likely)] in ("Anna", "Becker")
    assert all(0 <= start <= end <= len(text) for start, end in reading.places)


@pytest.mark.parametrize(
    "text",
    [
        "Brauch ein Geschenk für meinen Mann zum 40sten, er grillt gern",
        "Was schenke ich meiner Schwiegermutter zum Geburtstag?",
        "¿Qué le regalo a mi marido por nuestro aniversario?",
        "Me ajuda a montar um treino de 30 minutos em casa",
        "hoe krijg ik een rode wijnvlek uit mijn bank",
        "co mogę ugotować z kurczaka i ryżu",
        "co mám uvařit z kuřete a rýže",
        "kızıma doğum günü pastası tarifi",
        "vad ska jag ge min man i present",
        "ce pot găti din pui și orez",
        "mit főzzek csirkéből és rizsből",
        "resep ayam goreng untuk mertua saya",
        "công thức nấu phở gà cho bốn người",
        "что подарить мужу на годовщину свадьбы",
        "남편 생일 선물 추천해줘",
        "kto wygrał konkurs chopinowski w 1975",
        "je veux courir un semi, je cours déjà 8 km sans problème",
        "wie stellt man bei word die seitenzahl erst ab seite 3 ein",
    ],
)
def test_an_everyday_prompt_in_another_language_may_leave(detector: Detector, text: str) -> None:
    assert not detector.examine(text).private


@pytest.mark.parametrize(
    "text",
    [
        "mein mann hat krebs und die kinder wissen es nicht",
        "ma femme a fait une fausse couche en mars",
        "debo tres meses de alquiler y no se lo he dicho a mi mujer",
        "mio figlio si droga da due anni",
        "tenho HIV e minha namorada não sabe",
        "mijn vrouw heeft een affaire met haar baas",
        "mój mąż pije od lat i bije dzieci",
        "jsem těhotná a nikdo to neví",
        "kocam beni aldatıyor, kimseye söyleyemiyorum",
        "jag har borderline och äter litium",
        "soțul meu mă bate când bea",
        "terhes vagyok és senki sem tudja",
        "saya positif HIV dan istri saya belum tahu",
        "tôi bị trầm cảm và không ai biết",
        "у меня рак груди, дети пока не знают",
        "η μάνα μου έχει καρκίνο",
        "남편이 바람을 피워요",
        "¿Dónde vive Lucía Quintana?",
        "combien gagne Maryse Delcourt ?",
        "Was verdient Herr Schneider?",
        "Wo wohnt Paula Jung?",
        "La signora Bianchi ha un tumore",
        "Kannst du mir diesen Text auf Englisch besser formulieren? my dad's in jail",
        "Übersetze ins Deutsche: 남편이 바람을 피워요",
    ],
)
def test_somebodys_own_matter_in_another_language_stays(detector: Detector, text: str) -> None:
    verdict = detector.examine(text)
    assert verdict.private
    assert not any("reads badly" in kind for kind in verdict.kinds)


def test_a_script_that_nothing_reads_stays_behind_a_task_in_a_known_language(
    detector: Detector,
) -> None:
    verdict = detector.examine("Traduis en français : ภรรยาของผมเป็นมะเร็งและลูกๆยังไม่รู้")
    assert verdict.private


@pytest.mark.parametrize(
    "text", ["", "a", "ß", "😀", "'", "l'", "ñ\u0303", "де", "い", "...", "- -"]
)
@pytest.mark.parametrize("language", languages())
def test_any_text_can_be_put_into_english(text: str, language: str) -> None:
    glossed = gloss(text, find_names(text), language)
    assert glossed.original(0, len(glossed.text) + 1)[1] <= len(text)
    assert all(place.original_end <= len(text) for place in glossed.places)


def test_a_long_text_is_read_in_stretches_with_the_places_of_the_original() -> None:
    text = "Gestern war ich mit meinem Hund im Wald und habe Pilze gesammelt. " * 20
    glossed = gloss(text, (), "de")
    readings = read_glossed(glossed, text, ())
    assert len(readings) > 1
    assert readings[0].start == 0
    assert all(a.start < b.start <= a.end for a, b in pairwise(readings))
    assert readings[-1].end >= len(text) - 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The code for our front door is three, then nine twice, then zero.", True),
        ("pw for my laptop is capital M, a, r, m, o, t, then 4 4. too weak, why", True),
        ("my pin is one nine four two", True),
        ("The four letters of the genetic code are A, T, G, and C. Why?", False),
        ("What does the Morse code: dot dash dot mean?", False),
        ("The cheat code is A, B, A, C, Up", False),
        ("Which combination is right: a, b, c or d", False),
    ],
)
def test_codes_that_are_said_aloud(text: str, said: bool) -> None:
    assert bool([*find_spelled_codes(text)]) == said


@pytest.mark.parametrize(
    ("answer", "private"),
    [
        ("Write it so: Max Mustermann, Musterstraße 1, 12345 Musterstadt.", False),
        ("Erika lives at Lindenstraße 14, 50674 Köln.", True),
    ],
)
def test_the_street_of_a_specimen_is_nobodys_in_an_answer(
    detector: Detector, answer: str, private: bool
) -> None:
    assert detector.examine_answer(answer).private == private


def test_vietnamese_stays_whole_under_pseudonyms_as_its_names_are_words() -> None:
    assert may_hide_names("chị Lan bị trầm cảm và không ai biết")
    assert may_hide_names(
        "Fix the grammar please. " * 20 + "\nchị Lan bị trầm cảm và không ai biết"
    )
    assert not may_hide_names("meine Schwester Anna hat Krebs")


@pytest.mark.parametrize("language", languages())
def test_a_dictionary_is_in_order_and_in_small_english_words(language: str) -> None:
    path = files("floe.privacy.detection").joinpath("glosses", f"{language}.txt")
    lines = path.read_text("utf-8").splitlines()
    entries = [line.split("\t") for line in lines]
    assert all(len(entry) == 2 and all(entry) for entry in entries)
    words = [word for word, _ in entries]
    assert words == sorted(set(words))
    assert len(glosses(language).words) == len(words) > 3_000
    assert not [meaning for _, meaning in entries if len(re.split(r"\s", meaning)) > 6]
    common = glosses("en").words
    plain = [word for _, meaning in entries for word in meaning.split() if word.isalpha()]
    assert sum(word in common for word in plain) > 0.7 * len(plain)
