"""Each way in which a cloud can break, once, against the real assistant and the real small model.

Whatever it does: the answer is finished here, what went wrong is a sentence, nothing hangs, memory
stays, of the foreign words no more is kept than a sentence takes, and the next turn works.
"""

import base64
import json
import logging
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from floe.chat.assistant import Assistant
from floe.chat.turn import TurnOptions, TurnView
from floe.cloud.link import CloudLink
from floe.cloud.probe.profile import EndpointProfile
from floe.config import Settings
from floe.llama.runtime import LlamaModel
from floe.records import Mode, Sampling
from floe.redaction import MASK, RedactingFormatter
from floe.store import Store
from tests.cloud.scripted import DONE, STOP, event, row, row_event
from tests.faults import server as faults
from tests.faults.certificates import certificate
from tests.faults.server import Fault, FaultServer, say
from tests.privacy.fakes import FakeExaminer

QUESTION = "Why is the sky blue?"
SHORT = Sampling(max_tokens=12)
MEMORY_MB = 150
"""More than any of this may add to the highest mark: some faults offer a gigabyte."""
LONGEST_NOTICE = 450
PROTOCOL = "does not speak the OpenAI protocol"
NO_API = "no OpenAI-compatible API"
LATE = "The cloud was late"
ALONE = " This device answers alone."

Make = Callable[..., Assistant]


@pytest.fixture(scope="module")
def model(smollm_path: Path) -> Iterator[LlamaModel]:
    with LlamaModel(smollm_path, context=1024, threads=1) as loaded:
        yield loaded


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    # An answer of the cloud alone waits ten seconds for a word.
    monkeypatch.setattr("floe.chat.answer_decoder.CLOUD_PATIENCE", 3.0)


@pytest.fixture
def make(tmp_path: Path, model: LlamaModel) -> Iterator[Make]:
    made: list[Assistant] = []
    detector: Any = FakeExaminer()  # what is private is not the question here

    def assistant(url: str, **values: Any) -> Assistant:
        values = {"deadline_ms": 2000.0, **values}
        settings = Settings.load(cloud=url, data_dir=tmp_path, **values)
        store = Store(settings.database)
        # It has shown that it continues answers, before it met its fault.
        store.save_endpoint(url, "m", EndpointProfile(model="m").to_json())
        link = CloudLink(settings, store)
        link.connect()
        made.append(Assistant(settings, store, model, link, detector))
        link.wait(60)
        return made[-1]

    yield assistant
    for each in made:
        each.stop()
        each._worker.shutdown()
        each.cloud.close()
        each.store.close()


def ask(assistant: Assistant, mode: Mode = "fused") -> TurnView:
    turn = assistant.ask(None, QUESTION, TurnOptions(mode, 0.5, SHORT))
    assert turn.wait(120), "it hangs"
    view = turn.view()
    # Kept as it was shown, and in bounds.
    message = assistant.store.message(view.message_id)
    assert message.content == view.text
    assert view.status in ("complete", "length")
    assert all(len(notice) <= LONGEST_NOTICE for notice in view.notices), view.notices
    assert all(notice.isprintable() for notice in view.notices)
    return view


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def chunk(**values: Any) -> bytes:
    return b"data: " + json.dumps(values).encode() + b"\n\n"


def entry(**values: Any) -> bytes:
    """A row whose entry of the log-probabilities has other values."""
    return event(" x", logprobs={"content": [row(" x") | values]})


def top(**values: Any) -> bytes:
    """A row whose candidate has other values."""
    return entry(top_logprobs=[row(" x") | values])


