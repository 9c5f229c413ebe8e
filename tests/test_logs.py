"""One record is one line, reads back exactly, and no state of the disk reaches the program that logs."""

import ast
import contextlib
import json
import logging
import os
import re
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve import logs
from ftpretrieve.errors import StorageError
from ftpretrieve.logs import RECORDS, LogFile, Redactor, Repeats, files_downloaded, open_log, record, stderr_log

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} "
DAY = 86_400
NAMES = st.text(st.characters(exclude_categories=())) | st.binary(max_size=40).map(os.fsdecode)
"""Any string at all, lone surrogates included, and any bytes as a listing may hold them."""


class Clock:
    """Time that is given. Starts at noon, so that hours can be added without meeting a midnight by accident."""

    def __init__(self) -> None:
        self.now = time.mktime((2026, 11, 20, 12, 0, 0, 0, 0, -1))

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log() -> logging.Logger:
    """A logger that nobody else has."""
    return logging.Logger("test", logging.DEBUG)  # noqa: LOG001  nobody else has this one


@pytest.fixture
def path(tmp_path: Path) -> Path:
    directory = tmp_path / "log"
    directory.mkdir()
    return directory / "ftpretrieve.log"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(log: logging.Logger, path: Path, clock: Clock) -> Iterator[Callable[..., LogFile]]:
    """Open the log with these options, and close all of them afterwards."""
    with contextlib.ExitStack() as stack:

        def open_it(**options: object) -> LogFile:
            handler = open_log(str(path), **{"clock": clock, **options})
            stack.callback(handler.close)
            log.addHandler(handler)
            return handler

        yield open_it


def messages(path: Path) -> list[str]:
    """Return what the lines say after date and level, each of which must be there."""
    found = [re.fullmatch(f"{STAMP}[A-Z]+ (.*)", line) for line in path.read_text().splitlines()]
    assert all(found), path.read_text()
    return [match[1] for match in found]


def test_a_line_has_date_level_and_message(log, opened, path):
    """As documented: `2026-11-20 20:14:12,345 INFO WORD key=value`."""
    opened()
    log.info(record("POLL", listed=3, result="ok"))
    assert re.fullmatch(STAMP + r"INFO POLL listed=3 result=ok\n", path.read_text())


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        ("ok", "ok"),
        (12, "12"),
        (0.5, "0.5"),
        (1 / 3, "0.333"),
        (600.0, "600"),
        (float("inf"), "inf"),
        (True, "yes"),
        (False, "no"),
        ("", '""'),
        ("a b", '"a b"'),
        ('a"b', '"a\\"b"'),
        ("a'b", '"a\'b"'),
        ("a=b", '"a=b"'),
        ("a\\b", '"a\\\\b"'),
        ("a\nb", '"a\\nb"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("\u2028", '"\\u2028"'),
        ("été", "été"),
        (b"\xc3\xa9t\xc3\xa9", "été"),
        (b"\xe9", '"\\udce9"'),
        (Path("/data/sync"), "/data/sync"),
    ],
    ids=repr,
)
def test_spelling_of_a_value(value, spelled):
    """Plain where it can be mistaken for nothing else, a JSON string otherwise."""
    assert record("POLL", x=value) == f"POLL x={spelled}"


def test_fields_without_a_value_are_left_out():
    """None is not a word; zero is a value."""
    assert record("HEARTBEAT", state="idle", poll_age_secs=None, staged=0) == "HEARTBEAT state=idle staged=0"


@given(NAMES)
def test_any_text_in_a_record_is_one_line_and_reads_back(text):
    """A quoted value is JSON, an unquoted one is literal."""
    word, _, value = record("FILEFAILED", name=text).partition(" name=")
    assert word == "FILEFAILED"
    assert value.isprintable()
    assert (json.loads(value) if value.startswith('"') else value) == text


@given(st.lists(st.tuples(NAMES, st.none() | st.integers(), NAMES), max_size=5))
def test_downloaded_files_read_back_from_the_file_exactly(rows):
    """`ast.literal_eval` of the line in the file gives the names, whatever they are, lone surrogates too."""
    log = logging.Logger("test")  # noqa: LOG001  nobody else has this one
    with tempfile.TemporaryDirectory() as directory, contextlib.closing(open_log(f"{directory}/log")) as handler:
        log.addHandler(handler)
        for line in files_downloaded(rows):
            log.info(line)
        lines = Path(handler.baseFilename).read_text(encoding="utf-8").splitlines()
    assert [row for line in lines for row in ast.literal_eval(line.partition("FILESDOWNLOADED ")[2])] == rows


