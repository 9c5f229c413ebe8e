"""What is allowed: how many connections a server takes, told from its words, and how many bytes a second we may load.

Must not: know sockets, or wait otherwise than on the event that ends the session.
"""

import re
import threading
import time
from collections.abc import Callable

from ftpretrieve.errors import RemoteUnavailable

TOO_MANY = (
    # vsftpd, FileZilla, Serv-U, pyftpdlib, Gene6, CrushFTP, NcFTPd, tnftpd, pure-ftpd for one address
    r"too many|too busy",
    # proftpd (its five limits), IIS, Apache, wu-ftpd, Titan, Xlight, Cerberus: a greatest number of something
    r"\bmax(imum|\.)? (\S+ ){0,5}(clients?|connections?|users?|hosts?|sessions?|logins?|accounts?)\b",
    r"\b(connection|session|user|client|login|account)s? limit\b",
    r"\(the maximum\)|already the maximum",
    # pure-ftpd for one account, glFTPd, FTP servers of printers and scanners
    r"can't accept more than|simultaneous|concurrent|already (logged|connected|in use)",
    r"no more (connections|users|clients|sessions|logins)|(server|site) (is )?(full|busy)|load (is )?too high",
    # the languages that servers are translated to
    r"zu viele|maximale (an)?zahl|höchstzahl|trop (de|d')|nombre maxim|demasiad[oa]s|número máximo|límite de",
    r"troppi|troppe|numero massimo|muit[oa]s (us|con)|te veel|maximum aantal|zbyt wiel|maksymaln|för många|for mange",
    r"слишком много|максимальн|превышен.{0,20}(числ|лимит)|连接数|人数|用户数|連線數|接続数|最大|동시|최대",
)
CROWDED = re.compile("|".join(TOO_MANY), re.IGNORECASE)
"""Words of the server that say: not now, too many are in. From the sources and manuals of the servers named."""

ABOUT_ACCOUNT = re.compile(
    r"attempt|fail|\bbad\b|authenticat|incorrect|invalid|wrong|password|locked|disabled|expired|banned|blocked|blacklist"
    r"|tentativ|versuche|intentos|попыт|неверн|парол|échec|passwort|kennwort|mot de passe|contraseña|尝试|密码",
    re.IGNORECASE,
)
"""Words that make it a matter of the account after all: "too many login attempts" must not be tried again soon."""


class Crowded(RemoteUnavailable):
    """The server takes no further connection for now; says nothing about the account."""


def is_crowded(reply: str) -> bool:
    """Say whether a server that refuses a login, in these words, only has too many connections.

    When unsure it is the account that was refused: one poll too few costs minutes, one login too many an account.
    """
    return CROWDED.search(reply) is not None and ABOUT_ACCOUNT.search(reply) is None


RATE_BURST_SECS = 0.25
"""What may be loaded at once after a pause, in seconds of the rate."""

RATE_STEP_SECS = 0.1
"""What is loaded in one piece: pieces of seconds would come in jerks, and end late."""


class RateLimit:
    """Bytes per second, shared by all connections of a session; 0 is no limit."""

    def __init__(
        self, bytes_per_sec: int, over: threading.Event, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`over` ends all waiting."""
        self._bytes_per_sec, self._over, self._monotonic = bytes_per_sec, over, monotonic
        self._paid_until = monotonic()
        self._lock = threading.Lock()

    def at_most(self, size: int) -> int:
        """Return how many bytes to load in one piece, up to `size`."""
        return min(size, max(1, int(self._bytes_per_sec * RATE_STEP_SECS))) if self._bytes_per_sec else size

    def spend(self, size: int) -> None:
        """Wait until so many bytes, which have been loaded, are within the rate."""
        if not self._bytes_per_sec:
            return
        with self._lock:
            now = self._monotonic()
            self._paid_until = max(self._paid_until, now - RATE_BURST_SECS) + size / self._bytes_per_sec
            wait_secs = self._paid_until - now
        if wait_secs > 0:
            self._over.wait(wait_secs)
