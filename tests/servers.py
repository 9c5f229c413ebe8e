"""Throw-away FTP servers on loopback: real vsftpd, proftpd and pure-ftpd processes, and pyftpdlib in a thread.

    with vsftpd(tmp_path) as server:
        server.put("a.xml", b"<a/>", mtime=1_700_000_000)
        server.connect().nlst()

All work for root and for an ordinary user alike, check the password, allow uploads, and log in to `server.home`, which
is the directory `server.root` on disk. None of the real ones is confined to it (that takes root), so `home` is '/' only
on pyftpdlib: an absolute remote directory is spelt `server.home.rstrip("/") + "/sub"`.

Must not be imported by the package. Nothing that is started here outlives the tests, not even when they are killed.
"""

from __future__ import annotations

import ftplib
import grp
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.launch import SET_USER_CALLS

CHECKOUT = Path(__file__).parent.parent
UNPACKED = CHECKOUT / ".cache" / "servers"  # made by scripts/_setup
LAUNCH = Path(__file__).parent / "launch.py"
START_LIMIT_SECS = 10.0  # a server answers after some 50 ms; this is for a machine that is busy with something else

PASSWORD = "secret"
# crypt(3) of PASSWORD, SHA-512 with salt `ftpretrieve` and only 1,000 rounds, so that a login costs nothing.
PASSWORD_HASH = (
    "$6$rounds=1000$ftpretrieve$1YilNfesDYgDzEqKtU5s3ykJr/5P1xOSAexi1SQ4nuZpvC.i48IW/oRklxtiD6abLxYvjfwyS.X3us.ROpI/T1"
)


class FtpServer(ABC):
    """What all servers have in common. `root` is the directory whose files it serves, `home` its name for clients."""

    software: str
    user = "tester"
    password = PASSWORD
    host = "127.0.0.1"
    port = 0
    home = "/"

    def __init__(self, directory: Path) -> None:
        self.root = directory / "remote"
        self.root.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def start(self) -> None:
        """Start to serve; again after a stop, on the same port."""

    @abstractmethod
    def stop(self) -> None:
        """Stop at once, with all sessions. Harmless when stopped already."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def connect(self) -> ftplib.FTP:
        """Return a logged-in client of the standard library, to be closed by the caller."""
        client = ftplib.FTP()
        try:
            client.connect(self.host, self.port, timeout=10)
            client.login(self.user, self.password)
        except BaseException:
            client.close()
            raise
        return client

    def put(self, name: str | bytes, content: bytes = b"", mtime: float | None = None) -> Path:
        """Make a file below `root`, with its directories, complete and with its time from its first instant on."""
        path = Path(os.fsdecode(os.path.join(os.fsencode(self.root), os.fsencode(name))))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.root.parent / f".put-{os.getpid()}"
        temporary.write_bytes(content)
        if mtime is not None:
            os.utime(temporary, (mtime, mtime))
        os.replace(temporary, path)
        return path


class RealServer(FtpServer):
    """A server in a process of its own. `arguments(port)` gives the command line, from the program's arguments on."""

    def __init__(self, software: str, directory: Path, tz: str | None, keep_user: bool = False) -> None:
        super().__init__(directory)
        self.software = software
        self.home = str(self.root)
        self.arguments: Callable[[int], Sequence[str]] = lambda port: ()
        self._log_path = directory / f"{software}.log"
        self._program = _find(software)
        self._launch = [sys.executable, "-I", "-S", str(LAUNCH), *(["--keep-user"] if keep_user else [])]
        self._environment = _environment() | ({"TZ": tz} if tz else {})
        self._process: subprocess.Popen[bytes] | None = None  # tests/launch.py, parent of the server
        self.pid = 0  # the process that accepts connections; the sessions are its children

    def log(self) -> str:
        """What the server printed."""
        return self._log_path.read_text(errors="replace")

    def start(self) -> None:
        assert self._process is None, "already started"
        if self.port:
            self._start(self.port)
            return
        for attempt in range(3):  # another process may take the free port before the server does
            self.port = free_port()
            try:
                self._start(self.port)
                return
            except RuntimeError:
                if attempt == 2:
                    raise

    def _start(self, port: int) -> None:
        argv = [*self._launch, self._program, *self.arguments(port)]
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=self._environment
            )
        try:
            assert self._process.stdout is not None
            self.pid = int(self._process.stdout.readline())
            self._wait_until_it_greets()
        except BaseException:
            self.stop()
            raise

    def _wait_until_it_greets(self) -> None:
        assert self._process is not None
        end = time.monotonic() + START_LIMIT_SECS
        while True:
            greeting = _greeting(self.host, self.port)
            if greeting.startswith("220"):
                return
            if greeting or self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.software} does not start: {greeting or self.log() or 'no answer'}")
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.communicate(timeout=START_LIMIT_SECS)  # closes the pipe, so tests/launch.py kills server and sessions


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def why_missing(software: str) -> str | None:
    """Say what is missing to run that server, or None."""
    if software == "pyftpdlib":
        return None
    if shutil.which(software, path=_search_path()) is None:
        return f"{software} is missing: neither installed nor unpacked by scripts/test in .cache/servers"
    if software == "pure-ftpd" and os.uname().machine not in SET_USER_CALLS:
        return f"pure-ftpd is not run here: the system calls of {os.uname().machine} are not listed in tests/launch.py"
    return None


