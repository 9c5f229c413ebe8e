"""The configuration of send: every key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.config import Key
from ftpretrieve.errors import ConfigError
from ftpretrieve.send.records import Settings
from ftpretrieve.send.settings import KEYS, NODES, default_logbook
from tests.send.configuring import MINIMUM, SECRET, SECTIONS, problems, text_of

ATTRIBUTES = {
    "my node name": "node",
    "my node password": "password",
    "data types": "data_types",
    "working directory": "working_directory",
    "disk usage command full path": "du",
    "disk usage command arguments": "du_arguments",
    "rsync command full path": "rsync",
    "rsync server": "server",
    "rsync port": "port",
    "rsync compress": "compress",
    "rsync timeout": "timeout_secs",
    "rsync extra args": "extra_arguments",
    "rsync retries": "retries",
    "rsync status module": "status_module",
    "log file": "log_file",
    "log level": "log_level",
    "logbook": "logbook",
    "bandwidth max": "bandwidth_kb",
    "weekly max size": "weekly_gb",
    "datafile max": "max_files",
    "datasize max": "max_gb",
    "send max duration": "max_secs",
}
"""Key -> attribute, where a key has one of its own."""

DEFAULTS = {
    "data types": ("seismic_data_miniseed", "seismic_metadata_dataless_seed"),
    "working directory": Path("/tmp"),
    "disk usage command full path": None,
    "disk usage command arguments": ("--bytes", "--summarize"),
    "rsync command full path": None,
    "rsync server": "rsync.resif.fr",
    "rsync port": 873,
    "rsync compress": False,
    "rsync timeout": 10.0,
    "rsync extra args": (),
    "rsync retries": 3,
    "rsync status module": "TRANSACTION_XML",
    "log file": None,
    "log level": "INFO",
    "logbook": Path("/home/joe/.local/state/ftpretrieve/logbook.json"),
    "bandwidth max": None,
    "weekly max size": 50.0,
    "datafile max": None,
    "datasize max": None,
    "send max duration": 86_400.0,
}
HERE = Path("HERE")  # the directory of the file
GOOD: list[tuple[str, str, object]] = [
    ("my node name", "RLBP-OCA", "RLBP-OCA"),
    ("my node name", "rlbp", "RLBP"),
    ("data types", "a-1 b_2", ("a-1", "b_2")),
    ("working directory", ".", HERE),
    ("disk usage command arguments", "-sb --exclude='a b'", ("-sb", "--exclude=a b")),
    ("rsync server", "127.0.0.1", "127.0.0.1"),
    ("rsync server", "data_1.example.org", "data_1.example.org"),
    ("rsync server", "::1", "[::1]"),
    ("rsync server", "[::1]", "[::1]"),
    ("rsync port", "8730", 8730),
    ("rsync compress", "Yes", True),
    ("rsync compress", "0", False),
    ("rsync timeout", "60", 60.0),
    ("rsync timeout", "2 min", 120.0),
    ("rsync extra args", "--exclude='a b' -4", ("--exclude=a b", "-4")),
    ("rsync retries", "0", 0),
    ("rsync status module", "TRANSACTION_XML_TEST", "TRANSACTION_XML_TEST"),
    ("log file", "send.log", HERE / "send.log"),
    ("log file", "/var/log/send.log", Path("/var/log/send.log")),
    ("log level", "debug", "DEBUG"),
    ("log level", "WARNING", "WARNING"),
    ("logbook", "book.json", HERE / "book.json"),
    ("bandwidth max", "200", 200),
    ("bandwidth max", "0", None),
    ("weekly max size", "0.5", 0.5),
    ("datafile max", "12000", 12_000),
    ("datasize max", "60", 60.0),
    ("send max duration", "90 min", 5_400.0),
]
BAD = [
    ("my node name", "RABP", "is none of DASE, IPGP,"),
    ("my node name", "NOWHERE", "SISMOB, TEST; write one of them, or add it to 'other node names'"),
    ("my node name", "'RAP'", "has quotes around it; remove them"),
    ("my node password", "env:2", "does not name an environment variable"),
    ("my node password", "base64:%", "is not a password in base64"),
    ("other node names", "A/B", "has 'A/B' in it, which is no node name; write words of letters, digits, - and _"),
    ("data types", "a <b>", "has '<b>' in it, which is no data type; write words of letters"),
    ("working directory", "missing", "is no directory that this user can write to; create it"),
    ("disk usage command auto find", "maybe", "is not understood; write yes or no"),
    ("disk usage command full path", '"/usr/bin/du"', "has quotes around it"),
    ("disk usage command arguments", "'a", "has an unclosed quote"),
    ("rsync command auto find", "maybe", "write yes or no"),
    ("rsync command full path", "'/usr/bin/rsync'", "has quotes around it"),
    ("rsync server", "rsync.resif.fr:873", "is no host name or address; write it without user, port and module"),
    ("rsync server", "rsync://rsync.resif.fr", "is no host name or address"),
    ("rsync server", "-e", "is no host name or address"),
    ("rsync port", "70000", "give a whole number from 1 to 65535"),
    ("rsync compress", "a bit", "write yes or no"),
    ("rsync timeout", "0", "is out of range; give 1 s to 1 d"),
    ("rsync extra args", "--exclude='a", "has an unclosed quote"),
    ("rsync extra args", "-v --delete", "--delete cannot be used: it deletes files"),
    ("rsync extra args", "-v /etc", "/etc is no option"),
    ("rsync retries", "-1", "give a whole number from 0 to 100"),
    ("rsync status module", "XML/TEST", "is no name of a module; write letters, digits"),
    ("rsync status module", "-e", "is no name of a module"),
    ("log file", "'a.log'", "has quotes around it"),
    ("log level", "LOUD", "is unknown; give one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ("logbook", "'a.json'", "has quotes around it"),
    ("bandwidth max", "1.5", "give a whole number from 0"),
    ("weekly max size", "0", "give a number of GB above 0"),
    ("weekly max size", "1e3", "give a number of GB above 0"),
    ("weekly max size", "2000000", "up to 1000000"),
    ("datafile max", "0", "give a whole number from 1"),
    ("datasize max", "-3", "give a number of GB above 0"),
    ("send max duration", "a day", "is not understood; give a number of seconds"),
]


def test_no_key_is_left_out_of_these_tests() -> None:
    """Each has a default, a good value and a bad one in the tables above, or a test of its own below."""
    elsewhere = {"other node names", "disk usage command auto find", "rsync command auto find"}
    assert set(ATTRIBUTES) | elsewhere == set(SECTIONS)
    assert set(DEFAULTS) | {"my node name", "my node password"} == set(ATTRIBUTES)
    own = {"my node password", "disk usage command full path", "rsync command full path"}
    assert {name for name, *_ in GOOD} | own == set(ATTRIBUTES)
    assert {name for name, *_ in BAD} == set(SECTIONS)


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("written", [True, False], ids=["blank", "missing"])
def test_a_value_that_is_blank_or_missing_means_the_default(
    load: Callable[..., Settings], name: str, written: bool
) -> None:
    values = {name.replace(" ", "_"): ""} if written else {}
    assert getattr(load(**values), ATTRIBUTES[name]) == DEFAULTS[name]


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_a_value_is_read(load: Callable[..., Settings], tmp_path: Path, name: str, text: str, value: Any) -> None:
    if isinstance(value, Path) and not value.is_absolute():
        value = tmp_path / value.relative_to(HERE)
    assert getattr(load(**{name.replace(" ", "_"): text}), ATTRIBUTES[name]) == value


@pytest.mark.parametrize(("name", "text", "words"), BAD)
def test_a_bad_value_is_refused_with_what_to_write(
    write: Callable[..., Path], name: str, text: str, words: str
) -> None:
    """The line begins with file, line, section and key."""
    path = write(text_of({**MINIMUM, (SECTIONS[name], name): text}))
    (line,) = problems(path)
    number = path.read_text().splitlines().index(f"{name} = {text}") + 1
    assert line.startswith(f":{number}: [{SECTIONS[name]}] {name}: value ")
    assert words in line
    assert (text in line) is (name != "my node password")


@pytest.mark.parametrize("key", [key for key in KEYS if key.default is None], ids=lambda key: key.name)
@pytest.mark.parametrize("text", ["", None], ids=["blank", "missing"])
def test_node_and_password_are_required(write: Callable[..., Path], key: Key, text: str | None) -> None:
    values = {place: value for place, value in MINIMUM.items() if place[1] != key.name}
    if text is not None:
        values[key.section, key.name] = text
    (line,) = problems(write(text_of(values)))
    assert f"[my resif node] {key.name}: is {'missing' if text is None else 'empty'} and is required" in line


@pytest.mark.parametrize("program", ["rsync command", "disk usage command"])
@pytest.mark.parametrize(
    ("auto_find", "path", "found"),
    [
        ("", "/opt/bin/x", None),
        ("yes", "/opt/bin/x", None),
        ("no", "/opt/bin/x", Path("/opt/bin/x")),
        ("no", "", "default"),
    ],
)
def test_a_program_is_where_the_file_says_or_looked_for(
    load: Callable[..., Settings], program: str, auto_find: str, path: str, found: Any
) -> None:
    """A path counts only where nothing is looked for, as it has always been."""
    prefix = program.replace(" ", "_")
    loaded = load(**{f"{prefix}_auto_find": auto_find, f"{prefix}_full_path": path})
    name = "rsync" if program == "rsync command" else "du"
    assert getattr(loaded, name) == (Path(f"/usr/bin/{name}") if found == "default" else found)


def test_nodes_that_the_data_centre_has_always_known_are_known() -> None:
    assert NODES == ("DASE", "IPGP", "OBS-INSU", "OMIV", "RAP", "RLBP", "RLBP-OCA", "SISMOB", "TEST")


@pytest.mark.parametrize("name", NODES)
def test_each_node_of_the_list_is_taken(load: Callable[..., Settings], name: str) -> None:
    assert load(my_node_name=name).node == name


def test_further_node_names_come_from_the_file(load: Callable[..., Settings]) -> None:
    """As they are written there; the known ones stay."""
    assert load(other_node_names="EPOS-FR New_1", my_node_name="new_1").node == "New_1"
    assert load(other_node_names="EPOS-FR New_1", my_node_name="RAP").node == "RAP"
    with pytest.raises(ConfigError, match="is none of DASE, .*, TEST, Q1; write"):
        load(other_node_names="Q1", my_node_name="ZZZZZZZZ")


def test_a_wrong_list_of_nodes_is_not_held_against_the_node(write: Callable[..., Path]) -> None:
    """Which may be one of the list."""
    more = {("my resif node", "other node names"): "A/B", ("my resif node", "my node name"): "C"}
    assert [line.split(": ")[1] for line in problems(write(text_of({**MINIMUM, **more})))] == [
        "[my resif node] other node names"
    ]


@pytest.mark.parametrize("text", [SECRET, "base64:aHVudGVyMi14", "file:password", "command:printf %s hunter2-x"])
def test_the_password_is_had_in_each_way(load: Callable[..., Settings], tmp_path: Path, text: str) -> None:
    """And shown in none."""
    (tmp_path / "password").write_text(SECRET + "\n")
    (tmp_path / "password").chmod(0o600)
    loaded = load(my_node_password=text)
    assert loaded.password.reveal() == SECRET
    assert SECRET not in repr(loaded)


def test_one_file_is_not_log_and_logbook(write: Callable[..., Path]) -> None:
    """Lines of a log would damage it."""
    more = {("logging", "log file"): "a", ("logging", "logbook"): "./a"}
    (line,) = problems(write(text_of({**MINIMUM, **more})))
    assert "logbook: value" in line
    assert "is the log file as well" in line


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"HOME": "/home/joe"}, "/home/joe/.local/state"),
        ({"HOME": "/home/joe", "XDG_STATE_HOME": "/state"}, "/state"),
        ({"HOME": "/home/joe", "XDG_STATE_HOME": "state"}, "/home/joe/.local/state"),
    ],
)
def test_the_logbook_has_a_place_of_its_own(environ: dict[str, str], place: str) -> None:
    """A relative $XDG_STATE_HOME is ignored, as its specification has it."""
    assert default_logbook(environ) == Path(place, "ftpretrieve", "logbook.json")
