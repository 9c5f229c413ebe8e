"""The right string stops the daemon; nothing else that connects gets anything, or delays anything."""

import contextlib
import logging
import os
import socket
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from ftpretrieve.errors import ConfigError, StorageError
from ftpretrieve.retrieve import control
from ftpretrieve.retrieve.control import CLIENTS, Listener, make_secret, read_secret, send_shutdown

SECRET = b"open, Sesame!"


class Case:
    """A listener with what it did."""

    def __init__(self, secret: bytes = SECRET) -> None:
        self.matched = threading.Event()
        self.matches = 0
        self.now = 1000.0
        self.lines: list[str] = []
        log = logging.Logger("test")  # noqa: LOG001  nobody else has this one
        handler = logging.Handler()
        handler.emit = lambda record: self.lines.append(record.getMessage())
        log.addHandler(handler)
        self.listener = Listener(0, secret, self.on_match, log, clock=lambda: self.now)

    def on_match(self) -> None:
        self.matches += 1
        self.matched.set()

    def connect(self) -> socket.socket:
        return socket.create_connection((control.HOST, self.listener.port), 10)

    def wrong(self, data: bytes = b"wrong\n") -> None:
        """Send something wrong and wait until the listener has closed the connection."""
        with self.connect() as client:
            with contextlib.suppress(OSError):  # closed by the listener meanwhile
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b""

    def works(self) -> bool:
        return send_shutdown(self.listener.port, SECRET, 600) and self.matched.is_set()


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.setattr(control, "CLIENT_SECS", 3600)  # what closes a client must be something else
    case = Case()
    with case.listener:
        yield case
    assert "ftpretrieve-listener" not in {thread.name for thread in threading.enumerate()}


def read_all(client: socket.socket) -> bytes:
    """Read until the listener closes."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while more := client.recv(100):
            data += more
    return data


@pytest.mark.parametrize(
    "pieces",
    [
        [SECRET],
        [SECRET + b"\n"],
        [SECRET + b"\r\n"],
        [SECRET + b"\n\n"],
        [SECRET[:4], SECRET[4:]],
        [SECRET[:1], SECRET[1:-1], SECRET[-1:] + b"\n"],
        [SECRET[:4], SECRET[4:] + b"\r\n"],
    ],
    ids=["bare", "LF", "CRLF", "two LF", "pieces", "pieces LF", "pieces CRLF"],
)
def test_the_right_string_matches(case, pieces):
    """With or without a line end, in pieces or at once; the connection stays open as with a real `nc`."""
    with case.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            assert not case.matched.wait(0.02)
            client.sendall(piece)
        assert case.matched.wait()
        assert read_all(client) in (control.REPLY, b"")  # b"": a late line end may cost the reply
    assert case.matches == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        SECRET[:-1],
        SECRET[:-1] + b"\n",
        SECRET + b"!",
        SECRET.lower() + b"\n",
        b" " + SECRET + b"\n",
        b"wrong\n" + SECRET + b"\n",
        SECRET + b"\r\r\n",
        b"\0" + SECRET,
        b"GET / HTTP/1.0\r\n\r\n",
        b"x" * 255 + SECRET,
        b"x" * 2_000_000,
    ],
    ids=lambda data: repr(data[:24]),
)
def test_every_other_string_is_refused(case, data):
    """Without an answer; the right one is taken afterwards."""
    case.wrong(data)
    assert case.matches == 0
    assert case.works()


def test_the_client_is_told_that_it_was_the_right_string(case):
    """So `stop` knows whether it must send a signal."""
    assert send_shutdown(case.listener.port, SECRET, 600)
    assert not send_shutdown(case.listener.port, b"wrong", 600)


def test_a_secret_longer_than_the_limit_for_clients_works():
    """The limit grows with it."""
    case = Case(b"s" * 1000)
    with case.listener, case.connect() as client:
        client.sendall(b"s" * 1000 + b"\r\n")
        assert case.matched.wait()


@pytest.mark.parametrize("secret", [b"", b"two\nlines"])
def test_a_secret_that_everybody_or_nobody_could_send_is_refused(secret):
    """An empty one would be matched by a port scan."""
    with pytest.raises(ConfigError, match="server_shutdown_string"):
        Case(secret)


def test_wrong_strings_are_logged_at_most_once_a_minute_and_never_shown(case):
    """The count is, what was sent is not."""
    for _ in range(5):
        case.wrong(b"hostile-bytes\n")
    case.now += 61
    case.wrong()
    case.wrong()
    assert case.lines == ["SHUTDOWNREFUSED wrong=1", "SHUTDOWNREFUSED wrong=5"]


def test_a_connection_without_a_word_is_no_wrong_string(case):
    """Monitoring connects to see whether the port is open."""
    case.connect().close()
    case.wrong(b"")
    assert case.works()
    assert case.lines == []


def test_a_port_in_use_is_known_at_once_and_named(case):
    """Before the daemon says that it is ready, with what to do."""
    with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{case.listener.port} .*choose another server_port"):
        Listener(case.listener.port, SECRET, case.on_match, logging.getLogger())


def test_the_port_can_be_taken_again_right_after_a_close(case):
    """Old connections in TIME_WAIT do not hold up a restart."""
    with case.connect() as client:
        client.sendall(SECRET)
        read_all(client)
        case.listener.close()
    again = Listener(case.listener.port, SECRET, case.on_match, logging.getLogger())
    again.close()


def test_only_this_machine_can_connect(case):
    """It is bound to 127.0.0.1, not to every address."""
    assert case.listener._socket.getsockname()[0] == "127.0.0.1"


def test_the_ninth_client_closes_the_oldest(case):
    """Whoever fills all places cannot keep the right client out."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(case.connect()) for _ in range(CLIENTS + 1)]
        assert clients[0].recv(1) == b""
        for client in clients[1:]:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(1)
        assert case.works()


