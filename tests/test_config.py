"""Reading an INI file against a table of keys: what is understood, and that every mistake is told at once."""

import configparser
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ftpretrieve.config import REQUIRED, ConfigFile, Key, boolean, choice, path, seconds, unquoted, whole, words
from ftpretrieve.errors import ConfigError
from ftpretrieve.passwords import Secret

KEYS = (
    Key("remote", "host", unquoted, REQUIRED, "Host."),
    Key("remote", "port", whole(1, 65_535), "21", "Port."),
    Key("remote", "password", Secret, "base64:eA==", "Password.", secret=True),
    Key("local", "directory", path, "", "Directory."),
    Key("local", "sleep", seconds(0.001, 3_600), "10 min", "Seconds."),
    Key("local", "recursive", boolean, "no", "Yes or no."),
    Key("local", "on_conflict", choice("replace", "keep"), "replace", "What."),
    Key("local", "include", words, "*", "Globs."),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration file that only its owner can read."""
    file = tmp_path / "a.conf"
    file.touch(0o600)
    return file


def load(file: Path, content: str | bytes) -> dict[str, object]:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    config = ConfigFile(file)
    values = config.read(KEYS)
    config.finish()
    return {name: value for (_, name), value in values.items()}


def problems(file: Path, content: str | bytes) -> list[str]:
    """Return the problems without the path in front: `line: …`, or ` …` when there is no line."""
    with pytest.raises(ConfigError) as caught:
        load(file, content)
    assert all(problem.startswith(f"{file}:") for problem in caught.value.problems)
    return [problem.removeprefix(f"{file}:") for problem in caught.value.problems]


def only_problem(file: Path, content: str | bytes) -> str:
    found = problems(file, content)
    assert len(found) == 1, found
    return found[0]


def test_defaults_stand_for_what_is_absent_or_blank(file: Path) -> None:
    assert load(file, "[remote]\nhost = h\nport =\n[local]\n") == {
        "host": "h",
        "port": 21,
        "password": Secret("base64:eA==").at(file.parent, f"[remote] password in {file}"),
        "directory": None,
        "sleep": 600.0,
        "recursive": False,
        "on_conflict": "replace",
        "include": ("*",),
    }


@pytest.mark.parametrize(
    "content",
    [
        "[remote]\nhost = h",
        "# words\n; more\n\n[remote]   # a comment behind a header\nHOST: h  \n",
        "\ufeff[remote]\r\nhost = h\r\n",
        "  [remote]\n  host = h\n    # an indented comment\n  port = 21\n",
        "[remote]\nport = 21\n[local]\nsleep = 1\n  ; comment\n",
    ],
    ids=["plain", "comments, colon, capitals", "BOM and CRLF", "all indented alike", "host missing"],
)
def test_the_dialect_is_the_usual_one(file: Path, content: str) -> None:
    """Names of keys in any case, = or :, comments on lines of their own, either line end, even indentation."""
    if "host" in content.lower():
        assert load(file, content)["host"] == "h"
    else:
        assert (
            only_problem(file, content) == "1: [remote] host: is missing and is required; write 'host = …' in [remote]"
        )


@pytest.mark.parametrize("value", ["50%", "%(port)s", "${port}", "a=b:c", "a;b#c", "Ä ö", "CaSe"])
def test_values_are_taken_as_they_are(file: Path, value: str) -> None:
    """No interpolation, no change of case, and a delimiter inside a value belongs to it."""
    assert load(file, f"[remote]\nhost = {value}\n")["host"] == value


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(file: Path) -> None:
    content = """\
above = 1
[remote]
port = 70000
prot = 21
no delimiter
[lokal]
sleep = never
[local]
recursive = perhaps
port = 21
sleep = 2 h
zzz = 1
on_conflict = keap
"""
    keys = "directory, sleep, recursive, on_conflict, include"
    assert problems(file, content) == [
        "1: this line is above the first section; put a line such as [section] above it",
        "2: [remote] host: is missing and is required; write 'host = …' in [remote]",
        "3: [remote] port: value '70000' is not usable; give a whole number from 1 to 65535",
        "4: [remote] prot: is an unknown key; did you mean port?",
        "5: [remote] this line is neither '[section]' nor 'key = value'; mend it or put # in front",
        "6: [lokal] is an unknown section; did you mean [local]?",
        "9: [local] recursive: value 'perhaps' is not understood; write yes or no",
        "10: [local] port: is an unknown key; it belongs into [remote]",
        "11: [local] sleep: value '2 h' is out of range; give 0.001 s to 1 h",
        f"12: [local] zzz: is an unknown key; remove it; the keys of [local] are {keys}",
        "13: [local] on_conflict: value 'keap' is unknown; did you mean keep?",
    ]


def test_a_required_key_of_a_missing_section_is_told_without_a_line(file: Path) -> None:
    assert only_problem(file, "") == " [remote] host: is missing and is required; write 'host = …' in [remote]"


def test_a_blank_required_key_is_told_with_its_line(file: Path) -> None:
    assert only_problem(file, "[remote]\nhost =").startswith("2: [remote] host: is empty and is required")


@pytest.mark.parametrize(
    ("content", "line", "above"),
    [
        ("[remote]\nhost = h\n [local]\nsleep = 1\n", 3, "host"),
        ("[remote]\nhost = h\n\tport = 1\n", 3, "host"),
        ("[remote]\nhost = h\n\n# words\n  more of it\n", 5, "host"),
        ("[remote]\n host = h\n  port = 1\n", 3, "host"),
    ],
    ids=["section header", "key", "continuation", "deeper than an indented key"],
)
def test_a_line_that_would_be_swallowed_by_the_key_above_is_an_error(
    file: Path, content: str, line: int, above: str
) -> None:
    """The usual reader makes it part of the value above and loses a whole section without a word."""
    found = problems(file, content)[0]
    assert found.startswith(f"{line}: [remote] this line is indented below '{above}'")


def test_what_is_given_twice_is_an_error_that_names_both_lines(file: Path) -> None:
    found = problems(file, "[remote]\nhost = h\nHost = i\n[local]\n[remote]\nhost = h\n")
    assert found == [
        "3: [remote] host: already given in line 2; remove one of them",
        "5: section [remote] was already opened in line 1; move its keys there",
        "6: [remote] host: already given in line 2; remove one of them",
    ]


def test_a_comment_behind_a_value_is_told_instead_of_becoming_part_of_it(file: Path) -> None:
    """A path with words behind it would otherwise be made as a directory of that name."""
    found = only_problem(file, "[remote]\nhost = h\n[local]\ndirectory = /data # staging\n")
    assert found == (
        "4: [local] directory: value '/data # staging' seems to end in a comment; put the comment on a line of its own"
    )


@pytest.mark.parametrize("value", ["hunter2\x00", "base64:hunter2", "env:hunter-2", "command:'hunter2"])
def test_the_value_of_a_secret_is_never_shown(file: Path, value: str) -> None:
    found = only_problem(file, f"[remote]\nhost = h\npassword = {value}\n")
    assert found.startswith("3: [remote] password: value (not shown) ")
    assert "hunter" not in found


@pytest.mark.parametrize(
    "content",
    [
        "[remote]\nhost = h\npasword = hunter2\n",
        "[remote]\nhost = h\npassword hunter2\n",
        "[remote]\nhost = h\npassword = x\n  hunter2\n",
        "[remote]\nhost = h\npassword = x\npassword = hunter2\n",
        "[remote]\nhost = h\nport = ftp://me:hunter2@host\n",
        "[remote]\nhost = h\n[local]\npassword = hunter2\n",
        b"[remote]\nhost = h\npassword = hunter2\xe9\n",
    ],
    ids=["misspelt key", "no delimiter", "indented", "twice", "in an URL", "wrong section", "not UTF-8"],
)
def test_a_secret_in_the_wrong_place_is_not_shown_either(file: Path, content: str | bytes) -> None:
    assert "hunter" not in "\n".join(problems(file, content))


def test_a_secret_in_a_file_that_others_can_read_is_refused(file: Path) -> None:
    """The group may read it; the error has the command that mends the file."""
    content = "[remote]\nhost = h\npassword = hunter2\n"
    file.chmod(0o604)
    expected = f"the secret stands in a file that others can read; run: chmod o-rwx {file}"
    assert only_problem(file, content) == f"3: [remote] password: {expected}"
    file.chmod(0o640)
    assert load(file, content)["password"].reveal() == "hunter2"


def test_a_password_file_that_others_can_read_is_refused(file: Path) -> None:
    (file.parent / "secret").write_text("hunter2")
    (file.parent / "secret").chmod(0o644)
    found = only_problem(file, "[remote]\nhost = h\npassword = file:secret\n")
    assert found.endswith(f"run: chmod o-rwx {file.parent / 'secret'}")


def test_a_secret_from_elsewhere_needs_no_private_configuration(file: Path) -> None:
    file.chmod(0o644)
    assert load(file, "[remote]\nhost = h\npassword = env:NAME\n")["password"].kind == "env"


def test_paths_start_from_the_directory_of_the_configuration(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the file itself is named, and whatever the working directory is."""
    monkeypatch.chdir(file.parent)
    monkeypatch.setenv("HOME", "/home/someone")

    def directory(text: str) -> object:
        return load(Path(file.name), f"[remote]\nhost = h\n[local]\ndirectory = {text}\n")["directory"]

    assert directory("data/../x y/") == file.parent / "x y"
    assert directory("/abs") == Path("/abs")
    assert directory("~/in") == Path("/home/someone/in")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("directory = ~no_such_user_here/x", "home directory of an unknown user"),
        ('directory = "/data"', "has quotes around it; remove them"),
        ("directory = /a\x1b[31mb", "control characters"),
        ("include = *.xml 'a b", "unclosed quote"),
        ("sleep = soon", "'soon' is not understood; give a number of seconds"),
        ("sleep = " + "9" * 80, "'" + "9" * 60 + "…'"),
    ],
)
def test_a_value_that_cannot_be_used_is_shown_with_the_fix(file: Path, line: str, message: str) -> None:
    found = only_problem(file, f"[remote]\nhost = h\n[local]\n{line}\n")
    assert message in found
    assert "\x1b" not in found


