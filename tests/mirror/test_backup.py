"""Compressed copies of a directory: when each is made, which stay, and what a failure leaves."""

import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ftpretrieve.errors import StorageError
from ftpretrieve.mirror import backup as module
from ftpretrieve.mirror.backup import backup
from ftpretrieve.mirror.copies import copy_name, partial_name
from tests.retrieve.doors import Killed, StopDoor

ZONE = ZoneInfo("Europe/Madrid")
MONDAY = datetime(2010, 12, 6, 3, 30, tzinfo=ZONE)
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
CHECKOUT = Path(__file__).parent.parent.parent
NEIGHBOURS = (
    "data_b_06dec2010_03:30_mon.tar.gz",
    "xdata_06dec2010_03:30_mon.tar.gz",
    "data_06dec2010_03:30_mon-keep.tar.gz",
    "data_06dec2010_03:30_mon.tar.gz.txt",
    "data-2010.tar.gz",
    "lftp_mirror.log",
)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    made = tmp_path / "home" / "data"
    made.mkdir(parents=True)
    (made / "file").write_text("content")
    return made


def old(directory: Path, name: str, content: bytes = b"by another program") -> Path:
    path = directory / name
    path.write_bytes(content)
    return path


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def copies(local: Path) -> list[str]:
    return [name for name in names(local.parent) if name != local.name]


# -- rotation --


def test_a_week_of_copies(local: Path) -> None:
    """A copy a day, each with that day's content; none goes before its weekday comes again."""
    for day in range(7):
        (local / "file").write_text(f"day {day}")
        done = backup(local, local.parent, now=MONDAY + timedelta(days=day))
        assert (done.removed, done.notes) == ((), ())
    found = {path.name.rpartition("_")[2]: path for path in local.parent.glob("data_*")}
    assert sorted(found) == sorted(f"{day}.tar.gz" for day in WEEK)
    for day, word in enumerate(WEEK):
        with tarfile.open(found[f"{word}.tar.gz"]) as archive:
            content = archive.extractfile("data/file")
            assert content is not None
            assert content.read() == f"day {day}".encode()


def test_three_weeks_of_copies(local: Path) -> None:
    """From the second week on, each removes the one of a week before, and nothing else that lies there."""
    for name in NEIGHBOURS:
        old(local.parent, name)
    made = []
    for day in range(21):
        now = MONDAY + timedelta(days=day, minutes=day)
        done = backup(local, local.parent, now=now)
        made.append(done.created)
        assert done.removed == ((made[day - 7],) if day >= 7 else ())
    assert copies(local) == sorted([path.name for path in made[14:]] + list(NEIGHBOURS))


def test_the_first_copy_after_a_change_of_program(local: Path) -> None:
    """A week of copies that the older program made in Spain: that of the same weekday goes, by its date."""
    spain = ["06dic2010_03:30_lun", "07Dic2010_03:30_mar", "08dic2010_03:30_mié", "09dic2010_03:30_jue"]
    for stamp in spain:
        old(local.parent, f"data_{stamp}.tar.gz")
    done = backup(local, local.parent, now=MONDAY + timedelta(days=9))
    assert [path.name for path in done.removed] == ["data_08dic2010_03:30_mié.tar.gz"]
    assert copies(local) == sorted(
        [f"data_{stamp}.tar.gz" for stamp in spain if "mié" not in stamp] + ["data_15dec2010_03:30_wed.tar.gz"]
    )


def test_the_newest_stay_with_keep(local: Path) -> None:
    """Counted with the new one, whatever their weekdays."""
    for day in range(6):
        backup(local, local.parent, now=MONDAY + timedelta(days=day), keep=3)
    assert copies(local) == [copy_name("data", MONDAY + timedelta(days=day)) for day in (3, 4, 5)]


def test_the_second_copy_of_a_minute_replaces_the_first(local: Path) -> None:
    """With the newer content, and in one step."""
    backup(local, local.parent, now=MONDAY)
    (local / "new").write_text("x")
    done = backup(local, local.parent, now=MONDAY + timedelta(seconds=20))
    assert done.removed == ()
    assert copies(local) == [done.created.name]
    with tarfile.open(done.created) as archive:
        assert "data/new" in archive.getnames()


