"""The command line of ResifDataTransfer as a table, and the help, which is made of it.

Must not: print, parse, or tell of an option what its row does not.
"""

from dataclasses import dataclass

from ftpretrieve.manpage import defined, examples, page, paragraph
from ftpretrieve.send.settings import KEYS, NAME, SYSTEM_CONFIG, TEMPLATE

PURPOSE = "send data to a data centre as a transaction, and ask what became of it"


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `metavar`: what its value is called, in brackets when it may be missing, '' when there is none.

    `mode`: it says what is to be done, so only one of them can be given. `needs`: one of these has to be given too.
    """

    flags: tuple[str, ...]
    metavar: str
    help: str
    mode: bool = False
    needs: tuple[str, ...] = ()
    old_flags: tuple[str, ...] = ()  # abbreviations that were unambiguous before there were more options

    @property
    def name(self) -> str:
        """Return what it is called among parsed arguments."""
        return self.flags[-1].removeprefix("--").replace("-", "_")

    @property
    def spelling(self) -> str:
        """Return how it is written."""
        return ", ".join(self.flags) + (f" {self.metavar}" if self.metavar else "")


# Each row is an option, then what it means; the formatter would make a column of it.
# fmt: off
OPTIONS = (
    Option(("-s", "--send"), "DIR",
           "send the directory DIR; needs -d. On success the identifier of the transaction is printed, and nothing "
           "else. DIR/ with a slash sends what is in it, DIR without one sends DIR itself, as rsync has it", mode=True,
           old_flags=("--s",)),
    Option(("-d", "--data-type"), "TYPE", "what the data is; see DATA TYPES", needs=("send",)),
    Option(("-t", "--test"), "",
           "with -s: do everything but send, for real: rights, sizes, limits, server and password. Says what would go",
           needs=("send",)),
    Option(("-i", "--ignore-limits"), "", "with -s or --resume: neither limits of size nor of bandwidth",
           needs=("send", "resume")),
    Option(("--restart",), "",
           "with -s: give up what is unfinished of DIR, or send it once more, under a new identifier",
           needs=("send",)),
    Option(("--resume",), "[ID]",
           "finish what was cut off, under its identifier: all there is, or ID. With -s: only if DIR is unfinished",
           mode=True),
    Option(("-r", "--retrieve-logs"), "ID", "print the status of a transaction as XML", mode=True,
           old_flags=("--r", "--re")),
    Option(("--status",), "ID", "print the status of a transaction, to be read; see RETURN VALUES", mode=True),
    Option(("--wait",), "SECS", "with --status: wait for the end of the analysis, at most so long (0)",
           needs=("status",)),
    Option(("--pending",), "", "print the status of all transactions that are not finished", mode=True),
    Option(("--json",), "", "with --status or --pending: for programs", needs=("status", "pending")),
    Option(("-l", "--logbook"), "", "print the logbook; see LOGBOOK", mode=True),
    Option(("--repair",), "", "move a damaged logbook aside, and keep what can be read of it", mode=True),
    Option(("-c", "--config"), "FILE", "the configuration file; see CONFIGURATION FILE"),
    Option(("-b", "--debug"), "", "log every step, and show it on standard error"),
    Option(("-v", "--version"), "", "print the version"),
    Option(("-h", "--help"), "", "print this"),
)
# fmt: on

SYNOPSES = (
    "-s DIR -d TYPE [-t] [-i] [--resume | --restart]",
    "--resume [ID] [-i]",
    "-r ID",
    "--status ID [--wait SECS] [--json]",
    "--pending [--json]",
    "-l",
    "--repair",
)
"""The ways to call it; -c FILE and -b go with each."""

_SENDING = (
    """A transaction begins with a note on disk of all files of DIR, their sizes and times. Then rsync sends them to the
directory ID of the module INCOMING_<NODE>, and at last the file ID.xml, by which the data centre knows that all is
there. Links, devices, other file systems and lost+found are not sent; what is left out is told.""",
    """What was cut off is not lost: the same command, or --resume, goes on under the same identifier, and sends only
