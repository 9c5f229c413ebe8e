"""A whole mailbox against a server in memory, in given time: put files there, poll, kill, restart, count what came.

Time does not pass by itself: `Clock` is wall time, monotonic time and `stop.wait` in one, so a poll that waits five
seconds takes none. `World.taken` is what a consumer got: it moves files out of the sync directory and never gives back.
"""

import ast
import logging
import os
import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from ftpretrieve.deadline import Deadline
from ftpretrieve.files import Door
from ftpretrieve.retrieve.journal import Journal
from ftpretrieve.retrieve.mailbox import Mailbox, Rules
from ftpretrieve.retrieve.poller import Poller
from ftpretrieve.retrieve.records import PollResult
from ftpretrieve.retrieve.staging import Staging, check_owner
from tests.retrieve.memory_remote import MLSD, MemoryRemote, MemoryServer, Style

BEGAN = 1_800_000_010.0
"""A wall time well inside a minute, so that a file written now and one written ten seconds later share their minute."""


class Clock(threading.Event):
    """Time that only passes when somebody waits, and the `stop` of a mailbox."""

    def __init__(self) -> None:
        super().__init__()
        self.wall = BEGAN
        self.elapsed = 0.0

    def now(self) -> float:
        """Return the wall time, which a test may set."""
        return self.wall

    def monotonic(self) -> float:
        """Return the seconds since the beginning."""
        return self.elapsed

    def advance(self, secs: float) -> None:
        """Let time pass."""
        self.wall += secs
        self.elapsed += secs

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time-out pass at once, unless stopped."""
        if self.is_set():
            return True
        assert timeout is not None, "nothing may wait for ever"
        self.advance(timeout)
        return False


class Lines(logging.Handler):
    """The log of a world, as lines that a restart does not lose."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class World:
    """One mailbox below a directory, its server, its consumer and its log."""

    def __init__(self, top: Path, style: Style = MLSD, **rules: Any) -> None:
        self.top, self.rules = top, Rules(**{"settle_secs": 5.0, **rules})
        self.clock = Clock()
        self.server = MemoryServer(self.clock.now, style)
        self.sync, self.staging = top / "sync", top / "staging"
        self.taken: list[tuple[str, bytes, int]] = []
        self.log = logging.Logger("world", logging.INFO)  # noqa: LOG001  of this world alone, so that worlds do not mix
        self.records = Lines()
        self.log.addHandler(self.records)
        self.mailbox: Mailbox | None = None
        self.sync.mkdir(parents=True, exist_ok=True)

    @property
    def lines(self) -> list[str]:
        """Every line of the log so far."""
        return self.records.lines

    @property
    def box(self) -> Mailbox:
        """The mailbox, opened when it is not."""
        if self.mailbox is None:
            self.boot()
        assert self.mailbox is not None
        return self.mailbox

    def boot(self, door: Door | None = None, directory: bytes = b"", *, new_journal: bool = False) -> Mailbox:
        """Build what a new process would, on the directories as they are."""
        self.halt()
        staging = Staging(bytes(self.staging), bytes(self.sync), min_free_bytes=0, door=door)
        staging.prepare()
        journal = Journal(self.top / "journal.db", door=door)
        try:
            check_owner(staging, journal.journal_id, new_journal=new_journal)
        except BaseException:
            journal.close()
            raise
        clock = self.clock
        self.mailbox = Mailbox(journal, staging, directory, self.rules, self.log, clock, clock.now, clock.monotonic)
        return self.mailbox

    def halt(self) -> None:
        """End the process, if one runs."""
        if self.mailbox is not None:
            self.mailbox.journal.close()
            self.mailbox = None

    def poll(self, limit_secs: float = 300.0, server: MemoryServer | None = None) -> PollResult:
        """Poll once."""
        deadline = Deadline(limit_secs, self.clock.monotonic)
        return Poller(self.box, MemoryRemote(server or self.server, deadline), deadline).poll()

    def poll_again(self, secs: float = 600.0) -> PollResult:
        """Let the usual time between two polls pass, and poll."""
        self.clock.advance(secs)
        return self.poll()

    def settle(self, polls: int = 4) -> None:
        """Poll until the server has nothing left to tell: rechecks and second tries included."""
        for _ in range(polls):
            self.consume()
            self.poll_again()
        self.consume()

    def consume(self) -> list[str]:
        """Move everything out of the sync directory, and return the names."""
        names = []
        for parent, directories, files in os.walk(self.sync):
            directories[:] = [name for name in directories if not name.startswith(".ftpretrieve")]
            for name in files:
                path = Path(parent, name)
                names.append(str(path.relative_to(self.sync)))
                self.taken.append((names[-1], path.read_bytes(), int(path.stat().st_mtime)))
                path.unlink()
        return sorted(names)

    @property
    def got(self) -> Counter[tuple[str, bytes]]:
        """How often each (name, content) came."""
        return Counter((name, content) for name, content, _ in self.taken)

    @property
    def told(self) -> list[tuple[str, int | None, str]]:
        """What the FILESDOWNLOADED lines say."""
        lines = [line.partition(" ")[2] for line in self.lines if line.startswith("FILESDOWNLOADED ")]
        return [row for line in lines for row in ast.literal_eval(line)]

    def states(self) -> dict[str, int]:
        """How many rows are in each state."""
        return self.box.journal.counts()

    def rows(self, column: str) -> list[object]:
        """One column of the journal, oldest row first."""
        return [row[column] for row in sorted(self.box.journal.history(limit=1000), key=lambda row: str(row["id"]))]

    def sessions(self) -> list[str]:
        """The session directories that lie in staging."""
        return sorted(name for name in os.listdir(self.staging) if not name.startswith(".") and name != "rejected")

    def remove(self) -> None:
        """Free the disk: a test may make thousands of worlds."""
        self.halt()
        shutil.rmtree(self.top)
