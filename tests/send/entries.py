"""Entries of a logbook, for the tests of it. Must not be imported by the package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ftpretrieve.send.logbook import Logbook
from ftpretrieve.send.records import LogEntry, format_date

NOW = 1_795_248_000.0
ENTRY = LogEntry(format_date(NOW), "TEST", "/data/2026", "ABCD0001", 1.25, "seismic_data_miniseed")


def entry(transaction_id: str, **values: object) -> LogEntry:
    return replace(ENTRY, transaction_id=transaction_id, **values)


def ids(path: Path) -> list[str]:
    return [known.transaction_id for known in Logbook(path).read()]
