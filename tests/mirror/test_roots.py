"""Where the remote directory is: below a login directory that is `/` or another one, and however it is spelt."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mirror.running import Mirror, tree
from tests.servers import FtpServer

SERVERS = ["pyftpdlib", pytest.param("proftpd", marks=pytest.mark.interop)]  # login directory `/`, and another one


@pytest.mark.parametrize("software", SERVERS)
@pytest.mark.parametrize("spelling", ["up", "up/", "./up", "{home}/up", "{home}/up/", "{home}/other/../up", "~/up"])
def test_an_upload_removes_and_counts_however_its_target_is_spelt(
    software: str, spelling: str, mirror: Mirror, make_server: Callable[..., FtpServer]
) -> None:
    """With nothing in between lftp's plan was taken to be about other directories: no removal, no check, Ended OK."""
    server = make_server(software)
    server.put("up/a", b"a file")
    server.put("up/b/old", b"old")
    server.put("other/kept", b"kept")
    mirror.put("a/in", b"now a directory")
    mirror.put("b", b"now a file")
    done = mirror.shell(
        server, "-r", "-e", "--allow-empty", remote=spelling.format(home=server.home.rstrip("/")), expect=0
    )
    assert tree(server.root / "up") == tree(mirror.local)
    assert (server.root / "other/kept").exists()
    assert "Transferred 2 files (25 bytes), deleted 3, failed 0" in done.stdout


@pytest.mark.parametrize("software", SERVERS)
@pytest.mark.parametrize("spelling", ["new", "{home}/new/below", "new/below/"])
def test_an_upload_into_a_directory_that_is_not_there_yet_is_checked_too(
    software: str, spelling: str, mirror: Mirror, make_server: Callable[..., FtpServer]
) -> None:
    server = make_server(software)
    mirror.put("a/in", b"content")
    remote = spelling.format(home=server.home.rstrip("/"))
    done = mirror.shell(server, "-r", "--del-source", remote=remote, expect=0)
    made = Path(server.root, spelling.format(home=".").rstrip("/"))
    assert tree(made) == {"a": None, "a/in": b"content"}
    assert tree(mirror.local) == {"a": None}
    assert "Transferred 1 file (7 bytes), deleted 1, failed 0" in done.stdout
