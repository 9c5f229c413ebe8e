"""The lines of MLSD: facts, one blank, a name. Source: RFC 3659 section 7.

Pure: no input or output, no clock, no settings.
"""

import re
from typing import Literal

from ftpretrieve.retrieve.dates import MINUTES, SECONDS
from ftpretrieve.retrieve.dialects import (
    DIR,
    FILE,
    LINK,
    OTHER,
    SELF_AND_PARENT,
    SKIP,
    UTC_CLOCK,
    Dialect,
    Nothing,
    Page,
    Parsed,
    size_of,
)
from ftpretrieve.retrieve.records import MINUTE, SECOND, Kind, RemoteFile

KEYS = (
    *b"type size sizd modify create perm unique lang media-type charset win32.ea os.".split(),
    *b"unix.mode unix.owner unix.group unix.uid unix.gid unix.ownername unix.groupname unix.slink".split(),
)
KNOWN_FACTS = re.compile(rb"(?:(?:%b)[\w.]*=[^;]*+;)+" % b"|".join(map(re.escape, KEYS)), re.IGNORECASE)
ANY_FACTS = re.compile(rb"(?:[A-Za-z][\w.-]{0,30}=[^;]*+;)+")
TYPES: dict[bytes, Kind | Literal[Nothing.SKIP]] = {b"file": FILE, b"dir": DIR, b"cdir": SKIP, b"pdir": SKIP}
LINKS = (b"slink", b"symlink", b"link")


def _mlsd(line: bytes, page: Page) -> Parsed:
    """Read `type=file;size=12;modify=20241120201412; name`. Source: RFC 3659 section 7.

    The facts end at the first `; `, not at the first blank: proftpd prints `UNIX.groupname=domain users;`, and a
    link's target may have blanks. Servers that leave out the last `;` end them at the first blank, those that leave
    out the blank at the last `;` that ends a fact.
    """
    line = line.lstrip(b" ")  # MLST puts one blank before the facts, a few servers several
    text, end, name = line.partition(b"; ")
    if not end or (b" " in text and not _is_fact(text.rpartition(b";")[2])):
        text, name = _without_end(line)
    if not name:
        return None
    # Facts are found in any order by cutting around their keys: a dict of all the facts took twice as long.
    facts = b";" + text.lower() + b";"
    type_ = facts.partition(b";type=")[2].partition(b";")[0]
    size = facts.partition(b";size=")[2].partition(b";")[0]
    modify = facts.partition(b";modify=")[2].partition(b";")[0]
    kind = TYPES.get(type_)
    if kind is None:
        if not (type_ or size or modify) and not (end and ANY_FACTS.fullmatch(text + b";")):
            return None
        kind = _unusual(type_, size)
    if kind is SKIP or name in SELF_AND_PARENT:
        return SKIP
    stamp, precision = _modify(modify, page)
    return RemoteFile(name, kind, size_of(size), stamp, precision, UTC_CLOCK)


def _is_fact(text: bytes) -> bool:
    """Say whether this is `key=value`: a key has no blank."""
    key, equals, _ = text.partition(b"=")
    return bool(key and equals) and b" " not in key


def _without_end(line: bytes) -> tuple[bytes, bytes]:
    """Return facts and name of a line in which they are not parted by `; `; no name when it ends within its facts."""
    match = KNOWN_FACTS.match(line)
    facts, rest = (match[0], line[match.end() :]) if match is not None else (b"", line)
    text, blank, name = rest.partition(b" ")
    if blank and _is_fact(text):  # the last fact has no `;`
        return facts + text, name
    key = rest.lower().partition(b"=")[0]
    if not facts or any(known.startswith(key) for known in KEYS):  # the line ends within this fact
        return b"", b""
    return facts[:-1], rest.removeprefix(b" ").removeprefix(b"\t")


def _unusual(type_: bytes, size: bytes) -> Kind:
    """Return what a `type` means that is not in the table; where there is none, what has a size is a file."""
    if not type_:
        return FILE if size else OTHER
    return LINK if type_.removeprefix(b"os.").removeprefix(b"unix=").startswith(LINKS) else OTHER


def _modify(text: bytes, page: Page) -> tuple[int | None, int]:
    """Read `20241120201412`, with a fraction or without the seconds, as (seconds since 1970 or None, precision)."""
    day, minutes = page.dates.compact[text[:8]], MINUTES.get(text[8:12])
    if day is not None and minutes is not None:
        if len(text) == 12:
            return day + minutes, MINUTE
        seconds = SECONDS.get(text[12:14])
        # A 15th digit: the year 19101 of servers that print "19" and the years since 1900. Cut short it would be 1910.
        if seconds is not None and text[14:15] in (b"", b".", b"z"):
            return day + minutes + seconds, SECOND
    return None, 0


MLSD = Dialect("MLSD", "proftpd, pure-ftpd, pyftpdlib, FileZilla Server, IIS 10: whoever offers RFC 3659", _mlsd)
