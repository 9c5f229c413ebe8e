"""Faults of the connection, the greeting, the login, and the commands before any data."""

from collections.abc import Iterator

from tests.faults.conversation import Conversation
from tests.faults.scripts import floods, late, raw, resets, says, says_and_closes, says_and_goes_on, silent
from tests.faults.server import Fault

TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x28"
MANY_LINES = "\r\n".join(["220-hello"] + [f"220-line {number}" for number in range(60)] + ["220 hi"])


def greets_bytewise(talk: Conversation, _: str) -> None:
    for letter in b"220 a long and very slow welcome to you\r\n":
        talk.sock.sendall(bytes([letter]))
        if talk.server.stopped.wait(0.25):
            return


def echoes_password(talk: Conversation, argument: str) -> None:
    talk.reply(f"530 {argument} is wrong")


def announces_only(talk: Conversation, _: str) -> None:
    """Announce MLST, SIZE and MDTM, none of which is there."""
    talk.server.mlsd = False
    talk.reply("211-Features:\r\n MLST type*;size*;modify*;\r\n SIZE\r\n MDTM\r\n211 End")


def only_one(talk: Conversation, argument: str) -> bool | None:
    if talk.number == 1:
        return talk.proceed(argument)
    talk.reply("421 one connection is enough")
    return False


