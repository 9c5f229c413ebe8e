"""The log: how a line looks, the words it may start with, and the file that turns over at midnight.

Log lines are an interface: monitoring greps for the words and reads FILESDOWNLOADED back with `ast.literal_eval`. So
whatever a server sends, one record is one line and only its own: characters that do not print are escaped, and
tracebacks are indented. One process writes a log file (two lost 44 % of the lines when measured).

Nothing here raises into the program that logs: with the disk full or the directory gone it says so on stderr once,
counts what is lost, and says that in the log as soon as it can write again.
"""

import copy
import io
import json
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from logging.handlers import TimedRotatingFileHandler
from urllib.parse import quote

from ftpretrieve.errors import StorageError
from ftpretrieve.escapes import escape as escape  # who writes records needs both

MODE = 0o640
"""Names of files are not for everybody; the group may be given to whoever monitors."""

TUPLES_A_LINE = 200
"""Keeps a FILESDOWNLOADED line of ordinary names below 64 KiB, which most log shippers still take as one line."""

LEAST_SECRET = 4
"""Shorter secrets are not masked: that would punch holes into ordinary words, and tell them by doing so."""

STANDING = ("LISTINGSUSPECT", "NAMESREFUSED", "LISTINGENDED", "DIRECTORYFAILED")
LASTING = ("HASHUNAVAILABLE", "CONNECTIONSLIMITED")
"""What a server does in every poll, or in every one that fetches; nobody reads a log that says so each time."""

AGAIN_SECS = 86_400
"""What goes on is said once a day, so that it stands in each day's log."""

REPEATS_KEPT = 1000
"""A hostile server has no end of different troubles; further ones are said each time."""

COUNTED = re.compile(r" (?:listed|before|count|open)=\d+")
"""Figures that may change while the trouble is the same."""

RECORDS: dict[str, str] = {
    "FILESDOWNLOADED": "a list of (local file, remote mtime in epoch seconds or None, remote name): files handed over; "
    "at most 200 a line, for ast.literal_eval",
    "POLL": "listed= fetched= delivered= replaced= changing= failed= skipped= left= bytes= secs= "
    "result=ok|partial|timeout|unreachable|refused reason=: one poll is over; ok: nothing failed, nothing is left but "
    "what has to wait (settle, min_age_secs, done_suffix), and the listing was not cut",
    "FILEFAILED": "name= attempts= reason= next_try=: one file did not come; tried again at next_try (epoch seconds)",
    "SESSIONTIMEOUT": "limit_secs= stage=: the session was ended by ftp_duration_secs",
    "LISTINGSUSPECT": "reason=truncated|empty|shrunk|unreadable listed= before= example=: nothing is concluded from "
    "its gaps; example= is a line that could not be read",
    "HEARTBEAT": "state= poll_age_secs= staged= failed=: the loop is alive; a WARNING when it is overdue, and with "
    "error= when it cannot say",
    "MAYBETWICE": "name= reason=: this file may have been handed over before",
    "CLOCKMOVED": "shift_secs= files= compared=: the server's clock or zone moved under so many files that are not "
    "fetched again; so many of them were compared, and the rest taken for the same",
    "NAMESREFUSED": "reason= count= example=: so many listed names cannot be those of files here, and are skipped",
    "LISTINGENDED": "reply=: the server broke off the listing with this reply; what came before it is used",
    "DIRECTORYFAILED": "name= reason=: a directory below the remote directory could not be listed",
    "HASHUNAVAILABLE": "command= reason=: ftp_verify_hash is set and this server could not tell a digest; such files "
    "are delivered without",
    "NAMETAKEN": "name= by= kept_as=: another file lies at the sync path, so this one got the name kept_as",
    "BADENCODING": "name= encoding= action= kept_as=: the content does not decode as xml_encoding",
    "RECHECKFAILED": "name= attempts= reason=: it stays unknown whether this file was rewritten within one stamp",
    "CLEANUPFAILED": "directory= reason=: a staging directory that is no longer needed could not be removed",
    "CONNECTIONSLIMITED": "open= reason=: the server takes no further connection beside so many; asked again later",
    "LOGINREFUSED": "attempts= wait_secs=: user and password are not taken, or there is no password; the "
    "next login comes after wait_secs, or at a reload",
    "TLSUNVERIFIED": "host=: ftp_tls_verify = no, so anybody on the way may read and change everything; said in each "
    "session",
    "STARTED": "pid= version= config= host= directory=: the daemon holds its locks, journal, log and port",
    "STOPPED": "reason= secs=: the daemon ended by itself or on request, or could not start",
    "JOURNALFAILED": "reason=: the journal cannot be trusted or written, so the daemon ends",
    "RELOADED": "changed= restart_needed=: the configuration was read again; keys that wait for a restart are named",
    "RELOADREFUSED": "problem=: the configuration is wrong, and the one in use stays; a line for each problem",
    "SHUTDOWNREFUSED": "wrong=: so many wrong shutdown strings since the last such line, at most one line a minute",
    "LOGGAP": "lost=: so many records before this one could not be written to the log",
}
"""What each record word is followed by and means. Fields without a value are left out."""


