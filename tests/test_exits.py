"""How a command ends: each way out has its code, and its words are for people."""

import io
import os
import subprocess
import sys
from errno import ENOSPC
from signal import SIGTERM

import pytest

from ftpretrieve import exits
from ftpretrieve.errors import ConfigError, FtpRetrieveError, InUse, StorageError, exit_code
from ftpretrieve.signals import Ended
from tests.installation import environment


def failing(error):
    """Return something to run that raises an error."""

    def body():
        raise error

    return body


def test_what_comes_back_is_the_code(capsys):
    """And nothing is added to what the command said."""
    assert exits.run("prog", lambda: 75) == 75
    assert capsys.readouterr() == ("", "")


def test_each_line_of_an_error_has_the_name_of_the_command(capsys):
    """A mail of cron may hold those of several."""
    assert exits.run("prog", failing(ConfigError(["one", "two"]))) == 6
    assert capsys.readouterr() == ("", "prog: one\nprog: two\n")


def test_a_name_in_an_error_cannot_steer_the_terminal(capsys):
    """Others choose the names of files."""
    exits.run("prog", failing(FtpRetrieveError("a\x1b[2Jb")))
    assert capsys.readouterr().err == "prog: a\\u001b[2Jb\n"


def test_a_command_may_have_codes_of_its_own(capsys):
    """Those who call it may know one for every failure."""
    assert exits.run("prog", failing(InUse("x")), code_of=lambda error: 1) == 1


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (Ended(SIGTERM), 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_who_ended_it_needs_no_words(capsys, error, code):
    """The code is the one that a shell reports of the signal."""
    assert exits.run("prog", failing(error)) == code
    assert capsys.readouterr() == ("", "")


def test_what_is_no_error_of_ours_is_a_defect():
    """It keeps its traceback."""
    with pytest.raises(ValueError, match="^defect$"):
        exits.run("prog", failing(ValueError("defect")))


def test_a_reader_that_has_enough_is_no_failure_to_talk_about():
    """What is still in the buffer is not tried again when Python ends."""
    reading, writing = os.pipe()
    os.close(reading)
    code = "import sys; from ftpretrieve import exits; sys.exit(exits.run('prog', lambda: print('x') or 0))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        env=environment(),
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_locale_without_utf8_changes_no_name():
    """Python's own ways round the plainest ones are switched off; words and a name that is no UTF-8 come through."""
    code = """if True:
        import os, sys
        from ftpretrieve import exits
        exits.speak_utf8()
        sys.stdout.buffer.write(os.fsencode(sys.argv[1]))
        sys.exit(exits.run("prog", lambda: print(sys.argv[1] == os.fsdecode(b"\\xc5\\x82\\xff")) or 0))
    """
    plain = environment({"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    argv = [sys.executable, "-c", code, b"\xc5\x82\xff"]
    done = subprocess.run(argv, capture_output=True, check=True, env=plain)
    assert done.stdout == b"\xc5\x82\xffTrue\n"


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("ascii", b"a\\xe9\\u0142\\udcff"),
        ("latin-1", b"a\xe9\\u0142\\udcff"),
        ("latin-1:surrogateescape", b"a\xe9\\u0142\\udcff"),
        ("latin-1:replace", b"a\xe9??"),
        ("utf-8", b"a\xc3\xa9\xc5\x82\\udcff"),
        ("utf-8:surrogateescape", b"a\xc3\xa9\xc5\x82\xff"),
    ],
)
def test_what_the_encoding_of_the_output_lacks_is_escaped(encoding, printed):
    """Names are whatever others have given; how they are shown to be can be chosen, but not to fail."""
    code = """if True:
        import sys
        from ftpretrieve import exits
        sys.exit(exits.run("prog", lambda: print("a\\xe9\\u0142\\udcff", end="") or 0))
    """
    argv, env = [sys.executable, "-c", code], environment({"PYTHONIOENCODING": encoding})
    done = subprocess.run(argv, capture_output=True, check=False, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, b"")


@pytest.mark.parametrize("out", [None, io.StringIO()], ids=["closed", "replaced"])
def test_an_output_without_an_encoding_is_left_alone(monkeypatch, out):
    """A caller may collect it."""
    monkeypatch.setattr(sys, "stdout", out)
    assert exits.run("prog", lambda: print("\udcff") or 75) == 75


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("size", [1, 100_000], ids=["still buffered", "more than the buffer"])
def test_output_that_cannot_be_written_is_a_failure_with_words(size):
    """Neither a traceback, nor Python's own complaint when it ends."""
    code = f"import sys; from ftpretrieve import exits; sys.exit(exits.run('prog', lambda: print('x' * {size}) or 0))"
    with open("/dev/full", "w") as full:
        argv = [sys.executable, "-c", code]
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, check=False, env=environment())
    words = b"prog: standard output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (exit_code(StorageError("")), words)


def test_a_disk_that_is_full_elsewhere_keeps_its_traceback():
    """It is a defect that nobody has translated it."""
    with pytest.raises(OSError, match="elsewhere"):
        exits.run("prog", failing(OSError(ENOSPC, "No space left on device", "elsewhere")))
