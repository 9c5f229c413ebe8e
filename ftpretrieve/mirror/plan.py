"""What a run of lftp's `mirror` would do, read from the commands it writes with `--script`, and whether that may be.

Theory. lftp plans and runs in one go, so what it deletes with `-e` is decided by the listing of that very moment: an
empty one empties the target. Here the plan is made first, its removals are counted and judged, and `job` later runs
`mirror` without any deleting option and removes exactly what the plan named, after looking at each path again.

A plan is hostile input. lftp writes paths in URL form (`%0A` for a newline), but the text of a link as it is, so a
server can forge lines. Therefore a path counts only when it lies below the directory that is mirrored, a removal only
when `-e` was asked for or the same plan makes the path again as something else, and all of them are judged together.

Pure: no input or output. Source of the forms: measured with lftp 4.9.2, download and upload, FTP and SFTP.
"""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ftpretrieve.mirror.options import MaxDelete
from ftpretrieve.mirror.records import Entry, Kind, Tree

DEFAULT_LIMIT_FROM = 10
"""Files that a target must have for the half rule: below that, half of it is one or two files, a normal day."""

DEFAULT_LIMIT_PERCENT = 50
"""Of what the target has: a source that lost more than half of its files was more likely emptied than tidied up."""

_FILE_URL = "file:"
_REMOTE_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/]*(?:/(.*))?", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_TOKEN = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^ "\n])+|\n', re.DOTALL)
_COMMANDS = {"get", "mkdir", "rm", "ln", "shell", "chmod"}
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
    is_idle: bool = False  # lftp would do nothing, not even set a mode

    @property
    def files(self) -> list[str]:
        """Return the files to transfer."""
        return [path for path, kind in self.made.items() if kind is Kind.FILE]


@dataclass(frozen=True, slots=True)
class Removals:
    """What to remove at the target, children before their directory, `before` the run and `after` it.

    Before it: what the run would stumble over, with --delete-first everything.

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

    `local` and `remote`: the two directories, absolute; of `remote` see `remote_root`, '' when there is none yet: then
    nothing is in it. Undecodable bytes are spelt as `os.fsdecode` does.
    """
    near, far = _Root(local, is_local=True), _Root(remote, is_local=False)
    target, source = (far, near) if reverse else (near, far)
    made: dict[str, Kind] = {}
    removals: list[str] = []
    source_removals: list[str] = []
    foreign = 0
    for verb, location in _actions(text):
        # A file has the same path on both sides; that of the source is spelt as a URL in both directions.
        at_source = verb == "get" or (verb == "rm" and target.below(location) is None)
        below = (source if at_source else target).below(location)
        foreign += below is None
        if not below:
            continue
        if verb != "rm":
            made[below] = _MAKES[verb]
        elif at_source:
            source_removals.append(below)
        else:
            removals.append(below)
    is_idle = re.fullmatch(r"(?:mkdir -p \S+)?\n?", text) is not None  # an upload always makes its target
    return Plan(made, tuple(dict.fromkeys(removals)), tuple(dict.fromkeys(source_removals)), foreign, is_idle)


_MAKES = {"get": Kind.FILE, "mkdir": Kind.DIRECTORY, "ln": Kind.LINK}


@dataclass(frozen=True, slots=True)
class _Root:
    """One of the two directories, and how a plan spells what is below it."""

    path: str
    is_local: bool

    def below(self, location: str) -> str | None:
        """Return the path below it of a location in a plan, '' for itself, None for anything elsewhere."""
        path = _path_of(location, local=self.is_local)
        if path is None:
            return None
        if not self.path:
            return ""
        base = self.path.rstrip("/")
        path = path if self.is_local else "/" + path.lstrip("/")
        if path.rstrip("/") == base:
            return ""
        if not path.startswith(base + "/"):
            return None
        below = path[len(base) + 1 :].rstrip("/")
        return below if is_plain(below) else None


def is_plain(path: str) -> bool:
    """Return whether a path goes down only: no empty part, `.`, `..` or NUL in it."""
    return "\0" not in path and all(part not in ("", ".", "..") for part in path.split("/"))


def remote_root(url: str) -> str:
    """Return the absolute path of the remote directory whose URL lftp's `pwd` gave; '' when it gave none.

    Where the login directory is `/`, lftp spells what is below it like something relative, so all counts as absolute.
    """
    path = _path_of(url, local=False) if "://" in url else None
    return "" if path is None else posixpath.normpath("/" + path.lstrip("/"))


def _path_of(location: str, *, local: bool) -> str | None:
    if location.startswith("/"):  # of a link
        return location
    if location.startswith(_FILE_URL):
        return _decoded(location[len(_FILE_URL) :]) if local else None
    url = None if local else _REMOTE_URL.fullmatch(location)
    return None if url is None else _decoded(url[1] or "")


