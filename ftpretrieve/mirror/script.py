"""What lftp is told, as the lines of its script: the only place that spells lftp's language. Pure.

Every word that comes from a user, a file or a server goes through `quote`, so it is one argument and nothing else.
What lftp then takes an argument for is the second question: no command used here expands wildcards (measured: `rm *`
sends `DELE *`), a dash in front stands behind `--`, and what would be taken for a URL is refused or written as one.

Source: lftp 4.9.2, its parsecmd.cc read and each claim measured.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ftpretrieve.errors import ConfigError
from ftpretrieve.mirror.options import BY_NAME, GLOBS, OPTIONS
from ftpretrieve.mirror.records import Job, Protocol, Server

COMMANDS = ("set", "open", "cd", "pwd", "cache", "mirror", "find", "mkdir", "rm", "rmdir", "echo")
"""The commands that are used here, whose aliases in the user's rc file must not change what they mean."""

TEMPORARY = r"(^|/)\.in\."
"""Names of unfinished files. lftp's own `mirror:exclude-regex` has no effect unless another pattern is given."""

LINE_BREAK = "[^\x01-\x09\x0b\x0c\x0e-\U0010ffff]"
"""What no name may have that lftp sends to an FTP server, for what follows would be a command of its own (measured). A
word of lftp cannot hold a line feed, so it is told what a line break is not."""

SAFETY = (
    ("cmd:fail-exit", "yes"),  # after a refused login, no second attempt for the next command
    ("cmd:interactive", "no"),
    ("cmd:parallel", "1"),  # one command after the other
    ("cmd:move-background", "no"),  # else it may go on after it was told to end
    ("cmd:trace", "no"),
    ("cmd:verify-path", "yes"),  # else `cd` always succeeds
    ("color:use-color", "no"),
    ("xfer:use-temp-file", "yes"),  # renamed over the old file when it is whole; SFTP has to remove that one first
    ("xfer:temp-file-name", ".in.*"),
    ("xfer:disk-full-fatal", "yes"),  # else it waits for room until the job has no time left
    # Its own 1000 attempts and a week for a name keep a job busy for days. Three, 3 and 6 s apart, outlast a restart
    # of the server, and were enough for eight parallel transfers where only two logins were allowed.
    ("net:max-retries", "3"),
    ("net:persist-retries", "0"),
    ("net:reconnect-interval-base", "3"),
    ("net:reconnect-interval-multiplier", "2"),
    ("net:reconnect-interval-max", "30"),
    ("dns:max-retries", "3"),
    ("dns:fatal-timeout", "1m"),
)
"""What must hold whatever the user's rc file says; it is read all the same, for proxies and the like."""

PLAN_ONLY = ("erase", "delete_first", "del_source")
"""Options that make lftp remove something: it may plan that, and never do it."""

ROUND = "Next round"
ROUND_LINE = f'echo "{ROUND}"'
"""Parts the output of two mirrors: all that lftp prints of itself is quoted or has a colon. We go round ourselves, for
lftp's own `--loop` hangs for ever when it has gone round as often as `--parallel` says."""

SHOW_HIDDEN = "set ftp:list-options -a"
"""Lets servers list names that begin with a dot. Some take it for a name and list nothing: only a second attempt."""

IN_PLACE = ("set xfer:use-temp-file no", "set xfer:make-backup no", "set mirror:overwrite yes")
"""What `--only-existing` needs: with temporary names lftp takes every file for one that is missing."""

ENCRYPTED = (
    "ssl:verify-certificate",
    "ssl:check-hostname",
    "ftp:ssl-allow",
    "ftp:ssl-force",
    "ftp:ssl-allow-anonymous",
    "ftp:ssl-protect-data",
    "ftp:ssl-protect-list",
)
"""What is switched on for FTPS. Without it lftp encrypts where the server offers it, and as the user's rc file says."""

_HOST = re.compile(r"[^\W_](?:[\w.-]*[^\W_])?\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:")
_PLAIN_IN_URL = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-")


def quote(text: str) -> str:
    r"""Return the text as one argument of an lftp command.

    Raises: ConfigError for what no argument of lftp can hold: a line feed ends a command even between quotes, and NUL
    ends the script.
    """
    if not can_name(text):
        raise ConfigError(f"{text!r} has a line break or a NUL in it, which lftp cannot be told; write it without")
    # Between double quotes a backslash protects `"`, `\` and `!`, and stands for itself before anything else.
    return '"' + re.sub(r'(["\\!])', r"\\\1", text) + '"'


def preamble(server: Server, silence_secs: float) -> list[str]:
    """Return the lines that every script begins with: no alias, safe settings, and the server opened.

    `silence_secs`: what a server may take to say something before the attempt has failed.
    Raises: ConfigError for what cannot be sent, or not safely.
    """
    settings = [*SAFETY, ("net:timeout", f"{max(1, round(silence_secs))}s"), *_protocol_settings(server)]
    return [
        *(f"alias {name}" for name in COMMANDS),
        *(f"set {name} {quote(value)}" for name, value in settings),
        _open_line(server),
    ]


