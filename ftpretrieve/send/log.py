"""The general log of send: what was sent, tried and refused, one line a record, for operators and their monitoring.

    2026-11-21T08:00:00Z [4711] INFO SENT id=ABCD1234 directory=/data/out/ …

A file that logrotate has moved away is left alone and a new one begun; several sends may write to one file at a time.
Must not: fail a send that is under way. That the file cannot be opened is an error at the start, when nothing has been
sent yet; that it cannot be written to later is told once on stderr.
"""

import io
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import WatchedFileHandler
from pathlib import Path

from ftpretrieve.errors import StorageError
from ftpretrieve.escapes import escape
from ftpretrieve.logs import MODE, LineFormatter, stderr_log
from ftpretrieve.send.records import DATE_FORMAT, Settings

LOGGER = logging.getLogger("ftpretrieve.send")

TRANSACTION = "id= directory= files= bytes= gb="

RECORDS: dict[str, str] = {
    "SENDING": f"{TRANSACTION}: a transaction has begun",
    "RESUMING": f"{TRANSACTION}: one that was cut off goes on under its id",
    "UNFINISHED": f"{TRANSACTION}: one was cut off, and can be resumed",
    "SENT": f"{TRANSACTION}: it is complete at the server, and in the logbook",
    "UNCHANGED": f"{TRANSACTION}: nothing was sent, since the directory is as it was when this one was sent",
    "ABANDONED": f"{TRANSACTION}: an unfinished one was given up by --restart",
    "LEFTOUT": "path= reason=: rsync does not send this",
    "ESCAPED": "path=: XML cannot hold this name, so it stands there escaped",
    "RETRY": "reason=: an attempt failed in a way that may heal, and another one follows",
    "DOUBTFUL": "reason=: an entry of the logbook that makes the sum of the week uncertain",
    "DAMAGED": "reason=: the file of a transaction cannot be read",
    "TESTED": "directory= files= bytes= gb=: what a test (-t) found that would be sent",
    "STATUS": "id= status= verdict=: what the data centre says of a transaction",
    "REPAIRED": "logbook= aside=: a damaged logbook was moved aside, and what could be read of it kept",
    "RSYNC": "argv= code= lines=: with --debug or log level DEBUG, each call of rsync: how it ended, what it printed",
    "FAILED": "reason=: the command ended without success; several lines when there are several reasons",
}
"""What each word of the log is followed by and means."""


@contextmanager
def open_log(settings: Settings, debug: bool) -> Iterator[logging.Logger]:
    """Log to the file of the settings, if they have one, and with `debug` everything, also on stderr.

    Raises: StorageError when the file cannot be opened.
    """
    formatter = LineFormatter("%(asctime)s [%(process)d] %(levelname)s %(message)s", DATE_FORMAT)
    formatter.converter = time.gmtime
    handlers: list[logging.Handler] = []
    if settings.log_file is not None:
        handlers.append(_open(settings.log_file))
        handlers[0].setLevel(logging.DEBUG if debug else settings.log_level)
    if debug:
        handlers.append(stderr_log(debug=True))
    # Without any, logging itself would show warnings on stderr, where people have been told them already.
    handlers = handlers or [logging.NullHandler()]
    LOGGER.setLevel(logging.DEBUG)
    for handler in handlers:
        handler.setFormatter(formatter)
        LOGGER.addHandler(handler)
    try:
        yield LOGGER
    finally:
        for handler in handlers:
            LOGGER.removeHandler(handler)
            _close(handler)


class _LogFile(WatchedFileHandler):
    """Appends to the file that lies at the path now. Never raises: the caller has data to send."""

    def __init__(self, path: Path) -> None:
        self._complained = False
        super().__init__(path, encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, to a new file if the old one was moved."""
        try:
            super().emit(record)
        except OSError:  # from opening the new one; what happens when writing goes to handleError by itself
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name is logging's
        """Say once that the log does not get all there is."""
        if not self._complained:
            self._complained = True
            text = f"cannot write log {self.baseFilename}: {sys.exc_info()[1]}"
            print(f"{escape(text)} (not repeated)", file=sys.stderr)

    def _open(self) -> io.TextIOWrapper:
        """Open the file to append, made with MODE when it is new."""
        return open(self.baseFilename, "a", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, MODE))


def _open(path: Path) -> _LogFile:
    try:
        return _LogFile(path)
    except OSError as error:
        fix = "create its directory, let this user write there, or change 'log file' in [logging]"
        raise StorageError(f"cannot open the log {path}: {error.strerror}; {fix}") from error


def _close(handler: logging.Handler) -> None:
    try:
        handler.close()
    except OSError:  # it holds lines that the disk did not take, which has been told
        pass
