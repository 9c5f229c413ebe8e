"""Sending a mail to the servers of the tests, never showing the password."""

from __future__ import annotations

import base64
import ssl
import threading
from dataclasses import replace
from typing import Any

from ftpretrieve.mirror import mail
from ftpretrieve.mirror.records import Mail
from ftpretrieve.passwords import Secret
from tests.certificates import Identity
from tests.mirror.inbox import Inbox
from tests.mirror.mailscript import MailScript

PASSWORD = "geheim-wörd 42"
LOGIN = ("jörg@example.org", PASSWORD)
LONG_SECS = 60.0  # a limit that no test gets to


def to(server: Inbox | MailScript, **keys: Any) -> Mail:
    """Return how to send to a server."""
    port = server.port if isinstance(server, MailScript) else int(server.address.rpartition(":")[2])
    return replace(Mail("localhost", port, recipients=("joe@example.org",)), **keys)


def logged_in(server: Inbox | MailScript, **keys: Any) -> Mail:
    return to(server, **{"user": LOGIN[0], "password": Secret(PASSWORD), "sender": "mirror@example.org", **keys})


def context(identity: Identity) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(identity.certificate, identity.key)
    return made


def send(how: Mail, subject: str = "subject", text: str = "text\n", timeout_secs: float = LONG_SECS) -> str | None:
    told = mail.send(how, subject, text, timeout_secs=timeout_secs)
    assert not [thread for thread in threading.enumerate() if thread.name == "lftp-mirror-mail"]
    assert PASSWORD not in (told or "")
    assert base64.b64encode(PASSWORD.encode()).decode() not in (told or "")
    return told
