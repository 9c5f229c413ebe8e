"""A poll that compares doubtful files, and what may come between: its limit, a kill, a file that fails or is gone.

Each test delivers some files, moves the zone, disturbs the poll that finds that out, and then lets it be quiet: nothing
has come twice. Then a file is rewritten, to be seen to come: what was disturbed must not hide that.
"""

import dataclasses
import itertools
from collections.abc import Callable

import pytest

from ftpretrieve.retrieve import decide
from ftpretrieve.retrieve.records import DAY
from tests.retrieve.doors import Killed, StopDoor
from tests.retrieve.memory_remote import LIST, LIST_ASK, LIST_ASK_LOCAL, MLSD, Style
from tests.retrieve.test_doubts import HOUR, move_zone, until
from tests.retrieve.world import World

MakeWorld = Callable[..., World]
NAMES = (b"a", b"b", b"c")

listed_locally = pytest.mark.parametrize("style", [LIST, LIST_ASK, LIST_ASK_LOCAL], ids=lambda style: style.name)


def moved_world(make_world: MakeWorld, style: Style, count: int = 0, **rules: object) -> World:
    """Return a world that has delivered recent files, and `count` old ones, and whose zone was moved then."""
    world = make_world(style, **rules)
    for name in NAMES:
        world.server.put(name, b"one " + name)
    for number in range(count):
        world.server.put(b"%03d" % number, b"%05d" % number, world.clock.now() - 9 * DAY + number * 61)
    world.poll()
    world.settle()
    assert len(world.taken) == count + len(NAMES)
    until(world, 5)
    move_zone(world, HOUR)
    return world


def check_quiet(world: World, count: int = 0) -> None:
    """Nothing came twice, nothing is left, nothing more is asked; and a rewrite by just the hour comes."""
    world.settle()
    assert len(world.taken) == count + len(NAMES)
    world.server.calls.clear()
    result = world.poll_again()
    assert (result.left, result.failed) == (0, 0)
    assert set(world.server.calls) <= {"list", "ask"}  # of the newest file
    assert result.skipped == result.listed == count + len(NAMES)
    for name in NAMES:
        old = world.server.files[name]
        world.server.files[name] = dataclasses.replace(old, content=b"two " + name, mtime=old.mtime + 6 * HOUR)
    until(world, 40)
    world.settle()
    assert [world.got[name.decode(), b"two " + name] for name in NAMES] == [1, 1, 1]
    assert len(world.taken) == count + 2 * len(NAMES)
    assert world.sessions() == []


@listed_locally
@pytest.mark.parametrize("at", range(1, 4))
@pytest.mark.parametrize("step", ["look", "ask", "retr", "half", "sent"])
def test_the_limit_comes_while_doubtful_files_are_compared(
    style: Style, step: str, at: int, make_world: MakeWorld
) -> None:
    """Whatever has arrived or was begun."""
    world = moved_world(make_world, style)
    calls = itertools.count(1)
    world.server.on[step] = lambda _: world.clock.advance(400) if next(calls) == at else None
    result = world.poll()
    world.server.on.clear()
    if result.error is not None:
        assert result.delivered == 0
    check_quiet(world)


@listed_locally
def test_killed_before_any_change_on_disk(style: Style, make_world: MakeWorld) -> None:
    """Between the new stamp and the end of the download that showed it, too."""
    for changes in range(60):
        world = moved_world(make_world, style)
        world.boot(door := StopDoor())
        door.revive(changes)
        try:
            world.poll()
            done = True
        except Killed:
            done = False
        door.revive()
        world.boot()
        world.settle()
        assert len(world.taken) == len(NAMES)
        world.remove()
        if done:
            return
    raise AssertionError("a poll without end")


@listed_locally
@pytest.mark.parametrize("fault", ["fails", "vanishes"])
def test_a_doubtful_file_that_is_not_to_be_had(style: Style, fault: str, make_world: MakeWorld) -> None:
    """It stays doubtful until its content was seen."""
    world = moved_world(make_world, style)
    entry = world.server.files[b"b"]
    if fault == "fails":
        world.server.failing[b"b"] = "550 no"
        assert world.poll().failed == (style is not LIST_ASK)  # whose UTC time is enough
        world.server.failing.clear()
    else:
        world.server.on["look" if style.can_ask else "retr"] = lambda _: world.server.files.pop(b"b", None) and None
        world.poll()
        world.server.on.clear()
        world.settle()
        world.server.files[b"b"] = entry
    check_quiet(world)


