"""What the texts of the daemon's keys mean, where `config` has no such kind: each function parses one value.

All raise ValueError with what is wrong and what to write instead, to be shown behind the key and its value. Must not:
know in which key a value stands.
"""

import ipaddress
import re

from ftpretrieve.config import unquoted, whole
from ftpretrieve.passwords import Secret
from ftpretrieve.units import parse_bytes

PROTOCOLS = {"ftp": 21, "ftps": 21, "ftps-implicit": 990}
"""Protocols and their ports."""

DATA_SETS = re.compile(r"'[^'/\s]+\.[^'/\s]*'")
"""A data set of z/OS, or the beginning of some, in full. Source: IP User's Guide and Commands, "Cd subcommand"."""


def host(text: str) -> str:
    """Parse a host name or address; an IPv6 address may stand in brackets."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare:
        try:
            ipaddress.IPv6Address(bare)
        except ValueError:
            raise ValueError("is not a host; write HOST, or ftp://USER@HOST:PORT/DIRECTORY") from None
    elif not re.fullmatch(r"[^\s/@?#\[\]'\"]+", bare) or not _is_domain_name(bare):
        raise ValueError("is not a host; write HOST, or ftp://USER@HOST:PORT/DIRECTORY")
    return bare


def _is_domain_name(text: str) -> bool:
    try:
        text.encode("idna")  # what the resolver will do; it raises on empty and on too long labels
    except UnicodeError:
        return False
    return True


def protocol(text: str) -> str:
    """Parse the protocol; no near miss may be taken for a hint, since one of them has no TLS."""
    if text.lower() not in PROTOCOLS:
        raise ValueError(
            "is not supported; write ftp, ftps (TLS on request) or ftps-implicit (TLS from the first byte)"
        )
    return text.lower()


def remote_directory(text: str) -> str:
    """Parse a directory at the server. z/OS begins a data set at its first qualifier only when it stands in quotes."""
    return text if DATA_SETS.fullmatch(text) else unquoted(text)


def suffix(text: str) -> str:
    """Parse the end of a name, '' for none."""
    if re.search(r"[/*?]", text):
        raise ValueError("is not the end of a name; write it as it is there, such as .done")
    return unquoted(text)


def table_name(text: str) -> str:
    """Parse the name of an SQL table that leaves room for ours and SQLite's own."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", text):
        raise ValueError("is not a table name; use up to 63 letters, digits and _, not a digit first")
    if text.lower().startswith("sqlite_") or text.lower().endswith("_meta"):
        raise ValueError("is a reserved name; choose one that does not begin with sqlite_ or end in _meta")
    return text


def codec(text: str) -> str:
    """Parse the name of a text encoding, '' for none."""
    try:
        "x".encode(text or "utf-8")  # unlike codecs.lookup this refuses codecs that are not for text, such as base64
    except (LookupError, ValueError):
        raise ValueError("is not an encoding that Python knows; write utf-8, latin-1, cp1252, …") from None
    return text


def octal_mode(text: str) -> int:
    """Parse the permissions of a file in octal."""
    if not re.fullmatch(r"(0o)?0?[0-7]{3}", text):
        raise ValueError("is not a file mode; write three octal digits such as 0644")
    return int(text, 8)


def port(text: str) -> int | None:
    """Parse the number of a port, None for ''."""
    return whole(1, 65_535)(text) if text else None


def port_range(text: str) -> tuple[int, int] | None:
    """Parse the first and the last of some ports that any user may listen on, None for ''."""
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,5})\s*-\s*(\d{1,5})", text)
    if found is None or not 1024 <= int(found[1]) <= int(found[2]) <= 65_535:
        raise ValueError("is not a range of ports; write two from 1024 to 65535, such as 40000-40100")
    return int(found[1]), int(found[2])


def ipv4_address(text: str) -> str:
    """Parse an IPv4 address, '' for none."""
    try:
        return str(ipaddress.IPv4Address(text)) if text else ""
    except ValueError:
        raise ValueError("is not an IPv4 address; write one such as 203.0.113.7") from None


def rate(text: str) -> int:
    """Parse bytes a second, 0 for ''."""
    return parse_bytes(re.sub(r"\s*/\s*s(ec)?$", "", text)) if text else 0


def secret(text: str) -> Secret | None:
    """Parse a secret, None for ''."""
    return Secret(text) if text else None
