"""`history` shows what the journal holds: aligned for people, whole and exact for programs."""

import io
import json
import os
from datetime import datetime
from pathlib import Path

import pytest

from ftpretrieve.errors import JournalError
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.history import history, parse_since
from ftpretrieve.retrieve.journal import Journal
from ftpretrieve.retrieve.journal_schema import COLUMNS
from ftpretrieve.retrieve.records import MINUTE, SECOND, Candidate, Clock, Kind, RemoteFile, Staged, State

DAY_SECS = 86_400
NOW = 1_795_205_652.0
LATIN = b"caf\xe9.csv"
NASTY = b"red\x1b[31m\xff.csv"


@pytest.fixture
def conf(tmp_path: Path) -> AppConf:
    (tmp_path / "sync").mkdir()
    path = tmp_path / "ftpretrieve.conf"
    path.write_text(
        "[remote]\nftp_host = 127.0.0.1\nftp_user = u\nftp_password = secret\n"
        "[local]\nftp_local_directory = staging\nsync_directory = sync\njournal_file_name = journal.db\n"
    )
    path.chmod(0o600)
    return AppConf(path)


@pytest.fixture
def journal(conf: AppConf) -> Journal:
    """Hold a delivered file, one that failed a day later, and two with odd names that were only seen."""
    journal = Journal(conf.journal_file_name)
    journal.begin_poll(b"")
    files = [
        RemoteFile(b"a.xml", Kind.FILE, 12, 1_700_000_000, SECOND, Clock.UTC),
        RemoteFile(b"b.xml", Kind.FILE, None, None),
    ]
    first, second = journal.begin([Candidate(file, None) for file in files], NOW)
    staged = Staged(first, b"a.xml", 1, b"/staging/1/1", 7, "d" * 64, 12, 1_700_000_000, b"a.xml")
    journal.intend([staged], NOW)
    journal.confirm([staged], NOW)
    (second,) = journal.begin([Candidate(RemoteFile(b"late.xml", Kind.FILE, 3), None)], NOW + DAY_SECS)
    journal.fail(second, State.FAILED, "550 not today", attempts=2, next_try=NOW + 60)
    odd = [RemoteFile(name, Kind.FILE, 5, 1_600_000_000, MINUTE, Clock.LOCAL) for name in (LATIN, NASTY)]
    journal.mark_seen([Candidate(file, None) for file in odd], NOW - DAY_SECS)
    return journal


def show(conf: AppConf, *, as_json: bool = False, limit: int = 100, **chosen: object) -> list[str]:
    out = io.StringIO()
    arguments = {"name": None, "since": None, "state": None} | chosen
    assert history(conf, limit=limit, as_json=as_json, out=out, **arguments) == 0  # type: ignore[arg-type]
    return out.getvalue().splitlines()


def shown_names(conf: AppConf, **chosen: object) -> list[bytes]:
    return [os.fsencode(json.loads(line)["name"]) for line in show(conf, as_json=True, **chosen)]


def test_each_row_shows_when_it_came_its_state_size_time_name_and_where_it_went(
    conf: AppConf, journal: Journal
) -> None:
    """A delivered row names its path, one that failed its reason; sizes stand to the right."""
    lines = show(conf)
    delivered = next(line for line in lines if " a.xml" in line)
    failed = next(line for line in lines if "late.xml" in line)
    came = datetime.fromtimestamp(NOW).strftime("%Y-%m-%d %H:%M:%S")  # noqa: DTZ006  people read their own time
    assert delivered.startswith(came)
    assert delivered.split()[2:] == ["delivered", "12", "2023-11-14", "22:13:20", "a.xml", "a.xml"]
    assert failed.endswith("550 not today")
    assert lines[0].index("BYTES") + len("BYTES") == delivered.index(" 12 ") + len(" 12")
    assert lines[0].index("STATE") == delivered.index("delivered") == failed.index("failed")


