"""The look of a help: headlines, indents, and lines that fit and do not tear what is to be typed."""

from hypothesis import given
from hypothesis import strategies as st

from ftpretrieve.manpage import WIDTH, defined, examples, page, paragraph


def test_a_page_looks_like_this():
    """A blank line between parts, and none at the end."""
    parts = {
        "NAME": paragraph("prog - do\n  something"),
        "OPTIONS": defined([("-f, --file FILE", "the file"), ("-q", "be quiet")]),
        "EXAMPLES": examples([("Do it", "prog -q"), ("Do more", "prog")]),
    }
    assert page(parts) == (
        "NAME\n    prog - do something\n\n"
        "OPTIONS\n    -f, --file FILE\n        the file\n    -q  be quiet\n\n"
        "EXAMPLES\n    Do it\n        prog -q\n\n    Do more\n        prog\n"
    )


def test_what_is_to_be_typed_is_not_torn():
    """Neither at a dash, nor because it is longer than a line."""
    option, path = "--a-long-option-that-goes-on", "/a/path/" + "x" * WIDTH
    lines = paragraph(f"{'word ' * 12}{option} {path} end").splitlines()
    assert [line.strip() for line in lines][1:] == [option, path, "end"]


@given(st.lists(st.text("ab -", max_size=30)))
def test_no_line_is_wider_than_a_terminal(words):
    """Where the words allow it."""
    text = paragraph(" ".join(words)) + defined([("term", " ".join(words))])
    assert max(map(len, text.splitlines())) <= WIDTH
