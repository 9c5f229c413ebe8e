"""What is done to a daemon from outside: ask how it is, stop it, have it reload.

A daemon is known by its pid file, and is that process only if pid *and* start time agree: numbers are used again. The
lock is never taken to find out, which could fail a start at that moment. Must not: start anything.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TextIO

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import ConfigError, FtpRetrieveError, InUse, JournalError, StorageError
from ftpretrieve.lock import SAME_START_SECS, Holder, PidFile, holder_state, read
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.control import read_secret, secret_path, send_shutdown
from ftpretrieve.retrieve.journal import Journal
from ftpretrieve.retrieve.mailbox import would_be_refused
from ftpretrieve.system import process_start_time

STATUS_CODES = {Holder.RUNNING: 0, Holder.DEAD: 1, Holder.ABSENT: 3}
"""Exit codes of `status`. Source: Linux Standard Base, init script actions."""

STOPPED, NOT_STOPPED, NOT_RUNNING = 0, 1, 7

CHECK_SECS = 0.1

ANSWER_SECS = 3.0
"""The listener answers at once; another program at its port may never."""


def status(conf: AppConf, *, as_json: bool, out: TextIO) -> int:
    """Say whether the daemon runs and what its journal counts, and return the LSB exit code. Raises: StorageError."""
    state, named = holder_state(str(conf.daemon_pid)), read(str(conf.daemon_pid))
    told: dict[str, object] = {"state": "stopped" if state is Holder.ABSENT else str(state)}
    if named is not None and state is not Holder.ABSENT:
        told["pid"] = named[0]
    if state is Holder.RUNNING:
        with suppress(OSError):  # it stopped since
            told["since"] = int(os.stat(conf.daemon_pid).st_mtime)
    told.update(_journal(conf))
    print(json.dumps(told) if as_json else _for_people(told, conf), file=out)
    return STATUS_CODES[state]


def _journal(conf: AppConf) -> dict[str, object]:
    """Return the last poll and the counts, or nothing where this user cannot read them."""
    try:
        with closing(Journal(conf.journal_file_name, conf.journal_table_name, readonly=True)) as journal:
            last = journal.last_poll()
            return {"last_poll": None if last is None else int(last), "files": journal.counts()}
    except JournalError:
        return {}


def _for_people(told: dict[str, object], conf: AppConf) -> str:
    lines = {
        "running": f"running: process {told.get('pid')}"
        + (f" since {_when(told['since'])}" if "since" in told else ""),
        "dead": f"dead: process {told.get('pid')} of {conf.daemon_pid} is gone, killed or by a power failure",
        "stopped": "stopped",
    }
    text = lines[str(told["state"])]
    if told.get("last_poll") is not None:
        text += f"\nlast listing: {_when(told['last_poll'])}"
    files = told.get("files")
    if isinstance(files, dict) and files:
        text += "\nfiles: " + ", ".join(f"{count} {state}" for state, count in sorted(files.items()))
    return text


def _when(second: object) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(str(second))))


def check_journal(conf: AppConf) -> None:
    """Find out before a restart that the start would be refused. Raises: ConfigError, and then nothing is stopped."""
    if not conf.journal_file_name.exists():
        return
    with closing(Journal(conf.journal_file_name, conf.journal_table_name, readonly=True)) as journal:
        if would_be_refused(conf, journal):
            raise ConfigError(
                f"the journal {conf.journal_file_name} belongs to another staging directory or server than "
                f"{conf.config_file} names now: nothing was stopped. Mend the configuration, "
                "or restart once with --accept-host or --new-journal; see doctor"
            )


def stop(conf: AppConf, timeout_secs: float) -> int:
    """Stop the daemon: by the shutdown string, then SIGTERM, then SIGKILL; return only when it is gone, or 1.

    Raises: FtpRetrieveError when this user may not; StorageError for an unreadable pid file.
    """
    path = str(conf.daemon_pid)
    named = read(path)
    if named is None or holder_state(path) is not Holder.RUNNING:
        _clear_stale(path)
        _say("not running")
        return STOPPED
    pid, started = named
    steps: tuple[tuple[str, float, Callable[[Deadline], bool]], ...] = (
        ("the shutdown string", 0.4, lambda limit: _send_string(conf, limit)),
        ("SIGTERM", 0.8, lambda limit: _signal(pid, signal.SIGTERM)),
        ("SIGKILL", 1.0, lambda limit: _signal(pid, signal.SIGKILL)),
    )
    began = time.monotonic()
    for means, share, ask in steps:  # `share` of the whole time is when this step must have done
        limit = Deadline(max(0.0, began + share * timeout_secs - time.monotonic()))
        if _runs(pid, started) and ask(limit):
            _await_end(pid, started, limit)
        if not _runs(pid, started):
            _say(f"stopped process {pid} by {means}")
            _clear_stale(path)
            return STOPPED
    _say(f"process {pid} did not end within {timeout_secs:g} s, not even by SIGKILL: it hangs in the kernel")
    return NOT_STOPPED


def reload(conf: AppConf) -> int:
    """Have a running daemon read its configuration again. Raises: as `stop`."""
    named = read(str(conf.daemon_pid))
    if named is None or not _runs(*named):
        _say("not running")
        return NOT_RUNNING
    _signal(named[0], signal.SIGHUP)
    _say(f"process {named[0]} reads {conf.config_file} again; its log says RELOADED, or why not")
    return 0


def _send_string(conf: AppConf, limit: Deadline) -> bool:
    """Send the shutdown string, and say whether it was understood."""
    if conf.server_port is None:
        return False
    try:
        if conf.server_shutdown_string is None:
            secret = read_secret(secret_path(conf.daemon_pid))
        else:
            secret = conf.server_shutdown_string.reveal(limit.at_most(ANSWER_SECS)).encode()
    except FtpRetrieveError:
        return False  # a signal will do
    return secret is not None and send_shutdown(conf.server_port, secret, limit.at_most(ANSWER_SECS))


def _signal(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise FtpRetrieveError(f"may not signal process {pid}: run this as its user or as root") from error
    return True


def _runs(pid: int, started: float) -> bool:
    found = process_start_time(pid)
    return found is not None and abs(found - started) < SAME_START_SECS


def _await_end(pid: int, started: float, limit: Deadline) -> None:
    while _runs(pid, started) and not limit.expired:
        time.sleep(limit.at_most(CHECK_SECS))  # no event to wait for: it is not our child


def _clear_stale(path: str) -> None:
    """Take away what a killed daemon left, so that `status` says stopped."""
    if holder_state(path) is not Holder.DEAD:
        return
    pid_file = PidFile(path)
    with suppress(InUse, StorageError):  # one was started just now; or it is another user's, and blocks nobody
        pid_file.acquire()
        pid_file.release()


def _say(text: str) -> None:
    print(f"ftpretrieve: {text}", file=sys.stderr)
