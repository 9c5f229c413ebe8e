"""What `doctor` asks the server: may we in, how often at a time, what does a listing look like, how good are its times.

Two sessions within one time limit, watched like those of the daemon: one that only logs in, one that lists and asks
about one file. Nothing is fetched and nothing is written at the server. Must not: know the journal or local
directories, or show the password.
"""

import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import (
    CommandFailed,
    ConfigError,
    LoginRefused,
    RemoteRefused,
    RemoteUnavailable,
    SessionExpired,
)
from ftpretrieve.logs import record
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.decide import OLD_STAMP_SECS, unsafe_reason
from ftpretrieve.retrieve.doctor_commands import check_commands
from ftpretrieve.retrieve.findings import Finding, fail, ok, warn
from ftpretrieve.retrieve.ftp import FtpRemote
from ftpretrieve.retrieve.ftp_control import Account, Control
from ftpretrieve.retrieve.ftp_limits import Crowded
from ftpretrieve.retrieve.ftp_sockets import Sockets
from ftpretrieve.retrieve.ftp_tls import Facts
from ftpretrieve.retrieve.mailbox import make_rules
from ftpretrieve.retrieve.records import MINUTE, Clock, Kind, RemoteFile
from ftpretrieve.retrieve.session import make_account, make_network
from ftpretrieve.retrieve.watchdog import Watchdog
from ftpretrieve.units import format_duration

RENEW_DAYS = 14
"""Days before a certificate expires that somebody should know."""

FIX_IS_TOLD = re.compile(r"\b(set|check) ftp_")
"""In the words of an error: it says itself what to do."""

VERIFY = "set ftp_tls_verify = yes, and ftp_ca_file to a certificate of the partner's own"

TRUNCATED = "have the server's limit raised (pure-ftpd: LimitRecursion), or the files spread over several directories"
BELOW = "see DIRECTORYFAILED of `ftpretrieve once -n`, and have it allowed; or recursive = no"
UNREADABLE = "a banner does no harm, but a file in such a line is never fetched: ask the server's operator for MLSD"

SIZELESS = "that such a file came whole is known from the server's 226 alone; ask its operator for SIZE or MLSD"

QUARTER_SECS = 900
"""Time zones differ from UTC by multiples of a quarter of an hour."""


def check_server(conf: AppConf, password: str) -> Iterator[Finding]:
    """Log in, list, and tell what was found; the first thing the server refuses is the last finding."""
    deadline = Deadline(conf.ftp_duration_secs)
    try:
        secret = conf.ftp_client_key_passphrase
        account = make_account(conf, password, secret.reveal(deadline.remaining()) if secret is not None else "")
    except (LoginRefused, ConfigError, CommandFailed) as error:
        yield fail("tls", str(error))
        return
    stage, fix = "login", "check ftp_user and ftp_password"
    try:
        yield from _logins(conf, account, deadline)
        stage, fix = "listing", "check ftp_remote_directory, and what this user may do at the server"
        yield from _listing(conf, account, deadline)
    except (RemoteRefused, RemoteUnavailable) as error:
        yield fail(stage, str(error), _fix(stage, error, fix))
    except SessionExpired as error:
        limit = format_duration(conf.ftp_duration_secs)
        yield fail(stage, f"{account}: not done within ftp_duration_secs = {limit} ({error})", "raise it, if it is low")


def _fix(stage: str, error: RemoteRefused | RemoteUnavailable, refused: str) -> str:
    """Return what to do about an error that ended a stage, '' when it says so itself."""
    if FIX_IS_TOLD.search(str(error)):
        return ""
    if isinstance(error, Crowded):
        return "try again when others have left (a running daemon is one of them), or have the server allow more"
    if isinstance(error, RemoteRefused):
        return refused if stage == "listing" or isinstance(error, LoginRefused) else ""
    if stage == "listing":
        return "the login worked: check the firewalls between, ftp_passive, and the server's log"
    return "check ftp_host, ftp_port, the network and the server"


def _silent() -> logging.Logger:
    """Return a logger of nobody's: what the session would log is in the findings."""
    log = logging.getLogger("ftpretrieve.doctor")
    log.handlers, log.propagate = [logging.NullHandler()], False
    return log


