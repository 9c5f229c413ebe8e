"""LIST as it is printed by servers for personal computers other than those that print what `dir` or `ls` print.

Names of DOS and OS/2 do not end in a blank. Month first, as their authors were American.

Pure: no input or output, no clock (`now` is given), no settings.
"""

from ftpretrieve.retrieve.dialects import Dialect
from ftpretrieve.retrieve.dialects_columns import CLOCK, CLOCK_SECS, DMY, MDY, MONTH, WEEKDAY, WORDS, columns

PERSONAL: tuple[Dialect, ...] = (
    Dialect(
        "NetWare",
        "Novell NetWare, Hellsoft and Print Services for UNIX on NetWare, MurkWorks: rights in brackets",
        columns(
            "NetWare",
            rb"(?:(?P<dir>d)|-) ?+\[[-A-Za-z]{4,10}\] ++" + WORDS + rb"(?P<size>\d++) ++" + MONTH + rb" ++"
            rb"(?P<day>\d{1,2}) ++(?:(?P<year>\d{4})|" + CLOCK + rb")(?: {3,}+| )(?P<name>.+)",
            rb"(?:(?P<dir>[dD])|-) ?+\[[-A-Za-z]{4,10}\] ++" + WORDS + rb"(?P<size>\d++) ++" + MONTH + rb"t? ++"
            rb"(?P<day>\d{1,2}),? ++(?P<year>\d\d) ++(?P<time>\d{1,2}:\d\d(?: ?[AaPp][Mm])?) ++(?P<name>.+)",
            # Print Services on an NFS name space: a part of the mode stands apart
            rb"(?:(?P<dir>d)|-)[-rwxst]{8} ?[-rwxst] ++\d++ ++[^ ]++ ++[^ ]++ ++(?P<size>\d++) ++" + MONTH + rb" ++"
            rb"(?P<day>\d{1,2}),? ++(?P<year>\d\d) ++(?P<time>\d{1,2}:\d\d ?[AaPp][Mm]) ++(?P<name>.+)",
        ),
    ),
    Dialect(
        "Distinct",
        "Distinct FTP server for Windows",
        columns(
            "Distinct",
            rb"(?:(?P<dir>d)|-)[-wash]{4} ++(?P<size>\d++) ++"
            + MONTH
            + rb" ++(?P<day>\d{1,2}),(?P<year>\d{4}) ++"
            + CLOCK
            + rb" ++(?P<name>.+)",
        ),
    ),
    Dialect(
        "PC/TCP",
        "FTP Software PC/TCP",
        columns(
            "PC/TCP",
            rb" *+(?:(?P<dir><dir>)|(?P<size>\d++)) ++(?P<name>[^ ]++) ++" + WEEKDAY + rb" ++" + MONTH + rb" ++"
            rb"(?P<day>\d{1,2}) ++" + CLOCK_SECS + rb" ++(?P<year>\d{4}) *+",
        ),
    ),
    Dialect(
        "Chameleon",
        "NetManage Chameleon and NEWT",
        columns(
            "Chameleon",
            rb"(?P<name>[^ ]++) ++(?:(?P<dir><DIR>)|(?P<size>\d++)) ++" + MONTH + rb" ++(?P<day>\d{1,2}) ++"
            rb"(?P<year>\d{4}) ++" + CLOCK + rb"(?: ++(?:[RHSA]{1,4}|[-d][-rwash]{2,4}))? *+",
        ),
    ),
    Dialect(
        "OS/2",
        "IBM TCP/IP for OS/2",
        columns(
            "OS/2",
            rb" *+(?P<size>\d++) ++(?:[RSHA]{1,4} ++)?(?:(?P<dir>DIR) ++)?(?:[RSHA]{1,4} ++)?"
            + MDY
            + rb" ++"
            + CLOCK
            + rb" {1,2}+(?P<name>.+)",
        ),
    ),
    Dialect(
        "SuperTCP",
        "Frontier SuperTCP, WinQVT/Net: the name before the size, SuperTCP's long name at the end",
        columns(
            "SuperTCP",
            rb"(?P<name>[^ ]{1,12}) ++(?:(?P<dir><DIR>)|(?P<size>\d++)) ++"
            + MDY
            + rb" ++"
            + CLOCK
            + rb"(?: {2,}[RHSA]{1,4} *+| (?P<long>.+))?",
            rb"(?=.{51}\Z)(?P<name>[^ ]++(?: ++[^ ]++)*?) ++(?P<size>\d++) ++" + MDY + rb" ++" + CLOCK,
            skip=rb".*[ -]Bytes Available *+",  # NCSA Telnet, with the same columns
        ),
    ),
    Dialect(
        "PC-NFS",
        "Sun PC-NFS for MS-DOS: name and type in columns of their own",
        columns(
            "PC-NFS",
            rb"(?P<name>[^ ]{1,8}) ++(?:(?P<type>[^ <]{1,3}) ++)?(?:(?P<dir><dir>)|(?P<size>[\d,]++)) ++"
            + MDY
            + rb" ++"
            rb"(?P<time>\d{1,2}:\d\d[ap]) *+",
        ),
    ),
    Dialect(
        "AmigaDOS",
        "FTP servers that print AmigaDOS's `list`",
        columns(
            "AmigaDOS",
            rb"(?P<name>[^ ]++(?: ++[^ ]++)*?) ++(?:(?P<dir>Dir)|empty|(?P<size>\d++)) ++[-hsparwed]{8} ++"
            + DMY
            + rb" "
            + CLOCK_SECS
            + rb" *+",
        ),
    ),
    Dialect(
        "KA9Q",
        "KA9Q NOS; a line with two files is left unreadable: a line is one entry",
        columns(
            "KA9Q",
            rb"(?P<name>[^ /]++) ++(?P<size>[\d,]++) ++" + CLOCK + rb" ++" + MDY + rb" *+",
            rb"(?P<name>[^ /]++/) ++" + CLOCK + rb" ++" + MDY + rb" *+",
            skip=rb"#|\d++ files?\..*",
        ),
    ),
)
