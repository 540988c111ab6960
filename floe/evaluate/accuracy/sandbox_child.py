"""The inside of the sandbox: `python -I -S -B sandbox_child.py WORD`, the program on stdin.

Walls, one behind the other: limits of the system on time, memory, size of files, open files and
processes; where Linux allows it, name spaces of its own, in which there is no network; and an
audit hook (PEP 578) that ends the program when it reaches for the network, another process, foreign
memory, or a file outside of its folder and Python's own library. The hook alone would stop no
attacker who knows CPython; what is run here is a small model's homework.

Imports nothing of Floe, so that the program finds nothing of Floe in memory.
"""

import ctypes
import os
import resource
import sys
from typing import Any

_CPU_SECONDS = 5
_MEMORY_BYTES = 512 * 1024 * 1024
_FILE_BYTES = 1024 * 1024
_OPEN_FILES = 32
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_FORBIDDEN = (
    *("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"),
    *("os.kill", "pty.", "ctypes.", "os.link", "os.symlink", "os.chmod", "os.chown", "os.chdir"),
    *("sqlite3.", "cpython.PyInterpreterState_New"),
    *("resource.", "signal.", "syslog.", "mmap.", "urllib.", "http.", "ftplib.", "smtplib."),
)
_FORBIDDEN_MODULES = frozenset(
    {
        *("ctypes", "_ctypes", "_posixsubprocess", "_socket", "_testcapi", "_sqlite3", "_gdbm"),
        *("_dbm", "readline", "_posixshmem", "_xxsubinterpreters", "_interpreters"),
    }
)
_TWO_PATHS = frozenset({"os.rename", "shutil.copyfile", "shutil.move"})
_PATHS = frozenset(
    {
        *("open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rmdir", "os.rename"),
        *("os.truncate", "os.utime", "shutil.rmtree", "shutil.copyfile", "shutil.move"),
    }
)


def limit_resources() -> None:
    """Take away what a program of a few lines does not need."""
    limits = {
        resource.RLIMIT_CPU: _CPU_SECONDS,
        resource.RLIMIT_AS: _MEMORY_BYTES,
        resource.RLIMIT_FSIZE: _FILE_BYTES,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, limit in limits.items():
        try:
            resource.setrlimit(kind, (limit, limit))
        except (OSError, ValueError):  # a limit that this system does not have
            continue


def leave_network() -> None:
    """Enter name spaces in which there is no network, where the system allows that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).unshare(_NEW_USER | _NEW_NET)
    # So that the program would have to import it, which the hook sees.
    for name in [each for each in sys.modules if each.split(".")[0] in ("ctypes", "_ctypes")]:
        del sys.modules[name]
    del globals()["ctypes"]


def forbid(folder: str) -> None:
    """Install the audit hook; files are open in `folder`, and to read in Python's library."""
    library = tuple(os.path.realpath(path) for path in sys.path if path)
    end, is_folder = os._exit, os.path.isdir

    def inside(path: Any, *, writing: bool) -> bool:
        if isinstance(path, int):
            return path <= 2
        name = os.path.realpath(os.fsdecode(path))
        places = (folder,) if writing else (folder, *library)
        return any(name == place or name.startswith(f"{place}/") for place in places)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_FORBIDDEN):
            end(1)
        elif event == "import":
            if arguments[0] in _FORBIDDEN_MODULES:
                end(1)
        elif event in _PATHS:
            flags = arguments[2] if event == "open" else os.O_RDWR
            listing = event in ("os.listdir", "os.scandir")
            writing = not listing and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            ends = arguments[:2] if event in _TWO_PATHS else (arguments[0] or ".",)
            if not all(inside(each, writing=writing) for each in ends):
                end(1)
            # A folder that is open could stand for the folder that a name is looked up in.
            if event == "open" and not isinstance(ends[0], int) and is_folder(ends[0]):
                end(1)

    sys.addaudithook(hook)


def main() -> None:
    """Run the program behind the walls; write the word if it came to its end."""
    word = sys.argv.pop()
    program = sys.stdin.buffer.read().decode()
    # Nothing that the program prints goes where the word goes.
    out = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    leave_network()
    limit_resources()
    del sys.orig_argv[-1]
    forbid(os.path.realpath(os.getcwd()))  # noqa: PTH109 - pathlib is not loaded in here
    try:
        exec(compile(program, "answer.py", "exec"), {"__name__": "answer"})  # noqa: S102
    except BaseException:  # a failed assertion, an exit, anything at all
        os._exit(1)
    os.write(out, word.encode())
    os._exit(0)


if __name__ == "__main__":
    main()
