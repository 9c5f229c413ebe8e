"""`once`, `once -n` and `once --mark-seen`, as the real command against a server."""

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
from contextlib import closing

import pytest

from tests.installation import Installation, environment
from tests.servers import free_port
from tests.waiting import await_true

pytestmark = pytest.mark.daemon


@pytest.fixture
def site(tmp_path, pyftp):
    with Installation(tmp_path / "site", pyftp) as installation:
        yield installation


def states(site: Installation) -> dict[str, int]:
    with closing(sqlite3.connect(site.home / "journal.db")) as journal:
        return dict(journal.execute("SELECT state, count(*) FROM files GROUP BY state").fetchall())


# -- one poll ---------------------------------------------------------------------------------------------------------


def test_once_delivers_and_ends(site, pyftp):
    """Exit 0, also when there is nothing new; the records go to the log and to stderr, and data to nobody."""
    pyftp.put("a.xml", b"x")
    done = site.run("once", expect=0)
    assert done.stdout == ""
    assert [line.split()[3] for line in done.stderr.splitlines()] == ["FILESDOWNLOADED", "POLL"]
    assert site.deliveries() == {"a.xml": 1}
    assert "fetched=0" in site.run("once", expect=0).stderr


def test_once_tells_programs_the_figures(site, pyftp):
    """One object on stdout."""
    pyftp.put("a.xml", b"xyz")
    told = json.loads(site.run("--json", "once", "-q", expect=0).stdout)
    assert told.pop("secs") > 0
    assert told == {
        "listed": 1,
        "fetched": 1,
        "delivered": 1,
        "replaced": 0,
        "changing": 0,
        "failed": 0,
        "skipped": 0,
        "left": 0,
        "bytes": 3,
        "result": "ok",
        "reason": None,
    }


def test_quiet_shows_trouble_only(site, pyftp):
    """For cron, which sends a mail for every word."""
    pyftp.put("a.xml", b"x")
    assert site.run("once", "-q", expect=0).stderr == ""
    pyftp.stop()
    assert "result=unreachable" in site.run("-q", "once", expect=75).stderr


def test_a_file_that_fails_makes_exit_1(site, pyftp):
    """The others arrive."""
    pyftp.put("a.xml", b"x")
    pyftp.put("b.xml", b"x")
    pyftp.replace["RETR"] = lambda handler, argument, proceed: (
        handler.respond("550 not you") if "a.xml" in argument else proceed()
    )
    done = site.run("once", expect=1)
    assert "FILEFAILED name=a.xml" in done.stderr
    assert site.deliveries() == {"b.xml": 1}


def test_a_refused_login_makes_exit_1(site):
    """An operator is needed; one line says where and at which step."""
    site.configure(ftp_password="wrong")
    assert re.search(
        r'WARNING POLL .*result=refused reason="127.0.0.1:\d+: PASS: 530', site.run("once", expect=1).stderr
    )


def test_a_missing_remote_directory_makes_exit_1(site):
    """The step is named."""
    assert "CWD nowhere: 550" in site.run("once", "--remote-dir", "nowhere", expect=1).stderr


def test_a_password_that_is_not_to_be_had_makes_exit_1(site):
    """No server is asked for anything."""
    site.configure(ftp_password="file:nowhere")
    assert "there is no password to log in with" in site.run("once", expect=1).stderr


def test_an_absent_server_makes_exit_75(site):
    """Try later."""
    site.configure(ftp_port=free_port())
    assert "result=unreachable" in site.run("once", expect=75).stderr


def test_a_session_that_ends_by_its_limit_says_how_many_are_left(site, pyftp):
    """Exit 75: run it again."""
    site.configure(ftp_duration_secs=1.5, ftp_connections=1)
    for number in range(4):
        pyftp.put(f"{number}.bin", b"x" * 50_000)
    pyftp.bytes_per_sec = 50_000
    done = site.run("once", expect=75)
    assert re.search(r"the session limit of 1.5 s left [1-4] files; run it again", done.stderr)
    assert "SESSIONTIMEOUT limit_secs=1.5 stage=" in done.stderr
    pyftp.bytes_per_sec = 0
    site.run("once", expect=0)
    assert site.deliveries() == {f"{number}.bin": 1 for number in range(4)}


