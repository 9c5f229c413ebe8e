"""The demonstration of the README holds what it claims, notices when it does not, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftpretrieve import PSList

DEMO = Path(__file__).parent.parent / "scripts" / "demo.py"

pytestmark = [pytest.mark.slow, pytest.mark.daemon, pytest.mark.timeout(120)]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the demonstration with its temporary directory below ours."""
    argv, environ = [sys.executable, "-u", str(DEMO)], {**os.environ, "TMPDIR": str(tmp_path)}
    pipe = subprocess.PIPE
    process = subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, env=environ, start_new_session=True)
    yield process
    process.kill()
    process.communicate()


def left_behind(tmp_path: Path) -> list[str]:
    return [*map(str, tmp_path.iterdir()), *(process.command for process in PSList().search(str(tmp_path)))]


def read_until(demo: subprocess.Popen[str], text: str) -> None:
    assert demo.stdout is not None
    assert any(text in line for line in demo.stdout)


def test_the_demonstration_holds_and_cleans_up(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    """Exit code 0 after all its checks, and neither a process nor a file is left."""
    out, err = demo.communicate()
    assert demo.returncode == 0, out + err
    assert out.count("checked: ") > 15
    assert "FILESDOWNLOADED [(" in out
    assert left_behind(tmp_path) == []


def test_interrupted_it_cleans_up(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    """Ctrl-C while the daemon runs."""
    read_until(demo, "== 2.")
    demo.send_signal(signal.SIGINT)
    demo.communicate()
    assert demo.returncode == 130
    assert left_behind(tmp_path) == []


def test_a_claim_that_does_not_hold_ends_it_with_one_clear_line(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    """Somebody writes into the consumer's directory what was never on the server."""
    read_until(demo, "== 2.")
    (directory,) = tmp_path.iterdir()
    (directory / "inbox" / "9999-report-01.csv").write_text("never on the server")
    _, err = demo.communicate()
    assert demo.returncode == 1
    assert "demo: FAILED: this does not hold: the new version arrives" in err
    assert left_behind(tmp_path) == []
