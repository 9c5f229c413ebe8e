"""A server that lies about files, or hangs up: what a second look says, and over which connections files come."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.errors import RemoteUnavailable
from tests.faultserver import Conversation, FaultServer, Script, says
from tests.mailboxes import make_mailbox, poll_ftp, synced
from tests.retrieve.attack import OLD, Attack
from tests.servers import why_no_ipv6

pytestmark = pytest.mark.interop

A, B = b"a" * 300_000, bytes(range(256)) * 1000
FILES = {b"a.bin": (A, OLD), b"b.bin": (B, OLD)}


@pytest.fixture(params=[True, False], ids=["mlsd", "list"])
def server(request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    with FaultServer(dict(FILES), mlsd=request.param, directories=30) as server:
        yield server


# -- looks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Åland", "хлеб", "a\x0bb", "a\x1cb", "a\x85b", "x" * 240], ids=ascii)
def test_a_name_with_any_byte_is_looked_at(name: str, tmp_path: Path) -> None:
    """A reply ends at its line feeds only: byte 0x85 is half of a letter in UTF-8, and a line end to Python."""
    for number, spelled in enumerate((name.encode(), name.encode("latin-1", "replace"))):
        with FaultServer({spelled: (A, OLD)}, directories=30) as server:
            directory = tmp_path / str(number)
            directory.mkdir()
            with Attack(directory, server) as attack:
                attack.heal()


def test_real_servers_answer_looks_for_odd_names(any_server: Any, tmp_path: Path) -> None:
    """In a directory where MLST is cheaper than another listing; each spells its answers in its own way."""
    names = ["Åland", "хлеб", " lead", "trail ", "a  b", "a; b", "-dash", "[x]*?", "type=file; x", "~t", 'q"uote']
    for name in names:
        any_server.put(name.encode(), name.encode(), time.time() - 500_000)
    for number in range(60):
        any_server.put(f"{number}/x", b"", time.time() - 500_000)
    mailbox = make_mailbox(tmp_path, settle_secs=0.2)
    result = poll_ftp(mailbox, any_server)
    assert (result.error, result.delivered, result.failed) == (None, len(names), 0)
    assert synced(mailbox) == {name.encode(): sha256(name.encode()).hexdigest() for name in names}
    mailbox.journal.close()


def about_another_file(server: Conversation, argument: str) -> None:
    server.reply(f"250-Listing {argument}\r\n type=file;size=1;modify={OLD}; other.bin\r\n250 End")


def as_directory(server: Conversation, argument: str) -> None:
    server.reply(f"250-Listing {argument}\r\n type=dir;modify={OLD}; {argument}\r\n250 End")


def other_size(server: Conversation, argument: str) -> None:
    server.reply(f"250-Listing {argument}\r\n type=file;size=999;modify={OLD}; {argument}\r\n250 End")


def no_facts(server: Conversation, argument: str) -> None:
    server.reply(f"250-Listing\r\n {argument}\r\n250 End")


def full_path(server: Conversation, argument: str) -> None:
    content, modify = server.server.files[argument.encode("latin-1")]
    server.reply(f"250-Listing\r\n type=file;size={len(content)};modify={modify}; /in/here/{argument}\r\n250 End")


@pytest.mark.parametrize(
    "script",
    [about_another_file, as_directory, no_facts, full_path, says("450 busy"), says("550 no"), says("250 ok")],
    ids=["other file", "directory", "no facts", "full path", "450", "550", "250"],
)
def test_what_mlst_does_not_tell_is_told_by_a_listing(script: Script, tmp_path: Path) -> None:
    """Files that MLST refuses, or answers about another, arrive by the listing's word."""
    with FaultServer(dict(FILES), directories=30) as server, Attack(tmp_path, server) as attack:
        server.scripts["MLST"] = script
        assert attack.poll().delivered == 2
        attack.heal()


def test_an_mlst_that_agrees_with_mlsd_about_no_file_is_not_believed(tmp_path: Path) -> None:
    """Listings show the files unchanged, and are the looks."""
    with FaultServer(dict(FILES), directories=30) as server, Attack(tmp_path, server) as attack:
        server.scripts["MLST"] = other_size
        assert attack.poll().delivered == 2
        attack.heal()


def test_an_mlst_that_agrees_with_mlsd_about_others_is_believed(tmp_path: Path) -> None:
    """Two looks that differ are no two looks that agree, whichever of them lies."""
    odd = min(FILES)

    def differs_about_one(server: Conversation, argument: str) -> bool | None:
        return other_size(server, argument) if argument.encode() == odd else server.proceed(argument)

    with FaultServer(dict(FILES), directories=30) as server, Attack(tmp_path, server) as attack:
        server.scripts["MLST"] = differs_about_one
        result = attack.poll()
        assert (result.changing, result.delivered) == (1, 1)
        attack.heal()


