"""Processes are found by what their command line really says, and told apart by when they started."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from ftpretrieve.system import PSList, process_start_time

MARKER = f"marker-{os.getpid()}-{time.monotonic_ns()}"
"""In the command lines of this run only: other processes of the machine may be another run of these tests."""


@contextmanager
def running(*argv: str | bytes) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python that waits for the end of its input, with these arguments on its command line."""
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", code, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout.read(3) == b"up\n"
        yield child
    finally:
        child.kill()
        child.communicate()


@contextmanager
def zombie() -> Iterator[int]:
    """Make a process that has ended and is not collected."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    try:
        yield child.pid
    finally:
        child.wait()


def test_search_needs_every_pattern():
    """Patterns are a chain of greps."""
    with running(f"{MARKER}-one", f"{MARKER}-two") as child:
        assert [found.pid for found in PSList().search(f"{MARKER}-one", "m[a-z0-9-]+-two")] == [child.pid]
        assert PSList().search(f"{MARKER}-one", f"{MARKER}-three") == []


def test_a_process_is_a_tuple_of_five():
    """(pid, ppid, user, started, command), as scripts unpack it."""
    before = time.time()
    with running(f"{MARKER}-tuple") as child:
        pid, ppid, user, started, command = PSList().search(f"{MARKER}-tuple")[0]
        assert (pid, ppid, user) == (child.pid, os.getpid(), psutil.Process().username())
        assert abs(started - before) < 60
        assert command.startswith(sys.executable)
        assert command.endswith(f"{MARKER}-tuple")


def test_search_leaves_itself_out():
    """A program that looks for its own kind must not find itself."""
    code = "import sys; from ftpretrieve.system import PSList; print([p.pid for p in PSList().search(sys.argv[1])])"
    out = subprocess.run([sys.executable, "-c", code, f"{MARKER}-self"], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


def test_arguments_that_are_not_utf8_are_found():
    """Command lines are bytes; what does not decode appears as os.fsdecode gives it."""
    odd = os.fsencode(MARKER) + b"-\xe9t\xe9"
    with running(odd) as child:
        found = PSList().search(os.fsdecode(odd))
        assert [process.pid for process in found] == [child.pid]


def test_a_zombie_is_shown_by_its_name():
    """It has no command line any more."""
    with zombie() as pid:
        found = {process.pid: process for process in PSList().search(r"^\[.*\]$")}
        assert found[pid].ppid == os.getpid()


def test_search_stands_processes_that_end_meanwhile():
    """Listing takes a while, and processes come and go."""
    children = [subprocess.Popen([sys.executable, "-c", "pass", f"{MARKER}-short"]) for _ in range(8)]
    while any(child.poll() is None for child in children):
        assert all(found.pid > 0 for found in PSList().search(f"{MARKER}-short"))
    assert PSList().search(f"{MARKER}-short") == []


def test_a_bad_pattern_is_an_error():
    """Not silently nothing found."""
    with pytest.raises(re.error):
        PSList().search("(")


def test_start_time_is_the_same_at_every_reading_and_another_for_another_process():
    """It identifies a process together with its number."""
    with running() as child:
        started = process_start_time(child.pid)
        assert started == process_start_time(child.pid)
        assert started > process_start_time(os.getpid())


def test_start_time_counts_from_boot():
    """So it does not move when the clock is set: the kernel's own count, field 22 of stat."""
    with open("/proc/self/stat") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    assert process_start_time(os.getpid()) == pytest.approx(ticks / os.sysconf("SC_CLK_TCK"), abs=0.011)


def test_gone_impossible_and_dead_processes_have_no_start_time():
    """A zombie holds nothing any more; some containers never collect theirs."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert [process_start_time(pid) for pid in (child.pid, -1, 2**40)] == [None, None, None]
    with zombie() as pid:
        assert process_start_time(pid) is None


def test_psutil_is_imported_only_when_asked():
    """It costs more than the whole rest of a `--version`."""
    code = "import sys, ftpretrieve.system; print('psutil' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False\n"
