"""The one door to the disk for everything that exactly-once rests upon.

Each method makes one change and returns when the system call has. A test hands in another door that records the order,
fails at a step, or stops there; the product has only this one. It must not decide anything: what is done in which order
is the business of those who call it.
"""

import os
import sqlite3


class Door:
    """The changes on disk, one method each. Paths are bytes and absolute; errors are OSError and sqlite3.Error."""

    def make_directory(self, path: bytes, mode: int = 0o755, *, parent_fd: int | None = None) -> None:
        """Create one directory; with `parent_fd`, as the last part of `path` below that open directory."""
        os.mkdir(path if parent_fd is None else os.path.basename(path), mode, dir_fd=parent_fd)

    def create(self, path: bytes) -> int:
        """Create a file that did not exist and return its descriptor, open for writing and reading."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def sync_file(self, fd: int, path: bytes) -> None:
        """Make the bytes of an open file durable. `path` is its name, for those who watch."""
        os.fsync(fd)

    def sync_directory(self, path: bytes, *, fd: int | None = None) -> None:
        """Make the entries of a directory durable."""
        if fd is not None:
            os.fsync(fd)
            return
        opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

    def rename(self, source: bytes, target: bytes, *, target_fd: int | None = None) -> None:
        """Rename atomically; with `target_fd`, to the last part of `target` below that open directory."""
        os.rename(source, target if target_fd is None else os.path.basename(target), dst_dir_fd=target_fd)

    def remove(self, path: bytes) -> None:
        """Remove one file."""
        os.unlink(path)

    def remove_directory(self, path: bytes) -> None:
        """Remove one empty directory."""
        os.rmdir(path)

    def commit(self, db: sqlite3.Connection, durable: bool) -> None:
        """Commit the open transaction. `durable` names what the connection's `synchronous` was set to beforehand."""
        db.execute("COMMIT")
