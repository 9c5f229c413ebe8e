"""Lines of IBM's mainframes, one row a shape, written after IBM's manuals with names and values of our own."""

import pytest

from ftpretrieve.retrieve.listing import ListingParser
from ftpretrieve.retrieve.records import MINUTE, SECOND, Clock, Kind, RemoteFile
from tests.retrieve.listing_checks import DIR, FILE, NOW, OTHER, read_all, secs

DATA_SETS = b"Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname"
MEMBERS = b" Name     VV.MM   Created       Changed      Size  Init   Mod   Id"
MODULES = b" Name      Size     TTR   Alias-of AC --------- Attributes --------- Amode Rmode"
JOBS = b"JOBNAME  JOBID    OWNER    STATUS CLASS"


# --- z/OS: data sets -------------------------------------------------------------------------------------------------

DATA_SET_ROWS = {
    "sequential": (b"WRK001 3390   2024/11/20  1   15  FB      80 27920  PS  KELLER.REPORT", (b"KELLER.REPORT", FILE)),
    "library": (b"WRK001 3390   2024/11/20  1   15  FB      80 27920  PO  KELLER.SOURCE", (b"KELLER.SOURCE", DIR)),
    "library-extended": (
        b"WRK001 3390   2024/11/20  1 1200  U        0  6144  PO-E KELLER.LOAD",
        (b"KELLER.LOAD", DIR),
    ),
    "never-referred": (b"WRK001 3390   **NONE**    1    1  VB     255 27998  PS  KELLER.NEW", (b"KELLER.NEW", FILE)),
    "os-390-date": (b"APCSPL 3380D  11/20/24  1    1  FB      80  8800  PS  KELLER.RPC", (b"KELLER.RPC", FILE)),
    "extents-run-into-used": (
        b"WRK001 3390   2024/11/20  313875  FB    1024 27648  PS  KELLER.BIG",
        (b"KELLER.BIG", FILE),
    ),
    "extents-run-into-the-date": (
        b"WRK001 3390   2024/11/20123 2415  U    18432 18432  PO  KELLER.LOADLIB",
        (b"KELLER.LOADLIB", DIR),
    ),
    "used-overflows": (b"WRK001 3390   2024/11/20  2 ++++  FB     904 18080  PS  KELLER.HUGE", (b"KELLER.HUGE", FILE)),
    "used-unknown": (b"WRK001 3420   2024/11/20  1 ????  FB      80  8053  PS  KELLER.TAPED", (b"KELLER.TAPED", FILE)),
    "direct": (b"WRK001 3390   2024/11/20  1    1  F       80    80  DA  KELLER.DIRECT", (b"KELLER.DIRECT", FILE)),
    "vsam-with-volume": (b"WRK001 3390                                      VSAM KELLER.KSDS", (b"KELLER.KSDS", OTHER)),
    "vsam-path": (
        b"WRK001 3390                                      PATH KELLER.AIX.PATH",
        (b"KELLER.AIX.PATH", OTHER),
    ),
    "vsam-without-volume": (b"                                            VSAM KELLER.KSDS", (b"KELLER.KSDS", OTHER)),
    "generation-group": (b"GDG                                                 KELLER.GDG", (b"KELLER.GDG", OTHER)),
    "migrated": (b"Migrated                                                KELLER.OLD", (b"KELLER.OLD", FILE)),
    "migrated-with-tabs": (b"Migrated\t\t\t\tKELLER.OLD", (b"KELLER.OLD", FILE)),
    "migrated-volume": (b"MIGRAT                                              KELLER.OLD", (b"KELLER.OLD", FILE)),
    "archived": (b"ARCIVE Not Direct Access Device                         KELLER.OLD", (b"KELLER.OLD", FILE)),
    "tape": (b"C03193 Tape                                             KELLER.TAPE", (b"KELLER.TAPE", FILE)),
    "qualifier": (b"Pseudo Directory                                        KELLER.JCL", (b"KELLER.JCL", DIR)),
    "unknown-attributes": (
        b"Error determining attributes                            KELLER.BAD",
        (b"KELLER.BAD", FILE),
    ),
    "fully-qualified": (
        b"WRK001 3390   2024/11/20  1   15  FB      80 27920  PS  'KELLER.REPORT'",
        (b"'KELLER.REPORT'", FILE),
    ),
    "migrated-fully-qualified": (
        b"Migrated                                                'KELLER.OLD'",
        (b"'KELLER.OLD'", FILE),
    ),
}


@pytest.mark.parametrize(("line", "expected"), DATA_SET_ROWS.values(), ids=DATA_SET_ROWS.keys())
def test_data_set(line: bytes, expected: tuple[bytes, Kind]) -> None:
    """The date is the last reference, which reading moves, and the size counts tracks: neither is ours."""
    (entry,) = read_all([DATA_SETS, line])
    assert entry == RemoteFile(expected[0], expected[1], None, None, 0, entry.clock)


