"""Files that a moved clock may stand behind: what is unchanged never comes again, and what was changed always comes.

Each test is a sequence of polls on a server in memory. Its files are of equal size, their times apart by quarters of an
hour, so that only their content tells a rewrite from a zone that moved.
"""

import dataclasses
from collections.abc import Callable

import pytest

from ftpretrieve.retrieve.records import DAY
from tests.retrieve.memory_remote import LIST, LIST_ASK, LIST_ASK_LOCAL, MLSD, Entry, Style
from tests.retrieve.world import BEGAN, World

HOUR = 3600
STYLES = (MLSD, LIST, LIST_ASK, LIST_ASK_LOCAL)
LISTED_LOCALLY = (LIST, LIST_ASK, LIST_ASK_LOCAL)

MakeWorld = Callable[..., World]

every_style = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
listed_locally = pytest.mark.parametrize("style", LISTED_LOCALLY, ids=lambda style: style.name)


def move_zone(world: World, secs: int) -> None:
    """Let the server's local time be ahead by so much more than before."""
    style = world.server.style
    world.server.style = dataclasses.replace(style, offset_secs=style.offset_secs + secs)


def came(world: World) -> list[bytes]:
    """Return what has come since the last call, in order of names."""
    before = len(world.taken)
    world.consume()
    return [content for _, content, _ in sorted(world.taken[before:])]


def until(world: World, hours: float) -> None:
    """Let time pass until so many hours after the beginning."""
    world.clock.advance(BEGAN + hours * HOUR - world.clock.now())


def deliver(world: World, content: bytes, hours: float) -> None:
    """Write a file at that hour, see it delivered, and asked about once more, within ten minutes."""
    until(world, hours)
    world.server.put(b"a", content)
    world.poll()
    until(world, hours + 0.1)
    world.poll()
    assert came(world) == [content]


# --- an hourly job ----------------------------------------------------------------------------------------------------


@every_style
def test_an_hourly_file_that_is_again_as_it_was_two_hours_ago_comes(style: Style, make_world: MakeWorld) -> None:
    """`up`, `dn`, `up`: equal to an earlier version, but not to the one that the consumer has."""
    world = make_world(style)
    for hour, content in enumerate((b"up", b"dn", b"up", b"dn")):
        deliver(world, content, hour)


@every_style
def test_an_hourly_file_with_the_same_content_is_skipped(style: Style, make_world: MakeWorld) -> None:
    """There is nothing new for the consumer, and the question is not asked again at every poll."""
    world = make_world(style)
    deliver(world, b"up", 0)
    until(world, 1)
    world.server.put(b"a", b"up")
    world.settle()
    assert world.got == {("a", b"up"): 1}
    world.server.calls.clear()
    world.settle()
    assert set(world.server.calls) <= {"list", "ask"}  # of the newest file


@listed_locally
def test_rewritten_in_its_minute_to_what_it_was_hours_ago_comes(style: Style, make_world: MakeWorld) -> None:
    """The recheck must not take the content of another hour for that of this version."""
    world = make_world(style)
    for hour, content in enumerate((b"up", b"dn")):
        deliver(world, content, hour)
    until(world, 2)
    world.server.put(b"a", b"no")
    world.poll()
    assert came(world) == [b"no"]
    entry = world.server.files[b"a"]
    world.server.files[b"a"] = Entry(b"up", entry.mtime + 1)
    world.settle()
    assert world.got == {("a", b"up"): 2, ("a", b"dn"): 1, ("a", b"no"): 1}


# --- clocks that are put back -----------------------------------------------------------------------------------------


@listed_locally
@pytest.mark.parametrize("hours", [1, 3])
def test_the_clock_is_put_back_under_an_hourly_file(style: Style, hours: int, make_world: MakeWorld) -> None:
    """The last version is then listed as an earlier one was; the next as the last one was. Each comes once."""
    world = make_world(style)
    made = [b"%02d" % number for number in range(10)]
    for hour, content in enumerate(made[:5]):
        deliver(world, content, hour)
    move_zone(world, -hours * HOUR)
    until(world, 4.5)
    world.poll()
    world.poll_again()
    assert came(world) == []
    for hour, content in enumerate(made[5:], 5):
        deliver(world, content, hour)
    world.settle()
    assert world.got == {("a", content): 1 for content in made}
    world.server.calls.clear()
    world.settle()
    assert set(world.server.calls) <= {"list", "ask"}  # of the newest file


