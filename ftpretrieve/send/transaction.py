"""The XML of a transaction: what announces it to the data centre, and what the data centre says of it.

    <transaction id="ABCD1234" status="0" resifnode="TEST" datatype="seismic_data_miniseed">
      <comment/> <datecreated/> <lastupdated/> <clientsize unit="gb"/>
      <filelist> <relativepath/> ... </filelist>
      <process id="1" rank="1" returncode="0">
        <comment/> <rejectedfiles> <relativepath/> ... </rejectedfiles>
      </process>
    </transaction>

Names of files survive. What a parser may change (line ends, blanks at the ends) is written as references; a name with
characters that no XML 1.0 can hold is written with backslashes and marked `escaped="yes"`, and read back as it was.

What is read comes from a server and may be made to do harm: a DOCTYPE is refused, so there are no entities to expand
and nothing to fetch; size, depth, tags and processes are bounded. Whatever is missing is empty or None, and what is not
known is passed over, so that a newer data centre does not stop an older node. Pure: no input or output, and no
judgement (`verdict`).
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.parsers import expat

from ftpretrieve.errors import FtpRetrieveError
from ftpretrieve.escapes import escape
from ftpretrieve.send.records import Intent, format_date

SENT, RECEIVED, FINISHED, FATAL = 0, 4, 8, 128

STATUS_WORDS = {
    SENT: "sent",
    RECEIVED: "received and being analysed",
    FINISHED: "analysis finished",
    FATAL: "fatal error",
}
"""What the data centre means by the status of a transaction."""

GOOD, WARNING = 0, 1

RETURNCODE_WORDS = {GOOD: "good", WARNING: "warning", FATAL: "fatal"}
"""What it means by the return code of a process."""

LIMIT = 64 * 1024 * 1024
"""Bytes of XML that are read at most: those of some 600,000 files with paths of 70 characters."""

DEPTH = 32
"""Elements within elements: a transaction needs 4."""

MOST_PROCESSES = 10_000
"""Programs of a data centre that may have looked at one transaction: a process of 10 bytes takes 100 in memory."""

TAG_BYTES = 1024 * 1024
"""Of one tag or comment: its attributes are made before anybody can look, and 60 MB of them took 1.6 GB (measured)."""

FED_BYTES = 64 * 1024
"""What the parser gets at once, so that it can be seen how far it has come."""

SHOWN_CHARS = 60
"""Of a foreign word in an error message: an element may have a name of megabytes."""

COMMENT = "data sent to datacentre by client-side application, waiting for processing."
"""What nodes have always written: programs at the data centre may look for it."""


class TransactionError(FtpRetrieveError):
    """What was read is not the XML of a transaction. The message names line and column."""


@dataclass(frozen=True, slots=True)
class Process:
    """What one program of the data centre made of a transaction."""

    id: str
    rank: int | None
    returncode: int | None
    comment: str = ""
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Transaction:
    """What the XML says. Paths are relative to the directory of the transaction at the server; dates are as written."""

    id: str
    status: int | None
    node: str
    data_type: str
    comment: str
    date_created: str
    last_updated: str
    client_size: float | None
    unit: str = "gb"
    files: tuple[str, ...] = ()
    processes: tuple[Process, ...] = ()  # in the order of the document


def new(intent: Intent, files: Sequence[str], now: float) -> Transaction:
    """Return what announces a transaction. `files`: as they lie below its directory (`Intent.remote_path`)."""
    count = sum(map(needs_escape, files))
    note = f" XML cannot hold the names of {count} of the files: see the attribute escaped." if count else ""
    return Transaction(
        id=intent.id,
        status=SENT,
        node=intent.node,
        data_type=intent.data_type,
        comment=COMMENT + note,
        date_created=format_date(intent.started),
        last_updated=format_date(now),
        client_size=round(intent.size_gb, 4),
        files=tuple(files),
    )


# -- writing -----------------------------------------------------------------------------------------------

_IMPOSSIBLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Source: XML 1.0, fifth edition, 2.2, Char."""

_REFERRED = re.compile(r'[&<>"\t\n\r\x7f-\x9f\u2028\u2029]|\A | \Z')
"""Markup, what parsers turn into blanks or line feeds (those of XML 1.1 too), and blanks that some cut off."""

