"""Plans of the real lftp for random trees with awful names, held against a comparison of the trees on disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftpretrieve.deadline import Deadline
from ftpretrieve.mirror.lftp import Lftp
from ftpretrieve.mirror.plan import decide_removals
from ftpretrieve.mirror.records import Job, Kind, Protocol, Server
from ftpretrieve.mirror.remote import Far
from ftpretrieve.mirror.tree import Near
from ftpretrieve.passwords import Secret
from tests.servers import FtpServer
from tests.sshd import Sshd, why_no_ssh

TIME = 1_600_000_020  # a whole minute: vsftpd shows no more
REAL = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
ATOMS = (
    *('"', "'", "%41", "%", "*", "?", "~", "-", "#", "!", "$(x)", "`", ";", "&", "|", "<", ">", "[a]", "{b}", "@"),
    *("a", "b", "é", "\u2028", "a  b", "12 2020-01-01 00:00:00 /x", "http:", "file:"),
    *("rm ftp://h/a", "a -> b", "=", "+", ","),
)
ODD = ("\\", "\udce9", "\x1b", "\t")
# pure-ftpd refuses or rewrites these. vsftpd shows no dots, and LIST loses blanks at the beginning. A tab is left out
# of an upload by FTP.
LISTED = {"sshd": (*ODD, "..", " ", "\r"), "proftpd": (*ODD, "..", " "), "pure-ftpd": ("..", " "), "vsftpd": ODD}
SENDABLE = {"sshd": LISTED["sshd"], "proftpd": (*ODD[:3], "..", " "), "pure-ftpd": ("..", " "), "vsftpd": ODD[:3]}
Disk = dict[str, bytes | None]
"""path -> content of a file, None of a directory."""


def names(more: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    """Return names that can be on disk, and are not those of unfinished files."""
    joined = st.lists(st.sampled_from(ATOMS + more), min_size=1, max_size=3).map("".join)
    return joined.map(lambda name: name.replace("/", "_")).filter(lambda name: name not in (".", ".."))


@st.composite
def pairs(draw: st.DrawFn, name: st.SearchStrategy[str]) -> tuple[Disk, Disk]:
    """Return two trees that have much in common."""
    pool = draw(st.lists(name, min_size=2, max_size=5, unique=True))
    first, second = {}, {}
    for tree in (first, second):
        for _ in range(draw(st.integers(0, 6))):
            parts = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))
            for depth in range(1, len(parts)):
                tree.setdefault("/".join(parts[:depth]), None)
                if tree["/".join(parts[:depth])] is not None:
                    break
            else:
                tree.setdefault("/".join(parts), draw(st.sampled_from([None, b"x", b"longer"])))
    return first, second


def write(directory: Path, tree: Disk) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for path, content in tree.items():
        if content is None:
            (directory / path).mkdir()
        else:
            (directory / path).write_bytes(content)
            os.utime(directory / path, (TIME, TIME))


def expected_made(source: Disk, target: Disk) -> dict[str, Kind]:
    return {
        path: Kind.DIRECTORY if content is None else Kind.FILE
        for path, content in source.items()
        if path not in target or content != target[path]
    }


def expected_gone(source: Disk, target: Disk) -> set[str]:
    """Return what has no counterpart, or one of another kind, with all that is below it."""
    roots = {
        path for path, content in target.items() if path not in source or (content is None) != (source[path] is None)
    }
    return {path for path in target if any(path == root or path.startswith(f"{root}/") for root in roots)}


def job_of(server: FtpServer, local: Path, remote: str, *, reverse: bool) -> Job:
    protocol, key = (Protocol.SFTP, server.key) if isinstance(server, Sshd) else (Protocol.FTP, None)
    password = Secret(server.password) if server.password else None
    there = Server(protocol, server.host, server.port, server.user, password, key_file=key)
    return Job("test", there, remote, local, {"reverse": reverse, "erase": True})


def check(server: FtpServer, local: Path, trees: tuple[Disk, Disk], *, reverse: bool) -> None:
    """Plan, and compare with what the trees on disk say."""
    source, target = trees
    remote = server.root / "tree"
    write(local, source if reverse else target)
    write(remote, target if reverse else source)
    job = job_of(server, local, f"{server.home.rstrip('/')}/tree", reverse=reverse)
    there = Near(local).tree()
    plan, there_far, unread = Far(Lftp(job.server, Deadline(60)), job.remote).plan(job)
    assert unread == ()
    assert plan.made == expected_made(source, target)
    there = there_far if reverse else there
    assert {path: entry.kind for path, entry in there.items()} == {
        path: Kind.DIRECTORY if content is None else Kind.FILE for path, content in target.items()
    }
    removals = decide_removals(plan, there, erase=True, delete_first=False)
    assert removals.unseen == ()
    assert {path for path, _ in removals.all} == expected_gone(source, target)
    order = [path for path, _ in removals.all]
    for path in order:
        assert not [below for below in order[order.index(path) :] if below.startswith(f"{path}/")]


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.interop, pytest.mark.slow])
        for name in ("proftpd", "pure-ftpd", "vsftpd", "sshd")
    ]
)
def place(request: pytest.FixtureRequest, make_server: Callable[..., FtpServer], tmp_path: Path) -> Iterator[FtpServer]:
    if request.param != "sshd":
        yield make_server(request.param)
        return
    if why_no_ssh():
        pytest.skip(str(why_no_ssh()))
    with Sshd(tmp_path) as server:
        yield server


@pytest.mark.parametrize("reverse", [False, True], ids=["download", "upload"])
@REAL
@given(data=st.data())
def test_a_plan_says_what_the_trees_say(place: FtpServer, tmp_path: Path, reverse: bool, data: st.DataObject) -> None:
    more = SENDABLE[place.software] if reverse else LISTED[place.software]
    check(place, tmp_path / "local", data.draw(pairs(names(more))), reverse=reverse)
