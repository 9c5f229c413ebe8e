"""What the tests of send need: the data centre and the command. What is missing skips and is named."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

import ftpretrieve.send
from ftpretrieve.send.records import Settings
from ftpretrieve.send.settings import read_settings
from tests.rsyncd import Rsyncd, why_no_rsync
from tests.send import node as nodes
from tests.send.calling import Calls
from tests.send.configuring import MINIMUM, SECTIONS, text_of
from tests.send.node import Node
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
def make_node(tmp_path: Path) -> Callable[..., Node]:
    """Return a function (server, **settings) that makes a node."""
    return lambda server, **changes: nodes.make(server, tmp_path, **changes)


@pytest.fixture
def node(centre: Rsyncd, make_node: Callable[..., Node]) -> Iterator[Node]:
    """Return a node of a data centre that takes everything; it must leave no temporary file."""
    made = make_node(centre)
    yield made
    assert list(made.settings.working_directory.iterdir()) == []


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
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Let the command line call what notes how it was called, in place of what talks to a data centre."""
    calls = Calls()
    for module, names in (("run", ("send", "test", "resume")), ("follow", ("retrieve", "status", "pending"))):
        stand_in = SimpleNamespace(**{name: calls.named(f"{module}.{name}") for name in names})
        monkeypatch.setitem(sys.modules, f"ftpretrieve.send.{module}", stand_in)
        monkeypatch.setattr(ftpretrieve.send, module, stand_in, raising=False)
    return calls


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a small configuration, with a log beside it."""
    path = tmp_path / "send.conf"
    path.touch(mode=0o600)
    path.write_text(
        "[my resif node]\nmy node name = TEST\nmy node password = geheim-42\n"
        "[logging]\nlog file = send.log\nlogbook = book.json\n"
    )
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the log of `config`."""
    return tmp_path / "send.log"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function (text, mode) that writes a configuration file."""

    def write(text: str, mode: int = 0o640) -> Path:
        path = tmp_path / "ResifDataTransfer.conf"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def load(write: Callable[..., Path]) -> Callable[..., Settings]:
    """Return a function that loads the smallest file with some values; `_` stands for a blank in a key."""

    def load(**values: str) -> Settings:
        more = {(SECTIONS[name.replace("_", " ")], name.replace("_", " ")): text for name, text in values.items()}
        return read_settings(write(text_of({**MINIMUM, **more})), {"HOME": "/home/joe"})

    return load
