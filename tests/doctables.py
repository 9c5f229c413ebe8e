"""The tables of the documentation that are made of the program's own: one function each, and where each one goes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from ftpretrieve.config import Key
from ftpretrieve.errors import RemoteUnavailable
from ftpretrieve.logs import RECORDS
from ftpretrieve.mirror import settings as mirror_settings
from ftpretrieve.mirror import smtp as mirror_smtp
from ftpretrieve.mirror.manual import EXIT_CODES as MIRROR_CODES
from ftpretrieve.mirror.options import OPTIONS as MIRROR_OPTIONS
from ftpretrieve.mirror.options import Group
from ftpretrieve.mirror.records import Verdict
from ftpretrieve.mirror.report import ENDINGS
from ftpretrieve.retrieve.appconf import KEYS
from ftpretrieve.retrieve.dialects_table import LIST_DIALECTS, MLSD
from ftpretrieve.retrieve.journal_schema import COLUMNS
from ftpretrieve.retrieve.records import MOVES, State
from ftpretrieve.send import log as send_log
from ftpretrieve.send import manual as send_manual
from ftpretrieve.send import records as send_records
from ftpretrieve.send import settings as send_settings
from ftpretrieve.send import transaction, transaction_command, verdict
from ftpretrieve.send.rsync_words import EXIT_MEANINGS

CHECKOUT = Path(__file__).parent.parent
README = CHECKOUT / "README.md"
DELIVERY, OPERATIONS, LISTINGS, MIRROR, SEND = (
    CHECKOUT / "docs" / f"{name}.md" for name in ("delivery", "operations", "listings", "mirror", "send")
)


def table(*rows: tuple[str, ...]) -> str:
    """Write rows as a table, the first one being its head."""
    head, *body = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(re.sub(r"\|  (?=\|)", "| ", f"| {' | '.join(line)} |") for line in lines)


def default_of(key: Key) -> str:
    return "required" if key.default is None else f"`{key.default}`" if key.default else "blank"


def key_table() -> str:
    rows = [
        (f"[{key.section}]", f"`{key.name}`", default_of(key), "restart" if key.needs_restart else "", key.help)
        for key in KEYS
    ]
    return table(("section", "key", "default", "needs", "meaning"), *rows)


def record_table(records: Mapping[str, str] = RECORDS) -> str:
    rows = []
    for word, text in records.items():
        fields, _, meaning = text.partition(": ")
        rows.append((f"`{word}`", f"`{fields}`" if "=" in fields else fields, meaning))
    return table(("word", "followed by", "means"), *rows)


def move_table() -> str:
    rows = []
    for state in State:
        to = [f"`{other}`" for other in State if other in MOVES[state]]
        rows.append((f"`{state}`", ", ".join(to) or "nothing more"))
    return table(("a row that is", "may become"), *rows)


def column_table() -> str:
    return table(("column", "meaning"), *((f"`{name}`", meaning) for name, meaning in COLUMNS.items()))


def dialect_table() -> str:
    return table(("dialect", "printed by"), *((dialect.name, dialect.systems) for dialect in (MLSD, *LIST_DIALECTS)))


def mirror_option_table() -> str:
    """Write a table a group, in the order of the help."""
    parts = []
    for group in Group:
        rows = [("option", "does", "also spelt", "in lftp")]
        for option in MIRROR_OPTIONS:
            if option.group is group:
                spelling = f"`{', '.join(option.flags)} {option.metavar}".rstrip() + "`"
                old = ", ".join(f"`{flag}`" for flag in option.old_flags)
                rows.append((spelling, option.help, old, f"`mirror {option.lftp}`" if option.lftp else ""))
        parts.append(f"### {group}\n\n{table(*rows)}")
    return "\n\n".join(parts)


def mirror_key_table() -> str:
    return table(
        ("key", "", "is"),
        *((f"`{key.name}`", "" if key.default == "" else "required", key.help) for key in mirror_settings.KEYS),
    )


def mirror_smtp_table() -> str:
    rows = [(f"`{key.name}`", f"`{key.default}`" if key.default else "blank", key.help) for key in mirror_smtp.KEYS]
    return table(("key", "default", "is"), *rows)


VERDICTS = {
    Verdict.OK: "all is as planned",
    Verdict.FAILED: "something is not as planned; each reason has a line",
    Verdict.REFUSED: "more would have been removed than may be; nothing was changed",
    Verdict.AWAY: "the server could not be reached, fell silent, or the time of the job was over",
    Verdict.LOCKED: "another run is at work in LOCAL; nothing was done",
}


def mirror_verdict_table() -> str:
    rows = [(f"`{ENDINGS[verdict]}`", f"`{verdict}`", VERDICTS[verdict]) for verdict in Verdict]
    return table(("the line begins with", "in JSON", "means"), *rows)


def mirror_code_table() -> str:
    return table(("code", "meaning"), *MIRROR_CODES)


SEND_STATES = {
    send_records.State.SENDING: "begun, and not known to be complete at the server; it is resumed under its identifier",
    send_records.State.SENT: "complete at the server, and in the logbook",
    send_records.State.FINISHED: "the data centre has said its last word, and it was asked for here",
    send_records.State.ABANDONED: "given up for a new one, by `--restart`",
}


def send_state_table() -> str:
    rows = []
    for state, meaning in SEND_STATES.items():
        to = [f"`{other}`" for other in send_records.State if other in send_records.MOVES[state]]
        rows.append((f"`{state}`", meaning, ", ".join(to) or "nothing more"))
    return table(("state", "means", "may become"), *rows)


def send_verdict_table() -> str:
    rows = [(f"`{each}`", words, str(verdict.exit_code(each))) for each, words in verdict.VERDICT_WORDS.items()]
    return table(("in JSON", "the verdict", "exit code"), *rows)


def send_status_table() -> str:
    """Write what the two kinds of numbers of the data centre mean, one beside the other."""
    numbers = sorted({*transaction.STATUS_WORDS, *transaction.RETURNCODE_WORDS})
    rows = [
        (str(each), transaction.STATUS_WORDS.get(each, ""), transaction.RETURNCODE_WORDS.get(each, ""))
        for each in numbers
    ]
    return table(("number", "as a status", "as a return code"), *rows)


def send_option_table() -> str:
    rows = []
    for option in send_manual.OPTIONS:
        rows.append((f"`{option.spelling}`", option.help, ", ".join(f"`{flag}`" for flag in option.old_flags)))
    return table(("option", "does", "also spelt"), *rows)


def send_value_table() -> str:
    rows = [
        (f"`--print-{option.name}{' ID' if option.takes_process else ''}`", option.help)
        for option in transaction_command.OPTIONS
    ]
    return table(("option", "prints"), *rows)


def send_key_table() -> str:
    rows = [(f"[{key.section}]", f"`{key.name}`", default_of(key), key.help) for key in send_settings.KEYS]
    return table(("section", "key", "default", "is"), *rows)


def send_rsync_table() -> str:
    """Write a row for all codes that ask for the same, in the order of the first ones."""
    same: dict[tuple[str, bool], list[int]] = {}
    for code, meaning in EXIT_MEANINGS.items():
        same.setdefault((meaning.fix, meaning.error is RemoteUnavailable), []).append(code)
    rows = []
    for (fix, heals), codes in same.items():
        words = "; ".join(f"{EXIT_MEANINGS[code].words} ({code})" for code in codes)
        rows.append((words, fix, "yes" if heals else ""))
    return table(("it says: rsync ... (code)", "what to do", "tried again"), *rows)


TABLES: dict[tuple[Path, str], Callable[[], str]] = {
    (README, "keys"): key_table,
    (README, "records"): record_table,
    (DELIVERY, "moves"): move_table,
    (OPERATIONS, "columns"): column_table,
    (LISTINGS, "dialects"): dialect_table,
    (MIRROR, "mirror options"): mirror_option_table,
    (MIRROR, "mirror keys"): mirror_key_table,
    (MIRROR, "mirror smtp"): mirror_smtp_table,
    (MIRROR, "mirror verdicts"): mirror_verdict_table,
    (MIRROR, "mirror codes"): mirror_code_table,
    (SEND, "send states"): send_state_table,
    (SEND, "send verdicts"): send_verdict_table,
    (SEND, "send statuses"): send_status_table,
    (SEND, "send options"): send_option_table,
    (SEND, "send values"): send_value_table,
    (SEND, "send keys"): send_key_table,
    (SEND, "send records"): lambda: record_table(send_log.RECORDS),
    (SEND, "send codes"): lambda: table(("code", "meaning"), *send_manual.EXIT_CODES),
    (SEND, "send rsync"): send_rsync_table,
}
