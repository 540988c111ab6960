"""Sentences for an endpoint that fails: its host, what went wrong, a way out, no key."""

import json
import math
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2
import openai
from jinja2 import TemplateError
from pydantic import SecretStr

from floe.cloud.credentials.keys import IN_CLEAR, validate_key
from floe.cloud.protocol.bounds import CompressedError, TooLongError
from floe.errors import CloudError, StoreError
from floe.origin import origin_of, parse_address
from floe.redaction import Redactor

_LONGEST_REFUSAL: Final = 2000
_LONGEST_WAIT: Final = 86_400.0
"""Seconds that a server may ask to be left alone; what is more is no answer to the question."""
_NO_API: Final = (
    "answers, but there is no OpenAI-compatible API at this address. Check it; it usually ends "
    "in /v1."
)


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


class SecretRepeatedError(Exception):
    """A server has repeated the key where it would be kept."""


_UNREADABLE: Final[dict[type[Exception], str]] = {
    SecretRepeatedError: "repeats your key in its answer, so Floe does not listen to it any more. "
    "Check the address; if it is right, get a new key.",
    TooLongError: "sent too much in one piece; the answer broke off there.",
    CompressedError: "sent compressed data, which it was asked not to do; it was not read.",
    TemplateError: "has a chat template that refuses this conversation.",
    json.JSONDecodeError: "sent a line that is not JSON; the answer broke off there.",
    UnicodeDecodeError: "sent a line that is not JSON; the answer broke off there.",
}
"""What is wrong with an answer, by the error of reading it."""


class Endpoint:
    """An address that requests may go to and the key for it, which no sentence repeats.

    Attributes:
        address: as it is connected to.
        key: may be empty.
        host: how sentences name the server.
        redactor: what foreign text goes through before it is kept; knows the key.
    """

    def __init__(self, base_url: str, key: SecretStr) -> None:
        """Check both.

        Raises:
            CloudError: the address is none, the key is none, or the one must not go to the other.
        """
        self.address = parse_address(base_url)
        self.key = validate_key(key)
        self.host = self.address.origin.authority
        if self.key.get_secret_value() and not self.address.origin.keeps_secrets:
            raise CloudError(IN_CLEAR)
        self.redactor = Redactor([self.key.get_secret_value()])

    def explain(self, error: Exception, model: str) -> CloudError:
        """Say in a sentence what went wrong.

        Args:
            error: what the `openai` package raised, or the reading of its answer.
            model: the one that was asked for; empty if the request named none.
        """
        match error:
            case openai.APIStatusError() if error.response.is_redirect:
                location = error.response.headers.get("location", "")
                return NotServed(self._explain_redirect(location))
            case openai.APIStatusError():
                return self._explain_status(error, model)
            case openai.APITimeoutError() | TimeoutError():
                words = "does not answer in time. It may be overloaded or far away."
            case openai.APIConnectionError():
                return self._explain_connection(error)
            case openai.APIError():
                words = f"reports an error: {self._server_message(error)}"
            case StoreError():
                return CloudError(f"{error} What cannot be written down here is not sent.")
            case NotAnApiError():
                return NotServed(f"{self.host} {_NO_API}")
            case _:
                words = next(
                    (words for kind, words in _UNREADABLE.items() if isinstance(error, kind)),
                    "does not speak the OpenAI protocol as expected "
                    f"({type(error).__name__}). Check the address; it usually ends in /v1.",
                )
        return CloudError(f"{self.host} {words}")

    def _explain_status(self, error: openai.APIStatusError, model: str) -> CloudError:
        status, host, words = error.status_code, self.host, self._server_message(error)
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

    def _explain_redirect(self, location: str) -> str:
        """Say the way out of it: nothing private follows a server's word to another place."""
        origin = origin_of(location.partition("?")[0].partition("#")[0])
        place = "another address"
        if origin is not None and origin != self.address.origin:
            place = self.redactor.redact(str(origin), 100)
        return (
            f"{self.host} sends requests on to {place}. Floe does not follow, since the key and "
            "the conversation would go there: type the final address."
        )

    def _explain_connection(self, error: openai.APIConnectionError) -> CloudError:
        cause = error.__cause__
        if "CERTIFICATE" in str(cause):
            return CloudError(
                f"{self.host} cannot prove that it is {self.address.origin.host}: its certificate "
                "is not valid here. Check the address."
            )
        if isinstance(cause, httpx2.ProxyError):
            return CloudError(
                f"The proxy on the way to {self.host} does not pass requests on. Check HTTP_PROXY, "
                "HTTPS_PROXY and ALL_PROXY."
            )
        if isinstance(cause, httpx2.ConnectError | ssl.SSLError):
            return CloudError(
                f"{self.host} cannot be reached. Check the address and the network connection."
            )
        return CloudError(f"The connection to {self.host} broke off.")

    def refusal_of(self, error: Exception) -> str:
        """Return the server's words on a request refused for its content; empty for other errors.

        Some servers call the refusal of log-probabilities an error of their own (500).
        """
        if not isinstance(error, openai.APIStatusError) or error.status_code < 400:
            return ""
        words = self.redactor.redact(
            str(error.body or error.message or error.status_code), _LONGEST_REFUSAL
        )
        if error.status_code in (400, 422, 501) or "logprob" in words.lower():
            return words
        return ""

    def _server_message(self, error: openai.APIError) -> str:
        """Return the server's message without the key, which some servers repeat."""
        words = error.body.get("message") if isinstance(error.body, dict) else error.body
        return self.redactor.redact(str(words or error.message))


def is_refusal(error: Exception) -> bool:
    """Return whether the request failed, and not the endpoint, the key or the network."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code not in (401, 403, 408, 429, 502, 503, 504)
    # An error in the middle of a stream, or a page in place of one.
    return type(error) is openai.APIError or isinstance(error, NotAnApiError)


def _seconds(headers: httpx2.Headers) -> float | None:
    """Read `Retry-After`: a number of seconds, or a date by the server's own clock."""
    text = headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        return min(max(seconds, 0.0), _LONGEST_WAIT) if math.isfinite(seconds) else None
    try:
        then = parsedate_to_datetime(text)
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        return min(max((then - now).total_seconds(), 0.0), _LONGEST_WAIT)
    # No date, one that no calendar has, or one with a time zone and one without.
    except (ValueError, TypeError, OverflowError):
        return None
