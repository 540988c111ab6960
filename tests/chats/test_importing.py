"""Files as they are: encodings, zips, limits, what is left out, and undoing it all."""

import io
import json
import sqlite3
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from floe.chats import importing, reading
from floe.chats.importing import ImportCancelledError, import_file
from floe.errors import DataError, StoreError
from floe.store import Store
from floe.store import imports as store_imports
from floe.store.imports import delete_import, list_imports, swap_roles


def chat(question: str, answer: str = "Yes.") -> dict[str, Any]:
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": said}


def rows(*values: Any) -> bytes:
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in values)


def write(folder: Path, content: bytes, name: str = "chats.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def pack(folder: Path, members: Iterable[tuple[str, bytes]], name: str = "export.zip") -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return path


def words(store: Store) -> set[str]:
    found = set()
    for each in store.conversations():
        found |= {message.content for message in store.open_conversation(each.id)}
    return found


def test_one_bad_line_of_a_hundred_is_left_out_and_told(store: Store, tmp_path: Path) -> None:
    content = rows(*(chat(f"Q{i}") for i in range(99)))
    path = write(tmp_path, content + rows({"messages": [{"role": "tool", "content": "x"}]}))
    report = import_file(store, path)
    assert report.sentence == "99 chats, 1 left out: line 100 has no messages."
    assert (len(report.conversations), report.answers) == (99, 99)
    assert [(each.where, each.why) for each in report.left_out] == [("line 100", "has no messages")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "is not JSON"),
        (b'{"messages": []}', "has no messages"),
        (b'{"messages": [{"role": "robot", "content": "x"}]}', "author is not known"),
        (b'{"messages": [{"role": "user", "content": 3}]}', "not text"),
        (b'{"messages": [{"role": "user", "content": ""}]}', "only empty messages"),
        (b'{"messages": 7}', "unknown shape"),
        (b'{"mapping": {}}', "has no messages"),
        (b'{"mapping": {"a": 1}, "current_node": "a"}', "has no messages"),
        (b'{"chat_messages": [{"sender": []}]}', "author is not known"),
        (b'{"history": {"messages": {"a": []}, "currentId": "a"}}', "unknown shape"),
        (b'{"instruction": [], "output": "x"}', "not text"),
        (b'{"internal": [["a"]], "visible": []}', "unknown shape"),
        (b'{"x": 1}', "is not a chat of any format"),
        (b"[1]", "is not a chat of any format"),
        (b'"x"', "is not a chat of any format"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"x": ' + b"9" * 10_000 + b"}", "far too many digits"),
    ],
)
def test_what_is_no_chat_is_told_and_the_rest_comes_in(
    store: Store, tmp_path: Path, line: bytes, why: str
) -> None:
    path = write(tmp_path, rows(chat("one")) + b"\n" + line + b"\n" + rows(chat("two")))
    report = import_file(store, path)
    assert words(store) == {"one", "two", "Yes."}
    ((where, told),) = [(each.where, each.why) for each in report.left_out]
    assert where == "line 3"
    assert why in told
    with pytest.raises(DataError, match=why):
        import_file(store, write(tmp_path, line, "only.jsonl"))
    assert len(store.conversations()) == 2


def test_an_array_that_breaks_off_gives_what_is_whole(store: Store, tmp_path: Path) -> None:
    content = json.dumps([chat("one"), chat("two"), chat("three")]).encode()
    report = import_file(store, write(tmp_path, content[:-30], "c.json"))
    assert words(store) >= {"one", "two"}
    assert report.left_out[0].where == "chat 3 and all behind it"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-16-le", ""),
        ("utf-32", ""),
        ("cp1252", "Western European"),
        ("cp1251", "cp1251"),
        ("shift_jis", "cp932"),
        ("cp1250", "cp1250"),
    ],
)
@pytest.mark.parametrize("one_document", [False, True])
def test_encodings(
    store: Store, tmp_path: Path, encoding: str, shown: str, one_document: bool
) -> None:
    texts = {
        "cp1250": "Příliš žluťoučký kůň úpěl ďábelské ódy",
        "cp1251": "Привет, как дела? Напиши мне письмо, пожалуйста.",
        "shift_jis": "こんにちは。今日の天気はどうですか。手紙を書いてください。",
    }
    question = texts.get(encoding, "Grüße aus Köln")
    values = [chat(question), chat("plain")]
    text = json.dumps(values, ensure_ascii=False, indent=1)
    if not one_document:
        text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in values)
    report = import_file(store, write(tmp_path, text.encode(encoding)))
    assert question in words(store)
    assert shown in report.sentence
    assert ("a guess" in report.sentence) == bool(shown)


