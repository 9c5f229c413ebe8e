"""What became of it: the logbook, and the status that the data centre gives, which is not to be trusted."""

from __future__ import annotations

import json
import re
from xml.sax.saxutils import escape

import pytest

from tests.send.running import COMMAND, DATALESS, MINISEED, Send, await_true, finish

pytestmark = [pytest.mark.interop, pytest.mark.slow]

FIELDS = ["date", "node", "directory", "transactionID", "size", "datatype"]


def status_xml(id_: str, status: int, *processes: str) -> str:
    return (
        f'<?xml version="1.0"?>\n<transaction id="{id_}" status="{status}" resifnode="TEST" datatype="{MINISEED}">'
        "<comment>all said</comment><datecreated>2026-11-21T08:00:00Z</datecreated>"
        '<lastupdated>2026-11-21T09:00:00Z</lastupdated><clientsize unit="gb">0.0001</clientsize>'
        f"<filelist><relativepath>FR.A.mseed</relativepath></filelist>{''.join(processes)}</transaction>"
    )


def process(id_: str, returncode: int, *rejected: str) -> str:
    paths = "".join(f"<relativepath>{escape(path)}</relativepath>" for path in rejected)
    return (
        f'<process id="{id_}" rank="1" returncode="{returncode}"><comment>looked at</comment>'
        f"<rejectedfiles>{paths}</rejectedfiles></process>"
    )


def answer(send: Send, id_: str, status: int, *processes: str) -> str:
    text = status_xml(id_, status, *processes)
    (send.server.statuses / f"{id_}.xml").write_text(text)
    return text


# -- the logbook ------------------------------------------------------------------------------------------------------


def test_the_logbook_is_one_line_a_transfer_with_tabs_between(send: Send) -> None:
    send.put_some()
    first = send.send().id
    send.put("more", bytes(5_368_709))
    second = send.send("-d", DATALESS).id
    lines = [line.split("\t") for line in send.run("-l").stdout.splitlines()]
    assert [line[0] for line in lines] == [first, second]
    assert [line[1] for line in lines] == [entry["date"] for entry in send.logbook()]
    assert [line[2:4] for line in lines] == [["TEST", MINISEED], ["TEST", DATALESS]]
    assert [line[4].rstrip("/") for line in lines] == [str(send.data)] * 2
    assert [line[5] for line in lines] == ["0.000", "0.005"]


def test_an_empty_logbook_is_said(send: Send) -> None:
    done = send.run("-l")
    assert done.stdout == ""
    assert done.stderr


def old_entries() -> list[dict[str, object]]:
    """Return what another program has written: keys in another order, one that is not ours, dates of long ago."""
    values = ["2014-05-07T10:00:00Z", "TEST", "/data/2014", "ABCD1234", 12.5, MINISEED]
    first = dict(zip(FIELDS, values, strict=True)) | {"operator": "Zoé"}
    return [first, {**dict(reversed(list(first.items()))), "transactionID": "EFGH5678"}]


def test_an_existing_logbook_is_read_and_what_is_not_ours_is_kept(send: Send) -> None:
    send.put_some()
    send.book.write_text(json.dumps(old_entries()))
    id_ = send.send().id
    assert send.logbook()[:2] == old_entries()
    assert send.booked() == ["ABCD1234", "EFGH5678", id_]
    line = send.run("-l").stdout.splitlines()[0]
    assert line == f"ABCD1234\t2014-05-07T10:00:00Z\tTEST\t{MINISEED}\t/data/2014\t12.500"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_output_without_the_characters_of_a_name_shows_them_escaped(send: Send, encoding: str) -> None:
    """The encoding of a crontab or of an old terminal is no reason to say nothing."""
    send.data = send.data / "z\u0142oty"
    send.put_some()
    id_ = send.send().id
    answer(send, id_, 4, process("p", 0, "z\u0142oty"))
    send.put("more")
    environment = send.environment() | {"PYTHONIOENCODING": encoding}
    sending = ["-s", f"{send.data}/", "-d", MINISEED, "-t"]
    for words in (["-l"], ["--status", id_], ["--pending"], sending):
        done = finish(send.popen(*words, env=environment))
        assert done.code in (0, 75), (words, done.stderr)
        assert "z\\u0142oty" in done.stdout, words


