"""Look at everything a configuration rests on, and say line by line what is right, doubtful or wrong, with the fix.

Works beside a running daemon and changes nothing: no lock is taken, nothing is created but the probe that is renamed
and removed at once, no secret is shown. Each check is a generator of findings and a row of `LOCAL`, or it is in
`doctor_server`; one that fails says so, and the others still run. Must not: mend anything, or stand in for what the
daemon checks itself when it starts.
"""

import errno
import os
import shlex
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TextIO

from ftpretrieve.errors import CommandFailed, ConfigError, FtpRetrieveError
from ftpretrieve.lock import Holder, holder_state, read
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.control import HOST
from ftpretrieve.retrieve.doctor_keys import check_keys
from ftpretrieve.retrieve.doctor_server import check_server
from ftpretrieve.retrieve.findings import Finding, Level, fail, ok, warn
from ftpretrieve.retrieve.journal import Journal
from ftpretrieve.retrieve.journal_schema import SCHEMA
from ftpretrieve.retrieve.mailbox import lock_path, make_staging
from ftpretrieve.retrieve.records import State
from ftpretrieve.units import format_bytes, format_duration

EXIT_OK, EXIT_FAILED, EXIT_NOT_CONFIGURED = 0, 1, 6

MOUNTINFO = Path("/proc/self/mountinfo")

NETWORK_FILE_SYSTEMS = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"),
        *("ocfs2", "smb3", "smbfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.curlftpfs", "fuse.davfs", "fuse.gcsfuse"),
        *("fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"),
    }
)
"""SQLite's WAL needs memory shared by all who have the file open; over a network there is none, and two machines that
write one journal destroy it. Source: sqlite.org, "Write-Ahead Logging", section 1."""

DAY_SECS = 86_400
"""When the clock is so far from the last poll's, one poll purges nothing and ignores back-off."""


def doctor(conf_path: Path, *, offline: bool, as_json: bool, out: TextIO) -> int:
    """Check a configuration, write a finding a line, and return the exit code. `offline` leaves the server out."""

    def tell(finding: Finding) -> bool:
        print(finding.as_json() if as_json else finding.as_text(), file=out, flush=True)
        return finding.level is Level.FAIL

    try:
        conf = AppConf(conf_path)
    except ConfigError as error:
        for problem in error.problems:
            tell(fail("config", problem))
        return EXIT_NOT_CONFIGURED
    failures = [tell(finding) for finding in _findings(conf, offline)]
    return EXIT_FAILED if any(failures) else EXIT_OK


def _findings(conf: AppConf, offline: bool) -> Iterator[Finding]:
    yield ok("config", f"{conf.config_file} is complete and understood")
    for what, check in LOCAL:
        try:
            yield from check(conf)
        except (OSError, FtpRetrieveError) as error:  # what a check did not expect is a finding too
            yield fail(what, str(error))
    if offline:
        return
    try:
        password = conf.ftp_password.reveal()
    except (ConfigError, CommandFailed) as error:
        yield fail("password", str(error))
    else:
        yield from check_server(conf, password)


# -- files and directories --------------------------------------------------------------------------------------------


def _permissions(conf: AppConf) -> Iterator[Finding]:
    """Tell who else may change what. That a secret in the file is hidden from others was checked by loading it."""
    places = {
        "configuration": conf.config_file,
        "staging directory": conf.ftp_local_directory,
        "journal": conf.journal_file_name,
    }
    there = {name: (path, path.stat()) for name, path in places.items() if path.exists()}
    loose = [(name, path) for name, (path, found) in there.items() if found.st_mode & stat.S_IWOTH]
    for name, path in loose:
        yield warn("permissions", f"the {name} {path} can be changed by everybody", f"run: chmod o-w {_quoted(path)}")
    if not loose:
        yield ok("permissions", f"not everybody can change the {', the '.join(there)}")
    owners = {found.st_uid for name, (_, found) in there.items() if name != "configuration"} - {0}
    if os.geteuid() == 0 and owners:
        yield warn(
            "user",
            f"checked as root, who may do everything, but the files belong to user {min(owners)}",
            "run doctor as the user that the daemon runs as",
        )


def _directories(conf: AppConf) -> Iterator[Finding]:
    sync, staging = conf.sync_directory, conf.ftp_local_directory
    if not sync.is_dir():
        yield fail("sync_directory", f"{sync} is not there", "mount or create it; it is never created for you")
    else:
        yield _writable("sync_directory", sync)
    if staging.is_dir():
        yield _writable("ftp_local_directory", staging)
    elif staging.exists():
        yield fail("ftp_local_directory", f"{staging} is not a directory", "remove it, or name another")
    elif not staging.parent.is_dir():
        yield fail("ftp_local_directory", f"neither {staging} nor its parent is there", f"create {staging.parent}")
    else:
        yield ok("ftp_local_directory", f"{staging} is not there yet; it is made at the first start")
    where = conf.journal_file_name.parent
    if not where.is_dir():
        yield fail("journal_file_name", f"the directory {where} is not there", f"create {where}")
    else:
        yield _writable("journal_file_name", where)


