"""What every `Remote` must do, as one suite: subclass `RemoteContract` with a fixture `place`, and a protocol is done.

`test_remote` runs it over the remote in memory and over FTP on real servers.
"""

import hashlib
import os
import stat
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from ftpretrieve.errors import SessionExpired, StorageError
from ftpretrieve.retrieve.decide import same_look
from ftpretrieve.retrieve.records import Arrived, Clock, Failed, Kind, RemoteFile, Tick, Wanted
from ftpretrieve.retrieve.remote import Remote
from ftpretrieve.retrieve.staging import Session, Staging

OLD = 1_700_000_000.0
"""A time months ago that falls on no minute, so that every precision has something to drop."""

ODD_NAMES = [
    b" a b ",
    b"-rf",
    b"semi;colon=1",
    b"percent%41",
    b"star*",
    "gr\u00fc\u00df".encode(),
    b"\xfcber",
    b"x" * 200,
]


class Place(Protocol):
    """A directory on a server, and sessions on it."""

    def put(self, name: bytes, content: bytes, mtime: float) -> None:
        """Store a file."""

    def remove(self, name: bytes) -> None:
        """Delete a file."""

    def link(self, name: bytes, target: bytes) -> None:
        """Make a symbolic link to a name in the same directory."""

    def session(self) -> Remote:
        """Begin a session with a limit that no test reaches."""


ALGORITHMS = {
    "SHA-256": hashlib.sha256,
    "SHA-512": hashlib.sha512,
    "SHA-1": hashlib.sha1,
    "MD5": hashlib.md5,
}


def digest_of(algorithm: str, content: bytes) -> str:
    """Return the digest of some content, hexadecimal."""
    if algorithm == "CRC32":
        return f"{zlib.crc32(content):08x}"
    return ALGORITHMS[algorithm](content).hexdigest()


def listed(remote: Remote) -> dict[bytes, RemoteFile]:
    """Return the plain files of the listing."""
    return {file.name: file for chunk in remote.list() for file in chunk if file.kind is Kind.FILE}


def look(remote: Remote, files: Sequence[RemoteFile]) -> dict[bytes, RemoteFile | None]:
    """Look, when a connection is free."""
    while (seen := remote.look(files)) is None:
        time.sleep(0.01)
    return dict(seen)


def wanted(remote: Remote, **changes: object) -> list[Wanted]:
    """Return all listed files with a first look and a row id each, in order of their names."""
    files = [file for _, file in sorted(listed(remote).items())]
    firsts = {file.name: file for file in files} if remote.listing_is_look else look(remote, files)
    return [
        Wanted(id, file, firsts[file.name] or file, 0.0, **changes)  # type: ignore[arg-type]
        for id, file in enumerate(files, 1)
    ]


def fetch(remote: Remote, items: Sequence[Wanted], session: Session) -> list[Arrived | Failed]:
    """Download, and return what is not a tick, in order of the row ids."""
    events = [event for event in remote.fetch(items, session) if not isinstance(event, Tick)]
    return sorted(events, key=lambda event: event.wanted.id)


