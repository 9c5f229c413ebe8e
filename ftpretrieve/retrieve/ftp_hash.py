"""What the content of a file hashes to at the server: HASH, XSHA256, XMD5, XCRC and their like.

None of these commands ever became a standard, so replies are read by what they must contain: a digest of the length
that the algorithm has, and only one. Whatever else is said means that the server could not tell, which is never held
against a file. Must not: compare, or read local files.

Source: draft-bryan-ftp-hash-12 for HASH; draft-twine-ftpmd5-00 for MD5; proftpd 1.3.8 mod_digest for the others
(measured).
"""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ftpretrieve.errors import RemoteUnavailable
from ftpretrieve.logs import record
from ftpretrieve.retrieve.ftp_control import Control, wire_name
from ftpretrieve.retrieve.records import RemoteFile

ALGORITHMS = {"SHA-256": 64, "SHA-512": 128, "SHA-1": 40, "MD5": 32, "CRC32": 8}
"""Algorithm -> hexadecimal digits of a digest, in the order in which we choose. SHA-256 stands before SHA-512 because
it proves as much and our side of it is computed while downloading."""

COMMANDS = {
    "SHA-256": ("XSHA256",),
    "SHA-512": ("XSHA512",),
    "SHA-1": ("XSHA1", "XSHA"),
    "MD5": ("XMD5", "MD5"),
    "CRC32": ("XCRC",),
}
"""What servers without HASH know, each for one algorithm."""

SMALL_BYTES = 16 * 1024 * 1024
"""Of files that have so much together the digests are asked for ahead; larger ones may keep a server busy for longer
than a queued reply is waited for."""

NO_COMMAND = ("500", "502")
"""Source: RFC 959, section 4.2.2. With 501 and 504 the command is known, and this file or algorithm is the matter."""

Told = tuple[str, str]
"""(algorithm, digest in lower-case hexadecimal)"""

_RANGED = re.compile(r"(\S+) (\d+)-(\d+) ([0-9A-Fa-f]+)(?: |$)")


@dataclass(frozen=True, slots=True)
class Method:
    """One way to ask. `selects` says that the algorithm has to be chosen by OPTS before."""

    command: str
    algorithm: str
    selects: bool = False

    def line(self, name: str) -> str | None:
        """Return the command for a name as the wire has it; None when it could be taken for another one.

        The commands with an X take a range behind the name, so a name with blanks stands in quotes, as Serv-U and
        proftpd have it.
        """
        if not self.command.startswith("X") or " " not in name:
            return f"{self.command} {name}"
        return None if '"' in name else f'{self.command} "{name}"'


def choose(features: Iterable[str]) -> Method | None:
    """Return the strongest way to ask that the lines of a reply to FEAT offer."""
    words: dict[str, str] = {}
    for line in features:
        word, _, rest = line.strip().upper().partition(" ")
        words.setdefault(word, rest)
    hashes = {_known(name.strip().rstrip("*")): name for name in words.get("HASH", "").split(";")}
    for algorithm in ALGORITHMS:
        if algorithm in hashes:
            return Method("HASH", algorithm, selects=not hashes[algorithm].strip().endswith("*"))
        for command in COMMANDS[algorithm]:
            if command in words:
                return Method(command, algorithm)
    return None


def _known(name: str) -> str | None:
    """Return the algorithm that a server's spelling (SHA-256, sha256, CRC-32) means."""
    bare = re.sub(r"[^0-9A-Z]", "", name.upper())
    return next((algorithm for algorithm in ALGORITHMS if algorithm.replace("-", "") == bare), None)


def read_reply(reply: str, method: Method, name: str, size: int | None) -> Told | None:
    """Return what a reply tells of a whole file, or None when it does not clearly tell anything."""
    if not reply.startswith("2"):
        return None
    lines = [re.sub(r"^2\d\d[ -]", "", line) for line in reply.split("\n")]
    ranged = _RANGED.match(lines[-1])
    if ranged is not None:
        return _ranged(ranged, size)
    digits = ALGORITHMS[method.algorithm]
    text = "\n".join(lines)
    # The name may look like a digest, and stand there quoted or as a path; a file named by its digest does exist.
    without = re.sub(rf'(?<!\w)"?{re.escape(name)}"?(?!\w)', " ", text)
    for part in (without, text):
        found = {
            word.lower() for word in re.findall(rf"(?<![\w./-])(?:0[xX])?([0-9A-Fa-f]{{{digits}}})(?![\w.-])", part)
        }
        if found:
            return (method.algorithm, found.pop()) if len(found) == 1 else None
    last = lines[-1].strip()
    if method.algorithm == "CRC32" and re.fullmatch(r"(0[xX])?[0-9A-Fa-f]{1,8}", last):
        return method.algorithm, last.lower().removeprefix("0x").zfill(digits)  # printed as a number
    return None


def _ranged(found: re.Match[str], size: int | None) -> Told | None:
    """Read `SHA-256 0-49 <digest> <name>`. Servers differ in whether the end is the last byte or the one after."""
    algorithm, digest = _known(found[1]), found[4].lower()
    if algorithm is None or len(digest) != ALGORITHMS[algorithm] or int(found[2]) != 0:
        return None
    if size is not None and int(found[3]) not in (size, max(0, size - 1)):
        return None
    return algorithm, digest


class Hashes:
    """The asking of one session; that it cannot be done is said once."""

    def __init__(self, log: logging.Logger) -> None:
        self.method: Method | None = None
        self._log = log
        self._said = False
        self._told: dict[bytes, Told] = {}

    def unavailable(self, reason: str) -> None:
        """Say that files are delivered without having been compared by digest."""
        if not self._said:
            self._said = True
            command = None if self.method is None else self.method.command
            self._log.warning(record("HASHUNAVAILABLE", command=command, reason=reason))

    def ask(self, control: Control, files: Sequence[RemoteFile], *, queued: bool) -> dict[bytes, Told]:
        """Ask for the digests of files and return those that are told.

        Raises: RemoteUnavailable when the connection broke or fell silent over it; then nothing is asked any more, and
        the next call returns what had been told.
        """
        method = self.method
        if method is None:
            told, self._told = self._told, {}
            return told
        self._told = {}
        # Nothing can be wrong with nothing; proftpd answers 501 to XCRC of an empty file.
        asked = [file for file in files if file.size != 0]
        lines = [(file, line) for file in asked if (line := method.line(wire_name(file.name))) is not None]
        ahead = queued and sum(file.size or SMALL_BYTES for file in files) <= SMALL_BYTES
        try:
            with control.step(method.command):
                if method.selects:  # whether that was understood, each reply says
                    list(control.ask_all([f"OPTS HASH {method.algorithm}"], False))
                replies = control.ask_all([line for _, line in lines], ahead)
                for (file, _), reply in zip(lines, replies, strict=True):
                    self._take(control, method, file, reply)
        except RemoteUnavailable as error:
            self.unavailable(str(error))
            self.method = None
            raise
        return self._told

    def _take(self, control: Control, method: Method, file: RemoteFile, reply: str) -> None:
        told = read_reply(reply, method, wire_name(file.name), file.size)
        if told is not None:
            self._told[file.name] = told
            return
        self.unavailable(control.masked(reply))
        if reply.startswith(NO_COMMAND):
            self.method = None
