"""What a run of lftp's `mirror` would do, read from the commands it writes with `--script`, and whether that may be.

Theory. lftp plans and runs in one go, so what it deletes with `-e` is decided by the listing of that very moment: an
empty one empties the target. Here the plan is made first, its removals are counted and judged, and `job` later runs
`mirror` without any deleting option and removes exactly what the plan named, after looking at each path again.

A plan is hostile input. lftp writes paths in URL form (`%0A` for a newline), but the text of a link as it is, so a
server can forge lines. Therefore a path counts only when it lies below the directory that is mirrored, a removal only
when `-e` was asked for or the same plan makes the path again as something else, and all of them are judged together.

Pure: no input or output. Source of the forms: measured with lftp 4.9.2, download and upload, FTP and SFTP.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ftpretrieve.mirror.options import MaxDelete
from ftpretrieve.mirror.records import Entry, Kind, Tree

DEFAULT_LIMIT_FROM = 10
"""Files that a target must have for the half rule: below that, half of it is one or two files, a normal day."""

DEFAULT_LIMIT_PERCENT = 50

_FILE_URL = "file:"
_REMOTE_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/]*(?:/(.*))?", re.DOTALL)
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|((?:[^\s"\\]|\\.)+)', re.DOTALL)
_LISTED = re.compile(
    r"(?P<type>[-dlL?bcps])[-rwxsStT?]{9} .*? (?P<size>\d+|-) "
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?|-) (?P<path>.*)"
)
_KINDS = {"-": Kind.FILE, "d": Kind.DIRECTORY, "l": Kind.LINK, "L": Kind.LINK}


@dataclass(frozen=True, slots=True)
class Plan:
    """What lftp would make and remove, paths below the target; `source_removals` below the source.

    `made`: path -> what it becomes. `foreign`: commands that name something outside of both directories.
    """

    made: dict[str, Kind]
    removals: tuple[str, ...]
    source_removals: tuple[str, ...] = ()
    foreign: int = 0

    @property
    def files(self) -> list[str]:
        """Return the files to transfer."""
        return [path for path, kind in self.made.items() if kind is Kind.FILE]


@dataclass(frozen=True, slots=True)
class Removals:
    """What to remove at the target, children before their directory: what the run would stumble over, and the rest.

    `unseen`: planned, but not in the snapshot of the target, so that nothing can be said about it.
    """

    before: tuple[tuple[str, Entry], ...] = ()
    after: tuple[tuple[str, Entry], ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[tuple[str, Entry], ...]:
        """Return both."""
        return self.before + self.after


# -- reading the plan -----------------------------------------------------------------------------------------------


def parse_plan(text: str, local: str, remote: str, *, reverse: bool) -> Plan:
    """Read the commands lftp wrote.

    `local` and `remote`: the two directories, absolute, as lftp spells them (`remote` '' when it is not known: then
    what is to be removed there counts as foreign). Undecodable bytes are spelt as `os.fsdecode` does.
    """
    target, source = (
        (_Root(remote, False), _Root(local, True)) if reverse else (_Root(local, True), _Root(remote, False))
    )
    made: dict[str, Kind] = {}
    removals: list[str] = []
    source_removals: list[str] = []
    foreign = 0
    for verb, path in _commands(text, target):
        below, below_source = target.below(path), source.below(path) if verb == "rm" else None
        if below == "" or (below is None and below_source is None):
            foreign += below is None
        elif verb == "rm" and below is not None:
            removals.append(below)
        elif verb == "rm" and below_source:
            source_removals.append(below_source)
        elif below is not None:
            made[below] = _MAKES[verb]
    return Plan(made, tuple(dict.fromkeys(removals)), tuple(dict.fromkeys(source_removals)), foreign)


_MAKES = {"get": Kind.FILE, "mkdir": Kind.DIRECTORY, "ln": Kind.LINK}


@dataclass(frozen=True, slots=True)
class _Root:
    """One of the two directories, and how a plan spells what is below it."""

    path: str
    is_local: bool

    def below(self, location: str) -> str | None:
        """Return the path below it of a location in a plan, '' for itself, None for anything elsewhere."""
        path = _path_of(location, local=self.is_local)
        if path is None or not self.path:
            return None
        base = self.path.rstrip("/")
        if self.path.startswith("/") and not path.startswith("/"):
            path = f"/{path}"  # where the login directory is /, lftp writes the base as absolute and the rest not so
        if path.rstrip("/") == base:
            return ""
        if not path.startswith(base + "/"):
            return None
        below = path[len(base) + 1 :].rstrip("/")
        return below if is_plain(below) else None


def is_plain(path: str) -> bool:
    """Return whether a path goes down only: no empty part, `.`, `..` or NUL in it."""
    return "\0" not in path and all(part not in ("", ".", "..") for part in path.split("/"))


def base_of(text: str) -> str:
    """Return the remote directory that a plan for an upload makes first, '' when it names none."""
    for line in text.split("\n"):
        words = list(_words(line))
        if words[:2] == ["mkdir", "-p"] and len(words) == 3:
            return _path_of(words[2], local=False) or ""
    return ""


def remote_path(url: str) -> str:
    """Return the path of a URL of lftp: absolute, or relative to the login directory; '' when it is no such URL."""
    return _path_of(url, local=False) or ""


def _path_of(location: str, *, local: bool) -> str | None:
    if location.startswith(_FILE_URL):
        return _decoded(location[len(_FILE_URL) :]) if local else None
    url = _REMOTE_URL.fullmatch(location)
    if url is not None:
        return None if local else _decoded(url[1] or "")
    return location  # what follows -O and `ln` is no URL when it is local


def _decoded(text: str) -> str:
    octets = text.encode("utf-8", "surrogateescape")
    decoded = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), octets)
    return decoded.decode("utf-8", "surrogateescape")


def _commands(text: str, target: _Root) -> Iterator[tuple[str, str]]:
    """Yield what is done and to which location: get, mkdir, ln, rm. What only changes modes is left out."""
    for line in text.split("\n"):
        link = re.match(r"(?:shell )?ln -sf? ", line)
        if link:
            # The text of the link is not quoted and may hold anything; the path is what begins with the target, last.
            start = line.rfind(f" {target.path.rstrip('/')}/")
            if start > 0:
                yield "ln", line[start + 1 :]
            continue
        verb, *words = _words(line) or [""]
        if verb in ("get", "pget", "put") and "-O" in words[:-2]:
            directory, source = words[words.index("-O") + 1], words[-1]
            name = source.rstrip("/").rpartition("/")[2]
            encoded = directory if "://" in directory or directory.startswith(_FILE_URL) else None
            plain = _decoded(name)
            yield "get", f"{directory}/{name}" if encoded else f"{directory.rstrip('/')}/{plain}"
        elif verb in ("mkdir", "rm") and words:
            yield verb, words[-1]


def _words(line: str) -> list[str]:
    """Split a command as lftp quoted it: blanks part, double quotes and backslashes protect."""
    return [re.sub(r"\\(.)", r"\1", quoted or bare, flags=re.DOTALL) for quoted, bare in _WORD.findall(line)]


# -- reading a listing ----------------------------------------------------------------------------------------------


def parse_listing(text: str, directory: str) -> dict[str, Entry]:
    """Read what `find -l DIRECTORY` printed; what is not understood or not below the directory is left out."""
    tree: dict[str, Entry] = {}
    prefix = directory if directory.endswith("/") else directory + "/"
    for line in text.split("\n"):
        row = _LISTED.fullmatch(line)
        if row is None or not row["path"].startswith(prefix):
            continue
        kind = _KINDS.get(row["type"], Kind.OTHER)
        path = row["path"].removeprefix(prefix)
        if kind is Kind.DIRECTORY:
            path = path.rstrip("/")
        elif kind is Kind.LINK:
            path = path.partition(" -> ")[0]
        if not is_plain(path):
            continue
        if kind is Kind.DIRECTORY:
            tree[path] = Entry(kind)
        else:
            tree[path] = Entry(kind, int(row["size"]) if row["size"] != "-" else None, row["time"])
    return tree


# -- deciding -------------------------------------------------------------------------------------------------------


def decide_removals(
    plan: Plan, target: Tree, *, erase: bool, delete_first: bool, is_spared: Callable[[str], bool] = lambda _: False
) -> Removals:
    """Return what the plan removes, each with what the snapshot saw there, in the order of removal.

    With `erase` false only what lftp would replace by itself counts. `is_spared`: paths that stay in any case, and
    with them the directories that they are in.
    """
    replaced = {path for path in plan.made if _is_replaced(path, plan, target)}
    if erase:
        wanted = replaced | set(plan.removals)
    else:
        # lftp removes a file that is a directory at the source without being asked, but no directory (measured).
        wanted = {path for path in replaced & set(plan.removals) if plan.made[path] is Kind.DIRECTORY}
    unseen = tuple(sorted(path for path in wanted if path not in target))
    below = _with_children(wanted - set(unseen), target)
    below -= {parent for path in below if is_spared(path) for parent in _with_parents(path)}
    first = {path for path in wanted if path in plan.made}
    before: list[tuple[str, Entry]] = []
    after: list[tuple[str, Entry]] = []
    for path in sorted(below, key=lambda path: (-path.count("/"), path)):
        early = delete_first or any(_is_or_below(path, root) for root in first)
        (before if early else after).append((path, target[path]))
    return Removals(tuple(before), tuple(after), unseen)


def judge(
    removals: Iterable[tuple[str, Entry]], target: Tree, limit: MaxDelete | None, *, allow_empty: bool
) -> str | None:
    """Return why so much must not be deleted, None when it may. Directories do not count, only what is in them."""
    gone = sum(entry.kind is not Kind.DIRECTORY for _, entry in removals)
    total = sum(entry.kind is not Kind.DIRECTORY for entry in target.values())
    if not gone:
        return None
    of = f"{gone} of {total} file{'s' if total != 1 else ''}"
    if gone >= total and not allow_empty:
        return (
            f"the plan deletes {of}: nothing would be left of what is there now. Is the source empty, or its listing "
            "cut? If this is meant, give --allow-empty"
        )
    if limit is not None:
        allowed = total * limit.number // 100 if limit.is_percent else limit.number
        return f"the plan deletes {of}, and --max-delete {limit} allows {allowed}" if gone > allowed else None
    if not allow_empty and total >= DEFAULT_LIMIT_FROM and gone * 100 > DEFAULT_LIMIT_PERCENT * total:
        percent = -(-gone * 100 // total)
        return f"the plan deletes {of}, more than half. If this is meant, give --max-delete {gone} or {percent}%"
    return None


def describe(plan: Plan, removals: Removals, source_removals: Iterable[str] = ()) -> list[str]:
    """Return the plan in lftp's words, a line a path, in the order in which it would be carried out."""
    verbs = {Kind.FILE: "Transferring file", Kind.DIRECTORY: "Making directory", Kind.LINK: "Making symbolic link"}
    made = [f"{verbs[kind]} `{path}'" for path, kind in plan.made.items()]
    before, after = ([_removing(path, entry) for path, entry in some] for some in (removals.before, removals.after))
    return [*before, *made, *after, *(f"Removing source file `{path}'" for path in source_removals)]


def _removing(path: str, entry: Entry) -> str:
    return f"Removing old {'directory' if entry.kind is Kind.DIRECTORY else 'file'} `{path}'"


def _is_replaced(path: str, plan: Plan, target: Tree) -> bool:
    """Return whether the plan makes of a path what can only be made once something else has gone."""
    made, there = plan.made.get(path), target.get(path)
    if made is None or there is None:
        return False
    return (made is Kind.DIRECTORY) != (there.kind is Kind.DIRECTORY)


def _with_parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts) + 1))


def _is_or_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root + "/")


def _with_children(roots: set[str], target: Tree) -> set[str]:
    """Return the paths and all that is below them."""
    found = set()
    for path in target:
        if any(parent in roots for parent in _with_parents(path)):
            found.add(path)
    return found
