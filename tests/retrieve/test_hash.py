"""Digests that a server tells: read in every shape they come in, and never held against a file when unclear."""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.errors import SessionExpired
from ftpretrieve.retrieve.ftp_hash import ALGORITHMS, Method, choose, read_reply
from tests.faultserver import Conversation, FaultServer, says
from tests.mailboxes import make_mailbox, poll_ftp
from tests.retrieve.attack import OLD, Attack
from tests.retrieve.world import World
from tests.servers import UNPACKED

CONTENT = b"hello world"
DIGESTS = {
    **{name: hashlib.new(name.replace("-", ""), CONTENT).hexdigest() for name in ALGORITHMS if name != "CRC32"},
    "CRC32": f"{zlib.crc32(CONTENT):08x}",
}
SHA256, SHA1, MD5, CRC = (DIGESTS[name] for name in ("SHA-256", "SHA-1", "MD5", "CRC32"))

FEATURES: list[tuple[list[str], Method | None]] = [
    ([], None),
    ([" SIZE", " MDTM"], None),
    ([" HASH CRC32;MD5;SHA-1*;SHA-256;SHA-512;"], Method("HASH", "SHA-256", selects=True)),  # proftpd
    ([" HASH SHA-256*;SHA-1"], Method("HASH", "SHA-256")),
    ([" HASH MD5;CRC32*", " XSHA256"], Method("XSHA256", "SHA-256")),
    ([" HASH WHIRLPOOL*"], None),
    ([" XCRC filename;start;end", " XMD5 filename;start;end"], Method("XMD5", "MD5")),  # Serv-U
    ([" xsha1", " xsha"], Method("XSHA1", "SHA-1")),
    ([" XSHA"], Method("XSHA", "SHA-1")),
    ([' XCRC "filename" SP EP'], Method("XCRC", "CRC32")),
    ([" MD5", " XCRC"], Method("MD5", "MD5")),
    ([" XSHA512", " XMD5"], Method("XSHA512", "SHA-512")),
]


@pytest.mark.parametrize(("features", "method"), FEATURES)
def test_the_strongest_offered_way_is_chosen(features: list[str], method: Method | None) -> None:
    assert choose(features) == method


HASH, XSHA1, XCRC, MD5_COMMAND = (
    Method("HASH", "SHA-256"),
    Method("XSHA1", "SHA-1"),
    Method("XCRC", "CRC32"),
    Method("MD5", "MD5"),
)

REPLIES: list[tuple[Method, str, tuple[str, str] | None]] = [
    (HASH, f"213 SHA-256 0-10 {SHA256} a.xml", ("SHA-256", SHA256)),
    (HASH, f"213-Computing SHA-256 digest\n213 SHA-256 0-11 {SHA256} a.xml", ("SHA-256", SHA256)),  # proftpd 1.3.8
    (HASH, f"213 SHA-1 0-11 {SHA1.upper()} a.xml", ("SHA-1", SHA1)),  # OPTS was not understood
    (HASH, f"213 SHA-256 0-5 {SHA256} a.xml", None),
    (HASH, f"213 SHA-256 3-11 {SHA256} a.xml", None),
    (HASH, f"213 SHA-256 0-11 {SHA1} a.xml", None),
    (HASH, f"213 TIGER 0-11 {SHA256} a.xml", None),
    (HASH, f"213 {SHA256}", ("SHA-256", SHA256)),
    (XSHA1, f"250-Computing SHA1 digest\n250 {SHA1.upper()}", ("SHA-1", SHA1)),  # proftpd 1.3.8
    (XSHA1, f"250 {SHA1}", ("SHA-1", SHA1)),
    (XSHA1, f'250 "a.xml" {SHA1}', ("SHA-1", SHA1)),
    (XSHA1, f"250 {SHA1} a.xml", ("SHA-1", SHA1)),
    (XSHA1, f"250 /home/u/a.xml {SHA1}", ("SHA-1", SHA1)),
    (XSHA1, f"250-{SHA1}\n250 done", ("SHA-1", SHA1)),
    (XSHA1, f"250 {SHA1} and {'0' * 40}", None),
    (XSHA1, f"250 {SHA1[:-1]}", None),
    (XSHA1, "250 done", None),
    (XSHA1, "", None),
    (XSHA1, f"550 {SHA1}", None),
    (XSHA1, f"350 {SHA1}", None),
    (MD5_COMMAND, f"251-Computing MD5 digest\n251 a.xml {MD5.upper()}", ("MD5", MD5)),  # proftpd 1.3.8
    (MD5_COMMAND, f'251 "a.xml" {MD5}', ("MD5", MD5)),
    (XCRC, f"250-Computing CRC32 digest\n250 {CRC.upper()}", ("CRC32", CRC)),  # proftpd 1.3.8
    (XCRC, f"250 0x{CRC}", ("CRC32", CRC)),
    (XCRC, f"250 {CRC.lstrip('0').upper()}", ("CRC32", CRC)),  # a number without its leading zero
    (XCRC, "250 0", ("CRC32", "00000000")),
    (XCRC, "250 successful", None),
]


