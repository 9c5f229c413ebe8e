"""A demonstration that checks what it claims: files arrive exactly once, also through a kill -9.

It starts an FTP server in a process of its own, writes a configuration, and drives the real daemon through its command
line. A thread plays the consumer: it takes every file out of the sync directory as soon as it appears, so whatever was
delivered twice would lie there twice. Each step ends in checks; the first one that fails ends the demonstration with
exit code 1 and one line that says what did not hold. Whatever ends it, daemon, server and files are gone afterwards.
"""

import argparse
import ast
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

PASSWORD = "not-a-secret"
CONFIGURATION = """\
[remote]
ftp_host = 127.0.0.1
ftp_port = {port}
ftp_user = demo
ftp_password = {password}
settle_secs = 1

[local]
ftp_local_directory = staging
sync_directory = sync
journal_file_name = journal.db
sleep_in_seconds = 1.5

[daemon]
daemon_log = daemon.log
daemon_error_log = daemon.err
daemon_pid = daemon.pid
"""
SMALL_FILES = 12
BIG, BIG_BYTES = "big.dat", 16 * 1024 * 1024
BYTES_A_SEC = 4 * 1024 * 1024  # of each transfer, so that there is a middle to be killed in
KILLED_AT_BYTES = 3 * 1024 * 1024
STEP_SECS = 20.0  # each step takes two or three; this is for a machine that is busy with something else
LINE_CHARS = 160


class Failed(Exception):
    """Something that was claimed did not hold."""


def expect(holds: bool, claim: str) -> None:
    """Say that a claim holds, or end the demonstration."""
    if not holds:
        raise Failed(claim)
    print(f"    checked: {claim}")


def headline(text: str) -> None:
    """Begin a step."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}== {text}{plain}", flush=True)


# -- the server, in a process of its own ------------------------------------------------------------------------------


def serve(root: str, sent_log: str) -> None:
    """Serve a directory, slowly; print the port. Ends when its standard input does, however our parent ended."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, ThrottledDTPHandler
    from pyftpdlib.log import config_logging
    from pyftpdlib.servers import FTPServer

    class Slow(ThrottledDTPHandler):  # type: ignore[misc]
        write_limit = BYTES_A_SEC

    class Handler(FTPHandler):  # type: ignore[misc]
        dtp_handler = Slow
        use_sendfile = False  # it would pass by the limit
        authorizer = DummyAuthorizer()

        def on_file_sent(self, file: str) -> None:
            with open(sent_log, "a") as log:
                log.write(os.path.basename(file) + "\n")

    Handler.authorizer.add_user("demo", PASSWORD, root, perm="elr")
    config_logging(level=60)  # what it has to say is of no interest here
    server = FTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    print(server.address[1], flush=True)
    server.serve_forever(handle_exit=False)


# -- the demonstration ------------------------------------------------------------------------------------------------


