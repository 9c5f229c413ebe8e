"""Lines of `ls -l` as servers print them every day, and the years that their dates leave out.

Rows named after a server were printed by it: vsftpd 3.0.3, proftpd 1.3.8 and pure-ftpd 1.0.50 on one directory made for
the purpose (names with blanks, arrows, carriage returns, Latin-1; links, a pipe, a device).
"""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ftpretrieve.retrieve.listing import ListingParser
from ftpretrieve.retrieve.records import DAY, MINUTE, Clock
from tests.retrieve.listing_checks import DIR, FILE, LINK, NOW, OTHER, read, secs, stamp, utc

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
        pytest.param((9999, 12, 31, 0), b"Dec 31 10:00", (9998, 12, 31, 10), id="last-day-of-the-calendar"),
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