@pytest.mark.parametrize(("method", "reply", "told"), REPLIES)
def test_replies_are_read_in_every_shape(method: Method, reply: str, told: tuple[str, str] | None) -> None:
    """A digest of the right length for the whole file, or nothing."""
    assert read_reply(reply, method, "a.xml", len(CONTENT)) == told


NAMES = [CRC, CRC.upper(), "deadbeef", "a", "0", "250", "(x)+[y]", 'q"uote', "x" * 300]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", ["250 {0}", "250 {1} {0}", '250 "{1}" {0}', "250 /x/{1} {0}", "250 {0} {1}"])
def test_a_name_is_not_taken_for_a_digest(name: str, shape: str) -> None:
    """Also when it looks like one, or is one."""
    assert read_reply(shape.format(CRC, name), XCRC, name, None) in (("CRC32", CRC), None)
    assert read_reply(f"250 {CRC}", XCRC, name, None) == ("CRC32", CRC)


def test_commands_with_a_range_get_names_with_blanks_in_quotes() -> None:
    """Else `report 1 2` would be a part of `report`."""
    assert XCRC.line("report 1 2") == 'XCRC "report 1 2"'
    assert XCRC.line('a "b" 2') is None
    assert HASH.line("report 1 2") == "HASH report 1 2"


# -- polls ------------------------------------------------------------------------------------------------------------


def test_content_that_is_not_the_servers_is_discarded_and_fetched_again(make_world: Callable[..., World]) -> None:
    """It counts as failed, with both digests; once they agree it is delivered."""
    world = make_world(verify_hash=True)
    world.server.put(b"a", b"one", world.clock.now() - 400_000)
    world.server.put(b"b", b"two", world.clock.now() - 400_000)
    honest = world.server.digest
    world.server.digest = lambda name: ("MD5", "0" * 32) if name == b"a" else honest(name)  # type: ignore[method-assign]
    result = world.poll()
    assert (result.delivered, result.failed) == (1, 1)
    assert any('reason="hash differs: MD5 0000' in line for line in world.lines if line.startswith("FILEFAILED"))
    assert world.consume() == ["b"]
    world.server.digest = honest  # type: ignore[method-assign]
    world.settle()
    assert world.got == {("a", b"one"): 1, ("b", b"two"): 1}


def test_nothing_is_asked_unless_told_to(make_world: Callable[..., World]) -> None:
    """It costs the server a read of each file."""
    world = make_world()
    world.server.put(b"a", b"one", world.clock.now() - 400_000)
    world.poll()
    assert world.server.calls["digests"] == 0


def test_a_session_that_ends_over_a_digest_keeps_the_file(make_world: Callable[..., World]) -> None:
    """It arrived, and the next session settles it without a second download."""
    world = make_world(verify_hash=True)
    world.server.put(b"a", b"one", world.clock.now() - 400_000)
    world.server.on["digests"] = lambda _: world.clock.advance(400)
    assert isinstance(world.poll().error, SessionExpired)
    assert world.states() == {"arrived": 1}
    del world.server.on["digests"]
    assert world.poll_again().delivered == 1
    assert world.server.calls["retr"] == 1


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer({b"a.xml": (CONTENT, OLD), b"b c 1 2": (CONTENT * 2, OLD)}) as server:
        yield server


def offers(server: FaultServer, feature: str) -> None:
    feat = f"211-Features:\r\n MLST type*;size*;modify*;\r\n SIZE\r\n MDTM\r\n REST STREAM\r\n {feature}\r\n211 End"
    server.scripts["FEAT"] = says(feat)


def crc(server: Conversation, argument: str) -> None:
    content = server.server.files[argument.strip('"').encode()][0]
    server.reply(f"250-computing\r\n250 {argument} {zlib.crc32(content):08X}")


