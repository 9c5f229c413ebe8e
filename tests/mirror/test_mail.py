"""The mailed report: that it arrives, what it looks like, and what is said when it does not.

Mails go to a real server (aiosmtpd) on loopback, with and without TLS and login; what servers do wrong is done by one
that follows a script. `send` never raises and never outlives its limit: no thread of it is left then.
"""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.mirror import delivery, mail
from ftpretrieve.mirror.records import Mail
from ftpretrieve.passwords import Secret
from tests.mirror.inbox import Inbox
from tests.mirror.mailing import LONG_SECS, send, to
from tests.mirror.mailscript import MailScript
from tests.servers import free_port

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")


# -- what a mail looks like -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2010, 12, 8, 13, 52, 13, tzinfo=UTC), "FTP Sync - wednesday 08/12/10, 13:52:13"),
        (datetime(2026, 2, 1, 0, 0, 0, tzinfo=UTC), "FTP Sync - sunday 01/02/26, 00:00:00"),
    ],
    ids=["wednesday", "sunday"],
)
def test_the_subject_has_weekday_date_and_time(now: datetime, expected: str) -> None:
    assert mail.subject(now) == expected


def test_a_mail_arrives_as_it_was_sent() -> None:
    with Inbox() as inbox:
        assert send(to(inbox, sender="mirror@example.org"), "FTP Sync - x", "first\n\n.\n..dots\nlast\n") is None
        (got,) = inbox.mails
    assert (got.sender, got.recipients) == ("mirror@example.org", ("joe@example.org",))
    assert got.text == "first\n\n.\n..dots\nlast\n"
    assert got.message["Subject"] == "FTP Sync - x"
    assert got.message["From"] == "mirror@example.org"
    assert got.message["To"] == "joe@example.org"
    assert got.message["Auto-Submitted"] == "auto-generated"
    assert got.message["Message-ID"].endswith("@example.org>")
    assert parsedate_to_datetime(got.message["Date"]).utcoffset() is not None
    assert got.message["Content-Transfer-Encoding"] == "7bit"


def test_several_get_one_mail_and_each_once() -> None:
    """Who is named twice, or is spelt with another domain of the same letters, is one recipient."""
    given_twice = ("joe@example.org", "eve@example.org", "joe@EXAMPLE.org", "joe@example.org")
    with Inbox() as inbox:
        assert send(to(inbox, recipients=given_twice)) is None
        (got,) = inbox.mails
    assert got.recipients == ("joe@example.org", "eve@example.org")
    assert got.message["To"] == "joe@example.org, eve@example.org"


def test_a_thousand_recipients_are_no_problem() -> None:
    everybody = tuple(f"user{number}@example.org" for number in range(1000))
    with MailScript() as server:
        assert send(to(server, recipients=everybody)) is None
        assert server.verbs.count("RCPT") == 1000
        assert max(map(len, server.lines)) <= 998


def test_the_local_user_gets_it_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "mirror-user")
    with Inbox() as inbox:
        assert send(to(inbox, recipients=())) is None
        assert send(to(inbox, recipients=("root",))) is None
        first, second = inbox.mails
    host = socket.gethostname()
    assert (first.sender, first.recipients) == (f"mirror-user@{host}", (f"mirror-user@{host}",))
    assert second.recipients == (f"root@{host}",)


