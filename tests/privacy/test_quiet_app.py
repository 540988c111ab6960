"""With the cloud off the program asks nobody for anything, from start to exit."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2

ROOT = Path(__file__).parents[2]

# In every Python process of the app, before its first line: what reaches for the network.
WATCH = """
import os, sys
_WANTED = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr",
           "socket.sendto", "socket.sendmsg", "socket.bind", "urllib.Request")
_file = os.open(os.environ["WATCHED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def _watch(event, args):
    if event in _WANTED:
        told = [arg for arg in args if isinstance(arg, (str, tuple))]
        os.write(_file, f"{event} {told}\\n".encode())
    elif event == "open" and "encoder.onnx" in str(args[0]):
        os.write(_file, b"detector\\n")
sys.addaudithook(_watch)
"""


def test_no_look_up_and_no_connection_beyond_loopback(tmp_path: Path) -> None:
    watched = tmp_path / "watched.log"
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    command = [sys.executable, "app.py", "--cloud", "off", "--no-browser", "--port", "0"]
    with (tmp_path / "terminal.log").open("w") as log:
        app = subprocess.Popen(
            [*command, "--data-dir", str(tmp_path / "data")],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(tmp_path), "WATCHED": str(watched)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert app.stdout is not None
            url = next(
                found.group()
                for line in app.stdout
                if (found := re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line))
            )
            with httpx2.Client(trust_env=False, timeout=60) as client:
                assert client.get(url).status_code == 200
            for _ in range(600):  # the detector loads beside the rest
                if "detector" in watched.read_text():
                    break
                time.sleep(0.1)
            app.send_signal(signal.SIGINT)
            app.wait(60)
        finally:
            app.kill()
            app.wait()
            assert app.stdout is not None
            app.stdout.close()
    events = watched.read_text().splitlines()
    assert "detector" in events
    assert any(event.startswith("socket.bind") for event in events), "the watch has seen something"
    abroad = [e for e in events if e != "detector" and not re.search(r"'(127\.0\.0\.1|::1)'", e)]
    assert abroad == []
