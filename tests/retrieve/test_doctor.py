"""`doctor` finds what is wrong with a configuration and its surroundings, and changes nothing."""

import io
import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.lock import FileLock, PidFile
from ftpretrieve.retrieve import doctor as doctor_module
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.doctor import doctor, file_system
from ftpretrieve.retrieve.journal import Journal
from ftpretrieve.retrieve.mailbox import lock_path
from tests.mailboxes import make_mailbox, poll_ftp
from tests.pyftp import PyFtpServer

SECRET = "hunter2-not-to-be-shown"


class Home:
    """A configuration with its directories; `check` runs doctor and returns its findings by what they are about."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.sections: dict[str, dict[str, object]] = {
            "remote": {"ftp_host": "127.0.0.1", "ftp_port": 9, "ftp_user": "tester", "ftp_password": SECRET},
            "local": {
                "ftp_local_directory": "staging",
                "sync_directory": "sync",
                "journal_file_name": "journal.db",
                "min_free_bytes": 0,
            },
            "daemon": {"daemon_log": "daemon.log", "daemon_pid": "daemon.pid"},
            "server": {},
        }
        self.path = directory / "ftpretrieve.conf"
        self.code = -1
        self.output = ""
        (directory / "sync").mkdir()

    def set(self, section: str, **values: object) -> None:
        self.sections[section].update(values)

    def serve(self, server: PyFtpServer) -> None:
        self.set("remote", ftp_port=server.port, ftp_password=server.password)

    def write(self) -> AppConf:
        lines = []
        for section, values in self.sections.items():
            lines += [f"[{section}]", *(f"{name} = {value}" for name, value in values.items())]
        self.path.write_text("\n".join(lines) + "\n")
        self.path.chmod(0o600)
        return AppConf(self.path)

    def check(self, *, offline: bool = True) -> dict[str, list[tuple[str, str, str]]]:
        self.write()
        return self.run(offline=offline)

    def run(self, *, offline: bool = True) -> dict[str, list[tuple[str, str, str]]]:
        out = io.StringIO()
        self.code = doctor(self.path, offline=offline, as_json=True, out=out)
        self.output = out.getvalue()
        found: dict[str, list[tuple[str, str, str]]] = {}
        for line in self.output.splitlines():
            finding = json.loads(line)
            found.setdefault(finding["what"], []).append((finding["level"], finding["detail"], finding["fix"]))
        return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def levels(found: dict[str, list[tuple[str, str, str]]], level: str) -> set[str]:
    return {what for what, findings in found.items() if any(row[0] == level for row in findings)}


def tree(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Return what lies below, but for the two files that SQLite keeps beside a database that is open."""
    paths = [path for path in directory.rglob("*") if not path.name.endswith(("-wal", "-shm"))]
    return {str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"") for path in sorted(paths)}


# -- a healthy configuration ------------------------------------------------------------------------------------------


def test_a_fresh_configuration_has_nothing_wrong(home: Home, pyftp: PyFtpServer) -> None:
    """Staging and journal are made at the first start, so their absence is no fault."""
    home.serve(pyftp)
    found = home.check(offline=False)
    assert (home.code, levels(found, "FAIL"), levels(found, "warn")) == (0, set(), set())
    assert {"login", "connections", "listing", "stamps", "rename", "port", "daemon"} <= set(found)


def test_it_changes_nothing(home: Home, pyftp: PyFtpServer) -> None:
    """Neither before the first start nor with a journal: the probes are gone again."""
    home.serve(pyftp)
    home.write()
    before = tree(home.directory)
    home.run(offline=False)
    assert tree(home.directory) == before

    pyftp.put("a.xml", b"one")
    mailbox = make_mailbox(home.directory)
    with closing(mailbox.journal):
        poll_ftp(mailbox, pyftp)
    before = tree(home.directory)
    found = home.run(offline=False)
    assert home.code == 0, found
    assert tree(home.directory) == before
    assert pyftp.commands["STOR"] == pyftp.commands["DELE"] == pyftp.commands["MKD"] == 0


def test_it_works_beside_a_daemon_and_takes_no_lock(home: Home) -> None:
    """The locks of a running daemon are free for it alone."""
    conf = home.write()
    make_mailbox(home.directory).journal.close()
    daemon, poller = PidFile(str(conf.daemon_pid)), FileLock(lock_path(conf))
    daemon.acquire()
    with poller:
        found = home.run()
        daemon.release()
    assert home.code == 0
    assert found["daemon"][0][0] == "ok"
    assert str(os.getpid()) in found["daemon"][0][1]


