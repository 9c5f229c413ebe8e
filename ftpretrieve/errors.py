"""The errors of all systems, grouped by what the caller must do next.

Pure: no module here does anything. Foreign exceptions (ftplib, sqlite3, OSError) are turned into these once, at the
edge where they appear, with the cause kept (`raise … from error`). Messages name the thing, the place, the value and
the fix, and never hold a secret.
"""

from collections.abc import Sequence


class FtpRetrieveError(Exception):
    """Root of everything this package raises on purpose."""


class ConfigError(FtpRetrieveError):
    """The configuration must be mended. `problems` holds one line per mistake, all that were found."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class InUse(FtpRetrieveError):
    """Another process holds the lock; try later. The message names the holder."""


class RemoteUnavailable(FtpRetrieveError):
    """The server cannot be reached or went away; the next poll tries again."""


class RemoteRefused(FtpRetrieveError):
    """The server answered no (login, permission, missing directory): an operator is needed."""


class LoginRefused(RemoteRefused):
    """The server does not accept the account: trying again soon may lock it."""


class TransferIncomplete(FtpRetrieveError):
    """One file did not come whole: discard what was staged and try again later."""


class SessionExpired(FtpRetrieveError):
    """The session was ended from outside: by its time limit, or because the program is stopping."""


class StorageError(FtpRetrieveError):
    """The local disk will not take files (full, gone, not permitted): stop fetching until it does."""


class JournalBusy(StorageError):
    """Another program has locked the journal: stop fetching until it lets go."""


class JournalError(FtpRetrieveError):
    """The journal cannot be trusted or written: stop, never deliver without memory."""


class CommandFailed(FtpRetrieveError):
    """A program we ran failed. The message has the masked command line, the exit code and its last words."""


TRY_LATER = 75
"""Exit code of whatever may work by itself a little later (EX_TEMPFAIL of sysexits.h)."""

EXIT_CODES: tuple[tuple[type[FtpRetrieveError], int], ...] = (
    (ConfigError, 6),
    (JournalBusy, TRY_LATER),
    (StorageError, 6),
    (InUse, TRY_LATER),
    (RemoteUnavailable, TRY_LATER),
    (SessionExpired, TRY_LATER),
    (FtpRetrieveError, 1),
)
"""Exit code of a command that ended by an error, the first row that fits; as the LSB has them for init scripts."""

NO_PERMISSION = 4


def exit_code(error: FtpRetrieveError) -> int:
    """Return the exit code that an error ends a command with."""
    if isinstance(error.__cause__, PermissionError):
        return NO_PERMISSION
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))
