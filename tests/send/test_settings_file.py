"""The configuration of send: the file, its mistakes, and the template."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ftpretrieve.config import Key
from ftpretrieve.send import settings
from ftpretrieve.send.records import Settings
from ftpretrieve.send.settings import KEYS, NODES, read_settings
from tests.send.configuring import MINIMUM, SECRET, problems, text_of

TEMPLATE = Path(__file__).parents[2] / "config" / "ResifDataTransfer.conf.dist"


# -- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", [SECRET, "env:NODE_PASSWORD"])
@pytest.mark.parametrize("mode", [0o644, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(write: Callable[..., Path], mode: int, password: str) -> None:
    """Once, with the command that mends it, wherever the password is."""
    path = write(text_of({**MINIMUM, ("my resif node", "my node password"): password}), mode)
    (line,) = problems(path)
    assert line.startswith(":3: [my resif node] my node password: ")
    assert line.endswith(f"; run: chmod o-rwx {path}")
    assert SECRET not in line


def test_a_file_without_a_password_is_not_for_others_either(write: Callable[..., Path]) -> None:
    """Both are said."""
    lines = problems(write("[my resif node]\nmy node name = TEST\n", 0o644))
    assert len(lines) == 2
    assert any("run: chmod o-rwx" in line for line in lines)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660, 0o400])
def test_its_owner_and_group_may_read_the_file(write: Callable[..., Path], mode: int) -> None:
    assert read_settings(write(text_of(MINIMUM), mode)).node == "TEST"


def test_all_mistakes_are_told_at_once(write: Callable[..., Path]) -> None:
    """In the order of the file, each in its line."""
    text = """[my resif node]
my node name = TSET
my node pasword = x
[system]
working directory = missing
[rsync]
rsync port = x
rsync timeout = ; ten
[limit]
"""
    lines = problems(write(text))
    assert [int(line.split(":")[1]) for line in lines] == [1, 2, 3, 5, 7, 8, 9]
    assert "write one of them" in lines[1]
    assert "did you mean my node password?" in lines[2]
    assert "seems to end in a comment" in lines[5]
    assert "did you mean [limits]?" in lines[6]


def test_a_file_of_the_old_program_loads(write: Callable[..., Path]) -> None:
    """Every key is there, most of them blank; comments begin with a semicolon."""
    path = write(
        """; my configuration
[my resif node]
; short name
my node name = RAP
my node password = pass;word #1%(x)s

[system]
working directory = /tmp/
disk usage command auto find =
disk usage command full path =
disk usage command arguments = --bytes --summarize

[rsync]
rsync command auto find = True
rsync command full path = /usr/bin/rsync
rsync server =
rsync port =
rsync compress = on
rsync timeout =
rsync extra args =

[logging]
log file =
log level =
logbook = ~/logbook.json

[limits]
; KB/s
bandwidth max =
weekly max size = 10
"""
    )
    loaded = read_settings(path, {"HOME": "/home/joe"})
    assert loaded.password.reveal() == "pass;word #1%(x)s"
    assert (loaded.node, loaded.compress, loaded.weekly_gb) == ("RAP", True, 10.0)
    assert loaded.logbook == Path("~/logbook.json").expanduser()
    assert loaded.working_directory == Path("/tmp")


def test_what_is_remembered_lies_beside_the_logbook(load: Callable[..., Settings], tmp_path: Path) -> None:
    assert load(logbook="book.json").transactions == tmp_path / "book.json.transactions"


# -- the template -----------------------------------------------------------------------------------------------------


def template_rows() -> list[tuple[str, str, str, str]]:
    """Return (section, key, value, the comment above it) of each key of the template."""
    rows, section, comment = [], "", []
    for line in TEMPLATE.read_text().splitlines():
        if line.startswith(";"):
            comment.append(line.removeprefix(";").strip())
            continue
        if line.startswith("["):
            section = line.strip("[]")
        elif line:
            name, value = re.fullmatch(r"([a-z ]+) = ?(.*)", line).groups()  # type: ignore[union-attr]
            rows.append((section, name, value, " ".join(comment)))
        comment = []
    return rows


def test_the_template_has_every_key_in_its_section_and_order() -> None:
    """And no other."""
    assert [(section, name) for section, name, *_ in template_rows()] == [(key.section, key.name) for key in KEYS]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_the_template_explains_the_key_and_says_its_default(key: Key) -> None:
    """With the value that the program takes; nothing is filled in."""
    (row,) = [row for row in template_rows() if row[:2] == (key.section, key.name)]
    _, _, value, comment = row
    assert value == ""
    before, mark, told = comment.partition("Default: ")
    if key.default is None:
        assert comment.endswith("Required.")
        return
    assert mark
    if key.default:
        assert told == key.default
    else:
        assert told.startswith(("none", "no limit", "ftpretrieve/logbook.json in $XDG_STATE_HOME"))
    assert before or key.name == "rsync port"  # which needs no words


def test_the_template_is_filled_in_with_two_values(write: Callable[..., Path]) -> None:
    """Then it is what a file without any other key is."""
    filled = TEMPLATE.read_text().replace("my node name =", "my node name = TEST")
    filled = filled.replace("my node password =", f"my node password = {SECRET}")
    loaded = read_settings(write(filled))
    assert loaded == read_settings(write(text_of(MINIMUM)))


def test_the_template_as_it_is_lacks_these_two(write: Callable[..., Path]) -> None:
    lines = problems(write(TEMPLATE.read_text()))
    assert [re.sub(r"^:\d+: ", "", line).split(";")[0] for line in lines] == [
        "[my resif node] my node name: is empty and is required",
        "[my resif node] my node password: is empty and is required",
    ]


def test_the_template_names_the_nodes_and_the_places() -> None:
    text = " ".join(TEMPLATE.read_text().replace(";", " ").split())
    assert f"{', '.join(NODES[:-1])} or {NODES[-1]}" in text
    assert str(settings.SYSTEM_CONFIG) in text
    assert f"~/.config/ftpretrieve/{settings.NAME}" in text