DAMAGED = '[{"date": "2014-05-07T10:00:00Z", "node": "TEST",\n "directory": "/x", "transactionID": "ABCD1234", "size"'


@pytest.mark.parametrize("words", ["-l", "-s", "--resume", "--pending"])
def test_a_damaged_logbook_is_named_with_the_line_and_never_touched(send: Send, words: str) -> None:
    send.put_some()
    send.book.write_text(DAMAGED)
    arguments = {"-s": ["-s", f"{send.data}/", "-d", MINISEED], "--resume": ["--resume", "ABCD1234"]}.get(
        words, [words]
    )
    done = send.run(*arguments, expect=1)
    assert done.stdout == ""
    assert send.book.read_text() == DAMAGED
    assert send.server.received() == []
    if words != "--resume":
        assert str(send.book) in done.stderr
        assert "line 2" in done.stderr
        assert "--repair" in done.stderr


def test_repair_moves_the_damaged_one_aside_and_keeps_what_can_be_read(send: Send) -> None:
    good = json.dumps(old_entries())
    send.book.write_text(good[:-30])
    before = set(send.home.iterdir())
    done = send.run("--repair")
    assert send.booked() == ["ABCD1234"]
    (aside,) = (path for path in set(send.home.iterdir()) - before if "damaged" in path.name)
    assert aside.read_text() == good[:-30]
    assert str(aside) in done.said
    send.put_some()
    id_ = send.send().id
    assert send.booked() == ["ABCD1234", id_]


def test_repair_of_a_good_logbook_changes_nothing(send: Send) -> None:
    text = json.dumps(old_entries())
    send.book.write_text(text)
    done = send.run("--repair")
    assert send.book.read_text() == text
    assert done.stderr


def test_the_logbook_can_be_read_while_a_send_runs(send: Send) -> None:
    send.book.write_text(json.dumps(old_entries()))
    with send.half_way() as process:
        assert len(send.run("-l").stdout.splitlines()) == 2
        assert process.poll() is None


# -- status -----------------------------------------------------------------------------------------------------------


def test_retrieve_prints_the_xml_as_it_is(send: Send) -> None:
    text = answer(send, "ABCD1234", 4)
    for option in ("-r", "--retrieve-logs"):
        assert send.run(option, "ABCD1234").stdout == text


def test_retrieve_of_what_is_not_there_fails_and_names_it(send: Send) -> None:
    done = send.run("-r", "ABCD1234", expect=1)
    assert done.stdout == ""
    assert "ABCD1234" in done.stderr


@pytest.mark.parametrize("id_", ["../ABCD1234", "*", "a b", "", "ABCDEFGHIJKLMNOPQ", "-rf", "x\ny"])
def test_what_is_no_identifier_is_refused_before_the_server_is_asked(send: Send, id_: str) -> None:
    for option in ("--retrieve-logs", "--status", "--resume"):
        done = send.run(f"{option}={id_}", expect=None)
        assert done.code in (1, 2)
        assert done.stdout == ""
        assert done.stderr
    assert "rsync on" not in send.server.log_text()


