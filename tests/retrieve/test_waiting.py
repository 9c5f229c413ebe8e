"""When downloads get their second look: together, late enough, and not too often."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from ftpretrieve.retrieve.records import Arrived, Kind, RemoteFile, Wanted
from ftpretrieve.retrieve.waiting import LEAST_PAUSE_SECS, LOOK_SHARE, Waiting

SETTLE_SECS = 5.0


@dataclass
class Looker:
    """A remote whose looks take a given time and are counted, and its digests another; names in `gone` are gone, those
    in `untold` not told."""

    now: float = 100.0
    secs: float = 0.0
    digest_secs: float = 0.0
    busy: bool = False
    gone: set[bytes] = field(default_factory=set)
    untold: set[bytes] = field(default_factory=set)
    asked: list[list[bytes]] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def look(self, files: Sequence[RemoteFile]) -> Mapping[bytes, RemoteFile | None] | None:
        if self.busy:
            return None
        self.asked.append([file.name for file in files])
        self.now += self.secs
        return {file.name: None if file.name in self.gone else file for file in files if file.name not in self.untold}

    def digests(self, files: Sequence[RemoteFile]) -> Mapping[bytes, tuple[str, str]]:
        self.now += self.digest_secs
        return {}


def arrived(name: bytes, first_at: float) -> Arrived:
    file = RemoteFile(name, Kind.FILE, 1, 1)
    return Arrived(Wanted(1, file, file, first_at), b"/staging/1", 1, 1, "digest")


@pytest.fixture
def remote() -> Looker:
    return Looker()


@pytest.fixture
def waiting(remote: Looker) -> Waiting:
    return Waiting(SETTLE_SECS, remote.monotonic)


def settled(waiting: Waiting, remote: Looker) -> list[bytes]:
    return [item.wanted.file.name for item, _ in waiting.settled(remote)]  # type: ignore[arg-type]  # only looks


def test_no_look_before_settle_secs_are_over(waiting: Waiting, remote: Looker) -> None:
    """Counted from the end of the first look."""
    waiting.add(arrived(b"a", remote.now))
    assert waiting.next_due() == remote.now + SETTLE_SECS
    remote.now += SETTLE_SECS - 0.01
    assert settled(waiting, remote) == []
    assert remote.asked == []
    remote.now += 0.01
    assert settled(waiting, remote) == [b"a"]
    assert waiting.items == []


def test_one_look_takes_all_that_may_be_looked_at(waiting: Waiting, remote: Looker) -> None:
    """Looks grow with time and not with the number of files."""
    for number in range(1000):
        waiting.add(arrived(b"%d" % number, remote.now))
    waiting.add(arrived(b"late", remote.now + 3))
    remote.now += SETTLE_SECS
    assert len(settled(waiting, remote)) == 1000
    assert len(remote.asked) == 1
    assert [item.wanted.file.name for item in waiting.items] == [b"late"]


def test_digests_do_not_put_off_the_next_look(remote: Looker) -> None:
    """A server that takes minutes for them, or falls silent over one, is not left alone for twenty times as long."""
    waiting = Waiting(SETTLE_SECS, remote.monotonic, verify=True)
    remote.digest_secs = 60.0
    waiting.add(arrived(b"a", remote.now))
    remote.now += SETTLE_SECS
    assert settled(waiting, remote) == [b"a"]
    waiting.add(arrived(b"b", remote.now))
    assert waiting.next_due() == remote.now + SETTLE_SECS


def test_looks_keep_their_distance(waiting: Waiting, remote: Looker) -> None:
    """Not before settle_secs after the last one, nor before twenty times what it took."""
    remote.secs = 2.0
    for number in range(50):
        waiting.add(arrived(b"%d" % number, remote.now + number))
    looks = []
    while waiting.items:
        remote.now += 0.2
        if settled(waiting, remote):
            looks.append(remote.now)
    pauses = [later - earlier - remote.secs for earlier, later in itertools.pairwise(looks)]
    assert pauses
    assert min(pauses) >= LOOK_SHARE * remote.secs


def test_looks_keep_a_distance_without_settling_too(remote: Looker) -> None:
    """A look for every single file would double the round trips."""
    waiting = Waiting(0.0, remote.monotonic)
    waiting.add(arrived(b"a", remote.now))
    assert settled(waiting, remote) == [b"a"]
    waiting.add(arrived(b"b", remote.now))
    assert settled(waiting, remote) == []
    remote.now += LEAST_PAUSE_SECS
    assert settled(waiting, remote) == [b"b"]


def test_nothing_is_lost_while_no_connection_is_free(waiting: Waiting, remote: Looker) -> None:
    """`not now` is asked again at the next tick."""
    waiting.add(arrived(b"a", remote.now))
    remote.now += SETTLE_SECS
    remote.busy = True
    assert settled(waiting, remote) == []
    remote.busy = False
    assert settled(waiting, remote) == [b"a"]


def test_what_a_look_could_not_tell_waits_for_the_next(waiting: Waiting, remote: Looker) -> None:
    """A cut listing proves nothing about what it does not show."""
    waiting.add(arrived(b"a", remote.now))
    waiting.add(arrived(b"b", remote.now))
    remote.now += SETTLE_SECS
    remote.untold = {b"b"}
    assert settled(waiting, remote) == [b"a"]
    remote.untold = set()
    assert settled(waiting, remote) == []
    remote.now = waiting.next_due()
    assert settled(waiting, remote) == [b"b"]


def test_gone_is_told(waiting: Waiting, remote: Looker) -> None:
    waiting.add(arrived(b"a", remote.now))
    remote.gone = {b"a"}
    remote.now += SETTLE_SECS
    ((_, second),) = waiting.settled(remote)  # type: ignore[arg-type]  # only looks
    assert second is None


def test_what_still_waits_can_be_taken(waiting: Waiting, remote: Looker) -> None:
    """At the end of a session, to be kept for the next one."""
    waiting.add(arrived(b"a", remote.now))
    assert [item.wanted.file.name for item in waiting.take_all()] == [b"a"]
    assert waiting.items == []
