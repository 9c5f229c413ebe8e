"""A directory as a compressed tar file: packing one, and reading it back.

What is in it: directories, files, links as links (a symbolic link is never followed), hard links as such; names as
bytes, modes, owners, whole seconds of times. What is not: sockets, pipes and devices, extended attributes. Packing
fails when anything cannot be read whole: a copy that lacks a file is none.

The format is GNU tar's, whose names are bytes. One header of pax goes ahead and says of which directory it is a copy,
so that two directories of one name can keep their copies in one place. Memory is bounded but for hard links and
directories yet to be visited.

Must not: choose names, rename, or remove anything.
"""

import grp
import gzip
import io
import os
import pwd
import stat
import tarfile
import zlib
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from ftpretrieve.errors import StorageError

COPY_BYTES = 256 * 1024
LEVEL = 6  # as gzip
GZIP_FORMAT = 16 + zlib.MAX_WBITS
HEAD_BYTES = 64 * 1024
"""The first header is sought in so much: a path has at most 4096 bytes, three times that when each is escaped."""

LEFT_OUT_SHOWN = 10

_ORIGIN = "copy of "


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written: the number of members, the digest of the tar file, and what had to be left out, in words."""

    members: int
    digest: bytes
    left_out: tuple[str, ...]


def pack(local: Path, fd: int) -> Packed:
    """Write the archive of a directory to an open file. Its root is called like the directory.

    Raises: StorageError naming what cannot be read or written, or changed meanwhile.
    """
    sink = _Sink(fd)
    # GNU tar and bsdtar know the keyword and keep it to themselves.
    sink.write(tarfile.TarInfo.create_pax_global_header({"comment": _ORIGIN + local.as_uri()}))
    packer = _Packer(sink)
    pending = [(os.fspath(local), local.name)]
    while pending:
        pending += packer.add_directory(*pending.pop())
    sink.finish()
    return Packed(packer.members, sink.digest.digest(), packer.left_out())


def verify(fd: int, packed: Packed) -> None:
    """Read an archive back: every byte of the tar file must be what was packed, and all its members must be found.

    Raises: StorageError.
    """
    # Else it would be compared with the memory of the kernel, not with the disk.
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.lseek(fd, 0, os.SEEK_SET)
    members = 0
    try:
        with open(fd, "rb", closefd=False) as file, _DigestedGzip(file) as plain:
            with tarfile.open(fileobj=plain, mode="r|", bufsize=COPY_BYTES) as archive:
                while archive.next() is not None:
                    members += 1
                    archive.members.clear()  # type: ignore[attr-defined]  # it would remember them all
            while plain.read(COPY_BYTES):
                pass
            digest = plain.digest.digest()
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise StorageError(f"the copy cannot be read back: {error}") from error
    if (members, digest) != (packed.members, packed.digest):
        raise StorageError("the copy does not read back as it was written; the disk may be failing")


def origin_of(path: Path) -> str | None:
    """Return which directory (as a URI) an archive says it is a copy of; None when it does not say."""
    try:
        with gzip.open(path) as plain:
            head = io.BytesIO(plain.read(HEAD_BYTES))
        with tarfile.open(fileobj=head, mode="r:") as archive:
            comment = archive.pax_headers.get("comment", "")
    except (OSError, EOFError, zlib.error, tarfile.TarError):
        return None
    return comment.removeprefix(_ORIGIN) if comment.startswith(_ORIGIN) else None


class _DigestedGzip(gzip.GzipFile):
    """A compressed file that knows the digest of what has been read."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")
        self.digest = blake2b()

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.digest.update(data)
        return data


