"""The configuration of the polling daemon: the table of its keys, and `AppConf`, the values of one file.

Only this module knows how the users spell the keys; elsewhere they are attributes of an `AppConf`. Loading reads
files and creates nothing. What may change while the program is away (the sync directory may be an unmounted volume,
the staging directory is made at start) is checked at start and not here, so that `status` works without it.
"""

import copy
import hashlib
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ftpretrieve.config import (
    REQUIRED,
    ConfigFile,
    Key,
    boolean,
    choice,
    path,
    seconds,
    unquoted,
    usual_places,
    whole,
    words,
)
from ftpretrieve.errors import ConfigError
from ftpretrieve.passwords import READABLE_BY_OTHERS, Secret, is_sendable
from ftpretrieve.retrieve.keyvalues import (
    PROTOCOLS,
    codec,
    host,
    ipv4_address,
    octal_mode,
    port,
    port_range,
    protocol,
    rate,
    remote_directory,
    secret,
    suffix,
    table_name,
)
from ftpretrieve.units import parse_bytes

SYSTEM_CONFIG = Path("/etc/ftpretrieve/ftpretrieve.conf")
"""Where the configuration is looked for last."""

RUN_DIRECTORY = Path("/run/ftpretrieve")
"""Where the pid files of daemons that may write there go; emptied at boot, so nothing stale survives one."""

TINY, DAY, YEAR = 0.001, 86_400, 366 * 86_400
"""Limits of durations in seconds: more than zero; what fits a socket's timeout (24 days); what fits any wait."""

SCHEMES = ("ftp", "ftps", "ftpes")
SCHEMES_TO_WRITE = "ftp://HOST, ftps://HOST or ftpes://HOST"

PRIVATE_DIRECTORY = ".ftpretrieve"
"""Default publish directory below the sync directory; the leading dot hides it from consumers' globs."""


