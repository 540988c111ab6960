"""Rules of the house that no linter knows."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

from floe import resources

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "floe"
MODULES = sorted(PACKAGE.rglob("*.py"))


def public_names(path: Path) -> list[str]:
    """Classes and type aliases of a module."""
    names = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and re.fullmatch(r"[A-Z]\w*[a-z]\w*", target.id):
                names.append(target.id)
    return [name for name in names if not name.startswith("_")]


def test_a_public_name_stands_for_one_thing() -> None:
    places = defaultdict(list)
    for path in MODULES:
        for name in public_names(path):
            places[name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_file_name_stands_more_than_twice() -> None:
    names = Counter(path.name for path in MODULES if not path.name.startswith("__"))
    assert {name: count for name, count in names.items() if count > 2} == {}


def test_no_file_is_longer_than_one_idea_needs() -> None:
    folders = [PACKAGE, ROOT / "tests"]
    files = [
        path
        for suffix in ("py", "js", "css")
        for folder in folders
        for path in folder.rglob(f"*.{suffix}")
        if "node_modules" not in path.parts
    ]
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in files
    }
    assert {name: length for name, length in lengths.items() if length > 600} == {}


def test_a_package_carries_every_file_that_comes_with_the_program() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    carried = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    named = [value for value in vars(resources).values() if isinstance(value, Path)]
    files = {path.relative_to(ROOT).as_posix() for path in named if path.is_relative_to(ROOT)}
    files -= {".", "floe"}
    assert len(files) > 5
    assert {name: f"floe/resources/{name}" for name in files} == carried


def test_what_comes_with_the_program_is_not_among_what_git_leaves_out() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"data/*", "models/*"} < {*ignored}
    for name in project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]:
        if name.startswith(("data/", "models/")):
            assert (ROOT / name).exists(), name
            assert {f"!{name}", f"!{name}/"} & {*ignored}, name


def test_every_word_of_the_glossary_has_a_source() -> None:
    lines = (ROOT / "GLOSSARY.md").read_text(encoding="utf-8").splitlines()
    rows = [[each.strip() for each in line.strip("|").split("|")] for line in lines if "|" in line]
    terms = [row for row in rows[2:] if len(row) == 3]
    assert len(terms) == len(rows) - 2 >= 40
    assert [term for term, _, source in terms if not source] == []


def test_the_page_starts_no_thread_and_opens_no_store() -> None:
    forbidden = {"Thread", "Timer", "ThreadPoolExecutor", "Process", "Popen", "Store", "connect"}
    found = []
    for path in sorted((PACKAGE / "ui").rglob("*.py")):
        if path.name == "page_server.py":
            continue  # the thread that serves the page
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            by_gradio = isinstance(called, ast.Attribute) and ast.unparse(called.value) == "gr"
            if name in forbidden and not by_gradio:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(called)}")
    assert found == []


def imports_of(path: Path) -> set[str]:
    """Top-level packages that a module imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_only_the_page_imports_gradio() -> None:
    allowed = {PACKAGE / "ui", PACKAGE / "cli" / "run.py"}
    found = [
        path
        for path in MODULES
        if "gradio" in imports_of(path) and not allowed & {path, *path.parents}
    ]
    assert found == []


def test_requirements_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["train"], *extras["group"], *extras["encrypt"]]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        each for each in wanted if not each.startswith("floe[")
    ]
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    for each in (*wanted, *extras["bench"], *extras["dev"]):
        name = re.sub(r"\[.*\]", "", each).lower().replace("_", "-")
        assert each.startswith(("floe[", "torch==")) or f"\n{name} " in locked, each


def test_the_command_line_imports_no_gradio_and_no_torch() -> None:
    code = (
        "import sys, floe.application, floe.cli.ask, floe.cli.serve, floe.cli.train_adapter\n"
        "import floe.evaluate.__main__\n"
        "print([n for n in ('gradio', 'torch', 'transformers', 'flwr') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_files_that_docs_and_docstrings_name_are_there() -> None:
    folders = [ROOT / name for name in ("floe", "tests", "docs", "data", ".ci")]
    files = [*ROOT.glob("*.*"), *(path for each in folders for path in each.rglob("*.*"))]
    there = [f"/{path.relative_to(ROOT).as_posix()}" for path in files]
    there.append("/models/catalog.toml")
    quoted = re.compile(r"`([a-z][\w./-]*/[\w-]+\.(?:py|md|js|toml|txt|gz|npz))`")
    linked = re.compile(r"\]\(([\w./-]+)\)")
    missing = []
    for path in files:
        if path.suffix not in (".py", ".md", ".js") or "node_modules" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        named = quoted.findall(text) + (linked.findall(text) if path.suffix == ".md" else [])
        for name in named:
            beside = (path.parent / name).exists()
            if not beside and not any(each.endswith(f"/{name}") for each in there):
                missing.append(f"{path.relative_to(ROOT)}: {name}")
    assert missing == []
