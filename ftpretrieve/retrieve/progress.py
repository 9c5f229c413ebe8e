"""Bars for transfers that take more than a moment, drawn on a terminal and nowhere else.

The log shows its records on the same terminal, through `write`, so that bars and lines do not overwrite each other.
rich costs 123 ms to import, so it is imported when the first bar is due. Must not: slow a transfer down, or matter.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from ftpretrieve.logs import escape

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

SHOW_AFTER_SECS = 1.0
"""Shorter transfers are not worth a flicker."""

DRAW_EVERY_SECS = 0.2

FORGET_AFTER_SECS = 5.0
"""A transfer that said nothing for so long has failed, or its server hangs."""


@dataclass(slots=True)
class _Transfer:
    began: float
    said: float
    bar: "TaskID | None" = None


class Progress:
    """What downloads report to, from any thread, and what the log writes its lines through."""

    def __init__(self, terminal: TextIO, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._terminal, self._monotonic = terminal, monotonic
        self._transfers: dict[bytes, _Transfer] = {}
        self._bars: Bars | None = None
        self._drawn = 0.0
        self._lock = threading.Lock()

    def __call__(self, name: bytes, received_bytes: int, size: int | None) -> None:
        """Note how far a transfer is."""
        now = self._monotonic()
        with self._lock, suppress(OSError):  # the terminal went away, which is no reason to end a transfer
            transfer = self._transfers.setdefault(name, _Transfer(now, now))
            transfer.said = now
            if received_bytes == size:
                self._forget(name)
            elif now - transfer.began >= SHOW_AFTER_SECS:
                self._show(name, transfer, received_bytes, size)
            if self._bars is not None and now - self._drawn >= DRAW_EVERY_SECS:
                self._drawn = now
                for silent in [n for n, t in self._transfers.items() if now - t.said > FORGET_AFTER_SECS]:
                    self._forget(silent)
                self._refresh()

    def _show(self, name: bytes, transfer: _Transfer, received_bytes: int, size: int | None) -> None:
        if self._bars is None:
            self._bars = _make_bars(self._terminal)
            self._bars.start()
        if transfer.bar is None:
            transfer.bar = self._bars.add_task(escape(os.fsdecode(name)), total=size)
        self._bars.update(transfer.bar, completed=received_bytes)

    def _forget(self, name: bytes) -> None:
        transfer = self._transfers.pop(name)
        if self._bars is not None and transfer.bar is not None:
            self._bars.remove_task(transfer.bar)

    def _refresh(self) -> None:
        if self._bars is not None:
            self._bars.refresh()

    def clear(self) -> None:
        """Take all bars away: the session is over."""
        with self._lock, suppress(OSError):  # as above
            self._transfers.clear()
            bars, self._bars = self._bars, None
            if bars is not None:
                bars.stop()

    def write(self, text: str) -> int:
        """Write whole lines above the bars."""
        with self._lock:
            if self._bars is None:
                self._terminal.write(text)
            else:
                self._bars.console.print(text, end="", markup=False, highlight=False, emoji=False, soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        """Show what was written."""
        self._terminal.flush()


def _make_bars(terminal: TextIO) -> "Bars":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    # No thread of its own: the transfers call often enough, and nothing is left to stop when the program dies.
    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(file=terminal),
        transient=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
