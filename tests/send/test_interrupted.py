"""A send that was interrupted goes on under its id, from where it was; or is given up on request only."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rsyncd import Rsyncd
from tests.send.running import DATALESS, MINISEED, Send, await_true, finish

pytestmark = [pytest.mark.interop, pytest.mark.slow]  # each sends half of something, slowly

BIG = 600_000


def took(send: Send, name: str) -> list[int]:
    """Return the bytes that each time went over the wire for one file."""
    return [file.took for file in send.server.received() if file.path.endswith(f"/{name}")]


# -- the server ends -----------------------------------------------------------------------------------------------


def test_only_the_missing_part_is_sent_again_when_the_connection_broke(send: Send) -> None:
    with send.half_way() as process:
        (id_,) = send.states()
        for client in [one for one in send.family() if one.name() == "rsync"]:
            client.kill()
        done = finish(process)
        await_true((send.server.incoming / id_ / "big").exists)  # where the server keeps what has come of it
    assert done.code == 1
    assert done.stdout == ""
    assert id_ in done.stderr
    assert "--resume" in done.stderr
    assert send.send().id == id_
    send.assert_complete(id_)
    assert len(took(send, "FR.A.mseed")) == 1
    (second,) = took(send, "big")
    assert second < BIG * 0.9, "nothing of the first part was used"
    assert send.booked() == [id_]


def test_files_that_arrived_are_not_sent_again_when_the_server_was_killed(send: Send) -> None:
    with send.half_way() as process:
        send.server.kill()
        done = finish(process)
    assert done.code == 1
    (id_,) = send.states()
    send.server.start()
    assert send.send().id == id_
    send.assert_complete(id_, after_a_kill=True)
    assert [len(took(send, name)) for name in ("FR.A.mseed", "FR.B.mseed", "FR.C.mseed", "big")] == [1, 1, 1, 1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_connection_that_breaks_is_made_again_by_itself(send: Send, number: signal.Signals) -> None:
    send.configure("rsync", rsync_retries=3)
    with send.half_way() as process:
        send.server.drop(number)
        done = finish(process)
    assert done.code == 0, done.stderr
    send.assert_complete(done.id, after_a_kill=True)
    assert len(took(send, "FR.A.mseed")) == 1
    assert done.stderr


def test_a_server_that_falls_silent_in_the_middle_is_given_up(send: Send) -> None:
    """With more to send than the buffers between hold: while they take it, rsync calls that progress."""
    send.configure("rsync", rsync_timeout=2)
    with send.half_way(size=30_000_000) as process:
        send.server.drop(signal.SIGSTOP)
        done = finish(process)
        send.server.drop(signal.SIGCONT)
    assert done.code == 1
    assert send.family() == []
    (id_,) = send.states()
    assert send.send().id == id_
    send.assert_complete(id_, after_a_kill=True)


# -- the disk of the server ----------------------------------------------------------------------------------------


def test_a_full_disk_at_the_server_is_said_and_gone_on_with_when_there_is_room(
    tmp_path: Path, make_rsyncd: Callable[..., Rsyncd], make_disk: Callable[[str], Path]
) -> None:
    disk = make_disk("300k")
    send = Send(tmp_path / "node", make_rsyncd(incoming=disk))
    send.put_some()
    send.put("big", os.urandom(BIG))
    done = send.send(expect=1)
    assert done.stdout == ""
    assert re.search("[Nn]o space left", done.stderr)
    assert send.logbook() == []
    (id_,) = send.states()
    subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
    assert send.send().id == id_
    send.assert_complete(id_)
    assert send.booked() == [id_]


# -- the command ends ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["INT", "TERM", "HUP"]
)
def test_a_signal_ends_the_send_with_its_rsync_and_it_can_be_resumed(
    send: Send, number: signal.Signals, code: int
) -> None:
    with send.half_way() as process:
        process.send_signal(number)
        done = finish(process)
        await_true(lambda: send.family() == [])
    assert (done.code, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert list(send.work.iterdir()) == []
    assert list(send.states().values()) == ["sending"]
    (id_,) = send.states()
    assert send.send().id == id_
    send.assert_complete(id_, after_a_kill=True)


def test_no_rsync_outlives_a_command_that_is_killed(send: Send) -> None:
    with send.half_way() as process:
        process.kill()
        await_true(lambda: send.family() == [])


def test_what_a_kill_leaves_at_the_server_is_no_other_file_under_a_name(send: Send) -> None:
    """An rsync that gets SIGTERM while it waits for its limit of bandwidth sends a small file again, as the next one.

    With one size and time for all nobody would notice. It happens every other time, so it is tried some times.
    """
    names = [f"f{number:02}" for number in range(12)]
    for number, name in enumerate(names):
        send.put(name, random.Random(number).randbytes(60_000))
    send.configure("limits", bandwidth_max=600)
    for name in names[2:8]:
        with send.starting("--restart") as process:
            await_true(lambda name=name: process.poll() is not None or any(send.server.incoming.glob(f"*/{name}")))
            process.kill()
            await_true(lambda: send.family() == [])
    found = send.server.incoming.glob("*/f*")
    whole = [path for path in found if path.stat().st_mtime and path.stat().st_size == 60_000]
    assert len(whole) > len(names)
    assert [path for path in whole if path.read_bytes() != (send.data / path.name).read_bytes()] == []


@pytest.mark.parametrize(
    ("zeros", "arguments"), [(0, ""), (160_000, "--compress --compress-choice=zlibx")], ids=["plain", "compressed"]
)
def test_what_somebody_else_ends_is_corrected(send: Send, zeros: int, arguments: str) -> None:
    """As above, when a machine is shut down or an operator ends all rsyncs; also of files that are small only then."""
    names = [f"f{number:02}" for number in range(12)]
    for number, name in enumerate(names):
        send.put(name, random.Random(number).randbytes(40_000) + bytes(zeros))
    send.configure("rsync", rsync_retries=3, rsync_extra_args=arguments)
    send.configure("limits", bandwidth_max=600)
    for name in names[3:6]:
        arrived = f"*/{name}"
        before = len(list(send.server.incoming.glob(arrived)))
        with send.starting("--restart") as process:
            await_true(
                lambda before=before, arrived=arrived: (
                    process.poll() is not None or len(list(send.server.incoming.glob(arrived))) > before
                )
            )
            for one in send.family():
                if one.name() == "rsync":
                    one.terminate()
            done = finish(process)
        assert done.code == 0, done.stderr
        assert "trying again" in done.stderr
        send.assert_complete(done.id, after_a_kill=True)


def test_only_rsync_and_its_guard_have_the_password_in_their_environment(send: Send) -> None:
    with send.half_way() as process:
        family = send.family()
        having = [one for one in family if send.server.password in one.environ().values()]
        assert [one for one in having if one.name() == "rsync"]
        assert not [one for one in having if one.name() != "rsync" and "guard" not in " ".join(one.cmdline())]
        assert not [one for one in family if send.server.password in " ".join(one.cmdline())]
        assert process.poll() is None


def test_a_send_ends_when_its_time_is_over(send: Send) -> None:
    send.put("big", random.Random(7).randbytes(2_000_000))
    send.configure("limits", send_max_duration=5, bandwidth_max=20)
    assert "send max duration" in send.send(expect=1).stderr
    assert send.family() == []
    (id_,) = send.states()
    send.configure("limits", send_max_duration=600, bandwidth_max="")
    assert send.run("--resume").stdout == f"{id_}\n"


# -- going on ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["again", "all", "one", "demanded"])
def test_an_interrupted_send_goes_on_under_its_id(send: Send, how: str) -> None:
    id_ = send.interrupt()
    words = {
        "again": ["-s", f"{send.data}/", "-d", MINISEED],
        "all": ["--resume"],
        "one": ["--resume", id_],
        "demanded": ["-s", f"{send.data}/", "-d", MINISEED, "--resume"],
    }[how]
    done = send.run(*words)
    assert done.id == id_
    assert id_ in done.stderr, "that it is resumed is said"
    send.assert_complete(id_)
    assert send.booked() == [id_]
    assert send.states() == {id_: "sent"}


def test_nothing_to_resume_is_said_on_a_terminal_only(send: Send) -> None:
    """Cron would mail it every night."""
    send.put_some()
    done = send.run("--resume")
    assert (done.stdout, done.stderr) == ("", "")
    assert "no transaction is unfinished" in send.on_terminal("--resume")


def test_a_resume_that_finds_nothing_to_resume_sends_nothing(send: Send) -> None:
    send.put_some()
    done = send.send("--resume", expect=1)
    assert done.stdout == ""
    assert send.server.received() == []


def test_an_id_that_is_not_known_is_not_resumed(send: Send) -> None:
    assert "ABCD1234" in send.run("--resume", "ABCD1234", expect=1).stderr


def test_all_that_can_be_resumed_is_resumed_though_one_cannot(send: Send) -> None:
    good = send.interrupt()
    first, send.data = send.data, send.home / "second"
    send.data.mkdir()
    bad = send.interrupt()
    send.put("FR.A.mseed", b"changed")
    done = send.run("--resume", expect=1)
    assert done.stdout == f"{good}\n"
    assert "FR.A.mseed" in done.stderr
    assert send.states() == {good: "sent", bad: "sending"}
    send.data = first
    send.assert_complete(good)


def test_an_unfinished_send_of_another_type_is_not_taken_for_this_one(send: Send) -> None:
    id_ = send.interrupt()
    done = send.run("-s", f"{send.data}/", "-d", DATALESS, expect=1)
    assert id_ in done.stderr
    assert "--restart" in done.stderr
    assert send.states() == {id_: "sending"}


def test_a_resumed_send_is_counted_against_the_limits_once(send: Send) -> None:
    id_ = send.interrupt()
    send.configure("limits", weekly_max_size=0.001)
    assert send.send().id == id_


def test_a_directory_that_changed_meanwhile_is_refused_with_the_differences(send: Send) -> None:
    id_ = send.interrupt()
    send.put("new", b"x")
    (send.data / "FR.A.mseed").unlink()
    send.put("FR.B.mseed", b"shorter")
    os.utime(send.data / "2026/day one/FR.C.mseed", (1_800_000_000, 1_800_000_000))
    before = send.server.received()
    done = send.send(expect=1)
    assert done.stdout == ""
    lines = {line.strip() for line in done.stderr.splitlines()}
    for words in ("new: is new", "FR.A.mseed: is gone", "FR.B.mseed: has 7 bytes, had 3001", "FR.C.mseed: has another"):
        assert any(words in line for line in lines), (words, lines)
    assert "--restart" in done.stderr
    assert send.states() == {id_: "sending"}
    assert send.server.received() == before
    assert send.logbook() == []


def test_a_restart_gives_up_the_old_id_and_sends_under_a_new_one(send: Send) -> None:
    old = send.interrupt()
    send.put("new", b"x")
    done = send.send("--restart")
    assert done.id != old
    assert old in done.stderr
    send.assert_complete(done.id)
    assert send.states() == {old: "abandoned", done.id: "sent"}
    assert send.booked() == [done.id]
    assert send.run("--resume").said == ""


def test_a_restart_that_cannot_begin_gives_nothing_up(send: Send) -> None:
    """Only a new transaction takes the place of the old one."""
    old = send.interrupt()
    send.server.stop()
    send.send("--restart", expect=1)
    assert send.states() == {old: "sending"}


def test_a_test_run_of_an_unfinished_send_says_so_and_changes_nothing(send: Send) -> None:
    id_ = send.interrupt()
    before = send.server.received()
    done = send.send("-t")
    assert id_ in done.stdout
    assert send.states() == {id_: "sending"}
    assert send.server.received() == before


def test_an_unfinished_send_is_pending(send: Send) -> None:
    id_ = send.interrupt()
    done = send.run("--pending", expect=75)
    assert id_ in done.stdout
    assert str(send.data) in done.stdout
    assert "--resume" in done.said