@pytest.mark.parametrize("night", [datetime(2026, 3, 29), datetime(2026, 10, 25)], ids=["spring", "autumn"])  # noqa: DTZ001
def test_the_nights_when_clocks_change(local: Path, night: datetime) -> None:
    """A copy every 20 minutes: one of that day stays, the last, even if the clock went back meanwhile."""
    instant = night.replace(tzinfo=ZONE).astimezone(ZoneInfo("UTC"))
    for step in range(15):
        done = backup(local, local.parent, now=(instant + timedelta(minutes=20 * step)).astimezone(ZONE))
        assert copies(local) == [done.created.name]


def test_an_ambiguous_month_is_told_by_the_time_of_the_file(local: Path) -> None:
    """`lis` is 8 October 2010, a Friday, or 8 November 2010, a Monday."""
    path = old(local.parent, "data_08lis2010_03:30_x.tar.gz")
    for month, goes in ((7, False), (10, False), (11, True)):
        moment = datetime(2010, month, 8, 5, 0).timestamp()  # noqa: DTZ001
        os.utime(path, (moment, moment))
        done = backup(local, local.parent, now=MONDAY)
        assert (done.removed == (path,)) is goes
        assert any("unknown date" in note for note in done.notes) is (month == 7)


def test_a_copy_whose_date_is_unknown_stays_and_is_said(local: Path) -> None:
    """Nothing is removed that is not known to be old."""
    path = old(local.parent, "data_06foo2010_03:30_mon.tar.gz")
    for keep in (None, 1):
        done = backup(local, local.parent, now=MONDAY, keep=keep)
        assert done.notes == (f"older copies of unknown date stay: 1, such as {path.name}",)
        assert path.exists()


@pytest.mark.parametrize("keep", [None, 1])
def test_only_files_are_copies(local: Path, keep: int | None) -> None:
    """A link, a directory or a pipe is not removed, whatever it is called."""
    precious = old(local.parent, "precious")
    (local.parent / "data_29nov2010_03:30_mon.tar.gz").symlink_to(precious)
    (local.parent / "data_22nov2010_03:30_mon.tar.gz").mkdir()
    os.mkfifo(local.parent / "data_15nov2010_03:30_mon.tar.gz")
    before = copies(local)
    done = backup(local, local.parent, now=MONDAY, keep=keep)
    assert done.removed == ()
    assert copies(local) == sorted([*before, done.created.name])


def test_two_directories_of_one_name_share_a_place(local: Path, tmp_path: Path) -> None:
    """Each rotates its own copies: the archive says of which it is."""
    place, other = tmp_path / "copies", tmp_path / "other" / "data"
    place.mkdir()
    shutil.copytree(local, other)
    made = [backup(local, place, now=MONDAY).created, backup(other, place, now=MONDAY + timedelta(minutes=1)).created]
    for done, gone in (
        (backup(local, place, now=MONDAY + timedelta(days=7)), made[0]),
        (backup(other, place, now=MONDAY + timedelta(days=7, minutes=1), keep=1), made[1]),
    ):
        assert done.removed == (gone,)
    assert len(names(place)) == 2


def test_a_copy_of_another_directory_is_not_replaced(local: Path, tmp_path: Path) -> None:
    """Not even in the same minute: one of the two would have no copy, and not know."""
    other = tmp_path / "other" / "data"
    shutil.copytree(local, other)
    made = backup(local, tmp_path, now=MONDAY).created
    with pytest.raises(StorageError, match=f"is not a copy of {other}"):
        backup(other, tmp_path, now=MONDAY)
    assert [name for name in names(tmp_path) if name.endswith("gz")] == [made.name]


@pytest.mark.parametrize(
    "name", ["a b", "-rf", "*", "a\nb", "\udcff", "ünï", "n" * 225, "a_06dec2010_03:30_mon.tar.gz"]
)
def test_directories_of_odd_names(tmp_path: Path, name: str) -> None:
    """The name is data, up to the longest for which there is room behind it."""
    local = tmp_path / name
    local.mkdir()
    first = backup(local, tmp_path, now=MONDAY)
    second = backup(local, tmp_path, now=MONDAY + timedelta(days=7))
    assert second.removed == (first.created,)
    assert names(tmp_path) == sorted([name, copy_name(name, MONDAY + timedelta(days=7))])


# -- where and how --


