"""A session ends when its time is over or the daemon stops, and the heartbeat tells how the loop is."""

import logging
import re
import socket
import threading
from collections.abc import Iterator

import pytest

from ftpretrieve.deadline import Deadline
from ftpretrieve.retrieve import watchdog
from ftpretrieve.retrieve.watchdog import Heartbeat, Pulse, Watchdog

CHECK_SECS = 0.01
"""So that several checks happen within a test."""


class Session:
    """A reader that blocks on a silent peer, as a network session does."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.aborts = 0
        self.aborted_by = ""
        self.fail_first = 0
        self.aborted = threading.Event()

    def abort(self) -> None:
        self.aborts += 1
        self.aborted_by = threading.current_thread().name
        if self.aborts <= self.fail_first:
            raise OSError(f"attempt {self.aborts}")
        self.ours.shutdown(socket.SHUT_RDWR)
        self.aborted.set()

    def read(self) -> bytes:
        return self.ours.recv(1)

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


class Kept(logging.Handler):
    """Keeps what is logged, and tells when there is something."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self.changed:
            self.records.append(record)
            self.changed.notify_all()

    def wait_for(self, count: int) -> list[tuple[str, str]]:
        with self.changed:
            self.changed.wait_for(lambda: len(self.records) >= count)
            return [(record.levelname, record.getMessage()) for record in self.records]


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session()
    yield session
    session.close()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def log(kept: Kept) -> logging.Logger:
    log = logging.Logger("test")  # noqa: LOG001  nobody else has this one
    log.addHandler(kept)
    return log


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every thread is joined, whatever the test did."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def test_a_blocked_session_is_aborted_when_its_time_is_over(log, session, stop):
    """The reader is freed by another thread; its server never said a word."""
    with Watchdog(log).watch(session, Deadline(0.05), stop):
        assert session.read() == b""
    assert session.aborted_by == "ftpretrieve-watchdog"


def test_a_blocked_session_is_aborted_when_the_daemon_stops(log, session, stop):
    """A stop does not wait for the session limit."""
    with Watchdog(log, CHECK_SECS).watch(session, Deadline(3600), stop):
        threading.Timer(0.02, stop.set).start()
        assert session.read() == b""


def test_a_session_within_its_time_is_left_alone(log, session, stop):
    """Also after many checks, and at the end of the block."""
    ticked = threading.Event()
    looks = []

    def clock() -> float:
        looks.append(1)
        if len(looks) > 20:
            ticked.set()
        return 0.0

    with Watchdog(log, CHECK_SECS).watch(session, Deadline(3600, clock), stop):
        ticked.wait()
    assert session.aborts == 0


def test_the_abort_is_repeated_until_the_block_is_left(log, session, stop):
    """A worker may open its next connection just after the first abort."""
    with Watchdog(log, CHECK_SECS).watch(session, Deadline(0), stop):
        for _ in range(3):
            session.aborted.wait()
            session.aborted.clear()
    after = session.aborts
    assert after >= 3
    assert not session.aborted.wait(5 * CHECK_SECS)
    assert session.aborts == after


def test_the_abort_is_repeated_at_checks_only(log, session, stop):
    """Not as fast as the processor can."""
    with Watchdog(log, check_secs=3600).watch(session, Deadline(0), stop):
        session.aborted.wait()
        session.aborted.clear()
        assert not session.aborted.wait(0.05)


def test_an_abort_that_fails_is_logged_once_and_tried_again(log, kept, session, stop):
    """Not twice a second for the rest of the night."""
    session.fail_first = 5
    with Watchdog(log, CHECK_SECS).watch(session, Deadline(0), stop):
        assert session.read() == b""
    assert session.aborts > 5
    assert [(record.levelname, str(record.exc_info[1])) for record in kept.records] == [("ERROR", "attempt 1")]


def test_an_error_in_the_block_ends_the_watch_and_goes_on(log, session, stop):
    """The watchdog hides nothing."""
    with pytest.raises(KeyError), Watchdog(log).watch(session, Deadline(3600), stop):
        raise KeyError
    assert session.aborts == 0