def test_every_command_gets_its_digest_computed_here(server: FaultServer, tmp_path: Path) -> None:
    """CRC32 is not in hashlib, and is compared all the same."""
    offers(server, "XCRC filename;start;end")
    server.scripts["XCRC"] = crc
    with Attack(tmp_path, server, verify_hash=True) as attack:
        assert attack.poll().delivered == 2
        assert not attack.said("HASHUNAVAILABLE")
        assert 'XCRC "b c 1 2"' in server.commands


def test_a_wrong_digest_delivers_nothing(server: FaultServer, tmp_path: Path) -> None:
    offers(server, "HASH SHA-256;SHA-1*")
    server.scripts["OPTS"] = says("200 SHA-256")
    server.scripts["HASH"] = lambda talk, name: talk.reply(f"213 SHA-256 0-10 {'0' * 64} {name}")
    with Attack(tmp_path, server, verify_hash=True) as attack:
        result = attack.poll()
        assert (result.delivered, result.failed) == (1, 1)  # the range is not all of the other file
        assert attack.synced() == {b"b c 1 2": CONTENT * 2}
        assert "OPTS HASH SHA-256" in server.commands
        assert attack.said("FILEFAILED", "name=a.xml", "hash differs: SHA-256")


@pytest.mark.parametrize(
    "reply", ["550 no", "504 not that", "500 what?", "450 later", "250 done", "213 SHA-256 0-3 00 x"]
)
def test_a_server_that_cannot_tell_gets_its_files_delivered(reply: str, server: FaultServer, tmp_path: Path) -> None:
    """As without, and said once a session."""
    offers(server, "HASH SHA-256*")
    server.scripts["HASH"] = says(reply)
    with Attack(tmp_path, server, verify_hash=True) as attack:
        assert attack.poll().delivered == 2
        assert len([line for line in attack.lines if line.startswith("HASHUNAVAILABLE")]) == 1


def test_a_server_that_offers_nothing_gets_its_files_delivered(server: FaultServer, tmp_path: Path) -> None:
    with Attack(tmp_path, server, verify_hash=True) as attack:
        assert attack.poll().delivered == 2
        assert len([line for line in attack.lines if line.startswith("HASHUNAVAILABLE")]) == 1


def hangs(talk: Conversation, _: str) -> None:
    talk.server.stopped.wait()


@pytest.mark.parametrize("script", [hangs, lambda *_: False], ids=["silent", "closes"])
def test_a_connection_lost_over_a_digest_costs_no_file(script: object, server: FaultServer, tmp_path: Path) -> None:
    """No session is spent on asking again and again."""
    offers(server, "XMD5")
    server.scripts["XMD5"] = script  # type: ignore[assignment]
    with Attack(tmp_path, server, verify_hash=True) as attack:
        result = attack.poll(10, silence_secs=0.5)
        assert (result.error, result.delivered) == (None, 2)
        assert attack.said("HASHUNAVAILABLE", "XMD5")
        assert sum(command.startswith("XMD5") for command in server.commands) == 1


@pytest.mark.interop
@pytest.mark.slow
@pytest.mark.parametrize("algorithms", ["all", "crc32", "md5", "sha1", "sha256", "sha512"])
def test_proftpd_tells_the_digests_of_what_arrives(
    make_server: Callable[..., Any], tmp_path: Path, algorithms: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its mod_digest speaks each of the commands; odd names and empty files too."""
    modules = next((path for path in (UNPACKED / "usr/lib/proftpd", Path("/usr/lib/proftpd")) if path.is_dir()), None)
    if modules is None or not (modules / "mod_digest.so").exists():
        pytest.skip("mod_digest of proftpd is missing: neither installed nor unpacked by scripts/test")
    extra = [f"ModulePath {modules}", "LoadModule mod_digest.c", "DigestEngine on", f"DigestAlgorithms {algorithms}"]
    server = make_server("proftpd", extra=extra)
    names = (b"a.xml", b"b c 1 2", b"gr\xfc\xdf", b"empty")
    for name in names:
        server.put(name, b"" if name == b"empty" else name * 1000, 1_700_000_000)
    mailbox = make_mailbox(tmp_path, verify_hash=True)
    with caplog.at_level("INFO"):
        assert poll_ftp(mailbox, server).delivered == len(names)
    assert "HASHUNAVAILABLE" not in caplog.text
    mailbox.journal.close()
