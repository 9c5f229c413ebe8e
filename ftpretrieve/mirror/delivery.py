"""One mail by SMTP, within a time limit that no server can stretch.

A server may be silent, or send a byte now and then, at any step, and even the look-up of its name may hang. So the
conversation runs in a thread that is awaited for so long; then the connection is shut down under it, which ends
whatever it waits for. Must not: show a password, nor send one where somebody could listen unless told to.

What `Mail.security` means:

    auto      TLS when the server offers it. A login at another machine goes only through TLS with a certificate that
              was verified. Without a login, or on this machine, any certificate will do: there is nothing to steal, or
              nobody in between, and in the clear is where the mail would go otherwise. Port 465: TLS from the first
              byte.
    starttls  TLS after STARTTLS or no mail; the certificate is verified
    tls       TLS from the first byte (port 465); the certificate is verified
    none      in the clear, also a login

Trusted are the system's authorities; SSL_CERT_FILE in the environment names others (OpenSSL).
"""

import base64
import contextlib
import ipaddress
import smtplib
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from email.message import EmailMessage

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import FtpRetrieveError
from ftpretrieve.escapes import escape
from ftpretrieve.mirror.records import SMTPS_PORT, Mail
from ftpretrieve.passwords import COMMAND_SECS

CONNECT_SECS = 20.0
"""Time limit of a connection to one address of the server: it may have others, and one that answers does it at once."""

GRACE_SECS = 2.0
"""What a connection gets for QUIT when the mail has been taken, and to notice that it was shut down."""

REPLY_CHARS = 300
"""What is repeated of a reply: the reason stands in its first line."""

PLAIN_PORT = 25
"""Where mail servers take mail from other mail servers, and from programs of their machine."""


class MailFailed(FtpRetrieveError):
    """The mail was not sent, or not to all. The message names the server, the reason and what to do."""


class Unreachable(MailFailed):
    """There is no connection to the server."""


def deliver(mail: Mail, message: EmailMessage, sender: str, recipients: Sequence[str], deadline: Deadline) -> None:
    """Hand a mail to the server.

    Raises: MailFailed when it was not taken for every recipient in time.
    """
    attempt = _Attempt(mail, deadline)
    thread = threading.Thread(
        target=attempt.run, args=(message, sender, recipients), name="lftp-mirror-mail", daemon=True
    )
    thread.start()
    try:
        thread.join(deadline.remaining())
    finally:
        attempt.abort()
    thread.join(GRACE_SECS)  # only the look-up of a name goes on after this
    if attempt.failure is not None:
        raise attempt.failure
    if not attempt.is_taken:
        raise attempt.failed("no answer")


class _Smtp(smtplib.SMTP):
    """A client that speaks over a connection which exists already."""

    def __init__(self, sock: socket.socket, host: str, port: int) -> None:
        self._given = sock
        super().__init__(host, port)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._given


