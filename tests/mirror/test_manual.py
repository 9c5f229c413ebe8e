"""docs/mirror.md, the section of the README and the help say what the program does: examples work, names are right."""

import json
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ftpretrieve.mirror import settings, smtp
from ftpretrieve.mirror.arguments import parse
from ftpretrieve.mirror.copies import copy_name, partial_name
from ftpretrieve.mirror.manual import SYNOPSES, manual
from ftpretrieve.mirror.options import Place, contradictions, idle
from ftpretrieve.mirror.records import Result, Verdict
from ftpretrieve.mirror.report import COLUMNS, Report, as_json, as_text
from ftpretrieve.mirror.settings import read_jobs
from ftpretrieve.mirror.tree import LOG_NAME, lock_name
from tests.test_docs import MIRROR, README, section

COMMAND = re.compile(r"^(?:[\d*/, ]+ )?(?:/usr/local/bin/)?(?:lftp-mirror|ftpretrieve mirror) (shell|cfg|cron)\b(.*)")
WEDNESDAY = datetime(2010, 12, 8, 13, 52, tzinfo=UTC)
FULL = Report("j", "h", "u", "/s", "/t", WEDNESDAY, WEDNESDAY, Result(Verdict.OK), "/t", ("x",), "/b", (), 1, ("n",))
HEAD = re.compile(r"^ *([A-Z]+(?: [A-Z]+)*) ([=_])\2+$", re.MULTILINE)


def texts() -> dict[str, str]:
    """Return what is said about mirror, by where it is said."""
    return {"README.md": section(README, "Mirror"), "docs/mirror.md": MIRROR.read_text()}


def blocks(text: str) -> Iterator[str]:
    """Yield what is set as code, without its indentation."""
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE):
        yield re.sub(r"^    ", "", block, flags=re.MULTILINE).strip("\n") + "\n"


def examples() -> Iterator[tuple[str, str]]:
    for name, text in texts().items():
        for line in "".join(blocks(text)).splitlines():
            if COMMAND.match(line):
                yield name, line


def configurations() -> Iterator[tuple[str, str]]:
    for name, text in texts().items():
        yield from ((name, block) for block in blocks(text) if re.search(r"^site = ", block, re.MULTILINE))


@pytest.mark.parametrize(("name", "line"), list(examples()))
def test_an_example_is_a_command_line_without_a_fault(name: str, line: str) -> None:
    """Its options exist and go together, and it has the words that its mode wants."""
    found = COMMAND.match(line)
    assert found
    place = Place(found[1])
    parsed = parse(shlex.split(found[2].replace(">/dev/null", ""), comments=True), place)
    assert parsed.problems == []
    assert len(parsed.words) == {Place.SHELL: 3, Place.CFG: 1, Place.CRON: 0}[place]
    if place is Place.SHELL:
        assert contradictions(parsed.values, parsed.given) + idle(parsed.values, parsed.given) == []


def test_there_are_examples_of_each_mode_in_both_texts() -> None:
    """Or the test above would have nothing to look at."""
    assert {(name, COMMAND.match(line)[1]) for name, line in examples()} >= {  # type: ignore[index]
        (name, str(place)) for name in texts() for place in SYNOPSES
    }


@pytest.mark.parametrize(("name", "text"), list(configurations()), ids=[name for name, _ in configurations()])
def test_a_configuration_loads_as_it_stands_there(tmp_path: Path, name: str, text: str) -> None:
    """Whoever copies it begins with something that works, and without a warning."""
    path = tmp_path / "mirror.cfg"
    path.write_text(text)
    path.chmod(0o600)
    jobs = read_jobs(path)
    assert [job.name for job in jobs] == re.findall(r"^\[(.*)\]$", text, re.MULTILINE)
    assert [job.notes for job in jobs] == [()] * len(jobs)


def test_both_texts_have_a_configuration() -> None:
    """The README one to begin with, the manual several jobs."""
    assert [name for name, _ in configurations()] == list(texts())


def test_the_configuration_of_mails_loads_as_it_stands_there(tmp_path: Path) -> None:
    """The password is only read when it is needed."""
    (text,) = (block for block in blocks(section(MIRROR, "Mail")) if block.startswith("[smtp]"))
    path = tmp_path / "smtp.cfg"
    path.write_text(text)
    mail, warnings = smtp.read_smtp(path)
    assert (mail.server, mail.recipients, warnings) == ("smtp.example.org", ("root", "joe@example.org"), [])


def test_every_kind_of_security_is_explained() -> None:
    """And no other."""
    (key,) = (key for key in smtp.KEYS if key.name == "security")
    explained = re.findall(
        r"^\| `(\w+)` \| [^|`]+ \|$", section(MIRROR, "Mail").partition("| security |")[2], re.MULTILINE
    )
    with pytest.raises(ValueError, match="give one of") as refused:
        key.parse("?")
    assert ", ".join(sorted(explained)) in str(refused.value)


@pytest.mark.parametrize("place", SYNOPSES)
def test_each_mode_is_called_as_its_help_says(place: Place) -> None:
    """Word for word."""
    assert f"`lftp-mirror {place} {SYNOPSES[place]}`" in section(MIRROR, "Modes").replace("\\|", "|")


def test_every_block_of_the_report_is_explained_in_its_order() -> None:
    """And the example looks like a report."""
    heads = [name for name, _ in HEAD.findall(as_text(FULL))]
    text = section(MIRROR, "The report")
    assert re.findall(r"^\| `([A-Z ]+)` \|", text, re.MULTILINE) == heads
    example = [name for name, _ in HEAD.findall(text)]
    assert example == [name for name in heads if name in example]
    assert all(len(line) == COLUMNS + 4 for line in text.splitlines() if HEAD.match(line))


def test_the_json_example_has_the_keys_of_the_program() -> None:
    """With values of the same types, so that a program can be written from it."""
    (text,) = (block for block in blocks(section(MIRROR, "The report")) if block.startswith('{"job"'))
    shown, real = json.loads(text), as_json(FULL)
    assert list(shown) == list(real)
    assert list(shown["result"]) == list(real["result"])  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "name",
    [
        LOG_NAME,
        lock_name(Path("NAME")),
        partial_name("NAME"),
        copy_name("NAME", WEDNESDAY),
        str(settings.SYSTEM_CONFIG),
    ],
)
def test_every_file_is_listed(name: str) -> None:
    """By the name that the program gives it."""
    assert name in section(MIRROR, "Files")


@pytest.mark.parametrize("place", SYNOPSES)
def test_the_help_has_the_names_of_files_too(place: Place) -> None:
    """Those that users meet."""
    text = manual(place, "lftp-mirror")
    assert [
        name for name in (LOG_NAME, lock_name(Path("NAME")), copy_name("NAME", WEDNESDAY)) if name not in text
    ] == []
