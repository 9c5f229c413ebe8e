"""The data centre as rsync reaches it: a real daemon on loopback, broken on purpose."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.errors import (
    CommandFailed,
    FtpRetrieveError,
    LoginRefused,
    RemoteRefused,
    StorageError,
)
from ftpretrieve.passwords import Secret
from ftpretrieve.send import rsync as rsync_module
from ftpretrieve.send.rsync import StatusUnread
from ftpretrieve.send.tools import Rsync, find_rsync
from tests.rsyncd import Rsyncd
from tests.send.node import ID, OLD_NS, Node, tree

pytestmark = pytest.mark.interop

ODD_NAMES = (
    "with blank", " blanks around ", "q'uo\"te", "new\nline", "carriage\rreturn", "caf\udce9", "café", "back\\slash",
    "oct\\#012al", "\\#134", "#hash", ";semicolon", "-dash", "--delete", ":colon", "a:b::c", "rsync:", "~home",
    "*glob?[x]", "esc\x1b[31m", "= <f+++++++++ fake", "@ERROR: no", "%n", "tab\there", "é/#below", "lost+found.txt",
    ".hidden", "+plus", "- minus", "! bang", "{a,b}", "$(x)", "`x`", "&amp;",
)  # fmt: skip


@contextmanager
def wrapped(node: Node, tmp_path: Path, script: str) -> Iterator[Rsync]:
    """Give an rsync that runs a few shell commands first."""
    path = tmp_path / "wrapper" / "rsync"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/bash\n{script}\nexec {shlex.quote(str(shutil.which("rsync")))} "$@"\n')
    path.chmod(0o755)
    yield Rsync(path, find_rsync(node.settings).version)


# -- a transaction ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [True, False], ids=["content", "directory"])
def test_a_directory_arrives_as_it_is(node: Node, centre: Rsyncd, content: bool) -> None:
    """Names, contents, times and empty directories; each step answers as the server stands."""
    for name in ODD_NAMES:
        node.put(f"odd/{name}", name.encode(errors="surrogateescape"))
        node.put(name, b"top")
    (node.data / "#empty \n").mkdir()
    us, intent, snapshot = node.centre(), node.intent(content=content), node.snapshot()
    paths = {file.path for file in snapshot.files}

    assert not us.is_taken(ID)
    assert us.plan(intent, snapshot) == paths
    assert us.missing(intent, snapshot) == sorted({*paths, "#empty \n", "empty"})
    assert tree(centre.incoming) == {}

    us.make_place(intent)
    assert us.is_taken(ID)
    assert us.push(intent, snapshot) == paths
    assert us.missing(intent, snapshot) == []
    assert not us.is_complete(ID)

    us.push_xml(ID, b"<transaction/>")
    assert us.is_complete(ID)
    place = centre.incoming / ID / ("" if content else "data")
    (centre.incoming / ID / f"{ID}.xml").unlink()
    assert tree(place) == tree(node.data)
    assert {(place / path).stat().st_mtime_ns for path in paths} == {OLD_NS}
    assert node.heard == node.waited == []


@pytest.mark.parametrize("name", ["two words", "#hash", ";semi", "-n", "*", "a:b", "new\nline", "caf\udce9"])
def test_a_directory_with_an_odd_name_is_sent_under_it(node: Node, centre: Rsyncd, tmp_path: Path, name: str) -> None:
    """The name never is part of rsync's arguments for the target, which servers expand."""
    node.data = node.data.rename(tmp_path / name)
    us, intent, snapshot = node.centre(), node.intent(content=False), node.snapshot()
    assert us.plan(intent, snapshot) == us.push(intent, snapshot) == {"a.mseed", "day/b.mseed"}
    assert us.missing(intent, snapshot) == []
    assert tree(centre.incoming / ID / name) == tree(node.data)


def test_only_what_is_in_the_snapshot_goes(node: Node, centre: Rsyncd) -> None:
    """What came later is for another transaction, and the list of the XML would not have it."""
    snapshot = node.snapshot()
    node.put("later")
    (node.data / "link").symlink_to("a.mseed")
    node.centre().push(node.intent(), snapshot)
    assert set(tree(centre.incoming / ID)) == {"a.mseed", "day", "day/b.mseed", "empty"}


