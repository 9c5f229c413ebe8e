"""What the tests of listings share: a present, the seconds of a date, and reading one line."""

from collections.abc import Sequence
from datetime import UTC, datetime

from ftpretrieve.retrieve.listing import ListingParser
from ftpretrieve.retrieve.records import DAY, MINUTE, Kind, RemoteFile

NOW = datetime(2026, 11, 20, 22, 37, 50, tzinfo=UTC)
FILE, DIR, LINK, OTHER = Kind.FILE, Kind.DIR, Kind.LINK, Kind.OTHER
Fields = tuple[bytes, Kind, int | None, int | None, int]


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def secs(*fields: int) -> int:
    """Return the epoch seconds of a date and time read as UTC."""
    return round(utc(*fields).timestamp())


RECENT = (secs(2026, 11, 20, 20, 14), MINUTE)
OLD = (secs(2024, 11, 20), DAY)


def read(line: bytes, mlsd: bool | None = None, now: datetime = NOW) -> RemoteFile | None:
    """Return the one entry of this line, or None; the line must not be unreadable."""
    parser = ListingParser(now, mlsd)
    entries = parser.feed([line])
    assert parser.unreadable == 0, line
    assert len(entries) <= 1
    return entries[0] if entries else None


def read_all(lines: Sequence[bytes]) -> list[RemoteFile]:
    """Return the entries of a listing in which every line must be understood."""
    parser = ListingParser(NOW, mlsd=False)
    entries = parser.feed(lines)
    assert parser.examples == []
    return entries


def fields(entry: RemoteFile | None) -> Fields:
    """Return what rows of tests compare: everything but the clock."""
    assert entry is not None
    return entry.name, entry.kind, entry.size, entry.stamp, entry.precision


def stamp(line: bytes, now: datetime = NOW) -> tuple[int | None, int]:
    """Return (stamp, precision) of this line's entry."""
    entry = read(line, now=now)
    assert entry is not None
    return entry.stamp, entry.precision