what is missing. If DIR has changed meanwhile, the differences are told and nothing is sent; make it as it was, or
begin anew with --restart. A DIR that was sent and has not changed is not sent twice: its identifier is printed again.
Two sends of one DIR at a time are refused. Do not write to DIR before the command has ended.""",
    """Limits: what was sent in the last seven days and DIR together must stay below `weekly max size`; see -t for the
figures. rsync is kept to `bandwidth max`.""",
)

_TYPES = """The configuration has the list, `data types`; unless it says otherwise:"""

_STATUS = (
    ("0", "sent, and not yet looked at"),
    ("4", "received, and being analysed"),
    ("8", "the analysis is finished; each process of it has a code: 0 good, 1 warning, 128 fatal"),
    ("128", "a fatal error; ask the data centre"),
)

_LOGBOOK = """-l prints a line for each transaction, the oldest first, with tabs between: identifier, date in UTC, node,
data type, directory, size in GB. It may be read while data is being sent. Never edit the file by hand."""

_FILES = (
    ("`logbook`", "what was sent; $XDG_STATE_HOME or ~/.local/state/ftpretrieve/logbook.json unless it is configured"),
    ("`logbook`.transactions", "beside it: what is known of each transaction. Both, and the log, are worth a backup"),
    ("`log file`", "the general log, which logrotate may move away at any time"),
)

EXIT_CODES = (
    ("0", "success; with --status and --pending: finished, and nothing is rejected"),
    ("1", "failure; with --status and --pending: something is rejected, or a fatal error"),
    ("2", "wrong arguments"),
    ("75", "only with --status and --pending: not finished yet"),
    ("129", "ended by SIGHUP: the terminal went away; --resume goes on"),
    ("130", "interrupted; --resume goes on"),
    ("141", "whoever read the output went away"),
    ("143", "ended by SIGTERM; --resume goes on"),
)

_EXAMPLES = (
    ("Only see what would be sent", "{prog} -t -s /data/2026/ -d seismic_data_miniseed"),
    ("Send it", "{prog} -s /data/2026/ -d seismic_data_miniseed"),
    ("Go on after a power failure", "{prog} --resume"),
    ("What became of it? Wait for an hour at most", "{prog} --status ABCD1234 --wait '1 h'"),
    ("Which ones need a look?", "{prog} --pending"),
    ("All that was ever sent", "{prog} -l"),
)


def manual(prog: str) -> str:
    """Return the help."""
    (types,) = (key.default for key in KEYS if key.name == "data types")
    parts = {
        "NAME": paragraph(f"{prog} - {PURPOSE}"),
        "SYNOPSIS": "".join(f"    {prog} {synopsis}\n" for synopsis in SYNOPSES),
        "OPTIONS": defined((option.spelling, option.help) for option in OPTIONS),
        "CONFIGURATION FILE": _configuration(),
        "SENDING DATA": "\n".join(map(paragraph, _SENDING)),
        "DATA TYPES": f"{paragraph(_TYPES)}\n" + "".join(f"    {name}\n" for name in (types or "").split()),
        "TRANSACTION STATUS": defined(_STATUS),
        "LOGBOOK": paragraph(_LOGBOOK),
        "FILES": defined(_FILES),
        "RETURN VALUES": defined(EXIT_CODES),
        "EXAMPLES": examples((words, line.format(prog=prog)) for words, line in _EXAMPLES),
        "SEE ALSO": paragraph("ResifDataTransferTransaction --help, rsync(1), du(1)"),
    }
    return page(parts)


def _configuration() -> str:
    places = f"""That of -c, or the first there is of: {NAME} in the directory of the package; the same in the one above
it; ~/.config/ftpretrieve/{NAME} ($XDG_CONFIG_HOME); {SYSTEM_CONFIG}. {TEMPLATE} is the template; node name and password
have to be filled in. Others must not be able to read it (chmod o-rwx FILE); its group may."""
    sections = dict.fromkeys(key.section for key in KEYS)
    rows = ((f"[{name}]", ", ".join(key.name for key in KEYS if key.section == name)) for name in sections)
    return f"{paragraph(places)}\n{defined(rows)}"
