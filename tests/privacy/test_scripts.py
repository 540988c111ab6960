"""Other scripts than Latin, which the encoder cannot read: everyday prompts may leave."""

# ruff: noqa: RUF001 (letters that look like Latin ones)

import json
import subprocess
import sys
from pathlib import Path

import pytest

from floe.privacy.detection.classifier import model_of
from floe.privacy.detection.features import features, tokens_of
from floe.privacy.detector import Detector
from floe.privacy.scripts import may_hide_names


@pytest.mark.parametrize(
    "text",
    [
        "Напиши вежливое письмо соседям о субботнике",
        "Как приготовить борщ без мяса?",
        "帮我写一首关于秋天的诗",
        "这个 Excel 公式为什么报错？",
        "京都で雨の日に楽しめる場所を教えて",
        "파이썬에서 리스트를 뒤집는 방법",
        "اكتب قصيدة قصيرة عن البحر",
        "दिल्ली से जयपुर कैसे जाएँ?",
        "Γράψε μου μια συνταγή για φασολάδα",
        "תכתוב לי שיר על הים",
    ],
)
def test_an_everyday_prompt_may_leave(detector: Detector, text: str) -> None:
    assert not detector.examine(text).private


@pytest.mark.parametrize(
    "text",
    [
        "У мамы нашли рак, не знаю, как сказать детям",
        "я беременна и муж ещё не знает",
        "我老公出轨了，我该怎么办",
        "借金が三百万あって妻に言えない",
        "우울증 약을 먹은 지 두 달 됐는데 회사에 말해야 할까요",
        "زوجي يضربني ولا أعرف ماذا أفعل",
        "मेरी पत्नी को कैंसर है और बच्चों को नहीं बताया",
        "η μητέρα μου έχει καρκίνο",
        "לאמא שלי יש סרטן",
    ],
)
def test_somebodys_own_matter_stays(detector: Detector, text: str) -> None:
    assert detector.examine(text).private


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("帮我把 Excel 表格排序", "scripts"),
        ("what does привет mean", "private"),
        ("Как установить pip?", "scripts"),
        ("4 + 5", "private"),
    ],
)
def test_the_model_is_that_of_most_words(text: str, model: str) -> None:
    assert model_of(tokens_of(text, (), 0, len(text))) == model


def test_two_syllables_of_hangul_are_a_feature_and_two_letters_are_none() -> None:
    def count(word: str) -> int:
        return len(features([(word, 0, len(word))])[0])

    # Of four letters and the edges around them: four, three and two runs of 3, 4 and 5; five of 2.
    assert count("우울증약") - count("abcd") == 5


@pytest.mark.parametrize(
    ("text", "hides"),
    [
        ("إلى مريم", True),
        ("לנועם יש חום", True),
        ("प्रिया के लिए", True),
        ("сергей опять пьёт", True),
        ("Сергей опять пьёт", True),
        ("我同事王芳病了", True),
        ("sin α + cos β = γ", False),
        ("Ask 王芳 and María", False),
    ],
)
def test_where_a_name_would_not_be_found(text: str, *, hides: bool) -> None:
    assert may_hide_names(text) is hides


def test_under_pseudonyms_what_may_hide_a_name_stays(tmp_path: Path) -> None:
    texts = [
        "לנועם יש דיכאון, הטלפון שלו 0541234567",
        "сергей болен раком, а оксана пьёт",
        "У Лены Ковалёвой рак, как её поддержать?",
        "金庫の暗証 3-9-0-4、wifiのパス kuro4412",
        "My wife Anna Weber has lupus",
    ]
    path = tmp_path / "lines.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in texts), "utf-8")
    command = [sys.executable, "-m", "floe.privacy", str(path), "--policy", "pseudonyms"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
    *others, english = (json.loads(line)["sent"] for line in done.stdout.splitlines())
    assert others == [[], [], [], []]
    assert english[-1]["content"] == "My wife PERSON_1 has lupus"
