"""The documentation says what the program does: its tables are made of the program's own, its links lead somewhere.

`python -m tests.test_docs` writes the generated tables anew, between their marks.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftpretrieve import __version__
from ftpretrieve.cli import make_parser
from ftpretrieve.errors import EXIT_CODES, NO_PERMISSION
from ftpretrieve.exits import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED, EXIT_USAGE
from ftpretrieve.logs import RECORDS
from ftpretrieve.mirror.options import OPTIONS as MIRROR_OPTIONS
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.manage import NOT_RUNNING, STATUS_CODES
from ftpretrieve.retrieve.records import State
from ftpretrieve.send import log as send_log
from ftpretrieve.send import manual as send_manual
from ftpretrieve.send import settings as send_settings
from ftpretrieve.send import transaction_command
from tests.doctables import CHECKOUT, DELIVERY, MIRROR, README, SEND, TABLES

PAGES = [README, *sorted((CHECKOUT / "docs").glob("*.md"))]


# -- tables that are generated ----------------------------------------------------------------------------------------


def split_at(page: Path, name: str) -> tuple[str, str, str]:
    """Return what is before, between and behind the marks of a table."""
    before, mark, rest = page.read_text().partition(f"<!-- {name} -->\n")
    inside, end, after = rest.partition(f"<!-- end of {name} -->")
    assert mark, f"{page} has no mark for {name}"
    assert end, f"{page} has no end of {name}"
    return before + mark, inside, end + after


@pytest.mark.parametrize(("page", "name"), TABLES, ids=[name for _, name in TABLES])
def test_a_generated_table_is_that_of_the_program(page: Path, name: str) -> None:
    """Every key with its default, record, move and column is there, and no other. See above for how to renew it."""
    assert split_at(page, name)[1] == TABLES[page, name]() + "\n"


# -- what is written by hand ------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in make_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def section(page: Path, title: str) -> str:
    """Return the text under a headline, up to the next one of its rank or higher."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{page.name} has no section {title!r}"
    return found[2]


def options(parser: argparse.ArgumentParser) -> set[str]:
    return {name for action in parser._actions for name in action.option_strings} - {"-h", "--help", "--version"}


def test_every_command_and_option_is_documented() -> None:
    """In the section on commands, the long and the short form; what is common to all stands above the table."""
    text = section(README, "Commands")
    known = options(make_parser())
    missing = []
    for name, parser in commands():
        if not re.search(rf"`{name}[` ]", text):
            missing.append(name)
        missing += [f"{name} {option}" for option in options(parser) - known if not mentions(text, option)]
    missing += [option for option in known - {"--config", "--verbose", "--quiet"} if not mentions(text, option)]
    assert not missing


def mentions(text: str, option: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text) is not None


def test_every_documented_option_exists() -> None:
    """In all pages, in code: behind our commands, or where an option stands first."""
    known = set(options(make_parser())).union(*(options(parser) for _, parser in commands()), mirror_flags())
    known |= send_flags() | {word for key in send_settings.KEYS for word in (key.default or "").split()}
    command = r"(?:(?<![\w/@.-])(?:ftpretrieve|lftp-mirror|ResifDataTransfer(?:Transaction)?) |^(?=-))(.*)"
    for page in PAGES:
        for line in code_of(page):
            ours = re.search(command, line)
            assert not ours or set(re.findall(r"(?<![\w-])--[a-z][\w-]*", ours[1])) <= known, f"{page.name}: {line}"


def mirror_flags() -> set[str]:
    return {flag for option in MIRROR_OPTIONS for flag in option.flags + option.old_flags}


def send_flags() -> set[str]:
    """Return those of both commands, but for what every command has."""
    values = {f"--print-{option.name}" for option in transaction_command.OPTIONS}
    return values.union(*(option.flags + option.old_flags for option in send_manual.OPTIONS))


def code_of(page: Path) -> list[str]:
    """Return the lines that are code and the code within lines."""
    text = page.read_text()
    return re.findall(r"^ {4,}.*$", text, re.MULTILINE) + re.findall(r"`([^`\n]+)`", text)


def test_every_documented_command_exists() -> None:
    """`ftpretrieve WORD` in code is a command line that the parser takes."""
    known = {name for name, _ in commands()}
    for page in PAGES:
        for line in code_of(page):
            found = re.search(r"(?:^|\$\()\s*ftpretrieve(?: --json)? ([a-z]+)\b", line)
            assert not found or found[1] in known, f"{page.name}: {line}"


def test_every_exit_code_is_documented() -> None:
    """Those of errors, of `status` and of the command line itself, and no others."""
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", section(README, "Exit codes"), re.MULTILINE)}
    known = {*(code for _, code in EXIT_CODES), NO_PERMISSION, *STATUS_CODES.values(), NOT_RUNNING}
    assert rows == known | {EXIT_USAGE, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE}


