"""The values that the parts of mirror hand each other.

A path below one of the two directories is a `str` with slashes, never absolute, without `.` and `..`; bytes that are no
UTF-8 are spelt as `os.fsdecode` spells them. Pure: no input or output, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ftpretrieve.mirror.options import MaxDelete
from ftpretrieve.passwords import Secret


class Protocol(StrEnum):
    """How the server is spoken to. FTPS upgrades a plain connection (AUTH TLS), FTPS_IMPLICIT begins with TLS."""

    FTP = "ftp"
    FTPS = "ftps"
    FTPS_IMPLICIT = "ftps-implicit"
    SFTP = "sftp"


@dataclass(frozen=True, slots=True)
class Server:
    """Where to log in. `user` None: anonymous. `password` None: none is sent (SFTP then uses the keys of SSH)."""

    protocol: Protocol
    host: str
    port: int | None = None
    user: str | None = None
    password: Secret | None = None
    key_file: Path | None = None  # SFTP: this private key and no other
    ca_file: Path | None = None  # TLS: trust what these certificates signed instead of what the system trusts


SMTPS_PORT = 465
"""Where mail servers expect TLS from the first byte on."""


@dataclass(frozen=True, slots=True)
class Mail:
    """Where the report goes. Empty `recipients`: the local user. `security`: see `delivery`."""

    server: str = "localhost"
    port: int | None = None  # None: 25, or SMTPS_PORT with security tls
    user: str = ""
    password: Secret | None = None
    sender: str = ""
    recipients: tuple[str, ...] = ()
    security: str = "auto"  # or none, starttls, tls


@dataclass(frozen=True, slots=True)
class Job:
    """One directory to be kept alike. `options`: value of each row of `options.OPTIONS`, by its `name`."""

    name: str  # section of the file, or "shell"
    server: Server
    remote: str  # as the user wrote it
    local: Path  # absolute
    options: Mapping[str, object] = field(default_factory=dict)
    mail: Mail | None = None  # None: --no-email
    notes: tuple[str, ...] = ()  # what the user should know about how it was configured; said in the report too

    def wants(self, option: str) -> bool:
        """Return whether an option was given, by its name in `options.OPTIONS`."""
        return bool(self.options.get(option))

    @property
    def max_delete(self) -> MaxDelete | None:
        """Return the most that may be deleted, None for the default."""
        limit = self.options.get("max_delete")
        return limit if isinstance(limit, MaxDelete) else None

    @property
    def reverse(self) -> bool:
        """Return whether it uploads."""
        return self.wants("reverse")


class Kind(StrEnum):
    """What a path is."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"  # socket, device, ...: never touched


@dataclass(frozen=True, slots=True)
class Entry:
    """What was seen at a path. Two are equal when nothing shows that it changed in between.

    `size` in bytes, None where the listing has none (directories always). `stamp`: mtime as it was shown, local in
    nanoseconds, remote as text of the listing; for directories always None, since every removal in one changes it.
    """

    kind: Kind
    size: int | None = None
    stamp: int | str | None = None


Tree = Mapping[str, Entry]
"""path below the directory -> what it is; the directory itself is not in it."""


class Verdict(StrEnum):
    """How a job ended."""

    OK = "ok"
    FAILED = "failed"
    REFUSED = "refused"  # the plan would have removed too much; nothing was changed
    AWAY = "away"  # the server could not be reached, or fell silent
    LOCKED = "locked"  # another run works on this local directory


@dataclass(frozen=True, slots=True)
class Result:
    """What a job came to. `reasons`: one line for each thing that went wrong, '' never."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    transferred: int = 0  # files and links
    transferred_bytes: int = 0
    deleted: int = 0  # files, links and directories, at the target and by --del-source
    failed: int = 0  # files, links and directories that were planned and are not as planned
    secs: float = 0.0
    dry_run: bool = False  # then the figures are what would be done
