"""What the tests of mirror stand on: the SFTP servers, the server that lies, and the harm that lftp itself does."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from tests.mirror.liar import Liar, empty
from tests.mirror.running import Mirror, tree
from tests.servers import FtpServer
from tests.sshd import PasswordSftp, Sshd

pytestmark = pytest.mark.interop

SSH = "set sftp:connect-program 'ssh -a -x -o StrictHostKeyChecking=accept-new'\n"


def opened(server: FtpServer) -> str:
    return f"open --user {server.user} --env-password ftp://{server.host}:{server.port}\n"


def test_sshd_takes_the_key_and_serves_files(mirror: Mirror, sshd: Sshd) -> None:
    real = Path(pwd.getpwuid(os.getuid()).pw_dir, ".ssh")
    before = tree(real)
    sshd.put("a.txt", b"hello")
    mirror.use_key(sshd.key)
    done = mirror.lftp(f"{SSH}open -u {sshd.user}, sftp://{sshd.host}:{sshd.port}\nmirror {sshd.home} {mirror.local}\n")
    assert (done.code, tree(mirror.local)) == (0, {"a.txt": b"hello"}), done
    assert f"[{sshd.host}]:{sshd.port}" in mirror.known_hosts.read_text()
    assert tree(real) == before


def test_sshd_takes_nobody_without_the_key(mirror: Mirror, sshd: Sshd) -> None:
    done = mirror.lftp(f"{SSH}open -u {sshd.user}, sftp://{sshd.host}:{sshd.port}\nmirror {sshd.home} {mirror.local}\n")
    assert done.code == 1
    assert "Permission denied" in done.stderr


@pytest.mark.parametrize(("password", "code"), [(PasswordSftp.password, 0), ("wrong", 1)])
def test_the_other_takes_the_password(mirror: Mirror, password_sftp: PasswordSftp, password: str, code: int) -> None:
    password_sftp.put("a.txt", b"hello")
    place = f"sftp://{password_sftp.host}:{password_sftp.port}"
    script = (
        f"{SSH}open --user {password_sftp.user} --env-password {place}\nmirror {password_sftp.home} {mirror.local}\n"
    )
    assert mirror.lftp(script, LFTP_PASSWORD=password).code == code
    assert tree(mirror.local) == ({} if code else {"a.txt": b"hello"})


def test_lftp_itself_deletes_all_when_the_source_is_empty(mirror: Mirror, liar: Liar) -> None:
    (mirror.local / "sub").mkdir(parents=True)
    (mirror.local / "sub" / "a.txt").write_bytes(b"x")
    done = mirror.lftp(f"{opened(liar)}mirror -e / {mirror.local}\n", LFTP_PASSWORD=liar.password)
    assert (done.code, tree(mirror.local)) == (0, {})


def test_lftp_itself_deletes_all_when_the_listing_is_cut(mirror: Mirror, liar: Liar) -> None:
    for name in ("a", "b", "c"):
        liar.put(name, b"x")
    mirror.lftp(f"{opened(liar)}mirror -e / {mirror.local}\n", LFTP_PASSWORD=liar.password)
    assert set(tree(mirror.local)) == {"a", "b", "c"}
    liar.rows = lambda path, rows: rows[:1]
    done = mirror.lftp(f"{opened(liar)}mirror -e / {mirror.local}\n", LFTP_PASSWORD=liar.password)
    assert (done.code, set(tree(mirror.local))) == (0, {"a"})


def test_an_action_comes_before_its_command(mirror: Mirror, liar: Liar) -> None:
    liar.put("a", b"x")
    liar.before("LIST", 1, lambda: empty(liar.root))
    mirror.lftp(f"{opened(liar)}mirror / {mirror.local}\n", LFTP_PASSWORD=liar.password)
    assert tree(mirror.local) == {}
    assert liar.changes() == []


def test_a_transfer_is_cut_and_ends_in_226(liar: Liar) -> None:
    liar.put("a", b"0123456789")
    liar.content = lambda path, whole: whole[:4]
    received: list[bytes] = []
    with liar.connect() as client:
        reply = client.retrbinary("RETR a", received.append)
    assert (received, reply[:3]) == ([b"0123"], "226")


def test_it_falls_silent_in_the_middle_of_a_transfer(mirror: Mirror, liar: Liar) -> None:
    liar.put("a", bytes(100_000))
    liar.silent_after_bytes = 50_000
    done = mirror.lftp(f"set net:max-retries 1\n{opened(liar)}get -O {mirror.root} a\n", LFTP_PASSWORD=liar.password)
    assert done.code == 1
    assert "max-retries exceeded" in done.stderr
    assert 0 < (mirror.root / "a").stat().st_size <= 50_000


def test_connections_are_refused_from_the_second_session_on(mirror: Mirror, liar: Liar) -> None:
    liar.put("a", b"x")
    liar.before("LIST", 1, liar.refuse_connections)
    first = mirror.lftp(f"{opened(liar)}mirror / {mirror.local}\n", LFTP_PASSWORD=liar.password)
    second = mirror.lftp(f"{opened(liar)}ls\n", LFTP_PASSWORD=liar.password)
    assert (first.code, second.code) == (0, 1)
    assert "Connection refused" in second.stderr


def test_lftp_itself_leaves_a_partial_file_under_its_final_name(mirror: Mirror, liar: Liar) -> None:
    """What `xfer:use-temp-file` is for."""
    liar.put("a", bytes(100_000))
    liar.silent_after_bytes = 50_000
    mirror.lftp(f"{opened(liar)}mirror / {mirror.local}\n", LFTP_PASSWORD=liar.password)
    assert 0 < (mirror.local / "a").stat().st_size <= 50_000
