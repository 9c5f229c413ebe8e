"""Packing a directory and reading it back: all that is in it, nothing from outside, and damage is found."""

import gzip
import os
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest

from ftpretrieve.errors import StorageError
from ftpretrieve.mirror.archive import LEFT_OUT_SHOWN, Packed, origin_of, pack, verify


@pytest.fixture
def local(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


def packed(local: Path) -> tuple[Path, Packed]:
    """Pack into a file beside, read it back, and return both."""
    path = local.parent / "copy.tar.gz"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        done = pack(local, fd)
        verify(fd, done)
    finally:
        os.close(fd)
    return path, done


def unpacked(path: Path) -> Path:
    """Unpack with GNU tar, which must have nothing to complain about."""
    place = path.parent / "unpacked"
    place.mkdir()
    done = subprocess.run(["tar", "-xzpf", path, "-C", place], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    return place


def tree(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Return what is below a directory: path -> kind and mode, whole second, content or target."""
    found: dict[bytes, tuple[object, ...]] = {}
    for directory, names, files in os.walk(os.fsencode(root)):
        for name in [b".", *names, *files]:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            content: bytes | None = None
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                content = Path(os.fsdecode(path)).read_bytes()
            found[os.path.relpath(path, os.fsencode(root))] = (status.st_mode, int(status.st_mtime), content)
    return found


def test_everything_comes_back(local: Path) -> None:
    """Odd names, deep and empty directories, links, modes and times: the same tree, under the name of the directory."""
    for name in (b"plain", b"a b", b"new\nline", b"\xff\xfe latin", "ünï".encode(), b"-rf", b"n" * 255, b"empty"):
        (local / os.fsdecode(name)).write_bytes(name * 1000 if name != b"empty" else b"")
    deep = local.joinpath(*["d" * 100] * 12)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(os.urandom(1 << 20))
    (local / "nothing").mkdir(mode=0o700)
    (local / "away").symlink_to("/etc/passwd")
    (local / "dangling").symlink_to("x" * 300)
    (local / "directory").symlink_to("/etc")
    (local / "plain").chmod(0o640)
    os.utime(local / "plain", (0, 1_291_812_720))
    os.utime(local / "empty", (0, 86_400))
    os.utime(local / "nothing", (0, 1_000_000_000))
    assert tree(unpacked(packed(local)[0]) / "data") == tree(local)


def test_an_empty_directory_is_a_copy_too(local: Path) -> None:
    """It has one member, itself."""
    path, done = packed(local)
    with tarfile.open(path) as archive:
        assert (archive.getnames(), done.members) == (["data"], 1)


def test_hard_links_are_stored_once(local: Path) -> None:
    """And are links again when they are unpacked."""
    (local / "one").write_bytes(os.urandom(500_000))
    (local / "sub").mkdir()
    os.link(local / "one", local / "sub" / "two")
    path, _ = packed(local)
    assert path.stat().st_size < 700_000
    root = unpacked(path) / "data"
    assert (root / "one").samefile(root / "sub" / "two")
    assert (root / "one").read_bytes() == (local / "one").read_bytes()


def test_no_link_is_followed_out_but_that_of_the_root(local: Path) -> None:
    """LOCAL may be a link to a directory: what is in that is copied, under the name of the link."""
    outside = local.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s")
    (local / "in").symlink_to(outside)
    local.rename(local.parent / "real")
    local.symlink_to("real")
    with tarfile.open(packed(local)[0]) as archive:
        assert sorted(archive.getnames()) == ["data", "data/in"]
        assert archive.getmember("data/in").issym()


def test_sockets_and_pipes_are_left_out_and_named(local: Path) -> None:
    """They have no content; nothing waits for them, and the rest is copied."""
    os.mkfifo(local / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(local / "socket"))
        (local / "file").write_text("x")
        path, done = packed(local)
    with tarfile.open(path) as archive:
        assert sorted(archive.getnames()) == ["data", "data/file"]
    assert sorted(line.partition(":")[0] for line in done.left_out) == [f"{local}/pipe", f"{local}/socket"]


def test_thousands_of_pipes_do_not_fill_a_report(local: Path) -> None:
    """A few are named, the others counted."""
    for number in range(LEFT_OUT_SHOWN + 5):
        os.mkfifo(local / str(number))
    assert packed(local)[1].left_out[LEFT_OUT_SHOWN:] == ("and 5 more",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", ["file", "directory"])
def test_what_cannot_be_read_is_named_and_ends_it(local: Path, name: str) -> None:
    """A copy that lacks a file is none."""
    (local / "file").write_text("x")
    (local / "directory").mkdir()
    (local / name).chmod(0)
    with pytest.raises(StorageError, match=f"cannot read {local}/{name}: Permission denied"):
        packed(local)
    (local / name).chmod(0o700)


def _while_copied(monkeypatch: pytest.MonkeyPatch, change: object) -> None:
    """Make the change when the first piece of a file has been read."""
    read, done = os.read, []

    def reading(fd: int, size: int) -> bytes:
        data = read(fd, size)
        if not done:
            done.append(True)
            assert callable(change)
            change()
        return data

    monkeypatch.setattr(os, "read", reading)


def test_a_file_that_grows_or_shrinks_meanwhile_ends_it(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half old and half new is no copy of anything."""
    file = local / "file"
    for change in (lambda: file.write_bytes(b"y" * 10), lambda: file.write_bytes(b"y" * 2_000_000)):
        file.write_bytes(b"x" * 1_000_000)
        with monkeypatch.context() as patch:
            _while_copied(patch, change)
            with pytest.raises(StorageError, match=f"{file} changed while it was copied"):
                packed(local)


def test_what_vanishes_meanwhile_is_said(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer took it: the copy is one of what is left, and says so."""
    (local / "first").write_text("x")
    (local / "sub").mkdir()
    _while_copied(monkeypatch, lambda: (local / "sub").rmdir())
    path, done = packed(local)
    assert done.left_out == (f"{local}/sub: vanished meanwhile",)
    with tarfile.open(path) as archive:
        assert sorted(archive.getnames()) == ["data", "data/first"]


def test_a_directory_that_does_not_exist_is_an_error(local: Path) -> None:
    """Not a copy of nothing."""
    local.rmdir()
    with pytest.raises(StorageError, match=f"cannot read {local}: No such file"):
        packed(local)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9, 0.999])
def test_a_flipped_bit_is_found(local: Path, place: float) -> None:
    """Reading back compares every byte with what was packed."""
    (local / "file").write_bytes(os.urandom(100_000))
    path, done = packed(local)
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 4
    path.write_bytes(data)
    with path.open("rb") as file, pytest.raises(StorageError, match="read back"):
        verify(file.fileno(), done)


@pytest.mark.parametrize("cut", [1, 8, 50_000])
def test_a_cut_archive_is_found(local: Path, cut: int) -> None:
    """Also when only the end of the checksum lacks."""
    (local / "file").write_bytes(os.urandom(100_000))
    path, done = packed(local)
    os.truncate(path, path.stat().st_size - cut)
    with path.open("rb") as file, pytest.raises(StorageError, match="cannot be read back"):
        verify(file.fileno(), done)


def test_another_whole_archive_is_not_taken_for_it(local: Path) -> None:
    """A good checksum is not enough: it must be that of what was packed."""
    path, done = packed(local)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"data/", b"date/")))
    with path.open("rb") as file, pytest.raises(StorageError, match="read back"):
        verify(file.fileno(), done)


def test_an_archive_says_what_it_is_a_copy_of(local: Path) -> None:
    """As a URI, which can spell any path."""
    odd = local.parent / "a\n\udcff" / "data"
    odd.mkdir(parents=True)
    path, _ = packed(odd)
    assert origin_of(path) == odd.as_uri()


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"no tar"), gzip.compress(b"x" * 600)[:30]])
def test_what_does_not_say_where_it_is_from_is_no_error(tmp_path: Path, content: bytes) -> None:
    """Such as copies by other programs, and broken ones."""
    (tmp_path / "other.tar.gz").write_bytes(content)
    assert origin_of(tmp_path / "other.tar.gz") is None


def test_a_copy_by_another_program_says_nothing(local: Path) -> None:
    """It is known by its name only."""
    path = local.parent / "other.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(local, "data")
    assert origin_of(path) is None
