"""Feed what a server may send to the parsers, led by coverage, until something breaks: `scripts/fuzz listing`.

Each target takes any bytes and raises only when a promise is broken. Atheris runs them in an endless loop; the tests
run them for a moment with hypothesis.
"""

import argparse
import ftplib
import io
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ftpretrieve.retrieve.dialects import MAX_SIZE_BYTES
from ftpretrieve.retrieve.ftp_control import WIRE, Control
from ftpretrieve.retrieve.ftp_data import Unusable, parse_epsv, parse_pasv
from ftpretrieve.retrieve.ftp_limits import is_crowded
from ftpretrieve.retrieve.listing import LineSplitter, ListingParser
from ftpretrieve.retrieve.records import DAY, MINUTE, SECOND, RemoteFile
from tests.retrieve.listing_rows import ROWS

NOW = datetime(2026, 11, 20, 22, 37, 50, tzinfo=UTC)
REPLIES = (
    b"220 ready",
    b"211-Features:\n MLST type*;size*;modify*;\n UTF8\n211 End",
    b"227 Entering Passive Mode (127,0,0,1,200,13)",
    b"229 Entering Extended Passive Mode (|||51213|)",
    b"250-Start\n modify=20240101000000;type=file;size=3; a\n250 End",
    b"421 Too many connections",
    b"530-Sorry\n530 Login incorrect",
)
SEEDS = ROWS + REPLIES
MISSING = (
    "atheris is not installed: .venv/bin/python -m pip install atheris (Linux, see its page for the Python versions)"
)


def check(entry: RemoteFile) -> None:
    """Check what all that comes behind relies on."""
    assert entry.name not in (b"", b".", b"..")
    assert entry.size is None or 0 <= entry.size <= MAX_SIZE_BYTES
    assert (entry.stamp is None) == (entry.precision == 0)
    assert entry.precision in (0, SECOND, MINUTE, DAY)
    assert (entry.mtime is None) == (entry.stamp is None)


def listing(data: bytes) -> None:
    """Read a listing that arrives in two blocks, as the answer to LIST, to MLSD or to either."""
    mlsd = (None, True, False)[len(data) % 3]
    splitter, parser = LineSplitter(), ListingParser(NOW, mlsd)
    middle = len(data) // 2
    lines = [*splitter.feed(data[:middle]), *splitter.feed(data[middle:]), *splitter.end()]
    for entry in parser.feed(lines):
        check(entry)
    assert parser.unreadable <= len(lines)


class Deaf(Control):
    """A control connection that has been told all it will be told."""

    def __init__(self, data: bytes) -> None:
        ftplib.FTP.__init__(self, encoding=WIRE)
        self.file = io.TextIOWrapper(io.BytesIO(data), encoding=WIRE, newline="\n")


def reply(data: bytes) -> None:
    """Read replies until there are no more, and what is read from them."""
    control = Deaf(data)
    with suppress(EOFError):  # the server has closed the connection
        while True:
            told = ""
            with suppress(ftplib.Error):  # an error reply, or none at all
                told = control.getmultiline()
            is_crowded(told)
            for parse in (parse_pasv, parse_epsv):
                with suppress(Unusable):
                    parse(told)


TARGETS: dict[str, Callable[[bytes], None]] = {"listing": listing, "reply": reply}


def main(argv: list[str]) -> int:
    """Fuzz one target until it breaks or is stopped; further arguments are those of libFuzzer."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=main.__doc__)
    parser.add_argument("target", choices=TARGETS)
    options, rest = parser.parse_known_args(argv)
    try:
        import atheris
    except ImportError:
        sys.exit(MISSING)
    corpus = Path(__file__).parent.parent / ".cache" / "fuzz" / options.target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *rest, str(corpus)], TARGETS[options.target])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