def test_words_with_blanks_stand_in_quotes(file: Path) -> None:
    content = "[remote]\nhost = h\n[local]\ninclude = *.xml\t'a b*'  [!x]?.csv\n"
    assert load(file, content)["include"] == ("*.xml", "a b*", "[!x]?.csv")


def test_bytes_that_are_not_utf8_are_told_with_their_line(file: Path) -> None:
    """Another encoding guessed at would log in with the wrong password."""
    found = only_problem(file, "# ä\r\n[remote]\r\nhost = ".encode() + b"caf\xe9\r\n")
    assert found == "3: byte 0xe9 is not UTF-8; save the file as UTF-8"


def test_a_missing_file_is_named_with_the_fix(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.conf: there is no such configuration file; create it"):
        ConfigFile(file.with_name("nowhere.conf"))


def test_a_directory_is_not_a_configuration_file(file: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        ConfigFile(file.parent)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_an_unreadable_file_is_named_with_the_fix(file: Path) -> None:
    file.chmod(0)
    with pytest.raises(ConfigError, match="may not be read by this user"):
        ConfigFile(file)


LINES = st.lists(
    st.one_of(
        st.sampled_from(["[remote]", "[local]", " [local]", "[remote] # c", "", "# c", " ; c", "\t", "[a]b]", "[]"]),
        st.from_regex(r"[ \t]{0,2}[a-zA-Z\[\]=: ]{1,6}[ \t]{0,2}[=:][ \t]?[a-z=:#;%\]\[ é]{0,8}", fullmatch=True),
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12),
    ),
    max_size=8,
)


@given(LINES)
@example(["[remote]", "host = h", "[local]", "  sleep = 1"])
@example(["[remote] # [x]", "a = b"])
@example(["[remote]", "::"])
def test_what_is_accepted_is_read_as_configparser_reads_it(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    """So a file of any program that uses the standard reader means the same here, or is refused."""
    file = tmp_path_factory.getbasetemp() / "dialect.conf"
    file.write_text("\n".join(lines), encoding="utf-8", newline="")
    config = ConfigFile(file)
    standard = configparser.ConfigParser(interpolation=None)
    standard.default_section = "no such section"
    try:
        standard.read_string("\n".join(lines))
        expected = {section: dict(standard[section]) for section in standard.sections()}
    except configparser.Error:
        expected = None
    try:
        config.finish()
    except ConfigError:
        return
    assert expected is not None, "configparser refuses what is accepted here"
    assert list(config.sections) == list(expected)
    assert {(s, n): config.text(s, n) for s in expected for n in expected[s]} == {
        (s, n): value for s in expected for n, value in expected[s].items()
    }
