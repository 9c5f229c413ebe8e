"""The days and times of a listing: texts of servers into seconds since 1970.

A day is the second of its midnight, on whatever clock printed it; a time of day is counted from midnight. Both are
looked up, because hundreds of thousands of lines share a few thousand of them. What cannot be a day is None, never an
exception: a file with an impossible date is still a file.

Pure: no input or output, no clock (`now` is given), no settings.
"""

from collections.abc import Callable
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime

from ftpretrieve.months import month_of
from ftpretrieve.retrieve.records import DAY

CACHED_DAYS = 4_096  # 11 years of different days

SECONDS = {b"%02d" % second: second for second in range(61)}  # 60: a leap second, RFC 3659 section 2.3
MINUTES = {b"%02d%02d" % (hour, minute): hour * 3600 + minute * 60 for hour in range(24) for minute in range(60)}
"""`2014` -> seconds since midnight: a time that is not in the table is not a time."""
CLOCK_TIMES = {text[:2] + b":" + text[2:]: secs for text, secs in MINUTES.items()}
CLOCK_TIMES |= {text[1:]: secs for text, secs in CLOCK_TIMES.items() if text.startswith(b"0")}
"""`20:14`, `08:14` and `8:14` likewise."""

_EPOCH = date(1970, 1, 1).toordinal()


class DayCache(dict[bytes, int | None]):
    """A bounded memory of what the text of a day means: seconds since 1970 of its midnight, None when it is no day.

    The keys come from hostile lines, so the regular expressions bound their length, and the cache its count.
    """

    def __init__(self, read: Callable[[bytes], int | None]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: bytes) -> int | None:
        if len(self) >= CACHED_DAYS:
            self.clear()
        try:
            value = self._read(text)
        except ValueError:
            value = None
        self[text] = value
        return value


def midnight(year: int, month: int, day: int) -> int | None:
    """Return the second of this day's midnight, None when there is no such day.

    The first and the last year of the calendar are none: a time of day or a zone would lead out of it.
    """
    if not MINYEAR < year < MAXYEAR:
        return None
    try:
        return (date(year, month, day).toordinal() - _EPOCH) * DAY
    except (ValueError, OverflowError):
        return None


def half_day(secs: int, after_noon: bool) -> int:
    """Return the second of the day of a time on a clock of twelve hours: 12:30 AM is half past midnight."""
    return secs % (DAY // 2) + (DAY // 2 if after_noon else 0)


def full_year(year: int) -> int:
    """Return the year that two digits mean, 1970 to 2069; years since 1900 that went on counting, 100 to 169, too."""
    if year < 70:
        return 2000 + year
    return 1900 + year if year < 170 else year


def _compact_day(text: bytes) -> int | None:
    """Read `20241120`."""
    if len(text) != 8 or not text.isdigit():  # int() would take `+1`, ` 1` and `1_0`
        return None
    return midnight(int(text[:4]), int(text[4:6]), int(text[6:]))


def _unix_day(text: bytes) -> int | None:
    """Read `Nov 20 2024`."""
    month, day, year = text.split()
    return midnight(int(year), month_of(month), int(day))


def _dos_day(text: bytes) -> int | None:
    """Read `11-20-24`, `20.11.2024`, `2024-11-20`, `2024. 11. 20.`

    Dots mean day first, else the month is first, whatever the country; unless there is no such month.
    """
    first, second, third = (int(part) for part in text.replace(b"/", b"-").replace(b".", b"-").rstrip(b"-").split(b"-"))
    if first > 99:
        return midnight(first, second, third)
    month, day = (second, first) if b"." in text or first > 12 else (first, second)
    return midnight(full_year(third), month, day)


class Dates:
    """The dates of one listing: what each dialect's text of a day means, seen from `now`.

    `now` is the present as the server's own clock shows it, counted as if that clock were UTC. A naive `now` is taken
    as UTC. The four caches are for the lines that come by the hundred thousand; others call `recent_day`.
    """

    def __init__(self, now: datetime) -> None:
        today = (now.astimezone(UTC) if now.tzinfo else now).date()
        # One day ahead is still "recent": a server east of us, or one whose clock is fast, is already there.
        self._newest = (today.toordinal() + 1 - _EPOCH) * DAY
        self._newest_year = today.year + 1
        self.compact = DayCache(_compact_day)
        self.unix = DayCache(_unix_day)
        self.recent = DayCache(self._recent_text)
        self.dos = DayCache(_dos_day)

    def recent_day(self, month: int, day: int) -> int | None:
        """Return the latest such day up to now: `ls` leaves out the year of the last six months.

        Eight years back is as far as two 29 Februaries are apart (1896 and 1904, 2096 and 2104).
        """
        for year in range(self._newest_year, self._newest_year - 10, -1):
            secs = midnight(year, month, day)
            if secs is not None and secs <= self._newest:
                return secs
        return None

    def _recent_text(self, text: bytes) -> int | None:
        """Read `Nov 20`."""
        month, day = text.split()
        return self.recent_day(month_of(month), int(day))
