"""One shape for whatever runs beside the page: started once, watched by anybody, ended in order.

A job belongs to the application, not to the page: a reload, a second window or a slow server
costs nothing, because whoever looks sees where it stands.
"""

import logging
import threading
from collections.abc import Callable

from floe.disk_errors import DISK_FULL, is_disk_full
from floe.errors import FloeError

logger = logging.getLogger(__name__)

BROKEN = "Something went wrong inside Floe; the log has the trace."


class BackgroundJob:
    """At most one thread at a time that does one kind of work. Any thread may call any method.

    Attributes:
        cancelled: set once the work should end early; the work looks at it between its steps.
    """

    def __init__(self, name: str) -> None:
        """Nothing runs yet; `name` is what log lines and the thread are called."""
        self.cancelled = threading.Event()
        self._name = name
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._problem = ""
        self._closed = False

    @property
    def running(self) -> bool:
        """True while the job goes on."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    @property
    def problem(self) -> str:
        """The sentence of the error that ended the last work; empty if it went well."""
        return self._problem

    def start(
        self, work: Callable[[], None], ended: Callable[[str], None] = lambda _problem: None
    ) -> bool:
        """Do `work` in a thread; returns at once.

        Args:
            work: may raise; a FloeError is the sentence of `problem`, anything else is logged.
            ended: told the problem, or an empty text, as the last thing that happens.

        Returns:
            False if nothing was started: earlier work goes on, or the application is closing.
        """
        with self._lock:
            if self._closed or self.running:
                return False
            self._problem = ""
            self.cancelled.clear()
            self._thread = threading.Thread(
                target=self._run, args=[work, ended], name=self._name, daemon=True
            )
            self._thread.start()
            return True

    def cancel(self) -> None:
        """Ask it to end soon."""
        self.cancelled.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep until it has ended, at most `seconds`; whether it has."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return not self.running

    def close(self) -> None:
        """End it for good: cancel, wait, and start nothing any more."""
        with self._lock:
            self._closed = True
        self.cancel()
        self.wait()

    def _run(self, work: Callable[[], None], ended: Callable[[str], None]) -> None:
        try:
            work()
        except FloeError as error:
            logger.warning("%s ended early: %s", self._name, error)
            self._problem = str(error)
        except Exception as error:
            if is_disk_full(error):
                logger.warning("%s found the disk full: %s", self._name, error)
                self._problem = DISK_FULL
            else:
                logger.exception("%s failed", self._name)
                self._problem = BROKEN
        finally:
            ended(self._problem)
