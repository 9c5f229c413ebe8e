"""The mailed report: who gets it, what it looks like, and the two ways it can go.

It goes to the server by `delivery`. By default that is the one on this machine; where none listens there, the mail is
given to the program `sendmail` if there is one, as cron does with its own mails. Must not: raise for anything that a
server, the network or an address can do, since a mail that fails never fails a mirror; look into the text.
"""

import getpass
import os
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import formatdate, make_msgid
from pathlib import Path

from ftpretrieve import command
from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import CommandFailed
from ftpretrieve.escapes import escape
from ftpretrieve.mirror.addresses import check_address
from ftpretrieve.mirror.delivery import REPLY_CHARS, MailFailed, Unreachable, deliver
from ftpretrieve.mirror.records import Mail
from ftpretrieve.mirror.report import moment
from ftpretrieve.units import format_bytes

LIMIT_CHARS = 2_000_000
"""A longer text is cut: many servers take no more than 10 MiB, and letters that are not ASCII need up to six bytes."""

LINE_CHARS = 998
"""Source: RFC 5322, 2.1.1: no line of a mail is longer."""

SENDMAIL_PLACES = ("/usr/sbin", "/usr/lib")
"""Where sendmail is, besides PATH: cron's has no directory for programs of the system."""


def subject(now: datetime) -> str:
    """Return the subject of a report: `FTP Sync - wednesday 08/12/10, 13:52:13`."""
    return f"FTP Sync - {moment(now)}"


def send(mail: Mail, subject: str, text: str, *, logs: Sequence[Path] = (), timeout_secs: float) -> str | None:
    """Send a text to the recipients; return what went wrong, in words, None when it is sent.

    `logs`: where the whole text can be read when it is too long for a mail.
    """
    deadline = Deadline(timeout_secs)
    try:
        envelope = _address(mail)
        message = _compose(envelope, subject, text, logs)
        try:
            deliver(mail, message, envelope.sender, envelope.recipients, deadline)
        except Unreachable:
            program = _sendmail() if _is_default(mail) else None
            if program is None:
                raise
            _give(program, mail, envelope, message, deadline)
    except MailFailed as error:
        return f"mail: {error}"
    return None


@dataclass(frozen=True, slots=True)
class _Envelope:
    """Whom the servers hear of: addresses that are complete, each once."""

    sender: str
    recipients: tuple[str, ...]


def _address(mail: Mail) -> _Envelope:
    """Return who sends to whom. A login that is an address is the sender, since many servers take no other."""
    sender = mail.sender or (mail.user if "@" in mail.user else "") or _local_user()
    recipients = mail.recipients or (_local_user(),)
    return _Envelope(_complete(sender), tuple(dict.fromkeys(_complete(each) for each in recipients)))


def _local_user() -> str:
    try:
        return getpass.getuser()  # LOGNAME or USER, which cron need not set, else by the number
    except (KeyError, OSError):  # the latter from Python 3.13 on
        raise MailFailed(
            f"user {os.getuid()} has no name; give addresses by --to-addrs and --smtp-from, or --no-email"
        ) from None


def _complete(text: str) -> str:
    """Return an address with a domain: SMTP servers need not take one without, not even for users of their machine."""
    try:
        address = check_address(text)
        return address if "@" in address else check_address(f"{address}@{socket.gethostname()}")
    except ValueError as error:
        raise MailFailed(f"{escape(text)!r} {error}") from None


def _compose(envelope: _Envelope, subject: str, text: str, logs: Sequence[Path]) -> EmailMessage:
    # The headers of addresses that are not ASCII are written in UTF-8, which servers must offer (SMTPUTF8) or refuse.
    is_ascii = all(address.isascii() for address in (envelope.sender, *envelope.recipients))
    message = EmailMessage(EmailPolicy(utf8=not is_ascii))
    message["Subject"] = escape(subject)
    message["From"] = _header(envelope.sender)
    message["To"] = [_header(recipient) for recipient in envelope.recipients]
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain=envelope.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # so that nobody's holiday notice answers it (RFC 3834)
    lines = [escape(line.rstrip("\r").expandtabs()) for line in _shortened(text, logs).split("\n")]
    is_plain = all(line.isascii() and len(line) <= LINE_CHARS for line in lines)
    # Both for servers without 8BITMIME, too; the first is what the `mail` program shows best.
    message.set_content("\n".join(lines), cte="7bit" if is_plain else "quoted-printable")
    return message


def _header(address: str) -> Address:
    name, _, domain = address.rpartition("@")
    return Address(username=name, domain=domain)


def _shortened(text: str, logs: Sequence[Path]) -> str:
    """Return the text, of one that is too long the beginning and the end: reports say there what happened."""
    if len(text) <= LIMIT_CHARS:
        return text
    half, whole = LIMIT_CHARS // 2, ", ".join(map(str, logs))
    note = f"{format_bytes(len(text) - 2 * half)} left out of this mail{'; everything is in ' if whole else ''}{whole}"
    return f"{text[:half]}\n\n[... {note} ...]\n\n{text[-half:]}"


def _is_default(mail: Mail) -> bool:
    """Is it the mail server of this machine that is meant, and nothing said about it?"""
    return mail.server == "localhost" and mail.port is None and mail.security == "auto" and not mail.user


def _sendmail() -> str | None:
    return shutil.which("sendmail", path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SENDMAIL_PLACES)))


def _give(program: str, mail: Mail, envelope: _Envelope, message: EmailMessage, deadline: Deadline) -> None:
    """Give the mail to the `sendmail` of this machine.

    Raises: MailFailed when it does not take it.
    """
    # `-i`: a line with a single dot does not end it. Without -f the sender is who runs us, which some allow only.
    argv = [program, "-i", *(["-f", envelope.sender] if mail.sender else []), *envelope.recipients]
    try:
        finished = command.stream(argv, timeout_secs=deadline.remaining(), stdin=message.as_bytes())
    except CommandFailed as error:
        raise MailFailed(str(error)) from error
    if finished.timed_out:
        raise MailFailed(f"{program}: still busy after {deadline.limit_secs:g} s; see the log of the mail system")
    if finished.code != 0:
        said = escape(" ".join(finished.output))[:REPLY_CHARS]
        raise MailFailed(
            f"{program}: exit code {finished.code}: {said}; mend it, name a mail server by --smtp-server, or --no-email"
        )
