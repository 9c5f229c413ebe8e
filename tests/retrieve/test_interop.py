"""Whole polls against real servers: what each of them does differently must not matter."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mailboxes import digests, make_mailbox, poll_ftp, synced

pytestmark = [pytest.mark.interop, pytest.mark.slow]

ODD_NAMES = [
    b"blank in name.xml",
    b" leading",
    b"two  blanks",
    b"semi;colon=equals",
    b"-dash",
    b"*star?[x]",
    "gr\u00fc\u00df.xml".encode(),
    b"latin-gr\xfc\xdf.xml",
    b"esc\x1b[31m.txt",
    b"quote'\"$(id)`",
    b"percent%41",
    b"x" * 200,
]


def put_some(server: Any, count: int, mtime: float) -> None:
    for number in range(count):
        server.put(f"f{number}.dat", os.urandom(1000 + number), mtime + number)


def test_new_files_arrive_once_and_changed_ones_again(any_server: Any, tmp_path: Path) -> None:
    """Everything on the first poll, nothing on the second, the one that was replaced on the third."""
    put_some(any_server, 30, time.time() - 5000)
    mailbox = make_mailbox(tmp_path)
    first = poll_ftp(mailbox, any_server)
    assert (first.error, first.listed, first.delivered, first.failed) == (None, 30, 30, 0)
    assert synced(mailbox) == digests(any_server.root)
    assert poll_ftp(mailbox, any_server).fetched == 0
    any_server.put("f7.dat", b"another", time.time() - 3000)
    third = poll_ftp(mailbox, any_server)
    assert (third.delivered, third.replaced) == (1, 1)
    assert synced(mailbox) == digests(any_server.root)
    mailbox.journal.close()


def test_an_older_version_is_new_when_it_is_different(any_server: Any, tmp_path: Path) -> None:
    """A file replaced by one with an older time is fetched: new means different."""
    any_server.put("a.xml", b"one", time.time() - 5000)
    mailbox = make_mailbox(tmp_path)
    assert poll_ftp(mailbox, any_server).delivered == 1
    any_server.put("a.xml", b"two", time.time() - 400_000)
    assert poll_ftp(mailbox, any_server).delivered == 1
    assert (tmp_path / "sync/a.xml").read_bytes() == b"two"
    mailbox.journal.close()


@pytest.mark.parametrize("name", ODD_NAMES, ids=lambda name: name.hex()[:24])
def test_odd_names_round_trip(any_server: Any, tmp_path: Path, name: bytes) -> None:
    """Names are bytes and come through as they are."""
    any_server.put(name, b"content", time.time() - 5000)
    mailbox = make_mailbox(tmp_path)
    result = poll_ftp(mailbox, any_server)
    if not result.listed:
        pytest.skip(f"{any_server.software} does not list this name")
    assert result.delivered == 1, result
    assert synced(mailbox) == digests(any_server.root)
    assert poll_ftp(mailbox, any_server).fetched == 0
    mailbox.journal.close()


def test_directories_below_keep_their_paths(any_server: Any, tmp_path: Path) -> None:
    """With `recursive` a tree arrives as a tree; without, its directories are skipped."""
    for name in ("top.xml", "sub/a.xml", "sub/deep er/b.xml", "other/a.xml"):
        any_server.put(name, name.encode(), time.time() - 5000)
    mailbox = make_mailbox(tmp_path)
    flat = poll_ftp(mailbox, any_server)
    assert (flat.delivered, flat.skipped) == (1, 2)
    deep = poll_ftp(mailbox, any_server, recursive=True)
    assert deep.delivered == 3
    assert synced(mailbox) == digests(any_server.root)
    assert poll_ftp(mailbox, any_server, recursive=True).fetched == 0
    mailbox.journal.close()


def test_a_remote_directory_is_entered(any_server: Any, tmp_path: Path) -> None:
    """Relative to the login directory or absolute; a missing one is refused in one line naming it."""
    any_server.put("in box/a.xml", b"a", time.time() - 5000)
    mailbox = make_mailbox(tmp_path, b"in box")
    assert poll_ftp(mailbox, any_server).delivered == 1
    mailbox.directory = os.fsencode(any_server.home.rstrip("/") + "/in box")
    assert poll_ftp(mailbox, any_server).delivered == 1  # another directory as configured: its own files
    mailbox.directory = b"nowhere"
    error = str(poll_ftp(mailbox, any_server).error)
    assert "nowhere" in error
    assert f":{any_server.port}" in error
    assert "\n" not in error
    mailbox.journal.close()


def test_a_wrong_password_is_one_clear_line(any_server: Any, tmp_path: Path) -> None:
    """Host and step are named, the password is not."""
    mailbox = make_mailbox(tmp_path)
    password, any_server.password = any_server.password, "wr0ngpass"
    error = str(poll_ftp(mailbox, any_server).error)
    any_server.password = password
    assert "PASS" in error
    assert f":{any_server.port}" in error
    assert "wr0ngpass" not in error
    mailbox.journal.close()


@pytest.mark.parametrize("keep_mtime", [False, True], ids=["mtime-moves", "old-mtime-kept"])
def test_a_half_uploaded_file_is_never_published(any_server: Any, tmp_path: Path, keep_mtime: bool) -> None:
    """An uploader writes for some seconds; polls at any instant never see less than the whole, and once.

    Its pauses are a tenth of the time to settle: one that is held up for longer is not told from one that is ready.
    """
    whole = os.urandom(20 * 16384)
    target = any_server.root / "big.dat"

    def upload() -> None:
        with open(target, "wb") as file:
            for start in range(0, len(whole), 16384):
                file.write(whole[start : start + 16384])
                file.flush()
                if keep_mtime:
                    os.utime(target, (1_700_000_000, 1_700_000_000))
                time.sleep(0.3)

    mailbox = make_mailbox(tmp_path, settle_secs=3)
    uploader = threading.Thread(target=upload)
    uploader.start()
    deliveries = 0
    while uploader.is_alive() or not deliveries:
        result = poll_ftp(mailbox, any_server)
        assert result.error is None
        deliveries += result.delivered
        if deliveries:
            assert (tmp_path / "sync/big.dat").read_bytes() == whole
    deliveries += poll_ftp(mailbox, any_server).delivered
    uploader.join()
    assert deliveries == 1
    mailbox.journal.close()


def test_a_rewrite_within_the_same_minute_is_delivered_within_two_polls(
    make_server: Callable[..., Any], tmp_path: Path
) -> None:
    """vsftpd lists minutes only: equal size and minute, other content, is found by the recheck."""
    server = make_server("vsftpd")
    minute = time.time() // 60 * 60
    server.put("a.xml", b"one", minute)
    mailbox = make_mailbox(tmp_path)
    assert poll_ftp(mailbox, server).delivered == 1
    server.put("a.xml", b"two", minute + 1)
    assert sum(poll_ftp(mailbox, server).delivered for _ in range(2)) == 1
    assert (tmp_path / "sync/a.xml").read_bytes() == b"two"
    assert poll_ftp(mailbox, server).fetched == 0
    mailbox.journal.close()


def test_a_rewrite_within_the_same_minute_is_found_by_content_where_no_times_can_be_asked(
    make_server: Callable[..., Any], tmp_path: Path
) -> None:
    """Without MDTM the file is downloaded once more when its minute is over, and compared by digest."""
    server = make_server("pyftpdlib", mlsd=False, mdtm=False)
    minute = time.time() // 60 * 60
    server.put("a.xml", b"one", minute)
    server.put("b.xml", b"same", minute)
    mailbox = make_mailbox(tmp_path)
    assert poll_ftp(mailbox, server).delivered == 2
    server.put("a.xml", b"two", minute + 1)
    assert poll_ftp(mailbox, server).delivered == 0  # its minute is not over yet
    mailbox.now = lambda: time.time() + 61
    assert poll_ftp(mailbox, server).delivered == 1
    assert (tmp_path / "sync/a.xml").read_bytes() == b"two"
    mailbox.now = lambda: time.time() + 3 * 61
    poll_ftp(mailbox, server)  # the new version has a recheck of its own
    server.forget()
    poll_ftp(mailbox, server)
    assert server.commands["RETR"] == 0
    mailbox.journal.close()


@pytest.mark.parametrize("mdtm", [True, False], ids=["mdtm", "list-only"])
def test_looks_grow_with_time_and_not_with_files(make_server: Callable[..., Any], tmp_path: Path, mdtm: bool) -> None:
    """Many new files at once cost a handful of looks or listings, not one a batch."""
    server = make_server("pyftpdlib", mlsd=False, mdtm=mdtm)
    for number in range(3000):
        server.put(f"f{number:05}", b"%d" % number, time.time() - 200_000)
    mailbox = make_mailbox(tmp_path, settle_secs=1)
    result = poll_ftp(mailbox, server, 120)
    assert (result.delivered, result.error) == (3000, None)
    assert server.commands["LIST"] <= 12
    assert server.commands["SIZE"] == server.commands["MDTM"] == (6000 if mdtm else 0)
    mailbox.journal.close()


@pytest.mark.parametrize("software", ["vsftpd", "proftpd", "pure-ftpd", "pyftpdlib"])
def test_the_pool_shrinks_where_connections_are_limited(
    make_server: Callable[..., Any], tmp_path: Path, software: str
) -> None:
    """A server that takes one session (421 or 530 to the second) gets all its files over that one."""
    server = make_server(software, max_clients=1)
    put_some(server, 20, time.time() - 5000)
    mailbox = make_mailbox(tmp_path)
    result = poll_ftp(mailbox, server, connections=4)
    assert (result.delivered, result.failed, result.error) == (20, 0, None)
    mailbox.journal.close()
