"""The data centre, as far as rsync can reach it: gives it files and asks what it has.

Theory. Every method is one or two calls of rsync; each names what it proves. A call that failed by what can heal is
made again, after 2, 4, 8 ... s; rsync goes on where it was cut off. The exit code alone decides success, since rsync
reports a file when it begins to send it (measured with 3.5.0: with a full disk it reports files that never arrived).
Whether the server has something is asked by a dry run that would send it, which modules that can only be written to
answer as well. A server that refuses `--dry-run` is refused in turn: nothing could be proven there.

What a broken connection leaves at the server is kept by `--partial` under the final name, with mtime 0, and only the
rest is sent; a session that is killed there (SIGKILL, a power cut) leaves `.name.XXXXXX`, which nobody uses again:
measured with 3.5.0.

An rsync that sends within a limit of bandwidth must not get SIGTERM, SIGINT or SIGHUP. It waits between writing and
noting that it has written, and one that is ended there writes the same once more: the server then stores a small file
again under the name of the next one, with the size, time and checksum that one should have, and no later call finds out
(measured with 3.5.0: half of 25 ends, among files of one size). So it is in a session of its own, and only ever killed
by us. But a machine that is shut down does it as well; hence, after a push that was not the only attempt, files of one
size that rsync may have written at once go again, as what differs in them. (`--checksum` would send less; but it reads
in silence, which a time limit would take for the end of the server.)

Whether the server is silent is left to rsync: measured with 3.5.0, `--timeout` ends a connection on which nothing moves
(also before the greeting; after about twice the time), `--contimeout` one that does not come about. What still fits
into the buffers of the system counts as moved, so a server that stops near the end is ended by the deadline only.

Must not: decide what is sent, or remember anything. The password goes into the environment of rsync and nowhere else.
"""

import logging
import math
import os
import shlex
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ftpretrieve import command
from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import CommandFailed, RemoteRefused, RemoteUnavailable, SessionExpired, StorageError
from ftpretrieve.escapes import escape
from ftpretrieve.logs import record
from ftpretrieve.passwords import COMMAND_SECS
from ftpretrieve.send import rsync_argv
from ftpretrieve.send.records import ID_FORM, Intent, Settings, Snapshot
from ftpretrieve.send.rsync_argv import Call
from ftpretrieve.send.rsync_words import (
    Item,
    are_of_single_files,
    failure,
    parse_item,
    parse_progress,
    too_large,
    unreadable,
)
from ftpretrieve.send.tools import Rsync
from ftpretrieve.send.transaction import LIMIT

LOGGER = logging.getLogger("ftpretrieve.send")

FIRST_WAIT_SECS, LONGEST_WAIT_SECS = 2.0, 60.0
"""A daemon that is started anew is back within seconds, a network within minutes."""

KEPT_ENVIRONMENT = ("PATH", "HOME", "LD_LIBRARY_PATH", "RSYNC_PROXY")
"""What rsync gets of our environment: how it starts, and the way to the server. Not the rest, since many RSYNC_* of a
user change what the same arguments do (RSYNC_ICONV, RSYNC_PARTIAL_DIR ...); `rsync extra args` is the place for such.
RSYNC_CONNECT_PROG starts a program, which would inherit the password. The locale is C: messages and names are parsed.
"""

KEPT_LINES = 10_000
"""Of an output: items are taken as they come, and what tells of trouble comes last. A server could talk for ever."""

MOST_REPORTED_BYTES = 1 << 30
"""Several times what rsync says of all files that the XML of a transaction can list: who says more makes it up."""

STATUSES_AT_ONCE = 4_000
"""So many statuses are asked for with one call: of each, rsync may print two lines, and all have to be kept."""

PARTIAL, VANISHED = 23, 24
"""Exit codes of rsync when some of what it was asked for could not be had, or was gone when its turn came."""

AT_ONCE_BYTES = 65_536
"""rsync writes no more at once than its buffer holds, so a file that is sent again by mistake has not more; but before
it was compressed it may have had any size (measured with 3.5.0 and zlibx: 200 KB)."""

