"""The table of faults against the whole product: what a poll of such a server comes to, and that the next one is well.

What must hold in every cell is checked by `siege` and `attack`; here stands only the word it comes to.
"""

import json
import os
from pathlib import Path

import pytest

from tests.faults.table import FAULTS, GROUPS, OLD, SIZES_BYTES, files
from tests.faultserver import FaultServer
from tests.installation import Installation
from tests.retrieve.siege import Siege

pytestmark = pytest.mark.interop

WITH_MLSD = {
    "whole": """
        late-greeting long-greeting nested-greeting greeting-120 user-230 user-332 pass-202 pass-lines
        pass-late one-connection feat-500 feat-530 feat-empty feat-garbled feat-lies feat-hides cwd-200
        pwd-500 pwd-garbled syst-garbled quit-silent quit-close idle-421 idle-close loses-queue
        replies-in-pieces replies-bare-lf replies-cr-cr-lf replies-no-text replies-in-lines replies-long replies-8bit
        retr-marks kind-both pasv-foreign pasv-nowhere
        pasv-bare pasv-garbled pasv-port-0 pasv-port-large pasv-port-closed pasv-500 pasv-425 epsv-500
        epsv-425 epsv-garbled epsv-port-0 epsv-port-closed epsv-silent twice-150 opening-125 opening-lies
        opening-lines late-150 early-226 ending-250 ending-lines ending-twice out-of-step extra-226
        close-after close-after-421 list-twice list-bare-lf list-no-end list-blank-lines name-dots
        name-backslash name-encoded name-drive name-pipe name-dash name-tilde name-glob name-quote name-blanks
        name-arrow name-semicolon name-escape name-latin-1 name-no-utf-8 name-255 kind-device kind-fifo
        kind-link kind-itself size-negative size-huge size-garbage size-missing time-wrong time-future
        time-1970 time-garbage time-missing mlsd-500 mlsd-550 mlsd-nothing mlsd-list mlsd-case mlsd-untyped
        mlsd-fraction mlst-550 mlst-500 mlst-other mlst-size mlst-time mlst-directory mlst-garbage size-lies
        size-550 size-words mdtm-lies mdtm-550 mdtm-words mdtm-19100 retr-end-data retr-no-226
        drop-control-after clock-hour clock-day clock-zone mlsd-off
    """,
    "names": """
        name-up name-up-far name-absolute name-below name-here name-nul name-cr name-300 name-own name-slash
        mlsd-paths
    """,
    "suspect": """
        data-close list-empty list-450-empty list-third-226 list-torn-426 list-451 list-capped list-unable
        list-junk list-html list-utf-16 list-error-row name-empty
    """,
    "changing": """
        size-smaller size-zero time-restless long long-by-much endless ascii noise-in-front grows shrinks
        rewritten rewritten-before grows-before torn uploading
    """,
    "failed": """
        list-torn-226 list-different name-lf name-command kind-directory size-larger short-226 short-426
        short-reset short-reset-226 last-byte empty-226 retr-before-data retr-mid-data drop-control
        drop-at-retr retr-421 retr-421-meanwhile retr-425 retr-426 retr-450 retr-451 retr-452 retr-501 retr-550 retr-552
        after-426 after-451 after-452 after-550 after-552 other-file error-in-data rest-ignored rest-one-off
        rest-rounded rest-500 vanishes vanishes-before
    """,
    "refused": """
        greeting-530 greeting-500 pass-332 type-504 cwd-550 list-550
    """,
    "login": """
        user-530 pass-530 pass-echo
    """,
    "unreachable": """
        port-closed close-connect reset-connect silent-greeting greeting-421 flood-greeting endless-greeting
        tls-greeting ssh-greeting http-greeting garbage-greeting silent-user user-421 reply-flood silent-pass
        pass-530-limit pass-421 pass-close feat-421 feat-silent feat-flood type-silent type-garbage cwd-421
        cwd-silent pasv-own-port pasv-silent no-passive data-reset data-silent data-open no-150 opening-200
        ending-garbage list-421 list-before-data list-mid-data list-no-226 list-reset list-drop look-silent
    """,
    "timeout": """
        silent-connect slow-greeting ending-drips list-slow list-endless list-endless-line slow
    """,
}
"""The word -> the faults after which a poll comes to it, where the server has MLSD:

whole         all files came, and nothing else
names         all that may come, and a line about names that are refused
suspect       a line says that the listing may not be all
changing      counted as changing: the looks, or a look and the bytes, do not agree
failed        a line for each file that did not come
refused, login, unreachable, timeout   the poll ended with an error of this kind
"""

WITH_LIST = {
    "whole": """
        time-restless mlsd-paths uploading
    """,
    "changing": """
        list-different size-larger size-lies
    """,
}
"""Where it comes to something else with LIST, SIZE and MDTM."""

LIST_GROUPS = ("listing", "names", "kinds", "facts", "looks", "transfer")
"""Groups of faults whose answers depend on how one lists."""

SILENT = {name for word in ("unreachable", "timeout") for name in WITH_MLSD[word].split()}
WORTH_LISTING = [fault.name for group in LIST_GROUPS for fault in GROUPS[group] if fault.name not in SILENT]
"""A silence is the same in either, and takes its time."""

FAST = "long-greeting pass-530 replies-bare-lf pasv-foreign list-reset name-up kind-link size-huge mlst-other short-226"
"""One or two of each group, for every run of the tests."""


