"""A disk that is full: lftp would wait for room until the job has no time left."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mirror.liar import Liar
from tests.mirror.running import Mirror


@pytest.fixture
def small_disk(mirror: Mirror) -> Iterator[Path]:
    """Return where a file system of 300 KiB is mounted, which only root can do."""
    place = mirror.root / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("option", [[], ["-P", "3"]])
def test_a_full_disk_ends_the_job_and_leaves_no_file_cut(
    option: list[str], mirror: Mirror, liar: Liar, small_disk: Path
) -> None:
    for number in range(10):
        liar.put(f"file{number}", b"x" * 50_000)
    local = small_disk / "copy"
    done = mirror.shell(liar, *option, local=local, expect=1)
    assert "No space left on device" in done.stdout
    assert {path.stat().st_size for path in local.glob("file*")} <= {50_000}
