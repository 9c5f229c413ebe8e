"""The contract of a remote directory: what journal, decide, staging and poller may know of a server.

One object is one session on one directory. FTP is one implementation (`ftp`), the memory of a test another; each
passes the same suite of tests. Must not: import a protocol library.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ftpretrieve.retrieve.records import Arrived, Failed, Listing, RemoteFile, Tick, Wanted
from ftpretrieve.retrieve.staging import Session

Looks = Mapping[bytes, RemoteFile | None]
"""Name -> what the server shows of it now, None when it is gone; a name that it could not tell is absent, ask again."""

TICK_SECS = 0.2
"""Between two questions, while something else goes on, whether a look is due or a batch is to be closed."""


class Remote(Protocol):
    """A session on one remote directory.

    Every call may raise RemoteUnavailable (went away; the next poll tries again), RemoteRefused (the server said no to
    the whole session) or SessionExpired (`abort` was called). Only `abort` may be called from another thread.
    """

    def list(self) -> Iterator[Sequence[RemoteFile]]:
        """Yield the entries of the directory in chunks, as they come. Nothing is kept of what was yielded."""

    @property
    def listing(self) -> Listing:
        """What is known of the listing after its last chunk."""

    @property
    def listing_is_look(self) -> bool:
        """Whether a listing and a later `look` can be compared; else a first `look` is needed before a download."""

    def look(self, files: Sequence[RemoteFile]) -> Looks | None:
        """Ask anew about some files of the listing.

        Returns None at once when no connection is between two transfers (ask again at the next tick), and when the
        session is over (which `fetch` raises, after all that has arrived). It begins after the call did.
        """

    def ask(self, files: Sequence[RemoteFile]) -> Looks | None:
        """Ask for size and UTC time of each file, one by one.

        Shape: as of `look`. None when the server cannot tell them, now (as for `look`) or at all.
        """

    def targets(self, links: Sequence[RemoteFile]) -> Mapping[bytes, RemoteFile] | None:
        """Ask what links lead to; for those that lead to a file, return it with its size and time.

        Shape: name of the link -> the file, under that name. A `look` at it later is of the same kind. None when the
        server cannot tell, now (as for `look`) or at all.
        """

    def digests(self, files: Sequence[RemoteFile]) -> Mapping[bytes, tuple[str, str]] | None:
        """Ask for digests of the content of files as it is at the server now.

        Shape: name -> (SHA-256, SHA-512, SHA-1, MD5 or CRC32; the digest, hexadecimal); a name of which the server
        could not tell is absent, so that there is none where the server has no digests. None as for `look`.
        """

    def fetch(self, wanted: Sequence[Wanted], session: Session) -> Iterator[Arrived | Failed | Tick]:
        """Download files into a staging session, in any order, over as many connections as allowed.

        Yields each wanted file exactly once, as Arrived (bytes complete by count where the size is known, fsynced) or
        Failed, and TICK at least every `TICK_SECS`. Raises StorageError when the local disk takes no more; closing the
        generator early ends the transfers.
        """

    def abort(self) -> None:
        """End everything that blocks, from any thread, for good. Never raises."""

    def close(self) -> None:
        """Say goodbye and free all sockets and threads. Harmless after `abort` or twice."""
