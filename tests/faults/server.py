"""The server of the faults: listens, keeps the files and what was ever true of them, and lets faults strike.

Must not: know any fault by name (that is `table`'s), or the package that is tested with it.
"""

from __future__ import annotations

import calendar
import hashlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from tests.faults.conversation import Conversation, Script

USER, PASSWORD = "u", "s3cret-word"

HALF_A_YEAR_SECS = 182 * 86_400
"""Older files are listed by LIST with their year instead of the time of day, as `ls` does."""

Rows = Callable[["FaultServer", list[bytes], bool], Iterable[bytes]]
"""(server, rows, whether they are MLSD's) -> what is listed instead; each has its line end."""

Body = Callable[["FaultServer", bytes, bytes], bytes]
"""(server, name, content) -> what is sent instead."""


def content(name: bytes, size: int, version: int = 1) -> bytes:
    """Return the content that a file of this name has in all tests: every byte depends on its name and version."""
    return hashlib.shake_256(b"%d %s" % (version, name)).digest(size)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that a server does wrong.

    `scripts` stand in for commands ("GREETING": the words of welcome, "IDLE": a moment without a command), `rows` for
    the lines of listings, `body` for what RETR sends, `packets` for how a reply is sent; `prepare` changes the server
    when the fault is armed.
    """

    name: str
    text: str
    scripts: Mapping[str, Script] = field(default_factory=dict)
    rows: Rows | None = None
    body: Body | None = None
    packets: Callable[[bytes], Iterable[bytes]] | None = None
    prepare: Callable[[FaultServer], None] | None = None
    group: str = ""


class Armed:
    """A fault that strikes: `when` is "every" time, the "first" time, or each nth time ("3"), counted by what it
    stands in for."""

    def __init__(self, fault: Fault, when: str = "every") -> None:
        self.fault, self._when = fault, when
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def strikes(self, hook: str) -> bool:
        """Count one occasion, and say whether the fault takes it."""
        with self._lock:
            self._seen[hook] += 1
            seen = self._seen[hook]
        if self._when == "every":
            return True
        return seen == 1 if self._when == "first" else seen % int(self._when) == 0

    def script(self, verb: str) -> Script | None:
        """Return what stands in for a command this time."""
        script = self.fault.scripts.get(verb)
        return script if script is not None and self.strikes(verb) else None


class FaultServer:
    """`files` maps a name (bytes) to (content, MLSD time of 14 digits). Use as a context manager.

    `rows` is a listing instead of that of `files`, or a function that makes its blocks. So many `directories` are
    listed besides the files. `truth` has every content that a name had for a while, `hostile` the names that nobody
    must take; `escape` is an absolute directory that hostile names point to.
    """

    user, password = USER, PASSWORD

    def __init__(
        self,
        files: dict[bytes, tuple[bytes, str]],
        *,
        mlsd: bool = True,
        host: str = "127.0.0.1",
        directories: int = 0,
        escape: bytes = b"/nowhere",
    ) -> None:
        self.files = files
        self.truth = {name: {content} for name, (content, _) in files.items()}
        self.directories = directories
        self.mlsd = self._mlsd = mlsd
        self.host = host
        self.escape = escape
        self.armed: list[Armed] = []
        self.scripts: dict[str, Script] = {}
        self.rows: bytes | Callable[[], Iterable[bytes]] | None = None
        self.shift_secs = 0
        self.connections = 0
        self.commands: list[str] = []
        self.listings = 0
        self.stopped = threading.Event()
        self.sockets: list[socket.socket] = []
        self.hostile: set[bytes] = set()
        self._hidden: dict[bytes, tuple[bytes, str]] = {}
        self._threads: list[threading.Thread] = []
        self._listener = self.listen()
        self.port: int = self._listener.getsockname()[1]

    # -- faults ---------------------------------------------------------------------------------------------------

    def strike(self, fault: Fault, when: str = "every") -> None:
        """Let a fault strike from now on, with those that do already."""
        if fault.prepare is not None:
            fault.prepare(self)
        self.armed.append(Armed(fault, when))

    def heal(self) -> None:
        """Behave from now on; hostile files are gone."""
        self.rows, self.armed, self.mlsd, self.shift_secs = None, [], self._mlsd, 0
        self.scripts.clear()
        for name in self.hostile:
            self.files.pop(name, None)
        self.hostile.clear()
        self.files.update(self._hidden)
        self._hidden.clear()
        if self._listener.fileno() < 0:
            self._open()

    def put(self, name: bytes, body: bytes, modify: str) -> None:
        """Give a name another content, which is true from now on."""
        self.truth.setdefault(name, set()).add(body)
        self.files[name] = (body, modify)

    def put_hostile(self, name: bytes, body: bytes = b"evil", modify: str = "20200102030405") -> None:
        """List a file that nobody must take under this name."""
        self.hostile.add(name)
        self.files[name] = (body, modify)

    def hide(self, name: bytes) -> None:
        """Let a file be gone until healed."""
        if name in self.files:
            self._hidden[name] = self.files.pop(name)

    # -- connections ----------------------------------------------------------------------------------------------

    def listen(self, port: int = 0, backlog: int = 64) -> socket.socket:
        """Return a new listening socket on the server's host."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        return socket.create_server((self.host, port), family=family, backlog=backlog)

    def hang_up(self, *, full: bool = False) -> None:
        """Refuse connections until healed; `full`: let them wait in a queue that is full instead."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if not full:
            return
        blocked = self.listen(self.port, 0)
        self.sockets.append(blocked)
        for _ in range(4):
            filler = socket.socket(blocked.family)
            filler.setblocking(False)
            filler.connect_ex(blocked.getsockname())
            self.sockets.append(filler)
        time.sleep(0.05)  # the kernel completes those that have a place

    def _open(self) -> None:
        for sock in self.sockets:
            if sock.fileno() >= 0 and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                sock.close()
        self._listener = self.listen(self.port)
        self._spawn(self._accept, self._listener)

    def __enter__(self) -> Self:
        self._spawn(self._accept, self._listener)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._close_all()
        for thread in list(self._threads):
            thread.join(5)
        self._close_all()  # what the last of them had just opened

    def _close_all(self) -> None:
        for sock in [self._listener, *self.sockets]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # replies in a row wait for no ACK
                self.sockets.append(sock)
                self.connections += 1
                self._spawn(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        with suppress(OSError, ValueError):
            Conversation(self, sock, number).run()
        sock.close()

    # -- files ----------------------------------------------------------------------------------------------------

    def shown(self, modify: str, shift_secs: int = 0) -> str:
        """Return a time as the server's clock has it."""
        if not (shift_secs or self.shift_secs):
            return modify
        return time.strftime("%Y%m%d%H%M%S", time.gmtime(_epoch(modify) + shift_secs + self.shift_secs))

    def row(self, name: bytes, *, mlsd: bool) -> bytes:
        """Return the line of a listing for one of the files."""
        body, modify = self.files[name]
        modify = self.shown(modify)
        if mlsd:
            return b"type=file;size=%d;modify=%s; %s\r\n" % (len(body), modify.encode(), name)
        old = _epoch(modify) < time.time() - HALF_A_YEAR_SECS
        stamp = time.strftime("%b %d  %Y" if old else "%b %d %H:%M", time.gmtime(_epoch(modify))).encode()
        return b"-rw-r--r--   1 u g %12d %s %s\r\n" % (len(body), stamp, name)

    def listing(self, *, mlsd: bool) -> bytes:
        """Return a listing of the files, or what stands in for it."""
        if isinstance(self.rows, bytes):
            return self.rows
        directory = b"type=dir;modify=20200102030405; %d\r\n" if mlsd else b"drwxr-xr-x 2 u g 4096 Jan 02  2020 %d\r\n"
        rows = [directory % number for number in range(self.directories)]
        rows += [self.row(name, mlsd=mlsd) for name in list(self.files)]
        for armed in list(self.armed):
            if armed.fault.rows is not None and armed.strikes("rows"):
                rows = list(armed.fault.rows(self, rows, mlsd))
        return b"".join(rows)

    def body(self, name: bytes) -> bytes | None:
        """Return what RETR sends; None when there is no such file."""
        if name not in self.files:
            return None
        body = self.files[name][0]
        for armed in list(self.armed):
            if armed.fault.body is not None and armed.strikes("body"):
                body = armed.fault.body(self, name, body)
        return body


def _epoch(modify: str) -> int:
    return calendar.timegm(time.strptime(modify, "%Y%m%d%H%M%S"))
