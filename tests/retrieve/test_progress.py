"""Bars for long transfers: when they are drawn, and that they spoil nothing."""

import io
import os
import sys

import pytest

from ftpretrieve.retrieve.progress import FORGET_AFTER_SECS, Progress
from ftpretrieve.retrieve.session import open_progress


class Terminal(io.StringIO):
    """A terminal as far as rich can tell."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


@pytest.fixture
def drawn(terminal):
    """Return a progress on that terminal, whose clock is the attribute `now`."""

    class Given(Progress):
        now = 0.0

    progress = Given(terminal, lambda: progress.now)
    yield progress
    progress.clear()


def test_a_short_transfer_draws_nothing(drawn, terminal):
    """A flicker for each of a thousand small files would help nobody."""
    for drawn.now, received in ((0.0, 10), (0.5, 20), (0.9, 30)):
        drawn(b"a.xml", received, 30)
    assert terminal.getvalue() == ""


def test_a_long_transfer_is_drawn(drawn, terminal):
    """From its second second on, with its name and how far it is."""
    for drawn.now, received in ((0.0, 1024), (1.1, 2048), (1.5, 3072)):
        drawn(b"big.bin", received, 4096)
    assert "big.bin" in terminal.getvalue()
    assert "3.0/4.0 KiB" in terminal.getvalue()


def test_names_and_lines_are_shown_as_they_are(drawn, terminal):
    """A server must not paint on the terminal, and brackets are no markup."""
    for drawn.now in (0.0, 1.1, 1.5):
        drawn(b"\x1b[31m[bold]x", int(drawn.now), None)
    drawn.write("2026-11-20 INFO POLL [red] :smile: result=ok\n")
    assert "\x1b[31m[" not in terminal.getvalue()
    assert "\\u001b[31m[bold]x" in terminal.getvalue()
    assert "2026-11-20 INFO POLL [red] :smile: result=ok" in terminal.getvalue()


def test_lines_before_and_after_the_bars_go_straight_to_the_terminal(drawn, terminal):
    """The log must not depend on anything here."""
    drawn.write("before\n")
    for drawn.now in (0.0, 1.1):
        drawn(b"a", int(drawn.now), 9)
    drawn.clear()
    drawn.write("after\n")
    assert terminal.getvalue().startswith("before\n")
    assert terminal.getvalue().endswith("after\n")


def test_a_transfer_that_fell_silent_is_forgotten(drawn, terminal):
    """It failed, or its server hangs; the next one would be drawn below it for ever."""
    for drawn.now in (0.0, 1.1):
        drawn(b"silent", int(drawn.now), 9)
    for drawn.now in (1.2, 1.3 + FORGET_AFTER_SECS, 3 + FORGET_AFTER_SECS):
        drawn(b"other", int(drawn.now), 99)
    last = terminal.getvalue().rpartition("\r")[2]
    assert "other" in last
    assert "silent" not in last


def test_a_terminal_that_went_away_ends_no_transfer():
    """The window was closed, and the download goes on."""
    ours, theirs = os.openpty()
    os.close(ours)
    now = [0.0]
    with open(theirs, "w", buffering=1) as gone:
        progress = Progress(gone, lambda: now[0])
        for now[0] in (0.0, 1.1, 2.2):
            progress(b"a", 1, 9)
        progress.clear()
        with pytest.raises(OSError, match="Input/output"):
            gone.write("x\n")
        with open(os.devnull, "w") as nothing:  # so that closing can write what is still buffered
            os.dup2(nothing.fileno(), theirs)


def test_nothing_is_drawn_where_nobody_watches(monkeypatch):
    """stderr in a file or a pipe gets the records only."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert open_progress() is None
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(open_progress(), Progress)
