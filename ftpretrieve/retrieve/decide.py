"""Whether a listed file is new: the rules of identity, as pure functions of a listing, the journal's rows, the time.

A version is new when it is *different* from every kept version of its name, not when it is newer. Sizes differ when
both are exact and unequal. A stamp is the interval [t, t + precision); two stamps of one clock agree when they overlap,
so a listing that drops the time of day after six months changes nothing. Stamps that are apart by what a change of the
server's zone, or an unknown zone, can do (a multiple of 15 minutes up to 26 h) are *doubtful*: an hourly rewritten file
of fixed size looks just like that, so neither "same" nor "new" is believed; `doubts` finds out.

Must not: read clocks, settings or the journal. `now` is wall time in epoch seconds, given by the caller.
"""

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence

from ftpretrieve.retrieve.records import (
    FINISHED,
    SECOND,
    UNCHANGED,
    Candidate,
    Clock,
    Kind,
    Plan,
    RemoteFile,
    Restamp,
    State,
    Version,
)

OWN_PREFIX = b".ftpretrieve"
"""Names that begin like this are ours in every local directory; no remote file may take one."""

PLAN_MAX = 100_000
"""Files planned in one poll; the rest come in the next. Keeps a hostile endless listing from filling the memory."""

LEFT = "left-for-the-next-poll"
BACKING_OFF = "backing-off"

BACK_OFF_FREE, BACK_OFF_FIRST_SECS, BACK_OFF_MAX_SECS = 3, 60.0, 6 * 3600.0
"""A file that failed is tried again at the next poll; from the fourth time on after a minute, doubling up to 6 h."""

CAREFUL_BYTES = 64 * 1024 * 1024
"""Larger files get two looks before their download too, so that a day-long upload is not downloaded at every poll."""

OLD_STAMP_SECS = 26 * 3600
"""A stamp that ended this long ago is over in every time zone (-12 h to +14 h), whatever zone the server prints."""

ZONE_STEP_SECS = 900
"""Time zones differ from UTC by multiples of a quarter of an hour."""

DOUBTFUL_MAX = 20_000
"""Doubtful files planned in one poll: a moved clock casts doubt on all there are, and each is kept until settled."""

_PLAIN_NAME = re.compile(rb"[^/\0\r\n.][^/\0\r\n]{0,254}")


def name_matcher(include: Sequence[str], exclude: Sequence[str], encoding: str) -> Callable[[bytes], bool]:
    """Return the question "is this name wanted?", asked of names as `encoding` shows them.

    A glob with a slash is held against the whole relative path, any other against the last part.
    """
    if tuple(include) == ("*",) and not exclude:
        return lambda name: True
    included, excluded = _any_glob(include), _any_glob(exclude)

    def wanted(name: bytes) -> bool:
        shown = name.decode(encoding, "surrogateescape")
        return included(shown) and not excluded(shown)

    return wanted


def _any_glob(globs: Sequence[str]) -> Callable[[str], bool]:
    whole = [re.compile(fnmatch.translate(glob)) for glob in globs if "/" in glob]
    last = [re.compile(fnmatch.translate(glob)) for glob in globs if "/" not in glob]

    def matches(name: str) -> bool:
        leaf = name.rpartition("/")[2]
        return any(p.match(name) for p in whole) or any(p.match(leaf) for p in last)

    return matches


UNSAFE = ("empty-name", "control-character-in-name", "name-too-long", "path-in-name", "own-name")
"""What `unsafe_reason` answers: such a file never comes, so the log must say so."""


def unsafe_reason(name: bytes) -> str | None:
    """Return why this remote name must not become a local path, or None when it may.

    A name is relative, made of parts of 1 to 255 bytes joined by `/`; none is `.`, `..` or begins like our own files;
    NUL, CR and LF cannot be sent to a server or given to a file system and are refused too.
    """
    if _PLAIN_NAME.fullmatch(name):
        return None
    if not name:
        return "empty-name"
    if any(byte in name for byte in (b"\0", b"\r", b"\n")):
        return "control-character-in-name"
    if len(name) > 4000:  # PATH_MAX is 4096 with the directory before it
        return "name-too-long"
    for part in name.split(b"/"):
        if part in (b"", b".", b".."):
            return "path-in-name"
        if len(part) > 255:
            return "name-too-long"
        if part.startswith(OWN_PREFIX):
            return "own-name"
    return None


def same_version(seen: RemoteFile, version: Version) -> bool:
    """Say whether what a server shows is the version that a row holds: equal sizes, and stamps of one clock agree."""
    if _sizes_differ(seen, version):
        return False
    if version.utc_stamp is None and version.local_stamp is None or seen.stamp is None:
        # Without a time on either side (name, size) decides; without a size too there is nothing in which it differs,
        # and to deliver it at every poll would be no better.
        return True
    stamp, precision = _stamp_on(seen.clock, version)
    return stamp is not None and _overlap(seen.stamp, seen.precision, stamp, precision)


