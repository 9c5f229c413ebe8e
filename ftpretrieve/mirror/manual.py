"""The help of lftp-mirror, a manual page a mode, made of the table of options and the keys of a file.

Must not: print, or tell of an option or key what its row does not.
"""

import textwrap
from collections.abc import Iterable

from ftpretrieve.config import Key
from ftpretrieve.manpage import defined, examples, page, paragraph
from ftpretrieve.mirror.options import OPTIONS, Group, Option, Place
from ftpretrieve.mirror.settings import KEYS, SYSTEM_CONFIG
from ftpretrieve.mirror.smtp import KEYS as SMTP_KEYS

SYNOPSES = {
    Place.SHELL: "SITE REMOTE LOCAL (-l USER PASSWORD | -a) [OPTION ...]",
    Place.CFG: "[-q] [--json] FILE",
    Place.CRON: "[-q] [--json] [-c FILE]",
}

PURPOSES = {
    Place.SHELL: "mirror one directory; everything stands on the command line",
    Place.CFG: "mirror what the sections of FILE say, one after another",
    Place.CRON: f"mirror what the section [cron] of {SYSTEM_CONFIG.name} says",
}

_JOB = """A download makes LOCAL like REMOTE; with -r an upload makes REMOTE like LOCAL. LOCAL is created when it is
missing. Beside it, in its parent, go the log, the report of each run appended, and after a download that ended well a
compressed copy, one for each day of the week. The report is mailed too."""

_SAFETY = """Files get their final names when they are whole. What -e would remove is counted before anything is
changed; when it is too much, as after a source was emptied by mistake, nothing is done. A job ends well only if what
was to be transferred is there."""

_DESCRIPTIONS = {
    Place.SHELL: (
        """SITE is a host name, an address, or a URL with protocol, port and user: ftp://HOST:PORT, ftps://HOST,
sftp://USER@HOST; an IPv6 address with a port stands in brackets, [2001:db8::1]:2121. REMOTE is a directory there, LOCAL
one here. Options may stand before, between and behind these three, and short ones together as in -aenP.""",
        _JOB,
        _SAFETY,
    ),
    Place.CFG: (
        """Each section of FILE is a job, in the order of the file; a job that fails does not keep the others from
running. All mistakes of the file are told before anything is begun.""",
        _JOB,
        _SAFETY,
    ),
    Place.CRON: (
        """Reads one job from a file, so that a line of a crontab need not hold it: the section [cron] with the keys
that `cfg --help` tells of. Other sections are not run.""",
        _JOB,
        _SAFETY,
    ),
}

_EXAMPLES = {
    Place.SHELL: (
        ("Only see what would be done", "{prog} shell ftp.example.org /pub/doc /srv/mirror/doc -a -en --dry-run"),
        ("The same, done, two files at a time", "{prog} shell ftp.example.org /pub/doc /srv/mirror/doc -aenP"),
        ("Upload over SFTP with the keys of SSH", "{prog} shell sftp://joe@example.org /srv/in ./out -r"),
        (
            "With TLS and some patterns; the password is asked for",
            "{prog} shell --tls example.org / ./all -l joe - --exclude-glob '*.iso' --include-glob 'doc*'",
        ),
    ),
    Place.CFG: (("All jobs of a file, and nothing on the terminal unless one fails", "{prog} cfg -q ~/mirrors.cfg"),),
    Place.CRON: (("In a crontab, every night at two", "0 2 * * *  {prog} cron -q"),),
}

_SECTION = """[debian]
site = ftp.debian.org
remote = /debian/doc
local = /srv/mirror/debian
options = -aenP --exclude-glob '*.txt' --include-glob 'social*'"""

_PASSWORDS = """password is base64 (printf %s PASSWORD | base64), which hides it from a glance and from nobody else:
keep the file from others (chmod o-rwx). env:NAME, file:PATH and command:PROGRAM name a place where it is kept. A blank
one means the keys of SSH, and is for SFTP only. Relative paths start from the working directory."""

EXIT_CODES = (
    ("0", "all jobs ended well"),
    ("1", "some failed or were refused; the others ran all the same"),
    ("2", "wrong arguments"),
    ("4", "not permitted: a configuration file may not be read"),
    ("6", "wrong configuration, or lftp is missing"),
    ("75", "worth another try later: the servers were away, or another run is at work in LOCAL"),
    ("129", "ended by SIGHUP: the terminal went away"),
    ("130", "interrupted"),
    ("141", "whoever read the output went away"),
    ("143", "ended by SIGTERM"),
)