NONSENSE = ["213 -5", "213 99999999999999999999", "213 abc", "213", "213 " + "9" * 5000, "550 no", "450 busy", "213 ²"]


@pytest.mark.parametrize("reply", NONSENSE, ids=lambda reply: reply[:20])
def test_a_size_that_is_none_does_not_let_half_a_file_through(reply: str, tmp_path: Path) -> None:
    """The bytes are counted against the listing's size then."""
    with FaultServer(dict(FILES), mlsd=False) as server, Attack(tmp_path, server) as attack:
        server.scripts["SIZE"] = says(reply)
        server.fault = "short-226"
        attack.poll(3)
        assert attack.delivered() == []
        server.fault = None
        attack.poll()
        assert sorted(attack.delivered()) == sorted(FILES)
        attack.heal()


TIMES = ["00000101000000", "99991231235959", "20161231235960", "20200230120000", "-1", "9" * 5000, "20200102030405.5"]


@pytest.mark.parametrize("modify", TIMES, ids=lambda modify: modify[:20])
@pytest.mark.parametrize("verb", ["MLSD", "MDTM"])
def test_any_time_is_borne(verb: str, modify: str, tmp_path: Path) -> None:
    """A file arrives with whatever time; what is no time counts as unknown."""
    with FaultServer({b"a.bin": (A, OLD)}, mlsd=verb == "MLSD") as server, Attack(tmp_path, server) as attack:
        row = f"type=file;size={len(A)};modify={modify}; a.bin"
        if verb == "MLSD":
            server.rows = f"{row}\r\n".encode()
            server.scripts["MLST"] = says(f"250-Listing\r\n {row}\r\n250 End")
        else:
            server.scripts["MDTM"] = says(f"213 {modify}")
        attack.poll()
        attack.poll()
        assert attack.delivered() == [b"a.bin"]


def test_a_server_that_loses_queued_commands_is_asked_one_by_one(server: FaultServer, tmp_path: Path) -> None:
    """The first look costs some seconds, not the session's silence, and the files arrive in the same poll."""
    server.fault = "loses-queue"
    with Attack(tmp_path, server) as attack:
        assert attack.poll(20).delivered == 2
        attack.heal()


@pytest.mark.slow
def test_a_slow_server_is_waited_for(server: FaultServer, tmp_path: Path) -> None:
    """Half a second for every reply: it takes its time, and nothing else happens."""

    class Slowly(dict[str, Script]):
        def __contains__(self, verb: object) -> bool:
            time.sleep(0.5)
            return False

    server.scripts = Slowly()
    with Attack(tmp_path, server) as attack:
        assert attack.poll(30).delivered == 2


# -- connections ------------------------------------------------------------------------------------------------------


class Idle:
    """Closes every connection that was idle for a moment, politely or not."""

    def __init__(self, server: FaultServer, goodbye: str, after_secs: float) -> None:
        self.goodbye, self.after_secs = goodbye, after_secs
        self.timers: dict[Conversation, threading.Timer] = {}
        for verb in ("GREETING", "RETR", "MLSD", "LIST", "MLST", "SIZE", "MDTM", "TYPE", "FEAT", "PASV"):
            server.scripts[verb] = self.answer

    def answer(self, server: Conversation, argument: str) -> bool | None:
        if server in self.timers:
            self.timers[server].cancel()
        result = server.answer(server.verb, argument, scripted=False)
        self.timers[server] = threading.Timer(self.after_secs, self.close, [server])
        self.timers[server].start()
        return result

    def close(self, server: Conversation) -> None:
        with suppress(OSError):  # the other side was faster
            if server.server.scripts and self.goodbye:
                server.reply(self.goodbye)
            if server.server.scripts:
                server.sock.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("goodbye", ["421 idle for too long", ""], ids=["421", "closed"])
@pytest.mark.parametrize("mlsd", [True, False], ids=["mlsd", "list"])
def test_connections_that_were_idle_too_long_are_opened_anew(mlsd: bool, goodbye: str, tmp_path: Path) -> None:
    """Its files settle for longer than the server bears: all of them arrive in this poll, and none counts as failed."""
    recent = time.strftime("%Y%m%d%H%M%S", time.gmtime())
    files = {b"%d.bin" % number: (b"%d" % number * 1000, recent) for number in range(5)}
    with FaultServer(files, mlsd=mlsd, directories=30) as server, Attack(tmp_path, server, settle_secs=1.5) as attack:
        Idle(server, goodbye, 0.5)
        result = attack.poll(20)
        assert (result.error, result.delivered, result.failed, result.changing) == (None, 5, 0, 0)
        attack.heal()


def test_a_second_connection_refused_late_costs_no_file(server: FaultServer, tmp_path: Path) -> None:
    """One connection a user, told slowly: the first one takes all files, and the poll is well."""

    def slow_no(conversation: Conversation, argument: str) -> bool | None:
        if conversation.number == 1:
            return conversation.answer("PASS", argument, scripted=False)
        conversation.server.stopped.wait(0.5)
        conversation.reply("530 one connection is enough")
        return False

    server.scripts["PASS"] = slow_no
    with Attack(tmp_path, server) as attack:
        result = attack.poll()
        assert (result.error, result.delivered, result.failed) == (None, 2, 0)
        attack.heal()


