"""Train the classifier: `python -m floe.privacy.detection.training.train [--check]`.

Reads the grammars in `data/privacy` (own writing), messages written one by one
(`written.jsonl`, `marked.jsonl`, `scripts.jsonl`, `languages.jsonl` there, own writing as well) and harmless prompts of public sets with an open
licence (`data/privacy/public.json.gz`, a list of [source, text]); nothing else. Writes
`weights.npz`, with a digest of all that it was made from. Never reads what is used to measure.

`--check` trains anew, writes nothing, and fails if the shipped weights are others.
"""

import argparse
import ast
import gzip
import hashlib
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from floe.privacy.detection.classifier import ASKED, KINDS, model_of
from floe.privacy.detection.courtesy import core
from floe.privacy.detection.encoder import encoder
from floe.privacy.detection.features import BITS, Token, features, tokens_of, windows
from floe.privacy.detection.glossing import gloss, language_of, without_known_words
from floe.privacy.detection.names import find_names
from floe.privacy.detection.normalise import normalise
from floe.privacy.detection.training.grammar import Generator, read_lines

ROOT: Final = Path(__file__).parents[4]
FOLDER: Final = ROOT / "data" / "privacy"
WEIGHTS: Final = Path(__file__).parents[1] / "weights.npz"
GLOSSES: Final = WEIGHTS.with_name("glosses")
_SOURCES: Final = (
    *("cases.py", "classifier.py", "courtesy.py", "features.py", "names.py", "normalise.py"),
    *("glossing.py", "fame.py", "famous.txt.gz", "known_people.txt", "../places.py"),
    "vocabulary.py",
    *("lexicon.txt.gz", "well_known.txt", "words.toml", "../lexicon.py"),
    *("training/grammar.py", "training/train.py"),
)
"""All that decides what a text looks like to the classifier, from the folder of the weights."""
_ALIKE: Final = 0.999
"""Share of weights that must be the same, as machines round differently."""
SEED: Final = 20
_PRIVATE: Final = (
    *("private_en.txt", "private_terse_en.txt", "private_names_en.txt", "idctx_en.txt"),
    *("private_documents_en.txt", "private_pasted_en.txt", "private_people_en.txt"),
    *("private_casual_en.txt", "private_ties_en.txt", "private_multi.txt"),
)
_HARMLESS: Final = (
    "harmless_en.txt",
    "harmless_daily_en.txt",
    "harmless_self_en.txt",
    "harmless_names_en.txt",
    "harmless_people_en.txt",
    "harmless_trivia_en.txt",
    "harmless_tasks_en.txt",
    "harmless_news_en.txt",
    "harmless_multi.txt",
    "followups.txt",
)
_WIDE: Final = ("harmless_self_en.txt",)
"""Files whose lines have so many choices that few texts would leave most of them out."""
_GAP: Final = re.compile(
    r"\b(?:this|these|which|what|who|whom|whose|where|when|name|complete|choose|how)\b|_{2,}|\.{3}",
    re.IGNORECASE,
)
"""Where a quiz leaves something to be found."""
REPEATS: Final = 16
_POLITE: Final = 0.2
"""Share of English texts with a greeting or thanks around them."""
_MOST_PUBLIC: Final = 36_000
"""Stretches of public prompts."""
_SHORT: Final = 160
"""Characters; a longer prompt is as it is, without politeness put around it."""
_WRITTEN: Final = 2.0
"""Weight of a message that was written by itself: no grammar has its like."""
_WRITTEN_SCRIPTS: Final = 10.0
"""The same in other scripts than Latin, where the grammars have less."""
_STRENGTH: Final = 2.5
"""Inverse of the weight of the L2 penalty."""
_STRENGTH_SCRIPTS: Final = 3.0
"""The same in other scripts, where most texts count for ten."""
_STRENGTH_GLOSSED: Final = 6.0
"""The same for texts in other languages word by word in English, all of them written one by one."""
_SCRIPTS: Final = "scripts.jsonl"
"""Messages in other scripts than Latin, for the linear model alone: the encoder cannot read them."""
_LANGUAGES: Final = "languages.jsonl"
"""Messages in other languages in Latin letters, for the linear model of glosses alone."""
Labelled = tuple[str, str]
Words = Callable[[str], Sequence[Token]]
PART: Final = "\x03"
"""Before a text that is a part of a longer one."""


