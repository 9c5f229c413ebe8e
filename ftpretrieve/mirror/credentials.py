"""The ways in which users of mirror write a password, each made a `Secret`.

On the command line it is the password itself, in the key `password` of a job it is base64, as such files have always
had it; in files the references that other passwords know (`env:`, `file:`, `command:`) are understood too. Must not:
put a password, or a part of one, into a message.
"""

import base64
import shlex
from pathlib import Path

from ftpretrieve.passwords import READABLE_BY_OTHERS, Secret, is_sendable

HOW = "make it with: printf %s PASSWORD | base64"


def typed(password: str) -> Secret | None:
    """Return a password as it was typed, None for a blank one; `file:x` is no reference here.

    Raises: ValueError with words that continue a sentence about it.
    """
    if not password:
        return None
    if not is_sendable(password):
        raise ValueError("has control characters in it; remove them")
    try:
        return Secret(f"base64:{base64.b64encode(password.encode()).decode()}")
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8; type it in a terminal that is") from None  # the cause quotes it


def in_file(text: str, path: Path, label: str, *, bare_base64: bool) -> Secret | None:
    """Return the password that a key of the file `path` holds, None for a blank one.

    Raises: ValueError with words that continue a sentence about it.
    """
    if not text:
        return None
    secret = Secret(text)
    if bare_base64 and secret.kind == "plain":
        try:
            secret = Secret(f"base64:{text}")
        except ValueError:
            raise ValueError(f"is not a password in base64; {HOW}, or write env:NAME or file:PATH") from None
    secret = secret.at(Path.cwd(), f"{label} in {path}")
    if exposure := secret.exposure():
        raise ValueError(exposure)
    return secret


def exposed(path: Path) -> str | None:
    """Return what to say when everybody can read the file, which has a password in it."""
    if not path.stat().st_mode & READABLE_BY_OTHERS:
        return None
    return f"others can read the password in {path}; run: chmod o-rwx {shlex.quote(str(path))}"
