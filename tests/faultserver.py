"""An FTP server that fails on purpose, with content that a test gives it.

Raw sockets and threads, so that it can fall silent at any byte. A fault is a name of the table in `tests.faults`, one
at a time by `server.fault`, several by `server.arm`; or a function that takes the place of one command:
`server.scripts["RETR"] = script`, called as script(conversation, argument); "GREETING" stands for the words of welcome.
All may be set while it runs; without them the server behaves. `server.commands` has every command received, in order.
"""

from tests.faults import server, table
from tests.faults.conversation import Conversation, Script
from tests.faults.scripts import says

__all__ = ["Conversation", "FaultServer", "Script", "says"]


class FaultServer(server.FaultServer):
    """The server whose faults go by their names."""

    @property
    def fault(self) -> str | None:
        """The fault that strikes, if there is one."""
        return self.armed[-1].fault.name if self.armed else None

    @fault.setter
    def fault(self, name: str | None) -> None:
        self.armed = []
        if name is not None:
            self.arm(name)

    def arm(self, *specs: str) -> None:
        """Let faults strike together: `name`, `name@first`, or `name@3` for each third time."""
        table.strike(self, specs)