def _decoded(text: str) -> str:
    octets = text.encode("utf-8", "surrogateescape")
    decoded = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), octets)
    return decoded.decode("utf-8", "surrogateescape")


def _actions(text: str) -> Iterator[tuple[str, str]]:
    """Yield what is done, get, mkdir, ln or rm, and to which location: a URL, only of a link the path itself.

    `mkdir -p` makes the target itself, and is spelt as the user did; `chmod` and the like make and remove nothing.
    """
    for words in _commands(text):
        if words[:2] == ["shell", "ln"]:
            yield "ln", re.sub(r"\\(.)", r"\1", words[-1], flags=re.DOTALL)  # quoted for the shell, then for lftp
        elif words[0] == "ln":
            yield "ln", words[-1]
        elif words[0] in ("get", "rm") or (words[0] == "mkdir" and words[1:2] != ["-p"]):
            location = words[-1].rpartition("\n")[2]  # see _commands
            yield words[0], location if not location.startswith("/") else ""


def _commands(text: str) -> Iterator[list[str]]:
    """Split into commands, and those into words. Blanks part words, unless in double quotes.

    A word without blanks is not quoted although it may have line feeds in it, so a line that begins with no command
    goes on with the last word of the line before.
    """
    command: list[str] = []
    for is_new, words in _lines(text):
        if is_new and words[0] in _COMMANDS:
            if command:
                yield command
            command = words
        elif command:
            first, *rest = words if is_new else ["", *words]
            command = [*command[:-1], f"{command[-1]}\n{first}", *rest]
    if command:
        yield command


def _lines(text: str) -> Iterator[tuple[bool, list[str]]]:
    """Yield the words of each line, and whether the first one stands at its beginning."""
    begin, words, is_new = 0, list[str](), False
    for token in _TOKEN.finditer(text.removesuffix("\n") + "\n"):
        if token[0] == "\n":
            yield is_new, words
            begin, words, is_new = token.end(), [], False
        else:
            is_new |= token.start() == begin
            words.append(_QUOTED.sub(lambda quoted: re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL), token[0]))


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
    unseen = tuple(sorted(path for path in wanted if path not in target and not _is_behind_link(path, target)))
    below = _with_children(wanted - set(unseen), target)
    below -= {parent for path in below if is_spared(path) for parent in _with_parents(path)}
    first = {path for path in wanted if path in plan.made}
    before: list[tuple[str, Entry]] = []
    after: list[tuple[str, Entry]] = []
    for path in sorted(below, key=lambda path: (-path.count("/"), path)):
        early = delete_first or any(parent in first for parent in _with_parents(path))
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
        allowed = limit.of(total)
        return f"the plan deletes {of}, and --max-delete {limit} allows {allowed}" if gone > allowed else None
    if not allow_empty and total >= DEFAULT_LIMIT_FROM and gone * 100 > DEFAULT_LIMIT_PERCENT * total:
        percent = -(-gone * 100 // total)
        return f"the plan deletes {of}, more than half. If this is meant, give --max-delete {gone} or {percent}%"
    return None


def describe(plan: Plan, removals: Removals, source_removals: Iterable[str] = ()) -> list[str]:
    """Return the plan in words, a line a path, in the order in which it would be carried out."""
    verbs = {Kind.FILE: "transfer file", Kind.DIRECTORY: "make directory", Kind.LINK: "make symbolic link"}
    made = [f"Would {verbs[kind]} `{path}'" for path, kind in plan.made.items()]
    before, after = ([_removing(path, entry) for path, entry in some] for some in (removals.before, removals.after))
    return [*before, *made, *after, *(f"Would remove source file `{path}'" for path in source_removals)]


def _removing(path: str, entry: Entry) -> str:
    return f"Would remove old {'directory' if entry.kind is Kind.DIRECTORY else 'file'} `{path}'"


def _is_replaced(path: str, plan: Plan, target: Tree) -> bool:
    """Return whether the plan makes of a path what can only be made once something else has gone."""
    made, there = plan.made.get(path), target.get(path)
    if made is None or there is None:
        return False
    return (made is Kind.DIRECTORY) != (there.kind is Kind.DIRECTORY)


def _is_behind_link(path: str, target: Tree) -> bool:
    """Return whether lftp saw a path only by following a link of the target."""
    return any(target[parent].kind is Kind.LINK for parent in _with_parents(path) if parent in target)


def _with_parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts) + 1))


def _with_children(roots: set[str], target: Tree) -> set[str]:
    """Return the paths and all that is below them."""
    found = set()
    for path in target:
        if any(parent in roots for parent in _with_parents(path)):
            found.add(path)
    return found
