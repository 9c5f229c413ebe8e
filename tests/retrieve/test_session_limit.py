"""A server may be silent, slow or endless at any stage: the session ends at its limit, and the next poll works."""

import hashlib
import logging
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import RemoteUnavailable, SessionExpired
from ftpretrieve.retrieve.ftp import FtpRemote
from ftpretrieve.retrieve.ftp_control import Account
from ftpretrieve.retrieve.journal import Journal
from ftpretrieve.retrieve.mailbox import Mailbox, Rules
from ftpretrieve.retrieve.poller import Poller
from ftpretrieve.retrieve.records import PollResult
from ftpretrieve.retrieve.staging import Staging, check_owner
from ftpretrieve.retrieve.watchdog import Watchdog
from tests.faultserver import FaultServer

pytestmark = [pytest.mark.slow, pytest.mark.interop]

LOG = logging.getLogger("test.session")
LIMIT_SECS = 1.0
GRACE_SECS = 2.0
FILES = {
    b"a.bin": (b"a" * 300_000, "20260102030405"),
    b"b.bin": (b"b" * 200_000, "20260102030406"),
}


def make_mailbox(tmp_path: Path, settle_secs: float) -> Mailbox:
    (tmp_path / "sync").mkdir()
    staging = Staging(bytes(tmp_path / "staging"), bytes(tmp_path / "sync"), min_free_bytes=0)
    staging.prepare()
    journal = Journal(tmp_path / "journal.db")
    check_owner(staging, journal.journal_id)
    return Mailbox(journal, staging, b"", Rules(settle_secs=settle_secs), LOG)


def poll(mailbox: Mailbox, port: int, limit_secs: float) -> PollResult:
    deadline = Deadline(limit_secs)
    remote = FtpRemote(Account("127.0.0.1", port, "u", "p"), b"", deadline, LOG)
    with Watchdog(LOG).watch(remote, deadline, mailbox.stop):
        return Poller(mailbox, remote, deadline).poll()


def sockets_and_threads() -> tuple[int, set[str]]:
    names = {thread.name for thread in threading.enumerate() if thread.name.startswith(("fetch", "watchdog"))}
    return psutil.Process().num_fds(), names


def delivered(tmp_path: Path) -> dict[bytes, str]:
    return {
        bytes(path.name, "ascii"): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "sync").iterdir()
        if path.is_file()
    }


EXPECTED = {name: hashlib.sha256(content).hexdigest() for name, (content, _) in FILES.items()}

SILENT = [
    "greeting",
    "user",
    "pass",
    "list-before-data",
    "list-mid-data",
    "list-no-226",
    "retr-before-data",
    "retr-mid-data",
    "look-silent",
    "slow",
]


@pytest.mark.parametrize("mlsd", [True, False], ids=["mlsd", "list"])
@pytest.mark.parametrize("fault", SILENT)
def test_a_silent_server_costs_one_session_and_nothing_else(fault: str, mlsd: bool, tmp_path: Path) -> None:
    """The session ends within its limit and 2 s, leaves nothing open, delivers nothing partial; then all is well."""
    with FaultServer(dict(FILES), mlsd=mlsd) as server:
        mailbox = make_mailbox(tmp_path, settle_secs=0)
        before = sockets_and_threads()
        server.fault = fault
        started = time.monotonic()
        result = poll(mailbox, server.port, LIMIT_SECS)
        took = time.monotonic() - started
        assert isinstance(result.error, SessionExpired), result
        assert took < LIMIT_SECS + GRACE_SECS
        assert not {name: digest for name, digest in delivered(tmp_path).items() if EXPECTED[name] != digest}
        server.fault = None
        healed = poll(mailbox, server.port, 20)
        assert healed.error is None
        assert delivered(tmp_path) == EXPECTED
    fds, names = sockets_and_threads()
    assert names == before[1] == set()
    assert fds <= before[0]  # the server, in this process too, has closed its own
    mailbox.journal.close()


