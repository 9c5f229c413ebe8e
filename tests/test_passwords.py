"""Where secrets come from, and that they never show."""

import base64
import sys
import traceback
from pathlib import Path

import pytest

from ftpretrieve.command import run
from ftpretrieve.errors import CommandFailed, ConfigError, FtpRetrieveError
from ftpretrieve.passwords import Secret
from tests.waiting import await_true

HIDDEN = "hunter2-and-more"


def program(directory: Path, code: str) -> str:
    """Write a program and return it as the argv of a `command:`."""
    script = directory / "tell.py"
    script.write_text(code)
    return f"command:'{sys.executable}' '{script}'"


@pytest.mark.parametrize("written", ["hunter2", "pass:word", "envy", "% %(x)s $HOME", " ", "BASE64:x"])
def test_anything_without_a_known_prefix_is_the_password_itself(written: str) -> None:
    """Prefixes are in small letters, and no character has a meaning."""
    assert Secret(written).reveal() == written
    assert Secret(written).is_in_config


def test_base64_is_decoded() -> None:
    """It counts as standing in the file, for everybody can decode it."""
    secret = Secret("base64:" + base64.b64encode("pä ss".encode()).decode())
    assert secret.reveal() == "pä ss"
    assert secret.is_in_config


def test_an_environment_variable_is_asked_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is missing is an error for whoever needs the password only."""
    monkeypatch.delenv("FTP_SECRET", raising=False)
    secret = Secret("env:FTP_SECRET")
    with pytest.raises(ConfigError, match="FTP_SECRET is not set"):
        secret.reveal()
    monkeypatch.setenv("FTP_SECRET", HIDDEN)
    assert secret.reveal() == HIDDEN
    assert not secret.is_in_config


@pytest.mark.parametrize("content", [HIDDEN, HIDDEN + "\n", HIDDEN + "\r\n", HIDDEN + "\nuser: me\n"])
def test_a_file_gives_its_first_line(tmp_path: Path, content: str) -> None:
    """Editors end files with a line break, and password stores put notes below. Relative to the configuration."""
    (tmp_path / "secret").write_bytes(content.encode())
    (tmp_path / "secret").chmod(0o640)
    assert Secret("file: secret").at(tmp_path, "ftp_password").reveal() == HIDDEN


def test_a_file_below_the_home_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is expanded."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "secret").write_text(HIDDEN)
    (tmp_path / "secret").chmod(0o600)
    assert Secret("file:~/secret").reveal() == HIDDEN


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The error has the command that mends it; the mode is looked at before and while reading."""
    file = tmp_path / "my secret"
    file.write_text(HIDDEN)
    file.chmod(0o644)
    secret = Secret("file:my secret").at(tmp_path, "ftp_password")
    assert f"chmod o-rwx '{file}'" in (secret.exposure() or "")
    with pytest.raises(ConfigError, match="chmod o-rwx"):
        secret.reveal()
    file.chmod(0o640)
    assert secret.exposure() is None
    assert secret.reveal() == HIDDEN


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\nhunter2\n", "empty"),
        (b"hunter\xe9", "not UTF-8"),
        (b"hun\rter2", "control characters"),
        (b"hun\0ter2", "control characters"),
        (b"x" * 70_000, "more than 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_password_is_refused_without_showing_it(
    tmp_path: Path, content: bytes, message: str
) -> None:
    """A line break inside a password would be a second command to the server."""
    (tmp_path / "secret").write_bytes(content)
    (tmp_path / "secret").chmod(0o600)
    with pytest.raises(ConfigError, match=f"ftp_password: .*{message}") as caught:
        Secret("file:secret").at(tmp_path, "ftp_password").reveal()
    assert "hun" not in "".join(traceback.format_exception(caught.value))


def test_a_missing_file_is_an_error_only_when_the_secret_is_needed(tmp_path: Path) -> None:
    """Credentials that a service manager hands over exist only while the service runs; `status` runs without."""
    secret = Secret("file:nowhere").at(tmp_path, "ftp_password")
    assert secret.exposure() is None
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere: No such file"):
        secret.reveal()


