"""The command line: its help, its usage, its exit codes, and what reaches those who run the jobs."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ftpretrieve import __version__, cli
from ftpretrieve.exits import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED, EXIT_USAGE
from ftpretrieve.manpage import WIDTH
from ftpretrieve.mirror import commands, runner
from ftpretrieve.mirror.arguments import parse
from ftpretrieve.mirror.manual import EXIT_CODES, SYNOPSES, manual
from ftpretrieve.mirror.options import OPTIONS, Place
from ftpretrieve.mirror.records import Job
from ftpretrieve.signals import ENDING, Ended

MODES = list(SYNOPSES)
HEADLINES = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT CODES", "FILES", "ENVIRONMENT", "SEE ALSO"]
SECRET = "Hunter2Hunter2"


class Ran:
    """Takes the jobs instead of running them."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.quiet = self.as_data = False

    def run_jobs(self, jobs: Sequence[Job], *, quiet: bool, as_data: bool) -> int:
        self.jobs, self.quiet, self.as_data = list(jobs), quiet, as_data
        return 75


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ran:
    monkeypatch.chdir(tmp_path)
    recorder = Ran()
    monkeypatch.setattr(runner, "run_jobs", recorder.run_jobs)
    return recorder


def write(path: Path, *names: str, options: str = "-a") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"[{name}]\nsite=h\nremote=/\nlocal={name}\noptions={options}\n" for name in names))
    return path


# -- help -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", MODES)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_of_a_mode_is_a_manual_page(capsys, place, flag):
    """Synopsis, every option with what it does, examples, exit codes, files and environment; lines of a terminal."""
    assert commands.main([place, flag]) == 0
    told, errors = capsys.readouterr()
    assert errors == ""
    headlines = [line for line in told.splitlines() if re.fullmatch("[A-Z ]+", line)]
    assert [line for line in headlines if line in HEADLINES] == HEADLINES
    assert f"lftp-mirror {place} {SYNOPSES[place]}\n" in told
    for option in OPTIONS:
        spelling = f"    {', '.join(option.flags)}{' ' + option.metavar if option.metavar else ''}\n"
        assert (spelling in told) is (place in option.places), option.name
        assert place not in option.places or option.help in " ".join(told.split())
    long = [line for line in told.splitlines() if len(line) > WIDTH]
    assert all("lftp-mirror" in line for line in long)  # a command line is not to be torn


@pytest.mark.parametrize("place", MODES)
def test_every_example_is_a_command_line_that_is_understood(place, ran, monkeypatch):
    """Each of them makes jobs when it is copied, and none is wrong."""
    monkeypatch.setenv("LFTP_PASSWORD", SECRET)
    monkeypatch.setenv("HOME", os.getcwd())
    write(Path("mirrors.cfg"), "one")
    write(Path(".config/ftpretrieve/mirror.cfg"), "cron")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    examples = re.findall(r"lftp-mirror (.*)", manual(place, "lftp-mirror").partition("\nEXAMPLES\n")[2])
    examples = [line for line in examples if line.startswith(place) and "--help" not in line]
    assert examples
    for line in examples:
        words = ["sh", "-c", f'printf "%s\\0" {line}']
        argv = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
        assert commands.main(argv) == 75, line
        assert len(ran.jobs) == 1


@pytest.mark.parametrize("flags", [["--help"], ["-h"]])
def test_the_help_without_a_mode_names_the_modes(capsys, flags):
    """And where to read on."""
    assert commands.main(flags) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert all(f"lftp-mirror {place} {SYNOPSES[place]}" in told for place in MODES)
    assert all(f"lftp-mirror {place} --help" in told for place in MODES)


