"""What flows through a poll, as frozen values, and the states of a journal row with their allowed moves.

Theory of operation. A thing changes *type* when something becomes true of it:

    RemoteFile   a row of a listing: claimed by the server, nothing checked
    Wanted       decided to be fetched, and has a row in the journal
    Arrived      its bytes are in staging, fsynced, complete by count; not yet looked at a second time
    Staged       two equal looks enclose its download: finished. May be published

so a function that needs a verified file cannot be handed a listing row. A `Look` is what the server said about one name
at one time; two looks are comparable only when they were taken on the same clock.

Pure: no input or output, no clock, no settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

SECOND, MINUTE, DAY = 1, 60, 86_400
"""Precisions of a stamp in seconds: MLSD and MDTM; LIST of a recent file; LIST of an old one."""


class Kind(StrEnum):
    """What a listed name is."""

    FILE = "file"
    DIR = "dir"
    LINK = "link"
    OTHER = "other"


class Clock(StrEnum):
    """Which clock printed a stamp: MLSD and MDTM speak UTC, LIST speaks the server's local time."""

    UTC = "utc"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One entry of a listing, exactly as the server claims it.

    `name` is bytes as the server spells it, relative to the listed directory, with `/` between directories when the
    listing is recursive. `size` is None when unknown or approximate. `stamp` is the start of the interval
    [stamp, stamp + precision) in epoch seconds read on `clock` (a local time is counted as if it were UTC); None when
    unknown, and then `precision` is 0.
    """

    name: bytes
    kind: Kind
    size: int | None = None
    stamp: int | None = None
    precision: int = 0
    clock: Clock = Clock.UTC

    @property
    def mtime(self) -> datetime | None:
        """Return the stamp as an aware datetime; a local stamp is taken as UTC, for want of the server's offset."""
        return None if self.stamp is None else datetime.fromtimestamp(self.stamp, UTC)


class State(StrEnum):
    """Where a journal row stands. The journal stores these names; users query them."""

    DOWNLOADING = "downloading"
    ARRIVED = "arrived"
    STAGED = "staged"
    DELIVERED = "delivered"
    CHANGING = "changing"
    FAILED = "failed"
    REJECTED = "rejected"
    VANISHED = "vanished"
    SEEN = "seen"
    WAITING = "waiting"


_RETRY = frozenset({State.DOWNLOADING, State.WAITING, State.CHANGING, State.FAILED, State.VANISHED, State.SEEN})
MOVES: Mapping[State, frozenset[State]] = {
    State.DOWNLOADING: _RETRY | {State.ARRIVED, State.STAGED, State.REJECTED},
    State.ARRIVED: _RETRY | {State.ARRIVED, State.STAGED, State.REJECTED},  # kept again: another session cut short
    State.STAGED: frozenset({State.DELIVERED, State.FAILED}),
    State.WAITING: _RETRY,
    State.CHANGING: _RETRY,
    State.FAILED: _RETRY,
    State.VANISHED: _RETRY,
    State.DELIVERED: frozenset(),
    State.REJECTED: frozenset(),
    State.SEEN: frozenset(),
}
"""The allowed moves; a missing entry is the illegal one. A row begins as DOWNLOADING, WAITING, CHANGING or SEEN."""

FINISHED = frozenset({State.DELIVERED, State.SEEN, State.REJECTED})
"""Nothing more happens to these rows: their version is known."""


@dataclass(frozen=True, slots=True)
class Version:
    """One row of the journal as `decide` needs it. Unknown size and mtime are -1, an unknown stamp is None."""

    id: int
    number: int
    size: int
    mtime: int
    utc_stamp: int | None
    utc_precision: int
    local_stamp: int | None
    local_precision: int
    state: State
    digest: str | None
    recheck: bool
    looked_at: float
    first_listed: float
    attempts: int
    next_try: float
    polls_changing: int
    staged: bytes | None
    partial_bytes: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to download: the listed entry, its journal row, and the first of the two looks that must agree.

    `first` is the listed entry itself where the listing is the look. `first_at` is the monotonic second at which that
    look had ended. `at_rest` says whether the version cannot be rewritten under the same listed stamp any more.
    `partial` is the staged path of a beginning of the same version that is worth resuming.
    `recheck_of`, of a second download of a delivered version, are the digests of the kept versions that its listed
    stamp may stand for. `doubts` are the kept versions that this one may be, under a clock that was moved: equal
    content means that it is.
    """

    id: int
    file: RemoteFile
    first: RemoteFile
    first_at: float
    attempts: int = 0
    polls_changing: int = 0
    at_rest: bool = True
    partial: bytes | None = None
    partial_bytes: int = 0
    recheck_of: frozenset[str] | None = None
    doubts: tuple[Version, ...] = ()

    @property
    def size(self) -> int | None:
        """Return how many bytes must come: what the first look said, or the listing where the look could not tell."""
        return self.file.size if self.first.size is None else self.first.size


@dataclass(frozen=True, slots=True)
class Arrived:
    """A download whose bytes are all in staging, fsynced. `staged` is its path there when it was written.

    `told` is (algorithm, digest) as the server has it, where it was asked for one."""

    wanted: Wanted
    staged: bytes
    received_bytes: int
    inode: int
    digest: str
    told: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A download that did not come. `fault` is FAILED or VANISHED; a kept partial is named by its bytes."""

    wanted: Wanted
    reason: str
    fault: State = State.FAILED
    partial: bytes | None = None
    partial_bytes: int = 0


