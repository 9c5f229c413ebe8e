"""Downloads over several connections at once: one thread each, which takes file after file until none is left.

A worker's trouble ends the worker, and the files go to the others; only when files are left over is it the session's.
Must not: decide whether a file is tried again, or what is done with one that failed.
"""

import logging
import os
import queue
import threading
from collections.abc import Iterator, Sequence

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import RemoteRefused, RemoteUnavailable, SessionExpired
from ftpretrieve.logs import record
from ftpretrieve.retrieve.ftp_control import Control
from ftpretrieve.retrieve.ftp_download import Download, Progress
from ftpretrieve.retrieve.ftp_pool import Pool
from ftpretrieve.retrieve.ftp_sockets import Sockets
from ftpretrieve.retrieve.records import TICK, Arrived, Failed, Tick, Wanted
from ftpretrieve.retrieve.staging import Session

TICK_SECS = 0.2

BREAKS_MAX = 3
"""Connections in a row that a worker loses before it gives up: the server is going away."""

Event = Arrived | Failed | Tick | Exception | None
"""What a worker reports; None when it has ended."""


class Fetcher:
    """The workers of one session."""

    def __init__(
        self, pool: Pool, sockets: Sockets, connections: int, progress: Progress | None, log: logging.Logger
    ) -> None:
        self._pool, self._sockets, self._connections = pool, sockets, connections
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
        """Download files until none is left. A connection comes first: a file that is taken is never put back."""
        control: Control | None = None
        breaks = 0
        try:
            while breaks < BREAKS_MAX and not self._ended.is_set() and not self._sockets.aborted.is_set():
                if control is not None:
                    control = self._pool.pause(control, lambda: events.put(TICK))
                if tasks.empty():
                    break
                control = control or self._pool.take()
                try:
                    item = tasks.get_nowait()
                except queue.Empty:
                    break
                download = Download(control, self._sockets, item, session)
                events.put(download.run(self._progress))
                breaks = breaks + 1 if download.broken else 0
                if download.broken:
                    self._pool.drop(control)
                    control = None
        except (RemoteUnavailable, RemoteRefused, SessionExpired) as error:
            # A second connection that is refused (421, 530) only means that there is one less from now on.
            self._connections = max(1, self._connections - 1)
            self._log.debug(record("connection.failed", number=number, reason=str(error)))
            events.put(error)
        except Exception as error:  # noqa: BLE001  raised again in the thread that asked: see _events
            events.put(error)
        finally:
            if control is not None:
                self._pool.give_back(control)
            events.put(None)
