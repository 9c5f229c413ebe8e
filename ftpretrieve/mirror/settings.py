"""The jobs of a run: from the words of the mode `shell`, or from the sections of a file.

All that is wrong is said at once, where it stands. Nothing is created and no server is asked; no secret is shown.
Relative paths start from the working directory, in files too: that is how such files have always been read.
"""

import getpass
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ftpretrieve import config
from ftpretrieve.config import REQUIRED, ConfigFile, Key
from ftpretrieve.errors import ConfigError, FtpRetrieveError
from ftpretrieve.mirror.arguments import Parsed, parse
from ftpretrieve.mirror.assemble import (
    PASSWORD_VARIABLE,
    SMTP_FILE,
    STAND_IN,
    Problems,
    Written,
    make_job,
    real,
    take_typed,
)
from ftpretrieve.mirror.credentials import exposed, in_file
from ftpretrieve.mirror.options import Place
from ftpretrieve.mirror.records import Job, Protocol

SYSTEM_CONFIG = Path("/etc/ftpretrieve/mirror.cfg")

CRON_SECTION = "cron"

NO_JOB = "DEFAULT"
"""A section that the standard library gives a meaning of its own, in which nobody may expect a job."""

ASK = "-"
"""The password that means: I do not want to write it here."""

WORDS = ("SITE", "REMOTE", "LOCAL")
LABELS = {"site": "SITE", "remote": "REMOTE", "local": "LOCAL", "port": "port", "user": "user", "password": "password"}
"""What a key of a file is called on the command line; options name themselves."""

KEYS = (
    # A site may have a password in it, and options another one, so no error of the reader may show them.
    Key("", "site", str, REQUIRED, "the server: a name or address, or ftp://…, ftps://…, sftp://…", secret=True),
    Key("", "port", config.optional(config.whole(1, 65_535)), "", "its port; blank: that of the protocol"),
    Key("", "remote", str, REQUIRED, "directory at the server"),
    Key("", "local", str, REQUIRED, "directory here; its parent takes the log and the compressed copies"),
    Key("", "user", str, "", "user at the server; blank: the option -a is required"),
    Key("", "password", str, "", "the user's password in base64, or env:NAME, file:PATH, command:PROGRAM", secret=True),
    Key("", "options", config.words, "", "options as in the mode shell, quoted as in a shell", secret=True),
)  # fmt: skip
"""The keys that each section has."""


class WrongArguments(FtpRetrieveError):
    """The command line must be mended. `problems` holds one line per mistake."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


# -- from the command line --------------------------------------------------------------------------------------------


def ask_on_terminal(prompt: str) -> str:
    """Ask for a password. Raises: WrongArguments when nobody can be asked."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        return getpass.getpass(prompt)
    except (OSError, EOFError):
        raise WrongArguments([f"password: there is no terminal to ask on; set ${PASSWORD_VARIABLE}"]) from None


def shell_job(
    parsed: Parsed, *, environ: Mapping[str, str] = os.environ, ask: Callable[[str], str] = ask_on_terminal
) -> Job:
    """Return the job that the words of the mode `shell` describe.

    Raises: WrongArguments with all that is wrong; ConfigError when all of it is in the file of --smtp-config.
    """
    problems: Problems = []
    written = Written(parsed, *_three(parsed.words, problems))
    login = parsed.values["login"]
    asked = False
    if isinstance(login, tuple):
        written.user, password = login
        asked = password == ASK
        # Nobody should be asked before the rest is right, so that nobody types a password twice.
        written.password = STAND_IN if asked else take_typed(password, problems)
    job = make_job(Place.SHELL, written, problems)
    if job is None or problems:
        raise _wrong(problems)
    if asked and not environ.get(PASSWORD_VARIABLE):
        return _with_answer(job, ask)
    return job


def _three(words: Sequence[str], problems: Problems) -> tuple[str | None, str | None, str | None]:
    if missing := WORDS[len(words) :]:
        verb = "is" if len(missing) == 1 else "are"
        problems.append(("options", f"{' '.join(missing)} {verb} missing; after options come {' '.join(WORDS)}"))
    more = len(words) - len(WORDS)
    if more > 0:  # not shown: it may be part of a password with a blank in it
        problems.append(("options", f"{more} more than {' '.join(WORDS)}; put quotes around what has blanks in it"))
    site, remote, local = (words[place] if place < len(words) else None for place in range(len(WORDS)))
    return site, remote, local


