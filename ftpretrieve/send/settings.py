"""The configuration of send: the table of its keys, where its file is found, and what it is told to send.

Only this module knows how the users spell the keys; elsewhere they are attributes of `Settings`. All that is wrong
with a file is said at once. A blank value means the default, as it always has in these files.
Must not: create or change anything, or ask the data centre.
"""

import ipaddress
import os
import re
import shlex
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from ftpretrieve import config
from ftpretrieve.config import REQUIRED, ConfigFile, Key
from ftpretrieve.errors import ConfigError
from ftpretrieve.passwords import READABLE_BY_OTHERS, Secret
from ftpretrieve.send.records import Settings
from ftpretrieve.send.rsync_argv import forbidden

NODES = ("DASE", "IPGP", "OBS-INSU", "OMIV", "RAP", "RLBP", "RLBP-OCA", "SISMOB", "TEST")
"""The nodes that the data centre has always known."""

NAME = "ResifDataTransfer.conf"
TEMPLATE = f"{NAME}.dist"
SYSTEM_CONFIG = Path("/etc/ftpretrieve") / NAME
PACKAGE = Path(__file__).parent.parent

MOST_GB = 1_000_000
"""No limit is ever meant to be higher, and a program that adds such figures cannot overflow."""

DAY, YEAR = 86_400, 366 * 86_400

NODE_NAME = ("my resif node", "my node name")
PASSWORD = ("my resif node", "my node password")
WORKING_DIRECTORY = ("system", "working directory")


def _each(what: str) -> Callable[[str], tuple[str, ...]]:
    """Make a parser of words that can stand in the name of a module, and in an XML."""

    def parse(text: str) -> tuple[str, ...]:
        found = config.words(text)
        for word in found:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", word):
                raise ValueError(f"has {word!r} in it, which is no {what}; write words of letters, digits, - and _")
        return found

    return parse


def _rsync_arguments(text: str) -> tuple[str, ...]:
    found = config.words(text)
    if problems := forbidden(found):
        raise ValueError(f"is not usable: {'; '.join(problems)}")
    return found


