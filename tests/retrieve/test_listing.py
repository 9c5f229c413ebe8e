"""Lines of real servers, hostile lines, and the years that dates leave out.

Rows named after a server were printed by it: vsftpd 3.0.3, proftpd 1.3.8 and pure-ftpd 1.0.50 on one directory made for
the purpose (names with blanks, arrows, carriage returns, Latin-1; links, a pipe, a device). The others follow the
formats' definitions: RFC 3659 section 7, and what IIS documents.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.retrieve.dialects_table import LIST_DIALECTS, MLSD
from ftpretrieve.retrieve.listing import LineSplitter, ListingParser, parse_listing
from ftpretrieve.retrieve.records import DAY, MINUTE, SECOND, Clock, Kind, RemoteFile

NOW = datetime(2026, 11, 20, 22, 37, 50, tzinfo=UTC)
FILE, DIR, LINK, OTHER = Kind.FILE, Kind.DIR, Kind.LINK, Kind.OTHER


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def secs(*fields: int) -> int:
    """Return the epoch seconds of a date and time read as UTC."""
    return round(utc(*fields).timestamp())


def read(line: bytes, mlsd: bool | None = None, now: datetime = NOW) -> RemoteFile | None:
    """Return the one entry of this line, or None; the line must not be unreadable."""
    parser = ListingParser(now, mlsd)
    entries = parser.feed([line])
    assert parser.unreadable == 0, line
    assert len(entries) <= 1
    return entries[0] if entries else None


def stamp(line: bytes, now: datetime = NOW) -> tuple[int | None, int]:
    """Return (stamp, precision) of this line's entry."""
    entry = read(line, now=now)
    assert entry is not None
    return entry.stamp, entry.precision


# --- MLSD ------------------------------------------------------------------------------------------------------------

PRO = b";UNIX.group=0;UNIX.groupname=nogroup;UNIX.mode=0644;UNIX.owner=0;UNIX.ownername=nobody; "
PURE = b";UNIX.mode=0644;UNIX.uid=0;UNIX.gid=0;unique=fe00g21a675; "
MLSD_ROWS = {
    "proftpd-file": (
        b"modify=20241120201412;perm=adfr;size=5368709120;type=file;unique=FE00U21A635" + PRO + b"big",
        (b"big", FILE, 5368709120, secs(2024, 11, 20, 20, 14, 12)),
    ),
    "proftpd-dir": (
        b"modify=20241120201412;perm=flcdmpe;type=dir;unique=FE00U21A6B5" + PRO + b"sub",
        (b"sub", DIR, None, secs(2024, 11, 20, 20, 14, 12)),
    ),
    "proftpd-link": (
        b"modify=20241120201412;perm=adfrw;size=3;type=OS.unix=symlink;unique=FE00U21A6B5" + PRO + b"dirlink",
        (b"dirlink", LINK, 3, secs(2024, 11, 20, 20, 14, 12)),
    ),
    "proftpd-name-like-facts": (
        b"modify=20241120201412;size=1;type=file" + PRO + b"semi; colon=1",
        (b"semi; colon=1", FILE, 1, secs(2024, 11, 20, 20, 14, 12)),
    ),
    "proftpd-leading-blank": (
        b"modify=20241120201412;size=1;type=file" + PRO + b" leading",
        (b" leading", FILE, 1, secs(2024, 11, 20, 20, 14, 12)),
    ),
    "proftpd-trailing-blank": (
        b"modify=20241120201412;size=1;type=file" + PRO + b"trailing ",
        (b"trailing ", FILE, 1, secs(2024, 11, 20, 20, 14, 12)),
    ),
    "proftpd-before-1970": (
        b"modify=19691231230000;perm=adfr;size=0;type=file;unique=FE00U21A6A5" + PRO + b"old",
        (b"old", FILE, 0, -3600),
    ),
    "proftpd-group-with-blank": (
        b"modify=20241120201412;size=1;type=file;UNIX.groupname=domain users; a b",
        (b"a b", FILE, 1, secs(2024, 11, 20, 20, 14, 12)),
    ),
    "pure-ftpd-file": (
        b"type=file;size=5;modify=20241120201412" + PURE + b"two  blanks.txt",
        (b"two  blanks.txt", FILE, 5, secs(2024, 11, 20, 20, 14, 12)),
    ),
    "pure-ftpd-dir": (
        b"type=dir;sizd=4096;modify=20241120201412" + PURE + b"sub",
        (b"sub", DIR, None, secs(2024, 11, 20, 20, 14, 12)),
    ),
    "pure-ftpd-link-to-nowhere": (
        b"type=OS.unix=slink:;size=8;modify=20241120201412" + PURE + b"dangling",
        (b"dangling", LINK, 8, secs(2024, 11, 20, 20, 14, 12)),
    ),
    "pure-ftpd-pipe": (
        b"type=unknown;size=0;modify=20241120201412" + PURE + b"pipe",
        (b"pipe", OTHER, 0, secs(2024, 11, 20, 20, 14, 12)),
    ),
    "pure-ftpd-latin-1": (
        b"type=file;size=1;modify=20241120201412" + PURE + b"latin\xe9",
        (b"latin\xe9", FILE, 1, secs(2024, 11, 20, 20, 14, 12)),
    ),
    "rfc-link-with-target": (
        b"Type=OS.unix=slink:/foo bar;Perm=;Unique=keVO1+d?3; two words",
        (b"two words", LINK, None, None),
    ),
    "any-case": (
        b"TYPE=FILE;Size=7;MoDiFy=20241120201412; Name",
        (b"Name", FILE, 7, secs(2024, 11, 20, 20, 14, 12)),
    ),
    "type-only": (b"type=file; x", (b"x", FILE, None, None)),
    "no-type-but-a-size": (b"size=3; x", (b"x", FILE, 3, None)),
    "no-type-no-size": (b"modify=20241120201412; x", (b"x", OTHER, None, secs(2024, 11, 20, 20, 14, 12))),
    "unknown-type": (b"type=OS.mvs=pds;size=1; x", (b"x", OTHER, 1, None)),
    "fact-that-ends-like-another": (b"x.type=dir;type=file;max-size=9;size=1; x", (b"x", FILE, 1, None)),
    "no-last-semicolon": (b"type=file;size=3 a b", (b"a b", FILE, 3, None)),
    "largest-size": (b"type=file;size=9223372036854775807; x", (b"x", FILE, 2**63 - 1, None)),
    "too-large-size": (b"type=file;size=9223372036854775808; x", (b"x", FILE, None, None)),
    "thousands-of-digits": (b"type=file;size=" + b"9" * 9999 + b"; x", (b"x", FILE, None, None)),
    "negative-size": (b"type=file;size=-1; x", (b"x", FILE, None, None)),
    "empty-size": (b"type=file;size=; x", (b"x", FILE, None, None)),
    "size-only-python-reads": (b"type=file;size=1_0; x", (b"x", FILE, None, None)),
}


