"""The lines of `ls -l`, as Unix and all that imitate it print them.

Pure: no input or output, no clock, no settings.
"""

import re

from ftpretrieve.retrieve.dates import CLOCK_TIMES
from ftpretrieve.retrieve.dialects import (
    DIR,
    FILE,
    LINK,
    LOCAL_CLOCK,
    OTHER,
    SELF_AND_PARENT,
    SKIP,
    Dialect,
    Page,
    Parsed,
    size_of,
)
from ftpretrieve.retrieve.records import DAY, MINUTE, RemoteFile

UNIX_LINE = re.compile(
    rb"([-dlbcpsDnP?])[-A-Za-z]{9}[+@.]?+ ++"
    rb"(?:[^ ]++ ++)*?"  # links, owner, group: each may be missing, or have blanks
    rb"(-?[\d,]++) ++"  # of a device its numbers, as `8, 0` or `8,0`
    rb"((?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec) {1,4}+\d{1,2}+) {1,4}+"
    rb"(\d{1,2}:\d\d|\d{4}) "  # one blank: further ones belong to the name
    rb"(.+)",
    re.DOTALL,
)
UNIX_KINDS = {b"-": FILE, b"d": DIR, b"l": LINK}


def _unix(line: bytes, page: Page) -> Parsed:
    """Read `-rw-r--r--    1 1000     1000         4096 Nov 20 20:14 name` and `Nov 20  2011`."""
    match = UNIX_LINE.fullmatch(line)
    if match is None:
        return None
    letter, size_text, day_text, clock, name = match.groups()
    kind = UNIX_KINDS.get(letter, OTHER)
    size = size_of(size_text) if kind is not OTHER else None
    if kind is LINK:
        name = _without_target(name, size)
    if name in SELF_AND_PARENT:
        return SKIP
    if not name:
        return None
    time = CLOCK_TIMES.get(clock)
    if time is not None:
        day, precision = page.dates.recent[day_text], MINUTE
    else:
        day, time, precision = (None if b":" in clock else page.dates.unix[day_text + b" " + clock]), 0, DAY
    if day is None:
        return RemoteFile(name, kind, size, None, 0, LOCAL_CLOCK)
    return RemoteFile(name, kind, size, day + time, precision, LOCAL_CLOCK)


def _without_target(text: bytes, size: int | None) -> bytes:
    """Return the `a` of `a -> b`. Either may hold an arrow itself; a link's size is the length of its target."""
    cut = -1 if size is None else len(text) - size - 4
    if cut > 0 and text[cut : cut + 4] == b" -> ":
        return text[:cut]
    return text.partition(b" -> ")[0]


TOTAL_LINE = re.compile(rb"total:? ++[\d.,]++[KMGT]?+ *+", re.IGNORECASE)


def _total(line: bytes, page: Page) -> Parsed:
    """Skip `total 12`, the blocks in use, that `ls -l` puts on top."""
    del page  # the shape of every row of the table
    return SKIP if TOTAL_LINE.fullmatch(line) else None


UNIX = Dialect("Unix", "vsftpd, proftpd, pure-ftpd, pyftpdlib, IIS in its Unix style", _unix)
TOTAL = Dialect("total", "servers that run ls -l", _total)
