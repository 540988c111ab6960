"""Private affairs by name: they stay, whoever is named; what books and screens tell goes."""

import pytest

from floe.privacy.detection.analysis import Analysis


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis(())


@pytest.mark.parametrize(
    "text",
    [
        "Who did Verena Stadler leave the flat to?",
        "cancel dinner with the Andersons, little Pip has chickenpox",
        "Reword for HR: 'Gunther said to Marisol that she only got the job because of her looks.'",
        "Between us: Pip's getting the sack on Friday. How do I act normal around Pip?",
        "J.T. and M.W. had an argument at lunch, and M.W. cried. I'm their manager.",
        "can you help me apologise to mags and col, i forgot their wedding anniversary",
        "my gran's called ivy and she fell, can you write to the ward sister",
    ],
)
def test_an_affair_of_somebody_by_name_stays(analysis: Analysis, text: str) -> None:
    assert analysis.examine(text).private


@pytest.mark.parametrize(
    "text",
    [
        "Did the Tudors get divorced a lot?",
        "Write a eulogy for Sherlock Holmes, beloved friend of Watson",
        "Write a story: Tim has chickenpox and builds a rocket",
        "How much did Elon Musk pay for Twitter?",
        "Rewrite for my boss: The meeting is on Monday.",
        "Paris has a fever for football",
    ],
)
def test_an_affair_of_nobody_one_knows_goes(analysis: Analysis, text: str) -> None:
    assert not analysis.examine(text).private


@pytest.mark.parametrize(
    "text",
    [
        "users = ['Anna', 'Ben', 'Carla']; print the second one",
        "Did Marisa Okonkwo ever coach a Premier League team?",
        "Write a mail template for a sales rep: Dear Mr. Smith, thank you for your order.",
        'Choose the right pronoun: "This present is for Lea and (I/me)."',
        "SELECT name, salary FROM staff WHERE name = 'John Ash'; how do I ignore the case?",
        "Peter says Paul lies, Paul says Mary lies, Mary says both lie. Who tells the truth?",
        'How do you say "Ingrid is my neighbour\'s sister" in Danish?',
        "Recommend films like Aftersun by Charlotte Wells.",
    ],
)
def test_a_name_in_a_task_is_nobodys(analysis: Analysis, text: str) -> None:
    assert not analysis.examine(text).private


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE staff SET salary=30000 WHERE name='Karen Hill' - she is my assistant",
        'How do you say "my landlord Piotr won\'t return our deposit" in Polish?',
        'Is it "Joana has HIV" or "Joana had HIV"? I\'m writing to her parents',
        "Write a template for the warning letter to Karim Aziz, who came late again",
        "Translate: Ben hastay\u0131m ve i\u015ften \u00e7\u0131kar\u0131ld\u0131m",
        "Ben and I broke up, and he took my cat",
    ],
)
def test_the_same_frames_free_nobody_who_is_meant(analysis: Analysis, text: str) -> None:
    assert analysis.examine(text).private
