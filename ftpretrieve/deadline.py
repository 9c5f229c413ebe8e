"""A limit in time that several threads may ask about. Knows nothing of what is limited and never waits itself."""

import time
from collections.abc import Callable

LEAST_SECS = 0.001
"""The shortest time-out given out: a socket with a time-out of 0 does not time out at once, it stops blocking."""


class Deadline:
    """The instant `limit_secs` after its making, on the monotonic clock. Never changes, so threads share it freely."""

    def __init__(self, limit_secs: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start counting now. Units: `clock` gives seconds from any origin, and never runs backwards."""
        self.limit_secs = limit_secs
        self._clock = clock
        self._end = clock() + limit_secs

    def remaining(self) -> float:
        """Return the seconds that are left, 0 when there are none."""
        return max(0.0, self._end - self._clock())

    @property
    def expired(self) -> bool:
        """Is the time over?"""
        return self._clock() >= self._end

    def at_most(self, secs: float) -> float:
        """Return `secs`, or what is left when that is less, as a time-out for a socket: never 0, even when expired."""
        return max(LEAST_SECS, min(secs, self.remaining()))
