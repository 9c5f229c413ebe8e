"""Set ftpretrieve and the programs people use beside it against the server of `tests/faults`, fault by fault.

    scripts/faults --only transfer --only name-up --clients ftpretrieve,lftp

Each cell is a directory of its own, a server of its own, and a program that is to fetch a directory of it:

    whole        all files that the server has are there
    error        something is missing, and the exit code or a message says so
    silent-loss  something is missing, and nothing says so
    PARTIAL      a beginning of a file lies under its final name
    WRONG        something lies under a name that the server never had under it
    OUTSIDE      something was written, or a link leads, outside of the directory
    HANGS        it had not ended after --limit seconds, when it was killed

Faults that could make known files look new or gone strike a directory that was fetched before.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.faults.table import BEFORE, FAULTS, GROUPS, files, strikes_known_files
from tests.faultserver import FaultServer

VERDICTS = ("whole", "error", "silent-loss", "PARTIAL", "WRONG", "OUTSIDE", "HANGS")
SILENCE_SECS, SESSION_SECS = 2, 8
"""What every program is told to bear of silence, and, where it can be told, of a whole session."""

FILE_MIB, MEMORY_MIB = 64, 4096
"""What a program may write into one file and have of memory: some faults have no end."""


@dataclass(slots=True)
class Job:
    """What one program has to do: fetch the directory `in` of a server into `place`, with `home` as its own."""

    server: FaultServer
    place: Path
    home: Path
    ends: float

    @property
    def url(self) -> str:
        """The directory as a URL with its login."""
        server = self.server
        return f"ftp://{server.user}:{server.password}@{server.host}:{server.port}/in/"

    def run(self, *argv: str) -> tuple[bool, bytes]:
        """Run a command and return whether it complained, and its output. Raises: TimeoutExpired, after killing it."""
        limits = f'ulimit -f {FILE_MIB * 2048}; ulimit -v {MEMORY_MIB * 1024}; exec "$@"'
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("proxy")}
        with (
            open(self.home / "stdout", "w+b") as out,
            open(self.home / "stderr", "w+b") as err,
        ):  # limited, unlike pipes
            process = subprocess.Popen(
                ["bash", "-c", limits, "bash", *argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**kept, "HOME": str(self.home), "PYTHONPATH": os.getcwd()},
                cwd=self.home,
                start_new_session=True,
            )
            try:
                process.wait(max(0.1, self.ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):  # it has just ended
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
            out.seek(0)
            err.seek(0)
            said, complaints = out.read(), err.read()
        if b"Traceback" in complaints:
            raise RuntimeError(complaints.decode(errors="replace"))
        return process.returncode != 0 or bool(complaints.strip()), said


def ftpretrieve(job: Job) -> bool:
    """Poll once; its report may say that files are still changing, which is no reason to complain."""
    config, server = job.home / "ftpretrieve.conf", job.server
    config.touch(0o600)
    config.write_text(
        f"[remote]\nftp_host = {server.host}\nftp_port = {server.port}\nftp_user = {server.user}\n"
        f"ftp_password = {server.password}\nftp_remote_directory = in\nsettle_secs = 0.3\n"
        f"ftp_timeout_secs = {SILENCE_SECS}\nftp_duration_secs = {SESSION_SECS}\n"
        f"[local]\nftp_local_directory = {job.home}/staging\nsync_directory = {job.place}\n"
        f"journal_file_name = {job.home}/journal.db\nmin_free_bytes = 0\n[daemon]\ndaemon_log = {job.home}/log\n"
    )
    complained, said = job.run(sys.executable, "-m", "ftpretrieve", "--json", "-q", "-c", str(config), "once")
    report = json.loads(said.splitlines()[-1]) if said else {}
    return complained or any(report.get(word) for word in ("changing", "failed", "left"))


def lftp(job: Job) -> bool:
    """Mirror the directory; two connections as ftpretrieve has."""
    settings = {
        "net:timeout": SILENCE_SECS,
        "net:max-retries": 2,
        "net:reconnect-interval-base": 1,
        "net:reconnect-interval-multiplier": 1,
        "ftp:ssl-allow": "no",
        "cmd:fail-exit": "yes",
    }
    script = [f"set {name} {value}" for name, value in settings.items()]
    server = job.server
    script += [f"open -u {server.user},{server.password} -p {server.port} {server.host}"]
    script += [f"mirror --no-recursion --parallel=2 in {job.place}"]
    return job.run("lftp", "--norc", "-c", "; ".join(script))[0]


def wget(job: Job) -> bool:
    """Fetch what is newer, as for a mirror."""
    limits = [f"-T{SILENCE_SECS}", "-t2", "--waitretry=1"]
    return job.run("wget", "-q", "-r", "-l1", "-np", "-nd", "-N", *limits, "-P", str(job.place), job.url)[0]


def curl(job: Job) -> bool:
    """List the names, and fetch what is not there file by file, as scripts around curl do."""
    limits = {
        "connect-timeout": SILENCE_SECS,
        "speed-time": SILENCE_SECS,
        "speed-limit": 1,
        "max-time": SESSION_SECS // 2,
    }
    common = ["curl", "-sS", *(part for name, value in limits.items() for part in (f"--{name}", str(value)))]
    complained, said = job.run(*common, "--list-only", job.url)
    for name in said.splitlines():
        if not 0 < len(name) < 256 or b"/" in name or b"\0" in name or name in (b".", b".."):
            continue
        path = os.path.join(bytes(job.place), name)
        if not os.path.lexists(path):
            complained |= job.run(*common, "-R", "-o", os.fsdecode(path), job.url + quote_from_bytes(name))[0]
    return complained


def rclone(job: Job) -> bool:
    """Copy the directory."""
    server = job.server
    _, obscured = job.run("rclone", "obscure", server.password)
    options = {"host": server.host, "port": server.port, "user": server.user, "pass": obscured.decode().strip()}
    limits = [f"--contimeout={SILENCE_SECS}s", f"--timeout={SILENCE_SECS}s", "--retries=1", "--low-level-retries=2"]
    argv = [f"--ftp-{name}={value}" for name, value in options.items()]
    return job.run("rclone", "copy", "--config=", "--max-depth=1", *limits, *argv, ":ftp:in", str(job.place))[0]


CLIENTS: Mapping[str, Callable[[Job], bool]] = {
    "ftpretrieve": ftpretrieve,
    "lftp": lftp,
    "wget": wget,
    "curl": curl,
    "rclone": rclone,
}


def cell(fault: str, client: str, limit_secs: float) -> str:
    """Let one program meet one fault, and return the verdict."""
    with tempfile.TemporaryDirectory(prefix="ftpretrieve-faults-") as directory:
        top = Path(directory)
        place = top / "parent" / "box"
        home = top / "home"
        for path in (place, home):
            path.mkdir(parents=True)
        with FaultServer(files(), escape=bytes(top / "escape")) as server:
            if strikes_known_files(fault):
                server.files, new = dict(BEFORE), server.files
                server.truth.update((name, {body}) for name, (body, _) in BEFORE.items())
                CLIENTS[client](Job(server, place, home, time.monotonic() + limit_secs))
                server.files.update(new)
            server.arm(fault)
            wanted = set(server.files) - server.hostile
            try:
                complained = CLIENTS[client](Job(server, place, home, time.monotonic() + limit_secs))
            except subprocess.TimeoutExpired:
                complained = None
            return verdict(top, place, server, wanted, complained)


def verdict(top: Path, place: Path, server: FaultServer, wanted: set[bytes], complained: bool | None) -> str:
    """Say what came of a cell; `complained` is None for a program that was killed."""
    found = dict(contents(place))
    outside = {path.name for path in top.iterdir()} - {"parent", "home"} or len(list(place.parent.iterdir())) > 1
    if outside or any(body is None for body in found.values()):
        return "OUTSIDE"
    if complained is None:
        return "HANGS"
    wrong = {name: body for name, body in found.items() if name in server.truth and body not in server.truth[name]}
    if wrong:
        partial = all(any(true.startswith(body) for true in server.truth[name]) for name, body in wrong.items())
        return "PARTIAL" if partial else "WRONG"
    if wanted <= found.keys():
        return "whole"
    return "error" if complained else "silent-loss"


def contents(place: Path) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield name and content of what lies below a directory; None for a link that leads out of it."""
    top = bytes(place)
    for parent, _, names in os.walk(top):
        for name in names:
            path = os.path.join(parent, name)
            if os.path.islink(path):
                if not os.path.realpath(path).startswith(top + b"/"):
                    yield os.path.relpath(path, top), None
                continue
            with open(path, "rb") as file:
                yield os.path.relpath(path, top), file.read()


