"""What a run made is held against what was planned: lftp's exit code 0 proves nothing."""

import pytest

from ftpretrieve.mirror.check import compare, removable
from ftpretrieve.mirror.records import Entry, Kind

DIRECTORY = Entry(Kind.DIRECTORY)


def near(size: int, stamp: int = 1) -> Entry:
    return Entry(Kind.FILE, size, stamp)


def far(size: int | None) -> Entry:
    return Entry(Kind.FILE, size, "2020-01-01 00:00:00")


@pytest.mark.parametrize(
    ("kind", "source", "before", "after", "words"),
    [
        (Kind.FILE, far(3), None, near(3), None),
        (Kind.FILE, far(3), near(2), near(3), None),
        (Kind.FILE, far(3), near(3, 1), near(3, 2), None),
        (Kind.FILE, None, None, near(3), None),
        (Kind.FILE, far(None), None, near(3), None),
        (Kind.FILE, Entry(Kind.LINK, 6, ""), None, near(3), None),
        (Kind.FILE, far(3), None, None, "missing"),
        (Kind.FILE, far(3), None, near(2), "2 bytes at the target and 3 at the source"),
        (Kind.FILE, far(3), near(3), near(3), "as it was before"),
        (Kind.FILE, far(3), None, DIRECTORY, "with --erase it is replaced"),
        (Kind.FILE, near(3), far(3), far(3), None),
        (Kind.FILE, near(3), None, far(2), "2 bytes"),
        (Kind.DIRECTORY, None, None, DIRECTORY, None),
        (Kind.DIRECTORY, None, None, None, "missing"),
        (Kind.DIRECTORY, None, near(3), near(3), "is a file at the target"),
        (Kind.LINK, None, None, Entry(Kind.LINK, 4, 1), None),
        (Kind.LINK, None, None, None, "missing"),
    ],
)
def test_a_path_is_as_planned_or_it_is_said_why_not(
    kind: Kind, source: Entry | None, before: Entry | None, after: Entry | None, words: str | None
) -> None:
    def at(entry: Entry | None) -> dict[str, Entry]:
        return {} if entry is None else {"x": entry}

    wrong = compare({"x": kind}, at(source), at(before), at(after))
    assert list(wrong) == ([] if words is None else ["x"])
    assert words is None or words in wrong["x"]


def test_only_a_file_that_the_target_has_in_full_may_leave_the_source() -> None:
    source = {"whole": far(3), "short": far(3), "gone": far(3), "unknown": far(None), "dir": DIRECTORY}
    target = {"whole": near(3), "short": near(2), "unknown": near(3), "dir": DIRECTORY}
    whole, problems = removable(["whole", "short", "gone", "unknown", "dir", "nowhere"], source, target)
    assert whole == [("whole", far(3))]
    assert [problem.partition(":")[0] for problem in problems] == ["short", "gone", "unknown", "dir", "nowhere"]
