"""Files that wait for an earlier poll, an age or a marker: when they come, what is remembered, and what is said."""

import io
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.retrieve import gate
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.once import preview
from ftpretrieve.retrieve.records import Candidate, Outcome
from ftpretrieve.retrieve.session import outcome
from tests.faultserver import FaultServer
from tests.mailboxes import make_mailbox, poll_ftp
from tests.retrieve.attack import OLD, Attack
from tests.retrieve.memory_remote import LIST, STYLES, Style
from tests.retrieve.world import World

every_style = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
AGO = 400_000.0
"""Long enough that no zone and no recheck matters."""


# -- settle = polls ---------------------------------------------------------------------------------------------------


@every_style
def test_a_version_comes_in_the_poll_after_the_one_that_saw_it_first(
    style: Style, make_world: Callable[..., World]
) -> None:
    """The first poll leaves it, says so, and downloads nothing; all is as it should be."""
    world = make_world(style, settle_polls=True)
    world.server.put(b"a", b"one", world.clock.now() - AGO)
    first = world.poll()
    assert (first.fetched, first.left, first.skipped, outcome(first, stopped=False)) == (0, 1, 1, Outcome.OK)
    assert world.states() == {"waiting": 1}
    second = world.poll_again()
    assert (second.delivered, second.left) == (1, 0)
    world.settle()
    assert world.got == {("a", b"one"): 1}


def test_the_first_sight_survives_the_process(make_world: Callable[..., World]) -> None:
    """`once` from cron is a new process each time, and still gets its files."""
    world = make_world(settle_polls=True)
    world.server.put(b"a", b"one", world.clock.now() - AGO)
    world.poll()
    world.boot()
    assert world.poll_again().delivered == 1


def test_the_earlier_poll_must_be_settle_secs_ago(make_world: Callable[..., World]) -> None:
    """However often one polls: a pause of the partner that is shorter is survived."""
    world = make_world(settle_polls=True, settle_secs=3600.0)
    world.server.put(b"a", b"one", world.clock.now() - AGO)
    for _ in range(6):
        assert world.poll().fetched == 0
        world.clock.advance(599)
    world.clock.advance(20)
    assert world.poll().delivered == 1
    assert world.clock.elapsed < 2 * 3600, "no poll may wait for settle_secs itself"


@every_style
def test_an_upload_with_long_pauses_is_not_delivered_before_its_end(
    style: Style, make_world: Callable[..., World]
) -> None:
    """Each piece is another version; the pause between two polls is what a look within one poll cannot see."""
    world = make_world(style, settle_polls=True)
    for piece in range(1, 5):
        world.server.put(b"a", b"x" * piece)
        world.poll_again()
    assert world.consume() == []
    assert world.server.calls["retr"] == 0
    world.settle()
    assert world.got == {("a", b"xxxx"): 1}


@every_style
def test_a_file_that_grows_from_poll_to_poll_is_told_once(style: Style, make_world: Callable[..., World]) -> None:
    """After ten polls, as for one that grows within them."""
    world = make_world(style, settle_polls=True)
    for piece in range(1, 25):
        world.server.put(b"a", b"x" * piece)
        world.poll_again()
    assert [line for line in world.lines if "still-changing" in line] == [
        "FILEFAILED name=a attempts=10 reason=still-changing"
    ]
    assert world.server.calls["retr"] == 0


@every_style
def test_a_change_during_the_download_is_noticed_too(style: Style, make_world: Callable[..., World]) -> None:
    """The two looks around the download stay, so that no torn file is ever published."""
    world = make_world(style, settle_polls=True)
    world.server.put(b"a", b"one" * 9, world.clock.now() - AGO)
    world.poll()

    def rewrite(_: bytes) -> None:
        world.server.on.clear()
        world.server.put(b"a", b"two" * 9, world.clock.now() - AGO / 2)

    world.server.on["half"] = rewrite
    world.settle()
    assert world.got == {("a", b"two" * 9): 1}


def test_a_large_file_is_not_looked_at_twice_before_its_download(make_world: Callable[..., World]) -> None:
    """The earlier poll was that look; a poll must not wait out an hour."""
    world = make_world(settle_polls=True, settle_secs=3600.0)
    world.server.put(b"a", b"x" * (65 * 1024 * 1024), world.clock.now() - AGO)
    world.poll()
    before = world.clock.elapsed
    assert world.poll_again(3700).delivered == 1
    assert world.clock.elapsed - before < 3700 + 60


def test_a_new_version_of_a_delivered_file_waits_as_well(make_world: Callable[..., World]) -> None:
    world = make_world(settle_polls=True)
    world.server.put(b"a", b"one", world.clock.now() - AGO)
    world.settle()
    world.server.put(b"a", b"second", world.clock.now() - AGO / 2)
    assert world.poll_again().delivered == 0
    assert world.poll_again().delivered == 1


