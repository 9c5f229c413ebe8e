"""Where the report is mailed to, as options or the section [smtp] of a file say it. Sends nothing."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ftpretrieve import config
from ftpretrieve.config import ConfigFile, Key
from ftpretrieve.mirror.addresses import check_address
from ftpretrieve.mirror.arguments import address_list
from ftpretrieve.mirror.credentials import exposed, in_file, typed
from ftpretrieve.mirror.records import SMTPS_PORT, Mail


def place(text: str) -> tuple[str, int | None]:
    """Return host and port of `HOST`, `HOST:PORT` or `[IPV6]:PORT`."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\s]+)(?::([0-9]{1,5}))?", text)
    port = int(match[2]) if match and match[2] else None
    if not match or port is not None and not 1 <= port <= 65_535:
        raise ValueError("is not understood; give HOST or HOST:PORT")
    return match[1].strip("[]"), port


KEYS = (
    Key("smtp", "server", place, "localhost", "mail server, as HOST or HOST:PORT"),
    Key("smtp", "port", config.optional(config.whole(1, 65_535)), "",
        "its port; blank: 25, and 465 with security = tls"),
    Key("smtp", "user", config.unquoted, "", "user at the mail server; blank: no login"),
    Key("smtp", "password", str, "", "password of the user: itself, base64:…, env:NAME, file:PATH or command:PROGRAM",
        secret=True),
    Key("smtp", "from", config.optional(check_address), "", "sender of the mail"),
    Key("smtp", "to", config.optional(address_list), "", "who gets it; blank: --to-addrs, else the local user"),
    Key("smtp", "security", config.choice("auto", "none", "starttls", "tls"), "auto",
        "auto: STARTTLS where the server has it, and always before a login"),
)  # fmt: skip
"""The keys of the file of --smtp-config."""


def read_smtp(path: Path) -> tuple[Mail, list[str]]:
    """Return what the file of --smtp-config says, and what its owner should know about it.

    Raises: ConfigError with all that is wrong.
    """
    file = ConfigFile(path)
    values = {name: value for (_, name), value in file.read(KEYS).items()}
    password = None
    try:
        password = in_file(values.get("password", ""), file.path, "[smtp] password", bare_base64=False)
    except ValueError as error:
        file.complain("smtp", "password", str(error))
    if bool(values.get("user")) != bool(file.text("smtp", "password")):
        file.complain("smtp", "user", "and password: neither is of use without the other; give both or none")
    server, port = values.get("server") or ("", None)
    if port and values.get("port") not in (None, port):
        file.complain("smtp", "port", "is another one than in the server; keep one of them")
    file.finish()
    mail = Mail(
        server,
        port or values["port"],
        values["user"],
        password,
        values["from"] or "",
        values["to"] or (),
        values["security"],
    )
    warning = exposed(file.path) if password and password.is_in_config else None
    return mail, [warning] if warning else []


def from_options(values: Mapping[str, object]) -> Mail:
    """Return what the options say, when none of them names a file.

    Raises: ValueError with words that begin with the option.
    """
    try:
        server, port = place(str(values["smtp_server"] or "localhost"))
    except ValueError as error:
        raise ValueError(f"--smtp-server: {values['smtp_server']!r} {error}") from None
    try:
        password = typed(str(values["smtp_pass"] or ""))
    except ValueError as error:
        raise ValueError(f"--smtp-pass: {error}") from None
    mail = Mail(server, port, str(values["smtp_user"] or ""), password, str(values["smtp_from"] or ""))
    return replace(mail, security="tls") if port == SMTPS_PORT else mail
