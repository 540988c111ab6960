"""What a person reads when an endpoint fails: its host, a plain sentence, a way out, no key."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import httpx2
import openai
from jinja2 import TemplateError
from pydantic import SecretStr

from floe.errors import CloudError, StoreError

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_MESSAGE_LENGTH: Final = 300
_NO_API: Final = (
    "answers, but there is no OpenAI-compatible API at this address. Check it; it usually ends "
    "in /v1."
)
_ADDRESS_HINT: Final = "must begin with http:// or https://, as in https://api.openai.com/v1."


class RateLimited(CloudError):
    """The endpoint wants fewer requests; `retry_after` is in seconds, None if it did not say."""

    def __init__(self, message: str, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class KeyRefused(CloudError):
    """The endpoint does not accept the key, or wants one."""


class NotServed(CloudError):
    """The address answers, but not with what was asked for."""


class NotAnApiError(Exception):
    """The address answers, with something else than the protocol."""


class Endpoint:
    """Names the endpoint in sentences, and keeps the key out of them."""

    def __init__(self, base_url: str, key: SecretStr) -> None:
        try:
            parts = urlsplit(base_url)
            port, self.hostname = parts.port, parts.hostname or ""
        except ValueError:
            raise CloudError(f"The cloud's address {_ADDRESS_HINT}") from None
        if parts.scheme not in ("http", "https") or not self.hostname:
            raise CloudError(f"The cloud's address {_ADDRESS_HINT}")
        self.host = f"{self.hostname}:{port}" if port else self.hostname
        self._key = key

    def explain(self, error: Exception, model: str) -> CloudError:
        """A sentence for whatever went wrong.

        Args:
            error: what the `openai` package raised, or the reading of its answer.
            model: the one that was asked for; empty if the request named none.
        """
        match error:
            case openai.APIStatusError():
                return self._explain_status(error, model)
            case openai.APITimeoutError() | TimeoutError():
                words = "does not answer in time. It may be overloaded or far away."
            case openai.APIConnectionError():
                return self._explain_connection(error)
            case openai.APIError():
                words = f"reports an error: {self._own_words(error)}"
            case StoreError():
                return CloudError(f"{error} What cannot be written down here is not sent.")
            case NotAnApiError():
                return NotServed(f"{self.host} {_NO_API}")
            case TemplateError():
                words = "has a chat template that refuses this conversation."
            case json.JSONDecodeError() | UnicodeDecodeError():
                words = "sent a line that is not JSON; the answer broke off there."
            case _:
                words = (
                    "does not speak the OpenAI protocol as expected "
                    f"({type(error).__name__}). Check the address; it usually ends in /v1."
                )
        return CloudError(f"{self.host} {words}")

    def _explain_status(self, error: openai.APIStatusError, model: str) -> CloudError:
        status, host, words = error.status_code, self.host, self._own_words(error)
        if status in (401, 403):
            return KeyRefused(f"{host} does not accept the key. Check it in the settings.")
        if status == 404:
            if model and isinstance(error.body, dict) and "model" in words.lower():
                return CloudError(f"{host} does not know the model {model!r}. Choose another.")
            return NotServed(f"{self.host} {_NO_API}")
        if status == 429:
            wait = _seconds(error.response.headers)
            after = f" in {wait:.0f} seconds" if wait is not None else " later"
            return RateLimited(f"{host} has had enough requests for now; try again{after}.", wait)
        if status >= 500:
            return CloudError(f"{host} has a problem of its own (status {status}); try later.")
        return CloudError(f"{host} refused the request (status {status}): {words}")

    def _explain_connection(self, error: openai.APIConnectionError) -> CloudError:
        cause = error.__cause__
        if isinstance(cause, httpx2.ConnectError):
            if "CERTIFICATE" in str(cause):
                return CloudError(
                    f"{self.host} cannot prove that it is {self.hostname}: its certificate is not "
                    "valid here. Check the address."
                )
            return CloudError(
                f"{self.host} cannot be reached. Check the address and the network connection."
            )
        return CloudError(f"The connection to {self.host} broke off.")

    def _own_words(self, error: openai.APIError) -> str:
        """The server's message without the key, which some servers repeat."""
        words = error.body.get("message") if isinstance(error.body, dict) else error.body
        text = " ".join(str(words or error.message).split())
        key = self._key.get_secret_value().strip()
        return (text.replace(key, "•••") if key else text)[:_MESSAGE_LENGTH]


def refusal_of(error: Exception) -> str:
    """The server's words if it refused a request for what was in it; empty for other errors.

    Some servers call the refusal of log-probabilities an error of their own (500).
    """
    if not isinstance(error, openai.APIStatusError):
        return ""
    words = str(error.body or error.message or error.status_code)
    if error.status_code in (400, 422, 501) or "logprob" in words.lower():
        return words
    return ""


def is_refusal(error: Exception) -> bool:
    """Whether it was the request that failed, and not the endpoint, the key or the network."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code not in (401, 403, 408, 429, 502, 503, 504)
    # An error in the middle of a stream, or a page in place of one.
    return type(error) is openai.APIError or isinstance(error, NotAnApiError)


def _seconds(headers: httpx2.Headers) -> float | None:
    """What `Retry-After` says: a number of seconds, or a date by the server's own clock."""
    text = headers.get("retry-after", "")
    try:
        return max(float(text), 0.0)
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(text)
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        return max((then - now).total_seconds(), 0.0)
    except (ValueError, TypeError):  # no date, or one with a time zone and one without
        return None
