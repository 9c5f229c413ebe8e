"""What becomes of a run while it works: ended, killed, met by a second one, watched by others for its password."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.mirror.inbox import Inbox
from tests.mirror.liar import Liar
from tests.mirror.running import Mirror, family, tree, under_way
from tests.sshd import PasswordSftp, Sshd
from tests.waiting import await_true

pytestmark = pytest.mark.interop

OLD = 1_600_000_000
SECRET = "Tr0ub4dor&3-geheim"


# -- limits of time, and kills --------------------------------------------------------------------------------------


STAGES: dict[str, Callable[[Liar], object]] = {
    "greeting": lambda server: server.fall_silent(),
    "login": lambda server: server.before("USER", 1, server.fall_silent),
    "listing": lambda server: server.before("LIST", 1, server.fall_silent),
    "second session": lambda server: server.before("USER", 2, server.fall_silent),
    "transfer": lambda server: server.before("RETR", 1, server.fall_silent),
    "middle of a transfer": lambda server: setattr(server, "silent_after_bytes", 50_000),
}


@pytest.mark.parametrize("stage", STAGES)
def test_silence_at_any_stage_is_ended_and_named(mirror: Mirror, liar: Liar, stage: str) -> None:
    liar.put("a", bytes(200_000))
    mirror.put("gone", b"x")
    mirror.put("b", b"x", mtime=OLD)
    liar.put("b", b"x", mtime=OLD)
    STAGES[stage](liar)
    done = mirror.shell(liar, "-e", "--timeout", "2", expect=75)
    assert family(mirror) == []
    assert "--timeout" in done.report
    assert "Ended OK" not in done.said
    left = tree(mirror.local)
    assert "a" not in left
    assert {"gone", "b"} <= set(left)


@pytest.mark.parametrize("stage", ["STOR", "LIST"])
def test_silence_during_an_upload(mirror: Mirror, liar: Liar, stage: str) -> None:
    mirror.put("a", bytes(200_000))
    mirror.put("b", b"x", mtime=OLD)
    liar.put("b", b"x", mtime=OLD)
    liar.put("gone", b"x")
    liar.before(stage, 1, liar.fall_silent)
    mirror.shell(liar, "-r", "-e", "--timeout", "2", expect=75)
    assert family(mirror) == []
    assert "gone" in tree(liar.root)
    assert "a" not in tree(liar.root)


@pytest.mark.slow
def test_an_lftp_that_ignores_sigterm_is_killed(mirror: Mirror, liar: Liar) -> None:
    liar.put("a", b"x")
    mirror.program(
        "lftp",
        'case "$1" in --version) exec /usr/bin/lftp --version;; esac\n'
        "trap '' TERM\nsh -c \"trap '' TERM; sleep 600\" &\nsleep 600",
    )
    mirror.shell(liar, "--timeout", "1", expect=75)
    assert family(mirror) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_no_process_behind(mirror: Mirror, liar: Liar, number: signal.Signals) -> None:
    liar.put("a", bytes(500_000))
    liar.bytes_per_sec = 100_000
    with under_way(mirror, *mirror.arguments(liar), password=liar.password) as process:
        await_true(lambda: liar.commands["RETR"])
        process.send_signal(number)
        process.communicate()
        assert process.returncode != 0
        await_true(lambda: not family(mirror))
    assert "a" not in tree(mirror.local)
    liar.bytes_per_sec = 0
    mirror.shell(liar, expect=0)  # the lock is free
    assert tree(mirror.local) == {"a": bytes(500_000)}


def test_an_lftp_killed_in_a_transfer_leaves_no_part_under_a_final_name(mirror: Mirror, liar: Liar) -> None:
    liar.put("a", bytes(500_000))
    mirror.put("gone", b"x")
    mirror.put("b", b"x", mtime=OLD)
    liar.put("b", b"x", mtime=OLD)
    liar.bytes_per_sec = 100_000
    with under_way(mirror, *mirror.arguments(liar, "-e"), password=liar.password) as process:
        await_true(lambda: any(path.stat().st_size for path in mirror.local.glob(".in.*")))
        for one in family(mirror):
            if one.name() == "lftp":
                one.kill()
        process.communicate()
        assert process.returncode in (1, 75)
    assert "Ended OK" not in mirror.report()
    assert {"gone", "b"} <= set(tree(mirror.local))
    assert "a" not in tree(mirror.local)
    liar.bytes_per_sec = 0
    mirror.shell(liar, "-e", expect=0)
    assert tree(mirror.local) == {"a": bytes(500_000), "b": b"x"}


def test_a_server_that_dies_in_a_transfer(mirror: Mirror, liar: Liar) -> None:
    liar.put("a", bytes(500_000))
    liar.bytes_per_sec = 100_000
    with under_way(mirror, *mirror.arguments(liar, "--timeout", "4"), password=liar.password) as process:
        await_true(lambda: any(path.stat().st_size for path in mirror.local.glob(".in.*")))
        liar.stop()
        process.communicate()
        assert process.returncode == 75
    assert "a" not in tree(mirror.local)


def test_a_server_that_refuses_connections_after_the_plan(mirror: Mirror, liar: Liar) -> None:
    liar.put("a", b"x")
    liar.put("b", b"x", mtime=OLD)
    mirror.put("b", b"x", mtime=OLD)
    mirror.put("gone", b"x")
    liar.before("LIST", 1, liar.refuse_connections)
    done = mirror.shell(liar, "-e", "--timeout", "5", expect=75)
    assert {"gone", "b"} <= set(tree(mirror.local))
    assert "Ended OK" not in done.said


def test_a_login_that_is_refused_after_the_plan(mirror: Mirror, liar: Liar) -> None:
    liar.put("a", b"x")
    liar.put("b", b"x", mtime=OLD)
    mirror.put("b", b"x", mtime=OLD)
    mirror.put("gone", b"x")

    def password(handler: Any, argument: str, proceed: Callable[[], None]) -> None:
        proceed() if liar.commands["PASS"] == 1 else handler.respond("530 no longer")

    liar.replace["PASS"] = password
    mirror.shell(liar, "-e", "--timeout", "6", expect=1)
    assert {"gone", "b"} <= set(tree(mirror.local))


# -- two at once ----------------------------------------------------------------------------------------------------


def test_the_second_run_on_one_directory_says_so(mirror: Mirror, liar: Liar) -> None:
    liar.put("a", bytes(300_000))
    liar.bytes_per_sec = 100_000
    with under_way(mirror, *mirror.arguments(liar), password=liar.password) as process:
        await_true(lambda: liar.commands["RETR"])
        sessions = liar.commands["USER"]
        done = mirror.shell(liar, expect=75)
        assert str(process.pid) in done.said
        assert "--no-email" not in done.said + mirror.report()  # a word of the first one; another may be its password
        assert liar.commands["USER"] == sessions
        liar.bytes_per_sec = 0
        process.communicate()
        assert process.returncode == 0
    assert tree(mirror.local) == {"a": bytes(300_000)}


def test_another_name_of_the_directory_is_the_same_directory(mirror: Mirror, liar: Liar) -> None:
    liar.put("a", bytes(300_000))
    mirror.local.mkdir()
    alias = mirror.home / "alias"
    alias.symlink_to(mirror.local)
    liar.bytes_per_sec = 100_000
    with under_way(mirror, *mirror.arguments(liar), password=liar.password) as process:
        await_true(lambda: liar.commands["RETR"])
        done = mirror.shell(liar, local=alias, expect=75)
        assert "in use by another process" in done.said
        liar.bytes_per_sec = 0
        process.communicate()
        assert process.returncode == 0


# -- no password anywhere -------------------------------------------------------------------------------------------


class Secretive(Liar):
    """A server with a password that is nowhere else."""

    password = SECRET


def command_lines(mirror: Mirror) -> set[str]:
    found = set()
    for process in family(mirror):
        try:
            found.add(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def places_of(secret: bytes, directory: Path) -> list[str]:
    return [
        name
        for name, content in tree(directory).items()
        if secret in os.fsencode(name) or (isinstance(content, bytes) and secret in content)
    ]


@pytest.mark.parametrize("words", [(), ("-e",), ("-r", "-e"), ("--del-source",), ("-P", "3")], ids=lambda w: "".join(w))
def test_the_password_is_nowhere(mirror: Mirror, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "secretive").mkdir()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    seen: set[str] = set()
    with Secretive(tmp_path / "secretive", mlsd=False) as server, Inbox() as inbox:

        def watch(handler: Any, argument: str, proceed: Callable[[], None]) -> None:
            seen.update(command_lines(mirror))
            proceed()

        server.replace |= dict.fromkeys(("LIST", "RETR", "STOR", "DELE"), watch)
        server.put("theirs", b"x")
        server.put("both", b"x", mtime=OLD)
        mirror.put("mine", b"x")
        mirror.put("both", b"x", mtime=OLD)
        mail = ["--to-addrs", "joe@example.org", "--smtp-server", inbox.address]
        options = ["--json", *mail, *words]
        done = mirror.shell(server, *options, without=["--no-email"], env={"TMPDIR": str(temporary)}, expect=0)
    assert any("lftp" in line for line in seen)
    assert [line for line in seen if SECRET in line] == []
    assert SECRET not in done.said
    assert SECRET not in inbox.mails[0].text
    assert [place for place in places_of(SECRET.encode(), tmp_path) if "liar" not in place] == []
    assert tree(temporary) == {}


def test_the_password_is_not_in_the_error_of_a_refused_login(mirror: Mirror, liar: Liar, tmp_path: Path) -> None:
    liar.replace["PASS"] = lambda handler, argument, proceed: handler.respond(f"530 {argument} is wrong")
    done = mirror.shell(liar, env={"LFTP_PASSWORD": SECRET}, expect=1)
    assert SECRET not in done.said
    assert places_of(SECRET.encode(), tmp_path) == []


def test_the_password_of_sftp_is_not_in_a_command_line(mirror: Mirror, password_sftp: PasswordSftp) -> None:
    password_sftp.put("a", b"x")
    recorded = mirror.home / "argv"
    ssh = (mirror.programs / "ssh").read_text()
    (mirror.programs / "ssh").write_text(ssh.replace("exec", f'printf "%s\\n" "$@" >>{recorded}\nexec'))
    mirror.shell(password_sftp, "-s", expect=0)
    assert password_sftp.password not in recorded.read_text().split()


def test_without_a_password_ssh_never_asks(mirror: Mirror, sshd: Sshd) -> None:
    """Nobody sits at the terminal of cron."""
    sshd.put("a", b"x")
    done = mirror.shell(sshd, "-s", "--timeout", "5")
    assert done.code in (1, 75)
    assert tree(mirror.local) == {}
