"""The download of one file over one control connection: RETR into staging, counted, hashed, fsynced.

End of file is never proof of a whole file: ftplib itself takes a short body followed by 226. So the bytes are counted
against the first look, and the second look of `waiting` has the last word. Must not: retry, or share anything between
two files.
"""

import errno
import ftplib
import hashlib
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from ftpretrieve.errors import StorageError
from ftpretrieve.retrieve.ftp_control import Control, wire_name
from ftpretrieve.retrieve.ftp_limits import RateLimit
from ftpretrieve.retrieve.ftp_replies import told_size
from ftpretrieve.retrieve.ftp_sockets import Sockets
from ftpretrieve.retrieve.ftp_tls import is_cut
from ftpretrieve.retrieve.records import Arrived, Failed, State, Wanted
from ftpretrieve.retrieve.staging import Session

BLOCK_BYTES = 256 * 1024
"""Of one recv: 0.8-1.7 CPU seconds a GiB (measured), hardly less with larger ones."""

ROOM_BYTES = 64 * 1024 * 1024
"""The disk is asked again for room after so much of a file whose size nobody knows."""

WORTH_KEEPING_BYTES = 256 * 1024
"""A shorter beginning of a file is quicker fetched again than kept."""

OVERLAP_BYTES = 64 * 1024
"""What is fetched again before the kept end when resuming: a server that misplaces REST does not reproduce it."""

LONG_SHARE = 0.5
"""A file cut off by the limit after this share of the session will not come in a session of that length."""

Progress = Callable[[bytes, int, int | None], None]
"""Called now and then from a worker thread with (name, bytes so far, size or None)."""


