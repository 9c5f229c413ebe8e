"""What rsync says: its version, which files it sends, how far it is, and why it failed.

Pure: texts in, values out. Sources: rsync(1), and what is marked so was measured with rsync 3.5.0.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ftpretrieve.errors import (
    CommandFailed,
    FtpRetrieveError,
    LoginRefused,
    RemoteRefused,
    RemoteUnavailable,
    StorageError,
)
from ftpretrieve.escapes import escape

Version = tuple[int, int, int]

_VERSION = re.compile(r"^rsync\s+version\s+v?(\d+)\.(\d+)(?:\.(\d+))?", re.MULTILINE)

_ITEM = re.compile(rb"= (.{11}) (.*)", re.DOTALL)

_OCTAL = re.compile(rb"\\#([0-7]{3})")

_PROGRESS = re.compile(r"\s*([\d.,]+[KMGTP]?)\s+(\d{1,3})%\s+(\d[\d.]*[A-Za-z]*/s)\s+(\d+:\d\d:\d\d)(\s+\(.*\))?\s*")

LAST_LINES, LAST_CHARACTERS = 3, 400
"""What an error repeats of rsync's complaints: the last ones say most, and a full disk gives a line a file."""

JUDGED_LINES, JUDGED_END = 50, 1_000
"""So many lines are looked at for a reason, the last ones, and so many characters at both ends of each: what is between
is the name of a file. A server may say much more, and patterns with several `.*` take long on lines made for that.
"""


class Item(NamedTuple):
    """One file or directory that rsync reports. `path`: below the source, as bytes; a directory ends in a slash.

    `code`: 11 letters; first `<` sent, `c` made or copied there, `h` linked there, `.` only its attributes differ; then
    `f` file, `d` directory; `+` from the third on when it is new there. Source: rsync(1), --itemize-changes.
    """

    code: str
    path: bytes

    @property
    def is_file(self) -> bool:
        """Return whether it is a regular file."""
        return self.code[1] == "f"

    @property
    def is_new(self) -> bool:
        """Return whether the server did not have it at all."""
        return self.code[2] == "+"

    @property
    def differs(self) -> bool:
        """Return whether there is more to do than to set attributes."""
        return self.code[0] in "<ch"


def parse_version(text: str) -> Version | None:
    """Return the version that `rsync --version` names; None when it is another program."""
    found = _VERSION.search(text)
    if found is None or "openrsync" in text.lower():
        return None
    return int(found[1]), int(found[2]), int(found[3] or 0)


def parse_item(line: bytes) -> Item | None:
    """Return what a line of output reports; None when it is another line.

    rsync writes bytes that do not print as `\\#ooo`, and a backslash only where it would look like that. Measured, also
    that in the locale C all bytes from 128 on are written so.
    """
    found = _ITEM.fullmatch(line)
    if found is None:
        return None
    path = _OCTAL.sub(lambda octal: bytes([int(octal[1], 8) & 0xFF]), found[2])
    return Item(found[1].decode("ascii", "replace"), path)


def parse_progress(line: str) -> str | None:
    """Return in words what a line of `--info=progress2` says; None when it is another line.

    The time is that left, or, where a file has just ended (it says so in brackets), that which has gone by. Measured.
    """
    found = _PROGRESS.fullmatch(line)
    if found is None:
        return None
    amount, percent, rate, clock, ended = found.groups()
    return f"{amount} bytes, {percent} %, {rate}" + ("" if ended else f", {clock} left")


class Meaning(NamedTuple):
    """What an exit code means, in words that follow `rsync`; what to do; and the error it becomes."""

    words: str
    fix: str
    error: type[FtpRetrieveError] = CommandFailed


_ARGUMENTS = "check 'rsync extra args'"
_ASK = "ask the data centre"
_LATER = "try again later"

