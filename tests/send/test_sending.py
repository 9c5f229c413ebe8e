"""A directory is sent, complete, once, under one identifier: the real command and a real rsync daemon."""

from __future__ import annotations

import os
import random
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.send.running import DATALESS, ID, MINISEED, Send, contents, recorder

pytestmark = [pytest.mark.interop, pytest.mark.slow]


def test_the_content_lies_below_the_id_and_stdout_has_only_the_id(send: Send) -> None:
    send.put_some()
    done = send.send()
    send.assert_complete(done.id)
    assert send.states() == {done.id: "sent"}


def test_without_a_slash_the_directory_itself_lies_below_the_id(send: Send) -> None:
    send.put_some()
    done = send.send(content=False)
    send.assert_complete(done.id, "data/")


@pytest.mark.parametrize("spelling", [".", "./", "../data/.", "../data/./"])
def test_a_directory_that_is_spelt_with_dots_sends_its_content(send: Send, spelling: str) -> None:
    """So rsync has it."""
    send.put_some()
    with send.popen("-s", spelling, "-d", MINISEED, cwd=send.data) as process:
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    send.assert_complete(stdout.strip())


def test_an_entry_of_the_logbook_says_what_was_sent(send: Send) -> None:
    send.put_some()
    before = datetime.now(UTC).replace(microsecond=0)
    done = send.send()
    (entry,) = send.logbook()
    measured = subprocess.run(["du", "--bytes", "--summarize", send.data], check=True, capture_output=True, text=True)
    assert set(entry) == {"date", "node", "directory", "transactionID", "size", "datatype"}
    assert before <= datetime.strptime(entry["date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) <= datetime.now(UTC)
    assert (entry["node"], entry["transactionID"], entry["datatype"]) == ("TEST", done.id, MINISEED)
    assert entry["directory"].rstrip("/") == str(send.data)
    assert entry["size"] == pytest.approx(int(measured.stdout.split()[0]) / 1024**3, abs=1e-9)


def test_the_xml_names_every_file_and_says_that_it_waits(send: Send) -> None:
    send.put_some()
    id_ = send.send("-d", DATALESS).id
    path = send.server.incoming / id_ / f"{id_}.xml"
    root = ElementTree.parse(path).getroot()
    assert root.tag == "transaction"
    assert root.attrib == {"id": id_, "status": "0", "resifnode": "TEST", "datatype": DATALESS}
    assert root.findtext("comment") == "data sent to datacentre by client-side application, waiting for processing."
    for date in ("datecreated", "lastupdated"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", root.findtext(date) or "")
    size = root.find("clientsize")
    assert size is not None
    assert (size.get("unit"), size.text) == ("gb", "0.0000")
    listed = [entry.text for entry in root.findall("filelist/relativepath")]
    assert listed == ["2026/day one/FR.C.mseed", "FR.A.mseed", "FR.B.mseed"]
    assert root.findall("process") == []


def test_the_xml_of_a_directory_that_goes_itself_names_files_as_they_lie_below_the_id(send: Send) -> None:
    send.put_some()
    id_ = send.send(content=False).id
    root = ElementTree.parse(send.server.incoming / id_ / f"{id_}.xml").getroot()
    listed = [entry.text for entry in root.findall("filelist/relativepath")]
    assert listed
    assert all(path and (send.server.incoming / id_ / path).is_file() for path in listed)


def test_the_xml_comes_last(send: Send) -> None:
    """Its presence tells the data centre that all is there."""
    send.put_some()
    id_ = send.send().id
    paths = [file.path for file in send.server.received()]
    assert paths[-1] == f"{id_}/{id_}.xml"
    assert sorted(paths[:-1]) == [f"{id_}/{name}" for name in ("2026/day one/FR.C.mseed", "FR.A.mseed", "FR.B.mseed")]


def test_the_long_options_do_the_same(send: Send) -> None:
    send.put_some()
    send.assert_complete(send.run("--send", f"{send.data}/", "--data-type", MINISEED).id)


def test_a_directory_that_has_not_changed_is_not_sent_again(send: Send) -> None:
    """The known identifier is printed, as a script may ask for it again."""
    send.put_some()
    first = send.send()
    received = send.server.received()
    again = send.send()
    assert again.id == first.id
    assert send.server.received() == received
    assert send.booked() == [first.id]
    assert "--restart" in again.stderr


def test_a_directory_that_has_changed_is_sent_under_a_new_id(send: Send) -> None:
    send.put_some()
    first = send.send().id
    send.put("FR.D.mseed", b"later")
    second = send.send().id
    assert send.booked() == [first, second]
    send.assert_complete(second)


def test_restart_sends_an_unchanged_directory_again(send: Send) -> None:
    send.put_some()
    first = send.send().id
    second = send.send("--restart").id
    assert first != second
    send.assert_complete(second)
    assert send.booked() == [first, second]


def test_another_data_type_is_another_transaction(send: Send) -> None:
    send.put_some()
    first = send.send().id
    second = send.run("-s", f"{send.data}/", "-d", DATALESS).id
    assert send.booked() == [first, second]


def test_a_write_only_module_is_enough(send: Send, make_rsyncd: object) -> None:
    """Data centres do not let nodes read what others have put there."""
    server = make_rsyncd(write_only=True)  # type: ignore[operator]
    send.server = server
    send.configure("rsync", rsync_port=server.port)
    send.put_some()
    send.assert_complete(send.send(content=False).id, "data/")


def test_the_password_is_in_the_environment_of_rsync_and_nowhere_else(send: Send) -> None:
    secret = send.server.password
    calls = recorder(send)
    environments = send.home / "du.environment"
    send.program("du", f'cat /proc/$$/environ > {environments}\nexec /usr/bin/du "$@"')
    send.put_some()
    done = send.send("-b")
    seen = [path.read_bytes().split(b"\0\0", 1) for path in calls.iterdir()]
    assert any(f"RSYNC_PASSWORD={secret}".encode() in environment for _, environment in seen)
    assert not [argv for argv, _ in seen if secret.encode() in argv]
    assert secret.encode() not in environments.read_bytes()
    assert secret not in done.said
    kept = [path for path in send.home.rglob("*") if path.is_file() and calls not in path.parents]
    assert [path for path in kept if secret.encode() in path.read_bytes()] == [send.config]


def test_rsync_is_called_as_the_configuration_says(send: Send) -> None:
    calls = recorder(send)
    send.put_some()
    send.configure("limits", bandwidth_max=5000)
    send.configure("rsync", rsync_compress="yes", rsync_timeout=7, rsync_extra_args="--exclude=*.tmp --no-owner")
    send.put("left.tmp", b"x")
    done = send.send()
    argvs = [path.read_bytes().split(b"\0\0", 1)[0].split(b"\0") for path in calls.iterdir()]
    pushes = [argv for argv in argvs if b"--partial" in argv and b"--dry-run" not in argv]
    assert pushes
    for argv in pushes:
        assert {b"--times", b"--one-file-system", b"--exclude=lost+found", b"--compress"} <= set(argv)
        assert {b"--timeout=7", b"--bwlimit=5000", b"--exclude=*.tmp", b"--no-owner"} <= set(argv)
        assert not [word for word in argv if b"INCOMING_TEST" in word and b"rsync://test@" not in word]
    assert not (send.server.incoming / done.id / "left.tmp").exists()
    assert b"left.tmp" not in (send.server.incoming / done.id / f"{done.id}.xml").read_bytes()
    assert "left.tmp" in done.stderr


def test_the_bandwidth_is_not_limited_when_limits_are_ignored(send: Send) -> None:
    calls = recorder(send)
    send.put_some()
    send.configure("limits", bandwidth_max=5000)
    send.send("-i")
    assert not [path for path in calls.iterdir() if b"--bwlimit" in path.read_bytes()]


def test_nothing_is_left_in_the_working_directory(send: Send) -> None:
    send.put_some()
    send.send()
    assert list(send.work.iterdir()) == []


# -- what is in a directory ----------------------------------------------------------------------------------------

ODD_NAMES = [
    b"with blank.mseed",
    b" leading and trailing ",
    b"quote'quote\"`$HOME`",
    b"new\nline",
    b"tab\tand\\backslash\\#012",
    b"-rf",
    b"--delete",
    b"#comment",
    b";semicolon",
    b"*?[a-z]",
    b"!bang and & and < and > and ]]>",
    b"\xff\xfe not utf-8 \xe9",
    b"\x01\x1b[31m\x7f control",
    "Ünïcödé 地震".encode(),
    b"\xed\xa0\x80 surrogate",
    b"\xef\xbf\xbe noncharacter",
    b"x" * 255,
    b"deep/" * 40 + b"file",
    b"dir with\nnewline/and\ttab/\xff",
]


POSSIBLE = re.compile(r"[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")  # Source: XML 1.0, 2.2, Char


def put_odd(send: Send) -> list[str]:
    names = [os.fsdecode(name) for name in ODD_NAMES]
    for number, name in enumerate(names):
        send.put(name, name.encode(errors="surrogateescape") * number)
    return names


def test_odd_names_arrive_as_they_are(send: Send) -> None:
    put_odd(send)
    done = send.send()
    send.assert_complete(done.id)


def test_odd_names_are_listed_in_valid_xml_one_by_one(send: Send) -> None:
    """What XML cannot hold is escaped and marked, and the command says so; all others are listed as they are."""
    names = put_odd(send)
    done = send.send()
    data = (send.server.incoming / done.id / f"{done.id}.xml").read_bytes()
    listed = ElementTree.fromstring(data).findall("filelist/relativepath")
    assert {entry.text for entry in listed if not entry.attrib} == {name for name in names if POSSIBLE.fullmatch(name)}
    impossible = [name for name in names if not POSSIBLE.fullmatch(name)]
    marked = [entry.text for entry in listed if entry.attrib == {"escaped": "yes"}]
    assert len(set(marked)) == len(marked) == len(impossible) == len(listed) - len(names) + len(impossible)
    assert done.stderr.count("XML cannot hold") == len(impossible)


def test_control_characters_of_a_name_do_not_reach_the_terminal(send: Send) -> None:
    put_odd(send)
    os.mkfifo(send.data / "\x1b[2J fifo")
    done = send.send()
    assert "fifo" in done.stderr
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", done.said)


def test_the_logbook_holds_a_directory_of_any_name(send: Send) -> None:
    odd = send.home / os.fsdecode(b"a\tb\n\xff \"'")
    odd.mkdir()
    (odd / "file").write_bytes(b"x")
    done = send.run("-s", f"{odd}/", "-d", MINISEED)
    assert send.logbook()[0]["directory"].rstrip("/") == str(odd)
    listed = send.run("-l")
    assert len(listed.stdout.splitlines()) == 1
    assert listed.stdout.count("\t") == 5
    assert listed.stdout.startswith(done.id + "\t")


def test_a_directory_whose_own_name_is_odd_goes_itself(send: Send) -> None:
    odd = send.home / os.fsdecode(b"-a*b \n\xff'")
    odd.mkdir()
    (odd / "file").write_bytes(b"x")
    done = send.run("--send", str(odd), "-d", MINISEED)
    assert (send.server.incoming / done.id / odd.name / "file").read_bytes() == b"x"


def test_empty_files_and_empty_directories_arrive(send: Send) -> None:
    send.put("empty", b"")
    send.put("full", b"x")
    (send.data / "nothing" / "in it").mkdir(parents=True)
    send.assert_complete(send.send().id)


def test_hard_links_arrive_each_as_a_file(send: Send) -> None:
    first = send.put("first", b"the same")
    os.link(first, send.data / "second")
    id_ = send.send().id
    send.assert_complete(id_)
    assert set(contents(send.server.incoming / id_)) == {"first", "second", f"{id_}.xml"}


def test_what_is_no_file_is_left_out_and_named(send: Send) -> None:
    send.put_some()
    os.mkfifo(send.data / "a pipe")
    (send.data / "a link").symlink_to("FR.A.mseed")
    (send.data / "dangling").symlink_to("nowhere")
    (send.data / "to a directory").symlink_to("2026")
    done = send.send()
    assert all(name in done.stderr for name in ("a pipe", "a link", "dangling", "to a directory"))
    paths = set(contents(send.server.incoming / done.id))
    assert paths == {"FR.A.mseed", "FR.B.mseed", "2026/day one/FR.C.mseed", f"{done.id}.xml"}


def test_lost_and_found_is_left_out(send: Send) -> None:
    send.put_some()
    send.put("lost+found/#123", b"x")
    id_ = send.send().id
    assert not (send.server.incoming / id_ / "lost+found").exists()
    assert b"lost+found" not in (send.server.incoming / id_ / f"{id_}.xml").read_bytes()


def test_another_file_system_below_the_directory_is_left_out_and_named(send: Send, make_disk: object) -> None:
    send.put_some()
    disk: Path = make_disk("300k")  # type: ignore[operator]
    (send.data / "mounted").mkdir()
    subprocess.run(["mount", "--bind", disk, send.data / "mounted"], check=True)
    try:
        (send.data / "mounted" / "file").write_bytes(b"x")
        done = send.send()
    finally:
        subprocess.run(["umount", "--lazy", send.data / "mounted"], check=True)
    assert "mounted" in done.stderr
    assert not (send.server.incoming / done.id / "mounted" / "file").exists()


def test_a_directory_without_files_is_refused(send: Send) -> None:
    (send.data / "empty").mkdir()
    done = send.send(expect=1)
    assert str(send.data) in done.stderr
    assert done.stdout == ""
    assert list(send.server.incoming.iterdir()) == []


def test_a_link_to_a_directory_sends_what_it_points_to(send: Send) -> None:
    send.put_some()
    link = send.home / "link"
    link.symlink_to(send.data)
    send.assert_complete(send.run("-s", f"{link}/", "-d", MINISEED).id)


@pytest.mark.slow
def test_ten_thousand_files_arrive_and_are_listed(send: Send) -> None:
    source = random.Random(3)
    for number in range(10_000):
        send.put(f"{number % 100:02}/FR.{number:05}.mseed", source.randbytes(number % 50))
    done = send.send()
    send.assert_complete(done.id)
    data = (send.server.incoming / done.id / f"{done.id}.xml").read_bytes()
    assert len(ElementTree.fromstring(data).findall("filelist/relativepath")) == 10_000
    received = len(send.server.received())
    assert send.send().id == done.id
    assert len(send.server.received()) == received


def test_the_id_has_four_capitals_and_four_digits(send: Send) -> None:
    send.put_some()
    assert ID.fullmatch(send.send().id)


# -- a test run ----------------------------------------------------------------------------------------------------


def test_a_test_run_says_what_would_go_and_changes_nothing(send: Send) -> None:
    send.put_some()
    send.configure("limits", weekly_max_size=2)
    done = send.send("-t")
    assert not ID.search(done.stdout)
    assert "files: 3\n" in done.stdout
    assert "bytes: 9003 " in done.stdout
    assert re.search(r"weekly limit: .* of 2 GB \(0\.0 %\)", done.stdout)
    assert list(send.server.incoming.iterdir()) == []
    assert send.server.received() == []
    assert send.logbook() == []
    assert send.states() == {}


def test_a_test_run_after_an_unchanged_send_says_that_nothing_would_go(send: Send) -> None:
    send.put_some()
    id_ = send.send().id
    done = send.send("-t")
    assert id_ in done.said
    assert send.booked() == [id_]


@pytest.mark.parametrize("what", ["password", "module", "server", "limit", "directory"])
def test_a_test_run_fails_where_a_send_would(send: Send, what: str) -> None:
    send.put_some()
    match what:
        case "password":
            send.configure("my resif node", my_node_password="wrong")
        case "module":
            send.configure("my resif node", my_node_name="RAP")
        case "server":
            send.server.stop()
        case "limit":
            send.configure("limits", weekly_max_size="0.000001")
        case "directory":
            send.data = send.home / "missing"
    done = send.send("-t", expect=1)
    assert done.stderr
    assert send.states() == {}
