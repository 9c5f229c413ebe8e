"""lftp's language: whatever a text holds, the real lftp takes it for data.

Each hostile text is made of what lftp, a shell, FTP or a URL would act upon; canaries show what was acted upon.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftpretrieve.deadline import Deadline
from ftpretrieve.errors import ConfigError
from ftpretrieve.mirror.lftp import Lftp, Run
from ftpretrieve.mirror.options import OPTIONS
from ftpretrieve.mirror.records import Job, Protocol, Server
from ftpretrieve.mirror.script import COMMANDS, list_line, mirror_lines, preamble, quote, remove_lines, url_lines
from ftpretrieve.passwords import Secret
from tests.mirror.liar import Liar
from tests.mirror.running import Mirror, tree
from tests.servers import FtpServer
from tests.sshd import Sshd

FRAGMENTS = (
    *("!touch canary", "; !touch canary", "shell touch canary", "; shell touch canary;", "| touch canary", "> canary"),
    *(">> canary", "&& shell touch canary", "|| shell touch canary", "$(touch canary)", "`touch canary`", "& "),
    *("(shell touch canary)", "\\", "\\\\", '"', '\\"', "'", "\\'", "\\!", "!", "#", "~", "*", "?", "[a-z]", "{a,b}"),
    *("%41", "%0a!touch canary", "%s%n", "%", "--", "-e", "-R", " ", "  ", "\t", "\r", "\v", "\f", "\x1b[2J", "\x7f"),
    *("ftp://", "file:", "slot:", ":", "@", "/", "..", "a", "é", "€", "\x85", "\u2028", "$HOME", "\\n", "\\x0a"),
    *("\udc80", "\udcff\udcfe", "\udcc3("),  # bytes that are no UTF-8, as `os.fsdecode` spells them
)
HOSTILE = st.lists(
    st.one_of(st.sampled_from(FRAGMENTS), st.characters(exclude_characters="\n\0", exclude_categories=["Cs"])),
    min_size=1,
    max_size=8,
).map("".join)

# One lftp an example; the directory that the examples of a test share must be empty after each.
REAL_LFTP = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def environment(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give lftp a home and a working directory of its own; return that, which no test may find a file in."""
    for name, value in mirror.environment().items():
        monkeypatch.setenv(name, value)
    here = mirror.root / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def run_lftp(*lines: str) -> subprocess.CompletedProcess[bytes]:
    """Run lines in the real lftp, without any of ours before them."""
    script = os.fsencode("\n".join([*lines, ""]))
    return subprocess.run(["lftp", "--norc", "-f", "/dev/stdin"], input=script, capture_output=True, check=False)


def place_of(server: FtpServer, **more: Any) -> Server:
    return Server(
        Protocol.FTP, server.host, server.port, **{"user": server.user, "password": Secret(server.password), **more}
    )


def job_of(server: FtpServer, local: Path, remote: str | None = None, **options: object) -> Job:
    return Job("test", place_of(server), server.home if remote is None else remote, local, options)


def run(server: Server, *lines: str) -> Run:
    return Lftp(server, Deadline(600.0)).run(lines)


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Liar]:
    """Return a server that keeps every command as it came, shared by the examples of a test."""
    with Liar(tmp_path_factory.mktemp("recorder"), mlsd=False) as server:
        yield server


# -- one argument, and nothing else -----------------------------------------------------------------------------------


@pytest.mark.slow
@given(texts=st.lists(HOSTILE, min_size=1, max_size=20))
@REAL_LFTP
def test_any_text_is_one_argument_as_it_is(texts: list[str], environment: Path) -> None:
    """`echo` puts one blank between arguments, so the marks show where each begins and ends."""
    done = run_lftp(*(f"echo {quote('<' + text)} {quote(text + '>')}" for text in texts))
    assert done.stdout == b"".join(os.fsencode(f"<{text} {text}>\n") for text in texts)
    assert (done.stderr, os.listdir(environment)) == (b"", [])


@given(name=HOSTILE.filter(lambda text: "/" not in text and len(os.fsencode(text)) < 200))
@REAL_LFTP
def test_a_file_to_write_to_is_called_just_so(name: str, environment: Path, tmp_path: Path) -> None:
    file = tmp_path / f"x{name}"
    run_lftp(f"echo hello > {quote(str(file))}")
    assert file.read_bytes() == b"hello\n"
    file.unlink()
    assert os.listdir(environment) == []


