"""What stands in the way of a send is said once, in words, with what to do; and nothing is left half done."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.rsyncd import Rsyncd
from tests.send.running import COMMAND, MINISEED, REAL_RSYNC, Done, Send, recorder

pytestmark = [pytest.mark.interop, pytest.mark.slow]


def assert_nothing_begun(send: Send, done: Done) -> None:
    assert done.stdout == ""
    assert send.logbook() == []
    assert send.states() == {}
    assert list(send.server.incoming.iterdir()) == []


# -- the server ----------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_said_once_and_not_tried_again(send: Send) -> None:
    send.put_some()
    send.configure("rsync", rsync_retries=3)
    send.configure("my resif node", my_node_password="wr0ng-geheim")
    calls = recorder(send)
    done = send.send(expect=1)
    assert_nothing_begun(send, done)
    assert send.server.log_text().count("auth failed") == 1
    assert "password" in done.stderr
    assert "wr0ng-geheim" not in done.said
    assert not [path for path in calls.iterdir() if b"wr0ng-geheim" in path.read_bytes().split(b"\0\0", 1)[0]]


def test_a_module_that_is_missing_is_named(send: Send, make_rsyncd: Callable[..., Rsyncd]) -> None:
    server = make_rsyncd(modules=["TRANSACTION_XML"])
    send.configure("rsync", rsync_port=server.port, rsync_retries=3)
    send.put_some()
    done = send.send(expect=1)
    assert_nothing_begun(send, done)
    assert "INCOMING_TEST" in done.stderr
    assert server.log_text().count("unknown module") == 1


def test_a_module_that_is_read_only_is_said(send: Send, make_rsyncd: Callable[..., Rsyncd]) -> None:
    server = make_rsyncd(lines=["read only = yes"])
    send.configure("rsync", rsync_port=server.port, rsync_retries=3)
    send.put_some()
    done = send.send(expect=1)
    assert done.stdout == ""
    assert send.logbook() == []
    assert "read only" in done.stderr


@pytest.mark.parametrize("option", [[], ["-t"]])
def test_a_server_that_is_gone_is_said_with_its_address(send: Send, option: list[str]) -> None:
    send.put_some()
    send.server.stop()
    done = send.send(*option, expect=1)
    assert_nothing_begun(send, done)
    assert f"{send.server.host}" in done.stderr
    assert str(send.server.port) in done.stderr


def test_a_server_that_is_back_after_a_while_gets_it_all(send: Send) -> None:
    """An attempt that failed is made again, after a pause."""
    send.put_some()
    send.server.stop()
    send.configure("rsync", rsync_retries=5)
    with send.starting() as process:
        assert process.stderr is not None
        assert "again" in process.stderr.readline()
        send.server.start()
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    send.assert_complete(stdout.strip())


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return a port where somebody listens who never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("option", [[], ["-t"]])
def test_a_silent_server_is_given_up_after_the_timeout(send: Send, silent_port: int, option: list[str]) -> None:
    send.put_some()
    send.configure("rsync", rsync_port=silent_port, rsync_timeout=1)
    done = send.send(*option, expect=1)
    assert_nothing_begun(send, done)
    assert str(silent_port) in done.stderr
    assert re.search(r"rsync timeout|timed? ?out|silent|answer", done.stderr)
    assert send.family() == []


def test_a_full_server_is_tried_again_later(send: Send, make_rsyncd: Callable[..., Rsyncd]) -> None:
    """Its limit of connections passes by itself."""
    server = make_rsyncd(max_connections=-1)  # which closes the module
    send.configure("rsync", rsync_port=server.port, rsync_retries=1)
    send.put_some()
    done = send.send(expect=1)
    assert "max connections" in done.stderr
    assert server.log_text().count("max connections") == 2


# -- limits --------------------------------------------------------------------------------------------------------


def book(send: Send, gb: float, days_ago: float, id_: str = "OLDX0001") -> None:
    date = (datetime.now(UTC) - timedelta(days=days_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    entry = {"date": date, "node": "TEST", "directory": "/x", "transactionID": id_, "size": gb, "datatype": MINISEED}
    send.book.write_text(json.dumps([*send.logbook(), entry]))


@pytest.mark.parametrize("option", [[], ["-t"]])
def test_the_weekly_limit_stops_a_send_with_all_three_figures(send: Send, option: list[str]) -> None:
    send.put("big", bytes(3 * 1024 * 1024))
    book(send, 1.25, 6.9)
    book(send, 0.5, 0.1, "OLDX0002")
    send.configure("limits", weekly_max_size=1.751)
    done = send.send(*option, expect=1)
    assert done.stdout == ""
    assert all(figure in done.stderr for figure in ("1.750", "0.003", "1.751"))
    assert "--ignore-limits" in done.stderr
    assert send.booked() == ["OLDX0001", "OLDX0002"]
    assert send.states() == {}
    assert send.server.received() == []


def test_what_was_sent_more_than_seven_days_ago_does_not_count(send: Send) -> None:
    send.put_some()
    book(send, 100, 7.1)
    id_ = send.send().id
    assert send.booked() == ["OLDX0001", id_]


@pytest.mark.parametrize("option", ["-i", "--ignore-limits"])
def test_limits_are_ignored_on_request(send: Send, option: str) -> None:
    send.put_some()
    book(send, 100, 1)
    send.configure("limits", datafile_max=1, datasize_max="0.0000001")
    send.assert_complete(send.send(option).id)


def test_too_many_files_for_a_transaction_are_refused(send: Send) -> None:
    send.put_some()
    send.configure("limits", datafile_max=2)
    done = send.send(expect=1)
    assert_nothing_begun(send, done)
    assert "datafile max" in done.stderr
    assert "3 files" in done.stderr
    send.configure("limits", datafile_max=3)
    send.assert_complete(send.send().id)


def test_a_directory_too_large_for_a_transaction_is_refused(send: Send) -> None:
    send.put("big", bytes(3 * 1024 * 1024))
    send.configure("limits", datasize_max=0.002)
    done = send.send(expect=1)
    assert_nothing_begun(send, done)
    assert "datasize max" in done.stderr
    assert "0.003" in done.stderr


# -- the directory -------------------------------------------------------------------------------------------------


def test_a_directory_that_is_missing_is_named(send: Send) -> None:
    done = send.run("-s", send.home / "missing", "-d", MINISEED, expect=1)
    assert str(send.home / "missing") in done.stderr
    assert_nothing_begun(send, done)


def test_a_file_is_no_directory(send: Send) -> None:
    done = send.run("-s", send.put("file", b"x"), "-d", MINISEED, expect=1)
    assert str(send.data / "file") in done.stderr
    assert_nothing_begun(send, done)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read_is_named(send: Send) -> None:
    send.put_some()
    send.put("secret", b"x").chmod(0)
    done = send.send(expect=1)
    assert "secret" in done.stderr
    assert_nothing_begun(send, done)


def test_a_file_that_is_written_to_during_the_send_is_not_completed(send: Send) -> None:
    """It may have arrived as a mixture of before and after; nobody may take it for the data."""
    send.put_some()
    grown = send.put("a", b"before")
    marker = send.home / "grown"
    send.program(
        "rsync",
        f"""{REAL_RSYNC} "$@"; code=$?