def mirror_lines(job: Job, plan_file: str | None = None) -> list[str]:
    """Return the lines that mirror and remove nothing; with `plan_file`, that write there what it would do.

    The plan always has the removals, for with `--delete` lftp sees what changes its kind.
    Raises: ConfigError for what cannot be sent, or not safely.
    """
    planning = plan_file is not None
    words = ["mirror", "--delete", quote(f"--script={plan_file}")] if planning else ["mirror", "--verbose=1"]
    left_out = ("erase", "delete_first") if planning else PLAN_ONLY
    for option in OPTIONS:
        if option.lftp and job.wants(option.name) and option.name not in left_out:
            value = job.options[option.name]
            words.append(option.lftp if value is True else quote(f"{option.lftp}={value}"))
    for kind, pattern in _globs(job):
        words += [BY_NAME[f"{kind}_glob"].lftp, quote(pattern)]
    words += ["--exclude", quote(TEMPORARY)]
    words += ["--exclude", quote(LINE_BREAK)] if job.reverse and has_line_commands(job.server) else []
    words.append("--")
    ends = [_remote(job.server, job.remote), _local(job.local)]
    line = " ".join(words + (ends[::-1] if job.reverse else ends))
    return [*IN_PLACE, line] if job.wants("only_existing") else [line]


def list_line(directories: Sequence[str], into_file: str, depth: int | None = None) -> str:
    """Return the line that appends a listing of remote directories with all below them to a local file.

    One that cannot be listed does not keep it from the others.
    """
    limit = [] if depth is None else ["--maxdepth", str(depth)]
    return " ".join(["find", "-l", *limit, "--", *map(_remote_word, directories), ">>", quote(into_file)])


def enter_line(directory: str) -> str:
    """Return the line that goes to a remote directory; all paths are relative to it then."""
    word = quote(f"./{directory}") if directory.startswith("-") else _remote_word(directory)  # `cd` knows no `--`
    return f"cd {word}"


def make_line(directory: str) -> str:
    """Return the line that makes a remote directory, and those that it is in."""
    return f"mkdir -p -- {_remote_word(directory)}"


def url_lines(directory: str, into_file: str) -> list[str]:
    """Return the lines that go to a remote directory and write its URL into a local file."""
    return [enter_line(directory), f"pwd > {quote(into_file)}"]


def can_name(path: str) -> bool:
    """Return whether a path can be an argument: see `quote`."""
    return "\n" not in path and "\0" not in path


def has_line_commands(server: Server) -> bool:
    """Return whether a line break in a name begins another command to this server."""
    return server.protocol is not Protocol.SFTP


def remove_lines(doomed: Iterable[tuple[str, bool]]) -> list[str]:
    """Return the lines that remove remote paths, (path, is it a directory), each whatever became of the others."""
    return [
        "set cmd:fail-exit no",
        *(f"{'rmdir' if is_dir else 'rm'} -- {_remote_word(path)}" for path, is_dir in doomed),
    ]


def _globs(job: Job) -> Sequence[tuple[str, str]]:
    globs = job.options.get(GLOBS, ())
    assert isinstance(globs, tuple)
    return globs


def _remote(server: Server, directory: str) -> str:
    """Return the remote directory as an argument."""
    _demand_sendable(server, "the remote directory", directory)
    if _URL.match(directory):
        raise ConfigError(
            f"the remote directory {directory!r} looks like a URL, write only the directory, or ./ before it"
        )
    # A slash at the end would mean: into a directory there that is called like the source.
    return _remote_word(directory.rstrip("/") or directory)


def _remote_word(path: str) -> str:
    """Return a remote path as an argument that is not taken for a URL, by which `rm` would remove local files."""
    return quote(f"./{path}" if _URL.match(path) else path)


def _local(path: Path) -> str:
    """Return a local directory as an argument: a URL, which can spell a line feed too.

    Without the dot lftp takes a link to a directory for a file, and removes it.
    """
    octets = f"{path}/.".encode("utf-8", "surrogateescape")
    return quote("file:" + "".join(chr(octet) if octet in _PLAIN_IN_URL else f"%{octet:02X}" for octet in octets))


def _demand_sendable(server: Server, what: str, text: str) -> None:
    """Refuse what would be a second command to the server: lftp sends a line feed as it is (measured)."""
    if "\n" in text or "\0" in text or ("\r" in text and has_line_commands(server)):
        raise ConfigError(f"{what} {text!r} has a line break in it, which would be a second command to the server")


def _protocol_settings(server: Server) -> list[tuple[str, str]]:
    if server.protocol is Protocol.SFTP:
        return [("sftp:connect-program", _ssh_command(server))]
    settings = [] if server.ca_file is None else [("ssl:ca-file", str(server.ca_file))]
    if server.protocol is not Protocol.FTP:
        settings += [(name, "yes") for name in ENCRYPTED]
    return settings


def _ssh_command(server: Server) -> str:
    """Return the command that lftp hands to a shell, with user, port and host behind it."""
    words = ["ssh -a -x -o StrictHostKeyChecking=accept-new"]
    if server.password is None:
        words.append("-o BatchMode=yes")  # else it waits for an answer that nobody can give
    if server.key_file is not None:
        path = str(server.key_file)
        if "%" in path or "${" in path:
            raise ConfigError(f"the key file {path!r} has % or ${{ in its name, which ssh replaces; rename it")
        words.append("-o IdentitiesOnly=yes -i '" + path.replace("'", "'\\''") + "'")
    return " ".join(words)


def _open_line(server: Server) -> str:
    if not _HOST.fullmatch(server.host):
        raise ConfigError(f"the host {server.host!r} can be none; give a name or an address")
    scheme = {Protocol.SFTP: "sftp", Protocol.FTPS_IMPLICIT: "ftps"}.get(server.protocol, "ftp")
    host = f"[{server.host.replace('%', '%25')}]" if ":" in server.host else server.host
    words = ["open"]
    if server.user is not None:
        _demand_sendable(server, "the user", server.user)
        words += ["--user", quote(server.user), "--env-password"]
    return " ".join([*words, quote(f"{scheme}://{host}" + ("" if server.port is None else f":{server.port}"))])
