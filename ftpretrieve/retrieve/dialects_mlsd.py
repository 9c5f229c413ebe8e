"""The lines of MLSD: facts, one blank, a name. Source: RFC 3659 section 7.

Pure: no input or output, no clock, no settings.
"""

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

TYPES: dict[bytes, Kind | Literal[Nothing.SKIP]] = {b"file": FILE, b"dir": DIR, b"cdir": SKIP, b"pdir": SKIP}


def _mlsd(line: bytes, page: Page) -> Parsed:
    """Read `type=file;size=12;modify=20241120201412; name`. Source: RFC 3659 section 7.

    The facts end at the first `; `, not at the first blank: proftpd prints `UNIX.groupname=domain users;`, and a
    link's target may have blanks. Servers that leave out the last `;` end them at the first blank.
    """
    text, end, name = line.partition(b"; ")
    if not end:
        text, _, name = line.partition(b" ")
    if not name or (b" " in text and b" " in text.partition(b"=")[0]):  # the name of a fact has no blank
        return None
    # Facts are found in any order by cutting around their keys: a dict of all the facts took twice as long.
    facts = b";" + text.lower() + b";"
    type_ = facts.partition(b";type=")[2].partition(b";")[0]
    size = facts.partition(b";size=")[2].partition(b";")[0]
    modify = facts.partition(b";modify=")[2].partition(b";")[0]
    kind = TYPES.get(type_)
    if kind is None:
        if not (type_ or size or modify):
            return None
        kind = _unusual(type_, size)
    if kind is SKIP or name in SELF_AND_PARENT:
        return SKIP
    stamp, precision = _modify(modify, page)
    return RemoteFile(name, kind, size_of(size), stamp, precision, UTC_CLOCK)


def _unusual(type_: bytes, size: bytes) -> Kind:
    """Return what a `type` means that is not in the table; where there is none, what has a size is a file."""
    if not type_:
        return FILE if size else OTHER
    return LINK if type_.startswith((b"os.unix=slink", b"os.unix=symlink")) else OTHER


def _modify(text: bytes, page: Page) -> tuple[int | None, int]:
    """Read `20241120201412`, with a fraction or without the seconds, as (seconds since 1970 or None, precision)."""
    day, minutes = page.dates.compact[text[:8]], MINUTES.get(text[8:12])
    if day is not None and minutes is not None:
        if len(text) == 12:
            return day + minutes, MINUTE
        seconds = SECONDS.get(text[12:14])
        # A 15th digit: the year 19101 of servers that print "19" and the years since 1900. Cut short it would be 1910.
        if seconds is not None and text[14:15] in (b"", b"."):
            return day + minutes + seconds, SECOND
    return None, 0


MLSD = Dialect("MLSD", "proftpd, pure-ftpd, pyftpdlib, FileZilla Server, IIS 10: whoever offers RFC 3659", _mlsd)
