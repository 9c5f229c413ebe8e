"""What rsync says, understood: lines as they were printed by rsync 3.5.0, where nothing else is said."""

from __future__ import annotations

import pytest

from ftpretrieve.errors import (
    CommandFailed,
    FtpRetrieveError,
    LoginRefused,
    RemoteRefused,
    RemoteUnavailable,
    StorageError,
)
from ftpretrieve.send.rsync_words import (
    EXIT_MEANINGS,
    are_of_single_files,
    failure,
    parse_item,
    parse_progress,
    parse_version,
    too_large,
    unreadable,
)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param("rsync  version 3.0.6  protocol version 30\nCopyright", (3, 0, 6), id="3.0.6"),
        pytest.param("rsync  version 3.5.0  protocol version 32\n", (3, 5, 0), id="3.5.0"),
        pytest.param("rsync  version v3.4.1dev  protocol version 32\n", (3, 4, 1), id="made from its repository"),
        pytest.param("rsync  version 3.3.0pre1  protocol version 31\n", (3, 3, 0), id="before a release"),
        pytest.param("rsync  version 2.6.9  protocol version 29\n", (2, 6, 9), id="an old Mac"),
        pytest.param("openrsync: protocol version 29\nrsync version 2.6.9 compatible\n", None, id="a new Mac"),
        pytest.param("rsync: no version\n", None, id="no number"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_version(text: str, version: tuple[int, int, int] | None) -> None:
    """What only calls itself compatible is not rsync."""
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("line", "code", "path"),
    [
        (b"= <f+++++++++ a b", "<f+++++++++", b"a b"),
        (b"= <f.st...... a/b", "<f.st......", b"a/b"),
        (b"= cd+++++++++ ./", "cd+++++++++", b"./"),
        (b"= .f          a", ".f         ", b"a"),  # nothing to do, said with -vv
        (b"= *deleting   a", "*deleting  ", b"a"),
        (b"= <f+++++++++  a ", "<f+++++++++", b" a "),
        (b"= <f+++++++++ caf\\#351", "<f+++++++++", b"caf\xe9"),
        (b"= <f+++++++++ new\\#012line", "<f+++++++++", b"new\nline"),
        (b"= <f+++++++++ oct\\#134#012x", "<f+++++++++", b"oct\\#012x"),
        (b"= <f+++++++++ back\\slash\\#9", "<f+++++++++", b"back\\slash\\#9"),
    ],
)
def test_a_file_is_reported_with_its_very_name(line: bytes, code: str, path: bytes) -> None:
    assert parse_item(line) == (code, path)


@pytest.mark.parametrize("line", [b"", b"created directory x", b"<f+++++++++ a", b"= short", b"@ERROR: no", b"= "])
def test_other_lines_report_no_file(line: bytes) -> None:
    assert parse_item(line) is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("         32,768   0%    0.00kB/s    0:00:00  ", "32,768 bytes, 0 %, 0.00kB/s, 0:00:00 left"),
        ("     21,004,288  23%   19.55MB/s    0:00:03  ", "21,004,288 bytes, 23 %, 19.55MB/s, 0:00:03 left"),
        ("     30,000,000  33%   19.93MB/s    0:00:01 (xfr#1, to-chk=3/5)", "30,000,000 bytes, 33 %, 19.93MB/s"),
        ("         90.00M 100%  697.56MB/s   12:34:56 (xfr#3, ir-chk=0/5)", "90.00M bytes, 100 %, 697.56MB/s"),
        ("= <f+++++++++ 12 5% 1.00kB/s 0:00:00", None),
        ("", None),
    ],
)
def test_progress(line: str, words: str | None) -> None:
    """With brackets a file has just ended, and the time is not that which is left."""
    assert parse_progress(line) == words


AUTH = "@ERROR: auth failed on module INCOMING_TEST"
START = "rsync error: error starting client-server protocol (code 5) at main.c(1954) [sender=3.5.0]"
RESET = "rsync: [sender] read error: Connection reset by peer (104)"
SOME = "rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1394)"
CUT = "rsync: writefd_unbuffered failed to write 4 bytes to socket [sender]: Broken pipe (32)"
FULL = 'rsync: [receiver] write failed on "/F/f1" (in SMALL): No space left on device (28)'

