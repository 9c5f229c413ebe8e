"""The options of mirror, one table: the parser, the help, the lftp script, the documentation and tests read its rows.

An option is found by its `name` everywhere; `lftp` is the word that lftp's `mirror` command knows it by, '' where the
work is ours. Below the table stand the rules on options that do not go together. Pure: no input or output.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum


class Kind(Enum):
    """What follows an option, and what its value then is."""

    FLAG = "nothing; bool"
    TELL = "nothing; the program says something and ends"
    LOGIN = "user and password; a pair of str"
    PORT = "a TCP port; int"
    PARALLEL = "a number, or nothing for BARE_PARALLEL; int"
    COUNT = "a number from 1 on; int"
    LIMIT = "a number or a percentage; MaxDelete"
    SECS = "a duration; float, in seconds"
    PATH = "a file or directory as it was written; str"
    TEXT = "one word; str"
    SECRET = "one word that nobody may see; str"
    ADDRESS = "a mail address; str"
    ADDRESSES = "words with an @ in them, or separated by commas; tuple of str"
    GLOB = "a pattern; all of them are the one value of GLOBS, in their order"


class Group(StrEnum):
    """What an option is about: the headline it has in the help."""

    LOGIN = "Server and login"
    SELECTION = "What is transferred"
    TRANSFER = "How it is transferred"
    REMOVAL = "What is removed"
    BACKUP = "Compressed copies"
    MAIL = "The mailed report"
    OUTPUT = "Output"


class Place(StrEnum):
    """Where an option may stand: behind one of the three modes, or in `options =` of a section of a file."""

    SHELL = "shell"
    CFG = "cfg"
    CRON = "cron"
    SECTION = "options ="


JOB = frozenset({Place.SHELL, Place.SECTION})
MODES = frozenset({Place.SHELL, Place.CFG, Place.CRON})
ANYWHERE = frozenset(Place)

GLOBS = "globs"
"""The key of all patterns together. Shape: ('exclude' or 'include', pattern), in the order in which they were given."""

BARE_PARALLEL = 2
"""What -P alone has always meant."""


@dataclass(frozen=True, slots=True)
class MaxDelete:
    """The most that may be removed: a number of files and links, or a part of those at the target."""

    number: int
    is_percent: bool = False

    def of(self, present: int) -> int:
        """Return how many that is when so many are at the target, rounded down."""
        return present * self.number // 100 if self.is_percent else self.number

    def __str__(self) -> str:
        return f"{self.number}%" if self.is_percent else str(self.number)


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `flags`: the short spelling first. `old_flags`: still understood, but not shown in the help."""

    name: str
    flags: tuple[str, ...]
    help: str
    group: Group
    kind: Kind = Kind.FLAG
    metavar: str = ""
    default: object = None
    lftp: str = ""
    old_flags: tuple[str, ...] = ()
    implies: str = ""  # name of an option that it switches on
    places: frozenset[Place] = JOB

    @property
    def flag(self) -> str:
        """Return the spelling that messages use: the short one, for it is what crontabs have."""
        return self.flags[0]

    @property
    def unset(self) -> object:
        """Return its value when it is not given."""
        return False if self.kind in (Kind.FLAG, Kind.TELL) else self.default


_LOGIN, _WHAT, _HOW, _REMOVAL = Group.LOGIN, Group.SELECTION, Group.TRANSFER, Group.REMOVAL
_BACKUP, _MAIL, _OUTPUT = Group.BACKUP, Group.MAIL, Group.OUTPUT

