"""Any bytes as the server's side of a control connection: a poll ends in time, by an error of ours or well.

The replies of a good server are counted over all its connections, and some of them are replaced: so the fuzz comes as
deep into a session as the replies before it are good.
"""

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import psutil
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ftpretrieve.errors import FtpRetrieveError
from tests.faults.server import Fault, content
from tests.faultserver import FaultServer
from tests.retrieve.attack import OLD, Attack

pytestmark = [pytest.mark.interop, pytest.mark.slow]

FILES = {b"a.bin": (content(b"a.bin", 9000), OLD), b"b.bin": (content(b"b.bin", 70), OLD)}
REPLIES = 24
"""More than a poll of two files has, with both its connections."""

LIMIT_SECS, SILENCE_SECS = 1.5, 0.1
MEMORY_BYTES = 64 * 1024 * 1024

Change = Callable[[bytes], Sequence[bytes]]
"""A good reply -> the packets that are sent instead."""


def cut(reply: bytes, place: int) -> list[bytes]:
    return [reply[: place % (len(reply) + 1)]]


def inserted(reply: bytes, place: int, noise: bytes) -> list[bytes]:
    place %= len(reply) + 1
    return [reply[:place] + noise + reply[place:]]


LINES = st.from_regex(rb"[0-9]{1,4}[ \-]?[ -~]{0,40}\r?\n", fullmatch=True)
CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.binary(max_size=200).map(lambda noise: lambda reply: [noise]),
    st.binary(max_size=50).map(lambda noise: lambda reply: [noise + b"\r\n"]),
    st.lists(LINES, max_size=4).map(lambda lines: lambda reply: lines),
    st.lists(LINES, min_size=1, max_size=2).map(lambda lines: lambda reply: [*lines, reply]),
    st.integers(0, 300).map(lambda place: lambda reply: cut(reply, place)),
    st.tuples(st.integers(0, 300), st.binary(min_size=1, max_size=4)).map(
        lambda two: lambda reply: inserted(reply, *two)
    ),
    st.sampled_from([b"1", b"\r", b"\n", b"\0", b"220-\r\n", b" 226 x\r\n", b"226 \xff\r\n"]).map(
        lambda block: lambda reply: [block * 100_000]
    ),
    st.integers(1, 999).map(lambda code: lambda reply: [b"%03d" % code + reply[3:]]),
    st.just(lambda reply: [reply, reply]),
    st.just(lambda reply: [reply[place : place + 1] for place in range(len(reply))]),
)


def fuzzed(changes: dict[int, Change]) -> Fault:
    """Return a fault that replaces some of the server's replies, by their number."""
    lock, said = threading.Lock(), [0]

    def packets(reply: bytes) -> Iterable[bytes]:
        with lock:
            number, said[0] = said[0], said[0] + 1
        return changes[number](reply) if number in changes else [reply]

    return Fault("fuzz", "replies with anything", packets=packets)


@settings(max_examples=80)
@given(changes=st.dictionaries(st.integers(0, REPLIES), CHANGES, min_size=1, max_size=4), mlsd=st.booleans())
@example(changes={0: lambda reply: [b"\xff" * 2000]}, mlsd=True)
@example(changes={6: lambda reply: [b"227 (1,2,3,4,5,6,7,8,9)\r\n"]}, mlsd=True)
def test_any_replies_cost_one_poll(changes: dict[int, Change], mlsd: bool) -> None:
    """Nothing but our errors, nothing wrong delivered, within the limit and in bounded memory; then all is well."""
    top = Path(tempfile.mkdtemp(prefix="ftpretrieve-fuzz-"))
    before = psutil.Process().memory_info().rss
    try:
        with FaultServer(dict(FILES), mlsd=mlsd, directories=30) as server, Attack(top, server, b"in") as attack:
            server.strike(fuzzed(changes))
            result = attack.poll(LIMIT_SECS, SILENCE_SECS)
            told = result.error is not None or result.failed or result.changing or result.left
            assert result.error is None or isinstance(result.error, FtpRetrieveError)
            assert told or attack.said("LISTING") or sorted(attack.delivered()) == sorted(FILES)
            attack.heal()
    finally:
        shutil.rmtree(top)
    assert psutil.Process().memory_info().rss - before < MEMORY_BYTES
