"""An FTP server that fails on purpose: one fault at a time, chosen by name, with content that a test gives it.

Raw sockets and threads, so that it can fall silent at any byte. `server.fault` may be set while it runs; None is a
well-behaved server. `server.commands` has every command received, in order.
"""

import socket
import threading
import time
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
}


class FaultServer:
    """`files` maps a name (bytes) to (content, MLSD time of 14 digits). Use as a context manager."""

    def __init__(self, files: dict[bytes, tuple[bytes, str]], *, mlsd: bool = True) -> None:
        self.files = files
        self.mlsd = mlsd
        self.fault: str | None = None
        self.commands: list[str] = []
        self._stopped = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> "FaultServer":
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for sock in [self._listener, *self._sockets]:
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
                self._sockets.append(sock)
                self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, ValueError):
            if self.fault == "greeting":
                self._stopped.wait()
                return
            _Conversation(self, sock).run()
        sock.close()

    def listing(self) -> bytes:
        rows = []
        for name, (content, modify) in self.files.items():
            if self.mlsd:
                rows.append(b"type=file;size=%d;modify=%s; %s" % (len(content), modify.encode(), name))
            else:
                stamp = time.strftime("%b %d %H:%M", time.strptime(modify, "%Y%m%d%H%M%S")).encode()
                rows.append(b"-rw-r--r--   1 u g %12d %s %s" % (len(content), stamp, name))
        return b"".join(row + b"\r\n" for row in rows)


class _Conversation:
    def __init__(self, server: FaultServer, sock: socket.socket) -> None:
        self.server, self.sock = server, sock
        self.passive: socket.socket | None = None
        self.rest = 0

    def reply(self, text: str) -> None:
        self.sock.sendall(text.encode("latin-1") + b"\r\n")

    def run(self) -> None:
        self.reply("220 ready")
        with self.sock.makefile("r", encoding="latin-1", newline="\n") as lines:
            for line in lines:
                command, _, argument = line.rstrip("\r\n").partition(" ")
                self.server.commands.append(f"{command} {argument}".strip())
                handler = getattr(self, f"do_{command.lower()}", None)
                if handler is None:
                    self.reply("502 not implemented")
                elif handler(argument) is False:
                    return

    def silent(self, fault: str) -> bool:
        """Hang here when this is the fault."""
        if self.server.fault != fault:
            return False
        self.server._stopped.wait()
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
        self.passive = socket.create_server(("127.0.0.1", 0))
        self.server._sockets.append(self.passive)
        port = self.passive.getsockname()[1]
        self.reply(f"227 Entering Passive Mode (127,0,0,1,{port >> 8},{port & 255})")

    def do_rest(self, argument: str) -> None:
        self.rest = int(argument)
        self.reply("350 ok")

    def do_mlsd(self, _: str) -> None:
        if not self.server.mlsd:
            self.reply("500 unknown")
            return
        self.silent("list-before-data")
        self.send(self.server.listing(), "list")

    def do_list(self, _: str) -> None:
        self.silent("list-before-data")
        self.send(self.server.listing(), "list")

    def do_retr(self, name: str) -> bool | None:
        self.silent("retr-before-data")
        file = self.server.files.get(name.encode("latin-1"))
        if file is None:
            self.reply("550 no such file")
            return None
        body, self.rest = file[0][self.rest :], 0
        return self.send(body, "retr")

    def send(self, body: bytes, kind: str) -> bool | None:
        assert self.passive is not None
        fault = self.server.fault
        self.reply("150 here it comes")
        data, _ = self.passive.accept()
        self.server._sockets.append(data)
        self.passive.close()
        if fault == f"{kind}-mid-data":
            data.sendall(body[: len(body) // 2])
            self.server._stopped.wait()
        if kind == "retr" and fault == "drop-control":
            data.sendall(body[: len(body) // 2])
            data.close()
            return False
        if kind == "retr" and fault == "slow":
            for byte in body:
                data.sendall(bytes([byte]))
                if self.server._stopped.wait(1):
                    break
        if kind == "retr" and fault == "endless":
            while not self.server._stopped.is_set():
                data.sendall(b"x" * 65536)
        if kind == "retr" and fault == "short-226":
            body = body[: len(body) // 2]
        if kind == "retr" and fault == "long":
            body += b"more"
        if not (kind == "retr" and fault == "slow"):
            data.sendall(body)
        data.close()
        if fault == f"{kind}-no-226":
            self.server._stopped.wait()
        self.reply("226 done")
        return None

    def do_mlst(self, name: str) -> None:
        self.silent("look-silent")
        file = self.server.files.get(name.encode("latin-1"))
        if file is None:
            self.reply("550 no such file")
        else:
            facts = f" type=file;size={len(file[0])};modify={file[1]}; {name}"
            self.reply(f"250-Listing\r\n{facts}\r\n250 End")

    def do_size(self, name: str) -> None:
        self.silent("look-silent")
        file = self.server.files.get(name.encode("latin-1"))
        self.reply("550 no such file" if file is None else f"213 {len(file[0])}")

    def do_mdtm(self, name: str) -> None:
        file = self.server.files.get(name.encode("latin-1"))
        self.reply("550 no such file" if file is None else f"213 {file[1]}")