def logged() -> Iterator[tuple[str, set[str]]]:
    """Yield each record that the program writes: its word and its fields. Small letters are for debugging.

    The log of send is another one, with a table of its own (tests/send/test_log.py).
    """
    package = CHECKOUT / "ftpretrieve"
    for path in set(package.rglob("*.py")) - set((package / "send").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "record":
                word = node.args[0]
                if isinstance(word, ast.Constant) and str(word.value).isupper():
                    yield str(word.value), {keyword.arg for keyword in node.keywords if keyword.arg}


def test_every_record_that_is_written_is_documented() -> None:
    """Its word and each of its fields, so that nobody has to read the program to know what to grep for."""
    written = list(logged())
    assert len(written) > 15
    assert {word for word, _ in written} <= set(RECORDS)
    missing = [(word, fields - set(re.findall(r"(\w+)=", RECORDS[word]))) for word, fields in written]
    assert [(word, fields) for word, fields in missing if fields] == []


def test_every_documented_record_is_written() -> None:
    """FILESDOWNLOADED has a shape of its own and is not made by `record`."""
    assert set(RECORDS) - {word for word, _ in logged()} == {"FILESDOWNLOADED"}


def test_every_record_word_in_the_text_exists() -> None:
    """A word in capitals in code, unless it is FTP's, SQL's or a place for a value."""
    others = {"RETR", "MLSD", "MLST", "LIST", "MDTM", "SIZE", "REST", "NAME", "FILE", "GLOB", "WHEN", "COMMAND", "BLOB"}
    others |= {
        "PATH",
        "SECS",
        "DIR",
        "PROGRAM",
        "ARGUMENTS",
        "SIGTERM",
        "SIGKILL",
        "INFO",
        "WARNING",
        "WORD",
        "LICENSE",
    }
    send = {*send_log.RECORDS, "DEBUG", "ERROR", "CRITICAL", "TYPE", "DATE", "HOME", "NODE"}
    for page in set(PAGES) - {MIRROR}:  # which has no such records
        for code in re.findall(r"`([^`\n]+)`", page.read_text()):
            words = set(re.findall(r"(?<![\w$])[A-Z]{4,}(?![\w-])", code)) - others
            assert words <= {*RECORDS, *(send if page == SEND else ())}, page.name


def test_every_state_is_explained() -> None:
    """In the table of what the states mean."""
    rows = re.findall(r"^\| `(\w+)` \| \w", section(DELIVERY, "States and moves"), re.MULTILINE)
    assert set(rows) == {str(state) for state in State}


def test_the_readmes_configuration_loads(tmp_path: Path) -> None:
    """The one to begin with, as it stands there but for its directories; it has about ten lines."""
    blocks = re.findall(r"(?:^    .*\n|^\n)+", section(README, "Begin"), re.MULTILINE)
    (text,) = (block for block in blocks if "[remote]" in block)
    text = re.sub("/var/(lib|log)/ftpretrieve", str(tmp_path), text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    path = tmp_path / "ftpretrieve.conf"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o640)
    assert AppConf(path).sync_directory == tmp_path / "sync"
    assert len(lines) <= 12


def test_the_readmes_configuration_of_send_loads(tmp_path: Path) -> None:
    """As it stands there, but for its directories; it says no more than has to be said, and where things are kept."""
    blocks = re.findall(r"(?:^    .*\n|^\n)+", section(README, "Send"), re.MULTILINE)
    (text,) = (block for block in blocks if "[my resif node]" in block)
    path = tmp_path / "ResifDataTransfer.conf"
    path.write_text(re.sub(r"^ +", "", re.sub("/var/(lib|log)/resif", str(tmp_path), text), flags=re.MULTILINE))
    path.chmod(0o640)
    settings = send_settings.read_settings(path)
    assert settings.logbook == tmp_path / "logbook.json"
    assert settings.node in send_settings.NODES


def test_the_readme_tells_the_exit_codes_of_send() -> None:
    """Those that a script has to know; the page has them all."""
    text = section(README, "Send")
    codes = {code for code, _ in send_manual.EXIT_CODES}
    assert set(re.findall(r"\b\d+\b", text.partition("Exit codes: ")[2].partition("\n\n")[0])) == codes


def test_the_problems_of_send_are_told_in_its_words() -> None:
    """Whoever looks a message up finds it; `…` and `ID` stand for what differs."""
    source = "".join(path.read_text() for path in (CHECKOUT / "ftpretrieve" / "send").glob("*.py"))
    rows = re.findall(r"^\| `(.*?)` \|", section(SEND, "Problems and what to do"), re.MULTILINE)
    assert len(rows) > 5
    for row in rows:
        for part in re.split(r" ?(?:…|\bID\b) ?", row):
            assert part in source, row


def test_the_first_screen_has_the_two_commands() -> None:
    """Whoever opens the README sees what to type."""
    first = "\n".join(README.read_text().splitlines()[:24])
    for script in ("scripts/demo", "scripts/test"):
        assert f"    {script} " in first
        assert (CHECKOUT / script).stat().st_mode & 0o111


def test_the_version_is_in_versions() -> None:
    """What this version changed is told before it is given to anybody."""
    assert f"### {__version__}\n" in section(README, "Versions")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headlines, as they are made for display."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file of the checkout, and to a headline of it where they name one."""
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_no_page_names_this_machine() -> None:
    """Paths of whoever wrote it mean nothing to whoever reads it."""
    tracked = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout
    pages = [CHECKOUT / name for name in tracked.splitlines() if name.endswith((".md", ".sample", ".dist", ".service"))]
    for page in {*PAGES, *pages}:
        if page.exists():
            assert str(CHECKOUT) not in page.read_text(), page.name
            assert not re.search(r"/(root|work|home/\w+)/", page.read_text()), page.name


def write_tables() -> None:
    """Renew the generated tables."""
    for (page, name), make in TABLES.items():
        before, _, after = split_at(page, name)
        page.write_text(f"{before}{make()}\n{after}")


if __name__ == "__main__":
    write_tables()
