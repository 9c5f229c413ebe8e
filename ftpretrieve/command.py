"""The one door to other programs: an argv list, a time limit, and no secret in any message.

No shell is ever involved, and the program is put into a session of its own so that it and whatever it started can be
killed together (it can therefore not ask anything on the terminal). `run` is for programs that print one thing and
end, `stream` for those that work for hours, talk meanwhile and have children of their own.
Must not: know what a program is for, or whether its exit code is a failure to be tried again.
"""

import contextlib
import os
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftpretrieve.errors import CommandFailed

LAST_WORDS = 300
"""Characters of standard error that an error message repeats: the end, where programs say what went wrong."""

GRACE_SECS = 5.0
"""What a program gets between SIGTERM and SIGKILL: lftp ends within one second, ssh and rsync at once."""

KILL_SECS = 10.0
"""What is waited after SIGKILL: a process that hangs in the kernel (a dead NFS server) does not go at all."""

CHUNK_BYTES = 65_536
"""What one read of a pipe gives at most: the size of a pipe in Linux."""

LINE_BYTES = 65_536
"""What is kept of a line, for a server may let a program print without end. No honest one is longer: it names two paths
of 4,096 bytes (PATH_MAX) at the utmost, each byte in up to five characters."""

PIPE_BYTES = 4_096
"""What a pipe that may be written to takes without waiting. Source: pipe(7), PIPE_BUF."""

_GUARD = Path(__file__).with_name("guard.py")


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended. `code` as in `subprocess`: negative for a signal.

    `output`: the lines of standard output and error as they came, without line ends, secrets as `***`; bytes that are
    no UTF-8 as `os.fsdecode` spells them.
    """

    code: int
    timed_out: bool
    output: tuple[str, ...]


def run(argv: Sequence[str], *, timeout_secs: float, cwd: Path | None = None, secrets: Collection[str] = ()) -> bytes:
    """Run a program to its end and return its standard output.

    `secrets` are shown as `***` wherever an error message would repeat them.
    Raises: CommandFailed when it cannot be started, exits with another code than 0, or is still busy after
    `timeout_secs` (it is killed then).
    """
    shown = _masked(shlex.join(argv), secrets)
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise CommandFailed(f"cannot run {shown}: {_why(error)}") from None  # the cause may name an argument
    with process:
        try:
            output, complaints = process.communicate(timeout=timeout_secs)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise CommandFailed(f"{shown}: killed, still busy after {timeout_secs:g} s") from None  # cause holds argv
        except BaseException:
            _kill(process)
            raise
    if process.returncode != 0:
        words = _masked(complaints.decode(errors="replace"), secrets)
        raise CommandFailed(f"{shown}: {_meaning(process.returncode)}{_last_words(words)}")
    return output


def stream(
    argv: Sequence[str],
    *,
    timeout_secs: float,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    grace_secs: float = GRACE_SECS,
    carriage_returns: bool = False,
    keep_lines: int | None = None,
) -> Finished:
    """Run a program to its end, handing over each line of its output as it comes. Its arguments must hold no secret.

    Of a line, what is over LINE_BYTES is dropped: as a piece of its own it might look like something else.
    With `carriage_returns` these end a line too, as they do where a program draws how far it is over its last figures.
    `keep_lines`: of the output so many lines, the last ones, are returned; None for all. So it bounds the memory, which
    without it grows with the output.
    Nobody but the program gets `env`. Whatever it started is gone when this returns, raises, or when our own process
    ends, be it by SIGKILL: see `guard`.
    After `timeout_secs` it gets SIGTERM, and `grace_secs` later SIGKILL; with 0 nothing but SIGKILL. What `on_line`
    raises ends the program too.
    Raises: CommandFailed when it cannot be started.
    """
    shown = shlex.join(argv)
    lines: deque[str] = deque(maxlen=keep_lines)

    def take(line: bytes) -> None:
        text = os.fsdecode(line)
        lines.append(text)
        if on_line is not None:
            on_line(text)

    ours, its = socket.socketpair()
    with ours:
        try:
            with its:
                environment = _spelt(os.environ if env is None else env)
                process = _guarded(argv, its, grace_secs)
        except (OSError, ValueError) as error:
            raise CommandFailed(f"cannot run {shown}: {_why(error)}") from None  # the cause may name an argument
        try:
            with contextlib.suppress(ConnectionError):  # the guard has been killed, which is noticed below
                ours.sendall(environment)
            timed_out = _converse(
                process, ours, stdin, timeout_secs, grace_secs, take, b"\r" if carriage_returns else b"\n"
            )
            word, _, code = _last_line(ours).partition(" ")
        finally:
            ours.close()
            _bury(process, grace_secs)
    if word == "error":
        raise CommandFailed(f"cannot run {shown}: {os.strerror(int(code))}")
    return Finished(int(code) if word else -signal.SIGKILL, timed_out, tuple(lines))


def _spelt(env: Mapping[str, str]) -> bytes:
    """Return an environment as the guard takes it. Raises: ValueError for what can be in none."""
    pairs = [(os.fsencode(name), os.fsencode(value)) for name, value in env.items()]
    if any(not name or b"=" in name or b"\0" in name + value for name, value in pairs):
        raise ValueError("illegal environment")
    data = b"".join(b"%s=%s\0" % pair for pair in pairs)
    return b"%d\n%s" % (len(data), data)


def _guarded(argv: Sequence[str], lifeline: socket.socket, grace_secs: float) -> subprocess.Popen[bytes]:
    """Start the guard, which starts the program."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_GUARD), str(lifeline.fileno()), str(grace_secs), *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(lifeline.fileno(),),
        start_new_session=True,
        bufsize=0,
    )


