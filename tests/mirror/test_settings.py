"""Jobs out of words and files: what is understood, what contradicts, where it is said, and that no secret is shown."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ftpretrieve.errors import ConfigError
from ftpretrieve.mirror import settings
from ftpretrieve.mirror.arguments import parse
from ftpretrieve.mirror.options import GLOBS, OF_JOB, Place
from ftpretrieve.mirror.records import Job, Mail, Protocol
from ftpretrieve.mirror.settings import WrongArguments, find_config, read_jobs, shell_job
from ftpretrieve.mirror.smtp import read_smtp

CHECKOUT = Path(__file__).parent.parent.parent
SECRET = "Hunter2Hunter2"
ENCODED = base64.b64encode(SECRET.encode()).decode()

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


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let relative paths be those of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a file that nobody else may read."""

    def write(text: str, name: str = "mirror.cfg", mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def never(prompt: str) -> str:
    raise AssertionError(f"asked: {prompt}")


def shell(*words: str, environ: dict[str, str] | None = None, ask: Callable[[str], str] = never) -> Job:
    return shell_job(parse(words, Place.SHELL), environ=environ or {}, ask=ask)


def login(*words: str) -> Job:
    """Return a job of the shell with everything that is required."""
    return shell("host", "/r", "l", "-l", "joe", SECRET, *words)


def shell_problems(*words: str) -> list[str]:
    with pytest.raises(WrongArguments) as caught:
        shell(*words)
    assert SECRET not in str(caught.value)
    return list(caught.value.problems)


def section(*lines: str, name: str = "one", options: str = "-q", **keys: str) -> str:
    """Write a section; keys that are '' are left out."""
    keys = {"site": "host", "remote": "/r", "local": name, "user": "joe", "password": ENCODED, **keys}
    keys["options"] = options
    return "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in keys.items() if value), *lines, ""])


def file_problems(path: Path, **more: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_jobs(path, **more)
    assert SECRET not in str(caught.value)
    assert ENCODED not in str(caught.value)
    return [problem.removeprefix(f"{path}") for problem in caught.value.problems]


# -- the shell --------------------------------------------------------------------------------------------------------


def test_a_job_of_the_shell(here):
    """Server, directories, options and mail, each where the rest of mirror looks for it."""
    job = login("-p", "2121", "-enP", "--exclude-glob", "*.txt", "--to-addrs", "a@b.org")
    server = job.server
    assert (job.name, job.remote, job.local) == ("shell", "/r", here / "l")
    assert (server.protocol, server.host, server.port, server.user) == (Protocol.FTP, "host", 2121, "joe")
    assert server.password is not None
    assert server.password.reveal() == SECRET
    assert set(job.options) == set(OF_JOB)
    assert (job.options["erase"], job.options["parallel"]) == (True, 2)
    assert job.options[GLOBS] == (("exclude", "*.txt"),)
    assert job.mail == Mail(recipients=("a@b.org",))
    assert job.notes == ()


def test_a_job_shows_no_secret():
    """In whatever way it is printed."""
    job = login("--smtp-user", "joe", "--smtp-pass", SECRET, "--smtp-server", "mail:465")
    assert SECRET not in repr(job)
    assert ENCODED not in repr(job)
    assert job.mail is not None
    assert job.mail.password is not None
    assert job.mail.password.reveal() == SECRET
    assert (job.mail.server, job.mail.port, job.mail.security) == ("mail", 465, "tls")


@pytest.mark.parametrize("password", ["file:x", "env:HOME", "base64:eA==", "command:id", "-x", " ", "é", "a\tb"])
def test_a_typed_password_is_just_a_password(password):
    """A reference is one in files only; here it would be a surprise."""
    server = shell("host", "/r", "l", "-l", "joe", password).server
    assert server.password is not None
    assert server.password.reveal() == password


def test_a_dash_asks_for_the_password():
    """On the terminal, with user and host so that one knows which is wanted."""
    prompts: list[str] = []
    job = shell("host", "/r", "l", "-l", "joe", "-", ask=lambda prompt: prompts.append(prompt) or SECRET)
    assert job.server.password is not None
    assert job.server.password.reveal() == SECRET
    assert prompts == ["Password of joe at host: "]


def test_a_dash_takes_the_variable_first(monkeypatch):
    """Nobody is asked then."""
    monkeypatch.setenv("LFTP_PASSWORD", SECRET)
    job = shell("host", "/r", "l", "-l", "joe", "-", environ={"LFTP_PASSWORD": SECRET})
    assert job.server.password is not None
    assert job.server.password.reveal() == SECRET


def test_nobody_is_asked_before_the_rest_is_right():
    """A password typed for nothing would be typed twice."""
    assert shell_problems("host", "/r", "/", "-l", "joe", "-") == [
        "LOCAL: is the root of this machine; name a directory below it"
    ]


@pytest.mark.parametrize(("words", "is_refused"), [((), True), (("-s",), False)], ids=["ftp", "sftp"])
def test_a_blank_answer_means_the_keys_of_ssh(words, is_refused):
    """And nothing without SSH."""
    words = ("host", "/r", "l", "-l", "joe", "-", *words)
    if is_refused:
        with pytest.raises(WrongArguments, match="is blank; only SFTP"):
            shell(*words, ask=lambda prompt: "")
    else:
        assert shell(*words, ask=lambda prompt: "").server.password is None


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["host"], (Protocol.FTP, None)),
        (["host", "-s"], (Protocol.SFTP, None)),
        (["sftp://host"], (Protocol.SFTP, None)),
        (["sftp://host:2222", "-s"], (Protocol.SFTP, 2222)),
        (["host", "--tls"], (Protocol.FTPS, None)),
        (["ftps://host"], (Protocol.FTPS, None)),
        (["ftp://host", "--tls"], (Protocol.FTPS, None)),
        (["ftps://host:990"], (Protocol.FTPS_IMPLICIT, 990)),
        (["host", "--tls", "-p", "990"], (Protocol.FTPS_IMPLICIT, 990)),
        (["ftps://host", "--tls", "-p", "21"], (Protocol.FTPS, 21)),
        (["ftp://host:2121", "-p", "2121"], (Protocol.FTP, 2121)),
        (["host", "-p", "990"], (Protocol.FTP, 990)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_site_and_options_say_the_protocol(words, wanted):
    """Either alone, or both alike."""
    site, *options = words
    server = shell(site, "/r", "l", "-l", "joe", "pw", *options).server
    assert (server.protocol, server.port) == wanted


def test_user_and_password_may_stand_in_the_site():
    """Then -l is not needed, and the password is as secret as any."""
    job = shell(f"ftp://joe:{SECRET}@host", "/r", "l")
    assert job.server.user == "joe"
    assert job.server.password is not None
    assert job.server.password.reveal() == SECRET
    assert SECRET not in repr(job)
    assert shell("sftp://joe@host", "/r", "l").server.password is None
    assert shell("ftp://joe@host", "/r", "l", "-l", "joe", "pw").server.user == "joe"


def test_anonymous_has_neither_user_nor_password():
    """As lftp wants it."""
    server = shell("host", "/r", "l", "-a").server
    assert (server.user, server.password) == (None, None)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("host /r l", "user: is missing; give user and password, or the option -a for an anonymous login"),
        ("sftp://host /r l", "user: is missing"),
        ("ftp://joe@host /r l", "password: is missing; only SFTP can do without"),
        ("host /r -a", "LOCAL is missing"),
        ("-a", "SITE REMOTE LOCAL are missing"),
        (f"host /r l {SECRET} -a", "1 more than SITE REMOTE LOCAL"),
        ("host /r / -a", "LOCAL: is the root"),
        ("host /r //../ -a", "LOCAL: is the root"),
        ("host /r l -a -l joe x", "-a and -l: choose one of them"),
        ("host /r l -s -a", "-a and -s: SSH has no anonymous login"),
        ("sftp://host /r l -a", "-a and sftp://: SSH has no anonymous login"),
        ("ftp://joe@host /r l -a", "user: and -a exclude each other"),
        ("host /r l -a -s --tls", "-a and -s"),
        ("ftp://host /r l -s -l joe x", "-s and a site with ftp:// contradict"),
        ("ftps://host /r l -s -l joe x", "-s and a site with ftps:// contradict"),
        ("sftp://host /r l --tls -l joe x", "--tls and a site with sftp:// contradict"),
        ("ftp://host:21 /r l -a -p 22", "port: is said to be 21 and 22"),
        (f"ftp://joe:{SECRET}@host /r l -l joe x", "password: stands in the site as well"),
        ("ftp://joe@host /r l -l jim x", "user: is another one than that in the site"),
        ("host /r l -a --key k", "--key: is for SFTP only"),
        ("host /r l -a --ca-file k", "--ca-file: is for TLS only"),
        ("sftp://host /r l --ca-file k -l joe x", "--ca-file: is for TLS only"),
        ("host /r l -s -l joe x --key nowhere", "--key: there is no file"),
        ("host /r l -a --backup-dir l", "--backup-dir: "),
        ("host /r l -a --backup-dir l/x/..", "--backup-dir: "),
        ("host /r l -a --backup-dir ./l/x", "--backup-dir: "),
        ("host /r l -a --smtp-server a:b", "--smtp-server: 'a:b' is not understood"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(here, words, wanted):
    """In words that name the place and the fix."""
    (here / "k").touch()
    assert shell_problems(*words.split(" "))[0].startswith(wanted)


@pytest.mark.parametrize("empty", range(3))
def test_an_empty_word_is_no_directory(empty):
    """A variable of a script that is not set must not become the working directory."""
    words = ["host", "/r", "l"]
    words[empty] = ""
    assert len(shell_problems(*words, "-a")) == 1


def test_a_link_to_the_root_is_the_root(here):
    """And a link into LOCAL lies in it."""
    (here / "root").symlink_to("/")
    assert shell_problems("host", "/r", "root", "-a") == [
        "LOCAL: is the root of this machine; name a directory below it"
    ]
    (here / "l").mkdir()
    (here / "copies").symlink_to("l")
    assert shell_problems("host", "/r", "l", "-a", "--backup-dir", "copies")[0].startswith("--backup-dir: ")


def test_a_directory_beside_is_not_inside(here):
    """Even if its name begins alike."""
    assert login("--backup-dir", "l-copies").options["backup_dir"] == here / "l-copies"


def test_all_that_is_wrong_is_told_at_once():
    """Words, options and contradictions."""
    assert len(shell_problems("ho st", "/r", "/", "--wat", "--only-missing", "--only-existing", "-P0")) == 5


@pytest.mark.parametrize(
    "password", ["a\nb", "\x7f", "\udcff"], ids=["line break", "delete", "no UTF-8"]
)  # fmt: skip
def test_a_password_that_cannot_be_sent_is_refused(password):
    """A line break would begin another command of the protocol."""
    (problem,) = shell_problems("host", "/r", "l", "-l", "joe", SECRET + password)
    assert problem.startswith("password: ")


def test_notes_tell_what_has_no_effect():
    """They are no mistakes."""
    assert len(login("--backup-dir", "/b", "--keep", "2", "-r").notes) == 2


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
