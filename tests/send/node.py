"""One who sends, as the code that runs rsync sees it: files, settings, and what it was told. Needs a real data centre.

Must not be imported by the package.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ftpretrieve.deadline import Deadline
from ftpretrieve.passwords import Secret
from ftpretrieve.send.records import Intent, SeenFile, Settings, Snapshot
from ftpretrieve.send.rsync import DataCentre
from ftpretrieve.send.tools import find_rsync
from tests.rsyncd import Rsyncd
from tests.send.test_limits import settings

ID = "ABCD1234"
OLD_NS = 1_700_000_000 * 10**9


@dataclass
class Node:
    """One who sends: `data` is what it has, `heard` what it was told."""

    settings: Settings
    data: Path
    heard: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)

    def centre(self, **options: Any) -> DataCentre:
        usual: dict[str, Any] = {"tell": self.heard.append, "progress": self.figures.append, "wait": self.waited.append}
        deadline = options.pop("deadline", None) or Deadline(60)
        rsync = options.pop("rsync", None) or find_rsync(self.settings)
        return DataCentre(options.pop("settings", self.settings), rsync, deadline, **{**usual, **options})

    def with_extra(self, *words: str) -> DataCentre:
        return self.centre(settings=replace(self.settings, extra_arguments=words))

    def put(self, name: str, content: bytes = b"x") -> None:
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(OLD_NS, OLD_NS))

    def intent(self, *, content: bool = True) -> Intent:
        directory = f"{self.data}/" if content else str(self.data)
        return Intent(ID, "TEST", directory, "t", 0.0, 0.0, "", 0, 0)

    def snapshot(self) -> Snapshot:
        files, empty = [], []
        for parent, directories, names in os.walk(self.data):
            for name in names:
                path = Path(parent, name)
                files.append(SeenFile(str(path.relative_to(self.data)), path.stat().st_size, path.stat().st_mtime_ns))
            if not directories and not names:
                empty.append(str(Path(parent).relative_to(self.data)))
        return Snapshot(tuple(sorted(files, key=lambda file: file.path)), tuple(sorted(empty)))

    def send(self, centre: DataCentre | None = None) -> frozenset[str]:
        return (centre or self.centre()).push(self.intent(), self.snapshot())


def make(server: Rsyncd, directory: Path, **changes: Any) -> Node:
    """Make a node of that server below a directory, with two files and an empty directory."""
    work, data = directory / "work", directory / "data"
    work.mkdir(exist_ok=True)
    usual: dict[str, Any] = {"password": Secret(server.password), "server": server.host, "port": server.port,
                             "working_directory": work, "timeout_secs": 60, "retries": 0}  # fmt: skip
    node = Node(settings(**{**usual, **changes}), data)
    node.put("a.mseed", b"a" * 1000)
    node.put("day/b.mseed", b"b" * 2000)
    (data / "empty").mkdir(exist_ok=True)
    return node


def tree(directory: Path) -> dict[str, bytes | None]:
    """Return path -> content of all below; None for directories."""
    found: dict[str, bytes | None] = {}
    for parent, directories, names in os.walk(directory):
        for name in names:
            path = Path(parent, name)
            found[str(path.relative_to(directory))] = path.read_bytes()
        for name in directories:
            found[str(Path(parent, name).relative_to(directory))] = None
    return found
