"""The configuration of the polling daemon: its keys, the checks between them, the sample, and where it is found."""

import dataclasses
import os
import re
from pathlib import Path
from typing import get_type_hints

import pytest

from ftpretrieve.config import REQUIRED
from ftpretrieve.errors import ConfigError
from ftpretrieve.passwords import Secret
from ftpretrieve.retrieve import appconf
from ftpretrieve.retrieve.appconf import KEYS, AppConf, changed_needing_restart, default_pid_file, find_config

SAMPLE = Path(__file__).parents[2] / "config" / "ftpretrieve.conf.sample"
SETTING = re.compile(r"^(?P<off># )?(?P<name>[a-z_]+) =(?: (?P<text>.*))?$")

REQUIRED_TEXT = {
    "ftp_host": "ftp.example.org",
    "ftp_user": "me",
    "ftp_password": "hunter2",
    "ftp_local_directory": "staging",
    "sync_directory": "sync",
    "journal_file_name": "journal.db",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "a.conf"
    file.touch(0o600)
    return file


def write(file: Path, **texts: str | None) -> Path:
    """Write a configuration with the required keys and `texts`; None leaves a key out."""
    given = {**REQUIRED_TEXT, **texts}
    lines = []
    for section in dict.fromkeys(key.section for key in KEYS):
        lines.append(f"[{section}]")
        for key in KEYS:
            if key.section == section and given.get(key.name) is not None:
                lines.append(f"{key.name} = {given[key.name]}")
    file.write_text("\n".join(lines))
    return file


def problems(file: Path, **texts: str | None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        AppConf(write(file, **texts))
    return caught.value.problems


def test_ten_lines_are_enough(file: Path) -> None:
    """Everything that is not required has a default."""
    conf = AppConf(write(file))
    here = file.parent
    assert conf.config_file == file
    assert (conf.ftp_host, conf.ftp_port, conf.ftp_protocol, conf.ftp_user) == ("ftp.example.org", 21, "ftp", "me")
    assert conf.ftp_password.reveal() == "hunter2"
    assert (conf.ftp_remote_directory, conf.ftp_encoding) == ("", "utf-8")
    assert (conf.ftp_duration_secs, conf.ftp_timeout_secs, conf.settle_secs, conf.ftp_connections) == (300, 60, 5, 2)
    assert (conf.ftp_local_directory, conf.sync_directory) == (here / "staging", here / "sync")
    assert (conf.journal_file_name, conf.journal_table_name) == (here / "journal.db", "files")
    assert conf.publish_directory == here / "sync" / ".ftpretrieve"
    assert (conf.sleep_in_seconds, conf.inter_heartbeat_secs) == (600, 60)
    assert (conf.xml_encoding, conf.on_bad_encoding) == ("", "warn")
    assert conf.encoding_check == ("*.xml", "*.txt", "*.csv")
    assert (conf.include, conf.exclude, conf.recursive) == (("*",), (), False)
    assert (conf.on_conflict, conf.file_mode, conf.keep_mtime) == ("replace", 0o644, True)
    assert (conf.min_free_bytes, conf.journal_keep_days) == (64 * 1024**2, 90)
    assert (conf.daemon_log, conf.daemon_error_log, conf.log_when, conf.log_keep) == (None, None, "midnight", 30)
    assert (conf.server_port, conf.server_shutdown_string) == (None, None)
    assert conf.daemon_pid.name.startswith("a-")


def test_every_key_is_an_attribute_and_every_attribute_a_key() -> None:
    names = [key.name for key in KEYS]
    assert len(set(names)) == len(names)
    assert {*names, "config_file"} == {field.name for field in dataclasses.fields(AppConf)}


def test_secrets_are_marked_as_such() -> None:
    """The mark is what keeps the value out of errors."""
    hints = get_type_hints(AppConf)
    for key in KEYS:
        assert key.secret == (Secret in (hints[key.name], *getattr(hints[key.name], "__args__", ())))


def test_every_key_is_explained_in_one_sentence_with_its_unit() -> None:
    for key in KEYS:
        assert key.help[0].isupper(), key.name
        assert key.help.endswith("."), key.name
        assert ". " not in key.help, key.name
        if "secs" in key.name or "seconds" in key.name:
            assert "econds" in key.help, key.name


def test_a_configuration_cannot_be_changed(file: Path) -> None:
    conf = AppConf(write(file))
    with pytest.raises(dataclasses.FrozenInstanceError):
        conf.ftp_host = "other"


def test_no_secret_shows_in_the_configuration(file: Path) -> None:
    conf = AppConf(write(file, server_port="2100", server_shutdown_string="stop-it"))
    assert "hunter2" not in repr(conf)
    assert "stop-it" not in repr(conf)
    assert conf.server_shutdown_string is not None
    assert conf.server_shutdown_string.reveal() == "stop-it"


def test_loading_creates_nothing(file: Path) -> None:
    AppConf(write(file))
    assert list(file.parent.iterdir()) == [file]


def test_all_problems_are_told_at_once(file: Path) -> None:
    """Those of single keys and those between keys."""
    found = problems(
        file, ftp_user=None, ftp_port="x", sync_directory="staging", daemon_log="no/log", ftp_protocol="sftp"
    )
    assert [re.sub(r"^.*?\[", "[", problem).split(": ")[0] for problem in found] == [
        "[remote] ftp_user",
        "[remote] ftp_port",
        "[remote] ftp_protocol",
        "[local] sync_directory",
        "[daemon] daemon_log",
    ]


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "directory"),
    [
        ("ftp://h", "h", 21, "me", ""),
        ("FTP://H:2121", "h", 2121, "me", ""),
        ("ftp://you@h:2121/", "h", 2121, "you", ""),
        ("ftp://a%40b@h/in/new/", "h", 21, "a@b", "in/new/"),
        ("ftp://h//data/x", "h", 21, "me", "/data/x"),
        ("ftp://h/%2Fdata", "h", 21, "me", "/data"),
        ("ftp://[::1]:2121/d", "::1", 2121, "me", "d"),
        ("[fe80::1]", "fe80::1", 21, "me", ""),
        ("::1", "::1", 21, "me", ""),
        ("192.0.2.1", "192.0.2.1", 21, "me", ""),
        ("bücher.example", "bücher.example", 21, "me", ""),
    ],
)
def test_the_host_may_be_an_url(file: Path, url: str, host: str, port: int, user: str, directory: str) -> None:
    """Its parts stand for keys that are not given; the directory counts from the login directory."""
    conf = AppConf(write(file, ftp_host=url, ftp_user=None if "@" in url else "me"))
    assert (conf.ftp_host, conf.ftp_port, conf.ftp_user, conf.ftp_remote_directory) == (host, port, user, directory)