def _writable(what: str, directory: Path) -> Finding:
    if os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        return ok(what, f"{directory} can be read and written")
    return fail(what, f"{directory} cannot be read and written by this user", _chown(directory))


def _rename(conf: AppConf) -> Iterator[Finding]:
    """Rename a probe into the sync directory as the daemon does at start: the one test that does not lie."""
    if not conf.sync_directory.is_dir():
        return
    staging, home = make_staging(conf), _nearest(conf.ftp_local_directory)
    if staging.can_rename(os.fsencode(home)):
        yield ok("rename", f"a file can be renamed from {home} into {conf.sync_directory}")
        return
    publish = _nearest(conf.publish_directory)
    if staging.can_rename(os.fsencode(publish)):
        yield ok(
            "rename",
            f"{home} is on another file system than {conf.sync_directory}: "
            f"downloads go to {conf.publish_directory} instead",
        )
        return
    yield fail(
        "rename",
        f"neither {home} nor {publish} can rename into {conf.sync_directory}",
        "set publish_directory to a directory on the same file system as sync_directory",
    )


def _space(conf: AppConf) -> Iterator[Finding]:
    for what, place in (("downloads", conf.ftp_local_directory), ("the journal", conf.journal_file_name.parent)):
        where = _nearest(place)
        disk = os.statvfs(where)
        free = disk.f_bavail * disk.f_frsize
        if free < conf.min_free_bytes:
            lacking = f"{format_bytes(free)} free for {what} in {where}, less than min_free_bytes"
            yield fail("space", lacking, f"make room: {format_bytes(conf.min_free_bytes - free)} or more")
        elif disk.f_files and not disk.f_favail:
            yield fail("space", f"no inode is left for {what} in {where}", "remove files there")
        else:
            yield ok("space", f"{format_bytes(free)} free for {what} in {where}")


def _logs(conf: AppConf) -> Iterator[Finding]:
    for what, path in (("daemon_log", conf.daemon_log), ("daemon_error_log", conf.daemon_error_log)):
        if path is None:
            continue
        if os.access(path if path.exists() else path.parent, os.W_OK):
            yield ok(what, f"{path} can be written")
        else:
            yield fail(what, f"{path} cannot be written by this user", _chown(path if path.exists() else path.parent))
    if conf.daemon_log is None:
        yield warn("daemon_log", "no log file is configured", "set daemon_log, or give --log at each start")


# -- the journal ------------------------------------------------------------------------------------------------------


def _journal_place(conf: AppConf) -> Iterator[Finding]:
    directory = _nearest(conf.journal_file_name.parent)
    kind = file_system(directory, MOUNTINFO.read_text(errors="surrogateescape")) if MOUNTINFO.exists() else ""
    if kind in NETWORK_FILE_SYSTEMS:
        yield fail("journal", f"{directory} is on a network file system ({kind})", "put the journal on a local disk")
    elif kind:
        yield ok("journal", f"{directory} is on a local file system ({kind})")


def file_system(path: Path, mountinfo: str) -> str:
    """Return the type of the file system that holds a path, '' when the table does not tell.

    Source: proc(5), /proc/pid/mountinfo: the mount point is field 5, with octal escapes; the type follows the `-`.
    """
    real = Path(os.path.realpath(path))
    found, depth = "", 0
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if len(fields) < 5 or not kinds:
            continue
        point = Path(_unescaped(fields[4]))
        # Of two mounts on one place the later one is what is seen, hence not only "deeper".
        if (point == real or point in real.parents) and len(point.parts) >= depth:
            found, depth = kinds[0], len(point.parts)
    return found


def _unescaped(text: str) -> str:
    for escaped, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escaped, char)
    return text


def _journal(conf: AppConf) -> Iterator[Finding]:
    path = conf.journal_file_name
    owner = make_staging(conf).owner() if conf.ftp_local_directory.is_dir() else None
    if path.exists():
        with closing(Journal(path, conf.journal_table_name, readonly=True)) as journal:
            yield _integrity(journal)
            yield _identity(conf, journal, owner)
            yield _contents(journal)
            yield _local_clock(journal)
    elif owner is None:
        yield ok("journal", f"{path} is not there yet; it is made at the first start")
    else:
        yield fail(
            "journal",
            f"{path} is missing, but {conf.ftp_local_directory} belongs to one: every file would come again",
            "put it back, or start once with --new-journal if that is what you want",
        )


def _integrity(journal: Journal) -> Finding:
    problems = journal.check()
    if problems:
        return fail("journal", f"{journal.path} is damaged: {problems[0]}", "stop the daemon and restore a backup")
    version = int(str(journal.meta("schema_version")))
    later = "" if version == len(SCHEMA) else f", brought to {len(SCHEMA)} at the next start"
    return ok("journal", f"{journal.path} is sound, schema {version}{later}")


