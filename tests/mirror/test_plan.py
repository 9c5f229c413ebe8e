"""The plan as lftp 4.9.2 writes it (lines taken from real runs), what is removed of it, and how much may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.mirror.options import MaxDelete
from ftpretrieve.mirror.plan import Plan, decide_removals, judge, parse_listing, parse_plan, remote_root
from ftpretrieve.mirror.records import Entry, Kind

FILE, DIRECTORY, LINK = Entry(Kind.FILE, 1, 1), Entry(Kind.DIRECTORY), Entry(Kind.LINK, 1, 1)

DOWNLOAD = """\
mkdir -p file:/data/site
rm -r file:/data/site/a.txt
get -O /data/site ftp://joe@127.0.0.1:36277/%2Fsrv/remote/a.txt
get -O /data/site ftp://joe@127.0.0.1:36277/%2Fsrv/remote/my%20file%3Bx.txt
rm file:/data/site/sub%20dir
mkdir file:/data/site/sub%20dir
get -E -O "/data/site/sub dir" ftp://joe@127.0.0.1:36277/%2Fsrv/remote/sub%20dir/b.txt
shell ln -sf "/etc/pass\\\\ wd" "/data/site/sub\\\\ dir/r\\\\ link"
rm file:/data/site/new%0Aline%3Bq%27.txt
rm ftp://joe@127.0.0.1:36277/%2Fsrv/remote/same.txt
chmod -f 755 file:/data/site/sub%20dir
"""


def test_a_plan_for_a_download_is_read() -> None:
    plan = parse_plan(DOWNLOAD, "/data/site", "/srv/remote", reverse=False)
    assert plan.made == {
        "a.txt": Kind.FILE,
        "my file;x.txt": Kind.FILE,
        "sub dir": Kind.DIRECTORY,
        "sub dir/b.txt": Kind.FILE,
        "sub dir/r link": Kind.LINK,
    }
    assert plan.removals == ("a.txt", "sub dir", "new\nline;q'.txt")
    assert plan.source_removals == ("same.txt",)
    assert plan.foreign == 0


UPLOAD = """\
mkdir -p ftp://joe@127.0.0.1:36277/%2Fsrv/remote
rm -r ftp://joe@127.0.0.1:36277/%2Fsrv/remote/sub%20dir
ln -s a.txt /srv/remote/link
get -O ftp://joe@127.0.0.1:36277/%2Fsrv/remote file:/data/site/sub%20dir
get -E -O ftp://joe@127.0.0.1:36277/%2Fsrv/remote/locked/in file:/data/site/locked/in/x%25y
mkdir ftp://joe@127.0.0.1:36277/%2Fsrv/remote/my%20file%3Bx.txt
rm ftp://joe@127.0.0.1:36277/%2Fsrv/remote/d$(x).txt
rm file:/data/site/a.txt
"""


def test_a_plan_for_an_upload_is_read() -> None:
    plan = parse_plan(UPLOAD, "/data/site", "/srv/remote", reverse=True)
    assert plan.made == {
        "link": Kind.LINK,
        "sub dir": Kind.FILE,
        "locked/in/x%y": Kind.FILE,
        "my file;x.txt": Kind.DIRECTORY,
    }
    assert plan.removals == ("sub dir", "d$(x).txt")
    assert plan.source_removals == ("a.txt",)


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("ftp://joe@h/up", "/up"),
        ("ftp://joe@h//up", "/up"),
        ("ftp://joe@h/", "/"),
        ("ftp://joe@h", "/"),
        ("ftp://joe@h/%2Fsrv/my%20joe", "/srv/my joe"),
        ("sftp://joe@h/home/joe/../up", "/home/up"),
        ("", ""),
    ],
)
def test_the_remote_directory_is_where_its_url_says(url: str, root: str) -> None:
    """lftp spells absolute paths like relative ones where the login directory is `/`."""
    assert remote_root(url) == root


@pytest.mark.parametrize("spelt", ["pub/up", "%2Fpub/up", "/pub/up"])
def test_a_plan_may_spell_an_absolute_path_like_a_relative_one(spelt: str) -> None:
    """lftp does where the login directory is `/`; its first line it writes before it is logged in."""
    text = f"mkdir -p ftp://joe@h/up\nmkdir ftp://joe@h/{spelt}/d\nrm ftp://joe@h/{spelt}/x\nrm ftp://joe@h/pub/other\n"
    plan = parse_plan(text, "/l", "/pub/up", reverse=True)
    assert (plan.made, plan.removals, plan.foreign) == ({"d": Kind.DIRECTORY}, ("x",), 1)


@pytest.mark.parametrize(
    "line",
    [
        "rm file:/data/other",
        "rm file:/data/site",
        "rm file:/data/site/",
        "rm file:/data/site/../other",
        "rm file:/data/site/%2e%2e/other",
        "rm file:/data/site/a/../../../etc",
        "rm file:/data/site/a//b",
        "rm file:/data/site/x%00",
        "rm -r file:/",
        "rm file:/data/sitex",
        "rm",
        "rm -r",
        "",
        "!rm -rf /",
    ],
)
def test_nothing_outside_of_the_directories_is_ever_removed(line: str) -> None:
    """A link whose text has a newline forges lines."""
    plan = parse_plan(f"shell ln -sf x\n{line}\n", "/data/site", "/srv/remote", reverse=False)
    assert plan.removals == plan.source_removals == ()


@given(st.text())
def test_no_text_gives_a_path_that_leads_out(text: str) -> None:
    for line in (f"rm file:/l/{text}", f"get -O /l/{text} ftp://h/{text}", f"mkdir file:/l/{text}"):
        plan = parse_plan(line, "/l", "/r", reverse=False)
        for path in (*plan.made, *plan.removals):
            assert path
            assert not path.startswith("/")
            assert not {"", ".", ".."} & set(path.split("/"))


@pytest.mark.parametrize(
    ("text", "is_idle"),
    [
        ("", True),
        ("mkdir -p ftp://joe@h/pub/up\n", True),
        ("chmod -f 755 file:/l/x\n", False),
        ("mkdir -p ftp://joe@h/pub/up\nmkdir ftp://joe@h/pub/up/d\n", False),
        ("rm ftp://joe@h/pub/up/x\n", False),
        ("who knows\n", False),
    ],
)
def test_a_plan_is_idle_when_lftp_has_nothing_to_do(text: str, is_idle: bool) -> None:
    assert parse_plan(text, "/l", "pub/up", reverse=True).is_idle == is_idle


TREE = {
    "a": FILE,
    "d": DIRECTORY,
    "d/b": FILE,
    "d/e": DIRECTORY,
    "d/e/c": LINK,
    "f": FILE,
}


def test_a_directory_goes_with_all_that_was_seen_in_it_children_first() -> None:
    removals = decide_removals(Plan({}, ("d",)), TREE, erase=True, delete_first=False)
    assert [path for path, _ in removals.after] == ["d/e/c", "d/b", "d/e", "d"]
    assert removals.before == removals.unseen == ()


def test_what_is_made_again_as_another_kind_goes_before_the_run() -> None:
    plan = Plan({"d": Kind.FILE, "f": Kind.DIRECTORY, "f/x": Kind.FILE}, ("d", "a"))
    removals = decide_removals(plan, TREE, erase=True, delete_first=False)
    assert [path for path, _ in removals.before] == ["d/e/c", "d/b", "d/e", "d", "f"]
    assert [path for path, _ in removals.after] == ["a"]


def test_delete_first_means_all_before_the_run() -> None:
    removals = decide_removals(Plan({}, ("a", "f")), TREE, erase=True, delete_first=True)
    assert [path for path, _ in removals.before] == ["a", "f"]
    assert removals.after == ()


def test_without_erase_only_what_lftp_itself_would_replace_goes() -> None:
    """Measured: lftp removes a file that is a directory at the source without being asked."""
    plan = Plan({"f": Kind.DIRECTORY, "d": Kind.FILE}, ("f", "a", "d"))
    removals = decide_removals(plan, TREE, erase=False, delete_first=False)
    assert [path for path, _ in removals.all] == ["f"]


def test_what_the_snapshot_does_not_know_is_not_removed() -> None:
    removals = decide_removals(Plan({}, ("new",)), TREE, erase=True, delete_first=False)
    assert (removals.all, removals.unseen) == ((), ("new",))


def test_what_is_spared_stays_with_the_directories_it_is_in() -> None:
    removals = decide_removals(Plan({}, ("d", "a")), TREE, erase=True, delete_first=False, is_spared="d/b".__eq__)
    assert [path for path, _ in removals.all] == ["d/e/c", "d/e", "a"]


def files(count: int, start: int = 0) -> dict[str, Entry]:
    return {f"f{number}": FILE for number in range(start, start + count)}


@pytest.mark.parametrize(
    ("gone", "total", "limit", "allow_empty", "allowed"),
    [
        (0, 0, None, False, True),
        (5, 10, None, False, True),
        (6, 10, None, False, False),
        (6, 10, None, True, True),
        (8, 9, None, False, True),
        (9, 9, None, False, False),
        (1, 1, None, False, False),
        (1, 1, None, True, True),
        (22, 22, None, True, True),
        (3, 100, MaxDelete(3), False, True),
        (4, 100, MaxDelete(3), False, False),
        (4, 100, MaxDelete(3), True, False),
        (1, 100, MaxDelete(0), False, False),
        (25, 100, MaxDelete(25, True), False, True),
        (26, 100, MaxDelete(25, True), False, False),
        (90, 100, MaxDelete(90, True), False, True),
        (100, 100, MaxDelete(100, True), False, False),
        (100, 100, MaxDelete(100, True), True, True),
        (2, 3, MaxDelete(50, True), False, False),
    ],
)
def test_how_much_may_be_deleted(
    gone: int, total: int, limit: MaxDelete | None, allow_empty: bool, allowed: bool
) -> None:
    refusal = judge(files(gone).items(), files(total), limit, allow_empty=allow_empty)
    assert (refusal is None) == allowed
    assert allowed or f"{gone} of {total}" in (refusal or "")


def test_directories_do_not_count() -> None:
    tree = {"d": DIRECTORY, "e": DIRECTORY, "f": FILE}
    assert judge([("d", DIRECTORY), ("e", DIRECTORY)], tree, MaxDelete(0), allow_empty=False) is None


LISTING = """\
drwxr-xr-x  0/0                 - 2026-11-21 05:01:37 /srv/re mote/
-rw-r--r--  0/0                 2 2020-01-01 00:00:00 /srv/re mote/a -> b
drwxr-xr-x  joe/users           - 2026-11-21 05:01:37 /srv/re mote/d2/
-rw-r--r--                     11 2020-01-01 00:00:00 /srv/re mote/d2/ lead
-rw-r--r--  0/0                 - - /srv/re mote/d2/unknown
lrwxrwxrwx  0/0                 6 2020-01-01 00:00:00 /srv/re mote/link -> /etc/x
srwxrwxrwx  0/0                 0 2020-01-01 00:00:00 /srv/re mote/socket
-rw-r--r--  0/0                 2 2020-01-01 00:00:00 /srv/elsewhere/a
-rw-r--r--  0/0                 2 2020-01-01 00:00:00 /srv/re mote/../a
half a line
"""


def test_a_listing_is_read() -> None:
    assert parse_listing(LISTING, "/srv/re mote") == {
        "a -> b": Entry(Kind.FILE, 2, "2020-01-01 00:00:00"),
        "d2": Entry(Kind.DIRECTORY),
        "d2/ lead": Entry(Kind.FILE, 11, "2020-01-01 00:00:00"),
        "d2/unknown": Entry(Kind.FILE, None, "-"),
        "link": Entry(Kind.LINK, 6, "2020-01-01 00:00:00"),
        "socket": Entry(Kind.OTHER, 0, "2020-01-01 00:00:00"),
    }


@given(st.text(), st.text())
def test_no_listing_gives_a_path_that_leads_out(text: str, directory: str) -> None:
    for path in parse_listing(f"-rw-r--r--  0/0  2 2020-01-01 00:00:00 {directory}/{text}", directory):
        assert not {"", ".", ".."} & set(path.split("/"))


def test_what_lftp_saw_by_following_a_link_is_not_the_targets() -> None:
    """A link that became a directory: lftp plans to remove what lies where the link leads."""
    plan = Plan({"dir": Kind.DIRECTORY}, ("dir", "dir/elsewhere", "gone"))
    removals = decide_removals(plan, {"dir": LINK, "f": FILE}, erase=True, delete_first=False)
    assert (removals.before, removals.after, removals.unseen) == ((("dir", LINK),), (), ("gone",))