_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def needs_escape(name: str) -> bool:
    """Return whether XML cannot hold the name, not even by references."""
    return _IMPOSSIBLE.search(name) is not None


def to_xml(transaction: Transaction) -> bytes:
    """Write a transaction as XML in UTF-8."""
    size = "" if transaction.client_size is None else f"{transaction.client_size:.4f}"
    attributes = _attributes(
        id=transaction.id,
        status=transaction.status,
        resifnode=transaction.node,
        datatype=transaction.data_type,
    )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<transaction{attributes}>",
        f"  <comment>{_quoted(transaction.comment)}</comment>",
        f"  <datecreated>{_quoted(transaction.date_created)}</datecreated>",
        f"  <lastupdated>{_quoted(transaction.last_updated)}</lastupdated>",
        f"  <clientsize{_attributes(unit=transaction.unit)}>{size}</clientsize>",
        *_listed("  ", "filelist", transaction.files),
    ]
    for process in transaction.processes:
        lines += [
            f"  <process{_attributes(id=process.id, rank=process.rank, returncode=process.returncode)}>",
            f"    <comment>{_quoted(process.comment)}</comment>",
            *_listed("    ", "rejectedfiles", process.rejected),
            "  </process>",
        ]
    return "\n".join([*lines, "</transaction>", ""]).encode()


def _attributes(**values: str | int | None) -> str:
    return "".join(f' {name}="{_quoted(str(value))}"' for name, value in values.items() if value is not None)


def _listed(indent: str, element: str, names: Iterable[str]) -> list[str]:
    return [f"{indent}<{element}>", *(f"{indent}  {_path(name)}" for name in names), f"{indent}</{element}>"]


def _path(name: str) -> str:
    if needs_escape(name):
        doubled = name.replace("\\", "\\\\")
        return f'<relativepath escaped="yes">{_quoted(doubled)}</relativepath>'
    return f"<relativepath>{_quoted(name)}</relativepath>"


def _quoted(text: str) -> str:
    """Return the text as it stands in XML; what is impossible there is spelt with a backslash."""
    possible = _IMPOSSIBLE.sub(lambda found: escape(found[0]), text)
    return _REFERRED.sub(lambda found: _NAMED.get(found[0], f"&#{ord(found[0])};"), possible)


# -- reading -----------------------------------------------------------------------------------------------

_ROOT = "/transaction"
_FILE = "/transaction/filelist/relativepath"
_PROCESS = "/transaction/process"
_PROCESS_COMMENT = "/transaction/process/comment"
_REJECTED = "/transaction/process/rejectedfiles/relativepath"
_SIZE = "/transaction/clientsize"
_SINGLE = {"/transaction/comment", "/transaction/datecreated", "/transaction/lastupdated", _SIZE}
_TEXTS = {*_SINGLE, _FILE, _PROCESS_COMMENT, _REJECTED}
_KNOWN = {_ROOT, _PROCESS, "/transaction/filelist", "/transaction/process/rejectedfiles", *_TEXTS}
_UNKNOWN = "unknown"  # stands for names that may have megabytes; what is below is unknown too, having no slash first

_ESCAPED = re.compile(r"\\(?:[\\bf]|u[0-9a-f]{4})")
_PYTHON_UTF8 = re.compile(rb"""<\?xml[^>]{1,60}encoding=["']utf_?8["']""", re.IGNORECASE)
"""What Python's own XML library writes when asked for `utf8`, a name that expat does not know."""

_INTEGER = re.compile(r"\s*(-?[0-9]{1,9})\s*")
_DECIMAL = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")


def parse(data: bytes, limit_bytes: int = LIMIT) -> Transaction:
    """Read a transaction.

    Raises: TransactionError when it is no XML, no transaction, has a DOCTYPE, is too large or too deep.
    """
    if len(data) > limit_bytes:
        raise TransactionError(f"the transaction is larger than {limit_bytes} bytes, which no transaction is: not read")
    reader = _Reader(expat.ParserCreate("UTF-8" if _PYTHON_UTF8.match(data) else None))
    try:
        for begin in range(0, len(data), FED_BYTES):
            reader.parser.Parse(data[begin : begin + FED_BYTES], False)
            if begin - reader.parser.CurrentByteIndex > TAG_BYTES:
                raise reader.error(f"a tag of more than {TAG_BYTES} bytes, which no transaction has: not read")
        reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        words = expat.ErrorString(error.code) or "error"
        raise TransactionError(f"{_at(error.lineno, error.offset)}: this is no XML: {words}") from error
    except (LookupError, ValueError) as error:  # of Python's codecs, which read what expat does not know
        raise reader.error(f"the encoding cannot be read: {escape(str(error)[:SHOWN_CHARS])}") from error
    return reader.transaction()


