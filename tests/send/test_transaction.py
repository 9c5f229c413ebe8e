"""The XML of a transaction: names survive, every parser can read it, and what a server sends can do no harm."""

import encodings.aliases
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.dom import minidom
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.send.records import Intent
from ftpretrieve.send.transaction import (
    COMMENT,
    DEPTH,
    LIMIT,
    MOST_PROCESSES,
    TAG_BYTES,
    Process,
    Transaction,
    TransactionError,
    needs_escape,
    new,
    parse,
    to_xml,
)

ANALYSED = Path(__file__).with_name("analysed.xml").read_bytes()
NOTES = "2026/RA/été & neige/notes du 1 mars.txt"
EAST = "2026/RA/XBEN/HHE.D/RA.XBEN.00.HHE.D.2026.060"
NORTH = "2026/RA/XBEN/HHZ.D/RA.XBEN.00.HHZ.D.2026.060"
INTENT = Intent("ABCD1234", "RAP", "/data/x/", "seismic_data_miniseed", 0.0, 1.23456, "digest", 1, 10)
EMPTY = Transaction("A1", 0, "RAP", "seismic_data_miniseed", "", "", "", None)

ANYTHING = st.text(st.characters(exclude_categories=()))  # lone surrogates and control characters too
HOLDABLE = st.text(st.characters(exclude_categories=("Cs",))).filter(lambda text: not needs_escape(text))
SAID = HOLDABLE.map(str.strip)  # comments and dates lose blanks at their ends
NUMBERS = st.none() | st.integers(-999, 999_999_999)
NAMES = st.lists(ANYTHING, max_size=3).map(tuple)
PROCESSES = st.lists(st.builds(Process, HOLDABLE, NUMBERS, NUMBERS, SAID, NAMES), max_size=3).map(tuple)
SIZES = st.none() | st.integers(0, 10**9).map(lambda tenths: tenths / 10_000)
TRANSACTIONS = st.builds(
    Transaction, HOLDABLE, NUMBERS, HOLDABLE, HOLDABLE, SAID, SAID, SAID, SIZES, HOLDABLE, NAMES, PROCESSES
)


def around(name: str, attributes: str = "") -> bytes:
    """Return XML with one name in its list of files, as it stands in the XML."""
    path = f"<relativepath{attributes}>{name}</relativepath>"
    return f"<transaction id='A1' status='0'><filelist>{path}</filelist></transaction>".encode()


def written(*names: str) -> bytes:
    return to_xml(replace(EMPTY, files=names))


# -- what is written ------------------------------------------------------------------------------------------------


def test_a_new_transaction_is_written_as_the_data_centre_expects_it() -> None:
    """Attributes, the order of the elements, dates in UTC, four decimals; this text is the protocol."""
    assert to_xml(new(INTENT, ["a b.mseed", "d/<c>.mseed"], now=86_400.0)).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<transaction id="ABCD1234" status="0" resifnode="RAP" datatype="seismic_data_miniseed">\n'
        "  <comment>data sent to datacentre by client-side application, waiting for processing.</comment>\n"
        "  <datecreated>1970-01-01T00:00:00Z</datecreated>\n"
        "  <lastupdated>1970-01-02T00:00:00Z</lastupdated>\n"
        '  <clientsize unit="gb">1.2346</clientsize>\n'
        "  <filelist>\n"
        "    <relativepath>a b.mseed</relativepath>\n"
        "    <relativepath>d/&lt;c&gt;.mseed</relativepath>\n"
        "  </filelist>\n"
        "</transaction>\n"
    )


def test_processes_are_written_as_the_data_centre_writes_them() -> None:
    """What was read is written with the same elements in the same order."""
    (process,) = ElementTree.fromstring(to_xml(parse(ANALYSED))).findall("process[@id='9']")
    assert process.attrib == {"id": "9", "rank": "3", "returncode": "128"}
    assert [child.tag for child in process] == ["comment", "rejectedfiles"]
    assert [path.text for path in process.iterfind("rejectedfiles/relativepath")] == [NOTES, EAST]


def test_a_new_transaction_says_how_many_names_xml_cannot_hold() -> None:
    """The comment is for the person at the data centre who looks for a file; without such names it is the usual one."""
    assert new(INTENT, ["a", "b\n"], 0.0).comment == COMMENT
    comment = new(INTENT, ["a", "b\x01", "c\udcff"], 0.0).comment
    assert comment == f"{COMMENT} XML cannot hold the names of 2 of the files: see the attribute escaped."


