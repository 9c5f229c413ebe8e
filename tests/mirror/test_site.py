"""SITE: every way to write it, and that no password gets into a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.mirror.records import Protocol
from ftpretrieve.mirror.site import Site, parse_site

FTP, FTPS, SFTP = Protocol.FTP, Protocol.FTPS, Protocol.SFTP


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("ftp.debian.org", Site("ftp.debian.org")),
        ("ftp.debian.org.", Site("ftp.debian.org.")),
        ("ftp.debian.org/", Site("ftp.debian.org")),
        ("host:2121", Site("host", port=2121)),
        ("192.0.2.1", Site("192.0.2.1")),
        ("münchen.example", Site("münchen.example")),
        ("my_host", Site("my_host")),
        ("2001:db8::1", Site("2001:db8::1")),
        ("[2001:db8::1]", Site("2001:db8::1")),
        ("[2001:db8::1]:2121", Site("2001:db8::1", port=2121)),
        ("ftp://[::1]:21/", Site("::1", FTP, 21)),
        ("FTP://host", Site("host", FTP)),
        ("ftps://host", Site("host", FTPS)),
        ("ftps://host:990", Site("host", FTPS, 990)),
        ("sftp://joe@host", Site("host", SFTP, user="joe")),
        ("sftp://joe:pw@host:22", Site("host", SFTP, 22, "joe", "pw")),
        ("ftp://joe:p@w:d@host", Site("host", FTP, None, "joe", "p@w:d")),
        ("ftp://jo%40x:p%2Fw%20%25@host", Site("host", FTP, None, "jo@x", "p/w %")),
        ("ftp://joe:@host", Site("host", FTP, None, "joe", "")),
    ],
    ids=str,
)
def test_a_site_is_understood(text, site):
    """Name, address or URL."""
    assert parse_site(text) == site


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no host"),
        ("ftp://", "names no host"),
        (":21", "names no host"),
        ("http://host", "unknown protocol"),
        ("host/pub/doc", "as REMOTE"),
        ("ftp://host/pub", "'/pub' as REMOTE"),
        ("joe@host", "ftp://USER@HOST"),
        ("host:", "no usable port"),
        ("host:0", "no usable port"),
        ("host:65536", "no usable port"),
        ("host:٣", "no usable port"),
        ("-oProxyCommand=x", "can be none"),
        ("ho st", "can be none"),
        ("ho;st", "can be none"),
        ("host\n", "can be none"),
        ("[host]", "can be none"),
        ("ftp://jo%ff@host", "not UTF-8"),
    ],
    ids=str,
)
def test_a_wrong_site_is_explained(text, words):
    """With what to write instead. A host that begins with a dash would be an option of ssh."""
    with pytest.raises(ValueError, match=words):
        parse_site(text)


@pytest.mark.parametrize(
    "text",
    ["ftp://joe:Hunter2@ho st", "ftp://joe:Hunter2@host:x", "ftp://joe:Hunter2@host/dir", "joe:Hunter2@host",
     "ftp://joe:Hunter2/x@host", "ftp://joe:Hunter2", "http://joe:Hunter2@host", "ftp://joe:Hunter2%ff@host",
     "ftp://joe:a@Hunter2@"],
)  # fmt: skip
def test_no_password_is_repeated(text):
    """Not even one that was mistyped, and not by the cause of the error either."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # what it says is another test's
        parse_site(text)
    assert "Hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_site_does_not_show_its_password():
    assert "Hunter2" not in repr(parse_site("ftp://joe:Hunter2@host"))


@given(st.text() | st.from_regex(r"(s?ftps?://)?(\w+(:\w*)?@)?[\[\]\w.:-]*(:\d*)?/?.?", fullmatch=True))
def test_any_text_is_a_site_or_is_explained(text):
    """And a host is never one that ssh would take for an option, or a URL for something else."""
    try:
        site = parse_site(text)
    except ValueError:
        return
    assert site.host
    assert not site.host.startswith("-")
    assert not set(site.host) & set(" /@?#[]\\\"'\n\0")
