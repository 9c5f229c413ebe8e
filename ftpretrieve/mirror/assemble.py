"""Make one job of what was written about it, whichever way, and find all that is wrong with it.

A problem is a pair: the key as it is called in a file, and words about it; whoever asked knows how to name its place.
Looks at files that are named, but creates nothing and asks no server. No secret gets into a problem.
"""

import os
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path

from ftpretrieve.errors import ConfigError
from ftpretrieve.mirror.arguments import Parsed
from ftpretrieve.mirror.credentials import typed
from ftpretrieve.mirror.options import OF_JOB, contradictions, idle
from ftpretrieve.mirror.records import Job, Mail, Protocol, Server
from ftpretrieve.mirror.site import IMPLICIT_PORT, Site, parse_site
from ftpretrieve.mirror.smtp import from_options, read_smtp
from ftpretrieve.passwords import Secret, is_sendable

ANONYMOUS_USERS = ("anonymous", "ftp")
"""Users for whom a blank password is no mistake."""

SMTP_FILE = "file of --smtp-config"
"""The key of problems that were found in that file; they name file and line themselves."""

PASSWORD_VARIABLE = "LFTP_PASSWORD"

STAND_IN = Secret(f"env:{PASSWORD_VARIABLE}")
"""The password that -l - means; also for one that was complained about, which must not seem to be missing too."""

Problems = list[tuple[str, str]]


@dataclass(slots=True, repr=False)
class Written:
    """What was written about one job. None: not at all, or not in a usable way, about which was complained before."""

    parsed: Parsed
    site: str | None = None
    remote: str | None = None
    local: str | None = None
    port: int | None = None
    user: str | None = None
    password: Secret | None = None
    notes: list[str] = field(default_factory=list)


def make_job(name: str, written: Written, problems: Problems) -> Job | None:
    """Return the job, or None after what is wrong was added to `problems`."""
    before = len(problems)
    values, given = written.parsed.values, written.parsed.given
    problems += [("options", words) for words in (*written.parsed.problems, *contradictions(values, given))]
    server = _server(written, problems)
    local = _local(written.local, problems)
    if written.remote == "":
        problems.append(("remote", "is empty; name a directory, such as / or ."))
    options = {key: values[key] for key in OF_JOB}
    options["backup_dir"] = _backup_dir(values["backup_dir"], local, problems)
    mail = None if values["no_email"] else _mail(written, problems)
    if len(problems) > before or server is None or local is None or written.remote is None:
        return None
    # With a slash behind REMOTE lftp would upload into a directory below it, called like LOCAL.
    remote = written.remote.rstrip("/") or "/"
    return Job(name, server, remote, local, options, mail, (*written.notes, *idle(values, given)))


# -- the server -------------------------------------------------------------------------------------------------------


def _server(written: Written, problems: Problems) -> Server | None:
    values = written.parsed.values
    key_file, ca_file = _file("--key", values["key"], problems), _file("--ca-file", values["ca_file"], problems)
    if written.site is None:
        return None
    try:
        site = parse_site(written.site)
    except ValueError as error:
        problems.append(("site", str(error)))
        return None
    ports = {port for port in (site.port, written.port, values["port"]) if isinstance(port, int)}
    if len(ports) > 1:
        problems.append(("port", f"is said to be {' and '.join(map(str, sorted(ports)))}; keep one of them"))
    port = min(ports, default=None)
    protocol = _protocol(site, written.parsed, port, problems)
    if key_file is not None and protocol is Protocol.SFTP:
        _check_key(key_file, problems)
    user, password = _login(site, written, protocol, problems)
    return Server(protocol, site.host, port, user, password, key_file, ca_file)


def _protocol(site: Site, parsed: Parsed, port: int | None, problems: Problems) -> Protocol:
    """Return how to speak to the server. Two options that exclude each other have been complained about before."""
    wanted = Protocol.SFTP if parsed.values["secure"] else Protocol.FTPS if parsed.values["tls"] else None
    said = site.protocol
    if said and wanted and (said, wanted) != (Protocol.FTP, Protocol.FTPS) and said is not wanted:
        flag = "-s" if wanted is Protocol.SFTP else "--tls"
        problems.append(("options", f"{flag} and a site with {said}:// contradict each other; leave one of them out"))
    protocol = wanted or said or Protocol.FTP
    if "key" in parsed.given and protocol is not Protocol.SFTP and wanted is None:
        problems.append(("options", "--key: is for SFTP only; give -s too, or leave it out"))
    if "ca_file" in parsed.given and protocol is not Protocol.FTPS and wanted is None:
        problems.append(("options", "--ca-file: is for TLS only; give --tls too, or leave it out"))
    if "anonymous" in parsed.given and protocol is Protocol.SFTP and wanted is None:
        problems.append(("options", "-a and sftp://: SSH has no anonymous login; give a user"))
    return Protocol.FTPS_IMPLICIT if protocol is Protocol.FTPS and port == IMPLICIT_PORT else protocol