@pytest.mark.parametrize(
    "name", ["a\nb", "a\rb", "a\r\nb", "\ta", " a", "a ", "  ", "\n", "a\x85b", "a\u2028b", "]]>&\"'"]
)
def test_a_name_is_written_so_that_no_parser_changes_it(name: str) -> None:
    """Line ends are normalised and blanks at the ends cut by some parsers, unless they are references."""
    xml = written(name)
    content = re.search(rb"<relativepath>(.*)</relativepath>", xml)
    assert content
    assert content[1] == content[1].strip()
    assert not re.search(rb"[\r\n\t]|\xc2\x85|\xe2\x80\xa8", content[1])
    assert ElementTree.fromstring(xml).findtext("filelist/relativepath") == name
    assert minidom.parseString(xml).getElementsByTagName("relativepath")[0].firstChild.data == name
    assert parse(xml).files == (name,)


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ("a\x00b", r"a\u0000b"),
        ("\x08\x0c\x1b", r"\b\f\u001b"),
        ("\udce9t\udce9.mseed", r"\udce9t\udce9.mseed"),
        ("\ufffe\uffff", r"\ufffe\uffff"),
        ("\\\x01\n", "\\\\\\u0001\n"),
    ],
)
def test_a_name_that_xml_cannot_hold_is_escaped_and_marked(name: str, spelt: str) -> None:
    """Any reader sees the spelling and the mark; our own has the name again."""
    xml = written("other\\name", name)
    plain, marked = ElementTree.fromstring(xml).iterfind("filelist/relativepath")
    assert (plain.text, plain.attrib) == ("other\\name", {})
    assert (marked.text, marked.attrib) == (spelt, {"escaped": "yes"})
    assert parse(xml).files == ("other\\name", name)
    assert needs_escape(name)
    assert not needs_escape("other\\name")


@given(ANYTHING)
def test_any_name_survives(name: str) -> None:
    """Whatever a file is called, the data centre and we speak of the same file."""
    xml = written(name)
    assert parse(xml).files == (name,)
    if not needs_escape(name):
        assert (ElementTree.fromstring(xml).findtext("filelist/relativepath") or "") == name


@given(TRANSACTIONS)
def test_any_transaction_survives(transaction: Transaction) -> None:
    """What is written is read back the same."""
    assert parse(to_xml(transaction)) == transaction


@given(ANYTHING, ANYTHING)
def test_other_texts_never_spoil_the_document(text: str, comment: str) -> None:
    """A comment with control characters is shown with backslashes; the XML stays well-formed."""
    transaction = replace(EMPTY, id=text, comment=comment, processes=(Process(text, 1, 1, comment),))
    root = ElementTree.fromstring(to_xml(transaction))
    assert root.tag == "transaction"
    if not needs_escape(text):
        assert root.get("id") == text


# -- what is read ---------------------------------------------------------------------------------------------------


def test_what_the_data_centre_writes_is_read() -> None:
    """Every value of the example, the processes in the order of the document."""
    assert parse(ANALYSED) == Transaction(
        id="QKSB0427",
        status=8,
        node="OMIV",
        data_type="seismic_data_miniseed",
        comment="analysis finished,\n    see the processes",
        date_created="2026-03-02T06:15:00Z",
        last_updated="2026-03-02T07:48:31Z",
        client_size=1.25,
        unit="gb",
        files=(NORTH, EAST, NOTES),
        processes=(
            Process("7", 2, 1, "overlaps with data that were sent before"),
            Process("3", 1, 0, "checksums and names of files"),
            Process("9", 3, 128, "only data may be archived", (NOTES, EAST)),
        ),
    )


def test_what_is_missing_is_empty_or_none() -> None:
    """An older or terse data centre is no error."""
    assert parse(b"<transaction/>") == Transaction("", None, "", "", "", "", "", None, unit="")
    assert parse(b"<transaction><process/></transaction>").processes == (Process("", None, None),)


@pytest.mark.parametrize("number", ["", "done", "8.0", "1_0", "٨", "9" * 5_000, "0x8"])
def test_a_status_that_is_no_number_is_none(number: str) -> None:
    """No number is guessed, neither for the status nor for what hangs on it."""
    data = f"<transaction status='{number}'><process rank='{number}' returncode='{number}'/></transaction>".encode()
    assert parse(data).status is None
    assert parse(data).processes == (Process("", None, None),)


