"""What heals by itself at the data centre, and what is waited for in vain: a real daemon, broken on purpose."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from signal import SIGTERM

import psutil
import pytest

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import RemoteUnavailable, SessionExpired
from tests.rsyncd import Rsyncd
from tests.send.node import ID, Node, tree

pytestmark = [pytest.mark.interop, pytest.mark.slow]


def test_it_is_tried_again_with_longer_and_longer_waits(node: Node, centre: Rsyncd) -> None:
    """And told each time; the last error stays."""
    centre.stop()
    us = node.centre(settings=replace(node.settings, retries=7), deadline=Deadline(3600))
    with pytest.raises(RemoteUnavailable, match="code 10.*Connection refused.*'rsync port'"):
        us.statuses([ID])
    assert node.waited == [2, 4, 8, 16, 32, 60, 60]
    assert [text.rpartition("; ")[2] for text in node.heard] == [f"trying again in {secs:g} s" for secs in node.waited]


def test_an_unknown_host_is_tried_again(node: Node) -> None:
    """A name server may be away for a while."""
    us = node.centre(settings=replace(node.settings, server="host.invalid", retries=1))
    with pytest.raises(RemoteUnavailable, match=r"host\.invalid.*'rsync server'"):
        us.statuses([ID])
    assert node.waited == [2]


def test_the_deadline_bounds_the_waits(node: Node, centre: Rsyncd) -> None:
    """What would begin after it is not waited for."""
    centre.stop()
    us = node.centre(
        settings=replace(node.settings, retries=100), deadline=Deadline(20, clock=lambda: sum(node.waited))
    )
    with pytest.raises(RemoteUnavailable):
        us.statuses([ID])
    assert node.waited == [2, 4, 8]


def test_the_deadline_ends_a_push(node: Node) -> None:
    """At once, whatever the server says; and nothing is begun after it."""
    node.put("big", random.Random(1).randbytes(3_000_000))
    us = node.centre(settings=replace(node.settings, bandwidth_kb=100, retries=3), deadline=Deadline(1))
    for _ in range(2):
        with pytest.raises(SessionExpired, match="within 1 s.*'send max duration'"):
            node.send(us)
    assert node.waited == []


@contextmanager
def cutting(target: tuple[str, int], after_bytes: int) -> Iterator[int]:
    """Pass connections on, and cut the first one after so many bytes; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def pump(source: socket.socket, sink: socket.socket, limit: float) -> None:
            with suppress(OSError):
                while limit > 0 and (data := source.recv(65_536)):
                    sink.sendall(data)
                    limit -= len(data)
            for one, how in ((source, socket.SHUT_RD), (sink, socket.SHUT_WR)):  # what is under way still arrives
                with suppress(OSError):
                    one.shutdown(how)

        def serve() -> None:
            limit: float = after_bytes
            with suppress(OSError):  # closed: the test is over
                while True:
                    client, _ = listening.accept()
                    with client, socket.create_connection(target) as server:
                        back = threading.Thread(target=pump, args=(server, client, float("inf")))
                        back.start()
                        pump(client, server, limit)
                        back.join()
                    limit = float("inf")

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_what_was_cut_off_goes_on(node: Node, centre: Rsyncd) -> None:
    """Only what is missing is sent; the part of a file that had come counts as well."""
    content = random.Random(1).randbytes(3_000_000)
    node.put("b.big", content)

    def wait(_: float) -> None:
        psutil.wait_procs(psutil.Process(centre.pid).children(recursive=True))  # so long it keeps what has come

    with cutting((centre.host, centre.port), 2_000_000) as port:
        broken = replace(node.settings, port=port, retries=1)
        sent = node.send(node.centre(settings=broken, wait=wait))
    assert len(node.heard) == 1
    assert sent == {"a.mseed", "b.big", "day/b.mseed"}
    assert tree(centre.incoming / ID) == tree(node.data)
    took = {file.path: file.took for file in centre.received()}
    assert took[f"{ID}/b.big"] < 1_500_000
    assert [file.path for file in centre.received()].count(f"{ID}/a.mseed") == 1


def test_a_server_that_is_shut_down_half_way(node: Node, centre: Rsyncd) -> None:
    """Its session says so with exit code 20, and the next one is served."""
    node.put("big", random.Random(1).randbytes(5_000_000))

    def shut_down(_: str) -> None:
        if not node.heard:
            centre.drop(SIGTERM)

    slow = replace(node.settings, bandwidth_kb=5000, retries=1)
    node.send(node.centre(settings=slow, progress=shut_down))
    assert "trying again in 2 s" in node.heard[0]
    assert tree(centre.incoming / ID) == tree(node.data)


def test_a_server_that_is_full_of_clients(make_rsyncd: Callable[..., Rsyncd], make_node: Callable[..., Node]) -> None:
    """It may have room a little later."""
    node = make_node(make_rsyncd(max_connections=-1), retries=1)
    with pytest.raises(RemoteUnavailable, match=r"max connections.*one more client"):
        node.send()
    assert node.waited == [2]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        yield listening


def test_a_server_that_accepts_and_says_nothing(node: Node, listener: socket.socket) -> None:
    """rsync itself gives up: its --timeout also counts before the greeting."""
    listener.listen()
    silent = replace(node.settings, port=listener.getsockname()[1], timeout_secs=1)
    with pytest.raises(RemoteUnavailable, match="code 30.*'rsync timeout'"):
        node.centre(settings=silent).statuses([ID])


def test_a_server_that_does_not_accept(node: Node, listener: socket.socket) -> None:
    """As behind a firewall that drops: rsync's --contimeout counts."""
    listener.listen(0)
    address = listener.getsockname()
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(address)  # the queue is full now
        silent = replace(node.settings, port=address[1], timeout_secs=1)
        with pytest.raises(RemoteUnavailable, match="code 35.*'rsync timeout'"):
            node.centre(settings=silent).statuses([ID])


def test_a_server_that_falls_silent_half_way(node: Node, centre: Rsyncd) -> None:
    node.put("big", random.Random(1).randbytes(5_000_000))

    def freeze(_: str) -> None:
        for session in psutil.Process(centre.pid).children(recursive=True):
            session.suspend()

    slow = replace(node.settings, timeout_secs=1, bandwidth_kb=1000)
    with pytest.raises(RemoteUnavailable, match="code 30.*'rsync timeout'"):
        node.send(node.centre(settings=slow, progress=freeze))
    centre.drop()
