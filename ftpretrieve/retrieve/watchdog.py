"""The two small threads that look at the loop from outside: one ends a session, the other says how the loop is.

Neither touches what the loop works with: the watchdog knows a deadline, an event and `abort()`, the heartbeat one
callable. Neither decides what happens next.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from ftpretrieve.deadline import Deadline
from ftpretrieve.logs import record

CHECK_SECS = 0.5
"""A session ends at most 2 s after its limit: this, plus the time a blocked thread needs to notice."""

JOIN_SECS = 5.0
"""A thread that outlives this hangs in foreign code (an `abort()`, a full pipe as log); we go on without it."""


class Abortable(Protocol):
    """A network session as the watchdog sees it."""

    def abort(self) -> None:
        """End everything that blocks, from any thread, any number of times."""


class Watchdog:
    """Ends sessions that last too long or are no longer wanted."""

    def __init__(self, log: logging.Logger, check_secs: float = CHECK_SECS) -> None:
        self._log = log
        self._check_secs = check_secs

    @contextmanager
    def watch(self, session: Abortable, deadline: Deadline, stop: threading.Event) -> Iterator[None]:
        """While in the block, abort the session once the deadline has expired or `stop` is set.

        Again at every check until the block is left: a worker may open its next connection just after one abort.
        """
        left = threading.Event()
        thread = threading.Thread(
            target=self._run, args=(session, deadline, stop, left), name="ftpretrieve-watchdog", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            left.set()
            _join(thread, self._log)

    def _run(self, session: Abortable, deadline: Deadline, stop: threading.Event, left: threading.Event) -> None:
        complained = False
        wait_secs = 0.0
        while not left.wait(wait_secs):
            due = deadline.expired or stop.is_set()
            wait_secs = self._check_secs if due else deadline.at_most(self._check_secs)
            if not due:
                continue
            try:
                session.abort()
            except Exception:  # noqa: BLE001  the next check must try again; said once, not twice a second
                if not complained:
                    self._log.exception("the session cannot be aborted, trying again every %g s", self._check_secs)
                complained = True


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the loop tells of itself. `poll_age_secs`: since the last poll began; None before the first."""

    state: str
    poll_age_secs: float | None
    staged: int
    failed: int
    overdue: bool = False


class Heartbeat:
    """Writes HEARTBEAT at fixed intervals until `stop` is set, a WARNING when the loop is overdue.

    It tells of the loop, not of its own thread: a heartbeat that beats while the loop hangs would be worse than none.
    """

    def __init__(
        self, log: logging.Logger, inter_heartbeat_secs: float, pulse: Callable[[], Pulse], stop: threading.Event
    ) -> None:
        self._log = log
        self._every_secs = inter_heartbeat_secs
        self._pulse = pulse
        self._stop = stop
        self._thread = threading.Thread(target=self._run, name="ftpretrieve-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin; the first beat comes after one interval."""
        self._thread.start()

    def close(self) -> None:
        """Set `stop` and wait for the thread."""
        self._stop.set()
        if self._thread.is_alive():
            _join(self._thread, self._log)

    def __enter__(self) -> "Heartbeat":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        due = time.monotonic() + self._every_secs
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self.beat()
            due = max(due + self._every_secs, time.monotonic())  # beats missed while suspended are not made up for

    def beat(self) -> None:
        """Write one record."""
        try:
            pulse = self._pulse()
        except Exception as error:  # noqa: BLE001  a monitor that one bad answer silences is of no use
            self._log.warning(record("HEARTBEAT", state="unknown", error=repr(error)))
            return
        self._log.log(
            logging.WARNING if pulse.overdue else logging.INFO,
            record(
                "HEARTBEAT",
                state=pulse.state,
                poll_age_secs=pulse.poll_age_secs,
                staged=pulse.staged,
                failed=pulse.failed,
            ),
        )


def _join(thread: threading.Thread, log: logging.Logger) -> None:
    """Wait for a thread that has been told to end."""
    thread.join(JOIN_SECS)
    if thread.is_alive():
        log.error("thread %s did not end within %g s", thread.name, JOIN_SECS)
