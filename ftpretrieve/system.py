"""What the system tells about processes. The only home of psutil, which is imported when asked (it costs 61 ms).

Reads only: nothing here signals or waits for a process.
"""

import os
import re
from typing import NamedTuple


class Process(NamedTuple):
    """One running process, as `ps` would show it. Units: `started` is in epoch seconds."""

    pid: int
    ppid: int
    user: str
    started: float
    command: str


class PSList:
    """The processes of this machine."""

    def search(self, *patterns: str) -> list[Process]:
        """Return the processes whose command line matches every pattern, like a chain of greps, without this one.

        A process that hides its command line or has none any more (kernel thread, zombie) is shown as `[name]`. One
        that ends while we look is left out. Bytes that are not UTF-8 appear as `os.fsdecode` gives them.

        Raises: re.error when a pattern is not a regular expression.
        """
        import psutil

        wanted = [re.compile(pattern) for pattern in patterns]
        found = []
        for process in psutil.process_iter(["pid", "ppid", "username", "create_time", "cmdline", "name"]):
            info = process.info
            command = " ".join(info["cmdline"] or ()) or f"[{info['name']}]"
            if info["pid"] != os.getpid() and all(pattern.search(command) for pattern in wanted):
                user, started = info["username"] or "?", info["create_time"] or 0.0
                found.append(Process(info["pid"], info["ppid"] or 0, user, started, command))
        return found


def process_start_time(pid: int) -> float | None:
    """Return when this process started, in seconds after the boot of the machine, or None when it does not run.

    Counted from boot because the time of day that psutil gives is boot time plus that count, and the boot time moves
    whenever the clock is set: a daemon started before the first time synchronisation would seem to be another one.
    A zombie does not run: it holds no lock any more, and where nobody collects it (containers) it stays for ever.
    """
    import psutil

    while True:
        try:
            booted = psutil.boot_time()
            process = psutil.Process(pid)
            with process.oneshot():
                if process.status() == psutil.STATUS_ZOMBIE:
                    return None
                started = process.create_time() - booted
        except (psutil.Error, ValueError):  # ValueError: a number that can be no pid
            return None
        if psutil.boot_time() == booted:  # else the clock was set between the two readings
            return round(started, 2)
