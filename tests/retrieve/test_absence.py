"""Absence proves nothing but in complete listings, many of them, over a long time."""

from collections.abc import Callable

import pytest

from tests.retrieve.world import World


def poll_without(world: World, polls: int = 12, secs: float = 0.0) -> None:
    for _ in range(polls):
        world.poll_again(secs)


def test_a_file_that_is_gone_is_forgotten_after_days_and_polls(make_world: Callable[..., World]) -> None:
    """Then, and not before, its name is new again."""
    world = make_world()
    world.server.put(b"a", b"one")
    world.server.put(b"b", b"two")
    world.settle()
    gone = world.server.files.pop(b"a")
    poll_without(world, secs=86_400 / 2)
    assert len(world.rows("id")) == 2
    poll_without(world, polls=200, secs=86_400 / 2)
    assert len(world.rows("id")) == 1
    world.server.files[b"a"] = gone
    world.settle()
    assert world.got == {("a", b"one"): 2, ("b", b"two"): 1}


def test_a_clock_that_jumps_purges_nothing_in_that_poll(make_world: Callable[..., World]) -> None:
    """A year ahead by mistake, and back: no row may go for it."""
    world = make_world()
    world.server.put(b"a", b"one")
    world.server.put(b"b", b"two")
    world.settle()
    gone = world.server.files.pop(b"a")
    poll_without(world, secs=60)
    world.clock.wall += 365 * 86_400
    world.poll()
    world.clock.wall -= 365 * 86_400
    world.poll()
    world.server.files[b"a"] = gone
    world.settle()
    assert world.got == {("a", b"one"): 1, ("b", b"two"): 1}


@pytest.mark.parametrize("kind", ["truncated", "empty", "shrunk"])
def test_a_suspect_listing_is_told_and_forgets_nothing(kind: str, make_world: Callable[..., World]) -> None:
    """A listing can be cut and still end in 226."""
    world = make_world()
    for number in range(12):
        world.server.put(b"%02d" % number, b"%d" % number)
    world.settle()
    files = dict(world.server.files)
    if kind == "truncated":
        world.server.listing_stops_after = 3
    else:
        world.server.files = {} if kind == "empty" else dict(list(files.items())[:3])
    world.poll()
    assert [line.split()[:2] for line in world.lines if "SUSPECT" in line] == [["LISTINGSUSPECT", f"reason={kind}"]]
    assert set(world.rows("missing_polls")) == {0}
    world.server.listing_stops_after, world.server.files = None, files
    world.settle()
    assert set(world.got.values()) == {1}