class Demo:
    """One demonstration in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.remote, self.sync, self.inbox = directory / "remote", directory / "sync", directory / "inbox"
        self.log, self.sent_log = directory / "daemon.log", directory / "sent.log"
        self.conf = directory / "ftpretrieve.conf"
        for place in (self.remote, self.sync, self.inbox):
            place.mkdir()
        self.expected: Counter[tuple[str, str]] = Counter()
        self.server: subprocess.Popen[str] | None = None
        self.over = threading.Event()
        self.consumer = threading.Thread(target=self._consume, name="consumer")
        self.random = random.Random(2026)

    # -- what everything else stands on ---------------------------------------------------------------------------

    def start_server(self) -> None:
        """Start the server and write the configuration for it."""
        self.server = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(self.remote), str(self.sent_log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us to handle
        )
        assert self.server.stdout is not None
        port = self.server.stdout.readline().strip()
        if not port:
            raise Failed("the FTP server starts")
        self.conf.write_text(CONFIGURATION.format(port=port, password=PASSWORD))
        self.conf.chmod(0o600)
        self.consumer.start()
        print(f"    an FTP server on 127.0.0.1:{port}, the configuration:")
        print("".join(f"      {line}\n" for line in self.conf.read_text().replace("\n\n", "\n").splitlines()), end="")

    def _consume(self) -> None:
        """Take what appears in the sync directory into the inbox, under names that count."""
        taken = 0
        while not self.over.wait(0.01):
            for path in sorted(self.sync.iterdir()):
                if not path.name.startswith("."):
                    taken += 1
                    path.rename(self.inbox / f"{taken:04}-{path.name}")

    def put(self, name: str, size: int, age_secs: float = 0) -> None:
        """Make or replace a remote file, complete from its first instant on."""
        content = self.random.randbytes(size)
        part = self.directory / "part"
        part.write_bytes(content)
        os.utime(part, (time.time() - age_secs,) * 2)
        part.replace(self.remote / name)
        self.expected[name, hashlib.sha256(content).hexdigest()] += 1

    def arrived(self) -> Counter[tuple[str, str]]:
        """Return what the consumer took: (name, digest) and how often."""
        found = Counter[tuple[str, str]]()
        for path in self.inbox.iterdir():
            found[path.name.partition("-")[2], hashlib.sha256(path.read_bytes()).hexdigest()] += 1
        return found

    def sent(self) -> list[str]:
        """Return the names that the server has sent to the end, in order: a witness that is not the daemon."""
        return self.sent_log.read_text().split() if self.sent_log.exists() else []

    def command(self, *arguments: str, show: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `ftpretrieve` with our configuration."""
        argv = [sys.executable, "-m", "ftpretrieve", "-c", str(self.conf), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=STEP_SECS, check=False)
        if show:
            print(f"    $ ftpretrieve {' '.join(arguments)}    (exit code {done.returncode})")
            for line in (done.stdout + done.stderr).splitlines():
                print(f"      {line[:LINE_CHARS]}")
        return done

    def pid(self) -> int:
        """Return the daemon's process, 0 when the pid file names none."""
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            return int((self.directory / "daemon.pid").read_text().splitlines()[0])
        return 0

    def records(self, word: str) -> list[str]:
        """Return the lines of the log with this word, without their time and level."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.split(" ", 3)[3] for line in lines if f" {word} " in line]

    def wait_for(self, claim: str, holds: Callable[[], bool]) -> None:
        """Wait until it holds. Raises: Failed after `STEP_SECS`."""
        end = time.monotonic() + STEP_SECS
        while not holds():
            if time.monotonic() > end:
                raise Failed(claim)
            time.sleep(0.02)

    def next_poll(self, seen: int | None = None) -> dict[str, str]:
        """Wait for a poll that ends after the first `seen` ones (default: all so far), show and return its figures."""
        before = len(self.records("POLL")) if seen is None else seen
        self.wait_for("another poll ends", lambda: len(self.records("POLL")) > before)
        line = self.records("POLL")[before]
        print(f"    log: {line}")
        return dict(field.split("=", 1) for field in line.split()[1:])

    # -- the steps ------------------------------------------------------------------------------------------------

    def files_arrive(self) -> None:
        """Step 1."""
        headline(f"1. {SMALL_FILES} files lie on the server. The daemon is started")
        for number in range(1, SMALL_FILES + 1):
            self.put(f"report-{number:02}.csv", self.random.randrange(1_000, 100_000), age_secs=86_400 * number)
        expect(self.command("start").returncode == 0, "`start` says that the daemon is up")
        figures = self.next_poll(0)
        self.wait_for("all files arrive", lambda: self.arrived() == self.expected)
        print(f"    taken by the consumer: {', '.join(sorted(path.name for path in self.inbox.iterdir())[:3])}, …")
        expect(self.arrived() == self.expected, f"{SMALL_FILES} files arrived, each once, with the right bytes")
        expect(figures["delivered"] == str(SMALL_FILES), "the log says the same")

    def nothing_comes_again(self) -> None:
        """Step 2."""
        headline("2. Nothing has changed on the server, and the next poll fetches nothing")
        sent = len(self.sent())
        figures = self.next_poll()
        expect(figures["listed"] == str(SMALL_FILES), f"it listed {SMALL_FILES} files")
        expect(figures["fetched"] == "0" and len(self.sent()) == sent, "and the server sent none of them")

    def a_change_comes(self) -> None:
        """Step 3."""
        headline("3. One remote file is replaced by another version")
        sent, polls = len(self.sent()), len(self.records("POLL"))
        self.put("report-03.csv", 4_321)
        self.wait_for("the new version arrives", lambda: self.arrived() == self.expected)
        while self.next_poll(polls)["delivered"] == "0":
            polls += 1
        expect(self.sent()[sent:] == ["report-03.csv"], "the server sent report-03.csv and nothing else")
        expect(self.arrived() == self.expected, "it arrived once, with the new bytes, beside the first version")

    def killed_in_the_middle(self) -> None:
        """Step 4."""
        headline(f"4. Six more files, one of {BIG_BYTES >> 20} MiB on a slow line, and a kill -9 in the middle of it")
        for number in range(1, 6):
            self.put(f"late-{number}.csv", 10_000, age_secs=3_600)
        self.put(BIG, BIG_BYTES, age_secs=3_600)
        self.wait_for("the big file is on its way", lambda: self._received() > KILLED_AT_BYTES)
        os.kill(self.pid(), signal.SIGKILL)
        received = self._received()
        print(f"    killed with {received >> 10} KiB of {BIG_BYTES >> 10} KiB received")
        expect(received < BIG_BYTES and BIG not in self.sent(), "it was in the middle of the transfer")
        expect(self.command("status").returncode == 1, "`status` knows that the daemon died")
        expect(not any(name == BIG for name, _ in self.arrived()), "the consumer has seen nothing of the big file")

    def _received(self) -> int:
        """Return the size of the largest file in staging: the big one's so far."""
        sizes = [0]
        with contextlib.suppress(FileNotFoundError):  # published or removed while we look
            sizes += [path.stat().st_size for path in (self.directory / "staging").glob("*/*")]
        return max(sizes)

    def started_again(self) -> None:
        """Step 5."""
        headline("5. The daemon is started again. Nothing is lost and nothing comes twice")
        polls = len(self.records("POLL"))
        expect(self.command("start").returncode == 0, "`start` is not hindered by what the dead one left")
        self.wait_for("the rest arrives", lambda: self.arrived() >= self.expected)
        figures = self.next_poll(polls)
        while figures["fetched"] != "0":
            polls += 1
            figures = self.next_poll(polls)
        expect(self.arrived() == self.expected, f"all {self.expected.total()} versions arrived, each exactly once")

    def the_books(self) -> None:
        """Step 6."""
        headline("6. What the log and the journal say")
        told = Counter[str]()
        for line in self.records("FILESDOWNLOADED"):
            print(f"    {line[:LINE_CHARS]}{' …' if len(line) > LINE_CHARS else ''}")
            told.update(name for _, _, name in ast.literal_eval(line.partition(" ")[2]))
        names = Counter(name for name, _ in self.expected.elements())
        expect(told >= names and told.keys() == names.keys(), "every delivery has its FILESDOWNLOADED entry")
        self.command("history", "--limit", "8")
        rows = [json.loads(line) for line in self.command("--json", "history", show=False).stdout.splitlines()]
        journal = Counter((row["name"], row["digest"]) for row in rows if row["state"] == "delivered")
        expect(journal == self.expected, f"the journal holds {len(rows)} delivered versions with their digests")

    def stopped(self) -> None:
        """Step 7."""
        headline("7. The daemon is stopped")
        expect(self.command("stop").returncode == 0, "`stop` confirms")
        expect(self.command("status").returncode == 3, "`status` says stopped")

    def run(self) -> None:
        """Do all steps. Raises: Failed at the first claim that does not hold."""
        started = time.monotonic()
        headline("0. A throw-away server and a configuration")
        self.start_server()
        for step in (
            self.files_arrive,
            self.nothing_comes_again,
            self.a_change_comes,
            self.killed_in_the_middle,
            self.started_again,
            self.the_books,
            self.stopped,
        ):
            step()
        headline(f"All of it holds ({time.monotonic() - started:.0f} s)")

    def clean_up(self) -> None:
        """End the daemon, the server and the consumer, in whatever state they are."""
        if self.pid():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.command("stop", "--timeout", "5", show=False)
            # A pid file that is still there is of a daemon that does not stop, or of one that was killed before.
            if self.command("status", show=False).returncode == 0:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid(), signal.SIGKILL)
        self.over.set()
        if self.consumer.is_alive():
            self.consumer.join()
        if self.server is not None:
            self.server.kill()
            self.server.wait()

    def show_log(self) -> None:
        """Show the end of the daemon's log and of its errors, for whoever wants to know why."""
        for path in (self.log, self.directory / "daemon.err"):
            lines = path.read_text(errors="replace").splitlines() if path.exists() else []
            for line in lines[-15:]:
                print(f"    {path.name}: {line}", file=sys.stderr)


@contextlib.contextmanager
def temporary_directory(keep: bool) -> Iterator[Path]:
    """Give a directory, and remove it afterwards unless it is to be kept."""
    directory = Path(tempfile.mkdtemp(prefix="ftpretrieve-demo-"))
    try:
        yield directory
    finally:
        if keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def main() -> int:
    """Run the demonstration and return its exit code."""
    parser = argparse.ArgumentParser(description="Show, and check, that files arrive exactly once.")
    parser.add_argument("--keep", action="store_true", help="keep the directory with configuration, journal and log")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with temporary_directory(options.keep) as directory:
        demo = Demo(directory)
        try:
            demo.run()
        except Failed as failed:
            demo.show_log()
            print(f"\ndemo: FAILED: this does not hold: {failed}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\ndemo: interrupted, cleaning up", file=sys.stderr)
            return 130
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # cleaning up takes seconds and must not be cut short
            demo.clean_up()
    return 0


if __name__ == "__main__":
    sys.exit(main())
