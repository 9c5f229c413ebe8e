"""Downloads over several connections at once: one thread each, which takes file after file until none is left.

A worker's trouble ends the worker, and the files go to the others; only when files are left over is it the session's.
Must not: decide whether a file is tried again, or what is done with one that failed.
"""

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import RemoteRefused, RemoteUnavailable, SessionExpired
from ftpretrieve.logs import record
from ftpretrieve.retrieve.ftp_control import Control
from ftpretrieve.retrieve.ftp_download import Download, Progress
from ftpretrieve.retrieve.ftp_limits import RateLimit
from ftpretrieve.retrieve.ftp_pool import Pool
from ftpretrieve.retrieve.ftp_sockets import Sockets
from ftpretrieve.retrieve.records import TICK, Arrived, Failed, Tick, Wanted
from ftpretrieve.retrieve.remote import TICK_SECS
from ftpretrieve.retrieve.staging import Session

BREAKS_MAX = 3
"""Connections in a row that a worker loses with a file before it gives up: the server is going away."""

Event = Arrived | Failed | Tick | Exception | None
"""What a worker reports; None when it has ended."""


class Fetcher:
    """The workers of one session."""

    def __init__(
        self,
        pool: Pool,
        sockets: Sockets,
        connections: int,
        rate: RateLimit,
        progress: Progress | None,
        log: logging.Logger,
    ) -> None:
        self._pool, self._sockets, self._connections, self._rate = pool, sockets, connections, rate
        self._progress, self._log = progress, log
        self._workers: list[threading.Thread] = []
        self._ended = threading.Event()

    @property
    def busy(self) -> bool:
        """Whether a worker still runs."""
        return any(worker.is_alive() for worker in self._workers)

    def fetch(self, wanted: Sequence[Wanted], session: Session) -> Iterator[Arrived | Failed | Tick]:
        """Download files; see `remote.Remote.fetch`."""
        tasks: queue.SimpleQueue[Wanted] = queue.SimpleQueue()
        for item in wanted:
            tasks.put(item)
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._ended.clear()
        count = min(self._connections, len(wanted))
        self._workers = [
            threading.Thread(target=self._work, args=(tasks, events, session, number), name=f"fetch-{number}")
            for number in range(count)
        ]
        for worker in self._workers:
            worker.start()
        try:
            yield from self._events(events, count, tasks)
        finally:
            self.close()

    def close(self) -> None:
        """End the workers; whoever is in the middle of a transfer ends the session with it."""
        self._ended.set()
        self._pool.wake()
        soon = Deadline(TICK_SECS)
        for worker in self._workers:
            worker.join(soon.remaining())
        if self.busy:
            self._sockets.abort()
            self._pool.wake()
        for worker in self._workers:
            worker.join()
        self._workers = []

    def _events(
        self, events: queue.SimpleQueue[Event], workers: int, tasks: queue.SimpleQueue[Wanted]
    ) -> Iterator[Arrived | Failed | Tick]:
        """Yield what the workers report until the last has ended; then raise what kept them from taking all files."""
        error: Exception = RemoteUnavailable("no connection is left")
        cut_off: str | None = None
        while workers:
            try:
                event = events.get(timeout=TICK_SECS)
            except queue.Empty:
                yield TICK
                continue
            if event is None:
                workers -= 1
            elif isinstance(event, RemoteUnavailable | RemoteRefused | SessionExpired):
                error = event
            elif isinstance(event, Exception):
                raise event
            else:
                if isinstance(event, Failed) and self._sockets.over:
                    cut_off = cut_off or f"RETR {os.fsdecode(event.wanted.file.name)}"
                yield event
        if self._sockets.over:
            raise SessionExpired(cut_off or self._pool.stage)
        if not tasks.empty():
            raise error

    def _work(
        self, tasks: queue.SimpleQueue[Wanted], events: queue.SimpleQueue[Event], session: Session, number: int
    ) -> None:
        """Download files until none is left. A connection comes first, so that no file waits for one."""
        worker = _Worker(self._pool, tasks, events, lambda: self._ended.is_set() or self._sockets.aborted.is_set())
        try:
            while (control := worker.connection()) is not None and (item := worker.next_item()) is not None:
                download = Download(control, self._sockets, item, session, self._rate)
                worker.take_over(download, download.run(self._progress))
        except (RemoteUnavailable, RemoteRefused, SessionExpired) as error:
            self._log.debug(record("connection.failed", number=number, reason=str(error)))
            events.put(error)
        except Exception as error:  # noqa: BLE001  raised again in the thread that asked: see _events
            events.put(error)
        finally:
            worker.end()
            events.put(None)


class _Worker:
    """What one worker holds: a connection between two transfers, and a file that the last one refused to begin."""

    def __init__(
        self,
        pool: Pool,
        tasks: queue.SimpleQueue[Wanted],
        events: queue.SimpleQueue[Event],
        is_over: Callable[[], bool],
    ) -> None:
        self._pool, self._tasks, self._events, self._is_over = pool, tasks, events, is_over
        self._control: Control | None = None
        self._again: Wanted | None = None
        self._breaks = 0

    def _is_needed(self) -> bool:
        return not self._is_over() and (self._again is not None or not self._tasks.empty())

    def connection(self) -> Control | None:
        """Return a connection that is alive; None when no more is to be done here. Raises: as `Pool.acquire`."""
        if self._control is not None:
            self._control = self._pool.pause(self._control, lambda: self._events.put(TICK))
        if self._control is not None and self._control.is_stale:
            self._drop()
        if not self._is_needed() or self._breaks >= BREAKS_MAX:
            return None
        self._control = self._control or self._pool.acquire(self._is_needed)
        return self._control

    def next_item(self) -> Wanted | None:
        """Return the file to download now."""
        if self._again is not None:
            return self._again
        try:
            return self._tasks.get_nowait()
        except queue.Empty:
            return None

    def take_over(self, download: Download, outcome: Arrived | Failed) -> None:
        """Report what came of a download, but for one that a connection which was about to close did not begin: the
        server was idle for too long, or takes only so many files on each. Once, since it may be the file's fault."""
        if download.broken:
            self._drop()
        if download.unbegun and self._again is None:
            self._again = download.wanted
            return
        self._again = None
        self._breaks = self._breaks + 1 if download.broken and isinstance(outcome, Failed) else 0
        self._events.put(outcome)

    def _drop(self) -> None:
        assert self._control is not None
        self._pool.drop(self._control)
        self._control = None

    def end(self) -> None:
        """Leave connection and file to others."""
        if self._again is not None:
            self._tasks.put(self._again)
        if self._control is not None:
            self._pool.give_back(self._control)
        self._pool.wake()
