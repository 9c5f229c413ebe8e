"""Print the entries of a listing that a server sent for MLSD or LIST, one row each, and on stderr what is unreadable.

Exit status: 0 read, 1 nothing of it could be read, 2 wrong arguments or no such file.
"""

import argparse
import json
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from ftpretrieve.logs import escape
from ftpretrieve.retrieve.listing import ListingParser, parse_listing
from ftpretrieve.retrieve.records import DAY, MINUTE, SECOND, RemoteFile

SHAPES = {SECOND: "%Y-%m-%d %H:%M:%S", MINUTE: "%Y-%m-%d %H:%M", DAY: "%Y-%m-%d"}


def offset(text: str) -> timedelta:
    """Read `+02:00`, `+0530` and `-5`. Raises: argparse's error for anything else."""
    found = re.fullmatch(r"([+-]?)(\d{1,2})(?::?([0-5]\d))?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not an offset; write +02:00, or -5")
    east = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return -east if found[1] == "-" else east


def present(text: str) -> datetime:
    """Read `2026-11-20T20:14`, in UTC unless it says otherwise. Raises: argparse's error for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write 2026-11-20T20:14") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="parse-listing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", metavar="FILE", help="the listing as it came, - for stdin")
    parser.add_argument(
        "--json", action="store_true", help="an object a line; names as Python's os.fsdecode gives them"
    )
    parser.add_argument("--now", type=present, metavar="WHEN", help="when it was made, for dates without a year")
    parser.add_argument("--utc-offset", type=offset, default=timedelta(0), metavar="±HH:MM", help="zone of the server")
    return parser.parse_args()


def as_json(entry: RemoteFile) -> str:
    """Return the entry as one line for programs."""
    mtime = entry.mtime
    return json.dumps(
        {
            "name": os.fsdecode(entry.name),
            "kind": entry.kind,
            "size": entry.size,
            "mtime": mtime.isoformat() if mtime else None,
            "precision": entry.precision,
            "clock": entry.clock,
        }
    )


def as_row(entry: RemoteFile) -> str:
    """Return the entry as one line for people; a time is as exact as it is known."""
    mtime = entry.mtime
    when = mtime.strftime(SHAPES.get(entry.precision, SHAPES[SECOND])) if mtime else "-"
    size = "-" if entry.size is None else entry.size
    return f"{entry.kind:5} {size:>15} {when:19} {entry.clock:5} {escape(os.fsdecode(entry.name))}"


def main() -> int:
    """Print the listing; return the exit status."""
    arguments = parse_arguments()
    now = arguments.now or datetime.now(UTC)
    try:
        text = sys.stdin.buffer.read() if arguments.file == "-" else Path(arguments.file).read_bytes()
    except OSError as error:
        print(f"parse-listing: {arguments.file}: {error.strerror}", file=sys.stderr)
        return 2
    lines = text.split(b"\n")
    for entry in parse_listing(lines, now, arguments.utc_offset):
        print(as_json(entry) if arguments.json else as_row(entry))
    parser = ListingParser(now, examples_max=len(lines))
    parser.feed([line.removesuffix(b"\r") for line in lines])
    for line in parser.examples:
        print(f"unreadable: {escape(os.fsdecode(line))}", file=sys.stderr)
    return int(parser.looks_wrong)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # whoever read the rows has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