def test_old_spellings_stand_in_one_place_of_the_help(capsys):
    """They are understood for those who have them in a crontab, not for others to learn."""
    commands.main(["shell", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for flag in (flag for option in OPTIONS for flag in option.old_flags):
        assert len(re.findall(rf"(?<![\w-]){flag}(?![\w-])", told)) == 1


def test_the_help_says_why_not_to_write_a_password(capsys):
    """Whoever reads about -l reads what is safer."""
    commands.main(["shell", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "Every user of this machine sees the command line in ps" in told
    assert "$LFTP_PASSWORD" in told


@pytest.mark.parametrize("words", [["-v"], ["--version"], ["shell", "-v"], ["cfg", "--version"]], ids=" ".join)
def test_the_version(capsys, words):
    """That of the package."""
    assert commands.main(words) == 0
    assert capsys.readouterr().out == f"lftp-mirror {__version__}\n"


# -- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["shel"], ["--wat"], [""]], ids=str)
def test_without_a_mode_it_says_how_it_is_used(capsys, words):
    """Exit 2, every mode on stderr, and nothing on stdout."""
    assert commands.main(words) == 2
    told, errors = capsys.readouterr()
    assert told == ""
    assert errors.startswith("usage: lftp-mirror shell SITE REMOTE LOCAL")
    assert all(f"lftp-mirror {place} " in errors for place in MODES)
    assert ("did you mean shell?" in errors) is (words == ["shel"])


@pytest.mark.parametrize(
    "words",
    [["shell"], ["shell", "h", "/r", "l"], ["shell", "h", "/r", "l", "-a", "--wat"], ["cfg"], ["cfg", "a", "b"],
     ["cfg", "a", "-e"], ["cron", "x"], ["cron", "--wat"], ["cron", "-c"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_arguments_make_exit_2(ran, capsys, words):
    """With the usage of that mode, what is wrong and where to read on."""
    assert commands.main(words) == 2
    first, *problems, last = capsys.readouterr().err.splitlines()
    assert first == f"usage: lftp-mirror {words[0]} {SYNOPSES[Place(words[0])]}"
    assert last == f"lftp-mirror: see lftp-mirror {words[0]} --help"
    assert problems
    assert ran.jobs == []


def test_a_wrong_file_makes_exit_6(ran, capsys, tmp_path):
    """Each mistake on its line, and no job is run."""
    path = write(tmp_path / "x.cfg", "one", "two", options="--wat")
    assert commands.main(["cfg", str(path)]) == 6
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 4
    assert all(re.match(rf"lftp-mirror: {path}:\d+: \[(one|two)\] \w+: ", line) for line in errors)
    assert ran.jobs == []


@pytest.mark.parametrize("words", [["cfg", "nowhere"], ["cron", "-c", "nowhere"]], ids=" ".join)
def test_a_missing_file_makes_exit_6(ran, capsys, words):
    """And is named."""
    assert commands.main(words) == 6
    assert "nowhere: there is no such configuration file" in capsys.readouterr().err


def test_what_a_message_repeats_cannot_steer_a_terminal(ran, capsys):
    """Nor make a line of its own."""
    assert commands.main(["shell", "h", "/r", "l", "-a", "--keep", "1\x1b[2J\nx"]) == 2
    assert "\x1b" not in capsys.readouterr().err


# -- what is run ------------------------------------------------------------------------------------------------------


def test_the_exit_code_is_that_of_the_jobs(ran):
    """Whatever they come to."""
    assert commands.main(["shell", "h", "/r", "l", "-a"]) == 75
    assert [job.name for job in ran.jobs] == ["shell"]


def test_a_file_runs_all_its_sections_and_cron_only_one(ran, tmp_path):
    """In the order of the file."""
    path = write(tmp_path / "x.cfg", "b", "cron", "a")
    commands.main(["cfg", str(path)])
    assert [job.name for job in ran.jobs] == ["b", "cron", "a"]
    commands.main(["cron", "-c", str(path)])
    assert [job.name for job in ran.jobs] == ["cron"]


@pytest.mark.parametrize("mode", ["shell", "cfg", "cron"])
@pytest.mark.parametrize("flag", [None, "-q", "--quiet", "--json"])
def test_quiet_and_json_belong_to_every_mode(ran, tmp_path, mode, flag):
    """For all jobs of the run."""
    path = write(tmp_path / "x.cfg", "cron")
    words = {"shell": ["h", "/r", "l", "-a"], "cfg": [str(path)], "cron": ["-c", str(path)]}[mode]
    commands.main([mode, *words, *([flag] if flag else [])])
    assert (ran.quiet, ran.as_data) == (flag in ("-q", "--quiet"), flag == "--json")


def test_quiet_and_json_may_stand_in_a_section(ran, tmp_path):
    """For that job only."""
    commands.main(["cfg", str(write(tmp_path / "x.cfg", "one", options="-aq --json"))])
    assert (ran.quiet, ran.as_data) == (False, False)
    assert ran.jobs[0].wants("quiet")
    assert ran.jobs[0].wants("json")


def test_notes_are_said_before_anything_is_run(ran, capsys, tmp_path):
    """With the job they are about."""
    commands.main(["cfg", str(write(tmp_path / "x.cfg", "one", options="-a --keep 3 -r"))])
    assert capsys.readouterr().err.startswith("lftp-mirror: [one] --keep is ignored because of -r")


# -- how it is reached ------------------------------------------------------------------------------------------------


def test_it_is_a_command_of_ftpretrieve_too(capsys, monkeypatch):
    """Under a name that its messages and its help use."""
    monkeypatch.setenv("COLUMNS", "80")  # a narrower help breaks the line
    assert cli.main(["mirror", "shell", "--help"]) == 0
    assert "    ftpretrieve mirror shell SITE REMOTE LOCAL" in capsys.readouterr().out
    assert cli.main(["mirror"]) == 2
    assert capsys.readouterr().err.startswith("usage: ftpretrieve mirror shell")
    assert re.search(r"^ +mirror +keep two directories alike", cli.make_parser().format_help(), re.M)


def test_it_is_installed_under_its_name():
    """The entry point of the package."""
    script = Path(sys.executable).parent / "lftp-mirror"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"lftp-mirror {__version__}\n"


def test_a_password_is_asked_on_the_terminal_and_not_shown(tmp_path):
    """A real one: what is typed does not appear, and without a terminal it is said what to set."""
    words = [sys.executable, "-m", "ftpretrieve", "mirror", "shell", "127.0.0.1", "/r", str(tmp_path / "l")]
    words += ["-p", "1", "--no-email", "-q", "--timeout", "1", "-l", "joe", "-"]
    environment = {name: value for name, value in os.environ.items() if name != "LFTP_PASSWORD"}
    without = subprocess.run(
        words,
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert without.returncode == 2
    assert "no terminal to ask on; set $LFTP_PASSWORD" in without.stderr
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(words[0], words, environment)
    shown = b""
    while b"Password of joe at 127.0.0.1: " not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, SECRET.encode() + b"\n")
    try:
        while chunk := os.read(terminal, 1000):
            shown += chunk
    except OSError:
        pass  # how Linux says that the other end of a terminal is closed
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) in (1, 75)
    assert SECRET.encode() not in shown


def test_the_exit_codes_of_the_help_are_those_there_are():
    """Documented once, for all modes."""
    assert [code for code, _ in EXIT_CODES] == ["0", "1", "2", "4", "6", "75", "129", "130", "141", "143"]
    assert (EXIT_USAGE, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE) == (2, 130, 141)
    assert [Ended(number).exit_code for number in ENDING] == [143, 129]


def test_every_place_parses_what_its_synopsis_shows():
    """-q and --json stand in the synopsis of the modes that read a file."""
    for place in (Place.CFG, Place.CRON):
        flags = re.findall(r"\[(-\S+)", SYNOPSES[place])
        words = [word for flag in flags for word in ([flag.rstrip("]"), "x"] if flag == "-c" else [flag.rstrip("]")])]
        assert parse(words, place).problems == []
