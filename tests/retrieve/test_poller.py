"""Whole polls against a server in memory, in given time: what is delivered, how often, and what is said about it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ftpretrieve.errors import RemoteUnavailable, SessionExpired, StorageError
from tests.retrieve.memory_remote import LIST, STYLES, Entry, MemoryServer, Style
from tests.retrieve.world import World

every_style = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)


# -- identity -------------------------------------------------------------------------------------------------------


@every_style
def test_a_file_comes_once_however_often_it_is_listed(style: Style, make_world: Callable[..., World]) -> None:
    """A version that equals a kept one is known."""
    world = make_world(style)
    world.server.put(b"a", b"one")
    world.settle(polls=5)
    assert world.got == {("a", b"one"): 1}
    assert world.poll_again().skipped == 1


@every_style
@pytest.mark.parametrize("age_secs", [0, 3 * 86_400], ids=["newer", "older"])
@pytest.mark.parametrize("content", [b"two", b"longer"], ids=["same-size", "other-size"])
def test_other_content_under_the_same_name_comes_too(
    style: Style, age_secs: int, content: bytes, make_world: Callable[..., World]
) -> None:
    """A version is new when it is different, not when it is newer."""
    world = make_world(style)
    world.server.put(b"a", b"one")
    world.settle()
    world.server.put(b"a", content, world.clock.now() - age_secs)
    world.settle()
    assert world.got == {("a", b"one"): 1, ("a", content): 1}


@every_style
def test_a_version_that_is_brought_back_is_known(style: Style, make_world: Callable[..., World]) -> None:
    """A, B, A delivers A once: a listed version is compared with every kept one of its name."""
    world = make_world(style)
    first = Entry(b"one", world.clock.now())
    for entry in (first, Entry(b"two", world.clock.now() + 5000), first):
        world.server.files[b"a"] = entry
        world.settle()
    assert world.got == {("a", b"one"): 1, ("a", b"two"): 1}


def test_sixteen_versions_of_a_name_stay(make_world: Callable[..., World]) -> None:
    """Older ones than the last sixteen are forgotten, and would be new again."""
    world = make_world()
    for number in range(20):
        world.server.put(b"a", b"%d" % number)
        world.poll_again()
    assert sorted(world.rows("version")) == list(range(5, 21))


@every_style
def test_a_file_without_a_time_is_known_by_its_size(style: Style, make_world: Callable[..., World]) -> None:
    """Where the server tells no time, (name, size) decides."""
    world = make_world(style)
    world.server.put(b"a", b"one", shows_stamp=False)
    world.settle(polls=5)
    world.server.put(b"a", b"longer", shows_stamp=False)
    world.settle(polls=5)
    assert world.got == {("a", b"one"): 1, ("a", b"longer"): 1}


@every_style
def test_a_file_without_time_and_size_comes_once(style: Style, make_world: Callable[..., World]) -> None:
    """Nothing is listed in which it could differ, and to deliver it at every poll would be no better."""
    world = make_world(style)
    world.server.put(b"a", b"one", shows_stamp=False, shows_size=False)
    world.settle(polls=5)
    assert world.got == {("a", b"one"): 1}


@every_style
def test_a_listing_that_repeats_itself_delivers_nothing_twice(style: Style, make_world: Callable[..., World]) -> None:
    """A name is planned once a poll, whatever becomes of it: fetched, settled or asked again."""
    world = make_world(style)
    world.server.listed_twice = True
    world.server.put(b"a", b"one")
    world.server.put(b"b", b"two")
    world.server.on["look"] = lambda _: world.server.calls["sent"] and world.clock.advance(400)
    world.poll()
    del world.server.on["look"]
    world.settle()
    assert world.got == {("a", b"one"): 1, ("b", b"two"): 1}
    assert len(world.told) == 2
    assert not any("FILEFAILED" in line for line in world.lines)


# -- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_file_that_fails_is_tried_ever_more_rarely_and_heals(make_world: Callable[..., World]) -> None:
    """Three tries at the next poll, then a minute, doubling up to six hours; the others are not held up."""
    world = make_world()
    world.server.put(b"bad", b"one")
    world.server.failing[b"bad"] = "550 no"
    tried = []
    for _ in range(200):
        world.server.calls.clear()
        world.poll_again(300)
        tried.append(world.server.calls["retr"])
    assert tried[:4] == [1, 1, 1, 1]
    assert 8 < sum(tried) < 25
    world.server.put(b"good", b"two")
    world.poll_again(1)
    assert world.consume() == ["good"]
    world.server.failing.clear()
    world.poll_again(6 * 3600)
    assert world.consume() == ["bad"]


def test_a_wrong_clock_does_not_hold_a_file_back(make_world: Callable[..., World]) -> None:
    """A wall clock more than a day from the last poll's suspends back-off for one poll."""
    world = make_world()
    world.server.put(b"a", b"one")
    world.server.failing[b"a"] = "550 no"
    for _ in range(12):
        world.poll_again(7 * 3600)
    world.server.failing.clear()
    world.clock.wall -= 40 * 86_400
    world.poll()
    assert world.consume() == ["a"]