class Tick:
    """What `fetch` yields when nothing arrived for a while, so that looks and batches are not held up."""


TICK = Tick()


@dataclass(frozen=True, slots=True)
class Staged:
    """A finished version: two equal looks enclose its download. The row holds all of this before the rename."""

    id: int
    name: bytes
    version: int
    staged: bytes
    inode: int
    digest: str
    size: int
    mtime: int
    sync_path: bytes
    second: RemoteFile | None = None
    recheck: bool = False
    attempts: int = 0
    next_try: float = 0.0


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known about a listing once it has ended. `suspect` is the reason why absence in it proves nothing."""

    listed: int
    unreadable: int = 0
    suspect: str | None = None
    examples: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Plan:
    """What a listing comes to: the files to fetch, and only counts and a few examples of the rest.

    `outdated`: unfinished rows whose name is listed as a known version again. `returned`: earlier versions that are
    listed again. `finer`: known ones whose stamps are listed more exactly now. `unsettled`: some listed version that is
    neither known nor planned has no row that would say so to the next poll. `newest`: the known file with the latest
    local time, whose UTC time the journal has too.
    """

    fetch: list["Candidate"] = field(default_factory=list)
    settle: list["Candidate"] = field(default_factory=list)
    recheck: list["Candidate"] = field(default_factory=list)
    doubtful: list["Candidate"] = field(default_factory=list)
    outdated: list[Version] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    finer: list["Restamp"] = field(default_factory=list)
    unsettled: bool = False
    newest: "Candidate | None" = None
    names: set[bytes] = field(default_factory=set)
    skipped: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[bytes]] = field(default_factory=dict)

    def skip(self, reason: str, name: bytes) -> None:
        """Count a listed entry that is not fetched, and keep a few names of each reason to show."""
        seen = self.skipped.get(reason, 0)
        self.skipped[reason] = seen + 1
        if seen < EXAMPLES:
            self.examples.setdefault(reason, []).append(name)


EXAMPLES = 5
"""Names kept of each skip reason: enough to recognise the case, nothing that grows with the listing."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A listed file with the row it belongs to, None for a name without an unfinished row.

    `same` says whether that row holds this very version; otherwise the version takes the row over. `known` has all
    rows of the name, newest first. `doubts` are finished ones that it may be: the newest, if it equals that but for a
    moved or an unknown clock, and any that is listed just so.
    """

    file: RemoteFile
    version: Version | None
    same: bool = False
    known: tuple[Version, ...] = ()
    doubts: tuple[Version, ...] = ()


@dataclass(frozen=True, slots=True)
class Restamp:
    """A kept version that is listed under other stamps now: the row's id, the listed entry, and what becomes of the
    stamp (seconds, precision) that the row holds on the clock which did not print the listing."""

    id: int
    file: RemoteFile
    recheck: bool
    other: tuple[int | None, int]


UNKNOWN: tuple[int | None, int] = (None, 0)
UNCHANGED: tuple[int | None, int] = (None, -1)
"""For `Restamp.other`: nothing is known on that clock any more; what the row holds stays true."""


class Outcome(StrEnum):
    """How a poll ended."""

    OK = "ok"
    PARTIAL = "partial"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"


@dataclass(slots=True)
class PollResult:
    """The figures of one poll, as its POLL record tells them.

    `cut`: its listing hides files, see LISTINGSUSPECT. `waiting`: so many of those `left` are not to be fetched yet.
    """

    listed: int = 0
    fetched: int = 0
    delivered: int = 0
    replaced: int = 0
    changing: int = 0
    failed: int = 0
    skipped: int = 0
    left: int = 0
    waiting: int = 0
    bytes: int = 0
    secs: float = 0.0
    cut: bool = False
    result: Outcome = Outcome.OK
    error: Exception | None = None
