"""The lines of `ls -l` in their rarer shapes: other columns, other dates, other languages.

Theory of operation. A line is cut into words. The mode is the first of them, or comes behind an inode and a number of
blocks. The date is the first place behind the mode where `unix_dates` finds one and whose word before is a size: so
links, owner and group may be missing, have blanks or be numbers. What has no size before it (`ls -lo` of a device, say)
is looked for only then, and dates of numbers alone last. The name begins one blank behind the date.

`ls -F` and `ls -p` put a mark behind the name. It is cut off only when the mode confirms it: `/` of a directory, `*`
of what can be executed, `@` of a link. A program whose own name ends in a star is rarer than such a server.

Pure: no input or output, no clock, no settings.
"""

import re
from collections.abc import Container, Sequence
from itertools import islice

from ftpretrieve.retrieve.dialects import (
    DIR,
    FILE,
    LINK,
    LOCAL_CLOCK,
    OTHER,
    SELF_AND_PARENT,
    SKIP,
    UTC_CLOCK,
    Dialect,
    Page,
    Parsed,
    size_of,
)
from ftpretrieve.retrieve.records import DAY, SECOND, Kind, RemoteFile
from ftpretrieve.retrieve.unix_dates import NAMED, NUMBERED, When, read_when

WORDS = 24  # no line has more of them before its name: a group of ten words would still be read
WORD = re.compile(rb"[^ \t]++")

MODE = re.compile(
    rb"([-a-zA-Z?|])"
    rb"((?:[-rwxsStTlL*]{3}){2,3}[-a-zA-Z]{0,3}|(?=[-A-Za-z]{0,11}[-rwx]{2})[-A-Za-z]{8,12})"
    rb"([+@.*]?)(\d*)"  # more than 999 links come without a blank
)
KINDS = {b"d": DIR, b"l": LINK, b"L": LINK} | dict.fromkeys((b"-", b"f", b"F", b"m", b"M", b"C", b"a"), FILE)
"""`m`, `M`: migrated to tape, `C`: contiguous, `a`: append only; regular files all of them. The rest is OTHER."""

START = re.compile(rb"[ \t]*+(?:[\d.,]{1,20}+[KMGT]?[ \t]++){0,2}" + MODE.pattern + rb"(?=[ \t])")
GROUPED = re.compile(rb"\d{1,3}([.,'])\d{3}(?:\1\d{3}){0,5}")
SIZE = re.compile(
    rb"-?\d++"
    rb"|\d{1,3}(?:[.,']\d{3}){1,6}"
    rb"|\d{1,15}+(?:[.,]\d{1,3})?[kmgtpe]i?b?"  # ls -h
    rb"|(?:0x)?[\da-f]{1,10},(?:(?:0x)?[\da-f]{1,10})?|0x[\da-f]{1,16}",  # the numbers of a device
    re.IGNORECASE,
)

OVERFLOWN = re.compile(rb"[^\d]{8,40}(\d{1,19})")
"""A group longer than its column, and the size that follows it at once."""

BARE_KIND = re.compile(rb"[-dl](?:[^A-Za-z].{0,40})?", re.DOTALL)
YEAR_FIRST = re.compile(rb"\d{4}([-.])\d\d\1\d\d")
DATELESS = re.compile(MODE.pattern + rb" +\d+ +[^ ]+ +[^ ]+ +(\d+) (?:(\d{9,10}) (.+)|([^ ]+))", re.DOTALL)
UNKNOWN = re.compile(rb" *([-dlbcps?])\?{9} +\?(?: +\?){3,4} +(.+)", re.DOTALL)


def read_any_unix(line: bytes, page: Page) -> Parsed:
    """Read a line that begins with a mode, or with what may stand before it."""
    mode = START.match(line)
    if mode is None:
        return _not_asked(line)
    matches = list(islice(WORD.finditer(line, mode.end()), WORDS))
    words = [match[0] for match in matches]
    apart = {at for at in range(1, len(matches)) if matches[at].start() - matches[at - 1].end() > 1}
    found = _place(words, apart, page)
    if found is None:
        return _without_date(line)
    at, when = found
    return _entry(line, mode, size_before(words, at), when, matches[at + when.words - 1].end())


def _place(words: Sequence[bytes], apart: Container[int], page: Page) -> tuple[int, When] | None:
    """Return where the date begins and what it means."""
    # Behind three columns first: the group of an owner called `jan` is no day.
    places = (*range(3, len(words)), *range(1, min(3, len(words))))
    # Nearly always the first of these finds it: each is made when it is needed.
    for wanted, shapes in (
        # A bare `4096` is a size rather than a year in front of its month.
        ((at for at in places if (len(words[at]) <= 2 or not words[at].isdigit()) and is_size(words[at - 1])), NAMED),
        ((at for at in places if is_size(words[at - 1])), NUMBERED),
        ((at for at in range(len(words)) if not is_size(words[at])), NAMED),
    ):
        for at in wanted:
            when = read_when(words, at, page.dates, shapes, apart)
            if when is not None:
                return at, when
    return None


def is_size(word: bytes) -> bool:
    """Say whether a word can stand where the size stands."""
    return word.isdigit() or SIZE.fullmatch(word) is not None