@every_style
def test_an_earlier_version_that_is_brought_back_is_known(style: Style, make_world: MakeWorld) -> None:
    """A, B, A delivers A once, also when the two are an hour apart; that is found out once, and not at every poll."""
    world = make_world(style)
    deliver(world, b"A", 0)
    first = world.server.files[b"a"]
    deliver(world, b"B", 1)
    second = world.server.files[b"a"]
    for entry in (first, second, first):
        world.server.files[b"a"] = entry
        world.settle()
        world.server.calls.clear()
        world.settle()
        assert set(world.server.calls) <= {"list", "ask"}  # of the newest file
    assert world.got == {("a", b"A"): 1, ("a", b"B"): 1}
    move_zone(world, 6 * HOUR)
    world.settle()
    assert world.got == {("a", b"A"): 1, ("a", b"B"): 1}


@listed_locally
def test_brought_back_an_hour_before_and_not_to_be_had_waits_as_long_as_others(
    style: Style, make_world: MakeWorld
) -> None:
    """What content must decide is a download like any other: after some failures it backs off."""
    world = make_world(style)
    deliver(world, b"A", 0)
    first = world.server.files[b"a"]
    deliver(world, b"B", 1)
    world.server.files[b"a"] = first
    world.server.failing[b"a"] = "550 no"
    for _ in range(12):
        world.poll_again(30)
    assert 3 < int(str(world.rows("attempts")[-1])) < 10
    world.server.failing.clear()
    world.settle()
    assert world.got == {("a", b"A"): 1, ("a", b"B"): 1}
    assert world.states() == {"delivered": 2}


def test_sixteen_versions_stay_though_two_of_them_take_turns(make_world: MakeWorld) -> None:
    """Which one the server had last is noted by its number; that must not push out the others."""
    world = make_world(MLSD)
    made = [Entry(b"%02d" % number, BEGAN + number * 1000) for number in range(10)]
    for entry in made:
        world.server.files[b"a"] = entry
        world.poll_again()
    for entry in made[:2] * 10:
        world.server.files[b"a"] = entry
        world.poll_again()
    world.server.put(b"a", b"new")
    world.poll_again()
    for entry in made:
        world.server.files[b"a"] = entry
        world.settle(1)
    world.consume()
    assert len(world.rows("id")) == 11
    assert max(world.got.values()) == 1


# --- many by one same shift -------------------------------------------------------------------------------------------


def test_what_no_poll_came_to_is_not_believed_for_the_sake_of_others(make_world: MakeWorld) -> None:
    """Rewritten while nobody polled, most of them with the same content; the poll that lists them is cut short. To the
    next one they are older than that listing, and yet unknown."""
    world = make_world(LIST_ASK_LOCAL)
    names = [b"%03d" % number for number in range(150)]
    for name in names:
        world.server.put(name, b"same")
    world.poll()
    until(world, 1)
    world.poll()
    until(world, 24)
    for name in names:
        world.server.put(name, b"news" if name == b"007" else b"same")
    until(world, 96)
    world.server.on["look"] = lambda _: world.clock.advance(400)
    world.poll()
    world.server.on.clear()
    world.settle()
    assert world.got["007", b"news"] == 1
    assert len(world.taken) == 151


# --- stamps that get better -------------------------------------------------------------------------------------------


