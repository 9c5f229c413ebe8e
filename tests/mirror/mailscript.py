"""A mail server that says at each step what a test wants: nothing, nonsense, too much, or what a real one says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

Answer = bytes | None | Callable[[bytes], bytes]
"""What is sent for a command; None: nothing, ever; a function makes it from the line of the client."""

REAL: Mapping[str, Answer] = {
    "": b"220 test ESMTP\r\n",  # the greeting
    "EHLO": b"250-test\r\n250 AUTH PLAIN LOGIN\r\n",
    "HELO": b"250 test\r\n",
    "STARTTLS": b"220 go ahead\r\n",
    "AUTH": b"235 welcome\r\n",
    "MAIL": b"250 fine\r\n",
    "RCPT": b"250 fine\r\n",
    "DATA": b"354 go on\r\n",
    ".": b"250 taken\r\n",  # the end of the mail
    "QUIT": b"221 bye\r\n",
}

HANG_UP = b""
DRIP = b"250-"  # begins an answer of which one more byte comes now and then, for ever


class MailScript:
    """Answers as `REAL` has it but for `answers`; keeps the lines of the client. For one mail at a time."""

    def __init__(self, answers: Mapping[str, Answer] | None = None) -> None:
        self.answers: dict[str, Answer] = {**REAL, **(answers or {})}
        self.lines: list[bytes] = []
        self._sockets: list[socket.socket] = []
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="mail-script")

    @property
    def verbs(self) -> list[str]:
        """The commands that came, in order."""
        return [line.split()[0].decode("latin-1").upper() for line in self.lines if line.split()]

    def __enter__(self) -> MailScript:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for sock in (self._listener, *self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        for sock in (self._listener, *self._sockets):
            sock.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._sockets.append(sock)
                with suppress(OSError):
                    self._talk(sock)
                sock.close()

    def _talk(self, sock: socket.socket) -> None:
        with sock.makefile("rb") as file:
            verb, line = "", b""
            while self._say(sock, self.answers.get(verb, b"500 what?\r\n"), line):
                line = file.readline()
                while verb == "DATA" and line and line != b".\r\n":
                    self.lines.append(line)
                    line = file.readline()
                if not line:
                    return
                self.lines.append(line)
                if verb == "STARTTLS":
                    self._stopped.wait()  # a handshake that it takes no part in
                verb = line.split()[0].decode("latin-1").upper() if line.split() else ""

    def _say(self, sock: socket.socket, answer: Answer, line: bytes) -> bool:
        """Send an answer; return whether the talk goes on."""
        if callable(answer):
            answer = answer(line)
        if answer is None:
            self._stopped.wait()
        elif answer is DRIP:
            sock.sendall(DRIP)
            while not self._stopped.wait(0.05):
                sock.sendall(b"x")
        else:
            sock.sendall(answer)
            return answer != HANG_UP
        return False
