"""What the table of faults does not show by itself: two lacks of a server together, and what meets between polls."""

from pathlib import Path

import pytest

from tests.faultserver import FaultServer, says
from tests.installation import Installation
from tests.retrieve.attack import OLD, Attack

pytestmark = pytest.mark.interop

FILES = {b"a.bin": (b"a" * 5000, OLD), b"b.bin": (bytes(range(256)) * 40, OLD)}


def test_a_file_of_unlisted_size_is_counted_against_size(tmp_path: Path) -> None:
    """Where neither listing nor MLST tells how long a file is, SIZE does: a short body with a 226 is none."""
    with FaultServer(dict(FILES)) as server, Attack(tmp_path, server) as attack:
        server.arm("size-missing", "short-226")
        server.scripts["MLST"] = says("500 what?")
        attack.poll(5)
        assert attack.synced() == {}
        assert attack.said("FILEFAILED", "name=a.bin", "of 5000 bytes")
        attack.heal()


@pytest.mark.parametrize("reply", ["550 no sizes here", "500 what?", "213 many"])
def test_a_file_whose_size_nobody_tells_is_delivered(reply: str, tmp_path: Path) -> None:
    """There is nothing to hold it against but the reply after it."""
    with FaultServer(dict(FILES)) as server, Attack(tmp_path, server) as attack:
        server.arm("size-missing")
        server.scripts |= {"MLST": says("500 what?"), "SIZE": says(reply)}
        assert attack.poll(5).delivered == 2
        attack.heal()


def test_a_file_that_backs_off_is_left_and_not_forgotten(tmp_path: Path) -> None:
    """A poll that does not try it has not failed, but not all is well either: a cron job must see that."""
    settings = {"ftp_connections": 1, "ftp_remote_directory": "in"}
    with FaultServer({b"a.bin": FILES[b"a.bin"]}) as server, Installation(tmp_path, server, **settings) as site:  # type: ignore[arg-type]
        server.scripts["RETR"] = says("550 not yours")
        for _ in range(4):
            site.run("-q", "once", expect=1)
        server.scripts.clear()
        site.run("-q", "once", expect=75)
        assert "left=1" in site.records("POLL")[-1]
        assert "result=partial" in site.records("POLL")[-1]
