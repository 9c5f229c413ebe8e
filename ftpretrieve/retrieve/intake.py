"""What happens to a file between the plan and the sync directory: its first look, its row, its verdict.

`prepare` turns candidates into `Wanted` with a first look each; `verdict` turns a download and its second look into
`Staged`, or says why not. Every way a file can fail is noted here, in the journal and the log. Must not: wait, rename,
or talk to a server other than through the contract of a remote.
"""

import fnmatch
import os
from collections.abc import Mapping, Sequence

from ftpretrieve.logs import record
from ftpretrieve.retrieve.decide import back_off_secs, is_at_rest, is_old, same_look, same_version
from ftpretrieve.retrieve.mailbox import Mailbox
from ftpretrieve.retrieve.records import (
    FINISHED,
    SECOND,
    UNKNOWN,
    Arrived,
    Candidate,
    Clock,
    Failed,
    Plan,
    PollResult,
    RemoteFile,
    Restamp,
    Staged,
    State,
    Version,
    Wanted,
)

CHANGING_TOLD = 10
"""A file still changing after so many polls is reported once: it only ever grows, or is no file to collect."""

RECHECK_TRIES = 5
"""Failed rechecks after which one gives up, with a warning: nothing more could be learnt."""


class Intake:
    """The bookkeeping of one poll's files; counts what happens to them in the poll's result."""

    def __init__(self, mailbox: Mailbox, result: PollResult) -> None:
        self._journal, self._staging, self._publisher = mailbox.journal, mailbox.staging, mailbox.publisher
        self._rules, self._log, self._now = mailbox.rules, mailbox.log, mailbox.now
        self._result = result
        # Doubtful files by the row they were held against: proved equal by their UTC time, by content, or to differ.
        self.asked: set[int] = set()
        self.compared: set[int] = set()
        self.differed: set[int] = set()

    # -- before the download ------------------------------------------------------------------------------------

    def wait(self, candidates: Sequence[Candidate]) -> None:
        """Remember since when files that may not be fetched yet are listed as they are."""
        fresh = [item for item in candidates if not item.same]
        for item, id in zip(fresh, self._journal.begin(fresh, self._now(), State.WAITING), strict=True):
            before = item.version
            if before is not None and before.state in (State.WAITING, State.CHANGING):
                self._changing(id, item.file.name, before.polls_changing)

    def prepare(
        self, candidates: Sequence[Candidate], looks: Mapping[bytes, RemoteFile | None], looked_at: float
    ) -> list[Wanted]:
        """Give each candidate that its first look still shows as listed a row, and return what to download."""
        ready = [item for item in candidates if self._is_as_listed(item, looks[item.file.name])]
        ids = self._journal.begin(ready, self._now())
        return [
            self._wanted(item, looks[item.file.name] or item.file, id, looked_at)
            for item, id in zip(ready, ids, strict=True)
        ]

    def _is_as_listed(self, item: Candidate, look: RemoteFile | None) -> bool:
        if look is None:
            if item.version is not None:
                self._note(item.version.id, item.file.name, State.VANISHED, "vanished", item.version.attempts)
            return False
        if look is item.file:
            return True
        if item.file.size is not None and look.size is not None and look.size != item.file.size:
            self.still_changing(item)
            return False
        # The look may be on the better clock: rewritten between the last listing and its look, or listed by a server
        # whose zone was moved, a version that is known by its UTC stamp is listed under a new local one.
        twin = next((row for row in item.known if row.state in FINISHED and same_version(look, row)), None)
        listed_so = twin is not None and item.file.stamp is not None and same_version(item.file, twin)
        if twin is None or look.stamp is None or listed_so:
            # Listed as that version is, it was not believed: then its UTC time may have moved with the zone as well.
            return True
        self._known_again(twin, item.file, look, item.version.id if item.version else None)
        self.asked.add(twin.id)
        self.differed.update(row.id for row in item.doubts if row is not twin)
        return False

    def _known_again(self, row: Version, file: RemoteFile, look: RemoteFile, begun: int | None) -> None:
        """Note that a kept version is listed under another stamp now; the row `begun` for it is not needed."""
        other = (look.stamp, look.precision) if look.clock is not file.clock else UNKNOWN
        recheck = file.precision > SECOND and not is_old(file, self._now())
        self._journal.restamp([Restamp(row.id, file, recheck, other)], self._now(), forget=begun)
        self._result.skipped += 1

    def _wanted(self, item: Candidate, look: RemoteFile, id: int, looked_at: float) -> Wanted:
        row = item.version if item.same else None
        at_rest = is_at_rest(item.file, row, self._now())
        partial = row.staged if row and at_rest and row.partial_bytes else None
        return Wanted(
            id,
            item.file,
            look,
            looked_at,
            attempts=row.attempts if row else 0,
            polls_changing=item.version.polls_changing if item.version else 0,
            at_rest=at_rest,
            partial=partial,
            partial_bytes=row.partial_bytes if row and partial else 0,
            doubts=item.doubts,
        )

    def resume(self, plan: Plan, listed_at: float, *, listing_is_look: bool) -> list[Arrived]:
        """Return what arrived in earlier sessions and can have its second look; the rest is planned to be fetched."""
        for row in plan.outdated:
            self.forget(row)
        if plan.returned:
            self._journal.returned(plan.returned)
        if plan.finer:
            self._journal.restamp(plan.finer, self._now())
        found = []
        for item in plan.settle:
            arrived = self.kept(item, listed_at, listing_is_look=listing_is_look)
            if arrived is None:
                plan.fetch.append(item)
            else:
                found.append(arrived)
        return found

    def kept(self, item: Candidate, listed_at: float, *, listing_is_look: bool) -> Arrived | None:
        """Return a file that arrived in an earlier session and is still listed the same, to wait for its second look.

        The time since the session in which it arrived counts, by the wall clock: else nothing would ever come where
        `settle_secs` is longer than a session. None when the file is gone from staging, or its first look was of
        another kind than this session's.
        """
        row = item.version
        assert row is not None
        held = self._journal.arrived(row.id)
        if held is None or not self._staging.is_there(held[0]):
            return None
        first = item.file
        if not listing_is_look:
            if row.utc_stamp is None:
                return None
            first = RemoteFile(item.file.name, item.file.kind, row.size, row.utc_stamp, row.utc_precision, Clock.UTC)
        at_rest = not row.recheck
        wanted = Wanted(
            row.id,
            item.file,
            first,
            listed_at - max(0.0, self._now() - row.looked_at),
            polls_changing=row.polls_changing,
            at_rest=at_rest,
            doubts=item.doubts,
        )
        staged, inode, digest, received = held
        return Arrived(wanted, staged, received, inode, digest)

    def forget(self, row: Version) -> None:
        """Give up a version that did not come before an earlier one has replaced it again."""
        self._journal.fail(row.id, State.VANISHED, "replaced", attempts=row.attempts, next_try=row.next_try)

    # -- after the download -------------------------------------------------------------------------------------

    def verdict(self, pairs: Sequence[tuple[Arrived, RemoteFile | None]]) -> list[Staged]:
        """Return the downloads that their second look shows to be finished; note and discard the others."""
        finished = []
        for item, second in pairs:
            if second is None and self._rules.settle_secs > 0:
                self._discard(item)
                self._vanished(item.wanted)
                continue
            if second is not None and not same_look(item.wanted.first, second):
                self._discard(item)
                if item.wanted.recheck_of is None:
                    self._changing(item.wanted.id, item.wanted.file.name, item.wanted.polls_changing)
                continue
            # Gone after a complete download, in a directory whose visible files are finished by agreement: this is
            # the only copy there is.
            size = (second or item.wanted.first).size
            if size is not None and size != item.received_bytes:
                self._discard(item)
                self.failed(Failed(item.wanted, f"received {item.received_bytes} of {size} bytes"))
            elif (differs := self._differs(item)) is not None:
                self._discard(item)
                self.failed(Failed(item.wanted, differs))
            elif item.wanted.recheck_of is not None and item.digest in item.wanted.recheck_of:
                self._is_still(item.wanted)
                self._discard(item)
            elif not self._is_kept_content(item):
                id = self._row_of(item)
                if not self._is_rejected(item, id):
                    finished.append(self._staged(item, id, second))
        return finished

    def _differs(self, item: Arrived) -> str | None:
        """Say in what a download differs from the digest that the server tells, None when in nothing or unknown."""
        if item.told is None:
            return None
        algorithm, told = item.told
        digest = item.digest if algorithm == "SHA-256" else self._staging.digest(item.staged, algorithm)
        return None if digest == told else f"hash differs: {algorithm} {told} at the server, {digest} here"

    def _is_still(self, wanted: Wanted) -> None:
        """End a recheck that found the content of before; a UTC time that moved all the same is taken over."""
        self._journal.rechecked(wanted.id)
        first = wanted.first
        if first.clock is not wanted.file.clock and len(wanted.recheck_of or ()) == 1:
            other = first.stamp, first.precision
            self._journal.restamp([Restamp(wanted.id, wanted.file, False, other)], self._now())

    def _is_kept_content(self, item: Arrived) -> bool:
        """Say whether a doubtful download is a kept version after all; its row then takes the new stamp."""
        wanted = item.wanted
        if not wanted.doubts:
            return False
        # An earlier version that is listed just so: not when its UTC time tells that it is another one.
        alike = [
            row
            for row in wanted.doubts
            if row is wanted.doubts[0] or row.utc_stamp is None or same_version(wanted.first, row)
        ]
        twin = next((row for row in alike if row.digest == item.digest), None)
        self.differed.update(row.id for row in wanted.doubts if row is not twin)
        if twin is None:
            if not any(row.digest for row in wanted.doubts):
                reason = "its time differs by what a moved clock does, and there is no content to compare with"
                self._log.warning(record("MAYBETWICE", name=wanted.file.name, reason=reason))
            return False
        self._known_again(twin, wanted.file, wanted.first, wanted.id)
        self.compared.add(twin.id)
        self._discard(item)
        return True

    def _row_of(self, item: Arrived) -> int:
        """Return the row of a finished download: its own, or a new one for a rewrite that a recheck has found."""
        wanted = item.wanted
        return wanted.id if wanted.recheck_of is None else self._journal.supersede(wanted.id, wanted.file, self._now())

    def _staged(self, item: Arrived, id: int, second: RemoteFile | None) -> Staged:
        mtime = next((look.stamp for look in (second, item.wanted.file) if look and look.stamp is not None), -1)
        return Staged(
            id,
            item.wanted.file.name,
            self._journal.version_number(id),
            item.staged,
            item.inode,
            item.digest,
            item.received_bytes,
            mtime,
            self._publisher.sync_path(id, item.wanted.file.name, mtime),
            second,
            recheck=not item.wanted.at_rest,
        )

    def _is_rejected(self, item: Arrived, id: int) -> bool:
        codec, name = self._rules.xml_encoding, item.wanted.file.name
        shown = name.decode(self._rules.encoding, "surrogateescape")
        if not codec or not any(fnmatch.fnmatchcase(shown, glob) for glob in self._rules.encoding_check):
            return False
        if self._staging.decodes(item.staged, codec):
            return False
        if not self._rules.reject_bad_encoding:
            self._log.warning(record("BADENCODING", name=name, encoding=codec, action="delivered"))
            return False
        kept = os.fsdecode(self._staging.reject(item.staged, id, name))
        self._result.failed += 1
        self._journal.reject(item, id, f"does not decode as {codec}; kept as {kept}", self._now())
        self._log.warning(record("BADENCODING", name=name, encoding=codec, action="rejected", kept_as=kept))
        return True

    def failed(self, item: Failed) -> None:
        """Note a download that did not come."""
        wanted = item.wanted
        if wanted.recheck_of is not None:
            self.recheck_failed(wanted.id, wanted.file.name, item.reason)
            return
        if item.fault is State.DOWNLOADING:  # cut off by the end of the session, not by a fault of the file
            self._journal.fail(
                wanted.id,
                State.DOWNLOADING,
                item.reason,
                attempts=wanted.attempts,
                next_try=0,
                partial=item.partial,
                partial_bytes=item.partial_bytes,
            )
            return
        if item.fault is State.CHANGING:
            self._changing(wanted.id, wanted.file.name, wanted.polls_changing)
            return
        keep = item.partial is not None and wanted.at_rest
        # One more part of a large file over a bad line is no failure that a back-off would help.
        attempts = (
            max(1, wanted.attempts) if keep and item.partial_bytes > wanted.partial_bytes else wanted.attempts + 1
        )
        self._note(
            wanted.id,
            wanted.file.name,
            item.fault,
            item.reason,
            attempts,
            partial=item.partial if keep else None,
            partial_bytes=item.partial_bytes if keep else 0,
        )

    def _vanished(self, wanted: Wanted) -> None:
        if wanted.recheck_of is not None:  # the row is the delivered version's, which stays what it is
            self.recheck_failed(wanted.id, wanted.file.name, "vanished")
        else:
            self._note(wanted.id, wanted.file.name, State.VANISHED, "vanished", wanted.attempts)

    def still_changing(self, item: Candidate) -> None:
        """Note a listed file that a look before its download showed to be changing."""
        version = item.version
        id = version.id if version is not None else self._journal.begin([item], self._now())[0]
        self._changing(id, item.file.name, version.polls_changing if version else 0)

    def _changing(self, id: int, name: bytes, polls: int) -> None:
        self._result.changing += 1
        polls += 1
        self._journal.fail(id, State.CHANGING, "still-changing", attempts=0, next_try=0, polls_changing=polls)
        self._log.debug(record("changing", name=name, polls=polls))
        if polls == CHANGING_TOLD:
            self._log.warning(record("FILEFAILED", name=name, attempts=polls, reason="still-changing"))

    def recheck_failed(self, id: int, name: bytes, reason: str) -> None:
        """Count a recheck that told nothing; give up after some, with a warning."""
        failures = self._journal.recheck_failures(id) + 1
        gives_up = failures >= RECHECK_TRIES
        self._journal.rechecked(id, None if gives_up else failures)
        if gives_up:
            self._log.warning(record("RECHECKFAILED", name=name, attempts=failures, reason=reason))

    def keep(self, items: Sequence[Arrived]) -> None:
        """Keep downloads whose second look did not come in this session."""
        kept = [item for item in items if item.wanted.recheck_of is None]
        if kept:
            self._staging.sync_sessions([item.staged for item in kept])
            self._journal.arrive(kept, self._now())

    def _discard(self, item: Arrived) -> None:
        self._staging.discard(item.staged)

    def _note(
        self,
        id: int,
        name: bytes,
        state: State,
        reason: str,
        attempts: int,
        *,
        partial: bytes | None = None,
        partial_bytes: int = 0,
    ) -> None:
        self._result.failed += 1
        next_try = self._now() + back_off_secs(attempts)
        self._journal.fail(
            id, state, reason, attempts=attempts, next_try=next_try, partial=partial, partial_bytes=partial_bytes
        )
        self._log.warning(record("FILEFAILED", name=name, attempts=attempts, reason=reason, next_try=int(next_try)))
