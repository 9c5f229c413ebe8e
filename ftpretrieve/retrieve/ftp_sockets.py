"""The sockets of one session: opened within its deadline, and woken together when it ends.

Must not: know FTP.
"""

import errno
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import SessionExpired

CONNECT_SECS = 20.0
"""A server that has not answered a SYN by then is away: four retransmissions."""

OVER_SECS = 0.02
"""Time-outs taken from the deadline may fire this much before it."""

KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 20),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 6),
)
"""The control connection is silent for as long as a download takes, and routers that translate addresses forget a
silent connection, some after two minutes. Questions of the kernel keep it alive; a NOOP during a RETR would not do:
some servers lose what they are sent during a transfer (measured on pure-ftpd)."""


Taken = TypeVar("Taken", bound=socket.socket)


def shown(host: str, port: int) -> str:
    """Return an address as people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Sockets:
    """The open sockets of one session, and the flag that ends it. `abort` may be called from any thread."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.aborted = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def over(self) -> bool:
        """Whether the session has ended: a time-out that is its limit must not count as the server's fault."""
        return self.aborted.is_set() or self.deadline.remaining() < OVER_SECS

    def abort(self) -> None:
        """Wake everything that blocks, for good."""
        self.aborted.set()
        with self._lock:
            for sock in self._open:
                # socket.socket.shutdown: the method of an SSLSocket would hand ciphertext to the reader (measured).
                # OSError: not connected, or closed by its own thread just now.
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def dial(self, host: str, port: int, silence_secs: float) -> socket.socket:
        """Return a connected socket with a time-out.

        Raises: OSError when no address answers, SessionExpired when the session was aborted.
        """
        error: OSError = OSError(f"no address for {host}")
        for family, _, _, _, address in self._resolve(host, port):
            try:
                return self.connect(family, address, silence_secs)
            except OSError as failure:
                error = failure
        raise error

    def connect(self, family: int, address: tuple[str | int, ...], silence_secs: float) -> socket.socket:
        """Return a socket connected to one address; raises as `dial`."""
        sock = socket.socket(family, socket.SOCK_STREAM)
        with self._lock:
            self._open.add(sock)
        try:
            if self.aborted.is_set():
                raise SessionExpired("connect")
            _keep_alive(sock)
            sock.settimeout(self.deadline.at_most(CONNECT_SECS))
            sock.connect(address)
            sock.settimeout(self.deadline.at_most(silence_secs))
        except BaseException:
            self.close(sock)
            raise
        return sock

    def listen(self, family: int, host: str, ports: Iterable[int]) -> socket.socket:
        """Return a socket that listens on the first of these ports that is free (0: any); OSError when none is."""
        for port in ports:
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                # Else a port of the last minute's transfers could not be used again.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((host, port))
                sock.listen(1)
            except OSError as error:
                sock.close()
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            with self._lock:
                self._open.add(sock)
            return sock
        raise OSError(errno.EADDRINUSE, "all ports of ftp_active_ports are in use")

    def accept(self, listener: socket.socket, silence_secs: float) -> tuple[socket.socket, str]:
        """Return the connection that somebody has made to a listening socket, and the host it comes from."""
        sock, peer = listener.accept()
        with self._lock:
            self._open.add(sock)
        _keep_alive(sock)
        sock.settimeout(self.deadline.at_most(silence_secs))
        return sock, peer[0]

    def swap(self, sock: socket.socket, make: Callable[[], Taken]) -> Taken:
        """Let `make` return what takes the place of a socket, on the same descriptor; no abort falls in between."""
        with self._lock:
            self._open.discard(sock)
            taken = make()
            self._open.add(taken)
        return taken

    def close(self, sock: socket.socket) -> None:
        """Close a socket and forget it."""
        with self._lock:
            self._open.discard(sock)
        sock.close()

    def _resolve(self, host: str, port: int) -> Sequence[tuple[int, int, int, str, tuple[str, int]]]:
        # getaddrinfo cannot be interrupted and may take minutes, so it is awaited in a thread that may outlive us.
        found: list[object] = []

        def resolve() -> None:
            try:
                found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except OSError as error:
                found.append(error)

        thread = threading.Thread(target=resolve, name="resolve", daemon=True)
        thread.start()
        limit = Deadline(self.deadline.at_most(CONNECT_SECS))
        while thread.is_alive() and not limit.expired and not self.aborted.is_set():
            thread.join(0.1)
        if not found:
            raise TimeoutError("the name was not resolved in time")
        if isinstance(found[0], OSError):
            raise found[0]
        return found[0]  # type: ignore[return-value]  # else it is the list


def _keep_alive(sock: socket.socket) -> None:
    for level, option, value in KEEP_ALIVE:
        sock.setsockopt(level, option, value)
