"""What the command line of send refuses, before anything is done."""

from __future__ import annotations

import re
import shlex
from itertools import combinations
from pathlib import Path

import pytest

from ftpretrieve.send.manual import OPTIONS
from tests.send.calling import TYPE, Calls, run

BAD_IDS = ["", "a/b", "..", "A" * 17, "\xc9T\xc9", "A B", "ABCD1234\n", "\u00b2", "ABCD_1", "\u0661"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-s /x", "-s needs -d TYPE"),
        (f"-d {TYPE}", "-d needs -s"),
        ("-t", "-t needs -s"),
        ("-l -t", "-t needs -s"),
        ("--resume -t", "-t needs -s"),
        ("-i", "-i needs -s or --resume"),
        ("-r A1 -i", "-i needs -s or --resume"),
        ("--restart", "--restart needs -s"),
        ("--resume --restart", "--restart needs -s"),
        (f"-s /x -d {TYPE} --resume --restart", "--resume and --restart exclude each other"),
        (f"-s /x -d {TYPE} --resume A1", "with -s, --resume takes no ID"),
        ("--wait 3", "--wait needs --status"),
        ("--pending --wait 3", "--wait needs --status"),
        ("--json", "--json needs --status or --pending"),
        ("-l --json", "--json needs --status or --pending"),
        ("--status A1 --wait soon", "'soon' is not understood; give a number of seconds"),
        ("--status A1 --wait -1", "--wait"),
        ("-b", "nothing to do; give one of -s, --resume, -r, --status, --pending, -l, --repair"),
        ("-c x.conf", "nothing to do; give one of"),
        ("-s", "expected one argument"),
        ("-s '' -d t", "it is blank; name a directory"),
        ("-r", "expected one argument"),
        ("--res", "ambiguous option"),
        ("--nonsense", "unrecognized arguments: --nonsense"),
        ("-l 'a\nb'", r"unrecognized arguments: a\nb"),
        ("-z", "unrecognized arguments: -z"),
    ],
)
def test_words_that_do_not_go_together_are_refused(
    calls: Calls, capsys: pytest.CaptureFixture[str], line: str, words: str
) -> None:
    """Before anything is read or done; the last line says where to read on."""
    assert run(*shlex.split(line)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, *_, last = err.splitlines()
    assert first.startswith("ResifDataTransfer: ")
    assert words in err
    assert last == "ResifDataTransfer: -h for usage summary."
    assert calls.made == []


MODE_WORDS = {
    "send": ["-s", "/x", "-d", TYPE],
    "resume": ["--resume"],
    "retrieve_logs": ["-r", "A1"],
    "status": ["--status", "A1"],
    "pending": ["--pending"],
    "logbook": ["-l"],
    "repair": ["--repair"],
}


@pytest.mark.parametrize(
    "names", [pair for pair in combinations(MODE_WORDS, 2) if pair != ("send", "resume")], ids="+".join
)
def test_only_one_thing_is_done_at_a_time(
    calls: Calls, capsys: pytest.CaptureFixture[str], names: tuple[str, str]
) -> None:
    assert {option.name for option in OPTIONS if option.mode} == set(MODE_WORDS)
    assert run(*(word for name in names for word in MODE_WORDS[name])) == 2
    assert "exclude each other" in capsys.readouterr().err
    assert calls.made == []


@pytest.mark.parametrize("flag", ["-r", "--status", "--resume"])
@pytest.mark.parametrize("text", BAD_IDS, ids=ascii)
def test_what_is_no_identifier_is_refused_at_once(
    calls: Calls, capsys: pytest.CaptureFixture[str], flag: str, text: str
) -> None:
    """There is not even a configuration; a name at the server is made of it."""
    assert run(f"{flag}={text}" if flag.startswith("--") else flag + text, "-c", "/nowhere") == 2
    told = capsys.readouterr().err
    assert "is no identifier; give 1 to 16 letters and digits" in told or (flag, text) == ("-r", "")
    assert calls.made == []


def test_nothing_at_all_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """As it always has."""
    assert run() == 2
    assert capsys.readouterr() == ("", "ResifDataTransfer: -h for usage summary.\n")


@pytest.mark.parametrize("words", [["-s", "/x"], ["-s", "/x", "-t"]])
def test_a_data_type_that_is_not_configured_is_a_failure(
    calls: Calls, config: Path, log: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """Which names those that are."""
    assert run("-c", str(config), *words, "-d", "seismic\n") == 1
    _, err = capsys.readouterr()
    known = "seismic_data_miniseed, seismic_metadata_dataless_seed"
    assert err == (
        "ResifDataTransfer: 'seismic\\\\n' is no data type of the configuration; "  # as repr has it
        f"give one of {known}\n"
    ).replace("\\\\", "\\")
    assert "ERROR FAILED reason=" in log.read_text()
    assert calls.made == []


def test_the_configuration_has_the_data_types(calls: Calls, config: Path) -> None:
    config.write_text(config.read_text().replace("[logging]", "data types = ph5\n[logging]"))
    assert run("-c", str(config), "-s", "/x", "-d", "ph5") == 0
    assert run("-c", str(config), "-s", "/x", "-d", TYPE) == 1


@pytest.mark.parametrize("words", MODE_WORDS.values(), ids=MODE_WORDS)
def test_a_wrong_configuration_is_a_failure(
    calls: Calls, config: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """Each mistake on a line, whatever is to be done."""
    config.write_text(config.read_text().replace("TEST", "TSET") + "log level = LOUD\n")
    config.chmod(0o644)
    assert run("-c", str(config), *words) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert [re.match(rf"ResifDataTransfer: {config}:(\d): ", line)[1] for line in err.splitlines()] == [  # type: ignore[index]
        "2",
        "3",
        "7",
    ]
    assert "geheim" not in err
    assert calls.made == []


def test_a_configuration_that_is_missing_is_a_failure(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-c", "/nowhere/a.conf", "--pending") == 1
    assert "/nowhere/a.conf: there is no such configuration file" in capsys.readouterr().err


def test_a_log_that_cannot_be_opened_is_a_failure(
    calls: Calls, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is sent. Only reading the logbook does without."""
    config.write_text(config.read_text().replace("send.log", "missing/send.log"))
    assert run("-c", str(config), "-s", "/x", "-d", TYPE) == 1
    assert "missing/send.log: No such file or directory; create its directory" in capsys.readouterr().err
    assert calls.made == []
    assert run("-c", str(config), "-l") == 0