@pytest.mark.parametrize("text", ["a\nb", "\n", "a\r\nb", "a\0b", "x\n!touch canary", '"\n!touch canary'])
def test_what_lftp_has_no_spelling_for_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="line break or a NUL"):
        quote(text)


@pytest.mark.parametrize("text", ['"x\n!touch canary\n"', "'x\n!touch canary\n'", '"x\\\n!touch canary"'])
def test_lftp_itself_ends_a_command_at_a_line_feed_in_quotes(text: str, environment: Path) -> None:
    """Why it is refused; a backslash before it makes it vanish."""
    run_lftp(f"echo {text}", "")
    assert os.listdir(environment) == ([] if "\\" in text else ["canary"])


# -- remote paths -----------------------------------------------------------------------------------------------------

# \r, \xff and / are checked apart: they are sent in another form.
SENT_AS_IT_IS = HOSTILE.filter(lambda text: not {"\r", "\udcff", "/"} & set(text))


# A tilde in front is the login directory, which users write so; no path in a listing begins there.
@pytest.mark.slow
@given(names=st.lists(SENT_AS_IT_IS.filter(lambda text: text[0] != "~"), min_size=1, max_size=8))
@REAL_LFTP
def test_what_is_removed_is_called_just_so(names: list[str], recorder: Liar, environment: Path) -> None:
    """Nothing is expanded, taken for an option or for a URL; a directory is never removed with what is in it."""
    recorder.log.clear()
    doomed = [(name, bool(number % 2)) for number, name in enumerate(names)]
    run(place_of(recorder), *remove_lines(doomed))
    assert [(command, argument.removeprefix("./")) for command, argument in recorder.changes()] == [
        ("RMD" if is_directory else "DELE", name.removeprefix("./")) for name, is_directory in doomed
    ]
    assert os.listdir(environment) == []


@pytest.mark.interop
def test_a_file_called_star_is_removed_alone(server: FtpServer) -> None:
    for name in ("*", "a", "b", "?", "[ab]"):
        server.put(name, b"x")
    run(place_of(server), *remove_lines([(f"{server.home}/{name}", False) for name in ("*", "?", "[ab]")]))
    assert set(tree(server.root)) == {"a", "b"}


@pytest.mark.interop
def test_a_directory_that_is_not_empty_is_not_removed(server: FtpServer) -> None:
    server.put("sub/a", b"x")
    done = run(place_of(server), *remove_lines([(f"{server.home}/sub", True)]))
    assert done.errors
    assert set(tree(server.root)) == {"sub", "sub/a"}


@pytest.mark.parametrize("path", ["file:{local}", "file://{local}", "FILE:{local}"])
def test_a_remote_name_that_looks_like_a_local_file_removes_none(recorder: Liar, tmp_path: Path, path: str) -> None:
    """`rm file:/x` is lftp's way to remove a local file."""
    victim = tmp_path / "victim"
    victim.touch()
    run(place_of(recorder), *remove_lines([(path.format(local=victim), False), (path.format(local=tmp_path), True)]))
    assert victim.exists()


@pytest.mark.slow
@given(directory=SENT_AS_IT_IS.map(lambda text: f"/d{text}"))
@REAL_LFTP
def test_the_remote_directory_is_called_just_so(directory: str, recorder: Liar, environment: Path) -> None:
    """By each line that names one. The server has none of them, and nothing may appear here."""
    recorder.log.clear()
    file = str(environment / "out")
    wanted = directory.rstrip("/")
    for line in (
        *mirror_lines(job_of(recorder, environment / "copy", directory)),
        list_line([directory], file),
        *url_lines(directory, file)[:1],
    ):
        run(place_of(recorder), line)
    told = [argument for command, argument in recorder.log if command == "CWD"]
    assert {argument.lstrip("/") for argument in told} - {""} == {wanted.lstrip("/")}
    assert set(os.listdir(environment)) <= {"out"}
    assert recorder.changes() == []


@pytest.mark.parametrize("remote", ["file:/etc", "ftp://elsewhere.example.org/x", "sftp://a@b/"])
def test_a_url_is_no_remote_directory(recorder: Liar, tmp_path: Path, remote: str) -> None:
    """lftp would mirror another server, or this machine."""
    with (
        pytest.raises(ConfigError, match="looks like a URL") if remote != "FILE:/etc" else pytest.raises(AssertionError)
    ):
        mirror_lines(job_of(recorder, tmp_path, remote))
        raise AssertionError  # lftp knows `file:` in small letters only


