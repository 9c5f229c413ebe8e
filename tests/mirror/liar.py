"""An FTP server that lies, falls silent or changes its files at a chosen moment.

    server = Liar(tmp_path)
    server.before("USER", 2, lambda: empty(server.root))   # emptied when the second session begins
    server.rows = lambda path, rows: rows[:3]              # every listing is cut short, and ends in 226
    server.content = lambda path, whole: whole[:100]       # so is every transfer

All that `tests.pyftp.PyFtpServer` can do it does as well: `replace` a command, `silent`, `log` of every command.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.pyftp import DataChannel, Handler, PyFtpServer

CHANGES = {"DELE", "RMD", "STOR", "APPE", "STOU", "MKD", "RNFR", "RNTO", "SITE", "MFMT"}
"""Commands that change something at the server (QUIT and the like do not; SITE may)."""


def empty(directory: Path) -> None:
    """Remove all that is in a directory, not itself."""
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


class _DataChannel(DataChannel):
    def send(self, data: bytes) -> int:
        owner: Liar = self.cmd_channel.owner
        if owner.silent_after_bytes is None or owner.silent:
            return super().send(data)
        left = owner.silent_after_bytes - owner.sent_bytes
        if left <= 0:
            owner.silent = True
            return super().send(data)
        sent = super().send(data[:left])
        owner.sent_bytes += sent
        return sent


class _Handler(Handler):
    owner: Liar
    dtp_handler = _DataChannel

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        self.owner.seen[cmd] += 1
        self.owner.acceptor = self.server
        action = self.owner.actions.pop((cmd, self.owner.seen[cmd]), None)
        if action is not None:
            action()
        super().pre_process_command(line, cmd, arg)

    def push_dtp_data(self, data: Any, isproducer: bool = False, file: Any = None, cmd: str | None = None) -> None:
        told = self._told(data, isproducer, file, cmd)
        if told is None:
            super().push_dtp_data(data, isproducer, file, cmd)
            return
        if file is not None:
            file.close()
        super().push_dtp_data(told, False, None, cmd)

    def _told(self, data: Any, isproducer: bool, file: Any, cmd: str | None) -> bytes | None:
        """Return what is sent instead, None for the truth."""
        if cmd == "RETR" and self.owner.content is not None:
            return self.owner.content(Path(file.name).relative_to(self.owner.root).as_posix(), _whole(data))
        if cmd in ("LIST", "MLSD", "NLST") and self.owner.rows is not None:
            rows = (_whole(data) if isproducer else data).splitlines(keepends=True)
            return b"".join(self.owner.rows(self.fs.cwd, rows))
        return None


def _whole(producer: Any) -> bytes:
    chunks = []
    while chunk := producer.more():
        chunks.append(chunk)
    return b"".join(chunks)


class Liar(PyFtpServer):
    """The server. `rows` and `content` say what is sent instead of the truth; `silent_after_bytes` of data, nothing is.

    `rows` gets the session's working directory (lftp goes to the one it lists) and the lines with their ends.
    `seen`: how often each command came; `actions`: what happens before the n-th of one.
    """

    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory, handler=_Handler, **options)
        self.rows: Callable[[str, list[bytes]], list[bytes]] | None = None
        self.content: Callable[[str, bytes], bytes] | None = None
        self.silent_after_bytes: int | None = None
        self.sent_bytes = 0
        self.seen: Counter[str] = Counter()
        self.actions: dict[tuple[str, int], Callable[[], object]] = {}
        self.acceptor: Any = None

    def before(self, command: str, number: int, action: Callable[[], object]) -> None:
        """Do something before the n-th (from 1) of all commands of that name is obeyed, whatever its session."""
        self.actions[command, number] = action

    def fall_silent(self) -> None:
        """Say nothing from now on, in no session."""
        self.silent = True

    def refuse_connections(self) -> None:
        """Listen no more; sessions go on. Only as an action: in the thread that serves."""
        self.acceptor.close()

    def changes(self) -> list[tuple[str, str]]:
        """Return the commands that came to change something."""
        return [(command, argument) for command, argument in self.log if command in CHANGES]
