"""How a listing becomes a plan, with what cannot be decided while it streams: that takes another entry, another look
or another poll.

Links are put aside and asked where they lead; `x` waits for its marker `x<done_suffix>`, a fresh file for its age, and
with `settle = polls` every version for the poll after the one that first listed it. Memory is bounded whatever the
listing: `MARKERS_MAX` names of markers, `LINKS_MAX` links, and the plan. Must not: write to the journal, or download.
"""

from collections.abc import Callable, Iterator, Sequence

from ftpretrieve.retrieve.decide import OLD_STAMP_SECS, decide, is_old, unsafe_reason
from ftpretrieve.retrieve.journal import Journal
from ftpretrieve.retrieve.mailbox import Rules
from ftpretrieve.retrieve.records import Candidate, Clock, Kind, Plan, RemoteFile
from ftpretrieve.retrieve.remote import Remote

MARKERS_MAX = 100_000
"""Markers remembered of one listing, some 10 MB. Beyond that those that are needed are asked for one by one."""

LINKS_MAX = 10_000
"""Links followed in one poll. Each costs a question at every poll, also when nothing has changed."""

CHUNK = 500
"""Links that are asked, and then decided about, together: as many as a listing's entries come in."""

NOT_DONE, FIRST_SEEN, TOO_YOUNG = "not-done", "first-seen", "too-young"
WAITS = (NOT_DONE, FIRST_SEEN, TOO_YOUNG)
"""Why a new file is not fetched yet: the files that a poll has left for these reasons come by themselves, later."""


class Gate:
    """The gate of one poll. `now` is its wall time."""

    def __init__(self, rules: Rules, remote: Remote, now: float) -> None:
        self._rules, self._remote, self._now = rules, remote, now
        self._suffix = rules.done_suffix.encode(rules.encoding, "surrogateescape")
        self._wanted: Callable[[bytes], bool] = rules.matcher()
        self._markers: set[bytes] = set()
        self._links: dict[bytes, RemoteFile] = {}

    def plan(self, journal: Journal) -> tuple[Plan, list[Candidate]]:
        """Decide about every entry of the listing; return besides the files whose first sight is to be remembered."""
        plan = Plan()
        for chunk in self.entries(plan):
            decide(chunk, journal.known([file.name for file in chunk]), plan, self._wanted, self._now)
        return plan, self._hold(plan)

    def entries(self, plan: Plan) -> Iterator[Sequence[RemoteFile]]:
        """Yield the listing to decide about, in chunks: without markers, and with files in the place of links."""
        for chunk in self._remote.list():
            if self._suffix or any(entry.kind is Kind.LINK for entry in chunk):
                yield [entry for entry in chunk if not self._puts_aside(entry, plan)]
            else:
                yield chunk
        aside = list(self._links.values())
        for start in range(0, len(aside), CHUNK):
            links = aside[start : start + CHUNK]
            targets = self._remote.targets(links)
            # What leads to no file goes on as a link, which is skipped as one.
            yield [(targets or {}).get(link.name) or link for link in links]

    def _puts_aside(self, entry: RemoteFile, plan: Plan) -> bool:
        name = entry.name
        if self._suffix and name.endswith(self._suffix) and entry.kind is not Kind.DIR:
            if len(self._markers) < MARKERS_MAX:
                self._markers.add(name)
            plan.skip("marker", name)
            return True
        follows = entry.kind is Kind.LINK and self._rules.follow_links and len(self._links) < LINKS_MAX
        if not follows or name in self._links or unsafe_reason(name) or not self._wanted(name):
            return False
        self._links[name] = entry
        return True

    # -- after the listing --------------------------------------------------------------------------------------

    def _hold(self, plan: Plan) -> list[Candidate]:
        """Take what has to wait out of the plan, as skipped, and return it."""
        rules = self._rules
        if not (self._suffix or rules.settle_polls or rules.min_age_secs):
            return []
        self._look_for_markers([*plan.fetch, *plan.doubtful])
        held, ready = [], []
        for item in plan.fetch:
            reason = self._reason(item)
            if reason is None:
                ready.append(item)
            else:
                plan.skip(reason, item.file.name)
                held.append(item)
        plan.fetch = ready
        return held + self._hold_doubtful(plan)

    def _hold_doubtful(self, plan: Plan) -> list[Candidate]:
        """Take doubtful files that have to wait out of the plan, and return those whose sight is to be remembered.

        Old ones are known but for a moved clock, which is found out about all of them together: they do not wait for
        their age, and what has no marker any more gets no row.
        """
        held, ready = [], []
        for item in plan.doubtful:
            reason = self._reason(item)
            if reason is None or reason != NOT_DONE and is_old(item.file, self._now):
                ready.append(item)
                continue
            plan.skip(reason, item.file.name)
            if reason == NOT_DONE:
                plan.unsettled = True
            else:
                held.append(item)
        plan.doubtful = ready
        return held

    def _look_for_markers(self, candidates: Sequence[Candidate]) -> None:
        """Ask for the markers that did not fit into the memory of the listing."""
        if not self._suffix or len(self._markers) < MARKERS_MAX:
            return
        missing = [item.file.name + self._suffix for item in candidates if not self._is_done(item)]
        seen = self._remote.look([RemoteFile(name, Kind.FILE) for name in missing]) or {}
        self._markers.update(name for name, entry in seen.items() if entry is not None)

    def _reason(self, item: Candidate) -> str | None:
        if not self._is_done(item):
            return NOT_DONE
        listed_secs = abs(self._now - item.version.first_listed) if item.version is not None and item.same else None
        if self._rules.settle_polls and (listed_secs is None or listed_secs < self._rules.settle_secs):
            return FIRST_SEEN
        if not self._has_age(item.file) and (listed_secs is None or listed_secs < self._rules.min_age_secs):
            return TOO_YOUNG
        return None

    def _is_done(self, item: Candidate) -> bool:
        return not self._suffix or item.file.name + self._suffix in self._markers

    def _has_age(self, file: RemoteFile) -> bool:
        """Say whether a stamp shows that a file is old enough; a local one in whatever zone it may be."""
        if not self._rules.min_age_secs:
            return True
        if file.stamp is None:
            return False
        unknown_secs = 0 if file.clock is Clock.UTC else OLD_STAMP_SECS
        return self._now - (file.stamp + file.precision) >= self._rules.min_age_secs + unknown_secs