# Each row is a key, then what it means and when it may change; the formatter would make a column of it.
# fmt: off
KEYS: tuple[Key, ...] = (
    Key("remote", "ftp_host", host, REQUIRED,
        "Host name or address of the server; also `ftp://user@host:port/directory`, for what has no key of its own "
        "(the directory counts from the login directory, after `//` from the root).", needs_restart=True),
    Key("remote", "ftp_port", port, "",
        "Port of the server; blank is 21, and 990 for `ftps-implicit`.", needs_restart=True),
    Key("remote", "ftp_protocol", protocol, "ftp",
        "Protocol: `ftp`; `ftps`, which asks for TLS before it logs in; or `ftps-implicit`, which begins with TLS.",
        needs_restart=True),
    Key("remote", "ftp_tls_verify", boolean, "yes",
        "Whether the server's certificate must be trusted and be for `ftp_host`: yes or no, which lets anybody between "
        "read and change everything, and is warned of in each session."),
    Key("remote", "ftp_ca_file", path, "",
        "File with the certificates that are trusted, an authority's or the server's own; blank: those of the system."),
    Key("remote", "ftp_client_cert", path, "",
        "File with our certificate, where the server wants one."),
    Key("remote", "ftp_client_key", path, "",
        "File with its private key, which others must not be able to read; blank when that is in `ftp_client_cert`."),
    Key("remote", "ftp_client_key_passphrase", secret, "",
        "Passphrase of that key, written like `ftp_password`; blank for none.", secret=True),
    Key("remote", "ftp_user", unquoted, REQUIRED,
        "User name at the server.", needs_restart=True),
    Key("remote", "ftp_password", Secret, REQUIRED,
        "Password: as it is or `base64:…` (then others must not be able to read this file), `env:NAME`, "
        "`file:PATH` or `command:PROGRAM ARGUMENTS`.", secret=True),
    Key("remote", "ftp_remote_directory", remote_directory, "",
        "Directory at the server, or the beginning of data sets of z/OS in its quotes; blank is the login directory."),
    Key("remote", "ftp_duration_secs", seconds(TINY, YEAR), "300",
        "Longest time in seconds that one session with the server may take; then it is ended, and the next goes on."),
    Key("remote", "ftp_connections", whole(1, 32), "2",
        "Number of connections to the server at a time, 1 to 32."),
    Key("remote", "ftp_passive", boolean, "yes",
        "Who opens data connections: yes, we do; no, the server does, to a port here."),
    Key("remote", "ftp_pasv_address", choice("control", "server"), "control",
        "Host of passive data connections: `control`, where the control connection goes to; `server`, the one that "
        "its answer to PASV names."),
    Key("remote", "ftp_active_ports", port_range, "",
        "Ports here for `ftp_passive = no`, such as 40000-40100; blank takes any."),
    Key("remote", "ftp_active_address", ipv4_address, "",
        "IPv4 address that the server is told with `ftp_passive = no`, where a router translates ours; blank is ours."),
    Key("remote", "ftp_rate_limit", rate, "0",
        "Bytes a second for the downloads of a session together, such as `500 KiB`; 0 or blank is no limit."),
    Key("remote", "ftp_timeout_secs", seconds(TINY, DAY), "60",
        "Longest silence in seconds that is tolerated on one connection."),
    Key("remote", "settle_secs", seconds(0, DAY), "5",
        "Seconds between two looks at a file that must agree before it is finished; 0 where files appear by rename."),
    Key("remote", "settle", choice("secs", "polls"), "secs",
        "Which two looks must agree: `secs`, two within one poll; `polls`, the listing of an earlier poll as well, "
        "at least `settle_secs` ago."),
    Key("remote", "min_age_secs", seconds(0, YEAR), "0",
        "A file is fetched only when its time stamp is so many seconds old, or it is listed unchanged for so long."),
    Key("remote", "done_suffix", suffix, "",
        "With `.done`, say: `x` is fetched only when `x.done` lies beside it, and no `.done` file is; blank waits for "
        "nothing."),
    Key("remote", "ftp_verify_hash", boolean, "no",
        "Whether a digest of each file is asked for and compared, where the server offers one: yes or no."),
    Key("remote", "ftp_encoding", codec, "utf-8",
        "Encoding of names at the server, used to show them and to match globs."),

    Key("local", "ftp_local_directory", path, REQUIRED,
        "Staging directory for what is being downloaded; made at start when its parent exists.", needs_restart=True),
    Key("local", "sync_directory", path, REQUIRED,
        "Directory that finished files are handed over in; must exist.", needs_restart=True),
    Key("local", "journal_file_name", path, REQUIRED,
        "SQLite file that remembers what was delivered; made at the first start.", needs_restart=True),
    Key("local", "journal_table_name", table_name, "files",
        "Table of the journal in that file.", needs_restart=True),
    Key("local", "publish_directory", path, "",
        "Where staging moves to when the staging directory is on another file system than the sync directory; "
        "blank is `.ftpretrieve` in the sync directory.", needs_restart=True),
    Key("local", "sleep_in_seconds", seconds(TINY, YEAR), "600",
        "Seconds from the start of one poll to the start of the next."),
    Key("local", "xml_encoding", codec, "",
        "Encoding that text files must decode in; blank checks nothing, and no byte is ever changed."),
    Key("local", "encoding_check", words, "*.xml *.txt *.csv",
        "Globs of the names that `xml_encoding` applies to."),
    Key("local", "on_bad_encoding", choice("warn", "reject"), "warn",
        "What becomes of a file that does not decode: `warn` delivers it, `reject` moves it to `rejected` in staging."),
    Key("local", "include", words, "*",
        "Globs of the names to fetch; quotes around one that has blanks in it."),
    Key("local", "exclude", words, "",
        "Globs of the names not to fetch, even when `include` matches."),
    Key("local", "recursive", boolean, "no",
        "Whether directories below the remote directory are fetched too: yes or no."),
    Key("local", "follow_links", boolean, "yes",
        "Whether a symbolic link that leads to a file is fetched as that file: yes or no."),
    Key("local", "on_conflict", choice("replace", "keep"), "replace",
        "What a new version does to the older file in the sync directory: `replace` it, or `keep` both."),
    Key("local", "file_mode", octal_mode, "0644",
        "Permissions of delivered files, in octal."),
    Key("local", "keep_mtime", boolean, "yes",
        "Whether delivered files get the time stamp they have at the server: yes or no."),
    Key("local", "min_free_bytes", parse_bytes, "64 MiB",
        "Bytes that stay free on the disk; fetching stops before less is left."),
    Key("local", "journal_keep_days", whole(1, 36_500), "90",
        "Days that a file which is gone from the server is remembered."),

    Key("daemon", "daemon_log", path, "",
        "Rotating log file; its directory must exist.", needs_restart=True),
    Key("daemon", "daemon_error_log", path, "",
        "File that the daemon's standard error is appended to; its directory must exist.", needs_restart=True),
    Key("daemon", "daemon_pid", path, "",
        "Pid file; blank is one for each configuration file, in /run/ftpretrieve or beside the journal.",
        needs_restart=True),
    Key("daemon", "log_when", choice("midnight", "S", "M", "H", "D", *(f"W{day}" for day in range(7))), "midnight",
        "When the log rotates: `midnight`, each `S`econd, `M`inute, `H`our, `D`ay, or on weekday `W0` (Monday) to "
        "`W6`.", needs_restart=True),
    Key("daemon", "log_keep", whole(0, 36_500), "30",
        "Number of rotated log files that are kept; 0 keeps all.", needs_restart=True),

    Key("server", "server_port", port, "",
        "Port on 127.0.0.1 that listens for the shutdown string; blank opens none.", needs_restart=True),
    Key("server", "server_shutdown_string", secret, "",
        "String that stops the daemon, written like `ftp_password`; blank makes a random one beside the pid file.",
        secret=True, needs_restart=True),
    Key("server", "inter_heartbeat_secs", seconds(TINY, YEAR), "60",
        "Seconds between two HEARTBEAT lines in the log."),
)
# fmt: on
"""Every key there is. The sample, the README's table and the checks of both are this table."""


