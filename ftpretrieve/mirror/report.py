"""What one job did, as text in the form that readers of lftp-mirror know, and as data.

A head is a name filled up to 80 columns. `=` blocks end with a line of `=`, `_` blocks with two empty lines. A block
that has nothing to say is left out; SCRIPT, START TIME, RESULT and END TIME always stand. An upload makes no directory
here and no copies, so those blocks are not in its report.

Names and messages come from servers: whatever they hold, one line stays one line, prints, and is never taken for a head
or a verdict. Pure: no clock, no disk; masking secrets is done before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ftpretrieve import __version__
from ftpretrieve.escapes import escape
from ftpretrieve.mirror.records import Result, Verdict
from ftpretrieve.units import BYTES

COLUMNS = 80

LINES_KEPT = 10_000
"""Of each list the first and the last half: about one MiB, which mail servers take and readers can load. lftp writes a
line a file, so all but the first mirror of a large site is told whole; what went wrong stands in the verdict too."""

LINE_CHARS = 5_000
"""Some words and the longest path there is (4,096 bytes). What is longer is no name, and one could fill the log."""

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""In English whatever the locale: people search logs and sort mails by them."""

ENDINGS = {
    Verdict.OK: "Ended OK",
    Verdict.FAILED: "Failed",
    Verdict.REFUSED: "Refused",
    Verdict.AWAY: "Server away",
    Verdict.LOCKED: "Locked",
}
"""What the line of the verdict begins with. All but the first are followed by a colon and the reason."""

FILL = ("==", "=_", "_=", "__")
WORDS = tuple(word.lower() for word in (*ENDINGS.values(), "Dry run"))
"""How lines of the form end, and begin. A foreign line that does so is moved to the right."""


@dataclass(frozen=True, slots=True)
class Report:
    """One job, from start to end. Times know their zone; texts are as they came, and have no secrets."""

    job: str
    site: str
    user: str
    source: str
    target: str
    started: datetime
    ended: datetime
    result: Result
    created: str = ""  # the local directory, when there was none before
    output: Sequence[str] = ()  # lines of lftp; the plan when that is all there is (refused, dry run)
    backup: str = ""  # the compressed copy that was made
    backups_removed: Sequence[str] = ()
    disk_bytes: int | None = None
    notes: Sequence[str] = ()  # one line each: what a reader should know and what failed nothing


def as_text(report: Report) -> str:
    """Return the report in the known form, with an empty line behind the last block."""
    blocks = [
        _framed("SCRIPT", _script_lines(report)),
        _framed("START TIME", [moment(report.started).rjust(COLUMNS)]),
        _listed("CREATED NEW DIRECTORY", [_foreign(report.created)] if report.created else []),
        _listed("LFTP OUTPUT", map(_foreign, _shortened(report.output))),
        _listed("ROTATE COMPRESSED COPIES", _backup_lines(report)),
        "" if report.disk_bytes is None else _framed("DISK SPACE USED", [_human(report.disk_bytes).rjust(COLUMNS)]),
        _listed("NOTES", ["* " + escape(note) for note in _shortened(report.notes)]),
        _framed("RESULT", _result_lines(report.result)),
        _framed("END TIME", [moment(report.ended).rjust(COLUMNS)]),
    ]
    return "".join(blocks)


def summary(report: Report) -> str:
    """Return the result as one line for a terminal or a pop-up."""
    *verdict, figures = _result_lines(report.result)
    others = f" (and {_count(len(verdict) - 1, 'more reason')})" if len(verdict) > 1 else ""
    ending = f"{verdict[0].removesuffix('.')}{others}. " if verdict else ""
    return f"{escape(report.job)}: {ending}{figures}"


def moment(when: datetime) -> str:
    """Return a time as the form has it: `wednesday 08/12/10, 13:52:13`."""
    return f"{DAYS[when.weekday()]} {when:%d/%m/%y, %H:%M:%S}"


