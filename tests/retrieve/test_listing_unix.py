"""Lines like those of `ls -l`, one row a shape, each with what prints it.

Written after the manuals of the systems and the definitions of their locales, with names and values of our own.
"""

import pytest

from ftpretrieve.retrieve.listing import ListingParser
from ftpretrieve.retrieve.records import MINUTE, SECOND, Clock
from tests.retrieve.listing_checks import DIR, FILE, LINK, NOW, OLD, OTHER, RECENT, Fields, fields, read, secs

SECONDS = (secs(2024, 11, 20, 20, 14, 12), SECOND)
MINUTES = (secs(2024, 11, 20, 20, 14), MINUTE)
HEAD = b"-rw-r--r--   1 anna     users        4096 "

COLUMNS: dict[str, tuple[bytes, Fields]] = {
    "ls-o-no-group": (b"-rw-r--r--  1 anna 4096 Nov 20 20:14 x", (b"x", FILE, 4096, *RECENT)),
    "ls-go-neither": (b"-rw-r--r--  1 4096 Nov 20 20:14 x", (b"x", FILE, 4096, *RECENT)),
    "iis-unix-no-links": (b"-rwxrwxrwx   owner    group   4096 Nov 20 20:14 x", (b"x", FILE, 4096, *RECENT)),
    "samba-owner-with-blank": (
        b"-rw-r--r--  1 Anna Smith Domain Users 4096 Nov 20 20:14 x",
        (b"x", FILE, 4096, *RECENT),
    ),
    "cygwin-sid-owner": (b"-rw-r--r--  1 DOM\\anna DOM\\all users 4096 Nov 20 20:14 x", (b"x", FILE, 4096, *RECENT)),
    "ls-n-day-like-ids": (b"-rw-r--r--  1 20 10 2024 20 Nov 20:14 x", (b"x", FILE, 2024, *RECENT)),
    "owner-named-like-a-month": (b"-rw-r--r--  1 may march 4096 20 Nov 20:14 x", (b"x", FILE, 4096, *RECENT)),
    "uid-group-and-size-like-a-date": (b"-rw-r--r--  1 20 staff 1234 20 Nov 20:14 x", (b"x", FILE, 1234, *RECENT)),
    "solaris-acl": (b"-rw-r--r--+  1 anna users 4096 Nov 20 20:14 x", (b"x", FILE, 4096, *RECENT)),
    "macos-attributes": (b"-rw-r--r--@  1 anna users 4096 Nov 20 20:14 x", (b"x", FILE, 4096, *RECENT)),
    "selinux-dir": (b"drwxr-xr-x. 2 anna users 4096 Nov 20 20:14 x", (b"x", DIR, 4096, *RECENT)),
    "ls-i-inode": (b" 1048577 -rw-r--r--  1 anna users 4096 Nov 20 20:14 x", (b"x", FILE, 4096, *RECENT)),
    "ls-s-blocks": (b"   8 -rw-r--r--  1 anna users 4096 Nov 20 20:14 x", (b"x", FILE, 4096, *RECENT)),
    "ls-is-both": (b"1048577   8 -rw-r--r--  1 anna users 4096 Nov 20 20:14 x", (b"x", FILE, 4096, *RECENT)),
    "ls-ish-rough-blocks": (b"1048577 4.0K -rw-r--r--  1 anna users 4.0K Nov 20 20:14 x", (b"x", FILE, None, *RECENT)),
    "indented": (b"   drwxr-xr-x   2 anna users 4096 Nov 20 20:14 x", (b"x", DIR, 4096, *RECENT)),
    "tabs": (b"-rw-r--r--\t1\tanna\tusers\t4096\tNov 20 20:14\tx y", (b"x y", FILE, 4096, *RECENT)),
    "more-than-999-links": (b"drwxr-xr-x1024 anna users 4096 Nov 20 20:14 x", (b"x", DIR, 4096, *RECENT)),
    "group-overflows-into-size": (b"-rw-r--r-- 1 anna production4096 Nov 20 20:14 x", (b"x", FILE, 4096, *RECENT)),
    "short-group-is-no-size": (b"-rw-r--r-- 1 anna team42 Nov 20 20:14 x", (b"x", FILE, None, *RECENT)),
    "no-date": (b"-rw-r--r--   1 anna users 4096 x", (b"x", FILE, 4096, None, 0)),
    "gnu-may-not-ask": (b"-????????? ? ?    ?       ?            ? x y", (b"x y", FILE, None, None, 0)),
    "gnu-may-not-ask-dir": (b"d????????? ? ?    ?       ?            ? x", (b"x", DIR, None, None, 0)),
    "permissions-left-out": (b"  1 anna  users  4096 Nov 20 20:14 x", (b"x", FILE, 4096, *RECENT)),
    "lewis-file": (b"- whatever they like 4096 Nov 20 20:14 x y", (b"x y", FILE, 4096, *RECENT)),
    "lewis-directory": (b"d (rights) 0 Nov 20  2024 x", (b"x", DIR, 0, *OLD)),
    "lewis-link": (b"l  1  3 Nov 20 20:14 x -> y z", (b"x", LINK, 3, *RECENT)),
    "permissions-left-out-of-a-directory": (b"  1 anna  users  512 Nov 20 20:14 x/", (b"x", DIR, 512, *RECENT)),
    "permissions-are-something-else": (b"[RW] ok 1 anna users 4096 Nov 20 20:14 x", (b"x", FILE, 4096, *RECENT)),
}
MODES: dict[str, tuple[bytes, Fields]] = {
    "setuid": (b"-rwsr-sr-t  1 a b 7 Nov 20 20:14 x", (b"x", FILE, 7, *RECENT)),
    "setuid-no-x": (b"-rwSr-Sr-T  1 a b 7 Nov 20 20:14 x", (b"x", FILE, 7, *RECENT)),
    "solaris-mandatory-lock": (b"-rw-r-lr--  1 a b 7 Nov 20 20:14 x", (b"x", FILE, 7, *RECENT)),
    "svr4-mandatory-lock": (b"-rw-r-Lr--  1 a b 7 Nov 20 20:14 x", (b"x", FILE, 7, *RECENT)),
    "odd-order": (b"d---r-x---  1 a b 7 Nov 20 20:14 x", (b"x", DIR, 7, *RECENT)),
    "too-many-letters": (b"-rwxrwx---xyz  1 a b 7 Nov 20 20:14 x", (b"x", FILE, 7, *RECENT)),
    "only-two-triples": (b"drwxrwx   2   10     4096 Nov 20 20:14 x", (b"x", DIR, 4096, *RECENT)),
    "rights-hidden": (b"-rw-******  1 -  -  4096 Nov 20 20:14 x", (b"x", FILE, 4096, *RECENT)),
    "fifo": (b"prw-r--r--  1 a b 0 Nov 20 20:14 x", (b"x", OTHER, None, *RECENT)),
    "socket": (b"srwxrwxrwx  1 a b 0 Nov 20 20:14 x", (b"x", OTHER, None, *RECENT)),
    "solaris-door": (b"Drw-r--r--  1 a b 0 Nov 20 20:14 x", (b"x", OTHER, None, *RECENT)),
    "solaris-event-port": (b"Prw-r--r--  1 a b 0 Nov 20 20:14 x", (b"x", OTHER, None, *RECENT)),
    "bsd-whiteout": (b"w---------  1 a b 0 Nov 20 20:14 x", (b"x", OTHER, None, *RECENT)),
    "hp-ux-network-special": (b"nrw-r--r--  1 a b 0 Nov 20 20:14 x", (b"x", OTHER, None, *RECENT)),
    "plan-9-append-only": (b"arw-r--r--  1 a b 7 Nov 20 20:14 x", (b"x", FILE, 7, *RECENT)),
    "gnu-contiguous": (b"Crw-r--r--  1 a b 7 Nov 20 20:14 x", (b"x", FILE, 7, *RECENT)),
    "unicos-migrated": (b"mrw-r--r--  1 a b 7 Nov 20 20:14 x", (b"x", FILE, 7, *RECENT)),
    "gnu-migrated": (b"Mrw-r--r--  1 a b 7 Nov 20 20:14 x", (b"x", FILE, 7, *RECENT)),
    "device": (b"brw-rw----  1 root disk 8,   0 Nov 20 20:14 sda", (b"sda", OTHER, None, *RECENT)),
    "device-joined": (b"brw-rw----  1 root disk 8,0 Nov 20 20:14 sda", (b"sda", OTHER, None, *RECENT)),
    "device-day-first": (b"crw-rw----  1 root tty 4, 64 20 Nov 20:14 x", (b"x", OTHER, None, *RECENT)),
    "bsd-device-hex": (b"crw-rw----  1 root tty 0x1000002 20 Nov 20:14 x", (b"x", OTHER, None, *RECENT)),
}
SIZES: dict[str, tuple[bytes, int | None]] = {
    "over-32-bits": (b"5368709120", 5368709120),
    "largest": (b"9223372036854775807", 2**63 - 1),
    "too-large": (b"9223372036854775808", None),
    "32-bit-counter": (b"-2147483648", None),
    "ls-h": (b"1.5K", None),
    "ls-h-round": (b"12M", None),
    "ls-h-comma": (b"1,5K", None),
    "ls-si": (b"12kB", None),
    "busybox-h": (b"4.0k", None),
    "gnu-grouped-english": (b"1,234,567", 1234567),
    "gnu-grouped-german": (b"1.234.567", 1234567),
    "gnu-grouped-swiss": (b"1'234'567", 1234567),
}
DATES: dict[str, tuple[bytes, tuple[int | None, int]]] = {
    "c": (b"Nov 20 20:14 ", RECENT),
    "c-old": (b"Nov 20  2024 ", OLD),
    "aix-year-padded-behind": (b"Nov 20 2024  ", OLD),
    "bsd-lT": (b"Nov 20 20:14:12 2024 ", SECONDS),
    "old-gnu-full-time": (b"Wed Nov 20 20:14:12 2024 ", SECONDS),
    "old-gnu-full-time-zone": (b"Wed Nov 20 20:14:12 CET 2024 ", SECONDS),
    "year-then-time": (b"Nov 20 2024 20:14 ", MINUTES),
    "us-comma": (b"Nov 20, 2024 ", OLD),
    "day-first": (b"20 Nov 20:14 ", RECENT),
    "day-first-old": (b"20 Nov  2024 ", OLD),
    "day-first-dot": (b"20. Nov 20:14 ", RECENT),
    "day-first-dot-old": (b"20. Nov 2024 ", OLD),
    "day-month-year-joined": (b"20-Nov-2024 20:14 ", MINUTES),
    "day-month-short-year": (b"20-Nov-24 20:14 ", MINUTES),
    "iso-recent": (b"11-20 20:14 ", RECENT),
    "iso-old": (b"2024-11-20  ", OLD),
    "iso-old-unpadded": (b"2024-11-20 ", OLD),
    "iso-old-dots-padded": (b"2024.11.20   ", OLD),
    "long-iso": (b"2024-11-20 20:14 ", MINUTES),
    "slashes": (b"2024/11/20 20:14 ", MINUTES),
    "full-iso-no-zone": (b"2024-11-20 20:14:12 ", SECONDS),
    "german-numbers": (b"20.11. 20:14 ", RECENT),
    "german-numbers-old": (b"20.11.2024 ", OLD),
    "us-numbers": (b"11/20/24 20:14 ", MINUTES),
    "british-numbers": (b"20/11/2024 20:14 ", MINUTES),
    "month-and-day-then-year": (b"11-20 2024 ", OLD),
    "two-numbers": (b"11 20 20:14 ", RECENT),
    "time-with-dot": (b"20 Nov 20.14 ", RECENT),
    "time-with-h": (b"20 nov 20h14 ", RECENT),
    "short-minutes": (b"Nov 20 20:4 ", (secs(2026, 11, 20, 20, 4), MINUTE)),
    "half-day": (b"Nov 20 08:14PM ", RECENT),
    "weekday-without-time": (b"Wed Nov 20 2024 ", OLD),
    "year-and-half-day": (b"Nov 20 2024 08:14 PM ", MINUTES),
    "us-numbers-half-day": (b"11/20/2024 08:14 PM ", MINUTES),
    "zone-that-says-too-little": (b"2024-11-20 20:14:12 CET ", SECONDS),
    "no-such-day": (b"30 Feb 2024 ", (None, 0)),
}
INTO_UTC = {
    "full-iso": b"2024-11-20 21:14:12.000000000 +0100 ",
    "full-iso-west": b"2024-11-20 14:44:12.999999999 -0530 ",
    "full-iso-named": b"2024-11-20 20:14:12 UTC ",
    "mail-date": b"Wed, 20 Nov 2024 20:14:12 GMT ",
    "mail-date-east": b"Wed, 20 Nov 2024 21:14:12 +0100 ",
    "gnu-seconds-since-1970": b"1732133652 ",
    "iso-8601-east": b"2024-11-20T21:14:12.123+01:00 ",
    "iso-8601": b"2024-11-20T20:14:12Z ",
}