LONG_ROW = event(" " + "x" * 10_000_000)
LINE = b"data: " + b"x" * 999 + b"\n"
WRONG_TYPES: dict[str, bytes] = {
    "a list": b"data: [1]\n\n",
    "a number": b"data: 7\n\n",
    "a word": b'data: "word"\n\n',
    "null": b"data: null\n\n",
    "choices are a number": chunk(choices=7),
    "a choice is a word": chunk(choices=["word"]),
    "a choice is null": chunk(choices=[None]),
    "delta is a list": chunk(choices=[{"delta": [1]}]),
    "deep nesting": b"data: " + b"[" * 100_000 + b"]" * 100_000 + b"\n\n",
    "a number of 100,000 digits": b'data: {"choices": ' + b"9" * 100_000 + b"}\n\n",
}
# What is said of the text may be nonsense; the text is there all the same.
NONSENSE: dict[str, bytes] = {
    "content is a number": chunk(choices=[{"delta": {"content": 7}}]),
    "content is an object": chunk(choices=[{"delta": {"content": {"a": 1}}}]),
    "logprobs are a word": event(" x", logprobs="word"),
    "rows are a number": event(" x", logprobs={"content": 7}),
    "rows are words": event(" x", logprobs={"content": ["word"]}),
    "a row without a token": event(" x", logprobs={"content": [{"logprob": -1}]}),
    "a token is a number": entry(token=7, bytes=None),
    "a token is a list": entry(token=[" x"]),
    "a token is null": entry(token=None, bytes=None),
    "bytes are words": entry(bytes=["word"]),
    "bytes out of range": entry(bytes=[300]),
    "bytes below zero": entry(bytes=[-1]),
    "bytes are a number": entry(bytes=3_000_000_000),
    "bytes are a word": entry(bytes="word"),
    "bytes of a candidate are a number": top(bytes=3_000_000_000),
    "logprob is a word": entry(logprob="word"),
    "logprob is null": entry(logprob=None),
    "logprob of a candidate is a list": top(logprob=[1]),
    "candidates are a number": entry(top_logprobs=7),
    "candidates are an object": entry(top_logprobs={"a": 1}),
    "a token of two kilobytes": event("x" * 2000, logprobs={"content": [row("x" * 2000)]}),
    "usage is a word": chunk(usage="many", choices=[]),
    "usage counts words": chunk(usage={"prompt_tokens": "many"}, choices=[]),
    "usage counts lists": chunk(usage={"prompt_tokens": [1]}, choices=[]),
}

