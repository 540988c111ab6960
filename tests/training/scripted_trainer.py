"""A trainer that trains nothing: it speaks the run folder's language as `mode` beside it says.

Modes: `good`, `worse`, `slow` (until told to stop), `deaf` (will not stop), `held` (waits
for another mode), `reading` (makes no step and will not stop), `memory` (fails
unless the plan is a smaller one), `disk`.
"""

import json
import sys
import time
from pathlib import Path


def main() -> None:
    folder = Path(sys.argv[sys.argv.index("--folder") + 1])
    mode = (Path(__file__).parent / "mode").read_text().strip()
    request = json.loads((folder / "run.json").read_text())
    while mode == "held":
        time.sleep(0.05)
        mode = (Path(__file__).parent / "mode").read_text().strip()
    if mode == "reading":
        (folder / "begun").touch()
        time.sleep(120)
    if mode == "memory" and not request.get("smaller"):
        finish(folder, "failed", code="memory", sentence="It needs more memory.")
        return
    checkpoint = folder / "checkpoint"
    step = int((checkpoint / "state.pt").read_text()) if checkpoint.exists() else 0
    endless = mode in ("slow", "deaf", "disk")
    while step < 3 or endless:
        step += 1
        report(folder, step)
        (folder / "stepping").touch()
        checkpoint.mkdir(exist_ok=True)
        # As the real one does: a kill in mid-write leaves the state before.
        (checkpoint / "state.pt.part").write_text(str(step))
        (checkpoint / "state.pt.part").replace(checkpoint / "state.pt")
        if mode == "disk" and step >= 2:
            finish(folder, "failed", code="disk", sentence="The disk is full.")
            return
        if (folder / "stop").exists() and mode != "deaf":
            finish(folder, "cancelled", sentence="Stopped.")
            return
        time.sleep(0.05 if endless else 0)
    (folder / "adapter").mkdir(exist_ok=True)
    (folder / "adapter" / "adapter_config.json").write_text("{}")
    (folder / "adapter.gguf").write_bytes(b"GGUF adapter")
    after = 2.5 if mode == "worse" else 2.0
    finish(folder, "complete", held_out_before=2.5, held_out_start=2.5, held_out_after=after)


def report(folder: Path, step: int) -> None:
    line: dict[str, object] = {
        "step": step,
        "steps": 3,
        "at": time.time(),
        "train_loss": 3.0 / step,
    }
    line |= {"held_out_loss": None if step % 2 else 2.0, "seconds_left": 1.0}
    with (folder / "progress.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def finish(folder: Path, status: str, **values: object) -> None:
    result = {"status": status, "code": "", "sentence": "Done."} | values
    (folder / "result.json.part").write_text(json.dumps(result))
    (folder / "result.json.part").replace(folder / "result.json")


if __name__ == "__main__":
    main()
