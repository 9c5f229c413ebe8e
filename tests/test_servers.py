"""The throw-away servers are what the other tests stand on: that they serve, differ as they should, and go away."""

from __future__ import annotations

import ftplib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import servers
from tests.pyftp import PyFtpServer
from tests.servers import CHECKOUT, FtpServer, RealServer
from tests.waiting import await_true

MakeServer = Callable[..., Any]
NOON = 1_700_049_600  # 2023-11-15 12:00:00 UTC: winter, and long ago
RECENT = int(time.time()) // 3600 * 3600 - 86400  # within six months, so that LIST prints the time of day


def listing(client: ftplib.FTP) -> list[str]:
    lines: list[str] = []
    client.retrlines("LIST", lines.append)
    return lines


def names(client: ftplib.FTP) -> set[str]:
    """Return what NLST shows; pure-ftpd shows the directories themselves too."""
    return set(client.nlst()) - {".", ".."}


def fetch(client: ftplib.FTP, name: str) -> bytes:
    content = io.BytesIO()
    client.retrbinary(f"RETR {name}", content.write)
    return content.getvalue()


def test_a_file_is_listed_and_fetched(any_server: FtpServer) -> None:
    any_server.put("a.txt", b"hello\r\n\x00", mtime=NOON)
    with any_server.connect() as client:
        assert client.pwd() == any_server.home
        assert names(client) == {"a.txt"}
        assert client.sendcmd("MDTM a.txt") == "213 20231115120000"
        assert fetch(client, "a.txt") == b"hello\r\n\x00"


def test_a_directory_is_reached_below_home(any_server: FtpServer) -> None:
    any_server.put("in/b.txt", b"x")
    with any_server.connect() as client:
        client.cwd(any_server.home.rstrip("/") + "/in")
        assert names(client) == {"b.txt"}


def test_a_wrong_password_is_refused(any_server: FtpServer) -> None:
    client = ftplib.FTP()
    client.connect(any_server.host, any_server.port, timeout=60)  # pure-ftpd lets one wait
    with client, pytest.raises(ftplib.error_perm, match="^530"):
        client.login(any_server.user, "wrong")


def test_an_upload_arrives(any_server: FtpServer) -> None:
    with any_server.connect() as client:
        client.storbinary("STOR up.bin", io.BytesIO(b"12345"))
    assert (any_server.root / "up.bin").read_bytes() == b"12345"


def test_a_stopped_server_answers_nobody_and_starts_again_on_its_port(any_server: FtpServer) -> None:
    client = any_server.connect()
    port = any_server.port
    any_server.stop()
    with client, pytest.raises((EOFError, OSError)):
        client.voidcmd("NOOP")
    with pytest.raises(ConnectionRefusedError):
        any_server.connect()
    any_server.start()
    assert any_server.port == port
    with any_server.connect() as client:
        assert names(client) == set()


@pytest.mark.parametrize(
    ("software", "offered"),
    [
        pytest.param("vsftpd", False, marks=pytest.mark.interop),
        pytest.param("proftpd", True, marks=pytest.mark.interop),
        pytest.param("pure-ftpd", True, marks=pytest.mark.interop),
        ("pyftpdlib", True),
    ],
)
def test_who_offers_mlsd(make_server: MakeServer, software: str, offered: bool) -> None:
    server = make_server(software)
    server.put("a", mtime=NOON)
    with server.connect() as client:
        assert ("MLST" in client.sendcmd("FEAT")) is offered
        if offered:
            facts = dict(client.mlsd())
            assert facts["a"]["modify"].startswith("20231115120000")
            return
        with pytest.raises(ftplib.error_perm, match="^50"):
            list(client.mlsd())


@pytest.mark.parametrize("software", [pytest.param("proftpd", marks=pytest.mark.interop), "pyftpdlib"])
def test_mlsd_can_be_switched_off(make_server: MakeServer, software: str) -> None:
    server = make_server(software, mlsd=False)
    with server.connect() as client:
        assert "MLST" not in client.sendcmd("FEAT")
        with pytest.raises(ftplib.error_perm, match="^5"):
            list(client.mlsd())
        assert names(client) == set()


