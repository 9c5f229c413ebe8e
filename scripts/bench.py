"""Time whole polls beside `lftp mirror`: both as processes, in turn, on one throw-away vsftpd on loopback.

Figures are medians of the runs: wall and CPU seconds and peak memory of the process itself, not of the server. Only the
ratios mean anything on another machine.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers import RealServer, vsftpd

LONG_AGO = 1_700_000_000


class Run(NamedTuple):
    """One finished process."""

    wall_secs: float
    cpu_secs: float
    peak_mib: float


def timed(argv: list[str]) -> Run:
    """Run a command to its end and return what it took."""
    started = time.monotonic()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise SystemExit(f"{argv[0]} ended with {process.returncode}: {said.decode(errors='replace')}")
    return Run(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def retrieve(server: RealServer, place: Path, settle_secs: float) -> list[str]:
    """Return the command of one poll into an empty mailbox."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "sync").mkdir(parents=True)
    config = place / "ftpretrieve.conf"
    config.touch(0o600)
    config.write_text(
        f"[remote]\nftp_host = {server.host}\nftp_port = {server.port}\nftp_user = {server.user}\n"
        f"ftp_password = {server.password}\nsettle_secs = {settle_secs}\n"
        f"[local]\nftp_local_directory = {place}/staging\nsync_directory = {place}/sync\n"
        f"journal_file_name = {place}/journal.db\n[daemon]\ndaemon_log = {place}/log\n"
    )
    return [sys.executable, "-m", "ftpretrieve", "-q", "-c", str(config), "once"]


def mirror(server: RealServer, place: Path) -> list[str]:
    """Return the command of lftp for an empty directory, with as many connections."""
    shutil.rmtree(place, ignore_errors=True)
    script = f"open -u {server.user},{server.password} {server.host}:{server.port}; mirror --parallel=2 . {place}"
    return ["lftp", "-c", script]


def fill(server: RealServer, files: int, size: int) -> None:
    """Put files of random content on the server."""
    for path in server.root.iterdir():
        path.unlink()
    block = os.urandom(min(size, 1 << 20))
    for number in range(files):
        path = server.root / f"file{number:05}"
        with open(path, "wb") as file:
            for _ in range(size // len(block)):
                file.write(block)
        os.utime(path, (LONG_AGO, LONG_AGO))


def main() -> None:
    """Print one row a case and program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each, after one that is not (default 3)")
    runs = parser.parse_args().runs
    print("| case | program | wall s | CPU s | peak MiB | wall / lftp |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="ftpretrieve-bench-") as directory:
        top = Path(directory)
        with vsftpd(top) as server:
            for case, files, size in (("2,000 files of 4 KiB", 2000, 4096), ("1 file of 1 GiB", 1, 1 << 30)):
                fill(server, files, size)
                commands: dict[str, Callable[[], list[str]]] = {
                    "lftp mirror": lambda: mirror(server, top / "lftp"),
                    "ftpretrieve once, settle_secs = 0": lambda: retrieve(server, top / "box", 0),
                    "ftpretrieve once, settle_secs = 5": lambda: retrieve(server, top / "box", 5),
                }
                report(case, {name: [] for name in commands}, commands, runs)


def report(case: str, taken: dict[str, list[Run]], commands: dict[str, Callable[[], list[str]]], runs: int) -> None:
    """Run the commands in turn, and print the medians."""
    for number in range(runs + 1):
        for name, command in commands.items():
            run = timed(command())
            if number:
                taken[name].append(run)
    peer = statistics.median(run.wall_secs for run in taken["lftp mirror"])
    for name, done in taken.items():
        wall, cpu, peak = (statistics.median(values) for values in zip(*done, strict=True))
        print(f"| {case} | {name} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {wall / peer:.2f} |", flush=True)


if __name__ == "__main__":
    main()
