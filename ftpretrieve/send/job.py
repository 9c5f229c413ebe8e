"""One transaction on one page.

Theory of operation. A transaction begins when its intent is on disk, and is complete when its `ID.xml` lies at the
server, which the data centre takes as the sign to begin. What was cut off in between is done again under the same id,
and rsync sends only what is missing. So the steps have one order: the intent, the files, the proof that the server has
them as they were when the intent was made, the XML, the logbook, and the intent is closed. Whoever resumes asks the
server for the XML first, since a program that was killed right after it was sent could not note that; if it is there,
nothing is pushed any more, and what has become of the directory does not matter. (A data centre that has taken the XML
away and shows no status yet looks as if it had nothing. Then all goes there again, under the same id, by which it can
tell.)

Must not: speak to rsync (`rsync`), write a file (`intents`, `logbook`), or guess: what is not proven is not complete.
"""

import logging
from dataclasses import dataclass

from ftpretrieve.errors import FtpRetrieveError
from ftpretrieve.send.records import Intent, LogEntry, Snapshot, State, format_date
from ftpretrieve.send.snapshot import first_of, take
from ftpretrieve.send.survey import NotSent, Request, Survey
from ftpretrieve.send.transaction import new, to_xml


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends a directory, after `survey` has found out what there is to do."""

    survey: Survey

    def send(self, request: Request) -> str:
        """Bring the transaction of a directory to its end, and return its id.

        Raises: NotSent when the user has to decide; InUse; what `rsync` raises. The intent stays, to be resumed.
        """
        with self.survey.intents.working(request.directory):
            last = self.survey.last(request)
            if last is None or request.restart:
                return self._begin(request, given_up=last)
            if last.state is State.SENDING:
                if not self.survey.is_complete(last):
                    return self._resume(last, request)
                self._tell_resuming(last)
                self._book(last)
                if request.resume:
                    return last.id
                # What has changed since is sent as well, below: without --resume the user wants DIR as it is now.
            if last.digest != take(request.directory).digest:
                return self._begin(request, given_up=None)
            self._tell(last, logging.WARNING, "UNCHANGED", "was sent as {id} and has not changed, so nothing is sent; "
                       "--restart sends it again under a new id")  # fmt: skip
            return last.id

    def _begin(self, request: Request, given_up: Intent | None) -> str:
        """Send what is there now under a new id."""
        snapshot = take(request.directory)
        size_gb = self.survey.size_gb(request, snapshot)
        self.survey.check_limits(request, snapshot, size_gb)
        intent = self.survey.candidate(request, snapshot, size_gb)  # from here on the server is asked
        planned = self.survey.planned(intent, snapshot)
        if given_up is not None and given_up.state is State.SENDING:
            self._give_up(given_up)
        self.survey.intents.write(intent)
        self._tell(intent, logging.INFO, "SENDING", "is sent as {id}")
        self._complete(intent, snapshot, planned)
        return self._book(intent)

    def _resume(self, intent: Intent, request: Request) -> str:
        """Go on with what was cut off."""
        snapshot = self.survey.unchanged(intent)
        self.survey.check_limits(request, snapshot, intent.size_gb)
        planned = self.survey.planned(intent, snapshot)
        self._tell_resuming(intent)
        self._complete(intent, snapshot, planned)
        return self._book(intent)

    def _complete(self, intent: Intent, snapshot: Snapshot, planned: list[str]) -> None:
        """Do what is left at the server, or say how to go on later."""
        try:
            self._transfer(intent, snapshot, planned)
        except (FtpRetrieveError, KeyboardInterrupt):
            self._tell(intent, logging.WARNING, "UNFINISHED", "is unfinished as {id}; when the reason is gone, send it "
                       "again or give --resume, and it goes on")  # fmt: skip
            raise

    def _transfer(self, intent: Intent, snapshot: Snapshot, planned: list[str]) -> None:
        """Send the files, prove that the server has them, and complete the transaction there."""
        centre = self.survey.centre
        centre.make_place(intent)
        centre.push(intent, snapshot)
        self.survey.unchanged(intent)  # a file that was written to meanwhile may have arrived as a mixture
        if missing := centre.missing(intent, snapshot):
            raise NotSent(
                f"{intent.id}: rsync ended well, and yet the server has not, as they are here: "
                f"{first_of(missing)}; run it again, and if that does not help ask the data centre (one "
                "whose disk keeps times less exactly needs 'rsync extra args = --modify-window=2')"
            )
        names = [intent.remote_path(path) for path in planned]
        centre.push_xml(intent.id, to_xml(new(intent, names, self.survey.now())))

    def _book(self, intent: Intent) -> str:
        """Enter the complete transaction into the logbook, close the intent, and return the id."""
        date = format_date(self.survey.now())
        entry = LogEntry(date, intent.node, intent.directory, intent.id, intent.size_gb, intent.data_type)
        try:
            self.survey.logbook.append(entry)
            self.survey.intents.move(intent, State.SENT)
        except (FtpRetrieveError, KeyboardInterrupt):
            self._tell(intent, logging.WARNING, "UNFINISHED", "is complete at the server as {id}, but that could not "
                       "be noted here; when the reason is gone, give --resume, and it is")  # fmt: skip
            raise
        self._tell(intent, logging.INFO, "SENT", "is sent as {id}, complete")
        return intent.id

    def _give_up(self, intent: Intent) -> None:
        """Abandon an unfinished transaction; but if the server has all of it, only note that."""
        if self.survey.is_complete(intent):
            self._book(intent)
            return
        self.survey.intents.move(intent, State.ABANDONED)
        self._tell(intent, logging.WARNING, "ABANDONED", "is given up as {id}; the data centre may have parts of it")

    def _tell_resuming(self, intent: Intent) -> None:
        begun = format_date(intent.started)
        self._tell(intent, logging.WARNING, "RESUMING", f"goes on as {{id}}, which was begun {begun} and cut off")

    def _tell(self, intent: Intent, level: int, word: str, text: str) -> None:
        figures = {"files": intent.files, "bytes": intent.total_bytes, "gb": f"{intent.size_gb:.3f}"}
        self.survey.tell(level, word, f"{intent.directory} {text.format(id=intent.id)}",
                         id=intent.id, directory=intent.directory, **figures)  # fmt: skip
