"""The rules of identity as tables: is a listed entry the version that a row holds, and what is to be done with it?"""

from dataclasses import replace

import pytest

from ftpretrieve.retrieve.decide import (
    BACK_OFF_MAX_SECS,
    back_off_secs,
    decide,
    is_at_rest,
    is_backing_off,
    name_matcher,
    needs_care,
    same_look,
    same_version,
    unsafe_reason,
)
from ftpretrieve.retrieve.records import (
    DAY,
    EXAMPLES,
    FINISHED,
    MINUTE,
    MOVES,
    SECOND,
    Candidate,
    Clock,
    Kind,
    Plan,
    RemoteFile,
    State,
    Version,
)

T = 1_800_000_000 - 1_800_000_000 % DAY  # midnight, so that stamps of all precisions begin here


def seen(size: int | None = 3, stamp: int | None = T, precision: int = SECOND, clock: Clock = Clock.UTC) -> RemoteFile:
    return RemoteFile(b"a", Kind.FILE, size, stamp, precision if stamp is not None else 0, clock)


def local(stamp: int, precision: int = MINUTE, size: int | None = 3) -> RemoteFile:
    return seen(size, stamp, precision, Clock.LOCAL)


def row(file: RemoteFile, state: State = State.DELIVERED, **changes: object) -> Version:
    """Return the row of a version that was delivered under this listed entry."""
    is_utc = file.clock is Clock.UTC and file.stamp is not None
    is_local = file.clock is Clock.LOCAL and file.stamp is not None
    version = Version(
        id=1,
        number=1,
        size=-1 if file.size is None else file.size,
        mtime=-1 if file.stamp is None else file.stamp,
        utc_stamp=file.stamp if is_utc else None,
        utc_precision=file.precision if is_utc else 0,
        local_stamp=file.stamp if is_local else None,
        local_precision=file.precision if is_local else 0,
        state=state,
        digest="d",
        recheck=False,
        looked_at=0.0,
        first_listed=0.0,
        attempts=0,
        next_try=0.0,
        polls_changing=0,
        staged=None,
        partial_bytes=0,
    )
    return replace(version, **changes)  # type: ignore[arg-type]


UNKNOWN = seen(None, None)

SAME = {
    "equal": (seen(), seen(), True),
    "a second later": (seen(stamp=T + 1), seen(), False),
    "a second earlier": (seen(stamp=T - 1), seen(), False),
    "other size": (seen(size=4), seen(), False),
    "size unknown now": (seen(size=None), seen(), True),
    "size unknown then": (seen(), seen(size=None), True),
    "minute against its last second": (seen(precision=MINUTE), seen(stamp=T + 59), True),
    "minute against the next second": (seen(precision=MINUTE), seen(stamp=T + 60), False),
    "time unknown, size equal": (seen(stamp=None), seen(), True),
    "time unknown, other size": (seen(4, None), seen(), False),
    "time unknown then, size equal": (seen(), seen(stamp=None), True),
    "nothing known": (UNKNOWN, seen(), True),
    "list: same minute": (local(T), local(T), True),
    "list: the next minute": (local(T + 60), local(T), False),
    "list: dropped to the day": (local(T, DAY), local(T + 15 * 3600), True),
    "list: dropped to another day": (local(T + DAY, DAY), local(T + 15 * 3600), False),
    "utc then, local now": (local(T), seen(), False),
    "local then, utc now": (seen(), local(T), False),
}


@pytest.mark.parametrize(("now", "then", "same"), SAME.values(), ids=SAME.keys())
def test_a_listed_entry_is_the_version_of_a_row(now: RemoteFile, then: RemoteFile, same: bool) -> None:
    """Sizes differ when both are exact and unequal; stamps of one clock agree when their intervals overlap, and of two
    clocks never, since nothing is known of the offset between them."""
    assert same_version(now, row(then)) is same


LOOKS = {
    "equal": (seen(), seen(), True),
    "other size": (seen(), seen(size=4), False),
    "size became unknown": (seen(), seen(size=None), False),
    "other second": (seen(), seen(stamp=T + 1), False),
    "other clock": (seen(), seen(clock=Clock.LOCAL), False),
    "time became unknown": (seen(), seen(stamp=None), False),
    "time unknown in both": (seen(stamp=None), seen(stamp=None), True),
    "minutes": (local(T), local(T), True),
    "minute then day": (local(T + 3600), local(T, DAY), True),
}


@pytest.mark.parametrize(("first", "second", "same"), LOOKS.values(), ids=LOOKS.keys())
def test_two_looks_agree_only_when_all_they_tell_agrees(first: RemoteFile, second: RemoteFile, same: bool) -> None:
    """Unlike versions, looks are of one kind: what one tells and the other does not is a difference."""
    assert same_look(first, second) is same