@pytest.mark.parametrize("size", ["", "much", "nan", "inf", "1e400", "-1", "9" * 400])
def test_a_size_that_is_no_number_is_none(size: str) -> None:
    """JSON knows neither nan nor infinity."""
    assert parse(f"<transaction><clientsize unit='gb'>{size}</clientsize></transaction>".encode()).client_size is None


def test_what_is_not_known_is_passed_over() -> None:
    """Elements and attributes of a later version change nothing, even when they are called like known ones."""
    data = b"""<transaction id="A1" colour="red"><comment>one<b>two</b> three</comment><comment>second</comment>
      <relativepath>x</relativepath><extra><filelist><relativepath>y</relativepath></filelist></extra>
      <filelist><relativepath>z<relativepath>in</relativepath></relativepath></filelist><!-- --><?x y?></transaction>"""
    found = parse(data)
    assert (found.id, found.comment, found.files) == ("A1", "one three", ("z",))


def test_a_name_that_is_not_marked_keeps_its_backslashes() -> None:
    """Only what we have escaped is undone; a name that looks like it is a name."""
    assert parse(around(r"a\u0001\\b")).files == (r"a\u0001\\b",)
    assert parse(around(r"a\u0001\\b\q", ' escaped="yes"')).files == ("a\x01\\b\\q",)
    assert parse(around(r"a\u0001", ' escaped="no"')).files == (r"a\u0001",)


@pytest.mark.parametrize("name", ["utf-8", "UTF-8", "utf8", "utf_8", "utf-16", "iso-8859-1", "iso-8859-15", "cp1252"])
def test_other_encodings_are_read(name: str) -> None:
    """Those that expat knows, single bytes, and the name that Python's XML library gives to UTF-8."""
    text = f"<?xml version='1.0' encoding='{name}'?>\n<transaction id='A1' resifnode='été'/>"
    assert parse(text.encode(name)).node == "été"


def test_a_byte_order_mark_is_no_text() -> None:
    """Editors put one before UTF-8."""
    assert parse(b"\xef\xbb\xbf" + ANALYSED).id == "QKSB0427"


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1, column 1: this is no XML: no element found"),
        (b"@ERROR: chroot failed\n", "line 1, column 1: this is no XML: not well-formed"),
        (b"<transaction>\n  <comment>\n</transaction>", "line 3, column 3: this is no XML: mismatched tag"),
        (ANALYSED[:500], "this is no XML"),
        (b"<transaction/>\n<transaction/>", "line 2, column 1: this is no XML: junk after document element"),
        (b"<transaction id='\xe9'/>", "line 1, column 18: this is no XML: not well-formed"),
        (b"<transaction>&co;</transaction>", "line 1, column 14: this is no XML: undefined entity"),
        (b"<transaction>\x00</transaction>", "line 1, column 14: this is no XML: not well-formed"),
        (b"\n<html><body/></html>", "line 2, column 1: this is no transaction: it begins with <html>"),
        (b"<Transaction/>", "line 1, column 1: this is no transaction: it begins with <Transaction>"),
        (b"<t:transaction xmlns:t='x'/>", "line 1, column 1: this is no transaction: it begins with <t:transaction>"),
    ],
)
def test_what_is_no_transaction_is_refused_by_line_and_column(data: bytes, message: str) -> None:
    """The message says where, so that a person can look."""
    with pytest.raises(TransactionError, match=re.escape(message)):
        parse(data)


def test_an_error_message_shows_little_of_what_it_found() -> None:
    """An element may have a name of megabytes."""
    with pytest.raises(TransactionError, match="begins with <xxx") as caught:
        parse(b"<" + b"x" * 1_000_000 + b"/>")
    assert len(str(caught.value)) < 200


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HARMFUL = {
    "billion laughs": f'<!DOCTYPE t [<!ENTITY l0 "ha">{LAUGHS}]><transaction id="&l9;"/>',
    "quadratic": f'<!DOCTYPE t [<!ENTITY a "{"a" * 100_000}">]><transaction>{"&a;" * 100_000}</transaction>',
    "file": '<!DOCTYPE t [<!ENTITY a SYSTEM "file:///etc/passwd">]><transaction><comment>&a;</comment></transaction>',
    "parameter": '<!DOCTYPE t [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x">%a;]><transaction/>',
    "outside": '<!DOCTYPE t SYSTEM "http://127.0.0.1:9/x.dtd"><transaction/>',
    "public": '<!DOCTYPE t PUBLIC "-//x" "http://127.0.0.1:9/x.dtd"><transaction/>',
    "empty": "<!DOCTYPE transaction><transaction/>",
}