OPTIONS: tuple[Option, ...] = (
    Option("login", ("-l", "--login"), "Log in as USER. Every user of this machine sees the command line in ps, and "
           "with it a PASSWORD that is written there: write - to have it asked on the terminal, or taken from "
           "$LFTP_PASSWORD when that is set. With -s a blank one ('') means the keys of SSH.", _LOGIN, Kind.LOGIN,
           "USER PASSWORD", places=frozenset({Place.SHELL})),
    Option("anonymous", ("-a", "--anonymous"), "Log in as anonymous. Required where no user is given.", _LOGIN),
    Option("port", ("-p", "--port"), "TCP port of the server, instead of the one that its protocol has.", _LOGIN,
           Kind.PORT, "PORT"),
    Option("secure", ("-s", "--secure"), "Speak SFTP, the file transfer of SSH. A host key that is new is remembered, "
           "and a changed one refused.", _LOGIN),
    Option("tls", ("--tls",), "Speak FTP over TLS (FTPS): encryption is asked for before the login (AUTH TLS), or is "
           "there from the start at port 990. The certificate must be trusted and be that of the host.", _LOGIN),
    Option("ca_file", ("--ca-file",), "Trust the certificates in FILE (PEM) instead of those that the system trusts.",
           _LOGIN, Kind.PATH, "FILE"),
    Option("key", ("--key",), "With SFTP: log in with the private key in FILE and no other.", _LOGIN, Kind.PATH,
           "FILE"),

    Option("reverse", ("-r", "--reverse"), "Upload: LOCAL is the source and REMOTE the target.", _WHAT,
           lftp="--reverse"),
    Option("newer", ("-n", "--newer"), "Transfer only files that are newer than those at the target; sizes are not "
           "compared.", _WHAT, lftp="--only-newer"),
    Option("only_missing", ("--only-missing",), "Transfer only files that are missing at the target.", _WHAT,
           lftp="--only-missing"),
    Option("only_existing", ("--only-existing",), "Transfer only files that the target already has.", _WHAT,
           lftp="--only-existing"),
    Option("ignore_size", ("--ignore-size",), "Do not look at sizes when deciding what to transfer.", _WHAT,
           lftp="--ignore-size", old_flags=("-ignore-size",)),
    Option("ignore_time", ("--ignore-time",), "Do not look at times when deciding what to transfer.", _WHAT,
           lftp="--ignore-time"),
    Option("exclude_glob", ("--exclude-glob",), "Leave out what matches the pattern GP, such as '*.txt', or 'old/' for "
           "a directory. May be repeated and mixed with --include-glob: the last pattern that matches decides. Quote "
           "patterns, or the shell replaces them.", _WHAT, Kind.GLOB, "GP", lftp="--exclude-glob"),
    Option("include_glob", ("--include-glob",), "Take what matches GP after all; when the first pattern is one of "
           "these, take no other file.", _WHAT, Kind.GLOB, "GP", lftp="--include-glob"),
    Option("no_recursion", ("--no-recursion",), "Stay out of subdirectories.", _WHAT, lftp="--no-recursion"),
    Option("no_symlinks", ("--no-symlinks",), "Do not create symbolic links.", _WHAT, lftp="--no-symlinks"),
    Option("dereference", ("--dereference",), "Transfer the files that symbolic links lead to, instead of the links.",
           _WHAT, lftp="--dereference"),
    Option("no_empty_dirs", ("--no-empty-dirs",), "Do not create directories that would be empty. Switches "
           "--depth-first on, which it cannot do without.", _WHAT, lftp="--no-empty-dirs", implies="depth_first"),

    Option("parallel", ("-P", "--parallel"), f"Transfer N files at a time; {BARE_PARALLEL} when N is left out.", _HOW,
           Kind.PARALLEL, "[N]", lftp="--parallel"),
    Option("depth_first", ("--depth-first",), "Go into subdirectories before transferring the files beside them.",
           _HOW, lftp="--depth-first"),
    Option("loop", ("--loop",), "Repeat until nothing has changed any more.", _HOW),  # see `script.ROUND`
    Option("use_cache", ("--use-cache",), "Let lftp use listings that it still knows.", _HOW, lftp="--use-cache"),
    Option("no_perms", ("--no-perms",), "Do not set the modes of files.", _HOW, lftp="--no-perms"),
    Option("no_umask", ("--no-umask",), "Set modes as they are at the source, without applying the umask.", _HOW,
           lftp="--no-umask"),
    Option("allow_suid", ("--allow-suid",), "Set the set-user-id and set-group-id bits as at the source.", _HOW,
           lftp="--allow-suid"),
    Option("allow_chown", ("--allow-chown",), "Try to set owner and group as at the source.", _HOW,
           lftp="--allow-chown"),
    Option("timeout", ("--timeout",), "Longest time of the whole job (24 h); what is still running then is ended. A "
           "server that falls silent is given up much earlier.", _HOW, Kind.SECS, "SECS", default=86_400.0),
    Option("dry_run", ("--dry-run",), "Only show what would be transferred and removed.", _HOW),

    Option("erase", ("-e", "--erase"), "Remove from the target what the source does not have. What would be removed is "
           "counted first; see --max-delete. Nothing but that is removed, and nothing that changed meanwhile.",
           _REMOVAL, lftp="--delete"),
    Option("delete_first", ("--delete-first",), "Remove before transferring instead of afterwards; switches -e on.",
           _REMOVAL, lftp="--delete-first", implies="erase"),
    Option("max_delete", ("--max-delete",), "Change nothing and fail when more than N files and links, or more "
           "than P% of those at the target, would be removed (50% where there are ten or more). All of them are never "
           "removed without --allow-empty. Without -e only files that became directories are removed.", _REMOVAL,
           Kind.LIMIT, "N|P%"),
    Option("allow_empty", ("--allow-empty",), "An empty source is no mistake; all files at the target may be removed.",
           _REMOVAL),
    Option("del_source", ("--del-source",), "Remove each file from the source once it has arrived whole.", _REMOVAL,
           lftp="--Remove-source-files"),

    Option("no_compress", ("--no-compress",), "Make no compressed copy of LOCAL after a download.", _BACKUP),
    Option("backup_dir", ("--backup-dir",), "Keep the copies in DIR instead of beside LOCAL.", _BACKUP, Kind.PATH,
           "DIR"),
    Option("keep", ("--keep",), "Keep the N newest copies, instead of one for each day of the week.", _BACKUP,
           Kind.COUNT, "N"),

    Option("no_email", ("--no-email",), "Send no mail.", _MAIL),
    Option("to_addrs", ("--to-addrs",), "Who gets the report, instead of the local user. Several addresses stand one "
           "behind the other, or with commas between them, as local users must on a command line: joe@x.org,root.",
           _MAIL, Kind.ADDRESSES, "ADDRESS ...", default=(), old_flags=("--to_addrs",)),
    Option("smtp_config", ("--smtp-config",), "Read mail server, login and addresses from the section [smtp] of FILE. "
           "The other SMTP options are then ignored.", _MAIL, Kind.PATH, "FILE", old_flags=("--smtp_config",)),
    Option("smtp_server", ("--smtp-server",), "Mail server, as HOST or HOST:PORT (localhost).", _MAIL, Kind.TEXT,
           "HOST", old_flags=("--smtp_server",)),
    Option("smtp_user", ("--smtp-user",), "User at the mail server.", _MAIL, Kind.TEXT, "USER",
           old_flags=("--smtp_user",)),
    Option("smtp_pass", ("--smtp-pass",), "Password at the mail server. It can be seen in ps, as that of -l; better "
           "use --smtp-config.", _MAIL, Kind.SECRET, "PASSWORD", old_flags=("--smtp_pass",)),
    Option("smtp_from", ("--smtp-from",), "Sender of the mail.", _MAIL, Kind.ADDRESS, "ADDRESS",
           old_flags=("--from_addr", "--smtp_from")),

    Option("quiet", ("-q", "--quiet"), "Keep the output of lftp off the terminal; the report has it all the same. Of "
           "jobs that end well nothing is said at all.", _OUTPUT, places=ANYWHERE),
    Option("json", ("--json",), "Write the reports to standard output as JSON, an object a line.", _OUTPUT,
           places=ANYWHERE),
    Option("config", ("-c", "--config"), "Configuration file, instead of those under FILES.", _OUTPUT, Kind.PATH,
           "FILE", places=frozenset({Place.CRON})),
    Option("help", ("-h", "--help"), "Show this help.", _OUTPUT, Kind.TELL, places=MODES),
    Option("version", ("-v", "--version"), "Show the version.", _OUTPUT, Kind.TELL, places=MODES),
)  # fmt: skip
"""Every option there is, in the order of the help."""

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}

