"""Where downloads lie until they are finished, and how they get from there into the sync directory.

Downloads go to `<staging>/<session>/<file>`, names that are never reused and never made from remote ones. The session
directory is made when the first file of a poll is fetched and holds a file `witness`, which is never touched again:
while it is there, a staged file that is missing was renamed away; when it is gone too, the staging was lost and nobody
knows. So only recovery removes session directories.

This is the only module that turns a remote name into a local path. Below the sync directory it walks directory by
directory without following symbolic links. Must not: know the journal or the server, or decide what is published.
"""

import codecs
import errno
import hashlib
import os
import secrets
import shutil
import stat
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ftpretrieve.errors import ConfigError, StorageError
from ftpretrieve.files import Door
from ftpretrieve.retrieve.decide import OWN_PREFIX, unsafe_reason
from ftpretrieve.retrieve.records import Staged

WITNESS = b"witness"
ID_FILE = b".ftpretrieve-id"
PROBE = OWN_PREFIX + b"-probe"
REJECTED = b"rejected"
READ_BYTES = 1024 * 1024
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""Errors of a write after which no other file would fare better."""


@dataclass(frozen=True, slots=True)
class Session:
    """One poll's directory below staging: what a download may do. Its methods are called from any thread."""

    staging: "Staging"
    directory: bytes
    name: bytes

    def why_no_room(self, size: int) -> str | None:
        """Say why the disk has no room for so many bytes of one file; None when it has.

        Raises: StorageError when it has no room for any.
        """
        self.staging.check_room()
        return self.why_no_more(size)

    def why_no_more(self, size: int) -> str | None:
        """The same during a download: giving that up makes room again, so it is no matter of the others."""
        missing = self.staging.room(size)
        return f"no room: {size} bytes needed, {size - missing} free beside min_free_bytes" if missing else None

    def create(self, file: bytes) -> tuple[int, bytes]:
        """Create a file of this session; return its descriptor and its path."""
        with _storage_errors(self.directory):
            path = os.path.join(self.directory, file)
            return self.staging.door.create(path), path

    def reopen(self, staged: bytes, size: int) -> int | None:
        """Open a kept beginning, cut to the bytes that are known to be durable; None when it is not there whole."""
        try:
            fd = os.open(self.staging.staged_path(staged), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        if os.fstat(fd).st_size < size:
            os.close(fd)
            return None
        with _storage_errors(self.directory):
            os.ftruncate(fd, size)
        return fd

    def finish(self, fd: int, staged: bytes, mtime: int | None) -> int:
        """Give a complete file its mode and time, make its bytes durable, and return its inode."""
        with _storage_errors(self.directory):
            os.fchmod(fd, self.staging.file_mode)
            if mtime is not None and self.staging.keep_mtime:
                os.utime(fd, (mtime, mtime))
            self.staging.door.sync_file(fd, self.staging.staged_path(staged))
            return os.fstat(fd).st_ino


@contextmanager
def _storage_errors(directory: bytes) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write in {_shown(directory)}: {error.strerror}") from error


class Found:
    """What recovery found of a staged file."""

    HERE, RENAMED, UNKNOWN = "here", "renamed", "unknown"


class Staging:
    """The staging and the sync directory of one configuration."""

    def __init__(
        self,
        staging: bytes,
        sync: bytes,
        *,
        publish: bytes | None = None,
        file_mode: int = 0o644,
        keep_mtime: bool = True,
        min_free_bytes: int = 64 * 1024 * 1024,
        door: Door | None = None,
    ) -> None:
        """Describe the directories; nothing is touched before `prepare`. `publish` is the directory beside the sync
        directory's files that is used when staging cannot be renamed into it."""
        self.home = staging
        self.sync = sync
        self.work = staging
        self.file_mode = file_mode
        self.keep_mtime = keep_mtime
        self._publish = publish or os.path.join(sync, OWN_PREFIX)
        self._min_free_bytes = min_free_bytes
        self.door = door or Door()
        self._durable: set[bytes] = set()  # directories below sync whose names have been synced by this process

    def prepare(self) -> None:
        """Create staging where its parent exists, and choose the place that can rename into the sync directory.

        Raises: StorageError when the sync directory is missing or one of them cannot be written.
        """
        self._make(self.home, "ftp_local_directory", 0o700)
        if not os.path.isdir(self.sync):
            raise StorageError(
                f"sync_directory {_shown(self.sync)} is not there: mount or create it (it is never created for you)"
            )
        if self.can_rename(self.home):
            self.work = self.home
            return
        self._make(self._publish, "publish_directory", 0o700)
        if not self.can_rename(self._publish):
            raise StorageError(
                f"cannot rename from {_shown(self._publish)} into {_shown(self.sync)}: "
                "set publish_directory to a directory on the same file system as sync_directory"
            )
        self.work = self._publish

    def _make(self, path: bytes, key: str, mode: int) -> None:
        try:
            with suppress(FileExistsError):
                self.door.make_directory(path, mode)
                self.door.sync_directory(os.path.dirname(path))
            if not os.path.isdir(path):
                raise NotADirectoryError(errno.ENOTDIR, "it is not a directory")
        except OSError as error:
            raise StorageError(f"{key} {_shown(path)} cannot be created: {error.strerror}") from error

    def can_rename(self, directory: bytes) -> bool:
        """Rename a probe from a directory into the sync directory and remove it; False when they are too far apart.

        Raises: StorageError when one of them takes no files at all.
        """
        # Comparing st_dev is not enough: two bind mounts of one file system give EXDEV (measured).
        # Always the same name: what a killed process left is taken up, and nothing gathers where consumers look.
        source, target = os.path.join(directory, PROBE), os.path.join(self.sync, PROBE)
        try:
            os.close(os.open(source, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            try:
                os.rename(source, target)
            except OSError as error:
                os.unlink(source)
                if error.errno == errno.EXDEV:
                    return False
                raise StorageError(f"sync_directory {_shown(self.sync)} takes no files: {error.strerror}") from error
            with suppress(FileNotFoundError):  # another mailbox with this sync directory probes too
                os.unlink(target)
        except OSError as error:
            raise StorageError(f"cannot write in {_shown(directory)}: {error.strerror}") from error
        return True

    # -- the journal this staging belongs to --------------------------------------------------------------------

    def owner(self) -> str | None:
        """Return the journal id that this staging belongs to, or None when it never had one."""
        try:
            with open(os.path.join(self.home, ID_FILE), encoding="ascii", errors="replace") as file:
                return file.read(100).strip() or None
        except FileNotFoundError:
            return None

    def claim_unowned(self, journal_id: str) -> None:
        """Claim a staging that was emptied or made anew meanwhile: unowned it would let any journal in."""
        if self.owner() is None:
            self.claim(journal_id)

    def claim(self, journal_id: str) -> None:
        """Write the journal id into the staging, durable when this returns."""
        path = os.path.join(self.home, ID_FILE)
        temporary = path + b"." + secrets.token_hex(4).encode()
        try:
            fd = self.door.create(temporary)
            try:
                os.write(fd, journal_id.encode() + b"\n")
                self.door.sync_file(fd, temporary)
            finally:
                os.close(fd)
            self.door.rename(temporary, path)
            self.door.sync_directory(self.home)
        except OSError as error:
            raise StorageError(f"cannot write {_shown(path)}: {error.strerror}") from error

    # -- downloads ----------------------------------------------------------------------------------------------

    def open_session(self, journal_id: str) -> Session:
        """Make this poll's directory with its witness; both are durable when this returns."""
        name = f"{journal_id}-{secrets.token_hex(8)}".encode()
        session = Session(self, os.path.join(self.work, name), name)
        try:
            self.door.make_directory(session.directory, 0o700)
            os.close(session.create(WITNESS)[0])
            self.door.sync_directory(session.directory)
            self.door.sync_directory(self.work)
            # The parent too: the process that made `work` may have been killed before it was durable.
            with suppress(PermissionError):  # it was made by somebody else then
                self.door.sync_directory(os.path.dirname(self.work))
        except OSError as error:
            raise StorageError(f"cannot create {_shown(session.directory)}: {error.strerror}") from error
        return session

    def sync_sessions(self, staged: Iterable[bytes]) -> None:
        """Make the names in the sessions of these staged files durable."""
        for directory in {os.path.dirname(self.staged_path(path)) for path in staged}:
            self._sync_session(directory)

    def _sync_session(self, directory: bytes) -> None:
        try:
            self.door.sync_directory(directory)
        except OSError as error:
            raise StorageError(f"cannot sync {_shown(directory)}: {error.strerror}") from error

    def room(self, size: int) -> int:
        """Return how many bytes are missing to take a file of this size; 0 when there is room."""
        try:
            disk = os.statvfs(self.work)
        except OSError as error:
            raise StorageError(f"staging {_shown(self.work)} is gone: {error.strerror}") from error
        return max(0, size + self._min_free_bytes - disk.f_bavail * disk.f_frsize)

    def check_room(self, size: int = 0) -> None:
        """Raise StorageError, saying how much is missing, when there is no room; or when a directory is gone."""
        missing = self.room(size)
        if missing:
            raise StorageError(
                f"disk full: {_shown(self.work)} lacks {missing} bytes "
                f"(for {size} bytes and min_free_bytes = {self._min_free_bytes}): make room"
            )
        if not os.path.isdir(self.sync):
            raise StorageError(f"sync_directory {_shown(self.sync)} is gone: mount or create it again")

    def staged_path(self, staged: bytes) -> bytes:
        """Return where a staged file lies: where its row says, else in its session below the present staging."""
        directory, file = os.path.split(staged)
        session = os.path.basename(directory)
        for place in (directory, *(os.path.join(place, session) for place in (self.work, self.home, self._publish))):
            if os.path.isdir(place):
                return os.path.join(place, file)
        return staged

    def digest(self, staged: bytes, algorithm: str) -> str:
        """Return a digest of a staged file: CRC32, or as hashlib has it (SHA-1, SHA-512, MD5)."""
        path = self.staged_path(staged)
        try:
            with open(path, "rb") as file:
                if algorithm != "CRC32":
                    name = algorithm.replace("-", "").lower()
                    return hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()
                crc = 0
                while block := file.read(READ_BYTES):
                    crc = zlib.crc32(block, crc)
                return f"{crc:08x}"
        except OSError as error:
            raise StorageError(f"cannot read {_shown(path)}: {error.strerror}") from error

    def is_there(self, staged: bytes) -> bool:
        """Say whether a staged file is still there."""
        return os.path.lexists(self.staged_path(staged))

    def discard(self, staged: bytes) -> None:
        """Remove a staged file; harmless when it is not there."""
        with suppress(FileNotFoundError):
            self.door.remove(self.staged_path(staged))

    def reject(self, staged: bytes, id: int, name: bytes) -> bytes:
        """Move a staged file into `rejected/`, which we never clean, and return its path there."""
        directory = os.path.join(self.home, REJECTED)
        self._make(directory, "the directory for rejected files", 0o700)
        leaf = os.path.basename(name)[:200]
        target = os.path.join(directory, leaf + b"." + str(id).encode())
        source = self.staged_path(staged)
        try:
            self.door.rename(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise StorageError(f"cannot keep {_shown(target)}: {error.strerror}") from error
            shutil.copy2(source, target)
            self.door.remove(source)
        self.door.sync_directory(directory)
        return target

    # -- publishing ---------------------------------------------------------------------------------------------

    def sync_path(self, name: bytes) -> bytes:
        """Return where a remote name goes, relative to the sync directory. Raises ValueError for an unsafe name."""
        if reason := unsafe_reason(name):
            raise ValueError(reason)
        return name

    def kept_path(self, name: bytes, mtime: int, id: int) -> bytes:
        """Return the other place for a version whose own one is taken: `name.<mtime>.<row id>`."""
        head, slash, leaf = name.rpartition(b"/")
        tail = b".%d.%d" % (max(mtime, 0), id)
        return head + slash + leaf[: 255 - len(tail)] + tail

    def local_path(self, sync_path: bytes) -> bytes:
        """Return the absolute path of a sync path."""
        return os.path.join(self.sync, sync_path)

    def decodes(self, staged: bytes, codec: str) -> bool:
        """Say whether a staged file is text in this encoding. Nothing is changed."""
        decoder = codecs.getincrementaldecoder(codec)()
        try:
            with open(self.staged_path(staged), "rb") as file:
                while block := file.read(1 << 20):
                    decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeError:
            return False
        return True

    def is_taken(self, sync_path: bytes) -> bool:
        """Say whether something lies at a sync path."""
        return os.path.lexists(self.local_path(sync_path))

    def publish(self, item: Staged) -> bool:
        """Rename one staged file to its sync path and say whether it replaced another. Not durable yet.

        Raises: OSError (also for a symbolic link among its directories, and EISDIR for a directory in its place).
        """
        with self._parent(item.sync_path, create=True) as parent:
            leaf = os.path.basename(item.sync_path)
            try:
                there = os.stat(leaf, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                there = None
            if there is not None and stat.S_ISDIR(there.st_mode):
                raise IsADirectoryError(errno.EISDIR, "a directory is in its place", leaf)
            self.door.rename(self.staged_path(item.staged), self.local_path(item.sync_path), target_fd=parent)
            return there is not None

    def sync_published(self, items: Sequence[Staged]) -> None:
        """Make the renames of a batch durable: their directories below sync, and the sessions they came from."""
        for directory in {os.path.dirname(item.sync_path) for item in items}:
            try:
                with self._parent(os.path.join(directory, b"-"), create=False) as fd:
                    self.door.sync_directory(self.local_path(directory), fd=fd)
            except OSError as error:
                # A consumer took the directory together with the files in it, or put something else in its place.
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise
        for directory in {os.path.dirname(self.staged_path(item.staged)) for item in items}:
            if os.path.isdir(directory):  # else it was lost, and with it all that could be synced
                self._sync_session(directory)

    @contextmanager
    def _parent(self, sync_path: bytes, *, create: bool) -> Iterator[int]:
        """Open the directory of a sync path without following a symbolic link below the sync directory."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        fd = os.open(self.sync, flags)
        path = self.sync
        try:
            for part in os.path.dirname(sync_path).split(b"/"):
                if not part:
                    continue
                path = os.path.join(path, part)
                if create:
                    with suppress(FileExistsError):
                        self.door.make_directory(path, parent_fd=fd)
                        self._durable.discard(path)
                    # One that was there too: whoever made it may have been killed before the sync.
                    if path not in self._durable:
                        self.door.sync_directory(os.path.dirname(path), fd=fd)
                        self._durable.add(path)
                below = os.open(part, flags | os.O_NOFOLLOW, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    # -- recovery -----------------------------------------------------------------------------------------------

    def find(self, item: Staged) -> str:
        """Return what became of a staged file: `Found.HERE`, `RENAMED` or `UNKNOWN` (its session is lost)."""
        path = self.staged_path(item.staged)
        try:
            there = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            witness = os.path.join(os.path.dirname(path), WITNESS)
            return Found.RENAMED if os.path.lexists(witness) else Found.UNKNOWN
        return Found.HERE if (there.st_ino, there.st_size) == (item.inode, item.size) else Found.UNKNOWN

    def holds(self, item: Staged) -> bool:
        """Say whether the file at the sync path has the size and digest of this version."""
        try:
            with self._parent(item.sync_path, create=False) as parent:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
                fd = os.open(os.path.basename(item.sync_path), flags, dir_fd=parent)
        except OSError:
            return False
        with open(fd, "rb") as file:
            if os.fstat(fd).st_size != item.size:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == item.digest

    def sessions(self, journal_id: str) -> list[bytes]:
        """Return the names of this journal's session directories, wherever they lie."""
        prefix = journal_id.encode() + b"-"
        found: set[bytes] = set()
        for place in {self.home, self._publish}:
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(place) as entries:
                found.update(entry.name for entry in entries if entry.name.startswith(prefix))
        return sorted(found)

    def remove_session(self, session: bytes) -> None:
        """Remove a session directory and the files in it; the witness goes last."""
        for place in {self.home, self._publish}:
            directory = os.path.join(place, session)
            if not os.path.isdir(directory):
                continue
            names = sorted(os.listdir(directory), key=lambda name: name == WITNESS)
            for name in names:
                self.door.remove(os.path.join(directory, name))
            self.door.remove_directory(directory)


def check_owner(staging: Staging, journal_id: str, *, new_journal: bool = False) -> None:
    """Refuse a journal that is not the one this staging belongs to: it would deliver everything again.

    Raises: ConfigError unless `new_journal`, which ties the staging to this journal.
    """
    owner = staging.owner()
    if owner == journal_id:
        return
    if owner is not None and not new_journal:
        raise ConfigError(
            f"the staging directory {_shown(staging.home)} belongs to journal {owner}, "
            f"the configured journal is {journal_id} (new, moved or restored?): with it every file would be delivered "
            "again. Put the old journal back, or start once with --new-journal if that is what you want"
        )
    staging.claim(journal_id)


def _shown(path: bytes) -> str:
    return os.fsdecode(path)
