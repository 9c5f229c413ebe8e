"""Faults of listings: how they end, which names and kinds they have, and what they say of size and time.

Also of MLST, SIZE and MDTM, which tell of single files.
"""

import re
from collections.abc import Callable, Iterator

from tests.faults import scripts
from tests.faults.conversation import Conversation, Script
from tests.faults.scripts import half, says, sends, silent, third_of_lines
from tests.faults.server import Fault, FaultServer, Rows

EVIL = b"evil"


def listed(script: Script) -> dict[str, Script]:
    return {"MLSD": script, "LIST": script, "NLST": script}


def row(name: bytes, size: int, mlsd: bool, kind: bytes = b"-") -> bytes:
    """Return a row about a name that may not be there."""
    if mlsd:
        types = {b"-": b"file", b"d": b"dir", b"l": b"OS.unix=slink:/etc/passwd", b"p": b"OS.unix=fifo"}
        fact = types.get(kind, b"OS.unix=chr-1/3")
        return b"type=%s;size=%d;modify=20200102030405; %s\r\n" % (fact, size, name)
    return b"%srw-r--r--   1 u g %12d Jan 02  2020 %s\r\n" % (kind, size, name)


def with_row(name: bytes, kind: bytes = b"-", size: int = len(EVIL)) -> Rows:
    """List something more."""
    return lambda server, rows, mlsd: [*rows, row(name, size, mlsd, kind)]


def hostile(name: str, text: str, spelled: bytes | Callable[[FaultServer], bytes]) -> Fault:
    """Return a fault that lists a file that nobody must take, and sends it when asked."""

    def prepare(server: FaultServer) -> None:
        server.put_hostile(spelled(server) if callable(spelled) else spelled, EVIL)

    return Fault(f"name-{name}", text, prepare=prepare)


def odd(name: str, text: str, spelled: bytes) -> Fault:
    """Return a fault that is none: a file with an odd name, to be taken as it is."""
    return Fault(f"name-{name}", text, prepare=lambda server: server.put(spelled, EVIL, "20200102030405"))


NAMES = [
    hostile("up", "lists ../x", b"../x"),
    hostile("up-far", "lists a/../../../x", b"a/../../../x"),
    hostile("absolute", "lists an absolute path", lambda server: server.escape + b"/x"),
    hostile("below", "lists a file in a directory below", b"sub/x"),
    hostile("here", "lists ./x", b"./x"),
    hostile("nul", "lists a name with NUL", b"a\0b"),
    hostile("cr", "lists a name with CR", b"a\rb"),
    hostile("300", "lists a name of 300 bytes", b"n" * 300),
    hostile("own", "lists a name of our own files", b".ftpretrieve-id"),
    hostile("slash", "lists a name that ends in a slash", b"x/"),
    Fault("name-lf", "lists a name with LF", rows=with_row(b"a\nb")),
    Fault("name-command", "lists a name with CR LF and a command", rows=with_row(b"a\r\nDELE a.bin")),
    Fault("name-empty", "lists an empty name", rows=with_row(b"")),
    Fault(
        "name-dots", "lists .. as a file", rows=lambda s, rows, mlsd: [row(b"..", 4, mlsd), row(b".", 4, mlsd), *rows]
    ),
    odd("backslash", "lists ..\\..\\x", b"..\\..\\x"),
    odd("encoded", "lists %2e%2e%2fx", b"%2e%2e%2fx"),
    odd("drive", "lists C:\\x", b"C:\\x"),
    odd("pipe", "lists |touch x", b"|touch x"),
    odd("dash", "lists -rf", b"-rf"),
    odd("tilde", "lists ~root", b"~root"),
    odd("glob", "lists *?[a]", b"*?[a]"),
    odd("quote", "lists '\";$(x)`x`", b"'\";$(x)`x`"),
    odd("blanks", "lists a name with blanks within", b"a  b   c"),
    odd("arrow", "lists a -> b as a file", b"a -> b"),
    odd("semicolon", "lists x; y", b"x; y"),
    odd("escape", "lists a name with ESC", b"\x1b[31mred"),
    odd("latin-1", "lists a name in Latin-1", b"gr\xfcn.txt"),
    odd("no-utf-8", "lists a name in no encoding at all", b"\xc3(\xff\xfe"),
    odd("255", "lists a name of 255 bytes", b"n" * 255),
]

