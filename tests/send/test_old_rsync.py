"""An rsync that is as old as it may be, 3.0.6 of 2009: a send and all questions must work with what it has.

No system of today has it, so a script stands before the rsync of this machine: it refuses options that came later in
the words of the old one, does not say which side speaks, and makes both sides speak the protocol of that time.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rsyncd import Rsyncd
from tests.send.running import MINISEED, REAL_RSYNC, Send
from tests.send.test_asking import answer
from tests.send.test_rsync_argv import IN_3_0_6

pytestmark = [pytest.mark.interop, pytest.mark.slow]

SCRIPT = f"""
for word in "$@"; do
    case "${{word%%=*}}" in
        --version) echo "rsync  version 3.0.6  protocol version 30"; exit ;;
        {"|".join(sorted(IN_3_0_6))}) ;;
        --*)
            echo "rsync: $word: unknown option" >&2
            echo "rsync error: syntax or usage error (code 1) at main.c(1407) [client=3.0.6]" >&2
            exit 1 ;;
    esac
done
{{
    {REAL_RSYNC} --protocol=30 "$@" 2>&1 >&3 | sed -u -E 's/^(rsync: )?\\[[A-Za-z]+\\] /\\1/' >&2
    exit "${{PIPESTATUS[0]}}"  # by then all is said
}} 3>&1
"""


@pytest.fixture
def old(send: Send) -> Send:
    """Return the command with that rsync, and something to send."""
    send.program("rsync", SCRIPT)
    send.put_some()
    return send


def test_the_stand_in_is_as_strict_as_the_old_one(old: Send) -> None:
    """Or the other tests would show nothing."""
    argv = [str(old.programs / "rsync"), "--info=progress2", f"{old.data}/", f"{old.home}/copy/"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "rsync: --info=progress2: unknown option" in done.stderr
    done = subprocess.run(
        [argv[0], "--times", f"{old.home}/nothing", "/tmp"], check=False, capture_output=True, text=True
    )
    assert done.stderr.startswith('rsync: link_stat "')


@pytest.mark.parametrize("content", [True, False])
def test_a_send_is_complete(old: Send, content: bool) -> None:
    """Names and times too, which it may spell otherwise; and the next call finds that nothing has changed."""
    for name in ("two words", "new\nline", "#comment", "latin\udce9", "back\\slash", "\\#012", " ", "caf\u00e9"):
        old.put(name, name.encode(errors="surrogateescape"))
    (old.data / "empty").mkdir()
    done = old.send(content=content)
    old.assert_complete(done.id, "" if content else "data/")
    assert "--protocol=30" not in old.log_text()
    assert old.send(content=content).id == done.id


def test_on_a_terminal_it_is_not_asked_how_far_it_is(old: Send) -> None:
    """It does not know the option."""
    screen = old.on_terminal("-s", f"{old.data}/", "-d", MINISEED)
    (id_,) = old.booked()
    assert id_ in screen
    assert "%" not in screen


def test_a_test_says_what_would_go(old: Send) -> None:
    done = old.send("-t")
    assert "files: 3" in done.stdout
    assert old.server.received() == []


def test_an_interrupted_send_goes_on(old: Send) -> None:
    id_ = old.interrupt()
    assert old.run("--resume").id == id_
    old.assert_complete(id_, after_a_kill=True)
    assert [file.path for file in old.server.received()].count(f"{id_}/FR.A.mseed") == 1


def test_the_status_is_asked_for(old: Send) -> None:
    id_, other = old.send().id, old.send("--restart").id
    text = answer(old, id_, 8)
    assert old.run("-r", id_).stdout.rstrip() == text.rstrip()
    assert "finished clean" in old.run("--status", id_).stdout
    pending = old.run("--pending", expect=75).stdout
    assert (other in pending, id_ in pending) == (True, False)


@pytest.mark.parametrize(("password", "server"), [("wrong", {}), (None, {"modules": ["TRANSACTION_XML"]})], ids=str)
def test_what_the_server_refuses_is_named(
    password: str | None, server: dict[str, object], make_rsyncd: Callable[..., Rsyncd], tmp_path: Path
) -> None:
    there = make_rsyncd(**server)
    send = Send(tmp_path / "node", there)
    send.program("rsync", SCRIPT)
    send.configure("my resif node", my_node_password=password or there.password)
    send.put_some()
    assert "'my node " in send.send(expect=1).stderr


def test_a_full_disk_of_the_data_centre_is_told_from_one_here(
    make_rsyncd: Callable[..., Rsyncd], make_disk: Callable[[str], Path], tmp_path: Path
) -> None:
    """By the name of the module alone, for it does not say who speaks."""
    send = Send(tmp_path / "node", make_rsyncd(incoming=make_disk("300k")))
    send.program("rsync", SCRIPT)
    send.put("big", random.Random(1).randbytes(600_000))
    done = send.send(expect=1)
    assert "[receiver]" not in done.said
    assert "the disk of the data centre is full" in done.stderr
