"""Faults of the transfer of a file, and files that change while they are fetched."""

from collections.abc import Callable, Iterator

from tests.faults import scripts
from tests.faults.conversation import Conversation, Script
from tests.faults.scripts import half, says, says_and_closes, sends, silent
from tests.faults.server import Fault, FaultServer, content

LATER = "20200102030406"
"""One second later than the time of the files before they change."""

REFUSALS = {
    "421": "is going down",
    "425": "cannot open data",
    "426": "has closed the data",
    "450": "is busy",
    "451": "has a local error",
    "452": "has no room",
    "501": "does not like the name",
    "550": "has no such file",
    "552": "is over quota",
}


def retr(script: Script) -> dict[str, Script]:
    return {"RETR": script}


def drops_control(share: float) -> Script:
    """Send a part of the file and close both connections without a reply."""
    return sends(lambda body: body[: int(len(body) * share)], "")


def of_another_file(server: FaultServer, name: bytes, body: bytes) -> bytes:
    names = sorted(server.files)
    return server.files[names[names.index(name) - 1]][0]


def changes(*, grow: int = 0, when: str = "after") -> Script:
    """Let the file be another one before, in the middle of, or after its transfer; `grow` by so many bytes."""

    def script(talk: Conversation, argument: str) -> bool | None:
        name = talk.name(argument)
        body = talk.server.files.get(name, (b"", ""))[0]
        if not body or len(talk.server.truth[name]) > 1:
            return talk.proceed(argument)
        size = len(body) + grow
        new = (body + content(name, grow, 2)) if grow > 0 else content(name, size, 2)
        if when == "before":
            talk.server.put(name, new, LATER)
            return talk.proceed(argument)
        if when == "torn":
            talk.server.put(name, new, LATER)
            return talk.send(body[: len(body) // 2] + new[len(body) // 2 :])
        result = talk.proceed(argument)
        talk.server.put(name, new, LATER)
        return result

    return script


def vanishes(talk: Conversation, argument: str) -> bool | None:
    """Send the file, which is gone afterwards until it is healed."""
    result = talk.proceed(argument)
    talk.server.hide(talk.name(argument))
    return result


def vanishes_before(talk: Conversation, argument: str) -> bool | None:
    """Let the file be gone when it is asked for."""
    talk.server.hide(talk.name(argument))
    return talk.proceed(argument)


def grows_with_each_listing(server: FaultServer, rows: list[bytes], mlsd: bool) -> list[bytes]:
    """Let every file grow a little, as while it is uploaded."""
    for name, (body, _) in list(server.files.items()):
        new = content(name, len(body) + 1000)
        server.put(name, new, f"202001020304{min(59, 5 + server.listings):02}")
    return [server.row(name, mlsd=mlsd) for name in server.files]


def cut_at_first(talk: Conversation, argument: str) -> bool | None:
    """Cut the transfer after four fifths, but not one that goes on after REST."""
    if talk.resuming:
        return talk.proceed(argument)
    body = talk.payload(argument)
    return None if body is None else talk.send(body[: len(body) * 4 // 5], "")


def resumes(offset: Callable[[int], int]) -> dict[str, Script]:
    """Promise to go on, and do so somewhere else; the first transfer is cut."""

    def rest(talk: Conversation, argument: str) -> None:
        talk.rest, talk.resuming = offset(int(argument)), True
        talk.reply("350 ok")

    return {"RETR": cut_at_first, "REST": rest}


def speaks_meanwhile(reply: str) -> Script:
    """Say something while the data flow."""

    def script(talk: Conversation, argument: str) -> bool | None:
        body = talk.payload(argument)
        if body is None:
            return None

        def blocks() -> Iterator[bytes]:
            yield half(body)
            talk.reply(reply)
            yield body[len(half(body)) :]

        talk.stream(blocks())
        talk.reply("226 done")
        return None

    return script


TRANSFER = [
    Fault("short-226", "sends half of a file and a friendly 226", retr(sends(half))),
    Fault("short-426", "sends half of a file and 426", retr(sends(half, "426 cut"))),
    Fault("short-reset", "sends half of a file and resets, 426", retr(sends(half, "426 cut", reset=True))),
    Fault("short-reset-226", "sends half of a file and resets, 226", retr(sends(half, reset=True))),
    Fault("last-byte", "loses the last byte", retr(sends(lambda body: body[:-1]))),
    Fault("empty-226", "sends nothing and 226", retr(sends(lambda body: b""))),
    Fault("long", "sends more than the listing says, and a friendly 226", retr(sends(lambda body: body + b"more"))),
    Fault("long-by-much", "sends a file twice", retr(sends(lambda body: body * 2))),
    Fault("endless", "sends a file without end", retr(scripts.endless(b"x" * 65536))),
    Fault("slow", "sends ten bytes a second", retr(scripts.drips(0.1))),
    Fault("retr-before-data", "is silent after RETR", retr(silent)),
    Fault("retr-mid-data", "sends half of a file, then nothing", retr(scripts.hangs_after(half))),
    Fault("retr-end-data", "sends a whole file, then nothing", retr(scripts.hangs_after(lambda body: body))),
    Fault("retr-marks", "sends restart marks (110) while data flow", retr(speaks_meanwhile("110 MARK 1 = 2"))),
    Fault("retr-421-meanwhile", "says 421 while data flow, and goes on", retr(speaks_meanwhile("421 down soon"))),
    Fault("retr-no-226", "sends a whole file and closes it, but no reply follows", retr(sends(ending=None))),
    Fault("drop-control", "closes the control connection in the middle of a RETR", retr(drops_control(0.5))),
    Fault("drop-control-after", "closes the control connection after the data, without 226", retr(drops_control(1))),
    Fault("drop-at-retr", "closes the control connection at RETR", retr(says_and_closes(""))),
    *(Fault(f"retr-{code}", text, retr(says(f"{code} {text}"))) for code, text in REFUSALS.items()),
    *(
        Fault(f"after-{code}", f"sends the whole file and then {code}", retr(sends(ending=f"{code} sorry")))
        for code in ("426", "451", "452", "550", "552")
    ),
    Fault("ascii", "sends CR LF for every LF", body=lambda server, name, body: body.replace(b"\n", b"\r\n")),
    Fault("other-file", "sends the content of another file", body=of_another_file),
    Fault("error-in-data", "sends an error message for a file", body=lambda *_: b"ERROR: disk not ready\r\n"),
    Fault(
        "noise-in-front", "sends a line in front of the file", body=lambda server, name, body: b"PHP Notice\n" + body
    ),
    Fault("rest-ignored", "cuts a file and begins anew after REST", resumes(lambda offset: 0)),
    Fault("rest-one-off", "cuts a file and resumes one byte further", resumes(lambda offset: offset + 1)),
    Fault(
        "rest-rounded", "cuts a file and resumes at a multiple of 4096", resumes(lambda offset: offset // 4096 * 4096)
    ),
    Fault("rest-500", "cuts a file and does not know REST", {"RETR": cut_at_first, "REST": says("502 no")}),
    Fault("grows", "the file grows after its transfer", retr(changes(grow=5000))),
    Fault("shrinks", "the file is shorter after its transfer", retr(changes(grow=-500))),
    Fault("rewritten", "the file is rewritten after its transfer", retr(changes())),
    Fault("rewritten-before", "the file is rewritten before its transfer", retr(changes(when="before"))),
    Fault("grows-before", "the file grows before its transfer", retr(changes(grow=5000, when="before"))),
    Fault("torn", "the file is rewritten in the middle of its transfer", retr(changes(when="torn"))),
    Fault("uploading", "every file is longer in each listing", rows=grows_with_each_listing),
    Fault("vanishes", "the file is gone after its transfer", retr(vanishes)),
    Fault("vanishes-before", "the file is gone when it is asked for", retr(vanishes_before)),
]
