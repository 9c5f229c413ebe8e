"""FTPS: whole polls over TLS against real servers, where it ends, and what must never be taken from a hostile one."""

import hashlib
import os
import random
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import SessionExpired
from ftpretrieve.retrieve.ftp import FtpRemote
from ftpretrieve.retrieve.ftp_control import Control
from ftpretrieve.retrieve.ftp_data import Network
from ftpretrieve.retrieve.ftp_sockets import Sockets
from ftpretrieve.retrieve.ftp_tls import Tls
from ftpretrieve.retrieve.records import Failed, Wanted
from ftpretrieve.retrieve.remote import Remote
from ftpretrieve.retrieve.staging import Session, Staging
from tests.certificates import Authority, Identity
from tests.faultserver import Conversation, says
from tests.mailboxes import LOG, digests, make_mailbox, poll_ftp, synced
from tests.retrieve.attack import GRACE_SECS
from tests.retrieve.remote_contract import RemoteContract
from tests.retrieve.test_remote import FtpPlace
from tests.retrieve.tls_checks import FILES, MakeTls, account, needs_certificates
from tests.servers import FtpServer, RealServer
from tests.tlsfaults import TlsServer
from tests.waiting import await_true

pytestmark = needs_certificates

KINDS = [
    pytest.param((software, version, implicit), id=f"{software}-{version}-{'implicit' if implicit else 'explicit'}")
    for software in ("vsftpd", "proftpd", "pure-ftpd")
    for version in ("TLSv1.2", "TLSv1.3")
    for implicit in (False, True)
    if not (implicit and software == "pure-ftpd")
]


@pytest.fixture
def tls_server(request: pytest.FixtureRequest, make_tls: MakeTls) -> FtpServer:
    return make_tls(*request.param)


every_kind = pytest.mark.parametrize("tls_server", KINDS, indirect=True)


# -- real servers ---------------------------------------------------------------------------------------------------


@pytest.mark.interop
@pytest.mark.slow
@every_kind
def test_whole_polls_go_over_tls(tls_server: FtpServer, authority: Authority, tmp_path: Path) -> None:
    """New files arrive over several connections, changed ones again, others not; each data connection has the session
    that vsftpd and proftpd ask for."""
    for number in range(30):
        tls_server.put(f"f{number}.dat", os.urandom(1000 * number), time.time() - 5000 - number)
    mailbox = make_mailbox(tmp_path)
    how = account(tls_server, authority)
    first = poll_ftp(mailbox, tls_server, account=how, connections=3)
    assert (first.error, first.listed, first.delivered, first.failed) == (None, 30, 30, 0)
    assert synced(mailbox) == digests(tls_server.root)
    assert poll_ftp(mailbox, tls_server, account=how).fetched == 0
    tls_server.put("f7.dat", b"another", time.time() - 3000)
    assert poll_ftp(mailbox, tls_server, account=how).delivered == 1
    assert synced(mailbox) == digests(tls_server.root)
    mailbox.journal.close()


@pytest.mark.interop
@every_kind
def test_every_data_connection_has_the_session(tls_server: FtpServer, authority: Authority) -> None:
    """Also on pure-ftpd, which does not ask for it, but under TLS 1.3 sends no ticket either."""
    assert isinstance(tls_server, RealServer)
    tls = tls_server.tls
    assert tls is not None
    without = tls_server.software == "pure-ftpd" and tls.version == "TLSv1.3"
    tls_server.put("a", b"a", time.time() - 5000)
    control = Control(account(tls_server, authority), Sockets(Deadline(600)))
    control.open()
    try:
        for _ in range(5):
            data = control.transfer("RETR a")
            assert data.recv(10) == b"a"
            assert data.recv(10) == b""
            control.leave(data)
            data.close()
            control.end_transfer()
            assert control.tls is not None
            facts = control.tls.facts()
            assert facts.reused is not without
            assert (facts.version, facts.subject, facts.issuer) == (tls.version, "server", "authority")
            assert facts.days_left in (9, 10)
    finally:
        control.shut(polite=True)


@pytest.mark.interop
@pytest.mark.slow
class TestFtps(RemoteContract):
    """FTPS does all that FTP does."""

    @pytest.fixture(params=KINDS)
    def place(self, request: pytest.FixtureRequest, make_tls: MakeTls, authority: Authority) -> FtpPlace:
        server = make_tls(*request.param)
        return FtpsPlace(server, authority)


