"""The daemon as a real process: start, status, stop, starts that fail, and what surrounds it."""

import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ftpretrieve.lock import read
from ftpretrieve.system import PSList, process_start_time
from tests.installation import Installation
from tests.servers import free_port
from tests.waiting import await_true

pytestmark = pytest.mark.daemon

RUNNING, DEAD, STOPPED = 0, 1, 3


@pytest.fixture
def site(tmp_path, pyftp):
    with Installation(tmp_path / "site", pyftp) as installation:
        yield installation


# -- start, status, stop ----------------------------------------------------------------------------------------------


def test_a_started_daemon_takes_files_and_a_stopped_one_leaves_nothing_behind(site, pyftp):
    """The life of a daemon, as an init script sees it."""
    pyftp.put("a.xml", b"<a/>")
    assert "started as process" in site.run("start", expect=0).stderr
    site.await_log("POLL")
    assert (site.sync / "a.xml").read_bytes() == b"<a/>"
    assert f"running: process {site.pid}" in site.run("status", expect=RUNNING).stdout
    pid = site.pid
    site.run("stop", expect=0)
    assert not site.is_alive(pid)
    assert site.run("status", expect=STOPPED).stdout.startswith("stopped")
    assert not (site.home / "daemon.pid").exists()
    assert (site.home / "error.log").read_text() == ""


def test_start_returns_when_the_daemon_holds_everything(site):
    """Its locks, its log, its journal and its port are there at that moment, not a little later."""
    port = free_port()
    site.configure(server_port=port)
    site.run("start", expect=0)
    assert read(str(site.home / "daemon.pid")) == (site.pid, process_start_time(site.pid))
    assert site.records("STARTED")
    assert (site.home / "journal.db").exists()
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    site.run("once", expect=75)


def test_starting_twice_is_no_failure(site):
    """LSB: start of what runs already succeeds, and says so."""
    site.run("start", expect=0)
    again = site.run("start", expect=0)
    assert f"already running: {site.home / 'daemon.pid'} is locked by process {site.pid}" in again.stderr
    assert len(site.records("STARTED")) == 1


def test_stopping_what_does_not_run_is_no_failure(site):
    """LSB again; but a reload needs somebody who reads."""
    assert "not running" in site.run("stop", expect=0).stderr
    assert "not running" in site.run("reload", expect=7).stderr


def test_a_stale_pid_file_blocks_nothing(site):
    """After kill -9 or a power failure."""
    site.run("start", expect=0)
    killed = site.pid
    os.kill(killed, signal.SIGKILL)
    await_true(lambda: not site.is_alive(killed), lambda: "the end of the daemon")
    assert f"dead: process {killed}" in site.run("status", expect=DEAD).stdout
    site.run("start", expect=0)
    assert site.pid != killed
    site.run("status", expect=RUNNING)


def test_stop_after_a_kill_leaves_the_state_stopped(site):
    """What a killed daemon left is taken away, so that monitoring sees what was ordered."""
    site.run("start", expect=0)
    killed = site.pid
    os.kill(killed, signal.SIGKILL)
    await_true(lambda: not site.is_alive(killed), lambda: "the end of the daemon")
    site.run("stop", expect=0)
    site.run("status", expect=STOPPED)


def test_a_process_that_only_has_the_number_is_not_the_daemon(site):
    """Numbers are used again: with another start time it is neither reported, nor signalled, nor in the way."""
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            (site.home / "daemon.pid").write_text(f"{stranger.pid}\n{process_start_time(stranger.pid) - 100:.2f}\n")
            site.run("status", expect=DEAD)
            site.run("reload", expect=7)
            site.run("stop", expect=0)
            assert stranger.poll() is None
            (site.home / "daemon.pid").write_text(f"{stranger.pid}\n{process_start_time(stranger.pid) - 100:.2f}\n")
            site.run("start", expect=0)
            assert site.pid != stranger.pid
        finally:
            stranger.kill()


def test_eight_simultaneous_starts_give_one_daemon(site):
    """All succeed, because afterwards it runs; one of them started it."""
    starts = [site.popen("start") for _ in range(8)]
    told = [start.communicate()[1] for start in starts]
    assert [start.returncode for start in starts] == [0] * 8
    assert sum("started as process" in text for text in told) == 1
    assert sum("already running" in text for text in told) == 7
    await_true(lambda: len(PSList().search(re.escape(str(site.config)))) == 1, lambda: "the end of seven")
    assert len(site.records("STARTED")) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(site, number):
    """Whoever sends it: systemd, a shutdown, a terminal."""
    site.run("start", expect=0)
    os.kill(site.pid, number)
    (stopped,) = site.await_log("STOPPED")
    assert f"reason={number.name}" in stopped
    await_true(lambda: not (site.home / "daemon.pid").exists(), lambda: "the removal of the pid file")