def _login(site: Site, written: Written, protocol: Protocol, problems: Problems) -> tuple[str | None, Secret | None]:
    user, password = written.user or site.user or None, written.password
    if written.user and site.user and written.user != site.user:
        problems.append(("user", "is another one than that in the site; keep one of them"))
    if site.password and password is not None:
        problems.append(("password", "stands in the site as well; keep one of them"))
    elif site.password:
        password = take_typed(site.password, problems)
    if "anonymous" in written.parsed.given:
        if (user or password is not None) and "login" not in written.parsed.given:
            problems.append(("user", "and -a exclude each other; leave one of them out"))
        return None, None
    if user is None:
        problems.append(("user", "is missing; give user and password, or the option -a for an anonymous login"))
    elif not is_sendable(user):
        problems.append(("user", "has control characters in it; remove them"))
    elif password is None and protocol is not Protocol.SFTP and user not in ANONYMOUS_USERS:
        problems.append(("password", "is missing; only SFTP can do without, by the keys of SSH"))
    return user, password


def take_typed(password: str, problems: Problems) -> Secret | None:
    """Return a password as it was typed, None for a blank one; a stand-in after a complaint about it."""
    try:
        return typed(password)
    except ValueError as error:
        problems.append(("password", str(error)))
        return STAND_IN


# -- directories and files --------------------------------------------------------------------------------------------


def absolute(text: str) -> Path:
    """Return a path as it was written, from the working directory on, without `.`, `..` and `~`."""
    path = os.path.abspath(os.path.expanduser(text))
    return Path("/", path.lstrip("/"))  # abspath keeps two slashes in front


def real(path: Path) -> Path:
    """Return where a path leads through all symbolic links."""
    return Path("/", os.path.realpath(path).lstrip("/"))


def _local(text: str | None, problems: Problems) -> Path | None:
    if text is None:
        return None
    if not text:
        problems.append(("local", "is empty; name a directory"))
        return None
    local = absolute(text)
    if real(local) == Path("/"):
        problems.append(("local", "is the root of this machine; name a directory below it"))
        return None
    return local


def _backup_dir(text: object, local: Path | None, problems: Problems) -> Path | None:
    if not isinstance(text, str):
        return None
    directory = absolute(text)
    if local is not None and real(directory).is_relative_to(real(local)):
        problems.append(("options", f"--backup-dir: {directory} lies in what is mirrored; name one outside of it"))
    return directory


def _file(flag: str, text: object, problems: Problems) -> Path | None:
    if not isinstance(text, str):
        return None
    path = absolute(text)
    if not path.is_file():
        problems.append(("options", f"{flag}: there is no file {path}; mend the path"))
    return path


def _check_key(path: Path, problems: Problems) -> None:
    """Find a key of ours that others may read: ssh passes over it, and all that is seen then is a refused login."""
    if path.is_file() and path.stat().st_uid == os.getuid() and path.stat().st_mode & 0o077:
        words = f"--key: others can read {path}, so ssh does not use it; run: chmod 600 {shlex.quote(str(path))}"
        problems.append(("options", words))


# -- the mail ---------------------------------------------------------------------------------------------------------


def _mail(written: Written, problems: Problems) -> Mail | None:
    values = written.parsed.values
    recipients = values["to_addrs"]
    assert isinstance(recipients, tuple)
    if not isinstance(values["smtp_config"], str):
        try:
            return replace(from_options(values), recipients=recipients)
        except ValueError as error:
            problems.append(("options", str(error)))
            return None
    try:
        mail, notes = read_smtp(absolute(values["smtp_config"]))
    except ConfigError as error:
        problems += [(SMTP_FILE, problem) for problem in error.problems]
        return None
    written.notes += notes
    if not mail.recipients:
        return replace(mail, recipients=recipients)
    if recipients:
        written.notes.append("--to-addrs is ignored because of --smtp-config: the file says it")
    return mail
