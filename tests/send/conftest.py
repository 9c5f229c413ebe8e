"""What the tests of send need: the data centre and the command. What is missing skips and is named."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.rsyncd import Rsyncd, why_no_rsync
from tests.send.running import Send


@pytest.fixture
def make_rsyncd(tmp_path: Path) -> Iterator[Callable[..., Rsyncd]]:
    """Return a function (**options) that starts a data centre until the test ends."""
    missing = why_no_rsync()
    if missing:
        pytest.skip(missing)
    with ExitStack() as stack:
        started: list[Rsyncd] = []

        def make(**options: object) -> Rsyncd:
            directory = tmp_path / f"centre{len(started)}"
            directory.mkdir()
            started.append(stack.enter_context(Rsyncd(directory, **options)))
            return started[-1]

        yield make


@pytest.fixture
def centre(make_rsyncd: Callable[..., Rsyncd]) -> Rsyncd:
    """Return a data centre that takes everything."""
    return make_rsyncd()


@pytest.fixture
def send(tmp_path: Path, centre: Rsyncd) -> Send:
    """Return the command, configured for `centre`."""
    return Send(tmp_path / "node", centre)


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function (size, such as 300k) that mounts a small file system, which only root can do."""
    if not shutil.which("mount"):
        pytest.skip("mount is missing")
    mounted: list[Path] = []

    def make(size: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        argv = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=10)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=10)