def test_a_full_backlog_ends_with_the_limit(tmp_path: Path) -> None:
    """A server that never answers a SYN holds the session no longer than its limit."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = listener.getsockname()[1]
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        fillers.append(filler)
    time.sleep(0.1)
    mailbox = make_mailbox(tmp_path, settle_secs=0)
    started = time.monotonic()
    result = poll(mailbox, port, LIMIT_SECS)
    assert isinstance(result.error, SessionExpired | RemoteUnavailable)
    assert time.monotonic() - started < LIMIT_SECS + GRACE_SECS
    for sock in [listener, *fillers]:
        sock.close()
    mailbox.journal.close()


@pytest.mark.parametrize("fault", ["endless", "long", "short-226", "drop-control"])
def test_a_wrong_body_is_never_delivered(fault: str, tmp_path: Path) -> None:
    """Longer, endless, shorter or cut bodies are discarded; the right ones come with the next poll."""
    with FaultServer(dict(FILES)) as server:
        mailbox = make_mailbox(tmp_path, settle_secs=0)
        server.fault = fault
        poll(mailbox, server.port, 3)
        assert delivered(tmp_path) == {}
        server.fault = None
        assert poll(mailbox, server.port, 20).delivered == 2
        assert delivered(tmp_path) == EXPECTED
    mailbox.journal.close()


def test_a_body_without_its_226_is_whole_by_count_and_second_look(tmp_path: Path) -> None:
    """The limit falls between the last byte and the reply: the file is kept and needs no second RETR."""
    with FaultServer(dict(FILES)) as server:
        mailbox = make_mailbox(tmp_path, settle_secs=0.2)
        server.fault = "retr-no-226"
        poll(mailbox, server.port, 2.5)
        server.fault = None
        poll(mailbox, server.port, 20)
        assert delivered(tmp_path) == EXPECTED
        assert sum(command.startswith("RETR") for command in server.commands) == len(FILES)
    mailbox.journal.close()


@pytest.mark.parametrize("mlsd", [True, False], ids=["mlsd", "list"])
def test_the_limit_between_last_byte_and_second_look_costs_no_second_download(mlsd: bool, tmp_path: Path) -> None:
    """What has arrived is kept; the next poll looks at it and publishes it."""
    with FaultServer(dict(FILES), mlsd=mlsd) as server:
        mailbox = make_mailbox(tmp_path, settle_secs=3)
        first = poll(mailbox, server.port, 2.5)
        assert isinstance(first.error, SessionExpired)
        assert (first.fetched, first.delivered) == (2, 0)
        second = poll(mailbox, server.port, 20)
        assert (second.fetched, second.delivered) == (0, 2)
        assert delivered(tmp_path) == EXPECTED
        assert sum(command.startswith("RETR") for command in server.commands) == len(FILES)
    mailbox.journal.close()


def test_a_reply_without_end_is_cut(tmp_path: Path) -> None:
    """A hostile reply neither fills the memory nor outlives the limit."""
    with FaultServer(dict(FILES)) as server:
        mailbox = make_mailbox(tmp_path, settle_secs=0)
        server.fault = "reply-flood"
        result = poll(mailbox, server.port, 5)
        assert isinstance(result.error, RemoteUnavailable)
        assert "login" in str(result.error) or "USER" in str(result.error)
    mailbox.journal.close()


def test_a_stop_ends_a_session_that_hangs(tmp_path: Path) -> None:
    """Stopping does not wait for a silent server."""
    with FaultServer(dict(FILES)) as server:
        mailbox = make_mailbox(tmp_path, settle_secs=0)
        server.fault = "retr-mid-data"
        timer = threading.Timer(1.0, mailbox.stop.set)
        timer.start()
        started = time.monotonic()
        result = poll(mailbox, server.port, 60)
        assert isinstance(result.error, SessionExpired)
        assert time.monotonic() - started < 1.0 + GRACE_SECS
        timer.join()
    mailbox.journal.close()
