"""FTPS by the fault server: a good one, and one that is hostile where TLS begins and ends.

    with TlsServer(files, identity) as server:
        server.ends_raggedly = True

Both kinds: `AUTH TLS`, or `implicit`. All faults of the fault server strike inside TLS too.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import Any

from tests.certificates import Identity
from tests.faultserver import Conversation, FaultServer


class TlsServer(FaultServer):
    """See the module. Data connections must be protected and go on with a session that the server knows.

    `ends_raggedly`: connections for data are closed without close_notify. `stalls_data`: no handshake on them.
    """

    def __init__(
        self,
        files: dict[bytes, tuple[bytes, str]],
        identity: Identity,
        *,
        implicit: bool = False,
        **options: Any,
    ) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(identity.certificate, identity.key)
        self.context.sslsocket_class = _Notifying
        self.implicit = implicit
        self.ends_raggedly = self.stalls_data = False
        super().__init__(files, **options)

    def _serve(self, sock: socket.socket, number: int) -> None:
        conversation = TlsConversation(self, sock, number)
        with suppress(OSError, ValueError):
            if self.implicit:
                conversation.begin_tls()
            conversation.run()
        conversation.sock.close()


class TlsConversation(Conversation):
    """One control connection, and how TLS begins on it."""

    server: TlsServer

    def begin_tls(self) -> None:
        """Shake hands on the control connection."""
        self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
        self.server.sockets.append(self.sock)

    def do_auth(self, _: str) -> None:
        self.reply("234 go on")
        self.begin_tls()

    def do_pbsz(self, _: str) -> None:
        self.reply("200 ok")

    do_prot = do_pbsz

    def accept_plain(self) -> socket.socket:
        """Return the data connection without any TLS on it."""
        return super().accept()

    def accept(self) -> socket.socket:
        data = super().accept()
        if self.server.stalls_data:
            self.silence()
        data.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # close_notify waits for no ACK of what was before
        wrapped = self.server.context.wrap_socket(data, server_side=True)
        assert isinstance(wrapped, _Notifying)
        wrapped.notifies = not self.server.ends_raggedly
        self.server.sockets.append(wrapped)
        if not wrapped.session_reused:
            wrapped.close()
            self.reply("522 session reuse required")
            raise OSError("no session")
        return wrapped


class _Notifying(ssl.SSLSocket):
    """Says that it is closed, or does not."""

    notifies = False

    def close(self) -> None:
        if self.notifies and self.fileno() >= 0:
            with suppress(OSError, ValueError):
                self.settimeout(5)
                socket.socket.close(self.unwrap())
        super().close()