@pytest.mark.slow
def test_the_words_are_english_whatever_the_locale(local: Path, tmp_path: Path) -> None:
    """A real Spanish locale, in which strftime writes `dic` and `mié`."""
    if not shutil.which("localedef") or not Path("/usr/share/i18n/locales/es_ES").exists():
        pytest.skip("no Spanish locale can be made: install the package locales")
    target = tmp_path / "es_ES.UTF-8"
    subprocess.run(["localedef", "-i", "es_ES", "-f", "UTF-8", "--no-archive", target], check=False)
    code = f"""
import locale
from datetime import datetime
from pathlib import Path
from ftpretrieve.mirror.backup import backup
locale.setlocale(locale.LC_ALL, "es_ES.UTF-8")
now = datetime(2010, 12, 8, 13, 52)
assert now.strftime("%b %a") == "dic mié"
print(backup(Path({os.fspath(local)!r}), Path({os.fspath(local.parent)!r}), now=now).created.name)
"""
    environment = {**os.environ, "LOCPATH": os.fspath(tmp_path), "LC_ALL": "es_ES.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "data_08dec2010_13:52_wed.tar.gz\n"


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_only_the_owner_may_read_a_copy(local: Path) -> None:
    """It holds what is private in the directory."""
    with umask(0):
        assert backup(local, local.parent, now=MONDAY).created.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("inside", ["", "sub", "link"])
def test_no_copy_inside_of_what_is_copied(local: Path, inside: str) -> None:
    """It would be mirrored or deleted, and contained in the next one."""
    (local / "sub").mkdir()
    (local.parent / "link").symlink_to(local / "sub")
    place = local.parent / "link" if inside == "link" else local / inside
    with pytest.raises(StorageError, match="must be kept outside"):
        backup(local, place, now=MONDAY)
    assert names(local) == ["file", "sub"]
    assert names(local / "sub") == []


def test_a_place_that_does_not_exist_is_not_made(local: Path, tmp_path: Path) -> None:
    """It may be on a volume that is not mounted."""
    with pytest.raises(StorageError, match="create or mount it"):
        backup(local, tmp_path / "volume", now=MONDAY)
    assert not (tmp_path / "volume").exists()


# -- failures --


def test_a_vanished_directory_leaves_the_older_copies(local: Path) -> None:
    """And no temporary file."""
    done = backup(local, local.parent, now=MONDAY)
    shutil.rmtree(local)
    with pytest.raises(StorageError, match=r"no compressed copy was made in .*older ones are kept"):
        backup(local, local.parent, now=MONDAY + timedelta(days=7))
    assert names(local.parent) == [done.created.name]


@contextmanager
def limited_files(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: EFBIG, as a full disk is ENOSPC."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def test_no_room_leaves_the_older_copies(local: Path) -> None:
    """The message says why, and nothing half-written lies about."""
    done = backup(local, local.parent, now=MONDAY)
    (local / "big").write_bytes(os.urandom(1_000_000))
    with limited_files(500_000), pytest.raises(StorageError, match="cannot be written: File too large"):
        backup(local, local.parent, now=MONDAY + timedelta(days=7))
    assert copies(local) == [done.created.name]


def test_a_full_disk(local: Path, tmp_path: Path) -> None:
    """A real one, of one MiB."""
    volume = tmp_path / "volume"
    volume.mkdir()
    (local / "big").write_bytes(os.urandom(2_000_000))
    code = f"""
import os
from datetime import datetime
from pathlib import Path
from ftpretrieve.errors import StorageError
from ftpretrieve.mirror.backup import backup
local, volume = Path({os.fspath(local)!r}), Path({os.fspath(volume)!r})
(volume / "data_06dec2010_03:30_mon.tar.gz").write_text("old")
try:
    backup(local, volume, now=datetime(2010, 12, 13))
except StorageError as error:
    print(error, os.listdir(volume))
"""
    script = f"mount -t tmpfs -o size=1m none {volume} && exec {sys.executable} -c '{code.replace(chr(39), chr(34))}'"
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    if subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], check=False).returncode:
        pytest.skip("no mount namespace may be made here")
    done = subprocess.run(inside, cwd=CHECKOUT, check=True, capture_output=True, text=True)
    assert "cannot be written: No space left on device" in done.stdout
    assert done.stdout.endswith("['data_06dec2010_03:30_mon.tar.gz']\n")


