"""TLS around FTP: one control connection, and the data connections that belong to it.

Servers tie a data connection to its control connection by asking for the same TLS session: vsftpd
(`require_ssl_reuse`) and proftpd refuse any other by default. Under TLS 1.2 that is the control connection's session
for ever. Under TLS 1.3 a session is a ticket, of which the server sends new ones after each handshake, and some servers
take each only once (RFC 8446, appendix C.4): so the newest is used, that of the last data connection if there was one.
(Measured: vsftpd 3.0.3 and proftpd 1.3.8 take either; pure-ftpd 1.0.50 asks for none, and under TLS 1.3 has none.)

The end of a data connection is the server's only when TLS says so (close_notify): anybody between can end a connection
of TCP. All three servers say it. Must not: talk FTP, or ever go on without TLS.
"""

import re
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any

from ftpretrieve.errors import ConfigError
from ftpretrieve.retrieve.ftp_sockets import CONNECT_SECS, Sockets

LEAVE_SECS = 0.5
"""What an answer to close_notify may take: it is one small packet, and the transfer is over."""

DAY_SECS = 86_400
NAMES_SHOWN = 5
"""Of those in a certificate, when none is the server's; a large provider's has a hundred."""

TRUST = "if it is the right server, save the certificate of its authority and name that file as ftp_ca_file"
MEANINGS = {
    "WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST": "what the server says is not TLS; "
    "ftp_protocol = ftps-implicit begins with it, ftps asks for it first",
    "UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|WRONG_SSL_VERSION|VERSION_TOO_LOW": "the server speaks no TLS 1.2 or newer; "
    "have it brought up to date",
    "ALERT_CERTIFICATE_REQUIRED": "the server wants a certificate of ours; set ftp_client_cert and ftp_client_key",
    "ALERT_HANDSHAKE_FAILURE|NO_SHARED_CIPHER": "the server refuses: it has no cipher of ours, or wants a certificate "
    "(ftp_client_cert)",
    "ALERT_(UNKNOWN_CA|(BAD|UNSUPPORTED)_CERTIFICATE|CERTIFICATE_)": "the server does not take our certificate; check "
    "ftp_client_cert",
}
"""What is behind the reasons that OpenSSL gives, the first pattern that is found, and what to do about it."""

ABOUT_US = re.compile("ALERT_(CERTIFICATE_|UNKNOWN_CA|(BAD|UNSUPPORTED)_CERTIFICATE)")
"""The server refuses our certificate, or that we have none: that does not pass by itself."""

EXPIRED, OTHER_NAMES, UNTRUSTED = (10,), (62, 63, 64), (2, 18, 19, 20, 21, 27)
"""Source: openssl/x509_vfy.h, X509_V_ERR_*."""


class TlsFailed(OSError):
    """There is no TLS with this server. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was agreed upon. `reused`: whether the last data connection had the session; None before the first."""

    version: str
    cipher: str
    subject: str
    issuer: str
    days_left: int | None
    reused: bool | None


