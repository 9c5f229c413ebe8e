"""Data connections: who connects to whom, by which command, at which address.

Passive mode asks by PASV or EPSV for a port of the server, active mode tells by PORT or EPRT one of ours. Each pair is
tried in turn, and what a server took is remembered for the session. On IPv4 the older command comes first: routers and
firewalls that open the port of an FTP transfer read PASV and PORT, and many do not know the others. Must not: send
the command that transfers, or wrap a connection (`Control.transfer` does).
"""

import ftplib
import ipaddress
import random
import re
import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ftpretrieve.deadline import Deadline
from ftpretrieve.retrieve.ftp_sockets import CONNECT_SECS, Sockets, shown

PASSIVE, ACTIVE = {4: ("PASV", "EPSV"), 6: ("EPSV", "PASV")}, {4: ("PORT", "EPRT"), 6: ("EPRT",)}
"""Commands by IP version, in order. A PASV over IPv6 tells a port all the same; a PORT could not name our address."""

SIX_NUMBERS = re.compile(r"(?<!\d)(\d{1,3})" + r"\s*,\s*(\d{1,3})" * 5 + r"(?!\d)")
"""Source: RFC 1123, section 4.1.2.6: look for the digits, brackets and words are not to be relied on."""

EXTENDED_PORT = re.compile(r"([!-/:-@\[-`{-~])(?:\d?)\1[^()]{0,50}?\1(\d{1,5})\1")
"""Source: RFC 2428, section 3: any delimiter; address and its kind are empty, and read over when they are not."""

FIREWALL = "is a firewall between here and the server? open its passive ports there, or set ftp_passive = no"
NO_PASSIVE = "set ftp_passive = no, if the server can reach this machine"

PRIVILEGED_PORTS = 1024
"""Below stand the services of the system; no server hands out such a port for data."""


@dataclass(frozen=True, slots=True)
class Network:
    """How data connections are to be made and used.

    `trust_pasv`: the host that a PASV names counts. For active mode: `ports`, first and last of those to listen on, and
    the IPv4 `address` to tell, when it is not the one that the control connection has here. `rate_bytes` a second.
    """

    passive: bool = True
    trust_pasv: bool = False
    ports: tuple[int, int] | None = None
    address: str = ""
    rate_bytes: int = 0


class Opening(Protocol):
    """A data connection on its way."""

    def take(self) -> socket.socket:
        """Return it, once the server has said that the transfer begins. Raises: OSError, ftplib's errors."""

    def close(self) -> None:
        """Give it up."""


class Unusable(Exception):
    """What the server answered leads to no data connection; says why."""


class DataOpener:
    """Opens the data connections of one session. For any thread, with a control connection of its own."""

    def __init__(self, sockets: Sockets, silence_secs: float, network: Network) -> None:
        """Take the parts; a data connection may be silent for so long."""
        self._sockets, self._silence_secs, self._network = sockets, silence_secs, network
        self._found: str | None = None

    def begin(self, control: ftplib.FTP) -> Opening:
        """Prepare a data connection, before the command that needs it. Raises: OSError, ftplib's errors."""
        assert control.sock is not None
        version = 6 if control.sock.family == socket.AF_INET6 else 4
        begin, verbs = (self._passive, PASSIVE) if self._network.passive else (self._active, ACTIVE)
        return begin(control, sorted(verbs[version], key=lambda verb: verb != self._found))

    # -- passive ------------------------------------------------------------------------------------------------

    def _passive(self, control: ftplib.FTP, verbs: Sequence[str]) -> Opening:
        assert control.sock is not None
        problems, tried = [], False
        for verb in verbs:
            try:
                address = self._named(control, verb)
                tried = True
                opening = self._connect(control.sock.family, address)
            except Unusable as error:
                problems.append(f"{verb}: {error}")
                continue
            self._found = verb
            return opening
        fix = FIREWALL if tried else NO_PASSIVE
        raise ftplib.error_proto(f"no data connection: {'; '.join(problems)}; {fix}")

    def _named(self, control: ftplib.FTP, verb: str) -> tuple[str | int, ...]:
        """Ask for a port and return the address to connect to: by default that where the server is, since one behind a
        NAT names a host that nobody reaches, and a hostile one somebody else's."""
        assert control.sock is not None
        reply = _accepted(control, verb)
        peer = control.sock.getpeername()
        host, port = parse_pasv(reply) if verb == "PASV" else (None, parse_epsv(reply))
        if not 0 < port < 65536:
            raise Unusable(f"a port that cannot be: {reply}")
        if host is not None and self._network.trust_pasv and control.sock.family == socket.AF_INET:
            peer = (_trusted(host, port, peer[0]),)
        return (peer[0], port, *peer[2:])

    def _connect(self, family: int, address: tuple[str | int, ...]) -> Opening:
        try:
            return _Passive(self._sockets, self._sockets.connect(family, address, self._silence_secs))
        except OSError as error:
            if self._sockets.over:
                raise
            what = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise Unusable(f"{shown(str(address[0]), int(address[1]))}: {what}") from error

    # -- active -------------------------------------------------------------------------------------------------

    def _active(self, control: ftplib.FTP, verbs: Sequence[str]) -> Opening:
        assert control.sock is not None
        local = control.sock.getsockname()[0]
        try:
            listener = self._sockets.listen(control.sock.family, local, self._ports())
        except OSError as error:
            raise ftplib.error_proto(f"no port to listen on at {local}: {error.strerror}") from error
        try:
            port, problems = listener.getsockname()[1], []
            for verb in verbs:
                try:
                    _accepted(control, _announcement(verb, self._network.address or local, port))
                except Unusable as error:
                    problems.append(f"{verb}: {error}")
                    continue
                self._found = verb
                return _Active(self._sockets, self._silence_secs, control.sock, listener)
            raise ftplib.error_proto(f"no data connection: {'; '.join(problems)}; set ftp_passive = yes")
        except BaseException:
            self._sockets.close(listener)
            raise

    def _ports(self) -> Sequence[int]:
        if self._network.ports is None:
            return [0]
        first, last = self._network.ports
        start = random.randrange(first, last + 1)  # so that transfers side by side seldom try the same one
        return [*range(start, last + 1), *range(first, start)]


