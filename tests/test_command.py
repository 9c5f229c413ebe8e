"""The door to other programs that work for hours: their lines, their end, and that nothing of them is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftpretrieve import guard
from ftpretrieve.command import LINE_BYTES, Finished, stream
from ftpretrieve.errors import CommandFailed

GRACE_SECS = 0.2
LONG_SECS = 600.0  # a limit that nothing gets to
CHECKOUT = Path(__file__).parent.parent

# Has a child in another session (as lftp's ssh), one whose parent has ended, and one that ignores SIGTERM.
FAMILY = """
setsid sleep {token} &
(setsid sh -c 'trap "" TERM; sleep {token}; sleep {token}' &)
sh -c 'trap "" TERM; sleep {token}' &
echo ready
"""


@pytest.fixture
def token() -> str:
    """Return a number of seconds that only this test sleeps, so that its processes can be told from others."""
    return f"{300 + os.getpid()}.{time.monotonic_ns()}"


def alive(token: str) -> list[str]:
    """Return the command lines of the processes that have the token, zombies too (as their names only)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = stat.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if token in line and "guard.py" not in line:
            found.append(line)
    return found


def zombies_of(pid: int) -> list[str]:
    """Return the children of a process that have ended and were not waited for."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text(errors="replace").rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if (state, parent) == ("Z", str(pid)):
            found.append(path.parent.name)
    return found


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)  # the limit of the test is the limit


@pytest.fixture(autouse=True)
def no_zombie() -> Iterator[None]:
    """Hold after every test that we have buried our children."""
    yield
    assert zombies_of(os.getpid()) == []


def shell(script: str, **options: object) -> Finished:
    arguments: dict[str, object] = {"timeout_secs": LONG_SECS, "grace_secs": GRACE_SECS, **options}
    return stream(["sh", "-c", script], **arguments)  # type: ignore[arg-type]


def until_its_limit(script: str, **options: object) -> Finished:
    """Run it until its limit, which must not come before its first word: it gets more time on a busy machine."""
    secs = 0.5
    while not (finished := shell(script, timeout_secs=secs, **options)).output:
        secs *= 2
    return finished


def python(script: str, **options: object) -> Finished:
    arguments: dict[str, object] = {"timeout_secs": LONG_SECS, "grace_secs": GRACE_SECS, **options}
    return stream([sys.executable, "-c", script], **arguments)  # type: ignore[arg-type]


# -- what it says -----------------------------------------------------------------------------------------------------


def test_both_outputs_come_in_the_order_in_which_they_were_written() -> None:
    assert shell("echo 1; echo 2 >&2; echo 3; echo 4 >&2; exit 3") == Finished(3, False, ("1", "2", "3", "4"))


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        pytest.param("", (), id="nothing"),
        pytest.param("printf 'a\\nb'", ("a", "b"), id="no end of line at the end"),
        pytest.param("printf '\\n\\na\\n\\n'", ("", "", "a", ""), id="empty lines"),
        pytest.param(
            "printf 'a\\r\\nb\\013c\\302\\205d\\n'", ("a\r", "b\x0bc\x85d"), id="only a line feed ends a line"
        ),
        pytest.param("printf 'caf\\351\\n'", ("caf\udce9",), id="no UTF-8"),
    ],
)
def test_lines_are_what_was_printed(script: str, lines: tuple[str, ...]) -> None:
    heard: list[str] = []
    assert shell(script, on_line=heard.append).output == lines
    assert tuple(heard) == lines


def test_a_carriage_return_ends_a_line_when_that_is_asked_for(tmp_path: Path) -> None:
    """What is drawn over is heard while the program still works: it ends only because its figures were heard."""
    answer, heard = tmp_path / "answer", list[str]()

    def hear(line: str) -> None:
        heard.append(line)
        if "1 %" in line:
            answer.touch()

    script = f"printf '\\r 1 %%\\r'; while [ ! -e {answer} ]; do sleep 0.01; done; printf '\\r 2 %%\\n'"
    finished = shell(script, on_line=hear, carriage_returns=True)
    assert finished.output == tuple(heard) == ("", " 1 %", "", " 2 %")


def test_a_line_is_handed_over_while_the_program_still_works(tmp_path: Path) -> None:
    """The program ends only because its line was heard."""
    answer = tmp_path / "answer"
    finished = shell(f"echo hello; while [ ! -e {answer} ]; do sleep 0.01; done", on_line=lambda _: answer.touch())
    assert finished == Finished(0, False, ("hello",))


@pytest.mark.parametrize("length", [LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1, 3 * LINE_BYTES, 30_000_000])
@pytest.mark.parametrize("end", ["\n", "\nnext\n", ""], ids=["it ends", "another follows", "the output ends"])
def test_of_a_line_longer_than_any_honest_one_the_beginning_is_kept(length: int, end: str) -> None:
    """However it was read; and the rest looks like no line of its own."""
    line = ("0123456789" * (length // 10 + 1))[:length]
    words = f"import sys; sys.stdout.write(('0123456789' * {length // 10 + 1})[:{length}] + {end!r})"
    assert python(words).output == (line[:LINE_BYTES], *end.split())


def test_a_letter_of_many_bytes_may_be_cut() -> None:
    """What is left of it is no UTF-8, and can be printed all the same, as such bytes in names of files can."""
    (line,) = python(f"print('x' + 'ü' * {LINE_BYTES // 2})", env={**os.environ, "PYTHONUTF8": "1"}).output
    assert os.fsencode(line) == (b"x" + "ü".encode() * (LINE_BYTES // 2))[:LINE_BYTES]


PEAK = """
import re, sys
from ftpretrieve.command import stream
megabytes, keep_lines, heard = sys.argv[1], int(sys.argv[2]), 0
def hear(line):
    global heard
    heard += len(line)