def make_context(
    *,
    verify: bool = True,
    ca_file: Path | None = None,
    client_cert: Path | None = None,
    client_key: Path | None = None,
    passphrase: str = "",
) -> ssl.SSLContext:
    """Return what all connections of a session share: who is trusted, and who we are.

    With a `ca_file` only that is trusted, be it an authority's certificate or the server's own. Raises: ConfigError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Some builds of Python take a connection that was cut for one that was closed (measured: Debian's 3.11.2).
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif ca_file is None:
        context.load_default_certs()
    else:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise ConfigError(f"ftp_ca_file: {ca_file}: {_why(error, 'holds no certificate')}") from error
    if client_cert is not None:
        try:
            # Without a function in its place OpenSSL would ask for the passphrase at the terminal, and wait.
            context.load_cert_chain(client_cert, client_key, lambda: passphrase)
        except OSError as error:
            what = "holds no certificate with its key, or ftp_client_key_passphrase is wrong"
            raise ConfigError(f"ftp_client_cert: {client_cert}: {_why(error, what)}") from error
    return context


def _why(error: OSError, otherwise: str) -> str:
    return otherwise if isinstance(error, ssl.SSLError) or not error.strerror else error.strerror


class PlainLines:
    """What a server says before TLS, read byte by byte: what somebody in between puts behind it is never held, to be
    taken for an answer that came by TLS, but falls to the handshake, which it breaks."""

    def __init__(self, sock: socket) -> None:
        self._raw = sock.makefile("rb", buffering=0)

    def readline(self, limit: int) -> str:
        """Return one line, at most `limit` long."""
        return self._raw.readline(limit).decode("latin-1")

    def close(self) -> None:
        """Forget the socket, which stays open."""
        self._raw.close()


class Tls:
    """TLS over one control connection and its data connections. Not for two threads at once."""

    def __init__(self, context: ssl.SSLContext, host: str, sockets: Sockets) -> None:
        """Take the parts; `host` is the name that the server's certificate must have."""
        self._context, self._host, self._sockets = context, host.partition("%")[0], sockets
        self._control: ssl.SSLSocket | None = None
        self._ticket: ssl.SSLSession | None = None
        self._reused: bool | None = None

    def wrap_control(self, sock: socket) -> ssl.SSLSocket:
        """Shake hands on the control connection. Raises: TlsFailed or another OSError; the socket is closed then."""
        self._control = self._wrap(sock, None)
        return self._control

    def wrap_data(self, sock: socket) -> ssl.SSLSocket:
        """Shake hands on a data connection, once the server has said that the transfer begins; raises alike."""
        assert self._control is not None
        data = self._wrap(sock, self._ticket or self._control.session)
        self._reused = data.session_reused
        return data

    def _wrap(self, sock: socket, session: ssl.SSLSession | None) -> ssl.SSLSocket:
        silence_secs = sock.gettimeout()
        wrapped = self._sockets.swap(
            sock,
            lambda: self._context.wrap_socket(
                sock,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,
                server_hostname=self._host,
                session=session,
            ),
        )
        try:
            wrapped.settimeout(self._sockets.deadline.at_most(CONNECT_SECS))
            wrapped.do_handshake()
            wrapped.settimeout(silence_secs)
        except ssl.SSLError as error:
            told = explain(error, self._host, _certificate(wrapped))
            self._sockets.close(wrapped)
            if is_cut(error):
                raise ConnectionError("the server ended the connection instead of beginning TLS") from error
            raise TlsFailed(told) from error
        except BaseException:
            self._sockets.close(wrapped)
            raise
        return wrapped

    def leave_data(self, data: socket) -> None:
        """Take leave of a data connection that the server has ended.

        proftpd and vsftpd (`strict_ssl_write_shutdown`) wait for the answer before they say that the transfer is over.
        """
        assert isinstance(data, ssl.SSLSocket)
        if data.version() == "TLSv1.3":
            self._ticket = data.session
        with suppress(OSError, ValueError):  # it is over, however this goes
            data.settimeout(LEAVE_SECS)
            data.unwrap()

    @property
    def is_quiet(self) -> bool:
        """Whether the server has said nothing that was not asked for. That there is something to read says nothing: it
        may be a ticket. What is read here is lost, and so is the connection when there was something."""
        assert self._control is not None
        silence_secs = self._control.gettimeout()
        try:
            self._control.settimeout(0)
            self._control.recv(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        finally:
            self._control.settimeout(silence_secs)
        return False

    def facts(self) -> Facts:
        """Return what was agreed upon."""
        assert self._control is not None
        certificate, cipher = _certificate(self._control), self._control.cipher()
        until = certificate.get("notAfter")
        return Facts(
            self._control.version() or "",
            cipher[0] if cipher else "",
            _name(certificate, "subject"),
            _name(certificate, "issuer"),
            int((ssl.cert_time_to_seconds(until) - time.time()) // DAY_SECS) if until else None,
            self._reused,
        )


def is_cut(error: OSError) -> bool:
    """Say whether a connection ended without the words by which TLS ends.

    Not every Python has a class for that (measured: 3.11.7 has, 3.11.2 only tells the reason).
    """
    return isinstance(error, ssl.SSLEOFError) or getattr(error, "reason", "") == "UNEXPECTED_EOF_WHILE_READING"


def explain(error: ssl.SSLError, host: str = "", certificate: dict[str, Any] | None = None) -> str:
    """Say in one line why there is no TLS, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _why_refused(error, host, certificate or {})
    if is_cut(error):
        return "the TLS connection was cut"
    reason = error.reason or ""
    for pattern, meaning in MEANINGS.items():
        if re.search(pattern, reason):
            return meaning
    return f"TLS failed: {reason.lower().replace('_', ' ') or error}"


def is_about_us(error: Exception) -> bool:
    """Say whether the server refuses us for our certificate; under TLS 1.3 that comes after its handshake."""
    return isinstance(error, ssl.SSLError) and ABOUT_US.search(error.reason or "") is not None


def _why_refused(error: ssl.SSLCertVerificationError, host: str, certificate: dict[str, Any]) -> str:
    if error.verify_code in OTHER_NAMES:
        names = ", ".join([value for _, value in certificate.get("subjectAltName", ())][:NAMES_SHOWN])
        return f"its certificate is for {names or _name(certificate, 'subject')}, not for {host}; correct ftp_host"
    if error.verify_code in EXPIRED:
        return f"its certificate has expired (valid until {certificate.get('notAfter')}); have it renewed"
    if error.verify_code in UNTRUSTED:
        return f"its certificate, issued by {_name(certificate, 'issuer')}, is not trusted; {TRUST}"
    return f"its certificate is refused: {error.verify_message}"  # not yet valid, and whatever else there is


def _certificate(sock: ssl.SSLSocket) -> dict[str, Any]:
    """Return the server's certificate, trusted or not; {} when the library does not show it.

    In public the standard library shows the fields of a trusted one only, and errors must name those of the others.
    """
    chain = getattr(getattr(sock, "_sslobj", None), "get_unverified_chain", lambda: None)()
    found: dict[str, Any] = chain[0].get_info() if chain else {}
    return found


def _name(certificate: dict[str, Any], kind: str) -> str:
    fields = {field: value for part in certificate.get(kind, ()) for field, value in part}
    return str(fields.get("commonName") or ", ".join(fields.values()) or "nobody")
