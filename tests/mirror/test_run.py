"""What is left when a job is cut short: its report, its exit code, and nothing that still runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mirror.liar import Liar
from tests.mirror.running import Mirror, tree
from tests.waiting import await_true

pytestmark = pytest.mark.interop

ENOUGH_SECS = "6"
"""A job gets to any of its steps in half a second; on a machine with much else to do, too."""


def lftps_of(directory: Path) -> list[str]:
    """Return the processes that have the environment of a test."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path("/proc", pid, "environ").read_bytes()
            argv = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(directory) in environment and argv[:2] == [
            b"lftp",
            b"-f",
        ]:  # not the one that is asked for its version
            found.append(pid)
    return found


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)],
    ids=lambda value: str(value),
)
def test_a_signal_ends_it_with_a_report(mirror: Mirror, liar: Liar, number: signal.Signals, code: int) -> None:
    """No lftp goes on, the lock is free, and what had arrived stays."""
    liar.put("a", b"first")
    liar.put("b", b"second")
    liar.before("RETR", 2, liar.fall_silent)
    arguments = mirror.arguments(liar, "-q", "-e")
    with mirror.popen(*arguments, env={"LFTP_PASSWORD": liar.password}) as process:
        await_true(lambda: liar.seen["RETR"] == 2)
        process.send_signal(number)
        _, stderr = process.communicate()
    assert process.returncode == code
    assert "Traceback" not in stderr
    assert f"ended by {number.name}" in mirror.report()
    assert "Ended OK" not in mirror.report()
    assert tree(mirror.local) == {"a": b"first"} | {k: v for k, v in tree(mirror.local).items() if k == ".in.b"}
    assert lftps_of(mirror.home) == []
    liar.silent = False
    mirror.shell(liar, expect=0)


def test_a_signal_before_the_first_listing_ends_it_too(mirror: Mirror, liar: Liar) -> None:
    liar.fall_silent()
    with mirror.popen(*mirror.arguments(liar), env={"LFTP_PASSWORD": liar.password}) as process:
        await_true(lambda: bool(lftps_of(mirror.home)))
        process.terminate()
        process.communicate()
    assert process.returncode == 143
    assert "ended by SIGTERM" in mirror.report()


def test_without_room_for_its_scratch_files_it_says_so(mirror: Mirror, liar: Liar, tmp_path: Path) -> None:
    """A job that cannot even make a temporary directory is a failed job with a report, not a traceback."""
    liar.put("a", b"x")
    missing = tmp_path / "nowhere"
    script = "import sys, tempfile; tempfile.tempdir = sys.argv.pop(1)\nfrom ftpretrieve.mirror.commands import main\n"
    argv = ["-c", script + "sys.exit(main(sys.argv[1:]))", str(missing), *map(str, mirror.arguments(liar))]
    environment = mirror.environment({"LFTP_PASSWORD": liar.password})
    python = [sys.executable, *argv]
    done = subprocess.run(python, env=environment, cwd=mirror.root, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert str(missing) in mirror.report()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "step"), [(("USER", 1), "planning"), (("RETR", 1), "transferring")], ids=["planning", "transferring"]
)
def test_the_time_that_is_over_names_the_step(mirror: Mirror, liar: Liar, moment: tuple[str, int], step: str) -> None:
    liar.put("a", b"x")
    liar.before(*moment, liar.fall_silent)
    done = mirror.shell(liar, "--timeout", ENOUGH_SECS, expect=75)
    assert f"ended while {step}" in done.report


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "step"),
    [(("USER", 3), "looking again"), (("DELE", 1), "deleting 2 paths"), (("DELE", 2), "deleting 2 paths")],
    ids=["before", "first", "second"],
)
def test_the_time_that_is_over_while_deleting_is_said(
    mirror: Mirror, liar: Liar, moment: tuple[str, int], step: str
) -> None:
    mirror.put("a", b"x")
    for name in "abcd":
        liar.put(name, b"x")
    mirror.put("b", b"x")
    mirror.put("new", b"x")
    liar.before(*moment, liar.fall_silent)
    done = mirror.shell(liar, "-r", "-e", "--timeout", ENOUGH_SECS, expect=75)
    assert step in done.report
    assert "Transferred 3 files" in done.report or "Transferred 1 file" in done.report
    assert {"a", "b", "new"} <= set(tree(liar.root))
