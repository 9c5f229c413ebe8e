"""What a program under us says, shown as it comes, and on a terminal how far it is, in a line below that.

    with Progress(sys.stderr) as progress:
        progress.status("Mirroring debian: file 12 of 40")
        progress.line("Transferring file `debian-manifesto'")

Must not: slow the work down, or matter. So one thread writes, from a list that nobody waits for, and a terminal that
went away or stands still (Ctrl-S, a dead connection) is left alone. It goes round stderr's buffer, whose lock would be
held for ever by a write that hangs. Whoever else writes to stderr meanwhile should do it through `line`.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from ftpretrieve.escapes import escape

DRAW_EVERY_SECS = 0.2

LINES_WAITING = 10_000
"""Older lines are dropped when a terminal stands still."""

LAST_WORDS_SECS = 2.0
"""How long the end of a run waits for a terminal."""

CLEAR = "\r\x1b[K"


class Progress:
    """Shows lines on `terminal` (stderr) while it is entered; the status only where somebody can see it."""

    def __init__(self, terminal: TextIO) -> None:
        try:
            self._fd = terminal.fileno()
        except (AttributeError, OSError, ValueError):  # stderr is None or closed, or a test's: writing fails, no matter
            self._fd = -1
        self._encoding = getattr(terminal, "encoding", None) or "utf-8"
        self._has_status = os.isatty(self._fd) and os.environ.get("TERM", "dumb") != "dumb"
        self._status: str | Callable[[], str] = ""
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

    def line(self, text: str) -> None:
        """Show a line, without secrets, above the status."""
        self._lines.append(escape(text))

    def status(self, text: str | Callable[[], str]) -> None:
        """Show from now on this below the lines, or what a function returns, which our thread calls at each drawing."""
        self._status = text

    def _work(self) -> None:
        try:
            while not self._stop.wait(DRAW_EVERY_SECS):
                self._draw(self._status_line())
            self._draw("")
        except OSError:
            pass  # the terminal went away, which is no reason to end the work

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

    def _status_line(self) -> str:
        """Return the status for the width that the terminal has just now."""
        if not self._has_status:
            return ""
        text = self._status if isinstance(self._status, str) else self._status()
        columns = os.get_terminal_size(self._fd).columns or 80  # 0: it does not know
        return escape(text)[: columns - 1]
