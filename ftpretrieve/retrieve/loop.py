"""The loop of the daemon: poll, wait, poll again, until told to stop. Nothing that a server or a disk does ends it.

A round begins every `sleep_in_seconds`, counted from the start of the one before, except that
    a session which ended by its limit, delivered something and left work is followed by the next at once;
    a refused login is not repeated before a back-off that doubles, so that no account is locked by us;
    USR1 begins one now.
What the loop is doing is published as a `Pulse`: the heartbeat and systemd's watchdog ask for it from their threads.
Must not: hold locks, files or ports (`service` does), or know what a poll does.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

from ftpretrieve.errors import ConfigError, JournalError, LoginRefused, RemoteUnavailable
from ftpretrieve.logs import record
from ftpretrieve.retrieve.appconf import KEYS, AppConf, changed_needing_restart
from ftpretrieve.retrieve.mailbox import Mailbox, make_rules, make_staging
from ftpretrieve.retrieve.notify import Notifier
from ftpretrieve.retrieve.orders import Orders
from ftpretrieve.retrieve.records import Outcome, PollResult
from ftpretrieve.retrieve.session import Sessions
from ftpretrieve.retrieve.watchdog import Heartbeat, Pulse

BACK_OFF_FIRST_SECS, BACK_OFF_MAX_SECS = 60.0, 3600.0
"""After the first refused login, and at most; each further one doubles it. Many sites lock an account after a few."""

OVERDUE_SECS = 120.0
"""A loop that should have gone on this long ago hangs: a session ends 2 s after its limit, a batch takes seconds."""


class Loop:
    """The polls of one mailbox."""

    def __init__(
        self,
        conf: AppConf,
        mailbox: Mailbox,
        sessions: Sessions,
        orders: Orders,
        load: Callable[[], AppConf],
        notifier: Notifier,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the parts. `load` reads the configuration again; `monotonic` gives seconds for all intervals."""
        self._conf, self._mailbox, self._sessions, self._orders = conf, mailbox, sessions, orders
        self._load, self._notifier, self._monotonic = load, notifier, monotonic
        self._log: logging.Logger = mailbox.log
        self._refusals = 0
        self._state = "starting"
        self._began: float | None = None
        self._due = monotonic()
        self._counts = mailbox.journal.counts()
        self._heartbeat = self._make_heartbeat()

    def run(self) -> None:
        """Poll until ordered to stop. Raises: JournalError, when nothing may be delivered any more."""
        self._heartbeat.start()
        try:
            with self._notifier.alive_while(lambda: not self.pulse().overdue):
                while not self._orders.stop.is_set():
                    began = self._monotonic()
                    self._rest(began, self._round(began))
        finally:
            self._heartbeat.close()

    def pulse(self) -> Pulse:
        """Return what the loop is doing; from any thread."""
        began, now = self._began, self._monotonic()
        return Pulse(
            state="stopping" if self._orders.stop.is_set() else self._state,
            poll_age_secs=None if began is None else now - began,
            staged=self._counts.get("staged", 0),
            failed=self._counts.get("failed", 0),
            overdue=now > self._due + OVERDUE_SECS,
        )

    def _round(self, began: float) -> float:
        """Poll once and return how many seconds after its beginning the next round begins."""
        self._state, self._began, self._due = "polling", began, began + self._conf.ftp_duration_secs
        try:
            result = self._sessions.poll(self._conf, self._mailbox)
            self._counts = self._mailbox.journal.counts()
        except JournalError:
            raise
        except Exception:  # noqa: BLE001  the one place: whatever it was, the files that come next must not wait for it
            self._log.exception("a poll ended by a fault of this program; the next one tries again")
            return self._conf.sleep_in_seconds
        return self.next_secs(result)

    def next_secs(self, result: PollResult) -> float:
        """Return how many seconds after the beginning of this poll the next one begins."""
        sleep_secs = self._conf.sleep_in_seconds
        if isinstance(result.error, LoginRefused):
            back_off_secs = min(BACK_OFF_FIRST_SECS * 2.0 ** min(self._refusals, 20), BACK_OFF_MAX_SECS)
            self._refusals += 1
            wait_secs = max(sleep_secs, back_off_secs)
            self._log.warning(record("LOGINREFUSED", attempts=self._refusals, wait_secs=wait_secs))
            return wait_secs
        if not isinstance(result.error, RemoteUnavailable):  # which tells nothing about the account
            self._refusals = 0
        if result.result is Outcome.TIMEOUT and result.delivered and result.left:
            return 0.0
        return sleep_secs

    def _rest(self, began: float, secs: float) -> None:
        """Wait until so many seconds after `began`, and carry out the orders that come meanwhile."""
        self._state, self._due = "backing-off" if self._refusals else "waiting", began + secs
        while not self._orders.stop.is_set():
            if self._orders.take_reload() and self._reload():
                self._refusals = 0
                self._state, self._due = "waiting", began + self._conf.sleep_in_seconds
            left = self._due - self._monotonic()
            if self._orders.take_poll() or left <= 0:
                return
            self._orders.wait(left)

    # -- the configuration, read again --------------------------------------------------------------------------

    def _reload(self) -> bool:
        """Take over what changed in the configuration, and say whether it could be used."""
        self._notifier.reloading()
        try:
            written = self._load()
        except ConfigError as error:
            for problem in error.problems:
                self._log.error(record("RELOADREFUSED", problem=problem))
            return False
        finally:
            self._notifier.ready()
        waiting = changed_needing_restart(self._conf, written)
        conf = written.as_far_as_running(self._conf)
        changed = [key.name for key in KEYS if getattr(conf, key.name) != getattr(self._conf, key.name)]
        self._conf = conf
        self._mailbox = Mailbox(
            self._mailbox.journal,
            make_staging(conf),
            os.fsencode(conf.ftp_remote_directory),
            make_rules(conf),
            self._log,
            self._orders.stop,
        )
        self._heartbeat.close()
        self._heartbeat = self._make_heartbeat()
        self._heartbeat.start()
        self._log.info(record("RELOADED", changed=",".join(changed) or None, restart_needed=",".join(waiting) or None))
        return True

    def _make_heartbeat(self) -> Heartbeat:
        return Heartbeat(self._log, self._conf.inter_heartbeat_secs, self.pulse, threading.Event())
