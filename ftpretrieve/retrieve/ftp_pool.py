"""The connections of one session: which are between two transfers, and whether a look waits for one.

Must not: know what the connections are used for. Thread-safe; connections themselves are for one thread at a time.
"""

import threading
from collections.abc import Callable
from contextlib import suppress

from ftpretrieve.retrieve.ftp_control import Control
from ftpretrieve.retrieve.ftp_sockets import Sockets

PAUSE_SECS = 0.2


class Pool:
    """Connections are taken, given back and dropped; a look borrows one from a worker that pauses for it."""

    def __init__(self, open_control: Callable[[], Control], sockets: Sockets) -> None:
        """`open_control` returns a connection that is ready for use, or raises what ends the attempt."""
        self._open_control = open_control
        self._sockets = sockets
        self._all: list[Control] = []
        self._idle: list[Control] = []
        self._look_waits = False
        self._changed = threading.Condition()

    @property
    def stage(self) -> str:
        """What a connection is doing, one that is at work before one that waits."""
        with self._changed:
            at_work = [control for control in self._all if control not in self._idle] or self._all
        return at_work[0].stage if at_work else "connect"

    def take(self) -> Control:
        """Return an idle connection that the server has not hung up, or a new one. Raises: as `open_control`."""
        while True:
            with self._changed:
                if not self._idle:
                    break
                control = self._idle.pop()
            if not control.is_stale:
                return control
            self.drop(control)
        return self.open()

    def open(self) -> Control:
        """Return a new connection. Raises: as `open_control`."""
        control = self._open_control()
        with self._changed:
            self._all.append(control)
        return control

    def give_back(self, control: Control) -> None:
        """Let others have a connection that is between two transfers."""
        with self._changed:
            self._idle.append(control)
            self._look_waits = False
            self._changed.notify_all()

    def drop(self, control: Control) -> None:
        """Close a connection that broke."""
        control.shut()
        with self._changed, suppress(ValueError):  # dropped twice
            self._all.remove(control)

    def borrow(self, *, workers_run: bool) -> Control | None:
        """Return a connection for a look; None at once while all are in the middle of a transfer."""
        with self._changed:
            if not self._idle and workers_run:
                self._look_waits = True
                return None
        return self.take()

    def pause(self, control: Control, tell: Callable[[], None]) -> Control | None:
        """Between two transfers: leave the connection to a look that waits; return it, or None when it broke.

        `tell` is called when the connection can be borrowed.
        """
        with self._changed:
            if not self._look_waits or self._idle:
                return control
            self._idle.append(control)
            tell()
            while self._look_waits and not self._sockets.aborted.is_set():
                self._changed.wait(PAUSE_SECS)
            if control in self._idle:
                self._idle.remove(control)
                return control
        return None  # it is the look's now, or broke under it

    def wake(self) -> None:
        """Wake those who pause: the session was aborted."""
        with self._changed:
            self._changed.notify_all()

    def close(self, *, polite: bool) -> None:
        """Close all connections."""
        with self._changed:
            controls, self._all, self._idle = self._all, [], []
        for control in controls:
            control.shut(polite=polite)
