"""A listing as a whole: lines out of blocks, entries out of lines, and what hostile lines cost."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.retrieve.dialects_table import LIST_DIALECTS, MLSD
from ftpretrieve.retrieve.listing import LineSplitter, ListingParser, parse_listing
from ftpretrieve.retrieve.records import DAY, MINUTE, SECOND, Clock
from tests.retrieve.listing_checks import NOW
from tests.retrieve.test_listing_dos import DOS_ROWS
from tests.retrieve.test_listing_ls import UNIX_ROWS
from tests.retrieve.test_listing_mlsd import MLSD_ROWS

# --- a whole listing -------------------------------------------------------------------------------------------------


def test_unreadable_lines_are_counted_and_the_first_three_kept_short() -> None:
    """A line nobody can read never empties the listing, and never fills the log."""
    good = b"-rw-r--r-- 1 a b 7 Nov 20 22:37 x"
    parser = ListingParser(NOW)
    assert [entry.name for entry in parser.feed([b"one", good, b"two", b"", b"y" * 5000])] == [b"x"]
    assert [entry.name for entry in parser.feed([b"four", good])] == [b"x"]
    assert parser.unreadable == 4
    assert parser.examples == [b"one", b"two", b"y" * 200]


def test_entry_that_never_goes_on_is_unreadable() -> None:
    """The beginning of an entry counts when its next line does not come, or is another one's."""
    begin, row = b"A_NAME_TOO_LONG_FOR_ITS_COLUMN.TXT;1", b"-rw-r--r-- 1 a b 7 Nov 20 22:37 x"
    header = b"Directory DISK:[PUB]"
    at_end, between = ListingParser(NOW, mlsd=False), ListingParser(NOW, mlsd=False)
    assert at_end.feed([header, begin]) == []
    assert [entry.name for entry in between.feed([header, begin, row])] == [b"x"]
    assert (at_end.unreadable, at_end.examples) == (between.unreadable, between.examples) == (1, [begin])


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
            assert entry.name in line or parser._page.below
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
    "dos-targets": (b"11-20-24  08:14AM <SYMLINK> ", b" [", b""),
    "dos-thousands": (b"11-20-24  08:14AM 1", b",111", b""),
    "dir-header": (b" Volume in", b" drive ", b"<"),
    "dir-sum": (b"  12 File(s) ", b"1", b"<"),
    "groups": (b"drwxr-xr-x 2 ", b"Domain Users ", b"4096 2024-11-20 20:14 x"),
    "day-first": (b"-rw-r--r-- ", b"4096 20. Nov ", b"x"),
    "modes": (b"", b"-rw-r--r-- ", b"x"),
    "no-fact-ends": (b"type=file;", b"type", b""),
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