@pytest.mark.parametrize("mlsd", [True, None], ids=["told", "found-out"])
@pytest.mark.parametrize(("line", "expected"), MLSD_ROWS.values(), ids=MLSD_ROWS.keys())
def test_mlsd_line(line: bytes, expected: tuple[object, ...], mlsd: bool | None) -> None:
    """Facts come in any order and case and may be missing; the name is everything behind them."""
    entry = read(line, mlsd)
    assert entry is not None
    assert (entry.name, entry.kind, entry.size, entry.stamp) == expected
    assert entry.clock is Clock.UTC
    assert entry.precision == (0 if entry.stamp is None else SECOND)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"20241120201412", (secs(2024, 11, 20, 20, 14, 12), SECOND), id="seconds"),
        pytest.param(b"20241120201412.123456", (secs(2024, 11, 20, 20, 14, 12), SECOND), id="fraction"),
        pytest.param(b"202411202014", (secs(2024, 11, 20, 20, 14), MINUTE), id="no-seconds"),
        pytest.param(b"20161231235960", (secs(2017, 1, 1), SECOND), id="leap-second"),
        pytest.param(b"20240229000000", (secs(2024, 2, 29), SECOND), id="leap-day"),
        pytest.param(b"20230229000000", (None, 0), id="no-leap-day"),
        pytest.param(b"20241320201412", (None, 0), id="month-13"),
        pytest.param(b"20241120241412", (None, 0), id="hour-24"),
        pytest.param(b"20241120201461", (None, 0), id="second-61"),
        pytest.param(b"191011120201412", (None, 0), id="year-19101-of-a-year-2000-bug"),
        pytest.param(b"2024112020141", (None, 0), id="13-digits"),
        pytest.param(b"20241120", (None, 0), id="no-time"),
        pytest.param(b"0000000000000000", (None, 0), id="zeros"),
        pytest.param(b"2024+1+2201412", (None, 0), id="signs"),
        pytest.param(b"", (None, 0), id="empty"),
    ],
)
def test_modify_fact(text: bytes, expected: tuple[int | None, int]) -> None:
    """A `modify` that is no date leaves the file listed, its time unknown."""
    assert stamp(b"type=file;size=1;modify=" + text + b"; x") == expected