def record(word: str, /, **fields: object) -> str:
    """Return `WORD key=value …`, fields that are None left out.

    Values with blanks, quotes, backslashes, equal signs or characters that do not print become JSON strings (as does
    the empty string), so a value without quotes is always meant literally. Bytes are names: `os.fsdecode`d.
    """
    return " ".join([word, *(f"{key}={_spell(value)}" for key, value in fields.items() if value is not None)])


def files_downloaded(rows: Sequence[tuple[str, int | None, str]]) -> list[str]:
    """Return the FILESDOWNLOADED lines for (local file, remote mtime in epoch seconds or None, remote name)."""
    starts = range(0, len(rows), TUPLES_A_LINE)
    return [f"FILESDOWNLOADED {[tuple(row) for row in rows[start : start + TUPLES_A_LINE]]!r}" for start in starts]


class Repeats(logging.Filter):
    """Holds back what was said in the poll before and less than a day ago; a new process says everything anew."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._said: dict[str, float] = {}
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether this record is news."""
        text = COUNTED.sub("", record.getMessage())
        word = text.partition(" ")[0]
        if word == "POLL":  # what this poll did not see again is over, and news when it comes back
            self._said = {
                said: when for said, when in self._said.items() if said in self._seen or said.startswith(LASTING)
            }
            self._seen = set()
        if word not in STANDING + LASTING:
            return True
        self._seen.add(text)
        now = self._monotonic()
        if now - self._said.get(text, -AGAIN_SECS) < AGAIN_SECS:
            return False
        if len(self._said) < REPEATS_KEPT:
            self._said[text] = now
        return True


def _spell(value: object) -> str:
    """Spell one value of a record."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".") if value == value and abs(value) < float("inf") else str(value)
    text = os.fsdecode(value) if isinstance(value, bytes) else str(value)
    if text.isprintable() and not re.search(r'[\s"\'\\=]', text) and text:
        return text
    return escape(json.dumps(text, ensure_ascii=False))


class Redactor(logging.Filter):
    """Replaces secrets by `***` in messages and tracebacks, also where quoting has changed their spelling."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        spellings = {
            spelling
            for secret in secrets
            if len(secret) >= LEAST_SECRET
            for spelling in (
                secret,
                escape(secret),
                escape(json.dumps(secret, ensure_ascii=False)[1:-1]),
                json.dumps(secret)[1:-1],
                repr(secret)[1:-1],
                quote(secret, safe="", errors="surrogateescape"),
            )
        }
        # Longest first: a secret that begins like another one must go as a whole.
        ordered = sorted(spellings, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without the secrets."""
        if self._secrets is None:
            return True
        with suppress(TypeError, ValueError, KeyError):  # message and arguments do not fit: the handler says so
            record.msg, record.args = self._secrets.sub("***", record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._secrets.sub("***", record.exc_text)
        if record.stack_info:
            record.stack_info = self._secrets.sub("***", record.stack_info)
        return True


class LineFormatter(logging.Formatter):
    """`2026-11-20 20:14:12,345 INFO WORD key=value`, one line a record; tracebacks follow, indented."""

    def __init__(self, form: str = "%(asctime)s %(levelname)s %(message)s", dates: str | None = None) -> None:
        super().__init__(form, dates)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the name is logging's
        """Return the first line: the message is escaped, date and level need no escape."""
        record.message = escape(record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the record with its traceback, which may quote anything and must not look like another record."""
        first, *rest = super().format(record).split("\n")
        return "\n".join([first, *("    " + escape(line) for line in rest)])


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic for the type checker only
    """Records on stderr; a terminal that went away is no reason to fail or to talk about it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name is logging's
        pass


class LogFile(TimedRotatingFileHandler):
    """The rotating log. Lines are written whole or not at all, whatever happens to the file.

    Of the base class it keeps when to turn over, how old files are named and which of them to delete. The rest is done
    here because there a failed rotation loses every record from then on, a file of the same date is overwritten, a
    deleted log file is written to for ever, and the time cannot be given.
    """

    def __init__(
        self, path: str, when: str, keep: int, clock: Callable[[], float], echo: logging.Handler | None
    ) -> None:
        super().__init__(path, when=when, backupCount=keep, encoding="utf-8", delay=True)
        self._clock = clock
        self._echo = echo
        self._complained = False
        self.lost = 0
        if not os.path.exists(self.baseFilename):  # else the base class counts from when it was last written to
            self.rolloverAt = self.computeRollover(int(clock()))
        self._writable()

    @property
    def failing(self) -> bool:
        """Did the last record not reach the file?"""
        return self.lost > 0

    def computeRollover(self, currentTime: int) -> int:  # noqa: N802, N803  the names are logging's
        """Return the next turn-over; midnight by the calendar, so also on the days the clocks change."""
        if self.when != "MIDNIGHT":
            return int(super().computeRollover(currentTime))
        year, month, day = time.localtime(currentTime)[:3]
        return int(time.mktime((year, month, day + 1, 0, 0, 0, 0, 0, -1)))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record. Never raises: the caller has files to deliver and cannot mend the log."""
        if self._echo is not None:
            self._echo.handle(record)
        try:
            line = self.format(record)
            if self._clock() >= self.rolloverAt:
                self.doRollover()
            if self.lost:
                line = f"{self._gap_line(record)}\n{line}"
            _append(self._writable().fileno(), f"{line}\n".encode())
        except Exception as error:  # noqa: BLE001  anything: see above
            self.lost += 1
            self._complain(f"cannot write log {self.baseFilename}: {error!r}")
        else:
            self.lost, self._complained = 0, False

    def doRollover(self) -> None:  # noqa: N802  the name is logging's
        """Give the file the date of its last second, begin another, delete the oldest. Failing, go on in the same."""
        old = f"{self.baseFilename}.{time.strftime(self.suffix, time.localtime(self.rolloverAt - 1))}"
        self.rolloverAt = self.computeRollover(int(self._clock()))
        if not os.path.isfile(self.baseFilename):  # /dev/stdout and its like
            return
        self._close_stream()
        try:
            _move_or_append(self.baseFilename, old)
            for path in self.getFilesToDelete() if self.backupCount else ():
                os.unlink(path)
        except OSError as error:
            self._complain(f"cannot rotate log {self.baseFilename}: {error}")

    def _open(self) -> io.TextIOWrapper:
        """Open the file to append, made with MODE when it is new."""
        return open(self.baseFilename, "a", encoding="utf-8", opener=_open_log_file)

    def _close_stream(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.stream = None

    def _writable(self) -> io.TextIOWrapper:
        """Return the file that lies at the path now, opened again when somebody deleted or moved what we had."""
        if self.stream is not None:
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self.baseFilename), os.fstat(self.stream.fileno())):
                    return self.stream
            self._close_stream()
        self.stream = self._open()
        return self.stream

    def _gap_line(self, before: logging.LogRecord) -> str:
        """Return the line that says how many records are missing before this one."""
        gap = copy.copy(before)
        gap.levelno, gap.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        gap.msg, gap.args = record("LOGGAP", lost=self.lost), ()
        gap.exc_info = gap.exc_text = gap.stack_info = None
        return self.format(gap)

    def _complain(self, text: str) -> None:
        """Say it on stderr, once until a record is written again."""
        if not self._complained:
            self._complained = True
            with suppress(Exception):  # stderr closed, full or missing: nobody is left to tell
                print(text, "(not repeated)", file=sys.stderr, flush=True)