class RemoteContract:
    """The suite. Time in it only bounds what hangs."""

    @pytest.fixture
    def session(self, tmp_path: Path) -> Session:
        (tmp_path / "sync").mkdir()
        staging = Staging(bytes(tmp_path / "staging"), bytes(tmp_path / "sync"), min_free_bytes=0)
        staging.prepare()
        return staging.open_session("0123456789abcdef")

    @pytest.fixture
    def remote(self, place: Place) -> Iterator[Remote]:
        remote = place.session()
        yield remote
        remote.close()

    @pytest.fixture(autouse=True)
    def no_thread_is_left(self, remote: Remote) -> Iterator[None]:
        before = set(threading.enumerate())
        yield
        remote.close()
        left = [thread.name for thread in set(threading.enumerate()) - before if thread.name != "resolve"]
        assert left == []

    # -- listing ----------------------------------------------------------------------------------------------------

    def test_a_listing_shows_every_file(self, place: Place, remote: Remote) -> None:
        """With its exact size, or none; and says how many entries there were."""
        for number in range(10):
            place.put(b"%d" % number, b"x" * number, OLD)
        files = listed(remote)
        assert sorted(files) == [b"%d" % number for number in range(10)]
        assert all(file.size in (None, int(name)) for name, file in files.items())
        assert remote.listing.listed >= 10
        assert remote.listing.suspect is None

    def test_an_empty_directory_is_no_error(self, remote: Remote) -> None:
        assert listed(remote) == {}
        assert remote.listing.suspect is None

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_names_are_bytes(self, name: bytes, place: Place, remote: Remote, session: Session) -> None:
        """They are listed, looked at and fetched exactly as the server spells them."""
        place.put(name, b"content", OLD)
        (item,) = wanted(remote)
        assert item.file.name == name
        assert look(remote, [item.file])[name] is not None
        (event,) = fetch(remote, [item], session)
        assert isinstance(event, Arrived), event

    def test_a_stamp_is_an_interval_that_holds_the_time(self, place: Place, remote: Remote) -> None:
        """Its clock says whether it is UTC or the server's, which is at most 14 hours off."""
        place.put(b"a", b"", OLD)
        file = listed(remote)[b"a"]
        assert file.stamp is not None
        slack = 0 if file.clock is Clock.UTC else 14 * 3600
        assert file.stamp - slack <= OLD < file.stamp + file.precision + slack

    # -- looks ------------------------------------------------------------------------------------------------------

    def test_two_looks_at_an_unchanged_file_agree(self, place: Place, remote: Remote) -> None:
        place.put(b"a", b"one", OLD)
        files = listed(remote)
        first, second = look(remote, [files[b"a"]])[b"a"], look(remote, [files[b"a"]])[b"a"]
        assert first is not None
        assert second is not None
        assert same_look(first, second)
        assert same_look(files[b"a"], second) or not remote.listing_is_look

    @pytest.mark.parametrize(("content", "mtime"), [(b"longer", OLD), (b"two", OLD + 86_400 * 2)], ids=["size", "time"])
    def test_two_looks_at_a_changed_file_differ(
        self, content: bytes, mtime: float, place: Place, remote: Remote
    ) -> None:
        place.put(b"a", b"one", OLD)
        files = [listed(remote)[b"a"]]
        first = look(remote, files)[b"a"]
        place.put(b"a", content, mtime)
        second = look(remote, files)[b"a"]
        assert first is not None
        assert second is not None
        assert not same_look(first, second)

    def test_a_look_tells_of_all_and_of_those_that_are_gone(self, place: Place, remote: Remote) -> None:
        """One question takes any number of names."""
        for number in range(50):
            place.put(b"%d" % number, b"x", OLD)
        files = list(listed(remote).values())
        place.remove(b"7")
        seen = look(remote, files)
        assert {name for name, file in seen.items() if file is None} == {b"7"}
        assert len(seen) == 50

    def test_asking_tells_utc_seconds_where_it_can(self, place: Place, remote: Remote) -> None:
        place.put(b"a", b"one", OLD)
        answer = remote.ask([listed(remote)[b"a"]])
        if answer is None:
            return
        file = answer[b"a"]
        assert file is not None
        assert (file.size, file.stamp, file.precision, file.clock) == (3, int(OLD), 1, Clock.UTC)

    def test_a_link_is_told_as_the_file_it_leads_to(self, place: Place, remote: Remote, session: Session) -> None:
        """Under its own name, with the size and time of that file; so is it looked at later, and fetched."""
        place.put(b"a", b"one", OLD)
        place.link(b"link", b"a")
        place.link(b"lost", b"nowhere")
        links = [entry for chunk in remote.list() for entry in chunk if entry.kind is Kind.LINK]
        told = remote.targets(links)
        if told is None:
            return
        assert {entry.name for entry in links} <= {b"link", b"lost"}
        assert told.keys() == {entry.name for entry in links} & {b"link"}
        for name, file in told.items():
            assert (file.name, file.kind, file.size, file.stamp, file.clock) == (name, Kind.FILE, 3, OLD, Clock.UTC)
            second = look(remote, [file])[name]
            assert second is not None
            assert same_look(file, second)
            (event,) = fetch(remote, [Wanted(1, file, file, 0.0)], session)
            assert isinstance(event, Arrived), event
            assert event.digest == digest_of("SHA-256", b"one")

    def test_a_digest_is_that_of_the_content_now(self, place: Place, remote: Remote) -> None:
        """Of a file that is gone, as of any where the server has no digests, there is none."""
        place.put(b"a", b"one", OLD)
        place.put(b"gone", b"one", OLD)
        files = list(listed(remote).values())
        place.put(b"a", b"two", OLD)
        place.remove(b"gone")
        told = remote.digests(files)
        assert told is not None
        assert told.keys() <= {b"a"}
        for algorithm, digest in told.values():
            assert digest == digest_of(algorithm, b"two")

    # -- downloads --------------------------------------------------------------------------------------------------

    def test_each_wanted_file_ends_once_with_its_bytes(self, place: Place, remote: Remote, session: Session) -> None:
        """In staging, under the row's id, counted, hashed, readable for a consumer, with the remote time."""
        contents = {b"%02d" % number: os.urandom(number * 5000) for number in range(12)}
        for name, content in contents.items():
            place.put(name, content, OLD)
        events = fetch(remote, wanted(remote), session)
        assert [event.wanted.file.name for event in events] == sorted(contents)
        for event in events:
            assert isinstance(event, Arrived), event
            content = contents[event.wanted.file.name]
            status = os.stat(event.staged)
            with open(event.staged, "rb") as file:
                assert file.read() == content
            assert event.staged == os.path.join(session.directory, b"%d" % event.wanted.id)
            assert (event.received_bytes, event.inode) == (len(content), status.st_ino)
            assert event.digest == hashlib.sha256(content).hexdigest()
            assert stat.S_IMODE(status.st_mode) == 0o644
            assert abs(status.st_mtime - OLD) <= 86_400

    def test_a_file_that_is_gone_fails_alone(self, place: Place, remote: Remote, session: Session) -> None:
        for name in (b"a", b"b", b"c"):
            place.put(name, name, OLD)
        items = wanted(remote)
        place.remove(b"b")
        assert [type(event) for event in fetch(remote, items, session)] == [Arrived, Failed, Arrived]

    @pytest.mark.parametrize("content", [b"shorter", b"a longer content"], ids=["shorter", "longer"])
    def test_another_count_than_the_first_look_showed_fails(
        self, content: bytes, place: Place, remote: Remote, session: Session
    ) -> None:
        """End of file is never proof; what came of it is gone from staging."""
        place.put(b"a", b"twelve bytes", OLD)
        items = wanted(remote)
        place.put(b"a", content, OLD)
        (event,) = fetch(remote, items, session)
        assert isinstance(event, Failed)
        assert os.listdir(session.directory) == [b"witness"]

    def test_a_kept_beginning_is_gone_on_with(self, place: Place, remote: Remote, session: Session) -> None:
        """The content is whole and its digest that of the whole, whether or not the server can go on."""
        content = os.urandom(300_000)
        place.put(b"a", content, OLD)
        fd, staged = session.create(b"beginning")
        os.write(fd, content[:200_000])
        os.close(fd)
        (event,) = fetch(remote, wanted(remote, partial=staged, partial_bytes=200_000), session)
        assert isinstance(event, Arrived), event
        assert event.received_bytes == len(content)
        assert event.digest == hashlib.sha256(content).hexdigest()
        with open(event.staged, "rb") as file:
            assert file.read() == content

    def test_a_second_download_of_a_row_has_another_file(self, place: Place, remote: Remote, session: Session) -> None:
        """A recheck must not overwrite what its row has."""
        place.put(b"a", b"one", OLD)
        items = wanted(remote)
        again = wanted(remote, recheck_of=frozenset({"digest"}))
        staged = {event.staged for event in fetch(remote, [*items, *again], session) if isinstance(event, Arrived)}
        assert len(staged) == 2

    def test_no_room_stops_fetching(self, place: Place, remote: Remote, session: Session) -> None:
        """Saying how much is missing."""
        place.put(b"a", b"one", OLD)
        items = wanted(remote)
        session.staging._min_free_bytes = 1 << 62
        with pytest.raises(StorageError, match="lacks"):
            fetch(remote, items, session)

    def test_a_look_during_downloads_is_answered_at_once(self, place: Place, remote: Remote, session: Session) -> None:
        """What it saw, or not now; and every file still arrives."""
        for number in range(30):
            place.put(b"%d" % number, b"x" * 1000, OLD)
        items = wanted(remote)
        arrived, looks = 0, 0
        for event in remote.fetch(items, session):
            arrived += isinstance(event, Arrived)
            looks += remote.look([item.first for item in items]) is not None
        assert arrived == 30
        assert looks > 0

    # -- the end ----------------------------------------------------------------------------------------------------

    def test_after_an_abort_nothing_goes_on(self, place: Place, remote: Remote, session: Session) -> None:
        """`abort` comes from another thread, and is for good. Looks just have no answer any more."""
        place.put(b"a", b"one", OLD)
        items = wanted(remote)
        aborting = threading.Thread(target=remote.abort)
        aborting.start()
        aborting.join()
        assert remote.look([item.first for item in items]) is None
        assert remote.ask([item.file for item in items]) is None
        assert remote.targets([item.file for item in items]) is None
        assert not remote.digests([item.file for item in items])
        with pytest.raises(SessionExpired):
            fetch(remote, items, session)
        with pytest.raises(SessionExpired):
            list(remote.list())

    def test_downloads_can_be_left_early(self, place: Place, remote: Remote, session: Session) -> None:
        """Closing the generator ends the transfers."""
        for number in range(20):
            place.put(b"%d" % number, b"x" * 1000, OLD)
        events = remote.fetch(wanted(remote), session)
        next(iter(events))
        events.close()  # type: ignore[attr-defined]  # it is a generator
        remote.close()

    def test_closing_is_harmless_at_any_time(self, place: Place) -> None:
        """Before anything, twice, and after an abort."""
        remote = place.session()
        remote.close()
        remote.close()
        remote.abort()
        remote.close()
