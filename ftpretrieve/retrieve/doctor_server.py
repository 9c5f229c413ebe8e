"""What `doctor` asks the server: may we in, how often at a time, what does a listing look like, how good are its times.

Two sessions within one time limit, watched like those of the daemon: one that only logs in, one that lists and asks
about one file. Nothing is fetched and nothing is written at the server. Must not: know the journal or local
directories, or show the password.
"""

import logging
import os
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
from ftpretrieve.retrieve.ftp_sockets import Sockets
from ftpretrieve.retrieve.ftp_tls import Facts
from ftpretrieve.retrieve.mailbox import make_rules
from ftpretrieve.retrieve.records import MINUTE, Clock, Kind, RemoteFile
from ftpretrieve.retrieve.session import make_account, make_network
from ftpretrieve.retrieve.watchdog import Watchdog
from ftpretrieve.units import format_duration

RENEW_DAYS = 14
"""Days before a certificate expires that somebody should know."""

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
    except RemoteRefused as error:
        yield fail(stage, str(error), fix if stage == "listing" or isinstance(error, LoginRefused) else "")
    except RemoteUnavailable as error:
        yield fail(stage, str(error), "check ftp_host, ftp_port, the network and the server")
    except SessionExpired as error:
        limit = format_duration(conf.ftp_duration_secs)
        yield fail(stage, f"{account}: not done within ftp_duration_secs = {limit} ({error})", "raise it, if it is low")


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
    until = "" if days is None else f", {days} days left"
    told = f"{facts.version}, {facts.cipher}; certificate of {facts.subject}, issued by {facts.issuer}{until}"
    if not verified:
        return warn("tls", f"{told}; not verified", "anybody on the way may read and change all; ftp_tls_verify = yes")
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
        self.files = self.wanted = self.unsafe = self.timeless = self.sizeless = 0
        self.newest: RemoteFile | None = None
        self.command = "the listing"

    def add(self, chunk: Sequence[RemoteFile]) -> None:
        for file in chunk:
            self.command = "MLSD" if file.clock is Clock.UTC else "LIST"
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
    told = f"{tally.command} shows {listing.listed} entries, {tally.files} files, {tally.wanted} of them wanted"
    if tally.files and not tally.wanted:
        yield warn("listing", told, "check include and exclude")
    else:
        yield ok("listing", told)
    if listing.suspect is not None:
        yield warn("listing", f"it is {listing.suspect}: files are missing from it", "raise the server's limit")
    if listing.unreadable:
        lines = record("lines", unreadable=listing.unreadable, example=next(iter(listing.examples), None))
        yield warn("listing", lines, "these are not fetched; ask the server's operator for MLSD")
    if tally.unsafe:
        yield warn("names", f"{tally.unsafe} cannot be a file name here and are skipped", "rename them at the server")


def _times(remote: FtpRemote, tally: _Tally) -> Iterator[Finding]:
    """Tell how precise sizes and times are, and how the server's clock and ours go together."""
    newest, by_list = tally.newest, tally.command == "LIST"
    asked = remote.ask([newest]) if newest is not None and by_list else None
    exact = asked.get(newest.name) if asked is not None and newest is not None else None
    if tally.timeless or tally.sizeless:
        yield warn(
            "stamps",
            f"{tally.timeless} files without a readable time, {tally.sizeless} without a size",
            "what is missing cannot show a rewrite; ask the server's operator for MLSD",
        )
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
