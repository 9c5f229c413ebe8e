"""The shutdown listener: a port on 127.0.0.1 where the right string stops the daemon, and the client for it.

Anybody on the machine can connect, so a client gets little: few bytes, few seconds, few connections, and never an
answer that tells how wrong it was. It decides nothing: what a match means is the caller's `on_match`. What clients send
is neither logged nor kept.
"""

import contextlib
import hashlib
import hmac
import logging
import os
import secrets
import selectors
import socket
import stat
import threading
import time
from collections.abc import Callable

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import ConfigError, StorageError
from ftpretrieve.logs import record

HOST = "127.0.0.1"

CLIENT_BYTES = 256
"""Longer lines are refused; a longer secret gets its own length and a line end."""

CLIENT_SECS = 5.0
"""A person with telnet needs a moment; after it the place is given to somebody else."""

CLIENTS = 8
"""With one more, the oldest goes: so whoever fills all places cannot keep the right client out."""

REPORT_SECS = 60.0
"""One log line a minute about wrong strings, or anybody could fill the disk with them."""

BACKLOG = 512
"""Connections the kernel keeps until we accept them; beyond it the right client waits a second for its next attempt."""

JOIN_SECS = 1.0
"""The thread only does what cannot block, except `on_match` and the log."""

REPLY = b"stopping\n"


class _Client:
    """One connection and what it has sent so far."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = b""
        self.deadline = Deadline(CLIENT_SECS)


class Listener:
    """Calls `on_match` whenever a client sends the secret, with or without a line end. One thread, no blocking call.

    `on_match` runs in that thread and should do no more than set an event.
    """

    def __init__(
        self,
        port: int,
        secret: bytes,
        on_match: Callable[[], None],
        log: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the port; clients are answered after `start`.

        Raises: ConfigError when the port cannot be had, or the secret is one that everybody or nobody could send.
        """
        if not secret or b"\n" in secret:
            raise ConfigError("server_shutdown_string must not be empty nor contain a line end")
        self._digest = hashlib.sha256(secret).digest()
        self._most_bytes = max(CLIENT_BYTES, len(secret) + 2)
        self._on_match = on_match
        self._log = log
        self._clock = clock
        self._wrong = 0
        self._reported = -REPORT_SECS + clock()
        self._clients: dict[socket.socket, _Client] = {}  # oldest first
        self._over = threading.Event()
        self._socket = _listen(port)
        self.port: int = self._socket.getsockname()[1]
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="ftpretrieve-listener", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """End the thread and free the port; from any thread, any number of times."""
        if not self._over.is_set():
            self._over.set()
            with contextlib.suppress(OSError):  # the thread has ended already
                self._wake.send(b"x")
        if not self._thread.is_alive():
            self._close_all()
        elif self._thread is not threading.current_thread():
            self._thread.join(JOIN_SECS)

    def __enter__(self) -> "Listener":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self._serve()
        finally:
            self._close_all()

    def _serve(self) -> None:
        """Wait for whatever comes next and handle it."""
        oldest = next(iter(self._clients.values()), None)
        for key, _ in self._selector.select(None if oldest is None else oldest.deadline.at_most(CLIENT_SECS)):
            if key.fileobj is self._socket:
                self._accept()
            elif isinstance(key.fileobj, socket.socket) and (client := self._clients.get(key.fileobj)):
                self._read(client)
        for client in [client for client in self._clients.values() if client.deadline.expired]:
            self._refuse(client)

    def _accept(self) -> None:
        """Take the connections that wait, at the cost of the oldest when all places are taken."""
        for _ in range(BACKLOG):  # not for ever: somebody may connect faster than we accept
            try:
                connection, _address = self._socket.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError:  # no descriptor is left; the port stays readable, so without a pause we would spin
                self._over.wait(0.1)
                return
            connection.setblocking(False)
            if len(self._clients) >= CLIENTS:
                self._make_room()
            self._clients[connection] = _Client(connection)
            self._selector.register(connection, selectors.EVENT_READ)

    def _make_room(self) -> None:
        """Close the oldest client, after a look at what it has sent: in a flood nobody else may come to reading it."""
        oldest = next(iter(self._clients.values()))
        self._read(oldest)
        if oldest.connection in self._clients:
            self._refuse(oldest)

    def _read(self, client: _Client) -> None:
        """Take what came and compare, once per arrival: a secret without line end gives no other sign of its end."""
        try:
            data = client.connection.recv(self._most_bytes - len(client.received))
        except BlockingIOError:
            return
        except OSError:  # reset by the client
            self._refuse(client)
            return
        client.received += data
        line, line_end, _ = client.received.partition(b"\n")
        # Digests are compared: neither a common beginning nor the length shows in the time it takes.
        if hmac.compare_digest(hashlib.sha256(line.removesuffix(b"\r")).digest(), self._digest):
            self._match(client)
        elif not data or line_end or len(client.received) >= self._most_bytes:
            self._refuse(client)

    def _match(self, client: _Client) -> None:
        """Do what the caller wants, then tell the client, who may not wait for it."""
        try:
            self._on_match()
        except Exception:  # noqa: BLE001  the caller's fault must not leave the port dead
            self._log.exception("the shutdown string came, but stopping failed")
        else:
            with contextlib.suppress(OSError):  # BlockingIOError included: the client does not read
                client.connection.send(REPLY)
        self._drop(client)

    def _refuse(self, client: _Client) -> None:
        """Close a client without a word, and count it if it had sent anything."""
        if client.received:
            self._wrong += 1
            if self._clock() - self._reported >= REPORT_SECS:
                self._log.warning(record("SHUTDOWNREFUSED", wrong=self._wrong))
                self._wrong, self._reported = 0, self._clock()
        self._drop(client)

    def _drop(self, client: _Client) -> None:
        self._selector.unregister(client.connection)
        del self._clients[client.connection]
        client.connection.close()

    def _close_all(self) -> None:
        self._selector.close()
        for sock in (*self._clients, self._socket, self._wake, self._woken):
            sock.close()
        self._clients.clear()