def _sizes_differ(seen: RemoteFile, version: Version) -> bool:
    return seen.size is not None and version.size >= 0 and seen.size != version.size


def _stamp_on(clock: Clock, version: Version) -> tuple[int | None, int]:
    if clock is Clock.UTC:
        return version.utc_stamp, version.utc_precision
    return version.local_stamp, version.local_precision


def shifts(seen: RemoteFile, version: Version) -> tuple[int, int] | None:
    """Return the seconds, from and to, by any of which the row's clock has to be moved for its stamp to agree with
    what is seen. The row's stamp is the one of the same clock where it has one, else of the other.

    None when either has no stamp. Both ends included; a range of more than 119 s comes from a day without a time.
    """
    stamp, precision = _stamp_on(seen.clock, version)
    if stamp is None:
        stamp, precision = _stamp_on(Clock.LOCAL if seen.clock is Clock.UTC else Clock.UTC, version)
    if stamp is None or seen.stamp is None:
        return None
    apart = seen.stamp - stamp
    return apart - precision + 1, apart + seen.precision - 1


def zone_shift(seen: RemoteFile, version: Version) -> int | None:
    """Return the least change of zone that makes a row's version of what is seen; None when there is none (rule 4).

    0 is an answer for stamps of different clocks only: those of one clock that agree as they are make it the same.
    """
    found = None if _sizes_differ(seen, version) else shifts(seen, version)
    if found is None:
        return None
    return least_shift(*found)


def is_doubtful(seen: RemoteFile, version: Version) -> bool:
    """Say whether only a moved or an unknown clock may stand between what is seen and a kept version."""
    return not same_version(seen, version) and zone_shift(seen, version) is not None


