"""The memory of what was delivered: one SQLite table, whose columns users may query, and its `<table>_meta` beside it.

Theory of operation. A row is one version of one name. It is committed as `staged` with synchronous=FULL *before* its
file is renamed into the sync directory (the intent) and as `delivered` after; a crash in between is settled by recovery
from what lies on disk. All other commits use synchronous=NORMAL: losing the last of them to a power cut repeats work,
never a delivery. WAL lets readers (`status`, `history`) look while the one poller writes.

Must not: decide whether two versions are the same (`decide` does), know anything of FTP, or touch files other than its
own. Whoever writes holds the journal's lock (`lock.FileLock` on `<journal>.<table>.lock`). Times are epoch seconds.
"""

import json
import os
from collections.abc import Iterable, Sequence

from ftpretrieve.errors import ConfigError
from ftpretrieve.retrieve.journal_file import from_column, to_column, translated
from ftpretrieve.retrieve.journal_listings import Listings
from ftpretrieve.retrieve.records import (
    UNCHANGED,
    Arrived,
    Candidate,
    Clock,
    RemoteFile,
    Restamp,
    Staged,
    State,
    Version,
)

KEPT_VERSIONS = 16
"""Versions of one name that stay; older ones could only matter to a server that brings back a very old file."""

NAME_CHUNK = 500
"""Names asked for in one query; SQLite allows 32,766 parameters, beyond a few hundred nothing is gained."""

_STATES = {str(state): state for state in State}

_VERSION_COLUMNS = (
    "id, version, size, mtime, utc_stamp, utc_precision, local_stamp, local_precision, state, digest, recheck,"
    " looked_at, first_listed, attempts, next_try, polls_changing, staged, partial_bytes"
)


