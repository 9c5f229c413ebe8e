"""Rows of listings, one or more of every system, made up from the formats' definitions: what fuzzing starts from."""

MLSD = (
    b"type=file;size=12;modify=20240229235959;unique=801U1;UNIX.mode=0644; a.txt",
    b"Type=OS.unix=slink:/a b/c;Size=3;Modify=20240101000000.123; link",
    b"type=dir;modify=20240101000000;UNIX.groupname=domain users; d; e",
    b"type=cdir;modify=20240101000000; /pub",
)
UNIX = (
    b"-rw-r--r--   1 anna     users         123 Nov 19 08:05 a.txt",
    b"drwxr-xr-x+  2 0        0            4096 Feb 29  2024 two  blanks",
    b"lrwxrwxrwx.  1 anna     users           6 Nov 19 08:05 a -> b -> c",
    b"-rw-r--r--   1 anna     Domain Users  123 2026-11-19 08:05:17.123456789 +0100 a.txt",
    b"1234567    8 -rw-r--r--   1 anna     users        1.5K 19. Nov 08:05 a.txt",
    b"brw-rw----   1 root     disk       8,   0 Nov 19 08:05 sda",
    "-rw-r--r--   1 anna     users         123 19 ноя 2024 имя".encode("koi8-r"),
    "-rw-r--r--   1 anna     users         123 2024年 6月 3日 名".encode("gbk"),
    "-rw-r--r--   1 anna     users         123 3. März 2024 x".encode(),
    b"total 12",
)
DOS = (
    b"11-19-26  08:05PM       <DIR>          sub dir",
    b"11/19/2026  08:05 PM     1,234,567,890 a b.txt",
    b"11-19-26  08:05AM       <JUNCTION>     j -> C:\\t",
)
OTHERS = {
    "EPLF": (b"+i1.2,m1732046400,r,s77,\tname", b"+m1732046400,/,\tdir"),
    "VMS": (
        b"Directory DKA100:[PUBLIC.DATA]",
        b"READ_ME.TXT;12                 7/9    19-NOV-2026 08:05:01.22  [STAFF,ANNA]  (RWED,RWED,RE,)",
        b"VERY_LONG_FILE_NAME_THAT_DOES_NOT_FIT.DAT;1",
        b"                             204/204  19-NOV-2026 08:05:02.00  [STAFF,ANNA]  (RWED,RWED,RE,)",
        b"Total of 4 files, 212/222 blocks.",
    ),
    "MVS": (
        b"Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname",
        b"TSO001 3390   2026/11/19  1   15  FB      80 27920  PS  ANNA.DATA.TXT",
        b"Migrated                                                ANNA.OLDER.DATA",
        b"Pseudo Directory                                        ANNA.SUB",
    ),
    "PDS": (
        b" Name     VV.MM   Created       Changed      Size  Init   Mod   Id",
        b"COMPILE   01.07 2020/02/03 2026/11/19 08:05   210   190    12 ANNA",
        b"@NOSTAT",
    ),
    "load library": (
        b" Name      Size     TTR   Alias-of AC --------- Attributes --------- Amode Rmode",
        b"PROG1     0012A8   000104          00 FO             RN RU            31    ANY",
    ),
    "JES": (
        b"JOBNAME  JOBID    OWNER    STATUS CLASS",
        b"ANNA1    JOB00123 ANNA     OUTPUT A        RC=0000 4 spool files",
        b"ANNA1     JOB00123  OUTPUT    4 Spool Files",
    ),
    "z/VM": (
        b"PROFILE  EXEC     A1 V         72         35          1 11/19/26  08:05:11 ANN191",
        b"SUBDIR            A1 DIR        -          -          - 2026-11-19 08:05:13",
    ),
    "IBM i": (
        b"ANNA            4096 11/19/26 08:05:01 *STMF      note one.txt",
        b"ANNA                                   *MEM       ORDERS.FILE/JAN.MBR",
    ),
    "OS/2": (b"                 0           DIR   11-19-26   08:05  DOCS AND MORE",),
    "NetWare": (
        b"d [RWCEAFMS] anna                              512 Nov 19 08:05 public",
        b"-[R----F-]  1 anna       5123 Nov 19 08:05 readme.txt",
    ),
    "NonStop": (
        b"File         Code             EOF  Last Modification    Owner  RWEP",
        b'DATA1         101           12345 19-Nov-26 08:05:01 255,255 "NUNU"',
    ),
    "MPE": (
        b"FILENAME  CODE  ------------LOGICAL RECORD-----------  ----SPACE----",
        b"ORDERS             80B  FA         250       1023   3      336  1  8",
    ),
    "TOPS-20": (
        b"PS:<ANNA>",
        b"<ANNA>NOTES.TXT.3;P777700;A,2,19-Nov-2026 08:05:01,19-Nov-2026 08:05:01,19-Nov-2026 08:05:01",
    ),
    "Cisco": (b"    1  -rw-    11223344   Nov 19 2026 08:05:01 +00:00  c2600-i-mz.bin",),
    "VxWorks": (b"   12345    NOV-19-2026  08:05:04   boot.ini",),
    "classic Mac": (
        b"-rw-r--r--      12     3456     3468 Nov 19 08:05 Icon file",
        b"drwxr-xr-x          folder        4 Nov 19 08:05 Some Folder",
    ),
}

SELF_DESCRIBING = MLSD[:3] + UNIX[:3] + DOS[:2]
"""Rows that mean the same wherever they stand."""

ROWS = MLSD + UNIX + DOS + tuple(row for rows in OTHERS.values() for row in rows)