def test_a_file_that_waits_may_go(make_world: Callable[..., World]) -> None:
    """Nothing failed, and nothing is said."""
    world = make_world(settle_polls=True)
    world.server.put(b"a", b"one", world.clock.now() - AGO)
    world.poll()
    world.server.remove(b"a")
    result = world.poll_again()
    assert (result.failed, result.left) == (0, 0)
    assert not [line for line in world.lines if line.startswith("FILEFAILED")]


# -- min_age_secs -----------------------------------------------------------------------------------------------------


def test_a_file_comes_when_its_stamp_is_old_enough(make_world: Callable[..., World]) -> None:
    world = make_world(min_age_secs=1500.0)
    world.server.put(b"old", b"one", world.clock.now() - 2000)
    world.server.put(b"new", b"two", world.clock.now() - 400)
    first = world.poll()
    assert (world.consume(), first.left) == (["old"], 1)
    assert world.poll_again().delivered == 0
    assert world.poll_again().delivered == 1


@pytest.mark.parametrize("shows_stamp", [True, False], ids=["future stamp", "no stamp"])
def test_no_clock_makes_a_file_wait_for_ever(shows_stamp: bool, make_world: Callable[..., World]) -> None:
    """Being listed unchanged for so long is enough."""
    world = make_world(min_age_secs=1000.0)
    world.server.put(b"a", b"one", world.clock.now() + 10 * 86_400, shows_stamp=shows_stamp)
    assert [world.poll_again().delivered for _ in range(3)] == [0, 0, 1]


def test_a_local_stamp_is_believed_when_it_is_old_in_every_zone(make_world: Callable[..., World]) -> None:
    """Five hours behind: a file of this minute looks old enough, and is not."""
    world = make_world(LIST, min_age_secs=1000.0)
    world.server.put(b"old", b"one", world.clock.now() - AGO)
    world.server.put(b"new", b"two", world.clock.now())
    assert world.poll().delivered == 1
    assert [world.poll_again().delivered for _ in range(2)] == [0, 1]


def test_a_file_that_keeps_growing_stays_too_young(make_world: Callable[..., World]) -> None:
    """It begins anew with each version."""
    world = make_world(min_age_secs=1000.0)
    for piece in range(1, 12):
        world.server.put(b"a", b"x" * piece)
        world.poll_again()
    assert world.server.calls["retr"] == 0
    world.settle()
    assert world.got == {("a", b"x" * 11): 1}


# -- done_suffix ------------------------------------------------------------------------------------------------------


@every_style
def test_a_file_comes_when_its_marker_is_there(style: Style, make_world: Callable[..., World]) -> None:
    """And not before; the marker itself is never delivered."""
    world = make_world(style, done_suffix=".done")
    for name in (b"a", b"b", b"m", b"x", b"y"):  # a chunk has three entries
        world.server.put(name, name * 3, world.clock.now() - AGO)
    world.server.put(b"m.done", b"", world.clock.now() - AGO)
    result = world.poll()
    assert (result.delivered, result.left) == (1, 4)
    assert world.consume() == ["m"]
    world.server.put(b"y.done", b"", world.clock.now() - AGO)
    assert world.poll_again().delivered == 1
    assert world.consume() == ["y"]


@pytest.mark.parametrize("order", ["before", "behind"])
def test_markers_may_be_listed_anywhere(order: str, tmp_path: Path) -> None:
    """Before their files or behind them, thousands of lines away."""
    names = [b"f%04d" % number for number in range(2000)]
    markers = [name + b".done" for name in names[::100]]
    listed = markers + names if order == "before" else names + markers
    files = {name: (b"content of " + name, OLD) for name in listed}
    with FaultServer(files) as server, Attack(tmp_path, server, done_suffix=".done") as attack:
        result = attack.poll()
        assert (result.delivered, result.left) == (20, 1980)
        assert sorted(attack.delivered()) == names[::100]


def test_markers_are_not_delivered_even_when_included(make_world: Callable[..., World]) -> None:
    world = make_world(done_suffix=".done", include=("*.done",))
    world.server.put(b"a.done", b"", world.clock.now() - AGO)
    world.server.put(b"a.done.done", b"", world.clock.now() - AGO)
    result = world.poll()
    assert (result.delivered, result.left, result.skipped) == (0, 0, 2)


def test_a_marker_that_goes_again_takes_nothing_back(make_world: Callable[..., World]) -> None:
    """What was delivered is known; what was not begun waits again."""
    world = make_world(done_suffix=".done")
    for name in (b"a", b"a.done", b"b"):
        world.server.put(name, b"one", world.clock.now() - AGO)
    world.settle()
    world.server.remove(b"a.done")
    result = world.poll_again()
    assert (result.fetched, result.left) == (0, 1)
    assert world.got == {("a", b"one"): 1}


