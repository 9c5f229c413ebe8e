"""A mail by SMTP: with and without TLS and a login, refused, and within its limit whatever the server does."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftpretrieve.mirror import delivery
from ftpretrieve.mirror.records import Mail
from ftpretrieve.passwords import Secret
from tests.certificates import Authority, Identity
from tests.mirror.inbox import Inbox
from tests.mirror.mailing import LOGIN, LONG_SECS, PASSWORD, context, logged_in, send, to
from tests.mirror.mailscript import DRIP, HANG_UP, REAL, Answer, MailScript
from tests.servers import free_port

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")


# -- TLS --------------------------------------------------------------------------------------------------------------


class TlsInbox(Inbox):
    """Keeps whether TLS was on when a mail came."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self.was_safe: list[bool] = []
        super().__init__(*arguments, **more)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.was_safe.append(server.transport.get_extra_info("sslcontext") is not None)
        return await super().handle_DATA(server, session, envelope)


@pytest.mark.parametrize("login", [None, LOGIN], ids=["no login", "login"])
@pytest.mark.parametrize("security", ["auto", "starttls"])
def test_starttls_is_used(
    trusted: None, elsewhere: None, identity: Identity, security: str, login: tuple[str, str] | None
) -> None:
    with TlsInbox(login, tls_context=context(identity), require_starttls=True) as inbox:
        how = logged_in(inbox) if login else to(inbox)
        assert send(replace(how, security=security)) is None
        assert inbox.was_safe == [True]


@pytest.mark.parametrize("login", [None, LOGIN], ids=["no login", "login"])
def test_tls_from_the_first_byte(
    trusted: None, elsewhere: None, identity: Identity, login: tuple[str, str] | None
) -> None:
    with TlsInbox(login, ssl_context=context(identity)) as inbox:
        how = logged_in(inbox) if login else to(inbox)
        assert send(replace(how, security="tls")) is None
        assert inbox.was_safe == [True]


