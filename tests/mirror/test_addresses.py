"""What is taken for a mail address, and that the rest is refused in words."""

from __future__ import annotations

import pytest

from ftpretrieve.mirror.addresses import check_address

GOOD = [
    ("joe@example.org", "joe@example.org"),
    (" joe@example.org\n", "joe@example.org"),
    ("root", "root"),
    ("first.last+tag@mail.example.org", "first.last+tag@mail.example.org"),
    ("Joe@EXAMPLE.org", "Joe@example.org"),  # only the name may depend on it
    ("o'hara@example.org", "o'hara@example.org"),
    ("jörg@münchen.example", "jörg@xn--mnchen-3ya.example"),
    ("joe@my_host", "joe@my_host"),
]


@pytest.mark.parametrize(("text", "address"), GOOD, ids=[text.strip() for text, _ in GOOD])
def test_addresses_are_taken_as_servers_want_them(text: str, address: str) -> None:
    assert check_address(text) == address


BAD = [
    "",
    " ",
    "@example.org",
    "joe@",
    "joe@@example.org",
    "a@b@example.org",
    "Joe Smith <joe@example.org>",
    "<joe@example.org>",
    "joe@example.org,eve@example.org",
    "joe@example.org;eve@example.org",
    "joe@example.org\nBcc: eve@example.org",
    "joe@example.org\r\nRCPT TO:<eve@example.org>",
    "joe\n@example.org",
    "joe\0@example.org",
    '"joe smith"@example.org',
    "joe(comment)@example.org",
    "joe@[127.0.0.1]",
    "joe@exam ple.org",
    ".joe@example.org",
    "joe..smith@example.org",
    "joe@example..org",
    "joe@" + "x" * 64 + ".org",
    "joe@" + "example." * 40 + "org",
    "-oQ/tmp@example.org",  # would be an option of sendmail
    "-f",
    "joe@caf\udce9.org",
    "caf\udce9@example.org",
    "DOMAIN\\joe",
]


@pytest.mark.parametrize("text", BAD, ids=[ascii(text[:40]) for text in BAD])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="^is no mail address; give one such as root or joe@example.org"):
        check_address(text)
