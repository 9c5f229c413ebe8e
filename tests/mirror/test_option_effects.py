"""What each option does, seen on files and servers, never on a command line; every row of the table is here.

A test names the options whose effect it shows; the last one compares the names with the table.
"""

from __future__ import annotations

import json
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve import __version__
from ftpretrieve.mirror.options import OPTIONS
from tests.certificates import Authority, Identity
from tests.mirror.inbox import Inbox
from tests.mirror.liar import Liar
from tests.mirror.running import Mirror, tree
from tests.servers import FtpServer, ServerTls, free_port, why_missing
from tests.sshd import PasswordSftp, Sshd

pytestmark = pytest.mark.interop

Test = Callable[..., None]
MakeServer = Callable[..., Any]
OLD, NEW = 1_600_000_000, 1_700_000_000  # 2020 and 2023
WITHOUT_AND_WITH = pytest.mark.parametrize("given", [False, True], ids=["without", "with"])

shown: set[str] = set()


def shows(*names: str) -> Callable[[Test], Test]:
    """Say whose effect a test shows."""
    shown.update(names)
    return lambda test: test


def option(given: bool, *words: str) -> tuple[str, ...]:
    return words if given else ()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- server and login -----------------------------------------------------------------------------------------------


@shows("login", "port")
def test_a_file_comes_with_user_password_and_port(mirror: Mirror, server: FtpServer) -> None:
    server.put("sub/a.txt", b"hello", mtime=NEW)
    mirror.shell(server, expect=0)
    assert tree(mirror.local) == {"sub": None, "sub/a.txt": b"hello"}
    assert (mirror.local / "sub/a.txt").stat().st_mtime == NEW


@shows("login")
def test_a_wrong_password_brings_nothing(mirror: Mirror, server: FtpServer) -> None:
    server.put("a.txt", b"hello")
    mirror.shell(server, env={"LFTP_PASSWORD": "wrong"}, expect=1)
    assert tree(mirror.local) == {}


@shows("port")
def test_nobody_at_the_port_is_a_server_away(mirror: Mirror, vsftpd: FtpServer) -> None:
    vsftpd.put("a.txt", b"hello")
    vsftpd.port, real = free_port(), vsftpd.port
    mirror.shell(vsftpd, "--timeout", "4", expect=75)
    vsftpd.port = real
    assert tree(mirror.local) == {}


@shows("anonymous")
def test_anonymous_needs_no_user(mirror: Mirror, make_server: MakeServer) -> None:
    server = make_server("vsftpd", extra=["secure_email_list_enable=NO"])
    server.put("a.txt", b"hello")
    place = [server.host, server.home, mirror.local, "-p", str(server.port)]
    mirror.run("shell", *place, "-a", "--no-email", "--no-compress", expect=0)
    assert tree(mirror.local) == {"a.txt": b"hello"}


@shows("secure")
def test_secure_reaches_a_server_that_speaks_sftp_only(mirror: Mirror, sshd: Sshd) -> None:
    sshd.put("a.txt", b"hello", mtime=NEW)
    mirror.use_key(sshd.key)
    mirror.shell(sshd, "-s", expect=0)
    assert tree(mirror.local) == {"a.txt": b"hello"}


@shows("secure", "login")
def test_secure_takes_a_password(mirror: Mirror, password_sftp: PasswordSftp) -> None:
    password_sftp.put("a.txt", b"hello")
    mirror.shell(password_sftp, "-s", expect=0)
    assert tree(mirror.local) == {"a.txt": b"hello"}


@shows("key")
@WITHOUT_AND_WITH
def test_key_logs_in_by_that_key(mirror: Mirror, sshd: Sshd, given: bool) -> None:
    sshd.put("a.txt", b"hello")
    done = mirror.shell(sshd, "-s", "--timeout", "5", *option(given, "--key", str(sshd.key)))
    assert (done.code == 0) is given
    assert tree(mirror.local) == ({"a.txt": b"hello"} if given else {})


