"""The journal by itself: what it remembers, what it refuses to open, and what it forgets."""

import os
import sqlite3
import time
from pathlib import Path

import pytest

from ftpretrieve.errors import ConfigError, JournalBusy, JournalError
from ftpretrieve.retrieve.journal import KEPT_VERSIONS, Journal
from ftpretrieve.retrieve.journal_listings import PURGE_POLLS
from ftpretrieve.retrieve.journal_schema import COLUMNS, SCHEMA
from ftpretrieve.retrieve.records import (
    Arrived,
    Candidate,
    Clock,
    Kind,
    RemoteFile,
    Staged,
    State,
    Wanted,
)

NOW = 1_800_000_000.0
DAY_SECS = 86_400


@pytest.fixture
def journal(memory_path: Path) -> Journal:
    journal = Journal(memory_path / "journal.db")
    journal.begin_poll(b"")
    return journal


def file(name: bytes = b"a", size: int | None = 3, stamp: int | None = 1_800_000_000, **other: object) -> RemoteFile:
    return RemoteFile(name, Kind.FILE, size, stamp, 1 if stamp is not None else 0, **other)  # type: ignore[arg-type]


def staged(id: int, name: bytes = b"a", version: int = 1, *, second: RemoteFile | None = None) -> Staged:
    return Staged(id, name, version, b"/staging/s-1/%d" % id, 7, "digest", 3, 1_800_000_000, name, second)


def deliver(journal: Journal, item: RemoteFile, now: float = NOW) -> int:
    """Lead one version from listed to reported; return its row's id."""
    known = journal.known([item.name]).get(item.name, [])
    (id,) = journal.begin([Candidate(item, None, known=tuple(known))], now)
    done = [staged(id, item.name, journal.version_number(id))]
    journal.intend(done, now)
    journal.confirm(done, now)
    journal.mark_reported([id])
    return id


# -- names and columns ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [b"a", "ä".encode(), b"\xff\xfe", b"d/e", b"%s'\";--", b"\x1b[31m", b" ", b"NULL"])
def test_names_are_bytes_and_come_back_exactly(name: bytes, journal: Journal) -> None:
    """TEXT when they are UTF-8, so that users can read them, else BLOB."""
    id = deliver(journal, file(name))
    (version,) = journal.known([name, b"other"])[name]
    assert version.id == id
    (row,) = journal.history()
    assert (row["name"], row["sync_path"]) == (name, name)
    (kind,) = journal.db.execute("SELECT typeof(name) FROM files").fetchone()
    assert kind == ("blob" if name == b"\xff\xfe" else "text")


def test_a_text_and_a_blob_are_not_the_same_name(journal: Journal) -> None:
    deliver(journal, file(b"a"))
    assert journal.known([b"\xffa"]) == {}


def test_every_column_is_documented(journal: Journal) -> None:
    """Users query them."""
    columns = [row[1] for row in journal.db.execute("PRAGMA table_info(files)")]
    assert columns == list(COLUMNS)


def test_more_names_than_fit_into_one_query_are_known(journal: Journal) -> None:
    names = [b"%d" % number for number in range(2000)]
    journal.begin([Candidate(file(name), None) for name in names], NOW)
    assert sorted(journal.known(names)) == sorted(names)


# -- states ---------------------------------------------------------------------------------------------------------


def test_a_version_on_its_way(journal: Journal) -> None:
    """Each step is there for whoever opens the journal next."""
    (id,) = journal.begin([Candidate(file(), None)], NOW)
    wanted = Wanted(id, file(), file(), 0.0, at_rest=False)
    journal.arrive([Arrived(wanted, b"/staging/s-1/1", 3, 7, "digest")], NOW)
    assert journal.arrived(id) == (b"/staging/s-1/1", 7, "digest", 3)
    assert journal.known([b"a"])[b"a"][0].recheck, "it was not at rest"
    assert journal.sessions_in_use() == {b"s-1"}
    journal.intend([staged(id)], NOW)
    assert journal.arrived(id) is None
    assert [item.id for item in journal.staged(0, 10)] == [id]
    assert journal.staged(id, 10) == []
    journal.confirm([staged(id)], NOW)
    assert journal.sessions_in_use() == set()
    assert journal.unreported(10) == [(id, b"a", 1_800_000_000, b"a")]
    journal.mark_reported([id])
    assert journal.unreported(10) == []
    assert journal.counts() == {State.DELIVERED: 1}


