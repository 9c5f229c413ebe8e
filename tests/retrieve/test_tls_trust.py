"""FTPS: who is trusted, that nothing is said before TLS has begun, and what the keys and errors about it say."""

import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import ConfigError, LoginRefused, RemoteRefused, RemoteUnavailable
from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.doctor_server import check_server
from ftpretrieve.retrieve.findings import Level
from ftpretrieve.retrieve.ftp_control import Account, Control
from ftpretrieve.retrieve.ftp_sockets import Sockets
from ftpretrieve.retrieve.ftp_tls import make_context
from ftpretrieve.retrieve.session import Sessions
from tests.certificates import Authority, Identity
from tests.faultserver import Conversation, FaultServer, says
from tests.mailboxes import LOG, make_mailbox, poll_ftp
from tests.retrieve.tls_checks import FILES, MakeTls, account, needs_certificates
from tests.servers import CHECKOUT
from tests.tlsfaults import TlsConversation, TlsServer

pytestmark = needs_certificates

# -- certificates ---------------------------------------------------------------------------------------------------


def refused(server: Any, how: Account) -> str:
    """Log in and return why that was refused."""
    control = Control(how, Sockets(Deadline(20)))
    try:
        with pytest.raises(RemoteRefused) as caught:
            control.open()
    finally:
        control.shut()
    assert not {"USER", "PASS"} & {command.split()[0] for command in getattr(server, "commands", [])}
    return str(caught.value)


def login(how: Account) -> None:
    control = Control(how, Sockets(Deadline(20)))
    try:
        control.open()
    finally:
        control.shut(polite=True)


def test_a_certificate_of_nobody_we_know_is_refused(authority: Authority, identity: Identity, tmp_path: Path) -> None:
    """The system's authorities do not know it, nor does another; it says who issued it, and which key to set."""
    with TlsServer(FILES, identity) as server:
        for ca_file in (None, Authority(tmp_path, "another").certificate):
            told = refused(server, account(server, authority, ca_file=ca_file))
            assert f"localhost:{server.port}: TLS: its certificate, issued by authority, is not trusted" in told
            assert "ftp_ca_file" in told


def test_a_certificate_for_another_host_is_refused(authority: Authority) -> None:
    """It says which hosts it is for; a name is not an address."""
    other = authority.issue("other", ["DNS:ftp.example.org", "DNS:*.example.net"])
    with TlsServer(FILES, other) as server:
        told = refused(server, account(server, authority))
        assert "is for ftp.example.org, *.example.net, not for localhost" in told
        assert "not for 127.0.0.1" in refused(server, account(server, authority, "127.0.0.1"))


def test_a_certificate_that_is_over_is_refused(authority: Authority) -> None:
    with TlsServer(FILES, authority.issue("old", days=-1)) as server:
        told = refused(server, account(server, authority))
        assert "has expired (valid until " in told
        assert "have it renewed" in told


def test_an_address_is_a_host_too(authority: Authority, identity: Identity) -> None:
    with TlsServer(FILES, identity) as server:
        login(account(server, authority, "127.0.0.1"))


def test_the_servers_own_certificate_can_be_the_trusted_one(authority: Authority, identity: Identity) -> None:
    """Then no authority is needed, neither for one that somebody signed nor for one that signed itself."""
    with TlsServer(FILES, identity) as server:
        assert "not trusted" in refused(server, account(server, authority, ca_file=authority.issue("b").certificate))
        login(account(server, authority, ca_file=identity.certificate))


def test_without_verification_anything_goes(authority: Authority) -> None:
    """But only when it was asked for."""
    with TlsServer(FILES, authority.issue("worst", ["DNS:elsewhere"], days=-1)) as server:
        login(account(server, authority, verify=False))


@pytest.mark.interop
@pytest.mark.parametrize("software", ["vsftpd", "proftpd"])
def test_a_server_may_ask_who_we_are(software: str, make_tls: MakeTls, authority: Authority, tmp_path: Path) -> None:
    """With the certificate it works, with a passphrase too; without, it says which keys are missing."""
    plain, locked = authority.issue("client", []), authority.issue("locked", [], passphrase="pass phrase")
    server = make_tls(software, client_ca=authority.certificate)
    server.put("a", b"a", time.time() - 5000)
    mailbox = make_mailbox(tmp_path)
    for who, passphrase in ((plain, ""), (locked, "pass phrase")):
        keys = {"client_cert": who.certificate, "client_key": who.key, "passphrase": passphrase}
        result = poll_ftp(mailbox, server, account=account(server, authority, **keys))
        assert result.error is None
    assert "ftp_client_cert" in str(poll_ftp(mailbox, server, account=account(server, authority)).error)
    mailbox.journal.close()


