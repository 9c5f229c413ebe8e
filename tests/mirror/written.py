"""Jobs written down as users do, in words of a shell or in sections of a file, and what is said against them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from ftpretrieve.errors import ConfigError
from ftpretrieve.mirror.arguments import parse
from ftpretrieve.mirror.options import Place
from ftpretrieve.mirror.records import Job
from ftpretrieve.mirror.settings import WrongArguments, read_jobs, shell_job

SECRET = "Hunter2Hunter2"
ENCODED = base64.b64encode(SECRET.encode()).decode()


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
