"""The same over FTP, FTPS and SFTP: both directions, removals, names of every kind; and whom we refuse to speak to."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.certificates import Authority, Identity
from tests.mirror.liar import Liar
from tests.mirror.running import Mirror, tree
from tests.servers import FtpServer, ServerTls, why_missing
from tests.sshd import PasswordSftp, Sshd, make_key

pytestmark = pytest.mark.interop

OLD, NEW = 1_600_000_000, 1_700_000_000
MakeServer = Callable[..., Any]

NAMES = [
    "two words",
    " blank first",
    "blank last ",
    "semi;colon",
    "quo\"te's",
    "back\\slash",
    "dollar$(touch forged)",
    "`touch forged`",
    "!touch forged",
    "100%41",
    "#hash",
    "a&b|c>d<e",
    "star*[x]?",
    "{brace}",
    "~tilde",
    "-e",
    "--delete",
    "ünï-日本",
    "a:b@c",
    "query?x=1",
    "[brackets]",
]


@pytest.fixture(params=["vsftpd", "proftpd", "sshd", "asyncssh"])
def speaking(request: pytest.FixtureRequest, mirror: Mirror) -> tuple[FtpServer, list[str]]:
    """Return a server and the options that it takes to speak to it."""
    if request.param == "sshd":
        sshd: Sshd = request.getfixturevalue("sshd")
        mirror.use_key(sshd.key)
        return sshd, ["-s"]
    if request.param == "asyncssh":
        return request.getfixturevalue("password_sftp"), ["-s"]
    return request.getfixturevalue("make_server")(request.param), []


Speaking = tuple[FtpServer, list[str]]


def test_names_of_every_kind_come_and_go(mirror: Mirror, speaking: Speaking) -> None:
    server, options = speaking
    for number, name in enumerate(NAMES):
        server.put(f"dir {name}/{name}", name.encode(), mtime=OLD + number)
        server.put(name, name.encode(), mtime=OLD + number)
    mirror.shell(server, *options, "-e", expect=0)
    assert tree(mirror.local) == tree(server.root)
    for name in NAMES:
        (server.root / name).unlink()
    mirror.shell(server, *options, "-e", "--max-delete", "50%", expect=0)
    assert tree(mirror.local) == tree(server.root)
    assert not list(mirror.root.parent.rglob("forged"))


def test_names_of_every_kind_go_up_and_away(mirror: Mirror, speaking: Speaking) -> None:
    server, options = speaking
    # It cuts blanks off, and takes a directory's name for a pattern.
    names = [name for name in NAMES if server.software != "proftpd" or not (name.endswith(" ") or "*" in name)]
    for name in names:
        mirror.put(f"dir {name}/{name}", name.encode(), mtime=OLD)
        mirror.put(name, name.encode(), mtime=OLD)
    mirror.shell(server, *options, "-r", "-e", expect=0)
    assert tree(server.root) == tree(mirror.local)
    for name in names:
        (mirror.local / name).unlink()
    mirror.shell(server, *options, "-r", "-e", "--max-delete", "50%", expect=0)
    assert tree(server.root) == tree(mirror.local)
    assert not list(mirror.root.parent.rglob("forged"))


def test_a_name_that_is_no_utf8_comes_and_goes(mirror: Mirror, server: FtpServer) -> None:
    latin = os.fsdecode(b"caf\xe9.txt")
    server.put(latin, b"x", mtime=OLD)
    server.put("other", b"x", mtime=OLD)
    mirror.shell(server, "-e", expect=0)
    assert set(tree(mirror.local)) == {latin, "other"}
    (server.root / latin).unlink()
    mirror.shell(server, "-e", expect=0)
    assert set(tree(mirror.local)) == {"other"}


def test_del_source_moves_names_of_every_kind(mirror: Mirror, speaking: Speaking) -> None:
    server, options = speaking
    for name in NAMES:
        server.put(name, name.encode(), mtime=OLD)
    mirror.shell(server, *options, "--del-source", expect=0)
    assert tree(mirror.local) == {name: name.encode() for name in NAMES}
    assert tree(server.root) == {}


def test_an_empty_source_is_refused_by_each(mirror: Mirror, speaking: Speaking) -> None:
    server, options = speaking
    mirror.put("a", b"x")
    mirror.shell(server, *options, "-e", expect=1)
    assert set(tree(mirror.local)) == {"a"}
    empty_local = mirror.root / "nothing"
    empty_local.mkdir()
    server.put("theirs", b"x")
    mirror.shell(server, *options, "-r", "-e", local=empty_local, expect=1)
    assert set(tree(server.root)) == {"theirs"}


@pytest.mark.parametrize("remote", ["in box", "./in box", "in box/"])
def test_a_remote_directory_below_the_login(mirror: Mirror, server: FtpServer, remote: str) -> None:
    server.put("in box/a", b"x", mtime=OLD)
    server.put("outside", b"x")
    mirror.put("gone", b"x")
    mirror.put("a", b"x", mtime=OLD)
    mirror.shell(server, "-e", remote=remote, expect=0)
    assert set(tree(mirror.local)) == {"a"}


@pytest.mark.parametrize("remote", ["in box", "./in box", "in box/"])
def test_an_upload_below_the_login(mirror: Mirror, server: FtpServer, remote: str) -> None:
    server.put("in box/gone", b"x")
    server.put("outside", b"x")
    mirror.put("a", b"x")
    mirror.put("b", b"x")
    server.put("in box/b", b"x")
    mirror.shell(server, "-r", "-e", remote=remote, expect=0)
    assert set(tree(server.root)) == {"in box", "in box/a", "in box/b", "outside"}


def test_an_upload_into_a_directory_that_is_not_there_yet(mirror: Mirror, speaking: Speaking) -> None:
    server, options = speaking
    mirror.put("a", b"x")
    mirror.shell(server, *options, "-r", "-e", remote=f"{server.home.rstrip('/')}/new/below", expect=0)
    assert tree(server.root / "new/below") == {"a": b"x"}


@pytest.mark.parametrize("remote", ["/sub dir/in", "sub dir/in", "/sub dir/in/"])
@pytest.mark.parametrize("reverse", [False, True], ids=["download", "upload"])
def test_a_server_that_locks_its_users_into_their_home(mirror: Mirror, liar: Liar, remote: str, reverse: bool) -> None:
    """Where / is the login directory, lftp spells the same place in two ways."""
    far = liar.root / "sub dir/in"
    liar.put("outside", b"x")
    liar.put("sub dir/in/b", b"x", mtime=OLD)
    mirror.put("b", b"x", mtime=OLD)
    here, there = (mirror.local, far) if reverse else (far, mirror.local)
    (here / "a").write_bytes(b"x")
    (there / "gone").write_bytes(b"x")
    mirror.shell(liar, "-e", *(["-r"] if reverse else []), remote=remote, expect=0)
    assert set(tree(there)) == {"a", "b"}
    assert (liar.root / "outside").exists()


# -- TLS ------------------------------------------------------------------------------------------------------------


def make_tls(make_server: MakeServer, software: str, both: Any, *, implicit: bool = False) -> FtpServer:
    missing = why_missing(software, tls=True)
    if missing:
        pytest.skip(missing)
    return make_server(software, tls=ServerTls(both, implicit))  # type: ignore[no-any-return]


@pytest.mark.parametrize("software", ["vsftpd", "proftpd"])
@pytest.mark.parametrize("reverse", [False, True], ids=["download", "upload"])
def test_ftps_both_ways(
    mirror: Mirror, make_server: MakeServer, authority: Authority, identity: Identity, software: str, reverse: bool
) -> None:
    server = make_tls(make_server, software, identity.both)
    here, there = (mirror.local, server.root) if reverse else (server.root, mirror.local)
    mirror.local.mkdir()
    for name in ("a", "b"):
        (here / name).write_bytes(b"x" * 10)
    (there / "gone").write_bytes(b"x")
    (there / "b").write_bytes(b"y")
    words = ["--tls", "--ca-file", authority.certificate, "-e", *(["-r"] if reverse else [])]
    mirror.shell(server, *words, expect=0)
    assert tree(there) == {"a": b"x" * 10, "b": b"x" * 10}


def test_ftps_is_also_spelt_as_a_site(
    mirror: Mirror, make_server: MakeServer, authority: Authority, identity: Identity
) -> None:
    server = make_tls(make_server, "vsftpd", identity.both)
    server.put("a", b"x")
    server.host = f"ftps://{server.host}"
    mirror.shell(server, "--ca-file", authority.certificate, expect=0)
    server.host = "127.0.0.1"
    assert tree(mirror.local) == {"a": b"x"}


@pytest.mark.parametrize("fault", ["stranger", "expired", "other-host"])
def test_a_certificate_that_is_not_trusted_ends_it(
    mirror: Mirror, make_server: MakeServer, authority: Authority, tmp_path: Any, fault: str
) -> None:
    (tmp_path / "other").mkdir()
    signer = Authority(tmp_path / "other", "stranger") if fault == "stranger" else authority
    names = ["DNS:example.org"] if fault == "other-host" else ["DNS:localhost", "IP:127.0.0.1"]
    shown = signer.issue(f"bad-{fault}", names, days=-1 if fault == "expired" else 10)
    server = make_tls(make_server, "vsftpd", shown.both)
    server.put("a", b"x")
    done = mirror.shell(server, "--tls", "--ca-file", authority.certificate)
    assert done.code in (1, 75)
    assert tree(mirror.local) == {}
    assert "ertificate" in done.report
    assert ("give --tls --ca-file FILE" in done.report) == (fault == "stranger")


# -- SSH ------------------------------------------------------------------------------------------------------------


def test_a_new_host_key_is_remembered_and_a_changed_one_refused(mirror: Mirror, sshd: Sshd) -> None:
    sshd.put("a", b"x")
    mirror.use_key(sshd.key)
    mirror.shell(sshd, "-s", expect=0)
    sshd.stop()
    for path in (sshd.directory / "host_key", sshd.directory / "host_key.pub"):
        path.unlink()
    make_key(sshd.directory / "host_key")
    sshd.start()
    sshd.put("b", b"x")
    done = mirror.shell(sshd, "-s")
    assert done.code in (1, 75)
    assert set(tree(mirror.local)) == {"a"}
    assert "Host key verification failed.; find out why" in done.report


def test_a_key_that_others_may_read_is_named(mirror: Mirror, sshd: Sshd) -> None:
    """ssh itself passes over it, and what the server says then is true of every key."""
    sshd.put("a", b"x")
    sshd.key.chmod(0o640)
    done = mirror.shell(sshd, "-s", "--key", str(sshd.key), expect=2)
    assert f"others can read {sshd.key}" in done.stderr
    sshd.key.chmod(0o600)
    mirror.shell(sshd, "-s", "--key", str(sshd.key), expect=0)


def test_a_wrong_password_ends_sftp(mirror: Mirror, password_sftp: PasswordSftp) -> None:
    password_sftp.put("a", b"x")
    done = mirror.shell(password_sftp, "-s", env={"LFTP_PASSWORD": "Tr0ub4dor"}, expect=1)
    assert tree(mirror.local) == {}
    assert "Tr0ub4dor" not in done.said
    assert len(password_sftp.logins) <= 6  # an account may be locked by more
