"""A throw-away data centre on loopback: a real rsync daemon that takes transactions and gives their status.

    with Rsyncd(tmp_path) as server:
        (server.statuses / "ABCD1234.xml").write_text("<transaction .../>")
        subprocess.run([..., f"rsync://{server.user}@{server.host}:{server.port}/INCOMING_TEST/"])
        server.received()                                      # what came, file by file, and how many bytes it took

Modules: INCOMING_TEST, which is `incoming` on disk, and TRANSACTION_XML, which is `statuses` and can only be read. Both
want `user` and `password`. Works for root and for an ordinary user alike. Must not be imported by the package.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.servers import RealServer, why_missing

_RECEIVED = re.compile(r"^\S+ \S+ \[\d+\] recv (\d+) (\d+) (.+?)\n(?=\d{4}/\d\d/\d\d |\Z)", re.MULTILINE | re.DOTALL)
"""A name may go over lines: 3.2.7 writes a line break of a name as it is, 3.5.0 does not."""

_UNQUOTE = re.compile(rb"\\#([0-7]{3})")


@dataclass(frozen=True)
class Received:
    """One file that came in full: `path` below the module, `took` the bytes on the wire, without what was there."""

    path: str
    size: int
    took: int


def why_no_rsync() -> str | None:
    """Say what is missing to run the daemon, or None."""
    return "rsync is missing: install the package rsync" if why_missing("rsync") else None


def without_root_rights() -> list[str]:
    """Return what stands before a command that root runs, so that it may not read and write everything."""
    return ["/usr/bin/setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []


class Rsyncd(RealServer):
    """rsync as a daemon. `incoming` may be elsewhere, such as on a small disk; `lines` are added to INCOMING_TEST.

    `obeys_modes`: it may read and write no more than the modes of files say, also when root runs the tests.
    """

    greets = "@RSYNCD:"
    user = "test"

    def __init__(
        self,
        directory: Path,
        *,
        incoming: Path | None = None,
        modules: Sequence[str] = ("INCOMING_TEST", "TRANSACTION_XML"),
        write_only: bool = False,
        max_connections: int | None = None,
        obeys_modes: bool = False,
        lines: Sequence[str] = (),
    ) -> None:
        super().__init__("rsync", directory, None)
        if obeys_modes:
            self._launch += without_root_rights()
        self.incoming = incoming or directory / "incoming"
        self.statuses = directory / "statuses"
        self.events = directory / "rsyncd.events"  # what the daemon logs; `log` is what it prints
        self._modules = modules
        self._incoming_lines = [f"path = {self.incoming}", "read only = no", *lines]
        self._incoming_lines += ["write only = yes"] if write_only else []
        if max_connections is not None:
            self._incoming_lines += [f"max connections = {max_connections}", f"lock file = {directory}/rsyncd.lock"]
        for path in (self.incoming, self.statuses):
            path.mkdir(exist_ok=True)
        secrets = directory / "rsyncd.secrets"
        secrets.touch(mode=0o600)  # it refuses one that others may read
        secrets.write_text(f"{self.user}:{self.password}\n")
        self.arguments = self._arguments

    def _arguments(self, port: int) -> Sequence[str]:
        lines = [f"log file = {self.events}", "transfer logging = yes", "log format = %o %l %b %f", "use chroot = no"]
        lines += ["reverse lookup = no", f"auth users = {self.user}", f"secrets file = {self.directory}/rsyncd.secrets"]
        # Without these, the daemon of root becomes nobody, who may not reach the directories of the tests.
        lines += ["uid = 0", "gid = 0"] if os.getuid() == 0 else []
        own = {
            "INCOMING_TEST": self._incoming_lines,
            "TRANSACTION_XML": [f"path = {self.statuses}", "read only = yes"],
        }
        for module in self._modules:
            lines += [f"[{module}]", *own[module]]
        path = self.directory / "rsyncd.conf"
        path.write_text("\n".join(lines) + "\n")
        return ["--daemon", "--no-detach", f"--config={path}", f"--address={self.host}", f"--port={port}"]

    def kill(self) -> None:
        """Kill the daemon and its sessions, as a power cut does: the connections break. `start` is possible again."""
        self.stop()

    def drop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the sessions and go on: what is under way breaks, and who tries again is served.

        A session that is asked to end, by SIGTERM, keeps what has come of a file; one that is killed leaves a
        temporary file, as a power cut does.
        """
        for session in psutil.Process(self.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # they end each other
                session.send_signal(number)

    def log_text(self) -> str:
        """Return all that the daemon has logged so far."""
        return self.events.read_text(errors="surrogateescape") if self.events.exists() else ""

    def received(self) -> list[Received]:
        """Return every file that came, in order; what is broken off is not among them."""
        rows = _RECEIVED.findall(self.log_text())
        return [Received(_unquoted(path), int(size), int(took)) for size, took, path in rows if not path.endswith("/")]


def _unquoted(path: str) -> str:
    """Undo the `\\#ooo` that newer versions of rsync write for bytes that cannot be printed."""
    return os.fsdecode(_UNQUOTE.sub(lambda found: bytes([int(found[1], 8)]), os.fsencode(path)))
