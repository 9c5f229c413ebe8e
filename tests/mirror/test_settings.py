"""Jobs out of the words of a shell: what is understood, what contradicts, and that no secret is shown."""

from __future__ import annotations

import pytest

from ftpretrieve.mirror.options import GLOBS, OF_JOB
from ftpretrieve.mirror.records import Mail, Protocol
from ftpretrieve.mirror.settings import WrongArguments
from tests.mirror.written import ENCODED, SECRET, login, shell, shell_problems

pytestmark = pytest.mark.usefixtures("here")


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
