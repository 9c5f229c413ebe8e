"""When the next poll comes, what ends the loop and what does not. Time is given: waiting moves a clock."""

import os
import signal
import socket
import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest

from ftpretrieve.errors import (
    ConfigError,
    JournalError,
    LoginRefused,
    RemoteRefused,
    RemoteUnavailable,
    SessionExpired,
    StorageError,
)
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.loop import OVERDUE_SECS, Loop
from ftpretrieve.retrieve.mailbox import open_mailbox
from ftpretrieve.retrieve.notify import Notifier
from ftpretrieve.retrieve.orders import Orders, obey
from ftpretrieve.retrieve.records import Outcome, PollResult
from ftpretrieve.retrieve.session import open_logger
from tests.installation import Installation

SLEEP_SECS = 10
NOWHERE = SimpleNamespace(host="127.0.0.1", port=1, user="u", password="secret")

OK = PollResult()
REFUSED = PollResult(error=LoginRefused("530"), result=Outcome.REFUSED)


class GivenTime(Orders):
    """Orders whose waiting moves the clock and remembers how long it was."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.waits: list[float] = []
        self.while_waiting = lambda: None

    def wait(self, secs: float) -> None:
        self.waits.append(secs)
        self.now += secs
        self.while_waiting()


class Polls:
    """Sessions that end as a test wants them to, each after `secs`; when none is left, the loop is to stop."""

    def __init__(self, orders, *ends, secs=0.0):
        self._orders, self._ends, self._secs = orders, list(ends), secs
        self.begins: list[float] = []
        self.confs: list[AppConf] = []

    def poll(self, conf, mailbox):
        self.begins.append(self._orders.now - 1000.0)
        self.confs.append(conf)
        self._orders.now += self._secs
        end = self._ends.pop(0)
        if not self._ends:
            self._orders.order_stop("the test is over")
        if isinstance(end, Exception):
            raise end
        return end


@pytest.fixture
def orders():
    return GivenTime()


@pytest.fixture
def site(tmp_path):
    return Installation(tmp_path / "site", NOWHERE, sleep_in_seconds=SLEEP_SECS)


@pytest.fixture
def make_loop(site, orders):
    """Return a function that makes a loop over given ends of polls, and its polls."""
    conf = AppConf(site.config)
    with open_logger(conf, str(conf.daemon_log), debug=False, on_stderr=None) as log:
        mailbox = open_mailbox(conf, log, orders.stop)

        def make(*ends, secs=0.0):
            polls = Polls(orders, *ends, secs=secs)
            load = lambda: AppConf(site.config)  # noqa: E731
            return Loop(conf, mailbox, polls, orders, load, Notifier({}), lambda: orders.now), polls

        yield make
        mailbox.journal.close()


def test_intervals_count_from_the_beginning_of_a_poll(make_loop):
    """A poll of 4 s every 10 s is followed by 6 s of rest."""
    loop, polls = make_loop(OK, OK, OK, secs=4)
    loop.run()
    assert polls.begins == [0, 10, 20]


def test_a_poll_longer_than_the_interval_is_followed_by_the_next(make_loop):
    """None is left out, and none is made up for."""
    loop, polls = make_loop(OK, OK, OK, secs=25)
    loop.run()
    assert polls.begins == [0, 25, 50]


def test_a_refused_login_is_repeated_ever_less(make_loop, orders):
    """A minute, two, four ... an hour: no account is locked by us. A success forgets all that."""
    loop, _ = make_loop(*[REFUSED] * 9, OK, REFUSED, OK)
    loop.run()
    assert orders.waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 10, 60]


def test_an_absent_server_says_nothing_about_the_login(make_loop, orders):
    """It keeps its own interval and does not end the back-off."""
    away = PollResult(error=RemoteUnavailable("no route"), result=Outcome.UNREACHABLE)
    loop, _ = make_loop(REFUSED, away, REFUSED, OK)
    loop.run()
    assert orders.waits == [60, 10, 120]


@pytest.mark.parametrize(
    "error", [RemoteUnavailable("away"), RemoteRefused("no such directory"), StorageError("disk full")], ids=repr
)
def test_other_trouble_is_tried_again_at_the_next_poll(make_loop, orders, error):
    """Server away, directory missing, disk full: these end by themselves."""
    loop, _ = make_loop(*[PollResult(error=error)] * 3, OK)
    loop.run()
    assert orders.waits == [10, 10, 10]


@pytest.mark.parametrize(
    ("delivered", "left", "waits"),
    [(5, 7, []), (0, 7, [10]), (5, 0, [10])],
    ids=["work left", "nothing came", "nothing left"],
)
def test_a_session_that_ended_by_its_limit_goes_on_at_once_while_it_helps(make_loop, orders, delivered, left, waits):
    """Else a hundred thousand files would take weeks; and a server that gives nothing is not pressed."""
    limited = PollResult(error=SessionExpired("RETR"), result=Outcome.TIMEOUT, delivered=delivered, left=left)
    loop, _ = make_loop(limited, OK)
    loop.run()
    assert orders.waits == waits


def test_a_fault_of_ours_is_told_with_its_traceback_and_ends_nothing(make_loop, orders, site):
    """The files that come next must not wait for an operator."""
    loop, polls = make_loop(RuntimeError("never foreseen"), OK)
    loop.run()
    assert len(polls.begins) == 2
    assert orders.waits == [10]
    assert "RuntimeError: never foreseen" in site.log()
    assert "Traceback" in site.log()


def test_a_failing_journal_ends_the_loop(make_loop):
    """Never deliver without memory."""
    loop, polls = make_loop(JournalError("damaged"), OK)
    with pytest.raises(JournalError):
        loop.run()
    assert len(polls.begins) == 1


def test_a_poll_that_is_ordered_during_a_poll_follows_it(make_loop, orders):
    """What the order was for may have come too late for the one under way."""
    loop, polls = make_loop(OK, OK)
    orders.order_poll()
    loop.run()
    assert polls.begins == [0, 0]
    assert orders.waits == []


def test_a_reload_ends_the_back_off(make_loop, orders, site):
    """Whoever mended the password wants to see it work; the new configuration is used from then on."""
    loop, polls = make_loop(REFUSED, OK)
    site.configure(settle_secs=3, ftp_port=2)
    orders.order_reload()
    loop.run()
    assert orders.waits == [10]
    assert [conf.settle_secs for conf in polls.confs] == [0, 3]
    assert [conf.ftp_port for conf in polls.confs] == [1, 1], "a key that needs a restart"
    assert site.records("RELOADED") == ["RELOADED changed=settle_secs restart_needed=ftp_port"]


def test_a_refused_reload_changes_nothing(make_loop, orders, site):
    """Not even the back-off."""
    loop, polls = make_loop(REFUSED, OK)
    site.configure(settle_secs="x")
    orders.order_reload()
    loop.run()
    assert orders.waits == [60]
    assert polls.confs[0] is polls.confs[1]
    with pytest.raises(ConfigError):
        AppConf(site.config)


def test_the_pulse_shows_a_loop_that_hangs(make_loop, orders):
    """Overdue is what should have gone on long ago: a poll beyond its limit, a rest beyond its end."""
    loop, polls = make_loop(OK, OK)
    seen = []

    def poll(conf, mailbox):
        seen.append(loop.pulse())
        orders.now += conf.ftp_duration_secs + OVERDUE_SECS
        seen.append(loop.pulse())
        orders.now += 1
        seen.append(loop.pulse())
        orders.order_stop("the test is over")
        return OK

    polls.poll = poll
    loop.run()
    assert [(pulse.state, pulse.overdue) for pulse in seen] == [
        ("polling", False),
        ("polling", False),
        ("polling", True),
    ]
    assert seen[1].poll_age_secs == 300 + OVERDUE_SECS


def test_the_pulse_while_waiting(make_loop, orders):
    """State, age and counts are there for the heartbeat."""
    loop, _ = make_loop(REFUSED, OK)
    seen = []
    orders.while_waiting = lambda: seen.append(loop.pulse())
    loop.run()
    assert [(pulse.state, pulse.overdue, pulse.poll_age_secs) for pulse in seen] == [("backing-off", False, 60)]


# -- orders and signals -----------------------------------------------------------------------------------------------


def test_signals_never_meet_the_main_thread_inside_an_event():
    """A handler that sets the event which the main thread is just entering would wait for ever."""
    orders, over = Orders(), threading.Event()
    count = [0]

    def order() -> None:
        count[0] += 1
        orders.order_poll()

    def bombard() -> None:
        for _ in range(3000):
            os.kill(os.getpid(), signal.SIGUSR1)
        over.set()

    with obey({signal.SIGUSR1: order}):
        thread = threading.Thread(target=bombard)
        thread.start()
        while not over.is_set():
            orders.wait(0.0001)
        thread.join()
    assert count[0] > 0
    assert orders.take_poll()
    assert not orders.take_poll()


def test_the_handlers_of_the_caller_come_back():
    """`go` is a guest in the process of others."""
    before = signal.getsignal(signal.SIGUSR1)
    with obey({signal.SIGUSR1: lambda: None}):
        assert signal.getsignal(signal.SIGUSR1) is not before
    assert signal.getsignal(signal.SIGUSR1) is before
    assert not [thread for thread in threading.enumerate() if thread.name == "ftpretrieve-signals"]


def test_the_first_reason_to_stop_is_the_one_that_is_told():
    """SIGTERM after the shutdown string is only its echo."""
    orders = Orders()
    orders.order_stop("shutdown string")
    orders.order_stop("SIGTERM")
    assert orders.reason == "shutdown string"


# -- systemd ----------------------------------------------------------------------------------------------------------


def test_a_hanging_loop_is_not_kept_alive_by_the_watchdog():
    """WATCHDOG=1 answers for the loop; it stops when the loop does."""
    alive = threading.Event()
    alive.set()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0ftpretrieve-test-{os.getpid()}")
        notifier = Notifier({"NOTIFY_SOCKET": f"@ftpretrieve-test-{os.getpid()}", "WATCHDOG_USEC": "20000"})
        asked = threading.Event()

        def progresses() -> bool:
            asked.set()
            return alive.is_set()

        with notifier.alive_while(progresses):
            assert systemd.recv(100) == b"WATCHDOG=1"
            alive.clear()
            for _ in range(2):  # a beat that had begun before is over with the second question
                asked.clear()
                assert asked.wait()
            _drain(systemd)
            asked.clear()
            assert asked.wait()
            with pytest.raises(BlockingIOError):
                systemd.recv(100)


def _drain(sock: socket.socket) -> None:
    sock.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            sock.recv(100)


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "1000"}, {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}],
    ids=["no systemd", "no socket", "another process"],
)
def test_no_watchdog_is_fed_that_is_not_ours(environ):
    """The variables are inherited by whoever we start, and by us from whoever started us."""
    assert Notifier(environ).watchdog_secs == 0
    Notifier(environ).ready()  # a socket that does not exist is no reason to fail
