"""Sets of questions with known answers: where they lie, how they are asked, what is right.

A file of one's own takes the place of a set's: JSON Lines in the form of that set, or of the
public set that it is named after. Knows no model.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from floe.errors import DataError
from floe.evaluate.accuracy.sandbox import passes
from floe.records import PromptKind
from floe.resources import QUESTION_SETS
from floe.training.trial.measures import is_right

SetName = Literal["gsm", "nq", "code", "choice"]
SET_NAMES: Final[tuple[SetName, ...]] = get_args(SetName)
LETTERS: Final = "ABCDEFGHIJ"

_NUMBER: Final = r"-?\d[\d,]*(?:\.\d+)?"
_STATED: Final = re.compile(
    rf"(?:answer(?: is|:)|####|\\boxed\{{)[^\d\n-]{{0,40}}({_NUMBER})", re.IGNORECASE
)
_NUMBERS: Final = re.compile(_NUMBER)
_CALCULATION: Final = re.compile(r"<<.*?>>")
"""Notes for a calculator in the answers of GSM8K."""
_BLOCK: Final = re.compile(r"```(?:python|py)?[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_FIRST_LETTER: Final = re.compile(r"\W*(?:([B-J])\b|(A)\b(?!\s+[a-z]))")
"""A letter at the beginning; "A hen lays eggs" does not begin with one."""
_STATED_LETTER: Final = re.compile(r"answer(?: is|:)?\W*(?:option\W*)?([A-J])\b")
_LABEL: Final = re.compile(r"(?<!\w)([A-J])\)")


@dataclass(frozen=True, slots=True)
class AccuracyQuestion:
    """A question with its answer.

    Attributes:
        prompt: what is asked, word for word.
        reference: a right answer as an assistant would write it, to be scored in bits per byte.
        accepted: what one of which makes an answer right; see the set's rule.
        test: of a program, Python that raises unless it is right.
    """

    prompt: str
    reference: str
    accepted: tuple[str, ...]
    test: str = ""


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """One kind of question.

    Attributes:
        title: for people.
        file: the questions that come with the program, below `data/questions`.
        max_tokens: tokens in which an answer has to come.
        read: makes a question of one line of the file.
        right: whether a text answers a question.
        kind: of prompt, for the automatic weight.
    """

    title: str
    file: str
    max_tokens: int
    read: Callable[[Mapping[str, Any]], AccuracyQuestion]
    right: Callable[[AccuracyQuestion, str], bool]
    kind: PromptKind


def read_questions(name: SetName, path: Path | None = None) -> list[AccuracyQuestion]:
    """Read a set; `path`: one's own file in place of the one that comes with the program.

    Raises:
        DataError: it cannot be read, or is of another form.
    """
    chosen = SETS[name]
    path = path or QUESTION_SETS / chosen.file
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        questions = [chosen.read(json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path.name} cannot be read as questions of the set {name} "
            f"({type(error).__name__}). docs/method.md shows the form of each set."
        ) from error
    if not questions:
        raise DataError(f"{path.name} holds no questions.")
    return questions


def _read_arithmetic(line: Mapping[str, Any]) -> AccuracyQuestion:
    if "messages" in line:
        prompt, answer = (str(message["content"]) for message in line["messages"][-2:])
    else:
        prompt, answer = str(line["question"]), str(line["answer"])
        answer = _CALCULATION.sub("", answer).replace("####", "The answer is")
    number = final_number(answer)
    if number is None:
        raise ValueError("an answer without a number")
    return AccuracyQuestion(prompt, answer, (str(number),))


def _read_fact(line: Mapping[str, Any]) -> AccuracyQuestion:
    answers = line["answers"] if "answers" in line else line["answer"]
    accepted = (answers,) if isinstance(answers, str) else tuple(str(each) for each in answers)
    question = str(line["question"] if "question" in line else line["prompt"]).strip()
    question = f"{question[:1].upper()}{question[1:]}".rstrip("?") + "?"
    return AccuracyQuestion(question, accepted[0], accepted)


def _read_code(line: Mapping[str, Any]) -> AccuracyQuestion:
    head, entry = str(line["prompt"]), str(line["entry_point"])
    solution = f"```python\n{head.strip()}\n{str(line['canonical_solution']).rstrip()}\n```"
    prompt = f"Complete this Python function.\n\n```python\n{head.strip()}\n```"
    test = f"{line['test']}\n\ncheck({entry})\n"
    return AccuracyQuestion(prompt, solution, (head, entry), test)


def _read_choice(line: Mapping[str, Any]) -> AccuracyQuestion:
    options = [str(each) for each in line["choices"]]
    answer = line["answer"]
    letter = LETTERS[answer] if isinstance(answer, int) else str(answer).strip().upper()
    right = options[LETTERS.index(letter)]
    shown = "\n".join(f"{LETTERS[i]}) {option}" for i, option in enumerate(options))
    prompt = f"{line['question']}\n{shown}\nAnswer with the letter of the right option."
    return AccuracyQuestion(prompt, f"{letter}) {right}", (letter, *options))


def final_number(text: str) -> float | None:
    """Return the number that an answer comes to: the last one stated as such, else the last."""
    found = _STATED.findall(text) or _NUMBERS.findall(text)
    return float(found[-1].replace(",", "")) if found else None


def chosen_letter(text: str, options: Sequence[str]) -> str | None:
    """Return the letter of the option that an answer settles on; None: it is not clear."""
    known = LETTERS[: len(options)]
    labels = set(_LABEL.findall(text)) & set(known)
    listed = len(labels) == len(known)  # it says the options over again, the first one first
    first = _FIRST_LETTER.match(text)
    begins_with = str(first[1] or first[2]) if first is not None and not listed else None
    if begins_with is not None and begins_with in known:
        return begins_with
    stated = [letter for letter in _STATED_LETTER.findall(text) if letter in known]
    if stated:
        return str(stated[-1])
    if labels:
        return labels.pop() if len(labels) == 1 else None
    named = [i for i, option in enumerate(options) if is_right(text, [option])]
    return known[named[0]] if len(named) == 1 else None


def program_in(text: str, head: str, entry: str) -> str:
    """Return the program that an answer gives: its block of code, or a body for `head`."""
    blocks = _BLOCK.findall(text)
    defines = f"def {entry}("
    code = next((block for block in blocks if defines in block), blocks[0] if blocks else text)
    if defines in code:
        return f"{head.partition(defines)[0]}\n{code}"  # the imports that came with the question
    if not code.startswith((" ", "\t")):
        code = "\n".join(f"    {line}" for line in code.splitlines())
    return f"{head}{code}"


def _is_number(question: AccuracyQuestion, text: str) -> bool:
    number = final_number(text)
    return number is not None and abs(number - float(question.accepted[0])) < 1e-6


def _is_fact(question: AccuracyQuestion, text: str) -> bool:
    return is_right(text, question.accepted)


def _is_program(question: AccuracyQuestion, text: str) -> bool:
    head, entry = question.accepted
    return passes(f"{program_in(text, head, entry)}\n\n{question.test}")


def _is_choice(question: AccuracyQuestion, text: str) -> bool:
    letter, *options = question.accepted
    return chosen_letter(text, options) == letter


SETS: Final[Mapping[SetName, QuestionSet]] = {
    "gsm": QuestionSet("arithmetic", "gsm.jsonl", 512, _read_arithmetic, _is_number, "calculation"),
    "nq": QuestionSet("short facts", "nq.jsonl", 64, _read_fact, _is_fact, "general"),
    "code": QuestionSet("Python functions", "code.jsonl", 512, _read_code, _is_program, "code"),
    "choice": QuestionSet(
        "multiple choice", "choice.jsonl", 64, _read_choice, _is_choice, "general"
    ),
}
