"""LIST of IBM's mainframes: z/OS data sets, members and jobs, z/VM files, z/VSE libraries.

What it decides, and why:

* A data set has no stamp: the date in its line is the last *reference*, which moves whenever anybody reads it, so our
  own RETR would make it look new. Its size is in tracks: unknown. A member has the date of its last change, but its
  size is in lines; without ISPF statistics it has nothing but its name.
* `PO` and `PO-E` are libraries of members, that is directories, and so is a `Pseudo Directory`. VSAM, its paths and
  generation groups cannot be sent by FTP: other. A migrated data set is fetched, which recalls it; whether it is a
  library is not known before.
* A name in quotes is fully qualified; the quotes belong to the name that RETR takes, because without them the server
  puts the working directory before it.
* A job is named by its id, as RETR wants it. Only held output can be fetched.
* A file of z/VM is `NAME.TYPE`. With fixed records its size is their length times their number; with variable records
  both numbers are bounds only.

Pure: no input or output, no clock (`now` is given), no settings.
"""

import re

from ftpretrieve.retrieve.dialects import DIR, FILE, OTHER, SKIP, Dialect, Page, Parsed, size_of
from ftpretrieve.retrieve.dialects_columns import CLOCK_SECS, columns, day_of, entry
from ftpretrieve.retrieve.records import RemoteFile

# --- z/OS: data sets -------------------------------------------------------------------------------------------------

DATA_SETS, MEMBERS, MODULES, JOBS = "MVS", "PDS", "load library", "JES"

DATA_SET_HEADER = re.compile(rb" *+Volume ++(?:Unit ++)?(?:Referred|Date) ++Ext .*Dsname *+")
QUOTED = rb"'[^']{1,54}'"
# Columns run into each other when a number is long (`313875`, `1+++++`, `2010/03/09123`): only the first two, the
# organization and the name are relied on.
DATA_SET_LINE = re.compile(
    rb" *+[A-Z0-9@#$*-]{1,6} ++(?:[A-Z0-9-]{3,7} ++)?(?:\d{2,4}/\d\d/\d\d|\*\*NONE\*\*)[^ ]*+ ++"
    rb"(?:[^ ]++ ++){2,7}?([A-Z0-9?*][A-Z0-9?*-]{0,5}) ++(" + QUOTED + rb"|[^ ']++) *+"
)
# Those without attributes; `Tape` stands in the column of the unit, VSAM and its like in that of the organization.
TAPE_LINE = re.compile(rb" *+[A-Z0-9@#$*-]{1,6} ++Tape ++(" + QUOTED + rb"|[^ ']++) *+")
VSAM_LINE = re.compile(
    rb" *+[A-Z0-9@#$*-]{1,6} ++[A-Z0-9-]{3,7} ++(?:VSAM|PATH|GDG|HFS|ZFS|AIX) ++(" + QUOTED + rb"|[^ ']++) *+"
)
BARE_LINE = re.compile(rb" *+(?:VSAM|PATH|GDG|HFS|ZFS|AIX|Alias) ++(" + QUOTED + rb"|[^ ']++) *+")
STATE_LINE = re.compile(
    rb" *+(Migrated|MIGRAT|ARCIVE|ARCIVE Not Direct Access Device|Not Mounted|Not Direct Access Device|"
    rb"Pseudo Directory|User catalog connector|Error determining attributes)"
    rb"[ \t]++(" + QUOTED + rb"|[^ '\t]++) *+"
)
STATE_KINDS = {b"Pseudo Directory": DIR, b"User catalog connector": OTHER}
NOT_SENT = frozenset((b"VS", b"VSAM", b"HFS", b"ZFS", b"PATH", b"AM", b"AIX"))


