"""Faults of the data connection: how it is opened, announced and ended, for listings and files alike."""

from collections.abc import Callable

from tests.faults import scripts
from tests.faults.conversation import Conversation, Script
from tests.faults.scripts import says, says_and_goes_on, sends, silent
from tests.faults.server import Fault


def on_all(script: Script) -> dict[str, Script]:
    """Stand in for every command that has a data connection."""
    return {"MLSD": script, "LIST": script, "NLST": script, "RETR": script}


def passive(reply: Callable[[int], str]) -> dict[str, Script]:
    return {"PASV": lambda talk, _: talk.reply(reply(talk.listen()))}


def own_port(talk: Conversation, _: str) -> None:
    port = talk.server.port
    talk.reply(f"227 ok (127,0,0,1,{port >> 8},{port & 255})")


def own_port_extended(talk: Conversation, _: str) -> None:
    talk.reply(f"229 ok (|||{talk.server.port}|)")


def twice(talk: Conversation, argument: str) -> bool | None:
    talk.reply("150 here it comes")
    return talk.proceed(argument)


def closes_afterwards(talk: Conversation, argument: str) -> bool:
    talk.proceed(argument)
    return False


def bye_afterwards(talk: Conversation, argument: str) -> bool:
    talk.proceed(argument)
    talk.reply("421 idle for too long")
    return False


def ends_and_never_ends(talk: Conversation, argument: str) -> None:
    body = talk.payload(argument)
    if body is None:
        return
    talk.stream([body])
    while not talk.server.stopped.wait(0.1):
        talk.reply("226-and then")


def more_afterwards(reply: str) -> Script:
    def script(talk: Conversation, argument: str) -> bool | None:
        result = talk.proceed(argument)
        talk.reply(reply)
        return result

    return script


def port(number: int) -> str:
    return f"{number >> 8},{number & 255}"


DATA = [
    Fault("pasv-foreign", "names a host nobody reaches", passive(lambda p: f"227 ok (10,255,255,1,{port(p)})")),
    Fault("pasv-nowhere", "names the host 0.0.0.0", passive(lambda p: f"227 ok (0,0,0,0,{port(p)})")),
    Fault("pasv-bare", "leaves out the brackets", passive(lambda p: f"227 ok 127,0,0,1,{port(p)}")),
    Fault("pasv-garbled", "names no port", passive(lambda p: "227 ok (127.0.0.1)")),
    Fault("pasv-port-0", "names port 0", passive(lambda p: "227 ok (127,0,0,1,0,0)")),
    Fault("pasv-port-large", "names port 99999", passive(lambda p: "227 ok (127,0,0,1,390,159)")),
    Fault("pasv-port-closed", "names a port where nobody listens", passive(lambda p: "227 ok (127,0,0,1,0,1)")),
    Fault("pasv-own-port", "names its own control port", {"PASV": own_port, "EPSV": own_port_extended}),
    Fault("pasv-500", "does not know PASV", {"PASV": says("500 what?")}),
    Fault("pasv-425", "has no port", {"PASV": says("425 no port")}),
    Fault("pasv-silent", "is silent after PASV", {"PASV": silent}),
    Fault("epsv-500", "does not know EPSV", {"EPSV": says("500 what?")}),
    Fault("epsv-425", "has no port for EPSV", {"EPSV": says("425 no port")}),
    Fault("epsv-garbled", "names no port in EPSV", {"EPSV": says("229 ok (||x|)")}),
    Fault("epsv-port-0", "names port 0 in EPSV", {"EPSV": says("229 ok (|||0|)")}),
    Fault("epsv-port-closed", "names a closed port in EPSV", {"EPSV": says("229 ok (|||1|)")}),
    Fault("epsv-silent", "is silent after EPSV", {"EPSV": silent}),
    Fault("no-passive", "knows neither PASV nor EPSV", {"PASV": says("502 no"), "EPSV": says("502 no")}),
    Fault("data-close", "closes the data connection at once, 226", on_all(scripts.closed_at_once)),
    Fault("data-reset", "resets the data connection at once, 426", on_all(scripts.reset_at_once)),
    Fault("data-silent", "announces data and never sends them", on_all(scripts.never_accepted)),
    Fault("data-open", "never closes the data connection", on_all(scripts.never_closed)),
    Fault("no-150", "sends data without 150", on_all(scripts.no_opening)),
    Fault("twice-150", "announces data twice", on_all(twice)),
    Fault("opening-125", "announces data by 125", on_all(scripts.opening("125 already open"))),
    Fault("opening-lies", "announces a wrong length", on_all(scripts.opening("150 Opening BINARY (17 bytes)"))),
    Fault("opening-lines", "announces data in three lines", on_all(scripts.opening("150-a\r\n b\r\n150 c"))),
    Fault("opening-200", "announces data by 200", on_all(scripts.opening("200 here it comes"))),
    Fault("late-150", "announces data after they were sent", on_all(scripts.opening_late)),
    Fault("early-226", "says 226 before the data", on_all(scripts.ending_first)),
    Fault("ending-250", "ends with 250", on_all(sends(ending="250 done"))),
    Fault("ending-lines", "ends with three lines", on_all(sends(ending="226-a\r\n226-b\r\n226 c"))),
    Fault("ending-garbage", "ends with garbage", on_all(sends(ending="hello"))),
    Fault("ending-drips", "ends with a reply that goes on and on, a line now and then", on_all(ends_and_never_ends)),
    Fault("ending-twice", "ends with 226 twice", on_all(sends(ending="226 done\r\n226 done"))),
    Fault("out-of-step", "has one reply too many after every file", {"RETR": more_afterwards("226 more")}),
    Fault("extra-226", "ends the last transfer once more before the next", on_all(says_and_goes_on("226 done"))),
    Fault("close-after", "closes after every transfer", on_all(closes_afterwards)),
    Fault("close-after-421", "hangs up after every transfer", on_all(bye_afterwards)),
]
