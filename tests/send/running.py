"""The real command in a process of its own, with a home, a PATH, a configuration and an environment of its own.

    send = Send(tmp_path, server)
    send.put("a.mseed", b"...")
    done = send.run("-s", f"{send.data}/", "-d", MINISEED)
    assert server.incoming / done.id / "a.mseed" ...

What runs is rsync itself and GNU du, against a real daemon. `program` puts a script before one of them on the PATH, so
that a test sees each call of it, or breaks or stops it there, without a hook in the product.
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.rsyncd import Rsyncd
from tests.servers import UNPACKED
from tests.waiting import await_true

CHECKOUT = Path(__file__).parent.parent.parent
SYSTEM_PATH = f"/usr/local/bin:/usr/bin:/bin:{UNPACKED}/bin"  # the last by scripts/_setup, if rsync is not installed
COMMAND = [sys.executable, "-m", "ftpretrieve", "send"]  # what the installed ResifDataTransfer is
TRANSACTION_COMMAND = "from ftpretrieve.send.transaction_command import main; raise SystemExit(main())"

MINISEED = "seismic_data_miniseed"
DATALESS = "seismic_metadata_dataless_seed"
ID = re.compile(r"[A-Z]{4}[0-9]{4}")
TEMPORARY = re.compile(r"(?:^|/)\.[^/]+\.[A-Za-z0-9]{6}$")
REAL_RSYNC = shutil.which("rsync") or "rsync"  # scripts/test puts one at the end of PATH where none is installed


@dataclass(frozen=True)
class Done:
    """How the command ended; `log` is what it appended to its log file."""

    code: int
    stdout: str
    stderr: str
    log: str = field(repr=False, default="")

    @property
    def id(self) -> str:
        """The transaction identifier, which is all that a send may print."""
        assert re.fullmatch(rf"{ID.pattern}\n", self.stdout), (self.code, self.stdout, self.stderr)
        return self.stdout.strip()

    @property
    def said(self) -> str:
        """All that it said, wherever."""
        return self.stdout + self.stderr + self.log


class Send:
    """Runs the command. `data` is the directory that is sent; `settings` is the configuration, section -> key -> value.

    Attempts are not repeated unless a test sets `rsync retries`.
    """

    def __init__(self, directory: Path, server: Rsyncd) -> None:
        self.server = server
        self.home = directory / "home"
        self.programs = directory / "programs"
        self.work = directory / "work"
        self.data = directory / "data"
        for path in (self.home, self.programs, self.work, self.data):
            path.mkdir(parents=True)
        self.log = self.home / "send.log"
        self.book = self.home / "logbook.json"
        self.transactions = self.home / "logbook.json.transactions"
        self.config = self.home / "ResifDataTransfer.conf"
        self.settings: dict[str, dict[str, object]] = {
            "my resif node": {"my node name": "TEST", "my node password": server.password},
            "system": {"working directory": self.work},
            "rsync": {"rsync server": server.host, "rsync port": server.port, "rsync timeout": 60, "rsync retries": 0},
            "logging": {"log file": self.log, "log level": "DEBUG", "logbook": self.book},
            "limits": {},
        }
        self.configure()

    def configure(self, section: str = "limits", **keys: object) -> None:
        """Set keys of a section, spelt with underscores for blanks, and write the file, for its owner only."""
        self.settings[section] |= {name.replace("_", " "): value for name, value in keys.items()}
        lines = []
        for name, values in self.settings.items():
            lines += [f"[{name}]", *(f"{key} = {value}" for key, value in values.items()), ""]
        self.config.touch(mode=0o600)
        self.config.write_text("\n".join(lines))

    def put(self, name: str, content: bytes = b"", mtime: float = 1_700_000_000) -> Path:
        """Make a file in the directory that is sent, with its directories and an old time."""
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (mtime, mtime))
        return path

    def put_some(self) -> None:
        """Make the few files that are enough where it does not matter which."""
        for number, name in enumerate(("FR.A.mseed", "FR.B.mseed", "2026/day one/FR.C.mseed")):
            self.put(name, random.Random(number).randbytes(3000 + number), 1_700_000_000 + number)

    def program(self, name: str, script: str) -> Path:
        """Put a shell script on the PATH, before the system's programs."""
        path = self.programs / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
        return path

    # -- running it ---------------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """Return the whole environment of the command."""
        return {
            "HOME": str(self.home),
            **{f"XDG_{kind}_HOME": str(self.home / kind.lower()) for kind in ("CONFIG", "STATE", "DATA", "CACHE")},
            "PATH": f"{self.programs}:{SYSTEM_PATH}:{Path(REAL_RSYNC).parent}",
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LANG": "C.UTF-8",
        }

    def popen(self, *words: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Begin to run it."""
        return self.spawn([*COMMAND, "-c", str(self.config), *map(str, words)], **options)

    def spawn(self, argv: list[str], **options: Any) -> subprocess.Popen[str]:
        """Begin to run these words, in the environment of the command."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        usual = {"env": self.environment(), "cwd": self.home, "errors": "surrogateescape"}
        return subprocess.Popen(argv, text=True, **{**pipes, **usual, **options})

    def run(self, *words: str | Path, expect: int | None = 0) -> Done:
        """Run it to its end; `expect` is the exit code it must have."""
        before = len(self.log_text())
        with self.popen(*words) as process:
            done = finish(process)
        done = Done(done.code, done.stdout, done.stderr, self.log_text()[before:])
        assert "Traceback" not in done.said, done.said[-900:]
        assert expect is None or done.code == expect, (words, done.code, done.stdout, done.stderr)
        return done

    def on_terminal(self, *words: str) -> str:
        """Run it to its success with its output on a terminal, and return what the screen shows, which is short."""
        master, slave = os.openpty()
        with os.fdopen(master, "rb", buffering=0) as screen:
            with os.fdopen(slave, "wb") as terminal:
                command = [*COMMAND, "-c", str(self.config), *words]
                subprocess.run(command, stdout=terminal, stderr=terminal, check=True, env=self.environment())
            return screen.read(4096).decode()

    def send(self, *words: str | Path, content: bool = True, **options: Any) -> Done:
        """Send `data`, or its content, as it is mostly done."""
        return self.run("-s", f"{self.data}{'/' if content else ''}", "-d", MINISEED, *words, **options)

    @contextmanager
    def start(self, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
        """Run it beside the test, and end it with the test."""
        with self.popen(*words) as process:
            try:
                yield process
            finally:
                process.kill()
                for left in self.family():
                    with suppress(psutil.NoSuchProcess):  # some end by themselves meanwhile
                        left.kill()

    def starting(self, *words: str | Path) -> Any:
        """As `send`, beside the test."""
        return self.start("-s", f"{self.data}/", "-d", MINISEED, *words)

    @contextmanager
    def half_way(self, *words: str | Path, size: int = 600_000) -> Iterator[subprocess.Popen[str]]:
        """Have a send under way for some seconds more, with some files at the server and a part of `big`.

        It is slowed by bandwidth max.
        """
        self.put_some()
        self.put("big", random.Random(7).randbytes(size))
        self.configure("limits", bandwidth_max=size // 8192)
        with self.starting(*words) as process:
            await_true(lambda: process.poll() is not None or self._has_part_of_big(size))
            assert process.poll() is None, finish(process)
            yield process
        self.configure("limits", bandwidth_max="")

    def _has_part_of_big(self, size: int) -> bool:
        """Look at the temporary file that rsync makes; it disappears when the file is complete."""
        try:
            return any(path.stat().st_size > size // 8 for path in self.server.incoming.rglob(".big.*"))
        except FileNotFoundError:
            return False

    def interrupt(self, *words: str | Path) -> str:
        """Kill a send half way, and return the id of the transaction that is now unfinished."""
        before = set(self.states())
        with self.half_way(*words) as process:
            process.kill()
        (id_,) = set(self.states()) - before
        return id_

    def print_of(self, xml: bytes | str, *words: str) -> Done:
        """Run ResifDataTransferTransaction on a status."""
        data = xml.encode() if isinstance(xml, str) else xml
        argv = [sys.executable, "-c", TRANSACTION_COMMAND, *words]
        done = subprocess.run(argv, check=False, input=data, capture_output=True, env=self.environment())
        return Done(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))

    # -- what it left ------------------------------------------------------------------------------------------

    def log_text(self) -> str:
        """Return the whole log file."""
        return self.log.read_text(errors="surrogateescape") if self.log.exists() else ""

    def logbook(self) -> list[dict[str, Any]]:
        """Return the entries of the logbook, which is valid JSON at any time."""
        entries = json.loads(self.book.read_text()) if self.book.exists() else []
        assert isinstance(entries, list)
        return entries

    def booked(self) -> list[str]:
        """Return the ids in the logbook, in order."""
        return [entry["transactionID"] for entry in self.logbook()]

    def states(self) -> dict[str, str]:
        """Return id -> state of every transaction that is remembered."""
        return {path.stem: json.loads(path.read_text())["state"] for path in self.transactions.glob("*.json")}

    def family(self) -> list[psutil.Process]:
        """Return every process that has the home of this test in its environment, zombies left out."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("HOME") == str(self.home) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def assert_complete(self, id_: str, place: str = "", *, after_a_kill: bool = False) -> None:
        """Check that the data centre has the transaction: the tree as it is here, and the XML.

        A server that was killed may have kept temporary files of rsync, which nobody can remove from afar.
        """
        there = dict(contents(self.server.incoming / id_))
        if after_a_kill:
            there = {path: content for path, content in there.items() if not TEMPORARY.search(path)}
        assert f"{id_}.xml" in there, sorted(there)
        del there[f"{id_}.xml"]
        here = {f"{place}{path}": content for path, content in contents(self.data).items()}
        assert there == here


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for the end of a command that runs beside the test."""
    try:
        stdout, stderr = process.communicate()
    except BaseException:
        process.send_signal(signal.SIGKILL)
        raise
    return Done(process.returncode, stdout, stderr)


def contents(directory: Path) -> Mapping[str, tuple[bytes, int]]:
    """Return path -> content and time, in whole seconds, of every file below; an empty directory ends in a slash."""
    found = {}
    for parent, directories, names in os.walk(directory):
        for name in names:
            path = Path(parent, name)
            assert path.is_file()
            assert not path.is_symlink()
            found[str(path.relative_to(directory))] = (path.read_bytes(), int(path.stat().st_mtime))
        if not directories and not names:
            found[f"{Path(parent).relative_to(directory)}/"] = (b"", 0)
    return found


def recorder(send: Send) -> Path:
    """Let every call of rsync leave a file `<number>` in the directory that is returned, and then be rsync.

    Each holds argv and the environment, NUL-separated, an empty item between the two.
    """
    calls = send.home / "calls"
    calls.mkdir()
    send.program(
        "rsync",
        f"""number=$(ls {shlex.quote(str(calls))} | wc -l)
{{ printf '%s\\0' "$0" "$@" ''; cat /proc/$$/environ; }} > {shlex.quote(str(calls))}/$number
exec {REAL_RSYNC} "$@"
""",
    )
    return calls
