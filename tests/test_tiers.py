"""A test is slow by what it needs, whoever wrote it and wherever it stands."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tiers import ROOT, is_slow, is_slow_file


def start_process() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


class Starter:
    def start(self) -> None:
        start_process()


def by_a_helper() -> None:
    start_process()


def by_a_class() -> None:
    Starter().start()


def inside() -> Any:
    def later() -> None:
        start_process()

    return later


def asks_by_name(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("smollm")


def forks() -> None:
    os.fork()


def imports_for_itself() -> None:
    import torch

    torch.zeros(1)


def adds() -> int:
    return sum(map(len, ("a", "b")))


NEEDING = (start_process, by_a_helper, by_a_class, inside, asks_by_name, forks, imports_for_itself)


@pytest.mark.parametrize("needs", NEEDING)
def test_what_starts_a_process_by_whatever_way_is_slow(needs: Any) -> None:
    assert is_slow(needs, iter(()), frozenset())
    assert is_slow(adds, iter([needs]), frozenset())


def test_what_needs_nothing_is_not() -> None:
    assert not is_slow(adds, iter([adds]), frozenset(("tmp_path",)))
    assert is_slow(adds, iter(()), frozenset(("tmp_path", "smollm")))


def test_a_file_is_slow_if_what_it_imports_imports_what_is_slow(tmp_path: Path) -> None:
    page = next(
        path
        for path in sorted((ROOT / "floe" / "ui").rglob("*.py"))
        if "\nimport gradio" in path.read_text() and path.name != "__init__.py"
    )
    module = ".".join(page.relative_to(ROOT).with_suffix("").parts)
    package, _, name = module.rpartition(".")
    for number, (text, slow) in enumerate(
        (
            ("import math\nfrom floe.units import x\n", False),
            ("import torch\n", True),
            ("import json, torch.nn as nn\n", True),
            (f"from {module} import (\n    anything,\n)\n", True),
            (f"from {package} import (\n    {name} as page,  # the page\n)\n", True),
            ("def later():\n    import torch\n", False),
        )
    ):
        path = tmp_path / f"test_{number}.py"
        path.write_text(text)
        assert is_slow_file(path) is slow, text


def test_fast_tests_are_collected_without_what_is_slow_to_import() -> None:
    code = (
        "import pytest, sys\n"
        "assert pytest.main(['--collect-only', '-q', '-p', 'no:xdist', '-m', 'not slow']) == 0\n"
        "print(sorted({'torch', 'gradio', 'transformers', 'flwr'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
