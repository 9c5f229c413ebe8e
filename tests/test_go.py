"""What programs import: `go` in the foreground, in a thread, and as a daemon from a script of the user's."""

import os
import signal
import subprocess
import sys
import threading

import pytest

import ftpretrieve
from ftpretrieve import ConfigError, InUse, JournalError, PSList, go
from ftpretrieve.retrieve.control import send_shutdown
from tests.installation import Installation, environment
from tests.servers import free_port
from tests.waiting import await_true

pytestmark = pytest.mark.daemon


@pytest.fixture
def site(tmp_path, pyftp):
    with Installation(tmp_path / "site", pyftp, server_port=free_port(), server_shutdown_string="that is all") as made:
        yield made


def end(site: Installation) -> None:
    assert send_shutdown(site.settings["server_port"], b"that is all", 5)


def script(site: Installation, text: str) -> subprocess.CompletedProcess[str]:
    """Run a script of a user, who knows nothing but the package."""
    path = site.home / "script.py"
    path.write_text(text)
    return site.run(argv=[sys.executable, str(path), str(site.config)])


# -- as a daemon ------------------------------------------------------------------------------------------------------


def test_a_script_becomes_the_daemon(site, pyftp):
    """Its process ends with 0 when the daemon is ready; what follows `go` runs in the daemon, at its end."""
    pyftp.put("a.xml", b"x")
    done = script(
        site,
        "import os, sys\n"
        "from ftpretrieve import go\n"
        "print('before', flush=False)\n"
        "code = go(sys.argv[1], None, None, False, True)\n"
        "open(os.path.dirname(sys.argv[1]) + '/after', 'w').write(f'{code} {os.getpid()}')\n",
    )
    assert done.returncode == 0
    assert done.stdout == "before\n"
    pid = site.pid
    assert site.is_alive(pid)
    site.await_log("FILESDOWNLOADED")
    end(site)
    await_true(lambda: (site.home / "after").exists() and not site.is_alive(pid), lambda: "the end of the script")
    assert (site.home / "after").read_text() == f"0 {pid}"


def test_a_script_whose_daemon_cannot_start_exits_with_the_reason(site):
    """The caller's process exits with the truth, not the daemon's hopes; the daemon's side returns the same code."""
    site.sync.rmdir()
    done = script(
        site,
        "import os, sys\n"
        "from ftpretrieve import go\n"
        "code = go(sys.argv[1], None, None, False, True)\n"
        "open(os.path.dirname(sys.argv[1]) + '/after', 'w').write(str(code))\n",
    )
    assert done.returncode == 6
    assert "mount or create it" in done.stderr
    await_true(lambda: (site.home / "after").exists(), lambda: "the other side")
    assert (site.home / "after").read_text() == "6"


def test_a_wrong_configuration_is_raised_before_anything_is_forked(site):
    """The caller, in its own process, can say what it likes about it."""
    site.configure(settle_secs="x")
    done = script(
        site,
        "import os, sys\n"
        "from ftpretrieve import ConfigError, go\n"
        "pid = os.getpid()\n"
        "try:\n"
        "    go(sys.argv[1], '', '', False, True)\n"
        "except ConfigError as error:\n"
        "    print(len(error.problems), os.getpid() == pid)\n"
        "    sys.exit(99)\n",
    )
    assert (done.returncode, done.stdout) == (99, "1 True\n")
    assert not (site.home / "daemon.log").exists()


def test_what_the_daemon_prints_goes_to_its_files(site):
    """stdout to daemon_log when the rotating log is another file, stderr to daemon_error_log."""
    done = script(
        site,
        "import os, sys\n"
        "from ftpretrieve import go\n"
        f"go(sys.argv[1], {str(site.home / 'rotating.log')!r}, None, False, True)\n"
        "print('said at the end')\n"
        "print('complained at the end', file=sys.stderr)\n",
    )
    assert done.returncode == 0
    pid = site.pid
    end(site)
    await_true(lambda: not site.is_alive(pid), lambda: "the end of the script")
    assert (site.home / "daemon.log").read_text() == "said at the end\n"
    assert (site.home / "error.log").read_text() == "complained at the end\n"
    assert "STOPPED" in (site.home / "rotating.log").read_text()


def test_the_rotating_log_gets_no_foreign_lines(site):
    """With daemon_log as the rotating log, stdout goes nowhere: two writers would lose lines."""
    script(
        site,
        "import sys\nfrom ftpretrieve import go\ngo(sys.argv[1], None, None, False, True)\nprint('said at the end')\n",
    )
    pid = site.pid
    end(site)
    await_true(lambda: not site.is_alive(pid), lambda: "the end of the script")
    assert "said at the end" not in site.log()
    assert site.records("STOPPED")


