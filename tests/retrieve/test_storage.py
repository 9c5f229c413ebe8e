"""Local disks misbehave for real: other file systems, bind mounts, full disks, directories that go away."""

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.errors import ConfigError, JournalBusy, JournalError, StorageError
from ftpretrieve.retrieve import journal_file
from ftpretrieve.retrieve.journal import Journal
from tests.mailboxes import digests, make_mailbox, poll_ftp, synced

pytestmark = [pytest.mark.slow, pytest.mark.crash]

Mount = Callable[..., None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Return a function that mounts for the time of the test, for root; skip where that is not allowed."""
    with ExitStack() as stack:

        def do(*arguments: str | Path) -> None:
            done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"this needs root and the right to mount: {done.stderr.strip()}")
            if "remount" not in str(arguments):
                stack.callback(subprocess.run, ["umount", "-l", str(arguments[-1])], check=True)

        yield do


def put_some(server: Any, count: int, size: int = 1000) -> None:
    for number in range(count):
        server.put(f"f{number}", os.urandom(size), time.time() - 5000)


def test_staging_on_another_file_system_publishes_from_beside_the_sync_directory(pyftp: Any, tmp_path: Path) -> None:
    """Rename cannot cross file systems, so downloads move to a private directory below sync."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("/dev/shm is no file system of its own here")
    put_some(pyftp, 5)
    staging = Path(f"/dev/shm/ftpretrieve-test-{os.getpid()}")
    try:
        mailbox = make_mailbox(tmp_path, staging=str(staging))
        assert poll_ftp(mailbox, pyftp).delivered == 5
        assert synced(mailbox) == digests(pyftp.root)
        private = tmp_path / "sync/.ftpretrieve"
        assert private.stat().st_mode & 0o777 == 0o700
        assert poll_ftp(mailbox, pyftp).fetched == 0
        mailbox.journal.close()
    finally:
        subprocess.run(["rm", "-rf", str(staging)], check=True)


def test_two_bind_mounts_of_one_file_system_are_told_apart(pyftp: Any, tmp_path: Path, mount: Mount) -> None:
    """They have one device number and yet no rename between them: only a probe knows."""
    real, seen = tmp_path / "real", tmp_path / "staging"
    real.mkdir()
    seen.mkdir()
    mount("--bind", real, seen)
    assert os.stat(seen).st_dev == os.stat(tmp_path).st_dev
    put_some(pyftp, 3)
    mailbox = make_mailbox(tmp_path)
    assert mailbox.staging.work != mailbox.staging.home
    assert poll_ftp(mailbox, pyftp).delivered == 3
    mailbox.journal.close()


def test_a_file_larger_than_the_disk_fails_alone_says_how_much_and_heals(
    pyftp: Any, tmp_path: Path, mount: Mount, caplog: pytest.LogCaptureFixture
) -> None:
    """The files after it arrive; when there is room for it, a later poll brings it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=3m", "none", disk)
    pyftp.put("big", os.urandom(5_000_000), time.time() - 5000)
    put_some(pyftp, 3)
    mailbox = make_mailbox(disk)
    result = poll_ftp(mailbox, pyftp)
    assert (result.error, result.delivered, result.failed, result.left) == (None, 3, 1, 0)
    assert "FILEFAILED name=big" in caplog.text
    assert "5000000 bytes needed" in caplog.text
    assert pyftp.commands["RETR"] == 3
    mount("-o", "remount,size=20m", disk)
    mailbox.journal.db.execute("UPDATE files SET next_try = 0")
    assert poll_ftp(mailbox, pyftp).delivered == 1
    assert synced(mailbox) == digests(pyftp.root)
    mailbox.journal.close()


def test_a_disk_with_no_more_than_is_to_stay_free_stops_fetching(pyftp: Any, tmp_path: Path, mount: Mount) -> None:
    """No file fails for it, since none could come; with room again the next poll brings them."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=3m", "none", disk)
    put_some(pyftp, 3)
    mailbox = make_mailbox(disk)
    mailbox.staging._min_free_bytes = 4_000_000
    result = poll_ftp(mailbox, pyftp)
    assert isinstance(result.error, StorageError)
    assert "lacks" in str(result.error)
    assert (result.delivered, result.failed, result.left, synced(mailbox)) == (0, 0, 3, {})
    mount("-o", "remount,size=20m", disk)
    assert poll_ftp(mailbox, pyftp).delivered == 3
    mailbox.journal.close()