def test_keys_of_their_own_win_over_the_url(file: Path) -> None:
    conf = AppConf(write(file, ftp_host="ftp://you@h:1/d", ftp_port="2", ftp_user="me", ftp_remote_directory="/e/"))
    assert (conf.ftp_host, conf.ftp_port, conf.ftp_user, conf.ftp_remote_directory) == ("h", 2, "me", "/e/")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("h:2121", "write HOST, or ftp://USER@HOST:PORT/DIRECTORY"),
        ("two words", "is not a host"),
        ("h/dir", "is not a host"),
        ("h..org", "is not a host"),
        ("ftp://", "is not a host"),
        ("ftp://h:x", "is not a host"),
        ("ftp://h:99999", "is not a host"),
        ("ftp://[::1", "is not a host"),
        ("ftp://h/a?b", "is not a host"),
        ("ftp://h:0", "give a whole number from 1 to 65535"),
        ("sftp://h", "sftp:// is not supported"),
        ("ftp://h/a%0d%0aDELE b", "control characters"),
    ],
)
def test_a_host_that_is_none_is_told(file: Path, text: str, message: str) -> None:
    (found,) = problems(file, ftp_host=text)
    assert message in found
    assert found.startswith(f"{file}:2: [remote] ")


@pytest.mark.parametrize(
    ("url", "protocol", "port"),
    [
        ("h", "ftp", 21),
        ("ftp://h:990", "ftp", 990),
        ("ftps://h", "ftps", 21),
        ("FTPES://h", "ftps", 21),
        ("ftps://h:2121", "ftps", 2121),
        ("ftps://h:990", "ftps-implicit", 990),
        ("ftpes://h:990", "ftps", 990),
    ],
)
def test_a_url_tells_the_protocol(file: Path, url: str, protocol: str, port: int) -> None:
    """With TLS on request, but for ftps at the port of the other kind."""
    conf = AppConf(write(file, ftp_host=url))
    assert (conf.ftp_host, conf.ftp_protocol, conf.ftp_port) == ("h", protocol, port)