_LOG = ("LOCAL/../lftp_mirror.log", "the reports")
_COPY = (
    "LOCAL/../NAME_08dec2010_13:52_wed.tar.gz",
    "a compressed copy; unpack with: tar xzf ./NAME_... (without ./ tar takes what is before the colon for a host)",
)
_LOCK = ("LOCAL/../.NAME.lftp-mirror.lock", "keeps a second run from working in LOCAL at the same time")
_PARTIAL = (".in.*", "in both directories: a file that is being transferred, until it is whole")
_LFTP = ("~/.lftprc, ~/.config/lftp/rc", "settings of lftp itself, such as a proxy")
_CONFIGS = (
    (f"$XDG_CONFIG_HOME/ftpretrieve/{SYSTEM_CONFIG.name}", "the file of cron; ~/.config when that is not set"),
    (str(SYSTEM_CONFIG), "the file of cron, when the user has none"),
)
_WRITTEN = (_LOG, _COPY, _LOCK, _PARTIAL, _LFTP)
_FILES = {Place.SHELL: _WRITTEN, Place.CFG: _WRITTEN, Place.CRON: (*_CONFIGS, *_WRITTEN)}

_ENVIRONMENT = {
    Place.SHELL: (("LFTP_PASSWORD", "the password when that of -l is -"),),
    Place.CFG: (("NAME", "whatever a password = env:NAME refers to"),),
    Place.CRON: (("XDG_CONFIG_HOME", "see FILES"), ("NAME", "whatever a password = env:NAME refers to")),
}


_SMTP_TITLE = "KEYS OF THE FILE OF --smtp-config, IN ITS SECTION [smtp]"


def usage(prog: str, place: Place | None = None) -> str:
    """Return the line, or without a mode the lines, of how it is called."""
    places = [place] if place else list(SYNOPSES)
    lines = [f"{prog} {each} {SYNOPSES[each]}" for each in places]
    return "usage: " + "\n       ".join(lines) + "\n"


def overview(prog: str) -> str:
    """Return the help without a mode."""
    rows = [(f"{prog} {place} {SYNOPSES[place]}", PURPOSES[place]) for place in SYNOPSES]
    return page(
        {
            "NAME": paragraph(f"{prog} - keep two directories alike, with reports, mails and compressed copies"),
            "MODES": defined(rows),
            "OPTIONS": defined((_spelling(option), option.help) for option in OPTIONS if _tells(option)),
            "EXIT CODES": defined(EXIT_CODES),
            "SEE ALSO": paragraph(", ".join(f"{prog} {place} --help" for place in SYNOPSES) + ", lftp(1)"),
        }
    )


def manual(place: Place, prog: str) -> str:
    """Return the whole help of a mode."""
    return page(
        {
            "NAME": paragraph(f"{prog} {place} - {PURPOSES[place]}"),
            "SYNOPSIS": f"    {prog} {place} {SYNOPSES[place]}\n",
            "DESCRIPTION": "\n".join(map(paragraph, _DESCRIPTIONS[place])),
            **({"KEYS OF A SECTION": _job_keys()} if place is Place.CFG else {}),
            "OPTIONS": _options(place),
            **({_SMTP_TITLE: _keys(SMTP_KEYS)} if place is Place.SHELL else {}),
            "EXAMPLES": examples((words, line.format(prog=prog)) for words, line in _EXAMPLES[place]),
            "EXIT CODES": defined(EXIT_CODES),
            "FILES": defined(_FILES[place]),
            "ENVIRONMENT": defined(_ENVIRONMENT[place]),
            "SEE ALSO": paragraph("lftp(1), ftpglob(7)" if place is Place.SHELL else f"{prog} shell --help, lftp(1)"),
        }
    )


def _tells(option: Option) -> bool:
    return Place.SHELL in option.places and Place.CFG in option.places and Place.SECTION not in option.places


def _job_keys() -> str:
    example = textwrap.indent(_SECTION, "        ")
    return f"{_keys(KEYS)}\n{paragraph(_PASSWORDS)}\n    A section:\n{example}\n"


def _keys(keys: Iterable[Key]) -> str:
    return defined((key.name, key.help + ("; required" if key.default is None else "")) for key in keys)


def _options(place: Place) -> str:
    here = [option for option in OPTIONS if place in option.places]
    parts = []
    for group in Group:
        rows = [(_spelling(option), option.help) for option in here if option.group is group]
        if rows:
            parts.append(f"  {group}\n{defined(rows)}")
    old = [flag for option in here for flag in option.old_flags]
    if old:
        parts.append(paragraph(f"Old spellings are still understood: {', '.join(old)}."))
    if place is not Place.SHELL:
        parts.append(paragraph("All others stand in the file, in `options =`; `shell --help` tells of them."))
    return "\n".join(parts)


def _spelling(option: Option) -> str:
    return ", ".join(option.flags) + (f" {option.metavar}" if option.metavar else "")
