"""A deadline counts on the clock it is given, and never gives a time-out that means "do not block"."""

import socket

import pytest

from ftpretrieve.deadline import Deadline


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_remains_shrinks_to_zero_and_never_below():
    """Remaining seconds are counted from the making of the deadline."""
    clock = Clock()
    deadline = Deadline(300, clock)
    clock.now += 299
    assert (deadline.remaining(), deadline.expired) == (1.0, False)
    clock.now += 1
    assert (deadline.remaining(), deadline.expired) == (0.0, True)
    clock.now += 1000
    assert deadline.remaining() == 0.0


def test_at_most_is_the_shorter_of_both():
    """A read waits for its own limit, or for what is left of the session."""
    clock = Clock()
    deadline = Deadline(60, clock)
    assert deadline.at_most(20) == 20
    clock.now += 50
    assert deadline.at_most(20) == 10


def test_an_expired_deadline_still_makes_a_socket_time_out():
    """A time-out of 0 would switch the socket to non-blocking mode, which fails with another error."""
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(Deadline(0).at_most(30))
        with pytest.raises(TimeoutError):
            left.recv(1)


def test_a_deadline_without_limit_gives_usable_time_outs():
    """Infinity is a limit too."""
    deadline = Deadline(float("inf"))
    assert not deadline.expired
    assert deadline.at_most(20) == 20
