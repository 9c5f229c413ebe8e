"""An FTP server that fails on purpose: one fault at a time, with content that a test gives it.

Raw sockets and threads, so that it can fall silent at any byte. A fault is a name of `FAULTS`, or a function that takes
the place of one command: `server.scripts["RETR"] = script`, called as script(conversation, argument); "GREETING" stands
for the words of welcome. Both may be set while it runs; without them the server behaves. `server.commands` has every
command received, in order.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

FAULTS = {
    "connect": "never answers a SYN: the backlog is full",
    "greeting": "accepts and says nothing",
    "user": "is silent after USER",
    "pass": "is silent after PASS",
    "list-before-data": "is silent after MLSD or LIST",
    "list-mid-data": "sends half of a listing, then nothing",
    "list-no-226": "sends the whole listing and closes it, but no reply follows",
    "retr-before-data": "is silent after RETR",
    "retr-mid-data": "sends half of a file, then nothing",
    "retr-no-226": "sends a whole file and closes it, but no reply follows",
    "slow": "sends one byte a second",
    "endless": "sends a file without end",
    "short-226": "sends half of a file and a friendly 226",
    "long": "sends more than the listing says, and a friendly 226",
    "look-silent": "is silent after MLST and SIZE",
    "drop-control": "closes the control connection in the middle of a RETR",
    "reply-flood": "answers USER with a reply that has no end",
    "loses-queue": "reads the first command of each packet and loses the others",
}

USER, PASSWORD = "u", "s3cret-word"


Script = Callable[["Conversation", str], bool | None]
"""Stands in for one command; False closes the connection."""


def says(reply: str) -> Script:
    """Answer this and nothing else."""
    return lambda server, _: server.reply(reply)


class FaultServer:
    """`files` maps a name (bytes) to (content, MLSD time of 14 digits). Use as a context manager.

    `rows` is a listing instead of that of `files`, or a function that makes its blocks. So many `directories` are
    listed besides the files.
    """

    user, password = USER, PASSWORD

    def __init__(
        self,
        files: dict[bytes, tuple[bytes, str]],
        *,
        mlsd: bool = True,
        host: str = "127.0.0.1",
        directories: int = 0,
    ) -> None:
        self.files = files
        self.directories = directories
        self.mlsd = mlsd
        self.host = host
        self.fault: str | None = None
        self.scripts: dict[str, Script] = {}
        self.rows: bytes | Callable[[], Iterable[bytes]] | None = None
        self.connections = 0
        self.commands: list[str] = []
        self.stopped = threading.Event()
        self.sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = self.listen()
        self.port = self._listener.getsockname()[1]

    def listen(self) -> socket.socket:
        """Return a new listening socket on the server's host."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        return socket.create_server((self.host, 0), family=family, backlog=64)

    def heal(self) -> None:
        """Behave from now on."""
        self.fault, self.rows = None, None
        self.scripts.clear()

    def __enter__(self) -> "FaultServer":
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for sock in [self._listener, *self.sockets]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)

    def _spawn(self, target, *args) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # replies in a row wait for no ACK
                self.sockets.append(sock)
                self.connections += 1
                self._spawn(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        with suppress(OSError, ValueError):
            if self.fault == "greeting":
                self.stopped.wait()
                return
            Conversation(self, sock, number).run()
        sock.close()

    def row(self, name: bytes, *, mlsd: bool) -> bytes:
        """Return the line of a listing for one of the files."""
        content, modify = self.files[name]
        if mlsd:
            return b"type=file;size=%d;modify=%s; %s\r\n" % (len(content), modify.encode(), name)
        stamp = time.strftime("%b %d %H:%M", time.strptime(modify, "%Y%m%d%H%M%S")).encode()
        return b"-rw-r--r--   1 u g %12d %s %s\r\n" % (len(content), stamp, name)

    def listing(self, *, mlsd: bool) -> bytes:
        """Return a listing of the files, or what stands in for it."""
        if isinstance(self.rows, bytes):
            return self.rows
        directory = b"type=dir;modify=20200102030405; %d\r\n" if mlsd else b"drwxr-xr-x 2 u g 4096 Jan 02 2020 %d\r\n"
        rows = [directory % number for number in range(self.directories)]
        return b"".join(rows + [self.row(name, mlsd=mlsd) for name in self.files])


class Conversation:
    """One control connection. `number` counts the connections of the server from 1."""

    def __init__(self, server: FaultServer, sock: socket.socket, number: int) -> None:
        self.server, self.sock, self.number = server, sock, number
        self.verb = ""
        self.passive: socket.socket | None = None
        self.rest = 0

    def reply(self, text: str) -> None:
        self.sock.sendall(text.encode("latin-1") + b"\r\n")

    def run(self) -> None:
        if self.answer("GREETING", "") is False:
            return
        for line in self.lines():
            command, _, argument = line.partition(" ")
            self.server.commands.append(f"{command} {argument}".strip())
            if self.answer(command.upper(), argument) is False:
                return

    def answer(self, verb: str, argument: str, *, scripted: bool = True) -> bool | None:
        """Answer one command as scripted, or else (`scripted=False`: at any rate) as a good server does."""
        self.verb = verb
        if scripted and verb in self.server.scripts:
            return self.server.scripts[verb](self, argument)
        handler = getattr(self, f"do_{verb.lower()}", None)
        if handler is None:
            self.reply("502 not implemented")
            return None
        return handler(argument)

    def lines(self) -> Iterator[str]:
        rest = b""
        while packet := self.sock.recv(65536):
            *lines, rest = (rest + packet).split(b"\r\n")
            if self.server.fault == "loses-queue":
                lines = lines[:1]
            for line in lines:
                yield line.decode("latin-1")

    def do_greeting(self, _: str) -> None:
        self.reply("220 ready")

    def silent(self, fault: str) -> bool:
        """Hang here when this is the fault."""
        if self.server.fault != fault:
            return False
        self.server.stopped.wait()
        return True

    def do_user(self, _: str) -> None:
        self.silent("user")
        if self.server.fault == "reply-flood":
            while True:
                self.sock.sendall(b"230-and so on\r\n" * 1000)
        self.reply("331 password")

    def do_pass(self, _: str) -> None:
        self.silent("pass")
        self.reply("230 in")

    def do_type(self, _: str) -> None:
        self.reply("200 ok")

    do_cwd = do_noop = do_type

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

    def listen(self) -> int:
        """Listen for a data connection and return the port."""
        self.passive = self.server.listen()
        self.server.sockets.append(self.passive)
        return self.passive.getsockname()[1]

    def accept(self) -> socket.socket:
        """Return the data connection."""
        assert self.passive is not None
        data, _ = self.passive.accept()
        self.server.sockets.append(data)
        self.passive.close()
        return data

    def reset(self, sock: socket.socket) -> None:
        """Close a connection with RST."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    def do_rest(self, argument: str) -> None:
        self.rest = int(argument)
        self.reply("350 ok")

    def do_mlsd(self, _: str) -> None:
        if not self.server.mlsd:
            self.reply("500 unknown")
            return
        self.list(mlsd=True)

    def do_list(self, _: str) -> None:
        self.list(mlsd=False)

    def list(self, *, mlsd: bool) -> None:
        self.silent("list-before-data")
        if callable(self.server.rows):
            self.stream(self.server.rows())
            self.reply("226 done")
        else:
            self.send(self.server.listing(mlsd=mlsd), "list")

    def stream(self, blocks: Iterable[bytes]) -> None:
        """Send blocks over a data connection and close it; no reply follows."""
        self.reply("150 here it comes")
        data = self.accept()
        for block in blocks:
            data.sendall(block)
        data.close()

    def do_retr(self, name: str) -> bool | None:
        self.silent("retr-before-data")
        file = self.server.files.get(name.encode("latin-1"))
        if file is None:
            self.reply("550 no such file")
            return None
        body, self.rest = file[0][self.rest :], 0
        return self.send(body, "retr")

    def send(self, body: bytes, kind: str) -> bool | None:
        fault = self.server.fault
        self.reply("150 here it comes")
        data = self.accept()
        if fault == f"{kind}-mid-data":
            data.sendall(body[: len(body) // 2])
            self.server.stopped.wait()
        if kind == "retr":
            body = self.faulty_body(data, body)
        data.sendall(body)
        data.close()
        if fault == f"{kind}-no-226":
            self.server.stopped.wait()
        if kind == "retr" and fault == "drop-control":
            return False
        self.reply("226 done")
        return None

    def faulty_body(self, data: socket.socket, body: bytes) -> bytes:
        """Return what to send instead of a file, having sent what takes its time."""
        fault, stopped = self.server.fault, self.server.stopped
        if fault == "slow":
            for start in range(len(body)):
                data.sendall(body[start : start + 1])
                if stopped.wait(1):
                    break
        while fault == "endless" and not stopped.is_set():
            data.sendall(b"x" * 65536)
        if fault in ("short-226", "drop-control"):
            return body[: len(body) // 2]
        return body + b"more" if fault == "long" else body

    def do_mlst(self, name: str) -> None:
        self.silent("look-silent")
        file = self.server.files.get(name.encode("latin-1"))
        if file is None:
            self.reply("550 no such file")
        else:
            facts = f" type=file;size={len(file[0])};modify={file[1]}; {name}"
            self.reply(f"250-Start of list for {name}\r\n{facts}\r\n250 End of list")  # proftpd's words

    def do_size(self, name: str) -> None:
        self.silent("look-silent")
        file = self.server.files.get(name.encode("latin-1"))
        self.reply("550 no such file" if file is None else f"213 {len(file[0])}")

    def do_mdtm(self, name: str) -> None:
        file = self.server.files.get(name.encode("latin-1"))
        self.reply("550 no such file" if file is None else f"213 {file[1]}")
