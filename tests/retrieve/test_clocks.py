"""Whole polls against real servers whose clocks, zones and listings change: the same files must not come again.

Each test delivers some files, changes how the server tells of them (MLSD or LIST, minutes or days, its zone), and polls
again: what lies there unchanged is not delivered a second time. Then some files are changed, and all of those come.
"""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.retrieve.mailbox import Mailbox
from tests.mailboxes import digests, make_mailbox, poll_ftp, synced
from tests.pyftp import SIX_MONTHS_SECS

pytestmark = [pytest.mark.interop, pytest.mark.slow]

HOUR, DAY = 3600, 86_400
PARIS = "CET-1CEST,M3.5.0,M10.5.0/3"  # Europe/Paris, for systems without a zone database too
AGES = {
    "now.dat": 90,
    "today.dat": 5 * HOUR,
    "week.dat": 7 * DAY + 11,
    "season.dat": 95 * DAY + 22,
    "last-season.dat": 170 * DAY + 33,  # on the other side of a clock change than the others, whatever today is
    "half-year.dat": 187 * DAY + 44,
    "year.dat": 370 * DAY + 55,
    "old.dat": 2000 * DAY + 66,
}
"""Listed to the minute up to six months, then to the day."""

MakeServer = Callable[..., Any]


@pytest.fixture
def mailbox(tmp_path: Path) -> Any:
    """Return a mailbox whose files settle: only then do rows hold the times that MDTM tells."""
    box = make_mailbox(tmp_path, settle_secs=0.2)
    yield box
    box.journal.close()


def put_aged(server: Any, content: bytes = b"some content") -> None:
    """Put a file of each age, all of one size."""
    for name, age in AGES.items():
        server.put(name, content, int(time.time()) - age)


def poll(mailbox: Mailbox, server: Any) -> int:
    """Poll, and return how many files were delivered; what lies in the sync directory is then what the server has."""
    result = poll_ftp(mailbox, server)
    assert (result.error, result.failed, result.left) == (None, 0, 0)
    assert synced(mailbox) == digests(server.root)
    return result.delivered


def move_on(mailbox: Mailbox, secs: float) -> None:
    """Let the mailbox's clock be ahead of where it was."""
    now = mailbox.now
    mailbox.now = lambda: now() + secs


def check_quiet(mailbox: Mailbox, server: Any) -> None:
    """Nothing comes, and after the questions that minutes leave open have been asked, nothing is even downloaded."""
    assert poll(mailbox, server) == 0
    move_on(mailbox, 10 * 60)
    assert poll(mailbox, server) == 0
    move_on(mailbox, 2 * DAY)  # so that the day that a listing shows is over
    assert poll(mailbox, server) == 0
    assert poll_ftp(mailbox, server).fetched == 0


def check_changes_come(mailbox: Mailbox, server: Any, age_secs: int = 60) -> None:
    """Change files of every age, each in another way, and see them arrive. `age_secs` of the youngest."""
    change(server, "week.dat", -37 * 60)  # another time that no zone explains
    change(server, "season.dat", -3 * DAY)
    change(server, "today.dat", HOUR)  # exactly an hour later
    change(server, "old.dat", 0, b"another size")
    change(server, "year.dat", 2 * DAY)
    change(server, "last-season.dat", int(time.time() - (server.root / "last-season.dat").stat().st_mtime) - age_secs)
    assert poll(mailbox, server) == 6


def change(server: Any, name: str, later_secs: int, more: bytes = b"") -> None:
    """Replace a file by one with other bytes, as many or some more, and another time."""
    size, mtime = (server.root / name).stat().st_size, int((server.root / name).stat().st_mtime)
    server.put(name, os.urandom(size) + more, mtime + later_secs)


# --- MLSD switched off and on ----------------------------------------------------------------------------------------

KINDS = [
    pytest.param("proftpd", {}, {"mlsd": False}, id="proftpd"),
    pytest.param("proftpd", {"times_gmt": False, "tz": PARIS}, {"mlsd": False}, id="proftpd-paris"),
    pytest.param("proftpd", {"times_gmt": False, "tz": "IST-5:30"}, {"mlsd": False}, id="proftpd-kolkata"),
    pytest.param("proftpd", {"times_gmt": False, "tz": "PST8"}, {"mlsd": False}, id="proftpd-los-angeles"),
    pytest.param("pyftpdlib", {}, {"mlsd": False}, id="pyftpdlib"),
    pytest.param("pyftpdlib", {}, {"mlsd": False, "mdtm": False}, id="pyftpdlib-list-only"),
]