def test_a_wrong_line_is_closed_at_its_end(case):
    """Not kept until its time is over."""
    with case.connect() as client:
        client.sendall(b"wrong\n")
        assert read_all(client) == b""


def test_the_right_client_is_heard_before_it_loses_its_place():
    """However many have come behind it when the listener gets to look."""
    case = Case()
    with contextlib.ExitStack() as stack:
        stack.enter_context(case.connect()).sendall(SECRET)
        for _ in range(3 * CLIENTS):
            stack.enter_context(case.connect())
        with case.listener:
            assert case.matched.wait()


def test_a_silent_client_is_closed_after_its_time(case, monkeypatch):
    """Also one that has begun to send."""
    monkeypatch.setattr(control, "CLIENT_SECS", 0.05)
    with case.connect() as silent, case.connect() as slow:
        slow.sendall(SECRET[:-1])
        assert silent.recv(1) == b""
        assert slow.recv(1) == b""
    assert case.works()


def silent(case: Case) -> Iterator[None]:
    """Fill all places and say nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(CLIENTS):
            stack.enter_context(case.connect())
        yield


def flood(case: Case) -> Iterator[None]:
    """Send as fast as possible, on three connections at once, connecting again when closed."""
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), case.connect() as client:
                while not over.is_set():
                    client.sendall(b"x" * 65536)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join()


def reset(case: Case) -> Iterator[None]:
    """Reset connections, before and after sending."""
    for data in (b"", b"half", SECRET[:-1]) * 20:
        client = case.connect()
        client.sendall(data)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    yield


def half_closed(case: Case) -> Iterator[None]:
    """Close one direction only, and read nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(CLIENTS):
            client = stack.enter_context(case.connect())
            client.sendall(b"half")
            client.shutdown(socket.SHUT_WR)
        yield


