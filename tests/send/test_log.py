"""The general log: one line a record, which survives logrotate, full disks and hostile names."""

from __future__ import annotations

import ast
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ftpretrieve.errors import StorageError
from ftpretrieve.logs import record
from ftpretrieve.send.log import LOGGER, RECORDS, open_log
from ftpretrieve.send.records import Settings
from ftpretrieve.send.settings import read_settings

CHECKOUT = Path(__file__).parents[2]
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \[\d+\] (DEBUG|INFO|WARNING|ERROR|CRITICAL) \S.*")
HOSTILE = ["a\nb", "a\r\nSENT id=X", "\x1b[2J", os.fsdecode(b"\xff\xfe"), "a\u2028b", "\0", 'say "x"', "a\x85b"]
WORD = re.compile(r"[A-Z]{4,}")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Read a small configuration with a log file."""
    path = tmp_path / "send.conf"
    path.touch(mode=0o600)
    path.write_text("[my resif node]\nmy node name = TEST\nmy node password = x\n[logging]\nlog file = send.log\n")
    return read_settings(path)


@pytest.fixture
def file(settings: Settings) -> Path:
    assert settings.log_file is not None
    return settings.log_file


@pytest.fixture
def log(settings: Settings) -> Iterator[logging.Logger]:
    with open_log(settings, debug=False) as log:
        yield log


def test_a_line_has_time_process_level_word_and_fields(log: logging.Logger, file: Path) -> None:
    log.info(record("SENT", id="ABCD1234", directory="/data/my out"))
    (line,) = file.read_text().splitlines()
    assert LINE.fullmatch(line)
    assert line.endswith(f'Z [{os.getpid()}] INFO SENT id=ABCD1234 directory="/data/my out"')


def test_the_time_is_utc(log: logging.Logger) -> None:
    """As the Z says."""
    made = log.makeRecord(log.name, logging.INFO, "x", 1, "SENT", (), None)
    made.created = 1_795_248_000.9
    assert log.handlers[0].format(made).startswith("2026-11-21T08:00:00Z [")


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_name_never_breaks_a_line(log: logging.Logger, file: Path, name: str) -> None:
    """Nor steers a terminal; whether it is in a field or elsewhere in a message."""
    log.warning(record("LEFTOUT", path=name, reason=name))
    log.warning("LEFTOUT %s", name)
    text = file.read_text()
    assert text.endswith("\n")
    lines = text[:-1].splitlines()  # also at what only Python takes for the end of a line
    assert len(lines) == 2
    assert all(LINE.fullmatch(line) and line.isprintable() for line in lines)


def test_a_traceback_is_no_record(log: logging.Logger, file: Path) -> None:
    """It is indented."""
    try:
        raise ValueError("first\n2026-11-21T08:00:00Z [1] INFO SENT id=X")
    except ValueError:
        log.exception("FAILED")
    first, *rest = file.read_text().splitlines()
    assert LINE.fullmatch(first)
    assert rest
    assert all(line.startswith("    ") for line in rest)


@pytest.mark.parametrize(
    ("level", "words"),
    [("DEBUG", "dbg inf wrn err"), ("INFO", "inf wrn err"), ("WARNING", "wrn err"), ("CRITICAL", "")],
)
def test_the_level_says_what_goes_into_the_file(
    settings: Settings, file: Path, capsys: pytest.CaptureFixture[str], level: str, words: str
) -> None:
    """And nothing of it is shown."""
    with open_log(replace(settings, log_level=level), debug=False) as log:
        say_all(log)
    assert [line.split()[-1] for line in file.read_text().splitlines()] == words.split()
    assert capsys.readouterr() == ("", "")


def say_all(log: logging.Logger) -> None:
    log.debug("dbg")
    log.info("inf")
    log.warning("wrn")
    log.error("err")


@pytest.mark.parametrize("has_file", [True, False])
def test_debug_shows_all_and_logs_all(
    settings: Settings, file: Path, capsys: pytest.CaptureFixture[str], has_file: bool
) -> None:
    """Whatever the level is, and without a file too; stdout stays for the id."""
    settings = replace(settings, log_level="ERROR", log_file=file if has_file else None)
    with open_log(settings, debug=True) as log:
        say_all(log)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split()[-1] for line in err.splitlines()] == ["dbg", "inf", "wrn", "err"]
    assert all(LINE.fullmatch(line) for line in err.splitlines())
    assert (file.read_text() == err) if has_file else not file.exists()


def test_without_a_file_nothing_is_logged(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    """What people have to know they are told otherwise, and once."""
    with open_log(replace(settings, log_file=None), debug=False) as log:
        say_all(log)
    assert capfd.readouterr() == ("", "")


def test_it_goes_on_at_its_end(settings: Settings, file: Path) -> None:
    for number in range(2):
        with open_log(settings, debug=False) as log:
            log.info("run %d", number)
    assert [line.rpartition("INFO ")[2] for line in file.read_text().splitlines()] == ["run 0", "run 1"]
    assert LOGGER.handlers == []


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_file_that_logrotate_takes_is_begun_again(log: logging.Logger, file: Path, how: str) -> None:
    """Between two records of one run; what was written stays where it was moved."""
    old = file.with_suffix(".1")
    log.info("first")
    if how == "moved":
        file.rename(old)
        assert old.read_text().endswith("INFO first\n")
    else:
        file.unlink()
    log.info("second")
    log.info("third")
    assert [line.split()[-1] for line in file.read_text().splitlines()] == ["second", "third"]


def test_a_file_that_logrotate_has_made_anew_is_written_to(log: logging.Logger, file: Path) -> None:
    """With `create`, in the mode that it was given."""
    log.info("first")
    file.rename(file.with_suffix(".1"))
    file.touch()
    file.chmod(0o600)
    log.info("second")
    assert file.read_text().endswith("INFO second\n")
    assert file.stat().st_mode & 0o777 == 0o600


def test_others_cannot_read_it(log: logging.Logger, file: Path) -> None:
    """Names of files are not for everybody."""
    log.info("first")
    assert file.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("name", ["missing/send.log", "."])
def test_a_file_that_cannot_be_opened_is_an_error_at_the_start(settings: Settings, tmp_path: Path, name: str) -> None:
    """With what to do."""
    path = tmp_path / name
    with pytest.raises(StorageError) as caught, open_log(replace(settings, log_file=path), debug=False):
        pass
    assert str(caught.value).startswith(f"cannot open the log {path}: ")
    assert "create its directory, let this user write there, or change 'log file' in [logging]" in str(caught.value)
    assert LOGGER.handlers == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_may_not_be_written_is_an_error_at_the_start(settings: Settings, file: Path) -> None:
    file.touch(mode=0o400)
    with pytest.raises(StorageError, match="Permission denied"), open_log(settings, debug=False):
        pass


def test_a_full_disk_is_told_once_and_fails_nothing(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """The send that is under way matters more."""
    with open_log(replace(settings, log_file=Path("/dev/full")), debug=False) as log:
        log.info("first")
        log.info("second")
    assert capsys.readouterr().err == (
        "cannot write log /dev/full: [Errno 28] No space left on device (not repeated)\n"
    )


def test_a_directory_that_goes_away_fails_nothing(
    log: logging.Logger, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And when it is back, so is the log."""
    log.info("first")
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    tmp_path.rename(moved)
    log.info("second")
    moved.rename(tmp_path)
    file.unlink()
    log.info("third")
    assert file.read_text().endswith("INFO third\n")
    assert re.fullmatch(r"cannot write log .* \(not repeated\)\n", capsys.readouterr().err)


