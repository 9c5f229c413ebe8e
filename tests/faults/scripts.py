"""What faults are made of: scripts that stand in for one command of a conversation."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.faults.conversation import Conversation, Script


def says(reply: str) -> Script:
    """Answer this and nothing else."""
    return lambda talk, _: talk.reply(reply)


def says_and_closes(reply: str) -> Script:
    """Answer this, if anything, and close the connection."""

    def script(talk: Conversation, _: str) -> bool:
        if reply:
            talk.reply(reply)
        return False

    return script


def says_and_goes_on(reply: str) -> Script:
    """Answer this, and then what is right."""

    def script(talk: Conversation, argument: str) -> bool | None:
        talk.reply(reply)
        return talk.proceed(argument)

    return script


def silent(talk: Conversation, _: str) -> None:
    """Answer nothing, for ever."""
    talk.silence()


def late(secs: float) -> Script:
    """Answer what is right after a while."""

    def script(talk: Conversation, argument: str) -> bool | None:
        talk.server.stopped.wait(secs)
        return talk.proceed(argument)

    return script


def floods(block: bytes) -> Script:
    """Send this over and over on the control connection."""

    def script(talk: Conversation, _: str) -> None:
        while not talk.server.stopped.is_set():
            talk.sock.sendall(block)

    return script


def raw(data: bytes) -> Script:
    """Send these bytes on the control connection."""
    return lambda talk, _: talk.sock.sendall(data)


def resets(talk: Conversation, _: str) -> bool:
    """Reset the control connection."""
    talk.reset(talk.sock)
    return False


def sends(
    change: Callable[[bytes], bytes] = lambda body: body, ending: str | None = "226 done", *, reset: bool = False
) -> Script:
    """Send something else than the listing or file, and a reply; see `Conversation.end`."""

    def script(talk: Conversation, argument: str) -> bool | None:
        body = talk.payload(argument)
        return None if body is None else talk.send(change(body), ending, reset=reset)

    return script


def half(body: bytes) -> bytes:
    """Return the first half of a body, not of its lines."""
    return body[: len(body) // 2 + 7]


def third_of_lines(body: bytes) -> bytes:
    """Return the first third of the lines of a body: by its length it can be told from a whole one."""
    lines = body.splitlines(keepends=True)
    return b"".join(lines[: len(lines) // 3])


def hangs_after(change: Callable[[bytes], bytes]) -> Script:
    """Send a part, then nothing, and close nothing."""

    def script(talk: Conversation, argument: str) -> None:
        body = talk.payload(argument)
        if body is None:
            return
        talk.reply("150 here it comes")
        talk.accept().sendall(change(body))
        talk.silence()

    return script


def drips(pause_secs: float, block_bytes: int = 1) -> Script:
    """Send a listing or file a few bytes at a time, from its beginning to its end."""

    def script(talk: Conversation, argument: str) -> None:
        body = talk.payload(argument)
        if body is None:
            return
        talk.reply("150 here it comes")
        data = talk.accept()
        for start in range(0, len(body), block_bytes):
            data.sendall(body[start : start + block_bytes])
            if talk.server.stopped.wait(pause_secs):
                break
        data.close()
        talk.reply("226 done")

    return script


def endless(block: bytes) -> Script:
    """Send this over and over on the data connection."""

    def script(talk: Conversation, _: str) -> None:
        talk.reply("150 here it comes")
        data = talk.accept()
        while not talk.server.stopped.is_set():
            data.sendall(block)

    return script


def no_opening(talk: Conversation, argument: str) -> None:
    """Send the data without the 150 that announces them."""
    body = talk.payload(argument)
    if body is not None:
        talk.stream([body], opening="")
        talk.reply("226 done")


def opening(words: str) -> Script:
    """Announce the data in other words."""

    def script(talk: Conversation, argument: str) -> None:
        body = talk.payload(argument)
        if body is not None:
            talk.stream([body], words)
            talk.reply("226 done")

    return script


def opening_late(talk: Conversation, argument: str) -> None:
    """Send the data first, and 150 and 226 a moment after them."""
    body = talk.payload(argument)
    if body is None:
        return
    talk.stream([body], opening="")
    time.sleep(0.2)
    talk.reply("150 here it comes")
    talk.reply("226 done")


def ending_first(talk: Conversation, argument: str) -> None:
    """Send 226 with the 150, before the data."""
    body = talk.payload(argument)
    if body is None:
        return
    talk.reply("150 here it comes\r\n226 done")
    time.sleep(0.2)
    talk.stream([body], opening="")


def never_closed(talk: Conversation, argument: str) -> None:
    """Send all and a 226, but leave the data connection open."""
    body = talk.payload(argument)
    if body is None:
        return
    talk.reply("150 here it comes")
    talk.accept().sendall(body)
    talk.reply("226 done")


def closed_at_once(talk: Conversation, argument: str) -> None:
    """Close the data connection without a byte."""
    talk.stream([])
    talk.reply("226 done")


def reset_at_once(talk: Conversation, argument: str) -> None:
    """Reset the data connection without a byte."""
    talk.stream([], reset=True)
    talk.reply("426 reset")


def never_accepted(talk: Conversation, argument: str) -> None:
    """Announce data and never open the data connection."""
    talk.reply("150 here it comes")
    talk.silence()
