"""A server whose zone moves: how many questions that costs, what is believed without asking, and what is said.

The server is the one whose commands can be counted. Each test delivers files, moves the zone that LIST prints, polls
again, and looks at what came, what was asked and what was logged.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.retrieve.mailbox import Mailbox
from tests.installation import Installation
from tests.mailboxes import digests, make_mailbox, poll_ftp, synced

pytestmark = [pytest.mark.interop, pytest.mark.slow]

HOUR, DAY = 3600, 86_400
MakeServer = Callable[..., Any]
KINDS = [
    pytest.param({"mlsd": False}, id="mdtm"),
    pytest.param({"mlsd": False, "mdtm": False}, id="list-only"),
]


@pytest.fixture
def mailbox(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Mailbox]:
    """Return a mailbox whose files settle: only then do rows hold the times that MDTM tells."""
    caplog.set_level(logging.INFO)
    box = make_mailbox(tmp_path, settle_secs=0.2)
    yield box
    box.journal.close()


def put_many(server: Any, count: int, age_secs: int = 3 * DAY, step_secs: int = 997) -> None:
    """Put files of one size, the first so old, each of the others some minutes older than the one before."""
    youngest = int(time.time()) - age_secs
    for number in range(count):
        server.put(f"f{number}", b"%05d" % number, youngest - number * step_secs)


def poll(mailbox: Mailbox, server: Any) -> int:
    """Poll, and return how many files were delivered. The server's counters hold this poll alone."""
    server.forget()
    result = poll_ftp(mailbox, server)
    assert (result.error, result.failed, result.left) == (None, 0, 0)
    assert synced(mailbox) == digests(server.root)
    return result.delivered


def rewrite(server: Any, name: str, later_secs: int) -> None:
    """Replace a file by one of the same size, with other bytes and another time."""
    status = (server.root / name).stat()
    server.put(name, os.urandom(status.st_size), int(status.st_mtime) + later_secs)


