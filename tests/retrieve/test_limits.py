"""What a server allows: so many connections, so many logins; and what an operator allows: so many bytes a second."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.errors import LoginRefused, RemoteUnavailable, SessionExpired
from ftpretrieve.retrieve import ftp_pool
from ftpretrieve.retrieve.ftp_data import Network
from ftpretrieve.retrieve.ftp_limits import Crowded, RateLimit, is_crowded
from tests.faultserver import Conversation, FaultServer, Script, says
from tests.mailboxes import digests, make_mailbox, poll_ftp, synced
from tests.pyftp import PyFtpServer
from tests.retrieve.attack import OLD, Attack

pytestmark = pytest.mark.interop

LIMITED = [*("vsftpd", "proftpd", "pure-ftpd"), "pyftpdlib"]
FILES = {b"%02d.bin" % number: (b"%02d" % number * 2000, OLD) for number in range(30)}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pauses after a refusal be short; that they double is left as it is."""
    monkeypatch.setattr(ftp_pool, "AGAIN_FIRST_SECS", 0.05)
    monkeypatch.setattr(ftp_pool, "AGAIN_MAX_SECS", 0.2)


def put_some(server: Any, number: int, size: int = 3000) -> None:
    for index in range(number):
        server.put(f"{index}.bin", os.urandom(size), time.time() - 300_000)


# -- telling too many from a wrong password ---------------------------------------------------------------------------

TOO_MANY = [
    ("vsftpd", "421 There are too many connected users, please try later."),
    ("vsftpd address", "421 There are too many connections from your internet address."),
    ("proftpd", "530 Sorry, the maximum number of allowed clients (3) are already connected."),
    ("proftpd host", "530 Sorry, the maximum number clients (2) from your host are already connected."),
    ("proftpd user", "530 Sorry, the maximum number of clients (2) for this user already connected."),
    ("proftpd hosts", "530 Sorry, the maximum number of hosts (2) for this user already connected."),
    ("pure-ftpd", "421 2 users (the maximum) are already logged in, sorry"),
    ("pure-ftpd address", "421 Too many connections (8) from this IP"),
    ("pure-ftpd user", "530 I can't accept more than 2 connections as the same user"),
    ("IIS", "421 Maximum session limit reached."),
    ("IIS message", "530 Maximum clients reached, service unavailable."),
    ("FileZilla", "421 Too many users are connected, please try again later."),
    ("Serv-U", "530 Sorry, too many users logged in."),
    ("Serv-U lines", "530-Welcome\n530 Not logged in, only 2 sessions from same IP allowed concurrently."),
    ("wu-ftpd", "530-Sorry, there are already the maximum of 50 users here.\n530 Try again later."),
    ("tnftpd", "530 User me access denied, connection limit of 5 reached."),
    ("glFTPd", "530 Sorry, your account is restricted to 3 simultaneous logins."),
    ("Apache", "421 Maximum login limit has been reached."),
    ("Titan", "530 Maximum connections for user reached."),
    ("pyftpdlib", "421 Too many connections. Service temporarily unavailable."),
    ("busy", "530 Server is full, come back"),
    ("German", "530 Zu viele Benutzer angemeldet"),
    ("French", "530 Nombre maximal de connexions atteint, trop d'utilisateurs"),
    ("Spanish", "530 Demasiados usuarios conectados"),
    ("Russian", "530 Слишком много подключений"),
    ("Chinese", "530 用户数已达上限"),
]
ACCOUNT = [
    ("vsftpd", "530 Login incorrect."),
    ("proftpd", "530 Login incorrect."),
    ("proftpd attempts", "530 Maximum login attempts (3) exceeded, connection refused"),
    ("pure-ftpd", "530 Login authentication failed"),
    ("IIS", "530 User cannot log in."),
    ("IIS home", "530 User cannot log in, home directory inaccessible."),
    ("FileZilla", "530 Login or password incorrect!"),
    ("attempts", "530 Too many failed login attempts, account locked for 10 minutes"),
    ("attempts from", "530 Too many bad logins from your address"),
    ("no reason", "530 Not logged in."),
    ("denied", "530 Access denied."),
    ("anonymous", "530 This FTP server is anonymous only."),
    ("expired", "530 Your password has expired, too many days"),
    ("user named so", "530 User maxclients cannot log in."),
    ("banned", "530 Your address is banned: too many connections"),
    ("German", "530 Zu viele fehlgeschlagene Versuche"),
    ("Russian", "530 Неверный пароль: слишком много попыток"),
]


@pytest.mark.parametrize("reply", [row[1] for row in TOO_MANY], ids=[row[0] for row in TOO_MANY])
def test_too_many_connections_is_told_by_the_words_of_the_server(reply: str) -> None:
    assert is_crowded(reply)


@pytest.mark.parametrize("reply", [row[1] for row in ACCOUNT], ids=[row[0] for row in ACCOUNT])
def test_what_may_be_about_the_account_is_not_taken_for_a_limit(reply: str) -> None:
    """A login that is repeated too soon may lock the account; a limit taken for a refusal costs minutes."""
    assert not is_crowded(reply)


