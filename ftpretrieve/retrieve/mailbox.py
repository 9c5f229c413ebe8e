"""What one configuration's polls share and keep between them: journal, staging, publisher, rules, clocks.

Several mailboxes may live in one process; nothing of one is global. Must not: open a session or begin a poll.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ftpretrieve.errors import ConfigError
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.decide import name_matcher
from ftpretrieve.retrieve.journal import Journal
from ftpretrieve.retrieve.publisher import Publisher
from ftpretrieve.retrieve.staging import Staging, check_owner


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says about which files are wanted and when they are finished."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    encoding: str = "utf-8"
    settle_secs: float = 5.0
    settle_polls: bool = False
    min_age_secs: float = 0.0
    done_suffix: str = ""
    follow_links: bool = True
    verify_hash: bool = False
    xml_encoding: str = ""
    encoding_check: tuple[str, ...] = ("*.xml", "*.txt", "*.csv")
    reject_bad_encoding: bool = False
    keep_conflicts: bool = False
    keep_days: float = 90.0

    @property
    def look_gap_secs(self) -> float:
        """Return how far apart the two looks of one poll must be: with `settle = polls` the gap is between polls."""
        return 0.0 if self.settle_polls else self.settle_secs

    def matcher(self) -> Callable[[bytes], bool]:
        """Return the question "is this name wanted?"."""
        return name_matcher(self.include, self.exclude, self.encoding)


@dataclass(slots=True)
class Mailbox:
    """One remote directory with its journal and its two local directories. For one thread, but for `stop`."""

    journal: Journal
    staging: Staging
    directory: bytes
    rules: Rules
    log: logging.Logger
    stop: threading.Event = field(default_factory=threading.Event)
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    publisher: Publisher = field(init=False)

    def __post_init__(self) -> None:
        self.publisher = Publisher(
            self.journal,
            self.staging,
            self.log,
            keep_conflicts=self.rules.keep_conflicts,
            now=self.now,
            monotonic=self.monotonic,
        )


def make_rules(conf: AppConf) -> Rules:
    """Return what a configuration says about files."""
    return Rules(
        include=conf.include,
        exclude=conf.exclude,
        encoding=conf.ftp_encoding,
        settle_secs=conf.settle_secs,
        settle_polls=conf.settle == "polls",
        min_age_secs=conf.min_age_secs,
        done_suffix=conf.done_suffix,
        follow_links=conf.follow_links,
        verify_hash=conf.ftp_verify_hash,
        xml_encoding=conf.xml_encoding,
        encoding_check=conf.encoding_check,
        reject_bad_encoding=conf.on_bad_encoding == "reject",
        keep_conflicts=conf.on_conflict == "keep",
        keep_days=conf.journal_keep_days,
    )


def make_staging(conf: AppConf) -> Staging:
    """Return the staging of a configuration; nothing is touched yet."""
    return Staging(
        os.fsencode(conf.ftp_local_directory),
        os.fsencode(conf.sync_directory),
        publish=os.fsencode(conf.publish_directory),
        file_mode=conf.file_mode,
        keep_mtime=conf.keep_mtime,
        min_free_bytes=conf.min_free_bytes,
    )


def lock_path(conf: AppConf) -> str:
    """Return the file whose lock makes its holder the one poller of this journal."""
    return f"{conf.journal_file_name}.{conf.journal_table_name}.lock"


def would_be_refused(conf: AppConf, journal: Journal) -> bool:
    """Say whether `open_mailbox` refuses this journal; not where this user may not look into the staging."""
    owner = None
    with suppress(OSError):
        owner = make_staging(conf).owner()
    account, present = journal.meta("account"), f"{conf.ftp_user}@{conf.ftp_host}:{conf.ftp_port}"
    return owner not in (None, journal.journal_id) or account not in (None, present)


def open_mailbox(
    conf: AppConf,
    log: logging.Logger,
    stop: threading.Event,
    *,
    new_journal: bool = False,
    accept_host: bool = False,
) -> Mailbox:
    """Open journal and staging of a configuration and make sure that they belong together.

    The caller holds the lock on `lock_path`. Raises: ConfigError for a journal of another staging or another server
    (unless allowed for this once), StorageError for the directories, JournalError for the journal.
    """
    staging = make_staging(conf)
    staging.prepare()
    if staging.owner() is not None and not conf.journal_file_name.exists() and not new_journal:
        raise ConfigError(
            f"the journal {conf.journal_file_name} is missing, but the staging directory {conf.ftp_local_directory} "
            "has one: without it every file would be delivered again. Put it back (or mend journal_file_name), "
            "or start once with --new-journal if that is what you want"
        )
    journal = Journal(conf.journal_file_name, conf.journal_table_name)
    try:
        check_owner(staging, journal.journal_id, new_journal=new_journal)
        journal.bind(conf.ftp_host, conf.ftp_port, conf.ftp_user, accept_host=accept_host)
    except BaseException:
        journal.close()
        raise
    directory = os.fsencode(conf.ftp_remote_directory)
    return Mailbox(journal, staging, directory, make_rules(conf), log, stop)