writer = "import os; [os.write(1, bytes(1_000_000)) for _ in range(" + megabytes + ")]"
stream([sys.executable, "-c", writer], timeout_secs=60.0, on_line=hear, keep_lines=keep_lines)
assert heard == 65_536
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


def test_an_endless_line_does_not_fill_the_memory() -> None:
    """VmHWM: the highest memory of a process since its exec; that of getrusage would be ours, if that was higher."""

    def peak_kb(megabytes: int) -> int:
        argv = [sys.executable, "-c", PEAK, str(megabytes), "5"]
        return int(subprocess.run(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, check=True).stdout)

    assert peak_kb(200) - peak_kb(1) < 20_000


@pytest.mark.slow
def test_a_million_lines_come_complete() -> None:
    heard: list[str] = []
    finished = python("print('\\n'.join(map(str, range(1_000_000))))", timeout_secs=LONG_SECS, on_line=heard.append)
    assert heard == [str(number) for number in range(1_000_000)]
    assert finished.output == tuple(heard)


# -- what it gets -----------------------------------------------------------------------------------------------------


def test_standard_input_is_empty_unless_given() -> None:
    assert shell("cat; echo end").output == ("end",)


def test_input_larger_than_a_pipe_arrives_whole_while_output_comes() -> None:
    data = b"".join(b"%d\n" % number for number in range(200_000))
    assert "\n".join(stream(["cat"], timeout_secs=LONG_SECS, stdin=data).output).encode() + b"\n" == data


def test_only_the_last_lines_are_kept_where_that_is_asked_for() -> None:
    """All are handed over."""
    heard: list[str] = []
    assert shell("seq 30000", keep_lines=3, on_line=heard.append).output == ("29998", "29999", "30000")
    assert heard == [str(number) for number in range(1, 30_001)]


def test_a_program_need_not_read_its_input() -> None:
    assert shell("exec <&-; echo done; sleep 0.1", stdin=bytes(10_000_000)) == Finished(0, False, ("done",))


def test_the_environment_is_the_one_given() -> None:
    assert shell("echo $SAID", env={"SAID": "word", "PATH": os.environ["PATH"]}).output == ("word",)


def test_nobody_else_has_the_environment_given() -> None:
    """A password in it must not be in that of the guard, which is the parent of the program."""
    words = (
        "for what in cmdline environ; do tr '\\0' '\\n' < /proc/$PPID/$what | grep -c -e '^SAID=' -e 'guard.py$'; done"
    )
    env = {"SAID": "word", "PATH": os.environ["PATH"]}
    assert shell(f"{words}; echo $SAID", env=env).output == ("1", "0", "word")


@pytest.mark.parametrize("size", [0, 1, 120_000, 1_500_000], ids=str)
def test_an_environment_arrives_whole(size: int) -> None:
    """Also bytes that are no UTF-8, line ends and '='; more than a socket holds."""
    pieces = {f"PIECE{number}": "x" * 100_000 for number in range(size // 100_000)}
    env = {"PATH": os.environ["PATH"], "ODD": "=a\n\udcff\n", "LAST": "y" * (size % 100_000), **pieces}
    done = shell('printf %s "$ODD"; echo; echo ${#LAST}; env | grep -c ^PIECE', env=env)
    assert done.output == ("=a", "\udcff", "", str(size % 100_000), str(len(pieces)))


def test_an_environment_that_the_kernel_does_not_take_is_an_error() -> None:
    """Each variable may have 128 KB. Source: execve(2)."""
    with pytest.raises(CommandFailed, match="too long"):
        shell("true", env={"PATH": os.environ["PATH"], "A": "x" * 200_000})


@pytest.mark.parametrize("env", [{"A=B": ""}, {"": "x"}, {"A": "x\0B=y"}], ids=repr)
def test_what_no_environment_can_hold_is_refused(env: dict[str, str]) -> None:
    """A NUL in a value would make two of one."""
    with pytest.raises(CommandFailed, match="cannot run"):
        shell("true", env=env)


def test_a_program_is_sought_on_the_path_of_the_environment_given(tmp_path: Path) -> None:
    (tmp_path / "only-here").write_text("#!/bin/sh\necho found\n")
    (tmp_path / "only-here").chmod(0o755)
    assert stream(["only-here"], timeout_secs=LONG_SECS, env={"PATH": str(tmp_path)}).output == ("found",)


def test_signals_do_to_the_program_what_they_do_elsewhere() -> None:
    """Python ignores SIGPIPE, and the guard more; a program that inherited that would never stop."""
    assert shell("grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '0\\t\\n'").output == ("SigBlk:SigIgn:",)


def test_only_the_three_usual_descriptors_are_open() -> None:
    assert python("import os; print([n for n in range(3, 100) if os.path.exists(f'/proc/self/fd/{n}')])").output == (
        "[]",
    )


# -- how it ends ------------------------------------------------------------------------------------------------------


def test_the_signal_that_ended_it_is_told() -> None:
    assert shell("kill -KILL $$").code == -signal.SIGKILL


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        pytest.param(["./no-such-program"], "No such file or directory", id="missing"),
        pytest.param(["/"], "Permission denied", id="a directory"),
        pytest.param(["x\0y"], "ValueError", id="NUL"),
    ],
)
def test_what_cannot_be_started_is_told_with_the_reason(argv: list[str], words: str) -> None:
    with pytest.raises(CommandFailed, match=words):
        stream(argv, timeout_secs=LONG_SECS)