def texts(dice: random.Random, *, repeats: int, wrap: str = "{}") -> list[Labelled]:
    """Texts with their kinds out of all grammars; `repeats` for each production.

    wrap: how names that are put into them are written, `{}` for the name.
    """
    made = Generator(FOLDER, dice, wrap)
    found: list[Labelled] = []
    harmless: list[str] = []
    for name in [*_PRIVATE, *_HARMLESS]:
        path = FOLDER / name
        if not path.exists():
            continue
        for line in read_lines(path):
            kind = "-" if name in _HARMLESS else line.kind
            variety = min(8, 1 + line.text.count("[") + 3 * line.text.count("{"))
            often = 3 if line.language or name in _WIDE else 1
            for _ in range(max(2, repeats * variety // 4) * often):
                text = made.styled(made.expand(line), english=not line.language)
                if not line.language and dice.random() < _POLITE:
                    text = made.polite(text)
                found.append((text, kind))
                if kind == "-" and not line.language:
                    harmless.append(text)
    return [*found, *_mixed(found, harmless, dice)]


def _mixed(
    found: Sequence[Labelled], harmless: Sequence[str], dice: random.Random
) -> list[Labelled]:
    """Put a private sentence among harmless ones, and harmless ones together."""
    mixed: list[Labelled] = []
    english = [each for each in found if each[0].isascii() and len(each[0]) < 110]
    for text, kind in dice.sample(english, len(english) // 4):
        other = dice.choice(harmless)
        pair = [text, other]
        dice.shuffle(pair)
        mixed.append((". ".join(pair), kind))
    for text, kind in dice.sample(list(found), len(found) // 6):
        mixed.append((PART + text, kind))
    return mixed


def _stretches(text: str, kind: str) -> list[Labelled]:
    """Return the stretches in which a text is read; of a private one those that name somebody."""
    plain = normalise(text.lstrip(PART)).text
    cuts = windows(plain)
    if len(cuts) == 1:
        return [(text, kind)]
    names = find_names(plain)
    return [
        (PART + plain[start:end], kind)
        for start, end in cuts
        if kind == "-"
        or any(start <= each.start < end and each.form in ("full", "given") for each in names)
    ]


def tells_of_somebody(text: str) -> bool:
    """Return whether a quiz says of a person by full name what anybody may say of somebody.

    Without a gap to be filled, nothing sets such a statement apart from one about a neighbour.
    """
    if text.rstrip().endswith("?") or _GAP.search(text):
        return False
    return any(name.form in ("full", "given") for name in find_names(text))


def matrix(items: Sequence[str], words: Words | None = None) -> csr_matrix[Any]:
    """Features of texts, one row each, of length 1; words: what makes the words of a text."""
    indices: list[NDArray[np.int32]] = []
    starts = [0]
    values: list[NDArray[np.float32]] = []
    for item in items:
        hashes, _ = features((words or _tokens)(item))
        indices.append(hashes)
        values.append(np.full(len(hashes), 1 / np.sqrt(max(1, len(hashes))), np.float32))
        starts.append(starts[-1] + len(hashes))
    shape = (len(items), 1 << BITS)
    made = csr_matrix((np.concatenate(values), np.concatenate(indices), starts), shape)
    made.sum_duplicates()
    return made


def written(*more: str) -> list[Labelled]:
    """Messages that were written one by one, in the stretches in which they are read.

    more: files beside the two of which all models learn.
    """
    names = ("written.jsonl", "marked.jsonl", *more)
    lines = [line for name in names for line in (FOLDER / name).read_text("utf-8").splitlines()]
    found = [json.loads(line) for line in lines]
    return [
        part
        for each in found
        for part in _stretches(re.sub("[⟦⟧]", "", each["text"]), each["kind"])
    ]


def _of_model(model: str, items: Sequence[Labelled]) -> list[Labelled]:
    """Return the texts that a model reads."""
    return [item for item in items if model_of(_tokens(item[0])) == model]


def _tokens(item: str) -> Sequence[Token]:
    """Return the words of a text, or of a part of a longer one."""
    whole = not item.startswith(PART)
    text = normalise(item.lstrip(PART)).text
    start, end = core(text) if whole else (0, len(text))
    return tokens_of(text, find_names(text), start, end, whole=whole)


def _glossed_tokens(item: str) -> Sequence[Token]:
    """Return the words of a text in another language in English; none of one in English."""
    whole = not item.startswith(PART)
    text = normalise(item.lstrip(PART)).text
    language = language_of(text)
    if not language:
        return ()
    names = without_known_words(text, find_names(text), language)
    glossed = gloss(text, names, language)
    start, end = core(glossed.text) if whole else (0, len(glossed.text))
    return tokens_of(glossed.text, glossed.names, start, end, whole=whole)


def fit(
    items: Sequence[Labelled],
    classes: Sequence[str],
    strength: float,
    heavy: Sequence[Labelled] = (),
    often: float = _WRITTEN,
    words: Words | None = None,
) -> dict[str, NDArray[Any]]:
    """Weights of a softmax over classes, as int8 with a scale for each class.

    heavy: items that count `often` times. words: what makes the words of a text.
    """
    together = [*items, *heavy]
    labels = [classes.index(kind) for _, kind in together]
    counts = [1.0] * len(items) + [often] * len(heavy)
    model = LogisticRegression(C=strength, max_iter=60, tol=1e-3)
    model.fit(matrix([text for text, _ in together], words), labels, counts)
    coefficients, intercept = model.coef_, model.intercept_
    if len(classes) == 2:
        coefficients = np.stack([-coefficients[0] / 2, coefficients[0] / 2])
        intercept = np.array([-intercept[0] / 2, intercept[0] / 2])
    largest = np.quantile(np.abs(coefficients), 0.9999, axis=1, keepdims=True)
    scale = np.maximum(largest / 127, 1e-6)
    table = np.clip(np.round(coefficients / scale), -127, 127).astype(np.int8).T
    return {
        "table": np.ascontiguousarray(table),
        "scale": scale[:, 0].astype(np.float32),
        "bias": intercept.astype(np.float32),
    }


def leaning(
    dice: random.Random, all_texts: Sequence[Labelled], public: Sequence[str]
) -> list[Labelled]:
    """Messages that lean on what came before, and as many that stand alone."""
    made = Generator(FOLDER, dice)
    lines = read_lines(FOLDER / "followups.txt")
    lean = [
        (made.styled(made.expand(line), english=line.text.isascii()), "lean")
        for line in lines
        for _ in range(14)
    ]
    alone = [(text, "-") for text, _ in dice.sample(list(all_texts), 3 * len(lean))]
    return [*lean, *alone, *((text, "-") for text in public[: len(lean)])]


def asking(dice: random.Random) -> list[Labelled]:
    """Return an assistant's questions with what they ask for."""
    kinds = {"number": "identity number"}
    items: list[Labelled] = []
    for line in read_lines(FOLDER / "requests.txt"):
        for question in line.text.split(" | "):
            plain = question.strip()
            small = plain.lower().rstrip("?.")
            for form in (
                plain,
                small,
                f"Sure! {plain}",
                f"Thanks. {plain}",
                f"And {small}?",
                f"OK, next: {plain}",
                f"Got it, {small}?",
                f"I need one more thing. {plain}",
            ):
                items.append((form, kinds.get(line.kind, line.kind)))
    dice.shuffle(items)
    return items


def texts_digest() -> str:
    """Return the SHA-256 of all texts that the encoder learns from."""
    digest = hashlib.sha256()
    for path in [path for path in _texts() if path.name not in (_SCRIPTS, _LANGUAGES)]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _texts() -> list[Path]:
    return [path for path in sorted(FOLDER.iterdir()) if path.suffix in (".txt", ".gz", ".jsonl")]


def inputs_digest() -> str:
    """Return the SHA-256 of all files that weights are made from, comments and docstrings aside."""
    digest = hashlib.sha256()
    sources = [(WEIGHTS.parent / name).resolve() for name in _SOURCES]
    for path in [*_texts(), *sources, *sorted(GLOSSES.glob("*.txt"))]:
        content = path.read_bytes()
        digest.update(path.name.encode())
        digest.update(_code(content) if path.suffix == ".py" else content)
    return digest.hexdigest()


def _code(source: bytes) -> bytes:
    """Return a module in one spelling, without comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_text(each)] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree).encode()


def _is_text(node: ast.AST) -> bool:
    """Return whether a statement is nothing but a string."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def differences(made: Mapping[str, NDArray[Any]], shipped: Mapping[str, NDArray[Any]]) -> list[str]:
    """Return what sets trained weights apart from the shipped ones, a sentence each."""
    if set(made) != set(shipped):
        return ["They hold other arrays."]
    found = []
    for name, array in made.items():
        other = shipped[name]
        if array.shape != other.shape:
            found.append(f"{name} has another shape.")
        elif name == "inputs":
            if str(array) != str(other):
                found.append("They were made from other texts or by another script.")
        else:
            same = float(np.isclose(array.astype(float), other.astype(float), rtol=0.01).mean())
            if same < _ALIKE:
                found.append(f"{name} is the same in {same:.2%} of its places only.")
    return found


def main() -> int:
    """Train the five models and write them, or hold them against those that are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--check", action="store_true", help="compare with the shipped weights")
    given = parser.parse_args()
    weights = train()
    if given.check:
        with np.load(WEIGHTS) as shipped:
            found = differences(weights, dict(shipped))
        if encoder().inputs != texts_digest():
            found.append("The encoder was trained on other texts: `make encoder`.")
        print(*found or ["The shipped weights are those of data/privacy."], sep="\n")
        return int(bool(found))
    np.savez_compressed(given.out, **weights)  # type: ignore[arg-type]
    print(given.out.stat().st_size, "bytes", file=sys.stderr)
    return 0


def train() -> dict[str, NDArray[Any]]:
    """Return the weights of the five models, and the digest of what they were made from."""
    digest = inputs_digest()  # before the texts are read: they may change while this runs
    dice = random.Random(SEED)  # noqa: S311 (texts, no secrets)
    items = texts(dice, repeats=REPEATS)
    made = Generator(FOLDER, dice)
    public: list[str] = []
    for source, text in json.loads(gzip.decompress((FOLDER / "public.json.gz").read_bytes())):
        plain = normalise(text).text
        if source == "opentriviaqa" and tells_of_somebody(plain):
            continue
        if len(plain) < _SHORT and plain.isascii() and dice.random() < _POLITE / 2:
            plain = made.polite(plain)
        cuts = windows(plain)
        part = PART if len(cuts) > 1 else ""
        public += [part + plain[a:b] for a, b in (cuts if len(cuts) < 4 else dice.sample(cuts, 3))]
    dice.shuffle(public)
    public = public[:_MOST_PUBLIC]
    items += [(text, "-") for text in public]
    items = sorted({part for item in items for part in _stretches(*item)})
    dice.shuffle(items)
    print(len(items), Counter(kind for _, kind in items), file=sys.stderr)
    weights: dict[str, NDArray[Any]] = {}
    for model, strength, often in (
        ("private", _STRENGTH, _WRITTEN),
        ("scripts", _STRENGTH_SCRIPTS, _WRITTEN_SCRIPTS),
    ):
        read = [_of_model(model, each) for each in (items, written(_SCRIPTS))]
        made_of = fit(read[0], KINDS, strength, read[1], often)
        weights |= {f"{model}_{name}": value for name, value in made_of.items()}
    abroad = [item for item in written(_LANGUAGES, _SCRIPTS) if _glossed_tokens(item[0])]
    made_of = fit(abroad, KINDS, _STRENGTH_GLOSSED, words=_glossed_tokens)
    weights |= {f"glossed_{name}": value for name, value in made_of.items()}
    short = [each for each in items if len(each[0]) < 200 and not each[0].startswith(PART)]
    lean = leaning(dice, short, [text for text in public if not text.startswith(PART)])
    weights |= {f"leaning_{name}": value for name, value in fit(lean, ("-", "lean"), 30.0).items()}
    weights |= {f"asking_{name}": value for name, value in fit(asking(dice), ASKED, 30.0).items()}
    weights["inputs"] = np.array(digest)
    return weights


if __name__ == "__main__":
    sys.exit(main())