def test_a_wrong_passphrase_is_an_error_and_no_question(authority: Authority, tmp_path: Path) -> None:
    """Nobody sits at the terminal of a daemon. Files that are missing or hold something else are errors too."""
    locked = authority.issue("locked2", passphrase="right one")
    for passphrase in ("", "wrong one"):
        with pytest.raises(ConfigError, match="ftp_client_key_passphrase is wrong"):
            make_context(client_cert=locked.certificate, client_key=locked.key, passphrase=passphrase)
    with pytest.raises(ConfigError, match="ftp_ca_file: .*none.pem: No such file"):
        make_context(ca_file=tmp_path / "none.pem")
    with pytest.raises(ConfigError, match="holds no certificate"):
        make_context(ca_file=locked.key)


@pytest.mark.interop
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1"])
def test_a_server_of_yesterday_is_refused(version: str, make_tls: MakeTls, authority: Authority) -> None:
    server = make_tls("proftpd", version, implicit=False)
    assert "no TLS 1.2 or newer" in refused(server, account(server, authority))


# -- where TLS begins -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", ["500 what", "502 no", "504 not that", "530 log in first", "534 never", "200 fine"])
def test_nothing_secret_is_said_without_tls(reply: str, authority: Authority, identity: Identity) -> None:
    """A server that refuses, or somebody in between who says so, gets neither user nor password."""
    with TlsServer(FILES, identity) as server:
        server.scripts["AUTH"] = says(reply)
        control = Control(account(server, authority), Sockets(Deadline(20)))
        with pytest.raises((RemoteRefused, RemoteUnavailable), match=reply):
            control.open()
        control.shut()
        assert server.commands == ["AUTH TLS"]


def test_a_refusal_names_the_way_out(authority: Authority, identity: Identity) -> None:
    with TlsServer(FILES, identity) as server:
        server.scripts["AUTH"] = says("502 not here")
        told = refused(server, account(server, authority))
        assert "AUTH TLS: the server refuses TLS (502 not here)" in told
        assert "ftp_protocol = ftp" in told


@pytest.mark.parametrize("late", [False, True], ids=["with-the-answer", "later"])
def test_answers_put_in_before_tls_are_never_taken(late: bool, authority: Authority, identity: Identity) -> None:
    """What somebody in between sends in the clear is no answer to what is asked by TLS."""

    def inject(conversation: Conversation, _: str) -> None:
        assert isinstance(conversation, TlsConversation)
        answers = b"331 password\r\n230 you are in\r\n200 ok\r\n"
        conversation.sock.sendall(b"234 go on\r\n" + (b"" if late else answers))
        if late:
            conversation.sock.recv(1, socket.MSG_PEEK)  # the handshake has begun
            conversation.sock.sendall(answers)
        conversation.begin_tls()

    with TlsServer(FILES, identity) as server:
        server.scripts["AUTH"] = inject
        told = refused(server, account(server, authority))
        assert ("is not TLS" if late else "spoke on in the clear") in told


def test_unprotected_data_are_never_taken(authority: Authority, identity: Identity) -> None:
    with TlsServer(FILES, identity) as server:
        server.scripts["PROT"] = says("536 no protection here")
        control = Control(account(server, authority), Sockets(Deadline(20)))
        with pytest.raises(RemoteRefused, match="refuses to protect data .536"):
            control.open()
        control.shut()


def test_a_server_need_not_know_pbsz(authority: Authority, identity: Identity) -> None:
    """It says nothing in TLS."""
    with TlsServer(FILES, identity, implicit=True) as server:
        server.scripts["PBSZ"] = says("502 what for")
        login(account(server, authority))


def test_data_in_the_clear_are_never_taken(authority: Authority, identity: Identity, tmp_path: Path) -> None:
    """A server that agrees to protect them and does not, or somebody who got at its port before us."""

    def in_the_clear(conversation: Conversation, _: str) -> None:
        conversation.reply("150 here it comes")
        assert isinstance(conversation, TlsConversation)
        data = conversation.accept_plain()
        data.sendall(b"type=file;size=4;modify=20200102030405; evil\r\n" * 100)
        data.close()
        conversation.reply("226 done")

    mailbox = make_mailbox(tmp_path)
    with TlsServer(FILES, identity) as server:
        server.scripts["MLSD"] = in_the_clear
        result = poll_ftp(mailbox, server, account=account(server, authority))
        assert isinstance(result.error, RemoteRefused)
        assert (result.listed, result.fetched) == (0, 0)
    mailbox.journal.close()


