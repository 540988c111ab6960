"""A small server that counts to ten and repeats what it is told to, with the quirks of others.

Its model is a function of the text, so a true continuation is known to the letter: after a
beginning it goes on from there, while a new turn begins anew.
"""

import json
import math
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
COUNTING = ", ".join(WORDS)
MODEL = "counter"
CHATML = re.compile(r"<\|im_start\|>user\n(.*?)<\|im_end\|>\n<\|im_start\|>assistant\n(.*)", re.S)
BRACKETS = re.compile(r"\[ask\](.*?)\[answer\](.*)", re.S)
BRACKETS_TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}[ask]{{ m.content }}[answer]{% endif %}"
    "{% endfor %}"
)


@dataclass(frozen=True)
class Quirks:
    """What sets a server apart; the defaults are those of a good one (llama-server's kind)."""

    continues: Literal["prefill", "continue_final_message", "prefix", "completions", "none"] = (
        "prefill"
    )
    template: re.Pattern[str] = CHATML
    tells_template: str = ""
    repeats: bool = False
    logprobs: Literal["given", "null", "refused"] = "given"
    most: int = 20
    spelling: Literal["exact", "null", "lost"] = "exact"
    after_temperature: bool = False
    usage: bool = True
    refuses: tuple[str, ...] = ()
    models: bool = True
    html: bool = False
    limited: str = ""
    cut: bool = False
    endless: bool = False
    mute: bool = False
    """It takes a request for text, and says nothing for as long as the server is there."""
    key: str = ""
    cached_digits: bool = False
    """Whether the question before was the same one changes the digits, from the second token on."""


def count_on(text: str) -> str:
    """What a counter writes after `text`, which may end within a word; anew if it is lost."""
    found = re.search(r"([a-z]*)(,? ?)$", text)
    assert found is not None
    word, separator = found.groups()
    fitting = [each for each in WORDS if word and each.startswith(word)]
    if not fitting:
        return COUNTING
    before = re.findall("[a-z]+", text)[:-1]
    expected = [each for each in fitting if before and WORDS.index(each) > _place(before[-1])]
    current = [*expected, *fitting][0]
    following = "".join(f", {each}" for each in WORDS[WORDS.index(current) + 1 :])
    return current[len(word) :] + following[len(separator) :]


def _place(word: str) -> int:
    return WORDS.index(word) if word in WORDS else -1


def reply(question: str, beginning: str) -> str:
    _, asked, text = question.partition("write nothing else: ")
    if not asked:
        return count_on(beginning)
    return text.removeprefix(beginning) if text.startswith(beginning) else text


@dataclass
class Seen:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any] = field(default_factory=dict)


