"""Symbolic links on the server, directories that contain themselves, and names that are listed twice."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faultserver import Conversation, FaultServer, says
from tests.mailboxes import make_mailbox, poll_ftp, synced
from tests.retrieve.attack import OLD, Attack

AGO = 400_000.0


def plant(server: Any) -> None:
    """A file, a directory with one, and a link to each, to nothing, and to where it stands."""
    server.put("file.xml", b"content of the file", time.time() - AGO)
    server.put("sub/inner.xml", b"inner", time.time() - AGO)
    for name, target in {"to-file": "file.xml", "to-sub": "sub", "to-nothing": "nowhere", "loop": "loop"}.items():
        os.symlink(target, server.root / name)
    os.symlink("../file.xml", server.root / "sub" / "up")


@pytest.mark.interop
@pytest.mark.slow
@pytest.mark.parametrize("recursive", [False, True])
def test_a_link_to_a_file_comes_as_that_file(any_server: Any, tmp_path: Path, recursive: bool) -> None:
    """Under the link's name, with the target's content and time; it is no link here, and comes once."""
    plant(any_server)
    mailbox = make_mailbox(tmp_path, settle_secs=0.3)
    result = poll_ftp(mailbox, any_server, recursive=recursive)
    here = tmp_path / "sync/to-file"
    assert (result.error, result.failed) == (None, 0)
    assert not here.is_symlink()
    assert here.read_bytes() == b"content of the file"
    assert int(here.stat().st_mtime) == int((any_server.root / "file.xml").stat().st_mtime)
    assert not [path for path in (tmp_path / "sync").rglob("*") if path.is_symlink()]
    assert not (tmp_path / "sync/to-nothing").exists()
    if any_server.software != "pyftpdlib":  # which lists a link as what it leads to
        expected = {b"file.xml", b"to-file", b"sub/inner.xml", b"sub/up"} if recursive else {b"file.xml", b"to-file"}
        assert set(synced(mailbox)) == expected
    assert poll_ftp(mailbox, any_server, recursive=recursive).fetched == 0
    mailbox.journal.close()


@pytest.mark.interop
@pytest.mark.slow
def test_a_changed_target_comes_again_under_the_links_name(any_server: Any, tmp_path: Path) -> None:
    """Though the link itself is what it was; and so does another target of equal size."""
    plant(any_server)
    any_server.put("other.xml", b"content of another", time.time() - AGO / 2)
    mailbox = make_mailbox(tmp_path, settle_secs=0.3)
    poll_ftp(mailbox, any_server)
    any_server.put("file.xml", b"content of the next", time.time() - AGO / 3)
    assert poll_ftp(mailbox, any_server).delivered == 2
    assert (tmp_path / "sync/to-file").read_bytes() == b"content of the next"
    (any_server.root / "to-file").unlink()
    os.symlink("other.xml", any_server.root / "to-file")
    assert poll_ftp(mailbox, any_server).delivered == 1
    assert (tmp_path / "sync/to-file").read_bytes() == b"content of another"
    mailbox.journal.close()


@pytest.mark.interop
@pytest.mark.slow
@pytest.mark.parametrize("software", ["vsftpd", "proftpd", "pure-ftpd"])
def test_links_are_skipped_when_told_so(make_server: Callable[..., Any], tmp_path: Path, software: str) -> None:
    server = make_server(software)
    plant(server)
    mailbox = make_mailbox(tmp_path, follow_links=False)
    poll_ftp(mailbox, server)
    assert set(synced(mailbox)) == {b"file.xml"}
    mailbox.journal.close()


@pytest.mark.interop
@pytest.mark.slow
@pytest.mark.parametrize("software", ["vsftpd", "proftpd", "pure-ftpd"])
def test_a_link_that_is_turned_elsewhere_during_its_download_is_not_torn(
    make_server: Callable[..., Any], tmp_path: Path, software: str
) -> None:
    """The second look asks what it leads to, as the first did."""
    server = make_server(software)
    server.put("one", b"1" * 50_000, time.time() - AGO)
    server.put("two", b"2" * 50_000, time.time() - AGO / 2)
    os.symlink("one", server.root / "link")
    mailbox = make_mailbox(tmp_path, settle_secs=0.3, include=("link",))
    arrive = mailbox.staging.sync_sessions
    assert callable(arrive)

    class Turning:
        """The mailbox's stop: the poll waits on it for the second look, and then the link is turned."""

        def __init__(self) -> None:
            self.waits = 0

        def wait(self, secs: float) -> bool:
            self.waits += 1
            time.sleep(secs)
            if self.waits == 1:
                (server.root / "link").unlink()
                os.symlink("two", server.root / "link")
            return False

        def is_set(self) -> bool:
            return False

    mailbox.stop = Turning()  # type: ignore[assignment]
    assert poll_ftp(mailbox, server).changing == 1
    assert poll_ftp(mailbox, server).delivered == 1
    assert (tmp_path / "sync/link").read_bytes() == b"2" * 50_000
    mailbox.journal.close()