@pytest.mark.parametrize(
    "line",
    [
        b"type=cdir;sizd=4096;modify=20241120201412" + PURE + b".",
        b"modify=20241120201412;perm=fle;type=pdir;unique=FE00U21A625" + PRO + b"..",
        b"Type=CDir;Modify=20241120201412; /pub/named by its path",
        b"type=dir; .",
        b"type=file;size=1; ..",
    ],
)
def test_directory_itself_and_its_parent_are_no_entries(line: bytes) -> None:
    """`cdir` and `pdir` are dropped without a word, as are `.` and `..` whatever their type."""
    assert read(line, mlsd=True) is None


@pytest.mark.parametrize(
    "line",
    [
        b"type=file;size=3;modify=20241120201412;",
        b"type=file;size=3;modi",
        b"type=file; ",
        b" name only",
        b"type=file;size=3;UNIX.mo",
        b"type=file;size=3;modify=2024",
        b"total 12",
        b"-rw-r--r--    1 0        0               1 Nov 20 22:37 type=file; x",
    ],
)
def test_line_that_is_not_mlsd_is_unreadable_in_mlsd(line: bytes) -> None:
    """A line cut off in its facts never makes a name, and LIST lines are not guessed at where MLSD was asked."""
    parser = ListingParser(NOW, mlsd=True)
    assert parser.feed([line]) == []
    assert (parser.unreadable, parser.examples) == (1, [line])


# --- LIST, Unix ------------------------------------------------------------------------------------------------------

RECENT = (secs(2026, 11, 20, 22, 37), MINUTE)
UNIX_ROWS = {
    "vsftpd-file": (
        b"-rw-r--r--    1 1000     1000         4096 Nov 20 22:37 name",
        (b"name", FILE, 4096, *RECENT),
    ),
    "vsftpd-big": (
        b"-rw-r--r--    1 0        0        5368709120 Nov 20 22:37 big",
        (b"big", FILE, 5368709120, *RECENT),
    ),
    "vsftpd-year": (
        b"-rw-r--r--    1 0        0               0 Nov 20  2024 recent.xml",
        (b"recent.xml", FILE, 0, secs(2024, 11, 20), DAY),
    ),
    "vsftpd-setuid": (
        b"-rwsr-xr-x    1 0        0               0 Feb 28  2011 old",
        (b"old", FILE, 0, secs(2011, 2, 28), DAY),
    ),
    "vsftpd-before-1970": (
        b"-rw-r--r--    1 0        0               0 Dec 31  1969 before",
        (b"before", FILE, 0, -DAY, DAY),
    ),
    "vsftpd-sticky-dir": (
        b"drwxrwxrwt    2 0        0            4096 Nov 20 22:37 sub",
        (b"sub", DIR, 4096, *RECENT),
    ),
    "vsftpd-link": (
        b"lrwxrwxrwx    1 0        0               8 Nov 20 22:37 dangling -> /nowhere",
        (b"dangling", LINK, 8, *RECENT),
    ),
    "vsftpd-link-arrows-in-both-names": (
        b"lrwxrwxrwx    1 0        0              13 Nov 20 22:37 l -> k -> arrow -> file",
        (b"l -> k", LINK, 13, *RECENT),
    ),
    "link-of-unknown-length": (
        b"lrwxrwxrwx    1 0        0               0 Nov 20 22:37 a -> b -> c",
        (b"a", LINK, 0, *RECENT),
    ),
    "vsftpd-arrow-in-a-file": (
        b"-rw-r--r--    1 0        0               1 Nov 20 22:37 arrow -> file",
        (b"arrow -> file", FILE, 1, *RECENT),
    ),
    "vsftpd-pipe": (
        b"prw-r--r--    1 0        0               0 Nov 20 22:37 pipe",
        (b"pipe", OTHER, None, *RECENT),
    ),
    "vsftpd-carriage-return": (
        b"-rw-r--r--    1 0        0               1 Nov 20 22:37 cr\r",
        (b"cr\r", FILE, 1, *RECENT),
    ),
    "proftpd-leading-blank": (
        b"-rw-r--r--   1 root     root            1 Nov 20 22:37  leading",
        (b" leading", FILE, 1, *RECENT),
    ),
    "proftpd-trailing-blank": (
        b"-rw-r--r--   1 root     root            1 Nov 20 22:37 trailing ",
        (b"trailing ", FILE, 1, *RECENT),
    ),
    "proftpd-escape-codes": (
        b"-rw-r--r--   1 root     root            1 Nov 20 22:37 esc\x1b[1m",
        (b"esc\x1b[1m", FILE, 1, *RECENT),
    ),
    "pure-ftpd-two-blanks": (
        b"-rw-r--r--    1 0          0                   5 Nov 20 22:37 two  blanks.txt",
        (b"two  blanks.txt", FILE, 5, *RECENT),
    ),
    "ls-device": (b"crw-rw-rw-  1 root root 1,   3 Nov 20 22:37 null", (b"null", OTHER, None, *RECENT)),
    "ls-device-joined": (b"brw-rw----  1 root disk 8,16 Nov 20 22:37 sdb", (b"sdb", OTHER, None, *RECENT)),
    "ls-acl": (b"-rw-r--r--+ 1 a b 7 Nov 20 22:37 x", (b"x", FILE, 7, *RECENT)),
    "ls-selinux": (b"-rw-r--r--. 1 a b 7 Nov 20 22:37 x", (b"x", FILE, 7, *RECENT)),
    "no-group": (b"-rw-r--r--   1 owner   7 Nov 20 22:37 x", (b"x", FILE, 7, *RECENT)),
    "group-with-blank": (b"-rw-r--r--   1 me domain users 7 Nov 20 22:37 x", (b"x", FILE, 7, *RECENT)),
    "iis-unix-style": (
        b"-rwxrwxrwx   1 owner    group            7 Nov 20 22:37 x y",
        (b"x y", FILE, 7, *RECENT),
    ),
    "name-like-a-date": (
        b"-rw-r--r-- 1 a b 7 Nov 20 22:37 9 Dec 24  2011 x",
        (b"9 Dec 24  2011 x", FILE, 7, *RECENT),
    ),
    "one-digit-day-and-hour": (b"-rw-r--r-- 1 a b 7 nov  2 9:05 x", (b"x", FILE, 7, secs(2026, 11, 2, 9, 5), MINUTE)),
    "negative-size": (b"-rw-r--r-- 1 a b -2147483648 Nov 20 22:37 x", (b"x", FILE, None, *RECENT)),
    "no-such-day": (b"-rw-r--r-- 1 a b 7 Feb 30 22:37 x", (b"x", FILE, 7, None, 0)),
    "no-such-time": (b"-rw-r--r-- 1 a b 7 Nov 20 24:00 x", (b"x", FILE, 7, None, 0)),
    "year-0": (b"-rw-r--r-- 1 a b 7 Nov 20  0000 x", (b"x", FILE, 7, None, 0)),
}