def test_a_copy_that_does_not_read_back_is_none(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk changed a byte: the older copies stay, the bad one goes."""
    done = backup(local, local.parent, now=MONDAY)
    pack = module.pack

    def damaging(source: Path, fd: int) -> object:
        packed = pack(source, fd)
        os.pwrite(fd, bytes([os.pread(fd, 1, 50)[0] ^ 1]), 50)
        return packed

    monkeypatch.setattr(module, "pack", damaging)
    with pytest.raises(StorageError, match="read back"):
        backup(local, local.parent, now=MONDAY + timedelta(days=7))
    assert copies(local) == [done.created.name]


def test_an_older_copy_that_cannot_be_removed_is_said(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new one is good all the same."""
    first = backup(local, local.parent, now=MONDAY).created

    class Stubborn(StopDoor):
        def remove(self, path: bytes) -> None:
            raise PermissionError(1, "Operation not permitted")

    done = backup(local, local.parent, now=MONDAY + timedelta(days=7), door=Stubborn())
    assert (done.created.exists(), done.removed) == (True, ())
    assert done.notes == (f"cannot remove the older copy {first}: Operation not permitted",)


def good(path: Path) -> bool:
    try:
        with tarfile.open(path) as archive:
            return archive.getnames() == ["data", "data/file"]
    except (OSError, EOFError, tarfile.TarError):
        return False


def test_stopped_at_any_step_a_whole_copy_of_that_weekday_is_there(local: Path) -> None:
    """The next run clears away what was left, and ends with one copy."""
    counting = StopDoor()
    backup(local, local.parent, now=MONDAY)
    backup(local, local.parent, now=MONDAY + timedelta(days=7), door=counting)
    assert counting.did >= 5
    for steps in range(counting.did):
        for name in copies(local):
            (local.parent / name).unlink()
        backup(local, local.parent, now=MONDAY)
        with pytest.raises(Killed):
            backup(local, local.parent, now=MONDAY + timedelta(days=7), door=StopDoor(steps))
        assert [good(path) for path in local.parent.glob("data_*")] in ([True], [True, True])
        done = backup(local, local.parent, now=MONDAY + timedelta(days=7, minutes=1))
        assert copies(local) == [done.created.name]


@pytest.mark.crash
def test_killed_while_it_writes(local: Path) -> None:
    """SIGKILL leaves the hidden file and the older copies; the next copy clears the one and rotates the others."""
    first = backup(local, local.parent, now=MONDAY).created
    os.truncate(local / "file", 1 << 40)  # a sparse file that takes hours
    code = f"""
from datetime import datetime
from pathlib import Path
from ftpretrieve.mirror.backup import backup
backup(Path({os.fspath(local)!r}), Path({os.fspath(local.parent)!r}), now=datetime(2010, 12, 13))
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT)
    partial = local.parent / partial_name("data")
    try:
        while process.poll() is None and not (partial.exists() and partial.stat().st_size):
            pass
        with pytest.raises(StorageError, match="another process is writing"):
            backup(local, local.parent, now=MONDAY + timedelta(days=7))
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert copies(local) == sorted([partial.name, first.name])
    os.truncate(local / "file", 10)
    done = backup(local, local.parent, now=MONDAY + timedelta(days=7))
    assert done.removed == (first,)
    assert copies(local) == [done.created.name]


def test_a_copy_that_is_being_written_is_left_alone(local: Path) -> None:
    """Two directories of one name keep their copies in one place, at the same time."""
    partial = old(local.parent, partial_name("data"))
    with partial.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="another process is writing"):
            backup(local, local.parent, now=MONDAY)
    assert partial.read_bytes() == b"by another program"


def test_a_link_in_place_of_the_temporary_file_is_not_followed(local: Path) -> None:
    """What it points to stays as it is."""
    precious = old(local.parent, "precious")
    (local.parent / partial_name("data")).symlink_to(precious)
    with pytest.raises(StorageError):
        backup(local, local.parent, now=MONDAY)
    assert precious.read_bytes() == b"by another program"


def test_an_interrupt_leaves_no_temporary_file(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control-C, or the end of the wall clock."""

    def interrupted(source: Path, fd: int) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "pack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        backup(local, local.parent, now=MONDAY)
    assert copies(local) == []


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_files(local: Path) -> None:
    """20,000 files take no more than 2,000, written and read back."""
    code = f"""
import sys, tracemalloc
from datetime import datetime
from pathlib import Path
from ftpretrieve.mirror.backup import backup
local = Path({os.fspath(local)!r})
peaks = []
for many in (2_000, 20_000):
    for number in range(many):
        (local / str(number)).touch()
    tracemalloc.start()
    backup(local, local.parent, now=datetime(2010, 12, 13))
    peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
print(peaks)
sys.exit(peaks[1] > peaks[0] * 1.5)
"""
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True)
