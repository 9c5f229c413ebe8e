"""Read SITE: the name of a server, or its URL with protocol, port, user and password.

Must not: show a password. So no message repeats what stands in front of an @.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from ftpretrieve.mirror.records import Protocol

SCHEMES = {"ftp": Protocol.FTP, "ftps": Protocol.FTPS, "sftp": Protocol.SFTP}

IMPLICIT_PORT = 990
"""Where FTPS servers expect TLS from the first byte on."""

_NAME = re.compile(r"[^\W_](?:[\w.-]*[^\W_])?\.?")  # letters of any script; never a dash in front, for ssh


@dataclass(frozen=True, slots=True)
class Site:
    """What SITE says; None is what it does not say. An IPv6 address stands without its brackets."""

    host: str
    protocol: Protocol | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_site(text: str) -> Site:
    """Return what `text` says. Raises: ValueError with words that continue a sentence about SITE."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    elif scheme.lower() not in SCHEMES:
        raise ValueError(f"has an unknown protocol; begin it with one of {', '.join(f'{name}://' for name in SCHEMES)}")
    # From the right, for people write passwords with an @ in them as they are.
    credentials, at, place = rest.rpartition("@")
    if at and not separator:
        raise ValueError("has a user in it; write ftp://USER@HOST, or name the user apart from it")
    user, colon, password = credentials.partition(":")
    if "/" in credentials:
        raise ValueError("has a / in front of an @; write one that belongs to a password as %2F")
    host_and_port, _, path = place.partition("/")
    if path:
        raise ValueError(f"has a directory behind the host; name the host only, and give '/{path}' as REMOTE")
    host, port = _host_and_port(host_and_port)
    return Site(
        host,
        SCHEMES.get(scheme.lower()),
        port,
        _unquoted(user) if at else None,
        _unquoted(password) if colon else None,
    )


def _host_and_port(text: str) -> tuple[str, int | None]:
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", text)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
    elif _is_ipv6(text):
        return text, None
    else:
        host, colon, rest = text.partition(":")
        port = rest if colon else None
    if not host:
        raise ValueError("names no host; give one such as ftp.example.org")
    if not (_is_ipv6(host) if bracketed else _NAME.fullmatch(host)):
        raise ValueError(f"names the host {host!r}, which can be none; give a name or an address")
    return host, _port(port)


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65_535:
        raise ValueError("has no usable port behind the host; give a number from 1 to 65535")
    return int(text)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has bytes in user or password that are not UTF-8") from None
