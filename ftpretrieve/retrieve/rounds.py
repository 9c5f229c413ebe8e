"""In which order files are downloaded, and the first look that each download rests on.

Plain files first, those with the fewest failures before the others; then large ones and those that were still changing
in an earlier poll, which are looked at twice before their download; then second downloads of delivered versions. Where
a listing can be compared with a later look it is the first look, else it is asked for here. Must not: download.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ftpretrieve.retrieve.decide import is_old, needs_care, same_look
from ftpretrieve.retrieve.intake import Intake
from ftpretrieve.retrieve.mailbox import Mailbox
from ftpretrieve.retrieve.recheck import Rechecks
from ftpretrieve.retrieve.records import SECOND, Candidate, PollResult, RemoteFile, Wanted
from ftpretrieve.retrieve.remote import TICK_SECS, Looks, Remote

ROUND = 5000
"""Files that get their first looks and rows together: bounds what is held in memory and what a lost session wasted."""

REST_SECS = 1.01
"""After a look that showed one-second stamps: the second that was running is over, whatever the server's clock says."""


class Rounds:
    """The rounds of one poll. `wait_until` waits for a monotonic second, and may raise SessionExpired."""

    def __init__(
        self,
        mailbox: Mailbox,
        remote: Remote,
        intake: Intake,
        result: PollResult,
        wait_until: Callable[[float], None],
        listed_at: float,
    ) -> None:
        """Take the parts; `listed_at` is the monotonic second at which the listing had ended."""
        self._mailbox, self._remote, self._intake, self._result = mailbox, remote, intake, result
        self._monotonic, self._settle_secs = mailbox.monotonic, mailbox.rules.settle_secs
        self._wait_until, self._listed_at = wait_until, listed_at

    def of(self, candidates: Sequence[Candidate], rechecks: Rechecks | None) -> Iterator[list[Wanted]]:
        """Yield what to download, with rows and first looks: the plain files first, fewest attempts first, then those
        that need two looks before, then second downloads of delivered versions."""
        ordered = sorted(candidates, key=lambda item: item.version.attempts if item.version else 0)
        careful = [item for item in ordered if self._mailbox.rules.look_gap_secs > 0 and needs_care(item)]
        names = {item.file.name for item in careful}
        plain = [item for item in ordered if item.file.name not in names]
        for start in range(0, len(plain), ROUND):
            part = plain[start : start + ROUND]
            looks, looked_at = self._first_look(part)
            yield from self._round(self._dated(part), looks, looked_at)
        if careful:
            yield from self._round(*self._unchanging(careful))
        if rechecks is not None and rechecks.downloads:
            looks, looked_at = self._first_look(rechecks.downloads)
            yield rechecks.wanted(looks, looked_at)

    def _round(self, part: Sequence[Candidate], looks: Looks, looked_at: float) -> Iterator[list[Wanted]]:
        before = len(part)
        wanted = self._intake.prepare(part, looks, looked_at)
        self._result.left -= before - len(wanted)
        if not wanted:
            return
        fresh = any(item.first.precision == SECOND and not is_old(item.first, self._mailbox.now()) for item in wanted)
        if fresh and self._settle_secs > 0:
            self._wait_until(looked_at + REST_SECS)
        yield wanted

    def _first_look(self, candidates: Sequence[Candidate]) -> tuple[Looks, float]:
        files = [item.file for item in candidates]
        if self._remote.listing_is_look:
            return {file.name: file for file in files}, self._listed_at
        return self._look(files), self._monotonic()

    def _dated(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Give files that are listed without any time the one that MDTM tells, asked once, when they are new.

        Only what is known and told of them gets better: their looks, which have to be of one kind, stay without time.
        """
        undated = [item.file for item in candidates if item.file.stamp is None]
        if not undated or not self._remote.listing_is_look:  # else their first look has asked
            return candidates
        told = self._remote.ask(undated) or {}
        return [replace(item, file=_dated(item.file, told.get(item.file.name))) for item in candidates]

    def _unchanging(self, candidates: Sequence[Candidate]) -> tuple[list[Candidate], Looks, float]:
        """Look twice, `settle_secs` apart, before a download, and return those that stayed the same."""
        first, looked_at = self._first_look(candidates)
        self._wait_until(looked_at + self._settle_secs)
        second, still = self._look([item.file for item in candidates]), []
        for item in candidates:
            one, two = first[item.file.name], second.get(item.file.name)
            if one is not None and two is not None and not same_look(one, two):
                self._intake.still_changing(item)
                self._result.left -= 1
            else:
                still.append(item)
        looks = {item.file.name: second.get(item.file.name) and first[item.file.name] for item in still}
        return still, looks, looked_at

    def _look(self, files: Sequence[RemoteFile]) -> Looks:
        while (seen := self._remote.look(files)) is None:
            self._wait_until(self._monotonic() + TICK_SECS)
        return {file.name: seen.get(file.name) for file in files}


def _dated(file: RemoteFile, told: RemoteFile | None) -> RemoteFile:
    """Return a listed file with the time that MDTM tells, when it has none of its own."""
    if file.stamp is not None or told is None or told.stamp is None:
        return file
    return replace(file, stamp=told.stamp, precision=told.precision, clock=told.clock)