OF_JOB: tuple[str, ...] = (
    *(
        option.name
        for option in OPTIONS
        if Place.SECTION in option.places and option.group not in (_LOGIN, _MAIL) and option.kind is not Kind.GLOB
    ),
    GLOBS,
)
"""The keys of `Job.options`. The other options of a job are in its `server` and `mail`."""


# -- what does not go together ----------------------------------------------------------------------------------------

CONTRADICTIONS: tuple[tuple[str, str, str], ...] = (
    ("anonymous", "login", "choose one of them"),
    ("anonymous", "secure", "SSH has no anonymous login; give a user"),
    ("secure", "tls", "SFTP is encrypted by SSH; choose one of them"),
    ("secure", "ca_file", "SSH has no certificates; leave --ca-file out"),
    ("tls", "key", "such keys are those of SFTP; choose one of them"),
    ("only_missing", "only_existing", "together they transfer nothing; choose one of them"),
    ("no_compress", "backup_dir", "there will be no copy to put there; leave one of them out"),
    ("no_compress", "keep", "there will be no copy to keep; leave one of them out"),
)
"""Two options and why they exclude each other."""

IDLE: tuple[tuple[str, str, str], ...] = (
    ("backup_dir", "reverse", "copies are made after a download only"),
    ("keep", "reverse", "copies are made after a download only"),
    *((name, "smtp_config", "the file says it") for name in ("smtp_server", "smtp_user", "smtp_pass", "smtp_from")),
    *(
        (name, "no_email", "no mail is sent")
        for name in ("to_addrs", "smtp_config", "smtp_server", "smtp_user", "smtp_pass", "smtp_from")
    ),
)
"""An option, another that takes its effect away, and why."""


def contradictions(values: Mapping[str, object], given: Collection[str]) -> list[str]:
    """Say which of the options that were given exclude each other."""
    found = [
        f"{BY_NAME[one].flag} and {BY_NAME[other].flag}: {why}"
        for one, other, why in CONTRADICTIONS
        if one in given and other in given
    ]
    limit = values.get("max_delete")
    if isinstance(limit, MaxDelete) and not limit.number and "allow_empty" in given:
        found.append(f"--max-delete {limit} and --allow-empty: the one forbids what the other allows; choose one")
    if ("smtp_user" in given) != ("smtp_pass" in given) and not {"smtp_config", "no_email"} & set(given):
        found.append("--smtp-user and --smtp-pass: neither is of use without the other; give both or none")
    return found


def idle(values: Mapping[str, object], given: Collection[str]) -> list[str]:
    """Say which options that were given have no effect, or a dangerous one, beside the others."""
    found = [
        f"{BY_NAME[name].flag} is ignored because of {BY_NAME[other].flag}: {why}"
        for name, other, why in IDLE
        if name in given and other in given
    ]
    if values.get("erase") and values.get("del_source"):
        found.append("-e and --del-source: the next run removes from the target what this one has moved there")
    return found
