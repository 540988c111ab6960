"""Sentences for an endpoint that fails: its host, what went wrong, a way out, no key."""

import json
import math
import re
import ssl
from dataclasses import replace
from typing import Final
from urllib.parse import urljoin

import httpx2
import openai
from jinja2 import TemplateError
from pydantic import SecretStr

from floe.cloud.credentials.keys import IN_CLEAR, validate_key
from floe.cloud.probe.budget import BudgetUsedUpError
from floe.cloud.probe.profile import FITS_NO_CONTEXT, is_about_routing
from floe.cloud.protocol.bounds import CompressedError, TooLongError
from floe.cloud.told_wait import told_wait
from floe.errors import CloudError, StoreError
from floe.origin import DEFAULT_PORTS, Address, origin_of, parse_address
from floe.redaction import Redactor

_LONGEST_REFUSAL: Final = 2000
_LONGEST_PLACE: Final = 200
_NO_API: Final = (
    "answers, but there is no OpenAI-compatible API at this address. Check it; it usually ends "
    "in /v1."
)
_PATHS: Final = ("/chat/completions", "/completions", "/models")
"""Of requests, which are not part of the address that a person types."""
_DEEPEST: Final = 6
_KEY_WORDS: Final = re.compile(
    r"(?:api|access|auth\w*)[ _-]?(?:key|token).{0,40}"
    r"(?:invalid|not valid|incorrect|missing|required|expired|revoked|disabled|not found)"
    r"|(?:invalid|incorrect|missing|no|expired|wrong)[ _-](?:api|access)[ _-]?(?:key|token)",
    re.IGNORECASE,
)
_MONEY_WORDS: Final = re.compile(
    r"insufficient[ _](?:quota|balance|credits?|funds)|exceeded your current quota|billing"
    r"|out of credits?|no credits?|payment|spending limit|credit balance",
    re.IGNORECASE,
)
_NOT_FREE: Final = re.compile(r"\blimit: 0\b")
"""Google, of a model that a key without an account for payment may not use at all."""
_FILTERED: Final = re.compile(
    r"content[ _]?(?:filter|policy|management)|moderation|flagged|safety|responsible ?ai",
    re.IGNORECASE,
)
_NO_MODEL: Final = re.compile(
    r"model.{0,120}(?:not[ _]found|(?:not|n't) exist|unknown|not available|not loaded|not served)"
    r"|(?:unknown|no such|invalid|not find(?: the)?) model|model_not_found",
    re.IGNORECASE | re.DOTALL,
)
_NOTHING_HERE: Final = re.compile(
    r"|(?:404 )?(?:page |route |path |resource |url )?(?:was )?not found[.:]?(?: (?:GET|POST) \S+)?"
    r"|method not allowed[.:]?(?: (?:GET|POST) \S+)?|no route matched.{0,60}"
    r"|unknown (?:request )?url.{0,80}",
    re.IGNORECASE,
)
"""Words of a server that knows no such path."""
_WANTS_TLS: Final = re.compile(
    r"HTTP request (?:was sent )?to (?:an )?HTTPS|plain HTTP to an SSL|requires TLS", re.IGNORECASE
)
"""Of nginx, Go, Apache and Tomcat, asked by http where https is spoken."""
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
"""OpenSSL's reasons where the server's first bytes are not of TLS, but mostly of HTTP."""
_BROKEN: Final = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)
_LONGEST_CHAIN: Final = 10