@dataclass(frozen=True, slots=True, init=False)
class AppConf:
    """One configuration, loaded and checked: an attribute for each key under its own name.

    Paths are absolute; `_secs` and `sleep_in_seconds` are floats in seconds. A blank path or port is None, any other
    blank value '' or (). Raises: ConfigError with every problem of the file, a line each.
    """

    config_file: Path
    ftp_host: str
    ftp_port: int
    ftp_protocol: str
    ftp_tls_verify: bool
    ftp_ca_file: Path | None
    ftp_client_cert: Path | None
    ftp_client_key: Path | None
    ftp_client_key_passphrase: Secret | None
    ftp_user: str
    ftp_password: Secret
    ftp_remote_directory: str
    ftp_duration_secs: float
    ftp_connections: int
    ftp_passive: bool
    ftp_pasv_address: str
    ftp_active_ports: tuple[int, int] | None
    ftp_active_address: str
    ftp_rate_limit: int
    ftp_timeout_secs: float
    settle_secs: float
    settle: str
    min_age_secs: float
    done_suffix: str
    ftp_verify_hash: bool
    ftp_encoding: str
    ftp_local_directory: Path
    sync_directory: Path
    journal_file_name: Path
    journal_table_name: str
    publish_directory: Path
    sleep_in_seconds: float
    xml_encoding: str
    encoding_check: tuple[str, ...]
    on_bad_encoding: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    recursive: bool
    follow_links: bool
    on_conflict: str
    file_mode: int
    keep_mtime: bool
    min_free_bytes: int
    journal_keep_days: int
    daemon_log: Path | None
    daemon_error_log: Path | None
    daemon_pid: Path
    log_when: str
    log_keep: int
    server_port: int | None
    server_shutdown_string: Secret | None
    inter_heartbeat_secs: float

    def __init__(self, config_file: str | os.PathLike[str]) -> None:
        file, values = _values(config_file)
        _check_tls(file, values)
        _check_directories(file, values)
        file.finish()
        self._take(file, values)

    @classmethod
    def to_manage(cls, config_file: str | os.PathLike[str]) -> tuple["AppConf", tuple[str, ...]]:
        """Load what leads to a running daemon, whatever else is wrong with the file by now; return the problems too.

        A configuration that was broken after the start must not make its daemon unstoppable. Values with a problem are
        None. Raises: ConfigError when the file cannot be read or does not lead to a pid file.
        """
        file, values = _values(config_file)
        try:
            file.finish()
        except ConfigError as error:
            if any(values.get(name) is None for name in ("journal_file_name", "journal_table_name", "sync_directory")):
                raise
            problems = error.problems
        else:
            problems = ()
        conf = cls.__new__(cls)
        conf._take(file, {key.name: None for key in KEYS} | values)
        return conf, problems

    def _take(self, file: ConfigFile, values: dict[str, Any]) -> None:
        values["config_file"] = file.path
        values["ftp_port"] = values["ftp_port"] or PROTOCOLS.get(values["ftp_protocol"])
        values["publish_directory"] = values["publish_directory"] or values["sync_directory"] / PRIVATE_DIRECTORY
        values["daemon_pid"] = values["daemon_pid"] or default_pid_file(file.path, values["journal_file_name"].parent)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def with_remote_directory(self, directory: str | None) -> "AppConf":
        """Return it with another remote directory; None or '' leaves the one that is configured.

        Raises: ConfigError when no server could be asked for such a name.
        """
        if not directory:
            return self
        if not is_sendable(directory):
            raise ConfigError(f"remote directory {directory!r} has control characters in it; remove them")
        changed = copy.copy(self)
        object.__setattr__(changed, "ftp_remote_directory", directory)
        return changed

    def as_far_as_running(self, old: "AppConf") -> "AppConf":
        """Return it with the keys that a running daemon cannot change as they were in `old`."""
        kept = copy.copy(self)
        for name in changed_needing_restart(old, self):
            object.__setattr__(kept, name, getattr(old, name))
        return kept


