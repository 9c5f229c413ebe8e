"""The local directory: only what is still as it was seen is removed, and no link leads the removal elsewhere."""

import os
import socket
from pathlib import Path

import pytest

from ftpretrieve.errors import StorageError
from ftpretrieve.mirror.records import Entry, Kind
from ftpretrieve.mirror.tree import Near, is_ours


@pytest.fixture
def local(tmp_path: Path) -> Path:
    local = tmp_path / "local"
    (local / "d/e").mkdir(parents=True)
    (local / "a").write_text("a")
    (local / "d/b").write_text("bb")
    (local / "d/e/c").symlink_to("/etc")
    return local


def test_a_snapshot_holds_all_that_is_below_and_follows_no_link(local: Path) -> None:
    odd = os.fsdecode(b"o\xff\nd;d")
    (local / odd).write_text("x")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fspath(local / "s"))
        tree = Near(local).tree()
    assert {path: entry.kind for path, entry in tree.items()} == {
        "a": Kind.FILE,
        "d": Kind.DIRECTORY,
        "d/b": Kind.FILE,
        "d/e": Kind.DIRECTORY,
        "d/e/c": Kind.LINK,
        odd: Kind.FILE,
        "s": Kind.OTHER,
    }
    assert tree["d/b"] == Entry(Kind.FILE, 2, (local / "d/b").stat().st_mtime_ns)


def test_a_directory_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert Near(tmp_path / "none").tree() == {}


def test_half_a_snapshot_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        Near(tmp_path / "file").tree()


def test_what_is_as_it_was_goes(local: Path) -> None:
    near = Near(local)
    tree = near.tree()
    paths = ["d/e/c", "d/b", "d/e", "d", "a"]
    assert near.remove([(path, tree[path]) for path in paths]) == (paths, [])
    assert list(local.iterdir()) == []


@pytest.mark.parametrize("change", ["size", "time", "kind", "to a link", "to a directory"])
def test_what_has_changed_stays(local: Path, change: str) -> None:
    near = Near(local)
    seen = near.tree()["a"]
    match change:
        case "size":
            stamp = (local / "a").stat().st_mtime_ns
            (local / "a").write_text("longer")
            os.utime(local / "a", ns=(stamp, stamp))
        case "time":
            os.utime(local / "a", (1, 1))
        case "kind":
            (local / "a").unlink()
            os.mkfifo(local / "a")
        case "to a link":
            (local / "a").unlink()
            (local / "a").symlink_to("d/b")
        case _:
            (local / "a").unlink()
            (local / "a").mkdir()
    removed, problems = near.remove([("a", seen)])
    assert (removed, len(problems)) == ([], 1)
    assert problems[0].startswith("a: kept")
    assert os.path.lexists(local / "a")


def test_a_directory_that_got_something_new_stays_with_it(local: Path) -> None:
    near = Near(local)
    tree = near.tree()
    (local / "d/new").write_text("new")
    removed, problems = near.remove([(path, tree[path]) for path in ("d/e/c", "d/b", "d/e", "d")])
    assert removed == ["d/e/c", "d/b", "d/e"]
    assert len(problems) == 1
    assert (local / "d/new").read_text() == "new"


def test_a_directory_that_became_a_link_leads_nowhere(local: Path, tmp_path: Path) -> None:
    near = Near(local)
    tree = near.tree()
    (local / "d").rename(tmp_path / "elsewhere")
    (local / "d").symlink_to(tmp_path / "elsewhere")
    removed, problems = near.remove([("d/b", tree["d/b"]), ("d", tree["d"])])
    assert (removed, len(problems)) == ([], 2)
    assert (tmp_path / "elsewhere/b").read_text() == "bb"


def test_what_somebody_else_removed_is_neither_counted_nor_wrong(local: Path) -> None:
    near = Near(local)
    tree = near.tree()
    (local / "a").unlink()
    assert near.remove([("a", tree["a"])]) == ([], [])


def test_a_look_leaves_out_what_is_not_there(local: Path) -> None:
    seen = Near(local).look(["a", "d", "none", "a/none", "d/e/c"])
    assert {path: entry.kind for path, entry in seen.items()} == {
        "a": Kind.FILE,
        "d": Kind.DIRECTORY,
        "d/e/c": Kind.LINK,
    }


@pytest.mark.parametrize("name", ["lftp_mirror.log", ".site.lftp-mirror.lock", "site_08dec2010_13:52_wed.tar.gz"])
def test_logs_locks_and_copies_of_other_jobs_are_known(name: str) -> None:
    assert is_ours(name)
    assert is_ours(f"sub dir/{name}")
    assert not is_ours(f"{name}/x")
    assert not is_ours(f"x{name}x")
