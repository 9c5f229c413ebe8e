"""Lines of systems that are neither Unix nor Windows nor a mainframe, one row a shape, each with the system's name.

Written after the formats' definitions and manuals, with names and values of our own.
"""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.retrieve.dates import Dates
from ftpretrieve.retrieve.dialects import SKIP, Page
from ftpretrieve.retrieve.dialects_table import LIST_DIALECTS
from ftpretrieve.retrieve.listing import ListingParser
from ftpretrieve.retrieve.records import DAY, MINUTE, SECOND, Clock, Kind, RemoteFile
from tests.retrieve.listing_checks import DIR, FILE, LINK, NOW, OTHER, read_all, secs

Row = tuple[list[bytes], tuple[bytes, Kind, int | None, int | None, int]]

MOMENT, SECS = secs(2024, 11, 20, 20, 14), secs(2024, 11, 20, 20, 14, 12)
RECENT = secs(2026, 11, 20, 20, 14)
ROWS: dict[str, Row] = {
    "eplf-file": ([b"+i838.48,m1732133652,r,s280,up644,\tan eplf file"], (b"an eplf file", FILE, 280, SECS, SECOND)),
    "eplf-directory": ([b"+m1732133652,/,\tsub"], (b"sub", DIR, None, SECS, SECOND)),
    "eplf-without-facts-but-r": ([b"+r,\tx"], (b"x", FILE, None, None, 0)),
    "eplf-tab-and-comma-in-name": ([b"+r,s1,\ta\tb, c"], (b"a\tb, c", FILE, 1, None, 0)),
    "eplf-absurd-numbers": ([b"+r,s" + b"9" * 99 + b",m" + b"9" * 99 + b",\tx"], (b"x", FILE, None, None, 0)),
    "names-only": ([b" .", b" ..", b" a name.txt"], (b"a name.txt", FILE, None, None, 0)),
    "numeric-file": ([b"0100644   500  101   12345    1732133652       a b"], (b"a b", FILE, 12345, SECS, SECOND)),
    "numeric-directory": ([b"040755 0 0 4096 1732133652 sub"], (b"sub", DIR, 4096, SECS, SECOND)),
    "netware-file": (
        [b"- [RWCEAFMS] mkeller                      214059 Nov 20 20:14 Yearly report.doc"],
        (b"Yearly report.doc", FILE, 214059, RECENT, MINUTE),
    ),
    "netware-directory-with-year": (
        [b"d [R----F--] supervisor                      512 Nov 20  2024 LOGIN"],
        (b"LOGIN", DIR, None, secs(2024, 11, 20), DAY),
    ),
    "netware-3-columns": (
        [b"- [R----F--] mkeller            214059       Nov 20 20:14    report"],
        (b"report", FILE, 214059, RECENT, MINUTE),
    ),
    "netware-leading-blank": (
        [b"- [R----F--] mkeller            2140 Nov 20 20:14  report"],
        (b" report", FILE, 2140, RECENT, MINUTE),
    ),
    "netware-print-services": (
        [b"-[-RWCE-F-] mkeller                   11820 Nov 20 24 20:14  drivers.doc"],
        (b"drivers.doc", FILE, 11820, MOMENT, MINUTE),
    ),
    "netware-print-services-half-days": (
        [b"-[RWCEAFMS] server1          3166     Nov 20, 24 8:14 pm vol$log.err"],
        (b"vol$log.err", FILE, 3166, MOMENT, MINUTE),
    ),
    "netware-print-services-directory": (
        [b"D[RWCEAFMS] server1          512     Nov 20, 24 8:14 pm sub"],
        (b"sub", DIR, None, MOMENT, MINUTE),
    ),
    "netware-print-services-nfs": (
        [b"-rw------ - 2 root wheel   512  Nov 20, 24 8:14 pm deleted.sav"],
        (b"deleted.sav", FILE, 512, MOMENT, MINUTE),
    ),
    "hellsoft-with-links": (
        [b"-[RWCEMFA] 1 mkeller                   7108 Nov 20 20:14 name"],
        (b"name", FILE, 7108, RECENT, MINUTE),
    ),
    "connect-enterprise": (
        [b"-C--E-----FTP B PAYROLL      7670  1294495 Nov 20 20:14 MARCH RUN"],
        (b"MARCH RUN", FILE, 1294495, RECENT, MINUTE),
    ),
    "connect-enterprise-year": (
        [b"-ARTE-----TCP A PAYROLL    22159   629629 Nov 20 2024 BATCH"],
        (b"BATCH", FILE, 629629, secs(2024, 11, 20), DAY),
    ),
    "connect-enterprise-by-number": (
        [
            b"ACME    00000020 00000152 <test batch>+      241120-2014 CD   FTP ASC",
            b"Total Number of batches listed: 1",
        ],
        (b"test batch", FILE, 152, MOMENT, MINUTE),
    ),
    "connect-enterprise-mailbox": (
        [b"d   -   -   -  -  -  -  - PAYROLL", b"Total number of Mailboxes = 1"],
        (b"PAYROLL", DIR, None, None, 0),
    ),
    "connect-express": ([b"-D 2 T VB  00244 18000 ORDERS!PSR$TST.A"], (b"ORDERS!PSR$TST.A", FILE, None, None, 0)),
    "nonstop": (
        [
            b"File         Code             EOF  Last Modification    Owner  RWEP",
            b'RPTFILE       101            16354 20-Nov-24 20:14:12 244, 10 "nunu"',
        ],
        (b"RPTFILE", FILE, 16354, SECS, SECOND),
    ),
    "nonstop-open-file-and-joined-owner": (
        [b'TACLCSTM   O  700O            101  20-Nov-24  20:14:12 255,255 "oooo"'],
        (b"TACLCSTM", FILE, 101, SECS, SECOND),
    ),
    "tops-20": (
        [b"<MKELLER>LOGIN.CMD.3;P777700;A,1,15-Aug-2003 09:42:12,20-Nov-2024 20:14:12,16-Nov-1858 16:00:00"],
        (b"LOGIN.CMD.3", FILE, None, SECS, SECOND),
    ),
    "tops-20-directory": (
        [b"<MKELLER>SRC.DIRECTORY.1;P20200;A,1,15-Aug-2003 09:42:12,20-Nov-2024 20:14:12"],
        (b"SRC", DIR, None, SECS, SECOND),
    ),
    "tops-20-pages-and-bytes-of-7-bits": (
        [b" PS:<MKELLER>", b"NOTES.TXT.3;P777700        2 4096(7)    20-Nov-2024 20:14:12 MKELLER"],
        (b"NOTES.TXT.3", FILE, None, SECS, SECOND),
    ),
    "tops-20-names-only": ([b"PS:<MKELLER>", b"MSGS.TXT.1"], (b"MSGS.TXT.1", FILE, None, None, 0)),
    "vxworks-file": (
        [
            b"  size          date       time       name",
            b"--------       ------     ------    --------",
            b"   20480    Nov-20-2024  20:14:12   boot.ini              ",
        ],
        (b"boot.ini", FILE, 20480, SECS, SECOND),
    ),
    "vxworks-directory": (
        [b"    2048    Nov-20-2024  20:14:12   log files         <DIR>"],
        (b"log files", DIR, None, SECS, SECOND),
    ),
    "nortel": (
        [
            b"       Volume - drive 1:",
            b"    Directory of 1:",
            b"File Name             Size    Date     Day        Time",
            b"ti.cfg             1014196  11/20/24  Wed.   20:14:12",
            b" 4194304 bytes - Total size",
        ],
        (b"ti.cfg", FILE, 1014196, SECS, SECOND),
    ),
    "nx-os": (
        [b"      18432    Nov 20 20:14:12 2024  startup", b"Usage for bootflash://sup-local"],
        (b"startup", FILE, 18432, SECS, SECOND),
    ),
    "nx-os-directory": ([b"       4096    Nov 20 20:14:12 2024  log/"], (b"log", DIR, None, SECS, SECOND)),
    "asa": ([b"    9  -rwx  15243264    Nov 20 2024 20:14:12  asa.bin"], (b"asa.bin", FILE, 15243264, SECS, SECOND)),
    "ios-without-date": ([b"    2  -rw-        1204  <no date>  running"], (b"running", FILE, 1204, None, 0)),
    "vshell": ([b"206876  Nov 20, 2024 20:14 a file"], (b"a file", FILE, 206876, MOMENT, MINUTE)),
    "vshell-directory": ([b"0  Nov 20, 2024 20:14 sub/"], (b"sub", DIR, None, MOMENT, MINUTE)),
    "mpe-group": (
        [
            b"ACCOUNT=  PAYROLL     GROUP=  PUB",
            b" PATH= /PAYROLL/PUB/",
            b"",
            b"FILENAME  CODE  ------------LOGICAL RECORD-----------  ----SPACE----",
            b"                  SIZE  TYP        EOF      LIMIT R/B  SECTORS #X MX",
            b"REPORT    PROG    128W  FB         345        345   1      352  1  *",
        ],
        (b"REPORT", FILE, None, None, 0),
    ),
    "mpe-posix": (
        [b"                    32W  HBD          8   67107839   1       32  1  *  sub/"],
        (b"sub", DIR, None, None, 0),
    ),
    "mpe-open-file-short-columns": ([b"SCREEN*       256B  FA   800   10000"], (b"SCREEN", FILE, None, None, 0)),
    "os-9": (
        [
            b"                           Directory of . 11:44:44",
            b" Owner   Last modified  Attributes Sector Bytecount Name",
            b"-------  -------------  ---------- ------ --------- ----",
            b"   0.20   24/11/20 2014  --ewrewr     2650     85920 report",
        ],
        (b"report", FILE, 85920, MOMENT, MINUTE),
    ),
    "os-9-directory": ([b"20.20 24/11/20 2014 d-ewrewr 3F 96 SRC"], (b"SRC", DIR, None, MOMENT, MINUTE)),
    "vos-file": (
        [b"Files: 1  Blocks: 158", b"w    158 stm 24-11-20 20:14:12  acctng.cobol"],
        (b"acctng.cobol", FILE, None, SECS, SECOND),
    ),
    "vos-directory": ([b"Dirs: 1", b"m      1 24-11-20 20:14:12  reports"], (b"reports", DIR, None, SECS, SECOND)),
    "vos-link": (
        [b"Links: 1", b"        24-11-20 20:14:12  abbreviations      -> %phx#m2>system>abbreviations"],
        (b"abbreviations", LINK, None, SECS, SECOND),
    ),
    "mcp": (
        [
            b"Report for: (PAYROLL)A ON PACK",
            b"A/B/REPORT              SEQDATA    84 11/20/2024  20:14",
            b"          1 Files      84 Octets",
        ],
        (b"A/B/REPORT", FILE, 84, MOMENT, MINUTE),
    ),
    "gcos-7": (
        [b"- - -----0 SEPT         SYSADMIN         NOV 20, 2024 SEQ1"],
        (b"SEQ1", FILE, None, secs(2024, 11, 20), DAY),
    ),
    "gcos-7-undated": ([b"d d -----0 SEPT         SYSADMIN                      UFAS"], (b"UFAS", DIR, None, None, 0)),
    "gcos-8": (
        [b"- rwx rwx ---        1280 11/20/24 20:14:12  mkeller       report"],
        (b"report", FILE, 1280, SECS, SECOND),
    ),
    "gcos-8-catalog": (
        [b"d rwx rwx ---           0 11/20/24           mkeller       catalog1"],
        (b"catalog1", DIR, None, secs(2024, 11, 20), DAY),
    ),
    "distinct": ([b"-wa--          23  Nov 20,2024  20:14  a file.txt"], (b"a file.txt", FILE, 23, MOMENT, MINUTE)),
    "pc-tcp": ([b"     40774              IO.SYS   Wed Nov 20 20:14:12 2024"], (b"IO.SYS", FILE, 40774, SECS, SECOND)),
    "pc-tcp-directory": (
        [b"<dir>                     UTIL   Wed Nov 20 20:14:12 2024"],
        (b"UTIL", DIR, None, SECS, SECOND),
    ),
    "chameleon": ([b"DESIGN.DOC      11264      Nov 20 2024 20:14   RA"], (b"DESIGN.DOC", FILE, 11264, MOMENT, MINUTE)),
    "chameleon-directory": ([b"CMT             <DIR>      Nov 20 2024 20:14"], (b"CMT", DIR, None, MOMENT, MINUTE)),
    "os2-file": (
        [b"               612  RHSA           11-20-24   20:14  air tra1.bag"],
        (b"air tra1.bag", FILE, 612, MOMENT, MINUTE),
    ),
    "os2-directory": (
        [b"                 0  RHS   DIR      11-20-24   20:14  ATTACH"],
        (b"ATTACH", DIR, None, MOMENT, MINUTE),
    ),
    "os2-no-attributes-year-2000": (
        [b"            310992                 11-20-124  20:14  INSTALL.EXE"],
        (b"INSTALL.EXE", FILE, 310992, MOMENT, MINUTE),
    ),
    "supertcp": (
        [b"DESIGN.DOC          11264      11/20/24        20:14"],
        (b"DESIGN.DOC", FILE, 11264, MOMENT, MINUTE),
    ),
    "supertcp-long-name": (
        [b"LEADIN~1     <DIR>     11-20-2024  20:14  Leading blank"],
        (b" Leading blank", DIR, None, MOMENT, MINUTE),
    ),
    "ncsa-telnet": (
        [b"README.TXT     1043     11-20-2024  20:14", b"20480-Bytes Available"],
        (b"README.TXT", FILE, 1043, MOMENT, MINUTE),
    ),
    "pc-nfs": ([b"prog1    exe     2,563,136 11-20-24   8:14p"], (b"prog1.exe", FILE, 2563136, MOMENT, MINUTE)),
    "pc-nfs-directory": ([b"temp         <dir>         11-20-24   8:14p"], (b"temp", DIR, None, MOMENT, MINUTE)),
    "information-exchange": (
        [
            b"  Filename (MSGKEY)        Sender      Class   Size       Date   Time",
            b"FFAD59A3FB10054AC5F1._IE  ACCT1 USER1  ORDERS  0000006501 241120 201412",
        ],
        (b"FFAD59A3FB10054AC5F1._IE", FILE, 6501, SECS, SECOND),
    ),
    "information-exchange-short": ([b"FFAD59A3FB10054AC5F1._IE"], (b"FFAD59A3FB10054AC5F1._IE", FILE, None, None, 0)),
    "winqvt": ([b"my test.txt                     7  11-20-2024 20:14"], (b"my test.txt", FILE, 7, MOMENT, MINUTE)),
    "aos-vs": (
        [b"  Directory :UDD:MKELLER", b"  REPORT.LS         TXT  20-Nov-24 20:14:12     1234"],
        (b"REPORT.LS", FILE, 1234, SECS, SECOND),
    ),
    "amiga": ([b"Work files      Dir ----rwed 20-Nov-24 20:14:12"], (b"Work files", DIR, None, SECS, SECOND)),
    "ka9q": (
        [b"access.txt        1,067 20:14 11/20/24", b"43 files. 11,642,880 bytes free."],
        (b"access.txt", FILE, 1067, MOMENT, MINUTE),
    ),
    "ka9q-directory": ([b"arc/                    20:14 11/20/24   "], (b"arc", DIR, None, MOMENT, MINUTE)),
    "bs2000": (
        [b"%      12 :10SN:$MKELLER.REPORT.LST", b"%:10SN: PUBLIC:      1 FILES RES=        12"],
        (b"REPORT.LST", FILE, None, None, 0),
    ),
    "music": (
        [
            b"  File name             RlenRf  Size  Read       Write     By      Attrbs #Recs",
            b"REPORT                    47VC    2K 15MAR01 20NOV24 20:14 $PUB000            5",
        ],
        (b"REPORT", FILE, None, MOMENT, MINUTE),
    ),
    "xecom": (
        [b"Start     End       length  File name", b"0x1000 0x1fff 4096 boot.cfg", b"** Total 1 files, 4096 bytes **"],
        (b"boot.cfg", FILE, 4096, None, 0),
    ),
    "chameleon-mode": ([b"report.txt         12 Nov 20 2024 20:14 -rwa"], (b"report.txt", FILE, 12, MOMENT, MINUTE)),
    "supertcp-attributes": ([b"report.txt         12  11-20-124 20:14   A"], (b"report.txt", FILE, 12, MOMENT, MINUTE)),
    "fujitsu-m-series": (
        [b"-rw-  F      10000   10000  DA    24.11.20  KELLER.LOG1             "],
        (b"KELLER.LOG1", FILE, None, secs(2024, 11, 20), DAY),
    ),
    "fujitsu-m-series-library": (
        [b"drwx  U     ******    6144  PO    24.11.20  KELLER.LOAD/            "],
        (b"KELLER.LOAD", DIR, None, secs(2024, 11, 20), DAY),
    ),
    "fujitsu-m-series-vsam": (
        [b"-rw-  ****  ******  ******  VSAM  **.**.**  KELLER.SEQ              "],
        (b"KELLER.SEQ", OTHER, None, None, 0),
    ),
    "fujitsu-gp": (
        [b"-rwxrwxrwx 24.11.20 20:14:12 SYSMNGR  SYSOPR   2048 blib"],
        (b"blib", FILE, 2048, SECS, SECOND),
    ),
    "os7": ([b"-rwxrwxrwx SEQ    17408 24/11/20 20:14:12 INIT_CONFIG"], (b"INIT_CONFIG", FILE, 17408, SECS, SECOND)),
    "os7-directory": ([b"drwxrwxrwx              24/11/20 20:14:12 APL"], (b"APL", DIR, None, SECS, SECOND)),
    "melcom": (
        [b"- RW-RW-RW-   1   KELLER     50 NOV 20  2024 12345678901234B(B)"],
        (b"12345678901234", FILE, None, secs(2024, 11, 20), DAY),
    ),
    "melcom-directory": (
        [b"d RWXRWXRWX   2   KELLER     64 NOV 20  2024 Q2000         -"],
        (b"Q2000", DIR, None, secs(2024, 11, 20), DAY),
    ),
    "irmx": (
        [b"report.f38       DRAU  5  4,692   1,024   1 # 0         20 NOV 24"],
        (b"report.f38", FILE, 4692, secs(2024, 11, 20), DAY),
    ),
    "irmx-directory": (
        [b"world      DR  DLAC  1    416   1,024   1 WORLD       20 NOV 24"],
        (b"world", DIR, None, secs(2024, 11, 20), DAY),
    ),
}