@shows("tls")
@WITHOUT_AND_WITH
def test_tls_never_shows_the_password_to_a_server_without(mirror: Mirror, liar: Liar, given: bool) -> None:
    liar.put("a.txt", b"hello")
    done = mirror.shell(liar, *option(given, "--tls"))
    assert (done.code != 0) is given
    assert ("PASS" not in liar.commands) is given
    assert tree(mirror.local) == ({} if given else {"a.txt": b"hello"})


@shows("tls", "ca_file")
@pytest.mark.parametrize("software", ["vsftpd", "proftpd"])
@WITHOUT_AND_WITH
def test_ca_file_is_what_a_certificate_is_checked_with(
    mirror: Mirror, make_server: MakeServer, authority: Authority, identity: Identity, software: str, given: bool
) -> None:
    missing = why_missing(software, tls=True)
    if missing:
        pytest.skip(missing)
    server = make_server(software, tls=ServerTls(identity.both))
    server.put("a.txt", b"hello")
    done = mirror.shell(server, "--tls", *option(given, "--ca-file", str(authority.certificate)))
    assert (done.code == 0) is given
    assert tree(mirror.local) == ({"a.txt": b"hello"} if given else {})
    assert given or "ertificate" in done.report


# -- what is transferred --------------------------------------------------------------------------------------------


@shows("reverse")
def test_reverse_uploads(mirror: Mirror, server: FtpServer) -> None:
    mirror.put("sub/a.txt", b"hello")
    mirror.shell(server, "-r", expect=0)
    assert tree(server.root) == {"sub": None, "sub/a.txt": b"hello"}


@shows("newer")
@WITHOUT_AND_WITH
def test_newer_leaves_what_is_older_at_the_source(mirror: Mirror, server: FtpServer, given: bool) -> None:
    server.put("older", b"theirs, of another size", mtime=OLD)
    server.put("newer", b"theirs", mtime=NEW)
    mirror.put("older", b"mine", mtime=NEW)
    mirror.put("newer", b"mine", mtime=OLD)
    mirror.shell(server, *option(given, "-n"), expect=0)
    assert tree(mirror.local) == {"older": b"mine" if given else b"theirs, of another size", "newer": b"theirs"}


@shows("only_missing")
@WITHOUT_AND_WITH
def test_only_missing_leaves_what_is_there(mirror: Mirror, server: FtpServer, given: bool) -> None:
    server.put("there", b"theirs", mtime=NEW)
    server.put("missing", b"theirs")
    mirror.put("there", b"mine", mtime=OLD)
    mirror.shell(server, *option(given, "--only-missing"), expect=0)
    assert tree(mirror.local) == {"there": b"mine" if given else b"theirs", "missing": b"theirs"}


@shows("only_existing")
@WITHOUT_AND_WITH
def test_only_existing_brings_nothing_new(mirror: Mirror, server: FtpServer, given: bool) -> None:
    server.put("there", b"theirs", mtime=NEW)
    server.put("missing", b"theirs")
    mirror.put("there", b"mine", mtime=OLD)
    mirror.shell(server, *option(given, "--only-existing"), expect=0)
    assert tree(mirror.local) == {"there": b"theirs", **({} if given else {"missing": b"theirs"})}


@shows("ignore_size")
@pytest.mark.parametrize("flag", ["", "--ignore-size", "-ignore-size"])
def test_ignore_size_compares_times_only(mirror: Mirror, server: FtpServer, flag: str) -> None:
    server.put("a", b"theirs, of another size", mtime=OLD)
    mirror.put("a", b"mine", mtime=OLD)
    mirror.shell(server, *option(bool(flag), flag), expect=0)
    assert tree(mirror.local) == {"a": b"mine" if flag else b"theirs, of another size"}


@shows("ignore_time")
@WITHOUT_AND_WITH
def test_ignore_time_compares_sizes_only(mirror: Mirror, server: FtpServer, given: bool) -> None:
    server.put("a", b"1234", mtime=NEW)
    mirror.put("a", b"mine", mtime=OLD)
    mirror.shell(server, *option(given, "--ignore-time"), expect=0)
    assert tree(mirror.local) == {"a": b"mine" if given else b"1234"}