KINDS = [
    Fault("kind-device", "lists a device", rows=with_row(b"null", b"c")),
    Fault("kind-fifo", "lists a FIFO", rows=with_row(b"fifo", b"p")),
    Fault(
        "kind-link",
        "lists a link to /etc/passwd",
        rows=lambda s, rows, mlsd: [*rows, row(b"link" if mlsd else b"link -> /etc/passwd", 11, mlsd, b"l")],
    ),
    Fault("kind-both", "lists a file as a directory too", rows=with_row(b"a.bin", b"d", 4096)),
    Fault("kind-directory", "lists a directory as a file", rows=with_row(b"directory")),
    Fault(
        "kind-itself",
        "lists itself and its parent",
        rows=lambda s, rows, mlsd: [
            b"type=cdir;modify=20200102030405; /in\r\n" if mlsd else b"drwxr-xr-x 2 u g 4096 Jan 02  2020 .\r\n",
            b"type=pdir;modify=20200102030405; /\r\n" if mlsd else b"drwxr-xr-x 2 u g 4096 Jan 02  2020 ..\r\n",
            *rows,
        ],
    ),
]


def resized(change: Callable[[int], bytes]) -> Rows:
    """Let rows tell other sizes."""

    def rows_with_size(server: FaultServer, rows: list[bytes], mlsd: bool) -> Iterator[bytes]:
        pattern = rb"(?<=size=)\d+" if mlsd else rb"(?<= u g )\s*\d+"
        for line in rows:
            yield re.sub(pattern, lambda found: change(int(found[0])).rjust(0 if mlsd else 12), line, count=1)

    return rows_with_size


def retimed(mlsd_time: bytes, list_time: bytes) -> Rows:
    """Let rows tell another time."""

    def rows_with_time(server: FaultServer, rows: list[bytes], mlsd: bool) -> Iterator[bytes]:
        for line in rows:
            if mlsd:
                yield re.sub(rb"modify=\d+", b"modify=" + mlsd_time, line, count=1)
            else:
                yield re.sub(rb"[A-Z][a-z]{2} \d\d (\d\d:\d\d| \d{4})", list_time, line, count=1)

    return rows_with_time


def another_time_each_time(server: FaultServer, rows: list[bytes], mlsd: bool) -> list[bytes]:
    minute = b"%02d" % (server.listings % 60)
    return list(retimed(b"2020010203" + minute + b"05", b"Jan 02 03:" + minute)(server, rows, mlsd))


def plain(change: Callable[[bytes], bytes]) -> Rows:
    """Change every row."""
    return lambda server, rows, mlsd: [change(line) for line in rows]


def different_twice(server: FaultServer, rows: list[bytes], mlsd: bool) -> list[bytes]:
    """List every file once more, with another size."""
    return [*rows, *resized(lambda size: b"%d" % (size + 7))(server, rows, mlsd)]


SIZES = [
    Fault("size-larger", "lists all files larger", rows=resized(lambda size: b"%d" % (size + 1000))),
    Fault("size-smaller", "lists all files smaller", rows=resized(lambda size: b"%d" % (size - 1000))),
    Fault("size-zero", "lists all files as empty", rows=resized(lambda size: b"0")),
    Fault("size-negative", "lists negative sizes", rows=resized(lambda size: b"-1")),
    Fault("size-huge", "lists sizes of 2**64 and more", rows=resized(lambda size: b"%d" % 2**65)),
    Fault("size-garbage", "lists sizes that are none", rows=resized(lambda size: b"many")),
    Fault(
        "size-missing",
        "lists no sizes",
        rows=lambda s, rows, mlsd: [re.sub(rb"size=\d+;", b"", line) if mlsd else line for line in rows],
    ),
    Fault("time-wrong", "lists another time than MLST and MDTM tell", rows=retimed(b"20210102030405", b"Jan 02  2021")),
    Fault("time-future", "lists times in 2099", rows=retimed(b"20990102030405", b"Jan 02  2099")),
    Fault("time-1970", "lists times of 1970", rows=retimed(b"19700101000000", b"Jan 01  1970")),
    Fault("time-garbage", "lists 30 February", rows=retimed(b"20200230120000", b"Feb 30 12:00")),
    Fault(
        "time-missing",
        "lists no times",
        rows=lambda s, rows, mlsd: [re.sub(rb"modify=\d+;", b"", line) if mlsd else line for line in rows],
    ),
    Fault("time-restless", "lists other times each time", rows=another_time_each_time),
]

