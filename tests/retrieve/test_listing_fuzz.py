"""Whatever a server sends as a listing: no exception, sound entries, time linear in the line, memory that stays.

`scripts/fuzz` goes on with this for as long as one likes, led by coverage.
"""

import itertools
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ftpretrieve.retrieve.dialects import MAX_SIZE_BYTES
from ftpretrieve.retrieve.listing import LINE_LIMIT_BYTES, LineSplitter, ListingParser, parse_listing
from ftpretrieve.retrieve.records import DAY, MINUTE, SECOND
from tests import fuzz
from tests.fuzz import check
from tests.retrieve.listing_rows import OTHERS, ROWS, SELF_DESCRIBING

NOW = datetime(2026, 11, 20, 22, 37, 50, tzinfo=UTC)
MODES = st.sampled_from([None, True, False])
NOWS = st.integers(DAY, 8_000 * 366 * DAY).map(lambda stamp: datetime.fromtimestamp(stamp, UTC))
PIECES = st.sampled_from(
    [b" ", b"  ", b"\t", b"0", b"9", b"-", b":", b";", b"=", b",", b".", b"/", b" -> ", b"\xe9", b"\0"]
)


@st.composite
def mutated_rows(draw: st.DrawFn) -> bytes:
    """Take a good row, and cut, double, exchange or push in some of it."""
    row = draw(st.sampled_from(ROWS))
    for _ in range(draw(st.integers(0, 4))):
        begin, end = sorted((draw(st.integers(0, len(row))), draw(st.integers(0, len(row)))))
        middle = draw(
            st.sampled_from([b"", row[begin:end] * 2]) | PIECES | st.binary(max_size=8) | st.sampled_from(ROWS)
        )
        row = row[:begin] + middle + row[end:]
    return row


words = st.binary(min_size=1, max_size=12) | st.sampled_from(sorted({word for row in ROWS for word in row.split()}))
made_rows = st.lists(words, min_size=1, max_size=14).flatmap(
    lambda row: st.sampled_from([b" ", b"  ", b"\t", b"; "]).map(lambda blank: blank.join(row))
)
lines = st.lists(mutated_rows() | made_rows | st.binary(max_size=200), max_size=12)


@given(lines, MODES, NOWS)
def test_any_line_gives_a_sound_entry_or_none(rows: list[bytes], mlsd: bool | None, now: datetime) -> None:
    parser = ListingParser(now, mlsd)
    entries = parser.feed(rows)
    for entry in entries:
        check(entry)
    assert len(parser.examples) <= parser.unreadable <= len(rows)


@given(lines, st.integers(-26 * 60, 26 * 60))
def test_any_line_bears_any_offset(rows: list[bytes], minutes: int) -> None:
    for entry in parse_listing(rows, NOW, timedelta(minutes=minutes)):
        check(entry)


@given(lines, MODES, st.data())
def test_a_listing_is_the_same_in_chunks(rows: list[bytes], mlsd: bool | None, data: st.DataObject) -> None:
    """What is held for the next line, or known from a header, outlives a chunk."""
    whole, parts = ListingParser(NOW, mlsd), ListingParser(NOW, mlsd)
    cut = data.draw(st.integers(0, len(rows)))
    assert [*parts.feed(rows[:cut]), *parts.feed(rows[cut:])] == whole.feed(rows)
    assert (parts.unreadable, parts.examples) == (whole.unreadable, whole.examples)


@pytest.mark.parametrize("row", SELF_DESCRIBING, ids=lambda row: row.decode("latin-1")[-12:])
@given(before=lines)
def test_what_stands_before_changes_no_plain_row(row: bytes, before: list[bytes]) -> None:
    """No banner, header or beginning of an entry makes a row of ls, IIS or MLSD mean something else.

    But for the headers of a recursive listing: they say which directory a name is in.
    """
    assume(not any(line.endswith(b":") for line in before))
    alone = list(parse_listing([row], NOW))
    assert list(parse_listing([*before, row], NOW))[-1:] == alone


