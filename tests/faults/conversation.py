"""One control connection of the fault server: what a good server answers, and the pieces of which faults are made.

Must not: know any fault.
"""

from __future__ import annotations

import re
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.server import FaultServer

IDLE_SECS = 0.2
"""A moment without a command, for faults that strike then."""

LIST_COLUMNS = re.compile(rb"(?m)^\S{10} +\d+ u g +\S+ [A-Z][a-z]{2} \d\d (?:\d\d:\d\d| \d{4}) ")
"""What stands before the name in a row of LIST; NLST leaves it out."""

Script = Callable[["Conversation", str], bool | None]
"""Stands in for one command; False closes the connection."""


class Conversation:
    """One control connection. `number` counts the connections of the server from 1."""

    def __init__(self, server: FaultServer, sock: socket.socket, number: int) -> None:
        self.server, self.sock, self.number = server, sock, number
        self.verb = ""
        self.passive: socket.socket | None = None
        self.rest, self.resuming = 0, False
        self._scripts: list[Script] = []

    # -- talking --------------------------------------------------------------------------------------------------

    def reply(self, text: str) -> None:
        """Send a reply, which may have several lines."""
        line = text.encode("latin-1") + b"\r\n"
        for armed in list(self.server.armed):
            if armed.fault.packets is not None and armed.strikes("packets"):
                for packet in armed.fault.packets(line):
                    self.sock.sendall(packet)
                return
        self.sock.sendall(line)

    def silence(self) -> None:
        """Say nothing more while the server runs."""
        self.server.stopped.wait()

    def end(self, ending: str | None) -> bool | None:
        """Send a reply; "" closes the connection instead, None is silence."""
        if ending is None:
            self.silence()
        elif ending:
            self.reply(ending)
        return False if ending == "" else None

    def run(self) -> None:
        """Talk until one side has enough."""
        if self.answer("GREETING", "") is False:
            return
        for line in self.lines():
            command, _, argument = line.partition(" ")
            command = command.lstrip("\xff\xf4\xf2")  # Telnet's interrupt, sent before ABOR
            self.server.commands.append(f"{command} {argument}".strip())
            if self.answer(command.upper(), argument) is False:
                return

    def answer(self, verb: str, argument: str, *, scripted: bool = True) -> bool | None:
        """Answer one command as scripted, or else (`scripted=False`: at any rate) as a good server does."""
        self.verb = verb
        if scripted and verb in self.server.scripts:
            return self.server.scripts[verb](self, argument)
        found = [armed.script(verb) for armed in self.server.armed] if scripted else []
        self._scripts = [script for script in found if script is not None]
        return self.proceed(argument)

    def proceed(self, argument: str) -> bool | None:
        """Do what would have been done without the fault that strikes."""
        if self._scripts:
            return self._scripts.pop(0)(self, argument)
        handler = getattr(self, f"do_{self.verb.lower()}", None)
        if handler is None:
            self.reply("502 not implemented")
            return None
        result: bool | None = handler(argument)
        return result

    def lines(self) -> Iterator[str]:
        """Yield the commands; those that came in one packet pass the script "QUEUE", which may lose some."""
        rest = b""
        while True:
            while not select.select([self.sock], [], [], IDLE_SECS)[0]:
                idle = any("IDLE" in armed.fault.scripts for armed in self.server.armed)
                if idle and self.answer("IDLE", "") is False:
                    return
            packet = self.sock.recv(65536)
            if not packet:
                return
            *lines, rest = (rest + packet).split(b"\r\n")
            if any(armed.script("QUEUE") for armed in self.server.armed):
                lines = lines[:1]
            yield from (line.decode("latin-1") for line in lines)

    # -- data connections -----------------------------------------------------------------------------------------

    def listen(self) -> int:
        """Listen for a data connection and return the port."""
        if self.passive is not None:
            self.passive.close()
        self.passive = self.server.listen()
        self.server.sockets.append(self.passive)
        port: int = self.passive.getsockname()[1]
        return port

    def accept(self) -> socket.socket:
        """Return the data connection. Raises: OSError, which ends the conversation, when none was prepared."""
        if self.passive is None:
            raise OSError("no PASV before")
        data, _ = self.passive.accept()
        self.server.sockets.append(data)
        self.passive.close()
        return data

    def reset(self, sock: socket.socket) -> None:
        """Close a connection with RST."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    def stream(self, blocks: Iterable[bytes], opening: str = "150 here it comes", *, reset: bool = False) -> None:
        """Send blocks over a data connection and close it; no reply follows."""
        if opening:
            self.reply(opening)
        data = self.accept()
        with suppress(OSError):  # the other side has enough
            for block in blocks:
                data.sendall(block)
        if reset:
            time.sleep(0.05)  # else what was sent may be thrown away with the connection
            self.reset(data)
        data.close()

    def send(self, body: bytes, ending: str | None = "226 done", *, reset: bool = False) -> bool | None:
        """Send a body and a reply; see `end`."""
        self.stream([body], reset=reset)
        return self.end(ending)

    def payload(self, argument: str) -> bytes | None:
        """Return what the present MLSD, LIST or RETR sends; None when there is no such file, which is said."""
        if self.verb in ("MLSD", "LIST", "NLST"):
            self.server.listings += 1
            rows = self.server.listing(mlsd=self.verb == "MLSD")
            return re.sub(LIST_COLUMNS, b"", rows) if self.verb == "NLST" else rows
        body = self.server.body(self.name(argument))
        if body is None:
            self.reply("550 no such file")
            return None
        body, self.rest, self.resuming = body[self.rest :], 0, False
        return body

    def name(self, argument: str) -> bytes:
        """Return the file that is meant; some clients ask by its path."""
        name = argument.encode("latin-1")
        return name if name in self.server.files else name.removeprefix(b"/").removeprefix(b"in/").removeprefix(b"./")

    # -- a good server --------------------------------------------------------------------------------------------

    def do_greeting(self, _: str) -> None:
        self.reply("220 hi")

    def do_user(self, _: str) -> None:
        self.reply("331 password")

    def do_pass(self, _: str) -> None:
        self.reply("230 in")

    def do_type(self, _: str) -> None:
        self.reply("200 ok")

    do_noop = do_opts = do_type

    def do_cwd(self, _: str) -> None:
        self.reply("250 ok")

    def do_syst(self, _: str) -> None:
        self.reply("215 UNIX Type: L8")

    def do_pwd(self, _: str) -> None:
        self.reply('257 "/"')

    def do_quit(self, _: str) -> bool:
        self.reply("221 bye")
        return False

    def do_feat(self, _: str) -> None:
        facts = " MLST type*;size*;modify*;\r\n" if self.server.mlsd else ""
        self.reply(f"211-Features:\r\n{facts} SIZE\r\n MDTM\r\n REST STREAM\r\n211 End")

    def do_pasv(self, _: str) -> None:
        port = self.listen()
        self.reply(f"227 Entering Passive Mode (127,0,0,1,{port >> 8},{port & 255})")

    def do_epsv(self, _: str) -> None:
        self.reply(f"229 Entering Extended Passive Mode (|||{self.listen()}|)")

    def do_rest(self, argument: str) -> None:
        self.rest, self.resuming = int(argument), True
        self.reply("350 ok")

    def do_mlsd(self, argument: str) -> bool | None:
        if not self.server.mlsd:
            self.reply("500 unknown")
            return None
        return self.do_list(argument)

    def do_list(self, argument: str) -> bool | None:
        if callable(self.server.rows):
            self.stream(self.server.rows())
            self.reply("226 done")
            return None
        return self.do_retr(argument)

    do_nlst = do_list

    def do_retr(self, argument: str) -> bool | None:
        body = self.payload(argument)
        return None if body is None else self.send(body)

    def do_mlst(self, argument: str) -> None:
        file = self.server.files.get(self.name(argument))
        if file is None or not self.server.mlsd:
            self.reply("550 no such file" if self.server.mlsd else "500 unknown")
        else:
            facts = f" type=file;size={len(file[0])};modify={self.server.shown(file[1])}; {argument}"
            self.reply(f"250-Start of list for {argument}\r\n{facts}\r\n250 End of list")  # proftpd's words

    def do_size(self, argument: str) -> None:
        file = self.server.files.get(self.name(argument))
        self.reply("550 no such file" if file is None else f"213 {len(file[0])}")

    def do_mdtm(self, argument: str) -> None:
        file = self.server.files.get(self.name(argument))
        self.reply("550 no such file" if file is None else f"213 {self.server.shown(file[1])}")
