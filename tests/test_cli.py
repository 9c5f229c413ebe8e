"""The command line: how it is called, what it answers with, and the scripts that call it."""

import configparser
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from ftpretrieve import __version__, cli, errors
from ftpretrieve.errors import exit_code
from tests.installation import CHECKOUT, Installation, environment

NOWHERE = SimpleNamespace(host="127.0.0.1", port=1, user="tester", password="secret")
NAMES = [command.name for command in cli.COMMANDS]
INIT = CHECKOUT / "config" / "ftpretrieve.init"
SCRIPTS = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["scripts"]
UNIT = CHECKOUT / "config" / "ftpretrieve@.service"


@pytest.fixture
def site(tmp_path):
    with Installation(tmp_path / "site", NOWHERE) as installation:
        yield installation


# -- how it is called -------------------------------------------------------------------------------------------------


def test_without_a_command_it_says_how_it_is_used(site):
    """Exit 2, and nothing on stdout."""
    done = site.run(argv=site.argv()[:3], expect=2)
    assert "usage: ftpretrieve" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [["strat"], ["start", "--wat"], ["stop", "--timeout", "soon"], ["history", "--limit", "0"],
     ["history", "--since", "whenever"], ["once", "--name", "*"], ["once", "-n", "--mark-seen"], ["status", "--js"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_arguments_make_exit_2(site, arguments):
    """With the usage of that command and what is wrong."""
    assert "usage: ftpretrieve" in site.run(*arguments, expect=2).stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_a_command_is_enough_to_work_with(site, name):
    """What it does, its options, its exit codes and an example."""
    told = site.run(name, "--help", expect=0).stdout
    for part in ("exit codes:\n", "example:\n  ftpretrieve ", "--config FILE", "--json"):
        assert part in told
    for option in re.findall(r"^  (--[a-z-]+) SECS", told, re.M):
        assert re.search(rf"{option} SECS.*?in\s+seconds \(\d+\)", told, re.S), option


def test_the_version(site):
    """The one of the package."""
    assert site.run("--version", expect=0).stdout == f"ftpretrieve {__version__}\n"


def test_global_options_stand_before_and_after_the_command(site):
    """Neither place is the wrong one, and one does not undo the other."""
    module = [sys.executable, "-m", "ftpretrieve"]
    config = ["-c", str(site.config)]
    told = {
        site.run(argv=argv, expect=3).stdout
        for argv in (
            [*module, *config, "--json", "status"],
            [*module, "status", *config, "--json"],
            [*module, *config, "status", "--json"],
            [*module, "--json", "status", *config],
        )
    }
    assert [json.loads(text) for text in told] == [{"state": "stopped"}]


def test_the_configuration_comes_from_the_environment_too(site):
    """$FTPRETRIEVE_CONFIG, for who works with one configuration all day."""
    argv = [sys.executable, "-m", "ftpretrieve", "status"]
    site.run(argv=argv, env={"FTPRETRIEVE_CONFIG": str(site.config)}, expect=3)


def test_a_missing_configuration_makes_exit_6_and_says_where_one_is_looked_for(site):
    """All places, the user's and the system's."""
    env = {"HOME": str(site.home), "XDG_CONFIG_HOME": ""}
    told = site.run(argv=[sys.executable, "-m", "ftpretrieve", "status"], env=env, expect=6).stderr
    assert f"{site.home}/.config/ftpretrieve/ftpretrieve.conf" in told


@pytest.mark.parametrize("name", ["start", "run", "restart", "reload", "once", "history"])
def test_a_wrong_configuration_makes_exit_6(site, name):
    """Every mistake with its line. Only status and stop go on: a daemon must not become unstoppable by it."""
    site.configure(settle_secs="x", on_conflict="burn")
    told = site.run(name, expect=6).stderr
    assert len(re.findall(rf"^ftpretrieve: {re.escape(str(site.config))}:\d+: ", told, re.M)) == 2


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_command_of_the_package_is_installed(name):
    """Each entry point leads to a command, which has a help that names it."""
    script = Path(sys.executable).parent / name
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    assert re.search(rf"^(usage: |    ){name}\b", done.stdout, re.M)
    assert done.stderr == ""


def test_the_command_is_installed_under_its_name():
    """The entry point of the package and `python -m` are one."""
    script = Path(sys.executable).parent / "ftpretrieve"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"ftpretrieve {__version__}\n"


@pytest.mark.parametrize("name", cli.SYSTEMS)
def test_the_help_names_the_other_systems(site, name):
    """Each has a help of its own, which is where to go on."""
    assert re.search(rf"^ +{name} .*see {name}\s+--help", site.run("--help", expect=0).stdout, re.M | re.S)


# -- what it answers with ---------------------------------------------------------------------------------------------


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("x"), 6),
        (errors.StorageError("x"), 6),
        (caused(errors.StorageError("x"), PermissionError()), 4),
        (caused(errors.ConfigError("x"), PermissionError()), 4),
        (errors.JournalError("x"), 1),
        (errors.JournalBusy("x"), 75),
        (errors.InUse("x"), 75),
        (errors.RemoteUnavailable("x"), 75),
        (errors.SessionExpired("x"), 75),
        (errors.RemoteRefused("x"), 1),
        (errors.LoginRefused("x"), 1),
        (errors.CommandFailed("x"), 1),
        (errors.FtpRetrieveError("x"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_error_has_its_exit_code(monkeypatch, capsys, error, code):
    """One table; a line or two for people, and no traceback."""

    def fail(arguments):
        raise error

    monkeypatch.setattr(cli, "COMMANDS", (cli.Command("fail", "fail", fail),))
    assert exit_code(error) == code
    assert cli.main(["fail"]) == code
    assert capsys.readouterr().err == "ftpretrieve: x\n"


def test_ctrl_c_makes_exit_130(monkeypatch, capsys):
    """As every shell expects, and without a word."""

    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "COMMANDS", (cli.Command("wait", "wait", interrupted),))
    assert cli.main(["wait"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", ["status", "history"])
def test_a_reader_that_has_enough_is_no_failure_to_talk_about(site, pyftp, command):
    """`ftpretrieve history | head` must not end in a traceback."""
    site.configure(ftp_port=pyftp.port)
    pyftp.put("a.xml", b"x")
    site.run("once", expect=0)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        site.argv(command), stdout=writing, stderr=subprocess.PIPE, text=True, check=False, env=environment()
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_what_is_not_permitted_makes_exit_4(site):
    """A start that may not write its pid file."""
    site.configure(daemon_pid="/ftpretrieve-test.pid")
    site.run("start", expect=4)


@pytest.mark.daemon
def test_programs_get_the_status_as_an_object(site, pyftp):
    """State, process, since when, the last listing, and the counts."""
    site.configure(ftp_port=pyftp.port)
    pyftp.put("a.xml", b"x")
    site.run("start", expect=0)
    site.await_log("POLL")
    told = json.loads(site.run("--json", "status", expect=0).stdout)
    assert told.pop("since") <= told.pop("last_poll") + 1
    assert told == {"state": "running", "pid": site.pid, "files": {"delivered": 1}}


# -- the scripts that call it -----------------------------------------------------------------------------------------


@pytest.fixture
def init(site, pyftp, tmp_path):
    """Return a function that calls the init script with an action."""
    site.configure(ftp_port=pyftp.port)
    program = tmp_path / "ftpretrieve"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ftpretrieve "$@"\n')
    program.chmod(0o755)
    env = {"FTPRETRIEVE_CONFIG": str(site.config), "FTPRETRIEVE_PROGRAM": str(program)}

    def call(action: str, **more: str) -> subprocess.CompletedProcess[str]:
        return site.run(argv=["sh", str(INIT), action], env={**env, **more})

    return call


@pytest.mark.daemon
def test_the_init_script_answers_as_the_lsb_wants(init, site):
    """The whole life, twice over what is already so."""
    wanted = [
        *[("status", 3), ("try-restart", 0), ("status", 3), ("reload", 7), ("stop", 0)],
        *[("start", 0), ("start", 0), ("status", 0), ("reload", 0), ("force-reload", 0)],
        *[("restart", 0), ("try-restart", 0), ("stop", 0), ("stop", 0), ("status", 3)],
    ]
    assert [(action, init(action).returncode) for action, _ in wanted] == wanted
    assert len(site.records("STARTED")) == 3


def test_the_init_script_without_its_program_or_action(init):
    """LSB: 5 is not installed, 2 wrong arguments."""
    assert init("start", FTPRETRIEVE_PROGRAM="/nowhere/ftpretrieve").returncode == 5
    assert init("dance").returncode == 2


def test_the_init_script_has_the_header_of_the_lsb():
    """Else insserv and systemd's generator do not know when to start it."""
    header = INIT.read_text().split("### BEGIN INIT INFO\n")[1].split("### END INIT INFO")[0]
    keys = re.findall(r"^# ([A-Za-z-]+):", header, re.M)
    assert {"Provides", "Required-Start", "Required-Stop", "Default-Start", "Default-Stop"} <= set(keys)
    assert os.access(INIT, os.X_OK)


def test_the_unit_runs_the_command_that_there_is():
    """Type=notify needs `run`, a watchdog, and one common parent of what is renamed into one another."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    program, *arguments = service["ExecStart"].split()
    assert Path(program).name == "ftpretrieve"
    parsed = cli.make_parser().parse_args(arguments)
    assert (parsed.command.name, parsed.config) == ("run", "/etc/ftpretrieve/%i.conf")
    assert service["Type"] == "notify"
    assert float(service["WatchdogSec"]) > 0
    assert len(service["ReadWritePaths"].split()) == 1
    assert set(service["RestartPreventExitStatus"].split()) == {"2", "4", "6"}


def test_the_sample_fits_the_unit():
    """What the sample writes to lies where the unit lets it write."""
    paths = re.findall(r"^(?!#)\w+ = (/\S+)", (CHECKOUT / "config" / "ftpretrieve.conf.sample").read_text(), re.M)
    allowed = ("/var/lib/ftpretrieve/", "/var/log/ftpretrieve/")
    assert paths
    assert all(path.startswith(allowed) for path in paths)
