"""Files that are replaced whole: at any moment, and after a power cut, the old content is there or the new one.

Must not: know what the content means. Whoever replaces a file holds a lock on it (`locked`); whoever reads needs none.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ftpretrieve.config import state_home
from ftpretrieve.errors import InUse, StorageError
from ftpretrieve.files import Door
from ftpretrieve.lock import FileLock

PRIVATE = 0o600
"""What is sent when and from where is nobody else's business, unless the user has opened the file."""

RETRY_SECS = 0.05
ATTEMPTS = 200
"""10 seconds: each holder writes one file, which takes milliseconds, and seconds only on a disk that is hung up."""


def read(path: Path) -> bytes | None:
    """Return the content of a file, None if there is none. Raises: StorageError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO would wait for its writer
        with os.fdopen(fd, "rb") as file:
            _check_plain(path, os.fstat(fd))
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error


def ensure_plain(path: Path) -> None:
    """Raise StorageError if there is something, and it is no plain file: then nothing may be made beside it either."""
    try:
        _status(path)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error


def replace(path: Path, data: bytes, *, door: Door) -> None:
    """Give a file, which need not exist, this content; it keeps its rights, and where it can its owner.

    A link stays, and what it leads to is replaced. Raises: StorageError, and then the file is as it was; but if only
    the last step failed, the syncing of the directory, it has the new content and may lose it in a power cut.
    """
    target = os.path.realpath(os.fsencode(path))
    directory, name = os.path.split(target)
    beside = os.path.join(directory, b"." + name + b".new")  # one name, since its user holds the lock
    try:
        with suppress(FileNotFoundError):
            door.remove(beside)  # of a program that was killed
        _write(beside, data, _status(path), door)
        door.rename(beside, target)
        door.sync_directory(directory)
    except OSError as error:
        with suppress(OSError):  # gone already, or it will be next time
            os.unlink(beside)
        raise StorageError(f"cannot write {path}: {error.strerror}") from error


def create(path: Path, data: bytes, *, like: Path, door: Door) -> None:
    """Make a file that did not exist, with the rights and the owner of another. Raises: StorageError."""
    target = os.path.abspath(os.fsencode(path))
    try:
        _write(target, data, _status(like), door)
        door.sync_directory(os.path.dirname(target))
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error


def sync_directory(path: Path, *, door: Door) -> None:
    """Make the entries of the directory that a file is in durable. Raises: StorageError."""
    try:
        door.sync_directory(os.path.dirname(os.path.realpath(os.fsencode(path))))
    except OSError as error:
        raise StorageError(f"cannot sync the directory of {path}: {error.strerror}") from error


@contextmanager
def locked(path: str, wait: Callable[[float], object]) -> Iterator[None]:
    """Hold a lock file, after waiting a little for whoever has it. Raises: InUse naming the holder; StorageError."""
    lock = FileLock(path)
    for _ in range(ATTEMPTS):
        with suppress(InUse):  # the last attempt, below, says who has it
            lock.acquire()
            break
        wait(RETRY_SECS)
    else:
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def ensure_directory(path: Path) -> None:
    """Make the directory that logbook and transactions are in, but only below the user's own `config.state_home`.

    Elsewhere a directory that is missing is a slip of the pen, or a disk that is not mounted. Raises: StorageError.
    """
    if os.path.isdir(path):
        return
    if not path.is_relative_to(state_home(os.environ)):
        raise StorageError(
            f"{path} is no directory that this user can reach; make it, mount it, or name another place as 'logbook'"
        )
    try:
        os.makedirs(path, 0o700, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make {path}: {error.strerror}") from error


def _status(path: Path) -> os.stat_result | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    _check_plain(path, status)
    return status


def _check_plain(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):  # to replace /dev/null by a file would harm the whole machine
        raise StorageError(f"{path} is no plain file; remove it, or name another place as 'logbook'")


def _write(path: bytes, data: bytes, like: os.stat_result | None, door: Door) -> None:
    with os.fdopen(door.create(path), "wb") as file:
        if like is not None:
            for owner in ((like.st_uid, -1), (-1, like.st_gid)):
                with suppress(PermissionError):  # only root gives files away, and only to a group of one's own
                    os.fchown(file.fileno(), *owner)
        os.fchmod(file.fileno(), PRIVATE if like is None else stat.S_IMODE(like.st_mode))
        file.write(data)
        file.flush()
        door.sync_file(file.fileno(), path)
