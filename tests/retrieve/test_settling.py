"""Two looks must enclose a download and agree; whatever ends a session between them, nothing is lost or doubled."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from ftpretrieve.errors import SessionExpired
from ftpretrieve.retrieve.records import Arrived, Failed, Tick, Wanted
from ftpretrieve.retrieve.staging import Session
from tests.retrieve.memory_remote import LIST, LIST_ASK, STYLES, MemoryRemote, Style
from tests.retrieve.world import World

every_style = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)


@every_style
def test_limit_before_the_second_look_needs_no_second_download(style: Style, make_world: Callable[..., World]) -> None:
    """What has arrived is kept; a later listing that shows the same is as good as the look that did not come."""
    world = make_world(style)
    world.server.put(b"a", b"one", world.clock.now() - 3 * 86_400)
    world.server.on["look"] = lambda _: world.server.calls["sent"] and world.clock.advance(400)
    assert isinstance(world.poll().error, SessionExpired)
    assert world.states() == {"arrived": 1}
    del world.server.on["look"]
    assert world.poll_again().delivered == 1
    assert world.server.calls["retr"] == 1
    world.settle()
    assert world.got == {("a", b"one"): 1}


@every_style
def test_files_come_where_a_session_is_shorter_than_the_wait(style: Style, make_world: Callable[..., World]) -> None:
    """The time between the sessions counts: a wait that began anew in each would never end."""
    world = make_world(style, settle_secs=600)
    world.server.put(b"a", b"one", world.clock.now() - 3 * 86_400)
    assert isinstance(world.poll(limit_secs=300).error, SessionExpired)
    assert world.states() == {"arrived": 1}
    assert isinstance(world.poll(limit_secs=300).error, SessionExpired)  # at once: some of the 600 s are left
    world.clock.advance(100)
    assert world.poll(limit_secs=300).delivered == 1
    assert world.server.calls["retr"] == 1


@every_style
def test_kept_file_that_was_rewritten_is_fetched_anew(style: Style, make_world: Callable[..., World]) -> None:
    """The version that arrived never had its second look: only the new one is delivered."""
    world = make_world(style)
    world.server.put(b"a", b"one")
    world.server.on["look"] = lambda _: world.server.calls["sent"] and world.clock.advance(400)
    world.poll()
    del world.server.on["look"]
    world.server.put(b"a", b"two")
    world.settle()
    assert world.got == {("a", b"two"): 1}


@pytest.mark.parametrize("style", [LIST, LIST_ASK], ids=lambda style: style.name)
def test_kept_file_that_was_rewritten_in_its_minute_is_delivered_too(
    style: Style, make_world: Callable[..., World]
) -> None:
    """How long the session lasted says nothing about when RETR was sent: the recheck stays due."""
    world = make_world(style)
    world.server.put(b"a", b"one")

    def rewrite(_: bytes) -> None:
        del world.server.on["sent"]
        world.server.put(b"a", b"two")
        world.clock.advance(400)

    world.server.on["sent"] = rewrite
    world.poll()
    world.server.on["look"] = lambda _: None
    world.settle(polls=5)
    assert world.got["a", b"two"] == 1


@pytest.mark.parametrize("style", [LIST, LIST_ASK], ids=lambda style: style.name)
def test_rewritten_in_its_minute_before_a_look_that_did_not_come(
    style: Style, make_world: Callable[..., World]
) -> None:
    """The session lasts longer than the minute, and the file changed in it after its download."""
    world = make_world(style)
    world.server.put(b"a", b"one")

    def rewrite(_: bytes) -> None:
        if world.server.calls["sent"]:
            del world.server.on["look"]
            world.server.put(b"a", b"two")
            world.clock.advance(400)

    world.server.on["look"] = rewrite
    assert isinstance(world.poll().error, SessionExpired)
    world.settle(polls=5)
    assert world.got["a", b"two"] == 1


@every_style
def test_a_file_that_grows_is_not_delivered_before_it_stands_still(
    style: Style, make_world: Callable[..., World]
) -> None:
    """Two looks that enclose the download must agree; polls that find it changing are counted, told once at ten."""
    world = make_world(style)
    world.server.put(b"a", b"x")
    for step in ("half", "sent", "look"):
        world.server.on[step] = lambda _: world.server.put(b"a", world.server.files[b"a"].content + b"x")
    for _ in range(11):
        assert world.poll_again().changing == 1
    world.server.on.clear()
    assert world.taken == []
    assert [line for line in world.lines if "still-changing" in line] == [
        "FILEFAILED name=a attempts=10 reason=still-changing"
    ]
    world.settle()
    assert world.got == {("a", world.server.files[b"a"].content): 1}


@every_style
def test_vanished_before_the_second_look_is_not_delivered(style: Style, make_world: Callable[..., World]) -> None:
    """Without a second look nobody knows whether it was whole."""
    world = make_world(style)
    world.server.put(b"a", b"one")
    world.server.on["sent"] = lambda name: world.server.remove(name)
    assert world.poll().failed == 1
    assert world.consume() == []
    assert world.states() == {"vanished": 1}


@every_style
def test_vanished_after_the_download_is_delivered_where_files_appear_by_rename(
    style: Style, make_world: Callable[..., World]
) -> None:
    """With settle_secs = 0 visible files are whole, and this is the only copy there is."""
    world = make_world(style, settle_secs=0.0)
    world.server.put(b"a", b"one")
    world.server.on["sent"] = lambda name: world.server.remove(name)
    world.poll()
    assert world.consume() == ["a"]


@every_style
def test_a_look_that_was_cut_proves_nothing(style: Style, make_world: Callable[..., World]) -> None:
    """A file that a truncated listing does not show is neither gone nor finished."""
    world = make_world(style)
    for name in (b"a", b"b", b"c"):
        world.server.put(name, name * 3)

    def cut(_: bytes) -> None:
        world.server.listing_stops_after = 1 if world.server.calls["sent"] else None

    world.server.on["look"] = cut
    world.poll()
    assert "vanished" not in world.states()
    world.server.on.clear()
    world.server.listing_stops_after = None
    world.settle()
    assert world.got == {(name, name.encode() * 3): 1 for name in ("a", "b", "c")}


def test_the_first_download_waits_until_the_second_of_its_look_is_over(make_world: Callable[..., World]) -> None:
    """Else a rewrite in that very second, same size, would show the same stamp for ever."""
    world = make_world()
    world.clock.advance(0.2)
    world.server.put(b"a", b"one")

    def rewrite(_: bytes) -> None:
        del world.server.on["sent"]
        world.server.put(b"a", b"two")

    world.server.on["sent"] = rewrite
    world.poll()
    world.settle()
    assert world.got == {("a", b"two"): 1}


def test_old_files_are_not_waited_for(make_world: Callable[..., World]) -> None:
    """Their second was over long ago, whatever the server's zone."""
    world = make_world(settle_secs=0.5)
    world.server.put(b"a", b"one", world.clock.now() - 3 * 86_400)
    assert world.poll().secs == 0.5


def test_a_count_that_differs_from_both_looks_is_not_delivered(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes received must be the size that both looks showed, whatever a remote says of a download."""

    class Miscounting(MemoryRemote):
        def fetch(self, wanted: Sequence[Wanted], session: Session) -> Iterator[Arrived | Failed | Tick]:
            for event in super().fetch(wanted, session):
                yield replace(event, received_bytes=2) if isinstance(event, Arrived) else event

    monkeypatch.setattr("tests.retrieve.world.MemoryRemote", Miscounting)
    world = make_world()
    world.server.put(b"a", b"one")
    assert world.poll().failed == 1
    assert world.consume() == []
    assert any('reason="received 2 of 3 bytes"' in line for line in world.lines)