def test_a_finding_is_a_line_with_its_level_first_and_the_fix_last(home: Home) -> None:
    """`grep ^FAIL` and `grep -- --` are what people do with it."""
    home.set("local", sync_directory="missing")
    home.write()
    out = io.StringIO()
    assert doctor(home.path, offline=True, as_json=False, out=out) == 1
    lines = out.getvalue().splitlines()
    assert f"FAIL  sync_directory: {home.directory}/missing is not there -- mount or create it" in "\n".join(lines)
    assert all(line[:6] in ("ok    ", "warn  ", "FAIL  ") for line in lines)


def test_offline_leaves_the_server_alone(home: Home, pyftp: PyFtpServer) -> None:
    """Not even a connection is made."""
    home.serve(pyftp)
    found = home.check(offline=True)
    assert "login" not in found
    assert not pyftp.log


# -- the configuration ------------------------------------------------------------------------------------------------


def test_every_problem_of_a_bad_configuration_is_a_line(home: Home) -> None:
    """Exit 6: not configured."""
    home.path.write_text("[remote]\nftp_hots = x\nftp_user = u\n[local]\nsleep_in_seconds = soon\n")
    found = home.run()
    assert home.code == 6
    assert len(found["config"]) > 4
    assert {level for level, _, _ in found["config"]} == {"FAIL"}
    assert any("did you mean ftp_host?" in detail for _, detail, _ in found["config"])


def test_a_configuration_that_everybody_may_change_is_doubtful(home: Home) -> None:
    """Whoever changes it sends our password elsewhere. (Readable for all is refused at loading.)"""
    home.set("remote", ftp_password="env:SOMETHING")
    home.write()
    home.path.chmod(0o666)
    assert home.run()["permissions"][0][0] == "warn"


# -- directories ------------------------------------------------------------------------------------------------------


def break_sync(home: Home) -> None:
    (home.directory / "sync").rmdir()


def break_staging(home: Home) -> None:
    (home.directory / "staging").write_text("a file")


def break_staging_parent(home: Home) -> None:
    home.set("local", ftp_local_directory="nowhere/staging")


def break_journal_directory(home: Home) -> None:
    home.set("local", journal_file_name="nowhere/journal.db")


def break_space(home: Home) -> None:
    home.set("local", min_free_bytes="1000000 TiB")


def break_journal(home: Home) -> None:
    (home.directory / "journal.db").write_bytes(b"SQLite format 3\0" + b"garbage" * 1000)


def break_lost_journal(home: Home) -> None:
    make_mailbox(home.directory).journal.close()
    (home.directory / "journal.db").unlink()


def break_other_journal(home: Home) -> None:
    break_lost_journal(home)
    Journal(home.directory / "journal.db").close()


def break_other_host(home: Home) -> None:
    journal = make_mailbox(home.directory).journal
    journal.bind("elsewhere.example.org", 21, "tester")
    journal.close()


def break_table(home: Home) -> None:
    Journal(home.directory / "journal.db", "other").close()


def break_pid_file(home: Home) -> None:
    (home.directory / "daemon.pid").symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("broken", "what", "says"),
    [
        (break_sync, "sync_directory", "never created"),
        (break_staging, "ftp_local_directory", "not a directory"),
        (break_staging_parent, "ftp_local_directory", "create "),
        (break_journal_directory, "journal_file_name", "create "),
        (break_space, "space", "make room"),
        (break_journal, "journal", "restore"),
        (break_lost_journal, "journal", "--new-journal"),
        (break_other_journal, "journal", "--new-journal"),
        (break_other_host, "journal", "--accept-host"),
        (break_table, "journal", "journal_table_name"),
        (break_pid_file, "daemon", "symbolic link"),
    ],
)
def test_a_fault_is_found_and_the_fix_named(home: Home, broken: Callable[[Home], None], what: str, says: str) -> None:
    """And it is the only FAIL, unless one follows from another: nothing else is blamed for it."""
    broken(home)
    found = home.check()
    assert home.code == 1
    assert levels(found, "FAIL") == {what}
    assert any(says in detail + fix for level, detail, fix in found[what] if level == "FAIL")


def test_a_row_that_never_comes_through_is_told(home: Home) -> None:
    """With the command that shows it."""
    journal = make_mailbox(home.directory).journal
    with journal.transaction():
        journal.db.execute("INSERT INTO files (directory, name, version, state) VALUES ('', 'a', 1, 'failed')")
    journal.close()
    assert home.check()["files"] == [("warn", "1 failed", "see: ftpretrieve history --state failed")]


@pytest.mark.parametrize(("age_secs", "level"), [(60.0, "ok"), (3 * 86_400.0, "warn"), (-7200.0, "warn")])
def test_a_jump_of_the_clock_since_the_last_poll_is_told(home: Home, age_secs: float, level: str) -> None:
    """Backwards, or forwards by more than a day, which may just as well be a daemon that was stopped."""
    journal = make_mailbox(home.directory).journal
    journal.set_meta("last_poll", time.time() - age_secs)
    journal.close()
    assert home.check()["clock"][0][0] == level


