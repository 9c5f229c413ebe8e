"""What it takes to read a line of a directory listing: the contract of a dialect, and what several of them share.

Theory of operation. What differs between systems is a row of the table in `dialects_table`: a function, the reader,
that is given one line and the page it stands on, and answers

    a RemoteFile     the line is its dialect and names something
    SKIP             the line is its dialect and names nothing to keep (`total 12`, `.`, the directory itself)
    None             not its dialect

A reader is a function of the line and of the page alone. Most need no more of the page than its dates. One whose
entry goes on in the next line puts the beginning into `page.held` and answers SKIP; it is then asked first about the
next line and either finishes the entry (and empties `held`), holds on, or answers None: what was held is then counted
as unreadable, and the line is read as if nothing had been held. One whose lines have columns puts its name into
`page.header` when it sees the header, and may ask for it before it takes a line that others could have printed.

Server input is hostile: each reader is total (any bytes in, no exception out) and needs time linear in the line;
quantifiers are possessive (`++`) where two of them could share the same bytes, but only on single characters: on groups
Python before 3.11.5 gets them wrong. Names are cut out of the line, never changed. Whether a name may be written
anywhere is not decided here.

Pure: no input or output, no clock (`now` is given), no settings.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final, Literal, NamedTuple

from ftpretrieve.retrieve.dates import Dates
from ftpretrieve.retrieve.records import Clock, Kind, RemoteFile


class Nothing(Enum):
    """The type of SKIP: a line that was understood and names nothing to keep."""

    SKIP = "skip"


SKIP: Final = Nothing.SKIP
Parsed = RemoteFile | Literal[Nothing.SKIP] | None

# Members of an Enum are looked up through its metaclass; these names are read for every line of every poll.
FILE, DIR, LINK, OTHER = Kind.FILE, Kind.DIR, Kind.LINK, Kind.OTHER
UTC_CLOCK, LOCAL_CLOCK = Clock.UTC, Clock.LOCAL

MAX_SIZE_BYTES = 2**63 - 1  # what SQLite and off_t hold
SELF_AND_PARENT = frozenset((b".", b".."))


class Page:
    """What is known while one listing is read."""

    __slots__ = ("base", "below", "dates", "header", "held", "parted")

    def __init__(self, dates: Dates) -> None:
        self.dates = dates
        self.header = ""
        """The name of the dialect whose header line was seen last, '' before any."""
        self.held = b""
        """The beginning of an entry that goes on in the next line, b"" when there is none."""
        self.base = b""
        """The listed directory as a recursive listing calls it, b"" before it did."""
        self.parted = False
        """Whether the line before was blank, as far as several dialects were asked about it."""
        self.below = b""
        """What the names of the next lines are below, with a `/` behind it: `sub/` after the header `./sub:`."""


Reader = Callable[[bytes, Page], Parsed]


class Dialect(NamedTuple):
    """One way of writing a line of a listing."""

    name: str
    systems: str
    read: Reader


def size_of(text: bytes) -> int | None:
    """Return the size, or None when it is not one we can hold: negative, too large, not a number.

    Servers with 32-bit counters print negative sizes for large files: better unknown than wrong.
    """
    if not text.isdigit() or len(text) > 19:  # 19 digits hold 2**63 - 1; int() of thousands of digits is slow
        return None
    size = int(text)
    return size if size <= MAX_SIZE_BYTES else None
