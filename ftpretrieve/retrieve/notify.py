"""Tell systemd how the service is: ready, reloading, alive, stopping. Without systemd every call does nothing.

Source: sd_notify(3) and sd_watchdog_enabled(3): datagrams of KEY=VALUE lines to the socket in $NOTIFY_SOCKET; a leading
@ stands for the NUL of an abstract address. Must not: raise, or keep a service alive whose loop hangs.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress


class Notifier:
    """The way to systemd, as the environment describes it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usecs = environ.get("WATCHDOG_USEC", "") if mine and address else ""
        self.watchdog_secs = int(usecs) / 1e6 if usecs.isdecimal() else 0.0

    def send(self, *lines: str) -> None:
        """Send lines such as READY=1."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:  # nobody else to tell
            sock.settimeout(1.0)
            sock.connect(self._address)
            sock.send("\n".join(lines).encode())

    def ready(self) -> None:
        """Say that the service does its work."""
        self.send("READY=1", f"MAINPID={os.getpid()}")

    def reloading(self) -> None:
        """Say that the configuration is being read; `ready` ends it."""
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the service is about to end."""
        self.send("STOPPING=1")

    @contextmanager
    def alive_while(self, progresses: Callable[[], bool]) -> Iterator[None]:
        """While in the block, send WATCHDOG=1 twice in each interval of the watchdog, as long as the loop progresses.

        From a thread, because a poll may take longer than any interval; but it answers for the loop, not for itself.
        """
        if not self.watchdog_secs:
            yield
            return
        left = threading.Event()

        def beat() -> None:
            while not left.wait(self.watchdog_secs / 2):
                if progresses():
                    self.send("WATCHDOG=1")

        thread = threading.Thread(target=beat, name="ftpretrieve-notify", daemon=True)
        thread.start()
        try:
            yield
        finally:
            left.set()
            thread.join()