@shows("exclude_glob", "include_glob")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), {"a.txt", "b.xml", "old", "old/c.txt"}),
        (("--exclude-glob", "*.txt"), {"b.xml", "old"}),
        (("--exclude-glob", "old/"), {"a.txt", "b.xml"}),
        (("--exclude-glob", "*", "--include-glob", "a.*"), {"a.txt"}),
        (("--include-glob", "a.*"), {"a.txt", "old"}),  # directories are looked into
        (("--exclude-glob", "*.txt", "--include-glob", "a.txt"), {"a.txt", "b.xml", "old"}),
    ],
    ids=["none", "files", "directory", "all-but", "include-first", "last-wins"],
)
def test_globs_leave_out_and_take_back(
    mirror: Mirror, server: FtpServer, words: tuple[str, ...], expected: set[str]
) -> None:
    for name in ("a.txt", "b.xml", "old/c.txt"):
        server.put(name, b"x")
    mirror.shell(server, *words, expect=0)
    assert set(tree(mirror.local)) == expected


@shows("exclude_glob", "erase")
def test_what_is_excluded_is_not_removed_either(mirror: Mirror, server: FtpServer) -> None:
    server.put("a.txt", b"x")
    mirror.put("mine.log", b"x")
    mirror.put("gone.txt", b"x")
    mirror.shell(server, "-e", "--exclude-glob", "*.log", expect=0)
    assert set(tree(mirror.local)) == {"a.txt", "mine.log"}


@shows("no_recursion")
@WITHOUT_AND_WITH
def test_no_recursion_stays_in_the_directory(mirror: Mirror, server: FtpServer, given: bool) -> None:
    server.put("a", b"x")
    server.put("sub/b", b"x")
    mirror.shell(server, *option(given, "--no-recursion"), expect=0)
    assert set(tree(mirror.local)) - {"sub"} == ({"a"} if given else {"a", "sub/b"})


@shows("no_recursion", "erase")
def test_what_was_not_looked_into_is_not_removed(mirror: Mirror, server: FtpServer) -> None:
    server.put("a", b"x")
    server.put("sub/b", b"x")
    mirror.put("sub/mine", b"x")
    mirror.put("gone", b"x")
    mirror.shell(server, "-e", "--no-recursion", expect=0)
    assert set(tree(mirror.local)) == {"a", "sub", "sub/mine"}


@pytest.fixture(params=["vsftpd", "proftpd"])
def linking(request: pytest.FixtureRequest, make_server: MakeServer) -> Any:
    """Return a server that lists links as such; the MLSD of proftpd has a word for them that lftp skips over."""
    return make_server(request.param, **({"mlsd": False} if request.param == "proftpd" else {}))


@shows("no_symlinks")
@WITHOUT_AND_WITH
def test_no_symlinks_makes_none(mirror: Mirror, linking: FtpServer, given: bool) -> None:
    server = linking
    server.put("a", b"x")
    (server.root / "link").symlink_to("a")
    mirror.shell(server, *option(given, "--no-symlinks"), expect=0)
    assert tree(mirror.local) == {"a": b"x", **({} if given else {"link": "-> a"})}


@shows("dereference")
@WITHOUT_AND_WITH
def test_dereference_follows_links(mirror: Mirror, linking: FtpServer, given: bool) -> None:
    server = linking
    server.put("a", b"x")
    (server.root / "link").symlink_to("a")
    mirror.shell(server, *option(given, "--dereference"), expect=0)
    assert tree(mirror.local) == {"a": b"x", "link": b"x" if given else "-> a"}


@shows("no_empty_dirs")
@WITHOUT_AND_WITH
def test_no_empty_dirs_makes_none(mirror: Mirror, server: FtpServer, given: bool) -> None:
    server.put("full/a", b"x")
    (server.root / "empty" / "below").mkdir(parents=True)
    mirror.shell(server, *option(given, "--no-empty-dirs"), expect=0)
    expected = {"full", "full/a"} | (set() if given else {"empty", "empty/below"})
    assert set(tree(mirror.local)) == expected


