"""A signal that ends the program becomes an exception, once, and leaves nothing behind."""

import os
import signal
import threading

import pytest

from ftpretrieve import signals
from ftpretrieve.signals import ENDING, Ended


@pytest.fixture(autouse=True)
def usual():
    """Give both their default meaning, whoever runs the tests."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_each_is_raised_with_the_code_that_a_shell_reports(number, code):
    """Whoever called us reads the code as that of a program which the signal ended."""
    with pytest.raises(Ended) as raised, signals.raised():
        os.kill(os.getpid(), number)
    assert raised.value.exit_code == code


def test_a_second_one_does_not_disturb_what_the_first_began():
    """Things are put in order on the way out, and a service manager that repeats itself must not stop that."""
    order = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            for number in ENDING:
                os.kill(os.getpid(), number)
            order.append("kept")

    with pytest.raises(Ended), signals.raised():
        work()
    assert order == ["kept"]


def test_what_is_ignored_stays_so():
    """Under nohup the end of the session is no end."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals.raised():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_afterwards_each_means_what_it_meant():
    """Also after one of them came."""
    with pytest.raises(Ended), signals.raised():
        os.kill(os.getpid(), signal.SIGTERM)
    assert [signal.getsignal(number) for number in ENDING] == [signal.SIG_DFL, signal.SIG_DFL]


def test_another_thread_can_use_it_and_handles_nothing():
    """Python would refuse to set a handler there."""
    seen = []

    def work():
        with signals.raised():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]