@listed_locally
def test_the_zone_moves_again_before_the_files_were_compared(style: Style, make_world: MakeWorld) -> None:
    """There and back: what was begun for the first move is given up."""
    world = moved_world(make_world, style)
    for name in NAMES:
        world.server.failing[name] = "550 no"
    world.poll()
    move_zone(world, -HOUR)
    world.server.failing.clear()
    check_quiet(world)
    assert "failed" not in world.states()


@listed_locally
def test_the_zone_moves_while_a_recheck_is_pending(style: Style, make_world: MakeWorld) -> None:
    """The rewrite within the minute that it was to find comes all the same."""
    world = make_world(style)
    world.server.put(b"a", b"one")
    world.poll()
    world.server.put(b"a", b"two")
    move_zone(world, HOUR)
    world.settle()
    assert world.got == {("a", b"one"): 1, ("a", b"two"): 1}


@listed_locally
@pytest.mark.parametrize("rewritten", [False, True], ids=["unchanged", "rewritten"])
def test_the_zone_moves_while_a_file_waits_for_its_second_look(
    style: Style, rewritten: bool, make_world: MakeWorld
) -> None:
    """Arrived in a session that ended; in the next one it is listed an hour later, and comes once."""
    world = make_world(style)
    world.server.put(b"a", b"one")
    world.server.on["sent"] = lambda _: world.clock.advance(400)
    world.poll()
    world.server.on.clear()
    if rewritten:
        world.server.put(b"a", b"two")
    move_zone(world, HOUR)
    world.settle()
    assert world.got == {("a", b"two" if rewritten else b"one"): 1}


@listed_locally
def test_a_suspect_listing_between(style: Style, make_world: MakeWorld) -> None:
    """Files that a cut listing hides are neither known nor gone."""
    world = moved_world(make_world, style)
    world.server.listing_stops_after = 1
    world.poll()
    world.server.listing_stops_after = None
    check_quiet(world)


@listed_locally
def test_files_that_lie_there_still_are_not_delivered_beside_themselves(style: Style, make_world: MakeWorld) -> None:
    """`on_conflict = keep`: no second name for the same content, one for other content."""
    world = make_world(style, keep_conflicts=True)
    world.server.put(b"a", b"one")
    world.poll()
    world.poll_again()
    until(world, 5)
    move_zone(world, HOUR)
    world.poll_again()
    world.poll_again()
    assert world.consume() == ["a"]
    assert world.states() == {"delivered": 1}


# --- many -------------------------------------------------------------------------------------------------------------


@listed_locally
def test_the_samples_vanish(style: Style, make_world: MakeWorld) -> None:
    """Nobody speaks for the others then: they wait for the next poll, as `left`, and take other samples."""
    world = moved_world(make_world, style, 150)
    gone: dict[bytes, object] = {}

    def remove(name: bytes) -> None:
        for sample in [name] if name else [b"%03d" % number for number in range(0, 150, 30)]:
            if sample not in NAMES and sample in world.server.files:
                gone[sample] = world.server.files.pop(sample)

    world.server.on["look" if style.can_ask else "retr"] = remove
    assert world.poll().left > 100
    world.server.on.clear()
    world.server.files.update(gone)  # type: ignore[arg-type]
    check_quiet(world, 150)


@pytest.mark.parametrize("style", [LIST, LIST_ASK_LOCAL, MLSD], ids=lambda style: style.name)
def test_more_doubtful_files_than_a_poll_takes_up(
    style: Style, make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are left for the next poll, and said to be."""
    world = moved_world(make_world, style, 180)
    if style is MLSD:
        world.server.style = LIST
    monkeypatch.setattr(decide, "DOUBTFUL_MAX", 130)
    world.server.calls.clear()
    assert world.poll().left == 183 - 130
    assert world.server.calls["retr"] <= 5 + len(NAMES)
    assert world.poll_again().left == 0
    check_quiet(world, 180)
