"""A run as the crontab sees it: several jobs, limits of time, kills, two at once, no password anywhere, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.mirror.inbox import Inbox
from tests.mirror.liar import Liar
from tests.mirror.running import LIMIT_SECS, Mirror, tree
from tests.servers import FtpServer, free_port
from tests.sshd import PasswordSftp, Sshd

pytestmark = pytest.mark.interop

OLD = 1_600_000_000
SECRET = "Tr0ub4dor&3-geheim"


def section(name: str, server: FtpServer, local: Path, **keys: object) -> str:
    rows = {"site": server.host, "port": server.port, "remote": server.home, "local": local, "user": server.user}
    rows |= {"password": "env:LFTP_PASSWORD", "options": "--no-email --no-compress"} | keys
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in rows.items())


def family(mirror: Mirror) -> list[psutil.Process]:
    """Return every process that has the home of these tests in its environment, zombies left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == str(mirror.home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def await_true(question: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT_SECS
    while not question():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@contextmanager
def under_way(mirror: Mirror, *arguments: str | Path, password: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command beside the test, and end it with the test."""
    with mirror.popen(*arguments, env={"LFTP_PASSWORD": password}) as process:
        try:
            yield process
        finally:
            process.kill()
            for left in family(mirror):
                left.kill()


# -- several jobs ---------------------------------------------------------------------------------------------------


def test_of_three_jobs_one_fails_and_the_others_run(mirror: Mirror, server: FtpServer) -> None:
    server.put("one/a", b"1")
    server.put("three/c", b"3")
    base = server.home.rstrip("/")
    text = section("first", server, mirror.root / "first", remote=f"{base}/one")
    text += section("second", server, mirror.root / "second", remote=f"{base}/missing")
    text += section("third", server, mirror.root / "third", remote=f"{base}/three")
    done = mirror.run("cfg", mirror.configuration(text), env={"LFTP_PASSWORD": server.password}, expect=1)
    assert tree(mirror.root / "first") == {"a": b"1"}
    assert tree(mirror.root / "third") == {"c": b"3"}
    assert done.report.count("Ended OK") == 2
    assert [done.report.index(name) for name in ("first", "second", "third")] == sorted(
        done.report.index(name) for name in ("first", "second", "third")
    )


def test_one_mail_a_run(mirror: Mirror, vsftpd: FtpServer) -> None:
    vsftpd.put("a", b"1")
    with Inbox() as inbox:
        options = f"--no-compress --to-addrs joe@example.org --smtp-server {inbox.address}"
        text = section("first", vsftpd, mirror.root / "first", options=options)
        text += section("second", vsftpd, mirror.root / "second", options=options)
        mirror.run("cfg", mirror.configuration(text), env={"LFTP_PASSWORD": vsftpd.password}, expect=0)
    (mail,) = inbox.mails
    assert mail.text.count("Ended OK") == 2


def test_a_mail_server_that_is_away_is_a_line_in_the_report(mirror: Mirror, vsftpd: FtpServer) -> None:
    vsftpd.put("a", b"1")
    words = ["--to-addrs", "joe@example.org", "--smtp-server", f"127.0.0.1:{free_port()}"]
    done = mirror.shell(vsftpd, *words, without=["--no-email"], expect=0)
    assert "mail" in (done.report + done.stderr).lower()


def test_globs_in_a_file_are_read_as_a_shell_would(mirror: Mirror, vsftpd: FtpServer) -> None:
    vsftpd.put("a.txt", b"1")
    vsftpd.put("two words.log", b"1")
    vsftpd.put("b.log", b"1")
    mirror.put("gone", b"1")
    options = "-enP --exclude-glob 'two words.*' --no-email --no-compress --max-delete 100%"
    vsftpd.put("both", b"1", mtime=OLD)
    mirror.put("both", b"1", mtime=OLD)
    text = section("only", vsftpd, mirror.local, options=options)
    mirror.run("cfg", mirror.configuration(text), env={"LFTP_PASSWORD": vsftpd.password}, expect=0)
    assert set(tree(mirror.local)) == {"a.txt", "b.log", "both"}


def test_cron_finds_its_file(mirror: Mirror, vsftpd: FtpServer) -> None:
    vsftpd.put("a", b"1")
    place = mirror.home / ".config" / "ftpretrieve" / "mirror.cfg"
    place.parent.mkdir(parents=True)
    place.touch(mode=0o600)
    place.write_text(section("cron", vsftpd, mirror.local))
    mirror.run("cron", env={"LFTP_PASSWORD": vsftpd.password}, expect=0)
    assert tree(mirror.local) == {"a": b"1"}


# -- the report -----------------------------------------------------------------------------------------------------


def test_the_report_has_the_known_form(mirror: Mirror, server: FtpServer) -> None:
    server.put("a", b"hello")
    mirror.shell(server, without=["--no-compress"], expect=0)
    headers = ["SCRIPT", "START TIME", "CREATED NEW DIRECTORY", "LFTP OUTPUT", "ROTATE COMPRESSED COPIES"]
    headers += ["DISK SPACE USED", "END TIME", "RESULT"]
    report = mirror.report()
    assert [header for header in headers if header not in report] == []
    lines = [line for line in report.splitlines() if str(mirror.root) not in line]  # a path stays whole
    assert max(map(len, lines)) == 80


def test_the_log_grows(mirror: Mirror, server: FtpServer) -> None:
    server.put("a", b"hello")
    first = mirror.shell(server, expect=0).report
    mirror.shell(server, expect=0)
    assert mirror.report().startswith(first)
    assert mirror.report().count("START TIME") == 2


def test_quiet_says_nothing_of_what_is_right(mirror: Mirror, vsftpd: FtpServer) -> None:
    """cron mails whatever is printed."""
    vsftpd.put("a", b"a", OLD)
    done = mirror.shell(vsftpd, "-q", expect=0)
    assert (done.stdout, done.stderr) == ("", "")
    assert "Transferring file `a'" in done.report
    done = mirror.shell(vsftpd, "-q", remote="/no/such", expect=1)
    assert done.stdout == ""
    assert done.stderr.startswith("lftp-mirror: shell: Failed: ")
    assert done.stderr.count("\n") == 1


def test_a_plan_shows_nothing_as_if_it_were_done(mirror: Mirror, vsftpd: FtpServer) -> None:
    vsftpd.put("a", b"a", OLD)
    mirror.put("old", b"old", OLD)
    done = mirror.shell(vsftpd, expect=0)
    assert done.stderr == "Transferring file `a'\n"


def test_json_tells_what_was_done(mirror: Mirror, server: FtpServer) -> None:
    server.put("a", b"hello")
    server.put("b", b"hello")
    mirror.put("gone", b"x")
    mirror.put("b", b"hello")
    data = json.loads(mirror.shell(server, "-e", "--json", expect=0).stdout)
    text = json.dumps(data)
    assert '"ok"' in text
    assert SECRET not in text


# -- exit codes -----------------------------------------------------------------------------------------------------


def test_no_arguments_is_usage(mirror: Mirror) -> None:
    done = mirror.run(expect=2)
    assert all(mode in done.stderr for mode in ("cron", "cfg", "shell"))


def test_arguments_that_are_wrong(mirror: Mirror, liar: Liar) -> None:
    mirror.shell(liar, "--no-such-option", expect=2)
    assert not liar.log


def test_a_file_that_is_wrong(mirror: Mirror, liar: Liar) -> None:
    text = section("one", liar, mirror.local, options="--no-such-option") + section(
        "two", liar, mirror.local, sitte="x"
    )
    done = mirror.run("cfg", mirror.configuration(text), expect=6)
    assert "no-such-option" in done.stderr
    assert "sitte" in done.stderr
    assert not liar.log


def test_no_lftp_is_said_with_the_package(mirror: Mirror, vsftpd: FtpServer) -> None:
    done = mirror.shell(vsftpd, env={"PATH": str(mirror.programs)}, expect=6)
    assert "apt install lftp" in done.stderr


def test_an_old_lftp_is_refused(mirror: Mirror, vsftpd: FtpServer) -> None:
    mirror.program("lftp", "echo 'LFTP | Version 4.7.7 | Copyright (c) 1996-2017'")
    done = mirror.shell(vsftpd, expect=6)
    assert "4.7.7" in done.stderr


def test_a_server_that_is_away(mirror: Mirror, vsftpd: FtpServer) -> None:
    vsftpd.put("a", b"x")
    vsftpd.stop()
    done = mirror.shell(vsftpd, "-e", "--timeout", "5", expect=75)
    assert "Ended OK" not in done.said


def test_one_away_and_one_good_is_a_failure(mirror: Mirror, vsftpd: FtpServer, liar: Liar) -> None:
    vsftpd.put("a", b"x")
    liar.fall_silent()
    text = section("away", liar, mirror.root / "away", options="--no-email --no-compress --timeout 2")
    text += section("good", vsftpd, mirror.local)
    mirror.run("cfg", mirror.configuration(text), env={"LFTP_PASSWORD": vsftpd.password}, expect=1)
    assert tree(mirror.local) == {"a": b"x"}


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
    mirror.shell(liar, "--timeout", "1", expect=75, timeout=25)
    assert family(mirror) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_no_process_behind(mirror: Mirror, liar: Liar, number: signal.Signals) -> None:
    liar.put("a", bytes(500_000))
    liar.bytes_per_sec = 100_000
    with under_way(mirror, *mirror.arguments(liar), password=liar.password) as process:
        await_true(lambda: liar.commands["RETR"])
        process.send_signal(number)
        process.communicate(timeout=LIMIT_SECS)
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
        process.communicate(timeout=LIMIT_SECS)
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
        process.communicate(timeout=LIMIT_SECS)
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


# -- where letters are other bytes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
def test_a_locale_without_utf8_changes_no_name(mirror: Mirror, server: FtpServer, reverse: bool) -> None:
    """Such as that of a crontab which says LC_ALL=es_ES; Python's own ways round the plainest ones are switched off."""
    place = mirror.put if reverse else server.put
    place("łódź año/naïve.txt", b"x")
    plain = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    mirror.shell(server, *["-r"] * reverse, "-e", env=plain, expect=0)
    assert tree(server.root) == tree(mirror.local) != {}
    assert "naïve.txt" in mirror.report()


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
        process.communicate(timeout=LIMIT_SECS)
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
        process.communicate(timeout=LIMIT_SECS)
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


# -- the installed command ------------------------------------------------------------------------------------------


def test_the_installed_command_is_the_same(mirror: Mirror) -> None:
    installed = Path(sys.executable).with_name("lftp-mirror")
    if not installed.exists():
        pytest.skip("lftp-mirror is not installed beside this Python")
    environment = mirror.environment()
    theirs = subprocess.run(
        [installed, "shell", "--help"], check=False, capture_output=True, text=True, env=environment, timeout=9
    )
    ours = mirror.run("shell", "--help", expect=0).stdout
    plain = re.sub(r"ftpretrieve mirror|lftp-mirror", "", ours).split()
    assert re.sub(r"ftpretrieve mirror|lftp-mirror", "", theirs.stdout).split() == plain
