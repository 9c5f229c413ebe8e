"""How a help is laid out that reads like a manual page: headlines at the margin, what they head indented.

Pure. Must not: know what is told.
"""

import textwrap
from collections.abc import Iterable, Mapping

WIDTH = 80
"""Of a terminal, and of a mail."""


def page(parts: Mapping[str, str]) -> str:
    """Return the parts under their headlines, in order, each after a blank line."""
    return "\n".join(f"{title}\n{text}" for title, text in parts.items())


def paragraph(text: str) -> str:
    """Return a paragraph, however the text was broken into lines."""
    return _filled(text, "    ") + "\n"


def defined(rows: Iterable[tuple[str, str]]) -> str:
    """Return each term with its meaning below it, or beside it where it is very short."""
    lines = []
    for term, meaning in rows:
        text, head = _filled(meaning, "        "), f"    {term}"
        lines.append(f"{head:7} {text.lstrip()}" if len(head) < 8 else f"{head}\n{text}")
    return "".join(f"{line}\n" for line in lines)


def examples(rows: Iterable[tuple[str, str]]) -> str:
    """Return each line to type, below the words for what it does."""
    return "\n".join(f"    {words}\n        {line}\n" for words, line in rows)


def _filled(text: str, indent: str) -> str:
    # An option must not be torn at its dashes, nor a path.
    words = " ".join(text.split())
    return textwrap.fill(
        words, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
