"""What is a mail address: `joe@example.org`, or the name of a local user.

Pure. Addresses go into headers, into SMTP commands and into the arguments of a program, so only what can be nothing
else in any of these is taken: no quoted names, comments or domains in brackets, which nobody needs for a report.
"""

import re

_NAME = re.compile(r"(?!-)[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*")  # RFC 5321 (Dot-string), RFC 6531
_DOMAIN = re.compile(r"[\w-]+(\.[\w-]+)*")

LIMIT_CHARS = 254
"""Source: RFC 5321, 4.5.3.1.3: a path has at most 256 characters, with its angle brackets."""


def check_address(text: str) -> str:
    """Return the address as servers take it: without blanks around it, the domain in small ASCII letters.

    Raises: ValueError, with words that continue a sentence about the text.
    """
    name, at, domain = text.strip().rpartition("@") if "@" in text else (text.strip(), "", "")
    if len(name) + len(domain) < LIMIT_CHARS and _NAME.fullmatch(name) and (not at or _DOMAIN.fullmatch(domain)):
        try:
            return f"{name}{at}{domain.encode('idna').decode('ascii').lower()}"
        except UnicodeError:
            pass  # a label of more than 63 characters, or of such that no domain may have
    raise ValueError("is no mail address; give one such as root or joe@example.org and nothing around it")
