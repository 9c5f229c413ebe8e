"""`once` and its variants: one poll, a look at what it would do, or taking over from another tool.

    once               under the journal's lock, with the records of a poll, to the log and to stderr
    once -n            no lock, nothing created: lists, decides, and tells
    once --mark-seen   under the lock: journals what is listed as known, without fetching it

Must not: loop, or try again. What a poll does is `poller`'s business.
"""

import json
import logging
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from signal import SIGINT, SIGTERM
from threading import Event
from typing import TextIO

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import TRY_LATER, JournalBusy, RemoteUnavailable, SessionExpired
from ftpretrieve.lock import FileLock
from ftpretrieve.logs import escape, record
from ftpretrieve.retrieve.absence import suspicion
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.decide import decide, name_matcher
from ftpretrieve.retrieve.ftp import FtpRemote
from ftpretrieve.retrieve.gate import Gate
from ftpretrieve.retrieve.journal import Journal
from ftpretrieve.retrieve.mailbox import lock_path, make_rules, open_mailbox, would_be_refused
from ftpretrieve.retrieve.orders import Orders, obey
from ftpretrieve.retrieve.records import Candidate, Listing, Plan, PollResult
from ftpretrieve.retrieve.session import Sessions, figures, open_logger, open_progress, stderr_level
from ftpretrieve.retrieve.watchdog import Watchdog

INTERRUPTED = 130


def once(
    conf: AppConf,
    *,
    log_file: str | None,
    debug: bool,
    quiet: bool,
    as_json: bool,
    new_journal: bool,
    accept_host: bool,
    out: TextIO,
) -> int:
    """Poll once and return the exit code: 0 all well, 1 a file failed or login refused, 75 worth another try soon.

    Raises: InUse when another poller has the journal; ConfigError, StorageError, JournalError when it cannot begin.
    """
    orders = Orders()
    progress = None if quiet else open_progress()
    with ExitStack() as held:
        held.enter_context(FileLock(lock_path(conf)))  # before the log: two writers would lose its lines
        level = stderr_level(quiet=quiet, debug=debug)
        log = held.enter_context(open_logger(conf, log_file, debug=debug, on_stderr=level, progress=progress))
        mailbox = open_mailbox(conf, log, orders.stop, new_journal=new_journal, accept_host=accept_host)
        held.callback(mailbox.journal.close)
        stop = {number: lambda: orders.order_stop("interrupted") for number in (SIGTERM, SIGINT)}
        held.enter_context(obey(stop))
        result = Sessions(log, progress).poll(conf, mailbox)
    if as_json:
        error = None if result.error is None else str(result.error)
        print(json.dumps({**figures(result), "reason": error}), file=out)
    if orders.stop.is_set():
        return INTERRUPTED
    if result.left and isinstance(result.error, SessionExpired):
        limit = f"the session limit of {conf.ftp_duration_secs:g} s"
        print(f"ftpretrieve: {limit} left {result.left} files; run it again", file=sys.stderr)
    return _exit_code(result)


def _exit_code(result: PollResult) -> int:
    if isinstance(result.error, RemoteUnavailable | SessionExpired | JournalBusy):
        return TRY_LATER
    if result.error is not None or result.failed:
        return 1
    return TRY_LATER if result.cut or result.left > result.waiting else 0


def preview(conf: AppConf, *, as_json: bool, out: TextIO) -> int:
    """Say what a poll would fetch, and why it would not fetch the rest. Creates nothing, locks nothing.

    Raises: RemoteUnavailable, RemoteRefused, SessionExpired, JournalError.
    """
    with ExitStack() as held:
        log = held.enter_context(open_logger(conf, None, debug=False, on_stderr=logging.WARNING))
        journal = held.enter_context(_journal_to_read(conf))
        if would_be_refused(conf, journal):
            text = "a poll would be refused: this is not the journal of this staging directory or server; see doctor"
            print(f"ftpretrieve: {text}", file=sys.stderr)
        remote = held.enter_context(_session(conf, log))
        journal.begin_poll(os.fsencode(conf.ftp_remote_directory))
        plan, _ = Gate(make_rules(conf), remote, time.time()).plan(journal)
        _tell_suspect(remote.listing, journal.last_listed())
    for candidate in (*plan.fetch, *plan.doubtful):
        print(_shown(candidate, as_json), file=out)
    for candidate in plan.settle:
        plan.skip("arrived-already", candidate.file.name)
    for reason, count in sorted(plan.skipped.items()):
        examples = [os.fsdecode(name) for name in plan.examples[reason]]
        if as_json:
            line = json.dumps({"action": "skip", "reason": reason, "count": count, "examples": examples})
        else:
            more = ", …" if count > len(examples) else ""
            line = f"skip {count} {reason}: {', '.join(map(escape, examples))}{more}"
        print(line, file=out)
    return 0