def test_an_abort_that_hangs_does_not_hang_the_poll(log, kept, session, stop, monkeypatch):
    """We go on without the thread, and say so."""
    monkeypatch.setattr(watchdog, "JOIN_SECS", 0.05)
    begun, free = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        free.wait()

    session.abort = hang
    with Watchdog(log, CHECK_SECS).watch(session, Deadline(0), stop):
        begun.wait()
    free.set()
    assert [record.getMessage() for record in kept.records] == ["thread ftpretrieve-watchdog did not end within 0.05 s"]
    for thread in threading.enumerate():
        if thread.name == "ftpretrieve-watchdog":
            thread.join()


def test_one_watchdog_serves_one_poll_after_another(log, session, stop):
    """The limit of the last poll does not end the next one."""
    dog = Watchdog(log, CHECK_SECS)
    with dog.watch(session, Deadline(0), stop):
        session.aborted.wait()
    fresh = Session()
    with dog.watch(fresh, Deadline(3600), stop):
        fresh.theirs.send(b"x")
        assert fresh.read() == b"x"
    fresh.close()
    assert fresh.aborts == 0


@pytest.mark.parametrize(
    ("pulse", "line"),
    [
        (Pulse("polling", 12.3456, 2, 1), ("INFO", "HEARTBEAT state=polling poll_age_secs=12.346 staged=2 failed=1")),
        (Pulse("starting", None, 0, 0), ("INFO", "HEARTBEAT state=starting staged=0 failed=0")),
        (
            Pulse("polling", 4000, 0, 0, overdue=True),
            ("WARNING", "HEARTBEAT state=polling poll_age_secs=4000 staged=0 failed=0"),
        ),
    ],
    ids=["polling", "before the first poll", "overdue"],
)
def test_a_beat_says_how_the_loop_is(log, kept, stop, pulse, line):
    """A WARNING when the loop is overdue, though the heartbeat's own thread is well."""
    Heartbeat(log, 60, lambda: pulse, stop).beat()
    assert kept.wait_for(1) == [line]


def test_it_beats_again_and_again_until_stopped(log, kept, stop):
    """One record an interval, none after the stop."""
    with Heartbeat(log, 0.01, lambda: Pulse("idle", 1.0, 0, 0), stop):
        lines = kept.wait_for(3)
    assert set(lines) == {("INFO", "HEARTBEAT state=idle poll_age_secs=1 staged=0 failed=0")}
    count = len(kept.records)
    assert not threading.Event().wait(0.05)
    assert len(kept.records) == count


def test_the_first_beat_comes_after_one_interval(log, kept, stop):
    """A start that fails at once leaves no heartbeat."""
    with Heartbeat(log, 3600, lambda: Pulse("idle", 1.0, 0, 0), stop):
        pass
    assert kept.records == []


def test_a_stop_ends_it_without_waiting_for_the_interval(log, stop):
    """The daemon's stop event is enough."""
    heartbeat = Heartbeat(log, 3600, lambda: Pulse("idle", 1.0, 0, 0), stop)
    heartbeat.start()
    stop.set()
    heartbeat.close()


def test_one_that_was_never_started_can_be_closed(log, stop):
    """A start that failed half-way cleans up everything."""
    Heartbeat(log, 3600, lambda: Pulse("idle", 1.0, 0, 0), stop).close()


def test_it_goes_on_when_the_loop_cannot_say_how_it_is(log, kept, stop):
    """That is a WARNING of its own; a monitor that goes silent tells nothing."""
    answers = iter([KeyError("staged"), Pulse("idle", 1.0, 0, 0)])

    def pulse() -> Pulse:
        answer = next(answers, Pulse("idle", 1.0, 0, 0))
        if isinstance(answer, Exception):
            raise answer
        return answer

    with Heartbeat(log, 0.01, pulse, stop):
        first, second = kept.wait_for(2)[:2]
    assert first[0] == "WARNING"
    assert re.fullmatch(r'HEARTBEAT state=unknown error="KeyError\(\'staged\'\)"', first[1])
    assert second[0] == "INFO"
