"""Run a program of which nothing may be left: `guard.py LIFELINE GRACE_SECS PROGRAM ARGUMENT ...`

Theory. A program's children can leave its process group (ssh does, under a pseudo terminal) and outlive it; and whoever
started it may be killed without a chance to clean up. So this process stands between the two. The kernel makes it the
parent of every descendant whose own parent has ended, which is how it finds them all; and it notices the end of its
starter, whatever caused it, because their connection (LIFELINE, a socket) closes. Then, or when the starter closes its
sending side, the program gets SIGTERM and after GRACE_SECS everything gets SIGKILL; with 0 there is no SIGTERM, for
programs that do harm when they get one. The exit code of the program, or the number of the error that kept it from
being started, is the last that is sent over the connection. The first that comes over it is the environment of the
program: a password in it is then not in that of this process.

Must not: import anything of the package, for it is run by its path, with as little of Python as possible.
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import time
from typing import NoReturn

SET_PARENT_DEATH_SIGNAL, SET_CHILD_SUBREAPER = 1, 36  # Source: linux/prctl.h

LOOK_EVERY_SECS = 0.01
"""How often it is looked whether what was killed has ended, and has left us its children."""

REAP_EVERY_SECS = 1.0
"""How long an orphan of a program that still works may stay a zombie."""


GREETING_SECS = 10.0
"""How long the environment may take. A starter that ran before an upgrade replaced this file may never send it."""


def main(lifeline_fd: int, grace_secs: float, argv: list[str]) -> None:
    """Run the program, tell how it ended, and leave nothing behind."""
    libc = ctypes.CDLL(None)
    libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # only the lifeline ends this
    lifeline = socket.socket(fileno=lifeline_fd)
    lifeline.set_inheritable(False)
    environment = receive_environment(lifeline)
    if environment is None:
        return  # our starter has gone
    program = os.fork()
    if program == 0:
        libc.prctl(SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
        become(argv, environment, lifeline)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # the pipes are the program's alone, or their other ends would never see an end
        os.dup2(nothing, descriptor)
    code = wait(program, lifeline)
    if code is None and grace_secs:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program, signal.SIGTERM)
        code = wait(program, None, grace_secs)
    code = kill_all(program, code)
    with contextlib.suppress(OSError):  # nobody may be there any more
        lifeline.sendall(f"ended {code}\n".encode())


def receive_environment(lifeline: socket.socket) -> dict[bytes, bytes] | None:
    """Return what is sent: its length as a line, then NAME=VALUE, each with a NUL behind it; None if it is cut off."""
    lifeline.settimeout(GREETING_SECS)
    try:
        with lifeline.makefile("rb") as sent:
            length = sent.readline()
            data = sent.read(int(length or 0))
    except TimeoutError:
        return None
    lifeline.settimeout(None)
    if not length or len(data) < int(length):
        return None
    return dict(pair.split(b"=", 1) for pair in data.split(b"\0")[:-1])


def become(argv: list[str], environment: dict[bytes, bytes], lifeline: socket.socket) -> NoReturn:
    """Replace this process by the program, in a process group that we are not in."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        lifeline.sendall(f"error {error.errno}\n".encode())
    finally:
        os._exit(127)


def wait(program: int, lifeline: socket.socket | None, limit_secs: float = float("inf")) -> int | None:
    """Wait for the end of the program and return its code; None when the lifeline closed or the time was over."""
    end = time.monotonic() + limit_secs
    watched = [os.pidfd_open(program), *([lifeline.fileno()] if lifeline else [])]
    while time.monotonic() < end:
        ready = select.select(watched, [], [], min(REAP_EVERY_SECS, max(0.0, end - time.monotonic())))[0]
        ended = reap()
        if program in ended:
            return ended[program]
        if lifeline is not None and lifeline.fileno() in ready:
            return None
    return None


def kill_all(program: int, code: int | None) -> int:
    """Kill and bury all children until there are none, for killing one may leave us its own; return the code."""
    while True:
        for pid in children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            code = reap(none_is_fine=False).get(program, code)
        except ChildProcessError:
            return -signal.SIGKILL if code is None else code
        time.sleep(LOOK_EVERY_SECS)


def reap(*, none_is_fine: bool = True) -> dict[int, int]:
    """Bury the children that have ended: pid -> code. Raises: ChildProcessError when there are no children at all."""
    ended: dict[int, int] = {}
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return ended
            ended[pid] = os.waitstatus_to_exitcode(status)
    except ChildProcessError:
        if ended or none_is_fine:
            return ended
        raise


def children() -> list[int]:
    """Return our children, the adopted ones too."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:  # it may end meanwhile
                parent = stat.read().rpartition(b")")[2].split()[1]
                found += [int(name)] * (int(parent) == os.getpid())
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
