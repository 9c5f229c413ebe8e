"""The command line of send: what the words mean, what is refused, what is said, and with which code it ends.

What talks to a data centre is replaced by something that notes how it was called; that it works is tested elsewhere.
`python -m tests.send.test_commands` writes the golden help anew.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve import __version__, errors
from ftpretrieve.errors import FtpRetrieveError
from ftpretrieve.manpage import WIDTH
from ftpretrieve.send import commands
from ftpretrieve.send.manual import EXIT_CODES, OPTIONS, SYNOPSES, manual
from ftpretrieve.send.settings import KEYS
from ftpretrieve.send.survey import Request
from tests.send.calling import TYPE, Calls, run

CHECKOUT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden" / "ResifDataTransfer.txt"
ODD = os.fsdecode(b"/data/\xe9t\xe9 \n\x1b[2J'")


# -- what is called ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "call"),
    [
        (f"-s /data/x/ -d {TYPE}", ("run.send", (Request("/data/x/", TYPE),))),
        (f"--send /data/x --data-type {TYPE}", ("run.send", (Request("/data/x", TYPE),))),
        (f"--send=/data/x/. --data-type={TYPE}", ("run.send", (Request("/data/x/", TYPE),))),
        (f"-d{TYPE} -s/data/x", ("run.send", (Request("/data/x", TYPE),))),
        (f"-t -s /x -d {TYPE}", ("run.test", (Request("/x", TYPE),))),
        (f"-its /x -d {TYPE}", ("run.test", (Request("/x", TYPE, ignore_limits=True),))),
        (f"-s /x -d {TYPE} --ignore-limits", ("run.send", (Request("/x", TYPE, ignore_limits=True),))),
        (f"-s /x -d {TYPE} --restart", ("run.send", (Request("/x", TYPE, restart=True),))),
        (f"-s /x -d {TYPE} --resume", ("run.send", (Request("/x", TYPE, resume=True),))),
        (f"-t -s /x -d {TYPE} --resume", ("run.test", (Request("/x", TYPE, resume=True),))),
        ("--resume", ("run.resume", (None, False))),
        ("--resume -i", ("run.resume", (None, True))),
        ("--resume ABCD1234", ("run.resume", ("ABCD1234", False))),
        ("-r ABCD1234", ("follow.retrieve", ("ABCD1234",))),
        ("--retrieve-logs a", ("follow.retrieve", ("a",))),
        ("--status ABCD1234", ("follow.status", ("ABCD1234", 0.0, False))),
        ("--status A1 --wait 90 --json", ("follow.status", ("A1", 90.0, True))),
        ("--status A1 --wait '10 min'", ("follow.status", ("A1", 600.0, False))),
        ("--pending", ("follow.pending", (False,))),
        ("--pending --json", ("follow.pending", (True,))),
        # abbreviations that getopt took when there were fewer options
        (f"--s /x --d {TYPE}", None),
        (f"--s /x --da {TYPE}", ("run.send", (Request("/x", TYPE),))),
        (f"--te --se /x --data {TYPE} --ig", ("run.test", (Request("/x", TYPE, ignore_limits=True),))),
        ("--r ABCD1234", ("follow.retrieve", ("ABCD1234",))),
        ("--re ABCD1234", ("follow.retrieve", ("ABCD1234",))),
        ("--retrieve=ABCD1234", ("follow.retrieve", ("ABCD1234",))),
    ],
)
def test_the_words_call_one_thing(calls: Calls, config: Path, line: str, call: Any) -> None:
    """With what they say; -c names the configuration. (`--d` has always been ambiguous.)"""
    code = run("-c", str(config), *shlex.split(line))
    assert (code, calls.made) == ((0, [call]) if call else (2, []))


def test_the_code_of_the_call_is_that_of_the_command(calls: Calls, config: Path) -> None:
    calls.code = 75
    assert run("--status", "A1", "--conf", str(config)) == 75


def test_a_directory_is_as_the_user_wrote_it(
    calls: Calls, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But absolute, whatever its name is made of."""
    monkeypatch.chdir(tmp_path)
    for text in ("x", "./x/", ".", ODD, f"{ODD}/"):
        assert run("-c", str(config), "-s", text, "-d", TYPE) == 0
    sent = [request.directory for _, (request,) in calls.made]
    assert sent == [f"{tmp_path}/x", f"{tmp_path}/x/", f"{tmp_path}/", ODD, f"{ODD}/"]