# -- how it is transferred ------------------------------------------------------------------------------------------


@shows("parallel")
@pytest.mark.parametrize(("words", "sessions"), [((), 1), (("-P",), 2), (("-P", "4"), 4)], ids=["none", "bare", "4"])
def test_parallel_transfers_over_so_many_sessions(
    mirror: Mirror, liar: Liar, words: tuple[str, ...], sessions: int
) -> None:
    for number in range(8):
        liar.put(f"{number}", bytes(20_000))
    fetching: set[int] = set()

    def fetch(handler: Any, argument: str, proceed: Callable[[], None]) -> None:
        fetching.add(id(handler))
        proceed()

    liar.replace["RETR"] = fetch
    liar.bytes_per_sec = 200_000
    mirror.shell(liar, *words, expect=0)
    assert len(fetching) == sessions
    assert len(tree(mirror.local)) == 8


@shows("depth_first")
@WITHOUT_AND_WITH
def test_depth_first_takes_subdirectories_first(mirror: Mirror, liar: Liar, given: bool) -> None:
    liar.put("a", b"x")
    liar.put("sub/b", b"x")
    mirror.shell(liar, *option(given, "--depth-first"), expect=0)
    names = [argument.rpartition("/")[2] for command, argument in liar.log if command == "RETR"]
    assert names == (["b", "a"] if given else ["a", "b"])


@shows("loop")
@WITHOUT_AND_WITH
def test_loop_takes_what_came_meanwhile(mirror: Mirror, liar: Liar, given: bool) -> None:
    liar.put("a", b"x")
    liar.before("RETR", 1, lambda: liar.put("late", b"y"))
    mirror.shell(liar, *option(given, "--loop"), expect=0)
    assert tree(mirror.local) == {"a": b"x", **({"late": b"y"} if given else {})}


@shows("use_cache")
@WITHOUT_AND_WITH
def test_use_cache_asks_for_no_listing_twice(mirror: Mirror, liar: Liar, given: bool) -> None:
    for name in ("a", "sub/b", "sub/below/c"):
        liar.put(name, b"x")
    mirror.shell(liar, *option(given, "--use-cache"), expect=0)
    asked = [argument for command, argument in liar.log if command == "LIST"]
    assert set(tree(mirror.local)) == {"a", "sub", "sub/b", "sub/below", "sub/below/c"}
    assert not given or len(asked) <= 6  # three directories, in the plan and in the run


@shows("no_perms", "no_umask", "allow_suid")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), {"open": 0o755, "suid": 0o755, "private": 0o600}),
        (("--no-umask",), {"open": 0o777, "suid": 0o755, "private": 0o600}),
        (("--allow-suid",), {"open": 0o755, "suid": 0o4755, "private": 0o600}),
        (("--no-perms",), {"open": 0o644, "suid": 0o644, "private": 0o644}),
    ],
    ids=["none", "no-umask", "allow-suid", "no-perms"],
)
def test_modes_are_those_of_the_source(
    mirror: Mirror, server: FtpServer, words: tuple[str, ...], expected: dict[str, int]
) -> None:
    for name, bits in {"open": 0o777, "suid": 0o4755, "private": 0o600}.items():
        server.put(name, b"x").chmod(bits)
    mirror.shell(server, *words, umask=0o022, expect=0)
    assert {name: mode(mirror.local / name) for name in expected} == expected


@shows("allow_chown")
@WITHOUT_AND_WITH
def test_allow_chown_keeps_the_owner(mirror: Mirror, sshd: Sshd, given: bool) -> None:
    if os.getuid() != 0:
        pytest.skip("only root may give files to another owner")
    path = sshd.put("a", b"x")
    os.chown(path, 1, 1)  # daemon
    mirror.use_key(sshd.key)
    mirror.shell(sshd, "-s", *option(given, "--allow-chown"), expect=0)
    found = (mirror.local / "a").stat()
    assert (found.st_uid, found.st_gid) == ((1, 1) if given else (0, 0))