@pytest.mark.parametrize(("lines", "expected"), ROWS.values(), ids=ROWS.keys())
def test_line_of_a_system(lines: list[bytes], expected: tuple[object, ...]) -> None:
    """The header is understood, the line is one entry, and nothing but bytes becomes a size."""
    (entry,) = read_all(lines)
    assert (entry.name, entry.kind, entry.size, entry.stamp, entry.precision) == expected


@pytest.mark.parametrize("lines", [row[0] for row in ROWS.values()], ids=ROWS.keys())
def test_nothing_of_a_system_is_taken_for_mlsd(lines: list[bytes]) -> None:
    """Who does not say which command was answered gets the same: `PATH= /A/B` of MPE/iX is no fact."""
    parser = ListingParser(NOW)
    assert parser.feed(lines) == read_all(lines)
    assert parser.unreadable == 0


def test_only_what_counts_from_1970_is_utc() -> None:
    """EPLF and the numbers of stat() are UTC by definition, and a printed zone is taken off; the rest is local."""
    assert {name for name, row in ROWS.items() if read_all(row[0])[0].clock is Clock.UTC} == {
        name for name in ROWS if name.startswith(("eplf", "numeric"))
    }
    (entry,) = read_all([b"    1  -rw-     1234567  Nov 20 2024 21:14:12 +01:00  image.bin"])
    assert (entry.stamp, entry.clock) == (SECS, Clock.UTC)


