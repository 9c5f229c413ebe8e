"""LIST of Japanese mainframes and office computers, and of iRMX, which runs their machines.

Sources: listings that users of these systems have published. Blocks and records are no sizes.

Pure: no input or output, no clock, no settings.
"""

from ftpretrieve.retrieve.dialects import Dialect
from ftpretrieve.retrieve.dialects_columns import CLOCK_SECS, MONTH, columns

YMD = rb"(?P<year>\d{2,3})[./](?P<month>\d\d)[./](?P<day>\d\d)"
MODE = rb"(?:(?P<dir>d)|-)[-rwxst]{9}"

JAPAN: tuple[Dialect, ...] = (
    Dialect(
        "MSP",
        "Fujitsu M series: libraries end in /, VSAM cannot be sent",
        columns(
            "MSP",
            rb"[d-][-rwx]{3} ++[A-Z*]{1,4} ++(?:\d++|\*++) ++(?:\d++|\*++) ++(?:(?P<other>VSAM)|[A-Z*]{1,4}) ++"
            rb"(?:\*\*\.\*\*\.\*\*|" + YMD + rb") ++(?P<name>[^ ]++) *+",
        ),
    ),
    Dialect(
        "GP",
        "Fujitsu GP6000",
        columns(
            "GP",
            MODE + rb" ++" + YMD + rb" ++" + CLOCK_SECS + rb" ++[^ ]++ ++[^ ]++ ++(?P<size>\d++) ++(?P<name>.+)",
        ),
    ),
    Dialect(
        "OS7",
        "Hitachi and NEC servers that print the organization of a file before its size",
        columns(
            "OS7",
            MODE + rb" ++(?:[A-Z]{2,4} ++(?P<size>\d++) ++)?" + YMD + rb" ++" + CLOCK_SECS + rb" ++(?P<name>.+)",
        ),
    ),
    Dialect(
        "MELCOM",
        "Mitsubishi MELCOM: a name of at most 14 letters, its type behind it",
        columns(
            "MELCOM",
            rb"(?:(?P<dir>d)|-) [-RWX]{9} ++\d++ ++[^ ]++ ++\d++ ++" + MONTH + rb" ++(?P<day>\d{1,2}) ++"
            rb"(?P<year>\d{4}) ++(?P<name>[^ ]{1,14}?) *+(?:[A-Z]\([A-Z]\)|-) *+",
        ),
    ),
    Dialect(
        "iRMX",
        "Intel iRMX; the length in bytes, with commas, is the second number",
        columns(
            "iRMX",
            rb"(?P<name>[^ ]++) ++(?:(?P<dir>DR) ++)?(?:[DLARCU]{1,4} ++)?[\d,]++ ++(?P<size>[\d,]++) ++[\d,]++ ++\d++ "
            rb"++(?:# ++)?[^ ]++ ++(?P<day>\d{1,2}) " + MONTH + rb" (?P<year>\d\d) *+",
        ),
    ),
)