def test_a_journal_on_a_network_file_system_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of mounts is a real one but for the line of this directory."""
    fake = home.directory / "mountinfo"
    fake.write_text(f"{MOUNTS}99 27 0:50 / {home.directory} rw,relatime - nfs4 server:/export rw\n")
    monkeypatch.setattr(doctor_module, "MOUNTINFO", fake)
    found = home.check()
    assert ("FAIL", f"{home.directory} is on a network file system (nfs4)", "put the journal on a local disk") in found[
        "journal"
    ]


MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 27 0:40 / /srv/data rw,relatime shared:9 master:2 - cifs //server/data rw
41 40 8:2 / /srv/data/local\\040disk rw - xfs /dev/sdb1 rw
42 27 0:42 / /mnt rw - ext4 /dev/sdc1 rw
43 27 0:43 / /mnt rw - fuse.sshfs host:/ rw
a line of a kernel to come
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/ftpretrieve", "ext4"),
        ("/srv/data/journal", "cifs"),
        ("/srv/database", "ext4"),
        ("/srv/data/local disk/journal", "xfs"),
        ("/mnt", "fuse.sshfs"),
    ],
)
def test_the_deepest_and_latest_mount_tells_the_file_system(path: str, kind: str) -> None:
    """A longer name is not a directory below, and a later mount hides an earlier one at its place."""
    assert file_system(Path(path), MOUNTS) == kind


def test_the_real_table_of_mounts_is_read(tmp_path: Path) -> None:
    """Whatever it is here, it has a name."""
    assert file_system(tmp_path, Path("/proc/self/mountinfo").read_text())


# -- the daemon -------------------------------------------------------------------------------------------------------


def test_a_daemon_that_was_killed_is_told(home: Home) -> None:
    """Its pid file blocks nothing, so it is only doubtful."""
    (home.directory / "daemon.pid").write_text("4194304\n1.0\n")
    assert home.check()["daemon"][0][0] == "warn"


def test_a_port_that_another_program_has_is_a_fault(home: Home) -> None:
    """The daemon would not start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        home.set("server", server_port=taken.getsockname()[1])
        assert home.check()["port"][0][0] == "FAIL"


def test_a_port_that_is_taken_while_the_daemon_runs_is_its_own(home: Home) -> None:
    """That is how it looks when all is well."""
    daemon = PidFile(str(home.write().daemon_pid))
    daemon.acquire()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        home.set("server", server_port=taken.getsockname()[1])
        found = home.check()
    daemon.release()
    assert found["port"][0][0] == "ok"


def test_a_free_port_stays_free(home: Home) -> None:
    """A daemon that starts at that moment must get it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    home.set("server", server_port=port)
    assert home.check()["port"][0][0] == "ok"
    with socket.create_server(("127.0.0.1", port)):
        pass


# -- the server -------------------------------------------------------------------------------------------------------


def test_a_server_that_is_away_is_named_with_its_port(home: Home) -> None:
    """Host, port and step are in the line."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    home.set("remote", ftp_port=port)
    found = home.check(offline=False)
    assert home.code == 1
    assert found["login"][0][1].startswith(f"127.0.0.1:{port}: connect: ")


def test_a_wrong_password_is_tried_once_and_never_shown(home: Home, pyftp: PyFtpServer) -> None:
    """Servers lock accounts; logs and tickets are read by many."""
    home.serve(pyftp)
    home.set("remote", ftp_password=SECRET)
    found = home.check(offline=False)
    assert found["login"][0][0] == "FAIL"
    assert "ftp_password" in found["login"][0][2]
    assert pyftp.commands["PASS"] == 1
    assert SECRET not in home.output


def test_a_password_that_a_server_repeats_is_masked(home: Home, pyftp: PyFtpServer) -> None:
    """Some say "530 user u with password p rejected"."""
    home.serve(pyftp)
    home.set("remote", ftp_password=SECRET)
    pyftp.replace["PASS"] = lambda handler, argument, _: handler.respond(f"530 no {argument}, \x1b[31mno")
    home.check(offline=False)
    assert "530 no ***" in home.output
    assert SECRET not in home.output
    assert "\\u001b" not in home.output


def test_a_password_that_cannot_be_had_is_a_fault_of_its_own(home: Home, pyftp: PyFtpServer) -> None:
    """The server is not asked without one."""
    home.serve(pyftp)
    home.set("remote", ftp_password="env:FTPRETRIEVE_NOT_SET")
    assert home.check(offline=False)["password"][0][0] == "FAIL"
    assert not pyftp.log