def _logins(conf: AppConf, account: Account, deadline: Deadline) -> Iterator[Finding]:
    sockets, controls = Sockets(deadline), list[Control]()
    with Watchdog(_silent()).watch(sockets, deadline, threading.Event()):
        try:
            first = _log_in(account, sockets, controls)
            greeting = first.masked((first.welcome or "").partition("\n")[0])
            yield ok("login", f"{account.user} is in at {account} ({greeting})")
            if first.tls is not None:
                yield _tls(first.tls.facts(), verified=conf.ftp_tls_verify)
            yield from check_commands(conf, first)
            yield _further_connections(conf.ftp_connections, account, sockets, controls)
        finally:
            for control in controls:
                control.shut(polite=not sockets.aborted.is_set())


def _tls(facts: Facts, *, verified: bool) -> Finding:
    days = facts.days_left
    until = "" if days is None else f", {days} days left" if days >= 0 else ", expired"
    told = f"{facts.version}, {facts.cipher}; certificate of {facts.subject}, issued by {facts.issuer}{until}"
    if not verified:
        return warn("tls", f"{told}; not verified", f"anybody on the way may read and change all; {VERIFY}")
    if days is not None and days < RENEW_DAYS:
        return warn("tls", told, "have the certificate renewed")
    return ok("tls", told)


def _log_in(account: Account, sockets: Sockets, controls: list[Control]) -> Control:
    control = Control(account, sockets)
    controls.append(control)
    control.open()
    return control


def _further_connections(wanted: int, account: Account, sockets: Sockets, controls: list[Control]) -> Finding:
    for count in range(1, wanted):
        try:
            _log_in(account, sockets, controls)
        except (RemoteRefused, RemoteUnavailable) as error:
            return warn(
                "connections",
                f"{count} of ftp_connections = {wanted} at a time, then: {error}",
                f"set ftp_connections = {count}, or have the server allow more (a running daemon has some already)",
            )
    return ok("connections", f"{wanted} at a time, as ftp_connections says")


class _Tally:
    """What is counted of a listing; nothing is kept that grows with it."""

    def __init__(self, conf: AppConf) -> None:
        self._is_wanted = make_rules(conf).matcher()
        self.files = self.links = self.wanted = self.unsafe = self.timeless = self.sizeless = 0
        self.newest: RemoteFile | None = None
        self.undated: RemoteFile | None = None

    def add(self, chunk: Sequence[RemoteFile]) -> None:
        for file in chunk:
            self.links += file.kind is Kind.LINK
            if file.kind is not Kind.FILE:
                continue
            self.files += 1
            if unsafe_reason(file.name):
                self.unsafe += 1
                continue
            self.wanted += self._is_wanted(file.name)
            self.sizeless += file.size is None
            if file.stamp is None:
                self.timeless += 1
                self.undated = self.undated or file
            elif self.newest is None or file.stamp > (self.newest.stamp or 0):
                self.newest = file


def _listing(conf: AppConf, account: Account, deadline: Deadline) -> Iterator[Finding]:
    log, tally = _silent(), _Tally(conf)
    directory, network = os.fsencode(conf.ftp_remote_directory), make_network(conf)
    remote = FtpRemote(account, directory, deadline, log, recursive=conf.recursive, network=network)
    with Watchdog(log).watch(remote, deadline, threading.Event()):
        try:
            for chunk in remote.list():
                tally.add(chunk)
            yield from _what_was_listed(remote, tally)
            yield from _times(remote, tally)
            if remote.tls is not None:
                yield _session(remote.tls.facts())
        finally:
            remote.close()


def _session(facts: Facts) -> Finding:
    if facts.reused:
        return ok("tls", "data connections go on with the session of their control connection")
    fix = "nothing is lost; more round trips a file, and nothing ties the two connections together"
    return warn("tls", "data connections begin a session of their own", fix)


