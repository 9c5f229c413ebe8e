"""A transaction is remembered from before its first byte on, whatever happens to the program or to other files."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.errors import FtpRetrieveError, InUse, StorageError
from ftpretrieve.lock import FileLock
from ftpretrieve.send.intents import Intents
from ftpretrieve.send.records import MOVES, Intent, SeenFile, Snapshot, State
from tests.retrieve.disk import RecordingDoor
from tests.retrieve.doors import Killed, StopDoor
from tests.send.disk_full import FullDoor

CHECKOUT = Path(__file__).parent.parent.parent
SNAPSHOT = Snapshot((SeenFile("a/b", 3, 17), SeenFile("c", 0, -5)), ("empty",), (("link", "it is a symbolic link"),))
STEPS = 5  # remove what is left over, create, sync the file, rename, sync the directory

HOLD = """
import sys
from pathlib import Path
from ftpretrieve.errors import InUse
from ftpretrieve.send.intents import Intents
try:
    with Intents(Path(sys.argv[1])).working(sys.argv[2]):
        print("holds it", flush=True)
        sys.stdin.read()
except InUse as error:
    print(error, flush=True)
"""


def intent(transaction_id: str = "ABCD0001", snapshot: Snapshot = SNAPSHOT, **values: Any) -> Intent:
    made = Intent(
        id=transaction_id,
        node="TEST",
        directory="/data/2026/",
        data_type="seismic_data_miniseed",
        started=1_795_248_000.25,
        size_gb=1.25,
        digest=snapshot.digest,
        files=len(snapshot.files),
        total_bytes=snapshot.total_bytes,
        snapshot=snapshot,
    )
    return replace(made, **values)


@pytest.fixture
def store(tmp_path: Path) -> Intents:
    return Intents(tmp_path / "logbook.json.transactions")


def test_what_was_written_is_read(store: Intents) -> None:
    """By another process too, which has nothing but the file."""
    store.write(intent())
    assert Intents(store.directory).get("ABCD0001") == intent()
    assert store.get("ABCD0002") is None


def test_without_a_store_nothing_is_known(store: Intents) -> None:
    """And asking makes none."""
    assert (store.get("A"), store.latest("/"), store.ids(), store.unfinished(), store.damaged()) == (
        None,
        None,
        set(),
        (),
        [],
    )
    assert not store.directory.exists()


def test_it_is_for_its_user_alone(store: Intents) -> None:
    """Whatever the umask."""
    store.write(intent())
    assert store.directory.stat().st_mode & 0o7777 == 0o700
    assert (store.directory / "ABCD0001.json").stat().st_mode & 0o7777 == 0o600


PATHS = st.lists(
    st.binary(min_size=1, max_size=9).filter(lambda part: not {0, ord("/")} & set(part) and part not in {b".", b".."}),
    min_size=1,
    max_size=3,
).map(lambda parts: os.fsdecode(b"/".join(parts)))


@pytest.mark.slow
@given(
    files=st.lists(st.builds(SeenFile, PATHS, st.integers(0), st.integers())),
    empty=st.lists(PATHS),
    left_out=st.lists(st.tuples(PATHS, st.text())),
)
def test_snapshots_of_any_names_survive(
    files: list[SeenFile], empty: list[str], left_out: list[tuple[str, str]]
) -> None:
    """Bytes that are no UTF-8, line ends, quotes; sizes and times of any length."""
    snapshot = Snapshot(tuple(files), tuple(empty), tuple(left_out))
    with TemporaryDirectory() as place:
        Intents(Path(place)).write(intent(snapshot=snapshot))
        assert Intents(Path(place)).get("ABCD0001") == intent(snapshot=snapshot)


def test_ten_thousand_files_take_little_room(store: Intents) -> None:
    """It is written once for each transaction, and dropped when that was sent."""
    name = "2026/FR/STATION/HHZ.D/FR.STATION.00.HHZ.D.2026."
    files = tuple(SeenFile(f"{name}{number:05}", 5_000_000 + number, 10**18 + number) for number in range(10_000))
    written = intent(snapshot=Snapshot(files))
    store.write(written)
    path = store.directory / "ABCD0001.json"
    assert path.stat().st_size < 2_000_000
    assert store.get("ABCD0001") == written
    store.move(written, State.SENT)
    assert path.stat().st_size < 1_000


@pytest.mark.parametrize("bad", ["", "../x", "a/b", "A" * 17, "A-1", "Ä1", "A\n", "1²", ".."])
def test_no_id_from_outside_becomes_a_path(store: Intents, bad: str) -> None:
    """1 to 16 of the letters and digits of ASCII."""
    for use in (lambda: store.get(bad), lambda: store.write(intent(bad)), lambda: store.move(intent(bad), State.SENT)):
        with pytest.raises(FtpRetrieveError, match="is no transaction identifier"):
            use()
    assert store.ids() == set()


def test_an_id_is_taken_once(store: Intents) -> None:
    """Also by a file that cannot be read: what became of it nobody knows."""
    store.write(intent())
    (store.directory / "DAMAGED1.json").write_text("{")
    for taken in ("ABCD0001", "DAMAGED1"):
        with pytest.raises(FtpRetrieveError, match=f"transaction {taken} exists already: .*/{taken}.json"):
            store.write(intent(taken, node="OTHER"))
    assert store.get("ABCD0001") == intent()
    assert store.ids() == {"ABCD0001", "DAMAGED1"}


def test_other_files_are_no_transactions(store: Intents) -> None:
    """Locks, what a killed program left, what people put there."""
    store.write(intent())
    for name in ("64768-12.lock", ".ABCD0002.json.new", "notes.json.bak", "a b.json", "x" * 17 + ".json"):
        (store.directory / name).write_text("")
    assert store.ids() == {"ABCD0001"}
    assert store.damaged() == []


# ---- states


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("after", State)
def test_a_state_changes_as_the_table_has_it(store: Intents, before: State, after: State) -> None:
    """Any other move is refused and changes nothing. The snapshot serves only to send."""
    written = intent(state=before)
    store.write(written)
    if after in MOVES[before]:
        assert store.move(written, after) == replace(written, state=after, snapshot=None)
        assert store.get("ABCD0001") == replace(written, state=after, snapshot=None)
    else:
        with pytest.raises(FtpRetrieveError, match=f"ABCD0001 is {before} and cannot become {after}"):
            store.move(written, after)
        assert store.get("ABCD0001") == written


def test_a_move_that_another_process_has_made_is_no_mistake(store: Intents) -> None:
    """Two commands ask for the status at once, and both learn that it is finished."""
    written = intent(state=State.SENT)
    store.write(written)
    assert store.move(written, State.FINISHED) == store.move(written, State.FINISHED)


def test_what_counts_is_the_state_on_disk(store: Intents) -> None:
    """Not what this process read a while ago."""
    store.write(intent())
    store.move(intent(), State.SENT)
    with pytest.raises(FtpRetrieveError, match="ABCD0001 is sent and cannot become abandoned"):
        store.move(intent(), State.ABANDONED)


def test_all_and_the_unfinished_come_oldest_first(store: Intents) -> None:
    for number, state in enumerate([State.SENT, State.SENDING, State.ABANDONED, State.SENDING, State.SENT]):
        store.write(intent(f"A{number}", started=10.0 - number, state=state))
    store.write(intent("B", started=7.0, state=State.FINISHED))
    assert [known.id for known in store.unfinished()] == ["A3", "A1"]
    assert [known.id for known in store.all()] == ["A4", "A3", "B", "A2", "A1", "A0"]


# ---- of one directory


def latest(store: Intents, directory: object) -> str | None:
    found = store.latest(str(directory))
    return found and found.id


def test_the_latest_is_the_newest_that_was_not_given_up(store: Intents) -> None:
    """Of this directory; that of another does not count."""
    for number, state in enumerate([State.FINISHED, State.SENT, State.ABANDONED]):
        store.write(intent(f"A{number}", started=float(number), state=state))
    store.write(intent("B", directory="/data/2026/x/", started=9.0))
    assert latest(store, "/data/2026/") == "A1"
    assert latest(store, "/data") is None


def test_an_unfinished_one_comes_before_a_newer_one(store: Intents) -> None:
    """It has to be finished or given up first."""
    store.write(intent("A", started=1.0))
    store.write(intent("B", started=2.0, state=State.SENT))
    assert latest(store, "/data/2026/") == "A"


def test_a_directory_is_known_by_all_its_names(store: Intents, tmp_path: Path) -> None:
    """With and without a slash, by links, with dots; also when the name in the store is the link."""
    real = tmp_path / "real" / "data"
    real.mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    spellings = [real, f"{real}/", tmp_path / "link" / "data", f"{tmp_path}/link/data/", f"{real}/../data/."]
    for number, written in enumerate(map(str, spellings)):
        store.write(intent(f"A{number}", directory=written, started=float(number)))
        assert {latest(store, asked) for asked in spellings} == {f"A{number}"}


# ---- damage


def altered(store: Intents, change: Callable[[dict[str, Any]], object]) -> str:
    store.write(intent())
    path = store.directory / "ABCD0001.json"
    raw = json.loads(path.read_bytes())
    change(raw)
    return json.dumps(raw)


DAMAGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "a key is missing": lambda raw: raw.pop("node"),
    "a key too many": lambda raw: raw.update(more=1),
    "another id": lambda raw: raw.update(id="ABCD0002"),
    "a number for a text": lambda raw: raw.update(node=5),
    "a truth for a number": lambda raw: raw.update(files=True),
    "a version that is none": lambda raw: raw.update(version="1"),
    "a truth for a version": lambda raw: raw.update(version=True),
    "no number": lambda raw: raw.update(started=float("nan")),
    "a negative number": lambda raw: raw.update(total_bytes=-1),
    "a relative directory": lambda raw: raw.update(directory="data"),
    "a directory with a NUL": lambda raw: raw.update(directory="/da\0ta"),
    "a state that is none": lambda raw: raw.update(state="sending?"),
    "a digest that is none": lambda raw: raw.update(digest="x", snapshot=None),
    "another digest": lambda raw: raw.update(digest="0" * 64),
    "a size that is none": lambda raw: raw["snapshot"]["files"][0].__setitem__(1, "3"),
    "a time that is none": lambda raw: raw["snapshot"]["files"][0].__setitem__(2, 1.5),
    "a row too short": lambda raw: raw["snapshot"]["files"][0].pop(),
    "no rows": lambda raw: raw["snapshot"].update(files=7),
    "a list that is missing": lambda raw: raw["snapshot"].pop("empty_directories"),
    "a reason that is none": lambda raw: raw["snapshot"]["left_out"][0].__setitem__(1, 7),
}
TEXTS = {
    "of no bytes": b"",
    "of zeros": b"\0" * 50,
    "cut": b'{"id": "ABC',
    "no object": b"[]",
    "no UTF-8": b"\xff",
    "too deep": b"[" * 200_000,
}


def check_damaged(store: Intents) -> None:
    with pytest.raises(StorageError, match="ABCD0001.json is damaged .* transaction ABCD0001 is not known here: put"):
        store.get("ABCD0001")
    store.write(intent("OTHER", directory="/other/"))
    assert store.unfinished() == (intent("OTHER", directory="/other/"),)
    assert latest(store, "/other") == "OTHER"
    (sentence,) = store.damaged()
    assert "ABCD0001.json is damaged" in sentence
    assert store.ids() == {"ABCD0001", "OTHER"}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_with_wrong_values_is_named_and_harms_no_other(store: Intents, damage: str) -> None:
    """Nothing is guessed, and its id stays taken."""
    text = altered(store, DAMAGE[damage])
    (store.directory / "ABCD0001.json").write_text(text)
    check_damaged(store)


@pytest.mark.parametrize("path", ["/etc/passwd", "a/../../b", ".", "", "a//b", "a/", "a\0b", 5])
def test_a_path_that_leads_out_of_the_directory_is_damage(store: Intents, path: object) -> None:
    """Even if somebody made the digest fit."""

    def change(raw: dict[str, Any]) -> None:
        raw["snapshot"]["empty_directories"] = [path]
        raw["digest"] = Snapshot(SNAPSHOT.files, (path,)).digest  # type: ignore[arg-type]

    text = altered(store, change)
    (store.directory / "ABCD0001.json").write_text(text)
    check_damaged(store)


@pytest.mark.parametrize("damage", TEXTS)
def test_a_file_that_is_no_json_is_named_and_harms_no_other(store: Intents, damage: str) -> None:
    store.write(intent())
    (store.directory / "ABCD0001.json").write_bytes(TEXTS[damage])
    check_damaged(store)


def test_a_file_has_a_version(store: Intents) -> None:
    """Or a program of another one would have to guess what its keys mean."""
    assert json.loads(altered(store, lambda _: None))["version"] == 1


def test_a_file_of_another_version_is_named_and_never_overwritten(store: Intents) -> None:
    """Whatever keys it has: after a downgrade it waits for the version that wrote it."""
    text = altered(store, lambda raw: raw.update(version=2, more=1) or raw.pop("files"))
    path = store.directory / "ABCD0001.json"
    path.write_text(text)
    words = r"ABCD0001.json was written by another version of ftpretrieve \(version 2, this one reads 1\)"
    for use in (lambda: store.get("ABCD0001"), lambda: store.move(intent(), State.SENT)):
        with pytest.raises(StorageError, match=words):
            use()
    with pytest.raises(FtpRetrieveError, match="ABCD0001 exists already"):
        store.write(intent())
    store.write(intent("OTHER", directory="/other/"))
    assert (store.ids(), store.unfinished()) == ({"ABCD0001", "OTHER"}, (intent("OTHER", directory="/other/"),))
    (sentence,) = store.damaged()
    assert re.search(words, sentence)
    assert path.read_text() == text


def test_a_file_from_before_there_were_versions_is_read(store: Intents) -> None:
    """And gets one when it is written again."""
    path = store.directory / "ABCD0001.json"
    text = altered(store, lambda raw: raw.pop("version"))
    path.write_text(text)
    assert (store.get("ABCD0001"), store.damaged()) == (intent(), [])
    store.move(intent(), State.SENT)
    assert json.loads(path.read_bytes())["version"] == 1


def test_what_is_no_file_is_named_and_harms_no_other(store: Intents) -> None:
    store.write(intent())
    (store.directory / "DIR1.json").mkdir()
    assert store.unfinished() == (intent(),)
    (sentence,) = store.damaged()
    assert "DIR1.json" in sentence


# ---- crashes and full disks


def test_the_order_of_a_write(store: Intents) -> None:
    """The directory too is durable before the first byte is sent."""
    door = RecordingDoor()
    Intents(store.directory, door=door).write(intent())
    verbs = [change.verb for change in door.record]
    assert verbs == ["mkdir", "sync-directory", "create", "sync-file", "rename", "sync-directory"]
    assert [os.fsdecode(door.record[at].path) for at in (1, 5)] == [str(store.directory.parent), str(store.directory)]


@pytest.mark.parametrize("steps", range(STEPS))
def test_stopped_at_any_step_the_old_or_the_new_one_is_there(store: Intents, steps: int) -> None:
    """Never half a one, and the next program goes on."""
    store.write(intent())
    with pytest.raises(Killed):
        Intents(store.directory, door=StopDoor(steps)).move(intent(), State.SENT)
    assert store.damaged() == []
    assert store.get("ABCD0001").state is (State.SENT if steps == STEPS - 1 else State.SENDING)
    assert store.move(intent(), State.SENT).state is State.SENT
    assert sorted(os.listdir(store.directory)) == ["ABCD0001.json", "lock"]


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_full_disk_at_any_step_is_an_error(store: Intents, step: int) -> None:
    """So nothing is sent; only when the last step failed does the new one stay, and is resumed."""
    store.write(intent("A"))
    with pytest.raises(StorageError, match=f"cannot write {store.directory}/B.json: No space left on device"):
        Intents(store.directory, door=FullDoor(step)).write(intent("B"))
    assert store.ids() == ({"A", "B"} if step == STEPS else {"A"})
    assert store.damaged() == []


@pytest.mark.parametrize("step", [1, 2])
def test_a_full_disk_while_the_store_is_made_is_an_error(store: Intents, step: int) -> None:
    with pytest.raises(StorageError, match=f"cannot make {store.directory}: No space left on device"):
        Intents(store.directory, door=FullDoor(step)).write(intent())
    assert store.ids() == set()


def test_a_store_that_another_process_makes_at_the_same_time(store: Intents) -> None:
    """It is used, whoever was faster."""

    class Slow(StopDoor):
        def make_directory(self, path: bytes, mode: int = 0o755, *, parent_fd: int | None = None) -> None:
            Intents(store.directory).write(intent("A"))
            super().make_directory(path, mode, parent_fd=parent_fd)

    Intents(store.directory, door=Slow()).write(intent("B"))
    assert store.ids() == {"A", "B"}


def test_a_store_whose_parent_is_missing_is_made_for_the_default_place_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the logbook beside it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    Intents(tmp_path / "state" / "ftpretrieve" / "transactions").write(intent())
    with pytest.raises(StorageError, match=f"{tmp_path}/disk is no directory that this user can reach"):
        Intents(tmp_path / "disk" / "transactions").write(intent())
    assert not (tmp_path / "disk").exists()


def test_a_writer_waits_for_another_and_then_gives_up(store: Intents) -> None:
    """The error names the holder."""
    store.write(intent("A"))
    waits: list[float] = []
    with FileLock(str(store.directory / "lock")), pytest.raises(InUse, match=f"locked by process {os.getpid()}"):
        Intents(store.directory, wait=waits.append).write(intent("B"))
    assert sum(waits) == pytest.approx(10)
    assert store.ids() == {"A"}


# ---- who is at work


@contextmanager
def working(store: Intents, directory: object):
    argv = [sys.executable, "-c", HOLD, str(store.directory), str(directory)]
    with subprocess.Popen(argv, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child, child.stdout.readline()
        finally:
            child.kill()


def test_two_processes_cannot_send_one_directory_by_whatever_names(store: Intents, tmp_path: Path) -> None:
    """The second is told which process it is."""
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "link").symlink_to("data")
    with working(store, data) as (first, said):
        assert said == "holds it\n"
        for spelling in (data, f"{data}/", tmp_path / "link", f"{data}/../link/."):
            with working(store, spelling) as (_, refusal):
                assert refusal.startswith(f"{spelling} is being sent by another process: ")
                assert f"is locked by process {first.pid}; see ps" in refusal
        with working(store, tmp_path) as (_, said_of_another):
            assert said_of_another == "holds it\n"


def test_kill_9_frees_the_directory(store: Intents, tmp_path: Path) -> None:
    with working(store, tmp_path) as (first, _):
        first.send_signal(signal.SIGKILL)
        first.wait()
        with store.working(str(tmp_path)), pytest.raises(InUse, match=f"locked by process {os.getpid()}"):
            store.working(str(tmp_path)).__enter__()


def test_only_what_a_process_is_at_work_on_is_under_way(store: Intents, tmp_path: Path) -> None:
    """By whatever name; not what was cut off, or has been sent, nor what is in the directory that is asked for."""
    for name in ("data", "own", "killed", "sent"):
        (tmp_path / name).mkdir()
        state = State.SENT if name == "sent" else State.SENDING
        store.write(intent(name, directory=f"{tmp_path}/{name}/", state=state))
    (tmp_path / "link").symlink_to("own")
    with working(store, tmp_path / "killed") as (killed, _):
        killed.kill()
        killed.wait()
    with working(store, tmp_path / "data"), working(store, tmp_path / "own"), working(store, tmp_path / "sent"):
        assert [known.id for known in store.under_way(str(tmp_path / "link"))] == ["data"]
        assert [known.id for known in store.under_way("/")] == ["data", "own"]
    assert store.under_way("/") == ()


def test_work_that_ended_well_or_badly_leaves_nothing(store: Intents, tmp_path: Path) -> None:
    """The directory is free again, and no file tells of it."""
    with pytest.raises(ZeroDivisionError), store.working(str(tmp_path)):
        raise ZeroDivisionError
    with store.working(str(tmp_path)):
        assert len(os.listdir(store.directory)) == 1
    assert os.listdir(store.directory) == []


def test_a_directory_that_is_gone_is_locked_by_its_path(store: Intents, tmp_path: Path) -> None:
    """Its transaction may be complete, and only has to be noted."""
    missing = tmp_path / "missing"
    refused = pytest.raises(InUse, match=f"{missing}/ is being sent")
    with store.working(str(missing)), store.working(str(tmp_path / "another")), refused:
        store.working(f"{missing}/").__enter__()