def many(case: Case) -> Iterator[None]:
    """Open 500 connections from another process, and keep them."""
    code = """
import socket, sys
kept = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(500)]
print("open", flush=True)
sys.stdin.read()
"""
    argv = [sys.executable, "-c", code, str(case.listener.port)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"open\n"
        yield
        child.stdin.close()


HOSTILE = pytest.mark.parametrize("hostile", [silent, flood, reset, half_closed, many], ids=lambda f: f.__name__)


@HOSTILE
def test_hostile_clients_do_not_keep_the_right_one_out(case, hostile):
    """The right string is taken while they are at it, and afterwards."""
    with contextlib.contextmanager(hostile)(case):
        while not case.works():
            pass  # a flood may push it out of its place: it comes again
    assert case.works()


@HOSTILE
def test_hostile_clients_do_not_delay_a_close(case, hostile, monkeypatch):
    """The thread is gone when `close` comes back, which waits for it as long as it may."""
    monkeypatch.setattr(control, "JOIN_SECS", None)
    with contextlib.contextmanager(hostile)(case):
        case.listener.close()
        assert not case.listener._thread.is_alive()


def test_a_close_from_several_threads_at_once(case):
    """The signal handler, the main loop and `on_match` may all want it."""
    threads = [threading.Thread(target=case.listener.close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not case.listener._thread.is_alive()


def test_on_match_may_close_the_listener():
    """It runs in the thread that would be waited for."""
    case = Case()
    case.listener._on_match = case.listener.close
    with case.listener:
        assert send_shutdown(case.listener.port, SECRET, 600)
        case.listener._thread.join()


def test_an_on_match_that_fails_leaves_the_port_alive(case):
    """The error is logged, and the client is not told that all is well."""
    worked, case.listener._on_match = case.listener._on_match, lambda: 1 / 0
    assert not send_shutdown(case.listener.port, SECRET, 600)
    assert case.lines == ["the shutdown string came, but stopping failed"]
    case.listener._on_match = worked
    assert case.works()


def test_running_out_of_descriptors_is_survived(tmp_path):
    """Connections that cannot be accepted keep the port readable; the thread neither ends nor spins."""
    code = """
import logging, os, resource, socket, threading, time
from ftpretrieve.retrieve.control import Listener, send_shutdown
matched = threading.Event()
with Listener(0, b"secret", matched.set, logging.getLogger()) as listener:
    client = socket.socket()
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    taken = []
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        pass
    client.connect(("127.0.0.1", listener.port))
    client.sendall(b"secret")
    before = time.process_time()
    assert not matched.wait(0.5)
    assert time.process_time() - before < 0.25, "it spins"
    for fd in taken:
        os.close(fd)
    assert matched.wait(600)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_descriptor_is_left():
    """Neither of clients nor of the listener, also when it was never started."""
    before = len(os.listdir("/proc/self/fd"))
    case = Case()
    with case.listener, case.connect(), case.connect():
        assert case.works()
    Case().listener.close()
    assert len(os.listdir("/proc/self/fd")) == before


def answering(reply: Callable[[socket.socket], object]) -> Iterator[int]:
    """Serve one connection on a port with something that is no daemon."""
    with socket.create_server((control.HOST, 0)) as server:

        def run() -> None:
            with server.accept()[0] as connection:
                reply(connection)

        thread = threading.Thread(target=run)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    "reply",
    [
        lambda connection: None,
        lambda connection: connection.sendall(b"220 welcome\r\n" * 10),
        lambda connection: connection.sendall(b"stop"),
        lambda connection: connection.recv(1000) and threading.Event().wait(0.3),
    ],
    ids=["closes", "other protocol", "half a reply", "silence"],
)
def test_whatever_is_no_clear_yes_is_a_no(reply):
    """`stop` then sends a signal."""
    with contextlib.contextmanager(answering)(reply) as port:
        assert not send_shutdown(port, SECRET, 0.1)


def test_nobody_on_the_port_is_a_no():
    """The daemon has ended meanwhile."""
    with socket.socket() as unused:
        unused.bind((control.HOST, 0))
        assert not send_shutdown(unused.getsockname()[1], SECRET, 600)


def test_a_made_secret_is_private_random_and_replaced(tmp_path):
    """At every start another one, whatever the umask."""
    path = str(tmp_path / "daemon.pid.secret")
    made = []
    for umask in (0o000, 0o077):
        before = os.umask(umask)
        try:
            made.append(make_secret(path))
        finally:
            os.umask(before)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert read_secret(path) == made[-1]
    assert made[0] != made[1]
    assert min(map(len, made)) >= 32
    assert os.listdir(tmp_path) == ["daemon.pid.secret"]


def test_a_made_secret_is_one_the_listener_takes(tmp_path):
    """Made by the daemon, read by `stop`."""
    path = str(tmp_path / "secret")
    case = Case(make_secret(path))
    with case.listener:
        assert send_shutdown(case.listener.port, read_secret(path), 5)


def test_a_planted_symlink_is_replaced_and_not_read(tmp_path):
    """Neither overwritten nor taken for ours."""
    victim, path = tmp_path / "victim", str(tmp_path / "secret")
    victim.write_text("precious")
    os.symlink(victim, path)
    with pytest.raises(StorageError, match=path):
        read_secret(path)
    secret = make_secret(path)
    assert victim.read_text() == "precious"
    assert read_secret(path) == secret


def test_a_secret_that_is_not_there_is_none(tmp_path):
    """Also an empty file, which must not become the empty secret."""
    assert read_secret(str(tmp_path / "secret")) is None
    (tmp_path / "secret").touch()
    assert read_secret(str(tmp_path / "secret")) is None


def test_a_secret_that_cannot_be_written_or_read_is_an_error_by_name(tmp_path):
    """And leaves nothing behind."""
    with pytest.raises(StorageError, match="nowhere/secret"):
        make_secret(str(tmp_path / "nowhere" / "secret"))
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for name in ("directory", "fifo"):
        with pytest.raises(StorageError, match=name):
            read_secret(str(tmp_path / name))
    with pytest.raises(StorageError, match="directory"):
        make_secret(str(tmp_path / "directory"))
    assert sorted(os.listdir(tmp_path)) == ["directory", "fifo"]
