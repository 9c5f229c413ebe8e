"""LIST of IBM i (OS/400, AS/400): owner, size, date, time, `*TYPE`, name.

Pure: no input or output, no clock, no settings.
"""

import re

from ftpretrieve.retrieve.dates import full_year, midnight
from ftpretrieve.retrieve.dialects import DIR, FILE, LINK, OTHER, SELF_AND_PARENT, SKIP, Dialect, Page, Parsed, size_of
from ftpretrieve.retrieve.dialects_columns import entry

IBM_I_LINE = re.compile(
    rb"(?:[^ ]++)? ++"  # the owner
    rb"(?:(\d++) ++(\d{1,4})([-/.,])(\d{1,2})[-/.,](\d{1,4}) ++(\d\d[:.]\d\d[:.]\d\d) ++)?"
    rb"\*([A-Z]++) ++([^ ].*)",
    re.DOTALL,
)
# Everything else is an object that FTP cannot send. A *FILE is a database file or a save file; RETR sends its first
# member or the save file itself.
IBM_I_KINDS = dict.fromkeys((b"STMF", b"DSTMF", b"FILE", b"MEM", b"MBR", b"DOC", b"SAVF", b"USRSPC"), FILE)
IBM_I_KINDS |= dict.fromkeys((b"DIR", b"DDIR", b"LIB", b"FLR"), DIR) | dict.fromkeys((b"SYMLNK",), LINK)
EXACT_SIZES = frozenset((b"STMF", b"DSTMF"))  # of the others the space they take, not the bytes that RETR sends


def read_ibm_i(line: bytes, page: Page) -> Parsed:
    """Read `QPGMR          9069 20/11/24 20:14:12 *STMF      name` of OS/400 and IBM i, and members without a date.

    A member is `FILE.FILE/MEMBER.MBR`, which is what RETR takes; of a full path only the last part is the name.
    """
    del page  # a reader's shape
    match = IBM_I_LINE.fullmatch(line)
    if match is None:
        return None
    size_text, first, mark, second, third, time, type_, name = match.groups()
    if time is None and type_ not in IBM_I_KINDS:  # nothing but a word with a star: not enough to know it by
        return None
    kind = IBM_I_KINDS.get(type_, OTHER)
    name = name.rstrip(b" ").removesuffix(b"/")
    if name.startswith(b"/"):
        name = name.rpartition(b"/")[2]
    if not name or name in SELF_AND_PARENT:
        return SKIP
    size = size_of(size_text) if size_text and type_ in EXACT_SIZES else None
    day = ibm_i_day(first, mark, second, third) if time else None
    return entry(name, kind, size, day, (time or b"").replace(b".", b":"))


# The date is in the format of the server's job: *YMD, *MDY or *DMY, any separator. Where several orders are possible
# the first of these is taken, the usual one of the countries with that separator. `04/03/24` stays ambiguous. Other
# lines of the listing are not asked: a stamp must not move because another file came or went.
ORDERS = {b"/": ("mdy", "dmy", "ymd"), b"-": ("ymd", "mdy", "dmy")}
USUAL_ORDERS = ("dmy", "mdy", "ymd")


def ibm_i_day(first: bytes, mark: bytes, second: bytes, third: bytes) -> int | None:
    """Return the midnight of a day in the first order in which it is one."""
    parts = (int(first), int(second), int(third))
    for order in ORDERS.get(mark, USUAL_ORDERS):
        year = parts[order.index("y")]
        if max(len(first), len(third)) > 2 and len((first, second, third)[order.index("y")]) < 4:
            continue  # a year of four digits says itself where it stands
        found = midnight(full_year(year), parts[order.index("m")], parts[order.index("d")])
        if found is not None:
            return found
    return None


IBM_I = Dialect("IBM i", "IBM i, OS/400, AS/400", read_ibm_i)