@pytest.mark.interop
@pytest.mark.parametrize(
    ("software", "options", "shift_hours"),
    [
        ("vsftpd", {}, 0),
        ("vsftpd", {"tz": "EAST-3"}, 0),
        ("vsftpd", {"tz": "EAST-3", "use_localtime": True}, 3),
        ("proftpd", {"tz": "EAST-3"}, 0),
        ("proftpd", {"tz": "EAST-3", "times_gmt": False}, 3),
        ("pure-ftpd", {"tz": "EAST-3"}, 3),
    ],
)
def test_list_prints_the_time_of_the_zone(
    make_server: MakeServer, software: str, options: dict[str, Any], shift_hours: int
) -> None:
    server = make_server(software, **options)
    server.put("a", mtime=RECENT)
    with server.connect() as client:
        (line,) = listing(client)
    assert time.strftime("%H:%M", time.gmtime(RECENT + shift_hours * 3600)) in line


@pytest.mark.interop
def test_vsftpd_shifts_mdtm_too_when_it_uses_local_time(make_server: MakeServer) -> None:
    server = make_server("vsftpd", tz="EAST-3", use_localtime=True)
    server.put("a", mtime=NOON)
    with server.connect() as client:
        assert client.sendcmd("MDTM a") == "213 20231115150000"


@pytest.mark.interop
def test_pureftpd_cuts_a_listing_and_says_226(make_server: MakeServer) -> None:
    server = make_server("pure-ftpd", extra=["-L", "10:1"])
    for number in range(20):
        server.put(f"{number}")
    with server.connect() as client:
        rows: list[str] = []
        reply = client.retrlines("MLSD", rows.append)
    assert len(rows) < 20
    assert reply.splitlines()[-1].startswith("226")


def test_one_client_too_many_is_refused(any_server: FtpServer, make_server: MakeServer) -> None:
    any_server.stop()
    server = make_server(any_server.software, max_clients=1)
    client = connected_when_free(server)
    with client, pytest.raises(ftplib.Error, match="^(421|530)"):
        server.connect()


def connected_when_free(server: FtpServer) -> ftplib.FTP:
    """Log in as the only client; the look whether the server is up may still count as one for a moment."""
    while True:
        try:
            return server.connect()
        except ftplib.Error:
            time.sleep(0.01)


@pytest.mark.interop
@pytest.mark.parametrize("software", ["vsftpd", "proftpd", "pure-ftpd"])
def test_nothing_is_left_when_the_tests_are_killed(make_server: MakeServer, software: str, tmp_path: Path) -> None:
    make_server(software).stop()  # skips when it is missing
    function = software.replace("-", "")
    code = (
        f"import sys, pathlib; from tests.servers import {function} as make\n"
        "server = make(pathlib.Path(sys.argv[1])); server.start(); client = server.connect()\n"
        "print(server.pid, flush=True); input()"
    )
    argv = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT) as tests:
        assert tests.stdout is not None
        server = psutil.Process(int(tests.stdout.readline()))
        family = [server, *server.children(recursive=True)]
        os.kill(tests.pid, signal.SIGKILL)
    await_true(lambda: not any(map(works, family)), lambda: f"the end of {[one for one in family if works(one)]}")


