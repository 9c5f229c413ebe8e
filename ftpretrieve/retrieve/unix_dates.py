"""The dates between the size and the name in a line like those of `ls -l`, in all their shapes.

Theory of operation. A line is cut into words (`tokens`). `read_when` is asked at a place in it and answers how many
words from there are a date and what they mean, or None. Each word is one or several pieces: a day, a month, a year, a
time, a zone; the shapes are the orders of pieces that some server prints. The longest shape wins.

    md t   Nov 20 20:14, 11-20 20:14, 11月20日 20:14      the C locale, --time-style=iso, Japan
    md y   Nov 20  2024, Nov 20, 2024
    md ty  Nov 20 20:14:12 2024                           ls -lT of BSD, with or without a weekday in front
    md yt  Nov 20 2024 20:14
    dm ..  20 Nov 20:14, 20. Nov 2024, 20.11. 20:14       most of Europe
    ymd t  2024-11-20 20:14:12.000000000 +0100            --time-style=full-iso

Of `Nov 20 20:14 2024 x` the year belongs to the name, for that is what `ls` prints of a file called `2024 x`; behind
seconds it is a year, for no server prints seconds and leaves out the year.

Pure: no input or output, no clock (`now` is given), no settings.
"""

import re
from collections.abc import Container, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from ftpretrieve.months import month_of
from ftpretrieve.retrieve.dates import CLOCK_TIMES, SECONDS, Dates, full_year, half_day, midnight
from ftpretrieve.retrieve.records import DAY, MINUTE, SECOND, Clock
from ftpretrieve.retrieve.words import halves, marks

LONGEST = 6  # words: `Wed Nov 20 20:14:12 CET 2024`
WORD_BYTES = 40  # a longer word is no part of a date
CACHED_WORDS = 4_096  # the days and minutes of a listing come again and again

WEEKDAYS = frozenset(b"mon tue wed thu fri sat sun".split())
ZONES = frozenset(b"cet cest eet eest wet west msk est edt cst cdt mst mdt pst pdt jst kst".split())

NUMBERS = re.compile(rb"(\d{1,4})([-/.])(\d{1,2})\2(\d{1,4})([T.]?)(.*)", re.DOTALL)
TWO_NUMBERS = re.compile(rb"(\d{1,2})(?:([-/])(\d{1,2})|\.(\d{1,2})\.)")
MIXED = re.compile(rb"(\d{1,4})[-/.]([^-/.\d]{2,20})\.?[-/.](\d{1,4})")
MARKED = re.compile(rb"(\d{1,4})([^\d]{1,8})")
LETTER = re.compile(rb"[\x80-\xff]{1,3}")
TIME = re.compile(rb"(\d{1,2})([:.h])(\d\d?)(?::(\d\d)(?:[.,]\d{1,9})?)?(z|[ap]\.?m\.?)?", re.IGNORECASE)
ZONE = re.compile(rb"([-+])(\d\d):?(\d\d)")


class When(NamedTuple):
    """What a date means: how many words it has, and a stamp as in `RemoteFile`."""

    words: int
    stamp: int | None
    precision: int
    clock: Clock


class Piece(NamedTuple):
    """One part of a date: its letter in the shapes, its value, of a time the precision."""

    letter: str
    value: int
    precision: int = 0


class Shapes(NamedTuple):
    """Some shapes, and which letters may come next behind the beginning of one."""

    whole: frozenset[str]
    next: Mapping[str, frozenset[str]]


def _shapes(*whole: str) -> Shapes:
    beginnings = {shape[:length] for shape in whole for length in range(len(shape))}
    following = {
        begin: frozenset(shape[len(begin)] for shape in whole if shape.startswith(begin) and shape != begin)
        for begin in beginnings
    }
    return Shapes(frozenset(whole), following)


NAMED = _shapes(
    *(order + rest for order in ("md", "dm") for rest in ("t", "s", "y", "yt", "ys", "sy", "swy")),
    *(order + rest for order in ("mdy", "dmy") for rest in ("sz", "sw", "th", "sh")),
    *("ymd", "ymdt", "ymds", "ymdtz", "ymdsz", "ymdsw", "ymdu"),
)
NUMBERED = _shapes("ddt", "dds", "ddy", "ddyt", "ddys", "ydd", "yddt", "ydds", "ymd", "ymdt", "ymds")
"""`t`: a time without seconds, `s`: with them, `u`: in UTC, `h`: AM or PM, `z`: an offset, `w`: the name of a zone."""


