"""A run as the crontab sees it: several jobs, what they report, and exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mirror.inbox import Inbox
from tests.mirror.liar import Liar
from tests.mirror.running import Mirror, tree
from tests.servers import FtpServer, free_port

pytestmark = pytest.mark.interop

OLD = 1_600_000_000
SECRET = "Tr0ub4dor&3-geheim"


def section(name: str, server: FtpServer, local: Path, **keys: object) -> str:
    rows = {"site": server.host, "port": server.port, "remote": server.home, "local": local, "user": server.user}
    rows |= {"password": "env:LFTP_PASSWORD", "options": "--no-email --no-compress"} | keys
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in rows.items())


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


# -- the installed command ------------------------------------------------------------------------------------------


def test_the_installed_command_is_the_same(mirror: Mirror) -> None:
    installed = Path(sys.executable).with_name("lftp-mirror")
    if not installed.exists():
        pytest.skip("lftp-mirror is not installed beside this Python")
    environment = mirror.environment()
    theirs = subprocess.run(
        [installed, "shell", "--help"], check=False, capture_output=True, text=True, env=environment
    )
    ours = mirror.run("shell", "--help", expect=0).stdout
    plain = re.sub(r"ftpretrieve mirror|lftp-mirror", "", ours).split()
    assert re.sub(r"ftpretrieve mirror|lftp-mirror", "", theirs.stdout).split() == plain
