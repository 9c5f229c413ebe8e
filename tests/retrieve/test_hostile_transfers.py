"""A server that sends something else than it listed, or in another way: nothing partial or wrong is ever delivered."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftpretrieve.errors import SessionExpired
from tests.faultserver import Conversation, FaultServer, Script, says
from tests.retrieve.attack import OLD, Attack

pytestmark = pytest.mark.interop

A, B = b"a" * 300_000, bytes(range(256)) * 1000
FILES = {b"a.bin": (A, OLD), b"b.bin": (B, OLD)}
MEGABYTES = bytes(range(256)) * 4096 * 3


@pytest.fixture(params=[True, False], ids=["mlsd", "list"])
def server(request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    with FaultServer(dict(FILES), mlsd=request.param, directories=30) as server:
        yield server


def only(name: str, script: Script) -> Script:
    """Do this for one file, and as it should be for the others."""

    def scripted(server: Conversation, argument: str) -> bool | None:
        return script(server, argument) if argument == name else server.answer(server.verb, argument, scripted=False)

    return scripted


REFUSALS = ["425 no data", "426 cut", "450 busy", "451 local", "452 full", "550 not yours", "552 quota", "501 what?"]


@pytest.mark.parametrize("reply", REFUSALS)
def test_a_file_that_is_refused_fails_alone(reply: str, server: FaultServer, tmp_path: Path) -> None:
    """The others arrive, and FILEFAILED has the server's words."""
    server.scripts["RETR"] = only("a.bin", says(reply))
    with Attack(tmp_path, server) as attack:
        result = attack.poll()
        assert (result.delivered, result.failed) == (1, 1)
        assert attack.said("FILEFAILED", "name=a.bin", reply)
        attack.heal()


def sends(body: Callable[[bytes], bytes], ending: str = "226 done") -> Script:
    """Send something else than the file, and a reply (or, when that is empty, close the control connection)."""

    def script(server: Conversation, name: str) -> bool | None:
        server.stream([body(server.server.files[name.encode("latin-1")][0])])
        if not ending:
            return False
        server.reply(ending)
        return None

    return script


BODIES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda content: b"",
    "one byte less": lambda content: content[:-1],
    "one byte more": lambda content: content + b"x",
    "half": lambda content: content[: len(content) // 2],
    "twice": lambda content: content * 2,
}


@pytest.mark.parametrize("ending", ["226 done", "426 cut", "451 read error", "500 what?", "150 still", "hello", ""])
@pytest.mark.parametrize("body", BODIES)
def test_a_body_of_another_length_is_never_delivered(
    body: str, ending: str, server: FaultServer, tmp_path: Path
) -> None:
    """Whatever reply follows."""
    server.scripts["RETR"] = sends(BODIES[body], ending)
    with Attack(tmp_path, server) as attack:
        attack.poll(3)
        assert attack.synced() == {}
        attack.heal()


def resets(server: Conversation, name: str) -> None:
    server.reply("150 here")
    data = server.accept()
    data.sendall(server.server.files[name.encode("latin-1")][0][:1000])
    server.reset(data)
    server.reply("426 cut")


def accepts_and_closes(server: Conversation, name: str) -> None:
    server.accept().close()
    server.reply("150 here")
    server.reply("226 done")


def data_before_reply(server: Conversation, name: str) -> None:
    data = server.accept()
    data.sendall(server.server.files[name.encode("latin-1")][0])
    data.close()
    time.sleep(0.3)
    server.reply("150 here")
    server.reply("226 done")


def reply_before_data(server: Conversation, name: str) -> None:
    server.reply("150 here\r\n226 done")
    data = server.accept()
    time.sleep(0.3)
    data.sendall(server.server.files[name.encode("latin-1")][0])
    data.close()


def no_reply_before_data(server: Conversation, name: str) -> None:
    data = server.accept()
    data.sendall(server.server.files[name.encode("latin-1")][0])
    data.close()
    server.reply("226 done")


@pytest.mark.parametrize("script", [resets, accepts_and_closes, no_reply_before_data])
def test_a_transfer_that_ends_oddly_delivers_nothing(script: Script, server: FaultServer, tmp_path: Path) -> None:
    server.scripts["RETR"] = script
    with Attack(tmp_path, server) as attack:
        attack.poll(3)
        assert attack.synced() == {}
        attack.heal()


