"""What a new process makes of the directories an earlier one left: intents open, staging lost, moved or emptied."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ftpretrieve.errors import ConfigError, StorageError
from ftpretrieve.files import Door
from ftpretrieve.retrieve.publisher import SESSIONS_REMOVED
from tests.retrieve.doors import Killed, StopDoor
from tests.retrieve.world import World


class KillAt(StopDoor):
    """Kills before or after the first change of one kind that touches a path with some ending."""

    def __init__(self, verb: str, ending: bytes, *, after: bool) -> None:
        super().__init__()
        self._verb, self._ending, self._after = verb, ending, after

    def rename(self, source: bytes, target: bytes, *, target_fd: int | None = None) -> None:
        hit = self._verb == "rename" and target.endswith(self._ending)
        if hit and not self._after:
            self.left = 0
        super().rename(source, target, target_fd=target_fd)
        if hit:
            self.left = 0


@pytest.fixture
def world(memory_path: Path) -> World:
    return World(memory_path / "world")


def kill_around_the_rename(world: World, *, after: bool) -> None:
    """Leave one open intent: its file renamed, or not yet."""
    world.server.put(b"a", b"one")
    world.boot(KillAt("rename", b"/sync/a", after=after))
    with pytest.raises(Killed):
        world.poll()
    world.halt()


def maybe_twice(world: World) -> list[str]:
    return [line for line in world.lines if line.startswith("MAYBETWICE")]


# -- staging is lost ------------------------------------------------------------------------------------------------


def wipe_staging(world: World) -> None:
    shutil.rmtree(world.staging)


def empty_staging_but_its_directories(world: World) -> None:
    for parent, _, names in os.walk(world.staging):
        for name in names:
            os.unlink(Path(parent, name))


def remove_sessions(world: World) -> None:
    for session in world.sessions():
        shutil.rmtree(world.staging / session)


losses = pytest.mark.parametrize("lose", [wipe_staging, empty_staging_but_its_directories, remove_sessions])


@losses
def test_lost_before_the_rename_is_fetched_again(lose: Callable[[World], None], world: World) -> None:
    """Nobody knows whether the file was renamed, so it comes again, and the log says so."""
    kill_around_the_rename(world, after=False)
    lose(world)
    world.settle()
    assert world.got == {("a", b"one"): 1}
    assert maybe_twice(world) == ['MAYBETWICE name=a reason="staging was lost between intent and delivery"']


@losses
def test_lost_after_the_rename_is_found_in_the_sync_directory(lose: Callable[[World], None], world: World) -> None:
    """Same size and digest at the sync path: it was renamed."""
    kill_around_the_rename(world, after=True)
    lose(world)
    world.poll_again()
    assert maybe_twice(world) == []
    assert world.consume() == ["a"]
    world.settle()
    assert world.got == {("a", b"one"): 1}
    assert len(world.told) == 1


@losses
def test_lost_after_a_consumer_took_the_file_may_come_twice_and_says_so(
    lose: Callable[[World], None], world: World
) -> None:
    """Never lost comes before never doubled."""
    kill_around_the_rename(world, after=True)
    world.consume()
    lose(world)
    world.settle()
    assert world.got == {("a", b"one"): 2}
    assert len(maybe_twice(world)) == 1


def test_another_file_in_its_place_does_not_confirm_a_lost_one(world: World) -> None:
    """The content at the sync path decides, not its name or size."""
    kill_around_the_rename(world, after=True)
    world.consume()
    remove_sessions(world)
    (world.sync / "a").write_bytes(b"two")
    world.poll_again()
    assert (world.sync / "a").read_bytes() == b"one"


# -- staging is moved -----------------------------------------------------------------------------------------------


def test_staging_that_was_moved_with_its_files_is_published_from_there(world: World) -> None:
    """The row's directory is sought where it says, then below the present staging."""
    kill_around_the_rename(world, after=False)
    world.staging = world.staging.rename(world.top / "elsewhere")
    world.settle()
    assert world.got == {("a", b"one"): 1}
    assert world.server.calls["retr"] == 1


