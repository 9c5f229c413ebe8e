"""How directories are listed over one control connection: one by one, those below the session's too when recursive.

MLSD where the server has it, else LIST; an announced MLSD that turns out to be none is not used again. A listing that
was cut, by the server, by TLS or by a limit of ours, says so: absence in it proves nothing. Must not: decide what is
wanted, or take connections.
"""

import ftplib
import logging
import re
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from ftpretrieve.errors import RemoteRefused, SessionExpired
from ftpretrieve.logs import record
from ftpretrieve.retrieve.decide import unsafe_reason
from ftpretrieve.retrieve.ftp_control import Control, wire_name
from ftpretrieve.retrieve.ftp_replies import named
from ftpretrieve.retrieve.ftp_sockets import Sockets
from ftpretrieve.retrieve.ftp_tls import is_cut
from ftpretrieve.retrieve.listing import LineSplitter, ListingParser
from ftpretrieve.retrieve.records import Kind, Listing, RemoteFile
from ftpretrieve.retrieve.remote import Looks

LIST_BLOCK_BYTES = 64 * 1024
"""Of one recv: some eight hundred rows, decided about while the next ones come."""

DEPTH_MAX = 32
"""Directories below one another that are followed; a directory that contains itself has no end."""

LOOP_REPEATS = 4
"""Directories below one another with the very same entries, times included: the last one is the first one again."""

LIST_SHARE = 0.5
"""Of a session: after that no further directory is listed, so that no tree keeps all files from coming."""

DIRECTORIES_MAX = 100_000
"""Directories that wait to be listed; more would let an endless listing fill the memory."""

TRUNCATED = re.compile(r"truncat|too many|output limit", re.IGNORECASE)
"""pure-ftpd ends a listing it has cut with "226 Output truncated to 10000 matches" (measured)."""

NO_FILES = re.compile(r"no (such )?(files?|data ?sets?|members?)\b(?! or dir)|empty", re.IGNORECASE)
"""How servers refuse to list a directory that is only empty (450 or 550), z/OS with "No data sets found" among them; a
directory that is gone is something else."""