class QuirkyServer:
    """Listens on loopback while it is open."""

    def __init__(self, quirks: Quirks) -> None:
        self.requests: list[Seen] = []
        self.cached = ""
        self.closing = threading.Event()
        handler = type("Handler", (_Handler,), {"quirks": quirks, "server_": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def asked(self) -> list[dict[str, Any]]:
        """Bodies of the requests for text."""
        return [seen.body for seen in self.requests if seen.body]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    quirks: Quirks
    server_: QuirkyServer

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server_.requests.append(Seen(self.path, dict(self.headers)))
        if self.quirks.html:
            self._page()
        elif self.path == "/v1/models" and self.quirks.models:
            self._json(200, {"data": [{"id": MODEL}]})
        elif self.path == "/props" and self.quirks.tells_template:
            self._json(200, {"chat_template": self.quirks.tells_template, "eos_token": "</s>"})
        else:
            self._refuse(404, "not found")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server_.requests.append(Seen(self.path, dict(self.headers), body))
        raw = self.path == "/v1/completions"
        if self.quirks.mute:
            self.server_.closing.wait()
        elif self.quirks.html:
            self._page()
        elif refusal := self._objection(body, raw=raw):
            self._refuse(*refusal)
        elif raw:
            found = self.quirks.template.search(body["prompt"])
            question, beginning = found.groups() if found else ("write nothing else: ???", "")
            self._read(question)
            self._stream(body, reply(question, beginning), raw=True)
        else:
            self._chat(body)

    def _objection(self, body: dict[str, Any], *, raw: bool) -> tuple[int, str] | None:
        """Status and words, if this server does not serve such a request."""
        quirks = self.quirks
        top = body.get("logprobs" if raw else "top_logprobs") or 0
        unknown = next((name for name in quirks.refuses if name in body), "")
        key = self.headers["Authorization"]
        if quirks.key and key != f"Bearer {quirks.key}":
            objection = 401, f"wrong key: {key}"
        elif quirks.limited:
            objection = 429, "slow down"
        elif unknown:
            objection = 400, f"Unsupported parameter: '{unknown}'."
        elif raw and quirks.continues != "completions":
            objection = 404, "not found"
        elif quirks.logprobs == "refused" and "logprobs" in body:
            objection = 400, "'logprobs' is not supported with this model"
        elif top > quirks.most:
            objection = 400, f"{'logprobs' if raw else 'top_logprobs'}: at most {quirks.most}"
        else:
            return None
        return objection

    def _chat(self, body: dict[str, Any]) -> None:
        messages = body["messages"]
        last = messages[-1]
        kind = self.quirks.continues
        begun = last["role"] == "assistant"
        if begun and kind == "prefix" and not last.get("prefix"):
            return self._refuse(400, "Expected last role User or Tool for a new turn")
        switch = {"prefill": True, "prefix": True}.get(kind, bool(body.get(kind)))
        beginning = last["content"] if begun and switch else ""
        question = next(m["content"] for m in reversed(messages) if m["role"] == "user")
        self._read(question)
        return self._stream(body, reply(question, beginning), beginning=beginning)

    def _read(self, question: str) -> None:
        self._cold = self.quirks.cached_digits and question != self.server_.cached
        self.server_.cached = question

    def _stream(
        self, body: dict[str, Any], text: str, *, raw: bool = False, beginning: str = ""
    ) -> None:
        quirks = self.quirks
        self._head(200, "text/event-stream")
        tokens = list(self._tokens(text))
        most = int(body.get("max_tokens") or body["max_completion_tokens"])
        if beginning and quirks.repeats:
            self._send({"delta": {"content": beginning}})
        for count, (token, shown) in enumerate(tokens[:most]):
            if quirks.cut and count == 2:
                self.wfile.write(b'data: {"choices": [{"index": 0, "del')
                return
            likely = 0.8 if self._cold and count else 0.9
            self._send(self._choice(body, token, shown, raw=raw, likely=likely))
        reason = "stop" if len(tokens) <= most else "length"
        self._send({"text" if raw else "delta": "" if raw else {}, "finish_reason": reason})
        while quirks.endless and not self.server_.closing.wait(0.005):
            self._send(self._choice(body, b" more", " more", raw=raw))
        if quirks.usage:
            usage = {"prompt_tokens": 9, "completion_tokens": len(tokens[:most])}
            self._event({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _tokens(self, text: str) -> Iterator[tuple[bytes, str]]:
        """Bytes of each token and the text that can be shown after it; an emoji is two tokens."""
        for piece in re.findall(r" ?\w+|.", text):
            data = piece.encode()
            if len(data) == 4:
                yield data[:2], ""
                yield data[2:], piece
            else:
                yield data, piece

    def _choice(
        self, body: dict[str, Any], token: bytes, shown: str, *, raw: bool, likely: float = 0.9
    ) -> dict[str, Any]:
        given = self.quirks.logprobs == "given" and bool(body.get("logprobs"))
        top = int(body.get("logprobs") or 0) if raw else body.get("top_logprobs", 0)
        rows = [(token, math.log(likely))]
        rows += [(b"~%d" % i, math.log(0.05) - i) for i in range(top - 1)]
        if self.quirks.after_temperature and body["temperature"] > 0:
            rows = [(data, logprob / body["temperature"]) for data, logprob in rows]
        entries = [self._entry(data, logprob) for data, logprob in rows]
        if raw:
            tops = {entry["token"]: entry["logprob"] for entry in entries}
            listed = {
                "tokens": [entries[0]["token"]],
                "token_logprobs": [entries[0]["logprob"]],
                "top_logprobs": [tops],
            }
            return {"text": shown, "logprobs": listed if given else None}
        chosen = {**entries[0], "top_logprobs": entries[:top]}
        logprobs = {"content": [chosen]} if given else None
        return {"delta": {"content": shown}, "logprobs": logprobs}

    def _entry(self, data: bytes, logprob: float) -> dict[str, Any]:
        token = data.decode(errors="replace")
        spelled = {
            "exact": list(data),
            "null": None,
            "lost": list(token.encode()),
        }
        return {"token": token, "logprob": logprob, "bytes": spelled[self.quirks.spelling]}

    def _send(self, choice: dict[str, Any]) -> None:
        self._event({"choices": [{"index": 0, "finish_reason": None, **choice}]})

    def _event(self, chunk: dict[str, Any]) -> None:
        try:
            self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        except OSError:
            self.close_connection = True
            raise

    def _head(self, status: int, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def _page(self) -> None:
        self._head(200, "text/html")
        self.wfile.write(b"<html>Welcome</html>")

    def _refuse(self, status: int, words: str) -> None:
        headers = {"Retry-After": self.quirks.limited} if status == 429 else None
        self._json(status, {"error": {"message": words}}, headers)

    def _json(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        self._head(status, "application/json", headers)
        self.wfile.write(json.dumps(body).encode())

    def handle(self) -> None:
        with suppress(OSError):  # the client hung up, as it may at any time
            super().handle()
