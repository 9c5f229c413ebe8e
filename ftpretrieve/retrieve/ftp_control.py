"""One FTP control connection: ftplib with its traps closed.

Names travel as Latin-1 text, which maps every byte to itself, so that one odd name cannot lose a listing. All sockets
are known to the session's `Sockets`, so that another thread can wake whatever blocks on them; every wait has a limit
taken from the session's deadline. Must not: decide whether to try again, or know of journal and staging.
"""

import ftplib
import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ftpretrieve.errors import LoginRefused, RemoteRefused, RemoteUnavailable, SessionExpired
from ftpretrieve.retrieve.ftp_data import DataOpener, Network
from ftpretrieve.retrieve.ftp_sockets import Sockets, shown

WIRE = "latin-1"
"""Maps bytes to text one to one; ftplib wants text."""

REPLY_LINES = 1000
"""Lines of one reply at most; FEAT and banners have dozens, a hostile server has no end."""

QUEUE = 16
"""Commands sent ahead of their replies: well below every server's input buffer, and the round trips are gone."""

QUEUED_SECS = 5.0
"""A reply to a queued command that takes longer is not coming: some servers read one command of a packet and drop the
rest. One command at a time works there, so waiting longer would only eat up the session."""

BEGINNINGS = 10
"""Replies of one transfer that say that it begins."""

QUIT_SECS = 0.5
"""What a goodbye may take: nobody is helped by waiting for it."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where to log in, and how long a silence on one connection is borne (`silence_secs`)."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    silence_secs: float = 60.0

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
        self.stage = "connect"
        self.base = ""

    def open(self) -> None:
        """Connect, log in, and switch to binary.

        Raises: RemoteUnavailable, RemoteRefused, SessionExpired; each names host and step.
        """
        account = self._account
        with self.step("connect"):
            self.sock = self._sockets.dial(account.host, account.port, account.silence_secs)
            self.af = self.sock.family
            # Only a line feed ends a line: a lone CR in a server's words would count as one, and every later reply
            # would be taken for the one before.
            self.file = self.sock.makefile("r", encoding=WIRE, newline="\n")
        with self.step("greeting"):
            self.welcome = self.getresp()
        with self.step("USER"):
            reply = self.sendcmd(f"USER {_wire(account.user)}")
            if reply.startswith("3"):
                self.enter("PASS")
                reply = self.sendcmd(f"PASS {_wire(account.password)}")
            if not reply.startswith("2"):
                raise ftplib.error_perm(reply)
        with self.step("TYPE I"):
            self.voidcmd("TYPE I")

    def enter(self, stage: str) -> None:
        """Name what is being done, for those who report it."""
        self.stage = self.masked(stage)

    @contextmanager
    def step(self, stage: str) -> Iterator[None]:
        """Name what is being done, and turn every failure of the whole session into one of ours."""
        self.enter(stage)
        try:
            yield
        except ftplib.error_perm as error:
            refused = LoginRefused if self.stage in ("USER", "PASS") else RemoteRefused
            raise refused(self._told(error)) from error
        except (OSError, EOFError, ftplib.Error) as error:
            if self._sockets.over:
                raise SessionExpired(self.stage) from error
            raise RemoteUnavailable(self._told(error)) from error

    def _told(self, error: Exception) -> str:
        if isinstance(error, EOFError):
            text = "the server closed the connection"
        elif isinstance(error, TimeoutError):
            text = "no answer in time"
        else:
            text = str(error) or type(error).__name__
        return f"{self._account}: {self.stage}: {self.masked(text)}"

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
        assert self.sock is not None
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def getmultiline(self) -> str:
        """Read one reply, at most `REPLY_LINES` long. Source: RFC 959, section 4.2."""
        lines = [self.getline()]
        code = lines[0][:3]
        if lines[0][3:4] == "-":
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
            return opening.take()
        except BaseException:
            opening.close()
            raise

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
            self.sock.sendall("".join(f"{command}\r\n" for command in part).encode(WIRE))
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
