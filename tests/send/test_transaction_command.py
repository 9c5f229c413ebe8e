"""`ResifDataTransferTransaction`: exact bytes for shell scripts, one line for every failure."""

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.send.transaction import LIMIT, Process, Transaction, to_xml
from ftpretrieve.send.transaction_command import OPTIONS, PROG, main, make_parser

CHECKOUT = Path(__file__).parent.parent.parent
ANALYSED = Path(__file__).with_name("analysed.xml").read_bytes()
COMMAND = "import sys; from ftpretrieve.send.transaction_command import main; sys.exit(main())"
NOTES = "2026/RA/été & neige/notes du 1 mars.txt"
EAST = "2026/RA/XBEN/HHE.D/RA.XBEN.00.HHE.D.2026.060"
NORTH = "2026/RA/XBEN/HHZ.D/RA.XBEN.00.HHZ.D.2026.060"

HELP = """\
usage: ResifDataTransferTransaction --print-VALUE < transaction.xml

Print one value of a transaction, whose XML is read from standard input.

options:
  -h, --help                        show this help message and exit
  --print-transaction-id            the identifier of the transaction
  --print-status                    its status: 0, 4, 8 or 128
  --print-datatype                  the type of its data
  --print-filelist                  the files that were sent
  --print-process-returncode ID     what a process returned: 0, 1 or 128
  --print-process-rejectedfiles ID  the files that a process rejected

Lists are sorted, one path a line. Characters that do not print (a line break in a name) are spelt as
in JSON. A value that the XML does not have is printed as nothing at all.

exit codes:
  0    printed, be it nothing
  1    the input is no transaction, or cannot be read; the output cannot be written
  2    wrong options

example:
  ResifDataTransfer -r ABCD1234 | ResifDataTransferTransaction --print-process-rejectedfiles 3
"""


def run(*words: str, data: bytes | None = ANALYSED, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own, in a locale that knows ASCII only."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    argv = [sys.executable, "-c", COMMAND, *words]
    environment = {"PYTHONPATH": str(CHECKOUT), "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    return subprocess.run(argv, check=False, input=data, env=environment, **pipes)


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["--print-transaction-id"], "QKSB0427"),
        (["--print-status"], "8"),
        (["--print-datatype"], "seismic_data_miniseed"),
        (["--print-filelist"], f"{EAST}\n{NORTH}\n{NOTES}"),
        (["--print-process-returncode", "3"], "0"),
        (["--print-process-returncode", "7"], "1"),
        (["--print-process-returncode", "9"], "128"),
        (["--print-process-returncode", "2"], ""),
        (["--print-process-rejectedfiles", "9"], f"{EAST}\n{NOTES}"),
        (["--print-process-rejectedfiles", "3"], ""),
        (["--print-process-rejectedfiles", "2"], ""),
    ],
)
def test_each_option_prints_the_bare_value(words: list[str], output: str) -> None:
    """Bytes are exact, UTF-8 whatever the locale is, without a line end; nothing when there is none."""
    done = run(*words)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, output, b"")


def test_the_installed_command_is_this_one() -> None:
    """The entry of the package names the function that is tested here."""
    scripts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["scripts"]
    assert EntryPoint(PROG, scripts[PROG], "console_scripts").load() is main


@pytest.mark.parametrize("name", [option.name for option in OPTIONS if not option.takes_process])
def test_what_the_xml_does_not_have_is_printed_as_nothing(name: str) -> None:
    """A script sees an empty string, as it always did."""
    done = run(f"--print-{name}", data=b"<transaction/>")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_name_cannot_forge_a_line() -> None:
    """Line ends, codes for terminals and bytes that are no UTF-8 are spelt as in JSON, in either list."""
    names = ("b\nforged", "a\x1b[2J", "c\udcff", "é è")
    xml = to_xml(Transaction("A1", 8, "RAP", "x", "", "", "", 1.0, "gb", names, (Process("1", 1, 128, "", names),)))
    expected = "a\\u001b[2J\nb\\nforged\nc\\udcff\né è"
    assert run("--print-filelist", data=xml).stdout.decode() == expected
    assert run("--print-process-rejectedfiles", "1", data=xml).stdout.decode() == expected


def test_a_value_cannot_forge_a_line() -> None:
    """The same holds for the id and the type."""
    xml = b"<transaction id='A1&#10;B2' datatype='x&#13;y'/>"
    assert run("--print-transaction-id", data=xml).stdout == b"A1\\nB2"
    assert run("--print-datatype", data=xml).stdout == b"x\\ry"


