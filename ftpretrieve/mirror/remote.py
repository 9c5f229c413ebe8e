"""The server, asked through lftp: what is in the remote directory, what a mirror would do, and to do it.

`Far` is the remote directory as one side of a mirror. What is asked becomes lines of `script`, what lftp writes goes to
files in a private directory that is gone afterwards, and `plan` reads them. Must not: decide what is to be removed, or
remove anything that a listing made a moment before does not show as it was seen.
"""

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ftpretrieve.errors import RemoteRefused, RemoteUnavailable
from ftpretrieve.mirror import script
from ftpretrieve.mirror.lftp import Lftp, Run
from ftpretrieve.mirror.plan import Plan, base_of, parse_listing, parse_plan, remote_path
from ftpretrieve.mirror.records import Entry, Job, Kind, Tree


@dataclass(frozen=True, slots=True)
class Far:
    """The remote directory; `tree.Near` is the other side, and has `tree`, `look` and `remove` too."""

    lftp: Lftp
    directory: str

    def tree(self) -> Tree:
        """Return what is below it; empty when it does not exist.

        Raises: RemoteUnavailable; RemoteRefused from the login.
        """
        run, tree = self._list([], [self.directory], depth=None)
        _demand_login(run, "listing the target")
        return tree

    def look(self, paths: Iterable[str]) -> Tree:
        """Return what is at some paths now; those that are gone are left out.

        Raises: RemoteUnavailable; RemoteRefused from the login.
        """
        wanted = set(paths)
        if not wanted:
            return {}
        run, seen = self._list([], self._parents(wanted), depth=2)
        _demand_login(run, "listing")
        return {path: entry for path, entry in seen.items() if path in wanted}

    def remove(self, removals: Sequence[tuple[str, Entry]]) -> tuple[list[str], list[str]]:
        """Remove each path that still is what was seen, in this order; return which went, and why others stayed.

        Raises: RemoteUnavailable; RemoteRefused from the login.
        """
        now = self.look(path for path, _ in removals)
        problems = [f"{path}: kept, it has changed since the plan was made"
                    for path, seen in removals if path in now and now[path] != seen]  # fmt: skip
        doomed = [(path, seen.kind is Kind.DIRECTORY) for path, seen in removals if now.get(path) == seen]
        if not doomed:
            return [], problems
        self.lftp.run(script.remove_lines((self._full(path), is_directory) for path, is_directory in doomed))
        # What lftp says of each is words; what is still there is a fact.
        left = self.look(path for path, _ in doomed)
        problems += [f"{path}: the server did not delete it" for path, _ in doomed if path in left]
        return [path for path, _ in doomed if path not in left], problems

    def plan(self, job: Job) -> tuple[Plan, tuple[str, ...]]:
        """Return what a mirror with every deletion would do, and what lftp could not read while planning.

        Raises: RemoteUnavailable; RemoteRefused when the login or the whole directory is refused.
        """
        with tempfile.TemporaryDirectory(prefix="lftp-mirror-") as scratch:
            plan_file, url_file = Path(scratch, "plan"), Path(scratch, "url")
            lines = script.mirror_lines(job, os.fspath(plan_file))
            locate = script.url_lines(self.directory, os.fspath(url_file))
            run = self.lftp.run(lines if job.reverse else lines + locate)
            _demand_login(run, "planning")
            if job.reverse and not self.directory.startswith("/"):
                self.lftp.run(locate)  # fails where the directory is not there yet: then the plan has it as it is here
            text, url = _read(plan_file), _read(url_file).strip()
        if run.code and not text:
            raise RemoteRefused(_words(run))
        base = remote_path(url) or base_of(text) if job.reverse else remote_path(url)
        return parse_plan(text, os.fspath(job.local), base, reverse=job.reverse), complaints(run)

    def mirror(self, job: Job, plan: Plan) -> tuple[Run, Tree]:
        """Mirror without deleting anything; return what lftp did, and the remote side of all that was planned.

        For a download that is what lftp itself saw a moment before: it comes from its cache and costs no listing.
        """
        parents = self._parents([*plan.made, *plan.source_removals])
        lines = script.mirror_lines(job)
        if not job.wants("loop"):
            return self._list(lines + ["cache flush"] * job.reverse, parents, depth=2)
        # Two rounds a process, for the second shows whether there was anything left, from its cache with --use-cache.
        rounds = [*lines, script.ROUND_LINE, *lines, "cache flush"]
        run, listed = self._list(rounds, parents, depth=2)
        while run.code == 0 and script.ROUND in run.lines and run.lines[-1] != script.ROUND:
            again, listed = self._list(rounds, parents, depth=2)
            before = [line for line in run.lines if line != script.ROUND]
            run = Run(again.code, (*before, *again.lines), again.errors, again.timed_out)
        return replace(run, lines=tuple(line for line in run.lines if line != script.ROUND)), listed

    def _list(self, first: Sequence[str], directories: Sequence[str], depth: int | None) -> tuple[Run, Tree]:
        with tempfile.TemporaryDirectory(prefix="lftp-mirror-") as scratch:
            file = Path(scratch, "listing")
            listing = [script.list_line(directories, os.fspath(file), depth)] if directories else []
            run = self.lftp.run([*first, *listing])
            return run, parse_listing(_read(file), self.directory)

    def _parents(self, paths: Iterable[str]) -> list[str]:
        return sorted({self._full(path.rpartition("/")[0]) for path in paths})

    def _full(self, path: str) -> str:
        return f"{self.directory.rstrip('/')}/{path}" if path else self.directory


def complaints(run: Run) -> tuple[str, ...]:
    """Return what went wrong in a run, a line each; none when lftp neither said so nor showed it by its exit code."""
    if run.timed_out:
        return (*run.errors, "lftp was ended: the time of this job was over (--timeout)")
    return tuple(dict.fromkeys(run.errors)) or ((_words(run),) if run.code else ())


def _read(file: Path) -> str:
    try:
        return os.fsdecode(file.read_bytes())
    except FileNotFoundError:
        return ""  # lftp did not come so far


def _demand_login(run: Run, step: str) -> None:
    if run.timed_out:
        raise RemoteUnavailable(f"lftp was ended while {step}: the time of this job was over (--timeout)")
    if run.away:
        raise RemoteUnavailable(_words(run))
    if run.login_refused:
        raise RemoteRefused(_words(run))


def _words(run: Run) -> str:
    return "; ".join(dict.fromkeys(run.errors)) or f"lftp ended with exit code {run.code} and said nothing"
