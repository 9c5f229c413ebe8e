"""A whole job against real servers: what is checked after the run, what stops it, and what it costs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.mirror.liar import Liar
from tests.mirror.running import Mirror, tree
from tests.servers import FtpServer
from tests.sshd import Sshd

OLD = 1_600_000_000


def below(server: FtpServer, name: str) -> str:
    return f"{server.home.rstrip('/')}/{name}"


# -- what the run does by itself ---------------------------------------------------------------------------------


def test_a_file_that_lftp_removes_by_itself_is_said(mirror: Mirror, liar: Liar) -> None:
    """The source has a directory of that name since the plan was made; lftp makes room for it, even without -e."""
    mirror.put("report", b"precious", mtime=OLD)
    liar.put("report", b"precious", mtime=OLD)
    liar.put("new", b"x")

    def become_directory() -> None:
        (liar.root / "report").unlink()
        (liar.root / "report").mkdir()
        (liar.root / "report" / "x").write_bytes(b"x")

    liar.before("USER", 2, become_directory)
    done = mirror.shell(liar, expect=1)
    assert "report: lftp has removed it" in done.report


def test_a_file_that_cannot_be_removed_before_the_run_stops_it(mirror: Mirror, liar: Liar) -> None:
    """Else lftp would remove it to make the directory, whatever is in it by now."""
    path = mirror.put("x", b"old", mtime=OLD)
    liar.put("x/a", b"new")
    for put in (mirror.put, liar.put):
        put("y", b"y", mtime=OLD)
    # The plan needs two listings; the second is that of x. What is written then was not there at the snapshot.
    liar.before("LIST", 2, lambda: path.write_bytes(b"written meanwhile"))
    done = mirror.shell(liar, expect=1)
    assert path.read_bytes() == b"written meanwhile"
    assert "x: kept" in done.report
    assert set(tree(mirror.local)) == {"x", "y"}


@pytest.mark.parametrize("erase", [True, False], ids=["erase", "no-erase"])
def test_a_link_at_the_source_takes_the_place_of_a_file(mirror: Mirror, vsftpd: FtpServer, erase: bool) -> None:
    """That is an update like any other; what the link leads to is not touched."""
    mirror.put("x", b"old", mtime=OLD)
    mirror.put("y", b"y", mtime=OLD)
    vsftpd.put("y", b"y", mtime=OLD)
    (vsftpd.root / "x").symlink_to("y")
    mirror.shell(vsftpd, *(["-e"] if erase else []), expect=0)
    assert tree(mirror.local) == {"x": "-> y", "y": b"y"}


# -- what is checked afterwards ----------------------------------------------------------------------------------


def test_an_upload_of_names_that_the_server_hides_is_whole(mirror: Mirror, vsftpd: FtpServer) -> None:
    """vsftpd takes names that begin with a dot and does not list them."""
    mirror.put(".htaccess", b"deny")
    mirror.put("a/.hidden/b", b"x")
    vsftpd.put("gone", b"x")
    vsftpd.put("a/.hidden/b", b"x")
    done = mirror.shell(vsftpd, "-r", "-e", "--allow-empty", expect=0)
    assert "Ended OK" in done.report
    assert tree(vsftpd.root) == {".htaccess": b"deny", "a": None, "a/.hidden": None, "a/.hidden/b": b"x"}


def test_an_upload_of_which_one_file_is_refused_counts_the_others(mirror: Mirror, liar: Liar) -> None:
    for name in "abc":
        mirror.put(name, b"12345")
    liar.replace["STOR"] = lambda handler, argument, proceed: (
        handler.respond("553 not this one") if argument.endswith("b") else proceed()
    )
    done = mirror.shell(liar, "-r", expect=1)
    assert "Transferred 2 files (10 bytes)" in done.report
    assert "b: the file is missing after the run" in done.report
    assert "a: " not in done.report.partition("RESULT")[2]


def test_a_link_that_the_server_cannot_make_is_no_success(mirror: Mirror, vsftpd: FtpServer) -> None:
    mirror.put("a", b"x")
    (mirror.local / "link").symlink_to("a")
    done = mirror.shell(vsftpd, "-r", expect=1)
    assert "link: the link is missing after the run" in done.report
    mirror.shell(vsftpd, "-r", "--no-symlinks", expect=0)


def test_a_download_that_was_cut_short_counts_what_arrived(mirror: Mirror, liar: Liar) -> None:
    liar.put("a", b"12345")
    liar.put("b", b"12345")
    liar.before("RETR", 2, liar.fall_silent)
    done = mirror.shell(liar, "--timeout", "1.5", expect=75)
    assert "Transferred 1 file (5 bytes)" in done.report
    assert "failed 1" in done.report


# -- where REMOTE and LOCAL are ------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["{home}/link", "{home}//real", "{home}/real/", "{home}/real/../real", "./real"])
def test_an_upload_finds_its_target_whatever_it_is_called(mirror: Mirror, server: FtpServer, spelling: str) -> None:
    """Both the removals and the check after the run."""
    server.put("real/gone", b"x")
    server.put("real/dir/gone", b"x")
    (server.root / "link").symlink_to("real")
    mirror.put("new", b"x")
    mirror.put("sub/new", b"x")
    remote = spelling.format(home=server.home.rstrip("/"))
    done = mirror.shell(server, "-r", "-e", "--allow-empty", remote=remote, expect=0)
    assert "deleted 3" in done.report
    assert tree(server.root / "real") == {"new": b"x", "sub": None, "sub/new": b"x"}


def test_a_target_that_is_not_there_yet_is_made_and_checked(mirror: Mirror, server: FtpServer) -> None:
    mirror.put("a/b", b"x")
    (mirror.local / "empty").mkdir()
    mirror.shell(server, "-r", "-e", remote=below(server, "new/deep"), expect=0)
    assert tree(server.root / "new" / "deep") == {"a": None, "a/b": b"x", "empty": None}


def test_a_dry_run_makes_no_target(mirror: Mirror, server: FtpServer) -> None:
    mirror.put("a/b", b"x")
    done = mirror.shell(server, "-r", "-e", "--dry-run", remote=below(server, "new"), expect=0)
    assert "Would transfer file `a/b'" in done.report
    assert done.stderr == "Would transfer file `a/b'\n"
    assert tree(server.root) == {}


def test_a_target_that_is_a_file_is_refused(mirror: Mirror, server: FtpServer) -> None:
    server.put("target", b"mine")
    mirror.put("a", b"x")
    mirror.shell(server, "-r", "-e", remote=below(server, "target"), expect=1)
    assert tree(server.root) == {"target": b"mine"}


@pytest.mark.parametrize("name", ["with blank", "per%41cent", "-dash", "~tilde", 'quo"te', "back\\slash", "é", "a;b"])
def test_directories_may_be_called_anything(mirror: Mirror, server: FtpServer, name: str) -> None:
    server.put(f"{name}/a", b"x")
    local = mirror.root / name
    local.mkdir()
    (local / "gone").write_bytes(b"x")
    mirror.shell(server, "-e", "--allow-empty", remote=below(server, name), local=local, expect=0)
    assert tree(local) == {"a": b"x"}
    (local / "b").write_bytes(b"y")
    (local / "a").unlink()
    mirror.shell(server, "-r", "-e", "--allow-empty", remote=below(server, name), local=local, expect=0)
    assert tree(server.root / name) == {"b": b"y"}


def test_sftp_takes_any_name_there_is(mirror: Mirror, sshd: Sshd) -> None:
    """Over SFTP even a line feed is only a letter; such a name is mirrored, and is not taken for two."""
    mirror.use_key(sshd.key)
    for name in ("a\nrm file:b", "b", "c\n", "-d", "e -> f"):
        sshd.put(f"{name}/{name}", b"x")
    mirror.put("gone\n", b"x")
    mirror.put("gone", b"x")
    mirror.shell(sshd, "-s", "-e", "--allow-empty", expect=0)
    assert tree(mirror.local) == tree(sshd.root)


# -- what moves the source -----------------------------------------------------------------------------------------


def test_del_source_works_where_the_listing_has_no_seconds(mirror: Mirror, vsftpd: FtpServer) -> None:
    """lftp asks for exact times in the run; what is compared are two plain listings."""
    vsftpd.put("a", b"x", mtime=OLD + 31)
    vsftpd.put("sub/b", b"x")
    mirror.shell(vsftpd, "--del-source", expect=0)
    assert tree(vsftpd.root) == {"sub": None}
    assert tree(mirror.local) == {"a": b"x", "sub": None, "sub/b": b"x"}


def test_del_source_removes_alike_files_too(mirror: Mirror, vsftpd: FtpServer) -> None:
    for path in (mirror.put("a", b"x"), vsftpd.put("a", b"x")):
        os.utime(path, (OLD, OLD))
    mirror.shell(vsftpd, "--del-source", expect=0)
    assert tree(vsftpd.root) == {}


# -- what it costs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "logins"),
    [([], 2), (["-e"], 2), (["--del-source"], 5), (["-r"], 2), (["-r", "-e"], 4), (["-r", "--del-source"], 2)],
    ids=lambda value: " ".join(value) or "plain" if isinstance(value, list) else str(value),
)
def test_a_job_logs_in_no_more_than_it_has_to(mirror: Mirror, liar: Liar, options: list[str], logins: int) -> None:
    """Some servers count logins."""
    for name in ("a", "b", "c"):
        liar.put(name, b"x")
        mirror.put(name, b"x")
    for root, name in ((liar.root, "far"), (mirror.local, "near")):
        Path(root, name).write_bytes(b"x")
    mirror.shell(liar, *options, expect=0)
    assert liar.seen["USER"] == logins


def test_what_is_no_file_stays_with_its_directory(mirror: Mirror, vsftpd: FtpServer) -> None:
    """A socket or a pipe in a directory that is to go belongs to a program."""
    vsftpd.put("a", b"x")
    mirror.put("old/b", b"x")
    os.mkfifo(mirror.local / "old" / "pipe")
    done = mirror.shell(vsftpd, "-e", "--allow-empty", expect=1)
    assert (mirror.local / "old" / "pipe").is_fifo()
    assert "old/pipe: kept" in done.report