class RateLimited(CloudError):
    """The endpoint wants fewer requests; `retry_after` is in seconds, None if it did not say."""

    def __init__(self, message: str, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class EndpointRefusal(CloudError):
    """The endpoint will not do it, however often it is asked: `retry_after` is infinite."""

    retry_after = math.inf


class AccessRefused(EndpointRefusal):
    """The endpoint does not accept the key, wants one, or does not serve this account or region."""


class NotServed(EndpointRefusal):
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
        has_answered: an HTTP response has come from it, so that its scheme is right.
    """

    def __init__(self, base_url: str, key: SecretStr) -> None:
        """Check both.

        Raises:
            CloudError: the address or the key is invalid, or the key must not go to the address.
        """
        self.address = _without_request_path(parse_address(base_url))
        self.key = validate_key(key)
        self.host = self.address.origin.authority
        if self.key.get_secret_value() and not self.address.origin.keeps_secrets:
            raise CloudError(IN_CLEAR)
        self.redactor = Redactor([self.key.get_secret_value()])
        self.has_answered = False

    def explain(self, error: Exception, model: str) -> CloudError:
        """Say in a sentence what went wrong.

        Args:
            error: what the `openai` package raised, or the reading of its answer.
            model: the one that was asked for; empty if the request named none.
        """
        wait: float | None = None
        match error:
            case openai.APIStatusError():
                return self._explain_status(error, model)
            case openai.APITimeoutError() | TimeoutError():
                words = "does not answer in time. It may be overloaded or far away."
            case openai.APIConnectionError():
                return self._explain_connection(error)
            case openai.APIError():
                words = f"reports an error: {self._server_message(error)}"
                wait = told_wait(httpx2.Headers(), error.body, _message_in(error.body))
            case StoreError():
                return CloudError(f"{error} What cannot be written down here is not sent.")
            case BudgetUsedUpError():
                return error
            case NotAnApiError():
                return NotServed(f"{self.host} {_NO_API}")
            case _:
                words = next(
                    (words for kind, words in _UNREADABLE.items() if isinstance(error, kind)),
                    "does not speak the OpenAI protocol as expected "
                    f"({type(error).__name__}). Check the address; it usually ends in /v1.",
                )
        failure = CloudError(f"{self.host} {words}")
        failure.retry_after = wait
        return failure

    def _explain_status(self, error: openai.APIStatusError, model: str) -> CloudError:
        if error.response.is_redirect:
            return NotServed(self._explain_redirect(error.response.headers.get("location", "")))
        if error.status_code == 400 and _WANTS_TLS.search(str(error.body)):
            return NotServed(f"{self.host} speaks https, not http: {self._advise('https', True)}")
        status, host, words = error.status_code, self.host, self._server_message(error)
        says = f" It says: {words}" if words else ""
        access = self._explain_access(error, words, says)
        if access is not None or status in (404, 405):
            return access or self._explain_missing(error, model, words)
        if status == 429:
            wait = _wait_of(error)
            after = f" in {wait:.0f} seconds" if wait is not None else " later"
            return RateLimited(
                f"{host} has had enough requests for now; try again{after}.{says}", wait
            )
        if status >= 500 or status in (408, 409, 425):
            trouble = f"has a problem of its own (status {status}); try later."
            if is_loading(error):
                trouble = "is loading its model; try again in a moment."
            failure = CloudError(f"{host} {trouble}{says}")
            failure.retry_after = _wait_of(error)
            return failure
        trouble = f"{host} refused the request (status {status}): {words or 'it does not say why.'}"
        if FITS_NO_CONTEXT.search(words):
            trouble = f"This conversation is too long for the model at {host}.{says}"
        return EndpointRefusal(trouble)

    def _explain_access(
        self, error: openai.APIStatusError, words: str, says: str
    ) -> AccessRefused | None:
        """Say that it is the key, the account or the region; None if it is the request."""
        host, status = self.host, error.status_code
        if status == 401 or (status in (400, 403) and _names_key(words)):
            if not self.key.get_secret_value():
                return AccessRefused(f"{host} wants an API key, and none is set.{says}")
            return AccessRefused(f"{host} does not accept the key. Check it in the settings.{says}")
        if _is_about_money(error, words):
            return AccessRefused(
                f"{host} wants to be paid first: the credit or quota of this key is used up.{says}"
            )
        if status == 403:
            reason = says or " It may be the key, the account, the model or the region."
            return AccessRefused(f"{host} refuses to answer (status 403).{reason}")
        return None

    def _explain_missing(self, error: openai.APIStatusError, model: str, words: str) -> CloudError:
        """Say what is not there: the model, something else that the server names, or an API."""
        if not isinstance(error.body, dict) or _NOTHING_HERE.fullmatch(words):
            return NotServed(f"{self.host} {_NO_API}")
        if model and _NO_MODEL.search(words):
            return EndpointRefusal(
                f"{self.host} does not know the model {model!r}. Choose another. It says: {words}"
            )
        return NotServed(
            f"{self.host} finds nothing for this request (status {error.status_code}). It says: "
            f"{words}"
        )

    def _explain_redirect(self, location: str) -> str:
        """Say the way out of it: nothing private follows a server's word to another place."""
        place = "another address"
        try:
            address = urljoin(f"{self.address}/", location.partition("?")[0].partition("#")[0])
        except ValueError:
            address = ""
        if origin_of(address) is not None:
            for path in _PATHS:
                address = address.removesuffix(path)
            place = self.redactor.redact(address, _LONGEST_PLACE)
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
            return self._explain_no_connection(cause)
        broke_off = f"The connection to {self.host} broke off."
        if self.address.origin.scheme == "http" and not self.has_answered:
            return CloudError(f"{broke_off} If this server speaks https, {self._advise('https')}")
        return CloudError(broke_off)

    def _explain_no_connection(self, error: BaseException) -> CloudError:
        """Tell a server that cannot be reached from one that can, but by the other scheme."""
        causes = _chain(error)
        reasons = [str(each.reason) for each in causes if isinstance(each, ssl.SSLError)]
        if any(reason in _NO_TLS for reason in reasons):
            return CloudError(f"{self.host} speaks http, not https: {self._advise('http', True)}")
        if self.address.origin.scheme == "https" and any(isinstance(e, _BROKEN) for e in causes):
            return CloudError(
                f"{self.host} broke off before the connection was encrypted, as https needs it. "
                f"If this server speaks http, {self._advise('http')}"
            )
        return CloudError(
            f"{self.host} cannot be reached. Check the address and the network connection."
        )

    def _advise(self, scheme: str, same_port: bool = False) -> str:
        """Say how the address is typed with the other scheme, and what http costs.

        `same_port`: it was this very port that spoke it; else the usual one is for the usual one.
        """
        before = self.address.origin
        usual = before.port == DEFAULT_PORTS[before.scheme] and not same_port
        origin = replace(
            before, scheme=scheme, port=DEFAULT_PORTS[scheme] if usual else before.port
        )
        address = self.redactor.redact(str(replace(self.address, origin=origin)), _LONGEST_PLACE)
        words = f"type {address} as its address."
        if origin.keeps_secrets:
            return words
        return (
            f"{words} Then whoever is on the network can read what is sent, and Floe sends no key."
        )

    def refusal_of(self, error: Exception) -> str:
        """Return the server's words on a request refused for its form; empty for other errors.

        Some servers call the refusal of log-probabilities an error of their own (500). What a
        content filter, a key or an empty account refuses is refused in any form.
        """
        if not isinstance(error, openai.APIStatusError) or error.status_code < 400:
            return ""
        words = self.redactor.redact(
            str(error.body or error.message or error.status_code), _LONGEST_REFUSAL
        )
        if _names_key(words) or _is_about_money(error, words) or _FILTERED.search(words):
            return ""
        about_form = error.status_code in (400, 422, 501) or is_about_routing(words)
        if about_form or "logprob" in words.lower():
            return words
        return ""

    def _server_message(self, error: openai.APIError) -> str:
        """Return the server's message without the key, which some servers repeat.

        Empty where a server gives nothing but a page or a status.
        """
        words = _message_in(error.body)
        if not words and not isinstance(error, openai.APIStatusError):
            words = error.message
        return self.redactor.redact(words)


def _without_request_path(address: Address) -> Address:
    """Return the base of an address that somebody copied from an example of a request."""
    path = address.path.rstrip("/")
    for ending in _PATHS:
        path = path.removesuffix(ending)
    return replace(address, path=path)


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and what it came from, which httpx and anyio wrap several times."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and len(chain) < _LONGEST_CHAIN:
        chain.append(following)
        following = following.__cause__ or following.__context__
    return chain


def _message_in(body: object, depth: int = 0) -> str:
    """Return the words of an error's body, whose form differs from server to server."""
    if isinstance(body, str):
        return "" if body.lstrip().startswith("<") else body
    if isinstance(body, list):
        return "; ".join(filter(None, (_message_in(each, depth + 1) for each in body[:3])))
    if not isinstance(body, dict) or depth > _DEEPEST:
        return ""
    names = ("message", "detail", "msg", "error", "error_message", "reason", "title")
    words = next(filter(None, (_message_in(body.get(name), depth + 1) for name in names)), "")
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        # OpenRouter: its own words are "Provider returned error", and the provider's are in here.
        more = _message_in(metadata.get("raw"), depth + 1) or _message_in(
            metadata.get("reasons"), depth + 1
        )
        words = f"{words}: {more}" if words and more else words or more
    return words


def _names_key(words: str) -> bool:
    """Return whether a refusal is about the key (Google says so with a 400)."""
    return bool(_KEY_WORDS.search(words))


def _is_about_money(error: openai.APIStatusError, words: str) -> bool:
    """Return whether credit or quota is used up, which waiting does not mend."""
    if error.status_code == 402:
        return True
    told = error.status_code in (400, 403, 429) and _MONEY_WORDS.search(f"{error.code} {words}")
    if not told or _NOT_FREE.search(_message_in(error.body)):
        return bool(told)
    # A quota that comes back has a time: Google's speaks of billing, too, and of the next minute.
    return _wait_of(error) is None


def _wait_of(error: openai.APIStatusError) -> float | None:
    """Return the seconds that the endpoint wants to be left alone, if it says so."""
    return told_wait(error.response.headers, error.body, _message_in(error.body))


def is_loading(error: Exception) -> bool:
    """Return whether a server is still loading its model: the same request will do in a moment."""
    return (
        isinstance(error, openai.APIStatusError)
        and error.status_code == 503
        and "loading" in _message_in(error.body).lower()
    )


def is_refusal(error: Exception) -> bool:
    """Return whether the request failed, and not the endpoint, the key or the network."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code not in (401, 402, 403, 408, 429, 502, 503, 504)
    # An error in the middle of a stream, or a page in place of one.
    return type(error) is openai.APIError or isinstance(error, NotAnApiError)
