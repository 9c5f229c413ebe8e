"""The disk space that a report tells."""

import os
from pathlib import Path

import pytest

from ftpretrieve.mirror.usage import space_used


@pytest.fixture
def local(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    (made / "sub" / "deep").mkdir(parents=True)
    return made


def used(local: Path) -> int:
    return space_used(local, local.parent, local.parent / "lftp_mirror.log")


def test_the_directory_its_copies_and_the_log_count(local: Path) -> None:
    """And nothing else beside them, be it a copy of another directory or a directory with the name of one."""
    (local / "sub" / "deep" / "file").write_bytes(b"x" * 100)
    (local / "\udcff").write_bytes(b"x" * 20_000)
    (local.parent / "data_08dec2010_13:52_wed.tar.gz").write_bytes(b"x" * 3_000)
    (local.parent / "data_09dic2010_13:52_jue.tar.gz").write_bytes(b"x" * 400_000)
    (local.parent / "lftp_mirror.log").write_bytes(b"x" * 5_000_000)
    (local.parent / "data_b_08dec2010_13:52_wed.tar.gz").write_bytes(b"x" * 60_000_000)
    (local.parent / "data_10dec2010_13:52_fri.tar.gz").mkdir()
    (local.parent / "other").write_bytes(b"x" * 70_000)
    assert used(local) == 5_423_100


def test_a_file_of_two_names_counts_once(local: Path) -> None:
    """Wherever the names are: a copy may be kept under a second one."""
    (local / "one").write_bytes(b"x" * 100)
    os.link(local / "one", local / "sub" / "two")
    os.link(local / "one", local.parent / "lftp_mirror.log")
    assert used(local) == 100


def test_links_are_not_followed(local: Path) -> None:
    """A link counts the length of its text; what it points to is not in the directory."""
    (local.parent / "big").write_bytes(b"x" * 1_000_000)
    (local / "file").symlink_to("../big")
    (local / "loop").symlink_to("..")
    assert used(local) == len("../big") + len("..")


def test_a_mirrored_directory_may_be_a_link(local: Path) -> None:
    """What it points to is what is mirrored."""
    (local / "file").write_bytes(b"x" * 100)
    local.rename(local.parent / "real")
    local.symlink_to("real")
    assert used(local) == 100


def test_nothing_there_is_no_error(tmp_path: Path) -> None:
    """What vanishes or was never made counts nothing."""
    assert space_used(tmp_path / "a", tmp_path / "b", tmp_path / "c" / "log") == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_counts_nothing(local: Path) -> None:
    """The rest does."""
    (local / "file").write_bytes(b"x" * 100)
    (local / "sub" / "file").write_bytes(b"x" * 100)
    (local / "sub").chmod(0)
    assert used(local) == 100
    (local / "sub").chmod(0o700)
