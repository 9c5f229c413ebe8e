"""A remote directory in memory: a full implementation of the contract in `remote`, without a network.

A `MemoryServer` is the directory, a `MemoryRemote` one session on it. What a session shows is chosen by a `Style`: the
one-second UTC stamps of MLSD, or the minutes of LIST in the server's local time, with or without SIZE and MDTM. The
switches on the server make sessions end, listings stop short and files change at a chosen moment. It is single-threaded
on purpose: a test can stop it at any step.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import RemoteUnavailable, SessionExpired
from ftpretrieve.retrieve.records import (
    TICK,
    Arrived,
    Clock,
    Failed,
    Kind,
    Listing,
    RemoteFile,
    State,
    Tick,
    Wanted,
)
from ftpretrieve.retrieve.staging import Session

CHUNK = 3
"""Entries yielded at a time: small, so that a handful of files already comes in several chunks."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a server tells of its files. `offset_secs` is what its local time is ahead of UTC; one that `tells_local`
    answers in it to MDTM too, as vsftpd does with `use_localtime`."""

    name: str
    clock: Clock
    precision: int
    can_ask: bool
    offset_secs: int = 0
    tells_local: bool = False

    def stamp(self, mtime: float) -> int:
        """Return what a listing prints for a modification time."""
        local = mtime if self.clock is Clock.UTC else mtime + self.offset_secs
        return int(local // self.precision) * self.precision

    @property
    def listing_is_look(self) -> bool:
        """Whether listings compare with looks."""
        return self.clock is Clock.UTC or not self.can_ask


MLSD = Style("mlsd", Clock.UTC, 1, True)
LIST_ASK = Style("list-mdtm", Clock.LOCAL, 60, True, offset_secs=7200)
LIST = Style("list", Clock.LOCAL, 60, False, offset_secs=-5 * 3600)
LIST_ASK_LOCAL = Style("list-mdtm-local", Clock.LOCAL, 60, True, offset_secs=3600, tells_local=True)
STYLES = (MLSD, LIST_ASK, LIST)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file on the server. `size` and `stamp` may be hidden from listings, and a kind be faked.

    With a `target` it is a symbolic link to that name.
    """

    content: bytes
    mtime: float
    kind: Kind = Kind.FILE
    shows_size: bool = True
    shows_stamp: bool = True
    target: bytes | None = None


class MemoryServer:
    """The directory, and the switches that break sessions on it.

    `on[step]` is called with the name when a step begins: list, look, ask, retr, half (of the bytes are sent), sent.
    """

    def __init__(self, clock: Callable[[], float], style: Style = MLSD) -> None:
        self.clock, self.style = clock, style
        self.files: dict[bytes, Entry] = {}
        self.calls: Counter[str] = Counter()
        self.on: dict[str, Callable[[bytes], None]] = {}
        self.away = False
        self.listing_stops_after: int | None = None
        self.listed_twice = False
        self.failing: dict[bytes, str] = {}

    def put(self, name: bytes, content: bytes, mtime: float | None = None, **hidden: bool) -> None:
        """Store a file, as modified now unless told otherwise."""
        self.files[name] = Entry(content, self.clock() if mtime is None else mtime, **hidden)

    def link(self, name: bytes, target: bytes) -> None:
        """Make a symbolic link."""
        self.files[name] = Entry(target, self.clock(), Kind.LINK, target=target)

    def found(self, name: bytes) -> Entry | None:
        """Return the file of a name, or the one that a link leads to; None when there is none."""
        entry = self.files.get(name)
        return entry if entry is None or entry.target is None else self.files.get(entry.target)

    def remove(self, name: bytes) -> None:
        """Delete a file."""
        del self.files[name]

    def step(self, step: str, name: bytes = b"") -> None:
        """Count a step and let a test interfere."""
        self.calls[step] += 1
        if self.away:
            raise RemoteUnavailable("memory: the server is away")
        if step in self.on:
            self.on[step](name)

    def shown(self, name: bytes) -> RemoteFile | None:
        """Return the listing's entry of a name, None when it is gone."""
        entry = self.files.get(name)
        if entry is None:
            return None
        size = len(entry.content) if entry.shows_size else None
        if not entry.shows_stamp:
            return RemoteFile(name, entry.kind, size, None, 0, self.style.clock)
        style = self.style
        return RemoteFile(name, entry.kind, size, style.stamp(entry.mtime), style.precision, style.clock)

    def digest(self, name: bytes) -> tuple[str, str] | None:
        """Return the digest of a file, None when it is gone."""
        entry = self.found(name)
        return None if entry is None else ("MD5", hashlib.md5(entry.content, usedforsecurity=False).hexdigest())

    def seen(self, name: bytes) -> RemoteFile | None:
        """Return what a look shows beside listings that are looks: as they do, but of a link what it leads to."""
        entry = self.files.get(name)
        return self.shown(name) if entry is None or entry.target is None else self.told(name)

    def told(self, name: bytes) -> RemoteFile | None:
        """Return what SIZE and MDTM tell of a name, None when it is gone."""
        entry = self.found(name)
        if entry is None:
            return None
        ahead_secs = self.style.offset_secs if self.style.tells_local else 0
        return RemoteFile(name, Kind.FILE, len(entry.content), int(entry.mtime) + ahead_secs, 1, Clock.UTC)


