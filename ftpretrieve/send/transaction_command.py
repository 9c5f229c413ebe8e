"""The command `ResifDataTransferTransaction`: one value out of the XML of a transaction, for shell scripts.

Reads the XML from standard input and prints the bare value: no line end behind it, nothing at all when there is none.
Must not: judge (`verdict`), or print a line that a foreign name made.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ftpretrieve import exits
from ftpretrieve.errors import StorageError
from ftpretrieve.escapes import escape
from ftpretrieve.send.transaction import LIMIT, Transaction, TransactionError, parse

PROG = "ResifDataTransferTransaction"

STDOUT = 1

WIDTH = 100
"""Columns of the help, so that it is the same on every terminal."""

EPILOG = """\
Lists are sorted, one path a line. Characters that do not print (a line break in a name) are spelt as
in JSON. A value that the XML does not have is printed as nothing at all.

exit codes:
  0    printed, be it nothing
  1    the input is no transaction, or cannot be read; the output cannot be written
  2    wrong options

example:
  ResifDataTransfer -r ABCD1234 | ResifDataTransferTransaction --print-process-rejectedfiles 3
"""


@dataclass(frozen=True, slots=True)
class Option:
    """One value that can be asked for; `text` gets the id of a process when the option takes one."""

    name: str
    help: str
    text: Callable[[Transaction, str], str]
    takes_process: bool = False


def _number(number: int | None) -> str:
    return "" if number is None else str(number)


def _lines(names: Iterable[str]) -> str:
    return "\n".join(map(escape, sorted(names)))


def _returncode(transaction: Transaction, process_id: str) -> str:
    codes = [process.returncode for process in transaction.processes if process.id == process_id]
    return _number(codes[0]) if codes else ""


def _rejected(transaction: Transaction, process_id: str) -> str:
    return _lines(name for process in transaction.processes if process.id == process_id for name in process.rejected)


OPTIONS = (
    Option("transaction-id", "the identifier of the transaction", lambda found, _: escape(found.id)),
    Option("status", "its status: 0, 4, 8 or 128", lambda found, _: _number(found.status)),
    Option("datatype", "the type of its data", lambda found, _: escape(found.data_type)),
    Option("filelist", "the files that were sent", lambda found, _: _lines(found.files)),
    Option("process-returncode", "what a process returned: 0, 1 or 128", _returncode, takes_process=True),
    Option("process-rejectedfiles", "the files that a process rejected", _rejected, takes_process=True),
)
"""What can be asked for, each by `--print-NAME`."""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=PROG,
        usage=f"{PROG} --print-VALUE < transaction.xml",
        description="Print one value of a transaction, whose XML is read from standard input.",
        epilog=EPILOG,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=40, width=WIDTH),
    )
    group = parser.add_mutually_exclusive_group(required=True)
    for option in OPTIONS:
        flag, dest = f"--print-{option.name}", option.name
        if option.takes_process:
            group.add_argument(flag, dest=dest, metavar="ID", help=option.help)
        else:
            group.add_argument(flag, dest=dest, action="store_const", const="", help=option.help)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print what the options ask for, and return the exit code."""
    given = vars(make_parser().parse_args(argv))
    option, process_id = next((option, given[option.name]) for option in OPTIONS if given[option.name] is not None)
    return exits.run(PROG, lambda: _print(option, process_id), code_of=lambda _: 1)


def _print(option: Option, process_id: str) -> int:
    data = _read()
    try:
        transaction = parse(data)
    except TransactionError as error:
        raise TransactionError(f"standard input: {error}") from error
    _write(option.text(transaction, process_id).encode())
    return 0


def _read() -> bytes:
    """Return standard input; one byte more than is allowed tells that it is too large."""
    if sys.stdin is None:
        raise StorageError("standard input cannot be read: it is closed")
    try:
        return sys.stdin.buffer.read(LIMIT + 1)
    except OSError as error:
        raise StorageError(f"standard input cannot be read: {error.strerror}") from error


def _write(data: bytes) -> None:
    """Write to standard output without a buffer, which would fail a second time when Python ends."""
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(STDOUT, rest) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StorageError(f"standard output cannot be written: {error.strerror}") from error