# The fault, and a part of the sentence that the person reads.
FAULTS: dict[str, tuple[Fault, str]] = {
    "hangs up": (faults.hang_up, "broke off"),
    "no word": (faults.say_nothing, LATE),
    "slow headers": (faults.slow_headers, LATE),
    "slow body": (faults.slow_body, LATE),
    "cut in a row": (say(row_event(" kept"), row_event(" lost")[:40]), "broke off in the middle"),
    "reset in a row": (faults.reset, "broke off"),
    "no end of a stream": (say(row_event(" kept")), "broke off in the middle"),
    "a row of 10 MB": (say(LONG_ROW), "too much in one piece"),
    "a row without an end": (faults.repeat(b"x", first=b"data: "), "too much in one piece"),
    "an event without an end": (
        faults.repeat(b"data: " + b"x" * 999 + b"\n"),
        "too much in one piece",
    ),
    "comments without an end": (faults.repeat(b": PROCESSING\n\n"), LATE),
    "empty events without an end": (faults.repeat(chunk(choices=[])), LATE),
    "an error without an end": (
        faults.repeat(b"very ", status="400 No", kind="application/json"),
        "refused the request (status 400)",
    ),
    "a broken server without an end": (
        faults.repeat(b"<html>", status="500 No", kind="text/html"),
        "a problem of its own (status 500)",
    ),
    "an error in mid-stream": (
        say(row_event(" kept"), chunk(error={"message": "out of memory " * 10_000})),
        "reports an error: out of memory",
    ),
    "an error that is a list": (say(chunk(error=[1, 2])), "reports an error"),
    "garbage in place of HTTP": (faults.garbage, "broke off"),
    "garbage in place of rows": (say(bytes(range(128, 256)) * 100, b"\n\n"), "broke off"),
    "garbage in a row": (say(b"data: \xff\xfe\x00{\n\n"), "not JSON"),
    "half of JSON": (say(b'data: {"choices": [\n\n'), "not JSON"),
    "HTML": (say(b"<html>" * 1000, kind="text/html"), NO_API),
    "JSON in place of rows": (say(b"{}", kind="application/json"), "no OpenAI-compatible API"),
    "nothing": (say(status="204 No Content"), "broke off in the middle"),
    "a bomb in gzip": (faults.bomb("gzip"), "compressed data"),
    "a bomb in deflate": (faults.bomb("deflate"), "compressed data"),
    "compressed twice": (say(b"x", more="Content-Encoding: gzip, gzip"), "compressed data"),
    "compressed in a way nobody knows": (say(b"x", more="Content-Encoding: zz"), "compressed"),
    "a header of a megabyte": (say(b"x", more="X-Long: " + "x" * (1 << 20)), "broke off"),
    "a length that is a lie": (
        say(row_event(" kept"), more="Content-Length: 100000"),
        "broke off",
    ),
    "a wait without an end": (
        say(status="429 No\r\nRetry-After: 1e400", kind="application/json"),
        "has had enough requests for now; try again later",
    ),
    "a wait of a million years": (
        say(status="429 No\r\nRetry-After: " + "9" * 300, kind="application/json"),
        "try again in 86400 seconds",
    ),
    "unavailable": (say(b"x", status="503 No"), "a problem of its own (status 503)"),
    **{name: (say(rows, STOP, DONE), PROTOCOL) for name, rows in WRONG_TYPES.items()},
}
# A status that stands for an end, and not for a fault.
ENDLESS: dict[str, Fault] = {
    "rows": faults.repeat(row_event(" more")),
    "rows after the stop": faults.repeat(row_event(" more"), first=row_event(" x") + STOP),
    "rows after the end": faults.repeat(row_event(" more"), first=row_event(" x") + STOP + DONE),
    "long words": faults.repeat(event(" word" * 1000)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_answer_is_finished_here_and_the_next_turn_works(
    make: Make, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault, sentence = FAULTS[name]
    # What will not come need not be waited for; some of it takes a core for as long.
    waiting = {"deadline_ms": 400.0} if sentence == LATE else {}
    before = peak_mb()
    with FaultServer(fault) as server:
        assistant = make(server.url, **waiting)
        assert assistant.cloud.state.usable
        view = ask(assistant)
        assert server.asked, "the fault was not met"
        assert any(sentence in notice for notice in view.notices), view.notices
        assert {step.source for step in view.steps} & {"late", "offline"}
        with monkeypatch.context() as hurried:
            if sentence == LATE:
                hurried.setattr("floe.chat.answer_decoder.CLOUD_PATIENCE", 0.5)
            view = ask(assistant, "cloud")
        said = "fell silent" if sentence == LATE else sentence
        assert any(said in notice for notice in view.notices), view.notices
        assert any("This device went on alone" in notice for notice in view.notices)
        assert view.text.strip()
        server.fault = faults.healthy
        view = ask(assistant, "cloud")
        assert view.notices == ()
        assert view.text == "".join(faults.WORDS)
        assert {step.source for step in view.steps} == {"cloud"}
    assert peak_mb() - before < MEMORY_MB


def test_nonsense_about_the_text_leaves_the_text(make: Make) -> None:
    with FaultServer() as server:
        assistant = make(server.url)
        for name, rows in NONSENSE.items():
            server.fault = say(rows, row_event(" kept"), STOP, DONE)
            view = ask(assistant, "cloud")
            assert view.notices == (), name
            assert view.text.endswith(" kept"), name
            assert {step.source for step in view.steps} == {"cloud"}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_an_end_is_heard_as_long_as_was_asked_for(make: Make, name: str) -> None:
    before = peak_mb()
    with FaultServer(ENDLESS[name]) as server:
        assistant = make(server.url)
        for mode in ("fused", "cloud"):
            view = ask(assistant, mode)
            assert len(view.steps) <= SHORT.max_tokens
            assert len(view.text) < 100_000
        server.fault = faults.healthy
        assert ask(assistant, "cloud").text == "".join(faults.WORDS)
    assert peak_mb() - before < MEMORY_MB


# Before an answer: the list of models is what is asked for first.
LISTS: dict[str, tuple[Fault, str]] = {
    "hangs up": (faults.hang_up, "broke off"),
    "no word": (faults.say_nothing, "does not answer in time"),
    "slow body": (faults.slow_body, "does not answer in time"),
    "garbage": (faults.garbage, "broke off"),
    "HTML": (say(b"<html>", kind="text/html"), NO_API),
    "half of JSON": (say(b'{"data": [', kind="application/json"), "not JSON"),
    "a list": (say(b"[1]", kind="application/json"), NO_API),
    "data is a number": (say(b'{"data": 7}', kind="application/json"), NO_API),
    "a model is a word": (say(b'{"data": ["m"]}', kind="application/json"), NO_API),
    "no models": (say(b'{"data": []}', kind="application/json"), "lists no models"),
    "without an end": (
        faults.repeat(b'{"id": "m"},', first=b'{"data": [', s="200 OK", k="application/json"),
        "too much in one piece",
    ),
    "a bomb in gzip": (faults.bomb("gzip", kind="application/json"), "compressed data"),
    "an error without an end": (
        faults.repeat(b"x", s="500 No", k="text/plain"),
        "a problem of its own",
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_broken_list_of_models_is_told_and_met_again_at_the_next_turn(
    make: Make, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, sentence = LISTS[name]
    before = peak_mb()
    with FaultServer() as server:
        server.models = models
        with monkeypatch.context() as hurried:
            if "in time" in sentence:
                hurried.setattr("floe.cloud.client._MODELS_SECONDS", 0.5)
            assistant = make(server.url)
        state = assistant.cloud.state
        assert state.kind == "failed"
        assert sentence in state.sentence
        assert len(state.sentence) <= LONGEST_NOTICE
        view = ask(assistant)
        assert view.route.kind == "local"
        assert view.notices == (state.sentence,)
        assert view.text.strip()
        server.models = faults.list_models
        assistant.cloud._tried_at = float("-inf")  # a retry waits for a quarter of a minute
        ask(assistant)
        assert assistant.cloud.wait(60).usable
        assert ask(assistant, "cloud").text == "".join(faults.WORDS)
    assert peak_mb() - before < MEMORY_MB


def test_names_of_models_are_bounded(make: Make) -> None:
    names = [{"id": f"{number}-" + "x" * 100_000} for number in range(50)]
    names += [{"id": str(number)} for number in range(5_000)]
    body = json.dumps({"data": names}).encode()
    with FaultServer() as server:
        server.models = say(body, kind="application/json")
        assistant = make(server.url)
        assert len(assistant.cloud.state.sentence) <= LONGEST_NOTICE
        assert assistant.cloud._client is not None
        listed = assistant.cloud._client.models()
        assert len(listed) == 2_000
        assert max(map(len, listed)) == 200


def test_connection_refused(make: Make) -> None:
    with FaultServer() as server:
        assistant = make(server.url)
        server.stop()
        for mode in ("fused", "cloud"):
            view = ask(assistant, mode)
            assert any("cannot be reached" in notice for notice in view.notices)
            assert view.text.strip()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A resolver of our own: `cloud.test` is this device until it is said to be otherwise."""
    resolver: dict[str, Any] = {"fail": False, "hang": threading.Event(), "release": None}
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **values: Any) -> Any:
        if host in ("cloud.test", b"cloud.test"):
            if resolver["release"] is not None:
                resolver["hang"].set()
                resolver["release"].wait(60)
            if resolver["fail"]:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = "127.0.0.1"
        return resolve(host, *args, **values)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield resolver
    if resolver["release"] is not None:
        resolver["release"].set()


def test_the_name_is_not_found(make: Make, names: dict[str, Any]) -> None:
    with FaultServer() as server:
        assistant = make(f"http://cloud.test:{server.port}/v1")
        assert ask(assistant, "cloud").text == "".join(faults.WORDS)
        names["fail"] = True
        view = ask(assistant)
        assert any("cannot be reached" in notice for notice in view.notices)
        assert view.text.strip()
        names["fail"] = False
        assert ask(assistant, "cloud").text == "".join(faults.WORDS)


def test_the_resolver_hangs(make: Make, names: dict[str, Any]) -> None:
    with FaultServer() as server:
        assistant = make(f"http://cloud.test:{server.port}/v1")
        names["release"] = threading.Event()
        view = ask(assistant)
        assert names["hang"].is_set()
        assert any(LATE in notice for notice in view.notices)
        assert view.text.strip()
        names["release"].set()
        names["release"] = None
        assert ask(assistant, "cloud").text == "".join(faults.WORDS)


@pytest.mark.parametrize(
    ("name", "trusted", "works"),
    [("127.0.0.1", False, False), ("other.test", True, False), ("127.0.0.1", True, True)],
)
def test_a_server_that_cannot_prove_who_it_is_learns_nothing(
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    trusted: bool,
    works: bool,
) -> None:
    context = certificate(tmp_path, name)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    with FaultServer(certificate=context) as server:
        assistant = make(server.url, cloud_key=SecretStr(KEY))
        if works:
            assert ask(assistant, "cloud").text == "".join(faults.WORDS)
            assert KEY.encode() in server.requests[0]
        else:
            assert "certificate is not valid here" in assistant.cloud.state.sentence
            assert ask(assistant).text.strip()
            assert server.requests == []


def test_no_tls_where_it_is_expected(make: Make) -> None:
    with FaultServer() as server:
        assistant = make(server.url.replace("http:", "https:"), cloud_key=SecretStr(KEY))
        assert assistant.cloud.state.kind == "failed"
        said = assistant.cloud.state.sentence.removesuffix(ALONE)
        assert "broke off before the connection was encrypted" in said
        assert said.endswith(f"If this server speaks http, type {server.url} as its address.")
        view = ask(assistant)
        assert said + ALONE in view.notices
        assert view.text.strip()
        assert KEY.encode() not in b"".join(server.requests)


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
@pytest.mark.parametrize("to", ["other", "same"])
def test_nothing_private_follows_a_redirect(make: Make, status: str, to: str) -> None:
    with FaultServer() as other, FaultServer() as server:
        target = other.url if to == "other" else server.url
        send_on = say(
            status=f"{status} Elsewhere", more=f"Location: {target}/chat/completions?k={KEY}"
        )
        server.fault = send_on
        assistant = make(server.url, cloud_key=SecretStr(KEY))
        view = ask(assistant)
        sentence = f"sends requests on to {target}. Floe does not follow"
        assert any(sentence in notice for notice in view.notices), view.notices
        assert view.text.strip()
        assert len(server.asked) >= 1
        server.models = send_on
        again = make(server.url, cloud_key=SecretStr(KEY))
        assert "Floe does not follow" in again.cloud.state.sentence
        assert other.requests == []
        server.fault = faults.healthy
        assert ask(assistant, "cloud").text == "".join(faults.WORDS)


# A server that repeats the key

KEY = "sk-hostile-Zq81LmNvT04xWcR7yBd2KfHs"
ENCODED = {
    "clear": KEY,
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 of the header": base64.b64encode(f"Bearer {KEY}".encode()).decode(),
    "hex": KEY.encode().hex().upper(),
    "percent": "".join(f"%{byte:02X}" for byte in KEY.encode()),
    "blanks": " ".join(KEY),
    "reversed": KEY[::-1],
}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """The app's log, at a level where the libraries tell of every answer."""
    handler = logging.FileHandler(tmp_path / "floe.log", encoding="utf-8")
    handler.setFormatter(RedactingFormatter("%(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in ("floe", "openai", "httpx2")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield tmp_path / "floe.log"
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.removeHandler(handler)
    handler.close()


def forbidden() -> list[bytes]:
    """What must be in no file: any piece of a form that holds more than eleven letters of the key.

    So many may have been shown of an answer before it is known what they are.
    """
    cores = [base64.b64encode(bytes(n) + KEY.encode()).decode()[4:-4] for n in range(3)]
    forms = {KEY: 14, KEY[::-1]: 14, KEY.encode().hex(): 28, KEY.encode().hex().upper(): 28}
    forms |= {ENCODED["percent"]: 42, ENCODED["blanks"]: 28, **dict.fromkeys(cores, 18)}
    return [
        form[at : at + size].encode()
        for form, size in forms.items()
        for at in range(len(form) - size + 1)
    ]


def hostile_plays(text: str) -> dict[str, Fault]:
    error = json.dumps({"error": {"message": text, "type": text, "code": text}}).encode()
    tokens = [row_event(text[at : at + 3]) for at in range(0, len(text), 3)]
    candidate = {"token": text, "logprob": -1.0, "bytes": list(text.encode())}
    return {
        **{
            f"status {status}": say(error, status=f"{status} {text}", kind="application/json")
            for status in (400, 401, 404, 418, 429, 500)
        },
        "an error in mid-stream": say(row_event(" x"), b"data: " + error + b"\n\n"),
        "a row": say(row_event(text), STOP, DONE),
        "rows": say(*tokens, STOP, DONE),
        "plain text": say(event(text), STOP, DONE),
        "plain pieces": say(*(event(text[i : i + 5]) for i in range(0, len(text), 5)), STOP, DONE),
        "a candidate": say(entry(top_logprobs=[row(" x"), candidate]), STOP, DONE),
        "a reason": say(row_event(" x"), event(finish_reason=text), DONE),
        "a header": say(status="400 No", more=f"X-Echo: {text}"),
        "a place": say(status="307 No", more=f"Location: https://{text.replace(' ', '')}/v1"),
    }


@pytest.mark.parametrize("form", ENCODED)
def test_a_key_that_a_server_repeats_is_kept_nowhere(
    make: Make, tmp_path: Path, form: str, log: Path
) -> None:
    text = ENCODED[form]
    plays = list(hostile_plays(text).items())
    if form != "clear":
        # What is masked does not depend on where it came from: each place meets two of the forms.
        plays = plays[list(ENCODED).index(form) % 3 :: 3]
    with FaultServer() as server:
        models = [{"id": "m"}, {"id": text, "meta": {"vocabulary": "v"}}]
        server.models = say(json.dumps({"data": models}).encode(), kind="application/json")
        assistant = make(server.url, cloud_key=SecretStr(KEY))
        shown: list[str] = []
        for name, play in plays:
            server.fault = play
            modes: tuple[Mode, ...] = ("fused", "cloud")
            for mode in modes:
                view = ask(assistant, mode)
                shown += [name, view.text, *view.notices, view.route.reason]
                shown += [str(step) for step in view.steps]
            profile = assistant.cloud.test(server.url, "m")
            shown += [str(profile)]
            assistant.cloud._found.clear()
        server.fault = hostile_plays(text)["a row"]
        view = ask(assistant, "cloud")
        assert any("repeats your key" in notice for notice in view.notices), view.notices
        server.models = say(json.dumps({"data": [{"id": text}]}).encode(), kind="application/json")
        again = make(server.url, cloud_key=SecretStr(KEY))
        shown += [again.cloud.state.sentence]
        profile = again.cloud.test(server.url)
        shown += [str(profile)]
        ask(again)
        server.models = hostile_plays(text)["status 500"]
        shown += [make(server.url, cloud_key=SecretStr(KEY)).cloud.state.sentence]
        assert any(KEY.encode() in request for request in server.requests), "the key was used"
        assert assistant.sent.count()[0] > len(plays)
    told = "\n".join(shown)
    for secret in forbidden():
        assert secret.decode() not in told, [
            line[:300] for line in shown if secret.decode() in line
        ]
    assert MASK in log.read_text(), "somebody has tried"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "floe.db-wal" for path in files)
    for path in files:
        data = path.read_bytes()
        for secret in forbidden():
            assert secret not in data, (path, secret)
