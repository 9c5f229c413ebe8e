"""What lftp is told, as the lines of its script. Pure, and the only place that spells lftp's language.

Every word that comes from a user, a file or a server goes through `quote`, so it is one argument and nothing else.
"""

from collections.abc import Iterable

from ftpretrieve.errors import ConfigError
from ftpretrieve.mirror.records import Job, Protocol, Server

COMMANDS = ("set", "open", "mirror", "find", "rm", "rmdir", "cls", "echo", "exit")
"""The commands we use, whose aliases in the user's rc file must not change what they mean."""

RETRIES = 4
"""Attempts in a row that may fail before lftp gives up; its default of 1000 takes days."""

SAFETY = (
    ("cmd:fail-exit", "yes"),
    ("cmd:interactive", "no"),
    ("cmd:move-background", "no"),  # lftp would go on in the background when it is told to end
    ("xfer:use-temp-file", "yes"),
    ("xfer:temp-file-name", ".in.*"),
    ("xfer:clobber", "yes"),
    ("mirror:exclude-regex", r"(^|/)(\.in\.|\.nfs)"),
    ("mirror:include-regex", ""),
    ("mirror:overwrite", "yes"),
    ("mirror:require-source", "yes"),
    ("color:use-color", "no"),
    ("xfer:log", "no"),
    ("net:max-retries", str(RETRIES)),
    ("net:persist-retries", "0"),
    ("net:reconnect-interval-base", "3"),
    ("net:reconnect-interval-multiplier", "2"),
    ("net:reconnect-interval-max", "30"),
    ("dns:max-retries", "3"),
)
"""What must hold whatever the user's rc file says."""


def quote(text: str) -> str:
    r"""Return the text as one argument of an lftp command.

    Raises: ConfigError for the two characters that no argument of lftp can hold: a line feed ends a command even
    between quotes (measured, 4.9.2), and NUL ends the text.
    """
    if "\n" in text or "\0" in text:
        raise ConfigError(f"{text!r} holds a line break or NUL, which lftp cannot be told; rename it")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def preamble(server: Server, timeout_secs: float) -> list[str]:
    """Return the lines that every script begins with: no alias, safe settings, and the server opened.

    `timeout_secs`: silence of the server after which an attempt has failed.
    """
    lines = [f"alias {name}" for name in COMMANDS]
    settings = [*SAFETY, ("net:timeout", f"{max(1, round(timeout_secs))}s"), *_protocol_settings(server)]
    lines += [f"set {name} {quote(value)}" for name, value in settings]
    return [*lines, _open_line(server)]


def mirror_line(job: Job, plan_file: str | None = None) -> str:
    """Return the line that mirrors, or with `plan_file` only writes there what it would do."""
    words = ["mirror", "--verbose=1"]
    if plan_file is not None:
        words.append(quote(f"--script={plan_file}"))
    ends = [job.remote, str(job.local)]
    if job.reverse:
        words.append("--reverse")
        ends.reverse()
    return " ".join([*words, "--", *map(quote, ends)])


def list_line(directory: str, into_file: str, depth: int | None = None) -> str:
    """Return the line that appends a listing of a remote directory with all below it to a local file."""
    limit = [] if depth is None else ["--maxdepth", str(depth)]
    return " ".join(["find", "-l", *limit, "--", quote(directory), ">>", quote(into_file)])


def url_lines(directory: str, into_file: str) -> list[str]:
    """Return the lines that write the URL of a remote directory into a local file; paths are relative to it then."""
    return [f"cd {quote(directory)}", f"pwd > {quote(into_file)}"]


def remove_lines(doomed: Iterable[tuple[str, bool]]) -> list[str]:
    """Return the lines that remove remote paths, each (path, is it a directory) on its own whatever became of others."""
    return ["set cmd:fail-exit no", *(f"{'rmdir' if is_dir else 'rm'} -- {quote(path)}" for path, is_dir in doomed)]


def _protocol_settings(server: Server) -> list[tuple[str, str]]:
    if server.protocol is Protocol.SFTP:
        return [("sftp:connect-program", _ssh_command(server)), ("sftp:auto-confirm", "no")]
    settings = [("ssl:verify-certificate", "yes"), ("ssl:check-hostname", "yes")]
    if server.ca_file is not None:
        settings.append(("ssl:ca-file", str(server.ca_file)))
    if server.protocol is not Protocol.FTP:
        names = ("ftp:ssl-force", "ftp:ssl-protect-data", "ftp:ssl-protect-list", "ftp:ssl-allow-anonymous")
        settings += [(name, "yes") for name in names]
    return settings


def _ssh_command(server: Server) -> str:
    words = ["ssh -a -x -o StrictHostKeyChecking=accept-new"]
    if server.password is None:
        words.append("-o BatchMode=yes")
    if server.key_file is not None:
        path = "'" + str(server.key_file).replace("'", "'\\''") + "'"
        words.append(f"-o IdentitiesOnly=yes -i {path}")
    return " ".join(words)


def _open_line(server: Server) -> str:
    scheme = {Protocol.SFTP: "sftp", Protocol.FTPS_IMPLICIT: "ftps"}.get(server.protocol, "ftp")
    host = f"[{server.host}]" if ":" in server.host else server.host
    port = "" if server.port is None else f":{server.port}"
    user = [] if server.user is None else ["--user", quote(server.user), "--env-password"]
    return " ".join(["open", *user, quote(f"{scheme}://{host}{port}")])
