"""Kill the real daemon at random instants while files come, change and are taken away, and count what was delivered.

The model is the list of versions that were put on the server, each with a size of its own. A consumer empties the sync
directory all the while. In the end every version has been taken exactly once, with the right bytes; one that was
replaced on the server before it was taken may be missing, but never comes twice. Journal and log must agree with it.
"""

import argparse
import ast
import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from tests.installation import Installation
from tests.pyftp import PyFtpServer
from tests.servers import FtpServer, proftpd, pureftpd, vsftpd, why_missing

SERVERS = {"pure-ftpd": pureftpd, "proftpd": proftpd, "vsftpd": vsftpd, "pyftpdlib": PyFtpServer}
LONGEST_LIFE_SECS = 0.9
"""A daemon is ready after some 0.3 s and through with a poll 0.5 s later: the kills fall into start, poll and wait."""

AIMED_SHARE = 0.6
"""Of the kills, so many fall right after the consumer saw a file: intent, rename and confirmation take a millisecond
together, which kills at random instants hardly ever meet. With rename and intent exchanged in the product, 100 kills at
random found nothing."""

AIMED_SECS = 0.004
"""Within this time after the file was seen: the batch is still being renamed, synced or confirmed."""

NEW_A_LIFE = 8
"""Files that are put on the server for each daemon, so that batches have a middle."""

ONCE_EVERY = 10
"""Beside each so-manieth daemon a `once` is started, which must find the journal in use."""

SETTLE_SECS = 120.0

Taken = Counter[tuple[str, str]]


class Consumer(threading.Thread):
    """Takes whatever lies in the sync directory, as a consumer would, and remembers it."""

    def __init__(self, sync: Path, shelf: Path) -> None:
        super().__init__(name="consumer")
        self.taken: Taken = Counter()
        self.saw = threading.Event()
        self._sync, self._shelf = sync, shelf
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(0.0005):
            self.take()

    def take(self) -> None:
        for entry in list(os.scandir(self._sync)):
            if entry.name.startswith(".ftpretrieve"):
                continue
            # Moved first: what is read must not be replaced by the next version meanwhile.
            self.saw.set()
            target = self._shelf / f"{self.taken.total()}"
            os.rename(entry.path, target)
            self.taken[entry.name, hashlib.sha256(target.read_bytes()).hexdigest()] += 1
            target.unlink()

    def stop(self) -> None:
        self._stopped.set()
        self.join()
        self.take()


