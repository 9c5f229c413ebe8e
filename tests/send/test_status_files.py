"""What can be wrong with single status files at the data centre, and what is waited for: nobody hides the others."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rsyncd import Rsyncd, without_root_rights
from tests.send.running import COMMAND, MINISEED, REAL_RSYNC, Send, await_true, finish
from tests.send.test_asking import FIELDS, answer, process

pytestmark = [pytest.mark.interop, pytest.mark.slow]

TOO_LARGE = 64 * 1024**2 + 1


@pytest.fixture
def centre(make_rsyncd: Callable[..., Rsyncd]) -> Rsyncd:
    """Return a data centre whose server has no more rights than the modes of the files give it."""
    return make_rsyncd(obeys_modes=True)


def book(send: Send, *ids: str) -> None:
    """Have sent transactions, as another program would note them, so that they are pending."""
    rows = [("2099-01-01T00:00:00Z", "TEST", f"/data/{id_}", id_, 0.5, MINISEED) for id_ in ids]
    send.book.write_text(json.dumps([dict(zip(FIELDS, row, strict=True)) for row in rows]))


def unreadable(send: Send, id_: str) -> None:
    answer(send, id_, 8)
    (send.server.statuses / f"{id_}.xml").chmod(0)


def large(send: Send, id_: str) -> None:
    with (send.server.statuses / f"{id_}.xml").open("wb") as file:
        file.truncate(TOO_LARGE)


def last_fields(stdout: str) -> dict[str, str]:
    rows = [line.split("\t") for line in stdout.splitlines()]
    return {row[0]: row[-1] for row in rows}


def logins(send: Send) -> int:
    return send.server.log_text().count("rsync on TRANSACTION_XML")


# -- one that cannot be had -------------------------------------------------------------------------------------------

TROUBLES: dict[str, tuple[Callable[[Send, str], None], str]] = {
    "unreadable": (unreadable, "cannot read AAAA0002.xml (Permission denied (13)); ask the data centre"),
    "large": (large, "the status of AAAA0002 at the data centre is larger than 64 MiB, which no status is"),
}


@pytest.mark.parametrize("case", TROUBLES)
def test_a_status_that_cannot_be_had_does_not_hide_the_others(send: Send, case: str) -> None:
    """Each has its line, out of one call; among them is one without a status, which rsync tells in the same way."""
    break_it, words = TROUBLES[case]
    book(send, "AAAA0001", "AAAA0002", "AAAA00022", "AAAA0003")  # one begins like another
    answer(send, "AAAA0001", 4)
    answer(send, "AAAA0003", 8, process("p", 0))
    break_it(send, "AAAA0002")
    data = [json.loads(line) for line in send.run("--pending", "--json", expect=1).stdout.splitlines()]
    assert [one["id"] for one in data if words in one.get("error", "")] == ["AAAA0002"]
    answer(send, "AAAA0003", 4)  # for it is said to have ended only once
    before = logins(send)
    lines = last_fields(send.run("--pending", expect=1).stdout)
    assert logins(send) == before + 1
    assert lines.pop("AAAA0002").startswith("its status cannot be read: ")
    assert lines == {
        "AAAA0001": "unfinished: 4, received and being analysed",
        "AAAA00022": "unfinished: sent, and the data centre has no status of it yet",
    }


@pytest.mark.parametrize("case", TROUBLES)
@pytest.mark.parametrize("words", [["-r"], ["--status"], ["--wait", "1", "--status"]], ids=" ".join)
def test_a_status_that_cannot_be_had_is_an_error_with_its_reason(send: Send, case: str, words: list[str]) -> None:
    """That there is none would be untrue."""
    break_it, expected = TROUBLES[case]
    break_it(send, "AAAA0002")
    done = send.run(*words, "AAAA0002", expect=1)
    assert (done.stdout, expected in done.stderr) == ("", True), done.stderr


def test_nothing_of_a_status_that_is_too_large_is_fetched(send: Send) -> None:
    large(send, "AAAA0002")
    send.run("-r", "AAAA0002", expect=1)
    sent = send.server.log_text().rpartition("\n")[0].rpartition(" sent ")[2]
    assert int(sent.split()[0]) < 10_000
    assert list(send.work.iterdir()) == []


def test_the_mode_of_a_status_does_not_matter_here(make_rsyncd: Callable[..., Rsyncd], tmp_path: Path) -> None:
    """Whoever may read everything there gives it to those who may not, here."""
    powerful = make_rsyncd()
    if os.getuid():
        pytest.skip("only root has a server that may read everything")
    send = Send(tmp_path / "other", powerful)
    unreadable(send, "AAAA0002")
    argv = [*without_root_rights(), *COMMAND, "-c", str(send.config), "--status", "AAAA0002"]
    done = finish(send.spawn(argv))
    assert (done.code, "finished clean" in done.stdout) == (0, True), done.stderr


def test_a_status_that_goes_away_while_it_is_asked_for_is_none_yet(send: Send) -> None:
    """As when it is replaced without care: rsync ends with code 24, and the next answer has it."""
    book(send, "AAAA0001", "AAAA0002")
    answer(send, "AAAA0001", 4)
    told = 'file has vanished: \\"/AAAA0002.xml\\" (in TRANSACTION_XML)'
    send.program("rsync", f'{REAL_RSYNC} "$@"; code=$?; (( $# > 1 )) || exit $code; echo "{told}" >&2; exit 24')
    lines = last_fields(send.run("--pending", expect=75).stdout)
    assert lines == {
        "AAAA0001": "unfinished: 4, received and being analysed",
        "AAAA0002": "unfinished: sent, and the data centre has no status of it yet",
    }


def test_a_directory_in_the_place_of_a_status_is_not_looked_into(send: Send) -> None:
    """Whatever the configuration says for data: there may be any number of files in it, and what nobody may read."""
    send.configure("rsync", rsync_extra_args="--recursive")
    book(send, "AAAA0001", "AAAA0002", "AAAA0003")
    answer(send, "AAAA0001", 4)
    full, locked = (send.server.statuses / f"AAAA000{number}.xml" for number in (2, 3))
    full.mkdir()
    (full / "file").touch()
    locked.mkdir(mode=0)
    lines = last_fields(send.run("--pending", expect=75).stdout)
    assert lines.pop("AAAA0001") == "unfinished: 4, received and being analysed"
    assert set(lines.values()) == {"unfinished: sent, and the data centre has no status of it yet"}
    assert "AAAA0002.xml/file" not in send.server.log_text()


@pytest.mark.parametrize("words", [["--pending"], ["--status", "AAAA0001", "--wait", "1"]], ids=" ".join)
def test_what_concerns_all_of_them_is_still_an_error(send: Send, words: list[str]) -> None:
    """When the directory cannot be looked into, nothing is known of any."""
    book(send, "AAAA0001")
    send.server.statuses.chmod(0o600)
    try:
        done = send.run(*words, expect=1)
    finally:
        send.server.statuses.chmod(0o700)
    assert (done.stdout, "ask the data centre" in done.stderr) == ("", True), done.stderr


# -- waiting ----------------------------------------------------------------------------------------------------------


def is_finished(send: Send) -> None:
    answer(send, "AAAA0001", 8, process("p", 0))


def comes_back(send: Send) -> None:
    is_finished(send)
    send.server.start()


def becomes_readable(send: Send) -> None:
    (send.server.statuses / "AAAA0001.xml").chmod(0o600)


HEALING: dict[str, tuple[Callable[[Send], Any], Callable[[Send], Any]]] = {
    "no server": (lambda send: send.server.stop(), comes_back),
    "half a file": (lambda send: (send.server.statuses / "AAAA0001.xml").write_text("<transa"), is_finished),
    "unreadable": (lambda send: unreadable(send, "AAAA0001"), becomes_readable),
    "large": (lambda send: large(send, "AAAA0001"), is_finished),
}


def attempts(send: Send) -> int:
    """Return how often it was asked, from the log of the command."""
    return send.log_text().count(" RSYNC ")


@pytest.mark.parametrize("case", HEALING)
def test_what_heals_is_waited_for(send: Send, case: str) -> None:
    begin, heal = HEALING[case]
    begin(send)
    with send.start("--status", "AAAA0001", "--wait", "60") as running:
        await_true(lambda: attempts(send) == 2)
        assert running.poll() is None
        heal(send)
        done = finish(running)
    assert (done.code, "finished clean" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    "script",
    [
        *(f'echo "rsync: trouble" >&2; exit {code}' for code in (5, 10, 12, 20, 30, 35)),
        "echo '@ERROR: max connections (1) reached -- try again later' >&2; exit 5",
        "sleep 60",
    ],
)
def test_each_trouble_that_can_heal_is_waited_for(send: Send, script: str) -> None:
    """Also that one asking takes as long as a send may; `sleep` is a server that keeps the connection alive."""
    answer(send, "AAAA0001", 8, process("p", 0))
    send.configure("limits", send_max_duration="1 s")
    broken = send.home / "broken"
    broken.touch()
    real = f'exec {REAL_RSYNC} "$@"'
    send.program("rsync", f"[[ $1 != --version && -e {broken} ]] || {real}\n{script}")
    with send.start("--status", "AAAA0001", "--wait", "60") as running:
        await_true(lambda: attempts(send) == 1)
        broken.unlink()
        done = finish(running)
    assert (done.code, "finished clean" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
@pytest.mark.parametrize("while_", ["pausing", "asking"])
def test_a_signal_ends_the_waiting(send: Send, number: signal.Signals, code: int, while_: str) -> None:
    """In the pauses between two questions, which get longer, and in a question that gets no answer."""
    if while_ == "pausing":
        send.server.stop()
    else:
        send.program("rsync", f'[[ $1 != --version ]] || exec {REAL_RSYNC} "$@"\ntouch {send.home}/asking; sleep 60')
    with send.start("--status", "AAAA0001", "--wait", "1 h") as running:
        asked = (lambda: attempts(send) == 3) if while_ == "pausing" else (send.home / "asking").exists
        await_true(asked)
        running.send_signal(number)
        done = finish(running)
        await_true(lambda: send.family() == [])
    assert (done.code, done.stdout, done.stderr) == (code, "", "")
    assert list(send.work.iterdir()) == []
