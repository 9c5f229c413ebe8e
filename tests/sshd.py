"""Throw-away SFTP servers on loopback: a real OpenSSH sshd that takes a key, and asyncssh that takes a password.

    with Sshd(tmp_path) as server:
        server.put("a.xml", b"<a/>", mtime=1_700_000_000)
        subprocess.run([..., "-i", server.key])

sshd checks passwords against those of the system, which the tests leave alone: hence the second one. Both serve the
whole disk, as an sshd does, so `home` is the directory `root` on disk. Must not be imported by the package.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import asyncssh

from tests.servers import UNPACKED, FtpServer, RealServer, free_port, why_missing

PRIVILEGE_SEPARATION = Path("/run/sshd")  # compiled in; root's sshd does not start without it


def why_no_ssh() -> str | None:
    """Say what is missing for SFTP by key, or None."""
    missing = next((name for name in ("ssh", "ssh-keygen") if not shutil.which(name)), None)
    return f"{missing} is missing: install openssh-client" if missing else why_missing("sshd")


def make_key(path: Path) -> Path:
    """Make a private key without passphrase, and the public one beside it (`.pub`)."""
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "throw-away", "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


class Sshd(RealServer):
    """OpenSSH, for whoever runs the tests and holds `key`; nobody else, and no password."""

    greets = "SSH-2.0"
    password = ""

    def __init__(self, directory: Path) -> None:
        super().__init__("sshd", directory, None)
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.key = make_key(directory / "client_key")
        self._host_key = make_key(directory / "host_key")
        self.arguments = self._arguments
        if os.getuid() == 0 and not PRIVILEGE_SEPARATION.is_dir():
            PRIVILEGE_SEPARATION.mkdir(mode=0o755)  # empty for ever, as the package's own service makes it

    def _arguments(self, port: int) -> Sequence[str]:
        allowed = self.directory / "authorized_keys"
        shutil.copy(self.key.with_suffix(".pub"), allowed)
        lines = [f"Port {port}", f"ListenAddress {self.host}", f"HostKey {self._host_key}", "PidFile none"]
        lines += [f"AuthorizedKeysFile {allowed}", "StrictModes no", "PermitRootLogin yes", "UsePAM no"]
        lines += ["PasswordAuthentication no", "KbdInteractiveAuthentication no", "PrintLastLog no"]
        lines += ["Subsystem sftp internal-sftp", "ForceCommand internal-sftp", "MaxStartups 100", "LogLevel ERROR"]
        session = UNPACKED / "usr/lib/openssh/sshd-session"  # OpenSSH 9.8 divided the program
        lines += [f"SshdSessionPath {session}"] if session.exists() else []
        path = self.directory / "sshd_config"
        path.write_text("\n".join(lines) + "\n")
        return ["-D", "-e", "-f", str(path)]


class _PasswordOnly(asyncssh.SSHServer):
    def __init__(self, owner: PasswordSftp) -> None:
        self._owner = owner

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._owner.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self._owner.logins.append(username)
        return (username, password) == (self._owner.user, self._owner.password)


class PasswordSftp(FtpServer):
    """SFTP with a password, served by a thread. `logins`: the user of each attempt."""

    software = "asyncssh"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.home = str(self.root)
        self.logins: list[str] = []
        self.connections: list[asyncssh.SSHServerConnection] = []
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._listener: asyncssh.SSHAcceptor | None = None

    def start(self) -> None:
        self.port = self.port or free_port()
        self._thread = threading.Thread(target=self._loop.run_forever, name="asyncssh", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    async def _listen(self) -> None:
        self._listener = await asyncssh.listen(
            self.host,
            self.port,
            server_host_keys=[self._key],
            server_factory=lambda: _PasswordOnly(self),
            sftp_factory=True,
            allow_scp=False,
        )

    def stop(self) -> None:
        if self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._thread = None

    async def _close(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for connection in self.connections:
            connection.abort()
        await asyncio.gather(*(connection.wait_closed() for connection in self.connections))
        await self._listener.wait_closed()
