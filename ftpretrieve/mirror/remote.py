"""The server, asked through lftp: what is in the remote directory, what a mirror would do, and to do it.

`Far` is the remote directory as one side of a mirror. What is asked becomes lines of `script`, what lftp writes goes to
files in a private directory that is gone afterwards, and `plan` reads them. Each process of lftp first goes to the
remote directory, whatever its spelling (`~`, a link, `..`), and names all else from there. Must not: decide what is to
be removed, or remove anything that a listing made a moment before does not show as it was seen.
"""

import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ftpretrieve.errors import RemoteRefused, RemoteUnavailable
from ftpretrieve.mirror import script
from ftpretrieve.mirror.lftp import Lftp, Run
from ftpretrieve.mirror.plan import Plan, parse_listing, parse_plan, remote_root
from ftpretrieve.mirror.records import Entry, Job, Kind, Tree

HERE = "."
"""The remote directory, once lftp is in it."""


@dataclass(frozen=True, slots=True)
class Far:
    """The remote directory; `tree.Near` is the other side, and has `look` and `remove` too.

    `on_line` gets what lftp says of a mirror as it comes, but nothing of what is only asked.
    """

    lftp: Lftp
    directory: str
    on_line: Callable[[str], None] | None = None

    def plan(self, job: Job) -> tuple[Plan, Tree, tuple[str, ...]]:
        """Return what a mirror with every deletion would do, the target of an upload, and what could not be read.

        The target is listed before it is planned. When there is none it is made, but for a dry run.
        Raises: RemoteUnavailable; RemoteRefused when the login or the whole directory is refused.
        """
        run, plan, target = self._plan(job, enter=True)
        if job.reverse and plan is None and run.errors and run.errors[-1].startswith("cd: "):
            if job.wants("dry_run"):
                run, plan, target = self._plan(job, enter=False)
            else:
                _demand_service(self.lftp.run([script.make_line(self.directory)]), "making the remote directory")
                run, plan, target = self._plan(job, enter=True)
        if plan is None:
            raise RemoteRefused(_words(run))
        unread = tuple(words for words in complaints(run, "planning") if not words.startswith("find: "))
        return plan, target, unread + _strangers(plan)

    def _plan(self, job: Job, *, enter: bool) -> tuple[Run, Plan | None, Tree]:
        with tempfile.TemporaryDirectory(prefix="lftp-mirror-") as scratch:
            url_file, list_file, plan_file = (Path(scratch, name) for name in ("url", "list", "plan"))
            lines = script.url_lines(self.directory, os.fspath(url_file)) if enter else []
            if enter and job.reverse:  # lftp's own plan says what it cannot read there
                lines += ["set cmd:fail-exit no", script.list_line([HERE], os.fspath(list_file))]
            lines += script.mirror_lines(replace(job, remote=HERE) if enter else job, os.fspath(plan_file))
            run = self.lftp.run(lines)
            _demand_service(run, "planning")
            root, text = remote_root(_read(url_file).strip()), _read(plan_file)
            if (enter and not root) or (run.code and not text):
                return run, None, {}
            plan = parse_plan(text, os.fspath(job.local), root, reverse=job.reverse)
            return run, plan, parse_listing(_read(list_file), HERE)

    def mirror(self, job: Job, plan: Plan) -> tuple[Run, Tree | None]:
        """Mirror without deleting anything; return what lftp did, and the remote side of all that was planned.

        For a download that is what lftp itself saw a moment before: it comes from its cache and costs no listing.
        None when the mirror failed, for then lftp goes no further. lftp is not even started when it has nothing to do.
        """
        if plan.is_idle and job.local.exists():
            return Run(0, (), (), timed_out=False), {}
        paths = [*plan.made, *plan.source_removals]
        lines = script.mirror_lines(replace(job, remote=HERE))
        if not job.wants("loop"):
            return self._list(lines + ["cache flush"] * job.reverse, paths, self.on_line)
        # Two rounds a process, for the second shows whether there was anything left, from its cache with --use-cache.
        rounds = [*lines, script.ROUND_LINE, *lines, "cache flush"]
        run, listed = self._list(rounds, paths, self.on_line)
        while run.code == 0 and script.ROUND in run.lines and run.lines[-1] != script.ROUND:
            again, listed = self._list(rounds, paths, self.on_line)
            before = [line for line in run.lines if line != script.ROUND]
            run = Run(again.code, (*before, *again.lines), again.errors, again.timed_out)
        return replace(run, lines=tuple(line for line in run.lines if line != script.ROUND)), listed

    def look(self, paths: Iterable[str], step: str = "listing") -> Tree:
        """Return what is at some paths now; those that are gone are left out.

        Raises: RemoteUnavailable, which names the step; RemoteRefused from the login.
        """
        wanted = set(paths)
        if not wanted:
            return {}
        run, seen = self._list([], wanted)
        _demand_service(run, step)
        if seen is None:
            raise RemoteRefused(f"{_words(run)} (while {step})")
        return seen

    def remove(self, removals: Sequence[tuple[str, Entry]]) -> tuple[list[str], list[str]]:
        """Remove each path that still is what was seen, in this order; return which went, and why others stayed.

        Raises: RemoteUnavailable; RemoteRefused from the login.
        """
        now = self.look((path for path, _ in removals), "looking again at what is to be deleted")
        problems = [f"{path}: kept, it has changed since the plan was made"
                    for path, seen in removals if path in now and now[path] != seen]  # fmt: skip
        doomed = [(path, seen.kind is Kind.DIRECTORY) for path, seen in removals if now.get(path) == seen]
        if not doomed:
            return [], problems
        # What lftp says of each is words; what is still there is a fact.
        paths = [path for path, _ in doomed]
        run, left = self._list(script.remove_lines((f"./{path}", is_directory) for path, is_directory in doomed), paths)
        _demand_service(run, f"deleting {len(paths)} paths, and it is not known which of them are gone")
        if left is None:
            raise RemoteRefused(f"{_words(run)} (while deleting)")
        problems += [f"{path}: the server did not delete it" for path in paths if path in left]
        return [path for path in paths if path not in left], problems

    def _list(
        self, first: Sequence[str], paths: Iterable[str], on_line: Callable[[str], None] | None = None
    ) -> tuple[Run, Tree | None]:
        """Do something in the remote directory, then look at some paths; None when it did not come to that."""
        wanted = {path for path in paths if script.can_name(path)}
        run, seen = self._list_once(first, wanted, on_line)
        hidden = {path for path in wanted - (seen or {}).keys() if path.startswith(".") or "/." in path}
        if seen is not None and hidden and not run.timed_out:  # vsftpd takes such files and does not list them
            seen |= self._list_once([script.SHOW_HIDDEN], hidden, None)[1] or {}
        return run, seen

    def _list_once(
        self, first: Sequence[str], wanted: Collection[str], on_line: Callable[[str], None] | None
    ) -> tuple[Run, dict[str, Entry] | None]:
        parents = sorted({f"./{path.rpartition('/')[0]}".rstrip("/") for path in wanted})
        with tempfile.TemporaryDirectory(prefix="lftp-mirror-") as scratch:
            file = Path(scratch, "listing")
            listing = [script.list_line(parents, os.fspath(file), depth=2)] if parents else []
            run = self.lftp.run([script.enter_line(self.directory), *first, *listing], on_line)
            if parents and not file.exists():
                return run, None  # a command before it failed
            seen = parse_listing(_read(file), HERE)
        return run, {path: entry for path, entry in seen.items() if path in wanted}


