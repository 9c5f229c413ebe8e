"""What one configuration's polls share and keep between them: journal, staging, publisher, rules, clocks.

Several mailboxes may live in one process; nothing of one is global. Must not: open a session or begin a poll.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ftpretrieve.retrieve.decide import name_matcher
from ftpretrieve.retrieve.journal import Journal
from ftpretrieve.retrieve.publisher import Publisher
from ftpretrieve.retrieve.staging import Staging


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says about which files are wanted and when they are finished."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    encoding: str = "utf-8"
    settle_secs: float = 5.0
    xml_encoding: str = ""
    encoding_check: tuple[str, ...] = ("*.xml", "*.txt", "*.csv")
    reject_bad_encoding: bool = False
    keep_conflicts: bool = False
    keep_days: float = 90.0

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