def test_data_set_without_a_header() -> None:
    """A line with a volume, a unit and a date, or with a state in words, can be nothing else."""
    alone = [row[0] for name, row in DATA_SET_ROWS.items() if name not in ("vsam-without-volume", "generation-group")]
    assert all(len(read_all([line])) == 1 for line in alone)


def test_older_header_of_data_sets() -> None:
    """OS/390 calls the column `Date`."""
    assert read_all([b"Volume Unit       Date  Ext Used Recfm Lrecl BlkSz Dsorg Dsname"]) == []


# --- z/OS: members ---------------------------------------------------------------------------------------------------

MOMENT, SECS = secs(2024, 11, 20, 20, 14), secs(2024, 11, 20, 20, 14, 12)
MEMBER_ROWS = {
    "statistics": (
        [MEMBERS, b"PAYROLL   01.07 2023/01/02 2024/11/20 20:14    45    40     0 KELLER"],
        (b"PAYROLL", MOMENT, MINUTE),
    ),
    "statistics-without-header": (
        [b"  PAYROLL   01.07 2023/01/02 2024/11/20 20:14:12    45    40     0 KELLER"],
        (b"PAYROLL", SECS, SECOND),
    ),
    "two-digit-years": (
        [MEMBERS, b"PAYROLL   01.07 23/01/02 24/11/20 20:14    45    40     0 KELLER"],
        (b"PAYROLL", MOMENT, MINUTE),
    ),
    "no-statistics": ([MEMBERS, b" $INDEX@                                     "], (b"$INDEX@", None, 0)),
    "load-module": (
        [MODULES, b"EAGRTPRC  005F48   000011 EAGRTALT 00 FO             RN RU            31    ANY"],
        (b"EAGRTPRC", None, 0),
    ),
    "load-module-without-alias": (
        [b"EAGKCPT   00B308   000411          00 FO                              31    ANY"],
        (b"EAGKCPT", None, 0),
    ),
    "load-module-name-only": ([MODULES, b"IEFBR14"], (b"IEFBR14", None, 0)),
}


@pytest.mark.parametrize(("lines", "expected"), MEMBER_ROWS.values(), ids=MEMBER_ROWS.keys())
def test_member(lines: list[bytes], expected: tuple[object, ...]) -> None:
    """A member has the minute of its last change, if it has statistics; its size is in lines."""
    (entry,) = read_all(lines)
    assert (entry.name, entry.stamp, entry.precision) == expected
    assert (entry.kind, entry.size) == (FILE, None)


@pytest.mark.parametrize("line", [b"PAYROLL", b"VSAM KELLER.KSDS", b"GDG   KELLER.GDG", b"Alias  KELLER.A"])
def test_bare_words_need_a_header(line: bytes) -> None:
    """A word or two could be the line of any server, and any server's complaint."""
    parser = ListingParser(NOW, mlsd=False)
    assert parser.feed([line]) == []
    assert parser.unreadable == 1


# --- z/OS: jobs ------------------------------------------------------------------------------------------------------

JOB_ROWS = {
    "level-1-output": (b"KELLER1   JOB01906  OUTPUT    3 Spool Files", (b"JOB01906", FILE)),
    "level-1-active": (b"KELLER    TSU02913  ACTIVE", (b"TSU02913", OTHER)),
    "level-1-input": (b"KELLER1   JOB03194  INPUT ", (b"JOB03194", OTHER)),
    "level-2-output": (b"KELLER1  JOB01906 KELLER   OUTPUT A        RC=0000 3 spool files", (b"JOB01906", FILE)),
    "level-2-abend": (b"KELLER   TSU01830 KELLER   OUTPUT TSU      ABEND=522 3 spool files", (b"TSU01830", FILE)),
    "level-2-seven-digits": (
        b"KELLER1  J0887691 KELLER   OUTPUT A        (JCL error) 3 spool files",
        (b"J0887691", FILE),
    ),
    "level-2-active": (b"BPXAS    STC04218 START2   ACTIVE STC      ", (b"STC04218", OTHER)),
    "level-2-held-input": (b"KELLER1  JOB01907 KELLER   INPUT  A        -HELD-", (b"JOB01907", OTHER)),
}


@pytest.mark.parametrize(("line", "expected"), JOB_ROWS.values(), ids=JOB_ROWS.keys())
def test_job(line: bytes, expected: tuple[bytes, Kind]) -> None:
    """A job goes by its id, and only output can be fetched."""
    (entry,) = read_all([line])
    assert (entry.name, entry.kind, entry.size, entry.stamp) == (*expected, None, None)


