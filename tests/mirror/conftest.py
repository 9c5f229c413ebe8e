"""What the tests of mirror need: the command, and the servers it speaks to. What is missing skips and is named."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.mirror import delivery
from tests.certificates import Authority, Identity, why_no_certificates
from tests.mirror.liar import Liar
from tests.mirror.running import Mirror
from tests.servers import FtpServer
from tests.sshd import PasswordSftp, Sshd, why_no_ssh


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    """Return the command, with a home of its own."""
    if not shutil.which("lftp"):
        pytest.skip("lftp is missing: install the package lftp")
    return Mirror(tmp_path)


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.interop) for name in ("vsftpd", "proftpd")])
def server(request: pytest.FixtureRequest, make_server: Callable[..., FtpServer]) -> FtpServer:
    """Run the test once with each of the two servers that people have."""
    return make_server(request.param)


@pytest.fixture
def vsftpd(make_server: Callable[..., FtpServer]) -> FtpServer:
    """Return the one server that is enough where servers do not differ."""
    return make_server("vsftpd")


@pytest.fixture
def make_liar(tmp_path: Path) -> Iterator[Callable[..., Liar]]:
    """Return a function (**options) that starts the server that lies, once."""
    started: list[Liar] = []

    def make(**options: Any) -> Liar:
        (tmp_path / "liar").mkdir()
        started.append(Liar(tmp_path / "liar", **options))
        started[0].start()
        return started[0]

    yield make
    for one in started:
        one.stop()


@pytest.fixture
def liar(make_liar: Callable[..., Liar]) -> Liar:
    """Return the server that lies; it prints listings as Unix does and knows no MLSD."""
    return make_liar(mlsd=False)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """Return OpenSSH, for SFTP by key."""
    missing = why_no_ssh()
    if missing:
        pytest.skip(missing)
    (tmp_path / "sshd").mkdir()
    with Sshd(tmp_path / "sshd") as server:
        yield server


@pytest.fixture
def password_sftp(tmp_path: Path) -> Iterator[PasswordSftp]:
    """Return an SFTP server that wants a password."""
    if not shutil.which("ssh"):
        pytest.skip("ssh is missing: install openssh-client")
    with PasswordSftp(tmp_path / "asyncssh") as server:
        yield server


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority whose certificates nobody trusts by default."""
    missing = why_no_certificates()
    if missing:
        pytest.skip(missing)
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def identity(authority: Authority) -> Identity:
    """Return the certificate, with its key, that servers show."""
    return authority.issue("server")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let relative paths be those of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a file that nobody else may read."""

    def write(text: str, name: str = "mirror.cfg", mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let certificates of the tests' authority be trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let servers on loopback pass for servers at another machine."""
    monkeypatch.setattr(delivery, "is_loopback", lambda address: False)