HOSTILE = [b"../x", b"/etc/x", b"a/../../x", b"nul\0x", b"new\nline", b"", b".", b"..", b"a//b", b"x" * 256,
           b".ftpretrieve-id", b"d/.ftpretrieve/x", b"y/" * 2100 + b"z"]  # fmt: skip


def test_hostile_names_are_skipped_and_the_others_arrive(make_world: Callable[..., World], memory_path: Path) -> None:
    """No name leaves the sync directory or takes one of ours."""
    world = make_world()
    for name in HOSTILE:
        world.server.put(name, b"bad")
    good = [b"x" * 255, b"-rf", b"~", b"a b", b"\x1b[31m", b".hidden", b"...", b"d/e"]
    for name in good:
        world.server.put(name, b"good")
    result = world.poll()
    assert (result.delivered, result.skipped) == (len(good), len(HOSTILE))
    assert sorted(os.fsencode(name) for name in world.consume()) == sorted(good)
    assert not any("\x1b" in line for line in world.lines)
    assert sorted(os.listdir(memory_path)) == ["world0"]


def test_server_away_ends_the_poll_and_the_next_one_goes_on(make_world: Callable[..., World]) -> None:
    """Nothing is lost but time."""
    world = make_world()
    for number in range(9):
        world.server.put(b"%d" % number, b"content %d" % number)
    world.server.on["retr"] = lambda name: setattr(world.server, "away", name == b"5") or None
    assert isinstance(world.poll().error, RemoteUnavailable | type(None))
    world.server.on.clear()
    world.server.away = True
    assert isinstance(world.poll().error, RemoteUnavailable)
    world.server.away = False
    world.settle()
    assert sorted(world.got.values()) == [1] * 9


def test_stop_ends_a_poll_and_keeps_what_arrived(make_world: Callable[..., World]) -> None:
    """A stop is answered at once; the file that waits for its second look is kept."""
    world = make_world()
    world.server.put(b"a", b"one")
    world.server.on["sent"] = lambda _: world.clock.set()
    assert isinstance(world.poll().error, SessionExpired)
    world.clock.clear()
    world.server.on.clear()
    world.poll_again()
    assert world.consume() == ["a"]
    assert world.server.calls["retr"] == 1


def test_disk_full_stops_fetching_until_there_is_room(make_world: Callable[..., World]) -> None:
    """Nothing is half-delivered, the message says how much is missing, and it heals by itself."""
    world = make_world()
    world.server.put(b"a", b"one")
    world.box.staging._min_free_bytes = 1 << 62
    error = world.poll().error
    assert isinstance(error, StorageError)
    assert "lacks" in str(error)
    assert world.server.calls["retr"] == 0
    world.box.staging._min_free_bytes = 0
    world.poll_again()
    assert world.consume() == ["a"]


def test_staging_removed_in_the_middle_of_a_poll_ends_it(make_world: Callable[..., World]) -> None:
    """The error is told, the poll does not break the program, and the next one begins anew."""
    world = make_world()
    world.server.put(b"a", b"one")
    world.server.put(b"b", b"two")

    def wipe(name: bytes) -> None:
        if name == b"b":
            for session in world.sessions():
                os.rename(world.staging / session, world.top / "gone")
            world.clock.set()

    world.server.on["sent"] = wipe
    assert isinstance(world.poll().error, StorageError | SessionExpired)
    world.clock.clear()
    world.server.on.clear()
    world.settle()
    assert world.got == {("a", b"one"): 1, ("b", b"two"): 1}