@shows("timeout")
def test_timeout_ends_a_job_whose_server_is_silent(mirror: Mirror, liar: Liar) -> None:
    liar.put("a", bytes(100_000))
    liar.silent_after_bytes = 60_000
    done = mirror.shell(liar, "--timeout", "3", expect=75)
    assert "timeout" in done.report.lower()
    assert tree(mirror.local).get("a") is None


@shows("dry_run")
@WITHOUT_AND_WITH
def test_dry_run_says_and_does_nothing(mirror: Mirror, server: FtpServer, given: bool) -> None:
    server.put("coming", b"x")
    mirror.put("going", b"x")
    mirror.put("staying", b"x")
    server.put("staying", b"x", mtime=OLD)
    done = mirror.shell(server, "-e", "--max-delete", "1", *option(given, "--dry-run"), expect=0)
    assert set(tree(mirror.local)) == ({"going", "staying"} if given else {"coming", "staying"})
    assert "coming" in done.report
    assert "going" in done.report


@shows("dry_run", "del_source", "reverse")
def test_dry_run_changes_nothing_at_the_server(mirror: Mirror, liar: Liar) -> None:
    liar.put("theirs", b"x")
    liar.put("both", b"x", mtime=OLD)
    mirror.put("mine", b"x")
    mirror.put("both", b"x", mtime=OLD)
    mirror.shell(liar, "-r", "-e", "--del-source", "--dry-run", expect=0)
    assert liar.changes() == []
    assert set(tree(mirror.local)) == {"mine", "both"}


# -- what is removed ------------------------------------------------------------------------------------------------


@shows("erase")
@WITHOUT_AND_WITH
def test_erase_removes_what_the_source_does_not_have(mirror: Mirror, server: FtpServer, given: bool) -> None:
    server.put("a", b"x")
    server.put("sub/b", b"x")
    mirror.put("a", b"x")
    mirror.put("gone", b"x")
    mirror.put("olddir/below/c", b"x")
    mirror.put("sub/b", b"x")
    (mirror.local / "dead").symlink_to("nowhere")
    mirror.shell(server, *option(given, "-e", "--max-delete", "90%"), expect=0)
    kept = {"a", "sub", "sub/b"}
    assert set(tree(mirror.local)) == (
        kept if given else kept | {"gone", "olddir", "olddir/below", "olddir/below/c", "dead"}
    )


@shows("erase", "reverse")
@WITHOUT_AND_WITH
def test_erase_in_reverse_removes_at_the_server(mirror: Mirror, server: FtpServer, given: bool) -> None:
    mirror.put("a", b"x")
    server.put("a", b"x")
    server.put("gone", b"x")
    server.put("olddir/below/c", b"x")
    mirror.shell(server, "-r", *option(given, "-e", "--max-delete", "90%"), expect=0)
    assert set(tree(server.root)) == ({"a"} if given else {"a", "gone", "olddir", "olddir/below", "olddir/below/c"})


@shows("delete_first")
@WITHOUT_AND_WITH
def test_delete_first_removes_before_it_transfers(mirror: Mirror, liar: Liar, given: bool) -> None:
    liar.put("new", b"x")
    liar.put("same", b"x", mtime=OLD)
    mirror.put("same", b"x", mtime=OLD)
    gone = mirror.put("gone", b"x")
    was_there: list[bool] = []
    liar.before("RETR", 1, lambda: was_there.append(gone.exists()))
    mirror.shell(liar, "--delete-first" if given else "-e", expect=0)
    assert was_there == [not given]
    assert set(tree(mirror.local)) == {"new", "same"}


