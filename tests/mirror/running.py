"""The installed command in a process of its own, with a home, a PATH and an environment that are not the user's.

    mirror = Mirror(tmp_path)
    done = mirror.shell(server, "-e", expect=0)
    assert "Ended OK" in done.stdout

Neither mails, nor pop-ups, nor the user's `~/.ssh` and `~/.lftp` are touched: ssh takes its home from the system's
users, not from $HOME, so a program of that name stands in its way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.servers import FtpServer

CHECKOUT = Path(__file__).parent.parent.parent
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
COMMAND = [sys.executable, "-m", "ftpretrieve", "mirror"]  # what the installed lftp-mirror is


@dataclass(frozen=True)
class Done:
    """How the command ended; `report` is what it appended to its log."""

    code: int
    stdout: str
    stderr: str
    report: str = field(repr=False, default="")

    @property
    def said(self) -> str:
        """All that it said, wherever."""
        return self.stdout + self.stderr + self.report


class Mirror:
    """Runs the command. `local` is the directory that is kept alike; its parent, `root`, takes log and backups."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.programs = directory / "programs"
        self.root = directory / "kept"
        self.local = self.root / "copy"
        self.log = self.root / "lftp_mirror.log"
        self.known_hosts = self.home / ".ssh" / "known_hosts"
        for path in (self.known_hosts.parent, self.programs, self.root):
            path.mkdir(parents=True)
        self._make_ssh()

    def _make_ssh(self) -> None:
        settings = [f"UserKnownHostsFile {self.known_hosts}", "GlobalKnownHostsFile /dev/null", "IdentityAgent none"]
        settings += [f"IdentityFile {self.home}/.ssh/id_ed25519", "IdentitiesOnly yes", "ConnectTimeout 5"]
        (self.home / ".ssh" / "config").write_text("\n".join(settings) + "\n")
        real = shutil.which("ssh", path=SYSTEM_PATH)
        self.program("ssh", f'exec {real} -F {self.home}/.ssh/config "$@"')

    def program(self, name: str, script: str) -> Path:
        """Put a shell script on the PATH, before the system's programs."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def put(self, name: str, content: bytes = b"", mtime: float | None = None) -> Path:
        """Make a file in LOCAL, with its directories."""
        path = self.local / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if mtime is not None:
            os.utime(path, (mtime, mtime))
        return path

    def use_key(self, key: Path) -> None:
        """Make it the key of the user, as `~/.ssh/id_ed25519`."""
        shutil.copy(key, self.home / ".ssh" / "id_ed25519")

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the whole environment of the command."""
        return {
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_DATA_HOME": str(self.home / ".local"),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "PATH": f"{self.programs}:{SYSTEM_PATH}",
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LANG": "C.UTF-8",
            **(more or {}),
        }

    def lftp(self, script: str, **environment: str) -> Done:
        """Run lftp itself, without the product: to see what would happen without it."""
        limits = "set net:timeout 1; set net:max-retries 1; set net:reconnect-interval-base 1\n"
        done = subprocess.run(
            ["lftp", "--norc", "-f", "/dev/stdin"],
            check=False,
            input=limits + script,
            capture_output=True,
            text=True,
            env=self.environment(environment),
            cwd=self.root,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    # -- running it ---------------------------------------------------------------------------------------------

    def popen(self, *arguments: str | Path, env: Mapping[str, str] | None = None, **options: Any) -> Any:
        """Begin to run it."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        argv = [*COMMAND, *map(str, arguments)]
        return subprocess.Popen(argv, text=True, env=self.environment(env), **{"cwd": self.root, **pipes, **options})

    def run(
        self,
        *arguments: str | Path,
        expect: int | None = None,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Done:
        """Run it to its end; `expect` is the exit code it must have."""
        before = len(self.report())
        with self.popen(*arguments, env=env, **options) as process:
            try:
                stdout, stderr = process.communicate()
            except BaseException:
                process.terminate()
                raise
        done = Done(process.returncode, stdout or "", stderr or "", self.report()[before:])
        assert "Traceback" not in done.stderr, done.stderr
        if expect is not None:
            assert done.code == expect, (arguments, done.code, done.stdout, done.stderr, done.report)
        return done

    def report(self) -> str:
        """Return the whole log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def arguments(
        self,
        server: FtpServer,
        *options: str | Path,
        remote: str | None = None,
        local: Path | None = None,
        without: Collection[str] = (),
    ) -> list[str | Path]:
        """Return the arguments of the shell mode for a server, its password from the environment.

        They say `--no-email` and `--no-compress`; `without` names what to leave out of that.
        """
        place = [server.host, server.home if remote is None else remote, local or self.local]
        login = ["-p", str(server.port), "-l", server.user, "-" if server.password else ""]
        usual = [flag for flag in ("--no-email", "--no-compress") if flag not in without]
        return ["shell", *place, *login, *usual, *options]

    def shell(
        self,
        server: FtpServer,
        *options: str | Path,
        remote: str | None = None,
        local: Path | None = None,
        without: Collection[str] = (),
        env: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Done:
        """Run one job in the shell mode, to its end."""
        arguments = self.arguments(server, *options, remote=remote, local=local, without=without)
        return self.run(*arguments, env={"LFTP_PASSWORD": server.password, **(env or {})}, **more)

    def configuration(self, text: str, name: str = "mirror.cfg") -> Path:
        """Write a configuration file that nobody else may read."""
        path = self.home / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path


def tree(directory: Path) -> dict[str, bytes | str | None]:
    """Return path -> content of a file, `-> target` of a link, None of a directory; of all below a directory."""
    found: dict[str, bytes | str | None] = {}
    for parent, directories, names in os.walk(directory):
        for name in directories + names:
            path = Path(parent, name)
            key = path.relative_to(directory).as_posix()
            if path.is_symlink():
                found[key] = f"-> {os.readlink(path)}"
            else:
                found[key] = None if path.is_dir() else path.read_bytes()
    return found


def family(mirror: Mirror) -> list[psutil.Process]:
    """Return every process that has the home of these tests in its environment, zombies left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == str(mirror.home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


@contextmanager
def under_way(mirror: Mirror, *arguments: str | Path, password: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command beside the test, and end it with the test."""
    with mirror.popen(*arguments, env={"LFTP_PASSWORD": password}) as process:
        try:
            yield process
        finally:
            process.kill()
            for left in family(mirror):
                left.kill()
