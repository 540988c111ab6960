"""Errors in the handlers of the page, shown as sentences."""

import logging
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import gradio as gr

from floe.errors import FloeError

logger = logging.getLogger(__name__)

Changes = dict[Any, Any]


class HasNotice(Protocol):
    """An object with a place for sentences."""

    @property
    def notice(self) -> gr.HTML:
        """It is drawn by `floe.notice`."""


_S = TypeVar("_S", bound=HasNotice)
_P = ParamSpec("_P")


def show_errors(
    action: Callable[Concatenate[_S, _P], Changes],
) -> Callable[Concatenate[_S, _P], Changes]:
    """Turn an error that is fit to show into a sentence in the page; log any other one."""

    def show(self: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> Changes:
        try:
            return action(self, *args, **kwargs)
        except FloeError as error:
            return {self.notice: str(error)}
        except Exception:
            logger.exception("%s failed", action.__name__)
            raise

    # Gradio reads the signature to see which handlers want the event's data.
    update_wrapper(show, action)
    return show