@pytest.mark.parametrize("step", ["GREETING", "USER", "PASS"])
@pytest.mark.parametrize("reply", ["421 go away", "530 too many users", "500 server is full"])
def test_no_room_for_the_first_connection_is_no_refused_login(step: str, reply: str, tmp_path: Path) -> None:
    """The next poll tries again, and no back-off for logins begins."""
    with FaultServer(dict(FILES)) as server, Attack(tmp_path, server) as attack:
        server.scripts[step] = says(reply)
        error = attack.poll().error
        assert isinstance(error, Crowded)
        assert isinstance(error, RemoteUnavailable)
        assert reply in str(error)
        assert server.connections == 1
        attack.heal()


@pytest.mark.parametrize("reply", ["530 Login incorrect", "430 Invalid username or password", "530 no"])
def test_a_wrong_password_is_sent_once_a_poll(reply: str, tmp_path: Path) -> None:
    """However many connections there could be: the second is not tried before the first is in."""
    with FaultServer(dict(FILES)) as server, Attack(tmp_path, server) as attack:
        server.scripts["PASS"] = says(reply)
        assert isinstance(attack.poll(connections=8).error, LoginRefused)
        assert sum(command.startswith("PASS") for command in server.commands) == 1
        attack.heal()


# -- fewer connections than wanted ------------------------------------------------------------------------------------


