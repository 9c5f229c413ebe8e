"""Runs the lftp program. Never decides anything about files, and shows no secret in what it returns."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ftpretrieve import command
from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import CommandFailed, ConfigError
from ftpretrieve.mirror.records import Server
from ftpretrieve.mirror.script import preamble

LEAST_VERSION = (4, 8)
SILENCE_SECS = 60.0
"""Silence of a server that ends an attempt."""

_PASSWORD_IN_URL = re.compile(r"(://[^/\s:@]*):[^/\s@]*@")
_ERROR = re.compile(
    r"^(?:mirror|open|find|rm|rmdir|set|cd|ls|get|put|mkdir|chmod|ln|mv|cls|parse|source|lftp)\S*: "
    r"|^Unknown command|^Ambiguous command"
)
_AWAY = re.compile(
    r"max-retries exceeded|Not connected|No route to host|Connection refused|Name or service not known|timed out"
    r"|Temporary failure in name resolution|Network is unreachable|No address found|Host name lookup failure"
)
_LOGIN = re.compile(r"Login failed|Certificate verification|Host key verification failed|Permission denied \(")


@dataclass(frozen=True, slots=True)
class Run:
    """What lftp did. `lines`: all it printed; `errors`: those of them that tell of a failure."""

    code: int
    lines: tuple[str, ...]
    errors: tuple[str, ...]
    timed_out: bool

    @property
    def away(self) -> bool:
        """Return whether the server could not be reached, or fell silent."""
        return any(_AWAY.search(line) for line in self.errors)

    @property
    def login_refused(self) -> bool:
        """Return whether the server does not want this user, or is not who it should be."""
        return any(_LOGIN.search(line) for line in self.errors)


def check_version() -> str:
    """Return the version of the lftp that will be run. Raises: ConfigError when there is none, or one too old."""
    advice = "install it: apt install lftp (Debian, Ubuntu) or dnf install lftp (Fedora, RHEL)"
    try:
        output = command.run(["lftp", "--version"], timeout_secs=30).decode(errors="replace")
    except CommandFailed as error:
        raise ConfigError(f"lftp is needed and cannot be run ({error}); {advice}") from error
    found = re.search(r"Version (\d+)\.(\d+)[.\w]*", output)
    if found is None or (int(found[1]), int(found[2])) < LEAST_VERSION:
        version = found[0] if found else "an unknown version"
        raise ConfigError(f"lftp 4.8 or later is needed, and here is {version}; {advice}")
    return found[0].removeprefix("Version ")


class Lftp:
    """One server and the time that is left for it; each `run` is a process of its own."""

    def __init__(self, server: Server, deadline: Deadline, on_line: Callable[[str], None] | None = None) -> None:
        self._server = server
        self._deadline = deadline
        self._on_line = on_line

    def run(self, lines: Sequence[str]) -> Run:
        """Open the server and execute these lines. Raises: ConfigError, CommandFailed when it cannot be started."""
        secret = self._server.password
        password = secret.reveal() if secret is not None else ""
        script = "\n".join([*preamble(self._server, SILENCE_SECS), *lines, ""])
        env = {**os.environ, "LFTP_PASSWORD": password}
        on_line = self._on_line
        done = command.stream(
            ["lftp", "-f", "/dev/stdin"],
            timeout_secs=self._deadline.remaining(),
            stdin=os.fsencode(script),
            env=env,
            on_line=None if on_line is None else lambda line: on_line(_masked(line)),
            secrets=[password] if password else [],
        )
        output = tuple(map(_masked, done.output))
        errors = tuple(line for line in output if _ERROR.match(line))
        return Run(done.code, output, errors, done.timed_out)


def _masked(line: str) -> str:
    return _PASSWORD_IN_URL.sub(r"\1:***@", line)
