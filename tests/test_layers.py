"""Who may import whom: the command line, then one system, then the floor; never back, never across.

Every import statement counts, also one inside a function or for types only. The rules are the tables below.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
PACKAGE = "ftpretrieve"

# May import everything below, and is imported by nobody (but for the version).
TOP = {PACKAGE, f"{PACKAGE}.__main__", f"{PACKAGE}.cli"}
SYSTEMS = {"retrieve", "mirror", "send"}
# A module enters the floor when a second system needs it, so this list grows rarely.
FLOOR = {
    "command",
    "config",
    "deadline",
    "errors",
    "escapes",
    "exits",
    "files",
    "guard",
    "lock",
    "logs",
    "manpage",
    "months",
    "passwords",
    "progress",
    "settings",
    "signals",
    "system",
    "units",
}

# Who may import what from outside. What is neither here nor in the standard library may be imported nowhere.
HOMES = {
    "daemon": ["ftpretrieve.retrieve.service"],
    "lockfile": ["ftpretrieve.lock"],
    "psutil": ["ftpretrieve.system"],
    "rich": ["ftpretrieve.retrieve.progress"],
    "ctypes": ["ftpretrieve.guard"],
    "ftplib": ["ftpretrieve.retrieve.ftp*"],
    "smtplib": ["ftpretrieve.mirror.delivery"],
    "ssl": ["ftpretrieve.retrieve.ftp*", "ftpretrieve.mirror.delivery"],
    "sqlite3": ["ftpretrieve.files", "ftpretrieve.retrieve.journal*", "ftpretrieve.retrieve.doctor*"],
    "subprocess": ["ftpretrieve.command"],
    "tarfile": ["ftpretrieve.mirror.archive"],
    "xml": ["ftpretrieve.send.transaction"],  # its parser bounded and without entities, where nobody can forget that
}

# Values in, values out: no clock, no disk, no network, no log.
PURE = {
    "ftpretrieve.errors",
    "ftpretrieve.escapes",
    "ftpretrieve.manpage",
    "ftpretrieve.units",
    "ftpretrieve.months",
    "ftpretrieve.retrieve.records",
    "ftpretrieve.retrieve.dates",
    "ftpretrieve.retrieve.dialects",
    "ftpretrieve.retrieve.dialects_vms",
    "ftpretrieve.retrieve.dialects_ibm_i",
    "ftpretrieve.retrieve.dialects_columns",
    "ftpretrieve.retrieve.dialects_dos",
    "ftpretrieve.retrieve.dialects_japan",
    "ftpretrieve.retrieve.dialects_mainframe",
    "ftpretrieve.retrieve.dialects_mlsd",
    "ftpretrieve.retrieve.dialects_pc",
    "ftpretrieve.retrieve.dialects_systems",
    "ftpretrieve.retrieve.dialects_table",
    "ftpretrieve.retrieve.dialects_unix",
    "ftpretrieve.retrieve.words",
    "ftpretrieve.retrieve.unix_dates",
    "ftpretrieve.retrieve.dialects_unix_any",
    "ftpretrieve.retrieve.listing",
    "ftpretrieve.retrieve.decide",
    "ftpretrieve.mirror.addresses",
    "ftpretrieve.mirror.check",
    "ftpretrieve.mirror.copies",
    "ftpretrieve.mirror.options",
    "ftpretrieve.mirror.plan",
    "ftpretrieve.mirror.records",
    "ftpretrieve.mirror.report",
    "ftpretrieve.mirror.script",
    "ftpretrieve.send.records",
    "ftpretrieve.send.rsync_argv",
    "ftpretrieve.send.rsync_words",
    "ftpretrieve.send.transaction",
    "ftpretrieve.send.verdict",
}
# What a pure module may hold and hand on, since nothing happens before a method of it is called: a Secret.
VALUES = {"ftpretrieve.passwords"}
PURE_LIBRARY = {
    "__future__",
    "bisect",
    "calendar",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fnmatch",
    "functools",
    "hashlib",
    "itertools",
    "json",
    "math",
    "operator",
    "pathlib",  # as a value
    "posixpath",  # as text
    "re",
    "string",
    "textwrap",
    "typing",
    "unicodedata",
}
IMPURE_CALLS = {"open", "print", "input", "now", "today", "utcnow"}


def modules() -> dict[str, Path]:
    """Return every module of the package: dotted name -> file."""
    found = {}
    for path in (CHECKOUT / PACKAGE).rglob("*.py"):
        parts = path.relative_to(CHECKOUT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(module: str, is_package: bool, tree: ast.Module, known: Collection[str]) -> Iterator[str]:
    """Yield the dotted name of each module that is imported, and `ftpretrieve.name` for a name that is none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parts, base]) if base else ".".join(parts)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in known or base == PACKAGE else base


def system_of(module: str) -> str | None:
    """Return the system that a module of the package belongs to, None for the top and the floor."""
    second = module.partition(".")[2].partition(".")[0]
    return second if second in SYSTEMS else None


def is_floor(module: str) -> bool:
    return module.startswith(f"{PACKAGE}.") and module.split(".")[1] in FLOOR