def chosen(only: list[str]) -> list[str]:
    """Return the faults of these groups and names. Raises: SystemExit for what is neither."""
    if not only:
        return list(FAULTS)
    specs = []
    for word in only:
        if word in GROUPS:
            specs += [fault.name for fault in GROUPS[word]]
        elif word.partition("@")[0] in FAULTS:
            specs.append(word)
        else:
            raise SystemExit(f"no fault or group is called {word}; groups: {', '.join(GROUPS)}")
    return specs


def arguments() -> argparse.Namespace:
    """Read the command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="GROUP|FAULT[@first|@N]", help="may be repeated")
    parser.add_argument("--clients", default=",".join(CLIENTS), help="of which those installed (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="an object a line")
    parser.add_argument("--limit", type=float, default=30.0, metavar="SECS", help="of one cell (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=4, help="cells at a time (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="print the faults, and do nothing")
    return parser.parse_args()


def main() -> int:
    """Print a row a fault as soon as it is done, then the counts; 1 when ftpretrieve did what nobody should."""
    options = arguments()
    specs = chosen(options.only)
    if options.list:
        for spec in specs:
            fault = FAULTS[spec.partition("@")[0]]
            print(f"{fault.group:10} {spec:20} {fault.text}")
        return 0
    strangers = sorted({*options.clients.split(",")} - {*CLIENTS})
    if strangers:
        print(f"no client is called {', '.join(strangers)}; there are: {', '.join(CLIENTS)}", file=sys.stderr)
        return 1
    clients = [name for name in options.clients.split(",") if name == "ftpretrieve" or shutil.which(name)]
    counts: dict[str, Counter[str]] = {client: Counter() for client in clients}
    if not options.json:
        print("| group | fault | " + " | ".join(clients) + " |\n|---|---|" + "---|" * len(clients), flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        rows = [(spec, [pool.submit(cell, spec, client, options.limit) for client in clients]) for spec in specs]
        for number, (spec, cells) in enumerate(rows, 1):
            verdicts = dict(zip(clients, map(Future.result, cells), strict=True))
            for client, word in verdicts.items():
                counts[client][word] += 1
            show(spec, verdicts, f"{number}/{len(rows)}", as_json=options.json)
    for client in clients:
        if options.json:
            print(json.dumps({"client": client, "counts": counts[client]}))
        else:
            print(f"{client}: " + ", ".join(f"{counts[client][word]} {word}" for word in VERDICTS))
    return int(any(counts.get("ftpretrieve", {}).get(word) for word in VERDICTS[2:]))


def show(spec: str, verdicts: Mapping[str, str], progress: str, *, as_json: bool) -> None:
    """Print one row, and how far we are where somebody watches."""
    fault = FAULTS[spec.partition("@")[0]]
    if as_json:
        print(json.dumps({"group": fault.group, "fault": spec, "text": fault.text, "cells": verdicts}), flush=True)
    else:
        print(f"| {fault.group} | {spec} | " + " | ".join(verdicts.values()) + " |", flush=True)
    if sys.stderr.isatty():
        print(f"{progress}\r", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
