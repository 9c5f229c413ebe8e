"""The lftp program: what it gets, what it says, how it ends, and that no password leaves it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.command import LINE_BYTES
from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import ConfigError
from ftpretrieve.mirror.lftp import Lftp, Mask, Run, check_version
from ftpretrieve.mirror.records import Job, Protocol, Server
from ftpretrieve.mirror.script import list_line, mirror_lines
from ftpretrieve.passwords import Secret
from tests.certificates import Authority, Identity
from tests.mirror.liar import Liar
from tests.mirror.running import Mirror, tree
from tests.servers import FtpServer, ServerTls, free_port, why_missing, why_no_ipv6
from tests.sshd import PasswordSftp, Sshd

pytestmark = pytest.mark.interop

HURRIED = ("set net:max-retries 1", "set net:reconnect-interval-base 1")
IMPATIENT = "set net:timeout 1"  # only where silence is what is waited for: an answer may take its time
LIMIT_SECS = 600.0  # that no run gets to
LIST = list_line(["/"], os.devnull)
PASSWORD = "hunter-2 and a half"


@pytest.fixture(autouse=True)
def environment(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give lftp a home of its own."""
    for name, value in mirror.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return the port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener.getsockname()[1]


def place_of(server: FtpServer, **more: Any) -> Server:
    protocol = Protocol.SFTP if server.software in ("sshd", "asyncssh") else Protocol.FTP
    password = Secret(server.password) if server.password else None
    usual = {"protocol": protocol, "host": server.host, "port": server.port, "user": server.user, "password": password}
    return Server(**{**usual, **more})


def run(server: Server, *lines: str, on_line: Callable[[str], None] | None = None) -> Run:
    return Lftp(server, Deadline(LIMIT_SECS)).run([*HURRIED, *lines], on_line)


# -- the program ------------------------------------------------------------------------------------------------------


def test_the_version_is_told() -> None:
    assert check_version().startswith("4.")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param("echo 'LFTP | Version 4.7.8 | Copyright'", "4.8 or later is needed, and this is 4.7.8", id="old"),
        pytest.param("echo 'LFTP | Version 3.9 | Copyright'", "this is 3.9", id="very old"),
        pytest.param("echo hello", "an unknown version", id="something else"),
        pytest.param("exit 127", "exit code 127", id="broken"),
    ],
)
def test_one_that_is_too_old_is_refused_with_the_package_to_install(mirror: Mirror, script: str, words: str) -> None:
    mirror.program("lftp", script)
    with pytest.raises(ConfigError, match=words) as raised:
        check_version()
    assert "apt install lftp" in str(raised.value)
    assert "dnf install lftp" in str(raised.value)


@pytest.mark.parametrize("version", ["4.8.0", "4.8", "4.9.2", "4.10.1", "5.0"])
def test_one_that_is_new_enough_is_taken(mirror: Mirror, version: str) -> None:
    mirror.program("lftp", f"echo 'LFTP | Version {version} | Copyright'")
    assert check_version() == version


def test_one_that_is_missing_is_told_with_the_package_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="No such file or directory; install it: apt install lftp"):
        check_version()


# -- what it gets -----------------------------------------------------------------------------------------------------


def test_the_password_is_in_its_environment_and_nowhere_else(mirror: Mirror, tmp_path: Path) -> None:
    mirror.program(
        "lftp",
        f"cat > {tmp_path}/script; tr '\\0' '\\n' < /proc/$$/cmdline > {tmp_path}/argv; env > {tmp_path}/environment; "
        f"cat /proc/$PPID/environ /proc/$PPID/cmdline > {tmp_path}/parent",
    )
    run(Server(Protocol.FTP, "h", None, "joe", Secret(PASSWORD)), LIST)
    assert f"LFTP_PASSWORD={PASSWORD}\n" in (tmp_path / "environment").read_text()
    assert "LFTP_PASSWORD" not in os.environ
    for name in ("script", "argv"):
        assert PASSWORD not in (tmp_path / name).read_text()


