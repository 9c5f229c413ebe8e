"""A session on an FTP server: the FTP side of the contract in `remote`.

One control connection lists; while files are fetched there are as many as allowed, each in a thread of its own. Looks
borrow a connection between two of its transfers, never one in the middle of a RETR. Which two looks can be compared
depends on the server:

    MLSD offered             the listing is the first look; MLST (or a re-listing, when that is fewer bytes) the second
    LIST with SIZE and MDTM  both looks are SIZE + MDTM, since LIST gives minutes at best
    LIST alone               both looks are listings

Must not: know the journal, decide what is fetched, or retry beyond replacing a connection that broke.
"""

import ftplib
import logging
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import RemoteRefused, SessionExpired
from ftpretrieve.logs import record
from ftpretrieve.retrieve.decide import unsafe_reason
from ftpretrieve.retrieve.ftp_control import WIRE, Account, Control, wire_name
from ftpretrieve.retrieve.ftp_data import DataOpener, Network
from ftpretrieve.retrieve.ftp_download import Progress
from ftpretrieve.retrieve.ftp_fetch import Fetcher
from ftpretrieve.retrieve.ftp_hash import Hashes, Told, choose
from ftpretrieve.retrieve.ftp_limits import RateLimit
from ftpretrieve.retrieve.ftp_looks import Looker, Looks
from ftpretrieve.retrieve.ftp_pool import Pool
from ftpretrieve.retrieve.ftp_replies import features, named
from ftpretrieve.retrieve.ftp_sockets import Sockets
from ftpretrieve.retrieve.ftp_tls import Tls
from ftpretrieve.retrieve.listing import LineSplitter, ListingParser
from ftpretrieve.retrieve.records import Arrived, Failed, Kind, Listing, RemoteFile, Tick, Wanted
from ftpretrieve.retrieve.staging import Session

LIST_BLOCK_BYTES = 64 * 1024
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

NO_FILES = re.compile(r"no (such )?files?\b(?! or dir)|empty", re.IGNORECASE)
"""How servers refuse to list a directory that is only empty (450 or 550); one that is gone is something else."""

UNKNOWN_COMMAND = ("500", "501", "502", "504")

NO_FILE = "ftpretrieve-asks"
"""A name nobody has: a server without FEAT shows by its answer whether it knows a command (550) or not (500, 502)."""


