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
import ssl
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.launch import SET_USER_CALLS

CHECKOUT = Path(__file__).parent.parent
UNPACKED = CHECKOUT / ".cache" / "servers"  # made by scripts/_setup
LAUNCH = Path(__file__).parent / "launch.py"
START_LIMIT_SECS = 60.0  # a server answers after some 50 ms; this is for a machine that is busy with something else

PASSWORD = "secret"
# crypt(3) of PASSWORD, SHA-512 with salt `ftpretrieve` and only 1,000 rounds, so that a login costs nothing.
PASSWORD_HASH = (
    "$6$rounds=1000$ftpretrieve$1YilNfesDYgDzEqKtU5s3ykJr/5P1xOSAexi1SQ4nuZpvC.i48IW/oRklxtiD6abLxYvjfwyS.X3us.ROpI/T1"
)


@dataclass(frozen=True)
class ServerTls:
    """FTPS that takes nothing in the clear. `both` is a file with key and certificate.

    `implicit`: TLS from the first byte. `version`: the only one it speaks, "TLSv1.2" or "TLSv1.3" (or older: none is
    compiled in that clients of today would take). `client_ca`: who must have signed the client's certificate.
    """

    both: Path
    implicit: bool = False
    version: str | None = None
    client_ca: Path | None = None


class FtpServer(ABC):
    """What all servers have in common. `root` is the directory whose files it serves, `home` its name for clients."""

    software: str
    user = "tester"
    password = PASSWORD
    host = "127.0.0.1"
    port = 0
    home = "/"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
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

    greets = "220"  # how the first line begins that it says

    def __init__(
        self,
        software: str,
        directory: Path,
        tz: str | None,
        *,
        keep_user: bool = False,
        tls: ServerTls | None = None,
    ) -> None:
        super().__init__(directory)
        self.software = software
        self.home = str(self.root)
        self.arguments: Callable[[int], Sequence[str]] = lambda port: ()
        self._log_path = directory / f"{software}.log"
        self._program = _find(software)
        self._launch = [sys.executable, "-I", "-S", str(LAUNCH), *(["--keep-user"] if keep_user else [])]
        self._environment = _environment() | ({"TZ": tz} if tz else {}) | _only_tls(directory, tls)
        self.tls = tls
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
            greeting = _greeting(self.host, self.port, implicit=self.tls is not None and self.tls.implicit)
            if greeting.startswith(self.greets) and self._listens():
                return
            if greeting or self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.software} does not start: {greeting or self.log() or 'no answer'}")
            time.sleep(0.01)

    def _listens(self) -> bool:
        """Return whether it is this server that has the port, and not one of another run of the tests."""
        try:
            sockets = psutil.Process(self.pid).net_connections("tcp")
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:  # proftpd of an ordinary user lets nobody look into it
            return True
        return any(found.status == psutil.CONN_LISTEN and found.laddr.port == self.port for found in sockets)

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


def why_no_ipv6() -> str | None:
    """Say that loopback has no IPv6, which a kernel may know and an administrator may have switched off; or None."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        return f"no IPv6 on loopback: {error}"
    return None


def why_missing(software: str, *, tls: bool = False) -> str | None:
    """Say what is missing to run that server, or None."""
    if software == "pyftpdlib":
        return "pyftpdlib is run without TLS" if tls else None
    if tls and software == "proftpd" and _proftpd_modules() is None:
        return "mod_tls of proftpd is missing: neither installed nor unpacked by scripts/test in .cache/servers"
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
    tls: ServerTls | None = None,
    extra: Sequence[str] = (),
) -> RealServer:
    """Return a vsftpd: LIST only, times in UTC unless `use_localtime`, then in `tz` (as in $TZ).

    Its users come from PAM, which only root can change; so it is an anonymous login with a password from a list.
    `extra`: lines for its configuration, such as anon_max_rate=1000.
    """
    server = RealServer("vsftpd", directory, tz, tls=tls)
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
        lines = [f"listen_port={port}", *_vsftpd_tls(tls), *extra]
        return [_configuration(directory / "vsftpd.conf", settings, *lines)]

    server.arguments = arguments
    return server


def _vsftpd_tls(tls: ServerTls | None) -> list[str]:
    """Require TLS, with the session reuse that vsftpd requires by default."""
    if tls is None:
        return []
    lines = ["ssl_enable=YES", "allow_anon_ssl=YES", "force_anon_logins_ssl=YES", "force_anon_data_ssl=YES"]
    lines += ["require_ssl_reuse=YES", "ssl_ciphers=HIGH", f"rsa_cert_file={tls.both}"]
    lines += [f"implicit_ssl={'YES' if tls.implicit else 'NO'}"]
    if tls.client_ca is not None:
        lines += ["ssl_request_cert=YES", "require_cert=YES", "validate_cert=YES", f"ca_certs_file={tls.client_ca}"]
    return lines


def proftpd(
    directory: Path,
    *,
    mlsd: bool = True,
    times_gmt: bool = True,
    tz: str | None = None,
    max_clients: int | None = None,
    tls: ServerTls | None = None,
    extra: Sequence[str] = (),
) -> RealServer:
    """Return a proftpd: MLSD unless switched off; LIST in UTC unless `times_gmt` is off, then in `tz` (as in $TZ).

    `extra`: lines for its configuration.
    """
    server = RealServer("proftpd", directory, tz, tls=tls)
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
        ModulePath {_proftpd_modules() if tls else directory}
        TimesGMT {"on" if times_gmt else "off"}
        {f"MaxClients {max_clients}" if max_clients else ""}
        """

    def arguments(port: int) -> Sequence[str]:
        lines = [f"Port {port}", *([] if mlsd else no_mlsd), *_proftpd_tls(tls), *extra]
        return ["--nodaemon", "--config", _configuration(directory / "proftpd.conf", settings, *lines)]

    server.arguments = arguments
    return server