def test_several_sends_write_whole_lines(settings: Settings, file: Path, tmp_path: Path) -> None:
    """Also lines longer than what is buffered."""
    script = (
        "import sys\nfrom ftpretrieve.send.log import open_log\n"
        "from ftpretrieve.send.settings import read_settings\n"
        "with open_log(read_settings(sys.argv[1]), debug=False) as log:\n"
        "    for number in range(100): log.info('%s %d', sys.argv[2] * (number * 211), number)\n"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "send.conf")]
    writers = [subprocess.Popen([*words, letter], cwd=CHECKOUT) for letter in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    lines = file.read_text().splitlines()
    assert len(lines) == 200
    for line in lines:
        text, number = line.rpartition("INFO ")[2].rsplit(" ", 1)
        assert text in ("a" * int(number) * 211, "b" * int(number) * 211)


# -- the words --------------------------------------------------------------------------------------------------------


def written() -> set[str]:
    """Return the words that the code hands to the log: capitals alone, where a word is expected."""
    found = set()
    for path in (CHECKOUT / "ftpretrieve" / "send").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "attr", None) or getattr(
                getattr(node, "func", None), "id", None
            )
            if isinstance(node, ast.Call) and name in ("record", "tell", "_tell"):
                texts = (word.value for word in node.args if isinstance(word, ast.Constant))
                found |= {text for text in texts if isinstance(text, str) and WORD.fullmatch(text)}
    return found


def test_every_word_of_the_log_is_told_of() -> None:
    """And none that is never written."""
    assert written() == set(RECORDS)


@pytest.mark.parametrize("word", RECORDS)
def test_a_word_names_its_fields_and_what_it_means(word: str) -> None:
    fields, _, meaning = RECORDS[word].partition(": ")
    assert re.fullmatch(r"([a-z]+= ?)+", fields)
    assert meaning