def read_when(
    tokens: Sequence[bytes], at: int, dates: Dates, shapes: Shapes = NAMED, apart: Container[int] = ()
) -> When | None:
    """Return the longest date that begins with the word at this place and does not reach the end of the line.

    `apart` are the places before which there are two blanks: as `ls` puts them before a year that stands in the column
    of the time, so that no time can follow.
    """
    letters, found = "", None
    pieces: list[Piece] = []
    start = at + (tokens[at].rstrip(b",.").lower() in WEEKDAYS)
    for place in range(start, min(start + LONGEST, len(tokens) - 1)):
        wanted = shapes.next.get(letters)
        more = _pieces(tokens[place], wanted) if wanted and len(tokens[place]) <= WORD_BYTES else ()
        if not more:
            break
        pieces += more
        letters += "".join([piece.letter for piece in more])
        if letters in shapes.whole:
            when = _when(pieces, dates)
            if when is not None:
                found = when._replace(words=place + 1 - at)
        if letters in ("mdy", "dmy") and place in apart:
            break
    return found


@lru_cache(CACHED_WORDS)
def _pieces(word: bytes, wanted: frozenset[str]) -> tuple[Piece, ...]:
    """Return what a word may be that begins with one of these letters; nothing when it is no part of a date."""
    # A name may begin with `20.14`: only where nothing else can follow is that a time.
    piece = _time(word, also_dots="y" in wanted) if not wanted.isdisjoint("tsu") else None
    piece = piece or (_zone(word) if not wanted.isdisjoint("zw") else None) or (_half(word) if "h" in wanted else None)
    if piece is not None:
        return (piece,) if piece.letter in wanted else ()
    if wanted.isdisjoint("ymd"):
        return ()
    if word.isdigit():
        return tuple(_number(word))
    return tuple(_day_of_numbers(word) or _marked(word) or _named(word))


def _number(word: bytes) -> list[Piece]:
    """Read `20` and `2024`."""
    if len(word) <= 2:
        return [Piece("d", int(word))]
    return [Piece("y", int(word))] if len(word) == 4 else []


def _time(word: bytes, also_dots: bool) -> Piece | None:
    """Read `20:14`, `20:14:12.000000000`, `08:14PM`, `20:14:12Z`, and also `20.14` and `20h14`."""
    match = TIME.fullmatch(word)
    if match is None or (match[2] != b":" and not also_dots):
        return None
    hour, _, minute, second, suffix = match.groups()
    secs = CLOCK_TIMES.get(hour + b":" + minute.rjust(2, b"0"))
    if secs is None or (second is not None and second not in SECONDS):
        return None
    suffix = (suffix or b"").lower()
    if suffix[:1] in (b"a", b"p"):
        secs = half_day(secs, suffix[:1] == b"p")
    if second is None:
        return Piece("t", secs, MINUTE)
    return Piece("u" if suffix == b"z" else "s", secs + SECONDS[second], SECOND)


def _half(word: bytes) -> Piece | None:
    """Read the `PM` that stands by itself."""
    half = halves().get(word.lower()) if len(word) > 1 else None
    return None if half is None else Piece("h", half)


def _zone(word: bytes) -> Piece | None:
    """Read `+0100`, `UTC` and `CET`: an offset can be taken into account, other names say too little."""
    match = ZONE.fullmatch(word)
    if match is not None:
        secs = int(match[2]) * 3600 + int(match[3]) * 60
        return Piece("z", -secs if match[1] == b"-" else secs)
    if word in (b"UTC", b"GMT"):
        return Piece("z", 0)
    return Piece("w", 0) if word.lower() in ZONES else None