@shows("max_delete")
@pytest.mark.parametrize(
    ("limit", "code"), [(None, 1), ("5", 1), ("6", 0), ("59%", 1), ("60%", 0)], ids=["default", "5", "6", "59%", "60%"]
)
def test_max_delete_is_the_most_that_goes(mirror: Mirror, vsftpd: FtpServer, limit: str | None, code: int) -> None:
    for number in range(10):
        mirror.put(f"{number}", b"x", mtime=OLD)
        if number < 4:
            vsftpd.put(f"{number}", b"x", mtime=OLD)
    mirror.shell(vsftpd, "-e", *option(limit is not None, "--max-delete", limit or ""), expect=code)
    assert len(tree(mirror.local)) == (10 if code else 4)


@shows("allow_empty")
@WITHOUT_AND_WITH
def test_allow_empty_empties(mirror: Mirror, server: FtpServer, given: bool) -> None:
    mirror.put("sub/a", b"x")
    done = mirror.shell(server, "-e", *option(given, "--allow-empty"))
    assert done.code == (0 if given else 1)
    assert tree(mirror.local) == ({} if given else {"sub": None, "sub/a": b"x"})


@shows("del_source")
@WITHOUT_AND_WITH
def test_del_source_moves(mirror: Mirror, server: FtpServer, given: bool) -> None:
    server.put("a", b"hello")
    server.put("sub/b", b"hello")
    server.put("same", b"x", mtime=OLD)
    mirror.put("same", b"x", mtime=OLD)
    mirror.shell(server, *option(given, "--del-source"), expect=0)
    assert tree(mirror.local) == {"a": b"hello", "sub": None, "sub/b": b"hello", "same": b"x"}
    left = {path for path, content in tree(server.root).items() if content is not None}
    assert left == (set() if given else {"a", "sub/b", "same"})


# -- copies, mail, output -------------------------------------------------------------------------------------------


