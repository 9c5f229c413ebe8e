"""The logbook keeps what was sent, whatever happens to the program, and what older programs wrote into it."""

import json
import math
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.errors import InUse, StorageError
from ftpretrieve.lock import FileLock
from ftpretrieve.send.logbook import Logbook
from ftpretrieve.send.records import LogEntry, format_date
from tests.retrieve.disk import RecordingDoor
from tests.send.entries import ENTRY, NOW, entry, ids

DAY = 86_400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logbook.json"


# ---- what is in it


def test_no_logbook_is_an_empty_one(path: Path) -> None:
    """And reading makes none."""
    assert Logbook(path).read() == ()
    assert Logbook(path).gb_since(0) == 0
    assert list(path.parent.iterdir()) == []


def test_what_was_appended_is_read(path: Path) -> None:
    """In order, and in the keys that older programs read."""
    assert Logbook(path).append(ENTRY)
    assert Logbook(path).append(entry("ABCD0002", others={"comment": "mine"}))
    assert Logbook(path).read() == (ENTRY, entry("ABCD0002", others={"comment": "mine"}))
    assert json.loads(path.read_bytes())[0] == {
        "date": "2026-11-21T08:00:00Z",
        "node": "TEST",
        "directory": "/data/2026",
        "transactionID": "ABCD0001",
        "size": 1.25,
        "datatype": "seismic_data_miniseed",
    }


def test_a_transaction_is_entered_once(path: Path) -> None:
    """Whoever resumes one does not know whether it was entered before the crash."""
    assert Logbook(path).append(ENTRY)
    before = path.read_bytes()
    door = RecordingDoor()
    assert not Logbook(path, door=door).append(entry("ABCD0001", date=format_date(NOW + 5)))
    assert path.read_bytes() == before
    assert [change.verb for change in door.record] == ["sync-directory"]  # the first may have been killed before it


OLD = [
    {
        "transactionID": "A",
        "size": 3,
        "date": "2026-11-20T08:00:00Z",
        "node": "TEST",
        "directory": "/x",
        "datatype": "t",
    },
    {"note": {"by": ["hand"]}, "transactionID": "B", "date": "yesterday", "size": "0.5"},
    {"transactionID": "C"},
]


@pytest.mark.parametrize("indent", [None, 4], ids=["in a line", "indented"])
@pytest.mark.parametrize("before", ["", "\ufeff", "\r\n "], ids=["", "byte order mark", "blanks"])
def test_an_old_logbook_is_read_as_it_is_and_nothing_in_it_is_lost(path: Path, indent: int | None, before: str) -> None:
    """Any order of keys, keys that are not known, keys that are missing, whole numbers."""
    path.write_bytes((before + json.dumps(OLD, indent=indent)).encode())
    first, second, third = Logbook(path).read()
    assert first == LogEntry("2026-11-20T08:00:00Z", "TEST", "/x", "A", 3.0, "t")
    assert (second.date, second.size_gb, second.others) == ("yesterday", 0.5, {"note": {"by": ["hand"]}})
    assert (third.date, third.directory) == ("", "")
    assert math.isnan(third.size_gb)
    assert Logbook(path).append(ENTRY)
    assert json.loads(path.read_bytes())[:3] == OLD


@given(
    directory=st.binary(min_size=1).filter(lambda name: b"\0" not in name), others=st.dictionaries(st.text(), st.text())
)
def test_names_of_any_bytes_survive(directory: bytes, others: dict[str, str]) -> None:
    """Also those that are no UTF-8."""
    known = {"date", "node", "directory", "transactionID", "size", "datatype"}
    added = entry("X", directory=os.fsdecode(directory), others={k: v for k, v in others.items() if k not in known})
    with TemporaryDirectory() as place:
        path = Path(place) / "book"
        Logbook(path).append(added)
        Logbook(path).append(entry("Y"))
        assert Logbook(path).read() == (added, entry("Y"))
    assert os.fsencode(added.directory) == directory


# ---- the sum of a week


def test_the_sum_is_of_what_was_sent_since(path: Path) -> None:
    """The second itself counts."""
    for number, age in enumerate([0, 6.9, 7, 7.001, 300]):
        Logbook(path).append(entry(f"A{number}", date=format_date(NOW - age * DAY), size_gb=2.0**number))
    assert Logbook(path).gb_since(NOW - 7 * DAY) == 1 + 2 + 4
    assert Logbook(path).doubts(NOW - 7 * DAY) == []


@pytest.mark.parametrize("date", ["", "yesterday", "2026-13-01T00:00:00Z", "9999-12-31"])
def test_an_entry_without_a_date_counts_as_if_it_were_of_now(path: Path, date: str) -> None:
    """Less would let the limit be exceeded; and it is said which entry it is."""
    Logbook(path).append(entry("ODD1", date=date, size_gb=3.0))
    assert Logbook(path).gb_since(NOW) == 3
    (doubt,) = Logbook(path).doubts(NOW)
    assert "ODD1" in doubt
    assert str(path) in doubt


