"""The logbook keeps what was sent, whatever happens to the program, and what older programs wrote into it."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.errors import InUse, StorageError
from ftpretrieve.lock import FileLock
from ftpretrieve.send.logbook import Logbook, LogbookDamaged
from ftpretrieve.send.records import LogEntry, format_date
from tests.retrieve.disk import RecordingDoor, surviving
from tests.retrieve.doors import Killed, StopDoor
from tests.send.disk_full import FullDoor

CHECKOUT = Path(__file__).parent.parent.parent
NOW = 1_795_248_000.0
DAY = 86_400
ENTRY = LogEntry(format_date(NOW), "TEST", "/data/2026", "ABCD0001", 1.25, "seismic_data_miniseed")
STEPS = 5  # remove what is left over, create, sync the file, rename, sync the directory

APPEND = """
import sys
from pathlib import Path
from ftpretrieve.send.logbook import Logbook
from ftpretrieve.send.records import LogEntry
book = Logbook(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    known = f"{sys.argv[2]}{number}"
    assert book.append(LogEntry("2026-11-21T08:00:00Z", "TEST", "/data", known, 1.0, "kind"))
    print(known, flush=True)
"""


def entry(transaction_id: str, **values: object) -> LogEntry:
    return replace(ENTRY, transaction_id=transaction_id, **values)


def ids(path: Path) -> list[str]:
    return [known.transaction_id for known in Logbook(path).read()]


def appender(path: Path, prefix: str, number: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", APPEND, str(path), prefix, str(number)]
    return subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)


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


@pytest.mark.parametrize("date", ["", "yesterday", "2026-13-01T00:00:00Z", "2020-01-01"])
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


# ---- damage

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


# ---- at any moment


def test_appends_of_several_processes_are_all_there(path: Path) -> None:
    """None overwrites what another has just added."""
    children = [appender(path, f"{prefix}x", 15) for prefix in "ABCD"]
    told = [known for child in children for known in child.communicate(timeout=60)[0].split()]
    assert [child.returncode for child in children] == [0, 0, 0, 0]
    assert sorted(ids(path)) == sorted(told)
    assert len(told) == 60


def test_a_reader_sees_a_whole_logbook_at_any_moment(path: Path) -> None:
    """`-l` works while something is sent, and no entry disappears again."""
    child = appender(path, "A", 60)
    seen = [0]
    while child.poll() is None:
        seen.append(len(ids(path)))
    child.communicate()
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert len(ids(path)) == 60


@pytest.mark.crash
def test_kill_9_loses_nothing_that_was_confirmed(path: Path) -> None:
    """Nor does it leave half an entry, or a lock."""
    dice = random.Random(5)
    confirmed: list[str] = []
    for run in range(6):
        child = appender(path, f"R{run}x", 1_000)
        for _ in range(dice.randrange(1, 12)):
            confirmed.append(child.stdout.readline().strip())
        child.send_signal(signal.SIGKILL)
        confirmed += child.communicate()[0].split()
        found = ids(path)
        assert [known for known in found if known in confirmed] == confirmed
        assert len(found) <= len(confirmed) + run + 1  # one at most was on its way in each run
    assert Logbook(path).append(ENTRY)


@pytest.mark.parametrize("steps", range(STEPS))
def test_stopped_at_any_step_the_old_or_the_new_logbook_is_there(path: Path, steps: int) -> None:
    """And the next program clears away what was left."""
    Logbook(path).append(ENTRY)
    with pytest.raises(Killed):
        Logbook(path, door=StopDoor(steps)).append(entry("B"))
    assert ids(path) == (["ABCD0001", "B"] if steps == STEPS - 1 else ["ABCD0001"])
    assert Logbook(path).append(entry("B")) is (steps < STEPS - 1)
    assert ids(path) == ["ABCD0001", "B"]
    assert sorted(os.listdir(path.parent)) == ["logbook.json", "logbook.json.lock"]


def test_a_power_cut_at_any_step_loses_nothing_that_was_confirmed(path: Path) -> None:
    """All disks that it may leave, when directory entries and bytes that were not synced may be gone."""
    door = RecordingDoor()
    confirmed = []
    for known in ("A", "B"):
        Logbook(path, door=door).append(entry(known))
        confirmed.append((len(door.record), known))
    directory = os.fsencode(path.parent)
    tried = count()
    for length in range(len(door.record) + 1):
        expected = [known for at, known in confirmed if at <= length]
        for disk in surviving(door.record[:length], [directory], random.Random(1)):
            inode = disk.files.get(os.fsencode(path))
            path.write_bytes(b"[]" if inode is None else disk.data.get(inode, b""))
            assert ids(path)[: len(expected)] == expected
            next(tried)
    assert next(tried) > 20


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_full_disk_at_any_step_is_an_error_that_changes_nothing(path: Path, step: int) -> None:
    """But for the last, the syncing: the entry is there, perhaps not for long, and the error says it."""
    Logbook(path).append(ENTRY)
    with pytest.raises(StorageError, match=f"cannot write {path}: No space left on device"):
        Logbook(path, door=FullDoor(step)).append(entry("B"))
    assert ids(path) == (["ABCD0001", "B"] if step == STEPS else ["ABCD0001"])
    assert sorted(os.listdir(path.parent)) == ["logbook.json", "logbook.json.lock"]
    assert Logbook(path).append(entry("C"))


@pytest.mark.parametrize("step", range(1, 4))
def test_a_full_disk_while_repairing_leaves_the_damaged_one(path: Path, step: int) -> None:
    """The copy aside is made first: create, sync the file, sync the directory."""
    path.write_text(f"[{GOOD}")
    with pytest.raises(StorageError, match="No space left on device"):
        Logbook(path, door=FullDoor(step)).repair()
    assert path.read_text() == f"[{GOOD}"


def test_a_disk_that_is_really_full(make_disk: Callable[[str], Path]) -> None:
    """There is room for the lock, but not for a second logbook."""
    place = make_disk("64k")
    path = place / "logbook.json"
    path.write_text(json.dumps([{"transactionID": f"A{number:010}"} for number in range(500)]))
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    (place / "filler").write_bytes(b"x" * (free - 8192))
    before = path.read_bytes()
    with pytest.raises(StorageError, match=f"cannot write {path}: No space left on device"):
        Logbook(path).append(ENTRY)
    assert path.read_bytes() == before
    assert sorted(os.listdir(place)) == ["filler", "logbook.json", "logbook.json.lock"]


def test_the_order_of_an_append(path: Path) -> None:
    """Bytes before the name, the name before the answer."""
    door = RecordingDoor()
    Logbook(path, door=door).append(ENTRY)
    assert [change.verb for change in door.record] == ["create", "sync-file", "rename", "sync-directory"]
    assert door.record[1].data == path.read_bytes()
    assert door.record[-1].path == os.fsencode(path.parent)


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
