"""One mirror job on one page.

Theory of operation. lftp decides what to delete by the listing of the moment, so that an empty, cut or failing one
empties the target, and lftp exits with 0. Here lftp never deletes. It plans first, which changes nothing; the removals
of the plan are counted and judged against what the target has; then lftp mirrors without any deleting option; and the
planned removals, no other, are done apart, each only while its path still is what was seen before the plan was made.
What must go so that something else can be made there goes before the run, all else after it and only when the run was
whole: everything planned is looked up, and compared with what lftp was told of the source.

Must not: speak lftp's language (`script`), choose what to remove (`plan`), or believe an exit code.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ftpretrieve.errors import FtpRetrieveError, RemoteUnavailable
from ftpretrieve.mirror.check import compare, removable, unplanned
from ftpretrieve.mirror.lftp import Run
from ftpretrieve.mirror.plan import Plan, Removals, decide_removals, describe, judge
from ftpretrieve.mirror.records import Entry, Job, Kind, Result, Tree, Verdict
from ftpretrieve.mirror.remote import Far, complaints
from ftpretrieve.mirror.script import has_line_commands
from ftpretrieve.mirror.tree import Near, is_ours


@dataclass(slots=True)
class Mirror:
    """A job under way. `output`: what the report shows of it; `reasons`: what went wrong so far."""

    job: Job
    near: Near
    far: Far
    planned: Callable[[int], None] = lambda _: None  # told how many files and links will be transferred
    show: Callable[[str], None] = lambda _: None  # told what is done, or would be, apart from what lftp says
    output: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    transferred: int = 0
    transferred_bytes: int = 0
    deleted: int = 0
    failed: int = 0

    def run(self) -> Result:
        """Mirror, and return what it came to, all but the seconds."""
        try:
            return self.result(self._mirror())
        except (FtpRetrieveError, OSError) as error:
            self.reasons.append(str(error))
            return self.result(Verdict.AWAY if isinstance(error, RemoteUnavailable) else Verdict.FAILED)

    def _mirror(self) -> Verdict:
        job, source, target = self.job, *self._sides()
        goes_by_lines = job.reverse and has_line_commands(job.server)
        left_out = self.near.unsendable(links=not job.wants("no_symlinks")) if goes_by_lines else []
        there = {} if job.reverse else self.near.tree()  # before the plan, as `Far.plan` does it for an upload
        plan, there_far, unread = self.far.plan(job)
        there = there_far if job.reverse else there
        self.reasons += [*left_out, *unread]
        removals = decide_removals(plan, there, erase=job.wants("erase"), delete_first=job.wants("delete_first"),
                                   is_spared=is_ours if target is self.near else lambda _: False)  # fmt: skip
        if unread:
            removals = Removals()  # what could not be read only looks as if it were gone
        refusal = judge(removals.all, there, job.max_delete, allow_empty=job.wants("allow_empty"))
        if refusal or job.wants("dry_run"):
            return self._forecast(plan, removals, source, refusal)

        if not self._remove(target, removals.before):
            return Verdict.FAILED  # what changed would now be lftp's to remove
        self.planned(sum(kind is not Kind.DIRECTORY for kind in plan.made.values()))
        concerned = [*plan.made, *plan.source_removals]
        before = source.look(concerned) if job.reverse or job.wants("del_source") else {}
        run, listed = self.far.mirror(job, plan)
        after = self._look_after(run, listed, concerned)
        if not self._is_whole(plan, run, before if job.reverse else listed or {}, there, after):
            self.reasons += [f"{path}: not deleted, because the run was not whole" for path, _ in removals.after]
            return Verdict.AWAY if run.timed_out or run.away else Verdict.FAILED

        self._remove(target, removals.after)
        self.reasons += [f"{path}: kept, it was not seen when the plan was made" for path in removals.unseen]
        if job.wants("del_source"):
            leaving, problems = removable([*plan.files, *plan.source_removals], before, after)
            self.reasons += problems
            self._remove(source, leaving)
        return Verdict.FAILED if self.reasons else Verdict.OK

    def _sides(self) -> tuple[Near | Far, Near | Far]:
        return (self.near, self.far) if self.job.reverse else (self.far, self.near)

    def _forecast(self, plan: Plan, removals: Removals, source: Near | Far, refusal: str | None) -> Verdict:
        """Tell what would be done, and do nothing."""
        leaving = plan.files if self.job.wants("del_source") else ()
        self._tell(describe(plan, removals, leaving))
        self._count(plan.files, source.look(plan.files) if self.job.wants("dry_run") else {})
        if self.job.wants("dry_run"):
            self.deleted = len(removals.all) + len(leaving)
        if refusal:
            self.reasons.append(refusal)
            return Verdict.REFUSED
        return Verdict.FAILED if self.reasons else Verdict.OK

    def _look_after(self, run: Run, listed: Tree | None, paths: Iterable[str]) -> Tree:
        """Return what is at the target after the run; nothing when nobody is there to be asked."""
        if not self.job.reverse:
            return self.near.look(paths)
        if run.timed_out or run.away:
            return {}
        return self.far.look(paths, "looking at what has arrived") if listed is None else listed

    def _is_whole(self, plan: Plan, run: Run, source: Tree, before: Tree, after: Tree) -> bool:
        """Hold what is at the target against the plan, and count; return whether all is well so far."""
        self.output += run.lines
        self.reasons += complaints(run, "transferring")
        self.reasons += unplanned(run.lines, plan.made)
        wrong = compare(plan.made, source, before, after)
        self.failed += len(wrong)
        self._count([path for path in plan.made if path not in wrong], after)
        if not (run.timed_out or run.away):  # else it is clear why
            self.reasons += [f"{path}: {why}" for path, why in wrong.items()]
        return not self.reasons

    def _count(self, made: Iterable[str], there: Tree) -> None:
        entries = [there[path] for path in made if path in there and there[path].kind is not Kind.DIRECTORY]
        self.transferred = len(entries)
        self.transferred_bytes = sum(entry.size or 0 for entry in entries if entry.kind is Kind.FILE)

    def _remove(self, side: Near | Far, removals: Sequence[tuple[str, Entry]]) -> bool:
        """Remove, and return whether all that should go is gone."""
        removed, problems = side.remove(removals) if removals else ([], [])
        self._tell([f"Removed `{path}'" for path in removed])
        self.deleted += len(removed)
        self.reasons += problems
        return not problems

    def _tell(self, lines: Sequence[str]) -> None:
        self.output += lines
        for line in lines:
            self.show(line)

    def result(self, verdict: Verdict) -> Result:
        """Return what it came to so far."""
        return Result(verdict, tuple(self.reasons), self.transferred, self.transferred_bytes, self.deleted, self.failed,
                      dry_run=self.job.wants("dry_run"))  # fmt: skip
