"""Configuration files of send, for the tests of them. Must not be imported by the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftpretrieve.errors import ConfigError
from ftpretrieve.send.settings import KEYS, read_settings

SECRET = "hunter2-x"
MINIMUM = {("my resif node", "my node name"): "TEST", ("my resif node", "my node password"): SECRET}

SECTIONS = {key.name: key.section for key in KEYS}


def text_of(values: dict[tuple[str, str], str]) -> str:
    """Write a configuration file of these values."""
    lines = []
    for section in dict.fromkeys(section for section, _ in values):
        lines.append(f"[{section}]")
        lines += [f"{name} = {text}" for (where, name), text in values.items() if where == section]
    return "\n".join(lines) + "\n"


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_settings(path)
    return [line.removeprefix(str(path)) for line in caught.value.problems]
