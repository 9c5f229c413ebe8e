"""Puts the parts together for one call: the real programs, what is remembered, the log, what people see.

    stdout  the id of each transaction that is complete, or what a test found
    stderr  what somebody should know; on a terminal also how far it is

Must not: decide anything about a transaction (`job`, `survey`).
"""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import FtpRetrieveError
from ftpretrieve.escapes import escape
from ftpretrieve.exits import say
from ftpretrieve.logs import record
from ftpretrieve.progress import Progress
from ftpretrieve.send.intents import Intents
from ftpretrieve.send.job import Sender
from ftpretrieve.send.logbook import Logbook
from ftpretrieve.send.records import Intent, Settings
from ftpretrieve.send.rsync import DataCentre
from ftpretrieve.send.survey import Forecast, NotSent, Request, Survey
from ftpretrieve.send.tools import find_du, find_rsync, size_gb
from ftpretrieve.units import format_bytes

LOGGER = logging.getLogger("ftpretrieve.send")


def send(settings: Settings, request: Request, out: TextIO, prog: str) -> int:
    """Send a directory and print the id of its transaction. Raises: as `Sender.send`."""
    with _survey(settings, request.ignore_limits, prog) as survey:
        transaction_id = Sender(survey).send(request)
    print(transaction_id, file=out, flush=True)
    return 0


def test(settings: Settings, request: Request, out: TextIO, prog: str) -> int:
    """Print what would be sent. Raises: as `Survey.test`."""
    with _survey(settings, request.ignore_limits, prog) as survey:
        forecast = survey.test(request)
        LOGGER.info(record("TESTED", directory=request.directory, files=forecast.files, bytes=forecast.total_bytes,
                           gb=f"{forecast.size_gb:.3f}"))  # fmt: skip
    print(describe(settings, request, forecast), file=out, flush=True)
    return 0


def resume(settings: Settings, transaction_id: str | None, ignore_limits: bool, out: TextIO, prog: str) -> int:
    """Bring one unfinished transaction to its end, or all there are, and print their ids.

    Raises: NotSent when the one is not unfinished, for those that did not come to their end after the others did, or
    when there seem to be none and what is remembered of one cannot be read.
    """
    problems: list[str] = []
    intents = Intents(settings.transactions)
    waiting = _unfinished(intents, transaction_id)
    if not waiting:
        if damaged := intents.damaged():  # any of them may be unfinished
            raise NotSent("\n".join(damaged))
        if sys.stderr is not None and sys.stderr.isatty():  # nothing to mail every night
            say(prog, "no transaction is unfinished")
    for intent in waiting:
        request = Request(intent.directory, intent.data_type, resume=True, ignore_limits=ignore_limits)
        try:
            send(settings, request, out, prog)
        except FtpRetrieveError as error:
            problems.append(f"{intent.id} of {intent.directory}: {error}")
    if problems:
        raise NotSent("\n".join(problems))
    return 0


def _unfinished(intents: Intents, transaction_id: str | None) -> list[Intent]:
    if transaction_id is None:
        return list(intents.unfinished())
    intent = intents.get(transaction_id)
    if intent is None:
        raise NotSent(f"{transaction_id} was not begun here; --pending lists what is unfinished")
    if intent not in intents.unfinished():
        raise NotSent(f"{transaction_id} is {intent.state}, so there is nothing to resume")
    return [intent]


def describe(settings: Settings, request: Request, forecast: Forecast) -> str:
    """Write a forecast for people."""
    if forecast.unchanged:
        return (
            f"would send nothing: {escape(request.directory)} has not changed since it was sent as {forecast.unchanged}"
        )
    together = forecast.week.gb + forecast.size_gb
    share = f"{100 * together / settings.weekly_gb:.1f} %"
    if together >= settings.weekly_gb:
        share += ", beyond the limit; only --ignore-limits sends it"
    going_on = f", going on with {forecast.resumes}" if forecast.resumes else ""
    week = f"{forecast.week} + {forecast.size_gb:.3f} GB"
    to = f"{settings.server}, port {settings.port}"
    lines = (
        f"would send {escape(request.directory)} as {request.data_type} for {settings.node} to {to}{going_on}",
        f"files: {forecast.files}",
        f"bytes: {forecast.total_bytes} ({format_bytes(forecast.total_bytes)})",
        f"weekly limit: {week} = {together:.3f} GB of {settings.weekly_gb:g} GB ({share})",
    )
    return "\n".join(lines)


@contextmanager
def _survey(settings: Settings, ignore_limits: bool, prog: str) -> Iterator[Survey]:
    """Find the programs, and show what happens while it is at work."""
    rsync, du = find_rsync(settings), find_du(settings)
    logbook = Logbook(settings.logbook)
    logbook.check_writable()
    deadline = Deadline(settings.max_secs)
    with Progress(sys.stderr) as shown:

        def tell(level: int, word: str, text: str, /, **fields: object) -> None:
            LOGGER.log(level, record(word, **fields))
            if level >= logging.WARNING:
                shown.line(f"{prog}: {text}")

        def retrying(text: str) -> None:
            tell(logging.WARNING, "RETRY", text, reason=text)

        centre = DataCentre(settings, rsync, deadline, limited=not ignore_limits, tell=retrying, progress=shown.status)
        yield Survey(
            settings,
            logbook,
            Intents(settings.transactions),
            centre,
            lambda directory: size_gb(du, settings, directory, deadline.remaining()),
            tell,
            time.time,
        )
