"""What is sent again and what is not, when memory, logbook, server or request have changed since the last time.

The data centre is the one in memory of `test_job`.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ftpretrieve.send import survey
from ftpretrieve.send.job import Sender
from ftpretrieve.send.records import State
from ftpretrieve.send.survey import NotSent, Request
from tests.send.test_job import STEPS, Counter, Killed, Node, cut_off, node

__all__ = ["node"]  # the fixture


def complete_unawares(node: Node, step: str = "push_xml") -> str:
    """Leave a transaction that is complete at the server, killed before that was noted; return its id."""
    with pytest.raises(Killed):
        node.sender(Counter(2 * STEPS.index(step) + 1)).send(node.request)
    (intent,) = node.intents.unfinished()
    return intent.id


def for_node(node: Node, name: str) -> Sender:
    """Return a sender with the configuration of another node, and the same memory."""
    survey = node.sender().survey
    return Sender(replace(survey, settings=replace(survey.settings, node=name)))


def test_requests_that_take_turns_are_not_sent_twice(node: Node) -> None:
    """Each layout, data type and node has a last transaction of its own; the others do not make it forgotten."""
    requests = [
        (node.sender(), node.request),
        (node.sender(), Request(f"{node.data}/", "t")),
        (node.sender(), Request(str(node.data), "another")),
        (for_node(node, "RAP"), node.request),
    ]
    first = [sender.send(request) for sender, request in requests]
    assert len(set(first)) == len(requests)
    assert [sender.send(request) for sender, request in requests] == first
    assert node.booked() == first


def test_the_content_by_another_name_is_the_same_request(node: Node, tmp_path: Path) -> None:
    """A link changes nothing of what the data centre gets, unless the name of the directory goes too."""
    (tmp_path / "link").symlink_to(node.data)
    first = node.sender().send(Request(f"{node.data}/", "t"))
    assert node.sender().send(Request(f"{tmp_path}/link/", "t")) == first


def test_what_the_logbook_has_is_complete(node: Node) -> None:
    """Killed after the logbook, and the data centre has taken all away and says nothing yet: nothing goes again."""
    begun = complete_unawares(node, "append")
    node.centre.xml.clear()
    node.centre.files.clear()
    assert node.sender().send(node.request) == begun
    assert (node.centre.pushes, node.booked()) == ([3], [begun])
    assert [intent.state for intent in node.intents.all()] == [State.SENT]


def test_a_directory_that_changed_after_it_was_complete_is_sent_as_it_is_now(node: Node) -> None:
    """The id of the old content would be a lie: the old one is booked, and the new content gets an id of its own."""
    begun = complete_unawares(node)
    (node.data / "new.mseed").write_text("new")
    assert node.sender().survey.test(node.request).files == 4
    sent = node.sender().send(node.request)
    assert sent != begun
    assert node.booked() == [begun, sent]


def test_a_test_sees_that_what_is_unfinished_is_complete(node: Node) -> None:
    """It foretells what a send would do: nothing."""
    begun = complete_unawares(node)
    assert node.sender().survey.test(node.request).unchanged == begun


def test_a_transaction_of_another_node_is_not_given_up(node: Node) -> None:
    """Whether it is complete only its own node may ask."""
    begun = cut_off(node)
    for restart in (False, True):
        with pytest.raises(
            NotSent, match=f"{begun.id} .* begun for TEST at .*, not for RAP at .* configuration of then"
        ):
            for_node(node, "RAP").send(replace(node.request, restart=restart))
    assert node.intents.unfinished() == (begun,)


def test_a_transaction_of_no_files_is_not_begun(node: Node) -> None:
    """When the configuration leaves out all there is, the data centre is not told of an empty transaction."""
    node.centre.excludes = {"a.mseed", "b.mseed", "c.mseed"}
    with pytest.raises(NotSent, match="'rsync extra args' leave out all"):
        node.sender().send(node.request)
    assert (node.centre.files, node.intents.all()) == ({}, ())


def test_more_files_than_a_status_can_list_are_not_sent(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """What became of them could never be read."""
    monkeypatch.setattr(survey, "LIMIT", 300)
    with pytest.raises(NotSent, match="has 3 files: .* send its parts"):
        node.sender().send(node.request)
    assert (node.centre.files, node.intents.all()) == ({}, ())


def test_another_server_is_another_data_centre(node: Node) -> None:
    """What a test server has got, the real one has not; and what was begun at one is not finished at the other."""
    there = Sender(replace(node.sender().survey, settings=replace(node.settings, server="real.example.org")))
    first = node.sender().send(node.request)
    assert there.send(node.request) != first
    (node.data / "new.mseed").write_text("new")
    begun = cut_off(node)
    for restart in (False, True):
        with pytest.raises(NotSent, match=f"{begun.id}.*{node.settings.address}.*real.example.org:873"):
            there.send(Request(str(node.data), "t", restart=restart))


def test_of_a_directory_that_is_gone_it_is_said_how_to_give_up(node: Node) -> None:
    """--restart needs the directory, and without a way out every --resume would fail for ever."""
    begun = cut_off(node)
    shutil.rmtree(node.data)
    memory = node.settings.transactions / f"{begun.id}.json"
    with pytest.raises(NotSent, match=f"gone, and {begun.id}.*remove {memory}"):
        node.sender().send(Request(str(node.data), "t", resume=True))
    memory.unlink()
    assert node.intents.unfinished() == ()


def test_what_is_unfinished_goes_on_only_where_it_was_begun(node: Node) -> None:
    """With a slash or without one the files lie elsewhere: it would be a success that did something else."""
    begun = cut_off(node)
    with pytest.raises(NotSent, match="would lie elsewhere"):
        node.sender().send(Request(f"{node.data}/", "t"))
    assert node.booked() == []
    assert node.sender().send(node.request) == begun.id


def test_what_is_unfinished_may_be_given_up_for_another_place(node: Node) -> None:
    """As --restart says."""
    begun = cut_off(node)
    sent = node.sender().send(Request(f"{node.data}/", "t", restart=True))
    assert {intent.id: intent.state for intent in node.intents.all()} == {
        begun.id: State.ABANDONED,
        sent: State.SENT,
    }


def test_a_logbook_that_is_missing_is_told_when_something_was_sent(node: Node) -> None:
    """On a disk that is not mounted it looks empty, and the week like one in which nothing was sent."""
    node.sender().send(node.request)
    assert "DOUBTFUL" not in node.words()
    node.settings.logbook.unlink()
    (node.data / "new.mseed").write_text("new")
    node.sender().send(node.request)
    assert "DOUBTFUL" in node.words()
    assert any("no logbook" in text for _, text in node.said)


def test_a_resume_that_is_refused_does_not_say_that_it_goes_on(node: Node) -> None:
    cut_off(node)
    (node.data / "new.mseed").write_text("new")
    with pytest.raises(NotSent):
        node.sender().send(node.request)
    assert "RESUMING" not in node.words()