def changed_needing_restart(old: AppConf, new: AppConf) -> list[str]:
    """Return the keys that differ and that a running daemon cannot change."""
    return [key.name for key in KEYS if key.needs_restart and getattr(old, key.name) != getattr(new, key.name)]


def find_config(explicit: str | None, environ: Mapping[str, str] | None = None) -> Path:
    """Return the configuration file to use: `explicit` (`-c`), `$FTPRETRIEVE_CONFIG`, the user's, the system's.

    One that was named is returned whether it exists or not: loading says what is wrong with it, and falling back to
    another server's configuration would be worse. Raises: ConfigError with the places when there is none.
    """
    environ = os.environ if environ is None else environ
    named = explicit or environ.get("FTPRETRIEVE_CONFIG")
    if named:
        return Path(os.path.abspath(os.path.expanduser(named)))
    places = usual_places(SYSTEM_CONFIG, environ)
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(map(str, places))
    raise ConfigError(
        f"no configuration file: -c and $FTPRETRIEVE_CONFIG are not given, and there is none at {looked}; "
        "create one from the sample, or name one with -c"
    )


def default_pid_file(config_file: Path, journal_directory: Path, run_directory: Path = RUN_DIRECTORY) -> Path:
    """Return the pid file of a configuration that names none: the same one by whatever path the file is reached.

    One that exists wins, so that root and the daemon's own user mean the same daemon. $XDG_RUNTIME_DIR is no place
    for it: it goes when the user logs out, and the daemon stays.
    """
    real = os.path.realpath(config_file)
    name = f"{Path(real).stem}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:8]}.pid"
    for directory in (run_directory, journal_directory):
        if os.path.exists(directory / name):
            return directory / name
    writable = os.access(run_directory if run_directory.exists() else run_directory.parent, os.W_OK)
    return (run_directory if writable else journal_directory) / name


def _values(config_file: str | os.PathLike[str]) -> tuple[ConfigFile, dict[str, Any]]:
    """Read the values by their names; those with a problem are missing. Raises: ConfigError for an unreadable file."""
    file = ConfigFile(config_file)
    _spread_url(file)
    return file, {name: value for (_, name), value in file.read(KEYS).items()}


