"""How every command ends: its last words, its exit code, and the encoding that it needs for both.

Must not: know a command, nor decide what an error means; `errors` has the table, and a command may have its own.
"""

import codecs
import errno
import io
import os
import sys
from collections.abc import Callable

from ftpretrieve.errors import FtpRetrieveError, StorageError, exit_code
from ftpretrieve.escapes import escape
from ftpretrieve.signals import Ended

EXIT_USAGE, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 2, 130, 141

UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""What writing to standard output fails with. Errors of other files come here translated, or with a name."""


def run(prog: str, body: Callable[[], int], code_of: Callable[[FtpRetrieveError], int] = exit_code) -> int:
    """Return the exit code of what `body` does; an error is told on stderr, and `code_of` gives its code."""
    _print_anything()
    try:
        code = body()
        if sys.stdout is not None:  # as it is when a caller has closed it
            sys.stdout.flush()
        return code
    except FtpRetrieveError as error:
        say(prog, str(error))
        return code_of(error)
    except Ended as ended:
        return ended.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # whoever read it has enough
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.errno not in UNWRITABLE or error.filename is not None:
            raise
        _drop_output()
        failure = StorageError(f"standard output cannot be written: {error.strerror}")
        say(prog, str(failure))
        return code_of(failure)


def _print_anything() -> None:
    """Have characters that the encoding of standard output lacks printed as escapes, as Python does on stderr.

    An error handler that cannot fail is somebody's choice. UTF-8 with `surrogateescape` has every name of a file.
    """
    out = sys.stdout
    if not isinstance(out, io.TextIOWrapper):  # closed, or replaced by a caller
        return
    has_all = out.errors == "surrogateescape" and codecs.lookup(out.encoding).name == "utf-8"
    if out.errors in ("strict", "surrogateescape") and not has_all:
        out.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Give up what is still buffered, or it would raise again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(prog: str, text: str) -> None:
    """Tell whoever called the command, on stderr, one line for each of the text."""
    for line in text.splitlines():
        print(f"{prog}: {escape(line)}", file=sys.stderr)


def speak_utf8() -> None:
    """Begin again in Python's UTF-8 mode where the locale says otherwise, as in many a crontab.

    Names of files come from programs and files that write UTF-8 whatever the locale is.
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
