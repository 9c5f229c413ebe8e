"""scripts/parse-listing: what people see of a listing, and its exit status."""

import json
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "parse-listing"
LISTING = (
    b"total 3\r\n"
    b"-rw-r--r-- 1 a b 7 Nov 20 20:14 caf\xe9 x\r\n"
    b"what is \x1b[1mthis\r\n"
    b"drwxr-xr-x 1 a b 7 Nov 20  2024 d\r\n"
    b"type=file;size=3;modify=20241120201412; m"
)


def parse(*argv: str, listing: bytes = LISTING) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([SCRIPT, *argv], input=listing, capture_output=True, check=False)


def test_rows_are_as_exact_as_the_listing() -> None:
    """A time shows what is known of it; what cannot be read is on stderr, without its control characters."""
    result = parse("-", "--now", "2026-11-20T22:37")
    assert [line.split(None, 2) for line in result.stdout.decode().splitlines()] == [
        ["file", "7", "2026-11-20 20:14    local caf\\udce9 x"],
        ["dir", "7", "2024-11-20          local d"],
        ["file", "3", "2024-11-20 20:14:12 utc   m"],
    ]
    assert result.stderr == b"unreadable: what is \\u001b[1mthis\n"
    assert result.returncode == 0


def test_json_and_the_zone_of_the_server(tmp_path: Path) -> None:
    """Programs get an object a line; with the offset local times become UTC."""
    file = tmp_path / "listing"
    file.write_bytes(LISTING)
    result = parse(str(file), "--json", "--now", "2026-11-20T22:37+00:00", "--utc-offset", "+05:30")
    entries = [json.loads(line) for line in result.stdout.splitlines()]
    assert [entry["mtime"] for entry in entries] == [
        "2026-11-20T14:44:00+00:00",
        "2024-11-19T18:30:00+00:00",
        "2024-11-20T20:14:12+00:00",
    ]
    assert entries[0] == {
        "name": "caf\udce9 x",
        "kind": "file",
        "size": 7,
        "mtime": "2026-11-20T14:44:00+00:00",
        "precision": 60,
        "clock": "utc",
    }


@pytest.mark.parametrize(("listing", "code"), [(b"total 0\r\n", 0), (b"hello there\r\n", 1)], ids=["empty", "other"])
def test_an_empty_directory_is_read_and_what_is_no_listing_is_not(listing: bytes, code: int) -> None:
    assert parse("-", listing=listing).returncode == code


def test_a_file_that_is_not_there_is_named() -> None:
    missing = parse("/no/such/file")
    assert (missing.returncode, missing.stderr) == (2, b"parse-listing: /no/such/file: No such file or directory\n")


@pytest.mark.parametrize(
    ("option", "text", "shape"), [("--utc-offset", "east", b"+02:00"), ("--now", "noon", b"2026-11-20T20:14")]
)
def test_a_value_that_is_none_is_told_with_its_shape(option: str, text: str, shape: bytes) -> None:
    wrong = parse("-", option, text)
    assert (wrong.returncode, shape in wrong.stderr) == (2, True)