LISTING = [
    Fault("list-empty", "lists nothing, 226", listed(sends(lambda body: b""))),
    Fault("list-450-empty", "says that there are no files", listed(says("450 No files found"))),
    Fault("list-550", "refuses to list", listed(says("550 permission denied"))),
    Fault("list-421", "hangs up at the listing", listed(scripts.says_and_closes("421 bye"))),
    Fault("list-before-data", "is silent after MLSD or LIST", listed(silent)),
    Fault("list-mid-data", "sends half of a listing, then nothing", listed(scripts.hangs_after(half))),
    Fault("list-no-226", "sends the whole listing and closes it, but no reply follows", listed(sends(ending=None))),
    Fault("list-third-226", "cuts a listing between rows, 226", listed(sends(third_of_lines))),
    Fault("list-torn-226", "cuts a listing within a name, 226", listed(sends(lambda body: body[:-4]))),
    Fault("list-torn-426", "cuts a listing within a name, 426", listed(sends(lambda body: body[:-4], "426 cut"))),
    Fault("list-451", "lists all and says 451", listed(sends(ending="451 read error"))),
    Fault("list-reset", "resets in the middle of a row", listed(sends(half, "426 cut", reset=True))),
    Fault(
        "list-capped",
        "cuts a listing and says so in its 226",
        listed(sends(third_of_lines, "226-Options: -l\r\n226 Output truncated to 10000 matches")),
    ),
    Fault(
        "list-unable",
        "lists nothing and says so in its 226",
        listed(sends(lambda body: b"", "226-Sorry, we were unable to read [.]\r\n226 0 matches total")),
    ),
    Fault("list-drop", "closes both connections in the middle of a row", listed(sends(half, ""))),
    Fault("list-slow", "lists ten bytes a second", listed(scripts.drips(0.1))),
    Fault(
        "list-endless",
        "lists without end",
        listed(scripts.endless(row(b"endless", 4, True) + row(b"endless", 4, False))),
    ),
    Fault("list-endless-line", "lists a line without end", listed(scripts.endless(b"x" * 65536))),
    Fault("list-twice", "lists every file twice", rows=lambda s, rows, mlsd: rows * 2),
    Fault("list-different", "lists every file twice, with two sizes", rows=different_twice),
    Fault("list-bare-lf", "ends rows with LF alone", rows=plain(lambda line: line.replace(b"\r\n", b"\n"))),
    Fault("list-no-end", "leaves out the last line end", listed(sends(lambda body: body.removesuffix(b"\r\n")))),
    Fault(
        "list-blank-lines",
        "has blank lines and a total",
        rows=lambda s, rows, mlsd: [b"\r\n", *([] if mlsd else [b"total 12\r\n"]), *rows, b"\r\n"],
    ),
    Fault(
        "list-junk",
        "has lines nobody can read",
        rows=lambda s, rows, mlsd: [b"hello world, this is no listing\r\n", *rows, bytes(range(14, 256)) + b"\r\n"],
    ),
    Fault("list-html", "lists a web page", listed(sends(lambda body: b"<html><body>403</body></html>\r\n"))),
    Fault("list-utf-16", "lists in UTF-16", listed(sends(lambda body: body.decode("latin-1").encode("utf-16")))),
    Fault("list-error-row", "lists an error message", listed(sends(lambda body: b"ls: .: Permission denied\r\n"))),
]


def list_rows(talk: Conversation, argument: str) -> bool | None:
    """Answer MLSD with what LIST says."""
    talk.verb = "LIST"
    return talk.proceed(argument)


