"""The command line: parse, call one system, turn what comes back into an exit code.

The commands are the rows of COMMANDS; the parser and the help are made of them. Each imports what it needs when it
runs, so that `status` does not wait for an FTP client to load. Must not: do any work itself.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ftpretrieve import AppConf, __version__, exits, go
from ftpretrieve.exits import EXIT_USAGE
from ftpretrieve.retrieve.appconf import find_config
from ftpretrieve.units import parse_duration

EXIT_CODES = """exit codes:
  0 done, or already so    1 failed    2 wrong arguments    4 not permitted    6 not configured, or wrongly
  7 not running    75 worth another try later    130 interrupted"""

ONCE_CODES = """exit codes:
  0 all well or nothing new    1 a file failed, or the login was refused
  75 server away, session limit reached (run it again), or the journal is in use
  2 wrong arguments    4 not permitted    6 not configured, or wrongly    130 interrupted"""

STATUS_CODES = """exit codes:
  0 running    1 dead, and its pid file is there    3 stopped    4 not permitted    6 not configured, or wrongly"""

Adder = Callable[[argparse.ArgumentParser], object]


# -- options --------------------------------------------------------------------------------------------------------


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def _since(text: str) -> float:
    import time

    from ftpretrieve.retrieve.history import parse_since

    try:
        return parse_since(text, time.time())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows; give 1 or more")
    return int(text)


def _option(*names: str, **details: object) -> Adder:
    return lambda parser: parser.add_argument(*names, **details)  # type: ignore[arg-type]  # argparse checks them


LOG = _option("--log", metavar="FILE", help="rotating log file instead of the configured daemon_log")
REMOTE_DIR = _option("--remote-dir", metavar="DIR", help="directory at the server instead of ftp_remote_directory")
DEBUG = _option("--debug", action="store_true", help="log every step")
NEW_JOURNAL = _option(
    "--new-journal",
    action="store_true",
    help="accept, this once, that the journal is new: everything at the server is fetched again",
)
ACCEPT_HOST = _option(
    "--accept-host", action="store_true", help="accept, this once, that the journal was of another server or user"
)
WAIT = _option(
    "--wait", metavar="SECS", type=_seconds, default=30.0, help="longest wait until it is ready, in seconds (30)"
)
TIMEOUT = _option(
    "--timeout",
    metavar="SECS",
    type=_seconds,
    default=30.0,
    help="longest wait for its end, in seconds (30)",
)
START = (LOG, REMOTE_DIR, DEBUG, WAIT, NEW_JOURNAL, ACCEPT_HOST)
DRY_RUN = _option(
    "-n", "--dry-run", action="store_true", help="show what would be fetched and why the rest not; change nothing"
)
MARK_SEEN = _option("--mark-seen", action="store_true", help="journal what is listed as known, without fetching it")
NAME = _option("--name", metavar="GLOB", help="only names that match, such as '*.xml'")
OFFLINE = _option("--offline", action="store_true", help="leave the server out")
SINCE = _option(
    "--since",
    metavar="WHEN",
    type=_since,
    help="only since a day (2026-11-20), a time, or '2 h' ago",
)
STATE = _option("--state", metavar="S", help="only this state: delivered, failed, staged, changing, seen, …")
LIMIT = _option("--limit", metavar="N", type=_count, default=100, help="at most so many rows, the newest (100)")


# -- commands -------------------------------------------------------------------------------------------------------


def _load(arguments: argparse.Namespace) -> AppConf:
    return AppConf(find_config(arguments.config))


def _load_to_manage(arguments: argparse.Namespace) -> AppConf:
    conf, problems = AppConf.to_manage(find_config(arguments.config))
    for problem in problems:
        print(f"ftpretrieve: {problem}", file=sys.stderr)
    return conf


def _go(arguments: argparse.Namespace, *, isdaemon: bool) -> int:
    return go(
        str(find_config(arguments.config)),
        arguments.log,
        arguments.remote_dir,
        arguments.debug or arguments.verbose,
        isdaemon,
        wait_secs=arguments.wait,
        new_journal=arguments.new_journal,
        accept_host=arguments.accept_host,
        quiet=arguments.quiet,
    )


def _stop(arguments: argparse.Namespace) -> int:
    from ftpretrieve.retrieve.manage import stop

    return stop(_load_to_manage(arguments), arguments.timeout)


def _restart(arguments: argparse.Namespace) -> int:
    from ftpretrieve.retrieve import manage, service

    config, log, directory = str(find_config(arguments.config)), arguments.log, arguments.remote_dir
    checked = service.check(service.Start(config, log, directory), isdaemon=True)  # a wrong one must not stop it
    if not (arguments.new_journal or arguments.accept_host):
        manage.check_journal(checked.conf)
    return manage.stop(checked.conf, arguments.timeout) or _go(arguments, isdaemon=True)


def _reload(arguments: argparse.Namespace) -> int:
    from ftpretrieve.retrieve.manage import reload

    return reload(_load(arguments))


def _status(arguments: argparse.Namespace) -> int:
    from ftpretrieve.retrieve.manage import status

    return status(_load_to_manage(arguments), as_json=arguments.json, out=sys.stdout)


def _once(arguments: argparse.Namespace) -> int:
    from ftpretrieve.retrieve import once, service

    conf = _load(arguments).with_remote_directory(arguments.remote_dir)
    allowed = {"new_journal": arguments.new_journal, "accept_host": arguments.accept_host}
    if arguments.dry_run:
        return once.preview(conf, as_json=arguments.json, out=sys.stdout)
    if arguments.mark_seen:
        return once.mark_seen(conf, glob=arguments.name, as_json=arguments.json, out=sys.stdout, **allowed)
    return once.once(
        conf,
        log_file=service.log_path(conf, arguments.log),
        debug=arguments.debug or arguments.verbose,
        quiet=arguments.quiet,
        as_json=arguments.json,
        out=sys.stdout,
        **allowed,
    )


def _doctor(arguments: argparse.Namespace) -> int:
    from ftpretrieve.retrieve.doctor import doctor

    config = find_config(arguments.config)
    return doctor(config, offline=arguments.offline, as_json=arguments.json, out=sys.stdout)


def _history(arguments: argparse.Namespace) -> int:
    from ftpretrieve.retrieve.history import history

    return history(
        _load(arguments),
        name=arguments.name,
        since=arguments.since,
        state=arguments.state,
        limit=arguments.limit,
        as_json=arguments.json,
        out=sys.stdout,
    )


@dataclass(frozen=True, slots=True)
class Command:
    """One command: what it is called, does, takes, and an example of it."""

    name: str
    help: str
    run: Callable[[argparse.Namespace], int]
    options: Sequence[Adder] = ()
    example: str = ""
    codes: str = EXIT_CODES


COMMANDS = (
    Command("start", "start the daemon; returns when it is ready, or says why not", partial(_go, isdaemon=True), START,
            "ftpretrieve -c /etc/ftpretrieve/ftpretrieve.conf start --log /var/log/ftpretrieve.log"),
    Command("run", "the same in the foreground, for systemd and containers", partial(_go, isdaemon=False), START,
            "ftpretrieve -c ftpretrieve.conf run"),
    Command("stop", "stop the daemon; returns when it is gone", _stop, (TIMEOUT,), "ftpretrieve stop --timeout 60"),
    Command("restart", "check the configuration, then stop and start", _restart, (*START, TIMEOUT),
            "ftpretrieve restart"),
    Command("reload", "have the daemon read its configuration again", _reload, (), "ftpretrieve reload"),
    Command("status", "say whether the daemon runs, and what the journal counts", _status, (),
            "ftpretrieve --json status", STATUS_CODES),
    Command("once", "poll once, then exit", _once,
            (DRY_RUN, MARK_SEEN, NAME, LOG, REMOTE_DIR, DEBUG, NEW_JOURNAL, ACCEPT_HOST),
            "ftpretrieve once -n                          what would be fetched?\n"
            "  ftpretrieve once --mark-seen --name '*.xml'  take over from another tool", ONCE_CODES),
    Command("doctor", "check configuration, directories, journal and server", _doctor, (OFFLINE,),
            "ftpretrieve doctor --offline"),
    Command("history", "show what the journal remembers, newest first", _history, (NAME, SINCE, STATE, LIMIT),
            "ftpretrieve history --name '*.xml' --since '2 h'"),
)  # fmt: skip
"""Every command there is, but for those of the other systems, which have command lines of their own."""


def _mirror(words: Sequence[str], prog: str) -> int:
    from ftpretrieve.mirror.commands import main

    return main(words, prog)


def _send(words: Sequence[str], prog: str) -> int:
    from ftpretrieve.send.commands import main

    return main(words, prog)


SYSTEMS = {
    "mirror": ("keep two directories alike through lftp; see mirror --help", _mirror),
    "send": ("push a directory to a data centre as one transaction, through rsync; see send --help", _send),
}
"""The other systems: what each does, and its own command line."""


# -- the parser -----------------------------------------------------------------------------------------------------


def _add_global(parser: argparse.ArgumentParser, *, default: bool) -> None:
    """Add what may stand before and after the command; only the former has defaults, or it would be overwritten."""
    unset = argparse.SUPPRESS
    add = partial(parser.add_argument, default=None if default else unset)
    add("-c", "--config", metavar="FILE", help="configuration file; else $FTPRETRIEVE_CONFIG, "
        "$XDG_CONFIG_HOME/ftpretrieve/ftpretrieve.conf, /etc/ftpretrieve/ftpretrieve.conf")  # fmt: skip
    flag = partial(parser.add_argument, action="store_true", default=False if default else unset)
    flag("-v", "--verbose", help="show and log every step")
    flag("-q", "--quiet", help="show warnings and errors only")
    flag("--json", help="an object a line on standard output, for programs")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "ftpretrieve",
        description="Takes every file from an FTP server exactly once, whole, and says so when it cannot.",
        epilog=EXIT_CODES,
        formatter_class=raw,
        allow_abbrev=False,
    )
    _add_global(parser, default=True)
    parser.add_argument("--version", action="version", version=f"ftpretrieve {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        below = commands.add_parser(
            command.name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=f"{command.codes}\n\nexample:\n  {command.example}",
            formatter_class=raw,
            allow_abbrev=False,
        )
        for add in command.options:
            add(below)
        _add_global(below, default=False)
        below.set_defaults(command=command, parser=below)
    for name, (does, _) in SYSTEMS.items():
        commands.add_parser(name, add_help=False, help=does)
    return parser


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if "command" not in arguments:
        parser.print_usage(sys.stderr)
        print("ftpretrieve: a COMMAND is missing; see ftpretrieve --help", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    if arguments.command.name == "once":
        if arguments.dry_run and arguments.mark_seen:
            arguments.parser.error("-n and --mark-seen: choose one of them")
        if arguments.name is not None and not arguments.mark_seen:
            arguments.parser.error("--name goes with --mark-seen; what is fetched is told by include and exclude")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words and words[0] in SYSTEMS:
        _, system = SYSTEMS[words[0]]
        return system(words[1:], f"ftpretrieve {words[0]}")
    arguments = _parse(words)
    return exits.run("ftpretrieve", lambda: arguments.command.run(arguments))
