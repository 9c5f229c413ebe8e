"""What the journal remembers of the listings of a directory, and what a listing beyond doubt says is gone.

Must not: decide whether a listing is beyond doubt (`absence` does), or know what becomes of the versions (`journal`).
"""

from ftpretrieve.retrieve.journal_file import JournalFile, to_column, translated
from ftpretrieve.retrieve.records import State

PURGE_POLLS = 10
"""Complete listings a name must be missing from, besides the days, before its rows go."""

PURGE_STEP = 1000
"""Rows removed at most in one poll, so that a purge never holds up a delivery."""


class Listings(JournalFile):
    """The directory of the present poll, when and how long it was listed, and which rows are missing from it."""

    _directory: str | bytes = ""

    def begin_poll(self, directory: bytes) -> None:
        """Choose the remote directory that all following calls speak of and forget what was listed before."""
        self._directory = to_column(directory)
        with translated(self.path, "read"):
            self.db.execute("DELETE FROM temp.listed")

    def last_poll(self) -> float | None:
        """Return the wall time of the last poll that ended a listing, or None."""
        value = self.meta("last_poll")
        return None if value is None else float(value)

    def last_complete(self) -> float | None:
        """Return the wall time of the last listing of this directory of which `note_complete` told, or None."""
        value = self.meta(f"complete:{self._directory!r}")
        return None if value is None else float(value)

    def note_complete(self, now: float) -> None:
        """Note that a listing of this directory was beyond doubt, and that all it had is known or has its row."""
        with self.transaction():
            self.set_meta(f"complete:{self._directory!r}", now)

    def doubt_listed(self, since: float, looked_before: float, now: float, *, utc_stays: bool) -> None:
        """Let what is listed with a local stamp after `since` be asked about once more, as far as nobody has looked at
        it since `looked_before`; when UTC times cannot be relied on either, by its content."""
        forget_utc = "" if utc_stays else ", utc_stamp = NULL, utc_precision = 0"
        with self.transaction(doing="note a moved clock"):
            self.db.execute(
                f"UPDATE {self.table} SET recheck = 1, recheck_failures = 0, looked_at = ?{forget_utc}"
                " WHERE id IN (SELECT id FROM temp.listed) AND state IN ('delivered', 'rejected')"
                " AND digest IS NOT NULL AND local_stamp + local_precision > ? AND looked_at < ?",
                (now, since, looked_before),
            )

    def last_listed(self) -> int:
        """Return how many entries the directory had in its last listing, 0 when there was none."""
        return int(str(self.meta(f"listed:{self._directory!r}") or 0))

    def end_listing(self, listed: int, now: float, *, absence_counts: bool, purge_before: float | None) -> None:
        """Close a listing: remember its length, and, only when it is beyond doubt, who is missing from it.

        `purge_before` is the epoch second before which a name must have gone missing to be purged; None: no purge.
        """
        mine = "directory = ? AND id {} IN (SELECT id FROM temp.listed)"
        with self.transaction(doing="close a listing"):
            self.set_meta(f"listed:{self._directory!r}", listed)
            self.set_meta("last_poll", now)
            self.db.execute(
                f"UPDATE {self.table} SET missing_since = NULL, missing_polls = 0"
                f" WHERE missing_since IS NOT NULL AND {mine.format('')}",
                (self._directory,),
            )
            if not absence_counts:
                return
            self.db.execute(
                f"UPDATE {self.table} SET missing_since = coalesce(missing_since, ?),"
                f" missing_polls = missing_polls + 1 WHERE missing_polls < ? AND {mine.format('NOT')}",
                (now, PURGE_POLLS, self._directory),
            )
            # A download whose second look can never come only takes room; if the file is listed again, it is fetched.
            # The first condition is word for word that of an index: without it each poll would read the whole table.
            self.db.execute(
                f"UPDATE {self.table} SET state = ?, reason = 'gone', staged = NULL"
                " WHERE state IN ('arrived', 'staged') AND state = 'arrived' AND directory = ? AND missing_polls > 1",
                (State.VANISHED, self._directory),
            )
            if purge_before is not None:
                self.db.execute(
                    f"DELETE FROM {self.table} WHERE id IN (SELECT id FROM {self.table} WHERE directory = ?"
                    " AND missing_since < ? AND missing_polls >= ? AND reported = 1"
                    " AND state NOT IN ('staged', 'arrived') LIMIT ?)",
                    (self._directory, purge_before, PURGE_POLLS, PURGE_STEP),
                )
