"""What replies say: of one file, those to MLST, SIZE and MDTM, as the entries of a listing; of the server, FEAT.

Must not: ask anything.
"""

from datetime import UTC, datetime

from ftpretrieve.retrieve.ftp_control import WIRE
from ftpretrieve.retrieve.listing import ListingParser
from ftpretrieve.retrieve.records import Kind, RemoteFile


def named(entry: RemoteFile, name: bytes) -> RemoteFile:
    """Return the entry under another name."""
    return RemoteFile(name, entry.kind, entry.size, entry.stamp, entry.precision, entry.clock)


def features(reply: str) -> list[str]:
    """Return the lines of a reply to FEAT in capitals, without blanks around; none when it is refused.

    Source: RFC 2389, section 3.2: one feature a line, between the first and the last one.
    """
    lines = reply.upper().split("\n")[1:-1] if reply.startswith("211") else []
    return [line.strip() for line in lines if line.strip()]


def _entry(facts: str) -> RemoteFile | None:
    """Return what a line of MLSD says; answers to other commands are spelled as one, to be read in one way."""
    found = ListingParser(datetime.now(UTC), True).feed([facts.encode(WIRE)])
    return found[0] if found else None


def mlst_entry(reply: str, name: bytes) -> RemoteFile | None:
    """Return what MLST says of a file; None when it says nothing, or something about another one.

    Source: RFC 3659, section 7.2: the facts stand on the middle line, after one blank; the name may be a whole path.
    """
    lines = reply.split("\n")
    entry = _entry(lines[1].lstrip(" ")) if reply.startswith("250") and len(lines) > 2 else None
    if entry is None or entry.kind is not Kind.FILE or entry.name.rpartition(b"/")[2] != name.rpartition(b"/")[2]:
        return None
    return named(entry, name)


def size_mdtm_entry(size: str, mdtm: str, name: bytes) -> RemoteFile | None:
    """Return what the replies to SIZE and MDTM say of a file; None when the time is not told."""
    entry = _entry(f"type=file;size={_value(size)};modify={_value(mdtm)}; -")
    return None if entry is None or entry.stamp is None else named(entry, name)


def told_size(reply: str) -> int | None:
    """Return the bytes that the reply to SIZE tells, None when it tells none."""
    value = _value(reply)
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None  # 2**63 has 19 digits


def _value(reply: str) -> str:
    """Return what SIZE or MDTM answers, or nothing. Source: RFC 3659, sections 3.1 and 4.1."""
    return reply[4:].strip() if reply.startswith("213 ") else ""