def test_a_daemon_that_dies_while_it_starts_is_noticed(site):
    """Killed, out of memory: there is nobody left to send a reason."""
    done = script(
        site,
        "import os, sys\n"
        "from ftpretrieve.retrieve import service\n"
        "from ftpretrieve import go\n"
        "service.open_mailbox = lambda *args, **options: os._exit(9)\n"
        "go(sys.argv[1], None, None, False, True)\n",
    )
    assert done.returncode == 1
    assert "the daemon ended before it was ready" in done.stderr


# -- in the foreground ------------------------------------------------------------------------------------------------


def in_a_thread(*arguments: object) -> tuple[threading.Thread, list[object]]:
    """Call `go` off the main thread; the list will hold what it returns or raises."""
    ended: list[object] = []

    def call() -> None:
        try:
            ended.append(go(*arguments))  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001  whatever it is, the test looks at it
            ended.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    return thread, ended


def test_it_runs_off_the_main_thread_and_leaves_signals_alone(site, pyftp):
    """It blocks until it is stopped, returns the exit code, and takes its threads and descriptors with it."""
    pyftp.put("a.xml", b"x")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    threads, descriptors = set(threading.enumerate()), set(os.listdir("/proc/self/fd"))
    thread, ended = in_a_thread(str(site.config), "", "", False, False)
    site.await_log("POLL")
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    end(site)
    thread.join()
    assert ended == [0]
    assert site.deliveries() == {"a.xml": 1}
    assert set(threading.enumerate()) == threads
    assert len(set(os.listdir("/proc/self/fd")) - descriptors) <= 1, "beside the server's own connection"


def test_two_of_them_live_in_one_process(site, tmp_path, pyftp):
    """Nothing of a mailbox is global: not its log, not its stop, not its lock."""
    port = free_port()
    pyftp.put("a.xml", b"x")
    with Installation(tmp_path / "other", pyftp, server_port=port, server_shutdown_string="and you too") as other:
        first, ended = in_a_thread(str(site.config))
        second, other_ended = in_a_thread(str(other.config))
        for each in (site, other):
            each.await_log("POLL")
            assert each.deliveries() == {"a.xml": 1}
        end(site)
        first.join()
        assert (ended, other_ended) == ([0], [])
        assert send_shutdown(port, b"and you too", 5)
        second.join()
        assert other_ended == [0]


def test_log_and_remote_directory_can_be_given(site, pyftp):
    """As the second and third argument, where the users have always given them."""
    pyftp.put("sub/b.xml", b"x")
    log = site.home / "other.log"
    thread, ended = in_a_thread(str(site.config), str(log), "sub", True)
    await_true(lambda: log.exists() and "FILESDOWNLOADED" in log.read_text(), lambda: "a delivery")
    end(site)
    thread.join()
    assert ended == [0]
    assert "'b.xml')]" in log.read_text()
    assert not (site.home / "daemon.log").exists()


def test_a_second_one_raises(site):
    """The caller decides what that means."""
    thread, ended = in_a_thread(str(site.config))
    site.await_log("STARTED")
    with pytest.raises(InUse, match="already running"):
        go(str(site.config))
    end(site)
    thread.join()
    assert ended == [0]


@pytest.mark.parametrize("isdaemon", [False, True])
def test_a_wrong_configuration_raises(site, isdaemon):
    """Without any trace."""
    before = sorted(site.home.iterdir())
    with pytest.raises(ConfigError, match="control characters"):
        go(str(site.config), None, "a\nb", False, isdaemon)
    assert sorted(site.home.iterdir()) == before


def test_a_damaged_journal_raises(site):
    """And frees what was held: the same process can try again."""
    (site.home / "journal.db").write_bytes(b"no database" * 1000)
    for _ in range(2):
        with pytest.raises(JournalError):
            go(str(site.config))


def test_the_package_exports_what_is_documented():
    """Nothing of it may vanish: users' programs import it."""
    for name in ("go", "AppConf", "PSList", "__version__", "ConfigError", "FtpRetrieveError"):
        assert name in ftpretrieve.__all__
        assert getattr(ftpretrieve, name) is not None


def test_the_import_alone_is_light():
    """Monitoring scripts import AppConf or PSList every minute."""
    code = "import sys, ftpretrieve; print(*{'ftplib', 'sqlite3', 'psutil', 'rich', 'daemon'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout == "\n"
    assert PSList is ftpretrieve.PSList