# -- a start that fails -----------------------------------------------------------------------------------------------


def test_a_wrong_configuration_is_told_whole_and_nothing_is_created(site):
    """All mistakes at once with their lines, exit 6."""
    site.configure(sleep_in_seconds="soon", file_mode="rw", daemon_log=site.home / "logs" / "daemon.log")
    before = sorted(path.name for path in site.home.iterdir())
    told = site.run("start", expect=6).stderr
    for key in ("sleep_in_seconds", "file_mode", "daemon_log"):
        assert re.search(rf"^ftpretrieve: {re.escape(str(site.config))}:\d+: \[\w+\] {key}: ", told, re.M), told
    assert sorted(path.name for path in site.home.iterdir()) == before


def test_a_daemon_without_any_log_is_refused(site):
    """It would be blind; both ways to give it one are named."""
    site.configure(daemon_log=None)
    told = site.run("start", expect=6).stderr
    assert "daemon_log" in told
    assert "--log" in told
    assert not (site.home / "journal.db").exists()


def test_a_port_that_is_taken_fails_the_start_with_the_reason(site):
    """The reason comes from the detached process to the terminal of who started it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        site.configure(server_port=taken.getsockname()[1])
        told = site.run("start", expect=6).stderr
    assert f"cannot listen on 127.0.0.1:{site.settings['server_port']}" in told
    site.run("status", expect=STOPPED)
    assert "cannot start: cannot listen" in site.records("STOPPED")[0]


def test_a_damaged_journal_fails_the_start(site):
    """Exit 1, before anything is delivered."""
    (site.home / "journal.db").write_bytes(b"no database" * 1000)
    assert "restore it from a backup" in site.run("start", expect=1).stderr
    site.run("status", expect=STOPPED)


def test_a_missing_sync_directory_fails_the_start(site):
    """An unmounted volume must not be filled in."""
    site.sync.rmdir()
    assert "mount or create it" in site.run("start", expect=6).stderr
    site.run("status", expect=STOPPED)
    assert not site.sync.exists()


def test_a_journal_of_another_server_fails_the_start_unless_accepted(site):
    """Both accounts are named; the permission holds for that one start."""
    site.run("once", expect=0)
    site.configure(ftp_user="anonymous")
    told = site.run("start", expect=6).stderr
    assert "tester@127.0.0.1" in told
    assert "anonymous@127.0.0.1" in told
    site.run("start", "--accept-host", expect=0)


def test_a_lost_journal_fails_the_start_unless_accepted(site):
    """Without it everything would be delivered again."""
    site.run("once", expect=0)
    for path in site.home.glob("journal.db*"):
        path.unlink()
    assert "--new-journal" in site.run("start", expect=6).stderr
    site.run("start", "--new-journal", expect=0)


def test_a_second_poller_on_one_journal_is_refused(site, tmp_path, pyftp):
    """Two configurations, one journal: the second exits 75 and names the first."""
    site.run("start", expect=0)
    with Installation(tmp_path / "other", pyftp, journal_file_name=site.home / "journal.db") as other:
        for command in ("start", "run", "once"):
            told = other.run(command, expect=75).stderr
            assert f"journal.db.files.lock is locked by process {site.pid}" in told


def test_a_start_that_was_given_up_does_not_come_to_life_later(site):
    """Who was told that it failed must be able to rely on that."""
    site.run("once", expect=0)
    with closing(sqlite3.connect(site.home / "journal.db", isolation_level=None)) as locked:
        locked.execute("PRAGMA locking_mode=EXCLUSIVE")
        locked.execute("BEGIN EXCLUSIVE")
        assert "not ready within 0.5 s" in site.run("start", "--wait", "0.5", expect=1).stderr
        locked.execute("ROLLBACK")
    (stopped,) = [line for line in site.await_log("STOPPED") if "given up" in line]
    assert "cannot start" in stopped
    site.run("status", expect=STOPPED)


# -- the surroundings -------------------------------------------------------------------------------------------------


def test_relative_paths_mean_the_directory_of_the_configuration(site, pyftp):
    """The daemon's working directory is /, and an init script's is chance; --log counts from where one is."""
    pyftp.put("a.xml", b"x")
    names = (
        "ftp_local_directory",
        "sync_directory",
        "journal_file_name",
        "daemon_log",
        "daemon_error_log",
        "daemon_pid",
    )
    site.configure(**{name: Path(site.settings[name]).name for name in names})
    below = site.home / "below"
    below.mkdir()
    argv = [*site.argv()[:3], "-c", "../ftpretrieve.conf", "start", "--log", "here.log"]
    site.run(argv=argv, cwd=below, expect=0)
    await_true(lambda: (site.sync / "a.xml").exists(), lambda: "the file")
    assert os.readlink(f"/proc/{site.pid}/cwd") == "/"
    os.kill(site.pid, signal.SIGHUP)
    await_true(lambda: "RELOADED" in (below / "here.log").read_text(), lambda: "the reload")
    site.run("stop", expect=0)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_umask_of_who_starts_it_does_not_matter(site, pyftp, umask):
    """python-daemon's own would let everybody write the directories below the sync directory."""
    site.configure(recursive="yes")
    pyftp.put("sub/a.xml", b"x")
    site.run("start", expect=0, umask=umask)
    await_true(lambda: (site.sync / "sub" / "a.xml").exists(), lambda: "the file")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (site.sync / "sub", site.sync / "sub" / "a.xml")}
    assert modes == {"sub": 0o755, "a.xml": 0o644}
    for name in ("journal.db", "daemon.pid", "daemon.log", "error.log"):
        assert not (site.home / name).stat().st_mode & stat.S_IWOTH, name
    assert stat.S_IMODE((site.home / "staging").stat().st_mode) == 0o700


