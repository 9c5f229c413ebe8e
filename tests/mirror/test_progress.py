"""The status of a mirror: its steps, the files and links counted from what lftp says, and the time."""

import shutil
import subprocess

import pytest

from ftpretrieve.deadline import Deadline
from ftpretrieve.mirror.job import Mirror as JobUnderWay
from ftpretrieve.mirror.lftp import Lftp
from ftpretrieve.mirror.progress import Steps
from ftpretrieve.mirror.records import Job, Protocol, Server
from ftpretrieve.mirror.remote import Far
from ftpretrieve.mirror.tree import Near
from ftpretrieve.passwords import Secret
from ftpretrieve.progress import Progress
from tests.screen import visible


def test_the_lines_of_lftp_are_shown_and_counted(screen):
    """Files and links count, other words do not."""
    lines = ["Transferring file `a'", "Making symbolic link `b' to `a'", "chmod: Access failed: 550 no"]
    with Progress(screen.file) as shown:
        steps = Steps(shown, lambda: 0.0)
        steps.step("Mirroring", total_files=3)
        screen.wait_for(lambda text: visible(text) == "Mirroring: file 0 of 3, 0:00:00")
        for line in lines:
            steps.line(line)
        screen.wait_for(lambda text: visible(text) == "\n".join([*lines, "Mirroring: file 2 of 3, 0:00:00"]))
    assert visible(screen.read()) == "\n".join([*lines, ""])


def test_the_time_goes_on_while_lftp_says_nothing(screen):
    """A file of an hour has one line, and a status that stands still looks like a program that hangs."""
    now = [100.0]
    with Progress(screen.file) as shown:
        Steps(shown, lambda: now[0]).step("Mirroring")
        screen.wait_for(lambda text: text == "Mirroring, 0:00:00")
        now[0] += 3683.9
        screen.wait_for(lambda text: text == "Mirroring, 0:00:00\r\x1b[KMirroring, 1:01:23")


def test_each_step_counts_its_own_files(screen):
    """The next job of a file begins at its first file."""
    with Progress(screen.file) as shown:
        steps = Steps(shown, lambda: 0.0)
        steps.step("a", total_files=1)
        steps.line("Transferring file `x'")
        steps.step("b", total_files=5)
        screen.wait_for(lambda text: "b: file 0 of 5" in text)


@pytest.mark.skipif(not shutil.which("lftp"), reason="lftp is missing: install the package lftp")
def test_each_file_and_link_of_the_real_lftp_is_counted(tmp_path, screen):
    """The count depends on how lftp words its lines; directories are not in it."""
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "a").write_text("a")
    (source / "sub" / "b").write_text("b")
    (source / "link").symlink_to("a")
    words = f"mirror --verbose=1 file://{source} {tmp_path}/target"
    said = subprocess.run(["lftp", "-c", words], check=True, capture_output=True, text=True)
    with Progress(screen.file) as shown:
        steps = Steps(shown)
        steps.step("Mirroring", total_files=3)
        for line in said.stdout.splitlines():
            steps.line(line)
        screen.wait_for(lambda text: "Mirroring: file 3 of 3" in text)


@pytest.mark.interop
def test_the_total_of_a_job_has_files_and_links_too(mirror, vsftpd, monkeypatch):
    """Or the status would come to speak of file 3 of 2."""
    for name, value in mirror.environment().items():
        monkeypatch.setenv(name, value)
    vsftpd.put("sub/a", b"a")
    (vsftpd.root / "link").symlink_to("sub")
    server = Server(Protocol.FTP, vsftpd.host, vsftpd.port, vsftpd.user, Secret(vsftpd.password))
    job = Job("test", server, vsftpd.home, mirror.local)
    mirror.local.mkdir(exist_ok=True)
    totals: list[int] = []
    JobUnderWay(job, Near(job.local), Far(Lftp(server, Deadline(600.0)), job.remote), planned=totals.append).run()
    assert totals == [2]