def violations(module: str, source: str, *, is_package: bool = False, known: Collection[str] = ()) -> list[str]:
    """Return what is wrong with the imports of one module and, if it has to be pure, with its calls."""
    tree = ast.parse(source)
    found = []
    if module not in TOP and not system_of(module) and not is_floor(module):
        found.append(f"{module} is neither the top, nor in a system, nor listed as floor")
    for name in sorted(set(imported(module, is_package, tree, known))):
        inside = name.split(".")[0] == PACKAGE
        reason = wrong_edge(module, name) if inside else wrong_outside(module, name.split(".")[0])
        if reason:
            found.append(f"{module} imports {name}: {reason}")
    if module in PURE:
        found += [f"{module} calls {name}(): a pure module" for name in sorted(impure_calls(tree))]
    return found


def wrong_edge(module: str, name: str) -> str | None:
    """Say why one module of the package may not import another, or None."""
    if name == f"{PACKAGE}.__version__":
        return None
    if module in TOP:
        return None
    if module in PURE and name not in PURE | VALUES:
        return "a pure module imports pure modules only"
    if system_of(name):
        if not system_of(module):
            return "the floor imports no system"
        return None if system_of(name) == system_of(module) else "systems never import each other"
    return None if is_floor(name) else "nobody imports the top"


def wrong_outside(module: str, package: str) -> str | None:
    """Say why a module may not import a package from outside, or None."""
    if package in HOMES:
        homes = HOMES[package]
        return None if any(fnmatchcase(module, home) for home in homes) else f"its home is {' '.join(homes)}"
    if package not in sys.stdlib_module_names:
        return "no home is listed for it"
    if module in PURE and package not in PURE_LIBRARY:
        return "a pure module"
    return None


def impure_calls(tree: ast.Module) -> set[str]:
    calls = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    return IMPURE_CALLS & (names | {call.attr for call in calls if isinstance(call, ast.Attribute)})


MODULES = modules()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_follow_the_layers(module: str) -> None:
    """No module imports what the tables do not allow."""
    path = MODULES[module]
    source = path.read_text(encoding="utf-8")
    assert violations(module, source, is_package=path.name == "__init__.py", known=set(MODULES)) == []


BAD = [
    ("ftpretrieve.files", "from ftpretrieve.retrieve import records", "the floor imports no system"),
    ("ftpretrieve.files", "from .retrieve.records import State", "the floor imports no system"),
    ("ftpretrieve.files", "def f():\n    import ftpretrieve.retrieve.records", "the floor imports no system"),
    ("ftpretrieve.send.job", "from ftpretrieve.retrieve.records import State", "systems never import each other"),
    ("ftpretrieve.send.job", "from ..mirror import report", "systems never import each other"),
    ("ftpretrieve.retrieve.poller", "from ftpretrieve.cli import main", "nobody imports the top"),
    ("ftpretrieve.retrieve.poller", "from ftpretrieve import go", "nobody imports the top"),
    ("ftpretrieve.retrieve.decide", "import time", "a pure module"),
    ("ftpretrieve.retrieve.decide", "from os import path", "a pure module"),
    ("ftpretrieve.retrieve.decide", "from ftpretrieve.files import Door", "a pure module imports pure modules only"),
    ("ftpretrieve.retrieve.decide", "from .journal import Journal", "a pure module imports pure modules only"),
    ("ftpretrieve.retrieve.decide", "def f(x):\n    return x.now()", "calls now(): a pure module"),
    ("ftpretrieve.retrieve.decide", "open('x')", "calls open(): a pure module"),
    ("ftpretrieve.retrieve.control", "import daemon.pidfile", "its home is ftpretrieve.retrieve.service"),
    ("ftpretrieve.retrieve.service", "from lockfile import pidlockfile", "its home is ftpretrieve.lock"),
    ("ftpretrieve.cli", "from rich.progress import Progress", "its home is ftpretrieve.retrieve.progress"),
    ("ftpretrieve.retrieve.poller", "import ftplib", "its home is ftpretrieve.retrieve.ftp*"),
    ("ftpretrieve.retrieve.poller", "import requests", "no home is listed for it"),
    ("ftpretrieve.utils", "", "neither the top, nor in a system, nor listed as floor"),
]
GOOD = [
    ("ftpretrieve.cli", "from ftpretrieve.retrieve import service"),
    ("ftpretrieve", "def go():\n    from ftpretrieve.retrieve.service import run"),
    ("ftpretrieve.retrieve.poller", "from ftpretrieve import __version__, deadline\nfrom . import records"),
    ("ftpretrieve.retrieve.poller", "import os, time, threading"),
    (
        "ftpretrieve.retrieve.decide",
        "import re\nfrom .records import State\nfrom ftpretrieve.errors import ConfigError",
    ),
    ("ftpretrieve.retrieve.ftp_control", "import ftplib"),
]
KNOWN = {"ftpretrieve.deadline", "ftpretrieve.mirror.report", "ftpretrieve.retrieve.records"}


@pytest.mark.parametrize(("module", "source", "reason"), BAD)
def test_a_forbidden_import_is_found(module: str, source: str, reason: str) -> None:
    """The checker finds each kind of violation, and only that one."""
    (message,) = violations(module, source, known=KNOWN)
    assert reason in message


@pytest.mark.parametrize(("module", "source"), GOOD)
def test_an_allowed_import_is_let_pass(module: str, source: str) -> None:
    """The checker has nothing against what the rules allow."""
    assert violations(module, source, known=KNOWN) == []


def test_the_drawing_library_is_not_loaded_before_it_draws() -> None:
    """Importing the command costs tens of milliseconds; rich alone would double that."""
    code = "import sys, ftpretrieve.cli; sys.exit('rich' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True)
