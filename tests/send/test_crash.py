"""A send that is killed at any step, or at any time, ends as one transaction, under one id, with one entry."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rsyncd import Rsyncd
from tests.send.killer import at_change
from tests.send.running import MINISEED, Send, await_true, finish

pytestmark = [pytest.mark.interop, pytest.mark.crash, pytest.mark.slow]

MOST_CHANGES = 400
"""A send makes some dozens of changes: a run that is still killed after so many is killed by something else."""

SEED = 20261121
OTHERS = [{"date": "2014-05-07T10:00:00Z", "node": "TEST", "directory": "/data/2014", "transactionID": "ABCD1234",
           "size": 12.5, "datatype": MINISEED, "operator": "Zoé"}]  # fmt: skip


def killed_at(send: Send, number: int, *words: str | Path) -> bool:
    """Run it until it is killed at that change, or to its end, and return whether it was killed."""
    environment = send.environment()
    environment |= at_change(send.programs, number)
    environment["PYTHONPATH"] = f"{send.programs}:{environment['PYTHONPATH']}"
    with send.popen(*words, env=environment) as process:
        done = finish(process)
    assert done.code in (0, -signal.SIGKILL), (number, done)
    await_true(lambda: send.family() == [])
    return done.code != 0


def assert_one_transaction(send: Send, *, content: bool = True, and_again: bool = True) -> str:
    """Check that the directory became one transaction, whole, with `and_again` that no more is done; return its id."""
    (id_,) = send.states()
    assert send.states() == {id_: "sent"}
    assert send.logbook()[: len(OTHERS)] == OTHERS
    assert send.booked() == [*(str(entry["transactionID"]) for entry in OTHERS), id_]
    assert [path.name for path in send.server.incoming.iterdir()] == [id_]
    send.assert_complete(id_, "" if content else "data/", after_a_kill=True)
    if not and_again:
        return id_
    received = send.server.received()
    again = send.run("--resume")
    assert (again.stdout, again.stderr) == ("", "")
    assert send.send(content=content).id == id_
    assert send.server.received() == received
    return id_


def cut_off(send: Send) -> str:
    """Kill a send as soon as it has begun, and return its id."""
    with send.starting() as process:
        await_true(lambda: send.states() or process.poll() is not None)
        process.kill()
    assert send.logbook() == OTHERS, finish(process)
    (id_,) = send.states()
    return id_


def fresh(directory: Path, centre: Rsyncd) -> Send:
    """Return a command that has not sent anything yet, and empty the data centre."""
    for path in centre.incoming.iterdir():
        shutil.rmtree(path)
    send = Send(directory, centre)
    send.book.write_text(json.dumps(OTHERS))
    send.put_some()
    (send.data / "nothing").mkdir()
    return send


@pytest.mark.parametrize("content", [True, False], ids=["content, sent again", "itself, resumed"])
def test_killed_at_any_step_it_is_one_transaction_in_the_end(centre: Rsyncd, tmp_path: Path, content: bool) -> None:
    """The odd steps send the content and send it again; the even ones send the directory, and --resume goes on."""
    complete_unawares = 0
    for number in range(2 - content, MOST_CHANGES, 2):
        send = fresh(tmp_path / f"kill{number}", centre)
        words = ["-s", f"{send.data}{'/' if content else ''}", "-d", MINISEED]
        was_killed = killed_at(send, number, *words)
        begun = set(send.states())
        send.logbook()  # can be read
        if not content:
            away = send.home / "away"
            if is_complete_unawares(send):
                complete_unawares += 1
                send.data.rename(away)  # what is complete needs the directory no more
            resumed = send.run("--resume")
            assert resumed.stdout == "" or {resumed.id} == begun
            if away.exists():
                away.rename(send.data)
        id_ = send.run(*words).id
        assert begun <= {id_}, number
        assert assert_one_transaction(send, content=content, and_again=number % 5 == 0) == id_
        if not was_killed:
            assert number > 10, "nothing was killed"
            assert content or complete_unawares
            return
    pytest.fail("it never came to its end")


def is_complete_unawares(send: Send) -> bool:
    """Return whether the data centre has all of a transaction, and here nobody knows."""
    return any(
        list(send.server.incoming.glob(f"*/{id_}.xml")) for id_, is_ in send.states().items() if is_ == "sending"
    )


def test_a_resume_that_is_killed_at_any_step_is_still_one_transaction(centre: Rsyncd, tmp_path: Path) -> None:
    for number in range(1, MOST_CHANGES, 3):
        send = fresh(tmp_path / f"kill{number}", centre)
        id_ = cut_off(send)
        was_killed = killed_at(send, number, "--resume")
        send.run("--resume")
        assert assert_one_transaction(send, and_again=number % 5 == 0) == id_
        if not was_killed:
            return
    pytest.fail("it never came to its end")


def test_a_restart_that_is_killed_at_any_step_leaves_one_transaction_to_go_on_with(
    centre: Rsyncd, tmp_path: Path
) -> None:
    """The old one is given up for the new one, or not at all."""
    for number in range(1, MOST_CHANGES, 4):
        send = fresh(tmp_path / f"kill{number}", centre)
        old = cut_off(send)
        was_killed = killed_at(send, number, "-s", f"{send.data}/", "-d", MINISEED, "--restart")
        states = send.states()
        assert len(states) <= 2
        assert states[old] in ("sending", "abandoned")
        new = next(iter(set(states) - {old}), None)
        expected = new or (old if states[old] == "sending" else None)
        id_ = send.send().id
        assert expected in (id_, None)
        assert send.booked() == ["ABCD1234", id_]
        send.assert_complete(id_, after_a_kill=True)
        assert list(send.states().values()).count("sending") == 0
        if not was_killed:
            return
    pytest.fail("it never came to its end")


def test_a_repair_that_is_killed_at_any_step_loses_nothing(centre: Rsyncd, tmp_path: Path) -> None:
    damaged = json.dumps([OTHERS[0], {**OTHERS[0], "transactionID": "EFGH5678"}])[:-40]
    for number in range(1, MOST_CHANGES):
        send = fresh(tmp_path / f"kill{number}", centre)
        send.book.write_text(damaged)
        was_killed = killed_at(send, number, "--repair")
        assert damaged in [path.read_text() for path in send.home.iterdir() if path.is_file()]
        await_true(lambda: send.run("--repair", expect=None).code == 0)  # noqa: B023 - its name for a copy has seconds
        assert send.logbook() == OTHERS
        assert damaged in [path.read_text() for path in send.home.iterdir() if path.is_file()]
        if not was_killed:
            return
    pytest.fail("it never came to its end")


@pytest.mark.parametrize("part", range(2))
def test_killed_at_any_time_again_and_again_it_is_one_transaction_in_the_end(
    centre: Rsyncd, tmp_path: Path, part: int
) -> None:
    source = random.Random(SEED + part)
    for round_ in range(4):
        send = fresh(tmp_path / f"kill{round_}", centre)
        send.put("big", source.randbytes(2_000_000))
        send.configure("limits", bandwidth_max=4000)
        ids: set[str] = set()
        longest = 0.6
        while True:
            victim = source.choice([*["command"] * 4, "server"])
            with send.starting() as process:
                if ended(process, source.uniform(0.05, longest)):
                    done = finish(process)
                    if done.code == 0:
                        break
                elif victim == "server":
                    centre.kill()
                    finish(process)
                    centre.start()
                process.kill()
            await_true(lambda: send.family() == [])  # noqa: B023
            send.logbook()  # can be read
            ids |= set(send.states())
            assert len(ids) <= 1
            longest *= 1.15
        assert assert_one_transaction(send) in ids or not ids


def ended(process: object, within_secs: float) -> bool:
    """Return whether the command comes to its end by itself in that time."""
    end = time.monotonic() + within_secs
    poll: Callable[[], int | None] = process.poll  # type: ignore[attr-defined]
    while poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    return poll() is not None
