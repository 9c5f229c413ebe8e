"""Anything may happen to the files, the session and the process, in any order: each version comes exactly once.

The model is the list of versions that were ever on the server, each under the stamp that two looks at it show. What a
listing cannot tell apart (equal size, stamps within one precision, long after each other) is not made, except for the
rewrite within the running minute that the recheck is there for.
"""

import itertools
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ftpretrieve.retrieve.records import Clock
from tests.retrieve.doors import Killed, StopDoor
from tests.retrieve.memory_remote import LIST, LIST_ASK, MLSD, Entry, Style
from tests.retrieve.world import World

NAMES = (b"a", b"b", b"d/c")
QUIET_POLLS = 5

Version = tuple[str, bytes, int]
"""(name, content, stamp as two looks show it): what a listing or a look can tell apart."""


class GreedyDoor(StopDoor):
    """The consumer takes each file the moment it appears, so that none is replaced before it was taken."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def rename(self, source: bytes, target: bytes, *, target_fd: int | None = None) -> None:
        super().rename(source, target, target_fd=target_fd)
        self._world.consume()


class Machine(RuleBasedStateMachine):
    """One server, one mailbox, one consumer. `style` is set by the classes below."""

    style: Style
    quiet_secs = 7 * 3600

    def __init__(self) -> None:
        super().__init__()
        shm = Path("/dev/shm")
        self.top = Path(tempfile.mkdtemp(prefix="ftpretrieve-", dir=shm if shm.is_dir() else None))
        self.world = World(self.top / "world", self.style)
        self.numbers = itertools.count(1)
        self.versions: list[tuple[bytes, Entry]] = []
        self.door = GreedyDoor(self.world)

    @initialize()
    def begin(self) -> None:
        self.world.boot(self.door)

    def teardown(self) -> None:
        self.quiet()
        self.world.halt()
        shutil.rmtree(self.top)

    # -- the model --------------------------------------------------------------------------------------------------

    def _version(self, name: bytes, entry: Entry) -> Version:
        stamp = int(entry.mtime) if self.style.can_ask else self.style.stamp(entry.mtime)
        return name.decode(), entry.content, stamp

    def _is_distinct(self, name: bytes, entry: Entry) -> bool:
        """Say whether every other version of the name differs in size or by more than the precision of the stamp."""
        return all(
            len(entry.content) != len(other.content)
            or abs(entry.mtime - other.mtime) >= 2 * self.style.precision
            or entry == other
            for its_name, other in self.versions
            if its_name == name
        )

    def _store(self, name: bytes, entry: Entry) -> None:
        if (name, entry) not in self.versions:
            self.versions.append((name, entry))
        self.world.server.files[name] = entry

    def _content(self, size: int) -> bytes:
        return b"%06d" % next(self.numbers) + b"." * size

    # -- what happens to the files ----------------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES), size=st.integers(0, 3), age_secs=st.sampled_from([0, 0, 0, 4_000, 400_000]))
    def write(self, name: bytes, size: int, age_secs: int) -> None:
        """Add or replace a file, now or with a preserved older time."""
        entry = Entry(self._content(size), self.world.clock.now() - age_secs)
        if self._is_distinct(name, entry):
            self._store(name, entry)

    @rule(name=st.sampled_from(NAMES))
    def touch(self, name: bytes) -> None:
        """Give a file a new time and leave its content."""
        old = self.world.server.files.get(name)
        if old is not None:
            entry = Entry(old.content, self.world.clock.now())
            if self._is_distinct(name, entry):
                self._store(name, entry)

    @precondition(lambda self: self.style.clock is Clock.LOCAL)
    @rule(name=st.sampled_from(NAMES))
    def rewrite_within_the_minute(self, name: bytes) -> None:
        """Deliver a file in its minute, and rewrite it in that minute: same size, same listed stamp."""
        clock = self.world.clock
        clock.advance(60 - clock.now() % 60 + 5)
        first = Entry(self._content(2), clock.now())
        if not self._is_distinct(name, first):
            return
        self._store(name, first)
        self.poll(None)
        if clock.now() % 60 < 55 and clock.now() - first.mtime < 50:
            self._store(name, Entry(self._content(2), clock.now()))

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: bytes) -> None:
        self.world.server.files.pop(name, None)

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def bring_back(self, data: st.DataObject) -> None:
        """Restore an earlier version with its time, or leave it where others share its stamp and size."""
        name, entry = data.draw(st.sampled_from(self.versions))
        if self._is_distinct(name, entry):
            self._store(name, entry)

    # -- what happens to the mailbox --------------------------------------------------------------------------------

    @rule(kill=st.none() | st.integers(0, 40))
    def poll(self, kill: int | None) -> None:
        """Poll; perhaps the process is killed before some change on disk, and another one is started."""
        self.door.revive(1 << 60 if kill is None else kill)
        try:
            self.world.poll()
        except Killed:
            self.door.revive()
            self.world.boot(self.door)
        self.door.revive()
        self._check_never_twice()

    @rule(step=st.sampled_from(["list", "look", "ask", "retr", "half", "sent"]), at=st.integers(1, 5))
    def poll_until_the_limit(self, step: str, at: int) -> None:
        """The session ends by its limit at some step."""
        server, clock, calls = self.world.server, self.world.clock, itertools.count(1)
        server.on[step] = lambda _: clock.advance(400) if next(calls) == at else None
        self.world.poll()
        server.on.clear()

    @rule(step=st.sampled_from(["look", "retr", "half", "sent"]), at=st.integers(1, 4), size=st.integers(0, 3))
    def poll_while_a_file_changes(self, step: str, at: int, size: int) -> None:
        """Another file, or the same one, is written in the middle of a poll."""
        server, calls = self.world.server, itertools.count(1)

        def change(name: bytes) -> None:
            if next(calls) == at:
                self.write(name or NAMES[0], size, 0)

        server.on[step] = change
        self.world.poll()
        server.on.clear()

    @rule(stops_after=st.integers(0, 2))
    def poll_a_truncated_listing(self, stops_after: int) -> None:
        self.world.server.listing_stops_after = stops_after
        self.world.poll()
        self.world.server.listing_stops_after = None

    @rule()
    def poll_a_listing_that_repeats_itself(self) -> None:
        self.world.server.listed_twice = True
        self.world.poll()
        self.world.server.listed_twice = False

    @rule(secs=st.sampled_from([1, 20, 61, 600, 90_000]))
    def let_time_pass(self, secs: int) -> None:
        self.world.clock.advance(secs)

    # -- what must be -----------------------------------------------------------------------------------------------

    def _came(self) -> Counter[Version]:
        return Counter(self.world.taken)

    def _check_never_twice(self) -> None:
        came = self._came()
        assert [version for version, times in came.items() if times > 1] == []
        known = {self._version(name, entry)[:2] for name, entry in self.versions}
        assert {version[:2] for version in came} <= known, "bytes that never were one version"

    @rule()
    def quiet(self) -> None:
        """Let nothing happen for some polls: then what lies on the server has come, and all is clean."""
        for _ in range(QUIET_POLLS):
            self.world.clock.advance(self.quiet_secs)
            self.world.poll()
        self._check_never_twice()
        came = {version[:2] for version in self._came()}
        for name, entry in self.world.server.files.items():
            assert (name.decode(), entry.content) in came, f"lost: {name!r} {entry}"
        assert self.world.sessions() == []


@pytest.mark.slow
@pytest.mark.parametrize("style", [MLSD, LIST_ASK, LIST], ids=lambda style: style.name)
def test_each_version_comes_exactly_once(style: Style) -> None:
    """See the module's docstring. The same examples in every run; without `derandomize` it goes on searching."""
    machine = type("Machine", (Machine,), {"style": style}).TestCase
    machine.settings = settings(
        max_examples=500,
        stateful_step_count=30,
        suppress_health_check=list(HealthCheck),
        deadline=None,
        derandomize=True,
    )
    machine().runTest()
