"""The table of all faults by name, and the files they strike.

A fault is asked for as `name`, `name@first` (it strikes once) or `name@3` (each third time).
"""

from collections.abc import Iterable
from dataclasses import replace

from tests.faults.data import DATA
from tests.faults.listings import KINDS, LISTING, MLSD, NAMES, SIZES, TIME
from tests.faults.login import COMMANDS, CONNECT, LOGIN
from tests.faults.server import Fault, FaultServer, content
from tests.faults.transfers import TRANSFER

GROUPS: dict[str, list[Fault]] = {
    "connect": CONNECT,
    "login": LOGIN,
    "commands": COMMANDS,
    "data": DATA,
    "listing": LISTING,
    "names": NAMES,
    "kinds": KINDS,
    "facts": SIZES,
    "looks": MLSD,
    "transfer": TRANSFER,
    "time": TIME,
}

FAULTS = {fault.name: replace(fault, group=group) for group, faults in GROUPS.items() for fault in faults}

OLD = "20200102030405"
"""A time that is over in every zone: such files are at rest, and nothing waits for their second to end."""

SIZES_BYTES = {b"a.bin": 500_000, b"b.txt": 40_000, b"c.xml": 1_200}


BEFORE = {b"old-%02d" % number: (content(b"old-%02d" % number, 100), OLD) for number in range(12)}
"""Files that were fetched before the fault strikes: enough for a listing to be suspect when they are gone."""


def files() -> dict[bytes, tuple[bytes, str]]:
    """Return the files of the table: one worth resuming, one of many packets, one of a single packet."""
    return {name: (content(name, size), OLD) for name, size in SIZES_BYTES.items()}


def strikes_known_files(spec: str) -> bool:
    """Say whether a fault may make a known file look like a new one, or like one that is gone."""
    return FAULTS[spec.partition("@")[0]].group in ("data", "listing", "names", "kinds", "looks", "time")


def strike(server: FaultServer, specs: Iterable[str]) -> None:
    """Let faults strike together. Raises: KeyError for an unknown name."""
    for spec in specs:
        name, _, when = spec.partition("@")
        server.strike(FAULTS[name], when or "every")
