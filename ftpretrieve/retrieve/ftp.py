"""A session on an FTP server: the FTP side of the contract in `remote`.

Theory of operation. This module connects, learns what the server offers, and hands each call to the part that does it:

    connect   `ftp_pool` has the connections, each an `ftp_control`: commands, replies, login, over `ftp_tls` if asked
    list      `ftp_list`, read by `listing` and its dialects
    look      `ftp_looks`, by replies that `ftp_replies` reads; digests by `ftp_hash`
    fetch     `ftp_fetch` has the threads; each runs one `ftp_download` after another, within `ftp_limits`

Below them `ftp_data` opens data connections, and `ftp_sockets` knows every socket, so that the session can be ended.

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
from collections.abc import Iterator, Mapping, Sequence

from ftpretrieve.deadline import Deadline
from ftpretrieve.retrieve.ftp_control import WIRE, Account, Control
from ftpretrieve.retrieve.ftp_data import DataOpener, Network
from ftpretrieve.retrieve.ftp_download import Progress
from ftpretrieve.retrieve.ftp_fetch import Fetcher
from ftpretrieve.retrieve.ftp_hash import Hashes, Told, choose
from ftpretrieve.retrieve.ftp_limits import RateLimit
from ftpretrieve.retrieve.ftp_list import Lister
from ftpretrieve.retrieve.ftp_looks import Looker
from ftpretrieve.retrieve.ftp_pool import Pool
from ftpretrieve.retrieve.ftp_replies import features
from ftpretrieve.retrieve.ftp_sockets import Sockets
from ftpretrieve.retrieve.ftp_tls import Tls
from ftpretrieve.retrieve.records import Arrived, Failed, Listing, RemoteFile, Tick, Wanted
from ftpretrieve.retrieve.remote import Looks
from ftpretrieve.retrieve.staging import Session

UNKNOWN_COMMAND = ("500", "501", "502", "504")
"""Source: RFC 959, section 4.2.2: not recognised, or not with such an argument; not implemented, or not so."""

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
        self._account, self._directory, self._recursive = account, directory, recursive
        self._sockets = Sockets(deadline)
        network = network or Network()
        self._opener = DataOpener(self._sockets, account.silence_secs, network)
        self._pool = Pool(self._open, self._sockets, connections, log)
        rate = RateLimit(network.rate_bytes, self._sockets.aborted)
        self._fetcher = Fetcher(self._pool, self._sockets, connections, rate, progress, log)
        self.tls: Tls | None = None
        """That of the last connection, for those who report it."""
        self._lister = Lister(self._sockets, log, recursive=recursive)
        self._hashes = Hashes(log)
        self._looker = Looker(self._pool, self._sockets, self._hashes, self._lister, lambda: self._fetcher.busy)

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
            if self._lister.mlsd is None:
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
        self._lister.mlsd = "MLST" in words  # RFC 3659, section 7.8: MLST in FEAT stands for both
        if words:
            self._looker.can_ask = {"SIZE", "MDTM"} <= words
        else:
            with control.step("SIZE and MDTM"):
                replies = list(control.ask_all([f"SIZE {NO_FILE}", f"MDTM {NO_FILE}"], False))
            self._looker.can_ask = not any(reply.startswith(UNKNOWN_COMMAND) for reply in replies)

    # -- listing ------------------------------------------------------------------------------------------------

    @property
    def listing(self) -> Listing:
        """What is known of the listing after its last chunk."""
        return self._lister.known

    @property
    def listed_by(self) -> str:
        """The command that lists, as far as it is known by now; for those who report it."""
        return "MLSD" if self._lister.mlsd else "LIST"

    @property
    def listing_is_look(self) -> bool:
        """Whether a listing and a later look can be compared."""
        return bool(self._lister.mlsd) or not self._looker.can_ask

    def list(self) -> Iterator[Sequence[RemoteFile]]:
        """Yield the entries of the directory, and of those below it when recursive."""
        control = self._pool.take()
        yield from self._lister.list(control)
        self._pool.give_back(control)

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

    # -- fetching -----------------------------------------------------------------------------------------------

    def fetch(self, wanted: Sequence[Wanted], session: Session) -> Iterator[Arrived | Failed | Tick]:
        """Download files over the session's connections; see `remote.Remote.fetch`."""
        return self._fetcher.fetch(wanted, session)