@pytest.mark.parametrize("mlsd", [False, None], ids=["told", "found-out"])
@pytest.mark.parametrize(("line", "expected"), UNIX_ROWS.values(), ids=UNIX_ROWS.keys())
def test_unix_line(line: bytes, expected: tuple[object, ...], mlsd: bool | None) -> None:
    """The name begins one blank after the date; owner, group and their number may be anything."""
    entry = read(line, mlsd)
    assert entry is not None
    assert (entry.name, entry.kind, entry.size, entry.stamp, entry.precision) == expected
    assert entry.clock is Clock.LOCAL


@pytest.mark.parametrize(
    "line",
    [
        b"total 12",
        b"total 1.2M",
        b"",
        b"  ",
        b"drwxr-xr-x    3 0        0            4096 Nov 20 22:37 .",
        b"drwxr-xr-x    4 0        0            4096 Nov 20 22:37 ..",
    ],
)
def test_line_without_an_entry_is_not_unreadable(line: bytes) -> None:
    """What `ls` puts around the entries is understood and dropped without a word."""
    assert read(line, mlsd=False) is None


@pytest.mark.parametrize(
    "line",
    [
        b"-rw-r--r--    1 0        0               1 Nov 20 22:37",
        b"-rw-r--r--    1 0        0               1 Nov 20 22:37 ",
        b"lrwxrwxrwx    1 0        0               1 Nov 20 22:37  -> x",
        b"-rw-r--r--    1 0        0               1 Nov 20 20",
        b"-rw-r--r--    1 0        0               1 Foo 20 22:37 x",
        b"type=file;size=1; x",
        b"\xff\x00 what is this",
    ],
)
def test_line_that_is_not_list_is_unreadable_in_list(line: bytes) -> None:
    """A line cut off before its name never makes an entry."""
    parser = ListingParser(NOW, mlsd=False)
    assert parser.feed([line]) == []
    assert (parser.unreadable, parser.examples) == (1, [line])


