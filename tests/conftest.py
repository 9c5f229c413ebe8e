"""Fixtures and limits for all tests. What needs a server that is missing skips and says which."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.pyftp import PyFtpServer
from tests.screen import Screen
from tests.servers import FtpServer, proftpd, pureftpd, vsftpd, why_missing

LIMITS_SECS = {"slow": 900, "crash": 60, "daemon": 60, "interop": 60}
"""Of a test with that mark; all others have the `timeout` of pyproject.toml. The last three wait for other processes,
which take some seconds by themselves, and as long as they like on a machine that has much else to do."""

SERVERS: dict[str, Callable[..., FtpServer]] = {
    "vsftpd": vsftpd,
    "proftpd": proftpd,
    "pure-ftpd": pureftpd,
    "pyftpdlib": PyFtpServer,
}
ALL_SERVERS = [pytest.param(name, marks=[] if name == "pyftpdlib" else pytest.mark.interop) for name in SERVERS]

# Time limits of single examples say more about the machine than about the code.
hypothesis.settings.register_profile("default", deadline=None, print_blob=True)
hypothesis.settings.load_profile("default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests the time that their marks stand for; a limit of their own still wins."""
    for item in items:
        limits = [secs for mark, secs in LIMITS_SECS.items() if item.get_closest_marker(mark)]
        if limits and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(max(limits)))


@pytest.fixture(autouse=True, scope="session")
def usual_signals() -> Iterator[None]:
    """Give signals their meaning: whoever runs the tests in the background ignores some, and children inherit that."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGQUIT: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return a function (software, **options) that starts a server, in its own directory, until the test ends.

    With `instead_of` the new server takes over another one's files and port, which is stopped.
    """
    with ExitStack() as stack:
        started: list[FtpServer] = []

        def make(software: str, *, instead_of: FtpServer | None = None, **options: Any) -> FtpServer:
            missing = why_missing(software)
            if missing:
                pytest.skip(missing)
            if instead_of is None:
                directory = tmp_path / f"server{len(started)}"
                directory.mkdir()
            else:
                instead_of.stop()
                directory = instead_of.root.parent
            server = SERVERS[software](directory, **options)
            server.port = instead_of.port if instead_of is not None else 0
            started.append(stack.enter_context(server))
            return server

        yield make


@pytest.fixture(params=ALL_SERVERS)
def any_server(request: pytest.FixtureRequest, make_server: Callable[..., FtpServer]) -> FtpServer:
    """Run the test once with each of the four servers, each with its default options."""
    return make_server(request.param)


@pytest.fixture
def pyftp(make_server: Callable[..., PyFtpServer]) -> PyFtpServer:
    """Return the in-process server, whose commands can be counted and replaced."""
    return make_server("pyftpdlib")


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """Return a terminal that can clear a line."""
    monkeypatch.setenv("TERM", "xterm")
    made = Screen()
    yield made
    made.close()