def test_an_unfinished_row_is_taken_over_by_another_version(journal: Journal) -> None:
    """What was counted for the old one is forgotten; for the same one it is kept."""
    (id,) = journal.begin([Candidate(file(), None)], NOW)
    journal.fail(id, State.FAILED, "550 no", attempts=4, next_try=NOW + 60, partial=b"/staging/s-1/1", partial_bytes=9)
    (version,) = journal.known([b"a"])[b"a"]
    journal.begin([Candidate(file(), version, same=True)], NOW + 1)
    (same,) = journal.known([b"a"])[b"a"]
    assert (same.id, same.attempts, same.partial_bytes, same.first_listed) == (id, 4, 9, NOW)
    journal.begin([Candidate(file(size=4), version, same=False)], NOW + 2)
    (other,) = journal.known([b"a"])[b"a"]
    assert (other.id, other.attempts, other.next_try, other.partial_bytes) == (id, 0, 0, 0)
    assert (other.size, other.first_listed) == (4, NOW + 2)


def test_a_row_takes_the_better_stamp_of_its_second_look(journal: Journal) -> None:
    """Listed by LIST, looked at by MDTM: both stamps are known afterwards."""
    listed = RemoteFile(b"a", Kind.FILE, 3, 1_800_007_200, 60, Clock.LOCAL)
    (id,) = journal.begin([Candidate(listed, None)], NOW)
    journal.intend([staged(id, second=file(stamp=1_800_000_017))], NOW)
    (version,) = journal.known([b"a"])[b"a"]
    assert (version.local_stamp, version.local_precision) == (1_800_007_200, 60)
    assert (version.utc_stamp, version.utc_precision) == (1_800_000_017, 1)


def test_an_end_of_a_recheck_and_its_new_row_are_one(journal: Journal) -> None:
    """The new version stands before the old one under the same stamp."""
    id = deliver(journal, file())
    journal.db.execute("UPDATE files SET recheck = 1")
    new = journal.supersede(id, file(), NOW)
    versions = journal.known([b"a"])[b"a"]
    assert [(version.id, version.recheck) for version in versions] == [(new, False), (id, False)]


def test_marked_as_seen_is_known(journal: Journal) -> None:
    assert journal.mark_seen([Candidate(file(), None), Candidate(file(b"b"), None)], NOW) == 2
    assert journal.counts() == {State.SEEN: 2}


def test_kept_beginnings_are_forgotten(journal: Journal) -> None:
    """After their time, or when the file is not listed any more."""
    ids = journal.begin([Candidate(file(name), None) for name in (b"a", b"b", b"c")], NOW)
    for id in ids:
        journal.fail(id, State.FAILED, "cut", attempts=1, next_try=0, partial=b"/staging/s-%d/x" % id, partial_bytes=5)
    journal.begin_poll(b"")
    journal.known([b"a", b"b"])
    journal.end_listing(2, NOW, absence_counts=True, purge_before=None)
    journal.drop_partials(NOW - 1)
    assert len(journal.sessions_in_use()) == 2
    journal.drop_partials(NOW + 1)
    assert journal.sessions_in_use() == set()


# -- several directories --------------------------------------------------------------------------------------------


def test_equal_names_of_two_directories_are_two_files(journal: Journal) -> None:
    """And whoever publishes second is told when the first still lies there, or is about to."""
    first = deliver(journal, file())
    journal.begin_poll(b"other")
    assert journal.known([b"a"]) == {}
    (second,) = journal.begin([Candidate(file(), None)], NOW)
    assert journal.other_directory_holds(b"a", second, lies_there=True)
    assert not journal.other_directory_holds(b"a", second, lies_there=False)
    journal.db.execute("UPDATE files SET state = 'staged' WHERE id = ?", (first,))
    assert journal.other_directory_holds(b"a", second, lies_there=False)
    assert not journal.other_directory_holds(b"b", second, lies_there=True)


def test_an_account_is_bound_to_the_journal(journal: Journal) -> None:
    """Another host on the same journal is a mistake that names both."""
    journal.bind("one.example", 21, "user")
    journal.bind("one.example", 21, "user")
    with pytest.raises(ConfigError, match=r"user@one\.example:21.*user@two\.example:21.*--accept-host"):
        journal.bind("two.example", 21, "user")
    journal.bind("two.example", 21, "user", accept_host=True)
    journal.bind("two.example", 21, "user")


