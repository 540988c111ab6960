"""Attacks on the running app: other pages, other users of the machine, and who has half a key."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from floe.store.data_lock import ADDRESS
from floe.ui.serving.access import TOKEN_FILE, AccessKeys
from tests.ui.conftest import CHROMIUM, App
from tests.ui.person import Person
from tests.ui.raw_http import RawAnswer, keys_of, let_in, read_answer, send_raw
from tests.ui.test_routes import declared_routes

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("loops_closed")]

SECRET = "The code of the safe is 4711"
JSON = ("Content-Type", "application/json")


@pytest.fixture
def keys(app: App) -> AccessKeys:
    return keys_of(app)


def every_route() -> Iterator[tuple[str, str]]:
    """Each route of the app as somebody would ask for it, and some that lead around a list."""
    for method, declared in declared_routes():
        yield method, re.sub(r"\{\w+(:\w+)?\}", "predict", declared)
    for path in ("/gradio_api/file=http://127.0.0.1:9/", "/export/" + "x" * 22, "/nowhere"):
        yield "GET", path
    for path in ("/", "/gradio_api/queue/join", "/gradio_api/component_server/"):
        for method in ("OPTIONS", "PUT", "DELETE"):
            yield method, path


def refused(answer: RawAnswer) -> bool:
    allows = [name for name in answer.headers if name.startswith("access-control")]
    assert SECRET.encode() not in answer.body
    return answer.status == 403 and not allows and "set-cookie" not in answer.headers


def body_for(method: str) -> bytes:
    return b'{"data": [], "fn_index": 0, "session_hash": "s"}' if method in {"POST", "PUT"} else b""


def test_no_route_answers_without_token_or_to_another_host_or_origin(keys: AccessKeys) -> None:
    own = let_in(keys)
    cookie, key, _ = own
    attacks: dict[str, dict[str, Any]] = {
        "nothing": {"headers": [JSON]},
        "the cookie of another port": {"headers": [("Cookie", f"floe-1={keys.cookie}"), key, JSON]},
        "a foreign Host": {"headers": [*own, JSON], "hosts": ["rebind.example"]},
        "a foreign Host with our port": {
            "headers": [*own, JSON],
            "hosts": ["rebind.example:" + keys.host.split(":")[1]],
        },
        "localhost": {
            "headers": [*own, JSON],
            "hosts": ["localhost:" + keys.host.split(":")[1]],
        },
        "a foreign Origin": {"headers": [*own, JSON, ("Origin", "http://evil.example")]},
        "no Origin to speak of": {"headers": [*own, JSON, ("Origin", "null")]},
        "another port": {"headers": [*own, JSON, ("Origin", "http://127.0.0.1:9")]},
        "another site": {"headers": [cookie, key, JSON, ("Sec-Fetch-Site", "cross-site")]},
        "the same site": {"headers": [cookie, key, JSON, ("Sec-Fetch-Site", "same-site")]},
    }
    asked = 0
    for name, attack in attacks.items():
        for method, path in every_route():
            answer = send_raw(keys, method, path, **attack, body=body_for(method))
            assert refused(answer), (name, method, path, answer.status)
            asked += 1
    assert asked > 900  # so many routes there are, ten times


def test_two_hosts_or_none_or_an_absolute_address_get_nothing(keys: AccessKeys) -> None:
    own = let_in(keys)
    for hosts in ([], [keys.host, keys.host], [keys.host, "rebind.example"]):
        assert send_raw(keys, "GET", "/", own, hosts=hosts).status in {400, 403}
    assert refused(send_raw(keys, "GET", f"http://{keys.host}/theme.css", own))
    assert refused(send_raw(keys, "GET", "http://rebind.example/", own))


def test_closed_routes_are_closed_to_the_page_as_well(keys: AccessKeys) -> None:
    for path in (
        "/config",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/gradio_api/upload",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=floe/ui/icon.svg",
        "/manifest.json",
    ):
        for method in ("GET", "POST", "HEAD"):
            assert refused(send_raw(keys, method, path, [*let_in(keys), JSON]))
    # the same way of asking gets what the page needs
    assert send_raw(keys, "GET", "/theme.css", let_in(keys)).status == 200
    assert send_raw(keys, "GET", "/gradio_api/app_id", let_in(keys)).status == 200


@contextmanager
def listening() -> Iterator[tuple[str, list[bytes]]]:
    """A server that notes what it is asked; its address and the notes."""
    asked: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.requestline}\n{self.headers}".encode())
            content = PAGES.get(self.path.split("?")[0], b"")
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


PAGES: dict[str, bytes] = {}


def test_the_server_fetches_nothing_that_a_request_names(keys: AccessKeys) -> None:
    with listening() as (address, asked):
        bare = address.removeprefix("http://")
        for path in (
            f"/gradio_api/file={address}/x",
            f"/gradio_api/file=HTTP://{bare}/x",
            f"/gradio_api/file=%68ttp://{bare}/x",
            f"/gradio_api/file/{address}/x",
            f"/gradio_api/proxy={address}/x",
            f"//gradio_api/file={address}/x",
            f"/assets/{address}/x",
            f"/static/{address}/x",
        ):
            for headers in (let_in(keys), []):
                assert refused(send_raw(keys, "GET", path, headers))
        assert asked == []


def test_a_body_that_is_too_large_is_refused_before_it_is_kept(keys: AccessKeys) -> None:
    own = [*let_in(keys), JSON]
    name, port = keys.host.split(":")
    length = ("Content-Length", str(10**12))
    told = send_raw(keys, "POST", "/gradio_api/run/predict", [*own, length])
    assert told.status == 413
    assert "at most 64 MB" in json.loads(told.body)["error"]
    # in pieces, and without saying how long it will be
    lines = ["POST /gradio_api/component_server/ HTTP/1.1", f"Host: {keys.host}"]
    lines += [f"{name}: {value}" for name, value in own]
    lines += ["Transfer-Encoding: chunked", "", ""]
    with socket.create_connection((name, int(port)), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode())
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        sent = 0
        try:
            while sent < 64 * 2**20:
                connection.sendall(piece)
                sent += 65536
        except OSError:
            pass
        assert sent < 16 * 2**20
    with socket.create_connection((name, int(port)), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode() + piece * 17)
        assert read_answer(connection).status == 413


def test_headers_without_end_and_long_addresses_are_refused(keys: AccessKeys) -> None:
    assert send_raw(keys, "GET", "/theme.css?" + "x" * 4000, let_in(keys)).status == 414
    name, port = keys.host.split(":")
    with socket.create_connection((name, int(port)), timeout=20) as connection:
        sent = 0
        try:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {keys.host}\r\n".encode())
            while sent < 64 * 2**20:
                connection.sendall(b"x: " + b"y" * 65536 + b"\r\n")
                sent += 65536
        except OSError:
            pass
    assert sent < 16 * 2**20


HOSTILE = """<!doctype html><title>hostile</title>
<form id="form" method="post" target="frame"></form>
<iframe name="frame"></iframe><script>
const got = [];
const floe = "FLOE";
const note = (name, promise) => promise.then((value) => got.push([name, String(value)]), () => {});
const text = async (path, options) => (await fetch(floe + path, options)).text();
const loads = (tag, props) => new Promise((resolve, reject) => {
  const node = Object.assign(document.createElement(tag), props);
  node.onload = () => resolve("loaded");
  node.onerror = reject;
  document.body.append(node);
});
const act = (body) => ({ method: "POST", credentials: "include", body: JSON.stringify(body) });
const call = { data: [], fn_index: 0, session_hash: "hostile" };
const search = { data: "safe", component_id: 0, fn_name: "search", session_hash: "hostile" };
const json = { "Content-Type": "application/json" };
async function attack() {
  const all = [];
  for (const path of ["/", "/config", "/theme.css", "/gradio_api/app_id", "/gradio_api/info",
                      "/gradio_api/queue/data?session_hash=x", "/gradio_api/heartbeat/x"]) {
    all.push(note("read " + path, text(path, { credentials: "include" })));
    all.push(note("read plainly " + path, text(path)));
    all.push(note("script " + path, loads("script", { src: floe + path })));
    all.push(note("image " + path, loads("img", { src: floe + path })));
  }
  for (const path of ["/gradio_api/queue/join", "/gradio_api/run/predict",
                      "/gradio_api/component_server/"]) {
    const body = path.includes("server") ? search : call;
    all.push(note("act " + path, text(path, act(body))));
    all.push(note("act in JSON " + path, text(path, { ...act(body), headers: json })));
    all.push(fetch(floe + path, { ...act(body), mode: "no-cors" }).catch(() => {}));
  }
  const data = new FormData();
  data.append("files", new Blob(["x".repeat(1e6)]), "fill.bin");
  all.push(fetch(floe + "/gradio_api/upload",
    { method: "POST", mode: "no-cors", credentials: "include", body: data }).catch(() => {}));
  navigator.sendBeacon(floe + "/gradio_api/upload", data);
  all.push(note("stylesheet", loads("link", { rel: "stylesheet", href: floe + "/theme.css" })));
  all.push(note("events", new Promise((resolve, reject) => {
    const events = new EventSource(floe + "/gradio_api/heartbeat/x", { withCredentials: true });
    events.onmessage = (event) => resolve(event.data);
    events.onerror = () => { events.close(); reject(); };
  })));
  all.push(note("socket", new Promise((resolve, reject) => {
    const socket = new WebSocket(floe.replace("http", "ws") + "/gradio_api/queue/join");
    socket.onopen = () => resolve("open");
    socket.onerror = reject;
  })));
  form.action = floe + "/gradio_api/run/predict";
  form.submit();
  await Promise.all(all);
  frame = document.createElement("iframe");
  frame.src = floe + "/";
  document.body.append(frame);
  await new Promise((resolve) => { frame.onload = resolve; setTimeout(resolve, 3000); });
  await note("frame", (async () => frame.contentDocument.body.innerText)());
  return got;
}
</script>"""


@pytest.mark.parametrize("hostile_host", ["127.0.0.1", "localhost"])
def test_a_page_on_another_port_reads_nothing_and_changes_nothing(
    app: App, browser: Browser, keys: AccessKeys, hostile_host: str
) -> None:
    with app.store() as store:
        conversation = store.create_conversation("safe")
        store.add_message(conversation.id, None, "user", SECRET)
    context = browser.new_context()
    ours = context.new_page()
    ours.goto(app.url)
    expect(ours.locator("#conversations li", has_text="safe").first).to_be_visible()
    with listening() as (listener, asked):
        address = listener.replace("127.0.0.1", hostile_host)
        PAGES["/"] = HOSTILE.replace("FLOE", keys.origin).encode()
        before = dump(app)
        tab = context.new_page()
        tab.goto(address)
        # the browser's own notes: it tells a page nothing of answers that it keeps from it
        hosts: dict[str, str] = {}
        statuses: dict[str, int] = {}
        network = context.new_cdp_session(tab)
        network.send("Network.enable")
        network.on(
            "Network.requestWillBeSentExtraInfo",
            lambda event: hosts.update({event["requestId"]: event["headers"].get("Host", "")}),
        )
        network.on(
            "Network.responseReceivedExtraInfo",
            lambda event: statuses.update({event["requestId"]: event["statusCode"]}),
        )
        got = tab.evaluate("attack()")
        assert got == []
        ours_said = [statuses.get(each) for each, host in hosts.items() if host == keys.host]
        assert set(ours_said) <= {403, None}
        assert ours_said.count(403) > 30
        # a link to Floe, and a window of it, show that it is closed
        with context.expect_page() as opened:
            tab.evaluate(f"window.open('{keys.origin}/')")
        expect(opened.value.locator("body")).to_contain_text(
            re.compile("Another page may not|lets in only")
        )
        assert dump(app) == before
        sent = b"".join(asked)
    # and what the browser told the hostile server opens nothing but the empty page
    assert keys.token.encode() not in sent
    assert keys.key.encode() not in sent
    stolen = re.search(rb"(floe-\d+=\w+)", sent)
    assert (stolen is not None) == (hostile_host == "127.0.0.1")
    if stolen:
        headers = [("Cookie", stolen[1].decode()), ("Sec-Fetch-Site", "same-origin"), JSON]
        assert keys.key.encode() not in send_raw(keys, "GET", "/", headers).body
        for method, path in every_route():
            answer = send_raw(keys, method, path, headers, body=body_for(method))
            assert SECRET.encode() not in answer.body
            if path.startswith("/gradio_api"):
                assert refused(answer), (method, path)
    expect(ours.locator("#conversations li", has_text="safe").first).to_be_visible()
    context.close()


def dump(app: App) -> tuple[list[str], list[str]]:
    """All chats as text, and all files of the data folder but the database and the log."""
    with app.store() as store, store.reading() as db:
        rows = [*db.execute("SELECT * FROM messages"), *db.execute("SELECT * FROM conversations")]
    files = sorted(str(path) for path in app.data_dir.rglob("*") if "floe." not in path.name)
    return [repr(row) for row in rows], files


def test_a_name_that_is_pointed_at_this_device_reads_nothing(app: App, keys: AccessKeys) -> None:
    """DNS rebinding, with a browser that believes it."""
    port = keys.host.split(":")[1]
    code = (
        "import sys; from playwright.sync_api import sync_playwright as p\n"
        "with p() as play:\n"
        "    flags = ['--no-sandbox', '--disable-gpu',\n"
        "        '--host-resolver-rules=MAP rebind.example 127.0.0.1']\n"
        "    browser = play.chromium.launch(executable_path=sys.argv[2] or None, args=flags)\n"
        # as the hostile page that came before the name was pointed here, it has no such policy
        "    page = browser.new_page(bypass_csp=True)\n"
        "    first = page.goto(sys.argv[1])\n"
        "    paths = ['/', '/config', '/theme.css', '/gradio_api/app_id', '/gradio_api/info']\n"
        "    got = page.evaluate('''async (paths) => {\n"
        "        const read = async (path, method) => (await fetch(path, { method })).status;\n"
        "        const all = paths.map((path) => read(path, 'GET'));\n"
        "        all.push(read('/gradio_api/component_server/', 'POST'));\n"
        "        all.push(read('/gradio_api/queue/join', 'POST'));\n"
        "        return Promise.all(all); }''', paths)\n"
        "    print([first.status, *got])\n"
        "    browser.close()\n"
    )
    address = f"http://rebind.example:{port}/"
    command = [sys.executable, "-c", code, address, CHROMIUM or ""]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout.strip() == str([403] * 8)


def test_the_token_is_nowhere_but_in_its_file_and_the_terminal(app: App, keys: AccessKeys) -> None:
    assert (app.data_dir / TOKEN_FILE).read_text() == keys.token
    for path in app.data_dir.rglob("*"):
        if path.is_file() and path.name not in {TOKEN_FILE, "open.html", ADDRESS}:
            content = path.read_bytes()
            for secret in (keys.token, keys.cookie, keys.key):
                assert secret.encode() not in content, path
    for name in (TOKEN_FILE, "open.html", ADDRESS):
        assert (app.data_dir / name).stat().st_mode & 0o777 == 0o600
    for process in psutil.process_iter():
        try:
            assert keys.token not in " ".join(process.cmdline())
        except psutil.Error:
            continue


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as somebody else")
def test_another_user_of_the_machine_gets_nothing(app: App, keys: AccessKeys) -> None:
    code = (
        "import http.client, sys\n"
        "from pathlib import Path\n"
        "for name in ('access-token', 'open.html', 'floe.db', 'temporary'):\n"
        "    try:\n"
        "        path = Path(sys.argv[2]) / name\n"
        "        print([*path.iterdir()] if name == 'temporary' else path.read_bytes())\n"
        "    except PermissionError:\n"
        "        print('denied')\n"
        "connection = http.client.HTTPConnection(sys.argv[1])\n"
        "connection.request('GET', '/')\n"
        "print(connection.getresponse().status)\n"
    )
    # pytest closes its folders; a person's may be open
    closed = [(each, each.stat().st_mode) for each in (app.data_dir, *app.data_dir.parents)]
    closed = [(each, mode) for each, mode in closed if mode & 0o055 != 0o055]
    python = shutil.which("python3", path="/usr/bin:/bin")
    assert python  # of the system: the one that runs the tests may be closed to others
    try:
        for each, mode in closed:
            each.chmod(mode | 0o055)
        found = subprocess.run(
            [python, "-c", code, keys.host, str(app.data_dir)],
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
            user=65534,
            group=65534,
        )
    finally:
        for each, mode in closed:
            each.chmod(mode)
    assert found.stdout.split() == ["denied"] * 4 + ["403"]


def test_the_address_leaves_the_bar_and_the_history(page: Page, app: App, keys: AccessKeys) -> None:
    referrers: list[str | None] = []
    page.on("request", lambda request: referrers.append(request.headers.get("referer")))
    Person(page, app)
    assert page.url.split("#")[0] == f"{keys.origin}/"
    assert page.evaluate("document.referrer") == ""
    assert set(referrers) <= {None, ""}
    cookies = page.context.cookies()
    [ours] = [each for each in cookies if each["name"].startswith("floe-")]
    assert (ours["httpOnly"], ours["sameSite"]) == (True, "Strict")
    assert keys.cookie not in page.evaluate("document.cookie")
    page.go_back()
    assert keys.token not in page.url


def test_reload_second_tab_and_back_keep_working(page: Page, app: App, keys: AccessKeys) -> None:
    Person(page, app)
    ready = page.locator("#conversations nav > *").first
    page.reload()
    expect(ready).to_be_attached()
    second = page.context.new_page()
    second.goto(keys.origin)
    expect(second.locator("#conversations nav > *").first).to_be_attached()
    page.goto("about:blank")
    page.go_back()
    expect(ready).to_be_attached()
    expect(page.locator("#cloud .usable")).to_be_visible()


def test_the_file_that_opens_the_browser_leads_to_the_page(app: App, page: Page) -> None:
    """From a file, as no other site's link would: by the token, not by where it comes from."""
    hosts_seen = (app.data_dir / "open.html").as_uri()
    page.goto(hosts_seen)
    expect(page.locator("#conversations nav > *").first).to_be_attached()


