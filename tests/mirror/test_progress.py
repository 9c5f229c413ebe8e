"""What stands on the terminal while lftp works: a real one, made by the kernel, whose other end the test reads."""

import fcntl
import io
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.deadline import Deadline
from ftpretrieve.mirror import progress as progress_module
from ftpretrieve.mirror.job import Mirror as JobUnderWay
from ftpretrieve.mirror.lftp import Lftp
from ftpretrieve.mirror.progress import DRAW_EVERY_SECS, LINES_WAITING, Progress
from ftpretrieve.mirror.records import Job, Protocol, Server
from ftpretrieve.mirror.remote import Far
from ftpretrieve.mirror.tree import Near
from ftpretrieve.passwords import Secret


class Screen:
    """Both ends of a terminal: `file` for the product, and what arrived at the other one as `text`."""

    def __init__(self) -> None:
        self._ours, theirs = pty.openpty()
        attributes = termios.tcgetattr(theirs)
        attributes[1] &= ~termios.OPOST  # line ends as they were written
        termios.tcsetattr(theirs, termios.TCSANOW, attributes)
        self.file = open(theirs, "w", encoding="utf-8", buffering=1)  # noqa: SIM115  closed below
        self.text = ""
        self.resize(80)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read(self) -> str:
        while select.select([self._ours], [], [], 0)[0]:
            self.text += os.read(self._ours, 65536).decode()
        return self.text

    def wait_for(self, condition: Callable[[str], bool]) -> str:
        """Return the text once the condition holds for it; the limit of the test ends a vain wait."""
        while not condition(self.read()):
            time.sleep(0.01)
        return self.text

    def hang_up(self) -> None:
        os.close(self._ours)
        self._ours = -1

    def close(self) -> None:
        if self._ours != -1:
            os.close(self._ours)
        self.file.close()


def visible(text: str) -> str:
    """Return what still stands there after lines were cleared."""
    return re.sub(r"[^\n]*\r\x1b\[K", "", text)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    monkeypatch.setenv("TERM", "xterm")
    made = Screen()
    yield made
    made.close()


def test_lines_stand_above_the_status_and_the_status_goes_at_the_end(screen):
    """Afterwards the terminal looks as if there had only been the lines."""
    lines = ["Transferring file `a'", "Making symbolic link `b' to `a'", "chmod: Access failed: 550 no"]
    with Progress(screen.file, lambda: 0.0) as progress:
        progress.step("Mirroring", total_files=3)
        screen.wait_for(lambda text: visible(text) == "Mirroring: file 0 of 3, 0:00:00")
        for line in lines:
            progress.line(line)
        screen.wait_for(lambda text: visible(text) == "\n".join([*lines, "Mirroring: file 2 of 3, 0:00:00"]))
    assert visible(screen.read()) == "\n".join([*lines, ""])


def test_the_time_goes_on_while_lftp_says_nothing(screen):
    """A file of an hour has one line, and a status that stands still looks like a program that hangs."""
    now = [100.0]
    with Progress(screen.file, lambda: now[0]) as progress:
        progress.step("Mirroring")
        screen.wait_for(lambda text: text == "Mirroring, 0:00:00")
        now[0] += 3683.9
        screen.wait_for(lambda text: text == "Mirroring, 0:00:00\r\x1b[KMirroring, 1:01:23")


def test_each_step_counts_its_own_files(screen):
    """The next job of a file begins at its first file."""
    with Progress(screen.file, lambda: 0.0) as progress:
        progress.step("a", total_files=1)
        progress.line("Transferring file `x'")
        progress.step("b", total_files=5)
        screen.wait_for(lambda text: "b: file 0 of 5" in text)


def test_it_is_drawn_five_times_a_second_at_most(screen):
    """Two thousand lines are not two thousand drawings."""
    began = time.monotonic()
    with Progress(screen.file) as progress:
        progress.step("Mirroring", total_files=2000)
        for number in range(2000):
            progress.line(f"Transferring file `{number}'")
            screen.read()
        screen.wait_for(lambda text: "file 2000 of 2000" in text)
    elapsed = time.monotonic() - began
    assert screen.read().count("Mirroring") <= elapsed / DRAW_EVERY_SECS
    assert screen.text.count("Transferring") == 2000


def test_a_narrow_or_changing_window_holds_the_status_on_one_line(screen):
    """A status that wraps could not be taken away again."""
    screen.resize(20)
    with Progress(screen.file, lambda: 0.0) as progress:
        progress.step("Mirroring debian", total_files=3)
        screen.wait_for(lambda text: text == "Mirroring debian: f")
        screen.resize(12)
        screen.wait_for(lambda text: text.endswith("\r\x1b[KMirroring d"))
        screen.resize(0)  # as a serial line
        screen.wait_for(lambda text: text.endswith("\r\x1b[KMirroring debian: file 0 of 3, 0:00:00"))