class FtpRemote:
    """One session. See `remote.Remote` for what each call promises."""

    def __init__(
        self,
        account: Account,
        directory: bytes,
        deadline: Deadline,
        log: logging.Logger,
        *,
        connections: int = 2,
        recursive: bool = False,
        progress: Progress | None = None,
        network: Network | None = None,
    ) -> None:
        self._account, self._directory, self._log = account, directory, log
        self._recursive = recursive
        self._sockets = Sockets(deadline)
        network = network or Network()
        self._opener = DataOpener(self._sockets, account.silence_secs, network)
        self._pool = Pool(self._open, self._sockets, connections, log)
        rate = RateLimit(network.rate_bytes, self._sockets.aborted)
        self._fetcher = Fetcher(self._pool, self._sockets, connections, rate, progress, log)
        self.tls: Tls | None = None
        """That of the last connection, for those who report it."""
        self._mlsd: bool | None = None
        self._mlsd_proved = False
        self._listing = Listing(0)
        self._hashes = Hashes(log)
        self._looker = Looker(self._pool, self._sockets, self._hashes, self._relist, lambda: self._fetcher.busy)

    # -- connections --------------------------------------------------------------------------------------------

    @property
    def stage(self) -> str:
        """What the session is doing, for those who report that it was ended."""
        return self._pool.stage

    def abort(self) -> None:
        """End everything that blocks, from any thread, for good."""
        self._sockets.abort()
        self._pool.wake()

    def close(self) -> None:
        """Say goodbye and free all sockets and threads."""
        self._fetcher.close()
        self._pool.close(polite=not self._sockets.over)

    def _open(self) -> Control:
        control = Control(self._account, self._sockets, self._opener)
        try:
            control.open()
            self.tls = control.tls
            if self._mlsd is None:
                self._learn_features(control)
            if self._directory:
                with control.step(f"CWD {self._directory.decode(WIRE)}"):
                    control.cwd(self._directory.decode(WIRE))
            if self._recursive:
                with control.step("PWD"):
                    control.base = control.pwd()
                    if not control.base or "\r" in control.base:
                        raise ftplib.error_proto("the server does not say where we are")
        except BaseException:
            control.shut()
            raise
        return control

    def _learn_features(self, control: Control) -> None:
        with control.step("FEAT"):
            try:
                reply = control.sendcmd("FEAT")
            except ftplib.error_perm as error:
                reply = str(error)
        offered = features(reply)
        words = {line.split()[0] for line in offered}
        self._hashes.method = choose(offered)
        self._mlsd = self._looker.can_mlst = "MLST" in words  # RFC 3659, section 7.8: MLST in FEAT stands for both
        if words:
            self._looker.can_ask = {"SIZE", "MDTM"} <= words
        else:
            with control.step("SIZE and MDTM"):
                replies = list(control.ask_all([f"SIZE {NO_FILE}", f"MDTM {NO_FILE}"], False))
            self._looker.can_ask = not any(reply.startswith(UNKNOWN_COMMAND) for reply in replies)

    def _expired(self) -> None:
        if self._sockets.over:
            raise SessionExpired(self.stage)

    # -- listing ------------------------------------------------------------------------------------------------

    @property
    def listing(self) -> Listing:
        """What is known of the listing after its last chunk."""
        return self._listing

    @property
    def listing_is_look(self) -> bool:
        """Whether a listing and a later look can be compared."""
        return bool(self._mlsd) or not self._looker.can_ask

    def list(self) -> Iterator[Sequence[RemoteFile]]:
        """Yield the entries of the directory, and of those below it when recursive."""
        control = self._pool.take()
        totals = _Totals()
        below: list[tuple[bytes, tuple[int, ...]]] = [(b"", ())]
        while below:
            directory, trail = below.pop()
            inside: list[bytes] = []
            if directory and not self._has_time_to_list():
                totals.suspect = "truncated"
                break
            try:
                for chunk in self._list_one(control, directory, totals):
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
            self._listing = totals.listing()
        self._listing = totals.listing()
        self._looker.listing_bytes = totals.bytes
        self._return(control)
        self._pool.give_back(control)

    def _has_time_to_list(self) -> bool:
        limit = self._sockets.deadline
        return limit.remaining() > (1 - LIST_SHARE) * limit.limit_secs

    def _return(self, control: Control) -> None:
        """Go back to the session's directory after listing those below it."""
        if self._recursive:
            with control.step(f"CWD {control.base}"):
                control.cwd(control.base)

    def _list_one(self, control: Control, directory: bytes, totals: "_Totals") -> Iterator[Sequence[RemoteFile]]:
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
        lines, blocks, bytes_before = LineSplitter(), self._listing_blocks(control, totals), totals.bytes
        block = next(blocks, b"")  # only now it is known whether MLSD was answered
        parser = ListingParser(datetime.now(UTC), self._mlsd)
        while block:
            yield self._entries(parser, lines.feed(block), prefix, totals)
            block = next(blocks, b"")
        if totals.suspect is None:  # else the last line may be half a name
            yield self._entries(parser, lines.end(), prefix, totals)
        nothing = totals.bytes == bytes_before
        if self._mlsd and not self._mlsd_proved and (parser.looks_wrong or nothing):
            self._mlsd = False
            listed = totals.listed
            yield from self._rows(control, prefix, totals)
            self._mlsd = nothing and totals.listed == listed  # then the directory is empty
            self._looker.can_mlst = self._mlsd
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

    def _listing_blocks(self, control: Control, totals: "_Totals") -> Iterator[bytes]:
        command = "MLSD" if self._mlsd else "LIST"
        with control.step(command):
            try:
                data = control.transfer(command)
            except ftplib.error_perm as error:
                if self._mlsd and not self._mlsd_proved:
                    self._mlsd = self._looker.can_mlst = False
                    yield from self._listing_blocks(control, totals)
                    return
                if NO_FILES.search(str(error)):
                    return
                raise
            except ftplib.error_temp as error:
                if NO_FILES.search(str(error)):
                    return
                raise
            try:
                while block := data.recv(LIST_BLOCK_BYTES):
                    self._expired()
                    totals.bytes += len(block)
                    yield block
                self._expired()
                control.leave(data)
            except ssl.SSLEOFError:  # anybody can end a connection, only the server can close one of TLS
                self._expired()
                totals.suspect = "truncated"
            finally:
                self._sockets.close(data)
            self._end_listing(control, totals)

    def _end_listing(self, control: Control, totals: "_Totals") -> None:
        try:
            reply = control.end_transfer()
        except (ftplib.error_perm, ftplib.error_temp) as error:
            # The rows that came may still be fetched; only their absence proves nothing.
            self._log.warning(record("LISTINGENDED", reply=control.masked(str(error))))
            totals.suspect = "truncated"
            return
        if TRUNCATED.search(reply):
            totals.suspect = "truncated"

    # -- looks --------------------------------------------------------------------------------------------------

    def look(self, files: Sequence[RemoteFile]) -> Looks | None:
        """Ask anew about some files, in the one way whose answers compare with their first look."""
        return self._looker.look(files, by_listing=self.listing_is_look)

    def ask(self, files: Sequence[RemoteFile]) -> Looks | None:
        """Ask for SIZE and MDTM of each file; None where the server does not know them, or no connection is free."""
        return self._looker.ask(files)

    def targets(self, links: Sequence[RemoteFile]) -> Mapping[bytes, RemoteFile] | None:
        """Ask what links lead to; None where the server does not know SIZE and MDTM, or no connection is free."""
        return self._looker.targets(links)

    def digests(self, files: Sequence[RemoteFile]) -> Mapping[bytes, Told] | None:
        """Ask for digests; none where the server offers no way, which is said once a session."""
        return self._looker.digests(files)

    def _relist(self, control: Control, files: Sequence[RemoteFile]) -> Looks:
        """Look by listing the directories of these files once more."""
        wanted = {file.name for file in files}
        totals, seen = _Totals(), dict[bytes, RemoteFile | None]()
        for directory in {name.rpartition(b"/")[0] for name in wanted}:
            try:
                for chunk in self._list_one(control, directory, totals):
                    for entry in chunk:
                        if entry.name in wanted:
                            seen.setdefault(entry.name, entry)  # of several the first, as `decide` takes it
            except RemoteRefused:
                if not directory:
                    raise  # else it is gone, with all that was in it
        self._return(control)
        if totals.suspect is None:
            seen.update((name, None) for name in wanted if name not in seen)
        return seen

    # -- fetching -----------------------------------------------------------------------------------------------

    def fetch(self, wanted: Sequence[Wanted], session: Session) -> Iterator[Arrived | Failed | Tick]:
        """Download files over the session's connections; see `remote.Remote.fetch`."""
        return self._fetcher.fetch(wanted, session)


class _Totals:
    """What is counted over the directories of one listing."""

    def __init__(self) -> None:
        self.listed = self.unreadable = self.bytes = 0
        self.fingerprint = 0  # of the directory that was listed last
        self.suspect: str | None = None
        self.examples: list[bytes] = []

    def listing(self) -> Listing:
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
