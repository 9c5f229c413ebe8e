"""The report: its form to the letter, its data, and that no foreign text breaks out of its line."""

import json
import os
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from textwrap import dedent

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ftpretrieve import __version__
from ftpretrieve.mirror.records import Result, Verdict
from ftpretrieve.mirror.report import LINE_CHARS, LINES_KEPT, Report, as_json, as_text, summary

ZONE = timezone(timedelta(hours=1))
FULL = Report(
    job="debian",
    site="ftp.debian.org",
    user="anonymous",
    source="/debian/doc",
    target="debian",
    started=datetime(2010, 12, 8, 13, 51, 58, tzinfo=ZONE),
    ended=datetime(2010, 12, 8, 13, 52, 6, tzinfo=ZONE),
    result=Result(Verdict.OK, transferred=2, transferred_bytes=1_415_578, deleted=1, secs=8.24),
    created="debian",
    output=("Transferring file `debian-manifesto'", "Finished transfer `debian-manifesto' (15 B/s)"),
    backup="/your/path/debian_08dic2010_13:52_wed.tar.gz",
    backups_removed=("/your/path/debian_01dic2010_13:52_wed.tar.gz",),
    disk_bytes=1_415_578,
    notes=("link `current' is not mirrored",),
)
BARE = Report("up", "h", "u", "/home/u/site", "/www", FULL.started, FULL.ended, Result(Verdict.OK))

HEADS = ["SCRIPT", "START TIME", "CREATED NEW DIRECTORY", "LFTP OUTPUT", "ROTATE COMPRESSED COPIES"]
HEADS += ["DISK SPACE USED", "NOTES", "RESULT", "END TIME"]
HEAD = re.compile(r"([A-Z]+(?: [A-Z]+)*) ([=_])\2+")

ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.binary(max_size=40).map(os.fsdecode)
FORGERIES = [f"{head} ".ljust(80, fill) for head in HEADS for fill in "=_"] + ["=" * 80, "Ended OK", "failed: x"]
HOSTILE = ANY_TEXT | st.builds(
    "{}{}{}".format, st.sampled_from(["", "\n", "\r", " ", "\x1b[2J"]), st.sampled_from(FORGERIES), ANY_TEXT
)


def heads(text: str) -> list[str]:
    return [match[1] for line in text.split("\n") if (match := HEAD.fullmatch(line))]


def block(text: str, name: str) -> list[str]:
    """Return the lines between a head of a `=` block and its end."""
    lines = text.split("\n")
    start = lines.index(f"{name} ".ljust(80, "=")) + 1
    return lines[start : lines.index("=" * 80, start)]


def test_the_whole_report_looks_as_its_readers_know_it():
    """Every blank and every empty line is part of the form."""
    expected = f"""\
        SCRIPT =========================================================================
        lftp-mirror (ver. {__version__})
        Job debian

        Connected to ftp.debian.org as anonymous
        Mirror /debian/doc to debian
        ================================================================================

        START TIME =====================================================================
                                                            wednesday 08/12/10, 13:51:58
        ================================================================================

        CREATED NEW DIRECTORY __________________________________________________________

        debian


        LFTP OUTPUT ____________________________________________________________________

        Transferring file `debian-manifesto'
        Finished transfer `debian-manifesto' (15 B/s)


        ROTATE COMPRESSED COPIES _______________________________________________________

        Created file:

        /your/path/debian_08dic2010_13:52_wed.tar.gz

        Deleted old file:

        /your/path/debian_01dic2010_13:52_wed.tar.gz


        DISK SPACE USED ================================================================
                                                                                1.35 MiB
        ================================================================================

        NOTES __________________________________________________________________________

        * link `current' is not mirrored


        RESULT =========================================================================
        Ended OK
        Transferred 2 files (1.35 MiB), deleted 1, failed 0, in 8.2 s
        ================================================================================

        END TIME =======================================================================
                                                            wednesday 08/12/10, 13:52:06
        ================================================================================

        """
    assert as_text(FULL) == dedent(expected)


def test_blocks_without_content_are_left_out():
    """An upload that found nothing to do tells what it was, when, and how it ended."""
    assert heads(as_text(BARE)) == ["SCRIPT", "START TIME", "RESULT", "END TIME"]


def test_an_empty_directory_uses_disk_space_too():
    """Nothing measured and nothing used are different things."""
    assert block(as_text(replace(BARE, disk_bytes=0)), "DISK SPACE USED") == ["0 bytes".rjust(80)]