VERDICTS = {
    "sent": ((0,), 75, "unfinished"),
    "received": ((4,), 75, "unfinished"),
    "clean": ((8, process("p", 0)), 0, "clean"),
    "warning": ((8, process("p", 1)), 0, "clean"),
    "rejected": ((8, process("p", 1, "FR.A.mseed", "b & c")), 1, "rejected"),
    "failed": ((8, process("p", 128)), 1, "rejected"),
    "fatal": ((128,), 1, "fatal"),
    "unheard-of": ((99,), 75, "unfinished"),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_the_exit_code_tells_the_verdict(send: Send, case: str) -> None:
    arguments, code, verdict = VERDICTS[case]
    answer(send, "ABCD1234", *arguments)
    table = send.run("--status", "ABCD1234", expect=code)
    assert "ABCD1234" in table.stdout
    data = json.loads(send.run("--status", "ABCD1234", "--json", expect=code).stdout)
    assert (data["id"], data["verdict"]) == ("ABCD1234", verdict)


def test_each_rejected_file_is_named(send: Send) -> None:
    answer(send, "ABCD1234", 8, process("check", 1, "FR.A.mseed", "b & c"), process("store", 0))
    lines = [line.strip() for line in send.run("--status", "ABCD1234", expect=1).stdout.splitlines()]
    assert "FR.A.mseed" in lines
    assert "b & c" in lines


def test_a_transaction_without_a_status_yet_is_not_finished(send: Send) -> None:
    send.put_some()
    id_ = send.send().id
    done = send.run("--status", id_, expect=75)
    assert id_ in done.stdout


def test_a_transaction_nobody_knows_is_an_error(send: Send) -> None:
    done = send.run("--status", "ABCD1234", expect=1)
    assert done.stdout == ""
    assert "ABCD1234" in done.stderr


def test_status_files_may_be_in_another_module(send: Send) -> None:
    answer(send, "ABCD1234", 8, process("p", 0))
    (send.server.statuses / "ABCD1234.xml").rename(send.server.incoming / "ABCD1234.xml")
    send.run("--status", "ABCD1234", expect=1)
    send.configure("rsync", rsync_status_module="INCOMING_TEST")
    assert "finished clean" in send.run("--status", "ABCD1234").stdout


def test_waiting_ends_with_the_verdict(send: Send) -> None:
    answer(send, "ABCD1234", 4)
    with send.start("--status", "ABCD1234", "--wait", "60") as running:
        await_true(lambda: "TRANSACTION_XML" in send.server.log_text())
        answer(send, "ABCD1234", 8, process("p", 0))
        done = finish(running)
    assert done.code == 0
    assert "finished clean" in done.stdout


def test_waiting_has_an_end(send: Send) -> None:
    answer(send, "ABCD1234", 4)
    assert "being analysed" in send.run("--status", "ABCD1234", "--wait", "1", expect=75).stdout


def test_pending_asks_for_all_that_is_unfinished_at_once(send: Send) -> None:
    ids = []
    for number in range(4):
        send.put("file", bytes(number + 1))
        ids.append(send.send().id)
    answer(send, ids[0], 8, process("p", 0))
    answer(send, ids[1], 8, process("p", 1, "file"))
    answer(send, ids[2], 4)
    logins = send.server.log_text().count("rsync on TRANSACTION_XML")
    done = send.run("--pending", expect=1)
    assert send.server.log_text().count("rsync on TRANSACTION_XML") == logins + 1
    words = {line.split("\t")[0]: line for line in done.stdout.splitlines()}
    assert list(words) == ids
    assert "clean" in words[ids[0]]
    assert "rejected" in words[ids[1]]
    assert "being analysed" in words[ids[2]]
    later = send.run("--pending", expect=75)
    assert [line.split("\t")[0] for line in later.stdout.splitlines()] == ids[2:], "what is finished is not asked again"


def test_old_entries_of_another_program_are_pending_only_while_there_is_a_status(send: Send) -> None:
    """A logbook goes back for years, and the data centre does not: nobody can wait for what it has forgotten."""
    entry = {"node": "TEST", "directory": "/data/x", "size": 0.5, "datatype": MINISEED}
    dates = {"AAAA0001": "2013-06-24T09:00:00Z", "AAAA0002": "2013-06-25T09:00:00Z", "AAAA0003": "2099-01-01T00:00:00Z"}
    send.book.write_text(json.dumps([{"transactionID": id_, "date": date, **entry} for id_, date in dates.items()]))
    answer(send, "AAAA0002", 8, process("p", 0))
    done = send.run("--pending", expect=75)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["AAAA0002", "AAAA0003"]
    assert done.stderr == "", "cron would mail it every time"
    assert [line.split("\t")[0] for line in send.run("--pending", expect=75).stdout.splitlines()] == ["AAAA0003"]


def test_on_a_terminal_it_is_said_that_old_entries_are_left_out(send: Send) -> None:
    values = ("2013-06-24T09:00:00Z", "TEST", "/data/x", "AAAA0001", 0.5, MINISEED)
    send.book.write_text(json.dumps([dict(zip(FIELDS, values, strict=True))]))
    assert "left out: 1 old entry" in send.on_terminal("--pending")


def test_what_was_given_up_is_not_waited_for(send: Send) -> None:
    """The data centre never gets it, so without a status there will be none. With one, that is told."""
    with send.half_way() as process:
        process.kill()
        process.wait()
    (id_,) = send.states()
    send.configure("limits", bandwidth_max="")
    send.send("--restart")
    done = send.run("--status", id_, "--wait", "1 d", expect=1)
    assert f"{id_} of {send.data}/ was given up by --restart" in done.stderr
    assert done.stdout == ""
    answer(send, id_, 8)
    assert id_ in send.run("--status", id_).stdout


def test_what_is_damaged_here_is_told_where_the_unfinished_is_asked_for(send: Send) -> None:
    """It may be unfinished, so nobody may say that nothing is."""
    send.transactions.mkdir()
    path = send.transactions / "ABCD1234.json"
    path.write_text("{")
    for word in ("--pending", "--resume"):
        done = send.run(word, expect=1)
        assert f"{path} is damaged" in done.stderr
        assert "ABCD1234.json is damaged" in done.log


def test_nothing_pending_is_a_success(send: Send) -> None:
    assert send.run("--pending").stdout == ""


def test_a_sender_of_a_finished_transaction_can_send_the_directory_again(send: Send) -> None:
    send.put_some()
    id_ = send.send().id
    answer(send, id_, 8, process("p", 0))
    send.run("--status", id_)
    assert send.states() == {id_: "finished"}
    assert send.send().id == id_
    assert send.send("--restart").id != id_


# -- hostile answers --------------------------------------------------------------------------------------------------

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "entity bomb": f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]><transaction id="ABCD1234">&l9;</transaction>',
    "file of ours": '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><transaction id="A">&f;</transaction>',
    "no xml": "\x00\x01\x02 nonsense",
    "nothing": "",
    "cut off": status_xml("ABCD1234", 8)[:-20],
    "other document": "<html><body>It works!</body></html>",
    "deep": "<transaction>" + "<a>" * 100_000,
    "strange encoding": '<?xml version="1.0" encoding="utf-7"?><transaction id="ABCD1234" status="8"/>',
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("words", [["-r", "ABCD1234"], ["--status", "ABCD1234"], ["--status", "ABCD1234", "--json"]])
def test_hostile_xml_is_refused(send: Send, case: str, words: list[str]) -> None:
    (send.server.statuses / "ABCD1234.xml").write_text(HOSTILE[case])
    done = send.run(*words, expect=1)
    assert done.stdout == ""
    assert done.stderr
    assert "root:x:0" not in done.said