def _with_answer(job: Job, ask: Callable[[str], str]) -> Job:
    server = job.server
    problems: Problems = []
    password = take_typed(ask(f"Password of {server.user} at {server.host}: "), problems)
    if password is None and server.protocol is not Protocol.SFTP and not problems:
        problems.append(("password", "is blank; only SFTP can do without, by the keys of SSH"))
    if problems:
        raise _wrong(problems)
    return replace(job, server=replace(server, password=password))


def _wrong(problems: Problems) -> FtpRetrieveError:
    if all(key == SMTP_FILE for key, _ in problems):
        return ConfigError([words for _, words in problems])
    return WrongArguments([f"{LABELS[key]}: {words}" if key in LABELS else words for key, words in problems])


# -- from a file ------------------------------------------------------------------------------------------------------


def find_config(given: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the file that the mode `cron` reads: `given` (-c), the user's, the system's.

    One that was named is returned whether it exists or not. Raises: ConfigError with the places when there is none.
    """
    if given:
        return Path(os.path.abspath(os.path.expanduser(given)))
    places = config.usual_places(SYSTEM_CONFIG, environ)
    for place in places:
        if place.is_file():
            return place
    looked = " or ".join(map(str, places))
    raise ConfigError(f"there is no {looked}; create one from the sample, or name one with -c")


def read_jobs(path: str | Path, *, only: str | None = None) -> tuple[Job, ...]:
    """Return the jobs of a file in the order of its sections, or the one of the section `only`.

    The whole file must be right in any case. Raises: ConfigError with all that is wrong.
    """
    file = ConfigFile(path)
    if not file.sections:
        raise ConfigError(f"{file.path}: has no section; each job is one, such as [debian]")
    if only is not None and only not in file.sections:
        there = ", ".join(f"[{section}]" for section in file.sections)
        raise ConfigError(f"{file.path}: has no section [{only}], but {there}; rename the one that is meant")
    sections = [section for section in file.sections if section != NO_JOB]
    values = file.read([replace(key, section=section) for section in sections for key in KEYS])
    jobs = []
    for section in sections:
        job = _section_job(file, section, {name: value for (where, name), value in values.items() if where == section})
        if job is not None and only in (None, section):
            jobs.append(job)
    _complain_about_nested(file, jobs)
    file.finish()
    return tuple(jobs)


def _section_job(file: ConfigFile, section: str, values: dict[str, Any]) -> Job | None:
    """Return the job of a section. `values`: of KEYS, without those about which the reader has complained."""
    problems: Problems = []
    parsed = parse(values.get("options", ()), Place.SECTION)
    if parsed.words:  # not shown: it may be part of a password with a blank in it
        words = f"{len(parsed.words)} more than the options and their values; put quotes around what has blanks in it"
        problems.append(("options", words))
    site, remote, local, port, user = (values.get(key) for key in ("site", "remote", "local", "port", "user"))
    written = Written(parsed, site, remote, local, port, user)
    try:
        label = f"[{section}] password"
        written.password = in_file(values.get("password", ""), file.path, label, bare_base64=True)
    except ValueError as error:
        file.complain(section, "password", str(error))
        del values["password"]
    job = make_job(section, written, problems)
    whole = len(values) == len(KEYS)
    for key, words in problems:
        if whole or key not in ("user", "password"):  # which may be missing only because another key is wrong
            file.complain(section, "options" if key == SMTP_FILE else key, words)
    return job and _with_warning(job, parsed, file.path)


def _with_warning(job: Job, parsed: Parsed, path: Path) -> Job:
    """Add a note if the file has a password in it and can be read by others."""
    password = job.server.password
    warning = exposed(path) if password and password.is_in_config or "smtp_pass" in parsed.given else None
    return replace(job, notes=(warning, *job.notes)) if warning else job


def _complain_about_nested(file: ConfigFile, jobs: Sequence[Job]) -> None:
    """Find what one job keeps where another one, a download with -e, would remove it."""
    for eraser in jobs:
        if eraser.reverse or not eraser.wants("erase"):
            continue
        erased = real(eraser.local)
        for job in jobs:
            # The same directory may be filled by one and uploaded by another, which is how files are passed on.
            passed_on = job.reverse and real(job.local) == erased
            for place in (None if passed_on else job.local, job.options["backup_dir"]):
                if job is not eraser and isinstance(place, Path) and real(place).is_relative_to(erased):
                    words = f"{place} lies where [{eraser.name}] removes (-e) what its own server does not have"
                    file.complain(job.name, "local" if place == job.local else "options", f"{words}; move one of them")
