"""How the lines of a directory listing are written: MLSD, and LIST as the systems of this world print it.

Theory of operation. What differs between systems is a row of `LIST_DIALECTS`, or `MLSD`: a function that is given one
line and answers

    a RemoteFile     the line is its dialect and names something
    SKIP             the line is its dialect and names nothing to keep (`total 12`, `.`, the directory itself)
    None             not its dialect

Server input is hostile: each function is total (any bytes in, no exception out) and needs time linear in the line;
quantifiers are possessive (`++`) where two of them could share the same bytes, but only on single characters: on groups
Python before 3.11.5 gets them wrong. Names are cut out of the line, never changed. Whether a name may be written
anywhere is not decided here.

Pure: no input or output, no clock (`now` is given), no settings.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import Enum
from typing import Final, Literal, NamedTuple

from ftpretrieve.retrieve.records import DAY, MINUTE, SECOND, Clock, Kind, RemoteFile


class Nothing(Enum):
    """The type of SKIP: a line that was understood and names nothing to keep."""

    SKIP = "skip"


SKIP: Final = Nothing.SKIP
Parsed = RemoteFile | Literal[Nothing.SKIP] | None

# Members of an Enum are looked up through its metaclass; these names are read for every line of every poll.
FILE, DIR, LINK, OTHER = Kind.FILE, Kind.DIR, Kind.LINK, Kind.OTHER
UTC_CLOCK, LOCAL_CLOCK = Clock.UTC, Clock.LOCAL

MAX_SIZE_BYTES = 2**63 - 1  # what SQLite and off_t hold
CACHED_DAYS = 4_096  # 11 years of different days
SELF_AND_PARENT = frozenset((b".", b".."))

MONTHS = {
    name: number
    for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)  # C locale
}
SECONDS = {b"%02d" % second: second for second in range(61)}  # 60: a leap second, RFC 3659 section 2.3
MINUTES = {b"%02d%02d" % (hour, minute): hour * 3600 + minute * 60 for hour in range(24) for minute in range(60)}
"""`2014` -> seconds since midnight: a time that is not in the table is not a time."""
CLOCK_TIMES = {text[:2] + b":" + text[2:]: secs for text, secs in MINUTES.items()}
CLOCK_TIMES |= {text[1:]: secs for text, secs in CLOCK_TIMES.items() if text.startswith(b"0")}
"""`20:14`, `08:14` and `8:14` likewise."""


# --- dates -----------------------------------------------------------------------------------------------------------


class DayCache(dict[bytes, int | None]):
    """A bounded memory of what the text of a day means: seconds since 1970 of its midnight, None when it is no day.

    Hundreds of thousands of lines share a few thousand days. The keys come from hostile lines, so the regular
    expressions bound their length, and the cache its count.
    """

    def __init__(self, read: Callable[[bytes], int]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: bytes) -> int | None:
        if len(self) >= CACHED_DAYS:
            self.clear()
        try:
            value: int | None = self._read(text)
        except ValueError:
            value = None
        self[text] = value
        return value


def _midnight(year: int, month: int, day: int) -> int:
    """Return the seconds since 1970 of this day's midnight. Raises: ValueError when there is no such day."""
    return (date(year, month, day).toordinal() - _EPOCH) * DAY


_EPOCH = date(1970, 1, 1).toordinal()


def _compact_day(text: bytes) -> int:
    """Read `20241120`."""
    if len(text) != 8 or not text.isdigit():  # int() would take `+1`, ` 1` and `1_0`
        raise ValueError
    return _midnight(int(text[:4]), int(text[4:6]), int(text[6:]))


def _unix_day(text: bytes) -> int:
    """Read `Nov 20 2024`."""
    month, day, year = text.split()
    return _midnight(int(year), MONTHS[month.lower()], int(day))


def _dos_day(text: bytes) -> int:
    """Read `11-20-24` and `11-20-2024`: month first, whatever the country; two digits mean 1970 to 2069."""
    month, day, year = (int(part) for part in text.replace(b"/", b"-").split(b"-"))
    if year < 100:
        year += 1900 if year >= 70 else 2000
    return _midnight(year, month, day)


class Dates:
    """The dates of one listing: what each dialect's text of a day means, seen from `now`.

    `now` is the present as the server's own clock shows it, counted as if that clock were UTC. A naive `now` is taken
    as UTC.
    """

    def __init__(self, now: datetime) -> None:
        today = (now.astimezone(UTC) if now.tzinfo else now).date()
        # One day ahead is still "recent": a server east of us, or one whose clock is fast, is already there.
        self._newest = today.toordinal() + 1
        self._newest_year = today.year + 1
        self.compact = DayCache(_compact_day)
        self.unix = DayCache(_unix_day)
        self.recent = DayCache(self._recent_day)
        self.dos = DayCache(_dos_day)

    def _recent_day(self, text: bytes) -> int:
        """Read `Nov 20`: `ls` leaves out the year of the last six months, so it is the latest such day up to now.

        Eight years back is as far as two 29 Februaries are apart (1896 and 1904, 2096 and 2104).
        """
        month, day = text.split()
        for year in range(self._newest_year, self._newest_year - 10, -1):
            try:
                secs = _midnight(year, MONTHS[month.lower()], int(day))
            except ValueError:
                continue
            if secs // DAY + _EPOCH <= self._newest:
                return secs
        raise ValueError


