"""Pop-ups on the desktop of whoever runs us, by the program `notify-send` of libnotify.

Most runs have nobody to look at them, so that nothing can be shown is no problem: only a desktop that is there and does
not take the message is worth a line. Must not: raise, wait long, or let a text be an option, markup or an escape.
"""

import html
import os
import shutil
import signal

from ftpretrieve import command
from ftpretrieve.errors import CommandFailed
from ftpretrieve.escapes import escape

LIMIT_SECS = 5.0
"""A desktop answers within milliseconds; one that hangs would hold us for the 25 s of D-Bus."""

LIMIT_CHARS = 500
"""What a pop-up has room for; the report has everything."""

NOBODY_SHOWS = ("org.freedesktop.DBus.Error.ServiceUnknown", "Could not connect")
"""The answers of a bus without a desktop (a login by ssh has one too), and of none: an address outlives its session in
a crontab or in `screen`. (libnotify 0.8.1 and GLib 2.74, in English.)"""


def show(title: str, text: str, *, failed: bool = False) -> str | None:
    """Show a pop-up; return what went wrong, None also when there is no desktop or no `notify-send`."""
    program, bus = shutil.which("notify-send"), _bus()
    if program is None or not (bus or _has_screen()):
        return None
    urgency, icon = ("critical", "dialog-error") if failed else ("normal", "dialog-information")
    argv = [program, "--app-name=lftp-mirror", f"--urgency={urgency}", f"--icon={icon}", "--"]
    argv += [_plain(title), html.escape(_plain(text), quote=False).replace("\\", r"\\")]  # the body, not the title
    env = {**os.environ, "LC_ALL": "C.UTF-8"} | ({"DBUS_SESSION_BUS_ADDRESS": bus} if bus else {})
    try:
        finished = command.stream(argv, timeout_secs=LIMIT_SECS, env=env)
    except CommandFailed:
        return f"no pop-up was shown: {program} cannot be run"
    said = escape(" ".join(finished.output))
    if finished.timed_out:
        return f"no pop-up was shown: {program} was still busy after {LIMIT_SECS:g} s"
    if finished.code == 0 or any(answer in said for answer in NOBODY_SHOWS):
        return None
    ending = f"exit code {finished.code}" if finished.code > 0 else signal.Signals(-finished.code).name
    return f"no pop-up was shown: {program}: {ending}{': ' if said else ''}{said[:LIMIT_CHARS]}"


def _bus() -> str | None:
    """Return the address of the session's message bus, None when it is not known.

    cron gives us no environment, yet the bus of a session that is open lies where systemd puts it.
    """
    socket = f"{os.environ.get('XDG_RUNTIME_DIR') or f'/run/user/{os.getuid()}'}/bus"
    return os.environ.get("DBUS_SESSION_BUS_ADDRESS") or (f"unix:path={socket}" if os.path.exists(socket) else None)


def _has_screen() -> bool:
    """Return whether there is a screen here; DISPLAY names a host where ssh forwards windows to another one."""
    return bool(os.environ.get("WAYLAND_DISPLAY")) or os.environ.get("DISPLAY", "").startswith(":")


def _plain(text: str) -> str:
    """Return the text, short and in characters that every program takes; an empty one is refused as a title."""
    shown = "\n".join(escape(line) for line in text.splitlines()) or " "
    return shown if len(shown) <= LIMIT_CHARS else shown[: LIMIT_CHARS - 1] + "…"
