"""The lines of `dir`, as DOS, Windows and IIS print them.

Pure: no input or output, no clock, no settings.
"""

import re

from ftpretrieve.retrieve.dates import CLOCK_TIMES
from ftpretrieve.retrieve.dialects import (
    DIR,
    FILE,
    LOCAL_CLOCK,
    SELF_AND_PARENT,
    SKIP,
    Dialect,
    Page,
    Parsed,
    size_of,
)
from ftpretrieve.retrieve.records import DAY, MINUTE, RemoteFile

DOS_LINE = re.compile(
    rb"(\d\d[-/]\d\d[-/](?:\d{4}|\d\d)) ++(\d{1,2}:\d\d) ?+(?i:([ap])m?+)? ++"
    rb"(?:<DIR>(?: {10}| ++)|(\d++) )"  # IIS writes exactly ten blanks behind <DIR> and one behind a size
    rb"(.+)",
    re.DOTALL,
)


def _dos(line: bytes, page: Page) -> Parsed:
    """Read `11-20-24  08:14PM       <DIR>          name` and `11-20-2024  20:14                 4096 name`."""
    match = DOS_LINE.fullmatch(line)
    if match is None:
        return None
    day_text, clock, half, size_text, name = match.groups()
    if name in SELF_AND_PARENT:
        return SKIP
    kind, size = (DIR, None) if size_text is None else (FILE, size_of(size_text))
    day, time = page.dates.dos[day_text], CLOCK_TIMES.get(clock)
    if day is None or time is None:
        return RemoteFile(name, kind, size, None, 0, LOCAL_CLOCK)
    if half is not None:
        time = time % (DAY // 2) + (DAY // 2 if half in b"pP" else 0)  # 12:30AM is half past midnight
    return RemoteFile(name, kind, size, day + time, MINUTE, LOCAL_CLOCK)


DOS = Dialect("DOS", "IIS in its default style", _dos)
