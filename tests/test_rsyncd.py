"""The throw-away data centre is what the tests of send stand on: that it takes, gives, refuses, and goes away."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from tests.rsyncd import Rsyncd, why_no_rsync

pytestmark = pytest.mark.interop

MakeRsyncd = Callable[..., Rsyncd]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeRsyncd]:
    missing = why_no_rsync()
    if missing:
        pytest.skip(missing)
    (tmp_path / "server").mkdir()
    (tmp_path / "data").mkdir()
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Rsyncd(tmp_path / "server", **options))


def rsync(server: Rsyncd, *arguments: str | Path, password: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RSYNC_PASSWORD": server.password if password is None else password}
    address = f"rsync://{server.user}@{server.host}:{server.port}/"
    argv = ["rsync", "--timeout=5", *(str(argument).replace("@", address, 1) for argument in arguments)]
    return subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)


def test_what_is_pushed_arrives_and_is_logged_with_its_bytes(make: MakeRsyncd, tmp_path: Path) -> None:
    server = make()
    odd = os.fsdecode(b"a b\n\xff")
    (tmp_path / "data" / odd).write_bytes(bytes(1000))
    done = rsync(server, "-rt", f"{tmp_path}/data/", "@INCOMING_TEST/ID/")
    assert done.returncode == 0, done.stderr
    assert (server.incoming / "ID" / odd).read_bytes() == bytes(1000)
    (one,) = server.received()
    assert (one.path, one.size) == (f"ID/{odd}", 1000)
    assert 1000 <= one.took < 1100


def test_a_status_is_given_to_who_knows_the_password(make: MakeRsyncd, tmp_path: Path) -> None:
    server = make()
    (server.statuses / "ID.xml").write_text("<transaction/>")
    assert rsync(server, "@TRANSACTION_XML/ID.xml", tmp_path / "got").returncode == 0
    assert (tmp_path / "got").read_text() == "<transaction/>"
    assert "auth failed on module TRANSACTION_XML" in rsync(server, "@TRANSACTION_XML/", password="wrong").stderr
    assert rsync(server, tmp_path / "got", "@TRANSACTION_XML/").returncode != 0


def test_a_write_only_module_lists_nothing(make: MakeRsyncd) -> None:
    server = make(write_only=True)
    done = rsync(server, "@INCOMING_TEST/", ".")
    assert done.returncode != 0
    assert "write only" in done.stderr


def test_a_module_that_is_missing_is_unknown(make: MakeRsyncd) -> None:
    done = rsync(make(modules=["TRANSACTION_XML"]), "@INCOMING_TEST/")
    assert "Unknown module" in done.stderr


def test_connections_above_the_most_are_refused(make: MakeRsyncd, tmp_path: Path) -> None:
    server = make(max_connections=1)
    (tmp_path / "data" / "big").write_bytes(os.urandom(1_000_000))
    with pushing(server, tmp_path / "data"):
        assert "max connections (1) reached" in rsync(server, "@INCOMING_TEST/").stderr


@pytest.mark.parametrize("break_off", [Rsyncd.kill, Rsyncd.drop])
def test_a_push_that_is_broken_off_fails_and_another_is_served(
    make: MakeRsyncd, tmp_path: Path, break_off: Callable[[Rsyncd], None]
) -> None:
    server = make()
    port = server.port
    (tmp_path / "data" / "big").write_bytes(os.urandom(1_000_000))
    with pushing(server, tmp_path / "data") as client:
        daemon = psutil.Process(server.pid)
        break_off(server)
        assert client.wait() != 0
    assert server.received() == []
    if not daemon.is_running():
        server.start()
    assert server.port == port
    assert rsync(server, "-rt", f"{tmp_path}/data/", "@INCOMING_TEST/ID/").returncode == 0


@contextmanager
def pushing(server: Rsyncd, data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have a push under way that takes a long time."""
    address = f"rsync://{server.user}@{server.host}:{server.port}/INCOMING_TEST/ID/"
    argv = ["rsync", "-rt", "--bwlimit=50", "--timeout=5", f"{data}/", address]
    environment = {**os.environ, "RSYNC_PASSWORD": server.password}
    with subprocess.Popen(argv, env=environment, stderr=subprocess.DEVNULL) as client:
        try:
            while not list(server.incoming.glob("ID/.big*")):
                assert client.poll() is None
                time.sleep(0.01)
            yield client
        finally:
            client.kill()
