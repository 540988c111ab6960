"""Lists of models in the forms in which servers give them."""

import json
from typing import Any

import pytest

from floe.errors import CloudError
from tests.cloud.asking import Connect
from tests.cloud.scripted import ScriptedServer, say


def listed(body: Any, connect: Connect) -> list[str]:
    """What the client makes of a list."""
    play = say(json.dumps(body).encode(), kind="application/json")
    with ScriptedServer(play) as server:
        return connect(server.url).models()


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"object": "list", "data": [{"id": "a"}, {"id": "b"}]}, ["a", "b"]),
        ([{"id": "a", "type": "chat"}, {"id": "b", "type": "image"}], ["a", "b"]),  # Together
        ({"object": "list", "data": None}, []),  # Ollama without a model
        ({"object": "list", "data": []}, []),
        ([], []),
        ({"data": [{"id": "a"}, {"name": "b"}, "c", {"id": ""}]}, ["a"]),
    ],
)
def test_models_are_read_from_every_form(connect: Connect, body: Any, names: list[str]) -> None:
    assert listed(body, connect) == names


@pytest.mark.parametrize(
    "body",
    [
        {"error": "Unexpected endpoint or method. (GET /models)"},
        {"data": {"id": "a"}},
        {"data": ["a"]},
        "models",
        7,
    ],
)
def test_what_is_no_list_is_a_sentence(connect: Connect, body: Any) -> None:
    with pytest.raises(CloudError, match="no OpenAI-compatible API"):
        listed(body, connect)