class Lister:
    """The listings of one session, and what it has learnt about how this server lists.

    `mlsd`: whether by MLSD; None before the server was asked. `known`: of the last whole listing. `cost_bytes`: what
    that took on the wire.
    """

    def __init__(self, sockets: Sockets, log: logging.Logger, *, recursive: bool) -> None:
        self._sockets, self._log, self._recursive = sockets, log, recursive
        self.mlsd: bool | None = None
        self._mlsd_proved = False
        self.known = Listing(0)
        self.cost_bytes = 0

    # -- directories --------------------------------------------------------------------------------------------

    def list(self, control: Control) -> Iterator[Sequence[RemoteFile]]:
        """Yield the entries of the directory, and of those below it when recursive."""
        totals = _Totals()
        below: list[tuple[bytes, tuple[int, ...]]] = [(b"", ())]
        while below:
            directory, trail = below.pop()
            inside: list[bytes] = []
            if directory and not self._has_time():
                totals.suspect = "truncated"
                break
            try:
                for chunk in self._one(control, directory, totals):
                    yield chunk
                    if self._recursive:
                        _follow(chunk, inside, len(below), totals)
            except RemoteRefused as error:
                if not directory:
                    raise
                totals.suspect = "unreadable"
                self._log.warning(record("DIRECTORYFAILED", name=directory, reason=str(error)))
            trail = (*trail, totals.fingerprint)
            if inside and trail.count(totals.fingerprint) >= LOOP_REPEATS:
                totals.suspect = "truncated"
                self._log.warning(record("DIRECTORYFAILED", name=directory, reason="it contains itself"))
            else:
                below.extend((name, trail) for name in inside)
            self.known = totals.listing()
        self.known, self.cost_bytes = totals.listing(), totals.bytes
        self._return(control)

    def look(self, control: Control, files: Sequence[RemoteFile]) -> Looks:
        """Look at files by listing their directories once more."""
        wanted = {file.name for file in files}
        totals, seen = _Totals(), dict[bytes, RemoteFile | None]()
        for directory in {name.rpartition(b"/")[0] for name in wanted}:
            for entry in self._there(control, directory, totals):
                if entry.name in wanted:
                    seen.setdefault(entry.name, entry)  # of several the first, as `decide` takes it
        self._return(control)
        if totals.suspect is None:
            seen.update((name, None) for name in wanted if name not in seen)
        return seen

    def _there(self, control: Control, directory: bytes, totals: "_Totals") -> Iterator[RemoteFile]:
        """Yield what is in a directory; nothing when it is gone, with all that was in it."""
        try:
            for chunk in self._one(control, directory, totals):
                yield from chunk
        except RemoteRefused:
            if not directory:
                raise

    def _has_time(self) -> bool:
        limit = self._sockets.deadline
        return limit.remaining() > (1 - LIST_SHARE) * limit.limit_secs

    def _return(self, control: Control) -> None:
        """Go back to the session's directory after listing those below it."""
        if self._recursive:
            with control.step(f"CWD {control.base}"):
                control.cwd(control.base)

    # -- one directory ------------------------------------------------------------------------------------------

    def _one(self, control: Control, directory: bytes, totals: "_Totals") -> Iterator[Sequence[RemoteFile]]:
        """Yield the entries of one directory, names relative to the session's."""
        prefix = directory + b"/" if directory else b""
        totals.fingerprint = 0
        if self._recursive:
            path = f"{control.base.rstrip('/')}/{wire_name(directory)}" if directory else control.base
            with control.step(f"CWD {path}"):
                control.cwd(path)
        yield from self._rows(control, prefix, totals)

    def _rows(self, control: Control, prefix: bytes, totals: "_Totals") -> Iterator[Sequence[RemoteFile]]:
        """Yield the entries that the server lists; by LIST when it turns out that it announces an MLSD it has not."""
        lines, blocks, bytes_before = LineSplitter(), self._blocks(control, totals), totals.bytes
        block = next(blocks, b"")  # only now it is known whether MLSD was answered
        parser = ListingParser(datetime.now(UTC), self.mlsd)
        while block:
            yield self._entries(parser, lines.feed(block), prefix, totals)
            block = next(blocks, b"")
        if totals.suspect is None:  # else the last line may be half a name
            yield self._entries(parser, lines.end(), prefix, totals)
        nothing = totals.bytes == bytes_before
        if self.mlsd and not self._mlsd_proved and (parser.looks_wrong or nothing):
            self.mlsd = False
            listed = totals.listed
            yield from self._rows(control, prefix, totals)
            self.mlsd = nothing and totals.listed == listed  # then the directory is empty
            return
        self._mlsd_proved = self._mlsd_proved or not nothing
        totals.unreadable += parser.unreadable + lines.unreadable
        totals.examples = totals.examples or parser.examples

    def _entries(
        self, parser: ListingParser, lines: Sequence[bytes], prefix: bytes, totals: "_Totals"
    ) -> Sequence[RemoteFile]:
        entries = parser.feed(lines)
        totals.listed += len(entries)
        if self._recursive:
            for entry in entries:  # one by one: where a chunk ends is chance
                totals.fingerprint = hash((totals.fingerprint, entry.name, entry.size, entry.stamp))
        # A row names something in the listed directory. What speaks of another one gets a path that is no name.
        if prefix or any(b"/" in entry.name for entry in entries):
            entries = [named(entry, prefix + (b"./" if b"/" in entry.name else b"") + entry.name) for entry in entries]
        return entries

    def _blocks(self, control: Control, totals: "_Totals") -> Iterator[bytes]:
        command = "MLSD" if self.mlsd else "LIST"
        with control.step(command):
            try:
                data = control.transfer(command)
            except (ftplib.error_perm, ftplib.error_temp) as error:
                if self.mlsd and not self._mlsd_proved and isinstance(error, ftplib.error_perm):
                    self.mlsd = False
                    yield from self._blocks(control, totals)
                    return
                if NO_FILES.search(str(error)):
                    return
                raise
            try:
                while block := data.recv(LIST_BLOCK_BYTES):
                    self._expired(control)
                    totals.bytes += len(block)
                    yield block
                self._expired(control)
                control.leave(data)
            except ssl.SSLError as error:
                if not is_cut(error):
                    raise
                self._expired(control)  # else: anybody can end a connection, only the server can close one of TLS
                totals.suspect = "truncated"
            finally:
                self._sockets.close(data)
            self._end(control, totals)

    def _end(self, control: Control, totals: "_Totals") -> None:
        try:
            reply = control.end_transfer()
        except (ftplib.error_perm, ftplib.error_temp) as error:
            # The rows that came may still be fetched; only their absence proves nothing.
            self._log.warning(record("LISTINGENDED", reply=control.masked(str(error))))
            totals.suspect = "truncated"
            return
        if TRUNCATED.search(reply):
            totals.suspect = "truncated"

    def _expired(self, control: Control) -> None:
        """End the session when it is over: what arrives then is not the listing's."""
        if self._sockets.over:
            raise SessionExpired(control.stage)


class _Totals:
    """What is counted over the directories of one listing."""

    def __init__(self) -> None:
        self.listed = self.unreadable = self.bytes = 0
        self.fingerprint = 0  # of the directory that was listed last
        self.suspect: str | None = None
        self.examples: list[bytes] = []

    def listing(self) -> Listing:
        """Return what is known so far."""
        return Listing(self.listed, self.unreadable, self.suspect, tuple(self.examples))


def _follow(chunk: Sequence[RemoteFile], inside: list[bytes], waiting: int, totals: _Totals) -> None:
    """Add the directories in this chunk to those that are to be listed next, within limits."""
    for entry in chunk:
        if entry.kind is not Kind.DIR or unsafe_reason(entry.name) is not None:
            continue
        if entry.name.count(b"/") < DEPTH_MAX and waiting + len(inside) < DIRECTORIES_MAX:
            inside.append(entry.name)
        else:
            totals.suspect = "truncated"