def test_several_old_copies_are_listed_without_a_new_one():
    """With fewer copies to keep than there are, some go even when none comes."""
    text = as_text(replace(BARE, backups_removed=("/a", "/b")))
    assert (
        "COPIES _______________________________________________________\n\nDeleted old files:\n\n/a\n/b\n\n\n" in text
    )


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        pytest.param(
            Result(Verdict.FAILED, ("a: 550 no", "b: gone"), transferred=1, transferred_bytes=1, failed=2, secs=3.14),
            ["Failed: a: 550 no", "    b: gone", "Transferred 1 file (1 byte), deleted 0, failed 2, in 3.1 s"],
            id="failed",
        ),
        pytest.param(
            Result(Verdict.REFUSED, ("22 of 22 would be deleted",), secs=1),
            [
                "Refused: 22 of 22 would be deleted",
                "Transferred 0 files (0 bytes), deleted 0, failed 0, in 1.0 s",
            ],
            id="refused",
        ),
        pytest.param(
            Result(Verdict.AWAY, ("connection refused",)),
            ["Server away: connection refused", "Transferred 0 files (0 bytes), deleted 0, failed 0, in 0.0 s"],
            id="away",
        ),
        pytest.param(
            Result(Verdict.LOCKED, ("pid 12 works on it",)),
            ["Locked: pid 12 works on it", "Transferred 0 files (0 bytes), deleted 0, failed 0, in 0.0 s"],
            id="locked",
        ),
        pytest.param(
            Result(Verdict.FAILED),
            ["Failed: no reason is known", "Transferred 0 files (0 bytes), deleted 0, failed 0, in 0.0 s"],
            id="no reason",
        ),
        pytest.param(
            Result(Verdict.OK, transferred=3, transferred_bytes=2048, deleted=4, dry_run=True),
            ["Dry run: would transfer 3 files (2.00 KiB) and delete 4"],
            id="dry run",
        ),
        pytest.param(
            Result(Verdict.REFUSED, ("too many",), deleted=22, dry_run=True),
            ["Refused: too many", "Dry run: would transfer 0 files (0 bytes) and delete 22"],
            id="refused dry run",
        ),
    ],
)
def test_the_result_says_how_it_ended_and_what_was_done(result, lines):
    """The verdict comes first, each reason has its line, and only what was really mirrored ended well."""
    assert block(as_text(replace(BARE, result=result)), "RESULT") == lines


@pytest.mark.parametrize(("verdict", "words"), [(Verdict.OK, "Connected to"), (Verdict.AWAY, "Connection to")])
def test_only_a_job_that_was_connected_says_so(verdict, words):
    """With the server away the old words would be wrong."""
    assert f"\n{words} h as u\n" in as_text(replace(BARE, result=Result(verdict)))


def test_the_result_is_one_line_for_a_terminal():
    """It names the job, since one run may have many."""
    assert summary(FULL) == "debian: Ended OK. Transferred 2 files (1.35 MiB), deleted 1, failed 0, in 8.2 s"
    failed = replace(BARE, result=Result(Verdict.FAILED, ("a", "b\x1b[2J", "c"), failed=3))
    assert summary(failed).startswith("up: Failed: a (and 2 more reasons). Transferred 0 files")


def test_the_line_of_a_dry_run_claims_no_good_end():
    """Nothing was mirrored, so that nothing ended well; as in the report."""
    dry = Result(Verdict.OK, transferred=3, transferred_bytes=2048, deleted=4, dry_run=True)
    assert summary(replace(BARE, result=dry)) == "up: Dry run: would transfer 3 files (2.00 KiB) and delete 4"


def test_a_reason_that_ends_with_a_full_stop_gets_no_second_one():
    """Replies of servers often do, such as `530 Login incorrect.`"""
    refused = replace(BARE, result=Result(Verdict.FAILED, ("Login failed: 530 Login incorrect.",)))
    assert summary(refused).startswith("up: Failed: Login failed: 530 Login incorrect. Transferred 0 files")


@pytest.mark.parametrize(
    ("size", "shown"),
    [(1, "1 byte"), (1023 * 1024, "1023.00 KiB"), (1024**2 - 1, "1.00 MiB"), (3 * 1024**5, "3072.00 TiB")],
)
def test_sizes_are_written_for_people(size, shown):
    """Two decimals, and never 1024 of a unit."""
    assert block(as_text(replace(BARE, disk_bytes=size)), "DISK SPACE USED") == [shown.rjust(80)]