def test_the_two_kinds_of_ftps_are_told_apart(authority: Authority, identity: Identity) -> None:
    """Each, met by a client of the other kind, leads to the key that says so."""
    with FaultServer(FILES) as server:
        how = Account("localhost", server.port, server.user, server.password, 60.0, make_context(), implicit=True)
        assert "TLS: what the server says is not TLS; ftp_protocol" in refused(server, how)
    with TlsServer(FILES, identity, implicit=True) as server:
        for context in (None, make_context()):
            how = Account("localhost", server.port, server.user, server.password, 0.5, context)
            control = Control(how, Sockets(Deadline(20)))
            with pytest.raises(RemoteUnavailable, match="no answer in time; .* set ftp_protocol = ftps-implicit"):
                control.open()
            control.shut()


# -- configuration ------------------------------------------------------------------------------------------------


def configuration(directory: Path, server: Any, **keys: object) -> AppConf:
    (directory / "sync").mkdir(exist_ok=True)
    remote = {"ftp_host": "localhost", "ftp_port": server.port, "ftp_user": server.user, "ftp_protocol": "ftps"}
    remote |= {"ftp_password": server.password, **keys}
    local = {"ftp_local_directory": "staging", "sync_directory": "sync", "journal_file_name": "journal.db"}
    lines = ["[remote]", *(f"{name} = {value}" for name, value in remote.items())]
    lines += ["[local]", *(f"{name} = {value}" for name, value in local.items())]
    path = directory / "ftpretrieve.conf"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return AppConf(path)


def test_no_verification_is_told_in_each_session(
    authority: Authority, identity: Identity, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with TlsServer(FILES, identity) as server:
        conf = configuration(tmp_path, server, ftp_tls_verify="no")
        remote = Sessions(LOG).open(conf, Deadline(20))
        assert len(next(iter(remote.list()))) == 2
        remote.close()
        assert "TLSUNVERIFIED host=localhost" in caplog.text
        caplog.clear()
        Sessions(LOG).open(configuration(tmp_path, server, ftp_ca_file=authority.certificate), Deadline(20))
        assert "TLSUNVERIFIED" not in caplog.text


def test_files_that_cannot_be_used_are_told_before_anything_is_sent(tmp_path: Path, identity: Identity) -> None:
    """By the name of the key; the passphrase is never shown."""
    with TlsServer(FILES, identity) as server:
        conf = configuration(tmp_path, server, ftp_ca_file="none.pem")
        with pytest.raises(LoginRefused, match=r"TLS cannot begin: ftp_ca_file: .*none\.pem: No such file"):
            Sessions(LOG).open(conf, Deadline(20))
        assert server.connections == 0


def test_doctor_tells_what_was_agreed_upon(authority: Authority, identity: Identity, tmp_path: Path) -> None:
    """Version, cipher, certificate and its end, and whether data connections go on with the session."""
    with TlsServer(FILES, identity) as server:
        conf = configuration(tmp_path, server, ftp_ca_file=authority.certificate)
        found = [finding for finding in check_server(conf, server.password) if finding.what == "tls"]
        agreed, session = found
        assert (agreed.level, session.level) == (Level.WARN, Level.OK)
        assert agreed.detail.startswith("TLSv1.3, TLS_")
        assert "certificate of server, issued by authority, 9 days left" in agreed.detail
        assert "session of their control connection" in session.detail
        conf = configuration(tmp_path, server, ftp_tls_verify="no")
        (agreed, _) = [finding for finding in check_server(conf, server.password) if finding.what == "tls"]
        assert agreed.level is Level.WARN
        assert "not verified" in agreed.detail


def test_the_errors_of_the_manual_are_those_that_are_raised() -> None:
    """Whoever looks one up finds it."""
    text = (CHECKOUT / "docs/servers.md").read_text(encoding="utf-8")
    package = CHECKOUT / "ftpretrieve/retrieve"
    source = "".join((package / name).read_text(encoding="utf-8") for name in ("ftp_tls.py", "ftp_control.py"))
    source = re.sub(r'"\n *f?"', "", source)
    section = text.partition("## FTPS\n")[2].partition("\n## ")[0]
    errors = re.findall(r"^\| `(.*?)` \|", section, re.MULTILINE)
    assert len(errors) > 5
    for error in errors:
        for part in re.split(r" ?…,? ?| ?\(502|; (?=if)", error):
            assert part.strip(" )") in source, error


def test_doctor_names_the_key_that_would_help(identity: Identity, tmp_path: Path) -> None:
    with TlsServer(FILES, identity) as server:
        *_, last = check_server(configuration(tmp_path, server), server.password)
        assert (last.level, last.what) == (Level.FAIL, "login")
        assert "ftp_ca_file" in last.detail
        assert "ftp_user" not in last.fix