@pytest.mark.parametrize("direction", ["off", "on"])
@pytest.mark.parametrize(("software", "options", "without"), KINDS)
def test_mlsd_comes_and_goes(
    make_server: MakeServer, mailbox: Mailbox, software: str, options: Any, without: Any, direction: str
) -> None:
    """UTC seconds, then local minutes and days of the same files; or the other way round; and back."""
    kinds = [options, options | without]
    if direction == "on":
        kinds.reverse()
    server = make_server(software, **kinds[0])
    put_aged(server)
    assert poll(mailbox, server) == len(AGES)
    server = make_server(software, instead_of=server, **kinds[1])
    check_quiet(mailbox, server)
    check_changes_come(mailbox, server)
    server = make_server(software, instead_of=server, **kinds[0])
    check_quiet(mailbox, server)
    check_changes_come(mailbox, server, 1000)
    check_quiet(mailbox, server)


@pytest.mark.parametrize("mdtm", [True, False], ids=["mdtm", "list-only"])
@pytest.mark.parametrize("offset_secs", [-8 * HOUR, 2 * HOUR, 19_800, 20_700], ids=["-8h", "+2h", "+5:30", "+5:45"])
def test_mlsd_comes_and_goes_in_zones_far_away(
    make_server: MakeServer, mailbox: Mailbox, offset_secs: int, mdtm: bool
) -> None:
    """What LIST prints is hours away from UTC, and the day is another one for some files."""
    server = make_server("pyftpdlib")
    put_aged(server)
    for number in range(24):  # around midnight, wherever that is
        server.put(f"hour{number}", b"x", int(time.time()) // DAY * DAY - 300 * DAY + number * HOUR + 7)
    assert poll(mailbox, server) == len(AGES) + 24
    server = make_server("pyftpdlib", instead_of=server, mlsd=False, mdtm=mdtm)
    server.utc_offset_secs = offset_secs
    check_quiet(mailbox, server)
    check_changes_come(mailbox, server)
    server = make_server("pyftpdlib", instead_of=server)
    check_quiet(mailbox, server)


@pytest.mark.parametrize("switch", ["mlsd-to-list", "list-to-mlsd"])
@pytest.mark.parametrize("mdtm", [True, False], ids=["mdtm", "list-only"])
def test_a_rewrite_within_its_minute_comes_though_the_listing_changes_its_kind(
    make_server: MakeServer, tmp_path: Path, switch: str, mdtm: bool
) -> None:
    """Equal size, and a minute that holds both times: one of the two listings cannot tell them apart."""
    mailbox = make_mailbox(tmp_path)
    kinds: list[dict[str, Any]] = [{}, {"mlsd": False, "mdtm": mdtm}]
    if switch == "list-to-mlsd":
        kinds.reverse()
    server = make_server("pyftpdlib", **kinds[0])
    minute = int(time.time()) // 60 * 60
    server.put("a.dat", b"one", minute)
    server.put("b.dat", b"two", minute)
    assert poll_ftp(mailbox, server).delivered == 2
    server = make_server("pyftpdlib", instead_of=server, **kinds[1])
    server.put("a.dat", b"new", minute + 1)
    delivered = 0
    for _ in range(3):
        delivered += poll_ftp(mailbox, server).delivered
        move_on(mailbox, 61)
    assert delivered == 1
    assert synced(mailbox) == digests(server.root)
    mailbox.journal.close()


# --- the six months line ---------------------------------------------------------------------------------------------


def listed(server: Any) -> dict[str, str]:
    """Return what LIST prints of each file: name -> size and time."""
    lines: list[str] = []
    with server.connect() as client:
        client.retrlines("LIST", lines.append)
    return {line.split()[-1]: line for line in lines}


@pytest.mark.parametrize("zone", ["PST8", "EET-2"], ids=["-8h", "+2h"])
def test_files_cross_the_six_months_line_of_vsftpd(make_server: MakeServer, mailbox: Mailbox, zone: str) -> None:
    """In real time: each half second another file becomes half a year old and loses its time of day."""
    server = make_server("vsftpd", use_localtime=True, tz=zone)
    names = [f"f{number:02}" for number in range(16)]
    for number, name in enumerate(names):
        server.put(name, b"content", time.time() - SIX_MONTHS_SECS + 6 + number / 2)
    before = listed(server)
    assert all(":" in line for line in before.values())
    assert poll(mailbox, server) == len(names)
    while any(":" in line for line in listed(server).values()):
        assert poll(mailbox, server) == 0
        time.sleep(0.5)  # the server's own clock cannot be given
    assert poll(mailbox, server) == 0
    change(server, "f03", -3 * DAY)
    change(server, "f04", 0, b"longer")
    change(server, "f05", 3 * DAY)
    assert poll(mailbox, server) == 3
    assert poll(mailbox, server) == 0


@pytest.mark.parametrize("mdtm", [True, False], ids=["mdtm", "list-only"])
@pytest.mark.parametrize("offset_secs", [-8 * HOUR, 0, 2 * HOUR], ids=["-8h", "0", "+2h"])
def test_every_hour_of_a_day_crosses_the_six_months_line(
    make_server: MakeServer, mailbox: Mailbox, offset_secs: int, mdtm: bool
) -> None:
    """Minutes become days, hour by hour, and once, when the server's clock is set back, minutes again."""
    server = make_server("pyftpdlib", mlsd=False, mdtm=mdtm)
    server.utc_offset_secs = offset_secs
    end = int(time.time()) - SIX_MONTHS_SECS
    for hour in range(30):
        server.put(f"h{hour}", b"content", end + hour * HOUR + 31)
    assert poll(mailbox, server) == 30
    for hour in (5, 11, 23, 30):
        server.recent_secs = SIX_MONTHS_SECS - hour * HOUR
        assert poll(mailbox, server) == 0
    server.recent_secs = SIX_MONTHS_SECS
    check_quiet(mailbox, server)
    server.recent_secs = 0
    check_quiet(mailbox, server)
    change(server, "h3", 3 * DAY)
    change(server, "h27", -3 * DAY)
    assert poll(mailbox, server) == 2


# --- clock changes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change_of", [("CET-1", "CEST-2"), ("CEST-2", "CET-1")], ids=["spring", "autumn"])
@pytest.mark.parametrize(
    ("software", "options"),
    [("vsftpd", {"use_localtime": True}), ("proftpd", {"times_gmt": False, "mlsd": False})],
    ids=["vsftpd", "proftpd"],
)
def test_the_clocks_change_under_files_that_stay(
    make_server: MakeServer, mailbox: Mailbox, software: str, options: Any, change_of: tuple[str, str]
) -> None:
    """vsftpd moves every time, MDTM's included, on that day; the same happens to proftpd by a change of its zone."""
    server = make_server(software, tz=change_of[0], **options)
    put_aged(server)
    assert poll(mailbox, server) == len(AGES)
    before = listed(server)
    server = make_server(software, instead_of=server, tz=change_of[1], **options)
    assert before["week.dat"] != listed(server)["week.dat"]
    check_quiet(mailbox, server)
    check_changes_come(mailbox, server)
    check_quiet(mailbox, server)


def test_changed_on_the_day_the_clocks_change(make_server: MakeServer, mailbox: Mailbox) -> None:
    """Between the two polls both happen: all times move by an hour, and some files are new."""
    server = make_server("vsftpd", use_localtime=True, tz="CET-1")
    put_aged(server)
    assert poll(mailbox, server) == len(AGES)
    server = make_server("vsftpd", instead_of=server, use_localtime=True, tz="CEST-2")
    check_changes_come(mailbox, server)
    check_quiet(mailbox, server)


@pytest.mark.parametrize("from_mlsd", [True, False], ids=["mlsd-before", "list-before"])
def test_each_file_has_the_offset_of_its_own_season(make_server: MakeServer, mailbox: Mailbox, from_mlsd: bool) -> None:
    """proftpd with `TimesGMT off` prints summer files in summer time and winter files in winter time."""
    options = {"times_gmt": False, "tz": PARIS}
    server = make_server("proftpd", mlsd=from_mlsd, **options)
    for week in range(52):
        server.put(f"w{week}", b"content", int(time.time()) - week * 7 * DAY - 3 * HOUR)
    assert poll(mailbox, server) == 52
    server = make_server("proftpd", instead_of=server, mlsd=not from_mlsd, **options)
    change(server, "w0", HOUR)  # what the offset of the other season would explain
    assert poll(mailbox, server) == 1
    check_quiet(mailbox, server)
    for week in (1, 20, 24):
        change(server, f"w{week}", HOUR)
    change(server, "w50", 0, b"longer")
    assert poll(mailbox, server) == 4
    server = make_server("proftpd", instead_of=server, mlsd=from_mlsd, **options)
    check_quiet(mailbox, server)


# --- rewritten to look like a clock change ---------------------------------------------------------------------------

REWRITTEN = [
    pytest.param("vsftpd", {}, id="vsftpd"),
    pytest.param("proftpd", {"mlsd": False}, id="proftpd-list"),
    pytest.param("proftpd", {}, id="proftpd-mlsd"),
    pytest.param("pyftpdlib", {"mlsd": False}, id="pyftpdlib-list"),
    pytest.param("pyftpdlib", {"mlsd": False, "mdtm": False}, id="pyftpdlib-list-only"),
]


@pytest.mark.parametrize(
    ("count", "age_secs"),
    [(12, 5 * HOUR), (130, 5 * HOUR), (130, 4 * DAY)],
    ids=["few", "many", "many-with-old-times"],
)
@pytest.mark.parametrize(("software", "options"), REWRITTEN)
def test_all_rewritten_exactly_an_hour_later(
    make_server: MakeServer, mailbox: Mailbox, software: str, options: Any, count: int, age_secs: int
) -> None:
    """Equal sizes and times an hour apart: what a clock change looks like, and yet every file is new, each time."""
    server = make_server(software, **options)
    began = int(time.time()) - age_secs
    for hour in range(3):
        for number in range(count):
            server.put(f"f{number}", os.urandom(64), began + hour * HOUR + number)
        move_on(mailbox, HOUR)
        assert poll(mailbox, server) == count
    check_quiet(mailbox, server)


@pytest.mark.parametrize(("software", "options"), [one for one in REWRITTEN if one.id != "proftpd-mlsd"])
def test_rewritten_exactly_an_hour_later_with_the_same_content(
    make_server: MakeServer, mailbox: Mailbox, software: str, options: Any
) -> None:
    """The bytes are those that came already: nothing is delivered, and the question is not asked again."""
    server = make_server(software, **options)
    began = int(time.time()) - 5 * HOUR
    for hour in range(2):
        for number in range(12):
            server.put(f"f{number}", b"the same", began + hour * HOUR + number)
        assert poll(mailbox, server) == (0 if hour else 12)
    check_quiet(mailbox, server)


# --- a zone that moves under many ------------------------------------------------------------------------------------


def moves_told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the CLOCKMOVED warnings."""
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("CLOCKMOVED") and r.levelno >= 30]


def test_the_zone_of_vsftpd_moves_under_500_files(
    make_server: MakeServer, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    """LIST and MDTM both move by six hours; what was changed meanwhile comes, and nothing else."""
    caplog.set_level(logging.INFO)
    server = make_server("vsftpd", use_localtime=True, tz="UTC0")
    for number in range(500):
        server.put(f"f{number}", b"%03d" % number, int(time.time()) - 3 * DAY - number * 997)
    assert poll(mailbox, server) == 500
    assert moves_told(caplog) == []
    server = make_server("vsftpd", instead_of=server, use_localtime=True, tz="OMST-6")
    change(server, "f77", 2 * DAY + 60)
    change(server, "f78", HOUR)
    change(server, "f79", 0, b"longer")
    assert poll(mailbox, server) == 3
    assert len(moves_told(caplog)) == 1
    assert "shift_secs=21600" in moves_told(caplog)[0]
    check_quiet(mailbox, server)
    assert len(moves_told(caplog)) == 1
