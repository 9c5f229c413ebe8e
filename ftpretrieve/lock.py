"""Locks that live exactly as long as their process: of a journal, a pid file, a directory that is mirrored.

All are an flock, so a kill -9 or a power cut frees them and a number left in a stale file blocks nobody.
("That pid is dead, so I break its lock" let two daemons start at once when measured; flock did not.) The file also
says who holds it: the pid, then the start time of that process, a line each, which only serves messages and `status`.

The only home of lockfile, which is deprecated upstream: PidFile keeps its class for python-daemon's sake and nothing
else of it. Nothing here waits, and nothing breaks the lock of another process.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum

import lockfile

from ftpretrieve.errors import InUse, StorageError
from ftpretrieve.system import process_start_time

MODE = 0o644
"""Everybody may ask who holds the lock, whatever the umask was (python-daemon sets it to 0)."""

SAME_START_SECS = 0.05
"""Two readings of one start time differ by rounding only: the kernel counts hundredths."""

OPEN_ATTEMPTS = 100
"""Each attempt fails only when another process made or removed the file that very moment; more is no accident."""


class Holder(StrEnum):
    """What a pid file says about its daemon."""

    RUNNING = "running"
    DEAD = "dead"
    ABSENT = "absent"


class FileLock:
    """An flock held from `acquire` to `release` or the death of the process.

    The file stays unless `release` is told otherwise: flock(1) in somebody's backup script, waiting on the same file,
    could not notice that what it got is no longer what lies at the path, and there would be two holders.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1
        self._owner = 0

    @property
    def held(self) -> bool:
        """Is it held by this object in this process? (A forked child has the object, but not the lock.)"""
        return self._fd >= 0 and self._owner == os.getpid()

    def acquire(self) -> None:
        """Take the lock at once and write who holds it into the file.

        Raises: InUse naming the holder; StorageError when the file cannot be opened or written, or is no plain file.
        """
        fd = self._open_locked()
        try:
            _write_holder(fd)
        except OSError as error:
            os.close(fd)
            raise StorageError(f"cannot write lock file {self.path}: {error.strerror}") from error
        self._fd, self._owner = fd, os.getpid()

    def release(self, remove: bool = False) -> None:
        """Empty the file and free the lock; nothing when it is not held. `remove` takes the file away as well."""
        if self._fd < 0:
            return
        if self.held:
            with suppress(OSError):  # what it says stays wrong then, but nobody is blocked by it
                os.ftruncate(self._fd, 0)
                # Still locked, so the file at the path is ours to remove. Who opened it before gets the lock of a file
                # that has no name any more, sees that in `_open_locked`, and opens again.
                if remove and _is_at(self._fd, self.path):
                    os.unlink(self.path)
            # Closing alone frees nothing while a child that was just forked has its copy of the descriptor.
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> "FileLock":
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _open_locked(self) -> int:
        """Return a descriptor of the file that lies at the path, locked. Raises: as `acquire`."""
        for _ in range(OPEN_ATTEMPTS):
            try:
                fd = _open_plain(self.path, os.O_RDWR, create=True)
            except FileNotFoundError as error:
                # Either removed between two steps of the opening (again), or there is no such directory.
                if not os.path.isdir(os.path.dirname(os.path.abspath(self.path))):
                    raise StorageError(f"cannot open lock file {self.path}: {error.strerror}") from error
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(fd)
                raise InUse(f"{self.path} is locked by {_describe_holder(self.path)}") from error
            except OSError as error:
                os.close(fd)
                raise StorageError(f"cannot lock {self.path}: {error.strerror}") from error
            if _is_at(fd, self.path):
                return fd
            os.close(fd)
        raise StorageError(f"cannot lock {self.path}: it is replaced again and again by another program")