# --- IBM i -----------------------------------------------------------------------------------------------------------

IBM_I_ROWS: dict[str, Row] = {
    "stream-file": (
        [b"QPGMR          9069 11/20/24 20:14:12 *STMF      a report.pdf"],
        (b"a report.pdf", FILE, 9069, SECS, SECOND),
    ),
    "directory": ([b"QSYS          77824 11/20/24 20:14:12 *DIR       sub/"], (b"sub", DIR, None, SECS, SECOND)),
    "library": (
        [b"QSYS          77824 11/20/24 20:14:12 *LIB       TEST.LIB/"],
        (b"TEST.LIB", DIR, None, SECS, SECOND),
    ),
    "save-file-takes-more-than-it-sends": (
        [b"QPGMR      16347136 20.11.24 20:14:12 *FILE      BACKUP.SAVF"],
        (b"BACKUP.SAVF", FILE, None, SECS, SECOND),
    ),
    "member": (
        [b"QPGMR                                   *MEM       SOURCE.FILE/MAIN.MBR"],
        (b"SOURCE.FILE/MAIN.MBR", FILE, None, None, 0),
    ),
    "member-without-owner": ([b"                 *MEM       A.FILE/B.MBR"], (b"A.FILE/B.MBR", FILE, None, None, 0)),
    "program": ([b"QSYS  77824 11/20/24 20:14:12 *PGM       MAIN.PGM"], (b"MAIN.PGM", OTHER, None, SECS, SECOND)),
    "full-path": ([b"MK 9069 11/20/24 20:14:12 *STMF /home/mk/a.pdf"], (b"a.pdf", FILE, 9069, SECS, SECOND)),
}