def _gigabytes(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not 0 < Decimal(text) <= MOST_GB:
        raise ValueError(f"is not usable; give a number of GB above 0 and up to {MOST_GB}")
    return float(text)


def _server(text: str) -> str:
    """Parse a name or address, as it stands in a URL: an IPv6 address in brackets."""
    try:
        address = ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
        return f"[{address}]" if address.version == 6 else str(address)
    except ValueError:
        pass
    if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?", text):
        raise ValueError("is no host name or address; write it without user, port and module")
    return text


def _module(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", text):
        raise ValueError("is no name of a module; write letters, digits, dots, - and _")
    return text


# Each row is a key, then what it means; the formatter would make a column of it.
# fmt: off
KEYS: tuple[Key, ...] = (
    Key(*NODE_NAME, config.unquoted, REQUIRED,
        f"Your node: {', '.join(NODES)}, or one of `other node names`. Data goes to the module `INCOMING_<NODE>`, and "
        "the user is the name in small letters."),
    Key(*PASSWORD, Secret, REQUIRED,
        "Password of the node: as it is, or as `base64:…`, `env:NAME`, `file:PATH` or `command:PROGRAM ARGUMENTS`.",
        secret=True),
    Key("my resif node", "other node names", _each("node name"), "",
        "Names that the data centre knows beside those; words between blanks."),
    Key("my resif node", "data types", _each("data type"),
        "seismic_data_miniseed seismic_metadata_dataless_seed",
        "What the option `-d` may say; words between blanks, instead of the default ones."),

    Key(*WORKING_DIRECTORY, config.path, "/tmp",
        "Directory for files that a run needs while it lasts; must exist."),
    Key("system", "disk usage command auto find", config.boolean, "yes",
        "Whether GNU `du` is looked for in PATH: yes or no."),
    Key("system", "disk usage command full path", config.path, "/usr/bin/du",
        "Where it is, when it is not looked for."),
    Key("system", "disk usage command arguments", config.words, "--bytes --summarize",
        "Its arguments; it must print one line that begins with a number of bytes."),

    Key("rsync", "rsync command auto find", config.boolean, "yes",
        "Whether `rsync` is looked for in PATH: yes or no."),
    Key("rsync", "rsync command full path", config.path, "/usr/bin/rsync",
        "Where it is, when it is not looked for; 3.0.6 or newer."),
    Key("rsync", "rsync server", _server, "rsync.resif.fr",
        "Name or address of the data centre's rsync server."),
    Key("rsync", "rsync port", config.whole(1, 65_535), "873",
        "Its port."),
    Key("rsync", "rsync compress", config.boolean, "no",
        "Whether data is compressed on its way: yes or no. miniSEED is compressed already."),
    Key("rsync", "rsync timeout", config.seconds(1, DAY), "10",
        "Longest silence of the server in seconds."),
    Key("rsync", "rsync extra args", _rsync_arguments, "",
        "Further arguments of rsync, quoted as in a shell; what would defeat this program, as --delete, is refused."),
    Key("rsync", "rsync retries", config.whole(0, 100), "3",
        "How often it is tried again after a trouble that may be over by itself, such as a server that went away."),
    Key("rsync", "rsync status module", _module, "TRANSACTION_XML",
        "The module of the server that has the status files."),

    Key("logging", "log file", config.path, "",
        "General log; its directory must exist. It may be moved away by logrotate at any time. Blank: none."),
    Key("logging", "log level", config.choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), "INFO",
        "What goes into it: `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`."),
    Key("logging", "logbook", config.path, "",
        "The record of all that was sent, in JSON; beside it, in `<logbook>.transactions`, is what is known of each "
        "transaction. Back up both. Blank: `ftpretrieve/logbook.json` in $XDG_STATE_HOME or ~/.local/state."),

    Key("limits", "bandwidth max", config.optional(config.whole(0, 10**9)), "",
        "KB a second; blank or 0: no limit."),
    Key("limits", "weekly max size", _gigabytes, "50",
        "GB that may be sent within seven days."),
    Key("limits", "datafile max", config.optional(config.whole(1, 10**9)), "",
        "Files in one transaction; blank: no limit."),
    Key("limits", "datasize max", config.optional(_gigabytes), "",
        "GB in one transaction; blank: no limit."),
    Key("limits", "send max duration", config.seconds(1, YEAR), "24 h",
        "Longest time that one run may take, all attempts together, as in 90 min, 24 h or 2 d; the next goes on."),
)
# fmt: on
"""Every key there is, in the order of the template."""


def find_config(given: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the configuration file: `given` (-c), else the first there is beside the program, of the user, in /etc.

    One that was named is returned whether it exists or not. Raises: ConfigError with the places when there is none.
    """
    if given:
        return Path(os.path.abspath(os.path.expanduser(given)))
    places = (PACKAGE / NAME, PACKAGE.parent / NAME, *config.usual_places(SYSTEM_CONFIG, environ))
    for place in places:
        if os.path.isfile(place):
            return place
    looked = ", ".join(map(str, places))
    raise ConfigError(f"there is no configuration file at {looked}; make one of {TEMPLATE}, or name one with -c")


def read_settings(path: str | os.PathLike[str], environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of a file. Raises: ConfigError with all that is wrong with it."""
    file = ConfigFile(path)
    values = file.read(KEYS)
    _complain_about_readers(file, PASSWORD in values)
    node = _node(file, values)
    _complain_about_places(file, values)
    file.finish()
    log_file = values["logging", "log file"]
    return Settings(
        node=node,
        password=values[PASSWORD],
        data_types=values["my resif node", "data types"],
        working_directory=values[WORKING_DIRECTORY],
        logbook=values["logging", "logbook"] or default_logbook(environ),
        log_file=log_file,
        log_level=values["logging", "log level"],
        du=_program(values, "system", "disk usage command"),
        du_arguments=values["system", "disk usage command arguments"],
        rsync=_program(values, "rsync", "rsync command"),
        server=values["rsync", "rsync server"],
        port=values["rsync", "rsync port"],
        compress=values["rsync", "rsync compress"],
        timeout_secs=values["rsync", "rsync timeout"],
        extra_arguments=values["rsync", "rsync extra args"],
        retries=values["rsync", "rsync retries"],
        status_module=values["rsync", "rsync status module"],
        max_secs=values["limits", "send max duration"],
        bandwidth_kb=values["limits", "bandwidth max"] or None,
        weekly_gb=values["limits", "weekly max size"],
        max_files=values["limits", "datafile max"],
        max_gb=values["limits", "datasize max"],
    )


def default_logbook(environ: Mapping[str, str]) -> Path:
    """Return where the logbook is when the file does not say it."""
    return config.state_home(environ) / "ftpretrieve" / "logbook.json"


def absolute_directory(text: str, cwd: str) -> str:
    """Return a directory as rsync understands what the user wrote, but absolute.

    With a slash at its end the content is sent, without one the directory itself; `.` and `..` at the end count as
    with a slash. A `..` stays: what it leads to when a link is before it only the file system knows.
    """
    parts = f"{'' if text.startswith('/') else cwd}/{text}".split("/")
    kept = "/".join(part for part in parts if part not in ("", "."))
    return f"/{kept}/" if kept and parts[-1] in ("", ".", "..") else f"/{kept}"


def _complain_about_readers(file: ConfigFile, has_password: bool) -> None:
    """Refuse a file that others can read, also when the password is elsewhere: it will not always be."""
    exposed = os.stat(file.path).st_mode & READABLE_BY_OTHERS
    # The reader has said so already of a password that stands in the file.
    if exposed and (has_password or not file.text(*PASSWORD)):
        file.complain(*PASSWORD, f"others can read the file; run: chmod o-rwx {shlex.quote(str(file.path))}")


def _node(file: ConfigFile, values: Mapping[tuple[str, str], Any]) -> str:
    others: tuple[str, ...] | None = values.get(("my resif node", "other node names"))
    name: str | None = values.get(NODE_NAME)
    if name is None or others is None:  # that has been said
        return ""
    for known in (*NODES, *others):
        if name.lower() == known.lower():
            return known
    words = f"is none of {', '.join((*NODES, *others))}; write one of them, or add it to 'other node names'"
    file.complain(*NODE_NAME, f"value {name!r} {words}")
    return ""


def _complain_about_places(file: ConfigFile, values: Mapping[tuple[str, str], Any]) -> None:
    working_directory, log_file, logbook = (
        values.get(key) for key in (WORKING_DIRECTORY, ("logging", "log file"), ("logging", "logbook"))
    )
    if working_directory and not (os.path.isdir(working_directory) and os.access(working_directory, os.W_OK | os.X_OK)):
        words = "is no directory that this user can write to; create it, or leave the value blank"
        file.complain(*WORKING_DIRECTORY, f"value {str(working_directory)!r} {words}")
    if log_file and log_file == logbook:
        file.complain("logging", "logbook", f"value {str(logbook)!r} is the log file as well; name another file")


def _program(values: Mapping[tuple[str, str], Any], section: str, command: str) -> Path | None:
    found: Path = values[section, f"{command} full path"]
    return None if values[section, f"{command} auto find"] else found
