"""How files are looked at between two transfers, on a connection that is borrowed for it.

Two looks compare only when they are of one kind, so each kind is a way of its own: MLST, SIZE with MDTM, or a listing.
A link that was followed is always looked at by SIZE and MDTM. Must not: decide what a look means, or download.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from ftpretrieve.errors import RemoteUnavailable, SessionExpired
from ftpretrieve.retrieve.decide import same_look
from ftpretrieve.retrieve.ftp_control import Control, wire_name
from ftpretrieve.retrieve.ftp_hash import Hashes, Told
from ftpretrieve.retrieve.ftp_list import Lister
from ftpretrieve.retrieve.ftp_pool import Pool
from ftpretrieve.retrieve.ftp_replies import mlst_entry, size_mdtm_entry
from ftpretrieve.retrieve.ftp_sockets import Sockets
from ftpretrieve.retrieve.records import RemoteFile
from ftpretrieve.retrieve.remote import Looks

ASK_BYTES = 200
"""What one MLST costs both ways beside the name (measured on pure-ftpd and proftpd: 120 to 190)."""

Answer = TypeVar("Answer")


class Looker:
    """The looks of one session, and what it has learnt about how this server can be asked.

    `can_ask`: SIZE and MDTM tell size and time.
    """

    def __init__(
        self, pool: Pool, sockets: Sockets, hashes: Hashes, lister: Lister, workers_run: Callable[[], bool]
    ) -> None:
        """Take the parts; `workers_run` says whether a connection may come back from a transfer."""
        self._pool, self._sockets, self._hashes = pool, sockets, hashes
        self._lister, self._workers_run = lister, workers_run
        self.can_ask = self._can_mlst = self._can_queue = True
        self._mlst_proved = False
        self._links: set[bytes] = set()  # those that lead to files

    def look(self, files: Sequence[RemoteFile], *, by_listing: bool) -> Looks | None:
        """Look in a way that compares with a listing, or by SIZE and MDTM. None: not now."""
        return self._beside_links(files, self._look if by_listing else self._ask)

    def _look(self, files: Sequence[RemoteFile]) -> Looks | None:
        one_by_one = sum(len(file.name) + ASK_BYTES for file in files)
        if self._lister.mlsd and self._can_mlst and one_by_one < self._lister.cost_bytes:
            return self._borrowing(lambda control: self._mlst(control, files))
        return self._borrowing(lambda control: self._lister.look(control, files))

    def ask(self, files: Sequence[RemoteFile]) -> Looks | None:
        """Ask for SIZE and MDTM of each file; None where the server does not know them, or no connection is free."""
        return self._beside_links(files, self._ask)

    def _ask(self, files: Sequence[RemoteFile]) -> Looks | None:
        if not self.can_ask:
            return None
        return self._borrowing(lambda control: self._size_mdtm(control, files))

    def targets(self, links: Sequence[RemoteFile]) -> Mapping[bytes, RemoteFile] | None:
        """Ask what links lead to; None where the server does not know SIZE and MDTM, or no connection is free."""
        seen = self._borrowing(lambda control: self._targets(control, links)) if self.can_ask else None
        if seen is None:
            return None
        found = {name: entry for name, entry in seen.items() if entry is not None}
        self._links.update(found)
        return found

    def _beside_links(
        self, files: Sequence[RemoteFile], how: Callable[[Sequence[RemoteFile]], Looks | None]
    ) -> Looks | None:
        """Look at files in one way, and at those that are links as at their first look."""
        links = [file for file in files if file.name in self._links]
        if not links:
            return how(files)
        seen = self._borrowing(lambda control: self._targets(control, links))
        others = [file for file in files if file.name not in self._links]
        if seen is None or not others:
            return seen
        rest = how(others)
        return None if rest is None else {**seen, **rest}

    def _targets(self, control: Control, links: Sequence[RemoteFile]) -> Looks:
        """Ask for SIZE and MDTM, which follow links and refuse what is no file; MLST speaks of the link itself
        (measured: proftpd and pure-ftpd; the latter two commands also on vsftpd and pyftpdlib)."""
        seen: dict[bytes, RemoteFile | None] = {}
        for link, size, mdtm in self._sizes_and_times(control, links):
            entry = size_mdtm_entry(size, mdtm, link.name)
            if entry is not None and entry.size is not None:
                seen[link.name] = entry
            elif size.startswith("5"):
                seen[link.name] = None
        return seen

    def digests(self, files: Sequence[RemoteFile]) -> Mapping[bytes, Told] | None:
        """Ask for digests; none where the server offers no way, which is said once a session."""
        if self._hashes.method is None:
            self._hashes.unavailable("the server offers no digests")
            return {}
        return self._borrowing(lambda control: self._hashes.ask(control, files, queued=self._can_queue))

    def _borrowing(self, work: Callable[[Control], Answer | None]) -> Answer | None:
        """Do some work on a connection that is between two transfers; None at once when there is none, and when the
        session is over: what has arrived must still come out of `fetch` before that is raised there."""
        if self._sockets.aborted.is_set():
            return None
        control = self._pool.borrow(workers_run=self._workers_run())
        if control is None:
            return None
        try:
            try:
                seen = work(control)
            except RemoteUnavailable:
                # It broke, or the server loses commands that are sent ahead: once more, on a new connection and one
                # command at a time.
                self._pool.drop(control)
                self._can_queue = False
                control = self._pool.open()
                seen = work(control)
        except SessionExpired:
            self._pool.drop(control)
            return None
        self._pool.give_back(control)
        return seen

    def _replies(self, control: Control, commands: Sequence[str], stage: str) -> Sequence[str]:
        with control.step(stage):
            return list(control.ask_all(commands, self._can_queue))

    def _mlst(self, control: Control, files: Sequence[RemoteFile]) -> Looks:
        """Look by MLST. What it does not clearly show is sought in a listing, and when that has it, MLST is no good.

        Nor is it while it agrees with MLSD about no file and a listing shows one of them unchanged.
        """
        replies = self._replies(control, [f"MLST {wire_name(file.name)}" for file in files], "MLST")
        seen: dict[bytes, RemoteFile | None] = {}
        for file, reply in zip(files, replies, strict=True):
            entry = mlst_entry(reply, file.name)
            if entry is not None:
                seen[file.name] = entry
                self._mlst_proved = self._mlst_proved or same_look(file, entry)
        unclear = [file for file in files if file.name not in seen] if self._mlst_proved else files
        if unclear:
            listed = self._lister.look(control, unclear)
            shown = [file for file in unclear if _shows(listed, file, exactly=file.name in seen)]
            self._can_mlst, self._mlst_proved = not shown, True
            seen.update(listed)
        return seen

    def _size_mdtm(self, control: Control, files: Sequence[RemoteFile]) -> Looks | None:
        """Look by SIZE and MDTM. When they do not tell the time of what a listing has, they are no good: None."""
        seen: dict[bytes, RemoteFile | None] = {}
        for file, size, mdtm in self._sizes_and_times(control, files):
            if (entry := size_mdtm_entry(size, mdtm, file.name)) is not None:
                seen[file.name] = entry
        unclear = [file for file in files if file.name not in seen]
        if unclear:
            listed = self._lister.look(control, unclear)
            if any(listed.values()):
                self.can_ask = False
                return None
            seen.update(listed)
        return seen

    def _sizes_and_times(self, control: Control, files: Sequence[RemoteFile]) -> Iterator[tuple[RemoteFile, str, str]]:
        commands = [f"{verb} {wire_name(file.name)}" for file in files for verb in ("SIZE", "MDTM")]
        replies = self._replies(control, commands, "SIZE and MDTM")
        return zip(files, replies[::2], replies[1::2], strict=True)


def _shows(looks: Looks, file: RemoteFile, *, exactly: bool) -> bool:
    """Say whether a look has a file at all, or exactly as it was."""
    entry = looks.get(file.name)
    return entry is not None and (not exactly or same_look(file, entry))