def as_json(report: Report) -> dict[str, object]:
    """Return the report as data for `json.dumps`, whose default (ASCII) also spells names that are no UTF-8."""
    result = report.result
    return {
        "job": report.job,
        "started": report.started.isoformat(timespec="seconds"),
        "ended": report.ended.isoformat(timespec="seconds"),
        "site": report.site,
        "user": report.user,
        "source": report.source,
        "target": report.target,
        "created": report.created or None,
        "output": _shortened(report.output),
        "backup": report.backup or None,
        "backups_removed": list(report.backups_removed),
        "disk_bytes": report.disk_bytes,
        "result": {
            "verdict": result.verdict.value,
            "dry_run": result.dry_run,
            "transferred": result.transferred,
            "transferred_bytes": result.transferred_bytes,
            "deleted": result.deleted,
            "failed": result.failed,
            "secs": round(result.secs, 3),
            "reasons": _shortened(result.reasons),
        },
        "notes": _shortened(report.notes),
    }


def _framed(name: str, lines: Iterable[str]) -> str:
    return "\n".join([f"{name} ".ljust(COLUMNS, "="), *lines, "=" * COLUMNS, "", ""])


def _listed(name: str, lines: Iterable[str]) -> str:
    kept = list(lines)
    return "\n".join([f"{name} ".ljust(COLUMNS, "_"), "", *kept, "", "", ""]) if kept else ""


def _script_lines(report: Report) -> list[str]:
    # A job that ended otherwise may never have been connected, or not logged in.
    reached = report.result.verdict in (Verdict.OK, Verdict.REFUSED)
    return [
        f"lftp-mirror (ver. {__version__})",
        f"Job {escape(report.job)}",
        "",
        f"{'Connected' if reached else 'Connection'} to {escape(report.site)} as {escape(report.user)}",
        f"Mirror {escape(report.source)} to {escape(report.target)}",
    ]


def _backup_lines(report: Report) -> list[str]:
    lines = ["Created file:", "", _foreign(report.backup)] if report.backup else []
    if report.backups_removed:
        word = "file" if len(report.backups_removed) == 1 else "files"
        lines += [""] * bool(lines) + [f"Deleted old {word}:", "", *map(_foreign, report.backups_removed)]
    return lines


def _result_lines(result: Result) -> list[str]:
    """Return verdict, reasons and figures. A dry run that would be allowed has no verdict: nothing ended well."""
    verdict = [] if result.dry_run and result.verdict is Verdict.OK else _verdict_lines(result)
    return [*verdict, _figures(result)]


def _verdict_lines(result: Result) -> list[str]:
    """Return the verdict with the first reason, then the others, indented."""
    ending, reasons = ENDINGS[result.verdict], [escape(reason) for reason in _shortened(result.reasons)]
    if result.verdict is not Verdict.OK:
        ending += ": " + (reasons.pop(0) if reasons else "no reason is known")
    return [ending, *("    " + reason for reason in reasons)]


def _figures(result: Result) -> str:
    files = f"{_count(result.transferred, 'file')} ({_human(result.transferred_bytes)})"
    if result.dry_run:
        return f"Dry run: would transfer {files} and delete {result.deleted}"
    return f"Transferred {files}, deleted {result.deleted}, failed {result.failed}, in {result.secs:.1f} s"


def _foreign(text: str) -> str:
    """Return a line that others made, moved to the right when a reader or a program could take it for one of ours."""
    shown = escape(text)
    bare = shown.strip().lower()
    return "    " + shown if bare.endswith(FILL) or bare.startswith(WORDS) else shown


def _shortened(lines: Sequence[str]) -> list[str]:
    """Return the lines, without the middle of very many, and none of them endless."""
    kept = list(lines)
    if len(kept) > LINES_KEPT:
        half = LINES_KEPT // 2
        kept[half:-half] = [f"[{len(kept) - LINES_KEPT} lines left out]"]
    return [line if len(line) <= LINE_CHARS else line[:LINE_CHARS] + "…" for line in kept]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _human(size_bytes: int) -> str:
    """Write a byte size with two decimals, as the form has it: `1.35 MiB`, `17 bytes`."""
    if size_bytes < BYTES["kib"]:
        return _count(size_bytes, "byte")
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        size = round(size_bytes / BYTES[unit.lower()], 2)
        if size < 1024:  # rounded: a byte less than 1 MiB is no 1024.00 KiB
            break
    return f"{size:.2f} {unit}"
