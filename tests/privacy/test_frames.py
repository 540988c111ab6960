"""A name is evidence beside a tie only: exercises, look-ups and works name people, too."""

import pytest

from floe.privacy.detection.fame import is_famous, is_known_at
from floe.privacy.detection.names import find_names
from floe.privacy.detection.statements import sets_task_later, with_ties
from floe.privacy.detection.training.fame import famous
from floe.privacy.detector import Detector


@pytest.mark.parametrize(
    "text",
    [
        "Translate: Peter and Anna walk to school",
        "Traduis en anglais : Pierre et Camille vont à l'école.",
        "Which sentence is correct? a) Tom and I went home. b) Tom and me went home.",
        'How do you say "Good morning, Mr. Tanaka" in Japanese?',
        "Legal exercise: Alfred sells his car to Bella but Charlie had already paid. Who owns it?",
        "If Bob beat Martha in a game and Martha beat Joe, who of Bob and Joe is better?",
        "Write a limerick about a guy named Dave that is funny to moms.",
        "List five dishes from Georgian cuisine",
        "Tell me about the Wright brothers at Kitty Hawk",
        "Tell me about Sophie Scholl and the White Rose.",
        "I love the music of Miriam Makeba. Which album should I start with?",
        "We are watching Breaking Bad. Who is Gus Fring?",
        "I just finished reading Emma. Did Mr. Knightley love her from the start?",
        "Is San Marino in the EU?",
        "Lorraine weather in October",
        "Draft an example invoice from Acme Ltd to a customer named Bob Miller with three items.",
        "Which prize did Nadine Gordimer win?",
        'In Django, how do I filter Author.objects by first name "Terry"?',
    ],
)
def test_an_exercise_a_look_up_and_a_work_may_leave(detector: Detector, text: str) -> None:
    assert not detector.examine(text).private


@pytest.mark.parametrize(
    "text",
    [
        "Translate: Hi Rafael, I won't make it to the custody hearing. Denise",
        "Translate: Olga has lost the baby.",
        "Translate: Yusuf is my brother and the police are looking for him.",
        "Rewrite: Sandra steals from the till.",
        "Rephrase: Arjun from finance told us the bonuses are cancelled, don't forward.",
        "Turn this into a table. Attendees: Brigid, Tomasz. Decided: the fence is painted.",
        "Exercise: help me write to Carla that it is over.",
        "Case study: my patient Helga, 71, fell again. What would you do?",
        "Tell me about borderline, my girlfriend Noa has it",
        "I'm a big fan of my neighbour Priscilla, how do I ask her out",
        "I'm reading Emma's texts. Does she love somebody else?",
        "We are watching Theo's kids tonight, what can we cook, they are diabetic",
        "My favourite student is Marek Dvorak. What makes him so quiet?",
        "How do I tell Dennis to move out?",
        "Who is Anna Weber from accounting?",
        "Where does Karim Haddad live?",
        "Who is the father of Jasmin's baby?",
        "Which ward is Hedda Rasmussen on?",
        "Compare the sick days of Piotr Wilk and Fay Docherty",
        "List Wanda's debts",
        "Which of our tenants is behind on rent: Jarek or Mimi?",
        "Which solicitor does Armin Tesfaye have?",
    ],
)
def test_a_tie_or_a_matter_in_the_same_frames_stays(detector: Detector, text: str) -> None:
    assert detector.examine(text).private


@pytest.mark.parametrize("name", ["Hedy Lamarr", "René Descartes", "Schiller", "Djokovic's"])
def test_the_world_famous_are_known_with_and_without_accents(name: str) -> None:
    assert is_famous(name)


def test_a_first_name_alone_makes_nobody_famous() -> None:
    assert not any(is_famous(name) for name in ("David", "Sarah", "Karim Haddad"))


@pytest.mark.parametrize(
    ("text", "name", "known"),
    [
        ("Please tell me the history of Walt Disney.", "Walt", True),
        ("What did Alfredo Hitchcock film?", "Alfredo Hitchcock", True),
        ("Judith Butler's book", "Judith Butler", True),
        ("Eleanor Rigby died in the church.", "Eleanor Rigby", True),
        ("Walt came by.", "Walt", False),
        ("Judith Kessler's book", "Judith Kessler", False),
    ],
)
def test_who_is_known_is_seen_in_the_text(text: str, name: str, *, known: bool) -> None:
    start = text.index(name)
    assert is_known_at(text, start, start + len(name)) is known


@pytest.mark.parametrize(
    ("text", "sets"),
    [
        ("Here are two scales. Now compare them.", True),
        ("My book group meets soon and I'd like five discussion questions", True),
        ("Parse: the cat sat", True),
        ("I can write well, she said.", False),
        ("The name of the rose", False),
    ],
)
def test_a_task_is_found_wherever_it_stands(text: str, *, sets: bool) -> None:
    assert sets_task_later(text) is sets