@pytest.mark.parametrize("system", OTHERS)
def test_every_system_is_read(system: str) -> None:
    """The rows that fuzzing starts from are good ones."""
    parser = ListingParser(NOW)
    assert parser.feed(OTHERS[system])
    assert parser.unreadable == 0


@pytest.mark.parametrize("target", fuzz.TARGETS)
@given(data=st.binary(max_size=300) | st.lists(st.sampled_from(fuzz.SEEDS) | st.binary(max_size=9)).map(b"\r\n".join))
def test_what_scripts_fuzz_runs_bears_anything(target: str, data: bytes) -> None:
    fuzz.TARGETS[target](data)


@pytest.mark.parametrize(
    "row", [b"Pseudo Directory ..", b"ANNA1  .  OUTPUT  4 Spool Files", b"..DIR;1  7/9  19-NOV-2026 08:05:01"]
)
def test_no_system_lists_the_directory_itself(row: bytes) -> None:
    assert not [entry for entry in ListingParser(NOW).feed([row]) if entry.name in (b".", b"..")]


@pytest.mark.parametrize("banner", [b"Welcome:", b"Files:", b"ls:"])
def test_a_banner_is_no_directory(banner: bytes) -> None:
    """One word and a colon above the first row would else put every file into a directory that is not there."""
    (entry,) = parse_listing([banner, b"-rw-r--r--   1 anna     users         123 Nov 19 08:05 a.txt"], NOW)
    assert entry.name == b"a.txt"


# --- what is printed is read back -------------------------------------------------------------------------------------

MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
WHO = st.sampled_from(
    b"anna 0 20 1000 4294967294 www-data jan may dec mar set 12 Sat CET nov.20 a.b@c DOM\\x (?) -".split()
)
GROUPS = WHO | st.sampled_from([b"Domain Users", b"staff 20", b"a b c"])
SIZES = st.sampled_from([0, 7, 20, 123, 1999, 2024, 4096, 2026, 20241120, MAX_SIZE_BYTES]) | st.integers(0, 2**40)
NAMES = st.binary(min_size=1, max_size=30).filter(lambda name: name not in (b".", b"..")) | st.sampled_from(
    [
        b"2024 x",
        b"08:05 x",
        b"1 Nov 19 08:05 x",
        b"12 Nov 20 2024 x",
        b" x",
        b"x ",
        b"a -> b",
        b"2026-11-19 08:05 x",
        b"PM",
    ]
)


@st.composite
def dates(draw: st.DrawFn) -> tuple[bytes, int, int]:
    """Draw (as `ls` prints it in the C locale, stamp, precision) of a date up to ten years old."""
    stamp = round(NOW.timestamp()) - draw(st.integers(0, 3650 * DAY))
    when = datetime.fromtimestamp(stamp, UTC)
    if (NOW - when).days < 180:
        return b"%s %2d %02d:%02d" % (MONTHS[when.month - 1], when.day, when.hour, when.minute), stamp - stamp % 60, 60
    return b"%s %2d  %04d" % (MONTHS[when.month - 1], when.day, when.year), stamp - stamp % DAY, DAY


@given(
    st.sampled_from([b"", b"+", b".", b"@"]), st.booleans(), st.integers(0, 99999), WHO, GROUPS, SIZES, dates(), NAMES
)
def test_what_ls_prints_is_read_back(
    mark: bytes,
    padded: bool,
    links: int,
    owner: bytes,
    group: bytes,
    size: int,
    date: tuple[bytes, int, int],
    name: bytes,
) -> None:
    """Whatever the owner and the group are called, how large the file is, and what its name looks like."""
    text, stamp, precision = date
    columns = b"%3d %-8s %-8s %8d" if padded else b"%d %s %s %d"
    row = b"-rw-r--r--%s %s %s %s" % (mark, columns % (links, owner, group, size), text, name)
    (entry,) = ListingParser(NOW).feed([row])
    assert (entry.name, entry.size, entry.stamp, entry.precision) == (name, size, stamp, precision)


