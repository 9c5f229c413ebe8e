"""A logbook that is damaged is named with the place, never overwritten, and repaired on request only."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.errors import StorageError
from ftpretrieve.send.logbook import Logbook, LogbookDamaged
from tests.retrieve.doors import StopDoor
from tests.send.disk_full import FullDoor
from tests.send.entries import ENTRY, NOW, entry, ids

GOOD = '{"transactionID": "A"}'
DAMAGED = {
    "of no bytes": ("", 1, 1),
    "of blanks": (" \n ", 2, 2),
    "of zeros": ("\0\0\0", 1, 1),
    "an object": ("{}", 1, 1),
    "cut in an entry": (f'[\n{GOOD},\n{{"date": "20', 3, 10),
    "cut behind an entry": (f"[\n{GOOD}", 2, 23),
    "cut behind a comma": (f"[{GOOD},\n", 2, 1),
    "cut behind the bracket": ("[", 1, 2),
    "a comma too many": (f"[{GOOD},]", 1, 25),
    "a comma too few": (f"[{GOOD}\n {GOOD}]", 2, 2),
    "two lists": (f"[{GOOD}]\n[{GOOD}]", 2, 1),
    "no object": (f"[{GOOD},\n 7]", 2, 2),
    "no id": (f'[{GOOD},\n{{"date": "x"}}]', 2, 1),
    "an id that is none": (f'[{GOOD}, {{"transactionID": 5}}]', 1, 26),
    "an empty id": (f'[{GOOD}, {{"transactionID": ""}}]', 1, 26),
    "a number too long": (f'[{{"size": {"9" * 5000}}}]', 1, 2),
    "too deep": ("[" * 200_000, 1, 2),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logbook.json"


@pytest.mark.parametrize(("text", "line", "column"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_logbook_is_named_with_the_place_and_never_overwritten(
    path: Path, text: str, line: int, column: int
) -> None:
    """Neither is it taken for an empty one."""
    path.write_text(text)
    for use in (Logbook(path).read, lambda: Logbook(path).gb_since(0), lambda: Logbook(path).append(ENTRY)):
        with pytest.raises(LogbookDamaged) as caught:
            use()
        assert (caught.value.line, caught.value.column) == (line, column)
        assert f"{path}, line {line}, column {column}: " in str(caught.value)
        assert "--repair" in str(caught.value)
    assert path.read_text() == text


def test_a_byte_that_is_no_utf8_is_damage_and_the_name_is_salvaged(path: Path) -> None:
    """Counted in characters, as editors do."""
    data = '[\n{"transactionID": "A", "directory": "/é'.encode() + b'\xe9"}]'
    path.write_bytes(data)
    with pytest.raises(LogbookDamaged) as caught:
        Logbook(path).read()
    assert (caught.value.line, caught.value.column) == (2, 40)
    Logbook(path).repair()
    assert os.fsencode(Logbook(path).read()[0].directory) == "/é".encode() + b"\xe9"


def test_repair_keeps_what_is_before_and_behind_the_damage(path: Path) -> None:
    """And the damaged file, byte for byte, beside the new one."""
    for number in range(5):
        Logbook(path).append(entry(f"A{number}", others={"note": {"n": number}}))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3][:40] + b"\0\xff\n"
    path.write_bytes(b"".join(lines))
    os.chmod(path, 0o640)
    aside = Logbook(path, now=lambda: NOW).repair()
    assert aside == path.with_name("logbook.json.damaged-20261121T080000Z")
    assert aside.read_bytes() == b"".join(lines)
    assert ids(path) == ["A0", "A1", "A3", "A4"]
    assert Logbook(path).read()[3].others == {"note": {"n": 4}}
    assert [p.stat().st_mode & 0o777 for p in (aside, path)] == [0o640, 0o640]


def test_repair_of_an_empty_file_makes_a_new_logbook(path: Path) -> None:
    """What a crash of an older program leaves."""
    path.touch()
    assert Logbook(path).repair() is not None
    assert Logbook(path).append(ENTRY)
    assert Logbook(path).read() == (ENTRY,)


def test_repair_leaves_a_logbook_alone_that_is_whole_or_missing(path: Path) -> None:
    """It makes none either."""
    assert Logbook(path).repair() is None
    assert list(path.parent.iterdir()) == []
    Logbook(path).append(ENTRY)
    before = path.stat()
    assert Logbook(path).repair() is None
    after = path.stat()  # the time of access may differ: it was read
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )


def test_repair_never_overwrites_a_damaged_one_that_was_moved_aside(path: Path) -> None:
    """Two within a second: the second one has to wait, and nothing is changed."""
    path.write_text("[")
    aside = Logbook(path, now=lambda: NOW).repair()
    path.write_text("other")
    with pytest.raises(StorageError, match="damaged-2026.*File exists"):
        Logbook(path, now=lambda: NOW).repair()
    assert (aside.read_text(), path.read_text()) == ("[", "other")


@given(place=st.integers(1, 5), cut=st.tuples(st.integers(0, 60), st.integers(0, 60)), junk=st.binary(max_size=20))
def test_repair_loses_at_most_the_entry_that_is_damaged(place: int, cut: tuple[int, int], junk: bytes) -> None:
    """Whatever stands in the middle of its line."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "book"
        for number in range(1, 6):
            Logbook(path, door=StopDoor()).append(entry(f"A{number}"))
        lines = path.read_bytes().splitlines(keepends=True)
        lines[place] = lines[place][: min(cut)] + junk + lines[place][max(cut) :]
        path.write_bytes(b"".join(lines))
        Logbook(path).repair()
        kept = {known.transaction_id for known in Logbook(path).read()}
    assert {f"A{number}" for number in range(1, 6) if number != place} <= kept


@pytest.mark.parametrize("step", range(1, 4))
def test_a_full_disk_while_repairing_leaves_the_damaged_one(path: Path, step: int) -> None:
    """The copy aside is made first: create, sync the file, sync the directory."""
    path.write_text(f"[{GOOD}")
    with pytest.raises(StorageError, match="No space left on device"):
        Logbook(path, door=FullDoor(step)).repair()
    assert path.read_text() == f"[{GOOD}"
