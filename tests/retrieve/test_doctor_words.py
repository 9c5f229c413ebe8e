"""What `doctor` says about odd servers and useless keys: in words that fit, with what it costs and what to do."""

from pathlib import Path

import pytest

from tests.faultserver import FaultServer, says
from tests.pyftp import PyFtpServer
from tests.retrieve.test_doctor import Home

HEADER = b"Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname\r\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.set("remote", ftp_user="u")
    return home


def test_a_banner_in_the_listing_is_doubtful_and_no_fault(home: Home) -> None:
    """The files beside it come."""
    with FaultServer({b"a.xml": (b"one", "20200102030405")}, mlsd=False) as server:
        server.rows = b"Welcome, dear customer\r\n-rw-r--r-- 1 u g 3 Jan 02 2020 a.xml\r\n"
        home.serve(server)
        found = home.check(offline=False)
        assert [level for level, *_ in found["listing"]] == ["ok", "warn"]
        assert "dear customer" in found["listing"][1][1]


def test_links_are_counted_beside_the_files(home: Home, pyftp: PyFtpServer) -> None:
    """They are fetched too when they lead to files, and would be missing from the sum."""
    server = pyftp
    server.replace["MLSD"] = lambda handler, argument, proceed: handler.respond("502 no")
    server.put("a.xml", b"one")
    (server.root / "link").symlink_to("a.xml")
    home.serve(server)
    home.set("remote", ftp_user=server.user)
    assert home.check(offline=False)["listing"] == [
        ("ok", "LIST shows 2 entries, 1 files, 1 of them wanted, and 1 symbolic links", "")
    ]


def test_a_directory_that_is_closed_is_no_limit_of_the_server(home: Home) -> None:
    """Raising one would not help; the line that names the directory is said by `once -n`."""
    with FaultServer({b"a.xml": (b"one", "20200102030405")}, directories=1) as server:
        server.scripts["CWD"] = lambda conversation, argument: conversation.reply(
            "250 in" if argument.rstrip("/") == "" else "550 Permission denied"
        )
        home.serve(server)
        home.set("local", recursive="yes")
        found = home.check(offline=False)["listing"]
        assert [level for level, *_ in found] == ["ok", "warn"]
        assert "DIRECTORYFAILED" in found[1][2]


@pytest.mark.parametrize(("mdtm", "words"), [(True, "asked for once by MDTM"), (False, "counts as new only when")])
def test_a_listing_without_times_tells_what_that_costs(home: Home, mdtm: bool, words: str) -> None:
    """As of a mainframe's data sets: LIST is named, and what makes such a file new."""
    with FaultServer({b"DATA.A": (b"one", "20200102030405")}, mlsd=False) as server:
        server.rows = HEADER + b"Migrated                                                DATA.A\r\n"
        if not mdtm:
            server.scripts |= {"FEAT": says("502 no"), "SIZE": says("502 no"), "MDTM": says("502 no")}
        home.serve(server)
        found = home.check(offline=False)
        assert found["listing"][0][1].startswith("LIST shows 1 entries, 1 files")
        assert [level for level, *_ in found["stamps"]] == ["warn"]
        assert words in found["stamps"][0][2]
        assert ("sizes" in found) is not mdtm


@pytest.mark.parametrize(
    ("script", "reply", "fix"),
    [
        ("GREETING", "421 too many users", "have the server allow more"),
        ("USER", "530 must use encryption", ""),
        ("PASS", "530 Login incorrect", "check ftp_user and ftp_password"),
        ("MLSD", "425 no data connection", "the login worked"),
    ],
)
def test_the_fix_fits_the_error(home: Home, script: str, reply: str, fix: str) -> None:
    """And there is none beside an error that names the key itself."""
    with FaultServer({b"a.xml": (b"one", "20200102030405")}) as server:
        server.scripts[script] = says(reply)
        home.serve(server)
        (found,) = [row for rows in home.check(offline=False).values() for row in rows if row[0] == "FAIL"]
        assert reply in found[1]
        assert (fix in found[2]) if fix else found[2] == ""


@pytest.mark.parametrize(
    ("keys", "what", "level", "says"),
    [
        ({"ftp_active_ports": "40000-40010"}, "keys", "warn", "ftp_active_ports do nothing while ftp_passive = yes"),
        ({"settle_secs": "20", "ftp_duration_secs": "20"}, "keys", "warn", "large ones never come"),
        ({"ftp_passive": "no", "ftp_pasv_address": "server"}, "keys", "warn", "ftp_pasv_address does nothing"),
        ({"ftp_passive": "no", "ftp_active_ports": "40000-40000"}, "keys", "warn", "1 ports of ftp_active_ports"),
        ({"ftp_protocol": "ftps", "ftp_ca_file": "none.pem"}, "ftp_ca_file", "FAIL", "none.pem is not there"),
    ],
)
def test_keys_that_lead_to_nothing_are_told(home: Home, keys: dict[str, str], what: str, level: str, says: str) -> None:
    """Without a server: who wrote them expects something of them."""
    home.set("remote", **keys)
    (found,) = home.check()[what]
    assert found[0] == level
    assert says in found[1]