@pytest.mark.parametrize(
    ("date", "counts"),
    [
        ("2026-11-21T08:00:00Z", True),
        ("2026-11-21T09:00:00+01:00", True),
        ("2026-11-21T08:00:00.5Z", True),
        ("2026-11-21 08:00:00", True),
        ("2026-11-21T08:59:59+01:00", False),
        ("2026-11-21T07:59:59Z", False),
        ("2026-11-21", True),
        ("20261121", True),
        ("2026-11-20", False),
    ],
)
def test_dates_of_other_spellings_are_understood(
    path: Path, date: str, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NOW is 08:00 UTC, and the zone of the machine does not matter."""
    monkeypatch.setenv("TZ", "XXX-5")
    time.tzset()
    Logbook(path).append(entry("A", date=date))
    try:
        assert Logbook(path).gb_since(NOW) == (1.25 if counts else 0)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert Logbook(path).doubts(0) == []


@pytest.mark.parametrize("size", [None, "much", -1, float("nan"), float("inf"), [], True, 10**400])
def test_a_size_that_is_none_does_not_count_and_is_said(path: Path, size: object) -> None:
    """True is 1 to Python and nothing a program wrote, but it harms nobody; the others cannot be added."""
    raw = [{"date": format_date(NOW), "transactionID": "ODD1", "size": size}, {"transactionID": "B", "size": 2}]
    path.write_text(json.dumps(raw))
    assert Logbook(path).gb_since(NOW) == (3 if size is True else 2)
    assert any("ODD1" in doubt for doubt in Logbook(path).doubts(NOW)) is (size is not True)
    assert Logbook(path).doubts(NOW + 1) == Logbook(path).doubts(NOW)[-1:]


# ---- the file


def test_a_new_logbook_is_private_and_an_old_one_keeps_its_rights_and_owner(path: Path) -> None:
    """Only root can give a file away, so without it the owner is the same anyway."""
    Logbook(path).append(ENTRY)
    assert path.stat().st_mode & 0o7777 == 0o600
    os.chmod(path, 0o664)
    if os.geteuid() == 0:
        os.chown(path, 12345, 23456)
    before = path.stat()
    Logbook(path).append(entry("B"))
    after = path.stat()
    assert after.st_ino != before.st_ino
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_link_stays_and_both_names_share_a_lock(path: Path) -> None:
    """What it leads to is replaced, and the lock is beside that."""
    place = path.parent / "elsewhere"
    place.mkdir()
    path.symlink_to("elsewhere/real.json")
    Logbook(path).append(ENTRY)
    Logbook(place / "real.json").append(entry("B"))
    assert path.is_symlink()
    assert ids(path) == ["ABCD0001", "B"]
    with FileLock(str(place / "real.json.lock")), pytest.raises(InUse):
        Logbook(path, wait=lambda secs: None).append(entry("C"))


@pytest.mark.parametrize("kind", ["directory", "fifo", "device", "link"])
def test_what_is_no_plain_file_is_left_alone(path: Path, kind: str) -> None:
    """A logbook in /dev/null would be replaced, for everybody; and no lock is left beside it."""
    led_to = path.with_name("pipe")
    os.mkfifo(led_to)
    make = {
        "directory": path.mkdir,
        "fifo": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/null"),
        "link": lambda: path.symlink_to(led_to),
    }
    make[kind]()
    had_lock = Path("/dev/null.lock").exists()  # somebody else's, which is nothing to us
    for use in (Logbook(path).read, lambda: Logbook(path).append(ENTRY), Logbook(path).repair):
        with pytest.raises(StorageError, match=f"{path}"):
            use()
    assert not Path("/dev/null").is_file()
    assert Path("/dev/null.lock").exists() == had_lock
    assert set(path.parent.iterdir()) == {path, led_to}


def test_a_lock_that_is_held_is_waited_for_and_then_given_up(path: Path) -> None:
    """The error names the holder; nothing is written."""
    waits: list[float] = []
    with FileLock(f"{path}.lock"), pytest.raises(InUse, match=f"logbook.json.lock is locked by process {os.getpid()}"):
        Logbook(path, wait=waits.append).append(ENTRY)
    assert sum(waits) == pytest.approx(10)
    assert not path.exists()


def test_a_lock_that_is_freed_while_waiting_is_taken(path: Path) -> None:
    """The usual case of two sends that end together."""
    lock = FileLock(f"{path}.lock")
    lock.acquire()
    assert Logbook(path, wait=lambda secs: lock.release()).append(ENTRY)
    assert Logbook(path).read() == (ENTRY,)


def test_a_missing_directory_is_made_for_the_default_place_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere it may be a disk that is not mounted."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    default = tmp_path / "state" / "ftpretrieve" / "logbook.json"
    assert Logbook(default).append(ENTRY)
    assert default.parent.stat().st_mode & 0o777 == 0o700
    with pytest.raises(StorageError, match=f"{tmp_path}/disk is no directory that this user can reach"):
        Logbook(tmp_path / "disk" / "logbook.json").append(ENTRY)
    assert not (tmp_path / "disk").exists()
