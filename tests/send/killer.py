"""Kills the command by itself at its n-th change to anything outside: a file, a lock, a process it is about to start.

No hook in the product is needed: Python tells an audit hook of each such operation right before it is done, so that to
be killed at one means to be killed after all before it. `at_change(directory, n)` is environment for the command; after
`count(directory)` changes it was not killed but came to its end.

Must not be imported by the package.
"""

from __future__ import annotations

from pathlib import Path

HOOK = """
import os, signal, sys

CHANGES = {
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.utime",
    "os.fork", "os.posix_spawn", "os.exec", "subprocess.Popen", "fcntl.flock", "fcntl.lockf",
}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
last = int(os.environ["KILL_AT_CHANGE"])
changes = 0


def hook(event, arguments):
    global changes
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, int) or not (flags or 0) & WRITES or os.fsencode(path).endswith(b".log"):
            return
    elif event not in CHANGES:
        return
    changes += 1
    if changes == last:
        os.kill(os.getpid(), signal.SIGKILL)


if "ftpretrieve" in sys.orig_argv:
    sys.addaudithook(hook)
"""


def at_change(directory: Path, number: int) -> dict[str, str]:
    """Return environment for the command, whose PYTHONPATH begins with this directory, to be killed at that change."""
    (directory / "sitecustomize.py").write_text(HOOK)
    return {"KILL_AT_CHANGE": str(number)}