def test_a_terminal_that_went_away_does_not_matter(screen):
    """The window was closed, and the mirror goes on."""
    with Progress(screen.file) as progress:
        progress.step("Mirroring")
        screen.wait_for(bool)
        screen.hang_up()
        for number in range(100):
            progress.line(f"Transferring file `{number}'")
        progress._thread.join()  # it gave up by itself
        progress.line("one more")


def test_a_terminal_that_stands_still_holds_nobody_up(screen, monkeypatch):
    """After Ctrl-S lftp goes on, the run ends, and no more lines than a limit are kept."""
    monkeypatch.setattr(progress_module, "LAST_WORDS_SECS", 0.1)
    with Progress(screen.file) as progress:
        for number in range(5 * LINES_WAITING):
            progress.line(f"Transferring file `{number}'")
    assert progress._thread.is_alive()
    screen.wait_for(lambda _: not progress._thread.is_alive())
    assert screen.read().endswith(f"file `{5 * LINES_WAITING - 1}'\n")


@pytest.mark.parametrize("term", ["dumb", None])
def test_a_terminal_that_cannot_clear_a_line_gets_no_status(screen, monkeypatch, term):
    """It would show the codes."""
    monkeypatch.delenv("TERM") if term is None else monkeypatch.setenv("TERM", term)
    with Progress(screen.file) as progress:
        progress.step("Mirroring", total_files=1)
        progress.line("Transferring file `a'")
    assert screen.read() == "Transferring file `a'\n"


def test_a_file_gets_the_lines_alone(tmp_path):
    """cron mails what comes, and nobody wants a status in a mail."""
    path = tmp_path / "stderr"
    with path.open("w", encoding="ascii") as file, Progress(file) as progress:
        progress.step("Mirroring", total_files=1)
        progress.line("Transferring file `ä'")
    assert path.read_text() == "Transferring file `\\xe4'\n"


@pytest.mark.parametrize("nothing", [None, io.StringIO()], ids=["closed", "no file"])
def test_without_stderr_nothing_is_shown(nothing):
    """A daemon's child may have none, and mirrors all the same."""
    with Progress(nothing) as progress:
        progress.step("Mirroring")
        progress.line("Transferring file `a'")
    assert not progress._thread.is_alive()


def test_no_thread_is_left():
    """Each job of a file has its own progress."""
    with open(os.devnull, "w") as nowhere, Progress(nowhere):
        assert "progress" in [thread.name for thread in threading.enumerate()]
    assert "progress" not in [thread.name for thread in threading.enumerate()]


@given(st.lists(st.text(st.characters(exclude_categories=())) | st.binary().map(os.fsdecode), min_size=1), st.text())
def test_no_name_steers_the_terminal(lines, step):
    """Servers name files; nothing but our own line ends and codes arrives."""
    ours, theirs = os.pipe()
    with open(ours, encoding="utf-8", newline="") as read, open(theirs, "w", encoding="utf-8") as file:
        progress = Progress(file, lambda: 0.0)
        progress.step(step)
        for line in lines:
            progress.line(line)
        progress._draw(progress._step)
        file.close()
        shown = read.read().split("\n")
    assert len(shown) == len(lines) + 1
    assert all(line.isprintable() for line in shown)


@pytest.mark.skipif(not shutil.which("lftp"), reason="lftp is missing: install the package lftp")
def test_each_file_and_link_of_the_real_lftp_is_counted(tmp_path, screen):
    """The count depends on how lftp words its lines; directories are not in it."""
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "a").write_text("a")
    (source / "sub" / "b").write_text("b")
    (source / "link").symlink_to("a")
    words = f"mirror --verbose=1 file://{source} {tmp_path}/target"
    said = subprocess.run(["lftp", "-c", words], check=True, capture_output=True, text=True, timeout=10)
    with Progress(screen.file) as progress:
        progress.step("Mirroring", total_files=3)
        for line in said.stdout.splitlines():
            progress.line(line)
        screen.wait_for(lambda text: "Mirroring: file 3 of 3" in text)


@pytest.mark.interop
def test_the_total_of_a_job_has_files_and_links_too(mirror, vsftpd, monkeypatch):
    """Or the status would come to speak of file 3 of 2."""
    for name, value in mirror.environment().items():
        monkeypatch.setenv(name, value)
    vsftpd.put("sub/a", b"a")
    (vsftpd.root / "link").symlink_to("sub")
    server = Server(Protocol.FTP, vsftpd.host, vsftpd.port, vsftpd.user, Secret(vsftpd.password))
    job = Job("test", server, vsftpd.home, mirror.local)
    mirror.local.mkdir(exist_ok=True)
    totals: list[int] = []
    JobUnderWay(job, Near(job.local), Far(Lftp(server, Deadline(9.0)), job.remote), planned=totals.append).run()
    assert totals == [2]
