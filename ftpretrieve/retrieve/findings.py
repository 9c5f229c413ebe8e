"""What a check of `doctor` answers: a finding, and how it is written for people and for programs.

Must not: check anything.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from ftpretrieve.logs import escape


class Level(StrEnum):
    """How bad it is. The spelling is the interface: FAIL stands out and is what monitoring greps for."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `fix` says what to do about it; empty when there is nothing to do."""

    level: Level
    what: str
    detail: str
    fix: str = ""

    def as_text(self) -> str:
        """Return the line for people: `FAIL  port: 127.0.0.1:7777 is taken -- choose another server_port`."""
        fix = f" -- {self.fix}" if self.fix else ""
        return escape(f"{self.level:<4}  {self.what}: {self.detail}{fix}")

    def as_json(self) -> str:
        """Return an object on one line, with all four fields."""
        return json.dumps(asdict(self))


def ok(what: str, detail: str) -> Finding:
    """Return that nothing is wrong."""
    return Finding(Level.OK, what, detail)


def warn(what: str, detail: str, fix: str) -> Finding:
    """Return that it works, but not as one might think."""
    return Finding(Level.WARN, what, detail, fix)


def fail(what: str, detail: str, fix: str = "") -> Finding:
    """Return that the daemon would not start or deliver nothing. Messages of errors name the fix in `detail`."""
    return Finding(Level.FAIL, what, detail, fix)
