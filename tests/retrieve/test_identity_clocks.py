"""The machine of `test_identity_machine`, on a server that also changes how it tells of its files.

Between two polls MLSD may be switched on or off, MDTM too, the zone may move by any number of quarters of an hour, and
LIST may drop the time of day. What lies there unchanged must not come again, what was changed must come. What no
listing can tell apart is not made: equal size, and stamps that agree although the zone moved, because the file was
rewritten by just as much.
"""

import dataclasses
import itertools
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from ftpretrieve.retrieve.records import DAY, MINUTE, Clock
from tests.retrieve.memory_remote import LIST, LIST_ASK, LIST_ASK_LOCAL, MLSD, Entry, Style
from tests.retrieve.test_identity_machine import NAMES, Machine

QUARTER_SECS = 900
ZONES = st.integers(-48, 56).map(lambda quarters: quarters * QUARTER_SECS)
"""From -12 h to +14 h."""


class ClockMachine(Machine):
    """`kinds` and `precisions` are what the server changes between."""

    kinds: tuple[Style, ...]
    precisions: tuple[int, ...]
    quiet_secs = 30 * 3600  # the day of a stamp is over then, so that its version is asked about at the second poll

    def __init__(self) -> None:
        self.style = self.kinds[0]
        self.zones = {kind.offset_secs for kind in self.kinds}
        self.brought_back: Counter[tuple[str, bytes]] = Counter()
        super().__init__()

    # -- the model: a version is a content under a time of the server; its stamps move ---------------------------------

    def _is_distinct(self, name: bytes, entry: Entry) -> bool:
        others = [other for its_name, other in self.versions if its_name == name and other != entry]
        return not any(self._agree(one, other, self.zones) for one in [entry] for other in others)

    def _agree(self, one: Entry, other: Entry, zones: set[int]) -> bool:
        """Say whether the two may have been listed alike, each in one of these zones."""
        if len(one.content) != len(other.content):
            return False
        apart, precision = one.mtime - other.mtime, max(self.precisions)
        return any(abs(apart + one_at - other_at) < 2 * precision for one_at in zones for other_at in zones)

    def _store(self, name: bytes, entry: Entry) -> None:
        """Store a version. An earlier one that comes back while the clock moves looks like one that was made anew, and
        may come once more."""
        if (name, entry) in self.versions:
            self.brought_back[name.decode(), entry.content] += 1
        super()._store(name, entry)

    def _check_never_twice(self) -> None:
        made = [(name.decode(), entry.content) for name, entry in self.versions]
        for one, times in self.world.got.items():
            assert made.count(one) > 0, "bytes that never were one version"
            assert times <= made.count(one) + self.brought_back[one], f"{one} came {times} times"

    # -- what happens to the server's clock ---------------------------------------------------------------------------

    @rule(data=st.data(), offset_secs=ZONES)
    def tell_otherwise(self, data: st.DataObject, offset_secs: int) -> None:
        """Change the kind of listing, its precision and its zone."""
        kind = data.draw(st.sampled_from(self.kinds))
        precision = data.draw(st.sampled_from(self.precisions)) if kind.clock is Clock.LOCAL else kind.precision
        self._tell(dataclasses.replace(kind, precision=precision, offset_secs=offset_secs))

    @rule(offset_secs=ZONES)
    def move_the_zone(self, offset_secs: int) -> None:
        self._tell(dataclasses.replace(self.style, offset_secs=offset_secs))

    def _tell(self, style: Style) -> None:
        zones = self.zones | {style.offset_secs}
        for (name, one), (other_name, other) in itertools.combinations(self.versions, 2):
            if name == other_name and self._agree(one, other, zones) and not self._agree(one, other, self.zones):
                return
        self.zones = zones
        self.style = self.world.server.style = style

    @rule(name=st.sampled_from(NAMES), quarters=st.integers(-104, 104), keeps_content=st.booleans())
    def rewrite_some_quarters_later(self, name: bytes, quarters: int, keeps_content: bool) -> None:
        """Replace a file as an hourly job does: same size, and a time that a change of the zone would explain too."""
        old = self.world.server.files.get(name)
        if old is not None:
            content = old.content if keeps_content else self._content(len(old.content) - 6)
            entry = Entry(content, old.mtime + quarters * QUARTER_SECS)
            if self._is_distinct(name, entry):
                self._store(name, entry)


@pytest.mark.slow
@pytest.mark.parametrize("precisions", [(MINUTE,), (MINUTE, DAY)], ids=["minutes", "and-days"])
@pytest.mark.parametrize(
    "kinds",
    [(MLSD, LIST_ASK, LIST), (LIST,), (LIST_ASK,), (LIST_ASK_LOCAL,)],
    ids=["all", "list", "list-mdtm", "local"],
)
def test_each_version_comes_once_though_the_clocks_change(
    kinds: tuple[Style, ...], precisions: tuple[int, ...]
) -> None:
    """See the module's docstring. The same examples in every run; without `derandomize` it goes on searching."""
    machine = type("Machine", (ClockMachine,), {"kinds": kinds, "precisions": precisions}).TestCase
    machine.settings = settings(
        max_examples=200,
        stateful_step_count=30,
        suppress_health_check=list(HealthCheck),
        deadline=None,
        derandomize=True,
    )
    machine().runTest()
