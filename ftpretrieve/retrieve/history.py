"""Show what the journal remembers, as a table for people or an object a line for programs.

Reads beside a running daemon without a lock. Names are bytes: people see them escaped, programs get them as
`os.fsdecode` spells them, in JSON with `\\udcXX` for each byte that is not UTF-8. Must not: write anything but `out`.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import TextIO

from ftpretrieve.logs import escape
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.journal import Journal
from ftpretrieve.retrieve.records import State
from ftpretrieve.units import parse_duration

EXIT_USAGE = 2

HEADER = ("WHEN", "STATE", "BYTES", "MTIME (UTC)", "NAME", "REASON OR PATH")
TO_THE_RIGHT = frozenset({"BYTES"})


def history(
    conf: AppConf,
    *,
    name: str | None,
    since: str | float | None,
    state: str | None,
    limit: int,
    as_json: bool,
    out: TextIO,
) -> int:
    """Write the journal's rows, newest first, and return the exit code.

    `since` is epoch seconds or what `parse_since` takes. Raises: JournalError when there is no journal, or it cannot be
    read; ValueError for a `since` that is no time.
    """
    if state is not None and state not in {str(known) for known in State}:
        print(f"ftpretrieve: {state!r} is no state; give one of {', '.join(State)}", file=sys.stderr)
        return EXIT_USAGE
    after = parse_since(since, time.time()) if isinstance(since, str) else since
    with closing(Journal(conf.journal_file_name, conf.journal_table_name, readonly=True)) as journal:
        rows = journal.history(glob=name, since=after, state=state, limit=limit)
    if as_json:
        for row in rows:
            print(as_object(row), file=out)
    elif rows:
        for line in as_table(rows):
            print(line, file=out)
    else:
        print("nothing in the journal matches", file=sys.stderr)
    return 0


def parse_since(text: str, now: float) -> float:
    """Return the epoch seconds that `2026-11-20`, `2026-11-20T10:00` (this machine's time, or with an offset) or `2h`
    before `now` mean.

    Raises: ValueError, with words that continue a sentence about the text.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        try:
            return now - parse_duration(text)
        except ValueError:
            raise ValueError(
                f"{text!r} is no time; give a day (2026-11-20), a time (2026-11-20T10:00), or how long ago (2h, 3d)"
            ) from None
    return moment.timestamp()  # without an offset it is this machine's time


def as_object(row: Mapping[str, object]) -> str:
    """Return a row as a JSON object on one line, with all columns; numbers and times as in the journal."""
    return json.dumps({column: os.fsdecode(v) if isinstance(v, bytes) else v for column, v in row.items()})


def as_table(rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """Yield the lines of an aligned table."""
    cells = [HEADER, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (
            cell.rjust(width) if title in TO_THE_RIGHT else cell.ljust(width)
            for title, cell, width in zip(HEADER, line, widths, strict=True)
        )
        yield "  ".join(padded).rstrip()


def _cells(row: Mapping[str, object]) -> tuple[str, ...]:
    when = row["delivered_at"] or row["looked_at"] or row["first_listed"]
    size, mtime = row["size"], row["mtime"]
    assert isinstance(when, float)  # the journal declares its columns so
    assert isinstance(size, int)
    assert isinstance(mtime, int)
    return (
        f"{datetime.fromtimestamp(when).astimezone():%Y-%m-%d %H:%M:%S}",
        str(row["state"]),
        "?" if size < 0 else str(size),
        "?" if mtime < 0 else f"{datetime.fromtimestamp(mtime, UTC):%Y-%m-%d %H:%M:%S}",
        _shown(row["name"]),
        _shown(row["sync_path"] if row["state"] == State.DELIVERED else row["reason"]),
    )


def _shown(value: object) -> str:
    return escape(os.fsdecode(value) if isinstance(value, bytes) else str(value or ""))
