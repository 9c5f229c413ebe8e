"""The order of the steps: stopped before or after any of them, a transaction is finished once, under one id.

The data centre is one in memory; the same with real processes and a real rsync daemon is in `test_kills`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.errors import StorageError
from ftpretrieve.send.intents import Intents
from ftpretrieve.send.job import Sender
from ftpretrieve.send.limits import Week
from ftpretrieve.send.logbook import Logbook
from ftpretrieve.send.records import Intent, LogEntry, Settings, Snapshot, State
from ftpretrieve.send.survey import NotSent, Request, Survey
from ftpretrieve.send.transaction import parse
from tests.send.test_intents import intent
from tests.send.test_limits import settings

STARTED = 1_800_000_000.0


class Killed(BaseException):
    """The process is gone: nothing may catch this."""


class MemoryCentre:
    """A data centre in memory. `takes`: how many files a push brings over before the line is cut."""

    def __init__(self) -> None:
        self.files: dict[str, set[str]] = {}
        self.xml: dict[str, bytes] = {}
        self.pushes: list[int] = []
        self.loses: set[str] = set()
        self.excludes: set[str] = set()
        self.taken: Callable[[str], bool] = lambda _: False

    def is_taken(self, transaction_id: str) -> bool:
        return transaction_id in self.files or self.taken(transaction_id)

    def plan(self, intent: Intent, snapshot: Snapshot) -> frozenset[str]:
        return frozenset(file.path for file in snapshot.files) - self.excludes

    def make_place(self, intent: Intent) -> None:
        self.files.setdefault(intent.id, set())

    def push(self, intent: Intent, snapshot: Snapshot) -> None:
        missing = self.plan(intent, snapshot) - self.files[intent.id]
        self.pushes.append(len(missing))
        self.files[intent.id] |= missing - self.loses

    def missing(self, intent: Intent, snapshot: Snapshot) -> list[str]:
        return sorted(self.plan(intent, snapshot) - self.files[intent.id])

    def push_xml(self, transaction_id: str, data: bytes) -> None:
        assert transaction_id not in self.xml, "the data centre was told twice that the transaction is complete"
        self.xml[transaction_id] = data

    def is_complete(self, transaction_id: str) -> bool:
        return transaction_id in self.xml


class Stopping:
    """Passes calls on, counts those that change something, and ends the process before or after one of them."""

    def __init__(self, target: Any, names: Sequence[str], counter: Counter) -> None:
        self._target, self._names, self._counter = target, names, counter

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        return self._counter.counted(name, method) if name in self._names else method


class Counter:
    """Counts steps. `stop_at`: ends the process there; even: before step n // 2, odd: after it."""

    def __init__(self, stop_at: int = -1) -> None:
        self.steps: list[str] = []
        self.stop_at = stop_at

    def counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if self.stop_at == 2 * len(self.steps):
                raise Killed
            self.steps.append(name)
            result = method(*arguments, **named)
            if self.stop_at == 2 * len(self.steps) - 1:
                raise Killed
            return result

        return call


class Node:
    """A node with a directory to send; each `sender` is a new process of it."""

    def __init__(self, root: Path) -> None:
        self.data = root / "data"
        self.data.mkdir()
        for name in ("a.mseed", "b.mseed", "c.mseed"):
            (self.data / name).write_text(name)
        self.settings: Settings = settings(logbook=root / "logbook.json", working_directory=root)
        self.centre = MemoryCentre()
        self.said: list[tuple[str, str]] = []
        self.size_gb = 0.5

    @property
    def request(self) -> Request:
        return Request(str(self.data), "t")

    @property
    def intents(self) -> Intents:
        return Intents(self.settings.transactions)

    def booked(self) -> list[str]:
        return [entry.transaction_id for entry in Logbook(self.settings.logbook).read()]

    def sender(self, counter: Counter | None = None) -> Sender:
        count = counter or Counter()
        return Sender(
            Survey(
                self.settings,
                Stopping(Logbook(self.settings.logbook), ["append"], count),  # type: ignore[arg-type]
                Stopping(self.intents, ["write", "move"], count),  # type: ignore[arg-type]
                Stopping(self.centre, ["make_place", "push", "missing", "push_xml"], count),  # type: ignore[arg-type]
                lambda _: self.size_gb,
                self._tell,
                lambda: STARTED,
            )
        )

    def _tell(self, level: int, word: str, text: str, /, **fields: object) -> None:
        assert level in (logging.INFO, logging.WARNING)
        self.said.append((word, text))

    def words(self) -> list[str]:
        return [word for word, _ in self.said]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


