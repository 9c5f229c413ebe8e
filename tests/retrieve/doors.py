"""A door that stops: every change that exactly-once rests upon goes through one, so a test can end it anywhere."""

import sqlite3

from ftpretrieve.files import Door


class Killed(BaseException):
    """The process is gone. Not an Exception: nothing in the product may catch it and go on."""


class StopDoor(Door):
    """Lets a number of changes through and then none: the process was killed before the next one."""

    def __init__(self, changes: int = 1 << 60) -> None:
        self.did = 0
        self.revive(changes)

    def revive(self, changes: int = 1 << 60) -> None:
        """Be the door of the next process."""
        self.left = changes
        self.dead = False

    def _step(self) -> None:
        self.dead = self.dead or self.left <= 0
        if self.dead:
            raise Killed
        self.left -= 1
        self.did += 1

    def make_directory(self, path: bytes, mode: int = 0o755, *, parent_fd: int | None = None) -> None:
        self._step()
        super().make_directory(path, mode, parent_fd=parent_fd)

    def create(self, path: bytes) -> int:
        self._step()
        return super().create(path)

    def sync_file(self, fd: int, path: bytes) -> None:
        self._step()
        super().sync_file(fd, path)

    def sync_directory(self, path: bytes, *, fd: int | None = None) -> None:
        self._step()
        super().sync_directory(path, fd=fd)

    def rename(self, source: bytes, target: bytes, *, target_fd: int | None = None) -> None:
        self._step()
        super().rename(source, target, target_fd=target_fd)

    def remove(self, path: bytes) -> None:
        self._step()
        super().remove(path)

    def remove_directory(self, path: bytes) -> None:
        self._step()
        super().remove_directory(path)

    def commit(self, db: sqlite3.Connection, durable: bool) -> None:
        self._step()
        super().commit(db, durable)