def moves_told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the shifts that CLOCKMOVED warnings tell."""
    told = [line.getMessage() for line in caplog.records if line.levelno == logging.WARNING]
    return [re.findall(r"shift_secs=(\S+)", line)[0] for line in told if line.startswith("CLOCKMOVED ")]


@pytest.mark.parametrize("shift_secs", [6 * HOUR, -6 * HOUR, 13 * HOUR + 2700], ids=["+6h", "-6h", "+13:45"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_zone_that_moves_under_500_files_is_said_once(
    make_server: MakeServer, mailbox: Mailbox, caplog: pytest.LogCaptureFixture, kind: Any, shift_secs: int
) -> None:
    """None is delivered, five at most are downloaded, one warning tells the shift; the next poll knows the new zone."""
    server = make_server("pyftpdlib", **kind)
    put_many(server, 500)
    assert poll(mailbox, server) == 500
    assert moves_told(caplog) == []
    server.utc_offset_secs = shift_secs
    assert poll(mailbox, server) == 0
    assert server.commands["RETR"] <= 5
    assert moves_told(caplog) == [str(shift_secs)]
    assert poll(mailbox, server) == 0
    assert server.commands["RETR"] == 0
    assert server.commands["MDTM"] <= 2
    assert moves_told(caplog) == [str(shift_secs)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_changed_among_500_whose_zone_moved_is_delivered(
    make_server: MakeServer, mailbox: Mailbox, kind: Any
) -> None:
    """Another size; another time that no zone explains; an hour later; and of the present."""
    server = make_server("pyftpdlib", **kind)
    put_many(server, 500)
    assert poll(mailbox, server) == 500
    server.utc_offset_secs = 6 * HOUR
    rewrite(server, "f100", 17 * 60)
    rewrite(server, "f200", HOUR)
    rewrite(server, "f300", int(time.time() - (server.root / "f300").stat().st_mtime) - 100)
    server.put("f400", b"longer", (server.root / "f400").stat().st_mtime)
    server.put("new", b"new", time.time() - 5000)
    assert poll(mailbox, server) == 5
    assert poll(mailbox, server) == 0


def test_fewer_than_a_hundred_are_each_compared(
    make_server: MakeServer, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    """So few could all have been rewritten: their bytes are asked, once."""
    server = make_server("pyftpdlib", mlsd=False, mdtm=False)
    put_many(server, 60)
    assert poll(mailbox, server) == 60
    server.utc_offset_secs = 6 * HOUR
    assert poll(mailbox, server) == 0
    assert server.commands["RETR"] == 60
    assert moves_told(caplog) == []
    assert poll(mailbox, server) == 0
    assert server.commands["RETR"] == 0


def test_fewer_than_a_hundred_are_asked_for_their_times_where_rows_hold_them(
    make_server: MakeServer, mailbox: Mailbox
) -> None:
    """MDTM agrees to the second with the time that the row holds: nothing has to be downloaded."""
    server = make_server("pyftpdlib", mlsd=False)
    put_many(server, 60)
    assert poll(mailbox, server) == 60
    server.utc_offset_secs = 6 * HOUR
    rewrite(server, "f30", 3 * HOUR)
    assert poll(mailbox, server) == 1
    assert server.commands["RETR"] == 1
    assert poll(mailbox, server) == 0
    assert server.commands["RETR"] == 0
    assert server.commands["MDTM"] <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_recent_files_are_each_asked_about_however_many(make_server: MakeServer, mailbox: Mailbox, kind: Any) -> None:
    """What may have been written since the last poll is not believed for the sake of five others."""
    server = make_server("pyftpdlib", **kind)
    put_many(server, 150, age_secs=8 * HOUR, step_secs=60)
    assert poll(mailbox, server) == 150
    server.utc_offset_secs = HOUR
    rewrite(server, "f149", 0)  # its MDTM, minute and size are what they were, only its bytes are not
    for number in (70, 80, 90):
        rewrite(server, f"f{number}", 2 * HOUR)
    server.forget()
    result = poll_ftp(mailbox, server)
    assert result.error is None
    asked = server.commands["RETR"] + server.commands["MDTM"]
    assert asked >= 150
    assert result.delivered == (3 if kind.get("mdtm", True) else 4)
    for number in (70, 80, 90):
        assert (Path(os.fsdecode(mailbox.staging.sync)) / f"f{number}").read_bytes() == (
            server.root / f"f{number}"
        ).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_days_without_a_time_move_with_the_zone(make_server: MakeServer, mailbox: Mailbox, kind: Any) -> None:
    """Of files listed to the day only those around midnight look different, and by a whole day."""
    server = make_server("pyftpdlib", **kind)
    server.recent_secs = 2 * DAY
    put_many(server, 200, age_secs=3 * DAY, step_secs=HOUR + 61)
    assert poll(mailbox, server) == 200
    for offset_secs in (6 * HOUR, -8 * HOUR, 0):
        server.utc_offset_secs = offset_secs
        assert poll(mailbox, server) == 0
        assert poll(mailbox, server) == 0
        assert server.commands["RETR"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_zone_that_moves_there_and_back_delivers_nothing(
    make_server: MakeServer, mailbox: Mailbox, caplog: pytest.LogCaptureFixture, kind: Any
) -> None:
    """Each move is said, and none makes a file new."""
    server = make_server("pyftpdlib", **kind)
    put_many(server, 120)
    assert poll(mailbox, server) == 120
    for offset_secs in (3 * HOUR, 0, -11 * HOUR):
        server.utc_offset_secs = offset_secs
        assert poll(mailbox, server) == 0
    rewrite(server, "f5", 1234)
    assert poll(mailbox, server) == 1
    assert moves_told(caplog) == ["10800", "-10800", "-39600"]


# --- what an idle poll costs -----------------------------------------------------------------------------------------


def test_thousands_of_known_files_cost_one_listing(make_server: MakeServer, memory_path: Path) -> None:
    """At most two MDTM a poll; a new file costs its two looks of two commands each, and one recheck later."""
    server = make_server("pyftpdlib", mlsd=False)
    server.utc_offset_secs = 2 * HOUR
    put_many(server, 2_000, step_secs=7500)
    mailbox = make_mailbox(memory_path, settle_secs=0.0)
    assert poll_ftp(mailbox, server, 600).delivered == 2_000
    mailbox.journal.close()
    mailbox = make_mailbox(memory_path, settle_secs=0.2)
    for _ in range(3):
        server.forget()
        assert poll_ftp(mailbox, server).fetched == 0
        check_cost(server, new=0, rechecks=0)
    for number in range(3):
        server.put(f"new{number}", b"new", time.time() - 70 - number)
    server.forget()
    assert poll_ftp(mailbox, server).delivered == 3
    check_cost(server, new=3, rechecks=0)
    now = mailbox.now
    mailbox.now = lambda: now() + 120
    server.put("newest", b"new", time.time() - 70)
    server.forget()
    assert poll_ftp(mailbox, server).delivered == 1
    check_cost(server, new=1, rechecks=3)
    mailbox.now = lambda: now() + 240
    server.forget()
    assert poll_ftp(mailbox, server).fetched == 0
    check_cost(server, new=0, rechecks=1)
    mailbox.now = lambda: now() + 360
    server.forget()
    assert poll_ftp(mailbox, server).fetched == 0
    check_cost(server, new=0, rechecks=0)
    mailbox.journal.close()


def check_cost(server: Any, *, new: int, rechecks: int) -> None:
    """Compare what was asked of the server since it forgot with what may be asked."""
    assert server.commands["LIST"] == 1
    assert server.commands["RETR"] <= new + rechecks
    assert server.commands["SIZE"] + server.commands["MDTM"] <= 2 + 4 * new + 2 * rechecks
    session = {"USER", "PASS", "FEAT", "OPTS", "TYPE", "PWD", "CWD", "SYST", "QUIT", "EPSV", "PASV", "NOOP"}
    assert set(server.commands) - session <= {"LIST", "RETR", "SIZE", "MDTM"}


# --- rows that hold no digest ----------------------------------------------------------------------------------------


Seen = tuple[Installation, Any]


@pytest.fixture
def seen(make_server: MakeServer, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Seen]:
    """Return an installation that has marked files as seen, and their server; the parameter: how many, which server."""
    count, kind = request.param
    server = make_server("pyftpdlib", **kind)
    put_many(server, count)
    with Installation(tmp_path / "site", server) as site:
        assert site.run("once", "--mark-seen", expect=0).stdout == f"marked {count} as seen\n"
        yield site, server


@pytest.mark.parametrize("seen", [(150, kind.values[0]) for kind in KINDS], indirect=True, ids=["mdtm", "list-only"])
def test_many_seen_files_move_with_the_zone(seen: Seen) -> None:
    """Nothing can be compared, but more than a hundred by one same shift is a clock: known, and said."""
    site, server = seen
    server.utc_offset_secs = 6 * HOUR
    server.put("new", b"new", time.time() - 5000)
    for _ in range(2):
        site.run("once", expect=0)
        assert os.listdir(site.sync) == ["new"]
        (moved,) = site.records("CLOCKMOVED")
        assert "shift_secs=21600" in moved


@pytest.mark.parametrize("seen", [(40, {"mlsd": False, "mdtm": False})], indirect=True, ids=["list-only"])
def test_few_seen_files_are_delivered_with_a_warning(seen: Seen) -> None:
    """So few may be new ones: they come, once, and the log says that some may have come before."""
    site, server = seen
    server.utc_offset_secs = 6 * HOUR
    site.run("once", expect=0)
    assert digests(site.sync) == digests(server.root)
    assert site.records("MAYBETWICE")
    server.forget()
    site.run("once", expect=0)
    assert server.commands["RETR"] == 0
