"""The table of options: its rows fit each other, lftp knows its words, and what contradicts is found."""

import re
import shutil
import subprocess
from collections import Counter

import pytest

from ftpretrieve.mirror.arguments import PARSERS, parse
from ftpretrieve.mirror.options import (
    BY_NAME,
    CONTRADICTIONS,
    GLOBS,
    IDLE,
    OF_JOB,
    OPTIONS,
    Group,
    Kind,
    MaxDelete,
    Option,
    Place,
    contradictions,
    idle,
)

WITH_VALUE = {Kind.PARALLEL: "=2", Kind.GLOB: "=*.txt"}
SAMPLE = {
    Kind.LOGIN: ("joe", "pw"),
    Kind.PORT: ("21",),
    Kind.COUNT: ("3",),
    Kind.LIMIT: ("5",),
    Kind.SECS: ("60",),
    Kind.GLOB: ("*.txt",),
    Kind.ADDRESS: ("joe@example.org",),
    Kind.ADDRESSES: ("joe@example.org",),
}


def words_of(option: Option) -> list[str]:
    """Return the option as it may be given."""
    bare = option.kind in (Kind.FLAG, Kind.TELL, Kind.PARALLEL)
    return [option.flag, *(() if bare else SAMPLE.get(option.kind, ("x",)))]


def given(*names: str) -> tuple[dict[str, object], set[str]]:
    parsed = parse([word for name in names for word in words_of(BY_NAME[name])], Place.SHELL)
    assert parsed.problems == []
    return parsed.values, parsed.given


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_row_is_whole(option):
    """Its help is a sentence, it takes a value if and only if it shows one, and short flags are single letters."""
    assert re.fullmatch(r"[A-Z].*[.]", option.help, re.S)
    assert bool(option.metavar) is (option.kind not in (Kind.FLAG, Kind.TELL))
    assert option.name == option.flags[-1].removeprefix("--").replace("-", "_")
    assert all(re.fullmatch("-[a-zA-Z]|--[a-z][a-z-]+", flag) for flag in option.flags)
    assert option.kind in PARSERS or option.kind in (Kind.FLAG, Kind.TELL, Kind.LOGIN)
    assert option.places


def test_no_spelling_means_two_options():
    """New and old spellings together."""
    spellings = Counter(flag for option in OPTIONS for flag in option.flags + option.old_flags)
    assert set(spellings.values()) == {1}


def test_the_rules_name_options_that_there_are():
    """What excludes, idles or implies others is spelt as in the table."""
    names = {name for one, other, _ in CONTRADICTIONS + IDLE for name in (one, other)}
    assert names | {option.implies for option in OPTIONS if option.implies} <= set(BY_NAME)


def test_a_job_has_every_option_of_a_section_but_login_and_mail():
    """Whoever reads `Job.options` finds each name there."""
    elsewhere = {option.name for option in OPTIONS if option.group in (Group.LOGIN, Group.MAIL)}
    here = {option.name for option in OPTIONS if Place.SECTION in option.places and option.kind is not Kind.GLOB}
    assert set(OF_JOB) == here - elsewhere | {GLOBS}


def test_lftp_knows_every_word_of_the_table(tmp_path):
    """A word it does not know would end each mirror that has the option."""
    if not shutil.which("lftp"):
        pytest.skip("lftp is missing: install the package lftp")
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    words = [f'"{option.lftp}{WITH_VALUE.get(option.kind, "")}"' for option in OPTIONS if option.lftp]
    assert len(words) > 15

    def said(word: str) -> str:
        ends = f"{tmp_path}/source {tmp_path}/target" if "reverse" in word else f"file:{tmp_path}/source target"
        script = f"open file:{tmp_path}\nmirror --script={tmp_path}/plan {word} {ends}\n"
        done = subprocess.run(
            ["lftp", "--norc", "-f", "/dev/stdin"],
            check=False,
            input=script,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        return done.stderr

    assert "unrecognized option" in said('"--no-such-thing"')
    assert {word: said(word) for word in words} == dict.fromkeys(words, "")


@pytest.mark.parametrize(("one", "other"), [row[:2] for row in CONTRADICTIONS], ids="-".join)
def test_options_that_exclude_each_other_are_both_named(one, other):
    """Either alone is fine."""
    (problem,) = contradictions(*given(one, other))
    assert problem.startswith(f"{BY_NAME[one].flag} and {BY_NAME[other].flag}: ")
    assert contradictions(*given(one)) == contradictions(*given(other)) == []


@pytest.mark.parametrize("limit", ["0", "0%"])
def test_to_remove_nothing_and_everything_is_a_contradiction(limit):
    """The one forbids what the other allows."""
    parsed = parse(["-e", "--max-delete", limit, "--allow-empty"], Place.SHELL)
    assert len(contradictions(parsed.values, parsed.given)) == 1
    parsed = parse(["-e", "--max-delete", "1", "--allow-empty"], Place.SHELL)
    assert contradictions(parsed.values, parsed.given) == []


@pytest.mark.parametrize("words", [["--smtp-user", "joe"], ["--smtp-pass", "pw"]], ids=lambda words: words[0])
def test_half_a_mail_login_is_a_contradiction(words):
    """Unless nothing is mailed by it anyway."""
    for more, problems in (([], 1), (["--no-email"], 0), (["--smtp-config", "x"], 0)):
        parsed = parse([*words, *more], Place.SHELL)
        assert len(contradictions(parsed.values, parsed.given)) == problems


@pytest.mark.parametrize(("name", "other"), [row[:2] for row in IDLE], ids="-".join)
def test_an_option_without_effect_is_told(name, other):
    """With the option that takes its effect away; alone it has one."""
    assert any(
        note.startswith(f"{BY_NAME[name].flag} is ignored because of {BY_NAME[other].flag}")
        for note in idle(*given(name, other))
    )
    assert idle(*given(name)) == []


def test_erasing_after_moving_is_warned_of():
    """The second run finds an empty source and would remove what the first one has moved."""
    assert len(idle(*given("erase", "del_source"))) == 1


@pytest.mark.parametrize(
    ("limit", "present", "most"),
    [(MaxDelete(3), 100, 3), (MaxDelete(25, True), 10, 2), (MaxDelete(100, True), 7, 7), (MaxDelete(0), 9, 0)],
    ids=str,
)
def test_a_limit_is_a_number_or_a_part(limit, present, most):
    """Rounded down: a limit is not to be exceeded."""
    assert limit.of(present) == most