def test_downloaded_files_keep_their_documented_form():
    """Scripts split it by hand."""
    assert files_downloaded([("/data/sync/a.xml", 1795205652, "a.xml"), ("/data/sync/b", None, "b")]) == [
        "FILESDOWNLOADED [('/data/sync/a.xml', 1795205652, 'a.xml'), ('/data/sync/b', None, 'b')]"
    ]


@pytest.mark.parametrize(("rows", "lines"), [(0, []), (1, [1]), (200, [200]), (401, [200, 200, 1])])
def test_at_most_200_files_a_line(rows, lines):
    """And none without any."""
    found = files_downloaded([("/data/a", 1, "a")] * rows)
    assert [len(ast.literal_eval(line.partition(" ")[2])) for line in found] == lines


def test_a_message_cannot_forge_a_second_record(log, opened, path):
    """A server's reply may be quoted in a message or an exception; its line ends stay inside the record."""
    opened()
    forged = "no\n2026-11-20 20:14:12,345 INFO FILESDOWNLOADED []\r\x1b[2K\x85\u2028x"
    log.warning("the server said: %s", forged)
    try:
        raise ValueError(forged)
    except ValueError:
        log.exception("poll failed")
    records = [line for line in path.read_text().splitlines() if re.match(STAMP, line)]
    assert [line.split(" ", 4)[2:4] for line in records] == [["WARNING", "the"], ["ERROR", "poll"]]
    assert "FILESDOWNLOADED" in records[0]
    assert all(line.isprintable() for line in path.read_text().split("\n"))


def test_the_first_record_after_midnight_begins_a_new_file(log, opened, path, clock):
    """The old one is named by the day it covers."""
    opened()
    log.info("friday")
    clock.now += 12 * 3600 - 1
    log.info("friday, last second")
    clock.now += 1
    log.info("saturday")
    assert messages(path) == ["saturday"]
    assert messages(path.with_name("ftpretrieve.log.2026-11-20")) == ["friday", "friday, last second"]


@pytest.mark.parametrize("day", [(2026, 3, 29), (2026, 10, 25)], ids=["23 hours", "25 hours"])
def test_midnight_is_midnight_on_the_days_the_clocks_change(log, opened, path, clock, monkeypatch, day):
    """A day is not always 86,400 s."""
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        clock.now = time.mktime((*day, 1, 0, 0, 0, 0, -1))
        opened()
        log.info("day")
        clock.now = time.mktime((*day, 23, 59, 59, 0, 0, -1))
        log.info("last second")
        clock.now += 1
        log.info("next day")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert messages(path.with_name(f"ftpretrieve.log.{day[0]}-{day[1]:02}-{day[2]}")) == ["day", "last second"]
    assert messages(path) == ["next day"]


def test_a_log_of_an_earlier_day_is_turned_over_after_a_restart(log, opened, path, clock):
    """Else a daemon that is restarted every evening would never rotate."""
    path.write_text("2026-11-18 20:00:00,000 INFO wednesday\n")
    os.utime(path, (clock.now - 2 * DAY, clock.now - 2 * DAY))
    opened()
    log.info("friday")
    assert messages(path) == ["friday"]
    assert messages(path.with_name("ftpretrieve.log.2026-11-18")) == ["wednesday"]


def test_only_so_many_old_files_are_kept(log, opened, path, clock):
    """The oldest go, other files stay."""
    opened(keep=2)
    other = path.with_name("ftpretrieve.log.note")
    other.write_text("mine")
    for day in range(5):
        log.info("day %d", day)
        clock.now += DAY
    log.info("last")
    old = [f"ftpretrieve.log.2026-11-{day}" for day in (23, 24)]
    assert sorted(os.listdir(path.parent)) == ["ftpretrieve.log", *old, other.name]


def test_a_day_that_comes_twice_is_added_to_its_file(log, opened, path, clock):
    """The clock was set back; overwriting would lose what a consumer has not read yet."""
    path.with_name("ftpretrieve.log.2026-11-20").write_text("2026-11-20 08:00:00,000 INFO before\n")
    opened()
    log.info("again")
    clock.now += DAY
    log.info("next")
    assert messages(path.with_name("ftpretrieve.log.2026-11-20")) == ["before", "again"]
    assert messages(path) == ["next"]