def test_a_listing_goes_on_after_a_directory_that_is_missing(recorder: Liar, tmp_path: Path) -> None:
    for name in ("list/a/x", "list/b/y"):
        recorder.put(name, b"x")
    file = tmp_path / "listing"
    done = run(place_of(recorder), list_line(["/list/a", "/list/missing", "/list/b"], str(file), depth=2))
    assert len(done.errors) == 1
    assert [line.rpartition(" ")[2] for line in file.read_text().splitlines()] == [
        *("/list/a/", "/list/a/x", "/list/b/", "/list/b/y")
    ]


@pytest.mark.parametrize("directory", ["-", "-e", "~sub", "two words"])
def test_the_url_of_a_directory_is_found_whatever_it_is_called(recorder: Liar, tmp_path: Path, directory: str) -> None:
    recorder.put(f"{directory}/a", b"x")
    file = tmp_path / "url"
    done = run(place_of(recorder), *url_lines(f"./{directory}" if directory[0] == "~" else directory, str(file)))
    assert done.errors == ()
    assert file.read_text().strip().endswith(f"/{directory.replace(' ', '%20')}")


# -- users and passwords ----------------------------------------------------------------------------------------------

CREDENTIAL = HOSTILE.filter(lambda text: not any(ord(char) < 32 or char in "\x7f\udcff" for char in text))


@pytest.mark.slow
@given(user=CREDENTIAL, password=CREDENTIAL)
@REAL_LFTP
def test_user_and_password_are_sent_just_so(user: str, password: str, recorder: Liar, environment: Path) -> None:
    recorder.log.clear()
    # As it comes from an environment variable, for a plain one may look like `env:` itself.
    os.environ["CREDENTIAL"] = password
    server = place_of(recorder, user=user, password=Secret("env:CREDENTIAL"))
    try:  # without FEAT lftp does not try a second time, seconds later, what was refused
        run(server, "set ftp:use-feat no", list_line(["/"], os.devnull))
    finally:
        del os.environ["CREDENTIAL"]
    sent = {command: argument for command, argument in recorder.log if command in ("USER", "PASS")}
    assert sent == {"USER": user, "PASS": password}
    assert os.listdir(environment) == []


@pytest.mark.parametrize("text", ["a\rDELE b", "a\nDELE b", "a\r\nDELE b", "\n", "a\0b"])
@pytest.mark.parametrize("place", ["user", "remote"])
def test_a_line_break_for_ftp_is_refused_before_anything_starts(
    recorder: Liar, tmp_path: Path, text: str, place: str
) -> None:
    server = place_of(recorder, user=text) if place == "user" else place_of(recorder)
    job = Job("test", server, text if place == "remote" else "/", tmp_path)
    with pytest.raises(ConfigError, match="second command to the server"):
        preamble(job.server, 1.0), mirror_lines(job)


@pytest.mark.parametrize("password", ["a\rDELE b", "a\nDELE b", "a\r\nDELE b", "a\x1bb"])
def test_a_line_break_in_a_password_is_refused_before_anything_starts(recorder: Liar, password: str) -> None:
    recorder.log.clear()
    with pytest.raises(ConfigError, match="control characters") as raised:
        run(place_of(recorder, password=Secret(password)))
    assert "DELE" not in str(raised.value)
    assert recorder.log == []