ROWS = [
    (5, [AUTH, START], LoginRefused, "'my node password'"),
    (5, ["@ERROR: max connections (1) reached -- try again later", START], RemoteUnavailable, "one more client"),
    (5, [RESET, "@ERROR: Unknown module 'UNK'", START], RemoteRefused, "'my node name'"),
    (5, ["@ERROR: access denied to HOST from localhost (127.0.0.1)", START], RemoteRefused, "let this machine in"),
    (5, ["@ERROR: chdir failed", START], RemoteRefused, "ask the data centre"),
    (5, ["rsync: did not see server greeting", START], RemoteUnavailable, "try again later"),
    (1, ["ERROR: module is read only", "rsync error: syntax or usage error (code 1) at main.c(1185)"], RemoteRefused,
     "ask the data centre"),
    (1, ["rsync: --nonsense: unknown option"], CommandFailed, "'rsync extra args'"),
    (4, ["rsync: The server is configured to refuse --dry-run (-n)"], RemoteRefused, "nothing can be proven"),
    (4, ["rsync: The server is configured to refuse --compress (-z)"], RemoteRefused, "'rsync compress = no'"),
    (4, ["rsync: The server is configured to refuse --checksum (-c)"], RemoteRefused, "'rsync extra args'"),
    (10, ["rsync: [sender] failed to connect to 127.0.0.1 (127.0.0.1): Connection refused (111)"], RemoteUnavailable,
     "'rsync port'"),
    (11, ["= <f+++++++++ f1", FULL, "rsync error: error in file IO (code 11) at receiver.c(657)", RESET],
     RemoteRefused, "when there is room"),
    (11, ['rsync: [receiver] write failed on "/w/A.xml": No space left on device (28)'], StorageError,
     "'working directory'"),
    (12, [RESET], RemoteUnavailable, "Connection reset by peer"),
    (23, ['rsync: [sender] link_stat "/d/nope" failed: No such file or directory (2)', SOME], CommandFailed,
     "nothing writes to the directory"),
    (23, ['rsync: [sender] send_files failed to open "/d/f": Permission denied (13)', SOME], StorageError,
     "let this user read it"),
    (23, ['rsync: [sender] send_files failed to open "/A.xml" (in TRANSACTION_XML): Permission denied (13)', SOME],
     RemoteRefused, "ask the data centre"),
    (23, ['rsync: [receiver] mkstemp "/V/.f3.nwnMSJ" (in INCOMING_TEST) failed: Permission denied (13)', SOME],
     RemoteRefused, "ask the data centre"),
    (23, ["could not make way for new regular file: f3", SOME], CommandFailed, "mend what it names"),
    (24, ['file has vanished: "/d/f2"'], CommandFailed, "nothing writes to the directory"),
    (30, ["[sender] io timeout after 2 seconds -- exiting"], RemoteUnavailable, "'rsync timeout'"),
    # Before 3.2.0 they do not say which side speaks, and this is how 3.0.6 tells of a timeout.
    (11, [CUT, 'rsync: write failed on "/F/f1" (in SMALL): No space left on device (28)'], RemoteRefused,
     "when there is room"),
    (11, ['rsync: write failed on "/w/A.xml": No space left on device (28)'], StorageError, "'working directory'"),
    (23, ['rsync: send_files failed to open "/A.xml" (in TRANSACTION_XML): Permission denied (13)', SOME],
     RemoteRefused, "ask the data centre"),
    (23, ['rsync: send_files failed to open "/d/f": Permission denied (13)', SOME], StorageError,
     "let this user read it"),
    (23, ['rsync: mkstemp ".f3.5z3AOA" (in INCOMING_TEST) failed: Permission denied (13)', SOME], RemoteRefused,
     "ask the data centre"),
    (30, ["io timeout after 2 seconds -- exiting"], RemoteUnavailable, "io timeout after 2 seconds -- exiting; check"),
    # As 3.2.4 with patches says it, and what 3.5.0 has for a client that knows none of its checksums.
    (2, ["ERROR: rejecting unrequested file-list name: A.xml", "rsync error: x (code 2) at flist.c(998)"],
     RemoteRefused, "A.xml; use a newer rsync"),
    (5, ["@ERROR: your client does not support one of our daemon-auth checksums: sha512", START], RemoteRefused,
     "sha512; use a newer rsync"),
    (-9, [], CommandFailed, "signal 9"),
    (20, ["rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20) at io.c(586) [generator=3.5.0]"],
     RemoteUnavailable, "at the server"),
    (99, ["what?"], CommandFailed, "code 99): what?; see rsync(1)"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "output", "error", "hint"), ROWS, ids=[f"{row[0]} {row[1][-1:]}" for row in ROWS])
def test_a_failure_says_what_to_do(code: int, output: list[str], error: type[FtpRetrieveError], hint: str) -> None:
    """The class decides whether it is tried again."""
    found = failure(code, output, "sending X")
    assert type(found) is error
    assert str(found).startswith("sending X: rsync ")
    assert hint in str(found)


@pytest.mark.parametrize("code", [*range(1, 7), *range(10, 15), *range(20, 26), 30, 35])
def test_every_documented_exit_code_has_words(code: int) -> None:
    assert EXIT_MEANINGS[code].words in str(failure(code, [], "x"))


def test_last_words_are_the_complaints_without_noise() -> None:
    """Not what follows from them, nor the files that were reported; and they cannot steer a terminal."""
    progress = "     21,004,288  23%   19.55MB/s    0:00:03  "
    output = [
        "created directory x",
        "= <f+++++++++ f1",
        progress,
        FULL + "\x1b[31m",
        RESET,
        CUT,
        "rsync error: x (code 11) at y",
    ]
    text = str(failure(11, output, "x"))
    assert FULL + "\\u001b[31m" in text
    noises = ("created", "sent", "f1+", "19.55", "Connection reset", "Broken pipe", "rsync error")
    assert not any(noise in text for noise in noises)