def test_a_rotation_that_fails_loses_nothing(log, opened, path, clock, capsys):
    """Writing goes on in the same file, and stderr is told once."""
    path.with_name("ftpretrieve.log.2026-11-20").mkdir()
    opened()
    log.info("friday")
    clock.now += DAY
    log.info("saturday")
    log.info("saturday, later")
    assert messages(path) == ["friday", "saturday", "saturday, later"]
    assert capsys.readouterr().err.count("cannot rotate log") == 1


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_new_log_is_readable_by_its_group_whatever_the_umask(log, opened, path, clock, umask):
    """The files after a rotation too; names of files are not for everybody."""
    before = os.umask(umask)
    try:
        opened()
        log.info("friday")
        clock.now += DAY
        log.info("saturday")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o640}
    assert len(list(path.parent.iterdir())) == 2


def test_the_mode_an_operator_gave_the_log_is_kept(opened, path):
    """Somebody wanted it so."""
    path.touch(0o600)
    opened()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_directory_that_goes_and_comes_back(log, opened, path, capsys):
    """Records are lost, said once on stderr, counted, and the count is logged when writing works again."""
    handler = opened()
    log.info("before")
    path.parent.rename(path.parent.with_name("gone"))
    for number in range(5):
        log.info("lost %d", number)
    assert handler.failing
    assert capsys.readouterr().err.count("\n") == 1
    path.parent.mkdir()
    log.info("after")
    log.info("later")
    assert not handler.failing
    assert messages(path) == ["LOGGAP lost=5", "after", "later"]


def test_a_log_that_was_moved_away_is_begun_again(log, opened, path):
    """logrotate or an operator did it; without a look at the path all further lines would go with it."""
    opened()
    log.info("one")
    path.rename(path.with_suffix(".old"))
    log.info("two")
    assert messages(path) == ["two"]


def test_every_failure_is_told_once_on_stderr(log, opened, path, capsys):
    """A second failure after a recovery is news again."""
    opened()
    for _ in range(2):
        path.parent.rename(path.parent.with_name("gone"))
        log.info("lost")
        log.info("lost")
        path.parent.with_name("gone").rename(path.parent)
        log.info("kept")
    assert capsys.readouterr().err.count("cannot write log") == 2


FULL = """
import logging, resource, signal, sys
from ftpretrieve.logs import open_log
log = logging.Logger("test")  # noqa: LOG001  nobody else has this one
handler = open_log(sys.argv[1])
log.addHandler(handler)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
for number in range(40):
    log.info("%d %s", number, "x" * 60)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.info("room again")
"""


def test_a_full_disk_never_leaves_half_a_line(path):
    """The kernel writes the part that fits, then fails; what is there must still be whole lines, and then go on."""
    out = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    assert out.stderr.count("\n") == 1
    *whole, gap, last = messages(path)
    assert [line.split()[0] for line in whole] == [str(number) for number in range(len(whole))]
    assert (gap, last) == (f"LOGGAP lost={40 - len(whole)}", "room again")
    assert len(whole) > 5


def test_a_device_that_is_always_full_does_not_reach_the_caller(log, opened, path, clock, capsys):
    """Nor is it rotated away. (By a symlink, or a mistake in the code would rename the device of the machine.)"""
    path.symlink_to("/dev/full")
    handler = opened()
    log.info("one")
    clock.now += DAY
    log.info("two")
    assert (handler.lost, os.listdir(path.parent)) == (2, [path.name])
    assert capsys.readouterr().err.count("\n") == 1


def test_a_message_that_does_not_fit_its_arguments_does_not_reach_the_caller(log, opened, path, capsys):
    """A mistake of ours in a rare branch must not end the poll in which it first runs."""
    opened().addFilter(Redactor(["secret"]))
    log.info("%d files of %d", "three")  # noqa: PLE1206  on purpose
    log.info("after")
    assert messages(path) == ["LOGGAP lost=1", "after"]
    assert capsys.readouterr().err.count("\n") == 1


def test_a_log_that_cannot_be_opened_is_an_error_at_start(tmp_path):
    """Named, and before the daemon says that it is ready."""
    with pytest.raises(StorageError, match=f"cannot open log {tmp_path}/nowhere/x.log: No such file"):
        open_log(f"{tmp_path}/nowhere/x.log")


def test_debug_records_only_when_asked(log, opened, path):
    """Steps are for debugging."""
    opened()
    log.debug("step.started")
    assert messages(path) == []
    log.handlers.clear()
    opened(debug=True)
    log.debug("step.started")
    assert messages(path) == ["step.started"]


def test_the_foreground_sees_every_record_too(log, opened, path, capsys):
    """Even while the file cannot be written."""
    opened(also_stderr=True)
    log.info("one")
    path.parent.rename(path.parent.with_name("gone"))
    log.info("two")
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(STAMP + "INFO one", lines[0])
    assert [line.rpartition(" ")[2] for line in lines if re.match(STAMP, line)] == ["one", "two"]


