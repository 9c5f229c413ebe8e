"""Fixtures of the tests of the polling daemon."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.retrieve.memory_remote import MLSD, Style
from tests.retrieve.world import World


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


@pytest.fixture
def make_world(memory_path: Path) -> Callable[..., World]:
    """Return a function (style, **rules) that makes a world in a directory of its own."""

    def make(style: Style = MLSD, **rules: object) -> World:
        return World(memory_path / f"world{len(os.listdir(memory_path))}", style, **rules)

    return make