@pytest.mark.parametrize(("lines", "expected"), IBM_I_ROWS.values(), ids=IBM_I_ROWS.keys())
def test_ibm_i_line(lines: list[bytes], expected: tuple[object, ...]) -> None:
    """The size of a stream file is its bytes; of everything else it is the space that it takes."""
    (entry,) = read_all(lines)
    assert (entry.name, entry.kind, entry.size, entry.stamp, entry.precision) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"11/20/24", (2024, 11, 20), id="month-first"),
        pytest.param(b"20/11/24", (2024, 11, 20), id="day-first"),
        pytest.param(b"97/11/20", (1997, 11, 20), id="year-first"),
        pytest.param(b"20.11.24", (2024, 11, 20), id="dots"),
        pytest.param(b"24-11-20", (2024, 11, 20), id="iso-short"),
        pytest.param(b"2024-11-20", (2024, 11, 20), id="iso"),
        pytest.param(b"20.11.2024", (2024, 11, 20), id="four-digit-year-last"),
        pytest.param(b"04/03/24", (2024, 4, 3), id="ambiguous-slashes-are-month-first"),
        pytest.param(b"04.03.24", (2024, 3, 4), id="ambiguous-dots-are-day-first"),
        pytest.param(b"04-03-24", (2004, 3, 24), id="ambiguous-dashes-are-year-first"),
        pytest.param(b"40/40/40", None, id="no-day"),
    ],
)
def test_order_of_a_date_of_ibm_i(text: bytes, expected: tuple[int, ...] | None) -> None:
    """The first order in which it is a day counts, and no other line of the listing moves it."""
    (entry,) = read_all([b"QPGMR          9069 " + text + b" 20:14:12 *STMF      x"])
    assert entry.stamp == (secs(*expected, 20, 14, 12) if expected else None)