class FtpsPlace(FtpPlace):
    """A directory on a server with TLS."""

    def __init__(self, server: FtpServer, authority: Authority) -> None:
        super().__init__(server)
        self._account = account(server, authority)

    def session(self) -> Remote:
        return FtpRemote(self._account, b"", Deadline(60), LOG)


@pytest.mark.interop
@pytest.mark.parametrize("software", ["vsftpd", "proftpd", "pure-ftpd"])
def test_the_server_may_connect_to_us(software: str, make_tls: MakeTls, authority: Authority, tmp_path: Path) -> None:
    """In active mode TLS is the same."""
    server = make_tls(software)
    server.put("a", b"a" * 100_000, time.time() - 5000)
    mailbox = make_mailbox(tmp_path)
    result = poll_ftp(mailbox, server, account=account(server, authority), network=Network(passive=False))
    assert (result.error, result.delivered) == (None, 1)
    mailbox.journal.close()


@pytest.mark.interop
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_the_server_is_told_that_its_end_was_understood(
    version: str, make_tls: MakeTls, authority: Authority, tmp_path: Path
) -> None:
    """vsftpd (strict_ssl_write_shutdown) takes a transfer for failed when close_notify is not answered."""
    server = make_tls("vsftpd", version, extra=["strict_ssl_write_shutdown=YES", "strict_ssl_read_eof=YES"])
    server.put("a", b"a" * 100_000, time.time() - 5000)
    mailbox = make_mailbox(tmp_path)
    result = poll_ftp(mailbox, server, account=account(server, authority))
    assert (result.error, result.delivered) == (None, 1)
    mailbox.journal.close()


@pytest.mark.interop
@pytest.mark.slow
@every_kind
def test_a_file_longer_than_a_session_is_gone_on_with(
    tls_server: FtpServer, authority: Authority, tmp_path: Path
) -> None:
    """What came before an abort is the beginning of the file and nothing else: no ciphertext, no gap."""
    content = os.urandom(6_000_000)
    tls_server.put("long.bin", content, time.time() - 200_000)
    mailbox = make_mailbox(tmp_path, settle_secs=0)
    slow = {"account": account(tls_server, authority), "network": Network(rate_bytes=2_000_000)}
    results = [poll_ftp(mailbox, tls_server, 2.0, **slow)]
    while not results[-1].delivered and len(results) < 8:
        results.append(poll_ftp(mailbox, tls_server, 2.0, **slow))
        assert all(isinstance(result.error, SessionExpired) for result in results[:-1])
    assert 1 < len(results) < 5, "each session begins anew"
    assert (tmp_path / "sync/long.bin").read_bytes() == content
    mailbox.journal.close()


# -- where TLS ends -----------------------------------------------------------------------------------------------


