"""Fixtures of the tests of the polling daemon: worlds in memory, and what servers with TLS need."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority, Identity
from tests.retrieve.memory_remote import MLSD, Style
from tests.retrieve.tls_checks import MakeTls
from tests.retrieve.world import World
from tests.servers import FtpServer, ServerTls, why_missing


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """Return a directory in memory where the system has one: thousands of journals are synced there."""
    shm = Path("/dev/shm")
    if not shm.is_dir():
        yield tmp_path
        return
    path = Path(tempfile.mkdtemp(prefix="ftpretrieve-", dir=shm))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def make_world(memory_path: Path) -> Callable[..., World]:
    """Return a function (style, **rules) that makes a world in a directory of its own."""

    def make(style: Style = MLSD, **rules: object) -> World:
        return World(memory_path / f"world{len(os.listdir(memory_path))}", style, **rules)

    return make


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority whose certificates the tests trust."""
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def identity(authority: Authority) -> Identity:
    """Return the certificate, with its key, that servers show."""
    return authority.issue("server")


@pytest.fixture
def make_tls(make_server: Callable[..., FtpServer], identity: Identity) -> MakeTls:
    """Return a function (software, version, implicit, **options) that starts a server with TLS."""

    def make(software: str, version: str | None = None, implicit: bool = False, **options: Any) -> FtpServer:
        missing = why_missing(software, tls=True)
        if missing:
            pytest.skip(missing)
        given = options.pop("both", identity.both)
        return make_server(software, tls=ServerTls(given, implicit, version, options.pop("client_ca", None)), **options)

    return make