def _spread_url(file: ConfigFile) -> None:
    """Let the parts of an URL in `ftp_host` stand for the keys that are not given themselves."""
    url = file.text("remote", "ftp_host")
    if "://" not in url:
        return
    try:
        parts = urlsplit(url)
        given_host, given_port = parts.hostname, parts.port
    except ValueError:
        return  # `host` will not take it either, and says what to write
    if not given_host or parts.query or parts.fragment:
        return
    file.supply("remote", "ftp_host", given_host, "ftp_host")
    if parts.scheme not in SCHEMES:
        file.complain("remote", "ftp_host", f"{parts.scheme}:// is not supported; write {SCHEMES_TO_WRITE}")
    elif parts.scheme != "ftp" and file.text("remote", "ftp_protocol").lower() == "ftp":
        file.complain("remote", "ftp_protocol", f"is ftp, and ftp_host says {parts.scheme}://; remove one of them")
    if parts.password is not None:
        file.complain("remote", "ftp_host", "has a password in it; write it as ftp_password")
    # RFC 1738, section 3.2.2: the slash after the host is a delimiter, and the rest counts from the login directory.
    directory = unquote(parts.path).removeprefix("/")
    found = {
        "ftp_protocol": "" if parts.scheme == "ftp" else _with_tls(parts.scheme, given_port),
        "ftp_port": "" if given_port is None else str(given_port),
        "ftp_user": unquote(parts.username or ""),
        "ftp_remote_directory": directory,
    }
    for name, text in found.items():
        if text and not file.text("remote", name):
            file.supply("remote", name, text, "ftp_host")


def _with_tls(scheme: str, port: int | None) -> str:
    """Return the protocol of a URL: ftps at its own port, 990, begins with TLS, all else asks for it."""
    return "ftps-implicit" if scheme == "ftps" and port == PROTOCOLS["ftps-implicit"] else "ftps"


def _check_tls(file: ConfigFile, values: Mapping[str, Any]) -> None:
    """Complain about keys of TLS that would do nothing, and about a private key that others can read."""
    certificate, key = values.get("ftp_client_cert"), values.get("ftp_client_key")
    if values.get("ftp_protocol") == "ftp":
        useless = {name: values.get(name) for name in ("ftp_ca_file", "ftp_client_cert", "ftp_client_key")}
        useless |= {"ftp_tls_verify": values.get("ftp_tls_verify") is False}  # whoever wrote that wants TLS
        for name, value in useless.items():
            if value:
                file.complain("remote", name, "does nothing with ftp_protocol = ftp; write ftps there, or remove it")
    for name in ("ftp_client_key", "ftp_client_key_passphrase"):
        if values.get(name) and not certificate:
            file.complain("remote", name, "belongs to a certificate; name that as ftp_client_cert")
    holder: Path | None = key or certificate
    if holder and holder.is_file() and holder.stat().st_mode & READABLE_BY_OTHERS:
        name = "ftp_client_key" if key else "ftp_client_cert"
        file.complain("remote", name, f"{holder} can be read by others; run: chmod o-rwx {shlex.quote(str(holder))}")


def _check_directories(file: ConfigFile, values: Mapping[str, Any]) -> None:
    """Complain about directories that would get in each other's way, and about missing ones of logs."""
    staging, sync, publish = (
        _real(values.get(name)) for name in ("ftp_local_directory", "sync_directory", "publish_directory")
    )
    if staging and sync and (sync == staging or staging in sync.parents):
        where = "is" if sync == staging else f"lies in {staging}, which is"
        message = f"{sync} {where} the staging directory (ftp_local_directory); choose one outside of it"
        file.complain("local", "sync_directory", message)
    if publish and sync == publish:
        file.complain(
            "local", "publish_directory", f"{publish} is the sync directory; choose one below it, or leave it blank"
        )
    for name in ("daemon_log", "daemon_error_log"):
        log: Path | None = values.get(name)
        if log and not log.parent.is_dir():
            file.complain("daemon", name, f"the directory of {log} does not exist; create {log.parent}")


def _real(directory: Path | None) -> Path | None:
    return Path(os.path.realpath(directory)) if directory else None
