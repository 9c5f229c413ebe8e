"""The one door to other programs: an argv list, a time limit, and no secret in any message.

No shell is ever involved, and the program is put into a session of its own so that it and whatever it started can be
killed together (it can therefore not ask anything on the terminal). `run` is for programs that print one thing and
end, `stream` for those that work for hours and talk meanwhile.
"""

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftpretrieve.errors import CommandFailed

LAST_WORDS = 300
"""Characters of standard error that an error message repeats: the end, where programs say what went wrong."""

GRACE_SECS = 5.0
"""What a program gets between SIGTERM and SIGKILL: lftp ends within one second, ssh and rsync at once."""

CHUNK_BYTES = 65_536
"""What one read or write of a pipe moves at most: the size of a pipe in Linux."""


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
        reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        raise CommandFailed(f"cannot run {shown}: {reason}") from None  # the cause may name an argument
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
    cwd: Path | None = None,
    secrets: Collection[str] = (),
) -> Finished:
    """Run a program to its end, handing over each line of its output as it comes.

    Raises: CommandFailed when it cannot be started.
    """
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=env,
            start_new_session=True,
            bufsize=0,
        )
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        raise CommandFailed(f"cannot run {_masked(shlex.join(argv), secrets)}: {reason}") from None
    lines: list[str] = []

    def take(line: bytes) -> None:
        lines.append(_masked(os.fsdecode(line), secrets))
        if on_line is not None:
            on_line(lines[-1])

    with process:
        try:
            timed_out = _converse(process, stdin, timeout_secs, take)
        finally:
            _kill(process)
    return Finished(process.returncode, timed_out, tuple(lines))


def _converse(
    process: subprocess.Popen[bytes], stdin: bytes, timeout_secs: float, take: Callable[[bytes], None]
) -> bool:
    """Feed its input and take its lines until it has ended; return whether it had to be ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    end, timed_out = time.monotonic() + timeout_secs, False
    unfed, rest = memoryview(stdin), b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        while process.stdout in {key.fileobj for key in selector.get_map().values()}:
            for key, _ in selector.select(max(0.0, end - time.monotonic())):
                if key.fileobj is process.stdout:
                    data = os.read(key.fd, CHUNK_BYTES)
                    *whole, rest = (rest + data).split(b"\n")
                    for line in whole:
                        take(line)
                    if not data:
                        selector.unregister(process.stdout)
                else:
                    with contextlib.suppress(BrokenPipeError):  # it does not want to hear the rest
                        unfed = unfed[os.write(key.fd, unfed[: CHUNK_BYTES // 16]) :] if unfed else unfed
                    if not unfed:
                        selector.unregister(process.stdin)
                        process.stdin.close()
            if time.monotonic() >= end:
                if timed_out:
                    break
                timed_out, end = True, time.monotonic() + GRACE_SECS
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGTERM)
    if rest:
        take(rest)
    return timed_out


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
