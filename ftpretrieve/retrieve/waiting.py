"""Downloads that wait for their second look: when it is due, and what it says.

A version is finished when two looks at least `settle_secs` apart show the same. Downloaded files wait in one list and
one look takes all that may have it, so that looks grow with time and not with the number of files. Must not: touch the
journal or the disk.
"""

from collections.abc import Callable
from dataclasses import replace

from ftpretrieve.retrieve.records import Arrived, RemoteFile
from ftpretrieve.retrieve.remote import Remote

LOOK_SHARE = 20
"""A look that took t seconds is followed by at least 20 t without one: looks take no more than 5 % of a session.
A re-listing after every batch cost 10 GB a session on 100,000 new files (measured)."""

LEAST_PAUSE_SECS = 0.25
"""Between two looks even where `settle_secs` is 0: a look for every single file would double the round trips."""


class Waiting:
    """The list of arrived files. Times are monotonic seconds."""

    def __init__(self, settle_secs: float, monotonic: Callable[[], float], *, verify: bool = False) -> None:
        """Take the parts; `verify` asks for the digest of each file besides."""
        self.items: list[Arrived] = []
        self._verify = verify
        self._settle_secs = settle_secs
        self._monotonic = monotonic
        self._next_look = 0.0

    def add(self, item: Arrived) -> None:
        """Let a download wait for its second look."""
        self.items.append(item)

    def next_due(self) -> float:
        """Return the second at which the next look is due; only meaningful while something waits."""
        oldest = min((item.wanted.first_at for item in self.items), default=0.0)
        return max(oldest + self._settle_secs, self._next_look)

    def settled(self, remote: Remote) -> list[tuple[Arrived, RemoteFile | None]]:
        """Look at all that may be looked at, when that is due, and return each with what it showed (None: gone).

        Empty when nothing is due or no connection is free for a look; the items then wait on.
        """
        if not self.items or self._monotonic() < self._next_look:
            return []
        now = self._monotonic()
        ready = [item for item in self.items if item.wanted.first_at + self._settle_secs <= now]
        if not ready:
            return []
        looked_at = [item.wanted.first for item in ready]
        # Before the look, so that a digest of other content is told from one of a file that has changed meanwhile.
        told = remote.digests(looked_at) if self._verify else {}
        started = self._monotonic()  # digests are asked once for each file: they need no pause to stay few
        seen = None if told is None else remote.look(looked_at)
        if told is None or seen is None:
            return []
        ended = self._monotonic()
        self._next_look = ended + max(self._settle_secs, LEAST_PAUSE_SECS, LOOK_SHARE * (ended - started))
        # What the look could not tell (its listing was cut) waits for another.
        answered = [item for item in ready if item.wanted.first.name in seen]
        taken = set(map(id, answered))
        self.items = [item for item in self.items if id(item) not in taken]
        return [
            (replace(item, told=told.get(item.wanted.first.name)), seen[item.wanted.first.name]) for item in answered
        ]

    def take_all(self) -> list[Arrived]:
        """Return what still waits, and forget it."""
        items, self.items = self.items, []
        return items
