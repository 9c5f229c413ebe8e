"""One FTP control connection: ftplib with its traps closed.

Names travel as Latin-1 text, which maps every byte to itself, so that one odd name cannot lose a listing. All sockets
are known to the session's `Sockets`, so that another thread can wake whatever blocks on them; every wait has a limit
taken from the session's deadline. Must not: decide whether to try again, or know of journal and staging.
"""

import ftplib
import re
import select
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TextIO, cast

from ftpretrieve.errors import LoginRefused, RemoteRefused, RemoteUnavailable, SessionExpired
from ftpretrieve.retrieve.ftp_data import DataOpener, Network
from ftpretrieve.retrieve.ftp_limits import Crowded, is_crowded
from ftpretrieve.retrieve.ftp_sockets import Sockets, shown
from ftpretrieve.retrieve.ftp_tls import PlainLines, Tls, TlsFailed, explain, is_about_us, is_cut

WIRE = "latin-1"
"""Maps bytes to text one to one; ftplib wants text."""

IAC = "\xff"
NEGOTIATION = re.compile(r"^(\xff([\xfb-\xfe].|[\xf0-\xfa]))+")
"""Options of Telnet that a server would talk about first of all; unanswered they are off. Source: RFC 854."""

REPLY_LINES = 1000
"""Lines of one reply at most; FEAT and banners have dozens, a hostile server has no end."""

QUEUE = 16
"""Commands sent ahead of their replies: well below every server's input buffer, and the round trips are gone."""

QUEUED_SECS = 5.0
"""A reply to a queued command that takes longer is not coming: some servers read one command of a packet and drop the
rest. One command at a time works there, so waiting longer would only eat up the session."""

LOGIN, ACCOUNT = ("greeting", "USER", "PASS"), ("USER", "PASS")
"""Steps at which a server may refuse because it is full, and because of the account."""

BEGINNINGS = 10
"""Replies of one transfer that say that it begins."""

TLS_WANTED = re.compile(r"\b(TLS|SSL|FTPS|use auth\b|encrypt|secure (channel|connection)|clear-?text)", re.IGNORECASE)
"""Words of a refused login that mean: not in the clear. vsftpd, proftpd, pure-ftpd, FileZilla, IIS, Serv-U say so."""

TLS_RECORDS = ("\x15", "\x16")
"""How an alert and a handshake of TLS begin. Source: RFC 8446, section 5.1."""