OPEN_MODE, OPEN_FILE_MODE = 0o755, 0o644
"""Of what is made for the server: it takes the modes over, and the data centre has to be able to read there."""


def _nobody(_: str) -> None:
    """Take a message that nobody wants."""


class StatusUnread(RemoteRefused):
    """The data centre has a status that it cannot give, or that is too large; what others have is not concerned."""


class DataCentre:
    """The server of the configuration. `tell` hears of each attempt that is made again, `progress` how far a push is.

    Raises, all methods: RemoteUnavailable when all attempts failed; LoginRefused, RemoteRefused; StorageError for what
    cannot be read here; CommandFailed; SessionExpired at the deadline; ConfigError when there is no password.
    """

    def __init__(
        self,
        settings: Settings,
        rsync: Rsync,
        deadline: Deadline,
        *,
        limited: bool = True,
        tell: Callable[[str], None] = _nobody,
        progress: Callable[[str], None] | None = None,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._settings = settings
        self._rsync = rsync
        self._program = str(rsync.path)
        self._deadline = deadline
        self._limited = limited
        self._tell = tell
        self._progress = progress if rsync.has_info else None
        self._wait = wait
        self._password: str | None = None
        self._was_cut_off = False

    # -- questions ----------------------------------------------------------------------------------------------------

    def is_taken(self, transaction_id: str) -> bool:
        """Return whether the server has a directory or a status of that id."""
        with self._private() as private:
            probe = _open_directory(private / transaction_id) / "probe"  # or --prune-empty-dirs would leave it out
            _open_file(probe, b"")
            call = self._own(str(private / transaction_id), question="--ignore-times")
            items = self._run(f"asking whether {transaction_id} is taken", call)
        reported = {item.path: item for item in items}
        self._check_probe(os.fsencode(f"{transaction_id}/probe") in reported)
        directory = reported.get(os.fsencode(f"{transaction_id}/"))
        is_free = directory is not None and directory.is_new
        return not is_free or transaction_id in self.statuses([transaction_id])

    def is_complete(self, transaction_id: str) -> bool:
        """Return whether the server has `ID.xml`: as we sent it, or already as a status."""
        return self._has_xml(transaction_id) or transaction_id in self.statuses([transaction_id])

    def plan(self, intent: Intent, snapshot: Snapshot) -> frozenset[str]:
        """Return the files that rsync would send if the server had none. Proves that the server lets us in."""
        call = self._push(intent, snapshot, dry_run=True, everything=True)
        return frozenset(_sent(intent, self._run(f"trying {intent.id} without sending", call)))

    def missing(self, intent: Intent, snapshot: Snapshot) -> list[str]:
        """Return the files and empty directories that the server does not have as they are here, in order."""
        call = self._push(intent, snapshot, dry_run=True)
        items = self._run(f"checking whether all of {intent.id} has arrived", call)
        made = {_local_path(intent, item) for item in items if item.is_new}
        return sorted({*_sent(intent, items), *made.intersection(snapshot.empty_directories)})

    def statuses(self, ids: Sequence[str]) -> dict[str, bytes | StatusUnread]:
        """Return the status XML of those ids that have one, or why it cannot be had.

        Whatever is wrong with one file does not matter to the others; a link or a directory is no status.
        """
        names = sorted({name for name in ids if ID_FORM.fullmatch(name)})  # an old logbook may hold anything
        found: dict[str, bytes | StatusUnread] = {}
        for start in range(0, len(names), STATUSES_AT_ONCE):
            found |= self._statuses(names[start : start + STATUSES_AT_ONCE])
        return found

    def _statuses(self, names: Sequence[str]) -> dict[str, bytes | StatusUnread]:
        """Ask with one call, which also says which files are not there, too large, or cannot be read."""
        with self._private() as private:
            call = rsync_argv.pull_statuses(
                self._program, self._settings, names, str(private), LIMIT, tell_large=self._rsync.has_info
            )
            output = self._finish("asking for the status", call, [], may_lack_files=True)
            large, unread = too_large(output), unreadable(output)
            found: dict[str, bytes | StatusUnread] = {}
            for name in names:
                path = private / f"{name}.xml"
                if path.is_file() and not path.is_symlink():  # which would lead elsewhere
                    found[name] = _content(name, path)
                elif path.name in unread:
                    found[name] = _unread(name, unread[path.name])
                elif path.name in large:
                    found[name] = _too_large(name)
            return found

    # -- what changes something there ---------------------------------------------------------------------------------

    def make_place(self, intent: Intent) -> None:
        """Make the directory of the transaction; one that is there is left as it is."""
        with self._private() as private:
            place = _open_directory(private / intent.id)
            items = self._run(f"making the directory {intent.id}", self._own(str(place)))
        self._was_cut_off = not any(item.is_new for item in items)

    def push(self, intent: Intent, snapshot: Snapshot) -> frozenset[str]:
        """Bring the files of the snapshot to the server; return those of which something was sent."""
        call = self._push(intent, snapshot, progress=self._progress is not None)
        sent = frozenset(_sent(intent, self._run(f"sending {intent.id}", call)))
        most = math.inf if rsync_argv.compresses(self._settings) else AT_ONCE_BYTES
        if self._was_cut_off and (alike := _alike(snapshot, most)).files:
            self._run(f"comparing files of {intent.id}", self._push(intent, alike, everything=True))
        return sent

    def push_xml(self, transaction_id: str, data: bytes) -> None:
        """Bring `ID.xml` to the server, which makes the transaction complete."""
        name = f"{transaction_id}.xml"
        with self._private() as private:
            _open_file(private / name, data)
            items = self._run(f"sending {name}", self._own(str(private / name), transaction_id))
        if not any(item.is_file for item in items) and not self._has_xml(transaction_id):
            raise CommandFailed(f"rsync ended well, and yet did not send {name}; check 'rsync extra args'")

    # -- how ----------------------------------------------------------------------------------------------------------

    def _has_xml(self, transaction_id: str) -> bool:
        """Return whether `ID.xml` is in the directory of the transaction. A probe beside it shows that answers come."""
        name, probe = f"{transaction_id}.xml", f"{transaction_id}.probe"
        with self._private() as private:
            for file in (name, probe):
                _open_file(private / file, b"")
            call = self._own(f"{private}/", transaction_id, question="--ignore-existing")
            items = self._run(f"asking whether {transaction_id} is complete", call)
        reported = {item.path for item in items}
        self._check_probe(probe.encode() in reported)
        return name.encode() not in reported

    def _check_probe(self, is_reported: bool) -> None:
        if not is_reported:
            raise CommandFailed("rsync does not answer what the server has; check 'rsync extra args'")

    def _own(self, source: str, place: str = "", question: str = "") -> Call:
        return rsync_argv.push_own(self._program, self._settings, source, place, question=question)

    def _push(
        self,
        intent: Intent,
        snapshot: Snapshot,
        *,
        dry_run: bool = False,
        everything: bool = False,
        progress: bool = False,
    ) -> Call:
        names = os.fsencode(rsync_argv.listing(intent, snapshot))
        return rsync_argv.push(self._program, self._settings, intent, names, limited=self._limited, dry_run=dry_run,
                               everything=everything, progress=progress)  # fmt: skip

    def _run(self, doing: str, call: Call) -> list[Item]:
        """Run rsync until it ends well; return all that it has reported, failed attempts included."""
        items: list[Item] = []
        self._finish(doing, call, items)
        return items

    def _finish(self, doing: str, call: Call, items: list[Item], *, may_lack_files: bool = False) -> Sequence[str]:
        """Run rsync until it ends well, adding what it reports; return what the last attempt printed.

        `may_lack_files`: it has also ended well when single files could not be had.
        """
        pause = FIRST_WAIT_SECS
        for left in reversed(range(self._settings.retries + 1)):
            try:
                return self._attempt(doing, call, items, may_lack_files)
            except RemoteUnavailable as error:
                self._was_cut_off = True
                if not left or self._deadline.remaining() <= pause:
                    raise
                self._tell(f"{error}; trying again in {pause:g} s")
            self._wait(pause)
            pause = min(2 * pause, LONGEST_WAIT_SECS)
        raise AssertionError  # the last attempt returns or raises

    def _attempt(self, doing: str, call: Call, items: list[Item], may_lack_files: bool) -> Sequence[str]:
        reported = 0

        def hear(line: str) -> None:
            nonlocal reported
            item = parse_item(os.fsencode(line))
            if item is not None:
                items.append(item)
                reported += len(line)
                if reported > MOST_REPORTED_BYTES:
                    raise RemoteRefused(f"{doing}: the server reports files without end; ask the data centre")
            elif self._progress is not None and (words := parse_progress(line)):
                self._progress(f"{doing}: {words}")

        if not self._deadline.expired:
            done = command.stream(
                call.argv,
                timeout_secs=self._deadline.remaining(),
                stdin=call.stdin,
                env=self._environment(),
                on_line=hear,
                carriage_returns=True,
                grace_secs=0,  # see above: never SIGTERM
                keep_lines=KEPT_LINES,
            )
            LOGGER.debug(record("RSYNC", argv=shlex.join(call.argv), code=done.code, lines=len(done.output)))
            is_lacking = may_lack_files and done.code in (PARTIAL, VANISHED) and are_of_single_files(done.output)
            if done.code == 0 or is_lacking:
                return done.output
            if not done.timed_out:
                where = f"{self._settings.server}, port {self._settings.port}"
                raise failure(done.code, done.output, f"{doing} ({where})")
        raise SessionExpired(
            f"{doing}: not done within {self._deadline.limit_secs:g} s; run it again and it goes on, or raise "
            "'send max duration'"
        )

    def _environment(self) -> dict[str, str]:
        if self._password is None:
            self._password = self._settings.password.reveal(self._deadline.at_most(COMMAND_SECS))
        kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        return {**kept, "LC_ALL": "C", "RSYNC_PASSWORD": self._password}

    @contextmanager
    def _private(self) -> Iterator[Path]:
        """Give a directory for the time of one call."""
        working_directory = self._settings.working_directory
        try:
            with tempfile.TemporaryDirectory(prefix="ftpretrieve-send-", dir=working_directory) as name:
                yield Path(name)
        except OSError as error:
            raise StorageError(f"cannot use 'working directory' {working_directory}: {error.strerror}") from error


def _open_directory(path: Path) -> Path:
    path.mkdir()
    path.chmod(OPEN_MODE)  # whatever the umask
    return path


def _open_file(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(OPEN_FILE_MODE)


def _content(name: str, path: Path) -> bytes | StatusUnread:
    if path.stat().st_size > LIMIT:
        return _too_large(name)
    path.chmod(OPEN_FILE_MODE)  # it came with the mode that it has there
    return path.read_bytes()


def _too_large(name: str) -> StatusUnread:
    return StatusUnread(
        f"the status of {name} at the data centre is larger than {LIMIT >> 20} MiB, which no status is; ask the data "
        "centre"
    )


def _unread(name: str, reason: str) -> StatusUnread:
    return StatusUnread(f"the server of the data centre cannot read {name}.xml ({escape(reason)}); ask the data centre")


def _alike(snapshot: Snapshot, most_bytes: float) -> Snapshot:
    """Return the files that rsync may have confused at its end without changing a size."""
    sizes = Counter(file.size for file in snapshot.files)
    return Snapshot(tuple(file for file in snapshot.files if 0 < file.size <= most_bytes and sizes[file.size] > 1))


def _sent(intent: Intent, items: Sequence[Item]) -> Iterator[str]:
    """Yield the files of the directory of which rsync sends something."""
    return (_local_path(intent, item) for item in items if item.is_file and item.differs)


def _local_path(intent: Intent, item: Item) -> str:
    """Return what rsync reports as a path below the directory that is sent."""
    return os.fsdecode(item.path).rstrip("/").removeprefix(intent.remote_path(""))