def test_staging_changed_in_the_configuration_only_is_published_from_the_old_one(world: World) -> None:
    """The old directory is still where the row says."""
    kill_around_the_rename(world, after=False)
    world.staging = world.top / "elsewhere"
    world.settle()
    assert world.got == {("a", b"one"): 1}
    assert world.server.calls["retr"] == 1


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second file system: /dev/shm is missing")
def test_old_staging_on_another_file_system_is_fetched_again(tmp_path: Path, memory_path: Path) -> None:
    """A rename across file systems is no rename: the row fails, and a new download brings the file over."""
    if os.stat(tmp_path).st_dev == os.stat(memory_path).st_dev:
        pytest.skip("needs a second file system: the temporary directory is in memory too")
    world = World(memory_path / "world")
    kill_around_the_rename(world, after=False)
    shutil.copytree(world.staging, tmp_path / "old")
    with world.box.journal.transaction():
        world.box.journal.db.execute(
            "UPDATE files SET staged = CAST(? || substr(CAST(staged AS TEXT), ?) AS BLOB), inode = ?",
            (
                str(tmp_path / "old"),
                len(str(world.staging)) + 1,
                next(tmp_path.glob("old/*/1")).stat().st_ino,
            ),
        )
    world.halt()
    remove_sessions(world)
    world.settle()
    assert world.got == {("a", b"one"): 1}
    assert any("another file system" in line for line in world.lines)


# -- what stays staged ----------------------------------------------------------------------------------------------


def test_a_directory_in_its_place_fails_alone_and_heals(world: World) -> None:
    """The row stays staged with attempts; its batch and the next polls go on, other versions of its path wait."""
    (world.sync / "a").mkdir()
    world.server.put(b"a", b"one")
    world.server.put(b"b", b"two")
    assert world.poll().failed == 1
    assert world.consume() == ["b"]
    world.server.put(b"a", b"newer")
    world.server.put(b"c", b"three")
    world.poll_again()
    assert world.consume() == ["c"]
    assert world.states() == {"staged": 1, "delivered": 2}
    (world.sync / "a").rmdir()
    world.settle()
    # Both versions were published in that order by one poll: the older one was replaced before anybody took it.
    assert world.got == {("b", b"two"): 1, ("a", b"newer"): 1, ("c", b"three"): 1}
    assert world.server.calls["retr"] == 4


@pytest.mark.parametrize("planted", ["link", "file"])
def test_a_link_planted_below_sync_is_not_followed(planted: str, world: World) -> None:
    """The path is walked directory by directory; what is in the way fails that row alone."""
    outside = world.top / "outside"
    outside.mkdir()
    if planted == "link":
        (world.sync / "d").symlink_to(outside)
    else:
        (world.sync / "d").write_bytes(b"in the way")
    world.server.put(b"d/e", b"one")
    world.server.put(b"f", b"two")
    assert world.poll().failed == 1
    assert list(outside.iterdir()) == []
    os.unlink(world.sync / "d")
    world.settle()
    assert world.got == {("d/e", b"one"): 1, ("f", b"two"): 1}


def test_a_link_planted_between_rename_and_sync_stops_nothing(world: World) -> None:
    """The file was handed over; what became of its directory is the consumer's business."""

    class Planting(Door):
        def rename(door, source: bytes, target: bytes, *, target_fd: int | None = None) -> None:  # noqa: N805
            super().rename(source, target, target_fd=target_fd)
            if target.endswith(b"/d/e"):
                world.consume()
                (world.sync / "d").rmdir()
                (world.sync / "d").symlink_to(world.top)

    world.boot(Planting())
    world.server.put(b"d/e", b"one")
    world.server.put(b"f", b"two")
    assert world.poll().error is None
    os.unlink(world.sync / "d")
    world.settle()
    assert world.got == {("d/e", b"one"): 1, ("f", b"two"): 1}


