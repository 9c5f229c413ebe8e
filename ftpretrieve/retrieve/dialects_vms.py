"""LIST of OpenVMS: MultiNet, UCX and TCP/IP Services, TCPware, CMU, Wollongong, and what imitates them.

What it decides, and why:

* A file keeps its version: `REPORT.TXT;3`. Several versions lie side by side; without the number they would be one name
  whose content goes back and forth. With it every new version is a new file, and RETR sends exactly that one.
* A directory is named as CWD wants it: `SUB.DIR;1` is `SUB`.
* A size is in blocks of 512 bytes, rounded up, and for records it counts their lengths too: unknown, therefore.
* `%RMS-E-PRV` and `no privilege` behind a name say that we may not read the file: skipped, as nothing could be fetched.
  Any other message of the server in the middle of a listing stays unreadable, so that the listing is suspect.
* The directory before a name (`[A.B]X.TXT;1`, `DISK:[A]X.TXT;1`) is the listed one, and no part of the name.

Long names stand on a line of their own, and the other columns, in any order, on the next one.

Pure: no input or output, no clock, no settings.
"""

import re

from ftpretrieve.months import ENGLISH
from ftpretrieve.retrieve.dialects import DIR, FILE, SKIP, Dialect, Page, Parsed
from ftpretrieve.retrieve.dialects_columns import MONTH, day_of, entry

TITLE = "VMS"
NAME_LIMIT_BYTES = 400  # ODS-5 allows 236 characters and a directory before them; what is held must stay small

DIRECTORY = rb"(?:[A-Za-z0-9_$-]++:)?[\[<][A-Za-z0-9_$.~-]*+[\]>]"
FILE_NAME = re.compile(rb"(?:" + DIRECTORY + rb")?([^ ;\[\]<>%]++);-?\d{1,5}")
PLAIN_NAME = re.compile(rb"(?:" + DIRECTORY + rb")?[A-Z0-9_$~^-]++\.[A-Z0-9_$~^.-]*+")  # where no versions are shown
DAY = re.compile(rb"(\d{1,2})-([A-Za-z]{3})-(\d{4})")
TIME = re.compile(rb"\d{1,2}:\d\d(?::\d\d(?:\.\d{1,7})?)?")
PROTECTION = re.compile(rb"\((?:[RWEDrwed]{0,4},){3}[RWEDrwed]{0,4}\)")
SIZE = re.compile(rb"\d{1,12}(?:/\d{1,19}|[KMGT]?B)?|\*++")  # used/allocated; stars when it does not fit
OWNER = re.compile(rb"\[[^\](]*+\]?|[A-Z][A-Z0-9_$]*+")
WORD = re.compile(rb"\[[^\](]*+\]?|[^ \t]++")  # an owner may have blanks, or be cut off before its `]`
SHAPES = (DAY, TIME, SIZE, PROTECTION, OWNER)
WOLLONGONG = re.compile(
    MONTH + rb" ++(?P<day>\d{1,2}) ++(\d\d:\d\d) ++(?P<year>\d{4}) ++\d++(?: ++\([RWED,]*+\))?", re.IGNORECASE
)
REFUSAL = re.compile(rb" *+(?:%RMS-E-|%SYSTEM-F-|no privilege|insufficient privilege)")
# What is printed around the files; the last two say that there are none.
AROUND = re.compile(
    rb" *+Directory ++(?:of ++)?(?:" + DIRECTORY + rb"|[A-Z0-9_$]++:) *+|"
    rb" *+(?:[A-Z0-9_$-]++:)?\[[A-Za-z0-9_$.~-]*+\] *+|"
    rb" *+[A-Z0-9_]++\$[A-Z0-9_$]++: *+|"
    rb" *+\((?:[RWED]{0,4},){3}[RWED]{0,4}\) *+|"  # a protection for which the line before had no room
    rb" *+(?:Grand total|Total) of \d.*|"
    rb" *+%DIRECT-W-NOFILES.*|%RMS-E-FNF.*",
    re.DOTALL,
)

