"""Turn the text of a directory listing into `RemoteFile`s, while it arrives.

Theory of operation. `LineSplitter` makes lines of the blocks that arrive, `ListingParser` makes entries of a chunk of
lines, `parse_listing` is for those who have the lines already. How a line is read is a row of `dialects_table`.
The dialect that read the last line is asked first, so a listing costs one match a line; but only `PLAIN_DIALECTS`
come before each other: one of the many others would misread a plain row that follows an odd line. A line that nobody
reads is counted, a few are kept to be shown, and the rest of the listing goes on.

Pure: no input or output, no clock (`now` is given), no settings. Memory does not grow with the listing.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from ftpretrieve.retrieve.dates import Dates
from ftpretrieve.retrieve.dialects import LOCAL_CLOCK, SELF_AND_PARENT, SKIP, UTC_CLOCK, Page, Parsed, Reader
from ftpretrieve.retrieve.dialects_table import LIST_DIALECTS, MLSD, PLAIN_DIALECTS
from ftpretrieve.retrieve.records import RemoteFile

CHUNK_LINES = 500  # the cost of a call vanishes, memory stays small
LINE_LIMIT_BYTES = 65_536  # 16 times the longest path Linux knows
EXAMPLES, EXAMPLE_BYTES = 3, 200  # enough to recognise a format in the log


class ListingParser:
    """Read one listing, a chunk of lines at a time.

    `mlsd` says which command was answered (True: MLSD, False: LIST, None: find out). `unreadable` counts the lines
    nobody could read, `examples` holds the first of them, cut to a length fit for a log; both count the beginning of an
    entry that is still waiting for its next line.
    """

    def __init__(self, now: datetime, mlsd: bool | None = None, examples_max: int = EXAMPLES) -> None:
        dialects = (MLSD,) if mlsd else LIST_DIALECTS if mlsd is False else (MLSD, *LIST_DIALECTS)
        plain = [dialect.read for dialect in dialects if dialect in PLAIN_DIALECTS]
        self._read_any = False
        self._unreadable = 0
        self._examples: list[bytes] = []
        self._examples_max = examples_max
        self._page = Page(Dates(now))
        self._first = plain[0]
        self._plain = plain
        self._others = [dialect.read for dialect in dialects if dialect not in PLAIN_DIALECTS]

    @property
    def unreadable(self) -> int:
        """Return how many lines nobody could read."""
        return self._unreadable + bool(self._page.held)

    @property
    def examples(self) -> list[bytes]:
        """Return the first lines that nobody could read."""
        held = self._page.held[:EXAMPLE_BYTES]
        return [*self._examples, held][: self._examples_max] if held else self._examples

    @property
    def looks_wrong(self) -> bool:
        """Say whether this is no listing of the kind that was asked for: lines, and none of them is understood."""
        return self.unreadable > 0 and not self._read_any

    def feed(self, lines: Sequence[bytes]) -> list[RemoteFile]:
        """Return the entries of these lines, in their order. A line comes without its line end."""
        entries = []
        page, read = self._page, self._first
        below = page.below
        for line in lines:
            found = read(line, page)
            if found is None:
                found = self._ask_all(line)
                read = self._first
                below = page.below
            if found is not None and found is not SKIP:
                entries.append(_below(found, below) if below else found)
        self._read_any = self._read_any or bool(entries)
        return entries

    def _ask_all(self, line: bytes) -> Parsed:
        """Return what the dialects make of a line that the first one does not read."""
        asked: Reader | None = self._first
        if self._page.held:  # and it has only said that the line does not continue what it held
            self._count(self._page.held)
            self._page.held, asked = b"", None
        if not line.strip():
            self._page.parted = True
            return SKIP
        found = self._ask_others(line, asked)
        self._page.parted = False
        if found is None:
            self._count(line)
        return found

    def _ask_others(self, line: bytes, asked: Reader | None) -> Parsed:
        """Return what the dialects but one make of the line, and settle whom to ask first about the next."""
        for read in (*self._plain, *self._others):
            found = None if read is asked else read(line, self._page)
            if found is not None:
                if read in self._plain or self._page.held:
                    self._first = read if found is not SKIP or self._page.held else self._first
                elif found is not SKIP:
                    self._first = self._plain[0]
                    self._others.remove(read)
                    self._others.insert(0, read)
                return SKIP if found is not SKIP and found.name in SELF_AND_PARENT else found
        return None

    def _count(self, line: bytes) -> None:
        """Count a line that nobody reads."""
        self._unreadable += 1
        if len(self._examples) < self._examples_max:
            self._examples.append(line[:EXAMPLE_BYTES])


def _below(entry: RemoteFile, directory: bytes) -> RemoteFile:
    """Return the entry of a directory below the listed one, as a recursive listing shows it."""
    return RemoteFile(directory + entry.name, entry.kind, entry.size, entry.stamp, entry.precision, entry.clock)


class LineSplitter:
    """Cut the blocks of a data connection into lines, ended by CR LF or by LF alone.

    A line longer than `limit` bytes is dropped while it arrives, so that a server that sends no line end fills no
    memory; `unreadable` counts them.
    """

    def __init__(self, limit: int = LINE_LIMIT_BYTES) -> None:
        self.unreadable = 0
        self._limit = limit
        self._rest = b""
        self._dropping = False

    def feed(self, block: bytes) -> list[bytes]:
        """Return the lines that this block completes, without their line ends."""
        if self._dropping:
            _, end, block = block.partition(b"\n")
            if not end:
                return []
            self._dropping = False
        text = self._rest + block
        *lines, self._rest = text.replace(b"\r\n", b"\n").split(b"\n")
        if len(text) > self._limit:
            lines = self._without_long(lines)
        return lines

    def _without_long(self, lines: list[bytes]) -> list[bytes]:
        """Drop what is over the limit, the unfinished line too."""
        short = [line for line in lines if len(line) <= self._limit]
        self.unreadable += len(lines) - len(short)
        if len(self._rest) > self._limit + 1:  # a CR may be there already, its LF still to come
            self.unreadable += 1
            self._rest, self._dropping = b"", True
        return short

    def end(self) -> list[bytes]:
        """Return the last line if the listing ended without a line end, else nothing."""
        rest, self._rest = self._rest.removesuffix(b"\r"), b""
        return self._without_long([rest]) if rest else []


def parse_listing(lines: Iterable[bytes], now: datetime, utc_offset: timedelta = timedelta(0)) -> Iterator[RemoteFile]:
    """Yield the entries of a listing, MLSD or LIST, in its order; lines that cannot be read are left out.

    `lines` may end in CR LF, LF or nothing. `now` is the present in UTC, needed for dates without a year.
    `utc_offset` is how far the server's local clock is ahead of UTC: stamps of LIST are then moved to UTC and say so
    in `clock`. Without it they stay local, and `mtime` is what it would be if the server's zone were UTC.
    """
    parser = ListingParser(now + utc_offset)
    offset_secs = round(utc_offset.total_seconds())
    rest = iter(lines)
    while chunk := [line.removesuffix(b"\n").removesuffix(b"\r") for line in islice(rest, CHUNK_LINES)]:
        for entry in parser.feed(chunk):
            if offset_secs and entry.stamp is not None and entry.clock is LOCAL_CLOCK:
                stamp = entry.stamp - offset_secs
                yield RemoteFile(entry.name, entry.kind, entry.size, stamp, entry.precision, UTC_CLOCK)
            else:
                yield entry