def _identity(conf: AppConf, journal: Journal, owner: str | None) -> Finding:
    account, present = journal.meta("account"), f"{conf.ftp_user}@{conf.ftp_host}:{conf.ftp_port}"
    if owner is not None and owner != journal.journal_id:
        return fail(
            "journal",
            f"{conf.ftp_local_directory} belongs to journal {owner}, and this one is {journal.journal_id}",
            "put the old journal back, or start once with --new-journal if that is what you want",
        )
    if account not in (None, present):
        return fail(
            "journal",
            f"it belongs to {account}, the configuration says {present}",
            "use another journal_table_name for another server, or start once with --accept-host if it is the same",
        )
    return ok("journal", f"it belongs to this staging directory and to {present}")


def _contents(journal: Journal) -> Finding:
    counts = journal.counts()
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none yet"
    for state in (State.FAILED, State.REJECTED, State.STAGED):
        if counts.get(state):
            return warn("files", told, f"see: ftpretrieve history --state {state}")
    return ok("files", told)


def _local_clock(journal: Journal) -> Finding:
    last = journal.last_poll()
    if last is None:
        return ok("clock", "nothing was polled yet")
    age = time.time() - last
    if age < -1:
        return warn(
            "clock",
            f"the last poll is {_rough(-age)} in the future: this machine's clock was set back",
            "check its time synchronisation; nothing is lost",
        )
    if age > DAY_SECS:
        return warn(
            "clock",
            f"the last poll was {_rough(age)} ago: no daemon ran, or this machine's clock jumped",
            "check both; nothing is lost",
        )
    return ok("clock", f"the last poll was {_rough(age)} ago")


# -- the daemon -------------------------------------------------------------------------------------------------------


def _daemon(conf: AppConf) -> Iterator[Finding]:
    state, named = holder_state(str(conf.daemon_pid)), read(str(conf.daemon_pid))
    where = _nearest(conf.daemon_pid.parent)
    if state is Holder.RUNNING and named:
        yield ok("daemon", f"it runs as process {named[0]} ({conf.daemon_pid})")
    elif state is Holder.DEAD and named:
        yield warn(
            "daemon",
            f"process {named[0]} of {conf.daemon_pid} is gone without a word: it was killed, or the power failed",
            "start it; the file blocks nothing",
        )
    elif os.access(where, os.W_OK):
        yield ok("daemon", "it does not run")
    else:
        yield fail("daemon_pid", f"{conf.daemon_pid} cannot be written by this user", "name another daemon_pid")
    holder = read(lock_path(conf))
    if holder and holder != named and holder_state(lock_path(conf)) is Holder.RUNNING:
        yield ok("poller", f"process {holder[0]} polls with this journal just now")


def _port(conf: AppConf) -> Iterator[Finding]:
    if conf.server_port is None:
        yield ok("port", "none is configured, and none is needed")
        return
    with socket.socket() as probe:
        # Bound but never listening, which with this option does not hinder a daemon that starts just now.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, conf.server_port))
        except OSError as error:
            yield _port_taken(conf, error)
        else:
            yield ok("port", f"{HOST}:{conf.server_port} is free")


def _port_taken(conf: AppConf, error: OSError) -> Finding:
    if error.errno == errno.EADDRINUSE and holder_state(str(conf.daemon_pid)) is Holder.RUNNING:
        return ok("port", f"{HOST}:{conf.server_port} is taken, and the daemon runs")
    return fail(
        "port",
        f"{HOST}:{conf.server_port} cannot be had: {error.strerror}",
        "choose another server_port, or end the program that has it",
    )


LOCAL: tuple[tuple[str, Callable[[AppConf], Iterator[Finding]]], ...] = (
    ("keys", check_keys),
    ("permissions", _permissions),
    ("directories", _directories),
    ("rename", _rename),
    ("space", _space),
    ("log", _logs),
    ("journal", _journal_place),
    ("journal", _journal),
    ("daemon", _daemon),
    ("port", _port),
)
"""The checks that need no server, in the order in which they are shown, each with the name of its own failure."""


def _nearest(path: Path) -> Path:
    """Return the path, or the first directory above it that exists: where it would be made."""
    return next(place for place in (path, *path.parents) if place.is_dir())


def _chown(path: Path) -> str:
    return f"run doctor as the daemon's user, or give it to that user: chown USER {_quoted(path)}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _rough(secs: float) -> str:
    """Write a duration for people; more than its largest unit tells nothing here."""
    for least, unit in ((2 * DAY_SECS, DAY_SECS), (2 * 3600, 3600), (120, 60)):
        if secs >= least:
            return format_duration(float(round(secs / unit) * unit))
    return format_duration(float(round(secs)))
