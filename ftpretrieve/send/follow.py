"""What became of transactions: asks the data centre, and remembers which have come to their end.

Must not: send anything.
"""

import json
import logging
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import FtpRetrieveError, RemoteUnavailable, SessionExpired
from ftpretrieve.escapes import escape
from ftpretrieve.exits import say
from ftpretrieve.logs import record
from ftpretrieve.send.intents import Intents
from ftpretrieve.send.logbook import Logbook
from ftpretrieve.send.records import Intent, LogEntry, Settings, State, format_date
from ftpretrieve.send.rsync import DataCentre, StatusUnread
from ftpretrieve.send.tools import find_rsync
from ftpretrieve.send.transaction import Transaction, TransactionError, parse
from ftpretrieve.send.verdict import Verdict, as_data, describe, exit_code, judge, status_in_words

LOGGER = logging.getLogger("ftpretrieve.send")

FIRST_WAIT_SECS, LONGEST_WAIT_SECS = 1.0, 60.0
"""How soon the data centre is asked again: analysing takes minutes to hours, and each question is a login."""

ID_LENGTH = 16
"""Of a foreign id so much is shown: it is as long as an id may be, and an attribute may be as long as the file."""

FORGOTTEN_SECS = 30 * 86_400
"""A logbook goes back for years. Of so old an entry without a status nobody waits for one."""


class NoStatus(FtpRetrieveError):
    """The data centre has no status of a transaction."""


@dataclass(frozen=True, slots=True)
class Known:
    """A transaction as it is remembered here. `intent` is None for one of another program, out of the logbook."""

    id: str
    date: str
    directory: str
    state: State
    entry: LogEntry | None = None
    intent: Intent | None = None