def test_once_beside_a_poller_makes_exit_75(site, pyftp):
    """Two pollers on one journal would take each other's intents for their own."""
    pyftp.put("big.bin", b"x" * 500_000)
    pyftp.bytes_per_sec = 50_000
    with site.popen("once") as first:
        await_true(lambda: pyftp.commands["RETR"] > 0, lambda: "a RETR")
        assert f"locked by process {first.pid}" in site.run("once", expect=75).stderr
        first.send_signal(signal.SIGINT)
        first.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_once_ends_cleanly(site, pyftp, number):
    """Exit 130; what was under way comes with the next."""
    pyftp.put("big.bin", b"x" * 500_000)
    pyftp.bytes_per_sec = 50_000
    with site.popen("once") as process:
        await_true(lambda: pyftp.commands["RETR"] > 0, lambda: "a RETR")
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == 130
    assert "reason=stopping" in err
    pyftp.bytes_per_sec = 0
    site.run("once", expect=0)
    assert site.deliveries() == {"big.bin": 1}


def test_a_long_transfer_is_drawn_on_a_terminal_and_only_there(site, pyftp):
    """The records stay whole lines."""
    pyftp.put("big.bin", b"x" * 300_000)
    pyftp.bytes_per_sec = 150_000
    shown = on_a_terminal(site.argv("once"))
    assert b"\x1b[" in shown
    assert b"big.bin" in shown.replace(b"FILESDOWNLOADED [('", b"").partition(b"FILESDOWNLOADED")[0]
    assert re.search(rb"\d\d:\d\d:\d\d,\d+ INFO POLL listed=1 .*result=ok\r\n", shown)
    pyftp.put("more.bin", b"x" * 300_000)
    assert "\x1b" not in site.run("once", expect=0).stderr