@pytest.mark.parametrize("data", HARMFUL.values(), ids=HARMFUL)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_doctype_is_refused(data: str, encoding: str) -> None:
    """Without one there are no entities: nothing expands, nothing is fetched, no file of ours is read."""
    with pytest.raises(TransactionError, match=r"line 1, column \d+: a DOCTYPE, which no transaction has"):
        parse(data.encode(encoding))


def test_elements_within_elements_are_bounded() -> None:
    """Nothing of a deep document is kept."""
    deepest = b"<a>" * (DEPTH - 1) + b"</a>" * (DEPTH - 1)
    assert parse(b"<transaction id='A1'>" + deepest + b"</transaction>").id == "A1"
    with pytest.raises(TransactionError, match=f"more than {DEPTH} elements within each other"):
        parse(b"<transaction>" + b"<a>" * DEPTH + b"</a>" * DEPTH + b"</transaction>")
    with pytest.raises(TransactionError, match=f"more than {DEPTH} elements within each other"):
        parse(b"<transaction>" + b"<a>" * 10_000_000)


def test_a_tag_is_bounded() -> None:
    """Its attributes take 25 times its bytes in memory, before any handler is called."""
    fits = b"<x " + b" ".join(b'a%d=""' % number for number in range(50_000)) + b"/>"
    assert parse(b'<transaction id="A">' + fits + b"</transaction>").id == "A"
    for begin, piece, end in ((b"<x ", b' a%d=""', b"/>"), (b"<!--", b" %d ", b"-->")):
        pieces = b"".join(piece % number for number in range(300_000))
        with pytest.raises(TransactionError, match=f"a tag of more than {TAG_BYTES} bytes"):
            parse(b"<transaction>" + begin + pieces + end + b"</transaction>")


def test_processes_are_bounded() -> None:
    """There are more in a hostile status than in all honest ones together."""
    begin, end = b"<transaction>", b"</transaction>"
    assert len(parse(begin + b"<process/>" * MOST_PROCESSES + end).processes) == MOST_PROCESSES
    with pytest.raises(TransactionError, match=f"more than {MOST_PROCESSES} processes"):
        parse(begin + b"<process/>" * (MOST_PROCESSES + 1) + end)


def test_what_is_too_large_is_not_even_looked_at() -> None:
    """The size is bounded before the parser sees a byte, to the byte."""
    assert parse(ANALYSED, len(ANALYSED)).id == "QKSB0427"
    with pytest.raises(TransactionError, match=f"larger than {len(ANALYSED) - 1} bytes"):
        parse(ANALYSED, len(ANALYSED) - 1)
    with pytest.raises(TransactionError, match=f"larger than {LIMIT} bytes"):
        parse(bytes(LIMIT + 1))


def test_many_files_are_no_harm() -> None:
    """A long list is a large transaction, not an attack."""
    names = tuple(f"{number:06}" for number in range(100_000))
    assert parse(written(*names)).files == names


def read_or_refusal(data: bytes) -> str:
    """Return the id, or the words that refuse it."""
    try:
        return parse(data).id
    except TransactionError as error:
        return str(error)


def declarations() -> Iterator[str]:
    yield from {*encodings.aliases.aliases.values(), "undefined", "unicode_escape", "idna", "a.b", "x" * 1000}


@pytest.mark.parametrize("name", sorted(declarations()))
@pytest.mark.filterwarnings("ignore")  # of Python's codec unicode_escape
def test_no_declared_encoding_ends_in_another_error(name: str) -> None:
    """Python's codecs raise errors of many kinds for what they cannot do."""
    data = f"<?xml version='1.0' encoding='{name}'?><transaction id='A1'/>".encode()
    found = read_or_refusal(data)
    assert found == "A1" or found.startswith("line 1, column ")


@given(st.binary(max_size=200) | st.lists(st.sampled_from(re.findall(rb"<[^>]*>|[^<]+", ANALYSED))).map(b"".join))
def test_any_bytes_are_a_transaction_or_refused(data: bytes) -> None:
    """No input ends in another error."""
    assert isinstance(read_or_refusal(data), str)
