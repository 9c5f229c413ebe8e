"""The logbook: a JSON list with one entry for each transaction that was sent. What `-l` and the weekly limit read.

Its form is that of older programs, and so are entries that exist: what is not known here is kept. It is replaced whole
under a lock beside it, so a reader needs none. Must not: overwrite a logbook that cannot be read to its end.
"""

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ftpretrieve.errors import FtpRetrieveError, StorageError
from ftpretrieve.files import Door
from ftpretrieve.send import durable
from ftpretrieve.send.records import LogEntry

KEYS = ("date", "node", "directory", "transactionID", "size", "datatype")


class LogbookDamaged(FtpRetrieveError):
    """The logbook is not what it has to be. It is left alone until the user asks for its repair."""

    def __init__(self, path: Path, line: int, column: int, why: str) -> None:
        self.line, self.column = line, column
        super().__init__(
            f"{path}, line {line}, column {column}: {why}. The logbook is damaged and was left as it is: put back a "
            "copy of it, or give --repair, which moves it aside and keeps each entry that can be read"
        )


class _Damage(Exception):
    """What is wrong with a text, and at which character."""

    def __init__(self, position: int, why: str) -> None:
        self.position, self.why = position, why


class Logbook:
    """One logbook. `wait` pauses for so many seconds while another process writes; `now` is epoch seconds."""

    def __init__(
        self,
        path: Path,
        *,
        door: Door | None = None,
        wait: Callable[[float], object] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._door = door or Door()
        self._wait = wait
        self._now = now

    def read(self) -> tuple[LogEntry, ...]:
        """Return all entries, in the order they were added; none if there is no logbook yet.

        A size that is no number is `nan`. Raises: LogbookDamaged; StorageError.
        """
        return tuple(map(_entry, self._load()))

    def gb_since(self, epoch_secs: float) -> float:
        """Return how much was sent since then. Raises: as `read`.

        An entry without a date that can be read counts as if it were of now, for less would let the limit be exceeded.
        """
        return sum(entry.size_gb for entry in self._since(epoch_secs) if not math.isnan(entry.size_gb))

    def doubts(self, epoch_secs: float) -> list[str]:
        """Return a sentence for each entry that makes `gb_since` wrong, perhaps. Raises: as `read`."""
        found = []
        for entry in self._since(epoch_secs):
            if _time(entry.date) is None:
                found.append(f"{entry.transaction_id} has the date '{entry.date}', which is none: it counts as of now")
            if math.isnan(entry.size_gb):
                found.append(f"{entry.transaction_id} has a size that is no number: it does not count")
        return [f"{self.path}: {sentence}; mend it there" for sentence in found]

    def check_writable(self) -> None:
        """Raise StorageError if `append` could not write, so that it is known before anything is sent."""
        directory = os.path.dirname(os.path.realpath(self.path))
        if os.path.isdir(directory) and not os.access(directory, os.W_OK | os.X_OK):
            raise StorageError(f"cannot write the logbook {self.path}: this user may not write to {directory}")

    def append(self, entry: LogEntry) -> bool:
        """Add an entry durably; False, with nothing changed, if there is one of its transaction already.

        Raises: LogbookDamaged; InUse after a while when another process does not let go; StorageError.
        """
        durable.ensure_directory(self.path.parent)
        with self._locked():
            entries = self._load()
            if any(known["transactionID"] == entry.transaction_id for known in entries):
                durable.sync_directory(self.path, door=self._door)  # whoever added it may have been killed before that
                return False
            values = (entry.date, entry.node, entry.directory, entry.transaction_id, entry.size_gb, entry.data_type)
            added = dict(zip(KEYS, values, strict=True)) | dict(entry.others)
            durable.replace(self.path, _dump([*entries, added]), door=self._door)
        return True

    def repair(self) -> Path | None:
        """Keep the entries that can be read, and return where the damaged logbook is now; None if nothing is damaged.

        Raises: InUse; StorageError.
        """
        if durable.read(self.path) is None:
            return None
        with self._locked():
            data = durable.read(self.path) or b""
            try:
                _parse(data)
            except _Damage:
                stamp = datetime.fromtimestamp(self._now(), UTC).strftime("%Y%m%dT%H%M%SZ")
                aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
                # Copied and not renamed: at no moment may there be no logbook, which would read as an empty one.
                durable.create(aside, data, like=self.path, door=self._door)
                durable.replace(self.path, _dump(_salvage(data)), door=self._door)
                return aside
        return None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        durable.ensure_plain(self.path)
        # Beside what a link leads to, where all who reach it by other names meet.
        with durable.locked(f"{os.path.realpath(self.path)}.lock", self._wait):
            yield

    def _load(self) -> list[dict[str, Any]]:
        data = durable.read(self.path)
        if data is None:
            return []
        try:
            return _parse(data)
        except _Damage as damage:
            before = data.decode(errors="surrogateescape")[: damage.position]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            raise LogbookDamaged(self.path, line, column, damage.why) from damage

    def _since(self, epoch_secs: float) -> Iterator[LogEntry]:
        for entry in self.read():
            sent = _time(entry.date)
            if sent is None or sent >= epoch_secs:
                yield entry


def _parse(data: bytes) -> list[dict[str, Any]]:
    """Return the entries of a logbook that is whole. Raises: _Damage."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _Damage(len(data[: error.start].decode()), "a byte that is no UTF-8") from error
    position = _skip(text, text.startswith("\ufeff"))  # which some editors put there
    if position == len(text):
        raise _Damage(position, "nothing is in it, as after a crash of an older program")
    if text[position] != "[":
        raise _Damage(position, "a '[' has to be here")
    entries: list[dict[str, Any]] = []
    position = _skip(text, position + 1)
    while entries or text[position : position + 1] != "]":
        entry, end = _decode(text, position)
        entries.append(entry)
        position = _skip(text, end)
        if text[position : position + 1] == "]":
            break
        if text[position : position + 1] != ",":
            raise _Damage(position, "a ',' or ']' has to be here")
        position = _skip(text, position + 1)
    if _skip(text, position + 1) != len(text):
        raise _Damage(_skip(text, position + 1), "nothing may follow the list")
    return entries


def _decode(text: str, position: int) -> tuple[dict[str, Any], int]:
    """Return the entry that begins here, and where it ends. Raises: _Damage."""
    try:
        entry, end = json.JSONDecoder().raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise _Damage(error.pos, f"this is no JSON ({error.msg})") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets in thousands of brackets
        raise _Damage(position, f"this is no JSON that can be read ({error})") from error
    if not isinstance(entry, dict):
        raise _Damage(position, "an entry, '{…}', has to be here")
    if not isinstance(entry.get("transactionID"), str) or not entry["transactionID"]:
        raise _Damage(position, "this entry has no 'transactionID'")
    return entry, end


def _salvage(data: bytes) -> list[dict[str, Any]]:
    """Return what looks like an entry, before and behind the damage."""
    text = data.decode(errors="surrogateescape")
    entries = []
    position = text.find("{")
    while position >= 0:
        try:
            entry, position = _decode(text, position)
            entries.append(entry)
        except _Damage:
            position += 1
        position = text.find("{", position)
    return entries


def _skip(text: str, position: int) -> int:
    while text[position : position + 1] in {" ", "\t", "\r", "\n"}:
        position += 1
    return position


def _dump(entries: Sequence[dict[str, Any]]) -> bytes:
    """Write one entry a line, for people; ASCII, so that names of any bytes survive."""
    return ("[\n" + ",\n".join(map(json.dumps, entries)) + "\n]\n").encode()


def _entry(raw: dict[str, Any]) -> LogEntry:
    date, node, directory, transaction_id, _, data_type = (_text(raw.get(key)) for key in KEYS)
    others = {key: value for key, value in raw.items() if key not in KEYS}
    return LogEntry(date, node, directory, transaction_id, _size(raw.get("size")), data_type, others)


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _size(value: object) -> float:
    try:
        size = float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return math.nan
    return size if math.isfinite(size) and size >= 0 else math.nan


def _time(date: str) -> float | None:
    """Return the epoch seconds of a date, or None; without a zone it is UTC, as all are written, a day is its end."""
    try:
        moment = datetime.fromisoformat(date)
        if len(date) <= len("2026-11-21"):  # no time: less would let the limit be exceeded
            moment += timedelta(days=1)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