def test_a_command_gives_its_first_line(tmp_path: Path) -> None:
    """The arguments are split as in a shell, but no shell sees them, and it runs beside the configuration."""
    code = "import os, sys; print(sys.argv[1]); print('notes'); assert os.getcwd() == sys.argv[2]"
    written = program(tmp_path, code) + f" '$HOME; two words' {tmp_path}"
    assert Secret(written).at(tmp_path, "ftp_password").reveal() == "$HOME; two words"


def test_a_command_that_fails_names_the_program_but_not_its_arguments(tmp_path: Path) -> None:
    """The arguments may hold the token of a password store, and the program may repeat them."""
    written = program(tmp_path, "import sys; print('no such entry', sys.argv[1], file=sys.stderr); sys.exit(3)")
    with pytest.raises(CommandFailed) as caught:
        Secret(f"{written} --token={HIDDEN}").reveal()
    shown = "".join(traceback.format_exception(caught.value))
    assert f"{sys.executable} *** ***: exit code 3: no such entry ***" in shown
    assert HIDDEN not in shown


@pytest.mark.parametrize("argv", ["/no/such/program", "''"])
def test_a_command_that_cannot_be_run_says_why(argv: str) -> None:
    """The reason is the system's."""
    with pytest.raises(CommandFailed, match=r"cannot run .*: "):
        Secret(f"command:{argv} {HIDDEN}").reveal()


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """A child that holds the pipe open does not hold us, and does not outlive its parent."""
    script = tmp_path / "busy"
    script.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/pid\nsleep 600\n")
    script.chmod(0o755)
    with pytest.raises(CommandFailed, match=r"\*\*\*: killed, still busy after 2 s") as caught:
        Secret(f"command:{script} {HIDDEN}").reveal(timeout_secs=2)
    assert HIDDEN not in "".join(traceback.format_exception(caught.value))
    status = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    await_true(lambda: has_ended(status), lambda: "the end of the child of the command")


def has_ended(status: Path) -> bool:
    """Say so of a process, by its `stat` below /proc; a zombie has ended."""
    try:
        return status.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("base64:hunter2!", "base64"),
        ("base64:", "base64"),
        ("base64:" + base64.b64encode(b"hunter2\n").decode(), "base64"),
        ("base64:" + base64.b64encode(b"hunter2\xff").decode(), "base64"),
        ("env:", "env:NAME"),
        ("env:hunter2 ", ""),
        ("env:hunter-2", "env:NAME"),
        ("file:", "file:PATH"),
        ("command:", "command:PROGRAM"),
        ("command:echo 'hunter2", "unclosed quote"),
    ],
)
def test_a_malformed_secret_is_refused_at_once_without_showing_it(written: str, message: str) -> None:
    """The form is checked when the configuration is read."""
    if not message:
        assert Secret(written).kind == "env"  # blanks around the rest do not matter
        return
    with pytest.raises(ValueError, match=message) as caught:
        Secret(written)
    assert "hunter" not in str(caught.value)


def test_no_form_of_showing_it_shows_it() -> None:
    """Only the kind is shown."""
    secret = Secret(HIDDEN).at(Path("/etc"), "ftp_password")
    assert f"{secret} {secret!r} {[secret]}" == "<Secret: plain> <Secret: plain> [<Secret: plain>]"


def test_secrets_are_equal_when_written_alike() -> None:
    """This is how a reload sees that one was changed."""
    assert Secret("hunter2") == Secret("hunter2")
    assert Secret("hunter2") != Secret("hunter3")


def test_a_program_ended_by_a_signal_says_so() -> None:
    """An exit code below zero is Python's way to put it, not the user's."""
    with pytest.raises(CommandFailed, match=r"ended by signal 9$"):
        run(["/bin/sh", "-c", "kill -9 $$"], timeout_secs=30)


def test_the_errors_belong_to_this_package() -> None:
    """A caller that catches the root class catches every one of them."""
    for failing in ("env:NO_SUCH_VARIABLE_HERE", "file:/nowhere", "command:/nowhere"):
        with pytest.raises(FtpRetrieveError):
            Secret(failing).reveal()
