"""Temporary files of the running app: in one folder of the data folder, and none of them lasts."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from floe.errors import FloeError


@contextmanager
def temporary_files(data_dir: Path) -> Iterator[Path]:
    """Have gradio and `tempfile` put their files into a folder that is empty before and after.

    Before as well, because an app that was killed could not clear up. To be entered before gradio
    is imported, which reads the place then.

    Raises:
        FloeError: the data folder cannot be written.
    """
    folder = (data_dir / "temporary").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise FloeError(
            f"The folder {folder} cannot be made anew: {error.strerror}. Delete it, or choose "
            "another data folder with --data-dir."
        ) from error
    before = tempfile.tempdir
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        os.environ.pop("GRADIO_TEMP_DIR", None)
        shutil.rmtree(folder, ignore_errors=True)