# -- how it ends ------------------------------------------------------------------------------------------------------


def kinds(root: type[FtpRetrieveError]) -> list[type[FtpRetrieveError]]:
    return [root, *(each for kind in root.__subclasses__() for each in kinds(kind))]


@pytest.mark.parametrize("kind", [kind for kind in kinds(FtpRetrieveError) if kind.__module__ == errors.__name__])
def test_every_error_is_a_failure(
    calls: Calls, config: Path, log: Path, capsys: pytest.CaptureFixture[str], kind: type[FtpRetrieveError]
) -> None:
    """Told on stderr by lines, each safe for a terminal, and in the log."""
    calls.raises = kind("first \x1b[2J\nsecond")
    assert run("-c", str(config), "--pending") == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "ResifDataTransfer: first \\u001b[2J\nResifDataTransfer: second\n")
    logged = [line.partition(" ERROR ")[2] for line in log.read_text().splitlines()]
    assert logged == ['FAILED reason="first \\u001b[2J"', "FAILED reason=second"]


def test_an_error_that_refers_to_permission_is_one_as_well(calls: Calls, config: Path) -> None:
    """Other commands have a code of their own for it."""
    calls.raises = FtpRetrieveError("x")
    calls.raises.__cause__ = PermissionError("x")
    assert run("-c", str(config), "--pending") == 1


@pytest.mark.parametrize(
    ("number", "code", "reason"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, '"ended by SIGTERM"'),
        (signal.SIGHUP, 129, '"ended by SIGHUP"'),
    ],
)
def test_a_signal_ends_it_with_its_code(
    calls: Calls, config: Path, log: Path, number: signal.Signals, code: int, reason: str
) -> None:
    """And the log knows why."""
    calls.does = lambda: os.kill(os.getpid(), number)
    assert run("-c", str(config), "--resume") == code
    assert log.read_text().endswith(f" ERROR FAILED reason={reason}\n")


def test_success_has_nothing_to_tell(calls: Calls, config: Path, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was done is told by what did it."""
    assert run("-c", str(config), "-s", "/x", "-d", TYPE) == 0
    assert capsys.readouterr() == ("", "")
    assert log.read_text() == ""


def test_debug_shows_the_log(calls: Calls, config: Path, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls.raises = FtpRetrieveError("too bad")
    assert run("-b", "-c", str(config), "--pending") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert log.read_text() in err
    assert err.endswith("ResifDataTransfer: too bad\n")


# -- the logbook ------------------------------------------------------------------------------------------------------


def entry(**values: object) -> dict[str, object]:
    usual = {"date": "2026-11-21T08:00:00Z", "node": "TEST", "directory": "/data/x/", "transactionID": "ABCD1234"}
    return {**usual, "size": 1.23456, "datatype": TYPE, **values}


def test_the_logbook_is_printed_by_lines(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Id, date, node, data type, directory, size; nothing in a name can break them."""
    entries = [entry(), entry(transactionID="X", directory="/a\tb\n\udce9", size=0)]
    config.with_name("book.json").write_text(json.dumps(entries))
    assert run("-c", str(config), "-l") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        f"ABCD1234\t2026-11-21T08:00:00Z\tTEST\t{TYPE}\t/data/x/\t1.235",
        f"X\t2026-11-21T08:00:00Z\tTEST\t{TYPE}\t/a\\tb\\n\\udce9\t0.000",
    ]


