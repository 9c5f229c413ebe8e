"""A real terminal, made by the kernel, whose other end the test reads. Must not be imported by the package."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Callable


class Screen:
    """Both ends of a terminal: `file` for the product, and what arrived at the other one as `text`."""

    def __init__(self) -> None:
        self._ours, theirs = pty.openpty()
        attributes = termios.tcgetattr(theirs)
        attributes[1] &= ~termios.OPOST  # line ends as they were written
        termios.tcsetattr(theirs, termios.TCSANOW, attributes)
        self.file = open(theirs, "w", encoding="utf-8", buffering=1)  # noqa: SIM115  closed below
        self.text = ""
        self.resize(80)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read(self) -> str:
        while select.select([self._ours], [], [], 0)[0]:
            self.text += os.read(self._ours, 65536).decode()
        return self.text

    def wait_for(self, condition: Callable[[str], bool]) -> str:
        """Return the text once the condition holds for it; the limit of the test ends a vain wait."""
        while not condition(self.read()):
            time.sleep(0.01)
        return self.text

    def hang_up(self) -> None:
        os.close(self._ours)
        self._ours = -1

    def close(self) -> None:
        if self._ours != -1:
            os.close(self._ours)
        self.file.close()


def visible(text: str) -> str:
    """Return what still stands there after lines were cleared."""
    return re.sub(r"[^\n]*\r\x1b\[K", "", text)
