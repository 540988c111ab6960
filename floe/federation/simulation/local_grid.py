"""Flower's grid within one process: the simulation runs the very apps that a real group runs.

Devices take their turns one after another: on a small machine they would only share its cores.
Each keeps a context of its own from message to message, as on a SuperNode.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final
from uuid import uuid4

from flwr.app import Context, Error, Message, RecordDict
from flwr.app.user_config import UserConfig
from flwr.clientapp import ClientApp
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from floe.errors import FloeError

_RUN: Final = 1


class LocalGrid(Grid):
    """Nodes that live in this process, by their number.

    `watch` is called before each device's turn, with its place from 1 and the number of devices
    that have one; what it raises ends the run.
    """

    def __init__(
        self,
        app: ClientApp,
        nodes: Sequence[Mapping[str, str | int | float | bool]],
        watch: Callable[[int, int], None] = lambda _place, _count: None,
    ) -> None:
        """`nodes` are their node configurations; they are numbered from 1."""
        self._app, self._watch = app, watch
        self._contexts = {
            number: Context(
                run_id=_RUN,
                node_id=number,
                node_config=UserConfig(config),
                state=RecordDict(),
                run_config=UserConfig(),
            )
            for number, config in enumerate(nodes, 1)
        }
        self._replies: dict[str, Message] = {}
        # Flower builds no message outside one of its own processes without these.
        TaskIdentity.task_id, TaskIdentity.run_id = _RUN, _RUN
        TaskIdentity.node_id = SUPERLINK_NODE_ID

    def set_run(self, run: Run) -> None:
        """Ignore it: there is one run only, and nothing but its number is used."""

    @property
    def run(self) -> Run:
        """The only run."""
        return Run.create_empty(_RUN)

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Flower's older way to build a message."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        """All nodes, always there."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Let each node work on its message; replies wait to be pulled."""
        ids: list[str] = []
        turns = list(messages)
        for place, message in enumerate(turns, 1):
            self._watch(place, len(turns))
            ids.append(str(uuid4()))
            message.metadata.__dict__["_message_id"] = ids[-1]
            self._replies[ids[-1]] = self._answer(message)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Return the replies, each once."""
        found = [self._replies.pop(message_id, None) for message_id in message_ids]
        return [reply for reply in found if reply is not None]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Both in one; nothing here is ever late."""
        del timeout
        return self.pull_messages(self.push_messages(messages))

    def _answer(self, message: Message) -> Message:
        try:
            return self._app(message, self._contexts[message.metadata.dst_node_id])
        except FloeError as error:
            # As from a SuperNode: what a device can meet is an answer. A bug surfaces here.
            failure = Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, str(error))
            return Message(failure, reply_to=message)
