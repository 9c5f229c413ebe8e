"""Killed, read, cut off or without room at any moment: the logbook is whole, and what was confirmed is in it."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from ftpretrieve.errors import StorageError
from ftpretrieve.send.logbook import Logbook
from tests.retrieve.disk import RecordingDoor, surviving
from tests.retrieve.doors import Killed, StopDoor
from tests.send.disk_full import FullDoor
from tests.send.entries import ENTRY, entry, ids

CHECKOUT = Path(__file__).parent.parent.parent
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


def appender(path: Path, prefix: str, number: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", APPEND, str(path), prefix, str(number)]
    return subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logbook.json"


def test_appends_of_several_processes_are_all_there(path: Path) -> None:
    """None overwrites what another has just added."""
    children = [appender(path, f"{prefix}x", 15) for prefix in "ABCD"]
    told = [known for child in children for known in child.communicate()[0].split()]
    assert [child.returncode for child in children] == [0, 0, 0, 0]
    assert sorted(ids(path)) == sorted(told)
    assert len(told) == 60


def test_a_reader_sees_a_whole_logbook_at_any_moment(path: Path) -> None:
    """`-l` works while something is sent, and no entry disappears again."""
    seen: list[int] = []
    with appender(path, "A", 1_000_000) as child:
        while len(set(seen)) < 40:
            seen.append(len(ids(path)))
        child.kill()
    assert seen == sorted(seen)


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