def read_data_set(line: bytes, page: Page) -> Parsed:
    """Read `WRK001 3390   2024/11/20  1   15  FB      80 27920  PO  USER.SOURCE`, also migrated, on tape and VSAM."""
    match = DATA_SET_LINE.fullmatch(line)
    if match is not None:
        organization, name = match.groups()
        kind = DIR if organization.startswith(b"PO") else OTHER if organization in NOT_SENT else FILE
        return RemoteFile(name, kind)
    match = STATE_LINE.fullmatch(line)
    if match is not None:
        state, name = match.groups()
        return RemoteFile(name, STATE_KINDS.get(state, FILE))
    match = TAPE_LINE.fullmatch(line)
    if match is not None:
        return RemoteFile(match[1], FILE)
    match = VSAM_LINE.fullmatch(line) or (BARE_LINE.fullmatch(line) if page.header == DATA_SETS else None)
    if match is not None:
        return RemoteFile(match[1], OTHER)
    if DATA_SET_HEADER.fullmatch(line):
        page.header = DATA_SETS
        return SKIP
    return None


# --- z/OS: members ---------------------------------------------------------------------------------------------------

MEMBER_HEADER = re.compile(rb" *+Name ++VV\.MM ++Created .*")
MODULE_HEADER = re.compile(rb" *+Name ++Size ++TTR .*")
MEMBER_LINE = re.compile(
    rb" *+([^ ]++) ++\d\d\.\d\d ++\d{2,4}/\d\d/\d\d ++(\d{2,4})/(\d\d)/(\d\d) ++(\d\d:\d\d(?::\d\d)?)(?: .*)?"
)
MODULE_LINE = re.compile(rb" *+([^ ]++) ++[0-9A-F]{6,8} ++[0-9A-F]{6} ++(?:[^ ]{1,8} ++)?[0-9A-F]{2}(?: .*)?")
BARE_MEMBER = re.compile(rb" *+([A-Z@#$][A-Z0-9@#${]{0,7}) *+")


def read_member(line: bytes, page: Page) -> Parsed:
    """Read `PAYROLL   01.07 2023/01/02 2024/11/20 20:14    45    40     0 USER1`, load modules and bare names."""
    match = MEMBER_LINE.fullmatch(line)
    if match is not None:
        name, year, month, day, time = match.groups()
        return entry(name, FILE, None, day_of(year, month, day), time)
    match = MODULE_LINE.fullmatch(line)
    if match is None and page.header in (MEMBERS, MODULES):
        match = BARE_MEMBER.fullmatch(line)
    if match is not None:
        return RemoteFile(match[1], FILE)
    for header, title in ((MEMBER_HEADER, MEMBERS), (MODULE_HEADER, MODULES)):
        if header.fullmatch(line):
            page.header = title
            return SKIP
    return None


# --- z/OS: jobs ------------------------------------------------------------------------------------------------------

JOB_ID = rb"((?:JOB|TSU|STC)\d{5}|[JTS]\d{7})"
JOB_LINE = re.compile(
    rb" *+[A-Z0-9@#$]{1,8} ++" + JOB_ID + rb" ++(?:[^ ]{1,8} ++)??"  # the owner: interface level 2
    rb"(INPUT|ACTIVE|OUTPUT|HELD|HOLD)(?: .*)?"
)
JOB_HEADER = re.compile(rb" *+JOBNAME ++JOBID ++.*")
# The details of one job: its steps and the sizes of its spool files, all of which RETR of the job sends at once.
JOB_DETAILS = re.compile(
    rb" *+(?:ID ++STEPNAME |STEPNAME |CPUTIME |\d{3} ++[^ ]++ ++[^ ]++ ++[^ ] ++[^ ]++ ++\d++|\d++ [Ss]pool [Ff]iles).*"
)
NO_JOBS = re.compile(rb" *+No jobs found.*", re.IGNORECASE)


def read_job(line: bytes, page: Page) -> Parsed:
    """Read `PAYROLL  JOB01906 USER1    OUTPUT A        RC=0000 3 spool files`, both interface levels."""
    match = JOB_LINE.fullmatch(line)
    if match is not None:
        page.header = JOBS
        return RemoteFile(match[1], FILE if match[2] == b"OUTPUT" else OTHER)
    if JOB_HEADER.fullmatch(line) or NO_JOBS.fullmatch(line):
        page.header = JOBS
        return SKIP
    return SKIP if page.header == JOBS and JOB_DETAILS.fullmatch(line) else None


# --- z/VM ------------------------------------------------------------------------------------------------------------