@pytest.mark.parametrize(
    ("now", "text", "expected"),
    [
        pytest.param((2026, 11, 20, 12), b"Nov 20 11:59", (2026, 11, 20, 11, 59), id="just-now"),
        pytest.param((2026, 11, 20, 12), b"May 25 00:00", (2026, 5, 25), id="six-months-ago"),
        pytest.param((2026, 1, 1, 0), b"Dec 31 23:59", (2025, 12, 31, 23, 59), id="last-year-a-minute-ago"),
        pytest.param((2026, 1, 15, 0), b"Aug  1 10:00", (2025, 8, 1, 10), id="last-summer"),
        pytest.param((2026, 12, 31, 23), b"Jan  1 09:00", (2027, 1, 1, 9), id="server-is-in-next-year-already"),
        pytest.param((2026, 11, 20, 12), b"Nov 21 11:00", (2026, 11, 21, 11), id="server-clock-a-day-ahead"),
        pytest.param((2026, 11, 20, 12), b"Nov 22 12:00", (2025, 11, 22, 12), id="two-days-ahead-is-last-year"),
        pytest.param((2024, 3, 10, 0), b"Feb 29 10:00", (2024, 2, 29, 10), id="leap-day-this-year"),
        pytest.param((2024, 2, 28, 20), b"Feb 29 04:00", (2024, 2, 29, 4), id="leap-day-tomorrow"),
        pytest.param((2025, 1, 10, 0), b"Feb 29 10:00", (2024, 2, 29, 10), id="leap-day-last-year"),
        pytest.param((2103, 1, 10, 0), b"Feb 29 10:00", (2096, 2, 29, 10), id="leap-day-long-ago"),
        pytest.param((1, 1, 1, 0), b"Nov 20 10:00", None, id="before-the-calendar"),
        pytest.param((9999, 12, 31, 0), b"Dec 31 10:00", (9999, 12, 31, 10), id="last-day-of-the-calendar"),
    ],
)
def test_year_that_list_leaves_out(now: tuple[int, ...], text: bytes, expected: tuple[int, ...] | None) -> None:
    """A date without a year is the latest such day up to tomorrow: `ls` leaves out only a year that is recent."""
    found = stamp(b"-rw-r--r-- 1 a b 7 " + text + b" x", utc(*now))
    assert found == ((secs(*expected), MINUTE) if expected else (None, 0))


def test_now_may_be_given_in_any_zone() -> None:
    """The same present decides the same year, however it is written; a naive one is UTC."""
    line = b"-rw-r--r-- 1 a b 7 Jan  2 10:00 x"
    present = datetime(2026, 12, 31, 23, tzinfo=UTC)
    texts = (present, present.astimezone(timezone(timedelta(hours=9))), present.replace(tzinfo=None))
    assert [stamp(line, now) for now in texts] == [(secs(2026, 1, 2, 10), MINUTE)] * 3


# --- LIST, DOS -------------------------------------------------------------------------------------------------------

DOS_ROWS = {
    "iis-file": (
        b"11-20-24  08:14PM                 4096 report.xml",
        (b"report.xml", FILE, 4096, secs(2024, 11, 20, 20, 14)),
    ),
    "iis-dir": (
        b"02-25-15  03:20AM       <DIR>          aspnet_client",
        (b"aspnet_client", DIR, None, secs(2015, 2, 25, 3, 20)),
    ),
    "iis-four-digit-year": (
        b"11-20-2024  08:14AM                   12 x",
        (b"x", FILE, 12, secs(2024, 11, 20, 8, 14)),
    ),
    "iis-blanks-in-name": (
        b"11-20-24  08:14AM                   12  a  b ",
        (b" a  b ", FILE, 12, secs(2024, 11, 20, 8, 14)),
    ),
    "iis-dir-leading-blank": (
        b"11-20-24  08:14AM       <DIR>           lead",
        (b" lead", DIR, None, secs(2024, 11, 20, 8, 14)),
    ),
    "24-hours": (b"11-20-2024  20:14                   12 x", (b"x", FILE, 12, secs(2024, 11, 20, 20, 14))),
    "24-hours-dir": (b"11-20-2024  20:14    <DIR>  x", (b"x", DIR, None, secs(2024, 11, 20, 20, 14))),
    "slashes": (b"11/20/2024  08:14 pm             12 x", (b"x", FILE, 12, secs(2024, 11, 20, 20, 14))),
    "midnight": (b"11-20-24  12:30AM       12 x", (b"x", FILE, 12, secs(2024, 11, 20, 0, 30))),
    "noon": (b"11-20-24  12:30PM       12 x", (b"x", FILE, 12, secs(2024, 11, 20, 12, 30))),
    "year-69": (b"01-01-69  12:00PM       12 x", (b"x", FILE, 12, secs(2069, 1, 1, 12))),
    "year-70": (b"01-01-70  12:00PM       12 x", (b"x", FILE, 12, secs(1970, 1, 1, 12))),
    "day-first": (b"20-11-24  08:14PM       12 x", (b"x", FILE, 12, secs(2024, 11, 20, 20, 14))),
    "no-such-day": (b"20-31-24  08:14PM       12 x", (b"x", FILE, 12, None)),
    "no-such-time": (b"11-20-24  25:14         12 x", (b"x", FILE, 12, None)),
}


