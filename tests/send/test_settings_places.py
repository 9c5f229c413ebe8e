"""Which file configures send, and how the DIR that the user wrote is understood."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ftpretrieve.errors import ConfigError
from ftpretrieve.send import settings
from ftpretrieve.send.records import Intent
from ftpretrieve.send.settings import absolute_directory, find_config, read_settings

# -- which file -------------------------------------------------------------------------------------------------------


def test_the_file_is_looked_for_beside_the_program_then_at_the_user_then_in_etc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier place wins; without any, all of them are told, and what to make one of."""
    monkeypatch.setattr(settings, "PACKAGE", tmp_path / "lib" / "ftpretrieve")
    monkeypatch.setattr(settings, "SYSTEM_CONFIG", tmp_path / "etc" / settings.NAME)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path / "home")}
    places = [tmp_path / name / settings.NAME for name in ("lib/ftpretrieve", "lib", "xdg/ftpretrieve", "etc")]
    with pytest.raises(ConfigError) as caught:
        find_config(None, environ)
    assert ", ".join(map(str, places)) in str(caught.value)
    assert f"make one of {settings.TEMPLATE}, or name one with -c" in str(caught.value)
    for place in reversed(places):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        assert find_config(None, environ) == place


def test_the_package_is_where_the_program_is() -> None:
    assert (settings.PACKAGE / "send" / "settings.py").samefile(settings.__file__)


def test_a_file_that_is_named_is_the_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is there or not, so that the error names it."""
    monkeypatch.chdir(tmp_path)
    assert find_config("a.conf") == tmp_path / "a.conf"
    assert find_config("~/a.conf") == Path("~/a.conf").expanduser()
    with pytest.raises(ConfigError, match=f"^{tmp_path}/a.conf: there is no such configuration file"):
        read_settings(find_config("a.conf"))


# -- DIR --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/data/x", "/data/x"),
        ("/data/x/", "/data/x/"),
        ("/data/x//", "/data/x/"),
        ("//data///x", "/data/x"),
        ("/data/./x", "/data/x"),
        ("/data/x/.", "/data/x/"),
        ("/data/x/./", "/data/x/"),
        ("x", "/here/x"),
        ("x/", "/here/x/"),
        ("./x", "/here/x"),
        (".", "/here/"),
        ("./", "/here/"),
        ("..", "/here/../"),
        ("x/..", "/here/x/../"),
        ("/data/link/../x", "/data/link/../x"),
        ("...", "/here/..."),
        (".x", "/here/.x"),
        ("x.", "/here/x."),
        ("/", "/"),
        ("//", "/"),
        (" x ", "/here/ x "),
        ("~", "/here/~"),
        ("a\nb", "/here/a\nb"),
        (os.fsdecode(b"\xe9t\xe9/"), os.fsdecode(b"/here/\xe9t\xe9/")),
    ],
)
def test_a_directory_is_made_absolute_as_rsync_understands_it(text: str, found: str) -> None:
    """A slash at the end, `.` and `..` mean the content; a `..` is left to the file system."""
    assert absolute_directory(text, "/here") == found


def test_it_is_the_same_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also behind a link, where `..` does not lead back."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a/b")
    monkeypatch.chdir(tmp_path)
    for text in (".", "a", "link", "link/..", "link/../b", "./a/./b/"):
        assert os.path.samefile(absolute_directory(text, os.getcwd()), text)


def test_the_path_at_the_server_follows() -> None:
    """What the slash is kept for."""
    intent = Intent("ABCD1234", "TEST", absolute_directory("x", "/here"), "t", 0.0, 0.0, "", 0, 0)
    assert intent.remote_path("a") == "x/a"
    assert replace(intent, directory=absolute_directory("x/", "/here")).remote_path("a") == "a"
