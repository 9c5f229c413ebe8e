"""LIST as it is printed by systems that are neither Unix nor Windows nor one of the mainframes: one row a system.

Rows stand in the order from the unmistakable to the vague. A column that counts blocks, records or pages is no size:
it says neither what will arrive nor whether it changed, so the size is unknown. Sources: EPLF, D. J. Bernstein,
https://cr.yp.to/ftp/list/eplf.html; the manuals of the systems, and listings published by their users.

Pure: no input or output, no clock (`now` is given), no settings.
"""

import re

from ftpretrieve.retrieve.dialects import (
    DIR,
    FILE,
    LINK,
    SELF_AND_PARENT,
    SKIP,
    UTC_CLOCK,
    Dialect,
    Page,
    Parsed,
    size_of,
)
from ftpretrieve.retrieve.dialects_columns import CLOCK, CLOCK_SECS, DMY, MDY, MONTH, WEEKDAY, WORDS, columns
from ftpretrieve.retrieve.records import SECOND, RemoteFile

# --- EPLF ------------------------------------------------------------------------------------------------------------

EPOCH_DIGITS = 11  # the year 5138; more make no date


def read_eplf(line: bytes, page: Page) -> Parsed:
    """Read `+i8388621.48594,m825718503,r,s280,\\tname`: facts, a tab, the name; the seconds count from 1970 in UTC.

    What is neither retrievable (`r`) nor a directory (`/`) is for nobody: skipped.
    """
    del page  # a reader's shape; the format names every second
    if line[:1] != b"+":
        return None
    facts, tab, name = line[1:].partition(b"\t")
    if not tab or not name:
        return None
    kind, size, stamp = None, None, None
    for fact in facts.split(b","):
        letter, value = fact[:1], fact[1:]
        if letter == b"/":
            kind = DIR
        elif letter == b"r":
            kind = FILE
        elif letter == b"s":
            size = size_of(value)
        elif letter == b"m" and value.isdigit() and len(value) <= EPOCH_DIGITS:
            stamp = int(value)
    if kind is None or name in SELF_AND_PARENT:
        return SKIP
    return RemoteFile(name, kind, size, stamp, 0 if stamp is None else SECOND, UTC_CLOCK)


NUMERIC_LINE = re.compile(rb"0?(10|4|12)[0-7]{4} ++\d++ ++\d++ ++(\d++) ++(\d{1,11}) ++(.+)", re.DOTALL)
NUMERIC_KINDS = {b"10": FILE, b"4": DIR, b"12": LINK}


def read_numeric(line: bytes, page: Page) -> Parsed:
    """Read `0100644   500  101   12345    1732133652       name`: mode, user, group, size, seconds since 1970."""
    del page  # a reader's shape; the format names every second
    match = NUMERIC_LINE.fullmatch(line)
    if match is None:
        return None
    type_, size, stamp, name = match.groups()
    if name in SELF_AND_PARENT:
        return SKIP
    return RemoteFile(name, NUMERIC_KINDS[type_], size_of(size), int(stamp), SECOND, UTC_CLOCK)


RULER_LINE = re.compile(rb"[-=_ ]*+")


def read_ruler(line: bytes, page: Page) -> Parsed:
    """Skip the `-----  ------` under the headers of columns, without forgetting the header."""
    del page  # a reader's shape
    return SKIP if RULER_LINE.fullmatch(line) else None


# --- lines of columns ------------------------------------------------------------------------------------------------

