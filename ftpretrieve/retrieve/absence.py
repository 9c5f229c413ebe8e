"""What a listing proves about the files that are not in it: nothing, unless it is complete and beyond doubt.

A listing can be cut and still end in 226. So a suspect one never marks a file as missing, and marked rows are purged
only after days and many complete listings. Must not: touch files; absence never removes anything but journal rows.
"""

from ftpretrieve.logs import record
from ftpretrieve.retrieve.mailbox import Mailbox
from ftpretrieve.retrieve.records import Listing

DAY_SECS = 86_400
SHRUNK_FROM, SHRUNK_TO = 10, 0.5
"""From this many entries on, a listing of less than this share of the one before is suspect."""


def is_clock_sane(mailbox: Mailbox) -> bool:
    """Say whether the wall clock is within a day of the last poll's; else nothing is purged by it."""
    last = mailbox.journal.last_poll()
    return last is None or abs(mailbox.now() - last) <= DAY_SECS


def suspicion(listing: Listing, before: int) -> str | None:
    """Return why absence in this listing proves nothing, or None. `before`: entries of the listing before it."""
    if listing.suspect is not None:
        return listing.suspect
    if listing.unreadable:
        return "unreadable"
    if before and not listing.listed:
        return "empty"
    if before >= SHRUNK_FROM and listing.listed < before * SHRUNK_TO:
        return "shrunk"
    return None


def close_listing(mailbox: Mailbox, listing: Listing) -> str | None:
    """Remember a listing's length, tell of a suspect one and return why it is, and note who is missing from one beyond
    doubt."""
    now, before = mailbox.now(), mailbox.journal.last_listed()
    suspect = suspicion(listing, before)
    if suspect is not None:
        example = listing.examples[0] if listing.examples else None
        mailbox.log.warning(
            record("LISTINGSUSPECT", reason=suspect, listed=listing.listed, before=before, example=example)
        )
    sane = is_clock_sane(mailbox)
    purge_before = now - mailbox.rules.keep_days * DAY_SECS if sane else None
    mailbox.journal.end_listing(listing.listed, now, absence_counts=suspect is None, purge_before=purge_before)
    return suspect


def hides_files(listing: Listing, suspect: str | None) -> bool:
    """Say whether a listing hides files for certain: it was cut, or nothing of it could be read.

    One that is only empty or shorter than before may be right, and a line nobody can read among others may be a banner.
    """
    return suspect == "truncated" or (suspect == "unreadable" and not listing.listed)