def test_a_name_that_does_not_print_is_escaped_in_the_table(conf: AppConf, journal: Journal) -> None:
    """No byte from a server reaches the terminal as a command."""
    text = "\n".join(show(conf))
    assert "\x1b" not in text
    assert "red\\u001b[31m" in text


def test_json_has_every_documented_column_and_no_other(conf: AppConf, journal: Journal) -> None:
    """Programs may rely on the columns of the journal."""
    rows = [json.loads(line) for line in show(conf, as_json=True)]
    assert all(list(row) == list(COLUMNS) for row in rows)
    assert next(row for row in rows if row["name"] == "a.xml")["delivered_at"] == NOW


def test_names_that_are_not_utf8_survive_json(conf: AppConf, journal: Journal) -> None:
    """`os.fsencode` of what JSON holds is the name, byte for byte."""
    assert {LATIN, NASTY} <= set(shown_names(conf))


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("*.xml", {b"a.xml", b"b.xml", b"late.xml"}),
        ("caf?.csv", {LATIN}),
        ("*.csv", {LATIN, NASTY}),
        (os.fsdecode(LATIN), {LATIN}),
        ("A.xml", set()),
    ],
)
def test_a_glob_matches_names_of_any_bytes(conf: AppConf, journal: Journal, glob: str, found: set[bytes]) -> None:
    """Names that are stored as BLOB match like others, and so does a glob that is not UTF-8 itself."""
    assert set(shown_names(conf, name=glob)) == found


def test_since_and_state_choose_rows_and_limit_takes_the_newest(conf: AppConf, journal: Journal) -> None:
    """The newest row comes first."""
    assert shown_names(conf, limit=1) == [b"late.xml"]
    assert shown_names(conf, since=NOW + 1) == [b"late.xml"]
    assert set(shown_names(conf, state="seen")) == {LATIN, NASTY}


def test_nothing_that_matches_is_no_error(conf: AppConf, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    """Data go to `out`; that there are none is said on stderr."""
    assert show(conf, name="nothing*") == []
    assert "nothing" in capsys.readouterr().err


def test_a_state_that_does_not_exist_is_a_wrong_argument(
    conf: AppConf, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a misspelt check of a monitoring would find nothing wrong for ever."""
    out = io.StringIO()
    assert history(conf, name=None, since=None, state="failled", limit=1, as_json=True, out=out) == 2
    assert "failed" in capsys.readouterr().err
    assert not out.getvalue()


def test_without_a_journal_it_says_so(conf: AppConf) -> None:
    """And makes none: a new journal would be taken for the old one's loss."""
    with pytest.raises(JournalError, match="no journal"):
        show(conf)
    assert not conf.journal_file_name.exists()


def test_a_daemon_may_write_meanwhile(conf: AppConf, journal: Journal) -> None:
    """`history` needs no lock and waits for none: a transaction is open while it reads."""
    with journal.transaction():
        assert len(shown_names(conf)) == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20", datetime(2026, 11, 20)),  # noqa: DTZ001  this machine's time is what is meant
        ("2026-11-20T10:00", datetime(2026, 11, 20, 10)),  # noqa: DTZ001
        ("2026-11-20T10:00+00:00", datetime.fromisoformat("2026-11-20T10:00+00:00")),
        ("2h", datetime.fromtimestamp(NOW - 7200)),  # noqa: DTZ006
        ("3d", datetime.fromtimestamp(NOW - 3 * DAY_SECS)),  # noqa: DTZ006
    ],
)
def test_since_is_a_day_a_time_or_an_age(text: str, expected: datetime) -> None:
    """Without an offset it is the time of this machine."""
    assert parse_since(text, NOW) == expected.timestamp()


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "-2h"])
def test_a_since_that_is_no_time_is_refused_with_what_to_write(text: str) -> None:
    """The message shows the three forms."""
    with pytest.raises(ValueError, match="2026-11-20T10:00"):
        parse_since(text, NOW)
