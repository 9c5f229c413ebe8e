"""Waiting for what another process or thread brings about. Must not be imported by the package."""

from __future__ import annotations

import time
from collections.abc import Callable

OFTEN_SECS = 0.01


def await_true(question: Callable[[], object], what: Callable[[], str] = lambda: "") -> None:
    """Ask until the answer is yes. The limit of the test ends a vain wait, and then `what` says what was waited for.

    A limit of its own would only say how busy the machine is.
    """
    try:
        while not question():
            time.sleep(OFTEN_SECS)
    except BaseException as ended:
        if said := what():
            ended.add_note(f"waited in vain for {said}")
        raise