def vsftpd(
    directory: Path,
    *,
    use_localtime: bool = False,
    tz: str | None = None,
    max_clients: int | None = None,
    extra: Sequence[str] = (),
) -> RealServer:
    """Return a vsftpd: LIST only, times in UTC unless `use_localtime`, then in `tz` (as in $TZ).

    Its users come from PAM, which only root can change; so it is an anonymous login with a password from a list.
    `extra`: lines for its configuration, such as anon_max_rate=1000.
    """
    server = RealServer("vsftpd", directory, tz)
    server.user = "anonymous"
    (directory / "vsftpd.passwords").write_text(PASSWORD + "\n")
    account = pwd.getpwuid(os.getuid()).pw_name
    settings = f"""
        background=NO
        listen=YES
        listen_address={server.host}
        run_as_launching_user=YES
        seccomp_sandbox=NO
        connect_from_port_20=NO
        secure_chroot_dir={directory}
        local_enable=NO
        anonymous_enable=YES
        ftp_username={account}
        secure_email_list_enable=YES
        email_password_file={directory}/vsftpd.passwords
        delay_failed_login=0
        anon_root={server.root}
        anon_world_readable_only=NO
        anon_umask=022
        write_enable=YES
        anon_upload_enable=YES
        anon_mkdir_write_enable=YES
        anon_other_write_enable=YES
        max_clients={max_clients or 0}
        use_localtime={"YES" if use_localtime else "NO"}
        """

    def arguments(port: int) -> Sequence[str]:
        return [_configuration(directory / "vsftpd.conf", settings, f"listen_port={port}", *extra)]

    server.arguments = arguments
    return server


def proftpd(
    directory: Path,
    *,
    mlsd: bool = True,
    times_gmt: bool = True,
    tz: str | None = None,
    max_clients: int | None = None,
    extra: Sequence[str] = (),
) -> RealServer:
    """Return a proftpd: MLSD unless switched off; LIST in UTC unless `times_gmt` is off, then in `tz` (as in $TZ).

    `extra`: lines for its configuration.
    """
    server = RealServer("proftpd", directory, tz)
    account = pwd.getpwuid(os.getuid())
    passwd = directory / "proftpd.passwd"
    passwd.write_text(f"{server.user}:{PASSWORD_HASH}:{account.pw_uid}:{account.pw_gid}::{server.root}:/bin/sh\n")
    passwd.chmod(0o600)  # it refuses one that others may read
    no_mlsd = ["FactsAdvertise off", "<Limit MLSD MLST>", "DenyAll", "</Limit>"]
    settings = f"""
        ServerType standalone
        ServerName throw-away
        DefaultAddress {server.host}
        SocketBindTight on
        User {account.pw_name}
        Group {grp.getgrgid(account.pw_gid).gr_name}
        RootLogin on
        RequireValidShell off
        AuthOrder mod_auth_file.c
        AuthUserFile {passwd}
        AllowOverwrite on
        AllowStoreRestart on
        UseReverseDNS off
        DelayEngine off
        ControlsEngine off
        WtmpLog off
        TransferLog none
        SystemLog {directory}/proftpd.system.log
        PidFile {directory}/proftpd.pid
        ScoreboardFile {directory}/proftpd.scoreboard
        ModulePath {directory}
        TimesGMT {"on" if times_gmt else "off"}
        {f"MaxClients {max_clients}" if max_clients else ""}
        """

    def arguments(port: int) -> Sequence[str]:
        lines = [f"Port {port}", *([] if mlsd else no_mlsd), *extra]
        return ["--nodaemon", "--config", _configuration(directory / "proftpd.conf", settings, *lines)]

    server.arguments = arguments
    return server


def pureftpd(
    directory: Path, *, tz: str | None = None, max_clients: int | None = None, extra: Sequence[str] = ()
) -> RealServer:
    """Return a pure-ftpd: MLSD, and listings cut at 10,000 entries. `extra`: options for its command line."""
    server = RealServer("pure-ftpd", directory, tz, keep_user=True)
    users, database = directory / "pureftpd.passwd", directory / "pureftpd.pdb"
    # It insists on an account that is not root's, but cannot change to it: the one who runs the tests owns the files.
    uid = os.getuid() or 65534
    users.write_text(f"{server.user}:{PASSWORD_HASH}:{uid}:{uid}::{server.root}::::::::::::\n")
    users.chmod(0o600)
    subprocess.run([_find("pure-pw"), "mkdb", database, "-f", users], env=_environment(), check=True, timeout=10)
    options = ["-4", "-E", "-H", "-u", "1", "-l", f"puredb:{database}", "-g", f"{directory}/pureftpd.pid"]
    options += ["-c", str(max_clients or 100), "-C", str(max_clients or 100)]

    server.arguments = lambda port: [*options, "-S", f"{server.host},{port}", *extra]
    return server


def _configuration(path: Path, settings: str, *lines: str) -> str:
    path.write_text("\n".join([line.strip() for line in settings.splitlines() if line.strip()] + list(lines)) + "\n")
    path.chmod(0o600)
    return str(path)


def _search_path() -> str:
    places = [UNPACKED / "usr/sbin", UNPACKED / "usr/bin", "/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin"]
    return os.pathsep.join(map(str, places))


def _find(program: str) -> str:
    found = shutil.which(program, path=_search_path())
    if found is None:
        raise FileNotFoundError(why_missing(program) or program)
    return found


def _environment() -> dict[str, str]:
    libraries = [str(path) for place in ("usr/lib", "lib") for path in UNPACKED.glob(f"{place}/*-linux-gnu*")]
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": os.pathsep.join(libraries)}


def _greeting(host: str, port: int) -> str:
    """Return the first line that the server says, '' while nobody listens."""
    try:
        with socket.create_connection((host, port), timeout=START_LIMIT_SECS) as connection:
            return connection.recv(1000).decode(errors="replace").strip()
    except (ConnectionRefusedError, ConnectionResetError):
        return ""