@pytest.mark.parametrize(("line", "expected"), COLUMNS.values(), ids=COLUMNS.keys())
def test_columns(line: bytes, expected: Fields) -> None:
    """Columns may be missing, more, or run into one another."""
    assert fields(read(line)) == expected


@pytest.mark.parametrize(("line", "expected"), MODES.values(), ids=MODES.keys())
def test_mode(line: bytes, expected: Fields) -> None:
    """The first letter is the kind; what is no file, directory or link is other; the rights may be anything."""
    assert fields(read(line)) == expected


@pytest.mark.parametrize(("text", "size"), SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("date", [b"Nov 20 20:14", b"20. Nov 20:14"], ids=["c", "german"])
def test_size(text: bytes, size: int | None, date: bytes) -> None:
    """A size is exact or unknown: what is rounded would never agree with the bytes that arrive."""
    line = b"-rw-r--r--  1 anna users " + text + b" " + date + b" x"
    assert fields(read(line)) == (b"x", FILE, size, *RECENT)


@pytest.mark.parametrize("name", [b"x", b"a  b ", b"20:14x", b"2024 x", b"-> y", b"4096 Nov 20"])
@pytest.mark.parametrize(("text", "expected"), DATES.values(), ids=DATES.keys())
def test_date(text: bytes, expected: tuple[int | None, int], name: bytes) -> None:
    """A date may have any order and shape; the name begins one blank behind it, whatever it looks like."""
    entry = read(HEAD + text + name)
    assert fields(entry) == (name, FILE, 4096, *expected)
    assert entry is not None
    assert entry.clock is Clock.LOCAL


@pytest.mark.parametrize("text", INTO_UTC.values(), ids=INTO_UTC.keys())
def test_date_with_a_zone_is_utc(text: bytes) -> None:
    """A time with its offset is exact, and needs no other."""
    entry = read(HEAD + text + b"x")
    assert fields(entry) == (b"x", FILE, 4096, *SECONDS)
    assert entry is not None
    assert entry.clock is Clock.UTC


def test_year_behind_a_time_without_seconds_is_of_the_name() -> None:
    """`ls` prints this of a file called `2024 report`; nobody is known to print time and year without seconds."""
    assert fields(read(HEAD + b"Nov 20 20:14 2024 report")) == (b"2024 report", FILE, 4096, *RECENT)


NAMES: dict[str, tuple[bytes, bytes]] = {
    "leading-blank": (b"-rw-r--r-- 1 a b 7 Nov 20 20:14  x", b" x"),
    "leading-blank-year": (b"-rw-r--r-- 1 a b 7 Nov 20  2024  x", b" x"),
    "leading-blank-day-first": (b"-rw-r--r-- 1 a b 7 20 Nov 20:14  x", b" x"),
    "many-blanks": (b"-rw-r--r-- 1 a b 7 20 Nov 20:14 a   b  ", b"a   b  "),
    "carriage-return": (b"-rw-r--r-- 1 a b 7 20 Nov 20:14 a\rb", b"a\rb"),
    "utf-8": (b"-rw-r--r-- 1 a b 7 20 Nov 20:14 caf\xc3\xa9", b"caf\xc3\xa9"),
    "latin-1": (b"-rw-r--r-- 1 a b 7 Nov 20 20:14 caf\xe9", b"caf\xe9"),
    "cp1251": (b"-rw-r--r-- 1 a b 7 Nov 20 20:14 \xe8\xec\xff", b"\xe8\xec\xff"),
    "koi8-r": (b"-rw-r--r-- 1 a b 7 Nov 20 20:14 \xc9\xcd\xd1", b"\xc9\xcd\xd1"),
    "gbk": (b"-rw-r--r-- 1 a b 7 Nov 20 20:14 \xc3\xfb", b"\xc3\xfb"),
    "shift-jis-backslash": (b"-rw-r--r-- 1 a b 7 Nov 20 20:14 \x95\x5c.txt", b"\x95\x5c.txt"),
    "invalid": (b"-rw-r--r-- 1 a b 7 Nov 20 20:14 \xff\xfe\x00", b"\xff\xfe\x00"),
    "link": (b"lrwxrwxrwx 1 a b 3 20 Nov 20:14 l -> dir", b"l"),
    "link-arrows": (b"lrwxrwxrwx 1 a b 6 20 Nov 20:14 a -> b -> c", b"a"),
    "link-arrow-in-name": (b"lrwxrwxrwx 1 a b 1 20 Nov 20:14 a -> b -> c", b"a -> b"),
    "link-without-target": (b"lrwxrwxrwx 1 a b 3 Nov 20 20:14 l", b"l"),
    "arrow-in-file": (b"-rw-r--r-- 1 a b 3 20 Nov 20:14 a -> b", b"a -> b"),
    "ls-p-directory": (b"drwxr-xr-x 1 a b 3 Nov 20 20:14 d/", b"d"),
    "ls-F-program": (b"-rwxr-xr-x 1 a b 3 Nov 20 20:14 run*", b"run"),
    "star-without-right-to-run": (b"-rw-r--r-- 1 a b 3 Nov 20 20:14 run*", b"run*"),
    "bsd-F-link": (b"lrwxr-xr-x 1 a b 3 Nov 20 20:14 l@ -> dir", b"l"),
    "at-of-a-file": (b"-rwxr-xr-x 1 a b 3 Nov 20 20:14 x@", b"x@"),
    "star-alone": (b"-rwxr-xr-x 1 a b 3 Nov 20 20:14 *", b"*"),
}


@pytest.mark.parametrize(("line", "name"), NAMES.values(), ids=NAMES.keys())
def test_name(line: bytes, name: bytes) -> None:
    """Names are bytes; only a link's target and the mark that the mode confirms are cut off."""
    entry = read(line)
    assert entry is not None
    assert entry.name == name


@pytest.mark.parametrize(
    "line",
    [
        b"total 12",
        b"Total 1.5M",
        b"total 4,096",
        b"insgesamt 12",
        b"totaal 12",
        b"razem 12",
        "yhteensä 12".encode("latin-1"),
        "łącznie 12".encode("iso8859-2"),
        "összesen 12".encode(),
        "итого 12".encode("koi8-r"),
        "итого 12".encode("cp1251"),
        "всего 12".encode("cp866"),
        "σύνολο 12".encode("cp1253"),
        "合計 12".encode("euc-jp"),
        "合計 12".encode("shift-jis"),
        "总用量 12".encode("gbk"),
        "總計 12".encode("big5"),
        "합계 12".encode("cp949"),
    ],
)
def test_blocks_in_use_are_no_entry(line: bytes) -> None:
    """The first line of `ls -l` is understood in the language of the server."""
    assert read(line, mlsd=False) is None


@pytest.mark.parametrize(
    "line",
    [
        b"Welcome to the archive",
        b"Users 12",
        b"ls: .: Permission denied",
        b"/bin/ls: cannot access x: No such file or directory",
        b"-rw-r--r--   1 anna users 4096 Foo 20 20:14 x",
        b"readme.txt",
    ],
)
def test_line_that_says_nothing_certain_is_unreadable(line: bytes) -> None:
    """A banner, or a complaint of `ls`, makes no entry, and leaves the listing suspect."""
    parser = ListingParser(NOW, mlsd=False)
    assert (parser.feed([line]), parser.unreadable, parser.looks_wrong) == ([], 1, True)


def test_recursive_listing_names_entries_by_their_path() -> None:
    """What stands below a header lies there; taken for a file of the listed directory it would be fetched from it."""
    row = b"-rw-r--r-- 1 a b 7 Nov 20 20:14 x"
    lines = [b".:", b"total 4", row, b"", b"./sub:", row, b"", b"./sub/a b:", b"total 0", row]
    parser = ListingParser(NOW, mlsd=False)
    entries = parser.feed(lines[:6]) + parser.feed(lines[6:])
    assert [entry.name for entry in entries] == [b"x", b"sub/x", b"sub/a b/x"]
    assert parser.unreadable == 0


def test_recursive_listing_with_absolute_paths() -> None:
    """The first absolute header is the listed directory; one that lies elsewhere stays absolute."""
    row = b"-rw-r--r-- 1 a b 7 Nov 20 20:14 x"
    entries = ListingParser(NOW, mlsd=False).feed([b"/pub:", row, b"/pub/sub:", row, b"/public:", row])
    assert [entry.name for entry in entries] == [b"x", b"sub/x", b"/public/x"]
