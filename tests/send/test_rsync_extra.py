"""What further arguments of rsync must not break: a real daemon, and arguments that a configuration may add."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from ftpretrieve.errors import RemoteUnavailable
from ftpretrieve.send.rsync_argv import forbidden
from tests.rsyncd import Rsyncd
from tests.send.node import ID, OLD_NS, Node, tree
from tests.send.test_rsync_heals import cutting

pytestmark = pytest.mark.interop

HARMLESS = (
    "--inplace -S --checksum -W --info=all",
    "--partial-dir=.part --delay-updates --fuzzy -8",
    "-aHLx -i -vv --stats -h -P",
    "--protocol=29 --info=none",
    "--modify-window=2 --preallocate --no-partial --timeout=0 --chmod=F644",
)
DAMAGE = {"shorter": (b"y", 0), "longer": (b"y" * 5000, 0), "of another time": (b"y" * 1000, 5), "gone": None}


@pytest.mark.parametrize("words", HARMLESS)
def test_what_is_allowed_leaves_the_proof_intact(node: Node, centre: Rsyncd, words: str) -> None:
    """All arrives although a part was there, whatever is not there as it is here is named, and answers are right."""
    assert forbidden(words.split()) == []
    us, intent, snapshot = node.with_extra(*words.split()), node.intent(), node.snapshot()
    assert not us.is_taken(ID)
    assert us.plan(intent, snapshot) == {"a.mseed", "day/b.mseed"}
    us.make_place(intent)
    there = centre.incoming / ID / "a.mseed"
    there.write_bytes(b"a" * 500)
    os.utime(there, (0, 0))
    us.push(intent, snapshot)
    assert us.missing(intent, snapshot) == []
    assert tree(centre.incoming / ID) == tree(node.data)
    for damage in DAMAGE.values():
        if damage is None:
            there.unlink()
        else:
            there.write_bytes(damage[0])
            os.utime(there, ns=(OLD_NS, OLD_NS + damage[1] * 10**9))
        assert us.missing(intent, snapshot) == ["a.mseed"], damage
    assert not us.is_complete(ID)
    us.push_xml(ID, b"<transaction/>")
    assert us.is_complete(ID)


@pytest.mark.parametrize(
    "word", ["--append", "--append-verify", "--link-dest=../X", "--copy-dest=../X", "--backup-dir=x", "-b", "-R"]
)
def test_what_breaks_the_proof_is_refused(word: str) -> None:
    """Measured: with these a file that is not as it is here counts as sent, or more than was sent lies there."""
    (sentence,) = forbidden([word])
    assert "cannot be used" in sentence


@pytest.mark.parametrize("word", ["-P", "--partial", "--inplace"])
def test_half_a_sign_of_completeness_is_none(node: Node, centre: Rsyncd, word: str) -> None:
    """ID.xml is there as a whole or not at all, also where parts of files are kept."""
    node.send()
    data = os.urandom(3_000_000)
    with cutting((centre.host, centre.port), 1_000_000) as port:
        broken = node.centre(settings=replace(node.settings, port=port, extra_arguments=(word,)))
        with pytest.raises(RemoteUnavailable):
            broken.push_xml(ID, data)
    us = node.with_extra(word)
    assert not us.is_complete(ID)
    us.push_xml(ID, data)
    assert us.is_complete(ID)
    assert (centre.incoming / ID / f"{ID}.xml").read_bytes() == data


@pytest.mark.parametrize("words", [("--min-size=1m",), ("--max-size=1",)], ids=str)
def test_limits_for_data_hide_no_status(node: Node, centre: Rsyncd, words: tuple[str, ...]) -> None:
    """A transaction that seems to have no status would be sent again."""
    (centre.statuses / f"{ID}.xml").write_text("<transaction/>")
    assert list(node.with_extra(*words).statuses([ID])) == [ID]


def test_a_server_that_keeps_times_less_exactly_can_be_lived_with(node: Node, centre: Rsyncd) -> None:
    """FAT knows every other second: without the argument no transaction would ever be complete there."""
    node.send()
    there = centre.incoming / ID / "a.mseed"
    os.utime(there, ns=(OLD_NS, OLD_NS - 10**9))
    assert node.centre().missing(node.intent(), node.snapshot()) == ["a.mseed"]
    assert node.with_extra("--modify-window=2").missing(node.intent(), node.snapshot()) == []