def test_what_is_sent_can_be_read_by_the_data_centre(node: Node, centre: Rsyncd) -> None:
    """Also when the directory and our temporary files are private, and whatever our umask is."""
    node.data.chmod(0o700)
    before = os.umask(0o077)
    try:
        us = node.centre()
        us.make_place(node.intent())
        node.send(us)
        us.push_xml(ID, b"<transaction/>")
    finally:
        os.umask(before)
    place = centre.incoming / ID
    assert stat.S_IMODE(place.stat().st_mode) & 0o700 == 0o700
    assert stat.S_IMODE((place / f"{ID}.xml").stat().st_mode) == 0o644 & ~before


def test_a_server_that_can_only_be_written_to_answers_all_questions(
    make_rsyncd: Callable[..., Rsyncd], make_node: Callable[..., Node]
) -> None:
    """Real data centres are like that: nobody may read what others have sent."""
    node = make_node(make_rsyncd(write_only=True))
    us, intent, snapshot = node.centre(), node.intent(), node.snapshot()
    assert not us.is_taken(ID)
    us.make_place(intent)
    assert us.is_taken(ID)
    us.push(intent, snapshot)
    assert us.missing(intent, snapshot) == []
    assert not us.is_complete(ID)
    us.push_xml(ID, b"<transaction/>")
    assert us.is_complete(ID)


def test_an_id_with_a_status_is_taken_and_complete(node: Node, centre: Rsyncd) -> None:
    """The data centre has moved the files away by then."""
    (centre.statuses / f"{ID}.xml").write_text("<transaction/>")
    assert node.centre().is_taken(ID)
    assert node.centre().is_complete(ID)


@pytest.mark.parametrize("change", ["gone", "shorter", "other time", "no directory"])
def test_what_is_not_there_as_it_is_here_is_named(node: Node, centre: Rsyncd, change: str) -> None:
    """The proof before a transaction is called complete."""
    node.send()
    there = centre.incoming / ID / "day" / "b.mseed"
    if change == "gone":
        there.unlink()
    elif change == "shorter":
        there.write_bytes(b"b")
    elif change == "other time":
        os.utime(there)
    else:
        (centre.incoming / ID / "empty").rmdir()
    expected = ["empty"] if change == "no directory" else ["day/b.mseed"]
    assert node.centre().missing(node.intent(), node.snapshot()) == expected


# -- statuses ---------------------------------------------------------------------------------------------------------


def test_the_statuses_of_many_come_with_one_connection(node: Node, centre: Rsyncd, tmp_path: Path) -> None:
    """Those without one are left out, and an id that is none asks for nothing."""
    for number in range(30):
        (centre.statuses / f"AAAA{number:04}.xml").write_bytes(b"<a>%d</a>" % number)
    before = centre.log_text().count("connect from")
    found = node.centre().statuses([*(f"AAAA{number:04}" for number in range(0, 40, 2)), "../x", "", "*"])
    assert found == {f"AAAA{number:04}": b"<a>%d</a>" % number for number in range(0, 30, 2)}
    assert centre.log_text().count("connect from") == before + 1


def test_no_status_at_all_is_no_failure(node: Node) -> None:
    assert node.centre().statuses([ID]) == {}