@listed_locally
def test_a_day_that_becomes_a_minute_tells_later_versions_apart(style: Style, make_world: MakeWorld) -> None:
    """Old files, listed to the day; the server begins to print the time of day, and one of another hour appears."""
    world = make_world(dataclasses.replace(style, precision=DAY))
    mtime = world.clock.now() // DAY * DAY - 100 * DAY
    world.server.put(b"a", b"one", mtime + 5 * HOUR)
    world.settle()
    world.server.style = style
    world.server.calls.clear()
    world.settle()
    assert set(world.server.calls) <= {"list", "ask"}  # of the newest file
    world.server.put(b"a", b"two", mtime + 8 * HOUR + 420)
    world.settle()
    assert world.got == {("a", b"one"): 1, ("a", b"two"): 1}


@pytest.mark.parametrize("style", [MLSD, LIST], ids=lambda style: style.name)
@pytest.mark.parametrize("rewritten", [False, True], ids=["unchanged", "rewritten"])
def test_times_that_were_not_told_before_tell_versions_apart(
    style: Style, rewritten: bool, make_world: MakeWorld
) -> None:
    """Name and size decide only as long as there is no time. What changed when it came is found by its content."""
    silent = dataclasses.replace(style, can_ask=False)
    world = make_world(silent)
    world.server.put(b"a", b"one", shows_stamp=False)
    world.settle()
    world.server.put(b"a", b"two" if rewritten else b"one")
    world.settle()
    assert world.got == {("a", b"one"): 1, **({("a", b"two"): 1} if rewritten else {})}
    world.server.put(b"a", b"six")
    world.settle()
    assert world.got["a", b"six"] == 1
    world.server.calls.clear()
    world.settle()
    assert set(world.server.calls) <= {"list", "ask"}  # of the newest file


# --- what is not delivered --------------------------------------------------------------------------------------------


def refusing(make_world: MakeWorld, style: Style) -> World:
    """Return a world that has rejected a file."""
    world = make_world(style, xml_encoding="utf-8", reject_bad_encoding=True)
    world.server.put(b"a.xml", b"\xff\xff\xff")
    world.poll()
    assert world.states() == {"rejected": 1}
    return world


@listed_locally
def test_a_rejected_file_that_is_mended_in_its_minute_comes(style: Style, make_world: MakeWorld) -> None:
    """It is a version like any other: a rewrite that its stamp cannot show is asked about."""
    world = refusing(make_world, style)
    world.server.put(b"a.xml", b"one")
    world.settle()
    assert world.got == {("a.xml", b"one"): 1}


@listed_locally
def test_a_rejected_file_is_not_rejected_again_when_the_zone_moves(style: Style, make_world: MakeWorld) -> None:
    """Its content is known."""
    world = refusing(make_world, style)
    world.settle()
    move_zone(world, HOUR)
    world.settle()
    assert sum(line.startswith("BADENCODING") for line in world.lines) == 1
    assert not any(line.startswith("MAYBETWICE") for line in world.lines)


def test_a_failed_version_is_forgotten_when_the_one_before_is_back(make_world: MakeWorld) -> None:
    """Else it would be counted as failed for ever."""
    world = make_world(MLSD)
    deliver(world, b"one", 0)
    first = world.server.files[b"a"]
    until(world, 1)
    world.server.put(b"a", b"two")
    world.server.failing[b"a"] = "550 no"
    world.poll()
    assert world.states() == {"delivered": 1, "failed": 1}
    world.server.failing.clear()
    world.server.files[b"a"] = first
    world.settle()
    assert world.states() == {"delivered": 1, "vanished": 1}
    world.server.put(b"a", b"six")
    world.settle()
    assert world.got == {("a", b"one"): 1, ("a", b"six"): 1}
    assert world.states() == {"delivered": 2}


# --- what has to wait -------------------------------------------------------------------------------------------------


@every_style
@pytest.mark.parametrize("rules", [{"settle_polls": True}, {"min_age_secs": 300.0}], ids=["settle-polls", "min-age"])
def test_an_hourly_file_waits_as_any_other(style: Style, rules: dict[str, float], make_world: MakeWorld) -> None:
    """That a moved clock may be behind it is no reason to fetch it while it may be growing."""
    world = make_world(style, **rules)
    world.server.put(b"a", b"one")
    world.poll()
    world.settle()
    until(world, 3)
    world.server.put(b"a", b"two")
    world.server.calls.clear()
    assert world.poll().left == 1
    assert world.server.calls["retr"] == 0
    world.settle()
    assert world.got == {("a", b"one"): 1, ("a", b"two"): 1}
    until(world, 8)
    move_zone(world, HOUR)
    world.settle()
    assert len(world.taken) == 2
    assert world.states() == {"delivered": 2}