def test_a_status_of_gigabytes_is_not_fetched(send: Send) -> None:
    with (send.server.statuses / "ABCD1234.xml").open("wb") as file:
        file.truncate(20 * 1024**3)
    done = send.run("--status", "ABCD1234", expect=1)
    assert done.stdout == ""
    assert list(send.work.iterdir()) == []
    sent = [int(count) for count in re.findall(r"\bsent (\d+) bytes", send.server.log_text())]
    assert sent
    assert max(sent) < 10_000


def test_a_status_that_is_no_file_is_not_followed(send: Send) -> None:
    """A link or a directory of that name could make a program read or write elsewhere."""
    (send.server.statuses / "ABCD1234.xml").symlink_to("/etc/hostname")
    (send.server.statuses / "EFGH5678.xml").mkdir()
    for id_ in ("ABCD1234", "EFGH5678"):
        done = send.run("-r", id_, expect=1)
        assert done.stdout == ""


def test_a_status_of_another_transaction_is_not_taken_for_this_one(send: Send) -> None:
    send.put_some()
    id_ = send.send().id
    (send.server.statuses / f"{id_}.xml").write_text(status_xml("OTHR9999", 8, process("p", 0)))
    done = send.run("--status", id_, expect=None)
    assert done.code != 0
    assert send.states() == {id_: "sent"}


def test_control_characters_of_a_status_do_not_reach_the_terminal(send: Send) -> None:
    evil = "a&#x9b;31m&#x85;b\u202e&#10;\u2028transaction   FAKE0001"
    answer(send, "ABCD1234", 8, process(evil, 1, "x"), f"<process id='q'><comment>{evil}</comment></process>")
    done = send.run("--status", "ABCD1234", expect=1)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", done.said)
    assert not re.search("^transaction +FAKE", done.stdout, re.MULTILINE)