@pytest.mark.parametrize("mlsd", [True, False], ids=["mlsd", "list"])
@pytest.mark.parametrize("order", ["before", "behind"])
def test_markers_beyond_what_is_remembered_are_asked_for(
    order: str, mlsd: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing may have more markers than fit into memory."""
    monkeypatch.setattr(gate, "MARKERS_MAX", 5)
    names = [b"f%02d" % number for number in range(20)]
    markers = [name + b".done" for name in names[::2]]
    listed = markers + names if order == "before" else names + markers
    files = {name: (b"content of " + name, OLD) for name in listed}
    with FaultServer(files, mlsd=mlsd) as server, Attack(tmp_path, server, done_suffix=".done") as attack:
        result = attack.poll()
        assert (result.delivered, result.left) == (10, 10)
        assert sorted(attack.delivered()) == names[::2]


def test_a_marker_counts_for_its_own_directory_only(pyftp: Any, tmp_path: Path) -> None:
    for name in ("a", "sub/a", "sub/a.done", "other/b.done", "b"):
        pyftp.put(name, b"content", time.time() - AGO)
    mailbox = make_mailbox(tmp_path, done_suffix=".done")
    result = poll_ftp(mailbox, pyftp, recursive=True)
    assert (result.delivered, result.left) == (1, 2)
    assert (tmp_path / "sync/sub/a").exists()
    mailbox.journal.close()


# -- what is shown, and together --------------------------------------------------------------------------------------


def test_all_of_them_hold_together(make_world: Callable[..., World]) -> None:
    """A file comes when nothing holds it any more."""
    world = make_world(settle_polls=True, min_age_secs=2000.0, done_suffix=".done")
    world.server.put(b"a", b"one")
    came = []
    for number in range(6):
        if number == 1:
            world.server.put(b"a.done", b"")
        came.append(world.poll_again().delivered)
    assert came == [0, 0, 0, 1, 0, 0]


def test_a_look_shows_why_files_wait(pyftp: Any, tmp_path: Path) -> None:
    """`once -n` tells each reason with names, and writes nothing."""
    pyftp.put("young", b"1")
    pyftp.put("young.ok", b"")
    pyftp.put("lonely", b"2", time.time() - AGO)
    pyftp.put("ready", b"3", time.time() - AGO)
    pyftp.put("ready.ok", b"", time.time() - AGO)
    for name in ("staging", "sync"):
        (tmp_path / name).mkdir()
    (tmp_path / "c.conf").write_text(
        f"[remote]\nftp_host = {pyftp.host}\nftp_port = {pyftp.port}\nftp_user = {pyftp.user}\n"
        f"ftp_password = base64:c2VjcmV0\nmin_age_secs = 1 h\ndone_suffix = .ok\n"
        f"[local]\nftp_local_directory = {tmp_path}/staging\nsync_directory = {tmp_path}/sync\n"
        f"journal_file_name = {tmp_path}/journal.db\n"
    )
    (tmp_path / "c.conf").chmod(0o600)
    out = io.StringIO()
    assert preview(AppConf(tmp_path / "c.conf"), as_json=False, out=out) == 0
    assert [line.partition(" (")[0] for line in out.getvalue().splitlines()] == [
        "fetch ready",
        "skip 2 marker: ready.ok, young.ok",
        "skip 1 not-done: lonely",
        "skip 1 too-young: young",
    ]
    assert not (tmp_path / "journal.db").exists()


def test_marking_as_seen_waits_for_nothing(make_world: Callable[..., World]) -> None:
    """What is there now is known, finished or not."""
    world = make_world(settle_polls=True)
    world.server.put(b"a", b"one", world.clock.now() - AGO)
    world.poll()
    journal = world.box.journal
    journal.begin_poll(b"")
    (row,) = journal.known([b"a"])[b"a"]
    shown = world.server.shown(b"a")
    assert shown is not None
    journal.mark_seen([Candidate(shown, row, True, (row,))], world.clock.now())
    assert world.poll_again().left == 0


# -- real servers -----------------------------------------------------------------------------------------------------


@pytest.mark.interop
@pytest.mark.slow
@pytest.mark.parametrize("polls", [False, True], ids=["secs", "polls"])
def test_a_file_that_only_ever_grows_is_told_after_ten_polls(
    any_server: Any, tmp_path: Path, polls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it is delivered while it grows, and the whole of it when it has stopped."""
    target = any_server.put("growing.log", b"begin", time.time() - AGO)
    any_server.put("other", b"other", time.time() - AGO)
    stop = threading.Event()

    def grow() -> None:
        with open(target, "ab", buffering=0) as file:
            while not stop.wait(0.02):
                file.write(b"x" * 100)

    writer = threading.Thread(target=grow)
    writer.start()
    mailbox = make_mailbox(tmp_path, settle_secs=0.3, settle_polls=polls)
    try:
        for _ in range(12):
            poll_ftp(mailbox, any_server)
            time.sleep(0.3)
            assert "growing.log" not in os.listdir(tmp_path / "sync")
    finally:
        stop.set()
        writer.join()
    assert "other" in os.listdir(tmp_path / "sync")
    told = [line for line in caplog.messages if line.startswith("FILEFAILED") and "still-changing" in line]
    assert len(told) == 1
    assert "attempts=10" in told[0]
    for _ in range(3):
        poll_ftp(mailbox, any_server)
        time.sleep(0.3)
    assert (tmp_path / "sync/growing.log").read_bytes() == target.read_bytes()
    mailbox.journal.close()