class _Attempt:
    """One attempt to hand over a mail. `run` belongs to the thread, `abort` is for others."""

    def __init__(self, mail: Mail, deadline: Deadline) -> None:
        self.failure: MailFailed | None = None
        self.is_taken = False
        self._mail, self._deadline = mail, deadline
        self._port = mail.port or (SMTPS_PORT if mail.security == "tls" else PLAIN_PORT)
        self._step = "connecting"
        self._line: socket.socket | None = None  # a descriptor of its own: TLS takes that of the socket away
        self._is_here = False  # on this machine, so that nobody is in between
        self._secrets: list[str] = []

    def run(self, message: EmailMessage, sender: str, recipients: Sequence[str]) -> None:
        """Connect, hand the mail over, and keep the failure."""
        smtp = None
        try:
            with self._connect() as sock:
                smtp = self._greet(sock)
                self._secure(smtp)
                self._log_in(smtp)
                self._hand_over(smtp, message, sender, recipients)
                self._quit(smtp)
        except MailFailed as error:
            self.failure = error
        except (OSError, ValueError, FtpRetrieveError) as error:  # an SMTPException is an OSError
            self.failure = self._explained(error)
        finally:
            if smtp is not None:
                smtp.close()
            self.abort()

    def abort(self) -> None:
        """End the connection, whoever waits for it. Can be called at any time and more than once."""
        line, self._line = self._line, None
        if line is not None:
            with contextlib.suppress(OSError):  # it may be over already
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def failed(self, words: str) -> MailFailed:
        """Return the failure, in words that follow the name of the server."""
        if self._deadline.expired and not self.is_taken:
            words = f"no answer for {self._deadline.limit_secs:g} s while {self._step}; is that a mail server?"
        return MailFailed(f"{self._mail.server}:{self._port}: {words}")

    # -- the steps ------------------------------------------------------------------------------------------------

    def _connect(self) -> socket.socket:
        try:
            sock = socket.create_connection((self._mail.server, self._port), self._deadline.at_most(CONNECT_SECS))
        except (OSError, ValueError) as error:  # ValueError: a name that can be none
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise Unreachable(
                f"{self._mail.server}:{self._port}: cannot connect: {reason}; name a mail server that runs by "
                "--smtp-server, or switch mail off by --no-email"
            ) from error
        self._line = sock.dup()
        self._is_here = is_loopback(sock.getpeername()[0])
        sock.settimeout(None)  # `abort` ends every waiting
        return sock

    def _greet(self, sock: socket.socket) -> _Smtp:
        if self._begins_with_tls:
            self._step = "beginning TLS"
            sock = self._context().wrap_socket(sock, server_hostname=self._mail.server)
        self._step = "waiting for its greeting"
        smtp = _Smtp(sock, self._mail.server, self._port)
        self._step = "saying EHLO"
        smtp.ehlo_or_helo_if_needed()
        return smtp

    @property
    def _begins_with_tls(self) -> bool:
        return self._mail.security == "tls" or (self._mail.security == "auto" and self._port == SMTPS_PORT)

    @property
    def _is_certain(self) -> bool:
        """Must there be TLS, and with whom we think?"""
        if self._mail.security == "auto":
            return bool(self._mail.user) and not self._is_here
        return self._mail.security != "none"

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not self._is_certain:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _secure(self, smtp: _Smtp) -> None:
        if self._begins_with_tls or self._mail.security == "none":
            return
        self._step = "beginning TLS"
        if smtp.has_extn("starttls"):
            smtp.starttls(context=self._context())
            smtp.ehlo_or_helo_if_needed()  # what it said before may have been said by somebody else
        elif self._is_certain:
            what = "the password" if self._mail.user else "the mail"
            raise self.failed(
                f"it offers no STARTTLS, and {what} is not sent without; use port 465 if it has that, "
                "or security = none in the file of --smtp-config"
            )

    def _log_in(self, smtp: _Smtp) -> None:
        """Log in, by one way only: trying all in turn, as smtplib does, may lock an account. Speaks UTF-8."""
        if not self._mail.user:
            return
        self._step = "logging in"
        if self._mail.password is None:
            raise self.failed(f"there is no password for {self._mail.user}; give one by --smtp-pass or --smtp-config")
        user, password = self._mail.user, self._mail.password.reveal(self._deadline.at_most(COMMAND_SECS))
        token = f"\0{user}\0{password}"
        self._secrets = [form for text in (token, password) for form in (_coded(text), text)]
        offered = smtp.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            talk = [(f"AUTH PLAIN {_coded(token)}", 235)]
        elif "LOGIN" in offered:
            talk = [("AUTH LOGIN", 334), (_coded(user), 334), (_coded(password), 235)]
        else:
            raise self.failed(
                f"it takes no login by PLAIN or LOGIN (it offers {escape(' '.join(offered)) or 'none at all'})"
            )
        for words, expected in talk:
            code, reply = smtp.docmd(words)
            if code != expected:
                raise smtplib.SMTPAuthenticationError(code, reply)

    def _hand_over(self, smtp: _Smtp, message: EmailMessage, sender: str, recipients: Sequence[str]) -> None:
        self._step = "sending the mail"
        special = [address for address in (sender, *recipients) if not address.isascii()]
        if special and not smtp.has_extn("smtputf8"):
            raise self.failed(f"it takes addresses in ASCII only, unlike {', '.join(special)} (it has no SMTPUTF8)")
        # Not smtplib's send_message(): that puts a ">" before lines that begin with "From ".
        content = message.as_bytes(policy=message.policy.clone(linesep="\r\n"))
        options = ("SMTPUTF8", "BODY=8BITMIME") if special else ()
        refused = smtp.sendmail(sender, recipients, content, options)
        self.is_taken = True
        if refused:
            self.failure = self.failed(f"the mail went out, but not to {self._refusals(refused)}")

    def _quit(self, smtp: _Smtp) -> None:
        if smtp.sock is not None:
            smtp.sock.settimeout(GRACE_SECS)
            with contextlib.suppress(OSError):  # it has the mail; how it says goodbye is of no interest
                smtp.quit()

    # -- words ----------------------------------------------------------------------------------------------------

    def _explained(self, error: Exception) -> MailFailed:
        template = next(words for kind, words in _WORDS if isinstance(error, kind))
        return self.failed(template.format(step=self._step, reason=self._reason(error)))

    def _reason(self, error: Exception) -> str:
        match error:
            case smtplib.SMTPRecipientsRefused():
                return self._refusals(error.recipients)
            case smtplib.SMTPResponseException():
                return self._reply(error.smtp_code, error.smtp_error)
            case ssl.SSLCertVerificationError():
                return error.verify_message
            case OSError():
                return self._shown(error.strerror or str(error))
            case _:
                return self._shown(str(error))

    def _refusals(self, refused: Mapping[str, tuple[int, bytes]]) -> str:
        return ", ".join(f"{address} ({self._reply(*reply)})" for address, reply in refused.items())

    def _reply(self, code: int, reply: bytes | str) -> str:
        text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
        return f"{code} {self._shown(text)}" if code > 0 else "an answer that is not SMTP"

    def _shown(self, text: str) -> str:
        for secret in self._secrets:  # a server may repeat what it does not like
            text = text.replace(secret, "***")
        return escape(" ".join(text.split()))[:REPLY_CHARS]


