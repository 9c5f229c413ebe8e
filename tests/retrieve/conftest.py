"""Fixtures of the tests of the polling daemon."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """Return a directory in memory where the system has one: thousands of journals are synced there."""
    shm = Path("/dev/shm")
    if not shm.is_dir():
        yield tmp_path
        return
    path = Path(tempfile.mkdtemp(prefix="ftpretrieve-", dir=shm))
    yield path
    shutil.rmtree(path)
