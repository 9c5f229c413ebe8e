"""Which rsync and du are taken, and which are refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ftpretrieve.errors import CommandFailed
from ftpretrieve.send.records import GB
from ftpretrieve.send.tools import find_du, find_rsync, size_gb
from tests.send.test_limits import settings

BYTES = ("--bytes", "--summarize")
LIMIT_SECS = 600.0  # that no run gets to


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory that is the first of PATH."""
    directory = tmp_path / "programs"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def du() -> Path:
    try:
        return find_du(settings())
    except CommandFailed as error:
        pytest.skip(str(error))


# -- rsync ------------------------------------------------------------------------------------------------------------


def test_the_rsync_of_this_machine_is_found_with_its_version() -> None:
    if not shutil.which("rsync"):
        pytest.skip("rsync is missing: install the package rsync")
    rsync = find_rsync(settings())
    assert rsync.path == Path(str(shutil.which("rsync")))
    assert rsync.version >= (3, 0, 6)


@pytest.mark.parametrize(("version", "has_info"), [("3.0.6", False), ("3.0.9", False), ("3.1.0", True)])
def test_the_oldest_rsync_that_will_do(programs: Path, version: str, has_info: bool) -> None:
    """What came later than 3.0.6 is only used when it is there."""
    path = script(programs / "rsync", f"echo 'rsync  version {version}  protocol version 30'")
    rsync = find_rsync(settings())
    assert (rsync.path, rsync.has_info) == (path, has_info)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo 'rsync  version 3.0.5  protocol version 30'", "is rsync 3.0.5, and 3.0.6 or newer is needed"),
        ("echo 'rsync  version 2.6.9  protocol version 29'", "is rsync 2.6.9"),
        ("echo 'openrsync: protocol version 29'; echo 'rsync version 2.6.9 compatible'", "is openrsync"),
        ("echo hello", "is another program"),
        ("exit 3", "exit code 3"),
    ],
)
def test_an_rsync_that_will_not_do_is_refused(programs: Path, body: str, words: str) -> None:
    """The message names it, and unless it cannot run, the keys that choose another one."""
    path = script(programs / "rsync", body)
    with pytest.raises(CommandFailed, match=words) as caught:
        find_rsync(settings())
    assert str(path) in str(caught.value)
    assert "exit code" in words or "'rsync command full path'" in str(caught.value)


def test_an_rsync_that_does_not_run_is_named_with_the_fix(programs: Path) -> None:
    """As one of another machine, or one that lacks a library."""
    script(programs / "rsync", "echo 'cannot open libpopt.so.0' >&2; exit 127")
    with pytest.raises(CommandFailed, match=r"libpopt\.so\.0.*'rsync command full path'"):
        find_rsync(settings())


def test_no_rsync_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandFailed, match="no rsync in PATH; install rsync, or set 'rsync command auto find = no'"):
        find_rsync(settings())


def test_the_configured_program_goes_before_path(programs: Path, tmp_path: Path) -> None:
    """The full path is why the key exists."""
    script(programs / "rsync", "exit 3")
    mine = script(tmp_path / "my rsync", "echo 'rsync  version 3.2.7  protocol version 31'")
    assert find_rsync(settings(rsync=mine)).path == mine


@pytest.mark.parametrize("kind", ["missing", "not executable", "directory", "relative"])
def test_a_configured_program_that_is_none_is_refused(kind: str, tmp_path: Path) -> None:
    """PATH is not looked at then: another program than the one that was asked for would be a surprise."""
    path = tmp_path / "rsync"
    if kind == "not executable":
        path.write_text("#!/bin/sh\n")
    elif kind == "directory":
        path.mkdir()
    with pytest.raises(CommandFailed, match="'rsync command full path'"):
        find_rsync(settings(rsync=Path("rsync") if kind == "relative" else path))
    with pytest.raises(CommandFailed, match="'disk usage command full path'"):
        find_du(settings(du=Path("rsync") if kind == "relative" else path))


# -- du ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["echo 'BusyBox v1.36.1 multi-call binary.'", "echo usage >&2; exit 64"])
def test_another_du_is_refused(programs: Path, body: str) -> None:
    """Busybox says who it is, the BSDs do not know the option."""
    path = script(programs / "du", body)
    with pytest.raises(CommandFailed, match=f"{path} is not GNU du; .*'disk usage command full path'"):
        find_du(settings())


@pytest.mark.parametrize("name", ["data", "two words", "new\nline", "--summarize", "#", "caf\udce9"])
@pytest.mark.parametrize(
    "arguments", [BYTES, ("-sb",), ("-s", "--block-size=1", "--apparent-size"), ("-sb0",)], ids=str
)
def test_the_size_is_what_du_counts(name: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever the name; with a slash at its end or not."""
    directory = tmp_path / name
    (directory / "below").mkdir(parents=True)
    (directory / "below" / "file").write_bytes(bytes(5_000_000))
    configured = settings(du_arguments=arguments)
    sizes = {size_gb(du(), configured, f"{directory}{slash}", LIMIT_SECS) for slash in ("", "/")}
    assert len(sizes) == 1
    assert 5_000_000 <= sizes.pop() * GB < 5_100_000  # the directories count as well


@pytest.mark.parametrize("arguments", [(), ("--summarize",), ("-sk",), ("-sh",), ("--bytes",), ("-sbc",)], ids=str)
def test_arguments_that_do_not_give_one_number_of_bytes_are_refused(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Or a limit would be compared with something else."""
    (tmp_path / "below").mkdir()
    with pytest.raises(CommandFailed, match="one number of bytes .*--bytes --summarize"):
        size_gb(du(), settings(du_arguments=arguments), str(tmp_path), LIMIT_SECS)


def test_a_du_that_could_not_read_everything_is_a_failure(tmp_path: Path) -> None:
    """Its own words are repeated."""
    with pytest.raises(CommandFailed, match="No such file or directory"):
        size_gb(du(), settings(du_arguments=BYTES), str(tmp_path / "nothing"), LIMIT_SECS)


def test_of_a_link_to_a_directory_the_directory_is_measured(tmp_path: Path) -> None:
    """What is sent is what it leads to; the link alone would pass every limit."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_bytes(bytes(100_000))
    (tmp_path / "link").symlink_to("data")
    sizes = [size_gb(du(), settings(du_arguments=BYTES), str(tmp_path / name), LIMIT_SECS) for name in ("link", "data")]
    assert sizes[0] == sizes[1] > 100_000 / GB