def stderr_log(debug: bool = False) -> logging.Handler:
    """Return a handler that shows records on stderr, for the foreground without a log file."""
    handler = _StderrHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    handler.setLevel(logging.DEBUG if debug else logging.INFO)
    return handler


def open_log(
    path: str,
    when: str = "midnight",
    keep: int = 30,
    debug: bool = False,
    also_stderr: bool = False,
    clock: Callable[[], float] = time.time,
) -> LogFile:
    """Open the log file and return its handler; a Redactor added to it holds for stderr as well.

    `when` as in TimedRotatingFileHandler, `keep` old files are kept (0: all), `clock` gives epoch seconds.

    Raises: StorageError when the file cannot be opened; ValueError for a `when` that does not exist.
    """
    try:
        handler = LogFile(path, when, keep, clock, stderr_log(debug) if also_stderr else None)
    except OSError as error:
        raise StorageError(f"cannot open log {path}: {error.strerror}") from error
    handler.setFormatter(LineFormatter())
    handler.setLevel(logging.DEBUG if debug else logging.INFO)
    return handler


def _open_log_file(path: str, flags: int) -> int:
    """Open for `open`, with MODE whatever the umask when the file is made, and unchanged when it was there."""
    try:
        fd = os.open(path, flags | os.O_EXCL, MODE)
    except FileExistsError:
        return os.open(path, flags, MODE)
    os.fchmod(fd, MODE)
    return fd


def _append(fd: int, data: bytes) -> None:
    """Write all of it or nothing. Straight to the file: a text layer would keep halves of lines for later."""
    written = 0
    try:
        while written < len(data):
            written += os.write(fd, data[written:])
    except OSError:
        with suppress(OSError):  # a pipe cannot take it back
            os.ftruncate(fd, os.fstat(fd).st_size - written)
        raise


def _move_or_append(path: str, old: str) -> None:
    """Move the file to the old name; when that exists (the clock was set back), add to it and lose neither."""
    if not os.path.exists(old):
        os.rename(path, old)
        return
    with open(path, "rb") as source, open(old, "ab") as target:
        shutil.copyfileobj(source, target)
    os.unlink(path)


def is_failing(log: logging.Logger) -> bool:
    """Say whether lines written to this logger do not reach its file just now (disk full, directory gone)."""
    logger: logging.Logger | None = log
    while logger is not None:
        if any(isinstance(handler, LogFile) and handler.failing for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False
