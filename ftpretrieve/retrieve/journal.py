"""The memory of what was delivered: one SQLite table, whose columns users may query, and its `<table>_meta` beside it.

Theory of operation. A row is one version of one name. It is committed as `staged` with synchronous=FULL *before* its
file is renamed into the sync directory (the intent) and as `delivered` after; a crash in between is settled by recovery
from what lies on disk. All other commits use synchronous=NORMAL: losing the last of them to a power cut repeats work,
never a delivery. WAL lets readers (`status`, `history`) look while the one poller writes.

Must not: decide whether two versions are the same (`decide` does), know anything of FTP, or touch files other than its
own. Whoever writes holds the journal's lock (`lock.FileLock` on `<journal>.<table>.lock`). Times are epoch seconds.
"""

import os
import re
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ftpretrieve.errors import ConfigError, JournalError, StorageError
from ftpretrieve.files import Door
from ftpretrieve.retrieve.records import (
    SECOND,
    Arrived,
    Candidate,
    Clock,
    RemoteFile,
    Staged,
    State,
    Version,
)

KEPT_VERSIONS = 16
"""Versions of one name that stay; older ones could only matter to a server that brings back a very old file."""

PURGE_POLLS = 10
"""Complete listings a name must be missing from, besides the days, before its rows go."""

PURGE_STEP = 1000
"""Rows removed at most in one poll, so that a purge never holds up a delivery."""

NAME_CHUNK = 500
"""Names asked for in one query; SQLite allows 32,766 parameters, beyond a few hundred nothing is gained."""

BUSY_SECS = 10.0
"""How long a locked database is waited for: a backup or a user's query may hold it for a moment."""

SCHEMA: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE {table} (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            directory NOT NULL,
            name NOT NULL,
            version INTEGER NOT NULL,
            size INTEGER NOT NULL DEFAULT -1,
            mtime INTEGER NOT NULL DEFAULT -1,
            utc_stamp INTEGER,
            utc_precision INTEGER NOT NULL DEFAULT 0,
            local_stamp INTEGER,
            local_precision INTEGER NOT NULL DEFAULT 0,
            state TEXT NOT NULL,
            reason TEXT,
            attempts INTEGER NOT NULL DEFAULT 0,
            next_try REAL NOT NULL DEFAULT 0,
            polls_changing INTEGER NOT NULL DEFAULT 0,
            staged BLOB,
            inode INTEGER,
            digest TEXT,
            partial_bytes INTEGER NOT NULL DEFAULT 0,
            sync_path,
            recheck INTEGER NOT NULL DEFAULT 0,
            recheck_failures INTEGER NOT NULL DEFAULT 0,
            first_listed REAL NOT NULL DEFAULT 0,
            looked_at REAL NOT NULL DEFAULT 0,
            delivered_at REAL,
            reported INTEGER NOT NULL DEFAULT 1,
            missing_since REAL,
            missing_polls INTEGER NOT NULL DEFAULT 0,
            UNIQUE (directory, name, version)
        )""",
        "CREATE INDEX {open} ON {table} (state) WHERE state IN ('arrived', 'staged', 'downloading')",
        "CREATE INDEX {unreported} ON {table} (id) WHERE reported = 0",
        "CREATE INDEX {partial} ON {table} (id) WHERE partial_bytes > 0",
        "CREATE INDEX {path} ON {table} (sync_path) WHERE sync_path IS NOT NULL",
        "CREATE INDEX {missing} ON {table} (missing_since) WHERE missing_since IS NOT NULL",
    ),
)
"""Schema steps, oldest first; each is committed together with its record. A later version appends a step."""

COLUMNS: Mapping[str, str] = {
    "id": "number of the row; never used twice",
    "directory": "the remote directory as configured, '' for the login directory",
    "name": "path below it; TEXT when it is valid UTF-8, else BLOB",
    "version": "1, 2, 3 … of that name",
    "size": "bytes; -1 unknown",
    "mtime": "our best UTC for the remote file, epoch seconds; -1 unknown",
    "utc_stamp": "what MLSD or MDTM printed, epoch seconds; NULL when neither did",
    "utc_precision": "seconds that stamp stands for",
    "local_stamp": "what LIST printed, as if it were UTC; NULL when it did not",
    "local_precision": "seconds that stamp stands for: 60, or 86,400 without a time of day",
    "state": "downloading, arrived, staged, delivered, changing, failed, rejected, vanished or seen",
    "reason": "why it is failed, changing, rejected or vanished",
    "attempts": "failures of this version so far",
    "next_try": "not before this time, epoch seconds",
    "polls_changing": "polls that found it still changing",
    "staged": "path of the staged file while it lies there",
    "inode": "of the staged file",
    "digest": "SHA-256 of the content, hexadecimal",
    "partial_bytes": "bytes of an unfinished download that are kept to go on from",
    "sync_path": "path below the sync directory",
    "recheck": "1 while the version is to be asked about once more",
    "recheck_failures": "times that failed",
    "first_listed": "when this version was first listed, epoch seconds",
    "looked_at": "when its second look ended, epoch seconds",
    "delivered_at": "when it was confirmed in the sync directory, epoch seconds",
    "reported": "0 until its FILESDOWNLOADED line is written",
    "missing_since": "first complete listing without this name, epoch seconds",
    "missing_polls": "complete listings without it so far",
}
"""What each column means. Stable: users query them."""

_VERSION_COLUMNS = (
    "id, version, size, mtime, utc_stamp, utc_precision, local_stamp, local_precision, state, digest, recheck,"
    " looked_at, first_listed, attempts, next_try, polls_changing, staged, partial_bytes"
)
_TABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def to_column(name: bytes) -> str | bytes:
    """Return a name as the journal stores it: TEXT when it is UTF-8, so that users can read it, else BLOB."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name