def test_at_its_limit_it_is_asked_to_end() -> None:
    """What it says on its way out is kept."""
    finished = until_its_limit("trap 'echo bye; exit 4' TERM; echo hello; while :; do :; done", grace_secs=LONG_SECS)
    assert finished == Finished(4, True, ("hello", "bye"))


def test_who_does_not_end_is_killed() -> None:
    finished = until_its_limit("trap '' TERM; echo hello; while :; do :; done")
    assert finished == Finished(-signal.SIGKILL, True, ("hello",))


def test_without_grace_it_is_never_asked_to_end() -> None:
    finished = until_its_limit("trap 'echo bye' TERM; echo hello; while :; do :; done", grace_secs=0.0)
    assert finished == Finished(-signal.SIGKILL, True, ("hello",))


def test_no_time_left_means_the_end_at_once() -> None:
    assert shell("exec sleep 60", timeout_secs=0.0).timed_out


@pytest.mark.parametrize("after", [pytest.param("", id="it ends"), pytest.param("exec sleep 60", id="it is ended")])
def test_nothing_of_it_is_left(token: str, after: str) -> None:
    """Children in other sessions, orphans, and those that ignore SIGTERM."""
    run = until_its_limit if after else shell
    finished = run(FAMILY.format(token=token) + after)
    assert (finished.timed_out, finished.output) == (bool(after), ("ready",))
    assert alive(token) == []


def test_a_child_that_holds_the_output_open_does_not_hold_us(token: str) -> None:
    assert shell(f"setsid sleep {token} & echo done") == Finished(0, False, ("done",))


def test_what_the_listener_raises_ends_the_program(token: str) -> None:
    def refuse(line: str) -> None:
        raise LookupError(line)

    with pytest.raises(LookupError, match="ready"):
        shell(FAMILY.format(token=token) + "exec sleep 60", on_line=refuse)
    assert alive(token) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_when_we_are_ended_it_is_ended(tmp_path: Path, token: str, number: int) -> None:
    """Also by SIGKILL, when nothing of ours can act any more."""
    script = FAMILY.format(token=token) + "exec sleep 60"
    code = (
        "import sys; from ftpretrieve.command import stream\n"
        "show = lambda line: print(line, flush=True)\n"
        "stream(['sh', '-c', sys.argv[1]], timeout_secs=60, grace_secs=0.2, on_line=show)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=CHECKOUT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        until(lambda: len(alive(token)) >= 3)  # those it left to themselves may not have begun yet
        process.send_signal(number)
        process.wait()
    until(lambda: not alive(token))


def test_when_the_guard_is_killed_the_program_is(tmp_path: Path, token: str) -> None:
    """Its children may stay, for nobody knows them then; but it does not work on unwatched."""
    finished = shell(f"kill -KILL $PPID; exec sleep {token}")
    assert finished.code == -signal.SIGKILL
    until(lambda: not alive(token))


def test_orphans_of_a_program_that_works_are_buried(token: str) -> None:
    """Hours of short-lived orphans must not fill the process table."""
    script = "(true &) ; (true &) ; while ps --ppid $PPID -o stat= | grep -q Z; do sleep 0.05; done; echo buried"
    assert shell(script).output == ("buried",)


def test_descriptors_are_given_back() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        shell("echo x", stdin=b"y")
    with pytest.raises(CommandFailed):
        stream(["./no-such-program"], timeout_secs=LONG_SECS)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_starter_that_sends_no_environment_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was running before an upgrade replaced the guard would wait for it until its own limit."""
    monkeypatch.setattr(guard, "GREETING_SECS", 0.01)
    ours, its = socket.socketpair()
    with ours, its:
        assert guard.receive_environment(its) is None
