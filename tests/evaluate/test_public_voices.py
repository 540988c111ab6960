"""The public voices are written from the installed corpus, the same every time."""

from pathlib import Path

import pytest

from floe.chats.jsonl import read_chats
from floe.evaluate.__main__ import main
from floe.evaluate.public_voices import VOICES, write_voices


def test_every_voice_has_chats_to_learn_from_and_others_to_be_measured_on(tmp_path: Path) -> None:
    files = write_voices(tmp_path / "one")
    assert len(files) == 2 * len(VOICES)
    for voice in VOICES:
        train = read_chats(tmp_path / "one" / f"{voice}.train.jsonl")
        test = read_chats(tmp_path / "one" / f"{voice}.test.jsonl")
        assert len(train) >= 8
        assert len(test) >= 8
        assert not {chat[0].content for chat in train} & {chat[0].content for chat in test}
    again = write_voices(tmp_path / "two")
    assert [path.read_bytes() for path in files] == [path.read_bytes() for path in again]


def test_the_command_names_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["voices", "--folder", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 * len(VOICES)
    with pytest.raises(SystemExit, match="2"):
        main(["voices"])
