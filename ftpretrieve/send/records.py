"""The values that the parts of send hand each other.

A path below the directory that is sent is a `str` with slashes, never absolute, without `.` and `..`; bytes that are no
UTF-8 are spelt as `os.fsdecode` spells them. Times are seconds since the epoch in UTC. Pure: no input or output.
"""

import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from ftpretrieve.passwords import Secret

GB = 1024**3
"""What logbooks, limits and the XML of a transaction have always called a GB."""

DATE_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
"""Dates of logbooks and of the XML: ISO 8601, UTC, whole seconds."""

ID_FORM = re.compile(r"[A-Za-z0-9]{1,16}")
"""What the id of a transaction may be. It becomes a name here and at the server, so nothing else may pass."""


def format_date(epoch_secs: float) -> str:
    """Write a time as logbooks and transactions have it."""
    return datetime.fromtimestamp(epoch_secs, UTC).strftime(DATE_FORMAT)


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration. A program that is None is looked for in PATH; a limit that is None does not exist."""

    node: str
    password: Secret
    data_types: tuple[str, ...]
    working_directory: Path  # for what lives as long as the command
    logbook: Path
    log_file: Path | None  # None: only people are told, on standard error
    log_level: str
    du: Path | None
    du_arguments: tuple[str, ...]
    rsync: Path | None
    server: str
    port: int
    compress: bool
    timeout_secs: float  # of silence
    extra_arguments: tuple[str, ...]
    retries: int
    status_module: str
    max_secs: float  # for a whole send, all attempts and waits included
    bandwidth_kb: int | None  # KB a second
    weekly_gb: float
    max_files: int | None  # a transaction
    max_gb: float | None  # a transaction

    @property
    def address(self) -> str:
        """Return where the data centre is."""
        return f"{self.server}:{self.port}"

    @property
    def transactions(self) -> Path:
        """Return the directory that remembers transactions. Beside the logbook, since it has to last as long."""
        return self.logbook.with_name(self.logbook.name + ".transactions")


@dataclass(frozen=True, slots=True)
class SeenFile:
    """One file as it was when the snapshot was taken."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A directory at one time: what is sent of it. `left_out`: path and reason of what rsync does not send."""

    files: tuple[SeenFile, ...]  # sorted by path
    empty_directories: tuple[str, ...] = ()  # sorted
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def total_bytes(self) -> int:
        """Return the sum of the sizes of the files."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """Return what two snapshots of an unchanged directory have in common."""
        rows = [*((file.path, file.size, file.mtime_ns) for file in self.files), *self.empty_directories]
        return hashlib.sha256("\0".join(map(repr, rows)).encode()).hexdigest()


def layout(directory: str) -> str:
    """Return what the data centre sees of the name of a directory: nothing if its content goes, else name and slash."""
    return "" if directory.endswith("/") else posixpath.basename(directory) + "/"


class State(StrEnum):
    """How far a transaction has come."""

    SENDING = "sending"  # begun; resumed under its id when nobody is at work on it
    SENT = "sent"  # complete at the server, and in the logbook
    FINISHED = "finished"  # the data centre has said its last word
    ABANDONED = "abandoned"  # given up for a new one by --restart


MOVES = {
    State.SENDING: {State.SENT, State.ABANDONED},
    State.SENT: {State.FINISHED},
    State.FINISHED: set(),
    State.ABANDONED: set(),
}
"""What each state may become; an absent move is a mistake of the program."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What is remembered of one transaction from before its first byte on. `snapshot` is kept while it is sending."""

    id: str
    node: str
    directory: str  # absolute; with a slash at its end when its content goes, without when it goes itself
    data_type: str
    started: float
    size_gb: float  # as du counts
    digest: str  # of the snapshot
    files: int
    total_bytes: int
    state: State = State.SENDING
    snapshot: Snapshot | None = None
    server: str = ""  # `Settings.address`; '' for what another program has sent

    @property
    def sends_content(self) -> bool:
        """Return whether the content goes below the id itself, as rsync has it for `DIR/`, and not into `DIR`."""
        return self.directory.endswith("/")

    def remote_path(self, path: str) -> str:
        """Return where a file of the directory lies below `ID/` at the server: what the XML lists."""
        return layout(self.directory) + path


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the logbook. `others`: keys of it that this program does not know, kept as they are."""

    date: str  # DATE_FORMAT
    node: str
    directory: str
    transaction_id: str
    size_gb: float
    data_type: str
    others: Mapping[str, Any] = field(default_factory=dict)