MONTHS = {
    # VMS prints the months of SYS$LANGUAGE, in capitals, cut to three letters.
    b"fev": b"feb", b"mrz": b"mar", b"avr": b"apr", b"abr": b"apr", b"mai": b"may", b"mei": b"may", b"mag": b"may",
    b"maj": b"may", b"jui": b"jul", b"giu": b"jun", b"lug": b"jul", b"aou": b"aug", b"ago": b"aug", b"set": b"sep",
    b"okt": b"oct", b"ott": b"oct", b"out": b"oct", b"dez": b"dec", b"dic": b"dec", b"ene": b"jan", b"gen": b"jan",
}  # fmt: skip
"""French prints JUI for both June and July; July, as the listing then has a file that is too new, not one too old."""


def read_vms(line: bytes, page: Page) -> Parsed:
    """Read `REPORT.TXT;3   5/9   20-NOV-2024 20:14:12  [GROUP,OWNER]  (RWED,RWED,RE,)`, on one line or on two."""
    if page.held:
        return _continued(line, page)
    words = line.split(None, 1)
    if not words:
        return None
    if AROUND.fullmatch(line):
        page.header = TITLE
        return SKIP
    versioned = FILE_NAME.fullmatch(words[0]) is not None
    if not versioned and PLAIN_NAME.fullmatch(words[0]) is None:
        return None
    if len(words) == 1:
        if len(line) > NAME_LIMIT_BYTES or not (versioned or page.header == TITLE):
            return None
        page.held = line
        return SKIP
    return _columns(words[0], words[1], versioned)


def _continued(line: bytes, page: Page) -> Parsed:
    """Read the columns of the name that is held, and hold it no longer."""
    name = page.held.strip()
    if not line.strip() or FILE_NAME.match(line) or AROUND.fullmatch(line):
        return None
    found = _columns(name, line, True)
    if found is not None:
        page.held = b""
    return found


def _columns(name: bytes, rest: bytes, versioned: bool) -> Parsed:
    """Return the entry of a name and the columns behind it."""
    if REFUSAL.match(rest):
        return SKIP
    american = WOLLONGONG.fullmatch(rest.strip()) if versioned else None
    if american is not None:
        month, number, time, year = american.groups()
        return _file(name, day_of(year, month, number), time)
    found = _shapes(rest)
    if DAY not in found or SIZE not in found or not (versioned or PROTECTION in found):
        return None
    number, month, year = found[DAY].groups()
    month = MONTHS.get(month.lower(), month).lower()
    if month not in ENGLISH:
        return None
    return _file(name, day_of(year, month, number), found[TIME][0] if TIME in found else b"")


def _shapes(rest: bytes) -> dict[re.Pattern[bytes], re.Match[bytes]]:
    """Say which column is what, whatever their order; nothing when one is unknown or comes twice."""
    found: dict[re.Pattern[bytes], re.Match[bytes]] = {}
    for word in WORD.findall(rest):
        for shape in SHAPES:
            match = shape.fullmatch(word)
            if match is not None and shape not in found:
                found[shape] = match
                break
        else:
            return {}
    return found


def _file(name: bytes, day: int | None, time: bytes) -> Parsed:
    """Return the entry of a name without the directory before it; one that ends in `.DIR` is a directory."""
    if b"]" in name or b">" in name:
        name = name.replace(b">", b"]").rpartition(b"]")[2]
    stem = name.partition(b";")[0]
    if stem.upper().endswith(b".DIR") and stem[:-4].strip(b"."):
        return entry(stem[:-4], DIR, None, day, time)
    return entry(name, FILE, None, day, time)


VMS = Dialect(TITLE, "OpenVMS: TCP/IP Services (UCX), MultiNet, TCPware, CMU, Wollongong", read_vms)