@pytest.mark.parametrize("mlsd", [False, None], ids=["told", "found-out"])
@pytest.mark.parametrize(("line", "expected"), DOS_ROWS.values(), ids=DOS_ROWS.keys())
def test_dos_line(line: bytes, expected: tuple[object, ...], mlsd: bool | None) -> None:
    """Month first; two or four digits of year; half days or 24 hours."""
    entry = read(line, mlsd)
    assert entry is not None
    assert (entry.name, entry.kind, entry.size, entry.stamp) == expected
    assert entry.clock is Clock.LOCAL
    assert entry.precision == (0 if entry.stamp is None else MINUTE)


def test_dos_parent_is_no_entry() -> None:
    """`.` and `..` are dropped here too."""
    assert read(b"11-20-24  08:14AM       <DIR>          ..") is None


# --- a whole listing -------------------------------------------------------------------------------------------------


def test_unreadable_lines_are_counted_and_the_first_three_kept_short() -> None:
    """A line nobody can read never empties the listing, and never fills the log."""
    good = b"-rw-r--r-- 1 a b 7 Nov 20 22:37 x"
    parser = ListingParser(NOW)
    assert [entry.name for entry in parser.feed([b"one", good, b"two", b"", b"y" * 5000])] == [b"x"]
    assert [entry.name for entry in parser.feed([b"four", good])] == [b"x"]
    assert parser.unreadable == 4
    assert parser.examples == [b"one", b"two", b"y" * 200]


def test_dialects_may_change_within_a_listing() -> None:
    """Each line is read by whoever can, in the order of the listing, wherever the chunks end."""
    lines = [
        b"total 3",
        b"-rw-r--r-- 1 a b 7 Nov 20 22:37 a",
        b"11-20-24  08:14PM                 4096 b",
        b"type=file;size=1; c",
        b"-rw-r--r-- 1 a b 7 Nov 20 22:37 d",
    ]
    whole, pieces = ListingParser(NOW), ListingParser(NOW)
    entries = whole.feed(lines)
    assert [entry.name for entry in entries] == [b"a", b"b", b"c", b"d"]
    assert [entry for line in lines for entry in pieces.feed([line])] == entries
    assert whole.unreadable == pieces.unreadable == 0


def test_every_dialect_names_its_systems() -> None:
    """The table is also what documentation is made from."""
    names = [dialect.name for dialect in (MLSD, *LIST_DIALECTS)]
    assert len(set(names)) == len(names)
    assert all(dialect.name and dialect.systems for dialect in (MLSD, *LIST_DIALECTS))


def test_more_days_than_are_remembered() -> None:
    """Forgetting days changes no answer, and the memory has a bound."""
    first = datetime(1990, 1, 1, tzinfo=UTC)
    days = [first + timedelta(days=number) for number in range(10_000)]
    lines = [b"type=file;modify=%b; x" % day.strftime("%Y%m%d%H%M%S").encode() for day in days]
    parser = ListingParser(NOW, mlsd=True)
    assert [entry.stamp for entry in parser.feed(lines + lines)] == [round(day.timestamp()) for day in days + days]
    assert len(parser._page.dates.compact) <= 4096


# --- parse_listing ---------------------------------------------------------------------------------------------------


def test_parse_listing_takes_lines_with_and_without_ends() -> None:
    """Lines of a file opened in binary mode are as good as lines from a splitter; one CR belongs to the end."""
    line = b"-rw-r--r-- 1 a b 7 Nov 20 22:37 x"
    names = [entry.name for entry in parse_listing([line, line + b"\n", line + b"\r\n", b"?", line + b"\r\r\n"], NOW)]
    assert names == [b"x", b"x", b"x", b"x\r"]