def test_a_target_link_is_replaced_and_not_followed(world: World) -> None:
    """A link planted under a file's own name loses its place; what it pointed at is untouched."""
    secret = world.top / "secret"
    secret.write_bytes(b"untouched")
    (world.sync / "a").symlink_to(secret)
    world.server.put(b"a", b"one")
    world.poll()
    assert (world.sync / "a").read_bytes() == b"one"
    assert not (world.sync / "a").is_symlink()
    assert secret.read_bytes() == b"untouched"


# -- reports and cleaning -------------------------------------------------------------------------------------------


def test_a_delivery_is_told_even_when_killed_before_its_line(world: World) -> None:
    """A row that is not reported is told at the next start: a line may repeat, but never misses."""
    door = StopDoor()
    whole = World(world.top.parent / "whole")
    for one in (whole, world):
        one.server.put(b"a", b"one")
    whole.boot(door)
    whole.poll()
    whole.halt()
    world.boot(StopDoor(door.did - 1))  # all but the note that the line is written
    with pytest.raises(Killed):
        world.poll()
    world.halt()
    world.settle()
    assert {row[2] for row in world.told} == {"a"}
    assert world.got == {("a", b"one"): 1}


def test_old_sessions_go_a_bounded_number_a_poll(world: World) -> None:
    """Only this journal's own, and never one that an open row names."""
    id = world.box.journal.journal_id
    for number in range(SESSIONS_REMOVED + 5):
        (world.staging / f"{id}-{number:04}").mkdir()
    (world.staging / "0123456789abcdef-1").mkdir()
    world.poll()
    assert len(world.sessions()) == 5 + 1
    world.poll()
    assert world.sessions() == ["0123456789abcdef-1"]


def test_a_probe_that_a_kill_left_goes_with_the_next_poll(world: World) -> None:
    """Nothing of ours may gather in the sync directory."""
    world.poll()
    before = sorted(os.listdir(world.staging))

    def killed(*_: object) -> None:
        raise Killed

    unlink, os.unlink = os.unlink, killed  # type: ignore[assignment]
    try:
        with pytest.raises(Killed):
            world.poll()
    finally:
        os.unlink = unlink
    assert os.listdir(world.sync) != []
    world.poll()
    assert os.listdir(world.sync) == []
    assert sorted(os.listdir(world.staging)) == before


# -- the journal belongs to the staging -----------------------------------------------------------------------------


def test_another_journal_is_refused_unless_it_is_wanted(world: World) -> None:
    """With a journal that remembers nothing every file would come again."""
    world.server.put(b"a", b"one")
    world.settle()
    world.halt()
    for path in world.top.glob("journal.db*"):
        path.rename(world.top / f"old-{path.name}")
    with pytest.raises(ConfigError, match=r"belongs to journal .*--new-journal"):
        world.boot()
    world.boot(new_journal=True)
    world.settle()
    assert world.got == {("a", b"one"): 2}


def test_a_restored_backup_repeats_what_came_after_it_and_loses_nothing(world: World) -> None:
    """Old rows whose staging is long gone are settled, and the poll goes on."""
    (world.sync / "b").mkdir()
    world.server.put(b"a", b"one")
    world.server.put(b"b", b"two")
    world.poll()
    world.consume()
    world.halt()
    backup = {path.name: path.read_bytes() for path in world.top.glob("journal.db*")}
    (world.sync / "b").rmdir()
    world.server.put(b"c", b"three")
    world.settle()
    world.halt()
    for path in world.top.glob("journal.db*"):
        path.unlink()
    for name, content in backup.items():
        (world.top / name).write_bytes(content)
    world.settle()
    assert world.got == {("a", b"one"): 1, ("b", b"two"): 2, ("c", b"three"): 2}
    assert [line.split()[1] for line in maybe_twice(world)] == ["name=b"]


def test_sync_directory_that_is_missing_is_never_made(world: World) -> None:
    """It may be a volume that is not mounted."""
    world.sync.rmdir()
    with pytest.raises(StorageError, match="mount or create it"):
        world.boot()
    assert not world.sync.exists()
