"""What a process says of its own memory."""

import subprocess
import sys

import numpy as np

from floe.training.memory_limit import peak_rss_mb, rss_mb


def test_peak_does_not_count_the_process_that_started_this_one() -> None:
    ballast = np.ones(100_000_000)  # 800 MB, touched
    code = "from floe.training.memory_limit import peak_rss_mb; print(peak_rss_mb())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert rss_mb() > 800
    assert float(done.stdout) < 400
    assert peak_rss_mb() >= ballast.nbytes / 1e6