CMS_HEADER = re.compile(rb" *+Filename ++FileType ++Fm ++Format .*", re.IGNORECASE)
CMS_LINE = re.compile(
    rb" *+([^ ]++) ++(?:([^ ]++) ++)??(?:[A-Z]\d ++)?(F|V|DIR|DIRC|DIRCONTROL) ++(\d++|-) ++(\d++|-) ++(?:\d++|-) ++"
    rb"(\d{1,4})[-/](\d{1,2})[-/](\d{1,3}) ++(\d{1,2}:\d\d:\d\d)(?: ++[^ ]++)* *+"
)


def read_cms(line: bytes, page: Page) -> Parsed:
    """Read `PROFILE  EXEC     V         72        128          3 2024-11-20 20:14:12 USR191` and with a file mode."""
    match = CMS_LINE.fullmatch(line)
    if match is None:
        if CMS_HEADER.fullmatch(line):
            page.header = "CMS"
            return SKIP
        return None
    name, type_, shape, length, records, first, second, third, time = match.groups()
    # `2024-11-20`, or American `11/20/24`, whose years went on to 102 and 103.
    day = day_of(first, second, third) if len(first) == 4 else day_of(third, first, second)
    if shape.startswith(b"DIR"):
        return entry(name, DIR, None, day, time)
    size = size_of(b"%d" % (int(length) * int(records))) if shape == b"F" and len(length + records) < 20 else None
    return entry(name if type_ is None else name + b"." + type_, FILE, size, day, time)


VSE_MOMENT = rb"(?P<year>\d\d|\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d) ++" + CLOCK_SECS

MAINFRAME: tuple[Dialect, ...] = (
    Dialect(DATA_SETS, "IBM z/OS, OS/390, MVS: data sets", read_data_set),
    Dialect(MEMBERS, "IBM z/OS, OS/390, MVS: members of a library", read_member),
    Dialect(JOBS, "IBM z/OS, OS/390: the spool, interface levels 1 and 2", read_job),
    Dialect("CMS", "IBM z/VM, VM/ESA, VM/SP: minidisks and SFS", read_cms),
    Dialect(
        "BFS",
        "IBM z/VM: the byte file system",
        columns(
            "BFS",
            rb"(?P<month>\d\d)/(?P<day>\d\d)/(?P<year>\d{4}) ++" + CLOCK_SECS + rb" ++"
            rb"(?:F ++\d++ ++(?P<size>\d++)|(?P<dir>D) ++- ++-|(?P<link>L) ++- ++-|(?P<other>[A-Z]) ++- ++-) ++"
            rb"'(?P<name>[^']++)'?+ *+",
        ),
    ),
    Dialect(
        "VM reader",
        "IBM z/VM: the virtual reader; it counts records",
        columns(
            "VM reader",
            rb"\d{4} ++[^ ]++ ++\d{8} ++(?P<year>\d\d(?:\d\d)?)[-/](?P<month>\d\d)[-/](?P<day>\d\d) ++"
            + CLOCK_SECS
            + rb" ++(?P<name>[^ ]++)(?: ++(?P<type>[^ ]++))? *+",
        ),
    ),
    Dialect(
        "VSE",
        "IBM z/VSE: libraries, members, VSAM catalogs, VTOC, POWER queues; all in records or blocks",
        columns(
            "VSE",
            rb"(?P<name>[^ ]++) ++(?P<dir><(?:Sub Library|Library|Directory|VSAM Catalog|(?:VSE )?VTOC|Power Queues)>)"
            rb"(?: ++\d++ ++\d++ ++" + VSE_MOMENT + rb")? *+",
            rb"(?P<name>[^ ]++) ++" + VSE_MOMENT + rb" ++\d++ ++[EKRSDVIU] *+",
            rb"(?P<name>[^ ]++) ++\d++ ++\d++ ++(?:\d\S*+ [\d:]{8} ++)??" + VSE_MOMENT + rb" ++[FS] *+",
            rb"(?P<name>[A-Z0-9@#$]++\.\d++\.\d++) ++\d++ ++\d++ ++\d++ ++\d ++[ADHKLXYIT*](?: ++[^ ]++)? *+",
        ),
    ),
)