# -- what is gone from the server -----------------------------------------------------------------------------------


def listing(journal: Journal, names: list[bytes], now: float, *, counts: bool = True, keep_days: float = 90) -> None:
    journal.begin_poll(b"")
    journal.known(names)
    journal.end_listing(len(names), now, absence_counts=counts, purge_before=now - keep_days * DAY_SECS)


def test_a_row_goes_after_days_and_ten_complete_listings(journal: Journal) -> None:
    """Both: neither many polls in a short time nor a few after a long one."""
    deliver(journal, file())
    deliver(journal, file(b"b"))
    for _ in range(PURGE_POLLS + 5):
        listing(journal, [b"b"], NOW)
    assert sorted(journal.known([b"a", b"b"])) == [b"a", b"b"], "the days are not over"
    listing(journal, [b"b"], NOW + 91 * DAY_SECS)
    assert sorted(journal.known([b"a", b"b"])) == [b"b"]


def test_a_long_time_without_polls_purges_nothing(journal: Journal) -> None:
    deliver(journal, file())
    listing(journal, [], NOW)
    for number in range(PURGE_POLLS - 2):
        listing(journal, [], NOW + 200 * DAY_SECS + number)
    assert sorted(journal.known([b"a"])) == [b"a"]
    listing(journal, [], NOW + 200 * DAY_SECS + 60)
    assert journal.known([b"a"]) == {}


def test_a_doubtful_listing_proves_nothing(journal: Journal) -> None:
    """It does not mark, and what it shows is not missing any more."""
    deliver(journal, file())
    for _ in range(PURGE_POLLS + 1):
        listing(journal, [], NOW, counts=False)
    assert [row["missing_polls"] for row in journal.history()] == [0]
    listing(journal, [], NOW)
    listing(journal, [b"a"], NOW, counts=False)
    assert [row["missing_since"] for row in journal.history()] == [None]


def test_open_and_untold_rows_are_never_purged(journal: Journal) -> None:
    """A staged file would be orphaned, a delivery never told."""
    ids = journal.begin([Candidate(file(name), None) for name in (b"a", b"b")], NOW)
    done = [staged(id, name) for id, name in zip(ids, (b"a", b"b"), strict=True)]
    journal.intend(done, NOW)
    journal.confirm(done[1:], NOW)
    for _ in range(PURGE_POLLS):
        listing(journal, [], NOW)
    listing(journal, [], NOW + 1000 * DAY_SECS)
    assert journal.counts() == {State.STAGED: 1, State.DELIVERED: 1}


def test_the_last_sixteen_versions_of_a_name_stay(journal: Journal) -> None:
    for number in range(KEPT_VERSIONS + 4):
        deliver(journal, file(stamp=1_800_000_000 + number))
    deliver(journal, file(b"b"))
    numbers = [version.number for version in journal.known([b"a"])[b"a"]]
    assert numbers == list(range(KEPT_VERSIONS + 4, 4, -1))
    assert len(journal.known([b"b"])[b"b"]) == 1


def test_ids_are_never_used_twice(journal: Journal) -> None:
    """A staged file's name is made of one."""
    first = deliver(journal, file())
    journal.db.execute("DELETE FROM files")
    assert deliver(journal, file(b"b")) > first


# -- opening --------------------------------------------------------------------------------------------------------


def test_two_tables_in_one_file_know_nothing_of_each_other(memory_path: Path) -> None:
    one, two = (Journal(memory_path / "j.db", table) for table in ("one", "two"))
    for journal in (one, two):
        journal.begin_poll(b"")
    deliver(one, file())
    assert one.journal_id != two.journal_id
    assert two.known([b"a"]) == {}


def test_it_keeps_what_it_knows(memory_path: Path) -> None:
    journal = Journal(memory_path / "j.db")
    journal.begin_poll(b"")
    deliver(journal, file())
    id = journal.journal_id
    journal.close()
    again = Journal(memory_path / "j.db")
    assert (again.journal_id, again.counts(), again.check()) == (id, {State.DELIVERED: 1}, [])


