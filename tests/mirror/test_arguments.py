"""Words read against the table of options: every spelling, what is wrong, and that no secret is repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.mirror.arguments import Parsed, parse
from ftpretrieve.mirror.options import BY_NAME, GLOBS, OPTIONS, Kind, MaxDelete, Place

SECRET = "Hunter2Hunter2"
ONE_WORD = set(Kind) - {Kind.FLAG, Kind.TELL, Kind.LOGIN, Kind.GLOB}
VALUES = {
    "port": ("2121", 2121),
    "parallel": ("7", 7),
    "keep": ("3", 3),
    "max_delete": ("25%", MaxDelete(25, True)),
    "timeout": ("2 h", 7200.0),
    "to_addrs": ("root,joe@example.org", ("root", "joe@example.org")),
    "smtp_from": ("joe@example.org", "joe@example.org"),
}


def shell(*words: str) -> Parsed:
    parsed = parse(words, Place.SHELL)
    assert parsed.problems == []
    return parsed


def problems(*words: str, place: Place = Place.SHELL) -> list[str]:
    return parse(words, place).problems


SPELLINGS = [(option, flag) for option in OPTIONS for flag in option.flags + option.old_flags]
FLAGS = [row for row in SPELLINGS if row[0].kind in (Kind.FLAG, Kind.TELL)]
VALUED = [row for row in SPELLINGS if row[0].kind in ONE_WORD]


def place_of(option: object) -> Place:
    return next(place for place in Place if place in option.places)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("option", "flag"), FLAGS, ids=[flag for _, flag in FLAGS])
def test_a_flag_is_on_when_it_is_given(option, flag):
    """In each of its spellings, and off otherwise."""
    place = place_of(option)
    assert parse([], place).values[option.name] is False
    parsed = parse([flag], place)
    assert (parsed.values[option.name], parsed.problems) == (True, [])
    assert option.name in parsed.given


@pytest.mark.parametrize(("option", "flag"), VALUED, ids=[flag for _, flag in VALUED])
def test_a_value_stands_behind_its_option(option, flag):
    """As the next word; behind = with a long spelling, attached to a short one."""
    text, value = VALUES.get(option.name, ("x", "x"))
    attached = f"{flag}={text}" if flag.startswith("--") else f"{flag}{text}"
    for words in ([flag, text], [attached]):
        parsed = parse([*words, "rest"], place_of(option))
        assert (parsed.values[option.name], parsed.words, parsed.problems) == (value, ["rest"], [])


@pytest.mark.parametrize(("option", "flag"), VALUED, ids=[flag for _, flag in VALUED])
def test_a_forgotten_value_is_told(option, flag):
    """At the end, and before another option, which is not taken for it; -P alone is whole."""
    wanted = [] if option.kind is Kind.PARALLEL else [f"{flag}: needs {option.metavar}"]
    assert problems(flag, place=place_of(option)) == wanted
    assert problems(flag, "--json", place=place_of(option)) == wanted


@pytest.mark.parametrize(
    ("words", "parallel", "rest"),
    [
        (["-P"], 2, []),
        (["-P", "4"], 4, []),
        (["-P4"], 4, []),
        (["-P", "site", "4"], 2, ["site", "4"]),
        (["-P", "-e", "4"], 2, ["4"]),
        (["-aenP", "site"], 2, ["site"]),
        (["-aenP", "3", "site"], 3, ["site"]),
        (["-aenP3", "4"], 3, ["4"]),
        (["-aPen", "4"], 2, ["4"]),
        (["-aP3en", "4"], 3, ["4"]),
        (["--parallel"], 2, []),
        (["--parallel", "5"], 5, []),
        (["--parallel=5", "6"], 5, ["6"]),
        (["--parallel", "4x"], 2, ["4x"]),
        ([], None, []),
    ],
    ids=str,
)
def test_parallel_takes_a_number_and_nothing_else(words, parallel, rest):
    """Alone it means 2, wherever it stands."""
    parsed = shell(*words)
    assert (parsed.values["parallel"], parsed.words) == (parallel, rest)
    assert all(parsed.values[name] is True for name in parsed.given - {"parallel"})


def test_short_options_stand_together():
    """As crontabs have them."""
    parsed = shell("-aenp2121", "-qr")
    assert parsed.given == {"anonymous", "erase", "newer", "port", "quiet", "reverse"}
    assert parsed.values["port"] == 2121


@pytest.mark.parametrize("password", ["-", "", "-x", "--secret", "-aenP", "a b", "$(x)", "p=q", "-p9", "--"])
def test_a_password_is_any_word(password):
    """Also one that begins with a dash."""
    parsed = shell("-l", "joe", password, "site")
    assert (parsed.values["login"], parsed.words) == (("joe", password), ["site"])


@pytest.mark.parametrize("words", [["-l"], ["-l", "joe"], ["-l", "joe", "-a"], ["-l", "joe", "--json"]], ids=" ".join)
def test_a_forgotten_password_is_not_the_next_option(words):
    """Who has such a password is told another way."""
    assert problems(*words)[0].startswith("-l: needs USER PASSWORD")
    assert shell("-l", "joe", "-", "-q").values["quiet"] is True


def test_patterns_keep_their_order_across_the_two_options():
    """The last one that matches decides, so their order is their meaning."""
    words = ["--exclude-glob", "*.txt", "--include-glob=a b*", "--exclude-glob", "-x", "--include-glob", "é\n"]
    wanted = (("exclude", "*.txt"), ("include", "a b*"), ("exclude", "-x"), ("include", "é\n"))
    assert shell(*words).values[GLOBS] == wanted


def test_addresses_do_not_swallow_what_follows():
    """Several may follow one another, but SITE REMOTE LOCAL are no addresses."""
    words = ["--to-addrs", "root", "a@x.org", "b@y.org", "ftp://u@z.org", "/r", "l", "--to_addrs", "c@w.org,d"]
    parsed = shell(*words)
    assert parsed.values["to_addrs"] == ("root", "a@x.org", "b@y.org", "c@w.org", "d")
    assert parsed.words == ["ftp://u@z.org", "/r", "l"]


def test_in_a_file_all_words_behind_to_addrs_are_addresses():
    """No other words stand there, so a local user needs no comma before it, and a wrong one is named."""
    parsed = parse(["--to_addrs", "joe@x.org", "root", "a", "-q"], Place.SECTION)
    assert (parsed.values["to_addrs"], parsed.words, parsed.problems) == (("joe@x.org", "root", "a"), [], [])
    (problem,) = parse(["--to_addrs", "joe@x.org", "a@@b", "-q"], Place.SECTION).problems
    assert "value 'a@@b' is no mail address" in problem


def test_two_dashes_end_the_options():
    """For a directory that is called like one."""
    assert shell("-e", "--", "-q", "--", "x").words == ["-q", "--", "x"]


@pytest.mark.parametrize("name", [option.name for option in OPTIONS if option.implies])
def test_an_option_switches_another_one_on(name):
    """Which then has not been given, but holds."""
    option = BY_NAME[name]
    parsed = shell(option.flag)
    assert parsed.values[option.implies] is True
    assert option.implies not in parsed.given


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--exclude-globb", "x"], "--exclude-globb: is an unknown option; did you mean --exclude-glob?"),
        (["--exclude"], "--exclude: is an unknown option; did you mean --exclude-glob?"),
        (["-aXe"], "-X: is an unknown option"),
        (["--erase=yes"], "--erase: takes no value; leave out what stands behind it"),
        (["-p", "0"], "-p: value '0' is not usable; give a whole number from 1 to 65535"),
        (["-P0"], "-P: value '0' is not usable; give a whole number from 1 to 100"),
        (["--keep", "all"], "--keep: value 'all' is not usable; give a whole number from 1 to 10000"),
        (["--max-delete", "101%"], "--max-delete: value '101%' is not understood; give a number, or a perc"),
        (["--timeout", "soon"], "--timeout: value 'soon' is not understood; give a number of seconds"),
        (["--exclude-glob", ""], "--exclude-glob: value '' is empty; give one"),
        (["--to-addrs", "a@@c"], "--to-addrs: value 'a@@c' is no mail address"),
        (["-c", "x"], "-c: does not belong here, but to 'cron'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_is_wrong_is_told(words, problem):
    """With the option as it was spelt, the value and the fix; and the rest is read all the same."""
    parsed = parse([*words, "-q"], Place.SHELL)
    assert len(parsed.problems) == 1
    assert parsed.problems[0].startswith(problem)
    assert parsed.values["quiet"] is True


def test_all_mistakes_are_told_at_once():
    """One run shows everything that is to be mended."""
    assert len(problems("--wat", "-p", "x", "--keep", "0", "-l")) == 4


@pytest.mark.parametrize("place", [Place.SECTION, Place.CFG, Place.CRON])
def test_a_login_is_for_the_shell_only(place):
    """In a section its keys are named."""
    (problem,) = problems("-l", "joe", SECRET, place=place)
    assert ("user and password" in problem) is (place is Place.SECTION)


@pytest.mark.parametrize(
    "words",
    [["-l", "joe", "my", SECRET], ["--smtp-passs", SECRET], [f"--smtp-passs={SECRET}"], [f"-L{SECRET}"],
     ["--smtp-pass", SECRET + "\n"], [f"--json={SECRET}"], ["-l", "joe", "-q", SECRET]],
    ids=str,
)  # fmt: skip
def test_no_problem_repeats_what_may_be_a_secret(words):
    """A word that was torn off by a blank, or stands behind a mistyped option."""
    parsed = parse(words, Place.SHELL)
    assert SECRET not in "".join(parsed.problems) + repr(parsed)


@given(st.lists(st.sampled_from([flag for _, flag in SPELLINGS]) | st.text(max_size=5), max_size=8))
def test_any_words_are_read(words):
    """Whatever stands there, it is read or complained about, never an exception."""
    for place in Place:
        parsed = parse(words, place)
        assert set(parsed.values) >= parsed.given - {"exclude_glob", "include_glob"}
