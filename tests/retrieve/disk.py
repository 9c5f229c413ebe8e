"""What a power cut leaves of a recorded run: the disk as it may be after any prefix of the record.

`RecordingDoor` does what the product's door does and notes each change with what it needs to be made again.
`surviving` plays a prefix of the record on a model and yields the disks that the cut may leave: changes of names that
no directory sync followed, bytes that no file sync followed, and commits that were not durable may each be there or
not. Assumed, as file systems with a journal do: a rename happens wholly or not at all, and the sync of the directory it
went to makes it last. `Disk.write` makes such a disk real.
"""

import itertools
import os
import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.retrieve.doors import StopDoor

ALL_COMBINATIONS_UP_TO = 6
"""Of more undecided changes are tried: none, all, each alone kept, each alone lost, and some at random."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the record. `inode` tells files with the same name apart; `data` is a file's or the database's."""

    verb: str
    path: bytes = b""
    target: bytes = b""
    inode: int = 0
    data: bytes = b""
    durable: bool = False


class RecordingDoor(StopDoor):
    """Does everything and writes it down."""

    def __init__(self, changes: int = 1 << 60) -> None:
        super().__init__(changes)
        self.record: list[Change] = []
        self._db: sqlite3.Connection | None = None
        self._changes = 0

    def make_directory(self, path: bytes, mode: int = 0o755, *, parent_fd: int | None = None) -> None:
        super().make_directory(path, mode, parent_fd=parent_fd)
        self.record.append(Change("mkdir", path))

    def create(self, path: bytes) -> int:
        fd = super().create(path)
        self.record.append(Change("create", path, inode=os.fstat(fd).st_ino))
        return fd

    def sync_file(self, fd: int, path: bytes) -> None:
        super().sync_file(fd, path)
        status = os.fstat(fd)
        self.record.append(Change("sync-file", path, inode=status.st_ino, data=os.pread(fd, status.st_size, 0)))

    def sync_directory(self, path: bytes, *, fd: int | None = None) -> None:
        super().sync_directory(path, fd=fd)
        self.record.append(Change("sync-directory", os.path.normpath(path)))

    def rename(self, source: bytes, target: bytes, *, target_fd: int | None = None) -> None:
        super().rename(source, target, target_fd=target_fd)
        self.record.append(Change("rename", source, target, inode=os.stat(target).st_ino))

    def remove(self, path: bytes) -> None:
        inode = os.stat(path).st_ino
        super().remove(path)
        self.record.append(Change("remove", path, inode=inode))

    def remove_directory(self, path: bytes) -> None:
        super().remove_directory(path)
        self.record.append(Change("rmdir", path))

    def commit(self, db: sqlite3.Connection, durable: bool) -> None:
        super().commit(db, durable)
        # SQLite syncs nothing for a transaction that changed nothing (measured).
        before = self._changes if db is self._db else 0
        self._db, self._changes = db, db.total_changes
        durable = durable and db.total_changes > before
        self.record.append(Change("commit", data=db.serialize(), durable=durable))


@dataclass
class Disk:
    """Names, bytes and database that a power cut left. A directory is known by its path; a file is its inode."""

    directories: set[bytes] = field(default_factory=set)
    files: dict[bytes, int] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)
    database: bytes | None = None

    def write(self, database: Path) -> None:
        """Make it real. The journal gets the numbers that the files have now."""
        for directory in sorted(self.directories, key=len):
            os.makedirs(directory, exist_ok=True)
        numbers: dict[int, int] = {}
        for path, inode in self.files.items():
            if os.path.dirname(path) in self.directories:
                with open(path, "wb") as file:
                    file.write(self.data.get(inode, b""))
                    numbers[inode] = os.fstat(file.fileno()).st_ino
        if self.database is None:
            return
        database.write_bytes(self.database)
        with sqlite3.connect(database) as db:
            for inode, staged in db.execute("SELECT inode, staged FROM files WHERE state = 'staged'").fetchall():
                db.execute("UPDATE files SET inode = ? WHERE staged = ?", (numbers.get(inode, -1), staged))
        db.close()