def test_lftp_itself_sends_the_second_command() -> None:
    """Why it is refused. A carriage return alone goes out with a NUL behind it, as Telnet has it."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_one, args=(listener, heard), name="recorder")
        thread.start()
        os.environ["LFTP_PASSWORD"] = "a\r\nDELE b"
        try:
            place = f"ftp://127.0.0.1:{listener.getsockname()[1]}"
            run_lftp("set net:max-retries 1; set net:timeout 2", f"open --user u --env-password {place}", "rm x")
        finally:
            del os.environ["LFTP_PASSWORD"]
        thread.join()
    assert b"PASS a\r\0\nDELE b\r\n" in b"".join(heard)


def answer_one(listener: socket.socket, heard: list[bytes]) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"220 hello\r\n")
        replies = {
            b"USER": b"331 password\r\n",
            b"PASS": b"230 in\r\n",
            b"PWD": b'257 "/"\r\n',
            b"DELE": b"250 gone\r\n",
        }
        while data := connection.recv(4096):
            heard.append(data)
            for line in data.split(b"\n"):
                if line.strip(b"\r\0"):
                    connection.sendall(replies.get(line.split()[0], b"502 no\r\n"))


@pytest.mark.parametrize(
    "host",
    ["-oProxyCommand=touch canary", "a b", "a;b", "a/b", "u@h", "[::1", "x:y", "", "-e", "$(id)", "a\nb", "a%0ab"],
)
def test_what_can_be_no_host_is_refused(recorder: Liar, host: str) -> None:
    with pytest.raises(ConfigError, match="can be none"):
        preamble(Server(Protocol.SFTP, host), 1.0)


@pytest.mark.parametrize(
    ("server", "line"),
    [
        (Server(Protocol.FTP, "ftp.example.org"), 'open "ftp://ftp.example.org"'),
        (Server(Protocol.FTP, "::1", 2121), 'open "ftp://[::1]:2121"'),
        (Server(Protocol.FTPS, "h", 21, "joe"), 'open --user "joe" --env-password "ftp://h:21"'),
        (Server(Protocol.FTPS_IMPLICIT, "h", 990), 'open "ftps://h:990"'),
        (Server(Protocol.SFTP, "h", None, 'a"b,c'), 'open --user "a\\"b,c" --env-password "sftp://h"'),
    ],
)
def test_each_protocol_has_its_url(server: Server, line: str) -> None:
    assert preamble(server, 1.0)[-1] == line


# -- local directories and patterns -----------------------------------------------------------------------------------

LOCAL_NAME = st.tuples(HOSTILE, st.sampled_from(["", "\n", "\n!touch canary\n", " "])).map(
    lambda parts: "".join(parts).replace("/", "")
)


@pytest.mark.slow
@given(name=LOCAL_NAME.filter(lambda text: 0 < len(os.fsencode(text)) < 200 and text not in (".", "..")))
@REAL_LFTP
def test_the_local_directory_is_called_just_so(name: str, recorder: Liar, environment: Path, tmp_path: Path) -> None:
    """Also with a line feed in it, both ways; `expect` holds the run to what it says."""
    recorder.put("down/a", b"hello")
    local = tmp_path / "all" / name
    local.parent.mkdir(exist_ok=True)
    down = run(place_of(recorder), *mirror_lines(job_of(recorder, local, "/down")))
    assert (down.code, down.errors, tree(local)) == (0, (), {"a": b"hello"})
    recorder.log.clear()
    run(place_of(recorder), *mirror_lines(job_of(recorder, local, "/up", reverse=True, no_perms=True)))
    assert (recorder.root / "up" / "a").read_bytes() == b"hello"
    (recorder.root / "up" / "a").unlink()
    for path in (local / "a", local):
        path.rmdir() if path.is_dir() else path.unlink()
    assert (os.listdir(local.parent), os.listdir(environment)) == ([], [])


def test_a_link_to_a_directory_stays_one(recorder: Liar, tmp_path: Path) -> None:
    """lftp itself removes the link."""
    recorder.put("linked/a", b"x")
    (tmp_path / "elsewhere").mkdir()
    local = tmp_path / "link"
    local.symlink_to(tmp_path / "elsewhere")
    run(place_of(recorder), *mirror_lines(job_of(recorder, local, "/linked")))
    assert local.is_symlink()
    assert tree(tmp_path / "elsewhere") == {"a": b"x"}


@pytest.mark.slow
@given(patterns=st.lists(st.tuples(st.sampled_from(["exclude", "include"]), HOSTILE), min_size=1, max_size=4))
@REAL_LFTP
def test_a_pattern_is_a_pattern_and_nothing_else(
    patterns: list[tuple[str, str]], recorder: Liar, environment: Path, tmp_path: Path
) -> None:
    recorder.put("globs/a", b"x")
    recorder.log.clear()
    job = job_of(recorder, tmp_path / "copy", "/globs", globs=tuple(patterns))
    done = run(place_of(recorder), *mirror_lines(job))
    assert (done.code, done.errors, os.listdir(environment)) == (0, (), [])
    assert set(tree(tmp_path / "copy")) <= {"a"}
    assert recorder.changes() == []


@pytest.mark.parametrize(
    "name", ["two words", 'quo"te', "back\\slash", "semi;colon", "-dash", "!mark", "#hash", "é", "$x"]
)
def test_a_pattern_with_that_in_it_matches_that(recorder: Liar, tmp_path: Path, name: str) -> None:
    recorder.put(f"exact/{name}", b"x")
    recorder.put("exact/other", b"x")
    pattern = name.replace("\\", "\\\\")
    run(place_of(recorder), *mirror_lines(job_of(recorder, tmp_path / "copy", "/exact", globs=(("exclude", pattern),))))
    assert set(tree(tmp_path / "copy")) == {"other"}
    (recorder.root / "exact" / name).unlink()


def test_a_pattern_with_a_line_break_is_refused(recorder: Liar, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line break"):
        mirror_lines(job_of(recorder, tmp_path, globs=(("exclude", "a\n!touch canary"),)))


# -- options ----------------------------------------------------------------------------------------------------------


def test_no_run_is_ever_told_to_remove_anything(recorder: Liar, tmp_path: Path) -> None:
    """The plan is; and lftp's loop, which may hang, is told to neither."""
    job = job_of(recorder, tmp_path, erase=True, delete_first=True, del_source=True, loop=True)
    (ran,) = mirror_lines(job)
    (planned,) = mirror_lines(job, "/tmp/plan")
    for word in ("--delete", "--delete-first", "--Remove-source-files", "--loop"):
        assert word not in ran.split()
    assert [word for word in planned.split() if word.lower().startswith(("--del", "--rem", "--loop"))] == [
        *("--delete", "--Remove-source-files")
    ]