def test_parse_listing_streams() -> None:
    """Entries come before the listing has ended, so that memory does not grow with it."""

    def endless() -> Iterator[bytes]:
        while True:
            yield b"type=file;size=1; x"

    entries = parse_listing(endless(), NOW)
    assert [next(entries).name for _ in range(3)] == [b"x"] * 3


def test_parse_listing_moves_local_stamps_by_the_offset() -> None:
    """LIST tells the server's local time: with a known offset it becomes UTC and says so. MLSD is UTC already."""
    lines = [
        b"-rw-r--r-- 1 a b 7 Nov 20 22:37 recent",
        b"-rw-r--r-- 1 a b 7 Nov 20  2024 old",
        b"-rw-r--r-- 1 a b 7 Feb 30  2024 none",
        b"type=file;modify=20241120201412; utc",
    ]
    east = list(parse_listing(lines, NOW, timedelta(hours=2)))
    assert [entry.mtime for entry in east] == [
        datetime(2026, 11, 20, 20, 37, tzinfo=UTC),
        datetime(2024, 11, 19, 22, tzinfo=UTC),
        None,
        datetime(2024, 11, 20, 20, 14, 12, tzinfo=UTC),
    ]
    assert [entry.precision for entry in east] == [MINUTE, DAY, 0, SECOND]
    assert [entry.clock for entry in east] == [Clock.UTC, Clock.UTC, Clock.LOCAL, Clock.UTC]
    assert [entry.clock for entry in parse_listing(lines, NOW)] == [Clock.LOCAL] * 3 + [Clock.UTC]


def test_parse_listing_takes_the_year_from_the_local_present() -> None:
    """Late on 31 December in UTC it is next year already, ten hours further east."""
    line = b"-rw-r--r-- 1 a b 7 Jan  2 05:00 x"
    now = datetime(2026, 12, 31, 20, tzinfo=UTC)
    (east,) = parse_listing([line], now, timedelta(hours=10))
    (west,) = parse_listing([line], now, timedelta(hours=-10))
    assert (east.mtime, west.mtime) == (datetime(2027, 1, 1, 19, tzinfo=UTC), datetime(2026, 1, 2, 15, tzinfo=UTC))


# --- lines out of blocks ---------------------------------------------------------------------------------------------


@given(
    lines=st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r"))),
    end=st.sampled_from([b"\n", b"\r\n"]),
    cuts=st.lists(st.integers(0, 400)),
)
def test_blocks_may_be_cut_anywhere(lines: list[bytes], end: bytes, cuts: list[int]) -> None:
    """Where the network cuts the stream, even between CR and LF, changes nothing."""
    stream = b"".join(line + end for line in lines)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    splitter = LineSplitter()
    found = []
    for start, stop in pairwise(places):
        found += splitter.feed(stream[start:stop])
    assert found + splitter.end() == lines
    assert splitter.unreadable == 0