def test_a_few_broken_letters_do_not_spoil_the_others(store: Store, tmp_path: Path) -> None:
    good = rows(chat("Grüße"), chat("Öl"), chat("Äpfel"))
    bad = b'{"messages": [{"role": "user", "content": "Gr\xfc"}]}\n'
    report = import_file(store, write(tmp_path, good + bad))
    assert words(store) == {"Grüße", "Öl", "Äpfel", "Yes."}
    assert [(each.where, each.why) for each in report.left_out] == [("line 4", "is not UTF-8")]
    array = b"[" + b",".join((good + bad).strip().split(b"\n")) + b"]"
    report = import_file(store, write(tmp_path, array))
    assert [(each.where, each.why) for each in report.left_out] == [("chat 4", "is not UTF-8")]


def test_a_zip_brings_its_chats_and_passes_over_the_rest(store: Store, tmp_path: Path) -> None:
    path = pack(
        tmp_path,
        [
            ("user.json", b'{"id": "x"}'),
            ("export/conversations.json", json.dumps([chat("one"), {"x": 1}]).encode()),
            ("export/more.jsonl", rows(chat("two"))),
            ("image.png", b"\x89PNG"),
            ("__MACOSX/._conversations.json", b"\x00"),
        ],
        "anything.dat",
    )
    report = import_file(store, path)
    assert words(store) == {"one", "two", "Yes."}
    assert [each.where for each in report.left_out] == ["conversations.json, chat 2"]


def test_whatsapp_in_a_zip_is_told_by_the_name_of_the_zip(store: Store, tmp_path: Path) -> None:
    text = b"[26/11/2024, 14:04:00] Anna: Hi\n[26/11/2024, 14:05:00] Ben: Hello\n"
    report = import_file(store, pack(tmp_path, [("_chat.txt", text)], "WhatsApp Chat - Anna.zip"))
    assert "Ben is taken as you" in report.sentence
    (kept,) = list_imports(store)
    swap_roles(store, kept.id)
    said = store.open_conversation(report.conversations[0])
    assert [(each.role, each.content) for each in said] == [("user", "Hi"), ("assistant", "Hello")]


