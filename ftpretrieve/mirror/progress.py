"""What lftp says, shown as it comes, and on a terminal how far it is, in a line below that.

    Transferring file `debian-manifesto'
    Mirroring debian: file 12 of 40, 0:01:23

Must not: slow lftp down, or matter. So one thread writes, from a list that nobody waits for, and a terminal that went
away or stands still (Ctrl-S, a dead connection) is left alone. It goes round stderr's buffer, whose lock would be held
for ever by a write that hangs. Whoever else writes to stderr meanwhile should do it through `line`.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self, TextIO

from ftpretrieve.escapes import escape

DRAW_EVERY_SECS = 0.2

LINES_WAITING = 10_000
"""Older lines are dropped when a terminal stands still; the report has them."""

LAST_WORDS_SECS = 2.0
"""How long the end of a run waits for a terminal."""

CLEAR = "\r\x1b[K"

BEGINNINGS = ("Transferring file `", "Making symbolic link `")
"""Source: lftp 4.9.2, `mirror --verbose=1`, measured: one such line a file or link, when it begins."""


class Progress:
    """Shows lines on `terminal` (stderr) while it is entered; the status only where somebody can see it."""

    def __init__(self, terminal: TextIO, monotonic: Callable[[], float] = time.monotonic) -> None:
        try:
            self._fd = terminal.fileno()
        except (AttributeError, OSError, ValueError):  # stderr is None or closed, or a test's: writing fails, no matter
            self._fd = -1
        self._encoding = getattr(terminal, "encoding", None) or "utf-8"
        self._has_status = os.isatty(self._fd) and os.environ.get("TERM", "dumb") != "dumb"
        self._monotonic = monotonic
        self._began = monotonic()
        self._step, self._total_files, self._begun_files = "", 0, 0
        self._lines: deque[str] = deque(maxlen=LINES_WAITING)
        self._shown = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(LAST_WORDS_SECS)  # a write that hangs ends with the process

    def step(self, name: str, total_files: int = 0) -> None:
        """Begin something: what it is, and how many files and links it will transfer."""
        self._step, self._total_files, self._begun_files = escape(name), total_files, 0

    def line(self, text: str) -> None:
        """Show a line of lftp, without secrets, and count the file that it tells of."""
        self._begun_files += text.startswith(BEGINNINGS)
        self._lines.append(escape(text))

    def _work(self) -> None:
        try:
            while not self._stop.wait(DRAW_EVERY_SECS):
                self._draw(self._status())
            self._draw("")
        except OSError:
            pass  # the terminal went away, which is no reason to end a transfer

    def _draw(self, status: str) -> None:
        """Write the lines that wait, and the status below them in place of the one before."""
        waiting = [self._lines.popleft() for _ in range(len(self._lines))]
        if not waiting and status == self._shown:
            return
        text = (CLEAR if self._shown else "") + "".join(line + "\n" for line in waiting) + status
        self._shown = status
        data = text.encode(self._encoding, "backslashreplace")
        while data:
            data = data[os.write(self._fd, data) :]

    def _status(self) -> str:
        """Return the line for the width that the terminal has just now."""
        if not self._has_status or not self._step:
            return ""
        files = f": file {self._begun_files} of {self._total_files}" if self._total_files else ""
        elapsed = timedelta(seconds=int(self._monotonic() - self._began))
        columns = os.get_terminal_size(self._fd).columns or 80  # 0: it does not know
        return f"{self._step}{files}, {elapsed}"[: columns - 1]
