"""One session: what the daemon, `once` and its variants share between a configuration and a poll.

A session is a password asked for, a limit in time, a connection, a watchdog over it, and the records that tell how it
went. Must not: decide when the next one is, or end the program.
"""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import (
    CommandFailed,
    ConfigError,
    LoginRefused,
    RemoteRefused,
    RemoteUnavailable,
    SessionExpired,
)
from ftpretrieve.logs import Redactor, Repeats, open_log, record, stderr_log
from ftpretrieve.passwords import Secret
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.ftp import FtpRemote
from ftpretrieve.retrieve.ftp_control import Account
from ftpretrieve.retrieve.ftp_data import Network
from ftpretrieve.retrieve.ftp_tls import make_context
from ftpretrieve.retrieve.mailbox import Mailbox
from ftpretrieve.retrieve.poller import Poller
from ftpretrieve.retrieve.progress import Progress
from ftpretrieve.retrieve.records import Outcome, PollResult
from ftpretrieve.retrieve.watchdog import Watchdog


@contextmanager
def open_logger(
    conf: AppConf,
    log_file: str | None,
    *,
    debug: bool,
    on_stderr: int | None,
    progress: Progress | None = None,
    secrets: Iterable[str] = (),
) -> Iterator[logging.Logger]:
    """Open the log of one mailbox: a rotating file, stderr from a level on, or both. Nothing of it is global.

    Raises: StorageError when the file cannot be opened.
    """
    level = logging.DEBUG if debug else logging.INFO
    log = logging.Logger("ftpretrieve", level)  # noqa: LOG001  getLogger would share it with other mailboxes
    log.addFilter(Redactor(secrets))
    if not debug:
        log.addFilter(Repeats())
    if log_file:
        log.addHandler(open_log(log_file, conf.log_when, conf.log_keep, debug))
    if on_stderr is not None:
        shown = stderr_log(debug)
        shown.setLevel(on_stderr)
        if progress is not None and isinstance(shown, logging.StreamHandler):
            shown.setStream(progress)
        log.addHandler(shown)
    try:
        yield log
    finally:
        for handler in log.handlers:
            handler.close()


class Sessions:
    """Holds the sessions of one mailbox, one after another."""

    def __init__(self, log: logging.Logger, progress: Progress | None = None) -> None:
        self.log, self._progress = log, progress
        self._watchdog = Watchdog(log)
        self._masked: set[str] = set()

    def poll(self, conf: AppConf, mailbox: Mailbox) -> PollResult:
        """Poll once and write the records of it. Raises: JournalError."""
        deadline = Deadline(conf.ftp_duration_secs)
        try:
            remote = self.open(conf, deadline)
        except LoginRefused as error:
            result = PollResult(error=error)
        else:
            with self._watchdog.watch(remote, deadline, mailbox.stop):
                result = Poller(mailbox, remote, deadline).poll()
        if self._progress is not None:
            self._progress.clear()
        self._tell(result, conf, stopped=mailbox.stop.is_set())
        return result

    def open(self, conf: AppConf, deadline: Deadline) -> FtpRemote:
        """Return a session that is not connected yet.

        Raises: LoginRefused when there is no password to be had, or no certificate; they may be back later.
        """
        try:
            password = self._reveal(conf.ftp_password, conf, deadline)
            passphrase = self._reveal(conf.ftp_client_key_passphrase, conf, deadline)
        except (ConfigError, CommandFailed) as error:
            raise LoginRefused(f"there is no password to log in with: {error}") from error
        account = make_account(conf, password, passphrase)
        if account.tls is not None and not conf.ftp_tls_verify:
            self.log.warning(record("TLSUNVERIFIED", host=conf.ftp_host))
        return FtpRemote(
            account,
            conf.ftp_remote_directory.encode("utf-8", "surrogateescape"),
            deadline,
            self.log,
            connections=conf.ftp_connections,
            recursive=conf.recursive,
            progress=self._progress,
            network=make_network(conf),
        )

    def _reveal(self, secret: Secret | None, conf: AppConf, deadline: Deadline) -> str:
        text = "" if secret is None else secret.reveal(deadline.at_most(conf.ftp_duration_secs))
        if text and text not in self._masked:  # it may change at any time, and the old one stays a secret
            self._masked.add(text)
            self.log.addFilter(Redactor([text]))
        return text

    def _tell(self, result: PollResult, conf: AppConf, *, stopped: bool) -> None:
        result.result = outcome(result, stopped=stopped)
        reason = None if result.error is None else str(result.error)
        if result.result is Outcome.TIMEOUT:
            self.log.warning(record("SESSIONTIMEOUT", limit_secs=conf.ftp_duration_secs, stage=reason))
            reason = f"session limit reached: {reason}"
        elif isinstance(result.error, SessionExpired):
            reason = "stopping"
        self.log.log(
            logging.INFO if reason in (None, "stopping") else logging.WARNING,
            record("POLL", **figures(result), reason=reason),
        )


def make_network(conf: AppConf) -> Network:
    """Return how data connections are to be made."""
    return Network(
        passive=conf.ftp_passive,
        trust_pasv=conf.ftp_pasv_address == "server",
        ports=conf.ftp_active_ports,
        address=conf.ftp_active_address,
        rate_bytes=conf.ftp_rate_limit,
    )


def make_account(conf: AppConf, password: str, passphrase: str) -> Account:
    """Return where and how to log in. Raises: LoginRefused when the files for TLS cannot be used."""
    account = Account(conf.ftp_host, conf.ftp_port, conf.ftp_user, password, conf.ftp_timeout_secs)
    if conf.ftp_protocol == "ftp":
        return account
    try:
        context = make_context(
            verify=conf.ftp_tls_verify,
            ca_file=conf.ftp_ca_file,
            client_cert=conf.ftp_client_cert,
            client_key=conf.ftp_client_key,
            passphrase=passphrase,
        )
    except ConfigError as error:
        raise LoginRefused(f"TLS cannot begin: {error}") from error
    return replace(account, tls=context, implicit=conf.ftp_protocol == "ftps-implicit")


def outcome(result: PollResult, *, stopped: bool) -> Outcome:
    """Return how a poll ended, in one word. `stopped`: the program is to end, which ends sessions as well."""
    match result.error:
        case None:
            unfinished = result.failed or result.left > result.waiting or result.cut
            return Outcome.PARTIAL if unfinished else Outcome.OK
        case SessionExpired():
            return Outcome.PARTIAL if stopped else Outcome.TIMEOUT
        case RemoteUnavailable():
            return Outcome.UNREACHABLE
        case RemoteRefused():
            return Outcome.REFUSED
        case _:
            return Outcome.PARTIAL


def figures(result: PollResult) -> dict[str, int | float | str]:
    """Return what a POLL record tells, in its order."""
    names = ("listed", "fetched", "delivered", "replaced", "changing", "failed", "skipped", "left", "bytes")
    return {
        **{name: getattr(result, name) for name in names},
        "secs": round(result.secs, 3),
        "result": str(result.result),
    }


def stderr_level(*, quiet: bool, debug: bool) -> int:
    """Return from which level on records are shown on stderr."""
    return logging.WARNING if quiet else logging.DEBUG if debug else logging.INFO


def open_progress() -> Progress | None:
    """Return what draws long transfers, where somebody may be watching."""
    return Progress(sys.stderr) if sys.stderr is not None and sys.stderr.isatty() else None