def test_each_other_option_of_lftp_is_told_as_the_table_has_it(recorder: Liar, tmp_path: Path) -> None:
    told = {}
    for option in OPTIONS:
        if option.lftp and not option.name.endswith("_glob"):
            value = 5 if option.name == "parallel" else True
            told[option.name] = mirror_lines(job_of(recorder, tmp_path, **{option.name: value}))[-1]
    silent = {"erase", "delete_first", "del_source", "loop"}
    for option in OPTIONS:
        if option.name in told:
            word = '"--parallel=5"' if option.name == "parallel" else option.lftp
            assert (f" {word} " in told[option.name]) is (option.name not in silent), option.name


def test_patterns_keep_their_order(recorder: Liar, tmp_path: Path) -> None:
    globs = (("exclude", "*.a"), ("include", "x.a"), ("exclude", "y"))
    (line,) = mirror_lines(job_of(recorder, tmp_path, globs=globs))
    assert '--exclude-glob "*.a" --include-glob "x.a" --exclude-glob "y" --exclude' in line


def test_unfinished_files_of_others_are_left_alone_whatever_the_patterns_say(recorder: Liar, tmp_path: Path) -> None:
    """lftp's own setting for that has no effect without a pattern, and gives way to any `--include-glob`."""
    for name in (".in.a", "a", "sub/.in.b"):
        recorder.put(f"unfinished/{name}", b"x")
    for number, globs in enumerate(((), (("include", "*"),), (("exclude", "b"), ("include", "*")))):
        local = tmp_path / str(number)
        run(place_of(recorder), *mirror_lines(job_of(recorder, local, "/unfinished", globs=globs)))
        assert set(tree(local)) == {"a", "sub"}


# -- what safety rests on, whatever the user has set ------------------------------------------------------------------


@pytest.mark.slow
def test_the_users_rc_file_changes_nothing_that_matters(
    mirror: Mirror, environment: Path, make_liar: Callable[..., Liar]
) -> None:
    """Aliases of every command, and each setting that safety rests on turned round."""
    liar = make_liar(mlsd=False)
    liar.put("a", bytes(100_000))
    liar.silent_after_bytes = 50_000
    hostile = [f'alias {name} "!touch {environment}/canary-{name}"' for name in (*COMMANDS, "ls")]
    wrong = ["set xfer:use-temp-file no", "set cmd:parallel 9", "set cmd:fail-exit no", "set net:timeout 1h"]
    wrong += ["set net:max-retries 0", "set mirror:overwrite yes", "set mirror:include-regex .", "set cmd:trace yes"]
    (mirror.home / ".lftprc").write_text("\n".join([*wrong, *hostile, ""]))
    hurried = ["set net:timeout 1", "set net:max-retries 1"]
    done = run(place_of(liar), *hurried, *mirror_lines(job_of(liar, mirror.local, "/")))
    assert done.errors == ("mirror: Fatal error: max-retries exceeded",)
    assert set(tree(mirror.local)) == {".in.a"}
    assert os.listdir(environment) == []