def test_a_disk_that_fills_up_during_a_download_loses_nothing(pyftp: Any, tmp_path: Path, mount: Mount) -> None:
    """The check before a download cannot know what others write meanwhile."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=8m", "none", disk)
    pyftp.put("big", os.urandom(5_000_000), time.time() - 5000)
    mailbox = make_mailbox(disk)
    pyftp.replace["RETR"] = lambda handler, argument, proceed: (fill(disk), proceed())
    result = poll_ftp(mailbox, pyftp)
    assert isinstance(result.error, StorageError), result
    assert "disk full" in str(result.error)
    assert synced(mailbox) == {}
    (disk / "filler").unlink()
    del pyftp.replace["RETR"]
    assert poll_ftp(mailbox, pyftp).delivered == 1
    assert synced(mailbox) == digests(pyftp.root)
    mailbox.journal.close()


def fill(disk: Path) -> None:
    with open(disk / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def test_a_journal_on_a_full_disk_delivers_nothing_without_memory(pyftp: Any, tmp_path: Path, mount: Mount) -> None:
    """The intent cannot be written, so nothing is renamed; with room the poll goes through."""
    disk = tmp_path / "journal"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=2m", "none", disk)
    put_some(pyftp, 300, 10)
    (tmp_path / "sync").mkdir()
    os.symlink(disk / "journal.db", tmp_path / "journal.db")
    mailbox = make_mailbox(tmp_path)
    fill(disk)
    result = poll_ftp(mailbox, pyftp)
    assert isinstance(result.error, StorageError), result
    assert synced(mailbox) == {}
    (disk / "filler").unlink()
    assert poll_ftp(mailbox, pyftp).delivered == 300
    assert poll_ftp(mailbox, pyftp).fetched == 0
    mailbox.journal.close()


def test_a_sync_directory_that_went_away_is_named_and_not_made(pyftp: Any, tmp_path: Path) -> None:
    """An unmounted volume must not be filled in; when it is back, everything arrives."""
    put_some(pyftp, 3)
    mailbox = make_mailbox(tmp_path)
    os.rename(tmp_path / "sync", tmp_path / "away")
    result = poll_ftp(mailbox, pyftp)
    assert isinstance(result.error, StorageError)
    assert str(tmp_path / "sync") in str(result.error)
    assert not (tmp_path / "sync").exists()
    os.rename(tmp_path / "away", tmp_path / "sync")
    assert poll_ftp(mailbox, pyftp).delivered == 3
    mailbox.journal.close()


def test_a_sync_directory_that_goes_away_during_a_poll_loses_nothing(pyftp: Any, tmp_path: Path) -> None:
    """What was intended stays staged and is published when the directory is back; no second download."""
    put_some(pyftp, 1)
    mailbox = make_mailbox(tmp_path)
    pyftp.replace["RETR"] = lambda handler, argument, proceed: (hide(tmp_path), proceed())
    poll_ftp(mailbox, pyftp)
    assert mailbox.journal.counts() == {"staged": 1}
    del pyftp.replace["RETR"]
    os.rename(tmp_path / "away", tmp_path / "sync")
    pyftp.forget()
    result = poll_ftp(mailbox, pyftp)
    assert (result.delivered, pyftp.commands["RETR"]) == (1, 0)
    assert synced(mailbox) == digests(pyftp.root)
    mailbox.journal.close()


def hide(directory: Path) -> None:
    if (directory / "sync").exists():
        os.rename(directory / "sync", directory / "away")


# -- the journal's file -----------------------------------------------------------------------------------------------


def test_a_journal_that_another_program_has_locked_is_waited_for_poll_by_poll(
    pyftp: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's forgotten transaction ends no daemon: this poll fetches nothing, and the next goes through."""
    monkeypatch.setattr(journal_file, "BUSY_SECS", 0.05)
    put_some(pyftp, 3)
    mailbox = make_mailbox(tmp_path)
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        result = poll_ftp(mailbox, pyftp)
        assert isinstance(result.error, JournalBusy), result
        assert str(tmp_path / "journal.db") in str(result.error)
        assert synced(mailbox) == {}
        with pytest.raises(JournalBusy):
            Journal(tmp_path / "journal.db")
        other.execute("ROLLBACK")
    assert poll_ftp(mailbox, pyftp).delivered == 3
    mailbox.journal.close()


def test_a_journal_that_cannot_be_written_is_refused_before_the_first_poll(tmp_path: Path) -> None:
    """SQLite opens it for reading without a word, and a start would be reported that dies at its first write."""
    if os.geteuid() == 0:
        pytest.skip("root may write every file")
    Journal(tmp_path / "journal.db").close()
    (tmp_path / "journal.db").chmod(0o444)
    with pytest.raises(JournalError, match="read-only"):
        Journal(tmp_path / "journal.db")


def vanish(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    (path.parent / "copy").write_bytes(path.read_bytes())
    os.replace(path.parent / "copy", path)


@pytest.mark.parametrize("lose", [vanish, replace])
def test_nothing_is_delivered_on_a_journal_that_lost_its_place(
    pyftp: Any, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    """What is written to a file without a name is forgotten at the end of the process, and would come again."""
    put_some(pyftp, 3)
    mailbox = make_mailbox(tmp_path)
    assert poll_ftp(mailbox, pyftp).delivered == 3
    pyftp.put("late", b"x", time.time() - 5000)
    lose(tmp_path / "journal.db")
    with pytest.raises(JournalError, match="put it back"):
        poll_ftp(mailbox, pyftp)
    assert b"late" not in synced(mailbox)
    mailbox.journal.close()


def test_a_staging_that_is_lost_during_operation_still_knows_its_journal(pyftp: Any, tmp_path: Path) -> None:
    """It is made anew, and must go on to refuse other journals: else an empty one delivers everything again."""
    put_some(pyftp, 3)
    mailbox = make_mailbox(tmp_path)
    assert poll_ftp(mailbox, pyftp).delivered == 3
    subprocess.run(["rm", "-r", str(tmp_path / "staging")], check=True)
    assert poll_ftp(mailbox, pyftp).fetched == 0
    mailbox.journal.close()
    (tmp_path / "journal.db").unlink()
    with pytest.raises(ConfigError, match="every file would be delivered again"):
        make_mailbox(tmp_path)