def test_a_missing_remote_directory_is_told(home: Home, pyftp: PyFtpServer) -> None:
    """The login is fine, the step after it is not."""
    home.serve(pyftp)
    home.set("remote", ftp_remote_directory="gone")
    found = home.check(offline=False)
    assert found["login"][0][0] == "ok"
    assert found["listing"][0][0] == "FAIL"
    assert "gone" in found["listing"][0][1]


def test_a_server_that_allows_one_connection_is_told(home: Home, make_server: Callable[..., Any]) -> None:
    """The daemon gets along with fewer; the number to set is in the fix."""
    server = make_server("pyftpdlib", max_clients=1)
    home.serve(server)
    found = home.check(offline=False)
    assert home.code == 0
    assert found["connections"][0][0] == "warn"
    assert "set ftp_connections = 1," in found["connections"][0][2]


@pytest.mark.parametrize(
    ("options", "level", "says"),
    [
        ({}, "ok", "UTC to the second, by MLSD and MLST"),
        ({"mlsd": False}, "ok", "LIST to the minute, UTC to the second by SIZE and MDTM"),
        ({"mlsd": False, "mdtm": False}, "warn", "LIST to the minute"),
    ],
)
def test_how_well_the_server_tells_times_is_told(
    home: Home, make_server: Callable[..., Any], options: dict[str, bool], level: str, says: str
) -> None:
    """It decides how well a rewrite is noticed, and what happens when the clocks change."""
    server = make_server("pyftpdlib", **options)
    server.put("a.xml", b"one", mtime=time.time() - 3600)
    home.serve(server)
    found = home.check(offline=False)
    assert found["stamps"][0][0] == level
    assert says in found["stamps"][0][1]


def test_the_listing_is_counted_by_what_is_wanted(home: Home, pyftp: PyFtpServer) -> None:
    """Globs that match nothing are the usual reason for a daemon that fetches nothing."""
    for name in ("a.xml", "b.xml", "below/c.xml"):
        pyftp.put(name, b"one")
    home.serve(pyftp)
    assert home.check(offline=False)["listing"] == [("ok", "MLSD shows 3 entries, 2 files, 2 of them wanted", "")]
    home.set("local", include="*.csv")
    assert home.check(offline=False)["listing"][0][0] == "warn"


def test_lines_that_nobody_can_read_are_told_with_an_example(home: Home, make_server: Callable[..., Any]) -> None:
    """They would be the files that never come."""
    server = make_server("pyftpdlib", mlsd=False)
    server.replace["LIST"] = lambda handler, _argument, _proceed: handler.push_dtp_data(
        b"?? who knows \x1b[31m\r\n", isproducer=False, cmd="LIST"
    )
    home.serve(server)
    found = home.check(offline=False)
    assert found["listing"][0][0] == "FAIL"
    assert "who knows" in found["listing"][0][1]
    assert "\x1b" not in json.loads(next(line for line in home.output.splitlines() if "who knows" in line))["detail"]


def test_a_file_from_the_future_shows_that_the_clocks_differ(home: Home, pyftp: PyFtpServer) -> None:
    """What the server's clock says cannot be known without writing; that it is ahead can."""
    pyftp.put("a.xml", b"one", mtime=time.time() + 7200)
    home.serve(pyftp)
    assert home.check(offline=False)["server clock"][0][0] == "warn"


def test_a_server_that_falls_silent_ends_at_the_limit(home: Home, pyftp: PyFtpServer) -> None:
    """`doctor` never hangs: it is asked when something else does."""
    home.serve(pyftp)
    home.set("remote", ftp_duration_secs=1)
    pyftp.replace["MLSD"] = lambda handler, argument, proceed: None
    found = home.check(offline=False)
    assert home.code == 1
    assert "ftp_duration_secs" in found["listing"][0][1]


def test_every_server_is_understood(home: Home, any_server: Any) -> None:
    """A healthy server of any make has nothing wrong."""
    any_server.put("a.xml", b"one", mtime=time.time() - 3600)
    home.serve(any_server)
    home.set("remote", ftp_user=any_server.user)
    found = home.check(offline=False)
    assert (home.code, levels(found, "warn")) == (0, set()), found
    assert "1 files, 1 of them wanted" in found["listing"][0][1]


@pytest.mark.interop
def test_the_zone_that_a_server_prints_is_told(home: Home, make_server: Callable[..., Any]) -> None:
    """Where LIST is in local time and MDTM in UTC, the two tell it."""
    server = make_server("proftpd", mlsd=False, times_gmt=False, tz="Asia/Kolkata")
    server.put("a.xml", b"one", mtime=time.time() - 3600)
    home.serve(server)
    assert home.check(offline=False)["server clock"][1][1] == "LIST prints times of UTC+05:30"