STEPS = ["write", "make_place", "push", "missing", "push_xml", "append", "move"]


def test_a_send_takes_its_steps_in_this_order(node: Node) -> None:
    """The intent before the first byte, the XML after the proof, the logbook after the XML."""
    counter = Counter()
    transaction_id = node.sender(counter).send(node.request)
    assert counter.steps == STEPS
    assert node.booked() == [transaction_id]
    assert sorted(parse(node.centre.xml[transaction_id]).files) == [f"data/{name}.mseed" for name in "abc"]


@pytest.mark.crash
@pytest.mark.parametrize("stop_at", range(2 * len(STEPS)))
def test_stopped_at_any_step_it_is_finished_once_under_one_id(node: Node, stop_at: int) -> None:
    """Whatever the moment, the next run leaves one transaction, complete, and in the logbook once."""
    with pytest.raises(Killed):
        node.sender(Counter(stop_at)).send(node.request)
    begun = {intent.id for intent in node.intents.all()}
    transaction_id = node.sender().send(node.request)
    assert begun <= {transaction_id}
    assert node.booked() == [transaction_id]
    assert list(node.centre.xml) == [transaction_id]
    assert set(node.centre.files) == {transaction_id}
    assert [intent.state for intent in node.intents.all()] == [State.SENT]
    assert node.intents.unfinished() == ()