def test_port_465_begins_with_tls(
    trusted: None, elsewhere: None, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TlsInbox(ssl_context=context(identity)) as inbox:
        how = to(inbox)
        monkeypatch.setattr(delivery, "SMTPS_PORT", how.port)
        assert send(how) is None
        assert send(replace(how, port=None, security="tls")) is None
        assert inbox.was_safe == [True, True]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(identity: Identity, security: str) -> None:
    key = "ssl_context" if security == "tls" else "tls_context"
    with TlsInbox(**{key: context(identity)}) as inbox:
        told = send(to(inbox, security=security))
        assert inbox.mails == []
        assert told is not None
        assert told.startswith(f"mail: localhost:{to(inbox).port}: its certificate is not trusted: ")
        assert "SSL_CERT_FILE" in told


def test_a_certificate_of_another_host_is_refused(trusted: None, authority: Authority) -> None:
    other = authority.issue("mail-other", ["DNS:mail.example.org"])
    with TlsInbox(tls_context=context(other)) as inbox:
        told = send(to(inbox, security="starttls"))
        assert inbox.mails == []
    assert told is not None
    assert "not valid for 'localhost'" in told


def test_without_anything_to_steal_any_certificate_will_do(elsewhere: None, identity: Identity) -> None:
    """It would go in the clear otherwise, so that TLS with anybody is the lesser evil."""
    with TlsInbox(tls_context=context(identity)) as inbox:
        assert send(to(inbox)) is None
        assert inbox.was_safe == [True]


def test_a_login_here_needs_no_certificate(identity: Identity) -> None:
    with TlsInbox(LOGIN, tls_context=context(identity)) as inbox:
        assert send(logged_in(inbox)) is None
        assert inbox.was_safe == [True]


def test_a_login_elsewhere_needs_a_certificate(elsewhere: None, identity: Identity) -> None:
    with TlsInbox(LOGIN, tls_context=context(identity)) as inbox:
        told = send(logged_in(inbox))
        assert inbox.mails == []
    assert told is not None
    assert "its certificate is not trusted" in told


@pytest.mark.parametrize(
    ("security", "user", "what"), [("auto", "joe", "password"), ("starttls", "", "mail")], ids=["login", "starttls"]
)
def test_without_starttls_nothing_goes(elsewhere: None, security: str, user: str, what: str) -> None:
    """The password least of all."""
    with MailScript() as server:
        told = send(to(server, security=security, user=user, password=Secret(PASSWORD)))
        assert server.verbs == ["EHLO"]
    assert told is not None
    assert f"it offers no STARTTLS, and the {what} is not sent without; use port 465" in told


def test_none_means_in_the_clear(elsewhere: None, identity: Identity) -> None:
    """Even where TLS is offered: its certificate may be the reason."""
    with TlsInbox(LOGIN, tls_context=context(identity)) as inbox:
        assert send(logged_in(inbox, security="none")) is None
        assert inbox.was_safe == [False]


def test_tls_with_a_server_that_has_none_is_told() -> None:
    with Inbox() as inbox:
        told = send(to(inbox, security="tls"))
    assert told is not None
    assert "TLS failed while beginning TLS" in told
    assert "only port 465 begins with TLS" in told


# -- login ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
def test_it_logs_in_by_what_the_server_offers(way: str) -> None:
    other = {"PLAIN": "LOGIN", "LOGIN": "PLAIN"}[way]
    with Inbox(LOGIN, auth_exclude_mechanism=[other]) as inbox:
        assert send(logged_in(inbox)) is None
        (got,) = inbox.mails
    assert got.user == LOGIN[0]


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
def test_a_wrong_password_is_told(way: str) -> None:
    other = {"PLAIN": "LOGIN", "LOGIN": "PLAIN"}[way]
    with Inbox((LOGIN[0], "another"), auth_exclude_mechanism=[other]) as inbox:
        told = send(logged_in(inbox))
        assert inbox.mails == []
        assert told is not None
        assert told.startswith(f"mail: localhost:{to(inbox).port}: it refuses the login: 535 ")
        assert "; check user and password, " in told


def test_a_server_without_a_way_to_log_in_is_told() -> None:
    with MailScript({"EHLO": b"250-test\r\n250 AUTH XOAUTH2 GSSAPI\r\n"}) as server:
        assert "PLAIN or LOGIN (it offers XOAUTH2 GSSAPI)" in (send(logged_in(server)) or "")
        server.answers["EHLO"] = b"250 test\r\n"
        assert "PLAIN or LOGIN (it offers none at all)" in (send(logged_in(server)) or "")
        assert server.verbs == ["EHLO", "EHLO"]


def test_a_refused_login_is_tried_once() -> None:
    """Trying every way in turn would lock the account all the sooner."""
    with MailScript({"AUTH": b"535 no\r\n"}) as server:
        assert send(logged_in(server)) is not None
        assert server.verbs == ["EHLO", "AUTH"]


def test_a_server_that_repeats_the_password_does_not_get_it_shown() -> None:
    def repeat(line: bytes) -> bytes:
        return b"535 %s is not for %s\r\n" % (line.split()[-1], PASSWORD.encode())

    with MailScript({"AUTH": repeat}) as server:
        told = send(logged_in(server))
        coded = server.lines[-1].split()[-1].decode()
    assert told is not None
    assert "535 *** is not for ***" in told
    assert coded not in told


def test_a_password_that_cannot_be_had_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_PASSWORD", raising=False)
    with MailScript() as server:
        told = send(logged_in(server, password=Secret("env:NO_SUCH_PASSWORD", _label="[smtp] password")))
        assert server.verbs == ["EHLO"]
        missing = send(logged_in(server, password=None))
    assert told is not None
    assert "[smtp] password: environment variable NO_SUCH_PASSWORD is not set" in told
    assert missing is not None
    assert f"there is no password for {LOGIN[0]}" in missing


def test_a_password_is_asked_for_only_when_it_is_needed(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    secret = Secret(f"command:sh -c 'touch {asked}; echo pw'")
    with MailScript() as server:
        assert send(logged_in(server, port=free_port(), password=secret)) is not None
        assert not asked.exists()
        assert send(logged_in(server, password=secret)) is None
        assert asked.exists()


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_who_is_refused_is_named() -> None:
    """The others have got it."""

    def refuse_eve(line: bytes) -> bytes:
        return b"550 5.1.1 no such user\r\n" if b"eve" in line else b"250 fine\r\n"

    with MailScript({"RCPT": refuse_eve}) as server:
        told = send(to(server, recipients=("joe@example.org", "eve@example.org")))
        assert "." in server.verbs
    expected = "the mail went out, but not to eve@example.org (550 5.1.1 no such user)"
    assert told == f"mail: localhost:{server.port}: {expected}"


REFUSALS: dict[str, tuple[str, bytes, str]] = {
    "all recipients": ("RCPT", b"550 no\r\n", "it refuses joe@example.org (550 no); name others by --to-addrs"),
    "sender": ("MAIL", b"553 not you\r\n", "it refuses the sender: 553 not you; name another by --smtp-from"),
    "mail": (".", b"554 looks like spam\r\n", "it does not take the mail: 554 looks like spam"),
    "data": ("DATA", b"451 later\r\n", "it does not take the mail: 451 later"),
    "everybody": ("", b"554 go away\r\n", "failed while waiting for its greeting: 554 go away"),
    "starting TLS": ("STARTTLS", b"454 no key\r\n", "failed while beginning TLS: 454 no key"),
    "several lines": (".", b"554-one\r\n554 two\x1b[2J\r\n", r"it does not take the mail: 554 one two\u001b[2J"),
    "no answer of SMTP": (
        "",
        b"SSH-2.0-OpenSSH\r\n",
        "failed while waiting for its greeting: an answer that is not SMTP",
    ),
    "closing": ("MAIL", b"421 closing\r\n", "it refuses the sender: 421 closing"),
}


@pytest.mark.parametrize(("verb", "answer", "words"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_is_told_with_the_words_of_the_server(verb: str, answer: bytes, words: str) -> None:
    ehlo = b"250-test\r\n250 STARTTLS\r\n" if verb == "STARTTLS" else REAL["EHLO"]
    with MailScript({"EHLO": ehlo, verb: answer}) as server:
        told = send(to(server))
    assert told is not None
    assert told.startswith(f"mail: localhost:{server.port}: {words}")


def test_a_server_that_is_not_there_is_told() -> None:
    port = free_port()
    told = send(Mail("127.0.0.1", port, recipients=("joe@example.org",)))
    expected = f"127.0.0.1:{port}: cannot connect: Connection refused; name a mail server that runs by --smtp-server"
    assert told == f"mail: {expected}, or switch mail off by --no-email"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("no-such-host.invalid", marks=pytest.mark.slow),  # where a name server should be and is not
        *("a..b", "x" * 70 + ".invalid", "nul\0nul"),
    ],
    ids=ascii,
)
def test_a_name_that_is_none_is_told(name: str) -> None:
    told = send(Mail(name, 25, recipients=("joe@example.org",)))
    assert told is not None
    assert "cannot connect" in told


# -- limits -----------------------------------------------------------------------------------------------------------

STEPS = {
    "": "waiting for its greeting",
    "EHLO": "saying EHLO",
    "STARTTLS": "beginning TLS",
    "AUTH": "logging in",
    "MAIL": "sending the mail",
    "RCPT": "sending the mail",
    "DATA": "sending the mail",
    ".": "sending the mail",
}


def stuck(verb: str, answer: Answer, timeout_secs: float) -> tuple[str | None, int]:
    """Send to a server that gives this answer; return what was told, and its port."""
    ehlo = b"250-test\r\n250 STARTTLS\r\n" if verb == "STARTTLS" else REAL["EHLO"]
    with MailScript({"EHLO": ehlo, verb: answer}) as server:
        how = logged_in(server) if verb == "AUTH" else to(server)
        return send(how, timeout_secs=timeout_secs), server.port


@pytest.mark.slow
@pytest.mark.parametrize("answer", [None, DRIP], ids=["silent", "dripping"])
@pytest.mark.parametrize("verb", STEPS, ids=[verb or "greeting" for verb in STEPS])
def test_a_server_may_be_stuck_at_any_step(verb: str, answer: Answer) -> None:
    told, port = stuck(verb, answer, 2)
    assert told == f"mail: localhost:{port}: no answer for 2 s while {STEPS[verb]}; is that a mail server?"


@pytest.mark.slow
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_may_be_stuck_in_the_handshake(security: str) -> None:
    verb = "STARTTLS" if security == "starttls" else ""
    answer = b"220 go ahead\r\n" if verb else None
    with MailScript({"EHLO": b"250-test\r\n250 STARTTLS\r\n", verb: answer}) as server:
        told = send(to(server, security=security), timeout_secs=2)
    assert told == f"mail: localhost:{server.port}: no answer for 2 s while beginning TLS; is that a mail server?"


def test_a_silent_server_is_left() -> None:
    """The one of these tests that is run always."""
    told, port = stuck("", None, 0.5)
    assert told == f"mail: localhost:{port}: no answer for 0.5 s while waiting for its greeting; is that a mail server?"


@pytest.mark.parametrize(
    "answer", [None, pytest.param(DRIP, marks=pytest.mark.slow), HANG_UP], ids=["silent", "dripping", "gone"]
)
def test_how_a_server_takes_leave_does_not_matter(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the mail."""
    monkeypatch.setattr(delivery, "GRACE_SECS", 0.5)
    told, _ = stuck("QUIT", answer, 2 if answer is DRIP else LONG_SECS)
    assert told is None


@pytest.mark.parametrize("verb", STEPS, ids=[verb or "greeting" for verb in STEPS])
def test_a_server_may_hang_up_at_any_step(verb: str) -> None:
    told, port = stuck(verb, HANG_UP, LONG_SECS)
    assert told == f"mail: localhost:{port}: it hung up while {STEPS[verb]}"


def test_a_connection_that_nobody_takes_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        told = send(Mail("127.0.0.1", port, recipients=("joe@example.org",)), timeout_secs=1)
        for filler in fillers:
            filler.close()
    assert told is not None
    assert told.startswith(f"mail: 127.0.0.1:{port}: ")


def test_an_endless_line_is_not_read() -> None:
    with MailScript({"EHLO": b"250 " + b"x" * 2_000_000 + b"\r\n"}) as server:
        told = send(to(server))
    assert told is not None
    assert "Line too long" in told


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(REAL)),
    st.one_of(st.binary(min_size=1, max_size=60), st.from_regex(rb"[2345][0-9]{2}[ -][ -~\r\n]{0,30}\r\n")),
)
def test_no_answer_makes_it_raise(verb: str, answer: bytes) -> None:
    """Whatever a server says, and wherever, it is sent or a problem is told in printable words."""
    with MailScript({verb: answer + b"\r\n221 end\r\n"}) as server:
        server.answers.setdefault(verb, answer)
        told = send(logged_in(server), timeout_secs=1)
    assert told is None or (told.startswith("mail: localhost:") and told.isprintable())