def expected(mlsd: bool) -> dict[str, str]:
    words = {name: word for word, names in WITH_MLSD.items() for name in names.split()}
    if not mlsd:
        words.update((name, word) for word, names in WITH_LIST.items() for name in names.split())
    return words


def test_every_fault_has_its_word() -> None:
    """A fault that is not in the table is not tested, and one that is there twice says nothing."""
    assert sorted(name for names in WITH_MLSD.values() for name in names.split()) == sorted(FAULTS)
    assert all(FAULTS[name].text and FAULTS[name].group for name in FAULTS)
    assert sum(map(len, GROUPS.values())) == len(FAULTS)


@pytest.mark.parametrize("fault", FAST.split())
def test_some_faults_come_to_what_they_should(fault: str, memory_path: Path) -> None:
    assert Siege(memory_path, [fault], patient=fault not in SILENT).run() == expected(True)[fault]


@pytest.mark.slow
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - FAST.split()))
def test_a_fault_comes_to_what_it_should(fault: str, memory_path: Path) -> None:
    """Nothing partial, wrong, outside, twice, late or unsaid; and all is well once the server is."""
    assert Siege(memory_path, [fault], patient=fault not in SILENT).run() == expected(True)[fault]


@pytest.mark.slow
@pytest.mark.parametrize("fault", WORTH_LISTING)
def test_a_fault_without_mlsd_comes_to_what_it_should(fault: str, memory_path: Path) -> None:
    assert Siege(memory_path, [fault], mlsd=False).run() == expected(False)[fault]


SOME_TIMES = [f"retr-{code}" for code in (425, 426, 450, 451, 452, 550, 552)]
SOME_TIMES += [f"after-{code}" for code in (426, 451, 452, 550, 552)]
SOME_TIMES += ["short-226", "short-reset", "drop-control", "long", "ascii"]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["first", "2", "3"])
@pytest.mark.parametrize("fault", SOME_TIMES)
def test_a_fault_that_strikes_some_times_costs_those_files_only(fault: str, when: str, memory_path: Path) -> None:
    """One of the three does not come, which is told, and the others do."""
    siege = Siege(memory_path, [f"{fault}@{when}"])
    assert siege.run() == expected(True)[fault]
    assert len(siege.delivered_first) == 2


TOGETHER = [
    ["replies-in-pieces", "short-226"],
    ["replies-in-lines", "twice-150", "after-451@2"],
    ["replies-8bit", "pasv-foreign", "list-junk", "name-up"],
    ["feat-hides", "list-bare-lf", "drop-control@first"],
    ["loses-queue", "mlst-550", "rewritten"],
    ["one-connection", "retr-425@first", "name-absolute"],
    ["late-greeting", "pass-202", "quit-close", "list-twice", "retr-mid-data@2"],
    ["list-torn-426", "torn", "idle-421"],
    ["size-missing", "mlst-500", "short-226"],
]


@pytest.mark.slow
@pytest.mark.parametrize("mlsd", [True, False], ids=["mlsd", "list"])
@pytest.mark.parametrize("faults", TOGETHER, ids="+".join)
def test_faults_that_strike_together_are_borne_together(faults: list[str], mlsd: bool, memory_path: Path) -> None:
    assert Siege(memory_path, faults, mlsd=mlsd).run() != "whole"


EXITS = {
    "long-greeting": (0, "ok", 3),
    "name-up": (0, "ok", 3),
    "pass-530": (1, "refused", 0),
    "cwd-550": (1, "refused", 0),
    "greeting-421": (75, "unreachable", 0),
    "list-mid-data": (75, "unreachable", 0),
    "list-capped": (75, "partial", 1),
    "list-html": (75, "partial", 0),
    "slow": (75, "timeout", 0),
    "short-226": (1, "partial", 0),
    "retr-550@2": (1, "partial", 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("spec", EXITS)
def test_the_command_tells_a_fault_by_its_exit_code(spec: str, tmp_path: Path) -> None:
    """`once` as a process: its code, its report, and what lies in the sync directory."""
    home = tmp_path / "parent" / "box"
    with FaultServer(files(), escape=bytes(tmp_path / "escape")) as server:
        limits = {"ftp_timeout_secs": 1, "ftp_duration_secs": 3, "ftp_remote_directory": "in"}
        with Installation(home, server, **limits) as site:  # type: ignore[arg-type]  # it has host, port and account
            server.arm(spec)
            done = site.run("-q", "--json", "once")
            report = json.loads(done.stdout)
            assert (done.returncode, report["result"], report["delivered"]) == EXITS[spec], done.stderr
            assert all((site.sync / os.fsdecode(name)).read_bytes() in server.truth[name] for name in names_in(site))
            server.heal()
            assert site.run("-q", "once").returncode == 0
            assert names_in(site) == set(SIZES_BYTES)
    assert {path.name for path in tmp_path.iterdir()} == {"parent"}
    assert {path.name for path in home.parent.iterdir()} == {"box"}


def names_in(site: Installation) -> set[bytes]:
    return {os.fsencode(path.name) for path in site.sync.iterdir() if not path.name.startswith(".ftpretrieve")}


def test_content_follows_from_the_name() -> None:
    """So that any test, in any process, knows what must have come."""
    assert files() == files()
    assert {name: (len(body), modify) for name, (body, modify) in files().items()} == {
        name: (size, OLD) for name, size in SIZES_BYTES.items()
    }
