"""One poll: recover, list, decide, fetch, settle, publish, report. Read this page and you know the product.

Theory of operation. A remote file is taken when the journal holds no equal version of its name. It is downloaded under
a private name in staging and *settles*: only when a second look, begun after its last byte and at least `settle_secs`
after the first, shows the same size and stamp, and the bytes received equal that size, is it finished. Finished files
are published in batches: an intent row made durable, one rename into the sync directory, a confirmation. Whatever ends
a poll (its limit, a stop, the server), what has settled is published and what has arrived is kept for the next one.

Must not: know FTP, SQL or local paths; wait otherwise than on `stop`; decide when the next poll is (`service`).
"""

from collections.abc import Sequence

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import RemoteRefused, RemoteUnavailable, SessionExpired, StorageError
from ftpretrieve.logs import record
from ftpretrieve.retrieve.absence import close_listing, hides_files
from ftpretrieve.retrieve.decide import BACKING_OFF, LEFT, UNSAFE
from ftpretrieve.retrieve.doubts import Doubts
from ftpretrieve.retrieve.gate import WAITS, Gate
from ftpretrieve.retrieve.intake import Intake
from ftpretrieve.retrieve.mailbox import Mailbox
from ftpretrieve.retrieve.recheck import Rechecks
from ftpretrieve.retrieve.records import Arrived, Candidate, Failed, Plan, PollResult, State, Tick
from ftpretrieve.retrieve.remote import TICK_SECS, Remote
from ftpretrieve.retrieve.rounds import Rounds
from ftpretrieve.retrieve.waiting import Waiting


class Poller:
    """One poll of one mailbox over one session. `mailbox.stop` and the session's `abort` end it early."""

    def __init__(self, mailbox: Mailbox, remote: Remote, deadline: Deadline) -> None:
        """Take the parts; `remote` is a session that is not connected yet, `deadline` its limit."""
        self._mailbox, self._remote, self._deadline = mailbox, remote, deadline
        self._journal, self._publisher, self._monotonic = mailbox.journal, mailbox.publisher, mailbox.monotonic
        self._waiting = Waiting(mailbox.rules.look_gap_secs, mailbox.monotonic, verify=mailbox.rules.verify_hash)
        self._result = PollResult()
        self._intake = Intake(mailbox, self._result)
        self._listed_at = 0.0

    def poll(self) -> PollResult:
        """Do the poll and return its figures; the session is closed afterwards.

        Errors of the server and of the local disk end the poll, not the program: `error` of the result has them.
        Raises: JournalError, when nothing may be delivered any more.
        """
        started = self._monotonic()
        try:
            self._journal.check_place()
            self._publisher.begin_poll()
            self._mailbox.staging.prepare()
            self._mailbox.staging.claim_unowned(self._journal.journal_id)
            self._publisher.recover()
            plan = self.plan()
            doubts = Doubts(self._mailbox, self._remote, self._intake, self._result)
            suspect, listed_at = close_listing(self._mailbox, self._remote.listing), self._mailbox.now()
            self._result.cut = hides_files(self._remote.listing, suspect)
            if self._fetch(plan, doubts) and suspect is None:
                self._journal.note_complete(listed_at)
        except (SessionExpired, RemoteUnavailable, RemoteRefused, StorageError) as error:
            self._result.error = error
        finally:
            self._remote.close()
        self._end()
        self._result.delivered, self._result.replaced = self._publisher.delivered, self._publisher.replaced
        self._result.failed += self._publisher.failed
        self._result.secs = self._monotonic() - started
        return self._result

    def _end(self) -> None:
        try:
            self._intake.keep(self._waiting.take_all())
            self._publisher.report(force=True)
        except StorageError as error:
            self._result.error = self._result.error or error

    def plan(self) -> Plan:
        """List the directory and decide about every entry: to fetch, to settle, or skipped with a reason."""
        self._journal.begin_poll(self._mailbox.directory)
        plan, waiting = Gate(self._mailbox.rules, self._remote, self._mailbox.now()).plan(self._journal)
        self._intake.wait(waiting)
        self._listed_at = self._monotonic()
        self._result.listed = self._remote.listing.listed
        self._result.skipped = sum(plan.skipped.values())
        for reason in plan.skipped.keys() & UNSAFE:
            told = record("NAMESREFUSED", reason=reason, count=plan.skipped[reason], example=plan.examples[reason][0])
            self._mailbox.log.warning(told)
        return plan

    def _fetch(self, plan: Plan, doubts: Doubts) -> bool:
        """Fetch what is planned, and return whether all that was listed is known or has a row now."""
        for arrived in self._intake.resume(plan, self._listed_at, listing_is_look=self._remote.listing_is_look):
            self._waiting.add(arrived)
        rechecks = Rechecks(self._mailbox, self._remote, self._intake, doubts)
        plan.fetch.extend(rechecks.ask(plan))
        self._result.waiting = sum(plan.skipped.get(reason, 0) for reason in WAITS)
        later = sum(plan.skipped.get(reason, 0) for reason in (LEFT, BACKING_OFF)) + self._result.waiting
        self._result.left = len(plan.fetch) + len(plan.doubtful) + later
        self._download([*plan.fetch, *doubts.first(plan.doubtful)], rechecks)
        self._download(doubts.rest())
        return self._result.left <= later and not plan.unsettled

    def _download(self, candidates: Sequence[Candidate], rechecks: Rechecks | None = None) -> None:
        """Download these files, and wait until each has had its second look."""
        rounds = Rounds(self._mailbox, self._remote, self._intake, self._result, self._wait_until, self._listed_at)
        session, full = None, None
        for wanted in rounds.of(candidates, rechecks):
            try:
                self._mailbox.staging.check_room()
            except StorageError as error:
                full = error  # what has arrived needs no room: it is published all the same
                break
            session = session or self._mailbox.staging.open_session(self._journal.journal_id)
            for event in self._remote.fetch(wanted, session):
                self._take(event)
                self._settle()
        while self._waiting.items:
            self._wait_until(self._waiting.next_due())
            self._settle()
        if full is not None:
            raise full

    def _take(self, item: Arrived | Failed | Tick) -> None:
        if isinstance(item, Arrived):
            self._waiting.add(item)
            self._result.fetched += 1
            self._result.bytes += item.received_bytes
        elif isinstance(item, Failed):
            self._intake.failed(item)
            if item.fault is State.DOWNLOADING:
                return
        else:
            return
        self._result.left -= item.wanted.recheck_of is None

    def _settle(self) -> None:
        """Publish what a second look, when one is due, shows to be finished."""
        self._publisher.publish(self._intake.verdict(self._waiting.settled(self._remote)))

    def _wait_until(self, moment: float) -> None:
        """Wait for a monotonic second; meanwhile looks and batches go on. Raises: SessionExpired."""
        while True:
            left = moment - self._monotonic()
            if self._mailbox.stop.wait(max(0.0, min(left, TICK_SECS))) or self._deadline.expired:
                raise SessionExpired("waiting for a second look")
            if left <= TICK_SECS:
                return
            self._settle()