def copies(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.tar.gz"))


@shows("no_compress")
@WITHOUT_AND_WITH
def test_no_compress_makes_no_copy(mirror: Mirror, server: FtpServer, given: bool) -> None:
    server.put("sub/a", b"hello")
    mirror.shell(server, *option(given, "--no-compress"), without=["--no-compress"], expect=0)
    if given:
        assert copies(mirror.root) == []
        return
    (copy,) = copies(mirror.root)
    with tarfile.open(copy) as archive:
        (member,) = (member for member in archive.getmembers() if member.isfile())
        assert member.name.endswith("sub/a")


@shows("backup_dir")
def test_backup_dir_takes_the_copy(mirror: Mirror, vsftpd: FtpServer) -> None:
    vsftpd.put("a", b"hello")
    elsewhere = mirror.home / "copies"
    elsewhere.mkdir()
    mirror.shell(vsftpd, "--backup-dir", elsewhere, without=["--no-compress"], expect=0)
    assert (len(copies(elsewhere)), copies(mirror.root)) == (1, [])


@shows("keep")
@WITHOUT_AND_WITH
def test_keep_counts_copies(mirror: Mirror, vsftpd: FtpServer, given: bool) -> None:
    vsftpd.put("a", b"hello")
    earlier = mirror.root / "copy_01jan2010_10:00_fri.tar.gz", mirror.root / "copy_02jan2010_10:00_sat.tar.gz"
    for number, path in enumerate(earlier):
        path.write_bytes(b"old")
        os.utime(path, (OLD + number, OLD + number))
    mirror.shell(vsftpd, *option(given, "--keep", "1"), without=["--no-compress"], expect=0)
    left = [path for path in earlier if path.exists()]
    assert left == [] if given else len(left) >= 1  # without, only that of today's weekday goes


@shows("quiet")
@WITHOUT_AND_WITH
def test_quiet_keeps_the_output_in_the_report_only(mirror: Mirror, server: FtpServer, given: bool) -> None:
    server.put("wonderful.txt", b"x")
    done = mirror.shell(server, *option(given, "-q"), expect=0)
    assert ("wonderful.txt" not in done.stdout + done.stderr) is given
    assert "wonderful.txt" in done.report


@shows("json")
def test_json_is_an_object_a_line(mirror: Mirror, server: FtpServer) -> None:
    server.put("a", b"hello")
    done = mirror.shell(server, "--json", expect=0)
    (line,) = done.stdout.splitlines()
    assert isinstance(json.loads(line), dict)
    assert "hello" not in line


@shows("config")
def test_config_names_the_file_of_cron(mirror: Mirror, vsftpd: FtpServer) -> None:
    vsftpd.put("a", b"hello")
    site = f"[cron]\nsite = {vsftpd.host}\nport = {vsftpd.port}\nremote = {vsftpd.home}\nlocal = {mirror.local}\n"
    login = f"user = {vsftpd.user}\npassword = env:LFTP_PASSWORD\noptions = --no-email --no-compress\n"
    path = mirror.configuration(site + login, "other.cfg")
    mirror.run("cron", "-c", path, env={"LFTP_PASSWORD": vsftpd.password}, expect=0)
    assert tree(mirror.local) == {"a": b"hello"}


@shows("help", "version")
@pytest.mark.parametrize("mode", ["shell", "cfg", "cron"])
def test_help_and_version_are_said(mirror: Mirror, mode: str) -> None:
    assert "--del-source" in mirror.run(mode, "--help", expect=0).stdout or mode != "shell"
    assert __version__ in mirror.run(mode, "--version", expect=0).stdout


@shows("no_email", "to_addrs", "smtp_server")
@pytest.mark.parametrize("flags", [("--to-addrs", "--smtp-server"), ("--to_addrs", "--smtp_server")])
def test_the_report_is_mailed_to_all_addresses(mirror: Mirror, vsftpd: FtpServer, flags: tuple[str, str]) -> None:
    vsftpd.put("a", b"hello")
    with Inbox() as inbox:
        words = [flags[0], "joe@example.org", "ann@example.org", flags[1], inbox.address]
        mirror.shell(vsftpd, *words, without=["--no-email"], expect=0)
        (mail,) = inbox.mails
        assert mail.recipients == ("joe@example.org", "ann@example.org")
        assert mail.message["Subject"].startswith("FTP Sync - ")
        assert "Ended OK" in mail.text
        mirror.shell(vsftpd, *words, expect=0)  # which says --no-email
        assert len(inbox.mails) == 1


IN_THE_CLEAR = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")  # aiosmtpd


@shows("smtp_user", "smtp_pass", "smtp_from")
@IN_THE_CLEAR
@pytest.mark.parametrize("from_flag", ["--smtp-from", "--from_addr"])
def test_the_mail_server_is_told_who_sends(mirror: Mirror, vsftpd: FtpServer, from_flag: str) -> None:
    vsftpd.put("a", b"hello")
    with Inbox(("postman", "mail secret")) as inbox:
        words = ["--to-addrs", "joe@example.org", "--smtp-server", inbox.address, from_flag, "me@example.org"]
        login = ["--smtp-user", "postman", "--smtp-pass", "mail secret"]
        done = mirror.shell(vsftpd, *words, *login, without=["--no-email"], expect=0)
        (mail,) = inbox.mails
    assert (mail.sender, mail.user) == ("me@example.org", "postman")
    assert "mail secret" not in done.said


@shows("smtp_config")
@IN_THE_CLEAR
def test_smtp_config_says_it_all(mirror: Mirror, vsftpd: FtpServer) -> None:
    vsftpd.put("a", b"hello")
    with Inbox(("postman", "secret")) as inbox:
        host, _, port = inbox.address.partition(":")
        login = "user = postman\npassword = secret\n"
        path = mirror.configuration(
            f"[smtp]\nserver = {host}\nport = {port}\n{login}from = me@example.org\nto = joe@example.org\n",
            "smtp.cfg",
        )
        done = mirror.shell(
            vsftpd, "--smtp-config", path, "--smtp-server", "127.0.0.1:9", without=["--no-email"], expect=0
        )
        (mail,) = inbox.mails
    assert (mail.recipients, mail.user) == (("joe@example.org",), "postman")
    assert "ignored" in done.said


def test_every_option_is_here() -> None:
    """A row without an effect that somebody has seen is a promise."""
    rows = {row.name for row in OPTIONS}
    assert rows - shown == set()
    assert shown - rows == set()