# -- ResifDataTransferTransaction -------------------------------------------------------------------------------------


def test_what_was_retrieved_can_be_asked_option_by_option(send: Send) -> None:
    """As scripts do: `ResifDataTransfer -r ID | ResifDataTransferTransaction --print-status`."""
    answer(send, "ABCD1234", 8, process("p", 1, "z", "a b"))
    xml = send.run("-r", "ABCD1234").stdout
    asked = {
        ("--print-transaction-id",): "ABCD1234",
        ("--print-status",): "8",
        ("--print-datatype",): MINISEED,
        ("--print-filelist",): "FR.A.mseed",
        ("--print-process-returncode", "p"): "1",
        ("--print-process-rejectedfiles", "p"): "a b\nz",
    }
    for words, expected in asked.items():
        done = send.print_of(xml, *words)
        assert (done.code, done.stdout.rstrip("\n")) == (0, expected), words


def test_a_reader_that_goes_away_ends_the_command_quietly(send: Send) -> None:
    answer(send, "ABCD1234", 8, *(process(f"p{number}", 1, *map(str, range(2000))) for number in range(20)))
    with send.popen("--status", "ABCD1234") as asking:
        assert asking.stdout is not None
        asking.stdout.readline()
        asking.stdout.close()
        asking.wait()
        assert asking.stderr is not None
        assert asking.stderr.read() == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [("directory", "./2013/data/"), ("directory", None), ("directory", "nul\0"), ("size", "1,5"), ("size", -1)],
    ids=["relative", "no directory", "NUL", "no number", "negative"],
)
def test_the_end_of_an_odd_old_entry_is_remembered(send: Send, key: str, value: object) -> None:
    """Old logbooks hold what was typed. What is remembered of such an entry can be read again."""
    values = ("2026-11-20T08:00:00Z", "TEST", "/data/old", "OLDX0001", 1.0, MINISEED)
    send.book.write_text(json.dumps([dict(zip(FIELDS, values, strict=True)) | {key: value}]))
    answer(send, "OLDX0001", 8)
    assert "OLDX0001" in send.run("--pending").stdout
    assert (send.run("--pending").stdout, send.states()) == ("", {"OLDX0001": "finished"})
    assert send.run("--status", "OLDX0001").stdout
    send.put_some()
    assert "damaged" not in send.send("-t").stderr


def test_the_end_of_an_old_entry_does_not_make_its_directory_forgotten(send: Send) -> None:
    """What was sent of it since then is still known, and not sent twice."""
    values = ("2026-11-20T08:00:00Z", "TEST", f"{send.data}/", "OLDX0001", 0.1, MINISEED)
    send.book.write_text(json.dumps([dict(zip(FIELDS, values, strict=True))]))
    send.put_some()
    first = send.send().id
    answer(send, "OLDX0001", 8)
    send.run("--status", "OLDX0001")
    assert send.states() == {"OLDX0001": "finished", first: "sent"}
    assert send.send().id == first


def test_the_status_of_what_is_damaged_here_is_told(send: Send) -> None:
    """The damaged file is left for its owner to look at."""
    send.put_some()
    id_ = send.send().id
    path = send.transactions / f"{id_}.json"
    path.write_text("{")
    answer(send, id_, 8)
    assert id_ in send.run("--status", id_).stdout
    assert path.read_text() == "{"


@pytest.mark.parametrize("word", ["-v", "-l", "--pending", "-s"])
def test_a_closed_output_is_an_error_before_anything_is_done(send: Send, word: str) -> None:
    """The id of what is sent would be lost."""
    send.put_some()
    words = [word, *([f"{send.data}/", "-d", MINISEED] if word == "-s" else [])]
    process = send.spawn(["/bin/bash", "-c", 'exec "$@" >&-', "bash", *COMMAND, "-c", str(send.config), *words])
    done = finish(process)
    assert (done.code, done.stderr.count("\n"), send.booked()) == (1, 1, [])
    assert "standard output is closed" in done.stderr
