"""A data folder with something of every kind in it, and looks at its bytes."""

import json
import zipfile
from pathlib import Path

from floe.adapters.registry import Adapters, NewAdapter
from floe.store import Store, encryption
from floe.store.reencryption import PART
from tests.store.chats import chat

SECRET = "xylozimtquark"
"""Stands in everything private that `fill` makes."""
PASSPHRASE = "four words that nobody guesses"


def fill(data_dir: Path) -> None:
    """Chats, an adapter, a finished run; as the app would have written them."""
    source = data_dir / "source"
    (source / "adapter").mkdir(parents=True)
    (source / "adapter.gguf").write_bytes(b"GGUF" + SECRET.encode() * 1000)
    (source / "adapter" / "adapter_config.json").write_text(json.dumps({"name": SECRET}))
    (source / "adapter" / "adapter_model.safetensors").write_bytes(SECRET.encode() * 5_000)
    with Store(data_dir / "floe.db") as store:
        chat(store, f"my word is {SECRET}", f"{SECRET} it is")
        store.set_setting("about_me", f"I like {SECRET}")
        Adapters(store, data_dir).add(NewAdapter("mine", "personal", source, "0" * 64, 8))
    run = data_dir / "runs" / "1"
    (run / "checkpoint").mkdir(parents=True)
    for name in ("rows.jsonl", "answers.json", "checkpoint/state.pt"):
        encryption.write_bytes(run / name, f"a row with {SECRET}".encode())
    (run / "progress.jsonl").write_text('{"step": 1}\n')
    for path in sorted(source.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    source.rmdir()


def contents(data_dir: Path) -> dict[str, object]:
    """What the folder says through Floe, encrypted or not."""
    with Store(data_dir / "floe.db") as store:
        said = [
            [each.content for each in store.open_conversation(listed.id)]
            for listed in store.conversations()
        ]
        found = len(store.search(SECRET))
        adapters = [(each.name, each.gguf, each.peft) for each in Adapters(store, data_dir).all()]
    files = {
        path.relative_to(data_dir).as_posix(): encryption.read_bytes(path)
        for folder in ("adapters", "runs")
        for path in sorted((data_dir / folder).rglob("*"))
        if path.is_file() and path.name != ".lock" and path.suffix != PART
    }
    return {"said": said, "found": found, "adapters": adapters, "files": files}


def holding(data_dir: Path, needle: bytes = SECRET[4:].encode()) -> list[str]:
    """Files with those bytes in them, zips unpacked.

    The search index keeps a word as what differs from the one before: its end is looked for.
    """
    found = []
    for path in sorted(data_dir.rglob("*")):
        if not path.is_file():
            continue
        if needle in path.read_bytes():
            found.append(path.relative_to(data_dir).as_posix())
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                found += [
                    f"{path.name}:{name}"
                    for name in archive.namelist()
                    if needle in archive.read(name)
                ]
    return found