NOW = T + 30.0
REST = {
    "a second's stamp": (seen(), None, True),
    "no stamp": (UNKNOWN, None, False),
    "its own minute": (local(T), None, False),
    "first listed in this minute": (local(T), row(local(T), State.FAILED, first_listed=NOW - 59), False),
    "first listed more than a minute ago": (local(T), row(local(T), State.FAILED, first_listed=NOW - 61), True),
    "first listed by a clock that was ahead": (local(T), row(local(T), State.FAILED, first_listed=NOW + 61), True),
    "another version listed long ago": (local(T), row(local(T - 60), State.FAILED, first_listed=NOW - 900), False),
    "an hour old, in a zone nobody knows": (local(T - 3600), None, False),
    "over in every zone": (local(T - 27 * 3600), None, True),
    "today, to the day": (local(T - DAY, DAY), None, False),
    "last week, to the day": (local(T - 7 * DAY, DAY), None, True),
}


@pytest.mark.parametrize(("file", "version", "at_rest"), REST.values(), ids=REST.keys())
def test_a_version_is_at_rest_when_a_rewrite_must_show(
    file: RemoteFile, version: Version | None, at_rest: bool
) -> None:
    """Only then nothing needs to be asked about it again."""
    assert is_at_rest(file, version, NOW) is at_rest


NAMES = {
    b"a": None,
    b"a/b/c.xml": None,
    b".hidden": None,
    b"...": None,
    b"-rf ~ *": None,
    b"\xff\xfe": None,
    b"\x1b[31m": None,
    b"x" * 255: None,
    b"": "empty-name",
    b".": "path-in-name",
    b"..": "path-in-name",
    b"../x": "path-in-name",
    b"/etc/x": "path-in-name",
    b"a//b": "path-in-name",
    b"a/..": "path-in-name",
    b"a/": "path-in-name",
    b"a\0b": "control-character-in-name",
    b"a\nb": "control-character-in-name",
    b"a\r": "control-character-in-name",
    b"x" * 256: "name-too-long",
    b"a/" + b"x" * 256: "name-too-long",
    b"y/" * 2001 + b"z": "name-too-long",
    b".ftpretrieve": "own-name",
    b"a/.ftpretrieve-id": "own-name",
}


@pytest.mark.parametrize(("name", "reason"), NAMES.items(), ids=lambda value: repr(value)[:24])
def test_hostile_names_have_a_reason(name: bytes, reason: str | None) -> None:
    """What may become a local path is said by one function."""
    assert unsafe_reason(name) == reason


GLOBS = {
    "everything": (("*",), (), [b"a", b"d/a.txt", b"\xff"], []),
    "by ending": (("*.txt",), (), [b"a.txt", b"d/a.txt"], [b"a.xml", b"a.txt.part"]),
    "exclude wins": (("*",), ("*.part",), [b"a"], [b"a.part", b"d/a.part"]),
    "with a slash the whole path": (("d/*.txt",), (), [b"d/a.txt", b"d/e/a.txt"], [b"a.txt", b"c/d/a.txt"]),
    "upper and lower case differ": (("*.TXT",), (), [b"a.TXT"], [b"a.txt"]),
    "other encodings": (("ä*",), (), ["ä.txt".encode()], [b"\xe4.txt"]),
}


@pytest.mark.parametrize(("include", "exclude", "yes", "no"), GLOBS.values(), ids=GLOBS.keys())
def test_globs_choose_names(
    include: tuple[str, ...], exclude: tuple[str, ...], yes: list[bytes], no: list[bytes]
) -> None:
    wanted = name_matcher(include, exclude, "utf-8")
    assert [name for name in yes + no if wanted(name)] == yes


def plan_of(*files: RemoteFile, versions: tuple[Version, ...] = (), now: float = NOW) -> Plan:
    plan = Plan()
    decide(files, {b"a": versions}, plan, lambda name: name != b"unwanted", now)
    return plan


def test_every_entry_ends_in_the_plan_exactly_once() -> None:
    """Fetched, settled, or skipped with a reason that is counted."""
    kinds = [RemoteFile(b"x", kind) for kind in (Kind.DIR, Kind.LINK, Kind.OTHER)]
    names = [RemoteFile(name, Kind.FILE, 1, T, 1) for name in (b"..", b"unwanted", b"b")]
    plan = plan_of(seen(), *kinds, *names)
    assert [item.file.name for item in plan.fetch] == [b"a", b"b"]
    assert plan.skipped == {
        "not-a-file:dir": 1,
        "not-a-file:link": 1,
        "not-a-file:other": 1,
        "path-in-name": 1,
        "excluded": 1,
    }


