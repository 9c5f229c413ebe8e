"""The command line of send: read the words, do the one thing they ask for, turn what comes back into an exit code.

Installed as `ResifDataTransfer`, and reached as `ftpretrieve send`. Must not: do any work itself.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from ftpretrieve import __version__, exits, signals
from ftpretrieve.errors import FtpRetrieveError, StorageError
from ftpretrieve.escapes import escape
from ftpretrieve.exits import EXIT_USAGE, say
from ftpretrieve.logs import record
from ftpretrieve.send.log import open_log
from ftpretrieve.send.manual import OPTIONS, Option, manual
from ftpretrieve.send.records import ID_FORM, Settings
from ftpretrieve.send.settings import absolute_directory, find_config, read_settings
from ftpretrieve.units import parse_duration

if TYPE_CHECKING:
    from ftpretrieve.send.survey import Request

PROG = "ResifDataTransfer"

ALL = True
"""The value of --resume without an ID."""

FAILED = 1
"""Of every error: that is what callers of this command have always tested for."""


class WrongArguments(FtpRetrieveError):
    """The command line must be mended."""


class WrongDataType(FtpRetrieveError):
    """The data type is none that the configuration knows."""


# -- reading the words ------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise instead of ending the program."""
        raise WrongArguments(escape(message))  # it quotes words, which may have line breaks in them


