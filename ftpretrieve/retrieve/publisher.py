"""From staging into the sync directory: intend, rename, confirm, report, and the recovery of what a crash cut in two.

The order is not taste. In a crash test at every step "rename, then journal" delivered files twice and "journal, then
rename" lost them; an intent row before and a confirmation after did neither. A row that cannot be published fails
alone: it stays `staged`, and neither its batch nor the next polls stop for it. Must not: speak to a server.
"""

import errno
import logging
import os
from collections.abc import Callable, Sequence

from ftpretrieve.errors import StorageError
from ftpretrieve.logs import files_downloaded, is_failing, record
from ftpretrieve.retrieve.decide import back_off_secs, is_backing_off
from ftpretrieve.retrieve.journal import Journal
from ftpretrieve.retrieve.records import Staged, State
from ftpretrieve.retrieve.staging import Found, Staging

BATCH = 256
"""Files in one group commit: the two syncs of a batch then cost less than the files' own."""

REPORT_FILES, REPORT_SECS = 200, 60.0
"""A FILESDOWNLOADED line is written when so many files wait for it, or so long after the last one."""

SESSIONS_REMOVED = 100
"""Old session directories removed at most in one poll."""

PARTIAL_SECS = 7 * 86_400
"""A kept beginning of a download that was not gone on with in a week only takes room."""


class Publisher:
    """Publishes staged versions of one journal into one sync directory."""

    def __init__(
        self,
        journal: Journal,
        staging: Staging,
        log: logging.Logger,
        *,
        keep_conflicts: bool,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._staging = staging
        self._log = log
        self._keep_conflicts = keep_conflicts
        self._now = now
        self._monotonic = monotonic
        self._reported_at = monotonic()
        self._unreported = 0
        self.delivered = 0
        self.replaced = 0
        self.failed = 0

    def begin_poll(self) -> None:
        """Set the figures of a poll to zero."""
        self.delivered = self.replaced = self.failed = 0

    # -- publish ------------------------------------------------------------------------------------------------

    def sync_path(self, id: int, name: bytes, mtime: int) -> bytes:
        """Return where a version goes: its own name, or `name.<mtime>.<row id>` when that must not be replaced."""
        path = self._staging.sync_path(name)
        taken = self._staging.is_taken(path)
        kept = self._staging.kept_path(path, mtime, id)
        if taken and self._keep_conflicts:
            return kept
        if self._journal.other_directory_holds(path, id, lies_there=taken):
            self._log.warning(record("NAMETAKEN", name=name, by="another remote directory", kept_as=kept))
            return kept
        return path

    def publish(self, items: Sequence[Staged]) -> None:
        """Deliver finished versions, batch by batch: intents, renames, confirmations."""
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            self._staging.sync_sessions([item.staged for item in batch])
            self._journal.intend(batch, self._now())
            self._confirm([item for item in batch if self._rename(item)])
        self.report()

    def _confirm(self, done: Sequence[Staged]) -> None:
        if not done:
            return
        try:
            self._staging.sync_published(done)
        except OSError as error:
            raise StorageError(f"cannot sync the sync directory: {error.strerror}") from error
        self._journal.confirm(done, self._now())
        self.delivered += len(done)
        self._unreported += len(done)

    def _rename(self, item: Staged) -> bool:
        try:
            self.replaced += self._staging.publish(item)
        except OSError as error:
            self._not_published(item, error)
            return False
        return True

    def _not_published(self, item: Staged, error: OSError) -> None:
        attempts = item.attempts + 1
        if error.errno == errno.EXDEV:
            # The directories were moved apart since the download: only a new one can bring the file over.
            self._journal.fail(item.id, State.FAILED, "staging-moved", attempts=attempts, next_try=0)
            next_try, reason = self._now(), "staging was moved to another file system; fetched again"
        else:
            next_try = self._now() + back_off_secs(attempts)
            path = os.fsdecode(self._staging.local_path(item.sync_path))
            reason = f"cannot rename into {path}: {error.strerror}"
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                reason += " (a link or a file among its directories)"
            self._journal.defer(item.id, reason, attempts, next_try)
        self.failed += 1
        self._log.warning(
            record("FILEFAILED", name=item.name, attempts=attempts, reason=reason, next_try=int(next_try))
        )

    # -- recover ------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Finish what an earlier process began: settle every open intent, then clear away what no row names."""
        self.report(force=True)
        now, after = self._now(), 0
        while batch := self._journal.staged(after, BATCH):
            after = batch[-1].id
            self._recover_batch(batch, now)
        self._journal.drop_partials(now - PARTIAL_SECS)
        self._clear_sessions()

    def _recover_batch(self, batch: Sequence[Staged], now: float) -> None:
        done = []
        for item in batch:
            found = self._staging.find(item)
            if found == Found.RENAMED:
                done.append(item)
            elif found == Found.HERE:
                if not is_backing_off(item.next_try, now) and self._rename(item):
                    done.append(item)
            elif self._staging.holds(item):
                done.append(item)
            else:
                self._journal.fail(item.id, State.FAILED, "staging-lost", attempts=item.attempts, next_try=0)
                self._log.warning(
                    record("MAYBETWICE", name=item.name, reason="staging was lost between intent and delivery")
                )
        self._confirm(done)

    def _clear_sessions(self) -> None:
        stale = set(self._staging.sessions(self._journal.journal_id)) - self._journal.sessions_in_use()
        if not stale:
            return
        self._journal.make_durable()  # else a power cut could bring back a row that names a removed file
        for session in sorted(stale)[:SESSIONS_REMOVED]:
            try:
                self._staging.remove_session(session)
            except OSError as error:
                self._log.warning(
                    record("CLEANUPFAILED", directory=session, reason=error.strerror or type(error).__name__)
                )

    # -- report -------------------------------------------------------------------------------------------------

    def report(self, *, force: bool = False) -> None:
        """Write the FILESDOWNLOADED lines that are due, then note it: a line may repeat after a kill, never miss."""
        waited = self._monotonic() - self._reported_at
        if not force and self._unreported < REPORT_FILES and (waited < REPORT_SECS or not self._unreported):
            return
        while rows := self._journal.unreported(REPORT_FILES):
            told = [(self._staging.local_path(path), mtime, name) for _, path, mtime, name in rows]
            for line in files_downloaded([(os.fsdecode(p), mtime, os.fsdecode(n)) for p, mtime, n in told]):
                self._log.info(line)
            if is_failing(self._log):
                break  # the lines did not reach the log: they are written again later
            self._journal.mark_reported([row[0] for row in rows])
        self._unreported = 0
        self._reported_at = self._monotonic()