def test_a_process_that_ran_twice() -> None:
    """The first code, as ever, and the rejected files of all its runs."""
    runs = (Process("1", 1, 1, "", ("b",)), Process("1", 2, 0, "", ("a",)))
    xml = to_xml(Transaction("A1", 8, "RAP", "x", "", "", "", 1.0, "gb", (), runs))
    assert run("--print-process-returncode", "1", data=xml).stdout == b"1"
    assert run("--print-process-rejectedfiles", "1", data=xml).stdout == b"a\nb"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", b"standard input: line 1, column 1: this is no XML: no element found"),
        (b"<html/>", b"standard input: line 1, column 1: this is no transaction: it begins with <html>"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><transaction id='&b;'/>", b"a DOCTYPE, which no transaction has"),
    ],
)
def test_what_is_no_transaction_ends_with_one_line_and_code_1(data: bytes, message: bytes) -> None:
    """Nothing goes to standard output."""
    done = run("--print-status", data=data)
    assert (done.returncode, done.stdout) == (1, b"")
    assert message in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_an_endless_input_is_refused() -> None:
    """No more is read than a transaction may have."""
    with Path("/dev/zero").open("rb") as zeros:
        done = run("--print-status", data=None, stdin=zeros)
    assert done.returncode == 1
    assert f"larger than {LIMIT} bytes".encode() in done.stderr


def test_an_input_that_is_closed_is_named() -> None:
    """Code 1 and one line."""
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" "$@" <&-', sys.executable, "-c", COMMAND, "--print-status"],
        check=False,
        capture_output=True,
        cwd=CHECKOUT,
    )
    assert done.returncode == 1
    assert done.stderr == f"{PROG}: standard input cannot be read: it is closed\n".encode()


def test_an_input_that_is_not_for_reading_is_named() -> None:
    """What the system says of it is repeated."""
    with Path("/dev/null").open("wb") as closed:
        done = run("--print-status", data=None, stdin=closed)
    assert done.returncode == 1
    assert done.stderr == f"{PROG}: standard input cannot be read: Bad file descriptor\n".encode()


def test_an_output_that_takes_nothing_is_named() -> None:
    """A full disk must not look like an empty value."""
    with Path("/dev/full").open("wb") as full:
        done = run("--print-status", stdout=full)
    assert done.returncode == 1
    assert done.stderr == f"{PROG}: standard output cannot be written: No space left on device\n".encode()


def test_an_output_that_takes_a_part_is_named(tmp_path: Path) -> None:
    """Half a list must not look like the whole."""
    names = tuple(f"{number:050}" for number in range(1_000))
    xml = to_xml(Transaction("A1", 8, "RAP", "x", "", "", "", 1.0, "gb", names))
    argv = ["/bin/sh", "-c", 'ulimit -f 8; exec "$0" "$@"', sys.executable, "-c", COMMAND, "--print-filelist"]
    with (tmp_path / "list").open("wb") as output:
        done = subprocess.run(argv, check=False, input=xml, stdout=output, stderr=subprocess.PIPE, cwd=CHECKOUT)
    assert (tmp_path / "list").stat().st_size > 0
    assert done.returncode == 1
    assert done.stderr == f"{PROG}: standard output cannot be written: File too large\n".encode()


def test_a_reader_that_has_enough_is_no_error_message() -> None:
    """As with `| head -1`: quiet, and not success."""
    names = tuple(f"{number:050}" for number in range(20_000))
    xml = to_xml(Transaction("A1", 8, "RAP", "x", "", "", "", 1.0, "gb", names))
    argv = [sys.executable, "-c", COMMAND, "--print-filelist"]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, cwd=CHECKOUT) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.write(xml)
        process.stdin.close()
        complaints = process.stderr.read()
    assert (process.returncode, complaints) == (141, b"")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--print-status", "--print-datatype"],
        ["--print-process-returncode"],
        ["--print-colour"],
        ["--print-status", "file.xml"],
    ],
    ids=" ".join,
)
def test_wrong_options_end_with_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exactly one value is asked for, and the input is not even looked at."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: ResifDataTransferTransaction --print-VALUE < transaction.xml\n")


def test_the_help() -> None:
    """The whole text, which a change must not alter unseen."""
    assert make_parser().format_help() == HELP