@pytest.mark.parametrize(("protocol", "port"), [("ftps", 21), ("ftps-implicit", 990)])
def test_a_blank_port_is_that_of_the_protocol(file: Path, protocol: str, port: int) -> None:
    assert AppConf(write(file, ftp_protocol=protocol)).ftp_port == port
    assert AppConf(write(file, ftp_protocol=protocol, ftp_port="7")).ftp_port == 7
    assert AppConf(write(file, ftp_protocol=protocol, ftp_host="ftps://h")).ftp_protocol == protocol


def test_a_url_with_tls_and_a_protocol_without_are_told_apart(file: Path) -> None:
    """Neither is taken: one of them is a mistake, and the other would send the password in the clear."""
    (found,) = problems(file, ftp_host="ftps://h", ftp_protocol="ftp")
    assert "ftp_protocol: is ftp, and ftp_host says ftps://" in found


@pytest.mark.parametrize(
    ("name", "text"), [("ftp_ca_file", "some.pem"), ("ftp_client_cert", "some.pem"), ("ftp_tls_verify", "no")]
)
def test_a_key_of_tls_without_tls_is_told(file: Path, name: str, text: str) -> None:
    """Who gives one believes that there is TLS."""
    (found,) = problems(file, **{name: text})
    assert f"[remote] {name}: does nothing with ftp_protocol = ftp" in found


@pytest.mark.parametrize(("name", "text"), [("ftp_client_key", "our.key"), ("ftp_client_key_passphrase", "hunter2")])
def test_what_belongs_to_a_certificate_is_told_without_one(file: Path, name: str, text: str) -> None:
    (found,) = problems(file, ftp_protocol="ftps", **{name: text})
    assert f"[remote] {name}: belongs to a certificate; name that as ftp_client_cert" in found


def test_a_private_key_for_all_eyes_is_refused(file: Path) -> None:
    """Like a password, and one without its certificate too."""
    key = file.parent / "client.key"
    key.touch(0o640)
    names = {"ftp_protocol": "ftps", "ftp_client_cert": "client.pem", "ftp_client_key": "client.key"}
    assert AppConf(write(file, **names)).ftp_client_key == key
    key.chmod(0o644)
    (found,) = problems(file, **names)
    assert f"ftp_client_key: {key} can be read by others; run: chmod o-rwx {key}" in found
    (found,) = problems(file, ftp_protocol="ftps", ftp_client_cert="client.key")
    assert "ftp_client_cert: " in found
    key.chmod(0o600)
    (found,) = problems(file, ftp_protocol="ftps", ftp_client_key="client.key")
    assert "name that as ftp_client_cert" in found


@pytest.mark.parametrize("url", ["ftp://me:hunter2@h", "ftp://me:hunter2@h:x", "me:hunter2@h", "ftps://me:hunter2@h/"])
def test_a_password_in_the_host_is_refused_and_not_shown(file: Path, url: str) -> None:
    assert "hunter2" not in "\n".join(problems(file, ftp_host=url))


