"""A disk that takes no more at a chosen step."""

import errno
import os

from tests.retrieve.doors import StopDoor


class FullDoor(StopDoor):
    """Fails one step, counted from 1, as a full disk does; none after it."""

    def __init__(self, fails: int) -> None:
        super().__init__()
        self._fails = fails

    def _step(self) -> None:
        super()._step()
        if self.did == self._fails:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
