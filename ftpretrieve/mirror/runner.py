"""All jobs of one call, one after another: their results on standard output, one mail for all, one exit code.

Must not: know what a job does (`run`, `job`), or end early because one of them failed.
"""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime

from ftpretrieve.errors import TRY_LATER, ConfigError
from ftpretrieve.escapes import escape
from ftpretrieve.mirror import mail, script
from ftpretrieve.mirror.lftp import check_version
from ftpretrieve.mirror.records import Job, Mail, Verdict
from ftpretrieve.mirror.report import Report, as_json, as_text, summary
from ftpretrieve.mirror.run import JobRun, append_to_log, log_of

MAIL_SECS = 60.0
"""A mail server that takes longer would hold up the next job of cron."""


def run_jobs(jobs: Sequence[Job], *, quiet: bool, as_data: bool, now: Callable[[], datetime] | None = None) -> int:
    """Run the jobs one after another, whatever becomes of each, and return the exit code.

    Raises: ConfigError before the first one begins, when lftp is missing or a job cannot be told to it.
    """
    check_version()
    _check(jobs)
    clock = now or (lambda: datetime.now().astimezone())
    done: list[tuple[Job, Report]] = []
    for job in jobs:
        is_quiet = quiet or job.wants("quiet")
        report = JobRun(job, clock, is_quiet).report()
        done.append((job, report))
        if as_data or job.wants("json"):
            print(json.dumps(as_json(report)), flush=True)
        elif not is_quiet:
            print(summary(report), flush=True)
        elif report.result.verdict is not Verdict.OK:
            print(f"lftp-mirror: {summary(report)}", file=sys.stderr)  # what cron mails is worth reading
    _send_mails(done, clock())
    return _exit_code([report.result.verdict for _, report in done])


def _check(jobs: Sequence[Job]) -> None:
    """Find what cannot work before anything is begun: paths that lftp cannot be told, passwords that are not there."""
    problems = []
    for job in jobs:
        try:
            script.preamble(job.server, 1.0)
            script.mirror_lines(job)
            if job.server.password is not None:
                job.server.password.reveal()
        except ConfigError as error:
            name = f"[{escape(job.name)}]"
            problems += [problem if problem.startswith(name) else f"{name} {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)


def _exit_code(verdicts: Sequence[Verdict]) -> int:
    if all(verdict is Verdict.OK for verdict in verdicts):
        return 0
    return TRY_LATER if all(verdict in (Verdict.AWAY, Verdict.LOCKED) for verdict in verdicts) else 1


def _send_mails(done: Sequence[tuple[Job, Report]], now: datetime) -> None:
    """Send all reports in one mail; in one for each way of mailing, when the jobs of a file name several."""
    ways: dict[Mail, list[tuple[Job, Report]]] = {}
    for job, report in done:
        if job.mail is not None:
            ways.setdefault(job.mail, []).append((job, report))
    for way, told in ways.items():
        text = "\n\n".join(as_text(report) for _, report in told)
        logs = sorted({log_of(job) for job, _ in told})
        problem = mail.send(way, mail.subject(now), text, logs=logs, timeout_secs=MAIL_SECS)
        if problem is not None:
            for job in {job.local.parent: job for job, _ in told}.values():  # a line in each log
                append_to_log(job, f"NOT MAILED: {escape(problem)}\n\n")
            print(f"lftp-mirror: {escape(problem)}", file=sys.stderr)
