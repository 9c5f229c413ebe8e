"""The arguments of rsync, and which further ones a configuration may add."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from ftpretrieve.send import rsync_argv
from ftpretrieve.send.records import Intent, SeenFile, Snapshot
from ftpretrieve.send.rsync_argv import LETTERS, LETTERS_WITH_VALUE, REFUSED, WITH_VALUE, forbidden, listing
from tests.send.test_limits import settings


def intent(directory: str = "/data/x/") -> Intent:
    return Intent("ABCD1234", "TEST", directory, "t", 0.0, 0.0, "", 0, 0)


def snapshot(*paths: str, empty: tuple[str, ...] = ()) -> Snapshot:
    return Snapshot(tuple(SeenFile(path, 1, 1) for path in paths), empty)


# -- what a configuration may add -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--exclude=*.tmp"],
        ["--exclude", "*.tmp"],
        ["--exclude", "--delete"],  # what it excludes is its value
        ["--copy-links", "-L", "-vv", "-a", "-avzH"],
        ["--log-file=/tmp/x", "--no-motd", "--whole-file", "--inplace", "-W"],
        ["-f", "- *.tmp", "-f- *.tmp", "-B1000", "-B", "1000"],
        ["--bwlimit", "100", "--sockopts=SO_KEEPALIVE", "-6", "--protect-args", "-h"],
        ["--delay-updates", "--iconv=utf8,latin1", "--chmod=F644", "--checksum", "-c"],
    ],
    ids=str,
)
def test_what_does_no_harm_is_allowed(words: list[str]) -> None:
    assert forbidden(words) == []


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--delete"], "--delete cannot be used: it deletes files"),
        (["--delete-after"], "it deletes files"),
        (["--del"], "it deletes files"),
        (["--remove-source-files"], "it deletes files"),
        (["--remove-sent-files"], "it deletes files"),
        (["--dry-run"], "use -t"),
        (["-n"], r"-n \(--dry-run\) cannot be used"),
        (["-avn"], r"-avn \(--dry-run\) cannot be used"),
        (["-vnB", "1"], r"-vnB \(--dry-run\)"),
        (["--list-only"], "nothing would be sent"),
        (["--only-write-batch=x"], "nothing would be sent"),
        (["--daemon"], "reached as an rsync daemon"),
        (["-e", "ssh"], r"-e \(--rsh\) cannot be used"),
        (["-essh"], r"-essh \(--rsh\) cannot be used"),
        (["--rsh=ssh"], "reached as an rsync daemon"),
        (["-M--delete"], r"\(--remote-option\)"),
        (["--files-from=/x"], "decided from the directory"),
        (["-0"], r"-0 \(--from0\)"),
        (["--no-relative"], "decided from the directory"),
        (["--out-format=%n"], "is read by this program"),
        (["-q"], r"-q \(--quiet\)"),
        (["--ignore-times"], "proven"),
        (["-aI"], "proven"),
        (["--no-times"], "proven"),
        (["--no-ignore-times"], "proven"),
        (["--no-I"], "proven"),
        (["--compare-dest=/x"], "proven"),
        (["--password-file=/x"], "file:PATH"),
        (["/etc"], "/etc is no option"),
        (["--copy-links", "/etc"], "/etc is no option"),
        (["--exclude=a", "/etc"], "/etc is no option"),
        (["-f-a", "/etc"], "/etc is no option"),
        (["--"], "-- is no option"),
        (["-"], "- is no option"),
        ([""], "is no option"),
        (["--exclude"], "--exclude has no value"),
        (["-avT"], "-avT has no value"),
    ],
    ids=str,
)
def test_what_would_defeat_the_program_is_refused(words: list[str], problem: str) -> None:
    """The text names the argument as it was written, and why."""
    (text,) = forbidden(words)
    assert re.search(problem, text), text


def test_all_problems_are_said_at_once() -> None:
    """Nobody mends a file line by line."""
    assert len(forbidden(["--delete", "-nq", "/etc", "--exclude"])) == 5


def rsync_help() -> str:
    if not shutil.which("rsync"):
        pytest.skip("rsync is missing: install the package rsync")
    return subprocess.run(["rsync", "--help"], check=True, capture_output=True, text=True).stdout


def test_every_option_with_a_value_is_known_or_refused() -> None:
    """Or its value, as the next word, would be taken for one more source; rsync itself says which these are."""
    rows = re.findall(r"^(--[a-z-]+)=\S+?(?:, -(\S))?\s", rsync_help(), re.MULTILINE)
    assert len(rows) > 40
    for name, letter in rows:
        assert name in WITH_VALUE or forbidden([f"{name}=x"]), name
        assert not letter or letter in LETTERS_WITH_VALUE, letter
    assert {letter for _, letter in rows if letter} == set(LETTERS_WITH_VALUE)


def test_a_refused_option_is_refused_by_its_letter_too() -> None:
    """rsync itself says which letters there are."""
    letters = dict(re.findall(r"^(--[a-z0-9-]+)(?:=\S+?)?, -(\S)", rsync_help(), re.MULTILINE))
    refused = {letter: name for name, letter in letters.items() if forbidden([f"{name}=x"])}
    # Here -h means sizes for people: that it also is --help, when it is alone, cannot happen.
    refused = {letter: name for letter, name in refused.items() if name != "--help"}
    assert refused
    assert {**refused, **LETTERS} == LETTERS


def test_each_refusal_has_its_reason() -> None:
    """A row that no option reaches would be dead, and one without words no help."""
    for pattern, reason in REFUSED:
        (text,) = forbidden([pattern.replace("*", "write")])
        assert text.endswith(reason)


# -- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("directory", "source", "listed"),
    [
        ("/data/x/", "/data/x/", "./a\0./#b\0./d/e\0"),
        ("/data/x", "/data/", "x/a\0x/#b\0x/d/e\0"),
        ("/data/#x", "/data/", "./#x/a\0./#x/#b\0./#x/d/e\0"),
        ("/data/;x", "/data/", "./;x/a\0./;x/#b\0./;x/d/e\0"),
        ("/x", "/", "x/a\0x/#b\0x/d/e\0"),
        ("/", "/", "./a\0./#b\0./d/e\0"),
    ],
)
def test_no_name_of_the_list_is_a_comment_and_the_target_is_the_id(directory: str, source: str, listed: str) -> None:
    """With a slash the content goes to `ID/`, without one the directory itself does."""
    names = listing(intent(directory), snapshot("a", "#b", empty=("d/e",)))
    call = rsync_argv.push("rsync", settings(), intent(directory), b"", limited=True)
    assert (names, call.argv[-2:]) == (listed, [source, "rsync://test@h:873/INCOMING_TEST/ABCD1234/"])


def test_further_arguments_come_last() -> None:
    """So that they win over ours, in every call; but for what would make the answers of the server wrong."""
    extra = settings(extra_arguments=("--timeout=99", "--exclude=*.tmp"), compress=True, bandwidth_kb=7)
    calls = [
        rsync_argv.push("rsync", extra, intent(), b"", limited=True, dry_run=True, everything=True, progress=True),
        rsync_argv.push_own("rsync", extra, "/tmp/x", "ABCD1234", question="--ignore-existing"),
        rsync_argv.pull_statuses("rsync", extra, ["ABCD1234"], "/tmp/x", 1000, tell_large=True),
    ]
    ends = [call.argv[call.argv.index("--timeout=99") : -2] for call in calls]
    assert [end[:2] for end in ends] == [["--timeout=99", "--exclude=*.tmp"]] * 3
    whole = ["--no-partial", "--no-inplace"]
    assert [end[2:] for end in ends] == [
        [],
        whole,
        ["--no-recursive", *whole, "--min-size=0", "--max-size=1000", "--info=skip1"],
    ]
    assert calls[2].argv[-2:] == ["rsync://test@h:873/TRANSACTION_XML/", "/tmp/x/"]
    assert calls[2].stdin == b"ABCD1234.xml\0"


def test_options_follow_the_configuration() -> None:
    """Each is there when it is wanted, and only then."""

    def options(limited: bool = True, **changes: object) -> set[str]:
        plain = settings(bandwidth_kb=7)
        call = rsync_argv.push("rsync", settings(**{"bandwidth_kb": 7, **changes}), intent(), b"", limited=limited)
        usual = rsync_argv.push("rsync", plain, intent(), b"", limited=True)
        return set(call.argv) ^ set(usual.argv)

    assert options() == set()
    assert options(limited=False) == {"--bwlimit=7"}
    assert options(bandwidth_kb=None) == {"--bwlimit=7"}
    assert options(compress=True) == {"--compress"}
    assert options(timeout_secs=2.5) == {"--timeout=10", "--contimeout=10", "--timeout=3", "--contimeout=3"}
    assert "--timeout=1" in options(timeout_secs=0.2)  # 0 would be no limit


# -- what old versions have -------------------------------------------------------------------------------------------

QUESTIONS = ("", "--ignore-existing", "--ignore-times")
_IN_3_0_6 = """
bwlimit compress contimeout dry-run exclude files-from from0 ignore-existing ignore-times include max-size min-size
no-inplace no-motd no-partial no-recursive one-file-system out-format partial recursive timeout times
"""
IN_3_0_6 = frozenset(f"--{name}" for name in _IN_3_0_6.split())
"""Options that we use and 3.0.6 has. Source: the options.c of 3.0.9 has them, and by the NEWS none is newer than 3.0.0,
of which are `--contimeout`, `--no-inplace` and `--no-partial`; `--info` came with 3.1.0."""


@pytest.mark.parametrize(
    ("compress", "arguments", "expected"),
    [
        (False, ("-v", "--exclude=z"), False),
        (True, (), True),
        (False, ("-vz",), True),
        (False, ("--compress-choice=zlibx",), True),
        (False, ("--new-compress",), True),
    ],
)
def test_whatever_makes_rsync_compress_is_seen(compress: bool, arguments: tuple[str, ...], expected: bool) -> None:
    assert rsync_argv.compresses(settings(compress=compress, extra_arguments=arguments)) is expected


def options_of(call: rsync_argv.Call) -> set[str]:
    return {word.partition("=")[0] for word in call.argv[1:-2]}


def test_the_oldest_rsync_that_will_do_has_every_option_that_it_gets() -> None:
    """What came later is asked for by the caller, who knows the version."""
    full = settings(compress=True, bandwidth_kb=7)
    push = rsync_argv.push("rsync", full, intent(), b"", limited=True, dry_run=True, everything=True)
    own = [rsync_argv.push_own("rsync", full, "/x", question=question) for question in QUESTIONS]
    pull = rsync_argv.pull_statuses("rsync", full, ["ABCD1234"], "/x", 1000, tell_large=False)
    assert set().union(*map(options_of, [push, *own, pull])) == IN_3_0_6
    progress = rsync_argv.push("rsync", full, intent(), b"", limited=True, progress=True)
    large = rsync_argv.pull_statuses("rsync", full, ["ABCD1234"], "/x", 1000, tell_large=True)
    assert options_of(progress) - IN_3_0_6 == options_of(large) - IN_3_0_6 == {"--info"}
