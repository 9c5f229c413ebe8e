"""Staging by itself: where things lie, what may be renamed where, and what recovery can find out."""

import errno
import os
import stat
from pathlib import Path

import pytest

from ftpretrieve.errors import ConfigError, StorageError
from ftpretrieve.retrieve.records import Staged
from ftpretrieve.retrieve.staging import Found, Session, Staging, check_owner

ID = "0123456789abcdef"


@pytest.fixture
def staging(memory_path: Path) -> Staging:
    (memory_path / "sync").mkdir()
    staging = Staging(bytes(memory_path / "staging"), bytes(memory_path / "sync"), min_free_bytes=0)
    staging.prepare()
    return staging


@pytest.fixture
def session(staging: Staging) -> Session:
    return staging.open_session(ID)


def write(session: Session, content: bytes = b"one", name: bytes = b"1", mtime: int | None = 1_700_000_000) -> Staged:
    """Put a finished file into a session."""
    fd, path = session.create(name)
    os.write(fd, content)
    inode = session.finish(fd, path, mtime)
    os.close(fd)
    digest = {b"one": "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"}.get(content, "?")
    return Staged(1, b"a", 1, path, inode, digest, len(content), 1_700_000_000, b"a")


def at(item: Staged, sync_path: bytes) -> Staged:
    return Staged(item.id, item.name, 1, item.staged, item.inode, item.digest, item.size, item.mtime, sync_path)


def sync(staging: Staging) -> Path:
    return Path(os.fsdecode(staging.sync))


# -- directories ----------------------------------------------------------------------------------------------------


def test_staging_is_made_where_its_parent_exists(memory_path: Path) -> None:
    """Not with all directories above it: that would hide a volume that is not mounted."""
    (memory_path / "sync").mkdir()
    with pytest.raises(StorageError, match="ftp_local_directory .*cannot be created"):
        Staging(bytes(memory_path / "missing/staging"), bytes(memory_path / "sync")).prepare()
    Staging(bytes(memory_path / "staging"), bytes(memory_path / "sync")).prepare()
    assert stat.S_IMODE((memory_path / "staging").stat().st_mode) == 0o700


def test_a_file_in_the_place_of_staging_is_named(memory_path: Path) -> None:
    (memory_path / "sync").mkdir()
    (memory_path / "staging").write_bytes(b"")
    with pytest.raises(StorageError, match="not a directory"):
        Staging(bytes(memory_path / "staging"), bytes(memory_path / "sync")).prepare()


def test_probing_leaves_nothing(staging: Staging, memory_path: Path) -> None:
    staging.prepare()
    assert os.listdir(memory_path / "sync") == []
    assert os.listdir(memory_path / "staging") == []


def test_a_probe_left_by_a_kill_is_taken_up(staging: Staging, memory_path: Path) -> None:
    for place in ("sync", "staging"):
        (memory_path / place / ".ftpretrieve-probe").write_bytes(b"")
    staging.prepare()
    assert os.listdir(memory_path / "sync") == os.listdir(memory_path / "staging") == []


def test_room_is_what_is_missing_beyond_the_bytes_that_stay_free(staging: Staging) -> None:
    free = os.statvfs(staging.home).f_bavail * os.statvfs(staging.home).f_frsize
    assert staging.room(0) == 0
    assert staging.room(free * 2) >= free // 2
    with pytest.raises(StorageError, match=r"disk full: .* lacks \d+ bytes .*make room"):
        staging.check_room(free * 2)


# -- the journal it belongs to --------------------------------------------------------------------------------------


def test_staging_belongs_to_one_journal(staging: Staging) -> None:
    """The first one claims it; another is refused unless it is wanted."""
    assert staging.owner() is None
    check_owner(staging, ID)
    check_owner(staging, ID)
    assert staging.owner() == ID
    with pytest.raises(ConfigError, match=f"belongs to journal {ID}.*--new-journal"):
        check_owner(staging, "another")
    check_owner(staging, "another", new_journal=True)
    assert staging.owner() == "another"


