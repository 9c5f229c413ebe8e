"""The running daemon as a real process: reload, restart, the shutdown string, and polls that go wrong."""

import os
import signal
import socket
import sqlite3
import stat
from contextlib import closing

import pytest

from ftpretrieve.retrieve.control import send_shutdown
from ftpretrieve.system import PSList
from tests.installation import Installation
from tests.servers import free_port
from tests.waiting import await_true

pytestmark = pytest.mark.daemon

RUNNING = 0


@pytest.fixture
def site(tmp_path, pyftp):
    with Installation(tmp_path / "site", pyftp) as installation:
        yield installation


# -- reload and restart -----------------------------------------------------------------------------------------------


def test_a_reload_takes_over_what_it_can_and_names_what_must_wait(site, pyftp):
    """HUP; the new interval holds at once, the new pid file does not."""
    site.run("start", expect=0)
    site.await_log("POLL")
    site.configure(sleep_in_seconds=0.2, exclude="*.tmp", log_keep=3)
    site.run("reload", expect=0)
    (line,) = site.await_log("RELOADED")
    assert line == "RELOADED changed=sleep_in_seconds,exclude restart_needed=log_keep"
    pyftp.put("a.tmp", b"no")
    pyftp.put("a.xml", b"yes")
    site.await_log("FILESDOWNLOADED")
    assert site.deliveries() == {"a.xml": 1}


def test_a_wrong_configuration_is_refused_at_a_reload(site, pyftp):
    """Each problem is in the log, and the daemon goes on with what it had."""
    site.run("start", expect=0)
    site.await_log("POLL")
    site.configure(sleep_in_seconds="soon", on_conflict="burn")
    os.kill(site.pid, signal.SIGHUP)
    problems = site.await_log("RELOADREFUSED", 2)
    assert "sleep_in_seconds" in problems[0]
    assert "on_conflict" in problems[1]
    pyftp.put("a.xml", b"x")
    os.kill(site.pid, signal.SIGUSR1)
    site.await_log("FILESDOWNLOADED")


def test_a_wrong_configuration_does_not_stop_a_running_daemon(site):
    """restart looks before it stops."""
    site.run("start", expect=0)
    pid = site.pid
    site.configure(settle_secs="x")
    site.run("restart", expect=6)
    assert site.is_alive(pid)


def test_a_restart_gives_a_new_process(site):
    """And starts one that did not run."""
    site.run("restart", expect=0)
    first = site.pid
    site.run("restart", expect=0)
    assert site.pid != first
    assert not site.is_alive(first)
    site.run("status", expect=RUNNING)


def test_usr1_polls_now(site, pyftp):
    """Ten minutes before the next poll is due."""
    site.run("start", expect=0)
    site.await_log("POLL")
    pyftp.put("a.xml", b"x")
    os.kill(site.pid, signal.SIGUSR1)
    site.await_log("POLL", 2)
    assert site.deliveries() == {"a.xml": 1}


# -- the shutdown string ----------------------------------------------------------------------------------------------


def test_the_shutdown_string_stops_it(site):
    """With one that is configured; another does nothing."""
    port = free_port()
    site.configure(server_port=port, server_shutdown_string="open sesame")
    site.run("start", expect=0)
    assert not send_shutdown(port, b"open barley", 2)
    assert send_shutdown(port, b"open sesame", 5)
    (stopped,) = site.await_log("STOPPED")
    assert 'reason="shutdown string"' in stopped


def test_a_random_shutdown_string_is_for_its_owner_only_and_goes_with_the_daemon(site):
    """`stop` finds it beside the pid file."""
    site.configure(server_port=free_port())
    site.run("start", expect=0)
    secret = site.home / "daemon.pid.secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert "by the shutdown string" in site.run("stop", expect=0).stderr
    assert not secret.exists()


def test_no_secret_is_shown_anywhere(site, pyftp):
    """Not in a log, an error, the list of processes or any output, though the server repeats the password."""
    password, string = "pa55-w0rd-never-told", "5top-never-told"
    pyftp.replace["PASS"] = lambda handler, argument, proceed: handler.respond(f"530 {argument} is wrong")
    site.configure(ftp_password=password, server_port=free_port(), server_shutdown_string=string)
    shown = [site.run("start", "--debug", expect=0)]
    site.await_log("LOGINREFUSED")
    shown += [site.run(command) for command in ("status", "reload", "start", "once")]
    site.await_log("RELOADED")
    processes = " ".join(process.command for process in PSList().search("ftpretrieve"))
    shown.append(site.run("stop", expect=0))
    files = [path.read_bytes() for path in site.home.rglob("*") if path.is_file() and path != site.config]
    everything = repr(files) + processes + "".join(done.stdout + done.stderr for done in shown)
    assert "*** is wrong" in site.log()
    assert password not in everything
    assert string not in everything


# -- polls that go wrong ----------------------------------------------------------------------------------------------


