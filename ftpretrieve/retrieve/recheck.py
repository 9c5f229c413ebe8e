"""The one question asked again about a version whose listed stamp could not yet tell it from a rewrite.

A listing to the minute cannot show that a file of equal size was rewritten within that minute. Such a version was
delivered with `recheck` set; in the first poll that begins after its granule is over it is asked about once more: by
its UTC time where the row holds one, else by downloading it and comparing digests. After that it is over, whatever came
out. Earlier polls ask too where asking is cheap.

The newest known file of a LIST is asked for its UTC time in every poll: when the server's clock is put back, an hourly
file of fixed size is listed just as the version before. Must not: decide about versions that are not delivered.
"""

from collections.abc import Mapping

from ftpretrieve.retrieve.decide import same_version, zone_shift
from ftpretrieve.retrieve.doubts import Doubts
from ftpretrieve.retrieve.intake import Intake
from ftpretrieve.retrieve.mailbox import Mailbox
from ftpretrieve.retrieve.records import FINISHED, SECOND, Candidate, Clock, Plan, RemoteFile, Version, Wanted
from ftpretrieve.retrieve.remote import Remote


class Rechecks:
    """The rechecks of one poll. `downloads` are those that need the content again."""

    def __init__(self, mailbox: Mailbox, remote: Remote, intake: Intake, doubts: Doubts) -> None:
        self._doubts = doubts
        self._journal, self._remote, self._intake = mailbox.journal, remote, intake
        self._now = mailbox.now
        self._began = mailbox.now()
        self.downloads: list[Candidate] = []

    def ask(self, plan: Plan) -> list[Candidate]:
        """Settle what a question can settle, and return those that proved to be new versions, to be fetched.

        The newest known file is asked about too: no recheck, but a sample of the server's clock.
        """
        candidates, newest = plan.recheck, plan.newest
        if newest is not None and (newest.file.name in plan.names or not _has_utc_time(newest)):
            newest = None  # a name listed twice: something is done about it already
        asked = [item for item in candidates if _has_utc_time(item)] + ([] if newest is None else [newest])
        looks = self._remote.ask([item.file for item in asked]) if asked else None
        changed = []
        for item in candidates:
            if looks is None or not _has_utc_time(item) or _is_doubtful(item, looks.get(item.file.name)):
                if self._is_due(item):
                    self.downloads.append(item)
            elif self._is_changed(item, looks):
                changed.append(self._as_new(item))
        if newest is not None and looks is not None and _differs(newest, looks.get(newest.file.name)):
            self.downloads.append(newest)  # by content, whatever MDTM says: it may be MDTM's clock that moved
            self._doubts.doubt_recent(utc_stays=True)
        return changed

    def _is_changed(self, item: Candidate, looks: Mapping[bytes, RemoteFile | None]) -> bool:
        row, look = _row(item), looks.get(item.file.name)
        if look is None or look.stamp is None:
            self._intake.recheck_failed(row.id, item.file.name, "the server does not tell its time any more")
            return False
        # By the better clock: is it this version, or an earlier one that was brought back within its minute?
        if _differs(item, look):
            return True
        if self._is_due(item):
            self._journal.rechecked(row.id)
        return False

    def _as_new(self, item: Candidate) -> Candidate:
        self._journal.supersede(_row(item).id, item.file, self._now())
        versions = self._journal.known([item.file.name])[item.file.name]
        return Candidate(item.file, versions[0], True, tuple(versions))

    def _is_due(self, item: Candidate) -> bool:
        return abs(self._began - _row(item).looked_at) > item.file.precision

    def wanted(self, looks: Mapping[bytes, RemoteFile | None], looked_at: float) -> list[Wanted]:
        """Return the second downloads, each with its first look."""
        found = []
        for item in self.downloads:
            row, look = _row(item), looks.get(item.file.name)
            if look is None:
                self._intake.recheck_failed(row.id, item.file.name, "vanished")
            else:
                found.append(Wanted(row.id, item.file, look, looked_at, recheck_of=_digests(item)))
        return found


def _row(item: Candidate) -> Version:
    assert item.version is not None
    return item.version


def _is_doubtful(item: Candidate, look: RemoteFile | None) -> bool:
    """Say whether a moved zone would explain why its UTC time is another one: some servers move what MDTM tells too."""
    if look is None or not _differs(item, look):
        return False
    return any(row.state in FINISHED and zone_shift(look, row) is not None for row in item.known)


def _differs(item: Candidate, look: RemoteFile | None) -> bool:
    """Say whether a look, if there is one, shows none of the kept versions."""
    if look is None or look.stamp is None:
        return False
    return not any(row.state in FINISHED and same_version(look, row) for row in item.known)


def _digests(item: Candidate) -> frozenset[str]:
    """Return the digests of the kept versions that may be listed as this: a rewrite may have come already, under the
    better clock of another session, or be an earlier version that was brought back. Not of those that were listed an
    hour before: what is again as it was then has changed."""
    alike = [row for row in item.known if row.state in FINISHED and _is_listed_as(item.file, row)]
    return frozenset(row.digest for row in (_row(item), *alike) if row.digest is not None)


def _is_listed_as(file: RemoteFile, row: Version) -> bool:
    on_clock = row.utc_stamp if file.clock is Clock.UTC else row.local_stamp
    return same_version(file, row) if on_clock is not None else zone_shift(file, row) is not None


def _has_utc_time(item: Candidate) -> bool:
    row = _row(item)
    return row.utc_stamp is not None and row.utc_precision == SECOND and item.file.clock is Clock.LOCAL
