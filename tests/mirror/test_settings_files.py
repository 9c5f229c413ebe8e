"""Jobs out of files: what is understood, what contradicts, where it is said, and which file it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ftpretrieve.errors import ConfigError
from ftpretrieve.mirror import settings
from ftpretrieve.mirror.options import GLOBS
from ftpretrieve.mirror.records import Mail, Protocol
from ftpretrieve.mirror.settings import find_config, read_jobs
from ftpretrieve.mirror.smtp import read_smtp
from tests.mirror.written import ENCODED, SECRET, file_problems, login, section, shell_problems

CHECKOUT = Path(__file__).parent.parent.parent

OLD_FILE = """\
[debian]
site=ftp.debian.org
port=
remote=/debian/doc
local=debian
user=
password=
options = -aenP --exclude-glob '*.txt' --include-glob 'social*'

[FreeBSD]
site=ftp.freebsd.org
remote=/pub/FreeBSD/ERRATA
local=FreeBSD
options=-aenP
"""

pytestmark = pytest.mark.usefixtures("here")


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_file_of_the_older_tool_is_understood(here, write):
    """As it stands: blank and absent keys, quoted patterns, options together."""
    debian, freebsd = read_jobs(write(OLD_FILE))
    assert (debian.name, debian.server.host, debian.remote, debian.local) == (
        "debian", "ftp.debian.org", "/debian/doc", here / "debian",
    )  # fmt: skip
    assert debian.options[GLOBS] == (("exclude", "*.txt"), ("include", "social*"))
    assert (freebsd.name, freebsd.server.host, freebsd.local) == ("FreeBSD", "ftp.freebsd.org", here / "FreeBSD")
    for job in debian, freebsd:
        assert (job.server.user, job.server.password, job.server.port) == (None, None, None)
        assert (job.options["erase"], job.options["newer"], job.options["parallel"]) == (True, True, 2)


def test_sections_are_run_in_the_order_of_the_file(write):
    """Also one that is named cron; the mode cron runs that one only."""
    path = write(section(name="z") + section(name="cron") + section(name="a"))
    assert [job.name for job in read_jobs(path)] == ["z", "cron", "a"]
    assert [job.name for job in read_jobs(path, only="cron")] == ["cron"]


@pytest.mark.parametrize("kind", ["base64", "prefixed", "env", "file"])
def test_the_password_of_a_section_is_base64_or_a_reference(write, monkeypatch, kind):
    """Without a word in front it is base64, as it has always been."""
    monkeypatch.setenv("MIRROR_PASSWORD", SECRET)
    write(SECRET + "\n", "password")
    written = {
        "base64": ENCODED,
        "prefixed": f"base64:{ENCODED}",
        "env": "env:MIRROR_PASSWORD",
        "file": "file:password",
    }
    (job,) = read_jobs(write(section(password=written[kind])))
    assert job.server.password is not None
    assert job.server.password.reveal() == SECRET


def test_a_key_may_be_blank_with_sftp(write):
    """Then SSH uses its keys."""
    (job,) = read_jobs(write(section(site="sftp://host", password="")))
    assert job.server.password is None
    assert file_problems(write(section(password="")))[0].startswith(":1: [one] password: is missing; only SFTP")


def test_every_mistake_is_told_with_its_line(write):
    """All of them, in the order of the file."""
    path = write(
        "[one]\n"
        f"site = ftp://joe:{SECRET}@host/dir\n"
        "prot = 21\n"
        "remote = /r\n"
        "local = /\n"
        f"options = -q --exclude-globb x --smtp-pass {SECRET} {SECRET} -P0\n"
        + section(name="two", password=SECRET + "!", port="0")
        + section("port = 22", "port = 23", name="three", options="'x")
    )  # fmt: skip
    told = file_problems(path)
    places = [re.match(r":(\d+): \[(\w+)\] (\w+)", line).groups() for line in told]  # type: ignore[union-attr]
    assert places == sorted(places, key=lambda place: int(place[0]))
    assert {(line, key) for line, _, key in places} == {
        ("2", "site"), ("3", "prot"), ("5", "local"), ("6", "options"), ("12", "password"), ("13", "port"),
        ("21", "options"), ("23", "port"),
    }  # fmt: skip
    assert sum(line == "6" for line, _, _ in places) == 4


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ": has no section"),
        ("# nothing\n", ": has no section"),
        ("[DEFAULT]\nport = 21\n" + section(), ":1: [DEFAULT] is an unknown section"),
        (section(options="-a"), ":5: [one] user: and -a exclude each other"),
        (section(user="", password=""), ":1: [one] user: is missing"),
        (section(options="-l joe x"), ":7: [one] options: -l: does not belong here; use the keys user and password"),
        (section(options="-p 21", port="22"), ":7: [one] port: is said to be 21 and 22"),
        (section(options="--help"), ":7: [one] options: --help: does not belong here"),
        (section(options=f"--exclude-glob a {SECRET}"), ":7: [one] options: 1 more than the options"),
        (section(options="--smtp-config nowhere"), ":7: [one] options: /"),
        (section(password="file:open"), ":6: [one] password: the password file"),
        (section() + section(), ":8: section [one] was already opened"),
    ],
)  # fmt: skip
def test_what_does_not_fit_in_a_file_is_told_in_its_line(write, text, wanted):
    """With the key to mend."""
    write(SECRET, "open", mode=0o644)
    told = file_problems(write(text))
    assert told[0].startswith(wanted), told


def test_cron_needs_its_section(write):
    """And says which there are."""
    assert file_problems(write(section(name="crno")), only="cron") == [
        ": has no section [cron], but [crno]; rename the one that is meant"
    ]


def test_a_file_is_right_as_a_whole_or_not_at_all(write):
    """A mistake beside the section [cron] is told too, before it is met in the mode cfg."""
    assert file_problems(write(section(name="cron") + section(name="x", port="x")), only="cron")


@pytest.mark.parametrize(
    ("text", "is_warned_of"),
    [
        (section(), True),
        (section(password="env:X"), False),
        (section(user="", password="", options="-a"), False),
        (section(user="", password="", site=f"ftp://joe:{SECRET}@host"), True),
        (section(password="env:X", options=f"--smtp-user joe --smtp-pass {SECRET}"), True),
    ],
    ids=["password", "reference", "none", "in the site", "mail"],
)
def test_a_password_that_others_can_read_is_warned_of(write, text, is_warned_of):
    """Users have had such files for years: it is said each time, but not refused."""
    (job,) = read_jobs(write(text, mode=0o644))
    assert bool(job.notes) is is_warned_of
    assert not is_warned_of or "chmod o-rwx" in job.notes[0]
    (job,) = read_jobs(write(text, mode=0o640))
    assert job.notes == ()


@pytest.mark.parametrize(
    ("outer", "inner", "is_refused"),
    [
        (section(options="-e"), section(name="two", local="one/sub"), True),
        (section(), section(name="two", local="one/sub"), False),
        (section(options="-er"), section(name="two", local="one/sub"), False),
        (section(options="-e"), section(name="two", local="one/sub", options="-r"), True),
        (section(options="-e"), section(name="two", local="one"), True),
        (section(options="-e"), section(name="two", local="one", options="-r"), False),
        (section(options="-e"), section(name="two", local="one-two"), False),
        (section(options="-e"), section(name="two", options="--backup-dir one/x"), True),
        (section(options="--delete-first"), section(name="two", local="one/sub"), True),
    ],
    ids=["inside", "no -e", "upload", "upload from inside", "same", "passed on", "beside", "copies", "delete-first"],
)
def test_no_job_erases_what_another_one_keeps(write, outer, inner, is_refused):
    """Log and copies lie beside LOCAL, where the other one would remove them."""
    for text in (outer + inner, inner + outer):
        if is_refused:
            (problem,) = file_problems(write(text))
            assert "lies where [one] removes (-e)" in problem
        else:
            assert len(read_jobs(write(text))) == 2


def test_tilde_and_relative_paths_of_a_file(here, write, monkeypatch):
    """From the working directory, not from that of the file."""
    monkeypatch.setenv("HOME", "/home/joe")
    (here / "etc").mkdir()
    path = write(section(local="~/x", options="--backup-dir copies"), "etc/mirror.cfg")
    (job,) = read_jobs(path)
    assert (job.local, job.options["backup_dir"]) == (Path("/home/joe/x"), here / "copies")


def test_the_sample_is_right_and_says_every_key():
    """What is commented out there as well."""
    sample = CHECKOUT / "config" / "mirror.cfg.sample"
    assert [job.server.host for job in read_jobs(sample)] == ["ftp.debian.org", "ftp.freebsd.org"]
    text = sample.read_text()
    assert all(re.search(rf"^{key.name} =", text, re.M) for key in settings.KEYS)


def test_the_samples_comments_are_right(write):
    """The section [cron] and the file of --smtp-config, with the marks removed."""
    text = (CHECKOUT / "config" / "mirror.cfg.sample").read_text()
    smtp = "\n".join(line.removeprefix("#   ") for line in re.findall(r"^#   .*", text, re.M))
    password = write(SECRET, "smtp-password")
    path = write(smtp.replace("/etc/ftpretrieve/smtp-password", str(password)), "smtp.cfg")
    mail, notes = read_smtp(path)
    assert (mail.server, mail.recipients, notes) == ("smtp.example.org", ("root", "joe@example.org"), [])
    cron = re.findall(r"^# (\[cron\]|site|remote|local|options)(.*)", text, re.M)
    cron_text = "\n".join("".join(line) for line in cron).replace("/etc/ftpretrieve/smtp.cfg", str(path))
    (job,) = read_jobs(write(cron_text), only="cron")
    assert (job.server.protocol, job.mail) == (Protocol.SFTP, mail)


# -- the mail ---------------------------------------------------------------------------------------------------------


SMTP = "[smtp]\nserver = mail\nport = 587\nuser = joe\npassword = {password}\nfrom = a@b.org\nsecurity = STARTTLS\n"


def test_a_file_says_the_mail_and_other_options_are_ignored(write):
    """Which is said."""
    path = write(SMTP.format(password=SECRET) + "to = x@y.org z\n", "smtp.cfg")
    job = login("--smtp-config", str(path), "--smtp-server", "other", "--to-addrs", "other@y.org")
    mail = job.mail
    assert mail is not None
    assert (mail.server, mail.port, mail.user, mail.sender) == ("mail", 587, "joe", "a@b.org")
    assert (mail.recipients, mail.security) == (("x@y.org", "z"), "starttls")
    assert mail.password is not None
    assert mail.password.reveal() == SECRET
    assert sorted(note.split(":")[0] for note in job.notes) == [
        "--smtp-server is ignored because of --smtp-config",
        "--to-addrs is ignored because of --smtp-config",
    ]


def test_recipients_may_differ_where_the_file_names_none(write):
    """So that several jobs share one login."""
    path = write("[smtp]\nserver = mail\n", "smtp.cfg")
    job = login("--smtp-config", str(path), "--to-addrs", "x@y.org")
    assert job.mail == Mail("mail", recipients=("x@y.org",))
    assert job.notes == ()


@pytest.mark.parametrize(
    ("rows", "server", "port"),
    [
        ("server = mail:2525", "mail", 2525),
        ("server = mail:2525\nport = 2525", "mail", 2525),
        ("server = [::1]:25", "::1", 25),
        ("server = mail\nport = 26", "mail", 26),
    ],
)
def test_a_mail_server_may_name_its_port(write: Callable[..., Path], rows: str, server: str, port: int) -> None:
    mail, _ = read_smtp(write(f"[smtp]\n{rows}\n", "smtp.cfg"))
    assert (mail.server, mail.port) == (server, port)


@pytest.mark.parametrize("rows", ["server = mail:x", "server = mail:2525\nport = 26", "server = a b"])
def test_a_mail_server_that_is_no_place_is_refused(write: Callable[..., Path], rows: str) -> None:
    with pytest.raises(ConfigError, match=r"smtp\.cfg:[23]: "):
        read_smtp(write(f"[smtp]\n{rows}\n", "smtp.cfg"))


def test_a_mail_password_that_others_can_read_is_warned_of(write):
    """As that of a job."""
    path = write(SMTP.format(password=SECRET), "smtp.cfg", mode=0o644)
    assert "chmod o-rwx" in login("--smtp-config", str(path)).notes[0]


def test_a_wrong_file_of_mail_is_a_wrong_configuration(write):
    """With the line in that file; but with other mistakes beside it, it is wrong arguments."""
    path = write("[smtp]\nsever = x\nuser = joe\nsecurity = no\nfrom = @\n", "smtp.cfg")
    with pytest.raises(ConfigError) as caught:
        login("--smtp-config", str(path))
    assert [re.match(r".*smtp.cfg:(\d): ", line)[1] for line in caught.value.problems] == ["2", "3", "4", "5"]  # type: ignore[index]
    assert len(shell_problems("host", "/r", "l", "-a", "--wat", "--smtp-config", str(path))) == 5
    (one, *_) = file_problems(write(section(options="--smtp-config smtp.cfg")))
    assert one.startswith(f":7: [one] options: {path}:2: ")


def test_no_email_needs_no_file():
    """What is not used is not read."""
    assert login("--no-email", "--smtp-config", "nowhere").mail is None


# -- which file -------------------------------------------------------------------------------------------------------


def test_cron_looks_for_its_file_at_the_user_and_the_system(here, monkeypatch):
    """What -c names, else $XDG_CONFIG_HOME or ~/.config, else /etc."""
    monkeypatch.setattr(settings, "SYSTEM_CONFIG", here / "etc" / "mirror.cfg")
    environ = {"XDG_CONFIG_HOME": str(here / "xdg"), "HOME": str(here / "home")}
    with pytest.raises(ConfigError, match=f"there is no {here}/xdg/ftpretrieve/mirror.cfg or {here}/etc/mirror.cfg"):
        find_config(None, environ)
    for directory, environment in (
        ("etc", environ),
        ("home/.config/ftpretrieve", {**environ, "XDG_CONFIG_HOME": "relative"}),
        ("xdg/ftpretrieve", environ),
    ):
        path = here / directory / "mirror.cfg"
        path.parent.mkdir(parents=True)
        path.touch()
        assert find_config(None, environment) == path
    assert find_config("given.cfg", environ) == here / "given.cfg"
