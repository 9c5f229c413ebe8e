"""Run a program that must not outlive the tests: `launch.py [--keep-user] program argument ...`

Prints the program's pid. When its own standard input, a pipe, is closed (on purpose, or because the tests were killed)
it kills the program with everything that descends from it, in whatever session or process group, and leaves no zombie.

Must not import anything of the package or the tests: it is run by its path, with as little Python as possible.
"""

import contextlib
import ctypes
import os
import select
import signal
import struct
import sys

# setuid setgid setreuid setregid setgroups setresuid setresgid. Source: asm/unistd_64.h, asm-generic/unistd.h
SET_USER_CALLS = {
    "x86_64": (105, 106, 113, 114, 116, 117, 119),
    "aarch64": (146, 144, 145, 143, 159, 147, 149),
}


def keep_user(machine: str) -> None:
    """Make every later change of user or group succeed without any effect.

    A server that insists on changing to the account that logs in then also runs for an ordinary user. A seccomp filter
    does it in the kernel, for children too, without a compiler. Source: seccomp(2), linux/filter.h, linux/seccomp.h
    """
    load_word, jump_if_equal, return_value = 0x20, 0x15, 0x06
    allow, errno_zero = 0x7FFF0000, 0x00050000
    calls = SET_USER_CALLS[machine]
    program = [(load_word, 0, 0, 0)]  # the number of the system call
    program += [(jump_if_equal, len(calls) - position, 0, call) for position, call in enumerate(calls)]
    program += [(return_value, 0, 0, allow), (return_value, 0, 0, errno_zero)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    filter_ = ctypes.create_string_buffer(struct.pack("HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_seccomp, mode_filter = 38, 22, 2
    for arguments in ((no_new_privileges, 1, 0, 0, 0), (set_seccomp, mode_filter, filter_, 0, 0)):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def children() -> list[int]:
    """Return our children, of which orphaned descendants are made one by the kernel: see main()."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                parent = int(stat.read().rpartition(b")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if parent == os.getpid():
            found.append(int(name))
    return found


def kill_all() -> None:
    """Kill and reap children until there are none; killing one may hand us its own."""
    while True:
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.wait()
            reap()
        except ChildProcessError:
            return


def reap() -> None:
    """Bury all children that have ended. Raises: ChildProcessError when none is left."""
    while os.waitpid(-1, os.WNOHANG)[0]:
        pass


def main(arguments: list[str]) -> None:
    """Start the program and wait until it ends or is no longer wanted."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the pipe ends this
    set_child_subreaper = 36  # Source: linux/prctl.h
    ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)
    program = os.fork()
    if program == 0:
        become(arguments)
    print(program, flush=True)
    ended = os.pidfd_open(program)
    # Sessions whose parent, the server, has forgotten them become ours: hundreds of kills leave thousands.
    while not select.select([0, ended], [], [], 1.0)[0]:
        with contextlib.suppress(ChildProcessError):
            reap()
    kill_all()


def become(arguments: list[str]) -> None:
    """Replace this process by the program, with nothing of ours but standard error."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()  # pure-ftpd signals its whole process group
    for descriptor in (0, 1):  # vsftpd and pure-ftpd print what is wrong with their options to 0
        os.dup2(2, descriptor)
    if arguments[0] == "--keep-user":
        keep_user(os.uname().machine)
        arguments = arguments[1:]
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
