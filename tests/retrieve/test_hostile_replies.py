"""A server may answer anything at any step: the poll ends in time, says what is wrong, and the next one is well."""

from pathlib import Path
from random import Random

import pytest

from ftpretrieve.errors import SessionExpired
from tests.faultserver import Conversation, FaultServer, Script, says
from tests.retrieve.attack import OLD, Attack

pytestmark = pytest.mark.interop

FILES = {b"a.bin": (b"a" * 30_000, OLD), b"b.bin": (b"b" * 20_000, OLD)}
LOGIN = ["GREETING", "USER", "PASS", "TYPE", "FEAT", "CWD"]
STEPS = [*LOGIN, "PASV", "MLSD", "LIST", "RETR", "MLST", "SIZE", "MDTM", "QUIT"]
LIST_ONLY = {"LIST", "SIZE", "MDTM"}
LIMIT_SECS = 1.5


def server_of(step: str) -> FaultServer:
    """Return a server that is asked this at some time; one MLST must be cheaper than another listing."""
    return FaultServer(dict(FILES), mlsd=step not in LIST_ONLY, directories=30)


def says_and_closes(text: str) -> Script:
    def script(server: Conversation, _: str) -> bool:
        server.reply(text)
        return False

    return script


def echoes_password(server: Conversation, _: str) -> None:
    server.reply(f"550 what is {server.server.password} good for?")


def never_ends_a_line(server: Conversation, _: str) -> None:
    while not server.server.stopped.is_set():
        server.sock.sendall(b"2" * 65536)


def never_ends_a_reply(server: Conversation, _: str) -> None:
    while not server.server.stopped.is_set():
        server.sock.sendall(b"250-and so on\r\n" * 1000)


def drips(server: Conversation, _: str) -> None:
    while not server.server.stopped.wait(0.1):
        server.sock.sendall(b"2")


def answers_twice(server: Conversation, argument: str) -> None:
    server.reply("226 one more thing")
    server.answer(server.verb, argument, scripted=False)


ANSWERS: dict[str, Script] = {
    "closes": lambda server, _: False,
    "421": says_and_closes("421 too many users, go away"),
    "450": says("450 try later"),
    "530": says("530 not allowed"),
    "550": says("550 no"),
    "500": says("500 what?"),
    "1xx": says("150 a moment please"),
    "2xx": says("250 fine"),
    "3xx": says("350 go on"),
    "no-code": says("hello"),
    "empty-line": says(""),
    "code-only": says("226"),
    "control-characters": says("550 \x1b[31mred\x07\rreturned\x00\x9b31m"),
    "password": echoes_password,
    "long-line": says("550 " + "x" * 10_000),
    "drips": drips,
    "endless-line": never_ends_a_line,
    "endless-reply": never_ends_a_reply,
    "other-code-inside": says("250-one\r\n550 two\r\n250 three"),
    "twice": answers_twice,
}


@pytest.mark.slow
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("step", STEPS)
def test_any_answer_at_any_step_costs_one_poll(step: str, answer: str, tmp_path: Path) -> None:
    """Nothing wrong is delivered, the limit holds, a line says what is wrong, and the next poll delivers all."""
    with server_of(step) as server, Attack(tmp_path, server, b"in") as attack:
        server.scripts[step] = ANSWERS[answer]
        result = attack.poll(LIMIT_SECS)
        if isinstance(result.error, SessionExpired):
            assert str(result.error)  # the step: SESSIONTIMEOUT tells it
        elif result.error is not None or result.failed or result.listed == 0:
            assert attack.said(f"{server.host}:{server.port}") or attack.said("FILEFAILED") or attack.said("LISTING")
        else:
            assert sorted(attack.delivered()) == sorted(FILES)
        attack.heal()


def from_the_second_time_on(script: Script) -> Script:
    """Behave once."""
    asked: list[str] = []

    def scripted(server: Conversation, argument: str) -> bool | None:
        asked.append(argument)
        return script(server, argument) if len(asked) > 1 else server.answer(server.verb, argument, scripted=False)

    return scripted


@pytest.mark.slow
@pytest.mark.parametrize("answer", ANSWERS)
def test_any_answer_to_the_listing_of_a_look_costs_one_poll(answer: str, tmp_path: Path) -> None:
    """A server that knows LIST alone is listed a second time; what arrived is kept when that fails."""
    with FaultServer(dict(FILES), mlsd=False) as server, Attack(tmp_path, server) as attack:
        server.scripts["FEAT"] = says("211-Features:\r\n UTF8\r\n211 End")
        server.scripts["LIST"] = from_the_second_time_on(ANSWERS[answer])
        attack.poll(LIMIT_SECS)
        attack.heal()


class Chaos(dict[str, Script]):
    """Scripts of a server that answers one command in so many with anything."""

    def __init__(self, seed: int, one_in: int) -> None:
        super().__init__()
        self.random, self.one_in = Random(seed), one_in

    def __contains__(self, verb: object) -> bool:
        return verb not in ("FEAT", "MLSD", "QUIT") and self.random.randrange(self.one_in) == 0

    def __getitem__(self, verb: str) -> Script:
        return ANSWERS[self.random.choice(sorted(ANSWERS))]

    def clear(self) -> None:
        self.one_in = 10**9


@pytest.mark.slow
@pytest.mark.parametrize("mlsd", [True, False], ids=["mlsd", "list"])
@pytest.mark.parametrize("seed", range(10))
def test_a_server_that_answers_anything_now_and_then_delivers_once(seed: int, mlsd: bool, tmp_path: Path) -> None:
    """Polls of a server in any mood come closer to the end, or at least never further away from it."""
    files = {b"%d.bin" % number: (b"%d" % number * 5000, OLD) for number in range(20)}
    with FaultServer(files, mlsd=mlsd, directories=60) as server, Attack(tmp_path, server) as attack:
        server.scripts = Chaos(seed, 10)
        for _ in range(4):
            attack.poll(LIMIT_SECS, silence_secs=0.5)
        attack.heal()
