"""Secrets of a configuration: where they come from, and never what they are.

    hunter2            the secret itself                                     plain
    base64:aHVudGVyMg==  the same, so that nobody reads it over a shoulder   base64  (no protection)
    env:NAME           an environment variable of the process                env
    file:PATH          the first line of a file                              file
    command:ARGV       the first line that a program prints (no shell)       command

A `Secret` is made when the configuration is read, which checks only its form, and asked by `reveal()` when it is
needed: `status` must not need the password, and a rotated one is found at the next login. Nothing here logs, and
neither `repr` nor `str` nor any error shows a secret.
"""

import base64
import os
import re
import shlex
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from ftpretrieve import command
from ftpretrieve.errors import ConfigError

COMMAND_SECS = 30.0
"""Time limit of a `command:` when the caller names none: password stores that ask a network answer in a few seconds."""

LIMIT_BYTES = 65_536
"""More than this is not a password, but a wrong path such as /dev/zero."""

READABLE_BY_OTHERS = stat.S_IROTH
"""The mode bit that gives a secret away. The group may read: that is how a service account is let in."""

_KINDS = ("base64", "env", "file", "command")


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A password that is fetched when it is needed. Two are equal when they were written alike."""

    _written: str
    _base: Path = Path("/")
    _label: str = "secret"

    def __post_init__(self) -> None:
        """Check the form. Raises: ValueError, with words that continue a sentence about the value."""
        if self.kind == "base64":
            _decoded(self._rest)
        elif self.kind == "env" and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self._rest):
            raise ValueError("does not name an environment variable after 'env:'; write env:NAME")
        elif self.kind == "file" and not self._rest:
            raise ValueError("names no file after 'file:'; write file:PATH")
        elif self.kind == "command":
            self._argv()

    def __repr__(self) -> str:
        return f"<Secret: {self.kind}>"

    @property
    def kind(self) -> str:
        """Return how it was written: plain, base64, env, file or command."""
        kind, colon, _ = self._written.partition(":")
        return kind if colon and kind in _KINDS else "plain"

    @property
    def is_in_config(self) -> bool:
        """Return whether whoever reads the configuration file has the secret."""
        return self.kind in ("plain", "base64")

    def at(self, base: Path, label: str) -> "Secret":
        """Return it with the directory that relative paths start from, and the name that errors call it by."""
        return replace(self, _base=base, _label=label)

    def exposure(self) -> str | None:
        """Return what is wrong with the permissions of its file, or None. A file that is not there yet is fine."""
        if self.kind != "file":
            return None
        try:
            mode = self._path().stat().st_mode
        except OSError:
            return None  # `reveal` will say so, to whoever needs the secret
        return self._exposure(mode)

    def reveal(self, timeout_secs: float = COMMAND_SECS) -> str:
        """Return the secret itself; only `command:` may take time.

        Raises: ConfigError when there is none to be had; CommandFailed from `command:`.
        """
        match self.kind:
            case "plain":
                return self._written
            case "base64":
                return _decoded(self._rest)
            case "env":
                secret = os.environ.get(self._rest, "")
                if not secret:
                    raise ConfigError(
                        f"{self._label}: environment variable {self._rest} is not set; set it, or export it"
                    )
                return self._checked(secret)
            case "file":
                return self._first_line(self._read_file())
            case _:
                return self._first_line(self._run(timeout_secs))

    @property
    def _rest(self) -> str:
        return self._written.partition(":")[2].strip()

    def _path(self) -> Path:
        return self._base / os.path.expanduser(self._rest)

    def _exposure(self, mode: int) -> str | None:
        if not mode & READABLE_BY_OTHERS or not stat.S_ISREG(mode):
            return None
        path = str(self._path())
        return f"the password file {path} can be read by others; run: chmod o-rwx {shlex.quote(path)}"

    def _argv(self) -> list[str]:
        try:
            argv = shlex.split(self._rest)
        except ValueError:
            raise ValueError("has an unclosed quote after 'command:'; close it") from None
        if not argv:
            raise ValueError("names no program after 'command:'; write command:PROGRAM ARGUMENTS")
        return [os.path.expanduser(argv[0]), *argv[1:]]

    def _run(self, timeout_secs: float) -> bytes:
        argv = self._argv()
        # The arguments may well hold a token of the password store, so only the program is ever named.
        return command.run(argv, timeout_secs=timeout_secs, cwd=self._base, secrets=argv[1:])

    def _read_file(self) -> bytes:
        path = self._path()
        try:
            with path.open("rb") as file:
                exposure = self._exposure(os.fstat(file.fileno()).st_mode)
                data = file.read(LIMIT_BYTES + 1)
        except OSError as error:
            raise ConfigError(f"{self._label}: cannot read {path}: {error.strerror}") from error
        if exposure:
            raise ConfigError(f"{self._label}: {exposure}")
        return data

    def _first_line(self, data: bytes) -> str:
        if len(data) > LIMIT_BYTES:
            raise ConfigError(f"{self._label}: '{self.kind}:' gave more than {LIMIT_BYTES} bytes; that is no password")
        line = data.split(b"\n", 1)[0].removesuffix(b"\r")
        try:
            return self._checked(line.decode())
        except UnicodeDecodeError:
            # Without the cause, which would quote a byte of the password.
            raise ConfigError(
                f"{self._label}: '{self.kind}:' gave bytes that are not UTF-8; store it as UTF-8"
            ) from None

    def _checked(self, secret: str) -> str:
        if not secret:
            raise ConfigError(f"{self._label}: '{self.kind}:' gave an empty password")
        if not is_sendable(secret):
            raise ConfigError(f"{self._label}: '{self.kind}:' gave a password with control characters in it")
        return secret


def _decoded(text: str) -> str:
    try:
        secret = base64.b64decode(text, validate=True).decode()
    except ValueError:  # binascii.Error and UnicodeDecodeError are both; neither may be quoted
        secret = ""
    if not secret or not is_sendable(secret):
        raise ValueError("is not a password in base64 after 'base64:'; make one with: printf %s PASSWORD | base64")
    return secret


def is_sendable(text: str) -> bool:
    """Return whether it can go into one line of a protocol: a line break in it would be a second command."""
    return not any((ord(char) < 32 and char != "\t") or ord(char) == 127 for char in text)
