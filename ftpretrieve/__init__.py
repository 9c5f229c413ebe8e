"""ftpretrieve: every remote file arrives exactly once, whole, and you know when it doesn't.

What programs may import: `go`, `AppConf`, `PSList`, the errors and `__version__`.
"""

__version__ = "1.0.0"

from ftpretrieve.errors import (
    CommandFailed,
    ConfigError,
    FtpRetrieveError,
    InUse,
    JournalError,
    LoginRefused,
    RemoteRefused,
    RemoteUnavailable,
    SessionExpired,
    StorageError,
    TransferIncomplete,
)
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.system import PSList

__all__ = [
    "AppConf",
    "CommandFailed",
    "ConfigError",
    "FtpRetrieveError",
    "InUse",
    "JournalError",
    "LoginRefused",
    "PSList",
    "RemoteRefused",
    "RemoteUnavailable",
    "SessionExpired",
    "StorageError",
    "TransferIncomplete",
    "__version__",
    "go",
]


def go(
    config_file: str,
    log_file: str | None = None,
    remotedir: str | None = None,
    isdebug: bool = False,
    isdaemon: bool = False,
    *,
    wait_secs: float = 30.0,
    new_journal: bool = False,
    accept_host: bool = False,
    quiet: bool = False,
) -> int:
    """Poll as the configuration says until told to stop, and return the exit code.

    `log_file` and `remotedir` None or '': as configured. `isdaemon`: this process goes on as the daemon, detached, and
    the process that called exits: with 0 once the daemon holds its locks, journal, log and port, else with the reason
    on stderr and its exit code, after `wait_secs` at the latest. Otherwise it blocks, and records go to stderr as well.
    In a thread other than the main one signals are left alone.

    `new_journal` and `accept_host` allow, this once, what the configuration's journal and its server are checked for;
    `quiet` leaves only warnings on stderr.

    Raises: ConfigError (in any case before the daemon is split off: nothing has been created then) and, when it does
    not become a daemon, InUse, StorageError and JournalError if it cannot start.
    """
    # Here, because `import ftpretrieve` alone should not load an FTP client.
    from ftpretrieve.retrieve.service import Start, run, run_as_daemon

    start = Start(config_file, log_file, remotedir, isdebug, new_journal, accept_host, quiet)
    return run_as_daemon(start, wait_secs) if isdaemon else run(start)