def test_without_the_token_a_browser_is_told_how_to_get_in(browser: Browser, app: App) -> None:
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(app.url.partition("?")[0])
    expect(tab.locator("body")).to_contain_text("Copy the whole address that Floe printed")
    context.close()


def test_the_page_breaks_no_rule_of_its_own_policy(page: Page, app: App) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    person = Person(page, app, length=8)
    person.ask("Say hello.")
    for view in ("Personalise", "Privacy", "Federate", "Chat"):
        person.go(view)
    page.wait_for_timeout(500)
    assert [text for text in said if "Content Security Policy" in text or "403" in text] == []


def test_html_that_got_into_the_page_after_all_runs_no_script(page: Page, app: App) -> None:
    """The second wall: whatever draws messages may fail one day."""
    Person(page, app)
    ran = page.evaluate(
        """async () => {
          window.ran = [];
          const box = document.createElement("div");
          box.innerHTML = `<img src="data:," onerror="ran.push('handler')">
            <svg onload="ran.push('svg')"></svg>
            <iframe srcdoc="<script>parent.ran.push('frame')</script>"></iframe>
            <a href="javascript:ran.push('link')">x</a>`;
          document.body.append(box);
          const script = document.createElement("script");
          script.textContent = "ran.push('inline')";
          document.body.append(script);
          box.querySelector("a").click();
          await new Promise((resolve) => setTimeout(resolve, 1000));
          return window.ran;
        }"""
    )
    assert ran == []


