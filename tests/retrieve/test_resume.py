"""Going on where a download broke off: only with the same version, only in the right place, else from the beginning."""

import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.errors import SessionExpired
from ftpretrieve.retrieve.ftp_data import Network
from ftpretrieve.retrieve.ftp_download import OVERLAP_BYTES
from tests.faultserver import Conversation, FaultServer, Script, says
from tests.mailboxes import make_mailbox, poll_ftp
from tests.retrieve.attack import OLD, Attack

SIZE, CUT = 3_000_000, 2_500_000
LATER = "20200102030406"
NAME = b"large.bin"


def some(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


CONTENTS = {
    "random": some(SIZE),
    "of the overlap's period": (some(OVERLAP_BYTES) * (SIZE // OVERLAP_BYTES + 1))[: SIZE - 5] + b"tail.",
    "zeros": b"\0" * (SIZE - 5) + b"tail.",
}


def breaks_off(talk: Conversation, argument: str) -> bool:
    """Send a beginning, and close both connections."""
    talk.stream([talk.server.files[argument.encode()][0][:CUT]])
    return False


def cut(attack: Attack) -> None:
    """Poll once with a connection that breaks off, and forget what was asked."""
    attack.server.scripts["RETR"] = breaks_off
    assert attack.poll().delivered == 0
    attack.server.scripts.clear()
    del attack.server.commands[:]


def count(server: FaultServer, verb: str) -> int:
    return sum(command.startswith(verb) for command in server.commands)


@pytest.fixture(params=[True, False], ids=["mlsd", "list"])
def attack(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    with FaultServer({NAME: (some(SIZE), OLD)}, mlsd=request.param) as server, Attack(tmp_path, server) as attack:
        yield attack


def test_the_same_version_goes_on_where_it_broke_off(attack: Attack) -> None:
    """Only the overlap is fetched again."""
    sent: list[int] = []

    def counting(talk: Conversation, argument: str) -> bool | None:
        sent.append(len(talk.server.files[argument.encode()][0]) - talk.rest)
        return talk.answer("RETR", argument, scripted=False)

    cut(attack)
    attack.server.scripts["RETR"] = counting
    assert attack.poll().delivered == 1
    assert sent == [SIZE - CUT + OVERLAP_BYTES]
    assert f"REST {CUT - OVERLAP_BYTES}" in attack.server.commands


def rest_is(offset: Callable[[int], int]) -> dict[str, Script]:
    """Promise to go on, and do so elsewhere."""

    def rest(talk: Conversation, argument: str) -> None:
        talk.rest = max(0, offset(int(argument)))
        talk.reply("350 ok")

    return {"REST": rest}


def refuses_after_rest(reply: str) -> dict[str, Script]:
    """Take REST, and refuse the RETR behind it; one without REST is answered."""

    def retr(talk: Conversation, argument: str) -> bool | None:
        if talk.rest == 0:
            return talk.answer("RETR", argument, scripted=False)
        talk.rest = 0
        talk.reply(reply)
        return None

    return {"RETR": retr}


def sends_after_rest(body: Callable[[bytes, int], bytes]) -> dict[str, Script]:
    """Send something else after a REST."""

    def retr(talk: Conversation, argument: str) -> bool | None:
        content, offset = talk.server.files[argument.encode()][0], talk.rest
        if offset == 0:
            return talk.answer("RETR", argument, scripted=False)
        talk.rest = 0
        return talk.send(body(content, offset))

    return {"RETR": retr}


MISPLACED = {
    "from the beginning": rest_is(lambda offset: 0),
    "one byte before": rest_is(lambda offset: offset - 1),
    "one byte behind": rest_is(lambda offset: offset + 1),
    "an overlap before": rest_is(lambda offset: offset - OVERLAP_BYTES),
    "an overlap behind": rest_is(lambda offset: offset + OVERLAP_BYTES),
    "at the end": rest_is(lambda offset: SIZE),
    "rounded": rest_is(lambda offset: offset // 4096 * 4096),
    "16 bits": rest_is(lambda offset: offset % 2**16),
    "nothing": sends_after_rest(lambda content, offset: b""),
    "less": sends_after_rest(lambda content, offset: content[offset:-1]),
    "more": sends_after_rest(lambda content, offset: content[offset:] + b"x"),
    "without end": sends_after_rest(lambda content, offset: content[offset:] * 5),
    "twice": sends_after_rest(lambda content, offset: content + content[offset:]),
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("how", MISPLACED)
def test_a_misplaced_rest_is_noticed(how: str, content: str, tmp_path: Path) -> None:
    """By the overlap, or where that looks the same by the length: no wrong byte, and the next try begins anew."""
    body = CONTENTS[content]
    with FaultServer({NAME: (body, OLD)}) as server, Attack(tmp_path, server) as attack:
        cut(attack)
        server.scripts.update(MISPLACED[how])
        attack.poll()
        attack.poll()
        assert attack.synced() == {NAME: body}
        assert count(server, "REST") == 1
        attack.heal()


REFUSED: dict[str, dict[str, Script]] = {
    "REST 500": {"REST": says("500 what?")},
    "REST 502": {"REST": says("502 no")},
    "REST 501": {"REST": says("501 not binary")},
    "REST 450": {"REST": says("450 not now")},
    "REST 200": {"REST": says("200 ignored")},
    "RETR 550": refuses_after_rest("550 no"),
    "RETR 501": refuses_after_rest("501 no"),
    "RETR 554": refuses_after_rest("554 wrong offset"),
    "RETR 451": refuses_after_rest("451 no"),
    "RETR 226": refuses_after_rest("226 done"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_a_refused_rest_costs_one_try_at_most(how: str, attack: Attack) -> None:
    """The file comes in this poll, or from the beginning in the next one."""
    cut(attack)
    attack.server.scripts.update(REFUSED[how])
    attack.poll(20, silence_secs=1)
    attack.poll(20, silence_secs=1)
    assert attack.delivered() == [NAME]
    assert count(attack.server, "REST") == 1


CHANGED = {
    "other content, same size": (some(SIZE, 2), LATER),
    "a second later": (some(SIZE), "20200102030505"),
    "shorter now": (some(CUT // 2, 2), LATER),
    "cut off": (some(SIZE)[: CUT // 2], LATER),
    "longer now": (some(SIZE) + b"more", "20200102030505"),
}


@pytest.mark.parametrize("change", CHANGED)
def test_another_version_is_fetched_from_its_beginning(change: str, tmp_path: Path) -> None:
    """What is held is of the version before."""
    with FaultServer({NAME: (some(SIZE), OLD)}) as server, Attack(tmp_path, server) as attack:
        cut(attack)
        server.files[NAME] = CHANGED[change]
        attack.truth[NAME] = {CHANGED[change][0]}
        assert attack.poll().delivered == 1
        assert count(server, "REST") == 0


@pytest.mark.parametrize("change", CHANGED)
def test_another_version_between_listing_and_rest_is_not_glued_on(change: str, tmp_path: Path) -> None:
    """The look behind the download, the length or the overlap tells."""
    with FaultServer({NAME: (some(SIZE), OLD)}) as server, Attack(tmp_path, server) as attack:
        cut(attack)

        def changing(talk: Conversation, argument: str) -> bool | None:
            server.files[NAME] = CHANGED[change]
            return talk.answer("RETR", argument, scripted=False)

        server.scripts["RETR"] = changing
        attack.truth[NAME] = {CHANGED[change][0]}
        attack.poll()
        assert count(server, "REST") == 1
        attack.heal()


def test_other_content_under_the_same_size_and_time_is_not_glued_on(attack: Attack) -> None:
    """Somebody put it there with its old time: the overlap tells."""
    cut(attack)
    attack.server.files[NAME] = (some(SIZE, 2), OLD)
    attack.truth[NAME] = {some(SIZE, 2)}
    attack.poll()
    attack.poll()
    assert attack.synced() == {NAME: some(SIZE, 2)}


def test_a_file_that_is_gone_meanwhile_fails(attack: Attack) -> None:
    """And comes from its beginning or its middle, when it is back."""
    cut(attack)
    attack.server.scripts["RETR"] = says("550 no such file")
    assert attack.poll().failed == 1
    attack.heal()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "lost": lambda partial: partial.unlink(),
    "shorter": lambda partial: os.truncate(partial, CUT - 1),
    "longer": lambda partial: partial.write_bytes(partial.read_bytes() + b"x" * 1000),
    "other end": lambda partial: partial.write_bytes(partial.read_bytes()[:-1] + b"?"),
    "a directory": lambda partial: (partial.unlink(), partial.mkdir()),
    "a link": lambda partial: (partial.unlink(), partial.symlink_to("/etc/passwd")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_offset_is_checked_against_the_bytes_held(damage: str, attack: Attack) -> None:
    """Nobody else should touch staging, but it may be restored from a backup."""
    cut(attack)
    (partial,) = [path for path in attack.directory.rglob("staging/*/*") if path.name != "witness"]
    DAMAGES[damage](partial)
    attack.poll()
    attack.poll()
    assert attack.synced() == {NAME: some(SIZE)}


def test_a_fresh_file_is_not_resumed_where_its_minute_is_not_over(tmp_path: Path) -> None:
    """It may be rewritten under the same listed stamp, so what is held may be of another version."""
    now = time.strftime("%Y%m%d%H%M00", time.gmtime())
    with FaultServer({NAME: (some(SIZE), now)}, mlsd=False) as server, Attack(tmp_path, server) as attack:
        server.scripts["FEAT"] = says("211-Features:\r\n REST STREAM\r\n211 End")
        server.scripts["RETR"] = breaks_off
        attack.poll()
        del server.scripts["RETR"]
        attack.poll()
        assert count(server, "REST") == 0
        assert attack.delivered() == [NAME]


def test_a_connection_that_breaks_again_and_again_is_gone_on_with(attack: Attack) -> None:
    """Each poll brings the next part, and none waits for a back-off: that is for files that do not come on."""
    offsets: list[int] = []

    def a_part(talk: Conversation, argument: str) -> bool | None:
        offsets.append(talk.rest)
        content, start, talk.rest = talk.server.files[argument.encode()][0], talk.rest, 0
        talk.stream([content[start : start + 700_000]])
        return False if start + 700_000 < len(content) else talk.end("226 done")

    attack.server.scripts["RETR"] = a_part
    for _ in range(10):
        attack.poll()
        if attack.delivered():
            break
    assert attack.delivered() == [NAME]
    assert offsets == sorted(set(offsets))
    assert len(offsets) == 5


# -- real servers -----------------------------------------------------------------------------------------------------


class Watch:
    """What a download reports: the bytes it had at each moment. `at` is called once, at so many bytes."""

    def __init__(self, at_bytes: int = 0, action: Callable[[], object] | None = None) -> None:
        self.seen: list[int] = []
        self._at_bytes, self._action = at_bytes, action

    def __call__(self, name: bytes, received: int, size: int | None) -> None:
        self.seen.append(received)
        if self._action is not None and received >= self._at_bytes:
            action, self._action = self._action, None
            action()


def partial_bytes(mailbox: Any) -> int:
    journal = mailbox.journal
    return int(journal.db.execute(f"SELECT max(partial_bytes) FROM {journal.table}").fetchone()[0])


@pytest.mark.interop
@pytest.mark.slow
def test_a_session_that_ended_by_its_limit_is_gone_on_with(any_server: Any, tmp_path: Path) -> None:
    """On each of the servers, REST leads to the same bytes."""
    content = some(8_000_000)
    any_server.put("large.bin", content, time.time() - 400_000)
    mailbox = make_mailbox(tmp_path)
    first = poll_ftp(mailbox, any_server, 1.5, network=Network(rate_bytes=2_000_000))
    assert isinstance(first.error, SessionExpired)
    kept, watch = partial_bytes(mailbox), Watch()
    assert kept > 0
    assert poll_ftp(mailbox, any_server, progress=watch).delivered == 1
    assert watch.seen[0] > kept - OVERLAP_BYTES
    assert (tmp_path / "sync/large.bin").read_bytes() == content
    mailbox.journal.close()


@pytest.mark.interop
@pytest.mark.slow
@pytest.mark.parametrize("change", [None, "same size", "shorter"])
def test_a_server_that_dies_in_the_middle_is_gone_on_with(any_server: Any, tmp_path: Path, change: str | None) -> None:
    """Unless the file is another one when the server is back, by one second and nothing else."""
    content, mtime = some(8_000_000), int(time.time()) - 400_000
    any_server.put("large.bin", content, mtime)
    mailbox = make_mailbox(tmp_path)
    dying: list[threading.Thread] = []

    def die() -> None:
        dying.append(threading.Thread(target=any_server.stop))
        dying[0].start()

    poll_ftp(mailbox, any_server, network=Network(rate_bytes=4_000_000), progress=Watch(1_000_000, die))
    dying[0].join()
    kept, watch = partial_bytes(mailbox), Watch()
    assert kept > 0
    if change is not None:
        content = some(8_000_000 if change == "same size" else 600_000, seed=2)
        any_server.put("large.bin", content, mtime + (1 if any_server.software != "vsftpd" else 60))
    any_server.start()
    assert poll_ftp(mailbox, any_server, progress=watch).delivered == 1
    assert (watch.seen[0] > kept - OVERLAP_BYTES) is (change is None)
    assert (tmp_path / "sync/large.bin").read_bytes() == content
    mailbox.journal.close()