def _what_was_listed(remote: FtpRemote, tally: _Tally) -> Iterator[Finding]:
    listing = remote.listing
    told = f"{remote.listed_by} shows {listing.listed} entries, {tally.files} files, {tally.wanted} of them wanted"
    told += f", and {tally.links} symbolic links" if tally.links else ""
    if listing.unreadable and not listing.listed:
        told = record("no line can be read:", unreadable=listing.unreadable, example=next(iter(listing.examples), None))
        yield fail("listing", told, "have the server list by MLSD, or as ls -l does (IIS: UNIX listing style)")
        return
    if tally.files and not tally.wanted:
        yield warn("listing", told, "check include and exclude")
    else:
        yield ok("listing", told)
    if listing.suspect == "unreadable":
        yield warn("listing", "a directory below could not be listed: its files are missing from it", BELOW)
    elif listing.suspect is not None:
        yield warn("listing", f"it is {listing.suspect}: files are missing from it", TRUNCATED)
    if listing.unreadable:
        lines = record("lines", unreadable=listing.unreadable, example=next(iter(listing.examples), None))
        yield warn("listing", lines, UNREADABLE)
    if tally.unsafe:
        yield warn("names", f"{tally.unsafe} cannot be a file name here and are skipped", "rename them at the server")


def _times(remote: FtpRemote, tally: _Tally) -> Iterator[Finding]:
    """Tell how precise sizes and times are, and how the server's clock and ours go together."""
    newest, by_list = tally.newest, remote.listed_by == "LIST"
    exact, undated = _asked(remote, newest if by_list else None), _asked(remote, tally.undated)
    if tally.timeless:
        yield warn("stamps", f"{tally.timeless} files without a readable time", _cost_without_time(undated))
    if tally.sizeless and all(told is None or told.size is None for told in (exact, undated)):
        yield warn("sizes", f"{tally.sizeless} files without a size, and no SIZE", SIZELESS)
    if newest is None and tally.undated is not None:
        return
    if newest is None:
        yield ok("stamps", "there is no file to ask about")
    elif not by_list:
        yield ok("stamps", f"UTC to {_precision(newest)}, by MLSD and MLST")
    elif exact is not None and exact.stamp is not None:
        yield ok("stamps", f"LIST to {_precision(newest)}, UTC to the second by SIZE and MDTM")
    else:
        yield warn(
            "stamps",
            f"LIST to {_precision(newest)} in the server's local time, and no SIZE and MDTM",
            "new files are downloaded twice to be sure, and some once more to compare when the server's clock changes "
            "to or from summer time; ask its operator for MLSD",
        )
    if newest is not None:
        yield from _clock(newest, exact)


def _asked(remote: FtpRemote, file: RemoteFile | None) -> RemoteFile | None:
    """Return what SIZE and MDTM say of a file, None when they say nothing, or there is no file."""
    answers = remote.ask([file]) if file is not None else None
    return None if answers is None or file is None else answers.get(file.name)


def _cost_without_time(asked: RemoteFile | None) -> str:
    known = "each is asked for once by MDTM, and then" if asked is not None and asked.stamp is not None else "each"
    return f"{known} counts as new only when its name or size is: have rewritten files renamed, or ask for MLSD"


def _precision(file: RemoteFile) -> str:
    return {1: "the second", MINUTE: "the minute"}.get(file.precision, "the day")


def _clock(listed: RemoteFile, exact: RemoteFile | None) -> Iterator[Finding]:
    seen = exact if exact is not None and exact.stamp is not None else listed
    assert seen.stamp is not None  # only files with a time become the newest
    ahead = seen.stamp - time.time() - (OLD_STAMP_SECS if seen.clock is Clock.LOCAL else 0)
    if ahead > 1:
        yield warn(
            "server clock",
            f"the newest file is dated {format_duration(float(round(ahead)))} in the future",
            "compare the server's clock and this one's; nothing is lost",
        )
    else:
        yield ok("server clock", "no file is dated in the future")
    if seen is not listed and listed.precision == MINUTE and listed.stamp is not None:
        offset = round((listed.stamp - seen.stamp) / QUARTER_SECS) * QUARTER_SECS
        sign, minutes = "-" if offset < 0 else "+", abs(offset) // 60
        yield ok("server clock", f"LIST prints times of UTC{sign}{minutes // 60:02}:{minutes % 60:02}")
