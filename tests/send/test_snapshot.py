"""A snapshot holds what rsync would send, and tells what has changed since."""

import os
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.errors import StorageError
from ftpretrieve.send import snapshot as module
from ftpretrieve.send.records import SeenFile, Snapshot
from ftpretrieve.send.snapshot import differences, take
from tests.rsyncd import why_no_rsync

NOBODY = 65534

NAMES = st.binary(min_size=1, max_size=40).filter(
    lambda name: not {0, ord("/")} & set(name) and name not in {b".", b".."}
)


def put(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with one of each kind."""
    place = tmp_path / "data"
    put(place / "b.mseed", b"four")
    put(place / "a" / "c" / "deep")
    put(place / "a-", b"")
    put(place / "lost+found" / "x")
    put(place / "a" / "lost+found")
    put(place / "only" / "lost+found" / "x")
    put(place / "not lost+found")
    put(place / ".hidden")
    (place / "empty" / "below").mkdir(parents=True)
    (place / "link").symlink_to("b.mseed")
    (place / "linked").symlink_to("a")
    os.mkfifo(place / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        before = os.getcwd()
        os.chdir(place)  # the name of a socket may be 107 bytes long
        try:
            made.bind("socket")
        finally:
            os.chdir(before)
    return place


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be a user whom rights concern."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """Return a directory that every user reaches, also if the usual place is for one user only."""
    places = [Path(place) for place in (gettempdir(), "/var/tmp", "/tmp")]
    open_to_all = [place for place in places if all(path.stat().st_mode & 0o001 for path in (place, *place.parents))]
    if not open_to_all:
        pytest.skip(f"other users reach neither of {', '.join(map(str, places))}")
    before = os.umask(0o022)
    with TemporaryDirectory(dir=open_to_all[0]) as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)
    os.umask(before)


def paths(snapshot: Snapshot) -> list[str]:
    return [file.path for file in snapshot.files]


# ---- what is in it


def test_files_are_there_with_size_and_time_and_the_rest_with_a_reason(place: Path) -> None:
    """Sorted, so that the snapshot of an unchanged directory is the same one."""
    os.utime(place / "b.mseed", ns=(0, 1_234_567_890_123_456_789))
    found = take(str(place))
    assert paths(found) == [".hidden", "a-", "a/c/deep", "b.mseed", "not lost+found"]
    assert found.files[3] == SeenFile("b.mseed", 4, 1_234_567_890_123_456_789)
    assert found.empty_directories == ("empty/below", "only")
    assert found.left_out == (
        ("a/lost+found", "nothing of that name is sent"),
        ("link", "it is a symbolic link"),
        ("linked", "it is a symbolic link"),
        ("lost+found", "nothing of that name is sent"),
        ("only/lost+found", "nothing of that name is sent"),
        ("pipe", "it is a named pipe"),
        ("socket", "it is a socket"),
    )
    assert take(str(place)) == found


def test_it_is_what_rsync_sends(place: Path, tmp_path: Path) -> None:
    """Under the options that a push has."""
    if missing := why_no_rsync():
        pytest.skip(missing)
    copy = tmp_path / "copy"
    options = ["--recursive", "--times", "--one-file-system", "--exclude=lost+found"]
    subprocess.run(["rsync", *options, f"{place}/", f"{copy}/"], check=True, capture_output=True)
    arrived = take(str(copy))
    assert (arrived.files, arrived.empty_directories) == (take(str(place)).files, take(str(place)).empty_directories)
    assert (copy / "a-").exists()


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}/.", "{}/a/.."])
def test_the_spelling_of_the_directory_does_not_matter(place: Path, spelling: str) -> None:
    assert take(spelling.format(place)) == take(str(place))


def test_a_link_given_as_the_directory_is_followed(place: Path) -> None:
    """Below it none is."""
    assert take(str(place / "linked")) == take(str(place / "a"))


@given(names=st.sets(NAMES, max_size=8), below=NAMES)
def test_names_of_any_bytes_are_there(names: set[bytes], below: bytes) -> None:
    """As `os.fsdecode` spells them."""
    names -= {below, b"lost+found"}
    with TemporaryDirectory() as directory:
        root = os.fsencode(directory)
        os.mkdir(os.path.join(root, below))
        for name in names:
            for parent in (root, os.path.join(root, below)):
                with open(os.path.join(parent, name), "wb"):
                    pass
        found = take(directory)
        expected = {name for own in names for name in (own, os.path.join(below, own))}
        if below == b"lost+found":
            expected = names
    assert {os.fsencode(path) for path in paths(found)} == expected
    assert len(found.files) == len(expected)


@pytest.mark.slow
def test_a_tree_deeper_than_python_recurses(tmp_path: Path) -> None:
    """It is only as deep as a path can be long."""
    path = str(tmp_path)
    while len(path) < 3_900:
        path += "/d"
        os.mkdir(path)
    put(Path(path) / "x")
    assert paths(take(str(tmp_path))) == [f"{path}/x"[len(str(tmp_path)) + 1 :]]
    os.unlink(f"{path}/x")
    while path != str(tmp_path):  # pytest recurses
        os.rmdir(path)
        path = os.path.dirname(path)


def test_another_file_system_is_left_out(place: Path, make_disk: Callable[[str], Path], tmp_path: Path) -> None:
    """rsync does not enter it."""
    disk = make_disk("100k")
    put(disk / "x")
    put(tmp_path / "y")
    found = take(str(tmp_path))
    assert (disk.name, "it is another file system") in found.left_out
    assert not [path for path in paths(found) if path.startswith(disk.name)]
    assert paths(take(str(disk))) == ["x"]


def test_an_empty_directory_has_an_empty_snapshot(tmp_path: Path) -> None:
    assert take(str(tmp_path)) == Snapshot(())


# ---- what stands in the way


@pytest.mark.parametrize(("name", "why"), [("none", "No such file or directory"), ("file", "it is no directory")])
def test_what_is_no_directory_is_refused(tmp_path: Path, name: str, why: str) -> None:
    put(tmp_path / "file")
    with pytest.raises(StorageError, match=f"cannot send {tmp_path}/{name}: {why}"):
        take(str(tmp_path / name))


def test_what_cannot_be_read_is_named_before_anything_is_sent(open_place: Path) -> None:
    """The first five, and how many; what would not be sent anyway does not matter."""
    put(open_place / "fine")
    for number in range(5):
        put(open_place / "data" / f"file{number}").chmod(0)
    (open_place / "closed").mkdir(mode=0o000)
    (open_place / "no entry").mkdir()
    put(open_place / "no entry" / "x")
    (open_place / "no entry").chmod(0o444)
    (open_place / "lost+found").mkdir(mode=0o000)
    (open_place / "link").symlink_to("nowhere")
    with without_privileges(), pytest.raises(StorageError) as caught:
        take(str(open_place))
    (open_place / "no entry").chmod(0o755)
    text = str(caught.value)
    assert text.startswith(f"cannot read 7 of what is in {open_place}: closed, data/file0, data/file1, data/file2, ")
    assert "data/file3 and 2 more; give this user the right" in text


def test_a_directory_that_cannot_be_entered_is_named_instead_of_its_files(open_place: Path) -> None:
    """Their names can be read, and nothing else."""
    for name in "xy":
        put(open_place / "no entry" / name)
    (open_place / "no entry").chmod(0o444)
    with (
        without_privileges(),
        pytest.raises(StorageError, match=f"cannot read 1 of what is in {open_place}: no entry;"),
    ):
        take(str(open_place))
    (open_place / "no entry").chmod(0o755)


def test_the_directory_itself_that_cannot_be_read_is_named(open_place: Path) -> None:
    (open_place / "data").mkdir(mode=0o311)
    with (
        without_privileges(),
        pytest.raises(StorageError, match=f"cannot read 1 of what is in {open_place}/data: \\.;"),
    ):
        take(str(open_place / "data"))


@pytest.mark.parametrize("gone", ["file", "directory"])
def test_what_vanishes_meanwhile_is_simply_gone(place: Path, monkeypatch: pytest.MonkeyPatch, gone: str) -> None:
    """Whoever compares will see it. Here it goes at the moment its rights are asked for."""
    ask = os.access

    def vanishing(path: str, mode: int, **options: bool) -> bool:
        if gone == "file" and path == str(place / "b.mseed"):
            os.unlink(path)
        if gone == "directory" and path == str(place / "empty"):
            answer = ask(path, mode, **options)
            os.rmdir(f"{path}/below")
            os.rmdir(path)
            return answer
        return ask(path, mode, **options)

    before = take(str(place))
    monkeypatch.setattr(module.os, "access", vanishing)
    after = take(str(place))
    assert differences(before, after) == (["b.mseed: is gone"] if gone == "file" else ["empty/below/: is gone"])


def test_ten_thousand_files(tmp_path: Path) -> None:
    """None is lost among many."""
    for number in range(10_000):
        if number % 100 == 0:
            (tmp_path / f"{number // 100}").mkdir()
        (tmp_path / f"{number // 100}" / f"{number}.mseed").touch()
    assert len(take(str(tmp_path)).files) == 10_000


# ---- what has changed


def seen(**files: tuple[int, int]) -> Snapshot:
    return Snapshot(tuple(SeenFile(path, *figures) for path, figures in sorted(files.items())))


def test_each_kind_of_change_has_its_words() -> None:
    """In order of the paths, and what is as it was is not mentioned."""
    before = seen(a=(1, 1), b=(10, 1), c=(1, 1), d=(1, 1))
    after = seen(b=(12, 2), c=(1, 2), d=(1, 1), e=(1, 1))
    assert differences(before, after) == [
        "a: is gone",
        "b: has 12 bytes, had 10",
        "c: has another time",
        "e: is new",
    ]


def test_names_cannot_steer_the_terminal() -> None:
    assert differences(seen(), seen(**{"a\x1b[2J\nb\udcff": (1, 1)})) == ["a\\u001b[2J\\nb\\udcff: is new"]


def test_more_than_the_limit_are_counted() -> None:
    after = seen(**{f"f{number:02}": (1, 1) for number in range(23)})
    assert differences(seen(), after, limit=23) == [f"f{number:02}: is new" for number in range(23)]
    assert differences(seen(), after)[-2:] == ["f19: is new", "and 3 more"]
    assert len(differences(seen(), after)) == 21


def change(place: Path, what: str) -> None:
    """Change a directory that holds `full/x` and `empty`."""
    if what == "an empty directory came":
        (place / "new").mkdir()
    elif what == "an empty directory went":
        (place / "empty").rmdir()
    elif what == "it filled":
        put(place / "empty" / "y")
    elif what == "it got a directory":
        (place / "empty" / "z").mkdir()
    elif what == "a full one is empty":
        (place / "full" / "x").unlink()
    elif what == "a file became a directory":
        (place / "full" / "x").unlink()
        (place / "full" / "x").mkdir()


CHANGES = {
    "an empty directory came": ["new/: is new"],
    "an empty directory went": ["empty/: is gone"],
    "it filled": ["empty/y: is new"],
    "it got a directory": ["empty/z/: is new"],
    "a full one is empty": ["full/x: is gone"],
    "a file became a directory": ["full/x: is gone", "full/x/: is new"],
}


@pytest.mark.parametrize("what", CHANGES)
def test_changes_of_directories_are_told_once(tmp_path: Path, what: str) -> None:
    put(tmp_path / "full" / "x")
    (tmp_path / "empty").mkdir()
    before = take(str(tmp_path))
    change(tmp_path, what)
    assert differences(before, take(str(tmp_path))) == CHANGES[what]


TREES = st.dictionaries(
    st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map(tuple), st.sampled_from(["file", "long", "directory"])
)


@given(old=TREES, new=TREES)
def test_there_are_differences_exactly_when_the_digests_differ(old: dict, new: dict) -> None:
    """A change that nobody names could not be mended."""
    with TemporaryDirectory() as directory:
        found = []
        for number, tree in enumerate((old, new)):
            root = Path(directory) / str(number)
            root.mkdir()
            for parts, kind in sorted(tree.items(), key=lambda item: len(item[0])):
                path = root.joinpath(*parts)
                if not any(stat.S_ISREG(p.stat().st_mode) for p in (path, *path.parents) if p.exists()):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.mkdir(exist_ok=True) if kind == "directory" or path.exists() else put(path, kind.encode())
                if path.is_file():
                    os.utime(path, ns=(0, 0))
            found.append(take(str(root)))
    assert bool(differences(*found)) == (found[0].digest != found[1].digest)