CONNECT = [
    Fault("port-closed", "nobody listens", prepare=lambda server: server.hang_up()),
    Fault("silent-connect", "never answers a SYN: the backlog is full", prepare=lambda s: s.hang_up(full=True)),
    Fault("close-connect", "accepts and closes", {"GREETING": says_and_closes("")}),
    Fault("reset-connect", "accepts and resets", {"GREETING": resets}),
    Fault("silent-greeting", "accepts and says nothing", {"GREETING": silent}),
    Fault("slow-greeting", "greets one byte at a time", {"GREETING": greets_bytewise}),
    Fault("late-greeting", "greets after a moment", {"GREETING": late(0.3)}),
    Fault("long-greeting", "greets with sixty lines", {"GREETING": says(MANY_LINES)}),
    Fault(
        "nested-greeting", "greets with lines that look like ends", {"GREETING": raw(b"220-a\r\n 220 b\r\n220 c\r\n")}
    ),
    Fault("greeting-120", "wants patience first", {"GREETING": says_and_goes_on("120 ready in a minute")}),
    Fault("greeting-421", "has too many users", {"GREETING": says_and_closes("421 too many users")}),
    Fault("greeting-530", "bars this address", {"GREETING": says_and_closes("530 not from your address")}),
    Fault("greeting-500", "greets with an error", {"GREETING": says("500 what?")}),
    Fault("flood-greeting", "greets without end", {"GREETING": floods(b"220-and so on\r\n" * 1000)}),
    Fault("endless-greeting", "greets with a line that has no end", {"GREETING": floods(b"2" * 65536)}),
    Fault("tls-greeting", "speaks TLS at once", {"GREETING": raw(TLS_ALERT)}),
    Fault("ssh-greeting", "is an SSH server", {"GREETING": raw(b"SSH-2.0-OpenSSH_9.2\r\n")}),
    Fault("http-greeting", "is a web server", {"GREETING": raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")}),
    Fault("garbage-greeting", "greets with any bytes", {"GREETING": raw(bytes(range(256)) * 8 + b"\r\n")}),
]

LOGIN = [
    Fault("silent-user", "is silent after USER", {"USER": silent}),
    Fault("user-230", "needs no password", {"USER": says("230 in")}),
    Fault("user-421", "hangs up at USER", {"USER": says_and_closes("421 too many users")}),
    Fault("user-530", "does not know the user", {"USER": says("530 no")}),
    Fault("user-332", "wants an account", {"USER": says("332 account?")}),
    Fault("reply-flood", "answers USER with a reply that has no end", {"USER": floods(b"230-and so on\r\n" * 1000)}),
    Fault("silent-pass", "is silent after PASS", {"PASS": silent}),
    Fault("pass-530", "does not take the password", {"PASS": says("530 Login incorrect.")}),
    Fault(
        "pass-530-limit",
        "has too many clients already",
        {"PASS": says_and_closes("530 Sorry, the maximum number of clients (5) for this user are already connected.")},
    ),
    Fault("pass-421", "hangs up at PASS", {"PASS": says_and_closes("421 try later")}),
    Fault("pass-close", "closes at PASS without a word", {"PASS": says_and_closes("")}),
    Fault("pass-echo", "refuses and repeats the password", {"PASS": echoes_password}),
    Fault("pass-332", "wants an account after PASS", {"PASS": says("332 account?")}),
    Fault("pass-202", "finds PASS superfluous", {"PASS": says("202 not needed")}),
    Fault("pass-lines", "welcomes with sixty lines", {"PASS": says(MANY_LINES.replace("220", "230"))}),
    Fault("pass-late", "thinks about the password", {"PASS": late(0.3)}),
    Fault("one-connection", "refuses every further connection (421)", {"GREETING": only_one}),
]


def bytewise(line: bytes) -> Iterator[bytes]:
    for letter in line:
        yield bytes([letter])


def in_lines(line: bytes) -> list[bytes]:
    if line[3:4] == b"-":
        return [line]
    return [line[:3] + b"-several lines\r\n  and one more\r\n" + line]


def without_text(line: bytes) -> list[bytes]:
    tells_something = line[3:4] == b"-" or line[:3] in (b"213", b"215", b"227", b"229", b"257")
    return [line if tells_something else line[:3] + b"\r\n"]


COMMANDS = [
    Fault("feat-500", "does not know FEAT", {"FEAT": says("500 what?")}),
    Fault("feat-530", "refuses FEAT", {"FEAT": says("530 no")}),
    Fault("feat-421", "hangs up at FEAT", {"FEAT": says_and_closes("421 bye")}),
    Fault("feat-silent", "is silent after FEAT", {"FEAT": silent}),
    Fault("feat-empty", "has no features", {"FEAT": says("211 none")}),
    Fault(
        "feat-garbled",
        "spells features oddly",
        {"FEAT": says("211-\r\nmlst Type*;\r\n\tsize\r\n  mdtm\r\n\r\n211 End")},
    ),
    Fault("feat-flood", "has features without end", {"FEAT": floods(b" SIZE\r\n" * 1000)}),
    Fault(
        "feat-lies",
        "announces MLST, SIZE and MDTM and knows none",
        {"FEAT": announces_only, "SIZE": says("502 no"), "MDTM": says("502 no")},
    ),
    Fault("feat-hides", "does not announce what it knows", {"FEAT": says("211-Features:\r\n UTF8\r\n211 End")}),
    Fault("type-504", "refuses binary transfers", {"TYPE": says("504 ASCII only")}),
    Fault("type-silent", "is silent after TYPE", {"TYPE": silent}),
    Fault("type-garbage", "answers TYPE with garbage", {"TYPE": says("hello")}),
    Fault("cwd-550", "has no such directory", {"CWD": says("550 no such directory")}),
    Fault("cwd-421", "hangs up at CWD", {"CWD": says_and_closes("421 bye")}),
    Fault("cwd-silent", "is silent after CWD", {"CWD": silent}),
    Fault("cwd-200", "answers CWD with 200", {"CWD": says("200 ok")}),
    Fault("pwd-500", "does not know PWD", {"PWD": says("500 what?")}),
    Fault("pwd-garbled", "does not say where one is", {"PWD": says("257 somewhere")}),
    Fault("syst-garbled", "is no system one knows", {"SYST": says("215 \xff\x00?")}),
    Fault("quit-silent", "is silent after QUIT", {"QUIT": silent}),
    Fault("quit-close", "closes at QUIT without a word", {"QUIT": says_and_closes("")}),
    Fault("idle-421", "hangs up after a moment without a command", {"IDLE": says_and_closes("421 idle")}),
    Fault("idle-close", "closes after a moment without a command", {"IDLE": says_and_closes("")}),
    Fault("loses-queue", "reads the first command of each packet and loses the others", {"QUEUE": silent}),
    Fault("replies-in-pieces", "sends replies one byte at a time", packets=bytewise),
    Fault("replies-bare-lf", "ends lines with LF alone", packets=lambda line: [line.replace(b"\r\n", b"\n")]),
    Fault("replies-cr-cr-lf", "ends lines with CR CR LF", packets=lambda line: [line.replace(b"\r\n", b"\r\r\n")]),
    Fault("replies-no-text", "sends codes without a word", packets=without_text),
    Fault("replies-in-lines", "sends every reply in three lines", packets=in_lines),
    Fault("replies-long", "has 3,000 bytes in every reply", packets=lambda line: [line[:-2] + b" x" * 1500 + b"\r\n"]),
    Fault(
        "replies-8bit",
        "has NUL, ESC, Telnet and Latin-1 in replies",
        packets=lambda line: [line[:-2] + b" \x00\x1b[31m\xff\xfb\x01\xe9\r\n"],
    ),
]
