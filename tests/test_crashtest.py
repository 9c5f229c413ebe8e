"""The crash test in the length that fits into every run of the tests; `scripts/crashtest` runs it longer."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import why_missing

CHECKOUT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.daemon
@pytest.mark.parametrize(("server", "kills"), [("pure-ftpd", 120), ("vsftpd", 80), ("proftpd", 20)])
def test_a_daemon_killed_at_random_instants_delivers_each_version_once(server: str, kills: int) -> None:
    """Real processes, a real server, SIGKILL: nothing lost, nothing doubled, journal and log agree."""
    if missing := why_missing(server):
        pytest.skip(missing)
    argv = [sys.executable, "-m", "tests.crashtest", "--kills", str(kills), "--server", server]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
