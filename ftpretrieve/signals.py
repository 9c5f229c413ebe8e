"""SIGTERM and SIGHUP as an exception, so that work which is ended from outside still puts its things in order.

Must not: end anything itself. `command` ends the program that it runs when an exception passes.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)


class Ended(KeyboardInterrupt):
    """One of them came. `exit_code`: as a shell reports it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.exit_code = 128 + number


@contextmanager
def raised() -> Iterator[None]:
    """Raise `Ended` at the first of them, SIGINT being raised by Python; what is ignored, as under nohup, stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python allows no handlers there, and delivers no signal
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _: FrameType | None) -> None:
    for other in ENDING:
        signal.signal(other, signal.SIG_IGN)  # things are being put in order
    raise Ended(number)
