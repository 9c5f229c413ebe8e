"""The disk space that a mirrored directory takes, with its compressed copies and its log.

Sizes are those of the files (`ls -l`, `du --apparent-size`), not of the blocks behind them: the same on every file
system, and to be compared with the reports of many years. ZFS, for one, shows no blocks yet of what was just written.
Directories themselves count nothing. Must not: follow links below LOCAL, or change anything.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ftpretrieve.mirror.copies import is_backup_of


def space_used(local: Path, backups: Path, log: Path) -> int:
    """Return the size of everything in `local`, of its copies in `backups`, and of the log, once per file.

    A file of several names (hard links) counts once. What cannot be read, or vanishes meanwhile, counts nothing.
    Units: bytes.
    """
    total = 0
    seen: set[tuple[int, int]] = set()
    for status in _statuses(local, backups, log):
        if status.st_nlink > 1:  # others are met once, and would fill the memory
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
        total += status.st_size
    return total


def _statuses(local: Path, backups: Path, log: Path) -> Iterator[os.stat_result]:
    yield from _in_tree(os.fspath(local))
    for path, status in _entries(os.fspath(backups)):
        if is_backup_of(local.name, os.path.basename(path)) and stat.S_ISREG(status.st_mode):
            yield status
    with suppress(OSError):  # there may be no log
        yield log.lstat()


def _in_tree(root: str) -> Iterator[os.stat_result]:
    """Yield what is not a directory, at any depth."""
    pending = [root]
    while pending:
        for path, status in _entries(pending.pop()):
            if stat.S_ISDIR(status.st_mode):
                pending.append(path)
            else:
                yield status


def _entries(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    yield entry.path, entry.stat(follow_symlinks=False)
                except OSError:  # vanished
                    continue
    except OSError:  # vanished, or closed to us
        return
