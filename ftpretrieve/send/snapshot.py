"""What a directory holds at one time, of that which rsync sends of it, and what has changed since.

The rules are those of `rsync --recursive --times --one-file-system --exclude=lost+found` (measured with 3.5.0: nothing
of that name is sent, be it a file or a directory; links, devices, pipes and sockets are passed over; of a file system
that is mounted below the directory only the empty mount point would go, and here not even that).
Must not: open a file, or follow a link below the directory.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ftpretrieve.errors import StorageError
from ftpretrieve.escapes import escape
from ftpretrieve.send.records import SeenFile, Snapshot

EXCLUDED = "lost+found"

NOT_SENT = {
    stat.S_IFLNK: "it is a symbolic link",
    stat.S_IFIFO: "it is a named pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
}

SHOWN = 5
"""So many names stand in an error; the rest is counted."""


def take(directory: str) -> Snapshot:
    """Return what would be sent of a directory now. What vanishes meanwhile is not in it.

    Raises: StorageError when it is no directory, or when something in it cannot be read, with the first names.
    """
    try:
        status = os.stat(directory)
        walk = _Walk(directory, status.st_dev)
        if not stat.S_ISDIR(status.st_mode):
            raise StorageError(f"cannot send {escape(directory)}: it is no directory")
        walk.all()
    except OSError as error:
        raise StorageError(f"cannot send {escape(directory)}: {error.strerror}") from error
    if walk.unreadable:
        names = first_of([path or "." for path in sorted(walk.unreadable)])
        raise StorageError(
            f"cannot read {len(walk.unreadable)} of what is in {escape(directory)}: {names}; give this user the "
            "right to read it (a directory also that to enter it), or move it elsewhere"
        )
    files = sorted(walk.files, key=lambda file: file.path)
    return Snapshot(tuple(files), tuple(sorted(walk.empty)), tuple(sorted(walk.left_out)))


@dataclass(slots=True)
class _Walk:
    """Goes through a directory without recursion, however deep it is."""

    root: str
    device: int
    files: list[SeenFile] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def all(self) -> None:
        waiting = [""]
        while waiting:
            directory = waiting.pop()
            files_before = len(self.files)
            try:
                with os.scandir(os.path.join(self.root, directory)) as found:
                    below = list(self._look(directory, found))
            except (FileNotFoundError, NotADirectoryError):
                continue  # it vanished, or became something else
            except OSError:
                self.unreadable.append(directory)
                continue
            if directory and not below and len(self.files) == files_before:
                self.empty.append(directory)
            waiting += below

    def _look(self, directory: str, found: Iterator[os.DirEntry[str]]) -> Iterator[str]:
        """Note the files of a directory, and yield the directories."""
        for item in found:
            path = f"{directory}/{item.name}" if directory else item.name
            try:
                status = item.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError:
                self.unreadable.append(path)
                continue
            is_directory = stat.S_ISDIR(status.st_mode)
            if item.name == EXCLUDED:
                self.left_out.append((path, "nothing of that name is sent"))
            elif is_directory and status.st_dev != self.device:  # a file may differ, as rsync has it
                self.left_out.append((path, "it is another file system"))
            elif reason := NOT_SENT.get(stat.S_IFMT(status.st_mode)):
                self.left_out.append((path, reason))
            elif not os.access(item.path, os.R_OK | (os.X_OK if is_directory else 0), effective_ids=True):
                if os.path.lexists(item.path):
                    self.unreadable.append(path)
            elif is_directory:
                yield path
            else:
                self.files.append(SeenFile(path, status.st_size, status.st_mtime_ns))


def first_of(paths: Sequence[str]) -> str:
    """Return the first paths, for an error, and how many more there are."""
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(map(escape, paths[:SHOWN])) + more


def differences(before: Snapshot, after: Snapshot, limit: int = 20) -> list[str]:
    """Return a line for each path that is not as it was, in order, and how many more there are than `limit`."""
    old, new = ({file.path: file for file in snapshot.files} for snapshot in (before, after))
    lines = {path: _change(old.get(path), new.get(path)) for path in old.keys() | new.keys()}
    # A directory that is empty now because its files went, or not any more since some came, is told of by these.
    lines |= dict.fromkeys((f"{path}/" for path in set(after.empty_directories) - _directories(before)), "is new")
    lines |= dict.fromkeys((f"{path}/" for path in set(before.empty_directories) - _directories(after)), "is gone")
    changed = [f"{escape(path)}: {what}" for path, what in sorted(lines.items()) if what]
    return changed if len(changed) <= limit else [*changed[:limit], f"and {len(changed) - limit} more"]


def _change(old: SeenFile | None, new: SeenFile | None) -> str:
    if old is None:
        return "is new"
    if new is None:
        return "is gone"
    if old.size != new.size:
        return f"has {new.size} bytes, had {old.size}"
    return "has another time" if old.mtime_ns != new.mtime_ns else ""


def _directories(snapshot: Snapshot) -> set[str]:
    """Return all directories that a snapshot tells of."""
    found = set(snapshot.empty_directories)
    for path in (*(file.path for file in snapshot.files), *snapshot.empty_directories):
        while (path := path.rpartition("/")[0]) and path not in found:
            found.add(path)
    return found