# --- what is no entry ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"+m1732133652,\tneither file nor directory",
        b"+/,\t.",
        b"                 0  DIR            11-20-24   20:14  ..",
        b"..           <DIR>     11-20-2024  20:14 ..",
        b"./                    20:14 11/20/24",
        b"--------       ------     ------    --------",
    ],
)
def test_line_without_an_entry_is_not_unreadable(line: bytes) -> None:
    """What names the directory itself, or nothing that can be fetched, is understood and dropped."""
    assert read_all([line]) == []


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"+r,s280 no tab", id="eplf-without-tab"),
        pytest.param(b"+r,s280,\t", id="eplf-without-name"),
        pytest.param(b"MSGS.TXT.1", id="tops-20-name-without-header"),
        pytest.param(b"0x1000 0x1fff 4096 boot.cfg", id="xecom-without-header"),
        pytest.param(b"QPGMR   *WORD   some text", id="a-word-with-a-star"),
        pytest.param(b"access.txt 1,067 20:14 11/20/24 alias.gw 806 16:32 10/15/93", id="ka9q-two-in-a-line"),
        pytest.param(b"connection closed by foreign host", id="prose"),
    ],
)
def test_line_that_could_be_anything_is_unreadable(line: bytes) -> None:
    """A vague shape needs its header; a line that holds more than one entry is rather counted than cut."""
    parser = ListingParser(NOW, mlsd=False)
    assert parser.feed([line]) == []
    assert parser.unreadable == 1


