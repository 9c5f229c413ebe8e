"""What stands on the terminal while a program works: a real one, made by the kernel, whose other end the test reads."""

import io
import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve import progress as progress_module
from ftpretrieve.progress import DRAW_EVERY_SECS, LINES_WAITING, Progress
from tests.screen import visible


def test_lines_stand_above_the_status_and_the_status_goes_at_the_end(screen):
    """Afterwards the terminal looks as if there had only been the lines."""
    with Progress(screen.file) as progress:
        progress.status("12 % of 3 GiB")
        screen.wait_for(lambda text: visible(text) == "12 % of 3 GiB")
        progress.line("a")
        progress.line("b")
        progress.status("13 % of 3 GiB")
        screen.wait_for(lambda text: visible(text) == "a\nb\n13 % of 3 GiB")
    assert visible(screen.read()) == "a\nb\n"


def test_a_status_that_is_a_function_is_asked_at_each_drawing(screen):
    """It can tell of the time, which goes on while nothing is said."""
    now = ["one"]
    with Progress(screen.file) as progress:
        progress.status(lambda: now[0])
        screen.wait_for(lambda text: text == "one")
        now[0] = "two"
        screen.wait_for(lambda text: text == "one\r\x1b[Ktwo")


def test_a_status_that_stays_is_drawn_once(screen):
    """A recording of the session would be full of it."""
    with Progress(screen.file) as progress:
        progress.status("x")
        screen.wait_for(bool)
        progress.status("x")
        progress.line("a")
        screen.wait_for(lambda text: "a" in text)
    assert screen.read() == "x\r\x1b[Ka\nx\r\x1b[K"


def test_it_is_drawn_five_times_a_second_at_most(screen):
    """Two thousand lines are not two thousand drawings."""
    began = time.monotonic()
    with Progress(screen.file) as progress:
        for number in range(2000):
            progress.status(f"status {number}")
            progress.line(f"line {number}")
            screen.read()
        screen.wait_for(lambda text: "status 1999" in text)
    elapsed = time.monotonic() - began
    assert screen.read().count("status") <= elapsed / DRAW_EVERY_SECS
    assert screen.text.count("line") == 2000


def test_a_narrow_or_changing_window_holds_the_status_on_one_line(screen):
    """A status that wraps could not be taken away again."""
    screen.resize(20)
    with Progress(screen.file) as progress:
        progress.status("Mirroring debian: file 0 of 3")
        screen.wait_for(lambda text: text == "Mirroring debian: f")
        screen.resize(12)
        screen.wait_for(lambda text: text.endswith("\r\x1b[KMirroring d"))
        screen.resize(0)  # as a serial line
        screen.wait_for(lambda text: text.endswith("\r\x1b[KMirroring debian: file 0 of 3"))


def test_a_terminal_that_went_away_does_not_matter(screen):
    """The window was closed, and the work goes on."""
    with Progress(screen.file) as progress:
        progress.status("x")
        screen.wait_for(bool)
        screen.hang_up()
        for number in range(100):
            progress.line(f"line {number}")
        progress._thread.join()  # it gave up by itself
        progress.line("one more")


def test_a_terminal_that_stands_still_holds_nobody_up(screen, monkeypatch):
    """After Ctrl-S the work goes on, the run ends, and no more lines than a limit are kept."""
    monkeypatch.setattr(progress_module, "LAST_WORDS_SECS", 0.1)
    with Progress(screen.file) as progress:
        for number in range(5 * LINES_WAITING):
            progress.line(f"Transferring file {number}")
    assert progress._thread.is_alive()
    screen.wait_for(lambda _: not progress._thread.is_alive())
    assert screen.read().endswith(f"file {5 * LINES_WAITING - 1}\n")


@pytest.mark.parametrize("term", ["dumb", None])
def test_a_terminal_that_cannot_clear_a_line_gets_no_status(screen, monkeypatch, term):
    """It would show the codes."""
    monkeypatch.delenv("TERM") if term is None else monkeypatch.setenv("TERM", term)
    with Progress(screen.file) as progress:
        progress.status("x")
        progress.line("a")
    assert screen.read() == "a\n"


def test_a_file_gets_the_lines_alone(tmp_path):
    """cron mails what comes, and nobody wants a status in a mail."""
    path = tmp_path / "stderr"
    with path.open("w", encoding="ascii") as file, Progress(file) as progress:
        progress.status("x")
        progress.line("ä")
    assert path.read_text() == "\\xe4\n"


@pytest.mark.parametrize("nothing", [None, io.StringIO()], ids=["closed", "no file"])
def test_without_stderr_nothing_is_shown(nothing):
    """A daemon's child may have none, and works all the same."""
    with Progress(nothing) as progress:
        progress.status("x")
        progress.line("a")
    assert not progress._thread.is_alive()


def test_no_thread_is_left():
    """One program may show progress many times."""
    with open(os.devnull, "w") as nowhere, Progress(nowhere):
        assert "progress" in [thread.name for thread in threading.enumerate()]
    assert "progress" not in [thread.name for thread in threading.enumerate()]


@given(st.lists(st.text(st.characters(exclude_categories=())) | st.binary().map(os.fsdecode), min_size=1))
def test_no_line_steers_the_terminal(lines):
    """Others name files; nothing but our own line ends and codes arrives."""
    ours, theirs = os.pipe()
    with open(ours, encoding="utf-8", newline="") as read, open(theirs, "w", encoding="utf-8") as file:
        progress = Progress(file)
        for line in lines:
            progress.line(line)
        progress._draw("")
        file.close()
        shown = read.read().split("\n")
    assert len(shown) == len(lines) + 1
    assert all(line.isprintable() for line in shown)


def test_no_status_steers_the_terminal(screen):
    """A name in it may be of others, too."""
    with Progress(screen.file) as progress:
        progress.status("a\x1b[2J\nb")
        screen.wait_for(lambda text: text == "a\\u001b[2J\\nb")