def _day_of_numbers(word: bytes) -> list[Piece]:
    """Read `2024-11-20`, `2024/11/20`, `20.11.2024`, `11/20/24`, `2024-11-20T20:14:12Z`, and without a year."""
    match = TWO_NUMBERS.fullmatch(word)
    if match is not None:
        first, _, second, dotted = match.groups()
        return _month_and_day(int(first), int(second or dotted), dotted is not None)
    match = NUMBERS.fullmatch(word)
    if match is None:
        return []
    first, dot, second, third, end, rest = match.groups()
    if len(first) == 4 and len(third) <= 2:
        day = [Piece("y", int(first)), Piece("m", int(second)), Piece("d", int(third))]
        time = _iso_time(rest) if end == b"T" else []
        return [] if rest and not time else day + time
    if rest or len(first) > 2 or len(third) not in (2, 4):
        return []
    return [*_month_and_day(int(first), int(second), dot == b"."), Piece("y", _year(third))]


def _iso_time(text: bytes) -> list[Piece]:
    """Read what stands behind the `T` of ISO 8601: `20:14:12Z`, `20:14:12.123+01:00`."""
    zone = _zone(text[-6:]) or _zone(text[-5:])
    time = _time(text[: -6 if text[-3:-2] == b":" else -5] if zone else text, also_dots=False)
    return [] if time is None else [time, zone] if zone else [time]


def _month_and_day(first: int, second: int, dotted: bool) -> list[Piece]:
    """Return both in the order of the month: dots mean day first, else that only shows where there is no month 13."""
    if dotted or first > 12:
        first, second = second, first
    return [Piece("m", first), Piece("d", second)]


def _year(text: bytes) -> int:
    return full_year(int(text)) if len(text) == 2 else int(text)


def _marked(word: bytes) -> list[Piece]:
    """Read `11月`, `20日`, `2024年11月20日`, `20.`, `20,`, `2024,`; a letter of an unknown code page says nothing."""
    pieces, end = [], 0
    for match in MARKED.finditer(word.lower()):
        kind = marks().get(match[2])
        if match.start() != end or (kind is None and match[2] not in (b".", b",") and not LETTER.fullmatch(match[2])):
            return []
        pieces += [Piece(kind[0], int(match[1]))] if kind else _number(match[1])
        end = match.end()
    rest = word[end:]  # `11月20`
    return pieces + (_number(rest) if rest.isdigit() else []) if end and (not rest or rest.isdigit()) else []


def _named(word: bytes) -> list[Piece]:
    """Read `Nov`, `nov.`, `20-Nov-2024`."""
    month = month_of(word)
    if month:
        return [Piece("m", month)]
    match = MIXED.fullmatch(word)
    month = month_of(match[2]) if match is not None else 0
    if match is None or not month:
        return []
    first, last = match[1], match[3]
    if len(first) == 4:
        first, last = last, first
    return [Piece("d", int(first)), Piece("m", month), Piece("y", _year(last))] if len(first) <= 2 else []


def _when(pieces: Sequence[Piece], dates: Dates) -> When | None:
    """Return what the pieces of a shape mean together; None when they cannot be a date."""
    numbers = [piece.value for piece in pieces if piece.letter == "d"]
    if len(numbers) == 2:
        pieces = [*_month_and_day(numbers[0], numbers[1], False), *(piece for piece in pieces if piece.letter != "d")]
    values = {piece.letter: piece.value for piece in pieces}
    month, day, year = values["m"], values["d"], values.get("y")
    secs = dates.recent_day(month, day) if year is None else midnight(year, month, day)
    time = next((piece for piece in pieces if piece.letter in "tsu"), None)
    if secs is None:
        return When(0, None, 0, Clock.LOCAL) if 1 <= month <= 12 and 1 <= day <= 31 else None
    if time is None:
        return When(0, secs, DAY, Clock.LOCAL)
    secs += half_day(time.value, values["h"] == 1) if "h" in values else time.value
    if time.letter == "u" or "z" in values:
        return When(0, secs - values.get("z", 0), time.precision, Clock.UTC)
    return When(0, secs, time.precision, Clock.LOCAL)


@lru_cache(CACHED_WORDS)
def time_of(word: bytes, half: bytes) -> tuple[int, int] | None:
    """Return (seconds since midnight, precision) of a time and, if any, the half of the day it is in."""
    time = _time(word, also_dots=True)
    if time is None or (half and half.lower() not in halves()):
        return None
    return (half_day(time.value, halves()[half.lower()] == 1) if half else time.value), time.precision