def test_details_of_a_job_are_no_entries() -> None:
    """RETR of the job sends all its spool files: they are not listed beside it."""
    (entry,) = read_all(
        [
            JOBS,
            b"KELLER1  JOB02094 KELLER   OUTPUT A        RC=0000",
            b"--------",
            b"        ID  STEPNAME PROCSTEP C DDNAME   BYTE-COUNT",
            b"        001 JES2        N/A   H JESMSGLG      1582",
            b"        002 JES2        N/A   H JESJCL         324",
            b"2 spool files",
        ]
    )
    assert entry.name == b"JOB02094"
    assert read_all([b"No jobs found on Held queue"]) == []


# --- z/VM and z/VSE --------------------------------------------------------------------------------------------------

VM_ROWS = {
    "minidisk-fixed": (
        b"PROFILE  EXEC     F         80        128          3 2024-11-20 20:14:12 KEL191",
        (b"PROFILE.EXEC", FILE, 10240, SECS),
    ),
    "minidisk-variable": (
        b"PROFILE  EXEC     V         72        128          3 2024-11-20 20:14:12 KEL191",
        (b"PROFILE.EXEC", FILE, None, SECS),
    ),
    "sfs-directory": (
        b"ARCHIVE           DIR        -          -          - 2024-11-20 20:14:12 -",
        (b"ARCHIVE", DIR, None, SECS),
    ),
    "american-date": (
        b"OMA00215 PLAN     V         64         28          1 11/20/24 20:14:12 -",
        (b"OMA00215.PLAN", FILE, None, SECS),
    ),
    "file-mode": (
        b"MAIL     PROFILE  A2 F      80     2      1       11/20/24  20:14:12",
        (b"MAIL.PROFILE", FILE, 160, SECS),
    ),
    "file-mode-directory": (
        b"AUTHORS            A1 DIR    -      -      -       11/20/124  20:14:12",
        (b"AUTHORS", DIR, None, SECS),
    ),
    "no-file-type": (
        b"NAMELESS          F         80         10          1 2024-11-20 20:14:12 -",
        (b"NAMELESS", FILE, 800, SECS),
    ),
    "absurd-numbers": (
        b"A        B        F " + b"9" * 40 + b" " + b"9" * 40 + b" 1 2024-11-20 20:14:12 -",
        (b"A.B", FILE, None, SECS),
    ),
    "bfs-file": (b"11/20/2024 20:14:12 F 1      65758 'bfs line.cpy'", (b"bfs line.cpy", FILE, 65758, SECS)),
    "bfs-directory": (b"11/20/2024 20:14:12 D -          - 'ALTERNATE'", (b"ALTERNATE", DIR, None, SECS)),
    "reader": (
        b"0013 SMART    00000028 2024-11-20 20:14:12 NOTE     SCRIPT",
        (b"NOTE.SCRIPT", FILE, None, SECS),
    ),
    "vse-member": (b"PAYROLL.PROC 12 3 20/01/02 09:14:12 24/11/20 20:14:12 F", (b"PAYROLL.PROC", FILE, None, SECS)),
    "vse-member-never-changed": (b"PAYROLL.PROC 12 3 24/11/20 20:14:12 S", (b"PAYROLL.PROC", FILE, None, SECS)),
    "vse-sub-library": (b"PRODLIB  <Sub Library>   12   345 24-11-20 20:14:12", (b"PRODLIB", DIR, None, SECS)),
    "vse-catalog": (b"KELLER.MASTER 24-11-20 20:14:12 1200 K", (b"KELLER.MASTER", FILE, None, SECS)),
}


@pytest.mark.parametrize(("line", "expected"), VM_ROWS.values(), ids=VM_ROWS.keys())
def test_vm_line(line: bytes, expected: tuple[object, ...]) -> None:
    """A name and its type are joined by a dot; fixed records times their number are the size."""
    (entry,) = read_all([line])
    assert (entry.name, entry.kind, entry.size, entry.stamp) == expected
    assert entry.precision == SECOND


def test_vse_without_dates() -> None:
    """Its root has nothing but kinds, and its queues are in records and pages."""
    entries = read_all([b"PRODLIB  <Library>", b"PAYROLL.1234.0 100 2 100 3 D KELLER"])
    assert entries == [
        RemoteFile(b"PRODLIB", DIR, clock=Clock.LOCAL),
        RemoteFile(b"PAYROLL.1234.0", FILE, clock=Clock.LOCAL),
    ]


def test_header_of_a_file_list() -> None:
    """FILELIST prints names over its columns."""
    assert read_all([b"Filename FileType  Fm Format Lrecl  Records Blocks Date      Time"]) == []
