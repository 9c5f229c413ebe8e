"""The compressed copies of LOCAL: one for each day of the week, or the newest ones.

A copy is written under a hidden temporary name, synced, read back, and renamed; only then do the older ones go. So at
any moment, kill or power cut included, all that were kept before are whole and there, or a newer one is. What a kill
leaves behind, the next copy of the same directory clears away: a lock on the file tells it from one being written.

A copy holds what is private in LOCAL, so only its owner may read it (mode 0600), whatever the umask.

Must not: remove anything but copies of this very directory. The name has to tell it, and where a copy made by this
program says that it is of another directory of the same name, that counts.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ftpretrieve.errors import StorageError
from ftpretrieve.files import Door
from ftpretrieve.mirror.archive import origin_of, pack, verify
from ftpretrieve.mirror.copies import copy_name, is_backup_of, moments_of, partial_name, superseded

MADE_WITHIN = timedelta(hours=36)
"""How far the times in name and file of one copy may be apart: hours to write it, and another zone."""

_DOOR = Door()


@dataclass(frozen=True, slots=True)
class BackupResult:
    """The copy that was made, the older ones that went for it, and what a reader should know, a line each."""

    created: Path
    removed: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def backup(local: Path, directory: Path, *, now: datetime, keep: int | None = None, door: Door = _DOOR) -> BackupResult:
    """Make a copy of `local` (absolute) in `directory`, then remove those that it supersedes.

    `now`: local time. `keep`: that many of the newest stay, with the new one; None: one for each day of the week.
    Raises: StorageError when there is no whole copy; then everything is as before.
    """
    created = directory / copy_name(local.name, now)
    _check_place(local, created)
    try:
        with _partial(directory / partial_name(local.name), door) as fd:
            packed = pack(local, fd)
            door.sync_file(fd, os.fsencode(created))
            verify(fd, packed)
            door.rename(os.fsencode(directory / partial_name(local.name)), os.fsencode(created))
        door.sync_directory(os.fsencode(directory))
    except (OSError, StorageError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StorageError(f"no compressed copy was made in {directory}: {reason}; the older ones are kept") from error
    notes = [f"not in the copy: {line}" for line in packed.left_out]
    older = superseded(_older(local, created, notes), now, keep)
    return BackupResult(created, _rotate(older, directory, door, notes), tuple(notes))


def _check_place(local: Path, created: Path) -> None:
    directory = created.parent
    if not directory.is_dir():  # it may be on a volume that is not mounted, and must not be made then
        raise StorageError(f"{directory} does not exist, so no compressed copy is kept there; create or mount it")
    if Path(os.path.realpath(directory)).is_relative_to(os.path.realpath(local)):
        raise StorageError(f"{directory} lies in {local}: compressed copies must be kept outside of it")
    if os.path.lexists(created) and not _is_ours(created, local):
        raise StorageError(f"{created} is not a copy of {local} and will not be replaced; move it away")


@contextmanager
def _partial(path: Path, door: Door) -> Iterator[int]:
    """Yield an open new file of this name, which is removed when the block fails."""
    _clear(path, door)
    fd = door.create(os.fsencode(path))
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.lstat(path), os.fstat(fd)):  # taken for a leftover before it was locked
            raise StorageError(f"another process is writing {path}")
        try:
            yield fd
        except BaseException:
            with suppress(OSError):  # gone already, or the disk is: the next copy clears it away
                door.remove(os.fsencode(path))
            raise
    finally:
        os.close(fd)


def _clear(path: Path, door: Door) -> None:
    """Remove what a killed process left. Raises: StorageError when a living one is writing it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        door.remove(os.fsencode(path))
    except BlockingIOError:
        raise StorageError(f"another process is writing {path}") from None
    finally:
        os.close(fd)


def _older(local: Path, created: Path, notes: list[str]) -> list[tuple[str, datetime]]:
    """Return the other copies and when each was made. Those of which that is unknown become a note."""
    dated, undated = [], []
    try:
        names = os.listdir(created.parent)
    except OSError as error:
        notes.append(f"cannot look for older copies in {created.parent}: {error.strerror}")
        return []
    for name in names:
        path = created.parent / name
        if name == created.name or not is_backup_of(local.name, name) or not _is_ours(path, local):
            continue
        moment = _moment_of(path, local.name)
        if moment is None:
            undated.append(name)
        else:
            dated.append((name, moment))
    if undated:
        notes.append(f"older copies of unknown date stay: {len(undated)}, such as {min(undated)}")
    return dated


def _rotate(older: list[str], directory: Path, door: Door, notes: list[str]) -> tuple[Path, ...]:
    """Remove these copies, and return them. What cannot be removed becomes a note."""
    removed = []
    for path in map(directory.joinpath, older):
        try:
            door.remove(os.fsencode(path))
            removed.append(path)
        except OSError as error:
            notes.append(f"cannot remove the older copy {path}: {error.strerror}")
    return tuple(removed)


def _is_ours(path: Path, local: Path) -> bool:
    """Return whether a file with the name of a copy is one of this directory. Older programs did not write which."""
    try:
        is_file = stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:  # another process removed it since it was listed
        return False
    return is_file and origin_of(path) in (None, local.as_uri())


def _moment_of(path: Path, name: str) -> datetime | None:
    """Return when a copy was made; where the month is ambiguous, the time of the file decides."""
    moments = moments_of(name, path.name)
    if len(moments) == 1:
        return moments[0]
    try:
        written = datetime.fromtimestamp(path.lstat().st_mtime)  # noqa: DTZ006 - names are in local time
    except FileNotFoundError:
        return None
    near = [moment for moment in moments if abs(moment - written) <= MADE_WITHIN]
    return near[0] if len(near) == 1 else None