def size_before(words: Sequence[bytes], at: int) -> int | None:
    """Return the exact size that stands before the date; `1.5K` is approximate, which is as good as unknown."""
    word = words[at - 1]
    overflown = OVERFLOWN.fullmatch(word)
    if overflown is not None:
        word = overflown[1]
    return size_of(word) if word.isdigit() else grouped(word)


def grouped(word: bytes) -> int | None:
    """Return the size with separators between its thousands, `1,234,567`, None for anything else."""
    return size_of(word.translate(None, b".,'")) if GROUPED.fullmatch(word) is not None else None


def _entry(line: bytes, mode: re.Match[bytes], size: int | None, when: When, end: int) -> Parsed:
    """Return the entry of a line whose date ends at this place."""
    kind = KINDS.get(mode[1], OTHER)
    name = cut_name(line[end + 1 + _padding(line, end, when) :], kind, size, b"x" in mode[2] or b"s" in mode[2])
    if not name or name in SELF_AND_PARENT:
        return SKIP if name else None
    return RemoteFile(name, kind, size if kind is not OTHER else None, when.stamp, when.precision, when.clock)


def _padding(line: bytes, end: int, when: When) -> int:
    """Return how many blanks behind the one after the date are not of the name.

    A date without a time may be filled up to the length of one with it: `2010-11-20 ` by --time-style=iso, likewise
    `2004.07.15  `, and `Oct  6 2000 ` where others write `Oct  6  2000`.
    """
    if when.precision != DAY or line[end + 1 : end + 2] != b" ":
        return 0
    iso = YEAR_FIRST.fullmatch(line[max(0, end - 10) : end])
    if iso is not None and iso[1] == b".":
        return len(line) - end - 1 - len(line[end:].lstrip(b" "))
    return iso is not None or (line[end - 5 : end - 4] == b" " and line[end - 6 : end - 5] != b" ")


def cut_name(text: bytes, kind: Kind, size: int | None, may_execute: bool) -> bytes:
    """Return the name without what `ls` adds to it: the target of a link, the mark of its kind."""
    name = without_target(text, size) if kind is LINK else text
    mark = name[-1:] if len(name) > 1 else b""
    if (mark == b"/" and kind in (DIR, LINK)) or (mark == b"@" and kind is LINK):
        return name[:-1]
    return name[:-1] if mark == b"*" and kind is FILE and may_execute else name


def without_target(text: bytes, size: int | None) -> bytes:
    """Return the `a` of `a -> b`. Either may hold an arrow itself; a link's size is the length of its target."""
    cut = -1 if size is None else len(text) - size - 4
    if cut > 0 and text[cut : cut + 4] == b" -> ":
        return text[:cut]
    return text.partition(b" -> ")[0]


def _without_date(line: bytes) -> Parsed:
    """Read a line that has all the columns, but seconds since 1970 for a date, or none; then the name is one word."""
    match = DATELESS.fullmatch(line)
    if match is None:
        return None
    kind, size = KINDS.get(match[1], OTHER), size_of(match[5])
    name = cut_name(match[7] or match[8], kind, size, b"x" in match[2])
    if name in SELF_AND_PARENT:
        return SKIP
    if match[6] is None:
        return RemoteFile(name, kind, size, None, 0, LOCAL_CLOCK)
    return RemoteFile(name, kind, size, int(match[6]), SECOND, UTC_CLOCK)


def _not_asked(line: bytes) -> Parsed:
    """Read what GNU `ls` prints of a name that it may see but not ask about: `d????????? ? ? ? ?            ? name`."""
    match = UNKNOWN.fullmatch(line)
    if match is None:
        return None
    name = match[2]
    return SKIP if name in SELF_AND_PARENT else RemoteFile(name, KINDS.get(match[1], OTHER), None, None, 0, LOCAL_CLOCK)


def read_bare(line: bytes, page: Page) -> Parsed:
    """Read a line of `ls -l` whose mode is missing or no mode, from size and date on.

    Two kinds are beyond doubt: `1 owner group 4096 Nov 20 20:14 name`, with anything in front, and what begins with a
    kind, `- anything 4096 Nov 20 20:14 name`, which is all that P. Lewis asked servers for in 1994.
    """
    matches = list(islice(WORD.finditer(line), WORDS))
    words = [match[0] for match in matches]
    kind = KINDS.get(line[:1]) if words and BARE_KIND.fullmatch(words[0]) else None
    for at in range(2 if kind else 4, len(words)):
        if not words[at - 1].isdigit() or (kind is None and not _are_columns(words[at - 4 : at])):
            continue
        when = read_when(words, at, page.dates)
        if when is not None:
            size = size_of(words[at - 1])
            kind = kind or (DIR if line.endswith(b"/") else FILE)
            name = cut_name(line[matches[at + when.words - 1].end() + 1 :], kind, size, False)
            return SKIP if name in SELF_AND_PARENT else RemoteFile(name, kind, size, *when[1:])
    return None


def _are_columns(words: Sequence[bytes]) -> bool:
    """Say whether these are links, owner, group and size."""
    return [word.isdigit() for word in words] == [True, False, False, True]


ANY_UNIX = Dialect("Unix, any shape", "ls of many systems, options and languages", read_any_unix)
BARE_UNIX = Dialect("Unix, no mode", "servers that leave out the permissions", read_bare)