def test_only_a_small_file_is_a_status(node: Node, centre: Rsyncd, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link could lead to any file of this machine, and a big one fill its disk."""
    monkeypatch.setattr(rsync_module, "LIMIT", 1000)
    (centre.statuses / "AAAA0001.xml").write_bytes(b"x" * 1000)
    (centre.statuses / "AAAA0002.xml").write_bytes(b"x" * 1001)
    (centre.statuses / "AAAA0003.xml").symlink_to("/etc/passwd")
    (centre.statuses / "AAAA0004.xml").mkdir()
    os.mkfifo(centre.statuses / "AAAA0005.xml")
    for us in (node.centre(), node.with_extra("--links", "--recursive", "--specials", "--info=none")):
        found = us.statuses([f"AAAA000{number}" for number in range(1, 6)])
        assert found.pop("AAAA0001") == b"x" * 1000
        assert isinstance(found.pop("AAAA0002"), StatusUnread)
    assert found == {}


def test_a_status_that_cannot_be_read_is_one(
    make_rsyncd: Callable[..., Rsyncd], make_node: Callable[..., Node]
) -> None:
    """The data centre has made it, so the transaction is there; who takes it for absent would send it again."""
    server = make_rsyncd(obeys_modes=True)
    us = make_node(server).centre()
    assert not us.is_complete(ID)
    (server.statuses / f"{ID}.xml").touch(mode=0)
    assert (us.is_taken(ID), us.is_complete(ID)) == (True, True)


def test_very_many_are_asked_for_in_parts(node: Node, centre: Rsyncd, monkeypatch: pytest.MonkeyPatch) -> None:
    """What rsync says of each must not be more than is kept of its output."""
    monkeypatch.setattr(rsync_module, "STATUSES_AT_ONCE", 4)
    monkeypatch.setattr(rsync_module, "KEPT_LINES", 10)
    ids = [f"AAAA{number:04}" for number in range(9)]
    for id_ in ids[1:]:
        (centre.statuses / f"{id_}.xml").write_text(id_)
    assert node.centre().statuses(ids) == {id_: id_.encode() for id_ in ids[1:]}


# -- further arguments ------------------------------------------------------------------------------------------------


def test_further_arguments_decide_what_is_sent(node: Node) -> None:
    """And so what a plan says."""
    us = node.with_extra("--exclude=*.mseed", "--include", "*")
    assert us.plan(node.intent(), node.snapshot()) == frozenset()
    assert node.centre().plan(node.intent(), node.snapshot()) == {"a.mseed", "day/b.mseed"}


@pytest.mark.parametrize(
    "words", [("--exclude=*",), ("--prune-empty-dirs",), ("-a", "-z", "-vv", "-ii"), ("-C",)], ids=str
)
def test_further_arguments_do_not_change_what_the_server_answers(node: Node, words: tuple[str, ...]) -> None:
    """The sign of completeness above all."""
    us = node.with_extra(*words)
    assert not us.is_taken(ID)
    us.push_xml(ID, b"<transaction/>")
    assert us.is_taken(ID)
    assert us.is_complete(ID)


def test_an_answer_that_further_arguments_suppress_is_none(node: Node) -> None:
    """What is not reported would look as if it were there: nothing is complete because of that."""
    us = node.with_extra("--max-size=0", "--min-size=1")
    for question in (us.is_taken, us.is_complete):
        with pytest.raises(CommandFailed, match="check 'rsync extra args'"):
            question(ID)
    with pytest.raises(CommandFailed, match="check 'rsync extra args'"):
        us.push_xml(ID, b"<transaction/>")


# -- the password -----------------------------------------------------------------------------------------------------


def test_the_password_is_in_the_environment_of_rsync_only(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does rsync get more of our environment than it needs."""
    for name in ("RSYNC_ICONV", "RSYNC_CONNECT_PROG", "RSYNC_PARTIAL_DIR", "LANG", "LC_MESSAGES", "SECRET"):
        monkeypatch.setenv(name, "x")
    password = "correct horse battery staple"
    record = tmp_path / "record"
    script = f"{{ cat /proc/$$/cmdline; echo; cat /proc/$$/environ; echo; }} >> {record}"
    node.settings = replace(node.settings, password=Secret(password))
    with wrapped(node, tmp_path, script) as rsync, pytest.raises(LoginRefused) as caught:
        node.centre(rsync=rsync).statuses([ID])
    argv, environment, _ = record.read_text().split("\n")
    variables = dict(pair.split("=", 1) for pair in environment.strip("\0").split("\0"))
    assert variables.pop("RSYNC_PASSWORD") == password
    assert "RSYNC_PASSWORD" not in os.environ
    assert set(variables) - set(rsync_module.KEPT_ENVIRONMENT) <= {"LC_ALL", "PWD", "SHLVL", "_"}
    assert variables["LC_ALL"] == "C"
    assert "correct" not in argv + str(caught.value) + "".join(node.heard)


# -- what goes wrong --------------------------------------------------------------------------------------------------


def refusal(sender: Node, error: type[FtpRetrieveError], words: str, **changes: Any) -> None:
    """Check that neither a question nor a push gets through, and that it is not tried again."""
    us = sender.centre(settings=replace(sender.settings, **{"retries": 3, **changes}))
    for attempt in (us.plan, us.push):
        with pytest.raises(error, match=words) as caught:
            attempt(sender.intent(), sender.snapshot())
        assert type(caught.value) is error
    assert sender.waited == []


def test_a_server_that_reports_files_without_end(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would fill the memory until the last minute of the session."""
    monkeypatch.setattr(rsync_module, "MOST_REPORTED_BYTES", 10_000)
    script = "while echo '= <f+++++++++ made-up'; do :; done; exit"
    with wrapped(node, tmp_path, script) as rsync, pytest.raises(RemoteRefused, match="files without end"):
        node.centre(rsync=rsync).plan(node.intent(), node.snapshot())


def test_a_wrong_password(node: Node) -> None:
    refusal(node, LoginRefused, "code 5.*auth failed.*'my node password'", password=Secret("wrong"))


def test_a_node_without_a_module(node: Node) -> None:
    refusal(node, RemoteRefused, "code 5.*Unknown module.*'my node name'", node="RAP")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["read only = yes"], "module is read only"),
        (["hosts deny = *"], "access denied.*let this machine in"),
        (["refuse options = times"], "refuse --times"),
        (["path = /nowhere"], "chdir failed"),
    ],
    ids=str,
)
def test_a_server_that_refuses(
    make_rsyncd: Callable[..., Rsyncd], make_node: Callable[..., Node], lines: list[str], words: str
) -> None:
    refusal(make_node(make_rsyncd(lines=lines)), RemoteRefused, words)


def test_a_server_that_refuses_dry_runs_is_refused(
    make_rsyncd: Callable[..., Rsyncd], make_node: Callable[..., Node]
) -> None:
    """Nothing could be proven there; and it is known before anything is sent."""
    node = make_node(make_rsyncd(lines=["refuse options = dry-run"]))
    us = node.centre()
    for question in (us.is_taken, us.is_complete):
        with pytest.raises(RemoteRefused, match="refuse --dry-run.*nothing can be proven"):
            question(ID)
    with pytest.raises(RemoteRefused, match="refuse --dry-run.*nothing can be proven"):
        us.plan(node.intent(), node.snapshot())


def test_a_full_disk_at_the_server(
    make_rsyncd: Callable[..., Rsyncd], make_node: Callable[..., Node], make_disk: Callable[[str], Path]
) -> None:
    """rsync reports files then that never arrived."""
    node = make_node(make_rsyncd(incoming=make_disk("300k")), retries=3)
    node.put("big", random.Random(1).randbytes(1_000_000))
    with pytest.raises(RemoteRefused, match="code 11.*No space left on device.*when there is room"):
        node.send()
    assert node.waited == []
    assert "big" in node.centre().missing(node.intent(), node.snapshot())


def test_a_file_that_cannot_be_written_there(node: Node, centre: Rsyncd) -> None:
    (centre.incoming / ID / "a.mseed").mkdir(parents=True)
    (centre.incoming / ID / "a.mseed" / "x").touch()
    with pytest.raises(CommandFailed, match=r"code 23.*a\.mseed"):
        node.send()


def test_a_file_that_vanished(node: Node) -> None:
    """The directory is not to change while it is sent."""
    snapshot = node.snapshot()
    (node.data / "a.mseed").unlink()
    with pytest.raises(CommandFailed, match="nothing writes to the directory"):
        node.centre().push(node.intent(), snapshot)


def test_no_working_directory(node: Node) -> None:
    gone = replace(node.settings, working_directory=node.settings.working_directory / "gone")
    with pytest.raises(StorageError, match="'working directory' .*/gone: No such file"):
        node.centre(settings=gone).statuses([ID])


# -- figures ----------------------------------------------------------------------------------------------------------


def test_progress_is_told_while_it_is_sent(node: Node) -> None:
    """With rsync's own figures."""
    node.put("big", bytes(5_000_000))
    node.send()
    assert any("sending ABCD1234: 5,003,000 bytes, 100 %, " in text for text in node.figures)


def test_no_progress_of_an_rsync_that_has_none(node: Node, tmp_path: Path) -> None:
    """The option would end it."""
    with wrapped(node, tmp_path, '[[ "$*" == *--info* ]] && exit 1') as rsync:
        node.send(node.centre(rsync=replace(rsync, version=(3, 0, 9))))
    assert node.figures == []


def test_the_bandwidth_limit_can_be_ignored(node: Node, tmp_path: Path) -> None:
    record = tmp_path / "record"
    node.settings = replace(node.settings, bandwidth_kb=9999)
    with wrapped(node, tmp_path, f'printf "%s\\n" "$@" >> {record}') as rsync:
        node.send(node.centre(rsync=rsync, limited=False))
        assert "--bwlimit" not in record.read_text()
        node.send(node.centre(rsync=rsync))
        assert "--bwlimit=9999\n" in record.read_text()
