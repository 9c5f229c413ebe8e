"""The programs that sending needs: which rsync and which du, whether they are good enough, and what du counts.

Must not: send anything, or read more than the two programs print.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ftpretrieve import command
from ftpretrieve.errors import CommandFailed
from ftpretrieve.send.records import GB, Settings
from ftpretrieve.send.rsync_words import Version, parse_version

LEAST: Version = (3, 0, 6)
"""The oldest rsync that the data centre supports."""

INFO_SINCE: Version = (3, 1, 0)
"""Since when there is `--info`. Source: the NEWS of rsync."""

ASKING_SECS = 30.0
"""For printing a version: it may have to be read from a slow network disk first."""


@dataclass(frozen=True, slots=True)
class Rsync:
    """An rsync that can be used."""

    path: Path
    version: Version

    @property
    def has_info(self) -> bool:
        """Return whether it can tell how far the whole transfer is, and what it passes over."""
        return self.version >= INFO_SINCE


def find_rsync(settings: Settings) -> Rsync:
    """Return the rsync of the configuration, or else the first in PATH. Raises: CommandFailed when it will not do."""
    path = _find("rsync", settings.rsync, "rsync command")
    try:
        text = command.run([str(path), "--version"], timeout_secs=ASKING_SECS).decode(errors="replace")
    except CommandFailed as error:
        raise CommandFailed(f"{error}; {_instead('rsync', 'rsync command')}") from error
    version = parse_version(text)
    if version is None:
        found = "openrsync" if "openrsync" in text.lower() else "another program"
        raise CommandFailed(f"{path} is {found}, and lacks what is needed; {_instead('rsync', 'rsync command')}")
    if version < LEAST:
        raise CommandFailed(
            f"{path} is rsync {_dotted(version)}, and {_dotted(LEAST)} or newer is needed; "
            f"{_instead('rsync', 'rsync command')}"
        )
    return Rsync(path, version)


def find_du(settings: Settings) -> Path:
    """Return the du of the configuration, or else the first in PATH. Raises: CommandFailed when it is not GNU's."""
    path = _find("du", settings.du, "disk usage command")
    problem = f"{path} is not GNU du; {_instead('GNU coreutils', 'disk usage command')}"
    try:
        text = command.run([str(path), "--version"], timeout_secs=ASKING_SECS)
    except CommandFailed as error:  # others do not know the option
        raise CommandFailed(problem) from error
    if b"GNU coreutils" not in text:
        raise CommandFailed(problem)
    return path


def size_gb(du: Path, settings: Settings, directory: str, timeout_secs: float) -> float:
    """Return what du counts of a directory. Raises: CommandFailed, also when du could not read everything."""
    directory = directory.rstrip("/") + "/"  # of a link without it, du would count the link alone
    argv = [str(du), *settings.du_arguments, "--", directory]
    output = command.run(argv, timeout_secs=timeout_secs)
    found = re.fullmatch(rb"(\d+)\t" + re.escape(os.fsencode(directory)) + rb"[\n\0]", output)
    counts_bytes = any(re.fullmatch(r"--bytes|-[a-zA-Z0]*b[a-zA-Z0]*|(-B|--block-size=)1", word) for word in argv[1:-2])
    if found is None or not counts_bytes:
        raise CommandFailed(
            f"{du} {' '.join(settings.du_arguments)} does not print one number of bytes for {directory}; set 'disk "
            "usage command arguments = --bytes --summarize'"
        )
    return int(found[1]) / GB


def _find(name: str, configured: Path | None, key: str) -> Path:
    if configured is None:
        found = shutil.which(name)
        if found is None:
            raise CommandFailed(f"there is no {name} in PATH; {_instead(name, key)}")
        return Path(os.path.abspath(found))
    if not (configured.is_absolute() and configured.is_file() and os.access(configured, os.X_OK)):
        raise CommandFailed(f"'{key} full path': {configured} is no program with its full path; {_instead(name, key)}")
    return configured


def _instead(name: str, key: str) -> str:
    return f"install {name}, or set '{key} auto find = no' and '{key} full path'"


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