GERMAN = ["Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"]
RUSSIAN = ["янв", "фев", "мар", "апр", "май", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"]
POLISH = ["sty", "lut", "mar", "kwi", "maj", "cze", "lip", "sie", "wrz", "paź", "lis", "gru"]
STYLES = {
    "long-iso": ("{0:%Y-%m-%d %H:%M}", MINUTE, "utf-8", ()),
    "full-iso": ("{0:%Y-%m-%d %H:%M:%S}.123456789 +0000", SECOND, "utf-8", ()),
    "BSD ls -lT": ("{0:%b} {0.day:2d} {0:%H:%M:%S %Y}", SECOND, "utf-8", ()),
    "German": ("{0.day:2d}. {1} {0:%H:%M}", MINUTE, "latin-1", GERMAN),
    "Russian": ("{0.day:2d} {1} {0:%H:%M}", MINUTE, "koi8-r", RUSSIAN),
    "Polish, old": ("{0.day:2d} {1}  {0:%Y}", DAY, "iso8859-2", POLISH),
    "Japanese": ("{0.month}月 {0.day:2d} {0:%H:%M}", MINUTE, "shift_jis", ()),
    "Chinese, old": ("{0.month:2d}月 {0.day:2d}  {0:%Y}", DAY, "gbk", ()),
}


@pytest.mark.parametrize("style", STYLES)
@given(st.booleans(), WHO, GROUPS, SIZES, st.integers(0, 170 * DAY), NAMES.filter(lambda name: name.strip(b" \t")))
def test_what_ls_prints_elsewhere_is_read_back(
    style: str, padded: bool, owner: bytes, group: bytes, size: int, age_secs: int, name: bytes
) -> None:
    """Months are owners in other languages, and sizes years."""
    text, precision, encoding, months = STYLES[style]
    stamp = round(NOW.timestamp()) - age_secs
    when = datetime.fromtimestamp(stamp, UTC)
    date = text.format(when, months[when.month - 1] if months else "").encode(encoding)
    columns = b"%3d %-8s %-8s %8d" if padded else b"%d %s %s %d"
    (entry,) = ListingParser(NOW).feed([b"-rw-r--r-- %s %s %s" % (columns % (1, owner, group, size), date, name)])
    assert (entry.name, entry.size) == (name, size)
    assert (entry.stamp, entry.precision) == (stamp - stamp % precision, precision)


@pytest.mark.parametrize(
    ("row", "name", "size"),
    [
        (b"-rw-r--r-- 1 jan 20 2024 Nov 19 08:05 x", b"x", 2024),  # a user called like a month
        (b"-rw-r--r-- 1 jan 20 2024 May 24  2026 x", b"x", 2024),
        (b"-rw-r--r-- 1 anna users 7 May 24  2026 20:14 x", b"20:14 x", 7),  # a name that begins with a time
        (b"-rw-r--r-- 1 anna users 7 May 24 2026 20:14 x", b"x", 7),  # and a server that prints both
        (b"-rw-r--r-- 1 7 May 24  2026 x", b"x", 7),
    ],
)
def test_the_date_stands_right_behind_the_size(row: bytes, name: bytes, size: int) -> None:
    (entry,) = ListingParser(NOW).feed([row])
    assert (entry.name, entry.size) == (name, size)


@given(
    st.none() | SIZES, st.sampled_from([b"%m-%d-%y  %I:%M%p", b"%m-%d-%Y  %I:%M%p", b"%m-%d-%Y  %H:%M"]), NAMES, dates()
)
def test_what_iis_prints_is_read_back(
    size: int | None, style: bytes, name: bytes, date: tuple[bytes, int, int]
) -> None:
    stamp = date[1]
    when = datetime.fromtimestamp(stamp, UTC).strftime(style.decode()).encode()
    row = when + (b"       <DIR>          " if size is None else b" %20d " % size) + name
    (entry,) = ListingParser(NOW).feed([row])
    assert (entry.name, entry.size, entry.stamp) == (name, size, stamp)


@given(
    st.permutations(range(4)),
    SIZES,
    NAMES,
    dates(),
    st.sampled_from([b"", b"UNIX.groupname=domain users;", b"x.y=a b;"]),
)
def test_what_mlsd_prints_is_read_back(
    order: list[int], size: int, name: bytes, date: tuple[bytes, int, int], more: bytes
) -> None:
    modify = datetime.fromtimestamp(date[1], UTC).strftime("%Y%m%d%H%M%S").encode()
    facts = [b"type=file;", b"size=%d;" % size, b"modify=%s;" % modify, b"unique=1;" + more]
    (entry,) = ListingParser(NOW).feed([b"".join(facts[place] for place in order) + b" " + name])
    assert (entry.name, entry.size, entry.stamp) == (name, size, date[1])


# --- lines -----------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.sampled_from([b"a", b"bb", b"\r", b"\n", b"\r\n", b"cccccccc"]) | st.binary(max_size=20), max_size=20),
    st.integers(1, 12),
    st.data(),
)
def test_lines_are_the_same_however_blocks_are_cut(pieces: list[bytes], limit: int, data: st.DataObject) -> None:
    text = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    whole, parts = LineSplitter(limit), LineSplitter(limit)
    blocks = [text[begin:end] for begin, end in itertools.pairwise([0, *cuts, len(text)])]
    found = [line for block in blocks for line in parts.feed(block)] + parts.end()
    assert found == whole.feed(text) + whole.end()
    assert parts.unreadable == whole.unreadable