class MemoryRemote:
    """One session. See `remote.Remote` for what each call promises."""

    def __init__(self, server: MemoryServer, deadline: Deadline) -> None:
        self._server, self._deadline = server, deadline
        self._listing = Listing(0)
        self._aborted = False

    def _go(self, step: str, name: bytes = b"") -> None:
        if self._aborted or self._deadline.expired:
            raise SessionExpired(step)
        self._server.step(step, name)
        if self._aborted or self._deadline.expired:
            raise SessionExpired(step)

    @property
    def listing(self) -> Listing:
        """What is known of the listing after its last chunk."""
        return self._listing

    @property
    def listing_is_look(self) -> bool:
        """Whether a listing and a later look can be compared."""
        return self._server.style.listing_is_look

    def list(self) -> Iterator[Sequence[RemoteFile]]:
        """Yield the entries in chunks, in order of their names."""
        self._go("list")
        entries, suspect = self._entries()
        for start in range(0, len(entries), CHUNK):
            yield entries[start : start + CHUNK]
        self._listing = Listing(len(entries), suspect=suspect)

    def _entries(self) -> tuple[Sequence[RemoteFile], str | None]:
        shown = [self._server.shown(name) for name in sorted(self._server.files)]
        entries = [entry for entry in shown if entry is not None]
        stop = self._server.listing_stops_after
        if stop is not None and stop < len(entries):
            return entries[:stop], "truncated"
        return entries * 2 if self._server.listed_twice else entries, None

    def look(self, files: Sequence[RemoteFile]) -> Mapping[bytes, RemoteFile | None] | None:
        """Ask anew, in the one way whose answers compare with the first look."""
        with suppress(SessionExpired):
            self._go("look")
            return self._look(files)
        return None

    def _look(self, files: Sequence[RemoteFile]) -> Mapping[bytes, RemoteFile | None]:
        style = self._server.style
        if not style.listing_is_look:
            return {file.name: self._server.told(file.name) for file in files}
        if style.clock is Clock.UTC:
            return {file.name: self._server.seen(file.name) for file in files}
        entries, suspect = self._entries()
        there = {entry.name: entry for entry in entries}
        wanted = [file.name for file in files]
        return {name: there.get(name) for name in wanted if name in there or suspect is None}

    def ask(self, files: Sequence[RemoteFile]) -> Mapping[bytes, RemoteFile | None] | None:
        """Tell size and UTC time, where the style has them."""
        if not self._server.style.can_ask:
            return None
        with suppress(SessionExpired):
            self._go("ask")
            return {file.name: self._server.told(file.name) for file in files}
        return None

    def targets(self, links: Sequence[RemoteFile]) -> Mapping[bytes, RemoteFile] | None:
        """Tell what SIZE and MDTM do, where the style has them: they follow links."""
        if not self._server.style.can_ask:
            return None
        with suppress(SessionExpired):
            self._go("targets")
            return {link.name: told for link in links if (told := self._server.told(link.name)) is not None}
        return None

    def digests(self, files: Sequence[RemoteFile]) -> Mapping[bytes, tuple[str, str]] | None:
        """Tell the digests that the server would."""
        with suppress(SessionExpired):
            self._go("digests")
            return {file.name: told for file in files if (told := self._server.digest(file.name)) is not None}
        return None

    def fetch(self, wanted: Sequence[Wanted], session: Session) -> Iterator[Arrived | Failed | Tick]:
        """Download one file after the other, each in two halves."""
        for item in wanted:
            yield TICK
            yield self._fetch(item, session)

    def _fetch(self, item: Wanted, session: Session) -> Arrived | Failed:
        name, server = item.file.name, self._server
        self._go("retr", name)
        entry = server.found(name)
        if entry is None:
            return Failed(item, "550 no such file")
        if name in server.failing:
            return Failed(item, server.failing[name])
        no_room = session.why_no_room(len(entry.content))
        if no_room is not None:
            return Failed(item, no_room)
        fd, staged = self._open(item, session)
        try:
            content = self._receive(fd, name, entry)
            size = item.first.size
            if size is not None and size != len(content):
                fault = State.CHANGING if len(content) > size else State.FAILED
                session.staging.discard(staged)
                return Failed(item, f"incomplete: {len(content)} of {size} bytes", fault)
            inode = session.finish(fd, staged, item.first.stamp)
        finally:
            os.close(fd)
        self._go("sent", name)
        return Arrived(item, staged, len(content), inode, hashlib.sha256(content).hexdigest())

    @staticmethod
    def _open(item: Wanted, session: Session) -> tuple[int, bytes]:
        if item.partial is not None:
            fd = session.reopen(item.partial, item.partial_bytes)
            if fd is not None:
                return fd, item.partial
        return session.create(b"%d%s" % (item.id, b"" if item.recheck_of is None else b"-recheck"))

    def _receive(self, fd: int, name: bytes, begun: Entry) -> bytes:
        """Write the file as it is at each half: one that is rewritten meanwhile comes out torn."""
        content = os.pread(fd, len(begun.content), 0)
        half = max(len(begun.content) // 2, len(content))
        content += begun.content[len(content) : half]
        os.pwrite(fd, content, 0)
        self._go("half", name)
        entry = self._server.found(name)
        rest = entry.content[half:] if entry is not None else b""
        os.pwrite(fd, rest, half)
        return content + rest

    def abort(self) -> None:
        """End the session at its next step."""
        self._aborted = True

    def close(self) -> None:
        """Nothing is open."""
        self.abort()