@pytest.mark.parametrize(
    ("stream", "lines"),
    [
        pytest.param(b"a\r\nb\nc", [b"a", b"b", b"c"], id="mixed-and-no-last-end"),
        pytest.param(b"a\r\nb\r", [b"a", b"b"], id="cut-between-cr-and-lf"),
        pytest.param(b"a\r\r\n", [b"a\r"], id="name-that-ends-in-cr"),
        pytest.param(b"a\r\r", [b"a\r"], id="name-that-ends-in-cr-without-lf"),
        pytest.param(b"a\rb\r\n", [b"a\rb"], id="cr-inside"),
        pytest.param(b"\n\na\n", [b"", b"", b"a"], id="empty-lines"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_line_ends(stream: bytes, lines: list[bytes]) -> None:
    """CR LF and LF end a line, one CR at most; a last line without an end is a line."""
    splitter = LineSplitter()
    assert splitter.feed(stream) + splitter.end() == lines
    assert splitter.end() == []


@pytest.mark.parametrize("block_bytes", [1, 7, 11, 1000])
def test_line_over_the_limit_is_dropped_and_counted(block_bytes: int) -> None:
    """Only the long line is lost, once, whatever blocks it comes in."""
    stream = b"a\r\n" + b"x" * 11 + b"\r\n" + b"y" * 10 + b"\r\n" + b"z" * 50 + b"\nb\n" + b"w" * 11
    splitter = LineSplitter(limit=10)
    found = []
    for start in range(0, len(stream), block_bytes):
        found += splitter.feed(stream[start : start + block_bytes])
    assert found + splitter.end() == [b"a", b"y" * 10, b"b"]
    assert splitter.unreadable == 3


def test_endless_line_fills_no_memory() -> None:
    """A server that never ends a line is not stored."""
    splitter = LineSplitter(limit=1000)
    for _ in range(100):
        assert splitter.feed(b"x" * 999) == []
        assert len(splitter._rest) <= 1000
    assert splitter.feed(b"\nshort\n") == [b"short"]
    assert splitter.unreadable == 1


# --- hostile lines ---------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    b"type=|file|dir|cdir|os.unix=slink:|;|; | |  |=|size=|modify=|20241120201412|-rw-r--r--|lrwxrwxrwx|1|99|-1|8,|"
    b"Nov|Feb|20|29|30|22:37|2024|0000|24:00| -> |.|..|name|11-20-24|99/99/9999|08:14PM|<DIR>|total |\r|\n|\x00|\xff|\t"
    .split(b"|")
)  # fmt: skip
REAL_LINES = st.sampled_from([line for rows in (MLSD_ROWS, UNIX_ROWS, DOS_ROWS) for line, _ in rows.values()])
LINES = st.one_of(
    st.binary(max_size=80),
    st.lists(WORDS, max_size=24).map(b"".join),
    st.lists(WORDS, max_size=16).map(b" ".join),
    st.builds(
        lambda line, place, bytes_: line[:place] + bytes_ + line[place + 1 :],
        REAL_LINES,
        st.integers(0, 200),
        st.binary(max_size=3),
    ),
)


@given(lines=st.lists(LINES, max_size=8), mlsd=st.sampled_from([None, True, False]), now=st.datetimes())
def test_any_bytes_give_entries_or_are_counted(lines: list[bytes], mlsd: bool | None, now: datetime) -> None:
    """No line raises; names are cut out of their line; no entry comes from nowhere."""
    parser = ListingParser(now, mlsd)
    for line in lines:
        before = parser.unreadable
        entries = parser.feed([line])
        assert len(entries) + parser.unreadable - before <= 1
        for entry in entries:
            assert entry.name
            assert entry.name in line
            assert entry.name not in (b".", b"..")
            assert entry.size is None or 0 <= entry.size < 2**63
            assert (entry.precision == 0) == (entry.stamp is None)
            assert entry.mtime is None or entry.stamp is not None
    assert len(parser.examples) == min(parser.unreadable, 3)


HOSTILE = {
    "digits": (b"-rw-r--r-- ", b"1", b""),
    "numbers": (b"-rw-r--r-- ", b"1 ", b""),
    "words": (b"-rw-r--r-- 1 ", b"a ", b""),
    "blanks": (b"-rw-r--r-- 1", b" ", b"x"),
    "almost-dates": (b"-rw-r--r-- ", b"1 Nov 20 ", b""),
    "commas": (b"-rw-r--r-- ", b"1,", b" "),
    "arrows": (b"lrwxrwxrwx 1 a b 7 Nov 20 22:37 ", b" -> ", b"x"),
    "facts": (b"", b"type=a;", b""),
    "equals": (b"type=", b"=", b""),
    "semicolons": (b"a=", b";", b""),
    "modify": (b"modify=", b"1", b"; x"),
    "dos-blanks": (b"11-20-24  08:14AM", b" ", b""),
    "dos-dir-blanks": (b"11-20-24  08:14AM <DIR>", b" ", b""),
    "dos-digits": (b"11-20-24  08:14AM ", b"1", b""),
    "total": (b"total ", b"1", b"?"),
    "total-blanks": (b"total", b" ", b"?"),
}


@pytest.mark.parametrize(("head", "body", "tail"), HOSTILE.values(), ids=HOSTILE.keys())
def test_time_grows_with_the_length_of_a_hostile_line(head: bytes, body: bytes, tail: bytes) -> None:
    """Sixteen times the line needs about sixteen times the time, not 256 times.

    Measured against the same machine and instant, best of several, with a factor of six for noise.
    """

    def best(length: int) -> float:
        line = head + body * (length // len(body)) + tail
        durations = []
        for _ in range(7):
            parser = ListingParser(NOW)
            start = time.process_time()
            parser.feed([line] * 3)
            durations.append(time.process_time() - start)
        return max(min(durations), 20e-6)  # below that the clock's own grain is measured

    assert best(64_000) < 16 * 6 * best(4_000)