@pytest.mark.parametrize(
    ("name", "good", "value"),
    [
        ("ftp_protocol", "FTP", "ftp"),
        ("ftp_connections", "32", 32),
        ("ftp_passive", "no", False),
        ("ftp_pasv_address", "Server", "server"),
        ("ftp_active_ports", "40000-40100", (40_000, 40_100)),
        ("ftp_active_ports", "40000 - 40000", (40_000, 40_000)),
        ("ftp_active_ports", "", None),
        ("ftp_active_address", "203.0.113.7", "203.0.113.7"),
        ("ftp_rate_limit", "500 KiB", 512_000),
        ("ftp_rate_limit", "1 MB/s", 1_000_000),
        ("ftp_rate_limit", "", 0),
        ("ftp_duration_secs", "0.5", 0.5),
        ("settle_secs", "0", 0.0),
        ("sleep_in_seconds", "10 min", 600.0),
        ("ftp_remote_directory", "/data/in/", "/data/in/"),
        ("ftp_remote_directory", "'BANK.OUT.'", "'BANK.OUT.'"),
        ("ftp_remote_directory", "'BANK.LIB'", "'BANK.LIB'"),
        ("done_suffix", ".done", ".done"),
        ("journal_table_name", "_Select9", "_Select9"),
        ("xml_encoding", "cp1252", "cp1252"),
        ("on_bad_encoding", "Reject", "reject"),
        ("exclude", "*.tmp '* *'", ("*.tmp", "* *")),
        ("recursive", "YES", True),
        ("on_conflict", "keep", "keep"),
        ("file_mode", "600", 0o600),
        ("file_mode", "0o640", 0o640),
        ("min_free_bytes", "0", 0),
        ("min_free_bytes", "1.5 GiB", 3 * 2**29),
        ("log_when", "MIDNIGHT", "midnight"),
        ("log_when", "w6", "W6"),
        ("server_port", "65535", 65_535),
    ],
)
def test_a_good_value_is_taken(file: Path, name: str, good: str, value: object) -> None:
    assert getattr(AppConf(write(file, **{name: good})), name) == value


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("ftp_port", "0"),
        ("ftp_protocol", "sftp"),
        ("ftp_tls_verify", "maybe"),
        ("ftp_connections", "33"),
        ("ftp_pasv_address", "192.0.2.1"),
        ("ftp_active_ports", "40000"),
        ("ftp_active_ports", "40100-40000"),
        ("ftp_active_ports", "20-21"),
        ("ftp_active_ports", "40000-70000"),
        ("ftp_active_address", "router.example.org"),
        ("ftp_active_address", "2001:db8::1"),
        ("ftp_rate_limit", "fast"),
        ("ftp_connections", "1.5"),
        ("ftp_duration_secs", "0"),
        ("ftp_duration_secs", "-1"),
        ("ftp_timeout_secs", "25 days"),
        ("sleep_in_seconds", "0"),
        ("ftp_encoding", "utf-9"),
        ("xml_encoding", "base64"),
        ("on_bad_encoding", "delete"),
        ("journal_table_name", "sqlite_x"),
        ("journal_table_name", "files_meta"),
        ("journal_table_name", 'files"; --'),
        ("journal_table_name", "1st"),
        ("journal_table_name", "x" * 64),
        ("recursive", "maybe"),
        ("file_mode", "rw-r--r--"),
        ("file_mode", "0888"),
        ("file_mode", "4755"),
        ("min_free_bytes", "much"),
        ("journal_keep_days", "0"),
        ("log_when", "noon"),
        ("log_keep", "-1"),
        ("server_port", "65536"),
        ("ftp_user", "'me'"),
        ("ftp_remote_directory", "'outgoing'"),
        ("ftp_remote_directory", '"/data/in.new"'),
        ("ftp_remote_directory", "'/data/in.new'"),
        ("settle", "poll"),
        ("min_age_secs", "-5"),
        ("done_suffix", "/.done"),
        ("done_suffix", "*.done"),
        ("ftp_verify_hash", "md5"),
    ],
)
def test_a_bad_value_is_told_with_line_and_key(file: Path, name: str, bad: str) -> None:
    (found,) = problems(file, **{name: bad})
    line = file.read_text().splitlines().index(f"{name} = {bad}") + 1
    assert re.match(
        rf"{re.escape(str(file))}:{line}: \[\w+\] {name}: value {re.escape(repr(bad)[:60])}.* .*; \w", found
    ), found


@pytest.mark.parametrize("name", [key.name for key in KEYS if key.default is REQUIRED])
def test_required_keys_may_be_neither_missing_nor_blank(file: Path, name: str) -> None:
    assert "is missing" in problems(file, **{name: None})[0]
    assert "is empty" in problems(file, **{name: ""})[0]


@pytest.mark.parametrize(
    ("staging", "sync", "is_good"),
    [
        ("d", "d", False),
        ("d", "d/sync", False),
        ("link", "d", False),
        ("link", "d/sync", False),
        ("d/staging", "d", True),
        ("d", "d2", True),
    ],
    ids=["the same", "sync inside staging", "the same by a link", "inside by a link", "staging inside sync", "beside"],
)
def test_consumers_must_not_see_staging(file: Path, staging: str, sync: str, is_good: bool) -> None:
    (file.parent / "d").mkdir()
    (file.parent / "link").symlink_to("d")
    texts = {"ftp_local_directory": staging, "sync_directory": sync}
    if is_good:
        assert AppConf(write(file, **texts)).sync_directory == file.parent / sync
    else:
        (found,) = problems(file, **texts)
        assert "[local] sync_directory: " in found
        assert "is the staging directory" in found


