"""Locks live as long as their process, whatever is written in the file."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lockfile
import pytest

from ftpretrieve.errors import InUse, StorageError
from ftpretrieve.lock import FileLock, Holder, PidFile, holder_state, read
from ftpretrieve.system import process_start_time

HOLD = """
import sys
from ftpretrieve import lock
from ftpretrieve.errors import InUse
held = getattr(lock, sys.argv[1])(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
try:
    held.acquire()
except InUse as error:
    print("in use:", error, flush=True)
    sys.exit()
print("held", flush=True)
sys.stdin.read()
held.release()
"""

KINDS = pytest.mark.parametrize("kind", [FileLock, PidFile], ids=["FileLock", "PidFile"])


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "journal.files.lock")


def start(kind: type, path: str) -> subprocess.Popen[str]:
    """Start a process that takes the lock as soon as it is sent a line."""
    argv = [sys.executable, "-c", HOLD, kind.__name__, path]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    return child


def go(child: subprocess.Popen[str]) -> None:
    child.stdin.write("go\n")
    child.stdin.flush()


@contextmanager
def holder(kind: type, path: str) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold the lock."""
    child = start(kind, path)
    try:
        go(child)
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.kill()
        child.communicate()


@KINDS
def test_the_second_is_told_who_holds_it(kind, path):
    """The message names the pid, from the file, and no word of the command: one may be a password."""
    with holder(kind, path) as child, pytest.raises(InUse) as caught:
        kind(path).acquire()
    assert str(caught.value).endswith(f"is locked by process {child.pid}; see ps -fp {child.pid}")
    assert path in str(caught.value)


@KINDS
def test_a_held_file_says_pid_and_start_time(kind, path):
    """A line each, as `status` reads them."""
    with kind(path):
        lines = Path(path).read_text().splitlines()
        assert lines == [str(os.getpid()), str(process_start_time(os.getpid()))]
        assert read(path) == (os.getpid(), process_start_time(os.getpid()))


@KINDS
def test_kill_9_frees_it(kind, path):
    """The stale file stays and blocks nobody."""
    with holder(kind, path) as child:
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert read(path)[0] == child.pid
        with kind(path) as lock:
            assert read(path)[0] == os.getpid()
            assert lock is not None


@KINDS
def test_a_stale_file_never_blocks_whatever_pid_it_has(kind, path):
    """Not even that of a process that runs."""
    for text in (f"{os.getppid()}\n{process_start_time(os.getppid())}\n", "1\n", "junk", "9" * 400):
        Path(path).write_text(text)
        with kind(path):
            assert read(path) == (os.getpid(), process_start_time(os.getpid()))


@KINDS
def test_the_same_process_cannot_hold_it_twice(kind, path):
    """Two mailboxes in one daemon exclude each other like two daemons; the first keeps its lock."""
    first = kind(path)
    with first:
        for second in (kind(path), first):
            with pytest.raises(InUse):
                second.acquire()
        with pytest.raises(InUse):
            kind(path).acquire()


@KINDS
def test_release_lets_the_next_one_in_and_may_be_repeated(kind, path):
    """Clean-up code may run twice."""
    lock = kind(path)
    lock.acquire()
    lock.release()
    lock.release()
    with holder(kind, path):
        pass


@pytest.mark.slow
@KINDS
def test_eight_simultaneous_starts_give_one(kind, path):
    """In every round, also over the stale file of the last one, which was killed."""
    for _ in range(3):
        children = [start(kind, path) for _ in range(8)]
        try:
            for child in children:
                go(child)
            said = [child.stdout.readline() for child in children]
        finally:
            for child in children:
                child.kill()
                child.communicate()
        assert sorted(line.split()[0] for line in said) == ["held"] + 7 * ["in"]


@pytest.mark.slow
def test_starts_and_stops_at_the_same_time_never_give_two(path):
    """The file is removed at every stop: who locked the removed one must notice."""
    code = """
import os, sys
from ftpretrieve.errors import InUse
from ftpretrieve.lock import PidFile
taken = 0
sys.stdin.read()
while taken < 500:
    try:
        with PidFile(sys.argv[1]):
            os.close(os.open(sys.argv[1] + ".inside", os.O_CREAT | os.O_EXCL))  # fails when somebody is inside
            os.unlink(sys.argv[1] + ".inside")
            taken += 1
    except InUse:
        pass
"""
    argv = [sys.executable, "-c", code, path]
    children = [subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    for child in children:
        child.stdin.close()
        child.stdin = None
    assert [child.communicate()[1] for child in children] == 4 * [b""]


def test_a_lock_file_stays_and_is_empty_after_release(path):
    """flock(1) in a backup script may wait on the same file."""
    with FileLock(path):
        inode = os.stat(path).st_ino
    assert (os.stat(path).st_ino, os.stat(path).st_size) == (inode, 0)


def test_a_pid_file_is_removed_at_release(path):
    """A stopped daemon leaves none, else `status` would call it dead."""
    with PidFile(path):
        assert os.path.exists(path)
    assert not os.path.exists(path)


def test_release_does_not_remove_the_pid_file_of_somebody_else(path):
    """An operator removed ours, and another daemon has started since."""
    ours = PidFile(path)
    ours.acquire()
    os.unlink(path)
    with holder(PidFile, path) as child:
        ours.release()
        assert read(path)[0] == child.pid


def test_a_lock_file_that_was_removed_is_not_taken_for_the_lock(path, monkeypatch):
    """Between opening and locking the file was removed: another one could be locked at the path by now."""
    flock = fcntl.flock

    def remove_then_lock(fd: int, how: int) -> None:
        monkeypatch.undo()
        os.unlink(path)
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", remove_then_lock)
    with FileLock(path):
        assert read(path)[0] == os.getpid()
        with pytest.raises(InUse):
            FileLock(path).acquire()


@KINDS
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_everybody_may_read_it_whatever_the_umask(kind, path, umask):
    """`status` works for other users, and python-daemon's umask of 0 opens it to no writer."""
    before = os.umask(umask)
    try:
        with kind(path):
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    finally:
        os.umask(before)


@KINDS
def test_a_planted_symlink_is_not_followed(kind, path, tmp_path):
    """Else a start by root would overwrite any file."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.symlink(victim, path)
    with pytest.raises(StorageError, match="symbolic link"):
        kind(path).acquire()
    with pytest.raises(StorageError, match="symbolic link"):
        read(path)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("plant", ["hard link", "fifo", "directory", "no directory"])
def test_whatever_is_no_plain_file_is_refused_by_name(path, tmp_path, plant):
    """Without waiting for the other end of a FIFO, too."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    if plant == "hard link":
        os.link(victim, path)
    elif plant == "fifo":
        os.mkfifo(path)
    elif plant == "directory":
        os.mkdir(path)
    else:
        path = str(tmp_path / "nowhere" / "daemon.pid")
    with pytest.raises(StorageError, match=path):
        FileLock(path).acquire()
    if plant == "fifo":
        with pytest.raises(StorageError, match=path):
            read(path)
    assert victim.read_text() == "precious"


@KINDS
def test_a_program_that_is_run_does_not_inherit_it(kind, path):
    """A password command or lftp that outlives the daemon must not keep it from starting again."""
    lock = kind(path)
    lock.acquire()
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        lock.release()
        with holder(kind, path):
            assert child.poll() is None
        child.kill()


@KINDS
def test_a_forked_child_does_not_keep_the_lock(kind, path):
    """Closing alone would leave it held by the child's copy of the descriptor until the child ends."""
    read_end, write_end = os.pipe()
    lock = kind(path)
    lock.acquire()
    if (child := os.fork()) == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    lock.release()
    try:
        with kind(path):
            assert os.waitpid(child, os.WNOHANG) == (0, 0)
    finally:
        os.close(write_end)
        os.close(read_end)
        os.waitpid(child, 0)


def test_a_forked_child_does_not_free_the_lock(path):
    """It has the object but not the lock: leaving its with-block changes nothing for the parent."""
    lock = PidFile(path)
    with lock:
        if (child := os.fork()) == 0:
            held = lock.i_am_locking()
            lock.release()
            os._exit(int(held))
        assert os.waitpid(child, 0)[1] == 0
        assert read(path)[0] == os.getpid()
        with pytest.raises(InUse):
            PidFile(path).acquire()


def test_the_daemon_context_takes_the_lock_for_the_daemon(path, tmp_path):
    """`pidfile=` of python-daemon: entered in the daemon, another process than the caller, and left at close."""
    code = """
import os, sys, daemon
from ftpretrieve.lock import PidFile
with daemon.DaemonContext(pidfile=PidFile(sys.argv[1]), working_directory=sys.argv[2], detach_process=True):
    os.write(os.open("told", os.O_WRONLY | os.O_CREAT), f"{os.getpid()}".encode())
    fifo = os.open("fifo", os.O_RDONLY)
    os.read(fifo, 1)
os.mkfifo("over-soon")
os.rename("over-soon", "over")
"""
    os.mkfifo(tmp_path / "fifo")
    caller = subprocess.Popen([sys.executable, "-c", code, path, str(tmp_path)])
    with open(tmp_path / "fifo", "w"):  # opens when the daemon reads it
        assert holder_state(path) is Holder.RUNNING
        assert read(path)[0] == int((tmp_path / "told").read_text()) != caller.pid
        with pytest.raises(InUse):
            PidFile(path).acquire()
    assert caller.wait() == 0
    while not (tmp_path / "over").exists():
        os.sched_yield()
    assert holder_state(path) is Holder.ABSENT


def test_pid_file_is_one_of_lockfile_s_classes(path):
    """So other code that expects one can ask it the usual questions."""
    lock = PidFile(path)
    assert isinstance(lock, lockfile.LockBase)
    assert (lock.is_locked(), lock.i_am_locking()) == (False, False)
    with lock:
        assert (lock.is_locked(), lock.i_am_locking()) == (True, True)
        assert (PidFile(path).is_locked(), PidFile(path).i_am_locking()) == (True, False)


@pytest.mark.parametrize("text", [None, "", "junk\n1.0\n", "12\n", "-1\n1.0\n", "0\n0\n", "\udcff"], ids=repr)
def test_a_file_that_names_nobody_is_an_absent_holder(path, text):
    """Missing, emptied by a release that could not remove it, or not ours."""
    if text is not None:
        Path(path).write_bytes(os.fsencode(text))
    assert (read(path), holder_state(path)) == (None, Holder.ABSENT)


def test_a_number_given_to_another_process_is_a_dead_holder(path):
    """The pid runs, but it started at another time than the daemon did."""
    Path(path).write_text(f"{os.getpid()}\n{process_start_time(os.getpid()) - 10}\n")
    assert holder_state(path) is Holder.DEAD


def test_holder_state_follows_a_real_holder(path):
    """running, then dead with its file left behind."""
    with holder(PidFile, path) as child:
        assert holder_state(path) is Holder.RUNNING
        child.kill()
        child.wait()
        assert holder_state(path) is Holder.DEAD


def test_a_killed_daemon_that_nobody_collects_is_dead(path):
    """Zombies stay for ever in containers without an init; they hold no lock."""
    with holder(PidFile, path) as child:
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert holder_state(path) is Holder.DEAD


def test_asking_for_the_state_does_not_touch_the_lock(path):
    """A start at the same moment must not fail because somebody asked."""
    code = """
import sys
from ftpretrieve.lock import holder_state
print("up", flush=True)
while True:
    holder_state(sys.argv[1])
"""
    Path(path).write_text("1\n1.0\n")
    child = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"up\n"
        for _ in range(500):
            with PidFile(path):  # InUse here when asking takes the lock
                pass
    finally:
        child.kill()
        child.communicate()
