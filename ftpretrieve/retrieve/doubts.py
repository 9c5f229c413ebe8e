"""Doubtful files: those that equal the newest version but for a clock that was moved, or that is another one.

Theory of operation. A server whose zone changes, or that is asked by MLSD instead of LIST, shows every unchanged file
under another stamp; an hourly rewritten file of fixed size looks exactly the same. So a stamp alone never says "same":

    the other clock, offset measured    MDTM of two listed files tells how far LIST is ahead of UTC; what agrees under
                                        it is the same. With two offsets (a server that prints each file with the
                                        offset of its own date) only where a rewrite since the last poll would show
    a few                               each is asked by MDTM, else downloaded and compared by digest (`intake`)
    many by one same shift              five of them are compared so; when all are equal the rest is accepted, as far
                                        as their stamps are older than any rewrite since the last complete listing

When a file older than that has moved, the clock has: recent files that have not are then asked about once more.

Must not: download, or compare content itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ftpretrieve.logs import record
from ftpretrieve.retrieve.decide import OLD_STAMP_SECS, is_old, least_shift, shifts, zone_shift
from ftpretrieve.retrieve.intake import Intake
from ftpretrieve.retrieve.mailbox import Mailbox
from ftpretrieve.retrieve.records import (
    DAY,
    MINUTE,
    SECOND,
    UNCHANGED,
    UNKNOWN,
    Candidate,
    Clock,
    PollResult,
    RemoteFile,
    Restamp,
    Version,
)
from ftpretrieve.retrieve.remote import Remote

MANY = 100
"""Files doubtful by one same shift, above which a few speak for all and CLOCKMOVED tells of it: nobody rewrites so many
by exactly that."""

SAMPLES = 5
SAMPLES_LEAST = 3
"""Files that are compared for a group, and how many must really have been, when others vanished or failed."""


@dataclass(slots=True)
class _Group:
    """Files doubtful by one same shift. `held` wait for what the `samples` show; `others` are compared one by one."""

    shift: int
    one_clock: bool
    members: list[Candidate] = field(default_factory=list)
    held: list[Candidate] = field(default_factory=list)
    samples: list[Candidate] = field(default_factory=list)


class Doubts:
    """The doubtful files of one poll; what is settled here is counted in the poll's result."""

    def __init__(self, mailbox: Mailbox, remote: Remote, intake: Intake, result: PollResult) -> None:
        self._journal, self._log, self._now = mailbox.journal, mailbox.log, mailbox.now
        self._remote, self._intake, self._result = remote, intake, result
        complete, now = mailbox.journal.last_complete(), mailbox.now()
        self._complete = None if complete is None else min(complete, now)  # our own clock may have been ahead then
        self._began = now
        self._groups: list[_Group] = []

    def first(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Settle what a measured offset settles, and return what is to be compared: samples, and single files."""
        compare = []
        self._groups = _grouped(self._without_measured(candidates))
        for group in self._groups:
            group.held = [item for item in group.members if self._is_settled_before(item)]
            if len(group.held) <= MANY:
                group.held = []
            comparable = [item for item in group.held if any(_is_comparable(row) for row in item.doubts)]
            group.samples = comparable[:: -(-len(comparable) // SAMPLES)] if comparable else []
            held = set(map(id, group.held)) - set(map(id, group.samples))
            group.held = [item for item in group.held if id(item) in held]
            compare += [item for item in group.members if id(item) not in held]
        return compare

    def rest(self) -> list[Candidate]:
        """Accept the groups whose samples were all equal; return the files of those where one differed."""
        compare = []
        for group in self._groups:
            equal = [item for item in group.samples if item.doubts[0].id in self._intake.asked | self._intake.compared]
            if any(item.doubts[0].id in self._intake.differed for item in group.samples):
                compare += group.held
                group.held = []
            elif group.held and (len(equal) >= SAMPLES_LEAST or not group.samples):
                by_time = bool(equal) and all(item.doubts[0].id in self._intake.asked for item in equal)
                self._accept(group.held, UNCHANGED if by_time else UNKNOWN)
            else:
                group.held = []  # the samples vanished or failed: the next poll takes others
            self._tell(group)
        self._doubt_if_moved()
        return compare

    def _doubt_if_moved(self) -> None:
        """Let recent files be asked about once more when the clock that prints their stamps has moved: a rewrite since
        the last complete listing may be listed just as the version before was.

        That it moved is sure when a file did whose rewrite could not show so old a stamp.
        """
        same = self._intake.asked | self._intake.compared
        moved = [
            item
            for group in self._groups
            if group.one_clock and group.shift
            for item in group.members
            if item.file.clock is Clock.LOCAL and self._is_settled_before(item) and item.doubts[0].id in same
        ]
        if moved:
            self.doubt_recent(utc_stays=all(item.doubts[0].id in self._intake.asked for item in moved))

    def doubt_recent(self, *, utc_stays: bool) -> None:
        """Let the next poll ask about all recent files; by their UTC times, if these did not move too."""
        if self._complete is not None:
            self._journal.doubt_listed(self._complete - OLD_STAMP_SECS, self._began, self._now(), utc_stays=utc_stays)

    def _tell(self, group: _Group) -> None:
        same = self._intake.asked | self._intake.compared
        held = set(map(id, group.held))
        files = sum(id(item) in held or item.doubts[0].id in same for item in group.members)
        if group.one_clock and group.shift and files > MANY:
            compared = files - len(group.held)
            self._log.warning(record("CLOCKMOVED", shift_secs=group.shift, files=files, compared=compared))

    def _accept(self, items: Iterable[Candidate], other: tuple[int | None, int]) -> None:
        """Let the rows take the listed stamps; `other` is what becomes of the stamp on the clock that is not listed."""
        restamps = [
            Restamp(row.id, item.file, item.file.precision > SECOND and not is_old(item.file, self._now()), other)
            for item in items
            for row in item.doubts[:1]
        ]
        self._journal.restamp(restamps, self._now())
        self._result.left -= len(restamps)
        self._result.skipped += len(restamps)

    def _is_settled_before(self, item: Candidate) -> bool:
        """Say whether a rewrite since the last complete listing would show another stamp in any zone, and no earlier
        session left the file unsettled."""
        if item.same or self._complete is None or item.file.stamp is None:
            return False
        return item.file.stamp + item.file.precision < self._complete - OLD_STAMP_SECS

    # -- the other clock ----------------------------------------------------------------------------------------

    def _without_measured(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Accept what agrees with a kept version under a measured offset of LIST, and return the others."""
        offsets = self._offsets([item.file for item in candidates if _other_clock(item) is not None])
        same, others = list[Candidate](), list[Candidate]()
        for item in candidates:
            found = _other_clock(item)
            agrees = found is not None and any(found[0] <= offset <= found[1] for offset in offsets)
            sure = len(offsets) == 1 and not item.same or self._is_settled_before(item)
            (same if agrees and sure else others).append(item)
        if same:
            self._accept(same, UNCHANGED)
            self._log.debug(record("offset.measured", secs=sorted(offsets), files=len(same)))
        return others

    def _offsets(self, files: Sequence[RemoteFile]) -> set[int]:
        """Return how many seconds LIST is ahead of UTC, as MDTM of the newest and the oldest file shows it."""
        exact = [file for file in files if file.clock is Clock.LOCAL and file.precision == MINUTE]
        if not exact:
            return set()
        probes = {file.name: file for file in (max(exact, key=_stamp), min(exact, key=_stamp))}
        found = set[int]()
        for name, look in (self._remote.ask(list(probes.values())) or {}).items():
            if look is not None and look.stamp is not None and look.size == probes[name].size:
                apart = _stamp(probes[name]) - look.stamp
                offset = least_shift(apart - look.precision + 1, apart + MINUTE - 1)
                if offset is not None:
                    found.add(offset)
        return found


def _grouped(candidates: Sequence[Candidate]) -> list[_Group]:
    """Return the files by the shift under which they are doubtful; days without a time go with the largest group that
    they agree with."""
    groups: dict[tuple[int, bool], _Group] = {}
    days = []
    for item in candidates:
        low, high = _range(item)
        if high - low >= DAY:
            days.append(item)
            continue
        key = _shift(item), _other_clock(item) is None
        groups.setdefault(key, _Group(*key)).members.append(item)
    ordered = sorted(groups.values(), key=lambda group: -len(group.members))
    for item in days:
        low, high = _range(item)
        key = _shift(item), _other_clock(item) is None
        fitting = (group for group in ordered if group.one_clock is key[1] and low <= group.shift <= high)
        group = next(fitting, None) or groups.setdefault(key, _Group(*key))
        group.members.append(item)
    return list(groups.values())


def _range(item: Candidate) -> tuple[int, int]:
    found = shifts(item.file, item.doubts[0])
    assert found is not None  # else it would not be doubtful
    return found


def _shift(item: Candidate) -> int:
    found = zone_shift(item.file, item.doubts[0])
    assert found is not None
    return found


def _other_clock(item: Candidate) -> tuple[int, int] | None:
    """Return the possible offsets of LIST when the newest doubt knows the file by the other clock only, else None."""
    row, file = item.doubts[0], item.file
    if (row.utc_stamp if file.clock is Clock.UTC else row.local_stamp) is not None:
        return None
    low, high = _range(item)
    return (-high, -low) if file.clock is Clock.UTC else (low, high)


def _is_comparable(row: Version) -> bool:
    return row.digest is not None or row.utc_stamp is not None


def _stamp(file: RemoteFile) -> int:
    assert file.stamp is not None  # a file without one is never doubtful
    return file.stamp
