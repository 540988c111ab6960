"""What is left out of an import is not missed: the libraries work, and pandas can still be had."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = """
import gc, json, sys
from importlib import resources
import floe.store
from sqlite_utils import Database
found = {"without": "pandas" not in sys.modules}
Database(memory=True)["rows"].insert({"id": 1})
import httpx
found["client"] = "httpx._main" not in sys.modules and callable(httpx.Client)
import gradio
found["gradio without"] = "pandas" not in sys.modules
import pandas
from gradio import component_meta
found["pandas"] = len(pandas.DataFrame({"a": [1]}))
found["writer"] = component_meta.create_or_modify_pyi.__module__
found["file"] = component_meta.__file__.endswith("component_meta.py")
found["events"] = callable(gradio.Textbox.submit)
floe.install_lean_imports()
found["loader"] = len(resources.files(gradio).joinpath("package.json").read_bytes()) > 0
found["collects"] = gc.isenabled() and gc.get_freeze_count() > len(gc.get_objects())
gc.disable()
import floe.privacy.detection.analysis
found["as it was"] = not gc.isenabled()
found["finders"] = len([each for each in sys.meta_path if "Lean" in type(each).__name__])
print(json.dumps(found))
"""


def test_no_stubs_are_written_and_neither_store_nor_page_needs_pandas() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "without": True,
        "client": True,
        "gradio without": True,
        "pandas": 1,
        "writer": "floe.lean_imports",
        "file": True,
        "events": True,
        "loader": True,
        "collects": True,
        "as it was": True,
        "finders": 1,
    }
