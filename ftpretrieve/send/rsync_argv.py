"""How rsync is called: its arguments for each step of a transaction, and which further ones a configuration may add.

Pure: texts in, texts out. All options exist since rsync 3.0.6, but for `--info`, which came with 3.1.0.
The arguments hold no secret; the password goes to rsync by its environment.

What was learnt of rsync, all measured with 3.5.0:
* A line of `--files-from` that begins with `#` or `;` is a comment, also with `--from0`: rsync ends well, and the file
  was not sent. So such names are listed as `./#name`; with `./` the mtime of the source goes to the target as well.
* The target is made when only its last part is missing. So it is always `ID/`, and the name of a directory that is
  sent as such stands in the list: then no odd name is ever part of the target, which a server might expand.
* Options cannot be abbreviated (`--dry` is refused), so a table of whole names finds all that must not be given.
* `--dry-run` is answered by modules that can only be written to, and also where the target does not exist yet.
"""

import math
import posixpath
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from ftpretrieve.send.records import Intent, Settings, Snapshot

REPORT = "--out-format== %i %n"
"""What is printed of each file: a mark that no message of rsync begins with, 11 letters of what is done, the name."""

_SENDS_NOTHING = "nothing would be sent"
_DELETES = "it deletes files, and a transaction never does"
_OTHER_WAY = "the server is reached as an rsync daemon, as 'rsync server' and 'rsync port' say"
_OWN_LIST = "what is sent, and to where, is decided from the directory alone"
_REPORT = "what rsync reports is read by this program"
_PROOF = "it could not be proven any more that the server has all files as they are here"

REFUSED: tuple[tuple[str, str], ...] = (
    ("--del", _DELETES),
    ("--delete*", _DELETES),
    ("--remove-*", _DELETES),
    ("--dry-run", f"{_SENDS_NOTHING}; use -t"),
    ("--list-only", _SENDS_NOTHING),
    ("--*-batch", _SENDS_NOTHING),
    ("--help", _SENDS_NOTHING),
    ("--version", _SENDS_NOTHING),
    ("--existing", _SENDS_NOTHING),
    ("--ignore-non-existing", _SENDS_NOTHING),
    ("--daemon", _OTHER_WAY),
    ("--server", _OTHER_WAY),
    ("--sender", _OTHER_WAY),
    ("--rsh", _OTHER_WAY),
    ("--rsync-path", _OTHER_WAY),
    ("--port", _OTHER_WAY),
    ("--password-file", "the password is 'my node password', which may be written as file:PATH"),
    ("--remote-option", "what it gives to the server is checked by nobody"),
    ("--files-from", _OWN_LIST),
    ("--from0", _OWN_LIST),
    ("--no-from0", _OWN_LIST),
    ("--relative", _OWN_LIST),
    ("--no-relative", _OWN_LIST),
    ("--no-R", _OWN_LIST),
    ("--no-recursive", _OWN_LIST),
    ("--no-r", _OWN_LIST),
    ("--out-format", _REPORT),
    ("--log-format", _REPORT),
    ("--no-itemize-changes", _REPORT),
    ("--no-i", _REPORT),
    ("--quiet", _REPORT),
    ("--backup*", "the data centre would take what it sets aside for data"),
    ("--*-dest", _PROOF),  # a file of another transaction, of the same size and time, would be taken for ours
    ("--append*", _PROOF),  # a file that is there and is not shorter is passed over, whatever is in it
    ("--ignore-existing", _PROOF),
    ("--ignore-times", _PROOF),
    ("--no-ignore-times", _PROOF),
    ("--no-I", _PROOF),
    ("--no-times", _PROOF),
    ("--no-t", _PROOF),
    ("--size-only", _PROOF),
    ("--update", _PROOF),
)
"""Patterns of options that a configuration must not add, and why. The rest may be used, `--log-file` for one."""

LETTERS = {
    "0": "--from0", "I": "--ignore-times", "M": "--remote-option", "R": "--relative", "V": "--version",
    "b": "--backup", "e": "--rsh", "n": "--dry-run", "q": "--quiet", "u": "--update",
}  # fmt: skip
"""What the short forms of refused options stand for."""

LETTERS_WITH_VALUE = "BMTef@"

_WITH_VALUE = """
address backup-dir block-size bwlimit checksum-choice checksum-seed chmod chown compress-choice compress-level
compress-threads confine-root contimeout copy-as copy-dest debug early-input exclude exclude-from filter groupmap
iconv include include-from info link-dest log-file log-file-format max-alloc max-delete max-size min-size
modify-window outbuf partial-dir protocol skip-compress sockopts stderr stop-after stop-at suffix temp-dir time-limit
timeout usermap
"""
WITH_VALUE = frozenset(f"--{name}" for name in _WITH_VALUE.split())
"""Options whose value may be the next word; of others a word that is no option would be one more source."""


class Call(NamedTuple):
    """One call of rsync: its arguments, and what it reads from standard input."""

    argv: list[str]
    stdin: bytes = b""