def test_an_empty_logbook_is_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr; it is no failure. One that is not there may be a wrong path, or a disk that is not mounted."""
    book = config.with_name("book.json")
    for text in ("no logbook yet", "the logbook is empty"):
        assert run("-c", str(config), "-l") == 0
        assert capsys.readouterr() == ("", f"ResifDataTransfer: {text}: {book}\n")
        book.write_text("[]")


def test_a_damaged_logbook_is_left_alone_until_it_is_repaired(
    config: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then it lies beside the new one, which has what could be read."""
    book = config.with_name("book.json")
    damaged = json.dumps([entry(), entry(transactionID="X")])[:-9]
    book.write_text(damaged)
    assert run("-c", str(config), "-l") == 1
    assert "--repair" in capsys.readouterr().err
    assert book.read_text() == damaged
    assert run("-c", str(config), "--repair") == 0
    out, err = capsys.readouterr()
    assert out == ""
    (aside,) = (path for path in book.parent.glob("book.json*damaged*"))
    assert aside.read_text() == damaged
    assert err == f"ResifDataTransfer: {book}: 1 entries could be kept; the damaged one is {aside}: compare them\n"
    assert log.read_text().endswith(f" WARNING REPAIRED logbook={book} aside={aside}\n")
    assert run("-c", str(config), "-l") == 0
    assert run("-c", str(config), "--repair") == 0
    assert "nothing to repair" in capsys.readouterr().err


# -- help and version -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_is_as_it_is_known(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    """Whatever else is given. A change of it shows in the golden file."""
    assert run("-s", "/x", flag) == 0
    assert capsys.readouterr() == (GOLDEN.read_text(), "")


def test_the_help_is_enough_to_work_with() -> None:
    """Every option with what it does, every key, every exit code; lines of a terminal."""
    told = manual(commands.PROG)
    flat = " ".join(told.split())
    for option in OPTIONS:
        assert f"    {option.spelling}\n" in told
        assert " ".join(option.help.split()) in flat
        assert not any(re.search(rf"(?<![\w-]){flag}(?![\w-])", told) for flag in option.old_flags)
    for key in KEYS:
        assert key.name in flat
    for code, meaning in EXIT_CODES:
        assert f"{code} {meaning}" in flat
    assert all(f"    {commands.PROG} {synopsis}\n" in told for synopsis in SYNOPSES)
    assert max(map(len, told.splitlines())) <= WIDTH


def test_every_example_of_the_help_does_something(calls: Calls, config: Path) -> None:
    """When it is copied."""
    told = manual(commands.PROG).partition("\nEXAMPLES\n")[2].partition("\nSEE ALSO\n")[0]
    lines = re.findall(rf"^        {commands.PROG} (.*)", told, re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        assert run("-c", str(config), *shlex.split(line)) == 0, line
    assert len(calls.made) == len(lines) - 1  # all but the logbook


@pytest.mark.parametrize("flag", ["-v", "--version"])
def test_the_version_is_told(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert run(flag) == 0
    assert capsys.readouterr() == (f"ResifDataTransfer {__version__}\n", "")


def test_it_is_called_by_the_name_that_the_user_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["-h"], prog="ftpretrieve send") == 0
    assert "    ftpretrieve send --resume [ID] [-i]\n" in capsys.readouterr().out
    assert commands.main(["-s"], prog="ftpretrieve send") == 2
    assert all(line.startswith("ftpretrieve send: ") for line in capsys.readouterr().err.splitlines())


def test_help_and_mistakes_do_not_wait_for_what_sends() -> None:
    """Nothing of it is loaded."""
    script = (
        "import sys\nfrom ftpretrieve.send.commands import main\n"
        "assert main(['-h']) == 0 and main(['-s']) == 2\n"
        "heavy = {'run', 'follow', 'job', 'survey', 'rsync', 'logbook', 'intents', 'transaction'}\n"
        "print(sorted(heavy & {name.rpartition('send.')[2] for name in sys.modules if 'send.' in name}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")


if __name__ == "__main__":
    GOLDEN.write_text(manual(commands.PROG))
