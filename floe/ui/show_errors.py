"""What holds for all handlers: an error becomes a sentence, a late reply is known as one."""

import itertools
import logging
import time
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

import gradio as gr

from floe.disk_errors import DISK_FULL, is_disk_full
from floe.errors import FloeError

logger = logging.getLogger(__name__)

Changes = dict[Any, Any]


class HasNotice(Protocol):
    """Parts of the page with a place for sentences."""

    @property
    def notice(self) -> gr.HTML:
        """The place where an error becomes a sentence; it is drawn by `floe.notice`."""


class Handlers(Protocol):
    """Handlers of events, and the parts that they change."""

    @property
    def parts(self) -> HasNotice:
        """Return the parts, the notice among them."""


_S = TypeVar("_S", bound=Handlers)
_P = ParamSpec("_P")

_NUMBERS: Final = itertools.count(time.time_ns() // 1000)
"""Begins with the time, so that a page that outlives a restart is not left behind."""


def show_errors(
    action: Callable[Concatenate[_S, _P], Changes],
) -> Callable[Concatenate[_S, _P], Changes]:
    """Turn an error that is fit to show into a sentence in the page; log any other one."""

    def show(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> Changes:
        try:
            return action(self, *args, **kwargs)
        except FloeError as error:
            return {self.parts.notice: str(error)}
        except Exception as error:
            if is_disk_full(error):
                logger.warning("%s found the disk full: %s", action.__name__, error)
                return {self.parts.notice: DISK_FULL}
            logger.exception("%s failed", action.__name__)
            raise

    # Gradio reads the signature to see which handlers want the event's data.
    update_wrapper(show, action)
    return show


def numbered(read: Callable[_P, Changes]) -> Callable[_P, Changes]:
    """Count what is read to be drawn: `floe.onChange` leaves out what is older than it shows.

    Events that are answered at once are answered side by side, and the reply to a press may arrive
    after the reply to the next one. What reads is numbered, never what changes: a number that was
    taken before a change would let a later reply that does not know of it win.
    """

    def number(*args: _P.args, **kwargs: _P.kwargs) -> Changes:
        sequence = next(_NUMBERS)
        return {
            part: {"sequence": sequence, **value} if _is_record(value) else value
            for part, value in read(*args, **kwargs).items()
        }

    update_wrapper(number, read)
    return number


def _is_record(value: Any) -> bool:
    """Whether it is drawn by our scripts; gradio's own updates are no values."""
    return isinstance(value, dict) and "__type__" not in value