class Journal(Listings):
    """What a poll asks of the journal and notes in it."""

    def bind(self, host: str, port: int, user: str, *, accept_host: bool = False) -> None:
        """Tie the journal to one account on one server, at first use; later another one is a mistake.

        Raises: ConfigError naming both, unless `accept_host`, which ties it to the new one.
        """
        present, before = f"{user}@{host}:{port}", self.meta("account")
        if before == present:
            return
        if before is not None and not accept_host:
            raise ConfigError(
                f"the journal {self.path} (table {self.table_name}) belongs to {before}, "
                f"the configuration says {present}: use another journal_table_name for another server, "
                "or start once with --accept-host if it is the same"
            )
        with self.transaction(durable=True):
            self.set_meta("account", present)

    # -- a poll: what is known, what is planned -----------------------------------------------------------------

    def known(self, names: Sequence[bytes]) -> dict[bytes, list[Version]]:
        """Return what the journal holds of these names, and note that they are listed.

        Shape: name -> its versions, newest first; names without any row are absent.
        Raises: JournalError if the file is locked longer than `BUSY_SECS` or damaged.
        """
        found: dict[bytes, list[Version]] = {}
        ids: list[int] = []
        with translated(self.path, "read"):
            for start in range(0, len(names), NAME_CHUNK):
                part = [to_column(name) for name in names[start : start + NAME_CHUNK]]
                marks = ",".join("?" * len(part))
                rows = self.db.execute(
                    f"SELECT name, {_VERSION_COLUMNS} FROM {self.table}"
                    f" WHERE directory = ? AND name IN ({marks}) ORDER BY name, version DESC",
                    (self._directory, *part),
                )
                for name, *values in rows:
                    version = _version(values)
                    found.setdefault(from_column(name), []).append(version)
                    ids.append(version.id)
            # One statement, so one transaction of the temporary database: one a row took most of an idle poll.
            self.db.execute("INSERT OR IGNORE INTO temp.listed SELECT value FROM json_each(?)", (json.dumps(ids),))
        return found

    def begin(self, candidates: Sequence[Candidate], now: float, state: State = State.DOWNLOADING) -> list[int]:
        """Give each file that is about to be downloaded, or has to wait for it, its row and return the ids in order.

        An unfinished row of the same name is taken over; when it held another version, its attempts and kept bytes are
        forgotten.
        """
        ids = []
        with self.transaction(doing="begin a download"):
            for candidate in candidates:
                row = candidate.version
                values = (*_stamps(candidate.file), state)
                if row is None:
                    ids.append(self._insert(candidate.file.name, values, now))
                    continue
                if not candidate.same:
                    self.db.execute(
                        f"UPDATE {self.table} SET attempts = 0, next_try = 0, partial_bytes = 0, staged = NULL,"
                        " first_listed = ? WHERE id = ?",
                        (now, row.id),
                    )
                self.db.execute(
                    f"UPDATE {self.table} SET size = ?, mtime = ?, utc_stamp = ?, utc_precision = ?,"
                    " local_stamp = ?, local_precision = ?, state = ? WHERE id = ?",
                    (*values, row.id),
                )
                ids.append(row.id)
        return ids

    def _insert(self, name: bytes, values: Sequence[object], now: float) -> int:
        stored = to_column(name)
        cursor = self.db.execute(
            f"INSERT INTO {self.table} (directory, name, version, size, mtime, utc_stamp, utc_precision,"
            f" local_stamp, local_precision, state, first_listed) VALUES (?1, ?2, 1 + coalesce("
            f"(SELECT max(version) FROM {self.table} WHERE directory = ?1 AND name = ?2), 0), ?3, ?4, ?5, ?6, ?7, ?8,"
            " ?9, ?10)",
            (self._directory, stored, *values, now),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def mark_seen(self, candidates: Iterable[Candidate], now: float) -> int:
        """Note versions as `seen`: known from now on, though never fetched by us. Return how many."""
        count = 0
        with self.transaction(durable=True, doing="mark as seen"):
            for candidate in candidates:
                values = (*_stamps(candidate.file), State.SEEN)
                if candidate.version is None:
                    self._insert(candidate.file.name, values, now)
                else:
                    self.db.execute(
                        f"UPDATE {self.table} SET size = ?, mtime = ?, utc_stamp = ?, utc_precision = ?,"
                        " local_stamp = ?, local_precision = ?, state = ?, reason = NULL, staged = NULL,"
                        " digest = NULL, partial_bytes = 0, recheck = 0 WHERE id = ?",
                        (*values, candidate.version.id),
                    )
                    self._make_newest(candidate.version.id)
                count += 1
        return count

    def restamp(self, restamps: Iterable[Restamp], now: float, *, forget: int | None = None) -> None:
        """Let rows take the stamps under which their versions are listed now, and drop the row `forget` that was begun
        for a download which proved to be one of them.

        One commit: were the row dropped alone, a crash would only cost another download; were it kept, it would be a
        version that never was.
        """
        with self.transaction(doing="note a moved clock"):
            if forget is not None:
                self.db.execute(f"DELETE FROM {self.table} WHERE id = ?", (forget,))
            for item in restamps:
                on_listing, other = ("utc", "local") if item.file.clock is Clock.UTC else ("local", "utc")
                best = item.file.stamp if on_listing == "utc" else item.other[0]
                self.db.execute(
                    f"UPDATE {self.table} SET {on_listing}_stamp = ?, {on_listing}_precision = ?, recheck = ?,"
                    " looked_at = ?, mtime = coalesce(?, mtime) WHERE id = ?",
                    (item.file.stamp, item.file.precision, item.recheck, now, best, item.id),
                )
                self._make_newest(item.id)
                if item.other != UNCHANGED:
                    self.db.execute(
                        f"UPDATE {self.table} SET {other}_stamp = ?, {other}_precision = ? WHERE id = ?",
                        (*item.other, item.id),
                    )

    def returned(self, ids: Iterable[int]) -> None:
        """Note that these versions are what the server has again, in the place of newer ones."""
        with self.transaction(doing="note an earlier version"):
            for id in ids:
                self._make_newest(id)

    def _make_newest(self, id: int) -> None:
        """Let a row have the highest version number of its name: what the server had last."""
        others = f"FROM {self.table} AS other WHERE (other.directory, other.name) = (mine.directory, mine.name)"
        self.db.execute(
            f"UPDATE {self.table} AS mine SET version = 1 + (SELECT max(other.version) {others})"
            f" WHERE id = ? AND EXISTS (SELECT 1 {others} AND other.version > mine.version)",
            (id,),
        )

    def supersede(self, id: int, file: RemoteFile, now: float) -> int:
        """End a recheck that found another version under the same listed stamp: give that one a row and return its id.

        One commit: were the recheck ended alone, a crash would leave the rewrite unknown for ever.
        """
        with self.transaction():
            self.db.execute(f"UPDATE {self.table} SET recheck = 0 WHERE id = ?", (id,))
            return self._insert(file.name, (*_stamps(file), State.DOWNLOADING), now)

    # -- a file's way -------------------------------------------------------------------------------------------

    def arrive(self, items: Iterable[Arrived], now: float) -> None:
        """Keep files whose second look did not happen in this session, nor in those before since they arrived."""
        with self.transaction(durable=True, doing="keep an arrived file"):
            for item in items:
                self.db.execute(
                    f"UPDATE {self.table} SET state = ?, staged = ?, inode = ?, digest = ?,"
                    " looked_at = CASE state WHEN 'arrived' THEN looked_at ELSE ? END, size = ?,"
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
        with self.transaction(durable=True, doing="write an intent"):
            for item in batch:
                self.db.execute(
                    f"UPDATE {self.table} SET state = ?, staged = ?, inode = ?, digest = ?, size = ?, mtime = ?,"
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
                self._make_newest(item.id)

    def confirm(self, batch: Iterable[Staged], now: float) -> None:
        """Note that these files lie in the sync directory; each waits for its FILESDOWNLOADED line."""
        with self.transaction(doing="confirm a delivery"):
            for item in batch:
                self.db.execute(
                    f"UPDATE {self.table} SET state = ?, staged = NULL, delivered_at = ?, reported = 0, reason = NULL,"
                    " next_try = 0 WHERE id = ?",
                    (State.DELIVERED, now, item.id),
                )
                if item.version > KEPT_VERSIONS:
                    self.db.execute(
                        f"DELETE FROM {self.table} WHERE (directory, name) IN (SELECT directory, name FROM"
                        f" {self.table} WHERE id = ?1) AND version <= (SELECT kept.version FROM {self.table} AS kept"
                        f" JOIN {self.table} AS mine USING (directory, name) WHERE mine.id = ?1"
                        " ORDER BY kept.version DESC LIMIT 1 OFFSET ?2) AND reported = 1"
                        " AND state IN ('delivered', 'seen', 'rejected')",
                        (item.id, KEPT_VERSIONS),
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
        with self.transaction(doing="note a failure"):
            self.db.execute(
                f"UPDATE {self.table} SET state = ?, reason = ?, attempts = ?, next_try = ?, polls_changing = ?,"
                " staged = ?, partial_bytes = ? WHERE id = ?",
                (state, reason, attempts, next_try, polls_changing, partial, partial_bytes, id),
            )

    def reject(self, item: Arrived, id: int, reason: str, now: float) -> None:
        """Note a finished version that is not to be delivered; it is known from now on."""
        with self.transaction(doing="note a failure"):
            self.db.execute(
                f"UPDATE {self.table} SET state = ?, reason = ?, attempts = 1, next_try = 0, staged = NULL, digest = ?,"
                " size = ?, partial_bytes = 0, recheck = ?, looked_at = ?, utc_stamp = coalesce(?, utc_stamp),"
                " utc_precision = max(utc_precision, ?) WHERE id = ?",
                (
                    State.REJECTED,
                    reason,
                    item.digest,
                    item.received_bytes,
                    not item.wanted.at_rest,
                    now,
                    *_utc(item.wanted.first),
                    id,
                ),
            )
            self._make_newest(id)

    def defer(self, id: int, reason: str, attempts: int, next_try: float) -> None:
        """Leave a staged row staged: it could not be published now."""
        with self.transaction(doing="note a failure"):
            self.db.execute(
                f"UPDATE {self.table} SET reason = ?, attempts = ?, next_try = ? WHERE id = ?",
                (reason, attempts, next_try, id),
            )

    def rechecked(self, id: int, failures: int | None = None) -> None:
        """End the recheck of a row, or, with `failures`, count a failed one and leave it open."""
        with self.transaction():
            if failures is None:
                self.db.execute(f"UPDATE {self.table} SET recheck = 0 WHERE id = ?", (id,))
            else:
                self.db.execute(f"UPDATE {self.table} SET recheck_failures = ? WHERE id = ?", (failures, id))

    def version_number(self, id: int) -> int:
        """Return which version of its name a row is."""
        row = self.db.execute(f"SELECT version FROM {self.table} WHERE id = ?", (id,)).fetchone()
        return int(row[0])

    def recheck_failures(self, id: int) -> int:
        """Return how often the recheck of a row has failed."""
        row = self.db.execute(f"SELECT recheck_failures FROM {self.table} WHERE id = ?", (id,)).fetchone()
        return int(row[0]) if row else 0

    # -- recovery and reports -----------------------------------------------------------------------------------

    def staged(self, after: int, limit: int) -> list[Staged]:
        """Return open intents of every directory in order of their ids, after one id, a bounded number."""
        with translated(self.path, "read"):
            rows = self.db.execute(
                "SELECT id, name, version, staged, inode, digest, size, mtime, sync_path, recheck, attempts, next_try"
                # The first condition is the index's own: without it SQLite would read the whole table.
                f" FROM {self.table} WHERE state IN ('arrived', 'staged') AND state = 'staged' AND id > ?"
                " ORDER BY id LIMIT ?",
                (after, limit),
            ).fetchall()
        return [_staged(row) for row in rows]

    def arrived(self, id: int) -> tuple[bytes, int, str, int] | None:
        """Return (staged, inode, digest, bytes) of a row that is still `arrived`, else None."""
        with translated(self.path, "read"):
            row = self.db.execute(
                f"SELECT staged, inode, digest, size FROM {self.table} WHERE id = ? AND state = 'arrived'", (id,)
            ).fetchone()
        return (bytes(row[0]), int(row[1]), str(row[2]), int(row[3])) if row else None

    def sessions_in_use(self) -> set[bytes]:
        """Return the staging sessions that an open row or a kept partial names."""
        with translated(self.path, "read"):
            rows = self.db.execute(
                f"SELECT DISTINCT staged FROM {self.table} WHERE state IN ('arrived', 'staged')"
                f" UNION SELECT staged FROM {self.table} WHERE partial_bytes > 0"
            ).fetchall()
        return {os.path.basename(os.path.dirname(bytes(row[0]))) for row in rows if row[0] is not None}

    def drop_partials(self, before: float) -> None:
        """Forget kept beginnings of downloads that were last listed as new before a time."""
        with self.transaction():
            self.db.execute(
                f"UPDATE {self.table} SET staged = NULL, partial_bytes = 0 WHERE partial_bytes > 0 AND state <>"
                " 'arrived' AND state <> 'staged' AND (first_listed < ? OR missing_polls > 0)",
                (before,),
            )

    def make_durable(self) -> None:
        """Make the journal durable now: what follows removes files that rows no longer name."""
        with self.transaction(durable=True):
            # SQLite syncs nothing for a transaction that changed nothing (measured), nor for an equal value.
            self.set_meta("made_durable", int(str(self.meta("made_durable") or 0)) + 1)

    def unreported(self, limit: int) -> list[tuple[int, bytes, int | None, bytes]]:
        """Return deliveries without their FILESDOWNLOADED line: (id, sync path, mtime, name), oldest first."""
        with translated(self.path, "read"):
            rows = self.db.execute(
                f"SELECT id, sync_path, mtime, name FROM {self.table} WHERE reported = 0 ORDER BY id LIMIT ?", (limit,)
            ).fetchall()
        return [(id, from_column(path), None if m < 0 else m, from_column(name)) for id, path, m, name in rows]

    def mark_reported(self, ids: Iterable[int]) -> None:
        """Note that the FILESDOWNLOADED lines of these rows are written."""
        with self.transaction(doing="note a report"):
            self.db.executemany(f"UPDATE {self.table} SET reported = 1 WHERE id = ?", ((id,) for id in ids))

    def other_directory_holds(self, sync_path: bytes, id: int, *, lies_there: bool) -> bool:
        """Say whether a version from another remote directory is about to be published to this sync path, or, when
        something lies there, was the last one delivered to it."""
        with translated(self.path, "read"):
            row = self.db.execute(
                f"SELECT directory <> (SELECT directory FROM {self.table} WHERE id = ?2), state FROM {self.table}"
                " WHERE sync_path = ?1 AND id <> ?2 AND state IN ('staged', 'delivered')"
                " ORDER BY state DESC, delivered_at DESC, id DESC LIMIT 1",
                (to_column(sync_path), id),
            ).fetchone()
        return bool(row and row[0] and (lies_there or row[1] == State.STAGED))


def _version(values: Sequence[object]) -> Version:
    row = list(values)
    row[8] = _STATES[str(row[8])]
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
