"""Killed before every single change on disk of every kind of poll, and started again: exactly once, and clean.

Each `Scene` is something that happens to a server between two polls. It is played once without a kill to count its
changes on disk, then once for each of them: the process is killed there, a new one is built on the same directories,
and polls go on. A consumer moves everything out of the sync directory after the kill (or only after the recovery).
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.retrieve.doors import Killed, StopDoor
from tests.retrieve.memory_remote import LIST, LIST_ASK, STYLES, Style
from tests.retrieve.world import World

pytestmark = pytest.mark.crash

QUIET_POLLS = 4
"""After a change: one is cut short by the kill, one fetches, one rechecks, one finds nothing and clears away."""


@dataclass(frozen=True)
class Scene:
    """What happens: each act changes something, then polls follow until all is quiet.

    `prompt`: between two acts there is just one poll, and at once. `expect` are (name, content) and how often it comes;
    nothing else may come more than once.
    """

    name: str
    acts: tuple[Callable[[World], None], ...]
    expect: dict[tuple[str, bytes], int]
    styles: tuple[Style, ...] = STYLES
    rules: dict[str, object] = field(default_factory=dict)
    prompt: bool = False


def _new_files(world: World) -> None:
    for name, content in ((b"a", b"first"), (b"b", b""), (b"c/d/e", b"nested"), (b"\xff\xfe", b"no utf-8")):
        world.server.put(name, content)


def _put(name: bytes, content: bytes, later_secs: float = 0.0, age_secs: float = 0.0) -> Callable[[World], None]:
    def act(world: World) -> None:
        world.clock.advance(later_secs)
        world.server.put(name, content, world.clock.now() - age_secs)

    return act


def _new_minute(world: World) -> None:
    world.clock.advance(60 - world.clock.now() % 60 + 5)
    world.server.put(b"a", b"one")


def _torn(world: World) -> None:
    """Rewrite a file, same size and same minute, while it is being downloaded."""
    world.clock.advance(60 - world.clock.now() % 60 + 5)
    world.server.put(b"a", b"one and one")

    def rewrite(name: bytes) -> None:
        if world.server.files[name].content == b"one and one":
            world.server.put(name, b"two and two")

    world.server.on["half"] = rewrite


def _cut_before_second_look(world: World) -> None:
    """Let the session end between the last byte and the second look."""
    world.server.put(b"a", b"one")
    world.server.put(b"b", b"two")

    def expire(_: bytes) -> None:
        if world.server.calls["sent"]:
            del world.server.on["look"]
            world.clock.advance(400)

    world.server.on["look"] = expire


def _blocked(world: World) -> None:
    (world.sync / "a").mkdir()
    world.server.put(b"a", b"one")
    world.server.put(b"b", b"two")


def _unblock(world: World) -> None:
    (world.sync / "a").rmdir()


SCENES = (
    Scene(
        "new files",
        (_new_files,),
        {("a", b"first"): 1, ("b", b""): 1, ("c/d/e", b"nested"): 1, (os.fsdecode(b"\xff\xfe"), b"no utf-8"): 1},
    ),
    Scene("replaced", (_put(b"a", b"one"), _put(b"a", b"longer")), {("a", b"one"): 1, ("a", b"longer"): 1}),
    Scene("same size", (_put(b"a", b"one"), _put(b"a", b"two")), {("a", b"one"): 1, ("a", b"two"): 1}),
    Scene(
        "older and back",
        (_put(b"a", b"one"), _put(b"a", b"two", age_secs=86_400 * 3), _put(b"a", b"two", age_secs=86_400 * 9)),
        {("a", b"one"): 1, ("a", b"two"): 2},
    ),
    Scene(
        "rewritten within the minute",
        (_new_minute, _put(b"a", b"two")),
        {("a", b"two"): 1},
        styles=(LIST, LIST_ASK),
        prompt=True,
    ),
    Scene("session cut before the second look", (_cut_before_second_look,), {("a", b"one"): 1, ("b", b"two"): 1}),
    Scene(
        "rejected",
        (_put(b"a.xml", b"\xff\xff"), _put(b"b.xml", b"<b/>")),
        {("b.xml", b"<b/>"): 1},
        rules={"xml_encoding": "utf-8", "reject_bad_encoding": True},
    ),
    Scene("a directory in its place", (_blocked, _unblock), {("a", b"one"): 1, ("b", b"two"): 1}),
    Scene("no settling", (_new_files,), {("a", b"first"): 1, ("b", b""): 1}, rules={"settle_secs": 0.0}),
)


class Play:
    """One performance of a scene in a world of its own, with kills after given numbers of changes."""

    def __init__(self, top: Path, scene: Scene, style: Style, kills: tuple[int, ...], consumes_first: bool) -> None:
        self.world = World(top, style, **scene.rules)
        self._scene, self._kills = scene, list(kills)
        self._polls = QUIET_POLLS + len(kills)
        self._consumes_first = consumes_first
        self.doors: list[StopDoor] = []

    def _door(self) -> StopDoor:
        self.doors.append(StopDoor(self._kills.pop(0) if self._kills else 10**9))
        return self.doors[-1]

    def _restart(self) -> None:
        while True:
            if self._consumes_first:
                self.world.consume()
            try:
                self.world.boot(self._door())
            except Killed:
                continue
            return

    def run(self) -> None:
        """Play all acts, each followed by polls until nothing more can come."""
        self._restart()
        for act in self._scene.acts:
            act(self.world)
            prompt = self._scene.prompt and act is not self._scene.acts[-1]
            for _ in range(1 if prompt else self._polls):
                self._poll(0 if prompt else 600)

    def _poll(self, after_secs: float) -> None:
        self.world.clock.advance(after_secs)
        try:
            self.world.poll()
        except Killed:
            self._restart()
        self.world.consume()

    def check(self) -> None:
        """Compare what the consumer got, the log, the journal and the disk with what must be."""
        world = self.world
        got = world.got
        assert {key: got[key] for key in self._scene.expect} == self._scene.expect
        assert [key for key, times in got.items() if times > self._scene.expect.get(key, 1)] == []
        told = Counter(name for _, _, name in world.told)
        for name, times in Counter(name for name, _, _ in world.taken).items():
            assert told[name] >= times, f"{name} came {times} times and was told {told[name]} times"
        assert set(world.states()) <= {"delivered", "rejected"}
        assert world.sessions() == []
        leftovers = [name for name in os.listdir(world.sync) if name.startswith(".")]
        assert leftovers == []


def _perform(top: Path, scene: Scene, style: Style, kills: tuple[int, ...], consumes_first: bool) -> Play:
    play = Play(top, scene, style, kills, consumes_first)
    try:
        play.run()
        play.check()
    except AssertionError as error:
        raise AssertionError(f"killed after {kills} changes, consumer first: {consumes_first}: {error}") from error
    finally:
        play.world.remove()
    return play


CASES = [pytest.param(scene, style, id=f"{scene.name}-{style.name}") for scene in SCENES for style in scene.styles]


@pytest.mark.parametrize(("scene", "style"), CASES)
def test_killed_at_every_change(scene: Scene, style: Style, memory_path: Path) -> None:
    """Whatever was the last change on disk, the next process delivers each version exactly once."""
    changes = _perform(memory_path / "whole", scene, style, (), True).doors[0].did
    assert changes > 10
    for kill in range(changes):
        for consumes_first in (True, False):
            _perform(memory_path / f"{kill}", scene, style, (kill,), consumes_first)


@pytest.mark.slow
@pytest.mark.parametrize(("scene", "style"), CASES)
def test_killed_again_during_recovery(scene: Scene, style: Style, memory_path: Path) -> None:
    """A recovery that is killed itself, up to three times, loses and doubles nothing."""
    changes = _perform(memory_path / "whole", scene, style, (), True).doors[0].did
    dice = random.Random(7)
    for number in range(250):
        kills = (dice.randrange(changes), *(dice.randrange(12) for _ in range(dice.randint(1, 3))))
        _perform(memory_path / f"{number}", scene, style, kills, dice.random() < 0.5)


def test_torn_by_a_rewrite_in_the_same_minute_comes_whole_later(memory_path: Path) -> None:
    """A listing to the minute cannot show the rewrite; the recheck delivers the whole new content."""
    for style in (LIST, LIST_ASK):
        world = World(memory_path / style.name, style)
        _torn(world)
        world.settle()
        assert world.got["a", b"two and two"] == 1, style.name
        world.halt()