def test_a_poll_in_full_swing_does_not_hold_up_a_stop(site, pyftp):
    """What is under way is left for the next start, and arrives once."""
    pyftp.put("big.bin", b"0123456789abcdef" * 65_536)
    pyftp.bytes_per_sec = 100_000
    site.run("start", expect=0)
    await_true(lambda: ("RETR", "big.bin") in pyftp.log or pyftp.commands["RETR"] > 0, lambda: "a RETR")
    assert "by SIGTERM" in site.run("stop", expect=0).stderr
    assert not site.deliveries(), "a transfer of ten seconds was waited for"
    (poll,) = site.records("POLL")
    assert "result=partial reason=stopping" in poll
    pyftp.bytes_per_sec = 0
    site.run("start", expect=0)
    site.await_log("FILESDOWNLOADED")
    assert site.deliveries() == {"big.bin": 1}
    assert (site.sync / "big.bin").stat().st_size == 1_048_576


def test_a_silent_server_does_not_hold_up_a_stop(site):
    """Nor does anything else that blocks in the network."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        site.configure(ftp_port=silent.getsockname()[1])
        site.run("start", expect=0)
        connection, _ = silent.accept()
        with connection:
            assert "by SIGTERM" in site.run("stop", expect=0).stderr
    assert "reason=stopping" in site.records("POLL")[0]


def test_a_killed_daemon_loses_and_doubles_nothing(site, pyftp):
    """SIGKILL in the middle of many files, then a start."""
    names = {f"{number}.xml" for number in range(300)}
    for name in names:
        pyftp.put(name, name.encode() * 10)
    site.run("start", expect=0)
    await_true(lambda: pyftp.commands["RETR"] > 100, lambda: "some transfers")
    os.kill(site.pid, signal.SIGKILL)
    site.run("start", expect=0)
    site.await_log("POLL")
    assert site.deliveries().keys() == names
    with closing(sqlite3.connect(site.home / "journal.db")) as journal:
        assert journal.execute("SELECT state, count(*) FROM files GROUP BY state").fetchall() == [("delivered", 300)]


def test_a_server_that_is_away_costs_polls_and_nothing_else(site, pyftp):
    """One line a poll naming host and step; when it is back, so are the files."""
    site.configure(sleep_in_seconds=0.2)
    pyftp.put("a.xml", b"x")
    pyftp.stop()
    site.run("start", expect=0)
    line = site.await_log("POLL", 2)[0]
    assert "result=unreachable" in line
    assert f"127.0.0.1:{pyftp.port}: connect" in line
    pyftp.start()
    site.await_log("FILESDOWNLOADED")


def test_a_wrong_password_is_not_hammered_and_a_reload_tries_at_once(site, pyftp):
    """The next login comes after a minute although polls are five a second; a mended file is tried right away."""
    site.configure(ftp_password="wrong", sleep_in_seconds=0.2)
    site.run("start", expect=0)
    (refused,) = site.await_log("LOGINREFUSED")
    assert refused == "LOGINREFUSED attempts=1 wait_secs=60"
    site.configure(ftp_password=pyftp.password)
    site.run("reload", expect=0)
    await_true(lambda: "result=ok" in site.log(), lambda: "a poll that works")
    assert pyftp.commands["PASS"] == 1 + len([line for line in site.records("POLL") if "result=ok" in line])


def test_a_sync_directory_that_goes_and_comes_back_stops_fetching_only(site, pyftp):
    """A reason in each poll while it is away, and then the files."""
    site.configure(sleep_in_seconds=0.2)
    site.run("start", expect=0)
    site.await_log("POLL")
    site.sync.rmdir()
    pyftp.put("a.xml", b"x")
    await_true(lambda: "is not there: mount or create it" in site.log(), lambda: "the reason")
    site.sync.mkdir()
    site.await_log("FILESDOWNLOADED")
    assert (site.sync / "a.xml").exists()


def test_a_journal_that_is_destroyed_ends_the_daemon(site, pyftp):
    """Without memory nothing may be delivered: exit 1, and the log says why."""
    with site.popen("run") as process:
        site.await_log("POLL")
        with closing(sqlite3.connect(site.home / "journal.db")) as journal:
            journal.execute("DROP TABLE files")
        pyftp.put("a.xml", b"x")
        process.send_signal(signal.SIGUSR1)
        process.communicate()
    assert process.returncode == 1
    assert site.records("JOURNALFAILED")
    assert not (site.sync / "a.xml").exists()


def test_a_configuration_that_broke_since_the_start_does_not_make_the_daemon_unstoppable(site):
    """status and stop tell what is wrong with it, and do what they are for."""
    site.run("start", expect=0)
    site.config.chmod(0o644)
    site.configure(sleep_in_seconds="soon")
    done = site.run("status", expect=RUNNING)
    assert "sleep_in_seconds" in done.stderr
    assert "chmod" in done.stderr
    site.run("stop", expect=0)
    site.run("status", expect=3)


def test_a_restart_that_would_be_refused_stops_nothing(site):
    """Another server on the same journal is refused while the daemon still runs."""
    site.run("start", expect=0)
    site.await_log("POLL")
    site.configure(ftp_port=site.settings["ftp_port"] + 1)
    assert "nothing was stopped" in site.run("restart", expect=6).stderr
    site.run("status", expect=RUNNING)


def test_a_url_for_a_host_is_no_problem_for_status_and_stop(site):
    """What the URL says needs no key of its own, here as at the start."""
    settings = site.settings
    url = f"ftp://{settings['ftp_user']}@{settings['ftp_host']}:{settings['ftp_port']}"
    site.configure(ftp_host=url, ftp_user=None, ftp_port=None)
    assert "ftp_user" not in site.run("status", expect=3).stderr
    assert "ftp_user" not in site.run("stop", expect=0).stderr