def works(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.interop
def test_a_server_that_cannot_start_says_why(make_server: MakeServer) -> None:
    with pytest.raises(RuntimeError, match="no_such_setting"):
        make_server("vsftpd", extra=["no_such_setting=1"])


@pytest.mark.interop
def test_the_server_of_somebody_else_is_not_taken_for_ours(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run of the tests may take the port that was free, and greets as ours would."""
    other = make_server("vsftpd")
    free = [other.port, other.port, servers.free_port()]
    monkeypatch.setattr(servers, "free_port", lambda: free.pop(0))
    ours = make_server("vsftpd")
    assert (free, ours.port != other.port) == ([], True)
    ours.put("a.txt", b"")
    with ours.connect() as client:
        assert names(client) == {"a.txt"}


def test_the_pid_is_the_one_that_listens(make_server: MakeServer) -> None:
    server: RealServer = make_server("vsftpd")
    ports = [entry.laddr.port for entry in psutil.Process(server.pid).net_connections() if entry.status == "LISTEN"]
    assert ports == [server.port]


def test_commands_are_counted(pyftp: PyFtpServer) -> None:
    pyftp.put("a", b"x")
    with pyftp.connect() as client:
        pyftp.forget()
        fetch(client, "a")
        fetch(client, "a")
    assert pyftp.commands["RETR"] == 2
    assert ("RETR", "a") in pyftp.log


def test_a_command_can_be_replaced(pyftp: PyFtpServer) -> None:
    pyftp.put("a", b"x")
    pyftp.replace["SIZE"] = lambda handler, argument, proceed: handler.respond(f"550 no {argument}")
    pyftp.replace["PWD"] = lambda handler, argument, proceed: proceed()
    with pyftp.connect() as client:
        client.voidcmd("TYPE I")
        with pytest.raises(ftplib.error_perm, match="550 no a"):
            client.size("a")
        assert client.pwd() == "/"


def test_the_dos_format(make_server: MakeServer) -> None:
    server = make_server("pyftpdlib", mlsd=False, list_format="dos")
    server.put("a b.txt", b"12345", mtime=NOON + 60)
    (server.root / "in").mkdir()
    os.utime(server.root / "in", (NOON, NOON))
    with server.connect() as client:
        assert sorted(listing(client)) == [
            "11-15-23  12:00PM       <DIR>          in",
            "11-15-23  12:01PM                    5 a b.txt",
        ]


def test_mdtm_can_be_switched_off(make_server: MakeServer) -> None:
    server = make_server("pyftpdlib", mdtm=False)
    server.put("a")
    with server.connect() as client, pytest.raises(ftplib.error_perm, match="^500"):
        client.sendcmd("MDTM a")


def test_names_are_bytes(pyftp: PyFtpServer) -> None:
    pyftp.put(b"caf\xe9.txt", b"x")
    with pyftp.connect() as client:
        client.encoding = "latin-1"
        assert client.nlst() == ["café.txt"]
        assert fetch(client, "café.txt") == b"x"


def test_a_silent_server_answers_nothing_and_speaks_again(pyftp: PyFtpServer) -> None:
    with pyftp.connect() as client:
        assert client.sock is not None
        client.sock.settimeout(0.3)
        pyftp.silent = True
        client.sock.sendall(b"NOOP\r\n")
        with pytest.raises(TimeoutError):
            client.sock.recv(100)
        pyftp.silent = False
        client.sock.sendall(b"NOOP\r\n")
        assert client.sock.recv(100).startswith(b"200")


def test_a_transfer_falls_silent_in_the_middle(pyftp: PyFtpServer) -> None:
    pyftp.put("big", bytes(1_000_000))
    pyftp.bytes_per_sec = 500_000
    with pyftp.connect() as client:
        client.voidcmd("TYPE I")
        with client.transfercmd("RETR big") as data:
            data.settimeout(0.5)
            received = len(data.recv(1000))
            pyftp.silent = True
            with pytest.raises(TimeoutError):  # noqa: PT012 - what was under way when it fell silent comes first
                while True:
                    received += len(data.recv(65536))
            assert 0 < received < 1_000_000
            pyftp.silent, pyftp.bytes_per_sec = False, 0
            while chunk := data.recv(65536):
                received += len(chunk)
        assert received == 1_000_000


def test_a_stopped_server_leaves_no_thread(make_server: MakeServer) -> None:
    before = threading.active_count()
    server = make_server("pyftpdlib")
    with server.connect():
        server.stop()
    assert threading.active_count() == before
