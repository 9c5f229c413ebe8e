"""What became of a transaction: nothing unknown is ever taken for success, and a person sees every rejected file."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.send.transaction import RETURNCODE_WORDS, STATUS_WORDS, Process, Transaction, parse
from ftpretrieve.send.verdict import VERDICT_WORDS, Verdict, as_data, describe, exit_code, judge, status_in_words

ANALYSED = parse(Path(__file__).with_name("analysed.xml").read_bytes())
CLEAN = replace(ANALYSED, processes=(Process("1", 1, 0), Process("2", 2, 0)))
ANYTHING = st.text(st.characters(exclude_categories=()))


def with_process(returncode: int | None, *rejected: str, status: int | None = 8) -> Transaction:
    """Return a transaction with a good process and this one."""
    return replace(CLEAN, status=status, processes=(*CLEAN.processes, Process("3", 3, returncode, "", rejected)))


VERDICTS = [
    (CLEAN, Verdict.CLEAN),
    (replace(CLEAN, processes=()), Verdict.CLEAN),
    (with_process(1), Verdict.CLEAN),
    (with_process(0, "a"), Verdict.REJECTED),
    (with_process(1, "a"), Verdict.REJECTED),
    (with_process(0, ""), Verdict.REJECTED),
    (with_process(128), Verdict.REJECTED),
    (with_process(2), Verdict.REJECTED),
    (with_process(-1), Verdict.REJECTED),
    (with_process(None), Verdict.REJECTED),
    (with_process(0, status=128), Verdict.FATAL),
    (with_process(128, "a", status=128), Verdict.FATAL),
    (replace(CLEAN, status=0), Verdict.UNFINISHED),
    (with_process(128, "a", status=4), Verdict.UNFINISHED),
    (replace(CLEAN, status=16), Verdict.UNFINISHED),
    (replace(CLEAN, status=-8), Verdict.UNFINISHED),
    (replace(CLEAN, status=None), Verdict.UNFINISHED),
]


@pytest.mark.parametrize(("transaction", "verdict"), VERDICTS)
def test_the_verdict(transaction: Transaction, verdict: Verdict) -> None:
    """Clean is only what is finished, by processes that are all good or only warn, without a rejected file."""
    assert judge(transaction) is verdict


@given(st.none() | st.integers(-999, 999), st.lists(st.none() | st.integers(-2, 200)))
def test_a_number_that_is_not_known_is_never_clean(status: int | None, codes: list[int | None]) -> None:
    """Whatever the data centre may invent later."""
    transaction = replace(CLEAN, status=status, processes=tuple(Process("1", 1, code) for code in codes))
    is_clean = status == 8 and set(codes) <= {0, 1}
    assert (judge(transaction) is Verdict.CLEAN) == is_clean


def test_exit_codes_of_verdicts() -> None:
    """Scripts go by them: 75 means that asking again later may help."""
    assert {str(verdict): exit_code(verdict) for verdict in Verdict} == {
        "clean": 0,
        "rejected": 1,
        "fatal": 1,
        "unfinished": 75,
    }
    assert set(VERDICT_WORDS) == set(Verdict)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "0, sent"),
        (4, "4, received and being analysed"),
        (8, "8, analysis finished"),
        (128, "128, fatal error"),
        (16, "16, unknown"),
        (None, "unknown"),
    ],
)
def test_a_status_in_words(status: int | None, words: str) -> None:
    """A number that is not known is shown as it is."""
    assert status_in_words(replace(CLEAN, status=status)) == words


def test_the_table_for_a_person() -> None:
    """Processes stand in the order of their ranks, and every rejected file is named."""
    assert describe(ANALYSED) == (
        "transaction   QKSB0427\n"
        "node          OMIV\n"
        "data type     seismic_data_miniseed\n"
        "created       2026-03-02T06:15:00Z\n"
        "last updated  2026-03-02T07:48:31Z\n"
        "size          1.25 GB, 3 files\n"
        "status        8, analysis finished\n"
        "comment       analysis finished, see the processes\n"
        "verdict       finished, and not everything was accepted\n"
        "\n"
        "process       3\n"
        "rank          1\n"
        "return code   0, good\n"
        "comment       checksums and names of files\n"
        "rejected      nothing\n"
        "\n"
        "process       7\n"
        "rank          2\n"
        "return code   1, warning\n"
        "comment       overlaps with data that were sent before\n"
        "rejected      nothing\n"
        "\n"
        "process       9\n"
        "rank          3\n"
        "return code   128, fatal\n"
        "comment       only data may be archived\n"
        "rejected      2 files\n"
        "  2026/RA/été & neige/notes du 1 mars.txt\n"
        "  2026/RA/XBEN/HHE.D/RA.XBEN.00.HHE.D.2026.060"
    )


def test_the_table_of_a_transaction_that_says_nothing() -> None:
    """What is missing leaves its place empty, or is called unknown where a number belongs."""
    lines = describe(parse(b"<transaction><process/></transaction>")).splitlines()
    assert lines[0] == "transaction"
    assert "size          unknown, 0 files" in lines
    assert "status        unknown" in lines
    assert "return code   unknown" in lines
    assert all(line == line.rstrip() for line in lines)


def test_processes_without_a_rank_come_last() -> None:
    """They may not have run at all."""
    processes = tuple(Process(str(rank), rank, 0) for rank in (None, 10, -1, 9))
    lines = describe(replace(CLEAN, processes=processes)).splitlines()
    assert [line.split()[1] for line in lines if line.startswith("rank")] == ["-1", "9", "10", "unknown"]


def test_a_rejected_file_without_a_name_is_shown() -> None:
    """An empty line would hide why the verdict is not clean."""
    assert describe(with_process(0, "")).splitlines()[-2:] == ["rejected      1 file", "  (a file without a name)"]


@given(ANYTHING)
def test_no_foreign_text_forges_a_line_or_steers_the_terminal(text: str) -> None:
    """The number of lines depends on the number of values alone, and all of it prints."""
    process = Process(text, None, None, text, (text, os.fsdecode(b"\xff\n")))
    lines = describe(Transaction(text, None, text, text, text, text, text, 1.0, text, (text,), (process,))).split("\n")
    assert len(lines) == 9 + 1 + 5 + 2
    assert all(line.isprintable() for line in lines)


def test_the_data_has_everything() -> None:
    """Numbers with their words, and the paths as they are."""
    assert json.loads(json.dumps(as_data(ANALYSED))) == {
        "id": "QKSB0427",
        "verdict": "rejected",
        "verdict_words": "finished, and not everything was accepted",
        "status": 8,
        "status_words": "analysis finished",
        "node": "OMIV",
        "data_type": "seismic_data_miniseed",
        "comment": "analysis finished,\n    see the processes",
        "date_created": "2026-03-02T06:15:00Z",
        "last_updated": "2026-03-02T07:48:31Z",
        "client_size": 1.25,
        "unit": "gb",
        "files": list(ANALYSED.files),
        "processes": [
            {
                "id": process.id,
                "rank": rank,
                "returncode": code,
                "returncode_words": words,
                "comment": process.comment,
                "rejected_files": list(process.rejected),
            }
            for rank, code, words, process in (
                (1, 0, "good", ANALYSED.processes[1]),
                (2, 1, "warning", ANALYSED.processes[0]),
                (3, 128, "fatal", ANALYSED.processes[2]),
            )
        ],
    }


def test_names_that_are_no_utf8_pass_through_the_data() -> None:
    """A program that reads the JSON has the bytes of the name again."""
    name = os.fsdecode(b"\xe9t\xe9")
    found = json.loads(json.dumps(as_data(replace(CLEAN, files=(name,)))))
    assert os.fsencode(found["files"][0]) == b"\xe9t\xe9"


def test_data_of_what_is_not_known() -> None:
    """Unknown is a word of its own, for status and return code."""
    data = as_data(with_process(77, status=None))
    assert (data["status"], data["status_words"]) == (None, "unknown")
    assert isinstance(data["processes"], list)
    assert (data["processes"][2]["returncode"], data["processes"][2]["returncode_words"]) == (77, "unknown")


def test_the_words_are_those_of_the_protocol() -> None:
    """The numbers are the data centre's."""
    assert set(STATUS_WORDS) == {0, 4, 8, 128}
    assert RETURNCODE_WORDS == {0: "good", 1: "warning", 128: "fatal"}