_WORDS: Sequence[tuple[type[Exception], str]] = (
    (
        smtplib.SMTPAuthenticationError,
        "it refuses the login: {reason}; check user and password, of the options or of the file of --smtp-config",
    ),
    (smtplib.SMTPSenderRefused, "it refuses the sender: {reason}; name another by --smtp-from"),
    (smtplib.SMTPRecipientsRefused, "it refuses {reason}; name others by --to-addrs"),
    (smtplib.SMTPDataError, "it does not take the mail: {reason}"),
    (smtplib.SMTPServerDisconnected, "it hung up while {step}"),
    (
        ssl.SSLCertVerificationError,
        "its certificate is not trusted: {reason}; have it mended, or name who issued it in SSL_CERT_FILE",
    ),
    (ssl.SSLError, "TLS failed while {step}: {reason}; only port 465 begins with TLS, 25 and 587 do not"),
    (UnicodeError, "failed while {step}: what is to be said cannot be written in UTF-8"),  # it may be the password
    (FtpRetrieveError, "{reason}"),
    (Exception, "failed while {step}: {reason}"),
)
"""What is said of an error, the first row that fits."""


def is_loopback(address: str) -> bool:
    """Return whether an IP address is one of this machine that no network leads to."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _coded(text: str) -> str:
    return base64.b64encode(text.encode(errors="surrogateescape")).decode("ascii")
