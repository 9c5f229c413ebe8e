"""One configuration in a directory of its own, and the real command run on it as a process.

    with Installation(tmp_path, server, sleep_in_seconds=1) as site:
        site.run("start", expect=0)
        site.await_log("FILESDOWNLOADED")

Whatever was started for the configuration is killed at the end. Must not be imported by the package.
"""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from ftpretrieve.retrieve.appconf import KEYS
from ftpretrieve.system import PSList
from tests.servers import FtpServer
from tests.waiting import await_true

CHECKOUT = Path(__file__).parent.parent

SECTIONS = {key.name: key.section for key in KEYS}


class Installation:
    """Staging, sync directory, journal, log and pid file below `home`; `settings` are keys of any section."""

    def __init__(self, home: Path, server: FtpServer, **settings: Any) -> None:
        self.home = home
        self.config = home / "ftpretrieve.conf"
        self.sync = home / "sync"
        self.sync.mkdir(parents=True)
        self.settings: dict[str, Any] = {
            "ftp_host": server.host,
            "ftp_port": server.port,
            "ftp_user": server.user,
            "ftp_password": server.password,
            "settle_secs": 0,
            "ftp_local_directory": home / "staging",
            "sync_directory": self.sync,
            "journal_file_name": home / "journal.db",
            "min_free_bytes": 0,
            "sleep_in_seconds": 600,
            "daemon_log": home / "daemon.log",
            "daemon_error_log": home / "error.log",
            "daemon_pid": home / "daemon.pid",
        }
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """Write the configuration with some keys changed; None leaves one out."""
        self.settings.update(settings)
        lines: dict[str, list[str]] = {}
        for name, value in self.settings.items():
            if value is not None:
                lines.setdefault(SECTIONS[name], []).append(f"{name} = {value}")
        text = "".join(f"[{section}]\n" + "\n".join(rows) + "\n" for section, rows in lines.items())
        self.config.touch(mode=0o600)
        self.config.write_text(text)

    # -- the command --------------------------------------------------------------------------------------------

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "ftpretrieve", "-c", str(self.config), *arguments]

    def run(
        self,
        *arguments: str,
        expect: int | None = None,
        env: dict[str, str] | None = None,
        argv: Sequence[str] | None = None,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end; `expect` is the exit code it must have."""
        done = subprocess.run(
            argv or self.argv(*arguments),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment(env),
            **options,
        )
        if expect is not None:
            assert done.returncode == expect, (arguments, done.returncode, done.stderr, self.log())
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def popen(self, *arguments: str, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
        """Begin to run the command."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.argv(*arguments), text=True, env=environment(env), **{**pipes, **options})

    # -- what came of it ----------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        return int((self.home / "daemon.pid").read_text().split()[0])

    def is_alive(self, pid: int) -> bool:
        return any(process.pid == pid for process in PSList().search(re.escape(str(self.config))))

    def log(self) -> str:
        path = self.home / "daemon.log"
        return path.read_text() if path.exists() else ""

    def records(self, word: str) -> list[str]:
        """Return the log's lines that begin with a word, without date and level."""
        found = (re.match(rf"\S+ \S+ [A-Z]+ ({word}\b.*)", line) for line in self.log().splitlines())
        return [match[1] for match in found if match]

    def await_log(self, word: str, count: int = 1) -> list[str]:
        """Wait until the log has so many lines of a word, and return them."""
        await_true(lambda: len(self.records(word)) >= count, lambda: f"{count} x {word} in:\n{self.log()}")
        return self.records(word)

    def deliveries(self) -> Counter[str]:
        """Return how often each remote name was reported."""
        rows = [row for line in self.records("FILESDOWNLOADED") for row in ast.literal_eval(line.partition(" ")[2])]
        return Counter(name for _, _, name in rows)

    def close(self) -> None:
        for process in PSList().search(re.escape(str(self.config))):
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            await_true(lambda pid=process.pid: not self.is_alive(pid), lambda: "the end of what was killed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which only the checkout is installed and nothing of ours is set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FTPRETRIEVE", "NOTIFY_"))}
    return {**kept, "PYTHONPATH": str(CHECKOUT), **(more or {})}
