"""A test of an endpoint under way: it belongs to the program, not to the page that started it.

So a reload, a second window or a slow server costs nothing: whoever looks sees where it stands.
"""

import logging
import threading
from dataclasses import dataclass, replace
from typing import Final

from pydantic import SecretStr

from floe.cloud.choice import EndpointChoice
from floe.cloud.link import CloudLink
from floe.cloud.profile import EndpointProfile
from floe.errors import CloudError, FloeError

logger = logging.getLogger(__name__)

_BUSY: Final = "A test is still under way. Cancel it, or wait for it."


@dataclass(frozen=True, slots=True)
class TrialView:
    """A test as it stands.

    Attributes:
        choice: what is tested.
        lines: what has been done so far, a sentence a step.
        profile: what was found; None while it runs, or if the result could not be kept.
        running: whether more is to come.
    """

    choice: EndpointChoice
    lines: tuple[str, ...] = ()
    profile: EndpointProfile | None = None
    running: bool = True


class Trial:
    """The newest test, in a thread of its own; one at a time."""

    def __init__(self, cloud: CloudLink) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._view: TrialView | None = None
        self._thread: threading.Thread | None = None

    def view(self) -> TrialView | None:
        """How it stands; None if nothing has been tested since the program began."""
        return self._view

    def start(self, choice: EndpointChoice, key: SecretStr | None) -> None:
        """Test an endpoint; returns at once. `key` is forgotten with the test.

        Raises:
            CloudError: another test has not ended.
        """
        with self._lock:
            if self._view is not None and self._view.running:
                raise CloudError(_BUSY)
            self._view = TrialView(choice)
            self._cancelled.clear()
            self._thread = threading.Thread(
                target=self._run, args=[choice, key], name="endpoint test", daemon=True
            )
            self._thread.start()

    def cancel(self) -> None:
        """End it soon; what was found so far is shown."""
        self._cancelled.set()

    def close(self) -> None:
        """The app ends: so does a test."""
        self.cancel()
        if self._thread is not None:
            self._thread.join()

    def wait(self, seconds: float) -> TrialView | None:
        """Sleep until it has ended, at most `seconds`."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._view

    def _run(self, choice: EndpointChoice, key: SecretStr | None) -> None:
        profile = None
        try:
            profile = self._cloud.test(
                choice.base_url,
                choice.model,
                key,
                preset=choice.preset,
                progress=self._add,
                cancelled=self._cancelled.is_set,
            )
        except FloeError as error:
            self._add(str(error))
        except Exception:
            logger.exception("testing an endpoint failed")
            self._add("Something went wrong inside Floe; the log has the trace.")
        finally:
            self._change(profile=profile, running=False)

    def _add(self, sentence: str) -> None:
        assert self._view is not None
        self._change(lines=(*self._view.lines, sentence))

    def _change(self, **changes: object) -> None:
        with self._lock:
            assert self._view is not None
            self._view = replace(self._view, **changes)  # type: ignore[arg-type]