# -- publishing -----------------------------------------------------------------------------------------------------


def test_a_published_file_is_moved_with_mode_and_time(staging: Staging, session: Session) -> None:
    item = write(session)
    assert staging.publish(item) is False
    status = (sync(staging) / "a").stat()
    assert (status.st_ino, stat.S_IMODE(status.st_mode), status.st_mtime) == (item.inode, 0o644, 1_700_000_000)
    assert not os.path.exists(item.staged)


def test_mode_and_time_are_as_configured(memory_path: Path) -> None:
    (memory_path / "sync").mkdir()
    staging = Staging(
        bytes(memory_path / "staging"), bytes(memory_path / "sync"), file_mode=0o600, keep_mtime=False, min_free_bytes=0
    )
    staging.prepare()
    staging.publish(write(staging.open_session(ID)))
    status = (memory_path / "sync/a").stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_mtime > 1_700_000_001


def test_a_file_in_its_place_is_replaced_at_once(staging: Staging, session: Session) -> None:
    """And counted; whoever has the old one open keeps it."""
    (sync(staging) / "a").write_bytes(b"old")
    with open(sync(staging) / "a", "rb") as reader:
        assert staging.publish(write(session)) is True
        assert reader.read() == b"old"
    assert (sync(staging) / "a").read_bytes() == b"one"


def test_directories_below_are_made_for_consumers(staging: Staging, session: Session) -> None:
    staging.publish(at(write(session), b"d/e/f"))
    assert (sync(staging) / "d/e/f").read_bytes() == b"one"
    assert stat.S_IMODE((sync(staging) / "d").stat().st_mode) & 0o055 == 0o055 & ~_umask()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


@pytest.mark.parametrize(
    ("kind", "number"), [("directory", errno.EISDIR), ("link", errno.ENOTDIR), ("file", errno.ENOTDIR)]
)
def test_what_is_in_the_way_is_an_error_of_that_file(
    kind: str, number: int, staging: Staging, session: Session, memory_path: Path
) -> None:
    """The staged file stays where it is."""
    item = at(write(session), b"d/a")
    (memory_path / "outside").mkdir()
    if kind == "directory":
        (sync(staging) / "d/a").mkdir(parents=True)
    elif kind == "link":
        (sync(staging) / "d").symlink_to(memory_path / "outside")
    else:
        (sync(staging) / "d").write_bytes(b"")
    with pytest.raises(OSError) as caught:  # noqa: PT011  its number is looked at
        staging.publish(item)
    assert caught.value.errno == number
    assert os.path.exists(item.staged)
    assert list((memory_path / "outside").iterdir()) == []


@pytest.mark.parametrize("name", [b"../a", b"/a", b"", b"a/../b", b"a\nb", b".ftpretrieve/x"])
def test_an_unsafe_name_has_no_path(name: bytes, staging: Staging) -> None:
    """The last door: nothing before it may have let such a name through."""
    with pytest.raises(ValueError, match="name"):
        staging.sync_path(name)


def test_the_other_name_of_a_kept_version(staging: Staging) -> None:
    """Beside its own one, and never too long."""
    assert staging.kept_path(b"d/a.xml", 1_700_000_000, 12) == b"d/a.xml.1700000000.12"
    assert staging.kept_path(b"a", -1, 12) == b"a.0.12"
    long = staging.kept_path(b"d/" + b"x" * 255, 1_700_000_000, 12)
    assert len(os.path.basename(long)) == 255
    assert long.endswith(b"x.1700000000.12")


# -- recovery -------------------------------------------------------------------------------------------------------


