"""One job with all that stands around it: its lock, its copy, its report and log, and pop-ups.

`job` mirrors; a log or a pop-up that fails never makes a mirror fail. Must not: speak to the server, or send mail.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from time import monotonic

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import InUse, StorageError
from ftpretrieve.lock import FileLock, directory_lock
from ftpretrieve.mirror import popups
from ftpretrieve.mirror.backup import backup
from ftpretrieve.mirror.job import Mirror
from ftpretrieve.mirror.lftp import Lftp
from ftpretrieve.mirror.progress import Steps
from ftpretrieve.mirror.records import Job, Result, Verdict
from ftpretrieve.mirror.remote import Far
from ftpretrieve.mirror.report import Report, as_text, summary
from ftpretrieve.mirror.tree import LOG_NAME, Near, lock_name
from ftpretrieve.mirror.usage import space_used
from ftpretrieve.progress import Progress

POPUP_TITLE = "LFTP Mirror"


@dataclass(slots=True)
class JobRun:
    """One job from its lock to its report. `quiet`: what lftp says stays off the terminal."""

    job: Job
    clock: Callable[[], datetime]
    quiet: bool
    notes: list[str] = field(default_factory=list)
    mirror: Mirror | None = None

    def report(self) -> Report:
        """Run the job, append its report to the log, and return it.

        Raises: KeyboardInterrupt once all that is done, when one came while the job ran.
        """
        ended: KeyboardInterrupt | None = None
        began, started, existed = monotonic(), self.clock(), self.job.local.exists()
        self.notes += self.job.notes
        self._pop_up(f"Mirroring with {self.job.server.host} …", failed=False)
        report = self._blank(started)
        try:
            with _locked(self.job.local):
                report = self._with_space(self._with_copy(self._mirrored(report)))
        except InUse as error:
            report = replace(report, result=Result(Verdict.LOCKED, (str(error),)))
        except StorageError as error:
            report = replace(report, result=Result(Verdict.FAILED, (str(error),)))
        except KeyboardInterrupt as interrupt:
            ended = interrupt
            report = self._so_far(report, str(interrupt) or "ended by SIGINT")
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not keep the next job from its turn
            traceback.print_exc()
            report = self._so_far(report, f"{type(error).__name__}: {error}")
        if not existed and self.job.local.exists():
            report = replace(report, created=os.fspath(self.job.local))
        report = replace(report, result=replace(report.result, secs=monotonic() - began), ended=self.clock())
        self._pop_up(summary(report), failed=report.result.verdict is not Verdict.OK)
        report = replace(report, notes=tuple(self.notes))
        problem = append_to_log(self.job, as_text(report) + "\n\n")
        if ended is not None:
            raise ended
        return replace(report, notes=(*self.notes, problem)) if problem else report

    def _so_far(self, report: Report, reason: str) -> Report:
        """Return the report of a job that was cut short, with what it has done until then."""
        if self.mirror is None:
            return replace(report, result=replace(report.result, verdict=Verdict.FAILED, reasons=(reason,)))
        self.mirror.reasons.append(reason)
        return replace(report, result=self.mirror.result(Verdict.FAILED), output=tuple(self.mirror.output))

    def _blank(self, now: datetime) -> Report:
        job, ends = self.job, [self.job.remote, os.fspath(self.job.local)]
        source, target = reversed(ends) if job.reverse else ends
        host = job.server.host
        site = host if job.server.port is None else f"{host}:{job.server.port}"
        user = job.server.user or "anonymous"
        return Report(job.name, site, user, source, target, now, now, Result(Verdict.FAILED))

    def _mirrored(self, report: Report) -> Report:
        job = self.job
        limit = job.options.get("timeout")
        deadline = Deadline(limit if isinstance(limit, float) else float("inf"))
        with nullcontext() if self.quiet else Progress(sys.stderr) as shown:
            steps = Steps(shown) if shown else None
            far = Far(Lftp(job.server, deadline), job.remote, steps.line if steps else None)
            self.mirror = mirror = Mirror(job, Near(job.local), far)
            if steps:
                mirror.show = steps.line
                steps.step(f"Planning {job.name}")
                mirror.planned = lambda files: steps.step(f"Mirroring {job.name}", files)
            result = mirror.run()
        return replace(report, result=result, output=tuple(mirror.output))

    def _with_copy(self, report: Report) -> Report:
        """Make the compressed copy, after a download that was good."""
        result, options = report.result, self.job.options
        if self.job.reverse or result.dry_run or result.verdict is not Verdict.OK or self.job.wants("no_compress"):
            return report
        keep = options.get("keep")
        try:
            made = backup(
                self.job.local, self._copies(), now=self.clock(), keep=keep if isinstance(keep, int) else None
            )
        except StorageError as error:
            return replace(report, result=replace(result, verdict=Verdict.FAILED, reasons=(str(error),)))
        self.notes += made.notes
        removed = tuple(os.fspath(path) for path in made.removed)
        return replace(report, backup=os.fspath(made.created), backups_removed=removed)

    def _with_space(self, report: Report) -> Report:
        if not self.job.local.exists():
            return report
        return replace(report, disk_bytes=space_used(self.job.local, self._copies(), log_of(self.job)))

    def _copies(self) -> Path:
        directory = self.job.options.get("backup_dir")
        return Path(str(directory)) if directory else self.job.local.parent

    def _pop_up(self, text: str, *, failed: bool) -> None:
        problem = popups.show(POPUP_TITLE, text, failed=failed)
        if problem is not None:
            self.notes.append(problem)


def log_of(job: Job) -> Path:
    """Return the log that a job's reports go to: beside LOCAL, never in it."""
    return job.local.parent / LOG_NAME


def append_to_log(job: Job, text: str) -> str | None:
    """Append to the log; return what went wrong. One write, so that reports of two runs do not mingle."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    path = log_of(job)
    try:
        with open(os.open(path, flags, 0o666), "ab", buffering=0) as log:
            log.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        return f"cannot write the log {path}: {error.strerror}"
    return None


@contextmanager
def _locked(local: Path) -> Iterator[None]:
    """Hold the lock of a local directory: beside it, so that a mirror neither sends nor deletes it, and on itself.

    The file names its holder, and there is one before the directory is; the directory has only one identity.
    Raises: InUse naming the holder; StorageError when the parent of LOCAL does not exist or cannot be written.
    """
    if not local.parent.is_dir():
        raise StorageError(f"{local.parent} does not exist, so {local.name} cannot be made there; create or mount it")
    lock = FileLock(os.fspath(local.parent / lock_name(local)))
    with lock, directory_lock(os.fspath(local)):
        yield
