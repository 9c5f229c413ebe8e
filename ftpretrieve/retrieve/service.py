"""The running daemon: what it holds while it runs, how it starts, and the truth about that. The only home of `daemon`.

Theory of operation. `run` takes, in this order, the pid file, the journal's lock, the log, journal and staging, and the
port; then it is ready, and the loop begins. `run_as_daemon` does the same in a process of its own: it forks, the child
detaches (python-daemon forks again and closes every descriptor, so nothing but one socket is open by then), and the
parent waits at that socket for what to say and how to exit. A child that nobody waits for any more ends as well: a
start that was reported as failed must not come to life later.

Must not: decide anything about polls (`loop`), or act on a daemon from outside (`manage`).
"""

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR1
from typing import NoReturn

import daemon

from ftpretrieve import __version__
from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import ConfigError, FtpRetrieveError, InUse, JournalError, StorageError, exit_code
from ftpretrieve.lock import FileLock, PidFile
from ftpretrieve.logs import record
from ftpretrieve.retrieve.appconf import RUN_DIRECTORY, AppConf
from ftpretrieve.retrieve.control import Listener, make_secret, secret_path
from ftpretrieve.retrieve.loop import Loop
from ftpretrieve.retrieve.mailbox import lock_path, open_mailbox
from ftpretrieve.retrieve.notify import Notifier
from ftpretrieve.retrieve.orders import Orders, obey
from ftpretrieve.retrieve.session import Sessions, open_logger, open_progress, stderr_level

UMASK = 0o022
"""Of the daemon: python-daemon's 0 would let everybody write the directories that are made below the sync directory."""

OUTPUT_MODE = 0o640
"""Of the files that standard output and standard error go to; as the log's."""

ANSWER_SECS = 10.0
"""The parent answers at once, unless the machine is suspended or very busy."""

ANSWER = b"k"


class AlreadyRunning(InUse):
    """The daemon of this configuration runs already."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is asked for at a start; see `ftpretrieve.go`."""

    config_file: str | os.PathLike[str]
    log_file: str | None = None
    remotedir: str | None = None
    isdebug: bool = False
    new_journal: bool = False
    accept_host: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """A start that nothing in its configuration speaks against. `log_file` is absolute."""

    start: Start
    conf: AppConf
    log_file: str | None
    password: str
    shutdown_string: str | None

    def load(self) -> AppConf:
        """Read the configuration again, wherever the process is by now. Raises: ConfigError."""
        return AppConf(self.conf.config_file).with_remote_directory(self.start.remotedir)


def check(start: Start, *, isdaemon: bool) -> Checked:
    """Find everything that is wrong with a start before anything is created.

    Raises: ConfigError; CommandFailed when a `command:` gives no password.
    """
    conf = AppConf(start.config_file).with_remote_directory(start.remotedir)
    log_file = log_path(conf, start.log_file)
    if isdaemon and log_file is None:
        raise ConfigError(
            f"{conf.config_file}: the daemon would have no log: set daemon_log in [daemon], or start with --log FILE"
        )
    secret = conf.server_shutdown_string
    return Checked(start, conf, log_file, conf.ftp_password.reveal(), None if secret is None else secret.reveal())


def log_path(conf: AppConf, given: str | None) -> str | None:
    """Return the absolute path of the rotating log: the one given at the start, else the configured one, else None."""
    if given:
        return os.path.abspath(given)
    return None if conf.daemon_log is None else str(conf.daemon_log)


# -- what runs ------------------------------------------------------------------------------------------------------


def run(start: Start) -> int:
    """Poll in the foreground until told to stop, and return the exit code.

    Raises: ConfigError, InUse, StorageError, JournalError when it cannot start.
    """
    return _serve(check(start, isdaemon=False), None)


def _serve(checked: Checked, report: Callable[[], None] | None) -> int:
    """Hold everything, be ready, loop. `report` tells whoever started a daemon; None is the foreground."""
    began, orders, notifier = time.monotonic(), Orders(), Notifier(os.environ)
    with ExitStack() as held:
        held.enter_context(_pid_file(checked.conf))
        held.enter_context(FileLock(lock_path(checked.conf)))
        sessions = _open_sessions(checked, held, foreground=report is None)
        log = sessions.log
        try:
            loop = _prepare(checked, held, sessions, orders, notifier)
            _tell_started(checked.conf, log)
            if report is not None:
                report()
        except FtpRetrieveError as error:
            log.error(record("STOPPED", reason=f"cannot start: {error}"))
            raise
        notifier.ready()
        code = _run(loop, orders, log)
        notifier.stopping()
        log.info(record("STOPPED", reason=orders.reason, secs=round(time.monotonic() - began, 3)))
    return code