def complaints(run: Run, step: str) -> tuple[str, ...]:
    """Return what went wrong in a run, a line each; none when lftp neither said so nor showed it by its exit code."""
    if run.timed_out:
        return (*run.errors, _over(step))
    if run.away:
        return (*dict.fromkeys(run.errors), f"the server was away or silent while {step}")
    return tuple(dict.fromkeys(run.errors)) or ((_words(run),) if run.code else ())


def _strangers(plan: Plan) -> tuple[str, ...]:
    """Return a complaint when a plan cannot be all true: what is not understood can be neither judged nor checked."""
    if not plan.foreign:
        return ()
    return (f"lftp's plan has commands ({plan.foreign}) for paths that are in neither directory; they are left out",)


def _read(file: Path) -> str:
    try:
        return os.fsdecode(file.read_bytes())
    except FileNotFoundError:
        return ""  # lftp did not come so far


def _demand_service(run: Run, step: str) -> None:
    if run.timed_out:
        raise RemoteUnavailable(_over(step))
    if run.away:
        raise RemoteUnavailable(f"{_words(run)} (while {step})")
    if run.login_refused:
        raise RemoteRefused(_words(run))


def _over(step: str) -> str:
    return f"lftp was ended while {step}: the time of this job was over (--timeout)"


def _words(run: Run) -> str:
    errors = "; ".join(dict.fromkeys(run.errors))
    hint = next((f"; {hint}" for words, hint in _HINTS.items() if words in errors), "")
    return f"{errors}{hint}" if errors else f"lftp ended with exit code {run.code} and said nothing"


_HINTS = {
    "issuer is unknown": "if it is of an authority of your own, give --tls --ca-file FILE",
    "ftp:ssl-force is set": "only without --tls and ftps:// may it go in the clear",
    "Host key verification failed": "find out why the key is another one, then run ssh-keygen -R",
}
"""What to do about errors that name a word of lftp's or ssh's alone. Source: lftp 4.9.2 and OpenSSH 9.2, measured."""
