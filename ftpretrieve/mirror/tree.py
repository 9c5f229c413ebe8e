"""The local directory: what is in it, and the removal of exactly those paths that nothing has touched since.

Every step of a path is opened without following links, so that a directory which was replaced by a link leads nowhere
else. Here it is also told which files are a mirror's own (`is_ours`). Must not: remove anything that is not as it was
seen, or decide what is to be removed.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ftpretrieve.errors import StorageError
from ftpretrieve.mirror.copies import is_backup
from ftpretrieve.mirror.records import Entry, Kind, Tree

_BREAK = re.compile(r"[\r\n]")

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Near:
    """The local directory as one side of a mirror; `remote.Far` is the other, and has `look` and `remove` too."""

    local: Path

    def tree(self) -> Tree:
        """Return what is below it, links not followed; empty when it does not exist.

        Raises: StorageError when a directory cannot be read: half a snapshot would be taken for the whole.
        """
        tree: dict[str, Entry] = {}
        waiting = [""]
        while waiting:
            directory = waiting.pop()
            try:
                found = self._list(directory)
            except FileNotFoundError:
                continue  # gone since its parent was read, or never there
            except OSError as error:
                raise StorageError(f"cannot read {self.local / directory}: {error.strerror}") from error
            tree |= found
            waiting += [path for path, entry in found.items() if entry.kind is Kind.DIRECTORY]
        return tree

    def _list(self, directory: str) -> dict[str, Entry]:
        with os.scandir(self.local / directory) as found:
            prefix = f"{directory}/" if directory else ""
            return {prefix + item.name: _entry(item.stat(follow_symlinks=False)) for item in found}

    def look(self, paths: Iterable[str]) -> Tree:
        """Return what is at some paths now; those that are gone are left out."""
        seen = {}
        for path in paths:
            try:
                seen[path] = _entry(os.lstat(self.local / path))
            except OSError:
                continue  # gone, or its directory is: whoever asked reports it as missing
        return seen

    def unsendable(self, *, links: bool) -> list[str]:
        """Return what an upload by lines leaves out: what follows a line break would be a command of its own.

        Raises: StorageError for a link whose text has one, when `links` are uploaded, for they cannot be left out; and
        when a directory cannot be read.
        """
        tree = self.tree()
        for path, entry in tree.items() if links else ():
            with suppress(OSError):  # no link any more
                if entry.kind is Kind.LINK and _BREAK.search(os.readlink(self.local / path)):
                    raise StorageError(
                        f"{path}: the text of this link has a line break in it, which would be a second command to the "
                        "server; nothing was uploaded, remove it or give --no-symlinks"
                    )
        names = [path for path in tree if _BREAK.search(path.rpartition("/")[2])]
        return [f"{path}: left out, for the line break in its name would begin a second command" for path in names]

    def remove(self, removals: Sequence[tuple[str, Entry]]) -> tuple[list[str], list[str]]:
        """Remove each path that still is what was seen, in this order; return which went, and why others stayed."""
        removed: list[str] = []
        problems: list[str] = []
        for path, seen in removals:
            if seen.kind is Kind.OTHER:
                problems.append(f"{path}: kept, it is neither file, directory nor link")
                continue
            try:
                with _parent(self.local, path) as parent:
                    _remove(parent, path.rpartition("/")[2], seen)
                removed.append(path)
            except FileNotFoundError:
                continue  # somebody else removed it: nothing is left to do, and nothing to count
            except _Changed:
                problems.append(f"{path}: kept, it has changed since the plan was made")
            except OSError as error:
                problems.append(f"{path}: cannot be deleted: {error.strerror}")
        return removed, problems


LOG_NAME = "lftp_mirror.log"
"""The log of all jobs whose LOCAL is in one directory, in that directory, under the name it has always had."""


def lock_name(local: Path) -> str:
    """Return the name of the file that keeps a second run off a directory, beside it."""
    return f".{local.name}.lftp-mirror.lock"


def is_ours(path: str) -> bool:
    """Return whether a path is a log, lock or copy of a mirror: LOCAL of one job may lie in that of another."""
    name = path.rpartition("/")[2]
    return name == LOG_NAME or (name.startswith(".") and name.endswith(".lftp-mirror.lock")) or is_backup(name)


class _Changed(Exception):
    """What lies at a path is not what the plan was made from."""


def _remove(parent: int, name: str, seen: Entry) -> None:
    if _entry(os.stat(name, dir_fd=parent, follow_symlinks=False)) != seen:
        raise _Changed
    if seen.kind is Kind.DIRECTORY:
        os.rmdir(name, dir_fd=parent)
    else:
        os.unlink(name, dir_fd=parent)


@contextmanager
def _parent(local: Path, path: str) -> Iterator[int]:
    """Open the directory that holds a path, each step of it without following links."""
    opened = os.open(local, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # LOCAL itself may well be a link
    try:
        for step in path.split("/")[:-1]:
            below = os.open(step, _DIRECTORY, dir_fd=opened)
            os.close(opened)
            opened = below
        yield opened
    finally:
        os.close(opened)


def _entry(status: os.stat_result) -> Entry:
    kind = _KINDS.get(stat.S_IFMT(status.st_mode), Kind.OTHER)
    if kind is Kind.DIRECTORY:
        return Entry(kind)
    return Entry(kind, status.st_size, status.st_mtime_ns)


_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.LINK}
