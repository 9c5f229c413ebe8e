"""Lines of MLSD: of real servers, of the RFC, and broken ones.

Rows named after a server were printed by it: proftpd 1.3.8 and pure-ftpd 1.0.50 on one directory made for the purpose.
The others follow RFC 3659, section 7.
"""

import pytest

from ftpretrieve.retrieve.listing import ListingParser
from ftpretrieve.retrieve.records import MINUTE, SECOND, Clock
from tests.retrieve.listing_checks import DIR, FILE, LINK, NOW, OTHER, Fields, fields, read, secs, stamp

WHEN = (secs(2024, 11, 20, 20, 14, 12), SECOND)
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
BROKEN_ROWS = {
    "no-blank": (b"type=file;size=12;modify=20241120201412;report.xml", (b"report.xml", FILE, 12, *WHEN)),
    "no-blank-blanks-in-name": (b"type=file;size=12;a b; c", (b"a b; c", FILE, 12, None, 0)),
    "no-blank-equals-in-name": (b"type=file;size=12;a=b", (b"a=b", FILE, 12, None, 0)),
    "tab-for-blank": (b"type=file;size=12;modify=20241120201412;\tx y", (b"x y", FILE, 12, *WHEN)),
    "blanks-in-front": (b"     Type=file;Size=12;Modify=20241120201412.830; x", (b"x", FILE, 12, *WHEN)),
    "semicolon-in-name": (b"type=file;size=12; a;b; c", (b"a;b; c", FILE, 12, None, 0)),
    "odd-case": (b"TYPE=File;SIZE=12;MODIFY=20241120201412;Perm=R;UNIX.Mode=0644; X", (b"X", FILE, 12, *WHEN)),
    "dir-in-capitals": (b"Type=DIR;Modify=20241120201412; d", (b"d", DIR, None, *WHEN)),
    "twelve-digits": (
        b"type=file;size=12;modify=202411202014; x",
        (b"x", FILE, 12, secs(2024, 11, 20, 20, 14), MINUTE),
    ),
    "utc-mark": (b"type=file;size=12;modify=20241120201412Z; x", (b"x", FILE, 12, *WHEN)),
    "sizd-alone": (b"sizd=4096; x", (b"x", OTHER, None, None, 0)),
    "size-empty": (b"Type=file;Size=;Modify=20241120201412; x", (b"x", FILE, None, *WHEN)),
    "type-empty": (b"Type=; x", (b"x", OTHER, None, None, 0)),
    "only-facts-that-say-nothing": (b"UNIX.mode=0755;UNIX.uid=11; x", (b"x", OTHER, None, None, 0)),
    "facts-nobody-knows": (b"colour=blue; x", (b"x", OTHER, None, None, 0)),
    "slink-bare": (b"type=OS.unix=slink;size=3; x", (b"x", LINK, 3, None, 0)),
    "slink-in-capitals": (b"Type=OS.UNIX=slink:/a/b; x", (b"x", LINK, None, None, 0)),
    "link": (b"type=link;size=3; x", (b"x", LINK, 3, None, 0)),
    "device": (b"type=OS.unix=chr-13/29;size=0; x", (b"x", OTHER, 0, None, 0)),
}


@pytest.mark.parametrize(("line", "expected"), BROKEN_ROWS.values(), ids=BROKEN_ROWS.keys())
def test_mlsd_line_of_a_server_that_does_it_its_own_way(line: bytes, expected: Fields) -> None:
    """What can be understood without a doubt is, in the words of whoever wrote it."""
    assert fields(read(line, mlsd=True)) == expected


@pytest.mark.parametrize(
    "lines",
    [
        [b"total 3", b"-rw-r--r-- 1 a b 7 Nov 20 20:14 x"],
        [b"11-20-24  08:14PM                 4096 x"],
        [b"x", b"y z"],
        [b"ls: .: Permission denied"],
    ],
    ids=["ls", "dir", "names", "complaint"],
)
def test_mlsd_that_is_none_looks_wrong(lines: list[bytes]) -> None:
    """Who announces MLSD and answers something else is found out, and can be asked by LIST."""
    parser = ListingParser(NOW, mlsd=True)
    assert (parser.feed(lines), parser.looks_wrong) == ([], True)


def test_mlsd_with_one_good_line_does_not_look_wrong() -> None:
    """One bad line is a bad line; an empty directory is empty, also when it names itself."""
    lines = [b"type=cdir; /", b"?", b"type=file;size=1; x"]
    one_bad, empty = ListingParser(NOW, mlsd=True), ListingParser(NOW, mlsd=True)
    assert len(one_bad.feed(lines)) == 1
    assert empty.feed(lines[:1]) == []
    assert (one_bad.looks_wrong, one_bad.unreadable) == (False, 1)
    assert (empty.looks_wrong, empty.unreadable) == (False, 0)


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