# -- cost and hostile servers -----------------------------------------------------------------------------------------


def links(server: FaultServer, count: int, mlsd: bool) -> bytes:
    """Rows of links, and the files that they lead to, as far as SIZE and MDTM are asked."""
    rows = b""
    for number in range(count):
        name = b"l%03d" % number
        server.files[name] = (b"content %d" % number, OLD)
        if mlsd:
            rows += b"type=OS.unix=slink:;size=5;modify=%s; %s\r\n" % (OLD.encode(), name)
        else:
            rows += b"lrwxrwxrwx 1 u g 5 Jan 02 2020 %s -> where\r\n" % name
    return rows


@pytest.mark.parametrize("mlsd", [True, False], ids=["mlsd", "list"])
def test_a_link_costs_two_questions_a_poll(mlsd: bool, tmp_path: Path) -> None:
    """And no listing or MLST besides, which speak of the link itself."""
    with FaultServer({}, mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        server.rows = links(server, 10, mlsd)
        attack.truth = {name: {content} for name, (content, _) in server.files.items()}
        assert attack.poll().delivered == 10
        del server.commands[:]
        assert attack.poll().fetched == 0
        asked = [command.partition(" ")[0] for command in server.commands]
        assert (asked.count("SIZE") + asked.count("MDTM"), asked.count("MLST")) == (20, 0)
        assert asked.count("MLSD") + asked.count("LIST") <= 1


@pytest.mark.parametrize("mlsd", [True, False], ids=["mlsd", "list"])
def test_links_to_nothing_do_not_spoil_the_looks_of_files(mlsd: bool, tmp_path: Path) -> None:
    """A refused SIZE says something of that link, and nothing of the command."""
    with FaultServer({b"a": (b"aaa", OLD)}, mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        server.rows = links(server, 3, mlsd) + server.row(b"a", mlsd=mlsd)
        for name in (b"l000", b"l002"):
            del server.files[name]
        attack.truth = {name: {content} for name, (content, _) in server.files.items()}
        result = attack.poll()
        assert (result.delivered, result.failed) == (2, 0)


@pytest.mark.parametrize("reply", ["213", "213 x", "213 -5", "226 done", "450 later", "213 99999999999999999999999"])
def test_a_link_that_nobody_can_tell_of_is_skipped(reply: str, tmp_path: Path) -> None:
    """Whatever SIZE says that is no size."""
    with FaultServer({b"a": (b"aaa", OLD)}) as server, Attack(tmp_path, server) as attack:
        server.rows = links(server, 3, True) + server.row(b"a", mlsd=True)
        server.scripts["SIZE"] = says(reply)
        result = attack.poll()
        assert set(attack.synced()) == {b"a"}
        assert result.error is None


def test_names_of_links_are_as_untrusted_as_others(tmp_path: Path) -> None:
    """Nothing is asked about a name that could be no file here, or that is not wanted."""
    with FaultServer({}) as server, Attack(tmp_path, server, exclude=("*.tmp",)) as attack:
        names = (b"../x", b"a/../b", b".ftpretrieve-x", b"x.tmp", b"..", b"a\rb")
        server.rows = b"".join(b"type=OS.unix=slink:/etc/passwd;size=5; %s\r\n" % name for name in names)
        attack.poll()
        assert not any(command.startswith("SIZE") and "ftpretrieve-asks" not in command for command in server.commands)
        assert attack.synced() == {}


# -- directories that contain themselves ------------------------------------------------------------------------------


@pytest.mark.interop
@pytest.mark.slow
def test_links_to_oneself_that_are_listed_as_directories_eat_no_session(pyftp: Any, tmp_path: Path) -> None:
    """pyftpdlib lists what links lead to: two to the directory itself would make 2**32 listings."""
    pyftp.put("file.xml", b"content", time.time() - AGO)
    for name in ("one", "two"):
        os.symlink(".", pyftp.root / name)
    mailbox = make_mailbox(tmp_path)
    result = poll_ftp(mailbox, pyftp, recursive=True)
    assert result.error is None
    assert (tmp_path / "sync/file.xml").exists()
    assert pyftp.commands["MLSD"] < 40
    mailbox.journal.close()


def test_directories_that_only_look_alike_are_followed(pyftp: Any, tmp_path: Path) -> None:
    """data/data/data/file is an ordinary tree."""
    names = ["d/d/d/file", "d/d/file", "x/x/x/x/file", "e/d/d/d/file"]
    for name in names:
        pyftp.put(name, b"content", time.time() - AGO)
    mailbox = make_mailbox(tmp_path)
    assert poll_ftp(mailbox, pyftp, recursive=True).delivered == len(names)
    mailbox.journal.close()


@pytest.mark.slow
@pytest.mark.parametrize("mlsd", [True, False], ids=["mlsd", "list"])
def test_a_tree_without_end_leaves_half_of_the_session_for_its_files(mlsd: bool, tmp_path: Path) -> None:
    """Each directory has another one, of another time: nothing shows that it never ends."""
    with FaultServer({b"a": (b"aaa", OLD)}, mlsd=mlsd) as server, Attack(tmp_path, server) as attack:

        def listing(talk: Conversation, _: str) -> None:
            number = len(server.commands)
            rows = b"".join(
                b"type=dir;modify=2020010203%02d%02d; d%d\r\n" % (number // 60 % 60, number % 60, branch)
                if mlsd
                else b"drwxr-xr-x 2 u g %d Jan 02 2020 d%d\r\n" % (number, branch)
                for branch in range(3)
            )
            talk.send(server.row(b"a", mlsd=mlsd) * (number < 12) + rows)

        server.scripts["MLSD" if mlsd else "LIST"] = listing
        result = attack.poll(4, recursive=True)
        assert result.error is None
        assert attack.synced()[b"a"] == b"aaa"
        assert attack.said("LISTINGSUSPECT", "truncated")


# -- listed twice -----------------------------------------------------------------------------------------------------

TWINS = {
    "other size": b"type=file;size=4;modify=%s; a\r\n" % OLD.encode(),
    "other time": b"type=file;size=3;modify=20200102030499; a\r\n".replace(b"99", b"09"),
    "no facts": b"type=file; a\r\n",
    "a directory": b"type=dir; a\r\n",
    "a link": b"type=OS.unix=slink:b;size=1; a\r\n",
}


@pytest.mark.parametrize("behind", [True, False], ids=["behind", "before"])
@pytest.mark.parametrize("twin", TWINS)
def test_a_name_listed_twice_comes_at_most_once_and_right(twin: str, behind: bool, tmp_path: Path) -> None:
    """Which row is the true one, only the server knows: the looks ask it, and it may take another poll."""
    with FaultServer({b"a": (b"aaa", OLD)}) as server, Attack(tmp_path, server) as attack:
        row = server.row(b"a", mlsd=True)
        server.rows = row + TWINS[twin] if behind else TWINS[twin] + row
        for _ in range(3):
            assert attack.poll().error is None
        assert attack.delivered() in ([], [b"a"])
        assert not behind or attack.delivered() == [b"a"]
        server.heal()
        attack.poll()
        assert attack.synced() == {b"a": b"aaa"}
