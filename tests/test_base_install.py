"""`pip install floe` without an extra is enough for the page and for every command's help."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = """
import importlib, json, pkgutil, re, sys
from importlib import metadata
from packaging.requirements import Requirement

project = __import__("tomllib").load(open("pyproject.toml", "rb"))["project"]

def name_of(text):
    return re.sub("[-_.]+", "-", text).lower()

there, ahead = set(), [Requirement(each) for each in project["dependencies"]]
while ahead:
    wanted = ahead.pop()
    extras = wanted.extras or {""}
    if (name_of(wanted.name), *sorted(extras)) in there:
        continue
    there.add((name_of(wanted.name), *sorted(extras)))
    for line in metadata.requires(wanted.name) or []:
        more = Requirement(line)
        if more.marker is None or any(more.marker.evaluate({"extra": one}) for one in extras):
            ahead.append(more)
names = {name for name, *_ in there}
missing = {
    module
    for module, owners in metadata.packages_distributions().items()
    if not any(name_of(owner) in names or name_of(owner) == "floe" for owner in owners)
    and module not in sys.modules
}
missing -= {"packaging"}

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
import floe.cli, floe.ui
modules = ["floe.application", "floe.ui.page", "floe.api.server"]
modules += [each.name for each in pkgutil.iter_modules(floe.cli.__path__, "floe.cli.")]
failed = {}
for module in modules:
    try:
        importlib.import_module(module)
    except ImportError as error:
        failed[module] = str(error)
print(json.dumps({"failed": failed, "torch": "torch" in missing}))
"""


def test_page_and_commands_need_nothing_of_the_extras() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {"failed": {}, "torch": True}