class _Passive:
    """Connected already, since the server waits for that before it says that the transfer begins."""

    def __init__(self, sockets: Sockets, data: socket.socket) -> None:
        self._sockets, self._data = sockets, data

    def take(self) -> socket.socket:
        return self._data

    def close(self) -> None:
        self._sockets.close(self._data)


LET_IN = "let its connections in, or set ftp_passive = yes"
"""What helps when the server cannot reach us, whether it says so or only stays away."""


class _Active:
    """Waits for the server to connect; takes no connection that comes from another host."""

    def __init__(self, sockets: Sockets, silence_secs: float, control: socket.socket, listener: socket.socket) -> None:
        self._sockets, self._silence_secs, self._control = sockets, silence_secs, control
        self._socket = listener  # then the data connection
        listener.setblocking(False)

    def take(self) -> socket.socket:
        limit = Deadline(self._sockets.deadline.at_most(min(CONNECT_SECS, self._silence_secs)))
        ready = select.poll()
        ready.register(self._socket, select.POLLIN)
        ready.register(self._control, select.POLLIN)
        server = self._control.getpeername()[0]
        while not limit.expired and not self._sockets.over:
            descriptors = {fd for fd, _ in ready.poll(limit.remaining() * 1000)}
            if self._socket.fileno() in descriptors:
                try:
                    data, host = self._sockets.accept(self._socket, self._silence_secs)
                except BlockingIOError:
                    continue  # it hung up at once
                if host == server:
                    self.close()
                    self._socket = data
                    return data
                self._sockets.close(data)  # somebody who guessed the port, and would have us take his bytes
            elif descriptors:
                raise ftplib.error_proto(f"the server did not connect: {LET_IN}")
        raise ftplib.error_proto(f"the server did not connect in time: {LET_IN}")

    def close(self) -> None:
        self._sockets.close(self._socket)


def _accepted(control: ftplib.FTP, command: str) -> str:
    """Send one command that prepares a data connection and return the answer when that is yes."""
    try:
        reply = control.sendcmd(command)
        if reply.startswith("226"):  # one more end of the transfer before; no answer to any of these commands
            reply = control.getresp()
    except (ftplib.error_perm, ftplib.error_temp) as error:
        if str(error).startswith("421"):
            raise
        raise Unusable(str(error)) from error
    if not reply.startswith("2"):
        raise Unusable(f"an answer that is none: {reply}")
    return reply


def parse_pasv(reply: str) -> tuple[str, int]:
    """Return host and port of a reply to PASV, wherever in it they stand. Raises: Unusable."""
    found = SIX_NUMBERS.search(reply[3:])
    if reply[:3] != "227" or found is None or any(int(number) > 255 for number in found.groups()):
        raise Unusable(f"no address in {reply}")
    *host, high, low = found.groups()
    return ".".join(str(int(number)) for number in host), int(high) * 256 + int(low)


def parse_epsv(reply: str) -> int:
    """Return the port of a reply to EPSV. Raises: Unusable."""
    found = EXTENDED_PORT.search(reply[3:])
    if reply[:3] != "229" or found is None:
        raise Unusable(f"no port in {reply}")
    return int(found[2])


def _trusted(host: str, port: int, peer: str) -> str:
    """Return the host that a trusted PASV names, where a data connection may go: a server must not have us talk to
    this machine's or another's services. Nowhere, 0.0.0.0, stands for the server itself."""
    address = ipaddress.IPv4Address(host)
    if address.is_unspecified or host == peer:
        return peer
    strange = address.is_link_local or address.is_multicast or address.is_reserved
    strange = strange or address.is_loopback and not ipaddress.IPv4Address(peer).is_loopback
    if strange or port < PRIVILEGED_PORTS:
        raise Unusable(f"a data connection to {shown(host, port)} is refused")
    return host


def _announcement(verb: str, host: str, port: int) -> str:
    if verb == "PORT":
        return f"PORT {host.replace('.', ',')},{port >> 8},{port & 255}"
    return f"EPRT |{2 if ':' in host else 1}|{host.partition('%')[0]}|{port}|"
