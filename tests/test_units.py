"""Durations and sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.units import format_bytes, format_duration, parse_bytes, parse_duration


@pytest.mark.parametrize(
    ("text", "secs"),
    [
        ("600", 600),
        ("0", 0),
        ("0.5", 0.5),
        (" 90 s ", 90),
        ("1 sec", 1),
        ("10 min", 600),
        ("10MIN", 600),
        ("1.5h", 5_400),
        ("2 hours", 7_200),
        ("7 d", 604_800),
    ],
)
def test_a_duration_is_a_number_with_an_optional_unit(text: str, secs: float) -> None:
    """No unit means seconds; case and blanks do not matter."""
    assert parse_duration(text) == secs


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("67108864", 67_108_864),
        ("64 MiB", 67_108_864),
        ("64M", 67_108_864),
        ("1 kb", 1_000),
        ("1 KiB", 1_024),
        ("1.5 GB", 1_500_000_000),
        ("2 tib", 2 * 1024**4),
        ("9007199254740993", 9_007_199_254_740_993),
        ("0.3 b", 0),
    ],
)
def test_a_size_counts_in_1024s_unless_it_says_kb_mb_gb(text: str, size: int) -> None:
    """A lone letter is what `du` and `df` mean by it; large sizes are exact."""
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1e3", "inf", "nan", "1_000", "1 2", "min", "1h30m", "10 miles", "٣", "1."]
)
@pytest.mark.parametrize("parse", [parse_duration, parse_bytes])
def test_what_is_not_a_plain_number_and_a_unit_is_refused(parse, text: str) -> None:
    """Nothing is guessed, and the error says what to give."""
    with pytest.raises(ValueError, match="give a number of"):
        parse(text)


@pytest.mark.parametrize(
    ("secs", "text"),
    [(0, "0 s"), (0.001, "0.001 s"), (59, "59 s"), (90, "1.5 min"), (91, "91 s"), (5_400, "1.5 h"), (86_400, "1 d")],
)
def test_a_duration_is_shown_in_the_largest_unit_that_loses_nothing(secs: float, text: str) -> None:
    """At most one digit behind the point, else the next smaller unit."""
    assert format_duration(secs) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (2**26, "64 MiB")])
def test_a_size_is_shown_short(size: int, text: str) -> None:
    """One digit behind the point, and none when it is zero."""
    assert format_bytes(size) == text


@given(st.integers(0, 10**9))
def test_a_shown_duration_reads_back_as_itself(secs: int) -> None:
    """What an error message offers can be pasted into the file."""
    assert parse_duration(format_duration(secs)) == secs
