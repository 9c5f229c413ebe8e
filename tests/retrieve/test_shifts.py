"""What a moved or an unknown clock can do to a stamp, as tables: the arithmetic behind a doubtful file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.retrieve.decide import OLD_STAMP_SECS, ZONE_STEP_SECS, is_doubtful, least_shift, zone_shift
from ftpretrieve.retrieve.records import DAY, MINUTE, SECOND, State
from tests.retrieve.test_decide import T, local, plan_of, row, seen

HOUR = 3600

SHIFTS = {
    "an hour later, to the second": (seen(stamp=T + HOUR), row(seen()), HOUR),
    "an hour earlier": (seen(stamp=T - HOUR), row(seen()), -HOUR),
    "a second more than an hour": (seen(stamp=T + HOUR + 1), row(seen()), None),
    "a quarter": (local(T + 900), row(local(T)), 900),
    "a minute more than a quarter": (local(T + 960), row(local(T)), None),
    "26 hours": (local(T + 26 * HOUR), row(local(T)), 26 * HOUR),
    "more than 26 hours": (local(T + 26 * HOUR + 900), row(local(T)), None),
    "another size": (local(T + HOUR, size=4), row(local(T)), None),
    "a day that follows": (local(T + DAY, DAY), row(local(T, DAY)), 900),
    "two days on": (local(T + 2 * DAY, DAY), row(local(T, DAY)), DAY + 900),
    "three days on": (local(T + 3 * DAY, DAY), row(local(T, DAY)), None),
    "the other clock, no offset": (local(T), row(seen(stamp=T + 12)), 0),
    "the other clock, Kolkata": (local(T + 19_800), row(seen(stamp=T + 59)), 19_800),
    "the other clock, west": (local(T - 8 * HOUR), row(seen(stamp=T)), -8 * HOUR),
    "the other clock, at no offset there is": (local(T + 60), row(seen(stamp=T)), None),
    "MLSD of what LIST has shown": (seen(stamp=T + 12), row(local(T + 2 * HOUR)), -2 * HOUR),
    "no time": (seen(stamp=None), row(seen()), None),
}


@pytest.mark.parametrize(("file", "version", "shift"), SHIFTS.values(), ids=SHIFTS.keys())
def test_the_least_change_of_zone_that_makes_them_the_same(file, version, shift) -> None:
    """A multiple of a quarter of an hour up to 26 h, or none."""
    assert zone_shift(file, version) == shift


@pytest.mark.parametrize(
    ("file", "version"),
    [
        pytest.param(seen(), row(seen()), id="equal"),
        pytest.param(local(T + 30 * 60), row(local(T, DAY)), id="a minute of that day"),
        pytest.param(seen(stamp=None), row(seen()), id="no time"),
    ],
)
def test_what_is_the_same_is_not_doubtful(file, version) -> None:
    """Stamps of one clock that overlap need no doubt."""
    assert not is_doubtful(file, version)


@given(st.integers(-(10**6), 10**6), st.integers(0, 2 * DAY))
def test_the_least_shift_is_the_nearest_of_all(low: int, width: int) -> None:
    """Against trying every multiple there is."""
    limit = OLD_STAMP_SECS // ZONE_STEP_SECS
    possible = [
        step * ZONE_STEP_SECS for step in range(-limit, limit + 1) if low <= step * ZONE_STEP_SECS <= low + width
    ]
    found = least_shift(low, low + width)
    assert (found is None) == (not possible)
    if found is not None:
        assert found in possible
        assert abs(found) == min(map(abs, possible))


def test_a_doubtful_file_is_planned_apart_with_its_doubts() -> None:
    """So that it is never taken for new, or for known, by its stamp alone."""
    kept, older = row(local(T)), row(local(T - DAY), id=2)
    plan = plan_of(local(T + HOUR), versions=(kept, older))
    assert plan.fetch == []
    assert [item.doubts for item in plan.doubtful] == [(kept,)]


def test_what_is_listed_as_an_earlier_version_may_be_the_newest_one() -> None:
    """A clock that was put back by an hour lists an hourly file as it was listed an hour ago."""
    newest, older = row(local(T + HOUR), id=2), row(local(T))
    plan = plan_of(local(T), versions=(newest, older))
    assert [item.doubts for item in plan.doubtful] == [(newest, older)]
    assert (plan.doubtful[0].version, plan.returned) == (None, [])


def test_what_cannot_be_the_newest_version_is_the_earlier_one_brought_back() -> None:
    """Known, and noted, so that it is what a moved clock is held against."""
    newest, older = row(local(T + HOUR + 300), id=2), row(local(T))
    plan = plan_of(local(T), versions=(newest, older))
    assert (plan.doubtful, plan.fetch, plan.returned) == ([], [], [older.id])


def test_only_what_is_finished_casts_doubt() -> None:
    """A download that failed has no content to be equal to."""
    plan = plan_of(local(T + HOUR), versions=(row(local(T), State.FAILED),))
    assert [item.file.stamp for item in plan.fetch] == [T + HOUR]
    assert plan.doubtful == []


def test_stamps_on_both_clocks_are_compared_on_the_one_that_is_listed() -> None:
    """A row that holds both is the same by LIST against LIST, whatever the offset was."""
    both = row(local(T), utc_stamp=T - 7 * HOUR + 5, utc_precision=SECOND)
    assert not is_doubtful(local(T), both)
    assert is_doubtful(local(T + MINUTE * 30), both)
    assert zone_shift(seen(stamp=T - 6 * HOUR + 5), both) == HOUR