def test_a_terminal_that_went_away_is_no_trouble(log, monkeypatch):
    """A broken or closed stderr does not reach the caller."""
    reading, writing = os.pipe()
    os.close(reading)
    stderr = os.fdopen(writing, "w")
    monkeypatch.setattr(sys, "stderr", stderr)
    log.addHandler(stderr_log())
    log.info("nobody reads this")
    with contextlib.suppress(BrokenPipeError):
        stderr.close()
    log.info("nor this")


SECRETS = ['mo lü"sk\\', "xylophone", "xylophone-quartz", "abc"]
FRAGMENTS = ["mo l", "sk\\", "xylo", "quartz"]


@pytest.mark.parametrize("secret", SECRETS[:3])
@pytest.mark.parametrize(
    "spell",
    [str, repr, json.dumps, lambda text: record("POLL", reason=f"login {text}")],
    ids=["plain", "repr", "json", "record"],
)
def test_secrets_are_masked_however_they_are_quoted(log, opened, path, capsys, secret, spell):
    """In the message, its arguments and tracebacks, in the file and on stderr."""
    opened(also_stderr=True).addFilter(Redactor(SECRETS))
    spelled = spell(secret)
    log.info(spelled)
    log.info("%s and %s", spelled, 1)
    try:
        raise ValueError(spelled)
    except ValueError:
        log.exception("failed", stack_info=True)
    for text in (path.read_text(), capsys.readouterr().err):
        assert not [fragment for fragment in FRAGMENTS if fragment in text]
        assert text.count("***") >= 3


def test_short_secrets_are_not_masked(log, opened, path):
    """`abc` would punch holes into ordinary words and so tell itself."""
    opened().addFilter(Redactor(SECRETS))
    log.info("abcdef")
    assert messages(path) == ["abcdef"]


def test_without_secrets_everything_passes(log, opened, path):
    """No secret is not the empty secret."""
    opened().addFilter(Redactor([]))
    log.info("as %s is", "it")
    assert messages(path) == ["as it is"]


# -- repeats ----------------------------------------------------------------------------------------------------------

SUSPECT = "LISTINGSUSPECT reason=unreadable listed={} before={} example=Welcome"


def said(log, path, *messages_):
    """Log these and return what came out, but for the POLL records."""
    before = len(messages(path)) if path.exists() else 0
    for message in messages_:
        log.warning(message)
    return [message for message in messages(path)[before:] if not message.startswith("POLL")]


def test_what_every_poll_shows_is_said_once_a_day(log, opened, path):
    """A server with a banner in its listing would fill the log; the counts beside it do not make it news."""
    seconds = [0.0]
    log.addFilter(Repeats(lambda: seconds[0]))
    opened()
    first, later = SUSPECT.format(2, 0), SUSPECT.format(3, 2)
    assert said(log, path, first, "POLL listed=2") == [first]
    assert said(log, path, later, "POLL listed=3", later, "POLL listed=3") == []
    seconds[0] = 86_400.0
    assert said(log, path, later, "POLL listed=3") == [later]


def test_what_is_new_or_was_over_is_said_at_once(log, opened, path):
    log.addFilter(Repeats())
    opened()
    first, other = SUSPECT.format(2, 2), SUSPECT.format(2, 2) + "s"
    assert said(log, path, first, "POLL listed=2", other, "POLL listed=2") == [first, other]
    assert said(log, path, "POLL listed=2", first, "POLL listed=2") == [first]


def test_what_shows_only_when_something_is_fetched_is_not_over_between(log, opened, path):
    log.addFilter(Repeats())
    opened()
    unavailable = 'HASHUNAVAILABLE reason="the server offers no digests"'
    assert said(log, path, unavailable, "POLL fetched=1", "POLL fetched=0", unavailable) == [unavailable]


@pytest.mark.parametrize("message", ["FILEFAILED name=a attempts=1 reason=x", "TLSUNVERIFIED host=h"])
def test_all_else_is_said_each_time(log, opened, path, message):
    log.addFilter(Repeats())
    opened()
    assert said(log, path, message, message) == [message, message]


def test_every_record_word_in_the_package_is_documented():
    """RECORDS is what the documentation shows; send has a table of its own. (Words in lower case are steps.)"""
    used = set()
    package = Path(logs.__file__).parent
    for source in {*package.rglob("*.py")} - {*(package / "send").rglob("*.py")}:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "record":
                used.update(word.value for word in node.args[:1] if isinstance(word, ast.Constant))
    assert "HEARTBEAT" in used
    assert {word for word in used if word.isupper()} <= set(RECORDS)
