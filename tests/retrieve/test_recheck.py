"""The one question asked again about versions whose listed stamp cannot tell them from a rewrite in the same minute."""

import dataclasses
import os
from collections.abc import Callable

import pytest

from ftpretrieve.retrieve.records import DAY
from tests.retrieve.memory_remote import LIST, LIST_ASK, LIST_ASK_LOCAL, MLSD, Style
from tests.retrieve.world import World

to_the_minute = pytest.mark.parametrize("style", [LIST, LIST_ASK], ids=lambda style: style.name)


def deliver_and_rewrite(world: World) -> None:
    """Deliver `one`, then rewrite it within its minute: same size, same listed stamp."""
    world.server.put(b"a", b"one")
    world.poll()
    assert world.consume() == ["a"]
    world.server.put(b"a", b"two")


@to_the_minute
def test_rewritten_within_its_minute_is_delivered_within_two_polls(
    style: Style, make_world: Callable[..., World]
) -> None:
    """Without the recheck this rewrite would be lost for ever; with it the asking ends."""
    world = make_world(style)
    deliver_and_rewrite(world)
    world.poll_again()
    world.poll_again()
    assert world.consume() == ["a"]
    world.settle()
    assert world.got == {("a", b"one"): 1, ("a", b"two"): 1}
    world.server.calls.clear()
    world.settle()
    assert set(world.server.calls) <= {"list", "ask"}  # of the newest file


@to_the_minute
def test_what_was_not_rewritten_is_asked_about_once(style: Style, make_world: Callable[..., World]) -> None:
    """In the first poll after its minute is over; then never again."""
    world = make_world(style)
    world.server.put(b"a", b"one")
    world.poll()
    world.settle()
    world.server.calls.clear()
    world.settle()
    assert set(world.server.calls) <= {"list", "ask"}  # of the newest file
    assert world.got == {("a", b"one"): 1}


@to_the_minute
@pytest.mark.parametrize("step", ["retr", "half", "look"])
def test_a_rewrite_whose_download_fails_is_tried_again(
    style: Style, step: str, make_world: Callable[..., World]
) -> None:
    """That the version differs is known; until it is delivered, its listed stamp must not make it known."""
    world = make_world(style)
    deliver_and_rewrite(world)
    seen_before = world.server.calls["retr"]

    def cut(_: bytes) -> None:
        if world.server.calls["retr"] > seen_before:
            world.clock.advance(400)

    world.server.on[step] = cut
    world.poll_again()
    world.poll_again()
    world.server.on.clear()
    world.settle()
    assert world.got == {("a", b"one"): 1, ("a", b"two"): 1}


@to_the_minute
def test_a_rewrite_that_cannot_be_published_stays_wanted(style: Style, make_world: Callable[..., World]) -> None:
    """Staging is lost between its intent and its delivery."""
    world = make_world(style)
    deliver_and_rewrite(world)
    (world.sync / "a").mkdir()
    world.poll_again()
    assert world.states()["staged"] == 1
    for session in world.sessions():
        os.rename(world.staging / session, world.top / "lost")
    (world.sync / "a").rmdir()
    world.settle()
    assert world.got == {("a", b"one"): 1, ("a", b"two"): 1}


@to_the_minute
@pytest.mark.parametrize("step", ["list", "sent"])
def test_gone_during_its_recheck_and_brought_back_is_known(
    style: Style, step: str, make_world: Callable[..., World]
) -> None:
    """A delivered row is never anything else again, whatever the recheck finds."""
    world = make_world(style)
    world.server.put(b"a", b"one")
    world.poll()
    entry = world.server.files[b"a"]
    looked = [0]

    def remove(_: bytes) -> None:
        looked[0] += 1
        world.server.files.pop(b"a", None)

    world.server.on["sent" if step == "sent" else "ask"] = remove
    world.poll_again()
    world.server.on.clear()
    assert world.states() == {"delivered": 1}
    world.server.files[b"a"] = entry
    world.settle()
    assert world.got == {("a", b"one"): 1}


def test_a_recheck_that_never_succeeds_is_given_up_with_a_warning(make_world: Callable[..., World]) -> None:
    """Nothing more can be learnt after five failures."""
    world = make_world(LIST)
    world.server.put(b"a", b"one")
    world.poll()
    world.server.failing[b"a"] = "550 no"
    for _ in range(7):
        world.poll_again()
    assert world.server.calls["retr"] == 1 + 5
    assert [line for line in world.lines if line.startswith("RECHECKFAILED")] == [
        'RECHECKFAILED name=a attempts=5 reason="550 no"'
    ]
    assert world.states() == {"delivered": 1}