if [ ! -e {marker} ] && [ -n "$(find {send.server.incoming} -name a)" ]; then touch {marker}; echo more >> {grown}; fi
exit $code""",
    )
    done = send.send(expect=1)
    assert marker.exists()
    assert "a: has" in done.stderr
    assert list(send.states().values()) == ["sending"]
    assert send.logbook() == []
    assert not list(send.server.incoming.glob("*/*.xml"))
    id_ = send.send("--restart").id
    send.assert_complete(id_)
    assert sorted(send.states().values()) == ["abandoned", "sent"]


# -- the configuration ---------------------------------------------------------------------------------------------


def test_a_configuration_that_others_may_read_is_refused_with_the_remedy(send: Send) -> None:
    send.put_some()
    send.config.chmod(0o644)
    done = send.send(expect=1)
    assert_nothing_begun(send, done)
    assert f"chmod o-rwx {send.config}" in done.stderr
    send.config.chmod(0o640)
    send.assert_complete(send.send().id)


def test_an_unknown_node_is_refused_and_can_be_made_known(send: Send) -> None:
    send.put_some()
    send.configure("my resif node", my_node_name="NEWNODE")
    assert "NEWNODE" in send.send(expect=1).stderr
    send.configure("my resif node", other_node_names="NEWNODE")
    assert "INCOMING_NEWNODE" in send.send(expect=1).stderr, "the server does not know it"


def test_an_unknown_data_type_is_a_wrong_argument(send: Send) -> None:
    send.put_some()
    done = send.run("-s", send.data, "-d", "nonsense", expect=None)
    assert done.code in (1, 2)
    assert MINISEED in done.stderr
    assert_nothing_begun(send, done)


def test_an_rsync_that_is_too_old_is_refused_with_its_version(send: Send) -> None:
    send.put_some()
    send.program("rsync", 'if [ "$1" = --version ]; then echo "rsync  version 3.0.5  protocol version 30"; fi')
    done = send.send(expect=1)
    assert_nothing_begun(send, done)
    assert "3.0.5" in done.stderr
    assert "3.0.6" in done.stderr


def test_an_rsync_given_by_its_path_is_used(send: Send) -> None:
    send.put_some()
    send.program("rsync", "exit 99")
    send.configure("rsync", rsync_command_auto_find="no", rsync_command_full_path=REAL_RSYNC)
    send.assert_complete(send.send().id)


def test_a_du_that_counts_no_bytes_is_refused(send: Send) -> None:
    send.put_some()
    send.program("du", "echo usage: du >&2; exit 1")
    done = send.send(expect=1)
    assert_nothing_begun(send, done)
    assert "du" in done.stderr


@pytest.mark.parametrize(
    "words",
    [["-s", "x"], ["-d", MINISEED], ["-s", "x", "-d", MINISEED, "-l"], ["-l", "-r", "ABCD1234"], ["--nonsense"]],
    ids=" ".join,
)
def test_wrong_arguments_end_with_2(send: Send, words: list[str]) -> None:
    done = send.run(*words, expect=2)
    assert done.stdout == ""
    assert done.stderr


def test_no_arguments_hint_at_the_help(send: Send) -> None:
    with send.spawn(COMMAND) as process:
        stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (2, "")
    assert "-h" in stderr


def test_a_disk_that_cannot_take_the_memory_of_a_send_stops_it_before_the_first_byte(
    send: Send, make_disk: Callable[[str], Path]
) -> None:
    """Nothing is sent that could not be resumed."""
    disk = make_disk("64k")
    send.configure("logging", logbook=disk / "logbook.json")
    for number in range(500):
        send.put(f"{number}{'x' * 200}", b"x")
    done = send.send(expect=1)
    assert done.stdout == ""
    assert str(disk) in done.stderr
    assert send.server.received() == []