ALL_LINES = [line for row in (*ROWS.values(), *IBM_I_ROWS.values()) for line in row[0] if line]


@given(st.sampled_from(ALL_LINES), st.integers(0, 99), st.binary(max_size=9))
def test_damaged_line_raises_nothing(line: bytes, place: int, damage: bytes) -> None:
    """Whatever a server makes of a line, each reader answers."""
    broken = line[:place] + damage + line[place + len(damage) // 2 :]
    for dialect in LIST_DIALECTS:
        found = dialect.read(broken, Page(Dates(NOW)))
        assert found is None or found is SKIP or isinstance(found, RemoteFile)


@pytest.mark.parametrize("part", [b" ", b"a ", b"1 ", b"-", b"[", b"<a", b"a.1;", b"9/", b"A1", b" 1:11", b"\t", b"1-"])
def test_time_is_linear_in_the_line(part: bytes) -> None:
    """A line sixteen times as long may not need much more than sixteen times the time."""

    def needed(count: int) -> float:
        line, page = part * count + b"\x00", Page(Dates(NOW))
        best = 9.0
        for _ in range(3):
            page.header = "MVS"
            begin = time.process_time()
            for dialect in LIST_DIALECTS:
                dialect.read(line, page)
            best = min(best, time.process_time() - begin)
        return best

    assert needed(32_000) < 64 * needed(2_000) + 0.05
