"""What is found out before the first byte goes: which transaction it is, what stands against it, what would be sent.

Must not: change anything, here or at the server; so all that a test (`-t`) does is here.
"""

import logging
import os
import secrets
import string
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from ftpretrieve.errors import FtpRetrieveError
from ftpretrieve.send import limits
from ftpretrieve.send.intents import Intents
from ftpretrieve.send.logbook import Logbook
from ftpretrieve.send.records import Intent, Settings, Snapshot, State, layout
from ftpretrieve.send.rsync import DataCentre
from ftpretrieve.send.snapshot import differences, take
from ftpretrieve.send.transaction import LIMIT, needs_escape, new, to_xml

ID_ATTEMPTS = 20
"""Of 4.6 thousand million ids one may be taken by chance; a server that says so of 20 in a row is broken."""


class NotSent(FtpRetrieveError):
    """A transaction cannot go on as things are; the message says why, and what to do."""


class Tell(Protocol):
    """Takes what happens: a record for the log, and the same in words for people."""

    def __call__(self, level: int, word: str, text: str, /, **fields: object) -> None:
        """Take one; `fields` as in `logs.record`."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for. `directory`: as `Intent.directory`."""

    directory: str
    data_type: str
    resume: bool = False  # only if one is unfinished
    restart: bool = False  # under a new id, whatever was
    ignore_limits: bool = False


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would be sent; sizes as du counts."""

    files: int
    total_bytes: int
    size_gb: float
    week: limits.Week
    resumes: str | None = None  # the id that would go on
    unchanged: str | None = None  # the id as which all of it was sent


@dataclass(frozen=True, slots=True)
class Survey:
    """Looks at the directory, at what is remembered, and at the server.

    `measure`: the size of a directory in GB; `now`: epoch seconds.
    """

    settings: Settings
    logbook: Logbook
    intents: Intents
    centre: DataCentre
    measure: Callable[[str], float]
    tell: Tell
    now: Callable[[], float]

    def last(self, request: Request) -> Intent | None:
        """Return the unfinished transaction of the directory, or else the last one that was the same request.

        Tells of what is remembered and cannot be read: it may have been just that one.
        Raises: NotSent when the unfinished one was for something else, or when there is none and there has to be.
        """
        for damage in self.intents.damaged():
            self.tell(logging.WARNING, "DAMAGED", damage, reason=damage)
        same = (self.settings.node, request.data_type, self.settings.address, layout(request.directory))
        last = self.intents.latest(
            request.directory,
            lambda known: (known.node, known.data_type, known.server, layout(known.directory)) == same,
        )
        if last is not None and last.state is State.SENDING:
            self._check_same(last, request)
        elif request.resume:
            raise NotSent(f"no transaction of {request.directory} is unfinished, so there is nothing to resume")
        return last

    def _check_same(self, unfinished: Intent, request: Request) -> None:
        """Raise NotSent if an unfinished transaction is none that the request can finish, or may give up."""
        begun = f"{unfinished.id} of {unfinished.directory} is unfinished, and was begun"
        address = self.settings.address
        # Also with --restart: only that node and server know whether it is complete.
        if (unfinished.node, unfinished.server) != (self.settings.node, address):
            raise NotSent(
                f"{begun} for {unfinished.node} at {unfinished.server}, not for {self.settings.node} at {address}; "
                "finish it with the configuration of then, or give it up with that and --restart; or, if that server "
                f"is no more, remove {self.intents.directory / unfinished.id}.json"
            )
        if request.restart:
            return
        if unfinished.data_type != request.data_type:
            raise NotSent(
                f"{begun} as {unfinished.data_type}, not as {request.data_type}; finish it as it was begun, or give it "
                "up with --restart"
            )
        if layout(unfinished.directory) != layout(request.directory):
            raise NotSent(
                f"{begun} by that name: {request.directory} would lie elsewhere at the server; finish it as it was "
                "begun, or give it up with --restart"
            )

    def is_complete(self, intent: Intent) -> bool:
        """Return whether what is unfinished here is complete at the server all the same, and only was not noted.

        The logbook knows as well, and better than a server that has taken away by now what it was sent.
        """
        booked = {entry.transaction_id for entry in self.logbook.read()}
        return intent.id in booked or self.centre.is_complete(intent.id)

    def size_gb(self, request: Request, snapshot: Snapshot) -> float:
        """Return the GB of the directory as du counts. Raises: NotSent when there is nothing to send."""
        if not snapshot.files:
            raise NotSent(f"{request.directory} has no file that could be sent")
        return self.measure(request.directory)

    def candidate(self, request: Request, snapshot: Snapshot, size_gb: float) -> Intent:
        """Return what a new transaction would be; its id is free here and at the server, which is asked."""
        return Intent(
            id=self._free_id(self.intents.ids() | {entry.transaction_id for entry in self.logbook.read()}),
            node=self.settings.node,
            directory=request.directory,
            data_type=request.data_type,
            started=self.now(),
            size_gb=size_gb,
            digest=snapshot.digest,
            files=len(snapshot.files),
            total_bytes=snapshot.total_bytes,
            snapshot=snapshot,
            server=self.settings.address,
        )

    def _free_id(self, taken: Collection[str]) -> str:
        for _ in range(ID_ATTEMPTS):
            letters = "".join(secrets.choice(string.ascii_uppercase) for _ in range(4))
            candidate = letters + "".join(secrets.choice(string.digits) for _ in range(4))
            if candidate not in taken and not self.centre.is_taken(candidate):
                return candidate
        raise NotSent(f"the server says of {ID_ATTEMPTS} new ids that each is taken; ask the data centre")

    def check_limits(self, request: Request, snapshot: Snapshot, size_gb: float) -> limits.Week:
        """Return what counts already.

        Raises: NotSent with all limits that the transaction would exceed, unless they are to be ignored.
        """
        week = self.week(request)
        problems = limits.exceeded(self.settings, week, size_gb=size_gb, files=len(snapshot.files))
        if problems and not request.ignore_limits:
            raise NotSent("\n".join(problems))
        return week

    def week(self, request: Request) -> limits.Week:
        """Return what was sent in the last seven days and what others send now; tell of what may make that wrong.

        Two that begin at the same moment do not see each other yet.
        """
        since = self.now() - limits.WEEK_SECS
        doubts = self.logbook.doubts(since)
        if not self.settings.logbook.exists() and any(
            known.state in (State.SENT, State.FINISHED) for known in self.intents.all()
        ):
            doubts = [f"there is no logbook {self.settings.logbook}, and things were sent: put back a copy of it"]
        for doubt in doubts:
            self.tell(logging.WARNING, "DOUBTFUL", doubt, reason=doubt)
        sending = self.intents.under_way(request.directory)
        # Read afterwards: what is noted as sent meanwhile must not be missing in both.
        booked = {entry.transaction_id for entry in self.logbook.read()}
        sending_gb = sum(intent.size_gb for intent in sending if intent.id not in booked)
        return limits.Week(self.logbook.gb_since(since), sending_gb)

    def unchanged(self, intent: Intent) -> Snapshot:
        """Return the snapshot of an unfinished transaction. Raises: NotSent if the directory is not like it."""
        if intent.snapshot is None:
            raise NotSent(f"{intent.id}: its file in {self.settings.transactions} has no snapshot; use --restart")
        if not os.path.lexists(intent.directory):
            raise NotSent(
                f"{intent.directory} is gone, and {intent.id} of it is unfinished; put it back as it was, or, to give "
                f"the transaction up, remove {self.intents.directory / intent.id}.json"
            )
        if found := differences(intent.snapshot, take(intent.directory)):
            why = (
                f"{intent.directory} is not what it was when transaction {intent.id} was begun; make it so again, or "
                "send what is there now under a new id with --restart:"
            )
            raise NotSent("\n".join([why, *found]))
        return intent.snapshot

    def planned(self, intent: Intent, snapshot: Snapshot) -> list[str]:
        """Return the files that rsync would send, in order, and tell which not, and why."""
        planned = self.centre.plan(intent, snapshot)
        going = [file.path for file in snapshot.files if file.path in planned]
        if not going:
            raise NotSent(f"'rsync extra args' leave out all files of {intent.directory}, so there is nothing to send")
        if len(to_xml(new(intent, [intent.remote_path(path) for path in going], self.now()))) > LIMIT:
            raise NotSent(
                f"{intent.directory} has {len(going)} files: a list of them has more than {LIMIT} bytes, and no status "
                "of such a size is read; send its parts one by one"
            )
        excluded = [(file.path, "by 'rsync extra args'") for file in snapshot.files if file.path not in planned]
        for path, reason in [*snapshot.left_out, *excluded]:
            self.tell(logging.WARNING, "LEFTOUT", f"not sent: {path}: {reason}", path=path, reason=reason)
        for path in filter(needs_escape, going):
            self.tell(logging.WARNING, "ESCAPED", f"XML cannot hold this name, so it stands there escaped: {path}",
                      path=path)  # fmt: skip
        return going

    def test(self, request: Request) -> Forecast:
        """Return what would be sent. Raises: NotSent, and whatever would stand in the way."""
        last = None if request.restart else self.last(request)
        unfinished = None
        if last is not None and last.state is State.SENDING and not self.is_complete(last):
            unfinished, snapshot, size_gb = last, self.unchanged(last), last.size_gb
        else:
            snapshot = take(request.directory)
            if last is not None and last.digest == snapshot.digest:
                return Forecast(0, 0, last.size_gb, self.week(request), unchanged=last.id)
            size_gb = self.size_gb(request, snapshot)
        week = self.check_limits(request, snapshot, size_gb)
        intent = unfinished or self.candidate(request, snapshot, size_gb)
        planned = set(self.planned(intent, snapshot))
        sizes = [file.size for file in snapshot.files if file.path in planned]
        return Forecast(len(sizes), sum(sizes), size_gb, week, resumes=unfinished.id if unfinished else None)