@pytest.mark.parametrize("software", LIMITED)
def test_a_limit_of_connections_costs_no_file_anything(
    software: str, make_server: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every file comes over those that are there; none has a failed attempt."""
    caplog.set_level("INFO")
    server = make_server(software, max_clients=2)
    put_some(server, 60)
    mailbox = make_mailbox(tmp_path)
    result = poll_ftp(mailbox, server, connections=8)
    assert (result.error, result.delivered, result.failed, result.left) == (None, 60, 0, 0)
    assert synced(mailbox) == digests(server.root)
    assert caplog.text.count("CONNECTIONSLIMITED open=2") == 1
    assert not mailbox.journal.db.execute("SELECT 1 FROM files WHERE attempts > 0").fetchall()
    mailbox.journal.close()


@pytest.mark.parametrize("software", LIMITED)
def test_a_server_that_is_full_is_tried_again_at_the_next_poll(
    software: str, make_server: Callable[..., Any], tmp_path: Path
) -> None:
    """By their own words, with somebody else in: never a refused login."""
    server = make_server(software, max_clients=1)
    put_some(server, 3)
    mailbox = make_mailbox(tmp_path)
    with closing(server.connect()):
        result = poll_ftp(mailbox, server)
        assert isinstance(result.error, Crowded), result.error
    while isinstance(result.error, Crowded):  # the server takes a moment to notice
        time.sleep(0.1)
        result = poll_ftp(mailbox, server)
    assert (result.error, result.delivered) == (None, 3)
    mailbox.journal.close()


class Doorkeeper:
    """Scripts of a server that lets so many in at a time, `most`; it counts one until its connection has ended."""

    def __init__(self, server: FaultServer, most: int, words: str = "421 too many connections") -> None:
        self.server, self.most, self.words = server, most, words
        self.inside: set[int] = set()
        self.refused = 0
        self.most_after_refusal: int | None = None
        self.peak = 0
        self.served: dict[int, int] = {}
        server.scripts.update({"GREETING": self.greeting, "QUIT": self.quit, "RETR": self.slow_file})

    def greeting(self, talk: Conversation, argument: str) -> bool | None:
        if len(self.inside) >= self.most:
            self.refused += 1
            self.most = self.most_after_refusal or self.most
            talk.reply(self.words)
            return False
        self.inside.add(talk.number)
        self.peak = max(self.peak, len(self.inside))
        return talk.answer("GREETING", argument, scripted=False)

    def quit(self, talk: Conversation, argument: str) -> bool | None:
        self.inside.discard(talk.number)
        return talk.answer("QUIT", argument, scripted=False)

    def slow_file(self, talk: Conversation, argument: str) -> bool | None:
        self.served[talk.number] = self.served.get(talk.number, 0) + 1
        time.sleep(0.05)
        return talk.answer("RETR", argument, scripted=False)


def test_the_pool_grows_again_when_the_server_takes_more(tmp_path: Path) -> None:
    """In the same session: a limit is often somebody else's visit."""
    with FaultServer(dict(FILES)) as server, Attack(tmp_path, server) as attack:
        door = Doorkeeper(server, 1)
        door.most_after_refusal = 4
        result = attack.poll(connections=4)
        assert (result.error, result.delivered, result.failed) == (None, len(FILES), 0)
        assert door.refused > 0
        assert door.peak > 1
        assert sum(count > 0 for count in door.served.values()) > 1
        attack.heal()


def test_a_small_limit_is_found_by_few_refusals(tmp_path: Path) -> None:
    """No more are asked for at a time than are in, and one at a time after the first refusal."""
    with FaultServer(dict(FILES)) as server, Attack(tmp_path, server) as attack:
        door = Doorkeeper(server, 2)
        assert attack.poll(connections=30).delivered == len(FILES)
        assert door.refused < 15  # thirty would ask at every pause otherwise
        attack.heal()


@pytest.mark.parametrize("words", ["421 too many connections", "530 the maximum number of clients"])
def test_a_connection_that_the_server_still_counts_is_waited_for(words: str, tmp_path: Path) -> None:
    """The only one is lost and the next is refused for a moment: nothing fails, and the session goes on."""
    with FaultServer(dict(FILES)) as server, Attack(tmp_path, server) as attack:
        door = Doorkeeper(server, 1, words)

        def closes(talk: Conversation, argument: str) -> bool:
            door.slow_file(talk, argument)
            if talk.number > 1:
                return True
            threading.Timer(0.3, door.inside.clear).start()
            return False

        server.scripts["RETR"] = closes
        result = attack.poll(connections=1)
        assert (result.error, result.delivered, result.failed) == (None, len(FILES), 0)
        assert door.refused > 0
        attack.heal()


def test_a_connection_that_stays_refused_ends_the_session_and_no_file(tmp_path: Path) -> None:
    """What was not fetched is left for the next poll without an attempt."""
    with FaultServer(dict(FILES)) as server, Attack(tmp_path, server) as attack:
        door = Doorkeeper(server, 1)
        server.scripts["RETR"] = lambda talk, argument: bool(door.slow_file(talk, argument))
        result = attack.poll(connections=1)
        assert isinstance(result.error, Crowded)
        assert result.failed == 0
        assert result.left == len(FILES) - result.fetched
        attack.heal()


def refuses_further(reply: str) -> Script:
    """Let the first connection in only."""

    def script(talk: Conversation, argument: str) -> bool | None:
        if talk.number == 1:
            return talk.answer("PASS", argument, scripted=False)
        talk.reply(reply)
        return None

    return script


def test_a_further_login_that_is_refused_is_not_repeated(tmp_path: Path) -> None:
    """In words that nobody knows it may be the account's; the files come over the connection that is in."""
    with FaultServer(dict(FILES)) as server, Attack(tmp_path, server) as attack:
        server.scripts["PASS"] = refuses_further("530 not now, dear")
        result = attack.poll(connections=8)
        assert (result.error, result.delivered, result.failed) == (None, len(FILES), 0)
        assert sum(command.startswith("PASS") for command in server.commands) == 2
        attack.heal()


def test_the_session_limit_is_kept_while_workers_wait_for_connections(tmp_path: Path) -> None:
    """Attack.poll checks the time and that no thread is left."""
    with FaultServer(dict(FILES)) as server, Attack(tmp_path, server) as attack:
        door = Doorkeeper(server, 1)
        server.scripts["RETR"] = lambda talk, argument: bool(talk.server.stopped.wait()) or None
        assert isinstance(attack.poll(1.0, connections=8).error, SessionExpired)
        assert door.refused > 0
        attack.heal()


# -- bytes a second ---------------------------------------------------------------------------------------------------


def test_the_rate_is_shared_and_holds_over_time() -> None:
    """In given time: whoever spends waits until all that was spent fits the rate."""
    clock = [0.0]

    class Over(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            clock[0] += timeout or 0.0
            return False

    rate = RateLimit(1000, Over(), lambda: clock[0])
    for _ in range(50):
        rate.spend(rate.at_most(10**6))
    assert 4.5 < clock[0] <= 5.0  # 50 pieces of 100 bytes, less what a burst may be
    clock[0] += 3600
    before = clock[0]
    rate.spend(1000)
    assert clock[0] - before > 0.7  # an hour without transfers is not saved up


def test_no_rate_is_no_limit() -> None:
    rate = RateLimit(0, threading.Event())
    assert rate.at_most(12345) == 12345
    rate.spend(10**12)


def test_a_session_keeps_its_rate(pyftp: PyFtpServer, tmp_path: Path) -> None:
    """Several connections together; a tenth of the time would be a rate for each connection, or none."""
    put_some(pyftp, 8, 100_000)
    mailbox = make_mailbox(tmp_path)
    began = time.monotonic()
    result = poll_ftp(mailbox, pyftp, connections=4, network=Network(rate_bytes=400_000))
    took = time.monotonic() - began
    assert result.delivered == 8
    assert 0.5 < 400_000 * took / 800_000 < 10
    mailbox.journal.close()


def test_the_session_limit_is_kept_at_any_rate(tmp_path: Path) -> None:
    """One byte a second: the waiting for the next is ended, and what was received is no file."""
    with FaultServer(dict(FILES)) as server, Attack(tmp_path, server) as attack:
        assert isinstance(attack.poll(1.0, connections=4, network=Network(rate_bytes=1)).error, SessionExpired)
        attack.heal(network=Network())


def test_listings_are_not_held_back(tmp_path: Path) -> None:
    """They say what is to be fetched, and are looked at again; only downloads take their time."""
    with FaultServer({}, directories=2000) as server, Attack(tmp_path, server) as attack:
        assert attack.poll(network=Network(rate_bytes=10)).error is None
