"""What the tests of TLS share: the files that their servers have, and how to log in."""

from collections.abc import Callable
from typing import Any

import pytest

from ftpretrieve.retrieve.ftp_control import Account
from ftpretrieve.retrieve.ftp_tls import make_context
from tests.certificates import Authority, why_no_certificates
from tests.servers import FtpServer, RealServer

MakeTls = Callable[..., FtpServer]
"""(software, version, implicit, **options) -> a server with TLS."""

needs_certificates = pytest.mark.skipif(why_no_certificates() is not None, reason=str(why_no_certificates()))

FILES = {
    b"a.bin": (b"a" * 300_000, "20260102030405"),
    b"b.bin": (b"b" * 200_000, "20260102030406"),
}


def account(server: Any, authority: Authority, host: str = "localhost", **keys: Any) -> Account:
    """Return how to log in with TLS, the authority being trusted."""
    implicit = server.tls.implicit if isinstance(server, RealServer) else server.implicit
    context = make_context(**{"ca_file": authority.certificate, **keys})
    return Account(host, server.port, server.user, server.password, 60.0, context, implicit)