def test_a_file_that_is_too_large_is_refused_with_a_sentence(page: Page, app: App) -> None:
    Person(page, app)
    answer = page.evaluate(
        """async () => {
          const body = JSON.stringify({ data: ["x".repeat(65 * 2 ** 20)], fn_index: 0 });
          const headers = { "Content-Type": "application/json" };
          const sent = await fetch("/gradio_api/run/predict", { method: "POST", headers, body });
          return [sent.status, (await sent.json()).error];
        }"""
    )
    assert answer == [413, "That is too much at once: Floe takes at most 64 MB here."]


def test_an_open_tab_survives_a_restart_and_nothing_temporary_survives_a_kill(
    tmp_path: Path, browser: Browser
) -> None:
    own = App(tmp_path, cloud=False)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    own.port = port
    own.start()
    context = browser.new_context()
    tab = context.new_page()
    try:
        tab.goto(own.url)
        expect(tab.locator("#conversations nav > *").first).to_be_attached()
        left = tmp_path / "temporary" / "left.bin"
        left.write_bytes(b"x")
        first = own.url
        own.end(signal.SIGKILL)
        assert left.exists()
        own.start()
        assert own.url == first
        assert not left.exists()
        tab.reload()
        expect(tab.locator("#conversations nav > *").first).to_be_attached()
    finally:
        context.close()
        own.end(signal.SIGINT)
    assert not (tmp_path / "temporary").exists()
    assert not (tmp_path / "open.html").exists()