def test_an_earlier_version_brought_back_in_its_minute_ends_the_asking(make_world: Callable[..., World]) -> None:
    """MDTM tells that it is the first version again: nothing to deliver, and no reason to go on asking."""
    world = make_world(LIST_ASK)
    world.server.put(b"a", b"one")
    first = world.server.files[b"a"]
    world.poll()
    world.consume()
    world.server.put(b"a", b"two")
    world.clock.advance(10)
    world.poll()
    assert world.consume() == ["a"]
    world.server.files[b"a"] = first
    world.settle()
    world.server.calls.clear()
    world.settle()
    assert set(world.server.calls) <= {"list", "ask"}  # of the newest file
    assert world.got == {("a", b"one"): 1, ("a", b"two"): 1}


def test_a_rewrite_that_does_not_decode_is_rejected_too(make_world: Callable[..., World]) -> None:
    """A version that the recheck finds is a version like any other."""
    world = make_world(LIST, xml_encoding="utf-8", reject_bad_encoding=True)
    world.server.put(b"a.xml", b"one")
    world.poll()
    world.consume()
    world.server.put(b"a.xml", b"\xff\xff\xff")
    world.settle()
    assert world.got == {("a.xml", b"one"): 1}
    assert world.states() == {"delivered": 1, "rejected": 1}


def test_a_stamp_that_is_seen_again_under_another_minute_is_asked_about(make_world: Callable[..., World]) -> None:
    """Rewritten between listing and look, delivered, listed under its minute in the next poll, and rewritten again."""
    world = make_world(LIST_ASK)
    world.server.put(b"a", b"one", world.clock.now() - 3600)
    world.server.failing[b"a"] = "550 no"
    world.poll_again(0)  # so that its listed stamp is at rest in the next poll
    world.server.failing.clear()
    world.clock.advance(600 - (world.clock.now() - 5) % 60)

    def rewrite(_: bytes) -> None:
        del world.server.on["look"]
        world.server.put(b"a", b"two")

    world.server.on["look"] = rewrite
    world.poll()
    assert [content for _, content in world.got] == [b"two"] if world.consume() else False
    world.clock.advance(10)
    world.poll()
    world.server.put(b"a", b"six")
    world.settle()
    assert world.got == {("a", b"two"): 1, ("a", b"six"): 1}


def test_a_rewrite_that_came_by_mlsd_does_not_come_again_by_list(make_world: Callable[..., World]) -> None:
    """The minute that LIST shows stands for both versions: what the recheck finds may have come already."""
    world = make_world(LIST)
    deliver_and_rewrite(world)
    world.server.style = MLSD
    world.poll()
    assert world.consume() == ["a"]
    world.server.style = LIST
    world.settle()
    assert world.got == {("a", b"one"): 1, ("a", b"two"): 1}


@pytest.mark.parametrize("rewritten", [False, True])
def test_a_time_that_moved_with_the_zone_is_compared_by_content(
    rewritten: bool, make_world: Callable[..., World]
) -> None:
    """Some servers tell local times by MDTM too. Of a file listed to the day only MDTM shows that the zone moved."""
    world = make_world(dataclasses.replace(LIST_ASK_LOCAL, precision=DAY))
    world.server.put(b"a", b"one")
    world.poll()
    world.consume()
    world.server.style = dataclasses.replace(world.server.style, offset_secs=0)
    if rewritten:
        world.server.put(b"a", b"two", world.server.files[b"a"].mtime + 1800)
    world.poll_again(30 * 3600)
    world.poll_again(30 * 3600)
    world.consume()
    assert world.got == {("a", b"one"): 1} | ({("a", b"two"): 1} if rewritten else {})


@to_the_minute
def test_rewritten_in_its_minute_after_it_was_compared_for_a_moved_zone(
    style: Style, make_world: Callable[..., World]
) -> None:
    """That its content was equal once does not end the asking while its minute is not over."""
    world = make_world(style)
    world.server.put(b"a", b"one")
    world.poll()
    assert world.consume() == ["a"]
    world.server.style = dataclasses.replace(style, offset_secs=style.offset_secs + 6 * 3600)
    world.poll()
    assert world.consume() == []
    assert world.clock.now() % 60 < 55
    world.server.put(b"a", b"two")
    world.settle()
    assert world.got == {("a", b"one"): 1, ("a", b"two"): 1}