def test_zips_that_are_traps_or_broken_are_refused(store: Store, tmp_path: Path) -> None:
    bomb = pack(tmp_path, [("conversations.json", b" " * 60_000_000)], "bomb.zip")
    with pytest.raises(DataError, match="unpacks to 60 MB in 1 files, which no export"):
        import_file(store, bomb)
    whole = pack(tmp_path, [("a.json", json.dumps([chat("one")] * 50).encode())]).read_bytes()
    with pytest.raises(DataError, match="damaged"):
        import_file(store, write(tmp_path, whole[: len(whole) // 2], "half.zip"))
    spoiled = bytearray(whole)
    spoiled[60] ^= 0xFF
    with pytest.raises(DataError, match=r"damaged|holds no chats|is not"):
        import_file(store, write(tmp_path, bytes(spoiled), "spoiled.zip"))
    # A member that holds more than the directory says.
    lying = whole.replace(
        len(json.dumps([chat("one")] * 50)).to_bytes(4, "little"), (10).to_bytes(4, "little")
    )
    with pytest.raises(DataError, match="damaged"):
        import_file(store, write(tmp_path, lying, "lying.zip"))
    locked = bytearray(whole)
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        place = locked.find(mark) + (6 if mark == b"PK\x03\x04" else 8)
        locked[place] |= 1
    with pytest.raises(DataError, match="locked with a password"):
        import_file(store, write(tmp_path, bytes(locked), "locked.zip"))
    with pytest.raises(DataError, match=r"without a \.json"):
        import_file(store, pack(tmp_path, [("a.png", b"x")], "pictures.zip"))
    assert store.conversations() == []
    assert list_imports(store) == []


def test_limits_hold_for_every_kind_of_file(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chats.jsonl"
    with path.open("wb") as file:
        file.truncate(reading.MAX_FILE_BYTES + 1)
    with pytest.raises(DataError, match="2,000 MB can be imported at once"):
        import_file(store, path)
    with path.open("wb") as file:
        file.truncate(reading.MAX_LINE_BYTES + 1)
    with pytest.raises(DataError, match=r"Line 1 of chats\.jsonl is longer than 50 MB"):
        import_file(store, path)
    monkeypatch.setattr(reading, "MAX_LINE_BYTES", 2000)
    long = chat("x" * 3000)
    for content in (rows(chat("one"), long, chat("two")), json.dumps([chat("3"), long]).encode()):
        report = import_file(store, write(tmp_path, content))
        assert [each.why for each in report.left_out] == ["is longer than 2 kB"]
    assert {"one", "two", "3"} <= words(store)
    monkeypatch.setattr(reading, "MAX_DOCUMENT_BYTES", 100)
    with pytest.raises(DataError, match="one piece"):
        import_file(store, write(tmp_path, json.dumps([chat("one")], indent=1).encode()))


def test_files_that_hold_nothing_are_refused_with_what_is_known(
    store: Store, tmp_path: Path
) -> None:
    for content in (b"", b"\n \n", b"[]", b"{}", b"Dear diary,\nnothing.\n", b"\x00" * 50):
        with pytest.raises(DataError, match="Floe reads exports of ChatGPT, Claude"):
            import_file(store, write(tmp_path, content))
    with pytest.raises(DataError, match="cannot be read"):
        import_file(store, tmp_path / "none.json")
    with pytest.raises(DataError, match="cannot be read"):
        import_file(store, tmp_path)
    assert list_imports(store) == []


def test_an_import_is_undone_as_a_whole_and_from_the_files_bytes(
    store: Store, tmp_path: Path
) -> None:
    own = store.add_message(None, None, "user", "mine")
    report = import_file(store, write(tmp_path, rows(chat("zanzibar", "a rare word"))))
    assert [hit.snippet for hit in store.search("zanzibar")]
    (kept,) = list_imports(store)
    assert (kept.id, kept.name, kept.source, kept.chats) == (
        report.import_id,
        "chats.jsonl",
        "an OpenAI file",
        1,
    )
    assert not kept.used
    last = store.open_conversation(report.conversations[0])[-1]
    store.add_message(last.conversation_id, last.id, "user", "written since")
    assert [each.used for each in list_imports(store)] == [True]
    delete_import(store, report.import_id)
    assert [each.id for each in store.conversations()] == [own.conversation_id]
    assert store.search("zanzibar") == []
    assert list_imports(store) == []
    assert b"zanzibar" not in store.path.read_bytes()
    with pytest.raises(StoreError, match="undone already"):
        delete_import(store, report.import_id)


def test_imported_chats_stand_behind_the_own_ones_until_they_are_used(
    store: Store, tmp_path: Path
) -> None:
    own = store.add_message(None, None, "user", "mine")
    report = import_file(store, write(tmp_path, rows(chat("one"), chat("two"))))
    first, second = report.conversations
    listed = store.conversations()
    assert listed[0].id == own.conversation_id
    assert {each.source for each in listed if each.untouched} == {"an OpenAI file"}
    store.add_message(first, store.open_conversation(first)[-1].id, "user", "go on")
    listed = store.conversations()
    assert [(each.id, each.untouched) for each in listed] == [
        (first, False),
        (own.conversation_id, False),
        (second, True),
    ]


def test_an_import_that_breaks_off_leaves_the_store_as_it_was(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add_message(None, None, "user", "mine")
    path = write(tmp_path, rows(*(chat(f"Q{i}") for i in range(30))))
    monkeypatch.setattr(importing, "_BATCH_MESSAGES", 10)
    add = store_imports.add_chats
    calls = iter((False, False, True))

    def full(*args: Any) -> list[int]:
        if next(calls):
            raise StoreError("The disk is full.")
        return add(*args)

    monkeypatch.setattr(importing, "add_chats", full)
    with pytest.raises(StoreError, match="full"):
        import_file(store, path)
    assert words(store) == {"mine"}
    assert list_imports(store) == []
    monkeypatch.setattr(importing, "add_chats", add)
    told: list[tuple[int, int]] = []
    with pytest.raises(ImportCancelledError):
        import_file(
            store,
            path,
            progress=lambda done, total: told.append((done, total)),
            is_cancelled=lambda: len(told) > 12,
        )
    assert words(store) == {"mine"}
    assert told[0][0] < told[-1][0] <= told[-1][1] == path.stat().st_size


def test_a_database_of_before_gets_the_new_columns(tmp_path: Path) -> None:
    path = tmp_path / "floe.db"
    with Store(path) as store:
        store.add_message(None, None, "user", "kept")
    with sqlite3.connect(path) as db:
        db.executescript(
            "DROP INDEX conversations_import; ALTER TABLE conversations DROP COLUMN import_id;"
            "ALTER TABLE messages DROP COLUMN learn; DROP TABLE imports;"
            "DELETE FROM _sqlite_migrations WHERE name = '0006_imports'"
        )
    with Store(path) as store:
        assert words(store) == {"kept"}
        assert store.open_conversation(1)[0].learn


def test_members_are_read_without_a_name_on_disk(tmp_path: Path) -> None:
    file = io.BytesIO(pack(tmp_path, [("../../evil.json", b"[]")]).read_bytes())
    assert [name for _, name in reading.open_members(file, "x")] == ["evil.json"]