def forbidden(words: Sequence[str]) -> list[str]:
    """Return what is wrong with further arguments of rsync, a sentence for each; it begins with the argument."""
    problems = []
    waiting = ""  # the option whose value the next word is
    for word in words:
        if waiting:
            waiting = ""
            continue
        names, waiting = _options(word)
        if not names:
            problems.append(f"{word} is no option; write a value together with its option, as in --option={word}")
        for name in names:
            reason = next((reason for pattern, reason in REFUSED if fnmatchcase(name, pattern)), None)
            if reason:
                shown = word if word.startswith(name) else f"{word} ({name})"
                problems.append(f"{shown} cannot be used: {reason}")
    if waiting:
        problems.append(f"{waiting} has no value")
    return problems


def _options(word: str) -> tuple[list[str], str]:
    """Return the long names of the options in a word, and the word again if the next one is its value."""
    if len(word) < 2 or word[0] != "-" or word == "--":
        return [], ""
    if word.startswith("--"):
        name, equals, _ = word.partition("=")
        return [name], word if name in WITH_VALUE and not equals else ""
    names = []
    for position, letter in enumerate(word[1:], 2):
        names.append(LETTERS.get(letter, f"-{letter}"))
        if letter in LETTERS_WITH_VALUE:
            return names, word if position == len(word) else ""
    return names, ""


def compresses(settings: Settings) -> bool:
    """Return whether rsync is told to compress what it sends."""
    names = [name for word in settings.extra_arguments for name in _options(word)[0]]
    return settings.compress or any(name == "-z" or "compress" in name for name in names)


def push(
    rsync: str,
    settings: Settings,
    intent: Intent,
    names: bytes,
    *,
    limited: bool,
    dry_run: bool = False,
    everything: bool = False,
    progress: bool = False,
) -> Call:
    """Send the files of a transaction; `names` is what `listing` returned, encoded.

    `everything`: also what seems to be there already. `limited`: by the bandwidth of the configuration.
    """
    argv = [rsync, "--recursive", "--times", "--one-file-system", "--exclude=lost+found", "--partial"]
    argv += ["--files-from=-", "--from0", *_usual(settings)]
    if settings.compress:
        argv.append("--compress")
    if limited and settings.bandwidth_kb:
        argv.append(f"--bwlimit={settings.bandwidth_kb}")
    if dry_run:
        argv.append("--dry-run")
    if everything:
        argv.append("--ignore-times")
    if progress:
        argv.append("--info=progress2")
    source = intent.directory if intent.sends_content else posixpath.dirname(intent.directory).rstrip("/") + "/"
    return Call([*argv, *settings.extra_arguments, source, target(settings, intent.id)], names)


def push_own(rsync: str, settings: Settings, source: str, place: str = "", *, question: str = "") -> Call:
    """Send what this program has made, a file or a directory, below `place/` in the module.

    `question`: the option that makes a dry run of it that is a question. Filters of the configuration do not apply, and
    nothing may be seen at the server before it is whole: half an `ID.xml` would be taken for a complete transaction.
    """
    argv = [rsync, "--recursive", "--times", "--include=*", *_usual(settings)]
    if question:
        argv += ["--dry-run", question]
    return Call([*argv, *settings.extra_arguments, "--no-partial", "--no-inplace", source, target(settings, place)])


def pull_statuses(
    rsync: str, settings: Settings, ids: Sequence[str], directory: str, limit_bytes: int, *, tell_large: bool
) -> Call:
    """Get the status files of transactions into a local directory; those that are too big are left out, and told.

    The limits of size come last, for those of the configuration are for data: a status that they hide seems to be none.
    So that what lies there in the end came whole, nothing may be kept of what did not. A directory is no status, and
    nothing below one is wanted.
    """
    argv = [rsync, "--times", "--include=*", "--files-from=-", "--from0"]
    last = ["--no-recursive", "--no-partial", "--no-inplace", "--min-size=0", f"--max-size={limit_bytes}"]
    if tell_large:
        last.append("--info=skip1")  # which the server does not see; it may refuse -vv
    names = "".join(f"{name}.xml\0" for name in ids).encode()
    source = f"{_server(settings)}/{settings.status_module}/"
    return Call([*argv, *_usual(settings), *settings.extra_arguments, *last, source, f"{directory}/"], names)


def listing(intent: Intent, snapshot: Snapshot) -> str:
    """Return what `--files-from` gets, to be encoded as names are: the files and empty directories of the snapshot."""
    paths = [file.path for file in snapshot.files]
    lines = [_listed(intent, path) for path in (*paths, *snapshot.empty_directories)]
    return "".join(f"{line}\0" for line in lines)


def _listed(intent: Intent, path: str) -> str:
    if intent.sends_content:
        return f"./{path}"
    line = intent.remote_path(path)
    return f"./{line}" if line.startswith(("#", ";")) else line


def target(settings: Settings, place: str) -> str:
    """Return the address of a directory in the module of the node, '' for the module itself."""
    return f"{_server(settings)}/INCOMING_{settings.node}/{place}{'/' if place else ''}"


def _server(settings: Settings) -> str:
    return f"rsync://{settings.node.lower()}@{settings.server}:{settings.port}"


def _usual(settings: Settings) -> list[str]:
    """Return what all calls have in common. Both limits, since the first one begins when there is a connection."""
    secs = max(1, math.ceil(settings.timeout_secs))  # 0 would be: for ever
    return [f"--timeout={secs}", f"--contimeout={secs}", "--no-motd", REPORT]