EXIT_MEANINGS = {
    1: Meaning("does not take its arguments", _ARGUMENTS),
    2: Meaning("and the server have no protocol in common", f"use a newer rsync, or {_ASK}", RemoteRefused),
    3: Meaning("cannot use a file or directory that it was given", "check the directory"),
    4: Meaning("or the server does not support what is wanted", _ARGUMENTS, RemoteRefused),
    5: Meaning("got no session from the server", _LATER, RemoteUnavailable),
    6: Meaning("cannot write to its log", f"{_ARGUMENTS} for --log-file"),
    10: Meaning("lost its connection or got none", "check 'rsync server', 'rsync port' and the network",
                RemoteUnavailable),
    11: Meaning("cannot read or write files", _ASK, RemoteRefused),
    12: Meaning("was cut off by the server", _LATER, RemoteUnavailable),
    13: Meaning("cannot write its messages", _LATER),
    14: Meaning("has trouble between its own processes", _LATER),
    # Measured: this also comes when the session is ended at the server, as when that is shut down.
    20: Meaning("was ended by a signal, here or at the server", _LATER, RemoteUnavailable),
    21: Meaning("lost one of its own processes", _LATER),
    22: Meaning("has too little memory", "free some memory"),
    23: Meaning("could not send everything", "mend what it names and run it again"),
    24: Meaning("found files gone that it had to send", "run it again when nothing writes to the directory"),
    25: Meaning("stopped at its limit of deletions", _ARGUMENTS),
    30: Meaning("waited in vain for the server", "check the network, or raise 'rsync timeout'", RemoteUnavailable),
    35: Meaning("got no connection in time", "check 'rsync server', 'rsync port' and the network, or raise 'rsync "
                "timeout'", RemoteUnavailable),
}  # fmt: skip
"""Every exit code of rsync(1)."""

_FULL = "the disk of the data centre is full; try again when there is room"

REASONS: tuple[tuple[str, str, type[FtpRetrieveError]], ...] = (
    (r"@ERROR: auth failed", "check 'my node name' and 'my node password'", LoginRefused),
    (r"@ERROR: max connections", "the server has no room for one more client; " + _LATER, RemoteUnavailable),
    (r"@ERROR: your client does not support one of our daemon-auth", "use a newer rsync", RemoteRefused),
    (r"@ERROR: unknown module", f"check 'my node name' and 'rsync server', or {_ASK}", RemoteRefused),
    (r"@ERROR: access denied", f"{_ASK} to let this machine in", RemoteRefused),
    (r"@ERROR", _ASK, RemoteRefused),
    (r"module is (read|write) only", _ASK, RemoteRefused),
    # Some versions before 3.2.5, mended by a distribution for CVE-2022-29154, reject what `--files-from` asks for.
    (r"ERROR: rejecting unrequested file-list name", "use a newer rsync", RemoteRefused),
    (r"configured to refuse --dry-run", f"without it nothing can be proven; {_ASK} to allow it", RemoteRefused),
    (r"configured to refuse --compress", "set 'rsync compress = no'", RemoteRefused),
    (r"configured to refuse", f"{_ARGUMENTS}, or {_ASK} to allow it", RemoteRefused),
    # What happened at the server has the name of the module behind the path. Which part of rsync speaks, as
    # `[receiver]`, is only said since 3.2.0, and a server may be older than that.
    (r"\" \(in [^)]+\).*(No space left on device|quota exceeded) \(", _FULL, RemoteRefused),
    (r"(No space left on device|quota exceeded) \(", "make room in 'working directory'", StorageError),
    (r"\" \(in [^)]+\).*(Permission denied|Operation not permitted)", _ASK, RemoteRefused),
    (r"^(file has vanished|rsync: (\[sender\] )?link_stat \"[^\"]*\" failed: No such)", EXIT_MEANINGS[24].fix,
     CommandFailed),
    (r"(\[sender\] |^rsync: )(send_files failed to open|opendir|readlink).*Permission denied",
     "let this user read it", StorageError),
    (r"\[(receiver|generator)\].*(Permission denied|Operation not permitted)", _ASK, RemoteRefused),
)  # fmt: skip
"""What says more than the exit code: a pattern of a line, what to do, and the error. All lines were measured; older
versions say the same without `[receiver]` and `[sender]`.

An `@ERROR` is the daemon's no; exit code 5 without one comes when it goes away before the session begins.
"""

