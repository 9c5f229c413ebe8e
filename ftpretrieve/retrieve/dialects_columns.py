"""Readers for lines of columns: one regular expression a system, whose named groups say what a column means.

    name                  the name; a `/` at its end marks a directory and is cut off, as is padding; `long`, when
                          there, is the same file's full name and replaces it; `type`, when there, follows after a dot
    dir, link, other      that it matched, even nothing, says the kind; without one it is a file
    size                  bytes; leave the column unnamed where it counts blocks, records or pages
    year, month, day      numbers; a year of two, three (since 1900, that went on counting) or four digits; a month may
                          be an English one; without `year` the latest such day up to now
    time, zone            `20:14`, `20:14:12`, `8:14p`, `8:14 pm`, `2014`, `201412`; `+01:00` turns the stamp into UTC

Names on the systems read this way do not end in a blank, so blanks at the end are padding.

Pure: no input or output, no clock, no settings.
"""

import re
from collections.abc import Mapping, Sequence

from ftpretrieve.months import ENGLISH
from ftpretrieve.retrieve.dates import MINUTES, SECONDS, full_year, half_day, midnight
from ftpretrieve.retrieve.dialects import (
    DIR,
    FILE,
    LINK,
    LOCAL_CLOCK,
    OTHER,
    SELF_AND_PARENT,
    SKIP,
    UTC_CLOCK,
    Page,
    Parsed,
    Reader,
    size_of,
)
from ftpretrieve.retrieve.records import DAY, MINUTE, SECOND, Clock, Kind, RemoteFile

MONTH = rb"(?P<month>(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))"
MDY = rb"(?P<month>\d{1,2})[-/](?P<day>\d{1,2})[-/](?P<year>\d{2,4})"  # month first, as in the USA
DMY = rb"(?P<day>\d{1,2})-" + MONTH + rb"-(?P<year>\d{4}|\d\d)"  # `20-Nov-24`
WEEKDAY = rb"(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat)[a-z]{0,6}+\.?"
WORDS = rb"(?:[^ ]++ ++)*?"  # any columns, as few as possible
CLOCK = rb"(?P<time>\d{1,2}:\d\d)"
CLOCK_SECS = rb"(?P<time>\d{1,2}:\d\d:\d\d)"

TIME = re.compile(rb"(\d{1,2})[:.]?(\d\d)(?:[:.]?(\d\d)(?:[.,]\d{1,9})?)?(?: ?([AaPp])[Mm]?)?")


def time_of_day(text: bytes) -> tuple[int | None, int]:
    """Return (seconds since midnight or None when it is no time, precision)."""
    match = TIME.fullmatch(text)
    if match is None:
        return None, 0
    hour, minute, second_text, half = match.groups()
    secs = MINUTES.get(hour.rjust(2, b"0") + minute)
    second = SECONDS.get(second_text) if second_text else 0
    if secs is None or second is None:
        return None, 0
    if half is not None:
        secs = half_day(secs, half in b"pP")
    return secs + second, SECOND if second_text else MINUTE


def day_of(year: bytes, month: bytes, day: bytes) -> int | None:
    """Return the midnight of a day with its year in two, three or four digits and its month in digits or English."""
    number = int(month) if month.isdigit() else ENGLISH[month.lower()]
    return midnight(full_year(int(year)) if len(year) < 4 else int(year), number, int(day))


def entry(
    name: bytes, kind: Kind, size: int | None, day: int | None, time: bytes = b"", clock: Clock = LOCAL_CLOCK
) -> RemoteFile:
    """Return an entry with the stamp that these columns give; a time that is none makes the stamp unknown."""
    secs, precision = time_of_day(time) if time else (0, DAY)
    if day is None or secs is None:
        return RemoteFile(name, kind, size, None, 0, clock)
    return RemoteFile(name, kind, size, day + secs, precision, clock)


def columns(title: str, *lines: bytes, headed: Sequence[bytes] = (), skip: bytes = b"(?!)") -> Reader:
    """Return a reader of lines that one of these expressions matches as a whole.

    `headed` lines are taken only while the last header seen was of this dialect, `title`; `skip` matches the headers
    and the footers.
    """
    shapes = [re.compile(line, re.DOTALL) for line in lines]
    vague = [re.compile(line, re.DOTALL) for line in headed]
    extra = re.compile(skip, re.DOTALL)

    def read(line: bytes, page: Page) -> Parsed:
        for shape in (*shapes, *vague) if page.header == title else shapes:
            match = shape.fullmatch(line)
            if match is not None:
                return _entry_of(match.groupdict(), page)
        if extra.fullmatch(line):
            page.header = title
            return SKIP
        return None

    return read


def _entry_of(found: Mapping[str, bytes | None], page: Page) -> Parsed:
    """Make the entry of the groups of a match."""
    name = (found.get("long") or found["name"] or b"").rstrip(b" ")
    type_ = found.get("type")
    if type_:
        name += b"." + type_
    if name in SELF_AND_PARENT or name in (b"./", b"../"):
        return SKIP
    kind = _kind(found, name)
    name = name.removesuffix(b"/")
    if not name:
        return None
    size_text = found.get("size")
    size = size_of(size_text.replace(b",", b"")) if size_text and kind is not DIR else None
    made = entry(name, kind, size, _day(found, page), found.get("time") or b"")
    zone = found.get("zone")
    if zone and made.stamp is not None:
        ahead_secs = (int(zone[1:3]) * 60 + int(zone[4:6])) * (-60 if zone[:1] == b"-" else 60)
        return RemoteFile(name, kind, size, made.stamp - ahead_secs, made.precision, UTC_CLOCK)
    return made


def _kind(found: Mapping[str, bytes | None], name: bytes) -> Kind:
    """Return the kind that the groups, or a `/` at the end of the name, say."""
    if found.get("dir") is not None or name.endswith(b"/"):
        return DIR
    if found.get("link") is not None:
        return LINK
    return OTHER if found.get("other") is not None else FILE


def _day(found: Mapping[str, bytes | None], page: Page) -> int | None:
    """Return the midnight of the day in the groups, None when they name none."""
    month, day, year = found.get("month"), found.get("day"), found.get("year")
    if not month or not day:
        return None
    if year:
        return day_of(year, month, day)
    return page.dates.recent_day(int(month) if month.isdigit() else ENGLISH[month.lower()], int(day))