def surviving(
    record: Sequence[Change], base: Sequence[bytes], dice: random.Random, random_ones: int = 6
) -> Iterator[Disk]:
    """Yield the disks that a power cut after this record may leave. `base`: the directories that were always there."""
    names = [
        index for index, change in enumerate(record) if change.verb in ("mkdir", "create", "rename", "remove", "rmdir")
    ]
    undecided = [index for index in names if not is_durable(record, index)]
    commits = _commits(record)
    for lost in _subsets(undecided, dice, random_ones):
        for database in commits:
            for with_bytes in (True, False):
                disk = _play(record, set(lost), base, with_bytes=with_bytes)
                disk.database = database
                yield disk
                if all(inode in _synced(record) for inode in disk.files.values()):
                    break


def is_durable(record: Sequence[Change], index: int) -> bool:
    """Say whether a change of names was followed by a sync of its directory; a rename's is the one it went to."""
    directory = os.path.dirname(record[index].target or record[index].path)
    return any(later.verb == "sync-directory" and later.path == directory for later in record[index + 1 :])


def _commits(record: Sequence[Change]) -> list[bytes | None]:
    """Return the states of the database that may be there: the last durable one and all after it."""
    found: list[bytes | None] = [None]
    for change in record:
        if change.verb == "commit":
            found = [change.data] if change.durable else [*found, change.data]
    return [found[0], *([found[-1]] if len(found) > 1 else []), *(found[1:-1][:1])]


def _subsets(undecided: Sequence[int], dice: random.Random, random_ones: int) -> Iterator[tuple[int, ...]]:
    if len(undecided) <= ALL_COMBINATIONS_UP_TO:
        for size in range(len(undecided) + 1):
            yield from itertools.combinations(undecided, size)
        return
    yield ()
    yield tuple(undecided)
    for one in undecided:
        yield (one,)
        yield tuple(index for index in undecided if index != one)
    for _ in range(random_ones):
        yield tuple(index for index in undecided if dice.random() < 0.5)


def _synced(record: Sequence[Change]) -> set[int]:
    return {change.inode for change in record if change.verb == "sync-file"}


def _play(record: Sequence[Change], lost: set[int], base: Sequence[bytes], *, with_bytes: bool) -> Disk:
    disk = Disk(set(base))
    for index, change in enumerate(record):
        if change.verb == "sync-file":
            disk.data[change.inode] = change.data
        elif index not in lost:
            _apply(disk, change)
    if with_bytes:
        synced = _synced(record)
        disk.data.update({inode: b"never synced" for inode in disk.files.values() if inode not in synced})
    _drop_orphans(disk, set(base))
    return disk


def _apply(disk: Disk, change: Change) -> None:
    if change.verb == "mkdir":
        disk.directories.add(change.path)
    elif change.verb == "create":
        disk.files[change.path] = change.inode
    elif change.verb == "rename":
        disk.files = {path: inode for path, inode in disk.files.items() if inode != change.inode}
        disk.files[change.target] = change.inode
    elif change.verb == "remove":
        if disk.files.get(change.path) == change.inode:
            del disk.files[change.path]
    elif change.verb == "taken":  # of no effect where the rename that let the consumer see the file is lost
        disk.files = {path: inode for path, inode in disk.files.items() if (path, inode) != (change.path, change.inode)}
    elif change.verb == "rmdir" and not any(path.startswith(change.path + b"/") for path in disk.files):
        disk.directories.discard(change.path)


def _drop_orphans(disk: Disk, base: set[bytes]) -> None:
    """What lies in a directory that is not there is lost with it."""
    while gone := {path for path in disk.directories - base if os.path.dirname(path) not in disk.directories}:
        disk.directories -= gone
    disk.files = {path: inode for path, inode in disk.files.items() if os.path.dirname(path) in disk.directories}