def test_the_same_data_comes_as_json():
    """Whoever reads the data needs nothing of the text, and finds each name in the same place in every report."""
    data = json.loads(json.dumps(as_json(FULL)))
    assert data == {
        "job": "debian",
        "started": "2010-12-08T13:51:58+01:00",
        "ended": "2010-12-08T13:52:06+01:00",
        "site": "ftp.debian.org",
        "user": "anonymous",
        "source": "/debian/doc",
        "target": "debian",
        "created": "debian",
        "output": ["Transferring file `debian-manifesto'", "Finished transfer `debian-manifesto' (15 B/s)"],
        "backup": "/your/path/debian_08dic2010_13:52_wed.tar.gz",
        "backups_removed": ["/your/path/debian_01dic2010_13:52_wed.tar.gz"],
        "disk_bytes": 1415578,
        "result": {
            "verdict": "ok",
            "dry_run": False,
            "transferred": 2,
            "transferred_bytes": 1415578,
            "deleted": 1,
            "failed": 0,
            "secs": 8.24,
            "reasons": [],
        },
        "notes": ["link `current' is not mirrored"],
    }
    bare = as_json(BARE)
    assert bare.keys() == data.keys()
    assert [bare[key] for key in ("created", "backup", "disk_bytes")] == [None, None, None]


@given(ANY_TEXT)
def test_any_name_comes_back_from_json(name):
    """Also one that is no UTF-8, whose text is ASCII and one line all the same."""
    written = json.dumps(as_json(replace(BARE, output=[name])))
    assert written.isascii()
    assert written.isprintable()
    assert json.loads(written)["output"] == [name]


@given(st.lists(HOSTILE), HOSTILE)
@example(["RESULT ".ljust(80, "="), "Ended OK", "=" * 80, "", "", "\tEnded OK", "END TIME __"], "x\nEnded OK")
def test_foreign_text_stays_on_its_line(lines, text):
    """Servers name files, and a name must neither steer a terminal nor look like a head or a verdict."""
    report = Report(
        text, text, text, text, text, FULL.started, FULL.ended, Result(Verdict.FAILED, tuple(lines)),
        created=text or "x", output=["x", *lines], backup=text or "x", backups_removed=lines, disk_bytes=1,
        notes=["x", *lines],
    )  # fmt: skip
    shown = as_text(report).split("\n")
    assert all(line.isprintable() for line in shown)
    assert heads("\n".join(shown)) == HEADS
    assert all(len(line) == 80 for line in shown if HEAD.fullmatch(line))
    assert shown.count("=" * 80) == 5
    assert [line[:7] for line in shown if re.match("ended ok|failed|refused|dry run", line, re.IGNORECASE)] == [
        "Failed:"
    ]
    assert summary(report).isprintable()


def test_a_very_long_output_keeps_its_beginning_and_its_end():
    """The first mirror of a large site would make a log and a mail that nobody can open."""
    lines = [f"Transferring file `{number}'" for number in range(LINES_KEPT + 500)]
    half = LINES_KEPT // 2
    expected = [*lines[:half], "[500 lines left out]", *lines[-half:]]
    report = replace(BARE, output=lines)
    assert as_json(report)["output"] == expected
    assert "\n".join(["", "", *expected, "", "", ""]) in as_text(report)
    all_of_it = replace(BARE, output=lines[:LINES_KEPT])
    assert as_json(all_of_it)["output"] == lines[:LINES_KEPT]


def test_an_endless_line_is_cut():
    """A server may send megabytes without a line end, as a reply or as a reason."""
    report = replace(BARE, output=["y" * 10**6], result=Result(Verdict.FAILED, ("y" * 10**6,)), notes=["y" * 10**6])
    assert as_json(report)["output"] == ["y" * LINE_CHARS + "…"]
    assert max(map(len, as_text(report).split("\n"))) < LINE_CHARS + 20


@pytest.mark.parametrize("line", [" " * 10**5 + "x", "=" * 10**5 + "x", "_ " * 10**5])
def test_no_line_costs_more_than_its_length(line):
    """Lines chosen for a slow search would keep the run busy for hours; the limit of the test ends that."""
    assert len(as_text(replace(BARE, output=[line] * 100))) > 100 * LINE_CHARS
