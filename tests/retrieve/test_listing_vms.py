"""Lines of OpenVMS, one row a server, written after its documentation with names and values of our own."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.retrieve.listing import ListingParser
from ftpretrieve.retrieve.records import DAY, MINUTE, SECOND, Clock, Kind, RemoteFile
from tests.retrieve.listing_checks import DIR, FILE, NOW, secs

Row = tuple[list[bytes], tuple[bytes, Kind, int | None, int]]


def parse(lines: Sequence[bytes]) -> tuple[list[RemoteFile], list[bytes]]:
    """Return the entries and the unreadable lines."""
    parser = ListingParser(NOW, mlsd=False)
    return parser.feed(lines), parser.examples


MOMENT, SECS = secs(2024, 11, 20, 20, 14), secs(2024, 11, 20, 20, 14, 12)
ROWS: dict[str, Row] = {
    "tcpip-services": (
        [b"REPORT.TXT;3                 5/9           20-NOV-2024 20:14:12  [STAFF,KELLER]    (RWED,RWED,RE,)"],
        (b"REPORT.TXT;3", FILE, SECS, SECOND),
    ),
    "tcpip-services-directory": (
        [b"ARCHIVE.DIR;1                1/9           20-NOV-2024 20:14:12  [STAFF,KELLER]    (RWE,RWE,RE,)"],
        (b"ARCHIVE", DIR, SECS, SECOND),
    ),
    "multinet": (
        [b"LOGIN.COM;2                 1  20-NOV-2024 20:14 [KELLER] (RWE,RWE,,)"],
        (b"LOGIN.COM;2", FILE, MOMENT, MINUTE),
    ),
    "multinet-full-disk": (
        [b"BIG.ISO;2           ******  20-NOV-2024 20:14 [ANONY,ANONYMOUS] (RE,RWED,RE,RE)"],
        (b"BIG.ISO;2", FILE, MOMENT, MINUTE),
    ),
    "tcpware": ([b"FOO.BAR;1 4 20-NOV-2024 20:14:12.34"], (b"FOO.BAR;1", FILE, SECS, SECOND)),
    "cmu-directory-before-name": (
        [b"[KELLER.FILES]ALARM.DIR;1 1/3 20-NOV-2024 20:14"],
        (b"ALARM", DIR, MOMENT, MINUTE),
    ),
    "disk-and-directory-before-name": (
        [b"USER$DISK:[ANONYMOUS]ETHER.TXT;2                  12/12         20-NOV-2024 20:14"],
        (b"ETHER.TXT;2", FILE, MOMENT, MINUTE),
    ),
    "wollongong": (
        [b"archie.rfa;2                    NOV 20 20:14 2024    24064 (,RWE,RE,RE)"],
        (b"archie.rfa;2", FILE, MOMENT, MINUTE),
    ),
    "date-before-size": (
        [b"00-INDEX.ALL;4       20-NOV-2024 20:14:12    18092/36     (RWED,RWED,R,R)"],
        (b"00-INDEX.ALL;4", FILE, SECS, SECOND),
    ),
    "owner-before-size": (
        [b"odd-order.txt;1   [SUMMARY]    1/3    20-NOV-2024 20:14  (RWE,RWE,RE,)"],
        (b"odd-order.txt;1", FILE, MOMENT, MINUTE),
    ),
    "no-time": (
        [b"STUFF.DIR;1  1/3     20-NOV-2024    [INTERNET,ANONYMOUS]   (RWE,RWE,RE,RE)"],
        (b"STUFF", DIR, secs(2024, 11, 20), DAY),
    ),
    "owner-cut-off": (
        [b"WEB.DIR;1  27/36  20-NOV-2024 20:14:12  [AP_HTTPD,APACHE$WWW                  (RWE,RWE,RE,RE)"],
        (b"WEB", DIR, SECS, SECOND),
    ),
    "size-in-kilobytes": ([b"COMPLEX.DAT;1 2KB 20-NOV-2024 20:14:12.27"], (b"COMPLEX.DAT;1", FILE, SECS, SECOND)),
    "german-month": (
        [b"A.DAT;1    6/8    20-DEZ-2024    PRONAS   (RWED,RWED,RE,)"],
        (b"A.DAT;1", FILE, secs(2024, 12, 20), DAY),
    ),
    "no-version-but-protection": (
        [b"REPORT.TXT   3/6  20-NOV-2024 20:14:12 [STAFF,KELLER] (RWED,RWED,RE,)"],
        (b"REPORT.TXT", FILE, SECS, SECOND),
    ),
    "no-such-day": ([b"A.B;1 3 30-FEB-2024 20:14"], (b"A.B;1", FILE, None, 0)),
    "two-lines": (
        [
            b"A-VERY-LONG-NAME.AND-A-VERY-LONG-TYPE;1",
            b"                           213/216  20-NOV-2024 20:14:12  [STAFF,KELLER] (RWED,RWED,,)",
        ],
        (b"A-VERY-LONG-NAME.AND-A-VERY-LONG-TYPE;1", FILE, SECS, SECOND),
    ),
    "two-lines-date-first": (
        [b"00._THIS_SITE_HAS_MOVED;1", b"                     20-NOV-2024 20:14:12        0/0      (RWED,RWED,,)"],
        (b"00._THIS_SITE_HAS_MOVED;1", FILE, SECS, SECOND),
    ),
    "protection-on-the-next-line": (
        [b"MEMO.MEM;5        2/4     20-NOV-2024 20:14:12  [STAFF,KELLER]", b"(RWED,RWED,RE,)"],
        (b"MEMO.MEM;5", FILE, SECS, SECOND),
    ),
    "two-lines-without-version": (
        [
            b"Directory DISK$USER:[KELLER]",
            b"A-VERY-LONG-NAME.AND-A-VERY-LONG-TYPE",
            b"                           213/216  20-NOV-2024 20:14:12  [STAFF,KELLER] (RWED,RWED,,)",
        ],
        (b"A-VERY-LONG-NAME.AND-A-VERY-LONG-TYPE", FILE, SECS, SECOND),
    ),
}


@pytest.mark.parametrize(("lines", "expected"), ROWS.values(), ids=ROWS.keys())
def test_vms_line(lines: list[bytes], expected: tuple[object, ...]) -> None:
    """A file keeps its version, a directory is what CWD takes, and blocks are no size; the columns have no order."""
    (entry,), unreadable = parse(lines)
    assert (entry.name, entry.kind, entry.stamp, entry.precision) == expected
    assert (entry.size, entry.clock, unreadable) == (None, Clock.LOCAL, [])


def test_whole_listing() -> None:
    """Headers, footers and files that may not be read are no entries, and nothing is unreadable."""
    entries, unreadable = parse(
        [
            b"Directory DISK$USER:[KELLER.OUT]",
            b"",
            b"ALPHA.DAT;2                 1/9   20-NOV-2024 20:14:12  [STAFF,KELLER] (RWED,RWED,RE,)",
            b"ALPHA.DAT;1                 1/9   19-NOV-2024 20:14:12  [STAFF,KELLER] (RWED,RWED,RE,)",
            b"SECRET.DAT;1        %RMS-E-PRV, insufficient privilege or file protection violation",
            b"LOGIN.COM;2          no privilege for attempted operation",
            b"VERY-LONG-NAME-OF-A-SECRET-FILE.DAT;1",
            b"                    %RMS-E-PRV, insufficient privilege or file protection violation",
            b"OMEGA.DIR;1                 1/9   20-NOV-2024 20:14:12  [STAFF,KELLER] (RWED,RWED,RE,)",
            b"",
            b"Total of 5 files, 13/18 blocks.",
            b"Grand total of 1 directory, 5 files, 13/18 blocks.",
        ]
    )
    assert [(entry.name, entry.kind) for entry in entries] == [
        (b"ALPHA.DAT;2", FILE),
        (b"ALPHA.DAT;1", FILE),
        (b"OMEGA", DIR),
    ]
    assert unreadable == []


@pytest.mark.parametrize(
    "line",
    [
        b"Directory DISK$USER:[KELLER]",
        b"DISK$FTP:[ANONYMOUS]",
        b"SYS$ANONFTP:",
        b"Directory ANONYMOUS_ROOT:<000000>",
        b"Total of 1 file, 3/6 blocks",
        b"%DIRECT-W-NOFILES, no files found",
        b"%RMS-E-FNF, file not found",
    ],
)
def test_line_around_the_files(line: bytes) -> None:
    """What stands around the files, or says that there are none, is understood."""
    assert parse([line]) == ([], [])


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"README.TXT;1 garbage 20-NOV-2024 20:14:12", id="unknown-column"),
        pytest.param(b"README.TXT;1 -2 20-NOV-2024 20:14:12", id="negative-size"),
        pytest.param(b"README.TXT;1 2 20-NOV-2024 10:40.25", id="no-time"),
        pytest.param(b"README.TXT;1 2 20-XYZ-2024 20:14", id="no-month"),
        pytest.param(b"README.TXT;1 2 3 20-NOV-2024 20:14", id="two-sizes"),
        pytest.param(b"README.TXT;1 20-NOV-2024 20:14", id="no-size"),
        pytest.param(b"README.TXT 3 20-NOV-2024 20:14", id="neither-version-nor-protection"),
        pytest.param(b"A.B;1 3 20-NOV-2024 20:14 (RWED2,RWED,RWED,RE)", id="unknown-protection"),
        pytest.param(b"%SYSTEM-F-NOPRIV, insufficient privilege", id="another-message"),
    ],
)
def test_damaged_line_is_unreadable(line: bytes) -> None:
    """Every column must be known: rather a suspect listing than a wrong entry."""
    assert parse([line]) == ([], [line])


def test_name_that_does_not_go_on_is_unreadable() -> None:
    """A listing cut off behind a name makes no entry of it, and the next line is read for itself."""
    whole = b"A.B;1 3 20-NOV-2024 20:14"
    entries, unreadable = parse([b"LONELY.TXT;1", whole, b"LAST.TXT;1"])
    assert ([entry.name for entry in entries], unreadable) == ([b"A.B;1"], [b"LONELY.TXT;1", b"LAST.TXT;1"])


def test_entry_of_two_lines_may_be_cut_between_chunks() -> None:
    """What is held stays held until the next lines arrive."""
    parser = ListingParser(NOW, mlsd=False)
    assert parser.feed([b"LONG.TXT;1"]) == []
    assert parser.unreadable == 1
    (entry,) = parser.feed([b"     3 20-NOV-2024 20:14"])
    assert (entry.name, parser.unreadable) == (b"LONG.TXT;1", 0)


@given(
    st.lists(st.sampled_from([line for row in ROWS.values() for line in row[0]]), max_size=5), st.binary(max_size=40)
)
def test_any_order_of_lines_is_counted(lines: list[bytes], damage: bytes) -> None:
    """Whatever comes after whatever: every line ends as an entry, is skipped, or is counted."""
    parser = ListingParser(NOW, mlsd=False)
    entries = parser.feed([*lines, damage.replace(b"\n", b""), *lines])
    assert len(entries) + parser.unreadable <= 2 * len(lines) + 1
