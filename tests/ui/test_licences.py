"""What the settings say Floe stands on is what it is built from."""

import re
import tomllib
from pathlib import Path

import floe
from floe.ui.settings.licences import PACKAGES, licences_value

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def test_all_packages_and_the_version_are_those_of_the_project() -> None:
    extras = [
        each for name in ("train", "group") for each in PROJECT["optional-dependencies"][name]
    ]
    asked = [re.split(r"[\[=<>]", each)[0] for each in [*PROJECT["dependencies"], *extras]]
    assert set(asked) - {"floe"} == set(PACKAGES)
    assert floe.__version__ == PROJECT["version"]


def test_each_package_that_is_here_has_a_version_and_a_short_licence() -> None:
    rows = licences_value()["packages"]
    found = {name: (version, licence) for name, version, licence in rows}
    assert found["gradio"][0] == "6.31.0"
    assert all(version and 0 < len(licence) < 80 for version, licence in found.values())
