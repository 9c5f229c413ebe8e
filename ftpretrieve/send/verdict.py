"""What became of a transaction, in words for a person, as data for a program, and as one verdict.

A verdict is clean only when all that was said is known to be good: a number that nobody has explained is never taken
for success. Pure: no input or output. Texts of the data centre are shown so that one line stays one line.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from ftpretrieve.errors import TRY_LATER
from ftpretrieve.escapes import escape
from ftpretrieve.send.transaction import (
    FATAL,
    FINISHED,
    GOOD,
    RETURNCODE_WORDS,
    STATUS_WORDS,
    WARNING,
    Process,
    Transaction,
)


class Verdict(StrEnum):
    """What became of a transaction."""

    CLEAN = "clean"
    REJECTED = "rejected"
    FATAL = "fatal"
    UNFINISHED = "unfinished"


VERDICT_WORDS = {
    Verdict.CLEAN: "finished clean",
    Verdict.REJECTED: "finished, and not everything was accepted",
    Verdict.FATAL: "ended by a fatal error",
    Verdict.UNFINISHED: "not finished",
}
"""Each verdict for a person."""

EXIT_CODES = {Verdict.CLEAN: 0, Verdict.REJECTED: 1, Verdict.FATAL: 1, Verdict.UNFINISHED: TRY_LATER}
"""What a command that asks for a status ends with."""

UNKNOWN = "unknown"

LABEL = 14
"""Columns of what stands before a value."""


def judge(transaction: Transaction) -> Verdict:
    """Return what became of a transaction. A warning alone is clean; a process without a known code is not."""
    if transaction.status == FATAL:
        return Verdict.FATAL
    if transaction.status != FINISHED:
        return Verdict.UNFINISHED
    is_clean = all(process.returncode in (GOOD, WARNING) and not process.rejected for process in transaction.processes)
    return Verdict.CLEAN if is_clean else Verdict.REJECTED


def exit_code(verdict: Verdict) -> int:
    """Return what a command that asks for a status ends with."""
    return EXIT_CODES[verdict]


def status_in_words(transaction: Transaction) -> str:
    """Return the status for a person: `8, analysis finished`, `16, unknown`, `unknown` when there is none."""
    return _numbered(transaction.status, STATUS_WORDS)


def describe(transaction: Transaction) -> str:
    """Return a table for a person, without a line end: the values, then each process with every file it rejected."""
    size = UNKNOWN if transaction.client_size is None else f"{transaction.client_size:g} {transaction.unit.upper()}"
    rows = [
        ("transaction", transaction.id),
        ("node", transaction.node),
        ("data type", transaction.data_type),
        ("created", transaction.date_created),
        ("last updated", transaction.last_updated),
        ("size", f"{size}, {_files(len(transaction.files))}"),
        ("status", status_in_words(transaction)),
        ("comment", transaction.comment),
        ("verdict", VERDICT_WORDS[judge(transaction)]),
    ]
    lines = [_row(label, value) for label, value in rows]
    for process in _by_rank(transaction):
        lines += ["", *_process_lines(process)]
    return "\n".join(lines)


def as_data(transaction: Transaction) -> dict[str, object]:
    """Return all of it for `json.dumps`, whose default (ASCII) also spells names that are no UTF-8."""
    verdict = judge(transaction)
    return {
        "id": transaction.id,
        "verdict": str(verdict),
        "verdict_words": VERDICT_WORDS[verdict],
        "status": transaction.status,
        "status_words": _words(transaction.status, STATUS_WORDS),
        "node": transaction.node,
        "data_type": transaction.data_type,
        "comment": transaction.comment,
        "date_created": transaction.date_created,
        "last_updated": transaction.last_updated,
        "client_size": transaction.client_size,
        "unit": transaction.unit,
        "files": list(transaction.files),
        "processes": [
            {
                "id": process.id,
                "rank": process.rank,
                "returncode": process.returncode,
                "returncode_words": _words(process.returncode, RETURNCODE_WORDS),
                "comment": process.comment,
                "rejected_files": list(process.rejected),
            }
            for process in _by_rank(transaction)
        ],
    }


def _by_rank(transaction: Transaction) -> Sequence[Process]:
    """Return the processes in the order in which they ran, those without a rank last."""
    return sorted(transaction.processes, key=lambda process: (process.rank is None, process.rank or 0))


def _process_lines(process: Process) -> Iterator[str]:
    yield _row("process", process.id)
    yield _row("rank", UNKNOWN if process.rank is None else str(process.rank))
    yield _row("return code", _numbered(process.returncode, RETURNCODE_WORDS))
    yield _row("comment", process.comment)
    yield _row("rejected", _files(len(process.rejected)) if process.rejected else "nothing")
    for path in process.rejected:
        yield "  " + (escape(path) or "(a file without a name)")


def _row(label: str, value: str) -> str:
    # Comments are written in several lines where the XML was made to be read.
    return f"{label:<{LABEL}}{escape(' '.join(value.split()))}".rstrip()


def _numbered(number: int | None, words: Mapping[int, str]) -> str:
    return UNKNOWN if number is None else f"{number}, {_words(number, words)}"


def _words(number: int | None, words: Mapping[int, str]) -> str:
    return UNKNOWN if number is None else words.get(number, UNKNOWN)


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"
