"""The power fails after any change on disk: nothing is lost, and only the last batch may come twice.

A run is recorded change by change. For every prefix of the record the disks that the cut may leave are made real, one
after the other, and a new process recovers and polls on each. See `disk` for what may be left.
"""

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.retrieve.disk import Change, Disk, RecordingDoor, is_durable, surviving
from tests.retrieve.doors import Killed
from tests.retrieve.memory_remote import LIST, MLSD, Entry, Style
from tests.retrieve.world import World

pytestmark = pytest.mark.crash

POLLS = 3
"""After a power cut: one recovers and fetches, one rechecks, one clears away."""

Act = Callable[[World], None]


class Recording(RecordingDoor):
    """The record of a run, with what the server showed and what the consumer took meanwhile.

    A greedy consumer takes each file the moment it appears: that is what makes a delivery final before it is durable.
    """

    def __init__(self, world: World, *, greedy: bool, changes: int) -> None:
        super().__init__(changes)
        self._world, self._greedy = world, greedy
        self.servers: list[tuple[int, Mapping[bytes, Entry]]] = []

    def rename(self, source: bytes, target: bytes, *, target_fd: int | None = None) -> None:
        super().rename(source, target, target_fd=target_fd)
        if self._greedy and target.startswith(bytes(self._world.sync)):
            self._take(target)

    def _take(self, path: bytes) -> None:
        with open(path, "rb") as file:
            data, inode = file.read(), os.fstat(file.fileno()).st_ino
        os.unlink(path)
        self.record.append(Change("taken", path, inode=inode, data=data))

    def note_server(self) -> None:
        """Remember what the server shows from now on."""
        self.servers.append((len(self.record), dict(self._world.server.files)))

    def consume(self) -> None:
        """Take all that lies in the sync directory."""
        for parent, _, names in os.walk(bytes(self._world.sync)):
            for name in names:
                self._take(os.path.join(parent, name))

    def server_at(self, prefix: int) -> Mapping[bytes, Entry]:
        """Return what the server showed last before this point of the record."""
        return [files for index, files in self.servers if index <= prefix][-1]


def record_run(top: Path, style: Style, acts: tuple[Act, ...], *, greedy: bool, changes: int = 1 << 60) -> Recording:
    """Play the acts, each followed by two polls, and return the record. After so many changes the process is killed
    once, and another goes on."""
    world = World(top, style)
    door = Recording(world, greedy=greedy, changes=changes)
    door.note_server()
    for act in acts:
        act(world)
        door.note_server()
        for _ in range(2):
            try:
                if world.mailbox is None:
                    world.boot(door)
                world.poll_again()
            except Killed:
                world.halt()
                door.revive()
            door.consume()
    world.halt()
    return door


def check_after_cut(top: Path, style: Style, door: Recording, prefix: int, disk: Disk) -> None:
    """Recover on what is left, poll until it is quiet, and hold what came against what the server showed."""
    record = door.record[:prefix]
    shutil.rmtree(top)
    world = World(top, style)
    disk.write(top / "journal.db")
    world.server.files = dict(door.server_at(prefix))
    world.clock.advance(86_400)
    for _ in range(POLLS):
        world.poll_again()
        world.consume()
    before = Counter(change.data for change in record if change.verb == "taken")
    after = Counter(content for _, content, _ in world.taken)
    undone = {
        change.inode for index, change in enumerate(record) if change.verb == "rename" and not is_durable(record, index)
    }
    may_repeat = {change.data for change in record if change.verb == "taken" and change.inode in undone}
    for entry in world.server.files.values():
        came = before[entry.content] + after[entry.content]
        assert came >= 1, f"lost: {entry.content!r}"
        assert came == 1 or entry.content in may_repeat, f"{came} times: {entry.content!r}"
    for content in after:
        assert content in {entry.content for entry in world.server.files.values()} | set(before), "bytes are wrong"
    assert set(world.states()) <= {"delivered"}
    assert world.sessions() == []
    world.halt()


def put(*names: bytes) -> Act:
    def act(world: World) -> None:
        for name in names:
            world.server.put(name, b"%s at %d" % (name, world.clock.now()))

    return act


def cut_session(world: World) -> None:
    """Let the next session end before its second look: the file is kept as arrived."""
    put(b"kept")(world)

    def expire(_: bytes) -> None:
        if world.server.calls["sent"]:
            del world.server.on["look"]
            world.clock.advance(400)

    world.server.calls.clear()
    world.server.on["look"] = expire


RUNS: dict[str, tuple[Style, tuple[Act, ...]]] = {
    "new-and-replaced": (MLSD, (put(b"a", b"b"), put(b"a", b"c"))),
    "nested": (MLSD, (put(b"d/e/f", b"d/g"), put(b"d/h", b"i/j"))),
    "kept": (MLSD, (cut_session, put(b"kept"))),
    "rechecked": (LIST, (put(b"a"), put(b"b"))),
    "one": (MLSD, (put(b"a"),)),
    "one-below": (MLSD, (put(b"d/e"),)),
}
SHORT_RUNS = ("one", "one-below")


def explore(name: str, top: Path, *, greedy: bool, changes: int = 1 << 60, random_ones: int = 2) -> int:
    """Try every cut of a run, or of what came after the kill, and return how many disks that were."""
    style, acts = RUNS[name]
    door = record_run(top, style, acts, greedy=greedy, changes=changes)
    base = [bytes(top), bytes(top / "sync")]
    dice, states = random.Random(11), 0
    for prefix in range(min(changes, len(door.record)) if changes < 1 << 60 else 0, len(door.record) + 1):
        for disk in surviving(door.record[:prefix], base, dice, random_ones):
            try:
                check_after_cut(top, style, door, prefix, disk)
            except AssertionError as error:
                last = [(change.verb, change.path) for change in door.record[max(0, prefix - 4) : prefix]]
                raise AssertionError(
                    f"killed after {changes}, cut after {prefix} changes, the last {last}: {error}"
                ) from error
            states += 1
    return states


@pytest.mark.timeout(120)
@pytest.mark.parametrize("greedy", [False, True], ids=["consumer-between-polls", "greedy-consumer"])
@pytest.mark.parametrize("name", RUNS)
def test_power_fails_after_any_change(name: str, greedy: bool, memory_path: Path) -> None:
    """Never lost; delivered again only within the last batch; and staging is clean."""
    assert explore(name, memory_path / "world", greedy=greedy) > 100


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT_RUNS)
def test_power_fails_after_a_process_was_killed(name: str, memory_path: Path) -> None:
    """What a killed process left without a sync is made durable by the next one, where that matters."""
    style, acts = RUNS[name]
    changes = len(record_run(memory_path / "whole", style, acts, greedy=False).record)
    for kill in range(changes):
        for greedy in (False, True):
            explore(name, memory_path / "world", greedy=greedy, changes=kill, random_ones=0)
            shutil.rmtree(memory_path / "world")
