"""How far a mirror is, counted from what lftp says, for the status on the terminal.

    Transferring file `debian-manifesto'
    Mirroring debian: file 12 of 40, 0:01:23

Must not: write to the terminal; `ftpretrieve.progress` does.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from ftpretrieve.progress import Progress

BEGINNINGS = ("Transferring file `", "Making symbolic link `")
"""Source: lftp 4.9.2, `mirror --verbose=1`, measured: one such line a file or link, when it begins."""


class Steps:
    """Gives `shown` each line of lftp, and a status that tells of the step and of the time since it was made."""

    def __init__(self, shown: Progress, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._shown = shown
        self._monotonic = monotonic
        self._began = monotonic()
        self._step, self._total_files, self._begun_files = "", 0, 0

    def step(self, name: str, total_files: int = 0) -> None:
        """Begin something: what it is, and how many files and links it will transfer."""
        self._step, self._total_files, self._begun_files = name, total_files, 0
        self._shown.status(self._status)

    def line(self, text: str) -> None:
        """Show a line of lftp, without secrets, and count the file that it tells of."""
        self._begun_files += text.startswith(BEGINNINGS)
        self._shown.line(text)

    def _status(self) -> str:
        files = f": file {self._begun_files} of {self._total_files}" if self._total_files else ""
        return f"{self._step}{files}, {timedelta(seconds=int(self._monotonic() - self._began))}"