def _open_sessions(checked: Checked, held: ExitStack, *, foreground: bool) -> Sessions:
    """Open the log and, on a terminal, the progress of transfers. Raises: StorageError."""
    start = checked.start
    progress = open_progress() if foreground and not start.quiet else None
    log = held.enter_context(
        open_logger(
            checked.conf,
            checked.log_file,
            debug=start.isdebug,
            on_stderr=stderr_level(quiet=start.quiet, debug=start.isdebug) if foreground else None,
            progress=progress,
            secrets=[secret for secret in (checked.password, checked.shutdown_string) if secret],
        )
    )
    return Sessions(log, progress)


def _prepare(checked: Checked, held: ExitStack, sessions: Sessions, orders: Orders, notifier: Notifier) -> Loop:
    """Open journal, staging and port, and obey signals from now on. Raises: ConfigError, StorageError, JournalError."""
    conf, start = checked.conf, checked.start
    mailbox = open_mailbox(
        conf, sessions.log, orders.stop, new_journal=start.new_journal, accept_host=start.accept_host
    )
    held.callback(mailbox.journal.close)
    loop = Loop(conf, mailbox, sessions, orders, checked.load, notifier)
    held.enter_context(_listener(checked, orders, sessions.log))
    actions = {
        SIGTERM: lambda: orders.order_stop("SIGTERM"),
        SIGINT: lambda: orders.order_stop("SIGINT"),
        SIGHUP: orders.order_reload,
        SIGUSR1: orders.order_poll,
    }
    held.enter_context(obey(actions))
    return loop


def _run(loop: Loop, orders: Orders, log: logging.Logger) -> int:
    try:
        loop.run()
    except JournalError as error:
        orders.order_stop(f"the journal failed: {error}")
        log.error(record("JOURNALFAILED", reason=str(error)))
        return exit_code(error)
    return 0


def _tell_started(conf: AppConf, log: logging.Logger) -> None:
    host = f"{conf.ftp_host}:{conf.ftp_port}"
    told = {"version": __version__, "config": conf.config_file, "host": host, "directory": conf.ftp_remote_directory}
    log.info(record("STARTED", pid=os.getpid(), **told))


@contextmanager
def _pid_file(conf: AppConf) -> Iterator[None]:
    """Hold the pid file. Raises: AlreadyRunning; StorageError."""
    if conf.daemon_pid.parent == RUN_DIRECTORY:
        try:
            with suppress(FileExistsError):
                os.mkdir(RUN_DIRECTORY, 0o755)
        except OSError as error:
            raise StorageError(f"cannot create {RUN_DIRECTORY} for the pid file: {error.strerror}") from error
    pid_file = PidFile(str(conf.daemon_pid))
    try:
        pid_file.acquire()
    except InUse as error:
        raise AlreadyRunning(f"already running: {error}") from error
    try:
        yield
    finally:
        pid_file.release()


@contextmanager
def _listener(checked: Checked, orders: Orders, log: logging.Logger) -> Iterator[None]:
    """Listen for the shutdown string, if a port is configured. Raises: ConfigError for the port, StorageError."""
    conf, chosen = checked.conf, checked.shutdown_string
    if conf.server_port is None:
        yield
        return
    with ExitStack() as made:
        if chosen is None:
            secret = make_secret(secret_path(conf.daemon_pid))
            made.callback(_remove, secret_path(conf.daemon_pid))
        else:
            secret = chosen.encode()
        with Listener(conf.server_port, secret, lambda: orders.order_stop("shutdown string"), log):
            yield


def _remove(path: str) -> None:
    with suppress(OSError):  # somebody else removed it; and a random string is of no use to anybody by now
        os.unlink(path)


# -- as a daemon ----------------------------------------------------------------------------------------------------


