import os
import tempfile
from pathlib import Path

import pytest

from floe.errors import FloeError
from floe.ui.serving.temporary import temporary_files


def test_temporary_files_end_with_the_app(tmp_path: Path) -> None:
    with temporary_files(tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
        with tempfile.NamedTemporaryFile(delete=False) as file:
            assert Path(file.name).parent == folder
    assert [*tmp_path.iterdir()] == []
    assert "GRADIO_TEMP_DIR" not in os.environ
    assert Path(tempfile.gettempdir()) != folder


def test_what_an_app_that_was_killed_left_is_gone_at_the_next_start(tmp_path: Path) -> None:
    left = tmp_path / "temporary" / "gradio" / "upload.bin"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    with temporary_files(tmp_path) as folder:
        assert [*folder.iterdir()] == []


def test_a_file_in_its_place_is_a_sentence_and_stays(tmp_path: Path) -> None:
    (tmp_path / "temporary").write_text("mine")
    with pytest.raises(FloeError, match="temporary"), temporary_files(tmp_path):
        pass
    assert (tmp_path / "temporary").read_text() == "mine"