def test_whole_files_are_taken_from_a_server_that_never_closes_tls(
    authority: Authority, identity: Identity, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Count and reply, which came by TLS, make up for it. Of a listing nothing can: its gaps prove nothing."""
    mailbox = make_mailbox(tmp_path)
    with TlsServer(FILES, identity) as server:
        server.ends_raggedly = True
        result = poll_ftp(mailbox, server, account=account(server, authority))
    assert (result.error, result.delivered, result.failed) == (None, 2, 0)
    assert "LISTINGSUSPECT reason=truncated" in caplog.text
    mailbox.journal.close()


def test_a_listing_that_was_closed_is_not_suspect(
    authority: Authority, identity: Identity, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox = make_mailbox(tmp_path)
    with TlsServer(FILES, identity) as server:
        assert poll_ftp(mailbox, server, account=account(server, authority)).delivered == 2
    assert "LISTINGSUSPECT" not in caplog.text
    mailbox.journal.close()


@pytest.mark.parametrize("cut", [False, True], ids=["closed", "cut"])
def test_a_file_of_unknown_size_ends_where_tls_does(
    cut: bool, authority: Authority, identity: Identity, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Cut off by anybody it would be taken for whole: no size says otherwise."""
    mailbox = make_mailbox(tmp_path)
    with TlsServer(FILES, identity) as server:
        server.rows = b"".join(b"type=file;modify=%s; %s\r\n" % (row[1].encode(), name) for name, row in FILES.items())
        server.scripts["MLST"] = server.scripts["SIZE"] = says("500 unknown")
        server.ends_raggedly = cut
        result = poll_ftp(mailbox, server, account=account(server, authority))
    assert (result.delivered, result.failed) == ((0, 2) if cut else (2, 0))
    assert ("the TLS connection was cut: 300000 of unknown bytes" in caplog.text) is cut
    mailbox.journal.close()


def test_a_cut_without_the_reply_is_no_whole_file(authority: Authority, identity: Identity, tmp_path: Path) -> None:
    """Nothing that came by TLS says that the server was done."""
    mailbox = make_mailbox(tmp_path)
    with TlsServer(FILES, identity) as server:
        server.ends_raggedly = True
        server.fault = "drop-control-after"
        how = account(server, authority)
        assert poll_ftp(mailbox, server, account=how).delivered == 0
        server.heal()
        assert poll_ftp(mailbox, server, account=how).delivered == 2
    mailbox.journal.close()


@pytest.mark.parametrize("fault", ["short-226", "short-reset-226", "list-torn-226", "list-reset"])
def test_what_was_cut_is_never_taken_for_the_end(
    fault: str, authority: Authority, identity: Identity, tmp_path: Path
) -> None:
    """With or without close_notify; the next poll brings the rest."""
    mailbox = make_mailbox(tmp_path)
    whole = {name: hashlib.sha256(content).hexdigest() for name, (content, _) in FILES.items()}
    with TlsServer(FILES, identity) as server:
        how = account(server, authority)
        for server.ends_raggedly in (True, False):
            server.fault = fault
            poll_ftp(mailbox, server, 10, account=how)
            assert synced(mailbox).items() <= whole.items()
        server.heal()
        mailbox.now = lambda: time.time() + 3600
        poll_ftp(mailbox, server, account=how)
        assert synced(mailbox) == whole
    mailbox.journal.close()


# -- sessions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("implicit", [False, True], ids=["explicit", "implicit"])
def test_a_ticket_is_used_once(implicit: bool, authority: Authority, identity: Identity, tmp_path: Path) -> None:
    """Some servers forget each after its use: every data connection has the newest, that of the one before."""
    files = {b"%02d" % number: (b"x" * number, "20260102030405") for number in range(20)}
    mailbox = make_mailbox(tmp_path)
    used: list[bytes] = []
    with TlsServer(files, identity, implicit=implicit) as server:
        how = account(server, authority)
        wrap = how.tls.wrap_socket

        def recorded(sock: socket.socket, session: ssl.SSLSession | None, **options: Any) -> ssl.SSLSocket:
            if session is not None:
                used.append(session.id)
            return wrap(sock, session=session, **options)

        how.tls.wrap_socket = recorded
        result = poll_ftp(mailbox, server, account=how, connections=2)
    assert (result.error, result.delivered) == (None, 20)
    assert len(used) > 20
    assert len(set(used)) == len(used)
    mailbox.journal.close()


def test_a_ticket_that_lies_unread_is_nothing_that_the_server_said(authority: Authority, identity: Identity) -> None:
    """There is something to read then, and no reason to give the connection up."""
    with TlsServer(FILES, identity, implicit=True) as server:
        speak = threading.Event()
        server.scripts["GREETING"] = lambda conversation, _: (speak.wait(), conversation.reply("220 hi"))[1]
        sockets = Sockets(Deadline(600))
        tls = Tls(account(server, authority).tls, "localhost", sockets)
        sock = tls.wrap_control(sockets.dial("localhost", server.port, 5))
        select.select([sock], [], [])  # until the ticket comes
        assert tls.is_quiet
        speak.set()
        while tls.is_quiet:  # another ticket may lie before the greeting
            select.select([sock], [], [])
        sockets.close(sock)


def test_a_connection_is_kept_while_the_server_is_quiet(authority: Authority, identity: Identity) -> None:
    """And given up when it says goodbye by itself."""
    with TlsServer(FILES, identity) as server:
        control = Control(account(server, authority), Sockets(Deadline(600)))
        control.open()
        assert not control.is_stale
        talk: list[Conversation] = []
        server.scripts["SITE"] = lambda conversation, _: (talk.append(conversation), conversation.reply("200 ok"))[-1]
        control.voidcmd("SITE")
        assert not control.is_stale
        talk[0].reply("421 bye")
        await_true(lambda: control.is_stale)
        control.shut()


def test_one_connection_serves_a_whole_poll(authority: Authority, identity: Identity, tmp_path: Path) -> None:
    mailbox = make_mailbox(tmp_path, settle_secs=0.2)
    with TlsServer(FILES, identity) as server:
        assert poll_ftp(mailbox, server, account=account(server, authority), connections=1).delivered == 2
        assert server.connections == 1
    mailbox.journal.close()


# -- limits -------------------------------------------------------------------------------------------------------


def open_descriptors() -> int:
    return psutil.Process().num_fds()


def stall(conversation: Conversation, _: str) -> None:
    conversation.reply("234 go on")
    conversation.silence()


STALLS = ["auth", "implicit", "data", "greeting"]


@pytest.mark.slow
@pytest.mark.parametrize("where", STALLS)
def test_a_handshake_that_stalls_costs_one_session(
    where: str, authority: Authority, identity: Identity, tmp_path: Path
) -> None:
    """It ends by its limit and leaves nothing open; the next poll is well."""
    mailbox = make_mailbox(tmp_path)
    with TlsServer(FILES, identity) as server:
        how = account(server, authority)
        if where == "auth":
            server.scripts["AUTH"] = stall
        server.stalls_data = where == "data"
        server.fault = "silent-greeting" if where in ("greeting", "implicit") else None
        before, started = open_descriptors(), time.monotonic()
        result = poll_ftp(mailbox, server, 1.0, account=replace(how, implicit=where == "implicit"))
        assert time.monotonic() - started < 1.0 + GRACE_SECS
        assert isinstance(result.error, SessionExpired)
        assert open_descriptors() <= before + 2 * server.connections, "the server's own, and none of ours"
        server.heal()
        server.stalls_data = False
        assert poll_ftp(mailbox, server, account=how).delivered == 2
    mailbox.journal.close()


@pytest.mark.parametrize("where", ["handshake", "data-handshake", "data"])
def test_a_stop_wakes_what_waits_in_tls(where: str, authority: Authority, identity: Identity, tmp_path: Path) -> None:
    """Long before its limit."""
    mailbox = make_mailbox(tmp_path)
    with TlsServer(FILES, identity) as server:
        how = account(server, authority)
        if where == "handshake":
            server.scripts["AUTH"] = stall
        server.stalls_data = where == "data-handshake"
        server.fault = "retr-mid-data" if where == "data" else None
        timer = threading.Timer(0.3, mailbox.stop.set)
        timer.start()
        started = time.monotonic()
        result = poll_ftp(mailbox, server, 60.0, account=how)
        assert time.monotonic() - started < 0.3 + GRACE_SECS
        assert isinstance(result.error, SessionExpired)
        timer.join()
    mailbox.journal.close()


SILENT = ["silent-user", "list-before-data", "list-mid-data", "list-no-226", "retr-before-data", "retr-mid-data"]


@pytest.mark.slow
@pytest.mark.parametrize("implicit", [False, True], ids=["explicit", "implicit"])
@pytest.mark.parametrize("fault", SILENT)
def test_silence_within_tls_costs_one_session(
    fault: str, implicit: bool, authority: Authority, identity: Identity, tmp_path: Path
) -> None:
    """A read that waits for the rest of a record is woken like any other."""
    mailbox = make_mailbox(tmp_path)
    with TlsServer(FILES, identity, implicit=implicit) as server:
        how = account(server, authority)
        server.fault = fault
        started = time.monotonic()
        result = poll_ftp(mailbox, server, 1.0, account=how)
        assert time.monotonic() - started < 1.0 + GRACE_SECS
        assert isinstance(result.error, SessionExpired)
        assert synced(mailbox) == {}
        server.heal()
        assert poll_ftp(mailbox, server, account=how).delivered == 2
    mailbox.journal.close()


def partials(remote: Remote, item: Wanted, session: Session) -> Iterator[Path]:
    """Download until the session is ended, and yield the beginnings that are kept."""
    with suppress(SessionExpired):
        for event in remote.fetch([item], session):
            if isinstance(event, Failed) and event.partial is not None:
                yield Path(os.fsdecode(event.partial))


@pytest.mark.slow
def test_what_an_abort_leaves_behind_is_the_beginning_of_the_file(
    authority: Authority, identity: Identity, tmp_path: Path
) -> None:
    """At whatever instant it comes: never ciphertext, never a gap."""
    content = random.Random(3).randbytes(60_000_000)
    kept = 0
    (tmp_path / "sync").mkdir()
    staging = Staging(bytes(tmp_path / "staging"), bytes(tmp_path / "sync"), min_free_bytes=0)
    staging.prepare()
    with TlsServer({b"a": (content, "20200102030405")}, identity) as server:
        for attempt in range(15):
            remote = FtpRemote(account(server, authority), b"", Deadline(60), LOG)
            (file,) = [file for chunk in remote.list() for file in chunk]
            timer = threading.Timer(0.01 * attempt, remote.abort)
            timer.start()
            item = Wanted(1, file, file, 0.0, at_rest=True)
            session = staging.open_session("0123456789abcdef")
            for partial in partials(remote, item, session):
                kept += 1
                assert content.startswith(partial.read_bytes())
            timer.join()
            remote.close()
    assert kept
