"""The lines of `ls -l`, as Unix and all that imitate it print them.

Pure: no input or output, no clock, no settings.
"""

import re

from ftpretrieve.months import month_of
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
from ftpretrieve.retrieve.dialects_unix_any import cut_name, grouped
from ftpretrieve.retrieve.records import DAY, MINUTE, RemoteFile
from ftpretrieve.retrieve.words import totals

UNIX_LINE = re.compile(
    rb"([-dlbcpsDnP?])[-A-Za-z]{9}[+@.]?+ ++"
    rb"(?:[^ ]++ ++){2,4}?"  # links, owner and group, which may be missing or have blanks
    rb"(-?[\d,]++) ++"  # of a device its numbers, as `8, 0` or `8,0`
    rb"([A-Za-z\x80-\xff]{2,24}+\.? {1,4}+\d{1,2}+) {1,4}+"  # what is no month ends in read_any_unix
    # `ls` puts two blanks before a year, and never a time behind it: that begins the name.
    rb"(\d{1,2}:\d\d|(?<=  )\d{4}|\d{4}(?! \d\d?:\d\d )) (?:(?<=\d \d{4} ) )?"
    rb"(.+)",  # one blank was before it: further ones are its own
    re.DOTALL,
)
# Of fewer columns `jan 20 4096` could be a date: an owner, a group and a size. With more of them it may be the date of
# another shape, and this one in the name. Both are left to read_any_unix.
MARKS = (b"/", b"*", b"@")  # of ls -F
UNIX_KINDS = {b"-": FILE, b"d": DIR, b"l": LINK}


def _unix(line: bytes, page: Page) -> Parsed:
    """Read `-rw-r--r--    1 1000     1000         4096 Nov 20 20:14 name` and `Nov 20  2011`."""
    match = UNIX_LINE.fullmatch(line)
    if match is None:
        return None
    letter, size_text, day_text, clock, name = match.groups()
    time = CLOCK_TIMES.get(clock)
    if time is not None:
        day, precision = page.dates.recent[day_text], MINUTE
    else:
        day, time, precision = (None if b":" in clock else page.dates.unix[day_text + b" " + clock]), 0, DAY
    if day is None and not month_of(day_text.partition(b" ")[0]):
        return None
    kind = UNIX_KINDS.get(letter, OTHER)
    size = size_of(size_text) if kind is not OTHER else None
    if size is None and kind is FILE:
        size = grouped(size_text)
    if kind is LINK or line.endswith(MARKS):
        name = cut_name(name, kind, size, b"x" in line[:10] or b"s" in line[:10])
    if name in SELF_AND_PARENT:
        return SKIP
    if not name:
        return None
    if day is None:
        return RemoteFile(name, kind, size, None, 0, LOCAL_CLOCK)
    return RemoteFile(name, kind, size, day + time, precision, LOCAL_CLOCK)


TOTAL_LINE = re.compile(
    rb"[ \t]*+([^ \t\d][^ \t:]{1,20})(?: of)?[:,]?[ \t]++[\d., ]{1,20}+(?:[kmgtpe]i?b?|bytes|blocks)?\s*+",
    re.IGNORECASE,
)


def _total(line: bytes, page: Page) -> Parsed:
    """Skip `total 12`, `insgesamt 12`, `total 1.2M`: the blocks in use, that `ls -l` puts on top."""
    del page  # the shape of every row of the table
    match = TOTAL_LINE.fullmatch(line)
    if match is None:
        return None
    word = match[1].lower()
    return SKIP if word == b"total" or word in totals() else None


DIRECTORY_LINE = re.compile(rb"(\.|\.?/.*|[^ :]++):", re.DOTALL)


def _directory(line: bytes, page: Page) -> Parsed:
    """Note the `./sub:` of `ls -R`: what follows lies below. The first absolute path is the listed directory.

    A single word and a colon may be a banner, and would hide every file behind it: only a blank line before makes it
    a directory.
    """
    match = DIRECTORY_LINE.fullmatch(line)
    if match is None or not (page.parted or line.startswith((b".", b"/"))):
        return None
    path = match[1].removeprefix(b"./").rstrip(b"/")
    if path.startswith(b"/") and not page.base:
        page.base = path
    path = path.removeprefix(page.base).lstrip(b"/") if (path + b"/").startswith(page.base + b"/") else path
    page.below = path + b"/" if path not in (b"", b".") else b""
    return SKIP


UNIX = Dialect("Unix", "vsftpd, proftpd, pure-ftpd, pyftpdlib, IIS in its Unix style", _unix)
TOTAL = Dialect("total", "servers that run ls -l", _total)
DIRECTORY = Dialect("ls -R", "servers that list what is below too", _directory)