# --- time and memory -------------------------------------------------------------------------------------------------

SHORT, LONG = 4_000, 16_000
QUADRATIC_GROWTH = 10.0  # four times the length: linear takes 4 times as long, quadratic 16 times
TOO_SHORT_SECS = 0.002  # below it the clock and the other processes are what is measured
FILLERS = (
    *(b" ", b"a", b"A", b"1", b"-", b":", b";", b",", b".", b"/", b"[", b"(", b'"', b"\t", b"\xd0", b"\0"),
    *(b"a ", b"1 ", b"- ", b"1,", b"1.", b"1/", b" ->", b" -> ", b"x=", b"; ", b";x=", b"A.", b"Nov ", b"Nov 19 "),
    *(b"19-NOV-2026 ", b"08:05 ", b"2024\xe5\xb9\xb4", b"1 Nov 19 08:05 ", b"rw-", b"-rw-r--r-- ", b"(RWED,"),
)


def duration(line: bytes) -> float:
    """Return the CPU seconds that this line takes, asked of everybody."""
    parser = ListingParser(NOW)
    start = time.process_time()
    parser.feed([line])
    return time.process_time() - start


def grows_too_fast(begin: bytes, filler: bytes, end: bytes) -> bool:
    """Say whether four times the length takes much more than four times as long, again and again."""
    short, long = (begin + filler * (length // len(filler)) + end for length in (SHORT, LONG))
    for _ in range(4):
        took = duration(long)
        if took < TOO_SHORT_SECS or took < QUADRATIC_GROWTH * min(duration(short) for _ in range(3)):
            return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.decode("latin-1")[:24])
def test_time_is_linear_in_the_line(row: bytes) -> None:
    """A row cut anywhere and filled up with anything costs what its length costs."""
    places = [0, *(place for place in range(1, len(row)) if row[place - 1 : place] == b" "), len(row)]
    for place, filler in itertools.product(places, FILLERS):
        assert not grows_too_fast(row[:place], filler, row[place:]), (row[:place], filler, row[place:])


def test_memory_does_not_grow_with_the_listing() -> None:
    """Neither what is held for the next line, nor the days already seen, nor unreadable lines pile up."""
    random, parser = Random(7), ListingParser(NOW)
    parser.feed(ROWS)
    tracemalloc.start()
    try:
        for row in ROWS:
            place = random.randrange(len(row) + 1)
            for filler in (b"A", b"1", b" x", b"Nov "):
                parser.feed([row[:place] + filler * (LINE_LIMIT_BYTES // 2 // len(filler)) + row[place:]])
        kept_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept_bytes < 10 * LINE_LIMIT_BYTES  # of a hundred times as much that came