class Download:
    """One file's download. `control` is unusable afterwards when `broken` says so; `unbegun`: it was before."""

    def __init__(self, control: Control, sockets: Sockets, wanted: Wanted, session: Session, rate: RateLimit) -> None:
        self._control, self._sockets, self.wanted, self._session = control, sockets, wanted, session
        self._rate = rate
        self._size = wanted.size
        self._hash = hashlib.sha256()
        self._received = 0
        self._cut = False
        self._silent = False
        self.broken = self.unbegun = False

    def run(self, progress: Progress | None) -> Arrived | Failed:
        """Do it. Raises: StorageError, when the local disk takes no more of any file."""
        self._control.enter(f"RETR {wire_name(self.wanted.file.name)}")
        no_room = self._session.why_no_room(0 if self._size is None else self._size - self.wanted.partial_bytes)
        if no_room is not None:
            return self._failed(no_room)
        started = time.monotonic()
        fd, staged = self._open()
        try:
            failure = self._receive(fd, progress)
            if failure is None:
                inode = self._session.finish(fd, staged, self._mtime())
                return Arrived(self.wanted, staged, self._received, inode, self._hash.hexdigest())
            return self._give_up(failure, fd, staged, started)
        except BaseException:
            self._forget(staged)
            raise
        finally:
            os.close(fd)

    def _mtime(self) -> int | None:
        first, listed = self.wanted.first, self.wanted.file
        return first.stamp if first.stamp is not None else listed.stamp

    def _open(self) -> tuple[int, bytes]:
        partial = self.wanted.partial
        if partial is not None:
            fd = self._session.reopen(partial, self.wanted.partial_bytes)
            if fd is not None:
                return fd, partial
        suffix = b"-recheck" if self.wanted.recheck_of is not None else b""
        return self._session.create(b"%d%s" % (self.wanted.id, suffix))

    # -- receiving ----------------------------------------------------------------------------------------------

    def _receive(self, fd: int, progress: Progress | None) -> Failed | None:
        """Receive the file; return None when it is complete by count, else what is wrong."""
        name = wire_name(self.wanted.file.name)
        try:
            data, held = self._begin(fd, name)
        except ftplib.error_perm as error:
            return self._failed(str(error))
        except (OSError, EOFError, ftplib.Error) as error:
            lost = isinstance(error, EOFError | OSError) and not isinstance(error, TimeoutError)
            hung_up = lost or str(error).startswith("421")
            self.broken = hung_up or not isinstance(error, ftplib.error_temp)
            self.unbegun = hung_up and not self._sockets.over
            return self._ended() or self._failed(str(error) or "connection lost")
        try:
            failure = self._read(data, fd, held, progress)
        finally:
            self._sockets.close(data)
        return failure or self._end()

    def _begin(self, fd: int, name: str) -> tuple[socket.socket, bytes]:
        """Send RETR, after REST when a beginning is held; return the data socket and the held bytes sent again."""
        kept = os.fstat(fd).st_size
        offset = max(0, kept - OVERLAP_BYTES)
        if offset:
            try:
                data = self._control.transfer(f"RETR {name}", rest=offset)
            except (ftplib.error_perm, ftplib.error_reply):
                offset = 0  # no REST here: from the beginning, once
        if not offset:
            os.ftruncate(fd, 0)
            return self._control.transfer(f"RETR {name}"), b""
        os.lseek(fd, 0, os.SEEK_SET)
        left = offset
        while left:
            block = os.read(fd, min(BLOCK_BYTES, left))
            self._hash.update(block)
            left -= len(block)
        held = os.read(fd, kept - offset)
        os.lseek(fd, offset, os.SEEK_SET)
        self._received = offset
        return data, held

    def _read(self, data: socket.socket, fd: int, held: bytes, progress: Progress | None) -> Failed | None:
        buffer = memoryview(bytearray(BLOCK_BYTES))
        room_at = self._received + ROOM_BYTES
        overlap = b""
        while True:
            count = self._some(data, buffer)
            if not count or isinstance(count, Failed):
                return count or None
            block = buffer[:count]
            if len(overlap) < len(held):
                overlap += bytes(block[: len(held) - len(overlap)])
                if not held.startswith(overlap):
                    self.broken = True
                    self._received = 0  # nothing is worth keeping for a server that does not resume
                    return self._failed("the server resumed at another place")
            self._write(fd, block)
            self._rate.spend(count)
            if self._size is not None and self._received > self._size:
                self.broken = True
                return self._failed(f"grew beyond {self._size} bytes", State.CHANGING)
            if self._received >= room_at:
                room_at += ROOM_BYTES
                no_room = self._session.why_no_more(ROOM_BYTES if self._size is None else self._size - self._received)
                if no_room is not None:
                    self.broken = True
                    self._received = 0  # what is kept would keep others out
                    return self._failed(no_room)
            if progress is not None:
                progress(self.wanted.file.name, self._received, self._size)

    def _some(self, data: socket.socket, buffer: memoryview) -> int | Failed:
        """Receive some bytes; return how many, 0 at the end."""
        try:
            count = data.recv_into(buffer[: self._rate.at_most(BLOCK_BYTES)])
        except OSError as error:
            if not is_cut(error):
                return self._lost(error)
            count, self._cut = 0, True
        # What arrives after an abort is not the file's, and end of file then is the abort's.
        if self._sockets.aborted.is_set():
            self.broken = True
            return self._failed("session ended", State.DOWNLOADING)
        if not count and not self._cut:
            self._control.leave(data)
        return count

    def _lost(self, error: OSError) -> int | Failed:
        """Return what a data connection that broke or fell silent comes to: the end, when all has come by count."""
        self.broken = True
        silent = isinstance(error, TimeoutError)
        if silent and self._received == self._size and self._control.tls is None and not self._sockets.over:
            self._silent = True
            return 0
        return self._ended() or self._failed("no data in time" if silent else str(error))

    def _write(self, fd: int, block: memoryview) -> None:
        self._hash.update(block)
        self._received += len(block)
        try:
            while block:
                block = block[os.write(fd, block) :]
        except OSError as error:
            what = "disk full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
            raise StorageError(
                f"cannot write {self._size or self._received} bytes in {os.fsdecode(self._session.directory)}: {what}"
            ) from error

    def _end(self) -> Failed | None:
        """Read the reply that ends a transfer, and hold the count against the size.

        A TLS connection that was ended without being closed may have been ended by anybody. Then only the count and
        the reply, which came by TLS too, make it whole.
        """
        if self._silent:
            return None  # all bytes are here, and no end of them or reply will come: the second look decides
        whole = self._received == self._size or self._size is None and not self._cut
        try:
            self._control.end_transfer()
        except (ftplib.error_perm, ftplib.error_temp) as error:
            self.broken = str(error).startswith("421")
            return self._failed(str(error))
        except (OSError, EOFError, ftplib.Error) as error:
            # All bytes are here and only the goodbye is missing: the second look decides.
            self.broken = True
            if self._size is None or not whole or self._cut:
                return self._ended() or self._failed(str(error) or "connection lost")
        if whole:
            return None if self._size is not None or self.broken else self._ask_size()
        cut = "the TLS connection was cut" if self._cut else "incomplete"
        return self._failed(f"{cut}: {self._received} of {'unknown' if self._size is None else self._size} bytes")

    def _ask_size(self) -> Failed | None:
        """Hold a file that is listed without a size against what SIZE tells, where that tells something."""
        try:
            (reply,) = self._control.ask_all([f"SIZE {wire_name(self.wanted.file.name)}"], False)
        except (OSError, EOFError, ftplib.Error):
            self.broken = True
            return self._ended()
        self._size = told_size(reply)
        if self._size in (None, self._received):
            return None
        return self._failed(f"incomplete: {self._received} of {self._size} bytes")

    # -- when it did not come -----------------------------------------------------------------------------------

    def _ended(self) -> Failed | None:
        """Say that the session was over, which is not the file's fault, if it was."""
        return self._failed("session ended", State.DOWNLOADING) if self._sockets.over else None

    def _failed(self, reason: str, fault: State = State.FAILED) -> Failed:
        return Failed(self.wanted, self._control.masked(reason), fault)

    def _give_up(self, failure: Failed, fd: int, staged: bytes, started: float) -> Failed:
        resumable = failure.fault is State.DOWNLOADING or self.broken and failure.fault is State.FAILED
        if resumable and self.wanted.at_rest and self._size and self._received >= WORTH_KEEPING_BYTES:
            with suppress(OSError, StorageError):  # a beginning that cannot be kept is only fetched again
                self._session.finish(fd, staged, None)
                return Failed(self.wanted, failure.reason, failure.fault, staged, self._received)
        self._forget(staged)
        limit = self._sockets.deadline
        if failure.fault is State.DOWNLOADING and time.monotonic() - started > LONG_SHARE * limit.limit_secs:
            return self._failed("longer-than-session")
        return failure

    def _forget(self, staged: bytes) -> None:
        with suppress(OSError):  # recovery removes it with its session
            self._session.staging.discard(staged)
