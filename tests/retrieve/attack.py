"""An attack: a mailbox polls a server that fails on purpose, and what must hold whatever a server does is checked."""

import ast
import logging
import os
import threading
import time
from pathlib import Path

import psutil

from ftpretrieve.deadline import Deadline
from ftpretrieve.retrieve.ftp import FtpRemote
from ftpretrieve.retrieve.ftp_control import Account
from ftpretrieve.retrieve.poller import Poller
from ftpretrieve.retrieve.records import PollResult
from ftpretrieve.retrieve.watchdog import Watchdog
from tests.faultserver import FaultServer
from tests.mailboxes import make_mailbox

GRACE_SECS = 20.0
"""What a session may take beyond its limit: a second, and the rest for a machine that has much else to do.

One that its limit does not end goes on for a minute, until the server has been silent for too long."""

OLD = "20200102030405"
"""A time that is over in every zone: such files are at rest, and nothing waits for their second to end."""


class Attack:
    """Polls of one mailbox below `directory`; after each, nothing wrong lies anywhere and nothing is left open.

    `truth` maps a name to every content that may be delivered under it. Use as a context manager.
    """

    def __init__(self, directory: Path, server: FaultServer, remote_directory: bytes = b"", **rules: object) -> None:
        self.server, self.directory = server, directory
        self.truth = {name: {content} for name, (content, _) in server.files.items()}
        self.lines: list[str] = []
        self.results: list[PollResult] = []
        self.mailbox = make_mailbox(directory, remote_directory, **{"settle_secs": 0.05, **rules})
        self.mailbox.log = logging.Logger("attack")  # noqa: LOG001  nobody else has this one
        self.mailbox.publisher._log = self.mailbox.log
        handler = logging.Handler()
        handler.emit = lambda record: self.lines.append(record.getMessage())  # type: ignore[method-assign]
        self.mailbox.log.addHandler(handler)
        self._open_before = self._open()

    def __enter__(self) -> "Attack":
        return self

    def __exit__(self, *_: object) -> None:
        self.mailbox.journal.close()

    def poll(self, limit_secs: float = 60.0, silence_secs: float = 60.0, **options: object) -> PollResult:
        """Poll once and check all that must hold."""
        deadline = Deadline(limit_secs)
        account = Account(self.server.host, self.server.port, self.server.user, self.server.password, silence_secs)
        remote = FtpRemote(account, self.mailbox.directory, deadline, self.mailbox.log, **options)
        started = time.monotonic()
        with Watchdog(self.mailbox.log).watch(remote, deadline, self.mailbox.stop):
            result = Poller(self.mailbox, remote, deadline).poll()
        took = time.monotonic() - started
        assert took < limit_secs + GRACE_SECS
        self.results.append(result)
        if result.error is not None:
            self.lines.append(str(result.error))
        self._check()
        return result

    def heal(self, **options: object) -> PollResult:
        """Poll the healed server once: all its files lie there, each delivered once."""
        self.server.heal()
        result = self.poll(30.0, **options)
        assert result.error is None
        assert self.synced() == {name: content for name, (content, _) in self.server.files.items()}
        assert sorted(self.delivered()) == sorted(self.server.files)
        return result

    def synced(self) -> dict[bytes, bytes]:
        """Return what a consumer sees: name -> content."""
        top, found = self.mailbox.staging.sync, {}
        for parent, directories, names in os.walk(top):
            directories[:] = [name for name in directories if not name.startswith(b".ftpretrieve")]
            for name in names:
                path = os.path.join(parent, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, top)] = file.read()
        return found

    def delivered(self) -> list[bytes]:
        """Return the names of the FILESDOWNLOADED lines, in order."""
        told = [line for line in self.lines if line.startswith("FILESDOWNLOADED")]
        return [os.fsencode(name) for line in told for _, _, name in ast.literal_eval(line.partition(" ")[2])]

    def said(self, *words: str) -> bool:
        """Say whether one line has all these words."""
        return any(all(word in line for word in words) for line in self.lines)

    def _check(self) -> None:
        for name, content in self.synced().items():
            assert content in self.truth[name], f"{name!r} is wrong or partial: {len(content)} bytes"
        assert {path.name.partition("-")[0] for path in self.directory.iterdir()} <= {"sync", "staging", "journal.db"}
        for line in self.lines:
            assert self.server.password not in line
            assert line.isprintable(), line
        for path in self.directory.glob("journal.db*"):
            assert self.server.password.encode() not in path.read_bytes()
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("fetch", "ftpretr"))]
        ended = time.monotonic() + GRACE_SECS  # the server's threads close theirs a moment later
        while self._open() > self._open_before and time.monotonic() < ended:
            time.sleep(0.01)
        assert self._open() <= self._open_before

    def _open(self) -> int:
        """Return how many descriptors of this process are not the server's."""
        return psutil.Process().num_fds() - sum(sock.fileno() >= 0 for sock in self.server.sockets)