@pytest.mark.parametrize("script", [data_before_reply, reply_before_data])
def test_data_and_replies_may_come_in_any_order(script: Script, server: FaultServer, tmp_path: Path) -> None:
    server.scripts["RETR"] = script
    with Attack(tmp_path, server) as attack:
        assert attack.poll().delivered == 2
        attack.heal()


# -- resuming ---------------------------------------------------------------------------------------------------------


def cut_after(size: int) -> Script:
    """Send a beginning, then nothing until the session is over."""

    def script(server: Conversation, name: str) -> None:
        server.reply("150 here")
        server.accept().sendall(server.server.files[name.encode("latin-1")][0][:size])
        server.server.stopped.wait()

    return script


def resumed(rest: Callable[[int], int]) -> Script:
    """Answer REST as promised and go on somewhere else."""

    def script(server: Conversation, offset: str) -> None:
        server.rest = rest(int(offset))
        server.reply("350 ok")

    return script


RESTS = {"ignored": lambda offset: 0, "one off": lambda offset: offset + 1, "mod 2**20": lambda offset: offset % 2**20}


@pytest.mark.parametrize("content", [MEGABYTES, b"\0" * len(MEGABYTES)], ids=["periodic", "zeros"])
@pytest.mark.parametrize("rest", RESTS)
def test_a_rest_that_is_not_kept_costs_the_beginning_and_no_more(rest: str, content: bytes, tmp_path: Path) -> None:
    """No wrong file, and not for ever: the poll after that fetches the file from its beginning."""
    content = content[:-5] + b"tail."
    with FaultServer({b"large.bin": (content, OLD)}) as server, Attack(tmp_path, server) as attack:
        server.scripts["RETR"] = cut_after(2_500_000)
        assert isinstance(attack.poll(1.5).error, SessionExpired)
        del server.scripts["RETR"]
        server.scripts["REST"] = resumed(RESTS[rest])
        attack.poll()
        assert any(command.startswith("REST") for command in server.commands)
        attack.poll()
        assert attack.delivered() == [b"large.bin"]
        attack.heal()


# -- files that change ------------------------------------------------------------------------------------------------

CHANGES = {
    "shrunk": (A[:1000], OLD),
    "grown": (A + b"more", OLD),
    "replaced": (b"z" * len(A), "20200102030406"),
    "another time": (A, "20200102030406"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("when", ["before RETR", "after RETR"])
def test_a_file_that_changes_between_two_looks_comes_later_and_right(
    when: str, change: str, server: FaultServer, tmp_path: Path
) -> None:
    """Its old bytes are never delivered under its new time, nor the other way round."""

    def changing(talk: Conversation, name: str) -> bool | None:
        if name == "a.bin" and when == "before RETR":
            server.files[b"a.bin"] = CHANGES[change]
        result = talk.answer("RETR", name, scripted=False)
        server.files[b"a.bin"] = CHANGES[change]
        return result

    server.scripts["RETR"] = changing
    with Attack(tmp_path, server) as attack:
        attack.truth[b"a.bin"] = {CHANGES[change][0]}
        attack.poll()
        attack.heal()


def test_a_file_that_is_gone_before_its_second_look_is_not_delivered(server: FaultServer, tmp_path: Path) -> None:
    """Nobody can say that it was whole; FILEFAILED tells of it."""

    def vanishing(talk: Conversation, name: str) -> bool | None:
        result = talk.answer("RETR", name, scripted=False)
        server.files.pop(b"a.bin", None)
        return result

    server.scripts["RETR"] = only("a.bin", vanishing)
    with Attack(tmp_path, server, settle_secs=0.3) as attack:
        assert attack.poll().delivered == 1
        assert attack.said("FILEFAILED", "name=a.bin", "vanished")
        server.files[b"a.bin"] = FILES[b"a.bin"]
        attack.heal()


def test_a_file_that_no_session_looks_at_is_kept_again_and_again(tmp_path: Path) -> None:
    """Sessions that end before the second look, one after another, cost no second download."""
    with FaultServer(dict(FILES), directories=30) as server, Attack(tmp_path, server, settle_secs=0.3) as attack:
        server.fault = "look-silent"
        for _ in range(3):
            assert isinstance(attack.poll(1.0).error, SessionExpired)
        attack.heal()
        assert sum(command.startswith("RETR") for command in server.commands) == len(FILES)