def test_the_users_rc_file_is_read(mirror: Mirror, recorder: Liar) -> None:
    """Proxies, passive mode and the like are the user's."""
    (mirror.home / ".lftprc").write_text("echo said in the rc file\n")
    assert run(place_of(recorder)).lines == ("said in the rc file",)


def test_a_file_that_changed_is_replaced_without_a_moment_without_it(recorder: Liar, tmp_path: Path) -> None:
    """While the new content is on its way the old one is there; then it is another file, renamed into its place."""
    recorder.put("changed/a", b"new content")
    local = tmp_path / "copy"
    local.mkdir()
    (local / "a").write_bytes(b"old")
    seen: list[bytes] = []
    recorder.actions["RETR", recorder.seen["RETR"] + 1] = lambda: seen.append((local / "a").read_bytes())
    before = (local / "a").stat().st_ino
    run(place_of(recorder), *mirror_lines(job_of(recorder, local, "/changed")))
    assert (seen, tree(local)) == ([b"old"], {"a": b"new content"})
    assert (local / "a").stat().st_ino != before


def test_upload_replaces_by_rename_too(recorder: Liar, tmp_path: Path) -> None:
    recorder.put("upload/a", b"old", mtime=1_000_000_000)
    local = tmp_path / "copy"
    local.mkdir()
    (local / "a").write_bytes(b"new content")
    recorder.log.clear()
    run(place_of(recorder), *mirror_lines(job_of(recorder, local, "/upload", reverse=True, no_perms=True)))
    changes = [(command, os.path.basename(argument)) for command, argument in recorder.changes()]
    assert [change for change in changes if change[0] not in ("MKD", "SITE", "MFMT")] == [
        *(("STOR", ".in.a"), ("RNFR", ".in.a"), ("RNTO", "a"))
    ]
    assert (recorder.root / "upload" / "a").read_bytes() == b"new content"


# -- SSH --------------------------------------------------------------------------------------------------------------


@pytest.mark.interop
@pytest.mark.parametrize(
    "directory", ["plain", "two words", "quo'te", 'double"quote', "$(touch canary);`x`&|#", "~b\\c"]
)
def test_a_key_may_lie_anywhere(sshd: Sshd, environment: Path, tmp_path: Path, directory: str) -> None:
    key = tmp_path / directory / "key"
    key.parent.mkdir()
    sshd.key.rename(key)
    server = Server(Protocol.SFTP, sshd.host, sshd.port, sshd.user, None, key)
    done = run(server, list_line([sshd.home], os.devnull))
    assert (done.code, done.errors) == (0, ())
    assert os.listdir(environment) == []


@pytest.mark.parametrize("name", ["100%h", "${HOME}", "a\nb"])
def test_a_key_whose_name_ssh_would_change_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        preamble(Server(Protocol.SFTP, "h", None, "u", None, Path("/keys", name)), 1.0)


@pytest.mark.interop
@given(user=CREDENTIAL)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_user_for_ssh_is_no_shell_command(user: str, sshd: Sshd, environment: Path) -> None:
    """lftp puts the name into the command line of a shell."""
    server = Server(Protocol.SFTP, sshd.host, sshd.port, user, None, sshd.key)
    hurried = ["set net:max-retries 1"]
    run(server, *hurried, list_line([sshd.home], os.devnull))
    assert os.listdir(environment) == []


def option_names(lines: Sequence[str]) -> list[str]:
    return [line.split()[1] for line in lines if line.startswith("set ")]


def test_encryption_is_demanded_only_where_it_was_asked_for() -> None:
    """Without it lftp's own default holds, and what the user's rc file says of it."""
    plain = option_names(preamble(Server(Protocol.FTP, "h"), 1.0))
    assert not [name for name in plain if "ssl" in name]
    forced = preamble(Server(Protocol.FTPS, "h", ca_file=Path("/a b/ca.pem")), 1.0)
    assert 'set ftp:ssl-force "yes"' in forced
    assert 'set ssl:verify-certificate "yes"' in forced
    assert 'set ssl:ca-file "/a b/ca.pem"' in forced
