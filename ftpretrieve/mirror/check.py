"""Whether a run made what was planned, and whether a file may leave the source. Pure: values in, words out.

lftp exits with 0 over files that it left out or that came short, so only what lies at the target counts.
"""

import re
from collections.abc import Iterable, Mapping

from ftpretrieve.mirror.records import Entry, Kind, Tree


def compare(made: Mapping[str, Kind], source: Tree, before: Tree, after: Tree) -> dict[str, str]:
    """Return what is not as planned: path -> why.

    `source`: what the run was told of it; a path it lacks is only looked for. `before`, `after`: the target.
    """
    wrong = {}
    for path, kind in made.items():
        problem = _problem(kind, source.get(path), before.get(path), after.get(path))
        if problem:
            wrong[path] = problem
    return wrong


def _problem(kind: Kind, source: Entry | None, before: Entry | None, after: Entry | None) -> str:
    if after is None:
        return f"the {kind} is missing after the run"
    if after.kind is not kind:
        return f"is a {after.kind} at the target and a {kind} at the source; with --erase it is replaced"
    if kind is not Kind.FILE:
        return ""
    told = source.size if source is not None and source.kind is Kind.FILE else None  # with --dereference it is a link
    if None not in (told, after.size) and told != after.size:
        return f"has {after.size} bytes at the target and {told} at the source"
    if before == after and isinstance(after.stamp, int):
        # Where times are shown by the nanosecond: what was replaced differs in size or time, or it was not planned.
        return "was to be replaced and is as it was before"
    return ""


def unplanned(lines: Iterable[str], made: Mapping[str, Kind]) -> list[str]:
    """Return what lftp says to have removed by itself, as it does to make a directory where a local file is.

    What the plan makes again has been removed before the run, or is a link that takes the place of a file.
    """
    found = [match[1] for match in map(_REMOVING.fullmatch, lines) if match is not None]
    return [f"{path}: lftp has removed it, for the source has changed since the plan was made"
            for path in found if path not in made]  # fmt: skip


_REMOVING = re.compile(r"Removing old (?:local )?(?:file|directory) `(.*?)'?", re.DOTALL)


def removable(paths: Iterable[str], source: Tree, target: Tree) -> tuple[list[tuple[str, Entry]], list[str]]:
    """Return which files of the source the target has in full, with what was seen there, and why others must stay."""
    whole, problems = [], []
    for path in paths:
        there, here = source.get(path), target.get(path)
        if there is None or here is None or there.kind is not Kind.FILE or here.kind is not Kind.FILE:
            problems.append(f"{path}: kept at the source, for it cannot be compared with the target")
        elif there.size is None or there.size != here.size:
            sizes = f"{'?' if there.size is None else there.size} and {'?' if here.size is None else here.size} bytes"
            problems.append(f"{path}: kept at the source, for the sizes differ ({sizes})")
        else:
            whole.append((path, there))
    return whole, problems