def test_a_last_name_is_enough_only_for_those_whom_all_the_world_knows() -> None:
    rows = [
        {"name": "Zinédine Zidanovsky", "numlangs": "80"},
        {"name": "Marta Zidanovska", "numlangs": "30"},
        {"name": "David", "numlangs": "90"},
        {"name": "Lost L?tter", "numlangs": "90"},
    ]
    assert famous(rows) == ["marta zidanovska", "zinedine zidanovsky*"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Valida M. Ibragimov called.", "Valida M. Ibragimov"),
        ("follow up with benjamin a seiler in a month", "benjamin a seiler"),
    ],
)
def test_an_initial_makes_a_full_name_of_words_that_no_list_has(text: str, name: str) -> None:
    found = with_ties(text, find_names(text))
    assert [(text[each.start : each.end], each.form) for each in found] == [(name, "full")]


@pytest.mark.parametrize(
    "text",
    [
        "kiran said the meeting is at 4",
        "jonas cant cook for his life, recipe for him?",
        "feeding esthers cat this week, what does it eat",
    ],
)
def test_a_person_in_hasty_writing_stays(detector: Detector, text: str) -> None:
    assert detector.examine(text).private


@pytest.mark.parametrize(
    "text",
    [
        "how many kids did queen victoria have",
        "nobody said it would be easy, who sang that",
        "What's a palindrome with the name Hannah?",
        "Need a slogan for a bakery called Rosie's",
        "How would I address an envelope to a married couple, e.g. Mr and Mrs Smith?",
    ],
)
def test_a_name_that_is_only_a_word_or_an_example_may_leave(detector: Detector, text: str) -> None:
    assert not detector.examine(text).private


@pytest.mark.parametrize("text", ["Plan B. Then we go", "add a postscript", "take a pill a day"])
def test_a_letter_between_words_makes_no_name_of_them(text: str) -> None:
    assert all(name.form != "full" for name in with_ties(text, find_names(text)))


def test_a_german_participle_is_no_surname() -> None:
    text = "gestern mit fatma gestritten"
    assert [text[n.start : n.end] for n in with_ties(text, find_names(text))] == ["fatma"]


@pytest.mark.parametrize(
    "text",
    [
        "Which clinic is Ivo Petrak at?",
        "list the fines of Roy Tandy",
        "Did Ruaridh send the code?",
        "When did Mr Haddow last pay?",
        "Who looks after Edith Crane's kids?",
        "Wie viel Schulden hat Bernd Kessler?",
        "Welche Medikamente bekommt Frau Lindner?",
        "Combien gagne Maxime Ferrand ?",
        "¿Cuánto debe Ramón Ibáñez al banco?",
        "Hoeveel verdient Joost van Dalen?",
        "Hvad skylder Lars Holm?",
        "Hvor meget tjener Rasmus Kjær?",
        "Quanto guadagna Chiara Neri?",
        "Is Tom & Ana's divorce final?",
        "Is my uncle Ben's shop open on Sunday?",
        "Is Anna's open on Sunday? I want to surprise her there",
        "Be my witness: Karl Lindner hit me on Friday",
    ],
)
def test_what_is_on_somebodys_file_stays(detector: Detector, text: str) -> None:
    assert detector.examine(text).private


@pytest.mark.parametrize(
    "text",
    [
        "Is Ben & Jerry's ice cream vegan?",
        "Is Uncle Ben's rice gluten free?",
        "Should I buy a Fender or a Gibson",
        "Are Dr. Martens worth the money?",
        "Why is it called Murphy's law?",
        "News: Fire chief Dolores Pratt said the blaze was out. Summarise in one line.",
        "Fill the letter template with the name Erika Mustermann and today's date",
        "const users = ['Maria', 'Pavel', 'Ingrid']; map to upper case",
        "sed command to replace John with Jane in all files",
        "Be my dungeon master. My ranger is called Thessaly and she has just entered the crypt.",
        "Draw a family tree as text: Matthias and Hanna had three children, Karl, Lotte and Emil.",
        "Parse: Lord Ashcombe sold the horses to Miss Trent.",
        "Schreib eine Fabel über einen Fuchs namens Ferdinand",
        "Schreibe ein Gedicht über Hamburg im Stil von Heinz Erhardt.",
        "Hvad betyder navnet Bjarne?",
        "Which hospital did Cicely Saunders found?",
    ],
)
def test_a_brand_an_office_a_specimen_and_a_role_may_leave(detector: Detector, text: str) -> None:
    assert not detector.examine(text).private
