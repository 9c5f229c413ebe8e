"""What others may order a running poller to do, and the signals by which they do it.

Signal handlers must not set events: a handler runs between any two steps of the main thread, also while that holds the
very lock inside the event, and would wait for it for ever. So they only put a number into a queue that allows it, and a
small thread gives the order. Must not: carry anything out.
"""

import queue
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType


class Orders:
    """Orders from any thread. `stop` stays; a reload and a poll are taken once; `wake` is set by each of them."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.wake = threading.Event()
        self.reason = ""
        self._reload = threading.Event()
        self._poll = threading.Event()

    def order_stop(self, reason: str) -> None:
        """End, as soon as what was begun is safe."""
        self.reason = self.reason or reason
        self.stop.set()
        self.wake.set()

    def order_reload(self) -> None:
        """Read the configuration again."""
        self._reload.set()
        self.wake.set()

    def order_poll(self) -> None:
        """Poll now."""
        self._poll.set()
        self.wake.set()

    def take_reload(self) -> bool:
        """Say whether a reload was ordered since the last call."""
        return _take(self._reload)

    def take_poll(self) -> bool:
        """Say whether a poll was ordered since the last call."""
        return _take(self._poll)

    def wait(self, secs: float) -> None:
        """Wait for an order of any kind, at most so long."""
        if self.wake.wait(secs):
            self.wake.clear()


def _take(event: threading.Event) -> bool:
    if not event.is_set():
        return False
    event.clear()  # one that came since the line above is the same order
    return True


@contextmanager
def obey(actions: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """While in the block, do what a signal orders, in a thread of its own. Off the main thread: nothing at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: queue.SimpleQueue[int] = queue.SimpleQueue()  # its put() may interrupt itself

    def relay() -> None:
        while number := received.get():
            actions[signal.Signals(number)]()

    def handler(number: int, _: FrameType | None) -> None:
        received.put(number)

    thread = threading.Thread(target=relay, name="ftpretrieve-signals", daemon=True)
    thread.start()
    before = {number: signal.signal(number, handler) for number in actions}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)
        received.put(0)
        thread.join()