def mark_seen(
    conf: AppConf, *, glob: str | None, as_json: bool, new_journal: bool, accept_host: bool, out: TextIO
) -> int:
    """Journal what is listed now as known without fetching it, say how many, and return 1 if the listing was cut.

    Raises: as `once`, and as `preview`.
    """
    count = 0
    matches = name_matcher((glob or "*",), (), conf.ftp_encoding)
    with ExitStack() as held:
        held.enter_context(FileLock(lock_path(conf)))
        log = held.enter_context(open_logger(conf, None, debug=False, on_stderr=logging.WARNING))
        mailbox = open_mailbox(conf, log, Event(), new_journal=new_journal, accept_host=accept_host)
        held.callback(mailbox.journal.close)
        remote = held.enter_context(_session(conf, log))
        all_marked = True
        for plan in _decided(conf, mailbox.journal, remote):
            marked = [item for item in (*plan.fetch, *plan.doubtful, *plan.settle) if matches(item.file.name)]
            count += mailbox.journal.mark_seen(marked, time.time())
            all_marked &= not plan.unsettled and all(matches(item.file.name) for item in plan.doubtful)
        suspect = remote.listing.suspect
        if suspicion(remote.listing, 0) is None and all_marked:
            mailbox.journal.note_complete(time.time())
    print(json.dumps({"marked": count}) if as_json else f"marked {count} as seen", file=out)
    if suspect is not None:
        text = "what is not listed is not marked; see doctor, and run it again when the listing is whole"
        print(f"ftpretrieve: the listing is {suspect}: {text}", file=sys.stderr)
    return 0 if suspect is None else 1


def _tell_suspect(listing: Listing, before: int) -> None:
    """Say what a listing leaves open, where nobody would see it: of what is not listed there is no line."""
    suspect = suspicion(listing, before)
    if suspect == "unreadable":
        lines = record("lines", unreadable=listing.unreadable, example=next(iter(listing.examples), None))
        print(f"ftpretrieve: the listing has {lines}; see doctor", file=sys.stderr)
    elif suspect is not None:
        print(f"ftpretrieve: the listing is {suspect}: files may be missing from it; see doctor", file=sys.stderr)


def _decided(conf: AppConf, journal: Journal, remote: FtpRemote) -> Iterator[Plan]:
    """Yield what is decided about each chunk of the listing; with infinite time nothing is backing off any more."""
    rules = make_rules(conf)
    wanted: Callable[[bytes], bool] = rules.matcher()
    journal.begin_poll(os.fsencode(conf.ftp_remote_directory))
    for chunk in Gate(rules, remote, math.inf).entries(Plan()):
        plan = Plan()
        decide(chunk, journal.known([file.name for file in chunk]), plan, wanted, math.inf)
        yield plan


@contextmanager
def _session(conf: AppConf, log: logging.Logger) -> Iterator[FtpRemote]:
    """Open a session under the watchdog. Raises: LoginRefused when there is no password."""
    deadline = Deadline(conf.ftp_duration_secs)
    remote = Sessions(log).open(conf, deadline)
    with Watchdog(log).watch(remote, deadline, Event()):
        try:
            yield remote
        finally:
            remote.close()


@contextmanager
def _journal_to_read(conf: AppConf) -> Iterator[Journal]:
    """Open the journal for reading, or an empty one elsewhere when there is none yet. Raises: JournalError."""
    if conf.journal_file_name.exists():
        with closing(Journal(conf.journal_file_name, conf.journal_table_name, readonly=True)) as journal:
            yield journal
        return
    with tempfile.TemporaryDirectory() as directory, closing(Journal(Path(directory, "empty.db"))) as journal:
        yield journal


def _shown(candidate: Candidate, as_json: bool) -> str:
    file = candidate.file
    name = os.fsdecode(file.name)
    mtime = None if file.mtime is None else file.mtime.strftime("%Y-%m-%dT%H:%M:%SZ")
    if as_json:
        return json.dumps({"action": "fetch", "name": name, "size": file.size, "mtime": mtime})
    size = "unknown size" if file.size is None else f"{file.size} bytes"
    return f"fetch {escape(name)} ({size}, {mtime or 'unknown time'})"
