"""Runs the lftp program, and tells from its words whether the server was there.

Must not: decide anything about files, or let a password out: lftp gets it by its environment, and all that it prints
passes `Mask`.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ftpretrieve import command
from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import CommandFailed, ConfigError
from ftpretrieve.logs import LEAST_SECRET
from ftpretrieve.mirror.records import Server
from ftpretrieve.mirror.script import preamble
from ftpretrieve.passwords import COMMAND_SECS, is_sendable

LEAST_VERSION = (4, 8)

INSTALL = "install it: apt install lftp (Debian, Ubuntu), dnf install lftp (Fedora, RHEL)"

SILENCE_SECS = 120.0
"""What a server may take to say something, half of lftp's default: some check an upload for long before they answer."""

_ERROR = re.compile(r"[a-z][\w-]*: |(?:Unknown|Ambiguous) command |Usage: ")
"""How a line begins that tells of a failure: with the command. What was done begins with a capital letter."""

_MODES_REFUSED = re.compile(r"chmod: Access failed: 5")
"""What servers without SITE CHMOD make of each upload, after the file has arrived whole: no failure of a mirror."""

_LOGIN_REFUSED = re.compile(r"\w+: (?:Login failed: (?!ftp:ssl-force)|Fatal error: .*Permission denied \()")
"""Source: measured. SFTP by key ends in ssh's words `USER@HOST: Permission denied (publickey).`"""

_NOT_THE_SERVER = r"Permission denied \(|invalid characters|gnutls|SSL|[Cc]ertificate"
"""What lftp tries again like a silent server, and is something else."""

_AWAY = re.compile(
    r"\w+: (?:Not connected$"
    rf"|Fatal error: max-retries exceeded(?:$| \((?!.*(?:{_NOT_THE_SERVER})))"
    r"|.*(?:Name or service not known|[Nn]ame resolution|No address associated|Network is unreachable))"
)
"""Nobody answers, or not for long enough. Source: measured; the texts on names and networks are those of glibc."""


@dataclass(frozen=True, slots=True)
class Run:
    """What lftp did. `lines`: all it printed; `errors`: those of them that tell of a failure.

    `code`: 0 also when all that failed was to set the modes of uploaded files; `lines` still say so.
    """

    code: int
    lines: tuple[str, ...]
    errors: tuple[str, ...]
    timed_out: bool

    @property
    def login_refused(self) -> bool:
        """Return whether the server did not take user, password or key."""
        return any(_LOGIN_REFUSED.match(error) for error in self.errors)

    @property
    def away(self) -> bool:
        """Return whether the server could not be reached, or fell silent."""
        return any(_AWAY.match(error) for error in self.errors)


def check_version() -> str:
    """Return the version of the lftp that will be run. Raises: ConfigError when there is none, or one too old."""
    try:
        output = command.run(["lftp", "--version"], timeout_secs=30).decode(errors="replace")
    except CommandFailed as error:
        raise ConfigError(f"the program lftp is needed: {error}; {INSTALL}") from error
    found = re.search(r"Version (\d+)\.(\d+)[.\w]*", output)
    version = found[0].removeprefix("Version ") if found else "an unknown version"
    if found is None or (int(found[1]), int(found[2])) < LEAST_VERSION:
        least = ".".join(map(str, LEAST_VERSION))
        raise ConfigError(f"lftp {least} or later is needed, and this is {version}; {INSTALL}")
    return version


class Mask:
    """Replaces a password by `***`, also where lftp has quoted it or written it as part of a URL."""

    def __init__(self, password: str) -> None:
        self._url = re.compile(r"(://[^/\s:@]*):[^/\s]*@")
        spellings = (rf"\\?(?:{re.escape(char)}|{_percent(char)})" for char in password)
        self._password = re.compile("".join(spellings)) if len(password) >= LEAST_SECRET else None

    def __call__(self, line: str) -> str:
        """Return the line without the password, whosever it is in URLs."""
        line = self._password.sub("***", line) if self._password else line
        return self._url.sub(r"\1:***@", line)


def _percent(char: str) -> str:
    return "".join(f"%(?i:{octet:02x})" for octet in char.encode("utf-8", "surrogateescape"))


class Lftp:
    """One server and the time that is left for it; each `run` is a process of its own."""

    def __init__(self, server: Server, deadline: Deadline) -> None:
        self._server = server
        self._deadline = deadline
        self._password: str | None = None

    def run(self, lines: Sequence[str], on_line: Callable[[str], None] | None = None) -> Run:
        """Open the server and execute these lines of `script`; `on_line` gets what lftp prints as it comes.

        Raises: ConfigError for what lftp cannot be told; CommandFailed when it, or a `command:` that has the password,
        cannot be run.
        """
        password = self._revealed()
        if self._deadline.expired:
            return Run(1, (), (), timed_out=True)
        mask = Mask(password)

        def shown(line: str) -> str:
            whole = mask(line.removesuffix("\r"))  # ssh writes for a terminal
            return whole[: command.LINE_BYTES // 2]  # the end of a line that was cut may be half a password

        text = "\n".join([*preamble(self._server, SILENCE_SECS), *lines, ""])
        done = command.stream(
            ["lftp", "-f", "/dev/stdin"],
            timeout_secs=self._deadline.remaining(),
            stdin=os.fsencode(text),
            env=_environment(password),
            on_line=None if on_line is None else lambda line: on_line(shown(line)),
        )
        # Judged before it is masked: a password may be a word of lftp's.
        told = [line for line in done.output if _ERROR.match(line)]
        errors = tuple(shown(line) for line in told if not _MODES_REFUSED.match(line))
        code = 0 if told and not errors and done.code == 1 else done.code
        return Run(code, tuple(map(shown, done.output)), errors, done.timed_out)

    def _revealed(self) -> str:
        """Return the password, asked for once; '' when there is none."""
        if self._password is None:
            secret = self._server.password
            password = secret.reveal(self._deadline.at_most(COMMAND_SECS)) if secret is not None else ""
            if not is_sendable(password):
                raise ConfigError("the password has control characters in it; a line break would be a second command")
            self._password = password
        return self._password


def _environment(password: str) -> dict[str, str]:
    """Return what lftp finds: ours, but English, and UTF-8, or it would rewrite every other letter to a `?`."""
    kept = {name: value for name, value in os.environ.items() if name not in ("LANGUAGE", "LFTP_PASSWORD")}
    return {**kept, "LC_ALL": "C.UTF-8", "LFTP_PASSWORD": password}
