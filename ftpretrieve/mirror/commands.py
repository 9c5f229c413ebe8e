"""The command line of mirror: read the words of a mode, have its jobs run, turn what comes back into an exit code.

Installed as `lftp-mirror`, and reached as `ftpretrieve mirror`. Must not: do any work itself.
"""

import difflib
import sys
from collections.abc import Callable, Mapping, Sequence

from ftpretrieve import __version__, exits, signals
from ftpretrieve.exits import EXIT_USAGE, say, speak_utf8
from ftpretrieve.mirror.arguments import Parsed, parse
from ftpretrieve.mirror.manual import SYNOPSES, manual, overview, usage
from ftpretrieve.mirror.options import Place
from ftpretrieve.mirror.records import Job
from ftpretrieve.mirror.settings import CRON_SECTION, WrongArguments, find_config, read_jobs, shell_job


def _shell(parsed: Parsed) -> tuple[Job, ...]:
    return (shell_job(parsed),)


def _cfg(parsed: Parsed) -> tuple[Job, ...]:
    if len(parsed.words) != 1:
        raise WrongArguments([*parsed.problems, f"one FILE is needed, and {len(parsed.words)} are given"])
    _complain(parsed)
    return read_jobs(parsed.words[0])


def _cron(parsed: Parsed) -> tuple[Job, ...]:
    if parsed.words:
        raise WrongArguments([*parsed.problems, "cron takes no words but options; name a file with -c"])
    _complain(parsed)
    given = parsed.values["config"]
    return read_jobs(find_config(given if isinstance(given, str) else None), only=CRON_SECTION)


def _complain(parsed: Parsed) -> None:
    if parsed.problems:
        raise WrongArguments(parsed.problems)


MODES: Mapping[Place, Callable[[Parsed], tuple[Job, ...]]] = {
    Place.SHELL: _shell,
    Place.CFG: _cfg,
    Place.CRON: _cron,
}
"""What makes the jobs of each mode."""


def main(argv: Sequence[str] | None = None, prog: str = "lftp-mirror") -> int:
    """Run what the words say, and return the exit code."""
    speak_utf8()
    words = sys.argv[1:] if argv is None else list(argv)
    return exits.run(prog, lambda: _main(words, prog))


def _main(words: Sequence[str], prog: str) -> int:
    first = words[0] if words else ""
    if first in ("-h", "--help"):
        print(overview(prog), end="")
        return 0
    if first in ("-v", "--version"):
        return _version(prog)
    if first not in SYNOPSES:
        return _no_mode(first, prog)
    place = Place(first)
    parsed = parse(words[1:], place)
    if parsed.values["help"]:
        print(manual(place, prog), end="")
        return 0
    if parsed.values["version"]:
        return _version(prog)
    try:
        jobs = MODES[place](parsed)
    except WrongArguments as error:
        print(usage(prog, place), end="", file=sys.stderr)
        say(prog, f"{error}\nsee {prog} {place} --help")
        return EXIT_USAGE
    return _run(jobs, parsed, prog)


def _run(jobs: Sequence[Job], parsed: Parsed, prog: str) -> int:
    from ftpretrieve.mirror.runner import run_jobs  # late, so that help and mistakes do not wait for it

    for job in jobs:
        for note in job.notes:
            say(prog, f"[{job.name}] {note}")
    with signals.raised():
        return run_jobs(jobs, quiet=bool(parsed.values["quiet"]), as_data=bool(parsed.values["json"]))


def _version(prog: str) -> int:
    print(f"{prog} {__version__}")
    return 0


def _no_mode(first: str, prog: str) -> int:
    print(usage(prog), end="", file=sys.stderr)
    close = difflib.get_close_matches(first, list(SYNOPSES), 1)
    hint = f"did you mean {close[0]}?" if close else f"it is one of {', '.join(SYNOPSES)}"
    say(prog, f"{first!r} is no mode; {hint}" if first else f"the mode is missing; {hint}")
    say(prog, f"see {prog} --help")
    return EXIT_USAGE