class CrashTest:
    """One run. `lost` and `doubled` name what went wrong."""

    def __init__(self, place: Path, server: FtpServer, seed: int, files: int) -> None:
        self.random = random.Random(seed)
        self.server = server
        self.site = Installation(place / "site", server, settle_secs=0.2, sleep_in_seconds=0.15, log_keep=0)
        (place / "shelf").mkdir()
        self.consumer = Consumer(self.site.sync, place / "shelf")
        self.versions: dict[tuple[str, str], bool] = {}  # (name, digest) -> may have been replaced before it was taken
        self.newest: dict[str, str] = {}
        self._sizes = iter(range(1, 10_000_000))
        self._clock = int(time.time()) - 1_000_000
        for number in range(files):
            self.put(f"file{number:04}")

    def put(self, name: str) -> None:
        """Put a new version on the server; no two have the same size or time."""
        content = self.random.randbytes(next(self._sizes) + self.random.choice((0, 0, 0, 100_000, 2_000_000)))
        before = self.newest.get(name)
        if before is not None and (name, before) not in self.consumer.taken:
            self.versions[name, before] = True
        self._clock += 120  # more than the minute of a listing
        self.server.put(name, content, self._clock)
        self.newest[name] = hashlib.sha256(content).hexdigest()
        self.versions[name, self.newest[name]] = False

    def run(self, kills: int) -> None:
        """Kill so often, then let the daemon finish."""
        self.consumer.start()
        try:
            for number in range(kills):
                self._one_life(number)
                for other in range(NEW_A_LIFE):
                    self.put(f"new{number:05}-{other}")
                self.put(self.random.choice(list(self.newest)))
            self._finish()
        finally:
            self.consumer.stop()

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self.site.argv("-q", "run"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def _one_life(self, number: int) -> None:
        daemon = self._start()
        try:
            self._wait_for_the_instant()
            if number % ONCE_EVERY == 0:
                self._once_is_refused(daemon)
        finally:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()

    def _wait_for_the_instant(self) -> None:
        if self.random.random() >= AIMED_SHARE:
            time.sleep(self.random.uniform(0, LONGEST_LIFE_SECS))
            return
        self.consumer.saw.clear()
        if self.consumer.saw.wait(2 * LONGEST_LIFE_SECS):
            time.sleep(self.random.uniform(0, AIMED_SECS))

    def _once_is_refused(self, daemon: "subprocess.Popen[bytes]") -> None:
        started = f"pid={daemon.pid} "
        while started not in self._log() and daemon.poll() is None:
            time.sleep(0.02)
        code = subprocess.run(self.site.argv("-q", "once"), capture_output=True, check=False).returncode
        if code != 75:
            raise SystemExit(f"once beside a daemon ended with {code} instead of 75")

    def _log(self) -> str:
        log = self.site.home / "daemon.log"
        return log.read_text() if log.exists() else ""

    def _logged(self) -> set[tuple[str, int | None]]:
        """Return (name, mtime) of all that the log says was downloaded; a line that a kill cut in two is no line."""
        found = set()
        for line in self._log().splitlines():
            _, word, rows = line.partition(" FILESDOWNLOADED ")
            if word and rows.endswith("]"):
                found.update((name, mtime) for _, mtime, name in ast.literal_eval(rows))
        return found

    def _finish(self) -> None:
        daemon = self._start()
        end = time.monotonic() + SETTLE_SECS
        while self.missing() and time.monotonic() < end and daemon.poll() is None:
            time.sleep(0.1)
        time.sleep(1)  # two more polls: they must bring nothing
        daemon.terminate()
        if daemon.wait():
            raise SystemExit(f"the daemon ended with {daemon.returncode}")

    def missing(self) -> list[tuple[str, str]]:
        """Return the versions that must have come and did not."""
        return [version for version, replaced in self.versions.items() if not replaced and not self.taken(version)]

    def taken(self, version: tuple[str, str]) -> int:
        return self.consumer.taken[version]

    def faults(self) -> list[str]:
        """Return everything that does not hold, in words."""
        found = [f"lost: {name} {digest[:12]}" for name, digest in self.missing()]
        found += [f"doubled: {v[0]} {v[1][:12]} x{count}" for v, count in self.consumer.taken.items() if count > 1]
        found += [f"wrong: {v[0]} {v[1][:12]}" for v in self.consumer.taken if v not in self.versions]
        with sqlite3.connect(self.site.home / "journal.db") as db:
            rows = db.execute("SELECT name, digest, reported, mtime FROM files WHERE state = 'delivered'").fetchall()
            others = db.execute("SELECT name, state FROM files WHERE state IN ('arrived', 'staged')").fetchall()
        db.close()
        journal = Counter((name, digest) for name, digest, _, _ in rows)
        differ = (journal - self.consumer.taken) + (self.consumer.taken - journal)
        found += [f"journal and consumer differ in: {name} {digest[:12]}" for name, digest in differ]
        logged = self._logged()
        found += [
            f"not in the log: {name}"
            for name, _, reported, mtime in rows
            if not reported or (name, mtime) not in logged
        ]
        found += [f"left {state}: {name}" for name, state in others]
        return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/crashtest", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how often the daemon is killed (default 200)")
    parser.add_argument("--seed", type=int, default=None, help="of the random instants and contents (default: random)")
    parser.add_argument("--files", type=int, default=300, help="files that lie there at the beginning (default 300)")
    parser.add_argument("--server", choices=SERVERS, default="pure-ftpd", help="which FTP server (default pure-ftpd)")
    options = parser.parse_args()
    missing = why_missing(options.server)
    if missing:
        parser.exit(2, f"{missing}\n")
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    print(f"{options.kills} kills, seed {seed}, {options.files} files on {options.server}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ftpretrieve-crash-") as directory:
        place = Path(directory)
        with SERVERS[options.server](place / "server") as server:
            test = CrashTest(place, server, seed, options.files)
            test.run(options.kills)
            faults = test.faults()
    for fault in faults[:20]:
        print(fault)
    minutes = (time.monotonic() - started) / 60
    print(
        f"{options.kills} kills in {minutes:.1f} min, {test.consumer.taken.total()} of {len(test.versions)} versions",
        end=" ",
    )
    print(f"taken, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