def test_the_daemon_keeps_no_descriptor_and_no_terminal_of_who_started_it(site):
    """Else a pipe that the start was part of would never end, and a volume could not be unmounted."""
    held = os.open(site.home, os.O_RDONLY)
    try:
        site.run("start", expect=0, pass_fds=[held])
    finally:
        os.close(held)
    links = set()
    for fd in os.listdir(f"/proc/{site.pid}/fd"):
        with suppress(FileNotFoundError):  # closed since: the daemon is at work
            links.add(os.readlink(f"/proc/{site.pid}/fd/{fd}"))
    assert str(site.home) not in links
    assert not any(link.startswith(("pipe:", "/dev/pts")) for link in links)
    assert os.getsid(site.pid) != os.getsid(0)


def test_a_start_works_without_any_standard_stream(site):
    """cron, some init systems, `<&- >&- 2>&-`: the numbers 0 to 2 must not become something of ours."""
    command = " ".join(site.argv("start")) + " <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0
    links = [os.readlink(f"/proc/{site.pid}/fd/{fd}") for fd in range(3)]
    assert links == ["/dev/null", "/dev/null", str(site.home / "error.log")]


def test_systemd_is_told_what_the_loop_does(site, monkeypatch):
    """READY when it is, WATCHDOG while it gets on, RELOADING and READY around a reload, STOPPING at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(site.home / "notify"))
        env = {"NOTIFY_SOCKET": str(site.home / "notify"), "WATCHDOG_USEC": "200000"}

        def await_word(word: str) -> str:
            while True:
                told = systemd.recv(1000).decode()
                if word in told:
                    return told

        with site.popen("run", env=env) as process:
            assert f"MAINPID={process.pid}" in await_word("READY=1")
            await_word("WATCHDOG=1")
            process.send_signal(signal.SIGHUP)
            assert re.search(r"^MONOTONIC_USEC=\d+$", await_word("RELOADING=1"), re.M)
            await_word("READY=1")
            process.send_signal(signal.SIGTERM)
            await_word("STOPPING=1")
            process.communicate()
        assert process.returncode == 0


def test_in_the_foreground_records_go_to_the_log_and_to_stderr(site, pyftp):
    """And Ctrl-C ends it cleanly."""
    pyftp.put("a.xml", b"x")
    with site.popen("run") as process:
        site.await_log("POLL")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 0
    assert out == ""
    assert re.sub(r"(?m)^\S+ \S+ ", "", err) == re.sub(r"(?m)^\S+ \S+ ", "", site.log())
    assert [line.split()[3] for line in err.splitlines()] == ["STARTED", "FILESDOWNLOADED", "POLL", "STOPPED"]


def test_the_heartbeat_tells_of_the_loop(site):
    """A line at each interval, also while the loop waits for ten minutes."""
    site.configure(inter_heartbeat_secs=0.2)
    site.run("start", expect=0)
    assert re.fullmatch(
        r"HEARTBEAT state=waiting poll_age_secs=[\d.]+ staged=0 failed=0", site.await_log("HEARTBEAT", 3)[-1]
    )


def test_a_remote_directory_can_be_given_at_the_start(site, pyftp):
    """And a reload does not forget it."""
    pyftp.put("a.xml", b"x")
    pyftp.put("sub/b.xml", b"x")
    site.configure(sleep_in_seconds=0.2)
    site.run("start", "--remote-dir", "sub", expect=0)
    site.await_log("FILESDOWNLOADED")
    site.run("reload", expect=0)
    site.await_log("POLL", len(site.records("POLL")) + 2)
    assert site.deliveries() == {"b.xml": 1}