def on_a_terminal(argv: list[str]) -> bytes:
    """Run a command whose stderr is a terminal and return what it drew."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(argv, stderr=theirs, env=environment({"TERM": "xterm", "COLUMNS": "100"})):
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 65_536)
            except OSError:  # EIO: the other side was closed by the last who had it
                break
    os.close(ours)
    return shown


# -- a look at what it would do ---------------------------------------------------------------------------------------


def test_a_look_creates_nothing_and_needs_no_journal(site, pyftp):
    """Everything is new then. The parent of the staging directory may well not be writable yet."""
    pyftp.put("a.xml", b"xyz", mtime=1_700_000_000)
    before = sorted(site.home.iterdir())
    done = site.run("once", "-n", expect=0)
    assert done.stdout == "fetch a.xml (3 bytes, 2023-11-14T22:13:20Z)\n"
    assert sorted(site.home.iterdir()) == before
    assert pyftp.commands["RETR"] == 0


def test_a_look_says_why_the_rest_is_not_fetched(site, pyftp):
    """A count and a few names of each reason."""
    for number in range(7):
        pyftp.put(f"{number}.xml", b"x")
    site.run("once", expect=0)
    pyftp.put("new.xml", b"x")
    pyftp.put("b.tmp", b"x")
    pyftp.put("sub/c.xml", b"x")
    site.configure(exclude="*.tmp")
    lines = site.run("once", "-n", expect=0).stdout.splitlines()
    assert [line for line in lines if line.startswith("fetch")] == [line for line in lines if "new.xml" in line]
    assert "skip 1 excluded: b.tmp" in lines
    assert "skip 1 not-a-file:dir: sub" in lines
    assert any(re.fullmatch(r"skip 7 known: (\d\.xml, ){5}…", line) for line in lines)


def test_a_look_says_what_it_could_not_read(site, pyftp):
    """Files in such lines have no line of their own, neither fetched nor skipped."""
    for command in ("MLSD", "LIST"):
        pyftp.replace[command] = lambda handler, _argument, _proceed: handler.push_dtp_data(
            b"?? who knows\r\n", isproducer=False, cmd="LIST"
        )
    done = site.run("once", "-n", expect=0)
    assert done.stdout == ""
    assert 'lines unreadable=1 example="?? who knows"' in done.stderr


def test_a_look_says_that_the_poll_itself_would_be_refused(site, pyftp):
    """Without its journal everything looks new, which is what one looks for before a start."""
    pyftp.put("a.xml", b"x")
    site.run("once", expect=0)
    assert "refused" not in site.run("once", "-n", expect=0).stderr
    (site.home / "journal.db").unlink()
    looked = site.run("once", "-n", expect=0)
    assert "would be refused" in looked.stderr
    assert "fetch a.xml" in looked.stdout
    site.run("once", expect=6)


def test_a_look_is_for_programs_too(site, pyftp):
    """An object a line; a name that is not UTF-8 comes back by os.fsencode."""
    site.run("once", expect=0)
    pyftp.put(b"caf\xe9.xml", b"x", mtime=1_700_000_000)
    pyftp.put("sub/c.xml", b"x")
    told = [json.loads(line) for line in site.run("once", "-n", "--json", expect=0).stdout.splitlines()]
    assert told == [
        {"action": "fetch", "name": "caf\udce9.xml", "size": 1, "mtime": "2023-11-14T22:13:20Z"},
        {"action": "skip", "reason": "not-a-file:dir", "count": 1, "examples": ["sub"]},
    ]


def test_a_look_beside_a_running_daemon(site, pyftp):
    """It takes no lock and disturbs nobody."""
    pyftp.put("a.xml", b"x")
    site.run("start", expect=0)
    site.await_log("POLL")
    pyftp.put("b.xml", b"x")
    assert "fetch b.xml" in site.run("once", "-n", expect=0).stdout
    site.run("status", expect=0)


def test_a_look_at_an_absent_server(site):
    """The reason, and the exit code of once."""
    site.configure(ftp_port=free_port())
    done = site.run("once", "-n", expect=75)
    assert "connect" in done.stderr
    assert done.stdout == ""


# -- taking over from another tool ------------------------------------------------------------------------------------


def test_what_is_marked_as_seen_is_never_fetched(site, pyftp):
    """Until it changes."""
    pyftp.put("old.xml", b"x", mtime=1_700_000_000)
    assert site.run("once", "--mark-seen", expect=0).stdout == "marked 1 as seen\n"
    assert pyftp.commands["RETR"] == 0
    pyftp.put("new.xml", b"x")
    site.run("once", expect=0)
    assert site.deliveries() == {"new.xml": 1}
    pyftp.put("old.xml", b"y", mtime=1_800_000_000)
    site.run("once", expect=0)
    assert site.deliveries() == {"new.xml": 1, "old.xml": 1}


def test_only_what_matches_is_marked(site, pyftp):
    """And only what the configuration would fetch at all; a second time there is nothing left to mark."""
    site.configure(exclude="*.tmp")
    for name in ("a.xml", "b.xml", "c.txt", "d.tmp"):
        pyftp.put(name, b"x")
    assert site.run("once", "--mark-seen", "--name", "*.xml", expect=0).stdout == "marked 2 as seen\n"
    assert json.loads(site.run("--json", "once", "--mark-seen", "--name", "*.xml", expect=0).stdout) == {"marked": 0}
    site.run("once", expect=0)
    assert site.deliveries() == {"c.txt": 1}
    assert states(site) == {"seen": 2, "delivered": 1}


def test_a_file_that_keeps_failing_can_be_marked_as_seen(site, pyftp):
    """The way to be rid of it, whatever its back-off."""
    pyftp.put("a.xml", b"x")
    pyftp.replace["RETR"] = lambda handler, argument, proceed: handler.respond("550 not you")
    for _ in range(5):
        site.run("once", expect=None)
    assert site.run("once", "--mark-seen", expect=0).stdout == "marked 1 as seen\n"
    site.run("once", expect=0)
    assert states(site) == {"seen": 1}


def test_marking_beside_a_daemon_is_refused(site):
    """It writes the journal."""
    site.run("start", expect=0)
    site.run("once", "--mark-seen", expect=75)
