"""Pop-ups: what `notify-send` is given, when it is called at all, and what is said when it fails.

A program of that name in PATH records its arguments. What the real one makes of them was looked up: `--` ends the
options, and the body, unlike the title, goes through g_strcompress() and is markup (libnotify 0.8.1, notify-send.c).
"""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.mirror import popups

RECORDER = """#!{python}
import json, os, sys
with open({record!r}, "a") as file:
    bus = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    file.write(json.dumps({{"argv": sys.argv[1:], "bus": bus}}) + "\\n")
{then}
"""


class Desktop:
    """A session with a bus and a `notify-send` that records its calls."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.bus = directory / "bus"
        self.bus.touch()
        self._record = directory / "calls"
        self.then("")

    def then(self, code: str) -> None:
        """Let the program do this after it has recorded its arguments."""
        program = self.bin / "notify-send"
        program.write_text(RECORDER.format(python=sys.executable, record=str(self._record), then=code))
        program.chmod(0o755)

    @property
    def calls(self) -> list[dict[str, Any]]:
        if not self._record.exists():
            return []
        return [json.loads(line) for line in self._record.read_text().splitlines()]

    @property
    def call(self) -> list[str]:
        (only,) = self.calls
        return only["argv"]


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desktop:
    made = Desktop(tmp_path)
    monkeypatch.setenv("PATH", str(made.bin))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nothing-here"))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={made.bus},guid=0123")
    return made


def options(call: list[str]) -> dict[str, str]:
    """Return the options of a call, which are all before `--`."""
    return dict(word.removeprefix("--").split("=") for word in call[: call.index("--")])


def test_title_and_text_are_shown_with_name_and_icon(desktop: Desktop) -> None:
    assert popups.show("lftp-mirror", "ftp.example.org: 3 files\nall good") is None
    assert desktop.call[-3:] == ["--", "lftp-mirror", "ftp.example.org: 3 files\nall good"]
    assert options(desktop.call) == {"app-name": "lftp-mirror", "urgency": "normal", "icon": "dialog-information"}


def test_a_failure_is_urgent_and_looks_like_one(desktop: Desktop) -> None:
    assert popups.show("lftp-mirror", "failed", failed=True) is None
    assert options(desktop.call) == {"app-name": "lftp-mirror", "urgency": "critical", "icon": "dialog-error"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("--urgency=low", "--urgency=low"),
        ("-x", "-x"),
        ("<b>bold</b> & <a href='x'>", "&lt;b&gt;bold&lt;/b&gt; &amp; &lt;a href='x'&gt;"),
        (r"C:\new", r"C:\\new"),
        ("esc \x1b[2J bell \a nul \0", r"esc \\u001b[2J bell \\u0007 nul \\u0000"),
        (os.fsdecode(b"caf\xe9"), r"caf\\udce9"),
        ("größer ✓", "größer ✓"),
        ("", " "),
    ],
    ids=["option", "short option", "markup", "backslash", "control", "no utf-8", "unicode", "nothing"],
)
def test_any_text_is_shown_as_text(desktop: Desktop, text: str, shown: str) -> None:
    """It is neither option nor markup nor an escape of C, and always valid UTF-8, else `notify-send` refuses it."""
    assert popups.show(text, text) is None
    separator, _, body = desktop.call[-3:]
    assert (separator, body) == ("--", shown)


def test_a_title_has_neither_markup_nor_escapes(desktop: Desktop) -> None:
    assert popups.show(r"a & b \n c", "text") is None
    assert desktop.call[-2] == r"a & b \n c"


def test_a_long_text_is_cut(desktop: Desktop) -> None:
    """An argument of more than 128 KiB could not even be passed."""
    assert popups.show("title", "x" * 300_000) is None
    assert desktop.call[-1] == "x" * (popups.LIMIT_CHARS - 1) + "…"


# -- when there is nobody to show it to ---------------------------------------------------------------------------


def test_without_a_session_nothing_is_called(desktop: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    """DISPLAY with a host is no desktop here: ssh sets it when it forwards windows."""
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", "localhost:10.0")
    assert popups.show("title", "text") is None
    assert desktop.calls == []


@pytest.mark.parametrize(("variable", "value"), [("DISPLAY", ":0"), ("WAYLAND_DISPLAY", "wayland-0")])
def test_a_screen_is_enough(desktop: Desktop, monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv(variable, value)
    assert popups.show("title", "text") is None
    assert len(desktop.calls) == 1


def test_a_session_that_is_over_is_no_problem(desktop: Desktop) -> None:
    """Its address stays in a crontab, and in `screen`."""
    desktop.then("sys.exit('Could not connect: No such file or directory')")
    assert popups.show("title", "text") is None


def test_an_open_session_is_found_from_cron(desktop: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    """cron sets nothing; systemd has put the bus into the runtime directory of the user."""
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(desktop.bus.parent))
    assert popups.show("title", "text") is None
    assert [call["bus"] for call in desktop.calls] == [f"unix:path={desktop.bus}"]


def test_an_address_of_another_kind_is_passed_on(desktop: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:abstract=/tmp/dbus-1234")
    assert popups.show("title", "text") is None
    assert [call["bus"] for call in desktop.calls] == ["unix:abstract=/tmp/dbus-1234"]


def test_without_the_program_there_is_no_problem(desktop: Desktop) -> None:
    (desktop.bin / "notify-send").unlink()
    assert popups.show("title", "text") is None


def test_a_bus_without_a_desktop_is_no_problem(desktop: Desktop) -> None:
    """A login by ssh has a bus, but nobody there shows pop-ups. The words are those of libnotify 0.8.1."""
    words = "GDBus.Error:org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.Notifications was not ..."
    desktop.then(f"sys.exit({words!r})")
    assert popups.show("title", "text") is None
    assert len(desktop.calls) == 1


# -- failures ---------------------------------------------------------------------------------------------------------


def test_a_failure_is_told_in_one_line(desktop: Desktop) -> None:
    desktop.then("sys.exit('Message refused:\\nno such icon \\x1b[2J')")
    told = popups.show("title", "text")
    program = desktop.bin / "notify-send"
    assert told == f"no pop-up was shown: {program}: exit code 1: Message refused: no such icon \\u001b[2J"


def test_a_crash_is_told(desktop: Desktop) -> None:
    desktop.then("os.kill(os.getpid(), 11)")
    assert popups.show("title", "text") == f"no pop-up was shown: {desktop.bin / 'notify-send'}: SIGSEGV"


def test_a_program_that_cannot_run_is_told(desktop: Desktop) -> None:
    program = desktop.bin / "notify-send"
    program.write_bytes(b"\x7fELF but not really")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert popups.show("title", "text") == f"no pop-up was shown: {program} cannot be run"


def test_a_desktop_that_hangs_is_left(desktop: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(popups, "LIMIT_SECS", 0.5)
    desktop.then("import time; time.sleep(600)")
    told = popups.show("title", "text")
    assert told == f"no pop-up was shown: {desktop.bin / 'notify-send'} was still busy after 0.5 s"