def test_the_local_user_is_found_under_cron(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable need be set there."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    with Inbox() as inbox:
        assert send(to(inbox, recipients=())) is None
        (got,) = inbox.mails
    assert got.recipients == (f"{getpass.getuser()}@{socket.gethostname()}",)


def test_a_user_without_a_name_is_told_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    """In containers a process may run with a number that no name belongs to."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 3_999_999)
    told = send(Mail())
    assert told == "mail: user 3999999 has no name; give addresses by --to-addrs and --smtp-from, or --no-email"


def test_a_login_that_is_an_address_is_the_sender() -> None:
    """Many servers take no other."""
    with Inbox(("joe@example.org", "pw")) as inbox:
        assert send(to(inbox, user="joe@example.org", password=Secret("pw"))) is None
        assert send(to(inbox, user="joe@example.org", password=Secret("pw"), sender="other@example.org")) is None
        assert [got.sender for got in inbox.mails] == ["joe@example.org", "other@example.org"]


TEXTS = {
    "umlauts": ("größer ✓ 日本\n", "größer ✓ 日本\n"),
    "long lines": ("x" * 5000 + "\n" + "ü" * 5000 + "\n", "x" * 5000 + "\n" + "ü" * 5000 + "\n"),
    "long line": ("x" * 5000 + "\n", "x" * 5000 + "\n"),
    "no utf-8": (os.fsdecode(b"caf\xe9.txt\n"), "caf\\udce9.txt\n"),
    "half a character": ("\ud83d\n", "\\ud83d\n"),
    "control characters": ("a\x1b[2Jb\0c\rd\n", "a\\u001b[2Jb\\u0000c\\rd\n"),
    "ends of windows": ("a\r\nb\r\n", "a\nb\n"),
    "no end": ("a", "a\n"),
    "nothing": ("", "\n"),
    "from": ("From me\nto you\n", "From me\nto you\n"),
}


@pytest.mark.parametrize(("text", "shown"), TEXTS.values(), ids=TEXTS.keys())
def test_any_text_arrives(text: str, shown: str) -> None:
    """What does not print is shown escaped, so that a name cannot steer the terminal of whoever reads it."""
    with Inbox() as inbox:
        assert send(to(inbox), text=text) is None
        (got,) = inbox.mails
    assert got.text == shown


def test_a_mail_is_fit_for_servers_of_seven_bits() -> None:
    """One that knows neither EHLO nor 8BITMIME gets only ASCII, in lines that are not too long."""
    with MailScript({"EHLO": b"502 what?\r\n"}) as server:
        assert send(to(server), "größer", "größer\n" + "ü" * 5000 + "\n") is None
        assert server.verbs[:3] == ["EHLO", "HELO", "MAIL"]
        assert all(line.isascii() and len(line) <= 998 for line in server.lines)


def test_a_subject_is_one_line() -> None:
    with Inbox() as inbox:
        assert send(to(inbox), "a\nBcc: eve@example.org\r\n\r\nb") is None
        (got,) = inbox.mails
    assert got.recipients == ("joe@example.org",)
    assert got.message["Bcc"] is None
    assert got.message["Subject"] == r"a\nBcc: eve@example.org\r\n\r\nb"


@pytest.mark.parametrize("place", ["sender", "recipients"])
def test_an_address_cannot_bring_a_line_of_its_own(place: str) -> None:
    evil = "joe@example.org>\r\nRCPT TO:<eve@example.org"
    with MailScript() as server:
        told = send(to(server, **{place: evil if place == "sender" else (evil,)}))
        assert server.lines == []
    assert told is not None
    assert told.startswith(r"mail: 'joe@example.org>\\r\\nRCPT TO:<eve@example.org' is no mail address")


def test_a_huge_report_is_cut() -> None:
    """What happened stands at the beginning and at the end; the note says where the rest is."""
    text = "BEGIN\n" + "a line of the output of lftp\n" * 1_800_000 + "END\n"
    logs = [Path("/srv/lftp_mirror.log"), Path("/data/lftp_mirror.log")]
    with Inbox(data_size_limit=10 * 2**20) as inbox:
        assert mail.send(to(inbox), "subject", text, logs=logs, timeout_secs=LONG_SECS) is None
        (got,) = inbox.mails
    assert got.text.startswith("BEGIN\n")
    assert got.text.endswith("END\n")
    assert len(got.text) < mail.LIMIT_CHARS + 200
    note = "47.9 MiB left out of this mail; everything is in /srv/lftp_mirror.log, /data/lftp_mirror.log"
    assert f"\n[... {note} ...]\n" in got.text


def test_names_of_other_scripts_need_a_server_that_takes_them() -> None:
    with Inbox(enable_SMTPUTF8=True) as inbox:
        assert send(to(inbox, recipients=("jörg@münchen.example",))) is None
        (got,) = inbox.mails
    assert got.recipients == ("jörg@xn--mnchen-3ya.example",)
    assert got.message["To"] == "jörg@xn--mnchen-3ya.example"
    with Inbox(enable_SMTPUTF8=False) as inbox:
        told = send(to(inbox, recipients=("jörg@example.org",)))
        assert inbox.mails == []
    assert told is not None
    assert told.endswith("it takes addresses in ASCII only, unlike jörg@example.org (it has no SMTPUTF8)")


# -- the program sendmail ---------------------------------------------------------------------------------------------


@pytest.fixture
def sendmail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let nothing listen where mail servers do; return the directory of `sendmail`, which records its call there."""
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\n/bin/cat > {tmp_path}/mail\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(mail, "SENDMAIL_PLACES", (str(tmp_path),))
    monkeypatch.setattr(delivery, "PLAIN_PORT", free_port())
    monkeypatch.setenv("LOGNAME", "joe")
    return tmp_path


def test_where_no_server_listens_sendmail_gets_it(sendmail: Path) -> None:
    """Many machines have only that, for the mails of cron."""
    assert send(Mail(), "subject", "größer\n.\nend\n") is None
    me = f"joe@{socket.gethostname()}"
    assert (sendmail / "arguments").read_text().splitlines() == ["-i", me]
    got = (sendmail / "mail").read_bytes()
    assert b"To: " + me.encode() in got
    assert b"\r" not in got
    assert got.endswith(b"\n\ngr=C3=B6=C3=9Fer\n.\nend\n")


def test_sendmail_is_told_recipients_and_sender(sendmail: Path) -> None:
    assert send(Mail(sender="me@example.org", recipients=("joe@example.org", "root"))) is None
    arguments = (sendmail / "arguments").read_text().splitlines()
    assert arguments == ["-i", "-f", "me@example.org", "joe@example.org", f"root@{socket.gethostname()}"]


@pytest.mark.parametrize(
    "keys",
    [{"server": "127.0.0.1"}, {"port": 1}, {"user": "joe", "password": Secret("pw")}, {"security": "tls"}],
    ids=["server", "port", "user", "security"],
)
def test_a_server_that_was_named_is_not_replaced(sendmail: Path, keys: dict[str, Any]) -> None:
    told = send(replace(Mail(), **keys))
    assert told is not None
    assert "cannot connect" in told
    assert not (sendmail / "arguments").exists()


def test_a_server_that_listens_comes_first(sendmail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MailScript({"RCPT": b"550 no\r\n"}) as server:
        monkeypatch.setattr(delivery, "PLAIN_PORT", server.port)
        assert send(Mail()) is not None
    assert not (sendmail / "arguments").exists()


def test_a_sendmail_that_fails_is_told(sendmail: Path) -> None:
    (sendmail / "sendmail").write_text("#!/bin/sh\necho 'no \033[2J queue' >&2\nexit 75\n")
    told = send(Mail())
    expected = f"{sendmail}/sendmail: exit code 75: no \\u001b[2J queue; mend it, name a mail server by --smtp-server"
    assert told == f"mail: {expected}, or --no-email"
    (sendmail / "sendmail").write_text("not a program")
    assert (send(Mail()) or "").startswith(f"mail: cannot run {sendmail}/sendmail")


def test_a_sendmail_that_hangs_is_ended(sendmail: Path) -> None:
    (sendmail / "sendmail").write_text("#!/bin/sh\nexec /bin/sleep 600\n")
    told = send(Mail(), timeout_secs=1)
    assert told == f"mail: {sendmail}/sendmail: still busy after 1 s; see the log of the mail system"


def test_without_server_and_sendmail_that_is_told(sendmail: Path) -> None:
    (sendmail / "sendmail").unlink()
    assert "cannot connect" in (send(Mail()) or "")