def run_as_daemon(start: Start, wait_secs: float) -> int:
    """Go on as the daemon and return its exit code when it ends; the calling process exits. See `ftpretrieve.go`.

    Raises: ConfigError, before anything is forked or created.
    """
    checked = check(start, isdaemon=True)
    waiting = _detach(start, wait_secs)
    try:
        _send_streams(checked)
        return _serve(checked, lambda: _report_ready(waiting))
    except FtpRetrieveError as error:
        code = 0 if isinstance(error, AlreadyRunning) else exit_code(error)
        with suppress(OSError):  # nobody waits any more, but the log has it
            waiting.sendall(f"{code}\n{error}".encode(errors="surrogateescape"))
        return code
    finally:
        waiting.close()  # a daemon that ends without a word is noticed by this


def _detach(start: Start, wait_secs: float) -> socket.socket:
    """Return in a new detached process, with a socket to the old one, which exits when it has been told how."""
    _open_standard_streams()  # flushed, else both processes would write what is still buffered
    here, there = socket.socketpair()
    if os.fork():
        there.close()
        _exit_as_told(here, wait_secs, quiet=start.quiet)
    here.close()
    context = daemon.DaemonContext(
        detach_process=True, working_directory="/", umask=UMASK, files_preserve=[there.fileno()], signal_map={}
    )
    context.open()
    return there


def _open_standard_streams() -> None:
    """Let sys.stdin, stdout and stderr be descriptors 0 to 2, open ones, so that nothing of ours gets such a number.

    python-daemon redirects what it finds there, and finds None, or a test's or a notebook's imitation, as well.
    """
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        with suppress(AttributeError, OSError, ValueError):  # None, closed, or of no descriptor
            stream.flush()
            if stream.fileno() == fd:
                os.fstat(fd)
                continue
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is `fd`
        setattr(sys, name, os.fdopen(fd, "w" if fd else "r", closefd=False))


def _exit_as_told(daemon_end: socket.socket, wait_secs: float, *, quiet: bool) -> NoReturn:
    """Wait for the report of the daemon, say what it says, and exit with its code."""
    code = 130
    try:
        code, text = _await_report(daemon_end, wait_secs)
        if code or not quiet:
            print(f"ftpretrieve: {text}", file=sys.stderr, flush=True)
    finally:  # also when interrupted or when nobody reads stderr: nothing of the caller may run twice
        os._exit(code)


def _await_report(daemon_end: socket.socket, wait_secs: float) -> tuple[int, str]:
    deadline, told = Deadline(wait_secs), b""
    try:
        while b"\0" not in told:
            daemon_end.settimeout(deadline.at_most(wait_secs))
            block = daemon_end.recv(65_536)
            if not block:
                break
            told += block
        else:
            daemon_end.sendall(ANSWER)
    except TimeoutError:
        return 1, f"not ready within {wait_secs:g} s, so the start is given up; see the log"
    except OSError:
        told = b""
    if not told:
        return 1, "the daemon ended before it was ready; see daemon_error_log"
    code, _, text = told.rstrip(b"\0").decode(errors="surrogateescape").partition("\n")
    return int(code), text


def _report_ready(waiting: socket.socket) -> None:
    """Tell the waiting process that all is well. Raises: FtpRetrieveError when it does not wait any more."""
    answer = b""
    with suppress(OSError):
        waiting.settimeout(ANSWER_SECS)
        waiting.sendall(f"0\nstarted as process {os.getpid()}\0".encode())
        answer = waiting.recv(len(ANSWER))
    waiting.close()
    if answer != ANSWER:
        raise FtpRetrieveError("whoever started the daemon has given up waiting for it")


def _send_streams(checked: Checked) -> None:
    """Send what else is printed to its files: stdout to daemon_log unless that rotates, stderr to daemon_error_log.

    Raises: StorageError.
    """
    conf = checked.conf
    rotating = os.path.realpath(checked.log_file or "")
    for path, stream in ((conf.daemon_log, sys.stdout), (conf.daemon_error_log, sys.stderr)):
        if path is None or (stream is sys.stdout and os.path.realpath(path) == rotating):
            continue
        try:
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, OUTPUT_MODE)
        except OSError as error:
            raise StorageError(f"cannot open {path}: {error.strerror}") from error
        os.dup2(fd, stream.fileno())
        os.close(fd)
