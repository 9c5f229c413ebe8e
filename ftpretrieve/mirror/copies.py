"""The names of the compressed copies of a directory, `NAME_08dec2010_13:52_wed.tar.gz`, and which copies must go.

NAME is the last part of LOCAL. Copies that other programs made in other languages (`08dic2010_13:52_mié`) count too, by
their date; the word behind it tells nothing that the date does not. A copy whose name has been changed, if only by
`-keep` before the dot, is none any more and stays for ever.

Pure: no input or output, no clock (`now` is given), no locale.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from ftpretrieve.months import ENGLISH, possible_months

MONTHS = tuple(name.decode() for name in ENGLISH)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# Between day and year stands whatever a locale calls the month ("dic", "déc.", "12月", "thg 12"), at the end what it
# calls the day: ASCII only as letters and digits, so that `wed-keep` or `wed (old)` is no weekday.
_STAMP = (
    r"_(?P<day>[0-9]{2})(?P<month>[^_/]{1,30}?)(?P<year>[0-9]{4})_(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    r"_(?:[a-z0-9']|[^\x00-\x7f]){1,20}\.?\.tar\.gz"
)
_OF_A_NAME = re.compile(_STAMP, re.IGNORECASE)
_OF_ANY_NAME = re.compile(rf".+{_STAMP}|\..+\.tar\.gz\.part", re.IGNORECASE | re.DOTALL)


def copy_name(name: str, now: datetime) -> str:
    """Return what the copy is called that is made now (local time)."""
    day, month, weekday = f"{now.day:02}", MONTHS[now.month - 1], WEEKDAYS[now.weekday()]
    return f"{name}_{day}{month}{now.year:04}_{now.hour:02}:{now.minute:02}_{weekday}.tar.gz"


def partial_name(name: str) -> str:
    """Return what a copy is called while it is written: no longer than `copy_name`, which has to fit as well."""
    return f".{name}.tar.gz.part"


def is_backup(file_name: str) -> bool:
    """Return whether this is by its name a copy of some directory, also one that is being written."""
    return _OF_ANY_NAME.fullmatch(file_name) is not None


def is_backup_of(name: str, file_name: str) -> bool:
    """Return whether this is by its name a finished copy of the directory called `name`, and of no other."""
    return _stamp_of(name, file_name) is not None


def moments_of(name: str, file_name: str) -> tuple[datetime, ...]:
    """Return the local minute that the name of a copy tells: none when it is unknown (or no copy of `name`).

    Several where its month is another one in another language (`lis` is November in Poland, October in Croatia).
    """
    stamp = _stamp_of(name, file_name)
    if stamp is None:
        return ()
    day, year, hour, minute = (int(stamp[part]) for part in ("day", "year", "hour", "minute"))
    found = []
    for month in _months_of(stamp["month"]):
        try:
            found.append(datetime(year, month, day, hour, minute))  # noqa: DTZ001 - names tell no zone
        except ValueError:
            continue  # 30 February
    return tuple(found)


def superseded(copies: Sequence[tuple[str, datetime]], now: datetime, keep: int | None) -> list[str]:
    """Return which of the other copies must go now that there is a new one, the oldest first.

    `keep` None: those of this weekday, but none that is dated later than today: such a date is wrong, and what it is a
    copy of unknown. Days are compared, not minutes: when the clocks go back, 02:50 is older than 02:10.
    """
    ordered = [name for name, _ in sorted(copies, key=lambda copy: copy[1])]
    if keep is not None:
        return ordered[: max(len(ordered) - keep + 1, 0)]  # the new one is one of those that are kept
    today = now.date()
    of_today = {name for name, moment in copies if moment.weekday() == today.weekday() and moment.date() <= today}
    return [name for name in ordered if name in of_today]


def _stamp_of(name: str, file_name: str) -> re.Match[str] | None:
    # What follows the name must match as a whole: `a_b_08dec…` is a copy of `a_b` and not of `a`.
    return _OF_A_NAME.fullmatch(file_name, len(name)) if file_name.startswith(name) else None


def _months_of(word: str) -> tuple[int, ...]:
    word = word.strip()
    number = re.fullmatch(r"([0-9]{1,2})[^0-9]+|[^0-9]+([0-9]{1,2})", word)
    if number is not None:  # China, Japan, Korea, Vietnam; a bare number could be a day just as well
        return (int(number[1] or number[2]),)
    # Catalan: `de març`, `d'abr.`
    word = re.sub(r"^d(?:e |['\u2019])", "", word, flags=re.IGNORECASE)
    return possible_months(word.encode("utf-8", "surrogateescape"))
