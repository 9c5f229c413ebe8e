"""The one door to other programs: an argv list, a time limit, and no secret in any message.

No shell is ever involved, standard input is empty, and the program is put into a session of its own so that it and
whatever it started can be killed together (it can therefore not ask anything on the terminal).
"""

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path

from ftpretrieve.errors import CommandFailed

LAST_WORDS = 300
"""Characters of standard error that an error message repeats: the end, where programs say what went wrong."""


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