def tells(verb: str, change: Callable[[str], str]) -> dict[str, Script]:
    """Let the reply to SIZE or MDTM be another."""

    def script(talk: Conversation, argument: str) -> None:
        body, modify = talk.server.files.get(talk.name(argument), (b"", ""))
        talk.reply("213 " + change(str(len(body)) if verb == "SIZE" else modify) if modify else "550 no such file")

    return {verb: script}


def mlst(facts: str) -> dict[str, Script]:
    """Let MLST tell this."""
    return {"MLST": lambda talk, name: talk.reply("250-Listing\r\n " + facts.format(name=name) + "\r\n250 End")}


MLSD = [
    Fault("mlsd-500", "announces MLSD and does not know it", {"MLSD": says("500 what?")}),
    Fault("mlsd-550", "announces MLSD and refuses it", {"MLSD": says("550 no")}),
    Fault("mlsd-nothing", "announces MLSD and lists nothing by it", {"MLSD": sends(lambda body: b"")}),
    Fault("mlsd-list", "answers MLSD with the rows of LIST", {"MLSD": list_rows}),
    Fault("mlsd-paths", "lists whole paths by MLSD", rows=plain(lambda line: line.replace(b"; ", b"; /in/", 1))),
    Fault(
        "mlsd-case",
        "spells facts in capitals, without type's case",
        rows=plain(lambda line: line.replace(b"type=file;size=", b"TYPE=FILE;SIZE=").replace(b"modify=", b"Modify=")),
    ),
    Fault("mlsd-untyped", "leaves out the type", rows=plain(lambda line: line.replace(b"type=file;", b""))),
    Fault(
        "mlsd-fraction",
        "lists fractions of seconds",
        rows=plain(lambda line: re.sub(rb"(modify=\d+)", rb"\1.123", line)),
    ),
    Fault("mlst-550", "refuses MLST", {"MLST": says("550 no")}),
    Fault("mlst-500", "does not know MLST", {"MLST": says("500 what?")}),
    Fault("mlst-other", "tells of another file", mlst("type=file;size=1;modify=20200102030405; other.bin")),
    Fault("mlst-size", "tells another size by MLST", mlst("type=file;size=999;modify=20200102030405; {name}")),
    Fault("mlst-time", "tells another time by MLST", mlst("type=file;size=300000;modify=20210102030405; {name}")),
    Fault("mlst-directory", "calls files directories in MLST", mlst("type=dir;modify=20200102030405; {name}")),
    Fault("mlst-garbage", "answers MLST with garbage", {"MLST": says("250 ok")}),
    Fault("look-silent", "is silent after MLST and SIZE", {"MLST": silent, "SIZE": silent}),
    Fault("size-lies", "tells another size by SIZE", tells("SIZE", lambda size: str(int(size) + 10))),
    Fault("size-550", "refuses SIZE", {"SIZE": says("550 not in ASCII")}),
    Fault("size-words", "answers SIZE with words", {"SIZE": says("213 many")}),
    Fault("mdtm-lies", "tells another time by MDTM", tells("MDTM", lambda time: "2021" + time[4:])),
    Fault("mdtm-550", "refuses MDTM", {"MDTM": says("550 no")}),
    Fault("mdtm-words", "answers MDTM with words", {"MDTM": says("213 yesterday")}),
    Fault("mdtm-19100", "tells years as 19100", tells("MDTM", lambda time: "191" + time[2:])),
]

HOUR_SECS = 3600


def shifted(secs: int) -> Callable[[FaultServer], None]:
    def prepare(server: FaultServer) -> None:
        server.shift_secs = secs

    return prepare


def without_mlsd(server: FaultServer) -> None:
    server.mlsd = False


TIME = [
    Fault("clock-hour", "its clock is an hour further, between polls", prepare=shifted(HOUR_SECS)),
    Fault("clock-day", "its clock is a day further, between polls", prepare=shifted(24 * HOUR_SECS)),
    Fault("clock-zone", "its zone is another, six hours west, between polls", prepare=shifted(-6 * HOUR_SECS)),
    Fault("mlsd-off", "has no MLSD any more, between polls", prepare=without_mlsd),
]