def test_a_text_file_that_does_not_decode_is_rejected_and_kept(make_world: Callable[..., World]) -> None:
    """Only names that match are looked at, no byte is changed, and a rejected version is not fetched again."""
    world = make_world(xml_encoding="utf-8", reject_bad_encoding=True)
    world.server.put(b"a.xml", b"\xff")
    world.server.put(b"d/b.xml", b"\xc3\xa4")
    world.server.put(b"c.bin", b"\xff")
    world.settle()
    assert sorted(name for name, _ in world.got) == ["c.bin", "d/b.xml"]
    kept = os.listdir(world.staging / "rejected")
    assert len(kept) == 1
    assert (world.staging / "rejected" / kept[0]).read_bytes() == b"\xff"
    assert world.states() == {"delivered": 2, "rejected": 1}
    assert world.server.calls["retr"] == 3


def test_two_directories_with_equal_names_keep_both_files(make_world: Callable[..., World]) -> None:
    """A file from another remote directory is never replaced while it lies in the sync directory."""
    world = make_world()
    other = MemoryServer(world.clock.now)
    world.server.put(b"a", b"one")
    other.put(b"a", b"two")
    world.boot(directory=b"first")
    world.poll()
    world.boot(directory=b"second")
    world.clock.advance(600)
    world.poll(server=other)
    names = world.consume()
    second = [id for id, state in zip(world.rows("id"), world.rows("directory"), strict=True) if state == b"second"]
    assert names == ["a", f"a.{int(other.files[b'a'].mtime)}.{second[0]}"]
    other.put(b"a", b"three")
    world.clock.advance(600)
    world.poll(server=other)
    assert world.consume() == ["a"], "nothing lies there any more"
    assert sorted(content for _, content in world.got) == [b"one", b"three", b"two"]


@pytest.mark.parametrize(("keep", "names"), [(False, 1), (True, 2)], ids=["replace", "keep"])
def test_a_new_version_meets_the_old_one(keep: bool, names: int, make_world: Callable[..., World]) -> None:
    """It replaces what still lies in the sync directory, or lies beside it, as configured."""
    world = make_world(keep_conflicts=keep)
    world.server.put(b"a", b"one")
    world.poll_again()
    world.server.put(b"a", b"two")
    assert world.poll_again().replaced == (not keep)
    assert len(world.consume()) == names
    assert ("a", b"one" if keep else b"two") in world.got


# -- what is told ---------------------------------------------------------------------------------------------------


def test_files_downloaded_tells_every_delivery(make_world: Callable[..., World]) -> None:
    """(local file, remote mtime, remote name), at most 200 a line, for ast.literal_eval."""
    world = make_world()
    for number in range(450):
        world.server.put(b"d/%d \xe4'" % number, b"%d" % number)
    mtime = int(world.clock.now())
    world.poll()
    assert len([line for line in world.lines if line.startswith("FILESDOWNLOADED")]) == 3
    names = {os.fsdecode(b"d/%d \xe4'" % number) for number in range(450)}
    assert set(world.told) == {(f"{world.sync}/{name}", mtime, name) for name in names}
    assert len(world.told) == 450


def test_looks_grow_with_time_and_not_with_files(make_world: Callable[..., World]) -> None:
    """2,000 files that take 40 seconds are looked at every `settle_secs`, however many they are."""
    world = make_world(LIST)
    for number in range(2000):
        world.server.put(b"%d" % number, b"", world.clock.now() - 3 * 86_400)
    world.server.on["retr"] = lambda _: world.clock.advance(0.02)
    assert world.poll().delivered == 2000
    assert 5 < world.server.calls["look"] < 12


def test_what_arrived_is_published_while_the_disk_is_full(make_world: Callable[..., World]) -> None:
    """It needs no room; held back for want of it, it could be the very thing that fills the disk."""
    world = make_world()
    world.server.put(b"a", b"one")
    world.server.on["sent"] = lambda _: world.clock.set()
    world.poll()
    assert world.states() == {"arrived": 1}
    world.clock.clear()
    world.server.on.clear()
    world.server.put(b"b", b"two")
    world.box.staging._min_free_bytes = 1 << 62
    assert isinstance(world.poll_again().error, StorageError)
    assert world.consume() == ["a"]
