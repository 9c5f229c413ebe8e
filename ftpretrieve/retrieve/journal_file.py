"""One SQLite file as a journal: opening, schema, transactions, and what people ask it.

Must not: know what a poll does with it (`journal` does), or touch files other than the database.
"""

import os
import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftpretrieve.errors import ConfigError, JournalBusy, JournalError, StorageError
from ftpretrieve.files import Door
from ftpretrieve.retrieve.journal_schema import COLUMNS, SCHEMA

BUSY_SECS = 10.0
"""How long a locked database is waited for: a backup or a user's query may hold it for a moment."""

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
def translated(path: Path, doing: str) -> Iterator[None]:
    """Turn SQLite's errors into ours: a full disk and a lock pass (StorageError), all else stops us (JournalError)."""
    what = f"{doing}{'' if doing == 'open' else ' in'} the journal {path}"
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error):
            raise StorageError(f"cannot {what}: disk full; free some space there") from error
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise JournalBusy(
                f"cannot {what}: another program has had it locked for {BUSY_SECS:g} s; find that one and end it"
            ) from error
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY:
            raise JournalError(
                f"cannot {what}: it is read-only for this user; make the file and what lies "
                "beside it (-wal, -shm) writable"
            ) from error
        raise JournalError(f"cannot {what}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise JournalError(f"cannot {what}: {error}; restore it from a backup, or mend journal_file_name") from error


class JournalFile:
    """One table of a journal file. Not for use by more than the thread that opened it."""

    def __init__(self, path: Path, table: str = "files", *, door: Door | None = None, readonly: bool = False) -> None:
        """Open the journal, creating file and table when they are not there (unless `readonly`).

        Raises: JournalError when the file is not a journal, is of a newer schema, or cannot be opened or written;
        JournalBusy, which is a StorageError, when another program has it locked.
        """
        if not _TABLE_NAME.fullmatch(table) or table.lower().startswith("sqlite_"):
            raise ConfigError(f"journal_table_name {table!r}: use letters, digits and _, at most 63, not sqlite_…")
        self.path = path
        self._door = door or Door()
        self.table_name = table
        self.table, self.meta_table = f'"{table}"', f'"{table}_meta"'
        if readonly and not path.exists():
            raise JournalError(f"no journal at {path}: nothing was ever fetched with this configuration")
        with translated(path, "open"):
            uri = f"file:{_quoted(path)}?mode={'ro' if readonly else 'rwc'}"
            self.db = sqlite3.connect(uri, uri=True, timeout=BUSY_SECS, isolation_level=None)
        try:
            with translated(path, "open"):
                if not readonly:
                    os.chmod(path, os.stat(path).st_mode & 0o666 & ~0o022)  # names of files are nobody's to change
                    self.db.execute("PRAGMA journal_mode=WAL")
                    self.db.execute("PRAGMA synchronous=NORMAL")
                self.db.execute("CREATE TEMP TABLE listed (id INTEGER PRIMARY KEY)")
                self._migrate(readonly)
                if not readonly:
                    # SQLite opens what it cannot write for reading and says so only at the first write: too late to
                    # refuse a start.
                    self.db.execute("BEGIN IMMEDIATE")
                    self.db.execute(f"DELETE FROM {self.meta_table} WHERE 0")
                    self.db.execute("ROLLBACK")
                self._place = _place(path)
        except BaseException:
            self.db.close()
            raise

    def check_place(self) -> None:
        """Make sure that the file which is open is still the one at its path.

        What is written to a file without a name is lost at the end of this process, and with it the memory of what was
        delivered. Raises: JournalError.
        """
        if _place(self.path) != self._place:
            raise JournalError(
                f"the journal {self.path} was moved, deleted or replaced while it was open: put it back together with "
                "its -wal file, or a backup of it"
            )

    def close(self) -> None:
        """Close the database; harmless when it is closed already."""
        self.db.close()

    # -- schema and identity ------------------------------------------------------------------------------------

    def _migrate(self, readonly: bool) -> None:
        there = self.db.execute(
            "SELECT count(*) FROM sqlite_master WHERE name IN (?, ?)", (self.table_name, f"{self.table_name}_meta")
        ).fetchone()[0]
        if there == 1 or readonly and not there:
            raise JournalError(
                f"{self.path} has no journal in the table {self.table_name}: "
                "check journal_file_name and journal_table_name, or restore a backup"
            )
        if not there:
            # Together with its first step: killed between the two there would be a journal that nobody can open.
            with self.transaction(durable=True):
                self.db.execute(f"CREATE TABLE {self.meta_table} (key TEXT PRIMARY KEY, value) WITHOUT ROWID")
                self.set_meta("journal_id", secrets.token_hex(8))
                self._step(1)
        version = int(str(self.meta("schema_version")))
        if version > len(SCHEMA):
            raise JournalError(
                f"{self.path}: the table {self.table_name} has schema {version}, this program knows {len(SCHEMA)}: "
                "it was written by a newer ftpretrieve; install that one again"
            )
        if readonly:
            return
        for number in range(version + 1, len(SCHEMA) + 1):
            with self.transaction(durable=True):
                self._step(number)

    def _step(self, number: int) -> None:
        names = {key: f'"{self.table_name}_{key}"' for key in ("open", "unreported", "partial", "path", "missing")}
        for statement in SCHEMA[number - 1]:
            self.db.execute(statement.format(table=self.table, **names))
        self.set_meta("schema_version", number)

    @contextmanager
    def transaction(self, *, durable: bool = False, doing: str = "write") -> Iterator[None]:
        """Commit what the block does, or nothing of it; `durable` survives a power cut once this returns."""
        with translated(self.path, doing):
            if durable:
                self.db.execute("PRAGMA synchronous=FULL")
            try:
                self.db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._door.commit(self.db, durable)
                except BaseException:
                    if self.db.in_transaction:
                        self.db.execute("ROLLBACK")
                    raise
            finally:
                if durable:
                    self.db.execute("PRAGMA synchronous=NORMAL")

    def meta(self, key: str) -> str | int | float | None:
        """Return one value of the meta table, or None."""
        with translated(self.path, "read"):
            row = self.db.execute(f"SELECT value FROM {self.meta_table} WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def set_meta(self, key: str, value: str | int | float) -> None:
        """Store one value of the meta table; inside a transaction of the caller, or as one of its own."""
        self.db.execute(f"INSERT OR REPLACE INTO {self.meta_table} VALUES (?, ?)", (key, value))

    @property
    def journal_id(self) -> str:
        """The random id of this journal's table; it begins the name of each of its staging sessions."""
        return str(self.meta("journal_id"))

    def counts(self) -> dict[str, int]:
        """Return how many rows are in each state."""
        with translated(self.path, "read"):
            return dict(self.db.execute(f"SELECT state, count(*) FROM {self.table} GROUP BY state").fetchall())

    def history(
        self, *, glob: str | None = None, since: float | None = None, state: str | None = None, limit: int = 100
    ) -> list[dict[str, object]]:
        """Return rows as users see them, newest first: all documented columns by name; names are bytes."""
        with translated(self.path, "read"):
            cursor = self.db.execute(
                f"SELECT {', '.join(COLUMNS)} FROM {self.table}"
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
        with translated(self.path, "check"):
            found = [str(row[0]) for row in self.db.execute("PRAGMA integrity_check(10)")]
        return [] if found == ["ok"] else found


def _place(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _quoted(path: Path) -> str:
    """Quote a path for SQLite's file: URI. Source: sqlite.org, "URI Filenames"."""
    return "".join(
        chr(byte) if byte in b"/._-~" or chr(byte).isalnum() and byte < 128 else f"%{byte:02X}"
        for byte in os.fsencode(path)
    )