class Follower:
    """Asks about transactions. Makes no connection before it is asked."""

    def __init__(
        self,
        settings: Settings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._now = now
        self._intents = Intents(settings.transactions)
        self._logbook = Logbook(settings.logbook)

    def known(self) -> dict[str, Known]:
        """Return all that is remembered, by id, oldest first."""
        found = {
            entry.transaction_id: Known(entry.transaction_id, entry.date, entry.directory, State.SENT, entry)
            for entry in self._logbook.read()
        }
        for intent in self._intents.all():
            entry = found[intent.id].entry if intent.id in found else None
            date = entry.date if entry else format_date(intent.started)
            found[intent.id] = Known(intent.id, date, intent.directory, intent.state, entry, intent)
        return found

    def is_of_old(self, known: Known) -> bool:
        """Return whether another program has sent it so long ago that the data centre may have forgotten it."""
        return known.intent is None and known.date < format_date(self._now() - FORGOTTEN_SECS)

    def ask(self, ids: Sequence[str]) -> dict[str, bytes | StatusUnread]:
        """Return the status XML of those that the data centre has one of, or why it cannot be had, by id."""
        centre = DataCentre(self._settings, find_rsync(self._settings), Deadline(self._settings.max_secs))
        return centre.statuses(ids)

    def wait(self, transaction_id: str, wait_secs: float) -> Transaction | None:
        """Return the status, asking again for at most so long as it is none that lasts. Raises: as `ask`, `_read`.

        What may be over by itself is an error only at the end: a server that is away or silent, and a file that is
        there and no status, perhaps because it is just being written.
        """
        deadline = Deadline(wait_secs)
        pause = FIRST_WAIT_SECS
        while True:
            found = None
            try:
                answer = self.ask([transaction_id]).get(transaction_id)
                found = None if answer is None else _read(answer, transaction_id)
            except (RemoteUnavailable, SessionExpired, StatusUnread, TransactionError):
                if deadline.expired:
                    raise
            if deadline.expired or (found is not None and judge(found) is not Verdict.UNFINISHED):
                return found
            self._sleep(deadline.at_most(pause))
            pause = min(2 * pause, LONGEST_WAIT_SECS)

    def note(self, found: Transaction, known: Known | None) -> Verdict:
        """Log what was found, and remember that a transaction of ours has come to its end."""
        verdict = judge(found)
        LOGGER.info(record("STATUS", id=found.id, status=found.status, verdict=str(verdict)))
        if verdict is Verdict.UNFINISHED or known is None or known.state is not State.SENT:
            return verdict
        if known.intent is not None:
            self._intents.move(known.intent, State.FINISHED)
        elif known.entry is not None and known.id not in self._intents.ids():  # there, it is damaged, and stays so
            self._intents.write(_finished(known.entry))
        return verdict


def _finished(entry: LogEntry) -> Intent:
    """Return what is remembered of a transaction that another program has sent; no directory has its digest.

    It is older than all of ours, or it would be taken for the last one of its directory. The logbook may hold anything,
    a relative directory for one; what is remembered may not, and nobody reads it of one that is finished.
    """
    return Intent(
        id=entry.transaction_id,
        node=entry.node,
        directory="/" + entry.directory.replace("\0", "").removeprefix("/"),
        data_type=entry.data_type,
        started=0.0,
        size_gb=0.0 if math.isnan(entry.size_gb) else entry.size_gb,
        digest="0" * 64,
        files=0,
        total_bytes=0,
        state=State.FINISHED,
    )


def _data(answer: bytes | StatusUnread) -> bytes:
    """Return the XML. Raises: StatusUnread."""
    if isinstance(answer, StatusUnread):
        raise answer
    return answer


def _read(answer: bytes | StatusUnread, transaction_id: str) -> Transaction:
    """Return a status. Raises: StatusUnread; TransactionError, also for the status of another transaction."""
    found = parse(_data(answer))
    if found.id != transaction_id:
        other = escape(found.id[:ID_LENGTH])
        raise TransactionError(
            f"what the data centre has as the status of {transaction_id} is that of {other or 'none'}"
        )
    return found


def retrieve(settings: Settings, transaction_id: str, out: TextIO) -> int:
    """Print the status XML as the data centre wrote it. Raises: NoStatus; as `_read` if it is no such XML."""
    answer = Follower(settings).ask([transaction_id]).get(transaction_id)
    if answer is None:
        raise NoStatus(
            f"the data centre has no status of {transaction_id}; the first comes when it has the transaction"
        )
    data = _data(answer)
    parse(data)  # what is no status is no success, and nothing for a terminal
    out.flush()
    out.buffer.write(data)
    out.buffer.flush()
    return 0


def status(settings: Settings, transaction_id: str, out: TextIO, wait_secs: float, as_json: bool) -> int:
    """Print what became of a transaction, after waiting for its end at most so long, and return the exit code."""
    follower = Follower(settings)
    known = follower.known().get(transaction_id)
    given_up = known is not None and known.state is State.ABANDONED
    found = follower.wait(transaction_id, 0.0 if given_up else wait_secs)
    if found is not None:
        verdict = follower.note(found, known)
        print(json.dumps(as_data(found)) if as_json else describe(found), file=out)
        return exit_code(verdict)
    if known is None:
        raise NoStatus(f"{transaction_id} is not known here, and the data centre has no status of it")
    if given_up:
        raise NoStatus(
            f"{transaction_id} of {known.directory} was given up by --restart, and the data centre has no status of it"
        )
    print(json.dumps(_no_status(known)) if as_json else _line(known, _words(known)), file=out)
    return exit_code(Verdict.UNFINISHED)


def pending(settings: Settings, out: TextIO, as_json: bool, prog: str) -> int:
    """Print a line for each transaction that is not known to have come to its end, and return the exit code.

    Asks for all at once, and what is wrong with one does not hide the others. What has ended by now is said this once,
    and not asked for again. What is remembered and cannot be read is told, for it may be unfinished.
    """
    follower = Follower(settings)
    damaged = Intents(settings.transactions).damaged()
    for damage in damaged:
        LOGGER.warning(record("DAMAGED", reason=damage))
        say(prog, damage)
    waiting = [known for known in follower.known().values() if known.state in (State.SENDING, State.SENT)]
    answers = follower.ask([known.id for known in waiting]) if waiting else {}
    codes, forgotten = {1 if damaged else 0}, 0
    for known in waiting:
        if known.id not in answers and follower.is_of_old(known):
            forgotten += 1
            continue
        code, text, data = _outcome(follower, known, answers.get(known.id))
        codes.add(code)
        print(json.dumps(data) if as_json else text, file=out)
    if forgotten and sys.stderr is not None and sys.stderr.isatty():  # nothing to mail every hour
        entries = "entry" if forgotten == 1 else "entries"
        say(prog, f"left out: {forgotten} old {entries} of the logbook without a status at the data centre")
    return 1 if 1 in codes else max(codes)


def _outcome(
    follower: Follower, known: Known, answer: bytes | StatusUnread | None
) -> tuple[int, str, dict[str, object]]:
    """Return exit code, line and JSON of one transaction."""
    if answer is None:
        return exit_code(Verdict.UNFINISHED), _line(known, _words(known)), _no_status(known)
    try:
        found = _read(answer, known.id)
    except FtpRetrieveError as error:
        return 1, _line(known, f"its status cannot be read: {error}"), {**_no_status(known), "error": str(error)}
    verdict = follower.note(found, known)
    return exit_code(verdict), _line(known, f"{verdict}: {status_in_words(found)}"), as_data(found)


def _line(known: Known, text: str) -> str:
    return "\t".join(escape(field) for field in (known.id, known.date, known.directory, text))


def _words(known: Known) -> str:
    if known.state is State.SENDING:
        return "unfinished: being sent, or cut off; then --resume goes on with it"
    return "unfinished: sent, and the data centre has no status of it yet"


def _no_status(known: Known) -> dict[str, object]:
    return {"id": known.id, "status": None, "verdict": str(Verdict.UNFINISHED), "state": str(known.state)}