DECISIONS = {
    "no row": ((), "fetch"),
    **{f"{state}, the same": ((row(seen(), state),), "known") for state in sorted(FINISHED)},
    **{f"{state}, another": ((row(seen(size=4), state),), "fetch") for state in sorted(FINISHED)},
    "staged, the same": ((row(seen(), State.STAGED),), "waiting-to-be-published"),
    "staged, another": ((row(seen(size=4), State.STAGED),), "waiting-to-be-published"),
    "arrived, the same": ((row(seen(), State.ARRIVED),), "settle"),
    "arrived, another": ((row(seen(size=4), State.ARRIVED),), "fetch"),
    "cut off": ((row(seen(), State.DOWNLOADING),), "fetch"),
    "failed, due": ((row(seen(), State.FAILED, next_try=NOW),), "fetch"),
    "failed, backing off": ((row(seen(), State.FAILED, next_try=NOW + 1),), "backing-off"),
    "failed, other version now": ((row(seen(size=4), State.FAILED, next_try=NOW + 1),), "fetch"),
    "failed, by a clock days ahead": ((row(seen(), State.FAILED, next_try=NOW + 3 * DAY),), "fetch"),
    "changing": ((row(seen(), State.CHANGING),), "fetch"),
    "vanished": ((row(seen(), State.VANISHED),), "fetch"),
    "an older one is the same": ((row(seen(size=4)), row(seen())), "known"),
    "its rewrite under the same stamp failed": ((row(seen(), State.FAILED), row(seen())), "fetch"),
}


@pytest.mark.parametrize(("versions", "decision"), DECISIONS.values(), ids=DECISIONS.keys())
def test_what_is_done_with_an_entry(versions: tuple[Version, ...], decision: str) -> None:
    """Against all kept rows of its name, newest first."""
    plan = plan_of(seen(), versions=versions)
    assert (len(plan.fetch), len(plan.settle)) == (decision == "fetch", decision == "settle")
    assert plan.skipped == ({} if decision in ("fetch", "settle") else {decision: 1})


@pytest.mark.parametrize(
    ("versions", "takes_over"),
    [
        ((), None),
        ((row(seen(size=4)),), None),
        ((row(seen(size=4), State.FAILED, id=7), row(seen(size=5))), (7, False)),
        ((row(seen(), State.FAILED, id=7), row(seen(size=5))), (7, True)),
    ],
    ids=["new name", "all finished", "an unfinished other one", "an unfinished same one"],
)
def test_an_unfinished_row_is_taken_over(versions: tuple[Version, ...], takes_over: tuple[int, bool] | None) -> None:
    """One row a name is unfinished at most."""
    (item,) = plan_of(seen(), versions=versions).fetch
    assert (item.version and (item.version.id, item.same)) == takes_over


def test_a_name_is_planned_once() -> None:
    """A listing that repeats a name, with whatever stamps, begins one download of it."""
    plan = plan_of(seen(), seen(), seen(size=9))
    assert len(plan.fetch) == 1
    assert plan.skipped == {"listed-twice": 2}
    plan = plan_of(seen(), seen(), versions=(row(seen(), State.ARRIVED),))
    assert (len(plan.settle), plan.skipped) == (1, {"listed-twice": 1})
    plan = plan_of(seen(), seen(), versions=(row(seen(), recheck=True),))
    assert (len(plan.recheck), plan.skipped) == (1, {"known": 2})


def test_memory_does_not_grow_with_what_is_skipped() -> None:
    """A few examples of each reason are kept, and the count."""
    plan = plan_of(*[seen()] * 100, versions=(row(seen()),))
    assert plan.skipped == {"known": 100}
    assert len(plan.examples["known"]) == EXAMPLES
    assert plan.names == set()


def test_back_off_grows_to_its_cap() -> None:
    """Three tries at once, then a minute, doubling up to six hours; a time beyond that was set by a wrong clock."""
    assert [back_off_secs(n) for n in (0, 3, 4, 5, 6)] == [0, 0, 60, 120, 240]
    assert back_off_secs(1000) == BACK_OFF_MAX_SECS
    assert not is_backing_off(NOW, NOW)
    assert is_backing_off(NOW + 1, NOW)
    assert is_backing_off(NOW + BACK_OFF_MAX_SECS, NOW)
    assert not is_backing_off(NOW + BACK_OFF_MAX_SECS + 1, NOW)


def test_large_and_changing_files_are_looked_at_before_their_download() -> None:
    """So that a day-long upload is not downloaded at every poll."""
    assert not needs_care(Candidate(seen(), None))
    assert needs_care(Candidate(seen(size=1 << 30), None))
    assert needs_care(Candidate(seen(), row(seen(), State.CHANGING, polls_changing=1)))
    assert not needs_care(Candidate(seen(size=None), None))


def test_finished_states_move_nowhere() -> None:
    """What was delivered, seen or rejected is never anything else again."""
    assert {state for state, moves in MOVES.items() if not moves} == FINISHED
    assert set(MOVES) == set(State)
