"""One cell of the table of faults: a server with a fault, polls of it, and what they came to in a word.

Beside what an `Attack` checks after every poll, nothing may lie outside the mailbox's own directories, nothing that did
not come may be passed over in silence, and no file may come twice.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ftpretrieve.errors import LoginRefused, RemoteRefused, RemoteUnavailable
from ftpretrieve.retrieve.records import PollResult
from tests.faults.table import BEFORE, FAULTS, files, strikes_known_files
from tests.faultserver import FaultServer
from tests.retrieve.attack import Attack

SHORT_SECS = (2.0, 0.5)
"""Limits of a poll, and of one answer: short, so that hundreds of silent servers cost minutes and not hours."""

PATIENT_SECS = (30.0, 1.0)
"""Where neither is what ends it: so that a machine with much else to do is not taken for a silent server."""

SETTLE_SECS = {"idle-421": 0.6, "idle-close": 0.6}
"""Idle connections are idle only while something settles."""

SHOWN_OTHERWISE = {"time-wrong", "time-future", "time-1970"}
"""Faults under which a file comes with a time that it has not: by its own time it is another version later."""


class Siege:
    """A mailbox two directories below `top`, and a server that fails by the faults of `specs`.

    `patient` where it is no silence that is looked for.
    """

    def __init__(self, top: Path, specs: Sequence[str], *, mlsd: bool = True, patient: bool = True) -> None:
        self.top, self.specs = top, specs
        self._limits_secs = PATIENT_SECS if patient else SHORT_SECS
        faults = [FAULTS[spec.partition("@")[0]] for spec in specs]
        self.server = FaultServer(files(), mlsd=mlsd, directories=30, escape=bytes(top / "escape"))
        self.delivered_first: list[bytes] = []
        self._before = dict(BEFORE) if any(map(strikes_known_files, specs)) else {}
        self._settle_secs = max(SETTLE_SECS.get(fault.name, 0.05) for fault in faults)

    def run(self) -> str:
        """Let the faults strike, heal the server, and return what the first poll came to."""
        home = self.top / "parent" / "box"
        home.mkdir(parents=True)
        with self.server as server, Attack(home, server, b"in", settle_secs=self._settle_secs) as attack:
            if self._before:
                new, server.files = server.files, self._before
                server.truth.update((name, {body}) for name, (body, _) in server.files.items())
                attack.truth = server.truth
                attack.heal()
                server.files = {**self._before, **new}
            attack.truth = server.truth
            del attack.lines[:]
            server.arm(*self.specs)
            wanted = {name for name in server.files if name not in self._before and name not in server.hostile}
            result = attack.poll(*self._limits_secs)
            self.delivered_first = attack.delivered()
            self._check_outside()
            told = self._told(attack, result)
            missing = wanted - set(attack.delivered())
            assert told or not missing, f"{sorted(missing)} did not come, and nothing says so: {attack.lines}"
            if any("REST" in FAULTS[spec.partition("@")[0]].scripts for spec in self.specs):
                attack.poll(*self._limits_secs)  # only now there is a beginning to go on from
            self._heal(attack)
        self._check_outside()
        return told or "whole"

    def _told(self, attack: Attack, result: PollResult) -> str | None:
        """Return by which word an operator learns that something did not come; None when all is well."""
        kinds = {LoginRefused: "login", RemoteRefused: "refused", RemoteUnavailable: "unreachable"}
        if result.error is not None:
            return next((word for kind, word in kinds.items() if isinstance(result.error, kind)), "timeout")
        if result.failed or result.changing or result.left:
            return "failed" if result.failed else "changing" if result.changing else "left"
        if attack.said("LISTINGSUSPECT"):
            return "suspect"
        return "names" if attack.said("NAMESREFUSED") else None

    def _heal(self, attack: Attack) -> None:
        """Poll the healed server: all files are there, each came once for each version it was delivered in."""
        before = Counter(attack.delivered())
        server = self.server
        server.heal()
        for _ in range(3):
            result = attack.poll(30.0)
            assert result.error is None, result.error
            if attack.synced() == {name: body for name, (body, _) in server.files.items()}:
                break
        assert attack.synced() == {name: body for name, (body, _) in server.files.items()}, attack.lines
        came = Counter(attack.delivered())
        for name in server.files:
            most = len(server.truth[name]) - (name in self._before) + bool(SHOWN_OTHERWISE & set(self.specs))
            assert came[name] <= most, f"{name!r} came {came[name]} times, before it healed {before[name]}"

    def _check_outside(self) -> None:
        assert {path.name for path in self.top.iterdir()} <= {"parent"}
        assert {path.name for path in (self.top / "parent").iterdir()} == {"box"}
