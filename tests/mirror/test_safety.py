"""Nothing is removed that was not planned, judged and still as it was seen, whatever the source says and when."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mirror.liar import Liar, empty
from tests.mirror.running import Done, Mirror, tree
from tests.servers import FtpServer

pytestmark = pytest.mark.interop

OLD, NEW = 1_600_000_000, 1_700_000_000
KEPT = [f"kept{number}" for number in range(9)]
Change = Callable[[Liar], object]


def fill(mirror: Mirror, server: FtpServer, *, reverse: bool = False) -> None:
    """Make nine files that both sides have, one that only the target has, and one that only the source has."""
    for name in KEPT:
        mirror.put(name, b"x", mtime=OLD)
        server.put(name, b"x", mtime=OLD)
    near, far = ("new", "planned") if reverse else ("planned", "new")
    mirror.put(near, b"x", mtime=OLD)
    server.put(far, b"x", mtime=OLD)


def target(mirror: Mirror, server: FtpServer, *, reverse: bool) -> Path:
    return server.root if reverse else mirror.local


def source(mirror: Mirror, server: FtpServer, *, reverse: bool) -> Path:
    return mirror.local if reverse else server.root


DIRECTIONS = pytest.mark.parametrize("reverse", [False, True], ids=["download", "upload"])


def words(reverse: bool, *more: str) -> list[str]:
    return [*(["-r"] if reverse else []), "-e", *more]


# -- a plan that is refused -----------------------------------------------------------------------------------------


@DIRECTIONS
def test_an_empty_source_changes_nothing(mirror: Mirror, liar: Liar, reverse: bool) -> None:
    fill(mirror, liar, reverse=reverse)
    empty(source(mirror, liar, reverse=reverse))
    before = tree(target(mirror, liar, reverse=reverse))
    done = mirror.shell(liar, *words(reverse), expect=1)
    assert tree(target(mirror, liar, reverse=reverse)) == before
    assert liar.changes() == []
    assert "--allow-empty" in done.report
    assert "Ended OK" not in done.said


@DIRECTIONS
def test_an_empty_source_is_refused_even_for_one_file(mirror: Mirror, vsftpd: FtpServer, reverse: bool) -> None:
    mirror.local.mkdir()
    (target(mirror, vsftpd, reverse=reverse) / "only").write_bytes(b"x")
    mirror.shell(vsftpd, *words(reverse), expect=1)
    assert set(tree(target(mirror, vsftpd, reverse=reverse))) == {"only"}


@DIRECTIONS
def test_a_large_limit_does_not_allow_to_remove_all(mirror: Mirror, vsftpd: FtpServer, reverse: bool) -> None:
    fill(mirror, vsftpd, reverse=reverse)
    empty(source(mirror, vsftpd, reverse=reverse))
    mirror.shell(vsftpd, *words(reverse, "--max-delete", "100%"), expect=1)
    assert len(tree(target(mirror, vsftpd, reverse=reverse))) == 10


@DIRECTIONS
def test_allow_empty_allows_it(mirror: Mirror, vsftpd: FtpServer, reverse: bool) -> None:
    fill(mirror, vsftpd, reverse=reverse)
    empty(source(mirror, vsftpd, reverse=reverse))
    mirror.shell(vsftpd, *words(reverse, "--allow-empty"), expect=0)
    assert tree(target(mirror, vsftpd, reverse=reverse)) == {}


@DIRECTIONS
@pytest.mark.parametrize("limit", [(), ("--max-delete", "7"), ("--max-delete", "79%")], ids=["half", "7", "79%"])
def test_a_source_that_shrank_changes_nothing(
    mirror: Mirror, liar: Liar, reverse: bool, limit: tuple[str, ...]
) -> None:
    fill(mirror, liar, reverse=reverse)
    for name in KEPT[2:]:
        (source(mirror, liar, reverse=reverse) / name).unlink()
    before = tree(target(mirror, liar, reverse=reverse))
    done = mirror.shell(liar, *words(reverse, *limit), expect=1)
    assert tree(target(mirror, liar, reverse=reverse)) == before  # nor did `new` arrive
    assert liar.changes() == []
    assert "8 of 10" in done.report


def test_a_listing_that_is_cut_changes_nothing(mirror: Mirror, liar: Liar) -> None:
    """It ends in 226 like any other."""
    fill(mirror, liar)
    liar.rows = lambda path, rows: rows[:2]
    before = tree(mirror.local)
    mirror.shell(liar, "-e", expect=1)
    assert tree(mirror.local) == before


@pytest.mark.parametrize("reply", ["550 no such directory", "451 disk trouble", "426 cut off"])
def test_a_listing_that_fails_removes_nothing(mirror: Mirror, liar: Liar, reply: str) -> None:
    fill(mirror, liar)
    before = tree(mirror.local)
    for command in ("LIST", "NLST", "MLSD"):
        liar.replace[command] = lambda handler, argument, proceed: handler.respond(reply)
    done = mirror.shell(liar, "-e", "--timeout", "6")
    assert done.code in (1, 75)
    assert tree(mirror.local) == before
    assert "Ended OK" not in done.said


def test_a_directory_that_does_not_exist_removes_nothing(mirror: Mirror, server: FtpServer) -> None:
    fill(mirror, server)
    before = tree(mirror.local)
    mirror.shell(server, "-e", "--allow-empty", remote=f"{server.home.rstrip('/')}/typo", expect=1)
    assert tree(mirror.local) == before


def test_a_subdirectory_that_cannot_be_read_keeps_what_is_below_it(mirror: Mirror, liar: Liar) -> None:
    fill(mirror, liar)
    liar.put("closed/a", b"x")
    mirror.put("closed/a", b"x")
    mirror.put("closed/b", b"x")

    def refuse(handler: Any, argument: str, proceed: Callable[[], None]) -> None:
        handler.respond("550 permission denied") if "closed" in argument else proceed()

    liar.replace["CWD"] = liar.replace["LIST"] = refuse
    done = mirror.shell(liar, "-e", expect=1)
    assert {"closed/a", "closed/b", *KEPT} <= set(tree(mirror.local))
    assert "closed" in done.report


# -- a source that changes after the plan ---------------------------------------------------------------------------


def lie(server: Liar) -> None:
    """From now on every listing is empty."""
    server.rows = lambda path, rows: []


def vanish(server: Liar) -> None:
    """From now on nothing is there."""
    empty(server.root)


@pytest.mark.parametrize("change", [lie, vanish])
@pytest.mark.parametrize(
    "moment", [("USER", 1), ("USER", 2), ("USER", 3), ("LIST", 1), ("LIST", 2), ("LIST", 3), ("RETR", 1), ("QUIT", 1)]
)
def test_a_source_emptied_at_any_moment_costs_nothing_unplanned(
    mirror: Mirror, liar: Liar, change: Change, moment: tuple[str, int]
) -> None:
    """Before the plan, between it and the run, in the run: what was planned may go, nothing else."""
    fill(mirror, liar)
    liar.before(*moment, lambda: change(liar))
    done = mirror.shell(liar, "-e")
    assert set(KEPT) <= set(tree(mirror.local)), done
    assert (done.code == 0) == ("new" in tree(mirror.local)), done
    assert liar.changes() == []


@pytest.mark.parametrize("moment", [("USER", 1), ("USER", 2), ("USER", 3), ("LIST", 1), ("STOR", 1), ("QUIT", 1)])
def test_a_local_source_emptied_at_any_moment_costs_nothing_unplanned(
    mirror: Mirror, liar: Liar, moment: tuple[str, int]
) -> None:
    fill(mirror, liar, reverse=True)
    liar.before(*moment, lambda: empty(mirror.local))
    done = mirror.shell(liar, "-r", "-e")
    assert set(KEPT) <= set(tree(liar.root)), done
    removed = {argument.rpartition("/")[2] for command, argument in liar.log if command in ("DELE", "RMD")}
    assert removed <= {"planned"}


@DIRECTIONS
def test_what_was_planned_is_removed(mirror: Mirror, liar: Liar, reverse: bool) -> None:
    """Without this the tests above would pass if nothing ever were."""
    fill(mirror, liar, reverse=reverse)
    mirror.shell(liar, *words(reverse), expect=0)
    assert set(tree(target(mirror, liar, reverse=reverse))) == {*KEPT, "new"}
    removed = [argument.rpartition("/")[2] for command, argument in liar.log if command in ("DELE", "RMD")]
    assert removed == (["planned"] if reverse else [])


def test_nothing_is_removed_when_the_run_failed(mirror: Mirror, liar: Liar) -> None:
    fill(mirror, liar)
    liar.replace["RETR"] = lambda handler, argument, proceed: handler.respond("550 not today")
    done = mirror.shell(liar, "-e", expect=1)
    assert set(tree(mirror.local)) == {*KEPT, "planned"}
    assert "new" in done.report
    assert "Ended OK" not in done.said


# -- the target changes after the plan ------------------------------------------------------------------------------


def rewrite(path: Path) -> None:
    path.write_bytes(b"somebody's new content")


def touch(path: Path) -> None:
    os.utime(path, (NEW, NEW))


def become_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "precious").write_bytes(b"x")


def become_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("kept0")


@DIRECTIONS
@pytest.mark.parametrize("change", [rewrite, touch, become_directory, become_link])
def test_what_changed_since_the_plan_is_kept_and_reported(
    mirror: Mirror, liar: Liar, reverse: bool, change: Callable[[Path], None]
) -> None:
    fill(mirror, liar, reverse=reverse)
    path = target(mirror, liar, reverse=reverse) / "planned"
    after: dict[str, object] = {}

    def meddle() -> None:
        change(path)
        after.update(tree(path.parent))

    liar.before("STOR" if reverse else "RETR", 1, meddle)
    done = mirror.shell(liar, *words(reverse), expect=1)
    now = tree(path.parent)
    assert {name: now.get(name) for name in after if name.startswith("planned")} == {
        name: content for name, content in after.items() if name.startswith("planned")
    }
    assert "planned" in done.report


@DIRECTIONS
def test_a_file_put_into_a_doomed_directory_survives(mirror: Mirror, liar: Liar, reverse: bool) -> None:
    fill(mirror, liar, reverse=reverse)
    doomed = target(mirror, liar, reverse=reverse) / "doomed"
    doomed.mkdir()
    (doomed / "old").write_bytes(b"x")
    liar.before("STOR" if reverse else "RETR", 1, lambda: (doomed / "fresh").write_bytes(b"y"))
    mirror.shell(liar, *words(reverse), expect=1)
    assert tree(doomed).get("fresh") == b"y"


# -- type changes ---------------------------------------------------------------------------------------------------


@DIRECTIONS
@pytest.mark.parametrize("erase", [True, False], ids=["erase", "no-erase"])
def test_a_file_that_became_a_directory(mirror: Mirror, server: FtpServer, reverse: bool, erase: bool) -> None:
    fill(mirror, server, reverse=reverse)
    here, there = source(mirror, server, reverse=reverse), target(mirror, server, reverse=reverse)
    (here / "x").mkdir()
    (here / "x" / "a").write_bytes(b"new")
    (there / "x").write_bytes(b"old")
    done = mirror.shell(server, *(words(reverse) if erase else words(reverse)[:-1]))
    now = tree(there)
    if done.code == 0:
        assert (now["x"], now["x/a"]) == (None, b"new")
    else:
        assert not erase
        assert now["x"] == b"old"  # kept, and said
        assert "x" in done.report
    assert ("planned" in now) is not erase


@DIRECTIONS
@pytest.mark.parametrize("erase", [True, False], ids=["erase", "no-erase"])
def test_a_directory_that_became_a_file(mirror: Mirror, server: FtpServer, reverse: bool, erase: bool) -> None:
    fill(mirror, server, reverse=reverse)
    here, there = source(mirror, server, reverse=reverse), target(mirror, server, reverse=reverse)
    (there / "x" / "sub").mkdir(parents=True)
    (there / "x" / "sub" / "a").write_bytes(b"old")
    (here / "x").write_bytes(b"new")
    done = mirror.shell(server, *(words(reverse) if erase else words(reverse)[:-1]), expect=0 if erase else 1)
    now = tree(there)
    if erase:
        assert now["x"] == b"new"
    else:
        assert now["x/sub/a"] == b"old"  # without -e no directory goes
        assert "x" in done.report
    assert "Ended OK" not in done.report or erase


@DIRECTIONS
def test_a_link_that_became_a_file_leaves_what_it_led_to(mirror: Mirror, vsftpd: FtpServer, reverse: bool) -> None:
    fill(mirror, vsftpd, reverse=reverse)
    here, there = source(mirror, vsftpd, reverse=reverse), target(mirror, vsftpd, reverse=reverse)
    elsewhere = mirror.home / "elsewhere"
    elsewhere.write_bytes(b"mine")
    (there / "x").symlink_to(elsewhere)
    (here / "x").write_bytes(b"theirs")
    mirror.shell(vsftpd, *words(reverse))
    assert elsewhere.read_bytes() == b"mine"


@pytest.mark.parametrize("erase", [True, False], ids=["erase", "no-erase"])
def test_a_directory_announced_in_the_second_listing_costs_nothing(mirror: Mirror, liar: Liar, erase: bool) -> None:
    """lftp removes a file to make a directory in its place, even without -e, when the listing says so."""
    fill(mirror, liar)
    as_directory = lambda path, rows: [b"d" + row[1:] if row.endswith(b"kept0\r\n") else row for row in rows]  # noqa: E731
    liar.before("USER", 2, lambda: setattr(liar, "rows", as_directory))
    done = mirror.shell(liar, *(["-e"] if erase else []))
    if (mirror.local / "kept0").is_dir():
        assert "kept0" in done.report  # not silently
        assert done.code == 1
    assert set(KEPT[1:]) <= set(tree(mirror.local))


# -- the source is removed ------------------------------------------------------------------------------------------


def test_del_source_removes_nothing_that_did_not_arrive_whole(mirror: Mirror, liar: Liar) -> None:
    liar.put("cut", b"0123456789")
    liar.put("whole", b"0123456789")
    liar.content = lambda path, whole: whole[:4] if path == "cut" else whole
    done = mirror.shell(liar, "--del-source", "--timeout", "6")
    assert done.code in (1, 75)
    assert "cut" in tree(liar.root)
    assert tree(mirror.local).get("cut") != b"0123456789"[:4]  # nor is the part there under its name


@pytest.mark.parametrize("moment", [("RETR", 2), ("QUIT", 2)], ids=["in-the-run", "after-it"])
@pytest.mark.parametrize("content", [b"other", b"of another size"])
def test_del_source_keeps_a_source_that_changed_after_its_transfer(
    mirror: Mirror, liar: Liar, moment: tuple[str, int], content: bytes
) -> None:
    """Of equal size too: its time tells."""
    liar.put("a", b"first", mtime=OLD)
    liar.put("b", b"first", mtime=OLD)
    liar.before(*moment, lambda: liar.put("a", content, mtime=NEW))
    done = mirror.shell(liar, "--del-source", expect=1)
    assert tree(liar.root).get("a") == content
    assert "a" in done.report


@pytest.mark.parametrize("moment", [("DELE", 1), ("DELE", 2)])
def test_del_source_removes_each_file_once_and_no_other(mirror: Mirror, liar: Liar, moment: tuple[str, int]) -> None:
    """A file that arrives while the others are being removed stays."""
    liar.put("a", b"x", mtime=OLD)
    liar.put("b", b"x", mtime=OLD)
    liar.before(*moment, lambda: liar.put("late", b"y"))
    mirror.shell(liar, "--del-source", expect=0)
    assert tree(liar.root) == {"late": b"y"}
    assert sorted(argument.rpartition("/")[2] for command, argument in liar.log if command == "DELE") == ["a", "b"]


def test_del_source_in_reverse_removes_local_files(mirror: Mirror, server: FtpServer) -> None:
    mirror.put("a", b"x")
    mirror.put("sub/b", b"y")
    mirror.shell(server, "-r", "--del-source", expect=0)
    assert tree(server.root) == {"a": b"x", "sub": None, "sub/b": b"y"}
    assert {path for path, content in tree(mirror.local).items() if content is not None} == set()


def test_del_source_in_reverse_keeps_what_the_server_did_not_take(mirror: Mirror, liar: Liar) -> None:
    mirror.put("a", b"x")
    liar.replace["STOR"] = lambda handler, argument, proceed: handler.respond("553 no space")
    mirror.shell(liar, "-r", "--del-source", expect=1)
    assert tree(mirror.local) == {"a": b"x"}


def test_del_source_in_reverse_keeps_what_the_server_cut(mirror: Mirror, liar: Liar) -> None:
    mirror.put("a", b"0123456789")

    def cut() -> None:
        for path in liar.root.iterdir():
            os.truncate(path, 4)

    for number in range(1, 6):  # every listing that comes after the transfer finds it cut
        liar.before("LIST", number, cut)
    done = mirror.shell(liar, "-r", "--del-source", expect=1)
    assert tree(mirror.local) == {"a": b"0123456789"}
    assert "Ended OK" not in done.said


def test_del_source_in_reverse_keeps_what_changed_meanwhile(mirror: Mirror, liar: Liar) -> None:
    path = mirror.put("a", b"first", mtime=OLD)
    mirror.put("b", b"first", mtime=OLD)
    liar.before("STOR", 2, lambda: rewrite(path))
    mirror.shell(liar, "-r", "--del-source", expect=1)
    assert tree(mirror.local) == {"a": b"somebody's new content"}


def test_delete_first_in_reverse_removes_before_it_stores(mirror: Mirror, liar: Liar) -> None:
    fill(mirror, liar, reverse=True)
    mirror.shell(liar, "-r", "--delete-first", expect=0)
    order = [command for command, argument in liar.log if command in ("DELE", "STOR")]
    assert order == ["DELE", "STOR"]


# -- names and links that lie ---------------------------------------------------------------------------------------


def unix_row(name: bytes, *, kind: bytes = b"-", size: int = 1) -> bytes:
    return kind + b"rw-r--r--   1 owner    group    %8d Nov 14  2023 %s\r\n" % (size, name)


def outside(mirror: Mirror) -> set[str]:
    """Return what lies outside of LOCAL and is not written by lftp for its user or by the server."""
    own = ("kept/copy", "liar", "home/.local", "home/.config", "home/.cache", "kept/lftp_mirror.log", "kept/.copy")
    return {path for path in tree(mirror.root.parent) if not path.startswith(own)}


@pytest.mark.parametrize(
    "name", [b"../escaped", b"{top}/escaped", b"sub/../../escaped", b"..", b".", b"a\x1b[2Jb", b"a\rb", b"a\x00b"]
)
def test_a_name_that_leads_elsewhere_or_has_controls(mirror: Mirror, liar: Liar, name: bytes) -> None:
    fill(mirror, liar)
    name = name.replace(b"{top}", os.fsencode(mirror.root.parent))
    liar.rows = lambda path, rows: [*rows, unix_row(name), unix_row(name, kind=b"d")]
    before = outside(mirror)
    done = mirror.shell(liar, "-e", "--timeout", "6")
    assert outside(mirror) == before
    assert set(KEPT) <= set(tree(mirror.local))
    assert "\x1b[2J" not in done.said


FORGED = [
    "x\nrm -r file:{local}/kept0",
    "x\nrm file:{local}/kept0",
    'x" file:{local}/y\nrm -r file:{local}',
    "x\nrm -r ftp://{host}:{port}/kept0",
    "x\nshell touch {local}/forged",
    "x; shell touch {local}/forged",
    "$(touch {local}/forged)",
    "`touch {local}/forged`",
]


@pytest.mark.parametrize("target_of_link", FORGED)
@DIRECTIONS
def test_a_link_cannot_forge_a_plan(mirror: Mirror, liar: Liar, target_of_link: str, reverse: bool) -> None:
    """lftp writes the text of a link into its plan unquoted, line feeds and all."""
    fill(mirror, liar, reverse=reverse)
    text = target_of_link.format(local=mirror.local, host=liar.host, port=liar.port)
    (source(mirror, liar, reverse=reverse) / "link").symlink_to(text)
    mirror.shell(liar, *words(reverse), "--timeout", "5")
    now = set(tree(target(mirror, liar, reverse=reverse)))
    assert set(KEPT) <= now
    assert "forged" not in now
    assert set(KEPT) <= set(tree(source(mirror, liar, reverse=reverse)))


# -- what is not the mirror's ---------------------------------------------------------------------------------------


def test_log_and_copies_lie_beside_local_and_no_enclosing_job_removes_them(mirror: Mirror, vsftpd: FtpServer) -> None:
    vsftpd.put("a", b"x")
    vsftpd.put("copy/a", b"x")
    mirror.shell(vsftpd, without=["--no-compress"], expect=0, remote=f"{vsftpd.home.rstrip('/')}/copy")
    assert set(tree(mirror.local)) == {"a"}
    beside = {path.name for path in mirror.root.iterdir()}
    assert "lftp_mirror.log" in beside
    assert any(name.endswith(".tar.gz") for name in beside)
    mirror.put("../gone", b"x")
    log = mirror.report()
    mirror.shell(vsftpd, "-e", "--max-delete", "100%", local=mirror.root, expect=0)
    now = {path.name for path in mirror.root.iterdir()}
    assert beside <= now
    assert "gone" not in now
    assert mirror.report() == log


def test_ours_beside_other_files_of_local_are_not_uploaded_over(mirror: Mirror, liar: Liar) -> None:
    """The lock, the log and the copies lie beside LOCAL, so an upload of LOCAL never shows them to the server."""
    fill(mirror, liar, reverse=True)
    mirror.shell(liar, *words(True), expect=0)
    assert not [name for name in tree(liar.root) if "lftp" in name]


def said_ok(done: Done) -> bool:
    return "Ended OK" in done.said


@pytest.mark.parametrize("reply", ["550 gone", "426 cut", "451 read error"])
def test_a_file_that_cannot_be_fetched_is_never_ok(mirror: Mirror, liar: Liar, reply: str) -> None:
    liar.put("a", b"x")
    liar.put("b", b"x")

    def refuse(handler: Any, argument: str, proceed: Callable[[], None]) -> None:
        handler.respond(reply) if argument.endswith("b") else proceed()

    liar.replace["RETR"] = refuse
    done = mirror.shell(liar, "--timeout", "6")
    assert done.code in (1, 75)
    assert not said_ok(done)
    assert tree(mirror.local).get("a") == b"x"
    assert "b" not in tree(mirror.local)


def test_modes_that_the_server_refuses_are_said(mirror: Mirror, vsftpd: FtpServer) -> None:
    """The files are there all the same, so it is no failure: many servers let nobody set modes."""
    mirror.put("a", b"x")
    done = mirror.shell(vsftpd, "-r", expect=0)
    assert tree(vsftpd.root) == {"a": b"x"}
    assert "chmod" in done.report


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_local_directory_that_is_a_link_stays_one(mirror: Mirror, vsftpd: FtpServer, slash: str) -> None:
    """lftp itself removes the link and makes a directory in its place."""
    elsewhere = mirror.home / "big disk"
    elsewhere.mkdir()
    mirror.local.symlink_to(elsewhere)
    vsftpd.put("a", b"x")
    mirror.shell(vsftpd, local=Path(f"{mirror.local}{slash}"), expect=0)
    assert mirror.local.is_symlink()
    assert tree(elsewhere) == {"a": b"x"}