def test_a_file_that_is_no_journal_is_refused(memory_path: Path) -> None:
    path = memory_path / "j.db"
    path.write_bytes(b"this is a text, and no database at all\n" * 100)
    with pytest.raises(JournalError, match=r"j\.db"):
        Journal(path)
    assert path.read_bytes().startswith(b"this is a text")


def test_a_damaged_journal_is_refused(memory_path: Path) -> None:
    journal = Journal(memory_path / "j.db")
    journal.begin_poll(b"")
    journal.begin([Candidate(file(b"%d" % number), None) for number in range(2000)], NOW)
    journal.close()
    with open(memory_path / "j.db", "r+b") as broken:
        for page in range(4, 40):
            broken.seek(page * 4096)
            broken.write(os.urandom(4096))

    def ask() -> None:
        damaged = Journal(memory_path / "j.db")
        damaged.begin_poll(b"")
        damaged.known([b"%d" % number for number in range(2000)])

    with pytest.raises(JournalError, match="restore"):
        ask()


def test_a_newer_schema_is_refused(memory_path: Path) -> None:
    """What it means is not known here; nothing is changed."""
    journal = Journal(memory_path / "j.db")
    with journal.transaction():
        journal.set_meta("schema_version", len(SCHEMA) + 1)
    journal.close()
    with pytest.raises(JournalError, match="newer ftpretrieve"):
        Journal(memory_path / "j.db")


def test_half_a_journal_is_refused(memory_path: Path) -> None:
    """One of its two tables alone: somebody dropped the other, and with it the memory."""
    Journal(memory_path / "j.db").close()
    with sqlite3.connect(memory_path / "j.db") as db:
        db.execute("DROP TABLE files")
    db.close()
    with pytest.raises(JournalError, match="no journal in the table files"):
        Journal(memory_path / "j.db")


@pytest.mark.parametrize("table", ["", "a b", 'a"b', "1a", "sqlite_x", "a" * 64, "files; DROP TABLE files", "ä"])
def test_a_table_name_that_could_be_anything_else_is_refused(table: str, memory_path: Path) -> None:
    with pytest.raises(ConfigError, match="journal_table_name"):
        Journal(memory_path / "j.db", table)


def test_a_reader_creates_nothing_and_writes_nothing(memory_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        Journal(memory_path / "j.db", readonly=True)
    assert list(memory_path.iterdir()) == []
    writer = Journal(memory_path / "j.db")
    writer.begin_poll(b"")
    deliver(writer, file())
    reader = Journal(memory_path / "j.db", readonly=True)
    assert reader.counts() == {State.DELIVERED: 1}
    with pytest.raises(JournalError):
        reader.make_durable()


def test_a_path_with_odd_characters_is_that_path(memory_path: Path) -> None:
    """SQLite is given a URI, in which `?` and `%` mean something else."""
    path = memory_path / "a?mode=memory#%41ä b.db"
    Journal(path).close()
    assert path.exists()


def test_nobody_else_may_write_it(memory_path: Path) -> None:
    """Whoever could would choose what is delivered."""
    Journal(memory_path / "j.db").close()
    assert (memory_path / "j.db").stat().st_mode & 0o022 == 0


def test_a_transaction_is_whole_or_not_at_all(journal: Journal) -> None:
    class Stop(Exception):
        pass

    def begin_and_stop() -> None:
        with journal.transaction():
            journal._insert(b"a", (3, 1, 1, 1, None, 0, State.DOWNLOADING), NOW)
            raise Stop

    with pytest.raises(Stop):
        begin_and_stop()
    assert journal.counts() == {}
    deliver(journal, file())
    assert journal.counts() == {State.DELIVERED: 1}


def test_a_writer_that_holds_the_journal_is_waited_for_and_then_named(
    memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for ever: the message says what could not be done where."""
    monkeypatch.setattr("ftpretrieve.retrieve.journal_file.BUSY_SECS", 0.2)
    journal = Journal(memory_path / "j.db")
    journal.begin_poll(b"")
    other = sqlite3.connect(memory_path / "j.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(JournalBusy, match=r"cannot begin a download in the journal .*locked"):
        journal.begin([Candidate(file(), None)], NOW)
    assert time.monotonic() - began >= 0.2
    other.execute("ROLLBACK")
    other.close()
    journal.begin([Candidate(file(), None)], NOW)
