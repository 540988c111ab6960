"""A test of a cloud endpoint under way."""

from dataclasses import dataclass, replace
from typing import Final

from pydantic import SecretStr

from floe.cloud.credentials.choice import EndpointChoice
from floe.cloud.link import CloudLink
from floe.cloud.probe.profile import EndpointProfile
from floe.errors import CloudError
from floe.jobs.background import BackgroundJob

_BUSY: Final = "A test is still under way. Cancel it, or wait for it."


@dataclass(frozen=True, slots=True)
class EndpointTestView:
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


class EndpointTest:
    """The newest test; one at a time."""

    def __init__(self, cloud: CloudLink) -> None:
        self._cloud = cloud
        self._job = BackgroundJob("endpoint test")
        self._view: EndpointTestView | None = None

    def view(self) -> EndpointTestView | None:
        """Show how the test stands; None if nothing has been tested since the program began."""
        return self._view

    def start(self, choice: EndpointChoice, key: SecretStr | None) -> None:
        """Test an endpoint; returns at once. `key` is forgotten with the test.

        Raises:
            CloudError: another test has not ended.
        """
        if self._view is not None and self._view.running:
            raise CloudError(_BUSY)
        self._job.wait()  # a thread that has said its last word may still be on its way out
        self._view = EndpointTestView(choice)
        self._job.start(lambda: self._run(choice, key), self._end)

    def cancel(self) -> None:
        """End it soon; what was found so far is shown."""
        self._job.cancel()

    def close(self) -> None:
        """End a test with the application."""
        self._job.close()

    def wait(self, seconds: float) -> EndpointTestView | None:
        """Sleep until it has ended, at most `seconds`."""
        self._job.wait(seconds)
        return self._view

    def _run(self, choice: EndpointChoice, key: SecretStr | None) -> None:
        profile = self._cloud.test(
            choice.base_url,
            choice.model,
            key,
            preset=choice.preset,
            progress=self._add,
            cancelled=self._job.cancelled.is_set,
        )
        self._change(profile=profile)

    def _end(self, problem: str) -> None:
        if problem:
            self._add(problem)
        self._change(running=False)

    def _add(self, sentence: str) -> None:
        assert self._view is not None
        self._change(lines=(*self._view.lines, sentence))

    def _change(self, **changes: object) -> None:
        assert self._view is not None
        self._view = replace(self._view, **changes)  # type: ignore[arg-type]