SYSTEMS: tuple[Dialect, ...] = (
    Dialect("EPLF", "publicfile, anonftpd, older FTP servers for Windows and Mac OS", read_eplf),
    Dialect(
        "Connect:Enterprise",
        "Sterling Connect:Enterprise for UNIX: batches by name, with $$, and mailboxes",
        columns(
            "Connect:Enterprise",
            rb"-[-A-Z]{9}(?:[A-Z]{3}|---) ++[A-Z] ++[^ ]++ ++\d++ ++(?P<size>\d++) ++" + MONTH + rb" ++"
            rb"(?P<day>\d{1,2}) ++(?:(?P<year>\d{4})|" + CLOCK + rb") (?P<name>.+)",
            rb"[^ ]++ ++#?\d{1,9} ++(?P<size>\d++) ++<(?P<name>[^>]++)>\+? ++"
            rb"(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d)-(?P<time>\d{4}) .*",
            rb"(?P<dir>d)(?: {2,3}-){3,7}(?: ++-)* (?P<name>[^ ].*)",
            skip=rb"(?i:total number of .*)",
        ),
    ),
    Dialect(
        "Connect:Express",
        "Sterling Connect:Express for OS/390: symbolic files",
        columns(
            "Connect:Express",
            rb"-[DF] [012] [TR*] ++(?:[A-Z]{1,4}|-) ++(?:\d++|-) ++(?:\d++|-) ++(?P<name>[^ ]++) *+",
        ),
    ),
    Dialect(
        "NonStop",
        "Tandem, HP NonStop Guardian; EOF is the size in bytes",
        columns(
            "NonStop",
            rb"(?P<name>[^ ]++) ++(?:O ++)?\d++[A-Z+]? ++(?P<size>\d++) ++" + DMY + rb" ++" + CLOCK_SECS + rb" ++"
            rb'\d++, *+\d++ ++"[^" ]*+" *+',
            skip=rb" *+File ++Code ++EOF .*RWEP *+",
        ),
    ),
    Dialect(
        "TOPS-20",
        "DEC TOPS-20: name.type.generation; the second date is the last write; pages, so the size is unknown",
        columns(
            "TOPS-20",
            rb"(?:[A-Z0-9$]++:)?(?:<[^>]++>)?(?P<name>[^ ;,<>]+?)(?P<dir>\.DIRECTORY\.\d++)?;P\d++;A[^,]*+,\d++,"
            rb"\d{1,2}-[A-Za-z]{3}-\d{4} [\d:]{7,8}," + DMY + rb" " + CLOCK_SECS + rb"(?:,.*)?",
            rb" *+(?P<name>[^ ;,<>]+?)(?P<dir>\.DIRECTORY\.\d++)?;P\d++ ++\d++ ++\d++\(\d++\) ++"
            + DMY
            + rb" ++"
            + CLOCK_SECS
            + rb"(?: .*)?",
            headed=(rb" *+(?P<name>[^ ;,<>:]+?)(?P<dir>\.DIRECTORY\.\d++)?", rb" *+(?P<name>[^ ;,<>:]++) *+"),
            skip=rb" *+[A-Z0-9$]++:<[^> ]++> *+",
        ),
    ),
    Dialect(
        "VxWorks",
        "Wind River VxWorks, and Nortel and Cisco devices that run it",
        columns(
            "VxWorks",
            rb" *+(?P<size>\d++) ++" + MONTH + rb"-(?P<day>\d{1,2})-(?P<year>\d{4}) ++" + CLOCK_SECS + rb" ++"
            rb"(?P<name>[^<]++)(?P<dir><DIR>)? *+",
            skip=rb" *+size ++date ++time ++name *+| *+value = .*",
        ),
    ),
    Dialect(
        "Nortel",
        "Bay Networks and Nortel routers, wfFtp",
        columns(
            "Nortel",
            rb" *+(?P<name>[^ ]++) ++(?P<size>\d++) ++" + MDY + rb" ++" + WEEKDAY + rb" ++" + CLOCK_SECS + rb" *+",
            skip=rb" *+(?:Volume - |Directory of |File Name ++Size ++Date ).*| *+[\d,]++ bytes - .*",
        ),
    ),
    Dialect(
        "Cisco",
        "Cisco IOS, ASA and NX-OS: the lines of `dir`",
        columns(
            "Cisco",
            rb" *+\d++ ++(?:(?P<dir>d)|-)[-rwx]{3} ++(?P<size>\d++) ++(?:<no date>|" + MONTH + rb" ++(?P<day>\d{1,2}) "
            rb"++(?P<year>\d{4}) ++" + CLOCK_SECS + rb"(?: (?P<zone>[-+]\d\d:\d\d))?) ++(?P<name>.+)",
            rb" *+(?P<size>\d++) ++" + MONTH + rb" ++(?P<day>\d{1,2}) ++" + CLOCK_SECS + rb" ++(?P<year>\d{4}) ++"
            rb"(?P<name>.+)",
            skip=rb" *+(?:Directory of |Usage for ).*| *+\d++ bytes (?:total|used|free).*",
        ),
    ),
    Dialect(
        "VShell",
        "VanDyke VShell",
        columns(
            "VShell",
            rb" *+(?P<size>\d++) ++" + MONTH + rb" (?P<day>\d\d), (?P<year>\d{4}) " + CLOCK + rb" (?P<name>.+)",
        ),
    ),
    Dialect("numeric", "servers that print the numbers of stat()", read_numeric),
    Dialect(
        "MPE",
        "HP 3000 MPE/iX, in a group and in a POSIX directory; words and records, so the size is unknown",
        columns(
            "MPE",
            rb"(?P<name>[A-Z][A-Z0-9]{0,7})\*? ++(?:-?[A-Z0-9]{1,6} ++)?\d++[BW] ++[A-Z]{2,3} ++\d++ ++\d++"
            rb"(?: ++\d++){0,4}(?: ++\*)? *+",
            rb" *+(?:-?[A-Z0-9]{1,6} ++)?\d++[BW] ++[A-Z]{2,3} ++\d++ ++\d++ ++\d++ ++\d++ ++\d++ ++(?:\*|\d++) ++"
            rb"(?P<name>[^ ].*)",
            skip=rb" *+(?:ACCOUNT *+= |PATH *+= |FILENAME ++CODE |CODE ++-|SIZE ++TYP ).*| *+\.?/?@ not found *+",
        ),
    ),
    Dialect(
        "OS-9",
        "Microware OS-9: year first, `2014` is the time",
        columns(
            "OS-9",
            rb" *+\d++\.\d++ ++(?P<year>\d\d)/(?P<month>\d\d)/(?P<day>\d\d) ++(?P<time>\d{4}) ++"
            rb"(?:(?P<dir>d)|-)[-sewr]{7} ++[0-9A-Fa-f]++ ++(?P<size>\d++) ++(?P<name>.+)",
            skip=rb" *+Directory of .*\d\d:\d\d:\d\d *+| *+Owner ++Last modified ++Attributes .*",
        ),
    ),
    Dialect(
        "VOS",
        "Stratus VOS, OpenVOS: blocks of 4,096 bytes and their index, so the size is unknown",
        columns(
            "VOS",
            rb" ?+[nuerwsm] ++\d++ ++(?:[a-z]{2,6} ++|(?P<dir>))(?P<year>\d\d)-(?P<month>\d\d)-(?P<day>\d\d) "
            + CLOCK_SECS
            + rb" {1,2}+(?P<name>.+)",
            rb" *+(?P<year>\d\d)-(?P<month>\d\d)-(?P<day>\d\d) "
            + CLOCK_SECS
            + rb" ++(?P<link>)(?P<name>[^ ]++) ++-> .*",
            skip=rb" *+(?:Files: \d++ ++Blocks: \d++|(?:Dirs|Links): \d++).*",
        ),
    ),
    Dialect(
        "MCP",
        "Unisys ClearPath MCP and OS 2200, native format",
        columns(
            "MCP",
            rb"(?P<name>[^ ]++) ++[A-Z][A-Z0-9]{2,16} ++(?P<size>\d++) ++"
            rb"(?P<month>\d\d)/(?P<day>\d\d)/(?P<year>\d{4}) ++" + CLOCK + rb" *+",
            skip=rb" *+Report for: .*| *+\d++ Files? ++\d++ Octets? *+",
        ),
    ),
    Dialect(
        "GCOS",
        "Bull GCOS 7 and GCOS 8",
        columns(
            "GCOS",
            rb"(?:(?P<dir>d)|-) [-dsm] [^ ]{4,8} " + WORDS + MONTH + rb" ++(?P<day>\d{1,2}),? (?P<year>\d{4}) "
            rb"(?P<name>.+)",
            rb"(?:(?P<dir>d)|-) [-dsm] [-0-9]{6} [A-Z]++ ++[A-Z0-9]++ {14,}+(?P<name>[^ ]++) *+",  # of unknown age
            rb"(?:(?P<dir>d)|-) [-rwxst]{3} [-rwxst]{3} [-rwxst]{3} ++(?P<size>\d++) ++"
            + MDY
            + rb"(?: "
            + CLOCK_SECS
            + rb")? ++[^ ]++ ++(?P<name>.+)",
        ),
    ),
    Dialect(
        "Information Exchange",
        "IBM and GXS Information Exchange FTP gateway: by message key",
        columns(
            "Information Exchange",
            rb" *+(?P<name>[0-9A-Za-z]++\._IE) ++[^ ]++ ++[^ ]++ ++[^ ]++ ++(?P<size>\d++) ++"
            rb"(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d) ++(?P<time>\d{6}) *+",
            rb" *+(?P<name>[0-9A-Za-z]++\._IE)(?: ++'[^']*+')? *+",
            skip=rb" *+Filename \(MSGKEY\) .*",
        ),
    ),
    Dialect(
        "AOS/VS",
        "Data General AOS/VS",
        columns(
            "AOS/VS",
            rb" *+(?P<name>[^ ]++) ++(?:(?P<dir>DIR|CPD|LDU)|(?P<link>LNK)|[A-Z]{3}) ++"
            + DMY
            + rb" ++"
            + CLOCK_SECS
            + rb" ++(?P<size>\d++) *+",
            skip=rb" *+Directory ++:[^ ]*+ *+",
        ),
    ),
    Dialect(
        "BS2000",
        "Fujitsu BS2000/OSD: pages, so the size is unknown",
        columns(
            "BS2000",
            rb"%? *+\d++\*? :[A-Z0-9]{1,4}:\$[A-Z0-9]++\.(?P<name>[^ ]++) *+",
            skip=rb"%?:[A-Z0-9]{1,4}: ++[A-Z]++: ++\d++ FILES .*",
        ),
    ),
    Dialect(
        "MUSIC/SP",
        "MUSIC/SP: sizes in K, so unknown",
        columns(
            "MUSIC/SP",
            headed=(
                rb"(?P<name>[^ ]++) ++\d*+(?:[FVU]C?|(?P<dir>DIR)) ++\d++K ++[^ ]++ ++(?P<day>\d\d)"
                + MONTH
                + rb"(?P<year>\d\d) ++"
                + rb"(?P<time>\d\d:\d\d(?::\d\d)?) .*",
            ),
            skip=rb" *+File name ++RlenRf ++Size .*",
        ),
    ),
    Dialect(
        "Xecom",
        "Xecom Micro RTOS: the files of its memory",
        columns(
            "Xecom",
            headed=(rb" *+(?:0x)?[0-9A-Fa-f]++ ++(?:0x)?[0-9A-Fa-f]++ ++(?P<size>\d++) ++(?P<name>[^ ].*)",),
            skip=rb" *+Start ++End ++length ++File name *+| *+\*\* ++Total ++\d++ files, .*",
        ),
    ),
    Dialect(
        "names",
        "servers that print a blank and a name; ` .` on top says so, else a banner would be a file",
        columns("names", headed=(rb" (?P<name>[^ ].*)",), skip=rb" \.\.?+"),
    ),
    Dialect("ruler", "whoever prints a header over columns", read_ruler),
)
"""Any of them may be asked about any line; those that share a shape with others wait for their header."""