def _converse(
    process: subprocess.Popen[bytes],
    lifeline: socket.socket,
    stdin: bytes,
    timeout_secs: float,
    grace_secs: float,
    take: Callable[[bytes], None],
    other_end: bytes,
) -> bool:
    """Feed its input and take its lines until it has closed its output; return whether it had to be ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    end, timed_out = time.monotonic() + timeout_secs, False
    unfed, line = memoryview(stdin), b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        while True:
            for key, _ in selector.select(max(0.0, end - time.monotonic())):
                if key.fileobj is process.stdin:
                    unfed = _feed(key.fd, unfed)
                    if not unfed:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                    continue
                data = os.read(key.fd, CHUNK_BYTES)
                if not data:
                    if line:
                        take(line)
                    return timed_out
                parts = (line + data.replace(other_end, b"\n")).split(b"\n")
                *whole, line = (part[:LINE_BYTES] for part in parts)
                for part in whole:
                    take(part)
            if time.monotonic() >= end:
                if timed_out:
                    return True  # it cannot even be killed
                timed_out, end = True, time.monotonic() + grace_secs + KILL_SECS
                lifeline.shutdown(socket.SHUT_WR)


def _feed(descriptor: int, unfed: memoryview) -> memoryview:
    """Write what the pipe takes without waiting; return the rest, nothing when nobody reads it any more."""
    try:
        return unfed[os.write(descriptor, unfed[:PIPE_BYTES]) :] if unfed else unfed
    except BrokenPipeError:
        return memoryview(b"")


def _last_line(lifeline: socket.socket) -> str:
    """Return what the guard said first, '' when it was killed."""
    lifeline.settimeout(KILL_SECS)
    data = b""
    with contextlib.suppress(OSError):
        while chunk := lifeline.recv(1000):
            data += chunk
    return data.decode().partition("\n")[0]


def _bury(process: subprocess.Popen[bytes], grace_secs: float) -> None:
    """Wait for the guard, which ends by itself once it has killed all there was."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(grace_secs + KILL_SECS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _why(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _kill(process: subprocess.Popen[bytes]) -> None:
    # The leader has not been waited for, so its group still exists or has only just ended: ignoring that is safe.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _meaning(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"ended by signal {-code}"


def _masked(text: str, secrets: Collection[str]) -> str:
    # Longest first, or a secret that contains another would be left standing in part; quoted as `shlex.join` does too.
    forms = {form for secret in secrets if secret for form in (secret, shlex.quote(secret))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _last_words(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    words = " ".join(printable.split())
    return f": {words[-LAST_WORDS:]}" if words else ""
