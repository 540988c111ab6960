"""Decide where a turn may be answered: this device alone, both models, or the cloud."""

from collections.abc import Sequence
from typing import Final

from floe.chat.turn import TurnOptions
from floe.cloud.link import CloudLink
from floe.memory.passages import MemoryPassage
from floe.privacy import choices
from floe.privacy.gate import CHOSEN, KEPT, Gate, Passage
from floe.records import Message, Route
from floe.store import Store
from floe.store.day_requests import requests_today

BESIDE_OTHERS: Final = "this device, beside other answers"
"""Reason of a local answer to a question that the cloud is asked as well."""


class TurnRoutes:
    """The person's choices, the gate, the state of the cloud and its budget, in this order.

    Attributes:
        released: ids of questions of which the person has said that they are not private.
    """

    def __init__(self, store: Store, gate: Gate, cloud: CloudLink) -> None:
        self._store = store
        self._gate = gate
        self._cloud = cloud
        self.released: set[int] = set()

    def choose(
        self,
        options: TurnOptions,
        path: Sequence[Message],
        dropped: int,
        system: str,
        memory: Sequence[MemoryPassage],
    ) -> Passage:
        """Decide what this turn may do. Nothing is asked of the network before the gate's check."""
        local_only = is_local_only(self._store, path[-1])
        route = self._gate.closed(options.mode, local_only=local_only, path=path)
        if route is not None:
            if options.strict and route.reason == CHOSEN and not local_only:
                route = Route("local", BESIDE_OTHERS)
            return Passage(route)
        state = self._cloud.state
        if state.kind == "off":
            return Passage(Route("local", state.sentence))
        passage = self._gate.examine(
            options.mode,
            path[dropped:],
            system,
            policy=choices.policy(self._store),
            own_words=choices.own_words(self._store),
            kept=(choices.about_me(self._store), choices.personal_context(self._store)),
            memory=[each.text for each in memory],
            treatments=choices.treatments(self._store),
            released=path[-1].id in self.released,
        )
        if passage.route.kind == "local":
            return passage
        if not state.usable:
            # For the next turn: an endpoint that was down, a stand-in that has died.
            self._cloud.connect()
            return Passage(Route("local", state.sentence))
        if requests_left_today(self._store, options) <= 0:
            return Passage(
                Route(
                    "local",
                    f"The budget of {options.daily_requests} cloud requests a day is used up; "
                    "this device answers alone until midnight (UTC).",
                )
            )
        return passage


def requests_left_today(store: Store, options: TurnOptions) -> int:
    """Count the cloud requests that a turn may make."""
    if options.daily_requests is None:
        return options.max_requests
    return min(options.max_requests, options.daily_requests - requests_today(store))


def is_local_only(store: Store, message: Message) -> bool:
    """Return whether the person keeps all of the message's conversation on this device."""
    return message.stored and store.conversation(message.conversation_id).local_only


def stays_here(options: TurnOptions, route: Route) -> bool:
    """Return whether the local route is a choice of person or gate, not for want of a cloud."""
    return route.kind == "local" and (options.mode == "local" or route.reason.startswith(KEPT))


def may_not_answer(options: TurnOptions, route: Route) -> bool:
    """Return whether an answer stays empty: who is asked for may not answer, and nobody else is."""
    return options.strict and route.kind != options.mode


def was_kept(route: Route) -> bool:
    """Return whether an answer was begun here by the choice of person or gate."""
    return route.kind == "local" and (route.reason == CHOSEN or route.reason.startswith(KEPT))
