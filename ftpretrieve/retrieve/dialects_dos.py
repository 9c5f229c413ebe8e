"""The lines of `dir`, as DOS, Windows and IIS print them.

Theory of operation. Columns count from the end of the time: IIS begins a name 22 bytes behind it, `dir` itself 19.
Where size or `<DIR>` stand as one of the two has them, the name begins there, and further blanks are its own. Servers
that imitate them with other columns pad as they like, so there a name begins with its first byte that is no blank.

Pure: no input or output, no clock, no settings.
"""

import re

from ftpretrieve.retrieve.dialects import (
    DIR,
    FILE,
    LINK,
    LOCAL_CLOCK,
    OTHER,
    SELF_AND_PARENT,
    SKIP,
    Dialect,
    Page,
    Parsed,
    size_of,
)
from ftpretrieve.retrieve.records import Kind, RemoteFile
from ftpretrieve.retrieve.unix_dates import time_of

LINE = re.compile(
    rb" {0,4}+(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\.?+) ++"
    rb"(?:([^\d <]{2,12}+) ++)?"  # East Asia and Hungary have the half of the day before the time
    rb"(\d{1,2}[:.]\d\d(?::\d\d)?)(?: ?([AaPp]\.?[Mm]?\.?|[\x80-\xff.]{2,12}))?"
    rb"( ++)(?:<([A-Z]{2,12}+)>|(\d{1,3}(?:(?:[.,'\xa0\xff]|\xc2\xa0|\xe2\x80\xaf)\d{3})+|\d++))"
    rb"( .*)",
    re.DOTALL,
)
GROUPS = re.compile(rb"((?: \d{3}){1,6}) ")
COLUMNS = (22, 19)  # of the name, counted from the end of the time: IIS, dir
TAG_COLUMNS = (7, 4)  # of <DIR> likewise
KINDS = {b"DIR": DIR, b"REP": DIR, b"VERZ": DIR, b"JUNCTION": LINK, b"SYMLINKD": LINK, b"SYMLINK": LINK}
KINDS |= {b"JONCTION": LINK, b"VERBINDUNG": LINK}
SEPARATORS = b".,' \xa0\xff\xc2\xe2\x80\xaf"  # between thousands; the last are the blanks of UTF-8 and code pages

AROUND_BYTES = 400  # a longest path and some words; the patterns below are for short lines only
HEADER = re.compile(
    rb" ?[^\W\d][^<>]*"
    rb"(?: [A-Za-z]:\\[^<>|]*| [\dA-Fa-f]{4}-[\dA-Fa-f]{4}"  # the directory, the serial number, in any language
    rb"|(?: drive | laufwerk | lecteur | unidad | unit\S{1,2} | unidade | station | enhet\S* | jednotce )[^<>]*)",
    re.IGNORECASE | re.DOTALL,
)
SUMMARY = re.compile(
    rb"[ \t]++[\d.,]++ \S{0,20}(?:\(\S{1,6}\)|files?|director(?:y|ies)|dirs?|archivos|dirs|fichiers?),? [^<>]*\d[^<>]*",
    re.IGNORECASE | re.DOTALL,
)


def _dos(line: bytes, page: Page) -> Parsed:
    """Read `11-20-24  08:14PM       <DIR>          name` and `20.11.2024  20:14             4.096 name`."""
    match = LINE.fullmatch(line)
    if match is None:
        return None
    day_text, half_before, clock, half, blanks, tag, size_text, rest = match.groups()
    # Who pads day and hour with blanks pads the rest in his own way too.
    known = line[:1] != b" " and clock[2:3] in (b":", b".") and match.start(3 - bool(half_before)) - match.end(1) == 2
    time = time_of(clock, half or half_before or b"")
    if time is None and half_before:
        return None
    if tag is not None:
        kind, size = KINDS.get(tag, OTHER), None
        name = _behind_tag(rest, len(blanks) if known else 0, len(tag) + 2)
    else:
        kind = FILE
        size_text, rest = _joined(size_text, rest, len(blanks))
        size = size_of(size_text if size_text.isdigit() else size_text.translate(None, SEPARATORS))
        ends_at = len(blanks) + len(size_text) if known else 0
        # Longer sizes than the column push the name on.
        name = rest[1:] if ends_at >= COLUMNS[0] - 1 or ends_at == COLUMNS[1] - 1 else rest.lstrip(b" ")
    if kind is LINK:
        name = _without_target(name)
    if not name or name in SELF_AND_PARENT:
        return SKIP if name else None
    return _entry(name, kind, size, page.dates.dos[day_text], time)


def _entry(name: bytes, kind: Kind, size: int | None, day: int | None, time: tuple[int, int] | None) -> RemoteFile:
    """Return the entry; an impossible day or time leaves the file listed."""
    if day is None or time is None:
        return RemoteFile(name, kind, size, None, 0, LOCAL_CLOCK)
    return RemoteFile(name, kind, size, day + time[0], time[1], LOCAL_CLOCK)


def _behind_tag(rest: bytes, starts_at: int, length: int) -> bytes:
    """Return the name behind `<DIR>`."""
    for column, tag_column in zip(COLUMNS, TAG_COLUMNS, strict=True):
        blanks = column - starts_at - length
        if starts_at == tag_column and not rest[:blanks].strip(b" "):
            return rest[blanks:]
    return rest.lstrip(b" ")


def _joined(size_text: bytes, rest: bytes, blanks: int) -> tuple[bytes, bytes]:
    """Return size and rest where blanks part the thousands: only then does the size end in its column."""
    match = GROUPS.match(rest) if len(size_text) <= 3 else None
    if match is None or blanks + len(size_text) + len(match[1]) not in (COLUMNS[0] - 1, COLUMNS[1] - 1):
        return size_text, rest
    return size_text + match[1], rest[match.end(1) :]


def _without_target(text: bytes) -> bytes:
    """Return the name of a link, without ` [target]` or ` -> target`."""
    if text.endswith(b"]") and b" [" in text:
        return text[: text.rindex(b" [")]
    return text.partition(b" ->")[0]


def _around(line: bytes, page: Page) -> Parsed:
    """Skip what `dir` prints around its entries: ` Volume in drive C is X`, `  12 File(s)  1,234 bytes`."""
    del page  # the shape of every row of the table
    if len(line) > AROUND_BYTES:
        return None
    return SKIP if HEADER.fullmatch(line) or SUMMARY.fullmatch(line) else None


DOS = Dialect("DOS", "IIS in its default style, dir of Windows in any country", _dos)
DOS_AROUND = Dialect("dir", "servers that run dir", _around)