@pytest.mark.parametrize("reply", ["530 one is enough", "421 one is enough"])
def test_a_server_of_one_connection_delivers_all(reply: str, server: FaultServer, tmp_path: Path) -> None:
    """A second connection that is refused at once only means that there is one less."""
    server.scripts["GREETING"] = lambda talk, _: talk.reply("220 hi" if talk.number == 1 else reply)
    with Attack(tmp_path, server) as attack:
        result = attack.poll()
        assert (result.error, result.delivered, result.failed) == (None, 2, 0)
        attack.heal()


PASSIVE = {
    "other host": lambda port: f"227 ok (10,255,255,1,{port >> 8},{port & 255})",
    "no brackets": lambda port: f"227 ok 1,2,3,4,{port >> 8},{port & 255}",
}
PASSIVE_WRONG = {
    "port 0": "227 ok (127,0,0,1,0,0)",
    "port 99999": "227 ok (127,0,0,1,390,159)",
    "port huge": "227 ok (127,0,0,1," + "9" * 5000 + ",1)",
    "port large": "227 ok (127,0,0,1," + "9" * 4300 + ",1)",
    "garbled": "227 ok (127.0.0.1)",
    "empty": "227",
    "closed port": "227 ok (127,0,0,1,0,1)",
}


@pytest.mark.parametrize("reply", PASSIVE)
def test_data_connections_go_to_the_host_of_the_control_connection(
    reply: str, server: FaultServer, tmp_path: Path
) -> None:
    """A server behind a NAT names a host nobody reaches, and a hostile one somebody else's."""
    server.scripts["PASV"] = lambda talk, _: talk.reply(PASSIVE[reply](talk.listen()))
    with Attack(tmp_path, server) as attack:
        assert attack.poll().delivered == 2
        attack.heal()


def test_a_refused_data_connection_does_not_make_mlsd_unknown(tmp_path: Path) -> None:
    """Else the poll took LIST, whose times a later MLSD cannot be compared with, and all files would come twice."""
    with FaultServer(dict(FILES)) as server, Attack(tmp_path, server) as attack:
        server.scripts["PASV"] = server.scripts["EPSV"] = says("500 not now")
        assert attack.poll().error is not None
        assert attack.said(f"{server.host}:{server.port}: MLSD: no data connection: PASV: 500 not now; EPSV: 500")
        assert "LIST" not in server.commands
        attack.heal()


@pytest.mark.parametrize("reply", PASSIVE_WRONG)
def test_a_port_that_is_none_ends_the_poll(reply: str, server: FaultServer, tmp_path: Path) -> None:
    """Where EPSV is no way out: nothing is connected to, and a line says at which step."""
    server.scripts.update({"PASV": says(PASSIVE_WRONG[reply]), "EPSV": says("502 no")})
    with Attack(tmp_path, server) as attack:
        assert isinstance(attack.poll().error, RemoteUnavailable)
        assert attack.said(f"{server.host}:{server.port}", "MLSD" if server.mlsd else "LIST")
        attack.heal()


@pytest.mark.parametrize("reply", PASSIVE_WRONG)
def test_a_port_that_is_none_before_a_retr_fails_the_file(reply: str, server: FaultServer, tmp_path: Path) -> None:
    """The connection is replaced, the poll is told why."""
    listed = threading.Event()

    def after_the_listing(talk: Conversation, argument: str) -> bool | None:
        if listed.is_set():
            talk.reply(PASSIVE_WRONG[reply])
            return None
        listed.set()
        return talk.answer("PASV", argument, scripted=False)

    server.scripts.update({"PASV": after_the_listing, "EPSV": says("502 no")})
    with Attack(tmp_path, server) as attack:
        assert attack.poll().delivered == 0
        assert attack.said("FILEFAILED")
        attack.heal()


@pytest.mark.skipif(why_no_ipv6() is not None, reason=f"{why_no_ipv6()}")
@pytest.mark.parametrize("reply", ["", "229 ok (|||0|)", "229 ok (|||99999|)", "229 ok (|||x|)", "229 (", "500 what?"])
def test_ipv6_has_epsv_only(reply: str, tmp_path: Path) -> None:
    """Over IPv6 the server is asked by EPSV, and its nonsense ends the poll."""
    with FaultServer(dict(FILES), host="::1") as server, Attack(tmp_path, server) as attack:
        server.scripts["PASV"] = says("425 no IPv4 here")
        if reply:
            server.scripts["EPSV"] = says(reply)
            assert attack.poll().error is not None
            del server.scripts["EPSV"]
        assert attack.poll().delivered == 2
        attack.heal()
