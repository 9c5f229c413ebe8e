"""A listing may say anything, in any amount: what can be taken arrives, nothing leaves the sync directory."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psutil
import pytest

from ftpretrieve.errors import RemoteUnavailable, SessionExpired
from tests.faultserver import Conversation, FaultServer, Script, says
from tests.retrieve.attack import OLD, Attack

pytestmark = pytest.mark.interop

GOOD = {b"good.bin": (b"good" * 1000, OLD)}
EVIL = b"evil"
MEGA = 1024 * 1024


@contextmanager
def memory_bounded_by(limit_bytes: int) -> Iterator[None]:
    """Fail when this process grows by more at any time."""
    process, done, most = psutil.Process(), threading.Event(), [0]
    before = process.memory_info().rss

    def watch() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    assert most[0] - before < limit_bytes


def row(name: bytes, size: int = len(EVIL), *, mlsd: bool = True) -> bytes:
    if mlsd:
        return b"type=file;size=%d;modify=%s; %s\r\n" % (size, OLD.encode(), name)
    return b"-rw-r--r--   1 u g %d Jan 02  2020 %s\r\n" % (size, name)


# -- names ------------------------------------------------------------------------------------------------------------

REFUSED = {
    "up": b"../x",
    "up and down": b"a/../../x",
    "absolute": b"/etc/x",
    "below": b"sub/x",
    "here": b"./x",
    "dot": b".",
    "dots": b"..",
    "slash": b"/",
    "trailing slash": b"x/",
    "NUL": b"a\0b",
    "CR": b"a\rb",
    "300 bytes": b"n" * 300,
    "own": b".ftpretrieve",
    "own directory": b".ftpretrieve/x",
    "own probe": b".ftpretrieve-probe-0123456789abcdef",
    "own id": b".ftpretrieve-id",
}
TAKEN = {
    "ANSI": b"\x1b[31mred\x1b[0m",
    "bell": b"\x07",
    "C1": b"\x9b31m",
    "Latin-1": b"gr\xfcn.txt",
    "UTF-8": "grün.txt".encode(),
    "broken UTF-8": b"\xc3(\xff\xfe",
    "surrogate": b"\xed\xa0\x80",
    "255 bytes": b"n" * 255,
    "dash": b"-rf",
    "backslash": b"..\\..\\x",
    "tilde": b"~root",
    "glob": b"*?[a]",
    "quote": b"'; DROP TABLE files; --",
    "tab": b"a\tb",
    "double dots": b"..x",
    "FTP": b"x;type=i",
    "override": "a\u202etxt.exe".encode(),
    "arrow": b"a -> b",
    "blanks": b"a  b   c",
}


@pytest.fixture(params=[True, False], ids=["mlsd", "list"])
def mlsd(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_is_no_name_is_skipped(name: str, mlsd: bool, tmp_path: Path) -> None:
    """The others arrive; nothing is asked or written under it, not even when it is excluded from nothing."""
    with FaultServer(dict(GOOD), mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        server.rows = row(REFUSED[name], mlsd=mlsd) + server.listing(mlsd=mlsd)
        server.files[REFUSED[name]] = (EVIL, OLD)
        result = attack.poll()
        assert (result.error, result.delivered, result.failed) == (None, 1, 0)
        asked = [command for command in server.commands if command.split(" ")[0] in ("RETR", "MLST", "SIZE", "MDTM")]
        assert {command.split(" ", 1)[1] for command in asked} == {"good.bin"}
        assert name in ("dot", "dots") or attack.said("NAMESREFUSED", "count=1")
        del server.files[REFUSED[name]]
        attack.heal()


@pytest.mark.parametrize("name", TAKEN)
def test_an_odd_name_is_taken_as_it_is(name: str, mlsd: bool, tmp_path: Path) -> None:
    """Byte for byte; the log shows it on one line and escaped."""
    files = {**GOOD, TAKEN[name]: (EVIL, OLD)}
    with FaultServer(files, mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        assert attack.poll().delivered == 2
        attack.heal()


def test_names_that_differ_by_bytes_that_are_no_utf8_are_different(mlsd: bool, tmp_path: Path) -> None:
    """Also when a decoder would show them alike."""
    names = [
        b"a\xff",
        b"a\xfe",
        b"a\xef\xbf\xbd",
        b"a?",
        b"a\\xff",
        b"a\xc3\xbf",
        "a\N{COMBINING DIAERESIS}".encode(),
        "ä".encode(),
    ]
    files = {name: (b"content of %d" % number, OLD) for number, name in enumerate(names)}
    with FaultServer(files, mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        assert attack.poll().delivered == len(files)
        attack.heal()


def test_a_name_with_a_line_feed_is_two_lines(mlsd: bool, tmp_path: Path) -> None:
    """What stands behind it is no row; the listing is suspect, and what can be read arrives."""
    with FaultServer(dict(GOOD), mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        server.rows = row(b"a\nb", mlsd=mlsd) + server.listing(mlsd=mlsd)
        assert attack.poll().delivered == 1
        assert attack.said("LISTINGSUSPECT", "unreadable")
        attack.heal()


# -- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", [len(GOOD[b"good.bin"][0]), 7], ids=["equal", "different"])
@pytest.mark.parametrize("order", [1, -1], ids=["right first", "right last"])
def test_a_name_listed_twice_comes_once_and_right(second: int, order: int, mlsd: bool, tmp_path: Path) -> None:
    with FaultServer(dict(GOOD), mlsd=mlsd, directories=30) as server, Attack(tmp_path, server) as attack:
        both = [server.row(b"good.bin", mlsd=mlsd), row(b"good.bin", second, mlsd=mlsd)]
        server.rows = b"".join(both[::order])
        for _ in range(3):
            attack.poll()
        assert len(attack.delivered()) <= 1
        attack.heal()


def test_a_directory_listed_as_a_file_fails_alone(mlsd: bool, tmp_path: Path) -> None:
    with FaultServer(dict(GOOD), mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        server.rows = row(b"sub", mlsd=mlsd) + server.listing(mlsd=mlsd)
        server.files[b"sub"] = (EVIL, OLD)
        refuse = "550 sub: not a plain file"
        server.scripts["RETR"] = lambda talk, name: (
            talk.reply(refuse) if name == "sub" else talk.answer("RETR", name, scripted=False)
        )
        result = attack.poll()
        assert (result.delivered, result.failed) == (1, 1)
        assert attack.said("FILEFAILED", "name=sub", refuse)
        del server.files[b"sub"]
        attack.heal()


def test_rows_about_other_directories_are_no_files(tmp_path: Path) -> None:
    """MLSD names the directory itself and its parent, and must not name what lies elsewhere."""
    facts = b";modify=20200102030405; "
    rows = b"type=cdir" + facts + b"/in/here\r\ntype=pdir" + facts + b"/in\r\ntype=dir" + facts + b"..\r\n"
    with FaultServer(dict(GOOD)) as server, Attack(tmp_path, server) as attack:
        server.rows = rows + row(b"/elsewhere/good.bin") + row(b"here/good.bin") + server.listing(mlsd=True)
        assert attack.poll().delivered == 1
        attack.heal()


JUNK = {
    "prose": b"hello world, this is no listing\r\n",
    "bytes": bytes(range(256)) * 40 + b"\r\n",
    "facts": b"type=file;size=;modify=; \r\n;;;=; x\r\n=;=; \r\ntype=;size=-1;modify=1; \r\n",
    "json": b'[{"name": "good.bin", "size": 4000}]\r\n',
    "html": b"<html><body><h1>403 Forbidden</h1></body></html>\r\n",
}


@pytest.mark.parametrize("junk", JUNK)
def test_rows_that_nobody_can_read_are_told_and_the_rest_is_taken(junk: str, mlsd: bool, tmp_path: Path) -> None:
    with FaultServer(dict(GOOD), mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        server.rows = JUNK[junk] + server.listing(mlsd=mlsd) + JUNK[junk]
        assert attack.poll().delivered == 1
        assert attack.said("LISTINGSUSPECT", "unreadable")
        attack.heal()


# -- how a listing ends -----------------------------------------------------------------------------------------------

MANY = {b"%02d.bin" % number: (b"%d" % number * 100, OLD) for number in range(20)}


def half(talk: Conversation, *, reset: bool = False, reply: str = "") -> None:
    rows = talk.server.listing(mlsd=talk.verb == "MLSD")
    talk.reply("150 here")
    data = talk.accept()
    data.sendall(rows[: len(rows) // 2 + 7])
    if reset:
        talk.reset(data)
    else:
        data.close()
    if reply:
        talk.reply(reply)
    else:
        talk.server.stopped.wait()


CUTS: dict[str, Script] = {
    "reset": lambda talk, _: half(talk, reset=True, reply="226 done"),
    "426": lambda talk, _: half(talk, reply="426 cut"),
    "451": lambda talk, _: half(talk, reply="451 read error"),
    "no 226": lambda talk, _: half(talk),
    "truncated": lambda talk, _: half(talk, reply="226-Options: -l\r\n226 Output truncated to 10 matches"),
    "226": lambda talk, _: half(talk, reply="226 done"),
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_listing_that_was_cut_proves_no_absence(cut: str, mlsd: bool, tmp_path: Path) -> None:
    """What it names may arrive; half a name does no harm, and the rest comes with the next whole listing."""
    with FaultServer(dict(MANY), mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        server.scripts["MLSD" if mlsd else "LIST"] = CUTS[cut]
        result = attack.poll(1.5)
        assert result.error is not None or attack.said("LISTING") or cut == "226"
        attack.heal()


def test_a_listing_that_is_empty_once_forgets_nothing(mlsd: bool, tmp_path: Path) -> None:
    """The data connection is closed at once and 226 follows; the files are not fetched again afterwards."""
    with FaultServer(dict(MANY), mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        attack.poll()
        server.rows = b""
        assert attack.poll().error is None
        assert attack.said("LISTINGSUSPECT", "empty", "before=20")
        attack.heal()


@pytest.mark.parametrize("reply", ["550 No such file or directory", "550 permission denied", "450 busy"])
def test_a_refused_listing_is_told(reply: str, mlsd: bool, tmp_path: Path) -> None:
    """A directory that is gone is not an empty one."""
    with FaultServer(dict(GOOD), mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        server.scripts["MLSD"] = server.scripts["LIST"] = says(reply)
        assert attack.poll().error is not None
        assert attack.said(f"{server.host}:{server.port}", reply)
        attack.heal()


def _answer_nothing(talk: Conversation, _: str) -> None:
    talk.stream([])
    talk.reply("226 done")


def _answer_by_list(talk: Conversation, argument: str) -> bool | None:
    talk.verb = "LIST"
    return talk.proceed(argument)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says("500 what?"), id="unknown"),
        pytest.param(says("550 not here"), id="refused"),
        pytest.param(_answer_nothing, id="nothing"),
        pytest.param(_answer_by_list, id="rows of LIST"),
    ],
)
def test_an_mlsd_that_is_announced_but_wrong_is_noticed(answer: Script, tmp_path: Path) -> None:
    """LIST is used instead, for the whole session; when MLSD is right again nothing comes twice."""
    with FaultServer(dict(GOOD)) as server, Attack(tmp_path, server, settle_secs=0.05) as attack:
        server.scripts["MLSD"] = answer
        result = attack.poll()
        assert (result.delivered, result.error) == (len(GOOD), None)
        assert sum(command == "MLSD" for command in server.commands) == 1
        assert attack.poll().delivered == 0
        attack.heal()
        assert attack.results[-1].delivered == 0


def test_a_directory_that_is_empty_is_listed_in_one_way(mlsd: bool, tmp_path: Path) -> None:
    """An empty answer to MLSD is held against LIST, and believed when that has nothing either."""
    with FaultServer({}, mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        assert attack.poll().error is None
        server.files.update(GOOD)
        attack.truth.update({name: {content} for name, (content, _) in GOOD.items()})
        server.commands.clear()
        assert attack.poll().delivered == len(GOOD)
        assert ("MLSD" in server.commands) is mlsd


@pytest.mark.parametrize(
    "reply",
    [
        "550 No files found",
        "450 No such file",
        "550 Directory is empty",
        "550 No data sets found.",
        "550 No members found.",
    ],
)
def test_an_empty_directory_may_be_refused(reply: str, mlsd: bool, tmp_path: Path) -> None:
    with FaultServer({}, mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        server.scripts["MLSD" if mlsd else "LIST"] = says(reply)
        assert attack.poll().error is None


# -- size -------------------------------------------------------------------------------------------------------------


def endless_rows(mlsd: bool) -> Iterator[bytes]:
    for number in count():
        yield b"".join(row(b"file-%d-%d" % (number, each), mlsd=mlsd) for each in range(1000))


def endless_names(mlsd: bool) -> Iterator[bytes]:
    for number in count():
        yield b"".join(row(b"../%d/%d" % (number, each) + b"x" * 4000, mlsd=mlsd) for each in range(20))


def endless_line(mlsd: bool) -> Iterator[bytes]:
    while True:
        yield b"x" * 65536


def endless_junk(mlsd: bool) -> Iterator[bytes]:
    for number in count():
        yield b"junk %d\n" % number * 1000


ENDLESS: list[Callable[[bool], Iterator[bytes]]] = [endless_rows, endless_names, endless_line, endless_junk]


@pytest.mark.slow
@pytest.mark.parametrize("blocks", ENDLESS)
def test_a_listing_without_end_ends_with_the_limit(
    blocks: Callable[[bool], Iterator[bytes]], mlsd: bool, tmp_path: Path
) -> None:
    """And takes a bounded memory: what is planned at most, and nothing for what is skipped."""
    with FaultServer(dict(GOOD), mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        server.rows = lambda: blocks(mlsd)
        with memory_bounded_by(160 * MEGA):
            assert isinstance(attack.poll(6).error, SessionExpired)
        attack.heal()


@pytest.mark.slow
def test_one_line_of_100_megabytes_costs_no_memory(mlsd: bool, tmp_path: Path) -> None:
    """It is counted as unreadable, and the others are taken."""
    with FaultServer(dict(GOOD), mlsd=mlsd) as server, Attack(tmp_path, server) as attack:
        good = server.listing(mlsd=mlsd)

        def blocks() -> Iterator[bytes]:
            yield good[:-2]
            for _ in range(100):
                yield b"x" * MEGA
            yield b"\r\n" + good

        server.rows = blocks
        with memory_bounded_by(20 * MEGA):
            assert attack.poll(60).delivered == 1
        assert attack.said("LISTINGSUSPECT", "unreadable")
        attack.heal()


@pytest.mark.slow
def test_a_million_rows_cost_no_memory(mlsd: bool, tmp_path: Path) -> None:
    """The one that is wanted arrives, by a look that does not list again where it need not."""
    with FaultServer(dict(GOOD), mlsd=mlsd) as server, Attack(tmp_path, server, include=("good*",)) as attack:
        good = server.listing(mlsd=mlsd)

        def blocks() -> Iterator[bytes]:
            for thousand in range(1000):
                yield b"".join(row(b"file-%06d" % (thousand * 1000 + each), mlsd=mlsd) for each in range(1000))
            yield good

        server.rows = blocks
        with memory_bounded_by(40 * MEGA):
            result = attack.poll(120)
        assert (result.error, result.listed, result.delivered) == (None, 1_000_001, 1)
        assert sum(command in ("MLSD", "LIST") for command in server.commands) == 1
        attack.heal()


@pytest.mark.slow
def test_directories_without_end_end_with_the_limit(tmp_path: Path) -> None:
    """With `recursive`, one of countless directories is listed for so long, and not all of them are remembered."""
    with FaultServer(dict(GOOD)) as server, Attack(tmp_path, server) as attack:
        server.rows = lambda: (b"type=dir;modify=20200102030405; %d-%s\r\n" % (n, b"d" * 200) for n in count())
        with memory_bounded_by(160 * MEGA):
            assert isinstance(attack.poll(6, recursive=True).error, SessionExpired)
        attack.heal(recursive=True)


def test_directories_that_contain_themselves_twice_eat_no_session(tmp_path: Path) -> None:
    """Two of them, 32 deep, would be some billions of listings."""
    with FaultServer(dict(GOOD)) as server, Attack(tmp_path, server) as attack:
        rows = b"".join(b"type=dir;modify=20200102030405; %s\r\n" % name for name in (b"one", b"two"))
        server.rows = rows + server.listing(mlsd=True)
        attack.truth |= {path + name: {content} for path in self_paths(3) for name, (content, _) in GOOD.items()}
        result = attack.poll(recursive=True)
        assert (result.error, set(GOOD) <= set(attack.delivered())) == (None, True)
        assert attack.said("DIRECTORYFAILED", "contains itself")
        assert attack.said("LISTINGSUSPECT", "truncated")
        assert server.commands.count("MLSD") < 40


def self_paths(depth: int) -> list[bytes]:
    """Return the ways into a directory that is in itself under two names."""
    shorter = self_paths(depth - 1) if depth else []
    return [b"", *(name + b"/" + path for name in (b"one", b"two") for path in shorter)]


def test_a_directory_that_contains_itself_is_followed_for_so_long(tmp_path: Path) -> None:
    """And the listing counts as cut, since nobody knows what is further down."""
    with FaultServer(dict(GOOD)) as server, Attack(tmp_path, server) as attack:
        server.rows = b"type=dir;modify=20200102030405; again\r\n"
        assert attack.poll(recursive=True).error is None
        assert attack.said("LISTINGSUSPECT", "truncated")
        assert server.commands.count("MLSD") < 100
        attack.heal(recursive=True)


@pytest.mark.parametrize("where", ['257 ""', "257 here", '257 "/a\rb"', "500 what?", "257"])
def test_a_server_that_does_not_say_where_it_is_is_not_walked(where: str, tmp_path: Path) -> None:
    """A recursive listing goes by absolute paths, and a wrong one would list something else."""
    with FaultServer(dict(GOOD)) as server, Attack(tmp_path, server) as attack:
        server.scripts["PWD"] = says(where)
        assert attack.poll(recursive=True).error is not None
        assert attack.said(f"{server.host}:{server.port}", "PWD")
        attack.heal(recursive=True)


def test_a_symbolic_link_planted_below_the_sync_directory_is_not_followed(tmp_path: Path) -> None:
    """The file fails alone, and nothing is written where the link points to."""
    outside = tmp_path / "staging" / "outside"
    with FaultServer(dict(GOOD)) as server, Attack(tmp_path, server) as attack:
        outside.mkdir()
        os.symlink(outside, tmp_path / "sync" / "sub")
        rows = {"/": b"type=dir;modify=20200102030405; sub\r\n" + server.listing(mlsd=True), "/sub": row(b"x")}
        here = ["/"]

        def change(talk: Conversation, path: str) -> None:
            here[0] = path
            talk.reply("250 ok")

        def listing(talk: Conversation, _: str) -> None:
            talk.send(rows[here[0]])

        server.files[b"sub/x"] = (EVIL, OLD)
        server.scripts.update(CWD=change, MLSD=listing)
        result = attack.poll(recursive=True)
        assert (result.delivered, result.failed) == (1, 1)
        assert attack.said("FILEFAILED", "sub/x")
        assert list(outside.iterdir()) == []
        assert not isinstance(result.error, RemoteUnavailable)


def test_a_time_that_mlsd_leaves_out_is_asked_by_mdtm_once(tmp_path: Path) -> None:
    """It is told with the file; a row without it stays the same version as long as its size does."""
    with FaultServer(dict(GOOD)) as server, Attack(tmp_path, server) as attack:
        server.rows = b"type=file;size=4000; good.bin\r\n"
        assert attack.poll().delivered == 1
        assert attack.said("FILESDOWNLOADED", ", 1577934245, 'good.bin')")  # OLD in epoch seconds
        assert server.commands.count("MDTM good.bin") == 1
        assert attack.poll().delivered == 0
        assert server.commands.count("MDTM good.bin") == 1
