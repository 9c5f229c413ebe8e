"""Several commands at once: one directory is sent by one of them, and the logbook has the entries of all."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.send.running import MINISEED, Send, finish

pytestmark = [pytest.mark.interop, pytest.mark.slow]


@pytest.mark.parametrize("spelling", ["with slash", "without slash", "link", "restart", "resume", "test"])
def test_a_directory_that_is_being_sent_is_not_sent_by_another(send: Send, spelling: str) -> None:
    """Whatever name it goes by; who is at work is said."""
    link = send.home / "link"
    link.symlink_to(send.data)
    words = {
        "with slash": ["-s", f"{send.data}/", "-d", MINISEED],
        "without slash": ["-s", send.data, "-d", MINISEED],
        "link": ["-s", f"{link}/", "-d", MINISEED],
        "restart": ["-s", f"{send.data}/", "-d", MINISEED, "--restart"],
        "resume": ["--resume"],
        "test": ["-t", "-s", f"{send.data}/", "-d", MINISEED],
    }[spelling]
    with send.half_way() as process:
        (id_,) = send.states()
        second = send.run(*words, expect=None if spelling == "test" else 1)
        if spelling != "test":
            assert second.stdout == ""
            assert str(process.pid) in second.stderr
        first = finish(process)
    assert first.code == 0
    assert first.id == id_
    assert send.booked() == [id_]
    send.assert_complete(id_)
    assert send.states() == {id_: "sent"}


def test_of_many_that_begin_at_once_one_sends(send: Send) -> None:
    send.put_some()
    send.put("big", os.urandom(100_000))
    send.configure("limits", bandwidth_max=50)
    with ExitStack() as stack:
        running = [stack.enter_context(send.starting()) for _ in range(4)]
        done = [finish(process) for process in running]
    (id_,) = send.states()
    assert {one.stdout for one in done} <= {f"{id_}\n", ""}
    assert [one.code for one in done if one.stdout] == [0] * sum(bool(one.stdout) for one in done)
    assert any(one.code == 0 for one in done)
    assert send.booked() == [id_]
    send.assert_complete(id_)
    assert len(send.server.received()) == 5


def test_sends_of_different_directories_at_once_are_all_in_the_logbook(send: Send, tmp_path: Path) -> None:
    directories = [tmp_path / f"data{number}" for number in range(5)]
    for directory in directories:
        directory.mkdir()
        (directory / "file").write_text(directory.name)
    with ExitStack() as stack:
        running = [stack.enter_context(send.start("-s", f"{path}/", "-d", MINISEED)) for path in directories]
        done = [finish(process) for process in running]
    assert [one.code for one in done] == [0] * 5, [one.stderr for one in done]
    ids = [one.id for one in done]
    assert sorted(send.booked()) == sorted(ids)
    for id_, directory in zip(ids, directories, strict=True):
        assert (send.server.incoming / id_ / "file").read_text() == directory.name
        assert (send.server.incoming / id_ / f"{id_}.xml").exists()
