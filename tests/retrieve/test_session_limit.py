"""A server may be silent, slow or endless at any stage: the session ends at its limit, and the next poll works."""

import hashlib
import os
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ftpretrieve.errors import RemoteUnavailable, SessionExpired
from ftpretrieve.retrieve.mailbox import Mailbox
from ftpretrieve.retrieve.records import PollResult
from tests.faultserver import FaultServer
from tests.mailboxes import digests, make_mailbox, poll_ftp
from tests.pyftp import PyFtpServer
from tests.retrieve.attack import GRACE_SECS

pytestmark = [pytest.mark.slow, pytest.mark.interop]

LIMIT_SECS = 1.0
FILES = {
    b"a.bin": (b"a" * 300_000, "20260102030405"),
    b"b.bin": (b"b" * 200_000, "20260102030406"),
}


def poll(mailbox: Mailbox, server: FaultServer | PyFtpServer, limit_secs: float) -> PollResult:
    return poll_ftp(mailbox, server, limit_secs)


def sockets_and_threads() -> tuple[int, set[str]]:
    names = {thread.name for thread in threading.enumerate() if thread.name.startswith(("fetch", "watchdog"))}
    return psutil.Process().num_fds(), names


def delivered(tmp_path: Path) -> dict[bytes, str]:
    return digests(tmp_path / "sync")


EXPECTED = {name: hashlib.sha256(content).hexdigest() for name, (content, _) in FILES.items()}

SILENT = [
    "silent-greeting",
    "silent-user",
    "silent-pass",
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
    """The session ends by its limit, leaves nothing open, delivers nothing partial; then all is well."""
    # With so many directories in it a listing is longer than questions about two files, so the looks are questions.
    with FaultServer(dict(FILES), mlsd=mlsd, directories=30) as server:
        mailbox = make_mailbox(tmp_path, settle_secs=0)
        before = sockets_and_threads()
        server.fault = fault
        started = time.monotonic()
        result = poll(mailbox, server, LIMIT_SECS)
        took = time.monotonic() - started
        assert isinstance(result.error, SessionExpired), result
        assert took < LIMIT_SECS + GRACE_SECS
        assert not {name: digest for name, digest in delivered(tmp_path).items() if EXPECTED[name] != digest}
        server.fault = None
        healed = poll(mailbox, server, 20)
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
    result = poll_ftp(mailbox, SimpleNamespace(host="127.0.0.1", port=port, user="u", password="p"), LIMIT_SECS)
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
        poll(mailbox, server, 3)
        assert delivered(tmp_path) == {}
        server.fault = None
        assert poll(mailbox, server, 20).delivered == 2
        assert delivered(tmp_path) == EXPECTED
    mailbox.journal.close()


def test_a_body_without_its_226_is_whole_by_count_and_second_look(tmp_path: Path) -> None:
    """The limit falls between the last byte and the reply: the file is kept and needs no second RETR."""
    with FaultServer(dict(FILES)) as server:
        mailbox = make_mailbox(tmp_path, settle_secs=0.2)
        server.fault = "retr-no-226"
        poll(mailbox, server, 2.5)
        server.fault = None
        poll(mailbox, server, 20)
        assert delivered(tmp_path) == EXPECTED
        assert sum(command.startswith("RETR") for command in server.commands) == len(FILES)
    mailbox.journal.close()


@pytest.mark.parametrize("mlsd", [True, False], ids=["mlsd", "list"])
def test_the_limit_between_last_byte_and_second_look_costs_no_second_download(mlsd: bool, tmp_path: Path) -> None:
    """What has arrived is kept; the next poll looks at it and publishes it."""
    with FaultServer(dict(FILES), mlsd=mlsd) as server:
        mailbox = make_mailbox(tmp_path, settle_secs=3)
        first = poll(mailbox, server, 2.5)
        assert isinstance(first.error, SessionExpired)
        assert (first.fetched, first.delivered) == (2, 0)
        second = poll(mailbox, server, 20)
        assert (second.fetched, second.delivered) == (0, 2)
        assert delivered(tmp_path) == EXPECTED
        assert sum(command.startswith("RETR") for command in server.commands) == len(FILES)
    mailbox.journal.close()


def test_a_reply_without_end_is_cut(tmp_path: Path) -> None:
    """A hostile reply neither fills the memory nor outlives the limit."""
    with FaultServer(dict(FILES)) as server:
        mailbox = make_mailbox(tmp_path, settle_secs=0)
        server.fault = "reply-flood"
        result = poll(mailbox, server, 5)
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
        result = poll(mailbox, server, 60)
        assert isinstance(result.error, SessionExpired)
        assert time.monotonic() - started < 1.0 + GRACE_SECS
        timer.join()
    mailbox.journal.close()


def test_a_file_longer_than_a_session_is_gone_on_with(pyftp: PyFtpServer, tmp_path: Path) -> None:
    """What a session received of a version at rest is kept; the next goes on from there, and the whole is right."""
    content = os.urandom(6_000_000)
    pyftp.put("long.bin", content, time.time() - 200_000)
    pyftp.bytes_per_sec = 2_000_000
    mailbox = make_mailbox(tmp_path, settle_secs=0)
    results = [poll(mailbox, pyftp, 2.0)]
    while not results[-1].delivered and len(results) < 8:
        results.append(poll(mailbox, pyftp, 2.0))
    assert len(results) > 1
    assert results[-1].delivered == 1
    assert (tmp_path / "sync/long.bin").read_bytes() == content
    assert pyftp.commands["REST"] == len(results) - 1
    assert all(result.failed == 0 for result in results)
    mailbox.journal.close()


def test_a_kept_beginning_is_forgotten_when_the_file_changes(pyftp: PyFtpServer, tmp_path: Path) -> None:
    """Another version begins at its own first byte."""
    pyftp.put("long.bin", os.urandom(6_000_000), time.time() - 200_000)
    pyftp.bytes_per_sec = 2_000_000
    mailbox = make_mailbox(tmp_path, settle_secs=0)
    poll(mailbox, pyftp, 2.0)
    other = os.urandom(6_000_000)
    pyftp.put("long.bin", other, time.time() - 300_000)
    pyftp.bytes_per_sec = 0
    assert poll(mailbox, pyftp, 20).delivered == 1
    assert (tmp_path / "sync/long.bin").read_bytes() == other
    assert pyftp.commands["REST"] == 0
    mailbox.journal.close()


def test_a_file_of_which_a_session_brings_hardly_anything_is_told(
    pyftp: PyFtpServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Too little came to be worth keeping; a session too short for the file is the reason given."""
    pyftp.put("long.bin", os.urandom(6_000_000), None)
    pyftp.bytes_per_sec = 100_000
    mailbox = make_mailbox(tmp_path, settle_secs=0)
    assert str(poll(mailbox, pyftp, 1.5).error) == "RETR long.bin"
    assert "FILEFAILED name=long.bin" in caplog.text
    assert "longer-than-session" in caplog.text
    mailbox.journal.close()