class _Sink:
    """Compresses into a file what it is given. Raises: StorageError when the file does not take it."""

    def __init__(self, fd: int) -> None:
        self.digest = blake2b()
        self._fd = fd
        self._size = 0
        self._compress = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_FORMAT)

    def write(self, data: bytes) -> None:
        self.digest.update(data)
        self._size += len(data)
        self._put(self._compress.compress(data))

    def pad(self, unit: int) -> None:
        """Fill up to a multiple of so many bytes."""
        self.write(b"\0" * (-self._size % unit))

    def finish(self) -> None:
        """Write the end of the tar file, two empty blocks, and what the compression holds back."""
        self.write(b"\0" * (2 * tarfile.BLOCKSIZE))
        self.pad(tarfile.RECORDSIZE)
        self._put(self._compress.flush())

    def _put(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            raise StorageError(f"the copy cannot be written: {error.strerror}") from error


class _Packer:
    """Adds to a tar file what lies in directories."""

    def __init__(self, sink: _Sink) -> None:
        self.members = 0
        self._sink = sink
        self._linked: dict[tuple[int, int], str] = {}  # files of several names -> the first, in the archive
        self._left_out: list[str] = []
        self._more_left_out = 0

    def add_directory(self, path: str, inside: str) -> list[tuple[str, str]]:
        """Add a directory and what is in it but directories; return those. `inside`: its path in the archive.

        Files are taken in the order of the directory: sorting would need the names of millions at once.
        """
        below = []
        try:
            # LOCAL itself may be a link; a directory below it that has become one is not the one that was seen.
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (os.O_NOFOLLOW if "/" in inside else 0))
        except OSError as error:
            self._unread(path, error)
            return []
        try:
            self._add(inside, os.fstat(fd), tarfile.DIRTYPE)
            with os.scandir(fd) as entries:
                for entry in entries:
                    member = (os.path.join(path, entry.name), f"{inside}/{entry.name}")
                    if entry.is_dir(follow_symlinks=False):
                        below.append(member)
                    else:
                        self._add_other(fd, entry.name, *member)
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror}") from error
        finally:
            os.close(fd)
        return below

    def left_out(self) -> tuple[str, ...]:
        """Return what is not in the archive, a line each."""
        more = [f"and {self._more_left_out} more"] if self._more_left_out else []
        return (*self._left_out, *more)

    def _add_other(self, parent_fd: int, name: str, path: str, inside: str) -> None:
        try:
            status = os.lstat(name, dir_fd=parent_fd)
            if stat.S_ISLNK(status.st_mode):
                self._add(inside, status, tarfile.SYMTYPE, target=os.readlink(name, dir_fd=parent_fd))
            elif stat.S_ISREG(status.st_mode):
                self._add_file(parent_fd, name, path, inside)
            else:
                self._leave_out(f"{path}: neither a file nor a directory nor a link")
        except OSError as error:
            self._unread(path, error)

    def _add_file(self, parent_fd: int, name: str, path: str, inside: str) -> None:
        # NONBLOCK: the file may have become a pipe since it was looked at.
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent_fd)
        try:
            before = os.fstat(fd)
            first = self._linked.setdefault((before.st_dev, before.st_ino), inside) if before.st_nlink > 1 else inside
            if first != inside:
                self._add(inside, before, tarfile.LNKTYPE, target=first)
                return
            self._add(inside, before, tarfile.REGTYPE, size=before.st_size)
            self._copy(fd, path, before)
        finally:
            os.close(fd)

    def _copy(self, fd: int, path: str, before: os.stat_result) -> None:
        left = before.st_size
        while left and (data := os.read(fd, min(left, COPY_BYTES))):
            self._sink.write(data)
            left -= len(data)
        after = os.fstat(fd)
        if left or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise StorageError(f"{path} changed while it was copied")
        self._sink.pad(tarfile.BLOCKSIZE)

    def _add(self, inside: str, status: os.stat_result, kind: bytes, *, size: int = 0, target: str = "") -> None:
        member = tarfile.TarInfo(inside)
        member.type, member.size, member.linkname = kind, size, target
        member.mode, member.mtime = stat.S_IMODE(status.st_mode), status.st_mtime_ns // 10**9
        member.uid, member.gid = status.st_uid, status.st_gid
        member.uname, member.gname = _user(status.st_uid), _group(status.st_gid)
        self._sink.write(member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
        self.members += 1

    def _unread(self, path: str, error: OSError) -> None:
        """Pass over what is no more: it was removed while the copy was made. All else makes the copy fail."""
        if self.members and isinstance(error, FileNotFoundError):
            self._leave_out(f"{path}: vanished meanwhile")
            return
        raise StorageError(f"cannot read {path}: {error.strerror}") from error

    def _leave_out(self, line: str) -> None:
        if len(self._left_out) < LEFT_OUT_SHOWN:
            self._left_out.append(line)
        else:
            self._more_left_out += 1


@cache
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


@cache
def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""