def test_a_staged_file_is_here_renamed_or_unknown(staging: Staging, session: Session) -> None:
    """Here: same inode and size. Renamed: gone, and the witness is there. Unknown: the witness is gone too."""
    item = write(session)
    assert staging.find(item) == Found.HERE
    staging.publish(item)
    assert staging.find(item) == Found.RENAMED
    os.unlink(os.path.join(session.directory, b"witness"))
    assert staging.find(item) == Found.UNKNOWN
    os.rmdir(session.directory)
    assert staging.find(item) == Found.UNKNOWN


def test_another_file_under_a_staged_name_is_not_it(staging: Staging, session: Session) -> None:
    """Restored from a copy, say: its content is not known to be whole."""
    item = write(session)
    os.rename(item.staged, item.staged + b".bak")
    Path(os.fsdecode(item.staged)).write_bytes(b"one")
    assert staging.find(item) == Found.UNKNOWN


def test_the_content_at_the_sync_path_is_compared(staging: Staging, session: Session) -> None:
    item = write(session)
    assert not staging.holds(item)
    target = sync(staging) / "a"
    target.write_bytes(b"one")
    assert staging.holds(item)
    target.write_bytes(b"two")
    assert not staging.holds(item)
    target.unlink()
    target.symlink_to(sync(staging) / "b")
    (sync(staging) / "b").write_bytes(b"one")
    assert not staging.holds(item), "a link is not followed"


def test_a_staged_file_is_found_in_moved_staging(staging: Staging, session: Session, memory_path: Path) -> None:
    item = write(session)
    moved = (memory_path / "staging").rename(memory_path / "moved")
    now = Staging(bytes(moved), staging.sync, min_free_bytes=0)
    assert now.staged_path(item.staged) == bytes(moved) + b"/" + session.name + b"/1"
    assert now.find(item) == Found.HERE


def test_only_sessions_of_the_journal_are_its_own(staging: Staging, session: Session) -> None:
    other = staging.open_session("another0another0")
    assert staging.sessions(ID) == [session.name]
    write(session)
    staging.remove_session(session.name)
    assert staging.sessions(ID) == []
    assert os.path.isdir(other.directory)


# -- what is rejected, what is resumed ------------------------------------------------------------------------------


def test_a_rejected_file_is_kept_by_name_and_row(staging: Staging, session: Session) -> None:
    """Where we never clean."""
    item = write(session)
    kept = staging.reject(item.staged, 12, b"d/e.xml")
    assert kept == staging.home + b"/rejected/e.xml.12"
    assert Path(os.fsdecode(kept)).read_bytes() == b"one"
    assert not os.path.exists(item.staged)


@pytest.mark.parametrize(
    ("content", "codec", "decodes"),
    [
        (b"", "utf-8", True),
        ("gr\u00fc\u00df".encode(), "utf-8", True),
        (b"gr\xfc\xdf", "utf-8", False),
        (b"gr\xfc\xdf", "latin-1", True),
        (b"cut \xc3", "utf-8", False),
        (b"x" * (1 << 20) + "\u00fc".encode(), "utf-8", True),
        (b"x" * ((1 << 20) - 1) + "\u00fc".encode(), "utf-8", True),
    ],
    ids=["empty", "utf-8", "latin-1 as utf-8", "latin-1", "cut", "after a block", "across two blocks"],
)
def test_text_is_decoded_and_never_changed(
    content: bytes, codec: str, decodes: bool, staging: Staging, session: Session
) -> None:
    item = write(session, content)
    assert staging.decodes(item.staged, codec) is decodes
    assert Path(os.fsdecode(item.staged)).read_bytes() == content


def test_a_beginning_is_opened_at_the_length_that_is_known(session: Session) -> None:
    """What was written after it may not be durable; a shorter file has lost its end."""
    item = write(session, b"0123456789")
    fd = session.reopen(item.staged, 6)
    assert fd is not None
    assert os.fstat(fd).st_size == 6
    os.close(fd)
    assert session.reopen(item.staged, 7) is None
    assert session.reopen(item.staged + b"-gone", 1) is None