def test_the_publish_directory_is_not_the_sync_directory(file: Path) -> None:
    (found,) = problems(file, publish_directory="sync/.")
    assert "[local] publish_directory: " in found


@pytest.mark.parametrize("name", ["daemon_log", "daemon_error_log"])
def test_the_directory_of_a_log_must_exist(file: Path, name: str) -> None:
    (found,) = problems(file, **{name: "logs/x.log"})
    assert f"[daemon] {name}: the directory of {file.parent}/logs/x.log does not exist" in found
    (file.parent / "logs").mkdir()
    assert getattr(AppConf(file), name) == file.parent / "logs" / "x.log"


def test_the_remote_directory_can_be_given_by_the_command_line(file: Path) -> None:
    """None and '' leave the one of the file, and the file's own configuration stays as it is."""
    conf = AppConf(write(file, ftp_remote_directory="/a"))
    assert conf.with_remote_directory(None) == conf.with_remote_directory("") == conf
    other = conf.with_remote_directory("/b")
    assert (conf.ftp_remote_directory, other.ftp_remote_directory) == ("/a", "/b")
    assert dataclasses.fields(other) == dataclasses.fields(conf)
    assert other.ftp_host == conf.ftp_host
    with pytest.raises(ConfigError, match="control characters"):
        conf.with_remote_directory("/b\r\nDELE x")


def test_a_reload_names_the_keys_that_need_a_restart(file: Path) -> None:
    """In the order of the table, secrets by how they are written, defaults by what they come to."""
    old = AppConf(write(file, sleep_in_seconds="1", server_shutdown_string="a"))
    assert changed_needing_restart(old, AppConf(file)) == []
    changed = {"journal_table_name": "t", "log_when": "H", "server_shutdown_string": "b", "server_port": "7"}
    new = AppConf(write(file, sleep_in_seconds="2", ftp_password="new", **changed))
    assert changed_needing_restart(old, new) == [
        "journal_table_name",
        "log_when",
        "server_port",
        "server_shutdown_string",
    ]


def test_each_configuration_has_its_own_pid_file_by_whatever_path(tmp_path: Path) -> None:
    """Start and stop may name the file differently, and two daemons must not share one."""
    run = tmp_path / "run"
    run.mkdir()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.conf").touch()
    (tmp_path / "link.conf").symlink_to("a/x.conf")

    def pid_file(config: str) -> Path:
        return default_pid_file(tmp_path / config, tmp_path / "journal", run)

    assert pid_file("a/x.conf") == pid_file("a/../a/x.conf") == pid_file("link.conf")
    assert pid_file("a/x.conf") != pid_file("b/x.conf")
    assert re.fullmatch(r"x-[0-9a-f]{8}\.pid", pid_file("a/x.conf").name)
    assert pid_file("a/x.conf").parent == run
    assert list(run.iterdir()) == []


def test_a_pid_file_that_exists_is_the_one(tmp_path: Path) -> None:
    """Root and the daemon's own user may write to different places, and must mean the same daemon."""
    run, journal = tmp_path / "run", tmp_path / "journal"
    run.mkdir()
    journal.mkdir()
    name = default_pid_file(tmp_path / "x.conf", journal, run).name
    (journal / name).touch()
    assert default_pid_file(tmp_path / "x.conf", journal, run) == journal / name
    (run / name).touch()
    assert default_pid_file(tmp_path / "x.conf", journal, run) == run / name


