"""An FTP server in a thread of the tests, whose every command can be counted, replaced, silenced or slowed down.

    with PyFtpServer(tmp_path, mlsd=False) as server:
        server.replace["MDTM"] = lambda handler, argument, proceed: handler.respond("550 not today")
        ...
        assert server.commands["RETR"] == 3

Must not know anything of the package that is tested with it.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import DTPHandler, FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from tests.servers import FtpServer

# replace[COMMAND](handler, argument, proceed): `proceed()` does what the server would have done.
Replacement = Callable[["Handler", str, Callable[[], None]], object]

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SIX_MONTHS_SECS = 182 * 86_400  # vsftpd's (measured)

# Without a handler of its own pyftpdlib would set one up for the whole process, and print.
logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())
logging.getLogger("pyftpdlib").propagate = False


class UnixFilesystem(AbstractedFS):
    """LIST as `ls -l` prints it, in whatever zone the server is in: minutes of what is recent, days of what is old."""

    def format_list(self, basedir: str, listing: list[str], ignore_err: bool = True) -> Iterator[bytes]:
        owner: PyFtpServer = self.cmd_channel.owner
        now = time.time()
        for name in listing:
            try:
                status = os.lstat(os.path.join(basedir, name))
            except FileNotFoundError:
                continue  # removed since its name was read
            local = time.gmtime(status.st_mtime + owner.utc_offset_secs)
            is_recent = now - status.st_mtime <= owner.recent_secs
            stamp = MONTHS[local.tm_mon - 1] + time.strftime(" %d %H:%M" if is_recent else " %d  %Y", local)
            mode = stat.filemode(status.st_mode)
            line = f"{mode} {status.st_nlink:>3} owner    group    {status.st_size:>8} {stamp} {name}\r\n"
            yield line.encode("utf-8", "surrogateescape")


class DosFilesystem(AbstractedFS):
    """LIST as the servers of Microsoft print it: no seconds, no owner, directories marked."""

    def format_list(self, basedir: str, listing: list[str], ignore_err: bool = True) -> Iterator[bytes]:
        for name in listing:
            status = os.stat(os.path.join(basedir, name))
            stamp = time.strftime("%m-%d-%y  %I:%M%p", time.gmtime(status.st_mtime))
            size = "       <DIR>         " if os.path.isdir(os.path.join(basedir, name)) else f"{status.st_size:>21}"
            yield f"{stamp}{size} {name}\r\n".encode("utf-8", "surrogateescape")


class DataChannel(DTPHandler):  # type: ignore[misc]
    """A data connection that obeys the server's switches while it sends. (The limit of pyftpdlib starts in a burst.)"""

    _resume: Any = None

    def send(self, data: bytes) -> int:
        owner: PyFtpServer = self.cmd_channel.owner
        if owner.silent:
            self._pause(0.02)
            return 0
        limit = owner.bytes_per_sec
        sent: int = super().send(data[: max(1, limit // 20)] if limit else data)
        if limit and self.connected:
            self._pause(sent / limit)
        return sent

    def _pause(self, secs: float) -> None:
        self.del_channel()
        self._resume = self.ioloop.call_later(secs, self.add_channel, events=self.ioloop.WRITE)

    def close(self) -> None:
        if self._resume is not None and not self._resume.cancelled:
            self._resume.cancel()
        super().close()


class Handler(FTPHandler):  # type: ignore[misc]
    """One session. Subclass it for what `PyFtpServer.replace` cannot do."""

    owner: PyFtpServer
    dtp_handler = DataChannel
    use_sendfile = False  # it would bypass DataChannel.send
    unicode_errors = "surrogateescape"  # names are bytes, also those that are not UTF-8
    auth_failed_timeout = 0
    banner = "throw-away server"

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        self.owner.commands[cmd] += 1
        self.owner.log.append((cmd, arg))
        if self.owner.silent:
            return
        proceed = super().pre_process_command
        replacement = self.owner.replace.get(cmd)
        if replacement is None:
            proceed(line, cmd, arg)
        else:
            replacement(self, arg, lambda: proceed(line, cmd, arg))

    def push(self, data: str) -> None:
        if not self.owner.silent:
            super(FTPHandler, self).push(data.encode(self.encoding, self.unicode_errors))


class PyFtpServer(FtpServer):
    """The server, with its switches: `replace`, `silent`, `bytes_per_sec`, `utc_offset_secs`, `recent_secs`; and its
    memory: `commands`, `log`.

    `silent` mutes greeting, replies and data of all sessions; a command that was swallowed is never answered later.
    `bytes_per_sec` (0: no limit) holds for each data connection. LIST (of Unix) prints the time that is
    `utc_offset_secs` ahead of UTC, to the minute for files younger than `recent_secs`, else to the day. All may be
    changed at any time, from any thread.
    """

    software = "pyftpdlib"

    def __init__(
        self,
        directory: Path,
        *,
        mlsd: bool = True,
        mdtm: bool = True,
        list_format: str = "unix",
        max_clients: int = 0,
        handler: type[Handler] = Handler,
    ) -> None:
        super().__init__(directory)
        self.commands: Counter[str] = Counter()
        self.log: list[tuple[str, str]] = []
        self.replace: dict[str, Replacement] = {}
        self.silent = False
        self.bytes_per_sec = 0
        self.utc_offset_secs = 0
        self.recent_secs = SIX_MONTHS_SECS
        self._max_clients = max_clients
        self._handler = self._make_handler(handler, mlsd=mlsd, mdtm=mdtm, list_format=list_format)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def _make_handler(self, base: type[Handler], *, mlsd: bool, mdtm: bool, list_format: str) -> type[Handler]:
        authorizer = DummyAuthorizer()
        authorizer.add_user(self.user, self.password, str(self.root), perm="elradfmwMT")
        unknown = ([] if mlsd else ["MLSD", "MLST"]) + ([] if mdtm else ["MDTM"])
        members: dict[str, Any] = {
            "owner": self,
            "authorizer": authorizer,
            "proto_cmds": {name: row for name, row in base.proto_cmds.items() if name not in unknown},
            "abstracted_fs": {"unix": UnixFilesystem, "dos": DosFilesystem}[list_format],
        }
        return type("Handler", (base,), members)

    @property
    def pid(self) -> int:
        """The process that serves: this one."""
        return os.getpid()

    def forget(self) -> None:
        """Empty `commands` and `log`, to count one poll."""
        self.commands.clear()
        self.log.clear()

    def start(self) -> None:
        assert self._thread is None, "already started"
        loop = IOLoop()
        server = FTPServer((self.host, self.port), self._handler, ioloop=loop)
        self.port = server.address[1]  # it was 0 the first time: nobody else can take one that is free just now
        # max_cons would count data connections too.
        server.max_cons, server.max_cons_per_ip = 0, self._max_clients
        self._stop.clear()
        self._thread = threading.Thread(target=self._serve, args=(loop, server), name="pyftpdlib", daemon=True)
        self._thread.start()

    def _serve(self, loop: IOLoop, server: FTPServer) -> None:
        while not self._stop.is_set():
            loop.loop(timeout=0.02, blocking=False)
        server.close_all()

    def stop(self) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
