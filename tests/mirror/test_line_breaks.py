"""Local names with line breaks, which lftp sends to an FTP server as they are: the rest would be a command to it."""

from collections.abc import Callable

import pytest

from tests.mirror.liar import Liar
from tests.mirror.running import Mirror, tree
from tests.sshd import Sshd


@pytest.mark.parametrize("name", ["a\nDELE kept", "a\r\nDELE kept", "dir\nDELE kept/file", "a\rDELE kept"])
def test_a_name_with_a_line_break_is_not_uploaded_and_said(name: str, mirror: Mirror, liar: Liar) -> None:
    liar.put("kept")
    mirror.put(name, b"content")
    mirror.put("tab\there", b"uploaded")
    done = mirror.shell(liar, "-r", expect=1)
    assert tree(liar.root) == {"kept": b"", "tab\there": b"uploaded"}
    assert "DELE" not in [command for command, _ in liar.log]
    assert "line break in its name" in done.report


def test_a_link_whose_text_has_a_line_break_stops_an_upload(mirror: Mirror, make_liar: Callable[..., Liar]) -> None:
    """Its text is sent to servers that make links (SITE SYMLINK)."""
    liar = make_liar(mlsd=False)
    mirror.put("file", b"content")
    (mirror.local / "link").symlink_to("a\nDELE kept")
    done = mirror.shell(liar, "-r", expect=1)
    assert (tree(liar.root), liar.log) == ({}, [])
    assert "link: the text of this link has a line break" in done.report
    mirror.shell(liar, "-r", "--no-symlinks", expect=0)
    assert tree(liar.root) == {"file": b"content"}


@pytest.mark.interop
def test_sftp_has_no_commands_in_lines_and_takes_any_name(mirror: Mirror, sshd: Sshd) -> None:
    mirror.use_key(sshd.key)
    mirror.put("a\nb", b"content")
    mirror.shell(sshd, "-s", "-r")
    assert tree(sshd.root) == {"a\nb": b"content"}
