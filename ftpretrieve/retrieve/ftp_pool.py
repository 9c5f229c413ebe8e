"""The connections of one session: how many the server lets us have, and which are between two transfers.

A server that refuses a further connection is asked again after a pause that doubles, by one worker at a time, while the
others go on; so the pool shrinks to what the server takes and grows again when it takes more. The first connection of
a session is never asked for twice. Must not: know what the connections are used for. Thread-safe; connections
themselves are for one thread at a time.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from ftpretrieve.errors import RemoteRefused, RemoteUnavailable
from ftpretrieve.logs import record
from ftpretrieve.retrieve.ftp_control import Control
from ftpretrieve.retrieve.ftp_limits import Crowded
from ftpretrieve.retrieve.ftp_sockets import Sockets

PAUSE_SECS = 0.2
"""Who waits for a connection asks so often: nobody tells him of a pause that is over, or of the session's end."""

AGAIN_FIRST_SECS, AGAIN_MAX_SECS = 1.0, 60.0
"""After a further connection was refused. A server needs a moment to notice that an old one is gone."""

AGAIN_TIMES = 5
"""A connection in place of the last one, which broke, is asked for so often: half a minute."""


class Pool:
    """Connections are taken, given back and dropped; a look borrows one from a worker that pauses for it."""

    def __init__(
        self,
        open_control: Callable[[], Control],
        sockets: Sockets,
        connections: int,
        log: logging.Logger,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`open_control` returns a connection that is ready for use, or raises what ends the attempt; workers have no
        more than so many `connections`."""
        self._open_control, self._sockets, self._log, self._monotonic = open_control, sockets, log, monotonic
        self._most = connections
        self._all: list[Control] = []
        self._idle: list[Control] = []
        self._opening = 0
        self._refusals, self._again_at = 0, 0.0
        self._told = self._look_waits = False
        self._changed = threading.Condition()

    @property
    def stage(self) -> str:
        """What a connection is doing, one that is at work before one that waits."""
        with self._changed:
            at_work = [control for control in self._all if control not in self._idle] or self._all
        return at_work[0].stage if at_work else "connect"

    # -- connections --------------------------------------------------------------------------------------------

    def take(self) -> Control:
        """Return an idle connection that the server has not hung up, or a new one. Raises: as `open_control`."""
        return self._take_idle() or self._open()

    def acquire(self, is_needed: Callable[[], bool]) -> Control | None:
        """Return an idle or a further connection, as soon as the server takes one; None when it is no longer needed.

        Raises: as `open_control`, when the server refuses what would be the only connection.
        """
        while is_needed() and not self._sockets.aborted.is_set():
            with self._changed:
                if self._look_waits and self._idle:  # a worker pauses for it
                    self._changed.wait(PAUSE_SECS)
                    continue
            if (idle := self._take_idle()) is not None:
                return idle
            with self._changed:
                if not self._may_open():
                    self._changed.wait(PAUSE_SECS)
                    continue
                self._opening += 1
            try:
                return self._open()
            except (RemoteUnavailable, RemoteRefused) as error:
                self._refused(error)
            finally:
                with self._changed:
                    self._opening -= 1
                    self._changed.notify_all()
        return None

    def open(self) -> Control:
        """Return a new connection in place of one that broke. Raises: as `open_control`."""
        for refusal in range(AGAIN_TIMES):
            try:
                return self._open()
            except Crowded:  # it still counts the one that broke
                self._sockets.aborted.wait(AGAIN_FIRST_SECS * 2.0**refusal)
        return self._open()

    def _open(self) -> Control:
        control = self._open_control()
        with self._changed:
            self._all.append(control)
            self._refusals, self._again_at = 0, 0.0
        return control

    def _take_idle(self) -> Control | None:
        while True:
            with self._changed:
                if not self._idle:
                    return None
                control = self._idle.pop()
            if not control.is_stale:
                return control
            self.drop(control)

    def _may_open(self) -> bool:
        """Whether one more may be asked for now: never more at a time than are in, so that a server with a small limit
        refuses few, and one at a time once it has refused."""
        count = len(self._all)
        if count + self._opening >= self._most or self._monotonic() < self._again_at:
            return False
        return self._opening < (1 if self._refusals else max(1, count))

    def _refused(self, error: RemoteUnavailable | RemoteRefused) -> None:
        """Remember that the server takes no further connection; raise when it is the only one that counts."""
        with self._changed:
            count = len(self._all)
            if not count and not (isinstance(error, Crowded) and self._refusals < AGAIN_TIMES):
                raise error
            if isinstance(error, RemoteRefused):
                self._most = count  # the account may be at stake, so no more logins than there are now
            self._again_at = self._monotonic() + min(AGAIN_FIRST_SECS * 2.0**self._refusals, AGAIN_MAX_SECS)
            self._refusals += 1
            told, self._told = self._told, True
        if not told:
            self._log.info(record("CONNECTIONSLIMITED", open=count, reason=str(error)))

    def give_back(self, control: Control) -> None:
        """Let others have a connection that is between two transfers."""
        with self._changed:
            self._idle.append(control)
            self._look_waits = False
            self._changed.notify_all()

    def drop(self, control: Control) -> None:
        """Close a connection that broke."""
        control.shut()
        with self._changed:
            with suppress(ValueError):  # dropped twice
                self._all.remove(control)
            self._changed.notify_all()

    # -- looks --------------------------------------------------------------------------------------------------

    def borrow(self, *, workers_run: bool) -> Control | None:
        """Return a connection for a look; None at once while all are in the middle of a transfer."""
        control = self._take_idle()
        if control is None and workers_run:
            with self._changed:
                if not self._idle:
                    self._look_waits = True
            return None
        return control or self.open()

    def pause(self, control: Control, tell: Callable[[], None]) -> Control | None:
        """Between two transfers: leave the connection to a look that waits; return it, or None when it broke.

        `tell` is called when the connection can be borrowed.
        """
        with self._changed:
            if not self._look_waits or self._idle:
                return control
            self._idle.append(control)
            tell()
            while self._look_waits and control in self._idle and not self._sockets.aborted.is_set():
                self._changed.wait(PAUSE_SECS)
            if control in self._idle:
                self._idle.remove(control)
                return control
        return None  # it is the look's now, or broke under it

    def wake(self) -> None:
        """Wake those who wait: the session was aborted, or what they wait for is no longer needed."""
        with self._changed:
            self._changed.notify_all()

    def close(self, *, polite: bool) -> None:
        """Close all connections."""
        with self._changed:
            controls, self._all, self._idle = self._all, [], []
        for control in controls:
            control.shut(polite=polite)