def from_column(value: str | bytes) -> bytes:
    """Return the bytes of a stored name."""
    return value.encode("utf-8") if isinstance(value, str) else value


@contextmanager
def _translated(path: Path, doing: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error):
            raise StorageError(f"cannot {doing} in the journal {path}: disk full; free some space there") from error
        raise JournalError(f"cannot {doing} in the journal {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise JournalError(f"cannot {doing} in the journal {path}: {error}; restore it from a backup") from error


class Journal:
    """One table of a journal file. Not for use by more than the thread that opened it."""

    def __init__(self, path: Path, table: str = "files", *, door: Door | None = None, readonly: bool = False) -> None:
        """Open the journal, creating file and table when they are not there (unless `readonly`).

        Raises: JournalError when the file is not a journal, is of a newer schema, or cannot be opened or written.
        """
        if not _TABLE_NAME.fullmatch(table) or table.lower().startswith("sqlite_"):
            raise ConfigError(f"journal_table_name {table!r}: use letters, digits and _, at most 63, not sqlite_…")
        self.path = path
        self._door = door or Door()
        self._name = table
        self._table, self._meta = f'"{table}"', f'"{table}_meta"'
        self._directory: str | bytes = ""
        if readonly and not path.exists():
            raise JournalError(f"no journal at {path}: nothing was ever fetched with this configuration")
        with _translated(path, "open"):
            uri = f"file:{_quoted(path)}?mode={'ro' if readonly else 'rwc'}"
            self._db = sqlite3.connect(uri, uri=True, timeout=BUSY_SECS, isolation_level=None)
        try:
            with _translated(path, "open"):
                if not readonly:
                    os.chmod(path, os.stat(path).st_mode & 0o666 & ~0o022)  # names of files are nobody's to change
                    self._db.execute("PRAGMA journal_mode=WAL")
                    self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.execute("CREATE TEMP TABLE listed (id INTEGER PRIMARY KEY)")
                self._migrate(readonly)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the database; harmless when it is closed already."""
        self._db.close()

    # -- schema and identity ------------------------------------------------------------------------------------

    def _migrate(self, readonly: bool) -> None:
        there = self._db.execute(
            "SELECT count(*) FROM sqlite_master WHERE name IN (?, ?)", (self._name, f"{self._name}_meta")
        ).fetchone()[0]
        if there == 1 or readonly and not there:
            raise JournalError(
                f"{self.path} has no journal in the table {self._name}: "
                "check journal_file_name and journal_table_name, or restore a backup"
            )
        if not there:
            # Together with its first step: killed between the two there would be a journal that nobody can open.
            with self._transaction(durable=True):
                self._db.execute(f"CREATE TABLE {self._meta} (key TEXT PRIMARY KEY, value) WITHOUT ROWID")
                self.set_meta("journal_id", secrets.token_hex(8))
                self._step(1)
        version = int(str(self.meta("schema_version")))
        if version > len(SCHEMA):
            raise JournalError(
                f"{self.path}: the table {self._name} has schema {version}, this program knows {len(SCHEMA)}: "
                "it was written by a newer ftpretrieve; install that one again"
            )
        if readonly:
            return
        for number in range(version + 1, len(SCHEMA) + 1):
            with self._transaction(durable=True):
                self._step(number)

    def _step(self, number: int) -> None:
        names = {key: f'"{self._name}_{key}"' for key in ("open", "unreported", "partial", "path", "missing")}
        for statement in SCHEMA[number - 1]:
            self._db.execute(statement.format(table=self._table, **names))
        self.set_meta("schema_version", number)

    @contextmanager
    def _transaction(self, *, durable: bool = False, doing: str = "write") -> Iterator[None]:
        with _translated(self.path, doing):
            if durable:
                self._db.execute("PRAGMA synchronous=FULL")
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._door.commit(self._db, durable)
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            finally:
                if durable:
                    self._db.execute("PRAGMA synchronous=NORMAL")

    def meta(self, key: str) -> str | int | float | None:
        """Return one value of the meta table, or None."""
        with _translated(self.path, "read"):
            row = self._db.execute(f"SELECT value FROM {self._meta} WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def set_meta(self, key: str, value: str | int | float) -> None:
        """Store one value of the meta table; inside a transaction of the caller, or as one of its own."""
        self._db.execute(f"INSERT OR REPLACE INTO {self._meta} VALUES (?, ?)", (key, value))

    @property
    def journal_id(self) -> str:
        """The random id of this journal's table; it begins the name of each of its staging sessions."""
        return str(self.meta("journal_id"))

    def bind(self, host: str, port: int, user: str, *, accept_host: bool = False) -> None:
        """Tie the journal to one account on one server, at first use; later another one is a mistake.

        Raises: ConfigError naming both, unless `accept_host`, which ties it to the new one.
        """
        present, before = f"{user}@{host}:{port}", self.meta("account")
        if before == present:
            return
        if before is not None and not accept_host:
            raise ConfigError(
                f"the journal {self.path} (table {self._name}) belongs to {before}, the configuration says {present}: "
                "use another journal_table_name for another server, or start once with --accept-host if it is the same"
            )
        with self._transaction(durable=True):
            self.set_meta("account", present)

    # -- a poll: what is known, what is planned -----------------------------------------------------------------

    def begin_poll(self, directory: bytes) -> None:
        """Choose the remote directory that all following calls speak of and forget what was listed before."""
        self._directory = to_column(directory)
        with _translated(self.path, "read"):
            self._db.execute("DELETE FROM temp.listed")

    def known(self, names: Sequence[bytes]) -> dict[bytes, list[Version]]:
        """Return what the journal holds of these names, and note that they are listed.

        Shape: name -> its versions, newest first; names without any row are absent.
        Raises: JournalError if the file is locked longer than `BUSY_SECS` or damaged.
        """
        found: dict[bytes, list[Version]] = {}
        ids: list[tuple[int]] = []
        with _translated(self.path, "read"):
            for start in range(0, len(names), NAME_CHUNK):
                part = [to_column(name) for name in names[start : start + NAME_CHUNK]]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(
                    f"SELECT name, {_VERSION_COLUMNS} FROM {self._table}"
                    f" WHERE directory = ? AND name IN ({marks}) ORDER BY name, version DESC",
                    (self._directory, *part),
                )
                for name, *values in rows:
                    version = _version(values)
                    found.setdefault(from_column(name), []).append(version)
                    ids.append((version.id,))
            self._db.executemany("INSERT OR IGNORE INTO temp.listed VALUES (?)", ids)
        return found

    def begin(self, candidates: Sequence[Candidate], now: float) -> list[int]:
        """Give each file that is about to be downloaded its row, in state `downloading`, and return the ids in order.

        An unfinished row of the same name is taken over; when it held another version, its attempts and kept bytes are
        forgotten.
        """
        ids = []
        with self._transaction(doing="begin a download"):
            for candidate in candidates:
                row = candidate.version
                values = (*_stamps(candidate.file), State.DOWNLOADING)
                if row is None:
                    ids.append(self._insert(candidate.file.name, values, now))
                    continue
                if not candidate.same:
                    self._db.execute(
                        f"UPDATE {self._table} SET attempts = 0, next_try = 0, partial_bytes = 0, staged = NULL,"
                        " first_listed = ? WHERE id = ?",
                        (now, row.id),
                    )
                self._db.execute(
                    f"UPDATE {self._table} SET size = ?, mtime = ?, utc_stamp = ?, utc_precision = ?,"
                    " local_stamp = ?, local_precision = ?, state = ? WHERE id = ?",
                    (*values, row.id),
                )
                ids.append(row.id)
        return ids

    def _insert(self, name: bytes, values: Sequence[object], now: float) -> int:
        stored = to_column(name)
        cursor = self._db.execute(
            f"INSERT INTO {self._table} (directory, name, version, size, mtime, utc_stamp, utc_precision,"
            f" local_stamp, local_precision, state, first_listed) VALUES (?1, ?2, 1 + coalesce("
            f"(SELECT max(version) FROM {self._table} WHERE directory = ?1 AND name = ?2), 0), ?3, ?4, ?5, ?6, ?7, ?8,"
            " ?9, ?10)",
            (self._directory, stored, *values, now),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def mark_seen(self, candidates: Iterable[Candidate], now: float) -> int:
        """Note versions as `seen`: known from now on, though never fetched by us. Return how many."""
        count = 0
        with self._transaction(durable=True, doing="mark as seen"):
            for candidate in candidates:
                values = (*_stamps(candidate.file), State.SEEN)
                if candidate.version is None:
                    self._insert(candidate.file.name, values, now)
                else:
                    self._db.execute(
                        f"UPDATE {self._table} SET size = ?, mtime = ?, utc_stamp = ?, utc_precision = ?,"
                        " local_stamp = ?, local_precision = ?, state = ?, reason = NULL, staged = NULL,"
                        " partial_bytes = 0, recheck = 0 WHERE id = ?",
                        (*values, candidate.version.id),
                    )
                count += 1
        return count

    def restamp(self, id: int, file: RemoteFile, now: float) -> None:
        """Let a row take the stamp under which its version is listed now; a coarse one is to be asked about again."""
        column = "utc" if file.clock is Clock.UTC else "local"
        with self._transaction():
            self._db.execute(
                f"UPDATE {self._table} SET {column}_stamp = ?, {column}_precision = ?, recheck = ?, looked_at = ?"
                " WHERE id = ?",
                (file.stamp, file.precision, file.precision > SECOND, now, id),
            )

    def supersede(self, id: int, file: RemoteFile, now: float) -> int:
        """End a recheck that found another version under the same listed stamp: give that one a row and return its id.

        One commit: were the recheck ended alone, a crash would leave the rewrite unknown for ever.
        """
        with self._transaction():
            self._db.execute(f"UPDATE {self._table} SET recheck = 0 WHERE id = ?", (id,))
            return self._insert(file.name, (*_stamps(file), State.DOWNLOADING), now)

    # -- a file's way -------------------------------------------------------------------------------------------

    def arrive(self, items: Iterable[Arrived], now: float) -> None:
        """Keep files whose second look did not happen in this session."""
        with self._transaction(durable=True, doing="keep an arrived file"):
            for item in items:
                self._db.execute(
                    f"UPDATE {self._table} SET state = ?, staged = ?, inode = ?, digest = ?, looked_at = ?, size = ?,"
                    " partial_bytes = 0, recheck = ?, utc_stamp = coalesce(?, utc_stamp),"
                    " utc_precision = max(utc_precision, ?) WHERE id = ?",
                    (
                        State.ARRIVED,
                        item.staged,
                        item.inode,
                        item.digest,
                        now,
                        item.received_bytes,
                        not item.wanted.at_rest,
                        *_utc(item.wanted.first),
                        item.wanted.id,
                    ),
                )

    def intend(self, batch: Iterable[Staged], now: float) -> None:
        """Write the intents of a batch, durable when this returns; only then may its files be renamed."""
        with self._transaction(durable=True, doing="write an intent"):
            for item in batch:
                self._db.execute(
                    f"UPDATE {self._table} SET state = ?, staged = ?, inode = ?, digest = ?, size = ?, mtime = ?,"
                    " sync_path = ?, recheck = ?, looked_at = ?, reason = NULL, next_try = 0, partial_bytes = 0,"
                    " utc_stamp = coalesce(?, utc_stamp), utc_precision = max(utc_precision, ?) WHERE id = ?",
                    (
                        State.STAGED,
                        item.staged,
                        item.inode,
                        item.digest,
                        item.size,
                        item.mtime,
                        to_column(item.sync_path),
                        item.recheck,
                        now,
                        *_utc(item.second),
                        item.id,
                    ),
                )

    def move_intent(self, id: int, sync_path: bytes) -> None:
        """Change where a staged row is to be published, before it is."""
        with self._transaction(durable=True, doing="write an intent"):
            self._db.execute(f"UPDATE {self._table} SET sync_path = ? WHERE id = ?", (to_column(sync_path), id))

    def confirm(self, batch: Iterable[Staged], now: float) -> None:
        """Note that these files lie in the sync directory; each waits for its FILESDOWNLOADED line."""
        with self._transaction(doing="confirm a delivery"):
            for item in batch:
                self._db.execute(
                    f"UPDATE {self._table} SET state = ?, staged = NULL, delivered_at = ?, reported = 0, reason = NULL,"
                    " next_try = 0 WHERE id = ?",
                    (State.DELIVERED, now, item.id),
                )
                if item.version > KEPT_VERSIONS:
                    self._db.execute(
                        f"DELETE FROM {self._table} WHERE (directory, name) IN (SELECT directory, name FROM"
                        f" {self._table} WHERE id = ?) AND version <= ? AND reported = 1"
                        " AND state IN ('delivered', 'seen', 'rejected')",
                        (item.id, item.version - KEPT_VERSIONS),
                    )

    def fail(
        self,
        id: int,
        state: State,
        reason: str,
        *,
        attempts: int,
        next_try: float,
        polls_changing: int = 0,
        partial: bytes | None = None,
        partial_bytes: int = 0,
    ) -> None:
        """Note why a version was not delivered in this poll and when it may be tried again."""
        with self._transaction(doing="note a failure"):
            self._db.execute(
                f"UPDATE {self._table} SET state = ?, reason = ?, attempts = ?, next_try = ?, polls_changing = ?,"
                " staged = ?, partial_bytes = ? WHERE id = ?",
                (state, reason, attempts, next_try, polls_changing, partial, partial_bytes, id),
            )

    def defer(self, id: int, reason: str, attempts: int, next_try: float) -> None:
        """Leave a staged row staged: it could not be published now."""
        with self._transaction(doing="note a failure"):
            self._db.execute(
                f"UPDATE {self._table} SET reason = ?, attempts = ?, next_try = ? WHERE id = ?",
                (reason, attempts, next_try, id),
            )

    def rechecked(self, id: int, failures: int | None = None) -> None:
        """End the recheck of a row, or, with `failures`, count a failed one and leave it open."""
        with self._transaction():
            if failures is None:
                self._db.execute(f"UPDATE {self._table} SET recheck = 0 WHERE id = ?", (id,))
            else:
                self._db.execute(f"UPDATE {self._table} SET recheck_failures = ? WHERE id = ?", (failures, id))

    def version_number(self, id: int) -> int:
        """Return which version of its name a row is."""
        row = self._db.execute(f"SELECT version FROM {self._table} WHERE id = ?", (id,)).fetchone()
        return int(row[0])

    def recheck_failures(self, id: int) -> int:
        """Return how often the recheck of a row has failed."""
        row = self._db.execute(f"SELECT recheck_failures FROM {self._table} WHERE id = ?", (id,)).fetchone()
        return int(row[0]) if row else 0

    # -- recovery and reports -----------------------------------------------------------------------------------

    def staged(self, after: int, limit: int) -> list[Staged]:
        """Return open intents of every directory in order of their ids, after one id, a bounded number."""
        with _translated(self.path, "read"):
            rows = self._db.execute(
                "SELECT id, name, version, staged, inode, digest, size, mtime, sync_path, recheck, attempts, next_try"
                f" FROM {self._table} WHERE state = 'staged' AND id > ? ORDER BY id LIMIT ?",
                (after, limit),
            ).fetchall()
        return [_staged(row) for row in rows]

    def arrived(self, id: int) -> tuple[bytes, int, str, int] | None:
        """Return (staged, inode, digest, bytes) of a row that is still `arrived`, else None."""
        with _translated(self.path, "read"):
            row = self._db.execute(
                f"SELECT staged, inode, digest, size FROM {self._table} WHERE id = ? AND state = 'arrived'", (id,)
            ).fetchone()
        return (bytes(row[0]), int(row[1]), str(row[2]), int(row[3])) if row else None

    def sessions_in_use(self) -> set[bytes]:
        """Return the staging sessions that an open row or a kept partial names."""
        with _translated(self.path, "read"):
            rows = self._db.execute(
                f"SELECT DISTINCT staged FROM {self._table} WHERE state IN ('arrived', 'staged')"
                f" UNION SELECT staged FROM {self._table} WHERE partial_bytes > 0"
            ).fetchall()
        return {os.path.basename(os.path.dirname(bytes(row[0]))) for row in rows if row[0] is not None}

    def drop_partials(self, before: float) -> None:
        """Forget kept beginnings of downloads that were last listed as new before a time."""
        with self._transaction():
            self._db.execute(
                f"UPDATE {self._table} SET staged = NULL, partial_bytes = 0 WHERE partial_bytes > 0 AND state <>"
                " 'arrived' AND state <> 'staged' AND (first_listed < ? OR missing_polls > 0)",
                (before,),
            )

    def make_durable(self) -> None:
        """Make the journal durable now: what follows removes files that rows no longer name."""
        with self._transaction(durable=True):
            # SQLite syncs nothing for a transaction that changed nothing (measured), nor for an equal value.
            self.set_meta("made_durable", int(str(self.meta("made_durable") or 0)) + 1)

    def unreported(self, limit: int) -> list[tuple[int, bytes, int | None, bytes]]:
        """Return deliveries without their FILESDOWNLOADED line: (id, sync path, mtime, name), oldest first."""
        with _translated(self.path, "read"):
            rows = self._db.execute(
                f"SELECT id, sync_path, mtime, name FROM {self._table} WHERE reported = 0 ORDER BY id LIMIT ?", (limit,)
            ).fetchall()
        return [(id, from_column(path), None if m < 0 else m, from_column(name)) for id, path, m, name in rows]

    def mark_reported(self, ids: Iterable[int]) -> None:
        """Note that the FILESDOWNLOADED lines of these rows are written."""
        with self._transaction(doing="note a report"):
            self._db.executemany(f"UPDATE {self._table} SET reported = 1 WHERE id = ?", ((id,) for id in ids))

    def other_directory_holds(self, sync_path: bytes, id: int, *, lies_there: bool) -> bool:
        """Say whether a version from another remote directory is about to be published to this sync path, or, when
        something lies there, was the last one delivered to it."""
        with _translated(self.path, "read"):
            row = self._db.execute(
                f"SELECT directory <> (SELECT directory FROM {self._table} WHERE id = ?2), state FROM {self._table}"
                " WHERE sync_path = ?1 AND id <> ?2 AND state IN ('staged', 'delivered')"
                " ORDER BY state DESC, delivered_at DESC, id DESC LIMIT 1",
                (to_column(sync_path), id),
            ).fetchone()
        return bool(row and row[0] and (lies_there or row[1] == State.STAGED))

    # -- what is gone from the server ---------------------------------------------------------------------------

    def last_poll(self) -> float | None:
        """Return the wall time of the last poll that ended a listing, or None."""
        value = self.meta("last_poll")
        return None if value is None else float(value)

    def last_listed(self) -> int:
        """Return how many entries the directory had in its last listing, 0 when there was none."""
        return int(str(self.meta(f"listed:{self._directory!r}") or 0))

    def end_listing(self, listed: int, now: float, *, absence_counts: bool, purge_before: float | None) -> None:
        """Close a listing: remember its length, and, only when it is beyond doubt, who is missing from it.

        `purge_before` is the epoch second before which a name must have gone missing to be purged; None: no purge.
        """
        mine = "directory = ? AND id {} IN (SELECT id FROM temp.listed)"
        with self._transaction(doing="close a listing"):
            self.set_meta(f"listed:{self._directory!r}", listed)
            self.set_meta("last_poll", now)
            self._db.execute(
                f"UPDATE {self._table} SET missing_since = NULL, missing_polls = 0"
                f" WHERE missing_since IS NOT NULL AND {mine.format('')}",
                (self._directory,),
            )
            if not absence_counts:
                return
            self._db.execute(
                f"UPDATE {self._table} SET missing_since = coalesce(missing_since, ?),"
                f" missing_polls = missing_polls + 1 WHERE {mine.format('NOT')}",
                (now, self._directory),
            )
            if purge_before is not None:
                self._db.execute(
                    f"DELETE FROM {self._table} WHERE id IN (SELECT id FROM {self._table} WHERE directory = ?"
                    " AND missing_since < ? AND missing_polls >= ? AND reported = 1"
                    " AND state NOT IN ('staged', 'arrived') LIMIT ?)",
                    (self._directory, purge_before, PURGE_POLLS, PURGE_STEP),
                )

    # -- for people ---------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Return how many rows are in each state."""
        with _translated(self.path, "read"):
            return dict(self._db.execute(f"SELECT state, count(*) FROM {self._table} GROUP BY state").fetchall())

    def history(
        self, *, glob: str | None = None, since: float | None = None, state: str | None = None, limit: int = 100
    ) -> list[dict[str, object]]:
        """Return rows as users see them, newest first: all documented columns by name; names are bytes."""
        with _translated(self.path, "read"):
            cursor = self._db.execute(
                f"SELECT {', '.join(COLUMNS)} FROM {self._table}"
                " WHERE (?1 IS NULL OR CAST(name AS TEXT) GLOB CAST(?1 AS TEXT))"
                " AND (?2 IS NULL OR max(coalesce(delivered_at, 0), looked_at, first_listed) >= ?2)"
                " AND (?3 IS NULL OR state = ?3)"
                " ORDER BY coalesce(delivered_at, nullif(looked_at, 0), first_listed) DESC, id DESC LIMIT ?4",
                # As bytes, like the names: a glob from the command line need not be UTF-8 either.
                (None if glob is None else os.fsencode(glob), since, state, limit),
            )
            rows = [dict(zip(COLUMNS, values, strict=True)) for values in cursor]
        for row in rows:
            for column in ("directory", "name", "sync_path", "staged"):
                value = row[column]
                row[column] = from_column(value) if isinstance(value, str | bytes) else None
        return rows

    def check(self) -> list[str]:
        """Return what SQLite's own integrity check complains of; empty when it is sound."""
        with _translated(self.path, "check"):
            found = [str(row[0]) for row in self._db.execute("PRAGMA integrity_check(10)")]
        return [] if found == ["ok"] else found


def _quoted(path: Path) -> str:
    """Quote a path for SQLite's file: URI. Source: sqlite.org, "URI Filenames"."""
    return "".join(
        chr(byte) if byte in b"/._-~" or chr(byte).isalnum() and byte < 128 else f"%{byte:02X}"
        for byte in os.fsencode(path)
    )


def _version(values: Sequence[object]) -> Version:
    row = list(values)
    row[8] = State(str(row[8]))
    row[10] = bool(row[10])
    return Version(*row)  # type: ignore[arg-type]  # the columns are selected in the order of the fields


def _staged(row: Sequence[object]) -> Staged:
    id, name, version, staged, inode, digest, size, mtime, sync_path, recheck, attempts, next_try = row
    return Staged(
        id,  # type: ignore[arg-type]  # the columns have these types: this module alone writes them
        from_column(name),  # type: ignore[arg-type]
        version,  # type: ignore[arg-type]
        bytes(staged),  # type: ignore[call-overload]
        inode,  # type: ignore[arg-type]
        digest,  # type: ignore[arg-type]
        size,  # type: ignore[arg-type]
        mtime,  # type: ignore[arg-type]
        from_column(sync_path),  # type: ignore[arg-type]
        None,
        bool(recheck),
        attempts,  # type: ignore[arg-type]
        next_try,  # type: ignore[arg-type]
    )


def _utc(look: RemoteFile | None) -> tuple[int | None, int]:
    """Return the stamp and precision of a look on the UTC clock, (None, 0) of any other."""
    return (look.stamp, look.precision) if look is not None and look.clock is Clock.UTC else (None, 0)


def _stamps(file: RemoteFile) -> tuple[int, int, int | None, int, int | None, int]:
    """Return size, mtime and the two stamps as their columns hold them."""
    size = -1 if file.size is None else file.size
    if file.stamp is None:
        return size, -1, None, 0, None, 0
    if file.clock is Clock.UTC:
        return size, file.stamp, file.stamp, file.precision, None, 0
    return size, file.stamp, None, 0, file.stamp, file.precision