def _size(text: bytes) -> int | None:
    """Return the size, or None when it is not one we can hold: negative, too large, not a number.

    Servers with 32-bit counters print negative sizes for large files: better unknown than wrong.
    """
    if not text.isdigit() or len(text) > 19:  # 19 digits hold 2**63 - 1; int() of thousands of digits is slow
        return None
    size = int(text)
    return size if size <= MAX_SIZE_BYTES else None


# --- MLSD ------------------------------------------------------------------------------------------------------------

TYPES: dict[bytes, Kind | Literal[Nothing.SKIP]] = {b"file": FILE, b"dir": DIR, b"cdir": SKIP, b"pdir": SKIP}


def _mlsd(line: bytes, dates: Dates) -> Parsed:
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
    stamp, precision = _modify(modify, dates)
    return RemoteFile(name, kind, _size(size), stamp, precision, UTC_CLOCK)


def _unusual(type_: bytes, size: bytes) -> Kind:
    """Return what a `type` means that is not in the table; where there is none, what has a size is a file."""
    if not type_:
        return FILE if size else OTHER
    return LINK if type_.startswith((b"os.unix=slink", b"os.unix=symlink")) else OTHER


def _modify(text: bytes, dates: Dates) -> tuple[int | None, int]:
    """Read `20241120201412`, with a fraction or without the seconds, as (seconds since 1970 or None, precision)."""
    day, minutes = dates.compact[text[:8]], MINUTES.get(text[8:12])
    if day is not None and minutes is not None:
        if len(text) == 12:
            return day + minutes, MINUTE
        seconds = SECONDS.get(text[12:14])
        # A 15th digit: the year 19101 of servers that print "19" and the years since 1900. Cut short it would be 1910.
        if seconds is not None and text[14:15] in (b"", b"."):
            return day + minutes + seconds, SECOND
    return None, 0


# --- LIST ------------------------------------------------------------------------------------------------------------

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


def _unix(line: bytes, dates: Dates) -> Parsed:
    """Read `-rw-r--r--    1 1000     1000         4096 Nov 20 20:14 name` and `Nov 20  2011`."""
    match = UNIX_LINE.fullmatch(line)
    if match is None:
        return None
    letter, size_text, day_text, clock, name = match.groups()
    kind = UNIX_KINDS.get(letter, OTHER)
    size = _size(size_text) if kind is not OTHER else None
    if kind is LINK:
        name = _without_target(name, size)
    if name in SELF_AND_PARENT:
        return SKIP
    if not name:
        return None
    time = CLOCK_TIMES.get(clock)
    if time is not None:
        day, precision = dates.recent[day_text], MINUTE
    else:
        day, time, precision = (None if b":" in clock else dates.unix[day_text + b" " + clock]), 0, DAY
    if day is None:
        return RemoteFile(name, kind, size, None, 0, LOCAL_CLOCK)
    return RemoteFile(name, kind, size, day + time, precision, LOCAL_CLOCK)


def _without_target(text: bytes, size: int | None) -> bytes:
    """Return the `a` of `a -> b`. Either may hold an arrow itself; a link's size is the length of its target."""
    cut = -1 if size is None else len(text) - size - 4
    if cut > 0 and text[cut : cut + 4] == b" -> ":
        return text[:cut]
    return text.partition(b" -> ")[0]


DOS_LINE = re.compile(
    rb"(\d\d[-/]\d\d[-/](?:\d{4}|\d\d)) ++(\d{1,2}:\d\d) ?+(?i:([ap])m?+)? ++"
    rb"(?:<DIR>(?: {10}| ++)|(\d++) )"  # IIS writes exactly ten blanks behind <DIR> and one behind a size
    rb"(.+)",
    re.DOTALL,
)


def _dos(line: bytes, dates: Dates) -> Parsed:
    """Read `11-20-24  08:14PM       <DIR>          name` and `11-20-2024  20:14                 4096 name`."""
    match = DOS_LINE.fullmatch(line)
    if match is None:
        return None
    day_text, clock, half, size_text, name = match.groups()
    if name in SELF_AND_PARENT:
        return SKIP
    kind, size = (DIR, None) if size_text is None else (FILE, _size(size_text))
    day, time = dates.dos[day_text], CLOCK_TIMES.get(clock)
    if day is None or time is None:
        return RemoteFile(name, kind, size, None, 0, LOCAL_CLOCK)
    if half is not None:
        time = time % (DAY // 2) + (DAY // 2 if half in b"pP" else 0)  # 12:30AM is half past midnight
    return RemoteFile(name, kind, size, day + time, MINUTE, LOCAL_CLOCK)


TOTAL_LINE = re.compile(rb"total:? ++[\d.,]++[KMGT]?+ *+", re.IGNORECASE)


def _total(line: bytes, dates: Dates) -> Parsed:
    """Skip `total 12`, the blocks in use, that `ls -l` puts on top."""
    del dates  # the shape of every row of the table
    return SKIP if TOTAL_LINE.fullmatch(line) else None


# --- the table -------------------------------------------------------------------------------------------------------


class Dialect(NamedTuple):
    """One way of writing a line of a listing."""

    name: str
    systems: str
    read: Callable[[bytes, Dates], Parsed]


MLSD = Dialect("MLSD", "proftpd, pure-ftpd, pyftpdlib, FileZilla Server, IIS 10: whoever offers RFC 3659", _mlsd)
LIST_DIALECTS: tuple[Dialect, ...] = (
    Dialect("Unix", "vsftpd, proftpd, pure-ftpd, pyftpdlib, IIS in its Unix style", _unix),
    Dialect("DOS", "IIS in its default style", _dos),
    Dialect("total", "servers that run ls -l", _total),
)
