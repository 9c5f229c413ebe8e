"""Every remote passes the same suite: the one in memory, and FTP on each server there is."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.deadline import Deadline
from ftpretrieve.retrieve.ftp import FtpRemote
from ftpretrieve.retrieve.ftp_control import Account
from ftpretrieve.retrieve.remote import Remote
from tests.mailboxes import LOG
from tests.retrieve.memory_remote import STYLES, MemoryRemote, MemoryServer
from tests.retrieve.remote_contract import Place, RemoteContract
from tests.servers import FtpServer

LIMIT_SECS = 60.0


@dataclass
class MemoryPlace:
    server: MemoryServer

    def put(self, name: bytes, content: bytes, mtime: float) -> None:
        self.server.put(name, content, mtime)

    def remove(self, name: bytes) -> None:
        self.server.remove(name)

    def link(self, name: bytes, target: bytes) -> None:
        self.server.link(name, target)

    def session(self) -> Remote:
        return MemoryRemote(self.server, Deadline(LIMIT_SECS))


@dataclass
class FtpPlace:
    server: FtpServer

    def put(self, name: bytes, content: bytes, mtime: float) -> None:
        self.server.put(name, content, mtime)

    def remove(self, name: bytes) -> None:
        Path(self.server.root, name.decode()).unlink()

    def link(self, name: bytes, target: bytes) -> None:
        Path(self.server.root, name.decode()).symlink_to(target.decode())

    def session(self) -> Remote:
        account = Account(self.server.host, self.server.port, self.server.user, self.server.password)
        return FtpRemote(account, b"", Deadline(LIMIT_SECS), LOG)


class TestMemory(RemoteContract):
    """The remote that the tests of whole polls rest on."""

    @pytest.fixture(params=STYLES, ids=lambda style: style.name)
    def place(self, request: pytest.FixtureRequest) -> Place:
        return MemoryPlace(MemoryServer(time.time, request.param))


SERVERS = [
    pytest.param(("pyftpdlib", {}), id="mlsd"),
    pytest.param(("pyftpdlib", {"mlsd": False}), id="list-mdtm"),
    pytest.param(("pyftpdlib", {"mlsd": False, "mdtm": False}), id="list"),
    pytest.param(("pyftpdlib", {"mlsd": False, "list_format": "dos"}), id="dos"),
    *(pytest.param((name, {}), id=name, marks=pytest.mark.interop) for name in ("vsftpd", "proftpd", "pure-ftpd")),
]


class TestFtp(RemoteContract):
    """FTP, as each server speaks it."""

    @pytest.fixture(params=SERVERS)
    def place(self, request: pytest.FixtureRequest, make_server: Callable[..., Any]) -> Place:
        software, options = request.param
        return FtpPlace(make_server(software, **options))
