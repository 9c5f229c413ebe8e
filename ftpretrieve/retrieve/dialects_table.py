"""The table of all dialects of LIST, in the order in which a line is offered to them.

A row comes before those that would misread its lines. `MLSD` stands apart: it is asked for by its own command.

Pure: no input or output, no clock, no settings.
"""

from ftpretrieve.retrieve.dialects import Dialect
from ftpretrieve.retrieve.dialects_dos import DOS, DOS_AROUND
from ftpretrieve.retrieve.dialects_ibm_i import IBM_I
from ftpretrieve.retrieve.dialects_japan import JAPAN
from ftpretrieve.retrieve.dialects_mainframe import MAINFRAME
from ftpretrieve.retrieve.dialects_mlsd import MLSD
from ftpretrieve.retrieve.dialects_pc import PERSONAL
from ftpretrieve.retrieve.dialects_systems import SYSTEMS
from ftpretrieve.retrieve.dialects_unix import DIRECTORY, TOTAL, UNIX
from ftpretrieve.retrieve.dialects_unix_any import ANY_UNIX, BARE_UNIX
from ftpretrieve.retrieve.dialects_vms import VMS

LIST_DIALECTS: tuple[Dialect, ...] = (
    UNIX,
    DOS,
    TOTAL,
    *JAPAN,
    ANY_UNIX,
    VMS,
    IBM_I,
    *MAINFRAME,
    *SYSTEMS,
    *PERSONAL,
    DOS_AROUND,
    BARE_UNIX,
    DIRECTORY,
)

PLAIN_DIALECTS = (MLSD, UNIX, DOS)
"""What nearly every server prints, and what nothing else looks like."""

__all__ = ["LIST_DIALECTS", "MLSD", "PLAIN_DIALECTS"]
