"""What an operator is told when it is the other side that must be mended, or the keys that say what it is."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.errors import LoginRefused, RemoteRefused, RemoteUnavailable
from ftpretrieve.retrieve.ftp_control import Account
from ftpretrieve.retrieve.ftp_tls import is_about_us, make_context
from tests.certificates import Authority, why_no_certificates
from tests.faultserver import FaultServer, says
from tests.mailboxes import make_mailbox, poll_ftp
from tests.retrieve.attack import Attack
from tests.servers import ServerTls, why_missing

FILES = {b"a.xml": (b"<a/>", "20200102030405")}
TLS_ALERT = "\x15\x03\x01\x00\x02\x02\x28"

WANTS_TLS = [
    ("vsftpd", "USER", "530 Non-anonymous sessions must use encryption."),
    ("proftpd", "USER", "550 SSL/TLS required on the control channel"),
    ("FileZilla", "USER", "503 Use AUTH first."),
    ("IIS", "PASS", "534 Policy requires SSL."),
    ("pure-ftpd", "USER", "421 Sorry, cleartext sessions are not accepted on this server."),
]


def told(server: FaultServer, directory: Path, silence_secs: float = 60.0) -> str:
    with Attack(directory, server) as attack:
        error = attack.poll(silence_secs=silence_secs).error
        attack.heal()
    assert isinstance(error, RemoteRefused | RemoteUnavailable)
    return str(error)


@pytest.mark.parametrize(("step", "reply"), [row[1:] for row in WANTS_TLS], ids=[row[0] for row in WANTS_TLS])
def test_a_server_that_wants_tls_is_told_as_such(step: str, reply: str, tmp_path: Path) -> None:
    """Its words are about encryption, and the key that it takes follows them."""
    with FaultServer(dict(FILES)) as server:
        server.scripts[step] = says(reply)
        assert told(server, tmp_path).endswith(f"{reply}; the server wants TLS: set ftp_protocol = ftps")


@pytest.mark.parametrize("reply", ["530 Login incorrect.", "530 Authentication failed.", "530 no"])
def test_a_wrong_password_is_nothing_about_tls(reply: str, tmp_path: Path) -> None:
    with FaultServer(dict(FILES)) as server:
        server.scripts["PASS"] = says(reply)
        assert told(server, tmp_path).endswith(reply)


@pytest.mark.parametrize(
    ("greeting", "fix"),
    [
        ("SSH-2.0-OpenSSH_9.2", "SSH-2.0-OpenSSH_9.2; this is the port of SSH (SFTP)"),
        ("HTTP/1.1 400 Bad Request", "not the greeting of an FTP server: check ftp_host and ftp_port"),
        (TLS_ALERT, "set ftp_protocol = ftps-implicit"),
        ("", "set ftp_protocol = ftps-implicit"),
    ],
    ids=["ssh", "http", "alert", "silence"],
)
def test_another_kind_of_server_is_named(greeting: str, fix: str, tmp_path: Path) -> None:
    """At once where it speaks: the first line of SSH looks like that of a reply with several lines."""
    with FaultServer(dict(FILES)) as server:
        server.scripts["GREETING"] = (
            (lambda conversation, _: conversation.reply(greeting)) if greeting else lambda c, _: c.silence()
        )
        found = told(server, tmp_path, 60.0 if greeting else 0.5)
        assert fix in found
        assert greeting == "" or "no answer" not in found


@pytest.mark.parametrize(
    ("pasv", "epsv", "fix"),
    [
        ("227 ok (127,0,0,1,0,1)", "229 ok (|||1|)", "is a firewall between here and the server?"),
        ("502 no", "502 no", "set ftp_passive = no, if the server can reach this machine"),
    ],
    ids=["closed", "unknown"],
)
def test_a_missing_way_to_the_data_is_told_with_one_fix(pasv: str, epsv: str, fix: str, tmp_path: Path) -> None:
    with FaultServer(dict(FILES)) as server:
        server.scripts |= {"PASV": says(pasv), "EPSV": says(epsv)}
        assert told(server, tmp_path).count(fix) == 1


@pytest.mark.skipif(why_no_certificates() is not None, reason=why_no_certificates() or "")
@pytest.mark.skipif(why_missing("vsftpd", tls=True) is not None, reason=why_missing("vsftpd", tls=True) or "")
def test_a_certificate_of_ours_that_is_missing_is_a_refusal(make_server: Any, tmp_path: Path) -> None:
    """Nothing passes by itself, and no login was refused."""
    authority = Authority(tmp_path)
    server = make_server(
        "vsftpd", tls=ServerTls(authority.issue("server").both, version="TLSv1.2", client_ca=authority.certificate)
    )
    context = make_context(ca_file=authority.certificate)
    mailbox = make_mailbox(tmp_path)
    error = poll_ftp(
        mailbox, server, account=Account(server.host, server.port, server.user, server.password, 10.0, context)
    ).error
    mailbox.journal.close()
    assert isinstance(error, RemoteRefused)
    assert not isinstance(error, LoginRefused)
    assert "ftp_client_cert" in str(error)


@pytest.mark.parametrize(
    ("reason", "about_us"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", True),
        ("TLSV1_ALERT_UNKNOWN_CA", True),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", True),
        ("SSLV3_ALERT_BAD_RECORD_MAC", False),
        (None, False),
    ],
)
def test_an_alert_about_our_certificate_is_a_refusal_whenever_it_comes(reason: str | None, about_us: bool) -> None:
    """Under TLS 1.3 that is after the handshake, when whoever is refused may only see the connection cut."""
    error = ssl.SSLError()
    error.reason = reason  # type: ignore[assignment]
    assert is_about_us(error) is about_us