def test_no_password_is_handed_on_where_there_is_none(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another job may have had one in our own environment."""
    monkeypatch.setenv("LFTP_PASSWORD", PASSWORD)
    mirror.program("lftp", f"env > {tmp_path}/environment")
    run(Server(Protocol.FTP, "h"), LIST)
    assert "LFTP_PASSWORD=\n" in (tmp_path / "environment").read_text()


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, liar: Liar) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    assert run(place_of(liar), LIST).code == 0
    assert tree(tmp_path / "tmp") == {}


@pytest.mark.parametrize(
    "language", [{"LC_ALL": "de_DE.UTF-8"}, {"LANG": "fr_FR.UTF-8"}, {"LANGUAGE": "ru:pl"}, {"LC_ALL": "C"}]
)
def test_whatever_the_users_language_names_survive_and_messages_are_english(
    liar: Liar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: dict[str, str]
) -> None:
    """With LC_ALL=C lftp makes `caf?` of a name and then does not find it (measured)."""
    for name, value in language.items():
        monkeypatch.setenv(name, value)
    names = ("café", "日本", "caf\udce9", "e\u0301")
    for name in names:
        liar.put(f"names/{name}", b"x")
    local = tmp_path / "copy"
    job = Job("test", place_of(liar), "/names", local)
    assert run(job.server, *mirror_lines(job)).errors == ()
    assert set(tree(local)) == set(names)
    assert run(job.server, "rm nothing").errors[0].startswith("rm: Access failed: 550")


def test_the_password_is_asked_for_once(liar: Liar, tmp_path: Path) -> None:
    count = tmp_path / "count"
    script = tmp_path / "secret"
    script.write_text(f"#!/bin/sh\necho x >> {count}\necho {liar.password}\n")
    script.chmod(0o755)
    lftp = Lftp(place_of(liar, password=Secret(f"command:{script}")), Deadline(LIMIT_SECS))
    assert [lftp.run([LIST]).code for _ in range(2)] == [0, 0]
    assert count.read_text() == "x\n"


# -- what it says -----------------------------------------------------------------------------------------------------


def test_a_run_that_went_well_says_what_it_did(liar: Liar, tmp_path: Path) -> None:
    liar.put("some/a b", b"x")
    heard: list[str] = []
    job = Job("test", place_of(liar), "/some", tmp_path / "copy")
    done = run(job.server, *mirror_lines(job), on_line=heard.append)
    assert done == Run(0, ("Transferring file `a b'",), (), timed_out=False)
    assert heard == ["Transferring file `a b'"]
    assert (done.away, done.login_refused) == (False, False)


def test_what_was_done_is_no_error_whatever_files_are_called(liar: Liar, tmp_path: Path) -> None:
    names = ("mirror: Fatal error: max-retries exceeded", "Login failed: 530", "Unknown command `x'")
    for name in names:
        liar.put(f"odd/{name}", b"x")
    job = Job("test", place_of(liar), "/odd", tmp_path / "copy")
    done = run(job.server, *mirror_lines(job))
    assert (done.code, len(done.lines), done.errors, done.away, done.login_refused) == (0, 3, (), False, False)


def test_a_directory_that_is_missing_is_an_error_and_nothing_else(liar: Liar, tmp_path: Path) -> None:
    job = Job("test", place_of(liar), "/missing", tmp_path / "copy")
    done = run(job.server, *mirror_lines(job))
    assert (done.code, len(done.errors), done.away, done.login_refused) == (1, 1, False, False)
    assert done.errors[0].startswith("mirror: Access failed: 550")


def test_after_an_error_nothing_more_is_done(liar: Liar) -> None:
    """A refused login above all: tried again for each command it would lock the account."""
    done = run(place_of(liar), "cd /missing", "rm a", "mkdir b")
    assert (done.code, len(done.errors)) == (1, 1)
    assert liar.changes() == []


def test_modes_that_a_server_does_not_set_are_no_failure(vsftpd: FtpServer, tmp_path: Path) -> None:
    local = tmp_path / "copy"
    local.mkdir()
    (local / "a").write_bytes(b"x")
    job = Job("test", place_of(vsftpd), vsftpd.home, local, {"reverse": True})
    done = run(job.server, *mirror_lines(job))
    assert (done.code, done.errors, tree(vsftpd.root)) == (0, (), {"a": b"x"})
    assert any(line.startswith("chmod: Access failed: 550") for line in done.lines)


# -- away, refused, or something else ---------------------------------------------------------------------------------


def test_a_wrong_password_is_a_refused_login(server: FtpServer) -> None:
    done = run(place_of(server, password=Secret("wrong-one")), LIST)
    assert (done.code, done.login_refused, done.away) == (1, True, False), done


def test_a_password_in_a_line_without_end_is_not_shown_in_halves(liar: Liar) -> None:
    """A server may say it again just where the line is cut."""
    told = "x" * (LINE_BYTES - 100)
    liar.replace["PASS"] = lambda handler, password, proceed: handler.respond(f"530 {told}{password * 10}")
    done = run(place_of(liar, password=Secret("correct-horse-battery")), LIST)
    shown = "\n".join(done.lines + done.errors)
    assert told[:1000] in shown
    assert "correct" not in shown
    assert "battery" not in shown


def test_a_user_who_is_refused_at_once_is_a_refused_login(liar: Liar) -> None:
    liar.replace["USER"] = lambda handler, argument, proceed: handler.respond("530 Not you.")
    done = run(place_of(liar), LIST)
    assert (done.code, done.login_refused, done.away) == (1, True, False), done


def test_a_wrong_password_for_sftp_is_a_refused_login(password_sftp: PasswordSftp) -> None:
    done = run(place_of(password_sftp, password=Secret("wrong-one")), LIST)
    assert (done.code, done.login_refused, done.away) == (1, True, False), done


def test_a_key_that_is_not_taken_is_a_refused_login(sshd: Sshd, tmp_path: Path) -> None:
    """And nobody is asked for a password: there is nobody."""
    done = run(place_of(sshd, key_file=tmp_path / "no such key"), LIST)
    assert (done.code, done.login_refused, done.away) == (1, True, False), done


@pytest.mark.parametrize("protocol", list(Protocol))
def test_where_nobody_listens_the_server_is_away(protocol: Protocol) -> None:
    done = run(Server(protocol, "127.0.0.1", free_port(), "joe", Secret(PASSWORD)), LIST)
    assert (done.code, done.away, done.login_refused) == (1, True, False), done


@pytest.mark.slow  # where a name server should be and is not
@pytest.mark.parametrize("protocol", [Protocol.FTP, Protocol.SFTP])
def test_a_name_that_nobody_has_is_a_server_that_is_away(protocol: Protocol) -> None:
    done = run(Server(protocol, "no-such-host.invalid", None, "joe", Secret(PASSWORD)), LIST)
    assert (done.code, done.away, done.login_refused) == (1, True, False), done


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [Protocol.FTP, Protocol.FTPS_IMPLICIT, Protocol.SFTP])
def test_a_server_that_never_speaks_is_away(silent_port: int, protocol: Protocol) -> None:
    done = run(Server(protocol, "127.0.0.1", silent_port, "joe", Secret(PASSWORD)), IMPATIENT, LIST)
    assert (done.code, done.away, done.login_refused, done.timed_out) == (1, True, False, False), done


@pytest.mark.slow
def test_a_server_that_falls_silent_is_away(liar: Liar, tmp_path: Path) -> None:
    liar.put("a", bytes(100_000))
    liar.silent_after_bytes = 50_000
    job = Job("test", place_of(liar), "/", tmp_path / "copy")
    done = run(job.server, IMPATIENT, *mirror_lines(job))
    assert (done.code, done.away, done.login_refused) == (1, True, False), done
    assert set(tree(tmp_path / "copy")) == {".in.a"}


@pytest.mark.parametrize("reply", ["421 Too many connections.", "530 Too many users are logged in, try again later."])
def test_a_server_that_is_full_is_away(liar: Liar, reply: str) -> None:
    def refuse(handler: Any, argument: str, proceed: object) -> None:
        handler.respond(reply)
        handler.close_when_done()

    liar.replace["USER"] = refuse
    done = run(place_of(liar), LIST)
    assert (done.code, done.away, done.login_refused) == (1, True, False), done


def test_a_host_key_that_changed_is_neither(password_sftp: PasswordSftp, sshd: Sshd, mirror: Mirror) -> None:
    """It may be somebody else's server: the password is not sent."""
    public = (sshd.directory / "host_key.pub").read_text().split()[:2]
    mirror.known_hosts.write_text(f"[127.0.0.1]:{password_sftp.port} {' '.join(public)}\n")
    done = run(place_of(password_sftp), LIST)
    assert (done.code, done.away, done.login_refused) == (1, False, False), done
    assert "Host key verification failed" in done.errors[0]
    assert password_sftp.logins == []


def test_a_host_key_that_is_new_is_remembered(password_sftp: PasswordSftp, mirror: Mirror) -> None:
    assert run(place_of(password_sftp), list_line([password_sftp.home], os.devnull)).code == 0
    assert f"[127.0.0.1]:{password_sftp.port} " in mirror.known_hosts.read_text()


@pytest.mark.parametrize("protocol", [Protocol.FTPS, Protocol.FTPS_IMPLICIT])
@pytest.mark.parametrize("case", ["trusted", "unknown authority", "another name", "expired"])
def test_a_certificate_is_verified(
    make_server: Callable[..., FtpServer],
    authority: Authority,
    identity: Identity,
    protocol: Protocol,
    case: str,
) -> None:
    missing = why_missing("vsftpd", tls=True)
    if missing:
        pytest.skip(missing)
    shown = {
        "another name": lambda: authority.issue("other", ["DNS:other.example.org"]),
        "expired": lambda: authority.issue("expired", days=-1),
    }.get(case, lambda: identity)()
    server = make_server("vsftpd", tls=ServerTls(shown.both, implicit=protocol is Protocol.FTPS_IMPLICIT))
    ca_file = None if case == "unknown authority" else authority.certificate
    done = run(place_of(server, protocol=protocol, ca_file=ca_file), list_line([server.home], os.devnull))
    assert (done.code == 0) is (case == "trusted"), done
    assert (done.away, done.login_refused) == (False, False), done


def test_without_tls_at_the_server_no_password_is_sent(liar: Liar) -> None:
    done = run(place_of(liar, protocol=Protocol.FTPS), LIST)
    assert (done.code, done.away, done.login_refused) == (1, False, False), done
    assert "PASS" not in liar.commands


# -- the clock --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [Protocol.FTP, Protocol.SFTP])
def test_at_the_limit_it_is_ended_with_all_that_it_started(silent_port: int, protocol: Protocol) -> None:
    server = Server(protocol, "127.0.0.1", silent_port, "joe", Secret(PASSWORD))
    done = Lftp(server, Deadline(0.5)).run([LIST])
    assert (done.timed_out, done.code == 0) == (True, False)
    assert processes_with(f"{silent_port}") == []


def test_when_the_time_is_over_nothing_is_begun(liar: Liar) -> None:
    done = Lftp(place_of(liar), Deadline(0.0)).run(["mkdir made"])
    assert done.timed_out
    assert "made" not in tree(liar.root)


def processes_with(word: str) -> list[str]:
    """Return the command lines that have a word in them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found += [line] if word in line.split() else []
    return found


# -- secrets ----------------------------------------------------------------------------------------------------------

ODD = "s3 cr:e/t@%\"'é"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("nothing here", "nothing here"),
        (f"it is {ODD} and {ODD}", "it is *** and ***"),
        ("ftp://joe:s3%20cr%3Ae%2Ft%40%25%22%27%C3%A9@host/x", "ftp://joe:***@host/x"),
        ("ftp://joe:s3%20cr%3ae%2ft%40%25%22'%c3%a9@host/x", "ftp://joe:***@host/x"),
        ("get s3%20cr%3Ae%2Ft%40%25%22%27%C3%A9", "get ***"),
        (r"s3\ cr:e/t@%\"\'é", "***"),
        ("ftp://joe:another@host/x sftp://a:b@c", "ftp://joe:***@host/x sftp://a:***@c"),
        ("ftp://joe:with@at@host/x", "ftp://joe:***@host/x"),
        ("ftp://joe@host:21/a:b@c", "ftp://joe@host:21/a:b@c"),
    ],
)
def test_a_password_is_masked_however_it_is_written(line: str, shown: str) -> None:
    assert Mask(ODD)(line) == shown


def test_too_short_a_password_is_masked_in_urls_only() -> None:
    """It would punch holes into ordinary words, and tell itself by them."""
    assert Mask("in")("Transferring file `in' ftp://joe:in@h") == "Transferring file `in' ftp://joe:***@h"


def test_a_password_that_is_a_word_of_lftp_hides_no_error(liar: Liar) -> None:
    done = run(place_of(liar, user="tester", password=Secret("find: Login failed")), "set ftp:use-feat no", LIST)
    assert done.login_refused is False or done.errors  # what is shown may be masked, that it failed is not lost
    assert (done.code, len(done.errors)) == (1, 1)


@pytest.mark.parametrize("level", [5, 9, 11])
def test_not_even_debugging_shows_the_password(liar: Liar, level: int) -> None:
    """A user may have that in the rc file."""
    heard: list[str] = []
    done = run(place_of(liar), f"debug {level}", LIST, on_line=heard.append)
    assert any("PASS" in line for line in done.lines)
    assert not [line for line in (*done.lines, *heard) if liar.password in line]


def test_a_file_called_like_the_password_is_masked_too(liar: Liar, tmp_path: Path) -> None:
    liar.put(f"named/{liar.password}", b"x")
    job = Job("test", place_of(liar), "/named", tmp_path / "copy")
    assert run(job.server, *mirror_lines(job)).lines == ("Transferring file `***'",)


def test_an_ipv6_server_is_reached(tmp_path: Path) -> None:
    """Its address stands in brackets in a URL."""
    if missing := why_no_ipv6():
        pytest.skip(missing)
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        port = probe.getsockname()[1]
    done = run(Server(Protocol.FTP, "::1", port, "joe", Secret(PASSWORD)), LIST)
    assert "Connection refused" in done.errors[0]
