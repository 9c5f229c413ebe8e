"""What is remembered of each transaction from before its first byte on: one file, `<ID>.json`, in one directory.

Each file is replaced whole, so a program that was killed at any moment finds the transaction as it was or as it is. A
file that cannot be read, or was written by a version that means something else by it, harms no other transaction, is
never written to, and its id stays taken. Must not: decide what is to be sent.
"""

import hashlib
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict
from dataclasses import replace as altered
from pathlib import Path
from typing import Any

from ftpretrieve.errors import FtpRetrieveError, InUse, StorageError
from ftpretrieve.files import Door
from ftpretrieve.lock import FileLock, Holder, holder_state
from ftpretrieve.send import durable
from ftpretrieve.send.records import ID_FORM, MOVES, Intent, SeenFile, Snapshot, State

VERSION = 1
"""Of the files. To be raised with any change of their keys, or of what these mean."""

_DIGEST = re.compile(r"[0-9a-f]{64}")

_TYPES: dict[str, tuple[type, ...]] = {
    "id": (str,), "node": (str,), "directory": (str,), "data_type": (str,), "started": (int, float),
    "size_gb": (int, float), "digest": (str,), "files": (int,), "total_bytes": (int,), "state": (str,),
    "snapshot": (dict, type(None)), "server": (str,),
}  # fmt: skip


class _OtherVersion(Exception):
    """A file is not of VERSION; the argument is what it is of."""