# --- rewritten by just as much as the clock moved ---------------------------------------------------------------------


@listed_locally
def test_the_clock_is_put_back_and_the_file_rewritten_before_anybody_looks(style: Style, make_world: MakeWorld) -> None:
    """It is then listed as the version before was. That an old file moved tells that the clock did."""
    world = make_world(style)
    world.server.put(b"old", b"old", world.clock.now() - 5 * DAY)
    world.poll()
    assert came(world) == [b"old"]
    made = [b"%02d" % number for number in range(8)]
    for hour, content in enumerate(made[:5]):
        deliver(world, content, hour)
    move_zone(world, -HOUR)
    deliver(world, made[5], 5)
    for hour, content in enumerate(made[6:], 6):
        deliver(world, content, hour)
    world.settle()
    assert world.got == {("old", b"old"): 1, **{("a", content): 1 for content in made}}
    world.server.calls.clear()
    world.settle()
    assert set(world.server.calls) <= {"list", "ask"}  # of the newest file


@listed_locally
def test_an_hourly_file_with_the_same_content_casts_no_doubt_on_others(style: Style, make_world: MakeWorld) -> None:
    """Only a file that is older than any rewrite tells of the clock."""
    world = make_world(style)
    world.server.put(b"b", b"two")
    for hour in (0, 0.2, 1, 2, 3):
        until(world, hour)
        world.server.put(b"a", b"one")
        world.poll()
    fetched: list[bytes] = []
    world.server.on["retr"] = fetched.append
    for hour in (4, 5, 6):
        until(world, hour)
        world.server.put(b"a", b"one")
        world.poll()
        world.poll_again()
    assert b"a" in fetched
    assert b"b" not in fetched
    assert world.consume() == ["a", "b"]


def test_a_rewrite_that_is_listed_as_an_earlier_version_with_the_same_content_comes(make_world: MakeWorld) -> None:
    """`dn` again, under the time of an earlier `dn` as the clock was put back; MDTM tells that it is a new one."""
    world = make_world(LIST_ASK)
    for hour, content in enumerate((b"up", b"dn", b"up", b"dn", b"up")):
        deliver(world, content, hour)
    move_zone(world, -2 * HOUR)
    deliver(world, b"dn", 5)


def test_the_clock_is_put_back_under_hourly_files_alone(make_world: MakeWorld) -> None:
    """No old file tells of it, and all are listed as the versions before. MDTM of the newest does, and all come."""
    world = make_world(LIST_ASK)
    names = [b"a", b"b", b"c"]
    for hour in range(3):
        until(world, hour)
        for name in names:
            world.server.put(name, b"%s%d" % (name, hour))
        world.poll()
        until(world, hour + 0.1)
        world.poll()
        world.consume()
    move_zone(world, -HOUR)
    until(world, 3)
    for name in names:
        world.server.put(name, b"%s3" % name)
    world.settle()
    world.consume()
    assert world.got == {(name.decode(), b"%s%d" % (name, hour)): 1 for name in names for hour in range(4)}


def test_an_mdtm_that_moves_by_itself_delivers_nothing_and_is_asked_about_once(make_world: MakeWorld) -> None:
    """The content is compared, and the journal then holds what MDTM tells now."""
    world = make_world(LIST_ASK)
    deliver(world, b"A", 0)
    until(world, 5)
    style = world.server.style
    world.server.style = dataclasses.replace(style, tells_local=True, offset_secs=style.offset_secs)
    world.poll_again()
    assert came(world) == []
    world.settle()
    world.server.calls.clear()
    world.settle()
    assert came(world) == []
    assert set(world.server.calls) <= {"list", "ask"}