def least_shift(low: int, high: int) -> int | None:
    """Return the multiple of a quarter of an hour nearest to 0 in [low, high], None when none is within 26 h."""
    if low <= 0 <= high:
        return 0
    steps = -(-low // ZONE_STEP_SECS) if low > 0 else high // ZONE_STEP_SECS
    shift = steps * ZONE_STEP_SECS
    return shift if low <= shift <= high and abs(shift) <= OLD_STAMP_SECS else None


def same_look(first: RemoteFile, second: RemoteFile) -> bool:
    """Say whether two looks show the same version. Looks on different clocks never do."""
    if first.clock is not second.clock or first.size != second.size:
        return False
    if first.stamp is None or second.stamp is None:
        return first.stamp is second.stamp
    return _overlap(first.stamp, first.precision, second.stamp, second.precision)


def _overlap(a: int, a_precision: int, b: int, b_precision: int) -> bool:
    return a < b + b_precision and b < a + a_precision


def is_old(seen: RemoteFile, now: float) -> bool:
    """Say whether the stamp's granule is over whatever the server's clock or zone."""
    return seen.stamp is not None and seen.stamp + seen.precision < now - OLD_STAMP_SECS


def is_at_rest(seen: RemoteFile, version: Version | None, now: float) -> bool:
    """Say whether a later rewrite must show another stamp than `seen`, when its RETR is sent from `now` on.

    One-second stamps are at rest because the poll's first RETR waits for the second to be over. Coarser ones only
    when an earlier poll, longer ago than their precision, listed the same version, or when they are old.
    """
    if seen.precision <= SECOND and seen.stamp is not None:
        return True
    if version is not None and same_version(seen, version) and abs(now - version.first_listed) > seen.precision > 0:
        return True
    return is_old(seen, now)


def back_off_secs(attempts: int) -> float:
    """Return how long a file that failed so many times waits at least."""
    if attempts <= BACK_OFF_FREE:
        return 0.0
    return float(min(BACK_OFF_FIRST_SECS * 2.0 ** min(attempts - BACK_OFF_FREE - 1, 20), BACK_OFF_MAX_SECS))


def is_backing_off(next_try: float, now: float) -> bool:
    """Say whether a version is not to be tried yet. A time further ahead than any back-off was set by a wrong clock."""
    return now < next_try <= now + BACK_OFF_MAX_SECS


def needs_care(candidate: Candidate) -> bool:
    """Say whether a file gets two looks before its download: large, or still changing in an earlier poll."""
    version = candidate.version
    return (candidate.file.size or 0) > CAREFUL_BYTES or (version is not None and version.polls_changing > 0)


def decide(
    chunk: Sequence[RemoteFile],
    known: Mapping[bytes, Sequence[Version]],
    plan: Plan,
    wanted: Callable[[bytes], bool],
    now: float,
) -> None:
    """Put every entry of this chunk of a listing into the plan exactly once: to fetch, to settle, or skipped.

    `known` maps a name to its rows, newest first. A delivered version that is due for its one recheck is counted as
    known and stands in `plan.recheck` besides.
    """
    for file in chunk:
        if file.kind is not Kind.FILE:
            plan.skip(f"not-a-file:{file.kind}", file.name)
        elif reason := unsafe_reason(file.name):
            plan.skip(reason, file.name)
        elif not wanted(file.name):
            plan.skip("excluded", file.name)
        else:
            _decide_one(file, known.get(file.name, ()), plan, now)


def _decide_one(file: RemoteFile, versions: Sequence[Version], plan: Plan, now: float) -> None:
    version = None
    for row in versions:
        if row.state is State.STAGED:
            plan.skip("waiting-to-be-published", file.name)
            plan.unsettled = plan.unsettled or not same_version(file, row)
            return
        if version is None and same_version(file, row):
            version = row
    newest = next((row for row in versions if row.state in FINISHED), None)
    if version is not None and version.state in FINISHED and not _may_be_newest(file, version, newest):
        _note_known(file, version, versions, plan)
        if version is not newest:
            plan.returned.append(version.id)
        return
    if file.name in plan.names:
        plan.skip("listed-twice", file.name)
        return
    # At most one row of a name is unfinished; a version that replaces it before it was delivered takes it over.
    unfinished = [row for row in versions if row.state not in FINISHED]
    same = next((row for row in unfinished if same_version(file, row)), None)
    opened = same or next(iter(unfinished), None)
    candidate = Candidate(file, opened, same is not None, tuple(versions), doubts := _doubts(file, versions, newest))
    if same is not None and same.state is State.ARRIVED:
        plan.names.add(file.name)
        plan.settle.append(candidate)
    elif same is not None and is_backing_off(same.next_try, now):
        plan.skip(BACKING_OFF, file.name)
    elif len(plan.doubtful if doubts else plan.fetch) >= (DOUBTFUL_MAX if doubts else PLAN_MAX):
        plan.skip(LEFT, file.name)
        plan.unsettled = True
    else:
        plan.names.add(file.name)
        (plan.doubtful if doubts else plan.fetch).append(candidate)


def _note_known(file: RemoteFile, version: Version, versions: Sequence[Version], plan: Plan) -> None:
    # What was begun of another version is of no use any more: this one is what the server has now.
    plan.outdated.extend(row for row in versions if row.state in _GIVEN_UP and not row.partial_bytes)
    if len(plan.finer) < DOUBTFUL_MAX and _is_finer(file, version):
        plan.finer.append(Restamp(version.id, file, _may_hide_rewrite(file, version), UNCHANGED))
    elif version.recheck and file.name not in plan.names:
        plan.names.add(file.name)
        plan.recheck.append(Candidate(file, version, True, tuple(versions)))
    elif version.utc_stamp is not None and file.clock is Clock.LOCAL and _is_later(file, plan.newest):
        plan.newest = Candidate(file, version, True, tuple(versions))
    plan.skip("known", file.name)


def _is_later(file: RemoteFile, newest: Candidate | None) -> bool:
    return file.stamp is not None and (newest is None or file.stamp > (newest.file.stamp or 0))


_GIVEN_UP = (State.ARRIVED, State.FAILED, State.CHANGING, State.WAITING)


def _is_finer(file: RemoteFile, version: Version) -> bool:
    """Say whether what is listed tells more of the time than the row holds: else later rewrites would look the same."""
    if file.stamp is None or version.utc_stamp is None and version.local_stamp is None:
        return file.stamp is not None
    stamp, precision = _stamp_on(file.clock, version)
    return stamp is not None and file.precision < precision


def _may_hide_rewrite(file: RemoteFile, version: Version) -> bool:
    """Say whether the content has to be compared, because the stamp did not tell it from that of a rewrite."""
    stamp, precision = _stamp_on(file.clock, version)
    was_over = stamp is not None and stamp + precision + OLD_STAMP_SECS < version.looked_at
    return version.digest is not None and (version.recheck or not was_over)


def _may_be_newest(file: RemoteFile, version: Version, newest: Version | None) -> bool:
    """Say whether what is listed as an earlier version may be the newest one after all, under a clock that was put
    back. Only where content can tell the two apart."""
    if newest is None or newest is version or newest.digest is None or version.digest is None:
        return False
    return is_doubtful(file, newest)


def _doubts(file: RemoteFile, versions: Sequence[Version], newest: Version | None) -> tuple[Version, ...]:
    """Return the finished versions that a listed file may be when only a clock stands between it and the newest one:
    that one, and earlier ones that are listed just so.

    Not earlier ones behind a clock: an hourly file that is again as it was two hours ago has changed.
    """
    if newest is None or not is_doubtful(file, newest):
        return ()
    return newest, *(row for row in versions if row.state in FINISHED and same_version(file, row))