class Intents:
    """The transactions remembered in a directory. `wait` pauses for so many seconds while another process writes."""

    def __init__(
        self, directory: Path, *, door: Door | None = None, wait: Callable[[float], object] = time.sleep
    ) -> None:
        self.directory = directory
        self._door = door or Door()
        self._wait = wait

    def write(self, intent: Intent) -> None:
        """Remember a new transaction, durably. Raises: FtpRetrieveError if its id is taken; InUse; StorageError."""
        self._make()
        with self._locked():
            if intent.id in self.ids():
                raise FtpRetrieveError(f"transaction {intent.id} exists already: {self._path(intent.id)}")
            self._put(intent)

    def move(self, intent: Intent, state: State) -> Intent:
        """Give a transaction a new state, durably, and return it; nothing if another process has just done so.

        Raises: FtpRetrieveError for a move that there is not; InUse; StorageError.
        """
        self._make()
        with self._locked():
            now = self.get(intent.id) or intent
            if now.state is state and state in MOVES[intent.state]:
                return now
            if state not in MOVES[now.state]:
                raise FtpRetrieveError(f"transaction {now.id} is {now.state} and cannot become {state}")
            moved = altered(now, state=state, snapshot=None)
            self._put(moved)
            return moved

    def get(self, transaction_id: str) -> Intent | None:
        """Return one transaction, None if it is not known.

        Raises: FtpRetrieveError for what can be no id; StorageError for a file that is damaged, of another version, or
        cannot be read.
        """
        path = self._path(transaction_id)
        data = durable.read(path)
        if data is None:
            return None
        try:
            return _parse(data, transaction_id)
        except (ValueError, RecursionError) as error:
            raise StorageError(
                f"{path} is damaged ({error}), so what became of transaction {transaction_id} is not known here: put "
                "back a copy of the file, or ask the data centre about the transaction and then remove the file"
            ) from error
        except _OtherVersion as other:
            raise StorageError(
                f"{path} was written by another version of ftpretrieve (version {other}, this one reads {VERSION}), so "
                f"what became of transaction {transaction_id} is not known here: use that version again, or ask the "
                "data centre about the transaction and then remove the file"
            ) from other

    def latest(self, directory: str, alike: Callable[[Intent], bool] = lambda _: True) -> Intent | None:
        """Return the newest unfinished transaction of a directory, or else the newest of those that are `alike`.

        By whatever name the directory is reached. One that was given up does not count, and one whose file is damaged
        is not seen. Raises: StorageError.
        """
        real = os.path.realpath(directory)
        found = [
            intent
            for intent in self._readable()
            if intent.state is not State.ABANDONED
            and os.path.realpath(intent.directory) == real
            and (intent.state is State.SENDING or alike(intent))
        ]
        return max(found, key=lambda intent: (intent.state is State.SENDING, intent.started, intent.id), default=None)

    def all(self) -> tuple[Intent, ...]:
        """Return all that can be read, oldest first."""
        return tuple(sorted(self._readable(), key=lambda intent: (intent.started, intent.id)))

    def unfinished(self) -> tuple[Intent, ...]:
        """Return all that were begun and not completed, oldest first."""
        return tuple(intent for intent in self.all() if intent.state is State.SENDING)

    def under_way(self, besides: str) -> tuple[Intent, ...]:
        """Return the unfinished that processes are at work on now, but for that of one directory. Raises: StorageError.

        Nobody is disturbed by that: the locks are not touched, only read.
        """
        own = self._lock_path(besides)
        waiting = ((intent, self._lock_path(intent.directory)) for intent in self.unfinished())
        return tuple(intent for intent, lock in waiting if lock != own and holder_state(lock) is Holder.RUNNING)

    def ids(self) -> set[str]:
        """Return the ids that are taken, those of damaged files too. Raises: StorageError."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise StorageError(f"cannot read {self.directory}: {error.strerror}") from error
        return {name.removesuffix(".json") for name in names if name.endswith(".json") and ID_FORM.fullmatch(name[:-5])}

    def damaged(self) -> list[str]:
        """Return a sentence for each transaction that cannot be read."""
        found = []
        for transaction_id in sorted(self.ids()):
            try:
                self.get(transaction_id)
            except StorageError as error:
                found.append(str(error))
        return found

    @contextmanager
    def working(self, directory: str) -> Iterator[None]:
        """Hold the lock of a directory that is to be sent, by whatever name it is reached.

        It may be gone: a transaction that only has to be noted as complete does not need it any more.
        Raises: InUse naming who is at work on it; StorageError.
        """
        self._make()
        lock = FileLock(self._lock_path(directory))
        try:
            lock.acquire()
        except InUse as error:
            raise InUse(f"{directory} is being sent by another process: {error}") from error
        try:
            yield
        finally:
            lock.release(remove=True)  # one file for each directory there ever was would be litter

    def _make(self) -> None:
        """Make the directory, for its user alone."""
        if os.path.isdir(self.directory):
            return
        durable.ensure_directory(self.directory.parent)
        with suppress(FileExistsError):  # another process was faster
            path = os.fsencode(self.directory)
            try:
                self._door.make_directory(path, 0o700)
                self._door.sync_directory(os.path.dirname(path))
            except FileExistsError:
                raise
            except OSError as error:
                raise StorageError(f"cannot make {self.directory}: {error.strerror}") from error

    def _locked(self) -> AbstractContextManager[None]:
        return durable.locked(str(self.directory / "lock"), self._wait)

    def _lock_path(self, directory: str) -> str:
        return str(self.directory / f"{_identity(directory)}.lock")

    def _path(self, transaction_id: str) -> Path:
        if not ID_FORM.fullmatch(transaction_id):
            raise FtpRetrieveError(
                f"{transaction_id!r} is no transaction identifier: that is 1 to 16 letters and digits"
            )
        return self.directory / f"{transaction_id}.json"

    def _put(self, intent: Intent) -> None:
        durable.replace(self._path(intent.id), _dump(intent), door=self._door)

    def _readable(self) -> Iterator[Intent]:
        for transaction_id in self.ids():
            with suppress(StorageError):  # `damaged` tells of it
                if intent := self.get(transaction_id):
                    yield intent


def _identity(directory: str) -> str:
    """Return what all names of a directory have in common, and no other directory has."""
    try:
        status = os.stat(directory)
    except OSError:
        return hashlib.sha256(os.fsencode(os.path.realpath(directory))).hexdigest()
    return f"{status.st_dev}-{status.st_ino}"


def _dump(intent: Intent) -> bytes:
    """Write a transaction without blanks, files as rows; ASCII, so that names of any bytes survive."""
    raw = asdict(altered(intent, snapshot=None))
    if (snapshot := intent.snapshot) is not None:
        raw["snapshot"] = {
            "files": [(file.path, file.size, file.mtime_ns) for file in snapshot.files],
            "empty_directories": snapshot.empty_directories,
            "left_out": snapshot.left_out,
        }
    return json.dumps({"version": VERSION, **raw}, separators=(",", ":")).encode()


def _parse(data: bytes, transaction_id: str) -> Intent:
    """Return the transaction. Raises: ValueError or RecursionError, with what is wrong; _OtherVersion."""
    raw = json.loads(data)
    _need(isinstance(raw, dict), "it has not the keys of a transaction")
    version = raw.pop("version", VERSION)  # the first files had none
    _need(type(version) is int, "'version' is of the wrong kind")
    if version != VERSION:
        raise _OtherVersion(version)
    _need(raw.keys() == _TYPES.keys(), "it has not the keys of a transaction")
    for key, types in _TYPES.items():
        _need(type(raw[key]) in types, f"'{key}' is of the wrong kind")
    _need(raw["id"] == transaction_id, "it has another id")
    _need(raw["directory"].startswith("/") and "\0" not in raw["directory"], "'directory' is no absolute path")
    _need(_DIGEST.fullmatch(raw["digest"]) is not None, "'digest' is none")
    for key in ("started", "size_gb", "files", "total_bytes"):
        _need(math.isfinite(raw[key]) and raw[key] >= 0, f"'{key}' is no such number")
    snapshot = None if raw["snapshot"] is None else _parse_snapshot(raw["snapshot"])
    _need(snapshot is None or snapshot.digest == raw["digest"], "'snapshot' and 'digest' do not belong together")
    return Intent(**(raw | {"state": State(raw["state"]), "snapshot": snapshot}))


def _parse_snapshot(raw: dict[str, Any]) -> Snapshot:
    try:
        files = tuple(SeenFile(path, size, mtime_ns) for path, size, mtime_ns in raw["files"])
        empty, left_out = tuple(raw["empty_directories"]), tuple((path, why) for path, why in raw["left_out"])
    except (KeyError, TypeError) as error:
        raise ValueError("'snapshot' is none") from error
    _need(all(type(file.size) is type(file.mtime_ns) is int for file in files), "'snapshot' has a wrong number")
    _need(all(_is_below(path) for path in (*(file.path for file in files), *empty)), "'snapshot' has a wrong path")
    _need(all(isinstance(text, str) for row in left_out for text in row), "'snapshot' has a wrong reason")
    return Snapshot(files, empty, left_out)


def _is_below(path: object) -> bool:
    return isinstance(path, str) and "\0" not in path and not {"", ".", ".."} & set(path.split("/"))


def _need(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)