def _identifier(text: str) -> str:
    if not ID_FORM.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no identifier; give 1 to 16 letters and digits")
    return text


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def _directory(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("it is blank; name a directory")
    return text


TYPES: Mapping[str, Callable[[str], object]] = {
    "DIR": _directory,
    "TYPE": str,
    "FILE": str,
    "ID": _identifier,
    "[ID]": _identifier,
    "SECS": _seconds,
}
"""What reads the value of an option, by what it is called."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return the options that the words give, those that are missing as None.

    Raises: WrongArguments when they are unknown, lack something, or do not go together.
    """
    parser = _Parser(prog=PROG, add_help=False)
    for option in OPTIONS:
        flags = (*option.flags, *option.old_flags)
        if not option.metavar:
            parser.add_argument(*flags, dest=option.name, action="store_true", default=None)
        elif option.metavar.startswith("["):
            parser.add_argument(*flags, dest=option.name, nargs="?", const=ALL, type=TYPES[option.metavar])
        else:
            parser.add_argument(*flags, dest=option.name, type=TYPES[option.metavar])
    arguments = parser.parse_args(list(words))
    if not (arguments.help or arguments.version):
        _check(arguments)
    return arguments


def _check(arguments: argparse.Namespace) -> None:
    """Raise WrongArguments if options are missing or contradict each other."""
    given = [option for option in OPTIONS if getattr(arguments, option.name) is not None]
    modes = [option for option in given if option.mode]
    for option in given:
        if option.needs and not any(getattr(arguments, name) is not None for name in option.needs):
            raise WrongArguments(f"{_named(option)} needs {' or '.join(map(_named, map(_option, option.needs)))}")
    if not modes:
        raise WrongArguments(f"nothing to do; give one of {', '.join(_named(each) for each in OPTIONS if each.mode)}")
    if len(modes) > 1 and {option.name for option in modes} != {"send", "resume"}:
        raise WrongArguments(f"{' and '.join(map(_named, modes))} exclude each other; give one of them")
    if arguments.send is not None:
        _check_send(arguments)


def _check_send(arguments: argparse.Namespace) -> None:
    if arguments.data_type is None:
        raise WrongArguments("-s needs -d TYPE, which says what the data is")
    if arguments.resume not in (None, ALL):
        raise WrongArguments("with -s, --resume takes no ID: DIR says which one it is")
    if arguments.resume is not None and arguments.restart:
        raise WrongArguments("--resume and --restart exclude each other; give one of them")


def _option(name: str) -> Option:
    return next(option for option in OPTIONS if option.name == name)


def _named(option: Option) -> str:
    return option.flags[0]


# -- doing it ---------------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None, prog: str = PROG) -> int:
    """Do what the words ask for, and return the exit code."""
    exits.speak_utf8()
    words = sys.argv[1:] if argv is None else list(argv)
    return exits.run(prog, lambda: _main(words, prog), _code_of)


def _code_of(error: FtpRetrieveError) -> int:
    return EXIT_USAGE if isinstance(error, WrongArguments) else FAILED


def _main(words: Sequence[str], prog: str) -> int:
    if sys.stdout is None:  # said before anything is sent whose id would then get lost
        raise StorageError("standard output is closed; if nobody wants to read it, let it go to /dev/null")
    if not words:
        say(prog, "-h for usage summary.")
        return EXIT_USAGE
    try:
        arguments = parse(words)
    except WrongArguments as error:
        raise WrongArguments(f"{error}\n-h for usage summary.") from None
    if arguments.help:
        print(manual(prog), end="")
        return 0
    if arguments.version:
        print(f"{prog} {__version__}")
        return 0
    settings = read_settings(find_config(arguments.config))
    if arguments.logbook:  # which only reads, so it needs no log either
        return _print_logbook(settings, prog)
    with open_log(settings, bool(arguments.debug)) as log, signals.raised(), _failures_in(log):
        return _repair(settings, log, prog) if arguments.repair else _work(settings, arguments, prog)


@contextmanager
def _failures_in(log: logging.Logger) -> Iterator[None]:
    """Write to the log why the command ended without success."""
    try:
        yield
    except FtpRetrieveError as error:
        for line in str(error).splitlines():
            log.error(record("FAILED", reason=line))
        raise
    except KeyboardInterrupt as error:
        log.error(record("FAILED", reason=str(error) or "interrupted"))
        raise


def _work(settings: Settings, arguments: argparse.Namespace, prog: str) -> int:
    """Call what talks to the data centre. Imported late, so that help and mistakes do not wait for it."""
    from ftpretrieve.send import follow, run

    as_json = bool(arguments.json)
    if arguments.send is not None:
        request = _request(settings, arguments)
        return (run.test if arguments.test else run.send)(settings, request, sys.stdout, prog)
    if arguments.resume is not None:
        transaction_id = None if arguments.resume is ALL else arguments.resume
        return run.resume(settings, transaction_id, bool(arguments.ignore_limits), sys.stdout, prog)
    if arguments.retrieve_logs is not None:
        return follow.retrieve(settings, arguments.retrieve_logs, sys.stdout)
    if arguments.status is not None:
        return follow.status(settings, arguments.status, sys.stdout, arguments.wait or 0.0, as_json)
    return follow.pending(settings, sys.stdout, as_json, prog)


def _request(settings: Settings, arguments: argparse.Namespace) -> "Request":
    from ftpretrieve.send.survey import Request

    if arguments.data_type not in settings.data_types:
        known = ", ".join(settings.data_types)
        raise WrongDataType(f"{arguments.data_type!r} is no data type of the configuration; give one of {known}")
    return Request(
        absolute_directory(arguments.send, os.getcwd()),
        arguments.data_type,
        resume=arguments.resume is not None,
        restart=bool(arguments.restart),
        ignore_limits=bool(arguments.ignore_limits),
    )


def _print_logbook(settings: Settings, prog: str) -> int:
    """Print a line for each entry, with what could break it escaped."""
    from ftpretrieve.send.logbook import Logbook

    entries = Logbook(settings.logbook).read()
    if not entries:
        is_there = settings.logbook.exists()
        say(prog, f"the logbook is empty: {settings.logbook}" if is_there else f"no logbook yet: {settings.logbook}")
    for entry in entries:
        fields = (entry.transaction_id, entry.date, entry.node, entry.data_type, entry.directory)
        print(*map(escape, fields), f"{entry.size_gb:.3f}", sep="\t")
    return 0


def _repair(settings: Settings, log: logging.Logger, prog: str) -> int:
    """Repair the logbook, and say what came of it."""
    from ftpretrieve.send.logbook import Logbook

    logbook = Logbook(settings.logbook)
    aside = logbook.repair()
    if aside is None:
        say(prog, f"nothing to repair: {settings.logbook}")
        return 0
    log.warning(record("REPAIRED", logbook=settings.logbook, aside=aside))
    kept = len(logbook.read())
    say(prog, f"{settings.logbook}: {kept} entries could be kept; the damaged one is {aside}: compare them")
    return 0