@pytest.mark.crash
@pytest.mark.parametrize("stop_at", range(2 * len(STEPS)))
def test_stopped_again_and_again_it_still_is_one_transaction(node: Node, stop_at: int) -> None:
    """The resumed run may be killed as well."""
    for again in (stop_at, stop_at // 2, stop_at):
        try:
            node.sender(Counter(again)).send(node.request)
        except Killed:
            continue
    transaction_id = node.sender().send(node.request)
    assert (node.booked(), list(node.centre.xml)) == ([transaction_id], [transaction_id])


def test_a_directory_that_has_not_changed_is_not_sent_twice(node: Node) -> None:
    """A second run of the same command gives the same id, and says that nothing was sent."""
    first = node.sender().send(node.request)
    assert node.sender().send(node.request) == first
    assert (node.booked(), node.centre.pushes) == ([first], [3])
    assert node.words()[-1] == "UNCHANGED"


@pytest.mark.parametrize("change", ["content", "form", "type"])
def test_what_differs_from_the_last_transaction_is_a_new_one(node: Node, change: str) -> None:
    """Another content, another layout at the server, another data type: each is something else to the data centre."""
    first = node.sender().send(node.request)
    request = node.request
    if change == "content":
        (node.data / "d.mseed").write_text("d")
    elif change == "form":
        request = Request(f"{node.data}/", "t")
    else:
        request = Request(str(node.data), "another")
    second = node.sender().send(request)
    assert (first != second, node.booked()) == (True, [first, second])


def cut_off(node: Node) -> Intent:
    """Leave a transaction whose files are at the server and whose XML is not."""
    with pytest.raises(Killed):
        node.sender(Counter(2 * STEPS.index("push_xml"))).send(node.request)
    (intent,) = node.intents.unfinished()
    return intent


def test_a_changed_directory_is_not_resumed(node: Node) -> None:
    """What is there now is not what was begun: the differences are listed, and nothing is pushed."""
    intent = cut_off(node)
    (node.data / "a.mseed").unlink()
    (node.data / "new.mseed").write_text("new")
    with pytest.raises(NotSent, match="--restart") as refused:
        node.sender().send(node.request)
    assert "a.mseed" in str(refused.value)
    assert "new.mseed" in str(refused.value)
    assert (node.centre.xml, node.booked()) == ({}, [])
    assert node.intents.unfinished() == (intent,)


def test_restart_gives_up_the_old_id(node: Node) -> None:
    """What is there now is sent under a new id, and the old one is never resumed."""
    old = cut_off(node)
    (node.data / "new.mseed").write_text("new")
    new = node.sender().send(Request(str(node.data), "t", restart=True))
    states = {intent.id: intent.state for intent in node.intents.all()}
    assert states == {old.id: State.ABANDONED, new: State.SENT}
    assert (node.booked(), list(node.centre.xml)) == ([new], [new])


def test_restart_books_the_old_one_if_it_was_complete(node: Node) -> None:
    """A transaction that only was not known to be complete has counted at the data centre, so it counts here."""
    with pytest.raises(Killed):
        node.sender(Counter(2 * STEPS.index("push_xml") + 1)).send(node.request)
    (old,) = node.intents.unfinished()
    new = node.sender().send(Request(str(node.data), "t", restart=True))
    assert node.booked() == [old.id, new]


def test_a_complete_transaction_is_booked_whatever_became_of_the_directory(node: Node) -> None:
    """Killed after the XML: the data centre has all, so a directory that was emptied since is no obstacle."""
    with pytest.raises(Killed):
        node.sender(Counter(2 * STEPS.index("push_xml") + 1)).send(node.request)
    (begun,) = node.intents.unfinished()
    (node.data / "a.mseed").unlink()
    assert node.sender().send(Request(str(node.data), "t", resume=True)) == begun.id
    assert node.booked() == [begun.id]


def test_what_the_server_has_not_is_not_completed(node: Node) -> None:
    """rsync says that all is well, and a file is missing: no XML, no logbook."""
    node.centre.loses = {"b.mseed"}
    with pytest.raises(NotSent, match=r"b\.mseed"):
        node.sender().send(node.request)
    assert (node.centre.xml, node.booked()) == ({}, [])
    node.centre.loses = set()
    assert node.sender().send(node.request) in node.centre.xml


def test_of_much_that_the_server_has_not_some_is_named(node: Node) -> None:
    """The rest is counted; and a name cannot steer a terminal."""
    names = {f"{number}\x1b.mseed" for number in range(7)}
    for name in names:
        (node.data / name).touch()
    node.centre.loses = names
    with pytest.raises(NotSent, match=r"are here: 0\\u001b\.mseed, .*, 4\\u001b\.mseed and 2 more; run it again"):
        node.sender().send(node.request)


def test_a_directory_that_changes_while_it_is_sent_is_not_completed(node: Node) -> None:
    """A file that was written to during the push may have arrived as a mixture."""
    push = node.centre.push

    def push_and_write(intent: Intent, snapshot: Snapshot) -> None:
        push(intent, snapshot)
        (node.data / "b.mseed").write_text("longer than before")

    node.centre.push = push_and_write  # type: ignore[method-assign]
    with pytest.raises(NotSent, match=r"b\.mseed"):
        node.sender().send(node.request)
    assert (node.centre.xml, node.booked()) == ({}, [])


def test_resume_wants_something_unfinished(node: Node) -> None:
    """--resume never begins a transaction."""
    with pytest.raises(NotSent, match="nothing to resume"):
        node.sender().send(Request(str(node.data), "t", resume=True))
    assert node.centre.files == {}


def test_another_data_type_does_not_go_on_with_what_was_begun(node: Node) -> None:
    """The XML would name a type that the files were not sent as."""
    intent = cut_off(node)
    with pytest.raises(NotSent, match=intent.id):
        node.sender().send(Request(str(node.data), "another"))
    new = node.sender().send(Request(str(node.data), "another", restart=True))
    assert node.booked() == [new]


def test_a_refused_transaction_leaves_nothing(node: Node) -> None:
    """A limit is looked at before the intent is written, and -i goes past it."""
    node.size_gb = 60
    with pytest.raises(NotSent, match=r"60\.000 GB"):
        node.sender().send(node.request)
    assert (node.centre.files, node.intents.all()) == ({}, ())
    assert node.sender().send(Request(str(node.data), "t", ignore_limits=True)) in node.centre.xml


def test_what_another_process_sends_now_counts_towards_the_week(node: Node, tmp_path: Path) -> None:
    """Else two together could exceed the limit; but not what was cut off, nor what is in the logbook already."""
    other = tmp_path / "other"
    other.mkdir()
    node.intents.write(intent("OTHER", directory=str(other), size_gb=49.75))
    with node.intents.working(str(other)):
        with pytest.raises(NotSent, match=r"0\.000 GB .* \+ 49\.750 GB being sent now \+ 0\.500 GB"):
            node.sender().send(node.request)
        node.size_gb = 0.125
        assert node.sender().survey.test(node.request).week == Week(0, 49.75)
        Logbook(node.settings.logbook).append(LogEntry("2027-01-15T08:00:00Z", "TEST", str(other), "OTHER", 49.75, "t"))
        assert node.sender().survey.test(node.request).week == Week(49.75)
    node.settings.logbook.unlink()
    assert node.sender().survey.test(node.request).week == Week(0)


@pytest.mark.parametrize("testing", [False, True], ids=["send", "test"])
@pytest.mark.parametrize("obstacle", ["limit", "nothing to send"])
def test_what_is_known_here_is_checked_before_the_server_is_asked(node: Node, obstacle: str, testing: bool) -> None:
    """Whoever has used up the week does not trouble the data centre night after night."""
    node.centre = None  # type: ignore[assignment]  # so asking it anything is an error
    if obstacle == "limit":
        node.size_gb = 60
    else:
        for path in node.data.iterdir():
            path.unlink()
    sender = node.sender()
    with pytest.raises(NotSent, match=r"60\.000 GB" if obstacle == "limit" else "no file"):
        (sender.survey.test if testing else sender.send)(node.request)


def test_an_id_that_is_taken_at_the_server_is_not_used(node: Node) -> None:
    """Two nodes draw the same id once; a server that takes all is an error, not a loop."""
    asked: list[str] = []
    node.centre.taken = lambda candidate: asked.append(candidate) or len(asked) == 1
    assert node.sender().send(node.request) == asked[1]
    node.centre.taken = lambda _: True
    (node.data / "d.mseed").write_text("d")
    with pytest.raises(NotSent, match="taken"):
        node.sender().send(node.request)


def test_what_the_configuration_leaves_out_is_said_and_not_listed(node: Node) -> None:
    """The XML lists what arrives."""
    node.centre.excludes = {"c.mseed"}
    transaction_id = node.sender().send(node.request)
    assert sorted(parse(node.centre.xml[transaction_id]).files) == ["data/a.mseed", "data/b.mseed"]
    assert ("LEFTOUT", "not sent: c.mseed: by 'rsync extra args'") in node.said


def test_a_test_changes_nothing(node: Node) -> None:
    """-t finds out what would be sent, and neither the server nor the memory is any different."""
    counter = Counter()
    forecast = node.sender(counter).survey.test(node.request)
    assert (forecast.files, forecast.size_gb, forecast.week.gb, forecast.resumes) == (3, 0.5, 0, None)
    assert (counter.steps, node.centre.files, node.booked()) == ([], {}, [])


def test_an_empty_directory_is_no_transaction(node: Node) -> None:
    """There is nothing that the data centre could analyse."""
    for path in node.data.iterdir():
        path.unlink()
    with pytest.raises(NotSent, match="no file"):
        node.sender().send(node.request)


def test_what_is_complete_and_cannot_be_noted_is_told(node: Node) -> None:
    """Its id is not printed then, and must not get lost."""
    sender = node.sender()
    node.centre.push_xml = lambda *_: node.settings.logbook.mkdir()  # type: ignore[method-assign]
    with pytest.raises(StorageError, match="logbook"):
        sender.send(node.request)
    (intent,) = node.intents.unfinished()
    word, text = node.said[-1]
    assert (word, intent.id in text, "complete at the server" in text) == ("UNFINISHED", True, True)
