"""Names of compressed copies: of which directory, of what day, and which have to go."""
# ruff: noqa: RUF001, DTZ001 - the letters of the languages; names are in local time

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.mirror.copies import copy_name, is_backup, is_backup_of, moments_of, partial_name, superseded

WEDNESDAY = datetime(2010, 12, 8, 13, 52)
NAMES = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=20)


def test_the_name_is_the_one_users_know() -> None:
    """Lower case, English, day and minute; NAME itself stays as it is."""
    assert copy_name("My Data", WEDNESDAY) == "My Data_08dec2010_13:52_wed.tar.gz"


@pytest.mark.parametrize(
    "stamp",
    [
        "08dec2010_13:52_wed",
        "08Dec2010_13:52_Wed",
        "08dic2010_13:52_mié",
        "08dic2010_13:52_mi\udce9",  # é in Latin-1
        "08déc.2010_13:52_mer.",
        "08d\udce9c.2010_13:52_mer.",
        "08Dez2010_13:52_Mi",
        "08Dezember2010_13:52_Mittwoch",
        "08дек2010_13:52_Ср",
        "08\udcc4\udcc5\udccb2010_13:52_\udcd3\udcd2",  # Russian in KOI8-R
        "08Δεκ2010_13:52_Τετ",
        "08aralık2010_13:52_çarşamba",
        "08de des.2010_13:52_dc.",
        "0812月2010_13:52_水",
        "0812월2010_13:52_수",
        "08thg 122010_13:52_t4",
    ],
)
def test_copies_in_other_languages_are_dated_by_their_month(stamp: str) -> None:
    """Whatever the locale of the program that made it, and whatever its code page."""
    assert moments_of("data", f"data_{stamp}.tar.gz") == (WEDNESDAY,)


def test_the_last_word_tells_nothing() -> None:
    """The weekday is that of the date, even if the name says another one."""
    assert moments_of("data", "data_08dec2010_13:52_fri.tar.gz") == (WEDNESDAY,)


@pytest.mark.parametrize(
    ("month", "numbers"), [("lis", {10, 11}), ("lip", {6, 7}), ("srp", {7, 8}), ("xyz", set()), ("u7l", set())]
)
def test_a_month_may_be_several_or_none(month: str, numbers: set[int]) -> None:
    """`lis` is November in Poland and October in Croatia: both are told, none is taken."""
    assert {moment.month for moment in moments_of("data", f"data_08{month}2010_13:52_wed.tar.gz")} == numbers


@pytest.mark.parametrize(
    "file_name",
    [
        "data_08dec2010_13:52_wed-keep.tar.gz",
        "data_08dec2010_13:52_wed_keep.tar.gz",
        "data_08dec2010_13:52_wed (keep).tar.gz",
        "data_08dec2010_13:52_wed.tar.gz.old",
        "data_08dec2010_13:52_wed.tar",
        "data_08dec2010_13:52.tar.gz",
        "data_08dec2010.tar.gz",
        "data_8dec2010_13:52_wed.tar.gz",
        "data_082010_13:52_wed.tar.gz",
        "data-08dec2010_13:52_wed.tar.gz",
        "data.tar.gz",
        "data",
        "DATA_08dec2010_13:52_wed.tar.gz",
        "mydata_08dec2010_13:52_wed.tar.gz",
        "data_b_08dec2010_13:52_wed.tar.gz",
        "data_08dec2010_13:52_wed.tar.gz_08dec2010_13:52_wed.tar.gz",
    ],
)
def test_what_is_not_exactly_a_copy_of_this_name_is_none(file_name: str) -> None:
    """Files that users renamed to keep them, other archives, and copies of directories whose name begins alike."""
    assert not is_backup_of("data", file_name)


@pytest.mark.parametrize(
    "stamp", ["30feb2010_13:52_wed", "00dec2010_13:52_wed", "08dec2010_24:00_wed", "08122010_13:52_w"]
)
def test_a_copy_of_an_impossible_date_has_none(stamp: str) -> None:
    """It counts as a copy, so that it is not deleted as a stray file, but no day supersedes it."""
    assert is_backup_of("data", f"data_{stamp}.tar.gz")
    assert moments_of("data", f"data_{stamp}.tar.gz") == ()


@given(NAMES, NAMES, st.datetimes(min_value=datetime(1000, 1, 1)))
def test_a_name_is_read_back_and_never_taken_for_another(name: str, other: str, now: datetime) -> None:
    """No two directories share a copy, however one's name begins with the other's."""
    file_name = copy_name(name, now)
    assert moments_of(name, file_name) == (now.replace(second=0, microsecond=0),)
    assert is_backup(file_name)
    for wrong in {other, f"{name}_{other}", file_name, file_name[: len(other)]} - {name}:
        assert not is_backup_of(wrong, file_name)
        assert not is_backup_of(name, copy_name(wrong, now))


@pytest.mark.parametrize(
    "file_name", ["data_08dic2010_13:52_mié.tar.gz", "a\nb_08dec2010_13:52_wed.tar.gz", partial_name("x")]
)
def test_copies_of_any_directory_are_known(file_name: str) -> None:
    """What deletes files must know the copies of others, also the one that is being written."""
    assert is_backup(file_name)


@pytest.mark.parametrize(
    "file_name", ["_08dec2010_13:52_wed.tar.gz", "data.tar.gz", "lftp_mirror.log", "x.tar.gz.part"]
)
def test_other_files_are_no_copies(file_name: str) -> None:
    """Only the whole form counts."""
    assert not is_backup(file_name)


def _copies(*moments: datetime) -> list[tuple[str, datetime]]:
    return [(copy_name("data", moment), moment) for moment in moments]


def test_one_a_weekday() -> None:
    """Those of the same day of the week go, the same day's and last week's and older; no other day's."""
    days = [WEDNESDAY + timedelta(days=back, hours=1) for back in (-14, -8, -7, -6, -1, 0)]
    assert superseded(_copies(*reversed(days)), WEDNESDAY, None) == [
        copy_name("data", WEDNESDAY + timedelta(days=back, hours=1)) for back in (-14, -7, 0)
    ]


def test_a_copy_of_the_future_stays() -> None:
    """A clock was wrong once; which day that copy is of is unknown."""
    assert superseded(_copies(WEDNESDAY + timedelta(days=7)), WEDNESDAY, None) == []


@pytest.mark.parametrize(("keep", "gone"), [(1, [-9, -8, -7, 1]), (2, [-9, -8, -7]), (4, [-9]), (5, []), (9, [])])
def test_the_newest_stay_with_keep(keep: int, gone: list[int]) -> None:
    """The new one is one of them, whatever the others say that they are."""
    others = _copies(*(WEDNESDAY + timedelta(days=back) for back in (1, -8, -9, -7)))
    assert superseded(others, WEDNESDAY, keep) == [copy_name("data", WEDNESDAY + timedelta(days=back)) for back in gone]
