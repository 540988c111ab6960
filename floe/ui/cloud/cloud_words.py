"""Words of the cloud panel: findings with their marks, ages, where a key is, who decides."""

from typing import Final

from floe.cloud.credentials.choice import EndpointChoice
from floe.cloud.credentials.keys import Keys
from floe.cloud.credentials.presets import PRESETS, preset_by_id
from floe.cloud.link import NOT_TESTED, CloudLink
from floe.cloud.probe.profile import EndpointProfile
from floe.config import OFF, STAND_IN, Settings
from floe.jobs.endpoint_test import EndpointTestView
from floe.ui.page_values import CloudInUseValue, EndpointTestValue, HintValue, StatusMark
from floe.units import format_time_ago

CHOICES: Final = [
    *((preset.title, preset.id) for preset in PRESETS),
    ("Off: this device alone", OFF),
]
"""Title and id, for the drop-down list."""

_OFF_NOTE: Final = "Nothing is asked of any cloud; the small model on this device answers alone."

_GOOD: Final = (
    "Reachable",
    "A streamed answer came",
    "Log-probabilities come with the stream",
    "Log-probabilities are those before",
    "Each token comes with its exact bytes",
    "The first piece came after",
    "It reports how many tokens",
    "It continues an answer",
    "Raw completions say what",
)
_IMPOSSIBLE: Final = (
    "It refuses to give log-probabilities",
    "It leaves log-probabilities out",
    "It cannot continue an answer",
)
_FAILED: Final = "Its last test failed."
_BROKEN_OFF: Final = "The test "
"""Cancelled or out of time, which says nothing against the endpoint."""


def marked_findings(profile: EndpointProfile) -> list[tuple[StatusMark, str]]:
    """Return the findings, each with what it means for fusion.

    A test that did not come to its end stopped at its last finding. A sentence that is not known
    here counts as a limit: nothing is praised by mistake.
    """
    found = [(_mark(each), each) for each in profile.findings]
    if found and not profile.complete and not found[-1][1].startswith(_BROKEN_OFF):
        found[-1] = "impossible", found[-1][1]
    return found


def _mark(finding: str) -> StatusMark:
    if finding.startswith(_GOOD):
        return "good"
    return "impossible" if finding.startswith(_IMPOSSIBLE) else "limited"


def preset_note(preset_id: str) -> HintValue:
    """Return the sentence under the drop-down list, and the page where a key is got, if any."""
    if preset_id == OFF:
        return {"note": _OFF_NOTE, "link": ""}
    preset = preset_by_id(preset_id)
    return {"note": preset.note, "link": preset.key_page}


def intended_address(preset_id: str, typed: str) -> str:
    """Return the base URL that is meant: typed, or what stands for a choice that has none."""
    return preset_id if preset_id in (STAND_IN, OFF) else typed.strip().rstrip("/")


def key_place(keys: Keys, base_url: str) -> tuple[bool, str]:
    """Return whether an endpoint has a key, and where it is or would be; empty: no such place.

    A choice without an address, or one that is still to be typed, has no such place.
    """
    return bool(keys.load(base_url).get_secret_value()), keys.location(base_url)


def duration_note(settings: Settings) -> str:
    """Say whether what is chosen here lasts."""
    if "cloud" in settings.model_fields_set:
        return (
            "The cloud is set by a flag, the environment or floe.toml. What you choose here lasts "
            "until Floe ends; at the next start that setting applies again."
        )
    return (
        "Floe remembers what you choose here, unless a flag, the environment or floe.toml names a "
        "cloud: then that one is used at the next start."
    )


def cloud_sentence(cloud: CloudLink, last_test: EndpointTestView | None = None) -> str:
    """Say how the cloud in use is doing; `last_test`: one of it that failed is told as well."""
    sentence = cloud.state.sentence
    if _failed_test(cloud.choice, last_test) is None:
        return sentence
    return sentence.replace(NOT_TESTED, _FAILED)


def in_use_value(
    cloud: CloudLink, settings: Settings, last_test: EndpointTestView | None = None
) -> CloudInUseValue:
    """Return the cloud that answers now: its state, the age of its last test, and its findings.

    `last_test`: one that failed is told as long as this cloud is in use.
    """
    choice, state, profile, tested_at = (
        cloud.choice,
        cloud.state,
        cloud.profile,
        cloud.tested_at,
    )
    tested = ""
    if choice.base_url != OFF:
        when = f"Tested {format_time_ago(tested_at)}." if tested_at else "Not tested yet."
        tested = f"{endpoint_name(choice)}. {when}"
    findings = marked_findings(profile) if profile is not None else []
    failed = _failed_test(choice, last_test)
    if failed is not None:
        tested = f"{endpoint_name(choice)}. {_FAILED}"
        findings = marked_findings(failed)
    return {
        "sentence": cloud_sentence(cloud, last_test),
        "usable": state.usable,
        "tested": tested,
        "findings": findings,
        "lasts": duration_note(settings),
    }


def _failed_test(
    choice: EndpointChoice, last_test: EndpointTestView | None
) -> EndpointProfile | None:
    """Return what the last test of this choice found, if it failed; one that was ended did not."""
    if last_test is None or last_test.running or last_test.profile is None:
        return None
    tested, found = last_test.choice, last_test.profile
    if found.complete or (tested.base_url, tested.model) != (choice.base_url, choice.model):
        return None
    ended = bool(found.findings) and found.findings[-1].startswith(_BROKEN_OFF)
    return None if ended else found


def endpoint_name(choice: EndpointChoice) -> str:
    """Return an endpoint and, where one is named, its model."""
    preset = preset_by_id(choice.preset)
    known = preset.needs_key or choice.base_url == STAND_IN
    title = preset.title if known else choice.base_url
    return f"{title}, {choice.model}" if choice.model else title


def endpoint_test_value(view: EndpointTestView | None) -> EndpointTestValue:
    """Return a test for the page: steps while it runs, then findings."""
    if view is None:
        return {"title": "", "running": False, "lines": [], "findings": []}
    verb = "Testing" if view.running else "Test of"
    return {
        "title": f"{verb} {endpoint_name(view.choice)}",
        "running": view.running,
        # What was done is of no interest beside what was found.
        "lines": [] if view.profile else list(view.lines),
        "findings": marked_findings(view.profile) if view.profile else [],
    }
