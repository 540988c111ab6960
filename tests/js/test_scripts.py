"""The unit tests of the page's scripts, which node runs."""

import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
NEEDED = "The page's scripts are tested with node 20 or newer: install it, then run `make lint`."


def test_the_scripts_of_the_page_keep_their_promises() -> None:
    node = shutil.which("node")
    assert node is not None, NEEDED
    assert (HERE / "node_modules" / "jsdom").is_dir(), NEEDED
    tests = sorted(path.name for path in HERE.glob("*.test.js"))
    command = [node, "--test", "--test-reporter=spec", *tests]
    done = subprocess.run(
        command, check=False, cwd=HERE, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stdout + done.stderr