QUIT_SECS = 0.5
"""What a goodbye may take: nobody is helped by waiting for it."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where to log in, and how long a silence on one connection is borne (`silence_secs`).

    With `tls` neither the password nor data ever go in the clear; `implicit`: it begins with the first byte.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    silence_secs: float = 60.0
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    implicit: bool = False

    def __str__(self) -> str:
        return shown(self.host, self.port)


class Control(ftplib.FTP):
    """A logged-in control connection. Not for two threads at once."""

    def __init__(self, account: Account, sockets: Sockets, opener: DataOpener | None = None) -> None:
        """Take the parts; `opener` opens the data connections, and is shared by those of a session."""
        super().__init__(encoding=WIRE)
        self._account = account
        self._sockets = sockets
        self._opener = opener or DataOpener(sockets, account.silence_secs, Network())
        self.tls: Tls | None = None
        self.stage = "connect"
        self.base = ""
        self._is_telnet: bool | None = None

    def open(self) -> None:
        """Connect, log in, and switch to binary.

        Raises: RemoteUnavailable, RemoteRefused, SessionExpired; each names host and step.
        """
        account = self._account
        with self.step("connect"):
            self.sock = self._sockets.dial(account.host, account.port, account.silence_secs)
            self.af = self.sock.family
        if account.tls is None:
            self._read_from(self.sock)
        elif account.implicit:
            self._begin_tls(account.tls)
        else:
            self.file = cast(TextIO, PlainLines(self.sock))
        with self.step("greeting"):
            self.welcome = self.getresp()
            if self.welcome.startswith("120"):  # "ready in so many minutes", and then 220. Source: RFC 959, section 5.4
                self.welcome = self.getresp()
        if account.tls is not None and not account.implicit:
            self._ask_for_tls()
            self._begin_tls(account.tls)
        self._log_in(account)
        if self.tls is not None:
            self._protect_data()
        with self.step("TYPE I"):
            self.voidcmd("TYPE I")

    def _read_from(self, sock: socket.socket) -> None:
        # Only a line feed ends a line: a lone CR in a server's words would count as one, and every later reply would
        # be taken for the one before.
        self.file = sock.makefile("r", encoding=WIRE, newline="\n")

    def _ask_for_tls(self) -> None:
        """Have the server begin TLS, or go no further. Source: RFC 4217, section 4."""
        with self.step("AUTH TLS"):
            try:
                reply = self.sendcmd("AUTH TLS")
            except ftplib.error_perm as error:
                fix = "have FTPS set up there; ftp_protocol = ftp would show password and files to all on the way"
                raise TlsFailed(f"the server refuses TLS ({error}): {fix}") from error
            if not reply.startswith(("234", "334")):
                raise ftplib.error_proto(reply)
            if self._has_spoken():
                raise TlsFailed("the server spoke on in the clear after AUTH TLS: that may be somebody in between")

    def _begin_tls(self, context: ssl.SSLContext) -> None:
        assert self.sock is not None
        with self.step("TLS"):
            if self.file is not None:
                self.file.close()
            tls = Tls(context, self._account.host, self._sockets)
            self.sock = tls.wrap_control(self.sock)
            self._read_from(self.sock)
            self.tls = tls

    def _protect_data(self) -> None:
        """Have data connections use TLS, or go no further. Source: RFC 4217, section 9."""
        with self.step("PROT P"):
            with suppress(ftplib.error_perm):  # it says nothing, and some servers do not know it
                self.sendcmd("PBSZ 0")
            try:
                self.voidcmd("PROT P")
            except ftplib.error_perm as error:
                raise TlsFailed(f"the server refuses to protect data ({error}): have that allowed there") from error

    def _log_in(self, account: Account) -> None:
        with self.step("USER"):
            reply = self.sendcmd(f"USER {_wire(account.user)}")
            if reply.startswith("3"):
                self.enter("PASS")
                reply = self.sendcmd(f"PASS {_wire(account.password)}")
            if not reply.startswith("2"):
                raise ftplib.error_perm(reply)

    def enter(self, stage: str) -> None:
        """Name what is being done, for those who report it."""
        self.stage = self.masked(stage)

    @contextmanager
    def step(self, stage: str) -> Iterator[None]:
        """Name what is being done, and turn every failure of the whole session into one of ours."""
        self.enter(stage)
        try:
            yield
        except (ftplib.error_perm, ftplib.error_temp) as error:
            if self.stage in LOGIN and (str(error).startswith("421") or is_crowded(self.masked(str(error)))):
                raise Crowded(self._told(error)) from error
            if self.stage in ACCOUNT and str(error).startswith(("430", "5")):  # 430: invalid user name or password
                raise LoginRefused(self._told(error)) from error
            if isinstance(error, ftplib.error_perm):
                raise RemoteRefused(self._told(error)) from error
            if self._sockets.over:
                raise SessionExpired(self.stage) from error
            raise RemoteUnavailable(self._told(error)) from error
        except (OSError, EOFError, ftplib.Error) as error:
            if self._sockets.over:
                raise SessionExpired(self.stage) from error
            refused = isinstance(error, TlsFailed) or is_about_us(error)
            raise (RemoteRefused if refused else RemoteUnavailable)(self._told(error)) from error

    def _told(self, error: Exception) -> str:
        if isinstance(error, EOFError):
            text = "the server closed the connection"
        elif isinstance(error, TimeoutError):
            text = "no answer in time"
        elif isinstance(error, ssl.SSLError):
            text = explain(error)
            if is_cut(error) and self.stage in ("greeting", "USER"):
                text += "; does the server want a certificate of ours (ftp_client_cert)?"
        else:
            text = str(error) or type(error).__name__
        hint = self._hint(error, text)
        return f"{self._account}: {self.stage}: {self.masked(text[:100] if hint else text)}{hint}"

    def _hint(self, error: Exception, text: str) -> str:
        """Return what to do about a login in the clear that shows what the server wanted instead, else ''."""
        if self.stage == "greeting" and self.tls is None:
            if text.startswith("SSH-"):
                return "; this is the port of SSH (SFTP), which is something else than FTP: ask for the port of FTP"
            if isinstance(error, TimeoutError) or text.startswith(TLS_RECORDS):  # it waits for our TLS to begin
                return "; if TLS begins with the first byte at this port, set ftp_protocol = ftps-implicit"
            if isinstance(error, ftplib.error_proto):
                return "; that is not the greeting of an FTP server: check ftp_host and ftp_port"
        if self._account.tls is None and self.stage in LOGIN and TLS_WANTED.search(text):
            return "; the server wants TLS: set ftp_protocol = ftps"
        return ""

    def masked(self, text: str) -> str:
        """Return a server's words, or a name as the wire has it, fit for a log: without our password and without
        characters that do not print."""
        secret = self._account.password
        if secret:
            text = text.replace(_wire(secret), "***").replace(secret, "***")
        with suppress(UnicodeError):  # then it is not UTF-8, and is shown as it came
            text = text.encode(WIRE).decode("utf-8")
        return "".join(letter if letter.isprintable() else "?" for letter in text)[:300]

    @property
    def is_stale(self) -> bool:
        """Whether the server has spoken (421) or closed while nothing was asked: such a connection is of no use."""
        return not self.tls.is_quiet if self.tls is not None else self._has_spoken()

    def _has_spoken(self) -> bool:
        assert self.sock is not None
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def putline(self, line: str) -> None:
        """Send one command."""
        super().putline(self._spelled(line))

    def _spelled(self, command: str) -> str:
        """Return a command as this server reads it. RFC 959 has the byte 255 doubled, as in Telnet: proftpd insists on
        it, and vsftpd, pure-ftpd and pyftpdlib take both for part of the name (measured)."""
        if IAC not in command or self.stage in LOGIN:
            return command
        if self._is_telnet is None:
            self._is_telnet = False  # for the question itself; and where the answer does not repeat it
            reply = "".join(self.ask_all([f"SIZE {IAC}{IAC}-ftpretrieve-asks"], False))
            self._is_telnet = f"{IAC}-" in reply and f"{IAC}{IAC}-" not in reply
        return command.replace(IAC, IAC + IAC) if self._is_telnet else command

    def getmultiline(self) -> str:
        """Read one reply, at most `REPLY_LINES` long. Source: RFC 959, section 4.2."""
        lines = [NEGOTIATION.sub("", self.getline())]
        code = lines[0][:3]
        if code.isdigit() and lines[0][3:4] == "-":  # SSH-2.0 is none
            while len(lines) == 1 or not (lines[-1].startswith(f"{code} ") or lines[-1] == code):
                if len(lines) >= REPLY_LINES:
                    raise ftplib.error_proto(f"a reply of more than {REPLY_LINES} lines")
                lines.append(self.getline())
        return "\n".join(lines)

    def transfer(self, command: str, rest: int = 0) -> socket.socket:
        """Open a data connection, send a command on the control connection and return the data socket.

        Raises: ftplib's errors and OSError. The caller closes the socket through `Sockets.close`, and then reads the
        reply that ends the transfer (`end_transfer`).
        """
        assert self.sock is not None
        opening = self._opener.begin(self)
        try:
            if rest:
                self.sendcmd(f"REST {rest}")
            reply = self.sendcmd(command)
            if reply.startswith("2"):
                # Some servers end the previous command with a 226 of its own before the 150. As in ftplib.
                self.sock.settimeout(self._sockets.deadline.at_most(min(QUEUED_SECS, self._account.silence_secs)))
                reply = self.getresp()
                self.sock.settimeout(self._sockets.deadline.at_most(self._account.silence_secs))
            if not reply.startswith("1"):
                raise ftplib.error_reply(reply)
            data = opening.take()
            return data if self.tls is None else self.tls.wrap_data(data)
        except BaseException:
            opening.close()
            raise

    def leave(self, data: socket.socket) -> None:
        """Take leave of a data connection that the server has ended; it is still to be closed."""
        if self.tls is not None:
            self.tls.leave_data(data)

    def end_transfer(self) -> str:
        """Return the reply that ends a transfer; some servers say more than once that it begins. Raises: ftplib's
        errors and OSError."""
        for _ in range(BEGINNINGS):
            reply = self.getresp()
            if not reply.startswith("1"):
                break
        if not reply.startswith("2"):
            raise ftplib.error_reply(reply)
        return reply

    def ask_all(self, commands: Sequence[str], queued: bool) -> Iterator[str]:
        """Send commands that have no data connection and yield their replies in order; queued: several ahead.

        Raises: ftplib's errors and OSError; a 421 too, which says of no file anything but that the server hangs up.
        """
        assert self.sock is not None
        silence_secs = self.sock.gettimeout()
        ahead = QUEUE if queued else 1
        for start in range(0, len(commands), ahead):
            part = commands[start : start + ahead]
            if any("\r" in command or "\n" in command for command in part):
                raise ValueError("a command must be one line")
            self.sock.sendall("".join([f"{self._spelled(command)}\r\n" for command in part]).encode(WIRE))
            for number in range(len(part)):
                if number == 1:
                    self.sock.settimeout(self._sockets.deadline.at_most(min(QUEUED_SECS, self._account.silence_secs)))
                reply = self.getmultiline()
                if reply.startswith("421"):
                    raise ftplib.error_temp(reply)
                yield reply
            self.sock.settimeout(silence_secs)

    def shut(self, *, polite: bool = False) -> None:
        """Close the connection; `polite` says goodbye first."""
        sock = self.sock
        if sock is None:
            return
        if polite:
            # Whatever goes wrong with a goodbye, the connection is closed next.
            with suppress(OSError, EOFError, ftplib.Error):
                sock.settimeout(QUIT_SECS)
                self.voidcmd("QUIT")
        if self.file is not None:
            self.file.close()
        self._sockets.close(sock)
        self.sock = self.file = None


def _wire(text: str) -> str:
    """Return configured text as the wire's one-to-one text: servers expect UTF-8 today."""
    return text.encode("utf-8", "surrogateescape").decode(WIRE)


def wire_name(name: bytes) -> str:
    """Return a remote name as the wire's text."""
    return name.decode(WIRE)