def send_shutdown(port: int, secret: bytes, timeout: float) -> bool:
    """Send the secret to the daemon on this machine; True when it says that it is stopping, False for everything else.

    Only for a daemon that is known to run: whoever else has the port would be told the secret. Units: seconds.
    """
    deadline = Deadline(timeout)
    answer = b""
    try:
        with socket.create_connection((HOST, port), deadline.at_most(timeout)) as connection:
            connection.sendall(secret + b"\n")
            while len(answer) < len(REPLY) and not deadline.expired:
                connection.settimeout(deadline.at_most(timeout))
                if not (data := connection.recv(len(REPLY) - len(answer))):
                    break
                answer += data
    except OSError:
        return False
    return answer == REPLY


def secret_path(pid_file: str | os.PathLike[str]) -> str:
    """Return where the random secret of a daemon with that pid file is kept."""
    return f"{os.fspath(pid_file)}.secret"


def make_secret(path: str) -> bytes:
    """Write a new random secret, readable only by its owner, in place of the last one, and return it.

    Renamed into place, so a reader finds the old one or the new one, and a symlink planted at the path is replaced,
    never followed. Raises: StorageError when it cannot be written.
    """
    secret = secrets.token_hex(32).encode()
    new = f"{path}.{secrets.token_hex(4)}"
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(secret)
            os.rename(new, path)
        except OSError:
            os.unlink(new)
            raise
    except OSError as error:
        raise StorageError(f"cannot write shutdown secret {path}: {error.strerror}") from error
    return secret


def read_secret(path: str) -> bytes | None:
    """Return the secret that a running daemon has written, or None when there is none.

    Raises: StorageError when it is there but cannot be read, or is no plain file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read shutdown secret {path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise StorageError(f"cannot read shutdown secret {path}: it is no plain file")
        return os.read(fd, CLIENT_BYTES) or None
    finally:
        os.close(fd)


def _listen(port: int) -> socket.socket:
    """Return the listening socket. Raises: ConfigError naming the port and the fix."""
    listening = socket.socket()
    try:
        # Lets a restart have the port while old connections are in TIME_WAIT; it does not share it with a listener.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except (OSError, OverflowError) as error:
        listening.close()
        raise ConfigError(
            f"cannot listen on {HOST}:{port} ({error}): choose another server_port or end the program that has it"
        ) from error
    return listening