def _proftpd_tls(tls: ServerTls | None) -> list[str]:
    """Require TLS for control and data, all else by default: that requires session reuse."""
    if tls is None:
        return []
    lines = ["LoadModule mod_tls.c", "TLSEngine on", "TLSRequired on", "TLSLog /dev/null"]
    lines += [f"TLSECCertificateFile {tls.both}", f"TLSECCertificateKeyFile {tls.both}"]
    lines += [f"TLSProtocol {tls.version.replace('TLSv1.0', 'TLSv1')}"] if tls.version else []
    lines += ["TLSOptions UseImplicitSSL"] if tls.implicit else []
    lines += [f"TLSCACertificateFile {tls.client_ca}", "TLSVerifyClient on"] if tls.client_ca else []
    return lines


def _proftpd_modules() -> Path | None:
    """Return where mod_tls is, which Debian has in a package of its own."""
    places = (UNPACKED / "usr/lib/proftpd", Path("/usr/lib/proftpd"))
    return next((place for place in places if (place / "mod_tls.so").exists()), None)


def pureftpd(
    directory: Path,
    *,
    tz: str | None = None,
    max_clients: int | None = None,
    tls: ServerTls | None = None,
    extra: Sequence[str] = (),
) -> RealServer:
    """Return a pure-ftpd: MLSD, and listings cut at 10,000 entries. `extra`: options for its command line."""
    assert tls is None or not tls.implicit, "pure-ftpd has no implicit TLS"
    server = RealServer("pure-ftpd", directory, tz, keep_user=True, tls=tls)
    users, database = directory / "pureftpd.passwd", directory / "pureftpd.pdb"
    # It insists on an account that is not root's, but cannot change to it: the one who runs the tests owns the files.
    uid = os.getuid() or 65534
    users.write_text(f"{server.user}:{PASSWORD_HASH}:{uid}:{uid}::{server.root}::::::::::::\n")
    users.chmod(0o600)
    subprocess.run([_find("pure-pw"), "mkdb", database, "-f", users], env=_environment(), check=True)
    options = ["-4", "-E", "-H", "-u", "1", "-l", f"puredb:{database}", "-g", f"{directory}/pureftpd.pid"]
    options += ["-c", str(max_clients or 100), "-C", str(max_clients or 100)]
    options += ["-Y", "3", "-2", str(tls.both)] if tls else []  # 3: data too, which clients must ask for

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


def _only_tls(directory: Path, tls: ServerTls | None) -> dict[str, str]:
    """Return the environment in which OpenSSL speaks one version only: vsftpd and pure-ftpd have no switch for it."""
    if tls is None or tls.version is None:
        return {}
    lines = ["openssl_conf = all", "[all]", "ssl_conf = ssl", "[ssl]", "system_default = only", "[only]"]
    lines += [f"MinProtocol = {tls.version}", f"MaxProtocol = {tls.version}", "CipherString = DEFAULT@SECLEVEL=0"]
    return {"OPENSSL_CONF": _configuration(directory / "openssl.cnf", "", *lines)}


def _greeting(host: str, port: int, *, implicit: bool = False) -> str:
    """Return the first line that the server says, '' while nobody listens."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    try:
        connection = socket.create_connection((host, port), timeout=START_LIMIT_SECS)
        with context.wrap_socket(connection) if implicit else connection as spoken:
            return spoken.recv(1000).decode(errors="replace").strip()
    except (ConnectionRefusedError, ConnectionResetError):
        return ""
    except ssl.SSLError as error:
        return f"no TLS: {error}"  # another server, which was quicker to take the port
