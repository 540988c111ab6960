"""Flower's grid on a group's host, which lets no device's answer stop the others'.

Flower's own inflates whatever a device has sent and raises what goes wrong on the way, which ends
the run; waits for a device that never sends the rest of an answer; and believes the sender that
the content names, where the SuperLink has checked only the one on the envelope.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from flwr.app import Error, Message
from flwr.common.constant import ErrorCode
from flwr.common.serde import message_from_proto
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, ObjectTree
from flwr.proto.message_pb2 import Message as Envelope
from flwr.proto.runtime_pb2 import PullAppMessagesRequest
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.inflatable.inflatable_protobuf_utils import make_pull_object_fn_protobuf
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectPullError,
    inflate_object_from_contents,
    pull_objects,
)
from flwr.superlink.grid import HttpGrid

logger = logging.getLogger(__name__)

MOST_BYTES: Final = 256 * 10**6
"""Bytes of one answer."""
_UNREADABLE: Final = "its answer cannot be read"


class CheckedGrid(HttpGrid):
    """A grid whose every answer is a readable message of the device that the envelope names."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._pending: dict[str, tuple[Envelope, ObjectTree]] = {}

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Answers to these messages that have wholly come, each once."""
        wanted = set(message_ids)
        request = PullAppMessagesRequest(message_ids=wanted)
        response = self._runtime_client.PullMessages(request)
        for envelope, tree in zip(
            response.messages_list, response.message_object_trees, strict=True
        ):
            self._pending[envelope.metadata.message_id] = envelope, tree
        found = []
        for message_id, (envelope, tree) in list(self._pending.items()):
            if envelope.metadata.reply_to_message_id not in wanted:
                del self._pending[message_id]
                continue
            message = self._open(envelope, tree)
            if message is not None:
                del self._pending[message_id]
                found.append(message)
        return found

    def _open(self, envelope: Envelope, tree: ObjectTree) -> Message | None:
        """Return the answer, or an error in its place; None: not all of it has come yet."""
        try:
            contents = pull_objects(
                [each.object_id for each in iterate_object_tree(tree)],
                self._pull_within(MOST_BYTES, envelope.metadata.run_id),
                max_tries_per_object=1,
            )
        except ObjectPullError:
            return None
        except OverflowError as error:
            return _failure(envelope, str(error))
        self._confirm(envelope)
        try:
            return inflate(envelope, contents)
        except Exception:  # whatever a stranger's bytes can cause, the others' answers count
            logger.exception("an answer cannot be read")
            return _failure(envelope, _UNREADABLE)

    def _confirm(self, envelope: Envelope) -> None:
        told = envelope.metadata
        self._runtime_client.ConfirmMessageReceived(
            ConfirmMessageReceivedRequest(
                node=self.node, run_id=told.run_id, message_object_id=told.message_id
            )
        )

    def _pull_within(self, most: int, run_id: int) -> Callable[[str], bytes]:
        pull = make_pull_object_fn_protobuf(self._runtime_client.PullObject, self.node, run_id)
        left = most

        def counted(object_id: str) -> bytes:
            nonlocal left
            content = pull(object_id)
            left -= len(content)
            if left < 0:
                raise OverflowError(f"it is oversized: more than the {most:,} bytes allowed")
            return content

        return counted


def inflate(envelope: Envelope, contents: dict[str, bytes]) -> Message:
    """Build an envelope's message from its objects, if it is from whom the envelope says.

    Raises:
        TypeError: it is something else.
        ValueError: it says otherwise.
        Exception: whatever Flower raises on bytes that are no object.
    """
    told = envelope.metadata
    message = inflate_object_from_contents(told.message_id, contents)
    if not isinstance(message, Message):
        raise TypeError("it is no message")
    inner = message.metadata
    for name in ("run_id", "src_node_id", "dst_node_id", "reply_to_message_id", "message_type"):
        if getattr(inner, name) != getattr(told, name):
            raise ValueError(f"its {name} is not that of its envelope")
    inner.__dict__["_message_id"] = told.message_id
    return message


def _failure(envelope: Envelope, reason: str) -> Message:
    """Build an answer of the same device that says why there is none."""
    bare = Envelope(metadata=envelope.metadata)
    bare.error.code, bare.error.reason = ErrorCode.MESSAGE_UNAVAILABLE, reason
    failure = message_from_proto(bare)
    assert isinstance(failure.error, Error)
    return failure