def test_a_thousand_complaints_do_not_fill_the_screen() -> None:
    """The last ones are shown."""
    text = str(failure(23, [f"rsync: complaint {number} {'x' * 300}" for number in range(1000)], "x"))
    assert "complaint 999" in text
    assert len(text) < 1000


def test_the_end_of_a_very_long_line_is_read() -> None:
    """A path of 4,096 bytes, each of them written as four characters."""
    line = f'rsync: [receiver] write failed on "{"#303" * 4096}" (in SMALL): No space left on device (28)'
    found = failure(11, [line], "x")
    assert type(found) is RemoteRefused
    assert "No space left on device (28); the disk of the data centre is full" in str(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", ['" (in X)', "failed to write : ", "failed to write : Broken pipe", "(code 1", "send_files ", " "]
)
def test_lines_that_are_made_to_take_long_do_not(part: str) -> None:
    """Ten thousand of 64 KiB, which is what is kept of them. The limit is that of the test."""
    line = "rsync: " + part * (65_000 // len(part))
    assert isinstance(failure(23, [line] * 10_000, "x"), CommandFailed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", ["1 1% " + "1" * 65_000, "1 1% " + "1." * 32_000, " " * 65_000], ids=["digits", "dots", "blanks"]
)
def test_no_line_keeps_the_progress_busy(line: str) -> None:
    """Each line is looked at as it comes, and nothing else is done meanwhile."""
    assert {parse_progress(line) for _ in range(1000)} == {None}


MISSING = 'rsync: [sender] link_stat "ABCD1234.xml" (in TRANSACTION_XML) failed: No such file or directory (2)'
LOCKED = 'rsync: [sender] send_files failed to open "EFGH5678.xml" (in T): Permission denied (13)'
BROKEN = [
    'rsync: [sender] read errors mapping "/dir/IJKL9012.xml" (in T): No data available (61)',
    "= >f+++++++++ IJKL9012.xml",
    "WARNING: IJKL9012.xml failed verification -- update discarded (will try again).",
    'rsync: [sender] read errors mapping "/dir/IJKL9012.xml" (in T): No data available (61)',
    "= >f+++++++++ IJKL9012.xml",
    "ERROR: IJKL9012.xml failed verification -- update discarded.",
]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (["created directory got", MISSING, "chatter of -v", SOME, RESET], True),
        ([MISSING.replace("[sender] ", ""), SOME], True),
        ([MISSING, LOCKED, LOCKED.replace("[sender] ", ""), *BROKEN, SOME], True),
        (['file has vanished: "/ABCD1234.xml" (in T)', SOME], True),
        ([SOME], False),
        ([MISSING, MISSING.replace("No such file or directory (2)", "Permission denied (13)"), SOME], False),
        ([MISSING, LOCKED.replace(" (in T)", ""), SOME], False),
        ([MISSING, 'rsync: [receiver] mkstemp "/w/.ABCD1234.xml.a1B2c3" failed: No space left on device (28)'], False),
    ],
    ids=["missing", "missing, old", "no data", "vanished", "no reason", "directory", "file here", "disk here"],
)
def test_what_is_wrong_with_single_files_only(output: list[str], expected: bool) -> None:
    """What was asked for of the server may not be there, or not be read; all else says nothing of any file."""
    assert are_of_single_files(output) is expected


def test_why_a_file_of_the_server_cannot_be_read() -> None:
    assert unreadable([MISSING, LOCKED, *BROKEN, SOME]) == {
        "EFGH5678.xml": "Permission denied (13)",
        "IJKL9012.xml": "failed verification",
    }


def test_a_line_that_is_made_to_take_long_does_not() -> None:
    """One of 60,000 characters; where the time grows with the square of that or worse, the test does not end."""
    line = "rsync: " + "link_stat " * 3000 + " failed: " * 3000
    assert not are_of_single_files([line])
    assert unreadable(['rsync: send_files failed to open "' + "a/" * 20_000, line, "ERROR: " + "x " * 30_000]) == {}


def test_a_long_reason_is_cut() -> None:
    (reason,) = unreadable([LOCKED + "x" * 60_000]).values()
    assert len(reason) < 1000


def test_what_is_too_large_is_told_by_its_name() -> None:
    assert too_large(["ABCD1234.xml is over max-size", 'skipping non-regular file "X.xml"', LOCKED]) == {"ABCD1234.xml"}


def test_how_far_it_was_is_no_reason_for_a_failure() -> None:
    """The last words of a connection that broke are not the percentage before."""
    output = ["    1,032,768  34%  308.06kB/s    0:00:06", "rsync: [sender] write error: Broken pipe (32)"]
    words = str(failure(10, output, "sending"))
    assert ("34%" in words, "Broken pipe" in words) == (False, True)
