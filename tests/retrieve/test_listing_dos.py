"""Lines of `dir`: of IIS as it documents them, of Windows in its languages, of servers that imitate them."""

import pytest

from ftpretrieve.retrieve.listing import ListingParser
from ftpretrieve.retrieve.records import MINUTE, SECOND, Clock
from tests.retrieve.listing_checks import DIR, FILE, LINK, NOW, OTHER, Fields, fields, read, secs

MINUTES = (secs(2024, 11, 20, 20, 14), MINUTE)
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


MORE_ROWS = {
    "iis-four-digits": (b"11-20-2024  08:14PM       <DIR>          sub", (b"sub", DIR, None, *MINUTES)),
    "iis-over-4-gib": (b"11-20-24  08:14PM           5368709120 x", (b"x", FILE, 5368709120, *MINUTES)),
    "iis-size-wider-than-its-column": (
        b"11-20-24  08:14PM " + b"1" * 23 + b"  x",
        (b" x", FILE, None, *MINUTES),
    ),
    "windows-us": (b"11/20/2024  08:14 PM             4,096 a b", (b"a b", FILE, 4096, *MINUTES)),
    "windows-us-dir": (b"11/20/2024  08:14 PM    <DIR>           lead", (b" lead", DIR, None, *MINUTES)),
    "windows-germany": (b"20.11.2024  20:14             4.096 x", (b"x", FILE, 4096, *MINUTES)),
    "windows-germany-day-below-13": (
        b"05.11.2024  20:14    <DIR>          x",
        (b"x", DIR, None, secs(2024, 11, 5, 20, 14), MINUTE),
    ),
    "windows-germany-short-year": (b"20.11.24  20:14                12 x", (b"x", FILE, 12, *MINUTES)),
    "windows-britain": (b"20/11/2024  20:14             4,096 x", (b"x", FILE, 4096, *MINUTES)),
    "windows-france": (b"20/11/2024  20:14         1\xff234\xff567 x", (b"x", FILE, 1234567, *MINUTES)),
    "windows-france-blanks": (b"20/11/2024  20:14         1 234 567 x", (b"x", FILE, 1234567, *MINUTES)),
    "windows-france-utf-8": (
        b"20/11/2024  20:14         1\xe2\x80\xaf234\xe2\x80\xaf567 x",
        (b"x", FILE, 1234567, *MINUTES),
    ),
    "name-like-thousands": (b"11-20-24  08:14PM                    1 234 x", (b"234 x", FILE, 1, *MINUTES)),
    "windows-sweden": (b"2024-11-20  20:14             4 096 x", (b"x", FILE, 4096, *MINUTES)),
    "windows-iso-dir": (b"2024-11-20  20:14    <DIR>          x", (b"x", DIR, None, *MINUTES)),
    "windows-china": ("2024/11/20  下午 08:14    <DIR>          x".encode("gbk"), (b"x", DIR, None, *MINUTES)),
    "windows-korea": ("2024-11-20  오후 08:14             4,096 x".encode("cp949"), (b"x", FILE, 4096, *MINUTES)),
    "windows-japan": (b"2024/11/20  20:14             4,096 \x95\x5c", (b"\x95\x5c", FILE, 4096, *MINUTES)),
    "windows-hungary": (b"2024.11.20.  20:14             4 096 x", (b"x", FILE, 4096, *MINUTES)),
    "windows-finland": (b"20.11.2024  20.14             4 096 x", (b"x", FILE, 4096, *MINUTES)),
    "windows-junction": (b"11/20/2024  08:14 PM    <JUNCTION>     j [C:\\Other place]", (b"j", LINK, None, *MINUTES)),
    "windows-link-to-dir": (b"11/20/2024  08:14 PM    <SYMLINKD>     l [..\\x]", (b"l", LINK, None, *MINUTES)),
    "windows-link": (b"11/20/2024  08:14 PM    <SYMLINK>      l [y]", (b"l", LINK, None, *MINUTES)),
    "link-that-stays-in-brackets": (b"11/20/2024  08:14 PM                 7 a [b]", (b"a [b]", FILE, 7, *MINUTES)),
    "am-pm-with-one-letter": (b"11-20-24  08:14p                  12 x", (b"x", FILE, 12, *MINUTES)),
    "am-pm-with-dots": (b"20/11/2024  08:14 p.m.                12 x", (b"x", FILE, 12, *MINUTES)),
    "seconds": (b"11-20-24  20:14:12       12 x", (b"x", FILE, 12, secs(2024, 11, 20, 20, 14, 12), SECOND)),
    "4nt": (b"11/20/2024   8:14 PM    34,359,738,368  x", (b"x", FILE, 34359738368, *MINUTES)),
    "4nt-short-day": (b"  9/9/2018   9:32 AM  <DIR>         x", (b"x", DIR, None, secs(2018, 9, 9, 9, 32), MINUTE)),
    "other-columns": (b"11-20-24  08:14PM     <DIR>             x", (b"x", DIR, None, *MINUTES)),
    "unknown-tag": (b"11-20-24  08:14PM       <SOCKET>       x", (b"x", OTHER, None, *MINUTES)),
    "year-of-three-digits": (b"11-20-124  08:14PM       12 x", (b"x", FILE, 12, *MINUTES)),
}


@pytest.mark.parametrize(("line", "expected"), MORE_ROWS.values(), ids=MORE_ROWS.keys())
def test_dir_of_any_country(line: bytes, expected: Fields) -> None:
    """Dots mean day first, a month 13 too; where the columns are known, so is the first byte of the name."""
    assert fields(read(line)) == expected


AROUND = {
    "english": (
        b" Volume in drive C has no label.",
        b" Volume Serial Number is 1A2B-3C4D",
        b"",
        b" Directory of C:\\pub",
        b"               2 File(s)          4,108 bytes",
        b"               1 Dir(s)  12,345,678,912 bytes free",
    ),
    "german": (
        b" Datentr\x84ger in Laufwerk C: ist System",
        b" Volumeseriennummer: 1A2B-3C4D",
        b" Verzeichnis von C:\\pub",
        b"               2 Datei(en),          4.108 Bytes",
        b"               1 Verzeichnis(se), 12.345.678.912 Bytes frei",
    ),
    "french": (
        b" Le volume dans le lecteur C n'a pas de nom.",
        b" Le num\x82ro de s\x82rie du volume est 1A2B-3C4D",
        b" R\x82pertoire de C:\\pub",
        b"               2 fichier(s)            4108 octets",
    ),
    "4nt": (b"       6 files           75,978,506,648 bytes", b"       3 directories     22,198,362,112 bytes free"),
}


@pytest.mark.parametrize("lines", AROUND.values(), ids=AROUND.keys())
def test_what_dir_prints_around_its_entries(lines: tuple[bytes, ...]) -> None:
    """Headers and sums are understood and dropped."""
    parser = ListingParser(NOW, mlsd=False)
    assert (parser.feed(lines), parser.examples) == ([], [])