@dataclass(slots=True)
class _Reader:
    """Takes what the parser finds. `places`: where we are, one entry an open element."""

    parser: expat.XMLParserType
    places: list[str] = field(default_factory=lambda: [""])
    attributes: dict[str, str] = field(default_factory=dict)  # of the root
    unit: str = ""
    single: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)  # of the text under way
    is_escaped: bool = False
    process: dict[str, str] = field(default_factory=dict)  # attributes of the one under way
    process_comment: str = ""
    rejected: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.StartElementHandler = self._start
        self.parser.CharacterDataHandler = self._take
        self.parser.EndElementHandler = self._end

    def error(self, words: str) -> TransactionError:
        """Return an error at the place where the parser is."""
        return TransactionError(f"{_at(self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber)}: {words}")

    def _refuse_doctype(self, *_: object) -> None:
        raise self.error("a DOCTYPE, which no transaction has, and which may be there to do harm: not read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        place = f"{self.places[-1]}/{name}"
        if len(self.places) == 1 and place != _ROOT:
            raise self.error(f"this is no transaction: it begins with <{escape(name[:SHOWN_CHARS])}>")
        if len(self.places) > DEPTH:
            raise self.error(f"more than {DEPTH} elements within each other, which no transaction has: not read")
        self.places.append(place if place in _KNOWN else _UNKNOWN)
        if place in _TEXTS:
            self.pieces, self.is_escaped = [], attributes.get("escaped") == "yes"
        if place == _ROOT:
            self.attributes = attributes
        elif place == _SIZE:
            self.unit = self.unit or attributes.get("unit", "")
        elif place == _PROCESS:
            self.process, self.process_comment, self.rejected = attributes, "", []

    def _take(self, text: str) -> None:
        if self.places[-1] in _TEXTS:
            self.pieces.append(text)

    def _end(self, _: str) -> None:
        place = self.places.pop()
        text = "".join(self.pieces) if place in _TEXTS else ""
        if place in _SINGLE:
            self.single.setdefault(place, text.strip())
        elif place == _FILE:
            self.files.append(self._name(text))
        elif place == _REJECTED:
            self.rejected.append(self._name(text))
        elif place == _PROCESS_COMMENT:
            self.process_comment = self.process_comment or text.strip()
        elif place == _PROCESS:
            given = self.process
            rank, returncode = _integer(given.get("rank", "")), _integer(given.get("returncode", ""))
            rejected = tuple(self.rejected)
            if len(self.processes) >= MOST_PROCESSES:
                raise self.error(f"more than {MOST_PROCESSES} processes, which no transaction has: not read")
            self.processes.append(Process(given.get("id", ""), rank, returncode, self.process_comment, rejected))

    def _name(self, text: str) -> str:
        return _ESCAPED.sub(lambda found: str(json.loads(f'"{found[0]}"')), text) if self.is_escaped else text

    def transaction(self) -> Transaction:
        """Return what was read."""
        size = self.single.get(_SIZE, "")
        return Transaction(
            id=self.attributes.get("id", ""),
            status=_integer(self.attributes.get("status", "")),
            node=self.attributes.get("resifnode", ""),
            data_type=self.attributes.get("datatype", ""),
            comment=self.single.get("/transaction/comment", ""),
            date_created=self.single.get("/transaction/datecreated", ""),
            last_updated=self.single.get("/transaction/lastupdated", ""),
            client_size=float(size) if _DECIMAL.fullmatch(size) else None,
            unit=self.unit,
            files=tuple(self.files),
            processes=tuple(self.processes),
        )


def _integer(text: str) -> int | None:
    found = _INTEGER.fullmatch(text)
    return int(found[1]) if found else None


def _at(line: int, column: int) -> str:
    return f"line {line}, column {column + 1}"