def test_the_pid_file_is_beside_the_journal_where_there_is_no_run_directory(tmp_path: Path) -> None:
    assert default_pid_file(tmp_path / "x.conf", tmp_path, tmp_path / "no" / "run").parent == tmp_path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The four places of a configuration, each with a file in it."""
    monkeypatch.setattr(appconf, "SYSTEM_CONFIG", tmp_path / "etc" / "ftpretrieve.conf")
    found = {
        "explicit": tmp_path / "explicit.conf",
        "named": tmp_path / "named.conf",
        "user": tmp_path / "home" / ".config" / "ftpretrieve" / "ftpretrieve.conf",
        "system": tmp_path / "etc" / "ftpretrieve.conf",
    }
    for place in found.values():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    return found


def test_the_configuration_is_sought_from_the_nearest_to_the_farthest(places: dict[str, Path], tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "home"), "FTPRETRIEVE_CONFIG": str(places["named"])}
    assert find_config(str(places["explicit"]), environ) == places["explicit"]
    assert find_config(None, environ) == places["named"]
    del environ["FTPRETRIEVE_CONFIG"]
    assert find_config(None, environ) == places["user"]
    assert find_config(None, {**environ, "XDG_CONFIG_HOME": "relative"}) == places["user"]
    assert find_config(None, {**environ, "XDG_CONFIG_HOME": str(tmp_path / "home" / ".config")}) == places["user"]
    places["user"].unlink()
    assert find_config(None, environ) == places["system"]


def test_without_a_configuration_the_places_are_named(places: dict[str, Path], tmp_path: Path) -> None:
    places["user"].unlink()
    places["system"].unlink()
    with pytest.raises(ConfigError) as caught:
        find_config(None, {"HOME": str(tmp_path / "home")})
    for said in ("-c", "$FTPRETRIEVE_CONFIG", str(places["user"]), str(places["system"])):
        assert said in str(caught.value)


def test_a_configuration_that_is_named_is_not_replaced_by_another(places: dict[str, Path], tmp_path: Path) -> None:
    """Falling back would poll another server."""
    missing = tmp_path / "missing.conf"
    for explicit, environ in ((str(missing), {}), (None, {"FTPRETRIEVE_CONFIG": str(missing)})):
        assert find_config(explicit, environ) == missing
    with pytest.raises(ConfigError, match="there is no such configuration file"):
        AppConf(missing)


def sample_settings() -> list[re.Match[str]]:
    return [match for line in SAMPLE.read_text().splitlines() if (match := SETTING.match(line))]


def sample_in(directory: Path, text: str) -> Path:
    """Put the text of the sample, with its directories below `directory`, into a file."""
    for name in ("/etc", "/var/lib", "/var/log"):
        (directory / name[1:] / "ftpretrieve").mkdir(parents=True)
        text = text.replace(f"{name}/ftpretrieve", f"{directory}{name}/ftpretrieve")
    file = directory / "ftpretrieve.conf"
    file.write_text(text)
    return file


def test_the_sample_has_every_key_once_and_no_other() -> None:
    assert sorted(match["name"] for match in sample_settings()) == sorted(key.name for key in KEYS)


def test_the_sample_shows_defaults_in_comments_and_sets_what_is_required() -> None:
    texts = {match["name"]: (bool(match["off"]), match["text"] or "") for match in sample_settings()}
    for key in KEYS:
        is_comment, text = texts[key.name]
        if key.default is REQUIRED:
            assert not is_comment, key.name
        if is_comment:
            assert text == key.default, key.name


def test_the_sample_loads_as_it_is(tmp_path: Path) -> None:
    """Readable by all, as a copy is, because its password is in another file."""
    file = sample_in(tmp_path, SAMPLE.read_text())
    file.chmod(0o644)
    conf = AppConf(file)
    assert conf.daemon_log == tmp_path / "var/log/ftpretrieve/ftpretrieve.log"
    assert conf.ftp_password.kind == "file"


def test_the_sample_loads_alike_with_every_key_uncommented(tmp_path: Path) -> None:
    """So each comment names its key in the right section, with its default."""
    conf = AppConf(sample_in(tmp_path, SAMPLE.read_text()))
    text = SAMPLE.read_text().splitlines()
    uncommented = "\n".join(line.removeprefix("# ") if SETTING.match(line) else line for line in text)
    (tmp_path / "second").mkdir()
    second = sample_in(tmp_path / "second", uncommented)
    os.replace(second, conf.config_file)
    for name in ("/etc", "/var/lib", "/var/log"):
        text = conf.config_file.read_text().replace(f"{tmp_path}/second{name}", f"{tmp_path}{name}")
        conf.config_file.write_text(text)
    assert AppConf(conf.config_file) == conf