_NOISE = re.compile(
    r"rsync (error|warning): .*\(code \d+\).*"
    r"|.*((read|write) error|failed to write [^:]{0,100}): (Connection reset by peer|Broken pipe) .*"
    r"|created directory .*|= .*|\s*"
)
"""What follows from the trouble, or is none."""

_TROUBLE = re.compile(r"rsync: |@?ERROR|IO error|WARNING|file has vanished|cannot |could not |(\[\w+\] )?io timeout")
"""How lines begin that tell of trouble. Others are chatter, which there is much of with -v."""


def complaints(output: Sequence[str]) -> list[str]:
    """Return the lines of an output that tell of trouble, without those that only follow from it."""
    return [line for line in map(_ends, filter(_TROUBLE.match, output)) if not _NOISE.fullmatch(line)]


def _ends(line: str) -> str:
    """Return a line without its middle, if it is very long."""
    return line if len(line) <= 2 * JUDGED_END else f"{line[:JUDGED_END]}...{line[-JUDGED_END:]}"


def failure(code: int, output: Sequence[str], doing: str) -> FtpRetrieveError:
    """Return the error that an exit code becomes; `output`: all lines of rsync, `doing`: what it was wanted for."""
    how = f"code {code}" if code > 0 else f"signal {-code}"
    words, fix, error = EXIT_MEANINGS.get(code, Meaning("failed", "see rsync(1)"))
    troubles = complaints(output)[-JUDGED_LINES:]
    for pattern, better_fix, better_error in REASONS:
        if any(re.search(pattern, line, re.IGNORECASE) for line in troubles):
            fix, error = better_fix, better_error
            break
    shown = troubles or [
        line
        for line in output[-JUDGED_LINES:]
        if line.strip() and not line.startswith("= ") and not parse_progress(line)
    ]
    last = escape("; ".join(line.strip() for line in shown[-LAST_LINES:])[-LAST_CHARACTERS:])
    return error(f"{doing}: rsync {words} ({how}){': ' if last else ''}{last}; {fix}")


_MISSING = re.compile(
    r'rsync: (?:\[sender\] )?link_stat "[^"]*"(?: \(in [^")]+\))? failed: [^()]* \(2\)|file has vanished: .*'
)
"""How the sender says that there is no such file. As with all that a server says, no line of it may take long to read:
patterns with several `.*` do, on lines made for that.
"""

_UNREADABLE = re.compile(
    r"rsync: (?:\[sender\] )?(?:send_files failed to open|read errors mapping)"
    r' "(?:[^"]*/)?([^"/]+)" \(in [^")]+\): (.*)|(?:WARNING|ERROR): (\S+) (failed verification) -- .*'
)
"""How the sender says that it has a file and cannot give it; `(in MODULE)`: the sender is the server."""

_TOO_LARGE = re.compile(r"(\S+) is over max-size")


def are_of_single_files(output: Sequence[str]) -> bool:
    """Return whether an exit code 23 or 24 has no other reason than files that are not there or cannot be read."""
    found = complaints(output)
    return bool(found) and all(_MISSING.fullmatch(line) or _UNREADABLE.fullmatch(line) for line in found)


def unreadable(output: Sequence[str]) -> dict[str, str]:
    """Return why the server cannot give the files that it has: name -> the last thing that is said of it."""
    found = filter(None, map(_UNREADABLE.fullmatch, output))
    return {match[1] or match[3]: (match[2] or match[4])[:LAST_CHARACTERS] for match in found}


def too_large(output: Sequence[str]) -> set[str]:
    """Return the names of what was passed over because of `--max-size`."""
    return {match[1] for match in map(_TOO_LARGE.fullmatch, output) if match}
