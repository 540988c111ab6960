"""Answers of hostile devices, as they come out of Flower's store on the host."""

from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, Metadata, RecordDict
from flwr.app.message import make_message
from flwr.common.serde import message_to_proto
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError

from floe.federation.app import server_grid
from floe.federation.app.server_grid import CheckedGrid

RUN = 5


def answer(node: int, **other: Any) -> Message:
    values: dict[str, Any] = {
        "run_id": RUN,
        "message_id": "",
        "src_node_id": node,
        "dst_node_id": 1,
        "reply_to_message_id": f"task-{node}",
        "group_id": "1",
        "created_at": 1.0,
        "ttl": 10.0,
        "message_type": "train",
    }
    content = RecordDict({"config": ConfigRecord({"node": node})})
    return make_message(Metadata(**values | other), content)


class Store:
    """What a SuperLink keeps of answers: an envelope, a tree, and objects by their hash."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []
        self.trees: list[ObjectTree] = []
        self.objects: dict[str, bytes] = {}

    def add(self, message: Message, claims: Message | None = None) -> str:
        """Keep an answer; `claims` is what its envelope says, where that is something else."""
        found = {name: each.deflate() for name, each in get_all_nested_objects(message).items()}
        self.objects |= found
        envelope = message_to_proto(claims or message)
        envelope.metadata.message_id = message.object_id
        self.envelopes.append(envelope)
        self.trees.append(get_object_tree(message))
        return message.object_id

    def PullMessages(self, _: Any) -> Any:
        found = SimpleNamespace(messages_list=self.envelopes, message_object_trees=self.trees)
        self.envelopes, self.trees = [], []
        return found

    def ConfirmMessageReceived(self, _: Any) -> None:
        pass

    def PullObject(self, request: Any) -> Any:
        content = self.objects.get(request.object_id)
        return SimpleNamespace(
            object_found=True,
            object_available=content is not None,
            object_content=content or b"",
        )


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def grid(store: Store, monkeypatch: pytest.MonkeyPatch) -> CheckedGrid:
    made = CheckedGrid(token="token", runtime_api_address="127.0.0.1:1", insecure=True)
    monkeypatch.setattr(CheckedGrid, "_runtime_client", store)
    return made


def pulled(grid: CheckedGrid, *nodes: int) -> dict[int, Message]:
    found = grid.pull_messages({f"task-{node}" for node in nodes})
    return {message.metadata.src_node_id: message for message in found}


def test_honest_answers_come_as_they_were_sent(grid: CheckedGrid, store: Store) -> None:
    store.add(answer(8))
    store.add(answer(9))
    found = pulled(grid, 8, 9)
    assert {node: m.content["config"]["node"] for node, m in found.items()} == {8: 8, 9: 9}
    assert pulled(grid, 8, 9) == {}


def test_an_answer_in_anothers_name_counts_as_the_senders(grid: CheckedGrid, store: Store) -> None:
    """The SuperLink checks the envelope; what Flower's grid believes is what is inside."""
    inside = answer(9, reply_to_message_id="task-8")
    store.add(inside, claims=answer(8))
    store.add(answer(9))
    found = pulled(grid, 8, 9)
    assert found[8].has_error()
    assert found[8].metadata.reply_to_message_id == "task-8"
    assert found[9].content["config"]["node"] == 9


@pytest.mark.parametrize(
    "twist",
    [
        lambda content: b"",
        lambda content: b"Message 10000000000",
        lambda content: content.replace(b"Message", b"Nothing", 1),
        lambda content: content[:-3],
        lambda content: bytes(reversed(content)),
    ],
)
def test_an_answer_that_cannot_be_read_leaves_the_others(
    grid: CheckedGrid, store: Store, twist: Any
) -> None:
    name = store.add(answer(8))
    store.objects[name] = twist(store.objects[name]) or b" "
    store.add(answer(9))
    found = pulled(grid, 8, 9)
    assert found[8].has_error()
    assert found[8].error.reason == "its answer cannot be read"
    assert not found[9].has_error()


def test_an_answer_of_which_the_rest_never_comes_stops_nobody(
    grid: CheckedGrid, store: Store
) -> None:
    name = store.add(answer(8))
    kept = store.objects.pop(name)
    store.add(answer(9))
    assert pulled(grid, 8, 9).keys() == {9}
    assert pulled(grid, 8) == {}
    store.objects[name] = kept
    assert pulled(grid, 8).keys() == {8}


def test_an_oversized_answer_is_not_taken_in(
    grid: CheckedGrid, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_grid, "MOST_BYTES", 100)
    store.add(answer(8))
    assert "oversized" in str(pulled(grid, 8)[8].error.reason)


def test_flowers_own_grid_ends_the_run_over_such_an_answer(store: Store) -> None:
    """So that whoever updates Flower can see whether ours is still needed."""
    from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

    name = store.add(answer(8))
    contents = dict(store.objects)
    contents[name] = b"Nothing  1\0x"
    with pytest.raises((KeyError, ValueError, ObjectPullError)):
        inflate_object_from_contents(name, contents)
