"""A mailbox on throw-away directories, and polls of it: what the daemon does, without its process."""

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

from ftpretrieve.deadline import Deadline
from ftpretrieve.files import Door
from ftpretrieve.retrieve.ftp import FtpRemote
from ftpretrieve.retrieve.ftp_control import Account
from ftpretrieve.retrieve.journal import Journal
from ftpretrieve.retrieve.mailbox import Mailbox, Rules
from ftpretrieve.retrieve.poller import Poller
from ftpretrieve.retrieve.records import MOVES, PollResult
from ftpretrieve.retrieve.staging import Staging, check_owner
from ftpretrieve.retrieve.watchdog import Watchdog

LOG = logging.getLogger("test.mailbox")


def make_mailbox(
    directory: Path, remote_directory: bytes = b"", *, door: Door | None = None, staging: str = "staging", **rules: Any
) -> Mailbox:
    """Open journal, staging and sync below `directory`; a second call is a second process's view of the same."""
    (directory / "sync").mkdir(exist_ok=True)
    place = Staging(bytes(directory / staging), bytes(directory / "sync"), min_free_bytes=0, door=door)
    place.prepare()
    journal = Journal(directory / "journal.db", door=door)
    enforce_moves(journal)
    check_owner(place, journal.journal_id)
    return Mailbox(journal, place, remote_directory, Rules(**{"settle_secs": 0.0, **rules}), LOG)


def enforce_moves(journal: Journal) -> None:
    """Let every update that is not an allowed move of a row's state fail, for as long as this connection lives."""
    journal.db.execute("CREATE TEMP TABLE moves (before TEXT, after TEXT)")
    moves = [(before, after) for before, targets in MOVES.items() for after in targets]
    journal.db.executemany("INSERT INTO temp.moves VALUES (?, ?)", moves)
    journal.db.execute(
        f"CREATE TEMP TRIGGER enforced BEFORE UPDATE OF state ON main.{journal.table}"
        " WHEN NOT EXISTS (SELECT 1 FROM temp.moves WHERE before = old.state AND after = new.state)"
        " BEGIN SELECT RAISE(ABORT, 'a move that is not allowed'); END"
    )


def poll_ftp(
    mailbox: Mailbox, server: Any, limit_secs: float = 60.0, *, account: Account | None = None, **options: Any
) -> PollResult:
    """Poll a server of `tests.servers` (or anything with host, port, user, password) once; `account` says how."""
    deadline = Deadline(limit_secs)
    account = account or Account(server.host, server.port, server.user, server.password)
    remote = FtpRemote(account, mailbox.directory, deadline, mailbox.log, **options)
    with Watchdog(mailbox.log).watch(remote, deadline, mailbox.stop):
        return Poller(mailbox, remote, deadline).poll()


def digests(directory: Path) -> dict[bytes, str]:
    """Return name -> SHA-256 of every file below a directory; our own are left out."""
    found = {}
    top = os.fsencode(directory)
    for parent, directories, names in os.walk(top):
        directories[:] = [name for name in directories if not name.startswith(b".ftpretrieve")]
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, top)] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def synced(mailbox: Mailbox) -> dict[bytes, str]:
    """Return name -> SHA-256 of what lies in the sync directory."""
    return digests(Path(os.fsdecode(mailbox.staging.sync)))
