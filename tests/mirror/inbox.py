"""A mail server in a thread of the tests, that keeps what it gets: `with Inbox() as inbox: ... inbox.mails`."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.servers import free_port


@dataclass(frozen=True)
class Mail:
    """One that was taken. `user`: who had logged in, None for nobody."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    user: str | None

    @property
    def text(self) -> str:
        return cast(str, self.message.get_content()).replace("\r\n", "\n")


class Inbox:
    """Takes mail for anybody; with `login`, a pair of user and password, only from who has logged in.

    `more` is for aiosmtpd.
    """

    def __init__(self, login: tuple[str, str] | None = None, **more: Any) -> None:
        self.mails: list[Mail] = []
        self._login = login
        options: dict[str, Any] = {"auth_require_tls": False, **more}
        if login is not None:
            options |= {"authenticator": self._check, "auth_required": True}
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port(), **options)

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"{self._controller.hostname}:{self._controller.port}"

    def _check(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        given = (data.login.decode(), data.password.decode())
        session.user = given[0]
        return AuthResult(success=given == self._login, handled=False)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        message = message_from_bytes(envelope.content, policy=policy.default)
        user = getattr(session, "user", None)
        self.mails.append(Mail(envelope.mail_from, tuple(envelope.rcpt_tos), cast(EmailMessage, message), user))
        return "250 taken"

    def __enter__(self) -> Inbox:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()