@contextmanager
def directory_lock(path: str) -> Iterator[None]:
    """Hold an flock on a directory itself, by whatever name it is reached; nothing when it does not exist.

    Raises: InUse; StorageError when it cannot be opened.
    """
    with ExitStack() as opened:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, fd)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            pass  # whoever makes it has a lock beside it
        except BlockingIOError:
            raise InUse(f"{path} is in use by another process, perhaps under another name") from None
        except OSError as error:
            raise StorageError(f"cannot lock {path}: {error.strerror}") from error
        yield


class PidFile(lockfile.LockBase):  # type: ignore[misc, unused-ignore]
    """The pid file of the daemon, locked for its whole life; what DaemonContext wants as `pidfile`.

    Removed at release, so that a stopped daemon leaves none; where the directory does not allow that it stays, empty.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, threaded=False)
        self._lock = FileLock(path)

    def acquire(self, timeout: float | None = None) -> None:
        """Lock it for the calling process and write its pid; never waits, whatever `timeout`. Raises: as FileLock."""
        self._lock.acquire()

    def release(self) -> None:
        """Remove the file and free the lock; nothing when it is not held."""
        self._lock.release(remove=True)

    def is_locked(self) -> bool:
        """Does a running process hold it?"""
        return holder_state(self.path) is Holder.RUNNING

    def i_am_locking(self) -> bool:
        """Does this object in this process hold it?"""
        return self._lock.held


def read(path: str) -> tuple[int, float] | None:
    """Return (pid, start time of that process as `process_start_time` gives it), or None when the file names nobody.

    Raises: StorageError when the file is there and cannot be read, or is no plain file.
    """
    try:
        fd = _open_plain(path, os.O_RDONLY, create=False)
    except FileNotFoundError:
        return None
    with os.fdopen(fd, "rb") as file:
        lines = file.read(256).split(b"\n")
    try:
        pid, started = int(lines[0]), float(lines[1])
    except (ValueError, IndexError):
        return None
    return (pid, started) if pid > 0 else None


def holder_state(path: str) -> Holder:
    """Tell whether the process named in the file runs, without touching the lock: probing it could fail a start.

    Raises: as `read`.
    """
    named = read(path)
    if named is None:
        return Holder.ABSENT
    return Holder.RUNNING if _runs(*named) else Holder.DEAD


def _runs(pid: int, started: float) -> bool:
    """Is it that very process, and not a later one with its number?"""
    found = process_start_time(pid)
    return found is not None and abs(found - started) < SAME_START_SECS


def _describe_holder(path: str) -> str:
    """Name who holds the lock, as far as the file tells."""
    named = read(path)
    if named is None or not _runs(*named):  # it has not come to writing its name yet, or is not of ours
        return "another process"
    # Not by its command line: messages go to logs and mails, and a password may stand there.
    return f"process {named[0]}; see ps -fp {named[0]}"


def _open_plain(path: str, flags: int, *, create: bool) -> int:
    """Open a file that must be a plain one: no symlink planted at the path is followed, no device, no hard link.

    Raises: FileNotFoundError when it is not there (with `create`: removed at that moment); StorageError otherwise.
    """
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # NONBLOCK: reading a FIFO would wait for its writer
    try:
        try:
            fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, MODE) if create else os.open(path, flags)
            if create:
                os.fchmod(fd, MODE)
        except FileExistsError:
            fd = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = "it is a symbolic link, remove it" if error.errno == errno.ELOOP else error.strerror
        raise StorageError(f"cannot open lock file {path}: {reason}") from error
    found = os.fstat(fd)
    # No name at all is the race that `_is_at` sees. A second name means that writing here changes another file.
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(fd)
        raise StorageError(f"cannot open lock file {path}: it is no plain file, or has a second name; remove it")
    return fd


def _is_at(fd: int, path: str) -> bool:
    """Is the open file the one that lies at the path now?"""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


def _write_holder(fd: int) -> None:
    """Replace the content by this process. A reader at any moment finds two whole lines first."""
    text = f"{os.getpid()}\n{process_start_time(os.getpid())}\n".encode()
    os.pwrite(fd, text, 0)
    os.ftruncate(fd, len(text))
