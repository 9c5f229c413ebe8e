"""What `doctor` finds out about a server's commands: on real servers, and on one that lacks them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ftpretrieve.retrieve.appconf import AppConf
from ftpretrieve.retrieve.doctor_server import check_server
from tests.faultserver import FaultServer, Script, says

pytestmark = pytest.mark.interop


def check(tmp_path: Path, server: Any, **remote: str) -> dict[str, tuple[str, str, str]]:
    """Return what is found about a server: what -> (level, detail, fix), the first of each."""
    (tmp_path / "sync").mkdir(exist_ok=True)
    keys = {
        "ftp_host": server.host,
        "ftp_port": str(server.port),
        "ftp_user": server.user,
        "ftp_password": server.password,
        "ftp_duration_secs": "20",
        **remote,
    }
    config = tmp_path / "ftpretrieve.conf"
    lines = [f"{key} = {value}" for key, value in keys.items()]
    local = f"ftp_local_directory = {tmp_path}/staging\nsync_directory = {tmp_path}/sync\n"
    config.write_text("\n".join(["[remote]", *lines, "[local]", f"{local}journal_file_name = {tmp_path}/journal.db\n"]))
    config.chmod(0o600)
    found: dict[str, tuple[str, str, str]] = {}
    for finding in check_server(AppConf(config), server.password):
        found.setdefault(finding.what, (str(finding.level), finding.detail, finding.fix))
    return found


def test_every_server_tells_what_it_can(any_server: Any, tmp_path: Path) -> None:
    """A line for each of the things that matter, none of them a warning on a good server."""
    any_server.put("a.xml", b"<a/>")
    found = check(tmp_path, any_server)
    assert {"server", "MLSD", "REST", "UTF8", "hashes", "data connections"} <= found.keys()
    assert {level for level, _, _ in found.values()} == {"ok"}, found
    assert found["MLSD"][1].startswith("not offered" if any_server.software == "vsftpd" else "offered")
    assert found["REST"][1].startswith("known")
    assert "PASV and EPSV" in found["data connections"][1]


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer({b"a.xml": (b"<a/>", "20200102030405")}) as running:
        yield running


LACKS: dict[str, tuple[dict[str, Script], str, str, str]] = {
    "REST": ({"REST": says("502 no")}, "REST", "warn", "not known (502 no)"),
    "FEAT": ({"FEAT": says("500 what?")}, "MLSD", "ok", "not offered by FEAT"),
    "SYST": ({"SYST": says("500 what?")}, "server", "ok", "does not say what it is"),
    "PASV": ({"PASV": says("500 what?")}, "data connections", "ok", "passive, by EPSV"),
    "a PASV that names another host": (
        {"PASV": says("227 Entering Passive Mode (10,1,2,3,200,10)")},
        "data connections",
        "ok",
        "PASV names 10.1.2.3, which is ignored for 127.0.0.1",
    ),
}


@pytest.mark.parametrize(("scripts", "what", "level", "said"), LACKS.values(), ids=LACKS.keys())
def test_what_a_server_lacks_is_told_with_its_cost(
    scripts: dict[str, Script], what: str, level: str, said: str, server: FaultServer, tmp_path: Path
) -> None:
    """Only what cannot be made up for is a warning."""
    server.scripts.update(scripts)
    found = check(tmp_path, server)
    assert found[what][0] == level
    assert said in found[what][1]


def test_digests_that_are_wanted_and_not_offered_are_a_warning(server: FaultServer, tmp_path: Path) -> None:
    """Whoever asks for them should know that nothing is compared."""
    assert check(tmp_path, server, ftp_verify_hash="yes")["hashes"][0] == "warn"
    assert check(tmp_path, server)["hashes"][0] == "ok"


def test_a_server_that_announces_utf_8_is_held_against_the_configuration(
    make_server: Callable[..., Any], tmp_path: Path
) -> None:
    """Names would be shown and matched wrongly."""
    running = make_server("pyftpdlib")
    assert check(tmp_path, running, ftp_encoding="latin-1")["UTF8"][0] == "warn"
    assert check(tmp_path, running, ftp_encoding="UTF-8")["UTF8"][0] == "ok"
